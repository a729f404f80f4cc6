// Package explain tells why an event did what it did: what each pipeline of a folder made of it, and what of a request gave the event its
// name and its id.
//
// It reads a compiled folder and what is on record, and asks nobody: [Decide] is about an event that came, [Rehearse] about one that
// never did. The API and the command line show the same records. All functions may be called concurrently.
package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
)

// Verdict is what a pipeline made of an event, in a word.
type Verdict string

// The verdicts.
const (
	// Started: there is a run, or a rehearsed one.
	Started Verdict = "started"
	// Filtered: the filter, or the conditions behind it, let nothing pass. The run tells what they read.
	Filtered Verdict = "filtered"
	// Limited: the pipeline has had its runs, or as many are open as may be.
	Limited Verdict = "limited"
	// Provider: the pipeline receives from other providers.
	Provider Verdict = "other_provider"
	// Event: the pipeline receives other events of the provider.
	Event Verdict = "other_event"
	// Woke: the pipeline does not begin by such events; runs of it waited for this one.
	Woke Verdict = "woke"
	// Awaits: runs of the pipeline may wait for such events; none waited for this one.
	Awaits Verdict = "awaits"
	// Callable: the pipeline receives nothing; it is called, or run by hand.
	Callable Verdict = "no_receive"
	// Disabled: the manifest says `enabled: false`.
	Disabled Verdict = "disabled"
	// NotRouted: the event starts nothing: it is ignored or quarantined, or it is only stored so far.
	NotRouted Verdict = "not_routed"
	// Changed: it would start now, and did not when the event came: it was added or changed since.
	Changed Verdict = "changed_since"
	// Gone: it made a run, and is not in the folder any more.
	Gone Verdict = "gone"
)

// Decision is what one pipeline made of an event.
type Decision struct {
	Pipeline string  `json:"pipeline"`
	Title    string  `json:"title,omitempty"`
	Verdict  Verdict `json:"verdict"`
	// Why says it in a sentence.
	Why string `json:"why,omitempty"`
	// Run is the run that the event itself began, null where there is none.
	Run *run.ID `json:"run"`
	// Receives tells what the pipeline takes, in the order of its receive nodes.
	Receives []Receive `json:"receives"`
	// Waits are its nodes that wait for events in the middle of a run, in order.
	Waits []Waiter `json:"waits"`
}

// Receive is one receive node.
type Receive struct {
	Label    string `json:"label"`
	Provider string `json:"provider"`
	// Takes says that the node takes events of that provider and name; its filter aside.
	Takes bool `json:"takes"`
}

// Decide tells what every pipeline of a folder makes of an event: first those that have to do with it, then the others, each in file
// order. runs are those that are on record for the event; where they are cut off, what is not among them may look as if it had changed.
// woken are the runs that it woke (see [Awaiting] for the pipelines that they may be of); nil for an event that never came.
func Decide(s *snapshot.Snapshot, ev *event.Event, runs []run.Run, woken *Woken) []Decision {
	d := decider{s: s, ev: ev, runs: map[string]*run.Run{}, rehearsed: woken == nil}
	if woken != nil {
		d.woken = *woken
	}
	for i := range runs {
		if r := &runs[i]; r.Cause.Kind == run.Live || r.Cause.Kind == "" || r.Cause.Kind == run.Manual {
			d.runs[r.Pipeline] = r
		}
	}
	var out []Decision
	for _, doc := range s.Bundle().Documents(manifest.Pipeline) {
		out = append(out, d.decide(doc))
	}
	for i := range runs { // in the order in which they are on record
		r := &runs[i]
		if d.runs[r.Pipeline] == r && s.Bundle().Find(manifest.Pipeline, r.Pipeline) == nil {
			id := r.ID
			out = append(out, Decision{Pipeline: r.Pipeline, Verdict: Gone, Why: "the pipeline is not in the folder any more", Run: &id, Receives: []Receive{}, Waits: []Waiter{}})
		}
	}
	slices.SortStableFunc(out, func(a, b Decision) int { return cmp.Compare(distance(a.Verdict), distance(b.Verdict)) })
	return out
}

// distance orders verdicts by how near a pipeline came to the event.
func distance(v Verdict) int {
	switch v {
	case Started, Filtered, Limited, Gone, Woke:
		return 0
	case Changed, NotRouted, Awaits:
		return 1
	case Event:
		return 2
	}
	return 3
}

type decider struct {
	s    *snapshot.Snapshot
	ev   *event.Event
	runs map[string]*run.Run // those that the event began itself, by pipeline
	// woken are the runs that it woke; rehearsed says that it never came.
	woken     Woken
	rehearsed bool
}

func (d *decider) decide(doc *manifest.Document) Decision {
	out := Decision{Pipeline: doc.Name, Title: doc.Title, Receives: []Receive{}, Waits: []Waiter{}}
	diagram, live := d.s.Pipeline(doc.Name)
	d.begins(doc, diagram, live, &out)
	if live {
		d.waits(doc.Name, diagram, &out)
	}
	return out
}

