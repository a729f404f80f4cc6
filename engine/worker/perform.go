package worker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime/debug"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Codes of failures and of reasons for parking that the worker finds.
const (
	CodeRetriesSpent  = "retries_spent"
	CodeGone          = "destination_answered_gone" // 410
	CodeDisabled      = "destination_disabled"
	CodeNoDestination = "destination_missing"
	CodeNoPipeline    = "pipeline_missing"
	CodeRequest       = "request" // the request could not be made
	CodeLostLeases    = "lost_leases"
	CodeInternal      = "internal"
	CodeCorrupt       = "body_corrupt"
)

// storePause is how long a task waits when the store could not be read for it.
const storePause = 5 * time.Second

const bodyCorrupt = "the stored body no longer matches its checksum; nothing of it is sent"

// perform works on one claimed step task to its settlement.
func (w *Worker) perform(ctx context.Context, c store.Claimed, disabled bool) {
	j := &job{w: w, c: c, disabled: disabled}
	defer func() {
		if p := recover(); p != nil {
			w.o.Logger.ErrorContext(ctx, "a run panicked", "run", c.Task.Run.String(), "pipeline", c.Run.Pipeline, "path", c.Task.Path,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			j.park(ctx, CodeInternal, "the run ended in an internal error; the log has the stack")
		}
	}()
	j.do(ctx)
}

// job is one claimed step task being worked on.
type job struct {
	w        *Worker
	c        store.Claimed
	disabled bool
	diagram  *pipeline.Diagram
	payload  any
	attempts []run.Attempt // made by this job
	done     *run.Step     // that this job ended
	notes    []string      // what was cut from the message
	gate     *store.Gate   // to be written with the settlement
}

func (j *job) do(ctx context.Context) {
	if j.c.Task.Lost >= run.MaxLost {
		j.park(ctx, CodeLostLeases, fmt.Sprintf("the work on %q was cut short %d times in a row", j.c.Task.Path, j.c.Task.Lost))
		return
	}
	if j.c.Corrupt {
		j.park(ctx, CodeCorrupt, bodyCorrupt)
		return
	}
	d, err := j.w.o.World.Diagram(ctx, j.c.Run.Pipeline, j.c.Run.Revision)
	switch {
	case err != nil && ctx.Err() != nil:
		j.release(ctx)
		return
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrBehind):
		j.later(ctx, err) // it is not the pipeline that is missing
		return
	case err != nil:
		j.park(ctx, CodeNoPipeline, err.Error())
		return
	}
	j.diagram = d
	j.payload = pipeline.Decode(&j.c.Event)
	progress := j.fold(ctx)
	if ctx.Err() != nil {
		j.release(ctx)
		return
	}
	effect, asked := find(progress.Effects, j.c.Task.Path)
	if !asked {
		// The task only says that the run is to be folded, or what it asked for has been done.
		j.settle(ctx, nil, store.Then{})
		return
	}
	if j.disabled && j.c.Run.Round == 0 { // a retry is a person's word that the destination may be back
		j.fail(ctx, effect, "permanent", CodeDisabled, fmt.Sprintf("destination %q is disabled", effect.Deliver.Gate))
		return
	}
	dest, ok := j.w.o.World.Destination(effect.Deliver.Destination)
	if !ok {
		j.fail(ctx, effect, "permanent", CodeNoDestination, noDestination(effect.Deliver))
		return
	}
	j.deliver(ctx, effect, dest)
}

// noDestination says what is missing: a named destination, or one that a hook described itself in the run's revision.
func noDestination(d node.Deliver) string {
	if _, label, own := strings.Cut(d.Destination, "/"); own {
		return fmt.Sprintf("the pipeline that runs now has no hook %q that says where to send to", label)
	}
	return fmt.Sprintf("there is no destination %q any more", d.Destination)
}

func find(effects []pipeline.Effect, path string) (pipeline.Effect, bool) {
	for _, e := range effects {
		if e.Path == path {
			return e, true
		}
	}
	return pipeline.Effect{}, false
}

