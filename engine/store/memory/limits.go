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

// held says that the run waits for a turn.
func (r *runRow) held() bool { return r.turn < len(r.holds) }

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
	for _, h := range n.Turns() {
		keys = append(keys, h.Key)
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
	row.holds = keys
	if q != nil {
		used.n++
		s.quotas[q.Key] = used
	}
	s.take(row)
}

// take takes the turns that are free, in order, up to one that a new run must wait for. Where one is free, nobody waits for it.
func (s *Store) take(row *runRow) {
	for ; row.held(); row.turn++ {
		t := s.turns[row.holds[row.turn]]
		if len(t.has) >= t.max {
			t.wait(row)
			return
		}
		t.has = append(t.has, row)
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
		row.turn++
		if row.held() {
			next := row.holds[row.turn]
			s.turns[next].wait(row)
			keys = append(keys, next)
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

// giveBack gives back the turns of a run that is open no longer.
func (s *Store) giveBack(now time.Time, row *runRow) {
	keys := row.holds
	row.holds, row.turn = nil, 0
	for _, key := range keys {
		t := s.turns[key]
		is := func(r *runRow) bool { return r == row }
		t.wanted--
		t.has, t.waits = slices.DeleteFunc(t.has, is), slices.DeleteFunc(t.waits, is)
	}
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
