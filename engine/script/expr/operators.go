package expr

import (
	"reflect"

	"github.com/expr-lang/expr/ast"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/value"
)

func (w *rewriter) unary(n *ast.UnaryNode) ast.Node {
	switch n.Operator {
	case "!", "not":
		return place(n, &ast.UnaryNode{Operator: n.Operator, Node: w.boolean(n.Operator, n.Node)})
	case "-":
		if i, ok := n.Node.(*ast.IntegerNode); ok {
			return w.constant(n, -int64(i.Value))
		}
	}
	s := site(n.Operator, n.Node)
	sign := n.Operator
	return w.call(n, nil, func(_ *evaluation, args []any) (any, error) {
		v, err := value.Negate(s, args[0])
		if err != nil || sign == "-" {
			return v, err
		}
		return args[0], nil // a plus only makes sure that it is a number
	}, w.node(n.Node))
}

func (w *rewriter) binary(n *ast.BinaryNode) ast.Node {
	switch n.Operator {
	case "and", "or", "&&", "||":
		return place(n, &ast.BinaryNode{Operator: n.Operator, Left: w.boolean(n.Operator, n.Left), Right: w.boolean(n.Operator, n.Right)})
	case "??":
		return place(n, &ast.BinaryNode{Operator: n.Operator, Left: w.node(n.Left), Right: w.node(n.Right)})
	case "matches":
		return w.matches(n)
	}
	op, t := binaryOperation(n.Operator, site(n.Operator, n.Left, n.Right))
	if op == nil {
		w.report.Word(diag.ExpressionSyntax, w.at(n), "", "the operator %s is not known here", n.Operator)
		return n
	}
	return w.call(n, t, op, w.node(n.Left), w.node(n.Right))
}

// binaryOperation gives what an operator does, and the type of what it gives where there is but one.
func binaryOperation(operator string, s *value.Site) (operation, reflect.Type) {
	order := func(holds func(c int) bool) operation {
		return func(e *evaluation, args []any) (any, error) {
			c, err := e.budget.Compare(s, args[0], args[1])
			return holds(c), err
		}
	}
	switch operator {
	case "==", "!=":
		equal := operator == "=="
		return func(e *evaluation, args []any) (any, error) {
			same, err := e.budget.Equal(args[0], args[1])
			return same == equal, err
		}, boolType()
	case "<":
		return order(func(c int) bool { return c < 0 }), boolType()
	case ">":
		return order(func(c int) bool { return c > 0 }), boolType()
	case "<=":
		return order(func(c int) bool { return c <= 0 }), boolType()
	case ">=":
		return order(func(c int) bool { return c >= 0 }), boolType()
	case "in":
		return func(e *evaluation, args []any) (any, error) { return e.budget.In(s, args[0], args[1]) }, boolType()
	case "contains", "startsWith", "endsWith":
		return func(e *evaluation, args []any) (any, error) { return e.budget.Test(s, operator, args[0], args[1]) }, boolType()
	case "+":
		return func(e *evaluation, args []any) (any, error) { return e.budget.Add(s, args[0], args[1]) }, nil
	case "-":
		return func(_ *evaluation, args []any) (any, error) { return value.Subtract(s, args[0], args[1]) }, nil
	case "*":
		return func(_ *evaluation, args []any) (any, error) { return value.Multiply(s, args[0], args[1]) }, nil
	case "/", "%":
		return func(_ *evaluation, args []any) (any, error) {
			return value.Arithmetic(s, operator[0], args[0], args[1], false)
		}, nil
	case "**", "^":
		return func(_ *evaluation, args []any) (any, error) {
			return value.Arithmetic(s, '^', args[0], args[1], false)
		}, nil
	case "..":
		return func(e *evaluation, args []any) (any, error) { return e.budget.Range(s, args[0], args[1]) }, listType()
	}
	return nil, nil
}

func (w *rewriter) matches(n *ast.BinaryNode) ast.Node {
	text, ok := n.Right.(*ast.StringNode)
	if !ok {
		w.report.Word(diag.ExpressionType, w.start(n.Right), "", "a pattern must be written out, it cannot come from a value")
		return n
	}
	pattern, err := value.CompilePattern(text.Value)
	if err != nil {
		w.report.Word(diag.ExpressionSyntax, w.at(n.Right), "", "%v", err)
		return n
	}
	s := site("matches", n.Left)
	return w.call(n, boolType(), func(e *evaluation, args []any) (any, error) { return pattern.Match(&e.budget, s, args[0]) }, w.node(n.Left))
}

func (w *rewriter) slice(n *ast.SliceNode) ast.Node {
	args := []ast.Node{w.node(n.Node), &ast.NilNode{}, &ast.NilNode{}}
	s := site("[:]", n.Node, n.From, n.To)
	if n.From != nil {
		args[1] = w.node(n.From)
	}
	if n.To != nil {
		args[2] = w.node(n.To)
	}
	return w.call(n, nil, func(e *evaluation, args []any) (any, error) { return e.budget.Slice(s, args[0], args[1], args[2]) }, args...)
}
