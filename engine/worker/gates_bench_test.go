package worker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// BenchmarkManyGates works through 2000 events for one destination that is well, beside many others that have one task each, due in an
// hour: what waits for its retry must cost the rest nothing.
func BenchmarkManyGates(b *testing.B) {
	for _, gates := range []int{0, 10_000} {
		b.Run(fmt.Sprint(gates), func(b *testing.B) {
			st := onDisk(b, oneHook, func(st *sqlite.Store) { retrying(b, st, gates) })
			const events = 2000
			done := int64(0)
			for b.Loop() {
				if _, err := st.Append(b.Context(), arrivals(events, "{}")); err != nil {
					b.Fatal(err)
				}
				done += events
				ended(b, st, done)
			}
		})
	}
}

// retrying puts a task at each of n gates that is due in an hour.
func retrying(b *testing.B, st *sqlite.Store, n int) {
	b.Helper()
	if _, err := st.Append(b.Context(), arrivals(1, "{}")); err != nil {
		b.Fatal(err)
	}
	c, err := st.Claim(b.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1, Lease: time.Hour})
	if err != nil || len(c) != 1 {
		b.Fatalf("%d tasks, %v", len(c), err)
	}
	s := store.Settlement{Held: c[0].Held(), Routed: true}
	for i := range n {
		cause := run.Cause{Kind: run.Call, Ref: fmt.Sprint(i)}
		s.NewRuns = append(s.NewRuns, store.NewRun{
			Run:   run.Run{ID: run.NewID(c[0].Event.ID, "other", cause), Event: c[0].Event.ID, Pipeline: "other", Revision: "x", Cause: cause, Version: 1},
			Tasks: []store.NewTask{{Kind: run.TaskStep, Path: "Tell", Gate: fmt.Sprint(run.SubscriptionGate, i), Lane: run.LaneRetry, In: time.Hour}},
		})
	}
	if errs, err := st.Settle(b.Context(), []store.Settlement{s}); err != nil || errs[0] != nil {
		b.Fatal(errs, err)
	}
}
