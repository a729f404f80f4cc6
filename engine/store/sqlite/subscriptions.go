package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/store"
)

const subscriptionColumns = "doc, sealed"

func scanSubscription(r row, into *store.Subscription) error {
	if err := json.Unmarshal(r.bytes(0), into); err != nil {
		return fmt.Errorf("reading a subscription: %w", err)
	}
	into.Sealed = r.bytes(1)
	return nil
}

// subscription reads one as the writer sees it.
func (w *writer) subscription(id string) (s store.Subscription, found bool, err error) {
	found, err = w.c.first(func(r row) error { return scanSubscription(r, &s) }, "SELECT "+subscriptionColumns+" FROM subscriptions WHERE id = ?", id)
	return s, found, err
}

// PutSubscription implements store.Store.
func (s *Store) PutSubscription(ctx context.Context, sub store.Subscription, action string, by store.By) error {
	var refused error
	err := s.submit(ctx, len(sub.Sealed), func(w *writer, now time.Time) error {
		refused = nil
		before, found, err := w.subscription(sub.ID)
		switch {
		case err != nil:
			return err
		case !found && sub.Version != 0:
			refused = fmt.Errorf("subscription %q: %w", sub.ID, store.ErrNotFound)
			return nil
		case before.Version != sub.Version:
			refused = store.ErrMoved
			return nil
		}
		if e, ok := by.Entry(action, sub.ID, store.SubscriptionDetail(&sub)); ok {
			if err := w.chain(now, e); err != nil {
				return err
			}
		}
		written := sub.Written(nil, now)
		if found {
			written = sub.Written(&before, now)
		}
		doc, err := json.Marshal(written)
		if err != nil {
			return fmt.Errorf("writing a subscription as JSON: %w", err)
		}
		// made counts up by itself: two subscriptions of one instant have an order too.
		_, _, err = w.exec("INSERT INTO subscriptions (id, doc, sealed) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc, sealed = excluded.sealed",
			sub.ID, doc, blob(written.Sealed))
		return err
	})
	if err != nil {
		return err
	}
	return refused
}

// Subscriptions implements store.Store.
func (s *Store) Subscriptions(ctx context.Context) (subs []store.Subscription, err error) {
	err = s.read(ctx, func(v *view) error {
		return v.c.query(func(r row) error {
			var sub store.Subscription
			if err := scanSubscription(r, &sub); err != nil {
				return err
			}
			subs = append(subs, sub)
			return nil
		}, "SELECT "+subscriptionColumns+" FROM subscriptions ORDER BY made")
	})
	return subs, err
}

// DropSubscription implements store.Store.
func (s *Store) DropSubscription(ctx context.Context, id string, by store.By) error {
	var refused error
	err := s.submit(ctx, 0, func(w *writer, now time.Time) error {
		refused = nil
		sub, found, err := w.subscription(id)
		if err != nil {
			return err
		}
		if !found {
			refused = fmt.Errorf("subscription %q: %w", id, store.ErrNotFound)
			return nil
		}
		if e, ok := by.Entry(store.ActionDropSubscription, id, store.SubscriptionDetail(&sub)); ok {
			if err := w.chain(now, e); err != nil {
				return err
			}
		}
		_, _, err = w.exec("DELETE FROM subscriptions WHERE id = ?", id)
		return err
	})
	if err != nil {
		return err
	}
	return refused
}
