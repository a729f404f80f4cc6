// Package condition is the node that lets pass on [true] or on [false].
//
// It is transparent: what follows sees the output of what came before it. Its verdict is recorded with the values of the operands
// that it read.
package condition

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
)

// The handles of a condition.
const (
	True  = "true"
	False = "false"
)

// Type describes the condition node.
func Type() node.Type {
	return node.Type{
		Name:        "condition",
		Doc:         "Evaluates an expression and lets pass on [true] or on [false].",
		Transparent: true,
		Handles:     []string{True, False},
		Props: &field.Object{
			Name: "condition",
			Doc:  "A yes or no.",
			Fields: []field.Field{
				{Name: "language", Type: field.Enum, Enum: script.ConditionLanguages(), Default: script.Default, Doc: "The expression's language."},
				{Name: "expression", Type: field.Expression, Required: true, Doc: "What is true or false.", Example: "payload.pull_request.changed_files > 20"},
			},
			Hints: map[string]string{
				"condition_type": "leave it out: every condition is an expression", "filter": "write `expression`", "condition": "write `expression`",
				"if": "write `expression`", "when": "write `expression`", "code": "write `expression`", "code_type": "write `language`",
				"cases": "write `expression`, or take a `switch` node, which has cases", "then": "write `connections:` with [true] and [false]", "else": "write `connections:` with [true] and [false]",
			},
		},
		Build: func(p *field.Values, env node.Env, out *diag.List) node.Node {
			if !p.Has("expression") || !p.Good("expression") || !p.Good("language") {
				return nil
			}
			prog := script.CompileCondition(p.String("language"), script.FromNode(p.Node("expression")), env.Scope, out)
			if prog == nil {
				return nil
			}
			return &condition{prog: prog}
		},
	}
}

type condition struct{ prog script.Program }

func (c *condition) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	res, err := c.prog.Eval(ctx, in.Env)
	if err != nil {
		return node.Value{Notes: node.Notes{Reads: res.Reads, Log: res.Log}}, fmt.Errorf("evaluating the expression: %w", err)
	}
	handle := False
	if yes, _ := res.Value.(bool); yes {
		handle = True
	}
	return node.Branch{Handle: handle, Notes: node.Notes{Reads: res.Reads, Log: res.Log}}, nil
}
