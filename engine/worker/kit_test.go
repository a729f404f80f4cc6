package worker_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/code"
	"github.com/headgate/headgate/engine/node/condition"
	"github.com/headgate/headgate/engine/node/hook"
	"github.com/headgate/headgate/engine/node/receive"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
	"github.com/headgate/headgate/engine/worker"
	"github.com/headgate/headgate/hooks"
	"github.com/headgate/headgate/hooks/hookstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const providers = `
kind: provider
name: acme
signature: none
event: {header: X-Event}
unknown_events: accept
events: [{name: order.created}]
`

// oneHook is a pipeline of a receive and a hook to the destination ops.
const oneHook = `
kind: destination
name: ops
url: http://127.0.0.1:9000/ops
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {destination: ops}}
`

// clock is the time of everything in a test. It stands still until it is told to go.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)} }

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// gate is a gateway without listeners: manifests, a store in memory, a worker that is stepped, and what answers its hooks.
type gate struct {
	t        testing.TB
	clock    *clock
	store    *memory.Store
	keeper   *snapshot.Keeper
	files    []*source.File // the keeper's; replaced in place
	receiver *hookstest.Receiver
	client   *hooks.Client
	log      slog.Handler
	worker   *worker.Worker
}

// open makes a gate of manifests; h answers its hooks, 200 where nil.
func open(t testing.TB, manifests string, h http.HandlerFunc, change ...func(*worker.Options)) *gate {
	t.Helper()
	return openTypes(t, nodeTypes(), manifests, h, change...)
}

func nodeTypes() []node.Type {
	return []node.Type{receive.Type(), condition.Type(), code.Type(), hook.Type()}
}

func openTypes(t testing.TB, types []node.Type, manifests string, h http.HandlerFunc, change ...func(*worker.Options)) *gate {
	t.Helper()
	g := &gate{t: t, clock: newClock(), log: slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError + 1})}
	g.store = memory.New(memory.Options{Now: g.clock.time})
	if err := g.store.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.files = []*source.File{source.NewFile("providers.yaml", []byte(providers)), source.NewFile("flow.yaml", []byte(manifests))}
	var err error
	g.keeper, err = snapshot.NewKeeper(snapshot.KeeperOptions{
		Load:    snapshot.Options{Types: types, Dev: true, Manifest: g.manifest()},
		Sources: g.store, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := g.keeper.Boot(t.Context(), false); err != nil {
		t.Fatalf("%v: %v", err, out.Sorted())
	}
	var handler http.Handler
	if h != nil {
		handler = h
	}
	g.receiver = hookstest.New(t, handler)
	g.client, err = hooks.New(hooks.Options{AllowLoopback: true, Dial: g.receiver.Dial, Now: g.clock.time, UserAgent: "Headgate/test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.client.Close)
	g.worker = g.another(change...)
	return g
}

func (g *gate) manifest() manifest.Options { return manifest.Options{Dev: true, Files: g.files} }

// another makes one more worker over the same store, as a second process would be.
func (g *gate) another(change ...func(*worker.Options)) *worker.Worker {
	g.t.Helper()
	o := worker.Options{Queue: g.store, World: g.keeper, Deliverer: g.client, Logger: slog.New(g.log), Now: g.clock.time}
	for _, f := range change {
		f(&o)
	}
	w, err := worker.New(o)
	if err != nil {
		g.t.Fatal(err)
	}
	return w
}

// event appends one event with a JSON body.
func (g *gate) event(body string) event.ID {
	g.t.Helper()
	return g.named("order.created", body)
}

func (g *gate) named(name, body string) event.ID {
	g.t.Helper()
	receipts, err := g.store.Append(context.WithoutCancel(g.t.Context()), []store.Arrival{{
		Event: event.Event{
			Request: "req", Provider: "acme", Name: name, ContentType: "application/json; charset=utf-8", Body: []byte(body), Source: event.Live,
		}, Route: true,
	}})
	if err != nil {
		g.t.Fatal(err)
	}
	return receipts[0].ID
}

// turn steps the worker and gives how long until the next task is due.
func (g *gate) turn() time.Duration {
	g.t.Helper()
	next, err := g.worker.Turn(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	return next
}

// finish steps the worker through time until nothing waits any more.
func (g *gate) finish() {
	g.t.Helper()
	for range 200 {
		next := g.turn()
		if next < 0 {
			return
		}
		g.clock.advance(next)
	}
	g.t.Fatal("work does not end")
}

// reload replaces the pipeline's file.
func (g *gate) reload(manifests string) {
	g.t.Helper()
	g.files[1] = source.NewFile("flow.yaml", []byte(manifests))
	if _, out, err := g.keeper.Reload(g.t.Context(), true); err != nil {
		g.t.Fatalf("%v: %v", err, out.Sorted())
	}
}

// run gives the record of the only run of an event.
func (g *gate) run(id event.ID) store.RunRecord {
	g.t.Helper()
	all := g.runs(id)
	if len(all) != 1 {
		g.t.Fatalf("the event has runs of %d pipelines, want 1", len(all))
	}
	for _, rec := range all {
		return rec
	}
	return store.RunRecord{}
}

// runs gives the runs of an event by pipeline.
func (g *gate) runs(id event.ID) map[string]store.RunRecord {
	g.t.Helper()
	page, err := g.store.Runs(g.t.Context(), store.RunQuery{Event: id})
	if err != nil {
		g.t.Fatal(err)
	}
	out := map[string]store.RunRecord{}
	for _, r := range page.Runs {
		if out[r.Pipeline], err = g.store.Run(g.t.Context(), r.ID); err != nil {
			g.t.Fatal(err)
		}
	}
	return out
}

// wants checks what the only run of an event has come to.
func (g *gate) wants(id event.ID, state run.State, why string) store.RunRecord {
	g.t.Helper()
	rec := g.run(id)
	if got := rec.Run.Reason + string(rec.Run.Outcome); rec.Run.State != state || got != why {
		g.t.Errorf("the run is %s %s (%s), want %s %s", rec.Run.State, got, rec.Run.Message, state, why)
	}
	return rec
}

// retry reopens a parked run.
func (g *gate) retry(id event.ID, request string) {
	g.t.Helper()
	if err := g.store.Retry(g.t.Context(), store.RetryAsk{Request: request, Run: g.run(id).Run.ID}); err != nil {
		g.t.Fatal(err)
	}
}

// got gives the requests to a path.
func (g *gate) got(path string) []hookstest.Got {
	return slices.DeleteFunc(g.receiver.Got(), func(r hookstest.Got) bool { return r.Path != path })
}

func stepOf(t testing.TB, rec store.RunRecord, path string) run.Step {
	t.Helper()
	for _, s := range rec.Steps {
		if s.Path == path {
			return s
		}
	}
	t.Fatalf("%s has not ended: %v", path, rec.Steps)
	return run.Step{}
}

// numbers gives the numbers of the attempts of a path in a round, in the order they were recorded.
func numbers(rec store.RunRecord, path string, round int) []int {
	var out []int
	for _, a := range rec.Attempts {
		if a.Path == path && a.Round == round {
			out = append(out, a.N)
		}
	}
	return out
}

func outcomes(rec store.RunRecord) []run.AttemptOutcome {
	var out []run.AttemptOutcome
	for _, a := range rec.Attempts {
		out = append(out, a.Outcome)
	}
	return out
}

// counted counts what a worker asks of its store.
type counted struct {
	worker.Queue
	dues, claims, handed atomic.Int64
}

func (c *counted) Due(ctx context.Context) (store.Due, error) {
	c.dues.Add(1)
	return c.Queue.Due(ctx)
}

func (c *counted) Claim(ctx context.Context, ask store.Claim) ([]store.Claimed, error) {
	c.claims.Add(1)
	claimed, err := c.Queue.Claim(ctx, ask)
	c.handed.Add(int64(len(claimed)))
	return claimed, err
}

// counting lets a worker's store be counted.
func counting(c *counted) func(*worker.Options) {
	return func(o *worker.Options) {
		c.Queue = o.Queue
		o.Queue = c
	}
}

// gateOf gives what the store says of a gate.
func (g *gate) gateOf(name string) store.Gate {
	g.t.Helper()
	got, err := g.store.Gate(context.WithoutCancel(g.t.Context()), name)
	if err != nil {
		g.t.Fatal(err)
	}
	return got
}

// switched answers with a status that can be changed.
type switched struct{ status atomic.Int64 }

func (s *switched) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(int(s.status.Load()))
}
