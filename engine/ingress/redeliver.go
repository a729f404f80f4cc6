package ingress

import (
	"slices"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/store"
)

// redelivered sees to the parked runs of events that came again. Whatever comes of it, the sender is told that it sent a duplicate: the
// event is on disk, and its runs are parked still where they cannot be opened.
func (x *exchange) redelivered(p *provider.Provider, receipts []store.Receipt) (came again) {
	var seen []event.ID
	for i := range receipts {
		r := &receipts[i]
		if !r.Duplicate || r.Parked == 0 || slices.Contains(seen, r.ID) {
			continue
		}
		seen = append(seen, r.ID)
		came.parked += r.Parked
		if !p.RetriesParked() || x.o.Redeliverer == nil {
			continue
		}
		n, err := x.o.Redeliverer.Redeliver(x.deadline.context(), r.ID, x.id)
		came.retried += n
		if err != nil {
			if n, ok := x.quiet.say("redeliver", x.arrived); ok {
				x.log.Error("parked runs cannot be opened again", "request_id", x.id, "provider", x.name, "event", r.ID.String(), "error", err, "count", n)
			}
			return came
		}
	}
	if came.retried > 0 {
		x.log.Info("a redelivery opened parked runs again", "request_id", x.id, "provider", x.name, "event", seen[0].String(), "count", came.retried)
	}
	return came
}
