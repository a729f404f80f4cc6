package pipeline

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/receive"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
)

// Codes of failures that the fold itself finds, beside those of engine/script.
const (
	CodeExpression = "expression" // a node failed without a code of its own
	CodeOutput     = "output"     // an output could not be kept
)

// Effect is work that a node asks for and that has not been done.
type Effect struct {
	Path    string
	Node    string
	Type    string
	Deliver node.Deliver
	// Env holds the names in scope, for what is rendered when the effect is performed.
	Env *script.Env
	// Message is the output of the node before, Raw whether it is the event's own payload.
	Message any
	Raw     bool
}

// Progress is what follows from a record.
type Progress struct {
	// Steps are new, in the order they ended.
	Steps []run.Step
	// Effects are asked for and not yet done, whether or not a task for them is open already.
	Effects []Effect
	// State is what the run has come to; Outcome of a done one; Reason and Message of a parked one.
	State   run.State
	Outcome run.Outcome
	Reason  string
	Message string
}

// bind renders the pipeline's vars; where one fails every one is null, and the node that reads it says so.
func (d *Diagram) bind(ctx context.Context, env *script.Env) {
	if d.vars == nil {
		return
	}
	if v, err := d.vars.Render(ctx, env); err == nil {
		env.Vars, _ = v.(map[string]any)
	}
}

// way is what is known of one edge.
type way uint8

const (
	pending way = iota // its source may still take it
	taken
	passed // not taken
	closed // an unhandled failure lies behind it
)

// place is what is known of one node.
type place struct {
	step   *run.Step // nil where it has not ended
	value  any       // its output, for transparent nodes what came in
	raw    bool
	closed bool // it will never run because of a failure before it
	over   bool // nothing will happen here any more
}

// Next folds the record: it does what pure nodes are ready to do, until nothing more follows without an effect. A record without steps
// begins at the receive nodes that the event is for. clock times the steps.
func (d *Diagram) Next(ctx context.Context, rec Record, clock func() time.Time) Progress {
	f := &fold{d: d, rec: rec, clock: clock, places: make([]place, len(d.nodes))}
	for i := range rec.Steps {
		if at, ok := d.index[rec.Steps[i].Path]; ok {
			f.places[at].step = &rec.Steps[i]
		}
	}
	f.env = rec.env(nil)
	d.bind(ctx, f.env)
	for i := range d.nodes { // topological order: all that comes before a node is settled when it is reached
		f.visit(ctx, i)
	}
	return f.progress()
}

type fold struct {
	d       *Diagram
	rec     Record
	clock   func() time.Time
	places  []place
	env     *script.Env // without outputs
	out     Progress
	waiting bool
}

func (f *fold) visit(ctx context.Context, i int) {
	v, p := &f.d.nodes[i], &f.places[i]
	if p.step != nil {
		f.ended(i)
		return
	}
	state := f.arrive(v)
	switch state {
	case pending:
		f.waiting = true
		return
	case passed, closed:
		p.over, p.closed = true, state == closed
		return
	case taken:
	}
	in := node.Input{Event: f.rec.Event, Env: f.envFor(v)}
	in.Message, in.Raw = f.message(v)
	step, deliver := f.d.do(ctx, v, in, f.rec.Run.Round, f.clock)
	if deliver != nil {
		f.waiting = true
		f.out.Effects = append(f.out.Effects, Effect{
			Path: v.label, Node: v.label, Type: v.typ.Name, Deliver: *deliver, Env: in.Env, Message: in.Message, Raw: in.Raw,
		})
		return
	}
	f.out.Steps = append(f.out.Steps, step)
	p.step = &step
	f.ended(i)
}

// ended makes the output of a finished step known to those behind it.
func (f *fold) ended(i int) {
	v, p := &f.d.nodes[i], &f.places[i]
	p.over = true
	switch {
	case p.step.State == run.StepFailed && !v.catches:
		p.closed = true
	case p.step.State == run.StepFailed:
		// What takes the failure sees it as the output of the node.
		p.value = map[string]any{"error": map[string]any{"kind": p.step.Failure.Kind, "code": p.step.Failure.Code, "message": p.step.Failure.Message}}
	case v.typ.Entry:
		p.value, p.raw = f.rec.Payload, true
	case v.typ.Transparent:
		p.value, p.raw = f.message(v)
	case len(p.step.Output) > 0:
		if val, err := payload.Decode(p.step.Output); err == nil {
			p.value = val
		}
	}
}

// arrive tells whether a node can run: when every connection that can still be taken has been, once one is. An entry can where the
// event is for it.
func (f *fold) arrive(v *vertex) way {
	if v.typ.Entry {
		if r, ok := v.node.(*receive.Node); ok && r.Provider == f.rec.Event.Provider && r.Matches(f.rec.Event.Name) {
			return taken
		}
		return passed
	}
	state := passed
	for _, e := range v.in {
		switch f.along(e) {
		case pending:
			return pending
		case closed:
			state = closed
		case taken:
			if state == passed {
				state = taken
			}
		case passed:
		}
	}
	return state
}

func (f *fold) along(e edge) way {
	p := &f.places[e.from]
	switch {
	case !p.over:
		return pending
	case p.closed:
		return closed
	case p.step == nil || p.step.State == run.StepSkipped || p.step.State == run.StepFiltered:
		return passed
	case p.step.State == run.StepFailed:
		if e.handle == ErrorHandle {
			return taken
		}
		return passed
	case e.handle == p.step.Branch:
		return taken
	}
	return passed
}

