package trial_test

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/manifests"
)

// catalogued is one provider of the catalogue as a test sees it.
type catalogued struct {
	name     string
	bundle   *manifest.Bundle
	doc      *manifest.Document
	tests    []*manifest.Document
	provider *provider.Provider
	found    *diag.List // what compiling it tells
}

// folderOf gives the files of a provider's folder under another name, as sources in memory.
func folderOf(t *testing.T, name, as string) []*source.File {
	t.Helper()
	var out []*source.File
	err := fs.WalkDir(manifests.FS(), name, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(manifests.FS(), file)
		out = append(out, source.NewFile(path.Join("manifests", as, strings.TrimPrefix(file, name+"/")), data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// eachProvider runs a test for each provider of the catalogue, on its own folder alone.
func eachProvider(t *testing.T, test func(t *testing.T, c catalogued)) {
	t.Helper()
	entries, err := fs.ReadDir(manifests.FS(), ".")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) == 0 {
		t.Fatal("the catalogue is empty")
	}
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			test(t, openCatalogued(t, e.Name()))
		})
	}
}

func openCatalogued(t *testing.T, name string) catalogued {
	t.Helper()
	c := catalogued{name: name, found: &diag.List{}}
	var list *diag.List
	c.bundle, list = manifest.Load(t.Context(), manifest.Options{Files: folderOf(t, name, name), Catalogue: manifests.FS(), NoEnv: true})
	for _, f := range list.Sorted() {
		t.Errorf("loading: %s", f)
	}
	if c.doc = c.bundle.Find(manifest.Provider, name); c.doc == nil {
		t.Fatalf("the folder declares %v, want the provider %s, named by its folder", c.bundle.Names(manifest.Provider), name)
	}
	c.tests = c.bundle.Documents(manifest.Test)
	if c.provider = trial.Fit(c.doc, nil, "", c.found); c.provider == nil {
		t.Fatalf("it does not compile: %v", c.found.Sorted())
	}
	return c
}

func TestCatalogueProvidersSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	eachProvider(t, func(t *testing.T, c catalogued) {
		if !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(c.name) {
			t.Errorf("the folder's name has other letters than lower-case ones, digits and single hyphens")
		}
		for _, key := range []string{"title", "description"} {
			if text(c.doc.Root.Get(key)) == "" {
				t.Errorf("%s is missing", key)
			}
		}
		for _, key := range []string{"docs", "settings_page"} {
			if got := text(c.doc.Root.Get(key)); !strings.HasPrefix(got, "https://") {
				t.Errorf("%s is %q, want a link", key, got)
			}
		}
		own := ownKeys(t, c.name)
		for _, key := range []string{"name", "secret", "secrets", "path_token", "public_url", "labels", "enabled"} {
			if own.Get(key) != nil {
				t.Errorf("%s is the operator's; a manifest of the catalogue does not have it", key)
			}
		}
		if vars := own.Get("vars"); vars != nil {
			for _, e := range vars.Entries {
				if e.Value.Kind != source.Null {
					t.Errorf("vars.%s has a value; it is the operator's, so null stands there", e.Key.Text)
				}
			}
		}
		whole := 0
		for _, name := range c.provider.Events() {
			e, _ := c.provider.Event(name)
			if e.Description == "" {
				t.Errorf("event %s has no description", name)
			}
			if e.HasExample() && e.HasSchema() {
				whole++
			}
		}
		if whole == 0 {
			t.Error("no event has both an example and a schema")
		}
	})
}

