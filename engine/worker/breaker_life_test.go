package worker_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

// fragile is a pipeline with a destination that is left alone after three failures.
const fragile = `
kind: destination
name: ops
url: http://127.0.0.1:9000/ops
concurrency: 1
breaker: {failures: 3, sample: 1000}
retry: {max_attempts: 60, initial: 1s, max: 1s, jitter: 0}
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {destination: ops}}
`

// told gives the messages of a log about destinations, in order.
func told(log *diary) string {
	var out []string
	for line := range strings.Lines(log.String()) {
		for _, what := range []string{"destination failing", "destination recovered", "destination disabled"} {
			if strings.Contains(line, `"msg":"`+what+`"`) {
				out = append(out, what)
			}
		}
	}
	return strings.Join(out, ", ")
}

// toOps answers with a status; it gives the gate, and how many requests came.
func toOps(t *testing.T, manifests string, status int, change ...func(*worker.Options)) (*gate, *switched) {
	t.Helper()
	s := &switched{}
	s.status.Store(int64(status))
	return open(t, manifests, s.ServeHTTP, change...), s
}

func TestADestinationThatKeepsFailingIsLeftAlone(t *testing.T) {
	t.Parallel()
	log := &diary{}
	g, ops := toOps(t, fragile, 503, logged(log))
	var ids []event.ID
	for range 5 {
		ids = append(ids, g.event(`{}`))
	}
	next := g.turn()
	if n := len(g.got("/ops")); n != 3 {
		t.Fatalf("%d requests came, want 3", n)
	}
	if b := g.gateOf("ops").Breaker; b.State != store.BreakerOpen || b.Trips != 1 || b.Until.Sub(g.clock.time()) != 30*time.Second {
		t.Errorf("the breaker is %+v, want it open for 30s", b)
	}
	uncharged := 0
	for _, id := range ids {
		if rec := g.run(id); len(rec.Attempts) == 0 && rec.Tasks[0].N == 0 {
			uncharged++
		}
	}
	if uncharged != 2 || next > 30*time.Second {
		t.Errorf("%d runs are charged no attempt, want 2; the next look is in %v", uncharged, next)
	}

	for trips, pause := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute} {
		g.clock.advance(pause - time.Second)
		g.turn()
		if n := len(g.got("/ops")); n != 3+trips {
			t.Errorf("while it is open for the %d. time %d requests came", trips+1, n-2-trips)
		}
		g.clock.advance(time.Second)
		g.turn()
		if n := len(g.got("/ops")); n != 4+trips {
			t.Errorf("half open, %d probes were made, want 1", n-3-trips)
		}
		if b := g.gateOf("ops").Breaker; b.State != store.BreakerOpen || b.Trips != trips+2 {
			t.Errorf("after a probe that failed the breaker is %+v", b)
		}
	}
	ops.status.Store(200)
	g.clock.advance(4 * time.Minute)
	g.turn()
	for _, id := range ids {
		g.wants(id, run.Done, "completed")
	}
	if b := g.gateOf("ops").Breaker; b.State != store.BreakerClosed || b.Trips != 0 {
		t.Errorf("after a probe that succeeded the breaker is %+v", b)
	}
	if got := told(log); got != "destination failing, destination recovered" {
		t.Errorf("the log tells %q", got)
	}
	for _, id := range ids {
		for i, n := range numbers(g.run(id), "Tell", 0) {
			if n != i+1 {
				t.Errorf("attempt %d has the number %d", i+1, n)
			}
		}
	}
}

func TestAnOpenBreakerSurvivesARestart(t *testing.T) {
	t.Parallel()
	g, ops := toOps(t, fragile, 503)
	for range 5 {
		g.event(`{}`)
	}
	g.turn()
	g.worker = g.another()
	g.clock.advance(20 * time.Second)
	g.turn()
	if n := len(g.got("/ops")); n != 3 {
		t.Fatalf("after a restart %d requests came to a destination that is left alone", n-3)
	}
	g.clock.advance(10 * time.Second)
	g.turn()
	if b := g.gateOf("ops").Breaker; len(g.got("/ops")) != 4 || b.Trips != 2 {
		t.Errorf("%d probes were made, and the breaker is %+v; want one that fails", len(g.got("/ops"))-3, b)
	}
	ops.status.Store(200)
	g.finish()
	if b := g.gateOf("ops").Breaker; b.State != store.BreakerClosed {
		t.Errorf("the breaker is %+v, want it closed", b)
	}
}

