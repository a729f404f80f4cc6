package engine_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/hooks"
	"github.com/headgate/headgate/manifests"
)

var update = flag.Bool("update", false, "write what the cases of testdata/findings want")

// A finding case is a folder of manifests and what `headgate validate` prints about it: testdata/findings/NAME.txtar. bad_ cases are
// refused, warn_ cases have findings and load, good_ cases have none. It begins with a sentence that says what the case is about,
// then, behind an empty line, settings:
//
//	dirs: gate more          the folders that are loaded; default gate
//	env: NAME=value          a variable; all others are not set
//	env-allow: GLOB…         HEADGATE_ENV_ALLOW
//	public-url: URL          HEADGATE_PUBLIC_URL
//	egress-allow: RULE…      HEADGATE_EGRESS_ALLOW
//	link: gate/a -> ../b     a symbolic link
//	no-env, skip-unknown, dev   the flags of those names
//
// Then come the files, and `want`, which `go test ./engine -run Findings -update` writes. Read what it wrote as the person would who
// made the mistake: is the place right, is the message clear, does the hint help, is it one finding for one mistake?
type findingCase struct {
	name        string
	file        string
	archive     *txtar.Archive
	description string
	links       map[string]string
	options     snapshot.Options
}

const findingCases = "testdata/findings"

func TestFindingsAreThoseOfTheCorpus(t *testing.T) {
	t.Parallel()
	for _, c := range readFindingCases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			snap, list, got := c.load(t)
			prefix, _, _ := strings.Cut(c.name, "_")
			refused := list.HasErrors()
			if refused != (prefix == "bad") || (list.Len() > 0) != (prefix != "good") {
				t.Errorf("%d errors, %d findings: a case %s_… wants something else:\n%s", list.Count(diag.Error), list.Len(), prefix, got)
			}
			if (snap == nil) != refused {
				t.Errorf("a snapshot was given: %t, and there were errors: %t", snap != nil, refused)
			}
			if *update {
				c.write(t, got)
				return
			}
			if want := c.want(t); got != want {
				t.Errorf("%s\n%s", c.description, changes(want, got))
			}
		})
	}
}

// changes shows the lines between the first and the last in which two texts differ.
func changes(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for len(w) > 0 && len(g) > 0 && w[0] == g[0] {
		w, g = w[1:], g[1:]
	}
	for len(w) > 0 && len(g) > 0 && w[len(w)-1] == g[len(g)-1] {
		w, g = w[:len(w)-1], g[:len(g)-1]
	}
	return "got, where it differs:\n" + strings.Join(g, "\n") + "\nwant:\n" + strings.Join(w, "\n")
}

func TestEveryRuleOccursInTwoCases(t *testing.T) {
	t.Parallel()
	cases := map[diag.Rule]int{}
	for _, c := range readFindingCases(t) {
		for rule := range c.rules(t) {
			cases[rule]++
		}
	}
	for _, r := range diag.Rules() {
		if cases[r.ID] < 2 {
			t.Errorf("rule %s occurs in %d cases of %s, want 2: %s", r.ID, cases[r.ID], findingCases, r.Doc)
		}
		delete(cases, r.ID)
	}
	for rule := range cases {
		t.Errorf("rule %s is not listed by diag.Rules", rule)
	}
}

func TestManyMistakesAreFoundAtOnce(t *testing.T) {
	t.Parallel()
	bad, many := 0, 0
	for _, c := range readFindingCases(t) {
		if strings.HasPrefix(c.name, "bad_") {
			bad++
		}
		if len(c.rules(t)) >= 4 {
			many++
		}
	}
	if bad < 60 {
		t.Errorf("got %d broken folders, want 60 at least", bad)
	}
	if many < 5 {
		t.Errorf("got %d cases with findings of four rules, want 5 at least", many)
	}
}

