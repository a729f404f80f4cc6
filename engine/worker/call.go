package worker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// maxNested is how many runs call each other in one settlement; those below begin with a task of their own, so that a settlement stays
// small however pipelines are nested.
const maxNested = 1

// calling is the cause of a called run: who calls, where, and in which round, so that a retry of the caller calls anew.
func calling(caller *run.Run, path string) run.Cause {
	return run.Cause{Kind: run.Call, Ref: caller.ID.String() + " " + path + " " + strconv.Itoa(caller.Round)}
}

// caller reads what calling wrote: which run calls, and where.
func caller(c run.Cause) (id run.ID, path string, ok bool) {
	text, rest, _ := strings.Cut(c.Ref, " ")
	end := strings.LastIndexByte(rest, ' ')
	id, err := run.ParseID(text)
	if c.Kind != run.Call || err != nil || end < 0 {
		return run.ID{}, "", false
	}
	return id, rest[:end], true
}

// scope names what the hooks of a run belong to: its pipeline, and for a called run the nodes that called, so that two calls for one
// event are not taken for one. Like the pipeline's name it is the same in every round and replay.
func (w *Worker) scope(ctx context.Context, r *run.Run) (string, error) {
	scope, cause := r.Pipeline, r.Cause
	for range run.MaxDepth {
		id, path, ok := caller(cause)
		if !ok {
			break
		}
		parent, err := w.o.Queue.Run(ctx, id)
		if err != nil {
			return "", fmt.Errorf("reading the calling run: %w", err)
		}
		scope += "\x00" + path + "\x00" + parent.Run.Pipeline
		cause = parent.Run.Cause
	}
	return scope, nil
}

// call begins the called run, unless it was begun before, and gives the task of the caller that waits for it, or the step of a call that
// is over at once.
func (w *Worker) call(
	ctx context.Context, d *pipeline.Diagram, rec pipeline.Record, e pipeline.Effect, ask node.Call, task store.NewTask, o unfolding,
	c *consequences, called map[string]bool,
) (store.NewTask, *run.Step) {
	cause := calling(rec.Run, e.Path)
	id := run.NewID(rec.Run.Event, ask.Pipeline, cause)
	handed := 0
	switch {
	case e.Path == o.own:
		id = o.child
	case called[e.Path], !ask.Detach && o.known != nil && o.known(e.Path, id):
	default:
		if earlier, open := w.earlier(ctx, rec.Run, e, ask); open {
			id = earlier
			break
		}
		input, err := w.beginCalled(ctx, rec, e, ask, cause, o, c)
		if err != nil {
			step := d.Failed(w.stepOf(e, rec.Run), failed(err))
			return task, &step
		}
		called[e.Path], handed = true, len(input)
	}
	task.Wait, task.In = store.RunWait(id), Never
	if e.Timeout > 0 {
		task.In = e.Timeout
	}
	if ask.Detach {
		step := d.Ended(w.stepOf(e, rec.Run), map[string]any{"run": id.String()}, "")
		step.Handed = handed
		return task, &step
	}
	return task, nil
}

// maxEarlier rounds are looked at for a run that was called before.
const maxEarlier = 100

// earlier gives the run that the same node called in an earlier round where that is still open: a call that was given up in time, and
// that a person has retried, waits for it again instead of doing its work a second time beside it.
func (w *Worker) earlier(ctx context.Context, r *run.Run, e pipeline.Effect, ask node.Call) (run.ID, bool) {
	if ask.Detach {
		return run.ID{}, false
	}
	for id := range callsBefore(r, e.Path, ask.Pipeline) {
		if child, err := w.o.Queue.Run(ctx, id); err == nil {
			return id, child.Run.State == run.Open
		}
	}
	return run.ID{}, false
}

// callsBefore gives the names that called runs of earlier rounds have, the last round first.
func callsBefore(r *run.Run, path, callee string) iter.Seq[run.ID] {
	return func(yield func(run.ID) bool) {
		before := *r
		for before.Round > max(0, r.Round-maxEarlier) {
			before.Round--
			if !yield(run.NewID(r.Event, callee, calling(&before, path))) {
				return
			}
		}
	}
}

