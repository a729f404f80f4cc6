package cel

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/cel-go/common/operators"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

func compile(text string) ([]diag.Finding, language.Program) {
	var out diag.List
	p := Compile(language.Source{Text: text}, language.Scope{}, false, &out)
	return out.Sorted(), p
}

// What the library itself performs is bounded by its cost limit; all else is ours. A new version of the library may bring more.
func TestNoFunctionOfTheLibraryIsLeft(t *testing.T) {
	t.Parallel()
	env, err := newEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	harmless := append(timeGetters(), "bool", "dyn", opName, operators.NotStrictlyFalse)
	refused := []string{"in", "_in_", "__not_strictly_false__"} // old spellings of operators
	for _, name := range slices.Sorted(maps.Keys(env.Functions())) {
		_, isOperator := operators.FindReverse(name)
		w := &rewriter{known: value.Functions(), members: members()}
		isMember := slices.ContainsFunc(w.members, func(m member) bool { return m.name == name })
		if slices.Contains(refused, name) {
			if _, p := compile(name + "(payload.a, payload.b)"); p != nil {
				t.Errorf("%s(…) compiles", name)
			}
			continue
		}
		if !isOperator && !isMember && w.globalFunction(name) == "" && !slices.Contains(harmless, name) && name != operators.Index && name != operators.Conditional {
			t.Errorf("%s is performed by the library; say in this test that it may be, or replace it", name)
		}
	}
}

func TestEveryFunctionCanBeCalled(t *testing.T) {
	t.Parallel()
	for _, f := range value.Functions() {
		text := f.Name + "(" + strings.TrimSuffix(strings.Repeat("payload.a, ", f.Min), ", ") + ")"
		if findings, p := compile(text); p == nil {
			t.Errorf("`%s`: %v", text, findings)
		}
	}
	for _, m := range members() {
		args := max(m.least-1, 0)
		text := "payload.a." + m.name + "(" + strings.TrimSuffix(strings.Repeat(`payload.b, `, args), ", ") + ")"
		switch m.name {
		case "contains", "startsWith", "endsWith":
			text = "payload.a." + m.name + "(payload.b)"
		case "matches":
			text = `payload.a.matches("b")`
		}
		if findings, p := compile(text); p == nil {
			t.Errorf("`%s`: %v", text, findings)
		}
	}
}

func TestOperationsCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"@op(1)", "@env", "`@env`", "payload.`@op`(1)", "@result"} {
		if _, p := compile(text); p != nil {
			t.Errorf("`%s` compiles", text)
		}
	}
}

func TestTheSameEnvironmentServesAllScopes(t *testing.T) {
	t.Parallel()
	shared := language.NewShared()
	for _, label := range []string{"First", "Second"} {
		var out diag.List
		scope := language.Scope{Labels: []string{label}, Shared: shared}
		if p := Compile(language.Source{Text: label + ".x == 1"}, scope, true, &out); p == nil {
			t.Errorf("%s: %v", label, out.Sorted())
		}
		if p := Compile(language.Source{Text: "Third.x == 1"}, scope, true, &out); p != nil {
			t.Error("a label of nobody compiles")
		}
	}
}
