package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func pruneChecks() []check {
	return []check{
		{"only finished events past their age are pruned, with all that belongs to them", pruneFinished},
		{"pruning is bounded and oldest first", pruneBounded},
		{"parked runs go at an age of their own, and their event after them", pruneParked},
		{"a parked run that goes gives back its turn and wakes what waits for it", pruneParkedLetsGo},
		{"runs and attempts may go before their event", pruneRunsAndAttempts},
		{"a body may go before its event, which cannot be replayed then", pruneBodies},
		{"an event is kept while a task that it woke is open", pruneWoken},
		{"beyond a number of events or bytes the oldest go that may", pruneTooMany},
		{"what is kept is counted, also over a restart", pruneUsage},
		{"rejections have an age of their own", pruneRejections},
		{"revisions go when nothing kept names them", pruneRevisions},
		{"delivery keys go after their window, never before", pruneKeys},
		{"ids of pruned events are not given again", pruneIDs},
		{"open work is never pruned while others append, claim and retry", pruneBesideWork},
	}
}

func (s *suite) prune(age time.Duration, limit int) store.Pruned {
	s.Helper()
	return s.prunePolicy(store.Policy{Events: age}, limit)
}

func (s *suite) prunePolicy(p store.Policy, limit int) store.Pruned {
	s.Helper()
	n, err := s.store.Prune(s.Context(), p, limit)
	if err != nil {
		s.Fatalf("Prune(%+v): %v", p, err)
	}
	return n
}

// ignored is an arrival that starts nothing.
func ignored(name string) store.Arrival {
	a := arrival(name)
	a.Event.State, a.Route = event.Ignored, false
	return a
}

func pruneWoken(s *suite) {
	id := s.begun("p", waiting("A", "g", "1"))
	woke := s.wake(wake("g", "1"))
	s.clock.advance(48 * time.Hour)
	for what, p := range map[string]store.Policy{"by age": {Events: time.Hour}, "by count": {MaxEvents: 1}, "bodies": {Bodies: time.Hour}} {
		s.prunePolicy(p, 100)
		if _, err := s.store.Body(s.Context(), woke); err != nil {
			s.Errorf("pruned %s: the body of the event that a task was woken by: %v", what, err)
		}
	}
	c := s.claimOne("w", run.LaneLive)
	same(s, "woken by", c.Task.Woken, woke)
	s.mustSettle(store.Settlement{Held: c.Held(), Run: &store.RunDelta{ID: id, Version: c.Run.Version, State: run.Done, Outcome: run.Completed}})
	s.prune(time.Hour, 100)
	if _, err := s.store.Event(s.Context(), woke); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("with the task closed: got %v, want the event gone", err)
	}
}

// completes ends the run of the task at a gate, with an attempt, and gives its id.
func (s *suite) completes(gate string) run.ID {
	s.Helper()
	c := s.claimOne(gate, run.LaneLive)
	s.mustSettle(store.Settlement{Held: c.Held(), Run: &store.RunDelta{
		ID: c.Run.ID, Version: c.Run.Version, State: run.Done, Outcome: run.Completed,
		Steps: []run.Step{step("A", run.StepDone)}, Attempts: []run.Attempt{attempt("A", 1, run.AttemptOK)},
	}})
	return c.Run.ID
}

func pruneFinished(s *suite) {
	done, open, parked, dropped := s.begun("done", hook("A", "g")), s.begun("open", hook("A", "later")), s.parked("parked"), s.parked("dropped")
	s.completes("g")
	wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "r", Run: dropped}), nil)
	ids := s.append(ignored("ping"), arrival("not routed"))
	s.clock.advance(time.Hour)
	young := s.append(ignored("ping"))[0].ID
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
	if n, err := s.store.Replay(s.Context(), store.ReplayAsk{Request: "again", Events: []event.ID{young}}); n != 1 || err != nil {
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
		a := ignored(fmt.Sprint("e", i))
		if i < 2 { // the two oldest are not finished
			a = arrival(a.Event.Name)
		}
		ids = append(ids, s.append(a)[0].ID)
		s.clock.advance(time.Millisecond)
	}
	s.clock.advance(time.Hour)
	same(s, "allowed nothing", s.prune(time.Minute, 0), store.Pruned{More: true})
	for _, want := range []store.Pruned{{Events: 3, More: true}, {Events: 3, More: true}, {Events: 2}, {}} {
		same(s, "pruned", s.prune(time.Minute, 3), want)
	}
	page, err := s.store.Events(s.Context(), store.EventQuery{})
	if err != nil || len(page.Events) != 2 || page.Events[1].ID != ids[0] {
		s.Errorf("left are %+v, %v, want the two oldest", page.Events, err)
	}
	// One that was passed over goes when it is finished.
	s.mustSettle(store.Settlement{Held: s.claimOne(run.RouteGate, run.LaneLive).Held(), Routed: true})
	same(s, "one that was passed over", s.prune(time.Minute, 3), store.Pruned{Events: 1})
}

