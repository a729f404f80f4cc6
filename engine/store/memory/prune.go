package memory

import (
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
	var done store.Pruned
	if p.Events > 0 {
		cutoff := now.Add(-p.Events)
		s.pruneEvents(cutoff, limit, &done)
		s.pruneRevisions(cutoff, &done)
		s.pruneRejections(cutoff, &done)
	}
	for k, row := range s.keys {
		if !row.expires.After(now) {
			delete(s.keys, k)
			done.Keys++
		}
	}
	for k, row := range s.quotas {
		if !row.end.After(now) {
			delete(s.quotas, k)
		}
	}
	return done, nil
}

func (s *Store) pruneEvents(cutoff time.Time, limit int, done *store.Pruned) {
	busy := map[event.ID]bool{}
	for _, t := range s.tasks {
		busy[t.task.Event] = true
	}
	for _, r := range s.runOrder {
		if r.run.State == run.Open || r.run.State == run.Parked {
			busy[r.run.Event] = true
		}
	}
	gone := map[event.ID]bool{}
	for _, id := range s.order {
		if id >= event.NewID(cutoff, 0) || len(gone) >= limit {
			break
		}
		if !busy[id] {
			gone[id] = true
		}
	}
	for id := range gone {
		delete(s.events, id)
	}
	s.order = slices.DeleteFunc(s.order, func(id event.ID) bool { return gone[id] })
	s.runOrder = slices.DeleteFunc(s.runOrder, func(row *runRow) bool {
		if !gone[row.run.Event] {
			return false
		}
		delete(s.runs, row.run.ID)
		s.countState(&row.run, -1)
		s.count(&row.run, func(t *store.RunTerms) { t.Pruned++ })
		done.Runs++
		return true
	})
	for k := range s.items {
		if gone[k.run.Event] {
			delete(s.items, k)
		}
	}
	for k := range s.requests {
		if gone[k.event] || gone[k.run.Event] {
			delete(s.requests, k)
		}
	}
	done.Events += len(gone)
	s.ledger.Requests.Pruned += int64(len(gone))
}

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
