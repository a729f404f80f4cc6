package explain

import (
	"context"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
)

// Rehearsal is how far a run would come without doing anything: up to the first requests, waits and calls.
type Rehearsal struct {
	Run   run.Run
	Steps []run.Step
	// Next are the places where it would go on by doing something.
	Next []Next
}

// Next is what a run would do.
type Next struct {
	Path string `json:"path"`
	Type string `json:"type"`
	// What says it in a few words.
	What string `json:"what"`
}

// Rehearse runs the pipelines that an event would start, as far as they come without an effect: filters, conditions and code are
// evaluated, nothing is sent, stored or counted. The event needs an id; its body is decoded. It may take as long as the code in the
// pipelines does.
func Rehearse(ctx context.Context, s *snapshot.Snapshot, ev *event.Event, now time.Time) []Rehearsal {
	var out []Rehearsal
	payload := pipeline.Decode(ev)
	for _, d := range s.Starting(ev.Provider, ev.Name) {
		cause := run.Cause{Kind: run.Live}
		r := run.Run{
			ID: run.NewID(ev.ID, d.Name, cause), Event: ev.ID, Pipeline: d.Name, Revision: d.Revision, Cause: cause, Now: ev.Received, Created: now,
			State: run.Open, Version: 1, Labels: d.Labels,
		}
		p := d.Next(ctx, pipeline.Record{Event: ev, Payload: payload, Run: &r}, func() time.Time { return now })
		r.State, r.Outcome, r.Reason, r.Message = p.State, p.Outcome, p.Reason, p.Message
		one := Rehearsal{Run: r, Steps: p.Steps}
		for _, e := range p.Effects {
			one.Next = append(one.Next, Next{Path: e.Path, Type: e.Type, What: what(e.Ask)})
		}
		out = append(out, one)
	}
	return out
}

// what says what an effect would be.
func what(ask node.Outcome) string {
	switch a := ask.(type) {
	case node.Deliver:
		return "would send a request to " + a.Destination
	case node.Publish:
		return "would tell those who subscribe to " + a.Event
	case node.Wait:
		if a.For != nil {
			return "would wait for an event of " + a.For.Provider + ", until " + a.Until.UTC().Format(time.RFC3339) + " at the latest"
		}
		return "would wait until " + a.Until.UTC().Format(time.RFC3339)
	case node.Batch:
		return fmt.Sprintf("would put an item into the batch %q", a.Key)
	case node.Call:
		return "would call pipeline " + a.Pipeline
	}
	return "would go on"
}
