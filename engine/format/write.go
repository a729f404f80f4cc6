package format

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/source"
)

// line is one line as it will be written; its comment is put in its place when all lines are known.
type line struct{ text, comment string }

// writer writes a document.
type writer struct {
	doc *doc
	o   *Options
}

// document gives the text of the whole document.
func (w *writer) document(object *field.Object) string {
	var lines []line
	for _, c := range w.doc.head {
		lines = append(lines, line{text: c})
	}
	if w.doc.open {
		lines = append(lines, line{})
	}
	lines = append(lines, w.collection(w.doc.root, object, 0)...)
	lead, tail := w.surroundings()
	return lead + join(lines) + tail
}

// surroundings are the blank lines that stand around the document: one at most on each side.
func (w *writer) surroundings() (lead, tail string) {
	text := strings.TrimLeft(string(w.doc.data), "\n")
	before := len(w.doc.data) - len(text)
	if before > w.doc.shift {
		lead = "\n"
	}
	if strings.HasSuffix(strings.TrimRight(string(w.doc.data), " \t"), "\n\n") {
		tail = "\n"
	}
	return lead, tail
}

// join puts comments behind their lines: those of neighbouring lines stand below each other.
func join(lines []line) string {
	const far = 100 // a comment behind a longer line does not push those of its neighbours away
	var b strings.Builder
	for i := 0; i < len(lines); i++ {
		if lines[i].comment == "" {
			b.WriteString(lines[i].text + "\n")
			continue
		}
		end, col := i, 0
		for ; end < len(lines) && lines[end].comment != ""; end++ {
			if n := utf8.RuneCountInString(lines[end].text); n <= far {
				col = max(col, n)
			}
		}
		for _, l := range lines[i:end] {
			b.WriteString(l.text + strings.Repeat(" ", max(0, col-utf8.RuneCountInString(l.text))) + "  " + l.comment + "\n")
		}
		i = end - 1
	}
	return b.String()
}

// collection writes the entries of a map, or the items of a list, each on lines of its own.
func (w *writer) collection(n *source.Node, object *field.Object, indent int) []line {
	var lines []line
	pad := strings.Repeat(" ", indent)
	if n.Kind == source.Map {
		for _, e := range ordered(n, object) {
			s := w.doc.of[e.Key]
			lines = append(lines, w.lead(s, pad, len(lines) == 0)...)
			lines = append(lines, w.value(pad+w.key(e.Key, false)+":", s, w.describe(object, n, e.Key.Text), indent)...)
		}
	}
	for _, item := range n.Items {
		s := w.doc.of[item]
		lines = append(lines, w.lead(s, pad, len(lines) == 0)...)
		lines = append(lines, w.item(s, object, indent)...)
	}
	for _, c := range w.doc.foot[n] {
		lines = append(lines, line{text: strings.TrimRight(pad+c, " ")})
	}
	return lines
}

func (w *writer) lead(s *slot, pad string, first bool) []line {
	var lines []line
	for _, c := range s.lead {
		if c == "" && first && len(lines) == 0 {
			continue
		}
		lines = append(lines, line{text: strings.TrimRight(pad+c, " ")})
	}
	return lines
}

// item writes an item of a list. A map or list begins on the line of the dash; comments in front of its first line go before the dash.
func (w *writer) item(s *slot, object *field.Object, indent int) []line {
	pad := strings.Repeat(" ", indent)
	if s.value.IsScalar() || w.inline(s.value, object, indent+2) != "" {
		return w.value(pad+"-", s, object, indent)
	}
	lines := w.collection(s.value, object, indent+2)
	first := slices.IndexFunc(lines, func(l line) bool { t := strings.TrimSpace(l.text); return t != "" && t[0] != '#' })
	var out []line
	for _, l := range lines[:first] {
		out = append(out, line{text: strings.TrimPrefix(l.text, "  ")})
	}
	lines[first].text = pad + "- " + lines[first].text[indent+2:]
	if s.trail != "" { // it stood behind the dash
		out = append(out, line{text: pad + s.trail})
	}
	return append(out, lines[first:]...)
}

