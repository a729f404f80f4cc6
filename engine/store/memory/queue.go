package memory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// enqueue adds a new waiting task and gives it its id.
func (s *Store) enqueue(t run.Task) *taskRow {
	s.lastTask++
	t.ID = s.lastTask
	row := &taskRow{task: t}
	s.tasks[t.ID] = row
	if r := s.runs[t.Run]; r != nil {
		r.tasks = append(r.tasks, row)
		row.task.Held = r.held()
	}
	s.wait(row)
	return row
}

// wait puts a task into its queue.
func (s *Store) wait(row *taskRow) {
	k := queueKey{row.task.Gate, row.task.Lane}
	i, _ := slices.BinarySearchFunc(s.queues[k], row, byDue)
	s.queues[k] = slices.Insert(s.queues[k], i, row)
	s.signal()
}

// unqueue takes a waiting task out of its queue.
func (s *Store) unqueue(row *taskRow) {
	k := queueKey{row.task.Gate, row.task.Lane}
	if i, ok := slices.BinarySearchFunc(s.queues[k], row, byDue); ok {
		s.queues[k] = slices.Delete(s.queues[k], i, i+1)
	}
	if len(s.queues[k]) == 0 {
		delete(s.queues, k)
	}
}

// unclaim ends a claim; the task is neither held nor waiting afterwards.
func (s *Store) unclaim(row *taskRow) {
	delete(s.held, row.task.ID)
	if row.task.Order != "" {
		delete(s.out, row.task.Order)
		s.signal()
	}
	row.task.Token = 0
	row.called = false
}

// remove closes a task, held or waiting.
func (s *Store) remove(row *taskRow) {
	if s.held[row.task.ID] != nil {
		s.unclaim(row)
	} else {
		s.unqueue(row)
	}
	delete(s.tasks, row.task.ID)
	if r := s.runs[row.task.Run]; r != nil {
		r.tasks = slices.DeleteFunc(r.tasks, func(o *taskRow) bool { return o == row })
	}
}

// dueBy makes a waiting task due at a time where it would be due later.
func (s *Store) dueBy(row *taskRow, at time.Time) {
	if !row.task.Due.After(at) {
		return
	}
	s.unqueue(row)
	row.task.Due = at
	s.wait(row)
}

func byDue(a, b *taskRow) int {
	if c := a.task.Due.Compare(b.task.Due); c != 0 {
		return c
	}
	return int(a.task.ID - b.task.ID)
}

// takeBack ends the claims whose lease has run out, or all of them, and records that nobody knows how their attempts ended.
func (s *Store) takeBack(now time.Time, all bool) {
	var lost []*taskRow
	for _, row := range s.held {
		if all || !row.lease.After(now) {
			lost = append(lost, row)
		}
	}
	slices.SortFunc(lost, func(a, b *taskRow) int { return int(a.task.ID - b.task.ID) })
	for _, row := range lost {
		t := &row.task
		s.unclaim(row)
		t.Lost++
		row.lost = true
		if store.HasAttempt(t) {
			if r := s.runs[t.Run]; r != nil {
				r.attempts = append(r.attempts, store.LostAttempt(t, r.run.Round, row.claimed, now))
			}
			t.N++
			if t.First.IsZero() {
				t.First = row.claimed
			}
		}
		s.wait(row)
	}
}

