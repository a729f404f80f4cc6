package engine_test

import (
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
	"github.com/headgate/headgate/engine/worker"
)

// killed opens the store as a process does that dies of what it claims: each task of those runs is handed out, and never settled.
func killed(t *testing.T, path string, now func() time.Time, runs map[string]bool) (claimed int) {
	t.Helper()
	s, err := sqlite.New(sqlite.Options{Path: path, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	due, err := s.Due(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range due.Work {
		tasks, err := s.Claim(t.Context(), store.Claim{Gate: w.Gate, Lane: w.Lane, Max: 10, Lease: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range tasks {
			if c.Run == nil || !runs[c.Run.ID.String()] {
				t.Fatalf("claimed %+v, want the poisoned run's task alone", c.Task)
			}
			claimed++
		}
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return claimed
}

// TestARunThatKillsTheProcessIsParkedAfterThreeTimes has a run whose every claim ends with the process, three times over a file of
// SQLite; then a gateway starts on it.
func TestARunThatKillsTheProcessIsParkedAfterThreeTimes(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	var requests atomic.Int64
	r := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	var later atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	path := filepath.Join(t.TempDir(), "gate.db")
	change := func(o *engine.Options) { o.Store, o.Now = "sqlite://"+path, now }
	dir, c := folder(t, hooked(r.URL, "[0s, 1h, 1h, 1h, 1h, 1h, 1h]")), caller(t)
	first := startEngine(t, dir, loadEnv(), change)
	if _, err := post(c, first.PublicAddr(), "poison"); err != nil {
		t.Fatal(err)
	}
	soon(t, "the first attempt has failed", func() bool {
		_, attempts := onlyRun(t, c, first)
		return len(attempts) == 1
	})
	poison, _ := onlyRun(t, c, first)
	stopEngine(t, first)

	for death := range run.MaxLost {
		later.Add(int64(2 * time.Hour))
		if n := killed(t, path, now, map[string]bool{poison.ID.String(): true}); n != 1 {
			t.Fatalf("before death %d the run's task was claimed %d times, want once", death+1, n)
		}
	}

	down.Store(false)
	requests.Store(0)
	later.Add(int64(2 * time.Hour))
	second := startEngine(t, dir, loadEnv(), change)
	const others = 20
	for i := range others {
		if _, err := post(c, second.PublicAddr(), "harmless "+string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	soon(t, "all runs have ended", func() bool {
		done := 0
		for _, r := range allRuns(t, c, second.AdminAddr()) {
			if r.State == run.Done {
				done++
			}
		}
		return done == others
	})
	var parked run.Run
	soon(t, "the poisoned run is parked", func() bool {
		for _, r := range allRuns(t, c, second.AdminAddr()) {
			if r.ID == poison.ID {
				parked = r
			}
		}
		return parked.State == run.Parked
	})
	if parked.Reason != worker.CodeLostLeases {
		t.Errorf("it is parked because of %q, want %s", parked.Reason, worker.CodeLostLeases)
	}
	var whole struct {
		Attempts []run.Attempt `json:"attempts"`
	}
	get(t, c, second.AdminAddr()+"/api/v1/runs/"+poison.ID.String(), &whole)
	unknown := 0
	for _, a := range whole.Attempts {
		if a.Outcome == run.AttemptUnknown && a.Code == store.CodeLeaseLost {
			unknown++
		}
	}
	if unknown != run.MaxLost || len(whole.Attempts) != 1+run.MaxLost {
		t.Errorf("its attempts are %+v, want the first and %d of which nobody knows the end", whole.Attempts, run.MaxLost)
	}
	if n := requests.Load(); n != others {
		t.Errorf("the receiver got %d requests, want one for each of the %d others and none for the poisoned run", n, others)
	}
}
