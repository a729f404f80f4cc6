package engine_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/headgate/headgate"

// place is where a package stands: it may import what has a lower rank, and its own children.
type place struct {
	rank int
	is   string // what the package is, said to whoever breaks the order
}

// places is the shape of the house (docs/decisions/0001). Ten ranks make a row; ranks inside a row order neighbours.
func places() map[string]place {
	return map[string]place{
		"engine/secret":              {0, "values that print as •••"},
		"engine/fault":               {0, "error kinds"},
		"engine/service":             {0, "starting and stopping"},
		"engine/service/servicetest": {1, "the stress test of services"},
		"engine/source":              {1, "places in files"},

		"engine/diag":    {10, "findings"},
		"engine/event":   {10, "one received event"},
		"engine/payload": {10, "bounded reading of bodies"},
		"engine/run":     {11, "the record of a run"},
		"engine/field":   {11, "manifest fields, described once"},

		"engine/format": {12, "manifests written in one form"},

		"engine/script/value":    {20, "values of expressions"},
		"engine/script/language": {21, "what all expression languages share"},
		"engine/script/...":      {22, "one expression language"},

		"engine/script/starlark/guest/interpreter/wire": {20, "what the host and the guest of Starlark tell each other"},
		"engine/script/starlark/guest/interpreter":      {21, "what the guest of Starlark is made of"},
		"engine/script/starlark/python":                 {21, "Python read as Starlark"},

		"engine/script":          {23, "expression languages and templates"},
		"engine/signature":       {20, "verifying and signing requests"},
		"engine/fetch":           {21, "documents from https addresses, kept for a while"},
		"engine/store":           {20, "the contract of the event log"},
		"engine/store/memory":    {21, "a store in memory"},
		"engine/store/sqlite":    {21, "a store in a SQLite file"},
		"engine/store/storetest": {21, "the conformance suite of stores"},
		"hooks/egress":           {20, "which addresses may be reached"},
		"hooks/hookstest":        {20, "a receiver for tests"},
		"hooks":                  {21, "one outgoing attempt"},
		"manifests":              {20, "the provider catalogue, embedded"},
		"engine/rejection":       {25, "the record of who was refused"},
		"engine/vault":           {25, "secrets learnt in handshakes"},

		"engine/manifest/dipeo": {30, "DiPeO documents rewritten into native ones"},
		"engine/manifest":       {31, "manifest folders loaded into a bundle"},

		"engine/provider":    {40, "requests judged by a provider's rules"},
		"engine/destination": {40, "outgoing targets"},
		"engine/node":        {40, "what a node is"},

		"engine/subscription": {45, "who wants to hear of what"},

		"engine/node/nodetest": {49, "a kit for the tests of node types"},
		"engine/node/...":      {50, "one node type"},

		"engine/pipeline":        {60, "diagrams and the fold over a run's record"},
		"engine/snapshot/watch":  {60, "when to reload"},
		"engine/snapshot/commit": {60, "the commit of a manifest folder"},
		"engine/snapshot":        {61, "the one compile path"},
		"engine/drawing":         {62, "pictures of pipelines"},
		"engine/explain":         {65, "why an event did what it did"},
		"engine/job":             {67, "one thing done to many events or runs"},

		"engine/reply":     {69, "answers of runs to requests that wait"},
		"engine/ingress":   {70, "the public listener"},
		"engine/worker":    {70, "performs effects, decides about retry"},
		"engine/admin":     {70, "the API for operators"},
		"engine/telemetry": {70, "metrics and logs"},

		"engine/doctor":    {72, "what durability a machine really gives"},
		"engine/retention": {72, "what is old is deleted"},
		"engine/trial":     {75, "tests of manifests"},
		"engine/editor":    {75, "the JSON Schema of a folder"},

		"engine": {80, "the only package that knows all others"},

		"cmd/headgate/internal/cli": {90, "one file a command"},
		"cmd/headgate":              {91, "main"},

		"examples":  {99, "folders a user copies, and their tests"},
		"bench/...": {99, "comparisons and long measurements"},
	}
}

// placeOf finds a package in the table, or what takes it in.
func placeOf(table map[string]place, pkg string) (place, bool) {
	if p, ok := table[pkg]; ok {
		return p, true
	}
	for pattern, p := range table {
		if strings.HasSuffix(pattern, "/...") && covers(pattern, pkg) {
			return p, true
		}
	}
	return place{}, false
}

// fence is a rule beyond the ranks.
type fence struct {
	// from and to are packages of the module, or other import paths; a trailing /... takes in what is below.
	from, to string
	except   []string // not fenced in: packages for from, paths for to
	why      string
}

