// Package batch is the node that collects: the runs that come to it are put together by count, time and key, and the first of them
// goes on with all that was collected.
package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/script/value"
)

// CodeNoKey says that the key of a batch is null, or too long to be one.
const CodeNoKey script.Code = "no_key"

// CodeOutput says that an item is larger than a whole batch may be, or of a form that could not be handed on.
const CodeOutput script.Code = "output"

// maxKey bounds a key, which is stored and shown.
const maxKey = 512

const day = 24 * time.Hour

// Type describes the batch node.
func Type() node.Type {
	return node.Type{
		Name:      "batch",
		Doc:       "Collects items of many runs by count, time and key; the first run goes on with the list.",
		NoTimeout: "`after` says how long a batch may wait",
		Props: &field.Object{
			Name: "batch",
			Doc:  "What is collected, and until when.",
			Fields: []field.Field{
				{Name: "count", Type: field.Int, Min: 2, Max: run.MaxBatchItems, Doc: "How many items close a batch."},
				{Name: "after", Type: field.Duration, Min: int64(time.Second), Max: int64(30 * day), Doc: "How long after its first item a batch is closed.", Example: "10m"},
				{Name: "key", Type: field.Template, Doc: "What is collected together. Default: everything.", Example: `"{{ payload.repository.full_name }}"`},
				{Name: "item", Type: field.Any, Doc: "What is collected; strings in it may be templates. Default: what came in.", Example: `{title: "{{ payload.title }}"}`},
			},
			Hints: map[string]string{
				"size": "write `count`", "max": "write `count`", "max_size": "write `count`", "limit": "write `count`", "batch_size": "write `count`",
				"items": "write `item`", "value": "write `item`", "payload": "write `item`", "body": "write `item`",
				"group_by": "write `key`", "by": "write `key`", "group": "write `key`",
				"window": "write `after`", "interval": "write `after`", "every": "write `after`", "timeout": "write `after`", "max_wait": "write `after`",
				"for": "write `after`", "delay": "write `after`", "duration": "write `after`", "seconds": "write `after`", "period": "write `after`",
			},
		},
		Build: build,
	}
}

type batch struct {
	key   *script.Template // nil: one batch for all
	item  *script.Tree     // nil: what came in
	count int
	after time.Duration
}

func build(p *field.Values, env node.Env, out *diag.List) node.Node {
	n := &batch{count: int(p.Int("count")), after: p.Duration("after")}
	if !p.Has("count") && !p.Has("after") && p.Good("count") && p.Good("after") {
		out.Errorf(diag.MissingKey, env.Span, "write `count`, `after`, or both", "batch %q does not say when it is full", env.Label)
	}
	if p.Has("key") && p.Good("key") {
		n.key = script.CompileTemplate(script.FromNode(p.Node("key")), env.Scope, out)
	}
	if p.Has("item") && p.Good("item") {
		n.item = script.CompileTree(p.Node("item"), env.Scope, out)
	}
	return n
}

// Do asks to be put into a batch.
func (n *batch) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	out := node.Batch{Item: in.Message, Count: n.count, After: n.after}
	if n.key != nil {
		v, err := n.key.Render(ctx, in.Env)
		if err != nil {
			return nil, fmt.Errorf("rendering the key: %w", err)
		}
		if v == nil { // all that lack it would be collected together
			return nil, fmt.Errorf("rendering the key: %w", &script.Error{Code: CodeNoKey, Message: "it is null"})
		}
		budget := value.NewBudget(ctx)
		if out.Key, err = budget.Text(v); err != nil {
			return nil, fmt.Errorf("rendering the key: %w", err)
		}
		if len(out.Key) > maxKey {
			return nil, fmt.Errorf("rendering the key: %w", &script.Error{Code: CodeNoKey, Message: fmt.Sprintf("it has more than %d bytes", maxKey)})
		}
	}
	if n.item != nil {
		var err error
		if out.Item, err = n.item.Render(ctx, in.Env); err != nil {
			return nil, fmt.Errorf("rendering the item: %w", err)
		}
	}
	if err := fits(out.Item); err != nil {
		return nil, fmt.Errorf("collecting the item: %w", &script.Error{Code: CodeOutput, Message: err.Error()})
	}
	return out, nil
}

// fits refuses an item here, in its own run: in a batch it would take the items of others along when the output cannot be kept or read.
func fits(item any) error {
	b, err := payload.EncodeMax(item, run.MaxBatchBytes)
	if err != nil {
		return err
	}
	return payload.Check(b, payload.Limits{Depth: payload.DefaultDepth - 2}) // it is handed on in a list in a map
}
