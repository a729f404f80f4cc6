// Package interpreter runs compiled Starlark programs on behalf of the host. It is what the WebAssembly guest is made of; that it also
// builds for the host serves its tests only, because nothing here bounds memory.
//
// A message goes in and a message comes out, as engine/script/starlark/guest/interpreter/wire has them. There is no state between two.
package interpreter

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/headgate/headgate/engine/script/starlark/guest/interpreter/wire"
)

// failure is an error that ends a program with a kind.
type failure struct{ kind, message string }

func (f *failure) Error() string { return f.message }

func messagef(parts ...string) error { return &failure{wire.KindMessage, strings.Join(parts, "")} }

// call is one program's run.
type call struct {
	wire.Request
	log  []string
	more bool // lines of the log were left out
}

// Run reads a request and its inputs, runs the program, and gives the answer: the log, and then an outcome.
func Run(message []byte) []byte {
	r := wire.NewReader(message)
	c := &call{Request: r.Request()}
	names := c.names()
	for range c.Inputs {
		name := r.Text()
		names[name] = readValue(r)
	}
	var w wire.Writer
	if r.Err() != nil {
		return c.answer(&w, nil, &failure{wire.KindBroken, r.Err().Error()})
	}
	program, err := starlark.CompiledProgram(bytes.NewReader(c.Program))
	if err != nil {
		return c.answer(&w, nil, &failure{wire.KindBroken, err.Error()})
	}
	thread := &starlark.Thread{Name: "code"}
	thread.SetMaxExecutionSteps(uint64(c.Steps))
	globals, err := program.Init(thread, names)
	return c.answer(&w, globals[wire.Result], err)
}

func (c *call) answer(w *wire.Writer, v starlark.Value, err error) []byte {
	if c.more {
		c.log = append(c.log, "more lines are left out")
	}
	w.Number(int64(len(c.log)))
	for _, line := range c.log {
		w.Text(line)
	}
	if err != nil {
		c.failed(w, err)
		return w.Bytes()
	}
	before := w.Len()
	w.Byte(byte(wire.Done))
	out := output{w: w, most: before + c.Bytes, depth: c.Depth}
	var f *failure
	switch err := out.value(v, 0); {
	case err == nil:
		return w.Bytes()
	case errors.Is(err, errLarge):
		return c.instead(w, func() { w.Byte(byte(wire.TooLarge)) })
	case errors.Is(err, errDeep):
		return c.instead(w, func() { w.Byte(byte(wire.TooDeep)) })
	case errors.As(err, &f):
		return c.instead(w, func() { c.failed(w, err) })
	}
	return w.Bytes()
}

// instead writes the log again and then something else than the value that was begun.
func (c *call) instead(w *wire.Writer, write func()) []byte {
	w.Reset()
	w.Number(int64(len(c.log)))
	for _, line := range c.log {
		w.Text(line)
	}
	write()
	return w.Bytes()
}

func (c *call) failed(w *wire.Writer, err error) {
	kind, message := wire.KindError, err.Error()
	var f *failure
	if errors.As(err, &f) {
		kind, message = f.kind, f.message
	} else if strings.Contains(message, "too many steps") {
		kind = wire.KindSteps
	}
	var line, column int32
	var e *starlark.EvalError
	if errors.As(err, &e) {
		for i := range e.CallStack {
			at := e.CallStack.At(i)
			if at.Pos.Line > 0 && at.Pos.Filename() != "<builtin>" {
				line, column = at.Pos.Line, at.Pos.Col
				break
			}
		}
	}
	w.Byte(byte(wire.Failed))
	w.Text(kind)
	w.Text(cut(message, 500)) // far more than the host shows of it
	w.Number(int64(line))
	w.Number(int64(column))
}

// print adds a line to the log.
func (c *call) print(line string) {
	if len(c.log) >= c.LogLines {
		c.more = true
		return
	}
	c.log = append(c.log, cut(line, c.LogBytes))
}

// cut shortens a text to so many bytes, whole characters only.
func cut(s string, most int) string {
	if len(s) > most {
		s = s[:most]
		for len(s) > 0 {
			if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
				break
			}
			s = s[:len(s)-1]
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
