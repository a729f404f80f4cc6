package python

import (
	"strings"

	"go.starlark.net/syntax"
)

// statement reads one line, or a block with its head, and adds it to a list.
func (p *parser) statement(list []syntax.Stmt) []syntax.Stmt {
	p.enter()
	defer p.leave()
	if p.tok.kind == op && p.tok.text == "@" {
		p.fail(p.tok.from, p.tok.to, "", "decorators are not known here")
	}
	if p.tok.kind == name {
		switch p.tok.text {
		case "if":
			return append(list, p.ifStatement())
		case "for":
			return append(list, p.forStatement())
		case "while":
			return append(list, p.whileStatement())
		case "def":
			return append(list, p.defStatement())
		}
		p.refuse()
	}
	for {
		list = append(list, p.simple()...)
		if !p.take(";") {
			break
		}
		if p.tok.kind == newline || p.tok.kind == end {
			break
		}
	}
	if p.tok.kind != newline {
		p.unexpected(p.lineHint())
	}
	p.next()
	return list
}

// lineHint guesses what a line that goes on where it should end was meant to be.
func (p *parser) lineHint() string {
	if p.tok.kind == name && strings.HasSuffix(strings.TrimRight(p.text[:p.tok.from], " "), "print") || p.tok.kind == str && strings.HasSuffix(strings.TrimRight(p.text[:p.tok.from], " "), "print") {
		return "print takes brackets: print(…)"
	}
	if p.is("{") || p.is("}") {
		return "blocks are indented, they have no braces"
	}
	return ""
}

// refuse complains about statements of Python that are none here.
func (p *parser) refuse() {
	from, to := p.tok.from, p.tok.to
	word := p.tok.text
	switch word {
	case "import", "from":
		p.next()
		module := p.tok.text
		p.fail(from, to, importHint(module), "nothing can be imported here")
	case "class":
		p.fail(from, to, "maps and functions are enough for a node", "classes are not known here")
	case "try":
		p.fail(from, to, "ask before: x.get(\"name\", default), x == None, isinstance(x, str); or connect the node's [error]", "`try` is not known here")
	case "with":
		p.fail(from, to, "there is nothing here that must be closed", "`with` is not known here")
	case "raise":
		p.fail(from, to, `write fail("what is wrong"); the node then fails and its [error] is taken`, "`raise` is not known here")
	case "assert":
		p.fail(from, to, `write if not …: fail("what is wrong")`, "`assert` is not known here")
	case "global", "nonlocal":
		p.fail(from, to, "hand values to a function and return them", "`%s` is not known here", word)
	case "async", "await":
		p.fail(from, to, "requests are sent by hook nodes", "`%s` is not known here", word)
	case "yield":
		p.fail(from, to, "return a list", "`yield` is not known here")
	case "elif", "else":
		p.fail(from, to, "", "`%s` has no `if` above it that is indented as it is", word)
	case "except", "finally":
		p.fail(from, to, "", "`%s` is not known here", word)
	}
}

func importHint(module string) string {
	switch module {
	case "json", "math":
		return "`" + module + "` is there without: leave the line out"
	case "datetime", "time":
		return "`now` is the time of the run, as text"
	case "re":
		return "texts have startswith, find, split, replace; patterns are known to the languages expr and cel"
	case "os", "sys":
		return "code does not see the environment; settings of a pipeline are its `vars`"
	case "requests", "urllib", "http", "httpx", "aiohttp":
		return "requests are sent by hook nodes"
	case "random", "uuid", "secrets":
		return "there is no chance in code; run.id and event.id are ids"
	}
	return "what there is needs no import: json, math and the functions"
}

// block reads the lines behind a colon.
func (p *parser) block() []syntax.Stmt {
	if p.want(":"); p.tok.kind != newline {
		var list []syntax.Stmt
		for {
			list = append(list, p.simple()...)
			if !p.take(";") || p.tok.kind == newline {
				break
			}
		}
		if p.tok.kind != newline {
			p.unexpected("")
		}
		p.next()
		return list
	}
	p.next()
	if p.tok.kind != indent {
		p.fail(p.tok.from, p.tok.from, "", "a line that is indented belongs here")
	}
	p.next()
	var list []syntax.Stmt
	for p.tok.kind != dedent && p.tok.kind != end {
		list = p.statement(list)
	}
	p.next()
	return list
}