func (j *job) fold(ctx context.Context) pipeline.Progress {
	rec := pipeline.Record{Event: &j.c.Event, Payload: j.payload, Run: j.c.Run, Steps: j.c.Steps}
	return j.diagram.Next(ctx, rec, j.w.now)
}

// deliver makes one attempt and settles what came of it.
func (j *job) deliver(ctx context.Context, e pipeline.Effect, dest *destination.Destination) {
	n := j.c.Task.N + 1
	req, err := dest.Build(ctx, j.delivery(e, n))
	if err != nil {
		if ctx.Err() != nil {
			j.release(ctx)
			return
		}
		j.fail(ctx, e, "permanent", CodeRequest, err.Error())
		return
	}
	att, err := j.w.o.Deliverer.Deliver(ctx, req)
	if ctx.Err() != nil && err != nil && !att.Wrote {
		j.release(ctx) // nothing was sent: a shutdown is no attempt
		return
	}
	v := dest.Judge(att, err)
	j.w.o.Observer.Attempt(dest.Gate, string(v.Outcome), att.Took)
	j.attempts = append(j.attempts, run.Attempt{
		Path: e.Path, Round: j.c.Run.Round, N: n, Destination: dest.Gate, Line: dest.Line(), Started: att.Started, Took: att.Took,
		Outcome: v.Outcome, Code: v.Code, Status: att.Status, RetryAfter: v.RetryAfter, Answer: v.Answer,
	})
	j.w.o.Logger.DebugContext(ctx, "attempt", "run", j.c.Run.ID.String(), "step", e.Path, "destination", dest.Gate, "attempt", n,
		"outcome", string(v.Outcome), "status", att.Status, "code", v.Code)
	if v.Outcome == run.AttemptOK {
		if j.disabled { // a person tried again, and it answers
			j.gate = &store.Gate{Name: dest.Gate, State: store.GateOpen, Since: j.w.now()}
		}
		j.succeed(ctx, e, v.Value)
		return
	}
	if v.Gone {
		j.gate = &store.Gate{Name: dest.Gate, State: store.GateDisabled, Reason: "it answered 410 Gone", Since: j.w.now()}
		j.fail(ctx, e, "permanent", CodeGone, fmt.Sprintf("destination %q answered 410 Gone and is disabled", dest.Gate))
		return
	}
	delay, again := dest.Retry(v).Next(n, v.RetryAfter, j.seed())
	if !again {
		j.fail(ctx, e, failureKind(v.Outcome), CodeRetriesSpent, spent(n, v.Code))
		return
	}
	lane := j.c.Task.Lane
	if lane == run.LaneLive {
		lane = run.LaneRetry
	}
	j.settle(ctx, nil, store.Then{Again: true, In: delay, N: n, Lane: lane, First: j.first()})
}

func spent(n int, code string) string {
	if n == 1 {
		return "the only attempt failed with " + code
	}
	return fmt.Sprintf("%d attempts failed, the last with %s", n, code)
}

// failureKind gives the kind of engine/fault that an outcome is: whether an attempt was seen says nothing of its failure.
func failureKind(o run.AttemptOutcome) string {
	if o == run.AttemptPermanent {
		return string(o)
	}
	return string(run.AttemptTemporary)
}

// first is when the first attempt began, now where there was none.
func (j *job) first() time.Time {
	switch {
	case !j.c.Task.First.IsZero():
		return j.c.Task.First
	case len(j.attempts) > 0:
		return j.attempts[0].Started
	}
	return j.w.now()
}

func (j *job) delivery(e pipeline.Effect, n int) destination.Delivery {
	d := destination.Delivery{
		Env: e.Env, Message: e.Message, Attempt: n,
		IdempotencyKey: run.IdempotencyKey(j.c.Event.ID, j.c.Run.Pipeline, e.Path), Traceparent: j.c.Run.Trace,
	}
	if e.Raw {
		d.Raw, d.RawType = j.c.Event.Body, j.c.Event.ContentType
	}
	if e.Deliver.HasBody {
		d.Body, d.HasBody = e.Deliver.Body, true
	}
	d.Note = func(text string) { j.notes = append(j.notes, text) }
	return d
}

