// Package node says what a node is: a [Type] is a plain record of one node type, a [Node] is one built from a manifest, and an
// [Outcome] is what a node answers: a value, a branch, or an effect that it asks for.
//
// Nodes never perform effects: they return them, and engine/worker performs them, retries and records. Each node type is one
// package below this one and one line in the engine's explicit list; nothing registers itself.
package node

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// Type describes one node type. It is a value: making one has no side effect.
type Type struct {
	// Name is what a manifest writes under `type:`.
	Name string
	// Doc is one sentence for the docs page and `headgate explain`.
	Doc string
	// Entry says that the node starts runs and has no incoming connections.
	Entry bool
	// Transparent says that the node hands on what it was given: what follows sees the output of what came before it.
	Transparent bool
	// Handles are the named ways out of a node that branches; nil for a node with the one plain way. Every node has `error` too.
	Handles []string
	// Ways, where not nil, gives the ways out that a node has by its props: the named ones, and whether it has the plain way too (nil and
	// false: nothing leads on). The props may have findings. Handles is then not looked at.
	Ways func(props *field.Values) (handles []string, plain bool)
	// Body says that the props hold `nodes` and `connections` of their own, a diagram that runs once for each item (see [Each]), and under
	// `as` and `index` the names of the item and its number.
	Body bool
	// NoTimeout says why the common key `timeout` makes no sense here; "" where it does.
	NoTimeout string
	// Props describes `props:`.
	Props *field.Object
	// Build makes a node of decoded props. It may name resources but opens none. It reports what is wrong to out and may then return
	// nil.
	Build func(props *field.Values, env Env, out *diag.List) Node
}

// Env is what a node type is built with.
type Env struct {
	Pipeline string
	// Label is the node's label; inside of a body with those of the nodes around it: "Each/Tell".
	Label string
	// Span is the place of the node's label.
	Span source.Span
	// Scope holds the labels that expressions may name.
	Scope  script.Scope
	World  World
	Egress Egress
}

// Egress is what is known, when manifests are compiled, of the addresses that may be reached over plain http.
type Egress struct {
	// Dev is `serve --dev`: loopback targets are no warning.
	Dev bool
	// Allowed says whether HEADGATE_EGRESS_ALLOW lists an address: plain http to it is no warning. nil is none.
	Allowed func(netip.AddrPort) bool
}

// World answers for the other documents of the folder that a node may name.
type World interface {
	// Provider gives a provider's event names and whether others may come too; false where there is no such provider.
	Provider(name string) (events []string, open bool, ok bool)
	// Providers gives all names.
	Providers() []string
	// Destination gives a destination's document; false where there is none. The document is nil where there may be one, in a file that
	// could not be read.
	Destination(name string) (*manifest.Document, bool)
	// Destinations gives all names.
	Destinations() []string
	// Pipeline says whether there is a pipeline of that name that may be called; it is true where there may be one, in a file that could
	// not be read. Pipelines gives all names.
	Pipeline(name string) bool
	Pipelines() []string
}

// Node is one node of a compiled pipeline. Do is called by many goroutines at once, must keep nothing of the input after it
// returns, and must not change it. An error is the node's failure: it closes its branch or takes [error]; a Value beside it gives the
// notes on what was read until then.
type Node interface {
	Do(ctx context.Context, in Input) (Outcome, error)
}

// Input is what a node sees.
type Input struct {
	// Event has its body.
	Event *event.Event
	// Env holds the names that expressions may use.
	Env *script.Env
	// Message is the output of the node before: where several came together, a map of outputs by label.
	Message any
	// Raw says that Message is the event's own payload, untouched: a hook sends the original bytes.
	Raw bool
	// At is when the node was reached, by the clock of whoever runs the pipeline: the end of the step before, which is the same in every
	// fold, and the time of the fold where that says nothing. It is for waits; expressions see the run's own `now`.
	At time.Time
	// Subscription is the one that a run of a hook to subscribers is for (see [Publisher]); "" in all others.
	Subscription string
}

