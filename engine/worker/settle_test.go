package worker_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

// full is a store on a disk without room, as long as it is told: what writes is refused, leases are renewed.
type full struct {
	worker.Queue
	on      atomic.Bool
	refused atomic.Int64
}

func (f *full) Settle(ctx context.Context, all []store.Settlement) ([]error, error) {
	if f.on.Load() {
		f.refused.Add(1)
		return nil, store.ErrUnavailable
	}
	return f.Queue.Settle(ctx, all)
}

func (f *full) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	if f.on.Load() {
		return nil, store.ErrUnavailable
	}
	return f.Queue.Claim(ctx, c)
}

func (f *full) Release(ctx context.Context, held []store.Held) error {
	if f.on.Load() {
		return store.ErrUnavailable
	}
	return f.Queue.Release(ctx, held)
}

func onFull(f *full) func(*worker.Options) {
	return func(o *worker.Options) {
		f.Queue = o.Queue
		o.Queue = f
	}
}

func TestWhatWasDoneIsSettledWhenTheDiskHasRoomAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &full{}
		g := live(t, oneHook, func(http.ResponseWriter, *http.Request) { f.on.Store(true) }, onFull(f))
		g.start()
		id := g.event(`{}`)
		<-time.After(5 * time.Minute) // many leases
		if n := f.refused.Load(); n < 4*60 || n > 6*60 {
			t.Errorf("in five minutes the settlement was tried %d times, want about once a second", n)
		}
		f.on.Store(false)
		<-time.After(1100 * time.Millisecond)
		synctest.Wait()
		rec := g.wants(id, run.Done, "completed")
		if n := len(g.got("/ops")); n != 1 || len(rec.Attempts) != 1 || rec.Attempts[0].Outcome != run.AttemptOK {
			t.Errorf("%d requests came, and the attempts are %+v; want one of each", n, rec.Attempts)
		}
		g.stop(time.Second)
	})
}

func TestRoutingIsSettledWhenTheDiskHasRoomAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &full{}
		q := &afterClaim{gate: run.RouteGate, do: func() { f.on.Store(true) }}
		g := live(t, oneHook, nil, onFull(f), func(o *worker.Options) {
			q.Queue = o.Queue
			o.Queue = q
		})
		g.start()
		id := g.event(`{}`)
		<-time.After(10 * time.Second)
		f.on.Store(false)
		<-time.After(2500 * time.Millisecond)
		synctest.Wait()
		g.wants(id, run.Done, "completed")
		g.stop(time.Second)
	})
}

func TestAStopGivesUpWhatTheStoreDoesNotTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &full{}
		g := live(t, oneHook, func(http.ResponseWriter, *http.Request) { f.on.Store(true) }, onFull(f))
		g.start()
		g.event(`{}`)
		<-time.After(10 * time.Second)
		if took := g.stop(time.Minute); took > 10*time.Second {
			t.Errorf("Stop took %v while the store takes no writes", took)
		}
	})
}

// picky never takes a settlement that has attempts, and all others.
type picky struct{ worker.Queue }

func (p picky) Settle(ctx context.Context, all []store.Settlement) ([]error, error) {
	if r := all[0].Run; r != nil && len(r.Attempts) > 0 {
		return nil, store.ErrUnavailable
	}
	return p.Queue.Settle(ctx, all)
}

func TestASettlementThatIsRefusedAloneHoldsItsSlotNotForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := live(t, oneHook, nil, func(o *worker.Options) { o.Queue = picky{o.Queue} })
		g.start()
		id := g.event(`{}`)
		for range 10 * 60 {
			<-time.After(time.Second)
			g.named("nobody.cares", `{}`)
		}
		synctest.Wait()
		g.wants(id, run.Parked, worker.CodeLostLeases)
		g.stop(time.Minute)
	})
}
