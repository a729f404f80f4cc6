package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	driverpkg "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/store"
)

// job is a piece of work for the writer. do runs inside the transaction and keeps what it found out for its caller; its error is
// SQLite's and ends the transaction. What a caller may be refused is no error of do.
type job struct {
	do   func(w *writer, now time.Time) error
	done chan error
}

// writer owns the one connection that writes, and what is known without asking it. Only its goroutine touches any of it.
type writer struct {
	s *Store
	c *conn

	lastEvent event.ID
	lastTask  int64
	lastRun   int64
	lastPut   int64
	token     int64
	tokens    int64 // reserved in the file up to here
	highSaved time.Time

	last, before int // how many shared the last two commits
	linger       *time.Timer

	names   map[string]int64
	words   map[int64]string
	fresh   []string // names made by the transaction under way
	gates   map[int64]store.Gate
	ledger  map[string]int64 // changes of the transaction under way
	events  int
	touched bool // the transaction changed what Due tells
	regated bool
}

// linger is how long a batch waits for callers that are expected back: a fraction of what a commit takes on most disks.
const linger = time.Millisecond

// tokenBlock tokens are reserved at once, so that they grow over restarts without a write for each.
const tokenBlock = 1 << 20

// submit hands work to the writer and waits until it is durable. A caller that goes away may find its work done.
func (s *Store) submit(ctx context.Context, do func(w *writer, now time.Time) error) error {
	if s.broken.Load() {
		return fmt.Errorf("the store has failed: %w", store.ErrUnavailable)
	}
	j := &job{do: do, done: make(chan error, 1)}
	select {
	case <-s.closing:
		return fmt.Errorf("the store is closing: %w", store.ErrUnavailable)
	default:
	}
	select {
	case s.work <- j:
	case <-s.closing:
		return fmt.Errorf("the store is closing: %w", store.ErrUnavailable)
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
			return fmt.Errorf("the store is closed: %w", store.ErrUnavailable)
		}
	}
}

// run is the writer's loop: it ends when the store is closing and nothing waits any more.
func (w *writer) run() {
	defer close(w.s.done)
	for {
		var first *job
		select {
		case first = <-w.s.work:
		case <-w.s.closing:
			select {
			case first = <-w.s.work:
			default:
				return
			}
		}
		batch := w.gather(first)
		err := w.transact(batch)
		for _, j := range batch {
			j.done <- err
		}
	}
}

// gather takes all that waits. Callers that were answered by the last commits are likely to come back at once: it waits a moment for
// as many as those were, so that they share a commit instead of taking turns. A caller that is alone is never kept waiting.
func (w *writer) gather(first *job) []*job {
	batch := append(make([]*job, 0, w.last+w.before+1), first)
	expected := min(w.last+w.before, maxBatch)
	var late <-chan time.Time
	for len(batch) < maxBatch {
		select {
		case j := <-w.s.work:
			batch = append(batch, j)
			continue
		default:
		}
		if len(batch) >= expected {
			break
		}
		if late == nil {
			w.linger.Reset(linger)
			late = w.linger.C
		}
		select {
		case j := <-w.s.work:
			batch = append(batch, j)
			continue
		case <-late:
		case <-w.s.closing:
		}
		break
	}
	w.last, w.before = len(batch), w.last
	return batch
}

