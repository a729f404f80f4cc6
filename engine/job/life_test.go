package job_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/job"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/service/servicetest"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
)

func TestAJobKilledAtAnyWriteDoesEachItemOnce(t *testing.T) {
	t.Parallel()
	const items = 7
	for _, kind := range []store.JobKind{store.JobReplay, store.JobRetry, store.JobDrop} {
		for _, after := range []bool{false, true} {
			for dies := 2; dies < 40; dies++ { // the first write makes the job
				ended := false
				t.Run(fmt.Sprintf("%s, write %d, reached the store %v", kind, dies, after), func(t *testing.T) {
					bubble(t, func(t *testing.T, w *world) {
						runs := w.parked(items, "orders", "retries_spent")
						s, stop := w.service()
						w.store.kill(dies, after)
						j := w.begin(s, store.Job{Kind: kind, Rate: 8, Events: store.EventQuery{Provider: "acme"}, Runs: store.RunQuery{Pipeline: "orders"}})
						<-time.After(5 * time.Second)
						synctest.Wait()
						w.store.mu.Lock()
						ended = w.store.writes < dies
						w.store.mu.Unlock()
						stop()
						w.store.heal()
						_, stop = w.service()
						defer stop()
						got := w.await(j.ID)
						if got.State != store.JobDone || got.Done != items || got.Skipped != 0 || got.Failed != 0 || got.Total != items {
							t.Errorf("got %s with %d done, %d skipped, %d failed of %d, want done with %d", got.State, got.Done, got.Skipped, got.Failed, got.Total, items)
						}
						checkDone(t, w, kind, runs)
					})
				})
				if ended {
					break // it was through before it could die
				}
			}
		}
	}
}

// checkDone fails where an item was not done, or done twice.
func checkDone(t *testing.T, w *world, kind store.JobKind, runs []run.ID) {
	t.Helper()
	if kind == store.JobReplay {
		if w.store.tasks() != len(runs) {
			t.Errorf("got %d route tasks, want %d", w.store.tasks(), len(runs))
		}
		return
	}
	want, round := run.Open, 1
	if kind == store.JobDrop {
		want, round = run.Dropped, 0
	}
	for _, id := range runs {
		rec, err := w.store.Run(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Run.State != want || rec.Run.Round != round {
			t.Errorf("run %s: got %s in round %d, want %s in round %d", id, rec.Run.State, rec.Run.Round, want, round)
		}
	}
}

func TestAJobEndsThoughNewEventsKeepComing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.events(50, "made")
		<-time.After(time.Second)
		s, stop := w.service()
		defer stop()
		j := w.begin(s, store.Job{Kind: store.JobReplay, Events: store.EventQuery{Provider: "acme"}})
		for range 60 {
			<-time.After(100 * time.Millisecond)
			w.events(5, "made") // five times as many as are replayed
		}
		got := w.await(j.ID)
		if got.State != store.JobDone || got.Done != 50 || w.store.tasks() != 50 {
			t.Errorf("got %s after %d (%d tasks), want done after the 50 that were there", got.State, got.Done, w.store.tasks())
		}
		cursors := w.store.cursors()
		// The first record has no cursor, and the last two are at the end.
		if n := len(slices.Compact(slices.Sorted(slices.Values(cursors)))); n < len(cursors)-2 {
			t.Errorf("the cursor stood still: %q", cursors)
		}
	})
}

func TestAJobKeepsItsRateAndGoesOldestFirst(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		ids := w.events(100, "made")
		<-time.After(time.Second)
		s, stop := w.service()
		defer stop()
		began := time.Now()
		j := w.begin(s, store.Job{Kind: store.JobReplay, Rate: 20, Events: store.EventQuery{Name: "made"}})
		<-time.After(2 * time.Second)
		synctest.Wait()
		half, err := w.store.Job(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		if half.Done < 35 || half.Done > 45 || half.Total != 100 {
			t.Errorf("after 2 s: got %d of %d, want about 40 of 100", half.Done, half.Total)
		}
		if want := ids[half.Done].String(); len(half.Batch) == 0 || half.Batch[0] != want {
			t.Errorf("next: got %v, want %s, the oldest of the rest", half.Batch, want)
		}
		w.await(j.ID)
		if took := time.Since(began); took < 4500*time.Millisecond || took > 6*time.Second {
			t.Errorf("100 events at 20/s took %v, want about 5 s", took)
		}
	})
}

func TestAJobThatIsStoppedAgainAndAgainKeepsItsRate(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.events(100, "made")
		s, stop := w.service()
		defer stop()
		j := w.begin(s, store.Job{Kind: store.JobReplay, Rate: 4, Events: store.EventQuery{Name: "made"}})
		<-time.After(100 * time.Millisecond)
		for range 40 { // 4 s
			if _, err := s.Cancel(t.Context(), j.ID, store.By{Who: "tester"}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Resume(t.Context(), j.ID, store.By{Who: "tester"}); err != nil {
				t.Fatal(err)
			}
			<-time.After(100 * time.Millisecond)
		}
		if n := w.store.tasks(); n > 16 {
			t.Errorf("got %d tasks in 4 s at 4/s, want 16 at most", n)
		}
	})
}

