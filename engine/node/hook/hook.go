// Package hook is the node that sends a request: to a destination that it names, or to one that it describes itself.
//
// It asks for the delivery and does nothing itself: the worker makes the attempts, and the answer becomes the node's output. A hook
// that states keys of its own beside `destination:` sends to that destination with those keys in place. A hook with `subscribers:` has no
// address: it publishes, and is asked again in the run of each subscription that matches.
package hook

import (
	"context"
	"fmt"
	"slices"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/source"
)

// Type describes the hook node.
func Type() node.Type {
	return node.Type{
		Name:  "hook",
		Doc:   "Sends a request and waits for its answer, with retries.",
		Props: props(),
		Build: build,
	}
}

const (
	keyDestination = "destination"
	keyConfig      = "config"
	keyHookType    = "hook_type"
)

func props() *field.Object {
	return &field.Object{
		Name: "hook",
		Doc:  "A request to be sent.",
		Fields: append([]field.Field{
			{Name: keyDestination, Type: field.String, Shown: true, Doc: "The name of a destination.", Example: "ops-slack"},
			{Name: keyConfig, Type: field.Any, Object: &field.Object{Name: "config", Fields: optional()}, Doc: "The keys of a destination, where the hook names none."},
			{Name: keySubscribers, Type: field.Map, Object: subscribersObject(), Doc: "Sends to every subscription that matches, in place of a `url`.", Example: "{event: integration.connected, user: \"{{ payload.user_id }}\"}"},
			{Name: keyHookType, Type: field.Enum, Enum: []string{"webhook", "http"}, Doc: "Always a request over HTTP; may be left out."},
		}, optional()...),
		Hints: map[string]string{"destinations": "write `destination`", "payload": "write `body`", "uri": "write `url`", "retries": "write `retry`"},
	}
}

// optional gives the keys of a destination, none of which a hook must state: it may name a destination that has them.
func optional() []field.Field {
	fields := destination.InlineFields()
	for i := range fields {
		fields[i].Required = false
	}
	return fields
}

// Node is a built hook node.
type Node struct {
	named  string
	inline *destination.Destination
	key    string
	gate   string
	// audience is whom a hook to subscribers tells; nil for all others.
	audience *audience
}

var _ node.Node = (*Node)(nil)

// Named gives the destination that the hook names, "" where it describes its own.
func (n *Node) Named() string { return n.named }

// Inline gives the destination that the hook describes, wholly or in part; nil where it only names one. That of a hook to subscribers is
// a template without an address.
func (n *Node) Inline() *destination.Destination { return n.inline }

func build(p *field.Values, env node.Env, out *diag.List) node.Node {
	if !p.Good(keyDestination) || !p.Good(keySubscribers) {
		return nil
	}
	if p.Has(keySubscribers) {
		return buildPublisher(p, env, out)
	}
	n := &Node{named: p.String(keyDestination)}
	var base *manifest.Document
	if n.named != "" {
		doc, ok := env.World.Destination(n.named)
		if !ok {
			out.Errorf(diag.DanglingReference, p.Span(keyDestination), diag.DidYouMean(n.named, env.World.Destinations()), "there is no destination %q", n.named)
			return nil
		}
		if doc == nil {
			return nil
		}
		base = doc
	}
	own := merged(p, out)
	if own == nil {
		return nil
	}
	if len(own.Entries) == 0 && base != nil {
		n.key, n.gate = n.named, n.named
		return n
	}
	if len(own.Entries) == 0 {
		out.Errorf(diag.MissingKey, env.Span, "name a `destination:`, or write `url:` or `subscribers:`", "hook %q does not say where to send to", env.Label)
		return nil
	}
	n.key = env.Pipeline + "/" + env.Label
	n.inline = destination.CompileInline(n.key, own, base, env.Scope, out, destination.Options{Dev: env.Egress.Dev, Allowed: env.Egress.Allowed})
	if n.inline == nil {
		return nil
	}
	n.gate = n.inline.Gate
	return n
}

// merged gives the destination's keys that the hook states, directly and under config; what is written directly wins. It is nil where
// config is no map.
func merged(p *field.Values, out *diag.List) *source.Node {
	own, known := &source.Node{Kind: source.Map, Span: p.Root().Span}, optional()
	add := func(n *source.Node, direct bool) {
		for _, e := range n.Entries {
			key := e.Key.Text
			switch key {
			case keyDestination, keyConfig, keyHookType, keySubscribers:
				continue
			}
			if direct { // what is wrong there has been found already
				if !slices.ContainsFunc(known, func(f field.Field) bool { return f.Name == key }) {
					continue
				}
				if !p.Good(key) {
					e.Value = refused(e.Value)
				}
			}
			if own.Get(e.Key.Text) != nil {
				out.Warnf(diag.DuplicateKey, e.Key.Span, "write it once", "`%s` is written beside `config:` and in it; the one beside it counts", e.Key.Text)
				continue
			}
			own.Entries = append(own.Entries, e)
		}
	}
	add(p.Root(), true)
	if c := p.Node(keyConfig); c != nil {
		if c.Kind != source.Map {
			out.Errorf(diag.WrongType, c.Span, "write the destination's keys under it, such as `config: {url: …}`", "`%s` takes a map, not %s", p.Path(keyConfig), c.Kind.WithArticle())
			return nil
		}
		add(c, false)
	}
	for _, f := range known {
		if p.Node(f.Name) == nil && !p.Good(f.Name) && own.Get(f.Name) == nil { // a key beside config is its misspelling
			own.Entries = append(own.Entries, source.NewEntry(f.Name, own.Span, refused(source.NewString("", own.Span))))
		}
	}
	return own
}

// refused gives a value of which a finding speaks.
func refused(n *source.Node) *source.Node {
	c := *n
	c.Refused = true
	return &c
}

// Do asks for the delivery. A body that the hook states is rendered here, under the run's own revision; address, headers and secrets
// are the live ones when the request is made. A hook to subscribers asks for it in the run of each of them.
func (n *Node) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	out := node.Deliver{Destination: n.key, Gate: n.gate}
	if n.audience != nil {
		if in.Subscription == "" {
			return n.audience.publish(ctx, in)
		}
		out.Gate, out.Subscription = run.SubscriptionGate+in.Subscription, in.Subscription
	}
	if n.inline != nil && n.inline.HasBody() {
		body, err := n.inline.RenderBody(ctx, in.Env)
		if err != nil {
			return nil, fmt.Errorf("rendering the body: %w", err)
		}
		out.Body, out.HasBody = body, true
	}
	return out, nil
}
