package manifest

import "github.com/headgate/headgate/engine/manifest/dipeo"

// PipelineHints tells, for keys that DiPeO's diagrams have at their top, what a native pipeline writes.
func PipelineHints() map[string]string { return dipeo.PipelineHints() }

// NodeHints tells the same for the keys of a node.
func NodeHints() map[string]string { return dipeo.NodeHints() }

// NodeTypeHint tells which native node does the work of a node type of DiPeO's; "" for types that are none.
func NodeTypeHint(nodeType string) string { return dipeo.NodeTypeHint(nodeType) }
