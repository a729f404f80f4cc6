package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// drainRuns wait for the receiver.
	drainRuns = 100_000
	// liveRate events a second go to another destination all the time.
	liveRate = 50
	// drainLimit is how long all may take.
	drainLimit = 20 * time.Minute
)

// draining has a destination whose receiver is down, with a breaker that looks again every few seconds, and another one.
const draining = sender + `---
kind: destination
name: away
type: http
url: http://AWAY/away/Tell
headers: {X-Whole: "yes"}
concurrency: 64
breaker: {pause: 5s, max_pause: 10s}
retry: {max_attempts: 60, initial: 1s, max: 10s}
---
kind: pipeline
name: away
nodes:
  - {label: In, type: receive, props: {provider: torture, event: away}}
  - {label: Tell, type: hook, props: {destination: away}}
---
kind: pipeline
name: one
nodes:
  - {label: In, type: receive, props: {provider: torture, event: one}}
  - {label: Tell, type: hook, props: {url: "http://RECEIVER/one/Tell", headers: {X-Whole: "yes"}}}
`

// drainMode lets runs pile up behind a receiver that is down, and measures how long they take when it is back, and what live traffic to
// another destination notices.
func drainMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	r := &row{Rounds: rounds}
	for range rounds {
		if err := b.drainOnce(ctx, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (b *bench) drainOnce(ctx context.Context, r *row) error {
	dir, err := b.folder("drain")
	if err != nil {
		return err
	}
	d, err := b.makeBed(dir, "", "drain", 4, liveRate)
	if err != nil {
		return err
	}
	defer d.clear()
	away, err := freeAddress()
	if err != nil {
		return err
	}
	d.g.allow(away)
	if err := d.g.write(fill(draining, "RECEIVER", d.receiver.address, "AWAY", away)); err != nil {
		return err
	}
	if err := d.g.startReady(ctx); err != nil {
		return err
	}
	runs := drainRuns
	if b.count > 0 {
		runs = b.count
	}
	d.load.next = func(k *book, _ int) *letter { return k.write("one", 512) }
	d.load.start(ctx)
	if err := pause(ctx, 10*time.Second); err != nil {
		return err
	}
	calm := d.book.accepting(0, isLive)
	calmArrive, _ := d.receiver.delivering(d.book, 0, isLive)
	begun := time.Now()
	if err := b.pile(ctx, d, "away", runs); err != nil {
		return err
	}
	piled := time.Since(begun)
	runs = d.book.count("away") // a few more were under way
	if err := pause(ctx, 5*time.Second); err != nil {
		return err
	}
	_, from := d.book.acknowledged(0)
	// The receiver is back: one of its own, which shares what was received.
	back, err := newReceiver(away, nil)
	if err != nil {
		return err
	}
	defer func() { _ = back.close() }()
	begun = time.Now()
	var first, most time.Duration
	err = until(ctx, drainLimit, 20*time.Millisecond, func() (bool, error) {
		n := int(back.arrived.Load())
		if n > 0 && first == 0 {
			first = time.Since(begun)
		}
		if n >= runs*99/100 && most == 0 {
			most = time.Since(begun)
		}
		b.progress("drain: %d of %d", n, runs)
		return n >= runs, fmt.Errorf("%d of %d runs have been delivered", n, runs)
	})
	all := time.Since(begun)
	if err != nil {
		r.fault("%v", err)
	}
	d.load.stop()
	beset := d.book.accepting(from, isLive)
	besetArrive, _ := d.receiver.delivering(d.book, from, isLive)
	d.receiver.absorb(back)
	one := &row{}
	if err := d.finish(ctx, one); err != nil {
		return err
	}
	r.merge(one)
	r.remark("%d runs piled up in %s; the receiver is back: first delivery after %s (the breaker's pause), 99 %% after %s, all after %s, %.0f deliveries/s; "+
		"live traffic to another destination meanwhile: delivered %s (before %s), accepted %s (before %s)",
		runs, short(piled), short(first), short(most), short(all), float64(runs)*0.99/max(0.001, (most-first).Seconds()), besetArrive, calmArrive, beset, calm)
	return nil
}

func isLive(l letter) bool { return l.event == "one" }

// pile sends a number of events as fast as they are acknowledged, and waits until each has its run.
func (b *bench) pile(ctx context.Context, d *bed, event string, n int) error {
	from := d.book.count(event)
	more := &load{address: d.g.public, book: d.book, connections: 64, next: func(k *book, _ int) *letter { return k.write(event, 256) }}
	more.start(ctx)
	err := until(ctx, drainLimit, 20*time.Millisecond, func() (bool, error) {
		have := d.book.count(event) - from
		b.progress("%d of %d events", have, n)
		return have >= n, fmt.Errorf("%d of %d events are accepted", have, n)
	})
	more.stop()
	if err != nil {
		return err
	}
	return until(ctx, drainLimit, 100*time.Millisecond, func() (bool, error) {
		s, err := d.g.status(ctx)
		waiting := s.Ledger.Requests.Processed - s.Ledger.total().Made
		b.progress("%d events to be routed", waiting)
		return err == nil && waiting < liveRate, err
	})
}
