package manifest

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest/dipeo"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// Load reads the manifests that o names. The list holds all that is wrong with them, never only the first finding.
//
// The Bundle is never nil. Where the list has errors it holds what could be understood, so that compiling it finds what else is
// wrong; it must not run. When ctx ends, loading stops with an error in the list.
func Load(ctx context.Context, o Options) (*Bundle, *diag.List) {
	l := &loader{o: o, out: &diag.List{}}
	l.bundle = &Bundle{byName: map[Kind]map[string]*Document{}, complete: true}
	for _, k := range Kinds() {
		l.bundle.byName[k] = map[string]*Document{}
	}
	l.read(ctx)
	parsed := l.parse(ctx, l.bundle.manifests)
	if err := ctx.Err(); err != nil {
		l.out.Errorf(diag.Unreadable, source.Span{}, "", "loading was stopped: %v", context.Cause(ctx))
	}
	for i, m := range l.bundle.manifests {
		for index, root := range parsed[i].docs {
			l.add(m, root, index)
		}
	}
	l.uses()
	l.references()
	return l.bundle, l.out
}

type loader struct {
	o      Options
	out    *diag.List
	bundle *Bundle
	dirs   []string // absolute folders
}

// read finds the manifest files and makes the resolver, which is bounded by their folders.
func (l *loader) read(ctx context.Context) {
	secretDirs := l.o.SecretDirs
	if secretDirs == nil {
		secretDirs = []string{"/run/secrets"}
	}
	for _, d := range l.o.Dirs {
		abs, err := filepath.Abs(d)
		if err != nil {
			continue
		}
		if info, err := os.Stat(abs); err == nil && !info.IsDir() {
			abs = filepath.Dir(abs)
		}
		l.dirs = append(l.dirs, abs)
	}
	readable := slices.Clone(l.dirs)
	for _, d := range secretDirs {
		if abs, err := filepath.Abs(d); err == nil {
			readable = append(readable, abs)
		}
	}
	l.bundle.resolver = secret.NewResolver(secret.ResolverOptions{
		Env: l.o.Env, EnvAllow: l.o.EnvAllow, Dirs: readable, Placeholders: l.o.NoEnv, Dev: l.o.Dev,
	})
	if l.o.Files != nil {
		l.bundle.manifests = l.memory()
		return
	}
	w := walker{out: l.out}
	w.folders(ctx, l.o.Dirs)
	l.bundle.manifests = w.files
	l.bundle.complete = !w.broken && !w.full
}

// memory makes manifest files of Options.Files. They are in the order given; those of the catalogue are read when they are used.
func (l *loader) memory() []*manifestFile {
	t := memoryTree(l.o.Files)
	var files []*manifestFile
	for _, f := range l.o.Files {
		if !isManifest(f.Name) || strings.HasPrefix(f.Name, CataloguePrefix) {
			continue
		}
		files = append(files, &manifestFile{file: f, tree: l.memoryHome(t, f), name: path.Clean(filepath.ToSlash(f.Name))})
	}
	return files
}

// memoryHome gives a stored source the folder that it came from, where that is among Dirs: its secrets are still there.
func (l *loader) memoryHome(t *tree, f *source.File) *tree {
	first, _, _ := strings.Cut(f.Name, "/")
	for _, dir := range l.dirs {
		if filepath.Base(dir) == first {
			home := *t
			home.abs = filepath.Dir(dir)
			return &home
		}
	}
	return t
}

type parsedFile struct {
	docs     []*source.Node
	problems []source.Problem
}

// parse reads the YAML of files, several at a time: it is most of the work of loading.
func (l *loader) parse(ctx context.Context, files []*manifestFile) []parsedFile {
	parsed := make([]parsedFile, len(files))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		wg.Go(func() {
			for i := range next {
				parsed[i].docs, parsed[i].problems = source.ParseYAML(files[i].file)
			}
		})
	}
	for i := range files {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	for _, p := range parsed {
		l.problems(p.problems)
	}
	return parsed
}

func (l *loader) problems(problems []source.Problem) {
	for _, p := range problems {
		f := diag.Finding{Severity: diag.Error, Rule: diag.Rule(p.Code), Span: p.Span, Message: p.Message, Hint: p.Hint}
		if !p.First.IsZero() {
			f.Related = []diag.Related{{Span: p.First, Message: "first written here"}}
		}
		l.out.Add(f)
		l.bundle.complete = false
	}
}

