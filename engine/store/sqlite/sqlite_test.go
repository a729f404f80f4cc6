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
	contract(t, func(o sqlite.Options) sqlite.Options { return o })
}

// TestSQLiteKeepsTheContractWithDeliveryIDsInTheirTable is the same with hardly any delivery id kept in memory.
func TestSQLiteKeepsTheContractWithDeliveryIDsInTheirTable(t *testing.T) {
	t.Parallel()
	contract(t, func(o sqlite.Options) sqlite.Options { return sqlite.KeepingFewKeys(o, 3) })
}

func contract(t *testing.T, options func(sqlite.Options) sqlite.Options) {
	t.Helper()
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		t.Helper()
		return open(t, options(sqlite.Options{Path: filepath.Join(t.TempDir(), "headgate.db"), Now: now}))
	}, storetest.Options{
		Reopen: func(t *testing.T, stopped store.Store, now func() time.Time) store.Store {
			t.Helper()
			return open(t, options(sqlite.Options{Path: stopped.Info().Path, Now: now}))
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
