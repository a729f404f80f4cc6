package switchnode_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/nodetest"
	"github.com/headgate/headgate/engine/node/switchnode"
)

const (
	byCondition = `{cases: [{name: urgent, when: payload.p == "high"}, {name: large, when: payload.n > 20}]}`
	byValue     = `{value: payload.p, cases: [{name: open, equals: [opened, reopened]}, {name: one, equals: 1}, {name: none, equals: null}, {name: "yes", equals: true}]}`
)

func TestASwitchTakesTheFirstCaseThatHolds(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, body, want, reads string }{
		{byCondition, `{"p": "high", "n": 30}`, "urgent", "payload.p"},
		{byCondition, `{"p": "low", "n": 30}`, "large", "payload.p payload.n"},
		{byCondition, `{"p": "low", "n": 3}`, switchnode.Default, "payload.p payload.n"},
		{byValue, `{"p": "opened"}`, "open", "payload.p"},
		{byValue, `{"p": "reopened"}`, "open", "payload.p"},
		{byValue, `{"p": 1}`, "one", "payload.p"},
		{byValue, `{"p": 1.0}`, "one", "payload.p"},
		{byValue, `{"p": "1"}`, switchnode.Default, "payload.p"},
		{byValue, `{}`, "none", "payload.p"},
		{byValue, `{"p": true}`, "yes", "payload.p"},
		{byValue, `{"p": ["opened"]}`, switchnode.Default, "payload.p"},
		{`{value: payload.p, cases: [{name: list, equals: [[1, 2]]}, {name: map, equals: {a: 1}}]}`, `{"p": [1, 2]}`, "list", "payload.p"},
		{`{value: payload.p, cases: [{name: list, equals: [[1, 2]]}, {name: map, equals: {a: 1}}]}`, `{"p": {"a": 1}}`, "map", "payload.p"},
		{`{language: cel, cases: [{name: a, when: payload.n > 1 && payload.n < 3}, {name: b, when: payload.n > 1}]}`, `{"n": 5}`, "b", "payload.n"},
		{`{language: cel, value: size(payload.list), cases: [{name: two, equals: 2}]}`, `{"list": [1, 2]}`, "two", "payload.list"},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, switchnode.Type(), r.props).Do(t.Context(), nodetest.Input(t, r.body))
		if err != nil {
			t.Errorf("%s of %s: %v", r.props, r.body, err)
			continue
		}
		b, ok := outcome.(node.Branch)
		if !ok || b.Handle != r.want || nodetest.Operands(b.Notes) != r.reads {
			t.Errorf("%s of %s gives %+v, want [%s] having read %s", r.props, r.body, outcome, r.want, r.reads)
		}
	}
}

func TestASwitchThatFailsSaysAtWhichCase(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, want, reads string }{
		{byCondition, `evaluating case "large": payload.n`, "payload.p payload.n"},
		{`{value: payload.n + 1, cases: [{name: a, equals: 1}]}`, "evaluating the value: payload.n", "payload.n"},
		{`{cases: [{name: a, when: payload.p}]}`, `evaluating case "a"`, "payload.p"},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, switchnode.Type(), r.props).Do(t.Context(), nodetest.Input(t, `{}`))
		v, ok := outcome.(node.Value)
		if err == nil || !strings.Contains(err.Error(), r.want) || !ok || nodetest.Operands(v.Notes) != r.reads {
			t.Errorf("%s gives %+v, %v, want an error with %q having read %s", r.props, outcome, err, r.want, r.reads)
		}
	}
}

func TestASwitchHasAWayOutForEachCase(t *testing.T) {
	t.Parallel()
	typ := switchnode.Type()
	rows := []struct {
		props string
		want  []string
	}{
		{byCondition, []string{"urgent", "large", "default"}},
		{`{cases: [{name: a, when: "true"}, {name: a, when: "true"}, {name: "x -> y", when: "true"}, {when: "true"}]}`, []string{"a", "default"}},
		{`{}`, []string{"default"}},
	}
	for _, r := range rows {
		var out diag.List
		handles, plain := typ.Ways(nodetest.Props(t, typ, r.props, &out))
		if !slices.Equal(handles, r.want) || plain {
			t.Errorf("%s has the ways %v, the plain one: %t; want %v", r.props, handles, plain, r.want)
		}
	}
	if !typ.Transparent || typ.Entry {
		t.Errorf("the type is %+v, want it to hand on what came in", typ)
	}
}

func TestASwitchIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	nodetest.Wrong(t, switchnode.Type(), [][2]string{
		{`{}`, "missing-key"},
		{`{branches: [{name: a, when: "true"}]}`, "write `cases`"},
		{`{cases: {a: "true"}}`, "a list of maps"},
		{`{cases: []}`, "it takes 1 to 100 entries"},
		{`{cases: [{when: "true"}]}`, "the key `name` is missing in `props.cases[0]`"},
		{`{cases: [{name: a}]}`, "the key `when` is missing in `props.cases[0]`"},
		{`{value: payload.a, cases: [{name: a}]}`, "the key `equals` is missing in `props.cases[0]`"},
		{`{cases: [{name: a, if: "true"}]}`, "write `when`"},
		{`{value: payload.a, cases: [{name: a, is: 1}]}`, "write `equals`"},
		{`{expression: payload.a, cases: [{name: a, equals: 1}]}`, "write `value`"},
		{`{cases: [{name: a, equals: 1}]}`, "has no `value`"},
		{`{value: payload.a, cases: [{name: a, when: "true"}]}`, "is not looked at"},
		{`{value: payload.a, cases: [{name: a, when: "true", equals: 1}]}`, "either `when` or `equals`"},
		{`{cases: [{name: default, when: "true"}]}`, "[default] is taken where no case holds"},
		{`{cases: [{name: error, when: "true"}]}`, "[error] is taken where the node fails"},
		{`{cases: [{name: "a]", when: "true"}]}`, "hold no `->`"},
		{`{cases: [{name: a, when: "true"}, {name: a, when: "false"}]}`, `two cases with the name "a"`},
		{`{cases: [{name: a, when: "true"}], default: b}`, "connect `[default]`"},
		{`{cases: [{name: a, when: "true", then: B}]}`, "draw an arrow"},
		{`{cases: [{name: a, when: payload.n >}]}`, "expression-syntax"},
		{`{cases: [{name: a, when: nobody.n > 1}]}`, "unknown-name"},
		{`{cases: [{name: a, when: '"text"'}]}`, "expression-type"},
		{`{language: lua, cases: [{name: a, when: "true"}]}`, "language"},
		{`{language: filter, value: payload.a, cases: [{name: a, equals: 1}]}`, "`filter` gives true or false, and no value"},
		{`{value: payload.a, cases: [{name: a, equals: "{{ vars.a }}"}]}`, "plain values, no templates"},
		{`{value: payload.a, cases: [{name: a, equals: x}, {name: b, equals: [y, x]}]}`, `the case "a" has this value, too`},
	})
}
