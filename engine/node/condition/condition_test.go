package condition_test

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/condition"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// build makes a node of props and gives its findings.
func build(t *testing.T, props string) (node.Node, []string) {
	t.Helper()
	docs, problems := source.ParseYAML(source.NewFile("p.yaml", []byte(props)))
	if len(problems) > 0 {
		t.Fatalf("%s: %v", props, problems)
	}
	var out diag.List
	typ := condition.Type()
	n := typ.Build(typ.Props.Decode(docs[0], &out), node.Env{Pipeline: "flow", Label: "Out", Scope: script.Scope{Labels: []string{"Message"}}}, &out)
	var found []string
	for _, f := range out.Sorted() {
		found = append(found, f.String())
	}
	return n, found
}

func input(t *testing.T, body string) node.Input {
	t.Helper()
	v, err := payload.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return node.Input{Env: &script.Env{Payload: v, Outputs: map[string]any{"Message": "hi"}}}
}

func TestAConditionTakesOneHandleAndNotesWhatItRead(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, body, want string }{
		{`expression: payload.n > 20`, `{"n": 25}`, condition.True},
		{`expression: payload.n > 20`, `{"n": 20}`, condition.False},
		{`{expression: 'payload.n > 20', language: cel}`, `{"n": 25}`, condition.True},
		{`expression: payload.n == null`, `{}`, condition.True},
		{`{expression: '(gt "n" 20)', language: filter}`, `{"n": 25}`, condition.True},
		{`{expression: 'payload.n > 20 && payload.n < 24', language: javascript}`, `{"n": 25}`, condition.False},
	}
	for _, r := range rows {
		n, found := build(t, r.props)
		if n == nil {
			t.Errorf("%s: %v", r.props, found)
			continue
		}
		outcome, err := n.Do(t.Context(), input(t, r.body))
		if err != nil {
			t.Errorf("%s of %s: %v", r.props, r.body, err)
			continue
		}
		b, ok := outcome.(node.Branch)
		if !ok || b.Handle != r.want || len(b.Reads) != 1 || strings.TrimPrefix(b.Reads[0].Operand, "payload.") != "n" {
			t.Errorf("%s of %s gives %+v, want [%s] and that it read payload.n", r.props, r.body, outcome, r.want)
		}
	}
}

func TestAConditionThatIsNeitherTrueNorFalseFails(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, body string }{
		{`expression: payload.n > 20`, `{}`},
		{`expression: payload.draft`, `{"draft": "yes"}`},
		{`expression: payload.draft`, `{}`},
	}
	for _, r := range rows {
		n, found := build(t, r.props)
		if n == nil {
			t.Errorf("%s: %v", r.props, found)
			continue
		}
		if outcome, err := n.Do(t.Context(), input(t, r.body)); err == nil {
			t.Errorf("%s of %s gives %+v, want an error", r.props, r.body, outcome)
		}
	}
}

func TestAConditionIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, want string }{
		{`{}`, "missing-key"},
		{`expression: payload.n >`, "expression-syntax"},
		{`expression: '"text"'`, "expression-type"},
		{`expression: nobody.n > 1`, "unknown-name"},
		{`{filter: 'true'}`, "write `expression`"},
		{`{expression: 'true', language: lua}`, "language"},
		{`{expression: 'true', language: text}`, "language"},
		{`{cases: []}`, "take a `switch` node"},
		{`{expression: 'true', then: A}`, "write `connections:`"},
	}
	for _, r := range rows {
		_, found := build(t, r.props)
		if !strings.Contains(strings.Join(found, "\n"), r.want) {
			t.Errorf("%s gives %q, want a finding with %q", r.props, found, r.want)
		}
	}
}

func TestAConditionIsTransparentAndHasTwoWaysOut(t *testing.T) {
	t.Parallel()
	typ := condition.Type()
	if !typ.Transparent || typ.Entry || strings.Join(typ.Handles, " ") != "true false" {
		t.Errorf("the type is %+v", typ)
	}
}
