package python

import (
	"slices"

	"go.starlark.net/syntax"
)

// isKeyword says whether a name is a word of the language.
func isKeyword(name string) bool {
	return slices.Contains([]string{
		"and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else", "except", "finally", "for", "from",
		"global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
	}, name)
}

// exprList reads an expression, or several with commas, which are a tuple.
func (p *parser) exprList() syntax.Expr {
	x := p.expr()
	if !p.is(",") {
		return x
	}
	list := []syntax.Expr{x}
	for p.take(",") {
		if p.tok.kind == newline || p.tok.kind == end || p.is("=") || p.is(")") || p.is("]") || p.is(":") || p.is(";") {
			break
		}
		list = append(list, p.expr())
	}
	return &syntax.TupleExpr{List: list}
}

// targets reads the variables of a loop.
func (p *parser) targets() syntax.Expr {
	x := p.primary()
	if !p.is(",") {
		return x
	}
	list := []syntax.Expr{x}
	for p.take(",") && !p.is("in") {
		list = append(list, p.primary())
	}
	return &syntax.TupleExpr{List: list}
}

// expr reads an expression with all operators.
func (p *parser) expr() syntax.Expr {
	p.enter()
	defer p.leave()
	if p.is("lambda") {
		return p.lambda()
	}
	if p.is("*") {
		p.fail(p.tok.from, p.tok.to, "join lists with +", "`*` stands before arguments only")
	}
	x := p.binary(0)
	if !p.is("if") {
		return x
	}
	c := &syntax.CondExpr{If: p.pos(p.tok.from), True: x}
	p.next()
	c.Cond = p.binary(0)
	c.ElsePos = p.want("else")
	c.False = p.expr()
	return c
}

func (p *parser) lambda() syntax.Expr {
	l := &syntax.LambdaExpr{Lambda: p.pos(p.tok.from)}
	p.next()
	l.Params = p.params(":", false)
	p.want(":")
	l.Body = p.expr()
	return l
}

// level are the operators that bind alike, the loosest first.
type level map[string]syntax.Token

func levels() []level {
	return []level{
		{"or": syntax.OR},
		{"and": syntax.AND},
		{"not": syntax.NOT},
		{"<": syntax.LT, "<=": syntax.LE, ">": syntax.GT, ">=": syntax.GE, "==": syntax.EQL, "!=": syntax.NEQ, "in": syntax.IN, "not": syntax.NOT_IN, "is": syntax.EQL},
		{"|": syntax.PIPE},
		{"^": syntax.CIRCUMFLEX},
		{"&": syntax.AMP},
		{"<<": syntax.LTLT, ">>": syntax.GTGT},
		{"+": syntax.PLUS, "-": syntax.MINUS},
		{"*": syntax.STAR, "/": syntax.SLASH, "//": syntax.SLASHSLASH, "%": syntax.PERCENT},
	}
}

const (
	notLevel     = 2
	compareLevel = 3
)

func (p *parser) binary(n int) syntax.Expr {
	all := p.operators
	switch {
	case n == len(all):
		return p.unary()
	case n == notLevel:
		if !p.is("not") {
			return p.binary(n + 1)
		}
		p.enter()
		defer p.leave()
		at := p.pos(p.tok.from)
		p.next()
		return &syntax.UnaryExpr{OpPos: at, Op: syntax.NOT, X: p.binary(n)}
	case n == compareLevel:
		return p.comparison(all[n])
	}
	x := p.binary(n + 1)
	for p.tok.kind == op || p.tok.kind == name {
		token, ok := all[n][p.tok.text]
		if !ok {
			break
		}
		at := p.tok.from
		p.next()
		y := p.binary(n + 1)
		if token == syntax.PERCENT {
			x = p.call("$percent", at, at+1, x, y)
			continue
		}
		x = &syntax.BinaryExpr{X: x, OpPos: p.pos(at), Op: token, Y: y}
	}
	return x
}

// comparison reads a < b, and a < b < c, which is a < b and b < c.
func (p *parser) comparison(operators level) syntax.Expr {
	left := p.binary(compareLevel + 1)
	var all syntax.Expr
	for p.tok.kind == op || p.tok.kind == name {
		token, ok := operators[p.tok.text]
		if !ok {
			break
		}
		at := p.tok.from
		word := p.tok.text
		p.next()
		switch word {
		case "not":
			if !p.take("in") {
				p.unexpected("`not` between two values is written `not in`")
			}
		case "is":
			if p.take("not") {
				token = syntax.NEQ
			}
			if !p.is("None") && !p.is("True") && !p.is("False") {
				p.fail(at, at+len(word), "compare with ==", "`is` stands before None, True and False only")
			}
		}
		right := p.binary(compareLevel + 1)
		var c syntax.Expr = &syntax.BinaryExpr{X: left, OpPos: p.pos(at), Op: token, Y: right}
		if all != nil {
			c = &syntax.BinaryExpr{X: all, OpPos: p.pos(at), Op: syntax.AND, Y: c}
		}
		all, left = c, right
	}
	if all == nil {
		return left
	}
	return all
}

