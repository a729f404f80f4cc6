package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// finishedRuns says in SQL whether a run f has ended before a time and no run of its event is open or parked.
const finishedRuns = `f.state IN (1, 3) AND f.finished < ? AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = f.event AND +r.state IN (0, 2))`

// finishedRun looks again whether a run is one of finishedRuns; nil where it is not.
func (w *writer) finishedRun(id, cutoff int64) (*runRow, error) {
	rows, err := w.runsWhere("r.id = ?", id)
	if err != nil || len(rows) == 0 || rows[0].State == run.Open || rows[0].State == run.Parked || nano(rows[0].Finished) >= cutoff {
		return nil, err
	}
	if busy, err := w.c.exists("SELECT 1 FROM runs r WHERE r.event = ? AND +r.state IN (0, 2)", int64(rows[0].Event)); err != nil || busy {
		return nil, err
	}
	return &rows[0], nil
}

// pruneRuns deletes runs that ended long ago, and keeps their event.
func (s *Store) pruneRuns(ctx context.Context, p store.Policy, left *int, done *store.Pruned) error {
	if p.Runs <= 0 {
		return nil
	}
	cutoff := nano(s.clock.time().Add(-p.Runs))
	rows, more, forget, err := s.prunable(ctx, &s.pruning.runs, *left, madeBefore(cutoff), whereFree,
		"SELECT f.id, 0, "+finishedRuns+" FROM runs f WHERE f.id >= ? AND f.id < ? ORDER BY f.id LIMIT ?", cutoff)
	if err != nil {
		return err
	}
	done.More = done.More || more
	if err := s.delete(ctx, rows, left, done, func(w *writer, _ time.Time, id int64) (store.Pruned, error) {
		r, err := w.finishedRun(id, cutoff)
		if err != nil || r == nil {
			return store.Pruned{}, err
		}
		return store.Pruned{Runs: 1}, w.pruneRun(r)
	}); err != nil {
		forget()
		return err
	}
	return nil
}

// pruneAttempts takes the attempts from runs that ended long ago.
func (s *Store) pruneAttempts(ctx context.Context, p store.Policy, left *int, done *store.Pruned) error {
	if p.Attempts <= 0 {
		return nil
	}
	cutoff := nano(s.clock.time().Add(-p.Attempts))
	rows, more, forget, err := s.prunable(ctx, &s.pruning.attempts, *left, madeBefore(cutoff), whereFree,
		`SELECT f.id, 0, f.trimmed = 0 AND `+finishedRuns+`
			AND EXISTS (SELECT 1 FROM additions a WHERE a.id >= f.id * 16777216 AND a.id < (f.id + 1) * 16777216 AND instr(a.doc, CAST('"attempts":[' AS BLOB)))
		FROM runs f WHERE f.id >= ? AND f.id < ? ORDER BY f.id LIMIT ?`, cutoff)
	if err != nil {
		return err
	}
	done.More = done.More || more
	if err := s.delete(ctx, rows, left, done, func(w *writer, _ time.Time, id int64) (store.Pruned, error) {
		r, err := w.finishedRun(id, cutoff)
		if err != nil || r == nil {
			return store.Pruned{}, err
		}
		n, err := w.trim(r.row)
		return store.Pruned{Attempts: n}, err
	}); err != nil {
		forget()
		return err
	}
	return nil
}

// trim takes its attempts from a run, and counts them.
func (w *writer) trim(id int64) (n int, err error) {
	docs := map[int64]addition{}
	if err := w.c.query(func(r row) error {
		var a addition
		if err := json.Unmarshal(r.bytes(1), &a); err != nil {
			return fmt.Errorf("reading the attempts of a run: %w", err)
		}
		if len(a.Attempts) > 0 {
			n += len(a.Attempts)
			a.Attempts = nil
			docs[r.int(0)] = a
		}
		return nil
	}, "SELECT id, doc FROM additions WHERE id >= ? AND id < ?", id*maxAdditions, (id+1)*maxAdditions); err != nil {
		return 0, err
	}
	for place, a := range docs {
		doc, err := document(a)
		if err != nil {
			return 0, err
		}
		if doc == nil {
			_, _, err = w.exec("DELETE FROM additions WHERE id = ?", place)
		} else {
			_, _, err = w.exec("UPDATE additions SET doc = ? WHERE id = ?", doc, place)
		}
		if err != nil {
			return 0, err
		}
	}
	_, _, err = w.exec("UPDATE runs SET trimmed = 1 WHERE id = ?", id)
	return n, err
}

// A body that was dropped is the number 0 in the place of its bytes: no body that was ever stored is a number.
func isDropped(body driver.Value) bool {
	_, number := body.(int64)
	return number
}

// bodyDropped says whether an event has lost its body; false for an event that is not there.
func (c *conn) bodyDropped(id int64) (bool, error) {
	return c.exists("SELECT 1 FROM bodies WHERE event = ? AND typeof(body) = 'integer'", id)
}

