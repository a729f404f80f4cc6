package worker_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

const pausing = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Pause, type: wait, props: {for: 10m}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}
`

func TestAPauseHoldsARunForItsTime(t *testing.T) {
	t.Parallel()
	everywhere(t, pausing, nil, func(t *testing.T, g *gate) {
		t.Helper()
		begun := g.clock.time()
		id := g.event(`{"n": 1}`)
		g.outlast()
		rec := g.wants(id, run.Done, "completed")
		if g.sent("/x") != 1 || string(g.got("/x")[0].Body) != `{"n": 1}` {
			t.Errorf("behind the pause the hook sent %q, want the sender's own bytes, once", g.got("/x"))
		}
		// A fault costs a lease, or two: of the routing, of the pause and of the hook.
		if late := rec.Run.Finished.Sub(begun); late < 10*time.Minute || late > 13*time.Minute {
			t.Errorf("the run ended after %v, want 10 minutes and no more than a lease", late)
		}
	})
}

func TestAPauseIsOneTaskWithItsTime(t *testing.T) {
	t.Parallel()
	g := openAll(t, pausing, nil)
	id := g.event(`{}`)
	if next := g.turn(); next != 10*time.Minute {
		t.Errorf("the next task is due in %v, want 10m", next)
	}
	g.only(g.wants(id, run.Open, ""), run.TaskTimer, "Pause")
	g.clock.advance(9 * time.Minute)
	if next := g.turn(); next != time.Minute {
		t.Errorf("after 9 minutes the next task is due in %v, want 1m", next)
	}
}

func TestAPauseLastsOverAStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := live(t, pausing, nil)
		g.start()
		id := g.event(`{}`)
		<-time.After(5 * time.Minute)
		g.stop(time.Minute)
		if got := g.wants(id, run.Open, ""); len(got.Tasks) != 1 {
			t.Errorf("after the stop the tasks are %+v, want the pause", got.Tasks)
		}
		g.worker = g.another(func(o *worker.Options) { o.Now = nil })
		g.start()
		<-time.After(5*time.Minute + time.Second)
		synctest.Wait()
		g.wants(id, run.Done, "completed")
		g.stop(time.Minute)
	})
}

const approving = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.created}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}
  - label: Approved
    type: wait
    props:
      provider: acme
      event: order.approved
      filter: payload.by != "nobody"
      match: payload.order
      correlation: "{{ payload.id }}"
      timeout: 1h
  - {label: Good, type: code, props: {code: '[Approved.status, Approved.event_name, Approved.payload.by]'}}
  - {label: Late, type: code, props: {code: 'Approved.status'}}
connections:
  - In -> Tell -> Approved -> Good
  - Approved[timeout] -> Late
`

func TestAnEventWakesTheRunsThatWaitForIt(t *testing.T) {
	t.Parallel()
	everywhere(t, approving, nil, func(t *testing.T, g *gate) {
		t.Helper()
		mine, other := g.event(`{"id": 7}`), g.event(`{"id": "8"}`)
		g.soon()
		g.named("order.approved", `{"order": 7, "by": "nobody"}`)
		g.named("order.cancelled", `{"order": 7, "by": "ann"}`)
		g.named("order.approved", `{"order": "7", "by": "ann"}`)
		g.soon()
		rec := g.of(mine, "flow")
		g.is(rec, run.Done, "completed")
		g.output(rec, "Good", `["triggered","order.approved","ann"]`)
		g.outlast()
		late := g.of(other, "flow")
		g.is(late, run.Done, "completed")
		g.output(late, "Late", `"timeout"`)
		if took := late.Run.Finished.Sub(late.Run.Created); took < time.Hour || took > time.Hour+5*time.Minute {
			t.Errorf("the run that nobody woke ended after %v, want an hour", took)
		}
		if n := g.sent("/x"); n != 2 {
			t.Errorf("%d requests came, want 2", n)
		}
	})
}

func TestAWaitLooksBackAtWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	g := openAll(t, approving, answers(503, 200))
	g.named("order.approved", `{"order": 7, "by": "too early"}`)
	g.clock.advance(time.Second)
	id := g.event(`{"id": 7}`)
	g.turn() // the hook fails
	g.named("order.approved", `{"order": 9, "by": "another"}`)
	g.named("order.approved", `{"order": 7, "by": "first"}`)
	g.named("order.approved", `{"order": 7, "by": "second"}`)
	g.clock.advance(10 * time.Second)
	g.turn()
	rec := g.of(id, "flow")
	g.is(rec, run.Done, "completed")
	g.output(rec, "Good", `["triggered","order.approved","first"]`)
}