// Due implements store.Store.
func (s *Store) Due(ctx context.Context) (store.Due, error) {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return store.Due{}, err
	}
	defer unlock()
	d := store.Due{Next: -1}
	has := map[queueKey]bool{}
	// next notes when a task may be had that is not to be had now: not before its gate opens.
	next := func(row *taskRow, at time.Time) {
		until, closed := s.gates[row.task.Gate].Closed(now)
		if closed && until.IsZero() {
			return
		}
		if until.After(at) {
			at = until
		}
		if wait := at.Sub(now); d.Next < 0 || wait < d.Next {
			d.Next = wait
		}
	}
	due := func(row *taskRow) {
		if _, closed := s.gates[row.task.Gate].Closed(now); closed {
			next(row, now)
			return
		}
		has[queueKey{row.task.Gate, row.task.Lane}] = true
		d.Oldest = max(d.Oldest, now.Sub(row.task.Due))
	}
	for _, rows := range s.queues {
		seen := map[string]bool{}
		for _, row := range rows {
			if row.task.Held || s.blocked(row) || seen[row.task.Order] {
				continue
			}
			seen[row.task.Order] = row.task.Order != ""
			if row.task.Due.After(now) {
				next(row, row.task.Due)
				break
			}
			due(row)
		}
	}
	for _, row := range s.held {
		if row.lease.After(now) {
			next(row, row.lease)
		} else {
			due(row)
		}
	}
	for k := range has {
		g := s.gates[k.gate].At(now)
		d.Work = append(d.Work, store.Work{
			Gate: k.gate, Lane: k.lane, Disabled: g.State == store.GateDisabled, Probe: g.Breaker.State == store.BreakerHalfOpen,
		})
	}
	slices.SortFunc(d.Work, func(a, b store.Work) int {
		if c := strings.Compare(a.Gate, b.Gate); c != 0 {
			return c
		}
		return strings.Compare(string(a.Lane), string(b.Lane))
	})
	return d, nil
}

// blocked says that another task of the same order key is out.
func (s *Store) blocked(row *taskRow) bool {
	return row.task.Order != "" && s.out[row.task.Order] != 0
}

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, c store.Claim) ([]store.Claimed, error) {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s.takeBack(now, false)
	if _, closed := s.gates[c.Gate].Closed(now); closed {
		return nil, nil
	}
	var taken []*taskRow
	for _, row := range s.queues[queueKey{c.Gate, c.Lane}] {
		if len(taken) >= c.Max || row.task.Due.After(now) {
			break
		}
		if row.task.Held || s.blocked(row) {
			continue
		}
		taken = append(taken, row)
		if row.task.Order != "" {
			s.out[row.task.Order] = row.task.ID
		}
	}
	claimed := make([]store.Claimed, 0, len(taken))
	for _, row := range taken {
		s.unqueue(row)
		s.lastToken++
		row.task.Token = s.lastToken
		row.claimed, row.lease = now, now.Add(c.Lease)
		s.held[row.task.ID] = row
		s.closeBatch(row)
		claimed = append(claimed, s.handOut(row))
		row.lost = false
	}
	return claimed, nil
}

func (s *Store) handOut(row *taskRow) store.Claimed {
	c := store.Claimed{Task: row.task, Reclaimed: row.lost}
	c.Event.ID = row.task.Event
	if e := s.events[row.task.Event]; e != nil {
		c.Event = *e
		if !intact(e) {
			c.Corrupt, c.Event.Body = true, nil
		}
	}
	if row.batch != nil {
		c.Gathered = row.batch.gathered(&row.task)
	}
	if r := s.runs[row.task.Run]; r != nil {
		copied := r.run
		c.Run, c.Steps = &copied, slices.Clone(r.steps)
	}
	return c
}

// holder gives the task of a claim that still stands, or nil.
func (s *Store) holder(h store.Held) *taskRow {
	if row := s.held[h.Task]; row != nil && row.task.Token == h.Token {
		return row
	}
	return nil
}

// Extend implements store.Store.
func (s *Store) Extend(ctx context.Context, held []store.Held, lease time.Duration) ([]error, error) {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	errs := make([]error, len(held))
	for i, h := range held {
		if row := s.holder(h); row != nil {
			row.lease = now.Add(lease)
		} else {
			errs[i] = store.ErrFenced
		}
	}
	return errs, nil
}

// Release implements store.Store.
func (s *Store) Release(ctx context.Context, held []store.Held) error {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, h := range held {
		if row := s.holder(h); row != nil {
			s.unclaim(row)
			s.wait(row)
		}
	}
	return nil
}