// pruneBodies drops the bodies of old events, and keeps the events.
func (s *Store) pruneBodies(ctx context.Context, p store.Policy, left *int, done *store.Pruned) error {
	if p.Bodies <= 0 {
		return nil
	}
	end := func(*view) (int64, error) { return int64(event.NewID(s.clock.time().Add(-p.Bodies), 0)), nil }
	rows, more, forget, err := s.prunable(ctx, &s.pruning.bodies, *left, end, whereFree,
		`SELECT e.id, e.size, CASE WHEN e.size = 0 THEN 0 WHEN (SELECT typeof(body) FROM bodies WHERE event = e.id) = 'integer' THEN 0 ELSE `+free+` END
		FROM events e WHERE e.id >= ? AND e.id < ? ORDER BY e.id LIMIT ?`)
	if err != nil {
		return err
	}
	done.More = done.More || more
	if err := s.delete(ctx, rows, left, done, func(w *writer, _ time.Time, id int64) (store.Pruned, error) {
		e, free, err := w.stillFree(id)
		if err != nil || !free || e.size == 0 {
			return store.Pruned{}, err
		}
		w.count(bodyBytes, "", -e.size)
		_, _, err = w.exec("UPDATE bodies SET body = 0 WHERE event = ?", id)
		return store.Pruned{Bodies: 1}, err
	}); err != nil {
		forget()
		return err
	}
	return nil
}

// pruneRest deletes what there is little of: revisions, rejections, delivery ids and periods of quotas.
func (s *Store) pruneRest(ctx context.Context, p store.Policy, done *store.Pruned) error {
	now := s.clock.time()
	var revisions, rejections time.Time
	if p.Events > 0 {
		revisions = now.Add(-p.Events)
		rejections = revisions
	}
	if p.Rejections > 0 {
		rejections = now.Add(-p.Rejections)
	}
	var oldRevision, oldRejection bool
	err := s.readLong(ctx, func(v *view) (err error) {
		if !revisions.IsZero() {
			if oldRevision, err = v.c.exists("SELECT 1 FROM revisions WHERE "+unusedRevisions+" LIMIT 1", nano(revisions)); err != nil {
				return err
			}
		}
		if !rejections.IsZero() {
			oldRejection, err = v.c.exists("SELECT 1 FROM rejections WHERE id < ? LIMIT 1", int64(event.NewID(rejections, 0)))
		}
		return err
	})
	if err != nil {
		return err
	}
	if oldRevision {
		if err := s.pruneRevisions(ctx, revisions, done); err != nil {
			return err
		}
	}
	if oldRejection {
		if err := s.pruneRejections(ctx, rejections, done); err != nil {
			return err
		}
	}
	return s.pruneKeys(ctx, done)
}

// pruneKeys deletes delivery ids and periods of quotas that are over.
func (s *Store) pruneKeys(ctx context.Context, done *store.Pruned) error {
	for more, all := true, 0; more; {
		n := 0
		if err := s.submit(ctx, 0, func(w *writer, now time.Time) (err error) {
			if n, more, err = w.keys.prune(w, now, keysPerCommit); err != nil {
				return err
			}
			over, err := w.c.exists("SELECT 1 FROM quotas WHERE finish <= ?", nano(now)) // a row for each pipeline with a quota
			if err == nil && over {
				_, _, err = w.exec("DELETE FROM quotas WHERE finish <= ?", nano(now))
			}
			return err
		}); err != nil {
			return err
		}
		done.Keys, all = done.Keys+n, all+n
		if more && all >= keysPerPrune {
			done.More = true
			return nil
		}
	}
	return nil
}

// prune deletes delivery ids whose window has ended, at most limit from the table, and counts them; more says that the table has others. Of
// those in memory it looks at some, chosen at random.
func (k *keys) prune(w *writer, now time.Time, limit int) (n int, more bool, err error) {
	t := nano(now)
	for _, m := range []map[hash]seen{k.current, k.frozen} {
		looked := 0
		for h, s := range m {
			if looked++; looked > keysLookedAt {
				break
			}
			if s.expires <= t {
				delete(m, h) // not undone: an id whose window has ended is as good as none
				n++
			}
		}
	}
	today := t / int64(day)
	if len(k.days) == 0 || k.days[0] >= today {
		return n, false, nil
	}
	changed, _, err := w.exec("DELETE FROM keys WHERE (day, h1, h2) IN (SELECT day, h1, h2 FROM keys WHERE day < ? LIMIT ?)", today, limit)
	if err != nil {
		return 0, false, err
	}
	return n + int(changed), changed == int64(limit), k.readDays(w.c)
}

// unusedRevisions are those that are old, that no kept run or event names, and that are not the newest of their kind and name.
const unusedRevisions = `stored < ? AND put < (SELECT max(o.put) FROM revisions o WHERE o.kind = revisions.kind AND o.name = revisions.name)
	AND NOT EXISTS (SELECT 1 FROM uses u WHERE u.digest = revisions.digest AND u.n > 0)`

func (s *Store) pruneRevisions(ctx context.Context, cutoff time.Time, done *store.Pruned) error {
	n := 0
	err := s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		changed, _, err := w.exec("DELETE FROM revisions WHERE "+unusedRevisions, nano(cutoff))
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
