package worker_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

// copying makes 3.6 MB of one event, while a hook beside it is under way.
const copying = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Early, type: hook, props: {url: "http://127.0.0.1:9000/early"}}
  - label: Each
    type: foreach
    props:
      items: payload.list
      parallel: 3
      nodes:
        - {label: Copy, type: code, props: {code: '[item, payload.text]'}}
        - {label: Ask, type: call, props: {pipeline: helper, detach: true, input: {n: "{{ item }}"}}}
        - {label: Small, type: emit, props: {event: copied, payload: {n: "{{ item }}"}}}
  - {label: Late, type: hook, props: {url: "http://127.0.0.1:9000/late"}}
connections: [In -> Early, In -> Each -> Late]
---
kind: pipeline
name: helper
nodes: [{label: Go, type: start}, {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}]
`

func TestARunOfSeveralSlicesDoesEverythingOnce(t *testing.T) {
	t.Parallel()
	body := `{"list": [0, 1, 2, 3, 4, 5], "text": "` + strings.Repeat("x", 600_000) + `"}`
	everywhere(t, copying, nil, func(t *testing.T, g *gate) {
		t.Helper()
		id := g.event(body)
		g.outlast()
		var rec store.RunRecord
		for _, r := range g.all("flow") {
			rec = r
		}
		g.is(rec, run.Done, "completed")
		seen := map[string]int{}
		for _, s := range rec.Steps {
			if seen[s.Path]++; s.State != run.StepDone || seen[s.Path] > 1 {
				t.Errorf("%s is %s (%+v), for the time %d", s.Path, s.State, s.Failure, seen[s.Path])
			}
		}
		if want := 4 + 3*6; len(rec.Steps) != want || len(g.all("helper")) != 6 || len(g.events(event.Internal)) != 6 {
			t.Errorf("%d steps, %d called runs, %d events; want %d, 6 and 6", len(rec.Steps), len(g.all("helper")), len(g.events(event.Internal)), want)
		}
		if g.sent("/early") != 1 || g.sent("/late") != 1 || g.sent("/x") != 6 || rec.Run.Version < 3 {
			t.Errorf("%d, %d and %d requests in %d settlements", g.sent("/early"), g.sent("/late"), g.sent("/x"), rec.Run.Version)
		}
		if rec.Run.Event != id {
			t.Errorf("the run is of %s", rec.Run.Event)
		}
	})
}

// idle is a node that takes 30 ms of a gate's time.
type idle struct{ clock *atomic.Pointer[clock] }

func (s idle) Do(_ context.Context, in node.Input) (node.Outcome, error) {
	s.clock.Load().advance(30 * time.Millisecond)
	return node.Value{V: in.Message}, nil
}

// openSlow is openAll with the type `slow`, whose time is that of the gate.
func openSlow(t *testing.T, manifests string, h http.HandlerFunc, change ...func(*worker.Options)) *gate {
	t.Helper()
	var c atomic.Pointer[clock]
	types := append(allTypes(), node.Type{Name: "slow", Props: &field.Object{Name: "slow"}, Build: func(*field.Values, node.Env, *diag.List) node.Node { return idle{&c} }})
	g := openTypes(t, types, manifests, h, change...)
	c.Store(g.clock)
	return g
}

const slowAndOther = `
kind: pipeline
name: slow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.slow}}
  - {label: A, type: slow}
  - {label: B, type: slow}
  - {label: C, type: slow}
  - {label: Count, type: metric, props: {name: slow_total}}
---
kind: pipeline
name: other
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.other}}
  - {label: A, type: code, props: {code: '1'}}
`

func TestASlowPipelineIsNotInTheWayOfOthers(t *testing.T) {
	t.Parallel()
	w := &witness{}
	g := openSlow(t, slowAndOther, nil, w.watch)
	for range 40 {
		g.named("order.slow", `{}`)
	}
	other := g.named("order.other", `{}`)
	began := g.clock.time()
	g.finish()
	g.wants(other, run.Done, "completed")
	if at := slices.Index(w.ended, "other done completed"); at < 0 || at > 4 || len(w.ended) != 41 {
		t.Errorf("of %d runs the one of the other pipeline ended as number %d, want one of the first", len(w.ended), at+1)
	}
	if took := g.clock.time().Sub(began); took != 40*3*30*time.Millisecond || len(w.measures) != 40 {
		t.Errorf("120 slow nodes took %s and %d runs were counted: want each once", took, len(w.measures))
	}
	for _, rec := range g.all("slow") {
		g.is(rec, run.Done, "completed")
		if len(rec.Steps) != 5 {
			t.Errorf("the run has the steps %v", rec.Steps)
		}
	}
}

// settlements counts those by which events were routed.
type settlements struct {
	worker.Queue
	routed []int
}

func (s *settlements) Settle(ctx context.Context, all []store.Settlement) ([]error, error) {
	if all[0].Routed {
		s.routed = append(s.routed, len(all))
	}
	return s.Queue.Settle(ctx, all)
}

func TestSlowEntriesAreSettledEarlyAndThenLeftToTasks(t *testing.T) {
	t.Parallel()
	var c atomic.Pointer[clock]
	seen := &settlements{}
	g := open(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.n > 1}}
  - {label: A, type: code, props: {code: '1'}}
`, nil, func(o *worker.Options) {
		seen.Queue = o.Queue
		o.Queue = seen
		now := o.Now
		o.Now = func() time.Time { // whatever is done takes its time
			if c.Load() != nil {
				c.Load().advance(20 * time.Millisecond)
			}
			return now()
		}
	})
	c.Store(g.clock)
	var ids []event.ID
	for range 20 {
		ids = append(ids, g.event(`{"n": 2}`))
	}
	filtered := g.event(`{"n": 1}`)
	g.finish()
	for _, id := range ids {
		g.wants(id, run.Done, "completed")
	}
	g.wants(filtered, run.Done, "filtered")
	if len(seen.routed) < 5 {
		t.Errorf("21 events were settled as %v, want early and often", seen.routed)
	}
}

