package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

const benchProducers = 64

// BenchmarkAppend stores events that 64 senders wait for, each with a delivery id of its own.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{2 << 10, 10 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s := benchStore(b)
			produce(b, s, size, b.N)
		})
	}
}

// BenchmarkLife stores, claims and settles events while 64 senders go on: "route" ends them when they are routed, "hook" gives each
// a run with one hook, whose task is claimed and settled too.
func BenchmarkLife(b *testing.B) {
	for _, kind := range []string{"route", "hook"} {
		for _, size := range []int{2 << 10, 10 << 10} {
			b.Run(fmt.Sprintf("%s/%dKiB", kind, size>>10), func(b *testing.B) {
				s := benchStore(b)
				var wg sync.WaitGroup
				var routed, delivered atomic.Int64
				for range 2 {
					wg.Go(func() {
						for routed.Load() < int64(b.N) {
							routed.Add(work(b, s, run.RouteGate, kind == "hook"))
						}
					})
				}
				if kind == "hook" {
					wg.Go(func() {
						for delivered.Load() < int64(b.N) {
							delivered.Add(work(b, s, "slack", false))
						}
					})
				}
				produce(b, s, size, b.N, wg.Wait)
			})
		}
	}
}

// BenchmarkList reads a page of 50 events of one name that every hundredth event has, out of 100,000.
func BenchmarkList(b *testing.B) {
	s := benchStore(b)
	for range 100 {
		batch := make([]store.Arrival, 1000)
		for i := range batch {
			batch[i] = benchArrival([]byte("{}"), rand.Uint64())
			batch[i].Route = false
			if i%100 == 0 {
				batch[i].Event.Name = "rare"
			}
		}
		if _, err := s.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	for what, q := range map[string]store.EventQuery{"all": {}, "name": {Name: "rare"}, "none": {Status: "quarantined"}} {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Events(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDue asks what is due with 100,000 tasks waiting at a paused gate and 100 gates with work.
func BenchmarkDue(b *testing.B) {
	s := benchStore(b)
	receipts, err := s.Append(b.Context(), []store.Arrival{benchArrival(nil, 1)})
	if err != nil {
		b.Fatal(err)
	}
	c, err := s.Claim(b.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1, Lease: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	var tasks []store.NewTask
	for i := range 100_100 {
		gate := "paused"
		if i < 100 {
			gate = fmt.Sprint("g", i)
		}
		tasks = append(tasks, store.NewTask{Kind: run.TaskStep, Path: fmt.Sprint(i), Gate: gate, Lane: run.LaneLive})
	}
	r := run.Run{ID: run.NewID(receipts[0].ID, "p", run.Cause{Kind: run.Live}), Pipeline: "p"}
	if _, err := s.Settle(b.Context(), []store.Settlement{{Held: c[0].Held(), NewRuns: []store.NewRun{{Run: r, Tasks: tasks}}}}); err != nil {
		b.Fatal(err)
	}
	if err := s.SetGate(b.Context(), store.Gate{Name: "paused", State: store.GatePaused}, store.By{}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		d, err := s.Due(b.Context())
		if err != nil || len(d.Work) != 100 {
			b.Fatalf("%d gates due, %v", len(d.Work), err)
		}
	}
}

// BenchmarkDueWithManyGates asks what is due, with one gate that has work beside 10,000 others: whose one task is due in an hour, whose
// breaker is open, or that are paused.
func BenchmarkDueWithManyGates(b *testing.B) {
	for _, kind := range []string{"later", "open-breaker", "paused"} {
		b.Run(kind, func(b *testing.B) {
			s := benchStore(b)
			gates := manyGates(b, s, 10_000, map[bool]time.Duration{true: time.Hour}[kind == "later"])
			for i := 0; kind != "later" && i < len(gates); i += 500 {
				if kind == "paused" {
					for _, gate := range gates[i : i+500] {
						if err := s.SetGate(b.Context(), store.Gate{Name: gate, State: store.GatePaused}, store.By{}); err != nil {
							b.Fatal(err)
						}
					}
					continue
				}
				c := claimOne(b, s, "busy", 500)
				trips := make([]store.Settlement, len(c))
				for n := range c {
					trips[n] = store.Settlement{Held: c[n].Held(), Then: store.Then{Again: true}, Trip: &store.Trip{Gate: gates[i+n], Open: true, In: time.Hour, Trips: 1}}
				}
				if _, err := s.Settle(b.Context(), trips); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				d, err := s.Due(b.Context())
				if err != nil || len(d.Work) != 1 || d.Work[0].Gate != "busy" || d.Next < 0 != (kind == "paused") {
					b.Fatalf("got %d gates, next in %s, %v", len(d.Work), d.Next, err)
				}
			}
		})
	}
}

// manyGates puts a task at each of n gates, due after a while, and 500 at the gate "busy", due now; it gives the n.
func manyGates(b testing.TB, s *sqlite.Store, n int, in time.Duration) (gates []string) {
	b.Helper()
	if _, err := s.Append(b.Context(), []store.Arrival{benchArrival(nil, rand.Uint64())}); err != nil {
		b.Fatal(err)
	}
	c := claimOne(b, s, run.RouteGate, 1)
	st := store.Settlement{Held: c[0].Held(), Routed: true}
	put := func(gate string, in time.Duration) {
		cause := run.Cause{Kind: run.Call, Ref: fmt.Sprint(len(st.NewRuns))}
		st.NewRuns = append(st.NewRuns, store.NewRun{
			Run:   run.Run{ID: run.NewID(c[0].Event.ID, "p", cause), Event: c[0].Event.ID, Pipeline: "p", Revision: "r", Cause: cause, Version: 1},
			Tasks: []store.NewTask{{Kind: run.TaskStep, Path: "Tell", Gate: gate, Lane: run.LaneLive, In: in}},
		})
	}
	for i := range n {
		gates = append(gates, fmt.Sprint("gate/", i))
		put(gates[i], in)
	}
	for range 500 {
		put("busy", 0)
	}
	if errs, err := s.Settle(b.Context(), []store.Settlement{st}); err != nil || errs[0] != nil {
		b.Fatal(errs, err)
	}
	return gates
}

// claimOne claims up to so many tasks of a gate, and wants some.
func claimOne(b testing.TB, s *sqlite.Store, gate string, most int) []store.Claimed {
	b.Helper()
	c, err := s.Claim(b.Context(), store.Claim{Gate: gate, Lane: run.LaneLive, Max: most, Lease: time.Hour})
	if err != nil || len(c) == 0 {
		b.Fatalf("claiming from %s gave %d, %v", gate, len(c), err)
	}
	return c
}

// BenchmarkTurns ends runs of which eight may be open at once, with 20,000 others waiting for their turn, and each gives its turn on.
func BenchmarkTurns(b *testing.B) {
	s := benchStore(b)
	const waiting = 20_000
	for n := 0; n < waiting+b.N; {
		if _, err := s.Append(b.Context(), []store.Arrival{benchArrival(nil, rand.Uint64())}); err != nil {
			b.Fatal(err)
		}
		c, err := s.Claim(b.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1, Lease: time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		var runs []store.NewRun
		for ; len(runs) < 1000 && n < waiting+b.N; n++ {
			cause := run.Cause{Kind: run.Call, Ref: fmt.Sprint(n)}
			runs = append(runs, store.NewRun{
				Run:   run.Run{ID: run.NewID(c[0].Event.ID, "p", cause), Pipeline: "p", Cause: cause},
				Tasks: []store.NewTask{{Kind: run.TaskStep, Gate: "@p"}},
				Holds: []store.Hold{{Key: fmt.Sprint("order ", n%100), Max: 1}, {Key: "slots", Max: 8}},
			})
		}
		if _, err := s.Settle(b.Context(), []store.Settlement{{Held: c[0].Held(), Routed: true, NewRuns: runs}}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for n := 0; n < b.N; {
		claimed, err := s.Claim(b.Context(), store.Claim{Gate: "@p", Lane: run.LaneLive, Max: 8, Lease: time.Hour})
		if err != nil || len(claimed) == 0 {
			b.Fatalf("%d runs have their turn, %v", len(claimed), err)
		}
		var settlements []store.Settlement
		for _, c := range claimed {
			settlements = append(settlements, store.Settlement{Held: c.Held(), Run: &store.RunDelta{ID: c.Run.ID, Version: c.Run.Version, State: run.Done}})
		}
		if _, err := s.Settle(b.Context(), settlements); err != nil {
			b.Fatal(err)
		}
		n += len(claimed)
	}
}

func benchStore(b *testing.B) *sqlite.Store {
	b.Helper()
	s := open(b, sqlite.Options{Path: filepath.Join(b.TempDir(), "headgate.db")})
	if err := s.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	return s
}

func benchArrival(body []byte, n uint64) store.Arrival {
	return store.Arrival{
		Event: event.Event{
			Request: fmt.Sprintf("%016x", n), Provider: "acme", Name: "order.created", Delivery: fmt.Sprintf("%016x-4a4a-%016x", n*31, n),
			Received: time.Now(), Routes: "sha256:0123456789abcdef0123456789abcdef", Source: event.Live,
			Verification: event.Verification{Rule: "signature[0] hmac-sha256"}, ContentType: "application/json",
			Headers: []event.Header{
				{Name: "content-type", Value: "application/json"},
				{Name: "user-agent", Value: "Acme-Hookshot/1234567"},
				{Name: "x-acme-event", Value: "order.created"},
				{Name: "x-acme-delivery", Value: fmt.Sprintf("%016x-4a4a-%016x", n*31, n)},
			},
			Body: body,
		},
		Window: 72 * time.Hour, Route: true,
	}
}

// produce appends n events from 64 goroutines and reports latencies and CPU time; what comes after is waited for too.
func produce(b *testing.B, s *sqlite.Store, size, n int, after ...func()) {
	b.Helper()
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(rand.Uint32())
	}
	took := make([]time.Duration, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	before := cpuTime(b)
	b.ResetTimer()
	for range benchProducers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				started := time.Now()
				if _, err := s.Append(b.Context(), []store.Arrival{benchArrival(body, rand.Uint64())}); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(started)
			}
		})
	}
	wg.Wait()
	for _, f := range after {
		f()
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(n), "cpu-us/event")
	b.ReportMetric(float64(took[n/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[n*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[n-1].Microseconds())/1000, "max-ms")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// work claims and settles one batch and gives its size.
func work(b *testing.B, s *sqlite.Store, gate string, hook bool) int64 {
	claimed, err := s.Claim(b.Context(), store.Claim{Gate: gate, Lane: run.LaneLive, Max: 128, Lease: time.Minute})
	if err != nil {
		b.Error(err)
		return int64(b.N)
	}
	if len(claimed) == 0 {
		<-time.After(time.Millisecond) // a worker waits to be told
		return 0
	}
	settlements := make([]store.Settlement, len(claimed))
	for i := range claimed {
		c := &claimed[i]
		settlements[i].Held = c.Held()
		step := run.Step{Path: "Opened", Node: "Opened", Type: "receive", State: run.StepDone, Started: time.Now(), Output: []byte(`{"a":1}`)}
		switch {
		case c.Run != nil:
			step.Path = "Tell"
			settlements[i].Run = &store.RunDelta{
				ID: c.Run.ID, Version: c.Run.Version, State: run.Done, Outcome: run.Completed, Steps: []run.Step{step},
				Attempts: []run.Attempt{{Path: "Tell", N: 1, Destination: "slack", Line: "POST https://hooks.example", Started: time.Now(), Outcome: run.AttemptOK, Status: 200, Answer: "ok"}},
			}
		case hook:
			cause := run.Cause{Kind: run.Live}
			settlements[i].Routed = true
			settlements[i].NewRuns = []store.NewRun{{
				Run:   run.Run{ID: run.NewID(c.Event.ID, "p", cause), Pipeline: "p", Revision: "sha256:fedcba", Cause: cause, Now: c.Event.Received, Version: 1},
				Steps: []run.Step{step},
				Tasks: []store.NewTask{{Kind: run.TaskStep, Path: "Tell", Gate: "slack", Lane: run.LaneLive}},
			}}
		default:
			settlements[i].Routed = true
		}
	}
	errs, err := s.Settle(b.Context(), settlements)
	if err != nil {
		b.Error(err)
		return int64(b.N)
	}
	for _, err := range errs {
		if err != nil {
			b.Error(err)
		}
	}
	return int64(len(claimed))
}