// seed spreads the jitter of runs that failed together, and is the same for a run whoever works on it.
func (j *job) seed() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(j.c.Run.ID.String() + j.c.Task.Path))
	return h.Sum64()
}

// step is that of an effect which has ended.
func (j *job) step(e pipeline.Effect) run.Step {
	started := j.first()
	return run.Step{
		Path: e.Path, Node: e.Node, Type: e.Type, State: run.StepDone, Round: j.c.Run.Round, Started: started, Took: j.w.now().Sub(started),
		Log: j.notes,
	}
}

func (j *job) succeed(ctx context.Context, e pipeline.Effect, value any) {
	step := j.step(e)
	out, err := payload.Encode(value)
	if err != nil || len(out) > run.MaxOutputBytes {
		out = nil // the delivery succeeded; an answer that cannot be kept must not undo that
	}
	step.Output = out
	j.settle(ctx, &step, store.Then{})
}

func (j *job) fail(ctx context.Context, e pipeline.Effect, kind, code, message string) {
	step := j.diagram.Failed(j.step(e), &run.Failure{Kind: kind, Code: code, Message: message})
	j.settle(ctx, &step, store.Then{})
}

// settle writes the step, what follows from it, and the task's fate. Where the run has moved meanwhile the record is read and folded
// again: what was done is never lost.
func (j *job) settle(ctx context.Context, step *run.Step, then store.Then) {
	j.done = step
	defer j.w.enter(j.c.Run.ID)()
	for range maxFolds {
		delta := j.delta(ctx, step, then)
		if delta == nil {
			j.release(ctx)
			return
		}
		results, err := j.w.settle(ctx, []store.Settlement{{Held: j.c.Held(), Run: delta, Then: then, Gate: j.gate}})
		switch {
		case err != nil:
			j.w.o.Logger.WarnContext(ctx, "settling a step", "run", j.c.Run.ID.String(), "step", j.c.Task.Path, "error", err)
			return
		case results[0] == nil:
			j.tellGate(ctx)
			j.ended(ctx, delta)
			return
		case errors.Is(results[0], store.ErrFenced):
			j.w.o.Logger.InfoContext(ctx, "the step was taken over by another holder", "run", j.c.Run.ID.String(), "step", j.c.Task.Path)
			return
		case !errors.Is(results[0], store.ErrMoved):
			j.w.o.Logger.ErrorContext(ctx, "settling a step", "run", j.c.Run.ID.String(), "step", j.c.Task.Path, "error", results[0])
			return
		}
		record, err := j.w.o.Queue.Run(context.WithoutCancel(ctx), j.c.Run.ID)
		if err != nil {
			j.w.o.Logger.WarnContext(ctx, "reading a run that moved", "run", j.c.Run.ID.String(), "error", err)
			return
		}
		*j.c.Run, j.c.Steps = record.Run, record.Steps
	}
	j.w.o.Logger.ErrorContext(ctx, "a run moved too often to be settled", "run", j.c.Run.ID.String(), "step", j.c.Task.Path)
}

// delta is the run's next state with the step in it; nil where the fold was cut short.
func (j *job) delta(ctx context.Context, step *run.Step, then store.Then) *store.RunDelta {
	delta := &store.RunDelta{ID: j.c.Run.ID, Version: j.c.Run.Version, State: run.Open, Attempts: j.attempts}
	if then.Again {
		return delta
	}
	steps := j.c.Steps
	if step != nil {
		steps = append(steps[:len(steps):len(steps)], *step)
		delta.Steps = append(delta.Steps, *step)
	}
	rec := pipeline.Record{Event: &j.c.Event, Payload: j.payload, Run: j.c.Run, Steps: steps}
	// What has been done is settled even while we are stopping.
	progress := j.diagram.Next(context.WithoutCancel(ctx), rec, j.w.now)
	delta.Steps = append(delta.Steps, progress.Steps...)
	delta.State, delta.Outcome, delta.Reason, delta.Message = progress.State, progress.Outcome, progress.Reason, progress.Message
	lane := j.c.Task.Lane
	if lane == run.LaneRetry && j.c.Run.Round == 0 {
		lane = run.LaneLive // the next hook's first attempt is no retry
	}
	delta.Tasks = tasksFor(progress.Effects, lane)
	return delta
}

