package format_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/format"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/trial"
)

func options() format.Options {
	o := format.Options{
		Kinds: map[string]*field.Object{
			"provider": provider.Object(), "pipeline": pipeline.Object(), "destination": destination.Object(), "test": trial.Object(),
		},
		Props: map[string]*field.Object{},
	}
	for _, t := range engine.NodeTypes() {
		o.Props[t.Name] = t.Props
	}
	return o
}

// corpus gives every manifest of the repository: the catalogue, the examples, the golden findings, and the blocks of the documentation.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	root := filepath.Join("..", "..")
	block := regexp.MustCompile("(?ms)^```yaml[^\n]*\n(.*?)^```")
	for _, dir := range []string{"manifests", "examples", "docs", "engine/testdata", "cmd/headgate/testdata"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			ext := filepath.Ext(name)
			if ext != ".yaml" && ext != ".yml" && ext != ".txtar" && ext != ".md" {
				return nil
			}
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			switch ext {
			case ".md":
				for i, m := range block.FindAllSubmatch(data, -1) {
					out[name+"#"+string(rune('a'+i%26))+string(rune('0'+i/26))] = m[1]
				}
			case ".txtar":
				for part := range strings.SplitSeq(string(data), "\n-- ") {
					if file, text, ok := strings.Cut(part, " --\n"); ok && strings.Contains(file, ".y") {
						out[name+"/"+file] = []byte(text + "\n")
					}
				}
			default:
				out[name] = data
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 500 {
		t.Fatalf("got %d manifests, want all of the repository", len(out))
	}
	return out
}

// check formats a file twice and compares what it means before and after.
func check(t testing.TB, name string, data []byte, o format.Options) format.Result {
	t.Helper()
	r := format.File(source.NewFile(name, data), o)
	again := format.File(source.NewFile(name, r.Data), o)
	if !bytes.Equal(again.Data, r.Data) {
		t.Errorf("%s: formatting twice gives another text:\n%s\nafter once:\n%s\nfrom:\n%s", name, again.Data, r.Data, data)
	}
	before, problems := source.ParseYAML(source.NewFile(name, data))
	after, _ := source.ParseYAML(source.NewFile(name, r.Data))
	if len(problems) > 0 {
		return r
	}
	if len(before) != len(after) {
		t.Errorf("%s: got %d documents, want %d", name, len(after), len(before))
		return r
	}
	for i := range before {
		if !alike(before[i], after[i]) {
			t.Errorf("%s: document %d means something else:\n%s\nfrom:\n%s", name, i, r.Data, data)
		}
	}
	return r
}

// alike compares values; the order of keys counts for nothing.
func alike(a, b *source.Node) bool {
	if a.Kind != b.Kind || a.Text != b.Text || len(a.Entries) != len(b.Entries) || len(a.Items) != len(b.Items) {
		return false
	}
	for _, e := range a.Entries {
		if v := b.Get(e.Key.Text); v == nil || !alike(e.Value, v) {
			return false
		}
	}
	for i := range a.Items {
		if !alike(a.Items[i], b.Items[i]) {
			return false
		}
	}
	return true
}

func TestEveryManifestOfTheRepositoryKeepsItsMeaning(t *testing.T) {
	t.Parallel()
	o, left, changed := options(), 0, 0
	all := corpus(t)
	for name, data := range all {
		r := check(t, name, data, o)
		for _, l := range r.Left {
			left++
			t.Logf("%s: left alone: %s", l.Span, l.Why)
		}
		if !bytes.Equal(r.Data, data) {
			changed++
		}
	}
	t.Logf("%d files, %d changed, %d documents left alone", len(all), changed, left)
	if left > len(all)/50 {
		t.Errorf("%d documents of %d files are left alone", left, len(all))
	}
}
