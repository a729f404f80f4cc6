package ingress

import (
	"context"
	"net/http"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/reply"
	"github.com/headgate/headgate/engine/store"
)

// Responders says which events may be answered by a pipeline. It is asked for every event before it is stored, and must be quick.
type Responders interface {
	// Responds gives how long the sender's request is to stay open for it; false where no pipeline that the event starts can answer.
	Responds(provider, event string) (time.Duration, bool)
}

// statusReplied is what Observer is told of a request that a pipeline answered.
const statusReplied = "replied"

// awaited is what a request waits for once its events are stored.
type awaited struct {
	limit  time.Duration // from the arrival of the request; 0 where no run may reply
	ticket *reply.Ticket // nil where there is no room for one more that waits
}

// expect opens a ticket for a request whose events a pipeline may answer. It does so before they are stored: they may be routed before
// the store has told so.
func (x *exchange) expect(d *provider.Decision) (a awaited) {
	for i := range d.Arrivals {
		if e := &d.Arrivals[i].Event; d.Arrivals[i].Route {
			if limit, ok := x.responders.Responds(e.Provider, e.Name); ok {
				a.limit = max(a.limit, limit)
			}
		}
	}
	if a.limit > 0 {
		a.ticket = x.o.Replies.Expect(x.id)
	}
	return a
}

// replied waits for the reply of a run and answers with it, or with 202 where none came in time. It is false where nothing will reply:
// then the answer is the provider's usual one. Events is as for stored.
func (x *exchange) replied(a awaited, receipts []store.Receipt, events int) bool {
	routed := 0
	for _, r := range receipts {
		if !r.Duplicate && r.State == event.Accepted {
			routed++
		}
	}
	if routed == 0 {
		return false
	}
	if a.ticket != nil {
		x.room.end() // the body is the store's now
		// The body has been read: what the sender sends now, or does not, is no reason to hang up.
		_ = http.NewResponseController(x.w).SetReadDeadline(time.Time{})
		ctx, cancel := context.WithTimeout(x.r.Context(), a.limit-x.o.Now().Sub(x.arrived))
		defer cancel()
		if r, ok := a.ticket.Wait(ctx, routed); ok {
			x.send(r)
			return true
		}
		if a.ticket.Over() {
			return false
		}
	}
	x.stored(http.StatusAccepted, statusProcessed, x.name, x.event, receipts[0].ID, events, again{})
	return true
}

// send answers with the reply of a run.
func (x *exchange) send(r reply.Reply) {
	h := x.w.Header()
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	x.write(r.Status, nil, statusReplied, r.Body)
}