func fences() []fence {
	own := module + "/..."
	return []fence{
		{from: "hooks/...", to: own, except: []string{module + "/hooks/egress"}, why: "hooks is a library of its own: it knows nothing of engine, which reads its errors through fault.Outgoing"},
		{from: "manifests", to: own, why: "the catalogue is data"},
		{
			from: "engine/manifest/dipeo", to: own,
			except: []string{module + "/engine/source", module + "/engine/diag"},
			why:    "it rewrites positioned nodes and complains, no more; what the native spelling means is engine/manifest's",
		},
		{from: "...", to: module + "/engine/manifest/dipeo", except: []string{"engine/manifest"}, why: "nobody but engine/manifest knows DiPeO's spellings"},
		{from: "engine/manifest", to: module + "/engine/store/...", why: "loading manifests must work in an editor or a CI check, without a store"},
		{from: "engine/manifest", to: module + "/engine/script", why: "the manifest keeps props as nodes; who owns a field compiles it"},
		{from: "engine/node/...", to: module + "/engine/store/...", why: "nodes return effects, they never perform them"},
		{from: "engine/pipeline", to: module + "/engine/store/...", why: "pipeline.Next is a pure fold: no socket, no store, no clock"},
		{from: "engine/pipeline", to: "net/http", why: "pipeline.Next is a pure fold: no socket, no store, no clock"},
		{from: "engine/pipeline", to: module + "/hooks/...", why: "pipeline.Next is a pure fold: no socket, no store, no clock"},
		{from: "...", to: module + "/engine/service/servicetest", why: "a conformance suite stays out of the binary"},
		{from: "...", to: module + "/engine/store/storetest", why: "a conformance suite stays out of the binary"},
		{from: "...", to: module + "/engine/node/nodetest", why: "a kit for the tests of node types stays out of the binary"},
		{from: "...", to: module + "/hooks/hookstest", why: "a receiver for tests stays out of the binary"},
		{
			from: "...", to: "gopkg.in/yaml.v3", except: []string{"engine/source", "engine/manifest"},
			why: "everybody else gets a source.Node, which knows its place in the file",
		},
		{from: "...", to: "github.com/prometheus/...", except: []string{"engine/telemetry"}, why: "packages declare a small Observer, engine/telemetry implements it"},
		{from: "engine/...", to: "github.com/spf13/cobra", why: "flags belong to cmd/headgate"},
	}
}

// goFile is one parsed file.
type goFile struct {
	path string // from the module's root, with slashes
	ast  *ast.File
	test bool
}

// pkg gives the file's package, as places names it.
func (f goFile) pkg() string { return path.Dir(f.path) }

type goTree struct {
	fset  *token.FileSet
	files []goFile
}

// tree reads all Go files of the module once.
var tree = sync.OnceValues(func() (goTree, error) {
	t := goTree{fset: token.NewFileSet()}
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(t.fset, name, data, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		t.files = append(t.files, goFile{path: name, ast: file, test: strings.HasSuffix(name, "_test.go")})
		return nil
	})
	return t, err
})

func goFiles(t *testing.T) goTree {
	t.Helper()
	got, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(got.files) == 0 {
		t.Fatal("no Go files found")
	}
	return got
}

func (t goTree) at(p token.Pos) string {
	pos := t.fset.Position(p)
	return fmt.Sprintf("%s:%d", pos.Filename, pos.Line)
}

// covers says whether pattern, which may end in /..., takes in a path.
func covers(pattern, p string) bool {
	if pattern == "..." {
		return true
	}
	base, deep := strings.CutSuffix(pattern, "/...")
	return p == base || deep && strings.HasPrefix(p, base+"/")
}

func TestEveryPackageHasItsPlace(t *testing.T) {
	t.Parallel()
	table, seen := places(), map[string]bool{}
	for _, f := range goFiles(t).files {
		seen[f.pkg()] = true
	}
	for pkg := range seen {
		if _, ok := placeOf(table, pkg); !ok {
			t.Errorf("%s has no place: say in places (engine/arch_test.go) which row it stands in and what it is", pkg)
		}
	}
	for pattern := range table {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(seen)), func(pkg string) bool { return covers(pattern, pkg) }) {
			t.Errorf("%s has a place but no Go files: take it out of places (engine/arch_test.go)", pattern)
		}
	}
}

