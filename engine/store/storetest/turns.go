package storetest

import (
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func turnChecks() []check {
	return []check{
		{"no more runs than a hold allows are claimed, and the first made is the next", turnsInOrder},
		{"a turn goes on in whatever way its run leaves open", turnsGivenBack},
		{"a run takes one turn after the other", turnsOneAfterTheOther},
		{"a run that waits for an earlier turn does not take a later one", turnsNotKeptFromOthers},
		{"a run queues up for all its orders when it is made", turnsOrderedAtOnce},
		{"a hold that comes twice counts once", turnTwice},
		{"a run that would have to wait may be dropped", turnsDrop},
		{"a run opened again takes no turn", turnsRetried},
		{"a run that is there already, or done, takes no turn", turnsUnused},
		{"the newest bound of a hold counts", turnsBound},
		{"waiting runs hold up nobody, and are due from their turn on", turnsDue},
		{"a held task is in the record, and may be woken", turnsHeld},
		{"order keys hold among runs that have waited for a turn", turnsAndOrder},
		{"many runs wait, and each gets its turn", turnsMany},
		{"turns outlive a restart", turnsKept},
		{"the ledger of limited runs adds up", turnsLedger},
	}
}

// with is a run with holds: keys and how many may have each.
func with(pipeline string, holds ...store.Hold) store.NewRun {
	return store.NewRun{Run: run.Run{Pipeline: pipeline}, Holds: holds}
}

func hold(key string, limit int) store.Hold { return store.Hold{Key: key, Max: limit} }

// claimRuns claims what is due at a pipeline's own gate and gives the claims and their runs.
func (s *suite) claimRuns(pipeline string) ([]store.Claimed, []run.ID) {
	s.Helper()
	claimed := s.claim("@"+pipeline, run.LaneLive, 1000, time.Hour)
	var ids []run.ID
	for _, c := range claimed {
		if c.Task.Held {
			s.Errorf("a held task was handed out: %+v", c.Task)
		}
		ids = append(ids, c.Run.ID)
	}
	return claimed, ids
}

func turnsInOrder(s *suite) {
	n := with("p", hold("slots", 2))
	ids := s.beginAll(n, n, n, n, n)
	c, got := s.claimRuns("p")
	same(s, "first", got, ids[:2])
	same(s, "due", s.due(), store.Due{Next: time.Hour})
	s.goesOn(c[0], hook("A", "g")) // it stays open
	_, got = s.claimRuns("p")
	same(s, "none is free", got, nil)
	s.ends(c[1], run.Done)
	c, got = s.claimRuns("p")
	same(s, "then", got, ids[2:3])
	s.ends(s.claimOne("g", run.LaneLive), run.Done)
	s.ends(c[0], run.Done)
	c, got = s.claimRuns("p")
	same(s, "last", got, ids[3:])
	s.ends(c[0], run.Done)
	s.ends(c[1], run.Done)
	_, got = s.claimRuns("p")
	same(s, "none is left", got, nil)
	_, got = s.claimRuns("p")
	same(s, "none is left", got, nil)
	s.begin(n)
	_, got = s.claimRuns("p")
	same(s, "one more", len(got), 1)
}

func turnsGivenBack(s *suite) {
	n := with("p", hold("slots", 1))
	n.Tasks = []store.NewTask{hook("A", "g"), hook("B", "g")}
	ids := s.beginAll(n, n, n, n, n)
	next := func(what string, want run.ID) []store.Claimed {
		s.Helper()
		c := s.claim("g", run.LaneLive, 10, time.Hour)
		if len(c) != 2 || c[0].Run.ID != want || c[1].Run.ID != want {
			s.Fatalf("%s: claimed %d tasks, want both of %s", what, len(c), want)
		}
		return c
	}
	s.ends(next("the first", ids[0])[1], run.Done)
	s.ends(next("after one that is done", ids[1])[0], run.Parked)
	c := next("after one that is parked", ids[2])
	wants(s, "dropping the parked one", s.store.Drop(s.Context(), store.DropAsk{Request: "d", Run: ids[1]}), nil)
	same(s, "it had no turn any more", len(s.claim("g", run.LaneLive, 10, time.Hour)), 0)
	s.ends(c[0], run.Parked)
	wants(s, "retrying", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: ids[2]}), nil)
	c = next("after one that is tried again", ids[3])
	s.ends(s.claimOne("@p", run.LaneRetry), run.Done)
	same(s, "the one tried again had no turn", len(s.claim("g", run.LaneLive, 10, time.Hour)), 0)
	s.ends(c[0], run.Dropped)
	next("after one that was dropped", ids[4])
}

