package sqlite_test

import (
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// TestTheWriterScansNoTableThatGrows lets runs wait, gather and hold turns in every way, and then asks SQLite how it does each statement
// that the writer has used.
func TestTheWriterScansNoTableThatGrows(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	for range 3 {
		if a := <-appendLater(t.Context(), s, arrival("x")); a.err != nil {
			t.Fatal(a.err)
		}
	}
	settle := func(gate string, lane run.Lane, f func(c *store.Claimed, n int, st *store.Settlement)) {
		t.Helper()
		claimed, err := s.Claim(t.Context(), store.Claim{Gate: gate, Lane: lane, Max: 10, Lease: time.Minute})
		if err != nil || len(claimed) == 0 {
			t.Fatalf("%d tasks at %s, %v", len(claimed), gate, err)
		}
		for n := range claimed {
			st := store.Settlement{Held: claimed[n].Held()}
			f(&claimed[n], n, &st)
			errs, err := s.Settle(t.Context(), []store.Settlement{st})
			if err != nil || errs[0] != nil {
				t.Fatal(err, errs)
			}
		}
	}
	var ids []run.ID
	settle(run.RouteGate, run.LaneLive, func(c *store.Claimed, n int, st *store.Settlement) {
		id := run.NewID(c.Event.ID, "p", run.Cause{Kind: run.Live})
		ids = append(ids, id)
		st.Routed = true
		st.NewRuns = []store.NewRun{{
			Run: run.Run{ID: id, Pipeline: "p"}, Tasks: []store.NewTask{{Kind: run.TaskStep, Gate: "@p", Order: "o"}},
			Quota: &store.Quota{Key: "p", Max: 10, Per: time.Hour}, Holds: []store.Hold{{Key: "a", Max: 1 + n}, {Key: "b", Max: 1}},
		}}
	})
	step := func(path string) store.NewTask { return store.NewTask{Kind: run.TaskStep, Path: path, Gate: "g"} }
	waits, gathers := step("waits"), step("gathers")
	waits.Wait, waits.In = store.Wait{Group: "await", Key: "1"}, time.Hour
	gathers.Gather = &store.Gather{Key: "batch", Item: []byte("1"), Count: 2}
	gathers.In = time.Hour
	other := gathers
	other.Path = "gathers too"
	settle("@p", run.LaneLive, func(c *store.Claimed, _ int, st *store.Settlement) {
		awaits := step("awaits")
		awaits.Wait, awaits.In = store.RunWait(ids[1]), time.Hour
		st.Run = &store.RunDelta{ID: ids[0], Version: c.Run.Version, Tasks: []store.NewTask{waits, gathers, other, awaits, step("tells")}}
	})
	settle("g", run.LaneLive, func(c *store.Claimed, n int, st *store.Settlement) {
		if st.Wakes = []store.Wake{{Wait: waits.Wait, Event: 1}}; n == 2 { // the last of them
			st.Run = &store.RunDelta{ID: ids[0], Version: c.Run.Version, State: run.Parked}
		}
	})
	if err := s.Retry(t.Context(), store.RetryAsk{Request: "r", Run: ids[0], By: store.By{Who: "ada"}}); err != nil {
		t.Fatal(err)
	}
	settle("@p", run.LaneRetry, func(c *store.Claimed, _ int, st *store.Settlement) {
		st.Run = &store.RunDelta{ID: ids[0], Version: c.Run.Version, State: run.Done, Outcome: run.Completed}
	})
	if _, err := s.Replay(t.Context(), store.ReplayAsk{Request: "r", Events: []event.ID{ids[0].Event}}); err != nil {
		t.Fatal(err)
	}
	by := store.By{Who: "ada"}
	for _, err := range []error{
		s.PutJob(t.Context(), store.Job{ID: "j", State: store.JobDone}, by), s.PutSubscription(t.Context(), store.Subscription{ID: "s"}, "a", by),
		s.DropSubscription(t.Context(), "s", by), s.SetGate(t.Context(), store.Gate{Name: "g", State: store.GatePaused}, by),
		s.PutAudit(t.Context(), store.AuditEntry{Action: "a"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	always := store.Policy{
		Events: time.Nanosecond, Parked: time.Nanosecond, Runs: time.Nanosecond, Attempts: time.Nanosecond, Bodies: time.Nanosecond, MaxEvents: 1, MaxBytes: 1,
	}
	if _, err := s.Prune(t.Context(), always, 100); err != nil {
		t.Fatal(err)
	}
	plans, err := s.Plans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(plans) < 50 {
		t.Errorf("%d statements were looked at, want those of a whole life", len(plans))
	}
	for sql, plan := range plans {
		for line := range strings.Lines(plan) {
			if strings.HasPrefix(line, "SCAN ") && !strings.HasPrefix(line, "SCAN json_each") && !atStart(sql) {
				t.Errorf("%s\n%s", sql, plan)
			}
		}
	}
}

// atStart says that a statement is used when the store is started only, or on tables that stay small.
func atStart(sql string) bool {
	for _, small := range []string{
		"FROM meta", "FROM gates", "FROM rejections", "FROM quotas WHERE finish", "WITH RECURSIVE d", "FROM tasks t WHERE t.stage = 1", "FROM batches LIMIT 1", "FROM turns LIMIT 1",
		"count(*) FROM tasks WHERE wait IS NOT NULL GROUP BY wait", "FROM audit ORDER BY id DESC LIMIT 1", "FROM jobs", "FROM job_ids", "FROM subscriptions",
		"WITH RECURSIVE q", // where the queues begin
	} {
		if strings.Contains(sql, small) {
			return true
		}
	}
	return false
}
