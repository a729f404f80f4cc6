package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Settle implements store.Store.
func (s *Store) Settle(ctx context.Context, settlements []store.Settlement) ([]error, error) {
	batch, bytes := make([]settlement, len(settlements)), 0
	for i := range settlements {
		batch[i].Settlement = settlements[i]
		if err := batch[i].prepare(); err != nil {
			return nil, err
		}
		bytes += batch[i].bytes
	}
	errs := make([]error, len(settlements))
	err := s.submit(ctx, bytes, func(w *writer, now time.Time) error {
		for i := range batch {
			refused, err := w.settle(now, &batch[i])
			if err != nil {
				return err
			}
			errs[i] = refused
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return errs, nil
}

// settlement is a store.Settlement with all that can be worked out before the writer has it.
type settlement struct {
	store.Settlement
	docs   [][]byte // the first additions of NewRuns
	infos  [][]byte // the details of NewRuns
	delta  []byte   // the addition of Run
	found  []byte   // Findings
	events []arrival
	bytes  int
	// awaited are the runs that its tasks wait for.
	awaited []run.ID
}

// runInfo is what no list of runs filters by.
type runInfo struct {
	Cause  run.Cause         `json:"cause,omitzero"`
	Depth  int               `json:"depth,omitempty"`
	Trace  string            `json:"traceparent,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

func (st *settlement) prepare() (err error) {
	st.docs, st.infos = make([][]byte, len(st.NewRuns)), make([][]byte, len(st.NewRuns))
	for i := range st.NewRuns {
		n := &st.NewRuns[i]
		if st.docs[i], err = document(addition{Steps: n.Steps, Input: n.Run.Input}); err != nil {
			return err
		}
		if st.infos[i], err = json.Marshal(runInfo{Cause: n.Run.Cause, Depth: n.Run.Depth, Trace: n.Run.Trace, Labels: n.Run.Labels}); err != nil {
			return fmt.Errorf("writing a run's details as JSON: %w", err)
		}
		st.bytes += len(st.docs[i])
		st.look(n.Tasks)
	}
	if st.Run != nil {
		delta := *st.Run // a copy, as in arrival
		st.Run = &delta
		if st.delta, err = document(addition{Steps: delta.Steps, Attempts: delta.Attempts}); err != nil {
			return err
		}
		st.bytes += len(st.delta)
		st.look(delta.Tasks)
	}
	if st.found, err = findingsDocument(st.Findings); err != nil {
		return err
	}
	events, bytes, err := prepare(st.Events)
	st.events, st.bytes = events, st.bytes+bytes
	return err
}

// look notes what new tasks weigh and wait for.
func (st *settlement) look(tasks []store.NewTask) {
	for i := range tasks {
		if g := tasks[i].Gather; g != nil {
			st.bytes += len(g.Item)
		}
		if id, ok := tasks[i].Wait.Run(); ok {
			st.awaited = append(st.awaited, id)
		}
	}
}

// settle checks all that may refuse the settlement before it writes anything.
func (w *writer) settle(now time.Time, st *settlement) (refused, err error) {
	cl := w.claims.holder(st.Held)
	if cl == nil {
		return store.ErrFenced, nil
	}
	var moved runState
	if st.Run != nil {
		found := false
		if moved, found, err = w.runState(st.Run.ID); err != nil {
			return nil, err
		}
		switch {
		case !found:
			return fmt.Errorf("run %s: %w", st.Run.ID, store.ErrNotFound), nil
		case moved.version != st.Run.Version || moved.state != run.Open:
			return store.ErrMoved, nil
		}
	}
	if st.Barred != "" {
		if g, err := w.gate(st.Barred); err != nil || g.State != store.GateDisabled {
			return store.ErrMoved, err
		}
	}
	w.ended = w.ended[:0]
	if err := w.after(now, cl, st.Then); err != nil {
		return nil, err
	}
	if st.Routed && !st.Then.Again && word(causes(), cl.task.cause) != run.Replay {
		if _, _, err := w.exec("UPDATE events SET state = ? WHERE id = ? AND state = ?", code(eventStates(), event.Routed), cl.task.event,
			code(eventStates(), event.Accepted)); err != nil {
			return nil, err
		}
	}
	if err := w.putFindings(cl.task.event, st.found); err != nil {
		return nil, err
	}
	for i := range st.NewRuns {
		if err := w.beginRun(now, &st.NewRuns[i], st.docs[i], st.infos[i]); err != nil {
			return nil, err
		}
	}
	if st.Run != nil {
		if err := w.move(now, &moved, st.Run, st.delta); err != nil {
			return nil, err
		}
	}
	for i := range st.events {
		if _, err := w.append(now, &st.events[i]); err != nil {
			return nil, err
		}
	}
	if err := w.settleGates(now, st); err != nil {
		return nil, err
	}
	return nil, w.wakeAll(now, st)
}

// after closes the task or makes it wait again.
func (w *writer) after(now time.Time, cl *claim, then store.Then) error {
	w.claims.end(w, cl)
	t := &cl.task
	if !then.Again {
		if _, _, err := w.exec("DELETE FROM tasks WHERE id = ?", t.id); err != nil {
			return err
		}
		if err := w.waitsNoMore(t.wait, 1); err != nil {
			return err
		}
		return w.reorder(t.ord)
	}
	q, first := t.queue, t.first
	if then.Lane != "" {
		q = queue(t.gate(), then.Lane)
	}
	if !then.First.IsZero() {
		first = nano(then.First)
	}
	due := now.Add(then.In)
	if cl.called {
		due = now
	}
	w.tx.touched = true
	if _, _, err := w.exec("UPDATE tasks SET stage = 0, lost = 0, back = 0, queue = ?, due = ?, n = ?, first = ? WHERE id = ?",
		q, nano(due), then.N, first, t.id); err != nil {
		return err
	}
	w.ready(q, nano(due))
	return w.reorder(t.ord)
}
