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

// newest is the schema that this version writes.
const newest = 4

// asOlder stops a store and starts another over the file that an older version would have written.
func asOlder(t *testing.T, s *sqlite.Store, schema int) *sqlite.Store {
	t.Helper()
	stop(t, s)
	path := filepath.Join(t.TempDir(), "headgate.db")
	if err := sqlite.Older(s.Info().Path, path, schema); err != nil {
		t.Fatal(err)
	}
	s = started(t, sqlite.Options{Path: path})
	if i := s.Info(); i.Schema != newest {
		t.Errorf("the file has schema %d, want %d", i.Schema, newest)
	}
	return s
}

func TestAFileOfSchemaOneIsBroughtUpToDateWithItsEvents(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	got := <-appendLater(t.Context(), s, arrival("old"))
	s = asOlder(t, s, 1)
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

// TestAFileOfSchemaThreeIsBroughtUpToDateWithItsRuns has a paused gate, a run that waits for a turn, replayed runs, a parked one and a
// rejection that was not counted in the file.
func TestAFileOfSchemaThreeIsBroughtUpToDateWithItsRuns(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	ctx := t.Context()
	got := <-appendLater(ctx, s, arrival("old"))
	id := got.receipts[0].ID
	c := claimAt(t, s, run.RouteGate, 1)[0]
	holds := []store.Hold{{Key: "slot", Max: 1}}
	tell := []store.NewTask{{Kind: run.TaskStep, Path: "Tell", Gate: "g"}}
	begin := func(pipeline string, cause run.Cause, state run.State) store.NewRun {
		return store.NewRun{
			Run:   run.Run{ID: run.NewID(id, pipeline, cause), Pipeline: pipeline, Cause: cause, State: state, Reason: "why"},
			Tasks: tell, Holds: holds,
		}
	}
	live, replayed := run.Cause{Kind: run.Live}, run.Cause{Kind: run.Replay, Ref: "job"}
	first, second := begin("p", live, run.Open), begin("q", live, run.Open)
	parked := begin("p", replayed, run.Parked)
	settleAll(t, s, store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{first, second, parked}})
	if err := s.SetGate(ctx, store.Gate{Name: "g", State: store.GatePaused, Reason: "a person"}, store.By{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(ctx, "INSERT INTO rejections (id, provider, code, request, doc) VALUES (1, 'acme', 'c', 'r', '{}')"); err != nil {
		t.Fatal(err)
	}
	s = asOlder(t, s, 3)
	l, err := s.Ledger(ctx)
	if err != nil || !l.Requests.Balanced() || l.Requests.Recorded != 1 || l.Requests.Rejected != 0 {
		t.Errorf("the ledger is %+v, %v", l.Requests, err)
	}
	if err := s.PutRejections(ctx, []store.Rejection{{Code: "invalid_signature", Count: 5}}); err != nil {
		t.Fatal(err)
	}
	if l, err = s.Ledger(ctx); err != nil || !l.Requests.Balanced() || l.Requests.Recorded != 6 || l.Requests.Rejected != 5 {
		t.Errorf("the ledger is %+v, %v after five more were refused", l.Requests, err)
	}
	g, err := s.Gate(ctx, "g")
	if want := (store.Gate{Name: "g", State: store.GatePaused, Reason: "a person", Breaker: store.Breaker{State: store.BreakerClosed}, Version: 1}); err != nil || g != want {
		t.Errorf("the gate is %+v, %v, want %+v", g, err, want)
	}
	page, err := s.Runs(ctx, store.RunQuery{Cause: run.Replay, Ref: "job", State: run.Parked, Reason: "why"})
	if err != nil || len(page.Runs) != 1 || page.Runs[0].ID != parked.Run.ID || page.Runs[0].Destination != "" {
		t.Errorf("the runs of the replay are %+v, %v", page.Runs, err)
	}
	if err := s.SetGate(ctx, store.Gate{Name: "g", State: store.GateOpen, Version: 1}, store.By{Who: "ada"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []run.ID{first.Run.ID, second.Run.ID} { // the turn that was had before is given on
		claimed := claimAt(t, s, "g", 10)
		if len(claimed) != 1 || claimed[0].Run.ID != want {
			t.Fatalf("claimed %+v, want the task of %s", claimed, want)
		}
		settleAll(t, s, store.Settlement{Held: claimed[0].Held(), Run: &store.RunDelta{ID: want, State: run.Parked}})
	}
	if err := s.Drop(ctx, store.DropAsk{Request: "r", Run: parked.Run.ID, By: store.By{Who: "ada"}}); err != nil {
		t.Error(err)
	}
	if audit, err := s.Audit(ctx, store.AuditQuery{}); err != nil || len(audit.Entries) != 2 {
		t.Errorf("the audit log is %+v, %v, want two entries", audit, err)
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
	s = asOlder(t, s, 2)
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
	if i.Kind != "sqlite" || i.FileSystem == "" || i.Schema != newest || !filepath.IsAbs(i.Path) {
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
