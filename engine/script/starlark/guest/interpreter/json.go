package interpreter

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// maxJSONDepth bounds how deep JSON text nests that is read or written.
const maxJSONDepth = 200

var errJSON = errors.New("no JSON")

// encodeJSON is json.encode(x), or json.dumps(x, indent=2) as Python has it.
func encodeJSON(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x starlark.Value
	indent, sorted, ascii := 0, false, false
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "x", &x, "indent?", &indent, "sort_keys?", &sorted, "ensure_ascii?", &ascii); err != nil {
		return nil, err
	}
	e := jsonEncoder{indent: max(0, min(indent, 8))}
	if err := e.value(x, 0); err != nil {
		return nil, err
	}
	return starlark.String(e.out.String()), nil
}

type jsonEncoder struct {
	out    bytes.Buffer
	indent int
}

func (e *jsonEncoder) value(v starlark.Value, depth int) error {
	if depth > maxJSONDepth {
		return messagef("JSON that nests deeper than ", strconv.Itoa(maxJSONDepth), " cannot be written")
	}
	switch v := v.(type) {
	case starlark.NoneType:
		e.out.WriteString("null")
	case starlark.Bool:
		e.out.WriteString(strconv.FormatBool(bool(v)))
	case starlark.Int, decimal:
		e.out.WriteString(v.String())
	case starlark.Float:
		f := float64(v)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return messagef("a number outside of the range of numbers has no JSON form")
		}
		e.out.WriteString(floatText(f))
	case starlark.String:
		e.text(string(v))
	case *starlark.Dict:
		return e.object(v, depth)
	case starlark.Iterable:
		return e.list(v, depth)
	default:
		return messagef("a ", v.Type(), " has no JSON form")
	}
	return nil
}

func (e *jsonEncoder) object(d *starlark.Dict, depth int) error {
	e.out.WriteByte('{')
	for i, item := range d.Items() {
		name, ok := starlark.AsString(item[0])
		if !ok {
			return messagef("names of a map are strings where JSON is written, one is a ", item[0].Type())
		}
		e.next(i, depth+1)
		e.text(name)
		e.out.WriteByte(':')
		if e.indent > 0 {
			e.out.WriteByte(' ')
		}
		if err := e.value(item[1], depth+1); err != nil {
			return err
		}
	}
	e.end(d.Len(), depth)
	e.out.WriteByte('}')
	return nil
}

func (e *jsonEncoder) list(v starlark.Iterable, depth int) error {
	e.out.WriteByte('[')
	items := v.Iterate()
	defer items.Done()
	n := 0
	for item := starlark.Value(nil); items.Next(&item); n++ {
		e.next(n, depth+1)
		if err := e.value(item, depth+1); err != nil {
			return err
		}
	}
	e.end(n, depth)
	e.out.WriteByte(']')
	return nil
}

// next writes what stands before element i, end what stands behind the last of n.
func (e *jsonEncoder) next(i, depth int) {
	if i > 0 {
		e.out.WriteByte(',')
	}
	e.line(depth)
}

func (e *jsonEncoder) end(n, depth int) {
	if n > 0 {
		e.line(depth)
	}
}

func (e *jsonEncoder) line(depth int) {
	if e.indent > 0 {
		e.out.WriteByte('\n')
		e.out.WriteString(strings.Repeat(" ", e.indent*depth))
	}
}

func (e *jsonEncoder) text(s string) {
	e.out.WriteByte('"')
	for _, r := range s { // what is not UTF-8 comes as U+FFFD
		switch {
		case r == '"' || r == '\\':
			e.out.WriteByte('\\')
			e.out.WriteRune(r)
		case r == '\n':
			e.out.WriteString(`\n`)
		case r == '\r':
			e.out.WriteString(`\r`)
		case r == '\t':
			e.out.WriteString(`\t`)
		case r < ' ' || r == 0x2028 || r == 0x2029:
			text := strconv.FormatInt(int64(r), 16)
			e.out.WriteString(`\u` + strings.Repeat("0", 4-len(text)) + text)
		default:
			e.out.WriteRune(r)
		}
	}
	e.out.WriteByte('"')
}

