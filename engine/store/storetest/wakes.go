package storetest

import (
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func wakeChecks() []check {
	return []check{
		{"a wake makes what waits under its group and key due, and nothing else", wakeBefore},
		{"what was woken is woken once", wakeOnce},
		{"a wake of a claimed task counts when it is put back", wakeWhileClaimed},
		{"a wake of a claimed task counts when its lease is lost or it is released", wakeLostClaim},
		{"a task that its time has made due still waits", wakeAfterDue},
		{"a wake is applied after all else of its settlement", wakeLast},
		{"a refused settlement wakes nothing", wakeRefused},
		{"a wake of one order key's task keeps the order", wakeOrdered},
		{"one wake wakes many", wakeMany},
		{"a run that ends wakes what waits for it", wakeRunEnds},
		{"a run that is dropped wakes what waits for it", wakeRunDropped},
		{"a run that is stored as done wakes what waits for it", wakeRunBornDone},
		{"a run that is not open when it is waited for wakes at once", wakeRunOver},
		{"what waits for a parked run is woken when it ends, or parks anew", wakeRunParked},
		{"the groups that are waited for are those of open tasks that were not woken", waitsListed},
		{"waiting outlives a restart", waitsKept},
	}
}

// waiting is a task that waits an hour, or for a wake.
func waiting(path, group, key string) store.NewTask {
	return store.NewTask{Kind: run.TaskWait, Path: path, Gate: "w", Lane: run.LaneLive, In: time.Hour, Wait: store.Wait{Group: group, Key: key}}
}

// wake gives wakes with the settlement of an event that is routed nowhere.
func (s *suite) wake(wakes ...store.Wake) event.ID {
	s.Helper()
	s.append(arrival("wake"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	for i := range wakes {
		if wakes[i].Event == 0 {
			wakes[i].Event = c.Event.ID
		}
	}
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, Wakes: wakes})
	return c.Event.ID
}

func wake(group, key string) store.Wake { return store.Wake{Wait: store.Wait{Group: group, Key: key}} }

// paths gives where claimed tasks stand.
func paths(claimed []store.Claimed) []string {
	var out []string
	for _, c := range claimed {
		out = append(out, c.Task.Path)
	}
	return out
}

func wakeBefore(s *suite) {
	id := s.begun("p", waiting("A", "g", "1"), waiting("B", "g", "2"), waiting("C", "h", "1"), waiting("D", "g", ""), hook("E", "w"))
	same(s, "due", paths(s.claim("w", run.LaneLive, 10, time.Minute)), []string{"E"})
	same(s, "due without a wake", s.due(), store.Due{Next: time.Minute})
	s.clock.advance(10 * time.Second)
	by := s.wake(wake("g", "1"), wake("nobody", "1"), wake("h", "2"), store.Wake{})
	same(s, "due with a wake", s.due().Work, []store.Work{{Gate: "w", Lane: run.LaneLive}})
	c := s.claimOne("w", run.LaneLive)
	if c.Task.Path != "A" || c.Task.Woken != by || !c.Task.Due.Equal(s.clock.now()) || c.Run.ID != id {
		s.Errorf("claimed %+v, want A woken by %s, due now", c.Task, by)
	}
	same(s, "more", len(s.claim("w", run.LaneLive, 10, time.Minute)), 0)
	by = s.wake(wake("g", ""))
	if c := s.claimOne("w", run.LaneLive); c.Task.Path != "D" || c.Task.Woken != by {
		s.Errorf("claimed %+v, want D woken by %s", c.Task, by)
	}
}

func wakeOnce(s *suite) {
	id := s.begun("p", waiting("A", "g", "1"))
	first := s.wake(wake("g", "1"), store.Wake{Wait: store.Wait{Group: "g", Key: "1"}, Event: 7})
	s.clock.advance(time.Second)
	s.wake(wake("g", "1"))
	c := s.claimOne("w", run.LaneLive)
	if c.Task.Woken != first || !c.Task.Due.Equal(s.clock.now().Add(-time.Second)) {
		s.Errorf("claimed %+v, want it woken by the first, %s", c.Task, first)
	}
	s.mustSettle(store.Settlement{Held: c.Held(), Then: store.Then{Again: true, In: time.Minute}})
	s.wake(wake("g", "1"))
	same(s, "due again", len(s.claim("w", run.LaneLive, 1, time.Minute)), 0)
	s.clock.advance(time.Minute)
	c = s.claimOne("w", run.LaneLive)
	same(s, "woken by", c.Task.Woken, first)
	s.goesOn(c, waiting("A", "g", "1"))
	same(s, "a new task of the same place is not woken", len(s.claim("w", run.LaneLive, 1, time.Minute)), 0)
	again := s.wake(wake("g", "1"))
	if c := s.claimOne("w", run.LaneLive); c.Task.Woken != again || c.Run.ID != id {
		s.Errorf("claimed %+v, want it woken by %s", c.Task, again)
	}
}

func wakeWhileClaimed(s *suite) {
	id := s.begun("p", waiting("A", "g", "1"))
	s.clock.advance(time.Hour)
	c := s.claimOne("w", run.LaneLive)
	same(s, "woken by", c.Task.Woken, event.ID(0))
	first := s.wake(wake("g", "1"))
	s.wake(wake("g", "1"))
	same(s, "while it is out", len(s.claim("w", run.LaneLive, 1, time.Minute)), 0)
	same(s, "record", s.record(id).Tasks[0].Woken, first)
	s.mustSettle(store.Settlement{Held: c.Held(), Then: store.Then{Again: true, In: time.Hour, N: 3, Lane: run.LaneRetry}})
	c = s.claimOne("w", run.LaneRetry)
	if c.Task.Woken != first || !c.Task.Due.Equal(s.clock.now()) || c.Task.N != 3 {
		s.Errorf("claimed %+v, want it woken by %s, due now, its third try", c.Task, first)
	}
	// Its holder has seen the wake: what it says of the time counts from now on.
	s.mustSettle(store.Settlement{Held: c.Held(), Then: store.Then{Again: true, In: time.Hour}})
	same(s, "put back", len(s.claim("w", run.LaneRetry, 1, time.Minute)), 0)
}

func wakeLostClaim(s *suite) {
	s.begun("p", waiting("A", "g", "1"))
	s.clock.advance(time.Hour)
	c := s.claimOne("w", run.LaneLive)
	first := s.wake(wake("g", "1"))
	wants(s, "Release", s.store.Release(s.Context(), []store.Held{c.Held()}), nil)
	c = s.claimOne("w", run.LaneLive)
	same(s, "woken by, released", c.Task.Woken, first)
	s.clock.advance(2 * time.Minute)
	c = s.claimOne("w", run.LaneLive)
	if c.Task.Woken != first || c.Task.Lost != 1 {
		s.Errorf("claimed %+v, want it lost once and woken by %s", c.Task, first)
	}
	s.ends(c, run.Done)
	s.waits()
}

func wakeAfterDue(s *suite) {
	s.begun("p", waiting("A", "g", "1"))
	s.clock.advance(2 * time.Hour)
	s.waits("g")
	due := s.due().Oldest
	by := s.wake(wake("g", "1"))
	same(s, "oldest", s.due().Oldest, due)
	same(s, "woken by", s.claimOne("w", run.LaneLive).Task.Woken, by)
}

func wakeLast(s *suite) {
	s.append(arrival("a"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	s.mustSettle(store.Settlement{
		Held: c.Held(), Routed: true, NewRuns: []store.NewRun{newRun(c.Event.ID, "p", waiting("A", "g", "1"))},
		Wakes: []store.Wake{{Wait: store.Wait{Group: "g", Key: "1"}, Event: c.Event.ID}},
	})
	a := s.claimOne("w", run.LaneLive)
	same(s, "woken by its own settlement", a.Task.Woken, c.Event.ID)
	s.mustSettle(store.Settlement{Held: a.Held(), Run: &store.RunDelta{
		ID: a.Run.ID, Version: 1, State: run.Open, Tasks: []store.NewTask{waiting("B", "g", "1"), waiting("C", "g", "2")},
	}, Wakes: []store.Wake{{Wait: store.Wait{Group: "g", Key: "1"}, Event: 5}}})
	b := s.claimOne("w", run.LaneLive)
	if b.Task.Path != "B" || b.Task.Woken != 5 {
		s.Errorf("claimed %+v, want B woken by 5", b.Task)
	}
	s.waits("g")
}

func wakeRefused(s *suite) {
	s.begun("p", waiting("A", "g", "1"))
	s.append(arrival("x"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	stale := c.Held()
	stale.Token--
	wants(s, "settling", s.settle(store.Settlement{Held: stale, Wakes: []store.Wake{wake("g", "1")}}), store.ErrFenced)
	same(s, "due", len(s.claim("w", run.LaneLive, 1, time.Minute)), 0)
	s.waits("g")
}

func wakeOrdered(s *suite) {
	a, b := waiting("A", "g", "1"), waiting("B", "g", "2")
	a.Order, b.Order = "k", "k"
	s.begun("p", a, b, ordered("C", "w", run.LaneLive, "k", 0))
	c := s.claimOne("w", run.LaneLive)
	same(s, "first", c.Task.Path, "C")
	s.wake(wake("g", "2"))
	same(s, "one at a time", len(s.claim("w", run.LaneLive, 10, time.Minute)), 0)
	s.mustSettle(store.Settlement{Held: c.Held()})
	same(s, "next", paths(s.claim("w", run.LaneLive, 10, time.Minute)), []string{"B"})
}

func wakeMany(s *suite) {
	const n = 50
	for i := range n {
		s.begun("p", waiting("A", "g", "1"), waiting("B", "g", string(rune('a'+i%26))))
	}
	s.wake(wake("g", "1"))
	claimed := s.claim("w", run.LaneLive, 1000, time.Minute)
	if len(claimed) != n {
		s.Errorf("%d tasks were woken, want %d", len(claimed), n)
	}
	s.waits("g")
}

// awaiting begins a run with a task that waits for another run.
func (s *suite) awaiting(id run.ID) run.ID {
	s.Helper()
	return s.begun("caller", awaits(id))
}

func awaits(id run.ID) store.NewTask {
	return store.NewTask{Kind: run.TaskChild, Path: "Call", Gate: "w", Lane: run.LaneLive, In: 24 * time.Hour, Wait: store.RunWait(id)}
}

// woken claims the task that waited for a run and must have been woken by that.
func (s *suite) woken(what string, id run.ID) store.Claimed {
	s.Helper()
	claimed := s.claim("w", run.LaneLive, 10, time.Hour)
	if len(claimed) != 1 || claimed[0].Task.Path != "Call" || claimed[0].Task.Woken != id.Event {
		s.Fatalf("%s: claimed %+v, want the caller woken by %s", what, claimed, id.Event)
	}
	return claimed[0]
}

func (s *suite) asleep(what string) {
	s.Helper()
	if claimed := s.claim("w", run.LaneLive, 10, time.Minute); len(claimed) != 0 {
		s.Fatalf("%s: claimed %+v, want nothing", what, claimed[0].Task)
	}
}

func wakeRunEnds(s *suite) {
	for _, state := range []run.State{run.Done, run.Parked} {
		child := s.begun("called", hook("A", "g"), hook("B", "g"))
		s.awaiting(child)
		s.waits("run")
		c := s.claim("g", run.LaneLive, 2, time.Minute)
		s.goesOn(c[0])
		s.asleep("while the run is open")
		s.ends(c[1], state)
		s.ends(s.woken(string(state), child), run.Done)
		s.waits()
	}
}

func wakeRunDropped(s *suite) {
	child := s.parked("called")
	s.awaiting(child)
	s.asleep("while the run is parked")
	wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "d", Run: child}), nil)
	s.woken("dropped", child)
}

func wakeRunBornDone(s *suite) {
	born := func(what string, change func(n *store.NewRun)) {
		s.Helper()
		s.begun("caller", hook("Start", "g"))
		c := s.claimOne("g", run.LaneLive)
		n := newRun(c.Event.ID, "called", hook("A", "never"))
		n.Run.Cause = run.Cause{Kind: run.Call, Ref: c.Run.ID.String()}
		n.Run.ID = run.NewID(c.Event.ID, "called", n.Run.Cause)
		change(&n)
		s.mustSettle(store.Settlement{
			Held: c.Held(), NewRuns: []store.NewRun{n},
			Run: &store.RunDelta{ID: c.Run.ID, Version: 1, State: run.Open, Tasks: []store.NewTask{awaits(n.Run.ID)}},
		})
		s.ends(s.woken(what, n.Run.ID), run.Done)
	}
	born("done", func(n *store.NewRun) { n.Run.State, n.Run.Outcome = run.Done, run.Filtered })
	born("parked", func(n *store.NewRun) { n.Run.State, n.Run.Reason = run.Parked, "internal" })
	born("limited", func(n *store.NewRun) { n.Quota = &store.Quota{Key: "called", Max: 0, Per: time.Hour} })

	// The caller's run and the called one may be made at once, in either order.
	s.append(arrival("a"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	called := newRun(c.Event.ID, "called")
	called.Run.State, called.Run.Outcome = run.Done, run.Completed
	s.mustSettle(store.Settlement{Held: c.Held(), NewRuns: []store.NewRun{newRun(c.Event.ID, "caller", awaits(called.Run.ID)), called}})
	s.woken("made after its caller", called.Run.ID)
}

func wakeRunOver(s *suite) {
	done, dropped := s.begun("done", hook("A", "g")), s.parked("dropped")
	s.ends(s.claimOne("g", run.LaneLive), run.Done)
	wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "d", Run: dropped}), nil)
	for what, id := range map[string]run.ID{
		"done": done, "dropped": dropped, "not there": run.NewID(done.Event, "missing", run.Cause{Kind: run.Live}),
	} {
		s.awaiting(id)
		s.ends(s.woken(what, id), run.Done)
	}
	s.waits()
}

func wakeRunParked(s *suite) {
	child := s.parked("called")
	s.awaiting(child)
	s.asleep("while the run is parked")
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "1", Run: child}), nil)
	s.asleep("while the run is tried again")
	s.ends(s.claimOne("@called", run.LaneRetry), run.Parked)
	caller := s.woken("parked anew", child)
	s.goesOn(caller, awaits(child))
	s.asleep("waiting again")
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "2", Run: child}), nil)
	s.ends(s.claimOne("@called", run.LaneRetry), run.Done)
	s.woken("done in the end", child)
}

