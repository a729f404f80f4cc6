package telemetry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/store"
)

func TestWhatIsKeptAndWhatWasDeletedIsShown(t *testing.T) {
	t.Parallel()
	a := &account{usage: store.Usage{Events: 5, Bytes: 600, Runs: 7, File: 8000, Free: 4096}}
	m := newMetrics(t, a)
	m.Pruned(store.Pruned{Events: 3, Bodies: 2})
	m.Pruned(store.Pruned{Events: 1})
	got := scrape(t, m)
	for _, want := range []string{
		`headgate_pruned_total{what="events"} 4`, `headgate_pruned_total{what="bodies"} 2`, `headgate_pruned_total{what="keys"} 0`,
		"headgate_store_events 5", "headgate_store_body_bytes 600", "headgate_store_runs 7", "headgate_store_file_bytes 8000", "headgate_store_free_bytes 4096",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no line %s in\n%s", want, got)
		}
	}
	a.err = errors.New("away")
	if got := scrape(t, m); !strings.Contains(got, `headgate_pruned_total{what="events"} 4`) || strings.Contains(got, "headgate_store_events") {
		t.Errorf("with a store that cannot be asked:\n%s", got)
	}
}
