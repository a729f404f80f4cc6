package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// waitingTables are those that hold only what is waiting for something.
func waitingTables() []string { return []string{"tasks", "turns", "holds", "batches", "items"} }

// lives begins runs that wait for an event, gather, take turns and wait for each other, n of them.
func lives(t *testing.T, s *sqlite.Store, n int) []run.ID {
	t.Helper()
	var ids []run.ID
	for i := range n {
		if got := <-appendLater(t.Context(), s, arrival("x")); got.err != nil {
			t.Fatal(got.err)
		}
		c := claimAt(t, s, run.RouteGate, 1)[0]
		id := run.NewID(c.Event.ID, "p", run.Cause{Kind: run.Live})
		tasks := []store.NewTask{
			{Kind: run.TaskWait, Path: "Wait", Gate: "w", In: time.Hour, Wait: store.Wait{Group: "await", Key: fmt.Sprint(i % 3)}},
			{Kind: run.TaskWait, Path: "Batch", Gate: "w", In: time.Hour, Gather: &store.Gather{Key: "k", Item: []byte("1"), Count: 4}},
			{Kind: run.TaskStep, Path: "Tell", Gate: "g", Order: "o"},
		}
		if i > 0 {
			tasks = append(tasks, store.NewTask{Kind: run.TaskChild, Path: "Call", Gate: "w", In: time.Hour, Wait: store.RunWait(ids[i-1])})
		}
		settleAll(t, s, store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{{
			Run: run.Run{ID: id, Pipeline: "p"}, Tasks: tasks, Quota: &store.Quota{Key: "p", Max: 1000, Per: time.Hour},
			Holds: []store.Hold{{Key: fmt.Sprint("order ", i%2), Max: 1}, {Key: "slots", Max: 2}},
		}}})
		ids = append(ids, id)
	}
	return ids
}

