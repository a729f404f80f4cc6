package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Never is when a task is due that only something else can end: a call of a pipeline that may take as long as it likes, a batch that only
// its count closes. Who steps time need not go there.
const Never = 100 * 365 * 24 * time.Hour

// lookEvery is how often a run is looked at that waits for something without any bound in time: where its pipeline is not there any more,
// it is parked.
const lookEvery = 24 * time.Hour

// emissionWindow is how long an emitted event counts as seen: longer than the work on one settlement can possibly be repeated.
const emissionWindow = 72 * time.Hour

// consequences are what a settlement writes beside a run itself, and what is told once it is written.
type consequences struct {
	runs     []store.NewRun // that it calls
	events   []store.Arrival
	measures []node.Measure
	reply    *node.Reply
	// told are the consequences of the runs that it calls, as they began.
	told []telling
}

// telling is what is told of one run once a settlement is written.
type telling struct {
	run      run.Run
	measures []node.Measure
	reply    *node.Reply
	responds bool // it may answer the sender
	limited  bool // the store may have refused to let it begin
}

func (c *consequences) take(other consequences) {
	c.runs = append(c.runs, other.runs...)
	c.events = append(c.events, other.events...)
	c.told = append(c.told, other.told...)
}

// unfolded is a run's next state, as far as it comes without anybody waiting.
type unfolded struct {
	pipeline.Progress // Steps are all new ones, Effects those that remain
	tasks             []store.NewTask
	consequences
}

// unfolding is what unfold needs beside the record.
type unfolding struct {
	lane run.Lane
	// first is what the fold gives at first, where it is known already.
	first *pipeline.Progress
	// known says that a called run was begun before; nil where none was.
	known func(path string, called run.ID) bool
	// nested is how many runs above this one begin in the same settlement.
	nested int
	// own is the path of the call whose task is being settled, and child the run that it goes on waiting for; "" for none.
	own   string
	child run.ID
}

// unfold folds a record and turns the effects into tasks. Effects that are over at once, such as a call that nobody waits for, become
// steps, and the record is folded on.
func (w *Worker) unfold(ctx context.Context, d *pipeline.Diagram, rec pipeline.Record, o unfolding) unfolded {
	var u unfolded
	called := map[string]bool{} // by this unfolding
	for {
		p := o.first
		if o.first = nil; p == nil {
			next := d.Next(ctx, rec, w.now)
			p = &next
		}
		u.add(*p, rec.Event, rec.Run)
		u.tasks = nil
		var over []run.Step
		for _, e := range p.Effects {
			if e.Path != o.own && rec.Slice.Over() && growing(e) {
				u.More = true
				continue
			}
			task, step := w.ask(ctx, d, rec, e, o, &u.consequences, called)
			if step != nil {
				over = append(over, *step)
			} else {
				u.tasks = append(u.tasks, task)
			}
		}
		u.Steps = append(u.Steps, over...)
		if len(over) > 0 && rec.Slice.Over() {
			u.More = true // what follows from these steps
		}
		if u.More {
			u.tasks = append(u.tasks, startTask(d.Name, o.lane))
		} else if w.o.Player == nil && slices.ContainsFunc(p.Effects, endless) {
			u.tasks = append(u.tasks, store.NewTask{Kind: run.TaskTimer, Gate: pipelineGate(d.Name), Lane: o.lane, In: lookEvery})
		}
		if len(over) == 0 || u.More {
			return u
		}
		rec.Steps = slices.Concat(rec.Steps, p.Steps, over)
	}
}

// growing says whether asking for an effect stores more than its task.
func growing(e pipeline.Effect) bool {
	switch e.Ask.(type) {
	case node.Call, node.Batch, node.Publish:
		return true
	}
	return false
}

// endless says that what stands for an effect may be due never.
func endless(e pipeline.Effect) bool {
	switch ask := e.Ask.(type) {
	case node.Call:
		return e.Timeout <= 0 && !ask.Detach
	case node.Batch:
		return ask.After <= 0
	}
	return false
}

func (u *unfolded) add(p pipeline.Progress, ev *event.Event, r *run.Run) {
	u.Steps = append(u.Steps, p.Steps...)
	u.More = p.More
	u.Effects, u.State, u.Outcome, u.Reason, u.Message = p.Effects, p.State, p.Outcome, p.Reason, p.Message
	for _, e := range p.Emissions {
		u.events = append(u.events, emission(e, ev, r))
	}
	u.measures = append(u.measures, p.Measures...)
	if u.reply == nil {
		u.reply = p.Reply
	}
}