func turnsOneAfterTheOther(s *suite) {
	order := func(key string) store.NewRun { return with("p", hold("order "+key, 1), hold("slots", 2)) }
	ids := s.beginAll(order("a"), order("a"), order("b"), order("c"), order("b"))
	c, got := s.claimRuns("p")
	same(s, "one of each key, two at once", got, []run.ID{ids[0], ids[2]})
	s.ends(c[0], run.Done)
	// The second of key a has its order now, and of the two that wait for a slot it was made first.
	c2, got := s.claimRuns("p")
	same(s, "after the first", got, []run.ID{ids[1]})
	s.ends(c[1], run.Done)
	c3, got := s.claimRuns("p")
	same(s, "after the third", got, []run.ID{ids[3]})
	s.ends(c2[0], run.Done)
	_, got = s.claimRuns("p")
	same(s, "after the second", got, []run.ID{ids[4]})
	s.ends(c3[0], run.Done)
}

func turnsNotKeptFromOthers(s *suite) {
	ids := s.beginAll(with("p", hold("a", 1)), with("p", hold("a", 1), hold("slots", 1)), with("p", hold("slots", 1)))
	_, got := s.claimRuns("p")
	same(s, "claimed", got, []run.ID{ids[0], ids[2]})
}

func turnsOrderedAtOnce(s *suite) {
	order := func(key string) store.Hold { return store.Hold{Key: key, Max: 1, Order: true} }
	ids := s.beginAll(with("p", order("a")), with("p", order("a"), order("b"), hold("slots", 1)), with("p", order("b"), hold("slots", 1)),
		with("p", order("b"), order("a"), order("c")), with("p", order("c")), with("p", hold("slots", 1)))
	first, got := s.claimRuns("p")
	same(s, "the second has order b already, and no slot", got, []run.ID{ids[0], ids[5]})
	s.ends(first[0], run.Done)
	_, got = s.claimRuns("p")
	same(s, "the second waits for its slot now", got, nil)
	s.ends(first[1], run.Done)
	_, got = s.claimRuns("p")
	same(s, "then the second alone", got, ids[1:2])
	s.restart()
	second, got := s.claimRuns("p")
	same(s, "after a restart", got, ids[1:2])
	s.ends(second[0], run.Parked)
	both, got := s.claimRuns("p")
	same(s, "then the third, which the fourth stands behind", got, ids[2:3])
	s.ends(both[0], run.Done)
	fourth, got := s.claimRuns("p")
	same(s, "then the fourth, which had c before the fifth", got, ids[3:4])
	s.ends(fourth[0], run.Done)
	_, got = s.claimRuns("p")
	same(s, "and the last", got, ids[4:5])
}

func turnTwice(s *suite) {
	n := with("p", hold("a", 3), hold("b", 1), hold("a", 1))
	ids := s.beginAll(n, n)
	c, got := s.claimRuns("p")
	same(s, "claimed", got, ids[:1])
	s.ends(c[0], run.Done)
	_, got = s.claimRuns("p")
	same(s, "then", got, ids[1:])
}

func turnsDrop(s *suite) {
	n := with("p", hold("slots", 1))
	n.Drop, n.Quota = true, &store.Quota{Key: "p", Max: 2, Per: time.Hour}
	s.limited("the first", s.begin(n), "")
	s.limited("the second", s.begin(n), run.ConcurrencyLimited)
	c, _ := s.claimRuns("p")
	s.ends(c[0], run.Done)
	s.limited("the third: what was dropped used up no quota", s.begin(n), "")
	s.limited("the fourth: its quota is looked at first", s.begin(n), run.RateLimited)
	n = with("q", hold("mine", 1), hold("slots", 1))
	n.Drop = true
	s.limited("a later turn is taken", s.begin(n), run.ConcurrencyLimited)
	c, _ = s.claimRuns("p")
	s.ends(c[0], run.Done)
	s.limited("what was dropped has no turn", s.begin(n), "")
	same(s, "ledger", s.ledger().Runs, map[string]store.RunTerms{
		"p": {Made: 4, Completed: 2, Limited: 2}, "q": {Made: 2, Open: 1, Limited: 1},
	})
}

