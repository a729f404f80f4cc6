package sqlite_test

import (
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// A bit that flips in the JSON of a record must not stop what is claimed with it.
func TestADamagedRecordIsHandedOutAsSuchAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	var ids []event.ID
	for range 3 {
		r, err := s.Append(t.Context(), []store.Arrival{{Event: event.Event{Provider: "p", Name: "e", Request: "abc", Body: []byte("{}")}, Route: true}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r[0].ID)
	}
	damage := func(sql string, args ...any) {
		t.Helper()
		if err := s.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	claim := func(gate string) []store.Claimed {
		t.Helper()
		claimed, err := s.Claim(t.Context(), store.Claim{Gate: gate, Lane: run.LaneLive, Max: 10, Lease: time.Minute})
		if err != nil || len(claimed) != 3 {
			t.Fatalf("at gate %q: claimed %d, %v; want 3", gate, len(claimed), err)
		}
		for i, c := range claimed {
			if c.Corrupt != (i == 0) || c.Corrupt && c.Event.Body != nil {
				t.Errorf("at gate %q: task %d: corrupt %v with %d bytes, want the first alone, without its body", gate, i, c.Corrupt, len(c.Event.Body))
			}
		}
		return claimed
	}

	damage("UPDATE bodies SET info = CAST('[' || substr(info, 2) AS BLOB) WHERE event = ?", int64(ids[0]))
	routes := claim(run.RouteGate)
	if e := routes[0].Event; e.Provider != "p" || e.Name != "e" {
		t.Errorf("of the damaged event came %q %q, want what can be read", e.Provider, e.Name)
	}
	for _, c := range routes {
		settleAll(t, s, store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{{
			Run:   run.Run{ID: run.NewID(c.Event.ID, "flow", run.Cause{Kind: run.Live}), Event: c.Event.ID, Pipeline: "flow", Revision: "r", Version: 1},
			Steps: []run.Step{{Path: "In", State: run.StepDone}},
			Tasks: []store.NewTask{{Kind: run.TaskStep, Path: "Tell", Gate: "ops", Lane: run.LaneLive}},
		}}})
	}
	damage("UPDATE bodies SET info = CAST('{' || substr(info, 2) AS BLOB) WHERE event = ?", int64(ids[0]))
	damage("UPDATE additions SET doc = CAST('[' || substr(doc, 2) AS BLOB) WHERE id = (SELECT min(id) FROM additions)")
	first := claim("ops")[0]
	settleAll(t, s, store.Settlement{Held: first.Held(), Run: &store.RunDelta{ID: first.Run.ID, Version: first.Run.Version, State: run.Parked, Reason: "corrupt"}})
	rec, err := s.Run(t.Context(), first.Run.ID)
	if err != nil || rec.Run.State != run.Parked || rec.Run.Message == "" {
		t.Errorf("the damaged run reads as %+v, %v; want it parked, with a word about the damage", rec.Run, err)
	}
	damage("UPDATE runs SET info = CAST('[' || substr(info, 2) AS BLOB)")
	if page, err := s.Runs(t.Context(), store.RunQuery{}); err != nil || len(page.Runs) != 3 {
		t.Errorf("the list has %d runs, %v; want all 3", len(page.Runs), err)
	}
	damage("UPDATE bodies SET info = X'00'")
	if page, err := s.Events(t.Context(), store.EventQuery{}); err != nil || len(page.Events) != 3 || page.Events[0].Reason == "" {
		t.Errorf("the list has %+v, %v; want all 3 events, with a word about the damage", page.Events, err)
	}
}

// Where an index or a row is damaged, what a task is about may not be found at all. An empty body is not what was received.
func TestATaskWhoseEventIsNotFoundIsDamaged(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	if _, err := s.Append(t.Context(), []store.Arrival{{Event: event.Event{Provider: "p", Name: "e", Body: []byte("{}")}, Route: true}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(t.Context(), "DELETE FROM bodies"); err != nil {
		t.Fatal(err)
	}
	claimed, err := s.Claim(t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1, Lease: time.Minute})
	if err != nil || len(claimed) != 1 || !claimed[0].Corrupt {
		t.Errorf("claimed %+v, %v; want the task as a damaged one", claimed, err)
	}
}
