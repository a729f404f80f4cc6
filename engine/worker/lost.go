package worker

import (
	"context"
	"slices"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// apart gives those of the tasks claimed from a gate that are worked on now; the rest is to be given back first. A task whose work was cut
// short twice may be what kills the process: of its gate it is worked on alone, so that those beside it are not cut short with it, time
// and again, until they are parked, too. The order of the tasks stays.
func (w *Worker) apart(gate string, tasks []store.Claimed) (now, rest []store.Claimed) {
	first := slices.IndexFunc(tasks, suspect)
	w.mu.Lock()
	defer w.mu.Unlock()
	others := w.inFlight[gate] > 0
	switch {
	case others && w.wary[gate]: // another lane's is under way
		return nil, tasks
	case first < 0:
		delete(w.wary, gate)
		return tasks, nil
	}
	w.wary[gate] = true
	if first == 0 && !others {
		first = 1
	}
	return tasks[:first], tasks[first:]
}

// suspect says whether a task may be what kills the process: the next time that it is cut short parks it. Before that, being cut short says
// little: whatever is under way when a machine fails is, and all of it would go on one by one. One that has been cut short too often is
// parked without being looked at.
func suspect(c store.Claimed) bool { return c.Task.Lost == run.MaxLost-1 }

// giveBack releases tasks that were claimed from a gate, and gives what is closed when that is done: only what is worked on counts as cut
// short should the process die.
func (w *Worker) giveBack(ctx context.Context, gate string, tasks []store.Claimed) <-chan struct{} {
	done := make(chan struct{})
	if len(tasks) == 0 {
		close(done)
		return done
	}
	held := make([]store.Held, len(tasks))
	for i := range tasks {
		held[i] = tasks[i].Held()
	}
	w.work.Go(func() {
		defer close(done)
		w.release(ctx, held)
		w.end(gate, 0, tasks...)
	})
	return done
}
