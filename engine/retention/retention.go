// Package retention deletes what is old from the store, or what is too much, as a [store.Policy] says, a little at a time.
//
// A [Service] asks the store to prune once in a while. It goes on in small steps as long as there is more, and after each it lets the store
// alone for as long as the step took, and a little longer: whoever waits for a commit waits for one small one at most. What may go is the
// store's to know; nothing that is open is ever deleted.
package retention

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/store"
)

// Store is what a Service needs of a store.Store.
type Store interface {
	Prune(ctx context.Context, p store.Policy, max int) (store.Pruned, error)
	Usage(ctx context.Context) (store.Usage, error)
}

// Observer is told of every step that deleted something. It must not block.
type Observer interface {
	Pruned(n store.Pruned)
}

// Options is what New needs. Store and Logger are required.
type Options struct {
	Store Store
	// Policy says what may go. With the zero Policy only delivery ids go whose window is over, and what quotas counted.
	Policy store.Policy
	// Every is how long it waits after it is done; DefaultEvery where 0.
	Every    time.Duration
	Logger   *slog.Logger
	Observer Observer // may be nil
}

// The Service's bounds.
const (
	// DefaultEvery is how often there is something to do on a busy gateway, and how much too old things may become.
	DefaultEvery = time.Minute
	// step is how many things go at once: few milliseconds of the writer's time.
	step = 100
	// leastPause is the shortest time in which the store is left alone: several commits of others.
	leastPause = 5 * time.Millisecond
	// complainEvery is how often it says that a limit cannot be kept.
	complainEvery = time.Hour
)

// Service prunes a store. Make it with New.
type Service struct {
	o          Options
	loop       *service.Loop
	complained time.Time
}

var _ service.Service = (*Service)(nil)

// New makes a Service; it does nothing before Start. The error names the option that is missing.
func New(o Options) (*Service, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("retention: Options.Store is missing")
	case o.Logger == nil:
		return nil, errors.New("retention: Options.Logger is missing")
	}
	if o.Every <= 0 {
		o.Every = DefaultEvery
	}
	s := &Service{o: o}
	s.loop = service.NewLoop(s.run)
	return s, nil
}

// Start begins to prune, for the first time when Options.Every has passed: a gateway that starts has other things to do.
func (s *Service) Start(ctx context.Context) error { return s.loop.Start(ctx) }

// Stop ends the step under way and waits for it.
func (s *Service) Stop(ctx context.Context) error { return s.loop.Stop(ctx) }

func (s *Service) run(ctx context.Context) error {
	for pause(ctx, s.o.Every) {
		s.prune(ctx)
	}
	return context.Cause(ctx)
}

// pause waits; false where ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// prune deletes all that may go now.
func (s *Service) prune(ctx context.Context) {
	began, steps := time.Now(), 0
	var sum store.Pruned
	for {
		from := time.Now()
		n, err := s.o.Store.Prune(ctx, s.o.Policy, step)
		add(&sum, n)
		if s.o.Observer != nil && n != (store.Pruned{More: n.More}) {
			s.o.Observer.Pruned(n)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.o.Logger.WarnContext(ctx, "what is old could not be deleted; it is tried again", "error", err, "wait", s.o.Every)
			return
		}
		steps++
		if !n.More {
			break
		}
		if !pause(ctx, max(time.Since(from), leastPause)) {
			return
		}
	}
	if sum != (store.Pruned{}) {
		s.o.Logger.DebugContext(ctx, "deleted what was old", "events", sum.Events, "runs", sum.Runs, "count", sum.Attempts+sum.Bodies+sum.Rejections+sum.Keys,
			"took", time.Since(began))
	}
	s.complain(ctx)
}

// complain says, now and then, that more is kept than was asked for, because it may not go.
func (s *Service) complain(ctx context.Context) {
	p := s.o.Policy
	if p.MaxEvents <= 0 && p.MaxBytes <= 0 || !s.complained.IsZero() && time.Since(s.complained) < complainEvery {
		return
	}
	u, err := s.o.Store.Usage(ctx)
	if err != nil || (p.MaxEvents <= 0 || u.Events <= p.MaxEvents) && (p.MaxBytes <= 0 || u.Bytes <= p.MaxBytes) {
		return
	}
	s.complained = time.Now()
	s.o.Logger.WarnContext(ctx, "more is stored than the settings allow, and none of it may be deleted: it is open, parked, or waits to be routed",
		"events", u.Events, "bytes", u.Bytes)
}

func add(sum *store.Pruned, n store.Pruned) {
	sum.Events, sum.Runs, sum.Attempts, sum.Bodies = sum.Events+n.Events, sum.Runs+n.Runs, sum.Attempts+n.Attempts, sum.Bodies+n.Bodies
	sum.Keys, sum.Revisions, sum.Rejections = sum.Keys+n.Keys, sum.Revisions+n.Revisions, sum.Rejections+n.Rejections
}
