package javascript

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is what a token is.
type kind int

const (
	word   kind = iota // a name or keyword, a private name with its #
	number             // a number, with the n of a BigInt
	text               // a string in quotes, or a piece of a template
	regex
	sign
)

// token is a piece of JavaScript that the engine's own reader would take as one.
type token struct {
	kind     kind
	from, to int
	text     string
	// pair is the index of the bracket that belongs to this one, -1 where there is none.
	pair int
}

// scanner takes code apart as far as names and brackets need it. It is no parser: the engine says what is wrong with code. Where it
// takes a slash for the wrong thing, names are missed, and nothing worse.
type scanner struct {
	src    string
	at     int
	tokens []token
	open   []int // indexes of open brackets; a template's `${` is one
	// tooDeep is the offset of the bracket that nests too deep, -1 for none.
	tooDeep int
}

// scan takes code apart. A bracket deeper than most ends it; its offset is given then, -1 otherwise.
func scan(src string, most int) (tokens []token, tooDeep int) {
	s := scanner{src: src, tooDeep: -1}
	for s.at < len(src) && s.tooDeep < 0 {
		s.next(most)
	}
	return s.tokens, s.tooDeep
}

func (s *scanner) add(k kind, to int) {
	s.tokens = append(s.tokens, token{kind: k, from: s.at, to: to, text: s.src[s.at:to], pair: -1})
	s.at = to
}

func (s *scanner) next(most int) {
	rest := s.src[s.at:]
	c, size := utf8.DecodeRuneInString(rest)
	switch {
	case c == '\uFEFF' || unicode.IsSpace(c):
		s.at += size
	case strings.HasPrefix(rest, "//"):
		s.at += lineEnd(rest)
	case strings.HasPrefix(rest, "/*"):
		if i := strings.Index(rest[2:], "*/"); i >= 0 {
			s.at += i + 4
		} else {
			s.at = len(s.src)
		}
	case c == '"' || c == '\'':
		s.add(text, s.at+quoted(rest))
	case c == '`':
		s.at++
		s.template(most, s.at-1)
	case c == '}' && len(s.open) > 0 && s.tokens[s.open[len(s.open)-1]].text == "${":
		s.bracket(1, most)
		s.template(most, s.at)
	case isNameStart(c):
		s.add(word, s.at+nameLen(rest))
	case '0' <= c && c <= '9' || c == '.' && len(rest) > 1 && '0' <= rest[1] && rest[1] <= '9':
		s.add(number, s.at+numberLen(rest))
	case c == '/' && !s.operand():
		s.add(regex, s.at+regexLen(rest))
	default:
		s.bracket(signLen(rest, size), most)
	}
}

// bracket adds a sign, and pairs it where it is a bracket.
func (s *scanner) bracket(size, most int) {
	at := s.at
	s.add(sign, s.at+size)
	last := len(s.tokens) - 1
	switch s.tokens[last].text {
	case "(", "[", "{", "${":
		if s.open = append(s.open, last); len(s.open) > most {
			s.tooDeep = at
		}
	case ")", "]", "}":
		if n := len(s.open); n > 0 {
			s.tokens[last].pair, s.tokens[s.open[n-1]].pair = s.open[n-1], last
			s.open = s.open[:n-1]
		}
	}
}

// template adds a piece of a template, which began at an offset, up to its end or the next `${`.
func (s *scanner) template(most, from int) {
	i := s.at
	for i < len(s.src) && s.src[i] != '`' && !strings.HasPrefix(s.src[i:], "${") {
		if s.src[i] == '\\' {
			i++
		}
		i++
	}
	i = min(i, len(s.src))
	open := strings.HasPrefix(s.src[i:], "${")
	if !open {
		i = min(i+1, len(s.src))
	}
	if s.at = from; i > from { // there may be nothing between two `${…}`
		s.add(text, i)
	}
	if open {
		s.bracket(2, most)
	}
}

// operand says whether the last token ends a value, so that a slash divides it and a bracket takes of it.
func (s *scanner) operand() bool {
	if len(s.tokens) == 0 {
		return false
	}
	return isOperand(s.tokens[len(s.tokens)-1])
}

func isOperand(t token) bool {
	switch t.kind {
	case word:
		return !isKeyword(t.text)
	case sign:
		return t.text == ")" || t.text == "]"
	}
	return true
}

func lineEnd(s string) int {
	if i := strings.IndexAny(s, "\n\r\u2028\u2029"); i >= 0 {
		return i
	}
	return len(s)
}

func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		case '\n':
			return i
		}
	}
	return len(s)
}

func regexLen(s string) int {
	class := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '\n':
			return i
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '/' && !class:
			return i + 1 + nameLen(s[i+1:])
		}
	}
	return len(s)
}

func numberLen(s string) int {
	for i := 1; i < len(s); i++ {
		c := s[i]
		afterE := (s[i-1] == 'e' || s[i-1] == 'E') && !strings.HasPrefix(s, "0x") && !strings.HasPrefix(s, "0X")
		if c == '.' && !strings.ContainsAny(s[:i], ".eExXn") || (c == '+' || c == '-') && afterE || c < utf8.RuneSelf && isNamePart(rune(c)) {
			continue
		}
		return i
	}
	return len(s)
}

func isNameStart(c rune) bool {
	return c == '_' || c == '$' || c == '#' || c == '\\' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf && unicode.IsLetter(c)
}

func isNamePart(c rune) bool {
	return isNameStart(c) || '0' <= c && c <= '9' || c >= utf8.RuneSelf && (unicode.IsDigit(c) || unicode.IsMark(c))
}

func nameLen(s string) int {
	for i, c := range s {
		if !isNamePart(c) {
			return i
		}
	}
	return len(s)
}

// signLen gives the length of the operator that s begins with; size is that of its first character.
func signLen(s string, size int) int {
	if strings.HasPrefix(s, "?.") && len(s) > 2 && '0' <= s[2] && s[2] <= '9' {
		return 1 // a ? .5 : 1
	}
	for n := min(4, len(s)); n > 1; n-- {
		switch s[:n] {
		case ">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "??=",
			"=>", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>", "**":
			return n
		}
	}
	return size
}

// isAssignment says whether an operator gives what stands before it a value.
func isAssignment(op string) bool {
	switch op {
	case "=", "+=", "-=", "*=", "/=", "%=", "**=", "<<=", ">>=", ">>>=", "&=", "|=", "^=", "&&=", "||=", "??=", "++", "--":
		return true
	}
	return false
}

// isKeyword says whether a word is the language's own and ends no value.
func isKeyword(s string) bool {
	return slices.Contains([]string{
		"await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do", "else", "enum", "export", "extends",
		"finally", "for", "function", "if", "import", "in", "instanceof", "let", "new", "return", "super", "switch", "throw", "try", "typeof", "var",
		"void", "while", "with", "yield",
	}, s)
}

// isConstant says whether a word is the language's own and a value.
func isConstant(s string) bool { return s == "this" || s == "null" || s == "true" || s == "false" }
