package sqlite

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// taskColumns are read by scanTask, in this order.
const taskColumns = "t.id, t.event, t.run, t.queue, t.due, t.kind, t.path, t.n, t.lost, t.back, t.first, t.claimed, t.cause, t.ref, t.ord, t.okey, " +
	"t.stage, t.wait, t.woken, t.batch"

// taskRow is a task as it is stored.
type taskRow struct {
	id, event, run, queue, due, kind int64
	path                             string
	n, lost, back, first, claimed    int64
	cause                            int64
	ref                              string
	ord                              int64
	okey                             string
	stage, wait, woken, batch        int64
}

func scanTask(r row) taskRow {
	return taskRow{
		id: r.int(0), event: r.int(1), run: r.int(2), queue: r.int(3), due: r.int(4), kind: r.int(5), path: r.text(6), n: r.int(7),
		lost: r.int(8), back: r.int(9), first: r.int(10), claimed: r.int(11), cause: r.int(12), ref: r.text(13), ord: r.int(14), okey: r.text(15),
		stage: r.int(16), wait: r.int(17), woken: r.int(18), batch: r.int(19),
	}
}

func (t *taskRow) gate() int64 { return t.queue / 4 }

// queue is the number of a gate's lane.
func queue(gate int64, lane run.Lane) int64 { return gate*4 + code(lanes(), lane) }

// task gives the row as the contract has it.
func (t *taskRow) task(gate string, id run.ID) run.Task {
	return run.Task{
		ID: t.id, Kind: word(taskKinds(), t.kind), Event: event.ID(t.event), Run: id, Path: t.path,
		Cause: run.Cause{Kind: word(causes(), t.cause), Ref: t.ref}, Gate: gate, Lane: word(lanes(), t.queue%4), Order: t.okey,
		Due: at(t.due), N: int(t.n), Lost: int(t.lost), First: at(t.first), Woken: event.ID(t.woken), Held: t.stage == stageHeld,
	}
}

// stageHeld is the stage of the tasks of a run that waits for its turn.
const stageHeld = 3

// ready is the condition for tasks that may be claimed, in the words of their index.
const ready = "stage <> 1 AND stage = 0"

// newTask is a task to be queued.
type newTask struct {
	kind  run.TaskKind
	event event.ID
	run   int64 // the row, 0 for none
	path  string
	cause run.Cause
	gate  string
	lane  run.Lane
	order string
	in    time.Duration
	wait  store.Wait
	held  bool  // its run waits for a turn
	batch int64 // 0 for none
}

func (w *writer) enqueue(now time.Time, t newTask) error {
	gate, err := w.name(t.gate)
	if err != nil {
		return err
	}
	var ord, okey any
	if t.order != "" {
		sum := sha256.Sum256([]byte(t.order))
		ord, okey = int64(binary.BigEndian.Uint64(sum[:])>>1|1), t.order
		w.ordered = true
	}
	w.lastTask++
	w.tx.touched = true
	q, due := queue(gate, t.lane), nano(now.Add(t.in))
	if _, _, err = w.exec(`INSERT INTO tasks (id, event, run, queue, stage, due, kind, path, n, lost, back, first, claimed, cause, ref, ord, okey)
		VALUES (?, ?, ?, ?, 0, ?, ?, ?, 0, 0, 0, 0, 0, ?, ?, ?, ?)`,
		w.lastTask, int64(t.event), t.run, q, due, code(taskKinds(), t.kind), t.path,
		code(causes(), t.cause.Kind), t.cause.Ref, ord, okey); err != nil {
		return err
	}
	if t.held || t.batch != 0 || t.wait != (store.Wait{}) {
		if err := w.makeWait(w.lastTask, &t); err != nil {
			return err
		}
	}
	if !t.held && ord == nil {
		w.ready(q, due)
	}
	id, _ := ord.(int64)
	return w.reorder(id)
}

