package pipeline

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// This file warns of expressions that ask for the payload where `include_payload: false` makes it null in every run. It looks at the text
// alone, because all languages write the names alike; what it does not find is null all the same.

// hides says whether a draft is a receive that keeps the payload to itself.
func (d *draft) hides() bool {
	if d.props == nil || !d.typ.Entry {
		return false
	}
	_, may := d.typ.Props.Field(keyIncludePayload)
	return may && d.props.Good(keyIncludePayload) && !d.props.Bool(keyIncludePayload)
}

const keyIncludePayload = "include_payload"

// hideBehind notes for each draft whether no run shows it the payload: where all entries that lead to it hide it, and for those of a body
// where the node around them is such a one.
func (c *compiler) hideBehind(before [][]int) {
	for i := range c.nodes {
		d := &c.nodes[i]
		d.hiddenBy = c.hiddenBy
		if c.outer != nil || d.typ.Entry {
			continue
		}
		d.hiddenBy = c.hider(before[i])
	}
}

// hider gives the label of the first of some nodes that hides the payload, where all entries among them do; "" else. A node of no known
// type may be an entry that shows it.
func (c *compiler) hider(among []int) string {
	first := ""
	for _, j := range slices.Sorted(slices.Values(among)) {
		switch d := &c.nodes[j]; {
		case !d.known:
			return ""
		case !d.typ.Entry:
		case !d.hides():
			return ""
		case first == "":
			first = d.label
		}
	}
	return first
}

// checkHidden looks at what a node asks for. What a wait says about the event that comes is left out: that one is not hidden.
func (c *compiler) checkHidden(d *draft) {
	if d.hiddenBy == "" || d.props == nil {
		return
	}
	h := hidden{by: d.hiddenBy, out: c.out, language: script.Default}
	if _, ok := d.typ.Props.Field("language"); ok && d.props.Good("language") {
		h.language = d.props.String("language")
	}
	skip := map[string]bool{}
	if d.typ.Body {
		skip["nodes"], skip["connections"] = true, true
	}
	if _, ok := d.node.(node.Awaiter); ok {
		skip["filter"], skip["match"] = true, true
	}
	h.fields(d.typ.Props, d.props.Root(), skip)
}

// checkHiddenOf looks at what the pipeline itself asks for, where every entry hides the payload.
func (c *compiler) checkHiddenOf(values *field.Values) {
	entries, seen := make([]int, 0, len(c.nodes)), false
	for i := range c.nodes {
		entries = append(entries, i)
		if d := &c.nodes[i]; d.hides() && d.props.Node("filter") != nil {
			seen = seen || len(mentions(script.FromNode(d.props.Node("filter")).Text, d.props.String("language"), "vars")) > 0
		}
	}
	by := c.hider(entries)
	if by == "" {
		return
	}
	h := hidden{by: by, out: c.out, language: script.Default}
	if values.Has("vars") && !seen { // a filter that names them is shown them with the payload
		h.templates(values.Node("vars"))
	}
	if values.Has("order_by") && values.Good("order_by") {
		src := script.FromNode(values.Node("order_by"))
		if at := asks(src.Text, h.language); at != nil {
			c.out.Errorf(diag.HiddenPayload, src.Span(at[0], at[1]), "order by what is not hidden, such as a header or the event's name, or drop `include_payload: false`",
				"`%s` is null here, which binds no run to an order: %q keeps the payload to itself", src.Text[at[0]:at[1]], by)
		}
	}
}

// hidden reports what asks for a payload that is always null.
type hidden struct {
	by       string
	language string
	out      *diag.List
}

// fields looks at the keys of a map by their description.
func (h *hidden) fields(o *field.Object, n *source.Node, skip map[string]bool) {
	if n == nil {
		return
	}
	for _, e := range n.Entries {
		f, ok := o.Field(e.Key.Text)
		switch {
		case !ok || skip[e.Key.Text]:
		case f.Type == field.Map:
			h.fields(f.Object, e.Value, nil)
		case f.Type == field.Objects:
			for _, item := range append(slices.Clone(e.Value.Items), e.Value) {
				h.fields(f.Object, item, nil)
			}
		case f.Type == field.Expression && h.language != "text":
			h.expression(script.FromNode(e.Value), h.language)
		case e.Key.Text == "until" && !strings.Contains(e.Value.Text, "{{"): // an expression may stand there, too
			h.expression(script.FromNode(e.Value), script.Default)
		default:
			h.templates(e.Value)
		}
	}
}

// templates looks at the expressions in all texts of a value.
func (h *hidden) templates(n *source.Node) {
	for _, e := range n.Entries {
		h.templates(e.Value)
	}
	for _, item := range n.Items {
		h.templates(item)
	}
	if n.Kind != source.String {
		return
	}
	src := script.FromNode(n)
	for _, p := range script.Split(src.Text) {
		if p.Expression && h.expression(src.Part(p.From, p.To), script.Default) {
			return
		}
	}
}

