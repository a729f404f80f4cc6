package worker

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/hooks"
)

// hook makes one attempt of a hook, where its destination lets it.
func (j *job) hook(ctx context.Context, e pipeline.Effect, ask node.Deliver) {
	if j.share.disabled { // nothing passes it, a retry neither: the way back is to enable it
		j.barred(ctx, e, ask)
		return
	}
	dest, why := j.w.destination(ask)
	if why != nil {
		j.fail(ctx, e, why.kind, why.code, why.message)
		return
	}
	if age, most := j.w.now().Sub(j.reached(e)), dest.MaxAge(); most > 0 && age > most {
		j.fail(ctx, e, "permanent", CodeTooOld, fmt.Sprintf("it was to be sent %s ago, and destination %q takes nothing that is older than %s",
			age.Round(time.Second), ask.Gate, most))
		return
	}
	if !j.admit(ctx, ask, dest) {
		return
	}
	scope, err := j.hookScope(ctx)
	if err != nil {
		if ctx.Err() != nil {
			j.release(ctx)
			return
		}
		j.later(ctx, "preparing a request", err)
		return
	}
	j.scope = scope
	left, bounded := j.remaining(e)
	if bounded && left <= 0 {
		j.fail(ctx, e, "temporary", pipeline.CodeTimeout, fmt.Sprintf("%d attempts failed within %s, and the next one came too late", j.c.Task.N, e.Timeout))
		return
	}
	j.deliver(ctx, e, ask, dest, left)
}

// barred parks what comes to a disabled gate. Who enables it opens what is parked again: a task that was claimed before that is not to be
// parked behind it, nor where the gate is enabled while that is being written.
func (j *job) barred(ctx context.Context, e pipeline.Effect, ask node.Deliver) {
	g, err := j.w.o.Queue.Gate(context.WithoutCancel(ctx), j.c.Task.Gate)
	switch {
	case err != nil:
		j.later(ctx, "reading a gate", err)
	case g.State != store.GateDisabled:
		j.release(ctx)
	default:
		j.behind = j.c.Task.Gate
		j.fail(ctx, e, "permanent", CodeDisabled, fmt.Sprintf("destination %q is disabled", ask.Gate))
	}
}

// enabled says that the gate is not disabled any more behind which the run was to be parked.
func (j *job) enabled(ctx context.Context) bool {
	g, err := j.w.o.Queue.Gate(context.WithoutCancel(ctx), j.behind)
	return err == nil && g.State != store.GateDisabled
}

// reached is when the run came to the hook; where a person has retried it, when it came there again.
func (j *job) reached(e pipeline.Effect) time.Time {
	at := j.c.Task.Due
	for _, earlier := range []time.Time{j.c.Task.First, e.At} {
		if !earlier.IsZero() && earlier.Before(at) && (j.c.Run.Round == 0 || earlier != e.At) {
			at = earlier
		}
	}
	return at
}

// remaining is how much of the node's own timeout is left for all attempts together.
func (j *job) remaining(e pipeline.Effect) (left time.Duration, bounded bool) {
	if e.Timeout <= 0 {
		return 0, false
	}
	return j.first().Add(e.Timeout).Sub(j.w.now()), true
}

