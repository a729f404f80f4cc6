package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/service/servicetest"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
	"github.com/headgate/headgate/engine/worker"
	"github.com/headgate/headgate/hooks"
)

// live is a gate whose time is that of the bubble it runs in.
func live(t *testing.T, manifests string, h http.HandlerFunc, change ...func(*worker.Options)) *gate {
	t.Helper()
	g := openAll(t, manifests, h)
	if err := g.store.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.store = memory.New(memory.Options{})
	if err := g.store.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.client.Close()
	var err error
	if g.client, err = hooks.New(hooks.Options{AllowLoopback: true, Dial: g.receiver.Dial}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.client.Close)
	g.worker = g.another(append([]func(*worker.Options){func(o *worker.Options) { o.Now = nil }}, change...)...)
	return g
}

func (g *gate) start() {
	g.t.Helper()
	if err := g.worker.Start(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

// stop stops the worker within a time and gives how long it took.
func (g *gate) stop(within time.Duration) time.Duration {
	g.t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.t.Context()), within)
	defer cancel()
	if err := g.worker.Stop(ctx); err != nil {
		g.t.Errorf("Stop: %v", err)
	}
	return time.Since(begun)
}

func TestAStartedWorkerFollowsTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := live(t, oneHook, answers(503, 200))
		g.start()
		synctest.Wait()
		begun := time.Now()
		id := g.event(`{}`)
		synctest.Wait()
		if n := len(g.receiver.Got()); n != 1 || time.Since(begun) != 0 {
			t.Errorf("%v after the event the receiver got %d requests, want 1 at once", time.Since(begun), n)
		}
		<-time.After(7 * time.Second)
		synctest.Wait()
		rec := g.wants(id, run.Done, "completed")
		if len(rec.Attempts) == 2 {
			if late := rec.Attempts[1].Started.Sub(rec.Attempts[0].Started); late < 4*time.Second || late > 6*time.Second {
				t.Errorf("the second attempt was made after %v, want 5 s a fifth more or less", late)
			}
		}
		g.stop(time.Minute)
	})
}

func TestALeaseIsRenewedWhileItsAttemptLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		short := func(o *worker.Options) { o.Lease = 3 * time.Second }
		g := live(t, strings.Replace(oneHook, "url: http", "timeout: 60s\nurl: http", 1), func(http.ResponseWriter, *http.Request) {
			<-time.After(9 * time.Second)
		}, short)
		other := g.another(short, func(o *worker.Options) { o.Now = nil })
		g.start()
		id := g.event(`{}`)
		synctest.Wait()
		if err := other.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(20 * time.Second)
		synctest.Wait()
		rec := g.wants(id, run.Done, "completed")
		if len(rec.Attempts) != 1 || len(g.receiver.Got()) != 1 {
			t.Errorf("%d attempts are recorded and %d requests came, want one: nobody else may take what is held", len(rec.Attempts), len(g.receiver.Got()))
		}
		g.stop(time.Minute)
		if err := other.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAStopLetsTheAttemptUnderWayEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := live(t, oneHook, func(http.ResponseWriter, *http.Request) { <-time.After(8 * time.Second) })
		g.start()
		id := g.event(`{}`)
		synctest.Wait()
		second := func() event.ID { // comes while we stop: it is left to the next process
			return g.event(`{"late": true}`)
		}
		stopped := make(chan time.Duration)
		go func() { stopped <- g.stop(25 * time.Second) }()
		synctest.Wait()
		late := second()
		if took := <-stopped; took > 9*time.Second {
			t.Errorf("stopping took %v, want no longer than the attempt", took)
		}
		g.wants(id, run.Done, "completed")
		if ev, err := g.store.Event(t.Context(), late); err != nil || ev.State != event.Accepted {
			t.Errorf("an event that came during the stop is %s (%v), want accepted and not begun", ev.State, err)
		}
	})
}

func TestAStopCancelsAnAttemptThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := live(t, strings.Replace(oneHook, "url: http", "timeout: 60s\nurl: http", 1), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		g.start()
		id := g.event(`{}`)
		<-time.After(time.Second)
		if took := g.stop(8 * time.Second); took < 5*time.Second || took >= 8*time.Second {
			t.Errorf("stopping took %v, want most of the 8 s, and less than them", took)
		}
		rec := g.wants(id, run.Open, "")
		if got := outcomes(rec); !slices.Equal(got, []run.AttemptOutcome{run.AttemptUnknown}) || len(rec.Tasks) != 1 || rec.Tasks[0].N != 1 || rec.Tasks[0].Lost != 0 {
			t.Errorf("the attempt is recorded as %+v with tasks %+v; want unknown, and a task that waits for its second attempt", rec.Attempts, rec.Tasks)
		}
	})
}

