package payload

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxEncodeDepth is above what Decode lets in, so that a body wrapped in a few maps still goes out, and ends on values that
// contain themselves.
const maxEncodeDepth = 2 * DefaultDepth

// Encode writes a plain value as JSON: names sorted, no white space, no HTML escaping, U+2028 and U+2029 escaped, a json.Number as
// it is, other numbers in the fewest digits that read back the same. Bytes that are no UTF-8 become U+FFFD. The error is an
// *Error for values that have no JSON form: NaN, infinities, times, bytes and all other types.
func Encode(v any) ([]byte, error) { return EncodeMax(v, math.MaxInt) }

// EncodeMax is Encode for at most limit bytes: the error has the code TooLarge as soon as more would be written, so that the
// memory it takes is bounded too.
func EncodeMax(v any, limit int) ([]byte, error) {
	e := encoder{limit: limit}
	e.value(v, 0)
	if e.err != nil {
		return nil, e.err
	}
	return e.out, nil
}

// EncodeCut is Encode for people to read: of a value whose JSON is longer than limit bytes it gives the first of them, never half a
// character, and says that it was cut.
func EncodeCut(v any, limit int) (text string, cut bool, err error) {
	e := encoder{limit: limit}
	e.value(v, 0)
	if e.err == nil {
		return string(e.out), false, nil
	}
	if e.err.Code != TooLarge {
		return "", false, e.err
	}
	out := e.out[:min(len(e.out), limit)]
	for len(out) > 0 {
		if r, n := utf8.DecodeLastRune(out); r != utf8.RuneError || n != 1 {
			break
		}
		out = out[:len(out)-1]
	}
	return string(out), true, nil
}

// encoder stops writing after its first error; out may then be up to one token longer than limit.
type encoder struct {
	out   []byte
	limit int
	err   *Error
}

func (e *encoder) fail(code Code, format string, args ...any) {
	if e.err == nil {
		e.err = &Error{Code: code, Message: fmt.Sprintf(format, args...)}
	}
}

// full says whether writing must end.
func (e *encoder) full() bool {
	if len(e.out) > e.limit {
		e.fail(TooLarge, "the JSON is larger than %d bytes", e.limit)
	}
	return e.err != nil
}

func (e *encoder) value(v any, depth int) {
	if depth > maxEncodeDepth {
		e.fail(Unsupported, "the value is nested deeper than %d", maxEncodeDepth)
		return
	}
	switch x := v.(type) {
	case nil:
		e.out = append(e.out, "null"...)
	case bool:
		e.out = strconv.AppendBool(e.out, x)
	case string:
		e.text(x)
	case int64:
		e.out = strconv.AppendInt(e.out, x, 10)
	case int:
		e.out = strconv.AppendInt(e.out, int64(x), 10)
	case int32:
		e.out = strconv.AppendInt(e.out, int64(x), 10)
	case uint64:
		e.out = strconv.AppendUint(e.out, x, 10)
	case uint32:
		e.out = strconv.AppendUint(e.out, uint64(x), 10)
	case float64:
		e.float(x)
	case json.Number:
		e.number(x)
	case []any:
		e.list(x, depth)
	case map[string]any:
		e.object(x, depth)
	default:
		e.fail(Unsupported, "a value of type %T has no JSON form", v)
	}
	e.full()
}

func (e *encoder) list(list []any, depth int) {
	e.out = append(e.out, '[')
	for i, v := range list {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		if e.value(v, depth+1); e.full() {
			return
		}
	}
	e.out = append(e.out, ']')
}

func (e *encoder) object(object map[string]any, depth int) {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	e.out = append(e.out, '{')
	for i, name := range names {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.text(name)
		e.out = append(e.out, ':')
		if e.value(object[name], depth+1); e.full() {
			return
		}
	}
	e.out = append(e.out, '}')
}

// float writes as encoding/json does: the shortest digits, with an exponent only for very small and very large numbers.
func (e *encoder) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.fail(Unsupported, "%v is no JSON number", f)
		return
	}
	e.out = AppendFloat(e.out, f)
}

// AppendFloat appends the JSON text of a finite float64.
func AppendFloat(dst []byte, f float64) []byte {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

func (e *encoder) number(n json.Number) {
	b := []byte(n)
	if end, err := scanNumber(b, 0); err != nil || end != len(b) {
		e.fail(Unsupported, "%q is no JSON number", cutName(b))
		return
	}
	e.out = append(e.out, b...)
}

func (e *encoder) text(s string) {
	const hex = "0123456789abcdef"
	// A string is written in pieces, so that a limit holds inside a long one too.
	e.out = append(e.out, '"')
	start := 0
	for i := 0; i < len(s); {
		if len(e.out)+i-start > e.limit {
			break
		}
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if (r != utf8.RuneError || size != 1) && r != '\u2028' && r != '\u2029' {
				i += size
				continue
			}
			e.out = append(e.out, s[start:i]...)
			switch r {
			case '\u2028':
				e.out = append(e.out, `\u2028`...)
			case '\u2029':
				e.out = append(e.out, `\u2029`...)
			default:
				e.out = append(e.out, `\ufffd`...)
			}
		} else {
			e.out = append(e.out, s[start:i]...)
			switch c {
			case '"', '\\':
				e.out = append(e.out, '\\', c)
			case '\n':
				e.out = append(e.out, '\\', 'n')
			case '\r':
				e.out = append(e.out, '\\', 'r')
			case '\t':
				e.out = append(e.out, '\\', 't')
			default:
				e.out = append(e.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
		}
		i += size
		start = i
	}
	if room := e.limit - len(e.out); room < len(s)-start {
		e.out = append(e.out, s[start:start+max(0, room)]...)
		e.fail(TooLarge, "the JSON is larger than %d bytes", e.limit)
		return
	}
	e.out = append(e.out, s[start:]...)
	e.out = append(e.out, '"')
}
