package value

import (
	"cmp"
	"encoding/json"
	"math"
	"math/big"
	"strings"
)

// integer gives the whole number that v is, if it is one that fits an int64: 7, or 7.0 as senders write it.
func integer(v any) (int64, bool) {
	switch x := v.(type) {
	case int64:
		return x, true
	case int:
		return int64(x), true
	case float64:
		if x == math.Trunc(x) && x >= -1<<63 && x < 1<<63 {
			return int64(x), true
		}
	}
	return 0, false
}

// float gives a number as a float64; of a json.Number it is the nearest one.
func float(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case int:
		return float64(x), true
	case float64:
		return x, true
	case json.Number:
		f, err := x.Float64()
		return f, err == nil || math.IsInf(f, 0)
	}
	return 0, false
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, int, float64, json.Number:
		return true
	}
	return false
}

// compareNumbers orders two numbers by their value, whatever their types. ok is false where one is no number.
func compareNumbers(x, y any) (order int, ok bool) {
	switch a := x.(type) {
	case int64:
		switch b := y.(type) {
		case int64:
			return cmp.Compare(a, b), true
		case float64:
			return compareMixed(a, b), true
		}
	case float64:
		switch b := y.(type) {
		case float64:
			return cmp.Compare(a, b), true
		case int64:
			return -compareMixed(b, a), true
		}
	}
	if !isNumber(x) || !isNumber(y) {
		return 0, false
	}
	if a, okA := bigInteger(x); okA {
		if b, okB := bigInteger(y); okB {
			return a.Cmp(b), true
		}
	}
	a, okA := float(x)
	b, okB := float(y)
	return cmp.Compare(a, b), okA && okB
}

// compareMixed orders a whole number and a float64 without rounding either.
func compareMixed(i int64, f float64) int {
	switch {
	case f >= 1<<63:
		return -1
	case f < -1<<63:
		return 1
	}
	whole := math.Trunc(f)
	if order := cmp.Compare(i, int64(whole)); order != 0 {
		return order
	}
	return cmp.Compare(0, f-whole)
}

// maxBigDigits bounds the numbers that are compared digit by digit; ids are never longer.
const maxBigDigits = 100

func bigInteger(v any) (*big.Int, bool) {
	switch x := v.(type) {
	case int64:
		return big.NewInt(x), true
	case int:
		return big.NewInt(int64(x)), true
	case float64:
		if x == math.Trunc(x) && !math.IsInf(x, 0) {
			n, _ := big.NewFloat(x).Int(nil)
			return n, true
		}
	case json.Number:
		if len(x) > maxBigDigits || strings.ContainsAny(string(x), ".eE") {
			return nil, false
		}
		return new(big.Int).SetString(string(x), 10)
	}
	return nil, false
}

// Arithmetic does `-`, `*`, `/`, `%` and `**` on two numbers. Whole numbers stay whole and never wrap around; `/` gives a fraction
// unless whole is set, as CEL has it. A json.Number takes part as the nearest float64.
func Arithmetic(s *Site, op byte, x, y any, whole bool) (any, error) {
	if !isNumber(x) || !isNumber(y) {
		return nil, s.mismatch(x, y, "a number", "two numbers")
	}
	a, okA := x.(int64)
	b, okB := y.(int64)
	if okA && okB && (op != '/' || whole) && op != '^' {
		return wholeArithmetic(s, op, a, b)
	}
	if op == '%' {
		a, okA = integer(x)
		b, okB = integer(y)
		if !okA || !okB {
			return nil, s.mismatch(x, y, "a whole number", "two whole numbers")
		}
		return wholeArithmetic(s, op, a, b)
	}
	f, _ := float(x)
	g, _ := float(y)
	switch op {
	case '+':
		f += g
	case '-':
		f -= g
	case '*':
		f *= g
	case '/':
		if g == 0 {
			return nil, s.zero()
		}
		f /= g
	case '^':
		f = math.Pow(f, g)
	}
	return s.finite(f)
}

func (s *Site) zero() *Error {
	return Errorf(Expression, "%s is zero, which `%s` cannot divide by", s.operand(1), s.Op)
}

// finite refuses what JSON cannot say.
func (s *Site) finite(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, s.overflow()
	}
	return f, nil
}

func (s *Site) overflow() *Error {
	return Errorf(Expression, "the result of `%s` is outside of the range of numbers", s.Op)
}

func wholeArithmetic(s *Site, op byte, a, b int64) (any, error) {
	switch op {
	case '+':
		if c := a + b; (c > a) == (b > 0) {
			return c, nil
		}
	case '-':
		if c := a - b; (c < a) == (b > 0) {
			return c, nil
		}
	case '*':
		if a == 0 || b == 0 {
			return int64(0), nil
		}
		if c := a * b; c/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64) {
			return c, nil
		}
	case '/', '%':
		switch {
		case b == 0:
			return nil, s.zero()
		case op == '%' && b == -1:
			return int64(0), nil
		case op == '%':
			return a % b, nil
		case a != math.MinInt64 || b != -1:
			return a / b, nil
		}
	}
	return nil, s.overflow()
}
