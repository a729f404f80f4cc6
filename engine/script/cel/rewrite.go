package cel

import (
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/headgate/headgate/engine/script/value"
)

// raw puts an operation on the library's values in the place of a node.
func (w *rewriter) raw(e ast.Expr, op operation, args ...ast.Expr) ast.Expr {
	number := w.factory.NewLiteral(w.id(), types.Int(len(w.operations)))
	w.operations = append(w.operations, op)
	all := append([]ast.Expr{w.factory.NewIdent(w.id(), envName), number}, args...)
	return w.factory.NewCall(e.ID(), opName, all...)
}

// plainOperation is an operation on plain values.
type plainOperation = func(e *evaluation, args []any) (any, error)

// term is a piece of an expression that needs nothing of the library: names, constants, and operations on such pieces.
type term = func(e *evaluation) (any, error)

// term gives a node as a term, nil where it is none.
func (w *rewriter) term(e ast.Expr) term {
	if c, root := w.chain(e); c != nil {
		w.reads.Add(c, w.at(root))
		return func(e *evaluation) (any, error) { return c.Value(e.env), nil }
	}
	if v, ok := constant(e); ok {
		return func(*evaluation) (any, error) { return v, nil }
	}
	op, args := w.operation(e)
	if op == nil {
		return nil
	}
	terms := make([]term, len(args))
	for i, arg := range args {
		if terms[i] = w.term(arg); terms[i] == nil {
			return nil
		}
	}
	return func(e *evaluation) (any, error) {
		plain := make([]any, len(terms))
		for i, t := range terms {
			v, err := t(e)
			if err != nil {
				return nil, err
			}
			plain[i] = v
		}
		return op(e, plain)
	}
}

// apply puts an operation on plain values in the place of a node. Arguments that are terms are worked out by the operation itself,
// which spares the library most of its calls.
func (w *rewriter) apply(e ast.Expr, op plainOperation, args []ast.Expr) ast.Expr {
	terms := make([]term, len(args))
	var rest []ast.Expr
	for i, arg := range args {
		if terms[i] = w.term(arg); terms[i] == nil {
			rest = append(rest, w.expr(arg))
		}
	}
	return w.raw(e, func(e *evaluation, vals []ref.Val) ref.Val {
		plain := make([]any, len(terms))
		var err error
		for i, t := range terms {
			if t != nil {
				plain[i], err = t(e)
			} else {
				plain[i], err = e.plain(vals[0])
				vals = vals[1:]
			}
			if err != nil {
				return types.WrapErr(err)
			}
		}
		v, err := op(e, plain)
		if err != nil {
			return types.WrapErr(err)
		}
		return adapter{}.NativeToValue(v)
	}, rest...)
}

func (w *rewriter) site(op string, operands ...ast.Expr) *value.Site {
	s := &value.Site{Op: op}
	for _, e := range operands {
		s.Operands = append(s.Operands, w.text(e))
	}
	return s
}

func (w *rewriter) expr(e ast.Expr) ast.Expr {
	if e.Kind() == ast.LiteralKind {
		return e
	}
	if t := w.term(e); t != nil {
		return w.raw(e, func(e *evaluation, _ []ref.Val) ref.Val {
			v, err := t(e)
			if err != nil {
				return types.WrapErr(err)
			}
			return adapter{}.NativeToValue(v)
		})
	}
	if op, args := w.operation(e); op != nil {
		return w.apply(e, op, args)
	}
	switch e.Kind() {
	case ast.CallKind:
		return w.control(e)
	case ast.ListKind:
		elements := e.AsList().Elements()
		return w.made(e, len(elements), w.factory.NewList(w.id(), w.exprs(elements), nil))
	case ast.MapKind:
		return w.object(e)
	case ast.ComprehensionKind:
		return w.loop(e)
	}
	return e // variables of macros
}

func (w *rewriter) exprs(list []ast.Expr) []ast.Expr {
	out := make([]ast.Expr, len(list))
	for i, e := range list {
		out[i] = w.expr(e)
	}
	return out
}

// constant gives the value of a literal, or of a list of literals.
func constant(e ast.Expr) (any, bool) {
	if e.Kind() == ast.ListKind {
		out := make([]any, 0, e.AsList().Size())
		for _, element := range e.AsList().Elements() {
			v, ok := constant(element)
			if !ok || element.Kind() == ast.ListKind {
				return nil, false
			}
			out = append(out, v)
		}
		return out, true
	}
	if e.Kind() != ast.LiteralKind {
		return nil, false
	}
	switch v := e.AsLiteral().(type) {
	case types.String:
		return string(v), true
	case types.Int:
		return int64(v), true
	case types.Double:
		return float64(v), true
	case types.Bool:
		return bool(v), true
	case types.Null:
		return nil, true
	}
	return nil, false
}

