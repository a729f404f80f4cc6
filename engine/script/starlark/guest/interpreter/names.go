package interpreter

import (
	"math"
	"math/big"
	"strings"
	"unicode/utf8"

	libmath "go.starlark.net/lib/math"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/script/starlark/guest/interpreter/wire"
)

type builtin = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

// names gives all names that programs of the host may use, the inputs aside. Those with a $ stand where the text has an operator.
func (c *call) names() starlark.StringDict {
	out := starlark.StringDict{"json": c.json(), "math": libmath.Module}
	for _, name := range []string{
		"all", "any", "bool", "chr", "dict", "enumerate", "list", "max", "min", "ord", "range", "reversed", "set", "sorted", "tuple", "zip",
	} {
		out[name] = starlark.Universe[name]
	}
	for name, do := range map[string]builtin{
		"$at": at, "$get": get, "$in": in, "$slice": slice, "$find": find, "$compare": compare, "$power": power, "$format": c.format, "$join": join,
		"$percent": c.percent, "$each": each,
		"len": length, "abs": numeric("abs"), "int": numeric("int"), "float": numeric("float"), "round": round, "sum": sum, "fail": fail,
		"print": c.printed, "str": c.text("str"), "repr": c.text("repr"), "type": kind, "isinstance": isInstance,
	} {
		out[name] = starlark.NewBuiltin(name, do)
	}
	return out
}

// at is x[k] and x.k: null where there is no such thing, at any depth.
func at(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	k := args[1]
	switch x := args[0].(type) {
	case *starlark.Dict:
		v, ok, err := x.Get(k)
		if err != nil || !ok {
			return starlark.None, err
		}
		return v, nil
	case starlark.String:
		if i, ok := index(k, utf8.RuneCountInString(string(x))); ok {
			from := offset(string(x), i)
			return x[from : from+offset(string(x[from:]), 1)], nil
		}
	case starlark.Indexable:
		if i, ok := index(k, x.Len()); ok {
			return x.Index(i), nil
		}
	}
	return starlark.None, nil
}

// index gives a key as the index of one of n elements.
func index(k starlark.Value, n int) (int, bool) {
	if f, ok := k.(starlark.Float); ok && float64(f) == math.Trunc(float64(f)) && math.Abs(float64(f)) < 1<<31 {
		k = starlark.MakeInt(int(f))
	}
	whole, ok := k.(starlark.Int)
	if !ok {
		return 0, false
	}
	i64, ok := whole.Int64()
	if i64 < 0 {
		i64 += int64(n)
	}
	return int(i64), ok && i64 >= 0 && i64 < int64(n)
}

// offset gives where character n begins.
func offset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// get is x.get(k, default), which null has, too.
func get(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x, k, otherwise starlark.Value = starlark.None, starlark.None, starlark.None
	if err := starlark.UnpackPositionalArgs("get", args, kwargs, 2, &x, &k, &otherwise); err != nil {
		return nil, err
	}
	switch x := x.(type) {
	case starlark.NoneType:
		return otherwise, nil
	case *starlark.Dict:
		v, ok, err := x.Get(k)
		if err != nil || !ok {
			return otherwise, err
		}
		return v, nil
	}
	return nil, messagef("a ", name(x), " has no method get")
}

// in is x in y: null holds nothing.
func in(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	if args[1] == starlark.None {
		return starlark.False, nil
	}
	if _, isText := args[1].(starlark.String); isText && args[0] == starlark.None {
		return starlark.False, nil
	}
	return starlark.Binary(syntax.IN, args[0], args[1])
}

// slice is x[low:high:step], of text by characters.
func slice(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x := args[0]
	var bounds [3]int
	n := 0
	text, isText := x.(starlark.String)
	sliced, ok := x.(starlark.Sliceable)
	switch {
	case isText:
		n = utf8.RuneCountInString(string(text))
	case ok:
		n = sliced.Len()
	default:
		return nil, messagef("a ", name(x), " cannot be sliced")
	}
	for i, v := range args[1:] {
		switch whole, ok := v.(starlark.Int); {
		case v == starlark.None:
			bounds[i] = []int{0, n, 1}[i]
		case !ok:
			return nil, messagef("a bound of a slice is a ", name(v), ", not a number")
		default:
			bounds[i] = clamp(whole, n)
		}
	}
	low, high, step := bounds[0], bounds[1], bounds[2]
	switch {
	case step == 0:
		return nil, messagef("the step of a slice is zero")
	case step < 0:
		low, high = backwards(args, low, high, n)
	default:
		low, high = forward(low, n), forward(high, n)
		high = max(low, high)
	}
	if !isText {
		return sliced.Slice(low, high, step), nil
	}
	if step == 1 {
		from := offset(string(text), low)
		return text[from : from+offset(string(text[from:]), high-low)], nil
	}
	runes, b := []rune(string(text)), strings.Builder{}
	for i := low; step > 0 && i < high || step < 0 && i > high; i += step {
		b.WriteRune(runes[i])
	}
	return starlark.String(b.String()), nil
}

