package manifest_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
)

// Each archive holds a manifest folder (in/…), perhaps a catalogue (catalogue/…), the environment (env), flags (options), and in
// `want` the findings as they are printed and the documents that were loaded. HEADGATE_UPDATE_GOLDEN=1 writes `want` anew.
func TestFoldersLoadAsTheirGoldenFilesSay(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(names) < 8 {
		t.Fatalf("got %d archives, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := loadArchive(t, archive)
			for i, f := range archive.Files {
				if f.Name != "want" {
					continue
				}
				if want := string(f.Data); got == want {
					return
				} else if os.Getenv("HEADGATE_UPDATE_GOLDEN") == "" {
					t.Fatalf("got\n%s\nwant\n%s", got, want)
				}
				archive.Files[i].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Fatal("the archive has no file `want`")
		})
	}
}

func loadArchive(t *testing.T, a *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	catalogue := fstest.MapFS{}
	var o manifest.Options
	env := map[string]string{}
	for _, f := range a.Files {
		switch first, rest, _ := strings.Cut(f.Name, "/"); first {
		case "in":
			write(t, filepath.Join(dir, filepath.FromSlash(rest)), string(f.Data))
		case "catalogue":
			catalogue[rest] = &fstest.MapFile{Data: f.Data}
		case "env":
			for _, line := range strings.Fields(string(f.Data)) {
				name, value, _ := strings.Cut(line, "=")
				env[name] = value
			}
		case "options":
			o.SkipUnknown = bytes.Contains(f.Data, []byte("skip-unknown"))
			o.NoEnv = bytes.Contains(f.Data, []byte("no-env"))
			o.Dev = bytes.Contains(f.Data, []byte("dev"))
		}
	}
	o.Dirs, o.Catalogue = []string{dir}, catalogue
	o.Env = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	b, out := manifest.Load(t.Context(), o)
	var text bytes.Buffer
	if err := diag.WriteText(&text, out.Sorted(), diag.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range manifest.Kinds() {
		for _, d := range b.Documents(kind) {
			dump(&text, d)
		}
	}
	if !b.Complete() {
		text.WriteString("incomplete\n")
	}
	return strings.ReplaceAll(text.String(), dir+"/", "")
}

// dump writes a document: its head and its tree with every value's place and resolved text.
func dump(w *bytes.Buffer, d *manifest.Document) {
	fmt.Fprintf(w, "== %s %s at %s", d.Kind, d.Name, d.NameSpan)
	if d.DiPeO {
		w.WriteString(" dipeo")
	}
	if !d.Enabled {
		w.WriteString(" disabled")
	}
	if d.Title+d.Description+d.Docs != "" {
		fmt.Fprintf(w, " %q %q %q", d.Title, d.Description, d.Docs)
	}
	if len(d.Labels) > 0 {
		fmt.Fprintf(w, " %v", d.Labels)
	}
	w.WriteByte('\n')
	dumpNode(w, d.Root, 0)
}

func dumpNode(w *bytes.Buffer, n *source.Node, depth int) {
	indent := strings.Repeat("  ", depth)
	switch n.Kind {
	case source.Map:
		for _, e := range n.Entries {
			fmt.Fprintf(w, "%s%s:%s", indent, e.Key.Text, dumpScalar(e.Value))
			dumpNode(w, e.Value, depth+1)
		}
	case source.List:
		for _, item := range n.Items {
			fmt.Fprintf(w, "%s-%s", indent, dumpScalar(item))
			dumpNode(w, item, depth+1)
		}
	}
}

func dumpScalar(n *source.Node) string {
	if !n.IsScalar() {
		return "\n"
	}
	s := fmt.Sprintf(" %s %q", n.Kind, n.Text)
	if n.Kind == source.String && n.Value == nil {
		s += " unresolved"
	} else if n.Kind == source.String && n.Value.Reveal() != n.Text {
		s += fmt.Sprintf(" = %q", n.Value.Reveal())
	}
	return fmt.Sprintf("%s (%s:%d:%d)\n", s, filepath.Base(n.Span.File.Name), n.Span.Start.Line, n.Span.Start.Col)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// load loads folders without an environment and gives the names of the documents and the rules of the findings.
func load(t *testing.T, o manifest.Options) (*manifest.Bundle, string, string) {
	t.Helper()
	b, out := manifest.Load(t.Context(), o)
	var names, rules []string
	for _, kind := range manifest.Kinds() {
		names = append(names, b.Names(kind)...)
	}
	for _, f := range out.Sorted() {
		rules = append(rules, string(f.Rule))
	}
	return b, strings.Join(names, " "), strings.Join(rules, " ")
}

const destinationText = "kind: destination\nurl: https://a.example\n"

func TestAConfigMapIsReadOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "..2024_01_01", "a.yaml"), destinationText)
	write(t, filepath.Join(dir, "..2024_01_01", "b.yaml"), destinationText)
	link(t, "..2024_01_01", filepath.Join(dir, "..data"))
	link(t, "..data/a.yaml", filepath.Join(dir, "a.yaml"))
	link(t, "..data/b.yaml", filepath.Join(dir, "b.yaml"))
	link(t, "..data/.headgateignore", filepath.Join(dir, ".headgateignore"))
	b, names, rules := load(t, manifest.Options{Dirs: []string{dir}})
	if names != "a b" || rules != "" {
		t.Errorf("got documents %q and findings %q, want a and b", names, rules)
	}
	if got, want := b.Files()[0].Name, filepath.Join(dir, "a.yaml"); got != want {
		t.Errorf("the file's name: got %s, want %s", got, want)
	}
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

