package start_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/nodetest"
	"github.com/headgate/headgate/engine/node/start"
	"github.com/headgate/headgate/engine/script"
)

func TestAStartMakesThePayloadOfItsInput(t *testing.T) {
	t.Parallel()
	const declared = `{input: {repo: {required: true}, branch: {default: main, description: Which one}, tag: }, data: {dry: true, branch2: x}}`
	rows := []struct{ props, input, want string }{
		{`{}`, `null`, `{}`},
		{`{}`, `{"a": 1}`, `{"a":1}`},
		{`{}`, `[1, 2]`, `[1,2]`},
		{`{data: {a: 1, b: [x, 9007199254740993]}}`, `null`, `{"a":1,"b":["x",9007199254740993]}`},
		{`{data: {a: 1, b: 2}}`, `{"b": 3, "c": 4}`, `{"a":1,"b":3,"c":4}`},
		{declared, `{"repo": "r"}`, `{"branch":"main","branch2":"x","dry":true,"repo":"r"}`},
		{declared, `{"repo": "r", "branch": "dev", "more": 1}`, `{"branch":"dev","branch2":"x","dry":true,"more":1,"repo":"r"}`},
		{declared, `{"repo": "r", "branch": null}`, `{"branch":"main","branch2":"x","dry":true,"repo":"r"}`},
		{`{input: {n: {default: 0}, o: {default: {a: [1]}}}}`, `{}`, `{"n":0,"o":{"a":[1]}}`},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, start.Type(), r.props).Do(t.Context(), nodetest.Input(t, r.input))
		if err != nil {
			t.Errorf("%s of %s: %v", r.props, r.input, err)
			continue
		}
		v, _ := outcome.(node.Value)
		if got, _ := json.Marshal(v.V); string(got) != r.want {
			t.Errorf("%s of %s gives %s, want %s", r.props, r.input, got, r.want)
		}
	}
}

func TestAStartDoesNotChangeWhatItIsGiven(t *testing.T) {
	t.Parallel()
	n, in := nodetest.Good(t, start.Type(), `{data: {a: 1}}`), nodetest.Input(t, `{"b": 2}`)
	for range 2 {
		outcome, err := n.Do(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		outcome.(node.Value).V.(map[string]any)["c"] = 3
		if got, _ := json.Marshal(in.Env.Payload); string(got) != `{"b":2}` {
			t.Errorf("the input is %s now, want it as it was", got)
		}
	}
}

func TestAStartFailsWithoutWhatItRequires(t *testing.T) {
	t.Parallel()
	rows := []struct {
		props, input, message string
		code                  script.Code
	}{
		{`{input: {repo: {required: true}, who: {required: true}}}`, `{}`, "reading the input: it lacks repo, who", start.CodeMissingInput},
		{`{input: {repo: {required: true}}}`, `{"repo": null}`, "reading the input: it lacks repo", start.CodeMissingInput},
		{`{input: {repo: {required: true}}}`, `[1]`, "reading the input: it is no map of names and values", start.CodeBadInput},
		{`{data: {a: 1}}`, `"text"`, "reading the input: it is no map of names and values", start.CodeBadInput},
	}
	for _, r := range rows {
		_, err := nodetest.Good(t, start.Type(), r.props).Do(t.Context(), nodetest.Input(t, r.input))
		var e *script.Error
		if !errors.As(err, &e) || e.Code != r.code || err.Error() != r.message {
			t.Errorf("%s of %s gives %v, want %s: %s", r.props, r.input, err, r.code, r.message)
		}
	}
}

func TestAStartTellsItsInputs(t *testing.T) {
	t.Parallel()
	n, _ := nodetest.Good(t, start.Type(), `{input: {z: {required: true, description: The last}, a: {default: 1}}}`).(*start.Node)
	in := n.Inputs()
	if len(in) != 2 || in[0] != (start.Input{Name: "z", Description: "The last", Required: true}) || in[1].Name != "a" || in[1].Default == nil {
		t.Errorf("got %+v, want z and a as they are written", in)
	}
}

func TestAStartIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	nodetest.Wrong(t, start.Type(), [][2]string{
		{`{inputs: {a: {}}}`, "write `input`"},
		{`{custom_data: {a: 1}}`, "write `data`"},
		{`{hook_event: push}`, "`receive`"},
		{`{input: [a, b]}`, "`props.input` takes a map, not a list"},
		{`{input: {a: main}}`, "write it like {default: main}"},
		{`{input: {a: {type: string}}}`, "inputs have the types that they come with"},
		{`{input: {a: {required: maybe}}}`, "`props.input.a.required`"},
		{`{input: {a: {required: true, default: 1}}}`, "drop one of the two"},
		{`{data: 5}`, "`props.data` takes a map"},
		{`{data: {a: "{{ payload.b }}"}}`, "holds constants, no templates"},
		{`{input: {a: {default: ["{{ now }}"]}}}`, "`props.input.a.default` holds constants"},
	})
}
