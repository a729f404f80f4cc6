package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Retry implements store.Store.
func (s *Store) Retry(ctx context.Context, ask store.RetryAsk) error {
	reset, err := document(addition{Reset: true})
	if err != nil {
		return err
	}
	return s.unpark(ctx, "retry", ask.Request, ask.Run, ask.By, store.ActionRetry, func(w *writer, now time.Time, r *runState) error {
		digest := r.revision
		if ask.Revision != "" {
			var err error
			if digest, err = w.name(ask.Revision); err != nil {
				return err
			}
		}
		w.tx.uses[r.revision]--
		w.tx.uses[digest]++
		if _, _, err := w.exec(`UPDATE runs SET state = ?, outcome = 0, reason = '', message = '', destination = 0, finished = 0, round = round + 1,
			version = version + 1, additions = additions + 1, revision = ? WHERE id = ?`, code(runStates(), run.Open), digest, r.row); err != nil {
			return err
		}
		if err := w.add(r.row, r.additions, reset); err != nil {
			return err
		}
		w.recount(r.pipeline, string(run.Parked), string(run.Open))
		return w.enqueue(now, newTask{
			kind: run.TaskStep, event: ask.Run.Event, run: r.row, gate: "@" + r.pipeline, lane: cmp.Or(ask.Lane, run.LaneRetry),
		})
	})
}

// Drop implements store.Store.
func (s *Store) Drop(ctx context.Context, ask store.DropAsk) error {
	return s.unpark(ctx, "drop", ask.Request, ask.Run, ask.By, store.ActionDrop, func(w *writer, now time.Time, r *runState) error {
		w.recount(r.pipeline, string(run.Parked), string(run.Dropped))
		if _, _, err := w.exec("UPDATE runs SET state = ?, finished = ?, version = version + 1 WHERE id = ?", code(runStates(), run.Dropped), nano(now), r.row); err != nil {
			return err
		}
		if err := w.giveBack(now, r.row, false); err != nil {
			return err
		}
		if err := w.endBatches(r.row); err != nil {
			return err
		}
		return w.wakeRun(now, ask.Run)
	})
}

func (s *Store) unpark(ctx context.Context, what, request string, id run.ID, by store.By, action string, change func(*writer, time.Time, *runState) error) error {
	if request == "" {
		return store.ErrNoRequest
	}
	var refused error
	err := s.submit(ctx, 0, func(w *writer, now time.Time) error {
		refused = nil
		r, found, err := w.runState(id)
		if err != nil {
			return err
		}
		if !found {
			refused = fmt.Errorf("run %s: %w", id, store.ErrNotFound)
			return nil
		}
		again, err := w.asked(id.Event, r.row, what, request)
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
		if err := w.unpark(r.row); err != nil {
			return err
		}
		if by != (store.By{}) {
			if err := w.auditUnpark(now, by, action, &r); err != nil {
				return err
			}
		}
		return change(w, now, &r)
	})
	if err != nil {
		return err
	}
	return refused
}

// auditUnpark notes who asked for a retry or a drop, and of what.
func (w *writer) auditUnpark(now time.Time, by store.By, action string, r *runState) error {
	v := view{c: w.c, names: w.names}
	runs, _, err := v.runs("SELECT "+runColumns+" FROM runs r WHERE r.id = ?", r.row)
	if err != nil || len(runs) == 0 {
		return err
	}
	e, _ := by.Entry(action, r.id.String(), store.UnparkDetail(&runs[0]))
	return w.chain(now, e)
}

// asked says whether a request was made before.
func (w *writer) asked(ev event.ID, row int64, what, request string) (bool, error) {
	return w.c.exists("SELECT 1 FROM requests WHERE event = ? AND run = ? AND what = ? AND request = ?", int64(ev), row, what, request)
}

func (w *writer) remember(ev event.ID, row int64, what, request string) error {
	_, _, err := w.exec("INSERT INTO requests (event, run, what, request) VALUES (?, ?, ?, ?)", int64(ev), row, what, request)
	return err
}

// Replay implements store.Store.
func (s *Store) Replay(ctx context.Context, ask store.ReplayAsk) (int, error) {
	if ask.Request == "" {
		return 0, store.ErrNoRequest
	}
	added := 0
	var refused error
	err := s.submit(ctx, 0, func(w *writer, now time.Time) error {
		added, refused = 0, nil
		for _, id := range ask.Events {
			found, err := w.c.exists("SELECT 1 FROM events WHERE id = ?", int64(id))
			if err != nil {
				return err
			}
			if !found {
				refused = fmt.Errorf("event %s: %w", id, store.ErrNotFound)
				return nil
			}
			if dropped, err := w.c.bodyDropped(int64(id)); err != nil {
				return err
			} else if dropped {
				if again, err := w.asked(id, 0, "replay", ask.Request); err != nil || !again {
					refused = fmt.Errorf("event %s: %w", id, store.ErrBodyDropped)
					return err
				}
			}
		}
		for _, id := range ask.Events {
			again, err := w.asked(id, 0, "replay", ask.Request)
			if err != nil {
				return err
			}
			if again {
				continue
			}
			if err := w.remember(id, 0, "replay", ask.Request); err != nil {
				return err
			}
			if err := w.enqueue(now, newTask{
				kind: run.TaskRoute, event: id, cause: run.Cause{Kind: run.Replay, Ref: ask.Request}, gate: run.RouteGate, lane: run.LaneReplay,
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