// clamp gives a bound, however large its number is.
func clamp(v starlark.Int, n int) int {
	i, ok := v.Int64()
	switch {
	case !ok && v.Sign() < 0 || i < int64(-n-1):
		return -n - 1
	case !ok || i > int64(n+1):
		return n + 1
	}
	return int(i)
}

func forward(i, n int) int {
	if i < 0 {
		i += n
	}
	return max(0, min(i, n))
}

func backwards(args starlark.Tuple, low, high, n int) (int, int) {
	first := func(i int) int {
		if i < 0 {
			i += n
		}
		return max(-1, min(i, n-1))
	}
	from, to := first(low), first(high)
	if args[1] == starlark.None {
		from = n - 1
	}
	if args[2] == starlark.None {
		to = -1
	}
	return from, max(-1, min(to, max(from, -1)))
}

// find is x.find(…) and its kin, which count characters.
func find(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	method := string(args[0].(starlark.String))
	x, ok := args[1].(starlark.HasAttrs)
	if !ok {
		return nil, noMethod(args[1], method)
	}
	f, err := x.Attr(method)
	if err != nil || f == nil {
		return nil, noMethod(args[1], method)
	}
	text, isText := x.(starlark.String)
	args = append(starlark.Tuple(nil), args[2:]...)
	if isText {
		n := utf8.RuneCountInString(string(text))
		for i := 1; i < len(args); i++ { // where to begin and to end
			if whole, ok := args[i].(starlark.Int); ok && n < len(text) {
				args[i] = starlark.MakeInt(offset(string(text), forward(clamp(whole, n), n)))
			}
		}
	}
	v, err := starlark.Call(thread, f, args, kwargs)
	if whole, ok := v.(starlark.Int); err == nil && ok && isText {
		if i, _ := whole.Int64(); i > 0 {
			return starlark.MakeInt(utf8.RuneCountInString(string(text[:i]))), nil
		}
	}
	return v, err
}

func noMethod(x starlark.Value, method string) error {
	return messagef("a ", name(x), " has no method ", method)
}

// compare is x < y and its kin where the inputs hold decimals.
func compare(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, y := args[1], args[2]
	_, one := x.(decimal)
	_, two := y.(decimal)
	if !one || !two || x != y {
		x, y = plain(x), plain(y)
	}
	op := map[starlark.String]syntax.Token{"<": syntax.LT, "<=": syntax.LE, ">": syntax.GT, ">=": syntax.GE, "==": syntax.EQL, "!=": syntax.NEQ}[args[0].(starlark.String)]
	if one && two && x == y {
		return starlark.Bool(op == syntax.EQL || op == syntax.LE || op == syntax.GE), nil
	}
	yes, err := starlark.Compare(op, x, y)
	return starlark.Bool(yes), err
}

// maxPowerBits bounds what ** makes of whole numbers.
const maxPowerBits = 1 << 16

// power is x ** y.
func power(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, y := plain(args[0]), plain(args[1])
	base, ok := x.(starlark.Int)
	exponent, ok2 := y.(starlark.Int)
	if ok && ok2 && exponent.Sign() >= 0 {
		n, fits := exponent.Int64()
		b := base.BigInt()
		if small := b.IsInt64() && b.Int64() >= -1 && b.Int64() <= 1; !small && (!fits || n > maxPowerBits || int64(b.BitLen())*n > maxPowerBits) {
			return nil, &failure{wire.KindLarge, ""}
		} else if small && n%2 == 0 && b.Sign() < 0 {
			return starlark.MakeInt(1), nil
		} else if small {
			if n == 0 && fits {
				return starlark.MakeInt(1), nil
			}
			return base, nil
		}
		return starlark.MakeBigInt(new(big.Int).Exp(b, big.NewInt(n), nil)), nil
	}
	f, ok := starlark.AsFloat(x)
	g, ok2 := starlark.AsFloat(y)
	if !ok || !ok2 {
		return nil, messageOperands(args[0], "**", args[1])
	}
	if f == 0 && g < 0 {
		return nil, messagef("zero cannot be raised to a negative power")
	}
	return starlark.Float(math.Pow(f, g)), nil
}

// messageOperands is worded as the interpreter words it, so that the host names the operands alike.
func messageOperands(x starlark.Value, op string, y starlark.Value) error {
	return &failure{wire.KindError, "unknown binary op: " + x.Type() + " " + op + " " + y.Type()}
}

// each gives what a loop of Python goes over: the characters of a text, too.
func each(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	text, ok := args[0].(starlark.String)
	if !ok {
		return args[0], nil
	}
	var out []starlark.Value
	for _, r := range string(text) {
		out = append(out, starlark.String(r))
	}
	return starlark.NewList(out), nil
}
