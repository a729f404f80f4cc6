package starlark

import (
	"slices"

	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/starlark/guest/interpreter/wire"
	"github.com/headgate/headgate/engine/script/value"
)

// resultName is where the guest finds what the code gave.
const resultName = wire.Result

// body is the code's text as the body of a function that returns its value.
type body struct {
	statements []syntax.Stmt
	assigned   []string    // the variables that the text assigns, in order
	bound      []string    // these, and all others that it gives a meaning outside of functions and comprehensions
	value      syntax.Expr // what the last line gives; nil where there is no such thing
	returned   string      // the variable whose value it is, "" where it is none
}

// maxMembers bounds how many members are taken of members.
const maxMembers = 100

// members counts the members and calls that an expression takes one of another, and enters all of them as seen.
func members(x syntax.Node, seen map[syntax.Node]bool) int {
	for n := 0; ; n++ {
		seen[x] = true
		switch y := x.(type) {
		case *syntax.DotExpr:
			x = y.X
		case *syntax.IndexExpr:
			x = y.X
		case *syntax.SliceExpr:
			x = y.X
		case *syntax.CallExpr:
			x = y.Fn
		default:
			return n
		}
	}
}

// checkStatements reports what Starlark has and nodes have not, and templates in texts.
func (c *compilation) checkStatements(file *syntax.File) bool {
	seen := map[syntax.Node]bool{}
	for _, s := range file.Stmts {
		syntax.Walk(s, func(n syntax.Node) bool {
			if n != nil && !seen[n] && members(n, seen) > maxMembers {
				c.report.Errorf(diag.ExpressionTooLarge, c.offset(syntax.Start(n)), c.offset(syntax.Start(n)), "", "members are taken of members more than %d deep", maxMembers)
				return false
			}
			switch n := n.(type) {
			case *syntax.LoadStmt:
				c.report.Word(diag.ExpressionSyntax, c.offset(n.Load), "what there is needs no load: json, math and the functions", "nothing can be loaded here")
			case *syntax.Literal:
				from := c.offset(n.TokenPos)
				if to := from + len(n.Raw); n.Token == syntax.STRING && to <= len(c.src.Text) {
					c.report.CheckText(c.scope, from, to)
				}
				if n.Token == syntax.BYTES {
					c.report.Word(diag.ExpressionType, from, "leave out the b", "bytes are no value here; write text")
				}
			}
			return true
		})
	}
	return !c.report.Failed()
}

// body finds out what the text's value is (see the package's comment).
func (c *compilation) body(statements []syntax.Stmt) body {
	b := body{statements: statements}
	returns := false
	var mainDef *syntax.DefStmt
	eachStatement(statements, func(s syntax.Stmt) {
		switch s := s.(type) {
		case *syntax.AssignStmt:
			b.assign(s.LHS)
			b.bind(s.LHS)
		case *syntax.ForStmt:
			b.bind(s.Vars)
		case *syntax.ReturnStmt:
			returns = true
		case *syntax.DefStmt:
			b.bind(s.Name)
			if s.Name.Name == "main" {
				mainDef = s
			}
		}
	})
	last := statements[len(statements)-1]
	expr, isExpr := last.(*syntax.ExprStmt)
	switch {
	case slices.Contains(b.assigned, "result"):
		b.returned = "result"
	case isExpr && hasValue(expr.X):
		b.value = expr.X
		b.statements = slices.Concat(statements[:len(statements)-1], []syntax.Stmt{&syntax.ReturnStmt{Return: syntax.Start(expr), Result: expr.X}})
		c.checkCondition(expr.X)
		return b
	case returns:
		return b
	case len(b.assigned) > 0:
		b.returned = b.assigned[len(b.assigned)-1]
	case c.python && mainDef != nil:
		b.value = callOf(mainDef)
	default:
		if c.condition {
			c.report.Errorf(diag.ExpressionType, 0, len(c.src.Text), "the last line gives the value, or `return`, or the variable `result`", "a condition must be true or false, this gives nothing")
		}
		return b
	}
	if b.value == nil {
		b.value = &syntax.Ident{NamePos: syntax.End(last), Name: b.returned}
	}
	b.statements = append(slices.Clip(statements), &syntax.ReturnStmt{Return: syntax.End(last), Result: b.value})
	return b
}

// assign enters what an assignment's left side assigns.
func (b *body) assign(x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.Ident:
		b.assigned = append(slices.DeleteFunc(b.assigned, func(name string) bool { return name == x.Name }), x.Name)
	case *syntax.ParenExpr:
		b.assign(x.X)
	case *syntax.IndexExpr:
		b.touch(x.X)
	case *syntax.DotExpr:
		b.touch(x.X)
	}
}

// bind enters the names that a target gives a meaning.
func (b *body) bind(x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.Ident:
		if !slices.Contains(b.bound, x.Name) {
			b.bound = append(b.bound, x.Name)
		}
	case *syntax.ParenExpr:
		b.bind(x.X)
	case *syntax.TupleExpr:
		for _, x := range x.List {
			b.bind(x)
		}
	case *syntax.ListExpr:
		for _, x := range x.List {
			b.bind(x)
		}
	}
}

