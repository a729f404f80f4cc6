package pipeline

import (
	"strings"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/source"
)

// Picture is a diagram as it is drawn.
type Picture struct {
	Nodes []PictureNode `json:"nodes"`
	Edges []PictureEdge `json:"edges"`
}

// PictureNode is one node of a picture.
type PictureNode struct {
	Label string `json:"label"`
	Type  string `json:"type"`
	// Path is that of the node's steps, without the numbers of items.
	Path  string `json:"path"`
	Entry bool   `json:"entry,omitempty"`
	// Detail says in a line what the node is about: its provider and event, its expression, its destination; may be empty.
	Detail string `json:"detail,omitempty"`
	// Body is what the node does with each item; nil for nodes without one.
	Body *Picture `json:"body,omitempty"`
}

// PictureEdge is one connection; From and To are labels of the same picture.
type PictureEdge struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Handle string `json:"handle,omitempty"` // "" for the plain way
	Label  string `json:"label,omitempty"`
}

// Picture gives the diagram as it is drawn: nodes and connections in order.
func (d *Diagram) Picture() Picture { return d.graph.picture() }

func (g *graph) picture() Picture {
	var out Picture
	for i := range g.nodes {
		v := &g.nodes[i]
		n := PictureNode{Label: v.label, Type: v.typ.Name, Path: v.path, Entry: v.typ.Entry, Detail: v.detail}
		if v.body != nil {
			body := v.body.picture()
			n.Body = &body
		}
		out.Nodes = append(out.Nodes, n)
		for _, e := range v.in {
			out.Edges = append(out.Edges, PictureEdge{From: g.nodes[e.from].label, To: v.label, Handle: e.handle, Label: e.label})
		}
	}
	return out
}

// Ways gives all the ways out of the node at a path, as connections name them: "" for the plain one. [error], which every node has, is
// left out.
func (d *Diagram) Ways(path string) []string {
	v := d.find(path)
	if v == nil {
		return nil
	}
	var out []string
	if v.plain {
		out = append(out, "")
	}
	return append(out, v.handles...)
}

// find gives the node at a path, with or without the numbers of items; nil where there is none.
func (d *Diagram) find(path string) *vertex { return d.defs[Definition(path)] }

// Definition gives the path of a step without the numbers of items: "Each/Tell" for "Each[3]/Tell".
func Definition(path string) string {
	if !strings.Contains(path, "[") {
		return path
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(path, "[")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		_, path, _ = strings.Cut(rest, "]")
	}
}

// detailRunes of a node's detail are shown.
const detailRunes = 80

// detail says in a line what a node is about: what its most telling key says. References stay as they are written.
func detail(props *field.Values) string {
	if props == nil {
		return ""
	}
	root := props.Root()
	text := func(key string) string { return oneLine(root.Get(key)) }
	if provider := text("provider"); provider != "" {
		return cut(strings.TrimSpace(provider + " " + text("event")))
	}
	if who := root.Get("subscribers"); who != nil {
		return cut(strings.TrimSpace("subscribers " + oneLine(who.Get("event"))))
	}
	for _, key := range []string{
		"expression", "value", "destination", "url", "code", "pipeline", "event", "items", "name", "for", "until", "key", "status",
	} {
		if t := text(key); t != "" {
			return cut(t)
		}
	}
	if config := root.Get("config"); config != nil && config.Kind == source.Map {
		return cut(oneLine(config.Get("url")))
	}
	return ""
}

// oneLine gives the first line of a scalar that is not empty, or the scalars of a list.
func oneLine(n *source.Node) string {
	switch {
	case n == nil:
		return ""
	case n.Kind == source.List:
		var out []string
		for _, item := range n.Items {
			if t := oneLine(item); t != "" {
				out = append(out, t)
			}
		}
		return strings.Join(out, ", ")
	case !n.IsScalar() || n.Kind == source.Null:
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimSpace(n.Text), "\n")
	return strings.TrimSpace(first)
}

func cut(text string) string {
	runes := []rune(text)
	if len(runes) <= detailRunes {
		return text
	}
	return string(runes[:detailRunes-1]) + "…"
}