// emission is the event that a step puts into the log. Its delivery id makes it the same one however often the step is settled.
func emission(e pipeline.Emission, cause *event.Event, r *run.Run) store.Arrival {
	id := r.ID.String()
	return store.Arrival{
		Event: event.Event{
			Request: cause.Request, Provider: event.Internal, Name: e.Event, Delivery: id + "/" + e.Path, Routes: cause.Routes,
			ContentType: "application/json", Body: e.Payload, Source: event.Emitted, Cause: id, Depth: cause.Depth + 1,
		},
		Window: emissionWindow, Route: true,
	}
}

// ask gives the task that stands for an effect until it is done, or the step of one that is over at once.
func (w *Worker) ask(
	ctx context.Context, d *pipeline.Diagram, rec pipeline.Record, e pipeline.Effect, o unfolding, c *consequences, called map[string]bool,
) (store.NewTask, *run.Step) {
	task := store.NewTask{Kind: kindOf(e), Path: e.Path, Gate: pipelineGate(d.Name), Lane: o.lane}
	var err error
	switch ask := e.Ask.(type) {
	case node.Deliver:
		task.Gate = ask.Gate
	case node.Wait:
		if ask.For == nil {
			task.In = max(0, ask.Until.Sub(w.now()))
			break
		}
		task.Wait = store.Wait{Group: e.Await, Key: ask.For.Correlation} // due at once: what came before is looked for first
	case node.Batch:
		if task.In, task.Gather, err = gather(d.Name, e.Path, ask); err == nil {
			err = room(rec, task.Gather.Item)
		}
	case node.Publish:
		step := w.publish(ctx, d, rec, e, ask, o, c)
		return task, &step
	case node.Call:
		return w.call(ctx, d, rec, e, ask, task, o, c, called)
	default:
		err = &failure{"internal", CodeInternal, fmt.Sprintf("nobody performs %T", e.Ask)}
	}
	if err != nil {
		step := w.stepOf(e, rec.Run)
		step = d.Failed(step, failed(err))
		return task, &step
	}
	return task, nil
}

// kindOf is the kind of the task that stands for an effect.
func kindOf(e pipeline.Effect) run.TaskKind {
	switch ask := e.Ask.(type) {
	case node.Wait:
		if ask.For != nil {
			return run.TaskWait
		}
		return run.TaskTimer
	case node.Batch:
		return run.TaskTimer
	case node.Call:
		return run.TaskChild
	}
	return run.TaskStep
}

// pipelineGate is the gate of the tasks of a pipeline's runs that stand before no destination.
func pipelineGate(name string) string { return "@" + name }

// startTask is that of a run which is yet to be folded.
func startTask(name string, lane run.Lane) store.NewTask {
	return store.NewTask{Kind: run.TaskStep, Gate: pipelineGate(name), Lane: lane}
}

// gather puts an item into the batch of its pipeline, node and key; whatever the number of the item of a foreach that it comes from.
func gather(name, path string, b node.Batch) (time.Duration, *store.Gather, error) {
	item, err := encode(b.Item)
	if err != nil {
		return 0, nil, err
	}
	in := b.After
	if in <= 0 {
		in = Never
	}
	return in, &store.Gather{Key: name + "\x00" + pipeline.Definition(path) + "\x00" + b.Key, Item: item, Count: b.Count}, nil
}

// room takes what a step hands over into account; the error says that the run has no room for it.
func room(rec pipeline.Record, handed []byte) error {
	rec.Slice.Add(len(handed))
	if rec.Bytes()+len(handed) > run.MaxRunBytes {
		return &failure{"permanent", pipeline.CodeOutput, pipeline.TooMuch}
	}
	return nil
}

// encode gives a value as it is stored; the error is a failure of a step.
func encode(v any) ([]byte, error) {
	b, err := payload.EncodeMax(v, run.MaxOutputBytes)
	if err != nil {
		return nil, &failure{"permanent", pipeline.CodeOutput, "what it hands over cannot be kept: " + err.Error()}
	}
	return b, nil
}

// failure is a run.Failure as an error.
type failure struct{ kind, code, message string }

func (f *failure) Error() string { return f.message }

func failed(err error) *run.Failure {
	var f *failure
	if errors.As(err, &f) {
		return &run.Failure{Kind: f.kind, Code: f.code, Message: f.message}
	}
	return &run.Failure{Kind: "internal", Code: CodeInternal, Message: err.Error()}
}

// stepOf is the step of an effect that is over at once.
func (w *Worker) stepOf(e pipeline.Effect, r *run.Run) run.Step {
	now := w.now()
	return e.Step(r.Round, now, now)
}
