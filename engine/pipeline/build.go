package pipeline

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/source"
)

// build makes each node. What it may name are the outputs of the nodes before it: those of others would be there or not by chance.
// Where the connections are not all known, it may name any.
func (c *compiler) build(edges []link, before [][]int, known bool) {
	all := slices.Concat(c.outside, c.around, c.labels())
	for i := range c.nodes {
		d := &c.nodes[i]
		if !d.known {
			continue
		}
		var own []string // the names that connections give
		for _, l := range edges {
			if l.to == i && l.label != "" {
				own = append(own, l.label)
			}
		}
		anything := slices.Concat(all, own)
		earlier := slices.Clone(c.outside)
		for _, j := range before[i] {
			earlier = append(earlier, c.nodes[j].label)
		}
		if !known {
			earlier = anything
		}
		var narrow, wide diag.List
		d.node = c.make(d, append(earlier, own...), &narrow)
		if narrow.HasErrors() && known { // which of them are only about the order?
			c.make(d, anything, &wide)
			c.reportOrder(d, later(all, earlier), &narrow, &wide)
		} else {
			c.report(&narrow)
		}
		c.checkHidden(d)
		if d.typ.Body {
			c.buildBody(d, append(earlier, own...), anything)
		}
		if _, ok := d.node.(node.Responder); ok && c.outer != nil {
			c.out.Errorf(diag.BadBody, d.values.Span("type"), "put it behind the node whose body this is", "%s node answers once and cannot stand in a body", article(d.typ.Name))
		}
	}
}

func (c *compiler) make(d *draft, labels []string, out *diag.List) node.Node {
	return d.typ.Build(d.props, node.Env{
		Pipeline: c.doc.Name, Label: c.prefix + d.label, Span: d.span, Scope: c.scope(labels), World: c.opts.World,
		Egress: node.Egress{Dev: c.opts.Dev, Allowed: c.opts.Allowed},
	}, out)
}

// buildBody makes the graph that a node does for each item. Its nodes see what the node sees, the item and its number, and each other.
func (c *compiler) buildBody(d *draft, seen, around []string) {
	if c.depth == MaxNesting {
		c.out.Errorf(diag.BadBody, d.values.Span("type"), "let the body `call` a pipeline that does the rest", "bodies stand at most %d deep inside of each other", MaxNesting)
		return
	}
	root := &source.Node{Kind: source.Map, Span: d.span}
	for _, e := range d.props.Root().Entries {
		if e.Key.Text == "nodes" || e.Key.Text == "connections" {
			root.Entries = append(root.Entries, e)
		}
	}
	if root.Get("nodes") == nil {
		return // a finding says so already
	}
	inner := &compiler{
		folder: c.folder, out: c.out, index: map[string]int{}, outer: c, prefix: c.prefix + d.label + "/", depth: c.depth + 1, around: around,
		items: c.itemNames(d, seen), hiddenBy: d.hiddenBy,
	}
	inner.outside = slices.Concat(seen, inner.items)
	d.body = inner.compile(bodyObject().DecodeAt("props", root, c.out))
}

// itemNames gives the names under which a body sees its item and the item's number. They must not be labels of nodes around the body;
// those that the node itself sees are its own to refuse.
func (c *compiler) itemNames(d *draft, seen []string) []string {
	var out []string
	for _, key := range []string{"as", "index"} {
		f, ok := d.typ.Props.Field(key)
		if !ok || f.Type != field.String || !d.props.Good(key) {
			continue
		}
		name := d.props.String(key)
		for o := c; o != nil; o = o.outer {
			if at, ok := o.index[name]; ok && !slices.Contains(seen, name) {
				c.out.Add(diag.Finding{
					Severity: diag.Error, Rule: diag.DuplicateName, Span: d.props.Span(key), Message: quote(name) + " is the label of a node",
					Hint:    "give the item another name with `" + key + "`",
					Related: []diag.Related{{Span: o.nodes[at].span, Message: "defined here"}},
				})
			}
		}
		out = append(out, name)
	}
	return out
}

// reportOrder reports what is wrong with a node: wide is what would be wrong if it stood behind all others, narrow what is wrong where
// it stands.
func (c *compiler) reportOrder(d *draft, later []string, narrow, wide *diag.List) {
	c.report(wide)
	said := map[string]bool{}
	for _, f := range wide.Sorted() {
		said[f.Span.String()+string(f.Rule)] = true
	}
	for _, f := range narrow.Sorted() {
		if said[f.Span.String()+string(f.Rule)] {
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

// report reports what is wrong with a node. Of a name that is unknown because it stands in a body it says so.
func (c *compiler) report(found *diag.List) {
	for _, f := range found.Sorted() {
		if f.Rule == diag.UnknownName {
			message := strings.TrimSuffix(f.Message, ": it is null")
			if hint := c.bodyHint(func(label string) bool { return names(message, label) }); hint != "" {
				f.Hint = hint
			}
		}
		c.out.Add(f)
	}
}

// bodyHint says where a label stands that is no node's of this graph, but one's in a body beside it; "" where it is in none.
func (c *compiler) bodyHint(meant func(label string) bool) string {
	for o := c; o != nil; o = o.outer {
		for i := range o.nodes {
			d := &o.nodes[i]
			if d.props == nil || !d.typ.Body {
				continue
			}
			if label := labelInside(d.props.Root().Get("nodes"), meant, 0); label != "" {
				return quote(label) + " stands in the body of " + quote(d.label) + " and is seen there only; the output of " + quote(d.label) +
					" is the list of what each item came to"
			}
		}
	}
	return ""
}

// labelInside looks for a label among the nodes of a body, and of those in it.
func labelInside(nodes *source.Node, meant func(label string) bool, depth int) string {
	if nodes == nil || depth > MaxNesting {
		return ""
	}
	for _, item := range nodes.Items {
		if label := item.Get("label"); label != nil && label.Text != "" && (label.Value == nil || !label.Value.HasRef()) && meant(label.Text) {
			return label.Text
		}
		if label := labelInside(item.Get("props").Get("nodes"), meant, depth+1); label != "" {
			return label
		}
	}
	return ""
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
