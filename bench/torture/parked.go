package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	parkedRuns = 1_000_000
	// idleTime is how long the gateway is watched while nothing happens, acceptTime how long it is pushed.
	idleTime   = 60 * time.Second
	acceptTime = 10 * time.Second
	// idleShare of one core, and idleBytes, are what a gateway with all of them may use while nothing happens.
	idleShare = 0.05
	idleBytes = 512 << 20
)

// parking has a pipeline that fails in its code, one whose hook is refused for good, and one that others use.
const parking = sender + `---
kind: pipeline
name: fails
nodes:
  - {label: In, type: receive, props: {provider: torture, event: fails}}
  - {label: Text, type: code, props: {code: 'payload.id + 1'}}
---
kind: pipeline
name: refused
nodes:
  - {label: In, type: receive, props: {provider: torture, event: refused}}
  - {label: Tell, type: hook, props: {url: "http://RECEIVER/refused/Tell", headers: {X-Whole: "yes"}, concurrency: 64, retry: {max_attempts: 1}}}
---
kind: pipeline
name: one
nodes:
  - {label: In, type: receive, props: {provider: torture, event: one}}
  - {label: Tell, type: hook, props: {url: "http://RECEIVER/one/Tell", headers: {X-Whole: "yes"}}}
`

// parkedMode parks a million runs and measures what they cost. Each is an event that was sent; nine of ten fail while they are routed,
// which is faster, the tenth by an attempt that was refused.
func parkedMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	r := &row{Rounds: rounds}
	for range rounds {
		if err := b.parkedOnce(ctx, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (b *bench) parkedOnce(ctx context.Context, r *row) error {
	dir, err := b.folder("parked")
	if err != nil {
		return err
	}
	d, err := b.makeBed(dir, "", "parked", 64, 0)
	if err != nil {
		return err
	}
	defer d.clear()
	if err := d.g.write(fill(parking, "RECEIVER", d.receiver.address)); err != nil {
		return err
	}
	d.receiver.forget = true // a million parcels are no business of this mode
	d.receiver.answer = func(w http.ResponseWriter, req *http.Request, _ place, _ int) {
		code := http.StatusOK
		if req.URL.Path == "/refused/Tell" {
			code = http.StatusUnprocessableEntity
		}
		w.WriteHeader(code)
	}
	if err := d.g.startReady(ctx); err != nil {
		return err
	}
	empty, emptyAccept, err := d.push(ctx)
	if err != nil {
		return err
	}
	runs := parkedRuns
	if b.count > 0 {
		runs = b.count
	}
	begun := time.Now()
	if err := errors.Join(b.pile(ctx, d, "fails", runs*9/10), b.pile(ctx, d, "refused", runs/10)); err != nil {
		return err
	}
	if err := until(ctx, drainLimit, 200*time.Millisecond, func() (bool, error) {
		s, err := d.g.status(ctx)
		b.progress("%d runs parked", s.Ledger.total().Parked)
		return err == nil && s.Ledger.total().Open == 0, err
	}); err != nil {
		return err
	}
	made := time.Since(begun)
	full, fullAccept, err := d.push(ctx)
	if err != nil {
		return err
	}
	if err := until(ctx, drainLimit, 200*time.Millisecond, func() (bool, error) {
		s, err := d.g.status(ctx)
		return err == nil && s.Ledger.total().Open == 0, err
	}); err != nil {
		return err
	}
	// The measurement of a process that has not made them itself: what they cost, not what making them has left in memory.
	d.g.kill()
	begun = time.Now()
	if err := d.g.startReady(ctx); err != nil {
		return err
	}
	restart := time.Since(begun)
	r.recovered(restart)
	idle, rss, err := d.idle(ctx)
	if err != nil {
		return err
	}
	pages, err := d.pages(ctx)
	if err != nil {
		return err
	}
	command, err := d.g.listParked(ctx)
	if err != nil {
		return err
	}
	s, err := d.g.status(ctx)
	if err != nil {
		return err
	}
	acked, _ := d.book.acknowledged(0)
	r.Acked += len(acked)
	parked := s.Ledger.total().Parked
	if parked < int64(runs) {
		r.fault("%d runs are parked, want %d", parked, runs)
	}
	if missing := int64(len(acked)) - s.Ledger.total().Made; missing > 0 {
		r.Lost += int(missing)
	}
	if text := s.Ledger.unbalanced(); text != "" {
		r.fault("the ledger does not balance: %s", text)
	}
	if idle > idleShare {
		r.fault("an idle gateway uses %.1f %% of a core", 100*idle)
	}
	if rss > idleBytes {
		r.fault("an idle gateway uses %s", mebibytes(rss))
	}
	r.remark("%d runs parked in %s; idle: %s and %.2f %% of a core over %s; accepting %.0f/s %s (empty store: %.0f/s %s); a page of 50 %s; `parked list` %s; restart %s",
		parked, short(made), mebibytes(rss), 100*idle, idleTime, full, fullAccept, empty, emptyAccept, pages, short(command), short(restart))
	return d.g.terminate()
}

// push sends as much as is acknowledged for a while, and gives how many that were a second, and how long each took.
func (d *bed) push(ctx context.Context) (float64, latencies, error) {
	_, from := d.book.acknowledged(0)
	more := &load{address: d.g.public, book: d.book, connections: 64, next: func(k *book, _ int) *letter { return k.write("one", 512) }}
	begun := time.Now()
	more.start(ctx)
	err := pause(ctx, acceptTime)
	more.stop()
	took := d.book.accepting(from, nil)
	return float64(len(took)) / time.Since(begun).Seconds(), took, err
}

// idle gives the share of a core that is used while nothing happens, and the memory.
func (d *bed) idle(ctx context.Context) (share float64, rss int64, err error) {
	if err := pause(ctx, 5*time.Second); err != nil { // what the start leaves to do
		return 0, 0, err
	}
	before, err := d.g.usage()
	if err != nil {
		return 0, 0, err
	}
	if err := pause(ctx, idleTime); err != nil {
		return 0, 0, err
	}
	after, err := d.g.usage()
	if err != nil {
		return 0, 0, err
	}
	return (after.cpu - before.cpu).Seconds() / after.at.Sub(before.at).Seconds(), after.rss, nil
}

// pages reads the first pages of what is parked.
func (d *bed) pages(ctx context.Context) (latencies, error) {
	var out latencies
	cursor := ""
	for range 50 {
		var page struct{ Next string }
		begun := time.Now()
		if err := d.g.get(ctx, "/api/v1/parked?limit=50&cursor="+cursor, &page); err != nil {
			return nil, err
		}
		out = append(out, time.Since(begun))
		cursor = page.Next
	}
	return out, nil
}

// listParked runs the command that a person would.
func (g *gateway) listParked(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	cmd := exec.CommandContext(ctx, g.bin, "parked", "list")
	cmd.Env = g.env
	cmd.Dir = filepath.Dir(g.log)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("listing what is parked: %w\n%.500s", err, out)
	}
	return time.Since(begun), nil
}
