package pipeline_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

func TestOutcomesHappenWithTheStepsThatTheyEnd(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Count, type: count, props: {does: x}}
  - {label: Tell, type: act, props: {does: things.told}}
  - {label: Say, type: answer, props: {does: hello}}
  - {label: Say more, type: answer, props: {does: hello again}}
  - {label: Ask, type: make, props: {does: ask}}
`), "order.created", `{"n": 1}`)
	g.wants("In=done, Count=done, Tell=done, Say=done, Say more=done, Ask?: open")
	p := g.last
	if len(p.Emissions) != 1 || p.Emissions[0].Path != "Tell" || p.Emissions[0].Event != "things.told" || string(p.Emissions[0].Payload) != `{"n":1}` {
		t.Errorf("it emits %+v, want the payload that came through the transparent node before", p.Emissions)
	}
	if len(p.Measures) != 1 || p.Measures[0].Metric.Name != "things_total" {
		t.Errorf("it measures %+v", p.Measures)
	}
	if p.Reply == nil || p.Reply.Status != 201 || string(p.Reply.Body) != "hello" {
		t.Errorf("it replies %+v, want the first", p.Reply)
	}
	if got := string(g.step("Say").Output); got != `{"body":"hello","headers":{"X-A":"b"},"status":201}` {
		t.Errorf("the output of the answer is %s", got)
	}
	if len(g.step("Count").Output) > 0 {
		t.Error("a transparent node keeps an output")
	}
	g.answer("Ask", `1`)
	if p := g.last; len(p.Emissions) > 0 || len(p.Measures) > 0 || p.Reply != nil {
		t.Errorf("the next fold does it again: %+v", p)
	}
	if timeout, ok := g.d.Responds(); !ok || timeout != 11*time.Second {
		t.Errorf("the sender is kept for %s, %t; want the longest of its answers", timeout, ok)
	}
}

func TestCountingAloneCompletesARun(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Is, type: condition, props: {expression: payload.n == 1}}
  - {label: Count, type: count, props: {does: x}}
`), "order.created", `{"n": 1}`)
	g.wants("In=done, Is=done[true], Count=done: done completed")
	if got := show(g.d.Result(g.rec)); got != `{"n":1}` {
		t.Errorf("the result is %s, want what went through", got)
	}
}

func TestChainsOfEmittedEventsEnd(t *testing.T) {
	t.Parallel()
	text := "nodes:\n  - {label: In, type: receive, props: {provider: acme}}\n  - {label: Tell, type: act, props: {does: things.told}}\n"
	g := play(t, compilePuppets(t, text), "order.created", `1`, func(e *event.Event, _ *run.Run) { e.Depth = event.MaxDepth - 1 })
	if len(g.last.Emissions) != 1 {
		t.Errorf("the event before the last emits %d events; %s", len(g.last.Emissions), g.story())
	}
	g = play(t, compilePuppets(t, text), "order.created", `1`, func(e *event.Event, _ *run.Run) { e.Depth = event.MaxDepth })
	if len(g.last.Emissions) > 0 || g.last.Reason != pipeline.CodeTooDeep {
		t.Errorf("the last one emits %d events; %s", len(g.last.Emissions), g.story())
	}
}

func TestAWaitForATimeHandsOnWhatCameIn(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Nap, type: nap, props: {for: 10m}}
  - {label: Send, type: hook, props: {url: "http://127.0.0.1:9/x"}}
