package value

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// numbers gives all numbers of the arguments, which are numbers and lists of them.
func (b *Budget) numbers(s *Site, args []any) ([]any, error) {
	var out []any
	for i, v := range args {
		l, ok := v.([]any)
		if !ok {
			l = []any{v}
		}
		if err := b.List(len(l)); err != nil {
			return nil, err
		}
		for at, n := range l {
			switch {
			case isNumber(n):
				out = append(out, n)
			case ok:
				return nil, Errorf(Expression, "element %d of %s is %s where `%s` needs numbers", at, s.operand(i), article(n), s.Op)
			default:
				return nil, s.wrong(i, v, "numbers")
			}
		}
	}
	return out, nil
}

// extreme finds the greatest number, or with sign -1 the smallest; of none null.
func extreme(sign int) call {
	return func(b *Budget, s *Site, args []any) (any, error) {
		ns, err := b.numbers(s, args)
		if err != nil {
			return nil, err
		}
		var best any
		for i, n := range ns {
			if c, _ := compareNumbers(n, best); i == 0 || sign*c > 0 {
				best = n
			}
		}
		return best, nil
	}
}

func sum(b *Budget, s *Site, args []any) (any, error) {
	ns, err := b.numbers(s, args)
	if err != nil {
		return nil, err
	}
	var total any = int64(0)
	for _, n := range ns {
		if total, err = Arithmetic(s, '+', total, n, false); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func mean(b *Budget, s *Site, args []any) (any, error) {
	ns, err := b.numbers(s, args)
	if err != nil || len(ns) == 0 {
		return 0.0, err
	}
	total := 0.0
	for _, n := range ns {
		f, _ := float(n)
		total += f
	}
	return s.finite(total / float64(len(ns)))
}

func median(b *Budget, s *Site, args []any) (any, error) {
	ns, err := b.numbers(s, args)
	if err != nil || len(ns) == 0 {
		return 0.0, err
	}
	fs := make([]float64, len(ns))
	for i, n := range ns {
		fs[i], _ = float(n)
	}
	slices.Sort(fs)
	mid := len(fs) / 2
	if len(fs)%2 == 1 {
		return fs[mid], nil
	}
	return s.finite(fs[mid-1]/2 + fs[mid]/2)
}

func typeName(_ *Budget, _ *Site, args []any) (any, error) {
	switch args[0].(type) {
	case nil:
		return "nil", nil
	case int64, int:
		return "int", nil
	case float64, json.Number:
		return "float", nil
	case []any:
		return "array", nil
	}
	return Kind(args[0]), nil
}

// toInt gives a whole number: a number without its fraction, text that is one, or the Unix seconds of a time.
func toInt(_ *Budget, s *Site, args []any) (any, error) {
	switch x := args[0].(type) {
	case string:
		n, err := strconv.ParseInt(x, 10, 64)
		if err != nil {
			return nil, Errorf(Expression, "%s is no whole number of 64 bits where `%s` needs one", s.operand(0), s.Op)
		}
		return n, nil
	case int64, int:
		n, _ := integer(x)
		return n, nil
	case time.Time:
		return x.Unix(), nil
	}
	f, ok := float(args[0])
	if !ok {
		return nil, s.wrong(0, args[0], "a number or a string")
	}
	if f >= 1<<63 || f < -1<<63 {
		return nil, s.overflow()
	}
	return int64(f), nil
}

func toFloat(_ *Budget, s *Site, args []any) (any, error) {
	if t, ok := args[0].(string); ok {
		f, err := strconv.ParseFloat(t, 64)
		if err != nil {
			return nil, Errorf(Expression, "%s is no number where `%s` needs one", s.operand(0), s.Op)
		}
		return s.finite(f)
	}
	f, ok := float(args[0])
	if !ok {
		return nil, s.wrong(0, args[0], "a number or a string")
	}
	return s.finite(f)
}

func rounded(f func(float64) float64) call {
	return func(_ *Budget, s *Site, args []any) (any, error) {
		n, ok := float(args[0])
		if !ok {
			return nil, s.wrong(0, args[0], "a number")
		}
		return s.finite(f(n))
	}
}

func abs(_ *Budget, s *Site, args []any) (any, error) {
	if c, ok := compareNumbers(args[0], int64(0)); ok && c >= 0 {
		return args[0], nil
	}
	return Negate(s, args[0])
}

func bits(f func(x, y int64) int64) call {
	return func(_ *Budget, s *Site, args []any) (any, error) {
		x, err := s.whole(args, 0)
		if err != nil {
			return nil, err
		}
		y := int64(0)
		if len(args) == 2 {
			if y, err = s.whole(args, 1); err != nil {
				return nil, err
			}
		}
		return f(x, y), nil
	}
}
