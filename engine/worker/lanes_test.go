package worker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
	"github.com/headgate/headgate/hooks"
)

// inOrder has an ordered destination; what becomes of a lane behind a parked run is to be filled in.
const inOrder = `
kind: destination
name: ops
url: http://127.0.0.1:9000/ops
ordering: {by: payload.key, on_exhausted: ON_EXHAUSTED}
retry: [0s, 10s, 10s]
breaker: off
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.n > 0}}
  - {label: Tell, type: hook, props: {destination: ops}}
`

func lanes(onExhausted string) string {
	return strings.Replace(inOrder, "ON_EXHAUSTED", onExhausted, 1)
}

// deliveries remembers what a receiver took, by key, and refuses bodies that hold a text.
type deliveries struct {
	mu      sync.Mutex
	taken   map[string][]string
	refused string
}

func (d *deliveries) refuse(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused = text
}

func (d *deliveries) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, r.ContentLength)
	_, _ = r.Body.Read(body)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refused != "" && strings.Contains(string(body), d.refused) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	key, _, _ := strings.Cut(string(body), ",")
	if d.taken == nil {
		d.taken = map[string][]string{}
	}
	d.taken[key] = append(d.taken[key], string(body))
}

func (d *deliveries) of(key string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.taken[fmt.Sprintf(`{"key": %q`, key)], " ")
}

func ordered(key string, n int) string { return fmt.Sprintf(`{"key": %q, "n": %d}`, key, n) }

func TestAFailingHeadBlocksItsOwnLaneOnly(t *testing.T) {
	t.Parallel()
	for _, onExhausted := range []string{"park", "skip"} {
		t.Run(onExhausted, func(t *testing.T) {
			t.Parallel()
			d := &deliveries{}
			d.refuse(ordered("a", 1))
			g := openAll(t, lanes(onExhausted), d.ServeHTTP)
			head := g.event(ordered("a", 1))
			g.event(ordered("b", 1))
			second := g.event(ordered("a", 2))
			g.event(`{"key": null, "n": 1}`)
			g.event(ordered("a", 0)) // filtered, and in nobody's way
			g.event(ordered("b", 2))
			g.event(ordered("a", 3))
			g.turn()
			if d.of("a") != "" || d.of("b") != ordered("b", 1)+" "+ordered("b", 2) {
				t.Errorf("while the head of a fails, a has %q and b has %q", d.of("a"), d.of("b"))
			}
			if rec := g.run(second); !rec.Tasks[0].Held || len(rec.Attempts) != 0 {
				t.Errorf("behind the head stands %+v", rec.Tasks)
			}
			g.finish()
			rec := g.wants(head, run.Parked, worker.CodeRetriesSpent)
			if len(rec.Attempts) != 3 {
				t.Errorf("the head had %d attempts, want 3", len(rec.Attempts))
			}
			if onExhausted == "skip" {
				if got := d.of("a"); got != ordered("a", 2)+" "+ordered("a", 3) {
					t.Errorf("behind a parked run that is skipped a has %q", got)
				}
				return
			}
			g.clock.advance(300 * time.Hour)
			g.finish()
			if d.of("a") != "" || !g.run(second).Tasks[0].Held {
				t.Errorf("behind a parked run a has %q", d.of("a"))
			}
			d.refuse("")
			g.retry(head, "r")
			g.finish()
			if got := d.of("a"); got != ordered("a", 1)+" "+ordered("a", 2)+" "+ordered("a", 3) {
				t.Errorf("after the retry a has %q", got)
			}
		})
	}
}

func TestALaneOpensWhenItsParkedHeadIsDropped(t *testing.T) {
	t.Parallel()
	d := &deliveries{}
	d.refuse(ordered("a", 1))
	g := openAll(t, lanes("park"), d.ServeHTTP)
	head := g.event(ordered("a", 1))
	g.event(ordered("a", 2))
	g.finish()
	if err := g.store.Drop(t.Context(), store.DropAsk{Request: "d", Run: g.run(head).Run.ID}); err != nil {
		t.Fatal(err)
	}
	g.finish()
	if got := d.of("a"); got != ordered("a", 2) {
		t.Errorf("after the head was dropped a has %q", got)
	}
}

