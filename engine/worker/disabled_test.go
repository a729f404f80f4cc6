package worker_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

// sets writes the state of a gate as a person does.
func (g *gate) sets(name string, state store.GateState) {
	g.t.Helper()
	before := g.gateOf(name)
	err := g.store.SetGate(context.WithoutCancel(g.t.Context()), store.Gate{Name: name, State: state, Version: before.Version}, store.By{Who: "op"})
	if err != nil {
		g.t.Error(err)
	}
}

func TestNothingPassesADisabledDestination(t *testing.T) {
	t.Parallel()
	g, ops := toOps(t, fragile, 404)
	id := g.event(`{}`)
	g.finish()
	g.wants(id, run.Parked, worker.CodeRetriesSpent)
	ops.status.Store(503)
	g.retry(id, "r1")
	g.turn()
	before := len(g.got("/ops"))
	g.sets("ops", store.GateDisabled)
	ops.status.Store(200)
	g.finish()
	rec := g.wants(id, run.Parked, worker.CodeDisabled)
	if rec.Run.Destination != "ops" || len(g.got("/ops")) != before {
		t.Errorf("the retry under way made %d more attempts, and is parked because of %q", len(g.got("/ops"))-before, rec.Run.Destination)
	}
	g.retry(id, "r2")
	g.finish()
	g.wants(id, run.Parked, worker.CodeDisabled)
	if n := len(g.got("/ops")) - before; n != 0 || g.gateOf("ops").State != store.GateDisabled {
		t.Errorf("a retry made %d attempts, and the gate is %+v", n, g.gateOf("ops"))
	}
	g.sets("ops", store.GateOpen)
	g.retry(id, "r3")
	g.finish()
	g.wants(id, run.Done, "completed")
}

func TestAnAttemptUnderWayLeavesADisabledGateAsItIs(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]run.State{200: run.Done, 410: run.Parked, 503: run.Parked} {
		var g *gate
		g = open(t, oneHook, func(w http.ResponseWriter, _ *http.Request) {
			g.sets("ops", store.GateDisabled)
			w.WriteHeader(status)
		})
		id := g.event(`{}`)
		g.finish()
		if rec := g.run(id); rec.Run.State != want || len(rec.Attempts) != 1 {
			t.Errorf("answered %d the run is %s after %d attempts, want %s after 1", status, rec.Run.State, len(rec.Attempts), want)
		}
		if got := g.gateOf("ops"); got.State != store.GateDisabled || got.Reason != "" {
			t.Errorf("answered %d the gate is %+v, want it as a person disabled it", status, got)
		}
	}
}

// afterClaim does something once when tasks of a gate were claimed.
type afterClaim struct {
	worker.Queue
	gate string
	do   func()
}

func (a *afterClaim) Claim(ctx context.Context, ask store.Claim) ([]store.Claimed, error) {
	claimed, err := a.Queue.Claim(ctx, ask)
	if len(claimed) > 0 && ask.Gate == a.gate && a.do != nil {
		a.do()
		a.do = nil
	}
	return claimed, err
}

func TestATaskIsNotParkedBehindTheBackOfWhoEnables(t *testing.T) {
	t.Parallel()
	q := &afterClaim{gate: "ops"}
	g := open(t, oneHook, nil, func(o *worker.Options) {
		q.Queue = o.Queue
		o.Queue = q
	})
	g.sets("ops", store.GateDisabled)
	q.do = func() { g.sets("ops", store.GateOpen) }
	id := g.event(`{}`)
	g.finish()
	if rec := g.wants(id, run.Done, "completed"); len(rec.Attempts) != 1 {
		t.Errorf("it made %d attempts, want 1", len(rec.Attempts))
	}
}

// beforeParking does something once when a run is to be parked behind a disabled gate, after that was looked at.
type beforeParking struct {
	worker.Queue
	do func()
}

func (b *beforeParking) Settle(ctx context.Context, s []store.Settlement) ([]error, error) {
	if b.do != nil && s[0].Barred != "" {
		b.do()
		b.do = nil
	}
	return b.Queue.Settle(ctx, s)
}

func TestATaskIsNotParkedWhereItsGateIsEnabledMeanwhile(t *testing.T) {
	t.Parallel()
	q := &beforeParking{}
	g := open(t, oneHook, nil, func(o *worker.Options) {
		q.Queue = o.Queue
		o.Queue = q
	})
	g.sets("ops", store.GateDisabled)
	q.do = func() { g.sets("ops", store.GateOpen) }
	id := g.event(`{}`)
	g.finish()
	if rec := g.wants(id, run.Done, "completed"); len(rec.Attempts) != 1 || q.do != nil {
		t.Errorf("it made %d attempts, want 1", len(rec.Attempts))
	}
}

func TestADestinationToWhichNothingIsSentIsNotDisabled(t *testing.T) {
	t.Parallel()
	g, _ := toOps(t, fragile, 503)
	for range 3 {
		g.event(`{}`)
	}
	g.turn()
	if b := g.gateOf("ops").Breaker; b.State != store.BreakerOpen {
		t.Fatalf("the breaker is %+v, want it open", b)
	}
	// For six days nothing is tried.
	g.sets("ops", store.GatePaused)
	g.clock.advance(6 * 24 * time.Hour)
	g.sets("ops", store.GateOpen)
	g.event(`{}`)
	g.turn()
	g.clock.advance(time.Hour)
	g.turn()
	if got := g.gateOf("ops"); got.State != store.GateOpen || g.clock.time().Sub(got.Breaker.Since) > 2*time.Hour {
		t.Errorf("after days without an attempt two probes that fail make the gate %+v, want it open and its five days begun anew", got)
	}
	var last event.ID
	for range 5 * 24 {
		g.clock.advance(time.Hour)
		last = g.event(`{}`)
		g.turn()
	}
	if got := g.gateOf("ops"); got.State != store.GateDisabled {
		t.Errorf("after five days of probes that fail the gate is %+v, want it disabled", got)
	}
	g.turn()
	g.wants(last, run.Parked, worker.CodeDisabled)
}
