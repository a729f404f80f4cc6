package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// routing is one event with what follows from it.
type routing struct {
	c          *store.Claimed
	settlement store.Settlement
	told       []telling
}

// line puts a batch that is about to be claimed behind those that are being routed. It gives what to wait for where order counts, and what
// is to be called when the batch is settled.
func (w *Worker) line() (before []chan struct{}, settled func()) {
	own := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	before = slices.Clone(w.routing)
	w.routing = append(w.routing, own)
	return before, func() {
		close(own)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.routing = slices.DeleteFunc(w.routing, func(c chan struct{}) bool { return c == own })
	}
}

// routes says whether events are yet to be routed: due, or claimed by this worker.
func (w *Worker) routes(ctx context.Context) (bool, error) {
	due, err := w.o.Queue.Due(ctx)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(due.Work, func(d store.Work) bool { return d.Gate == run.RouteGate }) {
		return true, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.routing) > 0, nil
}

// route writes the runs that a batch of events starts. Its tasks share one settlement call, each all-or-nothing; where working them out
// takes long, or what they write is much, what is there is settled first. Runs that take turns take them in the order they are made,
// which is to be that of their events: a batch with such runs is settled behind those claimed before it.
func (w *Worker) route(ctx context.Context, tasks []store.Claimed, before []chan struct{}) {
	b := &routingBatch{
		budget:  pipeline.NewBudget(batchTime, batchBytes),
		waiting: sync.OnceValues(func() (groups, error) { return w.waiting(ctx) }), // once a batch, where an event may wake somebody
		before:  before,
	}
	var cut []store.Held
	began := w.now()
	for i := range tasks {
		r := routing{c: &tasks[i], settlement: store.Settlement{Held: tasks[i].Held()}}
		if !w.routed(ctx, &r, b) {
			cut = append(cut, tasks[i].Held())
			continue
		}
		b.add(r)
		if now := w.now(); now.Sub(began) >= settleAfter || b.bytes >= batchBytes {
			w.settleRouted(ctx, b)
			began = now
		}
	}
	w.release(ctx, cut)
	w.settleRouted(ctx, b)
}

// routingBatch is the events that are routed together.
type routingBatch struct {
	budget  *pipeline.Slice
	waiting func() (groups, error)
	before  []chan struct{}      // batches that were claimed earlier, until they are settled
	jobs    map[string]store.Job // of replays, the zero one where there is none
	// all, settlements and bytes are what is yet to be settled.
	all         []routing
	settlements []store.Settlement
	bytes       int
}

func (b *routingBatch) add(r routing) {
	b.all, b.settlements = append(b.all, r), append(b.settlements, r.settlement)
	for i := range r.settlement.NewRuns {
		nr := &r.settlement.NewRuns[i]
		rec := pipeline.Record{Run: &nr.Run, Steps: nr.Steps}
		b.bytes += rec.Bytes()
	}
}

// settleRouted writes what was worked out so far.
func (w *Worker) settleRouted(ctx context.Context, b *routingBatch) {
	all, settlements := b.all, b.settlements
	b.all, b.settlements, b.bytes = nil, nil, 0
	if len(settlements) == 0 {
		return
	}
	if slices.ContainsFunc(settlements, takesTurns) {
		for _, settled := range b.before {
			<-settled
		}
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
		case settlements[i].Routed:
			w.tellRouted(ctx, &all[i])
		}
	}
}

func takesTurns(s store.Settlement) bool {
	return slices.ContainsFunc(s.NewRuns, func(r store.NewRun) bool { return len(r.Holds) > 0 })
}

// tellRouted tells what an event has started, and those who wait for a reply to it how many runs may give one.
func (w *Worker) tellRouted(ctx context.Context, r *routing) {
	if r.c.Event.Source == event.Live && isLive(r.c.Task.Cause) {
		may := 0
		for _, t := range r.told {
			if t.responds {
				may++
			}
		}
		w.o.Replies.Routed(r.c.Event.Request, may)
	}
	w.tell(ctx, &r.c.Event, r.told)
}

// isLive says whether a cause is that an event came.
func isLive(c run.Cause) bool { return c.Kind == "" || c.Kind == run.Live }

