package payload

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// checkXMLText checks characters, and references where there can be some.
func checkXMLText(b []byte, at int, references bool) *Error {
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '&' && references:
			_, n := reference(b[i:])
			if n == 0 {
				return errorAt(at+i, Syntax, "& that begins none of the references that are known here")
			}
			i += n
		case c < 0x20 && !isXMLSpace(c):
			return errorAt(at+i, Syntax, "control character %#02x", c)
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return errorAt(at+i, InvalidUTF8, "invalid UTF-8")
			}
			i += n
		}
	}
	return nil
}

// reference reads the reference at the start of b: the character that it stands for and its length, 0 where it is none.
func reference(b []byte) (r rune, n int) {
	const longest = len("&#x0010FFFF;")
	end := bytes.IndexByte(b[:min(len(b), longest)], ';')
	if end < 2 {
		return 0, 0
	}
	switch name := string(b[1:end]); name {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	if b[1] != '#' {
		return 0, 0
	}
	digits, base := string(b[2:end]), 10
	if digits != "" && digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	v, err := strconv.ParseUint(digits, base, 32)
	if r = rune(v); err != nil || v > utf8.MaxRune || !isXMLRune(r) {
		return 0, 0
	}
	return r, end + 1
}

// isXMLRune says whether a character may stand in a document at all.
func isXMLRune(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r >= 0xD800 && r <= 0xDFFF, r == 0xFFFE, r == 0xFFFF:
		return false
	}
	return true
}

// appendXMLText appends the text that checked bytes stand for: line ends are \n (XML 1.0, 2.11), references are resolved where there
// can be some, and in an attribute white space is a blank (3.3.3).
func appendXMLText(dst, b []byte, references, attribute bool) []byte {
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '&' && references:
			r, n := reference(b[i:])
			dst = utf8.AppendRune(dst, r)
			i += max(n, 1)
		case c == '\r':
			if i++; i < len(b) && b[i] == '\n' {
				i++
			}
			if attribute {
				dst = append(dst, ' ')
			} else {
				dst = append(dst, '\n')
			}
		case attribute && isXMLSpace(c):
			dst = append(dst, ' ')
			i++
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}
