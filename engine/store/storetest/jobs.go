package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func jobChecks() []check {
	return []check{
		{"a job is read as it was put, and outlives a restart", jobKept},
		{"a job's version guards it", jobVersion},
		{"a job asked for twice is one", jobTwice},
		{"what people do to jobs is noted", jobAudit},
		{"jobs are listed newest first, those that have ended last", jobList},
		{"of the jobs that have ended the newest are kept, and all others", jobsBounded},
		{"the ids of a job are read with that job alone, and stay as they were put", jobIDs},
		{"the ids of jobs that have ended go when nobody asks for them any more", jobIDsDropped},
		{"a subscription is read as it was put, and outlives a restart", subscriptionKept},
		{"a subscription's version guards it", subscriptionVersion},
		{"a subscription that is dropped is gone", subscriptionDropped},
	}
}

func (s *suite) putJob(j store.Job, by store.By) {
	s.Helper()
	wants(s, "PutJob", s.store.PutJob(s.Context(), j, by), nil)
}

func (s *suite) job(id string) store.Job {
	s.Helper()
	j, err := s.store.Job(s.Context(), id)
	if err != nil {
		s.Fatalf("Job(%s): %v", id, err)
	}
	return j
}

func aJob(id string) store.Job {
	return store.Job{
		ID: id, Kind: store.JobReplay, State: store.JobRunning, Rate: 2.5, Lane: run.LaneReplay, Total: 100, Pinned: true,
		Events:    store.EventQuery{Provider: "acme", Since: time.Date(2026, 3, 1, 0, 0, 0, 5, time.UTC), Ascending: true},
		Runs:      store.RunQuery{State: run.Parked, Reason: "retries_spent", Destination: "chat", Event: 12345},
		Pipelines: []string{"p", "q"}, IDs: []string{"1", "2"},
	}
}

func jobKept(s *suite) {
	_, err := s.store.Job(s.Context(), "j")
	wants(s, "a job that is not there", err, store.ErrNotFound)
	want := aJob("j")
	s.putJob(want, someone())
	want.Created, want.Updated, want.Version, want.By, want.Named = s.clock.now(), s.clock.now(), 1, someone(), 2
	same(s, "the job", s.job("j"), want)
	s.clock.advance(time.Minute)
	s.restart()
	progress := s.job("j")
	same(s, "after a restart", progress, want)
	progress.Cursor, progress.Done, progress.Skipped, progress.Failed, progress.Message = "c", 7, 1, 2, "how it goes"
	s.putJob(progress, store.By{})
	progress.Version, progress.Updated = 2, s.clock.now()
	same(s, "after some progress", s.job("j"), progress)
}

func jobVersion(s *suite) {
	s.putJob(aJob("j"), store.By{})
	j := s.job("j")
	s.putJob(j, store.By{})
	wants(s, "the version before", s.store.PutJob(s.Context(), j, store.By{}), store.ErrMoved)
	j.ID = "other"
	wants(s, "a job that is gone", s.store.PutJob(s.Context(), j, store.By{}), store.ErrNotFound)
}

func jobTwice(s *suite) {
	s.putJob(aJob("j"), someone())
	before := s.job("j")
	s.clock.advance(time.Minute)
	again := aJob("j")
	again.Rate = 99
	s.putJob(again, someone())
	same(s, "the job", s.job("j"), before)
	same(s, "audit entries", len(s.audit()), 1)
	var made atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			j := aJob("at once")
			if err := s.store.PutJob(s.Context(), j, someone()); err != nil {
				s.Errorf("PutJob: %v", err)
			}
			j.Version = 1
			switch err := s.store.PutJob(s.Context(), j, store.By{}); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, store.ErrMoved):
				s.Errorf("PutJob: %v", err)
			}
		})
	}
	wg.Wait()
	same(s, "who could go on with the first version", made.Load(), 1)
	same(s, "audit entries", len(s.audit()), 2)
}

