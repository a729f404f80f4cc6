package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/batch"
	"github.com/headgate/headgate/engine/node/call"
	"github.com/headgate/headgate/engine/node/emit"
	"github.com/headgate/headgate/engine/node/end"
	"github.com/headgate/headgate/engine/node/foreach"
	"github.com/headgate/headgate/engine/node/metric"
	"github.com/headgate/headgate/engine/node/respond"
	"github.com/headgate/headgate/engine/node/start"
	"github.com/headgate/headgate/engine/node/wait"
	"github.com/headgate/headgate/engine/reply"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

func allTypes() []node.Type {
	bomb := node.Type{Name: "bomb", Props: &field.Object{Name: "bomb"}, Build: func(*field.Values, node.Env, *diag.List) node.Node { return bomb{} }}
	return append(nodeTypes(), start.Type(), wait.Type(), batch.Type(), foreach.Type(), emit.Type(), call.Type(), metric.Type(), respond.Type(), end.Type(), bomb)
}

// openAll is open with every type of node.
func openAll(t testing.TB, manifests string, h http.HandlerFunc, change ...func(*worker.Options)) *gate {
	t.Helper()
	return openTypes(t, allTypes(), manifests, h, change...)
}

// of gives the only run of a pipeline for an event.
func (g *gate) of(id event.ID, pipeline string) store.RunRecord {
	g.t.Helper()
	rec, ok := g.runs(id)[pipeline]
	if !ok {
		g.t.Fatalf("the event has no run of %s: %v", pipeline, g.runs(id))
	}
	return rec
}

// all gives every run of a pipeline, the first made first.
func (g *gate) all(pipeline string) []store.RunRecord {
	g.t.Helper()
	page, err := g.store.Runs(g.t.Context(), store.RunQuery{Pipeline: pipeline, Limit: 1000})
	if err != nil {
		g.t.Fatal(err)
	}
	var out []store.RunRecord
	for _, r := range slices.Backward(page.Runs) {
		rec, err := g.store.Run(g.t.Context(), r.ID)
		if err != nil {
			g.t.Fatal(err)
		}
		out = append(out, rec)
	}
	return out
}

// events gives the events of a provider, the first stored first.
func (g *gate) events(provider string) []event.Event {
	g.t.Helper()
	page, err := g.store.Events(g.t.Context(), store.EventQuery{Provider: provider, Limit: 1000})
	if err != nil {
		g.t.Fatal(err)
	}
	slices.Reverse(page.Events)
	return page.Events
}

// is checks what a run has come to.
func (g *gate) is(rec store.RunRecord, state run.State, why string) {
	g.t.Helper()
	if got := rec.Run.Reason + string(rec.Run.Outcome); rec.Run.State != state || got != why {
		g.t.Errorf("the run of %s is %s %s (%s), want %s %s", rec.Run.Pipeline, rec.Run.State, got, rec.Run.Message, state, why)
	}
}

// output checks what a step gave.
func (g *gate) output(rec store.RunRecord, path, want string) {
	g.t.Helper()
	if got := string(stepOf(g.t, rec, path).Output); got != want {
		g.t.Errorf("%s gives %s, want %s", path, got, want)
	}
}

// only checks that one task of a run is open, and gives it.
func (g *gate) only(rec store.RunRecord, kind run.TaskKind, path string) run.Task {
	g.t.Helper()
	if len(rec.Tasks) != 1 || rec.Tasks[0].Kind != kind || rec.Tasks[0].Path != path {
		g.t.Fatalf("the open tasks are %+v, want one %s at %q", rec.Tasks, kind, path)
	}
	return rec.Tasks[0]
}

// manual appends an event that runs a pipeline by hand.
func (g *gate) manual(pipeline, input string) event.ID {
	g.t.Helper()
	receipts, err := g.store.Append(g.t.Context(), []store.Arrival{{Route: true, Event: event.Event{
		Request: "manual", Provider: event.Internal, Name: "manual", Source: event.Manual, Cause: pipeline, ContentType: "application/json", Body: []byte(input),
	}}})
	if err != nil {
		g.t.Fatal(err)
	}
	return receipts[0].ID
}

// parked steps the worker until the run of a pipeline is parked.
func (g *gate) parked(id event.ID, pipeline string) store.RunRecord {
	g.t.Helper()
	for range 50 {
		next := g.turn()
		if rec := g.of(id, pipeline); rec.Run.State != run.Open {
			g.is(rec, run.Parked, rec.Run.Reason)
			return rec
		}
		g.clock.advance(max(next, 0))
	}
	g.t.Fatalf("the run of %s is never parked", pipeline)
	return store.RunRecord{}
}

