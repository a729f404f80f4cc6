package pipeline

import (
	"fmt"
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
	span     source.Span // of the end that it leaves
	into     source.Span // of the end that it comes to
}

// connections reads the connections, or chains the nodes in the order written where there are none.
func (c *compiler) connections(values *field.Values) []link {
	n := values.Node("connections")
	if n == nil {
		return c.chain()
	}
	if n.Kind != source.List {
		c.out.Errorf(diag.WrongType, n.Span, "write `connections:` as a list", "`connections` takes a list, not %s", n.Kind.WithArticle())
		c.unread = true
		return nil
	}
	var links []link
	found := c.out.Len()
	for i, item := range n.Items {
		switch item.Kind {
		case source.String:
			links = append(links, c.arrow(item)...)
		case source.Map:
			links = append(links, c.mapping(i, item)...)
		case source.List:
			c.out.Errorf(diag.YAMLQuote, item.Span, listHint(item), "YAML reads a connection that begins with `[` as a list")
		default:
			c.out.Errorf(diag.WrongType, item.Span, "write \"A -> B\" or {from: A, to: B}", "a connection cannot be %s", item.Kind.WithArticle())
		}
	}
	c.unread = c.out.Len() > found
	c.checkLinks(links)
	return links
}

// listHint writes what YAML took for a list as the arrow that it was meant to be.
func listHint(list *source.Node) string {
	var ends []string
	for _, item := range list.Items {
		if !item.IsScalar() || strings.Contains(item.Text, `"`) {
			return `quote it: "A[true] -> B"`
		}
		ends = append(ends, item.Text)
	}
	arrow := strings.Join(ends, " -> ")
	if !strings.Contains(arrow, "->") {
		return `write "A -> B"`
	}
	return `write "` + arrow + `"`
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
			l := link{from: f, to: i, span: c.nodes[i].span, into: c.nodes[i].span}
			switch d := &c.nodes[f]; {
			case !d.known || d.plain || d.anyWay:
			case len(d.handles) == 0:
				c.noWayOut(*d, d.span)
			case d.typ.Ways != nil:
				c.out.Errorf(diag.BadHandle, d.span, "write `connections:`, with "+handleList(d.label, d.handles),
					"a chain does not say which way it takes out of %q", d.label)
			default:
				l.handle = d.handles[0] // a condition in a chain lets pass on [true]
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
			links = append(links, link{from: prev, to: at, handle: prevHandle, span: prevSpan, into: span})
		}
		prev, prevHandle, prevSpan = at, handle, span
	}
	return links
}

// mapping reads {from: A[true], to: B, label: name}.
func (c *compiler) mapping(i int, n *source.Node) []link {
	object := &field.Object{Name: "connection", Fields: []field.Field{
		{Name: "from", Type: field.String, Shown: true, Required: true},
		{Name: "to", Type: field.String, Shown: true, Required: true},
		{Name: "label", Type: field.String, Shown: true},
	}, Hints: map[string]string{"source": "write `from`", "target": "write `to`", "name": "write `label`"}}
	v := object.DecodeAt(fmt.Sprintf("connections[%d]", i), n, c.out)
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
	return []link{{from: from, to: to, handle: handle, label: v.String("label"), span: v.Span("from"), into: v.Span("to")}}
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
		c.out.Errorf(diag.DanglingReference, span, c.labelHint(label), "there is no node with the label %q", label)
		return -1, handle
	}
	return at, handle
}

// labelHint says which node was meant by a label that no node has. DiPeO writes the handle of a condition behind its label.
func (c *compiler) labelHint(label string) string {
	for _, suffix := range [][2]string{{"_condtrue", "[true]"}, {"_condfalse", "[false]"}} {
		if name, ok := strings.CutSuffix(label, suffix[0]); ok {
			if near, ok := diag.Nearest(name, c.labels()); ok {
				return "write `" + near + suffix[1] + "`"
			}
		}
	}
	if hint := c.bodyHint(func(other string) bool { return other == label }); hint != "" {
		return hint
	}
	return diag.DidYouMean(label, c.labels())
}

