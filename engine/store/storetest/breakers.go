package storetest

import (
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func breakerChecks() []check {
	return []check{
		{"a gate that is paused until a time opens by itself", pausedUntil},
		{"a pause for a time counts in the store's time", pausedFor},
		{"what is claimed at a gate when it is paused comes back when it opens", pausedLease},
		{"an open breaker keeps its tasks, and lets them be probed from its time on", breakerOpens},
		{"a breaker that opens again remembers since when", breakerTrips},
		{"a breaker closes with the settlement that says so", breakerCloses},
		{"a breaker outlives a restart, and its time goes on", breakerKept},
		{"a clock that jumps back closes nothing for longer and opens nothing early", breakerClock},
		{"a settlement's gate leaves the breaker alone, its trip the state", breakerApart},
		{"a refused settlement trips nothing", breakerRefused},
		{"a person may close a breaker, and leaves it alone otherwise", breakerReset},
		{"a disabled gate hands out its tasks though its breaker is open", breakerDisabled},
		{"a gate both paused and tripped opens when both times have come", breakerAndPause},
		{"all gates are told that are stored or waited at", gatesTold},
	}
}

// trip settles a task so that it is tried again in a minute, and trips its gate.
func (s *suite) trip(t store.Trip) {
	s.Helper()
	c := s.claimOne(t.Gate, run.LaneLive)
	s.mustSettle(store.Settlement{Held: c.Held(), Then: store.Then{Again: true, In: time.Minute, N: 1}, Trip: &t})
}

func (s *suite) gate(name string) store.Gate {
	s.Helper()
	g, err := s.store.Gate(s.Context(), name)
	wants(s, "Gate", err, nil)
	return g
}

func (s *suite) setGate(g store.Gate, by store.By) {
	s.Helper()
	g.Version = s.gate(g.Name).Version
	wants(s, "SetGate", s.store.SetGate(s.Context(), g, by), nil)
}

// shut wants nothing due and nothing to be had at a gate, and what Due says of when.
func (s *suite) shut(what, gate string, next time.Duration) {
	s.Helper()
	same(s, what+": due", s.due(), store.Due{Next: next})
	if n := len(s.claim(gate, run.LaneLive, 10, time.Minute)); n != 0 {
		s.Errorf("%s: %d tasks passed the gate", what, n)
	}
}

func pausedUntil(s *suite) {
	s.begun("p", hook("a", "g"))
	until := s.clock.now().Add(2 * time.Hour)
	s.setGate(store.Gate{Name: "g", State: store.GatePaused, Reason: "a person", Since: s.clock.now(), Until: until}, store.By{})
	s.shut("paused", "g", 2*time.Hour)
	s.clock.advance(2*time.Hour - 1)
	s.restart()
	s.shut("a nanosecond before", "g", 1)
	s.clock.advance(1)
	same(s, "the gate", s.gate("g"), store.Gate{Name: "g", State: store.GateOpen, Since: until, Breaker: store.Breaker{State: store.BreakerClosed}, Version: 1})
	same(s, "due", s.due(), store.Due{Work: []store.Work{{Gate: "g", Lane: run.LaneLive}}, Next: -1, Oldest: 2 * time.Hour})
	s.claimOne("g", run.LaneLive)
	s.setGate(store.Gate{Name: "g", State: store.GateOpen, Until: until}, store.By{})
	if g := s.gate("g"); !g.Until.IsZero() {
		s.Errorf("an open gate has an end: %+v", g)
	}
}

func pausedFor(s *suite) {
	s.begun("p", hook("a", "g"))
	s.clock.advance(-time.Hour) // the caller's clock says so from now on, the store's does not go back
	s.setGate(store.Gate{Name: "g", State: store.GatePaused, For: time.Minute}, store.By{})
	s.shut("paused", "g", time.Minute)
	if g := s.gate("g"); g.For != 0 || g.Until.IsZero() {
		s.Errorf("the gate is %+v, want a time at which it opens", g)
	}
	s.clock.advance(time.Hour + time.Minute)
	s.claimOne("g", run.LaneLive)
}

func pausedLease(s *suite) {
	s.begun("p", hook("a", "g"))
	s.claim("g", run.LaneLive, 1, 10*time.Second)
	s.setGate(store.Gate{Name: "g", State: store.GatePaused, For: time.Minute}, store.By{})
	same(s, "while it is claimed", s.due(), store.Due{Next: time.Minute})
	s.clock.advance(20 * time.Second)
	same(s, "when its lease has run out", s.due(), store.Due{Next: 40 * time.Second})
	s.shut("the same after a claim", "g", 40*time.Second)
	s.clock.advance(40 * time.Second)
	if c := s.claimOne("g", run.LaneLive); !c.Reclaimed || c.Task.N != 1 {
		s.Errorf("claimed %+v, want what was lost", c)
	}
}

func breakerOpens(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "g"), hook("c", "h"))
	opened := s.clock.now()
	s.trip(store.Trip{Gate: "g", Open: true, In: 90 * time.Second, Trips: 1})
	want := store.Gate{Name: "g", State: store.GateOpen, Version: 1, Breaker: store.Breaker{
		State: store.BreakerOpen, Trips: 1, Since: opened, Until: opened.Add(90 * time.Second),
	}}
	same(s, "the gate", s.gate("g"), want)
	same(s, "due", s.due(), store.Due{Work: []store.Work{{Gate: "h", Lane: run.LaneLive}}, Next: 90 * time.Second})
	s.clock.advance(time.Minute)
	if n := len(s.claim("g", run.LaneLive, 10, time.Minute)); n != 0 {
		s.Errorf("%d tasks passed an open breaker", n)
	}
	s.clock.advance(30 * time.Second)
	want.Breaker.State = store.BreakerHalfOpen
	same(s, "the gate when its time has come", s.gate("g"), want)
	same(s, "due then", s.due(), store.Due{
		Work: []store.Work{{Gate: "g", Lane: run.LaneLive, Probe: true}, {Gate: "h", Lane: run.LaneLive}}, Next: -1, Oldest: 90 * time.Second,
	})
	c := s.claimOne("g", run.LaneLive)
	if c.Task.Path != "b" || c.Task.N != 0 {
		s.Errorf("the probe is %+v, want b, charged no attempt", c.Task)
	}
	same(s, "what follows it", len(s.claim("g", run.LaneLive, 1, time.Minute)), 1)
}

