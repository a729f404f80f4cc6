package worker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

func TestAStaleSettlementChangesNothing(t *testing.T) {
	t.Parallel()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	var n atomic.Int64
	g := open(t, oneHook, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			close(arrived)
			<-goOn // as a process that was stopped by SIGSTOP
			w.WriteHeader(http.StatusGone)
		}
	})
	id := g.event(`{}`)
	first := make(chan error, 1)
	go func() {
		_, err := g.worker.Turn(t.Context())
		first <- err
	}()
	<-arrived
	g.clock.advance(61 * time.Second) // longer than the lease
	if _, err := g.another().Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	rec := g.wants(id, run.Done, "completed")
	if got := outcomes(rec); !slices.Equal(got, []run.AttemptOutcome{run.AttemptUnknown, run.AttemptOK}) || !slices.Equal(numbers(rec, "Tell", 0), []int{1, 2}) {
		t.Errorf("the attempts are %+v, want 1 unknown and 2 ok", rec.Attempts)
	}
	if rec.Attempts[0].Code != store.CodeLeaseLost {
		t.Errorf("the lost attempt has the code %s, want %s", rec.Attempts[0].Code, store.CodeLeaseLost)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Errorf("the first holder's turn: %v", err)
	}
	if again := g.run(id); !reflect.DeepEqual(again, rec) {
		t.Errorf("the stale settlement changed the record:\n%+v\n%+v", rec, again)
	}
	if gate, err := g.store.Gate(t.Context(), "ops"); err != nil || gate.State == store.GateDisabled {
		t.Errorf("the stale settlement left the gate %s (%v)", gate.State, err)
	}
	got := g.got("/ops")
	if len(got) != 2 || got[0].Header.Get("Idempotency-Key") != got[1].Header.Get("Idempotency-Key") {
		t.Errorf("the receiver got %d requests, want 2 of one Idempotency-Key", len(got))
	}
	if next := g.turn(); next >= 0 {
		t.Errorf("something is due in %v", next)
	}
}

// die claims what is due at a gate and never comes back.
func (g *gate) die(name string) {
	g.t.Helper()
	claimed, err := g.store.Claim(g.t.Context(), store.Claim{Gate: name, Lane: run.LaneLive, Max: 10, Lease: time.Minute})
	if err != nil || len(claimed) == 0 {
		g.t.Fatalf("claimed %d tasks: %v", len(claimed), err)
	}
	g.clock.advance(time.Minute)
}

func TestWorkThatKillsItsHolderThreeTimesIsParked(t *testing.T) {
	t.Parallel()
	g := open(t, oneHook, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	id := g.event(`{}`)
	g.turn() // routes, and fails once
	if err := g.store.Drop(t.Context(), store.DropAsk{Request: "x", Run: g.run(id).Run.ID}); err == nil {
		t.Fatal("an open run was dropped")
	}
	g.clock.advance(10 * time.Second)
	for range 3 {
		claimed, err := g.store.Claim(t.Context(), store.Claim{Gate: "ops", Lane: run.LaneRetry, Max: 1, Lease: time.Minute})
		if err != nil || len(claimed) != 1 {
			t.Fatalf("claimed %d tasks: %v", len(claimed), err)
		}
		g.clock.advance(time.Minute)
	}
	g.turn()
	rec := g.wants(id, run.Parked, worker.CodeLostLeases)
	if got := numbers(rec, "Tell", 0); !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Errorf("the attempts are numbered %v, want no gap", got)
	}
	if n := len(g.receiver.Got()); n != 1 {
		t.Errorf("the receiver got %d requests, want 1: what kills the process is not tried a fourth time", n)
	}
}

func TestAnEventWhoseRoutingKillsIsParkedAndNotLost(t *testing.T) {
	t.Parallel()
	g := open(t, oneHook, nil)
	id := g.event(`{"n": 1}`)
	for range 3 {
		g.die(run.RouteGate)
	}
	g.turn()
	rec := g.wants(id, run.Parked, worker.CodeLostLeases)
	if len(rec.Steps) != 0 || len(g.receiver.Got()) != 0 {
		t.Errorf("of an event that may kill something was evaluated: %+v", rec.Steps)
	}
	g.retry(id, "r1")
	g.finish()
	rec = g.wants(id, run.Done, "completed")
	if got := g.got("/ops"); len(got) != 1 || string(got[0].Body) != `{"n": 1}` {
		t.Errorf("after the retry the receiver got %q", got)
	}
	if stepOf(t, rec, "In").Round != 1 {
		t.Error("the retried run did not begin at its receive")
	}
}

