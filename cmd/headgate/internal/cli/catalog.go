package cli

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/manifests"
)

func (a *app) catalogCommand() *cobra.Command {
	yaml := false
	cmd := &cobra.Command{
		Use:     "catalog [NAME]",
		Short:   "List the providers that come with Headgate, or explain one",
		GroupID: groupTry,
		Long: `List the providers that come with Headgate, or explain one: what is set up where, what you have to
provide, how its requests are signed, its events, and the manifest to write.

A provider of the catalogue is live only where a manifest of yours uses it.`,
		Example: `  headgate catalog
  headgate catalog github
  headgate catalog github --yaml
  headgate catalog --json`,
	}
	cmd.Flags().BoolVar(&yaml, "yaml", false, "print the provider's manifest as it stands in the catalogue")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		switch {
		case len(args) > 1:
			return misused("headgate catalog wants one NAME at most, and got %d", len(args))
		case len(args) == 0 && yaml:
			return misused("--yaml: name the provider whose manifest is wanted")
		case len(args) == 0:
			return a.listCatalogue(ctx)
		case yaml:
			return a.printCatalogueManifest(args[0])
		}
		return a.explainProvider(ctx, args[0])
	})
	return cmd
}

// catalogueEntry is one provider in the list.
type catalogueEntry struct {
	Name      string `json:"name"`
	Title     string `json:"title"`
	Algorithm string `json:"algorithm"`
	Events    int    `json:"events"`
	Handshake bool   `json:"handshake"`
}

// catalogue loads all its manifests.
func catalogue(ctx context.Context) (*manifest.Bundle, error) {
	files, err := catalogueFiles()
	if err != nil {
		return nil, err
	}
	bundle, _ := manifest.Load(ctx, manifest.Options{Files: files, Catalogue: manifests.FS(), NoEnv: true})
	return bundle, nil
}

func entryOf(doc *manifest.Document) catalogueEntry {
	return catalogueEntry{
		Name: doc.Name, Title: orWord(doc.Title, doc.Name), Algorithm: algorithmsOf(doc.Root), Events: len(itemsOf(doc.Root.Get("events"))),
		Handshake: doc.Root.Get("challenge") != nil,
	}
}

func (a *app) listCatalogue(ctx context.Context) error {
	bundle, err := catalogue(ctx)
	if err != nil {
		return err
	}
	entries := []catalogueEntry{}
	for _, doc := range bundle.Documents(manifest.Provider) {
		entries = append(entries, entryOf(doc))
	}
	if a.json {
		return a.printJSON(struct {
			Providers []catalogueEntry `json:"providers"`
		}{entries})
	}
	rows := make([][]cell, len(entries))
	for i, e := range entries {
		handshake := ""
		if e.Handshake {
			handshake = "handshake"
		}
		rows[i] = []cell{{text: e.Name, color: "1"}, {text: e.Title}, {text: e.Algorithm}, {text: fmt.Sprint(e.Events)}, {text: handshake}}
	}
	a.table(a.Stdout, []string{"NAME", "TITLE", "SIGNATURE", "EVENTS", ""}, rows)
	a.talk("%s headgate catalog NAME", a.talkPaint("36", "next:"))
	return nil
}

// catalogued gives one provider's document.
func catalogued(ctx context.Context, name string) (*manifest.Document, error) {
	bundle, err := catalogue(ctx)
	if err != nil {
		return nil, err
	}
	doc := bundle.Find(manifest.Provider, name)
	if doc == nil {
		return nil, unknownInCatalogue(name, bundle.Names(manifest.Provider))
	}
	return doc, nil
}

func unknownInCatalogue(name string, names []string) error {
	return &exitError{
		code: exitRuntime, err: fmt.Errorf("the catalogue has no provider %q%s", name, semicolon(diag.DidYouMean(name, names))),
		hint: "headgate catalog lists them; headgate new provider " + name + " writes a manifest to start from",
	}
}

func (a *app) printCatalogueManifest(name string) error {
	text, err := fs.ReadFile(manifests.FS(), name+"/provider.yaml")
	if err != nil {
		names, err := catalogueNames()
		if err != nil {
			return err
		}
		return unknownInCatalogue(name, names)
	}
	if a.json {
		return a.printJSON(struct {
			Name string `json:"name"`
			YAML string `json:"yaml"`
		}{name, string(text)})
	}
	if _, err := a.Stdout.Write(text); err != nil {
		return failed(fmt.Errorf("writing the result: %w", err))
	}
	return nil
}

