// Package dipeo rewrites documents in DiPeO's spelling into native ones: provider manifests with webhook_events and
// metadata.webhook_config, and diagrams of the light format.
//
// Nobody else knows those spellings. Every rewritten node keeps the position that it had in the file, so findings about the
// result name what the user wrote. It compiles nothing: what is native already goes through as it is. All functions are pure and
// may be called concurrently.
package dipeo

import (
	"github.com/headgate/headgate/engine/source"
)

// Shape is what a document without `kind:` looks like.
type Shape uint8

// The shapes of a document.
const (
	None Shape = iota
	ProviderShape
	PipelineShape
)

// Recognise tells the shape of a document that has no `kind:`.
func Recognise(root *source.Node) Shape {
	switch {
	case root == nil || root.Kind != source.Map:
		return None
	case root.Get("nodes") != nil:
		return PipelineShape
	case root.Get("webhook_events") != nil, root.Get("metadata").Get("webhook_config") != nil,
		root.Get("name") != nil && root.Get("base_url") != nil:
		return ProviderShape
	}
	return None
}

// PipelineHints tells for DiPeO's keys at the top of a diagram what a native pipeline writes.
func PipelineHints() map[string]string {
	return map[string]string{
		"version":  "`version: light` is the spelling of documents without `kind`; leave it out",
		"persons":  "models and their keys have no place here; leave it out",
		"api_keys": "write references such as `<<env.KEY>>` where the key is used",
		"metadata": "write `labels`",
		"arrows":   "write `connections`",
	}
}

// NodeHints tells the same for a node.
func NodeHints() map[string]string {
	return map[string]string{"position": "diagrams are laid out by themselves; leave it out"}
}

// NodeTypeHint tells which native node does the work of a DiPeO node type; "" for types that are none of DiPeO's.
func NodeTypeHint(nodeType string) string {
	if hint, ok := rewritten()[nodeType]; ok {
		return hint
	}
	return unsupported()[nodeType]
}

// rewritten lists DiPeO's node types that become native ones in DiPeO's documents, with what a native document writes.
func rewritten() map[string]string {
	return map[string]string{
		"endpoint":     "write an `end` node",
		"code_job":     "write a `code` node",
		"api_job":      "write a `hook` node",
		"template_job": "write a `code` node with `language: text`",
		"sub_diagram":  "write a `call` node",
	}
}

// unsupported lists DiPeO's node types that cannot be rewritten, with what to write instead.
func unsupported() map[string]string {
	return map[string]string{
		"integrated_api":        "write a `hook` node, or a destination",
		"json_schema_validator": "give the provider's event a `schema`",
		"person_job":            "write a `hook` node that calls the model",
		"person_batch_job":      "write a `hook` node that calls the model",
		"user_response":         "ask by a `hook` node, and let a `wait` node wait for the event that answers",
		"db":                    "write a `hook` node that calls the database's API",
		"notion":                "write a `hook` node",
		"typescript_ast":        "write a `code` node with `language: javascript`",
		"ir_builder":            "generate code before the deployment, not in a gateway",
		"diff_patch":            "generate code before the deployment, not in a gateway",
		"shell_job":             "run the command behind an HTTP endpoint, and write a `hook` node",
		"job":                   "write a `type`",
	}
}