// value writes a value behind its key or dash.
func (w *writer) value(head string, s *slot, object *field.Object, indent int) []line {
	n := s.value
	if n.IsScalar() {
		return w.scalar(head, s, indent)
	}
	if text := w.inline(n, object, utf8.RuneCountInString(head)+1); text != "" {
		return []line{{text: head + " " + text, comment: s.trail}}
	}
	return append([]line{{text: head, comment: s.trail}}, w.collection(n, object, indent+2)...)
}

// inline gives a map or list in braces, "" where it is to be written in lines. col is where it would begin.
func (w *writer) inline(n *source.Node, object *field.Object, col int) string {
	if len(n.Entries)+len(n.Items) == 0 && len(w.doc.foot[n]) == 0 {
		if n.Kind == source.Map {
			return "{}"
		}
		return "[]"
	}
	if !n.Flow || w.doc.loose[n] {
		return ""
	}
	text, ok := w.braces(n, object, jsonStyle(n))
	if !ok || col+utf8.RuneCountInString(text) > width {
		return ""
	}
	return text
}

// jsonStyle says whether a map is written as JSON has it, which keeps its quotes.
func jsonStyle(n *source.Node) bool {
	if n.Kind == source.List {
		return slices.ContainsFunc(n.Items, jsonStyle)
	}
	return n.Kind == source.Map && len(n.Entries) > 0 && !slices.ContainsFunc(n.Entries, func(e source.Entry) bool { return e.Key.Style != source.DoubleQuoted })
}

// braces writes a map or list in braces; false where a scalar in it takes several lines.
func (w *writer) braces(n *source.Node, object *field.Object, json bool) (string, bool) {
	if n.IsScalar() {
		if n.Span.Start.Line != n.Span.End.Line {
			return "", false
		}
		return w.text(n, true, json), true
	}
	var parts []string
	for _, e := range ordered(n, object) {
		v, ok := w.braces(e.Value, w.describe(object, n, e.Key.Text), json)
		if !ok {
			return "", false
		}
		key := w.key(e.Key, true)
		if json {
			key = w.raw(e.Key)
		}
		parts = append(parts, strings.TrimRight(key+": "+v, " "))
	}
	for _, item := range n.Items {
		v, ok := w.braces(item, object, json)
		if !ok {
			return "", false
		}
		parts = append(parts, v)
	}
	text := strings.Join(parts, ", ")
	if n.Kind == source.Map {
		return "{" + text + "}", true
	}
	return "[" + text + "]", true
}

// ordered gives the entries of a map in the order of its description; what it does not describe comes after, in the order written.
func ordered(n *source.Node, object *field.Object) []source.Entry {
	if object == nil {
		return n.Entries
	}
	place := func(e source.Entry) int {
		if i := slices.Index(canonical(object), e.Key.Text); i >= 0 {
			return i
		}
		return len(object.Fields) + 2
	}
	out := slices.Clone(n.Entries)
	slices.SortStableFunc(out, func(a, b source.Entry) int { return place(a) - place(b) })
	return out
}

// canonical is the order of a description's keys. What a document is built on comes right after what it is, its tests come last.
func canonical(object *field.Object) []string {
	names := object.Names()
	if len(names) > 0 && names[0] == "kind" {
		names = slices.Insert(names, 1, "use")
	}
	if i := slices.Index(names, "tests"); i >= 0 {
		names = append(slices.Delete(names, i, i+1), "tests")
	}
	return names
}

// describe gives the description of what stands below a key, nil where there is none.
func (w *writer) describe(object *field.Object, in *source.Node, key string) *field.Object {
	return below(w.o, object, in, key)
}

func below(o *Options, object *field.Object, in *source.Node, key string) *field.Object {
	if object == nil {
		return nil
	}
	node := nodeObject(o)
	if object == node && key == "props" {
		if t := in.Get("type"); t != nil {
			return o.Props[t.Text]
		}
		return nil
	}
	f, ok := object.Field(key)
	if ok && f.Object != nil {
		return f.Object
	}
	if key == "nodes" && isProps(o, object) {
		return node // the body of a node that runs for each item
	}
	return nil
}

// nodeObject is the description of a pipeline's nodes.
func nodeObject(o *Options) *field.Object {
	if p := o.Kinds["pipeline"]; p != nil {
		if f, ok := p.Field("nodes"); ok {
			return f.Object
		}
	}
	return nil
}

func isProps(o *Options, object *field.Object) bool {
	for _, p := range o.Props {
		if p == object {
			return true
		}
	}
	return false
}
