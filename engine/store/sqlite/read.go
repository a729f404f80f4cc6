package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// view reads inside one transaction.
type view struct {
	c     *conn
	names map[int64]string
}

// name gives an interned word.
func (v *view) name(id int64) (string, error) {
	if text, ok := v.names[id]; ok {
		return text, nil
	}
	var text string
	if _, err := v.c.first(func(r row) error { text = r.text(0); return nil }, "SELECT name FROM names WHERE id = ?1", id); err != nil {
		return "", err
	}
	if v.names == nil {
		v.names = map[int64]string{}
	}
	v.names[id] = text
	return text, nil
}

func (v *view) gate(id int64) (store.Gate, error) {
	name, err := v.name(id)
	if err != nil {
		return store.Gate{}, err
	}
	g := store.Gate{Name: name}
	_, err = v.c.first(func(r row) error { g = scanGate(name, r); return nil }, "SELECT state, reason, since, version FROM gates WHERE name = ?1", id)
	return g, err
}

const eventColumns = "e.id, e.provider, e.name, e.state, e.received, e.duplicates, e.routes, e.size, e.crc, e.request, e.delivery, e.info"

// scanEvent reads eventColumns; its names are filled in by finish, for a row must not run queries of its own.
type eventRow struct {
	event.Event
	provider, name, routes int64
}

func scanEvent(r row) (eventRow, error) {
	var i info
	if err := json.Unmarshal(r.bytes(11), &i); err != nil {
		return eventRow{}, fmt.Errorf("reading event %s: %w", event.ID(r.int(0)), err)
	}
	return eventRow{
		provider: r.int(1), name: r.int(2), routes: r.int(6),
		Event: event.Event{
			ID: event.ID(r.int(0)), State: word(eventStates(), r.int(3)), Received: at(r.int(4)), Duplicates: int(r.int(5)), BodySize: int(r.int(7)),
			BodyCRC: uint32(r.int(8)), Request: r.text(9), Delivery: r.text(10), Index: i.Index, Verification: i.Verification, Headers: i.Headers,
			Query: i.Query, ContentType: i.ContentType, Source: i.Source, Cause: i.Cause, Depth: i.Depth, Reason: i.Reason, Labels: i.Labels,
		},
	}, nil
}

func (v *view) finish(e *eventRow) (event.Event, error) {
	for _, n := range []struct {
		id   int64
		into *string
	}{{e.provider, &e.Provider}, {e.name, &e.Name}, {e.routes, &e.Routes}} {
		text, err := v.name(n.id)
		if err != nil {
			return event.Event{}, err
		}
		*n.into = text
	}
	return e.Event, nil
}

func (v *view) event(id event.ID) (event.Event, error) {
	var e eventRow
	found, err := v.c.first(func(r row) error {
		var err error
		e, err = scanEvent(r)
		return err
	}, "SELECT "+eventColumns+" FROM events e WHERE e.id = ?1", int64(id))
	if err != nil {
		return event.Event{}, err
	}
	if !found {
		return event.Event{}, fmt.Errorf("event %s: %w", id, store.ErrNotFound)
	}
	return v.finish(&e)
}

// body gives an event's bytes, checked against the checksum of its row.
func (v *view) body(id event.ID) ([]byte, error) {
	var body []byte
	var size, crc int64
	found, err := v.c.first(func(r row) error { body, size, crc = r.bytes(0), r.int(1), r.int(2); return nil },
		"SELECT b.body, e.size, e.crc FROM events e JOIN bodies b ON b.event = e.id WHERE e.id = ?1", int64(id))
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("event %s: %w", id, store.ErrNotFound)
	case size != int64(len(body)) || uint32(crc) != checksum(body):
		return nil, fmt.Errorf("event %s: %w", id, store.ErrCorrupt)
	}
	return body, nil
}

// Event implements store.Store.
func (s *Store) Event(ctx context.Context, id event.ID) (e event.Event, err error) {
	err = s.read(ctx, func(c *conn) error {
		v := view{c: c}
		e, err = v.event(id)
		return err
	})
	return e, err
}

// Body implements store.Store.
func (s *Store) Body(ctx context.Context, id event.ID) (body []byte, err error) {
	err = s.read(ctx, func(c *conn) error {
		v := view{c: c}
		body, err = v.body(id)
		return err
	})
	return body, err
}

// where collects conditions and their arguments.
type where struct {
	conditions []string
	args       []any
}