func pruneParked(s *suite) {
	old := s.parked("p")
	s.clock.advance(time.Hour)
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: old}), nil)
	s.clock.advance(time.Hour)
	s.ends(s.claimOne("@p", run.LaneRetry), run.Parked) // anew: now its age begins
	s.clock.advance(10 * time.Minute)
	policy := store.Policy{Parked: 30 * time.Minute, Events: time.Hour}
	same(s, "not parked long enough", s.prunePolicy(policy, 100), store.Pruned{})
	s.clock.advance(30 * time.Minute)
	same(s, "without leave to delete parked runs", s.prunePolicy(store.Policy{Events: time.Hour}, 100), store.Pruned{})
	same(s, "the run goes first", s.prunePolicy(policy, 1), store.Pruned{Runs: 1, More: true})
	s.event(old.Event)
	same(s, "and the event, which is old", s.prunePolicy(policy, 1), store.Pruned{Events: 1})
	same(s, "ledger", s.ledger().Runs, map[string]store.RunTerms{"p": {Made: 1, Pruned: 1}})
	wants(s, "retrying what is gone", s.store.Retry(s.Context(), store.RetryAsk{Request: "r2", Run: old}), store.ErrNotFound)

	// A young event outlives its parked run; and a parked run that belongs to an event with an open one stays.
	young := s.parked("p")
	s.append(arrival("two runs"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{
		newRun(c.Event.ID, "parks", hook("A", "parks")), newRun(c.Event.ID, "goes on", hook("A", "goes on")),
	}})
	s.ends(s.claimOne("parks", run.LaneLive), run.Parked)
	s.clock.advance(time.Hour)
	policy.Events = 24 * time.Hour
	same(s, "with an open run beside it", s.prunePolicy(policy, 100), store.Pruned{Runs: 1})
	s.event(young.Event)
	s.ends(s.claimOne("goes on", run.LaneLive), run.Done)
	same(s, "when that has ended", s.prunePolicy(policy, 100), store.Pruned{Runs: 1})
}

func pruneParkedLetsGo(s *suite) {
	hold := []store.Hold{{Key: "lane", Max: 1, Keep: true}}
	ids := s.beginAll(store.NewRun{Run: run.Run{Pipeline: "p"}, Holds: hold}, store.NewRun{Run: run.Run{Pipeline: "p"}, Holds: hold})
	s.ends(s.claimOne("@p", run.LaneLive), run.Parked)
	if got := s.claim("@p", run.LaneLive, 10, time.Minute); len(got) != 0 {
		s.Fatalf("a parked run kept its turn, and %d tasks were handed out", len(got))
	}
	waits := hook("A", "waits")
	waits.Wait, waits.In = store.RunWait(ids[0]), time.Hour*24*30
	s.begun("waits", waits)
	s.clock.advance(time.Hour)
	same(s, "pruned", s.prunePolicy(store.Policy{Parked: time.Minute}, 10), store.Pruned{Runs: 1})
	if got := s.claimOne("@p", run.LaneLive); got.Run.ID != ids[1] {
		s.Errorf("the turn went to %s, want %s", got.Run.ID, ids[1])
	}
	if got := s.claimOne("waits", run.LaneLive); got.Task.Woken != ids[0].Event {
		s.Errorf("woken by %s, want %s", got.Task.Woken, ids[0].Event)
	}
}

func pruneRunsAndAttempts(s *suite) {
	id := s.begun("p", hook("A", "g"))
	s.completes("g")
	s.clock.advance(time.Hour)
	young := s.begun("p", hook("A", "g"))
	s.completes("g")
	s.clock.advance(time.Minute)
	same(s, "attempts", s.prunePolicy(store.Policy{Attempts: 30 * time.Minute}, 10), store.Pruned{Attempts: 1})
	same(s, "attempts again", s.prunePolicy(store.Policy{Attempts: 30 * time.Minute}, 10), store.Pruned{})
	rec := s.record(id)
	if len(rec.Attempts) != 0 || len(rec.Steps) != 2 || string(rec.Steps[1].Output) != `{"a":9007199254740993}` {
		s.Errorf("left of the run: %+v, want its two steps and no attempt", rec)
	}
	if got := len(s.record(young).Attempts); got != 1 {
		s.Errorf("the young run has %d attempts, want 1", got)
	}
	same(s, "runs", s.prunePolicy(store.Policy{Runs: 30 * time.Minute}, 10), store.Pruned{Runs: 1})
	_, err := s.store.Run(s.Context(), id)
	wants(s, "a pruned run", err, store.ErrNotFound)
	s.event(id.Event)
	same(s, "ledger", s.ledger().Runs, map[string]store.RunTerms{"p": {Made: 2, Completed: 1, Pruned: 1}})
	same(s, "the event goes without it", s.prune(30*time.Minute, 10), store.Pruned{Events: 1})

	// Of an event with a parked run nothing goes.
	s.append(arrival("two runs"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{
		newRun(c.Event.ID, "parks", hook("A", "parks")), newRun(c.Event.ID, "ends", hook("A", "g")),
	}})
	s.ends(s.claimOne("parks", run.LaneLive), run.Parked)
	s.completes("g")
	s.clock.advance(24 * time.Hour)
	same(s, "beside a parked run", s.prunePolicy(store.Policy{Runs: 48 * time.Hour, Attempts: time.Hour, Bodies: time.Hour}, 10), store.Pruned{Attempts: 1, Bodies: 1})
}

