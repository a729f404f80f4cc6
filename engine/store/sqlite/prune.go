package sqlite

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// What one transaction deletes, so that nobody who waits for the writer notices.
const (
	rowsPerCommit  = 25
	bytesPerCommit = 4 << 20 // of bodies: each of their pages is freed one by one
	keysPerCommit  = 500
	keysPerPrune   = 20 * keysPerCommit
	// keysLookedAt of those in memory are looked at by one call: they go of themselves when they are moved to their table.
	keysLookedAt = 1 << 12
)

// pruning remembers how far Prune has looked. One Prune goes on at a time.
type pruning struct {
	mu                                     sync.Mutex
	events, parked, runs, attempts, bodies walk
}

// Prune implements store.Store. Readers find what may go, without holding up the writer, which looks again before it deletes, a few rows a
// transaction. What has to be kept is not looked at again and again: see walk. Pages that become free are used again by what comes.
func (s *Store) Prune(ctx context.Context, p store.Policy, limit int) (done store.Pruned, err error) {
	s.pruning.mu.Lock()
	defer s.pruning.mu.Unlock()
	left := max(limit, 0)
	steps := []func() error{
		func() error { return s.pruneParked(ctx, p, &left, &done) },
		func() error { return s.pruneEvents(ctx, p, &left, &done) },
		func() error { return s.pruneRuns(ctx, p, &left, &done) },
		func() error { return s.pruneAttempts(ctx, p, &left, &done) },
		func() error { return s.pruneBodies(ctx, p, &left, &done) },
		func() error { return s.pruneRest(ctx, p, &done) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return done, err
		}
	}
	return done, nil
}

// free says in SQL whether nothing needs an event e any more: it is routed, no run of it is open or parked, no replay waits, and no task that
// it woke is still open.
const free = `e.state <> 0 AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = e.id AND +r.state IN (0, 2))
	AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.event = e.id AND t.run = 0 AND t.cause = 2)
	AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.woken > 0 AND t.woken = e.id)`

// sizeNow is in SQL how many bytes the body of an event e has, 0 where it was dropped.
const sizeNow = "CASE (SELECT typeof(body) FROM bodies WHERE event = e.id) WHEN 'integer' THEN 0 ELSE e.size END"

// prunable lets a reader find up to limit rows that may go, with a statement for their ids, sizes and whether they may, from an id on, before
// one, at most so many; args come before these in the statement. Where what is found is not deleted after all, forget lets the walk find it again.
func (s *Store) prunable(ctx context.Context, k *walk, limit int, end func(*view) (int64, error), judge func(found, bool) verdict, sql string, args ...any) (rows []found, more bool, forget func(), err error) {
	before := *k
	forget = func() { *k = before }
	err = s.readLong(ctx, func(v *view) error {
		last, err := end(v)
		if err != nil {
			return err
		}
		rows, more, err = k.next(limit, last, func(from, before int64, n int, f func(found, bool) bool) error {
			err := v.c.query(func(r row) error {
				if !f(found{id: r.int(0), size: r.int(1)}, r.int(2) != 0) {
					return errEnough
				}
				return nil
			}, sql, append(args, from, before, n)...)
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		}, judge)
		return err
	})
	if err != nil {
		forget()
	}
	return rows, more, forget, err
}

// whereFree takes all that may go.
func whereFree(_ found, free bool) verdict {
	if free {
		return take
	}
	return keep
}

// madeBefore is the end of a search for runs: those that were made later have not ended earlier.
func madeBefore(cutoff int64) func(*view) (int64, error) {
	return func(v *view) (int64, error) { return v.firstRun(cutoff) }
}

