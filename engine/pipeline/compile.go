package pipeline

import (
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// MaxNodes bounds a diagram.
const MaxNodes = 500

// Options is what Compile needs besides the document.
type Options struct {
	// Types are the node types that a manifest may name, in the order that hints list them.
	Types []node.Type
	World node.World
	// Shared keeps what compiling many expressions has in common; may be nil.
	Shared *script.Shared
	// Dev is `serve --dev`.
	Dev bool
}

// Object describes the document of a pipeline.
func Object() *field.Object {
	return &field.Object{
		Name: "pipeline",
		Doc:  "A diagram of nodes joined by connections: what happens after an event.",
		Fields: append(manifest.CommonFields(),
			field.Field{Name: "vars", Type: field.Any, Doc: "Values that every node sees as `vars.NAME`; templates over the event."},
			field.Field{Name: "nodes", Type: field.Objects, Required: true, Min: 1, Max: MaxNodes, Object: nodeObject(), Doc: "The nodes."},
			field.Field{Name: "connections", Type: field.Any, Doc: "Arrows (`A -> B`, `A[true] -> B`) or maps (`{from, to, label}`). Default: the nodes chain in the order written."},
		),
		Hints: map[string]string{"steps": "nodes", "arrows": "connections", "edges": "connections"},
	}
}

func nodeObject() *field.Object {
	return &field.Object{
		Name: "node",
		Doc:  "One node of the diagram.",
		Fields: []field.Field{
			{Name: "label", Type: field.String, Required: true, Doc: "The node's name inside the pipeline; holds no `->`, `[` or `]`."},
			{Name: "type", Type: field.String, Required: true, Doc: "The node's type."},
			{Name: "props", Type: field.Any, Doc: "The type's own keys."},
		},
		Hints: map[string]string{"name": "label", "id": "label", "config": "props", "kind": "type"},
	}
}

// Compile checks a pipeline document and builds its nodes. All findings go to out; where there are errors among them the result is
// nil or must not be used.
func Compile(doc *manifest.Document, opts Options, out *diag.List) *Diagram {
	c := &compiler{doc: doc, opts: opts, out: out, index: map[string]int{}}
	before := out.Count(diag.Error)
	values := Object().Decode(doc.Root, out)
	c.collect(values)
	edges := c.connections(values)
	c.build(edges)
	order := c.order(edges)
	d := &Diagram{Name: doc.Name, Title: doc.Title, Labels: doc.Labels, Document: doc, index: map[string]int{}}
	if values.Has("vars") {
		d.vars = c.vars(values.Node("vars"))
	}
	if out.Count(diag.Error) > before {
		return nil
	}
	d.arrange(c.nodes, edges, order)
	return d
}

type compiler struct {
	doc   *manifest.Document
	opts  Options
	out   *diag.List
	nodes []draft
	index map[string]int // label -> nodes
}

// draft is a node as written.
type draft struct {
	label  string
	span   source.Span
	typ    node.Type
	known  bool
	values *field.Values
	node   node.Node
}

func (c *compiler) collect(values *field.Values) {
	for _, v := range values.Objects("nodes") {
		label := v.String("label")
		if label == "" {
			continue // a finding says so already
		}
		span := v.Span("label")
		if strings.ContainsAny(label, "[]") || strings.Contains(label, "->") || strings.TrimSpace(label) != label {
			c.out.Errorf(diag.BadValue, span, "labels hold no `->`, `[` or `]` and no space at their ends", "label %q cannot be named in a connection", label)
		}
		if first, ok := c.index[label]; ok {
			c.out.Add(diag.Finding{
				Severity: diag.Error, Rule: diag.DuplicateName, Span: span, Message: "there are two nodes with the label " + quote(label),
				Related: []diag.Related{{Span: c.nodes[first].span, Message: "first defined here"}},
			})
			continue
		}
		c.index[label] = len(c.nodes)
		d := draft{label: label, span: span, values: v}
		d.typ, d.known = c.findType(v)
		c.nodes = append(c.nodes, d)
	}
}

func (c *compiler) findType(v *field.Values) (node.Type, bool) {
	name := v.String("type")
	if name == "" {
		return node.Type{}, false
	}
	names := make([]string, 0, len(c.opts.Types))
	for _, t := range c.opts.Types {
		if t.Name == name {
			return t, true
		}
		names = append(names, t.Name)
	}
	hint := diag.DidYouMean(name, names)
	if hint == "" {
		hint = "the types are " + strings.Join(names, ", ")
	}
	c.out.Errorf(diag.UnknownNodeType, v.Span("type"), hint, "there is no node type %q", name)
	return node.Type{}, false
}

// build decodes each node's props and makes it, with the labels it may name in scope.
func (c *compiler) build(edges []link) {
	labels := c.labels()
	for i := range c.nodes {
		d := &c.nodes[i]
		if !d.known {
			continue
		}
		props := d.values.Node("props")
		if props == nil {
			props = &source.Node{Kind: source.Map, Span: d.span}
		}
		scope := script.Scope{Labels: labels, Shared: c.opts.Shared}
		for _, l := range edges {
			if l.to == i && l.label != "" {
				scope.Labels = append(scope.Labels[:len(scope.Labels):len(scope.Labels)], l.label)
			}
		}
		values := d.typ.Props.Decode(props, c.out)
		d.node = d.typ.Build(values, node.Env{
			Pipeline: c.doc.Name, Label: d.label, Span: d.span, Scope: scope, World: c.opts.World, Dev: c.opts.Dev,
		}, c.out)
	}
}

func (c *compiler) vars(n *source.Node) *script.Tree {
	if n.Kind != source.Map {
		c.out.Errorf(diag.WrongType, n.Span, "write `vars:` as a map of names and values", "vars is a %s, not a map", n.Kind)
		return nil
	}
	return script.CompileTree(n, script.Scope{Shared: c.opts.Shared}, c.out)
}

func (c *compiler) labels() []string {
	labels := make([]string, 0, len(c.nodes))
	for _, d := range c.nodes {
		labels = append(labels, d.label)
	}
	return labels
}

// arrange copies the drafts in topological order.
func (d *Diagram) arrange(nodes []draft, edges []link, order []int) {
	place := make([]int, len(nodes))
	for at, i := range order {
		place[i] = at
		d.index[nodes[i].label] = at
		d.nodes = append(d.nodes, vertex{label: nodes[i].label, typ: nodes[i].typ, node: nodes[i].node, span: nodes[i].span})
	}
	for _, l := range edges {
		to, from := &d.nodes[place[l.to]], &d.nodes[place[l.from]]
		to.in = append(to.in, edge{from: place[l.from], handle: l.handle, label: l.label})
		if l.handle == ErrorHandle {
			from.catches = true
		}
	}
}

func quote(s string) string { return `"` + s + `"` }
