package trial

import (
	"cmp"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/subscription"
)

// references turns made-up values back into the references that they stand for. A bundle that was loaded without an environment has a
// value made up for each of them.
type references struct{ back *strings.Replacer }

// referencesOf collects the references of destinations and hooks.
func referencesOf(b *manifest.Bundle) *references {
	seen := map[string]string{}
	for _, kind := range []manifest.Kind{manifest.Destination, manifest.Pipeline, manifest.Subscription} {
		for _, doc := range b.Documents(kind) {
			collectReferences(doc.Root, seen)
		}
	}
	for _, doc := range b.Documents(manifest.Subscription) {
		if n := doc.Root.Get("url"); n != nil && n.Value != nil && n.Value.HasRef() {
			seen[subscription.MadeUpURL(*n.Value)] = n.Value.String()
		}
	}
	values := make([]string, 0, len(seen))
	for v := range seen {
		values = append(values, v)
	}
	slices.SortFunc(values, func(x, y string) int { return cmp.Or(cmp.Compare(len(y), len(x)), cmp.Compare(x, y)) })
	var pairs []string
	for _, v := range values {
		pairs = append(pairs, v, seen[v])
	}
	return &references{back: strings.NewReplacer(pairs...)}
}

func collectReferences(n *source.Node, into map[string]string) {
	if n == nil {
		return
	}
	if n.Value != nil {
		for _, p := range n.Value.Parts() {
			if value := p.Value.Reveal(); p.Placeholder && into[value] == "" {
				into[value] = p.Ref
			}
		}
	}
	for _, e := range n.Entries {
		collectReferences(e.Value, into)
	}
	for _, item := range n.Items {
		collectReferences(item, into)
	}
}

// written gives a text with its references as the manifest writes them.
func (r *references) written(text string) string { return r.back.Replace(text) }
