package sqlite

import (
	"context"
	"math"
	"slices"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Runs implements store.Store.
func (s *Store) Runs(ctx context.Context, q store.RunQuery) (store.RunPage, error) {
	place, err := store.ParseCursor(q.Cursor)
	if err != nil {
		return store.RunPage{}, err
	}
	if q.State != "" && !slices.Contains(runStates(), q.State) || q.Outcome != "" && !slices.Contains(outcomes(), q.Outcome) {
		return store.RunPage{}, nil
	}
	limit := store.PageSize(q.Limit)
	var page store.RunPage
	var rows []int64
	err = s.readLong(ctx, func(v *view) error {
		w, err := v.whereRuns(&q, place)
		if err != nil {
			return err
		}
		from, err := v.fromRuns(&q, &w)
		if err != nil {
			return err
		}
		page.Runs, rows, err = v.runs("SELECT "+runColumns+" FROM "+from.tables+w.sql()+" ORDER BY "+from.order+direction(q.Ascending)+" LIMIT ?",
			append(w.args, limit+1)...)
		return err
	})
	if err == nil && len(page.Runs) > limit {
		page.Runs, page.Next = page.Runs[:limit], store.FormatCursor(rows[limit-1])
	}
	return page, err
}

// whereRuns gives the conditions of a query, those aside that fromRuns adds; place is where its cursor stands.
func (v *view) whereRuns(q *store.RunQuery, place int64) (w where, err error) {
	w.first, w.last = 0, math.MaxInt64
	switch {
	case q.Cursor == "":
	case q.Ascending:
		w.first = place + 1
	default:
		w.last = place - 1
	}
	// Runs are made in the order of their rows, by a clock that does not go back: from the first of them on, or up to it.
	if !q.Since.IsZero() {
		first, err := v.firstRun(nano(q.Since))
		if err != nil {
			return w, err
		}
		w.first = max(w.first, first)
	}
	if !q.Until.IsZero() {
		first, err := v.firstRun(nano(q.Until))
		if err != nil {
			return w, err
		}
		w.last = min(w.last, first-1)
	}
	if q.Event != 0 {
		w.add("r.event = ?", int64(q.Event))
	}
	if q.State != "" {
		if q.State == run.Open || q.State == run.Parked {
			w.add("r.state IN (0, 2)") // in words of the index of unfinished runs
		}
		w.add("r.state = ?", code(runStates(), q.State))
	}
	if q.Outcome != "" {
		w.add("r.outcome = ?", code(outcomes(), q.Outcome))
	}
	if q.Pipeline != "" {
		w.add("r.pipeline"+named, q.Pipeline)
	}
	if q.Reason != "" {
		w.add("r.reason = ?", q.Reason)
	}
	if q.Destination != "" {
		w.add("r.destination"+named, q.Destination)
	}
	if q.Cause != "" {
		w.add("json_extract(CAST(r.info AS TEXT), '$.cause.kind') = ?", string(q.Cause))
	}
	if q.Ref != "" {
		w.add("json_extract(CAST(r.info AS TEXT), '$.cause.ref') = ?", q.Ref)
	}
	return w, nil
}

// fewParked is how many of the parked runs are counted that a filter lets pass, to find the filter that leaves the fewest: it takes less
// than a millisecond.
const fewParked = 5000

// runSource is what leads to runs, and what they are then ordered by.
type runSource struct{ tables, order string }

// fromRuns says what leads to the runs of a query: SQLite knows nothing of how many rows are alike. It adds the conditions that go with it.
func (v *view) fromRuns(q *store.RunQuery, w *where) (runSource, error) {
	own := func(index string) (runSource, error) {
		w.add("r.id BETWEEN ? AND ?", w.first, w.last)
		return runSource{"runs r " + index, "r.id"}, nil
	}
	switch {
	case q.Event != 0:
		return own("INDEXED BY runs_id")
	case q.Cause == run.Replay && q.Ref != "":
		w.add("x.ref = ? AND x.run BETWEEN ? AND ?", q.Ref, w.first, w.last)
		return runSource{"replays x INDEXED BY replays_ref CROSS JOIN runs r ON r.id = x.run", "x.run"}, nil
	case q.State == run.Open:
		return own("INDEXED BY runs_unfinished")
	case q.State != run.Parked:
		return own("NOT INDEXED")
	}
	type filter struct{ index, condition, value string }
	var filters []filter
	for _, f := range []filter{
		{"parked_destination", "x.destination" + named, q.Destination},
		{"parked_reason", "x.reason = ?", q.Reason},
		{"parked_pipeline", "x.pipeline" + named, q.Pipeline},
	} {
		if f.value != "" {
			filters = append(filters, f)
		}
	}
	if len(filters) == 0 {
		return own("INDEXED BY runs_unfinished")
	}
	best, least := filters[0], int64(fewParked)+1
	for _, f := range filters {
		if len(filters) == 1 {
			break
		}
		n, err := v.c.one("SELECT count(*) FROM (SELECT 1 FROM parked x INDEXED BY "+f.index+" WHERE "+f.condition+" LIMIT ?)", f.value, fewParked)
		if err != nil {
			return runSource{}, err
		}
		if n < least {
			best, least = f, n
		}
	}
	w.add(best.condition+" AND x.run BETWEEN ? AND ?", best.value, w.first, w.last)
	return runSource{"parked x INDEXED BY " + best.index + " CROSS JOIN runs r ON r.id = x.run", "x.run"}, nil
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
