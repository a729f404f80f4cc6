package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/reply"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/hooks"
)

// World is the running configuration as the worker needs it. Each call may see a newer snapshot.
type World interface {
	// Pipelines gives the live pipelines that an event of that provider and name starts, filters aside.
	Pipelines(provider, name string) []*pipeline.Diagram
	// Pipeline gives the live pipeline of a name.
	Pipeline(name string) (*pipeline.Diagram, bool)
	// Diagram gives a pipeline as it was at a revision; the error says why there is none any more.
	Diagram(ctx context.Context, name, revision string) (*pipeline.Diagram, error)
	// Destination gives the live destination of a key.
	Destination(key string) (*destination.Destination, bool)
}

// Checker holds events against their schemas while they are routed, after the sender has been answered.
type Checker interface {
	// Findings says how an event's payload differs from its schema, nothing where it fits or is not to be looked at here. Value gives
	// the decoded payload, the same to every caller; nobody may change it.
	Findings(e *event.Event, value func() any) []event.Finding
}

// Deliverer makes one outgoing attempt; *hooks.Client is one.
type Deliverer interface {
	Deliver(ctx context.Context, req hooks.Request) (hooks.Attempt, error)
}

// Player makes attempts in simulated time, as tests do. It is told whose attempt a request is. Its context ends only where the work is given
// up: time limits are simulated, too, and Player sees to them.
type Player interface {
	Play(ctx context.Context, a Attempt, req hooks.Request) (hooks.Attempt, error)
}

// Attempt says whose attempt a request is.
type Attempt struct {
	Run            run.ID
	Pipeline, Path string
	// Published is, of a run to a subscriber, the path of the hook that published it and the subscription: "Each[3]/Tell[sub_1]"; Pipeline
	// and Path are those of the run itself. "" for all others.
	Published string
	Round, N  int
	// Left is what is left of the node's own timeout; 0 where it has none.
	Left time.Duration
}

// Queue is what the worker needs of the store.
type Queue interface {
	Due(ctx context.Context) (store.Due, error)
	Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error)
	Settle(ctx context.Context, settlements []store.Settlement) ([]error, error)
	Extend(ctx context.Context, held []store.Held, lease time.Duration) ([]error, error)
	Release(ctx context.Context, held []store.Held) error
	Run(ctx context.Context, id run.ID) (store.RunRecord, error)
	Waits(ctx context.Context) ([]string, error)
	Events(ctx context.Context, q store.EventQuery) (store.EventPage, error)
	Event(ctx context.Context, id event.ID) (event.Event, error)
	Body(ctx context.Context, id event.ID) ([]byte, error)
	Runs(ctx context.Context, q store.RunQuery) (store.RunPage, error)
	Gate(ctx context.Context, name string) (store.Gate, error)
	Job(ctx context.Context, id string) (store.Job, error)
	Changed() <-chan struct{}
}

// Replies are the open requests that runs may answer; *reply.Desk is one. Its methods must not block.
type Replies interface {
	Routed(request string, runs int)
	Answer(request string, r reply.Reply)
	Over(request string)
}

// Observer is told what happened; its methods must not block.
type Observer interface {
	Attempt(destination, outcome string, took time.Duration)
	RunEnded(pipeline, state, outcome string)
	Routed(provider string, took time.Duration)
	// Measure is told what a metric node measured, once its step is settled.
	Measure(m node.Measure)
}

// Options is what New needs; Queue, World, Logger and one of Deliverer and Player are required.
type Options struct {
	Queue     Queue
	World     World
	Deliverer Deliverer
	Player    Player // goes before Deliverer
	Logger    *slog.Logger
	Observer  Observer // may be nil
	Replies   Replies  // may be nil
	Checker   Checker  // may be nil
	Audience  Audience // may be nil: nobody
	// Now is the clock that times steps; time.Now where nil.
	Now func() time.Time
	// Lease is how long a claim lasts before it must be renewed; default 60 s, twice the longest default attempt.
	Lease time.Duration
	// Poll is the longest time between two looks at the store; default 1 s. It is the safety net under Changed.
	Poll time.Duration
}

