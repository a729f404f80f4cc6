package language

import (
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// Source is the text of an expression or template and the place where it stands.
type Source struct {
	Text string
	// Node is the manifest's scalar that holds the text; nil where there is none, then findings have no place.
	Node *source.Node
	// from is where Text begins in the node's text, once escapes of references are undone.
	from int
}

// FromNode makes a Source of a scalar. Where its references are resolved, escapes of references (`\<<`) are undone.
func FromNode(n *source.Node) Source {
	if n == nil {
		return Source{}
	}
	return Source{Text: nodeText(n), Node: n}
}

func nodeText(n *source.Node) string {
	if n.Value == nil || n.Value.HasRef() {
		return n.Text
	}
	return n.Value.String()
}

// HasReference says whether the text holds a reference, whose value must not come into an expression.
func (s Source) HasReference() bool {
	return s.Node != nil && s.Node.Value != nil && s.Node.Value.HasRef()
}

// Part gives the piece between two offsets of s.Text as a Source of its own.
func (s Source) Part(from, to int) Source {
	return Source{Text: s.Text[from:to], Node: s.Node, from: s.from + from}
}

// Span gives the place of the piece between two offsets of s.Text.
func (s Source) Span(from, to int) source.Span {
	if s.Node == nil {
		return source.Span{}
	}
	from = max(0, min(from, len(s.Text)))
	to = max(from, min(to, len(s.Text)))
	if s.Text == "" {
		return s.Node.Span
	}
	return source.Span{File: s.Node.Span.File, Start: s.pos(from), End: s.pos(to)}
}

func (s Source) pos(offset int) source.Pos { return s.Node.TextPos(written(s.Node, s.from+offset)) }

// written gives where an offset of the node's text is in the text as it is written, which has a backslash before each `<<` that is
// meant.
func written(n *source.Node, offset int) int {
	text := nodeText(n)
	if len(text) == len(n.Text) {
		return offset
	}
	at := 0
	for i := 0; i < offset && at < len(n.Text); i++ {
		if strings.HasPrefix(n.Text[at:], `\<<`) && strings.HasPrefix(text[i:], "<<") {
			at++
		}
		at++
	}
	return at
}

// Byte gives the offset in bytes of character n of s.Text.
func (s Source) Byte(n int) int {
	for i := range s.Text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s.Text)
}

// Report collects the findings of one expression.
type Report struct {
	src    Source
	out    *diag.List
	failed bool
}

// NewReport makes a Report that adds to out.
func NewReport(src Source, out *diag.List) *Report { return &Report{src: src, out: out} }

// Errorf adds an error at the piece of the text between two offsets. The hint may be "".
func (r *Report) Errorf(rule diag.Rule, from, to int, hint, format string, args ...any) {
	r.failed = true
	r.out.Errorf(rule, r.src.Span(from, to), hint, format, args...)
}

// Warnf adds a warning at the piece of the text between two offsets.
func (r *Report) Warnf(rule diag.Rule, from, to int, hint, format string, args ...any) {
	r.out.Warnf(rule, r.src.Span(from, to), hint, format, args...)
}

// Word adds an error at the word that begins at an offset.
func (r *Report) Word(rule diag.Rule, from int, hint, format string, args ...any) {
	r.Errorf(rule, from, from+wordLen(r.src.Text, from), hint, format, args...)
}

// Fail notes an error that somebody else has added.
func (r *Report) Fail() { r.failed = true }

// Failed says whether there was any error.
func (r *Report) Failed() bool { return r.failed }

// wordLen gives the length of the name, number or single character that begins at an offset.
func wordLen(text string, from int) int {
	if from < 0 || from >= len(text) {
		return 0
	}
	n := 0
	for n < len(text)-from && isWord(text[from+n]) {
		n++
	}
	if n == 0 {
		_, n = utf8.DecodeRuneInString(text[from:])
	}
	return n
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