// add adds a condition; each ? in it is numbered for its argument.
func (w *where) add(condition string, arg any) {
	w.args = append(w.args, arg)
	w.conditions = append(w.conditions, strings.ReplaceAll(condition, "?", fmt.Sprintf("?%d", len(w.args))))
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
	var w where
	w.add("e.id >= ?", int64(q.Oldest()))
	w.add("e.id < ?", int64(q.Newest()))
	if q.Cursor != "" {
		w.add("e.id < ?", before)
	}
	if q.Provider != "" {
		w.add("e.provider"+named, q.Provider)
	}
	if q.Name != "" {
		w.add("e.name"+named, q.Name)
	}
	switch q.Status {
	case "":
	case store.StatusProcessed:
		w.add("e.state <= ?", code(eventStates(), event.Routed))
	default:
		if !slices.Contains(eventStates(), event.State(q.Status)) {
			return store.EventPage{}, nil
		}
		w.add("e.state = ?", code(eventStates(), event.State(q.Status)))
	}
	limit := store.PageSize(q.Limit)
	page := store.EventPage{}
	err = s.read(ctx, func(c *conn) error {
		page.Events, err = list(c, "SELECT "+eventColumns+" FROM events e"+w.sql()+fmt.Sprintf(" ORDER BY e.id DESC LIMIT %d", limit+1), w.args...)
		return err
	})
	if err == nil && len(page.Events) > limit {
		page.Events = page.Events[:limit]
		page.Next = store.FormatCursor(int64(page.Events[limit-1].ID))
	}
	return page, err
}

