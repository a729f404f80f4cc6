package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// beginning is a pipeline that an event starts: a diagram, or why there is none any more.
type beginning struct {
	diagram *pipeline.Diagram
	// name and revision are those of a pipeline without a diagram.
	name, revision string
	why            error
	reason         string // CodeNoPipeline where ""
}

// beginnings gives the pipelines that an event starts, filters aside. A replay does what its job says: only some pipelines, or those that
// made runs of the event, as they were. The error says that the store cannot be read now.
func (w *Worker) beginnings(ctx context.Context, c *store.Claimed, b *routingBatch) ([]beginning, error) {
	if c.Task.Cause.Kind != run.Replay {
		return all(w.starting(ctx, c)), nil
	}
	job, err := b.job(ctx, w, c.Task.Cause.Ref)
	if err != nil {
		return nil, fmt.Errorf("reading the job of a replay: %w", err)
	}
	if job.Pinned {
		return w.pinned(ctx, c, job)
	}
	diagrams := w.starting(ctx, c)
	if job.ID == "" {
		return jobless(diagrams), nil
	}
	if len(job.Pipelines) > 0 {
		diagrams = slices.DeleteFunc(slices.Clone(diagrams), func(d *pipeline.Diagram) bool { return !slices.Contains(job.Pipelines, d.Name) })
	}
	return all(diagrams), nil
}

// jobless is what a replay starts of which nobody knows any more which pipelines were meant: none of those that receive the event, whose
// runs a person may retry.
func jobless(diagrams []*pipeline.Diagram) []beginning {
	why := errors.New("the job of the replay, which said what it starts, is not there any more")
	out := make([]beginning, len(diagrams))
	for i, d := range diagrams {
		out[i] = beginning{name: d.Name, revision: d.Revision, why: why, reason: CodeNoJob}
	}
	return out
}

func all(diagrams []*pipeline.Diagram) []beginning {
	out := make([]beginning, len(diagrams))
	for i, d := range diagrams {
		out[i].diagram = d
	}
	return out
}

// job gives a replay's job, the zero one where there is none; it is read once a batch.
func (b *routingBatch) job(ctx context.Context, w *Worker, id string) (store.Job, error) {
	if job, ok := b.jobs[id]; ok {
		return job, nil
	}
	job, err := w.o.Queue.Job(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Job{}, err
	}
	if err != nil {
		w.o.Logger.ErrorContext(ctx, "the job of a replay is not there any more", "job", id)
	}
	if b.jobs == nil {
		b.jobs = map[string]store.Job{}
	}
	b.jobs[id] = job
	return job, nil
}

// pinned gives the pipelines that made runs of an event, at the revisions that these began under: the run that the event itself made
// counts, and where there is none the first that a replay made.
func (w *Worker) pinned(ctx context.Context, c *store.Claimed, job store.Job) ([]beginning, error) {
	var made []run.Run
	q := store.RunQuery{Event: c.Event.ID, Ascending: true, Limit: 1000}
	for {
		page, err := w.o.Queue.Runs(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("reading the runs of an event: %w", err)
		}
		for i := range page.Runs {
			r := &page.Runs[i]
			root := r.Cause.Kind != run.Call && (r.Cause.Kind != run.Replay || r.Cause.Ref != job.ID)
			if !root || len(job.Pipelines) > 0 && !slices.Contains(job.Pipelines, r.Pipeline) {
				continue
			}
			at := slices.IndexFunc(made, func(o run.Run) bool { return o.Pipeline == r.Pipeline })
			switch {
			case at < 0:
				made = append(made, *r)
			case made[at].Cause.Kind == run.Replay && r.Cause.Kind != run.Replay:
				made[at] = *r
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	var out []beginning
	for i := range made {
		r := &made[i]
		d, err := w.o.World.Diagram(ctx, r.Pipeline, r.Revision)
		if unreadable(err) || ctx.Err() != nil {
			return nil, fmt.Errorf("reading the revision of an earlier run: %w", errors.Join(err, context.Cause(ctx)))
		}
		out = append(out, beginning{diagram: d, name: r.Pipeline, revision: r.Revision, why: err})
	}
	return out, nil
}

// withoutPipeline is the parked run of a replay whose pipeline, or job, is not there any more.
func (w *Worker) withoutPipeline(s beginning, c *store.Claimed) store.NewRun {
	cause := c.Task.Cause
	return store.NewRun{Run: run.Run{
		ID: run.NewID(c.Event.ID, s.name, cause), Event: c.Event.ID, Pipeline: s.name, Revision: s.revision, Cause: cause, Now: c.Event.Received,
		Created: w.now(), State: run.Parked, Reason: cmp.Or(s.reason, CodeNoPipeline), Message: s.why.Error(), Version: 1, Trace: traceparent(&c.Event, s.name, cause),
		Input: inputOf(&c.Event),
	}}
}

// inputOf gives the input of the run that an event starts: a manual event's body.
func inputOf(ev *event.Event) []byte {
	if ev.Source == event.Manual {
		return ev.Body
	}
	return nil
}
