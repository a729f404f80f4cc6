package cli

import (
	"context"
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
)

func (a *app) auditCommand() *cobra.Command {
	var action, subject, until string
	page := &pageFlags{}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show what people did: who, what, when, to what",
		Long: `Show what people did, newest first: retries and drops of runs, jobs, changes of destinations and
subscriptions, reloads, runs by hand. Who is what their tool said of itself; nobody checks it.`,
		GroupID: groupTalk,
		Example: `  headgate audit
  headgate audit --action destination --since 1d
  headgate audit --subject ops-slack --json`,
		Args: cobra.NoArgs,
	}
	conn := a.connectFlags(cmd)
	f := cmd.Flags()
	f.Var(&flagString{&action, "action"}, "action", "only this action, such as run.drop, or those that begin with it: run")
	f.Var(&flagString{&subject, "id"}, "subject", "only what was done to this run, job or destination")
	page.add(cmd)
	f.Var(&flagString{&until, "until"}, "until", "only what is older: as --since")
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		query, err := page.query()
		if err != nil {
			return err
		}
		setAll(query, "action", action, "subject", subject, "until", until)
		var raw json.RawMessage
		c, err := conn.ask(ctx, "/api/v1/audit", query, &raw)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(raw)
		}
		var list admin.AuditPage
		if err := c.decode(raw, &list); err != nil {
			return err
		}
		a.printAudit(list)
		return nil
	})
	return cmd
}

func (a *app) printAudit(list admin.AuditPage) {
	if len(list.Entries) == 0 {
		a.talk("no entries")
		return
	}
	var rows [][]cell
	for _, e := range list.Entries {
		rows = append(rows, []cell{
			{text: e.At.UTC().Format(time.RFC3339)},
			{text: short(e.Who, 24)},
			{text: e.Action},
			{text: short(e.Subject, 30)},
			{text: short(compact(e.Detail), 40), color: "2"},
		})
	}
	a.table(a.Stdout, []string{"AT", "WHO", "ACTION", "TO", "DETAIL"}, rows)
	a.more(list.Next)
}
