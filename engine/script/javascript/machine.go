package javascript

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"modernc.org/quickjs"

	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

const (
	// maxStuck bounds the machines that do not end. Each takes a processor's time and up to 16 MiB; while there are that many, no code is run.
	maxStuck = 4
	// patience is how long one of that many is waited for. On a busy computer machines are late that are no trouble at all.
	patience = 2 * time.Second
)

// machines bounds how many run at once, and holds what all of them begin with.
type machines struct {
	prelude, guards []byte // compiled
	limit           time.Duration
	logger          *slog.Logger
	slots           chan struct{}

	mu    sync.Mutex
	stuck int
	full  time.Time     // since when as many are stuck as may be
	ended chan struct{} // closed when one of those ends
}

var _ language.Closer = (*machines)(nil)

func newMachines(logger *slog.Logger) (*machines, error) {
	vm, err := newVM(maxStart)
	if err != nil {
		return nil, err
	}
	defer discard(vm)
	code, err := vm.Compile(prelude, quickjs.EvalGlobal)
	if err != nil {
		return nil, fmt.Errorf("compiling the prelude of JavaScript: %w", err)
	}
	guard, err := vm.Compile(guards, quickjs.EvalGlobal)
	if err != nil {
		return nil, fmt.Errorf("compiling the guards of JavaScript: %w", err)
	}
	// Machines only compute, so more than there are processors would take each other's time.
	return &machines{prelude: code, guards: guard, limit: maxTime, logger: logger, slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))}, nil
}

// enter waits for a free machine. Every one is free again within a quarter of a second, or is stuck.
func (m *machines) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return cancelled()
	}
	if err := m.endure(ctx); err != nil {
		return err
	}
	select {
	case m.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return cancelled()
	}
}

// endure waits while too many machines are stuck, and fails where that has been so for long.
func (m *machines) endure(ctx context.Context) error {
	for {
		m.mu.Lock()
		stuck, left, ended := m.stuck, time.Until(m.full.Add(patience)), m.ended
		m.mu.Unlock()
		if stuck < maxStuck {
			return nil
		}
		if left <= 0 {
			return value.Errorf(value.TooExpensive, "no code in JavaScript is run while %d machines are busy with code that does not end", stuck)
		}
		timer := time.NewTimer(left)
		select {
		case <-ended:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return cancelled()
		}
		timer.Stop()
	}
}

// turn is the time of one machine; it begins with enter.
func (m *machines) turn() *turn { return &turn{machines: m} }

// turn is one machine's time. It ends when the machine is through, or counts as stuck; both may come, in any order.
type turn struct {
	machines *machines
	mu       sync.Mutex
	isOver   bool
	isStuck  bool
}

// over says that the machine is through.
func (t *turn) over() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.isOver = true
	if !t.isStuck {
		<-t.machines.slots
		return
	}
	t.machines.count(-1)
}

// stuck says that nobody waits for the machine any longer: another one may run in its place.
func (t *turn) stuck() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isOver {
		return
	}
	t.isStuck = true
	<-t.machines.slots
	t.machines.count(1)
}

func (m *machines) count(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stuck += n
	switch {
	case n > 0 && m.stuck == maxStuck:
		m.full, m.ended = time.Now(), make(chan struct{})
	case n < 0 && m.stuck == maxStuck-1:
		close(m.ended)
	}
	switch {
	case n > 0 && m.stuck == maxStuck:
		m.logger.Error("machines of javascript do not end; no code in javascript is run until one of them does")
	case n > 0:
		m.logger.Warn("code in javascript does not end in time; its machine is left to itself")
	default:
		m.logger.Info("a machine of javascript that did not end in time is through")
	}
}

// Close waits for all machines that run, but not for those that are stuck: they end with the process.
func (m *machines) Close(ctx context.Context) error {
	for range cap(m.slots) {
		select {
		case m.slots <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("waiting for machines of JavaScript: %w", context.Cause(ctx))
		}
	}
	return nil
}

func cancelled() *value.Error { return value.Errorf(value.Cancelled, "the evaluation was stopped") }
