package diag_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/headgate/headgate/engine/diag"
)

// ruleConstants reads the values of all constants of rules.go.
func ruleConstants(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "rules.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, v := range spec.Values {
			lit, ok := v.(*ast.BasicLit)
			if !ok {
				continue
			}
			if s, err := strconv.Unquote(lit.Value); err == nil {
				out = append(out, s)
			}
		}
		return true
	})
	if len(out) < 20 {
		t.Fatalf("got %d rules from the source, want them all", len(out))
	}
	return out
}

func TestTheNearestNameIsFound(t *testing.T) {
	t.Parallel()
	keys := []string{"signature", "secret", "secrets", "timestamp", "events", "event", "max_attempts", "header"}
	rows := []struct{ name, want string }{
		{"signatrue", "signature"},
		{"Signature", "signature"},
		{"sig", "signature"},
		{"timestmap", "timestamp"},
		{"evnet", "event"},
		{"max-attempts", "max_attempts"},
		{"maxattempts", "max_attempts"},
		{"headers", "header"},
		{"secres", "secret"},
		{"color", ""},
		{"x", ""},
		{"", ""},
		{"url", ""},
		{"is_big", ""},
	}
	for _, r := range rows {
		got, ok := diag.Nearest(r.name, keys)
		if got != r.want || ok != (r.want != "") {
			t.Errorf("%q: got %q, want %q", r.name, got, r.want)
		}
	}
	if got, want := diag.DidYouMean("evnet", keys), "did you mean `event`?"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := diag.DidYouMean("zzz", keys); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
}
