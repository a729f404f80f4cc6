package trial

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
	"github.com/headgate/headgate/engine/worker"
)

// RunOptions say which pipeline is run by hand. Snapshot, Pipeline and Now are required.
type RunOptions struct {
	Snapshot *snapshot.Snapshot
	// Pipeline must have a start node.
	Pipeline string
	// Input is a JSON object; {} where nil.
	Input []byte
	// Now is the clock; Rehearse asks it once, for the time at which it begins.
	Now func() time.Time
	// Deliverer and Logger are Perform's, and required there.
	Deliverer worker.Deliverer
	Logger    *slog.Logger
}

// Rehearse runs a pipeline by hand without sending anything: every request is kept and answered 200 with {}, and waits and retries happen
// in simulated time. Events that it emits start no other pipelines. A bundle that was loaded without an environment shows its references
// in the requests as they are written; the values of others would stand there.
func Rehearse(ctx context.Context, o RunOptions) (*Performed, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p, err := perform(ctx, o.Snapshot, o.Pipeline, referencesOf(o.Snapshot.Bundle()), nil, o.Now())
	if err != nil {
		return nil, err
	}
	defer p.close()
	if _, err := p.append(ctx, manual(o.Pipeline, o.input())); err != nil {
		return nil, err
	}
	if err := p.until(ctx, time.Time{}); err != nil {
		return nil, err
	}
	done := &Performed{Began: p.began}
	return done, done.gather(ctx, p, o.Pipeline, 1)
}

// Perform runs a pipeline by hand in real time, in a store that is forgotten afterwards, until its run is over or ctx ends: then what was
// done so far comes with the error. Requests are really sent; what they were is told by the attempts of the runs. Events that it emits
// start no other pipelines.
func Perform(ctx context.Context, o RunOptions) (*Performed, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	st := memory.New(memory.Options{Now: o.Now})
	if err := st.Start(ctx); err != nil {
		return nil, fmt.Errorf("opening a store: %w", err)
	}
	ended := &endings{over: make(chan struct{}, 1)}
	p := &performance{
		world: &world{snapshot: o.Snapshot, pipeline: o.Pipeline}, clock: &clock{now: o.Now()}, store: st, desk: &desk{}, receiver: &receiver{}, began: o.Now(),
	}
	w, err := worker.New(worker.Options{Queue: st, World: p.world, Audience: o.Snapshot.Subscriptions(), Deliverer: o.Deliverer, Logger: o.Logger, Observer: ended, Now: o.Now})
	if err != nil {
		return nil, err
	}
	if _, err := p.append(ctx, manual(o.Pipeline, o.input())); err != nil {
		return nil, err
	}
	if err := w.Start(ctx); err != nil {
		return nil, fmt.Errorf("starting the worker: %w", err)
	}
	err = p.waitFor(ctx, ended.over)
	quiet := context.WithoutCancel(ctx)
	stopping, cancel := context.WithTimeout(quiet, stopTimeout)
	defer cancel()
	if stopped := w.Stop(stopping); err == nil && stopped != nil {
		err = fmt.Errorf("stopping the worker: %w", stopped)
	}
	done := &Performed{Began: p.began}
	p.clock.move(o.Now())
	if gathered := done.gather(quiet, p, o.Pipeline, 1); err == nil {
		err = gathered
	}
	return done, err
}

// stopTimeout is how long a request may still take that is under way when the run is given up: whoever does that does not want to wait.
const stopTimeout = 500 * time.Millisecond

func (o RunOptions) check() error {
	d, ok := o.Snapshot.Pipeline(o.Pipeline)
	if !ok {
		var names []string
		for _, d := range o.Snapshot.Pipelines() {
			names = append(names, d.Name)
		}
		if hint := diag.DidYouMean(o.Pipeline, names); hint != "" {
			return fmt.Errorf("there is no pipeline %q; %s", o.Pipeline, hint)
		}
		return fmt.Errorf("there is no pipeline %q", o.Pipeline)
	}
	if !d.Startable() {
		return fmt.Errorf("pipeline %q has no start node: it runs when an event comes", o.Pipeline)
	}
	return nil
}

func (o RunOptions) input() []byte {
	if o.Input == nil {
		return []byte("{}")
	}
	return o.Input
}

// waitFor waits until the pipeline's run is open no longer.
func (p *performance) waitFor(ctx context.Context, over <-chan struct{}) error {
	for {
		select {
		case <-over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		page, err := p.store.Runs(ctx, store.RunQuery{Pipeline: p.world.pipeline})
		if err != nil {
			return fmt.Errorf("reading the run: %w", err)
		}
		for _, r := range page.Runs {
			if r.Cause.Kind == run.Manual && r.State != run.Open {
				return nil
			}
		}
	}
}

// endings hears of runs that are over.
type endings struct{ over chan struct{} }

// Attempt implements worker.Observer.
func (*endings) Attempt(string, string, time.Duration) {}

// Routed implements worker.Observer.
func (*endings) Routed(string, time.Duration) {}

// Measure implements worker.Observer.
func (*endings) Measure(node.Measure) {}

// RunEnded implements worker.Observer.
func (e *endings) RunEnded(string, string, string) {
	select {
	case e.over <- struct{}{}:
	default:
	}
}
