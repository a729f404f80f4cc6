package sqlite

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
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
func (s *Store) Exec(ctx context.Context, sql string, args ...any) error {
	return s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		_, _, err := w.exec(sql, args...)
		return err
	})
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

// Plans gives how SQLite does each statement that the writer has prepared, a line for each of its loops.
func (s *Store) Plans(ctx context.Context) (plans map[string]string, err error) {
	err = s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		plans = map[string]string{}
		for _, sql := range slices.Collect(maps.Keys(w.c.stmts)) {
			if strings.HasPrefix(sql, "PRAGMA") || strings.HasPrefix(sql, "EXPLAIN") || strings.Contains(sql, "CREATE") {
				continue
			}
			args := make([]any, strings.Count(sql, "?")-strings.Count(sql, "?1")+min(strings.Count(sql, "?1"), 1))
			if err := w.c.query(func(r row) error { plans[sql] += r.text(3) + "\n"; return nil }, "EXPLAIN QUERY PLAN "+sql, args...); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
	return plans, err
}
