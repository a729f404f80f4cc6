package interpreter

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/script/starlark/guest/interpreter/wire"
)

// maxWidth bounds the width and the digits that a format may ask for.
const maxWidth = 1000

// format is {x!r:>10.2f} of an f-string: the value, what follows the colon, and the letter behind the exclamation mark.
func (c *call) format(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	v := args[0]
	spec, _ := starlark.AsString(args[1])
	if conversion, _ := starlark.AsString(args[2]); conversion != "" {
		text, err := c.textOf(v, conversion != "s")
		if err != nil {
			return nil, err
		}
		v = text
	}
	if spec == "" {
		return c.textOf(v, false)
	}
	s, err := c.formatted(v, spec)
	return starlark.String(s), err
}

// layout is a format's text taken apart: [[fill]align][sign][#][0][width][,][.precision][kind].
type layout struct {
	fill      rune
	align     byte // one of <>^=, 0 where it is not said
	sign      byte
	alternate bool
	width     int
	group     byte
	precision int // -1 where it is not said
	kind      byte
}

func readLayout(spec string) (layout, error) {
	l := layout{fill: ' ', precision: -1}
	rest := spec
	if r, size := utf8.DecodeRuneInString(rest); len(rest) > size && strings.IndexByte("<>^=", rest[size]) >= 0 {
		l.fill, l.align, rest = r, rest[size], rest[size+1:]
	} else if strings.IndexByte("<>^=", rest[0]) >= 0 {
		l.align, rest = rest[0], rest[1:]
	}
	take := func(set string) byte {
		if rest != "" && strings.IndexByte(set, rest[0]) >= 0 {
			c := rest[0]
			rest = rest[1:]
			return c
		}
		return 0
	}
	number := func() (int, bool) {
		n, some := 0, false
		for rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			n, some, rest = min(n*10+int(rest[0]-'0'), maxWidth+1), true, rest[1:]
		}
		return n, some
	}
	l.sign = take("+- ")
	l.alternate = take("#") != 0
	if take("0") != 0 && l.align == 0 {
		l.fill, l.align = '0', '='
	}
	l.width, _ = number()
	l.group = take(",_")
	if take(".") != 0 {
		n, some := number()
		if !some {
			return l, messagef("the format has a point without a number of digits behind it")
		}
		l.precision = n
	}
	l.kind = take("sdfFeEgGxXobcn%")
	switch {
	case rest != "":
		return l, messagef("the format is none that f-strings have here")
	case l.width > maxWidth || l.precision > maxWidth:
		return l, &failure{wire.KindLarge, ""}
	}
	return l, nil
}

func (c *call) formatted(v starlark.Value, spec string) (string, error) {
	l, err := readLayout(spec)
	if err != nil {
		return "", err
	}
	if b, ok := v.(starlark.Bool); ok && l.kind != 's' && l.kind != 0 {
		v = starlark.MakeInt(map[starlark.Bool]int{true: 1}[b])
	}
	switch x := plain(v).(type) {
	case starlark.Int:
		return l.whole(x)
	case starlark.Float:
		return l.float(float64(x))
	case starlark.String:
		if l.kind != 0 && l.kind != 's' {
			return "", messagef("a string cannot be written with the format ", string(l.kind))
		}
		s := string(x)
		if l.precision >= 0 {
			s = s[:offset(s, l.precision)]
		}
		return l.pad("", s, '<'), nil
	}
	if v == starlark.None {
		return "", messagef("null cannot be written with a format")
	}
	text, err := c.textOf(v, false)
	if err != nil {
		return "", err
	}
	return l.pad("", string(text.(starlark.String)), '<'), nil
}

func (l layout) whole(x starlark.Int) (string, error) {
	base, prefix := 10, ""
	switch l.kind {
	case 0, 'd', 'n':
	case 'x', 'X':
		base, prefix = 16, "0x"
	case 'o':
		base, prefix = 8, "0o"
	case 'b':
		base, prefix = 2, "0b"
	case 'c':
		n, _ := x.Int64()
		return l.pad("", string(rune(max(0, min(n, utf8.MaxRune)))), '<'), nil
	default:
		f, ok := starlark.AsFloat(x)
		if !ok {
			return "", messagef("the number is too large for its format")
		}
		return l.float(f)
	}
	n := x.BigInt()
	digits := strings.TrimPrefix(n.Text(base), "-")
	if l.kind == 'X' {
		digits, prefix = strings.ToUpper(digits), "0X"
	}
	if !l.alternate {
		prefix = ""
	}
	every := 3
	if base != 10 {
		every = 4
	}
	return l.pad(l.signOf(n.Sign() < 0)+prefix, l.grouped(digits, every), '>'), nil
}

