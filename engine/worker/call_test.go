package worker_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

const calling = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Ask, type: call, props: {pipeline: helper, input: {n: "{{ payload.n }}"}}}
  - {label: Got, type: code, props: {code: 'Ask'}}
---
kind: pipeline
name: helper
nodes:
  - {label: Go, type: start}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x", body: {n: "{{ payload.n }}"}}}
  - {label: Twice, type: code, props: {code: 'payload.n * 2'}}
`

func TestACallHandsOnWhatTheCalledPipelineGives(t *testing.T) {
	t.Parallel()
	everywhere(t, calling, nil, func(t *testing.T, g *gate) {
		t.Helper()
		id := g.event(`{"n": 21}`)
		g.outlast()
		rec, child := g.of(id, "flow"), g.of(id, "helper")
		g.is(rec, run.Done, "completed")
		g.output(rec, "Got", "42")
		g.is(child, run.Done, "completed")
		if n := len(g.all("helper")); n != 1 || g.sent("/x") != 1 {
			t.Errorf("%d runs were called and %d requests sent, want one of each", n, g.sent("/x"))
		}
		if c := child.Run; c.Cause != (run.Cause{Kind: run.Call, Ref: rec.Run.ID.String() + " Ask 0"}) || c.Depth != 1 || string(c.Input) != `{"n":21}` || c.Event != id {
			t.Errorf("the called run is %+v", c)
		}
	})
}

func TestACalledPipelineWithoutEffectsIsOverAtOnce(t *testing.T) {
	t.Parallel()
	const manifests = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Ask, type: call, props: {pipeline: middle}}
  - {label: Got, type: code, props: {code: 'Ask'}}
---
kind: pipeline
name: middle
nodes:
  - {label: Go, type: start}
  - {label: Ask, type: call, props: {pipeline: inner}}
  - {label: More, type: code, props: {code: 'Ask + 1'}}
---
kind: pipeline
name: inner
nodes:
  - {label: Go, type: start}
  - {label: Ask, type: call, props: {pipeline: innermost}}
  - {label: More, type: code, props: {code: 'Ask + 1'}}
---
kind: pipeline
name: innermost
nodes: [{label: Go, type: start}, {label: N, type: code, props: {code: 'payload.n'}}]
`
	everywhere(t, manifests, nil, func(t *testing.T, g *gate) {
		t.Helper()
		id := g.event(`{"n": 1}`)
		g.outlast()
		rec := g.of(id, "flow")
		g.is(rec, run.Done, "completed")
		g.output(rec, "Got", "3")
		if got := g.of(id, "innermost").Run.Depth; got != 3 {
			t.Errorf("the innermost run lies %d calls deep, want 3", got)
		}
	})
}

func TestACallThatIsDetachedWaitsForNobody(t *testing.T) {
	t.Parallel()
	manifests := strings.Replace(calling, "pipeline: helper,", "pipeline: helper, detach: true,", 1)
	everywhere(t, manifests, nil, func(t *testing.T, g *gate) {
		t.Helper()
		id := g.event(`{"n": 21}`)
		g.outlast()
		rec, child := g.of(id, "flow"), g.of(id, "helper")
		g.is(rec, run.Done, "completed")
		g.output(rec, "Got", fmt.Sprintf(`{"run":%q}`, child.Run.ID))
		g.is(child, run.Done, "completed")
		if n := len(g.all("helper")); n != 1 || g.sent("/x") != 1 {
			t.Errorf("%d runs were called and %d requests sent, want one of each", n, g.sent("/x"))
		}
	})
}

