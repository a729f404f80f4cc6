package storetest

import (
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func keptChecks() []check {
	return []check{
		{"a turn that is to be kept stays with a parked run until it is done", keptUntilDone},
		{"a turn that is kept is given back when the run is dropped", keptUntilDropped},
		{"a turn that is kept is given back when the run is pruned", keptUntilPruned},
		{"of several turns a parked run keeps those that say so", keptSome},
		{"a run that parks again still keeps its turn, and a restart changes nothing", keptAgain},
		{"a run parked before it had its turn keeps none", keptNone},
	}
}

func keep(key string) store.Hold { return store.Hold{Key: key, Max: 1, Keep: true} }

// parks claims the only run that has its turn and parks it.
func (s *suite) parks(what string, want run.ID) {
	s.Helper()
	c, got := s.claimRuns("p")
	same(s, what, got, []run.ID{want})
	s.ends(c[0], run.Parked)
}

func keptUntilDone(s *suite) {
	ids := s.beginAll(with("p", keep("lane")), with("p", keep("lane")), with("p", keep("other")))
	c, got := s.claimRuns("p")
	same(s, "the head of each", got, []run.ID{ids[0], ids[2]})
	s.ends(c[0], run.Parked)
	s.ends(c[1], run.Done)
	_, got = s.claimRuns("p")
	same(s, "behind a parked one", got, nil)
	same(s, "due", s.due(), store.Due{Next: -1})
	s.clock.advance(time.Hour)
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: ids[0]}), nil)
	again := s.claimOne("@p", run.LaneRetry)
	same(s, "the one tried again is not held", again.Task.Held, false)
	_, got = s.claimRuns("p")
	same(s, "while it is tried again", got, nil)
	s.goesOn(again, hook("A", "g"))
	same(s, "its tasks are not held", s.claimOne("g", run.LaneLive).Run.ID, ids[0])
	s.mustSettle(store.Settlement{
		Held: s.mustReclaim("g"), Run: &store.RunDelta{ID: ids[0], Version: s.record(ids[0]).Run.Version, State: run.Done},
	})
	c, got = s.claimRuns("p")
	same(s, "when it is done", got, ids[1:2])
	if !c[0].Task.Due.Equal(s.clock.now()) {
		s.Errorf("it is due since %s, want since it has its turn", c[0].Task.Due)
	}
}

// mustReclaim waits until the claims at a gate have run out and claims one again.
func (s *suite) mustReclaim(gate string) store.Held {
	s.Helper()
	s.clock.advance(2 * time.Minute)
	return s.claimOne(gate, run.LaneLive).Held()
}

func keptUntilDropped(s *suite) {
	ids := s.beginAll(with("p", keep("lane")), with("p", keep("lane")), with("p", keep("lane")))
	s.parks("the first", ids[0])
	wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "d", Run: ids[0]}), nil)
	s.parks("the second", ids[1])
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: ids[1]}), nil)
	s.ends(s.claimOne("@p", run.LaneRetry), run.Dropped)
	_, got := s.claimRuns("p")
	same(s, "the last", got, ids[2:])
}

func keptUntilPruned(s *suite) {
	ids := s.beginAll(with("p", keep("lane")), with("p", keep("lane")))
	s.parks("the first", ids[0])
	s.clock.advance(48 * time.Hour)
	if done, err := s.store.Prune(s.Context(), store.Policy{Parked: 24 * time.Hour}, 100); err != nil || done.Runs != 1 {
		s.Fatalf("pruned %+v, %v, want the parked run", done, err)
	}
	_, got := s.claimRuns("p")
	same(s, "the second", got, ids[1:])
}

func keptSome(s *suite) {
	holds := []store.Hold{hold("slots", 1), keep("lane"), {Key: "twice", Max: 1, Keep: true}, hold("twice", 1)}
	ids := s.beginAll(with("p", holds...), with("p", hold("slots", 1)), with("p", keep("lane")), with("p", hold("twice", 1)))
	s.parks("the first", ids[0])
	c, got := s.claimRuns("p")
	same(s, "who needs the slot alone", got, ids[1:2])
	s.ends(c[0], run.Done)
	wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "d", Run: ids[0]}), nil)
	_, got = s.claimRuns("p")
	same(s, "when it is dropped", got, ids[2:])
}

func keptAgain(s *suite) {
	ids := s.beginAll(with("p", keep("lane")), with("p", keep("lane")))
	s.parks("the first", ids[0])
	for _, request := range []string{"r1", "r2"} {
		s.restart()
		wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: request, Run: ids[0]}), nil)
		s.restart()
		s.ends(s.claimOne("@p", run.LaneRetry), run.Parked)
		_, got := s.claimRuns("p")
		same(s, "behind it after "+request, got, nil)
	}
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r3", Run: ids[0]}), nil)
	s.ends(s.claimOne("@p", run.LaneRetry), run.Done)
	_, got := s.claimRuns("p")
	same(s, "in the end", got, ids[1:])
}

func keptNone(s *suite) {
	ids := s.beginAll(with("p", keep("lane")), with("p", keep("mine"), keep("lane")), with("p", keep("mine")), with("p", keep("lane")))
	c, got := s.claimRuns("p")
	same(s, "the first", got, ids[:1])
	// The second, which waits for the lane and has its own turn, is parked by the task of another.
	s.append(arrival("x"))
	route := s.claimOne(run.RouteGate, run.LaneLive)
	s.mustSettle(store.Settlement{Held: route.Held(), Run: &store.RunDelta{ID: ids[1], Version: 1, State: run.Parked, Reason: "no_pipeline"}})
	_, got = s.claimRuns("p")
	same(s, "behind what it had", got, nil)
	s.ends(c[0], run.Done)
	c, got = s.claimRuns("p")
	same(s, "behind what it had not", got, ids[3:])
	s.ends(c[0], run.Done)
	wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "d", Run: ids[1]}), nil)
	_, got = s.claimRuns("p")
	same(s, "when it is dropped", got, ids[2:3])
}
