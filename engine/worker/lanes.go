package worker

import (
	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/pipeline"
)

// maxReaches diagrams are remembered with what they reach.
const maxReaches = 4096

// reach is where a pipeline's hooks send to, and which pipelines it calls and waits for.
type reach struct{ destinations, awaits []string }

// reachOf asks a diagram once.
func (w *Worker) reachOf(d *pipeline.Diagram) reach {
	w.mu.Lock()
	r, ok := w.reaches[d]
	w.mu.Unlock()
	if ok {
		return r
	}
	r = reach{destinations: d.Destinations(), awaits: d.WaitsFor()}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.reaches) >= maxReaches {
		clear(w.reaches)
	}
	w.reaches[d] = r
	return r
}

// ordered gives the ordered destinations that runs of a pipeline send to, by their gates; nil where there are none. Those of the pipelines
// that it calls and waits for are among them: a run that somebody waits for takes no lane itself, as the one that holds the lane may be
// waiting for it.
func (w *Worker) ordered(d *pipeline.Diagram) map[string]*destination.Ordering {
	var out map[string]*destination.Ordering
	var seen map[string]bool
	var look func(d *pipeline.Diagram)
	look = func(d *pipeline.Diagram) {
		r := w.reachOf(d)
		for _, key := range r.destinations {
			dest, ok := w.o.World.Destination(key)
			if !ok || dest.Ordering() == nil {
				continue
			}
			if out == nil {
				out = map[string]*destination.Ordering{}
			}
			out[dest.Gate] = dest.Ordering()
		}
		for _, name := range r.awaits {
			if seen[name] {
				continue
			}
			if seen == nil {
				seen = map[string]bool{}
			}
			seen[name] = true
			if callee, ok := w.o.World.Pipeline(name); ok {
				look(callee)
			}
		}
	}
	look(d)
	return out
}