// catalogueDetail explains one provider. Its events stand where the list has their number.
type catalogueDetail struct {
	catalogueEntry
	Description  string           `json:"description,omitempty"`
	Docs         string           `json:"docs,omitempty"`
	SettingsPage string           `json:"settings_page,omitempty"`
	Signature    []string         `json:"signature"`
	Provide      []need           `json:"provide"`
	Handshakes   []string         `json:"handshakes"`
	Events       []catalogueEvent `json:"events"`
	Manifest     string           `json:"manifest"`
	Warnings     []string         `json:"warnings"`
}

type catalogueEvent struct {
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Schema      bool   `json:"schema"`
	Example     bool   `json:"example"`
}

func (a *app) explainProvider(ctx context.Context, name string) error {
	doc, err := catalogued(ctx, name)
	if err != nil {
		return err
	}
	list := &diag.List{}
	with := source.NewMap(doc.NameSpan)
	if wantsToken(doc.Root) { // the manifest that is shown has one, so that no warning asks for it
		with.Entries = append(with.Entries, source.NewEntry("path_token", doc.NameSpan, source.NewString("made-up-path-token", doc.NameSpan)))
	}
	p := trial.Fit(doc, with, "", list)
	if p == nil {
		return failed(fmt.Errorf("compiling the provider %q of the catalogue: %w", name, list.Err()))
	}
	d := detailOf(doc, p, list)
	if a.json {
		return a.printJSON(d)
	}
	a.printDetail(d)
	return nil
}

func detailOf(doc *manifest.Document, p *provider.Provider, found *diag.List) catalogueDetail {
	d := catalogueDetail{
		catalogueEntry: entryOf(doc), Description: doc.Description, Docs: doc.Docs, SettingsPage: textOf(doc.Root.Get("settings_page")),
		Signature: signatureWords(doc.Root), Provide: needsOf(doc), Handshakes: p.Handshakes(), Events: []catalogueEvent{}, Warnings: []string{},
		Manifest: useOf(doc, doc.Name).manifest,
	}
	if d.Handshakes == nil {
		d.Handshakes = []string{}
	}
	for _, n := range p.Events() {
		e, _ := p.Event(n)
		d.Events = append(d.Events, catalogueEvent{Name: e.Name, Title: e.Title, Description: e.Description, Schema: e.HasSchema(), Example: e.HasExample()})
	}
	for _, f := range found.Sorted() {
		text := f.Message
		if f.Hint != "" {
			text += "; " + f.Hint
		}
		d.Warnings = append(d.Warnings, text)
	}
	return d
}

func (a *app) printDetail(d catalogueDetail) {
	head := func(text string) { fmt.Fprintf(a.Stdout, "\n%s\n", a.paint("1", text)) }
	fmt.Fprintln(a.Stdout, a.paint("1", d.Title)+"  "+d.Description)
	if d.Docs != "" {
		fmt.Fprintf(a.Stdout, "docs      %s\n", d.Docs)
	}
	if d.SettingsPage != "" {
		fmt.Fprintf(a.Stdout, "settings  %s\n", d.SettingsPage)
	}
	head("The manifest to write")
	fmt.Fprintln(a.Stdout, "  "+strings.ReplaceAll(strings.TrimRight(d.Manifest, "\n"), "\n", "\n  "))
	head("What you provide")
	for _, n := range d.Provide {
		fmt.Fprintf(a.Stdout, "  %-12s %s\n", n.Key, n.What)
	}
	head("How a request is known to be genuine")
	for _, line := range d.Signature {
		fmt.Fprintln(a.Stdout, "  "+line)
	}
	for _, w := range d.Warnings {
		fmt.Fprintf(a.Stdout, "  %s %s\n", a.paint("33", "note:"), w)
	}
	if len(d.Handshakes) > 0 {
		head("Handshakes that are answered")
		fmt.Fprintln(a.Stdout, "  "+strings.Join(d.Handshakes, ", "))
	}
	head("Events")
	rows := make([][]cell, len(d.Events))
	for i, e := range d.Events {
		parts := ""
		switch {
		case e.Schema && e.Example:
			parts = "schema, example"
		case e.Schema:
			parts = "schema"
		case e.Example:
			parts = "example"
		}
		text := e.Description
		if e.Title != "" && e.Title != e.Name {
			text = e.Title + ": " + text
		}
		rows[i] = []cell{{text: "  " + e.Name, color: "1"}, {text: parts}, {text: text}}
	}
	a.table(a.Stdout, []string{"  NAME", "HAS", "WHAT HAPPENED"}, rows)
}

// itemsOf gives the items of a list; of anything else that is there, itself.
func itemsOf(n *source.Node) []*source.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == source.List:
		return n.Items
	}
	return []*source.Node{n}
}

// textOf gives a scalar's text, "" for anything else.
func textOf(n *source.Node) string {
	if n == nil || !n.IsScalar() || n.Kind == source.Null {
		return ""
	}
	return n.Text
}