func TestEachCallOfAForeachIsARunOfItsOwn(t *testing.T) {
	t.Parallel()
	manifests := strings.Replace(calling, `  - {label: Ask, type: call, props: {pipeline: helper, input: {n: "{{ payload.n }}"}}}
  - {label: Got, type: code, props: {code: 'Ask'}}
`, `  - {label: Each, type: foreach, props: {items: payload.ns, parallel: 2, nodes: [{label: Ask, type: call, props: {pipeline: helper, input: {n: "{{ item }}"}}}]}}
`, 1)
	everywhere(t, manifests, nil, func(t *testing.T, g *gate) {
		t.Helper()
		id := g.event(`{"ns": [1, 2, 3, 4, 5]}`)
		g.outlast()
		page, err := g.store.Runs(t.Context(), store.RunQuery{Event: id, Pipeline: "flow"})
		if err != nil || len(page.Runs) != 1 {
			t.Fatal(page, err)
		}
		rec := g.all("flow")[0]
		g.is(rec, run.Done, "completed")
		g.output(rec, "Each", `[2,4,6,8,10]`)
		if n := len(g.all("helper")); n != 5 || g.sent("/x") != 5 {
			t.Errorf("%d runs were called and requests with %d keys sent, want 5 of each: two calls for one event are not one", n, g.sent("/x"))
		}
	})
}

