// Package expr compiles expressions of the expr language (expr-lang.org), the default language of conditions, values and templates.
//
// The library parses, checks types and runs the control flow: operators `and`, `or`, `??`, `?:`, `let`, and the loops `map`, `filter`,
// `any` and their kin. Everything that touches a value is done by engine/script/value instead: members, arithmetic, comparison and
// all functions, so that what is missing is null, numbers keep their digits, and nothing loops or grows without a budget. The
// library's own functions are switched off, its clock with them; `now` is a value.
//
// [Compile] is called by one goroutine; its Program by any number.
package expr

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// Compile makes a program of src, which as a condition must give true or false. What is wrong with it goes to out; the program is
// then nil.
func Compile(src language.Source, scope language.Scope, condition bool, out *diag.List) language.Program {
	c := &compilation{src: src, scope: scope, report: language.NewReport(src, out)}
	if !language.CheckLimits(c.report, scope, Quotes()) {
		return nil
	}
	program, err := c.compile(condition)
	if err != nil {
		// The library gave up in a way that it does not foresee. Its own words are the best there are.
		c.report.Errorf(diag.ExpressionSyntax, 0, len(src.Text), "", "%v", err)
	}
	if c.report.Failed() {
		return nil
	}
	return program
}

// Quotes tells how the language writes text.
func Quotes() language.Quotes { return language.Quotes{Raw: true, Block: true} }

type compilation struct {
	src    language.Source
	scope  language.Scope
	report *language.Report
}

func (c *compilation) compile(condition bool) (p *program, err error) {
	defer func() {
		if r := recover(); r != nil { // the library's parser and compiler; ours is not expected to
			p, err = nil, fmt.Errorf("the expression cannot be compiled: %v", r)
		}
	}()
	tree, err := parser.ParseWithConfig(c.src.Text, &conf.Config{MaxNodes: language.MaxNodes})
	if err != nil {
		return nil, c.syntaxError(err)
	}
	ast.Walk(&tree.Node, constants{c.scope})
	w := &rewriter{compilation: c, functions: conf.FunctionsTable{}}
	rewritten := w.node(tree.Node)
	if c.report.Failed() {
		return nil, nil
	}
	t, err := checker.Check(tree, w.types())
	if err != nil {
		return nil, c.typeError(err)
	}
	if condition && t.Kind() != reflect.Interface && t.Kind() != reflect.Bool {
		c.report.Errorf(diag.ExpressionType, 0, len(c.src.Text), conditionHint(tree.Node), "a condition must be true or false, this is %s", typeText(t))
		return nil, nil
	}
	code, err := compiler.Compile(&parser.Tree{Node: rewritten, Source: tree.Source}, &conf.Config{Functions: w.functions, ShortCircuit: true})
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n") // below stands the library's stack
		return nil, errors.New(first)
	}
	p = &program{code: code, reads: w.reads.Chains()}
	if condition {
		p.condition = &value.Site{Operands: []string{operandText(tree.Node)}}
	}
	return p, nil
}

// types is what the library's type checker is told: the names that are maps, the time, and that all else may be anything. Functions
// have their own names in the library, too, and are checked as it knows them.
func (w *rewriter) types() *conf.Config {
	env := types.Map{"payload": types.Any, "now": types.TypeOf(time.Time{})}
	for _, name := range language.Names() {
		if _, ok := env[name]; !ok {
			env[name] = types.TypeOf(map[string]any{})
		}
	}
	for _, name := range w.labels {
		env[name] = types.Any
	}
	config := &conf.Config{ShortCircuit: true}
	config.WithEnv(env)
	return config
}

// constants writes `null`, which is how people know it from JSON, as the language's nil, and the constants of a lenient scope.
type constants struct{ scope language.Scope }

// Visit implements the library's visitor.
func (c constants) Visit(n *ast.Node) {
	id, ok := (*n).(*ast.IdentifierNode)
	if !ok {
		return
	}
	v, ok := c.scope.Constant(id.Value)
	if yes, isBool := v.(bool); isBool {
		ast.Patch(n, &ast.BoolNode{Value: yes})
	} else if ok || id.Value == "null" {
		ast.Patch(n, &ast.NilNode{})
	}
}

