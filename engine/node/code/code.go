// Package code is the node that makes a value: a map for a message body, a list, a text.
package code

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
)

// Type describes the code node.
func Type() node.Type {
	return node.Type{
		Name: "code",
		Doc:  "Makes a value that the nodes after it see under the node's label.",
		Props: &field.Object{
			Name: "code",
			Doc:  "A value made of the event and of earlier outputs.",
			Fields: []field.Field{
				{Name: "language", Type: field.Enum, Enum: script.CodeLanguages(), Default: script.Default, Doc: "The code's language."},
				{Name: "code", Type: field.Expression, Required: true, Doc: "What the value is.", Example: `{"text": "Big PR: " + payload.pull_request.html_url}`},
			},
			Hints: map[string]string{
				"code_type": "write `language`", "lang": "write `language`", "expression": "write `code`", "value": "write `code`", "script": "write `code`",
				"source": "write `code`", "filePath": "write `code`, with the text of the file under it", "file": "write `code`, with the text of the file under it",
				"template": "write `code` with `language: text`", "text": "write `code` with `language: text`",
			},
		},
		Build: func(p *field.Values, env node.Env, out *diag.List) node.Node {
			if !p.Has("code") || !p.Good("code") || !p.Good("language") {
				return nil
			}
			prog := script.CompileValue(p.String("language"), script.FromNode(p.Node("code")), env.Scope, out)
			if prog == nil {
				return nil
			}
			return &code{prog: prog}
		},
	}
}

type code struct{ prog script.Program }

func (c *code) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	res, err := c.prog.Eval(ctx, in.Env)
	if err != nil {
		return node.Value{Notes: node.Notes{Reads: res.Reads, Log: res.Log}}, fmt.Errorf("running the code: %w", err)
	}
	return node.Value{V: res.Value, Notes: node.Notes{Reads: res.Reads, Log: res.Log}}, nil
}