`), "order.created", `{"n": 1}`)
	e := g.effect("Nap")
	w, ok := e.Ask.(node.Wait)
	if want := g.step("In").Started.Add(g.step("In").Took + 10*time.Minute); !ok || !w.Until.Equal(want) || w.For != nil || e.Await != "" {
		t.Fatalf("it asks for %+v, want a wait until %s", e.Ask, want)
	}
	g.now = g.now.Add(9 * time.Minute)
	g.fold()
	g.wants("In=done, Nap?: open")
	if again, _ := g.effect("Nap").Ask.(node.Wait); !again.Until.Equal(w.Until) {
		t.Errorf("a later fold waits until %s, the first one until %s", again.Until, w.Until)
	}
	g.end("Nap", e.Message, "")
	g.wants("In=done, Nap=done, Send?: open")
	if send := g.effect("Send"); !send.Raw || show(send.Message) != `{"n":1}` || len(g.step("Nap").Output) > 0 {
		t.Errorf("what follows gets %s, raw %t; the wait keeps %s", show(send.Message), send.Raw, g.step("Nap").Output)
	}
}

func TestAWaitWhoseTimeHasComeGoesOnInTheFold(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Nap, type: nap, props: {for: 10m}}
  - {label: Now, type: nap, props: {for: 0s}}
connections: [In -> Nap, In -> Now]
`), "order.created", `1`)
	g.wants("In=done, Now=done, Nap?: open")
	g.now = g.now.Add(10 * time.Minute)
	g.fold()
	g.wants("In=done, Now=done, Nap=done: done completed")
}

func TestAWaitForAnEventEndsByTheWorkerAlone(t *testing.T) {
	t.Parallel()
	d := compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Paid, type: await, props: {does: k}}
  - {label: Came, type: make, props: {does: give}}
  - {label: Came not, type: make, props: {does: give}}
connections: [In -> Paid -> Came, "Paid[timeout] -> Came not"]
`)
	d.Revision = "r7"
	g := play(t, d, "order.created", `1`)
	e := g.effect("Paid")
	group, ok := pipeline.ParseAwaitGroup(e.Await)
	if want := (pipeline.AwaitGroup{Provider: "acme", Pipeline: "flow", Revision: "r7", Path: "Paid"}); !ok || group != want {
		t.Errorf("it waits in the group %+v, want %+v", group, want)
	}
	g.now = g.now.Add(2 * time.Hour) // an event may have come in time and not have been seen yet
	g.fold()
	g.wants("In=done, Paid?: open")
	came := *g
	came.end("Paid", map[string]any{"status": "triggered"}, "")
	came.wants("In=done, Paid=done, Came=done, Came not=skipped: done completed")
	g.rec.Steps = g.rec.Steps[:1:1]
	g.end("Paid", map[string]any{"status": "timeout"}, node.Timeout)
	g.wants("In=done, Paid=done[timeout], Came not=done, Came=skipped: done completed")
	a, ok := d.Awaiter("Paid")
	if defs := d.Awaits(); !ok || a.Provider() != "acme" || len(defs) != 1 || defs[0].Path != "Paid" {
		t.Errorf("the diagram waits at %+v", defs)
	}
	if _, ok := d.Awaiter("Came"); ok {
		t.Error("a node that waits for nothing is an awaiter")
	}
	if _, ok := pipeline.ParseAwaitGroup("run\x00x"); ok {
		t.Error("a group of another kind is read as one of waits")
	}
}

func TestAnEventAloneHasNoRun(t *testing.T) {
	t.Parallel()
	d := compilePuppets(t, "vars: {a: 1}\nnodes: [{label: In, type: receive, props: {provider: acme}}]\n")
	env := d.EventEnv(&event.Event{Provider: "acme", Name: "n", Received: received, Body: []byte(`{}`), Source: event.Live}, "p")
	if env.Run != nil || env.Vars != nil || env.Outputs != nil || env.Payload != "p" || env.Event["source"] != "live" || !env.Now.Equal(received) || string(env.Body) != `{}` {
		t.Errorf("the environment is %+v", env)
	}
}

func TestARunWhoseItemAnotherOneCarriesOnEndsThere(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Gather, type: act, props: {does: gather}}
  - {label: Send, type: make, props: {does: give}}
`), "order.created", `1`)
	g.end("Gather", map[string]any{"run": "x"}, node.Batched)
	g.wants("In=done, Gather=done[batched], Send=skipped: done completed")
	if got := g.d.Result(g.rec); got != nil {
		t.Errorf("its result is %v, want none", got)
	}
}

