package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/script/value"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/subscription"
)

// sections are the parts of pages that are written from the declarations which the program goes by. In a page one stands between
// `<!-- generated: NAME -->` and `<!-- /generated -->`.
func (a *app) sections() map[string]func(context.Context) (string, error) {
	plain := func(text func() string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return text(), nil }
	}
	all := map[string]func(context.Context) (string, error){
		"provider":     plain(func() string { return provider.Object().Markdown() }),
		"pipeline":     plain(func() string { return pipeline.Object().Markdown() }),
		"destination":  plain(func() string { return destination.Object().Markdown() }),
		"subscription": plain(func() string { return subscription.Object().Markdown() }),
		"sources":      plain(sourcesTable),
		"functions of templates": plain(func() string {
			var rows [][2]string
			for _, f := range signature.Functions() {
				rows = append(rows, [2]string{f.Name, f.Doc})
			}
			return pairsTable("function", "gives", rows)
		}),
		"functions": plain(func() string {
			var rows [][2]string
			for _, f := range value.Functions() {
				rows = append(rows, [2]string{f.Usage, f.Doc})
			}
			return pairsTable("function", "gives", rows)
		}),
		"algorithms": plain(algorithmsTable),
		"encodings":  plain(func() string { return pairsTable("encoding", "is", signature.Encodings()) }),
		"keys":       plain(func() string { return pairsTable("`key`", "the secret is", signature.KeyForms()) }),
		"units":      plain(func() string { return pairsTable("unit", "is", signature.Units()) }),
		"catalogue":  catalogueTable,
		"cli":        plain(a.commandPages),
	}
	for _, typ := range engine.NodeTypes() {
		// A hook's keys are those of a destination, which has a page of its own; an end has none.
		if typ.Name != "hook" && len(typ.Props.Fields) > 0 {
			all["node "+typ.Name] = plain(func() string { return strings.ReplaceAll(typ.Props.Markdown(), "\n### `", "\n#### `props.") })
		}
	}
	return all
}

// writeSections writes the generated parts of the pages anew, in place. Parts of other names are left alone.
func (a *app) writeSections(ctx context.Context, pages []string) error {
	known := a.sections()
	for _, page := range pages {
		old, err := os.ReadFile(page)
		if err != nil {
			return failed(fmt.Errorf("reading a page: %w", err))
		}
		var out strings.Builder
		rest := string(old)
		for {
			const begin, end = "<!-- generated: ", "<!-- /generated -->"
			before, after, ok := strings.Cut(rest, begin)
			name, after, closed := strings.Cut(after, " -->\n")
			body, after, ended := strings.Cut(after, end)
			if !ok || !closed || !ended {
				break
			}
			if write, ok := known[name]; ok {
				if body, err = write(ctx); err != nil {
					return err
				}
			}
			out.WriteString(before + begin + name + " -->\n" + body + end)
			rest = after
		}
		out.WriteString(rest)
		if out.String() == string(old) {
			continue
		}
		if err := os.WriteFile(page, []byte(out.String()), 0o644); err != nil {
			return failed(fmt.Errorf("writing a page: %w", err))
		}
	}
	return nil
}

func pairsTable(left, right string, rows [][2]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | %s |\n|---|---|\n", left, right)
	for _, r := range rows {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r[0], strings.ReplaceAll(r[1], "|", `\|`))
	}
	return b.String()
}

func algorithmsTable() string {
	var b strings.Builder
	b.WriteString("| algorithm | checks | `key` | `encoding` |\n|---|---|---|---|\n")
	quoted := func(words ...string) string {
		if len(words) == 0 || words[0] == "" {
			return "–"
		}
		return "`" + strings.Join(words, "`, `") + "`"
	}
	for _, a := range signature.Algorithms() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", a.Name, a.Doc, quoted(a.Keys...), quoted(a.Encoding))
	}
	return b.String()
}

func sourcesTable() string {
	var rows [][2]string
	for _, s := range signature.Sources() {
		rows = append(rows, [2]string{s.Example, s.Doc})
	}
	return pairsTable("source", "gives", rows)
}

// catalogueTable lists the providers of the catalogue.
func catalogueTable(ctx context.Context) (string, error) {
	bundle, err := catalogue(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	docs := bundle.Documents(manifest.Provider)
	fmt.Fprintf(&b, "%d providers.\n\n| `use:` | service | signature | events | handshake |\n|---|---|---|---|---|\n", len(docs))
	for _, doc := range docs {
		e := entryOf(doc)
		service, handshake := e.Title, ""
		if doc.Docs != "" {
			service = "[" + e.Title + "](" + doc.Docs + ")"
		}
		if e.Handshake {
			handshake = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %d | %s |\n", e.Name, service, e.Algorithm, e.Events, handshake)
	}
	return b.String(), nil
}
