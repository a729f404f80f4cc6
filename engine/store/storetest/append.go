package storetest

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func appendChecks() []check {
	return []check{
		{"an appended event is read back whole, its body apart", readBack},
		{"an appended event is there after a restart", survivesRestart},
		{"an event gets an id that grows and a state of its own", idsGrow},
		{"ignored and quarantined events are recorded and start nothing", ignoredStartNothing},
		{"large, empty and binary bodies come back byte by byte", bodies},
	}
}

func readBack(s *suite) {
	a := arrival("order.created")
	a.Event.Index, a.Event.Cause, a.Event.Depth, a.Event.Reason = 3, "run-1", 2, "because"
	a.Event.Received = s.clock.now().Add(-7*time.Millisecond - 13*time.Nanosecond)
	a.Event.Source = event.Emitted
	r := s.append(a)[0]
	want := a.Event
	want.ID, want.BodySize, want.BodyCRC = r.ID, len(want.Body), crc32.Checksum(want.Body, crc32.MakeTable(crc32.Castagnoli))
	want.Body = nil
	same(s, "Event", s.event(r.ID), want)
	page, err := s.store.Events(s.Context(), store.EventQuery{})
	wants(s, "Events", err, nil)
	same(s, "Events", page.Events, []event.Event{want})
	body, err := s.store.Body(s.Context(), r.ID)
	if err != nil || !bytes.Equal(body, a.Event.Body) {
		s.Errorf("Body gave %q, %v, want %q", body, err, a.Event.Body)
	}
	want.Body = a.Event.Body
	c := s.claimOne(run.RouteGate, run.LaneLive)
	same(s, "claimed event", c.Event, want)
	if c.Run != nil || c.Steps != nil || c.Reclaimed || c.Corrupt {
		s.Errorf("a route task came with run %v, steps %v, reclaimed %t, corrupt %t", c.Run, c.Steps, c.Reclaimed, c.Corrupt)
	}
	same(s, "claimed task", c.Task, run.Task{
		ID: c.Task.ID, Kind: run.TaskRoute, Event: r.ID, Cause: run.Cause{Kind: run.Live}, Gate: run.RouteGate, Lane: run.LaneLive,
		Due: s.clock.now(), Token: c.Task.Token,
	})
}

func survivesRestart(s *suite) {
	before := s.append(arrival("one"), arrival("two"))
	s.restart()
	for i, r := range before {
		if got, want := s.event(r.ID).Name, []string{"one", "two"}[i]; got != want {
			s.Errorf("event %d is named %q after the restart, want %q", i, got, want)
		}
	}
	if got := len(s.claim(run.RouteGate, run.LaneLive, 10, time.Minute)); got != 2 {
		s.Errorf("%d route tasks after the restart, want 2", got)
	}
	after := s.append(arrival("three"))[0].ID
	if after <= before[1].ID {
		s.Errorf("id %s after the restart does not follow %s", after, before[1].ID)
	}
}

func idsGrow(s *suite) {
	var last event.ID
	for i := range 300 {
		if i == 100 {
			s.clock.advance(time.Second)
		}
		for _, r := range s.append(arrival("a"), arrival("b")) {
			if r.ID <= last {
				s.Fatalf("id %s after %s", r.ID, last)
			}
			if r.State != event.Accepted || r.Duplicate || r.Mismatch {
				s.Fatalf("receipt %+v, want a fresh accepted one", r)
			}
			last = r.ID
		}
	}
	if got, want := last.Time(), s.clock.now().Truncate(time.Millisecond); !got.Equal(want) {
		s.Errorf("the last id says %s, want %s", got, want)
	}
	var mu sync.Mutex
	seen := map[event.ID]bool{}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 10 {
				receipts, err := s.store.Append(s.Context(), []store.Arrival{arrival("x")})
				if err != nil {
					s.Errorf("Append: %v", err)
					return
				}
				mu.Lock()
				if seen[receipts[0].ID] {
					s.Errorf("id %s was given twice", receipts[0].ID)
				}
				seen[receipts[0].ID] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func ignoredStartNothing(s *suite) {
	ignored, quarantined := arrival("ping"), arrival("odd")
	ignored.Event.State, ignored.Event.Reason, ignored.Route = event.Ignored, "ignore_list", false
	quarantined.Event.State, quarantined.Event.Reason, quarantined.Route = event.Quarantined, "schema", false
	receipts := s.append(ignored, quarantined)
	for i, want := range []event.State{event.Ignored, event.Quarantined} {
		if receipts[i].State != want || s.event(receipts[i].ID).State != want {
			s.Errorf("receipt %+v and event %s, want both %s", receipts[i], s.event(receipts[i].ID).State, want)
		}
	}
	if d := s.due(); len(d.Work) != 0 {
		s.Errorf("work %v, want none", d.Work)
	}
	same(s, "ledger", s.ledger().Requests, store.RequestTerms{Recorded: 2, Ignored: 1, Quarantined: 1})
}

func bodies(s *suite) {
	large := make([]byte, 3<<20+17)
	for i := range large {
		large[i] = byte(i * 7)
	}
	for i, body := range [][]byte{nil, {}, {0}, []byte("\x00\xff\n'\""), large, bytes.Repeat([]byte("x"), 4096)} {
		a := arrival(fmt.Sprint("b", i))
		a.Event.Body = body
		id := s.append(a)[0].ID
		got, err := s.store.Body(s.Context(), id)
		if err != nil || !bytes.Equal(got, body) {
			s.Errorf("body %d of %d bytes came back as %d bytes, %v", i, len(body), len(got), err)
		}
		if e := s.event(id); e.BodySize != len(body) {
			s.Errorf("body %d: size %d, want %d", i, e.BodySize, len(body))
		}
	}
}

func corruptBody(s *suite) {
	id := s.append(arrival("a"), arrival("b"))[0].ID
	s.o.Corrupt(s.T, s.store, id)
	if body, err := s.store.Body(s.Context(), id); body != nil {
		s.Errorf("Body gave %q, %v", body, err)
	} else {
		wants(s, "Body", err, store.ErrCorrupt)
	}
	claimed := s.claim(run.RouteGate, run.LaneLive, 10, time.Minute)
	if len(claimed) != 2 {
		s.Fatalf("%d tasks claimed, want 2", len(claimed))
	}
	if !claimed[0].Corrupt || claimed[0].Event.Body != nil || claimed[0].Event.ID != id {
		s.Errorf("the damaged event was handed out with corrupt %t and body %q", claimed[0].Corrupt, claimed[0].Event.Body)
	}
	if claimed[1].Corrupt || claimed[1].Event.Body == nil {
		s.Errorf("its neighbour was handed out with corrupt %t and body %q", claimed[1].Corrupt, claimed[1].Event.Body)
	}
}
