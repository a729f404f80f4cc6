package admin

import (
	"context"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/explain"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// What an open task of a run waits for.
const (
	waitsForTurn  = "turn"  // under the limits or the order of its pipeline
	waitsForEvent = "event" // until the time at the latest
	waitsForItems = "items" // of its batch, until the time at the latest
	waitsForRun   = "run"   // that it called
	waitsForTime  = "time"
	waitsForRetry = "retry"
	waitsForWork  = "work" // it is due, or being worked on
)

// Wait tells what a place of a run waits for.
type Wait struct {
	// Path is the step's; "" where the whole run waits.
	Path string `json:"path"`
	// For is turn, event, items, run, time, retry or work.
	For string `json:"for"`
	// Until is when the wait ends by itself; null where it does not, or is over.
	Until *time.Time `json:"until"`
	// Provider and Events are of a wait for an event: whose, and the patterns of their names.
	Provider string   `json:"provider,omitempty"`
	Events   []string `json:"events,omitempty"`
	// Correlation is what `match` must give for the event; null where the node has no match, and where the run's payload is hidden.
	Correlation *string `json:"correlation,omitempty"`
	// CorrelationHidden says that there is one, which is not told.
	CorrelationHidden bool `json:"correlation_hidden,omitempty"`
	// Key is the batch's, Count how many items close it; 0 where only the time does.
	Key   *string `json:"key,omitempty"`
	Count int     `json:"count,omitempty"`
	// OrderBy is the value of order_by as JSON, Concurrency how many runs may be open at once: those of a run that waits for its turn.
	OrderBy     string `json:"order_by,omitempty"`
	Concurrency int    `json:"concurrency,omitempty"`
	// Lanes are the ordered destinations whose lanes such a run must have, each with the value of its lane as JSON where that is not hidden.
	Lanes []string `json:"lanes,omitempty"`
	// Pipeline is that of the run which was called. Run is that run; of a wait for a turn the run of the same order that goes before, where
	// it is among the nearest; null where it is not known.
	Pipeline string  `json:"pipeline,omitempty"`
	Run      *run.ID `json:"run,omitempty"`
}

func waitDocument(t run.Task, now time.Time) Wait {
	out := Wait{Path: t.Path, For: waitsForWork}
	switch {
	case t.Held:
		out.For = waitsForTurn
		return out
	case !t.Due.After(now):
		return out
	case t.Kind == run.TaskWait:
		out.For = waitsForEvent
	case t.Kind == run.TaskChild:
		out.For = waitsForRun
	case t.Kind == run.TaskTimer:
		out.For = waitsForTime
	default:
		out.For = waitsForRetry
	}
	if t.Due.Sub(now) < endless {
		out.Until = &t.Due
	}
	return out
}

// endless is longer than any wait that a manifest may ask for: a task that is due later waits for something else.
const endless = 10 * 366 * 24 * time.Hour

// foldTime is how long it may take to find out what a run waits for: the expressions of waits and orders are short.
const foldTime = 2 * time.Second

// tellWaits completes what an open run waits for, as far as its pipeline can be had. What cannot be told is left out.
func (a *api) tellWaits(ctx context.Context, rec store.RunRecord, ev event.Event, waits []Wait) {
	turn, asks := false, false
	for _, w := range waits {
		turn = turn || w.For == waitsForTurn
		asks = asks || w.For == waitsForEvent || w.For == waitsForTime || w.For == waitsForRun
	}
	if rec.Run.State != run.Open || a.folder == nil || !turn && !asks {
		return
	}
	ctx, done := context.WithTimeout(ctx, foldTime)
	defer done()
	d, whole, ok := a.whole(ctx, rec, ev)
	switch {
	case !ok:
	case turn:
		a.tellTurn(ctx, d, whole, waits)
	default:
		a.tellEffects(ctx, d, whole, waits)
	}
}

// whole gives what a run is folded of.
func (a *api) whole(ctx context.Context, rec store.RunRecord, ev event.Event) (*pipeline.Diagram, pipeline.Record, bool) {
	d, err := a.folder.Diagram(ctx, rec.Run.Pipeline, rec.Run.Revision)
	if err != nil {
		return nil, pipeline.Record{}, false
	}
	if ev.Body, err = a.reader.Body(ctx, ev.ID); err != nil {
		return nil, pipeline.Record{}, false
	}
	return d, pipeline.Record{Event: &ev, Payload: pipeline.Decode(&ev), Run: &rec.Run, Steps: rec.Steps}, true
}

// tellEffects completes waits by what the run's nodes ask for. All but the effects is on record, so that next to nothing is evaluated.
func (a *api) tellEffects(ctx context.Context, d *pipeline.Diagram, rec pipeline.Record, waits []Wait) {
	asked := map[string]node.Outcome{}
	for _, e := range d.Next(ctx, rec, a.now).Effects {
		asked[e.Path] = e.Ask
	}
	for i := range waits {
		w := &waits[i]
		switch ask := asked[w.Path].(type) {
		case node.Wait:
			if w.For != waitsForEvent || ask.For == nil {
				continue
			}
			w.Provider, w.Events = ask.For.Provider, explain.Patterns(d, w.Path)
			if ask.For.Correlation == "" {
				continue
			}
			if w.CorrelationHidden = explain.Hides(d, rec.Steps); !w.CorrelationHidden {
				w.Correlation = &ask.For.Correlation
			}
		case node.Batch:
			if w.For == waitsForTime {
				w.For, w.Key, w.Count = waitsForItems, &ask.Key, ask.Count
				if explain.Hides(d, rec.Steps) {
					w.Key = nil
				}
			}
		case node.Call:
			if w.For == waitsForRun {
				w.Pipeline, w.Run = ask.Pipeline, a.calledBy(ctx, rec.Run, w.Path)
			}
		}
	}
}

// calledBy gives the run that a run called last at a place; nil where it cannot be found.
func (a *api) calledBy(ctx context.Context, caller *run.Run, path string) *run.ID {
	page, err := a.reader.Runs(ctx, store.RunQuery{Event: caller.Event, Limit: maxLimit})
	if err != nil {
		return nil
	}
	for _, r := range page.Runs { // the newest first: that of the last round
		if round, ok := strings.CutPrefix(r.Cause.Ref, caller.ID.String()+" "+path+" "); ok && r.Cause.Kind == run.Call && !strings.Contains(round, " ") {
			return &r.ID
		}
	}
	return nil
}

// runsAhead is how many of the runs that were made before one are looked at for the one that goes before it.
const runsAhead = 20

// tellTurn completes the wait of a run for its turn.
func (a *api) tellTurn(ctx context.Context, d *pipeline.Diagram, rec pipeline.Record, waits []Wait) {
	key, ordered, err := d.OrderKey(ctx, rec)
	if err != nil {
		return
	}
	limits, _ := d.Limits()
	hidden := explain.Hides(d, rec.Steps)
	lanes := a.lanes(ctx, d, rec, hidden)
	for i := range waits {
		w := &waits[i]
		if w.For != waitsForTurn {
			continue
		}
		w.Concurrency, w.Lanes = limits.Concurrency, lanes
		if ordered {
			w.Run = a.ahead(ctx, rec.Run, key)
			if !hidden {
				w.OrderBy = strings.TrimPrefix(key, "order:"+d.Name+":")
			}
		}
	}
}

// lanes names the lanes of ordered destinations that a run must have; none where they cannot be told.
func (a *api) lanes(ctx context.Context, d *pipeline.Diagram, rec pipeline.Record, hidden bool) []string {
	ordered := map[string]*destination.Ordering{}
	if a.folder.Current() == nil {
		return nil
	}
	for _, key := range d.Destinations() {
		if dest, ok := a.folder.Current().Destination(key); ok && dest.Ordering() != nil {
			ordered[dest.Gate] = dest.Ordering()
		}
	}
	all, err := d.Lanes(ctx, rec, ordered)
	if err != nil {
		return nil
	}
	var out []string
	for _, lane := range all {
		name := strings.TrimPrefix(lane.Key, "lane:")
		if hidden {
			for gate := range ordered {
				if strings.HasPrefix(name, gate+":") {
					name = gate
					break
				}
			}
		}
		out = append(out, name)
	}
	return out
}

// ahead gives the open run of the same order key that was made just before a run; nil where it is not among the nearest.
func (a *api) ahead(ctx context.Context, of *run.Run, key string) *run.ID {
	page, err := a.reader.Runs(ctx, store.RunQuery{Pipeline: of.Pipeline, State: run.Open, Limit: maxLimit})
	if err != nil {
		return nil
	}
	behind, looked := true, 0
	for _, r := range page.Runs {
		switch {
		case r.ID == of.ID:
			behind = false
			continue
		case behind:
			continue
		case looked == runsAhead || ctx.Err() != nil:
			return nil
		}
		looked++
		rec, err := a.reader.Run(ctx, r.ID)
		if err != nil {
			continue
		}
		ev, err := a.reader.Event(ctx, r.Event)
		if err != nil {
			continue
		}
		if d, whole, ok := a.whole(ctx, rec, ev); ok {
			if other, has, err := d.OrderKey(ctx, whole); err == nil && has && other == key {
				return &r.ID
			}
		}
	}
	return nil
}
