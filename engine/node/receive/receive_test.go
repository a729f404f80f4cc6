package receive_test

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/receive"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// world has the provider acme with three events, and open, which takes any.
type world struct{}

func (world) Provider(name string) (events []string, open, ok bool) {
	switch name {
	case "acme":
		return []string{"order.created", "order.paid", "ping"}, false, true
	case "open":
		return nil, true, true
	case "silent":
		return nil, false, true
	}
	return nil, false, false
}

func (world) Providers() []string                           { return []string{"acme", "open", "silent"} }
func (world) Destination(string) (*manifest.Document, bool) { return nil, false }
func (world) Destinations() []string                        { return nil }
func (world) Pipeline(string) bool                          { return true }
func (world) Pipelines() []string                           { return nil }

func build(t *testing.T, props string) (*receive.Node, []string) {
	t.Helper()
	docs, problems := source.ParseYAML(source.NewFile("p.yaml", []byte(props)))
	if len(problems) > 0 {
		t.Fatalf("%s: %v", props, problems)
	}
	var out diag.List
	typ := receive.Type()
	n := typ.Build(typ.Props.Decode(docs[0], &out), node.Env{Pipeline: "flow", Label: "In", World: world{}}, &out)
	var found []string
	for _, f := range out.Sorted() {
		found = append(found, f.String())
	}
	r, _ := n.(*receive.Node)
	return r, found
}

func TestAReceiveTakesTheEventsThatItNames(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, takes, leaves string }{
		{`provider: acme`, "order.created ping anything", ""},
		{`{provider: acme, event: order.created}`, "order.created", "order.paid order.created.x ping"},
		{`{provider: acme, event: [order.created, ping]}`, "order.created ping", "order.paid"},
		{`{provider: acme, event: "order.*"}`, "order.created order.paid order.x", "ping order"},
		{`{provider: open, event: whatever}`, "whatever", "else"},
		{`{provider: internal, event: [integration.*, done]}`, "integration.connected done", "else"},
		{`provider: internal`, "anything", ""},
	}
	for _, r := range rows {
		n, found := build(t, r.props)
		if n == nil || len(found) > 0 {
			t.Errorf("%s: %v", r.props, found)
			continue
		}
		for _, name := range strings.Fields(r.takes) {
			if !n.Matches(n.Provider, name) {
				t.Errorf("%s does not take %s", r.props, name)
			}
		}
		for _, name := range strings.Fields(r.leaves) {
			if n.Matches(n.Provider, name) {
				t.Errorf("%s takes %s", r.props, name)
			}
		}
	}
}

func TestAReceiveOfAnyProviderTakesAllButInternalEvents(t *testing.T) {
	t.Parallel()
	n, found := build(t, `{provider: "*", event: "order.*"}`)
	if n == nil || len(found) > 0 {
		t.Fatal(found)
	}
	for provider, want := range map[string]bool{"acme": true, "open": true, "internal": false} {
		if got := n.Matches(provider, "order.paid"); got != want || n.From(provider) != want {
			t.Errorf("it takes order.paid of %s: %t, want %t", provider, got, want)
		}
	}
	if n.Matches("acme", "ping") {
		t.Error("it takes another name")
	}
}

func TestAFilterLetsInOrFilters(t *testing.T) {
	t.Parallel()
	rows := []struct {
		props, body string
		want        node.Outcome
		fails       bool
	}{
		{`provider: acme`, `{}`, node.Value{}, false},
		{`{provider: acme, filter: payload.n > 1}`, `{"n": 2}`, node.Value{}, false},
		{`{provider: acme, filter: payload.n > 1}`, `{"n": 1}`, node.Filtered{}, false},
		{`{provider: acme, filter: payload.n > 1, language: cel}`, `{"n": 1}`, node.Filtered{}, false},
		{`{provider: acme, filter: '(gt "n" 1)', language: filter}`, `{"n": 1}`, node.Filtered{}, false},
		{`{provider: acme, filter: payload.n > 1, include_payload: false}`, `{"n": 2}`, node.Value{}, false},
		{`{provider: acme, filter: payload.n > 1}`, `{}`, nil, true},
	}
	for _, r := range rows {
		n, found := build(t, r.props)
		if n == nil || len(found) > 0 {
			t.Errorf("%s: %v", r.props, found)
			continue
		}
		v, err := payload.Decode([]byte(r.body))
		if err != nil {
			t.Fatal(err)
		}
		outcome, err := n.Do(t.Context(), node.Input{Env: &script.Env{Payload: v}})
		if (err != nil) != r.fails {
			t.Errorf("%s of %s: %v", r.props, r.body, err)
			continue
		}
		if r.fails { // an operand is told all the same: it says why
			if v, ok := outcome.(node.Value); !ok || len(v.Reads) != 1 {
				t.Errorf("%s of %s fails with %+v, want one operand", r.props, r.body, outcome)
			}
			continue
		}
		switch got := outcome.(type) {
		case node.Filtered:
			if _, ok := r.want.(node.Filtered); !ok || len(got.Reads) != 1 {
				t.Errorf("%s of %s filters, having read %v", r.props, r.body, got.Reads)
			}
		case node.Value:
			if _, ok := r.want.(node.Value); !ok {
				t.Errorf("%s of %s lets in", r.props, r.body)
			}
		}
	}
}

func TestAReceiveIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, want string }{
		{`{}`, "missing-key"},
		{`provider: acne`, "did you mean `acme`"},
		{`{provider: acme, event: order.create}`, "did you mean `order.created`"},
		{`{provider: acme, event: [ping, refund]}`, `no event "refund"`},
		{`{provider: acme, event: "bill.*"}`, `no event "bill.*"`},
		{`{provider: acme, event: "*.created"}`, "bad-value"},
		{`{provider: silent, event: push}`, "declare it under `events:`"},
		{`{provider: acme, filter: "payload.n >"}`, "expression-syntax"},
		{`{provider: acme, filter: Message.n > 1}`, "unknown-name"},
		{`{provider: acme, events: [ping]}`, "write `event`"},
		{`{provider: intermal}`, "did you mean `internal`"},
		{`{provider: acme, filter: 'true', language: javascript}`, "language"},
		{`{provider: acme, payload: false}`, "write `include_payload`"},
		{`{provider: acme, include_payload: none}`, "include_payload"},
		{`{provider: acme, hook_filters: {a: 1}}`, "filter"},
	}
	for _, r := range rows {
		_, found := build(t, r.props)
		if !strings.Contains(strings.Join(found, "\n"), r.want) {
			t.Errorf("%s gives %q, want a finding with %q", r.props, found, r.want)
		}
	}
}

func TestAReceiveMayKeepThePayload(t *testing.T) {
	t.Parallel()
	for props, want := range map[string]bool{`provider: acme`: true, `{provider: acme, include_payload: true}`: true, `{provider: acme, include_payload: false}`: false} {
		if n, found := build(t, props); n == nil || n.IncludePayload != want {
			t.Errorf("%s gives %+v, %v, want that the payload is included: %t", props, n, found, want)
		}
	}
}
