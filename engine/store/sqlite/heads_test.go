package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// TestWhoOnlyAsksWhatIsDueFindsAllWork has tasks come, go, be given back and be put off at many gates at once, and one who looks for them
// by nothing but Due and Changed.
func TestWhoOnlyAsksWhatIsDueFindsAllWork(t *testing.T) {
	t.Parallel()
	const gates, events = 40, 10
	s := started(t, sqlite.CheckingHeads(sqlite.Options{Path: filepath.Join(volatile(t), "headgate.db")}, func(what string) { t.Error(what) }))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range events {
				if _, err := s.Append(t.Context(), []store.Arrival{benchArrival(nil, rand.Uint64())}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	defer wg.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for closed := 0; closed < 4*events*(1+gates/4); {
		d, err := s.Due(ctx)
		if err != nil {
			t.Fatalf("after %d tasks: %v", closed, err)
		}
		if len(d.Work) == 0 {
			wait := time.NewTimer(max(d.Next, 0))
			if d.Next < 0 {
				wait.Stop()
			}
			select {
			case <-s.Changed():
			case <-wait.C:
			case <-ctx.Done():
				t.Fatalf("after %d tasks nothing is due any more, and nothing next", closed)
			}
			continue
		}
		for _, at := range d.Work {
			claimed, err := s.Claim(ctx, store.Claim{Gate: at.Gate, Lane: at.Lane, Max: 1 + rand.IntN(8), Lease: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			closed += worked(t, s, claimed, gates)
		}
	}
	if d, err := s.Due(ctx); err != nil || len(d.Work) != 0 || d.Next >= 0 {
		t.Errorf("at the end there is %+v, %v, want nothing", d, err)
	}
	if n := s.Queues(); n != 0 {
		t.Errorf("%d queues are remembered at the end, want none", n)
	}
}

// worked settles claimed tasks in one way or another and gives how many of them are closed.
func worked(t *testing.T, s *sqlite.Store, claimed []store.Claimed, gates int) (closed int) {
	t.Helper()
	for i := range claimed {
		c := &claimed[i]
		st := store.Settlement{Held: c.Held(), Routed: c.Task.Gate == run.RouteGate}
		switch rand.IntN(4) {
		case 0:
			if err := s.Release(t.Context(), []store.Held{c.Held()}); err != nil {
				t.Error(err)
			}
			continue
		case 1:
			st.Then = store.Then{Again: true, In: time.Duration(rand.IntN(20)) * time.Millisecond, Lane: run.LaneRetry}
		default:
			closed++
			for g := range gates / 4 {
				if c.Task.Gate != run.RouteGate {
					break
				}
				cause := run.Cause{Kind: run.Call, Ref: fmt.Sprint(g)}
				st.NewRuns = append(st.NewRuns, store.NewRun{
					Run: run.Run{ID: run.NewID(c.Event.ID, "p", cause), Pipeline: "p", Cause: cause},
					Tasks: []store.NewTask{{
						Kind: run.TaskStep, Path: "Tell", Gate: fmt.Sprint("g", rand.IntN(gates)), Lane: run.LaneLive,
						In: time.Duration(rand.IntN(10)) * time.Millisecond,
					}},
				})
			}
		}
		if errs, err := s.Settle(t.Context(), []store.Settlement{st}); err != nil || errs[0] != nil {
			t.Errorf("settling gave %v, %v", errs, err)
		}
	}
	return closed
}

func TestATaskThatWasRolledBackIsNotDue(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.CheckingHeads(sqlite.Options{}, func(what string) { t.Error(what) }))
	if err := s.RolledBack(t.Context(), "g"); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("a transaction that fails gave %v", err)
	}
	if d, err := s.Due(t.Context()); err != nil || len(d.Work) != 0 || d.Next >= 0 || s.Queues() != 0 {
		t.Errorf("due is %+v, %v, %d queues are known, want nothing", d, err, s.Queues())
	}
}
