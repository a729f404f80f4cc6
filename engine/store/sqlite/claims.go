package sqlite

import (
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// claims are the tasks that are out. Tokens and leases are kept in memory only: no other process can hold this file, and when this one
// dies all that it held is lost. The row of a task only says that it is out and since when, so that the next process knows.
// The writer changes claims; Due reads them.
type claims struct {
	mu     sync.RWMutex
	byTask map[int64]*claim
	byRun  map[int64]int // how many a run has
	// soonest is no later than the first lease to run out.
	soonest time.Time
}

type claim struct {
	task  taskRow
	token int64
	lease time.Time
	// called says that the task was woken since: it is due at once when it is put back. Only the writer looks at it.
	called bool
}

func newClaims() *claims { return &claims{byTask: map[int64]*claim{}, byRun: map[int64]int{}} }

// hold notes a claim.
func (c *claims) hold(w *writer, cl *claim) {
	c.put(cl)
	w.undo(func() { c.remove(cl) })
}

// end notes that a claim is over.
func (c *claims) end(w *writer, cl *claim) {
	c.remove(cl)
	w.undo(func() { c.put(cl) })
}

func (c *claims) put(cl *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byTask[cl.task.id] = cl
	if cl.task.run != 0 {
		c.byRun[cl.task.run]++
	}
	if len(c.byTask) == 1 || cl.lease.Before(c.soonest) {
		c.soonest = cl.lease
	}
}

func (c *claims) remove(cl *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byTask, cl.task.id)
	if cl.task.run != 0 {
		if c.byRun[cl.task.run]--; c.byRun[cl.task.run] == 0 {
			delete(c.byRun, cl.task.run)
		}
	}
}

// extend moves the end of a lease.
func (c *claims) extend(cl *claim, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl.lease = until
	if until.Before(c.soonest) {
		c.soonest = until
	}
}

// holder gives the claim that a caller holds, nil where it holds none any more. Only the writer calls it.
func (c *claims) holder(h store.Held) *claim {
	if cl := c.byTask[h.Task]; cl != nil && cl.token == h.Token {
		return cl
	}
	return nil
}

// of gives the claims on tasks of a run. Only the writer calls it.
func (c *claims) of(run int64) []*claim {
	if c.byRun[run] == 0 {
		return nil
	}
	var out []*claim
	for _, cl := range c.byTask {
		if cl.task.run == run {
			out = append(out, cl)
		}
	}
	return out
}

// lost gives the claims whose lease has run out, in the order of their tasks.
func (c *claims) lost(now time.Time) []*claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byTask) == 0 || c.soonest.After(now) {
		return nil
	}
	var out []*claim
	first := true
	for _, cl := range c.byTask {
		if !cl.lease.After(now) {
			out = append(out, cl)
			continue
		}
		if first || cl.lease.Before(c.soonest) {
			c.soonest, first = cl.lease, false
		}
	}
	if len(out) > 0 {
		c.soonest = now // until they are taken back
	}
	slices.SortFunc(out, func(a, b *claim) int { return int(a.task.id - b.task.id) })
	return out
}

// leases gives for each queue the earliest due time of a task whose lease has run out, and when the next lease does.
func (c *claims) leases(now time.Time) (lost map[int64]int64, next map[int64]time.Time) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	lost, next = map[int64]int64{}, map[int64]time.Time{}
	for _, cl := range c.byTask {
		q := cl.task.queue
		if cl.lease.After(now) {
			if have, ok := next[q]; !ok || cl.lease.Before(have) {
				next[q] = cl.lease
			}
		} else if have, ok := lost[q]; !ok || cl.task.due < have {
			lost[q] = cl.task.due
		}
	}
	return lost, next
}

// takeBack ends the claims whose lease has run out.
func (w *writer) takeBack(now time.Time) error {
	for _, cl := range w.claims.lost(now) {
		w.claims.end(w, cl)
		if err := w.lose(now, &cl.task); err != nil {
			return err
		}
	}
	return nil
}

// takeBackAll ends the claims of a process that has died.
func (w *writer) takeBackAll(now time.Time) error {
	var rows []taskRow
	if err := w.c.query(func(r row) error { rows = append(rows, scanTask(r)); return nil },
		"SELECT "+taskColumns+" FROM tasks t WHERE t.stage = 1"); err != nil {
		return err
	}
	for i := range rows {
		if err := w.lose(now, &rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// lose puts a task back and records that nobody knows how its attempt ended.
func (w *writer) lose(now time.Time, t *taskRow) error {
	n, first := t.n, t.first
	gate, err := w.names.word(w.c, t.gate())
	if err != nil {
		return err
	}
	task := t.task(gate, run.ID{})
	if store.HasAttempt(&task) {
		if err := w.loseAttempt(now, t, &task); err != nil {
			return err
		}
		n++
		if first == 0 {
			first = t.claimed
		}
	}
	w.tx.touched = true
	if _, _, err := w.exec("UPDATE tasks SET stage = 0, lost = lost + 1, n = ?, first = ?, back = 1 WHERE id = ?", n, first, t.id); err != nil {
		return err
	}
	w.ready(t.queue, t.due)
	return w.reorder(t.ord)
}

func (w *writer) loseAttempt(now time.Time, t *taskRow, task *run.Task) error {
	round, additions := int64(0), int64(0)
	found, err := w.c.first(func(r row) error { round, additions = r.int(0), r.int(1); return nil }, "SELECT round, additions FROM runs WHERE id = ?", t.run)
	if err != nil || !found {
		return err
	}
	doc, err := document(addition{Attempts: []run.Attempt{store.LostAttempt(task, int(round), at(t.claimed), now)}})
	if err != nil {
		return err
	}
	if _, _, err := w.exec("UPDATE runs SET additions = additions + 1 WHERE id = ?", t.run); err != nil {
		return err
	}
	return w.add(t.run, additions, doc)
}