// deliver makes one attempt and settles what came of it; left is 0 where the node has no timeout of its own.
func (j *job) deliver(ctx context.Context, e pipeline.Effect, ask node.Deliver, dest *destination.Destination, left time.Duration) {
	n := j.c.Task.N + 1
	req, err := dest.Build(ctx, j.delivery(e, ask, n))
	if err != nil {
		if ctx.Err() != nil {
			j.release(ctx)
			return
		}
		j.fail(ctx, e, "permanent", CodeRequest, err.Error())
		return
	}
	att, err := j.attempt(ctx, req, Attempt{
		Run: j.c.Run.ID, Pipeline: j.c.Run.Pipeline, Path: e.Path, Published: published(j.c.Run), Round: j.c.Run.Round, N: n, Left: left,
	})
	if ctx.Err() != nil && err != nil && !att.Wrote {
		j.release(ctx) // nothing was sent: a shutdown is no attempt
		return
	}
	v := dest.Judge(att, err)
	j.w.o.Observer.Attempt(dest.Gate, string(v.Outcome), att.Took)
	j.attempts = append(j.attempts, run.Attempt{
		Path: e.Path, Round: j.c.Run.Round, N: n, Destination: dest.Gate, Line: dest.Line(), Started: att.Started, Took: att.Took,
		Outcome: v.Outcome, Code: v.Code, Status: att.Status, RetryAfter: v.RetryAfter, Headers: dest.Shown(req), Answer: v.Answer,
	})
	j.weigh(ctx, dest, att, v)
	j.w.o.Logger.DebugContext(ctx, "attempt", "run", j.c.Run.ID.String(), "step", e.Path, "destination", dest.Gate, "attempt", n,
		"outcome", string(v.Outcome), "status", att.Status, "code", v.Code)
	if v.Outcome == run.AttemptOK {
		j.succeed(ctx, e, v.Value)
		return
	}
	if v.Gone {
		j.disable(ctx, dest.Gate, "it answered 410 Gone")
		j.fail(ctx, e, "permanent", CodeGone, fmt.Sprintf("destination %q answered 410 Gone and is disabled", dest.Gate))
		return
	}
	if j.gate != nil {
		j.fail(ctx, e, "permanent", CodeDisabled, fmt.Sprintf("destination %q is disabled: %s", dest.Gate, j.gate.Reason))
		return
	}
	delay, again := dest.Retry(v).Next(n, v.RetryAfter, j.seed())
	if !again {
		j.fail(ctx, e, failureKind(v.Outcome), CodeRetriesSpent, spent(n, v.Code))
		return
	}
	if left, bounded := j.remaining(e); bounded && left <= delay {
		j.fail(ctx, e, "temporary", pipeline.CodeTimeout, fmt.Sprintf("not through within %s: %s", e.Timeout, spent(n, v.Code)))
		return
	}
	lane := j.c.Task.Lane
	if lane == run.LaneLive {
		lane = run.LaneRetry
	}
	j.settle(ctx, nil, store.Then{Again: true, In: delay, N: n, Lane: lane, First: j.first()})
}

// attempt makes the request, and cuts it off where the node's own time is up.
func (j *job) attempt(ctx context.Context, req hooks.Request, a Attempt) (hooks.Attempt, error) {
	if a.Left > 0 {
		req.Timeout = min(cmp.Or(req.Timeout, hooks.DefaultTimeout), max(a.Left, hooks.MinTimeout))
	}
	if j.w.o.Player != nil {
		return j.w.o.Player.Play(ctx, a, req)
	}
	if a.Left > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.Left)
		defer cancel()
	}
	return j.w.o.Deliverer.Deliver(ctx, req)
}

func spent(n int, code string) string {
	if n == 1 {
		return "the only attempt failed with " + code
	}
	return fmt.Sprintf("%d attempts failed, the last with %s", n, code)
}

// failureKind gives the kind of engine/fault that an outcome is: whether an attempt was seen says nothing of its failure.
func failureKind(o run.AttemptOutcome) string {
	if o == run.AttemptPermanent {
		return string(o)
	}
	return string(run.AttemptTemporary)
}

// noDestination says what is missing: a named destination, or one that a hook described itself in the run's revision.
func noDestination(d node.Deliver) string {
	if _, label, own := strings.Cut(d.Destination, "/"); own {
		return fmt.Sprintf("the pipeline that runs now has no hook %q that says where to send to", label)
	}
	return fmt.Sprintf("there is no destination %q any more", d.Destination)
}

func (j *job) delivery(e pipeline.Effect, ask node.Deliver, n int) destination.Delivery {
	key := run.IdempotencyKey(j.c.Event.ID, j.scope, e.Path)
	d := destination.Delivery{
		Env: e.Env, Message: e.Message, Attempt: n, ID: key, IdempotencyKey: key, First: j.first(), Now: j.w.now(), Traceparent: j.c.Run.Trace,
	}
	if e.Raw {
		d.Raw, d.RawType = j.c.Event.Body, j.c.Event.ContentType
	}
	if ask.HasBody {
		d.Body, d.HasBody = ask.Body, true
	}
	d.Note = func(text string) { j.notes = append(j.notes, text) }
	return d
}

// seed spreads the jitter of runs that failed together, and is the same for a run whoever works on it.
func (j *job) seed() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(j.c.Run.ID.String() + j.c.Task.Path))
	return h.Sum64()
}

func (j *job) succeed(ctx context.Context, e pipeline.Effect, value any) {
	step := j.step(e)
	out, err := payload.Encode(value)
	if err != nil || len(out) > run.MaxOutputBytes {
		out = nil // the delivery succeeded; an answer that cannot be kept must not undo that
	}
	step.Output = out
	j.settle(ctx, &step, store.Then{})
}
