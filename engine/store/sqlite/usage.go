package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/headgate/headgate/engine/store"
)

// bodyBytes is the term of the ledger that counts the bytes of the bodies that are kept. It is no term of store.Ledger.
const bodyBytes = "bodies.bytes"

// Usage implements store.Store. It reads the counters of the ledger and the sizes of the files, and looks at no event.
func (s *Store) Usage(ctx context.Context) (store.Usage, error) {
	var u store.Usage
	err := s.read(ctx, func(v *view) (err error) {
		if u, err = v.usage(); err != nil {
			return err
		}
		free, err := v.c.one("PRAGMA freelist_count")
		u.Free = free * pageBytes
		return err
	})
	if err != nil {
		return store.Usage{}, err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(s.o.Path + suffix)
		switch {
		case errors.Is(err, fs.ErrNotExist): // between two checkpoints, or not yet made
		case err != nil:
			return store.Usage{}, fmt.Errorf("asking for the size of the store: %w", err)
		default:
			u.File += info.Size()
		}
	}
	return u, nil
}

// usage reads what the ledger tells of what is kept.
func (v *view) usage() (u store.Usage, err error) {
	err = v.c.query(func(r row) error {
		switch n := r.int(1); r.text(0) {
		case processed, ignored, quarantined:
			u.Events += n
		case gone:
			u.Events -= n
		case bodyBytes:
			u.Bytes = n
		case made:
			u.Runs += n
		case pruned:
			u.Runs -= n
		}
		return nil
	}, "SELECT term, n FROM ledger")
	return u, err
}
