package pipeline_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/code"
	"github.com/headgate/headgate/engine/node/condition"
	"github.com/headgate/headgate/engine/node/hook"
	"github.com/headgate/headgate/engine/node/receive"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
)

// received is when every event of these tests came.
var received = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const providers = `
kind: provider
name: acme
signature: none
event: {header: X-Event}
unknown_events: accept
events: [{name: order.created}, {name: order.paid}]
---
kind: provider
name: other
signature: none
event: {header: X-Event}
events: [{name: ping}]
`

func nodeTypes() []node.Type {
	return []node.Type{receive.Type(), condition.Type(), code.Type(), hook.Type()}
}

// load compiles a folder of the providers and one pipeline, given without its kind and name.
func load(t testing.TB, text string, types []node.Type) (*pipeline.Diagram, *diag.List) {
	t.Helper()
	s, out := snapshot.Load(t.Context(), snapshot.Options{
		Types: types, Dev: true,
		Manifest: manifest.Options{Dev: true, Files: []*source.File{
			source.NewFile("providers.yaml", []byte(providers)),
			source.NewFile("flow.yaml", []byte("kind: pipeline\nname: flow\n"+text)),
		}},
	})
	if s == nil {
		return nil, out
	}
	return s.Pipelines()[0], out
}

// compile is load for a pipeline that has no errors.
func compile(t testing.TB, text string) *pipeline.Diagram {
	t.Helper()
	d, out := load(t, text, nodeTypes())
	if d == nil {
		t.Fatalf("the pipeline was refused:\n%s\n%v", text, out.Sorted())
	}
	return d
}

// game is one run that a test plays by hand.
type game struct {
	t   testing.TB
	d   *pipeline.Diagram
	rec pipeline.Record
	now time.Time
	// Last is what the last fold gave.
	last pipeline.Progress
}

// begin starts a run of a pipeline with the event order.created of acme and a JSON body.
func begin(t testing.TB, text, body string) *game {
	t.Helper()
	return play(t, compile(t, text), "order.created", body)
}

// compilePuppets is compile with the puppets among the node types.
func compilePuppets(t testing.TB, text string) *pipeline.Diagram {
	t.Helper()
	d, out := load(t, text, puppets())
	if d == nil {
		t.Fatalf("the pipeline was refused:\n%s\n%v", text, out.Sorted())
	}
	return d
}

func play(t testing.TB, d *pipeline.Diagram, name, body string, change ...func(*event.Event, *run.Run)) *game {
	t.Helper()
	ev := &event.Event{
		ID: event.NewID(received, 1), Request: "req-1", Provider: "acme", Name: name, Delivery: "d-1", Received: received,
		Headers: []event.Header{{Name: "x-event", Value: name}}, Query: "a=1&b=2&b=3", ContentType: "application/json", Body: []byte(body),
	}
	r := &run.Run{
		ID: run.NewID(ev.ID, d.Name, run.Cause{Kind: run.Live}), Event: ev.ID, Pipeline: d.Name, Revision: "r1", Cause: run.Cause{Kind: run.Live},
		Now: received, State: run.Open,
	}
	for _, c := range change {
		c(ev, r)
	}
	g := &game{t: t, d: d, now: received, rec: pipeline.Record{Event: ev, Payload: pipeline.Decode(ev), Run: r}}
	g.fold()
	return g
}

// clock moves on by a millisecond with every look.
func (g *game) clock() time.Time {
	g.now = g.now.Add(time.Millisecond)
	return g.now
}

// fold takes what follows into the record.
func (g *game) fold() {
	g.t.Helper()
	g.last = g.d.Next(g.t.Context(), g.rec, g.clock)
	for _, s := range g.last.Steps {
		if slices.ContainsFunc(g.rec.Steps, func(o run.Step) bool { return o.Path == s.Path }) {
			g.t.Errorf("%s has ended twice", s.Path)
		}
	}
	g.rec.Steps = append(g.rec.Steps, g.last.Steps...)
	g.rec.Run.State, g.rec.Run.Outcome, g.rec.Run.Reason = g.last.State, g.last.Outcome, g.last.Reason
}

// answer ends an effect with an output and folds.
func (g *game) answer(path, output string) {
	g.t.Helper()
	e := g.effect(path)
	g.rec.Steps = append(g.rec.Steps, run.Step{Path: path, Node: e.Node, Type: e.Type, State: run.StepDone, Output: json.RawMessage(output), Started: g.clock()})
	g.fold()
}

// fail ends an effect with a failure and folds.
func (g *game) fail(path, code string) {
	g.t.Helper()
	e := g.effect(path)
	step := run.Step{Path: path, Node: e.Node, Type: e.Type, Started: g.clock()}
	g.rec.Steps = append(g.rec.Steps, g.d.Failed(step, &run.Failure{Kind: "temporary", Code: code, Message: "it did not work"}))
	g.fold()
}

// end ends an effect with a value and the way it takes, as the worker does, and folds.
func (g *game) end(path string, value any, branch string) {
	g.t.Helper()
	g.rec.Steps = append(g.rec.Steps, g.d.Ended(g.effect(path).Step(g.rec.Run.Round, g.clock(), g.clock()), value, branch))
	g.fold()
}

// effect gives one that is asked for.
func (g *game) effect(path string) pipeline.Effect {
	g.t.Helper()
	for _, e := range g.last.Effects {
		if e.Path == path {
			return e
		}
	}
	g.t.Fatalf("nothing is asked for by %q; asked for is %v", path, asked(g.last))
	return pipeline.Effect{}
}

func asked(p pipeline.Progress) []string {
	out := []string{}
	for _, e := range p.Effects {
		out = append(out, e.Path)
	}
	return out
}

func (g *game) step(path string) run.Step {
	g.t.Helper()
	for _, s := range g.rec.Steps {
		if s.Path == path {
			return s
		}
	}
	g.t.Fatalf("%s has not ended; %s", path, g.story())
	return run.Step{}
}

// story gives the record in a line: every step with its state and branch, what is asked for, and what the run has come to.
func (g *game) story() string {
	var parts []string
	for _, s := range g.rec.Steps {
		text := s.Path + "=" + string(s.State)
		if s.Branch != "" {
			text += "[" + s.Branch + "]"
		}
		parts = append(parts, text)
	}
	for _, e := range g.last.Effects {
		parts = append(parts, e.Path+"?")
	}
	end := string(g.last.State)
	for _, more := range []string{string(g.last.Outcome), g.last.Reason} {
		if more != "" {
			end += " " + more
		}
	}
	return strings.Join(parts, ", ") + ": " + end
}

// wants compares the story.
func (g *game) wants(want string) {
	g.t.Helper()
	if got := g.story(); got != want {
		g.t.Errorf("got  %s\nwant %s", got, want)
	}
}

// show writes a value for messages.
func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
