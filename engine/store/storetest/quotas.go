package storetest

import (
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func quotaChecks() []check {
	return []check{
		{"a period lets no more runs begin than its quota", quotaEdge},
		{"the next period has its own runs", quotaNextPeriod},
		{"a run that is there already, filtered or done uses up no quota", quotaUnused},
		{"a quota outlives a restart", quotaKept},
		{"quotas of other keys do not count", quotaKeys},
		{"a limited run has its steps, no tasks, and its place in the ledger", quotaLimited},
	}
}

func withQuota(pipeline string, limit int, per time.Duration) store.NewRun {
	return store.NewRun{Run: run.Run{Pipeline: pipeline}, Quota: &store.Quota{Key: pipeline, Max: limit, Per: per}}
}

// limited checks that a run is stored as limited for the reason given; "" wants it open.
func (s *suite) limited(what string, id run.ID, reason string) {
	s.Helper()
	r := s.record(id)
	switch {
	case reason == "" && (r.Run.State != run.Open || len(r.Tasks) == 0):
		s.Errorf("%s: run %+v with %d tasks, want it open", what, r.Run, len(r.Tasks))
	case reason != "" && (r.Run.State != run.Done || r.Run.Outcome != run.Limited || r.Run.Reason != reason || len(r.Tasks) != 0):
		s.Errorf("%s: run %+v with %d tasks, want it limited because of %s", what, r.Run, len(r.Tasks), reason)
	}
}

func quotaEdge(s *suite) {
	for i, reason := range []string{"", "", run.RateLimited, run.RateLimited} {
		s.limited(fmt.Sprint("run ", i), s.begin(withQuota("p", 2, 24*time.Hour)), reason)
	}
	same(s, "claimed", len(s.claim("@p", run.LaneLive, 10, time.Minute)), 2)
}

func quotaNextPeriod(s *suite) {
	// The suite begins at noon: the period of a day ends at midnight.
	s.limited("first", s.begin(withQuota("p", 1, 24*time.Hour)), "")
	s.clock.advance(12*time.Hour - time.Nanosecond)
	s.limited("before midnight", s.begin(withQuota("p", 1, 24*time.Hour)), run.RateLimited)
	s.clock.advance(time.Nanosecond)
	s.limited("at midnight", s.begin(withQuota("p", 1, 24*time.Hour)), "")
	s.limited("after midnight", s.begin(withQuota("p", 1, 24*time.Hour)), run.RateLimited)
	s.limited("with a higher bound", s.begin(withQuota("p", 2, 24*time.Hour)), "")
	s.limited("with an odd period", s.begin(withQuota("odd", 1, 7*time.Minute)), "")
	s.clock.advance(7 * time.Minute)
	s.limited("in the next", s.begin(withQuota("odd", 1, 7*time.Minute)), "")
	s.limited("without a period", s.begin(withQuota("ever", 1, 0)), "")
	s.clock.advance(10000 * time.Hour)
	s.limited("much later", s.begin(withQuota("ever", 1, 0)), run.RateLimited)
}

func quotaUnused(s *suite) {
	s.append(arrival("a"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	first := newRun(c.Event.ID, "p", hook("A", "g"))
	first.Quota, first.Holds = &store.Quota{Key: "p", Max: 2, Per: time.Hour}, []store.Hold{hold("h", 5)}
	filtered := newRun(c.Event.ID, "filtered")
	filtered.Run.State, filtered.Run.Outcome, filtered.Quota = run.Done, run.Filtered, first.Quota
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, Then: store.Then{Again: true}, NewRuns: []store.NewRun{first, filtered, first}})
	c = s.claimOne(run.RouteGate, run.LaneLive)
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{first}})
	s.limited("the first", first.Run.ID, "")
	if r := s.record(filtered.Run.ID).Run; r.Outcome != run.Filtered || r.Reason != "" {
		s.Errorf("the filtered run is %+v", r)
	}
	s.limited("the second", s.begin(withQuota("p", 2, time.Hour)), "")
	s.limited("the third", s.begin(withQuota("p", 2, time.Hour)), run.RateLimited)
	same(s, "ledger", s.ledger().Runs, map[string]store.RunTerms{"p": {Made: 3, Open: 2, Limited: 1}, "filtered": {Made: 1, Filtered: 1}})
}

func quotaKept(s *suite) {
	s.limited("the first", s.begin(withQuota("p", 2, time.Hour)), "")
	s.restart()
	s.prune(time.Minute, 10)
	s.limited("the second", s.begin(withQuota("p", 2, time.Hour)), "")
	s.limited("the third", s.begin(withQuota("p", 2, time.Hour)), run.RateLimited)
	s.clock.advance(2 * time.Hour)
	s.prune(time.Minute, 10)
	s.limited("two hours later", s.begin(withQuota("p", 1, time.Hour)), "")
}

func quotaKeys(s *suite) {
	for _, pipeline := range []string{"p", "q"} {
		s.limited(pipeline, s.begin(withQuota(pipeline, 1, time.Hour)), "")
		s.limited(pipeline+" again", s.begin(withQuota(pipeline, 1, time.Hour)), run.RateLimited)
	}
	s.limited("none", s.begin(withQuota("none", 0, time.Hour)), run.RateLimited)
}

func quotaLimited(s *suite) {
	id := s.begin(withQuota("p", 0, time.Hour))
	r := s.record(id)
	want := newRun(id.Event, "p").Run
	want.State, want.Outcome, want.Reason = run.Done, run.Limited, run.RateLimited
	want.Created, want.Finished = s.clock.now(), s.clock.now()
	same(s, "run", r.Run, want)
	same(s, "steps", r.Steps, []run.Step{step("Opened", run.StepDone)})
	same(s, "ledger", s.ledger().Runs, map[string]store.RunTerms{"p": {Made: 1, Limited: 1}})
	page, err := s.store.Runs(s.Context(), store.RunQuery{Outcome: run.Limited})
	if err != nil || len(page.Runs) != 1 || page.Runs[0].ID != id {
		s.Errorf("limited runs are %+v, %v, want %s", page.Runs, err, id)
	}
	same(s, "due", s.due(), store.Due{Next: -1})
}
