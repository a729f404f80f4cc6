package worker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/worker"
)

// TestHundredsOfDestinationsThatHangDelayNobody has so many of them that they want three times the slots that there are, each for 30 s, and
// whose breakers never open.
func TestHundredsOfDestinationsThatHangDelayNobody(t *testing.T) {
	t.Parallel()
	const hanging, each, rate, length = 300, 12, 50, 20
	var manifests strings.Builder
	for d := range hanging + 1 {
		name := "order.dead"
		if d == hanging {
			name = "order.fine"
		}
		fmt.Fprintf(&manifests, `---
kind: destination
name: to-%d
url: http://127.0.0.1:9000/%d
breaker: off
---
kind: pipeline
name: flow-%d
nodes:
  - {label: In, type: receive, props: {provider: acme, event: %s}}
  - {label: Tell, type: hook, props: {destination: to-%d}}
`, d, d, d, name, d)
	}
	c := &crowd{hanging: 1, sent: map[string]time.Time{}} // d is 0 of what goes to those that hang
	synctest.Test(t, func(t *testing.T) {
		g := live(t, strings.TrimPrefix(manifests.String(), "---"), nil, func(o *worker.Options) { o.Deliverer = c })
		g.start()
		for n := range each {
			g.named("order.dead", fmt.Sprintf(`{"d": 0, "n": %d}`, n))
		}
		<-time.After(time.Second)
		for n := range rate * length {
			body := fmt.Sprintf(`{"d": 1, "n": %d}`, n)
			c.mu.Lock()
			c.sent[body] = time.Now()
			c.mu.Unlock()
			g.named("order.fine", body)
			<-time.After(time.Second / rate)
		}
		g.stop(time.Minute)
	})
	if len(c.took) != rate*length {
		t.Fatalf("%d of %d deliveries came to the one that answers", len(c.took), rate*length)
	}
	// An answer takes 79 ms at most, and simulated time stands still while anybody works.
	if most := slices.Max(c.took); most > 90*time.Millisecond {
		t.Errorf("beside %d that hang a delivery took %v, want no more than its answer does", hanging, most)
	}
}
