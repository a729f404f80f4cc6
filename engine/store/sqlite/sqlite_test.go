package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
	"github.com/headgate/headgate/engine/store/sqlite"
	"github.com/headgate/headgate/engine/store/storetest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestSQLiteKeepsTheContract(t *testing.T) {
	t.Parallel()
	contract(t, func(t *testing.T, o sqlite.Options) sqlite.Options {
		t.Helper()
		return sqlite.CheckingHeads(o, func(what string) { t.Error(what) })
	}, false)
}

// TestSQLiteKeepsTheContractWithDeliveryIDsInTheirTable is the same with hardly any delivery id kept in memory, as far as it matters.
func TestSQLiteKeepsTheContractWithDeliveryIDsInTheirTable(t *testing.T) {
	t.Parallel()
	contract(t, func(_ *testing.T, o sqlite.Options) sqlite.Options { return sqlite.KeepingFewKeys(o, 3) }, true)
}

func contract(t *testing.T, options func(*testing.T, sqlite.Options) sqlite.Options, deliveries bool) {
	t.Helper()
	empty := emptyFile(t)
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		t.Helper()
		path := filepath.Join(volatile(t), "headgate.db")
		if err := os.WriteFile(path, empty, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { verified(t, path, sqlite.FindingFile, "I1", "I2", "I6", sqlite.FindingAudit) }) // when it is stopped
		return open(t, options(t, sqlite.Options{Path: path, Now: now}))
	}, storetest.Options{
		Deliveries: deliveries,
		Reopen: func(t *testing.T, stopped store.Store, now func() time.Time) store.Store {
			t.Helper()
			return open(t, options(t, sqlite.Options{Path: stopped.Info().Path, Now: now}))
		},
		Corrupt: func(t *testing.T, s store.Store, id event.ID) {
			t.Helper()
			if err := s.(*sqlite.Store).Damage(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		},
		Operations: randomOperations,
		Model:      func(_ *testing.T, now func() time.Time) store.Store { return memory.New(memory.Options{Now: now}) },
	})
}

// emptyFile is what a store that has just been made leaves: making one anew for each promise takes longer than most of them.
func emptyFile(t *testing.T) []byte {
	t.Helper()
	s := open(t, sqlite.Options{Path: filepath.Join(t.TempDir(), "empty.db"), Now: func() time.Time { return time.Unix(0, 0) }})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	data, err := os.ReadFile(s.Info().Path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// volatile is a directory in memory, where the machine has such a place, for what does not ask whether it is durable: there syncing costs
// nothing.
func volatile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "headgate-test-") //nolint:usetesting // the test's own directory is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// open makes a store that is not yet started.
func open(t testing.TB, o sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// started makes a store, and stops it when the test ends.
func started(t *testing.T, o sqlite.Options) *sqlite.Store {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "headgate.db")
	}
	s := open(t, o)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}
