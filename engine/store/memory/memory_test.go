package memory_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
	"github.com/headgate/headgate/engine/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newStore, storetest.Options{
		Corrupt: func(t *testing.T, s store.Store, id event.ID) {
			t.Helper()
			s.(*memory.Store).Damage(id)
		},
	})
}

func newStore(_ *testing.T, now func() time.Time) store.Store {
	return memory.New(memory.Options{Now: now})
}
