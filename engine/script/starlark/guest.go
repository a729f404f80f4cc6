package starlark

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/headgate/headgate/engine/script/value"
)

// guest is one instance. It belongs to one call at a time.
type guest struct {
	module  api.Module
	program api.Function
	count   api.MutableGlobal // of rounds until the guest looks up
	in      bytes.Reader
	out     limited
	err     limited
	ticks   int64
	// The bounds of the program that runs; without a context there are none.
	ctx      context.Context //nolint:containedctx // a callback's only way to it; it is the context of the call that goes on
	deadline time.Time
	periods  int
}

// errTooLong ends a guest whose program takes longer than it may.
var errTooLong = errors.New("the program takes too long")

// lookUp is called by the guest every period rounds of its loops. A panic is how it is ended.
func (g *guest) lookUp() {
	if g.ctx != nil {
		if g.periods++; g.periods > maxPeriods || g.ctx.Err() != nil || time.Now().After(g.deadline) {
			panic(errTooLong)
		}
	}
	g.count.Set(period)
}

// call runs a function of the guest without bounds.
func (g *guest) call(ctx context.Context, function string) error {
	g.count.Set(period)
	_, err := g.module.ExportedFunction(function).Call(ctx)
	return err
}

// run runs the program of a message.
func (g *guest) run(ctx context.Context, message []byte) error {
	g.in.Reset(message)
	g.out.buf, g.err.buf = g.out.buf[:0], g.err.buf[:0]
	g.ctx, g.deadline, g.periods = ctx, time.Now().Add(value.MaxTime), 0
	g.count.Set(period)
	_, err := g.program.Call(ctx)
	g.ctx = nil
	return err
}

// limited keeps the first bytes that are written to it.
type limited struct {
	buf  []byte
	most int
}

func (l *limited) Write(p []byte) (int, error) {
	l.buf = append(l.buf, p[:min(len(p), l.most-len(l.buf))]...)
	return len(p), nil
}

// zeros is what the guest has for chance.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// state is all that a guest is: what its memory and its globals hold after it was made ready.
type state struct {
	memory  []byte
	globals []uint64
}

// ended tells why a guest did not come back.
func (g *guest) ended(ctx context.Context, err error) error {
	switch words := string(g.err.buf); {
	case ctx.Err() != nil:
		return cancelled(ctx)
	case errors.Is(err, errTooLong) && g.periods > maxPeriods:
		return value.Errorf(value.TooExpensive, "the code takes too many steps")
	case errors.Is(err, errTooLong):
		return value.Errorf(value.TooExpensive, "the code takes longer than %s", value.MaxTime)
	case strings.Contains(words, "out of memory") || strings.Contains(words, "makeslice") || strings.Contains(words, "cannot allocate"):
		return value.Errorf(value.TooLarge, "the code needs more than %d MiB of memory", maxPages*pageBytes>>20)
	case strings.Contains(words, "stack"):
		return value.Errorf(value.TooExpensive, "the code nests too deep")
	}
	return value.Errorf(value.Expression, "the code ended the guest that it ran in")
}

// reset puts a guest into a state, with as much memory as that has.
func (g *guest) reset(s *state) error {
	memory := g.module.Memory()
	if size := int(memory.Size()); size < len(s.memory) {
		if _, ok := memory.Grow(uint32((len(s.memory) - size) / pageBytes)); !ok { //nolint:gosec // at most maxPages
			return errors.New("the guest's memory cannot grow")
		}
	}
	memory.Write(0, s.memory)
	for i, v := range s.globals {
		g.global(i).Set(v)
	}
	g.ticks = 0
	return nil
}

// global gives one of the guest's globals, nil where there are no more.
func (g *guest) global(i int) api.MutableGlobal {
	global, _ := g.module.ExportedGlobal("global" + strconv.Itoa(i)).(api.MutableGlobal)
	return global
}

// tick is the guest's clock: a microsecond later each time that somebody looks.
func (g *guest) tick() int64 {
	g.ticks += int64(time.Microsecond)
	return g.ticks
}

func (g *guest) state() *state {
	memory, _ := g.module.Memory().Read(0, g.module.Memory().Size())
	s := &state{memory: bytes.Clone(memory)}
	for i := 0; g.global(i) != nil; i++ {
		s.globals = append(s.globals, g.global(i).Get())
	}
	return s
}
