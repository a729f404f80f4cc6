package worker

import (
	"context"
	"errors"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/pipeline"
)

// batched goes on with all that was gathered, where the run leads its batch; the runs of the other items end their branch here.
func (j *job) batched(ctx context.Context, e pipeline.Effect, ask node.Batch) {
	g := j.c.Gathered
	if item, err := encode(ask.Item); err == nil {
		j.handed = len(item)
	}
	switch {
	case g == nil:
		j.later(ctx, "reading a batch", errors.New("the store says nothing of it"))
	case !g.Leads:
		j.end(ctx, e, map[string]any{"run": g.Leader.String()}, node.Batched)
	default:
		items := make([]any, 0, len(g.Items))
		for _, raw := range g.Items {
			item, err := payload.Decode(raw)
			if err != nil {
				j.fail(ctx, e, "internal", CodeInternal, "an item of the batch cannot be read: "+err.Error())
				return
			}
			items = append(items, item)
		}
		j.end(ctx, e, map[string]any{"key": ask.Key, "count": int64(len(items)), "items": items}, "")
	}
}
