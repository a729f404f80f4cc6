package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Retry implements store.Store.
func (s *Store) Retry(ctx context.Context, request string, id run.ID, revision string) error {
	return s.unpark(ctx, requestKey{what: "retry", request: request, run: id}, func(now time.Time, row *runRow) {
		r := &row.run
		r.State, r.Outcome, r.Reason, r.Message, r.Finished = run.Open, "", "", "", time.Time{}
		r.Round++
		if revision != "" {
			r.Revision = revision
		}
		row.steps = slices.DeleteFunc(slices.Clone(row.steps), func(st run.Step) bool {
			return st.State == run.StepFailed || st.State == run.StepSkipped
		})
		s.enqueue(run.Task{
			Kind: run.TaskStep, Event: r.Event, Run: r.ID, Gate: "@" + r.Pipeline, Lane: run.LaneRetry, Due: now,
		})
	})
}

// Drop implements store.Store.
func (s *Store) Drop(ctx context.Context, request string, id run.ID) error {
	return s.unpark(ctx, requestKey{what: "drop", request: request, run: id}, func(now time.Time, row *runRow) {
		row.run.State, row.run.Finished = run.Dropped, now
		s.wake(now, store.Wake{Wait: store.RunWait(id), Event: id.Event})
	})
}

func (s *Store) unpark(ctx context.Context, key requestKey, change func(now time.Time, row *runRow)) error {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if key.request == "" {
		return store.ErrNoRequest
	}
	row := s.runs[key.run]
	if row == nil {
		return fmt.Errorf("run %s: %w", key.run, store.ErrNotFound)
	}
	if s.requests[key] {
		return nil
	}
	if row.run.State != run.Parked {
		return fmt.Errorf("run %s is %s, not parked: %w", key.run, row.run.State, store.ErrWrongState)
	}
	s.requests[key] = true
	s.countState(&row.run, -1)
	change(now, row)
	row.run.Version++
	s.countState(&row.run, 1)
	return nil
}

// Replay implements store.Store.
func (s *Store) Replay(ctx context.Context, request string, events []event.ID) (int, error) {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if request == "" {
		return 0, store.ErrNoRequest
	}
	for _, id := range events {
		if s.events[id] == nil {
			return 0, fmt.Errorf("event %s: %w", id, store.ErrNotFound)
		}
	}
	added := 0
	for _, id := range events {
		key := requestKey{what: "replay", request: request, event: id}
		if s.requests[key] {
			continue
		}
		s.requests[key] = true
		s.enqueue(run.Task{
			Kind: run.TaskRoute, Event: id, Cause: run.Cause{Kind: run.Replay, Ref: request},
			Gate: run.RouteGate, Lane: run.LaneReplay, Due: now,
		})
		added++
	}
	return added, nil
}

// Gate implements store.Store.
func (s *Store) Gate(ctx context.Context, name string) (store.Gate, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.Gate{}, err
	}
	defer unlock()
	g := s.gates[name]
	g.Name = name
	return g, nil
}

// SetGate implements store.Store.
func (s *Store) SetGate(ctx context.Context, g store.Gate) error {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if s.gates[g.Name].Version != g.Version {
		return store.ErrMoved
	}
	g.Version++
	s.gates[g.Name] = g
	s.signal()
	return nil
}

// PutRevision implements store.Store.
func (s *Store) PutRevision(ctx context.Context, r store.Revision) error {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s.lastPut++
	if row := s.revisions[r.Digest]; row != nil {
		row.put, row.revision.Stored = s.lastPut, now
		return nil
	}
	r.Stored = now
	s.revisions[r.Digest] = &revisionRow{revision: r, put: s.lastPut}
	return nil
}

// Revision implements store.Store.
func (s *Store) Revision(ctx context.Context, digest string) (store.Revision, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.Revision{}, err
	}
	defer unlock()
	if row := s.revisions[digest]; row != nil {
		return row.revision, nil
	}
	return store.Revision{}, fmt.Errorf("revision %q: %w", digest, store.ErrNotFound)
}

// LastSnapshot implements store.Store.
func (s *Store) LastSnapshot(ctx context.Context) (store.Revision, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.Revision{}, err
	}
	defer unlock()
	var last *revisionRow
	for _, row := range s.revisions {
		if row.revision.Kind == store.SnapshotRevision && (last == nil || row.put > last.put) {
			last = row
		}
	}
	if last == nil {
		return store.Revision{}, fmt.Errorf("last snapshot: %w", store.ErrNotFound)
	}
	return last.revision, nil
}
