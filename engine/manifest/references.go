package manifest

import (
	"slices"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// references resolves the references of every document, after `use` was merged: a part that was overridden needs no secrets.
// Disabled documents come last: what they share with a live one is resolved for that one.
func (l *loader) references() {
	for _, enabled := range []bool{true, false} {
		for _, d := range l.bundle.documents {
			if d.Enabled != enabled {
				continue
			}
			w := referenceWalk{loader: l, doc: d}
			if d.Kind == Test {
				// What a test sends and expects is meant to the byte, and it must run where no secret is.
				w.forbid(d.Root, "a test", "write the value out: a test needs no real secret", true)
				continue
			}
			w.node(d.Root, false)
		}
	}
}

type referenceWalk struct {
	*loader
	doc *Document
}

// node goes through a tree. inData says that the keys are the user's own words (headers, a body), so that none of them is code.
func (w *referenceWalk) node(n *source.Node, inData bool) {
	switch n.Kind {
	case source.Map:
		for _, e := range n.Entries {
			key := e.Key.Text
			switch {
			case !inData && key == "example":
				w.forbid(e.Value, "an example", elsewhere, true)
			case !inData && slices.Contains([]string{"code", "expression", "filter"}, key) && e.Value.IsScalar():
				w.forbid(e.Value, "`"+key+"`", elsewhere, false)
			default:
				w.node(e.Value, inData || isData(key))
			}
		}
	case source.List:
		for _, item := range n.Items {
			w.node(item, inData)
		}
	case source.String:
		w.resolve(w.doc, n)
	}
}

// isData says whether the keys below a key are the user's own words.
func isData(key string) bool {
	return slices.Contains([]string{"headers", "query", "vars", "body", "form", "json", "labels", "tests"}, key)
}

// elsewhere tells where references may stand.
const elsewhere = "put it into a header, a URL or a secret"

// forbid sets the strings of code and examples as they are written: "<<" is an operator there. A reference is an error.
func (w *referenceWalk) forbid(n *source.Node, where, hint string, deep bool) {
	switch {
	case n.Kind == source.Map && deep:
		for _, e := range n.Entries {
			w.forbid(e.Value, where, hint, deep)
		}
	case n.Kind == source.List && deep:
		for _, item := range n.Items {
			w.forbid(item, where, hint, deep)
		}
	case n.Kind == source.String && n.Value == nil:
		text := secret.Literal(n.Text)
		n.Value = &text
		if offset, length, ok := secret.HasReference(n.Text); ok {
			w.out.Errorf(diag.ReferenceNotAllowed, textSpan(n, offset, length), hint,
				"%s cannot hold the reference `%s`", where, n.Text[offset:offset+length])
		}
	}
}

// resolve sets the Value of a string, once: a node that several documents use has one.
func (l *loader) resolve(d *Document, n *source.Node) {
	if n.Kind != source.String || n.Value != nil {
		return
	}
	base := d.home.dir()
	if m := d.files[n.Span.File]; m != nil {
		base = m.dir()
	}
	text, problems := l.bundle.resolver.Resolve(n.Text, base)
	n.Value = &text
	for _, p := range problems {
		if !d.Enabled && (p.Code == secret.CodeUnset || p.Code == secret.CodeFile) {
			continue // what does not run needs no secrets
		}
		l.out.Errorf(diag.Rule(p.Code), textSpan(n, p.Offset, p.Len), p.Hint, "%s", p.Message)
	}
}

// textSpan is the place in the file of a piece of a scalar's text.
func textSpan(n *source.Node, offset, length int) source.Span {
	return source.Span{File: n.Span.File, Start: n.TextPos(offset), End: n.TextPos(offset + length)}
}
