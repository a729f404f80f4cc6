package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/subscription"
)

// Audience are the live subscriptions; *subscription.Registry and *subscription.Set are such. Each call may see a newer one.
type Audience interface {
	// Match gives the subscriptions that a query means, by id.
	Match(q subscription.Query) []*subscription.Subscription
	// Find gives one by its id, disabled ones too.
	Find(id string) (*subscription.Subscription, bool)
}

// nobody is an audience without subscriptions.
type nobody struct{}

func (nobody) Match(subscription.Query) []*subscription.Subscription { return nil }
func (nobody) Find(string) (*subscription.Subscription, bool)        { return nil, false }

// Codes of failures of runs for subscribers.
const (
	CodeNoSubscription = "no_subscription" // it is gone, disabled, or cannot be read
	CodeSenderLost     = "sender_lost"     // the run that published is not in the store any more
)

const (
	// sliceRuns is how many runs one step of a publication begins: a commit of them takes some milliseconds, as one of other work does.
	sliceRuns = 250
	// publishedBytes is what a run to a subscriber counts against the bounds of a settlement: a row with its task, and their indexes. The
	// bounds of what one run may add let two slices into one.
	publishedBytes = 5 << 10
	// maxDeliveries are listed in the output of a publication; the runs list has all of them.
	maxDeliveries = 1000
)

// slice is the output of one step of a publication that is too large for one: where it goes on, and what it began. The steps have the
// path of the hook and a number, as those of items have, which makes them nobody's to look at but publish's.
type slice struct {
	After string `json:"after"`
	publication
}

// publication is the output of a hook that has published.
type publication struct {
	Total      int         `json:"total"`
	Deliveries []delivered `json:"deliveries"`
}

type delivered struct {
	Subscription string `json:"subscription"`
	Run          string `json:"run"`
}

// publish begins a run for each subscription that matches and gives the step that ends with that. Where they are many it begins some, and
// gives a step that says how far it came: the record is folded anew, and so on, in this settlement or in another one. Who subscribes
// meanwhile may be among them or not; nobody is told twice, for the runs have the same ids however often they are begun.
func (w *Worker) publish(ctx context.Context, d *pipeline.Diagram, rec pipeline.Record, e pipeline.Effect, ask node.Publish, o unfolding, c *consequences) run.Step {
	step := w.stepOf(e, rec.Run)
	sub, ok := d.Sub(e.Path)
	if !ok {
		return d.Failed(step, &run.Failure{Kind: "internal", Code: CodeInternal, Message: "the node publishes nothing"})
	}
	lane, err := w.laneOf(ctx, sub, e)
	if err != nil {
		return d.Failed(step, &run.Failure{Kind: "permanent", Code: pipeline.CodeExpression, Message: err.Error()})
	}
	so, number := soFar(rec.Steps, e.Path)
	all := w.o.Audience.Match(subscription.Query{Event: ask.Event, User: ask.User, Scope: ask.Scope, Channels: ask.Channels})
	for len(all) > 0 && all[0].ID <= so.After {
		all = all[1:]
	}
	now := all[:min(len(all), sliceRuns)]
	for _, s := range now {
		nr := w.delivery(rec, sub, e.Path, s, o.lane)
		if lane != nil {
			nr.Holds = []store.Hold{{Key: lane.Of(s.Gate()), Max: 1, Order: true, Keep: lane.Keep}}
		}
		c.runs = append(c.runs, nr)
		so.After = s.ID
		so.Total++
		if len(so.Deliveries) < maxDeliveries {
			so.Deliveries = append(so.Deliveries, delivered{Subscription: s.ID, Run: nr.Run.ID.String()})
		}
	}
	rec.Slice.Add(len(now) * publishedBytes)
	var output any = so.publication
	if len(now) < len(all) {
		step.Path += "[" + strconv.Itoa(number) + "]"
		so.Deliveries = so.Deliveries[max(0, len(so.Deliveries)-len(now)):] // those of the steps before stand there
		output = so
	}
	text, err := json.Marshal(output)
	if err != nil { // there is nothing in it that has no JSON form
		return d.Failed(step, &run.Failure{Kind: "internal", Code: CodeInternal, Message: "the output cannot be written"})
	}
	step.Output = text
	if fits := d.Fit(rec, step); fits.State != run.StepDone { // it has happened all the same
		step.Output = nil
		if len(now) < len(all) {
			return fits
		}
	}
	return step
}

// soFar reads what the steps of a publication have come to, and gives the number of the next one.
func soFar(steps []run.Step, path string) (so slice, number int) {
	so.Deliveries = []delivered{}
	for i := range steps {
		rest, inside := strings.CutPrefix(steps[i].Path, path+"[")
		if _, err := strconv.Atoi(strings.TrimSuffix(rest, "]")); !inside || err != nil {
			continue
		}
		var one slice
		if json.Unmarshal(steps[i].Output, &one) != nil || one.After < so.After {
			continue
		}
		so.After, so.Total = one.After, one.Total
		so.Deliveries = append(so.Deliveries, one.Deliveries...)
		number++
	}
	return so, number
}

// delivery is the run of one subscription, before its first attempt.
func (w *Worker) delivery(rec pipeline.Record, sub *pipeline.Diagram, path string, s *subscription.Subscription, lane run.Lane) store.NewRun {
	r := w.blank(sub, rec.Event, pipeline.Published(rec.Run.ID, path, s.ID))
	r.Now, r.Depth = rec.Run.Now, rec.Run.Depth
	return store.NewRun{Run: r, Tasks: []store.NewTask{{Kind: run.TaskStep, Path: sub.Hook(), Gate: s.Gate(), Lane: lane}}}
}

