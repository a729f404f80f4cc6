package worker_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

// slowTrip is a store that takes a second for a settlement which opens a breaker.
type slowTrip struct{ worker.Queue }

func (s slowTrip) Settle(ctx context.Context, all []store.Settlement) ([]error, error) {
	if all[0].Trip != nil {
		<-time.After(time.Second)
	}
	return s.Queue.Settle(ctx, all)
}

func TestNothingIsSentWhileABreakerIsBeingOpened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		g := live(t, strings.Replace(fragile, "concurrency: 1", "concurrency: 4", 1), func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(time.Duration(n.Add(1)) * 10 * time.Millisecond) // they end one after the other
			w.WriteHeader(http.StatusServiceUnavailable)
		}, func(o *worker.Options) { o.Queue = slowTrip{o.Queue} })
		g.queued("ops", 100)
		g.start()
		<-time.After(20 * time.Second)
		// Four are under way, two of which end and let two others go, before the third failure opens it.
		if got := len(g.got("/ops")); got != 6 {
			t.Errorf("%d requests came until it was open, want 6", got)
		}
		if b := g.gateOf("ops").Breaker; b.State != store.BreakerOpen || b.Trips != 1 {
			t.Errorf("the breaker is %+v", b)
		}
		g.stop(time.Minute)
	})
}

// peak counts requests, and how many of them are there at once.
type peak struct {
	mu             sync.Mutex
	now, most, all int
}

func (p *peak) ServeHTTP(http.ResponseWriter, *http.Request) {
	p.mu.Lock()
	p.now++
	p.all++
	p.most = max(p.most, p.now)
	p.mu.Unlock()
	<-time.After(20 * time.Millisecond)
	p.mu.Lock()
	p.now--
	p.mu.Unlock()
}

func (p *peak) taken() (most, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	most, all = p.most, p.all
	p.most, p.all = 0, 0
	return most, all
}

// twoPublishers are two hooks to subscribers in one folder: of neither is known beforehand which subscription it serves.
func twoPublishers(limits string) string {
	return strings.ReplaceAll(`
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {subscribers: {event: user.greeted}, body: {text: hi}, LIMITS}}
  - {label: Other, type: hook, props: {subscribers: {event: user.left}, body: {text: hi}, LIMITS}}
`, "LIMITS", limits) + subscriber("one", "")
}

func TestTheLimitsOfAHookBindTheGatesOfItsSubscriptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, then string
		most, all   int // with the first ones
		later       int // with the others
	}{
		{"concurrency: 1", "concurrency: 8", 1, 12, 12},
		{"rate_limit: {rate: 1/s, burst: 3}", "concurrency: 8", 3, 3, 12 + 9},
		{"hold: true", "concurrency: 8", 0, 0, 12 + 12},
		{"concurrency: 8", "hold: true", 8, 12, 0},
	} {
		p := &peak{}
		g := openAudience(t, twoPublishers(c.first), p.ServeHTTP)
		for range 12 {
			g.event(`{}`)
		}
		g.turn()
		if most, all := p.taken(); all != c.all || most > c.most {
			t.Errorf("%s: %d are sent, %d at once; want %d, at most %d at once", c.first, all, most, c.all, c.most)
		}
		g.reload(twoPublishers(c.then))
		g.clock.advance(time.Minute)
		for range 12 {
			g.event(`{}`)
		}
		g.turn()
		if _, all := p.taken(); all != c.later {
			t.Errorf("%s, then %s: %d are sent, want %d", c.first, c.then, all, c.later)
		}
	}
}

func TestAWaitPassesEventsWhoseBodiesAreNotKept(t *testing.T) {
	t.Parallel()
	s := &switched{}
	s.status.Store(503)
	g := openAll(t, `
kind: destination
name: ops
url: http://127.0.0.1:9000/ops
breaker: off
retry: {max_attempts: 60, initial: 1h, max: 1h, jitter: 0}
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.created}}
  - {label: Tell, type: hook, props: {destination: ops}}
  - {label: Next, type: wait, props: {provider: acme, event: order.approved, timeout: 24h}}
`, s.ServeHTTP)
	id := g.event(`{}`)
	g.turn()
	g.named("order.approved", `{}`)
	g.turn()
	for range 30 {
		g.clock.advance(time.Hour)
		g.turn()
	}
	if _, err := g.store.Prune(t.Context(), store.Policy{Bodies: 24 * time.Hour}, 100); err != nil {
		t.Fatal(err)
	}
	s.status.Store(200)
	g.finish()
	rec := g.run(id)
	if got := string(stepOf(t, rec, "Next").Output); rec.Run.State == run.Open || !strings.Contains(got, `"timeout"`) {
		t.Errorf("the run is %s, and the wait gives %s; want its timeout", rec.Run.State, got)
	}
}