// begins tells whether the event began a run, and why not.
func (d *decider) begins(doc *manifest.Document, diagram *pipeline.Diagram, live bool, out *Decision) {
	var others []string // providers and patterns that are not this event's
	same := false
	if live {
		for _, e := range diagram.Entries() {
			r := Receive{Label: e.Label, Provider: e.Node.Provider, Takes: e.Node.Matches(d.ev.Provider, d.ev.Name)}
			out.Receives = append(out.Receives, r)
			same = same || e.Node.From(d.ev.Provider)
			others = append(others, e.Node.Provider)
		}
	}
	if r := d.runs[doc.Name]; r != nil {
		id := r.ID
		out.Run = &id
		out.Verdict, out.Why = ofRun(r)
		return
	}
	takes := slices.ContainsFunc(out.Receives, func(r Receive) bool { return r.Takes })
	switch {
	case !live:
		out.Verdict, out.Why = Disabled, "its manifest says `enabled: false`"
	case d.ev.Source == event.Manual:
		out.Verdict, out.Why = Provider, "the event is a run by hand of another pipeline"
	case len(out.Receives) == 0:
		out.Verdict, out.Why = Callable, "it receives no events: another pipeline calls it, or a person runs it"
	case !same:
		slices.Sort(others)
		out.Verdict, out.Why = Provider, "it receives from "+strings.Join(slices.Compact(others), ", ")
	case !takes:
		out.Verdict, out.Why = Event, d.otherEvents(doc)
	default:
		out.Verdict, out.Why = d.notBegun()
	}
}

// takesFrom says whether a node that names a provider looks at the events of another name.
func takesFrom(named, provider string) bool {
	return named == provider || named == node.AnyProvider && provider != event.Internal
}

// ofRun tells a run's verdict.
func ofRun(r *run.Run) (Verdict, string) {
	switch {
	case r.State == run.Done && r.Outcome == run.Filtered:
		return Filtered, "a filter or a condition let nothing of it pass"
	case r.State == run.Done && r.Outcome == run.Limited && r.Reason == run.RateLimited:
		return Limited, "the pipeline has had its runs of the period (`limits.runs`)"
	case r.State == run.Done && r.Outcome == run.Limited:
		return Limited, "as many runs are open as may be (`limits.concurrency`), and others do not wait"
	}
	switch r.State {
	case run.Open:
		return Started, "it is not over yet"
	case run.Parked:
		return Started, "it is parked: " + r.Reason
	case run.Dropped:
		return Started, "it was dropped"
	}
	return Started, "it is completed"
}

// notBegun tells why a pipeline that takes the event has no run.
func (d *decider) notBegun() (Verdict, string) {
	switch d.ev.State {
	case event.Ignored, event.Quarantined:
		return NotRouted, fmt.Sprintf("the event starts nothing: it is %s (%s)", d.ev.State, d.ev.Reason)
	case event.Accepted:
		return NotRouted, "the event is stored, and will be routed soon"
	}
	return Changed, "it takes such events now, and did not when this one was routed: it was added or changed since"
}

// otherEvents tells which events of the provider a pipeline takes instead, and the nearest one.
func (d *decider) otherEvents(doc *manifest.Document) string {
	received, awaited := receivedAndAwaited(doc, d.ev.Provider)
	why := "it receives " + strings.Join(received, ", ")
	if len(awaited) > 0 {
		why += ", and waits for " + strings.Join(awaited, ", ")
	}
	if d.ev.Name == "" {
		return why + "; the event has no name"
	}
	if near, ok := diag.Nearest(d.ev.Name, slices.Concat(received, awaited)); ok {
		return fmt.Sprintf("%s; the nearest to %q is %q", why, d.ev.Name, near)
	}
	return why
}

// texts gives a scalar's text, or those of a list.
func texts(n *source.Node) []string {
	if n == nil {
		return nil
	}
	if n.IsScalar() {
		return []string{n.Text}
	}
	var out []string
	for _, item := range n.Items {
		out = append(out, item.Text)
	}
	return out
}

// Identity says what gave an event its name and its delivery id, in the words of the provider's manifest.
type Identity struct {
	// Event and Delivery name the parts of the request: "header X-Acme-Event"; "" where the manifest names none.
	Event    string `json:"event,omitempty"`
	Delivery string `json:"delivery,omitempty"`
	// Window is how long a delivery id counts as seen.
	Window string `json:"window,omitempty"`
	// Nearest is the declared event whose name comes nearest to that of an event that is not declared; "" where none does.
	Nearest string `json:"nearest,omitempty"`
}

// Identify reads the manifest of an event's provider; nil where the folder has none of that name.
func Identify(s *snapshot.Snapshot, ev *event.Event) *Identity {
	doc := s.Bundle().Find(manifest.Provider, ev.Provider)
	if doc == nil {
		return nil
	}
	out := &Identity{Event: place(doc.Root.Get("event")), Delivery: place(doc.Root.Get("delivery"))}
	if out.Event == "" && len(texts(doc.Root.Get("events"))) == 1 {
		out.Event = "the provider's only event"
	}
	if w := doc.Root.Get("delivery").Get("window"); w != nil {
		out.Window = w.Text
	}
	if p, ok := s.Provider(ev.Provider); ok && ev.Name != "" {
		if _, declared := p.Event(ev.Name); !declared {
			out.Nearest, _ = diag.Nearest(ev.Name, p.Events())
		}
	}
	return out
}

// place names a part of a request as a manifest does.
func place(n *source.Node) string {
	switch {
	case n == nil:
		return ""
	case n.IsScalar():
		return n.Text
	case n.Get("header") != nil:
		return "header " + n.Get("header").Text
	case n.Get("body") != nil:
		return "body " + n.Get("body").Text
	case n.Get("from") != nil:
		return strings.Join(texts(n.Get("from")), ", ")
	}
	return ""
}