func (p *parser) unary() syntax.Expr {
	at := p.pos(p.tok.from)
	for _, u := range []struct {
		text  string
		token syntax.Token
	}{{"-", syntax.MINUS}, {"+", syntax.PLUS}, {"~", syntax.TILDE}} {
		if p.is(u.text) {
			p.enter()
			defer p.leave()
			p.next()
			return &syntax.UnaryExpr{OpPos: at, Op: u.token, X: p.unary()}
		}
	}
	x := p.primary()
	if !p.is("**") {
		return x
	}
	p.enter()
	defer p.leave()
	from := p.tok.from
	p.next()
	return p.call("$power", from, from+2, x, p.unary())
}

// primary reads a value and what is taken of it.
func (p *parser) primary() syntax.Expr {
	x := p.atom()
	for {
		at := p.pos(p.tok.from)
		switch {
		case p.take("."):
			id := p.nameHere("a name")
			x = &syntax.DotExpr{X: x, Dot: at, NamePos: id.NamePos, Name: id}
		case p.take("("):
			args := p.arguments()
			x = &syntax.CallExpr{Fn: x, Lparen: at, Args: args, Rparen: p.want(")")}
		case p.take("["):
			x = p.subscript(x, at)
		default:
			return x
		}
	}
}

func (p *parser) arguments() []syntax.Expr {
	var list []syntax.Expr
	for !p.is(")") {
		at := p.pos(p.tok.from)
		switch {
		case p.take("**"):
			list = append(list, &syntax.UnaryExpr{OpPos: at, Op: syntax.STARSTAR, X: p.expr()})
		case p.take("*"):
			list = append(list, &syntax.UnaryExpr{OpPos: at, Op: syntax.STAR, X: p.expr()})
		default:
			x := p.expr()
			eq := p.pos(p.tok.from)
			switch {
			case p.is(":="):
				p.fail(p.tok.from, p.tok.to, "assign on a line of its own", "`:=` is not known here")
			case p.is("for"):
				x = &syntax.Comprehension{Lbrack: at, Body: x, Clauses: p.clauses(), Rbrack: p.pos(p.tok.from)}
			case p.is("="):
				if _, ok := x.(*syntax.Ident); !ok {
					p.unexpected("the name of an argument stands before =; equality is written ==")
				}
				p.next()
				x = &syntax.BinaryExpr{X: x, OpPos: eq, Op: syntax.EQ, Y: p.expr()}
			}
			list = append(list, x)
		}
		if !p.take(",") {
			break
		}
	}
	return list
}

// subscript reads x[k] or x[a:b:c] behind its bracket.
func (p *parser) subscript(x syntax.Expr, at syntax.Position) syntax.Expr {
	var bounds [3]syntax.Expr
	colons := 0
	for !p.is("]") {
		if p.take(":") {
			if colons++; colons > 2 {
				p.unexpected("")
			}
			continue
		}
		if bounds[colons] != nil {
			break
		}
		bounds[colons] = p.exprList()
	}
	if colons == 0 && bounds[0] == nil {
		p.unexpected("an index belongs here")
	}
	end := p.want("]")
	if colons == 0 {
		return &syntax.IndexExpr{X: x, Lbrack: at, Y: bounds[0], Rbrack: end}
	}
	return &syntax.SliceExpr{X: x, Lbrack: at, Lo: bounds[0], Hi: bounds[1], Step: bounds[2], Rbrack: end}
}

func (p *parser) clauses() []syntax.Node {
	var list []syntax.Node
	for {
		at := p.pos(p.tok.from)
		switch {
		case p.take("for"):
			vars := p.targets()
			in := p.want("in")
			list = append(list, &syntax.ForClause{For: at, Vars: vars, In: in, X: p.binary(0)})
		case p.take("if"):
			list = append(list, &syntax.IfClause{If: at, Cond: p.binary(0)})
		default:
			return list
		}
	}
}