func TestARunThatIsCalledBelongsToTheSliceOfItsCaller(t *testing.T) {
	t.Parallel()
	g := openSlow(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Each, type: foreach, props: {items: payload.list, parallel: 20, nodes: [{label: Ask, type: call, props: {pipeline: helper, input: "{{ item }}"}}]}}
---
kind: pipeline
name: helper
nodes: [{label: Go, type: start}, {label: A, type: slow}, {label: B, type: slow}, {label: N, type: code, props: {code: payload}}]
`, nil)
	id := g.event(`{"list": [1, 2, 3, 4, 5, 6]}`)
	g.finish()
	var rec store.RunRecord
	for _, r := range g.all("flow") {
		rec = r
	}
	g.is(rec, run.Done, "completed")
	g.output(rec, "Each", "[1,2,3,4,5,6]")
	if n := len(g.all("helper")); n != 6 || rec.Run.Event != id {
		t.Errorf("%d runs were called", n)
	}
}

func TestACallThatHandsOverTooMuchFails(t *testing.T) {
	t.Parallel()
	g := openAll(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Each, type: foreach, props: {items: payload.list, on_error: continue, nodes: [{label: Ask, type: call, props: {pipeline: helper, detach: true, input: {text: "{{ payload.text }}"}}}]}}
---
kind: pipeline
name: helper
nodes: [{label: Go, type: start}]
`, nil)
	g.event(fmt.Sprintf(`{"list": [%s0], "text": %q}`, strings.Repeat("0,", 29), strings.Repeat("x", 1_000_000)))
	g.finish()
	rec := g.all("flow")[0]
	g.is(rec, run.Done, "completed")
	last := stepOf(t, rec, "Each[29]/Ask")
	if n := len(g.all("helper")); n != 8 || last.Failure == nil || last.Failure.Code != pipeline.CodeOutput {
		t.Errorf("%d runs of a megabyte each were called, the last call ended with %+v", n, last.Failure)
	}
	if rec.Run.Version < 4 {
		t.Errorf("it was settled %d times, want one for each 2 MiB", rec.Run.Version)
	}
}

func TestARetriedCallWaitsAgainForTheRunThatGoesOn(t *testing.T) {
	t.Parallel()
	manifests := strings.NewReplacer("type: call,", "type: call, timeout: 1m,", "  - {label: Tell,", "  - {label: Nap, type: wait, props: {for: 1h}}\n  - {label: Tell,").Replace(calling)
	g := openAll(t, manifests, nil)
	id := g.event(`{"n": 21}`)
	rec := g.parked(id, "flow")
	g.is(rec, run.Parked, pipeline.CodeTimeout)
	again := func(request string) {
		t.Helper()
		if err := g.store.Retry(t.Context(), store.RetryAsk{Request: request, Run: rec.Run.ID}); err != nil {
			t.Fatal(err)
		}
	}
	again("one") // the called run still has most of its hour before it
	rec = g.parked(id, "flow")
	g.is(rec, run.Parked, pipeline.CodeTimeout)
	if took := rec.Run.Finished.Sub(rec.Run.Created); took < 2*time.Minute || took > 3*time.Minute {
		t.Errorf("the retried call was given up %s after the first one began, want two minutes", took)
	}
	g.clock.advance(57*time.Minute + 30*time.Second)
	again("two")
	g.finish()
	rec = g.of(id, "flow")
	g.is(rec, run.Done, "completed")
	g.output(rec, "Got", "42")
	if n := len(g.all("helper")); n != 1 || g.sent("/x") != 1 {
		t.Errorf("%d runs were called and %d requests sent, want one of each", n, g.sent("/x"))
	}
}
