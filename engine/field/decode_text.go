package field

import (
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// text decodes String, Text, Expression and Template.
func (d *decoder) text(f Field, path string, n *source.Node, v *value) bool {
	if n.Kind == source.Bool && f.Type != Expression {
		d.out.Errorf(diag.WrongType, n.Span, quoteHint(n.Text), "`%s` takes %s, not a boolean", path, f.describe())
		return false
	}
	t, ok := d.scalar(f, path, n)
	if !ok {
		return false
	}
	if d.hides(f, path, n, t) {
		return false
	}
	if f.Type == Expression || f.Type == Template {
		if t.HasRef() {
			d.out.Errorf(diag.ReferenceNotAllowed, n.Span, "", "`%s` cannot hold the reference `%s`", path, firstRef(t))
			return false
		}
		if !d.swallowed(f, path, n) {
			return false
		}
	}
	v.text, v.str = t, t.Reveal()
	if f.Type == Expression {
		v.str = n.Text
	}
	if f.Secret {
		return d.secret(path, n, t)
	}
	if f.Required && v.str == "" {
		d.out.Errorf(diag.BadValue, n.Span, "", "`%s` is empty", path)
		return false
	}
	return true
}

// hides reports a reference in a value that is shown.
func (d *decoder) hides(f Field, path string, n *source.Node, t secret.Text) bool {
	if !f.Shown || !t.HasRef() {
		return false
	}
	d.out.Errorf(diag.ReferenceNotAllowed, n.Span, "its value is stored and shown; write it out", "`%s` cannot hold the reference `%s`", path, firstRef(t))
	return true
}

func firstRef(t secret.Text) string {
	for _, p := range t.Parts() {
		if p.Ref != "" {
			return p.Ref
		}
	}
	return ""
}

// swallowed looks for the rest of an expression in what YAML took for a comment.
func (d *decoder) swallowed(f Field, path string, n *source.Node) bool {
	comment, span := n.Comment()
	if comment == "" {
		return true
	}
	whole := n.Text + " " + comment
	open := isOpen(n.Text)
	if f.Type == Template {
		open = strings.Count(n.Text, "{{") > strings.Count(n.Text, "}}") || strings.Contains(comment, "{{")
	}
	if open {
		d.out.Errorf(diag.YAMLComment, span, quoteHint(whole), "YAML takes the rest of `%s` for a comment", path)
		return false
	}
	if len(comment) > 1 && comment[1] != ' ' && comment[1] != '#' {
		d.out.Warnf(diag.YAMLComment, span, "quote the value, or put a blank behind the `#` of a comment",
			"YAML takes `%s` behind `%s` for a comment", comment, path)
	}
	return true
}

// isOpen says whether an expression ends inside of a quote or a bracket.
func isOpen(s string) bool {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\'', '`':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && c != '`' {
					i++
				}
			}
			if i >= len(s) {
				return true
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		}
	}
	return depth > 0
}

func (d *decoder) secret(path string, n *source.Node, t secret.Text) bool {
	switch {
	case strings.TrimSpace(t.Reveal()) == "":
		d.out.Errorf(diag.EmptySecret, n.Span, "", "the secret `%s` is empty", path)
		return false
	case !t.HasRef():
		d.out.Errorf(diag.LiteralSecret, n.Span, "write a reference such as `<<env.NAME>>`, and set that variable",
			"the secret `%s` is written into the manifest", path)
		return false
	}
	for _, p := range t.Parts() {
		if p.Default {
			d.out.Warnf(diag.DefaultSecret, n.Span, "leave the default out, so that an unset variable is an error",
				"the secret `%s` has a default that everybody who reads the manifest knows", path)
			break
		}
	}
	return true
}
