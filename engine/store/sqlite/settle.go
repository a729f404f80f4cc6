package sqlite

import (
	"cmp"
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
}

// runInfo is what no list of runs filters by.
type runInfo struct {
	Cause  run.Cause         `json:"cause,omitzero"`
	Trace  string            `json:"traceparent,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

func (st *settlement) prepare() (err error) {
	st.docs, st.infos = make([][]byte, len(st.NewRuns)), make([][]byte, len(st.NewRuns))
	for i := range st.NewRuns {
		n := &st.NewRuns[i]
		if st.docs[i], err = document(addition{Steps: n.Steps}); err != nil {
			return err
		}
		if st.infos[i], err = json.Marshal(runInfo{Cause: n.Run.Cause, Trace: n.Run.Trace, Labels: n.Run.Labels}); err != nil {
			return fmt.Errorf("writing a run's details as JSON: %w", err)
		}
		st.bytes += len(st.docs[i])
	}
	if st.Run != nil {
		delta := *st.Run // a copy, as in arrival
		st.Run = &delta
		if st.delta, err = document(addition{Steps: delta.Steps, Attempts: delta.Attempts}); err != nil {
			return err
		}
		st.bytes += len(st.delta)
	}
	if st.found, err = findingsDocument(st.Findings); err != nil {
		return err
	}
	events, bytes, err := prepare(st.Events)
	st.events, st.bytes = events, st.bytes+bytes
	return err
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
	if err := w.after(now, cl, st.Then); err != nil {
		return nil, err
	}
	if st.Routed {
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
	if st.Gate != nil {
		return nil, w.writeGate(*st.Gate)
	}
	return nil, nil
}

// after closes the task or makes it wait again.
func (w *writer) after(now time.Time, cl *claim, then store.Then) error {
	w.claims.end(w, cl)
	t := &cl.task
	if !then.Again {
		if _, _, err := w.exec("DELETE FROM tasks WHERE id = ?", t.id); err != nil {
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
	w.tx.touched = true
	if _, _, err := w.exec("UPDATE tasks SET stage = 0, lost = 0, back = 0, queue = ?, due = ?, n = ?, first = ? WHERE id = ?",
		q, nano(now.Add(then.In)), then.N, first, t.id); err != nil {
		return err
	}
	return w.reorder(t.ord)
}

// runState is what the writer must know of a run.
type runState struct {
	row, revision, version, additions int64
	id                                run.ID
	pipeline                          string
	state                             run.State
	outcome                           run.Outcome
}

func (w *writer) runState(id run.ID) (runState, bool, error) {
	s := runState{id: id}
	pipeline := int64(0)
	found, err := w.c.first(func(r row) error {
		s.row, pipeline, s.revision, s.version, s.additions = r.int(0), r.int(1), r.int(2), r.int(3), r.int(4)
		s.state, s.outcome = word(runStates(), r.int(5)), word(outcomes(), r.int(6))
		return nil
	}, "SELECT id, pipeline, revision, version, additions, state, outcome FROM runs WHERE event = ? AND key = ?", int64(id.Event), int64(id.Key))
	if err != nil || !found {
		return s, false, err
	}
	s.pipeline, err = w.names.word(w.c, pipeline)
	return s, true, err
}

func (w *writer) beginRun(now time.Time, n *store.NewRun, doc, info []byte) error {
	r := &n.Run
	pipeline, err := w.name(r.Pipeline)
	if err != nil {
		return err
	}
	revision, err := w.name(r.Revision)
	if err != nil {
		return err
	}
	state := cmp.Or(r.State, run.Open)
	finished, additions := int64(0), 0
	if state != run.Open {
		finished = nano(now)
	}
	if doc != nil {
		additions = 1
	}
	changed, _, err := w.exec(`INSERT INTO runs (id, event, key, pipeline, revision, state, outcome, version, round, now, created, finished,
		additions, reason, message, info) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		w.lastRun+1, int64(r.ID.Event), int64(r.ID.Key), pipeline, revision, code(runStates(), state), code(outcomes(), r.Outcome),
		r.Version, r.Round, nano(r.Now), nano(now), finished, additions, r.Reason, r.Message, info)
	if err != nil || changed == 0 {
		return err
	}
	w.lastRun++
	row := w.lastRun
	if err := w.add(row, 0, doc); err != nil {
		return err
	}
	w.recount(r.Pipeline, "", made)
	w.recount(r.Pipeline, "", standing(state, r.Outcome))
	w.tx.uses[revision]++
	if state != run.Open {
		return nil
	}
	type place struct {
		path string
		kind run.TaskKind
	}
	taken := map[place]bool{}
	for _, t := range n.Tasks {
		if taken[place{t.Path, t.Kind}] {
			continue
		}
		taken[place{t.Path, t.Kind}] = true
		if err := w.addTask(now, row, r.ID.Event, t); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) move(now time.Time, r *runState, d *store.RunDelta, doc []byte) error {
	state := cmp.Or(d.State, run.Open)
	finished, additions := int64(0), r.additions
	if state != run.Open {
		finished = nano(now)
	}
	if doc != nil {
		additions++
	}
	if _, _, err := w.exec(`UPDATE runs SET state = ?, outcome = ?, reason = ?, message = ?, version = version + 1, finished = ?, additions = ? WHERE id = ?`,
		code(runStates(), state), code(outcomes(), d.Outcome), d.Reason, d.Message, finished, additions, r.row); err != nil {
		return err
	}
	if err := w.add(r.row, r.additions, doc); err != nil {
		return err
	}
	w.recount(r.pipeline, standing(r.state, r.outcome), standing(state, d.Outcome))
	if state != run.Open {
		return w.closeTasks(r.row)
	}
	for _, t := range d.Tasks {
		open, err := w.c.exists("SELECT 1 FROM tasks WHERE run = ? AND run > 0 AND path = ? AND kind = ?", r.row, t.Path, code(taskKinds(), t.Kind))
		if err != nil {
			return err
		}
		if open {
			continue
		}
		if err := w.addTask(now, r.row, r.id.Event, t); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) addTask(now time.Time, row int64, ev event.ID, t store.NewTask) error {
	return w.enqueue(now, newTask{
		kind: t.Kind, event: ev, run: row, path: t.Path, gate: t.Gate, lane: cmp.Or(t.Lane, run.LaneLive), order: t.Order, in: t.In,
	})
}

// closeTasks closes all tasks of a run that has ended, claimed ones too.
func (w *writer) closeTasks(id int64) error {
	for _, cl := range w.claims.of(id) {
		w.claims.end(w, cl)
	}
	var orders []int64
	if w.ordered {
		if err := w.c.query(func(r row) error { orders = append(orders, r.int(0)); return nil },
			"SELECT DISTINCT ord FROM tasks WHERE run = ? AND run > 0 AND ord IS NOT NULL", id); err != nil {
			return err
		}
	}
	if _, _, err := w.exec("DELETE FROM tasks WHERE run = ? AND run > 0", id); err != nil {
		return err
	}
	for _, ord := range orders {
		if err := w.reorder(ord); err != nil {
			return err
		}
	}
	return nil
}

// addition is what one settlement added to a run.
type addition struct {
	// Reset says that failed and skipped steps before it are gone: the run was retried.
	Reset    bool          `json:"reset,omitempty"`
	Steps    []run.Step    `json:"steps,omitempty"`
	Attempts []run.Attempt `json:"attempts,omitempty"`
}

// document gives an addition as it is stored; nil where there is nothing in it.
func document(a addition) ([]byte, error) {
	if len(a.Steps) == 0 && len(a.Attempts) == 0 && !a.Reset {
		return nil, nil
	}
	doc, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("writing steps as JSON: %w", err)
	}
	return doc, nil
}

// maxAdditions of one run can be told apart.
const maxAdditions = 1 << 24

// add writes a run's n-th addition.
func (w *writer) add(row, n int64, doc []byte) error {
	if doc == nil {
		return nil
	}
	if n >= maxAdditions {
		return fmt.Errorf("a run has more than %d settlements", maxAdditions)
	}
	_, _, err := w.exec("INSERT INTO additions (id, doc) VALUES (?, ?)", row*maxAdditions+n, doc)
	return err
}
