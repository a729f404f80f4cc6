package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// taskColumns are read by scanTask, in this order.
const taskColumns = "t.id, t.kind, t.event, t.run, t.path, t.cause, t.ref, t.queue, t.ord, t.due, t.n, t.lost, t.first, t.token, t.claimed, t.reclaimed"

// taskRow is a task as it is stored.
type taskRow struct {
	id, kind, event, run                                int64
	path                                                string
	cause                                               int64
	ref                                                 string
	queue, ord, due, n, lost, first, token, claimed, re int64
}

func scanTask(r row) taskRow {
	return taskRow{
		id: r.int(0), kind: r.int(1), event: r.int(2), run: r.int(3), path: r.text(4), cause: r.int(5), ref: r.text(6), queue: r.int(7),
		ord: r.int(8), due: r.int(9), n: r.int(10), lost: r.int(11), first: r.int(12), token: r.int(13), claimed: r.int(14), re: r.int(15),
	}
}

func (t *taskRow) gate() int64 { return t.queue / 4 }

// task gives the row as the contract has it; names knows the interned words, and id is the run's.
func (t *taskRow) task(names func(int64) string, id run.ID) run.Task {
	out := run.Task{
		ID: t.id, Kind: word(taskKinds(), t.kind), Event: event.ID(t.event), Run: id, Path: t.path,
		Cause: run.Cause{Kind: word(causes(), t.cause), Ref: t.ref}, Gate: names(t.gate()), Lane: word(lanes(), t.queue%4), Due: at(t.due),
		N: int(t.n), Lost: int(t.lost), Token: t.token, First: at(t.first),
	}
	if t.ord != 0 {
		out.Order = names(t.ord)
	}
	return out
}

// unblocked is the condition that no task of the same order key is out.
const unblocked = "(t.ord = 0 OR NOT EXISTS (SELECT 1 FROM tasks o WHERE o.ord = t.ord AND o.ord > 0 AND o.token > 0))"

// Due implements store.Store. It walks the index from queue to queue; the tasks behind each head are not looked at.
func (s *Store) Due(ctx context.Context) (store.Due, error) {
	d := store.Due{Next: -1}
	now := s.clock.time()
	err := s.read(ctx, func(c *conn) error {
		type head struct{ queue, due int64 }
		var heads []head
		if err := c.query(func(r row) error { heads = append(heads, head{queue: r.int(0)}); return nil },
			`WITH RECURSIVE q (v) AS (
				SELECT min(queue) FROM tasks WHERE token = 0
				UNION ALL SELECT (SELECT min(queue) FROM tasks WHERE token = 0 AND queue > v) FROM q WHERE v IS NOT NULL
			) SELECT v FROM q WHERE v IS NOT NULL`); err != nil {
			return err
		}
		for i := range heads {
			if _, err := c.first(func(r row) error { heads[i].due = r.int(0); return nil },
				"SELECT t.due FROM tasks t WHERE t.token = 0 AND t.queue = ?1 AND "+unblocked+" ORDER BY t.due, t.id LIMIT 1", heads[i].queue); err != nil {
				return err
			}
		}
		lost := map[int64]int64{} // queue -> the oldest due time of a task whose lease ran out
		lease := int64(0)
		if err := c.query(func(r row) error {
			if have, ok := lost[r.int(0)]; !ok || r.int(1) < have {
				lost[r.int(0)] = r.int(1)
			}
			return nil
		}, "SELECT t.queue, t.due FROM tasks t WHERE t.token > 0 AND t.lease <= ?1", nano(now)); err != nil {
			return err
		}
		if _, err := c.first(func(r row) error { lease = r.int(0); return nil },
			"SELECT t.lease FROM tasks t WHERE t.token > 0 AND t.lease > ?1 ORDER BY t.lease LIMIT 1", nano(now)); err != nil {
			return err
		}
		v := view{c: c}
		next := func(n int64) {
			if wait := at(n).Sub(now); d.Next < 0 || wait < d.Next {
				d.Next = wait
			}
		}
		work := func(q, due int64) error {
			g, err := v.gate(q / 4)
			if err != nil || g.State == store.GatePaused {
				return err
			}
			d.Oldest = max(d.Oldest, now.Sub(at(due)))
			d.Work = append(d.Work, store.Work{Gate: g.Name, Lane: word(lanes(), q%4), Disabled: g.State == store.GateDisabled})
			return nil
		}
		for _, h := range heads {
			switch {
			case h.due == 0: // all of it is blocked by its order key
			case h.due <= nano(now):
				if due, ok := lost[h.queue]; ok && due < h.due {
					h.due = due
				}
				delete(lost, h.queue)
				if err := work(h.queue, h.due); err != nil {
					return err
				}
			default:
				g, err := v.gate(h.queue / 4)
				if err != nil {
					return err
				}
				if g.State != store.GatePaused {
					next(h.due)
				}
			}
		}
		for q, due := range lost {
			if err := work(q, due); err != nil {
				return err
			}
		}
		if lease != 0 {
			next(lease)
		}
		return nil
	})
	if err != nil {
		return store.Due{}, err
	}
	return d, nil
}

