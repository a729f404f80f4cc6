package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func peopleChecks() []check {
	return []check{
		{"a parked run that is retried does again what failed, once a request id", retry},
		{"a retry may go on under another revision", retryRevision},
		{"a retry goes on in the lane asked for", retryLane},
		{"a run that parks says whose failure it was, until it is retried", parkedDestination},
		{"a parked run that is dropped is over, once a request id", drop},
		{"only parked runs are retried and dropped", wrongState},
		{"events are replayed once a request id, in their own lane", replay},
		{"a replay of an event that is gone adds nothing", replayGone},
		{"people's requests need an id", requestID},
		{"many requests with one id at once are one", requestsAtOnce},
	}
}

// parked makes a run with a done, a failed and a skipped step that is parked.
func (s *suite) parked(pipeline string) run.ID {
	s.Helper()
	id := s.begun(pipeline, hook("Tell", "chat"))
	s.mustSettle(store.Settlement{
		Held: s.claimOne("chat", run.LaneLive).Held(),
		Run: &store.RunDelta{
			ID: id, Version: 1, State: run.Parked, Reason: "retries_spent", Message: "no answer",
			Steps: []run.Step{step("Tell", run.StepFailed), step("After", run.StepSkipped)},
		},
	})
	return id
}

func retry(s *suite) {
	id := s.parked("p")
	same(s, "ledger when parked", s.ledger().Runs["p"], store.RunTerms{Made: 1, Parked: 1})
	s.clock.advance(time.Minute)
	for range 3 {
		wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "req-1", Run: id}), nil)
	}
	r := s.record(id)
	want := newRun(id.Event, "p").Run
	want.Created, want.Version, want.Round = s.clock.now().Add(-time.Minute), 3, 1
	same(s, "run", r.Run, want)
	same(s, "steps", r.Steps, []run.Step{step("Opened", run.StepDone)})
	if len(r.Tasks) != 1 {
		s.Fatalf("%d tasks, want 1", len(r.Tasks))
	}
	same(s, "task", r.Tasks[0], run.Task{
		ID: r.Tasks[0].ID, Kind: run.TaskStep, Event: id.Event, Run: id, Gate: "@p", Lane: run.LaneRetry, Due: s.clock.now(),
	})
	same(s, "ledger when open again", s.ledger().Runs["p"], store.RunTerms{Made: 1, Open: 1})
	c := s.claimOne("@p", run.LaneRetry)
	s.mustSettle(store.Settlement{Held: c.Held(), Run: &store.RunDelta{ID: id, Version: 3, State: run.Parked, Reason: "again"}})
	wants(s, "the old request", s.store.Retry(s.Context(), store.RetryAsk{Request: "req-1", Run: id}), nil)
	if got := s.record(id).Run; got.State != run.Parked || got.Round != 1 {
		s.Errorf("an old request reopened the run: %+v", got)
	}
	s.restart()
	wants(s, "the old request after a restart", s.store.Retry(s.Context(), store.RetryAsk{Request: "req-1", Run: id}), nil)
	wants(s, "a new request", s.store.Retry(s.Context(), store.RetryAsk{Request: "req-2", Run: id}), nil)
	if got := s.record(id).Run; got.State != run.Open || got.Round != 2 {
		s.Errorf("a new request gave %+v, want it open in round 2", got)
	}
}

func retryRevision(s *suite) {
	id := s.parked("p")
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "req", Run: id, Revision: "the-current-one"}), nil)
	if got := s.record(id).Run.Revision; got != "the-current-one" {
		s.Errorf("revision %q, want the one asked for", got)
	}
}

func retryLane(s *suite) {
	id := s.parked("p")
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "req", Run: id, Lane: run.LaneReplay}), nil)
	if c := s.claimOne("@p", run.LaneReplay); c.Run.ID != id {
		s.Errorf("claimed %+v, want a task of %s", c.Task, id)
	}
}

func parkedDestination(s *suite) {
	id := s.begun("p", hook("Tell", "chat"))
	s.mustSettle(store.Settlement{Held: s.claimOne("chat", run.LaneLive).Held(), Run: &store.RunDelta{
		ID: id, Version: 1, State: run.Parked, Reason: "retries_spent", Destination: "chat",
	}})
	if got := s.record(id).Run.Destination; got != "chat" {
		s.Errorf("the parked run's destination is %q, want chat", got)
	}
	s.restart()
	page, err := s.store.Runs(s.Context(), store.RunQuery{Destination: "chat"})
	if err != nil || len(page.Runs) != 1 || page.Runs[0].Destination != "chat" {
		s.Errorf("runs of the destination are %+v, %v, want the parked one", page.Runs, err)
	}
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "req", Run: id}), nil)
	c := s.claimOne("@p", run.LaneRetry)
	if got := s.record(id).Run.Destination; got != "" || c.Run.Destination != "" {
		s.Errorf("the open run's destination is %q, want none", got)
	}
	n := newRun(id.Event, "parked at once")
	n.Run.State, n.Run.Reason, n.Run.Destination = run.Parked, "no_pipeline", "mail"
	s.mustSettle(store.Settlement{Held: c.Held(), NewRuns: []store.NewRun{n}})
	if got := s.record(n.Run.ID).Run; got.Destination != "mail" || got.State != run.Parked {
		s.Errorf("a run that is parked when it is made is %+v", got)
	}
}

