package pipeline

import (
	"time"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/receive"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// ErrorHandle is the way out of any node that failed.
const ErrorHandle = "error"

// Diagram is one compiled pipeline.
type Diagram struct {
	Name   string
	Title  string
	Labels map[string]string
	// Revision is the digest of the pipeline's closure, set by engine/snapshot before the diagram is published.
	Revision string
	// CalledRespond is how long a pipeline that this one calls, and waits for, may keep the sender's request open, be it called in a body or
	// by one that is called; 0 where none of them answers. It is set by engine/snapshot before the diagram is published.
	CalledRespond time.Duration
	// Document is what the diagram was compiled from.
	Document *manifest.Document

	graph   *graph
	defs    map[string]*vertex // every node by its path without the numbers of items
	vars    *script.Tree
	limits  *Limits
	orderBy script.Program
	// sender is the diagram in which the only node of this one stands, at senderPath; nil for all but those that Sub gives.
	sender     *Diagram
	senderPath string
}

// graph is the nodes of a diagram, or of a node's body, in topological order.
type graph struct {
	nodes []vertex
	index map[string]int // by label
}

// vertex is one node with its connections; edges are indexes into the nodes of its graph.
type vertex struct {
	label string
	path  string // of its steps, without the numbers of items: "Each/Tell"
	typ   node.Type
	node  node.Node
	span  source.Span
	in    []edge
	// handles are the named ways out, plain says that there is the plain one, too.
	handles []string
	plain   bool
	// transparent says that what follows sees what came into the node.
	transparent bool
	timeout     time.Duration
	detail      string // what the node is about, in a line
	// catches says that the [error] handle is connected, leads that any way out is.
	catches, leads bool
	// before are the nodes from which connections lead here, near or far, in order.
	before []int
	// body is what the node does with each item; nil for nodes without one.
	body *graph
}

// edge comes into a vertex.
type edge struct {
	from   int
	handle string // "" for the plain way
	label  string // the name under which the target sees the source's output besides its own label; may be ""
}

// branches says whether the node only chooses between ways: it makes nothing and does nothing.
func (v *vertex) branches() bool { return v.transparent && len(v.handles) > 0 }

// emits says whether the node puts events into the log.
func (v *vertex) emits() bool {
	_, ok := v.node.(node.Emitter)
	return ok
}

// receives gives the node as one that events start; nil for others.
func (v *vertex) receives() *receive.Node {
	r, _ := v.node.(*receive.Node)
	return r
}

// each gives every node of the graph and of the bodies in it, each after all that come into it.
func (g *graph) each(yield func(v *vertex)) {
	for i := range g.nodes {
		yield(&g.nodes[i])
		if body := g.nodes[i].body; body != nil {
			body.each(yield)
		}
	}
}

// Entry is a receive node of a diagram.
type Entry struct {
	Label string
	Node  *receive.Node
}

// Entries gives the receive nodes, in order.
func (d *Diagram) Entries() []Entry {
	var out []Entry
	for i := range d.graph.nodes {
		if r := d.graph.nodes[i].receives(); r != nil {
			out = append(out, Entry{Label: d.graph.nodes[i].label, Node: r})
		}
	}
	return out
}

// Starts says whether an event of that provider and name is for one of the diagram's receive nodes, filters aside.
func (d *Diagram) Starts(provider, name string) bool {
	for i := range d.graph.nodes {
		if r := d.graph.nodes[i].receives(); r != nil && r.Matches(provider, name) {
			return true
		}
	}
	return false
}

// Startable says whether the pipeline has a start node, so that it can be called or run by hand.
func (d *Diagram) Startable() bool {
	for i := range d.graph.nodes {
		if v := &d.graph.nodes[i]; v.typ.Entry && v.receives() == nil {
			return true
		}
	}
	return false
}

// Responds says whether a run, or one that it calls and waits for, may answer the sender, and how long the sender's request is to stay
// open for it. Where several may, the first reply counts.
func (d *Diagram) Responds() (timeout time.Duration, ok bool) {
	timeout, ok = d.CalledRespond, d.CalledRespond > 0
	d.graph.each(func(v *vertex) {
		if r, is := v.node.(node.Responder); is {
			timeout, ok = max(timeout, r.Responds()), true
		}
	})
	return timeout, ok
}

// Size is the count of nodes, those of bodies among them.
func (d *Diagram) Size() int { return len(d.defs) }

// Placed is a built node and where it stands.
type Placed struct {
	// Path is that of the node's steps, without the numbers of items.
	Path string
	Span source.Span // of its label
	Node node.Node
}

// Nodes gives the built nodes, those of bodies among them, each after all that come into it.
func (d *Diagram) Nodes() []Placed {
	out := make([]Placed, 0, len(d.defs))
	d.graph.each(func(v *vertex) { out = append(out, Placed{Path: v.path, Span: v.span, Node: v.node}) })
	return out
}
