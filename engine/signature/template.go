package signature

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Template is one compiled {source|function} text. It is immutable.
type Template struct {
	text  string
	parts []part
	// once says that rendering costs more than reading, and that the result is the same whichever secret is tried.
	once bool
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
	// missing is the error where no alternative has anything, unclear where one has something that cannot be used; both are made once.
	missing, unclear error
}

// alternative is one source with what is done to it.
type alternative struct {
	source   string // the source's name
	arg      string
	place    Place     // where the source may stand
	let      *Template // what a `let` stands for
	read     reader
	whole    bool
	optional bool
	apply    []function
}

// MissingError says which placeholder had nothing to stand for.
type MissingError struct {
	Placeholder string
	// Unclear says that there is something, which a template cannot use: it is there twice, is a list or a map, or a function refused it.
	Unclear bool
}

// Error names the placeholder.
func (e *MissingError) Error() string {
	if e.Unclear {
		return e.Placeholder + " is there twice, or is not of a form that can be used"
	}
	return e.Placeholder + " is missing"
}

// env is what a template sees while it is rendered. It must not be shared.
type env struct {
	req *Request
	// items are the signature list, ts the timestamp as sent, key the first secret; all empty outside of signatures.
	items []string
	count int
	ts    string
	key   []byte
	// secret is the text of the secret that is being tried, claims the JSON of the token whose signature held.
	secret string
	claims []byte
	// bufs take turns to hold what functions make, out holds what is rendered.
	bufs [2][]byte
	out  []byte
	// let holds what a `let` renders.
	let []byte
}

// value gives what the alternative stands for. It is valid until the next value of the same env is asked for. What a function refuses is
// there all the same.
func (a *alternative) value(e *env) (value, presence) {
	v, there := a.read(e)
	switch {
	case there == foreign:
		return value{}, absent
	case there != present:
		return value{}, there
	case v.empty() && !a.whole:
		return value{}, absent
	case len(a.apply) == 0:
		return v, present
	}
	limit := e.req.mostRendered()
	for i, f := range a.apply {
		in := v.raw
		if in == nil {
			in = []byte(v.text)
		}
		buf, ok := &e.bufs[i%2], false
		if *buf, ok = f.apply(e, (*buf)[:0], in); !ok || len(*buf) > limit {
			return value{}, unclear
		}
		v = value{raw: *buf}
	}
	return v, present
}

// value gives the first alternative that has something. Only the last one's "?" lets the whole be empty, for before a "??" there is
// somewhere else to go; and only where nothing is there. What is there and cannot be used could mean something to another reader of the
// same request, so it is never passed over in silence.
func (p *placeholder) value(e *env) (value, error) {
	there := absent
	for i := range p.alternatives {
		v, is := p.alternatives[i].value(e)
		switch is {
		case present:
			return v, nil
		case absent:
		default:
			there = is
		}
	}
	switch {
	case there != absent:
		return value{}, p.unclear
	case p.alternatives[len(p.alternatives)-1].optional:
		return value{}, nil
	}
	return value{}, p.missing
}

// Text renders the template for a request, without any key. The error is a *MissingError.
func (t *Template) Text(r *Request) (string, error) { return t.TextWith(r, nil) }

// TextWith renders the template for a request, with the key of its keyed functions. The error is a *MissingError.
func (t *Template) TextWith(r *Request, key []byte) (string, error) {
	e := env{req: r, key: key}
	if len(t.parts) == 1 && t.parts[0].place != nil {
		v, err := t.parts[0].place.value(&e)
		if err != nil {
			return "", err
		}
		return v.string(), nil
	}
	var b strings.Builder
	if err := t.writeTo(&b, &e); err != nil {
		return "", err
	}
	return b.String(), nil
}

// Bytes renders the template for a request, without any key: a view into the request where it is nothing but a piece of it, so the
// caller must not change it. The error is a *MissingError, or ErrTooLong for more than limit bytes.
func (t *Template) Bytes(r *Request, limit int) ([]byte, error) { return t.BytesWith(r, nil, limit) }

