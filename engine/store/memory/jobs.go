package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/headgate/headgate/engine/store"
)

// PutJob implements store.Store.
func (s *Store) PutJob(ctx context.Context, j store.Job, by store.By) error {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	i := slices.IndexFunc(s.jobs, func(o store.Job) bool { return o.ID == j.ID })
	switch {
	case j.Version == 0 && i >= 0:
		return nil
	case j.Version != 0 && i < 0:
		return fmt.Errorf("job %q: %w", j.ID, store.ErrNotFound)
	case i >= 0 && s.jobs[i].Version != j.Version:
		return store.ErrMoved
	}
	if e, ok := by.Entry(store.JobAction(&j), j.ID, store.JobDetail(&j)); ok {
		s.chain(now, e)
	}
	var before store.Job
	if i >= 0 {
		before = s.jobs[i]
		s.jobs[i] = j.Written(&before, by, now)
	} else {
		s.jobs = append(s.jobs, j.Written(nil, by, now))
	}
	ended, named := 0, 0
	for i := len(s.jobs) - 1; i >= 0; i-- {
		j := &s.jobs[i]
		if !j.State.Ended() {
			continue
		}
		if !j.KeepsIDs() {
			j.IDs = nil
		}
		if len(j.IDs) > 0 {
			if named++; named > store.MaxNamed {
				j.IDs = nil
			}
		}
		if ended++; ended > store.MaxJobs && now.Sub(j.Updated) > store.JobsKept {
			s.jobs = slices.Delete(s.jobs, i, i+1)
		}
	}
	return nil
}

// Job implements store.Store.
func (s *Store) Job(ctx context.Context, id string) (store.Job, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.Job{}, err
	}
	defer unlock()
	for _, j := range s.jobs {
		if j.ID == id {
			return j, nil
		}
	}
	return store.Job{}, fmt.Errorf("job %q: %w", id, store.ErrNotFound)
}

// Jobs implements store.Store.
func (s *Store) Jobs(ctx context.Context, limit int) ([]store.Job, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []store.Job
	for _, ended := range []bool{false, true} {
		for _, j := range slices.Backward(s.jobs) {
			if j.State.Ended() == ended && len(out) < store.PageSize(limit) {
				j.IDs = nil
				out = append(out, j)
			}
		}
	}
	return out, nil
}

// JobCounts implements store.Store.
func (s *Store) JobCounts(ctx context.Context) (map[store.JobState]int, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	counts := map[store.JobState]int{}
	for i := range s.jobs {
		counts[s.jobs[i].State]++
	}
	return counts, nil
}

// PutSubscription implements store.Store.
func (s *Store) PutSubscription(ctx context.Context, sub store.Subscription, action string, by store.By) error {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	i := slices.IndexFunc(s.subscriptions, func(o store.Subscription) bool { return o.ID == sub.ID })
	switch {
	case i < 0 && sub.Version != 0:
		return fmt.Errorf("subscription %q: %w", sub.ID, store.ErrNotFound)
	case i >= 0 && s.subscriptions[i].Version != sub.Version:
		return store.ErrMoved
	}
	if e, ok := by.Entry(action, sub.ID, store.SubscriptionDetail(&sub)); ok {
		s.chain(now, e)
	}
	if i < 0 {
		s.subscriptions = append(s.subscriptions, sub.Written(nil, now))
		return nil
	}
	s.subscriptions[i] = sub.Written(&s.subscriptions[i], now)
	return nil
}

// Subscriptions implements store.Store.
func (s *Store) Subscriptions(ctx context.Context) ([]store.Subscription, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return slices.Clone(s.subscriptions), nil
}

// DropSubscription implements store.Store.
func (s *Store) DropSubscription(ctx context.Context, id string, by store.By) error {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	i := slices.IndexFunc(s.subscriptions, func(o store.Subscription) bool { return o.ID == id })
	if i < 0 {
		return fmt.Errorf("subscription %q: %w", id, store.ErrNotFound)
	}
	if e, ok := by.Entry(store.ActionDropSubscription, id, store.SubscriptionDetail(&s.subscriptions[i])); ok {
		s.chain(now, e)
	}
	s.subscriptions = slices.Delete(s.subscriptions, i, i+1)
	return nil
}
