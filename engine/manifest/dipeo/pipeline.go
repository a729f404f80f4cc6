package dipeo

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// Pipeline rewrites a diagram of the light format. Nodes that are native already go through as they are. The list names each node and
// value that has no counterpart; they are refused in the result, so that the others are still looked at. The second result is false
// where the diagram is of another format, of which nothing can be said.
func Pipeline(root *source.Node, out *diag.List) (*source.Node, bool) {
	r := rewriter{out: out}
	light := true
	native := r.head(root, "pipeline")
	for _, item := range items(root.Get("nodes")) {
		if label := item.Get("label"); label != nil && label.IsScalar() {
			r.labels = append(r.labels, label.Text)
		}
	}
	nodes := root.Get("nodes")
	if nodes != nil {
		nodes = r.nodes(nodes) // first: connections depend on what became of them
	}
	for _, e := range root.Entries {
		switch e.Key.Text {
		case "persons", "api_keys", "metadata", "$schema":
		case "version":
			if !e.Value.IsScalar() || e.Value.Text != "light" {
				light = false
				r.out.Errorf(diag.DiPeOValue, e.Value.Span, "write `version: light`, or leave it out", "only diagrams of the light format are read")
			}
		case "nodes":
			native.Entries = append(native.Entries, source.Entry{Key: e.Key, Value: nodes})
		case "connections":
			native.Entries = append(native.Entries, source.Entry{Key: e.Key, Value: r.connections(e.Value)})
		default:
			native.Entries = append(native.Entries, e)
		}
	}
	return r.references(native), light
}

func items(n *source.Node) []*source.Node {
	if n == nil || n.Kind != source.List {
		return nil
	}
	return n.Items
}

func (r *rewriter) nodes(list *source.Node) *source.Node {
	if list.Kind != source.List {
		return list
	}
	native := source.NewList(list.Span)
	for _, item := range list.Items {
		if item.Kind == source.Map {
			item = r.node(item)
		}
		native.Items = append(native.Items, item)
	}
	return native
}

// connections rewrites {from, to, label} with DiPeO's handles into native ones.
func (r *rewriter) connections(list *source.Node) *source.Node {
	if list.Kind != source.List {
		return list
	}
	native := source.NewList(list.Span)
	for _, item := range list.Items {
		if item.Kind != source.Map {
			native.Items = append(native.Items, item)
			continue
		}
		c := source.NewMap(item.Span)
		for _, e := range item.Entries {
			switch e.Key.Text {
			case "content_type", "type": // outputs keep their own type here
			case "from":
				c.Entries = append(c.Entries, source.Entry{Key: e.Key, Value: r.endpoint(e.Value, sourceHandle)})
			case "to":
				c.Entries = append(c.Entries, source.Entry{Key: e.Key, Value: r.endpoint(e.Value, targetHandle)})
			default:
				c.Entries = append(c.Entries, e)
			}
		}
		native.Items = append(native.Items, c)
		if from := c.Get("from"); from != nil && slices.Contains(r.waits, from.Text) {
			native.Items = append(native.Items, timedOut(c))
		}
	}
	return native
}

// timedOut gives the connection that a wait takes when its event does not come: DiPeO goes on the same way, and the output tells.
func timedOut(c *source.Node) *source.Node {
	twin := source.NewMap(c.Span)
	for _, e := range c.Entries {
		if e.Key.Text == "from" {
			e.Value = source.NewString(e.Value.Text+"[timeout]", e.Value.Span)
		}
		twin.Entries = append(twin.Entries, e)
	}
	return twin
}

func (r *rewriter) endpoint(n *source.Node, handle func(string) string) *source.Node {
	if !n.IsScalar() {
		return n
	}
	label, h := SplitHandle(n.Text, r.labels)
	if h = handle(h); h != "" {
		label += "[" + h + "]"
	}
	return with(n, label)
}

func sourceHandle(h string) string {
	switch h {
	case "condtrue":
		return "true"
	case "condfalse":
		return "false"
	case "default":
		return ""
	}
	return h
}

// targetHandle drops the handles by which a connection comes into a node: native nodes have one way in.
func targetHandle(h string) string {
	if h == "default" || h == "first" {
		return ""
	}
	return h
}

// SplitHandle takes "Label[handle]" and DiPeO's older "Label_handle" apart, in which blanks of the label may be underscores. A
// label that is known as a whole has no handle.
func SplitHandle(text string, labels []string) (label, handle string) {
	text = strings.TrimSpace(text)
	if slices.Contains(labels, text) {
		return text, ""
	}
	if open := strings.LastIndexByte(text, '['); open > 0 && strings.HasSuffix(text, "]") {
		return strings.TrimSpace(text[:open]), strings.TrimSpace(text[open+1 : len(text)-1])
	}
	best := ""
	for _, l := range labels {
		for _, written := range []string{l, strings.ReplaceAll(l, " ", "_")} {
			rest, ok := strings.CutPrefix(text, written)
			if !ok || len(l) <= len(best) {
				continue
			}
			if rest == "" {
				best, handle = l, ""
			} else if isHandle(rest) {
				best, handle = l, rest[1:]
			}
		}
	}
	if best == "" {
		return text, ""
	}
	return best, handle
}

func isHandle(rest string) bool {
	switch rest {
	case "_condtrue", "_condfalse", "_true", "_false", "_default", "_first", "_error":
		return true
	}
	return false
}