// decodeJSON is json.decode(text) or json.decode(text, default).
func decodeJSON(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var text string
	var otherwise starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "x", &text, "default?", &otherwise); err != nil {
		return nil, err
	}
	d := jsonDecoder{text: text}
	v, err := d.value(0)
	if err == nil {
		if d.space(); d.i < len(text) {
			err = errJSON
		}
	}
	switch {
	case err == nil:
		return v, nil
	case otherwise != nil:
		return otherwise, nil
	}
	return nil, messagef("the text is no JSON that `", b.Name(), "` reads")
}

type jsonDecoder struct {
	text string
	i    int
}

func (d *jsonDecoder) space() {
	for d.i < len(d.text) && strings.IndexByte(" \t\r\n", d.text[d.i]) >= 0 {
		d.i++
	}
}

// sign takes one character, behind white space, if it is there.
func (d *jsonDecoder) sign(c byte) bool {
	d.space()
	if d.i < len(d.text) && d.text[d.i] == c {
		d.i++
		return true
	}
	return false
}

func (d *jsonDecoder) value(depth int) (starlark.Value, error) {
	if depth > maxJSONDepth {
		return nil, errJSON
	}
	switch {
	case d.sign('{'):
		return d.object(depth)
	case d.sign('['):
		return d.list(depth)
	case d.sign('"'):
		s, err := d.string()
		return starlark.String(s), err
	}
	end := d.i
	for end < len(d.text) && strings.IndexByte(" \t\r\n,:]}", d.text[end]) < 0 {
		end++
	}
	word := d.text[d.i:end]
	d.i = end
	switch word {
	case "null":
		return starlark.None, nil
	case "true":
		return starlark.True, nil
	case "false":
		return starlark.False, nil
	}
	return jsonNumber(word)
}

func jsonNumber(word string) (starlark.Value, error) {
	digits := strings.TrimPrefix(word, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || digits[0] == '0' && len(digits) > 1 && digits[1] >= '0' && digits[1] <= '9' {
		return nil, errJSON
	}
	if strings.Trim(digits, "0123456789") == "" {
		n, ok := new(big.Int).SetString(word, 10)
		if !ok {
			return nil, errJSON
		}
		return starlark.MakeBigInt(n), nil
	}
	if strings.Trim(digits, "0123456789.eE+-") != "" || strings.HasSuffix(digits, ".") {
		return nil, errJSON
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return nil, errJSON
	}
	return starlark.Float(f), nil
}

func (d *jsonDecoder) object(depth int) (starlark.Value, error) {
	out := starlark.NewDict(0)
	for first := true; !d.sign('}'); first = false {
		if !first && !d.sign(',') || !d.sign('"') {
			return nil, errJSON
		}
		name, err := d.string()
		if err != nil || !d.sign(':') {
			return nil, errJSON
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if _, twice, _ := out.Get(starlark.String(name)); twice {
			return nil, errJSON
		}
		if err := out.SetKey(starlark.String(name), v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d *jsonDecoder) list(depth int) (starlark.Value, error) {
	var items []starlark.Value
	for !d.sign(']') {
		if len(items) > 0 && !d.sign(',') {
			return nil, errJSON
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	return starlark.NewList(items), nil
}

// string reads a text whose quote is open.
func (d *jsonDecoder) string() (string, error) {
	var b strings.Builder
	for d.i < len(d.text) {
		c := d.text[d.i]
		d.i++
		switch {
		case c == '"':
			return b.String(), nil
		case c < ' ':
			return "", errJSON
		case c != '\\':
			b.WriteByte(c)
		case d.i >= len(d.text):
			return "", errJSON
		default:
			if err := d.escape(&b); err != nil {
				return "", err
			}
		}
	}
	return "", errJSON
}

func (d *jsonDecoder) escape(b *strings.Builder) error {
	c := d.text[d.i]
	d.i++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		b.WriteByte("\"\\/\b\f\n\r\t"[i])
		return nil
	}
	if c != 'u' {
		return errJSON
	}
	r, ok := d.hex()
	if !ok {
		return errJSON
	}
	if utf16.IsSurrogate(r) && strings.HasPrefix(d.text[d.i:], `\u`) {
		before := d.i
		d.i += 2
		low, ok := d.hex()
		if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
			b.WriteRune(pair)
			return nil
		}
		d.i = before
	}
	b.WriteRune(r)
	return nil
}

func (d *jsonDecoder) hex() (rune, bool) {
	if d.i+4 > len(d.text) {
		return 0, false
	}
	n, err := strconv.ParseUint(d.text[d.i:d.i+4], 16, 16)
	d.i += 4
	return rune(n), err == nil
}
