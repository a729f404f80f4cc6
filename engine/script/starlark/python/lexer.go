package python

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind int

const (
	end kind = iota
	newline
	indent
	dedent
	name
	number
	str
	op
)

// token is one word of a text.
type token struct {
	kind     kind
	from, to int
	// text is a name or operator as it is written, and the value of a string.
	text string
	// parts are those of an f-string, nil for any other.
	parts []part
}

// part is a piece of an f-string: text, or an expression between two bytes.
type part struct {
	text       string
	isExpr     bool
	from, to   int
	debug      string // for {x=}: the text that stands before the value
	conversion string
	spec       []part
}

// lexer cuts a text into tokens, indentation included.
type lexer struct {
	text    string
	i, end  int
	fail    func(from, to int, hint, format string, args ...any)
	indents []int
	pending []token
	depth   int  // open brackets
	begun   bool // something stands on the present line
	flat    bool // an expression in an f-string, without lines
}

func newLexer(text string, from, to int, fail func(from, to int, hint, format string, args ...any)) *lexer {
	return &lexer{text: text, i: from, end: to, fail: fail, indents: []int{0}}
}

func (l *lexer) peek(n int) byte {
	if l.i+n < l.end {
		return l.text[l.i+n]
	}
	return 0
}

// next gives the next token; after the last one it gives `end` for ever.
func (l *lexer) next() token {
	for {
		if len(l.pending) > 0 {
			t := l.pending[0]
			l.pending = l.pending[1:]
			return t
		}
		if !l.begun && l.depth == 0 && !l.flat && l.indentation() {
			continue
		}
		l.space()
		switch c := l.peek(0); {
		case l.i >= l.end:
			return l.last()
		case c == '\n' && (l.depth > 0 || l.flat):
			l.i++
		case c == '\n':
			l.i++
			if l.begun {
				l.begun = false
				return token{kind: newline, from: l.i - 1, to: l.i}
			}
		default:
			l.begun = true
			return l.word(c)
		}
	}
}

// space steps over blanks, comments and joined lines.
func (l *lexer) space() {
	for l.i < l.end {
		switch c := l.text[l.i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\f':
			l.i++
		case c == '#':
			for l.i < l.end && l.text[l.i] != '\n' {
				l.i++
			}
		case c == '\\' && (l.peek(1) == '\n' || l.peek(1) == '\r' && l.peek(2) == '\n'):
			l.i += 1 + strings.IndexByte(l.text[l.i:], '\n')
		default:
			return
		}
	}
}

// indentation looks at the blanks that a line begins with, and says whether that gave tokens.
func (l *lexer) indentation() bool {
	width := 0
	for ; l.i < l.end; l.i++ {
		switch l.text[l.i] {
		case ' ':
			width++
			continue
		case '\t':
			width += 8 - width%8
			continue
		case '\r', '\f':
			continue
		}
		break
	}
	if l.i >= l.end || l.text[l.i] == '\n' || l.text[l.i] == '#' {
		return false // nothing but a comment
	}
	l.begun = true
	top := l.indents[len(l.indents)-1]
	switch {
	case width > top:
		if len(l.indents) > maxDepth {
			l.fail(l.i, l.i, "", "the code nests deeper than %d", maxDepth)
		}
		l.indents = append(l.indents, width)
		l.pending = append(l.pending, token{kind: indent, from: l.i, to: l.i})
	case width < top:
		for width < l.indents[len(l.indents)-1] {
			l.indents = l.indents[:len(l.indents)-1]
			l.pending = append(l.pending, token{kind: dedent, from: l.i, to: l.i})
		}
		if width != l.indents[len(l.indents)-1] {
			l.fail(l.i, l.i, "", "this line is indented unlike any block around it")
		}
	}
	return len(l.pending) > 0
}

func (l *lexer) last() token {
	if l.flat {
		return token{kind: end, from: l.end, to: l.end}
	}
	if l.begun {
		l.begun = false
		return token{kind: newline, from: l.end, to: l.end}
	}
	if len(l.indents) > 1 {
		l.indents = l.indents[:len(l.indents)-1]
		return token{kind: dedent, from: l.end, to: l.end}
	}
	l.begun = false
	return token{kind: end, from: l.end, to: l.end}
}

func (l *lexer) word(c byte) token {
	from := l.i
	switch {
	case c == '"' || c == '\'':
		return l.quoted(from, "")
	case c >= '0' && c <= '9' || c == '.' && l.peek(1) >= '0' && l.peek(1) <= '9':
		return l.number()
	case c == '_' || c >= utf8.RuneSelf || unicode.IsLetter(rune(c)):
		return l.name()
	}
	for _, text := range []string{
		"**=", "//=", ">>=", "<<=", "...", "**", "//", ">>", "<<", "<=", ">=", "==", "!=", "->", ":=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=",
		"+", "-", "*", "/", "%", "&", "|", "^", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "@",
	} {
		if !strings.HasPrefix(l.text[l.i:l.end], text) {
			continue
		}
		l.i += len(text)
		switch text {
		case "(", "[", "{":
			if l.depth++; l.depth > maxDepth {
				l.fail(from, l.i, "", "the code nests deeper than %d brackets", maxDepth)
			}
		case ")", "]", "}":
			l.depth = max(0, l.depth-1)
		}
		return token{kind: op, from: from, to: l.i, text: text}
	}
	r, size := utf8.DecodeRuneInString(l.text[l.i:l.end])
	hint := ""
	switch r {
	case '!':
		hint = "write `not`"
	case '?', '$':
		hint = "Python has no such sign"
	}
	l.fail(from, from+size, hint, "unexpected `%c`", r)
	return token{}
}

func (l *lexer) name() token {
	from := l.i
	for l.i < l.end {
		r, size := utf8.DecodeRuneInString(l.text[l.i:l.end])
		if r == utf8.RuneError && size == 1 || r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) {
			break
		}
		l.i += size
	}
	if l.i == from {
		r, size := utf8.DecodeRuneInString(l.text[l.i:l.end])
		hint := ""
		if strings.ContainsRune("“”„‘’", r) {
			hint = "quotes are written \" or '"
		}
		l.fail(from, from+size, hint, "unexpected `%c`", r)
	}
	text := l.text[from:l.i]
	if c := l.peek(0); (c == '"' || c == '\'') && len(text) <= 2 && strings.Trim(text, "rRbBfFuU") == "" {
		return l.quoted(from, strings.ToLower(text))
	}
	return token{kind: name, from: from, to: l.i, text: text}
}

func (l *lexer) number() token {
	from := l.i
	hex := l.peek(0) == '0' && strings.IndexByte("xXbBoO", l.peek(1)) >= 0 && l.peek(1) != 0
	for l.i < l.end {
		c := l.text[l.i]
		sign := (c == '+' || c == '-') && !hex && (l.text[l.i-1] == 'e' || l.text[l.i-1] == 'E') && l.i > from
		if c != '.' && c != '_' && (c < '0' || c > '9') && !unicode.IsLetter(rune(c)) && !sign {
			break
		}
		l.i++
	}
	return token{kind: number, from: from, to: l.i, text: l.text[from:l.i]}
}
