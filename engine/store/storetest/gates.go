package storetest

import (
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func gateChecks() []check {
	return []check{
		{"a paused gate keeps its tasks and is not told as due", gatePaused},
		{"a disabled gate hands out its tasks and says so", gateDisabled},
		{"what is parked behind a disabled gate is not where it is enabled", gateEnabled},
		{"a gate's version guards it", gateVersion},
	}
}

func gatePaused(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "h"), store.NewTask{Kind: run.TaskStep, Path: "c", Gate: "g", In: time.Second})
	gate := store.Gate{Name: "g", State: store.GatePaused, Reason: "a person", Since: s.clock.now()}
	wants(s, "SetGate", s.store.SetGate(s.Context(), gate, store.By{}), nil)
	s.clock.advance(100 * time.Millisecond)
	same(s, "due", s.due(), store.Due{Work: []store.Work{{Gate: "h", Lane: run.LaneLive}}, Next: -1, Oldest: 100 * time.Millisecond})
	if got := len(s.claim("g", run.LaneLive, 10, time.Minute)); got != 0 {
		s.Errorf("%d tasks passed a paused gate", got)
	}
	s.restart()
	if got := len(s.claim("g", run.LaneLive, 10, time.Minute)); got != 0 {
		s.Errorf("%d tasks passed a paused gate after a restart", got)
	}
	gate.State, gate.Version = store.GateOpen, 1
	wants(s, "SetGate", s.store.SetGate(s.Context(), gate, store.By{}), nil)
	if got := s.claimOne("g", run.LaneLive).Task.Path; got != "a" {
		s.Errorf("claimed %s, want a", got)
	}
}

func gateDisabled(s *suite) {
	s.begun("p", hook("a", "g"))
	wants(s, "SetGate", s.store.SetGate(s.Context(), store.Gate{Name: "g", State: store.GateDisabled}, store.By{}), nil)
	same(s, "due", s.due(), store.Due{Work: []store.Work{{Gate: "g", Lane: run.LaneLive, Disabled: true}}, Next: -1})
	s.claimOne("g", run.LaneLive)
}

func gateEnabled(s *suite) {
	id := s.begun("p", hook("a", "g"))
	wants(s, "SetGate", s.store.SetGate(s.Context(), store.Gate{Name: "g", State: store.GateDisabled}, store.By{}), nil)
	c := s.claimOne("g", run.LaneLive)
	park := store.Settlement{Held: c.Held(), Barred: "g", Run: &store.RunDelta{ID: id, Version: c.Run.Version, State: run.Parked, Reason: "why"}}
	wants(s, "SetGate", s.store.SetGate(s.Context(), store.Gate{Name: "g", State: store.GateOpen, Version: 1}, store.By{}), nil)
	wants(s, "parking behind an open gate", s.settle(park), store.ErrMoved)
	wants(s, "SetGate", s.store.SetGate(s.Context(), store.Gate{Name: "g", State: store.GateDisabled, Version: 2}, store.By{}), nil)
	wants(s, "parking behind a disabled gate", s.settle(park), nil)
}

func gateVersion(s *suite) {
	g, err := s.store.Gate(s.Context(), "g")
	wants(s, "Gate", err, nil)
	same(s, "a gate that was never set", g, store.Gate{Name: "g"})
	g.State, g.Reason, g.Since = store.GatePaused, "why", s.clock.now()
	wants(s, "the first SetGate", s.store.SetGate(s.Context(), g, store.By{}), nil)
	wants(s, "the same again", s.store.SetGate(s.Context(), g, store.By{}), store.ErrMoved)
	g.Version = 5
	wants(s, "a version of the future", s.store.SetGate(s.Context(), g, store.By{}), store.ErrMoved)
	g.Version = 1
	got, err := s.store.Gate(s.Context(), "g")
	wants(s, "Gate", err, nil)
	g.Breaker.State = store.BreakerClosed
	same(s, "gate", got, g)
	wants(s, "the next version", s.store.SetGate(s.Context(), g, store.By{}), nil)
}
