// Package starlark compiles code in Starlark, and in a subset of Python, and runs it isolated from this process.
//
// The text is parsed here, at load, so that every mistake is a finding at its place; the subset of Python (package python below) becomes
// the same syntax tree. The tree is rewritten: names in scope become inputs, so that only what the text names is handed over, and where
// Starlark knows an error for something that is missing, null comes. What the library's compiler makes of the tree is run by the
// interpreter inside a WebAssembly guest (see machine.go and docs/decisions/0012-isolated-languages.md), which has 16 MiB of memory, no
// file, no environment, no clock and no chance. Nothing that a payload can steer runs outside of it.
//
// What code gives is, in this order: what it returns; the variable `result`, where it is assigned anywhere; the value of the last line,
// where that is an expression; the variable that the text assigns last; null. print goes to the log of the result.
//
// [Compile] and [CompilePython] are called by one goroutine; their programs by any number.
package starlark

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.starlark.net/resolve"
	library "go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/starlark/python"
)

// Compile makes a program of Starlark code, which as a condition must give True or False. What is wrong with it goes to out; the program
// is then nil. Nothing is started, unless the machines of the scope are made ahead.
func Compile(src language.Source, scope language.Scope, condition bool, out *diag.List) language.Program {
	return compile(src, scope, condition, false, out)
}

// CompilePython makes a program of code in the subset of Python that package python reads, as Compile does.
func CompilePython(src language.Source, scope language.Scope, condition bool, out *diag.List) language.Program {
	return compile(src, scope, condition, true, out)
}

func compile(src language.Source, scope language.Scope, condition, isPython bool, out *diag.List) language.Program {
	c := &compilation{src: src, scope: scope, condition: condition, python: isPython, report: language.NewReport(src, out)}
	if !c.checkLimits() {
		return nil
	}
	p, err := c.compile(false)
	if err == nil && p != nil && c.compares {
		// The same again for inputs whose digits no float64 holds; what there is to say has been said.
		var again diag.List
		exact := &compilation{src: src, scope: scope, condition: condition, python: isPython, report: language.NewReport(src, &again)}
		var q *program
		if q, err = exact.compile(true); q != nil {
			p.exact = q.code
		}
	}
	if err != nil {
		// The library gave up in a way that it does not foresee. Its own words are the best there are.
		c.report.Errorf(diag.ExpressionSyntax, 0, len(src.Text), "", "%v", err)
	}
	if c.report.Failed() || p == nil {
		return nil
	}
	prepare(p.machines)
	return p
}

// compilation is the making of one program.
type compilation struct {
	src               language.Source
	scope             language.Scope
	condition, python bool
	report            *language.Report
	starts            []int // where the text's lines begin
	ascii             bool  // the text has no characters of several bytes
	compares          bool  // the text orders values, or asks whether they are equal
}

// checkLimits holds the limits of language.CheckLimits, for a language whose comments begin with #.
func (c *compilation) checkLimits() bool {
	if !language.CheckSize(c.report) {
		return false
	}
	text, depth, empty := c.src.Text, 0, true
	for i := 0; i < len(text); {
		switch text[i] {
		case 0: // where the library's scanner takes the text to end
			c.report.Errorf(diag.ExpressionSyntax, i, i+1, "", "the code holds a character that is none")
			return false
		case '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
			continue
		case '"', '\'':
			i += language.Quotes{Prefixed: true}.Skip(text, i)
			empty = false
			continue
		case '(', '[', '{':
			if depth++; depth > language.MaxNesting {
				c.report.Errorf(diag.ExpressionTooLarge, i, i+1, "", "the code nests deeper than %d brackets", language.MaxNesting)
				return false
			}
		case ')', ']', '}':
			depth--
		}
		empty = empty && strings.IndexByte(" \t\r\n", text[i]) >= 0
		i++
	}
	if empty {
		c.report.Errorf(diag.ExpressionSyntax, 0, len(text), "", "the code is empty")
		return false
	}
	return true
}

// fileName stands in the places of the tree; nobody sees it.
const fileName = "code"