func TestAStopGivesBackWhatWasNotSentUncharged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := live(t, oneHook, nil)
		dialling := make(chan struct{})
		hanging, err := hooks.New(hooks.Options{AllowLoopback: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			close(dialling)
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer hanging.Close()
		whole := g.worker
		g.worker = g.another(func(o *worker.Options) { o.Now, o.Deliverer = nil, hanging })
		g.start()
		id := g.event(`{}`)
		<-dialling
		g.stop(2 * time.Second)
		rec := g.wants(id, run.Open, "")
		if len(rec.Attempts) != 0 || len(rec.Tasks) != 1 || rec.Tasks[0].N != 0 || rec.Tasks[0].Lost != 0 {
			t.Errorf("after a stop before anything was sent: attempts %+v, tasks %+v; want none, and the task as it was", rec.Attempts, rec.Tasks)
		}
		g.worker = whole
		g.turn()
		if rec := g.wants(id, run.Done, "completed"); len(rec.Attempts) != 1 || rec.Attempts[0].N != 1 {
			t.Errorf("the next process made the attempts %+v, want number 1 alone", rec.Attempts)
		}
	})
}

func TestAStopDoesNotCutAClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := live(t, oneHook, nil, func(o *worker.Options) { o.Queue = slow{o.Queue} })
		id := g.event(`{}`)
		g.start()
		synctest.Wait() // the claim of the route task is under way
		g.stop(10 * time.Second)
		if rec := g.wants(id, run.Open, ""); len(rec.Tasks) != 1 || rec.Tasks[0].Lost != 0 {
			t.Errorf("the tasks are %+v, want what routing made", rec.Tasks)
		}
	})
}

// slow takes a second for a claim, unless it is cut off: then nobody knows whether it was made.
type slow struct{ worker.Queue }

func (s slow) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, context.Cause(ctx))
	case <-time.After(time.Second):
	}
	return s.Queue.Claim(ctx, c)
}

// stuck is a deliverer that does not mind its context.
type stuck struct{ release chan struct{} }

func (s stuck) Deliver(context.Context, hooks.Request) (hooks.Attempt, error) {
	<-s.release
	return hooks.Attempt{}, errors.New("late")
}

func TestAStopThatCannotEndItsWorkSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := stuck{make(chan struct{})}
		g := live(t, oneHook, nil, func(o *worker.Options) { o.Deliverer = s })
		g.start()
		g.event(`{}`)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		err := g.worker.Stop(ctx)
		if err == nil || !strings.Contains(err.Error(), "did not end in time") || time.Since(begun) > 10*time.Second {
			t.Errorf("after %v Stop gives %v, want that work did not end", time.Since(begun), err)
		}
		close(s.release)
	})
}

func TestAStoreThatFailsForAWhileStopsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &failing{}
		g := live(t, oneHook, nil, func(o *worker.Options) {
			f.Queue = o.Queue
			o.Queue = f
		})
		f.left.Store(5)
		g.start()
		id := g.event(`{}`)
		<-time.After(time.Minute)
		synctest.Wait()
		g.wants(id, run.Done, "completed")
		g.stop(time.Second)
	})
}

// failing is a store whose next looks and claims fail.
type failing struct {
	worker.Queue
	left atomic.Int64
}

func (f *failing) Due(ctx context.Context) (store.Due, error) {
	if f.left.Add(-1) >= 0 {
		return store.Due{}, store.ErrUnavailable
	}
	return f.Queue.Due(ctx)
}

func (f *failing) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	if f.left.Add(-1) >= -2 {
		return nil, store.ErrUnavailable
	}
	return f.Queue.Claim(ctx, c)
}

func TestWorkerLivesAsAServiceShould(t *testing.T) {
	t.Parallel()
	g := open(t, oneHook, nil)
	g.event(`{}`)
	servicetest.Stress(t, func() service.Service { return g.another() })
}

