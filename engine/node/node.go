// Package node says what a node is: a [Type] is a plain record of one node type, a [Node] is one built from a manifest, and an
// [Outcome] is what a node answers: a value, a branch, or an effect that it asks for.
//
// Nodes never perform effects: they return them, and engine/worker performs them, retries and records. Each node type is one
// package below this one and one line in the engine's explicit list; nothing registers itself.
package node

import (
	"context"

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
	// Props describes `props:`.
	Props *field.Object
	// Build makes a node of decoded props. It may name resources but opens none. It reports what is wrong to out and may then return
	// nil.
	Build func(props *field.Values, env Env, out *diag.List) Node
}

// Env is what a node type is built with.
type Env struct {
	Pipeline string
	Label    string
	// Span is the place of the node's label.
	Span source.Span
	// Scope holds the labels that expressions may name.
	Scope script.Scope
	World World
	// Dev is `serve --dev`: loopback targets are no warning.
	Dev bool
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
}

// Outcome is what a node answers: one of [Value], [Branch], [Filtered] and [Deliver].
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

// Deliver asks for an outgoing request. The worker performs it, with retries; its answer becomes the step's output.
type Deliver struct {
	// Destination is the key under which the live destination is found: its name, or "<pipeline>/<label>".
	Destination string
	// Gate is what the task must pass: the destination's name, or the key.
	Gate string
	// Body, where HasBody, is the body that the node itself states, rendered.
	Body    any
	HasBody bool
}

func (Value) outcome()    {}
func (Branch) outcome()   {}
func (Filtered) outcome() {}
func (Deliver) outcome()  {}
