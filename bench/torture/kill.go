package main

import (
	"context"
	"fmt"
	"time"
)

// bed is a gateway with a receiver and senders, on which most modes do their harm.
type bed struct {
	g        *gateway
	receiver *receiver
	book     *book
	load     *load
	trial    trial
	reopened int // delivery ids that did not count as seen any more
	after    int // letters that were sent after the first EIO and acknowledged
}

// makeBed prepares one; data is as in newGateway. Nothing is started but the receiver.
func (b *bench) makeBed(dir, data, prefix string, connections int, rate float64) (*bed, error) {
	r, err := newReceiver("", nil)
	if err != nil {
		return nil, err
	}
	g, err := b.newGateway(dir, data, fill(delivering, "RECEIVER", r.address), []string{r.address})
	if err != nil {
		return nil, err
	}
	k, err := newBook(dir, prefix)
	if err != nil {
		return nil, err
	}
	return &bed{
		g: g, receiver: r, book: k, load: &load{address: g.public, book: k, connections: connections, rate: rate, next: mixed},
		trial: trial{g: g, book: k, receiver: r},
	}, nil
}

// clear ends what the bed still runs.
func (d *bed) clear() {
	if d.load.cancel != nil {
		d.load.stop()
	}
	d.g.kill()
	_ = d.receiver.close()
	_ = d.book.close()
}

// restart starts the gateway and gives the time from the start of the process to the first 200. The load must be running.
func (d *bed) restart(ctx context.Context) (time.Duration, error) {
	first := d.book.thaw()
	if err := d.g.start(); err != nil {
		return 0, err
	}
	return d.firstAck(ctx, first, d.g.begun)
}

// firstAck waits for the first 200 and gives how long after a time it came.
func (d *bed) firstAck(ctx context.Context, first <-chan time.Time, since time.Time) (time.Duration, error) {
	select {
	case at := <-first:
		return at.Sub(since), nil
	case <-d.g.exited:
		return 0, fmt.Errorf("%w: %s; see %s", errExited, d.g.cmd.ProcessState, d.g.log)
	case <-time.After(60 * time.Second):
		return 0, fmt.Errorf("nothing is acknowledged within a minute; see %s", d.g.log)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// finish ends the load, judges, ends the gateway in order, and verifies the file.
func (d *bed) finish(ctx context.Context, r *row) error {
	d.load.stop()
	v, err := d.trial.judge(ctx)
	if err != nil {
		return err
	}
	r.add(v)
	if v.parked+v.open > 0 {
		r.remark("%d parked and %d open with a row", v.parked, v.open)
	}
	if err := d.g.terminate(); err != nil {
		r.fault("%v", err)
	}
	if err := d.g.integrity(ctx); err != nil {
		r.fault("%v", err)
	}
	return nil
}

// killMode ends the process with SIGKILL at random times: a while after it accepts, and in every ninth round while it starts.
func killMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	dir, err := b.folder("kill")
	if err != nil {
		return nil, err
	}
	d, err := b.makeBed(dir, "", "kill", 8, 400)
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
		d.harm()
		if n%9 == 4 {
			if err := d.g.start(); err != nil {
				return nil, err
			}
			if err := pause(ctx, b.within(0, 120*time.Millisecond)); err != nil {
				return nil, err
			}
			d.harm()
		}
		took, err := d.restart(ctx)
		if err != nil {
			return nil, err
		}
		r.recovered(took)
		if from, err = d.lookBack(ctx, r, n, from); err != nil {
			return nil, err
		}
		b.progress("kill %d/%d, %d lost", n+1, rounds, r.Lost)
	}
	return r, d.finish(ctx, r)
}

// harm ends the process; what is acknowledged from now on counts no more.
func (d *bed) harm() {
	from := time.Now()
	d.g.kill()
	d.book.freeze()
	d.trial.harms = append(d.trial.harms, harm{from, time.Now()})
}

// lookBack checks after a round that what was acknowledged is there. It gives the number of the letter to begin with next time: letters
// that are not acknowledged yet are looked at again.
func (d *bed) lookBack(ctx context.Context, r *row, round, from int) (int, error) {
	lost, upTo, err := d.trial.present(ctx, from)
	if err != nil {
		return from, err
	}
	for _, l := range lost {
		r.fault("round %d: %s", round+1, l)
	}
	return max(from, upTo-4*d.load.connections), nil
}
