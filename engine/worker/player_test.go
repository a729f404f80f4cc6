package worker_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/worker"
	"github.com/headgate/headgate/hooks"
)

// player answers each request when it is let to.
type player struct {
	now     func() time.Time
	asked   chan worker.Attempt
	answers chan int
	bounded bool // a request came under a context that ends by itself
}

// Play implements worker.Player.
func (p *player) Play(ctx context.Context, a worker.Attempt, _ hooks.Request) (hooks.Attempt, error) {
	if _, ok := ctx.Deadline(); ok {
		p.bounded = true
	}
	att := hooks.Attempt{Started: p.now(), Wrote: true}
	p.asked <- a
	if att.Status = <-p.answers; att.Status != http.StatusOK {
		return att, &hooks.Error{Class: hooks.Temporary, Code: "http_503", Status: att.Status}
	}
	return att, nil
}

func TestTimeIsSteppedWhileAnAttemptIsUnderWay(t *testing.T) {
	t.Parallel()
	p := &player{asked: make(chan worker.Attempt), answers: make(chan int)}
	g := open(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Out, type: hook, timeout: 1h, props: {url: "http://127.0.0.1:9/", retry: [0s, 10s]}}
`, nil, func(o *worker.Options) { o.Deliverer, o.Player = nil, p })
	settled := func() { // waits until nothing is under way
		for g.worker.InFlight() > 0 {
			<-g.worker.Ended()
		}
	}
	step := func(want int) time.Duration {
		t.Helper()
		n, next, err := g.worker.Step(t.Context())
		if n != want || err != nil {
			t.Fatalf("got %d tasks, %v; want %d", n, err, want)
		}
		return next
	}
	p.now = g.clock.time
	g.event(`{}`)
	step(1)
	settled()
	step(1)
	first := <-p.asked
	step(0)
	second := g.event(`{"n": 2}`)
	step(1) // it is routed while the first attempt is under way
	for g.worker.InFlight() > 1 {
		<-g.worker.Ended()
	}
	step(1)
	other := <-p.asked
	if first.Run == other.Run || other.Run != run.NewID(second, "flow", run.Cause{Kind: run.Live}) {
		t.Errorf("the attempts are of %s and %s, want the second of the run of event %s", first.Run, other.Run, second)
	}
	p.answers <- http.StatusServiceUnavailable
	p.answers <- http.StatusServiceUnavailable
	settled()
	if next := step(0); next <= 0 {
		t.Errorf("the next attempt is due in %s", next)
	}
	g.clock.advance(20 * time.Second) // past both retries, however they are spread
	step(2)
	again := []worker.Attempt{<-p.asked, <-p.asked}
	for _, a := range again {
		left := a.Left
		if a.Left = 0; a != (worker.Attempt{Run: a.Run, Pipeline: "flow", Path: "Out", N: 2}) || left <= 0 || left >= time.Hour {
			t.Errorf("the second attempt is %+v, with %s left", a, left)
		}
	}
	p.answers <- http.StatusOK
	p.answers <- http.StatusOK
	settled()
	if step(0) >= 0 || p.bounded {
		t.Errorf("something is left to be done, or an attempt ends by real time (%t)", p.bounded)
	}
}
