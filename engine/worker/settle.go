package worker

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

const (
	// firstPause and longestPause are how long a write waits that the store could not take, before it is tried again: the first time, and at
	// most. A disk that has room again is noticed within a second, and asking that often costs nothing.
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
	// maxRefused is how often a settlement may be refused between others that the store takes: then it is not the disk.
	maxRefused = 30
)

// settle writes what was done, even while the work's context is being cancelled. While the store takes no writes it tries again, as long as
// the work is not given up: what became of an attempt is known here alone, and the next holder of the task would make the attempt again.
// Meanwhile the task keeps its slot, which bounds what is kept in memory, and its lease is renewed.
func (w *Worker) settle(ctx context.Context, settlements []store.Settlement) ([]error, error) {
	var results []error
	others, refused := w.settled.Load(), 0
	err := w.insist(ctx, "settling", func(ctx context.Context) (err error) {
		if results, err = w.o.Queue.Settle(ctx, settlements); err == nil {
			w.settled.Add(1)
			return nil
		}
		if now := w.settled.Load(); now != others {
			others = now
			refused++
		}
		if refused >= maxRefused {
			return &hopeless{err}
		}
		return err
	})
	return results, err
}

// hopeless is an error of a write that is not tried again.
type hopeless struct{ why error }

func (h *hopeless) Error() string { return h.why.Error() }

// record reads a run that has moved, in order to settle what was done: where the store cannot be read now, it is asked again.
func (w *Worker) record(ctx context.Context, id run.ID) (store.RunRecord, error) {
	var rec store.RunRecord
	err := w.insist(ctx, "reading a run", func(ctx context.Context) (err error) {
		rec, err = w.o.Queue.Run(ctx, id)
		return err
	})
	return rec, err
}

// release gives tasks back as they were; where that fails their leases run out.
func (w *Worker) release(ctx context.Context, held []store.Held) {
	if len(held) == 0 {
		return
	}
	if err := w.insist(ctx, "giving tasks back", func(ctx context.Context) error { return w.o.Queue.Release(ctx, held) }); err != nil {
		w.o.Logger.WarnContext(ctx, "giving tasks back", "count", len(held), "error", err)
	}
}

// insist asks the store again and again while it is unavailable, until the work is given up. Each time it may take as long as a lease.
func (w *Worker) insist(ctx context.Context, doing string, ask func(context.Context) error) error {
	once := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.o.Lease)
		defer cancel()
		return ask(ctx)
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := once()
		var never *hopeless
		switch {
		case errors.As(err, &never):
			return never.why
		case !errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrFailed):
			return err
		case pause == firstPause:
			w.o.Logger.WarnContext(ctx, "what was done waits for the store", "reason", doing, "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			continue
		case <-ctx.Done():
		case <-w.waits.Done():
		}
		timer.Stop()
		return err
	}
}
