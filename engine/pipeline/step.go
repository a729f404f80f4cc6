package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
)

// kindPermanent is the kind of failures that trying again does not mend.
const kindPermanent = "permanent"

// do runs one node and makes its step. A node that asks for an effect, or for its body, has no step yet: what was made of it is handed
// on with what is asked for.
func (f *fold) do(ctx context.Context, v *vertex, in node.Input, path string) (run.Step, node.Outcome) {
	step := run.Step{Path: path, Node: v.label, Type: v.typ.Name, State: run.StepDone, Round: f.rec.Run.Round, Started: f.clock()}
	limited := ctx
	if v.timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, v.timeout)
		defer cancel()
	}
	outcome, err := v.node.Do(limited, in)
	step.Took = f.clock().Sub(step.Started)
	hidden := v.receives() != nil && f.views.hidden
	if err != nil {
		why := failure(err)
		if limited.Err() != nil && ctx.Err() == nil {
			why = &run.Failure{Kind: kindPermanent, Code: CodeTimeout, Message: fmt.Sprintf("the step took longer than %s", v.timeout)}
		}
		if hidden { // the message may tell of a value
			why.Message = "the filter could not be evaluated; what it read is hidden"
		}
		return withNotes(v.failed(step, why), notesOf(outcome), hidden), nil
	}
	switch o := outcome.(type) {
	case node.Value:
		return f.keep(v, v.ended(withNotes(step, o.Notes, hidden), o.V, "")), nil
	case node.Branch:
		step.Branch = o.Handle
	case node.Filtered:
		step.State = run.StepFiltered
	case node.Emit:
		return f.emit(v, withNotes(step, o.Notes, hidden), o), nil
	case node.Measure:
		f.out.Measures = append(f.out.Measures, o)
	case node.Reply:
		step = f.keep(v, v.ended(step, replied(o), ""))
		if f.out.Reply == nil && step.State == run.StepDone {
			f.out.Reply = &o
		}
	default:
		return step, outcome
	}
	return withNotes(step, notesOf(outcome), hidden), nil
}

// emit ends a step whose event goes into the log with it.
func (f *fold) emit(v *vertex, step run.Step, o node.Emit) run.Step {
	if f.rec.Event.Depth >= event.MaxDepth {
		return v.failed(step, &run.Failure{
			Kind: kindPermanent, Code: CodeTooDeep, Message: fmt.Sprintf("the event is the last of %d that were emitted one because of the other", event.MaxDepth),
		})
	}
	if most := event.MaxEmitted(f.rec.Event.Depth); f.emissions() >= most {
		return v.failed(step, &run.Failure{Kind: kindPermanent, Code: CodeTooManyEvents, Message: tooMany(most, f.rec.Event.Depth)})
	}
	step = v.ended(step, o.Payload, "")
	body := []byte(step.Output)
	if len(body) == 0 {
		body = []byte("null")
	}
	step.Handed = len(body)
	if step = f.keep(v, step); step.State != run.StepDone {
		step.Handed = 0
		return step
	}
	f.emitted++
	f.out.Emissions = append(f.out.Emissions, Emission{Path: step.Path, Event: o.Event, Payload: body})
	return step
}

func tooMany(most, depth int) string {
	if depth == 0 {
		return fmt.Sprintf("a run may emit %d events", most)
	}
	return fmt.Sprintf("the run is for an event that was emitted, %d below one that came: it may emit %d", depth, most)
}

// emissions counts the events that the run has emitted.
func (f *fold) emissions() int {
	if f.emitted < 0 {
		f.emitted = 0
		for _, steps := range [][]run.Step{f.rec.Steps, f.out.Steps} {
			for i := range steps {
				if v := f.d.find(steps[i].Path); v != nil && steps[i].State == run.StepDone && steps[i].Handed > 0 && v.emits() {
					f.emitted++
				}
			}
		}
	}
	return f.emitted
}

// keep lets a step end as it did where the record has room for it, and fails it where it has none.
func (f *fold) keep(v *vertex, step run.Step) run.Step {
	n := kept(&step)
	if n == 0 {
		return step
	}
	if f.bytes < 0 {
		f.bytes = f.rec.Bytes()
		for i := range f.out.Steps {
			f.bytes += kept(&f.out.Steps[i])
		}
	}
	return v.fit(step, f.bytes+n)
}

