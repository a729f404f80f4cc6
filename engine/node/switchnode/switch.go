// Package switchnode is the node of the type switch, which lets pass on one of several named branches.
//
// It is transparent: what follows sees the output of what came before it. The operands of all cases that were looked at are recorded.
package switchnode

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/script/value"
	"github.com/headgate/headgate/engine/source"
)

// Default is the handle that is taken where no case holds.
const Default = "default"

// maxCases bounds a switch; what has more is a table, and belongs into code.
const maxCases = 100

// Type describes the switch node.
func Type() node.Type {
	return node.Type{
		Name:        "switch",
		Doc:         "Lets pass on the first of several named cases that holds, or on [default].",
		Transparent: true,
		Ways: func(p *field.Values) (handles []string, plain bool) {
			for _, c := range p.Objects("cases") {
				if name := c.String("name"); wrongName(name) == "" && !slices.Contains(handles, name) {
					handles = append(handles, name)
				}
			}
			return append(handles, Default), false
		},
		Props: &field.Object{
			Name: "switch",
			Doc:  "Named cases, tried in the order written.",
			Fields: []field.Field{
				{
					Name: "cases", Type: field.Objects, Required: true, Min: 1, Max: maxCases, Object: caseObject(), Doc: "The cases. An arrow leaves by a case's name.",
					Example: `[{name: urgent, when: payload.priority == "urgent"}]`,
				},
				{Name: "value", Type: field.Expression, Doc: "What the cases' `equals` is compared with.", Example: "payload.action"},
				{Name: "language", Type: field.Enum, Enum: languages(), Default: script.Default, Doc: "The language of `when` and `value`; `filter` is for `when` only."},
			},
			Hints: map[string]string{
				"branches": "write `cases`", "conditions": "write `cases`", "rules": "write `cases`", "routes": "write `cases`", "case": "write `cases`", "options": "write `cases`",
				"expression": "write `value`", "on": "write `value`", "key": "write `value`", "input": "write `value`", "property": "write `value`",
				"default": "connect `[default]` under `connections:`", "else": "connect `[default]` under `connections:`", "fallback": "connect `[default]` under `connections:`",
			},
		},
		Build: build,
	}
}

func caseObject() *field.Object {
	return &field.Object{
		Name: "case",
		Doc:  "One way out.",
		Fields: []field.Field{
			{Name: "name", Type: field.String, Shown: true, Required: true, Doc: "The name of the handle: `- \"Which[urgent] -> …\"`.", Example: "urgent"},
			{Name: "when", Type: field.Expression, Doc: "A condition.", Example: `payload.priority == "urgent"`},
			{Name: "equals", Type: field.Any, Doc: "What `value` must be: a plain value, or a list of them.", Example: "[opened, reopened]"},
		},
		Hints: map[string]string{
			"label": "write `name`", "branch": "write `name`", "handle": "write `name`", "id": "write `name`",
			"if": "write `when`", "expression": "write `when`", "condition": "write `when`", "filter": "write `when`", "expr": "write `when`",
			"is": "write `equals`", "eq": "write `equals`", "value": "write `equals`", "case": "write `equals`", "in": "write `equals`", "values": "write `equals`", "match": "write `equals`",
			"then": "draw an arrow from the case under `connections:`", "to": "draw an arrow from the case under `connections:`", "goto": "draw an arrow from the case under `connections:`",
			"next": "draw an arrow from the case under `connections:`", "nodes": "draw an arrow from the case under `connections:`", "target": "draw an arrow from the case under `connections:`",
		},
	}
}

