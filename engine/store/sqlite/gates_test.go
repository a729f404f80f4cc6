package sqlite_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// crowd puts n tasks at a gate, a third of them due later, as if they had come one by one.
func crowd(t testing.TB, s *sqlite.Store, gate string, n int) {
	t.Helper()
	now := time.Now()
	if err := s.SetGate(t.Context(), store.Gate{Name: gate, State: store.GateOpen}, store.By{}); err != nil { // so that it has a number
		t.Fatal(err)
	}
	if err := s.Exec(t.Context(), `WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < ?)
		INSERT INTO tasks (event, run, queue, stage, due, kind, path, n, lost, back, first, claimed, cause, ref)
		SELECT i, 0, (SELECT id FROM names WHERE name = ?) * 4, 0, ? + i * 1000 + CASE WHEN i % 3 = 0 THEN 3600000000000 ELSE 0 END,
			1, 'Tell', 0, 0, 0, 0, 0, 1, '' FROM k`, n, gate, now.Add(-time.Minute).UnixNano()); err != nil {
		t.Fatal(err)
	}
}

// fastest gives the least of many times: what the machine does beside it does not count.
func fastest(n int, f func()) time.Duration {
	least := time.Hour
	for range n {
		started := time.Now()
		f()
		least = min(least, time.Since(started))
	}
	return least
}