// laneOf gives the lane of an ordered hook, in which each subscription has one of its own; nil where it is bound to no order.
func (w *Worker) laneOf(ctx context.Context, sub *pipeline.Diagram, e pipeline.Effect) (*pipeline.AudienceLane, error) {
	template, ok := w.o.World.Destination(sub.Name)
	if !ok || template.Ordering() == nil {
		return nil, nil
	}
	return pipeline.LaneAt(ctx, e.Env, template.Ordering())
}

// stand looks up where the hook of a run to a subscriber stands in the run that published; false where the job is over with that.
func (j *job) stand(ctx context.Context) bool {
	id, path, subscriber, ok := pipeline.Publication(j.c.Run.Cause)
	if !ok {
		j.park(ctx, CodeSenderLost, "the run does not say who published it")
		return false
	}
	sender, err := j.w.o.Queue.Run(ctx, id)
	switch {
	case err != nil && ctx.Err() != nil:
		j.release(ctx)
		return false
	case errors.Is(err, store.ErrNotFound):
		j.park(ctx, CodeSenderLost, fmt.Sprintf("the run %s that published it is not in the store any more", id))
		return false
	case err != nil:
		j.later(ctx, "reading the run that published", err)
		return false
	}
	var place *pipeline.Place
	j.w.compute(j.share.gate, func() {
		rec := pipeline.Record{Event: &j.c.Event, Payload: pipeline.Decode(&j.c.Event), Run: &sender.Run, Steps: sender.Steps}
		place, ok = j.diagram.Sender().Place(ctx, rec, path, j.w.now)
	})
	if ctx.Err() != nil {
		j.release(ctx)
		return false
	}
	if !ok {
		j.park(ctx, CodeSenderLost, fmt.Sprintf("the run %s that published it did not come to %q", id, path))
		return false
	}
	seen := map[string]any{"id": subscriber, "name": nil}
	if s, ok := j.w.o.Audience.Find(subscriber); ok && s.Name != "" {
		seen["name"] = s.Name
	}
	j.sender, j.place = &sender.Run, place.With("subscription", seen)
	return true
}

// hookScope names what the job's hook belongs to; for a run to a subscriber that is the hook which published, and the subscription.
func (j *job) hookScope(ctx context.Context) (string, error) {
	if j.sender == nil {
		return j.w.scope(ctx, j.c.Run)
	}
	scope, err := j.w.scope(ctx, j.sender)
	_, path, subscriber, _ := pipeline.Publication(j.c.Run.Cause)
	return scope + "\x00" + path + "[" + subscriber + "]", err
}

// published gives the place that published a run to a subscriber, and the subscription; "" for every other run.
func published(r *run.Run) string {
	_, path, subscriber, ok := pipeline.Publication(r.Cause)
	if !ok {
		return ""
	}
	return path + "[" + subscriber + "]"
}

// destination gives the live destination of a hook; for one to a subscriber with the address and the secrets that this has now.
func (w *Worker) destination(ask node.Deliver) (*destination.Destination, *failure) {
	dest, ok := w.o.World.Destination(ask.Destination)
	if !ok {
		return nil, &failure{"permanent", CodeNoDestination, noDestination(ask)}
	}
	if ask.Subscription == "" {
		return dest, nil
	}
	s, ok := w.o.Audience.Find(ask.Subscription)
	switch {
	case !ok:
		return nil, &failure{"permanent", CodeNoSubscription, fmt.Sprintf("there is no subscription %q any more", ask.Subscription)}
	case s.Disabled:
		return nil, &failure{"permanent", CodeNoSubscription, fmt.Sprintf("subscription %q is disabled", ask.Subscription)}
	}
	target, err := s.Target(w.now())
	if err != nil {
		return nil, &failure{"permanent", CodeNoSubscription, fmt.Sprintf("subscription %q cannot be sent to: %v", ask.Subscription, err)}
	}
	with, err := w.targets.of(dest, s, target)
	if err != nil {
		return nil, &failure{"permanent", CodeNoSubscription, fmt.Sprintf("subscription %q cannot be sent to: %v", ask.Subscription, err)}
	}
	return with, nil
}

// maxTargets destinations of subscriptions are remembered.
const maxTargets = 4096

// targets remembers what hooks and subscriptions make together: preparing a signature takes as long as much of an attempt.
type targets struct {
	mu   sync.Mutex
	made map[targetKey]*destination.Destination
}

// targetKey names both by their pointers, as each is another one when it was changed, and says how many secrets count.
type targetKey struct {
	template *destination.Destination
	one      *subscription.Subscription
	secrets  int
}

func (t *targets) of(template *destination.Destination, s *subscription.Subscription, target destination.Target) (*destination.Destination, error) {
	key := targetKey{template, s, len(target.Secrets)}
	t.mu.Lock()
	made := t.made[key]
	t.mu.Unlock()
	if made != nil {
		return made, nil
	}
	made, err := template.WithTarget(target)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made == nil || len(t.made) >= maxTargets {
		t.made = map[targetKey]*destination.Destination{}
	}
	t.made[key] = made
	return made, nil
}
