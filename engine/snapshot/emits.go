package snapshot

import (
	"fmt"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/source"
)

// emission is a node that starts other pipelines: by an event that it emits, or by a call.
type emission struct {
	path string
	span source.Span
	// calls is the pipeline that it calls; "" for one that emits.
	calls string
	// name is its event, or where it is not whole what the names begin with.
	name  string
	whole bool
}

// starts says whether the node may start a pipeline.
func (e *emission) starts(d *pipeline.Diagram) bool {
	if e.calls != "" {
		return e.calls == d.Name
	}
	for _, entry := range d.Entries() {
		if e.whole && entry.Node.Matches(event.Internal, e.name) || !e.whole && entry.Node.Begins(event.Internal, e.name) {
			return true
		}
	}
	return false
}

// checkEmits warns of pipelines that the events which they emit may start again, filters aside. Each circle is told of at its first
// pipeline, and each pipeline is told of once.
func checkEmits(diagrams []*pipeline.Diagram, out *diag.List) {
	emissions := make([][]emission, len(diagrams))
	for i, d := range diagrams {
		for _, n := range d.Nodes() {
			switch t := n.Node.(type) {
			case node.Emitter:
				name, whole := t.Emits()
				emissions[i] = append(emissions[i], emission{path: n.Path, span: n.Span, name: name, whole: whole})
			case node.Caller:
				emissions[i] = append(emissions[i], emission{path: n.Path, span: n.Span, calls: t.Calls()})
			}
		}
	}
	told := make([]bool, len(diagrams))
	for i := range diagrams {
		if told[i] {
			continue
		}
		c := &circle{diagrams: diagrams, emissions: emissions, home: i, entered: make([]bool, len(diagrams))}
		if c.back(i) {
			for _, at := range c.through {
				told[at] = true
			}
			c.report(out)
		}
	}
}

// circle is the search for a way back to a pipeline.
type circle struct {
	diagrams  []*pipeline.Diagram
	emissions [][]emission
	home      int
	entered   []bool
	// way are the nodes that lead round, from the last to the first, and through the pipelines that they start.
	way     []emission
	through []int
}

// back finds the nodes that lead from a pipeline home. Calls alone lead home nowhere: that is an error of its own.
func (c *circle) back(from int) bool {
	for _, e := range c.emissions[from] {
		for to, d := range c.diagrams {
			if to != c.home && c.entered[to] || !e.starts(d) {
				continue
			}
			c.entered[to] = true
			if to == c.home || c.back(to) {
				c.way, c.through = append(c.way, e), append(c.through, to)
				return true
			}
		}
	}
	return false
}

func (c *circle) report(out *diag.List) {
	n := len(c.way)
	first := -1 // the first of them that emits
	for i := n - 1; i >= 0; i-- {
		if c.way[i].calls == "" {
			first = i
			break
		}
	}
	if first < 0 {
		return
	}
	f := diag.Finding{
		Severity: diag.Warning, Rule: diag.EmitCycle, Span: c.way[first].span,
		Hint: "emit another name, receive fewer, or let a condition end it",
	}
	names := []string{c.diagrams[c.home].Name}
	for i := n - 1; i >= 0; i-- {
		names = append(names, c.diagrams[c.through[i]].Name)
		if e := c.way[i]; i != first {
			what := "emits " + e.what()
			if e.calls != "" {
				what = fmt.Sprintf("calls %q", e.calls)
			}
			f.Related = append(f.Related, diag.Related{Span: e.span, Message: what})
		}
	}
	f.Message = fmt.Sprintf("%q emits %s, which may start the pipelines again and again: %s", c.way[first].path, c.way[first].what(), strings.Join(names, " -> "))
	out.Add(f)
}

// what says what a node emits.
func (e *emission) what() string {
	switch {
	case e.whole:
		return e.name
	case e.name == "":
		return "events of any name"
	}
	return e.name + "…"
}