func TestAnAnswerThatSaysNoIsNoFailureOfTheDestination(t *testing.T) {
	t.Parallel()
	g, ops := toOps(t, fragile, 404)
	for range 20 {
		g.event(`{}`)
	}
	g.turn()
	if b := g.gateOf("ops").Breaker; b.State == store.BreakerOpen || len(g.got("/ops")) != 20 {
		t.Errorf("after %d refusals the breaker is %+v", len(g.got("/ops")), b)
	}
	// Of a destination that was down it says that it is back.
	ops.status.Store(503)
	g.clock.advance(time.Minute)
	g.turn()
	if b := g.gateOf("ops").Breaker; b.State != store.BreakerOpen {
		t.Fatalf("the breaker is %+v, want it open", b)
	}
	ops.status.Store(404)
	g.clock.advance(30 * time.Second)
	g.turn()
	if b := g.gateOf("ops").Breaker; b.State != store.BreakerClosed {
		t.Errorf("after a probe that was answered 404 the breaker is %+v, want it closed", b)
	}
}

func TestABreakerThatIsOffOpensNever(t *testing.T) {
	t.Parallel()
	g, _ := toOps(t, strings.Replace(fragile, "{failures: 3, sample: 1000}", "off", 1), 503)
	for range 30 {
		g.event(`{}`)
	}
	g.turn()
	if b := g.gateOf("ops").Breaker; b.State == store.BreakerOpen || len(g.got("/ops")) != 30 {
		t.Errorf("after %d failures the breaker is %+v", len(g.got("/ops")), b)
	}
}

func TestAProbeHoldsTheOthersBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &switched{}
		s.status.Store(503)
		slow := func(w http.ResponseWriter, r *http.Request) {
			if s.status.Load() == 200 {
				<-time.After(5 * time.Second)
			}
			s.ServeHTTP(w, r)
		}
		g := live(t, strings.Replace(fragile, "concurrency: 1", "concurrency: 4", 1), slow)
		for range 40 {
			g.event(`{}`)
		}
		g.start()
		<-time.After(10 * time.Second)
		before := len(g.got("/ops"))
		if before < 3 || before > 8 { // those under way when it opened
			t.Errorf("%d requests came before it opened", before)
		}
		s.status.Store(200)
		<-time.After(24 * time.Second) // it is half open since 4 s
		if n := len(g.got("/ops")) - before; n != 1 {
			t.Errorf("while a probe is under way %d requests are made, want 1", n)
		}
		<-time.After(5 * time.Second)
		if n := len(g.got("/ops")) - before; n != 3 { // gently: half of the slots
			t.Errorf("after the probe %d more requests are made, want 2", n-1)
		}
		<-time.After(5 * time.Second)
		if n := len(g.got("/ops")) - before; n != 7 {
			t.Errorf("then %d more requests are made, want all 4 slots", n-3)
		}
		g.stop(time.Minute)
	})
}

