package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Event implements store.Store.
func (s *Store) Event(ctx context.Context, id event.ID) (e event.Event, err error) {
	err = s.read(ctx, func(v *view) error {
		found, err := v.list("SELECT "+eventColumns+" FROM events e JOIN bodies b ON b.event = e.id WHERE e.id = ?", int64(id))
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("event %s: %w", id, store.ErrNotFound)
		}
		e = found[0]
		return nil
	})
	return e, err
}

// Body implements store.Store.
func (s *Store) Body(ctx context.Context, id event.ID) (body []byte, err error) {
	err = s.read(ctx, func(v *view) error {
		e := event.Event{ID: id}
		found, err := v.c.first(func(r row) error {
			body, e.BodySize, e.BodyCRC = r.bytes(0), int(r.int(1)), uint32(r.int(2))
			return nil
		},
			"SELECT b.body, e.size, e.crc FROM events e JOIN bodies b ON b.event = e.id WHERE e.id = ?", int64(id))
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("event %s: %w", id, store.ErrNotFound)
		}
		body, err = intact(&e, body)
		return err
	})
	return body, err
}

// where collects conditions and their arguments.
type where struct {
	conditions []string
	args       []any
}

func (w *where) add(condition string, args ...any) {
	w.args = append(w.args, args...)
	w.conditions = append(w.conditions, condition)
}

func (w *where) sql() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

const named = " = (SELECT id FROM names WHERE name = ?)"

// Events implements store.Store.
func (s *Store) Events(ctx context.Context, q store.EventQuery) (store.EventPage, error) {
	before, err := store.ParseCursor(q.Cursor)
	if err != nil {
		return store.EventPage{}, err
	}
	until := int64(q.Newest())
	if q.Cursor != "" {
		until = min(until, before)
	}
	var w where
	w.add("e.id >= ?", int64(q.Oldest()))
	w.add("e.id < ?", until)
	if q.Provider != "" {
		w.add("e.provider"+named, q.Provider)
	}
	if q.Name != "" {
		w.add("e.name"+named, q.Name)
	}
	if !q.Received.IsZero() {
		from := q.Received.Truncate(time.Millisecond)
		w.add("e.received >= ? AND e.received < ?", nano(from), nano(from.Add(time.Millisecond)))
	}
	if q.Request != "" {
		w.add("json_extract(CAST(b.info AS TEXT), '$.request') = ?", q.Request)
	}
	switch state := event.State(q.Status); {
	case q.Status == "":
	case q.Status == store.StatusProcessed:
		w.add("e.state < 2")
	case !slices.Contains(eventStates(), state):
		return store.EventPage{}, nil
	case code(eventStates(), state) < 2:
		w.add("e.state = ?", code(eventStates(), state))
	default:
		w.add("e.state >= 2 AND e.state = ?", code(eventStates(), state)) // in words of the index of unusual events
	}
	limit := store.PageSize(q.Limit)
	var page store.EventPage
	err = s.readLong(ctx, func(v *view) error {
		page.Events, err = v.list("SELECT "+eventColumns+" FROM events e JOIN bodies b ON b.event = e.id"+w.sql()+" ORDER BY e.id DESC LIMIT ?", append(w.args, limit+1)...)
		return err
	})
	if err == nil && len(page.Events) > limit {
		page.Events = page.Events[:limit]
		page.Next = store.FormatCursor(int64(page.Events[limit-1].ID))
	}
	return page, err
}

// Tail implements store.Store.
func (s *Store) Tail(ctx context.Context, cursor string, limit int) (store.EventPage, error) {
	after, err := store.ParseCursor(cursor)
	if err != nil {
		return store.EventPage{}, err
	}
	page := store.EventPage{Next: cursor}
	err = s.read(ctx, func(v *view) error {
		if cursor == "" {
			last, err := v.c.one("SELECT max(id) FROM events")
			page.Next = store.FormatCursor(last)
			return err
		}
		page.Events, err = v.list("SELECT "+eventColumns+" FROM events e JOIN bodies b ON b.event = e.id WHERE e.id > ? ORDER BY e.id LIMIT ?",
			after, store.PageSize(limit))
		if n := len(page.Events); n > 0 {
			page.Next = store.FormatCursor(int64(page.Events[n-1].ID))
		}
		return err
	})
	return page, err
}