// fit fails a step with which a record would keep too much.
func (v *vertex) fit(step run.Step, bytes int) run.Step {
	if bytes <= run.MaxRunBytes || step.State != run.StepDone {
		return step
	}
	step.Output, step.Reads, step.Log, step.Handed = nil, nil, nil, 0
	return v.failed(step, &run.Failure{Kind: kindPermanent, Code: CodeOutput, Message: TooMuch})
}

// TooMuch says of a step that its run may not keep what it gives.
const TooMuch = "the run would keep more than 8 MiB of outputs, emitted payloads and inputs"

// Fit gives a step that was made for a record as it is where the record has room for it, and as one that failed where it has none.
func (d *Diagram) Fit(rec Record, step run.Step) run.Step {
	return d.find(step.Path).fit(step, rec.Bytes()+kept(&step))
}

// replied gives the output of a node that answered the sender; the body is decoded as that of an event would be.
func replied(o node.Reply) any {
	headers := make(map[string]any, len(o.Headers))
	kind := ""
	for name, value := range o.Headers {
		headers[name] = value
		if strings.EqualFold(name, "content-type") {
			kind = value
		}
	}
	var body any
	if len(o.Body) > 0 {
		body = Decode(&event.Event{Body: o.Body, ContentType: kind})
	}
	return map[string]any{"status": int64(o.Status), "headers": headers, "body": body}
}

// ended completes a step with an output and the way it takes. Transparent nodes keep no output: what came in goes on.
func (v *vertex) ended(step run.Step, value any, branch string) run.Step {
	step.State, step.Branch = run.StepDone, branch
	if v != nil && v.transparent {
		return step
	}
	out, err := encodeOutput(value)
	if err != nil {
		return v.failed(step, &run.Failure{Kind: kindPermanent, Code: CodeOutput, Message: err.Error()})
	}
	step.Output = out
	return step
}

// failed ends a step with a failure, which goes on by [error] where that is connected.
func (v *vertex) failed(step run.Step, why *run.Failure) run.Step {
	step.State, step.Failure, step.Branch = run.StepFailed, why, ""
	if v != nil && v.catches {
		step.Branch = ErrorHandle
	}
	return step
}

// Failed ends a step whose effect failed, as Next ends one of its own.
func (d *Diagram) Failed(step run.Step, why *run.Failure) run.Step {
	return d.find(step.Path).failed(step, why)
}

// Ended completes the step of an effect that was performed: its state, the way it takes ("" for the plain one), and its output, of
// which a transparent node keeps none. An output that cannot be kept fails the step with CodeOutput.
func (d *Diagram) Ended(step run.Step, value any, branch string) run.Step {
	return d.find(step.Path).ended(step, value, branch)
}

// Step gives the step of an effect that was performed, for [Diagram.Ended] or [Diagram.Failed] to complete.
func (e Effect) Step(round int, started, ended time.Time) run.Step {
	step := run.Step{Path: e.Path, Node: e.Node, Type: e.Type, State: run.StepDone, Round: round, Started: started, Took: ended.Sub(started)}
	return withNotes(step, e.notes, false)
}

// withNotes adds what a node wants to be recorded beside its answer.
func withNotes(step run.Step, notes node.Notes, hidden bool) run.Step {
	step.Reads, step.Log = encodeReads(notes.Reads, hidden), notes.Log
	return step
}

func notesOf(outcome node.Outcome) node.Notes {
	switch o := outcome.(type) {
	case node.Value:
		return o.Notes
	case node.Branch:
		return o.Notes
	case node.Filtered:
		return o.Notes
	case node.Emit:
		return o.Notes
	case node.Measure:
		return o.Notes
	case node.Reply:
		return o.Notes
	case node.Wait:
		return o.Notes
	case node.Batch:
		return o.Notes
	case node.Each:
		return o.Notes
	case node.Call:
		return o.Notes
	case node.Publish:
		return o.Notes
	}
	return node.Notes{}
}

func failure(err error) *run.Failure {
	code := CodeExpression
	var e *script.Error
	if errors.As(err, &e) {
		code = string(e.Code)
	}
	return &run.Failure{Kind: kindPermanent, Code: code, Message: err.Error()}
}
