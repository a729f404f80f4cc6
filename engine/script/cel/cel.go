// Package cel compiles expressions of the Common Expression Language (cel.dev).
//
// The library parses, checks types and runs the control flow: `&&`, `||`, `?:` and the macros `all`, `exists`, `map`, `filter` and
// their kin, under a cost limit. What touches a value is done by engine/script/value, as it is for the other languages: members,
// comparison, arithmetic, and all functions that could grow. So what is missing is null, whole numbers and fractions go together
// (`payload.n * 2` whatever the sender wrote), and numbers keep their digits. `has(x.y)` still tells whether y is there at all.
//
// Bytes, unsigned numbers, types as values and protocol buffers are left out: JSON has none of them.
//
// [Compile] is called by one goroutine; its Program by any number.
package cel

import (
	"context"
	"errors"
	"fmt"
	"strings"

	library "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// The limits of an evaluation beside those of engine/script/value.
const (
	// maxCost is about 100 ms of the library's own work on an ordinary machine.
	maxCost = 100_000
	// interruptEvery is how many rounds of a loop pass between two looks at the context.
	interruptEvery = 100
	// maxLoops bounds the macros of one expression: each can nest the type of the next, and the library's type check writes out
	// types again and again, which for a hundred of them takes seconds.
	maxLoops = 32
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
func Quotes() language.Quotes { return language.Quotes{Prefixed: true} }

type compilation struct {
	src    language.Source
	scope  language.Scope
	report *language.Report
	info   *ast.SourceInfo
}

func (c *compilation) compile(condition bool) (p *program, err error) {
	defer func() {
		if r := recover(); r != nil { // the library's parser and planner; ours is not expected to
			p, err = nil, fmt.Errorf("the expression cannot be compiled: %v", r)
		}
	}()
	env, err := language.Keep(c.scope.Shared, "cel", newEnvironment)
	if err != nil {
		return nil, fmt.Errorf("making the environment of CEL: %w", err)
	}
	parsed, issues := env.Parse(c.src.Text)
	if issues.Err() != nil {
		c.syntaxErrors(issues)
		return nil, nil
	}
	root := parsed.NativeRep().Expr()
	c.info = parsed.NativeRep().SourceInfo()
	w := newRewriter(c, root)
	if w.resolve(root); c.report.Failed() {
		return nil, nil
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		c.typeErrors(issues)
		return nil, nil
	}
	if t := checked.OutputType(); condition && t.Kind() != types.BoolKind && t.Kind() != types.DynKind {
		c.report.Errorf(diag.ExpressionType, 0, len(c.src.Text), "", "a condition must be true or false, this is of type %s", t)
		return nil, nil
	}
	p = &program{loops: w.loops > 0}
	if condition {
		p.condition = &value.Site{Operands: []string{w.text(root)}}
	}
	// From here on the tree is the program's; it is planned without another type check, because all calls in it are ours.
	if root.SetKindCase(w.expr(root)); c.report.Failed() {
		return nil, nil
	}
	p.operations, p.reads = w.operations, w.reads.Chains()
	var limits []library.ProgramOption
	if p.loops {
		// Without a loop nothing costs more than its nodes and what the budget allows; counting would double the time it takes.
		limits = append(limits, library.CostLimit(maxCost), library.InterruptCheckFrequency(interruptEvery))
	}
	p.code, err = env.Program(parsed, limits...)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// syntaxErrors reports the first thing that the parser stumbled over; what it says after that is mostly of its own making.
func (c *compilation) syntaxErrors(issues *library.Issues) {
	first := issues.Errors()[0]
	for _, e := range issues.Errors() {
		if e.Location.Line() < first.Location.Line() || e.Location.Line() == first.Location.Line() && e.Location.Column() < first.Location.Column() {
			first = e
		}
	}
	message := strings.TrimPrefix(first.Message, "Syntax error: ")
	for _, limit := range []string{"node limit", "expression node", "recursion", "lookahead limit"} {
		if strings.Contains(message, limit) {
			c.report.Errorf(diag.ExpressionTooLarge, 0, len(c.src.Text), "", "the expression has too many parts, or nests too deep (%s)", message)
			return
		}
	}
	if i := strings.Index(message, " expecting "); i > 0 {
		message = message[:i]
	}
	if text, ok := strings.CutPrefix(message, "token recognition error at: '"); ok {
		message = "unexpected `" + strings.TrimSpace(strings.TrimSuffix(text, "'")) + "`"
	}
	message = strings.NewReplacer("'<EOF>'", "end of the expression", "mismatched input", "unexpected", "extraneous input", "unexpected").Replace(message)
	if language.SyntaxTemplate(c.report, Quotes(), c.offset(first.Location.Line(), first.Location.Column())) {
		return
	}
	hint := ""
	switch message {
	case "unexpected `=`":
		hint = "equality is written =="
	case "unexpected 'and'":
		hint = "CEL writes &&"
	case "unexpected 'or'":
		hint = "CEL writes ||"
	case "unexpected 'not'":
		hint = "CEL writes !"
	}
	c.report.Word(diag.ExpressionSyntax, c.offset(first.Location.Line(), first.Location.Column()), hint, "%s", message)
}

func (c *compilation) typeErrors(issues *library.Issues) {
	for _, e := range issues.Errors() {
		message, _, _ := strings.Cut(e.Message, "\n")
		for _, op := range []string{"+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "&&", "||", "!", "[_]", "?_:"} {
			message = strings.ReplaceAll(message, "'_"+op+"_'", "`"+op+"`")
		}
		message = strings.NewReplacer("'-_'", "`-`", "'!_'", "`!`", "'@in'", "`in`", "'_[_]'", "`[]`").Replace(message)
		c.report.Word(diag.ExpressionType, c.offset(e.Location.Line(), e.Location.Column()), "", "%s", message)
	}
}

// offset gives the byte at a line (from 1) and a column in characters (from 0).
func (c *compilation) offset(line, column int) int {
	from := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(c.src.Text[from:], '\n')
		if i < 0 {
			break
		}
		from += i + 1
	}
	return from + c.src.Part(from, len(c.src.Text)).Byte(column)
}

type program struct {
	code       library.Program
	operations []operation
	reads      []*language.Chain
	condition  *value.Site // nil for a value
	loops      bool
}

var _ language.Program = (*program)(nil)

// Eval implements language.Program.
func (p *program) Eval(ctx context.Context, env *language.Env) (language.Result, error) {
	e := &evaluation{program: p, env: env, budget: value.NewBudget(ctx)}
	result := language.Result{Reads: language.Values(p.reads, env)}
	v, err := p.run(ctx, e)
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

func (p *program) run(ctx context.Context, e *evaluation) (any, error) {
	if err := e.budget.Err(); err != nil {
		return nil, err
	}
	var out ref.Val
	var err error
	if p.loops {
		// Only loops look at a context, and a context with a deadline costs more than a short expression.
		limited, cancel := context.WithTimeout(ctx, value.MaxTime)
		out, _, err = p.code.ContextEval(limited, e)
		cancel()
	} else {
		out, _, err = p.code.Eval(e)
	}
	if err != nil {
		return nil, e.failure(ctx, err)
	}
	return e.plain(out)
}

// failure makes our error of the library's.
func (e *evaluation) failure(ctx context.Context, err error) error {
	var ours *value.Error
	var limit interpreter.EvalCancelledError
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &limit):
		return value.Errorf(value.TooExpensive, "the expression costs more than %d", maxCost)
	case errors.Is(err, interpreter.InterruptError{}):
		if ctx.Err() != nil {
			return value.Errorf(value.Cancelled, "the evaluation was stopped")
		}
		return value.Errorf(value.TooExpensive, "the expression takes longer than %s", value.MaxTime)
	}
	return value.Errorf(value.Expression, "%s", err.Error())
}
