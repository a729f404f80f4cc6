package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
)

func (a *app) runsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "runs",
		Short:   "List runs, show one and why, or retry one",
		GroupID: groupTalk,
		Example: "  headgate runs list --state parked\n  headgate runs get 01jx3k9d2c0r4-5tq0v2m8ab\n  headgate runs retry 01jx3k9d2c0r4-5tq0v2m8ab",
	}
	conn := a.connectFlags(cmd)
	return group(cmd, a.runsList(conn), a.runsGet(conn), a.runsRetry(conn))
}

func (a *app) runsList(conn *connection) *cobra.Command {
	var ev, pipeline, state, job, until string
	page := &pageFlags{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List runs, newest first",
		Long: `List runs, newest first.

--state is open, done, parked or dropped; or, of the done ones, completed, filtered or limited.`,
		Example: `  headgate runs list
  headgate runs list --state parked --since 1d
  headgate runs list --event 01jx3k9d2c0r4
  headgate runs list --pipeline big-pull-requests --json`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.Var(&flagString{&ev, "event"}, "event", "only runs of this event: its id or its execution_id")
	f.Var(&flagString{&pipeline, "name"}, "pipeline", "only runs of this pipeline")
	f.Var(&flagString{&state, "state"}, "state", "only runs in this state")
	f.Var(&flagString{&job, "id"}, "job", "only runs that this replay made")
	page.add(cmd)
	f.Var(&flagString{&until, "until"}, "until", "only what is older: as --since")
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		query, err := page.query()
		if err != nil {
			return err
		}
		setAll(query, "event", ev, "pipeline", pipeline, "state", state, "job", job, "until", until)
		var raw json.RawMessage
		c, err := conn.ask(ctx, "/api/v1/runs", query, &raw)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(raw)
		}
		var list admin.RunPage
		if err := c.decode(raw, &list); err != nil {
			return err
		}
		if len(list.Runs) == 0 {
			a.talk("no runs")
			return nil
		}
		a.printRunTable(list.Runs, time.Now())
		a.more(list.Next)
		return nil
	})
	return cmd
}

func (a *app) printRunTable(runs []admin.Run, now time.Time) {
	var rows [][]cell
	for _, r := range runs {
		rows = append(rows, []cell{
			{text: r.ID.String()}, {text: age(r.Created, now)}, {text: r.Pipeline}, runState(r.Run), {text: runNote(r.Run), color: "2"},
		})
	}
	a.table(a.Stdout, []string{"RUN", "AGE", "PIPELINE", "STATE", "NOTE"}, rows)
}

func runNote(r run.Run) string {
	note := r.Reason
	if r.Message != "" {
		note = short(r.Message, 60)
	}
	if r.Cause.Kind != run.Live && r.Cause.Kind != "" {
		note = string(r.Cause.Kind) + " " + note
	}
	return note
}

func (a *app) runsGet(conn *connection) *cobra.Command {
	var last bool
	cmd := &cobra.Command{
		Use:   "get RUN|EVENT",
		Short: "Show one run and why it went as it did",
		Long: `Show one run and why it went as it did: each step with the values that its condition read,
each attempt with its answer, and where the run waits.

An event's id, or the execution_id that its sender got, stands for the runs of that event.`,
		Example: `  headgate runs get 01jx3k9d2c0r4-5tq0v2m8ab
  headgate runs get webhook-github-01jx3k9d2c0r4
  headgate runs get --last
  headgate runs get 01jx3k9d2c0r4-5tq0v2m8ab --json`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().BoolVar(&last, "last", false, "show the newest run")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if last == (len(args) == 1) {
			return misused("name a run or an event, or ask for --last")
		}
		c, err := conn.dial()
		if err != nil {
			return err
		}
		ids, err := c.runIDs(ctx, args)
		if err != nil {
			return err
		}
		for i, id := range ids {
			var raw json.RawMessage
			if err := c.get(ctx, "/api/v1/runs/"+url.PathEscape(id), nil, &raw); err != nil {
				return err
			}
			if i > 0 && !a.json {
				fmt.Fprintln(a.Stdout)
			}
			if err := a.showRun(c, raw); err != nil {
				return err
			}
		}
		return nil
	})
	return cmd
}

// runIDs gives the runs that an argument stands for: itself, those of an event, or without one the newest.
func (c *client) runIDs(ctx context.Context, args []string) ([]string, error) {
	query := url.Values{}
	switch {
	case len(args) == 0:
		query.Set("limit", "1")
	case isEventID(args[0]):
		query.Set("event", args[0])
	default:
		return args, nil
	}
	var list admin.RunPage
	if err := c.get(ctx, "/api/v1/runs", query, &list); err != nil {
		return nil, err
	}
	if len(list.Runs) == 0 {
		return nil, c.noRun(ctx, args)
	}
	var ids []string
	for _, r := range list.Runs {
		ids = append(ids, r.ID.String())
	}
	return ids, nil
}

// noRun says why an event has no run.
func (c *client) noRun(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return failed(errors.New("there is no run yet"))
	}
	var ev admin.EventDetail
	if err := c.get(ctx, "/api/v1/events/"+url.PathEscape(args[0]), nil, &ev); err != nil {
		return err
	}
	switch ev.State {
	case event.Routed:
		return &exitError{
			code: exitRuntime, err: fmt.Errorf("event %s has no run: no pipeline receives %s %s", ev.ID, ev.Provider, nameOf(ev.Event)),
			hint: "headgate explain " + ev.ID.String(),
		}
	case event.Accepted:
		return failed(fmt.Errorf("event %s has no run yet: it waits to be routed", ev.ID))
	default:
		return failed(fmt.Errorf("event %s has no run: it was %s (%s)", ev.ID, ev.State, ev.Reason))
	}
}

// isEventID says whether a text is an event's id or an execution id; a run's id is neither.
func isEventID(text string) bool {
	_, err := event.ParseID(text)
	return err == nil || strings.HasPrefix(text, "webhook-")
}

func (a *app) showRun(c *client, raw json.RawMessage) error {
	if a.json {
		return a.printJSON(raw)
	}
	var detail admin.RunDetail
	if err := c.decode(raw, &detail); err != nil {
		return err
	}
	a.printRun(detail, time.Now())
	return nil
}

func (a *app) runsRetry(conn *connection) *cobra.Command {
	var current bool
	cmd := &cobra.Command{
		Use:   "retry RUN",
		Short: "Open a parked run again: what failed is done anew",
		Long: `Open a parked run again. What is done stays done; what failed, and what depends on it, is done anew
under the revision that the run began with, or with --current under the live one, to the destinations
as they are now. headgate parked retry opens many.`,
		Example: "  headgate runs retry 01jx3k9d2c0r4-5tq0v2m8ab\n  headgate runs retry 01jx3k9d2c0r4-5tq0v2m8ab --current",
		Args:    exactly("RUN"),
	}
	cmd.Flags().BoolVar(&current, "current", false, "go on under the live revision of the pipeline")
	cmd.RunE = does(func(ctx context.Context, args []string) error { return a.retryRun(ctx, conn, args[0], current) })
	return cmd
}
