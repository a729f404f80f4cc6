package pipeline

import (
	"slices"
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
		Hints: hints(manifest.PipelineHints(), "steps", "nodes", "edges", "connections", "variables", "vars"),
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
		Hints: hints(manifest.NodeHints(), "name", "label", "id", "label", "config", "props", "kind", "type"),
	}
}

// hints adds pairs of a wrong key and the right one.
func hints(to map[string]string, pairs ...string) map[string]string {
	for i := 0; i+1 < len(pairs); i += 2 {
		to[pairs[i]] = "write `" + pairs[i+1] + "`"
	}
	return to
}

// Compile checks a pipeline document and builds its nodes. All findings go to out; where there are errors among them the result is
// nil or must not be used.
func Compile(doc *manifest.Document, opts Options, out *diag.List) *Diagram {
	c := &compiler{doc: doc, opts: opts, out: out, index: map[string]int{}}
	found := out.Count(diag.Error)
	values := Object().Decode(doc.Root, out)
	c.collect(values)
	read := out.Count(diag.Error)
	edges := c.connections(values)
	before := ancestors(len(c.nodes), edges)
	c.build(edges, before, out.Count(diag.Error) == read)
	order := c.order(edges)
	d := &Diagram{Name: doc.Name, Title: doc.Title, Labels: doc.Labels, Document: doc, index: map[string]int{}}
	if values.Has("vars") {
		d.vars = c.vars(values.Node("vars"))
	}
	if out.Count(diag.Error) > found {
		return nil
	}
	d.arrange(c.nodes, edges, order, before)
	return d
}

type compiler struct {
	doc   *manifest.Document
	opts  Options
	out   *diag.List
	nodes []draft
	index map[string]int // label -> nodes
	// unread says that a connection could not be read, so that others may be missed for no fault of their own.
	unread bool
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
	hint := manifest.NodeTypeHint(name)
	if hint == "" {
		hint = diag.DidYouMean(name, names)
	}
	if hint == "" {
		hint = "the types are " + strings.Join(names, ", ")
	}
	c.out.Errorf(diag.UnknownNodeType, v.Span("type"), hint, "there is no node type %q", name)
	return node.Type{}, false
}

// build decodes each node's props and makes it. What it may name are the outputs of the nodes before it: those of others would be there
// or not by chance. Where the connections are not all known, it may name any.
func (c *compiler) build(edges []link, before [][]int, known bool) {
	all := c.labels()
	for i := range c.nodes {
		d := &c.nodes[i]
		if !d.known {
			continue
		}
		props := d.values.Node("props")
		if props == nil {
			props = &source.Node{Kind: source.Map, Span: d.span}
		}
		values := d.typ.Props.DecodeAt("props", props, c.out)
		var own []string // the names that connections give
		for _, l := range edges {
			if l.to == i && l.label != "" {
				own = append(own, l.label)
			}
		}
		anything := slices.Concat(all, own)
		if !known {
			d.node = c.make(d, values, anything, c.out)
			continue
		}
		earlier := make([]string, 0, len(before[i])+len(own))
		for _, j := range before[i] {
			earlier = append(earlier, c.nodes[j].label)
		}
		var narrow, wide diag.List
		d.node = c.make(d, values, append(earlier, own...), &narrow)
		if narrow.HasErrors() { // which of them are only about the order?
			c.make(d, values, anything, &wide)
			c.reportOrder(d, later(all, earlier), &narrow, &wide)
			continue
		}
		c.out.Merge(&narrow)
	}
}

func (c *compiler) make(d *draft, values *field.Values, labels []string, out *diag.List) node.Node {
	return d.typ.Build(values, node.Env{
		Pipeline: c.doc.Name, Label: d.label, Span: d.span, Scope: script.Scope{Labels: labels, Shared: c.opts.Shared}, World: c.opts.World,
		Dev: c.opts.Dev,
	}, out)
}

// reportOrder reports what is wrong with a node: wide is what would be wrong if it stood behind all others, narrow what is wrong where
// it stands.
func (c *compiler) reportOrder(d *draft, later []string, narrow, wide *diag.List) {
	c.out.Merge(wide)
	said := map[string]bool{}
	for _, f := range wide.Sorted() {
		said[f.String()] = true
	}
	for _, f := range narrow.Sorted() {
		if said[f.String()] {
			continue
		}
		f.Hint = "a node sees the outputs of the nodes from which connections lead to it"
		named := "another node"
		if i := slices.IndexFunc(later, func(label string) bool { return names(f.Message, label) }); i >= 0 {
			named = quote(later[i])
		}
		if named == quote(d.label) {
			f.Message = named + " names its own output, which is not there yet"
			c.out.Add(f)
			continue
		}
		f.Message = named + " does not stand before " + quote(d.label) + ", so its output is not there"
		c.out.Add(f)
	}
}

// later gives the labels that are not among the earlier ones, the longest first: one may be a part of another.
func later(all, earlier []string) []string {
	out := slices.DeleteFunc(slices.Clone(all), func(label string) bool { return slices.Contains(earlier, label) })
	slices.SortStableFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// names says whether the finding of an unknown name is about a label.
func names(message, label string) bool {
	return strings.HasSuffix(message, " "+label) || strings.HasSuffix(message, " "+quote(label))
}

// ancestors gives for each node those from which links lead to it, near or far.
func ancestors(nodes int, links []link) [][]int {
	into := make([][]int, nodes)
	for _, l := range links {
		into[l.to] = append(into[l.to], l.from)
	}
	out := make([][]int, nodes)
	for i := range out {
		seen := make([]bool, nodes)
		for queue := into[i]; len(queue) > 0; {
			at := queue[0]
			queue = queue[1:len(queue):len(queue)]
			if !seen[at] {
				seen[at] = true
				out[i] = append(out[i], at)
				queue = append(queue, into[at]...)
			}
		}
	}
	return out
}

func (c *compiler) vars(n *source.Node) *script.Tree {
	if n.Kind != source.Map {
		c.out.Errorf(diag.WrongType, n.Span, "write `vars:` as a map of names and values", "`vars` takes a map, not %s", n.Kind.WithArticle())
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
func (d *Diagram) arrange(nodes []draft, edges []link, order []int, before [][]int) {
	place := make([]int, len(nodes))
	for at, i := range order {
		place[i] = at
		d.index[nodes[i].label] = at
		d.nodes = append(d.nodes, vertex{label: nodes[i].label, typ: nodes[i].typ, node: nodes[i].node, span: nodes[i].span})
	}
	for _, l := range edges {
		to, from := &d.nodes[place[l.to]], &d.nodes[place[l.from]]
		to.in = append(to.in, edge{from: place[l.from], handle: l.handle, label: l.label})
		from.leads = true
		from.catches = from.catches || l.handle == ErrorHandle
	}
	for i, earlier := range before {
		at := &d.nodes[place[i]]
		for _, j := range earlier {
			at.before = append(at.before, place[j])
		}
		slices.Sort(at.before)
	}
}

func quote(s string) string { return `"` + s + `"` }
