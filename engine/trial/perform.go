package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/reply"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
	"github.com/headgate/headgate/engine/worker"
)

// longLease is never up while time is simulated.
const longLease = 1000 * 24 * time.Hour

// maxTurns bounds the steps of simulated time of one case: a pipeline that emits to itself ends by its own limits long before.
const maxTurns = 100_000

// errEndless is the failure of a case that came to no end.
var errEndless = errors.New("it came to no end: something is due again and again")

// performance is one case being performed: a store of its own, a worker and simulated time. It is used by one goroutine.
type performance struct {
	world    *world
	clock    *clock
	store    *memory.Store
	worker   *worker.Worker
	receiver *receiver
	desk     *desk
	began    time.Time
}

// perform makes a performance of a pipeline at a time. It must be closed, unless there is an error.
func perform(ctx context.Context, snap *snapshot.Snapshot, name string, refs *references, answers []scripted, now time.Time) (*performance, error) {
	c := &clock{now: now}
	st := memory.New(memory.Options{Now: c.Now})
	if err := st.Start(ctx); err != nil {
		return nil, fmt.Errorf("opening a store: %w", err)
	}
	p := &performance{
		world: &world{snapshot: snap, pipeline: name}, clock: c, store: st, desk: &desk{clock: c}, began: now,
		receiver: newReceiver(name, c, refs, answers),
	}
	w, err := worker.New(worker.Options{
		Queue: &single{Store: st}, World: p.world, Audience: snap.Subscriptions(), Player: p.receiver, Logger: slog.New(slog.DiscardHandler), Observer: p.desk, Replies: replies{p.desk},
		Now: c.Now, Lease: longLease,
	})
	if err != nil {
		return nil, err
	}
	p.worker = w
	return p, nil
}

// close gives up what is still under way, and waits for it. What was done stays readable.
func (p *performance) close() {
	p.receiver.close()
	for p.worker.InFlight() > 0 {
		<-p.worker.Ended()
	}
}

// single hands out one task at a time, so that whatever is due together is done one after the other, in the same order each time.
type single struct {
	*memory.Store
	given bool // since it was last asked what is due
}

// Due implements worker.Queue.
func (s *single) Due(ctx context.Context) (store.Due, error) {
	s.given = false
	return s.Store.Due(ctx)
}

// Claim implements worker.Queue.
func (s *single) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	if s.given {
		return nil, nil
	}
	c.Max = min(c.Max, 1)
	tasks, err := s.Store.Claim(ctx, c)
	s.given = len(tasks) > 0
	return tasks, err
}

// append puts an event into the log, now. It says whether one of that delivery id was there already.
func (p *performance) append(ctx context.Context, e event.Event) (duplicate bool, err error) {
	e.Received = p.clock.Now()
	a := store.Arrival{Event: e, Route: e.State == event.Accepted}
	if e.Delivery != "" {
		a.Window = deliveryWindow
	}
	receipts, err := p.store.Append(ctx, []store.Arrival{a})
	if err != nil {
		return false, fmt.Errorf("storing an event: %w", err)
	}
	return receipts[0].Duplicate, nil
}

// deliveryWindow is how long delivery ids of events count that no request carried; it is that of emitted events.
const deliveryWindow = 72 * time.Hour

// manual is the event that runs a pipeline by hand.
func manual(name string, input []byte) event.Event {
	return event.Event{
		Request: fixedRequest, Provider: event.Internal, Name: "manual", Source: event.Manual, Cause: name, ContentType: "application/json", Body: input,
		State: event.Accepted, Verification: event.Verification{Rule: "none"},
	}
}

// until does all that is due before a time, and sets the clock to it. Without one it goes on until nothing is left to be done, or only
// what is further away than any wait may be. Answers that are outstanding then stay so. What comes at one time is done in the same order
// each time: the answers by the places of their hooks, and after each of them all that is due.
func (p *performance) until(ctx context.Context, end time.Time) error {
	last := end
	if end.IsZero() {
		last = p.began.Add(maxSimulated)
	}
	for range maxTurns {
		next, err := p.settle(ctx)
		if err != nil {
			return fmt.Errorf("stepping time: %w", err)
		}
		at, some := p.receiver.next()
		if due := p.clock.Now().Add(next); next >= 0 && (!some || due.Before(at)) {
			at, some = due, true
		}
		if !some || at.After(last) {
			if !end.IsZero() {
				p.clock.move(end)
			}
			return nil
		}
		p.clock.move(at)
		p.receiver.answer(p.compare(func(r *Request) int { return r.nth }))
	}
	return errEndless
}

// settle does all that is due now, one task after the other, until nothing but answers is outstanding. It gives how long until the next task
// is due, negative where none waits.
func (p *performance) settle(ctx context.Context) (next time.Duration, err error) {
	for {
		if err := p.quiet(ctx); err != nil {
			return 0, err
		}
		claimed, next, err := p.worker.Step(ctx)
		if err != nil || claimed == 0 {
			return next, err
		}
	}
}

