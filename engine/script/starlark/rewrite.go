package starlark

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
)

// rewriter makes the tree that is run of one whose names are resolved. It never changes the tree that it reads: comparisons of Python that
// are chained hold a node twice.
type rewriter struct {
	*compilation
	exact  bool                   // values are compared by our own means
	roots  map[*syntax.Ident]bool // the names that chains begin with
	links  []link
	inputs []input
	reads  language.Reads
	sites  map[where]site
}

func newRewriter(c *compilation, wrapped *syntax.File, exact bool) *rewriter {
	w := &rewriter{compilation: c, exact: exact, roots: map[*syntax.Ident]bool{}, sites: map[where]site{}}
	w.scan(wrapped)
	return w
}

func (w *rewriter) body(list []syntax.Stmt) []syntax.Stmt {
	if len(list) == 0 {
		return nil // where there is no `else`, which the library tells from an empty one
	}
	out := make([]syntax.Stmt, len(list))
	for i, s := range list {
		out[i] = w.statement(s)
	}
	return out
}

func (w *rewriter) statement(s syntax.Stmt) syntax.Stmt {
	switch s := s.(type) {
	case *syntax.AssignStmt:
		w.note(s.OpPos, site{op: s.Op.String(), operands: []string{w.text(s.LHS), w.text(s.RHS)}})
		return &syntax.AssignStmt{OpPos: s.OpPos, Op: s.Op, LHS: w.target(s.LHS), RHS: w.expr(s.RHS)}
	case *syntax.DefStmt:
		return &syntax.DefStmt{Def: s.Def, Name: fresh(s.Name), Lparen: s.Lparen, Params: w.params(s.Params), Rparen: s.Rparen, Body: w.body(s.Body)}
	case *syntax.ExprStmt:
		return &syntax.ExprStmt{X: w.expr(s.X)}
	case *syntax.IfStmt:
		return &syntax.IfStmt{If: s.If, Cond: w.expr(s.Cond), True: w.body(s.True), ElsePos: s.ElsePos, False: w.body(s.False)}
	case *syntax.ForStmt:
		w.note(s.For, site{op: "for", operands: []string{w.text(s.X)}})
		return &syntax.ForStmt{For: s.For, Vars: w.target(s.Vars), X: w.each(s.X), Body: w.body(s.Body)}
	case *syntax.WhileStmt:
		return &syntax.WhileStmt{While: s.While, Cond: w.expr(s.Cond), Body: w.body(s.Body)}
	case *syntax.ReturnStmt:
		if s.Result == nil {
			return s
		}
		return &syntax.ReturnStmt{Return: s.Return, Result: w.expr(s.Result)}
	}
	return s // pass, break, continue
}

func fresh(id *syntax.Ident) *syntax.Ident { return &syntax.Ident{NamePos: id.NamePos, Name: id.Name} }

// target rewrites what is assigned to: members of maps may be written with a point.
func (w *rewriter) target(x syntax.Expr) syntax.Expr {
	switch x := x.(type) {
	case *syntax.Ident:
		return fresh(x)
	case *syntax.ParenExpr:
		return &syntax.ParenExpr{Lparen: x.Lparen, X: w.target(x.X), Rparen: x.Rparen}
	case *syntax.TupleExpr:
		return &syntax.TupleExpr{Lparen: x.Lparen, List: w.targets(x.List), Rparen: x.Rparen}
	case *syntax.ListExpr:
		return &syntax.ListExpr{Lbrack: x.Lbrack, List: w.targets(x.List), Rbrack: x.Rbrack}
	case *syntax.IndexExpr:
		w.note(x.Lbrack, site{op: "[…] =", operands: []string{w.text(x.X), w.text(x.Y)}})
		return &syntax.IndexExpr{X: w.expr(x.X), Lbrack: x.Lbrack, Y: w.expr(x.Y), Rbrack: x.Rbrack}
	case *syntax.DotExpr:
		w.note(x.Dot, site{op: "[…] =", operands: []string{w.text(x.X), x.Name.Name}})
		name := &syntax.Literal{Token: syntax.STRING, TokenPos: x.NamePos, Raw: x.Name.Name, Value: x.Name.Name}
		return &syntax.IndexExpr{X: w.expr(x.X), Lbrack: x.Dot, Y: name, Rbrack: x.NamePos}
	}
	return x // the resolver has refused it
}

