package worker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/worker"
	"github.com/headgate/headgate/hooks"
)

// crowd is the receivers of many destinations, of which the first few hang.
type crowd struct {
	hanging int
	mu      sync.Mutex
	sent    map[string]time.Time // when the event was stored, by body
	took    []time.Duration      // of the healthy ones: from then until the answer
}

func (c *crowd) Deliver(ctx context.Context, req hooks.Request) (hooks.Attempt, error) {
	att := hooks.Attempt{Started: time.Now(), Wrote: true}
	var d, n int
	if _, err := fmt.Sscanf(string(req.Body), `{"d": %d, "n": %d}`, &d, &n); err != nil {
		return att, err
	}
	if d < c.hanging {
		select {
		case <-time.After(30 * time.Second):
		case <-ctx.Done():
		}
		return att, &hooks.Error{Class: hooks.Unknown, Code: "timeout"}
	}
	<-time.After(time.Duration(20+n*7%60) * time.Millisecond)
	att.Status = 200
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, time.Since(c.sent[string(req.Body)]))
	return att, nil
}

// p99 runs a hundred destinations under 200 runs a second, of which some hang, and gives how long the healthy ones' deliveries took.
func (c *crowd) p99(t *testing.T) (p99, most time.Duration) {
	t.Helper()
	const destinations, rate, length = 100, 200, 32
	var manifests strings.Builder
	for d := range destinations {
		fmt.Fprintf(&manifests, `---
kind: pipeline
name: flow-%d
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.%d}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/%d"}}
`, d, d, d)
	}
	c.sent = map[string]time.Time{}
	synctest.Test(t, func(t *testing.T) {
		g := live(t, strings.TrimPrefix(manifests.String(), "---"), nil, func(o *worker.Options) { o.Deliverer = c })
		g.start()
		for n := range rate * length {
			body := fmt.Sprintf(`{"d": %d, "n": %d}`, n%destinations, n)
			c.mu.Lock()
			c.sent[body] = time.Now()
			c.mu.Unlock()
			g.named(fmt.Sprintf("order.%d", n%destinations), body)
			<-time.After(time.Second / rate)
		}
		<-time.After(10 * time.Second)
		g.stop(time.Minute)
	})
	if want := rate * length * (destinations - c.hanging) / destinations; len(c.took) != want {
		t.Errorf("with %d that hang, %d deliveries came to the healthy ones, want %d", c.hanging, len(c.took), want)
	}
	slices.Sort(c.took)
	return c.took[len(c.took)*99/100], c.took[len(c.took)-1]
}

func TestDestinationsThatHangSlowNobodyElse(t *testing.T) {
	t.Parallel()
	healthy, _ := (&crowd{}).p99(t)
	beside, most := (&crowd{hanging: 10}).p99(t)
	t.Logf("p99 of a delivery: %v where none hangs, %v where ten of a hundred do (at most %v)", healthy, beside, most)
	if beside > 2*healthy || most > time.Second {
		t.Errorf("beside ten that hang p99 is %v and the longest %v, want at most twice the %v of a run without them", beside, most, healthy)
	}
}
