package script

import (
	"context"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script/value"
	"github.com/headgate/headgate/engine/source"
)

// Tree is a YAML tree whose strings are templates; its names and all other scalars are as they are written. It may be rendered by
// many goroutines at once.
type Tree struct{ root branch }

// branch is one node of a Tree: a fixed value, a template, a list or a map. The zero branch is null.
type branch struct {
	fixed    any
	template *Template
	items    []branch
	members  []namedBranch
	isList   bool
	isMap    bool
}

type namedBranch struct {
	name  string
	value branch
}

// CompileTree compiles a tree; a nil node gives null. Secrets never come into a tree: a reference anywhere in it is a finding. It gives
// nil where there are findings.
func CompileTree(n *source.Node, scope Scope, out *diag.List) *Tree {
	c := treeCompiler{scope: scope, out: out}
	before := out.Count(diag.Error)
	root := c.branch(n, 0)
	if out.Count(diag.Error) > before {
		return nil
	}
	return &Tree{root: root}
}

type treeCompiler struct {
	scope Scope
	out   *diag.List
}

func (c *treeCompiler) branch(n *source.Node, depth int) branch {
	if n == nil {
		return branch{}
	}
	if depth > value.MaxDepth {
		c.out.Errorf(diag.ExpressionTooLarge, n.Span, "", "the value nests deeper than %d", value.MaxDepth)
		return branch{}
	}
	switch n.Kind {
	case source.Map:
		b := branch{isMap: true}
		for _, e := range n.Entries {
			c.refuseReference(e.Key)
			b.members = append(b.members, namedBranch{e.Key.Text, c.branch(e.Value, depth+1)})
		}
		return b
	case source.List:
		b := branch{isList: true}
		for _, item := range n.Items {
			b.items = append(b.items, c.branch(item, depth+1))
		}
		return b
	case source.String:
		return c.text(n)
	}
	v, ok := scalar(n)
	if !ok {
		c.out.Errorf(diag.BadValue, n.Span, "write it in quotes if it is text", "%s has no JSON form", n.Text)
	}
	return branch{fixed: v}
}

func (c *treeCompiler) text(n *source.Node) branch {
	if c.refuseReference(n) {
		return branch{}
	}
	t := CompileTemplate(FromNode(n), c.scope, c.out)
	if t == nil {
		return branch{}
	}
	if text, ok := t.Static(); ok {
		return branch{fixed: text}
	}
	return branch{template: t}
}

func (c *treeCompiler) refuseReference(n *source.Node) bool {
	if n.Value == nil || !n.Value.HasRef() {
		return false
	}
	c.out.Errorf(diag.ReferenceNotAllowed, n.Span, "secrets belong into headers and signing of a destination", "a reference cannot stand here, because the value is stored and shown")
	return true
}

// scalar gives the value of a scalar that is no string, as YAML 1.2 writes it.
func scalar(n *source.Node) (any, bool) {
	text := n.Text
	switch n.Kind {
	case source.Null:
		return nil, true
	case source.Bool:
		return strings.EqualFold(text, "true"), true
	case source.Int:
		if v, err := strconv.ParseInt(text, 0, 64); err == nil {
			return v, true
		}
	case source.Float:
		if f, err := strconv.ParseFloat(text, 64); err == nil && !isJSON(text) { // YAML's own spellings: +1.5, .5
			_, err := payload.Encode(f)
			return f, err == nil
		}
	}
	if isJSON(text) {
		return payload.Number(text), true
	}
	return nil, false
}

func isJSON(text string) bool { return payload.Check([]byte(text), payload.Limits{}) == nil }

// Render gives the tree with the values of its templates. The error is an *Error; the context ends the evaluation early.
func (t *Tree) Render(ctx context.Context, env *Env) (any, error) {
	limited, cancel := context.WithTimeout(ctx, value.MaxTime)
	defer cancel()
	v, err := t.root.render(limited, env)
	if err != nil {
		return nil, tooLong(ctx, err)
	}
	budget := value.NewBudget(ctx)
	out, err := budget.Output(v) // for its size: each value alone may be small
	return out, err
}

func (b branch) render(ctx context.Context, env *Env) (any, error) {
	switch {
	case b.template != nil && b.template.sole:
		return b.template.value(ctx, env)
	case b.template != nil:
		text, err := b.template.join(ctx, env, nil)
		return text, err
	case b.isList:
		out := make([]any, len(b.items))
		for i, item := range b.items {
			v, err := item.render(ctx, env)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	case b.isMap:
		out := make(map[string]any, len(b.members))
		for _, m := range b.members {
			v, err := m.value.render(ctx, env)
			if err != nil {
				return nil, err
			}
			out[m.name] = v
		}
		return out, nil
	}
	return b.fixed, nil
}
