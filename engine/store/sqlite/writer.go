package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	driverpkg "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// job is a piece of work for the writer. do runs inside the transaction and keeps what it found out for its caller; its error ends the
// transaction. It may be run again where the transaction failed because of another's. What a caller may be refused is no error of do.
type job struct {
	do    func(w *writer, now time.Time) error
	bytes int
	done  chan error
}

// writer owns the one connection that writes, and what is known without asking it. Only its goroutine touches any of it.
type writer struct {
	s *Store
	c *conn

	lastEvent event.ID
	lastTask  int64
	lastRun   int64
	lastPut   int64

	lastRejection event.ID
	rejections    int64 // how many there are

	lastAudit   event.ID
	auditDigest string // of the last entry

	parked int64 // how many runs are

	token     int64
	tokens    int64 // reserved in the file up to here
	highSaved time.Time

	names   *names
	claims  *claims
	keys    *keys
	gates   map[int64]store.Gate
	ordered bool // there may be tasks with order keys
	limited bool // there may be runs with turns
	batched bool // there may be batches
	waits   *waits
	ended   []run.ID // the runs that the settlement under way has left open no longer
	written int      // bytes added to the log since it was last copied, by a guess

	tx tx
}

// tx is what the transaction under way has done so far.
type tx struct {
	began   bool
	wrote   bool
	touched bool                 // it changed what Due tells
	ready   []readyAt            // the tasks that it made ready, or due earlier
	gates   map[int64]store.Gate // those that it changed
	events  int
	bytes   int // what it adds to the log, by a guess
	ledger  map[term]int64
	uses    map[int64]int64
	undo    []func() // puts what is kept in memory back, last first
	kept    []func() // runs once it is committed
}

// tokenBlock tokens are reserved at once, so that they grow over restarts without a write for each.
const tokenBlock = 1 << 20

// usable says why the store cannot be used now.
func (s *Store) usable(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, context.Cause(ctx))
	}
	select {
	case <-s.closing:
		return errClosing
	default:
	}
	select {
	case <-s.started:
		return nil
	default:
		return fmt.Errorf("the store is not started: %w", store.ErrUnavailable)
	}
}

// submit hands work to the writer and waits until it is durable. A caller that goes away may find its work done.
func (s *Store) submit(ctx context.Context, bytes int, do func(w *writer, now time.Time) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	j := &job{do: do, bytes: bytes, done: make(chan error, 1)}
	select {
	case s.work <- j:
	case <-s.closing:
		return errClosing
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", store.ErrUnavailable, context.Cause(ctx))
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", store.ErrUnavailable, context.Cause(ctx))
	case <-s.done:
		select {
		case err := <-j.done:
			return err
		default:
			return errClosing
		}
	}
}

var errFailed = fmt.Errorf("%w: %w", store.ErrFailed, store.ErrUnavailable)

var errClosing = fmt.Errorf("the store is closing: %w", store.ErrUnavailable)

// run is the writer's loop: it ends when the store is closing and nothing waits any more.
func (w *writer) run() {
	defer close(w.s.done)
	for {
		batch := w.next()
		if batch == nil {
			break
		}
		w.commitAll(batch)
		w.s.checkpoints.between(w)
	}
	if high := w.s.clock.time(); high.After(w.highSaved) && !w.s.broken.Load() {
		if err := w.transact([]*job{{do: func(w *writer, now time.Time) error { w.highSaved = now; return w.setMeta("high", nano(now)) }}}); err != nil {
			w.s.log.Warn("noting the time at the end", "error", err)
		}
	}
}

// next waits for work and takes all that waits; nil when the store is closing and there is none.
func (w *writer) next() []*job {
	var first *job
	select {
	case first = <-w.s.work:
	case <-w.s.closing:
		select {
		case first = <-w.s.work:
		default:
			return nil
		}
	}
	batch, bytes := []*job{first}, first.bytes
	for len(batch) < maxBatch && bytes < maxBatchBytes {
		select {
		case j := <-w.s.work:
			batch, bytes = append(batch, j), bytes+j.bytes
		default:
			return batch
		}
	}
	return batch
}