func TestALaneThatCannotBeWorkedOutParks(t *testing.T) {
	t.Parallel()
	g := openAll(t, strings.Replace(lanes("park"), "by: payload.key", "by: payload.n + payload.key", 1), nil)
	id := g.event(`{"n": 1, "key": {}}`)
	g.turn()
	rec := g.run(id)
	if rec.Run.State != run.Parked || !strings.Contains(rec.Run.Message, `ordering of destination "ops"`) || len(rec.Tasks) != 0 {
		t.Errorf("the run is %+v with tasks %+v, want it parked because of its lane", rec.Run, rec.Tasks)
	}
}

// TestLanesKeepTheirOrderOverFailuresAndCrashes has receivers that fail at random, and workers that die with tasks in their hands.
func TestLanesKeepTheirOrderOverFailuresAndCrashes(t *testing.T) {
	t.Parallel()
	const keys, each = 5, 12
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's dice
		var mu sync.Mutex
		d := &deliveries{}
		flaky := func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			fails := random.IntN(3) == 0
			mu.Unlock()
			if fails {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			d.ServeHTTP(w, r)
		}
		g := openAll(t, strings.Replace(lanes("park"), "retry: [0s, 10s, 10s]", "retry: {max_attempts: 100, initial: 5s, max: 10s}", 1)+`---
kind: pipeline
name: other
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - label: Each
    type: foreach
    props: {items: "[1]", nodes: [{label: Tell, type: hook, props: {destination: ops}}]}
`, flaky)
		for n := 1; n <= each; n++ {
			for k := range keys {
				g.event(ordered(string(rune('a'+k)), n))
			}
		}
		for range 400 {
			claimed, next, err := g.worker.Step(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if random.IntN(8) == 0 { // the process dies: what it holds is taken back when the leases have run out
				g.abandon(random)
			}
			for g.worker.InFlight() > 0 {
				<-g.worker.Ended()
			}
			if claimed == 0 {
				if next < 0 {
					break
				}
				g.clock.advance(next)
			}
		}
		for k := range keys {
			key := string(rune('a' + k))
			got := slices.Compact(strings.Split(d.of(key), "} {")) // once of each pipeline, and again where a worker died
			if len(got) < each {
				t.Fatalf("seed %d: of key %s came %d deliveries, want at least %d", seed, key, len(got), each)
			}
			at := 0
			for _, body := range d.taken[fmt.Sprintf(`{"key": %q`, key)] {
				n := 0
				if strings.HasPrefix(body, "1") {
					continue
				}
				if _, err := fmt.Sscanf(strings.TrimPrefix(body, fmt.Sprintf(`{"key": %q, "n": `, key)), "%d}", &n); err != nil {
					t.Fatal(err)
				}
				if n < at {
					t.Fatalf("seed %d: key %s got %d behind %d: %v", seed, key, n, at, d.of(key))
				}
				at = n
			}
		}
	}
}

