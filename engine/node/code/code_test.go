package code_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/code"
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
	typ := code.Type()
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

func TestCodeMakesAValueAndNotesWhatItRead(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, body, want, reads string }{
		{`code: payload.n + 1`, `{"n": 1}`, `2`, "payload.n"},
		{`code: '{"text": Message}'`, `{}`, `{"text":"hi"}`, "Message"},
		{`{code: 'payload.n + 1', language: cel}`, `{"n": 1}`, `2`, "payload.n"},
		{`code: payload.missing`, `{}`, `null`, "payload.missing"},
		{`code: '"constant"'`, `{}`, `"constant"`, ""},
		{"language: text\ncode: |\n  Order {{ payload.n }}: {{ Message }}\n", `{"n": 1}`, `"Order 1: hi\n"`, "payload.n Message"},
		{`{language: text, code: "{{ payload.n }}"}`, `{"n": 1}`, `"1"`, "payload.n"},
		{`{language: javascript, code: 'return payload.n + 1'}`, `{"n": 1}`, `2`, "payload.n"},
	}
	for _, r := range rows {
		n, found := build(t, r.props)
		if n == nil {
			t.Errorf("%s: %v", r.props, found)
			continue
		}
		outcome, err := n.Do(t.Context(), input(t, r.body))
		if err != nil {
			t.Errorf("%s: %v", r.props, err)
			continue
		}
		v, ok := outcome.(node.Value)
		if !ok {
			t.Errorf("%s gives a %T, want a value", r.props, outcome)
			continue
		}
		got, _ := json.Marshal(v.V)
		var reads []string
		for _, read := range v.Reads {
			reads = append(reads, read.Operand)
		}
		if string(got) != r.want || strings.Join(reads, " ") != r.reads {
			t.Errorf("%s gives %s and read %q, want %s and %q", r.props, got, reads, r.want, r.reads)
		}
	}
}

func TestCodeThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	n, found := build(t, `code: payload.n + 1`)
	if n == nil {
		t.Fatal(found)
	}
	_, err := n.Do(t.Context(), input(t, `{}`))
	if err == nil || !strings.Contains(err.Error(), "payload.n") {
		t.Errorf("the error is %v, want one that names the operand", err)
	}
}

func TestCodeIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, want string }{
		{`{}`, "missing-key"},
		{`code: payload.n +`, "expression-syntax"},
		{`code: unknown_name`, "unknown-name"},
		{`{code: '1', language: lua}`, "language"},
		{`{expression: '1'}`, "write `code`"},
		{`{text: 'Hello {{ payload.n }}'}`, "write `code` with `language: text`"},
		{`{language: text, code: 'Hello {{ nobody }}'}`, "unknown-name"},
		{`{filePath: a.py}`, "write `code`, with the text of the file under it"},
		{`{code: '1', colour: red}`, "unknown-key"},
		{`{code: [1]}`, "wrong-type"},
	}
	for _, r := range rows {
		n, found := build(t, r.props)
		if !strings.Contains(strings.Join(found, "\n"), r.want) {
			t.Errorf("%s gives %q, want a finding with %q", r.props, found, r.want)
		}
		if len(found) == 0 && n == nil {
			t.Errorf("%s gives neither a node nor a finding", r.props)
		}
	}
}