// add makes a Document of one YAML document.
func (l *loader) add(m *manifestFile, root *source.Node, index int) {
	d := l.document(m, root, index)
	if d == nil {
		return
	}
	if first := l.bundle.byName[d.Kind][d.Name]; first != nil && d.Name != "" && !unnamedTest(d) {
		hint := ""
		if d.Root.Get("name") == nil {
			hint = "give the document a `name`"
		}
		l.out.Add(diag.Finding{
			Severity: diag.Error, Rule: diag.DuplicateName, Span: d.NameSpan, Hint: hint,
			Message: fmt.Sprintf("there is another %s with the name `%s`", d.Kind, d.Name),
			Related: []diag.Related{{Span: first.NameSpan, Message: "first defined here"}},
		})
	} else if d.Name != "" {
		l.bundle.byName[d.Kind][d.Name] = d
	}
	l.bundle.documents = append(l.bundle.documents, d)
}

// unnamedTest says whether a document is a test without a name of its own. Nothing refers to a test by name, so several of them may
// stand in one file or folder.
func unnamedTest(d *Document) bool { return d.Kind == Test && d.Root.Get("name") == nil }

// document tells what kind a YAML document is of; nil where it is none that is loaded.
func (l *loader) document(m *manifestFile, root *source.Node, index int) *Document {
	if root.Kind != source.Map {
		if !l.o.SkipUnknown {
			l.out.Errorf(diag.UnknownKind, root.Span, "a document begins with `kind:`", "the document is %s, not a map", root.Kind.WithArticle())
		}
		return nil
	}
	d := &Document{
		File: m.file, Index: index, Dir: filepath.Dir(m.file.Name), Root: root, Enabled: true,
		home: m, files: map[*source.File]*manifestFile{m.file: m},
	}
	if k := root.Get("kind"); k != nil {
		if !l.kind(d, k) {
			return nil
		}
	} else if !l.dipeo(d) {
		return nil
	}
	l.common(d)
	return d
}

func (l *loader) kind(d *Document, k *source.Node) bool {
	d.Kind = Kind(k.Text)
	if k.IsScalar() && slices.Contains(Kinds(), d.Kind) {
		return true
	}
	if !k.IsScalar() {
		if l.o.SkipUnknown {
			return false
		}
		l.out.Errorf(diag.UnknownKind, k.Span, "", "`kind` takes a word, not %s", k.Kind.WithArticle())
		return false
	}
	names := make([]string, 0, len(Kinds()))
	for _, known := range Kinds() {
		names = append(names, string(known))
	}
	hint := diag.DidYouMean(k.Text, names)
	if l.o.SkipUnknown {
		if hint != "" { // somebody else's documents have no kinds that nearly are ours
			l.out.Warnf(diag.UnknownKind, k.Span, hint, "the document of kind `%s` is passed over", k.Text)
		}
		return false
	}
	if hint == "" {
		hint = "kinds are provider, pipeline, destination, subscription and test; name other files in " + ignoreFile
	}
	l.out.Errorf(diag.UnknownKind, k.Span, hint, "there is no kind `%s`", k.Text)
	return false
}

// dipeo rewrites a document without a kind, if it has the shape of one of DiPeO's.
func (l *loader) dipeo(d *Document) bool {
	shape := dipeo.Recognise(d.Root)
	if shape == dipeo.None {
		if !l.o.SkipUnknown {
			l.out.Errorf(diag.UnknownKind, firstPlace(d.Root), l.guess(d.Root), "the document does not say what it is: `kind` is missing")
		}
		return false
	}
	d.DiPeO = true
	d.Kind = Provider
	rewrite := dipeo.Provider
	if shape == dipeo.PipelineShape {
		d.Kind, rewrite = Pipeline, dipeo.Pipeline
	}
	root, ok := rewrite(d.Root, l.out)
	d.Root = root
	if !ok {
		l.bundle.complete = false
	}
	return ok
}

// firstPlace is where a finding about a whole document points to.
func firstPlace(root *source.Node) source.Span {
	if len(root.Entries) > 0 {
		return root.Entries[0].Key.Span
	}
	return root.Span
}