func (w *rewriter) targets(list []syntax.Expr) []syntax.Expr {
	out := make([]syntax.Expr, len(list))
	for i, x := range list {
		out[i] = w.target(x)
	}
	return out
}

// params rewrites the parameters of a function: their names stay, what they are without an argument is an expression.
func (w *rewriter) params(list []syntax.Expr) []syntax.Expr {
	out := make([]syntax.Expr, len(list))
	for i, x := range list {
		switch x := x.(type) {
		case *syntax.Ident:
			out[i] = fresh(x)
		case *syntax.BinaryExpr:
			out[i] = &syntax.BinaryExpr{X: fresh(x.X.(*syntax.Ident)), OpPos: x.OpPos, Op: x.Op, Y: w.expr(x.Y)}
		case *syntax.UnaryExpr:
			star := &syntax.UnaryExpr{OpPos: x.OpPos, Op: x.Op}
			if id, ok := x.X.(*syntax.Ident); ok {
				star.X = fresh(id)
			}
			out[i] = star
		}
	}
	return out
}

// each rewrites what a loop goes over.
func (w *rewriter) each(x syntax.Expr) syntax.Expr {
	if !w.python {
		return w.expr(x)
	}
	return w.call("$each", syntax.Start(x), w.expr(x))
}

func (w *rewriter) exprs(list []syntax.Expr) []syntax.Expr {
	out := make([]syntax.Expr, len(list))
	for i, x := range list {
		out[i] = w.expr(x)
	}
	return out
}

func (w *rewriter) maybe(x syntax.Expr, at syntax.Position) syntax.Expr {
	if x == nil {
		return &syntax.Ident{NamePos: at, Name: "None"}
	}
	return w.expr(x)
}

func (w *rewriter) expr(x syntax.Expr) syntax.Expr {
	if place := w.link(x); place != nil {
		return place
	}
	switch x := x.(type) {
	case *syntax.Ident:
		return fresh(x)
	case *syntax.ParenExpr:
		return &syntax.ParenExpr{Lparen: x.Lparen, X: w.expr(x.X), Rparen: x.Rparen}
	case *syntax.DotExpr:
		return w.dot(x)
	case *syntax.IndexExpr:
		w.note(x.Lbrack, site{op: "[…]", operands: []string{w.text(x.X), w.text(x.Y)}})
		return w.call("$at", x.Lbrack, w.expr(x.X), w.expr(x.Y))
	case *syntax.SliceExpr:
		w.note(x.Lbrack, site{op: "[…:…]", operands: []string{w.text(x.X)}})
		return w.call("$slice", x.Lbrack, w.expr(x.X), w.maybe(x.Lo, x.Lbrack), w.maybe(x.Hi, x.Lbrack), w.maybe(x.Step, x.Lbrack))
	case *syntax.CallExpr:
		return w.callExpr(x)
	case *syntax.BinaryExpr:
		return w.binary(x)
	case *syntax.UnaryExpr:
		w.note(x.OpPos, site{op: x.Op.String(), operands: []string{w.text(x.X)}})
		return &syntax.UnaryExpr{OpPos: x.OpPos, Op: x.Op, X: w.expr(x.X)}
	case *syntax.CondExpr:
		return &syntax.CondExpr{If: x.If, Cond: w.expr(x.Cond), True: w.expr(x.True), ElsePos: x.ElsePos, False: w.expr(x.False)}
	case *syntax.ListExpr:
		return &syntax.ListExpr{Lbrack: x.Lbrack, List: w.exprs(x.List), Rbrack: x.Rbrack}
	case *syntax.TupleExpr:
		return &syntax.TupleExpr{Lparen: x.Lparen, List: w.exprs(x.List), Rparen: x.Rparen}
	case *syntax.DictExpr:
		return &syntax.DictExpr{Lbrace: x.Lbrace, List: w.exprs(x.List), Rbrace: x.Rbrace}
	case *syntax.DictEntry:
		w.note(x.Colon, site{op: "{…}", operands: []string{w.text(x.Key)}})
		return &syntax.DictEntry{Key: w.expr(x.Key), Colon: x.Colon, Value: w.expr(x.Value)}
	case *syntax.Comprehension:
		return w.comprehension(x)
	case *syntax.LambdaExpr:
		return &syntax.LambdaExpr{Lambda: x.Lambda, Params: w.params(x.Params), Body: w.expr(x.Body)}
	}
	return x // literals
}