// reorder decides which tasks of an order key may be claimed, after any of them has come, gone, or been claimed: none while one is out,
// else the first of each queue. So a queue never holds more than one ready task of a key, and a million behind it cost nothing.
func (w *writer) reorder(ord int64) error {
	if ord == 0 {
		return nil
	}
	if _, _, err := w.exec("UPDATE tasks SET stage = 2 WHERE ord = ? AND stage = 0", ord); err != nil {
		return err
	}
	taken, err := w.c.exists("SELECT 1 FROM tasks WHERE ord = ? AND stage = 1 LIMIT 1", ord)
	if err != nil || taken {
		return err
	}
	w.tx.touched = true
	for q := int64(-1); ; {
		var id, due int64
		more, err := w.c.first(func(r row) error { id, q, due = r.int(0), r.int(1), r.int(2); return nil },
			"SELECT id, queue, due FROM tasks WHERE ord = ? AND stage = 2 AND queue > ? ORDER BY queue, due, id LIMIT 1", ord, q)
		if err != nil || !more {
			return err
		}
		if _, _, err := w.exec("UPDATE tasks SET stage = 0 WHERE id = ?", id); err != nil {
			return err
		}
		w.ready(q, due)
	}
}

// Claim implements store.Store. The writer marks the tasks; what they need is read afterwards, beside it.
func (s *Store) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	var claimed []claim // copies, for the writer goes on with its own
	err := s.submit(ctx, 0, func(w *writer, now time.Time) error {
		claimed = nil
		if err := w.takeBack(now); err != nil {
			return err
		}
		taken, err := w.claim(now, c)
		for _, cl := range taken {
			claimed = append(claimed, *cl)
		}
		return err
	})
	if err != nil || len(claimed) == 0 {
		return nil, err
	}
	var handed []store.Claimed
	// Even if the caller has gone meanwhile the tasks are out; what cannot be read is given back by its lease.
	err = s.read(context.WithoutCancel(ctx), func(v *view) error {
		handed, err = v.handOut(claimed)
		return err
	})
	return handed, err
}

func (w *writer) claim(now time.Time, c store.Claim) ([]*claim, error) {
	gate, known, err := w.find(c.Gate)
	if err != nil || !known || c.Max <= 0 {
		return nil, err
	}
	if _, closed := w.gates[gate].Closed(now); closed {
		return nil, nil
	}
	if err := w.begin(); err != nil {
		return nil, err
	}
	var claimed []*claim
	if err := w.c.query(func(r row) error {
		claimed = append(claimed, &claim{task: scanTask(r), lease: now.Add(c.Lease)})
		return nil
	}, `UPDATE tasks AS t SET stage = 1, claimed = ? WHERE id IN
		(SELECT id FROM tasks WHERE `+ready+` AND queue = ? AND due <= ? ORDER BY due, id LIMIT ?) RETURNING `+strings.ReplaceAll(taskColumns, "t.", ""),
		nano(now), queue(gate, c.Lane), nano(now), c.Max); err != nil {
		return nil, err
	}
	w.tx.wrote = w.tx.wrote || len(claimed) > 0
	slices.SortFunc(claimed, func(a, b *claim) int {
		return cmp.Or(cmp.Compare(a.task.due, b.task.due), cmp.Compare(a.task.id, b.task.id))
	})
	for _, cl := range claimed {
		if cl.token, err = w.nextToken(); err != nil {
			return nil, err
		}
		w.claims.hold(w, cl)
		if err := w.closeBatch(&cl.task); err != nil {
			return nil, err
		}
		if err := w.reorder(cl.task.ord); err != nil {
			return nil, err
		}
	}
	return claimed, nil
}

// Extend implements store.Store. It writes nothing: see claims.
func (s *Store) Extend(ctx context.Context, held []store.Held, lease time.Duration) ([]error, error) {
	errs := make([]error, len(held))
	err := s.submit(ctx, 0, func(w *writer, now time.Time) error {
		for i, h := range held {
			errs[i] = store.ErrFenced
			if cl := w.claims.holder(h); cl != nil {
				errs[i] = nil
				w.claims.extend(cl, now.Add(lease))
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
	return s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		for _, h := range held {
			cl := w.claims.holder(h)
			if cl == nil {
				continue
			}
			w.claims.end(w, cl)
			w.tx.touched = true
			if _, _, err := w.exec("UPDATE tasks SET stage = 0, back = 0 WHERE id = ?", cl.task.id); err != nil {
				return err
			}
			w.ready(cl.task.queue, cl.task.due)
			if err := w.reorder(cl.task.ord); err != nil {
				return err
			}
		}
		return nil
	})
}
