package javascript

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"modernc.org/quickjs"

	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

type program struct {
	machines  *machines
	bytecode  []byte
	source    string
	marks     []insertion // what soften put into the source
	inputs    inputs
	guards    string // names of the engine's functions that the code may call, see prelude.js
	reads     []*language.Chain
	condition *value.Site // nil for a value
}

var _ language.Program = (*program)(nil)

const (
	// grace is how long an evaluation that the engine should have ended is waited for.
	grace = value.MaxTime - maxTime
	// maxStart bounds what comes before the code: a machine takes half a millisecond to make, and on a busy computer its turn. None of it
	// is steered by code or payload, so it does not count as the code's time.
	maxStart = 5 * time.Second
)

// Eval implements language.Program. The time that it waits for a free machine does not count.
//
// The engine looks at its clock between steps of code only. An evaluation that stays inside of one of its functions is left to itself: it
// fails in time, and its machine counts as stuck until the function is through.
func (p *program) Eval(ctx context.Context, env *language.Env) (language.Result, error) {
	result := language.Result{Reads: language.Values(p.reads, env)}
	if err := p.machines.enter(ctx); err != nil {
		return result, err
	}
	e := evaluation{program: p, env: env, started: make(chan struct{}), done: make(chan outcome, 1)}
	turn := p.machines.turn()
	go func() {
		defer turn.over()
		e.run(ctx)
	}()
	o, inTime := e.wait()
	if !inTime {
		turn.stuck()
	}
	result.Log = o.log
	if o.err != nil {
		return result, o.err
	}
	if p.condition != nil {
		if _, err := p.condition.Bool(0, o.value); err != nil {
			return result, err
		}
	}
	result.Value = o.value
	return result, nil
}

// evaluation is one run of a program, in a goroutine of its own.
type evaluation struct {
	*program
	env     *language.Env
	started chan struct{} // closed when the code begins
	done    chan outcome
}

// wait gives the outcome, or says that there was none in time.
func (e *evaluation) wait() (o outcome, inTime bool) {
	late := time.NewTimer(maxStart)
	defer late.Stop()
	started := e.started
	for {
		select {
		case o := <-e.done:
			return o, true
		case <-started:
			late.Reset(e.machines.limit + grace)
			started = nil
		case <-late.C:
			return outcome{err: slow()}, false
		}
	}
}

// outcome is what an evaluation came to.
type outcome struct {
	value any
	log   []string
	err   error
}

// run evaluates the code in a new machine, and hands the outcome over before the machine is taken apart.
func (e *evaluation) run(ctx context.Context) {
	in, mark, err := encode(e.inputs.values(e.env))
	if err != nil {
		e.done <- outcome{err: err}
		return
	}
	vm, err := newVM(maxStart)
	if err != nil {
		e.done <- outcome{err: value.Errorf(value.Expression, "%v", err)}
		return
	}
	defer discard(vm)
	stop := context.AfterFunc(ctx, vm.Interrupt)
	defer stop()

	host, err := vm.EvalBytecodeValue(e.machines.prelude)
	if err != nil {
		e.done <- outcome{err: e.failure(ctx, err)}
		return
	}
	defer host.Free()
	now := ""
	if e.inputs.now {
		now = e.env.Now.Format(time.RFC3339Nano)
	}
	if err = e.guard(vm, host); err == nil {
		// The code's time begins here, on the clock of the prelude, too.
		_, err = host.Call(quickjs.UndefinedValue, "enter", string(in), mark, float64(e.env.Now.UnixMilli()), now, float64(e.machines.limit.Milliseconds()))
	}
	if err == nil && ctx.Err() != nil {
		err = cancelled()
	}
	var o outcome
	if err == nil {
		close(e.started)
		o.value, err = e.evaluate(vm, host)
	}
	if err != nil {
		o.err = e.failure(ctx, err)
	}
	o.log = lines(vm, host)
	e.done <- o
}

// guard puts guards around the engine's functions that the code names, if it names any.
func (p *program) guard(vm *quickjs.VM, host quickjs.Value) error {
	if p.guards == "" {
		return nil
	}
	guards, err := vm.EvalBytecodeValue(p.machines.guards)
	if err != nil {
		return err
	}
	defer guards.Free()
	_, err = host.Call(quickjs.UndefinedValue, "guard", guards, p.guards)
	return err
}

