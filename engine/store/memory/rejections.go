package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/store"
)

// PutRejections implements store.Store.
func (s *Store) PutRejections(ctx context.Context, rejections []store.Rejection) error {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, r := range rejections {
		s.lastRejection = store.NextID(now, s.lastRejection)
		r = r.Bounded(s.lastRejection, now)
		s.rejections = append(s.rejections, r)
		s.ledger.Requests.Recorded += int64(r.Count)
		s.ledger.Requests.Rejected += int64(r.Count)
	}
	s.rejections = slices.Delete(s.rejections, 0, max(len(s.rejections)-store.MaxRejections, 0))
	return nil
}

// Rejections implements store.Store.
func (s *Store) Rejections(ctx context.Context, q store.RejectionQuery) (store.RejectionPage, error) {
	before, err := store.ParseCursor(q.Cursor)
	if err != nil {
		return store.RejectionPage{}, err
	}
	_, unlock, err := s.open(ctx)
	if err != nil {
		return store.RejectionPage{}, err
	}
	defer unlock()
	var page store.RejectionPage
	limit := store.PageSize(q.Limit)
	for _, r := range slices.Backward(s.rejections) {
		if q.Cursor != "" && int64(r.ID) >= before || !q.Matches(&r) {
			continue
		}
		if len(page.Rejections) == limit {
			page.Next = store.FormatCursor(int64(page.Rejections[limit-1].ID))
			break
		}
		page.Rejections = append(page.Rejections, r)
	}
	return page, nil
}

func (s *Store) pruneRejections(cutoff time.Time, done *store.Pruned) {
	before := len(s.rejections)
	s.rejections = slices.DeleteFunc(s.rejections, func(r store.Rejection) bool { return r.ID < event.NewID(cutoff, 0) })
	done.Rejections += before - len(s.rejections)
}

// PutSecret implements store.Store.
func (s *Store) PutSecret(ctx context.Context, secret store.SealedSecret) error {
	now, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if secret.At.IsZero() {
		secret.At = now
	}
	secret.At = secret.At.Round(0).UTC()
	of, first := 0, -1
	for i, have := range s.secrets {
		if have.Provider != secret.Provider {
			continue
		}
		if have.Digest == secret.Digest {
			return nil
		}
		if of++; first < 0 {
			first = i
		}
	}
	if of >= store.MaxSecrets {
		s.secrets = slices.Delete(s.secrets, first, first+1)
	}
	s.secrets = append(s.secrets, secret)
	return nil
}

// Secrets implements store.Store.
func (s *Store) Secrets(ctx context.Context) ([]store.SealedSecret, error) {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return slices.SortedStableFunc(slices.Values(s.secrets), func(a, b store.SealedSecret) int {
		return cmp.Compare(a.Provider, b.Provider)
	}), nil
}

// DropSecrets implements store.Store.
func (s *Store) DropSecrets(ctx context.Context, provider string) error {
	_, unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s.secrets = slices.DeleteFunc(s.secrets, func(have store.SealedSecret) bool { return have.Provider == provider })
	return nil
}
