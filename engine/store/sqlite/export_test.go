package sqlite

import (
	"context"
	"time"

	"github.com/headgate/headgate/engine/event"
)

// Damage flips a bit of a stored body, as a disk may.
func (s *Store) Damage(ctx context.Context, id event.ID) error {
	return s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		_, _, err := w.exec("UPDATE bodies SET body = CAST('z' || substr(body, 2) AS BLOB) WHERE event = ?", int64(id))
		return err
	})
}
