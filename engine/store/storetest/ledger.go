package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func ledgerChecks() []check {
	return []check{
		{"the ledger adds up at every instant of a busy store", ledgerAddsUp},
		{"the ledger is kept over a restart", ledgerKept},
	}
}

// ledgerAddsUp lets producers, workers and people at the store while readers look at the ledger.
func ledgerAddsUp(s *suite) {
	const producers, each = 4, 30
	var producing, working, reading sync.WaitGroup
	produced, finished := make(chan struct{}), make(chan struct{})
	for p := range producers {
		producing.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(p), 1))
			for range each {
				a := delivered("x", fmt.Sprint("d", rng.IntN(100)))
				if rng.IntN(5) == 0 {
					a.Event.State, a.Route = event.Ignored, false
				}
				if _, err := s.store.Append(s.Context(), []store.Arrival{a, arrival("y")}); err != nil {
					s.Errorf("Append: %v", err)
				}
			}
		})
	}
	for w := range 2 {
		working.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 2))
			for {
				n := s.work(rng)
				select {
				case <-produced:
					if n == 0 {
						return
					}
				default:
				}
				if s.Failed() {
					return
				}
			}
		})
	}
	var looks int
	reading.Go(func() {
		for {
			s.ledger()
			looks++
			select {
			case <-finished:
				return
			default:
			}
		}
	})
	producing.Wait()
	close(produced)
	working.Wait()
	close(finished)
	reading.Wait()
	l := s.ledger()
	if l.Requests.Recorded != 2*producers*each {
		s.Errorf("%d requests recorded, want %d", l.Requests.Recorded, 2*producers*each)
	}
	made := int64(0)
	for _, terms := range l.Runs {
		made += terms.Made
	}
	if made < l.Requests.Processed {
		s.Errorf("%d runs of %d processed events, want one or more each", made, l.Requests.Processed)
	}
	if looks == 0 {
		s.Error("nobody looked at the ledger")
	}
}

// work does one round of a worker that decides at random and gives the count of tasks it had.
func (s *suite) work(rng *rand.Rand) int {
	n := 0
	for _, c := range []store.Claim{
		{Gate: run.RouteGate, Lane: run.LaneLive, Max: 8, Lease: time.Minute},
		{Gate: "g", Lane: run.LaneLive, Max: 8, Lease: time.Minute},
		{Gate: "@p", Lane: run.LaneRetry, Max: 8, Lease: time.Minute},
	} {
		claimed, err := s.store.Claim(s.Context(), c)
		if err != nil {
			s.Errorf("Claim: %v", err)
			return n
		}
		n += len(claimed)
		var sts []store.Settlement
		for _, c := range claimed {
			st := store.Settlement{Held: c.Held()}
			if c.Run == nil {
				nr := newRun(c.Event.ID, "p", hook("Tell", "g"))
				filtered := newRun(c.Event.ID, "q")
				filtered.Run.State, filtered.Run.Outcome = run.Done, run.Filtered
				st.Routed, st.NewRuns = true, []store.NewRun{nr, filtered}
			} else {
				st.Run = &store.RunDelta{ID: c.Run.ID, Version: c.Run.Version, State: run.Done, Outcome: run.Completed}
				if rng.IntN(3) == 0 {
					st.Run.State, st.Run.Outcome = run.Parked, ""
				}
			}
			sts = append(sts, st)
		}
		errs, err := s.store.Settle(s.Context(), sts)
		if err != nil || errors.Join(errs...) != nil {
			s.Errorf("Settle: %v, %v", errs, err)
			return n
		}
		for _, st := range sts {
			if st.Run != nil && st.Run.State == run.Parked {
				if rng.IntN(2) == 0 {
					err = s.store.Retry(s.Context(), store.RetryAsk{Request: fmt.Sprint("r", st.Run.Version), Run: st.Run.ID})
				} else {
					err = s.store.Drop(s.Context(), store.DropAsk{Request: "d", Run: st.Run.ID})
				}
				if err != nil {
					s.Errorf("retrying or dropping: %v", err)
				}
			}
		}
	}
	return n
}

func ledgerKept(s *suite) {
	s.append(delivered("a", "d"), delivered("a", "d"), arrival("b"))
	s.routed("p", hook("Tell", "g"))
	before := s.ledger()
	same(s, "requests", before.Requests, store.RequestTerms{Recorded: 3, Processed: 2, Duplicate: 1})
	s.restart()
	same(s, "after the restart", s.ledger(), before)
}
