package pipeline

import (
	"time"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/run"
)

// Result gives what a run that is over has come to: the output of the node at which it ended, a map of outputs by label where it ended
// at several, null where at none: where a node took a way that leads nowhere although another one leads on, it ended before. Nothing is
// evaluated; the record's event needs no body.
func (d *Diagram) Result(rec Record) any {
	f := d.fold(rec, time.Now)
	return f.result(f.root)
}

// ends gives the nodes at which one graph ended.
func (fr *frame) ends() []int {
	led := make([]bool, len(fr.places))
	for i := range fr.places {
		for _, e := range fr.graph.nodes[i].in {
			led[e.from] = led[e.from] || fr.along(e) == taken
		}
	}
	ends := make([]int, 0, 1)
	for i := range fr.places {
		v, s := &fr.graph.nodes[i], fr.places[i].step
		if s != nil && s.State == run.StepDone && !led[i] && (s.Branch == "" || !v.leads) && s.Branch != node.Batched {
			ends = append(ends, i)
		}
	}
	return ends
}

// resultBytes is how much JSON the result of one graph is at least.
func (fr *frame) resultBytes() int {
	n := 0
	for _, i := range fr.ends() {
		n += len(fr.places[i].step.Output)
	}
	return n
}

// result is Result for one graph.
func (f *fold) result(fr *frame) any {
	ends := fr.ends()
	switch len(ends) {
	case 0:
		return nil
	case 1:
		value, _ := f.value(fr, ends[0])
		return value
	}
	out := make(map[string]any, len(ends))
	for _, i := range ends {
		out[fr.graph.nodes[i].label], _ = f.value(fr, i)
	}
	return out
}
