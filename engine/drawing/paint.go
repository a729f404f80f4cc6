package drawing

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/pipeline"
)

// svg collects an SVG document.
type svg struct {
	o *Options
	b strings.Builder
}

func (s *svg) f(format string, args ...any) { fmt.Fprintf(&s.b, format, args...) }

// num writes a coordinate: a tenth of a pixel is finer than anybody sees.
func num(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

// escape writes text for XML, in content and in quoted attributes.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(s)
}

// text writes one line. attrs are further attributes, which the caller has escaped.
func (s *svg) text(x, y, size float64, fill, attrs, text string) {
	if attrs != "" {
		attrs = " " + attrs
	}
	s.f(`<text x="%s" y="%s" font-size="%s" fill="%s"%s>%s</text>`+"\n", num(x), num(y), num(size), fill, attrs, escape(text))
}

const (
	centred   = `text-anchor="middle"`
	monospace = `text-anchor="middle" font-family="ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"`
)

// sheet draws a picture with its upper left corner at x, y: edges first, so that nodes lie on them.
func (s *svg) sheet(sh *sheet, x, y float64) {
	for _, later := range []bool{false, true} { // what a run took lies above what it did not
		for i := range sh.g.chains {
			c := &sh.g.chains[i]
			e := &sh.links.edges[c.edge]
			if took := s.o.took(sh.p.Nodes[sh.links.from[c.edge]].Path, e.Handle); took == later {
				s.edge(c, e, took, x, y)
			}
		}
	}
	for i := range sh.p.Nodes {
		s.node(sh, i, x, y)
	}
	for i := range sh.p.Nodes {
		s.pills(sh, i, x, y)
	}
}

// lineLook is how an edge is drawn.
func (s *svg) lineLook(handle string, took bool) (stroke, attrs string) {
	switch {
	case took:
		return "#1a7f37", ` stroke-width="2.6"`
	case s.o.Run != nil:
		return "#afb8c1", ` stroke-width="1.4"`
	case handle == pipeline.ErrorHandle:
		return "#cf222e", ` stroke-width="1.5" stroke-dasharray="5 4"`
	}
	return "#57606a", ` stroke-width="1.5"`
}

// edge draws a line down from layer to layer. It bends between layers only, so that it passes no node.
func (s *svg) edge(c *chain, e *pipeline.PictureEdge, took bool, x, y float64) {
	const arrow = 8.0
	from := c.cells[0]
	px, py := x+from.x+from.ports[c.port].x, y+from.y+from.h
	if from.ports[c.port].name != "" {
		py += pillReach
	}
	var d strings.Builder
	fmt.Fprintf(&d, "M%s %s", num(px), num(py))
	for i := 1; i < len(c.cells); i++ {
		to := c.cells[i]
		tx, ty := x+to.x, y+to.y
		if i == len(c.cells)-1 {
			ty -= arrow - 1
		}
		base := y + c.cells[i-1].bottom
		if base > py {
			fmt.Fprintf(&d, "V%s", num(base))
			py = base
		}
		if abs(tx-px) < 0.5 {
			fmt.Fprintf(&d, "V%s", num(ty))
		} else {
			mid := (ty - py) * 0.55
			fmt.Fprintf(&d, "C%s %s %s %s %s %s", num(px), num(py+mid), num(tx), num(ty-mid), num(tx), num(ty))
		}
		px, py = tx, ty
		if to.passing {
			py = y + to.y + to.h
			fmt.Fprintf(&d, "V%s", num(py))
		}
	}
	stroke, attrs := s.lineLook(e.Handle, took)
	s.f(`<path d="%s" fill="none" stroke="%s"%s/>`+"\n", d.String(), stroke, attrs)
	s.f(`<path d="M%s %sl-4.5 -%sh9z" fill="%s"/>`+"\n", num(px), num(py+arrow-1), num(arrow), stroke)
}

// node draws a node, and inside of a foreach its body.
func (s *svg) node(sh *sheet, i int, x, y float64) {
	n, p, c := &sh.p.Nodes[i], &sh.parts[i], sh.g.boxes[i]
	m, marked := sh.markOf(i)
	look := coloursOfType(n)
	if s.o.Run != nil {
		look = coloursOf(m.State)
	}
	x, y = x+c.x, y+c.y
	s.b.WriteString("<g>\n")
	s.f("<title>%s</title>\n", escape(nodeTitle(n, &m, marked)))
	dash := ""
	if s.o.Run != nil && (!marked || m.State == Skipped) {
		dash = ` stroke-dasharray="4 3"`
	}
	text := "#1f2328"
	if m.State == Skipped {
		text = "#57606a"
	}
	s.outline(shapeOf(n), p.body != nil, x-c.w/2, y, c.w, c.h, fmt.Sprintf(`fill="%s" stroke="%s" stroke-width="1.5"%s`, look.fill, look.stroke, dash))
	ty := y + 20
	s.text(x, ty, captionSize, look.caption, centred+` letter-spacing="0.8" font-weight="600"`, p.caption)
	ty += 1
	for _, line := range p.label {
		ty += lineHeight
		s.text(x, ty, labelSize, text, centred+` font-weight="600"`, line)
	}
	for _, line := range p.detail {
		ty += detailHeight
		s.text(x, ty, detailSize, "#424a53", monospace, line)
	}
	if p.body != nil {
		bx, by, bw, foot := x-c.w/2+8, y+p.top, c.w-16, 8.0
		if sh.links.parts(i) {
			foot += pillReach
		}
		s.f(`<rect x="%s" y="%s" width="%s" height="%s" rx="6" fill="#ffffff" stroke="%s" stroke-opacity="0.35"/>`+"\n",
			num(bx), num(by), num(bw), num(c.h-p.top-foot), look.stroke)
		s.sheet(p.body, x-p.body.g.w/2, by+bodyPad*0.7)
	}
	if marked {
		s.badge(m.State, x+c.w/2-4, y+2)
	}
	s.b.WriteString("</g>\n")
}