func (w *rewriter) object(e ast.Expr) ast.Expr {
	var entries []ast.EntryExpr
	for _, entry := range e.AsMap().Entries() {
		m := entry.AsMapEntry()
		entries = append(entries, w.factory.NewMapEntry(entry.ID(), w.expr(m.Key()), w.expr(m.Value()), false))
	}
	return w.made(e, 2*len(entries), w.factory.NewMap(w.id(), entries))
}

// made makes a literal inside of a loop cost what it takes.
func (w *rewriter) made(e ast.Expr, elements int, literal ast.Expr) ast.Expr {
	if len(w.locals) == 0 {
		return literal
	}
	return w.raw(e, func(e *evaluation, args []ref.Val) ref.Val {
		if err := e.budget.List(elements); err != nil {
			return types.WrapErr(err)
		}
		return args[0]
	}, literal)
}

// loop rewrites what a macro has become. The library runs it.
func (w *rewriter) loop(e ast.Expr) ast.Expr {
	c := e.AsComprehension()
	s := w.site(w.macro(e), c.IterRange())
	over := w.raw(c.IterRange(), func(e *evaluation, args []ref.Val) ref.Val {
		switch v := args[0].(type) {
		case traits.Lister, traits.Mapper:
			return v
		}
		plain, err := e.plain(args[0])
		if err == nil {
			_, err = s.List(plain)
		}
		return types.WrapErr(err)
	}, w.expr(c.IterRange()))
	init := w.expr(c.AccuInit())
	if c.AccuInit().Kind() == ast.ListKind && c.AccuInit().AsList().Size() == 0 {
		init = c.AccuInit() // the library makes a list that grows in place of just this
	}
	leave := w.enter(e)
	defer leave()
	return w.factory.NewComprehensionTwoVar(e.ID(), over, c.IterVar(), c.IterVar2(), c.AccuVar(), init,
		w.expr(c.LoopCondition()), w.expr(c.LoopStep()), w.expr(c.Result()))
}

// boolean makes sure that an operand is true or false.
func (w *rewriter) boolean(op string, e ast.Expr) ast.Expr {
	if w.isBool(e) {
		return w.expr(e)
	}
	s := w.site(op, e)
	return w.raw(e, func(e *evaluation, args []ref.Val) ref.Val {
		if _, ok := args[0].(types.Bool); ok {
			return args[0]
		}
		plain, err := e.plain(args[0])
		if err == nil {
			_, err = s.Bool(0, plain)
		}
		return types.WrapErr(err)
	}, w.expr(e))
}

// isBool says whether the text shows that a node is true or false.
func (w *rewriter) isBool(e ast.Expr) bool {
	switch e.Kind() {
	case ast.LiteralKind:
		_, ok := e.AsLiteral().(types.Bool)
		return ok
	case ast.IdentKind:
		return w.isAccumulator(e)
	case ast.SelectKind:
		return e.AsSelect().IsTestOnly()
	case ast.CallKind:
		switch e.AsCall().FunctionName() {
		case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
			operators.In, operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.NotStrictlyFalse,
			"contains", "startsWith", "endsWith", "matches", "bool":
			return true
		}
	}
	return false
}

// isAccumulator says whether a node is the variable in which a macro gathers its result.
func (w *rewriter) isAccumulator(e ast.Expr) bool {
	return e.Kind() == ast.IdentKind && slices.Contains(w.accus, e.AsIdent())
}

// control rewrites a call that the library performs.
func (w *rewriter) control(e ast.Expr) ast.Expr {
	call := e.AsCall()
	name, args := call.FunctionName(), call.Args()
	switch name {
	case operators.LogicalAnd, operators.LogicalOr:
		sign, _ := operators.FindReverse(name)
		if w.isAccumulator(args[0]) {
			sign = w.macros[len(w.macros)-1]
		}
		return w.factory.NewCall(e.ID(), name, w.boolean(sign, args[0]), w.boolean(sign, args[1]))
	case operators.LogicalNot:
		return w.factory.NewCall(e.ID(), name, w.boolean("!", args[0]))
	case operators.Conditional:
		sign := "?:"
		if w.isAccumulator(args[2]) {
			sign = w.macros[len(w.macros)-1]
		}
		return w.factory.NewCall(e.ID(), name, w.boolean(sign, args[0]), w.expr(args[1]), w.expr(args[2]))
	case operators.Add: // a macro's, see operation
		return w.accumulate(e, args)
	}
	if call.IsMemberFunction() { // of times
		return w.factory.NewMemberCall(e.ID(), name, w.expr(call.Target()), w.exprs(args)...)
	}
	return w.factory.NewCall(e.ID(), name, w.exprs(args)...)
}

// accumulate leaves what a macro adds to its own result to the library; it grows in place.
func (w *rewriter) accumulate(e ast.Expr, args []ast.Expr) ast.Expr {
	added := args[1]
	if added.Kind() == ast.ListKind {
		added = w.factory.NewList(added.ID(), w.exprs(added.AsList().Elements()), nil)
	} else {
		added = w.expr(added)
	}
	return w.factory.NewCall(e.ID(), operators.Add, args[0], added)
}
