package memory

import (
	"context"
	"hash/crc32"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, arrivals []store.Arrival) ([]store.Receipt, error) {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	receipts := make([]store.Receipt, len(arrivals))
	for i := range arrivals {
		receipts[i] = s.append(now, &arrivals[i])
	}
	return receipts, nil
}

func (s *Store) append(now time.Time, a *store.Arrival) store.Receipt {
	e := a.Event
	if e.Received.IsZero() {
		e.Received = now
	}
	if e.State == "" {
		e.State = event.Accepted
	}
	e.BodySize, e.BodyCRC = len(e.Body), crc32.Checksum(e.Body, crc32.MakeTable(crc32.Castagnoli))
	s.ledger.Requests.Recorded++

	key := deliveryKey{e.Provider, e.Delivery}
	keyed := e.Delivery != "" && a.Window > 0
	if first, ok := s.keys[key]; keyed && ok && first.expires.After(now) {
		s.ledger.Requests.Duplicate++
		if kept := s.events[first.id]; kept != nil {
			kept.Duplicates++
		}
		return store.Receipt{
			ID: first.id, Duplicate: true, State: first.state,
			Mismatch: first.size != e.BodySize || first.crc != e.BodyCRC, Parked: s.parked(first.id),
		}
	}

	e.ID = store.NextID(now, s.lastEvent)
	e.Duplicates = 0
	s.lastEvent = e.ID
	s.events[e.ID] = &e
	s.order = append(s.order, e.ID)
	if keyed {
		s.keys[key] = keyRow{id: e.ID, state: e.State, size: e.BodySize, crc: e.BodyCRC, expires: now.Add(a.Window)}
	}
	switch e.State {
	case event.Ignored:
		s.ledger.Requests.Ignored++
	case event.Quarantined:
		s.ledger.Requests.Quarantined++
	default:
		s.ledger.Requests.Processed++
	}
	if a.Route {
		s.enqueue(run.Task{
			Kind: run.TaskRoute, Event: e.ID, Cause: run.Cause{Kind: run.Live},
			Gate: run.RouteGate, Lane: run.LaneLive, Order: a.Order, Due: now,
		})
	}
	return store.Receipt{ID: e.ID, State: e.State}
}

// parked counts the parked runs of an event.
func (s *Store) parked(id event.ID) (n int) {
	for _, row := range s.runs {
		if row.run.Event == id && row.run.State == run.Parked {
			n++
		}
	}
	return n
}
