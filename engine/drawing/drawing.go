// Package drawing draws a pipeline's picture: as an outline for a terminal ([Text]), as Mermaid, as DOT, and as an SVG that needs no
// other program. A picture may show one run: what became of each node, and which branch was taken.
//
// All functions are pure. Labels come from manifests and may hold anything: every format escapes them in its own way, and what would
// turn text around or hide it becomes U+FFFD. Not here: what a picture holds (pipeline.Diagram.Picture), and where runs are read.
package drawing

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

// Options say how a picture is drawn.
type Options struct {
	// Title is the heading, "" for none. Note is a line below it.
	Title, Note string
	// Run, where not nil, shows what one run came to.
	Run *Run
	// Paint colours a piece of Text for a terminal; the kind is that of the piece. Nil leaves it as it is. No other format asks it.
	Paint func(kind Kind, text string) string
}

// Kind says what a piece of text is.
type Kind string

// The kinds of pieces. A piece that tells of a state has the state's name as its kind.
const (
	KindTitle  Kind = "title"
	KindLabel  Kind = "label"
	KindFaint  Kind = "faint"
	KindHandle Kind = "handle"
)

// State is what became of a node in a run.
type State string

// The states of a node. A node that is in none has not been reached yet.
const (
	Done     State = "done"
	Failed   State = "failed"
	Skipped  State = "skipped"
	Filtered State = "filtered"
	Waiting  State = "waiting"
)

// Word is what the state is called where people read it. The record's own word for a node that was passed by is "skipped".
func (s State) Word() string {
	if s == Skipped {
		return "not reached"
	}
	return string(s)
}

// Run is a run as it is shown on a picture.
type Run struct {
	// Marks are what became of the nodes, by path without the numbers of items ("Each/Tell").
	Marks map[string]Mark
}

// Mark is what became of one node; of a node inside of a foreach, in all its items.
type Mark struct {
	// State is the one that a person wants to hear of first: failed, waiting, done, filtered, skipped.
	State State `json:"state"`
	// Taken are the ways out that were taken; "" is the plain one.
	Taken []string `json:"taken,omitempty"`
	// Counts tells how many items are in which state; nil for a node that ran once.
	Counts map[State]int `json:"counts,omitempty"`
}

// Show makes the marks of a run from its steps and open tasks, in whatever order.
func Show(steps []run.Step, tasks []run.Task) *Run {
	r := &Run{Marks: map[string]Mark{}}
	for i := range steps {
		s := &steps[i]
		state := State(s.State)
		var taken []string
		if state == Done || s.Branch != "" {
			taken = []string{s.Branch}
		}
		r.add(s.Path, state, taken)
	}
	for i := range tasks {
		r.add(tasks[i].Path, Waiting, nil)
	}
	r.waiting()
	for path, m := range r.Marks {
		slices.Sort(m.Taken)
		m.Taken = slices.Compact(m.Taken)
		r.Marks[path] = m
	}
	return r
}

// waiting marks the nodes whose bodies have begun and that have not ended themselves.
func (r *Run) waiting() {
	for path := range r.Marks {
		for {
			at := strings.LastIndexByte(path, '/')
			if at < 0 {
				break
			}
			path = path[:at]
			if _, ok := r.Marks[path]; !ok {
				r.Marks[path] = Mark{State: Waiting}
			}
		}
	}
}

func (r *Run) add(path string, state State, taken []string) {
	plain := pipeline.Definition(path)
	if plain == "" {
		return // the run as a whole is to be folded
	}
	m, again := r.Marks[plain]
	if !again || rank(state) < rank(m.State) {
		m.State = state
	}
	m.Taken = append(m.Taken, taken...)
	if plain != path {
		if m.Counts == nil {
			m.Counts = map[State]int{}
		}
		m.Counts[state]++
	}
	r.Marks[plain] = m
}

// states lists the states, the one that a person wants to hear of first at the head.
func states() []State { return []State{Failed, Waiting, Done, Filtered, Skipped} }

func rank(s State) int { return slices.Index(states(), s) }

// mark gives what became of a node.
func (o *Options) mark(path string) (Mark, bool) {
	if o.Run == nil {
		return Mark{}, false
	}
	m, ok := o.Run.Marks[path]
	return m, ok
}

// took says whether a run went this way.
func (o *Options) took(path, handle string) bool {
	m, ok := o.mark(path)
	return ok && slices.Contains(m.Taken, handle)
}

// tally tells the counts of a node inside of a foreach: "3 done, 1 failed"; "" for a node that ran once.
func (m *Mark) tally() string {
	var parts []string
	for _, s := range states() {
		if n := m.Counts[s]; n > 0 {
			parts = append(parts, itoa(n)+" "+s.Word())
		}
	}
	return strings.Join(parts, ", ")
}

// way names the way that an edge takes out of its node: `true`, `true as Answer`; "" for a plain one.
func way(e *pipeline.PictureEdge) string {
	switch {
	case e.Label == "":
		return e.Handle
	case e.Handle == "":
		return "as " + e.Label
	}
	return e.Handle + " as " + e.Label
}

// clean makes text fit to be shown on one line: what controls a terminal or a parser, turns text around or hides it becomes U+FFFD.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r' || r == '\u2028' || r == '\u2029':
			return ' '
		case r == unicode.ReplacementChar, unicode.IsControl(r), unicode.In(r, unicode.Bidi_Control, unicode.Cf), r >= 0xfffe && r <= 0xffff:
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// shorten cuts text to a count of characters.
func shorten(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return strings.TrimRight(string(runes[:limit-1]), " ") + "…"
}

// links are a picture's edges by the numbers of their nodes. Edges that name no node are left out.
type links struct {
	out, in [][]int // by node: numbers of edges
	from    []int
	to      []int
	edges   []pipeline.PictureEdge
}

func linksOf(p *pipeline.Picture) links {
	at := make(map[string]int, len(p.Nodes))
	for i := range p.Nodes {
		at[p.Nodes[i].Label] = i
	}
	l := links{out: make([][]int, len(p.Nodes)), in: make([][]int, len(p.Nodes))}
	for i := range p.Edges {
		from, okFrom := at[p.Edges[i].From]
		to, okTo := at[p.Edges[i].To]
		if !okFrom || !okTo || from == to {
			continue
		}
		n := len(l.edges)
		l.edges = append(l.edges, p.Edges[i])
		l.from, l.to = append(l.from, from), append(l.to, to)
		l.out[from], l.in[to] = append(l.out[from], n), append(l.in[to], n)
	}
	return l
}

// order gives the nodes so that each stands behind all that lead to it, otherwise as they are written. A circle, which no compiled
// diagram has, ends up at the end.
func (l *links) order() []int {
	waits := make([]int, len(l.in))
	var ready, out []int
	for i := range l.in {
		if waits[i] = len(l.in[i]); waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		at := slices.Index(ready, slices.MinFunc(ready, cmp.Compare[int]))
		n := ready[at]
		ready = slices.Delete(ready, at, at+1)
		out = append(out, n)
		for _, e := range l.out[n] {
			if waits[l.to[e]]--; waits[l.to[e]] == 0 {
				ready = append(ready, l.to[e])
			}
		}
	}
	for i := range l.in {
		if waits[i] > 0 {
			out = append(out, i)
		}
	}
	return out
}
