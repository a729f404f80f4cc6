package job_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/job"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
)

// errDead is what a dead process would see of the store.
var errDead = errors.New("the process is dead")

// mortal is a store whose process dies at one of its writes: before it reaches the store, or after, unseen by whoever asked.
type mortal struct {
	*memory.Store

	mu     sync.Mutex
	writes int
	dies   int // at which write, from 1; 0 never
	after  bool
	fail   error // every write fails with it
	// breaks is what the next breaksFor replays fail with.
	breaks    error
	breaksFor int
	// added is how many route tasks were really made, cursor where the job stood at each of its records.
	added  int
	cursor []string
}

func (m *mortal) write(do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	switch {
	case m.fail != nil:
		return m.fail
	case m.dies > 0 && (m.writes > m.dies || m.writes == m.dies && !m.after):
		return fmt.Errorf("%w: %w", errDead, store.ErrUnavailable)
	case m.dies > 0 && m.writes == m.dies:
		if err := do(); err != nil {
			return err
		}
		return fmt.Errorf("%w: %w", errDead, store.ErrUnavailable)
	}
	return do()
}

func (m *mortal) Replay(ctx context.Context, ask store.ReplayAsk) (n int, err error) {
	err = m.write(func() error {
		if m.breaksFor > 0 {
			m.breaksFor--
			return m.breaks
		}
		n, err = m.Store.Replay(ctx, ask)
		m.added += n
		return err
	})
	return n, err
}

func (m *mortal) Retry(ctx context.Context, ask store.RetryAsk) error {
	return m.write(func() error { return m.Store.Retry(ctx, ask) })
}

func (m *mortal) Drop(ctx context.Context, ask store.DropAsk) error {
	return m.write(func() error { return m.Store.Drop(ctx, ask) })
}

func (m *mortal) PutJob(ctx context.Context, j store.Job, by store.By) error {
	return m.write(func() error {
		err := m.Store.PutJob(ctx, j, by)
		if err == nil {
			m.cursor = append(m.cursor, j.Cursor)
		}
		return err
	})
}

// kill says at which write the process dies, and whether that still reaches the store.
func (m *mortal) kill(dies int, after bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dies, m.after = dies, after
}

// refuse fails every write from now on.
func (m *mortal) refuse(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// tasks gives how many route tasks were made.
func (m *mortal) tasks() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.added
}

// cursors gives where the job stood at each of its records.
func (m *mortal) cursors() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.cursor)
}

// heal lets the store live again, as the next process finds it.
func (m *mortal) heal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dies, m.fail = 0, nil
}

// folder is a folder with the pipelines that events of a name start.
type folder map[string][]string

func (f folder) Starting(_, name string) []string { return f[name] }

func (f folder) Revision(pipeline string) (string, bool) {
	return "live-" + pipeline, pipeline != "gone"
}

func (f folder) Order(context.Context, string, string) func(a, b string) int { return nil }

// world is a memory store with events and runs, and services over it.
type world struct {
	t     *testing.T
	store *mortal
}

// bubble runs a test in simulated time over a store of its own.
func bubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &mortal{Store: memory.New(memory.Options{})}
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		test(t, &world{t: t, store: m})
		if err := m.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// service makes and starts a service; the function stops it.
func (w *world) service() (*job.Service, func()) {
	w.t.Helper()
	s, err := job.New(job.Options{
		Store: w.store, Folder: folder{"made": {"orders"}}, Logger: quiet(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := s.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return s, func() {
		if err := s.Stop(context.WithoutCancel(w.t.Context())); err != nil {
			w.t.Error(err)
		}
	}
}

// events stores n events of a name that start nothing by themselves.
func (w *world) events(n int, name string) []event.ID {
	w.t.Helper()
	var arrivals []store.Arrival
	for i := range n {
		arrivals = append(arrivals, store.Arrival{Event: event.Event{Provider: "acme", Name: name, Body: fmt.Appendf(nil, `{"n":%d}`, i)}})
	}
	receipts, err := w.store.Append(w.t.Context(), arrivals)
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []event.ID
	for _, r := range receipts {
		ids = append(ids, r.ID)
	}
	return ids
}

// parked stores n events with a parked run each.
func (w *world) parked(n int, pipeline, reason string) []run.ID {
	w.t.Helper()
	var ids []run.ID
	for range n {
		receipts, err := w.store.Append(w.t.Context(), []store.Arrival{{Event: event.Event{Provider: "acme", Name: "made", Body: []byte("{}")}, Route: true}})
		if err != nil {
			w.t.Fatal(err)
		}
		claimed, err := w.store.Claim(w.t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1, Lease: time.Minute})
		if err != nil || len(claimed) != 1 {
			w.t.Fatalf("claiming the route task of %s: got %d, %v", receipts[0].ID, len(claimed), err)
		}
		id := run.NewID(receipts[0].ID, pipeline, run.Cause{Kind: run.Live})
		errs, err := w.store.Settle(w.t.Context(), []store.Settlement{{
			Held: claimed[0].Held(), Routed: true, NewRuns: []store.NewRun{{Run: run.Run{
				ID: id, Event: receipts[0].ID, Pipeline: pipeline, Revision: "r1", Cause: run.Cause{Kind: run.Live}, State: run.Parked, Reason: reason,
			}}},
		}})
		if err := errors.Join(append(errs, err)...); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// begin makes a job.
func (w *world) begin(s *job.Service, j store.Job) store.Job {
	w.t.Helper()
	j, err := s.Begin(w.t.Context(), j, store.By{Who: "tester"})
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

// await lets time pass until a job has ended and gives it.
func (w *world) await(id string) store.Job {
	w.t.Helper()
	for range 100_000 {
		<-time.After(100 * time.Millisecond)
		j, err := w.store.Job(w.t.Context(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		if j.State != store.JobRunning {
			return j
		}
	}
	w.t.Fatalf("job %s does not end", id)
	return store.Job{}
}