// What an operator brings is said in words, for each thing that the provider needs, and for nothing else.
func TestCatalogueProvidersSayWhatTheyNeed(t *testing.T) {
	t.Parallel()
	eachProvider(t, func(t *testing.T, c catalogued) {
		want := []string{}
		if needsSecret(c) {
			want = append(want, "secret")
		}
		if regexp.MustCompile(`[{ ](url|endpoint)[}|? ]`).MatchString(templatesOf(c.doc.Root)) {
			want = append(want, "public_url")
		}
		if vars := c.doc.Root.Get("vars"); vars != nil {
			for _, e := range vars.Entries {
				if e.Value.Kind == source.Null {
					want = append(want, e.Key.Text)
				}
			}
		}
		got := []string{}
		if needs := c.doc.Root.Get("needs"); needs != nil {
			for _, e := range needs.Entries {
				got = append(got, e.Key.Text)
				if words := text(e.Value); !regexp.MustCompile(`^[a-z].*[^.]$`).MatchString(words) {
					t.Errorf("needs.%s is %q, want a phrase without a capital and a period", e.Key.Text, words)
				}
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("needs tells of %v, want %v", got, want)
		}
	})
}

// needsSecret says whether the operator gives the secret: no handshake brings it, and some rule checks with a key that is not fetched.
func needsSecret(c catalogued) bool {
	stores := func(n *source.Node) bool { return n.Get("store") != nil }
	if n := c.doc.Root.Get("challenge"); n != nil && (stores(n) || slices.ContainsFunc(n.Items, stores)) {
		return false
	}
	rules := c.doc.Root.Get("signature")
	items := []*source.Node{rules}
	if rules.Kind == source.List {
		items = rules.Items
	}
	return slices.ContainsFunc(items, func(r *source.Node) bool {
		return r.Get("fetch") == nil && text(r) != "none" && text(r.Get("algorithm")) != "none"
	})
}

// templatesOf gives all keys and values that may be templates, a line each.
func templatesOf(n *source.Node) string {
	var b strings.Builder
	for _, e := range n.Entries {
		if !slices.Contains([]string{"title", "description", "needs", "events", "example"}, e.Key.Text) {
			b.WriteString(e.Key.Text + "\n" + templatesOf(e.Value))
		}
	}
	for _, item := range n.Items {
		b.WriteString(templatesOf(item))
	}
	if n.IsScalar() {
		b.WriteString(n.Text + "\n")
	}
	return b.String()
}

// ownKeys gives what stands in a provider's own file, without what it uses.
func ownKeys(t *testing.T, name string) *source.Node {
	t.Helper()
	data, err := fs.ReadFile(manifests.FS(), name+"/provider.yaml")
	if err != nil {
		t.Fatal(err)
	}
	docs, problems := source.ParseYAML(source.NewFile(name, data))
	if len(docs) != 1 || len(problems) > 0 {
		t.Fatalf("%d documents, problems %v; want one document", len(docs), problems)
	}
	return docs[0]
}

func text(n *source.Node) string {
	if n == nil {
		return ""
	}
	return n.Text
}

func TestCatalogueFoldersHoldNothingElse(t *testing.T) {
	t.Parallel()
	eachProvider(t, func(t *testing.T, c catalogued) {
		used := map[string]bool{}
		for _, doc := range append(c.tests, c.doc) {
			for _, s := range doc.Sources() {
				used[s.Path] = true
			}
		}
		trial.Check(c.bundle, &diag.List{}) // reads the files that tests name
		for _, doc := range c.tests {
			for _, s := range doc.Sources() {
				used[s.Path] = true
			}
		}
		for _, f := range folderOf(t, c.name, c.name) {
			if !used[f.Name] {
				t.Errorf("nothing names the file %s", f.Name)
			}
		}
	})
}

// duty is a case that a provider's tests must have.
type duty struct {
	what string
	// holds says whether a case is one.
	holds func(c *source.Node) bool
}

func TestCatalogueProvidersCarryTheTestsThatMatter(t *testing.T) {
	t.Parallel()
	eachProvider(t, func(t *testing.T, c catalogued) {
		var cases []*source.Node
		for _, doc := range c.tests {
			if n := doc.Root.Get("cases"); n != nil {
				cases = append(cases, n.Items...)
			}
		}
		if len(cases) == 0 {
			t.Fatal("there is no tests.yaml with cases")
		}
		for _, d := range duties(c) {
			if !slices.ContainsFunc(cases, d.holds) {
				t.Errorf("no case shows that %s", d.what)
			}
		}
	})
}

func duties(c catalogued) []duty {
	at := func(n *source.Node, path ...string) string {
		for _, key := range path {
			n = n.Get(key)
		}
		return text(n)
	}
	refused := func(n *source.Node) bool {
		return at(n, "expect", "verdict") == "refused" || at(n, "expect", "code") != "" || strings.HasPrefix(at(n, "expect", "status"), "4")
	}
	out := []duty{{"a genuine request is accepted", func(n *source.Node) bool {
		return at(n, "expect", "verdict") == "accepted" && (n.Get("send") != nil || n.Get("request") != nil)
	}}}
	if !c.provider.Unsigned() {
		out = append(out, duty{"another secret is refused", func(n *source.Node) bool {
			return at(n, "change", "secret") == "wrong" && refused(n)
		}}, duty{"a request without a signature is refused", func(n *source.Node) bool {
			return at(n, "change", "signature") == "removed" && refused(n)
		}})
	}
	if bindsBody(c) {
		out = append(out, duty{"a changed body is refused", func(n *source.Node) bool {
			return (n.Get("change").Get("body") != nil || n.Get("change").Get("json") != nil) && refused(n)
		}})
	}
	if c.doc.Root.Get("timestamp") != nil {
		out = append(out, duty{"an old request is refused", func(n *source.Node) bool {
			return n.Get("change").Get("clock") != nil && at(n, "expect", "code") == "stale_timestamp"
		}})
	}
	for i, name := range c.provider.Handshakes() {
		out = append(out, duty{"the handshake " + name + " is answered", func(n *source.Node) bool {
			called := at(n, "handshake")
			return (called == name || called == string(rune('0'+i))) && at(n, "expect", "verdict") == "handshake"
		}})
	}
	return out
}

// bindsBody says whether some rule is a signature over the body, and not a secret that is merely sent along.
func bindsBody(c catalogued) bool {
	for _, f := range c.found.Sorted() {
		if f.Rule == diag.WeakSignature && strings.Contains(f.Message, "body") {
			return false
		}
	}
	rules := c.doc.Root.Get("signature")
	items := []*source.Node{rules}
	if rules.Kind == source.List {
		items = rules.Items
	}
	return slices.ContainsFunc(items, func(r *source.Node) bool {
		algorithm := text(r.Get("algorithm"))
		return algorithm != "" && algorithm != "none" && algorithm != "token" && !strings.HasPrefix(algorithm, "jwt-")
	})
}

func TestTheCatalogueTestsPass(t *testing.T) {
	t.Parallel()
	eachProvider(t, func(t *testing.T, c catalogued) { runAll(t, c.bundle) })
}

// A folder of the catalogue that a user copies under another name is a provider of that name, and passes the same tests.
func TestCopiedCatalogueFoldersPassTheSameTests(t *testing.T) {
	t.Parallel()
	eachProvider(t, func(t *testing.T, c catalogued) {
		bundle, list := manifest.Load(t.Context(), manifest.Options{Files: folderOf(t, c.name, "my-own"), Catalogue: manifests.FS(), NoEnv: true})
		if list.Len() > 0 || bundle.Find(manifest.Provider, "my-own") == nil {
			t.Fatalf("the copy is %v: %v", bundle.Names(manifest.Provider), list.Sorted())
		}
		runAll(t, bundle)
	})
}

func runAll(t *testing.T, bundle *manifest.Bundle) {
	t.Helper()
	report, list := trial.Run(t.Context(), trial.Options{Bundle: bundle})
	for _, f := range list.Sorted() {
		t.Errorf("finding: %s", f)
	}
	for _, r := range report.Results {
		for _, f := range r.Failures {
			t.Errorf("%s: %s: %s: got %s, want %s (%s)", f.Span, r.Name, f.What, f.Got, f.Want, r.Diagnosis)
		}
	}
	if len(report.Results) == 0 {
		t.Error("no case was run")
	}
}

// TestTheWholeCatalogueLoadsAsOneFolder finds names that only collide when all are together.
func TestTheWholeCatalogueLoadsAsOneFolder(t *testing.T) {
	t.Parallel()
	entries, err := fs.ReadDir(manifests.FS(), ".")
	if err != nil {
		t.Fatal(err)
	}
	var files []*source.File
	want := map[string]bool{}
	for _, e := range entries {
		files, want[e.Name()] = append(files, folderOf(t, e.Name(), e.Name())...), true
	}
	bundle, list := manifest.Load(t.Context(), manifest.Options{Files: files, Catalogue: manifests.FS(), NoEnv: true})
	for _, f := range list.Sorted() {
		t.Errorf("finding: %s", f)
	}
	for _, name := range bundle.Names(manifest.Provider) {
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("no provider is named %v", slices.Sorted(maps.Keys(want)))
	}
}

// What GET /webhooks/NAME/test answers follows from the manifest, for each provider.
func TestTheTestEndpointTellsWhatTheManifestSays(t *testing.T) {
	t.Parallel()
	eachProvider(t, func(t *testing.T, c catalogued) {
		info := c.provider.Info()
		if info.Provider != c.name || !info.WebhookSupport || !strings.HasPrefix(info.WebhookURL, "/webhooks/"+c.name) {
			t.Errorf("got provider %q, support %t, URL %q; want %q, true, /webhooks/%s", info.Provider, info.WebhookSupport, info.WebhookURL, c.name, c.name)
		}
		var want []string
		for _, e := range c.doc.Root.Get("events").Items {
			want = append(want, text(e.Get("name"))+" "+text(e.Get("description"))+fmt.Sprint(e.Get("schema") != nil))
		}
		var got []string
		for _, e := range info.SupportedEvents {
			got = append(got, e.Name+" "+e.Description+fmt.Sprint(e.HasSchema))
		}
		if !slices.Equal(got, want) {
			t.Errorf("got events %v, want %v", got, want)
		}
		rule := c.doc.Root.Get("signature")
		if rule.Kind == source.List {
			rule = rule.Items[0]
		}
		if unsigned := text(rule) == "none" || text(rule.Get("algorithm")) == "none"; info.SignatureValidation == unsigned {
			t.Errorf("got signature_validation %t, want %t", info.SignatureValidation, !unsigned)
		}
		header := text(rule.Get("header"))
		froms := []*source.Node{rule.Get("from")}
		if n := rule.Get("from"); n != nil && n.Kind == source.List {
			froms = n.Items
		}
		for _, from := range froms {
			if h, ok := strings.CutPrefix(text(from), "header:"); ok && header == "" {
				header = h
			}
		}
		if got := info.SignatureHeader; header == "" && got != nil || header != "" && (got == nil || *got != header) {
			t.Errorf("got signature_header %v, want %q", got, header)
		}
	})
}
