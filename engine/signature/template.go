package signature

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Template is one compiled {source|function} text. It is immutable.
type Template struct {
	text  string
	parts []part
}

// part is a literal, a placeholder or a group of the two.
type part struct {
	literal []byte
	place   *placeholder
	group   []part
}

// placeholder is one {…}: its alternatives are tried in order.
type placeholder struct {
	alternatives []alternative
	// missing is the error where no alternative has anything, made once.
	missing error
}

// alternative is one source with what is done to it.
type alternative struct {
	source   string // the source's name
	arg      string
	read     reader
	whole    bool
	optional bool
	apply    []function
}

// MissingError says which placeholder had nothing to stand for.
type MissingError struct{ Placeholder string }

// Error names the placeholder.
func (e *MissingError) Error() string { return e.Placeholder + " is missing" }

// env is what a template sees while it is rendered. It must not be shared.
type env struct {
	req *Request
	// items are the signature list, ts the timestamp as sent, key the first secret; all empty outside of signatures.
	items []string
	count int
	ts    string
	key   []byte
	// bufs take turns to hold what functions make, out holds what is rendered.
	bufs [2][]byte
	out  []byte
}

// value gives what the alternative stands for. It is valid until the next value of the same env is asked for.
func (a *alternative) value(e *env) (value, bool) {
	v, ok := a.read(e)
	if !ok || v.empty() && !a.whole {
		return value{}, false
	}
	for i, f := range a.apply {
		in := v.raw
		if in == nil {
			in = []byte(v.text)
		}
		buf := &e.bufs[i%2]
		if *buf, ok = f.apply(e, (*buf)[:0], in); !ok {
			return value{}, false
		}
		v = value{raw: *buf}
	}
	return v, true
}

// value gives the first alternative that has something. Only the last one's "?" lets the whole be empty: before a "??" there is
// somewhere else to go.
func (p *placeholder) value(e *env) (value, error) {
	for i := range p.alternatives {
		if v, ok := p.alternatives[i].value(e); ok {
			return v, nil
		}
	}
	if p.alternatives[len(p.alternatives)-1].optional {
		return value{}, nil
	}
	return value{}, p.missing
}

// Text renders the template for a request, without any secret. The error is a *MissingError.
func (t *Template) Text(r *Request) (string, error) {
	e := env{req: r}
	if len(t.parts) == 1 && t.parts[0].place != nil {
		v, err := t.parts[0].place.value(&e)
		if err != nil {
			return "", err
		}
		if v.raw != nil {
			return string(v.raw), nil
		}
		return v.text, nil
	}
	var b strings.Builder
	if err := t.writeTo(&b, &e); err != nil {
		return "", err
	}
	return b.String(), nil
}

// writeTo streams the rendered bytes; the body itself is never copied. On an error what was written means nothing.
func (t *Template) writeTo(w io.Writer, e *env) error { return writeParts(w, e, t.parts) }

func writeParts(w io.Writer, e *env, parts []part) error {
	for i := range parts {
		p := &parts[i]
		switch {
		case p.place != nil:
			v, err := p.place.value(e)
			if err != nil {
				return err
			}
			if v.raw == nil {
				e.out = append(e.out[:0], v.text...)
				v.raw = e.out
			}
			if _, err := w.Write(v.raw); err != nil {
				return fmt.Errorf("writing a signed string: %w", err)
			}
		case p.group != nil:
			if !complete(e, p.group) {
				continue
			}
			if err := writeParts(w, e, p.group); err != nil {
				return err
			}
		default:
			if _, err := w.Write(p.literal); err != nil {
				return fmt.Errorf("writing a signed string: %w", err)
			}
		}
	}
	return nil
}

// complete says whether nothing in a group is missing.
func complete(e *env, group []part) bool {
	for i := range group {
		if p := group[i].place; p != nil {
			if _, err := p.value(e); err != nil {
				return false
			}
		}
	}
	return true
}

// String gives the template as it was written.
func (t *Template) String() string { return t.text }

// Uses says whether the template names a source, such as "url" or "ts".
func (t *Template) Uses(source string) bool {
	for a := range t.all {
		if a.source == source {
			return true
		}
	}
	return false
}

// Constant says whether the template names nothing of a request.
func (t *Template) Constant() bool {
	for range t.all {
		return false
	}
	return true
}

// Args gives the arguments with which a source is named, in order and each once: Args("header") are the names of the headers that
// the template reads.
func (t *Template) Args(source string) []string {
	var out []string
	for a := range t.all {
		if a.source == source && !slices.Contains(out, a.arg) {
			out = append(out, a.arg)
		}
	}
	return out
}

// Sole gives the source and argument of a template that is nothing but one plain placeholder, such as "header" and "X-Event".
func (t *Template) Sole() (source, arg string, ok bool) {
	if len(t.parts) != 1 || t.parts[0].place == nil {
		return "", "", false
	}
	alts := t.parts[0].place.alternatives
	if len(alts) != 1 || len(alts[0].apply) > 0 {
		return "", "", false
	}
	return alts[0].source, alts[0].arg, true
}

// all walks over every alternative.
func (t *Template) all(yield func(*alternative) bool) {
	walk(t.parts, yield)
}

func walk(parts []part, yield func(*alternative) bool) bool {
	for _, p := range parts {
		if p.place != nil {
			for i := range p.place.alternatives {
				if !yield(&p.place.alternatives[i]) {
					return false
				}
			}
		}
		if !walk(p.group, yield) {
			return false
		}
	}
	return true
}

// literal gives the text of a template without placeholders.
func (t *Template) literal() string {
	var b strings.Builder
	for _, p := range t.parts {
		b.Write(p.literal)
	}
	return b.String()
}
