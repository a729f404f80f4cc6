package storetest

import (
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func pruneChecks() []check {
	return []check{
		{"only finished events past their age are pruned, with all that belongs to them", pruneFinished},
		{"pruning is bounded and oldest first", pruneBounded},
		{"revisions go when nothing kept names them", pruneRevisions},
		{"delivery keys go after their window, never before", pruneKeys},
		{"ids of pruned events are not given again", pruneIDs},
	}
}

func (s *suite) prune(age time.Duration, limit int) store.Pruned {
	s.Helper()
	p, err := s.store.Prune(s.Context(), store.Policy{Events: age}, limit)
	if err != nil {
		s.Fatalf("Prune: %v", err)
	}
	return p
}

func pruneFinished(s *suite) {
	done, open, parked, dropped := s.begun("done", hook("A", "g")), s.begun("open", hook("A", "later")), s.parked("parked"), s.parked("dropped")
	s.mustSettle(store.Settlement{Held: s.claimOne("g", run.LaneLive).Held(), Run: &store.RunDelta{
		ID: done, Version: 1, State: run.Done, Outcome: run.Completed, Attempts: []run.Attempt{attempt("A", 1, run.AttemptOK)},
	}})
	wants(s, "Drop", s.store.Drop(s.Context(), "r", dropped), nil)
	ignored := arrival("ping")
	ignored.Event.State, ignored.Route = event.Ignored, false
	ids := s.append(ignored, arrival("not routed"))
	s.clock.advance(time.Hour)
	young := s.append(ignored)[0].ID
	same(s, "keeping all", s.prune(0, 100), store.Pruned{})
	same(s, "none old enough", s.prune(2*time.Hour, 100), store.Pruned{})
	same(s, "pruned", s.prune(time.Minute, 100), store.Pruned{Events: 3, Runs: 2})
	for _, id := range []event.ID{done.Event, dropped.Event, ids[0].ID} {
		_, err := s.store.Event(s.Context(), id)
		wants(s, "a pruned event", err, store.ErrNotFound)
		_, err = s.store.Body(s.Context(), id)
		wants(s, "a pruned body", err, store.ErrNotFound)
	}
	_, err := s.store.Run(s.Context(), done)
	wants(s, "a pruned run", err, store.ErrNotFound)
	for _, id := range []event.ID{open.Event, parked.Event, ids[1].ID, young} {
		s.event(id)
	}
	l := s.ledger()
	same(s, "ledger of requests", l.Requests, store.RequestTerms{Recorded: 7, Processed: 5, Ignored: 2, Pruned: 3})
	same(s, "ledger of runs", l.Runs, map[string]store.RunTerms{
		"done": {Made: 1, Pruned: 1}, "open": {Made: 1, Open: 1}, "parked": {Made: 1, Parked: 1}, "dropped": {Made: 1, Pruned: 1},
	})
	// An event whose run is retried and done, and one that is replayed.
	if n, err := s.store.Replay(s.Context(), "again", []event.ID{young}); n != 1 || err != nil {
		s.Fatalf("Replay gave %d, %v", n, err)
	}
	s.clock.advance(time.Hour)
	same(s, "with a replay waiting", s.prune(time.Minute, 100), store.Pruned{})
	s.mustSettle(store.Settlement{Held: s.claimOne(run.RouteGate, run.LaneReplay).Held()})
	same(s, "after the replay", s.prune(time.Minute, 100), store.Pruned{Events: 1})
}

func pruneBounded(s *suite) {
	var ids []event.ID
	for i := range 10 {
		a := arrival(fmt.Sprint("e", i))
		a.Route = i < 2 // the two oldest are not finished
		ids = append(ids, s.append(a)[0].ID)
		s.clock.advance(time.Millisecond)
	}
	s.clock.advance(time.Hour)
	for _, want := range []int{3, 3, 2, 0} {
		same(s, "pruned", s.prune(time.Minute, 3), store.Pruned{Events: want})
	}
	page, err := s.store.Events(s.Context(), store.EventQuery{})
	if err != nil || len(page.Events) != 2 || page.Events[1].ID != ids[0] {
		s.Errorf("left are %+v, %v, want the two oldest", page.Events, err)
	}
}

func pruneRevisions(s *suite) {
	put := func(digest, kind, name string) {
		s.Helper()
		wants(s, "PutRevision", s.store.PutRevision(s.Context(), store.Revision{Digest: digest, Kind: kind, Name: name, Files: files(digest)}), nil)
	}
	put("rev-p", store.PipelineRevision, "p")
	put("digest-of-routes", store.SnapshotRevision, "")
	put("unused", store.PipelineRevision, "p")
	put("newest", store.PipelineRevision, "p")
	put("old snapshot", store.SnapshotRevision, "")
	put("new snapshot", store.SnapshotRevision, "")
	id := s.parked("p")
	s.clock.advance(time.Hour)
	put("young", store.PipelineRevision, "q")
	put("younger", store.PipelineRevision, "q")
	there := func(what string, want map[string]bool) {
		s.Helper()
		for digest, want := range want {
			_, err := s.store.Revision(s.Context(), digest)
			if got := err == nil; got != want {
				s.Errorf("%s: revision %q is there: %t (%v), want %t", what, digest, got, err, want)
			}
		}
	}
	same(s, "pruned", s.prune(time.Minute, 100), store.Pruned{Revisions: 2})
	there("with the run", map[string]bool{
		"rev-p": true, "digest-of-routes": true, "unused": false, "newest": true, "old snapshot": false, "new snapshot": true,
		"young": true, "younger": true,
	})
	wants(s, "Drop", s.store.Drop(s.Context(), "r", id), nil)
	same(s, "pruned with the run", s.prune(time.Minute, 100), store.Pruned{Events: 1, Runs: 1, Revisions: 2})
	there("without the run", map[string]bool{"rev-p": false, "digest-of-routes": false, "newest": true, "new snapshot": true, "young": true})
	if got, err := s.store.Revision(s.Context(), "newest"); err != nil || len(got.Files) != 3 || string(got.Files[0].Data) != "shared" {
		s.Errorf("a kept revision lost a file that it shares: %+v, %v", got, err)
	}
}

func pruneKeys(s *suite) {
	first := s.append(delivered("x", "d"))[0]
	s.mustSettle(store.Settlement{Held: s.claimOne(run.RouteGate, run.LaneLive).Held(), Routed: true})
	s.clock.advance(time.Hour - time.Second)
	same(s, "within the window", s.prune(time.Minute, 100), store.Pruned{Events: 1})
	if r := s.append(delivered("x", "d"))[0]; !r.Duplicate || r.ID != first.ID || r.State != event.Accepted {
		s.Errorf("the event is pruned but its key is not: %+v, want a duplicate of %s", r, first.ID)
	}
	same(s, "ledger", s.ledger().Requests, store.RequestTerms{Recorded: 2, Processed: 1, Duplicate: 1, Pruned: 1})
	s.clock.advance(49 * time.Hour)
	if got := s.prune(time.Minute, 100).Keys; got != 1 {
		s.Errorf("%d keys pruned, want 1", got)
	}
	if r := s.append(delivered("x", "d"))[0]; r.Duplicate {
		s.Errorf("after the window: %+v", r)
	}
}

func pruneIDs(s *suite) {
	a := arrival("x")
	a.Route = false
	last := s.append(a)[0].ID
	s.clock.advance(time.Hour)
	s.prune(time.Minute, 10)
	s.clock.advance(-time.Hour)
	s.restart()
	if got := s.append(a)[0].ID; got <= last {
		s.Errorf("id %s after %s", got, last)
	}
}
