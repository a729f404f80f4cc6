// Package pick is the node type that docs/adding-a-node.md shows: it hands on some members of a map, and leaves out the others.
//
// It is in no list of node types; its tests are those that the page shows.
package pick

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// CodeNoMap says that what came in has no members.
const CodeNoMap script.Code = "no_map"

// Type describes the pick node.
func Type() node.Type {
	return node.Type{
		Name: "pick",
		Doc:  "Hands on some members of what came in.",
		Props: &field.Object{
			Name: "pick",
			Doc:  "Which members are handed on.",
			Fields: []field.Field{
				{Name: "keys", Type: field.Strings, Required: true, Min: 1, Max: 50, Doc: "The names of the members.", Example: "[id, title]"},
			},
			Hints: map[string]string{"fields": "write `keys`", "only": "write `keys`", "members": "write `keys`"},
		},
		Build: build,
	}
}

type pick struct{ keys []string }

// build checks what a description cannot say. It opens nothing and starts nothing.
func build(p *field.Values, _ node.Env, out *diag.List) node.Node {
	n, seen := &pick{keys: p.Strings("keys")}, map[string]source.Span{}
	if list := p.Node("keys"); list != nil && list.Kind == source.List {
		for _, item := range list.Items {
			if first, ok := seen[item.Text]; ok {
				out.Add(diag.Finding{
					Severity: diag.Error, Rule: diag.DuplicateName, Span: item.Span, Hint: "write it once",
					Message: fmt.Sprintf("the key %q is written twice", item.Text),
					Related: []diag.Related{{Span: first, Message: "first written here"}},
				})
			}
			seen[item.Text] = item.Span
		}
	}
	return n
}

// Do makes a new map: what came in is shared with other nodes and must not be changed.
func (n *pick) Do(_ context.Context, in node.Input) (node.Outcome, error) {
	from, ok := in.Message.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("picking members: %w", &script.Error{Code: CodeNoMap, Message: "what came in is no map"})
	}
	picked := make(map[string]any, len(n.keys))
	for _, key := range n.keys {
		if v, ok := from[key]; ok {
			picked[key] = v
		}
	}
	return node.Value{V: picked}, nil
}
