package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Waits implements store.Store. It looks at every task: there are few in the memory of a process.
func (s *Store) Waits(ctx context.Context) ([]string, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	groups := map[string]bool{}
	for _, row := range s.tasks {
		if row.awaits != (store.Wait{}) {
			groups[row.awaits.Group] = true
		}
	}
	return slices.Sorted(maps.Keys(groups)), nil
}

// wake makes what waits due. A claimed task stays so, and is due at once when it is put back.
func (s *Store) wake(now time.Time, wake store.Wake) {
	if wake.Wait == (store.Wait{}) {
		return
	}
	for _, row := range s.tasks {
		if row.awaits != wake.Wait {
			continue
		}
		row.awaits = store.Wait{}
		row.task.Woken = wake.Event
		if s.held[row.task.ID] != nil {
			row.called = true
			continue
		}
		s.dueBy(row, now)
		s.signal()
	}
}

// awaitedRuns gives the runs that tasks wait for.
func awaitedRuns(tasks []store.NewTask) []run.ID {
	var ids []run.ID
	for i := range tasks {
		if id, ok := tasks[i].Wait.Run(); ok {
			ids = append(ids, id)
		}
	}
	return ids
}
