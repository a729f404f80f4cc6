package worker

import (
	"context"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/reply"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// tellingOf is what is told of a run that begins.
func (w *Worker) tellingOf(d *pipeline.Diagram, nr *store.NewRun) telling {
	_, responds := d.Responds()
	open := nr.Run.State == run.Open
	return telling{
		run: nr.Run, responds: responds && isLive(nr.Run.Cause), limited: open && (nr.Quota != nil || nr.Drop && len(nr.Holds) > 0),
	}
}

// parkedTellings are those of runs of which nothing was evaluated.
func parkedTellings(runs []store.NewRun) []telling {
	var out []telling
	for i := range runs {
		out = append(out, telling{run: runs[i].Run})
	}
	return out
}

// tell tells of runs once they are written.
func (w *Worker) tell(ctx context.Context, ev *event.Event, all []telling) {
	for i := range all {
		t := &all[i]
		if t.limited { // the store alone knows whether the run has begun
			if rec, err := w.o.Queue.Run(context.WithoutCancel(ctx), t.run.ID); err == nil {
				t.run = rec.Run
			}
		}
		for _, m := range t.measures {
			w.measure(&t.run, m)
		}
		w.answer(ev, &t.run, t.reply)
		if t.run.State == run.Open {
			continue
		}
		w.o.Observer.RunEnded(t.run.Pipeline, string(t.run.State), string(t.run.Outcome))
		if t.responds && ev.Source == event.Live {
			w.o.Replies.Over(ev.Request)
		}
	}
}

// answer gives a run's reply to the request that its event came with: one that is made by the event itself, or called by such a run.
func (w *Worker) answer(ev *event.Event, r *run.Run, n *node.Reply) {
	if n != nil && ev.Source == event.Live && (isLive(r.Cause) || r.Cause.Kind == run.Call) {
		w.o.Replies.Answer(ev.Request, reply.Reply{Status: n.Status, Headers: n.Headers, Body: n.Body})
	}
}

// measure passes a measurement on. Where a run of an older revision describes the metric in another way than a run of the live one did,
// it is left out: the newer description counts.
func (w *Worker) measure(r *run.Run, m node.Measure) {
	if m.Metric == nil {
		return
	}
	d, ok := w.o.World.Pipeline(r.Pipeline)
	live := ok && d.Revision == r.Revision
	w.mu.Lock()
	known := w.metrics[m.Metric.Name]
	if live {
		w.metrics[m.Metric.Name] = m.Metric
	}
	w.mu.Unlock()
	if !live && known != nil && !known.Alike(m.Metric) {
		return
	}
	w.o.Observer.Measure(m)
}
