package memory

import (
	"cmp"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// quotaRow counts the runs of one period.
type quotaRow struct {
	start, end time.Time
	n          int
}

// turnsRow is one turn: who has it, and who waits for it in the order in which the runs were made.
type turnsRow struct {
	max    int
	wanted int // the open runs that must have it
	has    []*runRow
	waits  []*runRow
}

// hold is a turn that a run must have; keep says that it keeps it while it is parked, ordered that it waits for it from its beginning.
type hold struct {
	key           string
	keep, ordered bool
	state         turnState
}

// turnState tells how far a run is with a turn.
type turnState int

const (
	turnLater turnState = iota // it has not come to it
	turnAwaited
	turnHad
)

// held says that the run waits for a turn.
func (r *runRow) held() bool {
	return slices.ContainsFunc(r.holds, func(h hold) bool { return h.state != turnHad })
}

// limit applies the quota and the holds of a run that begins: it is stored as done where they do not let it.
func (s *Store) limit(now time.Time, row *runRow, n *store.NewRun) {
	q := n.Quota
	var used quotaRow
	if q != nil {
		used.start, used.end = q.Period(now)
		if have := s.quotas[q.Key]; have.start.Equal(used.start) {
			used.n = have.n
		}
		if used.n >= q.Max {
			store.Limit(&row.run, run.RateLimited)
			return
		}
	}
	full := false
	var keys []string
	var holds []hold
	for _, h := range n.Turns() {
		keys, holds = append(keys, h.Key), append(holds, hold{key: h.Key, keep: h.Keep, ordered: h.Order})
		t := s.turns[h.Key]
		if t == nil {
			t = &turnsRow{}
			s.turns[h.Key] = t
		}
		t.max = h.Max
		s.grant(now, h.Key)
		full = full || len(t.has) >= t.max
	}
	if full && n.Drop {
		store.Limit(&row.run, run.ConcurrencyLimited)
		s.forgetTurns(keys)
		return
	}
	for _, key := range keys {
		s.turns[key].wanted++
	}
	row.holds = holds
	if q != nil {
		used.n++
		s.quotas[q.Key] = used
	}
	s.take(row)
}

// take takes the turns that are free, in order, up to one that a new run must wait for: of those for the sake of order it waits for all at
// once. Where a turn is free, nobody waits for it.
func (s *Store) take(row *runRow) {
	waits := false
	for i := range row.holds {
		h := &row.holds[i]
		if waits && !h.ordered {
			return
		}
		t := s.turns[h.key]
		if len(t.has) < t.max {
			t.has, h.state = append(t.has, row), turnHad
			continue
		}
		t.wait(row)
		h.state, waits = turnAwaited, true
	}
}

// wait lets a run wait for its turn.
func (t *turnsRow) wait(row *runRow) {
	i, _ := slices.BinarySearchFunc(t.waits, row, func(a, b *runRow) int { return cmp.Compare(a.seq, b.seq) })
	t.waits = slices.Insert(t.waits, i, row)
}

// grant gives turns to those who wait for them, as long as there are some to give. Who gets one waits for its next.
func (s *Store) grant(now time.Time, keys ...string) {
	for len(keys) > 0 {
		t := s.turns[keys[0]]
		if len(t.waits) == 0 || len(t.has) >= t.max {
			keys = keys[1:]
			continue
		}
		row := t.waits[0]
		t.waits = slices.Delete(t.waits, 0, 1)
		t.has = append(t.has, row)
		if next, wait := row.got(keys[0]); wait {
			if next != "" {
				s.turns[next].wait(row)
				keys = append(keys, next)
			}
			continue
		}
		for _, task := range row.tasks {
			task.task.Held = false
			if task.task.Due.Before(now) {
				s.unqueue(task)
				task.task.Due = now
				s.wait(task)
			}
		}
		s.signal()
	}
}

// got notes that the run has a turn. It gives whether it must wait for more, and the key of the one that it comes to now, "" where it waits
// for it already.
func (r *runRow) got(key string) (next string, wait bool) {
	for i := range r.holds {
		if r.holds[i].key == key {
			r.holds[i].state = turnHad
		}
	}
	if slices.ContainsFunc(r.holds, func(h hold) bool { return h.state == turnAwaited }) {
		return "", true
	}
	for i := range r.holds {
		if h := &r.holds[i]; h.state == turnLater {
			h.state = turnAwaited
			return h.key, true
		}
	}
	return "", false
}

// giveBack gives back the turns of a run that is open no longer; one that is parked keeps those that it has and is to keep.
func (s *Store) giveBack(now time.Time, row *runRow, parked bool) {
	var kept []hold
	var keys []string
	for _, h := range row.holds {
		if parked && h.keep && h.state == turnHad {
			kept = append(kept, h)
			continue
		}
		keys = append(keys, h.key)
		t := s.turns[h.key]
		is := func(r *runRow) bool { return r == row }
		t.wanted--
		t.has, t.waits = slices.DeleteFunc(t.has, is), slices.DeleteFunc(t.waits, is)
	}
	row.holds = kept
	s.grant(now, slices.Clone(keys)...)
	s.forgetTurns(keys)
}

// forgetTurns forgets the turns that nobody wants.
func (s *Store) forgetTurns(keys []string) {
	for _, key := range keys {
		if s.turns[key].wanted == 0 {
			delete(s.turns, key)
		}
	}
}
