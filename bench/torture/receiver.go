package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// parcel is all that arrived of one delivery: of one hook for one event.
type parcel struct {
	key      string // the Idempotency-Key of the first
	arrivals []time.Time
	refusals []time.Time // arrivals that were answered with a failure
}

// place names a parcel: the path of the request, and the delivery id that the body tells.
type place struct{ path, delivery string }

// receiver is a server that counts what arrives. It answers 200 where nothing else is said.
type receiver struct {
	address string
	// answer answers the n-th arrival (from 1) of a parcel; 200 at once where nil. It is called by many goroutines at once.
	answer func(w http.ResponseWriter, req *http.Request, p place, n int)

	// forget counts only how much arrives.
	forget bool

	server  *http.Server
	open    atomic.Int64 // requests that are not yet answered
	arrived atomic.Int64

	mu      sync.Mutex
	parcels map[place]*parcel
	wrong   []string // what arrived and was never sent so
}

// newReceiver starts one on a free port; an address is taken again where it is given.
func newReceiver(address string, answer func(http.ResponseWriter, *http.Request, place, int)) (*receiver, error) {
	if address == "" {
		var err error
		if address, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("starting a receiver: %w", err)
	}
	r := &receiver{address: l.Addr().String(), answer: answer, parcels: map[place]*parcel{}}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { _ = r.server.Serve(l) }() // until close
	return r, nil
}

// ServeHTTP takes a delivery in.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.open.Add(1)
	defer r.open.Add(-1)
	at := time.Now()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the gateway died while it sent
	}
	var p place
	n := 0
	if !r.forget {
		p, n = r.take(at, req, body)
	}
	r.arrived.Add(1)
	if r.answer != nil {
		r.answer(w, req, p, n)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// take notes what arrived and gives its place and number.
func (r *receiver) take(at time.Time, req *http.Request, body []byte) (place, int) {
	p := place{path: req.URL.Path}
	key := req.Header.Get("Idempotency-Key")
	wrong := ""
	if req.Header.Get("X-Whole") != "" { // the original bytes
		var ok bool
		if p.delivery, ok = read(body); !ok {
			wrong = fmt.Sprintf("%s got a body that nobody sent: %.120q", p.path, body)
		}
	} else {
		var doc struct{ ID string }
		if err := json.Unmarshal(body, &doc); err != nil {
			wrong = fmt.Sprintf("%s got no JSON: %.120q", p.path, body)
		}
		p.delivery = doc.ID
	}
	if key == "" {
		wrong = fmt.Sprintf("%s got %s without an Idempotency-Key", p.path, p.delivery)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	have := r.parcels[p]
	if have == nil {
		have = &parcel{key: key}
		r.parcels[p] = have
	}
	if have.key != key {
		wrong = fmt.Sprintf("%s got %s with the keys %s and %s", p.path, p.delivery, have.key, key)
	}
	if wrong != "" {
		r.wrong = append(r.wrong, wrong)
	}
	have.arrivals = append(have.arrivals, at)
	return p, len(have.arrivals) + len(have.refusals)
}

// refuse answers the last arrival of a parcel with a failure, and counts it as one that was to come again.
func (r *receiver) refuse(w http.ResponseWriter, p place, code int) {
	r.mu.Lock()
	have := r.parcels[p]
	last := len(have.arrivals) - 1
	have.refusals = append(have.refusals, have.arrivals[last])
	have.arrivals = have.arrivals[:last]
	r.mu.Unlock()
	w.WriteHeader(code)
}

// all gives a copy of what arrived, and what was wrong with it.
func (r *receiver) all() (map[place]parcel, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[place]parcel, len(r.parcels))
	for p, d := range r.parcels {
		out[p] = parcel{key: d.key, arrivals: slices.Clone(d.arrivals), refusals: slices.Clone(d.refusals)}
	}
	return out, slices.Clone(r.wrong)
}

// absorb takes over what another receiver got.
func (r *receiver) absorb(o *receiver) {
	parcels, wrong := o.all()
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, got := range parcels {
		r.parcels[p] = &got
	}
	r.wrong = append(r.wrong, wrong...)
}

// close ends the server and all its connections.
func (r *receiver) close() error {
	if err := r.server.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("ending a receiver: %w", err)
	}
	return nil
}

// hold waits before an answer, less where the gateway goes away.
func hold(ctx context.Context, d time.Duration) { _ = pause(ctx, d) }