// soon steps the worker for as long as one thing that goes wrong can delay it: a lease.
func (g *gate) soon() {
	g.t.Helper()
	for range 5 {
		g.turn()
		g.clock.advance(21 * time.Second)
	}
	g.turn()
}

// outlast is finish in a gate in which something may go wrong: it sees that nothing is left of a lease either.
func (g *gate) outlast() {
	g.t.Helper()
	quiet := 0
	for range 400 {
		next := g.turn()
		if next < 0 || next >= worker.Never/2 {
			if quiet++; quiet == 2 {
				return
			}
			next = 61 * time.Second
		} else {
			quiet = 0
		}
		g.clock.advance(next)
	}
	g.t.Fatal("work does not end")
}

// sent counts the requests to a path that are not the same one again.
func (g *gate) sent(path string) int {
	g.t.Helper()
	keys := map[string]bool{}
	for _, got := range g.got(path) {
		keys[got.Header.Get("Idempotency-Key")] = true
	}
	return len(keys)
}

// witness is an Observer and a desk that remember what they are told.
type witness struct {
	mu       sync.Mutex
	measures []node.Measure
	ended    []string
	told     []string
}

func (w *witness) Attempt(string, string, time.Duration) {}
func (w *witness) Routed(string, time.Duration)          {}

func (w *witness) RunEnded(pipeline, state, outcome string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = append(w.ended, pipeline+" "+state+" "+outcome)
}

func (w *witness) Measure(m node.Measure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.measures = append(w.measures, m)
}

// counter reads the witness as the desk it is.
type counter struct{ w *witness }

func (c counter) Routed(request string, runs int) { c.say("routed %s %d", request, runs) }
func (c counter) Over(request string)             { c.say("over %s", request) }
func (c counter) Answer(request string, r reply.Reply) {
	c.say("answer %s %d %s", request, r.Status, r.Body)
}

func (c counter) say(format string, args ...any) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.told = append(c.w.told, fmt.Sprintf(format, args...))
}

func (w *witness) watch(o *worker.Options) { o.Observer, o.Replies = w, counter{w} }

// fault is what goes wrong once in a faulty store.
type fault int

const (
	unwritten fault = iota // a settlement is lost before it is written
	untold                 // a settlement is written, and nobody is told so
	moved                  // a run has moved before it is settled
	unclaimed              // a claim is made, and nobody is told so: the holder has died
)

func faults() map[fault]string {
	return map[fault]string{unwritten: "unwritten", untold: "untold", moved: "moved", unclaimed: "unclaimed"}
}

// faulty is a store with which one thing goes wrong at one point.
type faulty struct {
	worker.Queue
	fault fault
	at    int64
	n     atomic.Int64
	hit   atomic.Bool
}

func (f *faulty) now() bool {
	if f.n.Add(1) != f.at {
		return false
	}
	f.hit.Store(true)
	return true
}

func (f *faulty) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	tasks, err := f.Queue.Claim(ctx, c)
	if f.fault == unclaimed && len(tasks) > 0 && f.now() {
		return nil, nil
	}
	return tasks, err
}

func (f *faulty) Settle(ctx context.Context, s []store.Settlement) ([]error, error) {
	switch f.fault {
	case unwritten:
		if f.now() {
			return nil, store.ErrUnavailable
		}
	case untold:
		if f.now() {
			_, _ = f.Queue.Settle(ctx, s)
			return nil, store.ErrUnavailable
		}
	case moved:
		if s[0].Run != nil && f.now() {
			return slices.Repeat([]error{store.ErrMoved}, len(s)), nil
		}
	case unclaimed:
	}
	return f.Queue.Settle(ctx, s)
}

// everywhere plays a scenario with each fault at each of its points, in a gate of its own, until there is no such point any more.
func everywhere(t *testing.T, manifests string, h http.HandlerFunc, play func(t *testing.T, g *gate)) {
	t.Helper()
	for kind, name := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := int64(1); ; at++ {
				f := &faulty{fault: kind, at: at}
				g := openAll(t, manifests, h, func(o *worker.Options) {
					f.Queue = o.Queue
					o.Queue = f
				})
				play(t, g)
				if t.Failed() {
					t.Fatalf("with the fault at point %d", at)
				}
				if !f.hit.Load() {
					if at == 1 {
						t.Error("the fault came nowhere")
					}
					return
				}
			}
		})
	}
}

func logged(w *diary) func(*worker.Options) {
	return func(o *worker.Options) { o.Logger = slog.New(slog.NewJSONHandler(w, nil)) }
}

func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
