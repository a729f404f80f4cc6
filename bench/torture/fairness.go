package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

const (
	fairDestinations = 100
	fairHanging      = 10
	fairRate         = 200 // runs a second
	fairTime         = 60 * time.Second
	// fairWithin is how many times longer the healthy destinations' 99th percentile may be beside the hanging ones.
	fairWithin = 2
)

// fairnessMode measures what ninety destinations notice of ten that hang. A round is a run without the hang and one with it.
func fairnessMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	r := &row{Rounds: rounds}
	for n := range rounds {
		calm, err := b.fairRun(ctx, r, fmt.Sprintf("calm%d", n), false)
		if err != nil {
			return nil, err
		}
		beset, err := b.fairRun(ctx, r, fmt.Sprintf("beset%d", n), true)
		if err != nil {
			return nil, err
		}
		verdict := "pass"
		if beset.p99() > fairWithin*calm.p99() {
			verdict = "FAIL"
			r.fault("the healthy destinations' p99 is %.2f times that without the hang", ratio(beset.p99(), calm.p99()))
		}
		r.remark("%d destinations, %d runs/s for %s: from the 200 to the receiver, the healthy %d: %s; while %d hang: %s; p99 %.2f times, p50 %.2f times: %s at %dx",
			fairDestinations, fairRate, fairTime, fairDestinations-fairHanging, calm, fairHanging, beset,
			ratio(beset.p99(), calm.p99()), ratio(beset.p50(), calm.p50()), verdict, fairWithin)
	}
	return r, nil
}

// fairRun does one run and gives the times of the healthy destinations.
func (b *bench) fairRun(ctx context.Context, r *row, name string, hang bool) (latencies, error) {
	dir, err := b.folder(filepath.Join("fairness", name))
	if err != nil {
		return nil, err
	}
	d, err := b.makeBed(dir, "", name, 16, fairRate)
	if err != nil {
		return nil, err
	}
	defer d.clear()
	var text strings.Builder
	text.WriteString(sender)
	for i := range fairDestinations {
		fmt.Fprintf(&text, "---\nkind: destination\nname: %s\ntype: http\nurl: http://%s/%s/Tell\nheaders: {X-Whole: \"yes\"}\n", target(i), d.receiver.address, target(i))
		fmt.Fprintf(&text, "---\nkind: pipeline\nname: %s\nnodes:\n  - {label: In, type: receive, props: {provider: torture, event: %s}}\n"+
			"  - {label: Tell, type: hook, props: {destination: %s}}\n", target(i), target(i), target(i))
	}
	if err := d.g.write(text.String()); err != nil {
		return nil, err
	}
	var over atomic.Bool
	hanging := func(name string) bool { return name < target(fairHanging) }
	d.receiver.answer = func(w http.ResponseWriter, req *http.Request, p place, _ int) {
		if hang && hanging(strings.Split(p.path, "/")[1]) && !over.Load() {
			hold(req.Context(), hungFor)
		}
		w.WriteHeader(http.StatusOK)
	}
	d.load.next = func(k *book, n int) *letter { return k.write(target(n%fairDestinations), 512) }
	d.trial.hostile = func(pipeline string) bool { return hang && hanging(pipeline) }
	if err := d.g.startReady(ctx); err != nil {
		return nil, err
	}
	d.load.start(ctx)
	for begun := time.Now(); time.Since(begun) < fairTime; {
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
		b.progress("fairness %s: %s", name, time.Since(begun).Round(time.Second))
	}
	d.load.stop()
	healthy := func(l letter) bool { return !hanging(l.event) }
	if err := until(ctx, time.Minute, 50*time.Millisecond, func() (bool, error) {
		_, missing := d.receiver.delivering(d.book, 0, healthy)
		return missing == 0, fmt.Errorf("%d events have not arrived at healthy destinations", missing)
	}); err != nil {
		r.fault("%v", err)
	}
	out, _ := d.receiver.delivering(d.book, 0, healthy)
	over.Store(true)
	one := &row{}
	if err := d.finish(ctx, one); err != nil {
		return nil, err
	}
	r.merge(one)
	return out, nil
}

// target names the i-th destination, its pipeline and its event.
func target(i int) string { return fmt.Sprintf("target%03d", i) }
