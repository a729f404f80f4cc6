package sqlite_test

import (
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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLiteKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newStore, storetest.Options{
		Reopen: func(t *testing.T, stopped store.Store, now func() time.Time) store.Store {
			t.Helper()
			return open(t, sqlite.Options{Path: stopped.Info().Path, Now: now})
		},
		Corrupt: func(t *testing.T, s store.Store, id event.ID) {
			t.Helper()
			if err := s.(*sqlite.Store).Damage(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		},
		Model: func(_ *testing.T, now func() time.Time) store.Store { return memory.New(memory.Options{Now: now}) },
	})
}

func newStore(t *testing.T, now func() time.Time) store.Store {
	t.Helper()
	return open(t, sqlite.Options{Path: filepath.Join(t.TempDir(), "headgate.db"), Now: now})
}

func open(t testing.TB, o sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
