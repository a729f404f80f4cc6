package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Prune implements store.Store.
func (s *Store) Prune(ctx context.Context, p store.Policy, limit int) (store.Pruned, error) {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return store.Pruned{}, err
	}
	defer unlock()
	c := &pruning{s: s, now: now, left: max(limit, 0)}
	if p.Parked > 0 {
		c.parked(now.Add(-p.Parked))
	}
	c.events(p)
	if p.Runs > 0 {
		c.runs(now.Add(-p.Runs))
	}
	if p.Attempts > 0 {
		c.attempts(now.Add(-p.Attempts))
	}
	if p.Bodies > 0 {
		c.bodies(now.Add(-p.Bodies))
	}
	if p.Events > 0 {
		s.pruneRevisions(now.Add(-p.Events), &c.done)
	}
	if age := cmp.Or(p.Rejections, p.Events); age > 0 {
		s.pruneRejections(now.Add(-age), &c.done)
	}
	for k, row := range s.keys {
		if !row.expires.After(now) {
			delete(s.keys, k)
			c.done.Keys++
		}
	}
	for k, row := range s.quotas {
		if !row.end.After(now) {
			delete(s.quotas, k)
		}
	}
	return c.done, nil
}

// Usage implements store.Store.
func (s *Store) Usage(ctx context.Context) (store.Usage, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.Usage{}, err
	}
	defer unlock()
	return s.usage(), nil
}

func (s *Store) usage() store.Usage {
	u := store.Usage{Events: int64(len(s.events)), Runs: int64(len(s.runs))}
	for _, e := range s.events {
		u.Bytes += int64(len(e.Body))
	}
	return u
}

// pruning is one call of Prune.
type pruning struct {
	s    *Store
	now  time.Time
	left int
	done store.Pruned
}

// may says whether one more may be deleted; where not, there is more to do.
func (c *pruning) may() bool {
	if c.left == 0 {
		c.done.More = true
		return false
	}
	c.left--
	return true
}

// has says whether an event has a run in one of the states.
func (c *pruning) has(id event.ID, states ...run.State) bool {
	return slices.ContainsFunc(c.s.runOrder, func(r *runRow) bool { return r.run.Event == id && slices.Contains(states, r.run.State) })
}

// free says whether nothing needs an event any more: it is routed, no run of it is open or parked, no replay waits, and no task
// that it woke is still open.
func (c *pruning) free(e *event.Event) bool {
	if e.State == event.Accepted || c.has(e.ID, run.Open, run.Parked) {
		return false
	}
	for _, t := range c.s.tasks {
		if t.task.Event == e.ID || t.task.Woken == e.ID {
			return false
		}
	}
	return true
}

// parked deletes old parked runs, but for those that an open run of their event may be waiting for.
func (c *pruning) parked(cutoff time.Time) {
	for _, row := range slices.Clone(c.s.runOrder) {
		if row.run.State != run.Parked || !row.run.Finished.Before(cutoff) || c.has(row.run.Event, run.Open) {
			continue
		}
		if !c.may() {
			return
		}
		c.drop(row)
		row.run.State = run.Dropped // for it keeps no turn
		c.s.giveBack(c.now, row, false)
		c.s.endBatches(row.run.ID)
		c.s.wake(c.now, store.Wake{Wait: store.RunWait(row.run.ID), Event: row.run.Event})
	}
}

// drop deletes a run.
func (c *pruning) drop(row *runRow) {
	s := c.s
	delete(s.runs, row.run.ID)
	s.runOrder = slices.DeleteFunc(s.runOrder, func(r *runRow) bool { return r == row })
	s.countState(&row.run, -1)
	s.count(&row.run, func(t *store.RunTerms) { t.Pruned++ })
	for k := range s.items {
		if k.run == row.run.ID {
			delete(s.items, k)
		}
	}
	for k := range s.requests {
		if k.run == row.run.ID {
			delete(s.requests, k)
		}
	}
	c.done.Runs++
}

// events deletes events that are old enough, and the oldest where there are too many.
func (c *pruning) events(p store.Policy) {
	have := c.s.usage()
	oldest := event.ID(0)
	if p.Events > 0 {
		oldest = event.NewID(c.now.Add(-p.Events), 0)
	}
	for _, id := range slices.Clone(c.s.order) {
		over := p.MaxEvents > 0 && have.Events > p.MaxEvents || p.MaxBytes > 0 && have.Bytes > p.MaxBytes
		if id >= oldest && !over {
			return
		}
		e := c.s.events[id]
		if !c.free(e) {
			continue
		}
		if !c.may() {
			return
		}
		have.Events, have.Bytes = have.Events-1, have.Bytes-int64(len(e.Body))
		c.dropEvent(id)
	}
}

func (c *pruning) dropEvent(id event.ID) {
	s := c.s
	for _, row := range slices.Clone(s.runOrder) {
		if row.run.Event == id {
			c.drop(row)
		}
	}
	delete(s.events, id)
	delete(s.bodiless, id)
	s.order = slices.DeleteFunc(s.order, func(o event.ID) bool { return o == id })
	for k := range s.requests {
		if k.event == id {
			delete(s.requests, k)
		}
	}
	c.done.Events++
	s.ledger.Requests.Pruned++
}

// finished gives the runs that ended before a time, of events that have no run that is open or parked.
func (c *pruning) finished(cutoff time.Time) []*runRow {
	var out []*runRow
	for _, row := range c.s.runOrder {
		ended := row.run.State == run.Done || row.run.State == run.Dropped
		if ended && row.run.Finished.Before(cutoff) && !c.has(row.run.Event, run.Open, run.Parked) {
			out = append(out, row)
		}
	}
	return out
}

func (c *pruning) runs(cutoff time.Time) {
	for _, row := range c.finished(cutoff) {
		if !c.may() {
			return
		}
		c.drop(row)
	}
}

func (c *pruning) attempts(cutoff time.Time) {
	for _, row := range c.finished(cutoff) {
		if len(row.attempts) == 0 {
			continue
		}
		if !c.may() {
			return
		}
		c.done.Attempts += len(row.attempts)
		row.attempts = nil
	}
}

func (c *pruning) bodies(cutoff time.Time) {
	for _, id := range c.s.order {
		if id >= event.NewID(cutoff, 0) {
			return
		}
		e := c.s.events[id]
		if len(e.Body) == 0 || !c.free(e) {
			continue
		}
		if !c.may() {
			return
		}
		e.Body = nil
		c.s.bodiless[id] = true
		c.done.Bodies++
	}
}

// bodyDropped says whether an event has lost its body.
func (s *Store) bodyDropped(id event.ID) bool { return s.bodiless[id] }

// pruneRevisions deletes the old ones that no kept run or event names, but never the newest of its kind and name.
func (s *Store) pruneRevisions(cutoff time.Time, done *store.Pruned) {
	type name struct{ kind, name string }
	newest := map[name]int64{}
	for _, row := range s.revisions {
		k := name{row.revision.Kind, row.revision.Name}
		newest[k] = max(newest[k], row.put)
	}
	used := map[string]bool{}
	for _, r := range s.runs {
		used[r.run.Revision] = true
	}
	for _, e := range s.events {
		used[e.Routes] = true
	}
	for digest, row := range s.revisions {
		k := name{row.revision.Kind, row.revision.Name}
		if !used[digest] && row.put != newest[k] && row.revision.Stored.Before(cutoff) {
			delete(s.revisions, digest)
			done.Revisions++
		}
	}
}
