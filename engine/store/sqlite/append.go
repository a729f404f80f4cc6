package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, arrivals []store.Arrival) ([]store.Receipt, error) {
	prepared := make([]prepared, len(arrivals))
	for i := range arrivals {
		if err := prepared[i].from(&arrivals[i]); err != nil {
			return nil, err
		}
	}
	receipts := make([]store.Receipt, len(arrivals))
	err := s.submit(ctx, func(w *writer, now time.Time) error {
		for i := range prepared {
			r, err := w.append(now, &prepared[i])
			if err != nil {
				return err
			}
			receipts[i] = r
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return receipts, nil
}

// prepared is an arrival with all that can be worked out before the writer has it.
type prepared struct {
	*store.Arrival
	crc  uint32
	hash []byte // of the delivery id; nil where nothing is de-duplicated
	info []byte
}

// info is what no list filters by.
type info struct {
	Index        int                `json:"index,omitempty"`
	Verification event.Verification `json:"verification"`
	Headers      []event.Header     `json:"headers,omitempty"`
	Query        string             `json:"query,omitempty"`
	ContentType  string             `json:"content_type,omitempty"`
	Source       event.Source       `json:"source,omitempty"`
	Cause        string             `json:"cause,omitempty"`
	Depth        int                `json:"depth,omitempty"`
	Reason       string             `json:"reason,omitempty"`
	Labels       map[string]string  `json:"labels,omitempty"`
}

func (p *prepared) from(a *store.Arrival) error {
	e := &a.Event
	p.Arrival = a
	p.crc = checksum(e.Body)
	if e.Delivery != "" && a.Window > 0 {
		p.hash = deliveryHash(e.Provider, e.Delivery)
	}
	var err error
	p.info, err = json.Marshal(info{
		Index: e.Index, Verification: e.Verification, Headers: e.Headers, Query: e.Query, ContentType: e.ContentType, Source: e.Source,
		Cause: e.Cause, Depth: e.Depth, Reason: e.Reason, Labels: e.Labels,
	})
	if err != nil {
		return fmt.Errorf("writing an event's details as JSON: %w", err)
	}
	return nil
}

func checksum(body []byte) uint32 { return crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) }

// deliveryHash is a 128-bit name for a provider's delivery id: long ids cost no more than short ones.
func deliveryHash(provider, delivery string) []byte {
	sum := sha256.Sum256([]byte(provider + "\x00" + delivery))
	return sum[:16]
}

const day = 24 * time.Hour

func (w *writer) append(now time.Time, p *prepared) (store.Receipt, error) {
	e := &p.Event
	w.ledger[recorded]++
	if p.hash != nil {
		receipt, dup, err := w.duplicate(now, p)
		if err != nil || dup {
			return receipt, err
		}
	}
	state := e.State
	if state == "" {
		state = event.Accepted
	}
	received := e.Received
	if received.IsZero() {
		received = now
	}
	id := w.nextID(now)
	names, err := w.nameAll(e.Provider, e.Name, e.Routes)
	if err != nil {
		return store.Receipt{}, err
	}
	if _, _, err = w.c.exec(`INSERT INTO events (id, provider, name, state, received, duplicates, routes, size, crc, request, delivery, info)
		VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11)`,
		int64(id), names[0], names[1], code(eventStates(), state), nano(received), names[2], len(e.Body), p.crc, e.Request, e.Delivery, p.info); err != nil {
		return store.Receipt{}, err
	}
	if _, _, err = w.c.exec("INSERT INTO bodies (event, body) VALUES (?1, ?2)", int64(id), blob(e.Body)); err != nil {
		return store.Receipt{}, err
	}
	if p.hash != nil {
		expires := now.Add(p.Window)
		if _, _, err = w.c.exec(`INSERT INTO keys (hash, event, state, size, crc, expires, day) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
			ON CONFLICT (hash) DO UPDATE SET event = ?2, state = ?3, size = ?4, crc = ?5, expires = ?6, day = ?7`,
			p.hash, int64(id), code(eventStates(), state), len(e.Body), p.crc, nano(expires), nano(expires)/int64(day)); err != nil {
			return store.Receipt{}, err
		}
	}
	switch state {
	case event.Ignored:
		w.ledger[ignored]++
	case event.Quarantined:
		w.ledger[quarantined]++
	default:
		w.ledger[processed]++
	}
	w.events++
	if p.Route {
		err = w.enqueue(now, newTask{
			kind: run.TaskRoute, event: id, cause: run.Cause{Kind: run.Live}, gate: run.RouteGate, lane: run.LaneLive, order: p.Order,
		})
	}
	return store.Receipt{ID: id, State: state}, err
}

// blob keeps an empty body from becoming NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// duplicate looks for a live delivery id and counts what came again.
func (w *writer) duplicate(now time.Time, p *prepared) (receipt store.Receipt, found bool, err error) {
	found, err = w.c.first(func(r row) error {
		receipt = store.Receipt{
			ID: event.ID(r.int(0)), Duplicate: true, State: word(eventStates(), r.int(1)),
			Mismatch: r.int(2) != int64(len(p.Event.Body)) || uint32(r.int(3)) != p.crc,
		}
		return nil
	}, "SELECT event, state, size, crc FROM keys WHERE hash = ?1 AND expires > ?2", p.hash, nano(now))
	if err != nil || !found {
		return store.Receipt{}, false, err
	}
	w.ledger[duplicate]++
	_, _, err = w.c.exec("UPDATE events SET duplicates = duplicates + 1 WHERE id = ?1", int64(receipt.ID))
	return receipt, true, err
}

// newTask is a task to be queued.
type newTask struct {
	kind  run.TaskKind
	event event.ID
	run   int64 // the row, 0 for none
	path  string
	cause run.Cause
	gate  string
	lane  run.Lane
	order string
	in    time.Duration
}

func (w *writer) enqueue(now time.Time, t newTask) error {
	gate, err := w.name(t.gate)
	if err != nil {
		return err
	}
	order := int64(0)
	if t.order != "" {
		if order, err = w.name(t.order); err != nil {
			return err
		}
	}
	w.lastTask++
	w.touched = true
	_, _, err = w.c.exec(`INSERT INTO tasks (id, kind, event, run, path, cause, ref, queue, ord, due, n, lost, first, token, lease, claimed, reclaimed)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0, 0, 0, 0, 0, 0)`,
		w.lastTask, code(taskKinds(), t.kind), int64(t.event), t.run, t.path, code(causes(), t.cause.Kind), t.cause.Ref,
		queue(gate, t.lane), order, nano(now.Add(t.in)))
	return err
}

// queue is the number of a gate's lane.
func queue(gate int64, lane run.Lane) int64 { return gate*4 + code(lanes(), lane) }
