package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/store"
)

// Gate implements store.Store.
func (s *Store) Gate(ctx context.Context, name string) (store.Gate, error) {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return store.Gate{}, err
	}
	defer unlock()
	g, stored := s.gates[name]
	if !stored {
		return store.Gate{Name: name}, nil
	}
	return g.At(now), nil
}

// SetGate implements store.Store.
func (s *Store) SetGate(ctx context.Context, g store.Gate, by store.By) error {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	before := s.gates[g.Name]
	if before.Version != g.Version {
		return store.ErrMoved
	}
	after := g.Written(before, now)
	if g.Breaker.State == store.BreakerClosed {
		after.Breaker = store.Breaker{State: store.BreakerClosed}
	}
	if e, ok := by.Entry(store.GateAction(before, after), g.Name, store.GateDetail(&after)); ok {
		s.chain(now, e)
	}
	s.gates[g.Name] = after
	s.signal()
	return nil
}

// Gates implements store.Store.
func (s *Store) Gates(ctx context.Context) ([]store.GateView, error) {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	views := map[string]*store.GateView{}
	view := func(name string) *store.GateView {
		if views[name] == nil {
			g := s.gates[name].At(now)
			g.Name = name
			views[name] = &store.GateView{Gate: g}
		}
		return views[name]
	}
	for name := range s.gates {
		view(name)
	}
	for k, rows := range s.queues {
		v := view(k.gate)
		v.Waiting = min(v.Waiting+len(rows), store.MaxWaiting)
		if first := rows[0].task.Due; !first.After(now) && (v.Oldest.IsZero() || first.Before(v.Oldest)) {
			v.Oldest = first
		}
	}
	var out []store.GateView
	for _, name := range slices.Sorted(maps.Keys(views)) {
		out = append(out, *views[name])
	}
	return out, nil
}

// PutAudit implements store.Store.
func (s *Store) PutAudit(ctx context.Context, e store.AuditEntry) error {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s.chain(now, e)
	return nil
}

// chain adds an entry to the audit log.
func (s *Store) chain(now time.Time, e store.AuditEntry) {
	var last store.AuditEntry
	if n := len(s.audit); n > 0 {
		last = s.audit[n-1]
	}
	s.audit = append(s.audit, e.Chained(store.NextID(now, last.ID), now, last.Digest))
}

// Audit implements store.Store.
func (s *Store) Audit(ctx context.Context, q store.AuditQuery) (store.AuditPage, error) {
	before, err := store.ParseCursor(q.Cursor)
	if err != nil {
		return store.AuditPage{}, err
	}
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.AuditPage{}, err
	}
	defer unlock()
	var page store.AuditPage
	limit := store.PageSize(q.Limit)
	for _, e := range slices.Backward(s.audit) {
		if q.Cursor != "" && int64(e.ID) >= before || !q.Matches(&e) {
			continue
		}
		if len(page.Entries) == limit {
			page.Next = store.FormatCursor(int64(page.Entries[limit-1].ID))
			break
		}
		page.Entries = append(page.Entries, e)
	}
	return page, nil
}
