package pipeline_test

import (
	"testing"
	"time"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

const tellAll = `
vars: {house: "{{ payload.house }}"}
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Greeting, type: code, props: {code: '"hi "'}}
  - label: Each
    type: loop
    props:
      items: payload.names
      nodes:
        - {label: Text, type: code, props: {code: 'Greeting + item.name'}}
        - {label: Tell, type: hook, timeout: 5m, props: {subscribers: {event: greeted}, body: "{{ Text }} of {{ vars.house }} to {{ subscription.id }}"}}
  - {label: Last, type: hook, props: {subscribers: {}}}
`

func TestThePipelineOfARunToASubscriberIsTheHookAlone(t *testing.T) {
	t.Parallel()
	d := compilePuppets(t, tellAll)
	d.Revision = "r7"
	sub, ok := d.Sub("Each[2]/Tell")
	if !ok || sub.Name != "flow/Each/Tell" || sub.Revision != "r7" || sub.Sender() != d || sub.Hook() != "Tell" || sub.Size() != 1 || sub.Startable() {
		t.Fatalf("it is %+v", sub)
	}
	p := sub.Picture()
	if len(p.Nodes) != 1 || len(p.Edges) != 0 || p.Nodes[0].Label != "Tell" || p.Nodes[0].Path != "Tell" || p.Nodes[0].Detail != "subscribers greeted" {
		t.Errorf("it is drawn as %+v", p)
	}
	if got := d.Publications(); len(got) != 2 || got[0] != "Each/Tell" || got[1] != "Last" {
		t.Errorf("the hooks that publish are %v", got)
	}
	for _, path := range []string{"Each", "Greeting", "Nothing", ""} {
		if sub, ok := d.Sub(path); ok {
			t.Errorf("%q publishes to %s", path, sub.Name)
		}
	}
	if d.Sender() != nil {
		t.Error("a pipeline of a document has a sender")
	}
}

func TestARunToASubscriberSeesWhatTheHookSaw(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, tellAll), "order.created", `{"house": "h1", "names": [{"name": "Ada"}, {"name": "Bob"}]}`)
	g.answer("Each[0]/Tell", `{"total":2,"deliveries":[]}`)
	g.answer("Each[1]/Tell", `{"total":2,"deliveries":[]}`)
	g.answer("Last", `{"total":0,"deliveries":[]}`)
	if g.last.State != run.Done {
		t.Fatalf("the sender's run is %s", g.last.State)
	}
	if e, ok := g.d.Effect(t.Context(), g.rec, "Each[1]/Tell", g.clock); ok {
		t.Errorf("a hook that has ended asks for %+v", e)
	}
	place, ok := g.d.Place(t.Context(), g.rec, "Each[1]/Tell", g.clock)
	if !ok || show(place.Message) != `"hi Bob"` || show(place.Env.Outputs["item"]) != `{"name":"Bob"}` || place.Raw {
		t.Fatalf("the hook stands at %+v: %t", place, ok)
	}
	if last, ok := g.d.Place(t.Context(), g.rec, "Last", g.clock); !ok || last.Raw || last.Env.Outputs["item"] != nil {
		t.Errorf("the last hook stands at %+v: %t", last, ok)
	}
	for _, path := range []string{"Each[2]/Tell", "Nothing", "Each[1]/Nothing"} {
		if place, ok := g.d.Place(t.Context(), g.rec, path, g.clock); ok {
			t.Errorf("a hook stands at %q: %+v", path, place)
		}
	}

	sub, _ := g.d.Sub("Each/Tell")
	made := received.Add(time.Hour)
	cause := pipeline.Published(g.rec.Run.ID, "Each[1]/Tell", "sub_1")
	r := &run.Run{ID: run.NewID(g.rec.Event.ID, sub.Name, cause), Event: g.rec.Event.ID, Pipeline: sub.Name, Cause: cause, Now: received, Created: made, State: run.Open}
	rec := pipeline.Record{Event: g.rec.Event, Payload: g.rec.Payload, Run: r, Place: place.With("subscription", map[string]any{"id": "sub_1"})}
	e, ok := sub.Effect(t.Context(), rec, "Tell", g.clock)
	ask, delivers := e.Ask.(node.Deliver)
	if !ok || !delivers || ask.Destination != "flow/Each/Tell" || ask.Gate != "subscription/sub_1" || ask.Body != "hi Bob of h1 to sub_1" {
		t.Fatalf("it asks for %+v", e.Ask)
	}
	if !e.At.Equal(made) || e.Timeout != 5*time.Minute || show(e.Message) != `"hi Bob"` {
		t.Errorf("the effect is %+v, want it to have been reached when the run was made", e)
	}
	if place.Env.Outputs["subscription"] != nil {
		t.Error("the place itself was changed")
	}
	rec.Steps = []run.Step{{Path: "Tell", Node: "Tell", Type: "hook", State: run.StepDone, Output: []byte(`{"status":200}`)}}
	rec.Place = nil
	if p := sub.Next(t.Context(), rec, g.clock); p.State != run.Done || p.Outcome != run.Completed || len(p.Steps) != 0 {
		t.Errorf("delivered it is %+v", p)
	}
	if got := show(sub.Result(rec)); got != `{"status":200}` {
		t.Errorf("it comes to %s", got)
	}
}

func TestThePayloadItselfIsSeenAsSuch(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {subscribers: {}}}
`, `{ "a": 1 }`)
	place, ok := g.d.Place(t.Context(), g.rec, "Tell", g.clock)
	if !ok || !place.Raw {
		t.Errorf("behind a receive the hook stands at %+v, want the event's own bytes", place)
	}
}

func TestTheCauseOfARunToASubscriberReadsBack(t *testing.T) {
	t.Parallel()
	sender := run.ID{Event: 7, Key: 9}
	for _, path := range []string{"Tell", "Tell all of them", "Each[3]/Tell", "A/B[1]/C"} {
		id, at, who, ok := pipeline.Publication(pipeline.Published(sender, path, "sub_1"))
		if !ok || id != sender || at != path || who != "sub_1" {
			t.Errorf("%q reads back as %v, %q, %q: %t", path, id, at, who, ok)
		}
	}
	for _, cause := range []run.Cause{
		{},
		{Kind: run.Live},
		{Kind: run.Call, Ref: sender.String() + " Tell 0"},
		{Kind: run.Call, Ref: sender.String() + " A/B[1]/Tell 0"},
		{Kind: run.Replay, Ref: sender.String() + "/Tell[x]"},
		{Kind: run.Call, Ref: "x/Tell[y]"},
		{Kind: run.Call, Ref: sender.String() + "/[y]"},
	} {
		if id, at, who, ok := pipeline.Publication(cause); ok {
			t.Errorf("%+v reads as %v, %q, %q", cause, id, at, who)
		}
	}
	for name, want := range map[string][2]string{"flow": {"flow", ""}, "flow/Tell": {"flow", "Tell"}, "flow/Each/Tell": {"flow", "Each/Tell"}} {
		if owner, path := pipeline.SplitName(name); owner != want[0] || path != want[1] {
			t.Errorf("%q is taken apart into %q and %q", name, owner, path)
		}
	}
}
