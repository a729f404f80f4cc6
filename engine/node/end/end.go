// Package end is the node that stands where a pipeline ends: what comes into it is the pipeline's result.
//
// Every node without a way out that was taken gives a result; this one only makes the place plain to see.
package end

import (
	"context"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
)

// Type describes the end node.
func Type() node.Type {
	return node.Type{
		Name: "end",
		Doc:  "Marks where the pipeline ends; what came in is its result.",
		Ways: func(*field.Values) (handles []string, plain bool) { return nil, false },
		Props: &field.Object{
			Name: "end",
			Doc:  "It has no props.",
			Hints: map[string]string{
				"result": "an `end` hands on what came in; make the value in a `code` node before it", "output": "an `end` hands on what came in; make the value in a `code` node before it",
				"save_to_file": "nothing is written to files: leave it out", "file_name": "nothing is written to files: leave it out",
				"file_path": "nothing is written to files: leave it out", "file_format": "nothing is written to files: leave it out",
			},
		},
		Build: func(*field.Values, node.Env, *diag.List) node.Node { return end{} },
	}
}

type end struct{}

// Do hands on what came in.
func (end) Do(_ context.Context, in node.Input) (node.Outcome, error) {
	return node.Value{V: in.Message}, nil
}
