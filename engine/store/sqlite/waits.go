package sqlite

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// waits counts the tasks that wait under each group: no other process can change what this file holds. Only the writer touches n;
// listed are the groups as they were committed.
type waits struct {
	n      map[string]int
	listed atomic.Pointer[[]string]
}

func newWaits() *waits {
	c := &waits{n: map[string]int{}}
	c.list()
	return c
}

// list publishes the groups.
func (c *waits) list() {
	groups := slices.Sorted(maps.Keys(c.n))
	c.listed.Store(&groups)
}

// add changes the count of a group.
func (c *waits) add(w *writer, group string, n int) {
	before := c.n[group]
	w.undo(func() { c.set(group, before) })
	c.set(group, before+n)
	if before == 0 || before+n == 0 {
		w.tx.kept = append(w.tx.kept, c.list)
	}
}

func (c *waits) set(group string, n int) {
	if n == 0 {
		delete(c.n, group)
		return
	}
	c.n[group] = n
}

// loadWaits counts what waits, by an index.
func (w *writer) loadWaits() error {
	counts := map[int64]int{}
	if err := w.c.query(func(r row) error { counts[r.int(0)] = int(r.int(1)); return nil },
		"SELECT wait, count(*) FROM tasks WHERE wait IS NOT NULL GROUP BY wait"); err != nil {
		return err
	}
	for id, n := range counts {
		group, err := w.names.word(w.c, id)
		if err != nil {
			return err
		}
		w.waits.n[group] = n
	}
	w.waits.list()
	return nil
}

// Waits implements store.Store.
func (s *Store) Waits(ctx context.Context) ([]string, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	return slices.Clone(*s.waits.listed.Load()), nil
}

// makeWait writes what holds up a new task beside its time.
func (w *writer) makeWait(id int64, t *newTask) error {
	var group, key any
	if t.wait != (store.Wait{}) {
		name, err := w.name(t.wait.Group)
		if err != nil {
			return err
		}
		group, key = name, t.wait.Key
		w.waits.add(w, t.wait.Group, 1)
	}
	stage := 0
	if t.held {
		stage = stageHeld
	}
	_, _, err := w.exec("UPDATE tasks SET stage = ?, wait = ?, wkey = ?, batch = ? WHERE id = ?", stage, group, key, t.batch, id)
	return err
}

// waitsNoMore counts tasks that wait under a group no longer: they are closed or woken. The group 0 is none.
func (w *writer) waitsNoMore(group int64, n int) error {
	if group == 0 {
		return nil
	}
	name, err := w.names.word(w.c, group)
	if err == nil {
		w.waits.add(w, name, -n)
	}
	return err
}

// wakeAll wakes what waits for a settlement that has been applied.
func (w *writer) wakeAll(now time.Time, st *settlement) error {
	for _, id := range w.ended {
		if err := w.wakeRun(now, id); err != nil {
			return err
		}
	}
	for _, id := range st.awaited {
		r, found, err := w.runState(id)
		if err != nil {
			return err
		}
		if found && (r.state == run.Open || r.state == run.Parked) {
			continue
		}
		if err := w.wakeRun(now, id); err != nil {
			return err
		}
	}
	for _, wake := range st.Wakes {
		if err := w.wake(now, wake.Wait, wake.Event); err != nil {
			return err
		}
	}
	return nil
}

// wakeRun wakes what waits for a run.
func (w *writer) wakeRun(now time.Time, id run.ID) error {
	if w.waits.n[store.RunGroup] == 0 {
		return nil
	}
	return w.wake(now, store.RunWait(id), id.Event)
}

// wake makes what waits due. A claimed task stays so, and is due at once when it is put back.
func (w *writer) wake(now time.Time, wait store.Wait, ev event.ID) error {
	if w.waits.n[wait.Group] == 0 {
		return nil
	}
	group, _, err := w.find(wait.Group)
	if err != nil {
		return err
	}
	var rows []taskRow
	if err := w.c.query(func(r row) error { rows = append(rows, scanTask(r)); return nil },
		"SELECT "+taskColumns+" FROM tasks t WHERE t.wait = ? AND t.wkey = ?", group, wait.Key); err != nil {
		return err
	}
	for i := range rows {
		t := &rows[i]
		due := min(t.due, nano(now))
		if cl := w.claims.byTask[t.id]; cl != nil {
			due = t.due
			before := *cl
			w.undo(func() { cl.task.wait, cl.task.woken, cl.called = before.task.wait, before.task.woken, before.called })
			cl.task.wait, cl.task.woken, cl.called = 0, int64(ev), true
		}
		if _, _, err := w.exec("UPDATE tasks SET wait = NULL, wkey = NULL, woken = ?, due = ? WHERE id = ?", int64(ev), due, t.id); err != nil {
			return err
		}
		if err := w.waitsNoMore(group, 1); err != nil {
			return err
		}
		w.tx.touched = true
		if t.stage == 0 {
			w.ready(t.queue, due)
		}
		if err := w.reorder(t.ord); err != nil {
			return err
		}
	}
	return nil
}
