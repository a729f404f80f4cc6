package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// load is what senders send, over a number of connections, until it is stopped.
type load struct {
	address     string
	book        *book
	connections int
	// rate is how many events a second are begun at most; 0 for as many as are answered.
	rate float64
	// next makes the letters; n counts them from 0.
	next func(k *book, n int) *letter
	// fresh opens a connection for each request.
	fresh bool
	// patience is how long an answer may take; 10 s where 0.
	patience time.Duration

	cancel  context.CancelFunc
	done    sync.WaitGroup
	n       atomic.Int64
	slowest atomic.Int64 // the longest time that an answer took, in nanoseconds
	broken  atomic.Int64 // tries without an answer
}

// betweenTries is what a sender waits after a try that failed. Real ones wait longer; this one wants to know when the gateway is back.
const betweenTries = 5 * time.Millisecond

// start begins to send.
func (o *load) start(ctx context.Context) {
	ctx, o.cancel = context.WithCancel(ctx)
	if o.patience == 0 {
		o.patience = 10 * time.Second
	}
	client := &http.Client{Timeout: o.patience, Transport: &http.Transport{MaxIdleConnsPerHost: o.connections, DisableKeepAlives: o.fresh}}
	begun := time.Now()
	for range o.connections {
		o.done.Go(func() {
			for ctx.Err() == nil {
				n := int(o.n.Add(1)) - 1
				if o.rate > 0 {
					at := begun.Add(time.Duration(float64(n) / o.rate * float64(time.Second)))
					if pause(ctx, time.Until(at)) != nil {
						return
					}
				}
				o.deliver(ctx, client, o.next(o.book, n))
			}
		})
	}
}

// deliver sends a letter until it is acknowledged.
func (o *load) deliver(ctx context.Context, client *http.Client, l *letter) {
	for ctx.Err() == nil {
		begun := time.Now()
		// The request outlives the load's end, so that no answer is given up that the gateway counts as given.
		a, err := post(context.WithoutCancel(ctx), client, o.address, l)
		o.slowest.Store(max(o.slowest.Load(), int64(time.Since(begun))))
		switch {
		case err != nil:
			o.broken.Add(1)
		case a.code != http.StatusOK:
			o.book.noteRefused(a.code)
		case o.book.ack(l, begun, a.id):
			return
		}
		if pause(ctx, betweenTries) != nil {
			return
		}
	}
}

// stop lets the senders end what they have begun and returns when they have.
func (o *load) stop() {
	o.cancel()
	o.done.Wait()
}
