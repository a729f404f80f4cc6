package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/subscription"
)

func (a *app) subscriptionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "subscriptions",
		Short: "List, register, disable, enable, rotate or delete subscriptions",
		Long: `List, register, disable, enable, rotate or delete subscriptions: who hears of what hooks with
"subscribers" publish. Those that manifests declare are listed with the others, and changed in the manifests.`,
		GroupID: groupTalk,
		Example: "  headgate subscriptions list\n  headgate subscriptions create https://partner.example/hook --events 'order.*'",
	}
	conn := a.connectFlags(cmd)
	return group(cmd, a.subscriptionsList(conn), a.subscriptionsGet(conn), a.subscriptionsCreate(conn), a.subscriptionsDisable(conn),
		a.subscriptionsEnable(conn), a.subscriptionsRotate(conn), a.subscriptionsDelete(conn))
}

func (a *app) subscriptionsList(conn *connection) *cobra.Command {
	var event, user, scope, state, cursor string
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List subscriptions by id, without what is secret of them",
		Example: "  headgate subscriptions list\n  headgate subscriptions list --event order.created --user user_1",
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.Var(&flagString{&event, "name"}, "event", "only those that ask for events of this name")
	f.Var(&flagString{&user, "user"}, "user", "only those for this user, or for everyone")
	f.Var(&flagString{&scope, "scope"}, "scope", "only those that have been granted this scope")
	f.Var(&flagString{&state, "state"}, "state", "only those that are enabled, or disabled")
	f.Var(&flagString{&cursor, "cursor"}, "cursor", "go on where the page before ended")
	f.IntVar(&limit, "limit", 50, "how many at most, up to 1000")
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		q := url.Values{"limit": {strconv.Itoa(limit)}}
		for name, value := range map[string]string{"event": event, "user": user, "scope": scope, "state": state, "cursor": cursor} {
			if value != "" {
				q.Set(name, value)
			}
		}
		var raw json.RawMessage
		c, err := conn.ask(ctx, subscriptionsPath, q, &raw)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(raw)
		}
		var list admin.SubscriptionList
		if err := c.decode(raw, &list); err != nil {
			return err
		}
		if len(list.Subscriptions) == 0 {
			a.talk("no subscriptions")
			return nil
		}
		a.printSubscriptions(list.Subscriptions)
		if list.Next != "" {
			a.talk("there are more: --cursor %s", visible(list.Next))
		}
		return nil
	})
	return cmd
}

const subscriptionsPath = "/api/v1/subscriptions"

func (a *app) printSubscriptions(all []admin.Subscription) {
	rows := make([][]cell, 0, len(all))
	for i := range all {
		s := &all[i]
		users := strings.Join(s.Users, ",")
		if s.Channel != "" {
			users = strings.TrimPrefix(users+" by "+s.Channel, " ")
		}
		rows = append(rows, []cell{
			{text: s.ID},
			{text: short(orDash(s.Name), 30)},
			subscriptionState(s),
			{text: short(strings.Join(s.Events, ","), 40)},
			{text: short(orDash(users), 30)},
			{text: short(s.URL, 50), color: "2"},
		})
	}
	a.table(a.Stdout, []string{"SUBSCRIPTION", "NAME", "STATE", "EVENTS", "FOR", "URL"}, rows)
}

// subscriptionState says in a word whether anything comes to a subscription.
func subscriptionState(s *admin.Subscription) cell {
	switch {
	case !s.Enabled:
		return cell{"disabled", "31"}
	case !s.Readable:
		return cell{"cannot be read", "31"}
	case s.GateState == store.GateDisabled:
		return cell{"gate disabled", "31"}
	case s.GateState == store.GatePaused:
		return cell{"gate paused", "33"}
	}
	return cell{"enabled", "32"}
}

func (a *app) subscriptionsGet(conn *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get SUBSCRIPTION",
		Short:   "Show one subscription, without what is secret of it",
		Example: "  headgate subscriptions get sub_0123456789abcdefghijklmnop",
		Args:    exactly("SUBSCRIPTION"),
	}
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		return a.oneSubscription(conn, args[0], func(c *client, out any) error {
			return c.get(ctx, subscriptionsPath+"/"+url.PathEscape(args[0]), nil, out)
		})
	})
	return cmd
}

