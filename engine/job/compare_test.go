package job_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/job"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func step(path, kind, branch, output string) run.Step {
	return run.Step{Path: path, Node: path, Type: kind, State: run.StepDone, Branch: branch, Output: json.RawMessage(output)}
}

func record(outcome run.Outcome, steps ...run.Step) store.RunRecord {
	return store.RunRecord{Run: run.Run{State: run.Done, Outcome: outcome}, Steps: steps}
}

func TestCompareTellsWhatWentAnotherWay(t *testing.T) {
	t.Parallel()
	failed := step("Tell", "hook", "", "")
	failed.State, failed.Failure = run.StepFailed, &run.Failure{Code: "http_500"}
	parked := record("", failed)
	parked.Run.State, parked.Run.Reason = run.Parked, "retries_spent"
	for _, row := range []struct {
		name            string
		first, replayed store.RunRecord
		want            []job.Difference
	}{
		{"the same", record(run.Completed, step("A", "code", "", `{"a":1,"b":2}`)), record(run.Completed, step("A", "code", "", `{ "b": 2, "a": 1 }`)), nil},
		{
			"a branch", record(run.Completed, step("Big", "condition", "true", "")), record(run.Completed, step("Big", "condition", "false", "")),
			[]job.Difference{{Path: "Big", What: "branch", First: "true", Replayed: "false"}},
		},
		{
			"an output, exactly", record(run.Completed, step("A", "code", "", `9007199254740993`)), record(run.Completed, step("A", "code", "", `9007199254740992`)),
			[]job.Difference{{Path: "A", What: "output", First: "9007199254740993", Replayed: "9007199254740992"}},
		},
		{
			"a step that is new", record(run.Completed), record(run.Completed, step("A", "code", "", `1`)),
			[]job.Difference{{Path: "A", What: "state", Replayed: "done"}},
		},
		{
			"of a hook the status alone", record(run.Completed, step("Tell", "hook", "", `{"status":200,"body":"at 12:00"}`)),
			record(run.Completed, step("Tell", "hook", "", `{"status":200,"body":"at 12:01"}`)), nil,
		},
		{
			"a hook that is mended", parked, record(run.Completed, step("Tell", "hook", "", `{"status":204}`)),
			[]job.Difference{
				{What: "outcome", First: "parked retries_spent", Replayed: "done completed"},
				{Path: "Tell", What: "state", First: "failed", Replayed: "done"},
				{Path: "Tell", What: "failure", First: "http_500"},
				{Path: "Tell", What: "status", Replayed: "204"},
			},
		},
	} {
		got, more := job.Compare(row.first, row.replayed, nil)
		if !reflect.DeepEqual(got, row.want) || more {
			t.Errorf("%s: got %+v, want %+v", row.name, got, row.want)
		}
	}
}

func TestCompareIsBounded(t *testing.T) {
	t.Parallel()
	var steps []run.Step
	for i := range 100 {
		steps = append(steps, step(fmt.Sprintf("%03d", i), "code", "", `"x"`))
	}
	got, more := job.Compare(record(run.Completed), record(run.Completed, steps...), nil)
	if len(got) != job.MaxDifferences || !more || got[0].Path != "000" {
		t.Errorf("got %d, more %v, beginning with %s", len(got), more, got[0].Path)
	}
}

// ended settles the route task of a replayed event: its run is done at once, with a step.
func (w *world) ended(branch string) {
	w.t.Helper()
	claimed, err := w.store.Claim(w.t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneReplay, Max: 1, Lease: time.Minute})
	if err != nil || len(claimed) != 1 {
		w.t.Fatalf("claiming a replay: got %d, %v", len(claimed), err)
	}
	task := claimed[0].Task
	id := run.NewID(task.Event, "orders", task.Cause)
	errs, err := w.store.Settle(w.t.Context(), []store.Settlement{{Held: claimed[0].Held(), NewRuns: []store.NewRun{{
		Run: run.Run{
			ID: id, Event: task.Event, Pipeline: "orders", Revision: "r2", Cause: task.Cause, State: run.Done, Outcome: run.Completed,
		},
		Steps: []run.Step{step("Big", "condition", branch, "")},
	}}}})
	if err := errors.Join(append(errs, err)...); err != nil {
		w.t.Fatal(err)
	}
}

