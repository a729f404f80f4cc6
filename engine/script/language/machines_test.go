package language

import (
	"context"
	"errors"
	"sync"
	"testing"
)

type engine struct{ closed *[]string }

func (e *engine) Close(context.Context) error {
	*e.closed = append(*e.closed, "engine")
	return nil
}

func TestMachinesAreMadeOnceAndClosed(t *testing.T) {
	t.Parallel()
	var closed []string
	m := NewMachines(MachineOptions{CacheDir: "cache"})
	if m.CacheDir() != "cache" {
		t.Errorf("CacheDir = %q, want cache", m.CacheDir())
	}
	broken := errors.New("broken")
	if _, err := Machine(m, "a", func() (*engine, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("a machine that cannot be made: %v", err)
	}
	var mu sync.Mutex
	made := 0
	build := func() (*engine, error) {
		mu.Lock()
		defer mu.Unlock()
		made++
		return &engine{&closed}, nil
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := Machine(m, "a", build); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("made %d times, want once", made)
	}
	for range 2 {
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(closed) != 1 {
		t.Errorf("closed %v, want the one machine", closed)
	}
	if _, err := Machine(m, "a", build); !errors.Is(err, ErrMachinesClosed) {
		t.Errorf("a machine after Close: %v", err)
	}
	if _, err := Machine(m, "b", build); !errors.Is(err, ErrMachinesClosed) {
		t.Errorf("a new machine after Close: %v", err)
	}
}

func TestAScopeWithoutMachinesHasItsOwn(t *testing.T) {
	t.Parallel()
	shared := NewShared()
	a, b := Scope{Shared: shared}.Isolated(), Scope{Shared: shared, Lenient: true}.Isolated()
	if a == nil || a != b {
		t.Error("two scopes of one Shared have different machines")
	}
	given := NewMachines(MachineOptions{})
	if (Scope{Shared: shared, Machines: given}).Isolated() != given {
		t.Error("a scope does not use the machines that it is given")
	}
}