// Claim implements store.Store. The writer marks the tasks; what they need is read afterwards, beside it.
func (s *Store) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	var rows []taskRow
	err := s.submit(ctx, func(w *writer, now time.Time) error {
		rows = rows[:0]
		if err := w.takeBack(now, false); err != nil {
			return err
		}
		var err error
		rows, err = w.claim(now, c)
		return err
	})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	claimed := make([]store.Claimed, 0, len(rows))
	// Even if the caller has gone meanwhile the tasks are held; what cannot be read is given back by its lease.
	err = s.read(context.WithoutCancel(ctx), func(c *conn) error {
		v := view{c: c}
		for i := range rows {
			out, err := v.handOut(&rows[i])
			if err != nil {
				return err
			}
			claimed = append(claimed, out)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

func (w *writer) claim(now time.Time, c store.Claim) ([]taskRow, error) {
	gate, ok := w.names[c.Gate]
	if !ok || w.gates[gate].State == store.GatePaused {
		return nil, nil
	}
	var rows []taskRow
	out := map[int64]bool{}
	if err := w.c.query(func(r row) error {
		t := scanTask(r)
		if t.ord == 0 || !out[t.ord] {
			out[t.ord] = true
			rows = append(rows, t)
		}
		return nil
	}, "SELECT "+taskColumns+" FROM tasks t WHERE t.token = 0 AND t.queue = ?1 AND t.due <= ?2 AND "+unblocked+" ORDER BY t.due, t.id LIMIT ?3",
		queue(gate, c.Lane), nano(now), c.Max); err != nil {
		return nil, err
	}
	for i := range rows {
		token, err := w.nextToken()
		if err != nil {
			return nil, err
		}
		rows[i].token = token
		rows[i].claimed = nano(now)
		if _, _, err := w.c.exec("UPDATE tasks SET token = ?2, lease = ?3, claimed = ?4, reclaimed = 0 WHERE id = ?1",
			rows[i].id, token, nano(now.Add(c.Lease)), nano(now)); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// takeBack ends the claims whose lease has run out, or all of them, and records that nobody knows how their attempts ended.
func (w *writer) takeBack(now time.Time, all bool) error {
	var rows []taskRow
	sql, until := "SELECT "+taskColumns+" FROM tasks t WHERE t.token > 0 AND t.lease <= ?1 ORDER BY t.id", nano(now)
	if all {
		until = 1<<63 - 1
	}
	if err := w.c.query(func(r row) error { rows = append(rows, scanTask(r)); return nil }, sql, until); err != nil {
		return err
	}
	for i := range rows {
		t := &rows[i]
		task := t.task(w.word, run.ID{})
		if store.HasAttempt(&task) {
			round := int64(0)
			if _, err := w.c.first(func(r row) error { round = r.int(0); return nil }, "SELECT round FROM runs WHERE id = ?1", t.run); err != nil {
				return err
			}
			lost := store.LostAttempt(&task, int(round), at(t.claimed), now)
			if err := w.add(t.run, addition{Attempts: []run.Attempt{lost}}); err != nil {
				return err
			}
			t.n++
			if t.first == 0 {
				t.first = t.claimed
			}
		}
		w.touched = true
		if _, _, err := w.c.exec("UPDATE tasks SET token = 0, lost = lost + 1, n = ?2, first = ?3, reclaimed = 1 WHERE id = ?1", t.id, t.n, t.first); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) word(id int64) string { return w.words[id] }

// Extend implements store.Store.
func (s *Store) Extend(ctx context.Context, held []store.Held, lease time.Duration) ([]error, error) {
	errs := make([]error, len(held))
	err := s.submit(ctx, func(w *writer, now time.Time) error {
		for i, h := range held {
			changed, _, err := w.c.exec("UPDATE tasks SET lease = ?3 WHERE id = ?1 AND token = ?2 AND token > 0", h.Task, h.Token, nano(now.Add(lease)))
			if err != nil {
				return err
			}
			errs[i] = nil
			if changed == 0 {
				errs[i] = store.ErrFenced
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return errs, nil
}

// Release implements store.Store.
func (s *Store) Release(ctx context.Context, held []store.Held) error {
	return s.submit(ctx, func(w *writer, _ time.Time) error {
		for _, h := range held {
			if _, _, err := w.c.exec("UPDATE tasks SET token = 0 WHERE id = ?1 AND token = ?2 AND token > 0", h.Task, h.Token); err != nil {
				return err
			}
		}
		w.touched = true
		return nil
	})
}

// handOut reads what a claimed task needs.
func (v *view) handOut(t *taskRow) (store.Claimed, error) {
	var out store.Claimed
	var id run.ID
	if t.run != 0 {
		record, err := v.runRow(t.run)
		if err != nil {
			return out, err
		}
		id = record.Run.ID
		out.Run, out.Steps = &record.Run, record.Steps
	}
	var failure error
	out.Task = t.task(func(n int64) string {
		text, err := v.name(n)
		failure = errors.Join(failure, err)
		return text
	}, id)
	out.Reclaimed = t.re != 0
	if failure != nil {
		return out, failure
	}
	e, err := v.event(event.ID(t.event))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return out, err
	}
	out.Event = e
	out.Event.ID = event.ID(t.event)
	body, err := v.body(event.ID(t.event))
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrCorrupt) {
		return out, err
	}
	out.Event.Body, out.Corrupt = body, errors.Is(err, store.ErrCorrupt)
	return out, nil
}

// addition is what one settlement added to a run.
type addition struct {
	// Reset says that failed and skipped steps before it are gone: the run was retried.
	Reset    bool          `json:"reset,omitempty"`
	Steps    []run.Step    `json:"steps,omitempty"`
	Attempts []run.Attempt `json:"attempts,omitempty"`
}

func (w *writer) add(runRow int64, a addition) error {
	if len(a.Steps) == 0 && len(a.Attempts) == 0 && !a.Reset {
		return nil
	}
	doc, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("writing steps as JSON: %w", err)
	}
	_, _, err = w.c.exec("INSERT INTO additions (run, doc) VALUES (?1, ?2)", runRow, doc)
	return err
}
