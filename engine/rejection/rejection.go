// Package rejection keeps a record of the requests that were refused, for whoever has to find out why.
//
// A [Recorder] takes them from the public listener without ever making it wait, and writes them to the store in the background.
// A stranger can cause refusals without end, so that each kind of them (a provider and a code) may only write so much; what is over
// that is counted, and the next record of its kind carries the count; where none comes, one is made for it. It decides nothing about
// requests.
package rejection

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/store"
)

// Store is what a Recorder needs of a store.Store.
type Store interface {
	PutRejections(ctx context.Context, rejections []store.Rejection) error
}

// The Recorder's bounds.
const (
	// burst records of one kind are written at once: enough to try a signature out by hand and see each failure.
	burst = 20
	// refill is how long until one more may be: a kind that never ends then fills the store's log in a day, not in a minute.
	refill = 10 * time.Second
	// maxKinds are told apart; those beyond share one. A gateway has far fewer providers times codes.
	maxKinds = 4096
	// maxQueue records wait for the store while it is busy.
	maxQueue = 1024
	// writeTime bounds one write: longer than a slow commit, shorter than a drain, as a Stop waits for the last two.
	writeTime = 2 * time.Second
)

// Options is what New needs. Store and Logger are required.
type Options struct {
	Store  Store
	Logger *slog.Logger
	// Now gives the time by which kinds are limited; time.Now where nil.
	Now func() time.Time
}

// Recorder is a service.Service that records refused requests. Its methods may be called by any number of goroutines at once.
type Recorder struct {
	o    Options
	loop *service.Loop
	wake chan struct{}

	mu      sync.Mutex
	queue   []store.Rejection
	kinds   map[kind]*allowance
	dropped int // of the queue, since it was last told
}

var _ service.Service = (*Recorder)(nil)

// kind is what refusals are limited by.
type kind struct{ provider, code string }

// kindOf gives the kind of a refusal. Names that are no provider's are the sender's invention and make one kind together.
func kindOf(r *store.Rejection) kind {
	if r.Code == "provider_not_found" || r.Code == "not_found" {
		return kind{code: r.Code}
	}
	return kind{r.Provider, r.Code}
}

// allowance is what one kind may still write, and what it has kept back.
type allowance struct {
	left   int
	filled time.Time // when left last grew
	kept   store.Rejection
	more   int  // how many requests were kept back; kept is one of the first of them, with the time of the last
	bare   bool // kept was only counted: the first that was looked into takes its place
}

// keep counts a refusal that is not written now. It says whether it is the first: then the writer has to look again.
func (a *allowance) keep(one *store.Rejection, bare bool, now time.Time) (first bool) {
	first = a.more == 0
	if first || a.bare && !bare {
		a.kept, a.bare = one.Bounded(0, now), bare
	}
	a.more += max(one.Count, 1)
	a.kept.At = now
	return first
}

// take says whether one more may be written now.
func (a *allowance) take(now time.Time) bool {
	if grown := int(now.Sub(a.filled) / refill); grown > 0 {
		a.left = min(a.left+grown, burst)
		a.filled = a.filled.Add(time.Duration(grown) * refill)
	}
	if a.left == 0 {
		return false
	}
	a.left--
	return true
}

// New makes a Recorder. Before its Start it keeps what fits its queue. The error names the option that is missing.
func New(o Options) (*Recorder, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("rejection: Options.Store is missing")
	case o.Logger == nil:
		return nil, errors.New("rejection: Options.Logger is missing")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Recorder{o: o, wake: make(chan struct{}, 1), kinds: map[kind]*allowance{}}
	r.loop = service.NewLoop(r.run)
	return r, nil
}

// Reject takes a refused request for the record. It never blocks and keeps no memory of the request. Its Count may say that it stands
// for others too; its ID is not read.
func (r *Recorder) Reject(one store.Rejection) {
	now := r.o.Now()
	one.Count = max(one.Count, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.allowance(kindOf(&one), now)
	if !a.take(now) {
		if a.keep(&one, false, now) {
			r.signal() // for the time when it may be written
		}
		return
	}
	one.Count += a.more
	a.more = 0
	r.put(one.Bounded(0, now))
}

// Count takes a refused request that is not worth a record of its own: the next record of its kind counts it, and where none comes within
// half a minute it is one. It never blocks and keeps no memory of the request.
func (r *Recorder) Count(one store.Rejection) {
	now := r.o.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.allowance(kindOf(&one), now).keep(&one, true, now) {
		r.signal()
	}
}

func (r *Recorder) allowance(k kind, now time.Time) *allowance {
	a := r.kinds[k]
	if a == nil && len(r.kinds) >= maxKinds {
		k = kind{}
		a = r.kinds[k]
	}
	if a == nil {
		a = &allowance{left: burst, filled: now}
		r.kinds[k] = a
	}
	return a
}

// put queues a record; where the store is too far behind it is dropped and counted.
func (r *Recorder) put(one store.Rejection) {
	if len(r.queue) >= maxQueue {
		r.dropped += one.Count
		return
	}
	r.queue = append(r.queue, one)
	r.signal()
}

func (r *Recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Start begins to write.
func (r *Recorder) Start(ctx context.Context) error { return r.loop.Start(ctx) }

// Stop writes what waits and ends. What is rejected from then on is forgotten.
func (r *Recorder) Stop(ctx context.Context) error { return r.loop.Stop(ctx) }

// run writes whenever something waits. While it writes, more of it gathers: a commit takes what came during the last one.
func (r *Recorder) run(ctx context.Context) error {
	for {
		batch, again := r.take(false)
		r.write(ctx, batch)
		var due <-chan time.Time
		if again {
			due = time.After(refill)
		}
		select {
		case <-r.wake:
		case <-due:
		case <-ctx.Done():
			batch, _ := r.take(true)
			r.write(ctx, batch)
			return nil
		}
	}
}

// take gives what is to be written now: the queue, and of each kind what was kept back and may be written, or all of it at the end.
// again says that something is still kept back.
func (r *Recorder) take(all bool) (batch []store.Rejection, again bool) {
	now := r.o.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	batch, r.queue = r.queue, nil
	for _, a := range r.kinds {
		switch {
		case a.more == 0:
		case all || a.take(now):
			a.kept.Count = a.more
			batch = append(batch, a.kept)
			a.more = 0
		default:
			again = true
		}
	}
	return batch, again
}

// write stores a batch, also while the loop is stopped. What cannot be stored is lost, and said so: a record of what was refused is not
// worth a retry.
func (r *Recorder) write(ctx context.Context, batch []store.Rejection) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	lost := 0
	var err error
	if len(batch) > 0 {
		if err = r.o.Store.PutRejections(ctx, batch); err != nil {
			for i := range batch {
				lost += batch[i].Count
			}
		}
	}
	r.mu.Lock()
	lost += r.dropped
	r.dropped = 0
	r.mu.Unlock()
	if lost > 0 {
		r.o.Logger.WarnContext(ctx, "refused requests could not be recorded", "count", lost, "error", err)
	}
}
