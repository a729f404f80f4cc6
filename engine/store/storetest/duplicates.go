package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func duplicateChecks() []check {
	return []check{
		{"a delivery id counts once, in one batch and over batches", oncePerDelivery},
		{"of a hundred at once with one delivery id one is first", hundredAtOnce},
		{"a delivery id used again for another body is told as a mismatch", mismatch},
		{"delivery ids are apart by provider", apartByProvider},
		{"no delivery id or no window de-duplicates nothing", noDeduplication},
		{"a delivery id counts anew after its window, and before it also after a restart", windowEnds},
		{"a duplicate says how many runs of the first one are parked", duplicateParked},
		{"a duplicate says the state that the first one was stored with", duplicateState},
	}
}

func oncePerDelivery(s *suite) {
	batch := s.append(delivered("a", "d1"), delivered("a", "d2"), delivered("a", "d1"))
	later := s.append(delivered("a", "d2"), delivered("a", "d1"), delivered("a", "d3"))
	for _, c := range []struct {
		what      string
		got       store.Receipt
		first     store.Receipt
		duplicate bool
	}{
		{"first d1", batch[0], batch[0], false},
		{"first d2", batch[1], batch[1], false},
		{"second d1 of the batch", batch[2], batch[0], true},
		{"d2 in a later batch", later[0], batch[1], true},
		{"d1 in a later batch", later[1], batch[0], true},
		{"d3 in a later batch", later[2], later[2], false},
	} {
		if c.got.ID != c.first.ID || c.got.Duplicate != c.duplicate || c.got.Mismatch {
			s.Errorf("%s: %+v, want id %s, duplicate %t", c.what, c.got, c.first.ID, c.duplicate)
		}
	}
	if got := s.event(batch[0].ID).Duplicates; got != 2 {
		s.Errorf("the first d1 counts %d duplicates, want 2", got)
	}
	if got := len(s.claim(run.RouteGate, run.LaneLive, 10, time.Minute)); got != 3 {
		s.Errorf("%d route tasks, want 3", got)
	}
	same(s, "ledger", s.ledger().Requests, store.RequestTerms{Recorded: 6, Processed: 3, Duplicate: 3})
}

func hundredAtOnce(s *suite) {
	for round := range 2 {
		var fresh, duplicates atomic.Int64
		var ids sync.Map
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				receipts, err := s.store.Append(s.Context(), []store.Arrival{delivered("push", "same")})
				if err != nil {
					s.Errorf("Append: %v", err)
					return
				}
				ids.Store(receipts[0].ID, true)
				if receipts[0].Duplicate {
					duplicates.Add(1)
				} else {
					fresh.Add(1)
				}
			})
		}
		wg.Wait()
		if got, want := fresh.Load(), int64(1-round); got != want {
			s.Errorf("round %d: %d processed, want %d", round, got, want)
		}
		if got, want := duplicates.Load(), int64(99+round); got != want {
			s.Errorf("round %d: %d duplicates, want %d", round, got, want)
		}
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		if n != 1 {
			s.Errorf("round %d: %d ids, want 1", round, n)
		}
		s.restart()
	}
	if got := len(s.claim(run.RouteGate, run.LaneLive, 10, time.Minute)); got != 1 {
		s.Errorf("%d route tasks, want 1", got)
	}
}

func mismatch(s *suite) {
	first := s.append(delivered("a", "d"))[0]
	other := delivered("a", "d")
	other.Event.Body = []byte(`{"name":"b"}`)
	got := s.append(other)[0]
	same(s, "receipt", got, store.Receipt{ID: first.ID, Duplicate: true, State: event.Accepted, Mismatch: true})
	if again := s.append(delivered("a", "d"))[0]; again.Mismatch {
		s.Errorf("the first body again is told as a mismatch: %+v", again)
	}
}

func apartByProvider(s *suite) {
	a, b := delivered("x", "d"), delivered("x", "d")
	b.Event.Provider = "other"
	for i, r := range s.append(a, b) {
		if r.Duplicate {
			s.Errorf("receipt %d: %+v, want no duplicate", i, r)
		}
	}
}

