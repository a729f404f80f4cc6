package worker_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

const limited = `
kind: pipeline
name: flow
limits: {concurrency: 2}
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.n != 0}}
  - {label: Made, type: code, props: {code: 'payload.n'}}
  - {label: Pause, type: wait, props: {for: 10m}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}
`

func TestOnlySoManyRunsAreOpenAtOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, limited, nil, func(t *testing.T, g *gate) {
		t.Helper()
		for n := range 6 {
			g.event(fmt.Sprintf(`{"n": %d}`, n))
		}
		g.soon()
		var held, begun, filtered int
		for _, rec := range g.all("flow") {
			switch {
			case rec.Run.State == run.Done:
				filtered++
			case rec.Tasks[0].Held:
				held++
				if len(rec.Steps) != 1 {
					t.Errorf("a run that waits for its turn has done %+v", rec.Steps)
				}
			default:
				begun++
			}
		}
		if held != 3 || begun != 2 || filtered != 1 {
			t.Errorf("%d runs are held, %d have begun, %d are filtered; want 3, 2, 1", held, begun, filtered)
		}
		g.outlast()
		for i, rec := range g.all("flow") {
			if i > 0 {
				g.is(rec, run.Done, "completed")
			}
		}
		if g.sent("/x") != 5 {
			t.Errorf("%d requests were sent, want 5", g.sent("/x"))
		}
	})
}

func TestRunsOverTheQuotaAreLimited(t *testing.T) {
	t.Parallel()
	seen := &witness{}
	g := openAll(t, strings.Replace(limited, "{concurrency: 2}", "{runs: 2, per: 1h}", 1), nil, seen.watch)
	for n := range 4 { // the first is filtered and costs nothing
		g.event(fmt.Sprintf(`{"n": %d}`, n))
	}
	g.turn()
	all := g.all("flow")
	g.is(all[0], run.Done, "filtered")
	g.is(all[1], run.Open, "")
	g.is(all[2], run.Open, "")
	g.is(all[3], run.Done, run.RateLimited+"limited")
	if got := strings.Join(seen.ended, ", "); got != "flow done filtered, flow done limited" {
		t.Errorf("the observer was told %q", got)
	}
	g.clock.advance(time.Hour)
	id := g.event(`{"n": 9}`)
	g.finish()
	g.wants(id, run.Done, "completed")
}

func TestRunsThatMayNotWaitAreDropped(t *testing.T) {
	t.Parallel()
	seen := &witness{}
	g := openAll(t, strings.Replace(limited, "{concurrency: 2}", "{concurrency: 1, overflow: drop}", 1), nil, seen.watch)
	g.event(`{"n": 1}`)
	second := g.event(`{"n": 2}`)
	g.finish()
	g.wants(second, run.Done, run.ConcurrencyLimited+"limited")
	if got := strings.Join(seen.ended, ", "); got != "flow done limited, flow done completed" {
		t.Errorf("the observer was told %q", got)
	}
}

func TestRunsOfOneOrderGoOneAtATime(t *testing.T) {
	t.Parallel()
	manifests := strings.Replace(limited, "limits: {concurrency: 2}", "order_by: payload.repo", 1)
	everywhere(t, manifests, nil, func(t *testing.T, g *gate) {
		t.Helper()
		for _, body := range []string{`{"n": 1, "repo": "a"}`, `{"n": 2, "repo": "a"}`, `{"n": 3, "repo": "b"}`, `{"n": 4, "repo": null}`, `{"n": 5}`} {
			g.event(body)
		}
		g.soon()
		for i, rec := range g.all("flow") {
			if held := rec.Tasks[0].Held; held != (i == 1) {
				t.Errorf("run %d is held: %t", i, held)
			}
		}
		g.outlast()
		all := g.all("flow")
		for _, rec := range all {
			g.is(rec, run.Done, "completed")
		}
		if all[1].Run.Finished.Sub(all[0].Run.Finished) < 10*time.Minute {
			t.Error("the second run of an order did not wait for the first")
		}
	})
}

