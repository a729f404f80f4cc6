package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/store"
)

// PutAudit implements store.Store.
func (s *Store) PutAudit(ctx context.Context, e store.AuditEntry) error {
	return s.submit(ctx, len(e.Detail), func(w *writer, now time.Time) error { return w.chain(now, e) })
}

// chain adds an entry to the audit log.
func (w *writer) chain(now time.Time, e store.AuditEntry) error {
	last, digest := w.lastAudit, w.auditDigest
	w.undo(func() { w.lastAudit, w.auditDigest = last, digest })
	e = e.Chained(store.NextID(now, last), now, digest)
	doc, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing an audit entry as JSON: %w", err)
	}
	w.lastAudit, w.auditDigest = e.ID, e.Digest
	_, _, err = w.exec("INSERT INTO audit (id, action, subject, doc) VALUES (?, ?, ?, ?)", int64(e.ID), e.Action, e.Subject, doc)
	return err
}

// loadAudit reads the end of the chain.
func (w *writer) loadAudit() error {
	var last store.AuditEntry
	if _, err := w.c.first(func(r row) error { return json.Unmarshal(r.bytes(0), &last) }, "SELECT doc FROM audit ORDER BY id DESC LIMIT 1"); err != nil {
		return fmt.Errorf("reading the audit log: %w", err)
	}
	w.lastAudit, w.auditDigest = last.ID, last.Digest
	return nil
}

// Audit implements store.Store.
func (s *Store) Audit(ctx context.Context, q store.AuditQuery) (store.AuditPage, error) {
	before, err := store.ParseCursor(q.Cursor)
	if err != nil {
		return store.AuditPage{}, err
	}
	until := int64(q.Newest())
	if q.Cursor != "" {
		until = min(until, before)
	}
	var w where
	w.add("id >= ?", int64(q.Oldest()))
	w.add("id < ?", until)
	if q.Action != "" {
		w.add("(action = ? OR substr(action, 1, length(?) + 1) = ? || '.')", q.Action, q.Action, q.Action)
	}
	if q.Subject != "" {
		w.add("subject = ?", q.Subject)
	}
	limit := store.PageSize(q.Limit)
	var page store.AuditPage
	err = s.readLong(ctx, func(v *view) error {
		return v.c.query(func(r row) error {
			var e store.AuditEntry
			if err := json.Unmarshal(r.bytes(0), &e); err != nil {
				return fmt.Errorf("reading an audit entry: %w", err)
			}
			page.Entries = append(page.Entries, e)
			return nil
		}, "SELECT doc FROM audit"+w.sql()+" ORDER BY id DESC LIMIT ?", append(w.args, limit+1)...)
	})
	if err == nil && len(page.Entries) > limit {
		page.Entries = page.Entries[:limit]
		page.Next = store.FormatCursor(int64(page.Entries[limit-1].ID))
	}
	return page, err
}
