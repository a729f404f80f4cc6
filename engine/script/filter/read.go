package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
)

// item is a piece of a filter: a list of items, or an atom.
type item struct {
	from, to int // its place in the text
	isList   bool
	list     []item
	// value is an atom's: null, true, false, a number or a string.
	value any
}

// maxItems bounds the parts of a filter.
const maxItems = language.MaxNodes

// reader makes items of a text.
type reader struct {
	text   string
	report *language.Report
	scope  language.Scope
	at     int
	depth  int
	items  int
}

// read gives the one list that a filter is.
func (r *reader) read() (root item, ok bool) {
	r.space()
	switch {
	case r.at == len(r.text):
		r.report.Errorf(diag.ExpressionSyntax, 0, len(r.text), "", "the filter is empty")
		return item{}, false
	case r.text[r.at] != '(':
		r.report.Word(diag.ExpressionSyntax, r.at, `write (eq "action" "opened")`, "a filter begins with a bracket")
		return item{}, false
	}
	if root, ok = r.list(); !ok {
		return item{}, false
	}
	if r.space(); r.at < len(r.text) {
		hint := "put several into one: (and (…) (…))"
		if r.text[r.at] == ')' {
			hint = "there is a bracket too many"
		}
		r.report.Errorf(diag.ExpressionSyntax, r.at, len(strings.TrimRightFunc(r.text, isSpace)), hint, "the filter ends before this")
		return item{}, false
	}
	return root, true
}

// list reads a list, whose bracket is next.
func (r *reader) list() (item, bool) {
	out := item{from: r.at, isList: true}
	if r.depth++; r.depth > language.MaxNesting {
		r.report.Errorf(diag.ExpressionTooLarge, r.at, r.at+1, "", "the filter nests deeper than %d brackets", language.MaxNesting)
		return out, false
	}
	r.at++
	for {
		r.space()
		switch {
		case r.at == len(r.text):
			r.report.Errorf(diag.ExpressionSyntax, out.from, out.from+1, "", "a bracket is opened here and never closed")
			return out, false
		case r.text[r.at] == ')':
			r.at++
			r.depth--
			out.to = r.at
			return out, true
		}
		next, ok := r.item()
		if !ok {
			return out, false
		}
		out.list = append(out.list, next)
	}
}

func (r *reader) item() (item, bool) {
	if r.items++; r.items > maxItems {
		r.report.Errorf(diag.ExpressionTooLarge, 0, len(r.text), "", "the filter has more than %d parts", maxItems)
		return item{}, false
	}
	switch r.text[r.at] {
	case '(':
		return r.list()
	case '"':
		return r.quoted()
	}
	from := r.at
	for r.at < len(r.text) {
		c, size := utf8.DecodeRuneInString(r.text[r.at:])
		if c == '(' || c == ')' || isSpace(c) {
			break
		}
		r.at += size
	}
	return item{from: from, to: r.at, value: bare(r.text[from:r.at])}, true
}

// quoted reads a text in quotes. A backslash takes the character behind it as it is; there are no other escapes.
func (r *reader) quoted() (item, bool) {
	out := item{from: r.at}
	var text strings.Builder
	for i := r.at + 1; i < len(r.text); i++ {
		switch c := r.text[i]; c {
		case '\\':
			if i++; i < len(r.text) {
				text.WriteByte(r.text[i])
			}
		case '"':
			r.at = i + 1
			out.to, out.value = r.at, text.String()
			r.report.CheckText(r.scope, out.from, out.to)
			return out, true
		default:
			text.WriteByte(c)
		}
	}
	r.report.Errorf(diag.ExpressionSyntax, r.at, r.at+1, "", "a quote is opened here and never closed")
	return out, false
}

func (r *reader) space() {
	for r.at < len(r.text) {
		c, size := utf8.DecodeRuneInString(r.text[r.at:])
		if !isSpace(c) {
			return
		}
		r.at += size
	}
}

// isSpace says whether a character is white space to JavaScript, in which the language was first written.
func isSpace(c rune) bool { return c == '\uFEFF' || c != '\u0085' && unicode.IsSpace(c) }
