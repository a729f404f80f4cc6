package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

func stop(t *testing.T, s *sqlite.Store) {
	t.Helper()
	if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func TestAPathIsNeeded(t *testing.T) {
	t.Parallel()
	if _, err := sqlite.New(sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "Path") {
		t.Errorf("got error %v, want one that names Path", err)
	}
}

func TestTwoStoresCannotShareAFile(t *testing.T) {
	t.Parallel()
	first := started(t, sqlite.Options{})
	second := open(t, sqlite.Options{Path: first.Info().Path})
	if err := second.Start(t.Context()); !errors.Is(err, store.ErrLocked) {
		t.Errorf("got error %v, want %v", err, store.ErrLocked)
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Errorf("stopping what did not start: %v", err)
	}
	stop(t, first)
	third := open(t, sqlite.Options{Path: first.Info().Path})
	if err := third.Start(t.Context()); err != nil {
		t.Errorf("starting when the first has stopped: %v", err)
	}
	stop(t, third)
}

func TestAFileOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	if err := s.Exec(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	before, err := os.ReadFile(s.Info().Path)
	if err != nil {
		t.Fatal(err)
	}
	err = open(t, sqlite.Options{Path: s.Info().Path}).Start(t.Context())
	if !errors.Is(err, sqlite.ErrNewerSchema) || !strings.Contains(err.Error(), "99") {
		t.Errorf("got error %v, want %v with the number", err, sqlite.ErrNewerSchema)
	}
	if after, err := os.ReadFile(s.Info().Path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestAFileOfSchemaOneIsBroughtUpToDateWithItsEvents(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	got := <-appendLater(t.Context(), s, arrival("old"))
	toSchemaTwo(t, s)
	for _, sql := range []string{"DROP TABLE rejections", "DROP TABLE secrets", "DROP TABLE findings", "PRAGMA user_version = 1"} {
		if err := s.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	stop(t, s)
	s = started(t, sqlite.Options{Path: s.Info().Path})
	if i := s.Info(); i.Schema != 3 {
		t.Errorf("the file has schema %d, want 3", i.Schema)
	}
	if e, err := s.Event(t.Context(), got.receipts[0].ID); err != nil || e.BodySize != len("old") || e.Findings != nil {
		t.Errorf("the old event is %+v, %v", e, err)
	}
	if err := s.PutRejections(t.Context(), []store.Rejection{{Code: "invalid_signature"}}); err != nil {
		t.Errorf("PutRejections: %v", err)
	}
	if err := s.PutSecret(t.Context(), store.SealedSecret{Provider: "acme", Digest: "1"}); err != nil {
		t.Errorf("PutSecret: %v", err)
	}
}

// toSchemaTwo takes away what schema 3 has added.
func toSchemaTwo(t *testing.T, s *sqlite.Store) {
	t.Helper()
	for _, sql := range []string{
		"DROP INDEX tasks_wait", "ALTER TABLE tasks DROP COLUMN wait", "ALTER TABLE tasks DROP COLUMN wkey", "ALTER TABLE tasks DROP COLUMN woken",
		"ALTER TABLE tasks DROP COLUMN batch", "DROP TABLE quotas", "DROP TABLE holds", "DROP TABLE turns", "DROP TABLE batches", "DROP TABLE items",
		"PRAGMA user_version = 2",
	} {
		if err := s.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// TestAFileOfSchemaTwoIsBroughtUpToDateWithItsTasks has a task that waits, one that is claimed and one behind an order key in the file.
func TestAFileOfSchemaTwoIsBroughtUpToDateWithItsTasks(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	for _, order := range []string{"", "k", "k"} {
		a := arrival("old")
		a.Order = order
		if got := <-appendLater(t.Context(), s, a); got.err != nil {
			t.Fatal(got.err)
		}
	}
	claim := func(n int) []store.Claimed {
		t.Helper()
		claimed, err := s.Claim(t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: n, Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return claimed
	}
	claim(1)
	toSchemaTwo(t, s)
	stop(t, s)
	s = started(t, sqlite.Options{Path: s.Info().Path})
	claimed := claim(10)
	if len(claimed) != 2 || claimed[0].Task.Lost != 1 || claimed[1].Task.Order != "k" {
		t.Fatalf("claimed %+v, want the one that was out and the first of the order key", claimed)
	}
	for _, c := range claimed {
		if c.Task.Woken != 0 || c.Task.Held || c.Gathered != nil {
			t.Errorf("an old task is %+v, %+v", c.Task, c.Gathered)
		}
	}
	r := run.Run{ID: run.NewID(claimed[0].Event.ID, "p", run.Cause{Kind: run.Live}), Pipeline: "p"}
	tasks := []store.NewTask{{Kind: run.TaskWait, Path: "A", Gate: "g", In: time.Hour, Wait: store.Wait{Group: "await", Key: "1"}}}
	errs, err := s.Settle(t.Context(), []store.Settlement{{
		Held: claimed[0].Held(), NewRuns: []store.NewRun{{Run: r, Tasks: tasks}}, Wakes: []store.Wake{{Wait: tasks[0].Wait, Event: 1}},
	}})
	if err != nil || errs[0] != nil {
		t.Fatal(err, errs)
	}
	if due, err := s.Due(t.Context()); err != nil || len(due.Work) != 1 || due.Work[0].Gate != "g" {
		t.Errorf("due is %+v, %v, want the task that was woken", due, err)
	}
}

func TestWhatIsNoDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "headgate.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database. ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, sqlite.Options{Path: path}).Start(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got error %v, want one that names the file", err)
	}
}

func TestTheFileIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{Path: filepath.Join(t.TempDir(), "new", "directory", "headgate.db")})
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		st, err := os.Stat(s.Info().Path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode().Perm(); got != 0o600 {
			t.Errorf("%q has mode %o, want 600", suffix, got)
		}
	}
}

func TestInfoTellsWhatTheFileIsLike(t *testing.T) {
	t.Parallel()
	i := started(t, sqlite.Options{}).Info()
	if i.Kind != "sqlite" || i.FileSystem == "" || i.Schema != 3 || !filepath.IsAbs(i.Path) {
		t.Errorf("got %+v", i)
	}
}

// TestTimeGoesOnFromWhereTheFileLeftOff has a file that knows of a later time than the wall clock shows.
func TestTimeGoesOnFromWhereTheFileLeftOff(t *testing.T) {
	t.Parallel()
	ahead := time.Now().Add(time.Hour)
	s := started(t, sqlite.Options{Now: func() time.Time { return ahead }})
	first := <-appendLater(t.Context(), s, arrival("from the future"))
	stop(t, s)
	s = started(t, sqlite.Options{Path: s.Info().Path})
	second := <-appendLater(t.Context(), s, arrival("now"))
	if first.err != nil || second.err != nil {
		t.Fatal(first.err, second.err)
	}
	if got := second.receipts[0].ID.Time(); got.Before(ahead.Truncate(time.Millisecond)) {
		t.Errorf("the second event is of %s, want %s or later", got, ahead)
	}
	if second.receipts[0].ID <= first.receipts[0].ID {
		t.Errorf("id %s after %s", second.receipts[0].ID, first.receipts[0].ID)
	}
}
