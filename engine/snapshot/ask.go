package snapshot

import (
	"slices"
	"time"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
)

// responder is a pipeline that may answer a sender.
type responder struct {
	diagram *pipeline.Diagram
	timeout time.Duration
}

// collectResponding tells each pipeline how long those that it calls may keep a sender's request open, and sorts the pipelines that may
// answer by the providers that start them. Headgate's own events have no sender.
func (s *Snapshot) collectResponding() {
	for _, d := range s.diagrams {
		s.followCalls(d)
	}
	s.responding = map[string][]responder{}
	for _, d := range s.diagrams {
		timeout, ok := d.Responds()
		if !ok {
			continue
		}
		for _, name := range s.names {
			if slices.ContainsFunc(d.Entries(), func(e pipeline.Entry) bool { return e.Node.From(name) }) {
				s.responding[name] = append(s.responding[name], responder{d, timeout})
			}
		}
	}
}

// followCalls sets what a pipeline's calls may answer in its place. What is called without waiting for it is left out: it may run long
// after the sender was answered. Calls in a circle, which are a finding, are followed once.
func (s *Snapshot) followCalls(d *pipeline.Diagram) {
	d.CalledRespond = 0
	var longest time.Duration
	seen := map[string]bool{d.Name: true}
	for queue := []*pipeline.Diagram{d}; len(queue) > 0; queue = queue[1:] {
		for _, n := range queue[0].Nodes() {
			c, ok := n.Node.(node.Caller)
			if !ok || c.Detached() || seen[c.Calls()] {
				continue
			}
			seen[c.Calls()] = true
			if called, ok := s.Pipeline(c.Calls()); ok {
				timeout, _ := called.Responds()
				longest = max(longest, timeout)
				queue = append(queue, called)
			}
		}
	}
	d.CalledRespond = longest
}

// Pipeline gives the live pipeline of a name: one of a document, or "<pipeline>/<path>" (see Diagram).
func (s *Snapshot) Pipeline(name string) (*pipeline.Diagram, bool) {
	name, path := pipeline.SplitName(name)
	for _, d := range s.diagrams {
		switch {
		case d.Name != name:
		case path != "":
			return d.Sub(path)
		default:
			return d, true
		}
	}
	return nil, false
}

// Pipeline gives the live pipeline of a name.
func (k *Keeper) Pipeline(name string) (*pipeline.Diagram, bool) { return k.Current().Pipeline(name) }
