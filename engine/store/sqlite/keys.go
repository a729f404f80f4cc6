package sqlite

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
)

// The delivery ids that were seen last are kept in memory; on disk they lie in the rows of their events, which are appended. When there
// are many, they are moved to the table keys, sorted, a few in each transaction. Written there one by one as they come, at random
// places, each would cost a page of its own: that was two thirds of the accept path's time.

const (
	// moveAt is how many delivery ids are kept in memory before they are moved: about 10 MB, and enough that a page of keys is written
	// for several of them.
	moveAt = 1 << 16
	// moveStep of them are moved with one transaction: more than senders can add to it, and no delay that they would notice.
	moveStep = 256
	day      = 24 * time.Hour
)

// hash is a 128-bit name for a provider's delivery id: long ids cost no more than short ones.
type hash struct{ a, b int64 }

func hashDelivery(provider, delivery string) hash {
	sum := sha256.Sum256([]byte(provider + "\x00" + delivery))
	return hash{int64(binary.BigEndian.Uint64(sum[:])), int64(binary.BigEndian.Uint64(sum[8:]))}
}

// seen is the event that a delivery id came with first.
type seen struct {
	event   event.ID
	expires int64
	size    int
	crc     uint32
	state   int8
}

// keys are the delivery ids seen. Only the writer touches them.
type keys struct {
	current map[hash]seen
	// frozen are being moved: those of the events up to through. order is the order of the table, moved how many of it are done.
	frozen  map[hash]seen
	through event.ID
	order   []hash
	moved   int
	// days are those that the table has keys of.
	days []int64
	// settled is the event up to which all delivery ids are in the table.
	settled event.ID
	// limit and step are moveAt and moveStep, less in tests.
	limit, step int
}

// loadKeys reads the delivery ids that are not in the table yet.
func loadKeys(c *conn, settled int64, now time.Time, limit, step int) (*keys, error) {
	k := &keys{current: map[hash]seen{}, settled: event.ID(settled), limit: limit, step: step}
	if err := c.query(func(r row) error {
		s := seen{event: event.ID(r.int(2)), expires: r.int(3), size: int(r.int(4)), crc: uint32(r.int(5)), state: int8(r.int(6))}
		if s.state == int8(code(eventStates(), event.Routed)) {
			s.state = int8(code(eventStates(), event.Accepted)) // as it was stored first
		}
		k.current[hash{r.int(0), r.int(1)}] = s
		return nil
	}, "SELECT h1, h2, id, expires, size, crc, state FROM events WHERE id > ? AND h1 IS NOT NULL AND expires > ? ORDER BY id", settled, nano(now)); err != nil {
		return nil, err
	}
	return k, k.readDays(c)
}

func (k *keys) readDays(c *conn) error {
	k.days = k.days[:0]
	return c.query(func(r row) error { k.days = append(k.days, r.int(0)); return nil },
		`WITH RECURSIVE d (v) AS (SELECT min(day) FROM keys UNION ALL SELECT (SELECT min(day) FROM keys WHERE day > v) FROM d WHERE v IS NOT NULL)
		SELECT v FROM d WHERE v IS NOT NULL`)
}

// find gives the event of a delivery id whose window has not ended.
func (k *keys) find(c *conn, h hash, now time.Time) (found seen, ok bool, err error) {
	t := nano(now)
	for _, m := range []map[hash]seen{k.current, k.frozen} {
		if s, ok := m[h]; ok {
			return s, s.expires > t, nil
		}
	}
	var args []any
	for _, d := range k.days {
		if d >= t/int64(day) {
			args = append(args, d)
		}
	}
	if len(args) == 0 {
		return seen{}, false, nil
	}
	sql := "SELECT event, expires, size, crc, state FROM keys WHERE day IN (?" + strings.Repeat(", ?", len(args)-1) + ") AND h1 = ? AND h2 = ? AND expires > ?"
	ok, err = c.first(func(r row) error {
		found = seen{event: event.ID(r.int(0)), expires: r.int(1), size: int(r.int(2)), crc: uint32(r.int(3)), state: int8(r.int(4))}
		return nil
	}, sql, append(args, h.a, h.b, t)...)
	return found, ok, err
}

// add remembers a delivery id that is written with its event.
func (k *keys) add(w *writer, h hash, s seen) {
	before, had := k.current[h]
	w.undo(func() {
		delete(k.current, h)
		if had {
			k.current[h] = before
		}
	})
	k.current[h] = s
}

// freeze begins to move what is in memory when there is much of it. All of it has been committed.
func (k *keys) freeze(last event.ID) {
	if k.frozen != nil || len(k.current) < k.limit {
		return
	}
	k.frozen, k.current, k.through, k.moved = k.current, map[hash]seen{}, last, 0
	k.order = make([]hash, 0, len(k.frozen))
	for h := range k.frozen {
		k.order = append(k.order, h)
	}
	slices.SortFunc(k.order, func(a, b hash) int {
		return cmp.Or(cmp.Compare(k.frozen[a].expires/int64(day), k.frozen[b].expires/int64(day)), cmp.Compare(a.a, b.a), cmp.Compare(a.b, b.b))
	})
}

// move writes the next ones to the table.
func (k *keys) move(w *writer, now time.Time) error {
	if k.frozen == nil {
		return nil
	}
	before := k.moved
	w.undo(func() { k.moved = before })
	until := min(k.moved+k.step, len(k.order))
	for ; k.moved < until; k.moved++ {
		h := k.order[k.moved]
		if s, ok := k.frozen[h]; ok && s.expires > nano(now) {
			if err := k.write(w, h, s); err != nil {
				return err
			}
		}
	}
	if k.moved < len(k.order) {
		return nil
	}
	w.tx.kept = append(w.tx.kept, func() { k.frozen, k.order, k.settled = nil, nil, k.through })
	return w.setMeta("keys", int64(k.through))
}

func (k *keys) write(w *writer, h hash, s seen) error {
	d := s.expires / int64(day)
	if i, ok := slices.BinarySearch(k.days, d); !ok {
		k.days = slices.Insert(k.days, i, d)
	}
	_, _, err := w.exec("INSERT OR REPLACE INTO keys (day, h1, h2, event, state, size, crc, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		d, h.a, h.b, int64(s.event), int64(s.state), s.size, s.crc, s.expires)
	return err
}

// detach writes the delivery id of an event that is about to be deleted, for it may outlive the event.
func (k *keys) detach(w *writer, id event.ID, h hash) error {
	if id <= k.settled {
		return nil
	}
	for _, m := range []map[hash]seen{k.current, k.frozen} {
		if s, ok := m[h]; ok && s.event == id {
			delete(m, h)
			w.undo(func() { m[h] = s })
			return k.write(w, h, s)
		}
	}
	return nil
}
