package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// harmPerRound events go to each hostile receiver in a round, and healthyRate a second to the healthy one all the time.
	harmPerRound = 15
	healthyRate  = 60
	roundTime    = 2 * time.Second
	// unharmed is how many times longer the healthy receiver's 99th percentile may be than without the others, where it is more than
	// noticeable at all.
	unharmed   = 2
	noticeable = 50 * time.Millisecond
	// moreMemory is what all hostile answers together may cost.
	moreMemory = 256 << 20
)

// receiversMode sends to receivers that hang, drip, say nothing, break off and flood, beside a healthy one.
func receiversMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	dir, err := b.folder("receivers")
	if err != nil {
		return nil, err
	}
	d, err := b.makeBed(dir, "", "receivers", 8, healthyRate)
	if err != nil {
		return nil, err
	}
	defer d.clear()
	bad, err := hostiles()
	if err != nil {
		return nil, err
	}
	text := fill(delivering, "RECEIVER", d.receiver.address)
	for _, h := range bad {
		defer h.close()
		text += fmt.Sprintf("---\nkind: pipeline\nname: %s\nnodes:\n"+
			"  - {label: In, type: receive, props: {provider: torture, event: %s}}\n"+
			"  - {label: Tell, type: hook, props: {url: \"http://%s/%s\", %s}}\n", h.name, h.name, h.address, h.name, h.props)
		d.g.allow(h.address)
	}
	if err := d.g.write(text); err != nil {
		return nil, err
	}
	d.trial.hostile = func(pipeline string) bool {
		for _, h := range bad {
			if h.name == pipeline {
				return true
			}
		}
		return false
	}
	if err := d.g.startReady(ctx); err != nil {
		return nil, err
	}
	r := &row{Rounds: rounds}
	d.load.start(ctx)
	if err := pause(ctx, 10*time.Second); err != nil { // as long as the 99th percentile needs to mean something
		return nil, err
	}
	_, calm := d.book.acknowledged(0)
	before, err := d.g.usage()
	if err != nil {
		return nil, err
	}
	stop := d.g.watchUsage(ctx)
	harm := &load{address: d.g.public, book: d.book, connections: len(bad), rate: float64(len(bad)*harmPerRound) / roundTime.Seconds(), next: func(k *book, n int) *letter {
		return k.write(bad[n%len(bad)].name, 256)
	}}
	harm.start(ctx)
	for n := range rounds {
		if err := pause(ctx, roundTime); err != nil {
			return nil, err
		}
		b.progress("receivers %d/%d", n+1, rounds)
	}
	harm.stop()
	d.load.stop()
	most := stop()
	healthy := func(l letter) bool { return !d.trial.hostile(l.event) }
	// It has to have arrived before the two can be compared.
	if err := until(ctx, 30*time.Second, 50*time.Millisecond, func() (bool, error) {
		_, missing := d.receiver.delivering(d.book, 0, healthy)
		return missing == 0, fmt.Errorf("%d events have not arrived at the healthy receiver", missing)
	}); err != nil {
		r.fault("%v", err)
	}
	quiet, _ := d.receiver.delivering(d.book, 0, func(l letter) bool { return healthy(l) && l.delivery < delivery(d.book, calm) })
	harmed, _ := d.receiver.delivering(d.book, calm, healthy)
	if harmed.p99() > unharmed*quiet.p99() && harmed.p99() > noticeable {
		r.fault("healthy deliveries: %s beside the hostile ones, %s without", harmed, quiet)
	}
	if most.rss > before.rss+moreMemory {
		r.fault("memory grew from %s to %s", mebibytes(before.rss), mebibytes(most.rss))
	}
	r.remark("%d kinds at once; healthy deliveries %s, before that %s; memory %s, before %s", len(bad), harmed, quiet, mebibytes(most.rss), mebibytes(before.rss))
	return r, d.finish(ctx, r)
}

// delivery gives the id of the n-th letter.
func delivery(k *book, n int) string { return fmt.Sprintf("%s-%07d", k.prefix, n) }
