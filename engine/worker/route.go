package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// route writes the runs that a batch of events starts. Its tasks share one settlement call, each all-or-nothing.
func (w *Worker) route(ctx context.Context, tasks []store.Claimed) {
	settlements := make([]store.Settlement, 0, len(tasks))
	var cut []store.Held
	for i := range tasks {
		if s, ok := w.routed(ctx, &tasks[i]); ok {
			settlements = append(settlements, s)
		} else {
			cut = append(cut, tasks[i].Held())
		}
	}
	w.release(ctx, cut)
	if len(settlements) == 0 {
		return
	}
	results, err := w.settle(ctx, settlements)
	if err != nil {
		w.o.Logger.WarnContext(ctx, "settling routed events", "error", err)
		return // the leases run out and the events are routed again
	}
	for i, err := range results {
		switch {
		case errors.Is(err, store.ErrFenced):
			w.o.Logger.InfoContext(ctx, "an event was routed by another holder", "task", settlements[i].Held.Task)
		case err != nil:
			w.o.Logger.WarnContext(ctx, "settling a routed event", "error", err)
		default:
			for _, nr := range settlements[i].NewRuns {
				if nr.Run.State != run.Open {
					w.o.Observer.RunEnded(nr.Run.Pipeline, string(nr.Run.State), string(nr.Run.Outcome))
				}
			}
		}
	}
}

// routed works out what one event starts; false where the work was cut short and nothing is to be settled.
func (w *Worker) routed(ctx context.Context, c *store.Claimed) (s store.Settlement, ok bool) {
	started := w.now()
	s = store.Settlement{Held: c.Held(), Routed: true}
	switch {
	case c.Task.Lost >= run.MaxLost:
		s.NewRuns = w.parked(c, CodeLostLeases, fmt.Sprintf("routing the event was cut short %d times in a row", c.Task.Lost))
		return s, true
	case c.Corrupt:
		s.NewRuns = w.parked(c, CodeCorrupt, bodyCorrupt)
		return s, true
	}
	value := sync.OnceValue(func() any { return pipeline.Decode(&c.Event) })
	if w.o.Checker != nil {
		s.Findings = w.o.Checker.Findings(&c.Event, value)
	}
	for _, d := range w.o.World.Pipelines(c.Event.Provider, c.Event.Name) {
		s.NewRuns = append(s.NewRuns, w.newRun(ctx, d, c, value()))
		if ctx.Err() != nil {
			return s, false
		}
	}
	w.o.Observer.Routed(c.Event.Provider, w.now().Sub(started))
	return s, true
}

// newRun begins one run and does all that needs no effect.
func (w *Worker) newRun(ctx context.Context, d *pipeline.Diagram, c *store.Claimed, value any) (out store.NewRun) {
	r := w.blank(d, c)
	out.Run = r
	defer func() {
		if p := recover(); p != nil {
			out.Steps, out.Tasks = nil, nil
			out.Run.State, out.Run.Reason, out.Run.Message = run.Parked, CodeInternal, "the run ended in an internal error; the log has the stack"
			w.o.Logger.ErrorContext(ctx, "a run panicked", "run", r.ID.String(), "pipeline", d.Name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	progress := d.Next(ctx, pipeline.Record{Event: &c.Event, Payload: value, Run: &r}, w.now)
	out.Steps = progress.Steps
	out.Run.State, out.Run.Outcome = progress.State, progress.Outcome
	out.Run.Reason, out.Run.Message = progress.Reason, progress.Message
	lane := run.LaneLive
	if r.Cause.Kind == run.Replay {
		lane = run.LaneReplay
	}
	out.Tasks = tasksFor(progress.Effects, lane)
	return out
}

func (w *Worker) blank(d *pipeline.Diagram, c *store.Claimed) run.Run {
	cause := c.Task.Cause
	if cause.Kind == "" {
		cause.Kind = run.Live
	}
	return run.Run{
		ID: run.NewID(c.Event.ID, d.Name, cause), Event: c.Event.ID, Pipeline: d.Name, Revision: d.Revision, Cause: cause,
		Now: c.Event.Received, Created: w.now(), State: run.Open, Version: 1, Trace: traceparent(&c.Event, d.Name, cause), Labels: d.Labels,
	}
}

// parked gives the parked runs of an event of which nothing may be evaluated: routing it may be what kills the process, or its body
// is not what was received.
func (w *Worker) parked(c *store.Claimed, reason, message string) []store.NewRun {
	var out []store.NewRun
	for _, d := range w.o.World.Pipelines(c.Event.Provider, c.Event.Name) {
		r := w.blank(d, c)
		r.State, r.Reason, r.Message = run.Parked, reason, message
		out = append(out, store.NewRun{Run: r})
	}
	return out
}

func tasksFor(effects []pipeline.Effect, lane run.Lane) []store.NewTask {
	var out []store.NewTask
	for _, e := range effects {
		out = append(out, store.NewTask{Kind: run.TaskStep, Path: e.Path, Gate: e.Deliver.Gate, Lane: lane})
	}
	return out
}
