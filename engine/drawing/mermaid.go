package drawing

import (
	"fmt"
	"strings"

	"github.com/headgate/headgate/engine/pipeline"
)

// Mermaid draws a picture as a Mermaid flowchart, which READMEs and wikis show as a picture.
func Mermaid(p *pipeline.Picture, o Options) string {
	w := &mermaid{o: o, classes: map[string]bool{}}
	if o.Title != "" {
		fmt.Fprintf(&w.b, "---\ntitle: %s\n---\n", yamlText(titleOf(&o)))
	}
	w.b.WriteString("flowchart TB\n")
	w.picture(p, "  ")
	for _, c := range mermaidClasses() {
		if w.classes[c.name] {
			fmt.Fprintf(&w.b, "  classDef %s %s\n", c.name, c.style)
		}
	}
	return w.b.String()
}

func titleOf(o *Options) string {
	if o.Note == "" {
		return clean(o.Title)
	}
	return clean(o.Title) + " · " + clean(o.Note)
}

// yamlText writes text as a double-quoted YAML string, of which the title of a flowchart is one.
func yamlText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "<", "‹", ">", "›").Replace(s) + `"`
}

type mermaid struct {
	o       Options
	b       strings.Builder
	count   int // nodes so far, which are named by number: a label may be any text
	edge    int
	classes map[string]bool
}

type mermaidClass struct{ name, style string }

func mermaidClasses() []mermaidClass {
	return []mermaidClass{
		{string(Done), "fill:#dafbe1,stroke:#1a7f37,color:#1f2328"},
		{string(Failed), "fill:#ffebe9,stroke:#cf222e,color:#1f2328"},
		{string(Waiting), "fill:#fff8c5,stroke:#9a6700,color:#1f2328"},
		{string(Filtered), "fill:#eaeef2,stroke:#57606a,color:#1f2328"},
		{string(Skipped), "fill:#ffffff,stroke:#8c959f,color:#57606a,stroke-dasharray:4 3"},
	}
}

func (w *mermaid) picture(p *pipeline.Picture, indent string) {
	ids := make([]string, len(p.Nodes))
	for i := range p.Nodes {
		ids[i] = w.node(&p.Nodes[i], indent)
	}
	l := linksOf(p)
	for i := range l.edges {
		e := &l.edges[i]
		line := "-->"
		if e.Handle == pipeline.ErrorHandle {
			line = "-.->"
		}
		if w.o.took(p.Nodes[l.from[i]].Path, e.Handle) {
			line = "==>"
		}
		label := ""
		if name := way(e); name != "" {
			label = "|" + mermaidText(name) + "|"
		}
		fmt.Fprintf(&w.b, "%s%s %s%s %s\n", indent, ids[l.from[i]], line, label, ids[l.to[i]])
		w.edge++
	}
}

// node writes a node, or the subgraph of a foreach, and gives its name.
func (w *mermaid) node(n *pipeline.PictureNode, indent string) string {
	id := fmt.Sprintf("n%d", w.count)
	w.count++
	text := mermaidText(n.Label, n.Type, shorten(clean(n.Detail), 60))
	m, marked := w.o.mark(n.Path)
	if t := m.tally(); marked && t != "" {
		text = mermaidText(n.Label, n.Type+", "+t, shorten(clean(n.Detail), 60))
	}
	if n.Body != nil {
		fmt.Fprintf(&w.b, "%ssubgraph %s[%s]\n%s  direction TB\n", indent, id, text, indent)
		w.picture(n.Body, indent+"  ")
		fmt.Fprintf(&w.b, "%send\n", indent)
	} else {
		open, closing := mermaidShape(n)
		fmt.Fprintf(&w.b, "%s%s%s%s%s\n", indent, id, open, text, closing)
	}
	if marked {
		w.classes[string(m.State)] = true
		fmt.Fprintf(&w.b, "%sclass %s %s\n", indent, id, m.State)
	}
	return id
}

func mermaidShape(n *pipeline.PictureNode) (open, closing string) {
	switch shapeOf(n) {
	case stadium:
		return "([", "])"
	case hexagon:
		return "{{", "}}"
	case sender:
		return "[/", "\\]"
	case rounded:
		return "(", ")"
	case barred:
		return "[[", "]]"
	}
	return "[", "]"
}

// mermaidText writes lines as one quoted text. Whatever is not plain is written by its number, so that no label can end the text, be
// taken for Markdown, or bring HTML into a page.
func mermaidText(lines ...string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, line := range lines {
		if line == "" {
			continue
		}
		if i > 0 {
			b.WriteString("<br/>")
		}
		for _, r := range clean(line) {
			switch {
			case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == ' ', r > 0x7f,
				strings.ContainsRune("-_.,:/=+!?()$", r):
				b.WriteRune(r)
			default:
				fmt.Fprintf(&b, "#%d;", r)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}
