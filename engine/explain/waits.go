package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
)

// Waiter is a node of a pipeline at which runs wait for events.
type Waiter struct {
	// Path is the node's, without the numbers of items.
	Path     string `json:"path"`
	Provider string `json:"provider"`
	// Takes says that the node looks at events of that provider and name; what it compares aside.
	Takes bool `json:"takes"`
	// Woke are the runs that the event woke there, as far as they were looked for.
	Woke []run.ID `json:"woke"`
}

// Woken are runs that an event woke.
type Woken struct {
	Runs []WokenRun
	// More says that not all runs were looked at that may have waited.
	More bool
}

// WokenRun is one run that an event woke, and where it waited.
type WokenRun struct {
	Run      run.ID
	Pipeline string
	// Path is the step's.
	Path string
}

// Awaiting gives the pipelines of a folder that wait for events of such a provider and name, in file order.
func Awaiting(s *snapshot.Snapshot, ev *event.Event) []string {
	var out []string
	if ev.Source == event.Manual {
		return nil
	}
	for _, d := range s.Pipelines() {
		if slices.ContainsFunc(waitersOf(d, ev), func(w Waiter) bool { return w.Takes }) {
			out = append(out, d.Name)
		}
	}
	return out
}

func waitersOf(d *pipeline.Diagram, ev *event.Event) []Waiter {
	out := []Waiter{}
	for _, w := range d.Awaits() {
		takes := w.Awaiter.Provider() == ev.Provider && w.Awaiter.Matches(ev.Name) && ev.Source != event.Manual
		out = append(out, Waiter{Path: w.Path, Provider: w.Awaiter.Provider(), Takes: takes, Woke: []run.ID{}})
	}
	return out
}

// waits tells what a pipeline's waits made of the event, where it came so far that it could wake anything.
func (d *decider) waits(name string, diagram *pipeline.Diagram, out *Decision) {
	out.Waits = waitersOf(diagram, d.ev)
	for _, w := range d.woken.Runs {
		if w.Pipeline != name {
			continue
		}
		path := pipeline.Definition(w.Path)
		at := slices.IndexFunc(out.Waits, func(w Waiter) bool { return w.Path == path })
		if at < 0 { // the run's own revision had it
			at = len(out.Waits)
			out.Waits = append(out.Waits, Waiter{Path: path, Provider: d.ev.Provider, Takes: true})
		}
		out.Waits[at].Woke = append(out.Waits[at].Woke, w.Run)
	}
	if d.ev.State == event.Ignored || d.ev.State == event.Quarantined {
		return // it wakes nobody
	}
	var takes, woke []string
	for _, w := range out.Waits {
		if w.Takes {
			takes = append(takes, "`"+w.Path+"`")
		}
		if len(w.Woke) > 0 {
			woke = append(woke, runsNamed(w.Woke)+" at `"+w.Path+"`")
		}
	}
	began := out.Run != nil
	switch {
	case len(woke) > 0 && began:
		out.Why += "; it woke " + strings.Join(woke, ", ")
	case len(woke) > 0:
		out.Verdict, out.Why = Woke, "it waits for such events: woke "+strings.Join(woke, ", ")
	case len(takes) > 0 && !began && out.Verdict != Changed && out.Verdict != NotRouted:
		out.Verdict, out.Why = Awaits, "it waits for such events at "+strings.Join(takes, ", ")+"; "+d.nobody()
	}
}

// nobody says that no run was woken, as far as that is known.
func (d *decider) nobody() string {
	switch {
	case d.rehearsed:
		return "nobody waits here"
	case d.ev.State == event.Accepted:
		return "the event is stored, and will be routed soon"
	case d.woken.More:
		return "no run that was looked at waited for it"
	}
	return "no run waited for it"
}

// shownRuns is how many runs are named in a sentence.
const shownRuns = 5

func runsNamed(ids []run.ID) string {
	var names []string
	for _, id := range ids[:min(len(ids), shownRuns)] {
		names = append(names, id.String())
	}
	text := "run " + names[0]
	if len(names) > 1 {
		text = "runs " + strings.Join(names, ", ")
	}
	if more := len(ids) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// receivedAndAwaited gives the event patterns of a provider that a pipeline's receives and waits name, each once, as they are written.
func receivedAndAwaited(doc *manifest.Document, provider string) (received, awaited []string) {
	walk(doc.Root, "", func(_ string, n *source.Node) {
		props := n.Get("props")
		p := props.Get("provider")
		if p == nil {
			return
		}
		switch into := textOf(n.Get("type")); {
		case into == receiveType && takesFrom(p.Text, provider):
			received = appendNew(received, patterns(props))
		case into == waitType && p.Text == provider:
			awaited = appendNew(awaited, patterns(props))
		}
	})
	return received, awaited
}

// The types of nodes that look at events, as manifests name them.
const (
	receiveType = "receive"
	waitType    = "wait"
)

// Patterns gives the event patterns that the node at a path names, with or without the numbers of items: `*` where it takes all.
func Patterns(d *pipeline.Diagram, path string) []string {
	var out []string
	path = pipeline.Definition(path)
	walk(d.Document.Root, "", func(at string, n *source.Node) {
		if at == path {
			out = patterns(n.Get("props"))
		}
	})
	return out
}

// Hides says whether a run began at a receive that keeps the payload to itself (`include_payload: false`).
func Hides(d *pipeline.Diagram, steps []run.Step) bool {
	hides := false
	walk(d.Document.Root, "", func(at string, n *source.Node) {
		if textOf(n.Get("type")) == receiveType && textOf(n.Get("props").Get("include_payload")) == "false" {
			hides = hides || slices.ContainsFunc(steps, func(s run.Step) bool { return s.Path == at && s.State == run.StepDone })
		}
	})
	return hides
}

// walk visits the nodes of a pipeline, those of bodies after the node that they belong to.
func walk(of *source.Node, under string, do func(path string, n *source.Node)) {
	nodes := of.Get("nodes")
	if nodes == nil {
		return
	}
	for _, n := range nodes.Items {
		path := under + textOf(n.Get("label"))
		do(path, n)
		walk(n.Get("props"), path+"/", do)
	}
}

func patterns(props *source.Node) []string {
	if names := texts(props.Get("event")); len(names) > 0 {
		return names
	}
	return []string{"*"}
}

func textOf(n *source.Node) string {
	if n == nil {
		return ""
	}
	return n.Text
}

func appendNew(to, more []string) []string {
	for _, text := range more {
		if !slices.Contains(to, text) {
			to = append(to, text)
		}
	}
	return to
}
