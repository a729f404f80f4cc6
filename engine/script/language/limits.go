package language

import (
	"strings"

	"github.com/headgate/headgate/engine/diag"
)

// The limits of an expression's text, held before any parser sees it: parsers recurse, and brackets alone make no nodes that they
// would count.
const (
	MaxSourceBytes = 8 << 10
	MaxNesting     = 64
	MaxNodes       = 2000
)

// Quotes tells how a language writes text, for those who must step over it.
type Quotes struct {
	// Raw says that `…` is text, without escapes.
	Raw bool
	// Prefixed says that r"…" has no escapes, and that three quotes enclose text of several lines.
	Prefixed bool
	// Block says that /* … */ is a comment; // begins one in all languages.
	Block bool
}

// CheckSize reports a text that holds a reference or is too long, and says whether it may be looked at further.
func CheckSize(r *Report) bool {
	text := r.src.Text
	if r.src.HasReference() {
		r.Errorf(diag.ReferenceNotAllowed, 0, len(text), "write it where it is sent, in a destination's `url` or `headers`", "a reference cannot stand in an expression")
		return false
	}
	if len(text) > MaxSourceBytes {
		r.Errorf(diag.ExpressionTooLarge, 0, 0, "", "the expression has %d bytes, more than %d", len(text), MaxSourceBytes)
		return false
	}
	return true
}

// CheckLimits reports a text that is empty, too long or nested too deep, and says whether it may be parsed. It warns of templates in
// quoted text.
func CheckLimits(r *Report, scope Scope, q Quotes) bool {
	text := r.src.Text
	if !CheckSize(r) {
		return false
	}
	depth, empty := 0, true
	for i := 0; i < len(text); {
		if n := q.Skip(text, i); n > 0 {
			empty = empty && isComment(text[i:])
			if !isComment(text[i:]) {
				r.CheckText(scope, i, i+n)
			}
			i += n
			continue
		}
		switch text[i] {
		case '(', '[', '{':
			if depth++; depth > MaxNesting {
				r.Errorf(diag.ExpressionTooLarge, i, i+1, "", "the expression nests deeper than %d brackets", MaxNesting)
				return false
			}
		case ')', ']', '}':
			depth--
		}
		empty = empty && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r')
		i++
	}
	if empty {
		r.Errorf(diag.ExpressionSyntax, 0, len(text), "", "the expression is empty")
		return false
	}
	return true
}

// SyntaxTemplate reports a syntax error that a {{ template }} around an offset explains, and says whether it does. Two braces alone are
// no mistake: a loop may make maps.
func SyntaxTemplate(r *Report, q Quotes, at int) bool {
	text := r.src.Text
	open := -1
	for i := 0; i <= at && i < len(text); {
		if n := q.Skip(text, i); n > 0 {
			i += n
			continue
		}
		if open < 0 && strings.HasPrefix(text[i:], "{{") {
			open = i
		}
		if open >= 0 && i < at && strings.HasPrefix(text[i:], "}}") {
			open = -1
		}
		i++
	}
	if open < 0 || !strings.Contains(text[open:], "}}") || isMap(text[open+2:]) {
		return false
	}
	r.Errorf(diag.ExpressionSyntax, open, open+2, "the same names are in scope: write them without braces", "a {{ template }} cannot stand in an expression")
	return true
}

// isMap says whether a text behind a brace goes on like a map, with a key.
func isMap(s string) bool {
	s = strings.TrimLeft(s, " \t\r\n")
	if s == "" || strings.IndexByte("\"'`", s[0]) >= 0 {
		return true
	}
	return strings.HasPrefix(strings.TrimLeft(s[wordLen(s, 0):], " \t"), ":")
}

// CheckText warns of a text between two offsets in which somebody seems to have meant a template.
func (r *Report) CheckText(scope Scope, from, to int) {
	text := r.src.Text[from:to]
	open := strings.Index(text, "{{")
	if open < 0 || !strings.Contains(text[open:], "}}") {
		return
	}
	inner := strings.TrimLeft(text[open+2:], " ")
	word := inner[:wordLen(inner, 0)]
	if IsName(word) || scope.IsLabel(word) {
		end := from + open + strings.Index(text[open:], "}}") + 2
		r.out.Warnf(diag.TemplateSyntax, r.src.Span(from+open, end), "join texts with +: \"by \" + payload.sender.login", "a template in a text of an expression stays as it is written")
	}
}

func isComment(s string) bool { return len(s) > 1 && s[0] == '/' && (s[1] == '/' || s[1] == '*') }

// Skip gives the length of the text literal or comment that begins at i, 0 where none does. What is not closed reaches to the end.
func (q Quotes) Skip(text string, i int) int {
	rest := text[i:]
	switch c := rest[0]; {
	case c == '"' || c == '\'':
		raw := q.Prefixed && i > 0 && (text[i-1] == 'r' || text[i-1] == 'R') && !(i > 1 && isWord(text[i-2]) && text[i-2] != 'b' && text[i-2] != 'B')
		return q.quoted(rest, c, raw)
	case c == '`' && q.Raw:
		return until(rest, 1, "`")
	case len(rest) > 1 && rest[:2] == "//":
		return until(rest, 2, "\n")
	case len(rest) > 1 && rest[:2] == "/*" && q.Block:
		return until(rest, 2, "*/")
	}
	return 0
}

func (q Quotes) quoted(rest string, quote byte, raw bool) int {
	size := 1
	if q.Prefixed && len(rest) > 2 && rest[1] == quote && rest[2] == quote {
		size = 3
	}
	for i := size; i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && !raw:
			i++
		case rest[i] == quote && (size == 1 || i+2 < len(rest) && rest[i+1] == quote && rest[i+2] == quote):
			return i + size
		}
	}
	return len(rest)
}

func until(rest string, from int, end string) int {
	for i := from; i+len(end) <= len(rest); i++ {
		if rest[i:i+len(end)] == end {
			return i + len(end)
		}
	}
	return len(rest)
}