// routed works out what one event starts and wakes; false where the work was cut short and nothing is to be settled.
func (w *Worker) routed(ctx context.Context, r *routing, b *routingBatch) bool {
	started, c, s := w.now(), r.c, &r.settlement
	s.Routed = true
	starting, err := w.beginnings(ctx, c, b)
	if err != nil {
		return w.routedLater(ctx, r, err)
	}
	defer func() { w.tellParked(ctx, s, &c.Event, nil) }()
	switch {
	case c.Task.Lost >= run.MaxLost:
		s.NewRuns = w.parked(starting, c, CodeLostLeases, fmt.Sprintf("routing the event was cut short %d times in a row", c.Task.Lost))
		r.told = parkedTellings(s.NewRuns)
		return true
	case c.Corrupt:
		s.NewRuns = w.parked(starting, c, CodeCorrupt, bodyCorrupt)
		r.told = parkedTellings(s.NewRuns)
		return true
	}
	value := sync.OnceValue(func() any { return pipeline.Decode(&c.Event) })
	if w.o.Checker != nil {
		s.Findings = w.o.Checker.Findings(&c.Event, value)
	}
	lane := run.LaneLive
	if c.Task.Cause.Kind == run.Replay {
		lane = run.LaneReplay
	}
	slice := b.budget.Part(routeTime, foldBytes)
	for _, b := range starting {
		if b.diagram == nil {
			gone := w.withoutPipeline(b, c)
			s.NewRuns, r.told = append(s.NewRuns, gone), append(r.told, telling{run: gone.Run})
			continue
		}
		begun := w.rootOf(b.diagram, c)
		nr, more := w.newRun(ctx, b.diagram, &begun, pipeline.Record{Event: &c.Event, Payload: value(), Slice: slice}, lane, 0, false)
		s.NewRuns = append(append(s.NewRuns, nr), more.runs...)
		s.Events = append(s.Events, more.events...)
		r.told = append(r.told, more.told...)
		if ctx.Err() != nil {
			return false
		}
	}
	if isLive(c.Task.Cause) && c.Event.Source != event.Manual {
		all, err := b.waiting()
		if err != nil { // whoever waits for this event must not miss it
			return w.routedLater(ctx, r, err)
		}
		s.Wakes = w.wakes(ctx, all, &c.Event, value)
		if ctx.Err() != nil {
			return false
		}
	}
	w.o.Observer.Routed(c.Event.Provider, w.now().Sub(started))
	return true
}

// routedLater leaves an event to be routed when the store can be read again; false where the work was cut short.
func (w *Worker) routedLater(ctx context.Context, r *routing, why error) bool {
	if ctx.Err() != nil {
		return false
	}
	w.o.Logger.WarnContext(ctx, "an event is routed later", "event", r.c.Event.ID.String(), "error", why)
	r.settlement, r.told = store.Settlement{Held: r.c.Held(), Then: store.Then{Again: true, In: storePause}}, nil
	return true
}

// starting gives the pipelines that an event starts, filters aside: those that receive it, or the one that a manual event names.
func (w *Worker) starting(ctx context.Context, c *store.Claimed) []*pipeline.Diagram {
	if c.Event.Source != event.Manual {
		return w.o.World.Pipelines(c.Event.Provider, c.Event.Name)
	}
	d, ok := w.o.World.Pipeline(c.Event.Cause)
	if !ok || !d.Startable() {
		w.o.Logger.WarnContext(ctx, "a pipeline that was to be run is not there any more, or has no start node", "event", c.Event.ID.String(),
			"pipeline", c.Event.Cause)
		return nil
	}
	return []*pipeline.Diagram{d}
}

// rootOf is the run of a pipeline that an event starts, before anything was done.
func (w *Worker) rootOf(d *pipeline.Diagram, c *store.Claimed) run.Run {
	cause := c.Task.Cause
	if cause.Kind == "" {
		cause.Kind = run.Live
	}
	if c.Event.Source == event.Manual && cause.Kind == run.Live {
		cause = run.Cause{Kind: run.Manual}
	}
	r := w.blank(d, &c.Event, cause)
	r.Input = inputOf(&c.Event)
	return r
}

func (w *Worker) blank(d *pipeline.Diagram, ev *event.Event, cause run.Cause) run.Run {
	return run.Run{
		ID: run.NewID(ev.ID, d.Name, cause), Event: ev.ID, Pipeline: d.Name, Revision: d.Revision, Cause: cause,
		Now: ev.Received, Created: w.now(), State: run.Open, Version: 1, Trace: traceparent(ev, d.Name, cause), Labels: d.Labels,
	}
}