func claimAt(t *testing.T, s *sqlite.Store, gate string, n int) []store.Claimed {
	t.Helper()
	claimed, err := s.Claim(t.Context(), store.Claim{Gate: gate, Lane: run.LaneLive, Max: n, Lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return claimed
}

func settleAll(t *testing.T, s *sqlite.Store, settlements ...store.Settlement) {
	t.Helper()
	errs, err := s.Settle(t.Context(), settlements)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRunsThatHaveEndedLeaveNothingWaiting ends runs in every way.
func TestRunsThatHaveEndedLeaveNothingWaiting(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := started(t, sqlite.Options{Now: func() time.Time { return now }})
	ids := lives(t, s, endingRuns)
	for ended := 0; ended < len(ids); {
		claimed := claimAt(t, s, "g", 1)
		if len(claimed) == 0 {
			t.Fatalf("nothing is due after %d runs", ended)
		}
		c := claimed[0]
		state := []run.State{run.Done, run.Parked, run.Dropped}[ended%3]
		settleAll(t, s, store.Settlement{
			Held: c.Held(), Run: &store.RunDelta{ID: c.Run.ID, Version: c.Run.Version, State: state},
			Wakes: []store.Wake{{Wait: store.Wait{Group: "await", Key: fmt.Sprint(ended % 5)}, Event: c.Event.ID}},
		})
		ended++
	}
	for i, id := range ids {
		switch r, err := s.Run(t.Context(), id); {
		case err != nil:
			t.Fatal(err)
		case r.Run.State != run.Parked:
		case i%2 == 0:
			if err := s.Drop(t.Context(), store.DropAsk{Request: "d", Run: id}); err != nil {
				t.Fatal(err)
			}
		default:
			if err := s.Retry(t.Context(), store.RetryAsk{Request: "r", Run: id}); err != nil {
				t.Fatal(err)
			}
			claimed, err := s.Claim(t.Context(), store.Claim{Gate: "@p", Lane: run.LaneRetry, Max: 1, Lease: time.Hour})
			if err != nil || len(claimed) != 1 {
				t.Fatal(len(claimed), err)
			}
			settleAll(t, s, store.Settlement{Held: claimed[0].Held(), Run: &store.RunDelta{ID: id, Version: claimed[0].Run.Version, State: run.Done}})
		}
	}
	for _, table := range waitingTables() {
		if n, err := s.One(t.Context(), "SELECT count(*) FROM "+table); n != 0 || err != nil {
			t.Errorf("%d rows are left in %s, %v", n, table, err)
		}
	}
	if groups, err := s.Waits(t.Context()); len(groups) != 0 || err != nil {
		t.Errorf("groups %v are waited for, %v", groups, err)
	}
	now = now.Add(2 * time.Hour)
	if p, err := s.Prune(t.Context(), store.Policy{Events: time.Hour}, 1000); err != nil || p.Runs != len(ids) {
		t.Errorf("pruned %+v, %v, want %d runs", p, err, len(ids))
	}
	if n, err := s.One(t.Context(), "SELECT count(*) FROM quotas"); n != 0 || err != nil {
		t.Errorf("%d quotas of periods that are over are left, %v", n, err)
	}
}

// TestATransactionThatFailsWakesNothing has a settlement that wakes a claimed task and adds one that waits share a transaction with a bad
// statement: both are done anew, each in one of its own.
func TestATransactionThatFailsWakesNothing(t *testing.T) {
	t.Parallel()
	var d disk
	s := started(t, sqlite.Options{BeforeCommit: d.beforeCommit})
	begin := func(path, key string) store.NewRun {
		t.Helper()
		if got := <-appendLater(t.Context(), s, arrival("x")); got.err != nil {
			t.Fatal(got.err)
		}
		return store.NewRun{Run: run.Run{Pipeline: "p"}, Tasks: []store.NewTask{{
			Kind: run.TaskWait, Path: path, Gate: "w", Wait: store.Wait{Group: key, Key: "1"},
		}}}
	}
	first, second := begin("A", "a"), begin("B", "b")
	route := claimAt(t, s, run.RouteGate, 2)
	first.Run.ID = run.NewID(route[0].Event.ID, "p", run.Cause{Kind: run.Live})
	second.Run.ID = run.NewID(route[1].Event.ID, "p", run.Cause{Kind: run.Live})
	settleAll(t, s, store.Settlement{Held: route[0].Held(), NewRuns: []store.NewRun{first}})
	a := claimAt(t, s, "w", 1)[0]
	c := d.hold()
	busy := appendLater(t.Context(), s, arrival("holds up the writer"))
	<-c.begun
	settled, bad := make(chan error, 1), make(chan error, 1)
	go func() {
		errs, err := s.Settle(t.Context(), []store.Settlement{{
			Held: route[1].Held(), NewRuns: []store.NewRun{second}, Wakes: []store.Wake{{Wait: store.Wait{Group: "a", Key: "1"}, Event: 5}},
		}})
		settled <- errors.Join(append(errs, err)...)
	}()
	waitFor(s, 1)
	go func() { bad <- s.Exec(t.Context(), "INSERT INTO events (id) VALUES (1)") }()
	waitFor(s, 2)
	close(c.end)
	if got := <-busy; got.err != nil {
		t.Fatal(got.err)
	}
	if err := <-settled; err != nil {
		t.Errorf("the settlement: %v", err)
	}
	if err := <-bad; !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("the bad one: got error %v, want %v", err, store.ErrUnavailable)
	}
	if groups, err := s.Waits(t.Context()); !slices.Equal(groups, []string{"b"}) || err != nil {
		t.Errorf("groups %v are waited for, %v, want b", groups, err)
	}
	settleAll(t, s, store.Settlement{Held: a.Held(), Then: store.Then{Again: true, In: time.Hour}})
	for _, c := range claimAt(t, s, "w", 2) {
		if c.Task.Path == "A" && c.Task.Woken != 5 {
			t.Errorf("claimed %+v, want it woken by 5", c.Task)
		}
		settleAll(t, s, store.Settlement{Held: c.Held()})
	}
	if groups, err := s.Waits(t.Context()); len(groups) != 0 || err != nil {
		t.Errorf("groups %v are waited for, %v, want none", groups, err)
	}
}

// waitFor waits until n pieces of work wait for the writer.
func waitFor(s *sqlite.Store, n int) {
	for s.Waiting() < n {
		<-time.After(time.Millisecond)
	}
}

// TestWhatWaitsOutlivesACrash goes on with a copy of the files as they are between two commits.
func TestWhatWaitsOutlivesACrash(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	ids := lives(t, s, crashingRuns)
	told := map[run.ID]bool{}
	for range ids {
		s = crashed(t, s)
		if groups, err := s.Waits(t.Context()); err != nil || len(told) < len(ids)-1 && !slices.Equal(groups, []string{"await", "run"}) {
			t.Errorf("after %d runs groups %v are waited for, %v", len(told), groups, err)
		}
		held, err := s.One(t.Context(), "SELECT count(DISTINCT run) FROM tasks WHERE stage = 3")
		if want := max(len(ids)-len(told)-2, 0); err != nil || int(held) != want {
			t.Errorf("after %d runs %d wait for their turn, %v, want %d", len(told), held, err, want)
		}
		claimed := claimAt(t, s, "g", 10)
		if len(claimed) != 1 {
			t.Fatalf("%d tasks of one order key are due after %d runs, want 1", len(claimed), len(told))
		}
		c := claimed[0]
		if told[c.Run.ID] {
			t.Errorf("run %s has ended already", c.Run.ID)
		}
		s = crashed(t, s) // with the task claimed
		c = claimAt(t, s, "g", 10)[0]
		for _, w := range claimAt(t, s, "w", 10) {
			if w.Gathered != nil && w.Gathered.Leads && len(w.Gathered.Items) != 4 {
				t.Errorf("a leader has %d items, want 4", len(w.Gathered.Items))
			}
		}
		settleAll(t, s, store.Settlement{Held: c.Held(), Run: &store.RunDelta{ID: c.Run.ID, Version: c.Run.Version, State: run.Done}})
		told[c.Run.ID] = true
	}
	for _, table := range waitingTables() {
		if n, err := s.One(t.Context(), "SELECT count(*) FROM "+table); n != 0 || err != nil {
			t.Errorf("%d rows are left in %s, %v", n, table, err)
		}
	}
}

// crashed opens a copy of the files of a store that still runs: they are as a process that dies leaves them.
func crashed(t *testing.T, s *sqlite.Store) *sqlite.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "headgate.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(s.Info().Path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return started(t, sqlite.Options{Path: path})
}
