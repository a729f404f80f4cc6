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
	for _, e := range root.Entries {
		switch e.Key.Text {
		case "persons", "api_keys", "metadata", "$schema":
		case "version":
			if !e.Value.IsScalar() || e.Value.Text != "light" {
				light = false
				r.out.Errorf(diag.DiPeOValue, e.Value.Span, "write `version: light`, or leave it out", "only diagrams of the light format are read")
			}
		case "nodes":
			native.Entries = append(native.Entries, source.Entry{Key: e.Key, Value: r.nodes(e.Value)})
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

// node rewrites one node. DiPeO lets its properties stand under `props` or directly beside the label; the direct ones win.
func (r *rewriter) node(n *source.Node) *source.Node {
	native := source.NewMap(n.Span)
	props := source.NewMap(n.Span)
	if p := n.Get("props"); p != nil {
		if p.Kind != source.Map {
			return n
		}
		props.Span = p.Span
		props.Entries = slices.Clone(p.Entries)
	}
	hadProps := n.Get("props") != nil
	place := n.Span
	for _, e := range n.Entries {
		switch e.Key.Text {
		case "label", "type", "title", "description":
			native.Entries = append(native.Entries, e)
		case "position":
		case "props":
			place = e.Key.Span
		default:
			setEntry(props, e)
		}
	}
	found := r.out.Len()
	r.rewriteType(n, native, props)
	if r.out.Len() > found { // a node that cannot be rewritten has a label, which others name, and no type
		drop(native, "type")
		native.Entries = append(native.Entries, source.NewEntry("type", place, refused(source.NewString("", place))))
	}
	if hadProps || len(props.Entries) > 0 {
		native.Entries = append(native.Entries, source.NewEntry("props", place, props))
	}
	return native
}

func setEntry(m *source.Node, e source.Entry) {
	for i := range m.Entries {
		if m.Entries[i].Key.Text == e.Key.Text {
			m.Entries[i] = e
			return
		}
	}
	m.Entries = append(m.Entries, e)
}

func drop(m *source.Node, keys ...string) {
	m.Entries = slices.DeleteFunc(m.Entries, func(e source.Entry) bool { return slices.Contains(keys, e.Key.Text) })
}

func (r *rewriter) rewriteType(n, native, props *source.Node) {
	typ := n.Get("type")
	if typ == nil {
		r.out.Errorf(diag.DiPeONode, firstKey(n), "write `type: receive`, `condition`, `code` or `hook`", "the node has no type")
		return
	}
	switch typ.Text {
	case "condition":
		r.condition(props)
	case "hook":
		r.hook(props)
	case "code_job":
		r.codeJob(typ, native, props)
	default:
		if hint, known := unsupported()[typ.Text]; known {
			r.out.Errorf(diag.DiPeONode, typ.Span, hint, "nodes of DiPeO's type `%s` are not supported here yet", typ.Text)
		}
	}
}

func firstKey(n *source.Node) source.Span {
	if len(n.Entries) > 0 {
		return n.Entries[0].Key.Span
	}
	return n.Span
}

func (r *rewriter) condition(props *source.Node) {
	if t := props.Get("condition_type"); t != nil && t.Text != "custom" {
		r.out.Errorf(diag.DiPeONode, t.Span, "write `condition_type: custom` and an `expression`",
			"conditions of DiPeO's type `%s` are not supported here yet", t.Text)
	}
	drop(props, "condition_type", "node_indices", "person", "judge_by", "judge_by_file", "memorize_to", "at_most", "skippable")
	if e := props.Get("expose_index_as"); e != nil {
		r.out.Errorf(diag.DiPeONode, props.KeySpan("expose_index_as"), "", "`expose_index_as` is not supported: diagrams have no cycles here")
	}
}

// hook rewrites a hook node: what DiPeO writes flat goes under `config`, where the native node takes a destination's keys.
func (r *rewriter) hook(props *source.Node) {
	kind := props.Get("hook_type")
	if kind != nil && kind.Text != "webhook" && kind.Text != "http" {
		r.out.Errorf(diag.DiPeONode, kind.Span, "run it behind an HTTP endpoint, and write `hook_type: webhook`",
			"hooks of DiPeO's type `%s` are not supported here", kind.Text)
		return
	}
	drop(props, "hook_type", "retry_count") // retry_count is never read there; the default schedule retries
	config := props.Get("config")
	tolerateURL(props)
	tolerateURL(config)
	if config == nil || config.Kind != source.Map {
		return
	}
	if s := config.Get("subscribe_to"); s != nil {
		r.out.Errorf(diag.DiPeONode, config.KeySpan("subscribe_to"), "begin a pipeline with a `receive` node for the event",
			"waiting for an event in the middle of a diagram is not supported here yet")
		return
	}
	// The node's own timeout bounds the request as the one of config does; the nearer one wins.
	if t := props.Get("timeout"); t != nil && config.Get("timeout") != nil {
		drop(props, "timeout")
	}
}

// tolerateURL marks the address of a hook, which diagrams of DiPeO's hold as it is, secret or not.
func tolerateURL(m *source.Node) {
	if u := m.Get("url"); u != nil {
		u.Tolerated = true
	}
}

// codeJob becomes a code node where its language is one that is known natively.
func (r *rewriter) codeJob(typ, native, props *source.Node) {
	language := "python"
	key := "language"
	if l := props.Get("code_type"); l != nil {
		key = "code_type"
	}
	if l := props.Get(key); l != nil && l.IsScalar() {
		language = l.Text
	}
	switch language {
	case "expr", "cel":
		for i, e := range native.Entries {
			if e.Key.Text == "type" {
				native.Entries[i].Value = with(e.Value, "code")
			}
		}
		for i, e := range props.Entries {
			if e.Key.Text == "code_type" {
				props.Entries[i] = rename(e, "language", e.Value)
			}
		}
	default:
		r.out.Errorf(diag.DiPeONode, typ.Span, unsupported()["code_job"], "code_job nodes in %s are not supported here yet", language)
	}
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
	}
	return native
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