// Awaiter is a node that waits for events of a provider in the middle of a run.
type Awaiter interface {
	Node
	// Provider and Matches say which events the node looks at, by their names.
	Provider() string
	Matches(event string) bool
	// Match looks at one of them: whether the node's filter lets it pass, and the value that must equal the Correlation of the [Await], ""
	// for none. The environment is that of the event alone; it has no run and no outputs.
	Match(ctx context.Context, env *script.Env) (correlation string, ok bool, err error)
}

// HandsOn is a node that may be transparent by its props (see [Type.Transparent]): a wait for a time is, a wait for an event is not.
type HandsOn interface {
	Node
	HandsOn() bool
}

// Responder is a node that answers the sender's open request. It gives how long that request may stay open for it.
type Responder interface {
	Node
	Responds() time.Duration
}

// Caller is a node that runs another pipeline: it gives its name, and says whether the run goes on without waiting for what it comes to.
type Caller interface {
	Node
	Calls() string
	Detached() bool
}

// Emitter is a node that answers with an [Emit]; no other may. It gives the name of its events, or where that is a template what every
// name begins with.
type Emitter interface {
	Node
	Emits() (name string, whole bool)
}

// Publisher is a node that may answer with a [Publish]. What it begins are runs of a pipeline that consists of the node alone, named
// "<pipeline>/<path>": in them the node sees what it saw in the run that published, is told the [Input.Subscription], and answers with a
// [Deliver].
type Publisher interface {
	Node
	// Publishes says whether this one does, and the names of the channel that it serves.
	Publishes() (channels []string, ok bool)
}

// Measurer is a node that counts or observes into a metric.
type Measurer interface {
	Node
	Metric() *Metric
}

// Outcome is what a node answers: a result ([Value], [Branch], [Filtered]), a result that does something when its step is settled
// ([Emit], [Measure], [Reply]), or an effect that the worker performs ([Deliver], [Publish], [Wait], [Batch], [Each], [Call]).
type Outcome interface{ outcome() }

// Notes are what a node wants to be recorded beside its answer.
type Notes struct {
	Reads []script.Read
	Log   []string
}

// Value ends the step with an output.
type Value struct {
	V any
	Notes
}

// Branch ends the step and lets pass on one handle.
type Branch struct {
	Handle string
	Notes
}

// Filtered ends the step and, where nothing else was started, the run: the event is not for this pipeline.
type Filtered struct{ Notes }

// Emit ends the step and puts an event into the log, in the commit that settles the step: an event of the provider [event.Internal].
// The step's output is the payload.
type Emit struct {
	Event   string
	Payload any
	Notes
}

// MeasureKind is the type of a metric.
type MeasureKind string

// The types of a metric, as Prometheus has them.
const (
	Counter   MeasureKind = "counter"
	Gauge     MeasureKind = "gauge"
	Histogram MeasureKind = "histogram"
)

// Metric is what a measurement belongs to. All nodes that name a metric describe it alike.
type Metric struct {
	// Name is as Prometheus has it, in full.
	Name string
	Help string
	Kind MeasureKind
	// Labels are the names of its labels, in order.
	Labels []string
	// Buckets are a histogram's upper bounds.
	Buckets []float64
	// MaxSeries bounds the combinations of label values that are told apart; what comes after them counts under "other".
	MaxSeries int
}

// Alike says whether two descriptions are the same word for word, so that what is measured by either belongs together.
func (m *Metric) Alike(o *Metric) bool {
	return m == o || m.Name == o.Name && m.Help == o.Help && m.Kind == o.Kind && m.MaxSeries == o.MaxSeries &&
		slices.Equal(m.Labels, o.Labels) && slices.Equal(m.Buckets, o.Buckets)
}

