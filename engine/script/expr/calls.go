package expr

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/expr-lang/expr/ast"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/value"
)

// callNode rewrites the call of a function or of a method.
func (w *rewriter) callNode(n *ast.CallNode) ast.Node {
	switch callee := n.Callee.(type) {
	case *ast.IdentifierNode:
		return w.function(n, callee.Value, n.Arguments)
	case *ast.MemberNode:
		if name, ok := callee.Property.(*ast.StringNode); ok {
			return w.method(n, callee.Node, name.Value)
		}
	}
	w.report.Word(diag.ExpressionSyntax, w.at(n), "", "only functions can be called")
	return n
}

func (w *rewriter) function(n ast.Node, name string, args []ast.Node) ast.Node {
	if w.known == nil {
		w.known = value.Functions()
	}
	i := slices.IndexFunc(w.known, func(f value.Function) bool { return f.Name == name })
	if i < 0 {
		w.unknownFunction(n, name)
		return n
	}
	f := w.known[i]
	if len(args) < f.Min || len(args) > f.Max {
		w.report.Word(diag.ExpressionType, w.at(n), "", "%s takes %s, not %d: %s", name, arguments(f.Min, f.Max), len(args), f.Usage)
		return n
	}
	s := site(name, args...)
	return w.call(n, nil, func(e *evaluation, args []any) (any, error) { return f.Call(&e.budget, s, args) }, w.nodes(args)...)
}

func arguments(least, most int) string {
	switch {
	case least != most:
		return fmt.Sprintf("%d to %d arguments", least, most)
	case least == 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", least)
}

func (w *rewriter) unknownFunction(n ast.Node, name string) {
	names := loops()
	for _, f := range w.known {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	hint := diag.DidYouMean(name, names)
	switch name {
	case "now":
		hint = "`now` is a value: write it without brackets"
	case "timezone":
		hint = "times are compared whatever their zone; offsets stand in the text that `date` reads"
	case "size", "length":
		hint = "did you mean `len`?"
	case "has":
		hint = `what is missing is null: write x != null, or "name" in x`
	}
	w.report.Word(diag.UnknownName, w.at(n), hint, "unknown function %s", name)
}

// loops lists the functions that go over a list with an expression of their own; the library runs them.
func loops() []string {
	return []string{
		"all", "any", "count", "filter", "find", "findIndex", "findLast", "findLastIndex", "groupBy", "map", "none", "one", "reduce", "sortBy", "sum",
	}
}

// method rewrites x.Name(…), which times and durations have.
func (w *rewriter) method(n *ast.CallNode, of ast.Node, name string) ast.Node {
	methods := value.Methods()
	takes, ok := methods[name]
	if !ok {
		names := make([]string, 0, len(methods))
		for m := range methods {
			names = append(names, m)
		}
		slices.Sort(names)
		hint := diag.DidYouMean(name, names)
		if _, isFunction := value.FunctionByName(name); isFunction {
			hint = "write " + name + "(x), not x." + name + "()"
		}
		w.report.Word(diag.UnknownName, w.at(n), hint, "unknown method %s", name)
		return n
	}
	if len(n.Arguments) != takes {
		w.report.Word(diag.ExpressionType, w.at(n), "", "%s takes %s, not %d", name, arguments(takes, takes), len(n.Arguments))
		return n
	}
	s := site(name, append([]ast.Node{of}, n.Arguments...)...)
	args := append([]ast.Node{w.node(of)}, w.nodes(n.Arguments)...)
	return w.call(n, nil, func(e *evaluation, args []any) (any, error) {
		return e.budget.Method(s, name, args[0], args[1:])
	}, args...)
}

// loop rewrites what goes over a list. The library runs the loop; each round costs a step, and what is no list is an error that says
// so. Loops that also add up, sort or group are a map whose result a function works on.
func (w *rewriter) loop(n *ast.BuiltinNode) ast.Node {
	if !slices.Contains(loops(), n.Name) {
		return w.function(n, n.Name, n.Arguments)
	}
	switch n.Name {
	case "sum":
		s := site("sum", n.Arguments[0])
		arg := w.node(n.Arguments[0])
		if len(n.Arguments) == 2 {
			arg = w.mapped(n, w.list(n), n.Arguments[1])
		}
		return w.call(n, nil, func(e *evaluation, args []any) (any, error) { return e.budget.Sum(s, args[0]) }, arg)
	case "sortBy":
		s := site("sortBy", n.Arguments[0])
		return w.keyed(n, func(e *evaluation, args []any) (any, error) {
			return e.budget.Sort(s, args[0].([]any), args[1].([]any), args[2])
		})
	case "groupBy":
		s := site("groupBy", n.Arguments[0])
		return w.keyed(n, func(e *evaluation, args []any) (any, error) {
			return e.budget.Group(s, args[0].([]any), args[1].([]any))
		})
	}
	args := []ast.Node{w.list(n)}
	switch {
	case len(n.Arguments) > 1:
		truth := n.Name != "map" && n.Name != "reduce"
		args = append(args, w.predicate(n.Name, n.Arguments[1], truth))
	case n.Name == "count":
		args = append(args, w.predicate(n.Name, place(n, &ast.PredicateNode{Node: place(n, &ast.PointerNode{})}), true))
	}
	for _, more := range n.Arguments[min(2, len(n.Arguments)):] {
		args = append(args, w.node(more))
	}
	return place(n, &ast.BuiltinNode{Name: n.Name, Arguments: args})
}

// list makes sure that a loop has a list to go over.
func (w *rewriter) list(n *ast.BuiltinNode) ast.Node {
	s := site(n.Name, n.Arguments[0])
	return w.call(n, listType(), func(_ *evaluation, args []any) (any, error) { return s.List(args[0]) }, w.node(n.Arguments[0]))
}

// predicate rewrites the body of a loop: a step, and then what it was.
func (w *rewriter) predicate(op string, n ast.Node, truth bool) ast.Node {
	inner := n
	if p, ok := n.(*ast.PredicateNode); ok {
		inner = p.Node
	}
	var body ast.Node
	if truth {
		body = w.boolean(op, inner)
	} else {
		body = w.node(inner)
	}
	step := w.call(n, boolType(), func(e *evaluation, _ []any) (any, error) { return true, e.budget.Step(1) })
	return place(n, &ast.PredicateNode{Node: place(n, &ast.SequenceNode{Nodes: []ast.Node{step, body}})})
}

func (w *rewriter) mapped(n *ast.BuiltinNode, list, predicate ast.Node) ast.Node {
	out := place(n, &ast.BuiltinNode{Name: "map", Arguments: []ast.Node{list, w.predicate(n.Name, predicate, false)}})
	out.SetType(listType())
	return out
}

// keyed calls op with a list, the list of what the predicate makes of each element, and a third argument or null. The list is kept in
// a variable, so that it is made once.
func (w *rewriter) keyed(n *ast.BuiltinNode, op operation) ast.Node {
	name := "#list" + strconv.Itoa(len(w.functions))
	variable := func() ast.Node {
		id := place(n, &ast.IdentifierNode{Value: name})
		id.SetType(listType())
		return id
	}
	list := w.list(n)
	var third ast.Node = &ast.NilNode{}
	if len(n.Arguments) == 3 {
		third = w.node(n.Arguments[2])
	}
	keys := w.mapped(n, variable(), n.Arguments[1])
	return place(n, &ast.VariableDeclaratorNode{Name: name, Value: list, Expr: w.call(n, nil, op, variable(), keys, third)})
}
