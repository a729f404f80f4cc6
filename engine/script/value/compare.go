package value

import (
	"cmp"
	"encoding/json"
	"math"
	"strings"
	"time"
)

// Compare orders two values for `<` and its kin: numbers by value, strings by bytes, times, durations.
func (b *Budget) Compare(s *Site, x, y any) (int, error) {
	if order, ok := compareNumbers(x, y); ok {
		return order, nil
	}
	switch v := x.(type) {
	case string:
		if w, ok := y.(string); ok {
			return strings.Compare(v, w), b.Scan(min(len(v), len(w)), bytesCompared)
		}
	case time.Time:
		if w, ok := y.(time.Time); ok {
			return v.Compare(w), nil
		}
	case time.Duration:
		if w, ok := y.(time.Duration); ok {
			return cmp.Compare(v, w), nil
		}
	}
	return 0, s.mismatch(x, y, "a number, a string or a time", "two numbers, two strings or two times")
}

// Equal says whether two values are the same: numbers by value, whatever their types, lists and maps by their elements. Values of
// different kinds are not equal; nothing here is an error but a spent budget.
func (b *Budget) Equal(x, y any) (bool, error) { return b.equal(x, y, 0) }

func (b *Budget) equal(x, y any, depth int) (bool, error) {
	switch a := x.(type) {
	case nil:
		return y == nil, nil
	case bool:
		c, ok := y.(bool)
		return ok && a == c, nil
	case string:
		c, ok := y.(string)
		if !ok || len(a) != len(c) {
			return false, nil
		}
		return a == c, b.Scan(len(a), bytesCompared)
	case int64, int, float64, json.Number:
		order, ok := compareNumbers(x, y)
		return ok && order == 0, nil
	case time.Time:
		c, ok := y.(time.Time)
		return ok && a.Equal(c), nil
	case time.Duration:
		c, ok := y.(time.Duration)
		return ok && a == c, nil
	case []any:
		if c, ok := y.([]any); ok && len(a) == len(c) {
			return b.equalLists(a, c, depth)
		}
	case map[string]any:
		if c, ok := y.(map[string]any); ok && len(a) == len(c) {
			return b.equalMaps(a, c, depth)
		}
	}
	return false, nil
}

func (b *Budget) equalLists(x, y []any, depth int) (bool, error) {
	if err := b.deeper(depth); err != nil {
		return false, err
	}
	for i := range x {
		if err := b.Step(1); err != nil {
			return false, err
		}
		if same, err := b.equal(x[i], y[i], depth+1); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func (b *Budget) equalMaps(x, y map[string]any, depth int) (bool, error) {
	if err := b.deeper(depth); err != nil {
		return false, err
	}
	for name, v := range x {
		if err := b.Step(1); err != nil {
			return false, err
		}
		w, ok := y[name]
		if !ok {
			return false, nil
		}
		if same, err := b.equal(v, w, depth+1); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// deeper refuses values that nest so deep that walking them would endanger the stack.
func (b *Budget) deeper(depth int) error {
	if depth < MaxDepth {
		return nil
	}
	if b.err == nil {
		b.err = Errorf(TooLarge, "the expression makes a value that is nested deeper than %d", MaxDepth)
	}
	return b.err
}

// In says whether a list holds a value or a map a name. Nothing is in null.
func (b *Budget) In(s *Site, x, y any) (bool, error) {
	switch in := y.(type) {
	case nil:
		return false, nil
	case map[string]any:
		name, ok := x.(string)
		if !ok {
			return false, nil
		}
		_, ok = in[name]
		return ok, nil
	case []any:
		for _, v := range in {
			if err := b.Step(1); err != nil {
				return false, err
			}
			if same, err := b.Equal(x, v); err != nil || same {
				return same, err
			}
		}
		return false, nil
	}
	return false, s.wrong(1, y, "a list or a map")
}

// Negate does the unary minus.
func Negate(s *Site, v any) (any, error) {
	switch x := v.(type) {
	case int64:
		if x == math.MinInt64 {
			return nil, s.overflow()
		}
		return -x, nil
	case int:
		return -int64(x), nil
	case float64:
		return -x, nil
	case json.Number:
		f, _ := float(x)
		return s.finite(-f)
	case time.Duration:
		return -x, nil
	}
	return nil, s.wrong(0, v, "a number")
}

// Add does `+`: numbers, text with text, list with list, times with durations.
func (b *Budget) Add(s *Site, x, y any) (any, error) {
	if isNumber(x) && isNumber(y) {
		return Arithmetic(s, '+', x, y, false)
	}
	switch a := x.(type) {
	case string:
		if c, ok := y.(string); ok {
			if err := b.Grow(len(a) + len(c)); err != nil {
				return nil, err
			}
			return a + c, nil
		}
	case []any:
		if c, ok := y.([]any); ok {
			return b.concat(a, c)
		}
	case time.Time:
		if c, ok := y.(time.Duration); ok {
			return a.Add(c), nil
		}
	case time.Duration:
		switch c := y.(type) {
		case time.Duration:
			return a + c, nil
		case time.Time:
			return c.Add(a), nil
		}
	}
	return nil, s.mismatch(x, y, "a number, a string or a list", "two numbers, two strings or two lists")
}

// Subtract does `-`: numbers, times and durations.
func Subtract(s *Site, x, y any) (any, error) {
	switch a := x.(type) {
	case time.Time:
		switch c := y.(type) {
		case time.Time:
			return a.Sub(c), nil
		case time.Duration:
			return a.Add(-c), nil
		}
	case time.Duration:
		if c, ok := y.(time.Duration); ok {
			return a - c, nil
		}
	}
	return Arithmetic(s, '-', x, y, false)
}

// Multiply does `*`: numbers, and a duration with a number.
func Multiply(s *Site, x, y any) (any, error) {
	if d, ok := y.(time.Duration); ok {
		x, y = d, x
	}
	if d, ok := x.(time.Duration); ok {
		f, ok := float(y)
		if !ok {
			return nil, s.mismatch(x, y, "a number", "a number beside a duration")
		}
		product := float64(d) * f
		if math.IsNaN(product) || math.Abs(product) >= math.MaxInt64 {
			return nil, s.overflow()
		}
		return time.Duration(product), nil
	}
	return Arithmetic(s, '*', x, y, false)
}
