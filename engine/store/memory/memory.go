// Package memory keeps the event log and the queue in the memory of the process: for tests, for trials and as the model that
// every other store is compared with. It is written to be obviously right, not to be fast or small, and it loses everything
// when the process ends.
//
// Its main type is Store. All methods may be called by many goroutines at once.
package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Options is what a Store needs.
type Options struct {
	// Now gives the time; time.Now where nil. A clock that jumps back stands still for the store until it has caught up.
	Now func() time.Time
}

// Store is a store.Store in memory.
type Store struct {
	now     func() time.Time
	changed chan struct{}

	mu      sync.Mutex
	started bool
	high    time.Time // the latest time seen: the store's time never goes back

	lastEvent event.ID
	lastTask  int64
	lastToken int64
	lastRun   int64

	events   map[event.ID]*event.Event
	bodiless map[event.ID]bool // those whose body was dropped
	order    []event.ID        // ascending
	keys     map[deliveryKey]keyRow
	runs     map[run.ID]*runRow
	runOrder []*runRow // in the order they were made
	requests map[requestKey]bool

	tasks  map[int64]*taskRow
	queues map[queueKey][]*taskRow // waiting tasks in (due, id) order
	held   map[int64]*taskRow      // claimed tasks
	out    map[string]int64        // order keys of claimed tasks

	quotas  map[string]quotaRow
	turns   map[string]*turnsRow
	batches map[string]*batchRow // the open ones, by key
	items   map[itemKey]*batchRow

	gates     map[string]store.Gate
	revisions map[string]*revisionRow
	lastPut   int64
	ledger    store.Ledger

	lastRejection event.ID
	rejections    []store.Rejection // ascending
	secrets       []store.SealedSecret

	jobs          []store.Job // in the order they were made
	subscriptions []store.Subscription
	audit         []store.AuditEntry // ascending
}

var _ store.Store = (*Store)(nil)

type deliveryKey struct{ provider, delivery string }

type keyRow struct {
	id      event.ID
	state   event.State
	size    int
	crc     uint32
	expires time.Time
}

type runRow struct {
	seq      int64
	run      run.Run
	steps    []run.Step
	attempts []run.Attempt
	tasks    []*taskRow // the open ones, in the order they were made
	holds    []hold     // the turns that it must have, while it is open, or keeps, while it is parked
}

type taskRow struct {
	task    run.Task
	lease   time.Time // while claimed
	claimed time.Time
	lost    bool       // the last holder's lease ran out
	awaits  store.Wait // what wakes it; zero once it was woken
	called  bool       // it was woken while it was claimed
	batch   *batchRow  // that it belongs to, nil for none
}

type queueKey struct {
	gate string
	lane run.Lane
}

type requestKey struct {
	what, request string
	event         event.ID
	run           run.ID
}

type revisionRow struct {
	revision store.Revision
	put      int64 // grows with each PutRevision, so that the newest is known
}

// New makes an empty store; it needs Start.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{
		now:       o.Now,
		changed:   make(chan struct{}, 1),
		events:    map[event.ID]*event.Event{},
		bodiless:  map[event.ID]bool{},
		keys:      map[deliveryKey]keyRow{},
		runs:      map[run.ID]*runRow{},
		requests:  map[requestKey]bool{},
		tasks:     map[int64]*taskRow{},
		queues:    map[queueKey][]*taskRow{},
		held:      map[int64]*taskRow{},
		out:       map[string]int64{},
		quotas:    map[string]quotaRow{},
		turns:     map[string]*turnsRow{},
		batches:   map[string]*batchRow{},
		items:     map[itemKey]*batchRow{},
		gates:     map[string]store.Gate{},
		revisions: map[string]*revisionRow{},
		ledger:    store.Ledger{Runs: map[string]store.RunTerms{}},
	}
}

// Start makes the store ready. What it held before a Stop is still there; claims of that time count as lost, as they do when a
// process has died.
func (s *Store) Start(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return nil
	}
	s.started = true
	s.takeBack(s.clock(), true)
	s.signal()
	return nil
}

// Stop refuses everything from now on, until Start.
func (s *Store) Stop(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = false
	return nil
}

// Changed gives the channel that receives when there may be new due work.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// Info says that nothing here is durable.
func (s *Store) Info() store.Info {
	return store.Info{Kind: "memory", Warning: "events are kept in memory only and are lost when the process ends"}
}

// open locks the store and gives its time, or says why it cannot be used. The caller calls close only when err is nil.
func (s *Store) open(ctx context.Context) (now time.Time, unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, nil, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	s.mu.Lock()
	if !s.started {
		s.mu.Unlock()
		return time.Time{}, nil, fmt.Errorf("the store is not started: %w", store.ErrUnavailable)
	}
	return s.clock(), s.mu.Unlock, nil
}

// clock gives the store's time, which never goes back.
func (s *Store) clock() time.Time {
	if t := s.now().Round(0).UTC(); t.After(s.high) {
		s.high = t
	}
	return s.high
}

func (s *Store) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
