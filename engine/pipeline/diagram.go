package pipeline

import (
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
	// Document is what the diagram was compiled from.
	Document *manifest.Document

	nodes []vertex // in topological order
	index map[string]int
	vars  *script.Tree
}

// vertex is one node with its connections; edges are indexes into Diagram.nodes.
type vertex struct {
	label string
	typ   node.Type
	node  node.Node
	span  source.Span
	in    []edge
	// catches says that the [error] handle is connected, leads that any way out is.
	catches, leads bool
	// before are the nodes from which connections lead here, near or far, in order.
	before []int
}

// edge comes into a vertex.
type edge struct {
	from   int
	handle string // "" for the plain way
	label  string // the name under which the target sees the source's output besides its own label; may be ""
}

// Entry is a receive node of a diagram.
type Entry struct {
	Label string
	Node  *receive.Node
}

// Entries gives the receive nodes, in order.
func (d *Diagram) Entries() []Entry {
	var out []Entry
	for _, v := range d.nodes {
		if r, ok := v.node.(*receive.Node); ok {
			out = append(out, Entry{Label: v.label, Node: r})
		}
	}
	return out
}

// Starts says whether an event of that provider and name is for one of the diagram's receive nodes, filters aside.
func (d *Diagram) Starts(provider, name string) bool {
	for _, v := range d.nodes {
		if r, ok := v.node.(*receive.Node); ok && r.Provider == provider && r.Matches(name) {
			return true
		}
	}
	return false
}

// Size is the count of nodes.
func (d *Diagram) Size() int { return len(d.nodes) }

// Nodes gives the built nodes, each after all that come into it.
func (d *Diagram) Nodes() []node.Node {
	out := make([]node.Node, 0, len(d.nodes))
	for _, v := range d.nodes {
		out = append(out, v.node)
	}
	return out
}
