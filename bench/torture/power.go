package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

// errLeftOut says that this machine does not allow a mode.
var errLeftOut = errors.New("this machine does not allow it")

// powerMode takes the power away: the file system of the store forgets what was not fsynced, and the process is killed. Only answers that
// were read before count as acknowledged; an answer that is on its way at that moment may or may not be kept.
func powerMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	dir, err := b.folder("power")
	if err != nil {
		return nil, err
	}
	disk, err := newDisk(ctx, dir, 8<<30) // sparse; 300 rounds fill a tenth of it
	if err != nil {
		return nil, err
	}
	defer disk.remove()
	d, err := b.makeBed(dir, filepath.Join(disk.mount, "data"), "power", 8, 400)
	if err != nil {
		return nil, err
	}
	defer d.clear()
	r := &row{Rounds: rounds}
	if err := d.g.startReady(ctx); err != nil {
		return nil, err
	}
	d.load.start(ctx)
	from := 0
	for n := range rounds {
		if err := pause(ctx, b.within(20*time.Millisecond, 900*time.Millisecond)); err != nil {
			return nil, err
		}
		d.book.freeze()
		begun := time.Now()
		if err := disk.cut(); err != nil {
			return nil, err
		}
		d.g.kill()
		d.trial.harms = append(d.trial.harms, harm{begun, time.Now()})
		if err := disk.detach(ctx); err != nil {
			return nil, err
		}
		if err := disk.attach(ctx); err != nil {
			return nil, err
		}
		took, err := d.restart(ctx)
		if err != nil {
			return nil, err
		}
		r.recovered(took)
		if from, err = d.lookBack(ctx, r, n, from); err != nil {
			return nil, err
		}
		b.progress("power %d/%d, %d lost", n+1, rounds, r.Lost)
	}
	return r, d.finish(ctx, r)
}
