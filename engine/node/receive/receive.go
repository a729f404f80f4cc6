// Package receive is the node that starts a run: it names a provider, its events, and a filter that decides whether the event
// is for this pipeline.
//
// The names are matched before a run exists ([Node.Matches]); the filter is evaluated as the run's first step, so that a
// filtered run is recorded with the values that its filter read.
package receive

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
)

// Type describes the receive node.
func Type() node.Type {
	return node.Type{
		Name:      "receive",
		Doc:       "Starts a run for each event of a provider that its names and its filter let in.",
		Entry:     true,
		NoTimeout: "a receive waits for nothing: it looks at an event that is there",
		Props: &field.Object{
			Name: "receive",
			Doc:  "Which events start the pipeline.",
			Fields: []field.Field{
				{Name: "provider", Type: field.String, Shown: true, Required: true, Doc: "The provider's name; `*` for any, `internal` for events that Headgate makes itself: those of `emit` nodes, `run.parked`, `destination.failing`, `destination.disabled`.", Example: "acme"},
				{Name: "event", Type: field.Strings, Shown: true, Doc: "The event name, or a list of them; `*` and `prefix*` match many. Default: every event of the provider.", Example: "order.created"},
				{Name: "filter", Type: field.Expression, Doc: "A condition; where it is not true the run is recorded as filtered.", Example: `payload.total > 100`},
				{Name: "language", Type: field.Enum, Enum: script.FilterLanguages(), Default: script.Default, Doc: "The filter's language."},
				{Name: "include_payload", Type: field.Bool, Default: "true", Doc: "`false` keeps the payload from all nodes behind this one, and from the record of the run. The filter sees it."},
			},
			Hints: map[string]string{
				"events": "write `event`", "hook_event": "write `event`", "name": "write `event`", "on": "write `event`",
				"hook_filters": "write `filter`", "filters": "write `filter`", "expression": "write `filter`", "condition": "write `filter`", "when": "write `filter`",
				"source": "write `provider`", "service": "write `provider`", "payload": "write `include_payload`",
			},
		},
		Build: build,
	}
}

// Node is a built receive node.
type Node struct {
	// Provider is the name of the provider whose events it takes.
	Provider string
	// IncludePayload is false where the payload is kept from the nodes behind it.
	IncludePayload bool

	events node.Events
	filter script.Program
}

var _ node.Node = (*Node)(nil)

func build(p *field.Values, env node.Env, out *diag.List) node.Node {
	n := &Node{Provider: p.String("provider"), IncludePayload: p.Bool("include_payload"), events: node.CompileEvents(p, env, out)}
	if p.Has("filter") && p.Good("filter") && p.Good("language") {
		n.filter = script.CompileCondition(p.String("language"), script.FromNode(p.Node("filter")), env.Scope, out)
	}
	return n
}

// From says whether events of a provider may be for this node.
func (n *Node) From(provider string) bool { return n.events.From(provider) }

// Matches says whether an event of a provider is for this node, by its name.
func (n *Node) Matches(provider, name string) bool {
	return n.events.From(provider) && n.events.Matches(name)
}

// Begins says whether an event of a provider may be for this node whose name begins so.
func (n *Node) Begins(provider, prefix string) bool {
	return n.events.From(provider) && n.events.Begins(prefix)
}

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