// The worker's fixed bounds.
const (
	// routeBatch tasks are routed and settled together: large enough to share a commit, small enough to keep the lease short.
	routeBatch = 128
	// routeBatches may be under way at once: one that computes while one waits for its commit.
	routeBatches = 2
	// computingSlots bounds the tasks of one pipeline that stand before no destination. Most of the time they wait for their commits, which
	// are shared: a few slots would make thousands of timeouts that end at once wait for one commit after the other.
	computingSlots = 64
	// defaultSlots bounds the attempts at one gate where the destination says nothing else.
	defaultSlots = 10
	// maxInFlight bounds all attempts together, and all other tasks, so that memory is bounded whatever the count of destinations.
	maxInFlight = 1024
	// routeTime is how long the nodes of one event are worked on while it is routed, and batchTime those of all events of a batch: nearly
	// all are through by then, and whoever is not goes on in a task at the gate of its own pipeline, beside all others. Entries are looked
	// at nevertheless, so that what a filter stops costs no more; where they alone have taken lateBy longer they are left to tasks, too.
	routeTime = 20 * time.Millisecond
	batchTime = 50 * time.Millisecond
	lateBy    = 150 * time.Millisecond
	// settleAfter is how long a batch is worked on before what is there is settled: as long as a reader of the log hardly notices.
	settleAfter = 100 * time.Millisecond
	// taskTime is how long the nodes of a run are worked on in one task: long beside the commit that each slice costs, short beside what
	// others would notice who wait for the same processor.
	taskTime = 50 * time.Millisecond
	// foldBytes is how much one settlement may add to what is kept of a run before the rest is left to another one, and batchBytes how
	// much those of a batch may together. Beside what is stored, twice as much may be under way as text and as values.
	foldBytes  = 2 << 20
	batchBytes = 8 << 20
	// maxClaimsFailed claims may fail in a pass before the others are left for the next one: what one gate has may be unreadable, but that
	// of several rarely is.
	maxClaimsFailed = 8
	// maxFolds bounds how often one settlement is worked out again because its run moved.
	maxFolds = 16
)

// Worker claims and performs. Make it with New.
type Worker struct {
	o    Options
	now  func() time.Time
	pump *service.Loop
	beat *service.Loop
	// attempts is the context of all work; it outlives the pump until the drain is over.
	attempts context.Context
	cancel   context.CancelCauseFunc
	// waits is the context of what waits for the store to take writes again; it ends when giveUp is called, or with attempts.
	waits  context.Context
	giveUp context.CancelFunc
	// settled counts the settlements that the store has taken.
	settled atomic.Int64

	mu        sync.Mutex
	inFlight  map[string]int     // by gate
	total     int                // attempts
	computed  int                // tasks that stand before no destination
	ahead     map[string]*turns  // by gate: whose turn it is
	lastGate  string             // that was given a slot
	healths   map[string]*health // by gate
	sweepAt   int                // how many healths there are when those of quiet gates are forgotten next
	reaches   map[*pipeline.Diagram]reach
	wary      map[string]bool // by gate: its tasks are worked on one at a time, for one of them may have killed the process; see apart
	routing   []chan struct{} // for each batch that is being routed, in the order claimed; closed when it is settled
	held      map[int64]store.Held
	settling  map[run.ID]*turnstile
	computing map[string]chan struct{} // by gate: how many of its tasks compute at once
	passed    map[string]bool          // groups of waits that were told of as passed over
	metrics   map[string]*node.Metric  // by name, as a run of a live revision described them last
	targets   targets                  // of hooks to subscribers
	wake      chan struct{}
	work      sync.WaitGroup
	// lastPass is when the pump last came by the queue; nil before that.
	lastPass atomic.Pointer[time.Time]
}