func TestRunsOfOneOrderGoInTheOrderOfTheirEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &slowFirst{until: make(chan struct{})}
		g := live(t, `
kind: pipeline
name: flow
order_by: payload.repo
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}
`, nil, func(o *worker.Options) {
			slow.Queue = o.Queue
			o.Queue = slow
		})
		const n = 200 // more than are routed in one batch
		for i := range n {
			g.event(fmt.Sprintf(`{"n": %d, "repo": "a"}`, i))
		}
		g.start()
		<-time.After(time.Second) // the first batch is being settled, and those behind it have gone as far as they could
		close(slow.until)
		<-time.After(time.Minute)
		g.stop(time.Minute)
		got := g.got("/x")
		for i, r := range got {
			if want := fmt.Sprintf(`{"n": %d, "repo": "a"}`, i); string(r.Body) != want {
				t.Fatalf("request %d is of the event %s, want %s", i, r.Body, want)
			}
		}
		if len(got) != n {
			t.Errorf("%d requests came, want %d", len(got), n)
		}
	})
}

// slowFirst holds up the settlement of what was claimed first until it is told to go on.
type slowFirst struct {
	worker.Queue
	mu    sync.Mutex
	first store.Held
	until chan struct{}
}

func (s *slowFirst) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	claimed, err := s.Queue.Claim(ctx, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == (store.Held{}) && len(claimed) > 0 {
		s.first = claimed[0].Held()
	}
	return claimed, err
}

func (s *slowFirst) Settle(ctx context.Context, settlements []store.Settlement) ([]error, error) {
	s.mu.Lock()
	first := settlements[0].Held == s.first
	s.mu.Unlock()
	if first {
		<-s.until
	}
	return s.Queue.Settle(ctx, settlements)
}

func TestAnOrderThatCannotBeEvaluatedParks(t *testing.T) {
	t.Parallel()
	g := openAll(t, strings.Replace(limited, "limits: {concurrency: 2}", "order_by: payload.n + 1", 1), nil)
	id, out := g.event(`{"n": "x"}`), g.event(`{"n": 0}`)
	g.turn()
	rec := g.run(id)
	if rec.Run.State != run.Parked || !strings.Contains(rec.Run.Message, "order_by") || len(rec.Tasks) != 0 {
		t.Errorf("the run is %+v with tasks %+v, want it parked because of its order", rec.Run, rec.Tasks)
	}
	g.wants(out, run.Done, "filtered")
}

func TestANodesTimeHoldsForAllAttempts(t *testing.T) {
	t.Parallel()
	const manifests = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, timeout: 20s, props: {url: "http://127.0.0.1:9000/x", retry: [0s, 5s, 10s, 10s]}}
`
	g := openAll(t, manifests, answers(503))
	id := g.event(`{}`)
	g.finish()
	rec := g.wants(id, run.Parked, pipeline.CodeTimeout)
	if len(rec.Attempts) == 0 || !strings.Contains(rec.Run.Message, "http_503") || !strings.Contains(rec.Run.Message, "20s") {
		t.Errorf("after %d attempts the run is parked: %s", len(rec.Attempts), rec.Run.Message)
	}
	for _, a := range rec.Attempts {
		if late := a.Started.Sub(rec.Attempts[0].Started); late >= 20*time.Second {
			t.Errorf("an attempt was made after %v", late)
		}
	}
}

func TestANodesTimeCutsAnAttemptOff(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	g := openAll(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, timeout: 1s, props: {url: "http://127.0.0.1:9000/x"}}
`, func(_ http.ResponseWriter, r *http.Request) {
		n.Add(1)
		<-r.Context().Done()
	})
	id := g.event(`{}`)
	begun := time.Now()
	g.turn()
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the attempt was cut off after %v, want a second", took)
	}
	rec := g.wants(id, run.Parked, pipeline.CodeTimeout)
	if len(rec.Attempts) != 1 || rec.Attempts[0].Code != "timeout" || n.Load() != 1 {
		t.Errorf("the attempts are %+v", rec.Attempts)
	}
}
