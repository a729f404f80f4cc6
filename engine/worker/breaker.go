package worker

import (
	"math"
	"time"

	"github.com/headgate/headgate/engine/destination"
)

// deadAfter is how long a breaker may stay without closing before its destination is disabled: nobody looks after it any more, and what
// waits for it is better parked, where people see it.
const deadAfter = 5 * 24 * time.Hour

// idleAfter is how long after its pause a breaker may go without a probe before the five days begin anew: longer than any of the delays
// between the attempts of one delivery. A destination to which nothing is sent for days is not dead.
const idleAfter = 36 * time.Hour

// windowParts is into how many parts the window of a breaker is cut. What is older than the window is forgotten a part at a time.
const windowParts = 12

// failures counts what became of the attempts at one gate. Whether its breaker is open is the store's to know; that it should open is
// found here. After a restart the counts begin anew. The zero failures is ready; it is not for several goroutines at once.
type failures struct {
	row   int // without a success between them
	parts [windowParts]part
}

// part counts the attempts of one part of the window.
type part struct {
	number    int64 // since 1970, in parts of the window
	made, bad int
}

// note counts an attempt that ended, and says whether the breaker is to open now.
func (f *failures) note(now time.Time, b destination.Breaker, failed bool) (open bool) {
	length := max(b.Window/windowParts, time.Millisecond)
	number := now.UnixNano() / int64(length)
	p := &f.parts[number%windowParts]
	if p.number != number {
		*p = part{number: number}
	}
	p.made++
	if !failed {
		f.row = 0
		return false // where most attempts fail, it is a failure that opens
	}
	p.bad++
	f.row++
	if f.row >= b.Failures {
		return true
	}
	made, bad := 0, 0
	for _, p := range f.parts {
		if p.number > number-windowParts && p.number <= number {
			made, bad = made+p.made, bad+p.bad
		}
	}
	return made >= b.Sample && float64(bad) >= b.Ratio*float64(made)
}

// quiet says that there is nothing to remember.
func (f *failures) quiet() bool { return f.row == 0 }

// pauseOf is how long a breaker stays open that opens for the trips-th time without having closed: twice as long each time.
func pauseOf(b destination.Breaker, trips int) time.Duration {
	pause := float64(b.Pause) * math.Pow(2, float64(max(trips, 1)-1))
	return time.Duration(min(pause, float64(max(b.MaxPause, b.Pause))))
}