// checkLinks looks at each connection's handle and target.
func (c *compiler) checkLinks(links []link) {
	seen := map[link]source.Span{}
	for _, l := range links {
		from, to := c.nodes[l.from], c.nodes[l.to]
		key := link{from: l.from, to: l.to, handle: l.handle}
		if first, ok := seen[key]; ok {
			c.out.Add(diag.Finding{
				Severity: diag.Warning, Rule: diag.DuplicateConnection, Span: l.span, Hint: "drop one of the two",
				Message: "the connection from " + quote(from.label) + " to " + quote(to.label) + " is written twice",
				Related: []diag.Related{{Span: first, Message: "first written here"}},
			})
		} else {
			seen[key] = l.span
		}
		if to.known && to.typ.Entry {
			c.out.Errorf(diag.BadConnection, l.into, "lead the arrow to a node behind it", "%q is %s node: it starts runs, nothing comes into it", to.label, article(to.typ.Name))
		}
		c.checkHandle(from, l)
	}
}

// checkHandle looks at the way that a connection takes out of a node.
func (c *compiler) checkHandle(from draft, l link) {
	if !from.known || from.anyWay || l.handle == ErrorHandle || slices.Contains(from.handles, l.handle) || from.plain && l.handle == "" {
		return
	}
	switch {
	case len(from.handles) == 0 && !from.plain:
		c.noWayOut(from, l.span)
		return
	case l.handle == "":
		c.out.Errorf(diag.BadHandle, l.span, "write "+handleList(from.label, from.handles), "an arrow out of %q must say which way it takes", from.label)
		return
	case len(from.handles) == 0:
		c.out.Errorf(diag.BadHandle, l.span, article(from.typ.Name)+" node has the plain way out and [error]", "%q has no handle [%s]", from.label, l.handle)
		return
	}
	hint := "write " + handleList(from.label, from.handles)
	if from.plain {
		hint += ", or the plain way: `" + from.label + "`"
	}
	if meant, ok := diag.Nearest(strings.TrimPrefix(l.handle, "cond"), append([]string{ErrorHandle}, from.handles...)); ok {
		hint = "did you mean `[" + meant + "]`?"
	}
	c.out.Errorf(diag.BadHandle, l.span, hint, "%q has no handle [%s]", from.label, l.handle)
}

// article gives the name of a node type for a sentence: "a hook", "an emit".
func article(name string) string {
	if name != "" && strings.ContainsRune("aeiou", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

// noWayOut reports a connection out of a node at which a run ends.
func (c *compiler) noWayOut(from draft, at source.Span) {
	c.out.Errorf(diag.BadHandle, at, "lead the arrow from the node before it", "nothing leads on from %q: %s node has no way out", from.label, article(from.typ.Name))
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

// checkReached reports nodes that nothing leads to. In a body a node that nothing leads to is one of the first.
func (c *compiler) checkReached(links []link) {
	if c.unread || c.outer != nil {
		return // what could not be read may have been the connection
	}
	reached := make([]bool, len(c.nodes))
	var queue []int
	entry := ""
	for i, d := range c.nodes {
		if d.known && d.typ.Entry {
			entry = d.label
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
			c.out.Warnf(diag.NoEntry, c.doc.NameSpan, "begin it with a receive node, or with a start node where it is to be called", "nothing starts pipeline %q: it has neither a receive nor a start node", c.doc.Name)
		}
		return
	}
	for i, d := range c.nodes {
		if !d.known {
			reached[i] = true // it may have been meant as an entry, too
			queue = append(queue, i)
		}
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
			c.out.Errorf(diag.Unreachable, d.span, "write `"+entry+" -> "+d.label+"` among the connections, or remove it", "no connection leads from where the pipeline begins to %q", d.label)
		}
	}
}
