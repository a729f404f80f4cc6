package sqlite

import (
	"sync"
	"time"
)

// clock is the store's time. It follows the process's monotonic clock from where the file left off, so that a wall clock that is set
// back reopens neither delivery ids nor leases. Where a test gives the time, it stands still until the test's has caught up.
type clock struct {
	now  func() time.Time // given by a test; nil else
	base time.Time
	from time.Time

	mu   sync.Mutex
	high time.Time
}

// newClock makes a clock that never shows less than high, the latest time that the file knows of.
func newClock(now func() time.Time, high time.Time) *clock {
	c := &clock{now: now, high: high, from: time.Now()}
	c.base = c.from.Round(0)
	if high.After(c.base) {
		c.base = high
	}
	return c
}

func (c *clock) time() time.Time {
	t := c.base.Add(time.Since(c.from))
	if c.now != nil {
		t = c.now().Round(0)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.high) {
		c.high = t
	}
	return c.high.UTC()
}

// nano stores a time; the zero time is 0.
func nano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// at reads what nano stored.
func at(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
