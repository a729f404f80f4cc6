package sqlite

import (
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// The turns of an open run are rows, so that a run that ends finds by an index who is next. What is free is a number in the row of the
// hold. Whoever waits for a turn waits because there was none to give: a turn that comes free goes on at once.

// limit applies the quota and the holds of a new open run. It gives why the run is not to be, "" where it may; held says that it must wait
// for its turn.
func (w *writer) limit(now time.Time, row int64, n *store.NewRun) (held bool, reason string, err error) {
	q := n.Quota
	if q != nil {
		used, err := w.used(now, q)
		if err != nil {
			return false, "", err
		}
		if used >= int64(q.Max) {
			return false, run.RateLimited, nil
		}
	}
	holds := n.Turns()
	full := false
	for i := range holds {
		free, err := w.free(now, &holds[i])
		if err != nil {
			return false, "", err
		}
		full = full || !free
	}
	if full && n.Drop {
		return false, run.ConcurrencyLimited, nil
	}
	if q != nil {
		if err := w.use(now, q); err != nil {
			return false, "", err
		}
	}
	for i := range holds {
		if err := w.want(row, i, &holds[i]); err != nil {
			return false, "", err
		}
	}
	held, err = w.take(row)
	return held, "", err
}

// used gives how many runs the present period has had.
func (w *writer) used(now time.Time, q *store.Quota) (int64, error) {
	start, _ := q.Period(now)
	return w.c.one("SELECT n FROM quotas WHERE key = ? AND start = ?", q.Key, start.UnixNano())
}

// use counts a run of the present period.
func (w *writer) use(now time.Time, q *store.Quota) error {
	start, end := q.Period(now)
	_, _, err := w.exec(`INSERT INTO quotas (key, start, finish, n) VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE
		SET n = CASE WHEN start = excluded.start THEN n + 1 ELSE 1 END, start = excluded.start, finish = excluded.finish`,
		q.Key, start.UnixNano(), end.UnixNano())
	return err
}

// free says whether a new run could have a turn now. The bound that it names counts from now on, for those who wait as well.
func (w *writer) free(now time.Time, h *store.Hold) (bool, error) {
	var id, limit int64
	found, err := w.c.first(func(r row) error { id, limit = r.int(0), r.int(1); return nil }, "SELECT id, max FROM holds WHERE key = ?", h.Key)
	if err != nil || !found {
		return true, err
	}
	if limit != int64(h.Max) {
		if _, _, err := w.exec("UPDATE holds SET max = ? WHERE id = ?", h.Max, id); err != nil {
			return false, err
		}
		if err := w.grant(now, id); err != nil {
			return false, err
		}
	}
	return w.c.exists("SELECT 1 FROM holds WHERE id = ? AND held < max", id)
}

// want notes that a new run must have a turn.
func (w *writer) want(row int64, n int, h *store.Hold) error {
	w.limited = true
	if _, _, err := w.exec("INSERT INTO holds (key, max, held, wanted) VALUES (?, ?, 0, 1) ON CONFLICT DO UPDATE SET wanted = wanted + 1", h.Key, h.Max); err != nil {
		return err
	}
	_, _, err := w.exec("INSERT INTO turns (run, n, hold, state, keep, ordered) SELECT ?, ?, id, 0, ?, ? FROM holds WHERE key = ?", row, n, h.Keep, h.Order, h.Key)
	return err
}

// take takes the turns of a new run that are free, up to one that it must wait for: of those for the sake of order it waits for all at once.
// Where a turn is free, nobody waits for it.
func (w *writer) take(who int64) (held bool, err error) {
	for n := int64(0); ; n++ {
		var hold int64
		var free, ordered bool
		found, err := w.c.first(func(r row) error { hold, free, ordered = r.int(0), r.int(1) != 0, r.int(2) != 0; return nil },
			"SELECT h.id, h.held < h.max, t.ordered FROM turns t JOIN holds h ON h.id = t.hold WHERE t.run = ? AND t.n = ?", who, n)
		switch {
		case err != nil || !found || held && !ordered:
			return held, err
		case free:
			err = w.have(who, n, hold)
		default:
			held, err = true, w.waitForTurn(who, n)
		}
		if err != nil {
			return false, err
		}
	}
}

func (w *writer) waitForTurn(row, n int64) error {
	_, _, err := w.exec("UPDATE turns SET state = 1 WHERE run = ? AND n = ?", row, n)
	return err
}

func (w *writer) have(row, n, hold int64) error {
	if _, _, err := w.exec("UPDATE turns SET state = 2 WHERE run = ? AND n = ?", row, n); err != nil {
		return err
	}
	_, _, err := w.exec("UPDATE holds SET held = held + 1 WHERE id = ?", hold)
	return err
}

// grant gives turns to those who wait for them, as long as there are some to give. Who gets one waits for its next.
func (w *writer) grant(now time.Time, holds ...int64) error {
	for len(holds) > 0 {
		hold := holds[0]
		var next, n int64
		found, err := w.c.first(func(r row) error { next, n = r.int(0), r.int(1); return nil },
			`SELECT t.run, t.n FROM turns t WHERE t.hold = ?1 AND t.state = 1 AND EXISTS (SELECT 1 FROM holds h WHERE h.id = ?1 AND h.held < h.max)
			ORDER BY t.run LIMIT 1`, hold)
		if err != nil {
			return err
		}
		if !found {
			holds = holds[1:]
			continue
		}
		if err := w.have(next, n, hold); err != nil {
			return err
		}
		later, err := w.nextTurn(now, next)
		if err != nil {
			return err
		}
		if later != 0 {
			holds = append(holds, later)
		}
	}
	return nil
}

// nextTurn lets a run that has got a turn wait for its next one, and gives its hold; 0 where it waits already, or has all and is let go.
func (w *writer) nextTurn(now time.Time, who int64) (hold int64, err error) {
	var n int64
	waits := false
	found, err := w.c.first(func(r row) error { n, hold, waits = r.int(0), r.int(1), r.int(2) == 1; return nil },
		"SELECT n, hold, state FROM turns WHERE run = ? AND state < 2 ORDER BY state DESC, n LIMIT 1", who)
	switch {
	case err != nil || waits:
		return 0, err
	case !found:
		return 0, w.letGo(now, who)
	}
	return hold, w.waitForTurn(who, n)
}

// letGo lets the tasks of a run be claimed that has all its turns.
func (w *writer) letGo(now time.Time, who int64) error {
	orders, err := w.ordersOf(who)
	if err != nil {
		return err
	}
	w.tx.touched = true
	if err := w.change(func(r row) error { w.ready(r.int(0), r.int(1)); return nil },
		`UPDATE tasks SET stage = CASE WHEN ord IS NULL THEN 0 ELSE 2 END, due = max(due, ?) WHERE run = ? AND run > 0 AND stage = 3
		RETURNING queue, due`, nano(now), who); err != nil {
		return err
	}
	for _, ord := range orders {
		if err := w.reorder(ord); err != nil {
			return err
		}
	}
	return nil
}

// held says whether the tasks that a run asks for must wait for its turn.
func (w *writer) held(row int64, tasks []store.NewTask) (bool, error) {
	if !w.limited || len(tasks) == 0 {
		return false, nil
	}
	return w.c.exists("SELECT 1 FROM turns WHERE run = ? AND state < 2", row)
}

// giveBack gives back the turns of a run that is open no longer; one that is parked keeps those that it has and is to keep.
func (w *writer) giveBack(now time.Time, who int64, parked bool) error {
	if !w.limited {
		return nil
	}
	given := "run = ?"
	if parked {
		given = "run = ? AND NOT (keep AND state = 2)"
	}
	type turn struct{ hold, had int64 }
	var turns []turn
	if err := w.c.query(func(r row) error {
		t := turn{hold: r.int(0)}
		if r.int(1) == 2 {
			t.had = 1
		}
		turns = append(turns, t)
		return nil
	}, "SELECT hold, state FROM turns WHERE "+given+" ORDER BY n", who); err != nil || len(turns) == 0 {
		return err
	}
	if _, _, err := w.exec("DELETE FROM turns WHERE "+given, who); err != nil {
		return err
	}
	for _, t := range turns {
		if _, _, err := w.exec("UPDATE holds SET held = held - ?, wanted = wanted - 1 WHERE id = ?", t.had, t.hold); err != nil {
			return err
		}
	}
	var freed []int64
	for _, t := range turns {
		freed = append(freed, t.hold)
	}
	if err := w.grant(now, freed...); err != nil {
		return err
	}
	for _, t := range turns {
		if _, _, err := w.exec("DELETE FROM holds WHERE id = ? AND wanted = 0", t.hold); err != nil {
			return err
		}
	}
	return nil
}