func TestAJobOfIDsSkipsWhatIsNotThere(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		ids := w.events(3, "made")
		s, stop := w.service()
		defer stop()
		j := w.begin(s, store.Job{Kind: store.JobReplay, Rate: 100, IDs: []string{ids[0].String(), "0000000000001", ids[2].String()}})
		got := w.await(j.ID)
		if got.Done != 2 || got.Skipped != 1 || w.store.tasks() != 2 {
			t.Errorf("got %d done, %d skipped, %d tasks, want 2, 1 and 2", got.Done, got.Skipped, w.store.tasks())
		}
	})
}

func TestARunThatIsNotParkedAnyMoreIsSkipped(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		runs := w.parked(2, "orders", "retries_spent")
		if err := w.store.Store.Drop(t.Context(), store.DropAsk{Request: "x", Run: runs[0]}); err != nil {
			t.Fatal(err)
		}
		s, stop := w.service()
		defer stop()
		got := w.await(w.begin(s, store.Job{Kind: store.JobRetry, IDs: []string{runs[0].String(), runs[1].String()}}).ID)
		if got.Done != 1 || got.Skipped != 1 {
			t.Errorf("got %d done and %d skipped, want 1 and 1", got.Done, got.Skipped)
		}
	})
}

func TestCurrentRetriesGoOnUnderTheLiveRevision(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		ids := append(w.parked(1, "orders", "x"), w.parked(1, "gone", "no_pipeline")...)
		s, stop := w.service()
		defer stop()
		<-time.After(time.Second)
		got := w.await(w.begin(s, store.Job{Kind: store.JobRetry, Current: true, Rate: 100}).ID)
		if got.Done != 1 || got.Failed != 1 || got.Message == "" {
			t.Errorf("got %d done, %d failed (%q), want one each", got.Done, got.Failed, got.Message)
		}
		rec, err := w.store.Run(t.Context(), ids[0])
		if err != nil {
			t.Fatal(err)
		}
		if rec.Run.Revision != "live-orders" || len(rec.Tasks) != 1 || rec.Tasks[0].Lane != run.LaneReplay {
			t.Errorf("got revision %s with tasks %v, want live-orders with one in the replay lane", rec.Run.Revision, rec.Tasks)
		}
	})
}

func TestAJobWaitsForAStoreThatTakesNoWrites(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.events(10, "made")
		<-time.After(time.Second)
		s, stop := w.service()
		defer stop()
		j := w.begin(s, store.Job{Kind: store.JobReplay, Rate: 4, Events: store.EventQuery{Name: "made"}})
		<-time.After(time.Second)
		synctest.Wait()
		w.store.refuse(store.ErrUnavailable)
		<-time.After(10 * time.Minute)
		synctest.Wait()
		if got, err := w.store.Job(t.Context(), j.ID); err != nil || got.State != store.JobRunning {
			t.Errorf("after ten minutes: got %s, %v, want running", got.State, err)
		}
		w.store.heal()
		if got := w.await(j.ID); got.Done != 10 || w.store.tasks() != 10 {
			t.Errorf("got %d done and %d tasks, want 10", got.Done, w.store.tasks())
		}
	})
}

func TestErrorsThatDoNotPassFailAJobWhichCanBeResumed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		ids := w.events(2, "made")
		s, stop := w.service()
		defer stop()
		j := w.begin(s, store.Job{Kind: store.JobReplay, Rate: 1, IDs: []string{ids[0].String(), ids[1].String()}})
		<-time.After(100 * time.Millisecond)
		synctest.Wait()
		w.store.broken(errors.New("a page of /var/lib/x.db is damaged"), 5)
		got := w.await(j.ID)
		if got.State != store.JobFailed || got.Message == "" {
			t.Fatalf("got %s %q, want failed and why", got.State, got.Message)
		}
		if _, err := s.Resume(t.Context(), j.ID, store.By{Who: "tester"}); err != nil {
			t.Fatal(err)
		}
		if got := w.await(j.ID); got.State != store.JobDone || got.Done != 2 || got.Message != "" {
			t.Errorf("got %s %q with %d, want done with 2", got.State, got.Message, got.Done)
		}
	})
}

// broken fails the next n replays.
func (m *mortal) broken(err error, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.breaks, m.breaksFor = err, n
}