func TestLinksInsideTheFolderWorkAndOthersDoNot(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "secret.yaml"), destinationText)
	write(t, filepath.Join(dir, ".worktrees", "abc", "team", "real.yaml"), destinationText)
	link(t, ".worktrees/abc", filepath.Join(dir, "current"))
	link(t, "current/team/real.yaml", filepath.Join(dir, "zagain.yaml")) // the same file once more
	link(t, "..", filepath.Join(dir, "current", "up"))                   // a circle
	link(t, filepath.Join(outside, "secret.yaml"), filepath.Join(dir, "escape1.yaml"))
	link(t, "../"+filepath.Base(outside)+"/secret.yaml", filepath.Join(dir, "escape2.yaml"))
	link(t, outside, filepath.Join(dir, "escape3"))
	link(t, "nothing.yaml", filepath.Join(dir, "gone.yaml"))
	link(t, "loop.yaml", filepath.Join(dir, "loop.yaml"))
	b, names, rules := load(t, manifest.Options{Dirs: []string{dir}})
	if names != "real" {
		t.Errorf("got documents %q, want real alone", names)
	}
	if want := strings.TrimSpace(strings.Repeat("unreadable-file ", 4)); rules != want {
		t.Errorf("got findings %q, want %q", rules, want)
	}
	if b.Complete() {
		t.Error("the bundle says that it is complete")
	}
}

func TestSeveralFoldersAreReadInTheOrderGiven(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "z", "b.yaml"), destinationText)
	write(t, filepath.Join(dir, "z", "b", "a.yaml"), destinationText)
	write(t, filepath.Join(dir, "a", "c.yml"), destinationText)
	write(t, filepath.Join(dir, "single.yaml"), destinationText)
	_, names, rules := load(t, manifest.Options{Dirs: []string{
		filepath.Join(dir, "z"), filepath.Join(dir, "a"), filepath.Join(dir, "z", "b"), filepath.Join(dir, "single.yaml"), filepath.Join(dir, "nope"),
	}})
	if names != "b a c single" || rules != "unreadable-file" {
		t.Errorf("got documents %q and findings %q", names, rules)
	}
	if _, again, _ := load(t, manifest.Options{Dirs: []string{filepath.Join(dir, "z")}}); again != "b a" {
		t.Errorf("one folder: got %q, want it by path: b a", again)
	}
}

