package expr

import (
	"slices"
	"testing"

	"github.com/expr-lang/expr/builtin"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

func compile(text string) ([]diag.Finding, language.Program) {
	var out diag.List
	p := Compile(language.Source{Text: text}, language.Scope{}, false, &out)
	return out.Sorted(), p
}

func TestEveryFunctionsUsageCompiles(t *testing.T) {
	t.Parallel()
	for _, f := range value.Functions() {
		if findings, p := compile(f.Usage); p == nil {
			t.Errorf("%s: %v", f.Usage, findings)
		}
	}
}

// The library's functions bound neither time nor memory, and some read the clock or files: each is replaced by ours, is a loop that we
// step, or is refused. A new version of the library may bring more.
func TestNoFunctionOfTheLibraryIsLeft(t *testing.T) {
	t.Parallel()
	for _, f := range builtin.Builtins {
		_, ours := value.FunctionByName(f.Name)
		if f.Predicate != slices.Contains(loops(), f.Name) {
			t.Errorf("%s: the library says loop: %v, we say %v", f.Name, f.Predicate, !f.Predicate)
		}
		if ours || f.Predicate {
			continue
		}
		for _, call := range []string{f.Name + "()", f.Name + "(payload)", "payload | " + f.Name + "()", "::" + f.Name + "(payload)"} {
			if findings, p := compile(call); p != nil || findings[0].Rule != diag.UnknownName {
				t.Errorf("`%s`: %v, want unknown-name", call, findings)
			}
		}
	}
}

func TestAnAddressedFunctionIsOursToo(t *testing.T) {
	t.Parallel()
	_, p := compile(`::repeat("ab", payload.n)`)
	if p == nil {
		t.Fatal("`::repeat` does not compile")
	}
	_, err := p.Eval(t.Context(), &language.Env{Payload: map[string]any{"n": int64(1e9)}})
	if err == nil {
		t.Error("`::repeat` of a thousand million gives no error")
	}
}
