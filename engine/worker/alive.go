package worker

import "time"

// LastPass is when the worker last came by the queue, whatever it found there; the zero time before its first look. It does so once a
// second at least (Options.Poll): one that has not for much longer is stuck, and only a restart helps.
func (w *Worker) LastPass() time.Time {
	if at := w.lastPass.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// passedBy notes that the pump is alive. The clock is the process's own, which does not jump.
func (w *Worker) passedBy() {
	now := time.Now()
	w.lastPass.Store(&now)
}
