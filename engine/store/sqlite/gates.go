package sqlite

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/store"
)

const gateColumns = "name, state, reason, since, version, until, breaker, trips, tripped, probe"

// scanGate reads gateColumns; the name is a number that the caller knows.
func scanGate(r row) store.Gate {
	return store.Gate{
		State: word(gateStates(), r.int(1)), Reason: r.text(2), Since: at(r.int(3)), Version: r.int(4), Until: at(r.int(5)),
		Breaker: store.Breaker{State: word(breakerStates(), r.int(6)), Trips: int(r.int(7)), Since: at(r.int(8)), Until: at(r.int(9))},
	}
}

// Gate implements store.Store.
func (s *Store) Gate(ctx context.Context, name string) (store.Gate, error) {
	var g store.Gate
	err := s.read(ctx, func(v *view) error {
		_, err := v.c.first(func(r row) error { g = scanGate(r).At(s.clock.time()); return nil }, "SELECT "+gateColumns+" FROM gates WHERE name"+named, name)
		return err
	})
	g.Name = name
	return g, err
}

// SetGate implements store.Store.
func (s *Store) SetGate(ctx context.Context, g store.Gate, by store.By) error {
	var refused error
	err := s.submit(ctx, 0, func(w *writer, now time.Time) error {
		refused = nil
		before, err := w.gate(g.Name)
		if err != nil {
			return err
		}
		if before.Version != g.Version {
			refused = store.ErrMoved
			return nil
		}
		after := g.Written(before, now)
		if g.Breaker.State == store.BreakerClosed {
			after.Breaker = store.Breaker{State: store.BreakerClosed}
		}
		if e, ok := by.Entry(store.GateAction(before, after), g.Name, store.GateDetail(&after)); ok {
			if err := w.chain(now, e); err != nil {
				return err
			}
		}
		return w.writeGate(after)
	})
	if err != nil {
		return err
	}
	return refused
}

// gate gives a gate as it is stored, the zero one where it is not.
func (w *writer) gate(name string) (store.Gate, error) {
	id, known, err := w.find(name)
	if err != nil || !known {
		return store.Gate{}, err
	}
	return w.gates[id], nil
}

// settleGates writes what a settlement does to gates.
func (w *writer) settleGates(now time.Time, st *settlement) error {
	if st.Gate != nil {
		before, err := w.gate(st.Gate.Name)
		if err != nil {
			return err
		}
		if err := w.writeGate(st.Gate.Written(before, now)); err != nil {
			return err
		}
	}
	if st.Trip == nil {
		return nil
	}
	before, err := w.gate(st.Trip.Gate)
	if err != nil {
		return err
	}
	if after, changed := st.Trip.Apply(before, now); changed {
		return w.writeGate(after)
	}
	return nil
}

// writeGate writes a gate over the one that is there.
func (w *writer) writeGate(g store.Gate) error {
	id, err := w.name(g.Name)
	if err != nil {
		return err
	}
	if _, _, err := w.exec(`INSERT INTO gates (`+gateColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
		SET state = excluded.state, reason = excluded.reason, since = excluded.since, version = excluded.version, until = excluded.until,
			breaker = excluded.breaker, trips = excluded.trips, tripped = excluded.tripped, probe = excluded.probe`,
		id, code(gateStates(), g.State), g.Reason, nano(g.Since), g.Version, nano(g.Until), code(breakerStates(), g.Breaker.State), g.Breaker.Trips,
		nano(g.Breaker.Since), nano(g.Breaker.Until)); err != nil {
		return err
	}
	before, had := w.gates[id]
	w.undo(func() {
		delete(w.gates, id)
		if had {
			w.gates[id] = before
		}
	})
	w.gates[id] = g
	w.tx.touched = true
	if w.tx.gates == nil {
		w.tx.gates = map[int64]store.Gate{}
	}
	w.tx.gates[id] = g
	return nil
}

func (w *writer) loadGates() error {
	w.gates = map[int64]store.Gate{}
	if err := w.c.query(func(r row) error { w.gates[r.int(0)] = scanGate(r); return nil }, "SELECT "+gateColumns+" FROM gates"); err != nil {
		return err
	}
	w.s.heads.news.add(nil, w.gates)
	return nil
}

// walkQueues gives, for each queue that has tasks of a stage, the earliest due time and more columns: a walk over an index from queue to
// queue. The stage is a condition in the words of the index.
func walkQueues(stage, more string) string {
	return `WITH RECURSIVE q (v) AS (
			SELECT min(queue) FROM tasks WHERE ` + stage + `
			UNION ALL SELECT (SELECT min(queue) FROM tasks WHERE ` + stage + ` AND queue > v) FROM q WHERE v IS NOT NULL
		)
		SELECT v, (SELECT min(due) FROM tasks WHERE ` + stage + ` AND queue = v)` + more + ` FROM q WHERE v IS NOT NULL`
}

// Gates implements store.Store. It counts by two indexes, and no further than store.MaxWaiting.
func (s *Store) Gates(ctx context.Context) ([]store.GateView, error) {
	var out []store.GateView
	err := s.readLong(ctx, func(v *view) error {
		now := s.clock.time()
		views := map[int64]*store.GateView{}
		if err := v.c.query(func(r row) error { views[r.int(0)] = &store.GateView{Gate: scanGate(r).At(now)}; return nil },
			"SELECT "+gateColumns+" FROM gates"); err != nil {
			return err
		}
		for _, stage := range []string{ready, "stage <> 1 AND stage = 2", "stage <> 1 AND stage = 3"} {
			waiting := map[int64]bool{}
			if err := v.c.query(func(r row) error {
				id, first := r.int(0)/4, at(r.int(1))
				waiting[id] = true
				if views[id] == nil {
					views[id] = &store.GateView{Gate: store.Gate{}.At(now)}
				}
				if g := views[id]; !first.After(now) && (g.Oldest.IsZero() || first.Before(g.Oldest)) {
					g.Oldest = first
				}
				return nil
			}, walkQueues(stage, "")); err != nil {
				return err
			}
			for id := range waiting {
				n, err := v.c.one("SELECT count(*) FROM (SELECT 1 FROM tasks WHERE "+stage+" AND queue >= ? AND queue < ? LIMIT ?)",
					queue(id, ""), queue(id+1, ""), store.MaxWaiting)
				if err != nil {
					return err
				}
				views[id].Waiting = min(views[id].Waiting+int(n), store.MaxWaiting)
			}
		}
		for id, g := range views {
			name, err := v.name(id)
			if err != nil {
				return err
			}
			g.Name = name
			out = append(out, *g)
		}
		return nil
	})
	slices.SortFunc(out, func(a, b store.GateView) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}
