package value

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/payload"
)

func runes(s string) int { return utf8.RuneCountInString(s) }

// Text gives a value as text is made of it in templates and by the function `string`: strings as they are, null as nothing, numbers
// and bools as JSON has them, times as RFC 3339 text, lists and maps as compact JSON.
func (b *Budget) Text(v any) (string, error) {
	switch x := v.(type) {
	case nil:
		return "", nil
	case string:
		return x, nil
	case bool:
		return strconv.FormatBool(x), nil
	case int64:
		return strconv.FormatInt(x, 10), nil
	case int:
		return strconv.Itoa(x), nil
	case float64:
		return string(payload.AppendFloat(nil, x)), nil
	case json.Number:
		return string(x), nil
	case time.Time:
		return x.Format(time.RFC3339Nano), nil
	case time.Duration:
		return x.String(), nil
	}
	return b.JSON(v)
}

// JSON gives a value as compact JSON.
func (b *Budget) JSON(v any) (string, error) {
	plain, err := b.Output(v)
	if err != nil {
		return "", err
	}
	out, err := payload.EncodeMax(plain, MaxBytes)
	if err != nil {
		return "", encodingError(err)
	}
	if err := b.Grow(len(out)); err != nil {
		return "", err
	}
	return string(out), nil
}

func encodingError(err error) *Error {
	var e *payload.Error
	if errors.As(err, &e) && e.Code == payload.TooLarge {
		return Errorf(TooLarge, "the expression makes JSON of more than %d bytes", MaxBytes)
	}
	return Errorf(Expression, "the value has no JSON form: %v", err)
}

// Output makes a plain JSON value of what an evaluation gave: times and durations become text, Go's int an int64. What needs no
// change is shared with the input. Values whose JSON would be larger than MaxBytes, or nested deeper than MaxDepth, are refused.
func (b *Budget) Output(v any) (any, error) {
	o := output{budget: b}
	return o.value(v, 0)
}

type output struct {
	budget *Budget
	size   int
}

// spend counts bytes of JSON, at least; what a value shared a thousand times would take counts a thousand times.
func (o *output) spend(n int) error {
	if o.size += n; o.size > MaxBytes {
		return Errorf(TooLarge, "the expression's result is larger than %d bytes", MaxBytes)
	}
	return nil
}

func (o *output) value(v any, depth int) (any, error) {
	switch x := v.(type) {
	case nil, bool, int64, float64:
		return v, o.spend(2)
	case int:
		return int64(x), o.spend(2)
	case json.Number:
		return v, o.spend(len(x))
	case string:
		return v, o.spend(len(x) + 2)
	case time.Time:
		return x.Format(time.RFC3339Nano), o.spend(20)
	case time.Duration:
		return x.String(), o.spend(4)
	case []any:
		return o.list(x, depth)
	case map[string]any:
		return o.object(x, depth)
	}
	return nil, Errorf(Expression, "the expression's result holds a value that has no JSON form")
}

func (o *output) list(l []any, depth int) (any, error) {
	if err := o.budget.deeper(depth); err != nil {
		return nil, err
	}
	if err := o.spend(len(l) + 1); err != nil {
		return nil, err
	}
	out := l
	for i, v := range l {
		plain, err := o.value(v, depth+1)
		if err != nil {
			return nil, err
		}
		if changed(v, plain) {
			if &out[0] == &l[0] {
				out = append([]any(nil), l...)
			}
			out[i] = plain
		}
	}
	return out, nil
}

func (o *output) object(m map[string]any, depth int) (any, error) {
	if err := o.budget.deeper(depth); err != nil {
		return nil, err
	}
	if err := o.spend(2); err != nil {
		return nil, err
	}
	var out map[string]any
	for name, v := range m {
		if err := o.spend(len(name) + 4); err != nil {
			return nil, err
		}
		plain, err := o.value(v, depth+1)
		if err != nil {
			return nil, err
		}
		if changed(v, plain) {
			if out == nil {
				out = make(map[string]any, len(m))
			}
			out[name] = plain
		}
	}
	if out == nil {
		return m, nil
	}
	for name, v := range m {
		if _, done := out[name]; !done {
			out[name] = v
		}
	}
	return out, nil
}

// sameMap says whether two maps are one.
func sameMap(x, y map[string]any) bool {
	return reflect.ValueOf(x).Pointer() == reflect.ValueOf(y).Pointer()
}

// changed says whether output made another value of v. Lists and maps that were rebuilt are other lists and maps.
func changed(v, plain any) bool {
	switch x := v.(type) {
	case int, time.Time, time.Duration:
		return true
	case []any:
		return len(x) > 0 && &x[0] != &plain.([]any)[0]
	case map[string]any:
		return !sameMap(x, plain.(map[string]any))
	}
	return false
}

func toJSON(b *Budget, _ *Site, args []any) (any, error) {
	t, err := b.JSON(args[0])
	return t, err
}

func toText(b *Budget, _ *Site, args []any) (any, error) {
	t, err := b.Text(args[0])
	return t, err
}

// fromJSON reads JSON text. It is decoded here and now, so it costs steps by its length.
func fromJSON(b *Budget, s *Site, args []any) (any, error) {
	t, err := s.text(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.Step(len(t)/8 + 1); err != nil {
		return nil, err
	}
	body := []byte(t)
	if err := payload.Check(body, payload.Limits{Tokens: MaxSteps / 2}); err != nil {
		return nil, Errorf(Expression, "%s is no JSON that `%s` reads", s.operand(0), s.Op)
	}
	v, err := payload.Decode(body)
	if err != nil {
		return nil, Errorf(Expression, "%s is no JSON that `%s` reads", s.operand(0), s.Op)
	}
	return v, nil
}

func toBase64(b *Budget, s *Site, args []any) (any, error) {
	t, err := s.text(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.Grow(base64.StdEncoding.EncodedLen(len(t))); err != nil {
		return nil, err
	}
	return base64.StdEncoding.EncodeToString([]byte(t)), nil
}

func fromBase64(b *Budget, s *Site, args []any) (any, error) {
	t, err := s.text(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.Grow(len(t)); err != nil {
		return nil, err
	}
	out, err := base64.StdEncoding.DecodeString(t)
	if err != nil || !utf8.Valid(out) {
		return nil, Errorf(Expression, "%s is no base64 of text", s.operand(0))
	}
	return string(out), nil
}