func TestARunIsNotWokenByItsOwnEventOrAnOlderOne(t *testing.T) {
	t.Parallel()
	g := openAll(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.created}}
  - {label: Next, type: wait, props: {provider: acme, event: "order.*", match: payload.id, correlation: "{{ payload.id }}", timeout: 1h}}
  - {label: Got, type: code, props: {code: 'Next.payload.n'}}
`, nil)
	first := g.event(`{"id": 1, "n": 1}`)
	g.turn()
	g.clock.advance(time.Minute)
	second := g.event(`{"id": 1, "n": 2}`) // wakes the first and begins its own run, which the same settlement must not wake
	g.turn()
	g.output(g.of(first, "flow"), "Got", "2")
	g.is(g.of(second, "flow"), run.Open, "")
	g.clock.advance(time.Minute)
	g.event(`{"id": 1, "n": 3}`)
	g.turn()
	g.output(g.of(second, "flow"), "Got", "3")
}

func TestAReplayWakesNobody(t *testing.T) {
	t.Parallel()
	g := openAll(t, approving, nil)
	early := g.named("order.approved", `{"order": 7, "by": "ann"}`)
	g.clock.advance(time.Second)
	id := g.event(`{"id": 7}`)
	g.turn()
	g.job(store.Job{ID: "again"})
	if _, err := g.store.Replay(t.Context(), store.ReplayAsk{Request: "again", Events: []event.ID{early}}); err != nil {
		t.Fatal(err)
	}
	g.turn()
	g.is(g.of(id, "flow"), run.Open, "")
}

func TestEachItemWaitsForItsOwnEvent(t *testing.T) {
	t.Parallel()
	everywhere(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.created}}
  - label: Each
    type: foreach
    props:
      items: payload.ids
      parallel: 5
      nodes:
        - {label: Approved, type: wait, props: {provider: acme, event: order.approved, match: payload.order, correlation: "{{ item }}", timeout: 1h}}
        - {label: By, type: code, props: {code: 'Approved.payload.by'}}
`, nil, func(t *testing.T, g *gate) {
		t.Helper()
		id := g.event(`{"ids": [1, 2, 3]}`)
		g.soon()
		for _, n := range []int{3, 1, 2} {
			g.named("order.approved", fmt.Sprintf(`{"order": %d, "by": "p%d"}`, n, n))
		}
		g.soon()
		rec := g.of(id, "flow")
		g.is(rec, run.Done, "completed")
		g.output(rec, "Each", `["p1","p2","p3"]`)
	})
}

func TestAWakeDuringTheLookBackIsNotLost(t *testing.T) {
	t.Parallel()
	l := &late{}
	g := openAll(t, approving, nil, func(o *worker.Options) {
		l.Queue = o.Queue
		o.Queue = l
	})
	l.then = func() { // after the list was read, before the task is put back
		g.named("order.approved", `{"order": 7, "by": "ann"}`)
		if _, err := g.another(func(o *worker.Options) { o.Queue = oneGate{g.store, ""} }).Turn(t.Context()); err != nil {
			t.Error(err)
		}
	}
	id := g.event(`{"id": 7}`)
	g.turn()
	g.output(g.of(id, "flow"), "Good", `["triggered","order.approved","ann"]`)
}

// late has something happen right after events were listed for the first time.
type late struct {
	worker.Queue
	then func()
	done atomic.Bool
}

func (l *late) Events(ctx context.Context, q store.EventQuery) (store.EventPage, error) {
	page, err := l.Queue.Events(ctx, q)
	if l.done.CompareAndSwap(false, true) {
		l.then()
	}
	return page, err
}

