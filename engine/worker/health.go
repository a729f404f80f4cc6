package worker

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/hooks"
)

// health is what this worker knows of a gate beside what the store does. It is lost with the process: an open breaker is not, nor are the
// times at which tasks are due.
type health struct {
	failures failures
	bucket   bucket
	// asked is until when the receiver asked to be left alone.
	asked time.Time
	// ramp, where not 0, is how many slots the gate has while its destination comes back: with each answer one more.
	ramp int
	// well says that the last attempt was answered.
	well bool
	// tripping counts the jobs that open the gate's breaker and are yet to settle that: until then nothing more is let through.
	tripping int
	// keys are those of the hooks that send through the gate, for gates that are no destination's name; the last ones.
	keys []string
}

// maxKeys hooks are remembered of one gate.
const maxKeys = 16

// maxHealths gates are remembered; beyond that those of which there is nothing to remember are forgotten, and beyond ten times that those
// of which only the hooks are.
const maxHealths = 10_000

// heldFor is how long a task is given back whose own destination is held back, where that shows only when it is claimed.
const heldFor = time.Minute

// healthOf gives what is known of a gate. w.mu is held.
func (w *Worker) healthOf(gate string) *health {
	h := w.healths[gate]
	if h == nil {
		if len(w.healths) >= max(w.sweepAt, maxHealths) {
			now, all := w.now(), len(w.healths) >= 10*maxHealths
			for name, h := range w.healths {
				if h.failures.quiet() && h.ramp == 0 && h.tripping == 0 && h.bucket.used == 0 && !h.asked.After(now) && (all || h.keys == nil) {
					delete(w.healths, name)
				}
			}
			w.sweepAt = len(w.healths) + maxHealths // not again for each new one
		}
		h = &health{}
		w.healths[gate] = h
	}
	return h
}

// limits bind a gate.
type limits struct {
	hold        bool
	concurrency int // 0 where nothing is said
	perSecond   float64
	burst       int
	limited     bool
}

func limitsOf(d *destination.Destination) limits {
	l := limits{hold: d.Hold(), concurrency: d.Concurrency()}
	l.perSecond, l.burst, l.limited = d.Rate()
	return l
}

// stricter gives limits that keep to both.
func (l limits) stricter(o limits) limits {
	l.hold = l.hold || o.hold
	if l.concurrency <= 0 || o.concurrency > 0 && o.concurrency < l.concurrency {
		l.concurrency = o.concurrency
	}
	if !l.limited || o.limited && o.perSecond < l.perSecond {
		l.perSecond, l.burst, l.limited = o.perSecond, o.burst, o.limited
	}
	return l
}

// limits gives what binds a gate, as the running configuration says it; false where nobody has said anything. Where several hooks send
// through one gate, as they do to a subscription, all that they say is kept to. w.mu is held.
func (w *Worker) limits(gate string) (out limits, known bool) {
	if d, ok := w.o.World.Destination(gate); ok {
		return limitsOf(d), true
	}
	if h := w.healths[gate]; h != nil {
		for _, key := range h.keys {
			d, ok := w.o.World.Destination(key)
			switch {
			case ok && known:
				out = out.stricter(limitsOf(d))
			case ok:
				out, known = limitsOf(d), true
			}
		}
	}
	return out, known
}

// admit says whether an attempt may begin. Which hook a task at the gate of a subscription is for shows only now: it is remembered. Where
// the destination is held back, or its breaker is about to open, the task is given back uncharged.
func (j *job) admit(ctx context.Context, ask node.Deliver, dest *destination.Destination) bool {
	w, gate := j.w, j.c.Task.Gate
	w.mu.Lock()
	if _, ok := w.o.World.Destination(gate); !ok {
		h := w.healthOf(gate)
		if !slices.Contains(h.keys, ask.Destination) {
			_, known := w.limits(gate)
			h.keys = append(h.keys, ask.Destination)
			h.keys = h.keys[max(0, len(h.keys)-maxKeys):]
			if perSecond, burst, limited := dest.Rate(); limited && !known { // what was claimed has used none yet
				h.bucket.free(w.now(), perSecond, burst)
				h.bucket.take(1)
			}
		}
	}
	h := w.healths[gate]
	tripping := h != nil && h.tripping > 0
	w.mu.Unlock()
	switch {
	case dest.Hold():
		j.back(ctx, store.Then{Again: true, In: heldFor, N: j.c.Task.N})
		return false
	case tripping:
		j.release(ctx)
		return false
	}
	return true
}

