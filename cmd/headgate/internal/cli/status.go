package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
)

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show what a running gateway runs, and how it fares",
		GroupID: groupTalk,
		Example: "  headgate status\n  headgate status --server gateway.internal:8081\n  headgate status --json",
		Args:    cobra.NoArgs,
	}
	conn := a.connectFlags(cmd)
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		c, err := conn.dial()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := c.get(ctx, "/api/v1/status", nil, &raw); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(raw)
		}
		var s admin.Status
		if err := c.decode(raw, &s); err != nil {
			return err
		}
		a.printStatus(s, time.Now())
		return nil
	})
	return cmd
}

func (a *app) printStatus(s admin.Status, now time.Time) {
	w := a.Stdout
	ready := a.paint("32;1", "ready")
	if !s.Ready {
		ready = a.paint("31;1", "not ready")
	}
	fmt.Fprintf(w, "%s  Headgate %s, up %s\n", ready, s.Version, span(max(time.Second, time.Duration(s.UptimeS)*time.Second)))
	m := s.Manifests
	a.field("manifests", "%.12s, loaded %s: %s, %s, %s", m.Digest, age(m.LoadedAt, now),
		count(m.Providers, "provider"), count(m.Pipelines, "pipeline"), count(m.Destinations, "destination"))
	if m.Commit != "" {
		a.field("commit", "%s", short(m.Commit, 40))
	}
	if r := m.LastReload; r != nil {
		if r.OK {
			a.field("last reload", "%s, ok", age(r.At, now))
		} else {
			a.field("last reload", "%s, %s (%s); the manifests before it are running", age(r.At, now), a.paint("31", "failed"), r.Reason)
			for _, f := range r.Findings {
				fmt.Fprintf(w, "              %s\n", visible(f.String()))
			}
		}
	}
	if m.Held {
		a.field("held", "%s", a.paint("33", "the folder holds no manifests any more: headgate reload --confirm"))
	}
	store := s.Store.Kind
	if s.Store.Path != "" {
		store += " " + s.Store.Path
	}
	if s.Store.FileSystem != "" {
		store += " (" + s.Store.FileSystem + ")"
	}
	a.field("store", "%s", store)
	if s.Store.Warning != "" {
		a.field("", "%s", a.paint("33", s.Store.Warning))
	}
	r := s.Ledger.Requests
	a.field("requests", "%d recorded: %d processed, %d duplicate, %d ignored, %d quarantined, %d rejected", r.Recorded, r.Processed, r.Duplicate, r.Ignored,
		r.Quarantined, r.Rejected)
	if !s.Balanced {
		a.field("ledger", "%s", a.paint("31", "it does not add up: headgate status --json, and report it"))
	}
	if s.Parked > 0 {
		a.field("parked", "%s", a.paint("31", count(int(s.Parked), "run")+": headgate parked list"))
	}
	for _, g := range s.Gates {
		state := gateState(g, false)
		a.field("destination", "%s %s: %s", visible(g.Name), a.paint(state.color, state.text), visible(strings.Join(gateNotes(g, now), "; ")))
	}
	if s.Jobs > 0 {
		a.field("jobs", "%d running: headgate jobs list", s.Jobs)
	}
	if len(s.Unsigned) > 0 {
		a.field("unsigned", "%s: anybody who knows the address can send", a.paint("33", visible(strings.Join(s.Unsigned, ", "))))
	}
	if s.OldestDueS > 0 {
		a.field("oldest due", "%s ago", span(time.Duration(s.OldestDueS*float64(time.Second))))
	}
	a.field("webhooks", "%s", s.Listen.Public)
	a.field("admin", "%s", s.Listen.Admin)
	if s.Listen.Health != "" {
		a.field("probes", "%s", s.Listen.Health)
	}
	if len(s.Ledger.Runs) == 0 {
		return
	}
	fmt.Fprintln(w)
	var rows [][]cell
	for _, name := range slices.Sorted(maps.Keys(s.Ledger.Runs)) {
		t := s.Ledger.Runs[name]
		note := ""
		if slices.Contains(s.Gone, name) {
			note = "not in the folder any more"
		}
		parked := cell{text: fmt.Sprint(t.Parked)}
		if t.Parked > 0 {
			parked.color = "31"
		}
		rows = append(rows, []cell{
			{text: name},
			{text: fmt.Sprint(t.Made)},
			{text: fmt.Sprint(t.Open)},
			{text: fmt.Sprint(t.Completed)},
			{text: fmt.Sprint(t.Filtered)},
			{text: fmt.Sprint(t.Limited)},
			parked,
			{text: fmt.Sprint(t.Dropped)},
			{text: fmt.Sprint(t.Pruned)},
			{text: note, color: "2"},
		})
	}
	a.table(w, []string{"PIPELINE", "RUNS", "OPEN", "COMPLETED", "FILTERED", "LIMITED", "PARKED", "DROPPED", "PRUNED", ""}, rows)
}

// field prints one named line of a description.
func (a *app) field(name, format string, args ...any) {
	fmt.Fprintf(a.Stdout, "  %s  %s\n", a.paint("2", fmt.Sprintf("%-11s", name)), fmt.Sprintf(format, args...))
}
