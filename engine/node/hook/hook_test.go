package hook_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/hook"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

const destinations = `
kind: destination
name: ops
url: https://ops.example.com/in
headers: {X-Team: core}
concurrency: 3
---
kind: destination
name: chat
type: slack
url: <<env.CHAT_URL>>
body: {text: "{{ payload.text }}"}
`

// world has the destinations of a bundle.
type world struct{ bundle *manifest.Bundle }

func (world) Provider(string) (events []string, open, ok bool) { return nil, true, true }
func (world) Providers() []string                              { return nil }

func (w world) Destination(name string) (*manifest.Document, bool) {
	doc := w.bundle.Find(manifest.Destination, name)
	return doc, doc != nil || name == "in-a-broken-file"
}

func (w world) Destinations() []string { return w.bundle.Names(manifest.Destination) }
func (world) Pipeline(string) bool     { return true }
func (world) Pipelines() []string      { return nil }

// build makes a node of props, given as a flow map or as lines.
func build(t *testing.T, props string) (*hook.Node, []string) {
	t.Helper()
	lines := "    " + strings.ReplaceAll(strings.TrimSpace(props), "\n", "\n    ")
	text := "---\nkind: pipeline\nname: flow\nnodes:\n- label: Tell\n  type: hook\n  props:\n" + lines + "\n"
	bundle, out := manifest.Load(t.Context(), manifest.Options{
		Files: []*source.File{source.NewFile("m.yaml", []byte(destinations+text))},
		Env:   func(string) (string, bool) { return "https://hooks.slack.com/services/T/B/secretsecretsecret", true },
	})
	if out.HasErrors() {
		t.Fatalf("%s: %v", props, out.Sorted())
	}
	var found diag.List
	typ := hook.Type()
	p := bundle.Find(manifest.Pipeline, "flow").Root.Get("nodes").Items[0].Get("props")
	n := typ.Build(typ.Props.Decode(p, &found), node.Env{
		Pipeline: "flow", Label: "Tell", World: world{bundle}, Scope: script.Scope{Labels: []string{"Message"}},
	}, &found)
	texts := []string{}
	for _, f := range found.Sorted() {
		texts = append(texts, f.String())
	}
	h, _ := n.(*hook.Node)
	return h, texts
}

func TestAHookAsksForADelivery(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, props, destination, gate, body string }{
		{"a destination by its name", `destination: ops`, "ops", "ops", ""},
		{"one of its own", `url: https://own.example.com/x`, "flow/Tell", "flow/Tell", ""},
		{"one of its own under config", "config:\n  url: https://own.example.com/x\n  body: hello", "flow/Tell", "flow/Tell", `"hello"`},
		{"a named one with a body of its own", "destination: ops\nbody: {n: '{{ payload.n }}'}", "flow/Tell", "ops", `{"n":7}`},
		{"a named one whose body is its own", "destination: chat", "chat", "chat", ""},
		{"a named one over whose body it writes", "destination: chat\nbody: '{{ Message }}'", "flow/Tell", "chat", `{"text":"hi"}`},
		{"a named one in another way", "destination: ops\nmethod: PUT", "flow/Tell", "ops", ""},
		{"hook_type may be said", "hook_type: webhook\nurl: https://own.example.com/x", "flow/Tell", "flow/Tell", ""},
	}
	v, err := payload.Decode([]byte(`{"n": 7, "text": "t"}`))
	if err != nil {
		t.Fatal(err)
	}
	env := &script.Env{Payload: v, Outputs: map[string]any{"Message": map[string]any{"text": "hi"}}}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			n, found := build(t, r.props)
			if n == nil || len(found) > 0 {
				t.Fatalf("%s: %v", r.props, found)
			}
			outcome, err := n.Do(t.Context(), node.Input{Env: env})
			if err != nil {
				t.Fatal(err)
			}
			d, ok := outcome.(node.Deliver)
			if !ok {
				t.Fatalf("the outcome is a %T, want a delivery", outcome)
			}
			body := ""
			if d.HasBody {
				b, _ := json.Marshal(d.Body)
				body = string(b)
			}
			if d.Destination != r.destination || d.Gate != r.gate || body != r.body {
				t.Errorf("delivers %q to %s by gate %s, want %q to %s by gate %s", body, d.Destination, d.Gate, r.body, r.destination, r.gate)
			}
			if (n.Inline() != nil) != strings.Contains(r.destination, "/") {
				t.Errorf("it carries a destination of its own: %t", n.Inline() != nil)
			}
		})
	}
}

func TestABodyThatCannotBeRenderedIsTheHooksFailure(t *testing.T) {
	t.Parallel()
	n, found := build(t, "url: https://own.example.com/x\nbody: {n: '{{ payload.n + 1 }}'}")
	if n == nil {
		t.Fatal(found)
	}
	if outcome, err := n.Do(t.Context(), node.Input{Env: &script.Env{Payload: map[string]any{}}}); err == nil {
		t.Errorf("got %+v, want an error", outcome)
	}
}

func TestAHookIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, want string }{
		{`{}`, "name a `destination:`, or write `url:`"},
		{`destination: opps`, "did you mean `ops`"},
		{`{destination: ops, colour: red}`, "unknown-key"},
		{"config: 7", "`config` takes a map, not an integer"},
		{"url: https://a.example.com\nconfig: {url: 'https://b.example.com'}", "duplicate-key"},
		{"url: ftp://a.example.com", "bad-url"},
		{"url: https://a.example.com\nbody: '{{ Mesage }}'", "unknown name Mesage"},
		{"method: PUT", "missing-key"},
		{"uri: https://a.example.com", "write `url`"},
		{"hook_type: carrier-pigeon\nurl: https://a.example.com", "bad-value"},
	}
	for _, r := range rows {
		_, found := build(t, r.props)
		if !strings.Contains(strings.Join(found, "\n"), r.want) {
			t.Errorf("%s gives %q, want a finding with %q", r.props, found, r.want)
		}
	}
}

func TestADestinationInABrokenFileIsNoFindingOfTheHook(t *testing.T) {
	t.Parallel()
	if n, found := build(t, `destination: in-a-broken-file`); n != nil || len(found) > 0 {
		t.Errorf("got a node: %t, findings: %v; want neither", n != nil, found)
	}
}
