package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"
)

// The promises about a full disk (RELIABILITY R9).
const (
	// answerWithin is how long an answer may take while the disk is full.
	answerWithin = time.Second
	// backWithin is how long it may take until the first 200 when there is space again.
	backWithin = 10 * time.Second
	// fullWithin is how long space that the store had set aside may last under load.
	fullWithin = 60 * time.Second
)

// enospcMode fills the disk under load, waits until senders are refused, goes on for a while, and gives the space back. The process is
// never restarted.
func enospcMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	dir, err := b.folder("enospc")
	if err != nil {
		return nil, err
	}
	disk, err := newDisk(ctx, dir, 512<<20)
	if err != nil {
		return nil, err
	}
	defer disk.remove()
	d, err := b.makeBed(dir, filepath.Join(disk.mount, "data"), "enospc", 8, 400)
	if err != nil {
		return nil, err
	}
	defer d.clear()
	d.trial.loose, d.trial.patience = true, 90*time.Second
	d.load.next = func(k *book, n int) *letter {
		if n%3 == 2 {
			return k.write("two", 0)
		}
		return k.write("one", 1024)
	}
	r := &row{Rounds: rounds}
	if err := d.g.startReady(ctx); err != nil {
		return nil, err
	}
	d.load.start(ctx)
	from, refused := 0, 0
	var slowest time.Duration
	for n := range rounds {
		if err := pause(ctx, b.within(100*time.Millisecond, 500*time.Millisecond)); err != nil {
			return nil, err
		}
		d.book.refusals()
		d.load.slowest.Store(0)
		broken := d.load.broken.Load()
		err := until(ctx, fullWithin, 10*time.Millisecond, func() (bool, error) {
			if err := disk.fill(); err != nil { // again and again: the store gives space back, too
				return false, err
			}
			return d.book.refused503() > 0, errNotRefused
		})
		if err != nil {
			return nil, err
		}
		if err := pause(ctx, b.within(200*time.Millisecond, time.Second)); err != nil {
			return nil, err
		}
		first := d.book.thaw() // from now on: a 200 that comes while the disk is full is none of the recovery
		if err := disk.empty(); err != nil {
			return nil, err
		}
		freed := time.Now()
		took, err := d.firstAck(ctx, first, freed)
		if err != nil {
			return nil, err
		}
		r.recovered(took)
		if took > backWithin {
			r.fault("round %d: the first 200 came %s after there was space again", n+1, short(took))
		}
		if got := d.load.broken.Load() - broken; got > 0 {
			r.fault("round %d: %d requests got no answer while the disk was full", n+1, got)
		}
		slow := time.Duration(d.load.slowest.Load())
		if slow > answerWithin {
			r.fault("round %d: an answer took %s while the disk was full", n+1, short(slow))
		}
		slowest = max(slowest, slow)
		for code, times := range d.book.refusals() {
			if code != http.StatusServiceUnavailable {
				r.fault("round %d: %d answers were %d, want 503", n+1, times, code)
			}
			refused += times
		}
		if from, err = d.lookBack(ctx, r, n, from); err != nil {
			return nil, err
		}
		b.progress("enospc %d/%d, %d lost", n+1, rounds, r.Lost)
	}
	r.remark("%d answers 503 while it was full, the slowest of all answers after %s; no restart", refused, short(slowest))
	return r, d.finish(ctx, r)
}

var errNotRefused = fmt.Errorf("nobody is refused although the disk is full")

// refused503 counts the 503 since refusals was asked last.
func (k *book) refused503() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.refused[http.StatusServiceUnavailable]
}
