package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
)

// KeepingFewKeys makes a store move delivery ids to their table as soon as it has n of them, one with each transaction.
func KeepingFewKeys(o Options, n int) Options {
	o.keysInMemory, o.keyStep = n, 1
	return o
}

// Damage changes a byte of a stored body, as a disk may.
func (s *Store) Damage(ctx context.Context, id event.ID) error {
	return s.Exec(ctx, "UPDATE bodies SET body = CAST('z' || substr(body, 2) AS BLOB) WHERE event = ?", int64(id))
}

// Exec lets the writer run a statement.
func (s *Store) Exec(ctx context.Context, sql string, args ...any) (err error) {
	failed := s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		w.tx.kept = append(w.tx.kept, func() { err = w.loadHeads() }) // what a statement does to tasks is not noted
		_, _, err := w.exec(sql, args...)
		return err
	})
	return errors.Join(failed, err)
}

// One gives the integer of a query for one.
func (s *Store) One(ctx context.Context, sql string, args ...any) (n int64, err error) {
	err = s.read(ctx, func(v *view) error {
		n, err = v.c.one(sql, args...)
		return err
	})
	return n, err
}

// Waiting gives how many pieces of work wait for the writer.
func (s *Store) Waiting() int { return len(s.work) }

// LogBytes gives how much of the log is in use.
func (s *Store) LogBytes(ctx context.Context) (n int, err error) {
	err = s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		_, err := w.c.first(func(r row) error { n = int(r.int(1)) * pageBytes; return nil }, "PRAGMA wal_checkpoint(NOOP)")
		return err
	})
	return n, err
}

// Older makes the file that an older version would have written: of schema n, with all that the file current, which no store has open,
// holds of the columns that it knew.
func Older(current, older string, n int) (err error) {
	c, err := open(older, false, fmt.Sprintf("page_size(%d)", pageBytes), "journal_mode(WAL)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	exec := func(sql string) {
		if err == nil {
			_, _, err = c.exec(sql)
		}
	}
	for _, step := range migrations()[:n] {
		exec(step)
	}
	exec(fmt.Sprintf("PRAGMA user_version = %d", n))
	exec("ATTACH '" + current + "' AS newer")
	var tables, copies []string
	if err == nil {
		err = c.query(func(r row) error { tables = append(tables, r.text(0)); return nil }, "SELECT name FROM main.sqlite_schema WHERE type = 'table'")
	}
	for _, table := range tables {
		var columns []string
		if err == nil {
			err = c.query(func(r row) error { columns = append(columns, r.text(1)); return nil }, "PRAGMA main.table_info("+table+")")
		}
		list := strings.Join(columns, ", ")
		copies = append(copies, "INSERT INTO main."+table+" ("+list+") SELECT "+list+" FROM newer."+table)
	}
	for _, sql := range copies {
		exec(sql)
	}
	exec("DELETE FROM ledger WHERE term IN ('bodies.bytes', '" + rejected + "')")
	return err
}

// ReaderPlans is Plans for the connections that read.
func (s *Store) ReaderPlans() (plans map[string]string, err error) {
	plans = map[string]string{}
	for range readers {
		c := <-s.pool
		defer func() { s.pool <- c }()
		err = errors.Join(err, c.plans(plans))
	}
	return plans, err
}

// Plans gives how SQLite does each statement that the writer has prepared, a line for each of its loops.
func (s *Store) Plans(ctx context.Context) (plans map[string]string, err error) {
	err = s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		plans = map[string]string{}
		return w.c.plans(plans)
	})
	return plans, err
}

func (c *conn) plans(into map[string]string) error {
	for _, sql := range slices.Collect(maps.Keys(c.stmts)) {
		if into[sql] != "" || strings.HasPrefix(sql, "PRAGMA") || strings.HasPrefix(sql, "EXPLAIN") || strings.Contains(sql, "CREATE") {
			continue
		}
		args := make([]any, strings.Count(sql, "?")-strings.Count(sql, "?1")+min(strings.Count(sql, "?1"), 1))
		if err := c.query(func(r row) error { into[sql] += r.text(3) + "\n"; return nil }, "EXPLAIN QUERY PLAN "+sql, args...); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// CheckingHeads makes a store look after each commit, before it is answered, whether what Due goes by begins no queue too late.
func CheckingHeads(o Options, wrong func(string)) Options {
	o.committed = func(w *writer) {
		h := w.s.heads
		h.mu.Lock()
		defer h.mu.Unlock()
		h.news.mu.Lock()
		defer h.news.mu.Unlock()
		if err := w.c.query(func(r row) error {
			q, first := r.int(0), r.int(1)
			known := int64(never)
			if have := h.of[q]; have != nil {
				known = have.due
			}
			if due, ok := h.news.first[q]; ok {
				known = min(known, due)
			}
			if known > first {
				wrong(fmt.Sprintf("queue %d begins at %d, and is not looked at before %d", q, first, known))
			}
			return nil
		}, walkQueues(ready, "")); err != nil {
			wrong(err.Error())
		}
	}
	return o
}

// Queues gives how many queues Due knows of.
func (s *Store) Queues() int {
	s.heads.mu.Lock()
	defer s.heads.mu.Unlock()
	s.heads.learn()
	return len(s.heads.of)
}

// RolledBack puts a task at a gate in a transaction that fails.
func (s *Store) RolledBack(ctx context.Context, gate string) error {
	return s.submit(ctx, 0, func(w *writer, now time.Time) error {
		if err := w.enqueue(now, newTask{kind: run.TaskStep, gate: gate, lane: run.LaneLive}); err != nil {
			return err
		}
		return errors.New("rolled back by a test")
	})
}
