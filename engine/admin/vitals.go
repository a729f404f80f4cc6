package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

const (
	// lateAfter is far longer than a look at the queue takes, and no longer than somebody should have to wait for the alarm.
	lateAfter = time.Minute
	// dueTimeout is what a probe waits for the store: less than the probes of any platform wait for us.
	dueTimeout = time.Second
)

// Alive says why only a restart would help, where a worker has not come by the queue for a minute; last is when it did, zero before the
// first time.
func Alive(last time.Time) error {
	if last.IsZero() {
		return nil
	}
	if still := time.Since(last); still > lateAfter {
		return fmt.Errorf("the worker has not looked at the queue for %s", still.Round(time.Second))
	}
	return nil
}

// Queue says what is due; every store.Store does.
type Queue interface {
	Due(ctx context.Context) (store.Due, error)
}

// Working checks that what is due is worked on; frozen is what Alive said. Live work that is late is told and makes nobody unready: senders
// are served all the same, and taking them away would not make it quicker.
func Working(ctx context.Context, q Queue, frozen error) Check {
	c := Check{Name: "worker", OK: frozen == nil}
	if frozen != nil {
		c.Detail = frozen.Error()
		return c
	}
	ctx, cancel := context.WithTimeout(ctx, dueTimeout)
	defer cancel()
	due, err := q.Due(ctx)
	if err != nil || due.Oldest <= lateAfter {
		return c
	}
	if slices.ContainsFunc(due.Work, func(w store.Work) bool { return w.Lane == run.LaneLive && !w.Disabled }) {
		c.Detail = fmt.Sprintf("the oldest task that is due has waited for %s; headgate destinations list shows where", due.Oldest.Round(time.Second))
	}
	return c
}