func turnsRetried(s *suite) {
	n := with("p", hold("slots", 1))
	ids := s.beginAll(n, n)
	c, _ := s.claimRuns("p")
	s.ends(c[0], run.Parked)
	c, got := s.claimRuns("p")
	same(s, "the second", got, ids[1:])
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: ids[0]}), nil)
	again := s.claimOne("@p", run.LaneRetry)
	if again.Run.ID != ids[0] || again.Task.Held {
		s.Errorf("claimed %+v, want the first run beside the second", again.Task)
	}
	s.goesOn(again, hook("A", "g"))
	same(s, "its tasks are not held", s.claimOne("g", run.LaneLive).Run.ID, ids[0])
	s.ends(c[0], run.Done)
}

func turnsUnused(s *suite) {
	s.append(arrival("a"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	first, filtered := newRun(c.Event.ID, "p", hook("A", "g")), newRun(c.Event.ID, "filtered")
	first.Holds = []store.Hold{hold("slots", 2)}
	filtered.Run.State, filtered.Run.Outcome, filtered.Holds = run.Done, run.Filtered, first.Holds
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{first, filtered, first, first}})
	second := s.begin(with("q", hold("slots", 2)))
	_, got := s.claimRuns("q")
	same(s, "the second", got, []run.ID{second})
	s.begin(with("q", hold("slots", 2)))
	_, got = s.claimRuns("q")
	same(s, "the third", got, nil)
}

func turnsBound(s *suite) {
	ids := s.beginAll(with("p", hold("slots", 0)), with("p", hold("slots", 1)), with("p", hold("slots", -1)))
	c, got := s.claimRuns("p")
	same(s, "with a bound of one", got, ids[:1])
	ids = append(ids, s.begin(with("p", hold("slots", 3))))
	more, got := s.claimRuns("p")
	same(s, "with a bound of three", got, ids[1:3])
	ids = append(ids, s.begin(with("p", hold("slots", 1))))
	s.ends(c[0], run.Done)
	s.ends(more[0], run.Done)
	_, got = s.claimRuns("p")
	same(s, "with a bound of one again, and one run left", got, nil)
	s.ends(more[1], run.Done)
	_, got = s.claimRuns("p")
	same(s, "and none left", got, ids[3:4])
}

func turnsDue(s *suite) {
	n := with("p", hold("slots", 1))
	late := n
	late.Tasks = []store.NewTask{{Kind: run.TaskStep, Gate: "@p", Lane: run.LaneLive, In: time.Hour}}
	ids := s.beginAll(n, n, late)
	c, _ := s.claimRuns("p")
	s.clock.advance(time.Minute)
	free := s.begin(with("p"))
	same(s, "due", s.due(), store.Due{Work: []store.Work{{Gate: "@p", Lane: run.LaneLive}}, Next: 59 * time.Minute})
	other, got := s.claimRuns("p")
	same(s, "one without a hold", got, []run.ID{free})
	s.ends(other[0], run.Done)
	s.ends(c[0], run.Done)
	same(s, "due from its turn on", s.due(), store.Due{Work: []store.Work{{Gate: "@p", Lane: run.LaneLive}}, Next: -1})
	c, got = s.claimRuns("p")
	if len(c) != 1 || got[0] != ids[1] || !c[0].Task.Due.Equal(s.clock.now()) {
		s.Fatalf("claimed %v, want the second, due now", got)
	}
	s.ends(c[0], run.Done)
	same(s, "one that is due later", s.due(), store.Due{Next: 59 * time.Minute})
	s.clock.advance(59 * time.Minute)
	_, got = s.claimRuns("p")
	same(s, "the third", got, ids[2:])
}