// message is what came over the connections that were taken: the output of the one node that they leave, or a map of outputs.
func (f *fold) message(v *vertex) (value any, raw bool) {
	var from []int
	for _, e := range v.in {
		if f.along(e) == taken && !slices.Contains(from, e.from) {
			from = append(from, e.from)
		}
	}
	if len(from) == 1 {
		return f.places[from[0]].value, f.places[from[0]].raw
	}
	joined := make(map[string]any, len(from))
	for _, i := range from {
		joined[f.d.nodes[i].label] = f.places[i].value
	}
	return joined, false
}

// envFor is the scope of one node: the record's, the outputs of the nodes before it, and the names that its connections give. Outputs
// of nodes beside it are left out: whether they are there would depend on which hook was answered first.
func (f *fold) envFor(v *vertex) *script.Env {
	env := *f.env
	env.Outputs = make(map[string]any, len(v.before))
	for _, i := range v.before {
		if p := &f.places[i]; p.step != nil && p.step.State != run.StepSkipped && p.step.State != run.StepFiltered {
			env.Outputs[f.d.nodes[i].label] = p.value
		}
	}
	for _, e := range v.in {
		if e.label != "" && f.along(e) == taken {
			env.Outputs[e.label] = f.places[e.from].value
		}
	}
	return &env
}

// progress closes the account: the run goes on, is done, or is parked with its first failure.
func (f *fold) progress() Progress {
	f.out.State = run.Open
	if f.waiting {
		return f.out
	}
	failed := f.firstFailure()
	f.skip()
	if failed != nil {
		f.out.State, f.out.Reason, f.out.Message = run.Parked, failed.Failure.Code, failed.Path+": "+failed.Failure.Message
		return f.out
	}
	f.out.State, f.out.Outcome = run.Done, f.outcome()
	return f.out
}

// firstFailure is the failed step nobody caught that stands first in the diagram.
func (f *fold) firstFailure() *run.Step {
	for i := range f.places {
		if s := f.places[i].step; s != nil && s.State == run.StepFailed && !f.d.nodes[i].catches {
			return s
		}
	}
	return nil
}

// skip records the nodes that will never run, so that the record tells of every node.
func (f *fold) skip() {
	for i := range f.places {
		if f.places[i].step != nil {
			continue
		}
		v := &f.d.nodes[i]
		f.out.Steps = append(f.out.Steps, run.Step{
			Path: v.label, Node: v.label, Type: v.typ.Name, State: run.StepSkipped, Round: f.rec.Run.Round, Started: f.clock(),
		})
	}
}

// outcome is "filtered" where nothing but receives and conditions ran, else "completed". A receive that nothing follows is completed by
// receiving, and a failure that was caught is no filter.
func (f *fold) outcome() run.Outcome {
	for i := range f.places {
		v, s := &f.d.nodes[i], f.places[i].step
		if s == nil {
			continue
		}
		acts := !v.typ.Entry && !v.typ.Transparent || v.typ.Entry && !v.leads
		if s.State == run.StepFailed || s.State == run.StepDone && acts {
			return run.Completed
		}
	}
	return run.Filtered
}

// do runs one node and makes its step; a node that asks for an effect has no step yet.
func (d *Diagram) do(ctx context.Context, v *vertex, in node.Input, round int, clock func() time.Time) (run.Step, *node.Deliver) {
	started := clock()
	step := run.Step{Path: v.label, Node: v.label, Type: v.typ.Name, State: run.StepDone, Round: round, Started: started}
	outcome, err := v.node.Do(ctx, in)
	step.Took = clock().Sub(started)
	if err != nil {
		step = v.failed(step, failure(err))
		if o, ok := outcome.(node.Value); ok {
			step.Reads, step.Log = encodeReads(o.Reads), o.Log
		}
		return step, nil
	}
	var notes node.Notes
	switch o := outcome.(type) {
	case node.Value:
		notes = o.Notes
		if step.Output, err = encodeOutput(o.V); err != nil {
			step = v.failed(step, &run.Failure{Kind: "permanent", Code: CodeOutput, Message: err.Error()})
		}
	case node.Branch:
		notes, step.Branch = o.Notes, o.Handle
	case node.Filtered:
		notes, step.State = o.Notes, run.StepFiltered
	case node.Deliver:
		return step, &o
	}
	step.Reads, step.Log = encodeReads(notes.Reads), notes.Log
	return step, nil
}

// failed ends a step with a failure, which goes on by [error] where that is connected.
func (v *vertex) failed(step run.Step, why *run.Failure) run.Step {
	step.State, step.Failure = run.StepFailed, why
	if v.catches {
		step.Branch = ErrorHandle
	}
	return step
}

// Failed ends a step whose effect failed, as Next ends one of its own.
func (d *Diagram) Failed(step run.Step, why *run.Failure) run.Step {
	if at, ok := d.index[step.Path]; ok {
		return d.nodes[at].failed(step, why)
	}
	step.State, step.Failure = run.StepFailed, why
	return step
}

func failure(err error) *run.Failure {
	code := CodeExpression
	var e *script.Error
	if errors.As(err, &e) {
		code = string(e.Code)
	}
	return &run.Failure{Kind: "permanent", Code: code, Message: err.Error()}
}