// abandon claims a task or two as a process would that dies then.
func (g *gate) abandon(random *rand.Rand) {
	g.t.Helper()
	due, err := g.store.Due(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	if len(due.Work) == 0 {
		return
	}
	w := due.Work[random.IntN(len(due.Work))]
	if _, err := g.store.Claim(g.t.Context(), store.Claim{Gate: w.Gate, Lane: w.Lane, Max: 2, Lease: 20 * time.Second}); err != nil {
		g.t.Fatal(err)
	}
}

func TestARunThatCallsHoldsTheLanesOfWhatItCalls(t *testing.T) {
	t.Parallel()
	d := &deliveries{}
	g := openAll(t, lanes("park")+`---
kind: pipeline
name: caller
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: First, type: hook, props: {destination: ops}}
  - {label: Call, type: call, props: {pipeline: helper, input: {key: "{{ payload.key }}", n: 9}}}
---
kind: pipeline
name: helper
nodes:
  - {label: Go, type: start}
  - {label: Tell, type: hook, props: {destination: ops}}
`, d.ServeHTTP)
	for n := range 3 {
		g.event(ordered("a", n))
	}
	g.finish()
	for _, name := range []string{"caller", "helper"} {
		for _, rec := range g.all(name) {
			g.is(rec, run.Done, "completed")
		}
	}
}

// tellsLanes counts attempts by lane, in the order they were made.
type tellsLanes struct {
	mu   sync.Mutex
	n    map[string]int
	seen int
	stop int
}

func (l *tellsLanes) Deliver(_ context.Context, req hooks.Request) (hooks.Attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen++; l.seen <= l.stop {
		l.n[string(req.Body)]++
	}
	return hooks.Attempt{Status: 200, Wrote: true}, nil
}

func TestLanesShareABusyGateByWeight(t *testing.T) {
	t.Parallel()
	l := &tellsLanes{n: map[string]int{}, stop: 1100}
	g := open(t, `
kind: destination
name: ops
url: http://127.0.0.1:9000/ops
body: "{{ run.cause }}"
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {destination: ops}}
`, nil, func(o *worker.Options) { o.Deliverer = l })
	g.queuedIn("ops", map[run.Lane]int{run.LaneLive: 1000, run.LaneRetry: 1000, run.LaneReplay: 1000})
	g.turn()
	for lane, want := range map[run.Lane]int{run.LaneLive: 800, run.LaneRetry: 200, run.LaneReplay: 100} {
		if got := l.n[string(lane)]; got < want-10 || got > want+10 {
			t.Errorf("of the first 1100 attempts %d are of the lane %s, want %d", got, lane, want)
		}
	}
}

func TestLanesOfTwoDestinationsBothKeepTheirOrder(t *testing.T) {
	t.Parallel()
	first := `
kind: destination
name: first
url: http://127.0.0.1:9000/first
ordering: {by: payload.first, on_exhausted: park}
retry: [0s, 10s, 10s]
breaker: off
---
`
	both := strings.Replace(lanes("park"), "  - {label: Tell,", "  - {label: First, type: hook, props: {destination: first, body: \"{{ payload.n }}\"}}\n  - {label: Tell,", 1)
	both = strings.Replace(both, "{destination: ops}", `{destination: ops, body: "{{ payload.n }}"}`, 1)
	var mu sync.Mutex
	var seen []string
	fails := true
	g := openAll(t, first+strings.TrimPrefix(both, "\n"), func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		mu.Lock()
		defer mu.Unlock()
		if fails && string(body) == "1" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/ops" {
			seen = append(seen, string(body))
		}
	})
	g.event(`{"first": 1, "key": "x", "n": 1}`)
	g.event(`{"first": 1, "key": "y", "n": 2}`) // waits behind the first, and has its place in lane y
	g.event(`{"first": 2, "key": "y", "n": 3}`)
	g.turn()
	mu.Lock()
	if len(seen) != 0 {
		t.Errorf("while the head of one lane fails, the other has %q out of order", seen)
	}
	fails = false
	mu.Unlock()
	g.finish()
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(seen, " "); got != "1 2 3" {
		t.Errorf("got %q, want each in its turn", got)
	}
}

func TestARunThatIsWaitedForDoesNotQueueBehindThoseThatWaitForItsCallersLane(t *testing.T) {
	t.Parallel()
	d := &deliveries{}
	g := openAll(t, lanes("skip")+`---
kind: pipeline
name: caller
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.created}}
  - {label: Pause, type: wait, props: {for: 10s}}
  - {label: Ask, type: call, props: {pipeline: helper, input: {key: "{{ payload.key }}", n: 1}}}
---
kind: pipeline
name: helper
order_by: payload.key
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.paid}}
  - {label: Go, type: start}
  - {label: Tell, type: hook, props: {destination: ops}}
connections:
  - In -> Tell
  - Go -> Tell
`, d.ServeHTTP)
	g.named("order.created", ordered("k", 0))
	g.turn()
	g.named("order.paid", ordered("k", 0))
	g.finish()
	for _, name := range []string{"caller", "helper"} {
		for _, rec := range g.all(name) {
			g.is(rec, run.Done, "completed")
		}
	}
}