// syntaxError reports what the parser says in words that people know.
func (c *compilation) syntaxError(err error) error {
	var e *file.Error
	if !errors.As(err, &e) {
		return err
	}
	if strings.Contains(e.Message, "exceeds maximum allowed nodes") {
		c.report.Errorf(diag.ExpressionTooLarge, 0, len(c.src.Text), "", "the expression has more than %d parts", language.MaxNodes)
		return nil
	}
	at := c.src.Byte(e.From)
	message, hint := e.Message, ""
	if language.SyntaxTemplate(c.report, Quotes(), at) {
		return nil
	}
	if message == "literal not terminated" {
		at, message = openQuote(c.src.Text, at), "a quote is opened here and never closed"
	}
	if token, ok := strings.CutPrefix(message, "unexpected token "); ok {
		if _, quoted, ok := strings.Cut(strings.TrimSuffix(token, ")"), "("); ok {
			if text, err := strconv.Unquote(quoted); err == nil {
				token = "`" + text + "`"
				hint = tokenHint(text)
			}
		}
		if message = "unexpected " + token; token == "EOF" {
			message = "unexpected end of the expression"
		}
	}
	c.report.Word(diag.ExpressionSyntax, at, hint, "%s", message)
	return nil
}

// openQuote gives the offset of the quote that is open at an offset.
func openQuote(text string, at int) int {
	for i := 0; i < len(text); {
		n := Quotes().Skip(text, i)
		if n > 0 && i+n > at {
			return i
		}
		i += max(n, 1)
	}
	return at
}

func tokenHint(token string) string {
	switch token {
	case "=":
		return "equality is written =="
	case "&":
		return "write && or `and`"
	}
	return ""
}

// typeError reports what the type checker says.
func (c *compilation) typeError(err error) error {
	var e *file.Error
	if !errors.As(err, &e) {
		return err
	}
	c.report.Word(diag.ExpressionType, c.src.Byte(e.From), "", "%s", strings.TrimSpace(e.Message))
	return nil
}

func conditionHint(n ast.Node) string {
	if _, ok := n.(*ast.StringNode); ok {
		return "a quoted text is only text; compare something with it"
	}
	return ""
}

func typeText(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "a map"
	}
	return "a " + t.String()
}

// maxElements bounds the elements of lists and maps that the library itself makes in one evaluation: literals and results of loops.
const maxElements = 200_000

type program struct {
	code      *vm.Program
	reads     []*language.Chain
	condition *value.Site // nil for a value
}

var _ language.Program = (*program)(nil)

// evaluation is what one run of a program works on; the code reaches it as $env.
type evaluation struct {
	env    *language.Env
	budget value.Budget
}

// Eval implements language.Program.
func (p *program) Eval(ctx context.Context, env *language.Env) (language.Result, error) {
	e := &evaluation{env: env, budget: value.NewBudget(ctx)}
	result := language.Result{Reads: language.Values(p.reads, env)}
	v, err := p.run(e)
	if err != nil {
		return result, err
	}
	if p.condition != nil {
		if _, err := p.condition.Bool(0, v); err != nil {
			return result, err
		}
	}
	if result.Value, err = e.budget.Output(v); err != nil {
		return result, err
	}
	return result, nil
}

func (p *program) run(e *evaluation) (any, error) {
	if err := e.budget.Err(); err != nil {
		return nil, err
	}
	machine := vm.VM{MemoryBudget: maxElements}
	v, err := machine.Run(p.code, e)
	if err == nil {
		return v, nil
	}
	var ours *value.Error
	if errors.As(err, &ours) {
		return nil, ours
	}
	var theirs *file.Error
	message := err.Error()
	if errors.As(err, &theirs) {
		message = theirs.Message
	}
	if strings.Contains(message, "memory budget exceeded") {
		return nil, value.Errorf(value.TooLarge, "the expression makes lists of more than %d elements", maxElements)
	}
	return nil, value.Errorf(value.Expression, "%s", message)
}
