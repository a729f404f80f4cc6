package job_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/job"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func TestAPlanCountsWhatItIsMadeOfAndDoesNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.parked(3, "orders", "retries_spent")
		w.parked(2, "orders", "destination_disabled")
		gone := w.parked(1, "gone", "no_pipeline")
		s, stop := w.service()
		defer stop()
		got, err := s.Plan(t.Context(), store.Job{Kind: store.JobRetry, Rate: 2})
		if err != nil {
			t.Fatal(err)
		}
		want := []job.Part{
			{Pipeline: "orders", Reason: "retries_spent", Count: 3},
			{Pipeline: "orders", Reason: "destination_disabled", Count: 2},
			{Pipeline: "gone", Reason: "no_pipeline", Count: 1},
		}
		if got.Count != 6 || got.More || got.Took != 3*time.Second || !reflect.DeepEqual(got.Parts, want) {
			t.Errorf("got %+v, want 6 in 3 s of %+v", got, want)
		}
		got, err = s.Plan(t.Context(), store.Job{Kind: store.JobDrop, Runs: store.RunQuery{Reason: "destination_disabled"}})
		if err != nil || got.Count != 2 {
			t.Errorf("by reason: got %d, %v, want 2", got.Count, err)
		}
		got, err = s.Plan(t.Context(), store.Job{Kind: store.JobDrop, IDs: []string{gone[0].String(), run.NewID(9, "x", run.Cause{}).String()}})
		if err != nil || got.Count != 1 || got.Missing != 1 {
			t.Errorf("by id: got %d and %d missing, %v, want one each", got.Count, got.Missing, err)
		}
		if w.store.writes != 0 {
			t.Errorf("planning wrote %d times", w.store.writes)
		}
	})
}

func TestAPlanOfAReplaySaysWhatWouldStart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.events(2, "made")
		w.events(1, "other")
		s, stop := w.service()
		defer stop()
		got, err := s.Plan(t.Context(), store.Job{Kind: store.JobReplay, Events: store.EventQuery{Provider: "acme"}})
		if err != nil {
			t.Fatal(err)
		}
		want := []job.Part{
			{Provider: "acme", Event: "made", Starts: []string{"orders"}, Count: 2}, {Provider: "acme", Event: "other", Count: 1},
		}
		if got.Count != 3 || !reflect.DeepEqual(got.Parts, want) {
			t.Errorf("got %+v, want 3 of %+v", got, want)
		}
		got, err = s.Plan(t.Context(), store.Job{Kind: store.JobReplay, Pipelines: []string{"mails"}, Events: store.EventQuery{Name: "made"}})
		if err != nil || len(got.Parts) != 1 || len(got.Parts[0].Starts) != 0 {
			t.Errorf("of another pipeline: got %+v, %v, want nothing that starts", got.Parts, err)
		}
	})
}

func TestAPlanOfManyKindsIsBounded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		for i := range 300 {
			w.events(1, "kind-"+string(rune('a'+i%26))+string(rune('a'+i/26)))
		}
		s, stop := w.service()
		defer stop()
		got, err := s.Plan(t.Context(), store.Job{Kind: store.JobReplay})
		if err != nil || got.Count != 300 || len(got.Parts) != 201 || got.Parts[0].Provider != "other" || got.Parts[0].Count != 100 {
			t.Errorf("got %d in %d parts, %v, want 300 in 200 and one for the rest", got.Count, len(got.Parts), err)
		}
	})
}

func TestADuplicateOpensTheParkedRunsOfItsEvent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		runs := w.parked(2, "orders", "retries_spent")
		s, stop := w.service()
		defer stop()
		if n, err := s.Redeliver(t.Context(), runs[0].Event, "req-1"); n != 1 || err != nil {
			t.Errorf("got %d, %v, want one opened", n, err)
		}
		if n, err := s.Redeliver(t.Context(), runs[0].Event, "req-2"); n != 0 || err != nil {
			t.Errorf("again: got %d, %v, want none", n, err)
		}
		other, err := w.store.Run(t.Context(), runs[1])
		if err != nil || other.Run.State != run.Parked {
			t.Errorf("the run of another event: got %s, %v, want parked", other.Run.State, err)
		}
		page, err := w.store.Audit(t.Context(), store.AuditQuery{Action: store.ActionRetry})
		if err != nil || len(page.Entries) != 1 || page.Entries[0].By != (store.By{Who: "redeliver", Request: "req-1"}) {
			t.Errorf("audit: got %+v, %v, want one of redeliver with its request", page.Entries, err)
		}
		w.store.refuse(store.ErrUnavailable)
		if n, err := s.Redeliver(t.Context(), runs[1].Event, "req-3"); n != 0 || err == nil {
			t.Errorf("a store that takes no writes: got %d, %v, want an error", n, err)
		}
		w.store.heal()
	})
}
