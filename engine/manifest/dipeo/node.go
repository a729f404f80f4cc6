package dipeo

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// node is one node of a diagram while it is rewritten.
type node struct {
	typ   *source.Node // the type's scalar
	label string
	props *source.Node
	// native is what its type becomes; the type itself where it stays.
	native string
	// outer are keys that a native node has beside its props.
	outer []source.Entry
}

// node rewrites one node. DiPeO lets its properties stand under `props` or directly beside the label; the direct ones win.
func (r *rewriter) node(n *source.Node) *source.Node {
	native := source.NewMap(n.Span)
	d := &node{props: source.NewMap(n.Span)}
	if p := n.Get("props"); p != nil {
		if p.Kind != source.Map {
			return n
		}
		d.props.Span = p.Span
		for _, e := range p.Entries {
			setDotted(d.props, e)
		}
	}
	hadProps := n.Get("props") != nil
	place := n.Span
	for _, e := range n.Entries {
		switch e.Key.Text {
		case "label":
			d.label = e.Value.Text
			native.Entries = append(native.Entries, e)
		case "title", "description":
			native.Entries = append(native.Entries, e)
		case "type":
			d.typ, d.native = e.Value, e.Value.Text
		case "position", "flipped":
		case "props":
			place = e.Key.Span
		default:
			setDotted(d.props, e)
		}
	}
	found := r.out.Len()
	r.rewriteType(n, d)
	switch {
	case r.out.Len() > found: // a node that cannot be rewritten has a label, which others name, and no type
		native.Entries = append(native.Entries, source.NewEntry("type", place, refused(source.NewString("", place))))
	case d.typ != nil && d.typ.Kind != source.String:
		native.Entries = append(native.Entries, source.NewEntry("type", d.typ.Span, d.typ))
	case d.typ != nil:
		native.Entries = append(native.Entries, source.NewEntry("type", d.typ.Span, with(d.typ, d.native)))
	}
	native.Entries = append(native.Entries, d.outer...)
	if hadProps || len(d.props.Entries) > 0 {
		native.Entries = append(native.Entries, source.NewEntry("props", place, d.props))
	}
	return native
}

