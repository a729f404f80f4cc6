package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/store"
)

func (a *app) explainCommand() *cobra.Command {
	var provider, code string
	page := &pageFlags{}
	cmd := &cobra.Command{
		Use:     "explain [ID]",
		Short:   "Tell what became of a request: why it was refused, or what it started",
		GroupID: groupTalk,
		Long: `Tell what became of a request: why it was refused, or what it started.

ID is the X-Request-Id of the answer that the sender got, its execution_id, or an event's id. Without
one the latest refusals are listed; the flags choose among those.

A refusal is explained by what differs in form (hex where base64 was expected, a clock that is off),
never by a secret or by the signature that would have been right. Of requests that are refused alike
in great number most are only counted.`,
		Example: `  headgate explain
  headgate explain --provider github --since 1h
  headgate explain 1hf2k9wq3a0bz5rm
  headgate explain webhook-github-01jx3k9d2c0r4 --json`,
		Args: cobra.MaximumNArgs(1),
	}
	conn := a.connectFlags(cmd)
	f := cmd.Flags()
	f.Var(&flagString{&provider, "name"}, "provider", "only requests for this provider")
	f.Var(&flagString{&code, "code"}, "code", "only requests refused with this code")
	page.add(cmd)
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if len(args) == 1 {
			return a.explainOne(ctx, conn, args[0])
		}
		query, err := page.query()
		if err != nil {
			return err
		}
		setAll(query, "provider", provider, "code", code)
		var raw json.RawMessage
		c, err := conn.ask(ctx, "/api/v1/rejections", query, &raw)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(raw)
		}
		var list admin.RejectionPage
		if err := c.decode(raw, &list); err != nil {
			return err
		}
		a.printRejections(list, time.Now())
		return nil
	})
	return cmd
}

func (a *app) explainOne(ctx context.Context, conn *connection, id string) error {
	var raw json.RawMessage
	c, err := conn.ask(ctx, "/api/v1/explain/"+url.PathEscape(id), nil, &raw)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(raw)
	}
	var e admin.Explanation
	if err := c.decode(raw, &e); err != nil {
		return err
	}
	now := time.Now()
	if e.Rejection != nil {
		a.printRejection(e.Rejection, e.Alike, now)
	}
	for i := range e.Events {
		if i > 0 {
			fmt.Fprintln(a.Stdout)
		}
		a.printExplainedEvent(&e.Events[i], now)
	}
	if e.MoreEvents {
		a.talk("the request brought more events than are shown")
	}
	return nil
}

func (a *app) printRejections(list admin.RejectionPage, now time.Time) {
	if len(list.Rejections) == 0 {
		a.talk("no refused requests")
		return
	}
	var rows [][]cell
	for _, r := range list.Rejections {
		rows = append(rows, []cell{
			{text: age(r.At, now)},
			{text: r.Request},
			{text: orDash(r.Provider)},
			{text: r.Code, color: "31"},
			{text: fmt.Sprint(r.Count)},
			{text: short(reasonOf(&r), reasonWidth)},
		})
	}
	a.table(a.Stdout, []string{"TIME", "REQUEST", "PROVIDER", "CODE", "COUNT", "REASON"}, rows)
	a.more(list.Next)
}

// reasonWidth is what of a reason the table shows; it is the last column.
const reasonWidth = 160

// reasonOf is the reason without the rule that it may begin with, which has a place of its own.
func reasonOf(r *store.Rejection) string {
	if r.Rule == "" {
		return r.Reason
	}
	return strings.TrimPrefix(r.Reason, r.Rule+": ")
}

func (a *app) printRejection(r *store.Rejection, alike *admin.Alike, now time.Time) {
	fmt.Fprintf(a.Stdout, "%s  %s  %s\n", a.paint("1", visible(r.Request)), visible(orDash(r.Provider)), a.paint("31", "refused: "+visible(r.Code)))
	if r.Reason != "" {
		a.field("why", "%s", visible(reasonOf(r)))
	}
	if r.Rule != "" {
		a.field("rule", "%s", visible(r.Rule))
	}
	a.field("came", "%s (%s), from %s", r.At.UTC().Format(time.RFC3339), age(r.At, now), visible(orDash(r.Address)))
	a.field("request", "%s %s, %s, %s", visible(r.Method), visible(r.Path), bytesOf(int(r.BodySize)), visible(orWord(r.ContentType, "no content type")))
	if r.UserAgent != "" {
		a.field("sender", "%s", visible(r.UserAgent))
	}
	if len(r.Headers) > 0 {
		a.field("headers", "%s", visible(strings.Join(r.Headers, ", ")))
	}
	if r.Status != 0 {
		a.field("answered", "%d", r.Status)
	}
	if r.Count > 1 {
		a.field("stands for", "%s", count(r.Count, "request"))
	}
	if alike != nil && alike.Requests > 1 {
		more := ""
		if alike.More {
			more = "at least "
		}
		a.field("alike", "%s%s on record, the first %s, the last %s", more, count(alike.Requests, "request"), age(alike.Since, now), age(alike.Last, now))
	}
}

func (a *app) printExplainedEvent(ev *admin.ExplainedEvent, now time.Time) {
	a.printEventHead(ev.Event, now)
	if len(ev.Runs) == 0 {
		a.noRuns(ev.Event)
	}
	for _, r := range ev.Runs {
		fmt.Fprintln(a.Stdout)
		state := runState(r.Run.Run)
		fmt.Fprintf(a.Stdout, "%s  %s", visible(r.Pipeline), a.paint(state.color, state.text))
		if r.Reason != "" {
			fmt.Fprintf(a.Stdout, ": %s", visible(r.Reason))
		}
		fmt.Fprintf(a.Stdout, "  %s\n", a.paint("2", r.ID.String()))
		if r.Message != "" {
			a.field("why", "%s", visible(r.Message))
		}
		a.printPlaces(admin.RunDetail{Run: r.Run, Steps: r.Steps, Attempts: r.Attempts, Tasks: r.Tasks}, now)
	}
	if ev.MoreRuns {
		a.talk("there are more runs: headgate runs list --event %s", ev.ID)
	}
}
