package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/store"
)

// lookBackPage events are read at a time when a run that comes to wait for one looks at what came before, and maxLookBack of them at most:
// after an outage many may have been stored that are yet to be routed.
const (
	lookBackPage = 1000
	maxLookBack  = 200_000
)

// storing is how long after a wait was made the id of an event may lie that is routed without it: ids are in milliseconds.
const storing = 20 * time.Millisecond

// unroutedPage events are read at a time to find those not yet routed: more than a batch, so that one which is late shows.
const unroutedPage = 250

// maxPassedOver groups are remembered as passed over, so that each is told of once.
const maxPassedOver = 1000

// group is a node of a diagram at which runs wait for events of a provider.
type group struct {
	name    string
	diagram *pipeline.Diagram
	awaiter node.Awaiter
}

// groups are those of the open waits, by provider, as a batch of events to route finds them.
type groups map[string][]group

// waiting gives the groups of all open waits. A wait that is not yet among them looks back itself, at all events stored by then. The
// error says that the store cannot be read now; a group that cannot be asked any more is passed over.
func (w *Worker) waiting(ctx context.Context) (groups, error) {
	names, err := w.o.Queue.Waits(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking who waits for events: %w", err)
	}
	var out groups
	for _, name := range names {
		g, ok := pipeline.ParseAwaitGroup(name)
		if !ok {
			continue
		}
		d, err := w.o.World.Diagram(ctx, g.Pipeline, g.Revision)
		if unreadable(err) || ctx.Err() != nil {
			return nil, fmt.Errorf("reading who waits for events: %w", errors.Join(err, context.Cause(ctx)))
		}
		if err != nil {
			w.passOver(ctx, name, g, err)
			continue
		}
		a, ok := d.Awaiter(g.Path)
		if !ok {
			w.passOver(ctx, name, g, errors.New("there is no such node"))
			continue
		}
		if out == nil {
			out = groups{}
		}
		out[g.Provider] = append(out[g.Provider], group{name, d, a})
	}
	return out, nil
}

// passOver tells once of a group that no event can wake any more: its runs are parked at their timeout.
func (w *Worker) passOver(ctx context.Context, name string, g pipeline.AwaitGroup, why error) {
	w.mu.Lock()
	told := w.passed[name]
	if len(w.passed) >= maxPassedOver {
		clear(w.passed)
	}
	w.passed[name] = true
	w.mu.Unlock()
	if !told {
		w.o.Logger.WarnContext(ctx, "runs that wait for an event cannot be asked what they wait for", "pipeline", g.Pipeline,
			"revision", g.Revision, "step", g.Path, "error", why)
	}
}

// wakes gives what an event wakes.
func (w *Worker) wakes(ctx context.Context, all groups, ev *event.Event, value func() any) []store.Wake {
	var out []store.Wake
	for _, g := range all[ev.Provider] {
		if !g.awaiter.Matches(ev.Name) {
			continue
		}
		if key, ok := w.match(ctx, g.diagram, g.awaiter, ev, value()); ok {
			out = append(out, store.Wake{Wait: store.Wait{Group: g.name, Key: key}, Event: ev.ID})
		}
	}
	return out
}

// match asks a node whether it takes an event. A node that fails does not; one that panics must not keep the event from all others.
func (w *Worker) match(ctx context.Context, d *pipeline.Diagram, a node.Awaiter, ev *event.Event, value any) (key string, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			key, ok = "", false
			w.o.Logger.ErrorContext(ctx, "matching an event panicked", "event", ev.ID.String(), "pipeline", d.Name, "panic", fmt.Sprint(p),
				"stack", string(debug.Stack()))
		}
	}()
	key, ok, err := a.Match(ctx, d.EventEnv(ev, value))
	if err != nil {
		w.o.Logger.DebugContext(ctx, "an event does not match", "event", ev.ID.String(), "pipeline", d.Name, "error", err)
		return "", false
	}
	return key, ok
}

// await works on the task of a wait for an event: at first it looks at what came before the run was there; then the task is due when an
// event woke it, or when the time is up.
func (j *job) await(ctx context.Context, e pipeline.Effect, ask node.Wait) {
	task := &j.c.Task
	woken := task.Woken
	if woken <= j.c.Run.Event || !ask.Until.IsZero() && woken.Time().After(ask.Until) {
		woken = 0 // it came before this run's own event, or is it; or it came when the time was up and nobody had seen that yet
	}
	if task.N == 0 {
		found, err := j.lookBack(ctx, e, ask)
		switch {
		case err != nil && ctx.Err() != nil:
			j.release(ctx)
			return
		case err != nil:
			j.later(ctx, "looking for an earlier event", err)
			return
		case found != 0:
			woken = found
		}
	}
	switch {
	case woken != 0:
		j.triggered(ctx, e, woken)
	case task.Woken != 0: // in vain; the task waits for nothing any more, and the fold asks for it anew
		j.settle(ctx, nil, store.Then{})
	case task.N == 0:
		j.back(ctx, store.Then{Again: true, In: j.left(ask.Until), N: 1, First: j.first()})
	case task.N == 1: // the time is up; what was being stored meanwhile is stored when the task is back
		j.back(ctx, store.Then{Again: true, N: 2, First: j.first()})
	case task.N == 2:
		j.lastLook(ctx, e, ask)
	default:
		j.end(ctx, e, map[string]any{
			"status": "timeout", "provider": ask.For.Provider,
			"message": "no event of " + ask.For.Provider + " came that matches",
		}, node.Timeout)
	}
}

