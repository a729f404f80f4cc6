package worker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

const emitting = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: First, type: emit, props: {event: "order.{{ payload.n }}", payload: {n: "{{ payload.n }}"}}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}
  - {label: Second, type: emit, props: {event: order.told}}
connections: [In -> First -> Tell -> Second]
---
kind: pipeline
name: told
nodes:
  - {label: In, type: receive, props: {provider: internal, event: order.told}}
  - {label: Got, type: code, props: {code: '[event.provider, event.source, payload.status]'}}
`

func TestAnEmittedEventIsInTheLogOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, emitting, nil, func(t *testing.T, g *gate) {
		t.Helper()
		id := g.event(`{"n": 7}`)
		g.outlast()
		rec := g.of(id, "flow")
		g.is(rec, run.Done, "completed")
		emitted := g.events(event.Internal)
		if len(emitted) != 2 {
			t.Fatalf("%d events were emitted, want 2: %+v", len(emitted), emitted)
		}
		e := emitted[0]
		if e.Name != "order.7" || e.Source != event.Emitted || e.Cause != rec.Run.ID.String() || e.Depth != 1 || e.Request != "req" ||
			e.ContentType != "application/json" || e.Delivery != rec.Run.ID.String()+"/First" {
			t.Errorf("the emitted event is %+v", e)
		}
		if body, err := g.store.Body(t.Context(), e.ID); err != nil || string(body) != `{"n":7}` {
			t.Errorf("its body is %s, %v", body, err)
		}
		told := g.of(emitted[1].ID, "told")
		g.is(told, run.Done, "completed")
		g.output(told, "Got", `["internal","emit",200]`)
		if n := len(g.all("told")); n != 1 {
			t.Errorf("the emitted event began %d runs, want one", n)
		}
	})
}

func TestAnEmittedEventWakesWhoWaitsForIt(t *testing.T) {
	t.Parallel()
	g := openAll(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.created}}
  - {label: Done, type: wait, props: {provider: internal, event: order.done, match: payload.id, correlation: "{{ payload.id }}", timeout: 1h}}
---
kind: pipeline
name: done
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.shipped}}
  - {label: Say, type: emit, props: {event: order.done}}
`, nil)
	id := g.event(`{"id": 7}`)
	g.turn()
	g.named("order.shipped", `{"id": 7}`)
	g.turn()
	g.is(g.of(id, "flow"), run.Done, "completed")
}

func TestEventsThatBeginEachOtherEnd(t *testing.T) {
	t.Parallel()
	g := openAll(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Say, type: emit, props: {event: again}}
---
kind: pipeline
name: again
nodes:
  - {label: In, type: receive, props: {provider: internal, event: again}}
  - {label: Say, type: emit, props: {event: again}}
`, nil)
	g.event(`{}`)
	g.finish()
	all := g.all("again")
	if len(all) != event.MaxDepth {
		t.Fatalf("%d runs begin each other, want %d", len(all), event.MaxDepth)
	}
	g.is(all[len(all)-1], run.Parked, "too_deep")
}

const measuring = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Before, type: metric, props: {name: orders, kind: counter, labels: {kind: "{{ payload.kind }}"}}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}
  - {label: After, type: metric, props: {name: told, kind: gauge, value: Tell.status}}
`

func TestAMeasurementIsToldOnceItsStepIsSettled(t *testing.T) {
	t.Parallel()
	for kind, name := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := int64(1); ; at++ {
				f, seen := &faulty{fault: kind, at: at}, &witness{}
				g := openAll(t, measuring, nil, seen.watch, func(o *worker.Options) {
					f.Queue = o.Queue
					o.Queue = f
				})
				id := g.event(`{"kind": "new"}`)
				g.outlast()
				g.wants(id, run.Done, "completed")
				want := 2
				if kind == untold && f.hit.Load() {
					want = 1 // what was written and not known to be is not counted twice
				}
				if len(seen.measures) != want && !(kind == untold && f.hit.Load() && len(seen.measures) == 2) {
					t.Fatalf("with the fault at point %d %d measurements were told, want %d", at, len(seen.measures), want)
				}
				if len(seen.measures) == 2 {
					if m := seen.measures[0]; m.Metric.Name != "orders" || m.Value != 1 || !slices.Equal(m.Labels, []string{"new"}) {
						t.Errorf("the first measurement is %+v", m)
					}
					if m := seen.measures[1]; m.Metric.Name != "told" || m.Value != 200 {
						t.Errorf("the second measurement is %+v", m)
					}
				}
				if !f.hit.Load() {
					return
				}
			}
		})
	}
}

func TestTheNewerDescriptionOfAMetricCounts(t *testing.T) {
	t.Parallel()
	seen := &witness{}
	manifest := func(help string) string {
		return fmt.Sprintf(`
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Pause, type: wait, props: {for: 10m}}
  - {label: Count, type: metric, props: {name: orders, kind: counter, help: %s}}
`, help)
	}
	g := openAll(t, manifest("old"), nil, seen.watch)
	g.event(`{}`)
	g.turn()
	g.clock.advance(time.Minute)
	g.event(`{}`)
	g.turn()
	g.clock.advance(9 * time.Minute)
	g.turn() // the first run counts under the old description
	g.reload(strings.Replace(manifest("new"), "for: 10m", "for: 1s", 1))
	g.event(`{}`)
	g.turn()
	g.clock.advance(time.Second)
	g.turn()
	g.finish() // the second run of the old revision comes after the new one's
	var helps []string
	for _, m := range seen.measures {
		helps = append(helps, m.Metric.Help)
	}
	if !slices.Equal(helps, []string{"old", "new"}) {
		t.Errorf("told were measurements of the descriptions %q, want old and new", helps)
	}
}