// deadly ends a process while it routes a certain event: as if it had never come back from that.
type deadly struct {
	worker.World
	name string
}

func (d deadly) Pipelines(provider, name string) []*pipeline.Diagram {
	if name == d.name {
		runtime.Goexit()
	}
	return d.World.Pipelines(provider, name)
}

func TestAnEventWhoseRoutingKillsTakesNoOthersWithIt(t *testing.T) {
	t.Parallel()
	g := open(t, oneHook, nil)
	var ids []event.ID
	for range 20 {
		ids = append(ids, g.event(`{}`))
	}
	poison := g.named("order.poison", `{}`)
	for range 20 {
		ids = append(ids, g.event(`{}`))
	}
	for range run.MaxLost { // each process gets as far as the event
		w := g.another(func(o *worker.Options) { o.World = deadly{o.World, "order.poison"} })
		if _, err := w.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.clock.advance(time.Minute + time.Second)
	}
	g.finish()
	if rec := g.run(poison); rec.Run.Reason != worker.CodeLostLeases {
		t.Errorf("the event that kills is %s %s, want parked", rec.Run.State, rec.Run.Reason)
	}
	for i, id := range ids {
		if rec := g.run(id); rec.Run.State != run.Done {
			t.Errorf("event %d beside it is %s %s, want done", i, rec.Run.State, rec.Run.Reason)
		}
	}
}

// rotten hands out events whose body no longer matches its checksum.
type rotten struct {
	worker.Queue
	gate atomic.Value // of what it spoils
}

func (r *rotten) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	claimed, err := r.Queue.Claim(ctx, c)
	for i := range claimed {
		if c.Gate == r.gate.Load() {
			claimed[i].Corrupt, claimed[i].Event.Body = true, nil
		}
	}
	return claimed, err
}

func TestACorruptBodyParksAndIsSentNowhere(t *testing.T) {
	t.Parallel()
	for _, at := range []string{run.RouteGate, "ops"} {
		r := &rotten{}
		r.gate.Store(at)
		g := open(t, oneHook, nil, func(o *worker.Options) {
			r.Queue = o.Queue
			o.Queue = r
		})
		id := g.event(`{"n": 1}`)
		g.finish()
		g.wants(id, run.Parked, worker.CodeCorrupt)
		if n := len(g.receiver.Got()); n != 0 {
			t.Errorf("rotten at %s: %d requests were sent", at, n)
		}
		r.gate.Store("nowhere") // restored from a backup
		g.retry(id, "r1")
		g.finish()
		g.wants(id, run.Done, "completed")
		if n := len(g.receiver.Got()); n != 1 {
			t.Errorf("after the retry %d requests were sent, want 1", n)
		}
	}
}

// unsure is a store that cannot take a settlement of a run, and a configuration that cannot be read, as often as it is told.
type unsure struct {
	worker.Queue
	worker.World
	settle, diagram atomic.Int64
}

func (u *unsure) Settle(ctx context.Context, s []store.Settlement) ([]error, error) {
	if s[0].Run != nil && u.settle.Add(-1) >= 0 {
		return nil, fmt.Errorf("the disk is full: %w", store.ErrUnavailable)
	}
	return u.Queue.Settle(ctx, s)
}

func (u *unsure) Diagram(ctx context.Context, name, revision string) (*pipeline.Diagram, error) {
	if u.diagram.Add(-1) >= 0 {
		return nil, fmt.Errorf("reading revision %s: %w", revision, store.ErrUnavailable)
	}
	return u.World.Diagram(ctx, name, revision)
}

func openUnsure(t *testing.T, h http.HandlerFunc) (*gate, *unsure) {
	t.Helper()
	u := &unsure{}
	g := open(t, oneHook, h, func(o *worker.Options) {
		u.Queue, u.World = o.Queue, o.World
		o.Queue, o.World = u, u
	})
	return g, u
}