// allowance gives how many tasks of a gate may be claimed now. Where there are none although slots are free, wait is how long until there
// may be; negative where nothing but another answer, or a person, changes that.
func (w *Worker) allowance(it store.Work, now time.Time) (n int, wait time.Duration) {
	free := w.slots(it.Gate) - w.inFlight[it.Gate]
	if w.wary[it.Gate] {
		free = 1 - w.inFlight[it.Gate]
	}
	if it.Disabled {
		return free, -1 // its tasks are only parked
	}
	if it.Probe { // what is under way, be it from before, holds the probe back
		free = 1 - w.inFlight[it.Gate]
	}
	h := w.healths[it.Gate]
	if h != nil && h.ramp > 0 {
		free = min(free, h.ramp-w.inFlight[it.Gate])
	}
	l, known := w.limits(it.Gate)
	if !known && strings.HasPrefix(it.Gate, run.SubscriptionGate) {
		free = min(free, 1-w.inFlight[it.Gate]) // the first one says which hook's limits bind them
	}
	switch {
	case free <= 0, l.hold, h != nil && h.tripping > 0:
		return 0, -1
	case h != nil && h.asked.After(now):
		return 0, h.asked.Sub(now)
	}
	if l.limited {
		tokens, wait := w.healthOf(it.Gate).bucket.free(now, l.perSecond, l.burst)
		if tokens == 0 {
			return 0, wait
		}
		free = min(free, tokens)
	}
	return free, -1
}

// spend uses up tokens of a gate's rate for tasks that were claimed.
func (w *Worker) spend(gate string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l, _ := w.limits(gate); l.limited {
		w.healthOf(gate).bucket.take(n)
	}
}

// unspent gives a token back for which no attempt was made.
func (w *Worker) unspent(gate string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.healths[gate]; h != nil {
		h.bucket.give()
	}
}

// leave holds a gate back because its receiver asked for time.
func (w *Worker) leave(ctx context.Context, gate string, d time.Duration) {
	d = min(d, maxHold)
	until := w.now().Add(d)
	w.mu.Lock()
	h := w.healthOf(gate)
	later := until.After(h.asked)
	if later {
		h.asked = until
	}
	w.mu.Unlock()
	if later {
		w.o.Logger.DebugContext(ctx, "a destination asked for time", "destination", gate, "wait", d)
	}
}

// note counts an attempt at a gate and says whether its breaker is to open. Where it is, the gate is held back until tripped is called.
func (w *Worker) note(gate string, b destination.Breaker, failed bool) (open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.healthOf(gate)
	h.well = !failed
	if !failed && h.ramp > 0 {
		if h.ramp++; h.ramp >= w.slots(gate) {
			h.ramp = 0
		}
	}
	if b.Off {
		h.failures = failures{}
		return false
	}
	if open = h.failures.note(w.now(), b, failed); open {
		h.failures = failures{}
		h.tripping++
	}
	return open
}

// tripped ends what note began: the breaker is open in the store, or is not to be.
func (w *Worker) tripped(gate string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.healths[gate]; h != nil {
		h.tripping = max(0, h.tripping-1)
	}
}

// back lets a gate whose destination answers again have half of its slots, and with each answer more.
func (w *Worker) back(gate string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.healthOf(gate)
	h.failures = failures{}
	if h.ramp = (w.slots(gate) + 1) / 2; h.ramp >= w.slots(gate) {
		h.ramp = 0
	}
}