// oneSubscription asks for something whose answer is a subscription, and prints that.
func (a *app) oneSubscription(conn *connection, id string, ask func(c *client, out any) error) error {
	c, err := conn.dial()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := ask(c, &raw); err != nil {
		return conflict(err, "", seeSubscription(id))
	}
	if a.json {
		return a.printJSON(raw)
	}
	var s admin.Subscription
	if err := c.decode(raw, &s); err != nil {
		return err
	}
	a.printSubscriptions([]admin.Subscription{s})
	a.describeSubscription(&s, time.Now())
	return nil
}

// seeSubscription is what to look at where a change was refused: for one of a manifest that says where it is declared.
func seeSubscription(id string) string {
	if id == "" {
		return "headgate subscriptions list"
	}
	return "headgate subscriptions get " + id
}

// describeSubscription tells what a table has no room for.
func (a *app) describeSubscription(s *admin.Subscription, now time.Time) {
	if s.Declared {
		a.talk("declared in %s", visible(s.Where))
	} else if s.Created != nil {
		a.talk("registered %s", age(*s.Created, now))
	}
	if s.Reason != "" {
		a.talk("disabled because %s", visible(s.Reason))
	}
	if len(s.Scopes) > 0 {
		a.talk("scopes: %s", visible(strings.Join(s.Scopes, ", ")))
	}
	if len(s.Headers) > 0 {
		a.talk("headers: %s", visible(strings.Join(s.Headers, ", ")))
	}
	if s.SecondSecretUntil != nil {
		a.talk("the secret before this one signs, too, until %s", s.SecondSecretUntil.UTC().Format(time.RFC3339))
	}
	switch s.GateState {
	case store.GateDisabled:
		a.talk("nothing passes its gate: headgate destinations enable %s", visible(s.Gate))
	case store.GatePaused:
		a.talk("nothing passes its gate: headgate destinations resume %s", visible(s.Gate))
	}
}

func (a *app) subscriptionsCreate(conn *connection) *cobra.Command {
	var ask admin.SubscriptionRequest
	var events, users, scopes, file string
	cmd := &cobra.Command{
		Use:   "create URL",
		Short: "Register a subscription",
		Long: fmt.Sprintf(`Register a subscription. Where no secret is given one is made: stdout gets it alone, and it is never
told again. A secret of your own comes from a file, or from stdin with --secret-file -, and has %d to %d bytes.`,
			subscription.MinSecretBytes, subscription.MaxSecretBytes),
		Example: `  headgate subscriptions create https://partner.example/hook --events 'order.*' --users user_1 --scopes orders
  headgate subscriptions create https://partner.example/hook --events 'agent:*,budget:*' --secret-file partner.key`,
		Args: exactly("URL"),
	}
	f := cmd.Flags()
	f.Var(&flagString{&events, "names"}, "events", "the events, with commas between them; * is all, agent:* those that begin so")
	f.Var(&flagString{&users, "users"}, "users", "the users that it is for, with commas between them; * is all")
	f.Var(&flagString{&scopes, "scopes"}, "scopes", "what it has been granted, with commas between them")
	f.Var(&flagString{&ask.Name, "text"}, "name", "a name for people")
	f.Var(&flagString{&ask.Channel, "hook"}, "channel", "the only hook that it is for: PIPELINE/LABEL, or the channel that hooks state")
	f.Var(&flagString{&file, "file"}, "secret-file", "holds the secret; - is stdin")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if events == "" {
			return misused("say what it is to hear of: --events, such as '*' or order.created")
		}
		var err error
		if ask.Secret, err = a.secretFrom(file); err != nil {
			return err
		}
		ask.URL, ask.Events, ask.Users, ask.Scopes = args[0], []string{events}, subscription.List(users), subscription.List(scopes)
		return a.makesSecret(conn, "", "registered", func(c *client, out any) error { return c.post(ctx, subscriptionsPath, ask, out) })
	})
	return cmd
}

// maxSecretFile is far more than a secret may have.
const maxSecretFile = 64 << 10