func TestLimitsOfFoldersHold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 1001 {
		write(t, filepath.Join(dir, fmt.Sprintf("d%04d.yaml", i)), destinationText)
	}
	b, _, rules := load(t, manifest.Options{Dirs: []string{dir}})
	if got := len(b.Documents(manifest.Destination)); got != 1000 || rules != "limit" {
		t.Errorf("got %d documents and findings %q, want 1000 and a limit", got, rules)
	}
	dir = t.TempDir()
	write(t, filepath.Join(dir, "large.yaml"), "# "+strings.Repeat("x", source.MaxFileBytes))
	if _, names, rules := load(t, manifest.Options{Dirs: []string{dir}}); names != "" || rules != "limit" {
		t.Errorf("a large file: got documents %q and findings %q", names, rules)
	}
}

func TestAnEmptyFolderIsAnEmptyBundle(t *testing.T) {
	t.Parallel()
	b, names, rules := load(t, manifest.Options{Dirs: []string{t.TempDir()}})
	if names != "" || rules != "" || !b.Complete() || len(b.Files()) != 0 || b.Find(manifest.Provider, "a") != nil {
		t.Errorf("got documents %q and findings %q", names, rules)
	}
}

func TestFilesBesideAManifestAreRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "acme", "provider.yaml"), "kind: provider\nsignature: none\nschema: schemas/a.json\n")
	write(t, filepath.Join(dir, "acme", "schemas", "a.json"), `{"a": 1}`)
	write(t, filepath.Join(dir, "shared.json"), `{}`)
	link(t, "/etc/passwd", filepath.Join(dir, "acme", "passwd"))
	b, _, rules := load(t, manifest.Options{Dirs: []string{dir}})
	if rules != "" {
		t.Fatalf("got findings %q", rules)
	}
	d := b.Find(manifest.Provider, "acme")
	before := b.Digest()
	for rel, want := range map[string]string{"schemas/a.json": `{"a": 1}`, "schema://a.json": `{"a": 1}`, "../shared.json": "{}"} {
		if data, err := d.ReadFile(rel); err != nil || string(data) != want {
			t.Errorf("%s: got %q, %v, want %q", rel, data, err, want)
		}
	}
	for _, rel := range []string{"", "/etc/passwd", "../../x", "passwd", "nope.json", "https://a/b", "schema://../../../x", "acme"} {
		data, err := d.ReadFile(rel)
		if err == nil {
			t.Errorf("%s: got %q, want an error", rel, data)
		} else if strings.Contains(err.Error(), dir) {
			t.Errorf("%s: the error names a path of this machine: %v", rel, err)
		}
	}
	if b.Digest() == before {
		t.Error("the digest does not change with the files that are read")
	}
	write(t, filepath.Join(dir, "shared.json"), "changed")
	if data, err := d.ReadFile("../shared.json"); err != nil || string(data) != "{}" {
		t.Errorf("read again: got %q, %v, want what was read first", data, err)
	}
	var paths []string
	for _, s := range d.Sources() {
		paths = append(paths, s.Path)
	}
	base := filepath.Base(dir)
	if got, want := strings.Join(paths, " "), base+"/acme/provider.yaml "+base+"/acme/schemas/a.json "+base+"/shared.json"; got != want {
		t.Errorf("sources: got %s, want %s", got, want)
	}
}

func TestStoredSourcesLoadToTheSameBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "provider.yaml"), "kind: provider\nuse: base\nname: mine\nsecret: <<file.key>>\n---\nkind: provider\nsignature: none\nschema: s.json\n")
	write(t, filepath.Join(dir, "s.json"), "{}")
	write(t, filepath.Join(dir, "key"), "file-key\n")
	catalogue := fstest.MapFS{
		"base/provider.yaml": {Data: []byte("kind: provider\nsignature: {header: X}\nschema: schemas/b.json\n")}, "base/schemas/b.json": {Data: []byte(`{"b": 1}`)},
	}
	first, names, rules := load(t, manifest.Options{Dirs: []string{dir}, Catalogue: catalogue})
	if names != "mine "+filepath.Base(dir) || rules != "" {
		t.Fatalf("got documents %q and findings %q", names, rules)
	}
	readAll := func(b *manifest.Bundle) {
		t.Helper()
		mine := b.Find(manifest.Provider, "mine")
		if data, err := mine.ReadFileAt(mine.Root.Get("schema"), "schemas/b.json"); err != nil || string(data) != `{"b": 1}` {
			t.Errorf("a file of the catalogue: got %q, %v", data, err)
		}
		if data, err := b.Find(manifest.Provider, filepath.Base(dir)).ReadFile("s.json"); err != nil || string(data) != "{}" {
			t.Errorf("a file beside the manifest: got %q, %v", data, err)
		}
		if got := mine.Root.Get("secret").Value.Reveal(); got != "file-key" {
			t.Errorf("the secret: got %q, want file-key", got)
		}
	}
	readAll(first)
	var files []*source.File
	for _, s := range first.Sources() {
		files = append(files, source.NewFile(s.Path, s.Data))
	}
	// The catalogue of a newer binary must not change what was stored.
	newer := fstest.MapFS{"base/provider.yaml": {Data: []byte("kind: provider\nsignature: {header: Other}\n")}}
	second, again, rules := load(t, manifest.Options{Files: files, Dirs: []string{dir}, Catalogue: newer})
	if again != names || rules != "" {
		t.Fatalf("got documents %q and findings %q, want %q", again, rules, names)
	}
	readAll(second)
	if first.Digest() != second.Digest() {
		t.Error("the digests differ")
	}
	if got := second.Find(manifest.Provider, "mine").Root.Get("signature").Get("header").Text; got != "X" {
		t.Errorf("the stored catalogue part: got %q, want X", got)
	}
}

func TestSecretsAreHashedAndListed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "kind: destination\nurl: <<env.URL>>\nkey: <<file.key>>\n")
	write(t, filepath.Join(dir, "key"), "one\n")
	o := manifest.Options{Dirs: []string{dir}, Env: func(string) (string, bool) { return "https://hooks.example/T/secret", true }}
	b, _, rules := load(t, o)
	if rules != "" || len(b.Secrets()) != 2 || len(b.SecretFiles()) != 1 || b.SecretFiles()[0] != filepath.Join(dir, "key") {
		t.Errorf("got findings %q, %d secrets, files %v", rules, len(b.Secrets()), b.SecretFiles())
	}
	hash, digest := b.SecretsHash([]byte("k")), b.Digest()
	write(t, filepath.Join(dir, "key"), "two\n")
	b, _, _ = load(t, o)
	if b.SecretsHash([]byte("k")) == hash {
		t.Error("a rotated secret leaves the hash as it was")
	}
	if b.Digest() != digest {
		t.Error("a rotated secret changes the digest")
	}
}

func TestLoadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), destinationText)
	ctx, cancel := contextWithCancel(t)
	cancel()
	if _, out := manifest.Load(ctx, manifest.Options{Dirs: []string{dir}}); !out.HasErrors() {
		t.Error("got no error")
	}
}

func TestTheCatalogueMayBeBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "kind: provider\nname: a\nuse: bad\n---\nkind: provider\nname: b\nuse: odd\n---\nkind: provider\nname: c\nuse: Not a name\n")
	catalogue := fstest.MapFS{
		"bad/provider.yaml": {Data: []byte("kind: provider\nx: [1\n")}, "odd/provider.yaml": {Mode: fs.ModeDir},
	}
	if _, _, rules := load(t, manifest.Options{Dirs: []string{dir}, Catalogue: catalogue}); rules != "unknown-use unknown-use unknown-use yaml-syntax unreadable-file" {
		t.Errorf("got findings %q", rules)
	}
}
