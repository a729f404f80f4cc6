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
		{"a gate's version guards it", gateVersion},
	}
}

func gatePaused(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "h"), store.NewTask{Kind: run.TaskStep, Path: "c", Gate: "g", In: time.Second})
	gate := store.Gate{Name: "g", State: store.GatePaused, Reason: "a person", Since: s.clock.now()}
	wants(s, "SetGate", s.store.SetGate(s.Context(), gate), nil)
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
	wants(s, "SetGate", s.store.SetGate(s.Context(), gate), nil)
	if got := s.claimOne("g", run.LaneLive).Task.Path; got != "a" {
		s.Errorf("claimed %s, want a", got)
	}
}

func gateDisabled(s *suite) {
	s.begun("p", hook("a", "g"))
	wants(s, "SetGate", s.store.SetGate(s.Context(), store.Gate{Name: "g", State: store.GateDisabled}), nil)
	same(s, "due", s.due(), store.Due{Work: []store.Work{{Gate: "g", Lane: run.LaneLive, Disabled: true}}, Next: -1})
	s.claimOne("g", run.LaneLive)
}

func gateVersion(s *suite) {
	g, err := s.store.Gate(s.Context(), "g")
	wants(s, "Gate", err, nil)
	same(s, "a gate that was never set", g, store.Gate{Name: "g"})
	g.State, g.Reason, g.Since = store.GatePaused, "why", s.clock.now()
	wants(s, "the first SetGate", s.store.SetGate(s.Context(), g), nil)
	wants(s, "the same again", s.store.SetGate(s.Context(), g), store.ErrMoved)
	g.Version = 5
	wants(s, "a version of the future", s.store.SetGate(s.Context(), g), store.ErrMoved)
	g.Version = 1
	got, err := s.store.Gate(s.Context(), "g")
	wants(s, "Gate", err, nil)
	same(s, "gate", got, g)
	wants(s, "the next version", s.store.SetGate(s.Context(), g), nil)
}