// Run implements store.Store.
func (s *Store) Run(ctx context.Context, id run.ID) (out store.RunRecord, err error) {
	err = s.read(ctx, func(v *view) error {
		runs, rows, err := v.runs("SELECT "+runColumns+" FROM runs r WHERE r.event = ? AND r.key = ?", int64(id.Event), int64(id.Key))
		if err != nil {
			return err
		}
		if len(runs) == 0 {
			return fmt.Errorf("run %s: %w", id, store.ErrNotFound)
		}
		records, err := v.additions(rows)
		if err != nil {
			return err
		}
		if r := records[rows[0]]; r != nil {
			out = *r
		}
		runs[0].Input = out.Run.Input
		out.Run = runs[0]
		var tasks []taskRow
		if err := v.c.query(func(r row) error { tasks = append(tasks, scanTask(r)); return nil },
			"SELECT "+taskColumns+" FROM tasks t WHERE t.run = ? AND t.run > 0 ORDER BY t.id", rows[0]); err != nil {
			return err
		}
		for i := range tasks {
			gate, err := v.name(tasks[i].gate())
			if err != nil {
				return err
			}
			out.Tasks = append(out.Tasks, tasks[i].task(gate, id))
		}
		return nil
	})
	return out, err
}

// Runs implements store.Store.
func (s *Store) Runs(ctx context.Context, q store.RunQuery) (store.RunPage, error) {
	before, err := store.ParseCursor(q.Cursor)
	if err != nil {
		return store.RunPage{}, err
	}
	var w where
	if q.Cursor != "" {
		w.add("r.id < ?", before)
	}
	if q.Event != 0 {
		w.add("r.event = ?", int64(q.Event))
	}
	if q.Pipeline != "" {
		w.add("r.pipeline"+named, q.Pipeline)
	}
	if q.State != "" {
		if !slices.Contains(runStates(), q.State) {
			return store.RunPage{}, nil
		}
		if q.State == run.Open || q.State == run.Parked {
			w.add("r.state IN (0, 2)") // in words of the index of unfinished runs
		}
		w.add("r.state = ?", code(runStates(), q.State))
	}
	if q.Outcome != "" {
		if !slices.Contains(outcomes(), q.Outcome) {
			return store.RunPage{}, nil
		}
		w.add("r.outcome = ?", code(outcomes(), q.Outcome))
	}
	limit := store.PageSize(q.Limit)
	var page store.RunPage
	var rows []int64
	err = s.readLong(ctx, func(v *view) error {
		if !q.Since.IsZero() {
			// Runs are made in the order of their rows, by a clock that does not go back: from the first of them on.
			first, err := v.firstRun(nano(q.Since))
			if err != nil {
				return err
			}
			w.add("r.id >= ?", first)
		}
		page.Runs, rows, err = v.runs("SELECT "+runColumns+" FROM runs r"+w.sql()+" ORDER BY r.id DESC LIMIT ?", append(w.args, limit+1)...)
		return err
	})
	if err == nil && len(page.Runs) > limit {
		page.Runs, page.Next = page.Runs[:limit], store.FormatCursor(rows[limit-1])
	}
	return page, err
}

// firstRun finds the first run made at a time or later, by halving.
func (v *view) firstRun(created int64) (int64, error) {
	low, err := v.c.one("SELECT min(id) FROM runs")
	if err != nil {
		return 0, err
	}
	high, err := v.c.one("SELECT max(id) FROM runs")
	if err != nil {
		return 0, err
	}
	for high++; low < high; {
		middle, c := low+(high-low)/2, int64(0)
		id := int64(0)
		found, err := v.c.first(func(r row) error { id, c = r.int(0), r.int(1); return nil },
			"SELECT id, created FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT 1", middle, high)
		switch {
		case err != nil:
			return 0, err
		case !found || c >= created:
			high = middle
		default:
			low = id + 1
		}
	}
	return low, nil
}