func TestOutcomesHoldAReplayAgainstTheFirstRuns(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		runs := w.parked(2, "orders", "retries_spent")
		fresh := w.events(1, "made")
		w.events(1, "other")
		s, stop := w.service()
		defer stop()
		j := w.begin(s, store.Job{Kind: store.JobReplay, Rate: 100, Events: store.EventQuery{Provider: "acme"}})
		w.await(j.ID)
		page, err := s.Outcomes(t.Context(), j.ID, "", 0)
		if err != nil || len(page.Outcomes) != 3 || page.Next != "" {
			t.Fatalf("got %+v, %v, want the three events that start something", page, err)
		}
		for _, o := range page.Outcomes {
			if o.Verdict != job.Pending || o.Pipeline != "orders" {
				t.Errorf("before they are routed: got %s of %s, want pending of orders", o.Verdict, o.Pipeline)
			}
		}
		w.ended("true")
		w.ended("true")
		w.ended("true")
		page, err = s.Outcomes(t.Context(), j.ID, "", 2)
		if err != nil || len(page.Outcomes) != 2 || page.Next == "" {
			t.Fatalf("got %+v, %v, want two and more", page, err)
		}
		o := page.Outcomes[0]
		if o.Verdict != job.Differs || o.Event != runs[0].Event || o.First == nil || o.First.Run != runs[0] || o.Replayed == nil || len(o.Differences) != 2 {
			t.Errorf("got %+v, want it to differ from %s in outcome and step", o, runs[0])
		}
		page, err = s.Outcomes(t.Context(), j.ID, page.Next, 2)
		if err != nil || len(page.Outcomes) != 1 || page.Outcomes[0].Event != fresh[0] || page.Outcomes[0].Verdict != job.Added {
			t.Errorf("got %+v, %v, want the event without a first run", page, err)
		}
		retry := w.begin(s, store.Job{Kind: store.JobRetry, IDs: []string{runs[0].String()}})
		if _, err := s.Outcomes(t.Context(), retry.ID, "", 0); fault.Of(err) != fault.Invalid {
			t.Errorf("of a retry: got %v, want it refused", err)
		}
		if _, err := s.Outcomes(t.Context(), "nothing", "", 0); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of no job: got %v, want not found", err)
		}
	})
}

func TestEventsWithoutTheirBodyAreRefusedAndNotAwaited(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		runs := w.parked(2, "orders", "retries_spent")
		for _, id := range runs {
			if err := w.store.Drop(t.Context(), store.DropAsk{Request: "x", Run: id}); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(2 * time.Hour)
		if p, err := w.store.Prune(t.Context(), store.Policy{Bodies: time.Hour}, 100); err != nil || p.Bodies != 2 {
			t.Fatalf("pruning: got %+v, %v, want two bodies", p, err)
		}
		fresh := w.parked(1, "orders", "retries_spent")
		s, stop := w.service()
		defer stop()
		j := w.await(w.begin(s, store.Job{Kind: store.JobReplay, Rate: 100, Events: store.EventQuery{Provider: "acme"}}).ID)
		if j.State != store.JobDone || j.Done != 1 || j.Failed != 2 || !strings.Contains(j.Message, "dropped by retention") {
			t.Errorf("got %s, %d done, %d failed: %q, want one done and two refused", j.State, j.Done, j.Failed, j.Message)
		}
		page, err := s.Outcomes(t.Context(), j.ID, "", 0)
		if err != nil || len(page.Outcomes) != 3 {
			t.Fatalf("got %+v, %v, want three", page, err)
		}
		for _, o := range page.Outcomes {
			want := job.Without
			if o.Event == fresh[0].Event {
				want = job.Pending
			}
			if o.Verdict != want {
				t.Errorf("event %s: got %s, want %s", o.Event, o.Verdict, want)
			}
		}
	})
}
