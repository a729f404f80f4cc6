package pipeline

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// Options is what Compile needs besides the document.
type Options struct {
	// Types are the node types that a manifest may name, in the order that hints list them.
	Types []node.Type
	World node.World
	// Shared keeps what compiling many expressions has in common; may be nil.
	Shared *script.Shared
	// Machines hold the isolated languages; nil makes them with Shared.
	Machines *script.Machines
	// Dev is `serve --dev`.
	Dev bool
	// Allowed says whether HEADGATE_EGRESS_ALLOW lists an address; nil is none.
	Allowed func(netip.AddrPort) bool
}

// Compile checks a pipeline document and builds its nodes. All findings go to out; where there are errors among them the result is
// nil or must not be used.
func Compile(doc *manifest.Document, opts Options, out *diag.List) *Diagram {
	found := out.Count(diag.Error)
	values := Object().Decode(doc.Root, out)
	c := &compiler{folder: &folder{doc: doc, opts: opts, defs: map[string]source.Span{}}, out: out, index: map[string]int{}}
	d := &Diagram{Name: doc.Name, Title: doc.Title, Labels: doc.Labels, Document: doc, defs: map[string]*vertex{}}
	d.graph = c.compile(values)
	c.checkHiddenOf(values)
	if len(c.defs) > MaxNodes {
		out.Errorf(diag.Limit, doc.NameSpan, "take it apart: a pipeline may `call` another", "pipeline %q has %d nodes, %d are allowed", doc.Name, len(c.defs), MaxNodes)
	}
	d.limits = c.limits(values)
	if values.Has("vars") {
		d.vars = c.vars(values.Node("vars"))
	}
	if values.Has("order_by") && values.Good("order_by") {
		d.orderBy = script.CompileValue(script.Default, script.FromNode(values.Node("order_by")), c.scope(nil), out)
	}
	if out.Count(diag.Error) > found {
		return nil
	}
	d.graph.each(func(v *vertex) { d.defs[v.path] = v })
	return d
}

// folder is what the compilers of one document share.
type folder struct {
	doc  *manifest.Document
	opts Options
	defs map[string]source.Span // the place of every node's label, by its path
}

// compiler makes one graph: that of the document, or of a node's body.
type compiler struct {
	*folder
	out   *diag.List
	nodes []draft
	index map[string]int // label -> nodes
	// unread says that a connection could not be read, so that others may be missed for no fault of their own.
	unread bool

	// outer is the graph that the body is part of, nil for the document's own; prefix is put before the paths of its nodes.
	outer  *compiler
	prefix string
	depth  int
	// outside are the names that the body sees of what is around it, and around are all labels there, seen or not.
	outside, around []string
	// hiddenBy is the receive that hides the payload from the whole body, "" for none.
	hiddenBy string
	// items are the names that stand for the item and its number.
	items []string
}

// draft is a node as written.
type draft struct {
	label   string
	span    source.Span
	typ     node.Type
	known   bool
	values  *field.Values // of its own keys
	props   *field.Values // nil where its type is not known
	handles []string
	plain   bool
	// anyWay says that its ways out are not known, because its props cannot be read.
	anyWay  bool
	timeout time.Duration
	node    node.Node
	body    *graph
	// hiddenBy is the receive that hides the payload from the node in every run, "" for none.
	hiddenBy string
}

// compile makes the graph of `nodes` and `connections`. It must not be used where there were errors.
func (c *compiler) compile(values *field.Values) *graph {
	c.collect(values)
	read := c.out.Count(diag.Error)
	edges := c.connections(values)
	before := ancestors(len(c.nodes), edges)
	known := c.out.Count(diag.Error) == read
	if known {
		c.hideBehind(before)
	}
	c.build(edges, before, known)
	order := c.order(edges)
	if len(order) < len(c.nodes) {
		return &graph{}
	}
	return c.arrange(edges, order, before)
}

func (c *compiler) collect(values *field.Values) {
	for _, v := range values.Objects("nodes") {
		label := v.String("label")
		if label == "" {
			continue // a finding says so already
		}
		span := v.Span("label")
		switch {
		case strings.ContainsFunc(label, unicode.IsControl):
			c.out.Errorf(diag.BadValue, span, "write it on one line, without control characters", "label %q cannot be shown", label)
		case strings.ContainsAny(label, "[]") || strings.Contains(label, "->") || strings.TrimSpace(label) != label:
			c.out.Errorf(diag.BadValue, span, "labels hold no `->`, `[` or `]` and no space at their ends", "label %q cannot be named in a connection", label)
		}
		if !c.takeLabel(label, span) {
			continue
		}
		c.index[label] = len(c.nodes)
		d := draft{label: label, span: span, values: v, timeout: v.Duration("timeout"), plain: true}
		d.typ, d.known = c.findType(v)
		if d.known {
			c.readProps(&d)
		}
		c.nodes = append(c.nodes, d)
	}
}

