package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/store"
)

func (a *app) parkedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "parked",
		Short:   "List, retry or drop the runs that wait for a person",
		GroupID: groupTalk,
		Example: "  headgate parked list\n  headgate parked retry --pipeline orders --dry-run\n  headgate parked drop 01jx3k9d2c0r4-5tq0v2m8ab",
	}
	conn := a.connectFlags(cmd)
	return group(cmd, a.parkedList(conn), a.parkedRetry(conn), a.parkedDrop(conn))
}

// parkedFilter says which parked runs are meant.
type parkedFilter struct{ pipeline, reason, destination string }

func (p *parkedFilter) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&flagString{&p.pipeline, "name"}, "pipeline", "only runs of this pipeline")
	f.Var(&flagString{&p.reason, "code"}, "reason", "only runs parked for this reason, such as retries_spent")
	f.Var(&flagString{&p.destination, "name"}, "destination", "only runs parked because of this destination")
}

func (a *app) parkedList(conn *connection) *cobra.Command {
	filter, page := &parkedFilter{}, &pageFlags{}
	var until string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List parked runs, newest first",
		Example: `  headgate parked list
  headgate parked list --reason destination_disabled --since 1d
  headgate parked list --destination ops-slack --json`,
		Args: cobra.NoArgs,
	}
	filter.add(cmd)
	page.add(cmd)
	cmd.Flags().Var(&flagString{&until, "until"}, "until", "only what is older: as --since")
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		query, err := page.query()
		if err != nil {
			return err
		}
		setAll(query, "pipeline", filter.pipeline, "reason", filter.reason, "destination", filter.destination, "until", until)
		var raw json.RawMessage
		c, err := conn.ask(ctx, "/api/v1/parked", query, &raw)
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
		a.printParked(list, time.Now())
		return nil
	})
	return cmd
}

func (a *app) printParked(list admin.RunPage, now time.Time) {
	if len(list.Runs) == 0 {
		a.talk("no parked runs")
		return
	}
	var rows [][]cell
	for _, r := range list.Runs {
		why := short(r.Message, 50)
		if r.Destination != "" {
			why = short(r.Destination, 30)
		}
		rows = append(rows, []cell{
			{text: r.ID.String()}, {text: age(r.Finished, now)}, {text: r.Pipeline}, {text: r.Reason, color: "31"}, {text: why, color: "2"},
		})
	}
	a.table(a.Stdout, []string{"RUN", "PARKED", "PIPELINE", "REASON", "AT"}, rows)
	a.more(list.Next)
}

func (a *app) parkedRetry(conn *connection) *cobra.Command {
	filter, flags := &parkedFilter{}, &jobFlags{}
	cmd := &cobra.Command{
		Use:   "retry [RUN...]",
		Short: "Open parked runs again: those named, or all that a filter finds",
		Long: `Open parked runs again: those named, or all that a filter finds. What is done stays done; what failed,
and what depends on it, is done anew, to the destinations as they are now.

Several are a job: it goes on in the background, oldest first, behind live traffic and at a rate, and
survives a restart (headgate jobs). --dry-run says how many there are and why they are parked.`,
		Example: `  headgate parked retry 01jx3k9d2c0r4-5tq0v2m8ab
  headgate parked retry --destination ops-slack --dry-run
  headgate parked retry --pipeline orders --since 1d --rate 50 --wait
  headgate parked retry --reason pipeline_missing --current`,
		Args: cobra.ArbitraryArgs,
	}
	filter.add(cmd)
	flags.add(cmd)
	cmd.Flags().BoolVar(&flags.current, "current", false, "go on under the live revision of the pipeline, not the one that the run began with")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if len(args) == 1 && *flags == (jobFlags{current: flags.current}) && *filter == (parkedFilter{}) {
			return a.retryRun(ctx, conn, args[0], flags.current)
		}
		return a.parkedJob(ctx, conn, store.JobRetry, args, filter, flags)
	})
	return cmd
}

func (a *app) parkedDrop(conn *connection) *cobra.Command {
	filter, flags := &parkedFilter{}, &jobFlags{}
	var yes bool
	cmd := &cobra.Command{
		Use:   "drop [RUN...]",
		Short: "End parked runs for good: those named, or all that a filter finds",
		Long: `End parked runs for good: those named, or all that a filter finds. Nothing of them is sent any more.
Their records stay until retention deletes them, and the ledger counts them as dropped.

By filter it wants --yes; --dry-run says how many there are and why they are parked.`,
		Example: `  headgate parked drop 01jx3k9d2c0r4-5tq0v2m8ab
  headgate parked drop --pipeline old-orders --dry-run
  headgate parked drop --pipeline old-orders --yes --wait`,
		Args: cobra.ArbitraryArgs,
	}
	filter.add(cmd)
	flags.add(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "really drop what a filter finds")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if len(args) == 1 && *flags == (jobFlags{}) && *filter == (parkedFilter{}) {
			return a.dropRun(ctx, conn, args[0])
		}
		if len(args) == 0 && !yes && !flags.dry {
			return misused("this cannot be taken back: look with --dry-run, then say --yes")
		}
		return a.parkedJob(ctx, conn, store.JobDrop, args, filter, flags)
	})
	return cmd
}

func (a *app) parkedJob(ctx context.Context, conn *connection, kind store.JobKind, ids []string, filter *parkedFilter, flags *jobFlags) error {
	ask := admin.JobRequest{Kind: kind, IDs: ids, Pipeline: filter.pipeline, Reason: filter.reason, Destination: filter.destination}
	if err := flags.fill(&ask, nonEmpty(filter.pipeline, filter.reason, filter.destination)); err != nil {
		return err
	}
	c, err := conn.dial()
	if err != nil {
		return err
	}
	return a.beginJob(ctx, c, ask, flags)
}

// retryRun opens one parked run again and shows it.
func (a *app) retryRun(ctx context.Context, conn *connection, id string, current bool) error {
	path := "/api/v1/runs/" + url.PathEscape(id) + "/retry"
	if current {
		path += "?current=true"
	}
	return a.moveRun(ctx, conn, id, path)
}

// dropRun ends one parked run for good and shows it.
func (a *app) dropRun(ctx context.Context, conn *connection, id string) error {
	return a.moveRun(ctx, conn, id, "/api/v1/runs/"+url.PathEscape(id)+"/drop")
}

func (a *app) moveRun(ctx context.Context, conn *connection, id, path string) error {
	c, err := conn.dial()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := c.post(ctx, path, nil, &raw); err != nil {
		return conflict(err, "run "+id, "headgate runs get "+id)
	}
	return a.showRun(c, raw)
}