func jobAudit(s *suite) {
	s.putJob(aJob("j"), someone())
	for _, state := range []store.JobState{store.JobPaused, store.JobRunning, store.JobCanceled, store.JobRunning, store.JobDone} {
		j := s.job("j")
		j.State = state
		s.putJob(j, someone())
	}
	var got []string
	for _, e := range s.audit() {
		got = append(got, e.Action+" "+e.Subject)
	}
	same(s, "actions", got, []string{"job.start j", "job.pause j", "job.resume j", "job.cancel j", "job.resume j", "job.end j"})
	same(s, "who asked for it", s.job("j").By, someone())
}

func jobList(s *suite) {
	for i := range 60 {
		s.putJob(aJob(fmt.Sprint("j", i)), store.By{}) // all at one instant
	}
	first := s.job("j0")
	s.putJob(first, store.By{}) // progress makes it no newer
	for i := range 3 {
		ended := aJob(fmt.Sprint("ended", i))
		ended.State = store.JobFailed
		s.putJob(ended, store.By{})
	}
	for limit, want := range map[int]int{0: 50, 1: 1, 7: 7, 1000: 63} {
		jobs, err := s.store.Jobs(s.Context(), limit)
		if err != nil || len(jobs) != want {
			s.Fatalf("Jobs(%d) gave %d, %v, want %d", limit, len(jobs), err, want)
		}
		for i, j := range jobs {
			id := fmt.Sprint("j", 59-i)
			if i >= 60 {
				id = fmt.Sprint("ended", 62-i)
			}
			if j.ID != id {
				s.Errorf("job %d of the list is %s, want %s", i, j.ID, id)
			}
		}
	}
}

func jobsBounded(s *suite) {
	s.putJob(store.Job{ID: "running", State: store.JobRunning}, store.By{})
	s.putJob(store.Job{ID: "paused", State: store.JobPaused}, store.By{})
	states := []store.JobState{store.JobDone, store.JobCanceled, store.JobFailed}
	for i := range store.MaxJobs + 5 {
		s.putJob(store.Job{ID: fmt.Sprint(i), State: states[i%3]}, store.By{})
	}
	for _, id := range []string{"running", "paused", "5", fmt.Sprint(store.MaxJobs + 4)} {
		s.job(id)
	}
	for i := range 5 {
		s.job(fmt.Sprint(i)) // what they replay may not be routed yet
	}
	s.clock.advance(store.JobsKept + time.Second)
	s.putJob(store.Job{ID: "last", State: store.JobDone}, store.By{})
	for i := range 5 {
		_, err := s.store.Job(s.Context(), fmt.Sprint(i))
		wants(s, "one of the oldest", err, store.ErrNotFound)
	}
	s.job("last")
	s.job("6")
}

func jobIDs(s *suite) {
	s.putJob(aJob("j"), someone())
	s.putJob(store.Job{ID: "all", State: store.JobRunning}, store.By{})
	progress := s.job("j")
	progress.IDs, progress.Named = nil, 0 // as whoever has it from a list may put it
	s.putJob(progress, store.By{})
	progress = s.job("j")
	same(s, "its ids", progress.IDs, []string{"1", "2"})
	progress.IDs, progress.State = []string{"3"}, store.JobPaused
	s.putJob(progress, someone())
	s.restart()
	same(s, "its ids after a restart", s.job("j").IDs, []string{"1", "2"})
	same(s, "how many there are of a job that names none", s.job("all").Named, 0)
	jobs, err := s.store.Jobs(s.Context(), 0)
	if err != nil || len(jobs) != 2 {
		s.Fatalf("Jobs gave %+v, %v", jobs, err)
	}
	for i, named := range []int{0, 2} {
		if jobs[i].IDs != nil || jobs[i].Named != named {
			s.Errorf("the list has job %s with the ids %v, %d named, want none and %d", jobs[i].ID, jobs[i].IDs, jobs[i].Named, named)
		}
	}
	counts, err := s.store.JobCounts(s.Context())
	wants(s, "JobCounts", err, nil)
	same(s, "the counts", counts, map[store.JobState]int{store.JobRunning: 1, store.JobPaused: 1})
}

