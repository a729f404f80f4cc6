// Package value holds the operations on plain values that all expression languages share: members, arithmetic, comparison and
// functions, so that one expression means the same in each of them.
//
// Plain values are nil, bool, int64, float64, json.Number (a number whose digits neither of the two before can hold), string, []any
// and map[string]any, and inside an evaluation time.Time and time.Duration. Values that come in are shared with other evaluations
// and never changed. What is not there is null: [Member] of anything that has no such member is nil.
//
// Everything that can loop or grow goes through a [Budget], the one place where an evaluation is stopped. A Budget belongs to one
// evaluation and one goroutine; all else here is free of state.
package value

import (
	"encoding/json"
	"fmt"
	"time"
)

// Code says why an evaluation failed.
type Code string

// The codes of an Error.
const (
	// Expression is a mistake that the values showed: an operand of the wrong kind, a division by zero.
	Expression Code = "expression"
	// TooExpensive ends what takes too many steps or too long.
	TooExpensive Code = "too_expensive"
	// TooLarge ends what makes too much data.
	TooLarge Code = "too_large"
	// NotBoolean is a condition, or an operand of one, that is neither true nor false.
	NotBoolean Code = "not_boolean"
	// Cancelled is an evaluation whose context ended.
	Cancelled Code = "cancelled"
)

// Error is the failure of an evaluation. Its message is a sentence without a full stop that names operands as the manifest writes
// them and holds no values of the event.
type Error struct {
	Code    Code
	Message string
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Kind names what a value is, for messages and for the function `type`.
func Kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case int64, int, float64, json.Number:
		return "number"
	case string:
		return "string"
	case []any:
		return "list"
	case map[string]any:
		return "map"
	case time.Time:
		return "time"
	case time.Duration:
		return "duration"
	}
	return "value of an unknown kind"
}

// Site is an operation's place in an expression: how messages call it and its operands.
type Site struct {
	// Op is the operator or function as it is written.
	Op string
	// Operands are the operands' own text; an operand without one is "operand n".
	Operands []string
}

func (s *Site) operand(i int) string {
	switch {
	case i < len(s.Operands) && s.Operands[i] != "":
		return s.Operands[i]
	case s.Op == "":
		return "the expression"
	}
	return fmt.Sprintf("operand %d", i+1)
}

// wrong is the error that operand i has the value v where need is needed.
func (s *Site) wrong(i int, v any, need string) *Error {
	return Errorf(Expression, "%s is %s where `%s` needs %s", s.operand(i), article(v), s.Op, need)
}

// mismatch is the error that two operands do not go together: one says what an operand may be, two what both may be.
func (s *Site) mismatch(x, y any, one, two string) *Error {
	switch {
	case x == nil:
		return s.wrong(0, x, one)
	case y == nil:
		return s.wrong(1, y, one)
	}
	return Errorf(Expression, "%s is a %s and %s a %s where `%s` needs %s", s.operand(0), Kind(x), s.operand(1), Kind(y), s.Op, two)
}

// Key is a member's name or index that an expression states.
type Key struct {
	Name    string
	Index   int64
	IsIndex bool
}

// At finds the member k of v, nil where it has none: a missing name, an index outside of the list, anything of null, of a number
// or of text. A negative index counts from the end.
func At(v any, k Key) any {
	switch x := v.(type) {
	case map[string]any:
		if !k.IsIndex {
			return x[k.Name]
		}
	case []any:
		if k.IsIndex {
			return item(x, k.Index)
		}
	}
	return nil
}

// Member is At for a key that the evaluation made.
func Member(v, key any) any {
	switch x := v.(type) {
	case map[string]any:
		if name, ok := key.(string); ok {
			return x[name]
		}
	case []any:
		if i, ok := integer(key); ok {
			return item(x, i)
		}
	}
	return nil
}

// Has says whether a member is there at all, be it null.
func Has(v any, name string) bool {
	m, _ := v.(map[string]any)
	_, ok := m[name]
	return ok
}

func item(list []any, i int64) any {
	if i < 0 {
		i += int64(len(list))
	}
	if i < 0 || i >= int64(len(list)) {
		return nil
	}
	return list[i]
}

// Bool gives the truth of operand i, or of a whole condition where s has no operator; all but true and false is an error with the code NotBoolean.
func (s *Site) Bool(i int, v any) (bool, error) {
	if yes, ok := v.(bool); ok {
		return yes, nil
	}
	if s.Op == "" {
		return false, Errorf(NotBoolean, "%s is %s, a condition must be true or false", s.operand(i), article(v))
	}
	err := s.wrong(i, v, "true or false")
	err.Code = NotBoolean
	return false, err
}

// Name gives operand 0 as the name of a map's member, which is a string.
func (s *Site) Name(v any) (string, error) {
	if name, ok := v.(string); ok {
		return name, nil
	}
	return "", s.wrong(0, v, "a string for a name")
}
