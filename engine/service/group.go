package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// How long a Group waits beyond what its caller gave.
const (
	// A Start that failed half-way may be cancelled itself, so what it undoes needs time of its own: enough for a last commit to a
	// slow disk.
	undoTimeout = 10 * time.Second
	// A service that minds its ctx needs a moment to return after that has ended.
	stopGrace = time.Second
)

// Named is a service and the name that errors call it by.
type Named struct {
	Name    string
	Service Service
}

// Group is several services as one. It lives once: it cannot be started again after Stop. Make it with NewGroup.
type Group struct {
	services []Named

	mu      sync.Mutex
	cancel  context.CancelCauseFunc // ends a Start under way; nil before Start
	started chan struct{}           // closed when Start has returned; nil before Start
	running int                     // how many services run, from the first
	stopped bool
	at      string        // the service being stopped
	done    chan struct{} // closed when all are stopped
	err     error         // of stopping; read after done
}

var _ Service = (*Group)(nil)

// NewGroup makes a Group that starts the services in the order given and stops them in reverse.
func NewGroup(services ...Named) *Group {
	return &Group{services: services, done: make(chan struct{})}
}

// Start starts one service after the other. Where one fails, those before it are stopped again, in reverse, and the error names
// the one that failed. A Stop meanwhile cancels it with ErrStopping.
func (g *Group) Start(ctx context.Context) error {
	g.mu.Lock()
	switch {
	case g.stopped:
		g.mu.Unlock()
		return ErrStopped
	case g.started != nil:
		g.mu.Unlock()
		return ErrStarted
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g.cancel, g.started = cancel, make(chan struct{})
	g.mu.Unlock()
	defer close(g.started)

	for i, s := range g.services {
		err := context.Cause(ctx)
		if err == nil {
			err = s.Service.Start(ctx)
		}
		if err != nil {
			undo, release := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
			defer release()
			return errors.Join(fmt.Errorf("starting %s: %w", s.Name, err), g.stopAll(undo))
		}
		g.mu.Lock()
		g.running = i + 1
		g.mu.Unlock()
	}
	return nil
}

// Stop stops the running services in reverse. Each gets ctx, also when it has ended already, so that each can do what needs no
// time. Errors are joined, each with its service's name. A second caller waits for the first and gets the same error. Stop
// returns soon after ctx has ended even if a service does not, and says which.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	first := !g.stopped
	g.stopped = true
	started := g.started
	if g.cancel != nil {
		g.cancel(ErrStopping)
	}
	g.mu.Unlock()
	if first {
		go func() {
			defer close(g.done)
			if started != nil {
				<-started
			}
			g.err = g.stopAll(ctx)
		}()
	}
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-g.done:
		return g.err
	case <-grace.C:
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.at == "" {
			return fmt.Errorf("waiting for the start to end: %w", context.Cause(ctx))
		}
		return fmt.Errorf("stopping %s: %w", g.at, context.Cause(ctx))
	}
}

// stopAll stops what runs, last first. It has one caller at a time: Start before it returns, or Stop after that.
func (g *Group) stopAll(ctx context.Context) error {
	var errs []error
	for {
		g.mu.Lock()
		if g.running == 0 {
			g.mu.Unlock()
			return errors.Join(errs...)
		}
		g.running--
		s := g.services[g.running]
		g.at = s.Name
		g.mu.Unlock()
		if err := s.Service.Stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", s.Name, err))
		}
	}
}