func breakerTrips(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "g"), hook("c", "g"))
	opened := s.clock.now()
	s.trip(store.Trip{Gate: "g", Open: true, In: time.Minute, Trips: 1})
	s.clock.advance(2 * time.Minute)
	s.trip(store.Trip{Gate: "g", Open: true, In: 2 * time.Minute, Trips: 2})
	same(s, "the breaker", s.gate("g").Breaker, store.Breaker{
		State: store.BreakerOpen, Trips: 2, Since: opened, Until: opened.Add(4 * time.Minute),
	})
	s.clock.advance(5 * time.Minute)
	s.trip(store.Trip{Gate: "g"})
	same(s, "when it has closed", s.gate("g").Breaker, store.Breaker{State: store.BreakerClosed})
	again := s.clock.now()
	s.trip(store.Trip{Gate: "g", Open: true, In: time.Second, Trips: 1})
	same(s, "and opened anew", s.gate("g").Breaker, store.Breaker{State: store.BreakerOpen, Trips: 1, Since: again, Until: again.Add(time.Second)})
}

func breakerCloses(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "g"), hook("c", "g"))
	s.trip(store.Trip{Gate: "g"})
	same(s, "a breaker that was closed", s.gate("g"), store.Gate{Name: "g"})
	s.trip(store.Trip{Gate: "g", Open: true, In: time.Minute, Trips: 3})
	s.clock.advance(time.Minute)
	c := s.claimOne("g", run.LaneLive)
	s.mustSettle(store.Settlement{Held: c.Held(), Trip: &store.Trip{Gate: "g"}})
	same(s, "the gate", s.gate("g"), store.Gate{Name: "g", State: store.GateOpen, Breaker: store.Breaker{State: store.BreakerClosed}, Version: 2})
	same(s, "due", s.due().Work, []store.Work{{Gate: "g", Lane: run.LaneLive}})
}