// BytesWith is Bytes with the key of keyed functions.
func (t *Template) BytesWith(r *Request, key []byte, limit int) ([]byte, error) {
	e := env{req: r, key: key}
	if len(t.parts) == 1 && t.parts[0].place != nil {
		v, err := t.parts[0].place.value(&e)
		if err != nil {
			return nil, err
		}
		if max(len(v.raw), len(v.text)) > limit {
			return nil, ErrTooLong
		}
		if v.raw == nil {
			return []byte(v.text), nil
		}
		return v.raw, nil
	}
	b := bounded{limit: limit}
	if err := t.writeTo(&b, &e); err != nil {
		return nil, err
	}
	return b.out, nil
}

// ErrTooLong says that a template renders to more than its place allows.
var ErrTooLong = errors.New("the rendered text is too long")

// bounded collects up to limit bytes.
type bounded struct {
	out   []byte
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.limit-len(b.out) {
		return 0, ErrTooLong
	}
	b.out = append(b.out, p...)
	return len(p), nil
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
			whole, err := complete(e, p.group)
			if err != nil {
				return err
			}
			if !whole {
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

// complete says whether nothing in a group is missing. What is there and cannot be used is an error, as it is behind a "?".
func complete(e *env, group []part) (bool, error) {
	for i := range group {
		p := group[i].place
		if p == nil {
			continue
		}
		if _, err := p.value(e); err == p.unclear { //nolint:errorlint // the very value that was made for the placeholder
			return false, err
		} else if err != nil {
			return false, nil
		}
	}
	return true, nil
}

// String gives the template as it was written.
func (t *Template) String() string { return t.text }

// Uses says whether the template names a source, such as "url" or "ts", by itself or through a `let`.
func (t *Template) Uses(source string) bool {
	for a := range t.all {
		if a.source == source {
			return true
		}
	}
	return false
}

// Constant says whether the template names nothing of a request: it is text, variables and the secret.
func (t *Template) Constant() bool {
	for a := range t.all {
		if a.source != "var" && a.source != "secret" && a.let == nil {
			return false
		}
	}
	return true
}

// costly says whether rendering the template has to read through the body, or to work on it, rather than pass it on.
func (t *Template) costly() bool {
	for a := range t.all {
		switch a.source {
		case "body":
			if len(a.apply) > 0 {
				return true
			}
		case "form", "json", "xml", "outer", "item", "key", "let":
			return true
		}
	}
	return false
}

// plain says whether the template is text alone.
func (t *Template) plain() bool {
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

// Keyed gives the sources, with their arguments, whose text a keyed function signs or hashes with the provider's key.
func (t *Template) Keyed(yield func(source, arg string) bool) {
	for a := range t.all {
		if slices.ContainsFunc(a.apply, func(f function) bool { return f.keyed }) && !yield(a.source, a.arg) {
			return
		}
	}
}

// Sole gives the source and argument of a template that is nothing but one plain placeholder, such as "header" and "X-Event".
func (t *Template) Sole() (source, arg string, ok bool) {
	a := t.sole()
	if a == nil {
		return "", "", false
	}
	return a.source, a.arg, true
}

// Optional says whether the template is one placeholder that may be empty, such as header:X-Name?.
func (t *Template) Optional() bool {
	a := t.sole()
	return a != nil && a.optional
}

func (t *Template) sole() *alternative {
	if len(t.parts) != 1 || t.parts[0].place == nil {
		return nil
	}
	alts := t.parts[0].place.alternatives
	if len(alts) != 1 || len(alts[0].apply) > 0 {
		return nil
	}
	return &alts[0]
}

// all walks over every alternative, and after one that names a `let` over those of the `let`.
func (t *Template) all(yield func(*alternative) bool) {
	walk(t.parts, yield)
}

func walk(parts []part, yield func(*alternative) bool) bool {
	for _, p := range parts {
		if p.place != nil {
			for i := range p.place.alternatives {
				a := &p.place.alternatives[i]
				if !yield(a) || a.let != nil && !walk(a.let.parts, yield) {
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

// literal gives the text of a template that is Constant and names no secret; a variable that has none is nothing.
func (t *Template) literal() string {
	text, err := t.Text(&Request{})
	if err != nil {
		return ""
	}
	return text
}