// setDotted puts an entry into a map; one that is there already is replaced. A key such as `config.url` means a map in a map.
func setDotted(m *source.Node, e source.Entry) {
	first, rest, dotted := strings.Cut(e.Key.Text, ".")
	if dotted && first != "" && rest != "" {
		inner := m.Get(first)
		if inner == nil || inner.Kind != source.Map {
			inner = source.NewMap(e.Key.Span)
		} else { // the document's own map stays as it is
			inner = source.NewMap(inner.Span, slices.Clone(inner.Entries)...)
		}
		setDotted(inner, source.NewEntry(rest, e.Key.Span, e.Value))
		e = source.NewEntry(first, e.Key.Span, inner)
	}
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

// take removes an entry and gives it; its value is nil where there was none.
func take(m *source.Node, key string) source.Entry {
	for i, e := range m.Entries {
		if e.Key.Text == key {
			m.Entries = slices.Delete(m.Entries, i, i+1)
			return e
		}
	}
	return source.Entry{}
}

// move gives an entry another key, where it is there.
func move(m *source.Node, from, to string) {
	if e := take(m, from); e.Value != nil {
		m.Entries = append(m.Entries, rename(e, to, e.Value))
	}
}

// isTrue says whether a value is the bool true.
func isTrue(n *source.Node) bool {
	return n != nil && n.Kind == source.Bool && strings.EqualFold(n.Text, "true")
}

// isFalse says whether a value is the bool false.
func isFalse(n *source.Node) bool {
	return n != nil && n.Kind == source.Bool && !strings.EqualFold(n.Text, "true")
}

// isEmpty says whether a value says nothing.
func isEmpty(n *source.Node) bool {
	return n == nil || n.Kind == source.Null || n.IsScalar() && n.Text == "" || n.Kind == source.Map && len(n.Entries) == 0 ||
		n.Kind == source.List && len(n.Items) == 0
}

func (r *rewriter) rewriteType(n *source.Node, d *node) {
	if d.typ == nil {
		r.out.Errorf(diag.DiPeONode, firstKey(n), "write a `type:` such as receive, condition, code or hook", "the node has no type")
		return
	}
	switch d.typ.Text {
	case "start":
		r.start(d)
	case "condition":
		r.condition(d.props)
	case "hook":
		r.hook(d)
	case "api_job":
		r.apiJob(d)
	case "code_job":
		r.codeJob(d)
	case "template_job":
		r.templateJob(d)
	case "sub_diagram":
		r.subDiagram(d)
	case "endpoint":
		r.end(d)
	default:
		if hint, known := unsupported()[d.typ.Text]; known {
			r.out.Errorf(diag.DiPeONode, d.typ.Span, hint, "nodes of DiPeO's type `%s` do not run in a gateway", d.typ.Text)
		}
	}
}

func firstKey(n *source.Node) source.Span {
	if len(n.Entries) > 0 {
		return n.Entries[0].Key.Span
	}
	return n.Span
}

// start becomes a start node, or with the trigger mode `hook` a receive node for the event that it names.
func (r *rewriter) start(d *node) {
	p := d.props
	mode := take(p, "trigger_mode")
	event, filters := take(p, "hook_event"), take(p, "hook_filters")
	drop(p, "output_data_structure")
	switch {
	case mode.Value == nil || mode.Value.Text == "none" || mode.Value.Text == "manual":
		move(p, "custom_data", "data")
		return
	case mode.Value.Text != "hook":
		r.out.Errorf(diag.DiPeOValue, mode.Value.Span, diag.DidYouMean(mode.Value.Text, []string{"none", "manual", "hook"}),
			"there is no trigger_mode `%s`", mode.Value.Text)
		return
	case isEmpty(event.Value):
		r.out.Errorf(diag.DiPeOValue, mode.Value.Span, "add `hook_event: PROVIDER/EVENT`", "Hook event must be specified when using hook trigger mode")
		return
	}
	d.native = "receive"
	drop(p, "custom_data")
	provider, name, named := strings.Cut(event.Value.Text, "/")
	if !named {
		provider, name = "*", event.Value.Text
	}
	p.Entries = append(p.Entries,
		source.NewEntry("provider", event.Key.Span, source.NewString(provider, event.Value.Span)), rename(event, "event", source.NewString(name, event.Value.Span)))
	r.equal(p, filters)
}

// equal makes a filter of DiPeO's map of fields that must be there and strictly equal.
func (r *rewriter) equal(props *source.Node, filters source.Entry) {
	if isEmpty(filters.Value) {
		return
	}
	if filters.Value.Kind != source.Map {
		r.out.Errorf(diag.DiPeOValue, filters.Value.Span, "write a map of fields and values", "`%s` takes a map, not %s", filters.Key.Text, filters.Value.Kind.WithArticle())
		return
	}
	var parts []string
	for _, e := range filters.Value.Entries {
		field := `payload[` + quoted(e.Key.Text) + `]`
		switch e.Value.Kind {
		case source.String:
			parts = append(parts, field+" == "+quoted(e.Value.Text))
		case source.Int, source.Float:
			parts = append(parts, field+" == "+e.Value.Text)
		case source.Bool:
			parts = append(parts, field+" == "+strings.ToLower(e.Value.Text))
		case source.Null:
			parts = append(parts, quoted(e.Key.Text)+" in payload and "+field+" == null")
		default:
			r.out.Errorf(diag.DiPeOValue, e.Value.Span, "write a `filter` on a `receive` or `wait` node", "a field can only be compared with a text, a number, true, false or null")
		}
	}
	props.Entries = append(props.Entries, rename(filters, "filter", source.NewString(strings.Join(parts, " and "), filters.Value.Span)))
}

// quoted gives text as expressions write it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
}

func (r *rewriter) condition(props *source.Node) {
	if t := props.Get("condition_type"); t != nil && t.Text != "custom" {
		hint := "write `condition_type: custom` and an `expression`"
		if t.Text == "llm_decision" {
			hint = "call the model by a `hook` node, and let a condition look at its answer"
		}
		r.out.Errorf(diag.DiPeONode, t.Span, hint, "conditions of DiPeO's type `%s` do not run in a gateway", t.Text)
	}
	drop(props, "condition_type", "node_indices", "person", "judge_by", "judge_by_file", "memorize_to", "at_most", "skippable")
	if e := props.Get("expose_index_as"); !isEmpty(e) {
		r.out.Errorf(diag.DiPeONode, props.KeySpan("expose_index_as"), "a `foreach` node counts its items", "`expose_index_as` is not supported: diagrams have no cycles here")
	}
	drop(props, "expose_index_as")
}

// end becomes an end node. Nothing is written into files.
func (r *rewriter) end(d *node) {
	d.native = "end"
	if save := take(d.props, "save_to_file"); isTrue(save.Value) {
		r.out.Errorf(diag.DiPeONode, save.Key.Span, "send it by a `hook` node, or read the run's result with `headgate runs get`", "a gateway writes no files")
	}
	drop(d.props, "file_name", "file_path", "file_format")
}

// timeout moves the time limit of a node beside its props, where native nodes have it.
func (d *node) timeout() {
	if t := take(d.props, "timeout"); t.Value != nil {
		d.outer = append(d.outer, t)
	}
}