// Measure ends the step and counts or observes a value when the step is settled; a step that is settled twice may count twice. The
// step's output is what came into the node.
type Measure struct {
	Metric *Metric
	Value  float64
	// Labels are the values of Metric.Labels, in that order.
	Labels []string
	Notes
}

// Reply ends the step and answers the sender's open request, where it is still open. The first reply of an event counts. The step's
// output is {status, headers, body}, the body decoded where its Content-Type says how.
type Reply struct {
	Status  int
	Headers map[string]string
	Body    []byte
	Notes
}

// Deliver asks for an outgoing request. The worker performs it, with retries; its answer becomes the step's output.
type Deliver struct {
	// Destination is the key under which the live destination is found: its name, or "<pipeline>/<label>".
	Destination string
	// Gate is what the task must pass: the destination's name, or the key.
	Gate string
	// Subscription is whose address and secrets the destination is to have; "" for one that has its own.
	Subscription string
	// Body, where HasBody, is the body that the node itself states, rendered.
	Body    any
	HasBody bool
}

// Publish asks for a run for each live subscription that matches (see [Publisher]), and waits for none of them. The step's output is
//
//	{total, deliveries: [{subscription, run}]}
//
// where the list holds the first thousand at most. That nobody listens is no failure.
type Publish struct {
	// Event is the name of what is told.
	Event string
	// User and Scope bound who is told, where they are not nil: subscriptions for this user, with this scope. An empty one is nobody's.
	User, Scope *string
	// Channels are the names under which a subscription may ask for this node alone.
	Channels []string
	Notes
}

// Wait asks the run to wait: until a time, or where For is not nil for an event, until Until at the latest (never, where it is zero).
// A wait for a time hands on what came in. A wait for an event gives
//
//	{status: "triggered", provider, event_name, id, payload, headers}
//
// on the plain way, or {status: "timeout", provider, message} on [timeout].
type Wait struct {
	Until time.Time
	For   *Await
	Notes
}

// Await is the event that a run waits for: one that the node, an [Awaiter], matches with this correlation.
type Await struct {
	Provider    string
	Correlation string
}

// Timeout is the handle of a wait for an event that did not come.
const Timeout = "timeout"

// Batch asks to be put together with other runs of the same pipeline, node and key. The first run of a batch waits until Count items
// are there (where it is not 0) or After has passed since its item came, and goes on with {key, count, items}. It goes on earlier where
// it has run.MaxBatchItems, or where the next item does not fit into run.MaxBatchBytes; an Item must fit into them alone. The others end their
// branch at the node, with the handle [Batched] that nothing can be connected to and the output {run: <id of the first>}.
type Batch struct {
	Key   string
	Item  any
	Count int
	After time.Duration
	Notes
}

// Batched is the branch of a run whose item another one carries on.
const Batched = "batched"

// Each asks for the node's body to be run for every item. Inside it `item` and `index` (or the names that the node gives) are in scope
// like outputs. The step's output is the list of what each item's body came to: the output of its last node, a map of outputs by label
// where it has several ends, null where it has none.
type Each struct {
	Items []any
	// As and Index are the names of the item and its number, from 0.
	As, Index string
	// Parallel is how many items are worked on at once, at least 1.
	Parallel int
	// Continue says that a failed item gives {error: {kind, code, message}} in its place of the list, instead of failing the step when
	// the others are through.
	Continue bool
	Notes
}

// Call asks for another pipeline to be run, and to wait for what it gives. In the called run `payload` is the input.
type Call struct {
	Pipeline string
	Input    any
	// Detach says not to wait: the output is {run: <id>} at once.
	Detach bool
	Notes
}

func (Value) outcome()    {}
func (Branch) outcome()   {}
func (Filtered) outcome() {}
func (Emit) outcome()     {}
func (Measure) outcome()  {}
func (Reply) outcome()    {}
func (Deliver) outcome()  {}
func (Publish) outcome()  {}
func (Wait) outcome()     {}
func (Batch) outcome()    {}
func (Each) outcome()     {}
func (Call) outcome()     {}
