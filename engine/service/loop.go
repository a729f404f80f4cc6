package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Loop is a Service around one function in one goroutine. Make it with NewLoop.
type Loop struct {
	run func(ctx context.Context) error

	mu      sync.Mutex
	cancel  context.CancelCauseFunc // nil before Start
	stopped bool
	done    chan struct{} // closed when run has returned
	err     error         // what run returned; read after done
}

var _ Service = (*Loop)(nil)

// NewLoop makes a Loop of run. Start calls it in a goroutine of its own; its ctx ends at Stop with the cause ErrStopping. An
// error that it returns is given by Stop, unless it is that of the ended ctx; it may return early.
func NewLoop(run func(ctx context.Context) error) *Loop {
	return &Loop{run: run, done: make(chan struct{})}
}

// Start begins the loop. It gives ErrStarted or ErrStopped where it had its life already, and the error of a ctx that has ended.
func (l *Loop) Start(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stopped:
		return ErrStopped
	case l.cancel != nil:
		return ErrStarted
	}
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	l.cancel = cancel
	go func() {
		defer close(l.done)
		if err := l.run(own); err != nil && !errors.Is(err, ErrStopping) && (own.Err() == nil || !errors.Is(err, own.Err())) {
			l.err = err
		}
	}()
	return nil
}

// Done is closed when the function has returned. It is never closed where the loop was not started.
func (l *Loop) Done() <-chan struct{} { return l.done }

// Stop ends the loop's ctx and waits for the function to return, as long as ctx lasts. It gives the function's error.
func (l *Loop) Stop(ctx context.Context) error {
	l.mu.Lock()
	l.stopped = true
	cancel := l.cancel
	l.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel(ErrStopping)
	select {
	case <-l.done:
		return l.err
	default:
	}
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for a loop to end: %w", context.Cause(ctx))
	}
}