func (w *rewriter) comprehension(x *syntax.Comprehension) syntax.Expr {
	out := &syntax.Comprehension{Curly: x.Curly, Lbrack: x.Lbrack, Rbrack: x.Rbrack}
	for _, clause := range x.Clauses {
		switch clause := clause.(type) {
		case *syntax.ForClause:
			w.note(clause.For, site{op: "for", operands: []string{w.text(clause.X)}})
			out.Clauses = append(out.Clauses, &syntax.ForClause{For: clause.For, Vars: w.target(clause.Vars), In: clause.In, X: w.each(clause.X)})
		case *syntax.IfClause:
			out.Clauses = append(out.Clauses, &syntax.IfClause{If: clause.If, Cond: w.expr(clause.Cond)})
		}
	}
	out.Body = w.expr(x.Body)
	return out
}

// moduleOf gives the members of the module that an expression names, nil where it names none.
func (w *rewriter) moduleOf(x syntax.Expr) []string {
	id, ok := x.(*syntax.Ident)
	if !ok || w.roots[id] || !isFree(id) {
		return nil
	}
	return modules()[id.Name]
}

// dot rewrites x.name where it is not called.
func (w *rewriter) dot(x *syntax.DotExpr) syntax.Expr {
	if members := w.moduleOf(x.X); members != nil {
		w.checkMember(x, members)
		return &syntax.DotExpr{X: fresh(x.X.(*syntax.Ident)), Dot: x.Dot, NamePos: x.NamePos, Name: fresh(x.Name)}
	}
	name := &syntax.Literal{Token: syntax.STRING, TokenPos: x.NamePos, Raw: x.Name.Name, Value: x.Name.Name}
	return w.call("$at", x.Dot, w.expr(x.X), name)
}

func (w *rewriter) checkMember(x *syntax.DotExpr, members []string) {
	if slices.Contains(members, x.Name.Name) {
		return
	}
	hint := diag.DidYouMean(x.Name.Name, members)
	if hint == "" {
		hint = "it has " + strings.Join(members, ", ")
	}
	w.report.Word(diag.UnknownName, w.offset(x.Name.NamePos), hint, "`%s` has no %s", x.X.(*syntax.Ident).Name, x.Name.Name)
}

// call makes a call of one of the interpreter's own functions, whose mistakes are those of a place.
func (w *rewriter) call(function string, at syntax.Position, args ...syntax.Expr) syntax.Expr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: at, Name: function}, Lparen: at, Args: args, Rparen: at}
}

func textLiteral(s string, at syntax.Position) syntax.Expr {
	return &syntax.Literal{Token: syntax.STRING, TokenPos: at, Raw: `""`, Value: s}
}

func (w *rewriter) callExpr(x *syntax.CallExpr) syntax.Expr {
	args := make([]syntax.Expr, len(x.Args))
	operands := make([]string, len(x.Args))
	for i, arg := range x.Args {
		operands[i] = w.text(arg)
		switch arg := arg.(type) {
		case *syntax.BinaryExpr:
			if arg.Op == syntax.EQ {
				args[i] = &syntax.BinaryExpr{X: fresh(arg.X.(*syntax.Ident)), OpPos: arg.OpPos, Op: arg.Op, Y: w.expr(arg.Y)}
				continue
			}
		case *syntax.UnaryExpr:
			if arg.Op == syntax.STAR || arg.Op == syntax.STARSTAR {
				args[i] = &syntax.UnaryExpr{OpPos: arg.OpPos, Op: arg.Op, X: w.expr(arg.X)}
				continue
			}
		}
		args[i] = w.expr(arg)
	}
	out := &syntax.CallExpr{Lparen: x.Lparen, Args: args, Rparen: x.Rparen}
	switch fn := x.Fn.(type) {
	case *syntax.DotExpr:
		if members := w.moduleOf(fn.X); members == nil {
			return w.method(fn, x, out)
		}
		w.note(x.Lparen, site{op: w.text(fn), call: true, operands: operands})
		out.Fn = w.dot(fn)
	case *syntax.Ident:
		s := site{op: fn.Name, call: true, operands: operands}
		switch fn.Name {
		case "$power":
			s = site{op: "**", operands: operands}
		case "$percent":
			s = site{op: "%", operands: operands}
		}
		w.note(x.Lparen, s)
		out.Fn = w.expr(fn)
	default:
		w.note(x.Lparen, site{op: w.text(fn), call: true, operands: operands})
		out.Fn = w.expr(fn)
	}
	return out
}

