package interpreter

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/script/starlark/guest/interpreter/wire"
)

// readValue makes a value of what the host wrote.
func readValue(r *wire.Reader) starlark.Value {
	switch r.Tag() {
	case wire.True:
		return starlark.True
	case wire.False:
		return starlark.False
	case wire.Int:
		return starlark.MakeInt64(r.Number())
	case wire.Big:
		if n, ok := new(big.Int).SetString(r.Text(), 10); ok {
			return starlark.MakeBigInt(n)
		}
	case wire.Float:
		return starlark.Float(r.Float())
	case wire.Decimal:
		return decimal(r.Text())
	case wire.String:
		return starlark.String(r.Text())
	case wire.List:
		items := make([]starlark.Value, r.Count())
		for i := range items {
			items[i] = readValue(r)
		}
		return starlark.NewList(items)
	case wire.Map:
		n := r.Count()
		d := starlark.NewDict(n)
		for range n {
			name := starlark.String(r.Text())
			if d.SetKey(name, readValue(r)) != nil {
				return starlark.None // strings are hashable, and nobody iterates
			}
		}
		return d
	}
	return starlark.None
}

var (
	errLarge = errors.New("the result is too large")
	errDeep  = errors.New("the result is too deep")
)

// output writes a value for the host, within bounds.
type output struct {
	w     *wire.Writer
	most  int // bytes of the whole message
	depth int
}

func (o *output) value(v starlark.Value, depth int) error {
	if o.w.Len() > o.most {
		return errLarge
	}
	if depth > o.depth {
		return errDeep
	}
	switch v := v.(type) {
	case nil, starlark.NoneType:
		o.w.Tag(wire.Null)
	case starlark.Bool:
		if v {
			o.w.Tag(wire.True)
		} else {
			o.w.Tag(wire.False)
		}
	case starlark.Int:
		return o.whole(v)
	case starlark.Float:
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return messagef("the result holds a number that is outside of the range of numbers")
		}
		o.w.Tag(wire.Float)
		o.w.Float(float64(v))
	case decimal:
		o.w.Tag(wire.Decimal)
		o.w.Text(string(v))
	case starlark.String:
		return o.text(v)
	case *starlark.Dict:
		return o.object(v, depth)
	case starlark.Iterable:
		return o.list(v, depth)
	default:
		return messagef("the result holds a ", v.Type(), ", which has no JSON form")
	}
	return nil
}

func (o *output) whole(v starlark.Int) error {
	if n, ok := v.Int64(); ok {
		o.w.Tag(wire.Int)
		o.w.Number(n)
		return nil
	}
	n := v.BigInt()
	if n.BitLen()/4 > o.most-o.w.Len() { // before its digits are made, which takes the square of their number
		return errLarge
	}
	o.w.Tag(wire.Big)
	o.w.Text(n.String())
	return nil
}

func (o *output) text(v starlark.String) error {
	s := string(v)
	if len(s) > o.most-o.w.Len() {
		return errLarge
	}
	if !utf8.ValidString(s) {
		s = cut(s, len(s))
	}
	o.w.Tag(wire.String)
	o.w.Text(s)
	return nil
}

func (o *output) object(d *starlark.Dict, depth int) error {
	o.w.Tag(wire.Map)
	o.w.Number(int64(d.Len()))
	for _, item := range d.Items() {
		name, ok := starlark.AsString(item[0])
		if !ok {
			return messagef("the result holds a map with a name that is a ", item[0].Type(), ", names are strings")
		}
		if len(name) > o.most-o.w.Len() {
			return errLarge
		}
		o.w.Text(cut(name, len(name)))
		if err := o.value(item[1], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (o *output) list(v starlark.Iterable, depth int) error {
	n := starlark.Len(v)
	if n < 0 {
		return messagef("the result holds a ", v.Type(), ", which has no JSON form")
	}
	if n > o.most-o.w.Len() { // an element takes a byte at least
		return errLarge
	}
	o.w.Tag(wire.List)
	o.w.Number(int64(n))
	items := v.Iterate()
	defer items.Done()
	var item starlark.Value
	for items.Next(&item) {
		if err := o.value(item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// decimal is a JSON number that no float64 holds exactly. It keeps its digits as long as nobody calculates with it; then it takes part as
// the nearest float64.
type decimal string

var (
	_ starlark.HasBinary = decimal("")
	_ starlark.HasUnary  = decimal("")
)

func (d decimal) String() string        { return string(d) }
func (d decimal) Type() string          { return "float" }
func (d decimal) Freeze()               {}
func (d decimal) Truth() starlark.Bool  { return d.float() != 0 }
func (d decimal) Hash() (uint32, error) { return starlark.String(d).Hash() }

func (d decimal) float() starlark.Float {
	f, err := strconv.ParseFloat(string(d), 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0
	}
	return starlark.Float(f)
}

// Binary implements starlark.HasBinary.
func (d decimal) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	if other, ok := y.(decimal); ok {
		y = other.float()
	}
	switch y.(type) {
	case starlark.Int, starlark.Float:
	default:
		return nil, nil
	}
	if side == starlark.Left {
		return starlark.Binary(op, d.float(), y)
	}
	return starlark.Binary(op, y, d.float())
}

// Unary implements starlark.HasUnary.
func (d decimal) Unary(op syntax.Token) (starlark.Value, error) {
	switch op {
	case syntax.MINUS:
		return -d.float(), nil
	case syntax.PLUS:
		return d, nil
	}
	return nil, nil
}

// plain gives a decimal as the nearest float, and all else as it is.
func plain(v starlark.Value) starlark.Value {
	if d, ok := v.(decimal); ok {
		return d.float()
	}
	return v
}
