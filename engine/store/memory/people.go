package memory

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Retry implements store.Store.
func (s *Store) Retry(ctx context.Context, ask store.RetryAsk) error {
	return s.unpark(ctx, requestKey{what: "retry", request: ask.Request, run: ask.Run}, ask.By, store.ActionRetry, func(now time.Time, row *runRow) {
		r := &row.run
		r.State, r.Outcome, r.Reason, r.Message, r.Destination, r.Finished = run.Open, "", "", "", "", time.Time{}
		r.Round++
		r.Revision = cmp.Or(ask.Revision, r.Revision)
		row.steps = run.Reopened(row.steps)
		s.enqueue(run.Task{
			Kind: run.TaskStep, Event: r.Event, Run: r.ID, Gate: "@" + r.Pipeline, Lane: cmp.Or(ask.Lane, run.LaneRetry), Due: now,
		})
	})
}

// Drop implements store.Store.
func (s *Store) Drop(ctx context.Context, ask store.DropAsk) error {
	return s.unpark(ctx, requestKey{what: "drop", request: ask.Request, run: ask.Run}, ask.By, store.ActionDrop, func(now time.Time, row *runRow) {
		row.run.State, row.run.Finished = run.Dropped, now
		s.giveBack(now, row, false)
		s.wake(now, store.Wake{Wait: store.RunWait(ask.Run), Event: ask.Run.Event})
	})
}

func (s *Store) unpark(ctx context.Context, key requestKey, by store.By, action string, change func(now time.Time, row *runRow)) error {
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
	if e, ok := by.Entry(action, key.run.String(), store.UnparkDetail(&row.run)); ok {
		s.chain(now, e)
	}
	s.countState(&row.run, -1)
	change(now, row)
	row.run.Version++
	s.countState(&row.run, 1)
	return nil
}

// Replay implements store.Store.
func (s *Store) Replay(ctx context.Context, ask store.ReplayAsk) (int, error) {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if ask.Request == "" {
		return 0, store.ErrNoRequest
	}
	for _, id := range ask.Events {
		if s.events[id] == nil {
			return 0, fmt.Errorf("event %s: %w", id, store.ErrNotFound)
		}
		if s.bodyDropped(id) && !s.requests[requestKey{what: "replay", request: ask.Request, event: id}] {
			return 0, fmt.Errorf("event %s: %w", id, store.ErrBodyDropped)
		}
	}
	added := 0
	for _, id := range ask.Events {
		key := requestKey{what: "replay", request: ask.Request, event: id}
		if s.requests[key] {
			continue
		}
		s.requests[key] = true
		s.enqueue(run.Task{
			Kind: run.TaskRoute, Event: id, Cause: run.Cause{Kind: run.Replay, Ref: ask.Request},
			Gate: run.RouteGate, Lane: run.LaneReplay, Due: now,
		})
		added++
	}
	return added, nil
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
