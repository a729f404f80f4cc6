package engine_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestNothingRunsBeforeMain(t *testing.T) {
	t.Parallel()
	files := goFiles(t)
	for _, f := range files.files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init(): list what there is in one readable place instead (docs/decisions/0003)", files.at(fn.Pos()))
			}
		}
	}
}

func TestPackagesHaveNoState(t *testing.T) {
	t.Parallel()
	files := goFiles(t)
	for _, f := range files.files {
		if f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, s := range gen.Specs {
				spec := s.(*ast.ValueSpec)
				if !mayBePackageVar(f, gen, spec) {
					t.Errorf("%s: package variable %s: two engines run in one process, so state belongs to a value that somebody made (allowed: error sentinels, embeds, `var _ I = …`)", files.at(spec.Pos()), spec.Names[0].Name)
				}
			}
		}
	}
}

func mayBePackageVar(f goFile, gen *ast.GenDecl, spec *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{gen.Doc, spec.Doc} {
		if doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") }) {
			return true
		}
	}
	for i, name := range spec.Names {
		switch {
		case name.Name == "_":
		case name.Name == "version" && f.pkg() == "cmd/headgate": // set by the linker
		case isErrorSentinel(name.Name) && i < len(spec.Values) && makesError(spec.Values[i]):
		default:
			return false
		}
	}
	return true
}

func TestStateInAPackageIsSeen(t *testing.T) {
	t.Parallel()
	rows := []struct {
		code string
		ok   bool
	}{
		{`var ErrGone = errors.New("gone")`, true},
		{`var errGone = fmt.Errorf("gone: %w", ErrX)`, true},
		{"var _ I = (*T)(nil)", true},
		{"//go:embed a.csv\nvar table string", true},
		{"var (\n\t//go:embed a.csv\n\ttable string\n)", true},
		{"var cache = map[string]int{}", false},
		{"var mu sync.Mutex", false},
		{"var ErrCount int", false},
		{"var ErrGone, cache = errors.New(``), 1", false},
		{"var pattern = regexp.MustCompile(`x`)", false},
		{"var version string", false},
	}
	for _, r := range rows {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+r.code, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		gen := file.Decls[0].(*ast.GenDecl)
		if got := mayBePackageVar(goFile{path: "engine/x/x.go"}, gen, gen.Specs[0].(*ast.ValueSpec)); got != r.ok {
			t.Errorf("%s: allowed %t, want %t", r.code, got, r.ok)
		}
	}
}

func isErrorSentinel(name string) bool {
	return strings.HasPrefix(name, "Err") || strings.HasPrefix(name, "err")
}

func makesError(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	fn, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := fn.X.(*ast.Ident)
	return ok && (pkg.Name == "errors" && fn.Sel.Name == "New" || pkg.Name == "fmt" && fn.Sel.Name == "Errorf")
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	docs, names := map[string][]string{}, map[string]string{}
	for _, f := range goFiles(t).files {
		if _, ok := docs[f.pkg()]; !ok {
			docs[f.pkg()] = nil
		}
		name := strings.TrimSuffix(f.ast.Name.Name, "_test")
		names[f.pkg()] = name
		if f.ast.Doc == nil {
			continue
		}
		docs[f.pkg()] = append(docs[f.pkg()], f.path)
		first, _, _ := strings.Cut(f.ast.Doc.Text(), "\n")
		if name != "main" && !strings.HasPrefix(first, "Package "+name+" ") {
			t.Errorf("%s: the package comment begins with %q, want %q", f.path, first, "Package "+name+" …")
		}
	}
	for pkg, where := range docs {
		if len(where) != 1 {
			t.Errorf("%s (package %s) has %d package comments %v, want 1: what it is, what it is not, its main type, who may call it at the same time", pkg, names[pkg], len(where), where)
		}
	}
}

// catalogue gives the names of the providers that manifests/ holds.
func catalogue(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("../manifests/*/provider.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("the catalogue has no providers")
	}
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = filepath.Base(filepath.Dir(f))
	}
	return names
}

// ordinaryWord is the name of a provider that is a word of English, or ours, besides: inside of a sentence it names nobody. A string
// that is nothing but the word, or a header that begins with it, is a provider's name all the same, but in the files that are listed.
type ordinaryWord struct {
	why   string
	files []string // "..." is everywhere
}