func TestACalledRunThatIsParkedIsOneParkedRun(t *testing.T) {
	t.Parallel()
	var fine atomic.Bool
	g := openAll(t, calling, func(w http.ResponseWriter, _ *http.Request) {
		if !fine.Load() {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	id := g.event(`{"n": 21}`)
	child := g.parked(id, "helper")
	g.is(g.of(id, "flow"), run.Open, "")
	g.is(child, run.Parked, worker.CodeRetriesSpent)
	for i := range 2 { // the second time for good
		fine.Store(i == 1)
		if err := g.store.Retry(t.Context(), store.RetryAsk{Request: fmt.Sprint("again", i), Run: child.Run.ID}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			g.parked(id, "helper")
		}
	}
	g.turn()
	g.is(g.of(id, "helper"), run.Done, "completed")
	g.is(g.of(id, "flow"), run.Done, "completed")
	g.output(g.of(id, "flow"), "Got", "42")
}

func TestACalledRunThatIsDroppedFailsTheCall(t *testing.T) {
	t.Parallel()
	g := openAll(t, calling, answers(400))
	id := g.event(`{"n": 21}`)
	if err := g.store.Drop(t.Context(), store.DropAsk{Request: "away", Run: g.parked(id, "helper").Run.ID}); err != nil {
		t.Fatal(err)
	}
	g.turn()
	g.is(g.of(id, "flow"), run.Parked, worker.CodeCallDropped)
}

func TestTheCallerMayGoOnWhereTheCalledRunIsParked(t *testing.T) {
	t.Parallel()
	manifests := strings.Replace(calling, "---", `  - {label: Sorry, type: code, props: {code: 'Ask.error.code'}}
connections: [In -> Ask -> Got, "Ask[error] -> Sorry"]
---`, 1)
	g := openAll(t, manifests, answers(400))
	id := g.event(`{"n": 21}`)
	g.finish()
	g.is(g.of(id, "flow"), run.Done, "completed")
	g.output(g.of(id, "flow"), "Sorry", `"call_parked"`)
	g.is(g.of(id, "helper"), run.Parked, worker.CodeRetriesSpent)
}

func TestACallHasItsTime(t *testing.T) {
	t.Parallel()
	manifests := strings.Replace(calling, "type: call,", "type: call, timeout: 10m,", 1)
	t.Run("an open run", func(t *testing.T) {
		t.Parallel()
		g := openAll(t, strings.Replace(manifests, "- {label: Tell,", "- {label: Pause, type: wait, props: {for: 1h}}\n  - {label: Tell,", 1), nil)
		id := g.event(`{"n": 21}`)
		g.turn()
		g.clock.advance(10 * time.Minute)
		g.turn()
		g.is(g.of(id, "flow"), run.Parked, pipeline.CodeTimeout)
		g.finish()
		g.is(g.of(id, "helper"), run.Done, "completed")
		// A retry calls anew.
		if err := g.store.Retry(t.Context(), store.RetryAsk{Request: "again", Run: g.of(id, "flow").Run.ID}); err != nil {
			t.Fatal(err)
		}
		g.turn()
		if n := len(g.all("helper")); n != 2 {
			t.Errorf("after a retry of the caller there are %d called runs, want 2", n)
		}
	})
	t.Run("a parked run", func(t *testing.T) {
		t.Parallel()
		g := openAll(t, manifests, answers(400))
		id := g.event(`{"n": 21}`)
		begun := g.clock.time()
		if err := g.store.Retry(t.Context(), store.RetryAsk{Request: "again", Run: g.parked(id, "helper").Run.ID}); err != nil {
			t.Fatal(err)
		}
		g.finish()
		rec := g.of(id, "flow")
		g.is(rec, run.Parked, pipeline.CodeTimeout)
		if got := rec.Run.Finished.Sub(begun); got != 10*time.Minute {
			t.Errorf("the call failed after %v, want 10m, however often it was looked at", got)
		}
	})
}

func TestACalledPipelineThatIsGoneFailsTheCall(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]string{
		"deleted":       "",
		"cannot be run": "---\nkind: pipeline\nname: helper\nnodes: [{label: Go, type: receive, props: {provider: acme, event: x}}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			paused := strings.Replace(calling, "- {label: Ask,", "- {label: Pause, type: wait, props: {for: 1h}}\n  - {label: Ask,", 1)
			g := openAll(t, paused, nil)
			id := g.event(`{"n": 21}`)
			g.turn()
			// The caller goes on under its own revision.
			g.reload("kind: pipeline\nname: flow\nnodes: [{label: In, type: receive, props: {provider: acme}}]\n" + gone)
			g.finish()
			g.is(g.of(id, "flow"), run.Parked, worker.CodeNoPipeline)
		})
	}
}

func TestPipelinesCallEachOtherOnlySoDeep(t *testing.T) {
	t.Parallel()
	const manifests = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Ask, type: call, props: {pipeline: helper}}
---
kind: pipeline
name: helper
nodes:
  - {label: Go, type: start}
  - {label: Ask, type: call, props: {pipeline: last}}
---
kind: pipeline
name: last
nodes: [{label: Go, type: start}]
`
	g := openAll(t, manifests, nil, func(o *worker.Options) { o.World = looped{o.World} })
	g.event(`{"n": 1}`)
	g.turn()
	runs := g.all("helper")
	if len(runs) != run.MaxDepth || len(g.all("last")) != 0 {
		t.Fatalf("%d runs call each other, want %d", len(runs), run.MaxDepth)
	}
	g.is(runs[run.MaxDepth-1], run.Parked, pipeline.CodeTooDeep)
	for i, rec := range runs {
		if rec.Run.Depth != i+1 {
			t.Errorf("run %d lies %d calls deep", i, rec.Run.Depth)
		}
	}
}

// looped is a world in which one pipeline calls itself: reloads may make such a circle, one load does not.
type looped struct{ worker.World }

func (l looped) Pipeline(string) (*pipeline.Diagram, bool) { return l.World.Pipeline("helper") }

func TestAPanicInACalledRunParksItAlone(t *testing.T) {
	t.Parallel()
	g := openAll(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}
  - {label: Ask, type: call, props: {pipeline: helper, input: {explode: true}}}
  - {label: Beside, type: code, props: {code: '1'}}
connections: [In -> Tell -> Ask, Tell -> Beside]
---
kind: pipeline
name: helper
nodes: [{label: Go, type: start}, {label: Bomb, type: bomb}]
`, nil)
	id := g.event(`{}`)
	g.turn()
	g.is(g.of(id, "flow"), run.Open, "")
	g.is(g.of(id, "helper"), run.Parked, worker.CodeInternal)
	g.output(g.of(id, "flow"), "Beside", "1")
}

func TestACalledRunUnderLimitsFailsTheCallWhereItMayNotBegin(t *testing.T) {
	t.Parallel()
	g := openAll(t, strings.Replace(calling, "name: helper\n", "name: helper\nlimits: {runs: 1, per: 1h}\n", 1), nil)
	first, second := g.event(`{"n": 1}`), g.event(`{"n": 2}`)
	g.turn()
	g.is(g.of(first, "flow"), run.Done, "completed")
	g.output(g.of(first, "flow"), "Got", "2")
	g.is(g.of(second, "flow"), run.Parked, worker.CodeCallLimited)
	g.is(g.of(second, "helper"), run.Done, run.RateLimited+"limited")
}
