// Package start is the node at which a pipeline begins that no event starts: another pipeline calls it, or a person or program
// runs it.
//
// What it is given is the run's input. Its output is the `payload` of all nodes behind it.
package start

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// The codes of a step that failed here.
const (
	// CodeMissingInput says that a required input was not given.
	CodeMissingInput script.Code = "missing_input"
	// CodeBadInput says that the input is no map, where the node declares names.
	CodeBadInput script.Code = "bad_input"
)

// Type describes the start node.
func Type() node.Type {
	return node.Type{
		Name:      "start",
		Doc:       "Begins a pipeline that is called by another one, or run by hand.",
		Entry:     true,
		NoTimeout: "a start waits for nothing: its input is there",
		Props: &field.Object{
			Name: "start",
			Doc:  "What the pipeline is given.",
			Fields: []field.Field{
				{
					Name: "input", Type: field.Any,
					Doc:     "The inputs by name, each a map of `required`, `default` and `description`. Others may be given, too.",
					Example: "{repository: {required: true}}",
				},
				{Name: "data", Type: field.Any, Doc: "A map of constants; an input of the same name takes the place of one.", Example: "{dry: true}"},
			},
			Hints: map[string]string{
				"inputs": "write `input`", "params": "write `input`", "parameters": "write `input`", "arguments": "write `input`", "args": "write `input`",
				"custom_data": "write `data`", "output_data_structure": "write `input`", "values": "write `data`", "vars": "write `data`",
				"trigger_mode": "leave it out; a `receive` node takes events", "provider": "a node of the type `receive` takes events",
				"event": "a node of the type `receive` takes events", "hook_event": "a node of the type `receive` takes events",
			},
		},
		Build: build,
	}
}

// declared describes one input.
func declared() *field.Object {
	return &field.Object{
		Name: "input",
		Fields: []field.Field{
			{Name: "required", Type: field.Bool, Doc: "`true`: without it the run fails."},
			{Name: "default", Type: field.Any, Doc: "What it is where it is not given."},
			{Name: "description", Type: field.String, Shown: true, Doc: "What it is for."},
		},
		Hints: map[string]string{
			"doc": "write `description`", "help": "write `description`", "value": "write `default`",
			"optional": "leave it out: an input that is not `required` is optional", "type": "leave it out: inputs have the types that they come with",
		},
	}
}

// Input is one declared input.
type Input struct {
	Name        string
	Description string
	Required    bool
	// Default is a plain value; nil for none.
	Default any
}

// Node is a built start node.
type Node struct {
	inputs []Input
	data   map[string]any
}

var _ node.Node = (*Node)(nil)

// Inputs gives the declared inputs in the order of the manifest.
func (n *Node) Inputs() []Input { return slices.Clone(n.inputs) }

func build(p *field.Values, _ node.Env, out *diag.List) node.Node {
	n := &Node{data: map[string]any{}}
	if data := p.Node("data"); isMap(p, "data", "write constants by name, such as `data: {dry: true}`", out) && constant(p.Path("data"), data, out) {
		n.data, _ = field.Plain(data).(map[string]any)
	}
	if !isMap(p, "input", "write inputs by name, such as `input: {repository: {required: true}}`", out) {
		return n
	}
	for _, e := range p.Node("input").Entries {
		path := p.Path("input") + "." + e.Key.Text
		if e.Value.Kind == source.Null {
			n.inputs = append(n.inputs, Input{Name: e.Key.Text})
			continue
		}
		if e.Value.Kind != source.Map {
			out.Errorf(diag.WrongType, e.Value.Span, "write it like {default: "+shown(e.Value)+"}", "`%s` takes a map of required, default and description, not %s",
				path, e.Value.Kind.WithArticle())
			continue
		}
		v := declared().DecodeAt(path, e.Value, out)
		in := Input{Name: e.Key.Text, Description: v.String("description"), Required: v.Bool("required")}
		if d := v.Node("default"); d != nil && constant(v.Path("default"), d, out) {
			in.Default = field.Plain(d)
			if in.Required {
				out.Errorf(diag.BadValue, d.Span, "drop one of the two", "`%s` is required and has a default, which would never be used", path)
			}
		}
		n.inputs = append(n.inputs, in)
	}
	return n
}

func shown(n *source.Node) string {
	if n.IsScalar() && len(n.Text) <= 40 && !strings.Contains(n.Text, "\n") {
		return n.Text
	}
	return "…"
}

// isMap says whether a key is there and a map; another value is a finding.
func isMap(p *field.Values, key, hint string, out *diag.List) bool {
	n := p.Node(key)
	if n == nil || n.Kind == source.Map {
		return n != nil
	}
	out.Errorf(diag.WrongType, n.Span, hint, "`%s` takes a map, not %s", p.Path(key), n.Kind.WithArticle())
	return false
}

// constant says whether a value is one: no reference and no template stands in it.
func constant(path string, n *source.Node, out *diag.List) bool {
	good := true
	for _, e := range n.Entries {
		good = constant(path, e.Value, out) && good
	}
	for _, item := range n.Items {
		good = constant(path, item, out) && good
	}
	if n.Kind != source.String {
		return good
	}
	if n.Value != nil && n.Value.HasRef() {
		out.Errorf(diag.ReferenceNotAllowed, n.Span, "secrets belong into headers and signing of a destination",
			"a reference cannot stand in `%s`, because the value is stored and shown", path)
		return false
	}
	if slices.ContainsFunc(script.Split(n.Text), func(p script.Piece) bool { return p.Expression }) {
		out.Errorf(diag.BadValue, n.Span, "make the value in a `code` node behind it, or under `vars:`", "`%s` holds constants, no templates", path)
		return false
	}
	return good
}

// Do makes the payload of the run: the constants, the defaults, and over them the input, which is the payload of the environment.
func (n *Node) Do(_ context.Context, in node.Input) (node.Outcome, error) {
	given, isMap := in.Env.Payload.(map[string]any)
	if in.Env.Payload != nil && !isMap {
		if len(n.inputs) == 0 && len(n.data) == 0 { // nothing asks for names
			return node.Value{V: in.Env.Payload}, nil
		}
		return nil, fmt.Errorf("reading the input: %w", &script.Error{Code: CodeBadInput, Message: "it is no map of names and values"})
	}
	payload := make(map[string]any, len(n.data)+len(given))
	maps.Copy(payload, n.data)
	maps.Copy(payload, given)
	var missing []string
	for _, i := range n.inputs {
		switch {
		case payload[i.Name] != nil:
		case i.Required:
			missing = append(missing, i.Name)
		case i.Default != nil && given[i.Name] == nil:
			payload[i.Name] = i.Default
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("reading the input: %w", &script.Error{Code: CodeMissingInput, Message: "it lacks " + strings.Join(missing, ", ")})
	}
	return node.Value{V: payload}, nil
}
