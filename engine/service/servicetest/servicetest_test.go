package servicetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/service/servicetest"
)

// recorder is a test that keeps its complaints instead of failing.
type recorder struct {
	testing.TB
	mu         sync.Mutex
	complaints []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}

// fragile is a service without any care.
type fragile struct {
	start, stop func() error
}

func (f fragile) Start(context.Context) error { return f.start() }
func (f fragile) Stop(context.Context) error  { return f.stop() }

func TestStressComplainsOfBrokenServices(t *testing.T) {
	t.Parallel()
	fine := func() error { return nil }
	rows := []struct {
		name, want string
		make       func() service.Service
	}{
		{"stop without start fails", "Stop: got not running, want nil", func() service.Service {
			return fragile{start: fine, stop: func() error { return errors.New("not running") }}
		}},
		{"start fails for a reason of its own", "Start: got bind: address in use", func() service.Service {
			return fragile{start: func() error { return errors.New("bind: address in use") }, stop: fine}
		}},
	}
	for _, row := range rows {
		r := &recorder{TB: t}
		servicetest.Stress(r, row.make)
		if len(r.complaints) == 0 || !strings.HasPrefix(r.complaints[0], row.want) {
			t.Errorf("%s: got %q, want a complaint that begins with %q", row.name, r.complaints, row.want)
		}
	}
}

func TestStressAcceptsTheRefusalsOfTheContract(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	refusals := []error{service.ErrStarted, service.ErrStopped, service.ErrStopping, context.Canceled, nil}
	servicetest.Stress(r, func() service.Service {
		n := 0
		var mu sync.Mutex
		return fragile{stop: func() error { return nil }, start: func() error {
			mu.Lock()
			defer mu.Unlock()
			n++
			return refusals[n%len(refusals)]
		}}
	})
	if len(r.complaints) > 0 {
		t.Errorf("got %q, want no complaint", r.complaints)
	}
}
