package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// drippers are connections that send a byte a second, half of them of their headers, half of their bodies.
	drippers = 2000
	// calmTime is how long a round measures without them, and besetTime with them: longer than the gateway lets headers take.
	calmTime  = 3 * time.Second
	besetTime = 6 * time.Second
	// slower is how many times longer the 99th percentile of good requests may be than without the drippers, and unnoticed what is
	// allowed in any case: the two stretches differ by as much when nothing is done.
	slower    = 1.2
	unnoticed = 2 * time.Millisecond
	// dripMemory is what all drippers together may cost: 192 KiB each, which is their buffers twice, as the collector lets memory double.
	dripMemory = drippers * 192 << 10
)

// slowlorisMode holds good requests, each on a connection of its own, beside thousands that never come to an end.
func slowlorisMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	dir, err := b.folder("slowloris")
	if err != nil {
		return nil, err
	}
	d, err := b.makeBed(dir, "", "slowloris", 8, 200)
	if err != nil {
		return nil, err
	}
	defer d.clear()
	d.load.fresh = true
	if err := d.g.startReady(ctx); err != nil {
		return nil, err
	}
	r := &row{Rounds: rounds}
	d.load.start(ctx)
	if err := pause(ctx, time.Second); err != nil { // the first requests are slower
		return nil, err
	}
	before, err := d.g.usage()
	if err != nil {
		return nil, err
	}
	var calm, beset latencies
	var most int64
	var cut, opened int64
	for n := range rounds {
		_, from := d.book.acknowledged(0)
		if err := pause(ctx, calmTime); err != nil {
			return nil, err
		}
		calm = append(calm, d.book.accepting(from, nil)...)
		a := besiege(ctx, d.g.public)
		if err := until(ctx, 30*time.Second, 10*time.Millisecond, func() (bool, error) {
			return a.open.Load() >= drippers*9/10, fmt.Errorf("%d connections are open", a.open.Load())
		}); err != nil {
			return nil, err
		}
		_, from = d.book.acknowledged(0)
		stop := d.g.watchUsage(ctx)
		if err := pause(ctx, besetTime); err != nil {
			return nil, err
		}
		beset = append(beset, d.book.accepting(from, nil)...)
		most = max(most, stop().rss)
		a.end()
		cut, opened = cut+a.cut.Load(), opened+a.opened.Load()
		b.progress("slowloris %d/%d", n+1, rounds)
	}
	if float64(beset.p99()) > slower*float64(calm.p99()) && beset.p99() > calm.p99()+unnoticed {
		r.fault("good requests: %s beside the drippers, %s without", beset, calm)
	}
	if most > before.rss+dripMemory {
		r.fault("memory grew from %s to %s", mebibytes(before.rss), mebibytes(most))
	}
	r.remark("%d drippers; good requests %s beside them, %s without (p99 %+.0f %%); memory %s, before %s; %d of %d connections closed by the gateway",
		drippers, beset, calm, 100*(ratio(beset.p99(), calm.p99())-1), mebibytes(most), mebibytes(before.rss), cut, opened)
	return r, d.finish(ctx, r)
}

// siege is a crowd of senders that drip.
type siege struct {
	cancel            context.CancelFunc
	done              sync.WaitGroup
	open, cut, opened atomic.Int64
}

// besiege opens the connections, and opens those anew that the gateway closes.
func besiege(ctx context.Context, address string) *siege {
	a := &siege{}
	ctx, a.cancel = context.WithCancel(ctx)
	for i := range drippers {
		a.done.Go(func() {
			// Spread over a second, so that they do not drip in step.
			if pause(ctx, time.Duration(i)*time.Second/drippers) != nil {
				return
			}
			for ctx.Err() == nil {
				if err := a.dripOn(ctx, address, i%2 == 0); err != nil && ctx.Err() == nil {
					a.cut.Add(1)
					if pause(ctx, 100*time.Millisecond) != nil {
						return
					}
				}
			}
		})
	}
	return a
}

// dripOn opens a connection and sends a byte a second, until the gateway has enough of it.
func (a *siege) dripOn(ctx context.Context, address string, headers bool) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("opening a connection: %w", err)
	}
	defer func() { _ = c.Close() }()
	a.opened.Add(1)
	a.open.Add(1)
	defer a.open.Add(-1)
	head := "POST /webhooks/torture HTTP/1.1\r\nHost: " + address + "\r\nX-Event: one\r\nX-Slow: "
	if !headers {
		head += "no\r\nX-Delivery: slow\r\nX-Signature: 00\r\nContent-Length: 100000\r\n\r\n{"
	}
	if _, err := c.Write([]byte(head)); err != nil {
		return fmt.Errorf("dripping: %w", err)
	}
	for {
		if pause(ctx, time.Second) != nil {
			return nil
		}
		if _, err := c.Write([]byte("x")); err != nil {
			return fmt.Errorf("dripping: %w", err)
		}
	}
}

func (a *siege) end() {
	a.cancel()
	a.done.Wait()
}