func (p *parser) ifStatement() syntax.Stmt {
	p.enter()
	defer p.leave()
	at := p.pos(p.tok.from)
	p.next()
	s := &syntax.IfStmt{If: at, Cond: p.expr()}
	s.True = p.block()
	s.ElsePos = p.pos(p.tok.from)
	switch {
	case p.is("elif"):
		s.False = []syntax.Stmt{p.ifStatement()}
	case p.take("else"):
		s.False = p.block()
	}
	return s
}

func (p *parser) forStatement() syntax.Stmt {
	s := &syntax.ForStmt{For: p.pos(p.tok.from)}
	p.next()
	s.Vars = p.targets()
	p.want("in")
	s.X = p.exprList()
	s.Body = p.block()
	p.noElse()
	return s
}

func (p *parser) whileStatement() syntax.Stmt {
	s := &syntax.WhileStmt{While: p.pos(p.tok.from)}
	p.next()
	s.Cond = p.expr()
	s.Body = p.block()
	p.noElse()
	return s
}

func (p *parser) noElse() {
	if p.is("else") {
		p.fail(p.tok.from, p.tok.to, "keep in a variable whether the loop was left", "`else` of a loop is not known here")
	}
}

func (p *parser) defStatement() syntax.Stmt {
	s := &syntax.DefStmt{Def: p.pos(p.tok.from)}
	p.next()
	s.Name = p.nameHere("the function's name")
	s.Lparen = p.want("(")
	s.Params = p.params(")", true)
	s.Rparen = p.want(")")
	if p.take("->") {
		p.expr()
	}
	s.Body = p.block()
	return s
}

func (p *parser) nameHere(what string) *syntax.Ident {
	if p.tok.kind != name || isKeyword(p.tok.text) {
		p.unexpected(what + " belongs here")
	}
	id := p.ident(p.tok.text, p.tok.from)
	p.next()
	return id
}

// params reads the parameters of a function up to a sign, with their annotations where they may have some.
func (p *parser) params(until string, annotated bool) []syntax.Expr {
	var list []syntax.Expr
	for !p.is(until) {
		at := p.pos(p.tok.from)
		switch {
		case p.take("/"): // those before it have no names outside, which nobody notices
		case p.take("**"):
			list = append(list, &syntax.UnaryExpr{OpPos: at, Op: syntax.STARSTAR, X: p.param(annotated)})
		case p.take("*"):
			star := &syntax.UnaryExpr{OpPos: at, Op: syntax.STAR}
			if !p.is(",") {
				star.X = p.param(annotated)
			}
			list = append(list, star)
		default:
			id := p.param(annotated)
			eq := p.pos(p.tok.from)
			if !p.take("=") {
				list = append(list, id)
				break
			}
			list = append(list, &syntax.BinaryExpr{X: id, OpPos: eq, Op: syntax.EQ, Y: p.expr()})
		}
		if !p.take(",") {
			break
		}
	}
	return list
}

func (p *parser) param(annotated bool) *syntax.Ident {
	id := p.nameHere("a parameter's name")
	if annotated && p.take(":") {
		p.expr()
	}
	return id
}

// simple reads a statement that takes one line.
func (p *parser) simple() []syntax.Stmt {
	at, from, to := p.pos(p.tok.from), p.tok.from, p.tok.to
	if p.tok.kind == name {
		p.refuse()
		switch p.tok.text {
		case "pass":
			p.next()
			return []syntax.Stmt{&syntax.BranchStmt{Token: syntax.PASS, TokenPos: at}}
		case "break":
			p.next()
			return []syntax.Stmt{&syntax.BranchStmt{Token: syntax.BREAK, TokenPos: at}}
		case "continue":
			p.next()
			return []syntax.Stmt{&syntax.BranchStmt{Token: syntax.CONTINUE, TokenPos: at}}
		case "return":
			p.next()
			s := &syntax.ReturnStmt{Return: at}
			if p.tok.kind != newline && p.tok.kind != end && !p.is(";") {
				s.Result = p.exprList()
			}
			return []syntax.Stmt{s}
		case "del":
			p.next()
			return p.deletion(from, to)
		}
	}
	return p.assignment()
}