// commitAll does a batch in one transaction and answers each. Where that fails for a reason that may be one job's alone, such as a
// value that is too large, each gets a transaction of its own.
func (w *writer) commitAll(batch []*job) {
	err := w.transact(batch)
	if err == nil || len(batch) == 1 || w.s.broken.Load() {
		for _, j := range batch {
			j.done <- err
		}
		return
	}
	for _, j := range batch {
		j.done <- w.transact([]*job{j})
	}
}

// transact does a batch in one transaction. Its error wraps ErrUnavailable and has been told to the engine where it is final.
func (w *writer) transact(batch []*job) error {
	if w.s.broken.Load() {
		return errFailed
	}
	started := time.Now()
	w.tx = tx{ledger: map[term]int64{}, uses: map[int64]int64{}, undo: w.tx.undo[:0], kept: w.tx.kept[:0], ready: w.tx.ready[:0]}
	err := w.attempt(batch, w.s.clock.time())
	if err == nil {
		for _, f := range w.tx.kept {
			f()
		}
		w.s.heads.news.add(w.tx.ready, w.tx.gates)
		if w.s.o.committed != nil {
			w.s.o.committed(w)
		}
		if w.tx.wrote {
			w.written += w.tx.bytes
		}
		if w.tx.wrote && w.s.o.Observer != nil {
			w.s.o.Observer.Commit(w.tx.events, time.Since(started))
		}
		if w.tx.touched {
			w.s.signal()
		}
		return nil
	}
	if w.tx.began {
		_, _, _ = w.c.exec("ROLLBACK") // where the error has rolled back already, this one fails and changes nothing
	}
	for _, f := range slices.Backward(w.tx.undo) {
		f()
	}
	w.tokens = w.token // what was reserved may have gone with the transaction
	if final(err) {
		w.s.fail(fmt.Errorf("writing the store: %w", err))
		return fmt.Errorf("%w: %w", errFailed, err)
	}
	w.s.log.Warn("the store could not commit", "error", err)
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

func (w *writer) attempt(batch []*job, now time.Time) error {
	w.keys.freeze(w.lastEvent)
	for _, j := range batch {
		w.tx.bytes += j.bytes
		if err := j.do(w, now); err != nil {
			return err
		}
	}
	if w.tx.wrote || len(w.tx.ledger) > 0 { // a duplicate of an event that is gone is counted and nothing else
		if err := w.keys.move(w, now); err != nil {
			return err
		}
		if err := w.account(now); err != nil {
			return err
		}
		if w.s.o.BeforeCommit != nil {
			w.s.o.BeforeCommit()
		}
	}
	if !w.tx.began {
		return nil
	}
	_, _, err := w.c.exec("COMMIT")
	return err
}

// exec writes; the first write of a batch begins the transaction.
func (w *writer) exec(sql string, args ...any) (changed, id int64, err error) {
	if err := w.begin(); err != nil {
		return 0, 0, err
	}
	changed, id, err = w.c.exec(sql, args...)
	w.tx.bytes += rowBytes
	w.tx.wrote = w.tx.wrote || changed > 0
	return changed, id, err
}

// change is exec for a statement that returns rows.
func (w *writer) change(each func(row) error, sql string, args ...any) error {
	if err := w.begin(); err != nil {
		return err
	}
	w.tx.bytes += rowBytes
	return w.c.query(func(r row) error { w.tx.wrote = true; return each(r) }, sql, args...)
}

func (w *writer) begin() error {
	if w.tx.began {
		return nil
	}
	if _, _, err := w.c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	w.tx.began = true
	return nil
}

// undo notes how to put back what was changed in memory, should the transaction fail.
func (w *writer) undo(f func()) { w.tx.undo = append(w.tx.undo, f) }

// account writes the counters that the batch changed, and how far the clock has come.
func (w *writer) account(now time.Time) error {
	for t, n := range w.tx.ledger {
		if n == 0 {
			continue
		}
		if _, _, err := w.exec("INSERT INTO ledger (term, pipeline, n) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", t.name, t.pipeline, n); err != nil {
			return err
		}
	}
	for digest, n := range w.tx.uses {
		if n == 0 {
			continue
		}
		if _, _, err := w.exec("INSERT INTO uses (digest, n) VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", digest, n); err != nil {
			return err
		}
	}
	if now.Sub(w.highSaved) >= time.Second {
		saved := w.highSaved
		w.undo(func() { w.highSaved = saved })
		w.highSaved = now
		return w.setMeta("high", nano(now))
	}
	return nil
}

// final says whether an error means that what is on the disk can no longer be trusted: a failed fsync, read or write, a broken file.
// A full disk is not: nothing was half-written, and space may come back.
func final(err error) bool {
	var e *driverpkg.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_IOERR:
		// The shared index of the log could not grow (no space) or memory ran out: neither says anything of the disk's contents.
		return e.Code() != sqlite3.SQLITE_IOERR_SHMSIZE && e.Code() != sqlite3.SQLITE_IOERR_NOMEM
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN:
		return true
	}
	return false
}

