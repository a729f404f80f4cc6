// Package foreach is the node that runs a small diagram of its own for every item of a list.
//
// The diagram, `nodes` and `connections` under its props, is compiled by engine/pipeline; this package describes the keys and finds
// the items.
package foreach

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
)

// CodeTooManyItems says that a list holds more items than the node takes.
const CodeTooManyItems script.Code = "too_many_items"

// Type describes the foreach node.
func Type() node.Type {
	return node.Type{
		Name:      "foreach",
		Doc:       "Runs nodes of its own for every item of a list, and joins what they come to.",
		Body:      true,
		NoTimeout: "give the nodes of its body one",
		Props: &field.Object{
			Name: "foreach",
			Doc:  "A list, and what is done with each of its items.",
			Fields: []field.Field{
				{Name: "items", Type: field.Expression, Required: true, Doc: "The list. A map gives `{key, value}` for each of its names, in order; null is an empty list.", Example: "payload.commits"},
				{Name: "as", Type: field.String, Shown: true, Default: "item", Doc: "The item's name in the body."},
				{Name: "index", Type: field.String, Shown: true, Default: "index", Doc: "The name of the item's number, from 0."},
				{Name: "parallel", Type: field.Int, Min: 1, Max: 20, Default: "1", Doc: "How many items are worked on at once."},
				{Name: "max", Type: field.Int, Min: 1, Max: 1000, Default: "100", Doc: "How many items there may be; with more the step fails."},
				{Name: "on_error", Type: field.Enum, Enum: []string{"fail", "continue"}, Default: "fail", Doc: "`continue`: an item that failed gives `{error: …}` in its place, and the step does not fail."},
				{Name: "nodes", Type: field.Any, Required: true, Doc: "The nodes that run for each item, as in a pipeline."},
				{Name: "connections", Type: field.Any, Doc: "Their connections. Default: they chain in the order written."},
			},
			Hints: map[string]string{
				"list": "write `items`", "each": "write `items`", "in": "write `items`", "over": "write `items`", "expression": "write `items`", "collection": "write `items`", "array": "write `items`",
				"item": "write `as`", "var": "write `as`", "name": "write `as`", "index_as": "write `index`",
				"concurrency": "write `parallel`", "workers": "write `parallel`", "max_items": "write `max`", "limit": "write `max`",
				"continue_on_error": "write `on_error: continue`", "ignore_errors": "write `on_error: continue`", "fail_fast": "write `on_error`",
				"steps": "write `nodes`", "do": "write `nodes`", "body": "write `nodes`", "edges": "write `connections`", "arrows": "write `connections`",
				"batch_size": "write `parallel` for items at once; a `batch` node collects",
			},
		},
		Build: build,
	}
}

type foreach struct {
	items    script.Program
	as       string
	index    string
	parallel int
	max      int
	goOn     bool
}

func build(p *field.Values, env node.Env, out *diag.List) node.Node {
	n := &foreach{
		as: p.String("as"), index: p.String("index"), parallel: int(p.Int("parallel")), max: int(p.Int("max")), goOn: p.String("on_error") == "continue",
	}
	for _, key := range []string{"as", "index"} {
		checkName(p, key, env, out)
	}
	if n.as == n.index && p.Good("as") && p.Good("index") {
		out.Errorf(diag.DuplicateName, p.Span("index"), "", "the item and its number have the same name %q", n.as)
	}
	if !p.Has("items") || !p.Good("items") {
		return nil
	}
	if n.items = script.CompileValue(script.Default, script.FromNode(p.Node("items")), env.Scope, out); n.items == nil {
		return nil
	}
	return n
}

// checkName finds names that expressions could not speak of, and those that something else has.
func checkName(p *field.Values, key string, env node.Env, out *diag.List) {
	name := p.String(key)
	switch {
	case !p.Good(key):
	case !script.Scope{Labels: []string{name}}.IsLabel(name):
		out.Errorf(diag.BadName, p.Span(key), "write letters, digits and `_`, such as `commit`",
			"`%s` cannot be `%s`: it is no name, or has a meaning of its own in expressions", p.Path(key), name)
	case slices.Contains(env.Scope.Labels, name):
		out.Errorf(diag.DuplicateName, p.Span(key), "write another name under `"+key+"`",
			"`%s` cannot be `%s`: a node before this one, or a foreach around it, has that name", p.Path(key), name)
	}
}

// Do finds the items.
func (n *foreach) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	res, err := n.items.Eval(ctx, in.Env)
	notes := node.Notes{Reads: res.Reads, Log: res.Log}
	if err != nil {
		return node.Value{Notes: notes}, fmt.Errorf("evaluating the items: %w", err)
	}
	var items []any
	switch v := res.Value.(type) {
	case nil:
	case []any:
		items = v
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			items = append(items, map[string]any{"key": key, "value": v[key]})
		}
	default:
		return node.Value{Notes: notes}, fmt.Errorf("evaluating the items: %w", &script.Error{Code: script.Expression, Message: "they are neither a list nor a map"})
	}
	if len(items) > n.max {
		return node.Value{Notes: notes}, fmt.Errorf("evaluating the items: %w", &script.Error{
			Code: CodeTooManyItems, Message: fmt.Sprintf("there are %d, where `max` lets in %d", len(items), n.max),
		})
	}
	return node.Each{Items: items, As: n.as, Index: n.index, Parallel: n.parallel, Continue: n.goOn, Notes: notes}, nil
}
