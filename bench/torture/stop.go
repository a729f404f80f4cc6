package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	// pastLease is how long a process is stopped: longer than the lease of a minute that its worker takes on tasks.
	pastLease = 65 * time.Second
	// stoppedTogether gateways are stopped at the same time, each a round: a stopped process costs nothing but its memory.
	stoppedTogether = 10
)

// stopMode stops processes for longer than a lease while receivers answer what is under way, and lets them go on.
func stopMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	dir, err := b.folder("stop")
	if err != nil {
		return nil, err
	}
	r := &row{Rounds: rounds}
	var mu sync.Mutex
	for done := 0; done < rounds; done += stoppedTogether {
		errs := make([]error, min(stoppedTogether, rounds-done))
		var wg sync.WaitGroup
		for i := range errs {
			up := b.within(300*time.Millisecond, 900*time.Millisecond)
			wg.Go(func() {
				one := &row{}
				err := b.stopOnce(ctx, filepath.Join(dir, fmt.Sprint(done+i)), fmt.Sprintf("stop%d", done+i), up, one)
				mu.Lock()
				defer mu.Unlock()
				errs[i] = err
				r.merge(one)
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return nil, err
			}
		}
		b.progress("stop %d/%d, %d lost", min(rounds, done+stoppedTogether), rounds, r.Lost)
	}
	r.remark("stopped for %s each, %d at a time", pastLease, min(rounds, stoppedTogether))
	return r, nil
}

// stopOnce does one round with a gateway of its own.
func (b *bench) stopOnce(ctx context.Context, dir, prefix string, up time.Duration, r *row) error {
	d, err := b.makeBed(dir, "", prefix, 4, 60)
	if err != nil {
		return err
	}
	defer d.clear()
	d.trial.patience = 90 * time.Second
	d.receiver.answer = func(w http.ResponseWriter, req *http.Request, _ place, _ int) {
		hold(req.Context(), 200*time.Millisecond) // so that some are under way at any moment
		w.WriteHeader(http.StatusOK)
	}
	if err := d.g.startReady(ctx); err != nil {
		return err
	}
	d.load.start(ctx)
	if err := pause(ctx, up); err != nil {
		return err
	}
	begun := time.Now()
	if err := d.g.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stopping the gateway: %w", err)
	}
	if err := pause(ctx, pastLease); err != nil {
		return err
	}
	first := d.book.thaw()
	woken := time.Now()
	if err := d.g.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return fmt.Errorf("letting the gateway go on: %w", err)
	}
	took, err := d.firstAck(ctx, first, woken)
	if err != nil {
		return err
	}
	r.recovered(took)
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	d.trial.harms = append(d.trial.harms, harm{begun, woken})
	return d.finish(ctx, r)
}
