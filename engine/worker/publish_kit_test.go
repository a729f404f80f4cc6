package worker_test

import (
	"context"
	"sync"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

// settled watches how many runs one settlement begins.
type settled struct {
	worker.Queue
	mu   sync.Mutex
	most int
}

func (q *settled) Settle(ctx context.Context, all []store.Settlement) ([]error, error) {
	q.mu.Lock()
	for i := range all {
		q.most = max(q.most, len(all[i].NewRuns))
	}
	q.mu.Unlock()
	return q.Queue.Settle(ctx, all)
}

// forgetful loses every settlement that begins runs, once for each count of them: before it is written, or the answer that it was.
type forgetful struct {
	worker.Queue
	writes bool
	mu     sync.Mutex
	lost   int
}

func (q *forgetful) Settle(ctx context.Context, all []store.Settlement) ([]error, error) {
	runs := 0
	for i := range all {
		runs += len(all[i].NewRuns)
	}
	q.mu.Lock()
	lose := runs > 0 && q.lost%2 == 0
	if runs > 0 {
		q.lost++
	}
	q.mu.Unlock()
	switch {
	case !lose:
		return q.Queue.Settle(ctx, all)
	case q.writes:
		if _, err := q.Queue.Settle(ctx, all); err != nil {
			return nil, err
		}
	}
	return nil, store.ErrUnavailable
}

// pruned has lost a run.
type pruned struct {
	worker.Queue
	gone run.ID
}

func (q *pruned) Run(ctx context.Context, id run.ID) (store.RunRecord, error) {
	if id == q.gone {
		return store.RunRecord{}, store.ErrNotFound
	}
	return q.Queue.Run(ctx, id)
}
