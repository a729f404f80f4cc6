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
			if isDropped(r[0]) {
				return fmt.Errorf("event %s: %w", id, store.ErrBodyDropped)
			}
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
	// first and last are the rows between which a list of runs lies.
	first, last int64
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

// direction orders a list.
func direction(ascending bool) string {
	if ascending {
		return ""
	}
	return " DESC"
}

const named = " = (SELECT id FROM names WHERE name = ?)"

// Events implements store.Store.
func (s *Store) Events(ctx context.Context, q store.EventQuery) (store.EventPage, error) {
	place, err := store.ParseCursor(q.Cursor)
	if err != nil {
		return store.EventPage{}, err
	}
	from, until := int64(q.Oldest()), int64(q.Newest())
	switch {
	case q.Cursor == "":
	case q.Ascending:
		from = max(from, place+1)
	default:
		until = min(until, place)
	}
	var w where
	w.add("e.id >= ?", from)
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
		page.Events, err = v.list("SELECT "+eventColumns+" FROM events e JOIN bodies b ON b.event = e.id"+w.sql()+" ORDER BY e.id"+direction(q.Ascending)+" LIMIT ?", append(w.args, limit+1)...)
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
			out = r.RunRecord
			if r.damaged {
				runs[0].Message = strings.TrimPrefix(runs[0].Message+"; "+damaged, "; ")
			}
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
