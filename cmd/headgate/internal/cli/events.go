package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func (a *app) eventsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "events",
		Short:   "List events, show one, or replay some",
		GroupID: groupTalk,
		Example: "  headgate events list --provider github --since 1h\n  headgate events get 01jx3k9d2c0r4\n  headgate events replay 01jx3k9d2c0r4 --wait",
	}
	conn := a.connectFlags(cmd)
	return group(cmd, a.eventsList(conn), a.eventsGet(conn), a.eventsReplay(conn))
}

func (a *app) eventsList(conn *connection) *cobra.Command {
	var provider, name, status, until string
	page := &pageFlags{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List events, newest first",
		Long: `List events, newest first.

--status is processed (what the sender was told), accepted, routed, ignored or quarantined.`,
		Example: `  headgate events list
  headgate events list --provider github --event pull_request --since 3d
  headgate events list --status ignored --limit 200
  headgate events list --json --cursor CURSOR`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.Var(&flagString{&provider, "name"}, "provider", "only events of this provider")
	f.Var(&flagString{&name, "name"}, "event", "only events of this name")
	f.Var(&flagString{&status, "status"}, "status", "only events in this state")
	page.add(cmd)
	f.Var(&flagString{&until, "until"}, "until", "only what is older: as --since")
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		query, err := page.query()
		if err != nil {
			return err
		}
		setAll(query, "provider", provider, "event", name, "status", status, "until", until)
		var raw json.RawMessage
		c, err := conn.ask(ctx, "/api/v1/events", query, &raw)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(raw)
		}
		var list admin.EventPage
		if err := c.decode(raw, &list); err != nil {
			return err
		}
		a.printEvents(list, time.Now())
		return nil
	})
	return cmd
}

// pageFlags are the flags of every list.
type pageFlags struct {
	since, cursor string
	limit         int
}

func (p *pageFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&flagString{&p.since, "since"}, "since", "only what is newer: 30m, 1h, 3d, or 2026-01-02T15:04:05Z")
	f.IntVar(&p.limit, "limit", 0, "how many at most, 1 to 1000 (default 50)")
	f.Var(&flagString{&p.cursor, "cursor"}, "cursor", "go on where the list before ended")
}

func (p *pageFlags) query() (url.Values, error) {
	q := url.Values{}
	if p.since != "" {
		if _, err := admin.ParseSince(p.since, time.Now()); err != nil {
			return nil, misused("--since: %v", err)
		}
	}
	if p.limit < 0 || p.limit > 1000 {
		return nil, misused("--limit: %d is not from 1 to 1000", p.limit)
	}
	if p.limit > 0 {
		q.Set("limit", strconv.Itoa(p.limit))
	}
	setAll(q, "since", p.since, "cursor", p.cursor)
	return q, nil
}

// setAll sets the parameters that have a value.
func setAll(q url.Values, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
}

// ask dials and reads one document.
func (c *connection) ask(ctx context.Context, path string, query url.Values, v any) (*client, error) {
	cl, err := c.dial()
	if err != nil {
		return nil, err
	}
	return cl, cl.get(ctx, path, query, v)
}

func (a *app) printEvents(list admin.EventPage, now time.Time) {
	if len(list.Events) == 0 {
		a.talk("no events")
		return
	}
	var rows [][]cell
	for _, ev := range list.Events {
		rows = append(rows, []cell{
			{text: ev.ID.String()},
			{text: age(ev.Received, now)},
			{text: ev.Provider},
			{text: nameOf(ev)},
			eventState(ev),
			{text: bytesOf(ev.BodySize)},
			{text: eventNote(ev), color: "2"},
		})
	}
	a.table(a.Stdout, []string{"EVENT", "AGE", "PROVIDER", "NAME", "STATE", "BODY", "NOTE"}, rows)
	a.more(list.Next)
}

// more says how to read on.
func (a *app) more(next string) {
	if next != "" {
		a.talk("there are more: --cursor %s", next)
	}
}

func nameOf(ev admin.Event) string {
	if ev.Name == nil {
		return "-"
	}
	return *ev.Name
}