// quiet waits until all that is under way waits for an answer.
func (p *performance) quiet(ctx context.Context) error {
	for {
		// In this order: what begins to wait in between is looked at again.
		if working := p.worker.InFlight(); working == p.receiver.waiting() {
			return nil
		}
		select {
		case <-p.worker.Ended():
		case <-p.receiver.arrived:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// records gives the runs of a pipeline in the order they were made; all runs where the name is "".
func (p *performance) records(ctx context.Context, name string) ([]store.RunRecord, error) {
	var out []store.RunRecord
	q := store.RunQuery{Pipeline: name, Limit: 1000}
	for {
		page, err := p.store.Runs(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("reading the runs: %w", err)
		}
		for _, r := range page.Runs {
			rec, err := p.store.Run(ctx, r.ID)
			if err != nil {
				return nil, fmt.Errorf("reading a run: %w", err)
			}
			out = append(out, rec)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			slices.Reverse(out)
			return out, nil
		}
	}
}

// emitted gives the events that were emitted, in order, with their bodies.
func (p *performance) emitted(ctx context.Context) ([]event.Event, error) {
	var out []event.Event
	q := store.EventQuery{Provider: event.Internal, Limit: 1000}
	for {
		page, err := p.store.Events(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("reading the events: %w", err)
		}
		for _, e := range page.Events {
			if e.Source != event.Emitted || e.Cause == "" {
				continue // one that the test itself sent
			}
			if e.Body, err = p.store.Body(ctx, e.ID); err != nil {
				return nil, fmt.Errorf("reading an event: %w", err)
			}
			out = append(out, e)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			slices.Reverse(out)
			return out, nil
		}
	}
}

// requests gives what went out, in order: by time, and at one time by run and by the place of the hook in the diagram.
func (p *performance) requests(runs []store.RunRecord) []*Request {
	rank := make(map[run.ID]int, len(runs))
	for i := range runs {
		rank[runs[i].Run.ID] = i
	}
	out, together := slices.Clone(p.receiver.made), p.compare(func(r *Request) int { return rank[r.Run] })
	slices.SortStableFunc(out, func(a, b *Request) int { return cmp.Or(a.At.Compare(b.At), together(a, b)) })
	return out
}

// compare gives a comparison of requests: by run, then by the place of the hook.
func (p *performance) compare(ofRun func(r *Request) int) func(a, b *Request) int {
	places := map[string]func(a, b string) int{}
	return func(a, b *Request) int {
		if a.Run != b.Run {
			return cmp.Compare(ofRun(a), ofRun(b))
		}
		if places[a.Pipeline] == nil {
			places[a.Pipeline] = strings.Compare
			if d, ok := p.world.Pipeline(a.Pipeline); ok {
				places[a.Pipeline] = d.Compare()
			}
		}
		return cmp.Or(places[a.Pipeline](a.Path, b.Path), cmp.Compare(a.Round, b.Round), cmp.Compare(a.N, b.N))
	}
}

// result gives what a run came to.
func (p *performance) result(ctx context.Context, rec *store.RunRecord) (any, error) {
	d, err := p.world.Diagram(ctx, rec.Run.Pipeline, rec.Run.Revision)
	if err != nil {
		return nil, err
	}
	e, err := p.store.Event(ctx, rec.Run.Event)
	if err != nil {
		return nil, fmt.Errorf("reading the event: %w", err)
	}
	if e.Body, err = p.store.Body(ctx, e.ID); err != nil {
		return nil, fmt.Errorf("reading the event: %w", err)
	}
	value := d.Result(pipeline.Record{Event: &e, Payload: pipeline.Decode(&e), Run: &rec.Run, Steps: rec.Steps})
	if _, err := payload.Encode(value); err != nil {
		return nil, fmt.Errorf("writing the result: %w", err)
	}
	return value, nil
}

// world is the running configuration of a performance: only the pipeline under test is started by events; all others may be called.
type world struct {
	snapshot *snapshot.Snapshot
	pipeline string
}

var _ worker.World = (*world)(nil)

// Pipelines implements worker.World.
func (w *world) Pipelines(provider, name string) []*pipeline.Diagram {
	return slices.DeleteFunc(w.snapshot.Starting(provider, name), func(d *pipeline.Diagram) bool { return d.Name != w.pipeline })
}

// Pipeline implements worker.World.
func (w *world) Pipeline(name string) (*pipeline.Diagram, bool) { return w.snapshot.Pipeline(name) }

// Diagram implements worker.World.
func (w *world) Diagram(_ context.Context, name, revision string) (*pipeline.Diagram, error) {
	if d, ok := w.snapshot.Diagram(name, revision); ok {
		return d, nil
	}
	return nil, fmt.Errorf("there is no pipeline %q: %w", name, store.ErrNotFound)
}

// Destination implements worker.World.
func (w *world) Destination(key string) (*destination.Destination, bool) {
	return w.snapshot.Destination(key)
}

// desk keeps what the worker tells: replies to the sender, and measurements.
type desk struct {
	clock *clock

	mu       sync.Mutex
	reply    *reply.Reply // the first one to the case's own request
	replied  time.Time
	measures []node.Measure
}

// Attempt implements worker.Observer.
func (*desk) Attempt(string, string, time.Duration) {}

// RunEnded implements worker.Observer.
func (*desk) RunEnded(string, string, string) {}

// Routed implements worker.Observer.
func (*desk) Routed(string, time.Duration) {}

// Measure implements worker.Observer.
func (d *desk) Measure(m node.Measure) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.measures = append(d.measures, m)
}

// replies are those to the request of the case itself.
type replies struct{ *desk }

// Routed implements worker.Replies.
func (replies) Routed(string, int) {}

// Over implements worker.Replies.
func (replies) Over(string) {}

// Answer implements worker.Replies.
func (r replies) Answer(request string, with reply.Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reply == nil && request == fixedRequest {
		r.reply, r.replied = &with, r.clock.Now()
	}
}
