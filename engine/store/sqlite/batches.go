package sqlite

import (
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// gather puts the item of a new task into a batch and gives the batch; atOnce says that the task need not wait.
func (w *writer) gather(now time.Time, who int64, id run.ID, t *store.NewTask) (batch int64, atOnce bool, err error) {
	batch, err = w.c.one("SELECT batch FROM items WHERE run = ? AND path = ?", who, t.Path)
	if err != nil || batch != 0 {
		return batch, true, err // it came before
	}
	g := t.Gather
	w.batched = true
	var leader, count, n, size int64
	path := ""
	found, err := w.c.first(func(r row) error {
		batch, leader, path, count, n, size = r.int(0), r.int(1), r.text(2), r.int(3), r.int(4), r.int(5)
		return nil
	}, "SELECT id, run, path, count, n, size FROM batches WHERE key = ? AND state = 0", g.Key)
	if err != nil {
		return 0, false, err
	}
	if found && size+int64(len(g.Item)) > run.MaxBatchBytes { // no room: the batch is full, and this is the first item of the next one
		if _, _, err := w.exec("UPDATE batches SET state = 1 WHERE id = ?", batch); err != nil {
			return 0, false, err
		}
		if err := w.hurry(now, leader, path, batch); err != nil {
			return 0, false, err
		}
		found, n, size = false, 0, 0
	}
	if !found {
		leader, path, count = who, t.Path, int64(g.Count)
		if count <= 0 || count > run.MaxBatchItems {
			count = run.MaxBatchItems
		}
		if _, batch, err = w.exec("INSERT INTO batches (key, event, runkey, run, path, count, n, size, state) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0)",
			g.Key, int64(id.Event), int64(id.Key), who, t.Path, count); err != nil {
			return 0, false, err
		}
	}
	n, size = n+1, size+int64(len(g.Item))
	full := n >= count
	if _, _, err := w.exec("INSERT INTO items (batch, run, path, doc) VALUES (?, ?, ?, ?)", batch, who, t.Path, blob(g.Item)); err != nil {
		return 0, false, err
	}
	if _, _, err := w.exec("UPDATE batches SET n = ?, size = ?, state = ? WHERE id = ?", n, size, full, batch); err != nil {
		return 0, false, err
	}
	if full && found {
		err = w.hurry(now, leader, path, batch)
	}
	return batch, full || found, err
}

// hurry makes the task due that leads a full batch.
func (w *writer) hurry(now time.Time, leader int64, path string, batch int64) error {
	var id, ord, queue int64
	found, err := w.c.first(func(r row) error { id, ord, queue = r.int(0), r.int(1), r.int(2); return nil },
		"SELECT id, ord, queue FROM tasks WHERE run = ? AND run > 0 AND path = ? AND batch = ?", leader, path, batch)
	if err != nil || !found {
		return err
	}
	w.tx.touched = true
	if _, _, err := w.exec("UPDATE tasks SET due = min(due, ?) WHERE id = ?", nano(now), id); err != nil {
		return err
	}
	w.ready(queue, nano(now))
	return w.reorder(ord)
}

// closeBatch lets nothing more into the batch that a claimed task leads.
func (w *writer) closeBatch(t *taskRow) error {
	if t.batch == 0 {
		return nil
	}
	_, _, err := w.exec("UPDATE batches SET state = 1 WHERE id = ? AND run = ? AND path = ? AND state = 0", t.batch, t.run, t.path)
	return err
}

// closeBatches lets nothing more into the batches of a run that is parked.
func (w *writer) closeBatches(who int64) error {
	if !w.batched {
		return nil
	}
	_, _, err := w.exec("UPDATE batches SET state = 1 WHERE run = ? AND +state = 0", who)
	return err
}

// endBatches deletes what the batches of a run have gathered that is done or dropped, and the items of the run that nobody asks for any
// more. An item of another run that is still open or parked leaves its place behind, so that it counts once.
func (w *writer) endBatches(who int64) error {
	if !w.batched {
		return nil
	}
	var led, left []int64
	if err := w.c.query(func(r row) error { led = append(led, r.int(0)); return nil }, "SELECT id FROM batches WHERE run = ?", who); err != nil {
		return err
	}
	for _, id := range led {
		for _, sql := range []string{
			"DELETE FROM items WHERE batch = ? AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = items.run AND r.state IN (0, 2))",
			"UPDATE items SET doc = NULL WHERE batch = ?",
			"UPDATE batches SET state = 2 WHERE id = ?",
		} {
			if _, _, err := w.exec(sql, id); err != nil {
				return err
			}
		}
	}
	if err := w.c.query(func(r row) error { left = append(left, r.int(0)); return nil },
		"SELECT i.batch FROM items i CROSS JOIN batches b ON b.id = i.batch WHERE i.run = ? AND +b.state = 2", who); err != nil {
		return err
	}
	for _, id := range left {
		if _, _, err := w.exec("DELETE FROM items WHERE batch = ? AND run = ?", id, who); err != nil {
			return err
		}
	}
	for _, id := range append(led, left...) {
		if _, _, err := w.exec("DELETE FROM batches WHERE id = ? AND NOT EXISTS (SELECT 1 FROM items WHERE batch = batches.id)", id); err != nil {
			return err
		}
	}
	return nil
}

// gathered tells a claimed task of its batch.
func (v *view) gathered(t *taskRow) (*store.Gathered, error) {
	g := &store.Gathered{}
	if _, err := v.c.first(func(r row) error {
		g.Leader = run.ID{Event: event.ID(r.int(0)), Key: uint64(r.int(1))}
		g.Leads = r.int(2) == t.run && r.text(3) == t.path
		return nil
	}, "SELECT event, runkey, run, path FROM batches WHERE id = ?", t.batch); err != nil || !g.Leads {
		return g, err
	}
	err := v.c.query(func(r row) error { g.Items = append(g.Items, r.bytes(0)); return nil },
		"SELECT doc FROM items WHERE batch = ? ORDER BY id", t.batch)
	return g, err
}
