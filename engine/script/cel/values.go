package cel

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"

	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// evaluation is what one run of a program works on. To the library it is the one variable, and that variable's value.
type evaluation struct {
	program *program
	env     *language.Env
	budget  value.Budget
}

var (
	_ interpreter.Activation = (*evaluation)(nil)
	_ ref.Val                = (*evaluation)(nil)
)

// ResolveName implements interpreter.Activation.
func (e *evaluation) ResolveName(name string) (any, bool) { return e, name == envName }

// Parent implements interpreter.Activation.
func (e *evaluation) Parent() interpreter.Activation { return nil }

// ConvertToNative implements ref.Val; nothing converts an evaluation.
func (e *evaluation) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("an evaluation is no %v", t)
}

// ConvertToType implements ref.Val; nothing converts an evaluation.
func (e *evaluation) ConvertToType(ref.Type) ref.Val { return types.NoSuchOverloadErr() }

// Equal implements ref.Val.
func (e *evaluation) Equal(other ref.Val) ref.Val { return types.Bool(other == ref.Val(e)) }

// Type implements ref.Val.
func (e *evaluation) Type() ref.Type { return types.DynType }

// Value implements ref.Val.
func (e *evaluation) Value() any { return e }

// adapter makes the library's values of plain ones.
type adapter struct{}

var _ types.Adapter = adapter{}

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(v any) ref.Val {
	switch x := v.(type) {
	case nil:
		return types.NullValue
	case ref.Val:
		return x
	case bool:
		return types.Bool(x)
	case int64:
		return types.Int(x)
	case int:
		return types.Int(x)
	case float64:
		return types.Double(x)
	case json.Number:
		f, _ := x.Float64()
		return number{Double: types.Double(f), digits: x}
	case string:
		return types.String(x)
	case time.Time:
		return types.Timestamp{Time: x}
	case time.Duration:
		return types.Duration{Duration: x}
	case []any:
		return types.NewDynamicList(a, x)
	case map[string]any:
		return types.NewStringInterfaceMap(a, x)
	case []ref.Val:
		return types.NewRefValList(a, x)
	case map[ref.Val]ref.Val:
		return types.NewRefValMap(a, x)
	}
	return types.NewErr("a value of type %T has no place in an expression", v)
}

// number is a number whose digits a float64 does not hold. It counts as that float64 and comes out as it went in.
type number struct {
	types.Double
	digits json.Number
}

// Value implements ref.Val.
func (n number) Value() any { return n.digits }

// plain makes a plain value of the library's. Lists and maps that came from the environment come back as they are; those that the
// expression made are copied, at a step for each element.
func (e *evaluation) plain(v ref.Val) (any, error) { return e.plainAt(v, 0) }

func (e *evaluation) plainAt(v ref.Val, depth int) (any, error) {
	switch x := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(x), nil
	case types.Int:
		return int64(x), nil
	case types.Double:
		return float64(x), nil
	case number:
		return x.digits, nil
	case types.String:
		return string(x), nil
	case types.Timestamp:
		return x.Time, nil
	case types.Duration:
		return x.Duration, nil
	case *types.Err:
		return nil, x
	case traits.Lister:
		if list, ok := x.Value().([]any); ok {
			return list, nil
		}
		return e.plainList(x, depth)
	case traits.Mapper:
		if object, ok := x.Value().(map[string]any); ok {
			return object, nil
		}
		return e.plainMap(x, depth)
	}
	return nil, value.Errorf(value.Expression, "the expression makes a value of type %s, which JSON does not have", v.Type().TypeName())
}

func (e *evaluation) plainList(l traits.Lister, depth int) (any, error) {
	size, _ := l.Size().(types.Int)
	if err := e.spend(int(size), depth); err != nil {
		return nil, err
	}
	out := make([]any, 0, size)
	for i := range size {
		v, err := e.plainAt(l.Get(i), depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (e *evaluation) plainMap(m traits.Mapper, depth int) (any, error) {
	size, _ := m.Size().(types.Int)
	if err := e.spend(int(size), depth); err != nil {
		return nil, err
	}
	out := make(map[string]any, size)
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, value.Errorf(value.Expression, "the expression makes a map with a name of type %s; names are strings", key.Type().TypeName())
		}
		v, err := e.plainAt(m.Get(key), depth+1)
		if err != nil {
			return nil, err
		}
		out[string(name)] = v
	}
	return out, nil
}

func (e *evaluation) spend(elements, depth int) error {
	if depth > value.MaxDepth {
		return value.Errorf(value.TooLarge, "the expression makes a value that is nested deeper than %d", value.MaxDepth)
	}
	return e.budget.Step(elements)
}