// weigh says what an attempt means for the gate that its task passed. A permanent failure is an answer: who answers is there. Where
// nobody was asked (the egress guard refused), nothing follows.
func (j *job) weigh(ctx context.Context, dest *destination.Destination, att hooks.Attempt, v destination.Verdict) {
	w, gate := j.w, j.c.Task.Gate
	failed := v.Outcome == run.AttemptTemporary || v.Outcome == run.AttemptUnknown
	if failed && ctx.Err() != nil || !failed && v.Outcome != run.AttemptOK && att.Status == 0 {
		return
	}
	if (att.Status == 429 || att.Status == 503) && v.RetryAfter > 0 {
		w.leave(ctx, gate, v.RetryAfter)
	}
	b := dest.Breaker()
	open := w.note(gate, b, failed)
	j.tripping = open
	switch {
	case j.share.probe && (!failed || b.Off):
		j.trip = &store.Trip{Gate: gate}
	case j.share.probe:
		j.again(ctx, gate, b)
	case open:
		j.opened(ctx, gate, b)
	}
}

// opened opens the breaker of a gate, unless another attempt has done that.
func (j *job) opened(ctx context.Context, gate string, b destination.Breaker) {
	g, err := j.w.o.Queue.Gate(context.WithoutCancel(ctx), gate)
	if err != nil {
		j.w.o.Logger.WarnContext(ctx, "reading a gate", "destination", gate, "error", err)
		return // the next ones that fail open it
	}
	if g.Breaker.State != "" && g.Breaker.State != store.BreakerClosed {
		return
	}
	j.trip = &store.Trip{Gate: gate, Open: true, In: pauseOf(b, 1), Trips: 1}
	j.happened(failing(gate, 1, j.w.now().Add(j.trip.In)), g)
}

// again leaves a destination alone for longer, whose probe failed; or for good, where that has been so for days.
func (j *job) again(ctx context.Context, gate string, b destination.Breaker) {
	g, err := j.w.o.Queue.Gate(context.WithoutCancel(ctx), gate)
	if err != nil {
		j.w.o.Logger.WarnContext(ctx, "reading a gate", "destination", gate, "error", err)
		return // it stays half open
	}
	now, trips := j.w.now(), g.Breaker.Trips+1
	j.trip = &store.Trip{Gate: gate, Open: true, In: pauseOf(b, trips), Trips: trips}
	switch until := g.Breaker.Until; {
	case !until.IsZero() && now.Sub(until) > idleAfter:
		j.trip.Anew = true // nobody has tried for so long that it may have been back in between
	case !g.Breaker.Since.IsZero() && now.Sub(g.Breaker.Since) >= deadAfter:
		j.disable(ctx, gate, "no attempt succeeded for 5 days")
	}
}

// disable lets nothing pass a gate any more until a person enables it. One that is disabled already stays as it is.
func (j *job) disable(ctx context.Context, gate, reason string) {
	now := j.w.now()
	g, err := j.w.o.Queue.Gate(context.WithoutCancel(ctx), gate)
	if err == nil && g.State == store.GateDisabled {
		return
	}
	j.gate = &store.Gate{Name: gate, State: store.GateDisabled, Reason: reason, Since: now}
	if err == nil {
		j.happened(disabled(gate, reason, now), g)
	}
}

// tellGate logs what was written of a gate.
func (j *job) tellGate(ctx context.Context) {
	if t := j.trip; t != nil {
		switch {
		case !t.Open:
			j.w.back(t.Gate)
			j.w.o.Logger.InfoContext(ctx, "destination recovered", "destination", t.Gate)
		case t.Trips == 1:
			j.w.o.Logger.WarnContext(ctx, "destination failing", "destination", t.Gate, "wait", t.In)
		default:
			j.w.o.Logger.DebugContext(ctx, "destination still failing", "destination", t.Gate, "wait", t.In)
		}
	}
	if j.gate != nil {
		j.w.o.Logger.ErrorContext(ctx, "destination disabled", "destination", j.gate.Name, "reason", j.gate.Reason)
	}
}
