package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Retry implements store.Store.
func (s *Store) Retry(ctx context.Context, request string, id run.ID, revision string) error {
	return s.unpark(ctx, "retry", request, id, func(w *writer, now time.Time, r *runState) error {
		set := "UPDATE runs SET state = ?2, outcome = 0, reason = '', message = '', finished = 0, round = round + 1, version = version + 1"
		args := []any{r.row, code(runStates(), run.Open)}
		if revision != "" {
			rev, err := w.name(revision)
			if err != nil {
				return err
			}
			set, args = set+", revision = ?3", append(args, rev)
		}
		if _, _, err := w.c.exec(set+" WHERE id = ?1", args...); err != nil {
			return err
		}
		if err := w.add(r.row, addition{Reset: true}); err != nil {
			return err
		}
		w.ledger[runTerm(r.pipeline, string(run.Parked))]--
		w.ledger[runTerm(r.pipeline, string(run.Open))]++
		return w.enqueue(now, newTask{kind: run.TaskStep, event: id.Event, run: r.row, gate: "@" + r.pipeline, lane: run.LaneRetry})
	})
}

// Drop implements store.Store.
func (s *Store) Drop(ctx context.Context, request string, id run.ID) error {
	return s.unpark(ctx, "drop", request, id, func(w *writer, now time.Time, r *runState) error {
		if _, _, err := w.c.exec("UPDATE runs SET state = ?2, finished = ?3, version = version + 1 WHERE id = ?1",
			r.row, code(runStates(), run.Dropped), nano(now)); err != nil {
			return err
		}
		w.ledger[runTerm(r.pipeline, string(run.Parked))]--
		w.ledger[runTerm(r.pipeline, string(run.Dropped))]++
		return nil
	})
}

func (s *Store) unpark(ctx context.Context, what, request string, id run.ID, change func(*writer, time.Time, *runState) error) error {
	if request == "" {
		return store.ErrNoRequest
	}
	var refused error
	err := s.submit(ctx, func(w *writer, now time.Time) error {
		refused = nil
		r, found, err := w.runState(id)
		if err != nil {
			return err
		}
		if !found {
			refused = fmt.Errorf("run %s: %w", id, store.ErrNotFound)
			return nil
		}
		again, err := w.c.first(func(row) error { return nil },
			"SELECT 1 FROM requests WHERE event = ?1 AND run = ?2 AND what = ?3 AND request = ?4", int64(id.Event), r.row, what, request)
		if err != nil || again {
			return err
		}
		if r.state != run.Parked {
			refused = fmt.Errorf("run %s is %s, not parked: %w", id, r.state, store.ErrWrongState)
			return nil
		}
		if err := w.remember(id.Event, r.row, what, request); err != nil {
			return err
		}
		return change(w, now, &r)
	})
	if err != nil {
		return err
	}
	return refused
}

func (w *writer) remember(ev event.ID, runRow int64, what, request string) error {
	_, _, err := w.c.exec("INSERT INTO requests (event, run, what, request) VALUES (?1, ?2, ?3, ?4)", int64(ev), runRow, what, request)
	return err
}

// Replay implements store.Store.
func (s *Store) Replay(ctx context.Context, request string, events []event.ID) (int, error) {
	if request == "" {
		return 0, store.ErrNoRequest
	}
	added := 0
	var refused error
	err := s.submit(ctx, func(w *writer, now time.Time) error {
		added, refused = 0, nil
		for _, id := range events {
			found, err := w.c.first(func(row) error { return nil }, "SELECT 1 FROM events WHERE id = ?1", int64(id))
			if err != nil {
				return err
			}
			if !found {
				refused = fmt.Errorf("event %s: %w", id, store.ErrNotFound)
				return nil
			}
		}
		for _, id := range events {
			again, err := w.c.first(func(row) error { return nil },
				"SELECT 1 FROM requests WHERE event = ?1 AND run = 0 AND what = 'replay' AND request = ?2", int64(id), request)
			if err != nil {
				return err
			}
			if again {
				continue
			}
			if err := w.remember(id, 0, "replay", request); err != nil {
				return err
			}
			if err := w.enqueue(now, newTask{
				kind: run.TaskRoute, event: id, cause: run.Cause{Kind: run.Replay, Ref: request}, gate: run.RouteGate, lane: run.LaneReplay,
			}); err != nil {
				return err
			}
			added++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return added, refused
}

// Gate implements store.Store.
func (s *Store) Gate(ctx context.Context, name string) (store.Gate, error) {
	g := store.Gate{Name: name}
	err := s.read(ctx, func(c *conn) error {
		_, err := c.first(func(r row) error { g = scanGate(name, r); return nil },
			"SELECT g.state, g.reason, g.since, g.version FROM gates g JOIN names n ON n.id = g.name WHERE n.name = ?1", name)
		return err
	})
	return g, err
}

func scanGate(name string, r row) store.Gate {
	return store.Gate{Name: name, State: word(gateStates(), r.int(0)), Reason: r.text(1), Since: at(r.int(2)), Version: r.int(3)}
}

// SetGate implements store.Store.
func (s *Store) SetGate(ctx context.Context, g store.Gate) error {
	var refused error
	err := s.submit(ctx, func(w *writer, _ time.Time) error {
		refused = nil
		if w.gates[w.names[g.Name]].Version != g.Version {
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
	g.Version = w.gates[id].Version + 1
	if _, _, err := w.c.exec(`INSERT INTO gates (name, state, reason, since, version) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (name) DO UPDATE SET state = ?2, reason = ?3, since = ?4, version = ?5`,
		id, code(gateStates(), g.State), g.Reason, nano(g.Since), g.Version); err != nil {
		return err
	}
	w.gates[id] = g
	w.regated, w.touched = true, true
	return nil
}
