package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/store"
)

// PutRejections implements store.Store.
func (s *Store) PutRejections(ctx context.Context, rejections []store.Rejection) error {
	if len(rejections) == 0 {
		return s.usable(ctx)
	}
	return s.submit(ctx, len(rejections)*rejectionBytes, func(w *writer, now time.Time) error {
		last, have := w.lastRejection, w.rejections
		w.undo(func() { w.lastRejection, w.rejections = last, have })
		for i := range rejections {
			w.lastRejection = store.NextID(now, w.lastRejection)
			r := rejections[i].Bounded(w.lastRejection, now)
			doc, err := json.Marshal(r)
			if err != nil {
				return fmt.Errorf("writing a rejection as JSON: %w", err)
			}
			if _, _, err := w.exec("INSERT INTO rejections (id, provider, code, request, doc) VALUES (?, ?, ?, ?, ?)",
				int64(r.ID), r.Provider, r.Code, r.Request, doc); err != nil {
				return err
			}
			w.rejections++
			w.count(recorded, "", int64(r.Count))
			w.count(rejected, "", int64(r.Count))
		}
		if over := w.rejections - store.MaxRejections; over > 0 {
			changed, _, err := w.exec("DELETE FROM rejections WHERE id IN (SELECT id FROM rejections ORDER BY id LIMIT ?)", over)
			w.rejections -= changed
			return err
		}
		return nil
	})
}

// rejectionBytes is a guess of what one adds to the log.
const rejectionBytes = 1 << 10

// Rejections implements store.Store.
func (s *Store) Rejections(ctx context.Context, q store.RejectionQuery) (store.RejectionPage, error) {
	before, err := store.ParseCursor(q.Cursor)
	if err != nil {
		return store.RejectionPage{}, err
	}
	var w where
	w.add("id >= ?", int64(q.Oldest()))
	if q.Cursor != "" {
		w.add("id < ?", before)
	}
	for _, f := range []struct{ column, value string }{{"provider", q.Provider}, {"code", q.Code}, {"request", q.Request}} {
		if f.value != "" {
			w.add(f.column+" = ?", f.value)
		}
	}
	limit := store.PageSize(q.Limit)
	var page store.RejectionPage
	err = s.readLong(ctx, func(v *view) error {
		return v.c.query(func(r row) error {
			var one store.Rejection
			if err := json.Unmarshal(r.bytes(0), &one); err != nil {
				return fmt.Errorf("reading a rejection: %w", err)
			}
			page.Rejections = append(page.Rejections, one)
			return nil
		}, "SELECT doc FROM rejections"+w.sql()+" ORDER BY id DESC LIMIT ?", append(w.args, limit+1)...)
	})
	if err == nil && len(page.Rejections) > limit {
		page.Rejections = page.Rejections[:limit]
		page.Next = store.FormatCursor(int64(page.Rejections[limit-1].ID))
	}
	return page, err
}

func (s *Store) pruneRejections(ctx context.Context, cutoff time.Time, done *store.Pruned) error {
	n := int64(0)
	err := s.submit(ctx, 0, func(w *writer, _ time.Time) (err error) {
		have := w.rejections
		w.undo(func() { w.rejections = have })
		n, _, err = w.exec("DELETE FROM rejections WHERE id < ?", int64(event.NewID(cutoff, 0)))
		w.rejections -= n
		return err
	})
	if err == nil {
		done.Rejections += int(n)
	}
	return err
}
