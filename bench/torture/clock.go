package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// clocked has pipelines whose work lies in the future: one waits before it sends, the receiver of the other refuses the first attempt.
const clocked = delivering + `---
kind: pipeline
name: late
nodes:
  - {label: In, type: receive, props: {provider: torture, event: late}}
  - {label: Pause, type: wait, props: {for: 1500ms}}
  - {label: Tell, type: hook, props: {url: "http://RECEIVER/late/Tell", body: {id: "{{ payload.id }}"}}}
---
kind: pipeline
name: again
nodes:
  - {label: In, type: receive, props: {provider: torture, event: again}}
  - label: Tell
    type: hook
    props: {url: "http://RECEIVER/again/Tell", headers: {X-Whole: "yes"}, breaker: off, retry: {max_attempts: 5, initial: 1s, max: 1s, jitter: 0}}
`

const (
	waitFor    = 1500 * time.Millisecond
	retryAfter = time.Second
	// clockSlack is what a time that is measured at both ends of two connections may be too short.
	clockSlack = 20 * time.Millisecond
	// lateBy is how late work may begin on a machine that is busy.
	lateBy = 2 * time.Second
)

// clockMode sets the wall clock of the process back and forth while work lies in the future, and starts it anew under a clock that is
// wrong. Nothing may be early, nothing may be lost to a lease that seems to be over, and no delivery id may count as new again.
func clockMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	dir, err := b.folder("clock")
	if err != nil {
		return nil, err
	}
	d, err := b.makeBed(dir, "", "clock", 8, 150)
	if err != nil {
		return nil, err
	}
	defer d.clear()
	if err := d.g.write(fill(clocked, "RECEIVER", d.receiver.address)); err != nil {
		return nil, err
	}
	d.receiver.answer = func(w http.ResponseWriter, _ *http.Request, p place, n int) {
		if p.path == "/again/Tell" && n == 1 {
			d.receiver.refuse(w, p, http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	}
	d.load.next = func(k *book, n int) *letter {
		switch n % 4 {
		case 0:
			return k.write("late", 256)
		case 1:
			return k.write("again", 256)
		default:
			return mixed(k, n)
		}
	}
	offset := time.Duration(0)
	clock, err := d.g.startWithClock(offset)
	if err != nil {
		return nil, err
	}
	if err := d.g.ready(ctx); err != nil {
		return nil, err
	}
	d.load.start(ctx)
	jumps := []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour, -time.Hour, time.Hour, -24 * time.Hour, 24 * time.Hour}
	r := &row{Rounds: rounds}
	repeated := 0
	for n := range rounds {
		if err := pause(ctx, b.within(300*time.Millisecond, 1500*time.Millisecond)); err != nil {
			return nil, err
		}
		offset += jumps[n%len(jumps)]
		if n%5 == 4 { // down while the clock is set
			begun := time.Now()
			if err := d.g.terminate(); err != nil {
				return nil, err
			}
			d.book.freeze()
			first := d.book.thaw()
			if clock, err = d.g.startWithClock(offset); err != nil {
				return nil, err
			}
			took, err := d.firstAck(ctx, first, d.g.begun)
			if err != nil {
				return nil, err
			}
			r.recovered(took)
			d.trial.harms = append(d.trial.harms, harm{begun, time.Now()})
		} else if err := clock.set(offset); err != nil {
			return nil, err
		}
		if err := d.shows(ctx, offset); err != nil {
			return nil, fmt.Errorf("%w: round %d: %w", errLeftOut, n+1, err)
		}
		got, err := d.sendAgain(ctx, r, 10)
		if err != nil {
			return nil, err
		}
		repeated += got
		b.progress("clock %d/%d, %d lost", n+1, rounds, r.Lost)
	}
	if err := d.finish(ctx, r); err != nil {
		return nil, err
	}
	early, latest := d.punctual(r)
	r.remark("%d old delivery ids sent again, %d not answered as duplicates; %d deliveries early, the latest %s late", repeated, d.reopened, early, short(latest))
	return r, nil
}

// shows checks that the process has the clock that it was given: HTTP answers carry the date.
func (d *bed) shows(ctx context.Context, offset time.Duration) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.g.admin+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("asking for the date: %w", err)
	}
	resp, err := d.g.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking for the date: %w", err)
	}
	defer resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return fmt.Errorf("reading the date: %w", err)
	}
	if off := date.Sub(time.Now().Add(offset)).Abs(); off > 3*time.Second {
		return fmt.Errorf("the process says that it is %s, %s off", date, off)
	}
	return nil
}

// sendAgain sends letters again that were acknowledged long ago, and gives how many.
func (d *bed) sendAgain(ctx context.Context, r *row, n int) (int, error) {
	acked, _ := d.book.acknowledged(0)
	step := max(1, len(acked)/n)
	sent := 0
	for i := 0; i < len(acked); i += step {
		l := acked[i]
		a, err := post(ctx, d.g.client, d.g.public, &l)
		if err != nil {
			return sent, err
		}
		if a.code != http.StatusOK || a.status != "duplicate" || a.id != l.id {
			d.reopened++
			r.fault("%s was sent again and answered with %d %s %s, want a duplicate of %s", l.delivery, a.code, a.status, a.id, l.id)
		}
		sent++
	}
	return sent, nil
}

// punctual checks that nothing was early, and gives how much was, and how late the latest was. What was under way over a restart is left out: a process that
// was not there cannot know whether the clock jumped meanwhile or time went by.
func (d *bed) punctual(r *row) (early int, latest time.Duration) {
	parcels, _ := d.receiver.all()
	for p, got := range parcels {
		l, ok := d.book.letter(p.delivery)
		if !ok || len(got.arrivals) == 0 {
			continue
		}
		var from time.Time
		var after time.Duration
		switch {
		case p.path == "/late/Tell" && !l.acked.IsZero():
			from, after = l.begun, waitFor
		case p.path == "/again/Tell" && len(got.refusals) > 0:
			from, after = got.refusals[0], retryAfter
		default:
			continue
		}
		if d.restarted(from, got.arrivals[0]) {
			continue
		}
		off := got.arrivals[0].Sub(from) - after
		if off < -clockSlack {
			early++
			r.fault("%s came to %s %s early", p.delivery, p.path, short(-off))
		}
		if off > lateBy {
			r.fault("%s came to %s %s late", p.delivery, p.path, short(off))
		}
		latest = max(latest, off)
	}
	return early, latest
}

func (d *bed) restarted(from, to time.Time) bool {
	for _, h := range d.trial.harms {
		if from.Before(h.to) && to.After(h.from) {
			return true
		}
	}
	return false
}
