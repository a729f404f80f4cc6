package trial

import (
	"sync"
	"time"
)

// clock is simulated time. It stands still while work is done.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now gives the simulated time.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// move sets the time, which never goes back.
func (c *clock) move(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to.After(c.now) {
		c.now = to
	}
}
