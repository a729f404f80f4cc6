package pipeline

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/source"
)

// link is one connection between drafts.
type link struct {
	from, to int
	handle   string
	label    string
	span     source.Span
}

// connections reads the connections, or chains the nodes in the order written where there are none.
func (c *compiler) connections(values *field.Values) []link {
	n := values.Node("connections")
	if n == nil {
		return c.chain()
	}
	if n.Kind != source.List {
		c.out.Errorf(diag.WrongType, n.Span, "write `connections:` as a list", "connections is a %s, not a list", n.Kind)
		return nil
	}
	var links []link
	for _, item := range n.Items {
		switch item.Kind {
		case source.String:
			links = append(links, c.arrow(item)...)
		case source.Map:
			links = append(links, c.mapping(item)...)
		case source.List:
			c.out.Errorf(diag.YAMLQuote, item.Span, `quote it: "A[true] -> B"`, "YAML reads a connection that begins with `[` as a list")
		default:
			c.out.Errorf(diag.WrongType, item.Span, "write \"A -> B\" or {from: A, to: B}", "a connection is a %s", item.Kind)
		}
	}
	c.checkLinks(links)
	return links
}

// chain leads every receive node, which stand first, to the first other node, and from there each node to the next.
func (c *compiler) chain() []link {
	var links []link
	entries := 0
	for entries < len(c.nodes) && c.nodes[entries].typ.Entry {
		entries++
	}
	for i := max(entries, 1); i < len(c.nodes); i++ {
		from := []int{i - 1}
		if i == entries {
			from = from[:0]
			for e := range entries {
				from = append(from, e)
			}
		}
		if c.nodes[i].typ.Entry {
			c.out.Errorf(diag.BadConnection, c.nodes[i].span, "write it first, or write `connections:`",
				"%q stands in the middle of a chain: it starts runs, nothing comes into it", c.nodes[i].label)
			continue
		}
		for _, f := range from {
			l := link{from: f, to: i, span: c.nodes[i].span}
			if hs := c.nodes[f].typ.Handles; len(hs) > 0 {
				l.handle = hs[0] // a condition in a chain lets pass on [true]
			}
			links = append(links, l)
		}
	}
	return links
}

// arrow reads "A -> B[true] -> C".
func (c *compiler) arrow(n *source.Node) []link {
	var links []link
	parts := strings.Split(n.Text, "->")
	if len(parts) < 2 {
		c.out.Errorf(diag.BadConnection, n.Span, "write \"A -> B\"", "%q is no connection: it has no arrow", n.Text)
		return nil
	}
	prev, prevHandle, prevSpan := -1, "", n.Span
	offset := 0
	for i, part := range parts {
		start := offset + len(part) - len(strings.TrimLeft(part, " \t"))
		span := source.Span{File: n.Span.File, Start: n.TextPos(start), End: n.TextPos(offset + len(strings.TrimRight(part, " \t")))}
		offset += len(part) + len("->")
		text := strings.TrimSpace(part)
		if text == "" {
			c.out.Errorf(diag.BadConnection, span, "write \"A -> B\"", "an end of the arrow names no node")
			prev = -1
			continue
		}
		at, handle := c.endpoint(text, span)
		if i == len(parts)-1 && handle != "" {
			c.out.Errorf(diag.BadConnection, span, "a handle stands behind the node that an arrow leaves", "the last node of a connection has no way out to name")
		}
		if prev >= 0 && at >= 0 {
			links = append(links, link{from: prev, to: at, handle: prevHandle, span: prevSpan})
		}
		prev, prevHandle, prevSpan = at, handle, span
	}
	return links
}

// mapping reads {from: A[true], to: B, label: name}.
func (c *compiler) mapping(n *source.Node) []link {
	object := &field.Object{Name: "connection", Fields: []field.Field{
		{Name: "from", Type: field.String, Required: true},
		{Name: "to", Type: field.String, Required: true},
		{Name: "label", Type: field.String},
	}, Hints: map[string]string{"source": "write `from`", "target": "write `to`", "name": "write `label`"}}
	v := object.Decode(n, c.out)
	if v.String("from") == "" || v.String("to") == "" {
		return nil
	}
	from, handle := c.endpoint(v.String("from"), v.Span("from"))
	to, toHandle := c.endpoint(v.String("to"), v.Span("to"))
	if toHandle != "" {
		c.out.Errorf(diag.BadConnection, v.Span("to"), "a handle stands behind the node that an arrow leaves", "the node that a connection comes into has no way out to name")
	}
	if from < 0 || to < 0 {
		return nil
	}
	return []link{{from: from, to: to, handle: handle, label: v.String("label"), span: v.Span("from")}}
}