const responding = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.n != 0}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}
  - {label: Answer, type: respond, props: {status: 201, body: {n: "{{ payload.n }}"}}}
  - {label: More, type: hook, props: {url: "http://127.0.0.1:9000/y"}}
---
kind: pipeline
name: beside
nodes: [{label: In, type: receive, props: {provider: acme}}]
`

func TestAReplyIsGivenToTheOpenRequest(t *testing.T) {
	t.Parallel()
	seen := &witness{}
	g := openAll(t, responding, nil, seen.watch)
	id := g.event(`{"n": 1}`)
	g.finish()
	if got := strings.Join(seen.told, ", "); got != `routed req 1, answer req 201 {"n":1}, over req` {
		t.Errorf("the desk was told %q", got)
	}
	if got := string(stepOf(t, g.of(id, "flow"), "Answer").Output); !strings.Contains(got, `"status":201`) {
		t.Errorf("the reply is recorded as %s", got)
	}
	seen.told = nil
	g.event(`{"n": 0}`) // filtered: nothing will reply
	g.finish()
	if got := strings.Join(seen.told, ", "); got != `routed req 1, over req` {
		t.Errorf("of a filtered run the desk was told %q", got)
	}
	seen.told = nil
	g.job(store.Job{ID: "again"})
	if _, err := g.store.Replay(t.Context(), store.ReplayAsk{Request: "again", Events: []event.ID{id}}); err != nil {
		t.Fatal(err)
	}
	g.finish()
	if len(seen.told) != 0 {
		t.Errorf("of a replay the desk was told %q", seen.told)
	}
}

func TestARunThatIsParkedRepliesNoMore(t *testing.T) {
	t.Parallel()
	seen := &witness{}
	g := openAll(t, responding, answers(410), seen.watch)
	id := g.event(`{"n": 1}`)
	g.turn()
	g.is(g.of(id, "flow"), run.Parked, "destination_answered_gone")
	if got := strings.Join(seen.told, ", "); got != `routed req 1, over req` {
		t.Errorf("the desk was told %q", got)
	}
}

func TestACalledRunMayReplyForItsCaller(t *testing.T) {
	t.Parallel()
	seen := &witness{}
	g := openAll(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Ask, type: call, props: {pipeline: helper}}
  - {label: Late, type: respond, props: {status: 500}}
---
kind: pipeline
name: helper
nodes: [{label: Go, type: start}, {label: Answer, type: respond, props: {body: hello}}]
`, nil, seen.watch)
	g.event(`{}`)
	g.finish()
	if got := strings.Join(seen.told, ", "); got != `routed req 1, answer req 200 hello, answer req 500 , over req` {
		t.Errorf("the desk was told %q", got)
	}
}

func TestARunByHandHasItsInput(t *testing.T) {
	t.Parallel()
	const manifests = `
kind: pipeline
name: flow
nodes:
  - {label: Go, type: start, props: {input: {n: {required: true}}, data: {who: nobody, where: here}}}
  - {label: Got, type: code, props: {code: '[payload.n, payload.who, payload.where, run.cause]'}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}
---
kind: pipeline
name: other
nodes: [{label: In, type: receive, props: {provider: internal}}]
---
kind: pipeline
name: waits
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Any, type: wait, props: {provider: internal, timeout: 1h}}
`
	everywhere(t, manifests, nil, func(t *testing.T, g *gate) {
		t.Helper()
		waits := g.event(`{}`)
		g.soon()
		id := g.manual("flow", `{"n": 3, "who": "ann"}`)
		gone := g.manual("nobody", `{}`)
		g.soon()
		rec := g.wants(id, run.Done, "completed")
		g.output(rec, "Got", `[3,"ann","here","manual"]`)
		if rec.Run.Cause != (run.Cause{Kind: run.Manual}) || rec.Run.ID != run.NewID(id, "flow", rec.Run.Cause) {
			t.Errorf("the run is %+v", rec.Run)
		}
		if ev, err := g.store.Event(t.Context(), gone); err != nil || ev.State != event.Routed || len(g.runs(gone)) != 0 {
			t.Errorf("an event for a pipeline that is not there is %s (%v) with %d runs", ev.State, err, len(g.runs(gone)))
		}
		g.is(g.of(waits, "waits"), run.Open, "")
	})
	g := openAll(t, manifests, nil)
	bad := g.manual("flow", `{}`)
	g.turn()
	g.wants(bad, run.Parked, "missing_input")
	g.job(store.Job{ID: "again"})
	if _, err := g.store.Replay(t.Context(), store.ReplayAsk{Request: "again", Events: []event.ID{bad}}); err != nil {
		t.Fatal(err)
	}
	g.turn()
	page, err := g.store.Runs(t.Context(), store.RunQuery{Event: bad})
	if err != nil || len(page.Runs) != 2 || page.Runs[0].Pipeline != "flow" || page.Runs[0].Cause.Kind != run.Replay {
		t.Errorf("a replay of a run by hand gives %+v, %v", page.Runs, err)
	}
}