func TestAnEventThatCameInTimeCountsThoughItIsRoutedLater(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after      time.Duration
		routed     bool // before the run sees that its time is up
		path, want string
	}{
		"in time":              {time.Hour - time.Second, false, "Good", `["triggered","order.approved","ann"]`},
		"too late":             {time.Hour + time.Second, false, "Late", `"timeout"`},
		"too late, but routed": {time.Hour + time.Second, true, "Late", `"timeout"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := openAll(t, approving, nil)
			id := g.event(`{"id": 7}`)
			g.turn()
			g.clock.advance(test.after)
			g.named("order.approved", `{"order": 7, "by": "ann"}`)
			g.named("order.approved", `{"order": 7, "by": "too late"}`)
			g.clock.advance(2 * time.Second)
			only := func(o *worker.Options) { o.Queue = noRouting{o.Queue} }
			if test.routed {
				only = func(o *worker.Options) { o.Queue = oneGate{o.Queue, ""} }
			}
			if _, err := g.another(only).Turn(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.turn()
			rec := g.of(id, "flow")
			g.is(rec, run.Done, "completed")
			g.output(rec, test.path, test.want)
		})
	}
}

func TestAnEventThatIsRoutedWhileAWaitEndsCounts(t *testing.T) {
	t.Parallel()
	g := openAll(t, approving, nil)
	id := g.event(`{"id": 7}`)
	g.turn()
	g.clock.advance(time.Hour - time.Second)
	g.named("order.approved", `{"order": 7, "by": "ann"}`)
	g.clock.advance(time.Second)
	o := &routingFirst{route: func() {
		if _, err := g.another(func(o *worker.Options) { o.Queue = oneGate{g.store, ""} }).Turn(t.Context()); err != nil {
			t.Error(err)
		}
	}}
	w := g.another(func(opts *worker.Options) {
		o.Queue = noRouting{opts.Queue}
		opts.Queue = o
	})
	if _, err := w.Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.output(g.of(id, "flow"), "Good", `["triggered","order.approved","ann"]`)
}

// noRouting has no time for routing.
type noRouting struct{ worker.Queue }

func (n noRouting) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	if c.Gate == run.RouteGate {
		return nil, nil
	}
	return n.Queue.Claim(ctx, c)
}

// routingFirst has events routed right before they are listed.
type routingFirst struct {
	worker.Queue
	route func()
}

func (r *routingFirst) Events(ctx context.Context, q store.EventQuery) (store.EventPage, error) {
	r.route()
	return r.Queue.Events(ctx, q)
}

func TestAWaitThatCannotBeAskedAnyMoreKeepsNoEventFromOthers(t *testing.T) {
	t.Parallel()
	log := &diary{}
	g := openAll(t, approving+`---
kind: pipeline
name: other
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.created}}
  - {label: Approved, type: wait, props: {provider: acme, event: order.approved, timeout: 1h}}
`, nil, logged(log))
	id := g.event(`{"id": 7}`)
	g.turn()
	g.reload(strings.Split(approving, "---")[0] + "\n---\nkind: pipeline\nname: other\nenabled: false\nnodes: [{label: In, type: receive, props: {provider: acme}}]\n")
	g.named("order.approved", `{"order": 7, "by": "ann"}`)
	g.named("order.approved", `{"order": 7, "by": "ann"}`)
	g.turn()
	g.is(g.of(id, "flow"), run.Done, "completed")
	if n := strings.Count(log.String(), "cannot be asked what they wait for"); n != 1 {
		t.Errorf("the log tells %d times of the wait that is passed over, want once:\n%s", n, log)
	}
	g.finish()
	g.is(g.of(id, "other"), run.Parked, worker.CodeNoPipeline)
}

func TestAMatchThatPanicsKeepsNoEventFromOthers(t *testing.T) {
	t.Parallel()
	log := &diary{}
	types := allTypes()
	for i, typ := range types {
		if typ.Name == "wait" {
			build := typ.Build
			types[i].Build = func(p *field.Values, env node.Env, out *diag.List) node.Node {
				n := build(p, env, out)
				if a, ok := n.(node.Awaiter); ok && env.Pipeline == "bad" {
					return panicky{a}
				}
				return n
			}
		}
	}
	g := openTypes(t, types, approving+"---"+strings.Replace(approving, "name: flow", "name: bad", 1), nil, logged(log))
	id := g.event(`{"id": 7}`)
	g.turn()
	g.named("order.approved", `{"order": 7, "by": "ann"}`)
	g.turn()
	g.is(g.of(id, "flow"), run.Done, "completed")
	g.is(g.of(id, "bad"), run.Open, "")
	contains(t, log.String(), "matching an event panicked", `"panic":"boom"`)
}

// panicky panics when it is asked about an event.
type panicky struct{ node.Awaiter }

func (panicky) Match(context.Context, *script.Env) (string, bool, error) { panic("boom") }

func TestAWaitFindsItsEventAmongThousandsThatCameWhileNobodyWorked(t *testing.T) {
	t.Parallel()
	g := openAll(t, approving, nil)
	id := g.event(`{"id": 7}`)
	g.clock.advance(time.Second)
	g.named("order.approved", `{"order": 7, "by": "ann"}`)
	for range 3 { // more than are looked at in a page, and routed before the run comes to wait
		g.clock.advance(time.Second)
		for range 700 {
			g.named("order.approved", `{"order": 8, "by": "bob"}`)
		}
	}
	g.clock.advance(time.Second)
	g.turn()
	g.output(g.of(id, "flow"), "Good", `["triggered","order.approved","ann"]`)
}
