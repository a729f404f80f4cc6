package pipeline

import (
	"strings"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/run"
)

// deliverer is a node that sends to one destination: the key under which the live one is found, and the gate that its tasks pass.
type deliverer interface {
	node.Node
	Delivers() (destination, gate string)
}

// Destinations gives the keys of the destinations that the pipeline's hooks send to, those of bodies among them, each once.
func (d *Diagram) Destinations() []string {
	var out []string
	seen := map[string]bool{}
	d.graph.each(func(v *vertex) {
		if n, ok := v.node.(deliverer); ok {
			if key, _ := n.Delivers(); key != "" && !seen[key] {
				seen[key] = true
				out = append(out, key)
			}
		}
	})
	return out
}

// WaitsFor gives the names of the pipelines that this one calls, and waits for what they come to.
func (d *Diagram) WaitsFor() []string {
	var out []string
	d.graph.each(func(v *vertex) {
		if n, ok := v.node.(node.Caller); ok && !n.Detached() {
			out = append(out, n.Calls())
		}
	})
	return out
}

// Culprit gives the path of the step whose failure parks a run with these steps, where it is a hook's that of the hook (of several items
// of a body the first one's), and the gate of the hook's destination; "" where nothing failed, or what did was no hook.
func (d *Diagram) Culprit(rec Record) (path, gate string) {
	f := newFrame(d.graph)
	for i := range rec.Steps {
		f.take(&rec, i, rec.Steps[i].Path)
	}
	why := f.firstFailure()
	for why != nil {
		v := d.find(why.Path)
		if v == nil {
			return "", ""
		}
		if n, ok := v.node.(deliverer); ok {
			_, gate = n.Delivers()
			return why.Path, gate
		}
		why = d.failedIn(rec.Steps, why.Path)
	}
	return "", ""
}

// failedIn gives the first failure that nobody caught directly in the body of a node.
func (d *Diagram) failedIn(steps []run.Step, path string) *run.Step {
	var first *run.Step
	by := d.Compare()
	for i := range steps {
		s := &steps[i]
		rest, inside := strings.CutPrefix(s.Path, path+"[")
		if !inside || s.State != run.StepFailed || s.Branch == ErrorHandle || strings.Contains(rest, "[") {
			continue
		}
		if first == nil || by(s.Path, first.Path) < 0 {
			first = s
		}
	}
	return first
}
