package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrExists refuses to write over a file.
var ErrExists = errors.New("there is such a file already")

// Backup writes a copy of the store to a file that must not be there yet (ErrExists), while the store goes on working. The copy is of one
// instant: all that was acknowledged before Backup was called is in it. It is one compact file, readable by its owner only, synced and
// checked (see Check) before it gets its name, so that a file of that name is a good one. Meanwhile the log cannot begin anew: it grows by what is
// written while the copy is made. When ctx ends nothing is left behind.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	return copyFile(ctx, s.o.Path, path)
}

// Copy is Backup for a file that no store has open. It takes the lock of the file meanwhile: the error wraps store.ErrLocked where
// another process has it.
func Copy(ctx context.Context, from, to string) (err error) {
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("looking for the store: %w", err)
	}
	lock, err := lockFile(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock(lock)) }()
	return copyFile(ctx, from, to)
}

// copyFile copies a database with a connection of its own, which sees one instant of it however long that takes.
func copyFile(ctx context.Context, from, to string) (err error) {
	to, err = filepath.Abs(to)
	if err != nil {
		return fmt.Errorf("naming the copy: %w", err)
	}
	return appear(ctx, to, func(part *os.File) error {
		if err := vacuumInto(ctx, from, part.Name()); err != nil {
			return fmt.Errorf("copying the store: %w", err)
		}
		return nil
	})
}

// Receive writes what a backup's sender gives, which must be size bytes, to a file that must not be there yet (ErrExists): synced, and checked
// (see Check) before it gets its name.
func Receive(ctx context.Context, from io.Reader, size int64, to string) error {
	to, err := filepath.Abs(to)
	if err != nil {
		return fmt.Errorf("naming the file: %w", err)
	}
	return appear(ctx, to, func(part *os.File) error {
		n, err := io.Copy(part, from)
		if err == nil && n != size {
			err = fmt.Errorf("%d bytes came of %d: %w", n, size, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return fmt.Errorf("receiving the copy: %w", err)
		}
		return nil
	})
}

// appear lets fill write a store's file under a name that nobody looks for, and gives it its name when it is whole, synced and sound. Else nothing
// is left behind.
func appear(ctx context.Context, to string, fill func(part *os.File) error) (err error) {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s: %w", to, ErrExists)
	}
	part, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+".*.part") // of mode 0600
	if err != nil {
		return fmt.Errorf("making the copy: %w", err)
	}
	defer func() {
		for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
			if gone := os.Remove(part.Name() + suffix); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
	}()
	if err := errors.Join(fill(part), part.Close()); err != nil {
		return err
	}
	if err := syncFile(part.Name()); err != nil {
		return err
	}
	if _, err := Check(ctx, part.Name()); err != nil {
		return fmt.Errorf("checking the copy: %w", err)
	}
	return place(part.Name(), to)
}

func vacuumInto(ctx context.Context, from, to string) (err error) {
	c, err := open(from, true, "busy_timeout(5000)", fmt.Sprintf("cache_size(-%d)", readCacheKiB))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	c.ctx = ctx
	if err := c.query(func(row) error { return nil }, "VACUUM INTO ?", to); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}

// place gives a finished file its name, unless another has it meanwhile, and makes that durable.
func place(part, to string) error {
	// A hard link refuses to replace; where there are none, a rename must do.
	err := os.Link(part, to)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w", to, ErrExists)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EMLINK):
		err = os.Rename(part, to)
	}
	if err != nil {
		return fmt.Errorf("naming the file: %w", err)
	}
	return syncFile(filepath.Dir(to))
}

// syncFile makes a file, or the names in a folder, durable.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	return nil
}

// Contents is what a store's file holds.
type Contents struct {
	Schema int   `json:"schema"`
	Events int64 `json:"events"`
	Runs   int64 `json:"runs"`
	Tasks  int64 `json:"tasks"`
	// Bytes are those of the bodies.
	Bytes int64 `json:"bytes"`
}

// ErrNoStore refuses a file that is no store of Headgate's, or a damaged one.
var ErrNoStore = errors.New("no sound store")

// Check reads a file that no process writes to: that it is a store of a schema that this version knows, that SQLite finds it well-formed
// (quick_check), and that it has as many events, bodies and runs as its ledger says. The error wraps ErrNoStore or ErrNewerSchema where it is
// not so. Verify finds out more, and takes longer.
func Check(ctx context.Context, path string) (contents Contents, err error) {
	if _, err := os.Stat(path); err != nil {
		return Contents{}, fmt.Errorf("looking for the file: %w", err)
	}
	c, err := open(path, true, "busy_timeout(5000)", fmt.Sprintf("cache_size(-%d)", readCacheKiB))
	if err != nil {
		return Contents{}, fmt.Errorf("%w: %w", ErrNoStore, err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	c.ctx = ctx
	if contents, err = check(c); err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return contents, err
}

func check(c *conn) (Contents, error) {
	unsound := func(format string, args ...any) (Contents, error) {
		return Contents{}, fmt.Errorf("%w: "+format, append([]any{ErrNoStore}, args...)...)
	}
	if _, _, err := c.exec("BEGIN"); err != nil { // all below is of one instant
		return unsound("%w", err)
	}
	defer func() { _, _, _ = c.exec("COMMIT") }() // it wrote nothing
	schema, err := c.one("PRAGMA user_version")
	if err != nil {
		return unsound("%w", err)
	}
	switch known := int64(len(migrations())); {
	case schema > known:
		return Contents{}, fmt.Errorf("schema %d, and this version knows %d: %w", schema, known, ErrNewerSchema)
	case schema < 1:
		return unsound("it has no schema of Headgate's")
	}
	finding := ""
	if _, err := c.first(func(r row) error { finding = r.text(0); return nil }, "PRAGMA quick_check(1)"); err != nil {
		return unsound("%w", err)
	}
	if finding != "ok" {
		return unsound("%s", finding)
	}
	contents := Contents{Schema: int(schema)}
	bodies := int64(0)
	for _, n := range []struct {
		into *int64
		sql  string
	}{
		{&contents.Events, "SELECT count(*) FROM events"},
		{&bodies, "SELECT count(*) FROM bodies"},
		{&contents.Runs, "SELECT count(*) FROM runs"},
		{&contents.Tasks, "SELECT count(*) FROM tasks"},
		{&contents.Bytes, "SELECT coalesce(sum(size), 0) FROM events"},
	} {
		if *n.into, err = c.one(n.sql); err != nil {
			return unsound("%w", err)
		}
	}
	v := view{c: c, names: newNames()}
	said, err := v.usage()
	switch {
	case err != nil:
		return unsound("%w", err)
	case said.Events != contents.Events, bodies != contents.Events, said.Runs != contents.Runs:
		return unsound("it holds %d events, %d bodies and %d runs, and its ledger says %d events and %d runs", contents.Events, bodies, contents.Runs,
			said.Events, said.Runs)
	}
	if schema == int64(len(migrations())) { // older ones do not count bytes
		contents.Bytes = said.Bytes
	}
	return contents, nil
}
