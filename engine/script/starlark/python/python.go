// Package python reads a subset of Python into the syntax tree of Starlark, which is Python's small sister: what both have is taken as it
// is, what can be said in Starlark is said in it (f-strings, `**`, `is None`, chained comparisons, annotations, generator expressions),
// and all else is a mistake at its place that names what to write instead.
//
// Names with a $ stand for operators that Starlark lacks; engine/script/starlark has them: $join, $format, $power and $percent.
//
// [Parse] keeps nothing and may be called by many goroutines at once.
package python

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"go.starlark.net/syntax"
)

// Error is a mistake in a text, between two of its bytes.
type Error struct {
	From, To int
	Message  string
	// Hint tells what to do; it may be "".
	Hint string
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// maxDepth bounds how deep expressions and blocks nest.
const maxDepth = 64

// Parse reads a text. The error is an *Error.
func Parse(name, text string) (file *syntax.File, err error) {
	p := &parser{text: text, name: name, starts: []int{0}, ascii: true, operators: levels()}
	for i := range len(text) {
		if p.ascii = p.ascii && text[i] < utf8.RuneSelf; text[i] == '\n' {
			p.starts = append(p.starts, i+1)
		}
	}
	defer func() {
		if r := recover(); r != nil {
			mistake, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			file, err = nil, mistake
		}
	}()
	p.lexer = newLexer(text, 0, len(text), p.fail)
	p.next()
	file = &syntax.File{Path: name}
	for p.tok.kind != end {
		file.Stmts = p.statement(file.Stmts)
	}
	return file, nil
}

// parser is a recursive descent over the tokens. A mistake ends it by a panic with an *Error, which Parse turns into its error.
type parser struct {
	text, name string
	lexer      *lexer
	tok        token
	behind     int // where the token before tok ends
	depth      int
	starts     []int // where lines begin
	ascii      bool  // there are no characters of several bytes
	operators  []level
}

func (p *parser) fail(from, to int, hint, format string, args ...any) {
	panic(&Error{From: from, To: to, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// unexpected complains about the present token.
func (p *parser) unexpected(hint string) {
	if sign := map[string]string{"&": "and", "|": "or"}[p.tok.text]; p.tok.kind == op && sign != "" {
		hint = "write `" + sign + "`"
		if from := p.tok.from; from > 0 && p.text[from-1] == p.text[from] { // the second of two, which other languages have
			p.tok.from--
		}
	}
	switch p.tok.kind {
	case end:
		p.fail(len(p.text), len(p.text), hint, "unexpected end of the code")
	case newline:
		p.fail(p.tok.from, p.tok.from, hint, "unexpected end of the line")
	case indent:
		p.fail(p.tok.from, p.tok.to, hint, "this line is indented further than the block that it stands in")
	case dedent:
		p.fail(p.tok.from, p.tok.to, hint, "a line that is indented was expected")
	case name, number, str, op:
		p.fail(p.tok.from, p.tok.to, hint, "unexpected `%s`", p.text[p.tok.from:p.tok.to])
	}
}

func (p *parser) next() {
	p.behind = p.tok.to
	p.tok = p.lexer.next()
}

// is says whether the present token is an operator or a word.
func (p *parser) is(text string) bool {
	return (p.tok.kind == op || p.tok.kind == name) && p.tok.text == text
}

// take steps over an operator or word, if it is there.
func (p *parser) take(text string) bool {
	if !p.is(text) {
		return false
	}
	p.next()
	return true
}

// want steps over an operator or word that must be there, and gives its place.
func (p *parser) want(text string) syntax.Position {
	at := p.pos(p.tok.from)
	if !p.take(text) {
		hint := "`" + text + "` belongs here"
		if text == ":" && p.is("=") {
			hint = "equality is written =="
		}
		p.unexpected(hint)
	}
	return at
}

// pos gives a byte as the tree names places: by line and character.
func (p *parser) pos(at int) syntax.Position {
	line, _ := slices.BinarySearch(p.starts, at+1)
	column := at - p.starts[line-1]
	if !p.ascii {
		column = utf8.RuneCountInString(p.text[p.starts[line-1]:at])
	}
	return syntax.MakePosition(&p.name, int32(line), int32(column+1)) //nolint:gosec // the text has 8 KiB at most
}

// enter counts how deep the tree is.
func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.tok.from, p.tok.from, "", "the code nests deeper than %d", maxDepth)
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) ident(name string, at int) *syntax.Ident {
	return &syntax.Ident{NamePos: p.pos(at), Name: name}
}

func (p *parser) textLiteral(s string, from, to int) *syntax.Literal {
	return &syntax.Literal{Token: syntax.STRING, TokenPos: p.pos(from), Raw: p.text[from:to], Value: s}
}

// call makes the call of a function; what goes wrong in it goes wrong at a place.
func (p *parser) call(function string, at, to int, args ...syntax.Expr) *syntax.CallExpr {
	return &syntax.CallExpr{Fn: p.ident(function, at), Lparen: p.pos(at), Args: args, Rparen: p.pos(max(at, to-1))}
}