func TestAnAttemptThatCouldNotBeSettledAtOnceIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	g, u := openUnsure(t, nil)
	u.settle.Store(1)
	id := g.event(`{}`)
	g.finish()
	rec := g.wants(id, run.Done, "completed")
	if got := outcomes(rec); !slices.Equal(got, []run.AttemptOutcome{run.AttemptOK}) || len(g.got("/ops")) != 1 {
		t.Errorf("the outcomes are %v after %d requests, want one that is ok", got, len(g.got("/ops")))
	}
}

func TestAStoreThatCannotBeReadParksNothing(t *testing.T) {
	t.Parallel()
	g, u := openUnsure(t, nil)
	u.diagram.Store(3)
	id := g.event(`{}`)
	g.finish()
	rec := g.wants(id, run.Done, "completed")
	if len(rec.Attempts) != 1 || rec.Attempts[0].N != 1 {
		t.Errorf("the attempts are %+v, want one", rec.Attempts)
	}
}

func TestARunThatMovedIsFoldedAgain(t *testing.T) {
	t.Parallel()
	// Both hooks are claimed at one version of the run, by two workers that know nothing of each other.
	all := make(chan struct{})
	arrived := make(chan struct{}, 2)
	g := open(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: A, type: hook, props: {url: "http://127.0.0.1:9000/a"}}
  - {label: B, type: hook, props: {url: "http://127.0.0.1:9000/b"}}
  - {label: Join, type: code, props: {code: '[A.status, B.status]'}}
  - {label: End, type: hook, props: {url: "http://127.0.0.1:9000/end"}}
connections: [In -> A -> Join, In -> B -> Join -> End]
`, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/end" {
			arrived <- struct{}{}
			<-all
		}
	}, func(o *worker.Options) { o.Queue = oneGate{o.Queue, "flow/B"} })
	id := g.event(`{}`)
	other := g.another(func(o *worker.Options) { o.Queue = oneGate{o.Queue, "flow/A"} })
	if _, err := g.another(func(o *worker.Options) { o.Queue = oneGate{o.Queue, ""} }).Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	turned := make(chan error, 2)
	for _, w := range []*worker.Worker{g.worker, other} {
		go func() {
			_, err := w.Turn(t.Context())
			turned <- err
		}()
	}
	<-arrived
	<-arrived
	close(all)
	if err := errors.Join(<-turned, <-turned); err != nil {
		t.Fatal(err)
	}
	if _, err := g.another().Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	rec := g.wants(id, run.Done, "completed")
	if got := string(stepOf(t, rec, "Join").Output); got != "[200,200]" {
		t.Errorf("the join gives %s, want the answers of both", got)
	}
	if len(rec.Attempts) != 3 || len(g.receiver.Got()) != 3 {
		t.Errorf("%d attempts are recorded and %d requests came, want 3 of each", len(rec.Attempts), len(g.receiver.Got()))
	}
}

// oneGate sees routing and one gate only; with "" routing alone.
type oneGate struct {
	worker.Queue
	gate string
}

func (o oneGate) Due(ctx context.Context) (store.Due, error) {
	due, err := o.Queue.Due(ctx)
	due.Work = slices.DeleteFunc(due.Work, func(w store.Work) bool { return w.Gate != run.RouteGate && w.Gate != o.gate })
	return due, err
}

func TestWorkThatIsCutShortIsGivenBackUncharged(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cut := &cutting{cancel: cancel}
	g := open(t, oneHook, nil, func(o *worker.Options) {
		cut.World = o.World
		o.World = cut
	})
	id := g.event(`{}`)
	if _, err := g.worker.Turn(ctx); !errors.Is(err, context.Canceled) && err != nil {
		t.Errorf("the turn: %v", err)
	}
	claimed, err := g.store.Claim(t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1, Lease: time.Minute})
	if err != nil || len(claimed) != 1 || claimed[0].Task.Event != id || claimed[0].Task.Lost != 0 {
		t.Fatalf("after routing was cut short: %+v, %v; want the task, due at once and not lost", claimed, err)
	}
}

// cutting ends the work's context while an event is routed.
type cutting struct {
	worker.World
	cancel context.CancelFunc
}

func (c *cutting) Pipelines(provider, name string) []*pipeline.Diagram {
	c.cancel()
	return c.World.Pipelines(provider, name)
}
