package service_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/service/servicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary records what happens to its services, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

// part is a service that writes into a diary and does what it is told.
type part struct {
	name        string
	diary       *diary
	start, stop func(ctx context.Context) error
}

func (p *part) Start(ctx context.Context) error {
	p.diary.note("start " + p.name)
	if p.start != nil {
		return p.start(ctx)
	}
	return nil
}

func (p *part) Stop(ctx context.Context) error {
	p.diary.note("stop " + p.name)
	if p.stop != nil {
		return p.stop(ctx)
	}
	return nil
}

func group(parts ...*part) *service.Group {
	named := make([]service.Named, len(parts))
	for i, p := range parts {
		named[i] = service.Named{Name: p.name, Service: p}
	}
	return service.NewGroup(named...)
}

func TestGroupStopsInReverse(t *testing.T) {
	t.Parallel()
	var d diary
	g := group(&part{name: "store", diary: &d}, &part{name: "worker", diary: &d}, &part{name: "ingress", diary: &d})
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := g.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"start store", "start worker", "start ingress", "stop ingress", "stop worker", "stop store"}
	if got := d.read(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := g.Start(t.Context()); !errors.Is(err, service.ErrStopped) {
		t.Errorf("Start after Stop: got %v, want ErrStopped", err)
	}
}

func TestGroupUndoesAStartThatFails(t *testing.T) {
	t.Parallel()
	var d diary
	port := errors.New("address in use")
	ctx, cancel := context.WithCancel(t.Context())
	undoing := errors.New("disk full")
	g := group(
		&part{name: "store", diary: &d, stop: func(ctx context.Context) error {
			if ctx.Err() != nil {
				t.Error("the undoing got an ended ctx")
			}
			return undoing
		}},
		&part{name: "ingress", diary: &d, start: func(context.Context) error { cancel(); return port }},
		&part{name: "admin", diary: &d},
	)
	err := g.Start(ctx)
	if !errors.Is(err, port) || !errors.Is(err, undoing) {
		t.Errorf("got %v, want both %v and %v", err, port, undoing)
	}
	if want := "starting ingress: address in use\nstopping store: disk full"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if err := g.Stop(t.Context()); err != nil {
		t.Errorf("Stop after a failed Start: got %v, want nil", err)
	}
	want := []string{"start store", "start ingress", "stop store"}
	if got := d.read(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGroupJoinsTheErrorsOfStopping(t *testing.T) {
	t.Parallel()
	var d diary
	one, two := errors.New("one"), errors.New("two")
	fails := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	g := group(&part{name: "a", diary: &d, stop: fails(one)}, &part{name: "b", diary: &d, stop: fails(two)})
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err, want := g.Stop(t.Context()), "stopping b: two\nstopping a: one"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestStopCancelsAStartUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		g := group(&part{name: "store", diary: &d}, &part{name: "slow", diary: &d, start: func(ctx context.Context) error {
			<-ctx.Done()
			if !service.Stopping(ctx) {
				t.Error("the start was cancelled with another cause than ErrStopping")
			}
			return context.Cause(ctx)
		}})
		result := make(chan error)
		go func() { result <- g.Start(t.Context()) }()
		synctest.Wait()
		if err := g.Start(t.Context()); !errors.Is(err, service.ErrStarted) {
			t.Errorf("second Start: got %v, want ErrStarted", err)
		}
		go func() {
			if err := g.Stop(t.Context()); err != nil {
				t.Errorf("Stop: %v", err)
			}
		}()
		if err := <-result; !errors.Is(err, service.ErrStopping) {
			t.Errorf("Start: got %v, want ErrStopping", err)
		}
		synctest.Wait()
		want := []string{"start store", "start slow", "stop store"}
		if got := d.read(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestStopReturnsAlthoughAServiceHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		release := make(chan struct{})
		g := group(&part{name: "store", diary: &d}, &part{name: "worker", diary: &d, stop: func(context.Context) error {
			<-release
			return nil
		}})
		if err := g.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		err := g.Stop(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stopping worker") {
			t.Errorf("got %v, want the deadline and the name of the worker", err)
		}
		if took := time.Since(began); took > 7*time.Second {
			t.Errorf("Stop took %s with 5 s given", took)
		}
		close(release)
		if err := g.Stop(t.Context()); err != nil {
			t.Errorf("the second Stop, after the worker let go: got %v, want nil", err)
		}
		if got := d.read(); got[len(got)-1] != "stop store" {
			t.Errorf("got %q, want the store stopped last", got)
		}
	})
}

func TestStoppedServicesGetAnEndedContextTooSoThatEachIsTold(t *testing.T) {
	t.Parallel()
	var d diary
	g := group(&part{name: "a", diary: &d}, &part{name: "b", diary: &d})
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Stop(ended); err != nil {
		t.Fatal(err)
	}
	want := []string{"start a", "start b", "stop b", "stop a"}
	if got := d.read(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoopEndsWithErrStopping(t *testing.T) {
	t.Parallel()
	ready := make(chan struct{})
	l := service.NewLoop(func(ctx context.Context) error {
		close(ready)
		<-ctx.Done()
		if !service.Stopping(ctx) {
			t.Error("the cause is not ErrStopping")
		}
		return ctx.Err()
	})
	starting, cancel := context.WithCancel(t.Context())
	if err := l.Start(starting); err != nil {
		t.Fatal(err)
	}
	cancel() // bounds the starting only
	<-ready
	if err := l.Stop(t.Context()); err != nil {
		t.Errorf("got %v, want nil: an ended ctx is no failure", err)
	}
	<-l.Done()
}

func TestLoopGivesTheErrorOfItsFunction(t *testing.T) {
	t.Parallel()
	broken := errors.New("accept: too many open files")
	l := service.NewLoop(func(context.Context) error { return broken })
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-l.Done()
	for range 2 {
		if err := l.Stop(t.Context()); !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
	}
}

func TestLoopStopIsBoundedByItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		l := service.NewLoop(func(context.Context) error { <-release; return nil })
		if err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		close(release)
		if err := l.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLoopStress(t *testing.T) {
	t.Parallel()
	servicetest.Stress(t, func() service.Service {
		return service.NewLoop(func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) })
	})
}

func TestGroupStress(t *testing.T) {
	t.Parallel()
	servicetest.Stress(t, func() service.Service {
		wait := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
		return service.NewGroup(
			service.Named{Name: "first", Service: service.NewLoop(wait)},
			service.Named{Name: "inner", Service: service.NewGroup(
				service.Named{Name: "second", Service: service.NewLoop(wait)},
				service.Named{Name: "third", Service: service.NewLoop(func(context.Context) error { return nil })},
			)},
		)
	})
}