func TestFindingsAreWrittenForPeople(t *testing.T) {
	t.Parallel()
	for _, c := range readFindingCases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, list, _ := c.load(t)
			for _, f := range list.Sorted() {
				for _, text := range []string{f.Message, f.Hint} {
					if strings.HasSuffix(text, ".") || strings.Contains(text, "failed to") || strings.Contains(text, "%!") || strings.Contains(text, "\n") {
						t.Errorf("%s: a message is one phrase without a full stop: %q", f.Rule, text)
					}
				}
				if f.Message == "" {
					t.Errorf("a finding of %s says nothing", f.Rule)
				}
				s := f.Span
				if s.IsZero() {
					continue // of a folder
				}
				if s.Start.Line < 1 || s.Start.Col < 1 || s.End.Before(s.Start) || s.Start.Line > s.File.Lines() {
					t.Errorf("%s: the span %v to %v is none of the file", f.Message, s.Start, s.End)
				}
			}
		})
	}
}

// findingLine is the first line of a printed finding.
const findingLine = `(?m)^(?:[^ ].*:\d+:\d+: )?(?:error|warning|hint)\[([a-z0-9-]+)\]: `

// rules gives the rules of the findings that a case wants.
func (c findingCase) rules(t *testing.T) map[diag.Rule]bool {
	t.Helper()
	out := map[diag.Rule]bool{}
	for _, m := range regexp.MustCompile(findingLine).FindAllStringSubmatch(c.want(t), -1) {
		out[diag.Rule(m[1])] = true
	}
	return out
}

func readFindingCases(t *testing.T) []findingCase {
	t.Helper()
	files, err := filepath.Glob(findingCases + "/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s (%v)", findingCases, err)
	}
	cases := make([]findingCase, len(files))
	for i, file := range files {
		cases[i] = readFindingCase(t, file)
	}
	return cases
}

func readFindingCase(t *testing.T, file string) findingCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := findingCase{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), file: file, archive: archive, links: map[string]string{}}
	env := map[string]string{}
	o := &c.options.Manifest
	o.Dirs = []string{"gate"}
	o.Env = func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}
	o.SecretDirs = []string{}
	description, settings, _ := strings.Cut(string(archive.Comment), "\n\n")
	c.description = strings.TrimSpace(description)
	for line := range strings.Lines(settings) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "":
		case "dirs":
			o.Dirs = strings.Fields(value)
		case "env":
			name, text, _ := strings.Cut(value, "=")
			env[name] = text
		case "env-allow":
			o.EnvAllow = strings.Fields(value)
		case "public-url":
			c.options.PublicURL = value
		case "egress-allow":
			if c.options.EgressAllow, err = hooks.ParseAllow(value); err != nil {
				t.Fatal(err)
			}
		case "link":
			from, to, _ := strings.Cut(value, " -> ")
			c.links[from] = to
		case "no-env":
			o.NoEnv = true
		case "skip-unknown":
			o.SkipUnknown = true
		case "dev":
			o.Dev, c.options.Dev = true, true
		default:
			t.Fatalf("%s: there is no setting %q", file, key)
		}
	}
	o.Catalogue = manifests.FS()
	c.options.Types, c.options.MaxBody, c.options.Check = engine.NodeTypes(), 25<<20, trial.Check
	return c
}

// load writes the case's files and loads its folders; text is what `headgate validate` prints.
func (c findingCase) load(t *testing.T) (snap *snapshot.Snapshot, list *diag.List, text string) {
	t.Helper()
	root := t.TempDir()
	for _, f := range c.archive.Files {
		if f.Name == "want" {
			continue
		}
		writeFile(t, filepath.Join(root, f.Name), f.Data)
	}
	for from, to := range c.links {
		link := filepath.Join(root, from)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	o := c.options
	o.Manifest.Dirs = nil
	for _, dir := range c.options.Manifest.Dirs {
		o.Manifest.Dirs = append(o.Manifest.Dirs, filepath.Join(root, dir))
	}
	snap, list = snapshot.Load(t.Context(), o)
	var b bytes.Buffer
	if err := diag.WriteText(&b, list.Sorted(), diag.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return snap, list, strings.ReplaceAll(b.String(), root+string(filepath.Separator), "")
}

func writeFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// want gives what the case wants.
func (c findingCase) want(t *testing.T) string {
	t.Helper()
	i := slices.IndexFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == "want" })
	if i < 0 {
		t.Fatalf("%s has no file want", c.file)
	}
	return string(c.archive.Files[i].Data)
}