// languages are those of conditions and of values, together.
func languages() []string {
	out := script.ConditionLanguages()
	for _, l := range script.CodeLanguages() {
		if l != "text" && !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// wrongName says why a case cannot have a name; "" where it can.
func wrongName(name string) string {
	switch {
	case name == Default:
		return "[default] is taken where no case holds"
	case name == "error":
		return "[error] is taken where the node fails"
	case name == "" || strings.ContainsAny(name, "[]") || strings.Contains(name, "->") || strings.TrimSpace(name) != name:
		return "names of cases hold no `->`, `[` or `]` and no space at their ends"
	}
	return ""
}

type choice struct {
	// value is nil where each case has a condition of its own.
	value script.Program
	cases []branch
}

// branch is one case: a condition, or values.
type branch struct {
	name   string
	when   script.Program
	equals []any
}

func build(p *field.Values, env node.Env, out *diag.List) node.Node {
	n := &choice{}
	byValue := p.Has("value") || !p.Good("value")
	if byValue && p.Good("language") && !slices.Contains(script.CodeLanguages(), p.String("language")) {
		out.Errorf(diag.BadValue, p.Span("language"), "choose another language, or drop `value` and write `when` in every case",
			"`%s` gives true or false, and no value that could be compared", p.String("language"))
	} else if p.Has("value") && p.Good("value") && p.Good("language") {
		n.value = script.CompileValue(p.String("language"), script.FromNode(p.Node("value")), env.Scope, out)
	}
	names := map[string]source.Span{}
	for _, c := range p.Objects("cases") {
		b := branch{name: c.String("name")}
		if span := c.Span("name"); c.Has("name") && c.Good("name") {
			if why := wrongName(b.name); why != "" {
				out.Errorf(diag.BadValue, span, why, "`%s` cannot be `%s`", c.Path("name"), b.name)
			} else if first, ok := names[b.name]; ok {
				out.Add(diag.Finding{
					Severity: diag.Error, Rule: diag.DuplicateName, Span: span, Message: fmt.Sprintf("there are two cases with the name %q", b.name),
					Related: []diag.Related{{Span: first, Message: "first written here"}},
				})
			} else {
				names[b.name] = span
			}
		}
		b.compile(p, c, byValue, env, out)
		n.cases = append(n.cases, b)
	}
	n.repeated(p, out)
	return n
}

// compile reads a case's condition or values.
func (b *branch) compile(p, c *field.Values, byValue bool, env node.Env, out *diag.List) {
	hasWhen, hasEquals := c.Has("when"), c.Has("equals")
	switch {
	case hasWhen && hasEquals:
		out.Errorf(diag.BadValue, c.KeySpan("when"), "drop one of the two", "a case has either `when` or `equals`")
	case byValue && hasWhen:
		out.Errorf(diag.BadValue, c.KeySpan("when"), "write `equals`, or drop `value` and write `when` in every case",
			"`%s` is not looked at, because the switch compares a `value`", c.Path("when"))
	case !byValue && hasEquals:
		out.Errorf(diag.MissingKey, c.KeySpan("equals"), "write beside `cases:` what is compared, such as `value: payload.action`",
			"`%s` has nothing to be compared with: the switch has no `value`", c.Path("equals"))
	case byValue && hasEquals:
		b.equals = plainValues(c, out)
	case hasWhen:
		if c.Good("when") && p.Good("language") {
			b.when = script.CompileCondition(p.String("language"), script.FromNode(c.Node("when")), env.Scope, out)
		}
	case !c.Good("when") || !c.Good("equals"): // a misspelling that is a finding already
	case byValue:
		out.Errorf(diag.MissingKey, c.Root().Span, "for example `equals: opened`", "the key `equals` is missing in `%s`", strings.TrimSuffix(c.Path("name"), ".name"))
	default:
		out.Errorf(diag.MissingKey, c.Root().Span, "for example `when: payload.priority == \"urgent\"`", "the key `when` is missing in `%s`",
			strings.TrimSuffix(c.Path("name"), ".name"))
	}
}

// plainValues reads `equals`: a value, or a list of values.
func plainValues(c *field.Values, out *diag.List) []any {
	n := c.Node("equals")
	items := []*source.Node{n}
	if n.Kind == source.List {
		items = n.Items
	}
	values := make([]any, 0, len(items))
	for _, item := range items {
		if item.Value != nil && item.Value.HasRef() {
			out.Errorf(diag.ReferenceNotAllowed, item.Span, "", "a reference cannot stand in `%s`, because the value is shown", c.Path("equals"))
			continue
		}
		if item.Kind == source.String && slices.ContainsFunc(script.Split(item.Text), func(p script.Piece) bool { return p.Expression }) {
			out.Errorf(diag.BadValue, item.Span, "drop `value`, and write `when:` with an expression in every case", "`%s` holds plain values, no templates", c.Path("equals"))
			continue
		}
		values = append(values, field.Plain(item))
	}
	return values
}

// repeated warns of values that two cases have: the second is never taken.
func (n *choice) repeated(p *field.Values, out *diag.List) {
	first := map[any]string{}
	for i, c := range p.Objects("cases") {
		for _, v := range n.cases[i].equals {
			switch v.(type) {
			case nil, bool, string, int64:
			default:
				continue
			}
			if name, ok := first[v]; ok && name != n.cases[i].name {
				out.Warnf(diag.BadValue, c.Span("equals"), "drop it from one of the two", "the case %q has this value, too, and is tried before", name)
				continue
			}
			first[v] = n.cases[i].name
		}
	}
}

// Do tries the cases in order.
func (n *choice) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	var notes node.Notes
	if n.value != nil {
		res, err := n.value.Eval(ctx, in.Env)
		notes.Reads, notes.Log = res.Reads, res.Log
		if err != nil {
			return node.Value{Notes: notes}, fmt.Errorf("evaluating the value: %w", err)
		}
		for _, b := range n.cases {
			if ok, err := equalsOne(ctx, res.Value, b.equals); err != nil {
				return node.Value{Notes: notes}, fmt.Errorf("comparing with case %q: %w", b.name, err)
			} else if ok {
				return node.Branch{Handle: b.name, Notes: notes}, nil
			}
		}
		return node.Branch{Handle: Default, Notes: notes}, nil
	}
	for _, b := range n.cases {
		res, err := b.when.Eval(ctx, in.Env)
		for _, r := range res.Reads { // an operand has the same value in every case
			if !slices.ContainsFunc(notes.Reads, func(o script.Read) bool { return o.Operand == r.Operand }) {
				notes.Reads = append(notes.Reads, r)
			}
		}
		notes.Log = append(notes.Log, res.Log...)
		if err != nil {
			return node.Value{Notes: notes}, fmt.Errorf("evaluating case %q: %w", b.name, err)
		}
		if yes, _ := res.Value.(bool); yes {
			return node.Branch{Handle: b.name, Notes: notes}, nil
		}
	}
	return node.Branch{Handle: Default, Notes: notes}, nil
}

func equalsOne(ctx context.Context, v any, wanted []any) (bool, error) {
	budget := value.NewBudget(ctx)
	for _, w := range wanted {
		if ok, err := budget.Equal(v, w); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}
