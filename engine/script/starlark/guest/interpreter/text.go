package interpreter

import (
	"math"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// printed is print(…): a line of the log.
func (c *call) printed(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	sep := " "
	for _, kw := range kwargs {
		if kw[0] == starlark.String("sep") {
			sep, _ = starlark.AsString(kw[1])
		}
	}
	var b strings.Builder
	for i, v := range args {
		if i > 0 {
			b.WriteString(sep)
		}
		if err := c.write(&b, v, false, 0); err != nil {
			return nil, err
		}
	}
	c.print(b.String())
	return starlark.None, nil
}

// text is str(x) or repr(x).
func (c *call) text(name string) builtin {
	return func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var x starlark.Value = starlark.String("")
		if err := starlark.UnpackPositionalArgs(name, args, kwargs, 0, &x); err != nil {
			return nil, err
		}
		return c.textOf(x, name == "repr")
	}
}

func (c *call) textOf(v starlark.Value, quoted bool) (starlark.Value, error) {
	if s, ok := v.(starlark.String); ok && !quoted {
		return s, nil
	}
	var b strings.Builder
	err := c.write(&b, v, quoted, 0)
	return starlark.String(b.String()), err
}

// write makes text of a value: of lists and maps as the language has them, which for Python is with single quotes.
func (c *call) write(b *strings.Builder, v starlark.Value, quoted bool, depth int) error {
	if depth > c.Depth {
		return messagef("a value that nests deeper than ", strconv.Itoa(c.Depth), " cannot be made text")
	}
	switch v := v.(type) {
	case starlark.String:
		if !quoted {
			b.WriteString(string(v))
			return nil
		}
		b.WriteString(c.quote(string(v)))
	case starlark.Float:
		b.WriteString(floatText(float64(v)))
	case *starlark.List:
		return c.writeAll(b, "[", "]", v, depth)
	case *starlark.Set:
		return c.writeAll(b, "set([", "])", v, depth)
	case starlark.Tuple:
		if len(v) == 1 {
			return c.writeAll(b, "(", ",)", v, depth)
		}
		return c.writeAll(b, "(", ")", v, depth)
	case *starlark.Dict:
		b.WriteByte('{')
		for i, item := range v.Items() {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := c.write(b, item[0], true, depth+1); err != nil {
				return err
			}
			b.WriteString(": ")
			if err := c.write(b, item[1], true, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	default:
		b.WriteString(v.String())
	}
	return nil
}

func (c *call) writeAll(b *strings.Builder, open, end string, v starlark.Iterable, depth int) error {
	b.WriteString(open)
	items := v.Iterate()
	defer items.Done()
	i := 0
	for item := starlark.Value(nil); items.Next(&item); i++ {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := c.write(b, item, true, depth+1); err != nil {
			return err
		}
	}
	b.WriteString(end)
	return nil
}

func (c *call) quote(s string) string {
	if !c.Python {
		return starlark.String(s).String()
	}
	quote := "'"
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = `"`
	}
	return quote + strings.NewReplacer(`\`, `\\`, quote, `\`+quote, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + quote
}

// floatText writes a number as Python does: with a point or an exponent.
func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if size := math.Abs(f); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
