package pipeline

import (
	"time"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
)

// Bounds on a diagram.
const (
	// MaxNodes is how many nodes it may have, those of bodies among them.
	MaxNodes = 500
	// MaxNesting is how deep bodies may stand inside of each other.
	MaxNesting = 3
)

// longest is the longest time that a manifest may speak of where nothing else bounds it: a year, and a day where it is a leap year.
const longest = 366 * 24 * time.Hour

// What `limits.overflow` may say.
const (
	overflowWait = "wait"
	overflowDrop = "drop"
)

// Object describes the document of a pipeline.
func Object() *field.Object {
	return &field.Object{
		Name: "pipeline",
		Doc:  "A diagram of nodes joined by connections: what happens after an event.",
		Fields: append(manifest.CommonFields(),
			field.Field{Name: "limits", Type: field.Map, Object: limitsObject(), Doc: "How many runs there may be. A run that a receive's filter stops does not count."},
			field.Field{Name: "order_by", Type: field.Expression, Doc: "Runs for which it gives the same value go one at a time, in the order of their events; null binds a run to no order.", Example: "payload.repository.full_name"},
			field.Field{Name: "vars", Type: field.Any, Doc: "Values that every node sees as `vars.NAME`; templates over the event."},
			nodesField(), connectionsField(),
			field.Field{Name: "tests", Type: field.Any, Doc: "Cases that `headgate test` runs against the pipeline, as in `kind: test`."},
		),
		Hints: hints(manifest.PipelineHints(), "steps", "nodes", "edges", "connections", "variables", "vars", "order", "order_by", "limit", "limits"),
	}
}

func nodesField() field.Field {
	return field.Field{Name: "nodes", Type: field.Objects, Required: true, Min: 1, Max: MaxNodes, Object: nodeObject(), Doc: "The nodes."}
}

func connectionsField() field.Field {
	return field.Field{Name: "connections", Type: field.Any, Doc: "Arrows (`A -> B`, `A[true] -> B`) or maps (`{from, to, label}`). Default: the nodes chain in the order written."}
}

func limitsObject() *field.Object {
	return &field.Object{
		Name: "limits",
		Doc:  "How many runs there may be.",
		Fields: []field.Field{
			{Name: "runs", Type: field.Int, Min: 1, Max: 1_000_000_000, Doc: "How many runs may begin in a period. What comes after them is recorded as limited.", Example: "42"},
			{Name: "per", Type: field.Duration, Default: "24h", Min: int64(time.Second), Max: int64(longest), Doc: "The period of `runs`. Periods begin at whole multiples of it since 1970 UTC: those of 24h at midnight."},
			{Name: "concurrency", Type: field.Int, Min: 1, Max: 100_000, Doc: "How many runs may be open at once.", Example: "5"},
			{Name: "overflow", Type: field.Enum, Enum: []string{overflowWait, overflowDrop}, Default: overflowWait, Doc: "What becomes of a run while as many as `concurrency` are open: it waits for its turn, or is recorded as limited."},
		},
		Hints: hints(map[string]string{}, "max", "runs", "rate", "runs", "period", "per", "parallel", "concurrency"),
	}
}

func nodeObject() *field.Object {
	return &field.Object{
		Name: "node",
		Doc:  "One node of the diagram.",
		Fields: []field.Field{
			{Name: "label", Type: field.String, Shown: true, Required: true, Doc: "The node's name inside the pipeline; holds no `->`, `[` or `]`."},
			{Name: "type", Type: field.String, Shown: true, Required: true, Doc: "The node's type."},
			{Name: "timeout", Type: field.Duration, Min: int64(time.Millisecond), Max: int64(longest), Doc: "How long the step may take; it fails with the code `timeout` when it is not through by then. Of a hook: all attempts together, of a call: the run that is called.", Example: "10s"},
			{Name: "props", Type: field.Any, Doc: "The type's own keys."},
		},
		Hints: hints(manifest.NodeHints(), "name", "label", "id", "label", "config", "props", "kind", "type"),
	}
}

// bodyObject describes the two keys that a node with a body has among its props.
func bodyObject() *field.Object {
	return &field.Object{Name: "body", Doc: "What is done with each item.", Fields: []field.Field{nodesField(), connectionsField()}}
}

// hints adds pairs of a wrong key and the right one.
func hints(to map[string]string, pairs ...string) map[string]string {
	for i := 0; i+1 < len(pairs); i += 2 {
		to[pairs[i]] = "write `" + pairs[i+1] + "`"
	}
	return to
}