func TestADestinationThatFailsForFiveDaysIsDisabled(t *testing.T) {
	t.Parallel()
	log := &diary{}
	g, _ := toOps(t, strings.Replace(fragile, "max_attempts: 60", "max_attempts: 5", 1), 503, logged(log))
	first := g.event(`{}`)
	g.finish()
	g.wants(first, run.Parked, worker.CodeRetriesSpent)
	opened := g.gateOf("ops").Breaker.Since
	for g.clock.time().Sub(opened) < 5*24*time.Hour-24*time.Hour {
		g.clock.advance(24*time.Hour - time.Hour)
		g.event(`{}`)
		g.turn()
	}
	g.clock.advance(4*24*time.Hour + 23*time.Hour - g.clock.time().Sub(opened))
	g.event(`{}`)
	g.turn()
	if got := g.gateOf("ops"); got.State != store.GateOpen {
		t.Errorf("before five days are over the gate is %+v", got)
	}
	g.clock.advance(time.Hour + time.Minute)
	second := g.event(`{}`)
	g.finish()
	rec := g.wants(second, run.Parked, worker.CodeDisabled)
	if rec.Run.Destination != "ops" {
		t.Errorf("the run is parked because of the destination %q, want ops", rec.Run.Destination)
	}
	got := g.gateOf("ops")
	if got.State != store.GateDisabled || got.Reason != "no attempt succeeded for 5 days" {
		t.Errorf("the gate is %+v", got)
	}
	if took := got.Since.Sub(opened); took < 5*24*time.Hour || took > 5*24*time.Hour+2*time.Hour {
		t.Errorf("it is disabled after %v, want 5 days", took)
	}
	if got := told(log); got != "destination failing, destination disabled" {
		t.Errorf("the log tells %q", got)
	}
}

func TestADeadDestinationCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := &counted{}
		g := live(t, fragile, answers(503), counting(asked))
		const n = 3000
		g.queued("ops", n)
		g.start()
		synctest.Wait()
		if got := len(g.got("/ops")); got != 3 {
			t.Fatalf("%d requests came before it was left alone, want 3", got)
		}
		claims, handed := asked.claims.Load(), asked.handed.Load()
		<-time.After(29 * time.Second)
		synctest.Wait()
		if c, h := asked.claims.Load()-claims, asked.handed.Load()-handed; c != 0 || h != 0 {
			t.Errorf("while the breaker is open %d claims were made and %d tasks handed out, want none", c, h)
		}
		dues := asked.dues.Load()
		<-time.After(10 * time.Minute)
		synctest.Wait()
		if h := asked.handed.Load() - handed; h > 6 {
			t.Errorf("in ten minutes %d tasks of %d were handed out, want the few probes", h, n)
		}
		if d := asked.dues.Load() - dues; d > 650 {
			t.Errorf("in ten minutes the store was asked %d times what is due, want once a second", d)
		}
		g.stop(time.Minute)
	})
}

// queued stores runs of the pipeline flow that stand before their hook, as if an event had been routed to it that often.
func (g *gate) queued(gate string, n int) {
	g.t.Helper()
	g.queuedIn(gate, map[run.Lane]int{run.LaneLive: n})
}

// queuedIn is queued for several lanes; the cause of each run has the name of its lane.
func (g *gate) queuedIn(gate string, lanes map[run.Lane]int) {
	g.t.Helper()
	id := g.event(`{}`)
	claimed, err := g.store.Claim(g.t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1, Lease: time.Hour})
	if err != nil || len(claimed) != 1 {
		g.t.Fatalf("claiming gives %d tasks, %v", len(claimed), err)
	}
	d, ok := g.keeper.Pipeline("flow")
	if !ok {
		g.t.Fatal("there is no pipeline flow")
	}
	s := store.Settlement{Held: claimed[0].Held(), Routed: true}
	for lane, n := range lanes {
		for i := range n {
			cause := run.Cause{Kind: run.CauseKind(lane), Ref: fmt.Sprint(i)}
			s.NewRuns = append(s.NewRuns, store.NewRun{
				Run:   run.Run{ID: run.NewID(id, "flow", cause), Event: id, Pipeline: "flow", Revision: d.Revision, Cause: cause, State: run.Open, Version: 1},
				Steps: []run.Step{{Path: "In", Node: "In", Type: "receive", State: run.StepDone}},
				Tasks: []store.NewTask{{Kind: run.TaskStep, Path: "Tell", Gate: gate, Lane: lane}},
			})
		}
	}
	if results, err := g.store.Settle(g.t.Context(), []store.Settlement{s}); err != nil || results[0] != nil {
		g.t.Fatal(results, err)
	}
}
