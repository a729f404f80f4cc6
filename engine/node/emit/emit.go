// Package emit is the node that puts a new event into the log, for other pipelines to receive from the provider `internal`.
package emit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
)

// CodeBadEvent says that the template of the event's name gave none.
const CodeBadEvent script.Code = "bad_event"

// maxName bounds the name of an event: it stands in lists and as a label in metrics.
const maxName = 200

// Type describes the emit node.
func Type() node.Type {
	return node.Type{
		Name: "emit",
		Doc:  "Puts a new event into the log, which `receive` nodes of the provider `internal` take.",
		Props: &field.Object{
			Name: "emit",
			Doc:  "The event that is made.",
			Fields: []field.Field{
				{Name: "event", Type: field.Template, Required: true, Doc: "The event's name, or a template that gives it.", Example: "integration.connected"},
				{Name: "payload", Type: field.Any, Doc: "The event's payload; strings in it may be templates. Default: what came in.", Example: `{id: "{{ payload.id }}"}`},
			},
			Hints: map[string]string{
				"name": "write `event`", "type": "write `event`", "topic": "write `event`", "body": "write `payload`", "data": "write `payload`",
				"input": "write `payload`", "provider": "leave it out: the provider of what is emitted is always `internal`",
			},
		},
		Build: build,
	}
}

type emit struct {
	name    *script.Template
	payload *script.Tree // nil: what came in
}

var _ node.Emitter = (*emit)(nil)

func build(p *field.Values, env node.Env, out *diag.List) node.Node {
	n := &emit{}
	if p.Has("event") && p.Good("event") {
		n.name = script.CompileTemplate(script.FromNode(p.Node("event")), env.Scope, out)
		if n.name != nil {
			if name, ok := n.name.Static(); ok {
				if why := wrongName(name); why != "" {
					out.Errorf(diag.BadValue, p.Span("event"), "write a name such as integration.connected", "`%s` is no name of an event: it %s", p.Path("event"), why)
				}
			}
		}
	}
	if p.Has("payload") && p.Good("payload") {
		n.payload = script.CompileTree(p.Node("payload"), env.Scope, out)
	}
	if n.name == nil {
		return nil
	}
	return n
}

// wrongName says why a text is no name of an event; "" where it is one.
func wrongName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxName:
		return fmt.Sprintf("has more than %d bytes", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "holds blanks or control characters"
	case strings.Contains(name, "*"):
		return "holds a `*`, which stands for many names in a `receive`"
	case slices.ContainsFunc(event.Own(), func(d event.Declared) bool { return d.Name == name }):
		return "is the name of an event that Headgate tells of itself"
	}
	return ""
}

// Emits implements node.Emitter.
func (n *emit) Emits() (name string, whole bool) {
	_, whole = n.name.Static()
	return n.name.Prefix(), whole
}

// Do makes the event.
func (n *emit) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	v, err := n.name.Render(ctx, in.Env)
	if err != nil {
		return nil, fmt.Errorf("rendering the event's name: %w", err)
	}
	name, ok := v.(string)
	why := wrongName(name)
	if !ok {
		why = "is no text"
	}
	if why != "" {
		return nil, fmt.Errorf("rendering the event's name: %w", &script.Error{Code: CodeBadEvent, Message: "it " + why})
	}
	payload := in.Message
	if n.payload != nil {
		if payload, err = n.payload.Render(ctx, in.Env); err != nil {
			return nil, fmt.Errorf("rendering the payload: %w", err)
		}
	}
	return node.Emit{Event: name, Payload: payload}, nil
}
