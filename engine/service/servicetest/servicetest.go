// Package servicetest checks that a [service.Service] keeps its contract when it is started and stopped at the same time, in
// any order and more than once. It is for tests only.
package servicetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/service"
)

const (
	// Enough for the race detector to see most interleavings of four goroutines, and few enough for a service that
	// opens a file to be done in a second.
	rounds = 30
	// A stop that takes longer is taken for one that hangs: it is longer than any commit or drain of a service at rest.
	patience = 20 * time.Second
)

// Stress makes services with make and abuses them: Stop before Start, Start after Stop, Start with an ended ctx, several Starts
// and Stops at once. It fails t where a call hangs, where Stop gives an error, or where Start fails for another reason than
// those of the contract. Run it in a package whose TestMain looks for leaked goroutines, and with the race detector.
func Stress(t testing.TB, make func() service.Service) {
	t.Helper()
	once := func(name string, calls ...func(ctx context.Context, s service.Service)) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		s := make()
		for _, call := range calls {
			call(ctx, s)
		}
		stop(ctx, t, s)
		if ctx.Err() != nil {
			t.Fatalf("%s: not done in %s", name, patience)
		}
	}
	started := func(ctx context.Context, s service.Service) { start(ctx, t, s) }
	stopped := func(ctx context.Context, s service.Service) { stop(ctx, t, s) }

	once("stop without start")
	once("start and stop", started)
	once("stop twice", started, stopped)
	once("start after stop", stopped, started)
	once("start twice", started, started)
	once("start with an ended ctx", func(ctx context.Context, s service.Service) {
		ended, cancel := context.WithCancelCause(ctx)
		cancel(service.ErrStopping)
		start(ended, t, s)
	})
	for range rounds {
		once("start and stop at once", func(ctx context.Context, s service.Service) {
			var all sync.WaitGroup
			for range 2 {
				all.Go(func() { start(ctx, t, s) })
				all.Go(func() { stop(ctx, t, s) })
			}
			all.Wait()
		})
	}
}

// start allows the refusals of the contract and no other failure.
func start(ctx context.Context, t testing.TB, s service.Service) {
	t.Helper()
	err := s.Start(ctx)
	if err == nil || errors.Is(err, service.ErrStarted) || errors.Is(err, service.ErrStopped) ||
		errors.Is(err, service.ErrStopping) || errors.Is(err, context.Canceled) {
		return
	}
	t.Errorf("Start: got %v, want nil, ErrStarted, ErrStopped or ErrStopping", err)
}

func stop(ctx context.Context, t testing.TB, s service.Service) {
	t.Helper()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("Stop: got %v, want nil", err)
	}
}
