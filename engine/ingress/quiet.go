package ingress

import (
	"sync"
	"time"
)

// sayEvery is how often one kind of trouble is logged, and maxKinds bounds how many kinds are remembered.
const (
	sayEvery = 10 * time.Second
	maxKinds = 4096
)

// quiet keeps what a stranger can cause from filling the log: of each kind of trouble one line in a while gets through.
type quiet struct {
	mu    sync.Mutex
	kinds map[string]said
}

type said struct {
	at         time.Time
	suppressed int
}

// say says whether to log a kind of trouble now, and how often it was kept back since the last time.
func (q *quiet) say(kind string, now time.Time) (suppressed int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	last, known := q.kinds[kind]
	if known && now.Before(last.at.Add(sayEvery)) && !now.Before(last.at) {
		last.suppressed++
		q.kinds[kind] = last
		return 0, false
	}
	if q.kinds == nil || len(q.kinds) >= maxKinds {
		q.kinds = map[string]said{}
	}
	q.kinds[kind] = said{at: now}
	return last.suppressed, true
}
