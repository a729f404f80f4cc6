package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// RestoreOptions is what Restore needs.
type RestoreOptions struct {
	// From is a backup, To the file of the store that is to be.
	From, To string
	// Replace moves a store that is there aside; else ErrExists refuses.
	Replace bool
	// Now gives the time that names what is moved aside; time.Now where nil.
	Now func() time.Time
}

// Restored is what Restore did.
type Restored struct {
	Contents Contents `json:"contents"`
	// Aside is where the store lies now that was there before; "" where there was none.
	Aside string `json:"aside,omitempty"`
}

// Restore makes a store of a backup. The copy is made, synced and checked (see Check) beside the place that it is for before anything there is touched,
// under the lock of the store: the error wraps store.ErrLocked where a gateway has it open. The backup stays as it is.
func Restore(ctx context.Context, o RestoreOptions) (done Restored, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.To, err = filepath.Abs(o.To); err != nil {
		return Restored{}, fmt.Errorf("naming the store: %w", err)
	}
	if _, err := Check(ctx, o.From); err != nil {
		return Restored{}, fmt.Errorf("checking the backup: %w", err)
	}
	dir := filepath.Dir(o.To)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return Restored{}, fmt.Errorf("making the data directory: %w", err)
	}
	if _, _, err := fileSystem(dir); err != nil {
		return Restored{}, err
	}
	lock, err := lockFile(o.To)
	if err != nil {
		return Restored{}, err
	}
	defer func() { err = errors.Join(err, unlock(lock)) }()
	there := exists(o.To) || exists(o.To+"-wal")
	if there && !o.Replace {
		return Restored{}, fmt.Errorf("%s: %w", o.To, ErrExists)
	}
	fresh := o.To + ".restored"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a restore that was cut short
		return Restored{}, fmt.Errorf("making room: %w", err)
	}
	if err := copyFile(ctx, o.From, fresh); err != nil {
		return Restored{}, err
	}
	if done.Contents, err = Check(ctx, fresh); err != nil {
		return Restored{}, fmt.Errorf("checking the copy: %w", err)
	}
	if there {
		done.Aside = o.To + "." + o.Now().UTC().Format("20060102T150405.000") + ".replaced"
		if err := putAside(o.To, done.Aside); err != nil {
			return Restored{}, fmt.Errorf("putting the store aside: %w", err)
		}
	}
	if err := os.Rename(fresh, o.To); err != nil {
		return Restored{}, fmt.Errorf("naming the store: %w", err)
	}
	return done, syncFile(dir)
}

// putAside gives a store a second name, so that a file is at the first one all the time: whoever is cut short between here and the rename that
// puts the new store there leaves the old one in its place, whole. For that its log is copied into it first. Where it is too damaged for that, its
// log keeps its bytes and lies beside the second name. The caller holds the store's lock.
func putAside(from, to string) error {
	// SQLite throws away the log of a file that it finds empty, so another name keeps hold of it.
	kept := os.Link(from+"-wal", to+"-wal") == nil
	gone := []string{from + "-wal", from + "-shm"} // a new store must not meet the log of another
	if fold(from) == nil {
		gone = append(gone, to+"-wal")
	} else if !kept {
		if err := os.Rename(from+"-wal", to+"-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, path := range gone {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	err := os.Link(from, to)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
		err = os.Rename(from, to) // a file system without links
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncFile(filepath.Dir(from))
}

// fold copies all of a store's log into its file and syncs that.
func fold(path string) (err error) {
	if _, err := os.Stat(path); err != nil {
		return err // opening it would make one, and throw the log away
	}
	c, err := open(path, false, "synchronous(FULL)", "checkpoint_fullfsync(1)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	busy := int64(0)
	if _, err := c.first(func(r row) error { busy = r.int(0); return nil }, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("somebody reads the store")
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// FileSystem names the file system of a folder. warning is set where an acknowledged event may not outlive the machine; the error wraps ErrFileSystem
// where a store cannot lie there at all.
func FileSystem(dir string) (name, warning string, err error) { return fileSystem(dir) }

// Glance is what can be seen of a store's file without its lock, also while a gateway has it open.
type Glance struct {
	Schema, Newest int       // that of the file, and the newest that this version knows
	Clock          time.Time // the latest time that the store knows of; zero for one that was never used
	Locked         bool      // a process has it open
}

// Look reads a few words of a store's file, without changing it. The error wraps fs.ErrNotExist where there is none.
func Look(ctx context.Context, path string) (g Glance, err error) {
	if _, err := os.Stat(path); err != nil {
		return g, fmt.Errorf("looking for the store: %w", err)
	}
	if exists(path + ".lock") {
		lock, err := lockFile(path)
		if g.Locked = err != nil; err == nil {
			defer func() { err = errors.Join(err, unlock(lock)) }()
		}
	}
	c, err := open(path, true, "busy_timeout(5000)")
	if err != nil {
		return g, fmt.Errorf("opening the store: %w", err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	c.ctx = ctx
	schema, err := c.one("PRAGMA user_version")
	if err != nil {
		return g, fmt.Errorf("reading the schema number: %w", err)
	}
	g.Schema, g.Newest = int(schema), len(migrations())
	if g.Schema == 0 || g.Schema > g.Newest {
		return g, nil
	}
	high, err := c.one("SELECT value FROM meta WHERE key = 'high'")
	g.Clock = at(high)
	if err != nil {
		return g, fmt.Errorf("reading the clock: %w", err)
	}
	return g, nil
}