func jobIDsDropped(s *suite) {
	retry := aJob("retry")
	retry.Kind = store.JobRetry
	s.putJob(retry, store.By{})
	retry = s.job("retry")
	for _, state := range []store.JobState{store.JobFailed, store.JobRunning, store.JobCanceled, store.JobRunning, store.JobDone} {
		same(s, "the ids of a retry that may go on", s.job("retry").IDs, []string{"1", "2"})
		retry.State = state
		s.putJob(retry, store.By{})
		retry.Version++
	}
	if got := s.job("retry"); got.IDs != nil || got.Named != 2 {
		s.Errorf("a retry that is done has the ids %v, %d named, want none of 2", got.IDs, got.Named)
	}
	s.putJob(aJob("running"), store.By{})
	for i := range store.MaxNamed + 2 {
		j := aJob(fmt.Sprint(i))
		j.State = store.JobDone
		s.putJob(j, store.By{})
	}
	for id, want := range map[string][]string{"running": {"1", "2"}, "0": nil, "1": nil, "2": {"1", "2"}, fmt.Sprint(store.MaxNamed + 1): {"1", "2"}} {
		same(s, "the ids of "+id, s.job(id).IDs, want)
	}
}

func aSubscription(id string) store.Subscription {
	return store.Subscription{
		ID: id, Name: "board", Events: []string{"job:*"}, Users: []string{"u1"}, Scopes: []string{"s"}, Channel: "p/Tell",
		Sealed: []byte{0, 1, 2}, Shown: "https://board.example/hooks/…",
	}
}

func (s *suite) subscriptions() []store.Subscription {
	s.Helper()
	got, err := s.store.Subscriptions(s.Context())
	wants(s, "Subscriptions", err, nil)
	return got
}

func subscriptionKept(s *suite) {
	same(s, "at first", len(s.subscriptions()), 0)
	for _, id := range []string{"b", "a"} {
		wants(s, "PutSubscription", s.store.PutSubscription(s.Context(), aSubscription(id), "subscription.create", someone()), nil)
	}
	first, second := aSubscription("b"), aSubscription("a")
	for _, sub := range []*store.Subscription{&first, &second} {
		sub.Created, sub.Updated, sub.Version = s.clock.now(), s.clock.now(), 1
	}
	same(s, "both, the first made first", s.subscriptions(), []store.Subscription{first, second})
	s.clock.advance(time.Minute)
	s.restart()
	changed := s.subscriptions()[0]
	changed.Sealed, changed.Disabled, changed.Reason = []byte("new"), true, "410"
	wants(s, "PutSubscription", s.store.PutSubscription(s.Context(), changed, "subscription.rotate", someone()), nil)
	changed.Updated, changed.Version = s.clock.now(), 2
	same(s, "after a change", s.subscriptions(), []store.Subscription{changed, second})
	for _, e := range s.audit() {
		if e.Subject != "a" && e.Subject != "b" {
			s.Errorf("an entry is of %q", e.Subject)
		}
	}
	same(s, "the last entry", s.audit()[2].Action, "subscription.rotate")
}

func subscriptionVersion(s *suite) {
	put := func(sub store.Subscription) error { return s.store.PutSubscription(s.Context(), sub, "a", store.By{}) }
	sub := aSubscription("a")
	wants(s, "a new one", put(sub), nil)
	wants(s, "another of the same id", put(sub), store.ErrMoved)
	sub.Version = 1
	wants(s, "the next version", put(sub), nil)
	wants(s, "the version before", put(sub), store.ErrMoved)
	sub.ID = "b"
	wants(s, "one that is not there", put(sub), store.ErrNotFound)
}

func subscriptionDropped(s *suite) {
	wants(s, "PutSubscription", s.store.PutSubscription(s.Context(), aSubscription("a"), "subscription.create", store.By{}), nil)
	wants(s, "PutSubscription", s.store.PutSubscription(s.Context(), aSubscription("b"), "subscription.create", store.By{}), nil)
	wants(s, "DropSubscription", s.store.DropSubscription(s.Context(), "a", someone()), nil)
	wants(s, "DropSubscription again", s.store.DropSubscription(s.Context(), "a", someone()), store.ErrNotFound)
	if got := s.subscriptions(); len(got) != 1 || got[0].ID != "b" {
		s.Errorf("left are %+v, want b", got)
	}
	if e := s.audit(); len(e) != 1 || e[0].Action != store.ActionDropSubscription || e[0].Subject != "a" {
		s.Errorf("entries %+v, want one that says so", e)
	}
}