func breakerKept(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "g"))
	s.trip(store.Trip{Gate: "g", Open: true, In: time.Minute, Trips: 4})
	before := s.gate("g")
	s.clock.advance(10 * time.Second)
	s.restart()
	same(s, "the gate", s.gate("g"), before)
	s.shut("after a restart", "g", 50*time.Second)
	s.clock.advance(50 * time.Second)
	s.restart()
	same(s, "due", s.due().Work, []store.Work{{Gate: "g", Lane: run.LaneLive, Probe: true}})
}

func breakerClock(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "g"))
	s.trip(store.Trip{Gate: "g", Open: true, In: time.Minute, Trips: 1})
	s.clock.advance(50 * time.Second)
	s.shut("before the jump", "g", 10*time.Second)
	s.clock.advance(-time.Hour)
	s.restart()
	s.shut("after the jump", "g", 10*time.Second)
	s.clock.advance(time.Hour + 10*time.Second)
	s.claimOne("g", run.LaneLive)
}

func breakerApart(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "g"), hook("c", "g"))
	s.trip(store.Trip{Gate: "g", Open: true, In: time.Minute, Trips: 1})
	breaker := s.gate("g").Breaker
	s.clock.advance(time.Minute)
	breaker.State = store.BreakerHalfOpen
	c := s.claim("g", run.LaneLive, 2, time.Minute)
	s.mustSettle(store.Settlement{Held: c[0].Held(), Gate: &store.Gate{Name: "g", State: store.GatePaused, Reason: "why"}})
	same(s, "after a settlement with a gate", s.gate("g"), store.Gate{
		Name: "g", State: store.GatePaused, Reason: "why", Breaker: breaker, Version: 2,
	})
	s.mustSettle(store.Settlement{Held: c[1].Held(), Trip: &store.Trip{Gate: "g"}})
	same(s, "after one with a trip", s.gate("g"), store.Gate{
		Name: "g", State: store.GatePaused, Reason: "why", Breaker: store.Breaker{State: store.BreakerClosed}, Version: 3,
	})
}

func breakerRefused(s *suite) {
	s.begun("p", hook("a", "g"))
	c := s.claimOne("g", run.LaneLive)
	h := c.Held()
	h.Token++
	wants(s, "a stale settlement", s.settle(store.Settlement{Held: h, Trip: &store.Trip{Gate: "g", Open: true, In: time.Minute}}), store.ErrFenced)
	same(s, "the gate", s.gate("g"), store.Gate{Name: "g"})
}

func breakerReset(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "g"))
	s.trip(store.Trip{Gate: "g", Open: true, In: time.Minute, Trips: 2})
	tripped := s.gate("g")
	wants(s, "a version before the trip", s.store.SetGate(s.Context(), store.Gate{Name: "g", State: store.GatePaused}, store.By{}), store.ErrMoved)
	for _, state := range []store.BreakerState{"", store.BreakerOpen, store.BreakerHalfOpen} {
		s.setGate(store.Gate{Name: "g", State: store.GateOpen, Breaker: store.Breaker{State: state}}, store.By{})
		same(s, fmt.Sprintf("the breaker after writing %q", state), s.gate("g").Breaker, tripped.Breaker)
	}
	s.setGate(store.Gate{Name: "g", State: store.GateOpen, Breaker: store.Breaker{State: store.BreakerClosed}}, store.By{})
	same(s, "the breaker after closing it", s.gate("g").Breaker, store.Breaker{State: store.BreakerClosed})
	s.claimOne("g", run.LaneLive)
}