// TestTasksBehindAClosedGateCostNothing has very many tasks behind gates that are closed in every way, and asks what is due and for tasks.
func TestTasksBehindAClosedGateCostNothing(t *testing.T) {
	t.Parallel()
	n := crowded
	if testing.Short() {
		n = min(n, 100_000)
	}
	s := started(t, sqlite.Options{})
	crowd(t, s, "far", n)
	crowd(t, s, "near", 2)
	due := func(gates ...string) {
		t.Helper()
		d, err := s.Due(t.Context())
		var got []string
		for _, w := range d.Work {
			got = append(got, w.Gate)
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(gates) {
			t.Errorf("due are %v, %v, want %v", got, err, gates)
		}
	}
	claim := func() {
		t.Helper()
		if claimed := claimAt(t, s, "far", 100); len(claimed) != 0 {
			t.Errorf("%d tasks passed the gate", len(claimed))
		}
	}
	set := func(g store.Gate) {
		t.Helper()
		have, err := s.Gate(t.Context(), "far")
		if err != nil {
			t.Fatal(err)
		}
		g.Name, g.Version = "far", have.Version
		if err := s.SetGate(t.Context(), g, store.By{}); err != nil {
			t.Fatal(err)
		}
	}
	due("far", "near")
	trip := store.Settlement{Held: claimAt(t, s, "near", 1)[0].Held(), Trip: &store.Trip{Gate: "far", Open: true, In: time.Hour, Trips: 1}}
	trip.Then = store.Then{Again: true}
	for _, c := range []struct {
		what  string
		close func()
	}{
		{"paused", func() { set(store.Gate{State: store.GatePaused}) }},
		{"paused for an hour", func() { set(store.Gate{State: store.GatePaused, For: time.Hour}) }},
		{"with an open breaker", func() { set(store.Gate{State: store.GateOpen}); settleAll(t, s, trip) }},
	} {
		c.close()
		due("near")
		claim()
		took := fastest(lookings, func() { due("near") })
		if took > closedGateTakes {
			t.Errorf("%s: with %d tasks behind the gate Due takes %s, want less than %s", c.what, n, took, closedGateTakes)
		}
		t.Logf("%s: with %d tasks behind the gate Due takes %s, Claim %s", c.what, n, took, fastest(lookings, claim))
		if took := fastest(lookings, claim); took > closedGateTakes {
			t.Errorf("%s: with %d tasks behind the gate Claim takes %s, want less than %s", c.what, n, took, closedGateTakes)
		}
	}
	if views, err := s.Gates(t.Context()); err != nil || views[0].Name != "far" || views[0].Waiting != min(n, store.MaxWaiting) {
		t.Errorf("the gates are %+v, %v", views, err)
	}
}

// TestReadersOfQueuesAndParkedRunsScanNoTable asks SQLite how it finds what is due, what waits, and runs of every filter that has an index.
func TestReadersOfQueuesAndParkedRunsScanNoTable(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	crowd(t, s, "g", 100)
	if _, err := s.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Gates(t.Context()); err != nil {
		t.Fatal(err)
	}
	plans, err := s.ReaderPlans()
	if err != nil || len(plans) < 5 {
		t.Fatalf("%d statements, %v", len(plans), err)
	}
	for sql, plan := range plans {
		for line := range strings.Lines(plan) {
			if strings.HasPrefix(line, "SCAN tasks") || strings.Contains(line, "TEMP B-TREE") {
				t.Errorf("%s\n%s", sql, plan)
			}
		}
	}
	for want, q := range map[string]store.RunQuery{
		"runs_unfinished":    {State: run.Parked},
		"parked_pipeline":    {State: run.Parked, Pipeline: "p"},
		"parked_destination": {State: run.Parked, Destination: "g"},
		"parked_reason":      {State: run.Parked, Reason: "why"},
		"replays_ref":        {Cause: run.Replay, Ref: "job", State: run.Parked},
	} {
		for _, ascending := range []bool{false, true} {
			q.Ascending = ascending
			before, err := s.ReaderPlans()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Runs(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			after, err := s.ReaderPlans()
			if err != nil {
				t.Fatal(err)
			}
			for sql, plan := range after {
				if before[sql] == "" && strings.Contains(sql, "runs r") && (!strings.Contains(plan, want+" ") || strings.Contains(plan, "TEMP B-TREE")) {
					t.Errorf("%+v is read by\n%s\n%s\nwant the index %s and no sorting", q, sql, plan, want)
				}
			}
		}
	}
}

// BenchmarkParked lists pages of a million parked runs.
func BenchmarkParked(b *testing.B) {
	s := benchStore(b)
	for _, name := range []string{"common", "rare", "rev"} {
		if err := s.SetGate(b.Context(), store.Gate{Name: name, State: store.GateOpen}, store.By{}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Exec(b.Context(), `WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 1000000),
		n (common, rare, rev) AS (SELECT (SELECT id FROM names WHERE name = 'common'), (SELECT id FROM names WHERE name = 'rare'),
			(SELECT id FROM names WHERE name = 'rev'))
		INSERT INTO runs (id, event, key, pipeline, revision, state, outcome, version, round, now, created, finished, additions, reason, message,
			info, destination)
		SELECT i, i, i * 7919, CASE WHEN i % 50000 = 0 THEN rare ELSE common END, rev, 2, 0, 2, 0, i, 1000 * i, i, 2,
			CASE WHEN i % 50000 = 0 THEN 'rare' ELSE 'retries_spent' END, 'the receiver answered 503 ten times',
			'{"cause":{"kind":"live"},"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}',
			CASE WHEN i % 50000 = 0 THEN rare ELSE common END FROM k, n`); err != nil {
		b.Fatal(err)
	}
	if err := s.Exec(b.Context(), "INSERT INTO parked (run, pipeline, destination, reason) SELECT id, pipeline, destination, reason FROM runs"); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		what string
		q    store.RunQuery
	}{
		{"all", store.RunQuery{}},
		{"ascending", store.RunQuery{Ascending: true}},
		{"pipeline", store.RunQuery{Pipeline: "rare"}},
		{"destination", store.RunQuery{Destination: "rare"}},
		{"reason", store.RunQuery{Reason: "rare"}},
		{"two-filters", store.RunQuery{Reason: "retries_spent", Destination: "rare"}},
		{"since-until", store.RunQuery{Since: time.Unix(0, 400_000_000), Until: time.Unix(0, 500_000_000)}},
		{"page-of-1000", store.RunQuery{Limit: 1000}},
	} {
		c.q.State = run.Parked
		b.Run(c.what, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Runs(b.Context(), c.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
