package manifest_test

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
)

// bundleOf loads files in memory, by name and text in turns.
func bundleOf(t *testing.T, files ...string) *manifest.Bundle {
	t.Helper()
	o := manifest.Options{NoEnv: true}
	for i := 0; i < len(files); i += 2 {
		o.Files = append(o.Files, source.NewFile(files[i], []byte(files[i+1])))
	}
	b, list := manifest.Load(t.Context(), o)
	if list.Len() > 0 {
		t.Fatal(list.Sorted())
	}
	return b
}

func TestADocumentTakesOtherKeysOverItsOwn(t *testing.T) {
	t.Parallel()
	b := bundleOf(t, "gate/acme/provider.yaml", "kind: provider\nsecrets: [<<env.A>>, <<env.B>>]\nvars: {a: 1, b: null}\nreject: 401\n", "gate/acme/schemas/a.json", "{}")
	doc := b.Find(manifest.Provider, "acme")
	span := doc.NameSpan
	over := source.NewMap(span, source.NewEntry("secret", span, source.NewString("s", span)),
		source.NewEntry("vars", span, source.NewMap(span, source.NewEntry("b", span, source.NewString("2", span)))))
	got := doc.With(over)
	if got.Root.Get("secrets") != nil || got.Root.Get("secret").Text != "s" {
		t.Errorf("the secrets are %v and %v, want the one that was put over them", got.Root.Get("secrets"), got.Root.Get("secret"))
	}
	vars := got.Root.Get("vars")
	if vars.Get("a").Text != "1" || vars.Get("b").Text != "2" || got.Root.Get("reject").Text != "401" || got.Name != "acme" {
		t.Errorf("the rest is %v", got.Root)
	}
	if doc.Root.Get("secret") != nil || doc.Root.Get("vars").Get("b").Kind != source.Null {
		t.Error("the document itself was changed")
	}
	if data, err := got.ReadFileAt(got.Root.Get("reject"), "schemas/a.json"); err != nil || string(data) != "{}" {
		t.Errorf("reading a file beside it: %q, %v", data, err)
	}
}

func TestDocumentsKnowWhatStandsBesideThem(t *testing.T) {
	t.Parallel()
	b := bundleOf(t,
		"gate/acme/provider.yaml", "kind: provider\n", "gate/acme/tests.yaml", "kind: test\n---\nkind: test\n",
		"gate/shop.yaml", "kind: provider\n---\nkind: test\n", "gate/hub.yaml", "kind: provider\n", "gate/named.yaml", "kind: test\nname: mine\n")
	names := func(docs []*manifest.Document) (out []string) {
		for _, d := range docs {
			out = append(out, d.Name)
		}
		return out
	}
	tests := b.Documents(manifest.Test)
	if got, want := names(tests), []string{"acme", "acme", "shop", "mine"}; !slices.Equal(got, want) {
		t.Errorf("the tests are named %v, want %v", got, want)
	}
	for i, want := range [][]string{{"acme"}, {"acme"}, {"shop", "hub"}, {"shop", "hub"}} {
		if got := names(b.Beside(tests[i], manifest.Provider)); !slices.Equal(got, want) {
			t.Errorf("beside test %d stand %v, want %v", i, got, want)
		}
	}
	if got := names(b.Beside(b.Find(manifest.Provider, "shop"), manifest.Provider)); !slices.Equal(got, []string{"hub"}) {
		t.Errorf("beside shop stands %v, want hub alone", got)
	}
}

func TestAProviderWithAFolderOfItsOwnIsNamedByIt(t *testing.T) {
	t.Parallel()
	base := "kind: provider\nname: base\n"
	for file, want := range map[string]string{
		"shop/provider.yaml": "shop", "a/b/hub/provider.yml": "hub", "shop/other.yaml": "base", "provider.yaml": "base", "shop.yaml": "base",
	} {
		o := manifest.Options{
			Catalogue: fstest.MapFS{"base/provider.yaml": {Data: []byte(base)}},
			Files:     []*source.File{source.NewFile(file, []byte("kind: provider\nuse: base\n"))},
		}
		b, list := manifest.Load(t.Context(), o)
		if got := b.Names(manifest.Provider); list.Len() > 0 || !slices.Equal(got, []string{want}) {
			t.Errorf("%s is named %v, want %s: %v", file, got, want, list.Sorted())
		}
	}
}
