package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/trial"
)

// fromCatalogue is a skeleton that uses a provider of the catalogue.
func (a *app) fromCatalogue(ctx context.Context, name, from string) (skeleton, error) {
	doc, err := catalogued(ctx, from)
	if err != nil {
		return skeleton{}, err
	}
	found := &diag.List{}
	p := trial.Fit(doc, nil, "", found)
	if p == nil {
		return skeleton{}, failed(fmt.Errorf("compiling the provider %q of the catalogue: %w", from, found.Err()))
	}
	use := useOf(doc, name)
	s := skeleton{files: []skeletonFile{{filepath.Join(name, "provider.yaml"), usingManifest(doc, use)}}}
	if tests := usingTests(p); tests != "" {
		s.files = append(s.files, skeletonFile{filepath.Join(name, "tests.yaml"), tests})
	}
	if s.variables, err = use.values(doc); err != nil {
		return skeleton{}, err
	}
	s.notes = append(s.notes, "headgate catalog "+from+"   tells what is set up where, and what the variables are to hold")
	for i, v := range s.variables {
		if v.Value == "" {
			s.notes = append(s.notes, "set "+v.Name+": "+orWord(use.variables[i].what, "what the provider shows"))
		}
	}
	return s, nil
}

// values gives the variables; a secret that a person may choose, and the path token, are made up.
func (u catalogueUse) values(doc *manifest.Document) ([]newVariable, error) {
	var out []newVariable
	for _, needed := range u.variables {
		v := newVariable{Name: needed.name}
		switch needed.kind {
		case given:
		case secrets:
			text, err := trial.Secret(doc, rand.Reader)
			if err != nil {
				return nil, failed(fmt.Errorf("making a secret: %w", err))
			}
			v.Value = text
		case token:
			v.Value = randomHex(16)
		}
		out = append(out, v)
	}
	return out, nil
}

// usingManifest is the manifest with comments.
func usingManifest(doc *manifest.Document, use catalogueUse) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s. What stands here goes over the catalogue's manifest: headgate catalog %s --yaml prints that.\n", orWord(doc.Title, doc.Name), doc.Name)
	if doc.Docs != "" {
		fmt.Fprintf(&b, "# %s\n", doc.Docs)
	}
	b.WriteString(use.manifest)
	b.WriteString("\n# The events that are of no interest are recorded and start nothing:\n# ignore: [NAME, prefix*]\n")
	return b.String()
}

// usingTests are tests of the first event that has an example; "" where none has.
func usingTests(p *provider.Provider) string {
	for _, name := range p.Events() {
		if e, _ := p.Event(name); e.HasExample() {
			return fmt.Sprintf("# headgate test DIR\nkind: test\ncases:\n  - name: a genuine request is accepted\n    send: %q\n    expect: {verdict: accepted, event: %q}\n", name, name)
		}
	}
	return ""
}