func (c findingCase) write(t *testing.T, want string) {
	t.Helper()
	a := *c.archive
	a.Files = append(slices.DeleteFunc(slices.Clone(a.Files), func(f txtar.File) bool { return f.Name == "want" }), txtar.File{Name: "want", Data: []byte(want)})
	if err := os.WriteFile(c.file, txtar.Format(&a), 0o644); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkValidate100 is `headgate validate` of 100 manifests, whose target is 50 ms.
func BenchmarkValidate100(b *testing.B) { benchmarkLoad(b, 100) }

// BenchmarkLoad1000 is a reload of 1,000 manifests.
func BenchmarkLoad1000(b *testing.B) { benchmarkLoad(b, 1000) }

func benchmarkLoad(b *testing.B, count int) {
	o := snapshot.Options{
		Manifest: manifest.Options{
			Dirs: []string{b.TempDir()}, Catalogue: manifests.FS(),
			Env: func(string) (string, bool) { return "s3cret-enough", true },
		},
		Types: engine.NodeTypes(), MaxBody: 25 << 20,
	}
	for name, text := range folderOf(count) {
		writeFile(b, filepath.Join(o.Manifest.Dirs[0], name), []byte(text))
	}
	b.ReportAllocs()
	for b.Loop() {
		snap, list := snapshot.Load(b.Context(), o)
		if snap == nil || list.Len() > 0 {
			b.Fatalf("loading: %v", list.Sorted())
		}
	}
}

// folderOf makes a folder of providers, pipelines and destinations, a third each.
func folderOf(count int) map[string]string {
	out := make(map[string]string, count)
	for i := range count {
		n := i / 3
		switch i % 3 {
		case 0:
			out[fmt.Sprintf("providers/p%03d.yaml", n)] = fmt.Sprintf(generatedProvider, n)
		case 1:
			out[fmt.Sprintf("pipelines/f%03d.yaml", n)] = fmt.Sprintf(generatedPipeline, n)
		default:
			out[fmt.Sprintf("destinations/d%03d.yaml", n)] = fmt.Sprintf(generatedDestination, n)
		}
	}
	return out
}

const (
	generatedProvider = `kind: provider
name: shop-%[1]d
description: Orders of a shop
signature: {algorithm: hmac-sha256, header: X-Shop-Signature, prefix: "sha256=", signed: "{ts}.{body}"}
timestamp: {header: X-Shop-Timestamp}
secret: <<env.SHOP_%[1]d_SECRET>>
event: {header: X-Shop-Event}
delivery: {header: X-Shop-Delivery, window: 72h}
ignore: [ping]
events:
  - name: order.created
    description: An order was placed
    schema:
      type: object
      required: [id, total]
      properties:
        id: {type: integer}
        total: {type: number}
        customer: {type: object, properties: {name: {type: string}, email: {type: string, format: email}}}
    example: {id: 17, total: 120.5, customer: {name: Ada, email: ada@example.com}}
  - name: order.paid
    description: An order was paid
  - name: order.sent
    description: An order was sent
`
	generatedPipeline = `kind: pipeline
name: large-orders-%[1]d
description: Tells the shop about orders that somebody should look at
labels: {team: shop}
nodes:
  - label: Order
    type: receive
    props:
      provider: shop-%[1]d
      event: order.created
      filter: payload.total > 0 && payload.customer.name != nil
  - label: Is large
    type: condition
    props:
      expression: payload.total > 100
  - label: Message
    type: code
    props:
      code: |
        {"text": payload.customer.name + " ordered for " + string(payload.total), "id": payload.id}
  - label: Tell the shop
    type: hook
    props:
      destination: floor-%[1]d
      body:
        text: "{{ Message.text }}"
        order: "{{ payload.id }}"
connections:
  - Order -> Is large
  - "Is large[true] -> Message -> Tell the shop"
`
	generatedDestination = `kind: destination
name: floor-%[1]d
description: Where people look at orders
url: https://hooks.example.com/floor/%[1]d
headers:
  Authorization: Bearer <<env.FLOOR_%[1]d_TOKEN>>
timeout: 15s
retry: {max_attempts: 5, initial: 5s, max: 1h}
`
)