// edgeFault gives why a package may not import a path; "" where it may.
func edgeFault(table map[string]place, from, to string) string {
	for _, f := range fences() {
		if covers(f.from, from) && covers(f.to, to) && !slices.Contains(f.except, from) && !slices.Contains(f.except, to) {
			return f.why
		}
	}
	own, ok := strings.CutPrefix(to, module+"/")
	if !ok || path.Dir(own) == from {
		return ""
	}
	a, okA := placeOf(table, from)
	b, okB := placeOf(table, own)
	switch {
	case !okA || !okB:
		return "" // TestEveryPackageHasItsPlace says so
	case b.rank < a.rank:
		return ""
	case b.rank == a.rank:
		return fmt.Sprintf("neighbours do not know each other: %s (%s) and %s (%s) stand side by side; move what both need down, or declare a small interface where it is used", from, a.is, own, b.is)
	}
	return fmt.Sprintf("imports go down only: %s (%s) is row %d, %s (%s) is row %d", from, a.is, a.rank/10, own, b.is, b.rank/10)
}

func TestImportsGoDown(t *testing.T) {
	t.Parallel()
	files, table := goFiles(t), places()
	for _, f := range files.files {
		if f.test {
			continue // tests may look at their neighbours
		}
		for _, imp := range f.ast.Imports {
			to, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := edgeFault(table, f.pkg(), to); why != "" {
				t.Errorf("%s: %s imports %s: %s", files.at(imp.Pos()), f.pkg(), to, why)
			}
		}
	}
}

func TestForbiddenEdgesAreSeen(t *testing.T) {
	t.Parallel()
	own := func(p string) string { return module + "/" + p }
	rows := []struct{ from, to, want string }{
		{"engine/manifest", own("engine/worker"), "imports go down only"},
		{"engine/ingress", own("engine/worker"), "neighbours do not know each other"},
		{"hooks", own("engine/secret"), "hooks is a library of its own"},
		{"hooks", own("hooks/egress"), ""},
		{"engine/manifest/dipeo", own("engine/field"), "it rewrites positioned nodes"},
		{"engine/pipeline", own("engine/manifest/dipeo"), "nobody but engine/manifest"},
		{"engine/manifest", own("engine/manifest/dipeo"), ""},
		{"engine/node/hook", own("engine/store"), "nodes return effects"},
		{"engine", own("engine/store/storetest"), "a conformance suite stays out of the binary"},
		{"engine/field", "gopkg.in/yaml.v3", "everybody else gets a source.Node"},
		{"engine/source", "gopkg.in/yaml.v3", ""},
		{"engine/worker", "github.com/prometheus/client_golang/prometheus", "packages declare a small Observer"},
		{"engine/store/sqlite", own("engine/store"), ""},
		{"engine/node", own("engine/node/hook"), ""},
		{"engine/worker", "net/http", ""},
	}
	for _, r := range rows {
		got := edgeFault(places(), r.from, r.to)
		if (r.want == "") != (got == "") || !strings.HasPrefix(got, r.want) {
			t.Errorf("%s imports %s: got %q, want %q", r.from, r.to, got, r.want)
		}
	}
}

func TestTheFaceStaysSmall(t *testing.T) {
	t.Parallel()
	const limit = 800
	total, sizes := 0, map[string]int{}
	for _, f := range goFiles(t).files {
		if f.pkg() != "engine" || f.test {
			continue
		}
		data, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(f.path)))
		if err != nil {
			t.Fatal(err)
		}
		sizes[f.path] = strings.Count(string(data), "\n")
		total += sizes[f.path]
	}
	if total > limit {
		names := slices.SortedFunc(maps.Keys(sizes), func(a, b string) int { return cmp.Compare(sizes[b], sizes[a]) })
		t.Errorf("package engine has %d lines, more than %d (%s first): growth goes to new packages; the limit is raised only with a decision record", total, limit, names[0])
	}
}

func TestNodeEnvStaysSmall(t *testing.T) {
	t.Parallel()
	const limit = 6
	files, found := goFiles(t), false
	for _, f := range files.files {
		if f.pkg() != "engine/node" || f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != "Env" {
				return true
			}
			found = true
			var members *ast.FieldList
			switch typ := spec.Type.(type) {
			case *ast.StructType:
				members = typ.Fields
			case *ast.InterfaceType:
				members = typ.Methods
			default:
				t.Fatalf("%s: node.Env is neither struct nor interface", files.at(spec.Pos()))
			}
			count := 0
			for _, m := range members.List {
				count += max(1, len(m.Names))
			}
			if count > limit {
				t.Errorf("%s: node.Env has %d members, more than %d: one environment object for all is how node types come to know everything", files.at(spec.Pos()), count, limit)
			}
			return false
		})
	}
	if !found {
		t.Error("engine/node has no type Env to look at")
	}
}
