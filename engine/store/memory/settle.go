package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Settle implements store.Store.
func (s *Store) Settle(ctx context.Context, settlements []store.Settlement) ([]error, error) {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	errs := make([]error, len(settlements))
	for i := range settlements {
		errs[i] = s.settle(now, &settlements[i])
	}
	return errs, nil
}

// settle checks everything that may refuse the settlement before it changes anything.
func (s *Store) settle(now time.Time, st *store.Settlement) error {
	row := s.holder(st.Held)
	if row == nil {
		return store.ErrFenced
	}
	var moved *runRow
	if st.Run != nil {
		moved = s.runs[st.Run.ID]
		if moved == nil {
			return fmt.Errorf("run %s: %w", st.Run.ID, store.ErrNotFound)
		}
		if moved.run.Version != st.Run.Version || moved.run.State != run.Open {
			return store.ErrMoved
		}
	}
	if st.Barred != "" && s.gates[st.Barred].State != store.GateDisabled {
		return store.ErrMoved
	}

	ended := map[run.ID]bool{} // the runs that are open no longer
	var awaited []run.ID       // the runs that new tasks wait for
	s.after(now, row, st.Then)
	if st.Routed && !st.Then.Again && row.task.Cause.Kind != run.Replay {
		if e := s.events[row.task.Event]; e != nil && e.State == event.Accepted {
			e.State = event.Routed
		}
	}
	if e := s.events[row.task.Event]; e != nil && len(st.Findings) > 0 {
		e.Findings = st.Findings
	}
	for i := range st.NewRuns {
		s.begin(now, &st.NewRuns[i], ended)
		awaited = append(awaited, awaitedRuns(st.NewRuns[i].Tasks)...)
	}
	if moved != nil {
		s.move(now, moved, st.Run, ended)
		awaited = append(awaited, awaitedRuns(st.Run.Tasks)...)
	}
	for i := range st.Events {
		s.append(now, &st.Events[i])
	}
	if st.Gate != nil {
		s.gates[st.Gate.Name] = st.Gate.Written(s.gates[st.Gate.Name], now)
	}
	if st.Trip != nil {
		if g, changed := st.Trip.Apply(s.gates[st.Trip.Gate], now); changed {
			s.gates[g.Name] = g
		}
	}
	for id := range ended {
		s.wake(now, store.Wake{Wait: store.RunWait(id), Event: id.Event})
	}
	for _, id := range awaited {
		if r := s.runs[id]; r == nil || r.run.State == run.Done || r.run.State == run.Dropped {
			s.wake(now, store.Wake{Wait: store.RunWait(id), Event: id.Event})
		}
	}
	for _, wake := range st.Wakes {
		s.wake(now, wake)
	}
	s.signal()
	return nil
}

// after closes the task or puts it back into its queue.
func (s *Store) after(now time.Time, row *taskRow, then store.Then) {
	if !then.Again {
		s.remove(row)
		return
	}
	called := row.called
	s.unclaim(row)
	t := &row.task
	t.Due, t.N, t.Lost = now.Add(then.In), then.N, 0
	if called {
		t.Due = now
	}
	t.Lane = cmp.Or(then.Lane, t.Lane)
	if !then.First.IsZero() {
		t.First = then.First.Round(0).UTC()
	}
	s.wait(row)
}

func (s *Store) begin(now time.Time, n *store.NewRun, ended map[run.ID]bool) {
	if s.runs[n.Run.ID] != nil {
		return
	}
	s.lastRun++
	row := &runRow{seq: s.lastRun, run: n.Run}
	r := &row.run
	r.Event = r.ID.Event
	r.State = cmp.Or(r.State, run.Open)
	if r.State == run.Open {
		s.limit(now, row, n)
	}
	r.Created, r.Finished = now, time.Time{}
	if r.State != run.Open {
		r.Finished = now
		ended[r.ID] = true
	}
	row.steps = replaceSteps(nil, n.Steps)
	s.runs[r.ID] = row
	s.runOrder = append(s.runOrder, row)
	s.count(r, func(t *store.RunTerms) { t.Made++ })
	s.countState(r, 1)
	if r.State == run.Open {
		s.addTasks(now, row, n.Tasks)
	}
}

func (s *Store) move(now time.Time, row *runRow, d *store.RunDelta, ended map[run.ID]bool) {
	r := &row.run
	s.countState(r, -1)
	r.State = cmp.Or(d.State, run.Open)
	r.Outcome, r.Reason, r.Message, r.Destination = d.Outcome, d.Reason, d.Message, d.Destination
	r.Version++
	row.steps = replaceSteps(row.steps, d.Steps)
	row.attempts = append(row.attempts, d.Attempts...)
	s.countState(r, 1)
	if r.State == run.Open {
		s.addTasks(now, row, d.Tasks)
		return
	}
	r.Finished = now
	ended[r.ID] = true
	for _, t := range slices.Clone(row.tasks) {
		s.remove(t)
	}
	s.giveBack(now, row, r.State == run.Parked)
	s.endBatches(r.ID)
}

func (s *Store) addTasks(now time.Time, row *runRow, tasks []store.NewTask) {
	r := &row.run
	for _, n := range tasks {
		if slices.ContainsFunc(row.tasks, func(o *taskRow) bool { return o.task.Path == n.Path && o.task.Kind == n.Kind }) {
			continue
		}
		t := s.enqueue(run.Task{
			Kind: n.Kind, Event: r.Event, Run: r.ID, Path: n.Path, Gate: n.Gate, Lane: cmp.Or(n.Lane, run.LaneLive),
			Order: n.Order, Due: now.Add(n.In),
		})
		t.awaits = n.Wait
		if n.Gather != nil {
			s.gather(now, t, n.Gather)
		}
	}
}

// replaceSteps adds steps; one of the same path replaces the earlier one and stands last, as it ended last.
func replaceSteps(steps, added []run.Step) []run.Step {
	steps = slices.Clone(steps)
	for _, a := range added {
		steps = slices.DeleteFunc(steps, func(s run.Step) bool { return s.Path == a.Path })
		steps = append(steps, a)
	}
	return steps
}

// count changes the ledger's terms of the run's pipeline.
func (s *Store) count(r *run.Run, change func(*store.RunTerms)) {
	t := s.ledger.Runs[r.Pipeline]
	change(&t)
	s.ledger.Runs[r.Pipeline] = t
}

// countState adds n to the term that the run stands in.
func (s *Store) countState(r *run.Run, n int64) {
	s.count(r, func(t *store.RunTerms) { *t.Term(r.State, r.Outcome) += n })
}
