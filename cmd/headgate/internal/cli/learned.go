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
		Example: "  headgate learned list\n  headgate learned reveal acme\n  headgate learned drop acme",
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
		var done admin.LearnedRevealed
		printed, err := a.learnedOf(conn, &done, func(c *client, out any) error {
			return c.post(ctx, "/api/v1/learned/"+url.PathEscape(args[0])+"/reveal", nil, out)
		})
		if err != nil || printed {
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
		Example: "  headgate learned drop acme",
		Args:    exactly("PROVIDER"),
	}
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		var done admin.LearnedDropped
		printed, err := a.learnedOf(conn, &done, func(c *client, out any) error {
			return c.remove(ctx, "/api/v1/learned/"+url.PathEscape(args[0]), out)
		})
		if err != nil || printed {
			return err
		}
		fmt.Fprintf(a.Stdout, "dropped %s of %s\n", count(done.Dropped, "secret"), visible(done.Provider))
		return nil
	})
	return cmd
}

// learnedOf asks the gateway about the secrets of one provider and fills done with its answer. Under --json the answer is printed as it
// is, which the result says.
func (a *app) learnedOf(conn *connection, done any, ask func(c *client, out any) error) (printed bool, err error) {
	c, err := conn.dial()
	if err != nil {
		return false, err
	}
	var raw json.RawMessage
	err = ask(c, &raw)
	var answer *answerError
	switch {
	case errors.As(err, &answer) && answer.status == http.StatusNotFound:
		return false, &exitError{code: exitRuntime, err: answer, hint: "headgate learned list"}
	case err != nil:
		return false, err
	case a.json:
		return true, a.printJSON(raw)
	}
	return false, c.decode(raw, done)
}
