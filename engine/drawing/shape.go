package drawing

import "github.com/headgate/headgate/engine/pipeline"

// shape is the outline of a node.
type shape uint8

const (
	box     shape = iota
	stadium       // where a run begins or ends
	hexagon       // where it parts
	sender        // what goes out
	rounded       // where it waits
	barred        // another pipeline, or a body
)

// shapeOf gives a node's shape by its type. A type that is not known here is a box, so that a new one can be drawn at once.
func shapeOf(n *pipeline.PictureNode) shape {
	if n.Entry {
		return stadium
	}
	switch n.Type {
	case "receive", "start", "end":
		return stadium
	case "condition", "switch":
		return hexagon
	case "hook", "respond", "emit":
		return sender
	case "wait", "batch":
		return rounded
	case "call", "foreach":
		return barred
	}
	return box
}

// colours of a node. Text on fill has a contrast of more than 7 to 1.
type colours struct{ fill, stroke, caption string }

func coloursOf(s State) colours {
	switch s {
	case Done:
		return colours{"#dafbe1", "#1a7f37", "#116329"}
	case Failed:
		return colours{"#ffebe9", "#cf222e", "#a40e26"}
	case Waiting:
		return colours{"#fff8c5", "#9a6700", "#7d4e00"}
	case Filtered:
		return colours{"#eaeef2", "#57606a", "#424a53"}
	}
	return colours{"#ffffff", "#8c959f", "#57606a"}
}

// coloursOfType colours a node of a picture without a run, by what the node is about.
func coloursOfType(n *pipeline.PictureNode) colours {
	switch shapeOf(n) {
	case stadium:
		return colours{"#ddf4ff", "#0969da", "#0550ae"}
	case hexagon:
		return colours{"#fff8c5", "#9a6700", "#7d4e00"}
	case sender:
		return colours{"#dafbe1", "#1a7f37", "#116329"}
	case rounded:
		return colours{"#fbefff", "#8250df", "#6639ba"}
	case barred:
		return colours{"#fff1e5", "#bc4c00", "#953800"}
	}
	return colours{"#f6f8fa", "#57606a", "#424a53"}
}
