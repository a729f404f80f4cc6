// Package javascript compiles and runs JavaScript (ES2023) in the QuickJS engine, translated to Go (modernc.org/quickjs).
//
// Every evaluation has a machine of its own, which is thrown away afterwards: 16 MiB of memory, 1024 frames of stack, 180 ms. It has no
// modules, files, network, timers, environment, chance or clock; `new Date()` is the run's frozen time. What code needs of the names in
// scope goes in as a copy, its result comes out as JSON.
//
// A member of what is not there is undefined, not an error: each member access is made optional before the code is compiled, unless it is
// given a value. Numbers that JavaScript would round keep their digits: whole ones are BigInts, the others objects that count as the
// nearest Number and are put out as they came in.
//
// [Compile] is called by one goroutine; its Program by any number.
package javascript

import (
	_ "embed" // the prelude
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"modernc.org/quickjs"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// The limits of one machine, beside those of engine/script/value.
const (
	maxMemory = 16 << 20
	// maxFrames counts calls. With many more, the engine's own stack, which is Go's, would grow by hundreds of megabytes.
	maxFrames = 1024
	// maxTime is when the engine ends code. What is left of value.MaxTime is for the code's log.
	maxTime = value.MaxTime - 20*time.Millisecond
)

//go:embed prelude.js
var prelude string

//go:embed guards.js
var guards string

// Compile makes a program of src: an expression, a list of statements whose last one gives the value, or statements with `return`. As a
// condition it must give true or false. What is wrong with it goes to out; the program is then nil.
func Compile(src language.Source, scope language.Scope, condition bool, out *diag.List) language.Program {
	c := &compilation{src: src, scope: scope, report: language.NewReport(src, out)}
	if !language.CheckSize(c.report) || !c.scan() {
		return nil
	}
	p, err := c.compile()
	if err != nil {
		c.report.Errorf(diag.ExpressionSyntax, 0, len(src.Text), "", "%v", err)
	}
	if c.report.Failed() {
		return nil
	}
	if condition {
		p.condition = &value.Site{Operands: []string{operandText(src.Text)}}
	}
	return p
}

// operandText gives short code for messages.
func operandText(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > 60 || strings.Contains(text, "\n") {
		return ""
	}
	return text
}

type compilation struct {
	src    language.Source
	scope  language.Scope
	report *language.Report
	code   code
}

// scan takes the code apart, and says whether it may be compiled.
func (c *compilation) scan() bool {
	tokens, tooDeep := scan(c.src.Text, language.MaxNesting)
	c.code = code{text: c.src.Text, tokens: tokens}
	switch {
	case tooDeep >= 0:
		c.report.Errorf(diag.ExpressionTooLarge, tooDeep, tooDeep+1, "", "the code nests deeper than %d brackets", language.MaxNesting)
		return false
	case len(tokens) == 0:
		c.report.Errorf(diag.ExpressionSyntax, 0, len(c.src.Text), "", "the code is empty")
		return false
	}
	for _, t := range tokens {
		if t.kind == text && t.text[0] != '`' {
			c.report.CheckText(c.scope, t.from, t.to)
		}
	}
	return true
}

func (c *compilation) compile() (*program, error) {
	isolated := c.scope.Isolated()
	machines, err := language.Machine(isolated, "javascript", func() (*machines, error) { return newMachines(isolated.Logger()) })
	if err != nil {
		return nil, fmt.Errorf("making the machine of JavaScript: %w", err)
	}
	vm, err := newVM(maxStart)
	if err != nil {
		return nil, err
	}
	defer discard(vm)
	w, bytecode := c.form(vm)
	if c.report.Failed() {
		return nil, nil
	}
	chains := c.code.chains()
	reads, roots := c.code.reads(c.scope, chains)
	for _, p := range roots {
		p.chain.Check(c.report, c.scope, p.first)
	}
	fixed := c.code.constants(c.scope)
	for _, name := range c.code.checkNames(c.report, c.scope) {
		fixed[name] = nil
	}
	p := &program{machines: machines, bytecode: bytecode, source: c.src.Text, reads: reads.Chains()}
	p.guards = c.code.guarded(chains)
	p.inputs = newInputs(roots, c.code.namesEverything(), fixed)
	if softer, marks := c.code.soften(chains); len(marks) > 0 {
		// Where a question mark cannot stand, as in the pattern of an assignment, the code stays as it is written.
		if b, err := vm.Compile(w.wrap(softer), quickjs.EvalGlobal); err == nil {
			p.bytecode, p.marks = b, marks
		}
	}
	return p, nil
}

// guarded gives the names by which the code may call the engine's own functions, so that guards.js guards those: all that stand behind a dot
// or in a text, "" where there are none. Where a member is worked out, it may be any: "*".
func (c *code) guarded(all []chain) string {
	for _, ch := range all {
		if slices.ContainsFunc(ch.accesses, func(a access) bool { return !a.static }) {
			return "*"
		}
	}
	var names []string
	for i, t := range c.tokens {
		name := t.text
		if t.kind == text && len(name) > 2 {
			name = name[1 : len(name)-1]
		}
		switch {
		case c.is(i, "[") && t.pair < 0:
			return "*"
		case (t.kind == word || t.kind == text) && isGuarded(name) && !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	// What makes a text of a list joins it, without a name.
	return strings.Join(append(names, "join"), " ")
}

// namesEverything says whether the code can reach the names in scope by another way than by naming them.
func (c *code) namesEverything() bool {
	for _, t := range c.tokens {
		if t.kind == word && (t.text == "globalThis" || t.text == "this") {
			return true
		}
	}
	return false
}

// form is how a text is made into a script. Each puts the text into lines of its own.
type form struct{ before, after string }

func forms() []form {
	return []form{
		{"\"use strict\";(", "\n)"},         // an expression
		{"\"use strict\";void 0;", "\n"},    // statements
		{"\"use strict\";(()=>{", "\n})()"}, // with return
	}
}

// firstLine is where the text begins in a form, in lines from 0. The engine calls all code by one name, so what is thrown in a line before
// this one is the prelude's.
const firstLine = 1000

func (f form) wrap(text string) string {
	return f.before + strings.Repeat("\n", firstLine) + text + f.after
}

// form finds the form in which the code compiles. Where there is none it reports what is wrong: of the three complaints the one that
// comes latest in the text, because that reader understood most.
func (c *compilation) form(vm *quickjs.VM) (form, []byte) {
	worst, message := -1, ""
	for _, f := range forms() {
		b, err := vm.Compile(f.wrap(c.src.Text), quickjs.EvalGlobal)
		if err == nil {
			return f, b
		}
		var e *quickjs.Error
		if !errors.As(err, &e) {
			c.report.Errorf(diag.ExpressionSyntax, 0, len(c.src.Text), "", "%v", err)
			return form{}, nil
		}
		if e.Name != "SyntaxError" || e.Message == "stack overflow" {
			c.report.Errorf(diag.ExpressionTooLarge, 0, len(c.src.Text), "", "the code cannot be compiled within its limits (%s)", e.Message)
			return form{}, nil
		}
		if at := offset(c.src.Text, e.LineNumber-firstLine, e.ColumnNumber); at > worst {
			worst, message = at, e.Message
		}
	}
	c.syntaxError(worst, message)
	return form{}, nil
}

func (c *compilation) syntaxError(at int, message string) {
	message = strings.Replace(message, "unexpected token in expression:", "unexpected", 1)
	hint := ""
	if at >= len(strings.TrimRight(c.src.Text, " \t\r\n")) {
		at, message = len(c.src.Text), "unexpected end of the code"
	}
	rest := c.src.Text[at:]
	switch {
	case strings.HasPrefix(rest, "{{"):
		hint = "the same names are in scope: write them without braces"
	case strings.HasPrefix(rest, ":"):
		hint = "an object as the last line is written ({…}), or return {…}"
	case strings.HasPrefix(rest, "and ") || strings.HasPrefix(rest, "or ") || strings.HasPrefix(rest, "not "):
		hint = "JavaScript writes &&, || and !"
	}
	c.report.Word(diag.ExpressionSyntax, at, hint, "%s", message)
}

// offset gives the byte at a line (from 1) and a column in characters (from 1).
func offset(text string, line, column int) int {
	from := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(text[from:], '\n')
		if i < 0 {
			return len(text)
		}
		from += i + 1
	}
	for i := range text[from:] {
		if column--; column <= 0 {
			return from + i
		}
	}
	return len(text)
}

// newVM makes a machine with its limits; what is first run in it may take a time.
func newVM(limit time.Duration) (*quickjs.VM, error) {
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, fmt.Errorf("making a machine of JavaScript: %w", err)
	}
	vm.SetMemoryLimit(maxMemory)
	vm.SetMaxStackSize(maxFrames)
	if err := vm.SetEvalTimeout(limit); err != nil {
		discard(vm)
		return nil, fmt.Errorf("bounding a machine of JavaScript: %w", err)
	}
	return vm, nil
}

// discard takes a machine apart. There is nothing to be done about a failure.
func discard(vm *quickjs.VM) { _ = vm.Close() }

// timeLeft bounds the next call into a machine.
func timeLeft(vm *quickjs.VM, deadline time.Time) error {
	left := time.Until(deadline)
	if left <= 0 {
		return slow()
	}
	if err := vm.SetEvalTimeout(left); err != nil {
		return value.Errorf(value.Expression, "the machine of JavaScript cannot be bounded")
	}
	return nil
}

func slow() *value.Error {
	return value.Errorf(value.TooExpensive, "the code takes longer than %s", maxTime)
}
