package interpreter

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/script/starlark/guest/interpreter/wire"
)

func length(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 1 {
		if text, ok := args[0].(starlark.String); ok {
			return starlark.MakeInt(utf8.RuneCountInString(string(text))), nil
		}
	}
	return starlark.Call(thread, starlark.Universe["len"], args, kwargs)
}

// numeric is a function of the library that takes decimals, too.
func numeric(name string) builtin {
	return func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		plainArgs := make(starlark.Tuple, len(args))
		for i, v := range args {
			plainArgs[i] = plain(v)
			if text, ok := v.(starlark.String); ok { // as Python has it
				plainArgs[i] = starlark.String(strings.TrimSpace(string(text)))
			}
		}
		return starlark.Call(thread, starlark.Universe[name], plainArgs, kwargs)
	}
}

func round(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x, digits starlark.Value = nil, starlark.None
	if err := starlark.UnpackArgs("round", args, kwargs, "number", &x, "ndigits?", &digits); err != nil {
		return nil, err
	}
	f, ok := starlark.AsFloat(plain(x))
	if !ok {
		return nil, messagef("`round` cannot round a ", name(x))
	}
	if _, whole := x.(starlark.Int); digits == starlark.None {
		if whole {
			return x, nil
		}
		return starlark.NumberToInt(starlark.Float(math.RoundToEven(f)))
	}
	n, err := starlark.AsInt32(digits)
	if err != nil || n < -300 || n > 300 {
		return nil, messagef("`round` takes a small whole number of digits")
	}
	if _, whole := x.(starlark.Int); whole && n >= 0 {
		return x, nil
	}
	if n < 0 {
		unit := math.Pow(10, float64(-n))
		return starlark.Float(math.RoundToEven(f/unit) * unit), nil
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', n, 64), 64)
	return starlark.Float(rounded), err
}

func sum(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var items starlark.Iterable
	var total starlark.Value = starlark.MakeInt(0)
	if err := starlark.UnpackArgs("sum", args, kwargs, "iterable", &items, "start?", &total); err != nil {
		return nil, err
	}
	it := items.Iterate()
	defer it.Done()
	var x starlark.Value
	for it.Next(&x) {
		var err error
		if total, err = starlark.Binary(syntax.PLUS, total, x); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func fail(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return nil, &failure{wire.KindFail, ""}
}

func kind(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x starlark.Value
	if err := starlark.UnpackPositionalArgs("type", args, kwargs, 1, &x); err != nil {
		return nil, err
	}
	return starlark.String(x.Type()), nil
}

func isInstance(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x, types starlark.Value
	if err := starlark.UnpackPositionalArgs("isinstance", args, kwargs, 2, &x, &types); err != nil {
		return nil, err
	}
	list, ok := types.(starlark.Tuple)
	if !ok {
		list = starlark.Tuple{types}
	}
	is := map[string]string{"string": "str"}[x.Type()]
	if is == "" {
		is = x.Type()
	}
	for _, t := range list {
		b, ok := t.(*starlark.Builtin)
		if !ok {
			return nil, messagef("`isinstance` takes str, int, float, bool, list, dict, tuple or set")
		}
		if b.Name() == is || b.Name() == "int" && is == "bool" {
			return starlark.True, nil
		}
	}
	return starlark.False, nil
}

func join(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	var b strings.Builder
	for _, v := range args {
		s, _ := starlark.AsString(v)
		b.WriteString(s)
	}
	return starlark.String(b.String()), nil
}

// name gives a value's kind as messages name it.
func name(v starlark.Value) string {
	switch v.(type) {
	case starlark.NoneType:
		return "null"
	case *starlark.Dict:
		return "map"
	case starlark.Int, starlark.Float, decimal:
		return "number"
	}
	return v.Type()
}

func (c *call) json() *starlarkstruct.Module {
	members := starlark.StringDict{}
	for name, do := range map[string]builtin{"encode": encodeJSON, "decode": decodeJSON, "dumps": encodeJSON, "loads": decodeJSON} {
		members[name] = starlark.NewBuiltin("json."+name, do)
	}
	return &starlarkstruct.Module{Name: "json", Members: members}
}
