package starlark

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/starlark/guest/interpreter/wire"
	"github.com/headgate/headgate/engine/script/value"
)

//go:generate go test -run ^TestTheGuestBelongsToItsSources$ -update .

//go:embed guest.wasm.gz
var packedGuest []byte

// The bounds of the guest.
const (
	// maxPages bounds the guest's memory: 16 MiB.
	maxPages  = 256
	pageBytes = 64 << 10
	// period is how many rounds of its loops a guest runs between two looks up to the host, which takes about a millisecond; maxPeriods
	// bounds them for one program. maxSteps steps take up to 110 of them: it ends what is slow in one step, on every machine alike, before
	// the clock does on most.
	period     = 50_000
	maxPeriods = 200
	// mostAtOnce bounds how many guests run at the same time, and with maxPages the memory that all of them take. There are never more
	// than processors.
	mostAtOnce = 3
	// maxStderr bounds what is kept of the guest's last words.
	maxStderr = 2 << 10
	// maxAnswer bounds what is taken of an answer: a result, a log and some words.
	maxAnswer = 2*value.MaxBytes + maxLogLines*(maxLogBytes+16) + 4<<10
)

// machine runs programs in guests. A guest sees a message, and nothing else: no file, no environment, no arguments, no chance, and a clock
// that only counts. Every program finds memory and globals as they were when the guest was made.
type machine struct {
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	module  wazero.CompiledModule
	slots   chan struct{}
	memory  memories

	// initial is the state in which every program finds its guest.
	initial *state

	mu     sync.Mutex
	idle   []*guest
	closed bool
}

// guestKey is the key of the one machine in language.Machines.
const guestKey = "starlark"

func machineOf(m *language.Machines) (*machine, error) {
	return language.Machine(m, guestKey, build(m))
}

// prepare makes the machine ahead of the first program's run, where that is wanted.
func prepare(m *language.Machines) { language.Prepare(m, guestKey, build(m)) }

func build(m *language.Machines) func() (*machine, error) {
	return func() (*machine, error) { return newMachine(m.CacheDir()) }
}

// newMachine compiles the guest, which takes about a second without a cache.
func newMachine(cacheDir string) (*machine, error) {
	ctx := context.Background() // the machine outlives whoever happens to need it first
	wasm, err := unpackGuest()
	if err != nil {
		return nil, fmt.Errorf("unpacking the guest: %w", err)
	}
	m := &machine{slots: make(chan struct{}, min(mostAtOnce, runtime.GOMAXPROCS(0)))}
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(maxPages)
	if m.cache = cacheIn(cacheDir); m.cache != nil {
		config = config.WithCompilationCache(m.cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, m.runtime); err != nil {
		return nil, errors.Join(fmt.Errorf("making the guest's surroundings: %w", err), m.Close(ctx))
	}
	if m.module, err = m.runtime.CompileModule(ctx, wasm); err != nil {
		return nil, errors.Join(fmt.Errorf("compiling the guest: %w", err), m.Close(ctx))
	}
	first, err := m.firstGuest(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the guest: %w", err), m.Close(ctx))
	}
	m.keep(first)
	// What compiling took is several times what stays. It is given back now, because nothing as large comes again that would reuse it.
	debug.FreeOSMemory()
	return m, nil
}

// cacheIn gives the cache in a folder. There is none without a folder, nor in one that cannot be written: that costs the seconds again at
// the next start, no more.
func cacheIn(dir string) wazero.CompilationCache {
	if dir == "" {
		return nil
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil
	}
	return cache
}

func unpackGuest() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packedGuest))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Close ends the machine with all its guests, once those that run have ended, or ctx has.
func (m *machine) Close(ctx context.Context) error {
	m.mu.Lock()
	m.idle, m.closed = nil, true
	m.mu.Unlock()
	for range cap(m.slots) {
		select {
		case m.slots <- struct{}{}: // for ever
		case <-ctx.Done():
			return ctx.Err() // what still runs has its memory until the process ends
		}
	}
	err := m.runtime.Close(ctx)
	if m.cache != nil {
		err = errors.Join(err, m.cache.Close(ctx))
	}
	return err
}