// takeLabel reports a label that means something else already, in its own graph or in those around it. It says whether the node can be
// looked at all the same: where another one of its graph has the label, it cannot.
func (c *compiler) takeLabel(label string, span source.Span) bool {
	path := c.prefix + label
	_, again := c.index[label]
	first, taken := c.defs[path]
	message, hint := "there are two nodes with the label "+quote(label), ""
	if taken && !again { // of another graph, in whose paths labels are joined by a slash
		message = "the steps of " + quote(label) + " have the path " + quote(path) + ", which is that of another node, too"
		hint = "give one of the two another label"
	}
	for o := c.outer; o != nil && !taken; o = o.outer {
		if at, ok := o.index[label]; ok {
			first, taken = o.nodes[at].span, true
			message = quote(label) + " is the label of a node around this one, too"
		}
	}
	switch {
	case taken:
		c.out.Add(diag.Finding{
			Severity: diag.Error, Rule: diag.DuplicateName, Span: span, Message: message, Hint: hint,
			Related: []diag.Related{{Span: first, Message: "first defined here"}},
		})
	case slices.Contains(c.items, label):
		c.out.Errorf(diag.DuplicateName, span, "give the node another label, or the item another name with `as`", "%q is the name of the item, or of its number", label)
	default:
		c.defs[path] = span
	}
	return !again
}

// readProps decodes a node's props, from which its ways out follow, and its common keys.
func (c *compiler) readProps(d *draft) {
	root := d.values.Node("props")
	if root == nil {
		root = &source.Node{Kind: source.Map, Span: d.span}
	}
	found := c.out.Count(diag.Error)
	d.props = d.typ.Props.DecodeAt("props", root, c.out)
	d.handles, d.plain = d.typ.Handles, len(d.typ.Handles) == 0
	if d.typ.Ways != nil {
		d.handles, d.plain = d.typ.Ways(d.props)
		d.anyWay = c.out.Count(diag.Error) > found
	}
	if d.values.Has("timeout") && d.typ.NoTimeout != "" {
		c.out.Errorf(diag.BadValue, d.values.KeySpan("timeout"), "leave it out", "%s node takes no `timeout`: %s", article(d.typ.Name), d.typ.NoTimeout)
	}
	if c.outer != nil && d.typ.Entry {
		c.out.Errorf(diag.BadBody, d.values.Span("type"), "put it before the node whose body this is", "%s node begins a run and cannot stand in a body", article(d.typ.Name))
		d.known = false // what else is wrong with it does not matter
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

// vars compiles the pipeline's own values.
func (c *compiler) vars(n *source.Node) *script.Tree {
	if n.Kind != source.Map {
		c.out.Errorf(diag.WrongType, n.Span, "write `vars:` as a map of names and values", "`vars` takes a map, not %s", n.Kind.WithArticle())
		return nil
	}
	return script.CompileTree(n, c.scope(nil), c.out)
}

func (c *compiler) limits(values *field.Values) *Limits {
	v := values.Object("limits")
	if v == nil {
		return nil
	}
	l := &Limits{
		Runs: int(v.Int("runs")), Per: v.Duration("per"), Concurrency: int(v.Int("concurrency")), Drop: v.String("overflow") == overflowDrop,
	}
	switch {
	case !v.Has("runs") && !v.Has("concurrency"):
		c.out.Errorf(diag.MissingKey, values.KeySpan("limits"), "write `runs` or `concurrency` under it", "`limits` limits nothing")
	case !v.Has("runs") && v.Has("per") && v.Good("per"):
		c.out.Errorf(diag.MissingKey, v.KeySpan("per"), "write how many runs may begin in it: `runs`", "`per` is the period of `runs`, which is missing")
	case !v.Has("concurrency") && v.Has("overflow") && v.Good("overflow"):
		c.out.Errorf(diag.MissingKey, v.KeySpan("overflow"), "write how many runs may be open at once: `concurrency`", "`overflow` belongs to `concurrency`, which is missing")
	}
	return l
}

// scope gives what expressions may name beside the names that are always there.
func (c *compiler) scope(labels []string) script.Scope {
	return script.Scope{Labels: labels, Shared: c.opts.Shared, Machines: c.opts.Machines, Lenient: c.doc.DiPeO}
}

func (c *compiler) labels() []string {
	labels := make([]string, 0, len(c.nodes))
	for _, d := range c.nodes {
		labels = append(labels, d.label)
	}
	return labels
}

// arrange copies the drafts in topological order.
func (c *compiler) arrange(edges []link, order []int, before [][]int) *graph {
	g := &graph{index: map[string]int{}}
	place := make([]int, len(c.nodes))
	for at, i := range order {
		d := &c.nodes[i]
		place[i] = at
		g.index[d.label] = at
		v := vertex{
			label: d.label, path: c.prefix + d.label, typ: d.typ, node: d.node, span: d.span, handles: d.handles, plain: d.plain,
			transparent: d.typ.Transparent, timeout: d.timeout, body: d.body, detail: detail(d.props),
		}
		if h, ok := d.node.(node.HandsOn); ok {
			v.transparent = h.HandsOn()
		}
		g.nodes = append(g.nodes, v)
	}
	for _, l := range edges {
		to, from := &g.nodes[place[l.to]], &g.nodes[place[l.from]]
		to.in = append(to.in, edge{from: place[l.from], handle: l.handle, label: l.label})
		from.leads = true
		from.catches = from.catches || l.handle == ErrorHandle
	}
	for i, earlier := range before {
		at := &g.nodes[place[i]]
		for _, j := range earlier {
			at.before = append(at.before, place[j])
		}
		slices.Sort(at.before)
	}
	return g
}

func quote(s string) string { return `"` + s + `"` }
