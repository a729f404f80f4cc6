package language

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Machines hold what isolated languages need for the life of a process: compiled guests, caches, bounds on how many run at once. Each is
// made when a program first needs it. Machines may be used by many goroutines at once; Close ends them.
type Machines struct {
	options MachineOptions

	mu     sync.Mutex
	kept   map[string]*machine
	order  []*machine // as they were made, to close them in reverse
	closed bool
	ahead  sync.WaitGroup // those that are made beside what goes on
}

// MachineOptions are what Machines may use.
type MachineOptions struct {
	// CacheDir is a folder in which compiled guests are kept between two starts; "" keeps them in memory only.
	CacheDir string
	// Ahead makes a machine beside what goes on as soon as something is compiled that needs it, instead of when that is first run.
	Ahead bool
	// Logger is told of machines that do not end; nil tells nobody.
	Logger *slog.Logger
}

// ErrMachinesClosed is the error of making a machine after Close.
var ErrMachinesClosed = errors.New("the machines of isolated languages are closed")

// machine is one value and the lock under which it is made; a slow one keeps nobody else waiting.
type machine struct {
	mu    sync.Mutex
	value Closer
}

// Closer is what a machine ends with: it waits until ctx at most for what still runs in it.
type Closer interface {
	Close(ctx context.Context) error
}

// NewMachines makes Machines; nothing is started.
func NewMachines(o MachineOptions) *Machines {
	return &Machines{options: o, kept: map[string]*machine{}}
}

// CacheDir gives the folder for compiled guests, "" for none.
func (m *Machines) CacheDir() string { return m.options.CacheDir }

// Logger gives the logger of the machines.
func (m *Machines) Logger() *slog.Logger {
	if m.options.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return m.options.Logger
}

// Machine gives the machine that is kept under a key, and makes it first where there is none. Callers that ask for one while it is made
// wait for it; after a failure the next one tries again.
func Machine[T Closer](m *Machines, key string, build func() (T, error)) (T, error) {
	var none T
	k, err := m.slot(key)
	if err != nil {
		return none, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if v, ok := k.value.(T); ok {
		return v, nil
	}
	v, err := build()
	if err != nil {
		return none, err
	}
	k.value = v
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed { // while it was made: nobody else will close it
		return none, errors.Join(ErrMachinesClosed, v.Close(context.Background()))
	}
	m.order = append(m.order, k)
	return v, nil
}

// Prepare begins to make the machine of a key beside what goes on, where the options say so. What goes wrong there goes wrong again for
// the first that asks.
func Prepare[T Closer](m *Machines, key string, build func() (T, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.options.Ahead || m.closed || m.kept[key] != nil {
		return
	}
	m.kept[key] = &machine{}
	m.ahead.Go(func() { _, _ = Machine(m, key, build) })
}

func (m *Machines) slot(key string) (*machine, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrMachinesClosed
	}
	k := m.kept[key]
	if k == nil {
		k = &machine{}
		m.kept[key] = k
	}
	return k, nil
}

// patience is how long Close waits for a machine that is being made. Making one cannot be cut short; what is made later closes itself.
const patience = 2 * time.Second

// Close ends all machines, the last made first; no new one is made afterwards. It may be called more than once.
func (m *Machines) Close(ctx context.Context) error {
	m.mu.Lock()
	order := m.order
	m.order, m.closed = nil, true
	m.mu.Unlock()
	made := make(chan struct{})
	go func() {
		m.ahead.Wait()
		close(made)
	}()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-made:
	case <-limited.Done():
	}
	var errs []error
	for _, k := range slices.Backward(order) {
		errs = append(errs, k.value.Close(ctx))
	}
	return errors.Join(errs...)
}

// Isolated gives the machines of the scope. Where it has none they are kept with Shared; nobody closes those.
func (s Scope) Isolated() *Machines {
	if s.Machines != nil {
		return s.Machines
	}
	m, _ := Keep(s.Shared, "machines", func() (*Machines, error) { return NewMachines(MachineOptions{}), nil })
	return m
}