func TestNewNamesTheFieldThatIsMissing(t *testing.T) {
	t.Parallel()
	g := open(t, oneHook, nil)
	whole := worker.Options{Queue: g.store, World: g.keeper, Deliverer: g.client, Logger: slog.New(slog.DiscardHandler)}
	for field, take := range map[string]func(*worker.Options){
		"Queue":     func(o *worker.Options) { o.Queue = nil },
		"World":     func(o *worker.Options) { o.World = nil },
		"Deliverer": func(o *worker.Options) { o.Deliverer = nil },
		"Logger":    func(o *worker.Options) { o.Logger = nil },
	} {
		o := whole
		take(&o)
		if _, err := worker.New(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("without %s the error is %v", field, err)
		}
	}
}

// waiting fills a store with runs whose hook is due in an hour, many in each settlement.
func waiting(t testing.TB, g *gate, count int) {
	t.Helper()
	const batch = 1000
	d := g.keeper.Current().Pipelines()[0]
	for made := 0; made < count; made += batch {
		arrivals := make([]store.Arrival, batch)
		for i := range arrivals {
			arrivals[i] = store.Arrival{Route: true, Event: event.Event{Provider: "acme", Name: "order.created", Body: []byte(`{}`)}}
		}
		if _, err := g.store.Append(t.Context(), arrivals); err != nil {
			t.Fatal(err)
		}
		claimed, err := g.store.Claim(t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: batch, Lease: time.Minute})
		if err != nil || len(claimed) != batch {
			t.Fatalf("claimed %d: %v", len(claimed), err)
		}
		settlements := make([]store.Settlement, batch)
		for i, c := range claimed {
			r := run.Run{ID: run.NewID(c.Event.ID, d.Name, c.Task.Cause), Pipeline: d.Name, Revision: d.Revision, Cause: c.Task.Cause, Now: c.Event.Received, Version: 1}
			settlements[i] = store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{{
				Run:   r,
				Steps: []run.Step{{Path: "In", Node: "In", Type: "receive", State: run.StepDone}},
				Tasks: []store.NewTask{{Kind: run.TaskStep, Path: "Tell", Gate: "ops", Lane: run.LaneRetry, In: time.Hour}},
			}}}
		}
		errs, err := g.store.Settle(t.Context(), settlements)
		if err := errors.Join(append(errs, err)...); err != nil {
			t.Fatal(err)
		}
	}
}

// It does not run beside other tests, because it counts the goroutines of the process.
func TestAHundredThousandWaitingRunsHoldNoGoroutine(t *testing.T) {
	g := open(t, oneHook, nil)
	looked := &looking{looks: make(chan struct{}, 100)}
	g.worker = g.another(func(o *worker.Options) {
		looked.Queue = o.Queue
		o.Queue = looked
		o.Poll = time.Millisecond
	})
	idle := runtime.NumGoroutine()
	const count = 100_000
	waiting(t, g, count)
	g.start()
	for range 5 {
		<-looked.looks
	}
	if got := runtime.NumGoroutine(); got > idle+20 {
		t.Errorf("with %d waiting runs there are %d goroutines, want at most 20 more than %d", count, got, idle)
	}
	if got := g.worker.InFlight(); got != 0 {
		t.Errorf("%d tasks are worked on, want none", got)
	}
	g.stop(10 * time.Second)
	ledger, err := g.store.Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := ledger.Runs["flow"].Open; got != count {
		t.Errorf("%d runs are open, want %d", got, count)
	}
}

// looking tells of every look at what is due.
type looking struct {
	worker.Queue
	looks chan struct{}
}

func (l *looking) Due(ctx context.Context) (store.Due, error) {
	select {
	case l.looks <- struct{}{}:
	default:
	}
	return l.Queue.Due(ctx)
}

// BenchmarkRouteAndDeliver takes events from the store to a receiver that answers at once: two settlements and a request each.
func BenchmarkRouteAndDeliver(b *testing.B) {
	g := open(b, oneHook, nil, func(o *worker.Options) { o.Deliverer = nowhere{} })
	body := `{"action": "opened", "n": 25, "text": "` + strings.Repeat("x", 2000) + `"}`
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		g.event(body)
		if i%500 == 499 {
			g.turn()
		}
	}
	g.turn()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

type nowhere struct{}

func (nowhere) Deliver(context.Context, hooks.Request) (hooks.Attempt, error) {
	return hooks.Attempt{Status: http.StatusOK, Wrote: true}, nil
}