func waitsListed(s *suite) {
	s.waits()
	one := s.begun("p", waiting("A", "b", "1"), waiting("B", "a", "1"), waiting("C", "b", "2"), hook("D", "g"))
	s.waits("a", "b")
	two := s.begun("p", waiting("A", "b", "1"))
	s.wake(wake("a", "1"))
	s.waits("b")
	s.wake(wake("b", "1"))
	s.waits("b")
	s.ends(s.claimOne("g", run.LaneLive), run.Parked)
	if got := s.record(one); got.Run.State != run.Parked || s.record(two).Run.State != run.Open {
		s.Errorf("runs %+v and %+v", got.Run, s.record(two).Run)
	}
	s.waits()
	s.awaiting(two)
	s.waits("run")
}

func waitsKept(s *suite) {
	child := s.begun("called", hook("A", "g"))
	s.awaiting(child)
	s.begun("p", waiting("A", "g", "1"), waiting("B", "h", "1"))
	s.begun("p", waiting("C", "i", "1"))
	before := s.wake(wake("i", "1"))
	same(s, "claimed", s.claimOne("w", run.LaneLive).Task.Path, "C")
	s.restart()
	s.waits("g", "h", "run")
	if c := s.claimOne("w", run.LaneLive); c.Task.Path != "C" || c.Task.Woken != before || c.Task.Lost != 1 {
		s.Errorf("claimed %+v, want C woken by %s and lost once", c.Task, before)
	}
	s.asleep("after the restart")
	after := s.wake(wake("g", "1"))
	if c := s.claimOne("w", run.LaneLive); c.Task.Path != "A" || c.Task.Woken != after {
		s.Errorf("claimed %+v, want A woken by %s", c.Task, after)
	}
	s.ends(s.claimOne("g", run.LaneLive), run.Done)
	s.woken("after the restart", child)
}
