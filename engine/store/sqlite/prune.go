package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

const (
	// keysPerPrune bounds how many delivery ids one call deletes, so that the writer is not held up.
	keysPerPrune = 5000
	// eventsPerCommit of those to be pruned are deleted in one transaction, for the same reason.
	eventsPerCommit = 100
)

// Prune implements store.Store. A reader finds what may go, without holding up the writer, which looks again before it deletes.
func (s *Store) Prune(ctx context.Context, p store.Policy, limit int) (store.Pruned, error) {
	var done store.Pruned
	if p.Events > 0 {
		cutoff := s.clock.time().Add(-p.Events)
		doomed, err := s.prunable(ctx, cutoff, limit)
		if err != nil {
			return done, err
		}
		for len(doomed) > 0 {
			n := min(len(doomed), eventsPerCommit)
			if err := s.pruneEvents(ctx, doomed[:n], &done); err != nil {
				return done, err
			}
			doomed = doomed[n:]
		}
		if err := s.pruneRevisions(ctx, cutoff, &done); err != nil {
			return done, err
		}
		if err := s.pruneRejections(ctx, cutoff, &done); err != nil {
			return done, err
		}
	}
	keys := 0
	err := s.submit(ctx, 0, func(w *writer, now time.Time) (err error) {
		if keys, err = w.keys.prune(w, now, keysPerPrune); err != nil {
			return err
		}
		_, _, err = w.exec("DELETE FROM quotas WHERE finish <= ?", nano(now)) // a row for each pipeline with a quota
		return err
	})
	if err == nil {
		done.Keys = keys
	}
	return done, err
}

// prunable finds the oldest events that nothing needs any more.
func (s *Store) prunable(ctx context.Context, cutoff time.Time, limit int) ([]int64, error) {
	var ids []int64
	err := s.readLong(ctx, func(v *view) error {
		return v.c.query(func(r row) error { ids = append(ids, r.int(0)); return nil },
			`SELECT e.id FROM events e WHERE e.id < ?1 AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = e.id AND r.state IN (0, 2))
				AND e.id NOT IN (SELECT event FROM tasks WHERE event < ?1) ORDER BY e.id LIMIT ?2`, int64(event.NewID(cutoff, 0)), limit)
	})
	return ids, err
}

func (s *Store) pruneEvents(ctx context.Context, ids []int64, done *store.Pruned) error {
	var n store.Pruned
	err := s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		n = store.Pruned{}
		for _, id := range ids {
			if err := w.pruneEvent(id, &n); err != nil {
				return err
			}
		}
		// The last event and the last run may be among them; what comes next must still be above them.
		if err := w.setMeta("event", int64(w.lastEvent)); err != nil {
			return err
		}
		return w.setMeta("run", w.lastRun)
	})
	if err != nil {
		return err
	}
	done.Events, done.Runs = done.Events+n.Events, done.Runs+n.Runs
	return nil
}

func (w *writer) pruneEvent(id int64, done *store.Pruned) error {
	var runs []runRow
	if err := w.c.query(func(r row) error { runs = append(runs, scanRun(r)); return nil },
		"SELECT "+runColumns+" FROM runs r WHERE r.event = ?", id); err != nil {
		return err
	}
	for i := range runs {
		if runs[i].State == run.Open || runs[i].State == run.Parked {
			return nil // retried since the reader looked
		}
	}
	replayed, err := w.c.exists("SELECT 1 FROM requests WHERE event = ? AND run = 0", id)
	if err != nil {
		return err
	}
	if replayed {
		if busy, err := w.c.exists("SELECT 1 FROM tasks WHERE event = ?", id); err != nil || busy {
			return err
		}
	}
	var h hash
	var keyed bool
	var routes int64
	found, err := w.c.first(func(r row) error { routes, keyed, h = r.int(0), r[1] != nil, hash{r.int(1), r.int(2)}; return nil },
		"SELECT routes, h1, h2 FROM events WHERE id = ?", id)
	if err != nil || !found {
		return err
	}
	if keyed {
		if err := w.keys.detach(w, event.ID(id), h); err != nil {
			return err
		}
	}
	w.tx.uses[routes]--
	for i := range runs {
		if err := w.pruneRun(&runs[i]); err != nil {
			return err
		}
	}
	for _, sql := range []string{"DELETE FROM requests WHERE event = ?", "DELETE FROM bodies WHERE event = ?", "DELETE FROM findings WHERE event = ?", "DELETE FROM events WHERE id = ?"} {
		if _, _, err := w.exec(sql, id); err != nil {
			return err
		}
	}
	done.Events++
	done.Runs += len(runs)
	w.count(gone, "", 1)
	return nil
}

func (w *writer) pruneRun(r *runRow) error {
	pipeline, err := w.names.word(w.c, r.pipeline)
	if err != nil {
		return err
	}
	if _, _, err := w.exec("DELETE FROM additions WHERE id >= ? AND id < ?", r.row*maxAdditions, (r.row+1)*maxAdditions); err != nil {
		return err
	}
	if _, _, err := w.exec("DELETE FROM runs WHERE id = ?", r.row); err != nil {
		return err
	}
	w.recount(pipeline, standing(r.State, r.Outcome), pruned)
	w.tx.uses[r.revision]--
	return nil
}

// pruneRevisions deletes the old ones that no kept run or event names, but never the newest of its kind and name.
func (s *Store) pruneRevisions(ctx context.Context, cutoff time.Time, done *store.Pruned) error {
	n := 0
	err := s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		changed, _, err := w.exec(`DELETE FROM revisions WHERE stored < ?
			AND put < (SELECT max(o.put) FROM revisions o WHERE o.kind = revisions.kind AND o.name = revisions.name)
			AND NOT EXISTS (SELECT 1 FROM uses u WHERE u.digest = revisions.digest AND u.n > 0)`, nano(cutoff))
		n = int(changed)
		if err != nil || n == 0 {
			return err
		}
		return w.pruneSources()
	})
	if err == nil {
		done.Revisions += n
	}
	return err
}

// pruneSources deletes the files that no revision has any more.
func (w *writer) pruneSources() error {
	used := map[string]bool{}
	if err := w.c.query(func(r row) error {
		var files []revisionFile
		if err := json.Unmarshal(r.bytes(0), &files); err != nil {
			return err
		}
		for _, f := range files {
			used[string(f.Hash)] = true
		}
		return nil
	}, "SELECT files FROM revisions"); err != nil {
		return err
	}
	var unused [][]byte
	if err := w.c.query(func(r row) error {
		if hash := r.bytes(0); !used[string(hash)] {
			unused = append(unused, hash)
		}
		return nil
	}, "SELECT hash FROM sources"); err != nil {
		return err
	}
	for _, hash := range unused {
		if _, _, err := w.exec("DELETE FROM sources WHERE hash = ?", hash); err != nil {
			return err
		}
	}
	return nil
}