// touch moves a variable whose member is assigned behind those that were assigned before.
func (b *body) touch(x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.Ident:
		if slices.Contains(b.assigned, x.Name) {
			b.assign(x)
		}
	case *syntax.IndexExpr:
		b.touch(x.X)
	case *syntax.DotExpr:
		b.touch(x.X)
	case *syntax.ParenExpr:
		b.touch(x.X)
	}
}

// eachStatement visits statements and those in their blocks, but not those of functions.
func eachStatement(list []syntax.Stmt, visit func(syntax.Stmt)) {
	for _, s := range list {
		visit(s)
		switch s := s.(type) {
		case *syntax.IfStmt:
			eachStatement(s.True, visit)
			eachStatement(s.False, visit)
		case *syntax.ForStmt:
			eachStatement(s.Body, visit)
		case *syntax.WhileStmt:
			eachStatement(s.Body, visit)
		}
	}
}

// hasValue says whether a line that is an expression is there for its value: calls that only do something are not.
func hasValue(x syntax.Expr) bool {
	call, ok := x.(*syntax.CallExpr)
	if !ok {
		return true
	}
	switch fn := call.Fn.(type) {
	case *syntax.Ident:
		return fn.Name != "print" && fn.Name != "fail"
	case *syntax.DotExpr:
		return !slices.Contains([]string{"append", "extend", "insert", "update", "clear", "remove", "add", "discard"}, fn.Name.Name)
	}
	return true
}

// callOf calls a function with values of its parameters' names.
func callOf(def *syntax.DefStmt) *syntax.CallExpr {
	at := def.Name.NamePos
	call := &syntax.CallExpr{Fn: &syntax.Ident{NamePos: at, Name: def.Name.Name}, Lparen: def.Lparen, Rparen: def.Rparen}
	for _, param := range def.Params {
		if id, ok := param.(*syntax.Ident); ok {
			call.Args = append(call.Args, &syntax.Ident{NamePos: id.NamePos, Name: id.Name})
		}
	}
	return call
}

// checkCondition reports a condition that can only be something else than true or false.
func (c *compilation) checkCondition(x syntax.Expr) {
	if !c.condition {
		return
	}
	what, hint := "", ""
	switch x := x.(type) {
	case *syntax.Literal:
		if what = "a number"; x.Token == syntax.STRING {
			what, hint = "a string", "a quoted text is only text; compare something with it"
		}
	case *syntax.ListExpr:
		what = "a list"
	case *syntax.TupleExpr:
		what = "a tuple"
	case *syntax.DictExpr:
		what = "a map"
	case *syntax.Comprehension:
		if what = "a list"; x.Curly {
			what = "a map"
		}
	case *syntax.Ident:
		if x.Name == "None" {
			what = "null"
		}
	}
	if what != "" {
		from, to := x.Span()
		c.report.Errorf(diag.ExpressionType, c.offset(from), c.offset(to), hint, "a condition must be true or false, this is %s", what)
	}
}

// site tells how messages call a condition's value.
func (b body) site(c *compilation) *value.Site {
	switch {
	case b.returned != "":
		return &value.Site{Operands: []string{b.returned}}
	case b.value != nil:
		return &value.Site{Operands: []string{c.text(b.value)}}
	}
	return &value.Site{}
}

// beginnings gives what stands before the text: variables that the text reads before it assigns them have the value of the name in scope,
// as they do in Python at the outermost level; the variable that is returned is null where no line assigned it.
func (w *rewriter) beginnings(b body) []syntax.Stmt {
	var out []syntax.Stmt
	at := place(1, 1)
	assign := func(name string, v syntax.Expr) {
		out = append(out, &syntax.AssignStmt{OpPos: at, Op: syntax.EQ, LHS: &syntax.Ident{NamePos: at, Name: name}, RHS: v})
	}
	for _, name := range b.bound {
		if !language.IsName(name) && !w.scope.IsLabel(name) {
			if name == b.returned {
				assign(name, &syntax.Ident{NamePos: at, Name: "None"})
			}
			continue
		}
		if assignedFirst(b.statements, name) {
			continue
		}
		chain := language.NewChain(name)
		w.reads.Add(chain, firstMention(b.statements, name, w.compilation))
		assign(name, w.input(chain, nil, at))
	}
	return out
}

// firstMention gives where a name is first met.
func firstMention(statements []syntax.Stmt, name string, c *compilation) int {
	at := len(c.src.Text)
	for _, s := range statements {
		syntax.Walk(s, func(n syntax.Node) bool {
			if id, ok := n.(*syntax.Ident); ok && id.Name == name {
				at = min(at, c.offset(id.NamePos))
			}
			return true
		})
	}
	return at
}

// assignedFirst says whether the first line that names a variable gives it a value, without asking for the one before.
func assignedFirst(statements []syntax.Stmt, name string) bool {
	for _, s := range statements {
		if !mentions(s, name) {
			continue
		}
		assign, ok := s.(*syntax.AssignStmt)
		if !ok || assign.Op != syntax.EQ || mentions(assign.RHS, name) {
			return false
		}
		id, ok := assign.LHS.(*syntax.Ident)
		return ok && id.Name == name
	}
	return false
}

func mentions(n syntax.Node, name string) bool {
	found := false
	syntax.Walk(n, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok && id.Name == name {
			found = true
		}
		return !found
	})
	return found
}
