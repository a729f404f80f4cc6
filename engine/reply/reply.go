// Package reply brings the answers of runs to the requests that wait for them: pipelines with a respond node answer the sender while its
// request is still open.
//
//	ingress:  Expect, then Append, then Wait           worker:  Routed, then Answer or Over for each run
//
// A [Desk] knows requests by their X-Request-Id and forgets one when its ticket is closed. Nothing here is durable: a request that is
// open in another process, or has been given up, is nobody's here, and what is told of it changes nothing. It holds no goroutine and no
// timer. All methods may be called by many goroutines at once.
package reply

import (
	"context"
	"sync"
	"sync/atomic"
)

// Reply is what a sender is answered.
type Reply struct {
	Status  int
	Headers map[string]string
	Body    []byte
}

// maxOpen requests may wait at once: each holds its connection and what it was read into.
const maxOpen = 10_000

// Desk is where open requests and runs meet. Make it with New.
type Desk struct {
	count atomic.Int64 // open requests: who has none to tell of takes no lock

	mu      sync.Mutex
	open    map[string]*Ticket
	stopped chan struct{} // nil before Stop; closed when nobody waits any more
}

// New makes a desk.
func New() *Desk { return &Desk{open: map[string]*Ticket{}} }

// Ticket is one open request.
type Ticket struct {
	desk    *Desk
	request string
	settled chan struct{} // closed when there is a reply, or nothing to wait for any more

	// What follows belongs to the desk's lock.
	waiting bool // how many events were stored is known
	// left counts what may still reply: events that are not yet routed, and runs. Before waiting it lacks the events.
	left  int
	done  bool
	reply *Reply
}

// Expect opens a ticket for a request, before its events are stored: they may be routed before the store's answer is here. Where the
// same request has one already, the new one takes its place. It is nil where too many wait already.
func (d *Desk) Expect(request string) *Ticket {
	t := &Ticket{desk: d, request: request, settled: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[request] == nil {
		if len(d.open) >= maxOpen {
			return nil
		}
		d.count.Add(1)
	}
	d.open[request] = t
	return t
}

// Wait waits for the first reply to a request of which this many events were stored and will be routed. It is false where all runs that
// could reply have ended without, or were none; where ctx ends, which is its caller's business to tell apart; and where the desk was
// stopped. It is called once.
func (t *Ticket) Wait(ctx context.Context, events int) (Reply, bool) {
	t.desk.mu.Lock()
	t.waiting = true
	t.left += events
	t.settle()
	if t.desk.stopped != nil {
		t.end()
	}
	t.desk.mu.Unlock()
	select {
	case <-t.settled:
	case <-ctx.Done():
	}
	t.desk.mu.Lock()
	defer t.desk.mu.Unlock()
	if t.reply == nil {
		return Reply{}, false
	}
	return *t.reply, true
}

// Over says whether nothing can reply any more. It tells a Wait that was in vain from one that was cut short.
func (t *Ticket) Over() bool {
	t.desk.mu.Lock()
	defer t.desk.mu.Unlock()
	return t.waiting && t.left <= 0
}

// Close gives the ticket back; what comes later for the request is dropped. It may be called more than once.
func (t *Ticket) Close() {
	t.desk.mu.Lock()
	defer t.desk.mu.Unlock()
	if t.desk.open[t.request] == t {
		delete(t.desk.open, t.request)
		t.desk.count.Add(-1)
		t.desk.idle()
	}
}

// Routed tells that an event of a request was routed, and how many of its runs may reply.
func (d *Desk) Routed(request string, runs int) {
	d.tell(request, func(t *Ticket) { t.left += runs - 1 })
}

// Answer gives the reply of a run to a request. Only the first one counts.
func (d *Desk) Answer(request string, r Reply) {
	d.tell(request, func(t *Ticket) {
		if t.reply == nil && !t.done {
			t.reply = &r
			t.end()
		}
	})
}

// Over tells that a run which might have replied to a request has ended, or was parked: it will not reply in time.
func (d *Desk) Over(request string) {
	d.tell(request, func(t *Ticket) { t.left-- })
}

func (d *Desk) tell(request string, what func(*Ticket)) {
	if d.count.Load() == 0 {
		return // a ticket is opened before its events are stored, so there is none
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.open[request]; t != nil {
		what(t)
		t.settle()
	}
}

// settle ends the wait where nothing can reply any more.
func (t *Ticket) settle() {
	if t.waiting && t.left <= 0 {
		t.end()
	}
}

func (t *Ticket) end() {
	if !t.done {
		t.done = true
		close(t.settled)
	}
}

// Stop lets later requests no longer wait, and those that wait until ctx ends; then it lets them go without a reply. It returns when
// none waits any more or ctx has ended, and is idempotent.
func (d *Desk) Stop(ctx context.Context) {
	d.mu.Lock()
	if d.stopped == nil {
		d.stopped = make(chan struct{})
		d.idle()
	}
	stopped := d.stopped
	d.mu.Unlock()
	select {
	case <-stopped:
		return
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.open {
		t.end()
	}
}

// idle tells Stop that no request waits; whoever calls holds the lock.
func (d *Desk) idle() {
	if d.stopped == nil || len(d.open) > 0 {
		return
	}
	select {
	case <-d.stopped:
	default:
		close(d.stopped)
	}
}
