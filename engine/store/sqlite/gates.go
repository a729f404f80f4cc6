package sqlite

import (
	"context"
	"time"

	"github.com/headgate/headgate/engine/store"
)

const gateColumns = "name, state, reason, since, version"

// scanGate reads gateColumns; the name is a number that the caller knows.
func scanGate(r row) store.Gate {
	return store.Gate{State: word(gateStates(), r.int(1)), Reason: r.text(2), Since: at(r.int(3)), Version: r.int(4)}
}

// Gate implements store.Store.
func (s *Store) Gate(ctx context.Context, name string) (store.Gate, error) {
	var g store.Gate
	err := s.read(ctx, func(v *view) error {
		_, err := v.c.first(func(r row) error { g = scanGate(r); return nil }, "SELECT "+gateColumns+" FROM gates WHERE name"+named, name)
		return err
	})
	g.Name = name
	return g, err
}

// SetGate implements store.Store.
func (s *Store) SetGate(ctx context.Context, g store.Gate) error {
	var refused error
	err := s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		refused = nil
		id, known, err := w.find(g.Name)
		if err != nil {
			return err
		}
		if known && w.gates[id].Version != g.Version || !known && g.Version != 0 {
			refused = store.ErrMoved
			return nil
		}
		return w.writeGate(g)
	})
	if err != nil {
		return err
	}
	return refused
}

// writeGate writes a gate over the one that is there.
func (w *writer) writeGate(g store.Gate) error {
	id, err := w.name(g.Name)
	if err != nil {
		return err
	}
	before, had := w.gates[id]
	g.Version = before.Version + 1
	if _, _, err := w.exec(`INSERT INTO gates (name, state, reason, since, version) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
		SET state = excluded.state, reason = excluded.reason, since = excluded.since, version = excluded.version`,
		id, code(gateStates(), g.State), g.Reason, nano(g.Since), g.Version); err != nil {
		return err
	}
	w.undo(func() {
		delete(w.gates, id)
		if had {
			w.gates[id] = before
		}
	})
	w.gates[id] = g
	w.tx.touched = true
	return nil
}

func (w *writer) loadGates() (err error) {
	v := view{c: w.c, names: w.names}
	w.gates, err = v.gates()
	return err
}
