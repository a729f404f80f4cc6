package python

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// quoted reads a string that begins at from, with its prefix in lower case.
func (l *lexer) quoted(from int, prefix string) token {
	if strings.Contains(prefix, "b") {
		l.fail(from, l.i+1, "leave out the b", "bytes are no value here; write text")
	}
	quote := l.text[l.i : l.i+1]
	if strings.HasPrefix(l.text[l.i:l.end], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	l.i += len(quote)
	s := stringReader{lexer: l, from: from, quote: quote, raw: strings.Contains(prefix, "r")}
	t := token{kind: str, from: from}
	if strings.Contains(prefix, "f") {
		t.parts = s.parts(0)
		if t.parts == nil {
			t.parts = []part{}
		}
	} else {
		t.text = s.plain()
	}
	t.to = l.i
	return t
}

// stringReader reads what stands between two quotes.
type stringReader struct {
	*lexer
	from  int
	quote string
	raw   bool
}

// closed says whether the string ends here, and steps over its quote.
func (s *stringReader) closed() bool {
	if s.i >= s.end || len(s.quote) == 1 && s.text[s.i] == '\n' {
		s.fail(s.from, s.from+1, "", "a quote is opened here and never closed")
	}
	if strings.HasPrefix(s.text[s.i:s.end], s.quote) {
		s.i += len(s.quote)
		return true
	}
	return false
}

func (s *stringReader) plain() string {
	var b strings.Builder
	for !s.closed() {
		s.char(&b)
	}
	return b.String()
}

// char takes one character or escape.
func (s *stringReader) char(b *strings.Builder) {
	c := s.text[s.i]
	s.i++
	if c != '\\' || s.i >= s.end {
		b.WriteByte(c)
		return
	}
	e := s.text[s.i]
	s.i++
	if s.raw {
		b.WriteByte('\\')
		b.WriteByte(e)
		return
	}
	if i := strings.IndexByte("abfnrtv\\'\"", e); i >= 0 {
		b.WriteByte("\a\b\f\n\r\t\v\\'\""[i])
		return
	}
	switch e {
	case '\n':
	case 'x':
		s.code(b, 2)
	case 'u':
		s.code(b, 4)
	case 'U':
		s.code(b, 8)
	case 'N':
		s.fail(s.i-2, s.i, "write the character itself", "characters are not known by their names here")
	case '0', '1', '2', '3', '4', '5', '6', '7':
		n := rune(e - '0')
		for k := 0; k < 2 && s.i < s.end && s.text[s.i] >= '0' && s.text[s.i] <= '7'; k++ {
			n = n*8 + rune(s.text[s.i]-'0')
			s.i++
		}
		b.WriteRune(n)
	default:
		b.WriteByte('\\')
		b.WriteByte(e)
	}
}

func (s *stringReader) code(b *strings.Builder, digits int) {
	n, err := uint64(0), strconv.ErrSyntax
	if s.i+digits <= s.end {
		n, err = strconv.ParseUint(s.text[s.i:s.i+digits], 16, 32)
	}
	if err != nil || n > utf8.MaxRune {
		s.fail(s.i-2, s.i, "", "the escape has too few digits, or names no character")
	}
	s.i += digits
	b.WriteRune(rune(n)) //nolint:gosec // at most MaxRune
}

// parts reads an f-string up to its quote, or at depth 1 a format up to its closing brace.
func (s *stringReader) parts(depth int) []part {
	var out []part
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, part{text: b.String()})
			b.Reset()
		}
	}
	for depth > 0 || !s.closed() {
		if s.i >= s.end {
			s.fail(s.from, s.from+1, "", "a brace of the f-string is never closed")
		}
		switch c := s.text[s.i]; {
		case depth > 0 && c == '}':
			flush()
			return out
		case depth == 0 && (c == '{' || c == '}') && s.peek(1) == c:
			b.WriteByte(c)
			s.i += 2
		case c == '{':
			flush()
			out = append(out, s.expression(depth))
		case c == '}':
			s.fail(s.i, s.i+1, "a brace that is meant is written twice: }}", "a brace of the f-string is closed here and never opened")
		default:
			s.char(&b)
		}
	}
	flush()
	return out
}

// expression reads {…} of an f-string.
func (s *stringReader) expression(depth int) part {
	open := s.i
	if depth > 1 {
		s.fail(open, open+1, "", "formats in formats of formats are too much")
	}
	s.i++
	p := part{isExpr: true, from: s.i}
	s.skipExpression(open)
	p.to = s.i
	text := strings.TrimRight(s.text[p.from:p.to], " ")
	if strings.HasSuffix(text, "=") && !strings.HasSuffix(text, "==") {
		p.debug, p.to, p.conversion = s.text[p.from:p.to], p.from+len(text)-1, "r"
	}
	if strings.TrimSpace(s.text[p.from:p.to]) == "" {
		s.fail(open, s.i+1, "a brace that is meant is written twice: {{", "the braces of the f-string hold nothing")
	}
	if s.text[s.i] == '!' {
		c := s.peek(1)
		if c != 's' && c != 'r' && c != 'a' {
			s.fail(s.i, s.i+1, "", "behind ! stands r, s or a")
		}
		p.conversion = string(c)
		s.i += 2
	}
	if s.i < s.end && s.text[s.i] == ':' {
		s.i++
		p.spec = s.parts(depth + 1)
		if p.debug != "" && len(p.spec) > 0 && p.conversion == "r" {
			p.conversion = ""
		}
	}
	if s.i >= s.end || s.text[s.i] != '}' {
		s.fail(open, open+1, "", "a brace of the f-string is never closed")
	}
	s.i++
	return p
}

// skipExpression steps to where an expression of an f-string ends.
func (s *stringReader) skipExpression(open int) {
	depth := 0
	for s.i < s.end {
		switch c := s.text[s.i]; {
		case c == '"' || c == '\'':
			if depth == 0 && strings.HasPrefix(s.text[s.i:s.end], s.quote) && !s.closesLater() {
				s.fail(open, open+1, "", "a brace of the f-string is never closed")
			}
			s.skipString()
			continue
		case c == '(' || c == '[' || c == '{':
			if depth++; depth > maxDepth {
				s.fail(s.i, s.i+1, "", "the code nests deeper than %d brackets", maxDepth)
			}
		case depth > 0 && (c == ')' || c == ']' || c == '}'):
			depth--
		case depth > 0:
		case c == '!' && s.peek(1) == '=':
			s.i++
		case c == '}' || c == ':' || c == '!':
			return
		case c == '\n' && len(s.quote) == 1:
			s.fail(open, open+1, "", "a brace of the f-string is never closed")
		}
		s.i++
	}
	s.fail(open, open+1, "", "a brace of the f-string is never closed")
}

// closesLater says whether a quote like that of the f-string stands on the line again: then it is one of a text inside the braces.
func (s *stringReader) closesLater() bool {
	line, _, _ := strings.Cut(s.text[s.i+len(s.quote):s.end], "\n")
	return strings.Contains(line, s.quote)
}

func (s *stringReader) skipString() {
	quote := s.text[s.i : s.i+1]
	if strings.HasPrefix(s.text[s.i:s.end], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	from := s.i
	for s.i += len(quote); s.i < s.end; s.i++ {
		switch {
		case s.text[s.i] == '\\':
			s.i++
		case strings.HasPrefix(s.text[s.i:s.end], quote):
			s.i += len(quote)
			return
		}
	}
	s.fail(from, from+1, "", "a quote is opened here and never closed")
}
