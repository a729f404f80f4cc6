package worker

import (
	"slices"
	"sync"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// turnstile lets the jobs of one run settle one after the other. The store would refuse all but one of those that come at once, and each
// of the others would read the run and fold again as often as it has rivals. It remembers what the last one has settled, so that the next
// one need not ask the store: a body that is run a thousand times settles a thousand times, and its record has thousands of steps.
type turnstile struct {
	sync.Mutex
	users int
	// run and steps are the record as it was settled last; run is nil where nothing was. Steps are only added behind those there are.
	run   *run.Run
	steps []run.Step
	paths map[string]bool
}

// visit registers a job of a run, and gives what it settles through; leave is called when the job is over.
func (w *Worker) visit(id run.ID) (t *turnstile, leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t = w.settling[id]
	if t == nil {
		t = &turnstile{}
		w.settling[id] = t
	}
	t.users++
	return t, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(w.settling, id)
		}
	}
}

// refresh brings a claimed record up to what was settled last. The turnstile is locked.
func (t *turnstile) refresh(c *store.Claimed) {
	if t.run == nil || t.run.Version <= c.Run.Version || t.run.Round != c.Run.Round {
		return
	}
	*c.Run, c.Steps = *t.run, slices.Clip(t.steps)
}

// settled notes what a settlement made of a record. The turnstile is locked.
func (t *turnstile) settled(c *store.Claimed, d *store.RunDelta) {
	if d.State != run.Open {
		t.run, t.steps, t.paths = nil, nil, nil // nothing more is settled
		return
	}
	if t.run == nil || t.run.Version != d.Version {
		t.steps, t.paths = slices.Clone(c.Steps), make(map[string]bool, len(c.Steps))
		for i := range c.Steps {
			t.paths[c.Steps[i].Path] = true
		}
	}
	next := *c.Run
	next.State, next.Version = d.State, d.Version+1
	t.run = &next
	for _, s := range d.Steps {
		if t.paths[s.Path] { // one of the same path takes its place
			t.steps = slices.DeleteFunc(slices.Clone(t.steps), func(o run.Step) bool { return o.Path == s.Path })
		}
		t.paths[s.Path] = true
		t.steps = append(t.steps, s)
	}
}

// forget drops what is remembered: the run has moved past it.
func (t *turnstile) forget() { t.run, t.steps, t.paths = nil, nil, nil }
