package worker

import (
	"sync"

	"github.com/headgate/headgate/engine/run"
)

// turnstile lets the jobs of one run settle one after the other. The store would refuse all but one of those that come at once, and each
// of the others would fold again as often as it has rivals.
type turnstile struct {
	sync.Mutex
	users int
}

// enter waits for the run's other jobs to have settled, and gives what leaves again.
func (w *Worker) enter(id run.ID) (leave func()) {
	w.mu.Lock()
	t := w.settling[id]
	if t == nil {
		t = &turnstile{}
		w.settling[id] = t
	}
	t.users++
	w.mu.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		w.mu.Lock()
		defer w.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(w.settling, id)
		}
	}
}
