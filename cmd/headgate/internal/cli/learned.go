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
	"github.com/headgate/headgate/engine/vault"
)

func (a *app) learnedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "learned",
		Short:   "List, reveal or drop the secrets that providers handed over",
		GroupID: groupTalk,
		Example: "  headgate learned list\n  headgate learned reveal acme\n  headgate learned drop atlassian-connect",
	}
	conn := a.connectFlags(cmd)
	return group(cmd, a.learnedList(conn), a.learnedReveal(conn), a.learnedDrop(conn))
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

func (a *app) learnedReveal(conn *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reveal PROVIDER",
		Short: "Show the secret that a provider has just handed over",
		Long: fmt.Sprintf(`Show the newest secret that a provider handed over in a handshake, for providers whose settings page
asks for it before they send anything. stdout gets the secret alone.

It is shown for %.0f minutes after the handshake; then repeat that. The gateway logs each time, with the
digest and without the secret.`, vault.RevealTime.Minutes()),
		Example: "  headgate learned reveal acme\n  headgate learned reveal acme --json",
		Args:    exactly("PROVIDER"),
	}
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		c, err := conn.dial()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		err = c.post(ctx, "/api/v1/learned/"+url.PathEscape(args[0])+"/reveal", nil, &raw)
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
		var done admin.LearnedRevealed
		if err := c.decode(raw, &done); err != nil {
			return err
		}
		return a.printRevealed(done, time.Now())
	})
	return cmd
}

// printRevealed prints the secret as it is, but to a terminal nothing that would move its cursor: a stranger may have made it up.
func (a *app) printRevealed(done admin.LearnedRevealed, now time.Time) error {
	text := done.Secret
	if done.SecretBase64 != nil {
		text = string(done.SecretBase64)
	}
	a.talk("the newest secret of %s, handed over %s, digest %s", visible(done.Provider), age(done.At, now), visible(done.Digest))
	if clean := visible(text); terminal(a.Stdout) && clean != text {
		a.talk("it has characters that a terminal does not show: --json has them all")
		text = clean
	}
	if _, err := fmt.Fprintln(a.Stdout, text); err != nil {
		return failed(fmt.Errorf("writing the secret: %w", err))
	}
	return nil
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
