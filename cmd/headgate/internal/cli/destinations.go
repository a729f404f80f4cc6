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
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/store"
)

func (a *app) destinationsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "destinations",
		Short: "List destinations, and pause, resume, disable or enable one",
		Long: `List destinations, and pause, resume, disable or enable one.

DESTINATION is a name as the list has it: that of a declared destination, PIPELINE/LABEL of one that a
hook carries itself, subscription/ID of a registered target, @PIPELINE for a pipeline's own steps.`,
		GroupID: groupTalk,
		Example: "  headgate destinations list\n  headgate destinations pause ops-slack --for 2h\n  headgate destinations enable billing",
	}
	conn := a.connectFlags(cmd)
	return group(cmd, a.destinationsList(conn), a.destinationsPause(conn),
		a.destinationsMove(conn, "resume", "Let pass what a pause, or an open breaker, holds back"),
		a.destinationsMove(conn, "disable", "Send nothing any more: runs that come to it are parked"),
		a.destinationsMove(conn, "enable", "Send again, and open the runs again that were parked meanwhile"))
}

func (a *app) destinationsList(conn *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List destinations: whether attempts pass, and how many wait",
		Example: "  headgate destinations list\n  headgate destinations list --json",
		Args:    cobra.NoArgs,
	}
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		var raw json.RawMessage
		c, err := conn.ask(ctx, "/api/v1/destinations", nil, &raw)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(raw)
		}
		var list admin.DestinationList
		if err := c.decode(raw, &list); err != nil {
			return err
		}
		if len(list.Destinations) == 0 {
			a.talk("no destinations")
			return nil
		}
		a.printDestinations(list.Destinations, time.Now())
		return nil
	})
	return cmd
}

func (a *app) printDestinations(all []admin.Destination, now time.Time) {
	var rows [][]cell
	for _, d := range all {
		waiting := fmt.Sprint(d.Waiting)
		if d.Waiting >= store.MaxWaiting {
			waiting += "+"
		}
		oldest := "-"
		if !d.Oldest.IsZero() {
			oldest = span(now.Sub(d.Oldest))
		}
		rows = append(rows, []cell{
			{text: d.Name}, {text: orDash(d.Type)}, gateState(d.GateView, d.Hold), {text: waiting}, {text: oldest}, {text: short(gateNote(d, now), 60), color: "2"},
		})
	}
	a.table(a.Stdout, []string{"DESTINATION", "TYPE", "STATE", "WAITING", "LATE", "NOTE"}, rows)
}

// gateState says in a word what passes a gate.
func gateState(g store.GateView, hold bool) cell {
	switch {
	case g.State == store.GateDisabled:
		return cell{"disabled", "31"}
	case g.State == store.GatePaused:
		return cell{"paused", "33"}
	case hold:
		return cell{"held", "33"}
	case g.Breaker.State == store.BreakerOpen:
		return cell{"failing", "31"}
	case g.Breaker.State == store.BreakerHalfOpen:
		return cell{"probing", "33"}
	}
	return cell{"open", "32"}
}

// gateNote says why, since when and until when.
func gateNote(d admin.Destination, now time.Time) string {
	notes := gateNotes(d.GateView, now)
	if d.Hold {
		notes = append(notes, "its manifest says hold")
	}
	if !d.Live {
		notes = append(notes, "not in the folder any more")
	}
	return strings.Join(notes, "; ")
}

func gateNotes(g store.GateView, now time.Time) []string {
	var notes []string
	if g.State != store.GateOpen {
		if g.Reason != "" {
			notes = append(notes, g.Reason)
		}
		if !g.Since.IsZero() {
			notes = append(notes, "for "+span(now.Sub(g.Since)))
		}
		if !g.Until.IsZero() {
			notes = append(notes, "opens "+age(g.Until, now))
		}
	}
	if b := g.Breaker; b.State != store.BreakerClosed {
		opened := age(b.Since, now)
		if b.Trips > 1 {
			opened = fmt.Sprintf("%d times in %s", b.Trips, span(now.Sub(b.Since)))
		}
		notes = append(notes, "breaker opened "+opened)
		if b.State == store.BreakerOpen {
			notes = append(notes, "next try "+age(b.Until, now))
		}
	}
	return notes
}

func (a *app) destinationsPause(conn *connection) *cobra.Command {
	var reason, last string
	cmd := &cobra.Command{
		Use:   "pause DESTINATION",
		Short: "Hold back what is to be sent, until it is resumed or for a time",
		Long: `Hold back what is to be sent, until it is resumed or for a time. Webhooks are accepted as before, and
what is to be sent waits, uncharged.`,
		Example: `  headgate destinations pause ops-slack
  headgate destinations pause ops-slack --for 2h --reason maintenance`,
		Args: exactly("DESTINATION"),
	}
	cmd.Flags().Var(&flagString{&last, "duration"}, "for", "how long, such as 30m or 2h; until it is resumed where not given")
	cmd.Flags().Var(&flagString{&reason, "text"}, "reason", "why, for whoever looks")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if last != "" {
			if d, err := field.ParseDuration(last); err != nil || d <= 0 {
				return misused("--for: %q is no duration such as 30m or 2h", last)
			}
		}
		return a.moveDestination(ctx, conn, args[0], "pause", admin.GateRequest{Reason: reason, For: last})
	})
	return cmd
}

func (a *app) destinationsMove(conn *connection, verb, short string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     verb + " DESTINATION",
		Short:   short,
		Example: "  headgate destinations " + verb + " ops-slack\n  headgate destinations " + verb + " orders/Tell --reason mended",
		Args:    exactly("DESTINATION"),
	}
	cmd.Flags().Var(&flagString{&reason, "text"}, "reason", "why, for whoever looks")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		return a.moveDestination(ctx, conn, args[0], verb, admin.GateRequest{Reason: reason})
	})
	return cmd
}

// insteadOf says what to do where a gate's state refuses a change.
func insteadOf(verb string, err error, name string) string {
	if strings.ContainsAny(name, " \t") {
		name = shellQuote(name) // a label of several words
	}
	var answer *answerError
	switch {
	case !errors.As(err, &answer) || answer.ErrorAnswer.Error.Code != "wrong_state":
		return "headgate destinations list"
	case verb == "enable":
		return "headgate destinations resume " + name
	}
	return "headgate destinations enable " + name
}

func (a *app) moveDestination(ctx context.Context, conn *connection, name, verb string, ask admin.GateRequest) error {
	c, err := conn.dial()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := c.post(ctx, "/api/v1/destinations/"+url.PathEscape(name)+"/"+verb, ask, &raw); err != nil {
		return conflict(err, name, insteadOf(verb, err, name))
	}
	if a.json {
		return a.printJSON(raw)
	}
	var done admin.DestinationChanged
	if err := c.decode(raw, &done); err != nil {
		return err
	}
	a.printDestinations([]admin.Destination{done.Destination}, time.Now())
	for _, job := range []*admin.Job{done.Gone, done.Job} {
		if job != nil {
			a.talk("%s are opened again by job %s: headgate jobs get %s", count(int(job.Total), "parked run"), job.ID, job.ID)
		}
	}
	if done.Destination.Hold && verb == "resume" {
		a.talk("its manifest says `hold: true`: it stays held until that is changed")
	}
	return nil
}