// endpoint reads "Label" or "Label[handle]"; the index is -1 where there is no such node.
func (c *compiler) endpoint(text string, span source.Span) (at int, handle string) {
	label := text
	if open := strings.LastIndexByte(text, '['); open >= 0 && strings.HasSuffix(text, "]") {
		label, handle = strings.TrimSpace(text[:open]), strings.TrimSpace(text[open+1:len(text)-1])
		if handle == "" {
			c.out.Errorf(diag.BadConnection, span, "", "the handle of %q is empty", text)
		}
	}
	at, ok := c.index[label]
	if !ok {
		c.out.Errorf(diag.DanglingReference, span, diag.DidYouMean(label, c.labels()), "there is no node with the label %q", label)
		return -1, handle
	}
	return at, handle
}

// checkLinks looks at each connection's handle and target.
func (c *compiler) checkLinks(links []link) {
	seen := map[link]bool{}
	for _, l := range links {
		from, to := c.nodes[l.from], c.nodes[l.to]
		key := link{from: l.from, to: l.to, handle: l.handle}
		if seen[key] {
			c.out.Warnf(diag.DuplicateConnection, l.span, "drop one of the two", "the connection from %q to %q is written twice", from.label, to.label)
		}
		seen[key] = true
		if to.known && to.typ.Entry {
			c.out.Errorf(diag.BadConnection, l.span, "", "%q is a %s node: it starts runs, nothing comes into it", to.label, to.typ.Name)
		}
		if !from.known || l.handle == ErrorHandle {
			continue
		}
		switch handles := from.typ.Handles; {
		case l.handle == "" && len(handles) > 0:
			c.out.Errorf(diag.BadHandle, l.span, "write "+handleList(from.label, handles), "an arrow out of %q must say which way it takes", from.label)
		case l.handle != "" && len(handles) == 0:
			c.out.Errorf(diag.BadHandle, l.span, "a "+from.typ.Name+" node has the plain way out and [error]", "%q has no handle [%s]", from.label, l.handle)
		case l.handle != "" && !slices.Contains(handles, l.handle):
			hint := diag.DidYouMean(l.handle, append([]string{ErrorHandle}, handles...))
			if hint == "" {
				hint = "write " + handleList(from.label, handles)
			}
			c.out.Errorf(diag.BadHandle, l.span, hint, "%q has no handle [%s]", from.label, l.handle)
		}
	}
}

func handleList(label string, handles []string) string {
	out := make([]string, 0, len(handles))
	for _, h := range handles {
		out = append(out, "`"+label+"["+h+"]`")
	}
	return strings.Join(out, " or ")
}

// order sorts the nodes so that each stands after all that come into it, and reports cycles and nodes that no event reaches.
func (c *compiler) order(links []link) []int {
	into := make([]int, len(c.nodes))
	for _, l := range links {
		into[l.to]++
	}
	var ready, order []int
	for i := range c.nodes {
		if into[i] == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		at := ready[0]
		ready = ready[1:]
		order = append(order, at)
		for _, l := range links {
			if l.from == at {
				if into[l.to]--; into[l.to] == 0 {
					ready = append(ready, l.to)
				}
			}
		}
	}
	if len(order) < len(c.nodes) {
		c.reportCycle(links, into)
		return order
	}
	c.checkReached(links)
	return order
}

// reportCycle names one cycle among the nodes that could not be ordered.
func (c *compiler) reportCycle(links []link, into []int) {
	next := map[int]link{}
	start := -1
	for _, l := range links {
		if into[l.from] > 0 && into[l.to] > 0 {
			next[l.to] = l // walk backwards: every unordered node has an unordered one before it
			start = l.to
		}
	}
	if start < 0 {
		return
	}
	seen := map[int]bool{}
	at := start
	for !seen[at] {
		seen[at] = true
		at = next[at].from
	}
	names := []string{c.nodes[at].label}
	first := next[at]
	for n := next[at].from; n != at; n = next[n].from {
		names = append(names, c.nodes[n].label)
	}
	names = append(names, c.nodes[at].label)
	slices.Reverse(names)
	c.out.Errorf(diag.Cycle, first.span, "diagrams have no cycles: remove one of the connections", "the connections go round in a circle: %s", strings.Join(names, " -> "))
}

func (c *compiler) checkReached(links []link) {
	reached := make([]bool, len(c.nodes))
	var queue []int
	for i, d := range c.nodes {
		if d.known && d.typ.Entry {
			reached[i] = true
			queue = append(queue, i)
		}
	}
	if len(queue) == 0 {
		for _, d := range c.nodes {
			if !d.known {
				return // it may have been meant as the entry
			}
		}
		if len(c.nodes) > 0 {
			c.out.Warnf(diag.NoEntry, c.doc.NameSpan, "begin it with a receive node", "no event starts pipeline %q: it has no receive node", c.doc.Name)
		}
		return
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, l := range links {
			if l.from == at && !reached[l.to] {
				reached[l.to] = true
				queue = append(queue, l.to)
			}
		}
	}
	for i, d := range c.nodes {
		if !reached[i] && d.known {
			c.out.Errorf(diag.Unreachable, d.span, "connect it, or remove it", "no connection leads from a receive node to %q", d.label)
		}
	}
}
