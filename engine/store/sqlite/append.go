package sqlite

import (
	"context"
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
	batch, bytes, err := prepare(arrivals)
	if err != nil {
		return nil, err
	}
	receipts := make([]store.Receipt, len(batch))
	err = s.submit(ctx, bytes, func(w *writer, now time.Time) error {
		for i := range batch {
			r, err := w.append(now, &batch[i])
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

// arrival is a store.Arrival with all that can be worked out before the writer has it. It is a copy: a caller that has not waited for
// the answer may go on with its own.
type arrival struct {
	store.Arrival
	crc   uint32
	keyed bool
	hash  hash
	info  []byte
	found []byte // its findings; nil where it has none
}

// info is what no list filters by.
type info struct {
	Request      string             `json:"request,omitempty"`
	Index        int                `json:"index,omitempty"`
	Delivery     string             `json:"delivery,omitempty"`
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

func prepare(arrivals []store.Arrival) (batch []arrival, bytes int, err error) {
	batch = make([]arrival, len(arrivals))
	for i := range arrivals {
		a, e := &batch[i], &arrivals[i].Event
		a.Arrival = arrivals[i]
		a.crc = checksum(e.Body)
		if e.Delivery != "" && a.Window > 0 {
			a.keyed, a.hash = true, hashDelivery(e.Provider, e.Delivery)
		}
		if a.info, err = json.Marshal(info{
			Request: e.Request, Index: e.Index, Delivery: e.Delivery, Verification: e.Verification, Headers: e.Headers, Query: e.Query,
			ContentType: e.ContentType, Source: e.Source, Cause: e.Cause, Depth: e.Depth, Reason: e.Reason, Labels: e.Labels,
		}); err != nil {
			return nil, 0, fmt.Errorf("writing an event's details as JSON: %w", err)
		}
		if a.found, err = findingsDocument(e.Findings); err != nil {
			return nil, 0, err
		}
		bytes += len(e.Body)
	}
	return batch, bytes, nil
}

// findingsDocument gives findings as they are stored; nil where there are none.
func findingsDocument(findings []event.Finding) ([]byte, error) {
	if len(findings) == 0 {
		return nil, nil
	}
	doc, err := json.Marshal(findings)
	if err != nil {
		return nil, fmt.Errorf("writing an event's findings as JSON: %w", err)
	}
	return doc, nil
}

// putFindings writes how an event differs from its schema; what stood there goes.
func (w *writer) putFindings(id int64, doc []byte) error {
	if doc == nil {
		return nil
	}
	_, _, err := w.exec("INSERT INTO findings (event, doc) VALUES (?, ?) ON CONFLICT DO UPDATE SET doc = excluded.doc", id, doc)
	return err
}

func checksum(body []byte) uint32 { return crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) }

func (w *writer) append(now time.Time, a *arrival) (store.Receipt, error) {
	e := &a.Event
	w.count(recorded, "", 1)
	if a.keyed {
		if first, found, err := w.keys.find(w.c, a.hash, now); err != nil || found {
			return w.duplicate(a, first, err)
		}
	}
	state, received := e.State, e.Received
	if state == "" {
		state = event.Accepted
	}
	if received.IsZero() {
		received = now
	}
	id := w.nextID(now)
	provider, err := w.name(e.Provider)
	if err != nil {
		return store.Receipt{}, err
	}
	name, err := w.name(e.Name)
	if err != nil {
		return store.Receipt{}, err
	}
	routes, err := w.name(e.Routes)
	if err != nil {
		return store.Receipt{}, err
	}
	var h1, h2, expires any
	if a.keyed {
		until := nano(now.Add(a.Window))
		h1, h2, expires = a.hash.a, a.hash.b, until
		w.keys.add(w, a.hash, seen{event: id, expires: until, size: len(e.Body), crc: a.crc, state: int8(code(eventStates(), state))})
	}
	if _, _, err = w.exec(`INSERT INTO events (id, provider, name, state, received, duplicates, routes, size, crc, h1, h2, expires)
		VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)`,
		int64(id), provider, name, code(eventStates(), state), nano(received), routes, len(e.Body), a.crc, h1, h2, expires); err != nil {
		return store.Receipt{}, err
	}
	if _, _, err = w.exec("INSERT INTO bodies (event, info, body) VALUES (?, ?, ?)", int64(id), a.info, blob(e.Body)); err != nil {
		return store.Receipt{}, err
	}
	if err := w.putFindings(int64(id), a.found); err != nil {
		return store.Receipt{}, err
	}
	switch state {
	case event.Ignored:
		w.count(ignored, "", 1)
	case event.Quarantined:
		w.count(quarantined, "", 1)
	default:
		w.count(processed, "", 1)
	}
	w.count(bodyBytes, "", int64(len(e.Body)))
	w.tx.uses[routes]++
	w.tx.events++
	if a.Route {
		err = w.enqueue(now, newTask{
			kind: run.TaskRoute, event: id, cause: run.Cause{Kind: run.Live}, gate: run.RouteGate, lane: run.LaneLive, order: a.Order,
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

// duplicate counts what came again.
func (w *writer) duplicate(a *arrival, first seen, err error) (store.Receipt, error) {
	if err != nil {
		return store.Receipt{}, err
	}
	w.count(duplicate, "", 1)
	if _, _, err := w.exec("UPDATE events SET duplicates = duplicates + 1 WHERE id = ?", int64(first.event)); err != nil {
		return store.Receipt{}, err
	}
	receipt := store.Receipt{
		ID: first.event, Duplicate: true, State: word(eventStates(), int64(first.state)),
		Mismatch: first.size != len(a.Event.Body) || first.crc != a.crc,
	}
	if w.parked > 0 {
		var parked int64
		parked, err = w.c.one("SELECT count(*) FROM runs WHERE event = ? AND +state = ?", int64(first.event), code(runStates(), run.Parked))
		receipt.Parked = int(parked)
	}
	return receipt, err
}
