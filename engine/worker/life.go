package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/store"
)

var _ service.Service = (*Worker)(nil)

// settleGrace is how long what has been done may still be settled after the drain is over: longer than a slow fsync.
const settleGrace = 5 * time.Second

// Start begins to work and returns at once.
func (w *Worker) Start(ctx context.Context) error {
	if err := w.beat.Start(ctx); err != nil {
		return err
	}
	if err := w.pump.Start(ctx); err != nil {
		return errors.Join(err, w.beat.Stop(ctx))
	}
	return nil
}

// Stop ends claiming and waits for the work under way, almost until ctx ends. Then it cancels the attempts: those that sent nothing are
// given back uncharged, the others are recorded as unknown and tried again by the next process.
func (w *Worker) Stop(ctx context.Context) error {
	quick, release := context.WithTimeout(context.WithoutCancel(ctx), settleGrace)
	defer release()
	errs := []error{w.pump.Stop(quick)} // it ends with the claim under way
	idle := make(chan struct{})
	go func() {
		w.work.Wait()
		close(idle)
	}()
	// A store that takes no writes now hardly will while the process ends: its settlements are given up before the attempts are.
	waiting := time.AfterFunc(settleGrace, w.giveUp)
	defer waiting.Stop()
	drain, stop := draining(ctx)
	defer stop()
	select {
	case <-idle:
	case <-drain.Done():
	}
	w.cancel(service.ErrStopping)
	late, giveUp := context.WithTimeout(context.WithoutCancel(ctx), settleGrace)
	defer giveUp()
	select {
	case <-idle:
	case <-late.Done():
		errs = append(errs, errors.New("work under way did not end in time; its leases will run out"))
	}
	return errors.Join(append(errs, w.beat.Stop(late))...)
}

// draining ends a little before ctx: cancelled attempts must be settled, and those who stop us see us end in time.
func draining(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(time.Until(end)/4, settleGrace)))
}

// run is the pump: it looks for due tasks, starts the work, and sleeps until something changes.
func (w *Worker) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := w.o.Poll
		due, err := w.o.Queue.Due(ctx)
		w.passedBy()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			w.o.Logger.WarnContext(ctx, "looking for due tasks", "error", err)
		default:
			n, next, err := w.pass(ctx, w.attempts, due)
			if next >= 0 {
				wait = min(wait, next)
			}
			if err != nil && ctx.Err() == nil {
				w.o.Logger.WarnContext(ctx, "claiming tasks", "error", err)
			}
			if n > 0 {
				wait = 0 // a gate may have more than one claim's worth
			}
		}
		timer.Reset(max(wait, 0))
		select {
		case <-ctx.Done():
			return nil
		case <-w.o.Queue.Changed():
		case <-w.wake:
		case <-timer.C:
		}
	}
}

// renew extends the leases of all work under way, long before they run out.
func (w *Worker) renew(ctx context.Context) error {
	tick := time.NewTicker(w.o.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		held := w.holding()
		if len(held) == 0 {
			continue
		}
		if _, err := w.o.Queue.Extend(ctx, held, w.o.Lease); err != nil && ctx.Err() == nil {
			// A lease that is lost shows itself when its work is settled.
			w.o.Logger.WarnContext(ctx, "renewing leases", "error", fmt.Errorf("extending %d leases: %w", len(held), err))
		}
	}
}

func (w *Worker) holding() []store.Held {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]store.Held, 0, len(w.held))
	for _, h := range w.held {
		out = append(out, h)
	}
	return out
}
