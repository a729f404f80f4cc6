package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// keysPerPrune bounds how many delivery keys one call deletes, so that the writer is not held up.
const keysPerPrune = 5000

// Prune implements store.Store.
func (s *Store) Prune(ctx context.Context, p store.Policy, limit int) (store.Pruned, error) {
	var done store.Pruned
	var doomed []int64
	cutoff := time.Time{}
	if p.Events > 0 {
		cutoff = s.clock.time().Add(-p.Events)
		var err error
		if doomed, err = s.prunable(ctx, cutoff, limit); err != nil {
			return done, err
		}
	}
	err := s.submit(ctx, func(w *writer, now time.Time) error {
		done = store.Pruned{}
		for _, id := range doomed {
			if err := w.pruneEvent(id, &done); err != nil {
				return err
			}
		}
		if done.Events > 0 {
			w.ledger[prunedTerm] += int64(done.Events)
			if err := w.setMeta("event", int64(w.lastEvent)); err != nil {
				return err
			}
			if err := w.setMeta("run", w.lastRun); err != nil {
				return err
			}
		}
		if !cutoff.IsZero() {
			if err := w.pruneRevisions(cutoff, &done); err != nil {
				return err
			}
		}
		// A key goes once its day is over: what expires together lies together.
		n, _, err := w.c.exec("DELETE FROM keys WHERE hash IN (SELECT hash FROM keys WHERE day <= ?1 AND expires <= ?2 ORDER BY day, event LIMIT ?3)",
			nano(now)/int64(day), nano(now), keysPerPrune)
		done.Keys = int(n)
		return err
	})
	return done, err
}

// prunable finds the oldest events that nothing needs any more; the writer looks again before it deletes.
func (s *Store) prunable(ctx context.Context, cutoff time.Time, limit int) ([]int64, error) {
	var out []int64
	err := s.read(ctx, func(c *conn) error {
		out = out[:0]
		return c.query(func(r row) error { out = append(out, r.int(0)); return nil },
			`SELECT e.id FROM events e WHERE e.id < ?1 AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = e.id AND r.state IN (0, 2))
				AND e.id NOT IN (SELECT event FROM tasks WHERE event < ?1) ORDER BY e.id LIMIT ?2`, int64(event.NewID(cutoff, 0)), limit)
	})
	return out, err
}

func (w *writer) pruneEvent(id int64, done *store.Pruned) error {
	type doomed struct {
		row      int64
		pipeline string
		state    run.State
		outcome  run.Outcome
	}
	var runs []doomed
	busy := false
	if err := w.c.query(func(r row) error {
		d := doomed{row: r.int(0), pipeline: w.words[r.int(1)], state: word(runStates(), r.int(2)), outcome: word(outcomes(), r.int(3))}
		busy = busy || d.state == run.Open || d.state == run.Parked
		runs = append(runs, d)
		return nil
	}, "SELECT id, pipeline, state, outcome FROM runs WHERE event = ?1", id); err != nil {
		return err
	}
	if busy {
		return nil
	}
	for _, d := range runs {
		for _, sql := range []string{"DELETE FROM additions WHERE run = ?1", "DELETE FROM runs WHERE id = ?1"} {
			if _, _, err := w.c.exec(sql, d.row); err != nil {
				return err
			}
		}
		w.ledger[runTerm(d.pipeline, stateTerm(d.state, d.outcome))]--
		w.ledger[runTerm(d.pipeline, termPruned)]++
		done.Runs++
	}
	for _, sql := range []string{"DELETE FROM requests WHERE event = ?1", "DELETE FROM bodies WHERE event = ?1"} {
		if _, _, err := w.c.exec(sql, id); err != nil {
			return err
		}
	}
	n, _, err := w.c.exec("DELETE FROM events WHERE id = ?1", id)
	done.Events += int(n)
	return err
}

// pruneRevisions deletes the old ones that no kept run or event names, but never the newest of its kind and name.
func (w *writer) pruneRevisions(cutoff time.Time, done *store.Pruned) error {
	n, _, err := w.c.exec(`DELETE FROM revisions WHERE stored < ?1
		AND put < (SELECT max(o.put) FROM revisions o WHERE o.kind = revisions.kind AND o.name = revisions.name)
		AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.revision = revisions.digest)
		AND NOT EXISTS (SELECT 1 FROM events e WHERE e.routes = revisions.digest)`, nano(cutoff))
	if err != nil || n == 0 {
		return err
	}
	done.Revisions += int(n)
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
		if _, _, err := w.c.exec("DELETE FROM sources WHERE hash = ?1", hash); err != nil {
			return err
		}
	}
	return nil
}
