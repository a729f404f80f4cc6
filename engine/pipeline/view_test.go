package pipeline_test

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
)

// called makes a run one that was called with an input.
func called(input string) func(*event.Event, *run.Run) {
	return func(_ *event.Event, r *run.Run) {
		r.Cause, r.Input = run.Cause{Kind: run.Call, Ref: "x"}, []byte(input)
	}
}

const both = `
vars: {who: "{{ payload.as ?? payload.name }}"}
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Begin, type: begin, props: {does: me}}
  - {label: Out, type: code, props: {code: '[payload, vars.who, run.input, event.payload == payload]'}}
connections: [In -> Out, Begin -> Out]
`

func TestALiveEventTakesTheReceivesAndACalledRunTheStarts(t *testing.T) {
	t.Parallel()
	d := compilePuppets(t, both)
	live := play(t, d, "order.created", `{"name": "Ada"}`)
	live.wants("In=done, Out=done, Begin=skipped: done completed")
	if got := string(live.step("Out").Output); got != `[{"name":"Ada"},"Ada",null,true]` {
		t.Errorf("a live run gives %s", got)
	}
	child := play(t, d, "order.created", `{"name": "Ada"}`, called(`{"n":1}`))
	child.wants("Begin=done, Out=done, In=skipped: done completed")
	if got := string(child.step("Out").Output); got != `[{"as":"me","given":{"n":1}},"me",{"n":1},true]` {
		t.Errorf("a called run gives %s, want the start's output as the payload", got)
	}
	manual := play(t, d, "order.created", `{"name": "Ada"}`, func(e *event.Event, r *run.Run) {
		e.Source, r.Cause = event.Manual, run.Cause{Kind: run.Replay, Ref: "x"}
	})
	manual.wants("Begin=done, Out=done, In=skipped: done completed")
	if !d.Startable() || compilePuppets(t, strings.NewReplacer("- {label: Begin, type: begin, props: {does: me}}", "", ", Begin -> Out", "").Replace(both)).Startable() {
		t.Error("a pipeline may be called where it has a start, and only there")
	}
}

func TestEachBranchSeesTheOutputOfItsOwnStart(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, `
nodes:
  - {label: One, type: begin, props: {does: one}}
  - {label: Two, type: begin, props: {does: two}}
  - {label: A, type: code, props: {code: payload.as}}
  - {label: B, type: code, props: {code: payload.as}}
  - {label: C, type: code, props: {code: payload.as}}
connections: [One -> A, Two -> B, A -> C, B -> C]
`), "order.created", `{}`, called(`{}`))
	if got := show([]string{string(g.step("A").Output), string(g.step("B").Output), string(g.step("C").Output)}); got != `["\"one\"","\"two\"","\"one\""]` {
		t.Errorf("the payload is from %s", got)
	}
}

const secretive = `
vars: {name: "{{ payload.name }}"}
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.name == "Ada" && vars.name == "Ada", include_payload: false}}
  - {label: Also, type: receive, props: {provider: acme, filter: payload.name != ""}}
  - {label: Out, type: code, props: {code: '[payload, event.payload, event.raw, vars.name, event.name, In, Also]'}}
  - {label: Send, type: hook, props: {url: "http://127.0.0.1:9/x"}}
connections: [In -> Out, Also -> Out, Also -> Send]
`

func TestAReceiveMayKeepThePayloadFromAllBehindIt(t *testing.T) {
	t.Parallel()
	g := begin(t, secretive, `{"name": "Ada"}`)
	g.wants("In=done, Also=done, Out=done, Send?: open")
	if got := string(g.step("Out").Output); got != `[null,null,null,null,"order.created",null,null]` {
		t.Errorf("behind it is seen %s", got)
	}
	if e := g.effect("Send"); e.Message != nil || e.Raw || e.Env.Payload != nil || e.Env.Body != nil {
		t.Errorf("an effect is given %v, raw %t, payload %v, body %q", e.Message, e.Raw, e.Env.Payload, e.Env.Body)
	}
	for _, label := range []string{"In", "Also"} {
		for _, r := range g.step(label).Reads {
			if !r.Hidden || r.Value != "null" {
				t.Errorf("%s records that %s was %s", label, r.Operand, r.Value)
			}
		}
		if len(g.step(label).Reads) == 0 {
			t.Errorf("%s records nothing that it read", label)
		}
	}
}

