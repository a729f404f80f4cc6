package sqlite

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// runState is what the writer must know of a run.
type runState struct {
	row, pipelineID, revision, version, additions int64
	id                                            run.ID
	pipeline                                      string
	state                                         run.State
	outcome                                       run.Outcome
}

func (w *writer) runState(id run.ID) (runState, bool, error) {
	s := runState{id: id}
	found, err := w.c.first(func(r row) error {
		s.row, s.pipelineID, s.revision, s.version, s.additions = r.int(0), r.int(1), r.int(2), r.int(3), r.int(4)
		s.state, s.outcome = word(runStates(), r.int(5)), word(outcomes(), r.int(6))
		return nil
	}, "SELECT id, pipeline, revision, version, additions, state, outcome FROM runs WHERE event = ? AND key = ?", int64(id.Event), int64(id.Key))
	if err != nil || !found {
		return s, false, err
	}
	s.pipeline, err = w.names.word(w.c, s.pipelineID)
	return s, true, err
}

func (w *writer) beginRun(now time.Time, n *store.NewRun, doc, info []byte) error {
	r, held := n.Run, false // a copy: a limit changes it, and the work may be done again
	r.State = cmp.Or(r.State, run.Open)
	if r.State == run.Open && (n.Quota != nil || len(n.Holds) > 0) {
		known, err := w.c.exists("SELECT 1 FROM runs WHERE event = ? AND key = ?", int64(r.ID.Event), int64(r.ID.Key))
		if err != nil || known {
			return err
		}
		reason := ""
		if held, reason, err = w.limit(now, w.lastRun+1, n); err != nil {
			return err
		}
		if reason != "" {
			store.Limit(&r, reason)
		}
	}
	pipeline, err := w.name(r.Pipeline)
	if err != nil {
		return err
	}
	revision, err := w.name(r.Revision)
	if err != nil {
		return err
	}
	destination, err := w.destination(r.Destination)
	if err != nil {
		return err
	}
	finished, additions := int64(0), 0
	if r.State != run.Open {
		finished = nano(now)
	}
	if doc != nil {
		additions = 1
	}
	changed, _, err := w.exec(`INSERT INTO runs (id, event, key, pipeline, revision, state, outcome, version, round, now, created, finished,
		additions, reason, message, info, destination) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		w.lastRun+1, int64(r.ID.Event), int64(r.ID.Key), pipeline, revision, code(runStates(), r.State), code(outcomes(), r.Outcome),
		r.Version, r.Round, nano(r.Now), nano(now), finished, additions, r.Reason, r.Message, info, destination)
	if err != nil || changed == 0 {
		return err
	}
	w.lastRun++
	row := w.lastRun
	if err := w.add(row, 0, doc); err != nil {
		return err
	}
	if r.Cause.Kind == run.Replay {
		if _, _, err := w.exec("INSERT INTO replays (run, ref) VALUES (?, ?)", row, r.Cause.Ref); err != nil {
			return err
		}
	}
	if r.State == run.Parked {
		if err := w.park(row, pipeline, destination, r.Reason); err != nil {
			return err
		}
	}
	w.recount(r.Pipeline, "", made)
	w.recount(r.Pipeline, "", standing(r.State, r.Outcome))
	w.tx.uses[revision]++
	if r.State != run.Open {
		w.ended = append(w.ended, r.ID)
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
		if err := w.addTask(now, row, r.ID, &t, held); err != nil {
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
	destination, err := w.destination(d.Destination)
	if err != nil {
		return err
	}
	if _, _, err := w.exec(`UPDATE runs SET state = ?, outcome = ?, reason = ?, message = ?, version = version + 1, finished = ?, additions = ?,
		destination = ? WHERE id = ?`,
		code(runStates(), state), code(outcomes(), d.Outcome), d.Reason, d.Message, finished, additions, destination, r.row); err != nil {
		return err
	}
	if state == run.Parked {
		if err := w.park(r.row, r.pipelineID, destination, d.Reason); err != nil {
			return err
		}
	}
	if err := w.add(r.row, r.additions, doc); err != nil {
		return err
	}
	w.recount(r.pipeline, standing(r.state, r.outcome), standing(state, d.Outcome))
	if state != run.Open {
		w.ended = append(w.ended, r.id)
		return w.leave(now, r.row, state == run.Parked)
	}
	held, err := w.held(r.row, d.Tasks)
	if err != nil {
		return err
	}
	for _, t := range d.Tasks {
		open, err := w.c.exists("SELECT 1 FROM tasks WHERE run = ? AND run > 0 AND path = ? AND kind = ?", r.row, t.Path, code(taskKinds(), t.Kind))
		if err != nil {
			return err
		}
		if open {
			continue
		}
		if err := w.addTask(now, r.row, r.id, &t, held); err != nil {
			return err
		}
	}
	return nil
}

// park notes that a run is parked; unpark that it is no longer, or gone.
func (w *writer) park(row, pipeline, destination int64, reason string) error {
	_, _, err := w.exec("INSERT INTO parked (run, pipeline, destination, reason) VALUES (?, ?, ?, ?)", row, pipeline, destination, reason)
	return err
}

func (w *writer) unpark(row int64) error {
	_, _, err := w.exec("DELETE FROM parked WHERE run = ?", row)
	return err
}

// destination gives the number of a destination's name, 0 for none.
func (w *writer) destination(name string) (int64, error) {
	if name == "" {
		return 0, nil
	}
	return w.name(name)
}

// addTask queues a task that a run asks for; held says that the run waits for a turn.
func (w *writer) addTask(now time.Time, row int64, id run.ID, t *store.NewTask, held bool) error {
	n := newTask{
		kind: t.Kind, event: id.Event, run: row, path: t.Path, gate: t.Gate, lane: cmp.Or(t.Lane, run.LaneLive), order: t.Order, in: t.In,
		wait: t.Wait, held: held,
	}
	if t.Gather != nil {
		batch, atOnce, err := w.gather(now, row, id, t)
		if err != nil {
			return err
		}
		if n.batch = batch; atOnce {
			n.in = min(n.in, 0)
		}
	}
	return w.enqueue(now, n)
}

// leave ends what a run has that is open no longer: its tasks, its turns and, unless it is parked, its batches.
func (w *writer) leave(now time.Time, row int64, parked bool) error {
	if err := w.closeTasks(row); err != nil {
		return err
	}
	if err := w.giveBack(now, row, parked); err != nil {
		return err
	}
	if parked {
		return w.closeBatches(row)
	}
	return w.endBatches(row)
}

// closeTasks closes all tasks of a run that has ended, claimed ones too.
func (w *writer) closeTasks(id int64) error {
	for _, cl := range w.claims.of(id) {
		w.claims.end(w, cl)
	}
	orders, err := w.ordersOf(id)
	if err != nil {
		return err
	}
	if len(w.waits.n) > 0 {
		groups := map[int64]int{}
		if err := w.c.query(func(r row) error { groups[r.int(0)]++; return nil },
			"SELECT wait FROM tasks WHERE run = ? AND run > 0 AND +wait IS NOT NULL", id); err != nil {
			return err
		}
		for group, n := range groups {
			if err := w.waitsNoMore(group, n); err != nil {
				return err
			}
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

// ordersOf gives the order keys of a run's tasks.
func (w *writer) ordersOf(id int64) (orders []int64, err error) {
	if w.ordered {
		err = w.c.query(func(r row) error { orders = append(orders, r.int(0)); return nil },
			"SELECT DISTINCT ord FROM tasks WHERE run = ? AND run > 0 AND ord IS NOT NULL", id)
	}
	return orders, err
}

// addition is what one settlement added to a run.
type addition struct {
	// Reset says that the run was retried: of the steps before it those are left that run.Reopened keeps.
	Reset    bool          `json:"reset,omitempty"`
	Steps    []run.Step    `json:"steps,omitempty"`
	Attempts []run.Attempt `json:"attempts,omitempty"`
	// Input is the run's, in its first addition: lists of runs do not read it.
	Input json.RawMessage `json:"input,omitempty"`
}

// document gives an addition as it is stored; nil where there is nothing in it.
func document(a addition) ([]byte, error) {
	if len(a.Steps) == 0 && len(a.Attempts) == 0 && a.Input == nil && !a.Reset {
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
