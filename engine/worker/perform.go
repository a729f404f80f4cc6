package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/node"
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
	CodeTooOld        = "too_old" // the destination's max_age has passed
	CodeNoPipeline    = "pipeline_missing"
	CodeNoJob         = "job_missing" // the job of the replay that was to make the run
	CodeRequest       = "request"     // the request could not be made
	CodeLostLeases    = "lost_leases"
	CodeInternal      = "internal"
	CodeCorrupt       = "body_corrupt"
	CodeCallParked    = "call_parked"  // the called run is parked, and the caller goes on by [error]
	CodeCallDropped   = "call_dropped" // a person ended the called run
	CodeCallLimited   = "call_limited" // the called pipeline's limits did not let the run begin
	CodeCallLost      = "call_lost"    // the called run is not in the store
	CodeEventLost     = "event_lost"   // the event that came cannot be read any more
)

// storePause is how long a task waits when the store could not be read for it.
const storePause = 5 * time.Second

const panicked = "the run ended in an internal error; the log has the stack"

const bodyCorrupt = "the stored body no longer matches its checksum, or the record cannot be read; nothing of it is sent"

// perform works on one claimed step task to its settlement.
func (w *Worker) perform(ctx context.Context, c store.Claimed, s share) {
	j := &job{w: w, c: c, share: s}
	var leave func()
	j.turnstile, leave = w.visit(c.Task.Run)
	defer leave()
	defer func() {
		if len(j.attempts) == 0 {
			w.unspent(s.gate)
		}
		if j.tripping {
			w.tripped(s.gate)
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			w.o.Logger.ErrorContext(ctx, "a run panicked", "run", c.Task.Run.String(), "pipeline", c.Run.Pipeline, "path", c.Task.Path,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			j.park(ctx, CodeInternal, panicked)
		}
	}()
	j.do(ctx)
}

// job is one claimed step task being worked on.
type job struct {
	w         *Worker
	c         store.Claimed
	share     share // what it was claimed with
	turnstile *turnstile
	diagram   *pipeline.Diagram
	payload   any
	// sender and place are the run that published this one to a subscriber, and where its hook stands there; nil for all others.
	sender   *run.Run
	place    *pipeline.Place
	scope    string        // what its hook belongs to
	attempts []run.Attempt // made by this job
	done     *run.Step     // that this job ended
	notes    []string      // what was cut from the message
	gate     *store.Gate   // to be written with the settlement, as are trip and events
	trip     *store.Trip
	tripping bool // the gate is held back until the trip is settled
	events   []store.Arrival
	in       time.Duration // where not 0, when the task is due that stands for the effect from now on
	child    run.ID        // that the task's call goes on waiting for
	handed   int           // how many bytes the step handed over
	behind   string        // the disabled gate that it is parked behind: where that is no longer disabled, it is not
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
	j.turnstile.Lock()
	j.turnstile.refresh(&j.c)
	j.turnstile.Unlock()
	d, err := j.w.o.World.Diagram(ctx, j.c.Run.Pipeline, j.c.Run.Revision)
	switch {
	case err != nil && ctx.Err() != nil:
		j.release(ctx)
		return
	case unreadable(err):
		j.later(ctx, "reading a run's revision", err) // it is not the pipeline that is missing
		return
	case err != nil:
		j.park(ctx, CodeNoPipeline, err.Error())
		return
	}
	j.diagram = d
	if d.Sender() != nil && !j.stand(ctx) {
		return
	}
	var effect pipeline.Effect
	asked := false
	j.w.compute(j.share.gate, func() {
		j.payload = pipeline.Decode(&j.c.Event)
		if j.c.Task.Path != "" {
			effect, asked = d.Effect(ctx, j.record(), j.c.Task.Path, j.w.now)
		}
	})
	if ctx.Err() != nil {
		j.release(ctx)
		return
	}
	if !asked || kindOf(effect) != j.c.Task.Kind {
		// The task only says that the run is to be folded, or what it asked for has been done.
		j.settle(ctx, nil, store.Then{})
		return
	}
	switch ask := effect.Ask.(type) {
	case node.Deliver:
		j.hook(ctx, effect, ask)
	case node.Wait:
		if ask.For != nil {
			j.await(ctx, effect, ask)
		} else {
			j.end(ctx, effect, nil, "")
		}
	case node.Batch:
		j.batched(ctx, effect, ask)
	case node.Call:
		j.called(ctx, effect, ask)
	default:
		j.fail(ctx, effect, "internal", CodeInternal, fmt.Sprintf("nobody performs %T", effect.Ask))
	}
}

// unreadable says whether an error is the store's, for a while.
func unreadable(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrBehind)
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

// step is that of an effect which has ended.
func (j *job) step(e pipeline.Effect) run.Step {
	step := e.Step(j.c.Run.Round, j.first(), j.w.now())
	step.Log = append(step.Log, j.notes...)
	step.Handed = j.handed
	return step
}

// end ends the step of an effect with its output and the way that it takes.
func (j *job) end(ctx context.Context, e pipeline.Effect, value any, branch string) {
	step := j.diagram.Ended(j.step(e), value, branch)
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
	j.turnstile.Lock()
	defer j.turnstile.Unlock()
	j.turnstile.refresh(&j.c)
	for range maxFolds {
		var delta *store.RunDelta
		var more consequences
		j.w.compute(j.share.gate, func() { delta, more = j.delta(ctx, step, then) })
		s := store.Settlement{
			Held: j.c.Held(), Run: delta, NewRuns: more.runs, Events: slices.Concat(more.events, j.events), Then: then, Gate: j.gate, Trip: j.trip,
			Barred: j.behind,
		}
		j.w.tellParked(ctx, &s, &j.c.Event, j.c.Run)
		results, err := j.w.settle(ctx, []store.Settlement{s})
		switch {
		case err != nil:
			j.w.o.Logger.WarnContext(ctx, "settling a step", "run", j.c.Run.ID.String(), "step", j.c.Task.Path, "error", err)
			return
		case results[0] == nil:
			j.turnstile.settled(&j.c, delta)
			j.tellGate(ctx)
			j.told(ctx, delta, more)
			return
		case errors.Is(results[0], store.ErrFenced):
			j.w.o.Logger.InfoContext(ctx, "the step was taken over by another holder", "run", j.c.Run.ID.String(), "step", j.c.Task.Path)
			return
		case !errors.Is(results[0], store.ErrMoved):
			j.w.o.Logger.ErrorContext(ctx, "settling a step", "run", j.c.Run.ID.String(), "step", j.c.Task.Path, "error", results[0])
			return
		}
		if j.behind != "" && j.enabled(ctx) {
			j.release(ctx)
			return
		}
		record, err := j.w.record(ctx, j.c.Run.ID)
		if err != nil {
			j.w.o.Logger.WarnContext(ctx, "reading a run that moved", "run", j.c.Run.ID.String(), "error", err)
			return
		}
		j.turnstile.forget()
		*j.c.Run, j.c.Steps = record.Run, record.Steps
	}
	j.w.o.Logger.ErrorContext(ctx, "a run moved too often to be settled", "run", j.c.Run.ID.String(), "step", j.c.Task.Path)
}

// delta is the run's next state with the step in it, and what follows from that elsewhere.
func (j *job) delta(ctx context.Context, step *run.Step, then store.Then) (*store.RunDelta, consequences) {
	delta := &store.RunDelta{ID: j.c.Run.ID, Version: j.c.Run.Version, State: run.Open, Attempts: j.attempts}
	if then.Again {
		return delta, consequences{}
	}
	ctx = context.WithoutCancel(ctx) // what has been done is settled even while we are stopping
	rec := j.record()
	rec.Slice = pipeline.NewSlice(taskTime, foldBytes)
	o := unfolding{lane: j.c.Task.Lane, known: j.known(ctx)}
	if j.child != (run.ID{}) {
		o.own, o.child = j.c.Task.Path, j.child
	}
	if o.lane == run.LaneRetry && j.c.Run.Round == 0 {
		o.lane = run.LaneLive // the next hook's first attempt is no retry
	}
	if step != nil {
		fits := j.fit(rec, *step)
		rec.Steps = append(rec.Steps[:len(rec.Steps):len(rec.Steps)], fits)
		delta.Steps = append(delta.Steps, fits)
	}
	u := j.w.unfold(ctx, j.diagram, rec, o)
	delta.Steps = append(delta.Steps, u.Steps...)
	delta.State, delta.Outcome, delta.Reason, delta.Message = u.State, u.Outcome, u.Reason, u.Message
	if delta.State == run.Parked {
		delta.Destination = j.culprit(rec, u.Steps)
	}
	delta.Tasks = u.tasks
	for i := range delta.Tasks {
		if t := &delta.Tasks[i]; j.in > 0 && t.Path == j.c.Task.Path && t.Kind == j.c.Task.Kind {
			t.In = j.in
		}
	}
	return delta, u.consequences
}

func (j *job) record() pipeline.Record {
	return pipeline.Record{Event: &j.c.Event, Payload: j.payload, Run: j.c.Run, Steps: j.c.Steps, Place: j.place, Turns: len(j.w.ordered(j.diagram)) > 0}
}

// culprit gives the gate of the hook whose failure parks the run, "" where it was no hook.
func (j *job) culprit(rec pipeline.Record, more []run.Step) string {
	rec.Steps = slices.Concat(rec.Steps, more)
	path, gate := j.diagram.Culprit(rec)
	if path != "" && path == j.c.Task.Path {
		return j.c.Task.Gate
	}
	return gate
}

// fit gives a step as the run has room for it. A delivery has succeeded all the same where its answer cannot be kept.
func (j *job) fit(rec pipeline.Record, step run.Step) run.Step {
	fits := j.diagram.Fit(rec, step)
	if step.State == run.StepDone && fits.State != run.StepDone && len(j.attempts) > 0 {
		step.Output, step.Log = nil, nil
		return step
	}
	return fits
}

// known says whether a called run was begun before: a task of the caller waits for it, or it is in the store. Called runs that are begun
// twice are one, but what follows from their beginning would be told twice.
func (j *job) known(ctx context.Context) func(path string, called run.ID) bool {
	tasks := sync.OnceValue(func() []run.Task {
		rec, err := j.w.o.Queue.Run(ctx, j.c.Run.ID)
		if err != nil {
			return nil
		}
		return rec.Tasks
	})
	return func(path string, called run.ID) bool {
		if slices.ContainsFunc(tasks(), func(t run.Task) bool { return t.Kind == run.TaskChild && t.Path == path }) {
			return true
		}
		_, err := j.w.o.Queue.Run(ctx, called)
		return err == nil
	}
}

// park ends the run for a person to look at, whatever else of it is open.
func (j *job) park(ctx context.Context, reason, message string) {
	delta := &store.RunDelta{
		ID: j.c.Run.ID, Version: j.c.Run.Version, State: run.Parked, Reason: reason, Message: message, Attempts: j.attempts,
	}
	if j.done != nil { // what follows from it is not known, but a retry need not do it again
		delta.Steps = []run.Step{*j.done}
	}
	if reason == CodeLostLeases && !strings.HasPrefix(j.c.Task.Gate, "@") {
		delta.Destination = j.c.Task.Gate
	}
	for range maxFolds {
		s := store.Settlement{Held: j.c.Held(), Run: delta, Events: slices.Clone(j.events), Gate: j.gate, Trip: j.trip}
		j.w.tellParked(ctx, &s, &j.c.Event, j.c.Run)
		results, err := j.w.settle(ctx, []store.Settlement{s})
		if err != nil {
			j.w.o.Logger.WarnContext(ctx, "parking a run", "run", j.c.Run.ID.String(), "error", err)
			return
		}
		if results[0] == nil {
			j.tellGate(ctx)
			j.told(ctx, delta, consequences{})
			return
		}
		if !errors.Is(results[0], store.ErrMoved) {
			return
		}
		record, err := j.w.record(ctx, j.c.Run.ID)
		if err != nil {
			return
		}
		delta.Version = record.Run.Version
	}
}

// told tells of what was written.
func (j *job) told(ctx context.Context, delta *store.RunDelta, more consequences) {
	own := telling{run: *j.c.Run, measures: more.measures, reply: more.reply, responds: isLive(j.c.Run.Cause) && j.responds()}
	own.run.State, own.run.Outcome = delta.State, delta.Outcome
	j.w.tell(ctx, &j.c.Event, append([]telling{own}, more.told...))
	if delta.State == run.Parked {
		j.w.o.Logger.WarnContext(ctx, "run parked", "run", j.c.Run.ID.String(), "pipeline", j.c.Run.Pipeline, "reason", delta.Reason)
	}
}

// responds says whether the run may answer the sender; a diagram that could not be had is taken for the live one.
func (j *job) responds() bool {
	d := j.diagram
	if d == nil {
		var ok bool
		if d, ok = j.w.o.World.Pipeline(j.c.Run.Pipeline); !ok {
			return false
		}
	}
	_, ok := d.Responds()
	return ok
}

// release gives the task back as it was.
func (j *job) release(ctx context.Context) { j.w.release(ctx, []store.Held{j.c.Held()}) }

// later gives the task back for a while, because the store could not be read.
func (j *job) later(ctx context.Context, doing string, why error) {
	j.w.o.Logger.WarnContext(ctx, "a task waits for the store", "run", j.c.Run.ID.String(), "step", j.c.Task.Path, "reason", doing, "error", why)
	j.back(ctx, store.Then{Again: true, In: storePause, N: j.c.Task.N})
}

// back gives the task back as it is; the run does not move.
func (j *job) back(ctx context.Context, then store.Then) {
	if _, err := j.w.settle(ctx, []store.Settlement{{Held: j.c.Held(), Then: then}}); err != nil {
		j.w.o.Logger.WarnContext(ctx, "settling a step", "run", j.c.Run.ID.String(), "step", j.c.Task.Path, "error", err)
	}
}