// deletion is `del x[k]`, which is x.pop(k).
func (p *parser) deletion(from, to int) []syntax.Stmt {
	var out []syntax.Stmt
	for {
		x, ok := p.primary().(*syntax.IndexExpr)
		if !ok {
			p.fail(from, to, "give the variable another value", "`del` removes members only, such as x[\"name\"]")
		}
		method := &syntax.DotExpr{X: x.X, Dot: x.Lbrack, NamePos: x.Lbrack, Name: &syntax.Ident{NamePos: x.Lbrack, Name: "pop"}}
		out = append(out, &syntax.ExprStmt{X: &syntax.CallExpr{Fn: method, Lparen: x.Lbrack, Args: []syntax.Expr{x.Y}, Rparen: x.Rbrack}})
		if !p.take(",") {
			return out
		}
	}
}

// augmented gives the operator of `x += 1`.
func augmented(text string) (syntax.Token, bool) {
	switch text {
	case "+=":
		return syntax.PLUS_EQ, true
	case "-=":
		return syntax.MINUS_EQ, true
	case "*=":
		return syntax.STAR_EQ, true
	case "/=":
		return syntax.SLASH_EQ, true
	case "//=":
		return syntax.SLASHSLASH_EQ, true
	case "&=":
		return syntax.AMP_EQ, true
	case "|=":
		return syntax.PIPE_EQ, true
	case "^=":
		return syntax.CIRCUMFLEX_EQ, true
	case "<<=":
		return syntax.LTLT_EQ, true
	case ">>=":
		return syntax.GTGT_EQ, true
	}
	return 0, false
}

func (p *parser) assignment() []syntax.Stmt {
	from := p.tok.from
	x := p.exprList()
	at := p.tok.from
	if p.is(":") { // an annotation
		if _, ok := x.(*syntax.Ident); !ok {
			if _, ok := x.(*syntax.IndexExpr); !ok {
				p.unexpected("")
			}
		}
		p.next()
		p.expr()
		if !p.is("=") {
			return []syntax.Stmt{&syntax.BranchStmt{Token: syntax.PASS, TokenPos: p.pos(from)}}
		}
	}
	if p.is(":=") {
		p.fail(p.tok.from, p.tok.to, "assign on a line of its own", "`:=` is not known here")
	}
	if p.tok.kind == op {
		if token, ok := augmented(p.tok.text); ok {
			p.next()
			return []syntax.Stmt{&syntax.AssignStmt{OpPos: p.pos(at), Op: token, LHS: x, RHS: p.exprList()}}
		}
		if function := map[string]string{"**=": "$power", "%=": "$percent"}[p.tok.text]; function != "" {
			p.next()
			y := p.exprList()
			return []syntax.Stmt{&syntax.AssignStmt{OpPos: p.pos(at), Op: syntax.EQ, LHS: x, RHS: p.call(function, at, at+1, x, y)}}
		}
	}
	if !p.is("=") {
		return []syntax.Stmt{&syntax.ExprStmt{X: x}}
	}
	places, targets := []int{}, []syntax.Expr{}
	for p.is("=") {
		places, targets = append(places, p.tok.from), append(targets, x)
		p.next()
		x = p.exprList()
	}
	// x = y = v is y = v; x = y.
	var out []syntax.Stmt
	for i := len(targets) - 1; i >= 0; i-- {
		out = append(out, &syntax.AssignStmt{OpPos: p.pos(places[i]), Op: syntax.EQ, LHS: targets[i], RHS: x})
		x = targets[i]
	}
	return out
}

// ReservedHint gives what to write instead of a word that Starlark reserves, "" for any other. The text that follows the word may tell
// more.
func ReservedHint(word, behind string) string {
	switch word {
	case "import", "from":
		module := strings.TrimLeft(behind, " \t")
		n := strings.IndexFunc(module, func(r rune) bool { return r < 'a' || r > 'z' })
		if n < 0 {
			n = len(module)
		}
		return importHint(module[:n])
	case "class":
		return "maps and functions are enough for a node"
	case "try", "except", "finally":
		return `ask before: x.get("name", default), x == None, type(x) == "string"; or connect the node's [error]`
	case "with":
		return "there is nothing here that must be closed"
	case "raise", "assert":
		return `write fail("what is wrong"); the node then fails and its [error] is taken`
	case "global", "nonlocal":
		return "hand values to a function and return them"
	case "async", "await":
		return "requests are sent by hook nodes"
	case "yield":
		return "return a list"
	case "is":
		return "compare with =="
	case "del":
		return `write x.pop("name")`
	}
	return ""
}