func (c *compilation) compile(exact bool) (p *program, err error) {
	defer func() {
		if r := recover(); r != nil { // the library's resolver and compiler; ours is not expected to
			p, err = nil, fmt.Errorf("the code cannot be compiled: %v", r)
		}
	}()
	options := &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true}
	file := c.parse(options)
	if file == nil || !c.checkStatements(file) {
		return nil, nil
	}
	if len(file.Stmts) == 0 { // there are blanks beside those that checkLimits knows
		c.report.Errorf(diag.ExpressionSyntax, 0, len(c.src.Text), "", "the code is empty")
		return nil, nil
	}
	b := c.body(file.Stmts)
	if c.report.Failed() {
		return nil, nil
	}
	wrapped := wrap(b.statements, options)
	if !c.resolve(wrapped) {
		return nil, nil
	}
	w := newRewriter(c, wrapped, exact)
	statements := w.body(b.statements)
	if c.report.Failed() {
		return nil, nil
	}
	statements = append(w.beginnings(b), statements...)
	w.fill()
	code, err := encode(wrap(statements, options))
	if err != nil {
		return nil, err
	}
	p = &program{machines: c.scope.Isolated(), code: code, inputs: w.inputs, reads: w.reads.Chains(), sites: w.sites, python: c.python}
	p.manyLines = strings.Contains(strings.TrimSpace(c.src.Text), "\n")
	if c.condition {
		p.condition = b.site(c)
	}
	return p, nil
}

// encode makes what the guest runs.
func encode(file *syntax.File) ([]byte, error) {
	made, err := library.FileProgram(file, anyName)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := made.Write(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// isConstant says whether a name is one of the three that no code may give another meaning.
func isConstant(name string) bool { return name == "None" || name == "True" || name == "False" }

func anyName(name string) bool { return !isConstant(name) }

// parse reads the text; nil says that it cannot be read.
func (c *compilation) parse(options *syntax.FileOptions) *syntax.File {
	c.starts, c.ascii = []int{0}, true
	for i := range len(c.src.Text) {
		c.ascii = c.ascii && c.src.Text[i] < utf8.RuneSelf
		if c.src.Text[i] == '\n' {
			c.starts = append(c.starts, i+1)
		}
	}
	if c.python {
		file, err := python.Parse(fileName, c.src.Text)
		var e *python.Error
		if errors.As(err, &e) {
			c.syntaxError(e.From, e.To, e.Message, e.Hint)
			return nil
		}
		file.Options = options
		return file
	}
	file, err := options.Parse(fileName, c.src.Text, 0)
	var e syntax.Error
	if errors.As(err, &e) {
		c.parseError(e)
		return nil
	}
	if err != nil {
		c.report.Errorf(diag.ExpressionSyntax, 0, len(c.src.Text), "", "%v", err)
		return nil
	}
	return file
}

// offset gives the byte that a place of the tree means.
func (c *compilation) offset(at syntax.Position) int {
	line := int(at.Line) - 1
	if line < 0 || line >= len(c.starts) {
		return len(c.src.Text)
	}
	i := c.starts[line]
	if c.ascii {
		return min(i+max(int(at.Col)-1, 0), len(c.src.Text))
	}
	for n := int(at.Col) - 1; n > 0 && i < len(c.src.Text); n-- {
		_, size := utf8.DecodeRuneInString(c.src.Text[i:])
		i += size
	}
	return i
}

// resolve finds out what each name means, and reports what the library finds wrong.
func (c *compilation) resolve(file *syntax.File) bool {
	err := resolve.File(file, anyName, isConstant)
	var list resolve.ErrorList
	if errors.As(err, &list) {
		for _, e := range list {
			c.report.Word(diag.ExpressionSyntax, c.offset(e.Pos), "", "%s", e.Msg)
		}
	}
	return err == nil
}

// mainName is the function that all code stands in, so that it may return.
const mainName = "$main"

func place(line, col int32) syntax.Position {
	file := fileName
	return syntax.MakePosition(&file, line, col)
}

// wrap makes a file that runs statements as a function and keeps what it returns.
func wrap(statements []syntax.Stmt, options *syntax.FileOptions) *syntax.File {
	at := place(1, 1)
	def := &syntax.DefStmt{Def: at, Name: &syntax.Ident{NamePos: at, Name: mainName}, Lparen: at, Rparen: at, Body: statements}
	call := &syntax.CallExpr{Fn: &syntax.Ident{NamePos: at, Name: mainName}, Lparen: at, Rparen: at}
	result := &syntax.AssignStmt{OpPos: at, Op: syntax.EQ, LHS: &syntax.Ident{NamePos: at, Name: resultName}, RHS: call}
	return &syntax.File{Path: fileName, Stmts: []syntax.Stmt{def, result}, Options: options}
}