func TestAHiddenPayloadIsInNoFailure(t *testing.T) {
	t.Parallel()
	g := begin(t, strings.Replace(secretive, `payload.name == "Ada"`, `payload.name > 7`, 1), `{"name": "Ada"}`)
	if s := g.step("In"); s.State != run.StepFailed || strings.Contains(s.Failure.Message, "Ada") || !strings.Contains(s.Failure.Message, "hidden") {
		t.Errorf("the failure is %+v", s.Failure)
	}
}

func TestRawAndSourceOfAnEventAreInScope(t *testing.T) {
	t.Parallel()
	g := play(t, compile(t, "nodes:\n  - {label: In, type: receive, props: {provider: acme}}\n  - {label: Out, type: code, props: {code: '[event.raw, event.source]'}}\n"),
		"order.created", `{"a":  1}`, func(e *event.Event, _ *run.Run) { e.Source = event.Emitted })
	if got := string(g.step("Out").Output); got != `["{\"a\":  1}","emit"]` {
		t.Errorf("got %s", got)
	}
}

func TestACalledRunSeesNothingOfTheEventsBody(t *testing.T) {
	t.Parallel()
	const text = `
vars: {raw: "{{ event.raw }}", of: "{{ event.payload }}"}
nodes:
  - {label: Begin, type: begin, props: {does: me}}
  - {label: Out, type: code, props: {code: '[payload, event.payload, event.raw, event["payload"], vars, run.input, event, steps]'}}
  - label: Each
    type: loop
    props:
      items: '[event.payload, event.raw]'
      nodes: [{label: In, type: code, props: {code: '[payload, event.raw, event, item]'}}]
  - {label: Send, type: hook, props: {url: "http://127.0.0.1:9/x"}}
`
	for name, input := range map[string][]byte{"an input": []byte(`{"n":1}`), "null": []byte("null"), "no input": nil} {
		g := play(t, compilePuppets(t, text), "order.created", `{"name": "CANARY"}`, called(""), func(_ *event.Event, r *run.Run) { r.Input = input })
		g.wants("Begin=done, Out=done, Each[0]/In=done, Each[1]/In=done, Each=done, Send?: open")
		if got := show(g.rec.Steps); strings.Contains(got, "CANARY") {
			t.Errorf("with %s the record of a called run holds the event's body: %s", name, got)
		}
		if e := g.effect("Send"); strings.Contains(show(e.Message), "CANARY") || e.Raw || e.Env.Body != nil || strings.Contains(show(e.Env), "CANARY") {
			t.Errorf("with %s a hook of a called run is given %s, raw %t, and the body %q", name, show(e.Message), e.Raw, e.Env.Body)
		}
	}
}

func TestNothingOfAHiddenPayloadIsInTheRecord(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, `
vars: {raw: "{{ event.raw }}", of: "{{ payload.name }}"}
nodes:
  - {label: In, type: receive, props: {provider: acme, include_payload: false, filter: payload.name == "CANARY" && vars.of == "CANARY" && len(event.raw) > 1}}
  - {label: Out, type: code, props: {code: '[payload, event, vars, steps, In]'}}
  - label: Each
    type: loop
    props:
      items: '[payload, event.raw]'
      nodes: [{label: Inner, type: code, props: {code: '[payload, event, item, steps]'}}]
  - {label: Call, type: act, props: {does: call}}
  - {label: Send, type: hook, props: {url: "http://127.0.0.1:9/x", body: ["{{ payload }}", "{{ event }}"]}}
  - {label: Emit, type: act, props: {does: emit}}
connections: [In -> Out, Out -> Each, In -> Call, In -> Send, In -> Emit]
`), "order.created", `{"name": "CANARY"}`)
	if !strings.HasPrefix(g.story(), "In=done, ") {
		t.Fatalf("the filter sees the payload: %s", g.story())
	}
	if got := show(g.rec.Steps); strings.Contains(got, "CANARY") {
		t.Errorf("the record holds the payload: %s", got)
	}
	for _, e := range g.last.Effects {
		if got := show([]any{e.Ask, e.Message, e.Env}); strings.Contains(got, "CANARY") || e.Raw || e.Env.Body != nil {
			t.Errorf("%s is given %s, raw %t", e.Path, got, e.Raw)
		}
	}
	if len(g.last.Effects) < 2 || len(g.last.Emissions) != 1 {
		t.Fatalf("asked for are %d effects, emitted %d events", len(g.last.Effects), len(g.last.Emissions))
	}
	if got := string(g.last.Emissions[0].Payload); strings.Contains(got, "CANARY") {
		t.Errorf("emitted is %s", got)
	}
}