// lastLook is behind the end of the time: an event that came in time counts although it is not routed yet. What is routed while this looks
// wakes the task, which shows when it is claimed once more: so it is put back before it ends.
func (j *job) lastLook(ctx context.Context, e pipeline.Effect, ask node.Wait) {
	found, err := j.unrouted(ctx, e, ask)
	switch {
	case err != nil && ctx.Err() != nil:
		j.release(ctx)
	case err != nil:
		j.later(ctx, "looking for an event that is not routed yet", err)
	case found != 0:
		j.triggered(ctx, e, found)
	default:
		j.back(ctx, store.Then{Again: true, N: 3, First: j.first()})
	}
}

// unrouted gives the first event that came in time, that the wait takes and that is not routed yet; 0 where there is none. Events are routed
// in order but for those of a few batches: where all of a page are routed, those before it are.
func (j *job) unrouted(ctx context.Context, e pipeline.Effect, ask node.Wait) (first event.ID, err error) {
	a, ok := j.diagram.Awaiter(e.Path)
	if !ok {
		return 0, nil
	}
	if some, err := j.w.routes(ctx); err != nil || !some {
		return 0, err
	}
	q := store.EventQuery{
		Provider: ask.For.Provider, Name: onlyName(a), Status: store.StatusProcessed, Since: j.c.Run.Event.Time(), Until: ask.Until, Limit: unroutedPage,
	}
	for range maxLookBack / unroutedPage {
		page, err := j.w.o.Queue.Events(ctx, q)
		if err != nil {
			return 0, err
		}
		waiting := false
		for _, ev := range page.Events {
			if ev.State != event.Accepted {
				continue
			}
			waiting = true
			takes, err := j.takes(ctx, a, &ev, ask.For.Correlation)
			if err != nil {
				return 0, err
			}
			if takes {
				first = ev.ID
			}
		}
		if q.Cursor = page.Next; !waiting || q.Cursor == "" {
			break
		}
	}
	return first, nil
}

// left is how long until a time; Never where there is none.
func (j *job) left(until time.Time) time.Duration {
	if until.IsZero() {
		return Never
	}
	return max(0, until.Sub(j.w.now()))
}

// lookBack gives the first event after the run's own that the wait takes, 0 where there is none. It looks no further than to when the task
// was made, which was due at once: what is stored behind it is routed behind it, and wakes it.
func (j *job) lookBack(ctx context.Context, e pipeline.Effect, ask node.Wait) (event.ID, error) {
	a, ok := j.diagram.Awaiter(e.Path)
	if !ok {
		return 0, nil
	}
	until := j.c.Task.Due.Add(storing)
	if !ask.Until.IsZero() && ask.Until.Before(until) {
		until = ask.Until
	}
	q := store.EventQuery{
		Provider: ask.For.Provider, Name: onlyName(a), Status: store.StatusProcessed, Since: j.c.Run.Event.Time(), Until: until, Ascending: true,
		Limit: lookBackPage,
	}
	for range maxLookBack / lookBackPage {
		page, err := j.w.o.Queue.Events(ctx, q)
		if err != nil {
			return 0, err
		}
		for i := range page.Events {
			takes, err := j.takes(ctx, a, &page.Events[i], ask.For.Correlation)
			if err != nil {
				return 0, err
			}
			if takes {
				return page.Events[i].ID, nil
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return 0, nil
		}
	}
	j.w.o.Logger.WarnContext(ctx, "too many events came before a wait to look at all of them", "run", j.c.Run.ID.String(), "step", e.Path,
		"count", maxLookBack)
	return 0, nil
}

// onlyName gives the name of the events that a node looks at where it is one alone, so that no others are read; else "".
func onlyName(a node.Awaiter) string {
	one, ok := a.(interface{ OnlyEvent() (string, bool) })
	if !ok {
		return ""
	}
	name, _ := one.OnlyEvent()
	return name
}

// takes says whether a listed event came after the run's own and is one that the wait takes.
func (j *job) takes(ctx context.Context, a node.Awaiter, ev *event.Event, correlation string) (bool, error) {
	if ev.ID <= j.c.Run.Event || ev.Source == event.Manual || !a.Matches(ev.Name) {
		return false, nil
	}
	body, err := j.w.o.Queue.Body(ctx, ev.ID)
	if bodyGone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ev.Body = body
	key, ok := j.w.match(ctx, j.diagram, a, ev, pipeline.Decode(ev))
	return ok && key == correlation, nil
}

// bodyGone says that an event, or its body, is not there any more, or is not what was received: it will not be there later either.
func bodyGone(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrBodyDropped) || errors.Is(err, store.ErrCorrupt)
}

// triggered hands on the event that came.
func (j *job) triggered(ctx context.Context, e pipeline.Effect, id event.ID) {
	ev, err := j.w.o.Queue.Event(ctx, id)
	if err == nil {
		ev.Body, err = j.w.o.Queue.Body(ctx, id)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		j.release(ctx)
		return
	case bodyGone(err):
		j.fail(ctx, e, "permanent", CodeEventLost, fmt.Sprintf("the event %s that came cannot be read: %v", id, err))
		return
	case err != nil:
		j.later(ctx, "reading the event that came", err)
		return
	}
	headers := make(map[string]any, len(ev.Headers))
	for _, h := range ev.Headers {
		headers[h.Name] = h.Value
	}
	j.end(ctx, e, map[string]any{
		"status": "triggered", "provider": ev.Provider, "event_name": ev.Name, "id": id.String(), "payload": pipeline.Decode(&ev), "headers": headers,
	}, "")
}
