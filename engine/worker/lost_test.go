package worker_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
	"github.com/headgate/headgate/engine/worker"
	"github.com/headgate/headgate/hooks"
)

// errDead is what a process gets that has died: nothing that it does counts any more.
var errDead = errors.New("the process is dead")

// mortal is a process that dies of what is poisoned: where it is routed, or where it is sent.
type mortal struct {
	worker.Queue
	routing bool
	dead    atomic.Bool
}

func (m *mortal) die() {
	m.dead.Store(true)
	runtime.Goexit()
}

func (m *mortal) Findings(e *event.Event, _ func() any) []event.Finding {
	if m.routing && e.Name == "order.poison" {
		m.die()
	}
	return nil
}

func (m *mortal) Deliver(_ context.Context, req hooks.Request) (hooks.Attempt, error) {
	if strings.Contains(string(req.Body), "poison") {
		m.die()
	}
	return hooks.Attempt{Started: time.Now(), Wrote: true, Status: http.StatusOK}, nil
}

func (m *mortal) Due(ctx context.Context) (store.Due, error) {
	if m.dead.Load() {
		return store.Due{}, errDead
	}
	return m.Queue.Due(ctx)
}

func (m *mortal) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.Queue.Claim(ctx, c)
}

func (m *mortal) Settle(ctx context.Context, s []store.Settlement) ([]error, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.Queue.Settle(ctx, s)
}

func (m *mortal) Release(ctx context.Context, held []store.Held) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Queue.Release(ctx, held)
}

// TestWhatKillsTheProcessTakesNoOthersWithIt starts the process again, over the file that it leaves behind, until it lives.
func TestWhatKillsTheProcessTakesNoOthersWithIt(t *testing.T) {
	t.Parallel()
	for name, routing := range map[string]bool{"where it is routed": true, "where it is sent": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, oneHook, nil)
			o := sqlite.Options{Path: filepath.Join(t.TempDir(), "store.db"), Now: g.clock.time}
			var all []event.ID
			poisoned, deaths := 0, 0
			for lives := false; !lives; {
				if deaths > run.MaxLost {
					t.Fatalf("the process died %d times", deaths)
				}
				st, err := sqlite.New(o)
				if err != nil {
					t.Fatal(err)
				}
				if err := st.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				if all == nil {
					all, poisoned = hundred(t, st)
				}
				m := &mortal{Queue: st, routing: routing}
				w := g.another(func(o *worker.Options) { o.Queue, o.Checker, o.Deliverer = m, m, m })
				for next := time.Duration(0); next >= 0; {
					g.clock.advance(next)
					if next, err = w.Turn(t.Context()); err != nil {
						break
					}
				}
				switch {
				case errors.Is(err, errDead):
					deaths++
				case err != nil:
					t.Fatal(err)
				default:
					lives = true
					for i, id := range all {
						isWhole(t, st, i == poisoned, id)
					}
				}
				if err := st.Stop(context.WithoutCancel(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			if deaths != run.MaxLost {
				t.Errorf("the process died %d times, want %d", deaths, run.MaxLost)
			}
		})
	}
}

// hundred stores a hundred events, of which one is poisoned.
func hundred(t *testing.T, st store.Store) (ids []event.ID, poisoned int) {
	t.Helper()
	poisoned = 37
	for i := range 100 {
		ev := event.Event{Provider: "acme", Name: "order.created", Body: []byte(`{}`), Source: event.Live, ContentType: "application/json"}
		if i == poisoned {
			ev.Name, ev.Body = "order.poison", []byte(`{"poison": true}`)
		}
		receipts, err := st.Append(t.Context(), []store.Arrival{{Event: ev, Route: true}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, receipts[0].ID)
	}
	return ids, poisoned
}

// isWhole checks that the run of an event is done, or parked where it is what killed the process.
func isWhole(t *testing.T, st store.Store, poisoned bool, id event.ID) {
	t.Helper()
	page, err := st.Runs(t.Context(), store.RunQuery{Event: id})
	if err != nil || len(page.Runs) != 1 {
		t.Fatalf("an event has %d runs, want 1: %v", len(page.Runs), err)
	}
	r := page.Runs[0]
	state, reason := run.Done, ""
	if poisoned {
		state, reason = run.Parked, worker.CodeLostLeases
	}
	if r.State != state || r.Reason != reason {
		t.Errorf("the run of an event (poisoned: %t) is %s %q, want %s %q", poisoned, r.State, r.Reason, state, reason)
	}
}