// guess hints at the kind of a document that does not say it.
func (l *loader) guess(root *source.Node) string {
	for _, g := range []struct {
		key  string
		kind Kind
	}{
		{"signature", Provider}, {"events", Provider}, {"use", Provider}, {"secret", Provider}, {"connections", Pipeline}, {"url", Destination},
	} {
		if root.Get(g.key) != nil {
			return fmt.Sprintf("is it `kind: %s`?", g.kind)
		}
	}
	return "write `kind: provider`, `pipeline`, `destination`, `subscription` or `test`; name other files in " + ignoreFile
}

// common reads the keys that every kind has. What is wrong with their types the kind's own description says; names are ours.
func (l *loader) common(d *Document) {
	d.NameSpan = firstPlace(d.Root)
	if n := d.Root.Get("name"); n != nil && n.IsScalar() && n.Kind != source.Null {
		d.Name, d.NameSpan = n.Text, n.Span
		l.checkName(d.Name, n)
	} else if use := d.Root.Get("use"); d.Kind == Provider && use != nil && use.IsScalar() && !ownFolder(d.home) {
		d.Name, d.NameSpan = use.Text, use.Span
	} else {
		d.Name = fileName(d.home, d.Kind)
		if problem := nameProblem(d.Name); problem != "" {
			l.out.Errorf(diag.BadName, d.NameSpan, "give the document a `name`", "the file's name `%s` cannot be its name: %s", d.Name, problem)
			d.Name = ""
		}
	}
	for key, to := range map[string]*string{"title": &d.Title, "description": &d.Description, "docs": &d.Docs} {
		if n := d.Root.Get(key); n != nil && n.Kind == source.String {
			*to = n.Text
		}
	}
	if n := d.Root.Get("enabled"); n != nil && n.IsScalar() {
		l.resolve(d, n)
		text := n.Text
		if n.Value != nil {
			text = n.Value.Reveal()
		}
		d.Enabled = !strings.EqualFold(text, "false")
	}
	if n := d.Root.Get("labels"); n != nil && n.Kind == source.Map {
		d.Labels = make(map[string]string, len(n.Entries))
		for _, e := range n.Entries {
			if e.Value.IsScalar() {
				d.Labels[e.Key.Text] = e.Value.Text
			}
		}
	}
}

// ownFolder says whether a manifest has a folder of its own, as those of the catalogue have: NAME/provider.yaml below the manifest folder.
func ownFolder(m *manifestFile) bool {
	base := path.Base(m.name)
	return strings.TrimSuffix(base, path.Ext(base)) == "provider" && path.Dir(m.name) != "."
}

// fileName is the name of a document that has none of its own.
func fileName(m *manifestFile, kind Kind) string {
	base := path.Base(m.name)
	base = strings.TrimSuffix(base, path.Ext(base))
	if base != "provider" && (base != "tests" || kind != Test) {
		return base
	}
	if dir := path.Dir(m.name); dir != "." {
		return path.Base(dir)
	}
	return path.Base(m.tree.stored)
}

// maxNameBytes keeps names fit for URLs, metrics and file names.
const maxNameBytes = 100

func (l *loader) checkName(name string, n *source.Node) {
	problem := nameProblem(name)
	if problem == "" {
		return
	}
	hint := ""
	if better := betterName(name); isASCII(name) && !strings.Contains(name, "<<") && nameProblem(better) == "" {
		hint = fmt.Sprintf("write `%s`", better)
	}
	l.out.Errorf(diag.BadName, n.Span, hint, "the name `%s` cannot be taken: %s", name, problem)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

func nameProblem(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case strings.Contains(name, "<<"):
		return "names hold no references"
	case len(name) > maxNameBytes:
		return fmt.Sprintf("it is longer than %d characters", maxNameBytes)
	}
	for i, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		case i > 0 && (r == '-' || r == '_' || r == '.'):
		case i == 0:
			return "it must begin with a lower-case letter or a digit"
		default:
			return "names are lower-case letters, digits, `-`, `_` and `.`"
		}
	}
	return ""
}

func betterName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, name)
	return strings.Trim(name, "-_.")
}
