package main

import (
	"fmt"
	"time"
)

// latencies are times of one kind of traffic.
type latencies []time.Duration

func (l latencies) String() string {
	return fmt.Sprintf("p50 %s, p99 %s", short(quantile(l, 0.5)), short(quantile(l, 0.99)))
}

func (l latencies) p50() time.Duration { return quantile(l, 0.5) }
func (l latencies) p99() time.Duration { return quantile(l, 0.99) }

// ratio tells how many times longer a time is than another.
func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// accepting gives how long requests took until their 200, of letters that were written from the from-th on and that matter.
func (k *book) accepting(from int, matters func(l letter) bool) latencies {
	acked, _ := k.acknowledged(from)
	var out latencies
	for _, l := range acked {
		if matters == nil || matters(l) {
			out = append(out, l.acked.Sub(l.begun))
		}
	}
	return out
}

// delivering gives how long after its 200 was read each event first arrived, 0 where it was faster than the 200; and how many of those
// that matter have not arrived.
func (r *receiver) delivering(k *book, from int, matters func(l letter) bool) (out latencies, missing int) {
	acked, _ := k.acknowledged(from)
	parcels, _ := r.all()
	first := make(map[string]time.Time, len(parcels))
	for p, got := range parcels {
		if len(got.arrivals) == 0 {
			continue
		}
		if at, ok := first[p.delivery]; !ok || got.arrivals[0].Before(at) {
			first[p.delivery] = got.arrivals[0]
		}
	}
	for _, l := range acked {
		if matters != nil && !matters(l) {
			continue
		}
		at, ok := first[l.delivery]
		if !ok {
			missing++
			continue
		}
		out = append(out, max(0, at.Sub(l.acked)))
	}
	return out, missing
}