func list(c *conn, sql string, args ...any) ([]event.Event, error) {
	var rows []eventRow
	if err := c.query(func(r row) error {
		e, err := scanEvent(r)
		rows = append(rows, e)
		return err
	}, sql, args...); err != nil {
		return nil, err
	}
	v := view{c: c}
	var out []event.Event
	for i := range rows {
		e, err := v.finish(&rows[i])
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// Tail implements store.Store.
func (s *Store) Tail(ctx context.Context, cursor string, limit int) (store.EventPage, error) {
	after, err := store.ParseCursor(cursor)
	if err != nil {
		return store.EventPage{}, err
	}
	page := store.EventPage{Next: cursor}
	err = s.read(ctx, func(c *conn) error {
		if cursor == "" {
			last := int64(0)
			if _, err := c.first(func(r row) error { last = r.int(0); return nil }, "SELECT max(id) FROM events"); err != nil {
				return err
			}
			page.Next = store.FormatCursor(last)
			return nil
		}
		page.Events, err = list(c, "SELECT "+eventColumns+" FROM events e WHERE e.id > ?1 ORDER BY e.id LIMIT ?2", after, store.PageSize(limit))
		if n := len(page.Events); n > 0 {
			page.Next = store.FormatCursor(int64(page.Events[n-1].ID))
		}
		return err
	})
	return page, err
}

const runColumns = `r.id, r.event, r.key, p.name, v.name, r.cause, r.ref, r.state, r.outcome, r.version, r.round, r.now, r.created, r.finished,
	r.reason, r.message, r.trace, r.labels`

const runTables = " FROM runs r JOIN names p ON p.id = r.pipeline JOIN names v ON v.id = r.revision"

func scanRun(r row) (id int64, out run.Run, err error) {
	out = run.Run{
		ID: run.ID{Event: event.ID(r.int(1)), Key: uint64(r.int(2))}, Event: event.ID(r.int(1)), Pipeline: r.text(3), Revision: r.text(4),
		Cause: run.Cause{Kind: word(causes(), r.int(5)), Ref: r.text(6)}, State: word(runStates(), r.int(7)), Outcome: word(outcomes(), r.int(8)),
		Version: r.int(9), Round: int(r.int(10)), Now: at(r.int(11)), Created: at(r.int(12)), Finished: at(r.int(13)),
		Reason: r.text(14), Message: r.text(15), Trace: r.text(16),
	}
	if err := json.Unmarshal(r.bytes(17), &out.Labels); err != nil {
		return 0, run.Run{}, fmt.Errorf("reading the labels of run %s: %w", out.ID, err)
	}
	return r.int(0), out, nil
}

// runRow gives a run with its steps and attempts by its row.
func (v *view) runRow(id int64) (store.RunRecord, error) {
	return v.record("r.id = ?1", id)
}

func (v *view) record(condition string, args ...any) (store.RunRecord, error) {
	var out store.RunRecord
	var id int64
	found, err := v.c.first(func(r row) error {
		var err error
		id, out.Run, err = scanRun(r)
		return err
	}, "SELECT "+runColumns+runTables+" WHERE "+condition, args...)
	if err != nil {
		return out, err
	}
	if !found {
		return out, store.ErrNotFound
	}
	err = v.c.query(func(r row) error {
		var a addition
		if err := json.Unmarshal(r.bytes(0), &a); err != nil {
			return fmt.Errorf("reading run %s: %w", out.Run.ID, err)
		}
		a.apply(&out)
		return nil
	}, "SELECT doc FROM additions WHERE run = ?1 ORDER BY id", id)
	return out, err
}

// apply folds an addition: a step of the same path replaces the earlier one and stands last, as it ended last.
func (a *addition) apply(out *store.RunRecord) {
	if a.Reset {
		out.Steps = slices.DeleteFunc(out.Steps, func(s run.Step) bool { return s.State == run.StepFailed || s.State == run.StepSkipped })
	}
	for _, step := range a.Steps {
		out.Steps = slices.DeleteFunc(out.Steps, func(s run.Step) bool { return s.Path == step.Path })
		out.Steps = append(out.Steps, step)
	}
	out.Attempts = append(out.Attempts, a.Attempts...)
}

// Run implements store.Store.
func (s *Store) Run(ctx context.Context, id run.ID) (out store.RunRecord, err error) {
	err = s.read(ctx, func(c *conn) error {
		v := view{c: c}
		if out, err = v.record("r.event = ?1 AND r.key = ?2", int64(id.Event), int64(id.Key)); err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
		var tasks []taskRow
		if err := c.query(func(r row) error { tasks = append(tasks, scanTask(r)); return nil },
			"SELECT "+taskColumns+" FROM tasks t JOIN runs r ON r.id = t.run WHERE t.run > 0 AND r.event = ?1 AND r.key = ?2 ORDER BY t.id",
			int64(id.Event), int64(id.Key)); err != nil {
			return err
		}
		for i := range tasks {
			var failure error
			out.Tasks = append(out.Tasks, tasks[i].task(func(n int64) string {
				text, err := v.name(n)
				if err != nil {
					failure = err
				}
				return text
			}, id))
			if failure != nil {
				return failure
			}
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
		w.conditions = append(w.conditions, fmt.Sprintf("r.state = %d", code(runStates(), q.State))) // literal, so that the partial index serves
	}
	if q.Outcome != "" {
		if !slices.Contains(outcomes(), q.Outcome) {
			return store.RunPage{}, nil
		}
		w.add("r.outcome = ?", code(outcomes(), q.Outcome))
	}
	if !q.Since.IsZero() {
		w.add("r.created >= ?", nano(q.Since))
	}
	limit := store.PageSize(q.Limit)
	var page store.RunPage
	var ids []int64
	err = s.read(ctx, func(c *conn) error {
		return c.query(func(r row) error {
			id, one, err := scanRun(r)
			ids, page.Runs = append(ids, id), append(page.Runs, one)
			return err
		}, "SELECT "+runColumns+runTables+w.sql()+fmt.Sprintf(" ORDER BY r.id DESC LIMIT %d", limit+1), w.args...)
	})
	if err == nil && len(page.Runs) > limit {
		page.Runs, page.Next = page.Runs[:limit], store.FormatCursor(ids[limit-1])
	}
	return page, err
}

// Ledger implements store.Store.
func (s *Store) Ledger(ctx context.Context) (store.Ledger, error) {
	out := store.Ledger{Runs: map[string]store.RunTerms{}}
	requests := map[string]*int64{
		recorded: &out.Requests.Recorded, processed: &out.Requests.Processed, duplicate: &out.Requests.Duplicate,
		ignored: &out.Requests.Ignored, quarantined: &out.Requests.Quarantined, prunedTerm: &out.Requests.Pruned,
	}
	err := s.read(ctx, func(c *conn) error {
		return c.query(func(r row) error {
			name, n := r.text(0), r.int(1)
			if into, ok := requests[name]; ok {
				*into = n
				return nil
			}
			term, pipeline, ok := strings.Cut(strings.TrimPrefix(name, "runs."), ".")
			if !ok {
				return nil
			}
			t := out.Runs[pipeline]
			switch term {
			case termMade:
				t.Made = n
			case termPruned:
				t.Pruned = n
			case string(run.Open), string(run.Parked), string(run.Dropped):
				*t.Term(run.State(term), "") = n
			default:
				*t.Term(run.Done, run.Outcome(term)) = n
			}
			out.Runs[pipeline] = t
			return nil
		}, "SELECT term, n FROM ledger")
	})
	return out, err
}