// method rewrites x.name(…).
func (w *rewriter) method(fn *syntax.DotExpr, x, out *syntax.CallExpr) syntax.Expr {
	name := fn.Name.Name
	if !slices.Contains(methods(), name) {
		hint := methodHint(name)
		if hint == "" {
			hint = diag.DidYouMean(name, methods())
		}
		if hint == "" && slices.Contains(functions(), name) {
			hint = "write " + name + "(x), not x." + name + "()"
		}
		w.report.Word(diag.UnknownName, w.offset(fn.Name.NamePos), hint, "unknown method %s", name)
	}
	of := w.text(fn.X)
	w.note(fn.Dot, site{op: name, method: true, operands: []string{of}})
	w.note(x.Lparen, site{op: name, method: true, operands: []string{of}})
	switch name {
	case "get":
		return w.call("$get", x.Lparen, append([]syntax.Expr{w.getFrom(fn.X, x.Args)}, out.Args...)...)
	case "find", "index", "rfind", "rindex":
		return w.call("$find", x.Lparen, append([]syntax.Expr{textLiteral(name, x.Lparen), w.expr(fn.X)}, out.Args...)...)
	}
	out.Fn = &syntax.DotExpr{X: w.expr(fn.X), Dot: fn.Dot, NamePos: fn.NamePos, Name: fresh(fn.Name)}
	return out
}

// getFrom rewrites x of x.get("name"), which is recorded as what it is: a look at a member.
func (w *rewriter) getFrom(x syntax.Expr, args []syntax.Expr) syntax.Expr {
	c, root, keys, _ := w.chain(x)
	if c == nil || len(args) == 0 {
		return w.expr(x)
	}
	k, ok := key(args[0])
	if !ok || k.IsIndex {
		return w.expr(x)
	}
	member := c.Member(k)
	if len(keys) == 0 && language.IsName(root.Name) {
		member.Check(w.report, w.scope, w.offset(syntax.Start(args[0])))
	}
	w.reads.Add(member, w.offset(root.NamePos))
	return w.input(c, keys, syntax.Start(x))
}

func (w *rewriter) binary(x *syntax.BinaryExpr) syntax.Expr {
	w.note(x.OpPos, site{op: x.Op.String(), operands: []string{w.text(x.X), w.text(x.Y)}})
	switch x.Op {
	case syntax.IN:
		return w.call("$in", x.OpPos, w.expr(x.X), w.expr(x.Y))
	case syntax.NOT_IN:
		return &syntax.UnaryExpr{OpPos: x.OpPos, Op: syntax.NOT, X: w.call("$in", x.OpPos, w.expr(x.X), w.expr(x.Y))}
	case syntax.LT, syntax.LE, syntax.GT, syntax.GE, syntax.EQL, syntax.NEQ:
		w.compares = true
		if w.exact {
			return w.call("$compare", x.OpPos, textLiteral(x.Op.String(), x.OpPos), w.expr(x.X), w.expr(x.Y))
		}
	}
	return &syntax.BinaryExpr{X: w.expr(x.X), OpPos: x.OpPos, Op: x.Op, Y: w.expr(x.Y)}
}

// maxOperandText bounds the text of an operand in messages.
const maxOperandText = 60

// text gives an expression's own text for messages, "" where it is too long to help.
func (w *rewriter) text(x syntax.Expr) string {
	if x == nil {
		return ""
	}
	if c, _, _, _ := w.chain(x); c != nil && utf8.RuneCountInString(c.String()) <= maxOperandText {
		return c.String()
	}
	return w.compilation.text(x)
}

func (c *compilation) text(x syntax.Expr) string {
	if call, ok := x.(*syntax.CallExpr); ok {
		if id, ok := call.Fn.(*syntax.Ident); ok && strings.HasPrefix(id.Name, "$") {
			return "" // an operator or f-string of Python
		}
	}
	start, stop := x.Span()
	from, to := c.offset(start), c.offset(stop)
	switch x.(type) {
	case *syntax.IndexExpr, *syntax.SliceExpr, *syntax.TupleExpr:
		if to < len(c.src.Text) && strings.IndexByte(")]", c.src.Text[to]) >= 0 {
			to++ // the library places their end before the bracket
		}
	}
	if from >= to {
		return ""
	}
	text := c.src.Text[from:to]
	if utf8.RuneCountInString(text) > maxOperandText || strings.Contains(text, "\n") {
		return ""
	}
	return text
}