// delete lets the writer delete what was found, in transactions of a few rows. do says what one row comes to.
func (s *Store) delete(ctx context.Context, rows []found, left *int, done *store.Pruned, do func(w *writer, now time.Time, id int64) (store.Pruned, error)) error {
	for len(rows) > 0 {
		n, bytes := 0, int64(0)
		for ; n < len(rows) && n < rowsPerCommit && (n == 0 || bytes+rows[n].size <= bytesPerCommit); n++ {
			bytes += rows[n].size
		}
		var sum store.Pruned
		err := s.submit(ctx, 0, func(w *writer, now time.Time) error {
			sum = store.Pruned{}
			for _, row := range rows[:n] {
				one, err := do(w, now, row.id)
				if err != nil {
					return err
				}
				sum.Events, sum.Runs, sum.Attempts, sum.Bodies = sum.Events+one.Events, sum.Runs+one.Runs, sum.Attempts+one.Attempts, sum.Bodies+one.Bodies
			}
			if sum.Runs == 0 && sum.Events == 0 {
				return nil
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
		done.Events, done.Runs, done.Attempts, done.Bodies = done.Events+sum.Events, done.Runs+sum.Runs, done.Attempts+sum.Attempts, done.Bodies+sum.Bodies
		*left -= n
		rows = rows[n:]
	}
	return nil
}

// pruneParked deletes old parked runs, but for those that an open run of their event may be waiting for.
func (s *Store) pruneParked(ctx context.Context, p store.Policy, left *int, done *store.Pruned) error {
	if p.Parked <= 0 {
		return nil
	}
	cutoff := nano(s.clock.time().Add(-p.Parked))
	rows, more, forget, err := s.prunable(ctx, &s.pruning.parked, *left, madeBefore(cutoff), whereFree,
		`SELECT p.id, 0, p.finished < ? AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = p.event AND +r.state = 0)
		FROM runs p WHERE p.state IN (0, 2) AND p.state = 2 AND p.id >= ? AND p.id < ? ORDER BY p.id LIMIT ?`, cutoff)
	if err != nil {
		return err
	}
	done.More = done.More || more
	if err := s.delete(ctx, rows, left, done, func(w *writer, now time.Time, id int64) (store.Pruned, error) {
		return w.pruneParked(now, id, cutoff)
	}); err != nil {
		forget()
		return err
	}
	return nil
}

func (w *writer) pruneParked(now time.Time, id, cutoff int64) (n store.Pruned, err error) {
	rows, err := w.runsWhere("r.id = ?", id)
	if err != nil || len(rows) == 0 || rows[0].State != run.Parked || nano(rows[0].Finished) >= cutoff {
		return n, err // retried since the reader looked
	}
	r := &rows[0]
	if open, err := w.c.exists("SELECT 1 FROM runs r WHERE r.event = ? AND +r.state = 0", int64(r.Event)); err != nil || open {
		return n, err
	}
	if err := w.giveBack(now, r.row, false); err != nil {
		return n, err
	}
	if err := w.endBatches(r.row); err != nil {
		return n, err
	}
	if err := w.pruneRun(r); err != nil {
		return n, err
	}
	n.Runs = 1
	return n, w.wakeRun(now, r.ID)
}

// pruneEvents deletes events that are old enough, and the oldest where there are too many.
func (s *Store) pruneEvents(ctx context.Context, p store.Policy, left *int, done *store.Pruned) error {
	if p.Events <= 0 && p.MaxEvents <= 0 && p.MaxBytes <= 0 {
		return nil
	}
	cutoff, events, bytes := int64(0), int64(0), int64(0)
	if p.Events > 0 {
		cutoff = int64(event.NewID(s.clock.time().Add(-p.Events), 0))
	}
	end := func(v *view) (int64, error) {
		have, err := v.usage()
		if p.MaxEvents > 0 {
			events = have.Events - p.MaxEvents
		}
		if p.MaxBytes > 0 {
			bytes = have.Bytes - p.MaxBytes
		}
		if events > 0 || bytes > 0 {
			return math.MaxInt64, err
		}
		return cutoff, err
	}
	judge := func(row found, free bool) verdict {
		switch {
		case row.id >= cutoff && events <= 0 && bytes <= 0:
			return stop
		case !free:
			return keep
		}
		events, bytes = events-1, bytes-row.size
		return take
	}
	size := "e.size"
	if p.MaxBytes > 0 {
		size = sizeNow
	}
	rows, more, forget, err := s.prunable(ctx, &s.pruning.events, *left, end, judge,
		"SELECT e.id, "+size+", "+free+" FROM events e WHERE e.id >= ? AND e.id < ? ORDER BY e.id LIMIT ?")
	if err != nil {
		return err
	}
	done.More = done.More || more
	if err := s.delete(ctx, rows, left, done, func(w *writer, _ time.Time, id int64) (store.Pruned, error) { return w.pruneEvent(id) }); err != nil {
		forget()
		return err
	}
	return nil
}

// eventToPrune is what is to be known of an event that goes.
type eventToPrune struct {
	routes, size int64
	keyed        bool
	hash         hash
}

// stillFree looks again whether nothing needs an event. size is that of the body that it has, 0 where that was dropped.
func (w *writer) stillFree(id int64) (e eventToPrune, yes bool, err error) {
	yes, err = w.c.first(func(r row) error {
		e = eventToPrune{routes: r.int(0), size: r.int(1), keyed: r[2] != nil, hash: hash{r.int(2), r.int(3)}}
		return nil
	}, "SELECT e.routes, "+sizeNow+", e.h1, e.h2 FROM events e WHERE e.id = ? AND "+free, id)
	return e, yes, err
}

func (w *writer) pruneEvent(id int64) (n store.Pruned, err error) {
	e, free, err := w.stillFree(id)
	if err != nil || !free {
		return n, err // retried or replayed since the reader looked
	}
	if e.keyed {
		if err := w.keys.detach(w, event.ID(id), e.hash); err != nil {
			return n, err
		}
	}
	runs, err := w.runsWhere("r.event = ?", id)
	if err != nil {
		return n, err
	}
	for i := range runs {
		if err := w.pruneRun(&runs[i]); err != nil {
			return n, err
		}
	}
	for _, sql := range []string{
		"DELETE FROM requests WHERE event = ?", "DELETE FROM bodies WHERE event = ?", "DELETE FROM findings WHERE event = ?", "DELETE FROM events WHERE id = ?",
	} {
		if _, _, err := w.exec(sql, id); err != nil {
			return n, err
		}
	}
	w.tx.uses[e.routes]--
	w.count(gone, "", 1)
	w.count(bodyBytes, "", -e.size)
	return store.Pruned{Events: 1, Runs: len(runs)}, nil
}

// runsWhere reads runs as they are stored.
func (w *writer) runsWhere(condition string, args ...any) (rows []runRow, err error) {
	err = w.c.query(func(r row) error { rows = append(rows, scanRun(r)); return nil }, "SELECT "+runColumns+" FROM runs r WHERE "+condition, args...)
	return rows, err
}

// pruneRun deletes a run that is not open, and what belongs to it alone.
func (w *writer) pruneRun(r *runRow) error {
	pipeline, err := w.names.word(w.c, r.pipeline)
	if err != nil {
		return err
	}
	if _, _, err := w.exec("DELETE FROM additions WHERE id >= ? AND id < ?", r.row*maxAdditions, (r.row+1)*maxAdditions); err != nil {
		return err
	}
	if _, _, err := w.exec("DELETE FROM requests WHERE event = ? AND run = ?", int64(r.Event), r.row); err != nil {
		return err
	}
	for _, sql := range []string{"DELETE FROM parked WHERE run = ?", "DELETE FROM replays WHERE run = ?", "DELETE FROM runs WHERE id = ?"} {
		if _, _, err := w.exec(sql, r.row); err != nil {
			return err
		}
	}
	w.recount(pipeline, standing(r.State, r.Outcome), pruned)
	w.tx.uses[r.revision]--
	return nil
}