func turnsHeld(s *suite) {
	n := with("p", hold("slots", 1))
	n.Tasks = []store.NewTask{waiting("A", "g", "1")}
	first, second := s.begin(with("p", hold("slots", 1))), s.begin(n)
	for id, want := range map[run.ID]bool{first: false, second: true} {
		if r := s.record(id); len(r.Tasks) != 1 || r.Tasks[0].Held != want {
			s.Errorf("tasks of %s are %+v, want one, held %t", id, r.Tasks, want)
		}
	}
	s.waits("g")
	by := s.wake(wake("g", "1"))
	s.asleep("held")
	s.waits()
	c, _ := s.claimRuns("p")
	s.ends(c[0], run.Done)
	if c := s.claimOne("w", run.LaneLive); c.Task.Woken != by || c.Task.Held || c.Run.ID != second {
		s.Errorf("claimed %+v, want the task woken by %s", c.Task, by)
	}
}

func turnsAndOrder(s *suite) {
	n := with("p", hold("slots", 1))
	n.Tasks = []store.NewTask{ordered("A", "g", run.LaneLive, "k", 0), ordered("B", "h", run.LaneLive, "k", 0)}
	ids := s.beginAll(n, n)
	a := s.claimOne("g", run.LaneLive)
	same(s, "the key is out", len(s.claim("h", run.LaneLive, 10, time.Hour)), 0)
	s.mustSettle(store.Settlement{Held: a.Held()})
	b := s.claimOne("h", run.LaneLive)
	s.ends(b, run.Done)
	c := s.claimOne("g", run.LaneLive)
	same(s, "the next run", c.Run.ID, ids[1])
	same(s, "the key is out again", len(s.claim("h", run.LaneLive, 10, time.Hour)), 0)
}

func turnsMany(s *suite) {
	const runs, slots = 120, 3
	var ids []run.ID
	for i := range runs {
		ids = append(ids, s.begin(with("p", hold(fmt.Sprint("order ", i%10), 1), hold("slots", slots))))
	}
	var got []run.ID
	for len(got) < runs {
		c, now := s.claimRuns("p")
		if len(c) == 0 || len(c) > slots {
			s.Fatalf("%d runs have a turn after %d, want 1 to %d", len(c), len(got), slots)
		}
		got = append(got, now...)
		for _, c := range c {
			s.ends(c, run.Done)
		}
	}
	same(s, "order", got, ids)
	same(s, "ledger", s.ledger().Runs, map[string]store.RunTerms{"p": {Made: runs, Completed: runs}})
}

func turnsKept(s *suite) {
	n := with("p", hold("a", 1), hold("slots", 2))
	ids := s.beginAll(n, with("p", hold("slots", 2)), n, with("p", hold("slots", 2)))
	_, got := s.claimRuns("p")
	same(s, "before the restart", got, ids[:2])
	s.restart()
	c, got := s.claimRuns("p")
	same(s, "after it", got, ids[:2])
	s.ends(c[0], run.Done)
	_, got = s.claimRuns("p")
	same(s, "the next", got, ids[2:3])
	s.restart()
	c, got = s.claimRuns("p")
	same(s, "after another", got, ids[1:3])
	s.ends(c[0], run.Parked)
	c, got = s.claimRuns("p")
	same(s, "the last", got, ids[3:])
	s.ends(c[0], run.Done)
}

func turnsLedger(s *suite) {
	n := with("p", hold("slots", 1))
	n.Quota = &store.Quota{Key: "p", Max: 4, Per: time.Hour}
	dropped := n
	dropped.Drop = true
	ids := s.beginAll(n, n, dropped, n, n, n)
	same(s, "waiting", s.ledger().Runs, map[string]store.RunTerms{"p": {Made: 6, Open: 4, Limited: 2}})
	for range 4 {
		c, _ := s.claimRuns("p")
		s.ends(c[0], run.Done)
	}
	same(s, "done", s.ledger().Runs, map[string]store.RunTerms{"p": {Made: 6, Completed: 4, Limited: 2}})
	s.clock.advance(2 * time.Hour)
	s.prune(time.Hour, 100)
	same(s, "pruned", s.ledger().Runs, map[string]store.RunTerms{"p": {Made: 6, Pruned: 6}})
	_, err := s.store.Run(s.Context(), ids[2])
	wants(s, "a pruned run", err, store.ErrNotFound)
	same(s, "events", s.ledger().Requests.Pruned, int64(len(map[event.ID]bool{
		ids[0].Event: true, ids[1].Event: true, ids[2].Event: true, ids[3].Event: true, ids[4].Event: true, ids[5].Event: true,
	})))
}
