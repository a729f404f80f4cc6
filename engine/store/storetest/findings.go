package storetest

import (
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func findingChecks() []check {
	return []check{
		{"findings that an event arrives with are read wherever the event is", findingsArrive},
		{"a settlement writes the event's findings, with the rest or not at all", findingsSettle},
		{"findings go with their event", findingsPruned},
	}
}

func findings(rule string) []event.Finding {
	return []event.Finding{{Path: "issue.number", Rule: rule, Message: "got string, want number"}, {Rule: "required"}}
}

func findingsArrive(s *suite) {
	a, plain := arrival("order"), arrival("plain")
	a.Event.State, a.Route, a.Event.Findings = event.Quarantined, false, findings("type")
	ids := s.append(a, plain)
	same(s, "the event's findings", s.event(ids[0].ID).Findings, findings("type"))
	same(s, "the findings of an event without any", s.event(ids[1].ID).Findings, nil)
	page, err := s.store.Events(s.Context(), store.EventQuery{})
	if err != nil || len(page.Events) != 2 {
		s.Fatalf("Events gave %d events, %v, want 2", len(page.Events), err)
	}
	same(s, "the listed event's findings", page.Events[1].Findings, findings("type"))
	s.restart()
	same(s, "the event's findings after a restart", s.event(ids[0].ID).Findings, findings("type"))
}

func findingsSettle(s *suite) {
	id := s.append(arrival("order"))[0].ID
	c := s.claimOne(run.RouteGate, run.LaneLive)
	stale := c.Held()
	stale.Token--
	wants(s, "settling with a stale token", s.settle(store.Settlement{Held: stale, Routed: true, Findings: findings("stale")}), store.ErrFenced)
	same(s, "findings after a refused settlement", s.event(id).Findings, nil)
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, Findings: findings("type")})
	same(s, "findings after the settlement", s.event(id).Findings, findings("type"))

	if _, err := s.store.Replay(s.Context(), store.ReplayAsk{Request: "again", Events: []event.ID{id}}); err != nil {
		s.Fatalf("Replay: %v", err)
	}
	c = s.claimOne(run.RouteGate, run.LaneReplay)
	same(s, "findings of the claimed event", c.Event.Findings, findings("type"))
	s.mustSettle(store.Settlement{Held: c.Held(), Then: store.Then{Again: true}})
	same(s, "findings after a settlement without any", s.event(id).Findings, findings("type"))
	s.mustSettle(store.Settlement{Held: s.claimOne(run.RouteGate, run.LaneReplay).Held(), Findings: findings("format")})
	same(s, "findings after a settlement with others", s.event(id).Findings, findings("format"))
}

func findingsPruned(s *suite) {
	a := arrival("order")
	a.Event.State, a.Route, a.Event.Findings = event.Quarantined, false, findings("type")
	id := s.append(a)[0].ID
	s.clock.advance(time.Hour)
	if done, err := s.store.Prune(s.Context(), store.Policy{Events: time.Minute}, 10); err != nil || done.Events != 1 {
		s.Fatalf("Prune gave %+v, %v, want one event", done, err)
	}
	_, err := s.store.Event(s.Context(), id)
	wants(s, "reading the pruned event", err, store.ErrNotFound)
}
