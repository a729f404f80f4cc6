package drawing

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/pipeline"
)

// detailWidth is what of a node's detail the outline shows: with labels and types it fits a wide terminal.
const detailWidth = 72

// Text draws a picture as an outline. A chain goes down; the ways of a node that parts stand below it, further in; a node at which
// branches meet again stands where the branches began, and each branch ends with an arrow to it.
func Text(p *pipeline.Picture, o Options) string {
	w := &outline{o: o}
	if o.Title != "" {
		w.line(w.paint(KindTitle, clean(o.Title)))
	}
	if o.Note != "" {
		w.line(w.paint(KindFaint, clean(o.Note)))
	}
	if o.Title != "" || o.Note != "" {
		w.line("")
	}
	w.measure(p, 0)
	w.picture(p, "")
	return w.b.String()
}

type outline struct {
	o             Options
	b             strings.Builder
	labels, types int // the columns
}

func (w *outline) paint(kind Kind, text string) string {
	if w.o.Paint == nil || text == "" {
		return text
	}
	return w.o.Paint(kind, text)
}

func (w *outline) line(text string) { w.b.WriteString(strings.TrimRight(text, " ") + "\n") }

// maxLabelColumn keeps one long label from pushing all details off the screen.
const maxLabelColumn = 44

func (w *outline) measure(p *pipeline.Picture, depth int) {
	for i := range p.Nodes {
		n := &p.Nodes[i]
		w.labels = max(w.labels, min(maxLabelColumn, utf8.RuneCountInString(clean(n.Label))+2*depth))
		w.types = max(w.types, utf8.RuneCountInString(clean(n.Type)))
		if n.Body != nil {
			w.measure(n.Body, depth+1)
		}
	}
}

// fork is one picture of an outline.
type fork struct {
	*outline
	p     *pipeline.Picture
	links links
	at    []int   // position in the order
	under [][]int // by node: the joins that stand below it, in order
	shown []bool
}

func (w *outline) picture(p *pipeline.Picture, indent string) {
	l := linksOf(p)
	f := &fork{outline: w, p: p, links: l, at: make([]int, len(p.Nodes)), under: make([][]int, len(p.Nodes)), shown: make([]bool, len(p.Nodes))}
	order := l.order()
	for i, n := range order {
		f.at[n] = i
	}
	top := f.place(order)
	for _, n := range top {
		if !f.shown[n] {
			f.chain(n, indent)
		}
	}
}

// place finds for each join the node below which it stands: the last one through which all ways to it go. It gives the nodes that
// stand below none.
func (f *fork) place(order []int) (top []int) {
	const none = -1
	above := make([]int, len(order)) // the immediate dominator
	depth := make([]int, len(order))
	for _, n := range order {
		above[n] = none
		for i, e := range f.links.in[n] {
			from := f.links.from[e]
			if i == 0 {
				above[n] = from
				continue
			}
			a, b := above[n], from
			for a != b && a != none && b != none {
				if depth[a] >= depth[b] {
					a = above[a]
				} else {
					b = above[b]
				}
			}
			if a != b {
				a = none
			}
			above[n] = a
			if a == none {
				break
			}
		}
		if above[n] != none {
			depth[n] = depth[above[n]] + 1
		}
		switch {
		case above[n] == none:
			top = append(top, n)
		case f.joins(n):
			f.under[above[n]] = append(f.under[above[n]], n)
		}
	}
	return top
}

// joins says whether several connections lead to a node.
func (f *fork) joins(n int) bool { return len(f.links.in[n]) > 1 }

// chain shows a node and what follows it. Where one of several ways has no name, it is the one that goes on below; the others stand
// between.
func (f *fork) chain(n int, indent string) {
	for {
		f.node(n, indent)
		out, next := f.links.out[n], -1
		var others []int
		for _, e := range out {
			if next < 0 && way(&f.links.edges[e]) == "" {
				next = e
			} else {
				others = append(others, e)
			}
		}
		if next >= 0 && slices.ContainsFunc(others, func(e int) bool { return way(&f.links.edges[e]) == "" }) {
			next, others = -1, out
		}
		if f.branches(n, others, indent); next >= 0 {
			if to := f.links.to[next]; f.joins(to) {
				f.arrow(to, indent)
			} else if len(f.under[n]) == 0 {
				n = to
				continue
			} else {
				f.chain(to, indent)
			}
		}
		for _, join := range f.under[n] {
			f.chain(join, indent)
		}
		return
	}
}

func (f *fork) branches(n int, edges []int, indent string) {
	for _, e := range edges {
		edge := &f.links.edges[e]
		name, kind := "─", KindFaint
		if w := way(edge); w != "" {
			name, kind = " ["+clean(w)+"]", KindHandle
		}
		if f.o.Run != nil {
			kind = KindFaint
			if f.o.took(f.p.Nodes[n].Path, edge.Handle) {
				name += " taken"
				kind = Kind(Done)
			}
		}
		to := f.links.to[e]
		head := indent + f.paint(KindFaint, "├─") + f.paint(kind, name)
		if f.joins(to) {
			f.line(head + f.paint(KindFaint, " → ") + clean(f.p.Nodes[to].Label))
			continue
		}
		f.line(head)
		f.chain(to, indent+f.paint(KindFaint, "│ "))
	}
}

func (f *fork) arrow(to int, indent string) {
	f.line(indent + f.paint(KindFaint, "→ ") + clean(f.p.Nodes[to].Label))
}

// node shows one node, and below it the body of a foreach.
func (f *fork) node(n int, indent string) {
	f.shown[n] = true
	node := &f.p.Nodes[n]
	label := clean(node.Label)
	used := utf8.RuneCountInString(label) + columns(indent)
	pad := strings.Repeat(" ", max(0, f.labels+4-used))
	kind, mark, word := KindLabel, "●", ""
	if node.Entry {
		mark = "▶"
	}
	if m, ok := f.o.mark(node.Path); ok {
		kind, mark, word = Kind(m.State), glyph(m.State), m.State.Word()
		if t := m.tally(); t != "" {
			word = t
		}
	} else if f.o.Run != nil {
		kind, mark = KindFaint, "·"
	}
	text := indent + f.paint(kind, mark) + " " + f.paint(KindLabel, label) + pad + "  " +
		f.paint(KindFaint, clean(node.Type)+strings.Repeat(" ", max(0, f.types-utf8.RuneCountInString(clean(node.Type)))))
	if word != "" {
		text += "  " + f.paint(kind, word)
	}
	if node.Detail != "" {
		text += "  " + shorten(clean(node.Detail), detailWidth)
	}
	if f.joins(n) {
		var from []string
		for _, e := range f.links.in[n] {
			from = append(from, clean(f.p.Nodes[f.links.from[e]].Label))
		}
		slices.Sort(from)
		text += f.paint(KindFaint, "  (after "+strings.Join(slices.Compact(from), ", ")+")")
	}
	f.line(text)
	if node.Body != nil {
		f.picture(node.Body, indent+f.paint(KindFaint, "┊ "))
	}
}

// columns counts what an indentation takes on the screen: it may hold colours.
func columns(indent string) int {
	n := 0
	for _, r := range indent {
		switch r {
		case '│', '┊', ' ':
			n++
		}
	}
	return n
}

// glyph marks a state in an outline.
func glyph(s State) string {
	switch s {
	case Done:
		return "✓"
	case Failed:
		return "✗"
	case Waiting:
		return "…"
	case Filtered:
		return "∅"
	}
	return "·"
}

func itoa(n int) string { return strconv.Itoa(n) }
