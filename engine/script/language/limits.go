package language

import "github.com/headgate/headgate/engine/diag"

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

// CheckLimits reports a text that is empty, too long or nested too deep, and says whether it may be parsed.
func CheckLimits(r *Report, q Quotes) bool {
	text := r.src.Text
	if r.src.HasReference() {
		r.Errorf(diag.ReferenceNotAllowed, 0, len(text), "pass the value through `vars`, or sign with it at the destination", "a reference cannot stand in an expression")
		return false
	}
	if len(text) > MaxSourceBytes {
		r.Errorf(diag.ExpressionTooLarge, 0, 0, "", "the expression has %d bytes, more than %d", len(text), MaxSourceBytes)
		return false
	}
	depth, empty := 0, true
	for i := 0; i < len(text); {
		if n := q.Skip(text, i); n > 0 {
			empty = empty && isComment(text[i:])
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
