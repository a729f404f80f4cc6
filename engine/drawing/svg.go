package drawing

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/pipeline"
)

// Sizes of text, in pixels.
const (
	titleSize   = 17.0
	noteSize    = 12.5
	captionSize = 9.5
	labelSize   = 13.0
	detailSize  = 11.0
	pillSize    = 11.0
)

// Sizes of nodes, in pixels.
const (
	margin       = 24.0
	minBox       = 132.0
	maxText      = 236.0 // of a line in a node
	sidePad      = 18.0
	bodyPad      = 20.0
	lineHeight   = 17.0
	detailHeight = 15.0
)

// SVG draws a picture as an SVG document of its own: no script, no style sheet, no font and no other file is needed. It is light, with
// dark text, whatever surrounds it.
func SVG(p *pipeline.Picture, o Options) string {
	s := newSheet(p, &o)
	head := 0.0
	if o.Title != "" {
		head += 24
	}
	if o.Note != "" {
		head += 20
	}
	if head > 0 {
		head += 12
	}
	foot := 0.0
	legend := s.legend(p)
	if len(legend) > 0 {
		foot = 34
	}
	w := max(s.g.w, textWidth(clean(o.Title), titleSize), textWidth(clean(o.Note), noteSize), legendWidth(legend)) + 2*margin
	h := head + s.g.h + foot + 2*margin
	out := &svg{o: &o}
	out.f(`<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" font-family="Inter, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif" role="img">`+"\n",
		num(w), num(h), num(w), num(h))
	out.f("<title>%s</title>\n", escape(orText(titleOf(&o), "Pipeline")))
	out.f(`<rect width="%s" height="%s" fill="#ffffff"/>`+"\n", num(w), num(h))
	y := margin + 14
	if o.Title != "" {
		out.text(margin, y, titleSize, "#1f2328", `font-weight="600"`, clean(o.Title))
		y += 20
	}
	if o.Note != "" {
		out.text(margin, y, noteSize, "#57606a", "", clean(o.Note))
	}
	out.sheet(s, margin+(w-2*margin-s.g.w)/2, margin+head)
	out.legend(legend, margin, h-margin)
	out.b.WriteString("</svg>\n")
	return out.b.String()
}

// sheet is a picture with its layout.
type sheet struct {
	o     *Options
	p     *pipeline.Picture
	links links
	g     *layered
	parts []part // by node
}

// part is what a node is drawn of.
type part struct {
	caption       string
	label, detail []string
	body          *sheet
	top           float64 // the height of a foreach's heading
}

func newSheet(p *pipeline.Picture, o *Options) *sheet {
	s := &sheet{o: o, p: p, links: linksOf(p)}
	cells := make([]*cell, len(p.Nodes))
	for i := range p.Nodes {
		s.parts = append(s.parts, newPart(&p.Nodes[i], o))
		w, h := s.parts[i].size(shapeOf(&p.Nodes[i]))
		if s.links.parts(i) {
			h += pillReach
		}
		cells[i] = &cell{w: w, h: h}
	}
	s.g = arrangeCells(cells, &s.links)
	return s
}

func newPart(n *pipeline.PictureNode, o *Options) part {
	p := part{
		caption: strings.ToUpper(clean(n.Type)), label: wrap(clean(n.Label), maxText/labelSize, 3, runeWidth),
		detail: wrap(clean(n.Detail), maxText/detailSize, 2, codeRune),
	}
	if m, ok := o.mark(n.Path); ok {
		if t := m.tally(); t != "" {
			p.caption += " · " + t
		}
	}
	if n.Body != nil {
		p.body = newSheet(n.Body, o)
	}
	return p
}

// parts says whether a node has ways with names.
func (l *links) parts(n int) bool {
	return slices.ContainsFunc(l.out[n], func(e int) bool { return way(&l.edges[e]) != "" })
}

func (p *part) textWidth() float64 {
	w := textWidth(p.caption, captionSize*1.15)
	for _, line := range p.label {
		w = max(w, textWidth(line, labelSize))
	}
	for _, line := range p.detail {
		w = max(w, codeWidth(line, detailSize))
	}
	return w
}

func (p *part) size(sh shape) (w, h float64) {
	h = 14 + 12 + lineHeight*float64(len(p.label)) + detailHeight*float64(len(p.detail)) + 8
	pad := sidePad
	if sh == hexagon || sh == sender {
		pad += 12
	}
	w = max(minBox, p.textWidth()+2*pad)
	if p.body != nil {
		p.top = h
		w = max(w, p.body.g.w+2*bodyPad)
		h += p.body.g.h + 1.4*bodyPad + 8
	}
	return w, h
}

// legend gives the states that a picture shows.
func (s *sheet) legend(p *pipeline.Picture) []State {
	var out []State
	for _, st := range states() {
		if s.shows(p, st) {
			out = append(out, st)
		}
	}
	return out
}

func (s *sheet) shows(p *pipeline.Picture, st State) bool {
	for i := range p.Nodes {
		if m, ok := s.markOf(i); ok && m.State == st {
			return true
		}
		if b := s.parts[i].body; b != nil && b.shows(b.p, st) {
			return true
		}
	}
	return false
}

// markOf gives what became of a node.
func (s *sheet) markOf(i int) (Mark, bool) { return s.o.mark(s.p.Nodes[i].Path) }