// beginCalled adds the called run to what is written, and gives its input.
func (w *Worker) beginCalled(
	ctx context.Context, rec pipeline.Record, e pipeline.Effect, ask node.Call, cause run.Cause, o unfolding, c *consequences,
) (input []byte, err error) {
	if rec.Run.Depth >= run.MaxDepth {
		return nil, &failure{"permanent", pipeline.CodeTooDeep, fmt.Sprintf("%d pipelines call each other already", run.MaxDepth)}
	}
	callee, ok := w.o.World.Pipeline(ask.Pipeline)
	switch {
	case !ok:
		return nil, &failure{"permanent", CodeNoPipeline, fmt.Sprintf("there is no pipeline %q any more", ask.Pipeline)}
	case !callee.Startable():
		return nil, &failure{"permanent", CodeNoPipeline, fmt.Sprintf("pipeline %q has no start node any more", ask.Pipeline)}
	}
	if input, err = encode(ask.Input); err == nil {
		err = room(rec, input)
	}
	if err != nil {
		return nil, err
	}
	r := w.blank(callee, rec.Event, cause)
	r.Now, r.Input, r.Depth = rec.Run.Now, input, rec.Run.Depth+1
	nr, more := w.newRun(ctx, callee, &r, pipeline.Record{Event: rec.Event, Payload: rec.Payload, Slice: rec.Slice}, o.lane, o.nested+1, !ask.Detach)
	c.runs = append(c.runs, nr)
	c.take(more)
	return input, nil
}

// called looks at the run that a call waits for.
func (j *job) called(ctx context.Context, e pipeline.Effect, ask node.Call) {
	id := run.NewID(j.c.Run.Event, ask.Pipeline, calling(j.c.Run, e.Path))
	child, err := j.w.o.Queue.Run(ctx, id)
	for earlier := range callsBefore(j.c.Run, e.Path, ask.Pipeline) {
		if !errors.Is(err, store.ErrNotFound) {
			break
		}
		if child, err = j.w.o.Queue.Run(ctx, earlier); err == nil {
			id = earlier
		}
	}
	switch {
	case err != nil && ctx.Err() != nil:
		j.release(ctx)
		return
	case errors.Is(err, store.ErrNotFound):
		j.fail(ctx, e, "internal", CodeCallLost, fmt.Sprintf("the run %s that it called is not in the store", id))
		return
	case err != nil:
		j.later(ctx, "reading a called run", err)
		return
	}
	switch r := &child.Run; {
	case r.State == run.Done && r.Outcome == run.Limited:
		j.fail(ctx, e, "permanent", CodeCallLimited, fmt.Sprintf("the run %s that it called did not begin: %s", id, r.Reason))
	case r.State == run.Done:
		j.result(ctx, e, child)
	case r.State == run.Dropped:
		j.fail(ctx, e, "permanent", CodeCallDropped, fmt.Sprintf("the run %s that it called was dropped", id))
	case r.State == run.Parked && e.Catches:
		j.fail(ctx, e, "permanent", CodeCallParked, fmt.Sprintf("the run %s that it called is parked: %s", id, r.Reason))
	default:
		j.waitOn(ctx, e, r)
	}
}

// result hands on what the called run came to.
func (j *job) result(ctx context.Context, e pipeline.Effect, child store.RunRecord) {
	d, err := j.w.o.World.Diagram(ctx, child.Run.Pipeline, child.Run.Revision)
	switch {
	case err != nil && ctx.Err() != nil:
		j.release(ctx)
	case unreadable(err):
		j.later(ctx, "reading the revision of a called run", err)
	case err != nil:
		j.fail(ctx, e, "permanent", CodeNoPipeline, err.Error())
	default:
		j.handed = len(child.Run.Input)
		value := d.Result(pipeline.Record{Event: &j.c.Event, Payload: j.payload, Run: &child.Run, Steps: child.Steps})
		j.end(ctx, e, value, "")
	}
}

// waitOn waits for a called run that is open, or parked until a person has decided about it: there is one parked run for one failure.
func (j *job) waitOn(ctx context.Context, e pipeline.Effect, child *run.Run) {
	j.in, j.child = Never, child.ID
	if e.Timeout > 0 {
		j.in = child.Created.Add(e.Timeout).Sub(j.w.now())
		if child.Cause != calling(j.c.Run, e.Path) { // called in an earlier round: the time began anew with this one
			j.in = 0
			if j.c.Task.Woken != 0 {
				j.in = e.Timeout
			}
		}
		if j.in <= 0 {
			j.fail(ctx, e, "temporary", pipeline.CodeTimeout, fmt.Sprintf("the run %s that it called was not through within %s", child.ID, e.Timeout))
			return
		}
	}
	// The task was woken and waits for nothing any more: it is closed, and the fold asks for it anew.
	j.settle(ctx, nil, store.Then{})
}