func TestAnEffectTellsWhatMayBecomeOfIt(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Call, type: act, timeout: 90s, props: {does: call}}
  - {label: Rescue, type: make, props: {does: give}}
connections: [In -> Call, "Call[error] -> Rescue"]
`), "order.created", `1`)
	e := g.effect("Call")
	if _, ok := e.Ask.(node.Call); !ok || e.Timeout != 90*time.Second || !e.Catches {
		t.Errorf("the effect is %+v, want a call of 90 s at most that somebody catches", e)
	}
	if bad := g.d.Ended(e.Step(0, received, received), strings.Repeat("x", run.MaxOutputBytes), ""); bad.State != run.StepFailed || bad.Failure.Code != pipeline.CodeOutput || bad.Branch != "error" {
		t.Errorf("an output that is too large ends the step as %s[%s]: %+v", bad.State, bad.Branch, bad.Failure)
	}
}

func TestAStepThatTakesTooLongFailsWithTimeout(t *testing.T) {
	t.Parallel()
	d := compilePuppets(t, "nodes:\n  - {label: In, type: receive, props: {provider: acme}}\n  - {label: Hang, type: make, timeout: 3s, props: {does: hang}}\n")
	synctest.Test(t, func(t *testing.T) {
		g := play(t, d, "order.created", `1`)
		g.wants("In=done, Hang=failed: parked timeout")
		if got := g.step("Hang").Failure.Message; got != "the step took longer than 3s" {
			t.Errorf("the failure says %q", got)
		}
	})
}

func TestTheResultIsWhereARunEnds(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, rest, body, want string }{
		{"the last of a chain", "connections: [In -> A -> B]", `{"n":1}`, `"b"`},
		{"two ends", "connections: [In -> A, In -> B]", `{"n":1}`, `{"A":"a","B":"b"}`},
		{"a node that only its failure leads from", "connections: [In -> A, \"A[error] -> B\"]", `{"n":1}`, `"a"`},
		{"a way that leads on", "connections: [In -> If, \"If[true] -> A\", \"If[false] -> B\"]", `{"n":0}`, `"b"`},
		{"a way that leads nowhere", "connections: [In -> If, \"If[true] -> A -> B\"]", `{"n":0}`, `null`},
		{"a condition that nothing follows", "connections: [In -> If, In -> A, A -> B]", `{"n":1}`, `{"B":"b","If":{"n":1}}`},
	}
	const nodes = `
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.n != 9}}
  - {label: If, type: condition, props: {expression: payload.n > 0}}
  - {label: A, type: code, props: {code: '"a"'}}
  - {label: B, type: code, props: {code: '"b"'}}
`
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			text := nodes
			for _, label := range []string{"If", "A", "B"} { // every node of the picture leads somewhere, or is left out
				if !strings.Contains(r.rest, label) {
					text = dropNode(text, label)
				}
			}
			g := begin(t, text+r.rest, r.body)
			if got := show(g.d.Result(g.rec)); got != r.want {
				t.Errorf("the result is %s, want %s; %s", got, r.want, g.story())
			}
		})
	}
	g := begin(t, dropNode(nodes, "If")+"connections: [In -> A -> B]", `{"n":9}`)
	if got := g.d.Result(g.rec); got != nil {
		t.Errorf("the result of a filtered run is %v, want null", got)
	}
}

func dropNode(text, label string) string {
	var out []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "label: "+label+",") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

func TestARunsInputTakesThePlaceOfThePayload(t *testing.T) {
	t.Parallel()
	input, _ := payload.Encode(map[string]any{"a": int64(1)})
	if got := show(pipeline.PayloadOf(&run.Run{Input: input}, "event's")); got != `{"a":1}` {
		t.Errorf("the payload is %s, want the input", got)
	}
	if got := pipeline.PayloadOf(&run.Run{}, "event's"); got != "event's" {
		t.Errorf("without an input the payload is %v", got)
	}
}