func (w *writer) setMeta(key string, value int64) error {
	_, _, err := w.exec("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", key, value)
	return err
}

// load reads what the writer keeps in memory and takes back what a dead process held.
func (w *writer) load() error {
	meta := map[string]int64{}
	if err := w.c.query(func(r row) error { meta[r.text(0)] = r.int(1); return nil }, "SELECT key, value FROM meta"); err != nil {
		return err
	}
	w.s.clock = newClock(w.s.o.Now, at(meta["high"]))
	for _, known := range []struct {
		into *int64
		sql  string
	}{
		{(*int64)(&w.lastEvent), "SELECT max(id) FROM events"},
		{&w.lastTask, "SELECT max(id) FROM tasks"},
		{&w.lastRun, "SELECT max(id) FROM runs"},
		{(*int64)(&w.lastRejection), "SELECT max(id) FROM rejections"},
		{&w.rejections, "SELECT count(*) FROM rejections"},
		{&w.parked, "SELECT sum(n) FROM ledger WHERE term = 'parked'"},
	} {
		n, err := w.c.one(known.sql)
		if err != nil {
			return err
		}
		*known.into = n
	}
	// Pruning and closing may have taken the last ones away; what follows must still be above them.
	w.lastEvent, w.lastRun = max(w.lastEvent, event.ID(meta["event"])), max(w.lastRun, meta["run"])
	w.lastPut, w.token, w.tokens = meta["put"], meta["token"], meta["token"]
	var err error
	if w.ordered, err = w.c.exists("SELECT 1 FROM tasks WHERE ord IS NOT NULL LIMIT 1"); err != nil {
		return err
	}
	if w.limited, err = w.c.exists("SELECT 1 FROM turns LIMIT 1"); err != nil {
		return err
	}
	if w.batched, err = w.c.exists("SELECT 1 FROM batches LIMIT 1"); err != nil {
		return err
	}
	if err := w.loadWaits(); err != nil {
		return err
	}
	if err := w.loadGates(); err != nil {
		return err
	}
	if err := w.loadAudit(); err != nil {
		return err
	}
	if w.keys, err = loadKeys(w.c, meta["keys"], w.s.clock.time(), cmp.Or(w.s.o.keysInMemory, moveAt), cmp.Or(w.s.o.keyStep, moveStep)); err != nil {
		return err
	}
	if err := w.loadHeads(); err != nil {
		return err
	}
	return w.transact([]*job{{do: (*writer).takeBackAll}})
}

// nextID gives an id above all that were given, at the store's time.
func (w *writer) nextID(now time.Time) event.ID {
	w.lastEvent = store.NextID(now, w.lastEvent)
	return w.lastEvent
}

// nextToken gives a fencing token above all that were given.
func (w *writer) nextToken() (int64, error) {
	if w.token >= w.tokens {
		if err := w.setMeta("token", w.tokens+tokenBlock); err != nil {
			return 0, err
		}
		w.tokens += tokenBlock
	}
	w.token++
	return w.token, nil
}
