package storetest

import (
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func clockChecks() []check {
	return []check{
		{"a clock that jumps back reopens no delivery id and no lease", jumpBack},
		{"a clock that jumps back over a restart reopens nothing", jumpBackRestart},
	}
}

func jumpBack(s *suite) {
	first := s.append(delivered("x", "d"))[0]
	s.routed("p", hook("Tell", "chat"))
	c := s.claim("chat", run.LaneLive, 1, time.Minute)[0]
	for _, back := range []time.Duration{time.Second, time.Hour, 24 * time.Hour} {
		s.clock.advance(-back)
		if r := s.append(delivered("x", "d"))[0]; !r.Duplicate || r.ID != first.ID {
			s.Errorf("%v back: %+v, want a duplicate of %s", back, r, first.ID)
		}
		if got := len(s.claim("chat", run.LaneLive, 1, time.Minute)); got != 0 {
			s.Errorf("%v back: the task was handed out twice", back)
		}
		next := s.append(arrival("y"))[0].ID
		if next <= first.ID {
			s.Errorf("%v back: id %s after %s", back, next, first.ID)
		}
	}
	s.mustSettle(store.Settlement{Held: c.Held()})
}

func jumpBackRestart(s *suite) {
	s.clock.advance(10 * time.Second)
	first := s.append(delivered("x", "d"))[0]
	s.routed("p", store.NewTask{Kind: run.TaskStep, Path: "Later", Gate: "g", In: time.Minute})
	s.clock.advance(30 * time.Minute)
	s.append(arrival("y")) // the time is noted with a commit
	s.clock.advance(-24 * time.Hour)
	s.restart()
	r := s.append(delivered("x", "d"), arrival("z"))
	if !r[0].Duplicate || r[0].ID != first.ID {
		s.Errorf("a day back: %+v, want a duplicate of %s", r[0], first.ID)
	}
	if r[1].ID <= first.ID || r[1].ID.Time().Before(first.ID.Time().Add(29*time.Minute)) {
		s.Errorf("a day back: id %s (%s), want one of the time that was reached", r[1].ID, r[1].ID.Time())
	}
	s.claimOne("g", run.LaneLive) // it was due before the jump
	if r := s.append(delivered("x", "d"))[0]; !r.Duplicate {
		s.Errorf("the delivery id counts anew: %+v", r)
	}
}