func eventState(ev admin.Event) cell {
	c := cell{text: string(ev.State)}
	switch ev.State {
	case event.Routed:
		c.color = "32"
	case event.Ignored:
		c.color = "2"
	case event.Quarantined:
		c.color = "31"
	}
	return c
}

func eventNote(ev admin.Event) string {
	var notes []string
	if ev.Reason != "" {
		notes = append(notes, ev.Reason)
	}
	if ev.Duplicates > 0 {
		notes = append(notes, count(ev.Duplicates, "duplicate"))
	}
	if n := len(ev.Findings); n > 0 {
		notes = append(notes, count(n, "finding"))
	}
	return strings.Join(notes, ", ")
}

func bytesOf[N int | int64](n N) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case int64(n) < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
}

func (a *app) eventsGet(conn *connection) *cobra.Command {
	var body, raw bool
	cmd := &cobra.Command{
		Use:   "get EVENT",
		Short: "Show one event: how it was verified, its state, its runs",
		Long: `Show one event: how it was verified, its state and why, its duplicates and its runs.

EVENT is an event's id, or the execution_id that its sender got.`,
		Example: `  headgate events get 01jx3k9d2c0r4
  headgate events get webhook-github-01jx3k9d2c0r4 --body
  headgate events get 01jx3k9d2c0r4 --raw > body.json`,
		Args: exactly("EVENT"),
	}
	cmd.Flags().BoolVar(&body, "body", false, "show the body too")
	cmd.Flags().BoolVar(&raw, "raw", false, "print the body alone, byte for byte")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		c, err := conn.dial()
		if err != nil {
			return err
		}
		path := "/api/v1/events/" + url.PathEscape(args[0])
		if raw {
			b, err := c.call(ctx, "GET", path+"?body=raw", nil)
			if err != nil {
				return err
			}
			if _, err := a.Stdout.Write(b); err != nil {
				return failed(fmt.Errorf("writing the body: %w", err))
			}
			return nil
		}
		query := url.Values{}
		if body {
			query.Set("body", "true")
		}
		var doc json.RawMessage
		if err := c.get(ctx, path, query, &doc); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(doc)
		}
		var ev admin.EventDetail
		if err := c.decode(doc, &ev); err != nil {
			return err
		}
		a.printEvent(ev, time.Now())
		return nil
	})
	return cmd
}

func (a *app) eventsReplay(conn *connection) *cobra.Command {
	flags := &jobFlags{}
	var provider, name, status string
	var pipelines []string
	cmd := &cobra.Command{
		Use:   "replay [EVENT...]",
		Short: "Route events again: those named, or all that a filter finds",
		Long: `Route events again: those named, or all that a filter finds. Each makes new runs of the pipelines that
are live now and receive it, or with --pinned of those that it started, as they were then. The bytes are
the original ones, and so is the Idempotency-Key of everything that is sent.

A replay is a job: it goes on in the background, oldest first, behind live traffic and at a rate, and
survives a restart (headgate jobs). --dry-run says how many events there are and what they would start;
--wait waits until all is done and compares it with the first time.`,
		Example: `  headgate events replay 01jx3k9d2c0r4 --wait
  headgate events replay --provider github --event push --since 1h --dry-run
  headgate events replay --since 2026-01-02T15:00:00Z --until 2026-01-02T16:00:00Z --pipeline orders --rate 50
  headgate events replay 01jx3k9d2c0r4 --pinned`,
		Args: cobra.ArbitraryArgs,
	}
	f := cmd.Flags()
	f.Var(&flagString{&provider, "name"}, "provider", "only events of this provider")
	f.Var(&flagString{&name, "name"}, "event", "only events of this name")
	f.Var(&flagString{&status, "status"}, "status", "only events in this state: processed, ignored, quarantined")
	f.StringSliceVar(&pipelines, "pipeline", nil, "start only this pipeline; may be given several times")
	f.BoolVar(&flags.pinned, "pinned", false, "the pipelines as they were when the events came")
	f.BoolVar(&flags.current, "current", false, "the pipelines as they are now, which is the default")
	flags.add(cmd)
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		ask := admin.JobRequest{Kind: store.JobReplay, IDs: args, Provider: provider, Event: name, Status: status, Pipelines: pipelines}
		if err := flags.fill(&ask, nonEmpty(provider, name, status)); err != nil {
			return err
		}
		ask.Current = false // that is what a replay does by itself
		c, err := conn.dial()
		if err != nil {
			return err
		}
		return a.beginJob(ctx, c, ask, flags)
	})
	return cmd
}

