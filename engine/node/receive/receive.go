// Package receive is the node that starts a run: it names a provider, its events, and a filter that decides whether the event
// is for this pipeline.
//
// The names are matched before a run exists ([Node.Matches]); the filter is evaluated as the run's first step, so that a
// filtered run is recorded with the values that its filter read.
package receive

import (
	"context"
	"fmt"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// Type describes the receive node.
func Type() node.Type {
	return node.Type{
		Name:  "receive",
		Doc:   "Starts a run for each event of a provider that its names and its filter let in.",
		Entry: true,
		Props: &field.Object{
			Name: "receive",
			Doc:  "Which events start the pipeline.",
			Fields: []field.Field{
				{Name: "provider", Type: field.String, Required: true, Doc: "The provider's name."},
				{Name: "event", Type: field.Strings, Doc: "The event name, or a list of them; `*` and `prefix*` match many. Default: every event of the provider.", Example: "push"},
				{Name: "filter", Type: field.Expression, Doc: "A condition; where it is not true the run is recorded as filtered.", Example: `payload.action == "opened"`},
				{Name: "language", Type: field.Enum, Enum: script.ConditionLanguages(), Default: "expr", Doc: "The filter's language."},
			},
			Hints: map[string]string{"events": "write `event`", "hook_event": "write `event`", "hook_filters": "write `filter`", "expression": "write `filter`"},
		},
		Build: build,
	}
}

// Node is a built receive node.
type Node struct {
	// Provider is the name of the provider whose events it takes.
	Provider string
	events   field.Set
	filter   script.Program
}

var _ node.Node = (*Node)(nil)

func build(p *field.Values, env node.Env, out *diag.List) node.Node {
	n := &Node{Provider: p.String("provider")}
	events, open, ok := env.World.Provider(n.Provider)
	if !ok && n.Provider != "" {
		out.Errorf(diag.DanglingReference, p.Span("provider"), diag.DidYouMean(n.Provider, env.World.Providers()),
			"there is no provider %q", n.Provider)
	}
	names := p.Strings("event")
	if len(names) == 0 {
		names = []string{"*"}
	}
	set, err := field.ParseSet(names)
	if err != nil {
		out.Errorf(diag.BadValue, p.Span("event"), "", "event: %v", err)
	}
	n.events = set
	if ok && !open {
		for i, name := range names {
			if one, err := field.ParseSet([]string{name}); err == nil && !matchesAny(one, events) {
				out.Errorf(diag.DanglingReference, eventSpan(p, i), eventHint(name, n.Provider, events),
					"provider %q has no event %q", n.Provider, name)
			}
		}
	}
	if p.Has("filter") && p.Good("filter") && p.Good("language") {
		n.filter = script.CompileCondition(p.String("language"), script.FromNode(p.Node("filter")), env.Scope, out)
	}
	return n
}

// eventSpan gives the place of one of the names under `event`.
func eventSpan(p *field.Values, i int) source.Span {
	if n := p.Node("event"); n != nil && n.Kind == source.List && i < len(n.Items) {
		return n.Items[i].Span
	}
	return p.Span("event")
}

func matchesAny(set field.Set, names []string) bool {
	for _, name := range names {
		if set.Match(name) {
			return true
		}
	}
	return false
}

func eventHint(name, provider string, events []string) string {
	if hint := diag.DidYouMean(name, events); hint != "" {
		return hint
	}
	if len(events) == 0 {
		return fmt.Sprintf("declare it under `events:` of provider %q", provider)
	}
	if len(events) > 8 {
		events = append(events[:8:8], "…")
	}
	return "its events are " + strings.Join(events, ", ")
}

// Matches says whether an event of that name is for this node; its provider is compared by the caller.
func (n *Node) Matches(name string) bool { return n.events.Match(name) }

// Do evaluates the filter.
func (n *Node) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	if n.filter == nil {
		return node.Value{}, nil
	}
	res, err := n.filter.Eval(ctx, in.Env)
	if err != nil {
		return node.Value{Notes: node.Notes{Reads: res.Reads, Log: res.Log}}, fmt.Errorf("evaluating the filter: %w", err)
	}
	notes := node.Notes{Reads: res.Reads, Log: res.Log}
	if pass, _ := res.Value.(bool); !pass {
		return node.Filtered{Notes: notes}, nil
	}
	return node.Value{Notes: notes}, nil
}