func noDeduplication(s *suite) {
	without := delivered("x", "d")
	without.Window = 0
	for i, r := range s.append(arrival("x"), arrival("x"), without, delivered("x", "d"), without) {
		if r.Duplicate {
			s.Errorf("receipt %d: %+v, want no duplicate", i, r)
		}
	}
}

func windowEnds(s *suite) {
	long := delivered("x", "long")
	long.Window = 35 * 24 * time.Hour
	first := s.append(delivered("x", "short"), long)
	s.clock.advance(time.Hour - time.Millisecond)
	s.restart()
	if r := s.append(delivered("x", "short"))[0]; r.ID != first[0].ID {
		s.Errorf("within the window: %+v, want a duplicate of %s", r, first[0].ID)
	}
	s.clock.advance(time.Millisecond)
	second := s.append(delivered("x", "short"))[0]
	if second.Duplicate || second.ID == first[0].ID {
		s.Errorf("after the window: %+v, want a fresh event", second)
	}
	if r := s.append(delivered("x", "short"))[0]; r.ID != second.ID || !r.Duplicate {
		s.Errorf("within the second window: %+v, want a duplicate of %s", r, second.ID)
	}
	for day := range 35 {
		if r := s.append(long)[0]; r.ID != first[1].ID || !r.Duplicate {
			s.Fatalf("day %d of 35: %+v, want a duplicate of %s", day, r, first[1].ID)
		}
		s.clock.advance(24*time.Hour - 2*time.Minute)
		if day%7 == 3 {
			s.restart()
		}
	}
	s.clock.advance(2 * time.Hour)
	if r := s.append(long)[0]; r.Duplicate {
		s.Errorf("after 35 days: %+v, want a fresh event", r)
	}
}

func duplicateState(s *suite) {
	a := delivered("x", "accepted")
	b := delivered("x", "ignored")
	b.Event.State, b.Route = event.Ignored, false
	first := s.append(a, b)
	c := s.claimOne(run.RouteGate, run.LaneLive)
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true})
	if got := s.event(first[0].ID).State; got != event.Routed {
		s.Fatalf("the event is %s, want routed", got)
	}
	for i, r := range s.append(a, b) {
		if want := []event.State{event.Accepted, event.Ignored}[i]; r.State != want || !r.Duplicate {
			s.Errorf("receipt %+v, want a duplicate whose first was stored as %s", r, want)
		}
	}
}

func duplicateParked(s *suite) {
	s.append(delivered("a", "d"), delivered("a", "other"))
	for range 2 {
		c := s.claimOne(run.RouteGate, run.LaneLive)
		st := store.Settlement{Held: c.Held(), Routed: true}
		for _, pipeline := range []string{"p", "q", "r"} {
			st.NewRuns = append(st.NewRuns, newRun(c.Event.ID, pipeline, hook("Tell", "g")))
		}
		s.mustSettle(st)
	}
	parked := func(what string, want, wantOther int) {
		s.Helper()
		for i, r := range s.append(delivered("a", "d"), delivered("a", "other")) {
			if got := []int{want, wantOther}[i]; r.Parked != got || !r.Duplicate {
				s.Errorf("%s: receipt %d is %+v, want %d parked", what, i, r, got)
			}
		}
	}
	parked("none", 0, 0)
	first := s.claim("g", run.LaneLive, 10, time.Minute)[:3] // those of the first event
	s.ends(first[0], run.Parked)
	parked("one", 1, 0)
	s.ends(first[1], run.Parked)
	s.ends(first[2], run.Done)
	s.restart()
	parked("two", 2, 0)
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: first[0].Run.ID}), nil)
	parked("one again", 1, 0)
	wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "d", Run: first[1].Run.ID}), nil)
	parked("none any more", 0, 0)
	if r := s.append(delivered("b", "fresh"))[0]; r.Parked != 0 {
		s.Errorf("a first one is told as %+v", r)
	}
}
