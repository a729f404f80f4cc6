package ingress

import (
	"context"
	"sync"
	"time"
)

// appendLimit is how long an append may take: the most impatient senders that are known hang up after five seconds, and a 503
// before that has them try again, where silence would count against us. shareFor is how much earlier it may come.
const (
	appendLimit = 4 * time.Second
	shareFor    = 250 * time.Millisecond
)

// deadline hands out contexts that end after appendLimit. All requests of a quarter of a second share one, so that a request costs
// no timer. The context is not the request's own: an event whose sender has hung up is stored all the same.
type deadline struct {
	mu     sync.Mutex
	shared context.Context
	made   time.Time
}

func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); d.shared == nil || now.Sub(d.made) >= shareFor {
		ctx, cancel := context.WithTimeout(context.Background(), appendLimit)
		context.AfterFunc(ctx, cancel)
		d.shared, d.made = ctx, now
	}
	return d.shared
}
