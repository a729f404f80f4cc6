package snapshot

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
)

// compareWithCatalogue warns of a provider that has the name and the signature's header of one in the catalogue, and yet checks
// something else: that is a rule written from memory, which will refuse what is genuine or bind less than it could.
func compareWithCatalogue(ctx context.Context, o Options, bundle *manifest.Bundle, out *diag.List) {
	if o.Manifest.Catalogue == nil {
		return
	}
	for _, doc := range bundle.Documents(manifest.Provider) {
		own := rulesOf(doc)
		if len(own) == 0 || doc.Partial || own[0].node.Span.IsZero() || strings.HasPrefix(own[0].node.Span.File.Name, manifest.CataloguePrefix) {
			continue // the rule is the catalogue's own
		}
		known := catalogued(ctx, o, doc.Name)
		if known == nil {
			continue
		}
		theirs := rulesOf(known)
		for _, r := range own {
			if what := differs(r, theirs); what != "" {
				out.Add(diag.Finding{
					Severity: diag.Warning, Rule: diag.DiffersFromCatalogue, Span: r.node.Span,
					Hint:    fmt.Sprintf("write `use: %s` and leave `signature` out, or give the provider another name", doc.Name),
					Message: fmt.Sprintf("the catalogue's provider %q %s", doc.Name, what),
				})
				break
			}
		}
	}
}

// catalogued reads the catalogue's provider of a name, apart from the bundle: what is only compared is no source of it.
func catalogued(ctx context.Context, o Options, name string) *manifest.Document {
	file := name + "/provider.yaml"
	text, err := fs.ReadFile(o.Manifest.Catalogue, file)
	if err != nil {
		return nil // there is none of that name
	}
	bundle, _ := manifest.Load(ctx, manifest.Options{
		Files: []*source.File{source.NewFile(file, text)}, Catalogue: o.Manifest.Catalogue, NoEnv: true,
	})
	return bundle.Find(manifest.Provider, name)
}

// comparedRule is what of a signature rule decides what is checked, with defaults filled in.
type comparedRule struct {
	node                *source.Node
	headers             []string // in lower case
	algorithm, key, enc string
	signed              []string
}

func rulesOf(doc *manifest.Document) []comparedRule {
	n := doc.Root.Get("signature")
	if n == nil || n.Refused {
		return nil
	}
	nodes := []*source.Node{n}
	if n.Kind == source.List {
		nodes = n.Items
	}
	var out []comparedRule
	for _, n := range nodes {
		if n.Kind != source.Map {
			continue
		}
		r := comparedRule{
			node: n, algorithm: strings.Join(texts(n.Get("algorithm")), ""), key: strings.Join(texts(n.Get("key")), ""),
			enc: strings.Join(texts(n.Get("encoding")), " or "), signed: texts(n.Get("signed")),
		}
		for _, h := range append(texts(n.Get("header")), texts(n.Get("from"))...) {
			r.headers = append(r.headers, strings.ToLower(strings.TrimPrefix(h, "header:")))
		}
		if r.key == "" {
			r.key = "utf8"
		}
		if r.enc == "" {
			r.enc = "hex"
		}
		if len(r.signed) == 0 {
			r.signed = []string{"{body}"}
		}
		out = append(out, r)
	}
	return out
}

// texts gives a scalar, or a list of scalars.
func texts(n *source.Node) []string {
	switch {
	case n == nil:
		return nil
	case n.Kind == source.List:
		var out []string
		for _, item := range n.Items {
			out = append(out, texts(item)...)
		}
		return out
	case n.Kind == source.String:
		return []string{n.Text}
	}
	return nil
}

// differs says in what a rule differs from all that are known for the same header; "" where one of them is the same, or where the
// header is another, as it then is another service of that name.
func differs(r comparedRule, known []comparedRule) string {
	what := ""
	for _, k := range known {
		if !slices.ContainsFunc(r.headers, func(h string) bool { return slices.Contains(k.headers, h) }) {
			continue
		}
		common := slices.ContainsFunc(r.signed, func(s string) bool { return slices.Contains(k.signed, s) })
		switch {
		case k.algorithm != r.algorithm:
			what = "uses " + k.algorithm
		case !common:
			what = fmt.Sprintf("signs %q", k.signed[0])
		case k.key != r.key:
			what = "has a secret that is " + k.key
		case k.enc != r.enc && !strings.Contains(r.enc, k.enc):
			what = "writes its signature in " + k.enc
		default:
			return ""
		}
	}
	return what
}