// New checks the options; the error names the field that is missing.
func New(o Options) (*Worker, error) {
	switch {
	case o.Queue == nil:
		return nil, errors.New("worker: Queue is missing")
	case o.World == nil:
		return nil, errors.New("worker: World is missing")
	case o.Deliverer == nil && o.Player == nil:
		return nil, errors.New("worker: Deliverer is missing")
	case o.Logger == nil:
		return nil, errors.New("worker: Logger is missing")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Lease <= 0 {
		o.Lease = time.Minute
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	if o.Replies == nil {
		o.Replies = unasked{}
	}
	if o.Audience == nil {
		o.Audience = nobody{}
	}
	w := &Worker{
		o: o, now: o.Now, inFlight: map[string]int{}, ahead: map[string]*turns{}, healths: map[string]*health{}, wary: map[string]bool{}, reaches: map[*pipeline.Diagram]reach{}, held: map[int64]store.Held{},
		settling: map[run.ID]*turnstile{}, computing: map[string]chan struct{}{}, passed: map[string]bool{}, metrics: map[string]*node.Metric{}, wake: make(chan struct{}, 1),
	}
	w.attempts, w.cancel = context.WithCancelCause(context.Background())
	w.waits, w.giveUp = context.WithCancel(w.attempts)
	w.pump, w.beat = service.NewLoop(w.run), service.NewLoop(w.renew)
	return w, nil
}

type silent struct{}

func (silent) Attempt(string, string, time.Duration) {}
func (silent) RunEnded(string, string, string)       {}
func (silent) Routed(string, time.Duration)          {}
func (silent) Measure(node.Measure)                  {}

type unasked struct{}

func (unasked) Routed(string, int)         {}
func (unasked) Answer(string, reply.Reply) {}
func (unasked) Over(string)                {}

// Turn claims all that is due, works on it and waits until it is settled, again and again until nothing is due any more. It gives how
// long until the next task is due, negative where none waits. It is for callers that step time; it must not be used beside Start.
func (w *Worker) Turn(ctx context.Context) (next time.Duration, err error) {
	for {
		n, next, err := w.Step(ctx)
		w.work.Wait()
		if err != nil || n == 0 {
			return next, err
		}
	}
}

// Step claims what is due and begins to work on it. It gives how many tasks it claimed, and how long until the next one is due, negative
// where none waits. It is for callers that step time while attempts are under way: InFlight tells how many, and Ended when to look
// again. It must not be used beside Start, or by two at once.
func (w *Worker) Step(ctx context.Context) (claimed int, next time.Duration, err error) {
	due, err := w.o.Queue.Due(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("asking what is due: %w", err)
	}
	claimed, next, err = w.pass(ctx, ctx, due)
	return claimed, next, err
}

// sooner gives the shorter of two times, of which a negative one is none.
func sooner(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// Ended gives the channel that receives when work has ended since it was last received from.
func (w *Worker) Ended() <-chan struct{} { return w.wake }

// pass claims from each gate and lane what fits and starts the work; it gives how many tasks it claimed, and how long until there may be
// more, negative where nothing says when. Tasks are worked on under the second context, which outlives a stop of the loop until the
// drain is over.
func (w *Worker) pass(ctx, work context.Context, due store.Due) (claimed int, next time.Duration, err error) {
	shares, wait := w.shares(due.Work)
	next = sooner(due.Next, wait)
	var failed []error
	for _, share := range shares {
		before, settled := []chan struct{}(nil), func() {}
		if share.gate == run.RouteGate {
			before, settled = w.line() // before the claim: at no time is an event neither due, nor in line, nor routed
		}
		tasks, err := w.claim(ctx, store.Claim{Gate: share.gate, Lane: share.lane, Max: share.max, Lease: w.o.Lease})
		if err != nil {
			settled()
			failed = append(failed, fmt.Errorf("claiming from gate %q: %w", share.gate, err))
			if len(failed) >= maxClaimsFailed || ctx.Err() != nil {
				break // it is the store, not one gate
			}
			continue
		}
		if len(tasks) == 0 {
			settled()
			continue
		}
		claimed += len(tasks)
		w.hold(tasks)
		tasks, rest := w.apart(share.gate, tasks)
		alone := w.giveBack(work, share.gate, rest)
		if share.gate == run.RouteGate {
			w.begin(share.gate, 1)
			w.work.Go(func() {
				defer w.end(share.gate, 1, tasks...)
				defer settled()
				<-alone
				w.route(work, tasks, before)
			})
			continue
		}
		w.begin(share.gate, len(tasks))
		w.charge(share.gate, share.lane, len(tasks))
		w.spend(share.gate, len(tasks))
		for _, task := range tasks {
			w.work.Go(func() {
				defer w.end(share.gate, 1, task)
				<-alone
				w.perform(work, task, share)
			})
		}
	}
	return claimed, next, errors.Join(failed...)
}

// claim asks the store even while we are being stopped: a claim that is cut off may have been made, and would count as lost.
func (w *Worker) claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.o.Lease)
	defer cancel()
	return w.o.Queue.Claim(ctx, c)
}

func (w *Worker) hold(tasks []store.Claimed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range tasks {
		h := tasks[i].Held()
		w.held[h.Task] = h
	}
}

func (w *Worker) begin(gate string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight[gate] += n
	w.count(gate, n)
}

// count counts tasks under way. w.mu is held.
func (w *Worker) count(gate string, n int) {
	if computes(gate) {
		w.computed += n
	} else {
		w.total += n
	}
}

func (w *Worker) end(gate string, n int, tasks ...store.Claimed) {
	w.mu.Lock()
	w.count(gate, -n)
	if w.inFlight[gate] -= n; w.inFlight[gate] <= 0 {
		delete(w.inFlight, gate)
	}
	for i := range tasks {
		if h := tasks[i].Held(); w.held[h.Task] == h {
			delete(w.held, h.Task)
		}
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// InFlight is the count of tasks being worked on.
func (w *Worker) InFlight() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.held)
}
