package payload

import (
	"unicode/utf16"
	"unicode/utf8"
)

// cursor is a place in a body and what was read before it; Check and Decode walk with the same one, so that they agree.
type cursor struct {
	body   []byte
	i      int
	depth  int
	tokens int
	limits Limits
}

// token counts a value or name.
func (c *cursor) token() *Error {
	if c.tokens++; c.tokens > c.limits.Tokens {
		return errorAt(c.i, TooManyTokens, "more than %d values and names", c.limits.Tokens)
	}
	return nil
}

// enter counts an opening bracket.
func (c *cursor) enter() *Error {
	if c.depth++; c.depth > c.limits.Depth {
		return errorAt(c.i, TooDeep, "nested deeper than %d", c.limits.Depth)
	}
	return nil
}

// empty steps over an opening bracket and, where it follows at once, its closing one.
func (c *cursor) empty(closing byte) bool {
	if c.i = skipSpace(c.body, c.i+1); c.i >= len(c.body) || c.body[c.i] != closing {
		return false
	}
	c.depth--
	c.i++
	return true
}

// colon steps over what stands between a name and its value.
func (c *cursor) colon() *Error {
	if c.i = skipSpace(c.body, c.i); c.i >= len(c.body) || c.body[c.i] != ':' {
		return unexpected(c.body, c.i)
	}
	c.i = skipSpace(c.body, c.i+1)
	return nil
}

// separator steps over what follows an element: a comma, so that more must come, or the closing bracket.
func (c *cursor) separator(closing byte) (more bool, err *Error) {
	c.i = skipSpace(c.body, c.i)
	if c.i >= len(c.body) {
		return false, unexpected(c.body, c.i)
	}
	switch c.body[c.i] {
	case ',':
		c.i = skipSpace(c.body, c.i+1)
		return true, nil
	case closing:
		c.depth--
		c.i++
		return false, nil
	}
	return false, unexpected(c.body, c.i)
}

// skipSpace gives the index of the first byte from i on that is no JSON white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// scanString checks the string whose opening quote is at i and gives the index after its closing quote, and whether it holds
// escapes.
func scanString(b []byte, i int) (end int, escaped bool, err *Error) {
	start := i
	for i++; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped, nil
		case c == '\\':
			escaped = true
			n := escapeLen(b[i:])
			if n == 0 {
				return 0, false, errorAt(i, Syntax, "invalid escape in a string")
			}
			i += n
		case c < 0x20:
			return 0, false, errorAt(i, Syntax, "control character %#02x in a string", c)
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return 0, false, errorAt(i, InvalidUTF8, "invalid UTF-8")
			}
			i += n
		}
	}
	return 0, false, errorAt(start, Syntax, "unclosed string")
}

// escapeLen gives the length of the escape at the start of b, 0 where it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if hex4(b[2:]) >= 0 {
			return 6
		}
	}
	return 0
}

// hex4 reads four hexadecimal digits, or gives -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// unescape appends to dst the text of a checked string's inside. A surrogate without its partner becomes U+FFFD: senders that
// cut text in the middle of a pair write such escapes, and losing the event would be worse.
func unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			start := i
			for i < len(s) && s[i] != '\\' {
				i++
			}
			dst = append(dst, s[start:i]...)
			continue
		}
		switch c := s[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(s[i+2:])
			i += 6
			if utf16.IsSurrogate(r) {
				pair := utf8.RuneError
				if i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(s[i+2:]))
				}
				if pair != utf8.RuneError {
					i += 6
				}
				r = pair
			}
			dst = utf8.AppendRune(dst, r)
			continue
		default:
			dst = append(dst, c)
		}
		i += 2
	}
	return dst
}

// scanNumber checks the number at i and gives the index after it.
func scanNumber(b []byte, i int) (end int, err *Error) {
	start := i
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && '1' <= b[i] && b[i] <= '9':
		i = skipDigits(b, i)
	default:
		return 0, errorAt(start, Syntax, "invalid number")
	}
	if i < len(b) && b[i] == '.' {
		frac := skipDigits(b, i+1)
		if frac == i+1 {
			return 0, errorAt(start, Syntax, "invalid number")
		}
		i = frac
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		exp := skipDigits(b, i)
		if exp == i {
			return 0, errorAt(start, Syntax, "invalid number")
		}
		i = exp
	}
	return i, nil
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

// scanWord gives the index after true, false or null at i.
func scanWord(b []byte, i int) (end int, err *Error) {
	word := ""
	switch b[i] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	case 'n':
		word = "null"
	}
	if word == "" || len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return 0, unexpected(b, i)
	}
	return i + len(word), nil
}

// unexpected names the character that cannot stand at i.
func unexpected(b []byte, i int) *Error {
	if i >= len(b) {
		return errorAt(len(b), Syntax, "unexpected end")
	}
	r, n := utf8.DecodeRune(b[i:])
	if r == utf8.RuneError && n == 1 {
		return errorAt(i, InvalidUTF8, "invalid UTF-8")
	}
	return errorAt(i, Syntax, "unexpected %q", r)
}