// evaluate runs the code and takes its result out.
func (p *program) evaluate(vm *quickjs.VM, host quickjs.Value) (any, error) {
	deadline := time.Now().Add(p.machines.limit)
	if err := timeLeft(vm, deadline); err != nil {
		return nil, err
	}
	v, err := vm.EvalBytecodeValue(p.bytecode)
	if err != nil {
		return nil, err
	}
	defer v.Free()
	if err := timeLeft(vm, deadline); err != nil {
		return nil, err
	}
	out, err := host.Call(quickjs.UndefinedValue, "result", v)
	if err != nil {
		return nil, err
	}
	text, ok := out.(string)
	if !ok {
		return nil, value.Errorf(value.Expression, "the code's result has no JSON form")
	}
	if len(text) > value.MaxBytes {
		return nil, value.Errorf(value.TooLarge, "the code's result is larger than %d bytes", value.MaxBytes)
	}
	body := []byte(text)
	if err := payload.Check(body, payload.Limits{}); err != nil {
		return nil, value.Errorf(value.TooLarge, "the code's result nests too deep or holds too much (%v)", err)
	}
	plain, err := payload.Decode(body)
	if err != nil {
		return nil, value.Errorf(value.Expression, "the code's result has no JSON form")
	}
	return plain, nil
}

// lines gives what the code printed. It is asked for after failures, too, and then has a little time of its own.
func lines(vm *quickjs.VM, host quickjs.Value) []string {
	if vm.SetEvalTimeout(grace/2) != nil {
		return nil
	}
	out, err := host.Call(quickjs.UndefinedValue, "log")
	text, _ := out.(string)
	if err != nil || text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

// failure makes our error of the engine's.
func (p *program) failure(ctx context.Context, err error) error {
	var ours *value.Error
	if errors.As(err, &ours) {
		return ours
	}
	var e *quickjs.Error
	if !errors.As(err, &e) {
		return value.Errorf(value.Expression, "the code cannot be run (%v)", err)
	}
	if e.Name == "InternalError" {
		switch {
		case e.Message == "interrupted" && ctx.Err() != nil:
			return cancelled()
		case e.Message == "interrupted":
			return slow()
		case e.Message == "stack overflow":
			return value.Errorf(value.TooExpensive, "the code calls itself deeper than %d times%s", maxFrames, p.place(e.Stack))
		case e.Message == "out of memory" || strings.HasSuffix(e.Message, "too long") || strings.HasSuffix(e.Message, "too large"):
			return outOfMemory()
		}
	}
	if e.Error() == "null" {
		// This is how the engine says that there is no memory left even for an error; code may say it, too.
		return outOfMemory()
	}
	if e.Name == "RangeError" { // the prelude's
		switch {
		case strings.HasPrefix(e.Message, "the time of the code"):
			return slow()
		case strings.HasPrefix(e.Message, "a list is longer"), strings.HasPrefix(e.Message, "the texts are too long"), strings.HasPrefix(e.Message, "the text has too many"):
			return value.Errorf(value.TooLarge, "%s%s", e.Message, p.place(e.Stack))
		}
	}
	if e.Name == "RangeError" && (strings.Contains(e.Message, "length") || strings.Contains(e.Message, "BigInt") || strings.Contains(e.Message, "array buffer")) {
		return outOfMemory()
	}
	message := e.Message
	if e.Name != "" && e.Name != "Error" && e.Name != "TypeError" && message != "" {
		message = e.Name + ": " + message
	}
	if message == "" {
		message = "the code threw " + e.Error()
	}
	if e.Error() == "" {
		message = "the code threw what has no text"
	}
	return value.Errorf(value.Expression, "%s%s", cut(message), p.place(e.Stack))
}

func outOfMemory() *value.Error {
	return value.Errorf(value.TooLarge, "the code takes more than %d bytes of memory", maxMemory)
}

// cut keeps messages short, because code chooses them.
func cut(s string) string {
	const most = 140
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\n", " "), "\uFFFD")
	if len(s) <= most {
		return s
	}
	for most := most; ; most-- {
		if utf8.RuneStart(s[most]) {
			return s[:most] + "…"
		}
	}
}

// place gives where in the code an error was thrown.
func (p *program) place(stack string) string {
	for {
		_, rest, ok := strings.Cut(stack, "<eval>:")
		if !ok {
			return ""
		}
		var line, column int
		if _, err := fmt.Sscanf(rest, "%d:%d", &line, &column); err == nil && line > firstLine {
			line -= firstLine
			return fmt.Sprintf(" (line %d, column %d of the code)", line, max(column-p.inserted(line, column), 1))
		}
		stack = rest
	}
}

// inserted gives how many characters of a line stand before a column only because soften put them there.
func (p *program) inserted(line, column int) int {
	n := 0
	for _, m := range p.marks {
		before := p.source[:m.at]
		at := strings.Count(before, "\n") + 1
		if at == line && utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])+n < column {
			n++
		}
	}
	return n
}
