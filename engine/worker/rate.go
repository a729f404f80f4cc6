package worker

import (
	"math"
	"time"
)

// maxHold is how long a gate waits at most because its receiver asked for time (429 or 503 with Retry-After). The task that was told so
// waits as long as it was told; what stands behind it finds out then whether the receiver meant it.
const maxHold = 10 * time.Minute

// bucket bounds how many attempts a gate begins in a time: one token an attempt, of which some may be saved up. It is this worker's alone;
// several gateways over one store have one each. The zero bucket is full. It is not for several goroutines at once.
type bucket struct {
	used float64 // tokens that are missing
	at   time.Time
}

// free gives how many attempts may begin now, and where there are none how long until one may.
func (b *bucket) free(now time.Time, perSecond float64, burst int) (n int, wait time.Duration) {
	most := math.Max(1, float64(burst))
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.used = math.Max(0, b.used-passed*perSecond)
		b.at = now
	}
	left := most - b.used + 1e-9 // what is a token but for its rounding is a token
	if left >= 1 {
		return int(left), 0
	}
	return 0, time.Duration(math.Ceil((1 - left) / perSecond * float64(time.Second)))
}

// take uses up tokens, give gives back one whose attempt was not made.
func (b *bucket) take(n int) { b.used += float64(n) }

func (b *bucket) give() { b.used = math.Max(0, b.used-1) }