// park ends the run for a person to look at, whatever else of it is open.
func (j *job) park(ctx context.Context, reason, message string) {
	delta := &store.RunDelta{
		ID: j.c.Run.ID, Version: j.c.Run.Version, State: run.Parked, Reason: reason, Message: message, Attempts: j.attempts,
	}
	if j.done != nil { // what follows from it is not known, but a retry need not do it again
		delta.Steps = []run.Step{*j.done}
	}
	for range maxFolds {
		results, err := j.w.settle(ctx, []store.Settlement{{Held: j.c.Held(), Run: delta}})
		if err != nil {
			j.w.o.Logger.WarnContext(ctx, "parking a run", "run", j.c.Run.ID.String(), "error", err)
			return
		}
		if results[0] == nil {
			j.ended(ctx, delta)
			return
		}
		if !errors.Is(results[0], store.ErrMoved) {
			return
		}
		record, err := j.w.o.Queue.Run(context.WithoutCancel(ctx), j.c.Run.ID)
		if err != nil {
			return
		}
		delta.Version = record.Run.Version
	}
}

// tellGate logs that a destination was disabled or opened again.
func (j *job) tellGate(ctx context.Context) {
	switch {
	case j.gate == nil:
	case j.gate.State == store.GateDisabled:
		j.w.o.Logger.ErrorContext(ctx, "destination disabled", "destination", j.gate.Name, "reason", j.gate.Reason)
	default:
		j.w.o.Logger.InfoContext(ctx, "destination open again", "destination", j.gate.Name)
	}
}

// ended tells of a run that is over.
func (j *job) ended(ctx context.Context, delta *store.RunDelta) {
	if delta.State == run.Open {
		return
	}
	j.w.o.Observer.RunEnded(j.c.Run.Pipeline, string(delta.State), string(delta.Outcome))
	if delta.State == run.Parked {
		j.w.o.Logger.WarnContext(ctx, "run parked", "run", j.c.Run.ID.String(), "pipeline", j.c.Run.Pipeline, "reason", delta.Reason)
	}
}

// release gives the task back as it was.
func (j *job) release(ctx context.Context) { j.w.release(ctx, []store.Held{j.c.Held()}) }

// later gives the task back for a while, because the store could not be read.
func (j *job) later(ctx context.Context, why error) {
	j.w.o.Logger.WarnContext(ctx, "reading a run's revision", "run", j.c.Run.ID.String(), "error", why)
	then := store.Then{Again: true, In: storePause, N: j.c.Task.N}
	if _, err := j.w.settle(ctx, []store.Settlement{{Held: j.c.Held(), Then: then}}); err != nil {
		j.w.o.Logger.WarnContext(ctx, "settling a step", "run", j.c.Run.ID.String(), "step", j.c.Task.Path, "error", err)
	}
}

// release gives tasks back as they were; where that fails their leases run out.
func (w *Worker) release(ctx context.Context, held []store.Held) {
	if len(held) == 0 {
		return
	}
	if err := w.o.Queue.Release(context.WithoutCancel(ctx), held); err != nil {
		w.o.Logger.WarnContext(ctx, "giving tasks back", "count", len(held), "error", err)
	}
}

// settle calls the store even while the work's context is being cancelled: what was done must be written.
func (w *Worker) settle(ctx context.Context, settlements []store.Settlement) ([]error, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.o.Lease)
	defer cancel()
	return w.o.Queue.Settle(ctx, settlements)
}