// nodeTitle is what a reader sees who points at a node: all that the box may have cut.
func nodeTitle(n *pipeline.PictureNode, m *Mark, marked bool) string {
	text := clean(n.Label) + " (" + clean(n.Type) + ")"
	if n.Detail != "" {
		text += ": " + clean(n.Detail)
	}
	if marked {
		state := m.State.Word()
		if t := m.tally(); t != "" {
			state = t
		}
		text += " — " + state
	}
	return text
}

func (s *svg) outline(sh shape, body bool, x, y, w, h float64, attrs string) {
	switch {
	case body:
		s.f(`<rect x="%s" y="%s" width="%s" height="%s" rx="8" %s/>`+"\n", num(x), num(y), num(w), num(h), attrs)
	case sh == stadium:
		s.f(`<rect x="%s" y="%s" width="%s" height="%s" rx="%s" %s/>`+"\n", num(x), num(y), num(w), num(h), num(min(h/2, 26)), attrs)
	case sh == hexagon:
		s.polygon(attrs, x+16, y, x+w-16, y, x+w, y+h/2, x+w-16, y+h, x+16, y+h, x, y+h/2)
	case sh == sender:
		s.polygon(attrs, x, y, x+w-14, y, x+w, y+h/2, x+w-14, y+h, x, y+h)
	case sh == rounded:
		s.f(`<rect x="%s" y="%s" width="%s" height="%s" rx="14" %s/>`+"\n", num(x), num(y), num(w), num(h), attrs)
	default:
		s.f(`<rect x="%s" y="%s" width="%s" height="%s" rx="4" %s/>`+"\n", num(x), num(y), num(w), num(h), attrs)
		if sh == barred {
			s.f(`<path d="M%s %sv%sM%s %sv%s" fill="none" %s/>`+"\n", num(x+7), num(y), num(h), num(x+w-7), num(y), num(h), attrs[strings.Index(attrs, "stroke="):])
		}
	}
}

func (s *svg) polygon(attrs string, points ...float64) {
	var list []string
	for i := 0; i+1 < len(points); i += 2 {
		list = append(list, num(points[i])+","+num(points[i+1]))
	}
	s.f(`<polygon points="%s" stroke-linejoin="round" %s/>`+"\n", strings.Join(list, " "), attrs)
}

// badge draws a state as a sign, for readers who do not see colours.
func (s *svg) badge(st State, x, y float64) {
	look := coloursOf(st)
	s.f(`<circle cx="%s" cy="%s" r="9" fill="%s" stroke="#ffffff" stroke-width="1.5"/>`+"\n", num(x), num(y), look.stroke)
	sign := ""
	switch st {
	case Done:
		sign = "m-4 .2l2.8 2.9l5 -5.8"
	case Failed:
		sign = "m-3.2 -3.2l6.4 6.4m0 -6.4l-6.4 6.4"
	case Waiting:
		sign = "m0 -4.4v4.6l3.2 2"
	case Filtered:
		sign = "m-4 -3h8l-3.1 3.8v3l-1.8 -1v-2z"
	default:
		sign = "m-4 0h8"
	}
	s.f(`<path d="M%s %s%s" fill="none" stroke="#ffffff" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"/>`+"\n", num(x), num(y), sign)
}

// pillWidth is the room that the name of a way takes.
func pillWidth(name string) float64 { return textWidth(pillText(name), pillSize) + 16 }

// pillText is a way's name as it is shown: names of cases are short, but nothing makes them so.
func pillText(name string) string {
	name = clean(name)
	if utf8.RuneCountInString(name) > 28 {
		return shorten(name, 28)
	}
	return name
}

// pills draws the names of a node's ways on its lower side.
func (s *svg) pills(sh *sheet, i int, x, y float64) {
	c := sh.g.boxes[i]
	for n := range c.ports {
		p := &c.ports[n]
		if p.name == "" {
			continue
		}
		stroke, _ := s.lineLook(p.handle, s.o.took(sh.p.Nodes[i].Path, p.handle))
		px, py := x+c.x+p.x, y+c.y+c.h
		fill, text := "#ffffff", "#1f2328"
		if s.o.took(sh.p.Nodes[i].Path, p.handle) {
			fill, text = "#1a7f37", "#ffffff"
		}
		s.f(`<g><title>%s</title><rect x="%s" y="%s" width="%s" height="%s" rx="9" fill="%s" stroke="%s" stroke-width="1.3"/>`,
			escape(clean(p.name)), num(px-p.w/2), num(py-pillReach+1), num(p.w), num(2*pillReach-2), fill, stroke)
		s.text(px, py+4, pillSize, text, centred, pillText(p.name))
		s.b.WriteString("</g>\n")
	}
}

func legendWidth(list []State) float64 {
	w := 0.0
	for _, st := range list {
		w += legendEntry(st)
	}
	return w
}

func legendEntry(st State) float64 { return 24 + textWidth(st.Word(), detailSize) + 18 }

func (s *svg) legend(list []State, x, y float64) {
	for _, st := range list {
		s.badge(st, x+9, y-4)
		s.text(x+24, y, detailSize, "#424a53", "", st.Word())
		x += legendEntry(st)
	}
}
