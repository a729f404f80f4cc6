// Package call is the node that runs another pipeline and goes on with its result.
package call

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
)

// Type describes the call node.
func Type() node.Type {
	return node.Type{
		Name: "call",
		Doc:  "Runs another pipeline, from its `start` node, and goes on with its result.",
		Props: &field.Object{
			Name: "call",
			Doc:  "Which pipeline is run, and with what.",
			Fields: []field.Field{
				{Name: "pipeline", Type: field.String, Shown: true, Required: true, Doc: "The name of the pipeline, which has a `start` node.", Example: "notify-team"},
				{Name: "input", Type: field.Any, Doc: "What it is given as its `payload`; strings in it may be templates. Default: what came in.", Example: `{who: "{{ payload.sender.login }}"}`},
				{Name: "detach", Type: field.Bool, Doc: "`true`: do not wait for it. The output is `{run: ID}`."},
			},
			Hints: map[string]string{
				"name": "write `pipeline`", "diagram": "write `pipeline`", "diagram_name": "write `pipeline`", "sub_diagram": "write `pipeline`", "flow": "write `pipeline`",
				"inputs": "write `input`", "input_mapping": "write `input`", "payload": "write `input`", "args": "write `input`", "params": "write `input`", "with": "write `input`",
				"data": "write `input`", "async": "write `detach`", "background": "write `detach`", "wait": "write `detach: true` not to wait", "wait_for_completion": "write `detach: true` not to wait",
				"timeout": "write `timeout` beside `props:`, as for every node",
			},
		},
		Build: build,
	}
}

type call struct {
	pipeline string
	detach   bool
	input    *script.Tree // nil: what came in
}

var _ node.Caller = (*call)(nil)

func build(p *field.Values, env node.Env, out *diag.List) node.Node {
	n := &call{pipeline: p.String("pipeline"), detach: p.Bool("detach")}
	if n.pipeline != "" && p.Good("pipeline") && !env.World.Pipeline(n.pipeline) {
		out.Errorf(diag.DanglingReference, p.Span("pipeline"), diag.DidYouMean(n.pipeline, env.World.Pipelines()), "there is no pipeline %q", n.pipeline)
	}
	if p.Has("input") && p.Good("input") {
		n.input = script.CompileTree(p.Node("input"), env.Scope, out)
	}
	return n
}

// Calls implements node.Caller.
func (n *call) Calls() string { return n.pipeline }

// Detached implements node.Caller.
func (n *call) Detached() bool { return n.detach }

// Do asks for the run.
func (n *call) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	input := in.Message
	if n.input != nil {
		var err error
		if input, err = n.input.Render(ctx, in.Env); err != nil {
			return nil, fmt.Errorf("rendering the input: %w", err)
		}
	}
	return node.Call{Pipeline: n.pipeline, Input: input, Detach: n.detach}, nil
}
