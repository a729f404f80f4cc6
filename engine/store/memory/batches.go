package memory

import (
	"encoding/json"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// batchRow is a batch, open or not.
type batchRow struct {
	key    string
	leader itemKey
	count  int
	size   int // of all items, in bytes
	items  []json.RawMessage
}

// itemKey names an item: the place that it came from.
type itemKey struct {
	run  run.ID
	path string
}

// gather puts the item of a new task into a batch.
func (s *Store) gather(now time.Time, row *taskRow, g *store.Gather) {
	key := itemKey{row.task.Run, row.task.Path}
	if b := s.items[key]; b != nil { // it came before
		row.batch = b
		s.dueBy(row, now)
		return
	}
	b := s.batches[g.Key]
	if b != nil && b.size+len(g.Item) > run.MaxBatchBytes {
		s.fill(now, b)
		b = nil
	}
	if b == nil {
		b = &batchRow{key: g.Key, leader: key, count: g.Count}
		if b.count <= 0 || b.count > run.MaxBatchItems {
			b.count = run.MaxBatchItems
		}
		s.batches[g.Key] = b
	} else {
		s.dueBy(row, now)
	}
	row.batch, s.items[key] = b, b
	b.items, b.size = append(b.items, g.Item), b.size+len(g.Item)
	if len(b.items) >= b.count {
		s.fill(now, b)
	}
}

// fill lets nothing more into a batch, and makes the task due that leads it.
func (s *Store) fill(now time.Time, b *batchRow) {
	delete(s.batches, b.key)
	for _, t := range s.runs[b.leader.run].tasks {
		if t.batch == b && t.task.Path == b.leader.path {
			s.dueBy(t, now)
		}
	}
}

// closeBatch lets nothing more into the batch that a claimed task leads.
func (s *Store) closeBatch(row *taskRow) {
	if b := row.batch; b != nil && b.leader == (itemKey{row.task.Run, row.task.Path}) && s.batches[b.key] == b {
		delete(s.batches, b.key)
	}
}

// endBatches lets nothing more into the batches of a run that is open no longer.
func (s *Store) endBatches(id run.ID) {
	for key, b := range s.batches {
		if b.leader.run == id {
			delete(s.batches, key)
		}
	}
}

// gathered tells a task of its batch.
func (b *batchRow) gathered(t *run.Task) *store.Gathered {
	g := &store.Gathered{Leader: b.leader.run, Leads: b.leader == itemKey{t.Run, t.Path}}
	if g.Leads {
		g.Items = append(g.Items, b.items...)
	}
	return g
}
