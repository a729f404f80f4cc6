package memory

import (
	"context"
	"fmt"
	"hash/crc32"
	"iter"
	"maps"
	"slices"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Event implements store.Store.
func (s *Store) Event(ctx context.Context, id event.ID) (event.Event, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return event.Event{}, err
	}
	defer unlock()
	e := s.events[id]
	if e == nil {
		return event.Event{}, fmt.Errorf("event %s: %w", id, store.ErrNotFound)
	}
	return withoutBody(e), nil
}

// Body implements store.Store.
func (s *Store) Body(ctx context.Context, id event.ID) ([]byte, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	e := s.events[id]
	if e == nil {
		return nil, fmt.Errorf("event %s: %w", id, store.ErrNotFound)
	}
	if s.bodyDropped(id) {
		return nil, fmt.Errorf("event %s: %w", id, store.ErrBodyDropped)
	}
	if !intact(e) {
		return nil, fmt.Errorf("event %s: %w", id, store.ErrCorrupt)
	}
	return slices.Clone(e.Body), nil
}

// Events implements store.Store.
func (s *Store) Events(ctx context.Context, q store.EventQuery) (store.EventPage, error) {
	place, err := store.ParseCursor(q.Cursor)
	if err != nil {
		return store.EventPage{}, err
	}
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.EventPage{}, err
	}
	defer unlock()
	var page store.EventPage
	limit := store.PageSize(q.Limit)
	for _, id := range inOrder(s.order, q.Ascending) {
		if q.Cursor != "" && !beyond(int64(id), place, q.Ascending) {
			continue
		}
		e := s.events[id]
		if !q.Matches(e) {
			continue
		}
		if len(page.Events) == limit {
			page.Next = store.FormatCursor(int64(page.Events[limit-1].ID))
			break
		}
		page.Events = append(page.Events, withoutBody(e))
	}
	return page, nil
}

// inOrder walks a list from its first, or from its last on.
func inOrder[T any](list []T, ascending bool) iter.Seq2[int, T] {
	if ascending {
		return slices.All(list)
	}
	return slices.Backward(list)
}

// beyond says that a place comes after a cursor's.
func beyond(place, cursor int64, ascending bool) bool {
	if ascending {
		return place > cursor
	}
	return place < cursor
}

// Tail implements store.Store.
func (s *Store) Tail(ctx context.Context, cursor string, limit int) (store.EventPage, error) {
	after, err := store.ParseCursor(cursor)
	if err != nil {
		return store.EventPage{}, err
	}
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.EventPage{}, err
	}
	defer unlock()
	if cursor == "" {
		return store.EventPage{Next: store.FormatCursor(int64(s.lastEvent))}, nil
	}
	page := store.EventPage{Next: cursor}
	from, _ := slices.BinarySearch(s.order, event.ID(after)+1)
	for _, id := range s.order[from:] {
		if len(page.Events) == store.PageSize(limit) {
			break
		}
		page.Events = append(page.Events, withoutBody(s.events[id]))
		page.Next = store.FormatCursor(int64(id))
	}
	return page, nil
}

// Run implements store.Store.
func (s *Store) Run(ctx context.Context, id run.ID) (store.RunRecord, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.RunRecord{}, err
	}
	defer unlock()
	row := s.runs[id]
	if row == nil {
		return store.RunRecord{}, fmt.Errorf("run %s: %w", id, store.ErrNotFound)
	}
	rec := store.RunRecord{Run: row.run, Steps: slices.Clone(row.steps), Attempts: slices.Clone(row.attempts)}
	for _, t := range row.tasks {
		rec.Tasks = append(rec.Tasks, t.task)
	}
	return rec, nil
}

// Runs implements store.Store.
func (s *Store) Runs(ctx context.Context, q store.RunQuery) (store.RunPage, error) {
	place, err := store.ParseCursor(q.Cursor)
	if err != nil {
		return store.RunPage{}, err
	}
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.RunPage{}, err
	}
	defer unlock()
	var page store.RunPage
	var last int64
	limit := store.PageSize(q.Limit)
	for _, row := range inOrder(s.runOrder, q.Ascending) {
		if q.Cursor != "" && !beyond(row.seq, place, q.Ascending) || !q.Matches(&row.run) {
			continue
		}
		if len(page.Runs) == limit {
			page.Next = store.FormatCursor(last)
			break
		}
		listed := row.run
		listed.Input = nil
		page.Runs, last = append(page.Runs, listed), row.seq
	}
	return page, nil
}

// Ledger implements store.Store.
func (s *Store) Ledger(ctx context.Context) (store.Ledger, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.Ledger{}, err
	}
	defer unlock()
	return store.Ledger{Requests: s.ledger.Requests, Runs: maps.Clone(s.ledger.Runs)}, nil
}

func intact(e *event.Event) bool {
	return crc32.Checksum(e.Body, crc32.MakeTable(crc32.Castagnoli)) == e.BodyCRC
}

func withoutBody(e *event.Event) event.Event {
	c := *e
	c.Body = nil
	return c
}