// transact does a batch in one transaction. Its error has been told to the engine where it is final.
func (w *writer) transact(batch []*job) error {
	if w.s.broken.Load() {
		return fmt.Errorf("the store has failed: %w", store.ErrUnavailable)
	}
	started := time.Now()
	now := w.s.clock.time()
	w.fresh, w.ledger, w.events, w.touched, w.regated = w.fresh[:0], map[string]int64{}, 0, false, false
	err := w.attempt(batch, now)
	if err == nil {
		if w.s.o.Observer != nil {
			w.s.o.Observer.Commit(w.events, time.Since(started))
		}
		if w.touched {
			w.s.signal()
		}
		return nil
	}
	_, _, _ = w.c.exec("ROLLBACK") // where the error has rolled back already, this one fails and changes nothing
	for _, name := range w.fresh {
		delete(w.words, w.names[name])
		delete(w.names, name)
	}
	w.tokens = w.token // what was reserved may have gone with the transaction
	if w.regated {
		if again := w.loadGates(); again != nil {
			err = errors.Join(err, again)
		}
	}
	if final(err) {
		w.s.broken.Store(true)
		w.s.log.Error("the store has failed; nothing is acknowledged any more", "error", err)
		select {
		case w.s.fatal <- fmt.Errorf("writing the store: %w", err):
		default:
		}
	} else {
		w.s.log.Warn("the store could not commit", "error", err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

func (w *writer) attempt(batch []*job, now time.Time) error {
	if _, _, err := w.c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, j := range batch {
		if err := j.do(w, now); err != nil {
			return err
		}
	}
	if err := w.account(now); err != nil {
		return err
	}
	if w.s.o.BeforeCommit != nil {
		w.s.o.BeforeCommit()
	}
	_, _, err := w.c.exec("COMMIT")
	return err
}

// account writes the counters that the batch changed, and how far the clock has come.
func (w *writer) account(now time.Time) error {
	for term, n := range w.ledger {
		if n == 0 {
			continue
		}
		if _, _, err := w.c.exec("INSERT INTO ledger (term, n) VALUES (?1, ?2) ON CONFLICT (term) DO UPDATE SET n = n + ?2", term, n); err != nil {
			return err
		}
	}
	if now.Sub(w.highSaved) >= time.Second {
		if err := w.setMeta("high", nano(now)); err != nil {
			return err
		}
		w.highSaved = now
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
	return slices.Contains([]int{sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN}, e.Code()&0xff)
}

func (w *writer) setMeta(key string, value int64) error {
	_, _, err := w.c.exec("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2", key, value)
	return err
}

// load reads what the writer keeps in memory and takes back what a dead process held.
func (w *writer) load() error {
	meta := map[string]int64{}
	if err := w.c.query(func(r row) error { meta[r.text(0)] = r.int(1); return nil }, "SELECT key, value FROM meta"); err != nil {
		return err
	}
	w.s.clock = newClock(w.s.o.Now, at(meta["high"]))
	w.names, w.words = map[string]int64{}, map[int64]string{}
	if err := w.c.query(func(r row) error {
		w.names[r.text(1)], w.words[r.int(0)] = r.int(0), r.text(1)
		return nil
	}, "SELECT id, name FROM names"); err != nil {
		return err
	}
	var last [3]int64
	for i, sql := range []string{"SELECT max(id) FROM events", "SELECT max(id) FROM tasks", "SELECT max(id) FROM runs"} {
		if _, err := w.c.first(func(r row) error { last[i] = r.int(0); return nil }, sql); err != nil {
			return err
		}
	}
	w.lastEvent, w.lastTask, w.lastRun = event.ID(max(last[0], meta["event"])), last[1], max(last[2], meta["run"])
	w.lastPut, w.token, w.tokens = meta["put"], meta["token"], meta["token"]
	if err := w.loadGates(); err != nil {
		return err
	}
	return w.transact([]*job{{do: func(w *writer, now time.Time) error { return w.takeBack(now, true) }}})
}

func (w *writer) loadGates() error {
	w.gates = map[int64]store.Gate{}
	return w.c.query(func(r row) error {
		w.gates[r.int(0)] = store.Gate{
			Name: w.words[r.int(0)], State: word(gateStates(), r.int(1)), Reason: r.text(2), Since: at(r.int(3)), Version: r.int(4),
		}
		return nil
	}, "SELECT name, state, reason, since, version FROM gates")
}

// name gives the id of a word, a new one where it was never seen.
func (w *writer) name(text string) (int64, error) {
	if id, ok := w.names[text]; ok {
		return id, nil
	}
	_, id, err := w.c.exec("INSERT INTO names (name) VALUES (?1)", text)
	if err != nil {
		return 0, err
	}
	w.names[text], w.words[id] = id, text
	w.fresh = append(w.fresh, text)
	return id, nil
}

// nameAll gives the ids of several words.
func (w *writer) nameAll(texts ...string) ([]int64, error) {
	ids := make([]int64, len(texts))
	for i, text := range texts {
		id, err := w.name(text)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
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
