package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
)

func (a *app) learnedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "learned",
		Short:   "List or drop the secrets that providers handed over",
		GroupID: groupTalk,
		Example: "  headgate learned list\n  headgate learned drop atlassian-connect",
	}
	conn := a.connectFlags(cmd)
	return group(cmd, a.learnedList(conn), a.learnedDrop(conn))
}

func (a *app) learnedList(conn *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the secrets learnt in handshakes, without themselves",
		Long: `List the secrets that providers handed over in handshakes, by provider, the oldest first: when each
was learnt, a digest that tells it from the others, and whether requests are verified with it. Those
that were sealed under another key cannot be read, and verify nothing.`,
		Example: "  headgate learned list\n  headgate learned list --json",
		Args:    cobra.NoArgs,
	}
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		var raw json.RawMessage
		c, err := conn.ask(ctx, "/api/v1/learned", nil, &raw)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(raw)
		}
		var list admin.LearnedList
		if err := c.decode(raw, &list); err != nil {
			return err
		}
		a.printLearned(list, time.Now())
		return nil
	})
	return cmd
}

func (a *app) printLearned(list admin.LearnedList, now time.Time) {
	if len(list.Learned) == 0 {
		a.talk("no learnt secrets")
		return
	}
	var rows [][]cell
	for _, e := range list.Learned {
		state := cell{"live", "32"}
		if !e.Live {
			state = cell{"cannot be read", "31"}
		}
		rows = append(rows, []cell{{text: e.Provider}, {text: age(e.At, now)}, {text: e.Digest}, state})
	}
	a.table(a.Stdout, []string{"PROVIDER", "AGE", "DIGEST", "STATE"}, rows)
}

func (a *app) learnedDrop(conn *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drop PROVIDER",
		Short: "Drop all secrets that a provider handed over, for good",
		Long: `Drop all secrets that a provider handed over in handshakes, for good and at once. Requests signed with
them are refused from then on; the provider's next handshake is learnt as the first one was.

The secrets of the manifest stay as they are. PROVIDER need not be in the manifests any more.`,
		Example: "  headgate learned drop atlassian-connect",
		Args:    exactly("PROVIDER"),
	}
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		c, err := conn.dial()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		err = c.remove(ctx, "/api/v1/learned/"+url.PathEscape(args[0]), &raw)
		var answer *answerError
		if errors.As(err, &answer) && answer.status == http.StatusNotFound {
			return &exitError{code: exitRuntime, err: answer, hint: "headgate learned list"}
		}
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(raw)
		}
		var done admin.LearnedDropped
		if err := c.decode(raw, &done); err != nil {
			return err
		}
		fmt.Fprintf(a.Stdout, "dropped %s of %s\n", count(done.Dropped, "secret"), visible(done.Provider))
		return nil
	})
	return cmd
}
