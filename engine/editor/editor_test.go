package editor_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/editor"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/subscription"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/manifests"
)

// schemaOf makes and compiles the schema of folders.
func schemaOf(t *testing.T, dirs ...string) (*jsonschema.Schema, []byte) {
	t.Helper()
	bundle, _ := manifest.Load(t.Context(), manifest.Options{Dirs: dirs, Catalogue: manifests.FS(), NoEnv: true, SkipUnknown: true})
	text, err := editor.Schema(editor.Options{
		Bundle: bundle, Types: engine.NodeTypes(),
		Kinds: map[manifest.Kind]*field.Object{
			manifest.Provider: provider.Object(), manifest.Pipeline: pipeline.Object(), manifest.Destination: destination.Object(), manifest.Subscription: subscription.Object(), manifest.Test: trial.Object(),
		},
		Catalogue: []editor.Name{{Name: "github", Doc: "GitHub"}, {Name: "slack"}, {Name: "stripe"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s, text
}

// documents reads the YAML documents of a file; broken ones are left out.
func documents(name string, data []byte) []*source.Node {
	docs, _ := source.ParseYAML(source.NewFile(name, data))
	return docs
}

// validate says what a schema has against a document; nil where nothing.
func validate(t *testing.T, s *jsonschema.Schema, n *source.Node) error {
	t.Helper()
	text, err := payload.Encode(field.Plain(n))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func yamlFiles(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
			return fs.SkipDir
		}
		if ext := filepath.Ext(name); !d.IsDir() && (ext == ".yaml" || ext == ".yml") {
			out = append(out, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const root = "../.."

func TestTheCatalogueAndTheExamplesAreTaken(t *testing.T) {
	t.Parallel()
	dirs := []string{filepath.Join(root, "manifests")}
	for _, example := range []string{"quickstart", "gitops", "seeds"} {
		dirs = append(dirs, filepath.Join(root, "examples", example))
	}
	for _, dir := range dirs {
		s, _ := schemaOf(t, dir)
		count := 0
		for _, file := range yamlFiles(t, dir) {
			for i, n := range documents(file, read(t, file)) {
				if n.Get("apiVersion") != nil || n.Get("services") != nil {
					continue // of Kubernetes, or of Docker Compose
				}
				count++
				if err := validate(t, s, n); err != nil {
					t.Errorf("%s, document %d: %v", file, i, err)
				}
			}
		}
		if count == 0 {
			t.Errorf("%s: no documents", dir)
		}
	}
}

func TestTheDocumentationIsTaken(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("got %d pages, %v", len(pages), err)
	}
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	s, _ := schemaOf(t, t.TempDir()) // of no names: any name is taken
	for _, page := range pages {
		for i, m := range block.FindAllSubmatch(read(t, page), -1) {
			for _, n := range documents(page, m[1]) {
				if err := validate(t, s, n); err != nil {
					t.Errorf("%s, block %d: %v", page, i, err)
				}
			}
		}
	}
}

// aboutForm lists the rules that a schema can check.
func aboutForm() []string {
	return []string{"unknown-key", "missing-key", "wrong-type", "unknown-node-type", "unknown-kind"}
}

// beyond lists cases of these rules that a schema cannot see, with the reason.
func beyond() map[string]string {
	const needed = "whether the key is needed follows from other keys"
	return map[string]string{
		"bad_event_unnamed/acme.yaml": needed, "bad_limits/flow.yaml": needed, "bad_public_url_missing_in_use/twilio.yaml": needed,
		"bad_public_url_missing_in_use/square.yaml": needed, "bad_signature_incomplete/a.yaml": needed, "bad_signature_missing/third.yaml": needed,
		"bad_unset_variable_in_use/base.yaml": needed, "bad_node_wait/flow.yaml": needed, "bad_test_of_a_pipeline/acme.yaml": needed, "bad_missing_keys/shop.yaml": needed,
		"bad_destination_credentials/b.yaml": needed, "bad_destination_signing/a.yaml": needed, "bad_destination_types/a.yaml": needed, "bad_vars/own.yaml": "what `vars` must hold follows from the templates",
	}
}

func TestTheGoldenFindingsAboutFormAreSeen(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob(filepath.Join(root, "engine", "testdata", "findings", "*.txtar"))
	if err != nil || len(cases) < 100 {
		t.Fatalf("got %d cases, %v", len(cases), err)
	}
	finding := regexp.MustCompile(`(?m)^([^\s:]+):(\d+):\d+: (error)\[([a-z-]+)\]: (.*)$`)
	seen, unseen := 0, map[string]bool{}
	nameless, _ := schemaOf(t, t.TempDir())
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		base := strings.TrimSuffix(filepath.Base(name), ".txtar")
		dir := t.TempDir()
		want := ""
		for _, f := range archive.Files {
			if f.Name == "want" {
				want = string(f.Data)
				continue
			}
			if !filepath.IsLocal(f.Name) {
				continue
			}
			file := filepath.Join(dir, f.Name)
			if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		gate := filepath.Join(dir, "gate")
		if _, err := os.Stat(gate); err != nil {
			continue
		}
		findings := finding.FindAllStringSubmatch(want, -1)
		if strings.HasPrefix(base, "bad_") && !slices.ContainsFunc(findings, func(m []string) bool { return slices.Contains(aboutForm(), m[4]) }) {
			continue
		}
		s := nameless
		if !strings.HasPrefix(base, "bad_") {
			s, _ = schemaOf(t, gate)
		}
		for _, f := range archive.Files {
			if !strings.HasSuffix(f.Name, ".yaml") && !strings.HasSuffix(f.Name, ".yml") || !strings.HasPrefix(f.Name, "gate/") {
				continue
			}
			for _, n := range documents(f.Name, f.Data) {
				if n.Get("kind") == nil && n.Kind == source.Map {
					continue // the schema knows no other program's spelling
				}
				var about []string
				errorsHere := 0
				for _, m := range findings {
					line, _ := strconv.Atoi(m[2])
					if m[1] != f.Name || line < n.Span.Start.Line || line > n.Span.End.Line {
						continue
					}
					errorsHere++
					if slices.Contains(aboutForm(), m[4]) {
						about = append(about, m[4]+": "+m[5])
					}
				}
				err := validate(t, s, n)
				at := base + "/" + filepath.Base(f.Name)
				switch {
				case len(about) > 0 && err == nil:
					unseen[at] = true
					if beyond()[at] == "" {
						t.Errorf("%s: the schema takes %s", at, strings.Join(about, "; "))
					}
				case len(about) > 0:
					seen++
				case errorsHere == 0 && err != nil && !strings.HasPrefix(base, "bad_") && !strings.Contains(base, "unknown") && !strings.Contains(base, "kind"):
					t.Errorf("%s: the schema refuses what is right: %v", at, err)
				}
			}
		}
	}
	for at, why := range beyond() {
		if !unseen[at] {
			t.Errorf("%s is seen: take it out of the list (%s)", at, why)
		}
	}
	t.Logf("%d broken documents are seen", seen)
}

func TestTheSameFolderGivesTheSameSchema(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(root, "examples", "quickstart")
	_, a := schemaOf(t, dir)
	_, b := schemaOf(t, dir)
	if !bytes.Equal(a, b) {
		t.Error("two schemas of one folder differ")
	}
	if !json.Valid(a) {
		t.Error("the schema is no JSON")
	}
}
