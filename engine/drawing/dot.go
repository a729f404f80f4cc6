package drawing

import (
	"fmt"
	"strings"

	"github.com/headgate/headgate/engine/pipeline"
)

// DOT draws a picture in the language of Graphviz.
func DOT(p *pipeline.Picture, o Options) string {
	w := &dot{o: o}
	w.b.WriteString("digraph pipeline {\n")
	w.b.WriteString("  graph [rankdir=TB, compound=true, fontname=\"Helvetica\", fontcolor=\"#1f2328\", labelloc=t")
	if o.Title != "" {
		fmt.Fprintf(&w.b, ", label=%s", dotText(titleOf(&o)))
	}
	w.b.WriteString("]\n")
	w.b.WriteString("  node [shape=box, style=\"filled\", fillcolor=\"#ffffff\", color=\"#57606a\", fontcolor=\"#1f2328\", fontname=\"Helvetica\", fontsize=11]\n")
	w.b.WriteString("  edge [color=\"#57606a\", fontcolor=\"#1f2328\", fontname=\"Helvetica\", fontsize=10]\n")
	w.picture(p, "  ")
	w.b.WriteString("}\n")
	return w.b.String()
}

type dot struct {
	o     Options
	b     strings.Builder
	count int
}

// dotEnd is a node as an edge names it: a foreach is a cluster, of which an edge ends at the border.
type dotEnd struct{ node, cluster string }

func (w *dot) picture(p *pipeline.Picture, indent string) []dotEnd {
	ends := make([]dotEnd, len(p.Nodes))
	for i := range p.Nodes {
		ends[i] = w.node(&p.Nodes[i], indent)
	}
	l := linksOf(p)
	for i := range l.edges {
		e := &l.edges[i]
		from, to := ends[l.from[i]], ends[l.to[i]]
		var attrs []string
		if name := way(e); name != "" {
			attrs = append(attrs, "label="+dotText(name))
		}
		if from.cluster != "" {
			attrs = append(attrs, "ltail="+from.cluster)
		}
		if to.cluster != "" {
			attrs = append(attrs, "lhead="+to.cluster)
		}
		switch took := w.o.took(p.Nodes[l.from[i]].Path, e.Handle); {
		case took:
			attrs = append(attrs, `color="#1a7f37"`, "penwidth=2")
		case w.o.Run != nil:
			attrs = append(attrs, `color="#8c959f"`)
		case e.Handle == pipeline.ErrorHandle:
			attrs = append(attrs, `color="#cf222e"`, "style=dashed")
		}
		fmt.Fprintf(&w.b, "%s%s -> %s", indent, from.node, to.node)
		if len(attrs) > 0 {
			fmt.Fprintf(&w.b, " [%s]", strings.Join(attrs, ", "))
		}
		w.b.WriteString("\n")
	}
	return ends
}

func (w *dot) node(n *pipeline.PictureNode, indent string) dotEnd {
	id := fmt.Sprintf("n%d", w.count)
	w.count++
	kind := n.Type
	look := ""
	m, marked := w.o.mark(n.Path)
	if marked {
		c := coloursOf(m.State)
		look = fmt.Sprintf(", fillcolor=%q, color=%q", c.fill, c.stroke)
		if t := m.tally(); t != "" {
			kind += ", " + t
		} else {
			kind += ", " + m.State.Word()
		}
	}
	label := dotText(n.Label, kind, shorten(clean(n.Detail), 60))
	if n.Body == nil || len(n.Body.Nodes) == 0 {
		fmt.Fprintf(&w.b, "%s%s [label=%s, shape=%s%s]\n", indent, id, label, dotShape(n), look)
		return dotEnd{node: id}
	}
	cluster := "cluster_" + id
	fmt.Fprintf(&w.b, "%ssubgraph %s {\n%s  graph [label=%s, style=\"rounded,filled\"%s]\n", indent, cluster, indent, label, orText(look, `, fillcolor="#f6f8fa", color="#57606a"`))
	inner := w.picture(n.Body, indent+"  ")
	fmt.Fprintf(&w.b, "%s}\n", indent)
	return dotEnd{node: inner[0].node, cluster: cluster}
}

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func dotShape(n *pipeline.PictureNode) string {
	switch shapeOf(n) {
	case stadium:
		return "oval"
	case hexagon:
		return "hexagon"
	case sender:
		return "cds"
	case rounded:
		return "note"
	case barred:
		return "component"
	}
	return "box"
}

// dotText writes lines as one quoted string, in which a backslash would be an escape of Graphviz.
func dotText(lines ...string) string {
	var parts []string
	for _, line := range lines {
		if line != "" {
			parts = append(parts, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(clean(line)))
		}
	}
	return `"` + strings.Join(parts, `\n`) + `"`
}