func drop(s *suite) {
	id := s.parked("p")
	s.clock.advance(time.Minute)
	for range 2 {
		wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "req", Run: id}), nil)
	}
	r := s.record(id).Run
	if r.State != run.Dropped || !r.Finished.Equal(s.clock.now()) || r.Reason != "retries_spent" || r.Version != 3 {
		s.Errorf("run %+v, want it dropped with its reason at version 3", r)
	}
	same(s, "ledger", s.ledger().Runs["p"], store.RunTerms{Made: 1, Dropped: 1})
	wants(s, "retrying a dropped run", s.store.Retry(s.Context(), store.RetryAsk{Request: "other", Run: id}), store.ErrWrongState)
}

func wrongState(s *suite) {
	id := s.begun("p", hook("Tell", "chat"))
	wants(s, "retrying an open run", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: id}), store.ErrWrongState)
	wants(s, "dropping an open run", s.store.Drop(s.Context(), store.DropAsk{Request: "r", Run: id}), store.ErrWrongState)
	missing := run.NewID(id.Event, "missing", run.Cause{Kind: run.Live})
	wants(s, "retrying no run", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: missing}), store.ErrNotFound)
	wants(s, "dropping no run", s.store.Drop(s.Context(), store.DropAsk{Request: "r", Run: missing}), store.ErrNotFound)
	_, err := s.store.Run(s.Context(), missing)
	wants(s, "reading no run", err, store.ErrNotFound)
	_, err = s.store.Event(s.Context(), 12345)
	wants(s, "reading no event", err, store.ErrNotFound)
	_, err = s.store.Body(s.Context(), 12345)
	wants(s, "reading no body", err, store.ErrNotFound)
	// A request that was refused may be made again when the run is parked.
	s.mustSettle(store.Settlement{Held: s.claimOne("chat", run.LaneLive).Held(), Run: &store.RunDelta{ID: id, Version: 1, State: run.Parked}})
	wants(s, "retrying with the refused id", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: id}), nil)
	if got := s.record(id).Run.State; got != run.Open {
		s.Errorf("the run is %s, want open", got)
	}
}

func replay(s *suite) {
	ids := []event.ID{s.append(arrival("a"))[0].ID, s.append(arrival("b"))[0].ID}
	s.claim(run.RouteGate, run.LaneLive, 10, time.Minute)
	replayed := func(request string, want int, ids ...event.ID) {
		s.Helper()
		n, err := s.store.Replay(s.Context(), store.ReplayAsk{Request: request, Events: ids})
		if err != nil || n != want {
			s.Errorf("Replay(%s) gave %d, %v, want %d", request, n, err, want)
		}
	}
	replayed("r1", 1, ids[0], ids[0])
	replayed("r1", 1, ids...)
	replayed("r1", 0, ids...)
	s.restart()
	s.claim(run.RouteGate, run.LaneLive, 10, time.Minute)
	replayed("r1", 0, ids...)
	replayed("r2", 2, ids...)
	var got []run.Cause
	for _, c := range s.claim(run.RouteGate, run.LaneReplay, 10, time.Minute) {
		got = append(got, c.Task.Cause)
	}
	one, two := run.Cause{Kind: run.Replay, Ref: "r1"}, run.Cause{Kind: run.Replay, Ref: "r2"}
	same(s, "causes", got, []run.Cause{one, one, two, two})
}

func replayGone(s *suite) {
	id := s.append(arrival("a"))[0].ID
	n, err := s.store.Replay(s.Context(), store.ReplayAsk{Request: "r", Events: []event.ID{id, 4711}})
	wants(s, "Replay", err, store.ErrNotFound)
	if n != 0 || len(s.claim(run.RouteGate, run.LaneReplay, 10, time.Minute)) != 0 {
		s.Errorf("%d tasks were added", n)
	}
	if n, err := s.store.Replay(s.Context(), store.ReplayAsk{Request: "r", Events: []event.ID{id}}); n != 1 || err != nil {
		s.Errorf("Replay of what is there gave %d, %v, want 1", n, err)
	}
}

func requestID(s *suite) {
	id := s.parked("p")
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "", Run: id}), store.ErrNoRequest)
	wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "", Run: id}), store.ErrNoRequest)
	_, err := s.store.Replay(s.Context(), store.ReplayAsk{Request: "", Events: []event.ID{id.Event}})
	wants(s, "Replay", err, store.ErrNoRequest)
	if got := s.record(id).Run.State; got != run.Parked {
		s.Errorf("the run is %s, want parked", got)
	}
}

func requestsAtOnce(s *suite) {
	id := s.parked("p")
	var added atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := s.store.Retry(s.Context(), store.RetryAsk{Request: "same", Run: id}); err != nil {
				s.Errorf("Retry: %v", err)
			}
			n, err := s.store.Replay(s.Context(), store.ReplayAsk{Request: "same", Events: []event.ID{id.Event}})
			if err != nil {
				s.Errorf("Replay: %v", err)
			}
			added.Add(int64(n))
		})
	}
	wg.Wait()
	if r := s.record(id); r.Run.Round != 1 || len(r.Tasks) != 1 || added.Load() != 1 {
		s.Errorf("round %d with %d tasks and %d replays, want 1, 1, 1", r.Run.Round, len(r.Tasks), added.Load())
	}
}