// secretFrom reads a secret from a file, without its trailing newline; "" gives none.
func (a *app) secretFrom(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	in := a.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", unusable(fmt.Errorf("reading the secret: %w", err), "")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxSecretFile))
	if err != nil {
		return "", unusable(fmt.Errorf("reading the secret: %w", err), "")
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" {
		return "", misused("--secret-file: %q is empty", file)
	}
	return text, nil
}

// makesSecret asks for something that may make a secret. stdout gets the secret alone, or where none was made the id.
func (a *app) makesSecret(conn *connection, id, done string, ask func(c *client, out any) error) error {
	c, err := conn.dial()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := ask(c, &raw); err != nil {
		return conflict(err, "", seeSubscription(id))
	}
	if a.json {
		return a.printJSON(raw)
	}
	var made admin.SubscriptionMade
	if err := c.decode(raw, &made); err != nil {
		return err
	}
	a.talk("%s: %s", done, visible(made.Subscription.ID))
	out := made.Subscription.ID
	if made.Secret != "" {
		a.talk("its secret, which is not told again:")
		out = made.Secret
	}
	if _, err := fmt.Fprintln(a.Stdout, out); err != nil {
		return failed(fmt.Errorf("writing the answer: %w", err))
	}
	return nil
}

func (a *app) subscriptionsDisable(conn *connection) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "disable SUBSCRIPTION",
		Short:   "Tell a registered subscription nothing any more, at once",
		Example: "  headgate subscriptions disable sub_0123456789abcdefghijklmnop --reason moved",
		Args:    exactly("SUBSCRIPTION"),
	}
	cmd.Flags().Var(&flagString{&reason, "text"}, "reason", "why, for whoever looks")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		return a.oneSubscription(conn, args[0], func(c *client, out any) error {
			return c.post(ctx, subscriptionsPath+"/"+url.PathEscape(args[0])+"/disable", admin.SubscriptionChange{Reason: reason}, out)
		})
	})
	return cmd
}

func (a *app) subscriptionsEnable(conn *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "enable SUBSCRIPTION",
		Short:   "Tell a registered subscription again what it asks for",
		Example: "  headgate subscriptions enable sub_0123456789abcdefghijklmnop",
		Args:    exactly("SUBSCRIPTION"),
	}
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		return a.oneSubscription(conn, args[0], func(c *client, out any) error {
			return c.post(ctx, subscriptionsPath+"/"+url.PathEscape(args[0])+"/enable", nil, out)
		})
	})
	return cmd
}

func (a *app) subscriptionsRotate(conn *connection) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "rotate SUBSCRIPTION",
		Short: "Give a registered subscription a new secret",
		Long: fmt.Sprintf(`Give a registered subscription a new secret. Where none is given one is made: stdout gets it alone, and it
is never told again. For %.0f hours the one before signs, too, where the form of the signature allows several.`, subscription.SecretOverlap.Hours()),
		Example: "  headgate subscriptions rotate sub_0123456789abcdefghijklmnop",
		Args:    exactly("SUBSCRIPTION"),
	}
	cmd.Flags().Var(&flagString{&file, "file"}, "secret-file", "holds the secret; - is stdin")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		text, err := a.secretFrom(file)
		if err != nil {
			return err
		}
		return a.makesSecret(conn, args[0], "rotated", func(c *client, out any) error {
			return c.post(ctx, subscriptionsPath+"/"+url.PathEscape(args[0])+"/rotate", admin.SubscriptionChange{Secret: text}, out)
		})
	})
	return cmd
}

func (a *app) subscriptionsDelete(conn *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete SUBSCRIPTION",
		Short:   "Delete a registered subscription, for good and at once",
		Example: "  headgate subscriptions delete sub_0123456789abcdefghijklmnop",
		Args:    exactly("SUBSCRIPTION"),
	}
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		c, err := conn.dial()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := c.remove(ctx, subscriptionsPath+"/"+url.PathEscape(args[0]), &raw); err != nil {
			return conflict(err, "", seeSubscription(args[0]))
		}
		if a.json {
			return a.printJSON(raw)
		}
		var done admin.SubscriptionDeleted
		if err := c.decode(raw, &done); err != nil {
			return err
		}
		fmt.Fprintf(a.Stdout, "deleted %s\n", visible(done.Deleted))
		return nil
	})
	return cmd
}
