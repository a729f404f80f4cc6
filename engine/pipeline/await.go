package pipeline

import (
	"strings"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
)

// AwaitGroup names the runs that wait at one node of one revision of a pipeline for events of a provider.
type AwaitGroup struct {
	Provider, Pipeline, Revision string
	// Path is the node's path without the numbers of items: "Each/Approved".
	Path string
}

const awaitPrefix = "await\x00"

// String gives the group as it is stored.
func (g AwaitGroup) String() string {
	return awaitPrefix + strings.Join([]string{g.Provider, g.Pipeline, g.Revision, g.Path}, "\x00")
}

// ParseAwaitGroup reads what String gave; false for groups of another kind.
func ParseAwaitGroup(text string) (AwaitGroup, bool) {
	rest, ok := strings.CutPrefix(text, awaitPrefix)
	parts := strings.Split(rest, "\x00")
	if !ok || len(parts) != 4 {
		return AwaitGroup{}, false
	}
	return AwaitGroup{Provider: parts[0], Pipeline: parts[1], Revision: parts[2], Path: parts[3]}, true
}

// AwaitDef is a node that waits for events.
type AwaitDef struct {
	Path    string // without the numbers of items
	Awaiter node.Awaiter
}

// Awaits gives the nodes that wait for events, in order.
func (d *Diagram) Awaits() []AwaitDef {
	var out []AwaitDef
	d.graph.each(func(v *vertex) {
		if a, ok := v.node.(node.Awaiter); ok {
			out = append(out, AwaitDef{Path: v.path, Awaiter: a})
		}
	})
	return out
}

// Awaiter gives the node that waits for events at a path, with or without the numbers of items.
func (d *Diagram) Awaiter(path string) (node.Awaiter, bool) {
	v := d.find(path)
	if v == nil {
		return nil, false
	}
	a, ok := v.node.(node.Awaiter)
	return a, ok
}

// EventEnv gives the names in scope of an event that no run is about: [node.Awaiter.Match] looks at it so. There are no vars and no
// outputs, and `now` is when the event came.
func (d *Diagram) EventEnv(ev *event.Event, payload any) *script.Env {
	env := eventEnv(ev, payload)
	env.Now = ev.Received
	return env
}