// run gives the answer to a message. The error is a *value.Error, or says that the machine itself does not work.
func (m *machine) run(ctx context.Context, message []byte) ([]byte, error) {
	select {
	case m.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, cancelled(ctx)
	}
	defer func() { <-m.slots }()
	g, err := m.take(ctx)
	if err != nil {
		return nil, fmt.Errorf("starting the guest: %w", err)
	}
	if err = g.run(ctx, message); err != nil {
		_ = g.module.Close(context.WithoutCancel(ctx)) // it ended already, or is in a state that nobody knows
		return nil, g.ended(ctx, err)
	}
	answer := bytes.Clone(g.out.buf)
	m.giveBack(ctx, g)
	return answer, nil
}

func cancelled(ctx context.Context) *value.Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return value.Errorf(value.Cancelled, "the time for the expression ran out")
	}
	return value.Errorf(value.Cancelled, "the evaluation was stopped")
}

// take gives a guest that is as it was when it was made ready.
func (m *machine) take(ctx context.Context) (*guest, error) {
	m.mu.Lock()
	closed := m.closed
	if n := len(m.idle); n > 0 {
		g := m.idle[n-1]
		m.idle = m.idle[:n-1]
		m.mu.Unlock()
		return g, nil
	}
	m.mu.Unlock()
	if closed {
		return nil, language.ErrMachinesClosed
	}
	return m.newGuest(ctx)
}

// newGuest makes a guest in the first state.
func (m *machine) newGuest(ctx context.Context) (*guest, error) {
	g, err := m.instance(context.WithoutCancel(ctx)) // it may serve others, and takes a millisecond only
	if err != nil {
		return nil, err
	}
	return g, g.reset(m.initial)
}

// firstGuest makes the guest whose state all others begin with. It has run a program already, so that its memory need not grow under the
// next.
func (m *machine) firstGuest(ctx context.Context) (*guest, error) {
	g, err := m.instance(ctx)
	if err != nil {
		return nil, err
	}
	options := &syntax.FileOptions{}
	file, err := options.Parse(fileName, rehearsal, 0)
	if err != nil {
		return nil, err
	}
	code, err := encode(wrap(file.Stmts, options))
	if err != nil {
		return nil, err
	}
	var w wire.Writer
	w.Request(wire.Request{Limits: limits(), Program: code})
	for _, function := range []string{"_initialize", "warm", "run", "warm"} {
		g.in.Reset(w.Bytes())
		if err := g.call(ctx, function); err != nil {
			return nil, errors.Join(err, g.module.Close(ctx))
		}
	}
	if r := wire.NewReader(g.out.buf); r.Count() != 0 || wire.Outcome(r.Byte()) != wire.Done {
		return nil, errors.Join(errors.New("the guest does not do what it is told"), g.module.Close(ctx))
	}
	m.initial = g.state()
	return g, g.reset(m.initial)
}

// rehearsal is the program that a guest runs before all others.
const rehearsal = `
texts = ["text %d" % i for i in range(500)]
maps = [{"name": t.upper(), "length": len(t), "more": [i, i * 1.5]} for i, t in enumerate(texts)]
return len(json.encode(sorted(maps, key = lambda m: m["name"])))`

func (m *machine) instance(ctx context.Context) (*guest, error) {
	g := &guest{out: limited{most: maxAnswer}, err: limited{most: maxStderr}}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions().
		WithStdin(&g.in).WithStdout(&g.out).WithStderr(&g.err).WithRandSource(zeros{}).
		WithNanotime(g.tick, sys.ClockResolution(1)).WithNanosleep(func(int64) {}).WithOsyield(g.lookUp)
	module, err := m.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, &m.memory), m.module, config)
	if err != nil {
		return nil, err
	}
	g.module, g.program = module, module.ExportedFunction("run")
	for i := 0; g.global(i) != nil; i++ {
		g.count = g.global(i) // the last one
	}
	if g.program == nil || g.count == nil {
		return nil, errors.Join(errors.New("the guest is another one"), module.Close(ctx))
	}
	return g, nil
}

// giveBack sets a guest back to its first state, for the next program. One whose memory has grown is ended instead: memory does not shrink,
// and the next program would find less left of it.
func (m *machine) giveBack(ctx context.Context, g *guest) {
	grown := int(g.module.Memory().Size()) != len(m.initial.memory)
	if grown || g.reset(m.initial) != nil || !m.keep(g) {
		_ = g.module.Close(context.WithoutCancel(ctx))
	}
}

func (m *machine) keep(g *guest) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.idle = append(m.idle, g)
	}
	return !m.closed
}