func pruneBodies(s *suite) {
	done, parked := s.begun("p", hook("A", "g")), s.parked("q")
	s.completes("g")
	empty := ignored("empty")
	empty.Event.Body = nil
	s.append(empty)
	s.clock.advance(time.Hour)
	before := s.event(done.Event)
	policy := store.Policy{Bodies: time.Minute}
	same(s, "pruned", s.prunePolicy(policy, 10), store.Pruned{Bodies: 1})
	same(s, "pruned again", s.prunePolicy(policy, 10), store.Pruned{})
	same(s, "the event", s.event(done.Event), before)
	_, err := s.store.Body(s.Context(), done.Event)
	wants(s, "a dropped body", err, store.ErrBodyDropped)
	if _, err := s.store.Body(s.Context(), parked.Event); err != nil {
		s.Errorf("the body of a parked run: %v", err)
	}
	n, err := s.store.Replay(s.Context(), store.ReplayAsk{Request: "r", Events: []event.ID{parked.Event, done.Event}})
	if n != 0 {
		s.Errorf("%d events are replayed, want none", n)
	}
	wants(s, "replaying it", err, store.ErrBodyDropped)
	if got := s.claim(run.RouteGate, run.LaneReplay, 10, time.Minute); len(got) != 0 {
		s.Errorf("%d replays wait, want none", len(got))
	}
	s.restart()
	_, err = s.store.Body(s.Context(), done.Event)
	wants(s, "after a restart", err, store.ErrBodyDropped)
	same(s, "the events go as ever", s.prune(time.Minute, 10), store.Pruned{Events: 2, Runs: 1})
}

func pruneTooMany(s *suite) {
	kept := s.parked("p") // the oldest
	var ids []event.ID
	for i := range 5 {
		a := ignored(fmt.Sprint("e", i))
		a.Event.Body = []byte("0123456789")
		ids = append(ids, s.append(a)[0].ID)
		s.clock.advance(time.Millisecond)
	}
	left := func(what string, want ...event.ID) {
		s.Helper()
		page, err := s.store.Events(s.Context(), store.EventQuery{})
		var got []event.ID
		for _, e := range page.Events {
			got = append([]event.ID{e.ID}, got...)
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			s.Errorf("%s: left are %v, %v, want %v", what, got, err, want)
		}
	}
	same(s, "few enough", s.prunePolicy(store.Policy{MaxEvents: 6, MaxBytes: 1000}, 10), store.Pruned{})
	same(s, "two too many", s.prunePolicy(store.Policy{MaxEvents: 4}, 1), store.Pruned{Events: 1, More: true})
	same(s, "and the other", s.prunePolicy(store.Policy{MaxEvents: 4}, 1), store.Pruned{Events: 1})
	left("by number", append([]event.ID{kept.Event}, ids[2:]...)...)
	size := int64(s.event(kept.Event).BodySize)
	same(s, "bytes", s.prunePolicy(store.Policy{MaxBytes: size + 15}, 10), store.Pruned{Events: 2})
	left("by size", kept.Event, ids[4])
	same(s, "what may not go stays", s.prunePolicy(store.Policy{MaxEvents: 1, MaxBytes: 1, Events: time.Hour}, 10), store.Pruned{Events: 1})
	same(s, "however much too much it is", s.prunePolicy(store.Policy{MaxEvents: 1, MaxBytes: 1}, 10), store.Pruned{})
	left("at last", kept.Event)
}

