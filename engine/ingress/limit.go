package ingress

import (
	"math"
	"sync"
	"time"
)

// bucket is a token bucket: what has not been used fills it up again over time.
type bucket struct {
	tokens float64
	at     time.Time
}

// has says whether there is a token in a bucket that fills at rate a second up to burst; where there is none it says how long until there
// is.
func (b *bucket) has(rate float64, burst int, now time.Time) (wait time.Duration, ok bool) {
	if b.at.IsZero() {
		b.tokens = float64(burst)
	} else if passed := now.Sub(b.at); passed > 0 { // a clock that went back fills nothing
		b.tokens += passed.Seconds() * rate
	}
	b.tokens, b.at = min(b.tokens, float64(burst)), now
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) / rate * float64(time.Second)), false
	}
	return 0, true
}

// limits are rate limits by name. Those of the providers outlive a reload, so that one does not hand out a new burst.
type limits struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

// has says whether one of that name would be let in, or how long it should wait. Names are those of providers, with a code at most, so
// there are few.
func (l *limits) has(name string, rate float64, burst int, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket(name).has(rate, burst, now)
}

// take is has, and lets one in.
func (l *limits) take(name string, rate float64, burst int, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(name)
	if wait, ok = b.has(rate, burst, now); ok {
		b.tokens--
	}
	return wait, ok
}

func (l *limits) bucket(name string) *bucket {
	b := l.buckets[name]
	if b == nil {
		if l.buckets == nil || len(l.buckets) >= maxKinds {
			l.buckets = map[string]*bucket{}
		}
		b = &bucket{}
		l.buckets[name] = b
	}
	return b
}

// What a stranger can have done for himself at our cost, of each kind: a refusal explained and recorded, a handshake confirmed. A person
// who tries a webhook out stays below it.
const (
	quotaRate  = 1
	quotaBurst = 20
)

// quota bounds work by its kind.
type quota struct{ limits }

// take says whether a kind of work may be done now.
func (q *quota) take(kind string, now time.Time) bool {
	_, ok := q.limits.take(kind, quotaRate, quotaBurst, now)
	return ok
}

// seconds gives a wait as Retry-After has it: whole seconds, and at least one.
func seconds(wait time.Duration) int { return int(max(1, math.Ceil(wait.Seconds()))) }