func TestCanceledJobsStopAndGoOnWhenResumed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.events(40, "made")
		<-time.After(time.Second)
		s, stop := w.service()
		defer stop()
		j := w.begin(s, store.Job{Kind: store.JobReplay, Rate: 10, Events: store.EventQuery{Name: "made"}})
		<-time.After(2 * time.Second)
		got, err := s.Cancel(t.Context(), j.ID, store.By{Who: "tester"})
		if err != nil || got.State != store.JobCanceled || s.Running() != 0 {
			t.Fatalf("got %s, %v and %d running", got.State, err, s.Running())
		}
		before := w.store.tasks()
		if again, err := s.Cancel(t.Context(), j.ID, store.By{Who: "tester"}); err != nil || again.Version != got.Version {
			t.Errorf("twice: got version %d, %v, want %d unchanged", again.Version, err, got.Version)
		}
		<-time.After(time.Hour)
		if w.store.tasks() != before || before >= 40 {
			t.Errorf("got %d tasks, want %d as when it was canceled", w.store.tasks(), before)
		}
		if _, err := s.Resume(t.Context(), j.ID, store.By{Who: "tester"}); err != nil {
			t.Fatal(err)
		}
		if got := w.await(j.ID); got.Done != 40 || w.store.tasks() != 40 {
			t.Errorf("got %d done and %d tasks, want 40", got.Done, w.store.tasks())
		}
		for name, act := range map[string]func() error{
			"cancel": func() error { _, err := s.Cancel(t.Context(), j.ID, store.By{}); return err },
			"resume": func() error { _, err := s.Resume(t.Context(), j.ID, store.By{}); return err },
		} {
			if err := act(); !errors.Is(err, store.ErrWrongState) {
				t.Errorf("%s of a done job: got %v, want wrong state", name, err)
			}
		}
		if _, err := s.Cancel(t.Context(), "nothing", store.By{}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown job: got %v, want not found", err)
		}
		page, err := w.store.Audit(t.Context(), store.AuditQuery{Subject: j.ID})
		if err != nil || len(page.Entries) != 3 {
			t.Errorf("audit: got %v, %v, want begun, canceled and resumed", page.Entries, err)
		}
	})
}

func TestAskingForTheSameJobTwiceIsAskingOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.events(5, "made")
		<-time.After(time.Second)
		s, stop := w.service()
		defer stop()
		ask := store.Job{ID: "deploy-17", Kind: store.JobReplay, Rate: 100, Events: store.EventQuery{Name: "made"}}
		w.begin(s, ask)
		w.await("deploy-17")
		if again := w.begin(s, ask); again.State != store.JobDone || again.Done != 5 {
			t.Errorf("again: got %s with %d, want the job that is done", again.State, again.Done)
		}
		if w.store.tasks() != 5 {
			t.Errorf("got %d tasks, want 5", w.store.tasks())
		}
	})
}

func TestJobsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		s, stop := w.service()
		defer stop()
		for name, j := range map[string]store.Job{
			"no kind":                   {},
			"a rate that is none":       {Kind: store.JobReplay, Rate: -1},
			"a rate beyond the largest": {Kind: store.JobReplay, Rate: job.MaxRate + 1},
			"an id with a space":        {Kind: store.JobReplay, ID: "a b"},
			"ids that are none":         {Kind: store.JobReplay, IDs: []string{"x"}},
			"an event for a retry":      {Kind: store.JobRetry, IDs: []string{"0000000000001"}},
			"pinned and current":        {Kind: store.JobRetry, Pinned: true, Current: true},
			"pipelines of a retry":      {Kind: store.JobRetry, Pipelines: []string{"a"}},
			"a drop under a revision":   {Kind: store.JobDrop, Current: true},
			"the live lane":             {Kind: store.JobRetry, Lane: run.LaneLive},
			"runs that are open":        {Kind: store.JobDrop, Runs: store.RunQuery{State: run.Open}},
			"too many ids":              {Kind: store.JobReplay, IDs: make([]string, store.MaxJobIDs+1)},
		} {
			_, err := s.Begin(t.Context(), j, store.By{Who: "tester"})
			if fault.Of(err) != fault.Invalid || fault.Code(err) != "bad_job" {
				t.Errorf("%s: got %v, want it refused as invalid", name, err)
			}
			if _, err := s.Plan(t.Context(), j); fault.Of(err) != fault.Invalid {
				t.Errorf("%s, planned: got %v, want it refused as invalid", name, err)
			}
		}
	})
}

func TestTooManyJobsAreRefusedUntilOneEnds(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.events(20, "made")
		<-time.After(time.Second)
		s, stop := w.service()
		defer stop()
		slow := store.Job{Kind: store.JobReplay, Rate: 0.1, Events: store.EventQuery{Name: "made"}}
		var last store.Job
		for range job.MaxRunning {
			last = w.begin(s, slow)
		}
		if _, err := s.Begin(t.Context(), slow, store.By{Who: "tester"}); fault.Of(err) != fault.Refused {
			t.Errorf("got %v, want it refused", err)
		}
		if _, err := s.Cancel(t.Context(), last.ID, store.By{Who: "tester"}); err != nil {
			t.Fatal(err)
		}
		w.begin(s, slow)
		if _, err := s.Resume(t.Context(), last.ID, store.By{Who: "tester"}); fault.Of(err) != fault.Refused {
			t.Errorf("resuming one more: got %v, want it refused", err)
		}
	})
}

func TestNewNamesTheFieldThatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := job.New(job.Options{}); err == nil || err.Error() != "job: Options.Store is missing" {
		t.Errorf("got %v", err)
	}
}

func TestTheServiceKeepsTheContractOfServices(t *testing.T) {
	t.Parallel()
	m := memory.New(memory.Options{})
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: &mortal{Store: m}}
	servicetest.Stress(t, func() service.Service {
		s, err := job.New(job.Options{Store: w.store, Folder: folder{}, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
	if err := m.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