func ordinaryWords() map[string]ordinaryWord {
	return map[string]ordinaryWord{
		"box": {why: "a thing, and a shape of the DOT language", files: []string{"engine/drawing/dot.go"}}, "checkout": {why: "what git does"}, "close": {why: "a verb"}, "dash": {why: "a character"}, "front": {why: "a side"},
		"line": {why: "what files consist of", files: []string{"engine/script/starlark/failure.go"}}, "linear": {why: "an adjective, and a way in which delays grow", files: []string{"engine/destination/retry.go"}}, "meta": {why: "a prefix, and a table of the store"},
		"notion": {why: "an idea, and a node type of DiPeO's", files: []string{"engine/manifest/dipeo/dipeo.go"}}, "segment": {why: "a part"}, "square": {why: "a shape"},
		"cursor":   {why: "a place in a list, as the API calls it", files: []string{"..."}},
		"custom":   {why: "an adjective, and a value in DiPeO's documents", files: []string{"engine/manifest/dipeo/node.go"}},
		"headgate": {why: "our own name", files: []string{"..."}},
		"x":        {why: "a letter, and the beginning of most headers", files: []string{"..."}},
	}
}

// namedOnPurpose are the files whose strings name a provider, and why.
func namedOnPurpose() map[string]struct {
	names []string
	why   string
} {
	type entry = struct {
		names []string
		why   string
	}
	return map[string]entry{
		"cmd/headgate/internal/cli/validate.go": {[]string{"github"}, "a format of findings, which that CI service shows"},
		"engine/node/hook/hook.go":              {[]string{"slack"}, "the name of a destination in an example of the manual"},
	}
}

func TestProvidersAreData(t *testing.T) {
	t.Parallel()
	var quoted []string
	for _, n := range catalogue(t) {
		quoted = append(quoted, regexp.QuoteMeta(n))
	}
	all := strings.Join(quoted, "|")
	// The name alone, or a header of the provider's own; and for names that are no ordinary words, the name anywhere.
	whole := regexp.MustCompile(`(?i)^(?:x-)?(` + all + `)(?:-.*)?$`)
	word := regexp.MustCompile(`(?i)\b(` + all + `)\b`)
	ordinary, purpose := ordinaryWords(), namedOnPurpose()
	names := func(file, text string) string {
		for i, pattern := range []*regexp.Regexp{whole, word} {
			for _, m := range pattern.FindAllStringSubmatch(text, -1) {
				name := strings.ToLower(m[1])
				known, isWord := ordinary[name]
				switch {
				case isWord && i > 0, slices.Contains(known.files, "..."), slices.Contains(known.files, file), slices.Contains(purpose[file].names, name):
				default:
					return name
				}
			}
		}
		return ""
	}

	files := goFiles(t)
	for _, f := range files.files {
		if f.test || !covers("engine/...", f.pkg()) && !covers("hooks/...", f.pkg()) && !covers("cmd/...", f.pkg()) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.KeyValueExpr:
				key, ok := n.Key.(*ast.Ident)
				if ok && covers("cmd/headgate/internal/cli", f.pkg()) && (key.Name == "Example" || key.Name == "Long") {
					return false // the help shows how a provider of the catalogue is used
				}
			case *ast.BasicLit:
				if n.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(n.Value)
				if err != nil {
					t.Fatal(err)
				}
				if name := names(f.path, text); name != "" {
					t.Errorf("%s: the string %s names the provider %s: providers are manifests, not code", files.at(n.Pos()), n.Value, name)
				}
			}
			return true
		})
	}
}

func TestEveryDirectDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	// A number that makes the next dependency a question, not a habit.
	const limit = 20
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	record, err := os.ReadFile("../docs/decisions/0002-dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := 0
	for line := range strings.Lines(string(mod)) {
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(words) < 2 || !strings.Contains(words[0], ".") || !strings.HasPrefix(words[1], "v") || strings.Contains(line, "// indirect") {
			continue
		}
		direct++
		if !strings.Contains(string(record), "`"+words[0]+"`") {
			t.Errorf("%s is a direct dependency without a reason: give it a line in docs/decisions/0002-dependencies.md", words[0])
		}
	}
	if direct == 0 || direct > limit {
		t.Errorf("%d direct dependencies, want 1 to %d", direct, limit)
	}
}