// codeJob becomes a code node where its language is one that is known natively.
func (r *rewriter) codeJob(d *node) {
	p := d.props
	language := "python"
	move(p, "code_type", "language")
	written := p.Get("language")
	if written != nil && written.IsScalar() {
		language = written.Text
	}
	d.native = "code"
	d.timeout()
	drop(p, "function_name")
	if f := take(p, "file_path"); !isEmpty(f.Value) {
		r.out.Errorf(diag.DiPeONode, f.Key.Span, "write its text under `code`", "code stands in the manifest, not in a file beside it")
	}
	switch language {
	case "expr", "cel", "starlark", "javascript", "text":
	case "python":
		if written == nil {
			p.Entries = append(p.Entries, source.NewEntry("language", d.typ.Span, source.NewString(language, d.typ.Span)))
		}
	case "typescript":
		r.out.Errorf(diag.DiPeONode, written.Span, "leave the types out, and write `language: javascript`", "code_job nodes in typescript do not run in a gateway")
	default:
		r.out.Errorf(diag.DiPeONode, d.typ.Span, "write `language: python`, or run the command behind an HTTP endpoint and write a `hook` node",
			"code_job nodes in %s do not run in a gateway", language)
	}
}

// templateJob becomes a code node whose code is text with templates.
func (r *rewriter) templateJob(d *node) {
	p := d.props
	d.native = "code"
	drop(p, "engine", "preprocessor")
	if v := take(p, "variables"); !isEmpty(v.Value) {
		r.out.Errorf(diag.DiPeONode, v.Key.Span, "name the values in the template itself", "`variables` of a template are not supported")
	}
	if f := take(p, "output_path"); !isEmpty(f.Value) {
		r.out.Errorf(diag.DiPeONode, f.Key.Span, "send it by a `hook` node", "a gateway writes no files")
	}
	if f := take(p, "template_path"); !isEmpty(f.Value) {
		r.out.Errorf(diag.DiPeONode, f.Key.Span, "write its text under `template_content`", "a template stands in the manifest, not in a file beside it")
	}
	if t := p.Get("template_content"); t != nil {
		for _, mark := range []string{"{%", "{{#", "{{/"} {
			if at := strings.Index(t.Text, mark); at >= 0 {
				span := source.Span{File: t.Span.File, Start: t.TextPos(at), End: t.TextPos(at + len(mark))}
				r.out.Errorf(diag.DiPeONode, span, "write a `code_job` in python, or a `foreach` node", "templates have no blocks such as `%s`", mark)
				break
			}
		}
	}
	move(p, "template_content", "code")
	p.Entries = append(p.Entries, source.NewEntry("language", d.typ.Span, source.NewString("text", d.typ.Span)))
}

// subDiagram becomes a call, or with `batch` a foreach around a call.
func (r *rewriter) subDiagram(d *node) {
	p := d.props
	d.timeout()
	drop(p, "isolate_conversation", "ignore_if_sub", "diagram_format")
	if data := take(p, "diagram_data"); !isEmpty(data.Value) {
		r.out.Errorf(diag.DiPeONode, data.Key.Span, "write it as a pipeline of its own, and name it by `diagram_name`", "a diagram inside of a diagram is not supported")
	}
	if m := take(p, "output_mapping"); !isEmpty(m.Value) {
		r.out.Errorf(diag.DiPeONode, m.Key.Span, "name the parts of the output where they are used", "`output_mapping` is not supported")
	}
	move(p, "diagram_name", "pipeline")
	if wait := take(p, "wait_for_completion"); isFalse(wait.Value) {
		p.Entries = append(p.Entries, source.NewEntry("detach", wait.Key.Span, &source.Node{Kind: source.Bool, Text: "true", Span: wait.Value.Span}))
	}
	input := take(p, "input_mapping")
	if !isEmpty(input.Value) && input.Value.Kind == source.Map {
		mapped := source.NewMap(input.Value.Span)
		for _, e := range input.Value.Entries {
			mapped.Entries = append(mapped.Entries, source.Entry{Key: e.Key, Value: with(e.Value, "{{ "+e.Value.Text+" }}")})
		}
		p.Entries = append(p.Entries, rename(input, "input", mapped))
	}
	batch, key, parallel := take(p, "batch"), take(p, "batch_input_key"), take(p, "batch_parallel")
	d.native = "call"
	if !isTrue(batch.Value) {
		return
	}
	d.native, d.outer = "foreach", nil
	span := batch.Key.Span
	items, at := "items", "10" // as many as DiPeO runs at once
	if !isEmpty(key.Value) {
		items = key.Value.Text
	}
	if isFalse(parallel.Value) {
		at = "1"
	}
	if p.Get("input") == nil {
		p.Entries = append(p.Entries, source.NewEntry("input", span, source.NewString("{{ item }}", span)))
	}
	call := source.NewMap(d.typ.Span,
		source.NewEntry("label", span, source.NewString(d.label+" item", span)),
		source.NewEntry("type", span, source.NewString("call", span)),
		source.NewEntry("props", span, p))
	d.props = source.NewMap(p.Span,
		source.NewEntry("items", span, source.NewString(items, span)),
		source.NewEntry("parallel", span, &source.Node{Kind: source.Int, Text: at, Span: span}),
		source.NewEntry("nodes", span, source.NewList(span, call)))
}