// newRun begins one run and does all that needs no effect, as far as the record's slice goes. A run that may have to wait for its turn, by
// limits or for an ordered destination, gets its first steps only. One that somebody waits for takes no lane, and no turn of its own order
// where there are lanes: whoever waits has them, and those who are before it in its order may be waiting for them. A panic parks the run alone.
func (w *Worker) newRun(
	ctx context.Context, d *pipeline.Diagram, r *run.Run, rec pipeline.Record, lane run.Lane, nested int, awaited bool,
) (out store.NewRun, more consequences) {
	out.Run = *r
	defer func() {
		if p := recover(); p != nil {
			out = store.NewRun{Run: *r}
			out.Run.State, out.Run.Reason, out.Run.Message = run.Parked, CodeInternal, panicked
			w.o.Logger.ErrorContext(ctx, "a run panicked", "run", r.ID.String(), "pipeline", d.Name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			more = consequences{told: []telling{w.tellingOf(d, &out)}}
		}
	}()
	limits, limited := d.Limits()
	ordered := w.ordered(d)
	inLane := awaited && len(ordered) > 0
	if awaited {
		ordered = nil
	}
	rec.Turns = len(ordered) > 0
	if (nested > maxNested || rec.Slice.Late(lateBy)) && !limited && !d.Ordered() && !rec.Turns {
		out.Tasks = []store.NewTask{startTask(d.Name, lane)}
		return out, consequences{told: []telling{w.tellingOf(d, &out)}}
	}
	rec.Run = r
	progress, begins := d.Begin(ctx, rec, w.now)
	if begins {
		rec.Steps = progress.Steps
		w.limit(ctx, d, limits, ordered, rec, &out)
		if inLane {
			out.Holds = slices.DeleteFunc(out.Holds, func(h store.Hold) bool { return h.Order })
		}
		out.Steps = progress.Steps
		if out.Run.State == run.Open {
			out.Tasks = []store.NewTask{startTask(d.Name, lane)}
		}
		return out, consequences{told: []telling{w.tellingOf(d, &out)}}
	}
	u := w.unfold(ctx, d, rec, unfolding{lane: lane, first: &progress, nested: nested})
	out.Steps, out.Tasks = u.Steps, u.tasks
	out.Run.State, out.Run.Outcome, out.Run.Reason, out.Run.Message = u.State, u.Outcome, u.Reason, u.Message
	if out.Run.State == run.Parked {
		_, out.Run.Destination = d.Culprit(pipeline.Record{Steps: out.Steps})
	}
	own := w.tellingOf(d, &out)
	own.measures, own.reply = u.measures, u.reply
	return out, consequences{runs: u.runs, events: u.events, told: append([]telling{own}, u.told...)}
}

// limit says what must let a run begin: the turns of its own pipeline first, then the lanes of ordered destinations, which it shares with
// other pipelines. With `overflow: drop` a run does not happen that would have to wait for any of them.
func (w *Worker) limit(
	ctx context.Context, d *pipeline.Diagram, limits pipeline.Limits, destinations map[string]*destination.Ordering, rec pipeline.Record, out *store.NewRun,
) {
	key, ordered, err := d.OrderKey(ctx, rec)
	if err != nil {
		out.Run.State, out.Run.Reason, out.Run.Message = run.Parked, pipeline.CodeExpression, "order_by: "+err.Error()
		return
	}
	lanes, err := d.Lanes(ctx, rec, destinations)
	if err != nil {
		out.Run.State, out.Run.Reason, out.Run.Message = run.Parked, pipeline.CodeExpression, err.Error()
		return
	}
	if limits.Runs > 0 {
		out.Quota = &store.Quota{Key: d.Name, Max: limits.Runs, Per: limits.Per}
	}
	if ordered {
		out.Holds = append(out.Holds, store.Hold{Key: key, Max: 1, Order: true})
	}
	for _, lane := range lanes {
		out.Holds = append(out.Holds, store.Hold{Key: lane.Key, Max: 1, Order: true, Keep: lane.Keep})
	}
	if limits.Concurrency > 0 { // last: a run that waits for its place in an order takes up no slot
		out.Holds = append(out.Holds, store.Hold{Key: "slots:" + d.Name, Max: limits.Concurrency})
	}
	out.Drop = limits.Drop
}

// parked gives the parked runs of an event of which nothing may be evaluated: routing it may be what kills the process, or its body
// is not what was received.
func (w *Worker) parked(starting []beginning, c *store.Claimed, reason, message string) []store.NewRun {
	var out []store.NewRun
	for _, b := range starting {
		if b.diagram == nil {
			out = append(out, w.withoutPipeline(b, c))
			continue
		}
		r := w.rootOf(b.diagram, c)
		r.State, r.Reason, r.Message = run.Parked, reason, message
		out = append(out, store.NewRun{Run: r})
	}
	return out
}
