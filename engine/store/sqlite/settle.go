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
	ready := make([]settlement, len(settlements))
	for i := range settlements {
		if err := ready[i].from(&settlements[i]); err != nil {
			return nil, err
		}
	}
	errs := make([]error, len(settlements))
	err := s.submit(ctx, func(w *writer, now time.Time) error {
		for i := range ready {
			refused, err := w.settle(now, &ready[i])
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

// settlement is a settlement with all that can be worked out before the writer has it.
type settlement struct {
	*store.Settlement
	runs   [][]byte // the additions of NewRuns
	labels [][]byte
	delta  []byte // the addition of Run
	events []prepared
}

func (p *settlement) from(st *store.Settlement) error {
	p.Settlement = st
	for i := range st.NewRuns {
		doc, err := document(addition{Steps: st.NewRuns[i].Steps})
		if err != nil {
			return err
		}
		labels, err := json.Marshal(st.NewRuns[i].Run.Labels)
		if err != nil {
			return fmt.Errorf("writing labels as JSON: %w", err)
		}
		p.runs, p.labels = append(p.runs, doc), append(p.labels, labels)
	}
	if st.Run != nil {
		doc, err := document(addition{Steps: st.Run.Steps, Attempts: st.Run.Attempts})
		if err != nil {
			return err
		}
		p.delta = doc
	}
	p.events = make([]prepared, len(st.Events))
	for i := range st.Events {
		if err := p.events[i].from(&st.Events[i]); err != nil {
			return err
		}
	}
	return nil
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

// settle checks all that may refuse the settlement before it writes anything.
func (w *writer) settle(now time.Time, st *settlement) (refused, err error) {
	var t taskRow
	found, err := w.c.first(func(r row) error { t = scanTask(r); return nil },
		"SELECT "+taskColumns+" FROM tasks t WHERE t.id = ?1 AND t.token = ?2 AND t.token > 0", st.Held.Task, st.Held.Token)
	if err != nil {
		return nil, err
	}
	if !found {
		return store.ErrFenced, nil
	}
	var moved runState
	if st.Run != nil {
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
	if err := w.after(now, &t, st.Then); err != nil {
		return nil, err
	}
	if st.Routed {
		if _, _, err := w.c.exec("UPDATE events SET state = ?2 WHERE id = ?1 AND state = ?3", t.event,
			code(eventStates(), event.Routed), code(eventStates(), event.Accepted)); err != nil {
			return nil, err
		}
	}
	for i := range st.NewRuns {
		if err := w.begin(now, &st.NewRuns[i], st.runs[i], st.labels[i]); err != nil {
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
		if err := w.writeGate(*st.Gate); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// after closes the task or makes it wait again.
func (w *writer) after(now time.Time, t *taskRow, then store.Then) error {
	if t.ord != 0 {
		w.touched = true // the next of the order key may go
	}
	if !then.Again {
		_, _, err := w.c.exec("DELETE FROM tasks WHERE id = ?1", t.id)
		return err
	}
	q, first := t.queue, t.first
	if then.Lane != "" {
		q = t.gate()*4 + code(lanes(), then.Lane)
	}
	if !then.First.IsZero() {
		first = nano(then.First)
	}
	w.touched = true
	_, _, err := w.c.exec("UPDATE tasks SET token = 0, lost = 0, reclaimed = 0, queue = ?2, due = ?3, n = ?4, first = ?5 WHERE id = ?1",
		t.id, q, nano(now.Add(then.In)), then.N, first)
	return err
}

// runState is what a settlement must know of a run.
type runState struct {
	row      int64
	id       run.ID
	pipeline string
	version  int64
	round    int64
	state    run.State
	outcome  run.Outcome
}

func (w *writer) runState(id run.ID) (runState, bool, error) {
	out := runState{id: id}
	found, err := w.c.first(func(r row) error {
		out.row, out.pipeline, out.version, out.round = r.int(0), w.words[r.int(1)], r.int(2), r.int(3)
		out.state, out.outcome = word(runStates(), r.int(4)), word(outcomes(), r.int(5))
		return nil
	}, "SELECT id, pipeline, version, round, state, outcome FROM runs WHERE event = ?1 AND key = ?2", int64(id.Event), int64(id.Key))
	return out, found, err
}

func (w *writer) begin(now time.Time, n *store.NewRun, doc, labels []byte) error {
	r := &n.Run
	if _, found, err := w.runState(r.ID); err != nil || found {
		return err
	}
	names, err := w.nameAll(r.Pipeline, r.Revision)
	if err != nil {
		return err
	}
	state := cmp.Or(r.State, run.Open)
	created, finished := r.Created, r.Finished
	if created.IsZero() {
		created = now
	}
	if state != run.Open && finished.IsZero() {
		finished = now
	}
	w.lastRun++
	if _, _, err = w.c.exec(`INSERT INTO runs (id, event, key, pipeline, revision, cause, ref, state, outcome, version, round, now, created, finished,
		reason, message, trace, labels) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)`,
		w.lastRun, int64(r.ID.Event), int64(r.ID.Key), names[0], names[1], code(causes(), r.Cause.Kind), r.Cause.Ref,
		code(runStates(), state), code(outcomes(), r.Outcome), r.Version, r.Round, nano(r.Now), nano(created), nano(finished),
		r.Reason, r.Message, r.Trace, blob(labels)); err != nil {
		return err
	}
	if doc != nil {
		if _, _, err = w.c.exec("INSERT INTO additions (run, doc) VALUES (?1, ?2)", w.lastRun, doc); err != nil {
			return err
		}
	}
	w.ledger[runTerm(r.Pipeline, termMade)]++
	w.ledger[runTerm(r.Pipeline, stateTerm(state, r.Outcome))]++
	if state != run.Open {
		return nil
	}
	return w.addTasks(now, w.lastRun, r.ID, n.Tasks)
}

func (w *writer) move(now time.Time, r *runState, d *store.RunDelta, doc []byte) error {
	state := cmp.Or(d.State, run.Open)
	finished := int64(0)
	if state != run.Open {
		finished = nano(now)
	}
	if _, _, err := w.c.exec("UPDATE runs SET state = ?2, outcome = ?3, reason = ?4, message = ?5, version = version + 1, finished = ?6 WHERE id = ?1",
		r.row, code(runStates(), state), code(outcomes(), d.Outcome), d.Reason, d.Message, finished); err != nil {
		return err
	}
	if doc != nil {
		if _, _, err := w.c.exec("INSERT INTO additions (run, doc) VALUES (?1, ?2)", r.row, doc); err != nil {
			return err
		}
	}
	w.ledger[runTerm(r.pipeline, stateTerm(r.state, r.outcome))]--
	w.ledger[runTerm(r.pipeline, stateTerm(state, d.Outcome))]++
	if state == run.Open {
		return w.addTasks(now, r.row, r.id, d.Tasks)
	}
	w.touched = true // an order key may be free
	_, _, err := w.c.exec("DELETE FROM tasks WHERE run = ?1 AND run > 0", r.row)
	return err
}

func (w *writer) addTasks(now time.Time, row64 int64, id run.ID, tasks []store.NewTask) error {
	for _, n := range tasks {
		open, err := w.c.first(func(row) error { return nil }, "SELECT 1 FROM tasks WHERE run = ?1 AND run > 0 AND path = ?2 AND kind = ?3",
			row64, n.Path, code(taskKinds(), n.Kind))
		if err != nil {
			return err
		}
		if open {
			continue
		}
		if err := w.enqueue(now, newTask{
			kind: n.Kind, event: id.Event, run: row64, path: n.Path, gate: n.Gate, lane: cmp.Or(n.Lane, run.LaneLive), order: n.Order, in: n.In,
		}); err != nil {
			return err
		}
	}
	return nil
}

// The terms of the ledger, as they are stored.
const (
	recorded    = "requests.recorded"
	processed   = "requests.processed"
	duplicate   = "requests.duplicate"
	ignored     = "requests.ignored"
	quarantined = "requests.quarantined"
	prunedTerm  = "requests.pruned"

	termMade   = "made"
	termPruned = "pruned"
)

// runTerm names a term of a pipeline: the term first, for a pipeline's name may hold a dot.
func runTerm(pipeline, term string) string { return "runs." + term + "." + pipeline }

func stateTerm(s run.State, o run.Outcome) string {
	switch s {
	case run.Open, run.Parked, run.Dropped:
		return string(s)
	case run.Done:
	}
	return string(cmp.Or(o, run.Completed))
}