func (p *parser) atom() syntax.Expr {
	from, to := p.tok.from, p.tok.to
	switch p.tok.kind {
	case number:
		return p.number()
	case str:
		return p.strings()
	case name:
		if p.tok.text == "lambda" || p.tok.text == "not" {
			p.unexpected("it needs brackets here")
		}
		if p.tok.text == "await" || p.tok.text == "yield" {
			p.refuse()
		}
		if isKeyword(p.tok.text) {
			p.unexpected("")
		}
		id := p.ident(p.tok.text, from)
		p.next()
		return id
	case op:
		switch p.tok.text {
		case "(":
			return p.parens()
		case "[":
			return p.list()
		case "{":
			return p.braces()
		case "...":
			p.fail(from, to, "write `pass` where nothing is to be done", "`...` is no value here")
		case "=":
			p.unexpected("equality is written ==")
		}
	case end, newline, indent, dedent:
	}
	p.unexpected("")
	return nil
}

func (p *parser) parens() syntax.Expr {
	at := p.want("(")
	if p.is(")") {
		return &syntax.TupleExpr{Lparen: at, Rparen: p.want(")")}
	}
	x := p.expr()
	if p.is(":=") {
		p.fail(p.tok.from, p.tok.to, "assign on a line of its own", "`:=` is not known here")
	}
	if p.is("for") {
		return &syntax.Comprehension{Lbrack: at, Body: x, Clauses: p.clauses(), Rbrack: p.want(")")}
	}
	if !p.is(",") {
		return &syntax.ParenExpr{Lparen: at, X: x, Rparen: p.want(")")}
	}
	list := []syntax.Expr{x}
	for p.take(",") && !p.is(")") {
		list = append(list, p.expr())
	}
	return &syntax.TupleExpr{Lparen: at, List: list, Rparen: p.want(")")}
}

func (p *parser) list() syntax.Expr {
	at := p.want("[")
	var list []syntax.Expr
	for !p.is("]") {
		list = append(list, p.expr())
		if len(list) == 1 && p.is("for") {
			return &syntax.Comprehension{Lbrack: at, Body: list[0], Clauses: p.clauses(), Rbrack: p.want("]")}
		}
		if !p.take(",") {
			break
		}
	}
	return &syntax.ListExpr{Lbrack: at, List: list, Rbrack: p.want("]")}
}

// braces reads a map, which may take in others with **, or a set.
func (p *parser) braces() syntax.Expr {
	from := p.tok.from
	at := p.want("{")
	maps := []syntax.Expr{&syntax.DictExpr{Lbrace: at}}
	places := []syntax.Position{at}
	var set []syntax.Expr
	for first := true; !p.is("}"); first = false {
		here := p.pos(p.tok.from)
		if p.take("**") {
			maps, places = append(maps, p.binary(compareLevel+1), &syntax.DictExpr{Lbrace: here}), append(places, here, here)
		} else {
			inner := p.tok
			x := p.expr()
			colon := p.pos(p.tok.from)
			if len(set) > 0 && p.is(":") {
				p.unexpected("a map has the form {name: value}")
			}
			if !p.take(":") {
				if !first && len(set) == 0 {
					p.unexpected("a map has the form {name: value}")
				}
				if inner.kind == op && inner.text == "{" {
					p.fail(inner.from, inner.to, "", "a set cannot hold maps or sets")
				}
				set = append(set, x)
				if len(set) == 1 && p.is("for") {
					c := &syntax.Comprehension{Lbrack: at, Body: x, Clauses: p.clauses(), Rbrack: p.want("}")}
					return p.call("set", from, p.behind, c)
				}
			} else {
				entry := &syntax.DictEntry{Key: x, Colon: colon, Value: p.expr()}
				if first && p.is("for") {
					return &syntax.Comprehension{Curly: true, Lbrack: at, Body: entry, Clauses: p.clauses(), Rbrack: p.want("}")}
				}
				last := maps[len(maps)-1].(*syntax.DictExpr)
				last.List = append(last.List, entry)
			}
		}
		if !p.take(",") {
			break
		}
	}
	end := p.want("}")
	if len(set) > 0 {
		return p.call("set", from, p.behind, &syntax.ListExpr{Lbrack: at, List: set, Rbrack: end})
	}
	for _, m := range maps {
		if d, ok := m.(*syntax.DictExpr); ok {
			d.Rbrace = end
		}
	}
	x := maps[0]
	for i, m := range maps[1:] {
		x = &syntax.BinaryExpr{X: x, OpPos: places[i+1], Op: syntax.PIPE, Y: m}
	}
	return x
}