func (a *app) printEvent(ev admin.EventDetail, now time.Time) {
	a.printEventHead(ev.Event, now)
	if ev.Body != nil {
		fmt.Fprintf(a.Stdout, "\n%s\n", ev.Body.Value)
	}
	if len(ev.Runs) == 0 {
		a.noRuns(ev.Event)
		return
	}
	fmt.Fprintln(a.Stdout)
	a.printRunTable(ev.Runs, now)
	if ev.MoreRuns {
		a.talk("there are more: headgate runs list --event %s", ev.ID)
	}
}

// noRuns says why an event has none, where its state does not.
func (a *app) noRuns(ev admin.Event) {
	if ev.State == event.Routed {
		fmt.Fprintln(a.Stdout, "\nno pipeline receives this event")
	}
}

// printEventHead prints all of an event but its body and its runs.
func (a *app) printEventHead(ev admin.Event, now time.Time) {
	state := eventState(ev)
	fmt.Fprintf(a.Stdout, "%s  %s %s  %s\n", a.paint("1", ev.ID.String()), visible(ev.Provider), visible(nameOf(ev)), a.paint(state.color, state.text))
	a.field("received", "%s (%s)", ev.Received.UTC().Format(time.RFC3339), age(ev.Received, now))
	if ev.Reason != "" {
		a.field("reason", "%s", visible(ev.Reason))
	}
	if ev.Verification.Rule == "none" {
		a.field("verified", "%s", a.paint("33", "not at all: the provider is unsigned"))
	} else if ev.Verification.Rule != "" {
		a.field("verified", "%s, with %s", visible(ev.Verification.Rule), heldSecret(ev.Verification))
	}
	for _, f := range ev.Findings {
		a.field("finding", "%s", a.paint("33", visible(findingText(f))))
	}
	if ev.Delivery != "" {
		a.field("delivery", "%s", visible(ev.Delivery))
	}
	if ev.Duplicates > 0 {
		a.field("duplicates", "%d, answered as such and not stored", ev.Duplicates)
	}
	if ev.Source != event.Live && ev.Source != "" {
		a.field("source", "%s, caused by %s", ev.Source, visible(ev.Cause))
	}
	a.field("request", "%s", visible(ev.Request))
	if ev.Query != "" {
		a.field("query", "%s", visible(ev.Query))
	}
	for _, h := range ev.Headers {
		a.field("header", "%s: %s", visible(h.Name), visible(h.Value))
	}
	a.field("body", "%s, %s, crc32c %08x", bytesOf(ev.BodySize), visible(orDash(ev.ContentType)), ev.BodyCRC)
}

// findingText says where an event's content differs from its schema, and how.
func findingText(f event.Finding) string {
	text := orWord(f.Path, "the body") + " breaks " + f.Rule
	if f.Message != "" {
		text += ": " + f.Message
	}
	return text
}

// heldSecret says which secret held.
func heldSecret(v event.Verification) string {
	switch {
	case v.Learned:
		return "a secret learnt in a handshake"
	case v.Secret == 0:
		return "the first secret"
	default:
		return fmt.Sprintf("secret %d of the list", v.Secret+1)
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// runState gives a run's state in one word: of a done run, how it ended.
func runState(r run.Run) cell {
	switch {
	case r.State == run.Done && r.Outcome == run.Completed:
		return cell{"completed", "32"}
	case r.State == run.Done:
		return cell{string(r.Outcome), "2"}
	case r.State == run.Parked:
		return cell{"parked", "31"}
	case r.State == run.Dropped:
		return cell{"dropped", "2"}
	default:
		return cell{string(r.State), "33"}
	}
}
