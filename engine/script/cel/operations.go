package cel

import (
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"

	"github.com/headgate/headgate/engine/script/value"
)

// operation gives what a node does with plain values and the nodes that give them; nil where the library does it: control flow, what
// a macro adds to its own result, and its functions of times.
func (w *rewriter) operation(e ast.Expr) (plainOperation, []ast.Expr) {
	switch e.Kind() {
	case ast.SelectKind:
		return w.selection(e.AsSelect())
	case ast.CallKind:
		return w.callOperation(e.AsCall())
	}
	return nil, nil
}

func (w *rewriter) selection(s ast.SelectExpr) (plainOperation, []ast.Expr) {
	k := value.Key{Name: s.FieldName()}
	if !s.IsTestOnly() {
		return func(_ *evaluation, args []any) (any, error) { return value.At(args[0], k), nil }, []ast.Expr{s.Operand()}
	}
	if c, root := w.chain(s.Operand()); c != nil {
		// The operand of has(a.b) is a.b, not a.
		w.reads.Add(c.Member(k), w.at(root))
		return func(e *evaluation, _ []any) (any, error) { return value.Has(c.Value(e.env), k.Name), nil }, []ast.Expr{}
	}
	return func(_ *evaluation, args []any) (any, error) { return value.Has(args[0], k.Name), nil }, []ast.Expr{s.Operand()}
}

func (w *rewriter) callOperation(call ast.CallExpr) (plainOperation, []ast.Expr) {
	name, args := call.FunctionName(), call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	switch name {
	case operators.Index:
		return func(_ *evaluation, args []any) (any, error) { return value.Member(args[0], args[1]), nil }, args
	case operators.Add:
		if w.isAccumulator(args[0]) {
			return nil, nil
		}
	case "matches":
		return w.matches(args)
	}
	if sign, ok := operators.FindReverse(name); ok {
		return binary(sign, w.site(sign, args...)), args
	}
	return w.function(call, args), args
}

// binary gives what an operator does, nil for those that are not ours.
func binary(sign string, s *value.Site) plainOperation {
	order := func(holds func(c int) bool) plainOperation {
		return func(e *evaluation, args []any) (any, error) {
			c, err := e.budget.Compare(s, args[0], args[1])
			return holds(c), err
		}
	}
	switch sign {
	case "==", "!=":
		return func(e *evaluation, args []any) (any, error) {
			same, err := e.budget.Equal(args[0], args[1])
			return same == (sign == "=="), err
		}
	case "<":
		return order(func(c int) bool { return c < 0 })
	case "<=":
		return order(func(c int) bool { return c <= 0 })
	case ">":
		return order(func(c int) bool { return c > 0 })
	case ">=":
		return order(func(c int) bool { return c >= 0 })
	case "in":
		return func(e *evaluation, args []any) (any, error) { return e.budget.In(s, args[0], args[1]) }
	case "+":
		return func(e *evaluation, args []any) (any, error) { return e.budget.Add(s, args[0], args[1]) }
	case "-":
		return func(_ *evaluation, args []any) (any, error) {
			if len(args) == 1 {
				return value.Negate(s, args[0])
			}
			return value.Subtract(s, args[0], args[1])
		}
	case "*":
		return func(_ *evaluation, args []any) (any, error) { return value.Multiply(s, args[0], args[1]) }
	case "/", "%":
		return func(_ *evaluation, args []any) (any, error) {
			return value.Arithmetic(s, sign[0], args[0], args[1], true)
		}
	}
	return nil
}

// function gives what a function does, nil for those that the library performs.
func (w *rewriter) function(call ast.CallExpr, args []ast.Expr) plainOperation {
	name := call.FunctionName()
	target := w.globalFunction(name)
	if call.IsMemberFunction() {
		i := slices.IndexFunc(w.members, func(m member) bool { return m.name == name })
		if i < 0 {
			return nil
		}
		target = w.members[i].function
	}
	s := w.site(name, args...)
	switch name {
	case "contains", "startsWith", "endsWith":
		return func(e *evaluation, args []any) (any, error) { return e.budget.Test(s, name, args[0], args[1]) }
	case "substring":
		return func(e *evaluation, args []any) (any, error) {
			args = append(args, nil)
			return e.budget.Slice(s, args[0], args[1], args[2])
		}
	}
	i := slices.IndexFunc(w.known, func(f value.Function) bool { return f.Name == target })
	if i < 0 {
		return nil
	}
	f := w.known[i]
	return func(e *evaluation, args []any) (any, error) { return f.Call(&e.budget, s, args) }
}

func (w *rewriter) matches(args []ast.Expr) (plainOperation, []ast.Expr) {
	text, _ := args[1].AsLiteral().(types.String)
	pattern, err := value.CompilePattern(string(text))
	if err != nil {
		return nil, nil // resolve reported it
	}
	s := w.site("matches", args[0])
	return func(e *evaluation, args []any) (any, error) { return pattern.Match(&e.budget, s, args[0]) }, args[:1]
}