func breakerDisabled(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "g"))
	s.trip(store.Trip{Gate: "g", Open: true, In: time.Hour, Trips: 2})
	s.setGate(store.Gate{Name: "g", State: store.GateDisabled}, store.By{})
	same(s, "due", s.due(), store.Due{Work: []store.Work{{Gate: "g", Lane: run.LaneLive, Disabled: true}}, Next: time.Minute})
	s.claimOne("g", run.LaneLive)
}

func breakerAndPause(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "g"))
	s.trip(store.Trip{Gate: "g", Open: true, In: 10 * time.Minute, Trips: 1})
	s.setGate(store.Gate{Name: "g", State: store.GatePaused, For: time.Minute}, store.By{})
	s.shut("both", "g", 10*time.Minute)
	s.clock.advance(2 * time.Minute)
	s.shut("the pause is over", "g", 8*time.Minute)
	s.setGate(store.Gate{Name: "g", State: store.GatePaused, For: time.Hour}, store.By{})
	s.shut("paused for longer", "g", time.Hour)
	s.clock.advance(30 * time.Minute)
	s.shut("the breaker is half open", "g", 30*time.Minute)
	s.setGate(store.Gate{Name: "g", State: store.GatePaused}, store.By{})
	s.shut("paused until somebody resumes it", "g", -1)
}

func gatesTold(s *suite) {
	gates := func() []store.GateView {
		s.Helper()
		got, err := s.store.Gates(s.Context())
		wants(s, "Gates", err, nil)
		return got
	}
	if got := gates(); len(got) != 0 {
		s.Errorf("a new store has gates: %+v", got)
	}
	made := s.clock.now()
	open := func(name string) store.Gate {
		return store.Gate{Name: name, State: store.GateOpen, Breaker: store.Breaker{State: store.BreakerClosed}}
	}
	late := hook("d", "later")
	late.In = time.Hour
	s.begun("p", hook("a", "g"), hook("b", "g"), ordered("c", "h", run.LaneLive, "k", 0), ordered("e", "h", run.LaneLive, "k", 0), late)
	s.begin(with("q", hold("slots", 1)))
	s.begin(with("q", hold("slots", 1)))
	s.setGate(store.Gate{Name: "quiet", State: store.GateDisabled, Reason: "410"}, store.By{})
	s.clock.advance(time.Second)
	quiet := open("quiet")
	quiet.State, quiet.Reason, quiet.Version = store.GateDisabled, "410", 1
	want := []store.GateView{
		{Gate: open("@q"), Waiting: 2, Oldest: made}, // one of them for its turn
		{Gate: open("g"), Waiting: 2, Oldest: made},
		{Gate: open("h"), Waiting: 2, Oldest: made}, // one of them behind the other
		{Gate: open("later"), Waiting: 1},
		{Gate: quiet},
	}
	same(s, "gates", gates(), want)
	s.claimOne("g", run.LaneLive)
	s.claimOne("h", run.LaneLive)
	want[1].Waiting, want[2].Waiting = 1, 1
	same(s, "with one of each claimed", gates(), want)
	s.trip(store.Trip{Gate: "g", Open: true, In: time.Minute, Trips: 1})
	got := gates()
	if g := got[1]; g.Breaker.State != store.BreakerOpen || g.Waiting != 1 || !g.Oldest.IsZero() {
		s.Errorf("a tripped gate is told as %+v", g)
	}
	s.clock.advance(time.Minute)
	if g := gates()[1]; g.Breaker.State != store.BreakerHalfOpen || !g.Oldest.Equal(made.Add(time.Second+time.Minute)) {
		s.Errorf("a gate with a half-open breaker is told as %+v", g)
	}
}