// expression reports the first place at which a text asks for the payload, and says whether there is one.
func (h *hidden) expression(src script.Source, language string) bool {
	at := asks(src.Text, language)
	if at == nil {
		return false
	}
	what := src.Text[at[0]:at[1]]
	if language == "filter" {
		what = "payload"
	}
	h.out.Warnf(diag.HiddenPayload, src.Span(at[0], at[1]), "ask in the receive's `filter`, which sees it, or drop `include_payload: false`",
		"`%s` is always null here: %q keeps the payload to itself", what, h.by)
	return true
}

// asks gives the first place at which an expression names the payload of the event, by whichever of its names; nil where it does not.
func asks(text, language string) []int {
	if language == "filter" {
		return []int{0, len(text)} // its paths all begin in the payload
	}
	if at := mentions(text, language, "payload", "event.payload", "event.raw"); len(at) > 0 {
		return at[0]
	}
	return nil
}

// mentions gives the places at which an expression names one of some names, or members of names. Texts and comments are passed over,
// but not the expressions in a text of JavaScript or Python.
func mentions(text, language string, names ...string) (places [][]int) {
	m := mentioning{text: text, language: language, names: names}
	m.scan(0, len(text))
	return m.places
}

type mentioning struct {
	text, language string
	names          []string
	places         [][]int
}

func (m *mentioning) scan(at, end int) {
	last := byte(0) // what stands before, blanks aside
	for at < end {
		c := m.text[at]
		if skipped := m.pass(at, end); skipped > at {
			at, last = skipped, '"'
			continue
		}
		if !isNameByte(c) {
			if c > ' ' {
				last = c
				if c == '.' && at > 0 && m.text[at-1] == '.' {
					last = ',' // of a range, or of what is spread: a name may follow
				}
			}
			at++
			continue
		}
		to := at
		for to < end && isNameByte(m.text[to]) {
			to++
		}
		if last != '.' && !(strings.HasPrefix(strings.TrimLeft(m.text[to:end], " \t"), ":") && (last == '{' || last == ',')) {
			m.name(at, to, end)
		}
		at, last = to, 'a'
	}
}

// pass gives the end of the text or comment that begins at a place; the place itself where none does.
func (m *mentioning) pass(at, end int) int {
	rest := m.text[at:end]
	python := m.language == "python" || m.language == "starlark"
	switch {
	case python && rest[0] == '#', !python && strings.HasPrefix(rest, "//"):
		if line := strings.IndexByte(rest, '\n'); line >= 0 {
			return at + line
		}
		return end
	case !python && strings.HasPrefix(rest, "/*"):
		if close := strings.Index(rest[2:], "*/"); close >= 0 {
			return at + close + 4
		}
		return end
	case rest[0] != '"' && rest[0] != '\'' && rest[0] != '`':
		return at
	}
	to := at + 1
	for to < end && m.text[to] != rest[0] {
		if m.text[to] == '\\' && (rest[0] != '`' || m.language == "javascript") {
			to++
		}
		to++
	}
	to = min(to+1, end)
	open := ""
	switch {
	case rest[0] == '`' && m.language == "javascript":
		open = "${"
	case m.language == "python" && at > 0 && strings.IndexByte("fF", m.text[at-1]) >= 0:
		open = "{"
	}
	for from := at; open != ""; {
		inner := strings.Index(m.text[from:to], open)
		if inner < 0 {
			break
		}
		from += inner + len(open)
		close := strings.IndexByte(m.text[from:to], '}')
		if close < 0 {
			break
		}
		m.scan(from, from+close)
		from += close
	}
	return to
}

// name enters a name where it is one of those that are looked for, by itself or with the member that follows.
func (m *mentioning) name(at, to, end int) {
	name := m.text[at:to]
	if slices.Contains(m.names, name) {
		m.places = append(m.places, []int{at, to})
		return
	}
	rest := strings.TrimPrefix(m.text[to:end], "?")
	member, quote := "", ""
	switch {
	case strings.HasPrefix(rest, `["`), strings.HasPrefix(rest, `['`):
		quote = rest[1:2]
		member, _, _ = strings.Cut(rest[2:], quote)
	case strings.HasPrefix(rest, `.["`), strings.HasPrefix(rest, `.['`):
		quote = rest[2:3]
		member, _, _ = strings.Cut(rest[3:], quote)
	case strings.HasPrefix(rest, "."):
		member = strings.TrimLeft(rest[1:], " \t")
		if i := strings.IndexFunc(member, func(r rune) bool { return r > 0x7f || !isNameByte(byte(r)) }); i >= 0 {
			member = member[:i]
		}
	}
	if member != "" && slices.Contains(m.names, name+"."+member) {
		m.places = append(m.places, []int{at, at + strings.Index(m.text[at:end], member) + len(member) + 2*len(quote)})
	}
}

func isNameByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