func (l layout) float(f float64) (string, error) {
	kind, precision, suffix := l.kind, l.precision, ""
	var digits string
	size := math.Abs(f)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return l.pad(l.signOf(f < 0), strings.TrimPrefix(floatText(f), "-"), '>'), nil
	}
	if precision < 0 && kind != 0 {
		precision = 6
	}
	switch kind {
	case 0:
		if digits = floatText(size); precision >= 0 {
			digits = general(size, max(precision, 1))
		}
	case 'f', 'F':
		digits = strconv.FormatFloat(size, 'f', precision, 64)
	case 'e', 'E':
		digits = strconv.FormatFloat(size, 'e', precision, 64)
	case 'g', 'G', 'n':
		digits = general(size, max(precision, 1))
	case '%':
		digits, suffix = strconv.FormatFloat(size*100, 'f', precision, 64), "%"
	default:
		return "", messagef("a number with a fraction cannot be written with the format ", string(kind))
	}
	if kind == 'E' || kind == 'G' {
		digits = strings.ToUpper(digits)
	}
	whole, rest, _ := strings.Cut(digits, ".")
	if rest != "" {
		rest = "." + rest
	}
	if !strings.ContainsAny(whole, "eE") {
		whole = l.grouped(whole, 3)
	}
	return l.pad(l.signOf(math.Signbit(f)), whole+rest+suffix, '>'), nil
}

// general writes so many digits that count, without zeros behind them.
func general(f float64, digits int) string {
	exponent := 0
	if f != 0 {
		_, e, _ := strings.Cut(strconv.FormatFloat(f, 'e', digits-1, 64), "e")
		exponent, _ = strconv.Atoi(e)
	}
	trim := func(s string) string {
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		return s
	}
	if exponent < -4 || exponent >= digits {
		mantissa, e, _ := strings.Cut(strconv.FormatFloat(f, 'e', digits-1, 64), "e")
		return trim(mantissa) + "e" + e
	}
	return trim(strconv.FormatFloat(f, 'f', digits-1-exponent, 64))
}

func (l layout) signOf(negative bool) string {
	switch {
	case negative:
		return "-"
	case l.sign == '+' || l.sign == ' ':
		return string(l.sign)
	}
	return ""
}

func (l layout) grouped(digits string, every int) string {
	if l.group == 0 {
		return digits
	}
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%every == 0 {
			b.WriteByte(l.group)
		}
		b.WriteRune(c)
	}
	return b.String()
}

// pad fills a text up to the width; the sign stays in front where the filling stands between.
func (l layout) pad(sign, s string, otherwise byte) string {
	missing := l.width - utf8.RuneCountInString(sign) - utf8.RuneCountInString(s)
	if missing <= 0 {
		return sign + s
	}
	align := l.align
	if align == 0 {
		align = otherwise
	}
	fill := func(n int) string { return strings.Repeat(string(l.fill), n) }
	switch align {
	case '<':
		return sign + s + fill(missing)
	case '^':
		return fill(missing/2) + sign + s + fill(missing-missing/2)
	case '=':
		return sign + fill(missing) + s
	}
	return fill(missing) + sign + s
}

// percent is x % y of Python, where x may be a text with %s, %d, %.2f and the like.
func (c *call) percent(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	text, ok := args[0].(starlark.String)
	if !ok {
		return starlark.Binary(syntax.PERCENT, plain(args[0]), plain(args[1]))
	}
	values, isTuple := args[1].(starlark.Tuple)
	if !isTuple {
		values = starlark.Tuple{args[1]}
	}
	var b strings.Builder
	rest := string(text)
	for {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			break
		}
		if strings.HasPrefix(after, "%") {
			b.WriteByte('%')
			rest = after[1:]
			continue
		}
		end := strings.IndexAny(after, "sdifFeEgGxXorc")
		if end < 0 || strings.Trim(after[:end], "-+ #0123456789.") != "" {
			return nil, messagef("the text left of `%` holds a format that is none")
		}
		if len(values) == 0 {
			return nil, messagef("the text left of `%` has more places than there are values")
		}
		s, err := c.percentFormat(values[0], after[:end], after[end])
		if err != nil {
			return nil, err
		}
		b.WriteString(s)
		values, rest = values[1:], after[end+1:]
	}
	if len(values) > 0 {
		return nil, messagef("the text left of `%` has fewer places than there are values")
	}
	return starlark.String(b.String()), nil
}

func (c *call) percentFormat(v starlark.Value, flags string, kind byte) (string, error) {
	align, spec := "", strings.TrimLeft(flags, "-")
	if len(spec) < len(flags) {
		align = "<"
	}
	switch kind {
	case 's', 'r':
		text, err := c.textOf(v, kind == 'r')
		if err != nil {
			return "", err
		}
		v = text
		if kind = 's'; align == "" && spec != "" {
			align = ">"
		}
	case 'd', 'i':
		kind = 'd'
		if f, ok := plain(v).(starlark.Float); ok {
			n, err := starlark.NumberToInt(f)
			if err != nil {
				return "", messagef("the number has no whole part")
			}
			v = n
		}
	}
	return c.formatted(v, align+spec+string(kind))
}