func pruneUsage(s *suite) {
	usage := func(what string, want store.Usage) {
		s.Helper()
		got, err := s.store.Usage(s.Context())
		wants(s, "Usage", err, nil)
		if got.File < 0 || got.Free < 0 {
			s.Errorf("%s: %+v", what, got)
		}
		got.File, got.Free = 0, 0
		same(s, what, got, want)
	}
	usage("of nothing", store.Usage{})
	a := ignored("a")
	a.Event.Body = []byte("0123456789")
	keyed := delivered("b", "d")
	keyed.Event.Body = []byte("01234")
	s.append(a, keyed, keyed)
	usage("of two events and a duplicate", store.Usage{Events: 2, Bytes: 15})
	s.routed("p", hook("A", "g"))
	s.completes("g")
	s.restart()
	usage("after a restart", store.Usage{Events: 2, Bytes: 15, Runs: 1})
	s.clock.advance(time.Hour)
	n := s.prunePolicy(store.Policy{Bodies: time.Minute}, 1)
	n.Keys = 0 // a store may keep keys for a day after their window
	same(s, "pruned", n, store.Pruned{Bodies: 1, More: true})
	usage("without a body", store.Usage{Events: 2, Bytes: 5, Runs: 1})
	same(s, "pruned", s.prunePolicy(store.Policy{Events: time.Minute}, 1), store.Pruned{Events: 1, More: true})
	usage("without its event", store.Usage{Events: 1, Bytes: 5, Runs: 1})
	same(s, "pruned", s.prunePolicy(store.Policy{Runs: time.Minute}, 1), store.Pruned{Runs: 1})
	usage("without a run", store.Usage{Events: 1, Bytes: 5})
	same(s, "pruned", s.prune(time.Minute, 1).Events, 1)
	usage("of what is left", store.Usage{})
}

func pruneRejections(s *suite) {
	wants(s, "PutRejections", s.store.PutRejections(s.Context(), []store.Rejection{rejection("acme", "stale_timestamp", "r")}), nil)
	s.clock.advance(time.Hour)
	same(s, "nothing said", s.prunePolicy(store.Policy{MaxEvents: 1}, 10), store.Pruned{})
	same(s, "kept longer than events", s.prunePolicy(store.Policy{Events: time.Minute, Rejections: 2 * time.Hour}, 10), store.Pruned{})
	same(s, "gone", s.prunePolicy(store.Policy{Rejections: time.Minute}, 10), store.Pruned{Rejections: 1})
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
	wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "r", Run: id}), nil)
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
	last := s.append(ignored("x"))[0].ID
	s.clock.advance(time.Hour)
	s.prune(time.Minute, 10)
	s.clock.advance(-time.Hour)
	s.restart()
	if got := s.append(ignored("x"))[0].ID; got <= last {
		s.Errorf("id %s after %s", got, last)
	}
}

// pruneBesideWork prunes all that may go, as fast as it can, while others work: whatever they hold must still be there for them.
func pruneBesideWork(s *suite) {
	const producers, each = 3, 40
	policy := store.Policy{
		Events: time.Nanosecond, Parked: time.Hour, Runs: time.Nanosecond, Attempts: time.Nanosecond, Bodies: time.Nanosecond, MaxEvents: 1, MaxBytes: 1,
	}
	produced, finished := make(chan struct{}), make(chan struct{})
	var producing, working, pruning sync.WaitGroup
	for p := range producers {
		producing.Go(func() {
			for i := range each {
				s.clock.advance(time.Millisecond)
				if _, err := s.store.Append(s.Context(), []store.Arrival{arrival(fmt.Sprint(p, i)), ignored("y")}); err != nil {
					s.Errorf("Append: %v", err)
				}
			}
		})
	}
	for w := range 2 {
		working.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 7))
			for last := false; !s.Failed(); {
				select {
				case <-produced:
					last = true
				default:
				}
				if s.work(rng) == 0 && last {
					return
				}
			}
		})
	}
	var pruned store.Pruned
	pruning.Go(func() {
		for last := false; ; {
			select {
			case <-finished:
				last = true
			default:
			}
			n, err := s.store.Prune(s.Context(), policy, 5)
			if err != nil {
				s.Errorf("Prune: %v", err)
				return
			}
			pruned.Events, pruned.Runs = pruned.Events+n.Events, pruned.Runs+n.Runs
			if last && !n.More {
				return
			}
		}
	})
	producing.Wait()
	close(produced)
	working.Wait()
	s.clock.advance(time.Second)
	close(finished)
	pruning.Wait()
	l := s.ledger()
	if int64(pruned.Events) != l.Requests.Pruned || l.Requests.Pruned != 2*producers*each {
		s.Errorf("%d events pruned, %d by the ledger, want all %d", pruned.Events, l.Requests.Pruned, 2*producers*each)
	}
	for pipeline, t := range l.Runs {
		if t.Made != producers*each || t.Pruned != t.Made {
			s.Errorf("runs of %s: %+v, want %d, all of them worked on and pruned", pipeline, t, producers*each)
		}
	}
	u, err := s.store.Usage(s.Context())
	if err != nil || u.Events != 0 || u.Bytes != 0 || u.Runs != 0 {
		s.Errorf("left is %+v, %v, want nothing", u, err)
	}
}
