package storetest

import (
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func leaseChecks() []check {
	return []check{
		{"a lease that runs out makes the task due again, lost once more, its attempt unknown", leaseRunsOut},
		{"a lost lease of a task without a hook is lost but no attempt", lostWithoutHook},
		{"leases lost in a row are counted until one is settled", lostInARow},
		{"a stale settlement changes nothing", staleSettlement},
		{"a holder may settle late as long as nobody took the task back", lateHolder},
		{"an extended lease holds, a lost one cannot be extended", extend},
		{"a released task is due at once and was not charged", release},
		{"claims of a process that ended are lost at the restart", lostAtRestart},
		{"a thousand lost leases are all taken back", manyLost},
	}
}

func leaseRunsOut(s *suite) {
	id := s.begun("p", hook("Tell", "chat"))
	first := s.claim("chat", run.LaneLive, 1, 30*time.Second)[0]
	claimed := s.clock.now()
	s.clock.advance(30*time.Second - time.Nanosecond)
	if got := len(s.claim("chat", run.LaneLive, 1, time.Minute)); got != 0 {
		s.Fatal("the task was handed out before the lease had run out")
	}
	s.clock.advance(time.Nanosecond)
	c := s.claimOne("chat", run.LaneLive)
	want := first.Task
	want.Lost, want.N, want.Token, want.First = 1, 1, c.Task.Token, claimed
	same(s, "task", c.Task, want)
	if !c.Reclaimed || c.Task.Token <= first.Task.Token {
		s.Errorf("reclaimed %t with token %d after %d", c.Reclaimed, c.Task.Token, first.Task.Token)
	}
	same(s, "attempts", s.record(id).Attempts, []run.Attempt{{
		Path: "Tell", N: 1, Destination: "chat", Started: claimed, Took: 30 * time.Second,
		Outcome: run.AttemptUnknown, Code: store.CodeLeaseLost,
	}})
	if got := s.record(id).Run.Version; got != 1 {
		s.Errorf("the lost lease moved the run to version %d, want 1", got)
	}
}

func lostWithoutHook(s *suite) {
	s.begun("p", store.NewTask{Kind: run.TaskStep, Gate: "@p", Lane: run.LaneLive}, store.NewTask{Kind: run.TaskTimer, Path: "Wait", Gate: "@p", Lane: run.LaneLive})
	s.append(arrival("x"))
	s.claim("@p", run.LaneLive, 10, time.Second)
	s.claim(run.RouteGate, run.LaneLive, 10, time.Second)
	s.clock.advance(time.Second)
	for _, c := range append(s.claim("@p", run.LaneLive, 10, time.Second), s.claim(run.RouteGate, run.LaneLive, 10, time.Second)...) {
		if !c.Reclaimed || c.Task.Lost != 1 || c.Task.N != 0 {
			s.Errorf("%s task: reclaimed %t, lost %d, n %d, want true, 1, 0", c.Task.Kind, c.Reclaimed, c.Task.Lost, c.Task.N)
		}
		if c.Run != nil {
			if got := s.record(c.Run.ID).Attempts; len(got) != 0 {
				s.Errorf("attempts %v, want none", got)
			}
		}
	}
}

func lostInARow(s *suite) {
	id := s.begun("p", hook("Tell", "chat"))
	for i := range 3 {
		c := s.claimOne("chat", run.LaneLive)
		if c.Task.Lost != i || c.Task.N != i {
			s.Errorf("claim %d: lost %d, n %d, want both %d", i, c.Task.Lost, c.Task.N, i)
		}
		s.clock.advance(time.Minute)
	}
	c := s.claimOne("chat", run.LaneLive)
	s.mustSettle(store.Settlement{Held: c.Held(), Then: store.Then{Again: true, N: c.Task.N + 1}})
	if c = s.claimOne("chat", run.LaneLive); c.Task.Lost != 0 || c.Task.N != 4 || c.Reclaimed {
		s.Errorf("after a settlement: lost %d, n %d, reclaimed %t, want 0, 4, false", c.Task.Lost, c.Task.N, c.Reclaimed)
	}
	for i, a := range s.record(id).Attempts {
		if a.N != i+1 {
			s.Errorf("attempt %d has the number %d", i+1, a.N)
		}
	}
}

func staleSettlement(s *suite) {
	id := s.begun("p", hook("Tell", "chat"))
	stale := s.claim("chat", run.LaneLive, 1, time.Second)[0]
	s.clock.advance(2 * time.Second)
	holder := s.claimOne("chat", run.LaneLive)
	before, ledger := s.record(id), s.ledger()
	gate := store.Gate{Name: "chat", State: store.GateDisabled}
	for _, held := range []store.Held{stale.Held(), {Task: holder.Task.ID, Token: holder.Task.Token + 1}, {Task: holder.Task.ID}, {Task: 999999, Token: 1}} {
		wants(s, fmt.Sprintf("settling %+v", held), s.settle(store.Settlement{
			Held: held, Routed: true, NewRuns: []store.NewRun{newRun(id.Event, "other", hook("Tell", "chat"))},
			Run: &store.RunDelta{
				ID: id, Version: 1, State: run.Done, Outcome: run.Completed, Steps: []run.Step{step("Tell", run.StepDone)},
				Attempts: []run.Attempt{attempt("Tell", 1, run.AttemptOK)},
			},
			Events: []store.Arrival{arrival("emitted")}, Gate: &gate,
		}), store.ErrFenced)
	}
	same(s, "record", s.record(id), before)
	same(s, "ledger", s.ledger(), ledger)
	if g, err := s.store.Gate(s.Context(), "chat"); err != nil || g.State != "" || g.Version != 0 {
		s.Errorf("the gate became %+v, %v", g, err)
	}
	s.mustSettle(store.Settlement{Held: holder.Held()})
}

func lateHolder(s *suite) {
	s.begun("p", hook("Tell", "chat"), hook("Other", "other"))
	c := s.claim("chat", run.LaneLive, 1, time.Second)[0]
	s.clock.advance(time.Hour)
	s.mustSettle(store.Settlement{Held: c.Held()})
	c = s.claim("other", run.LaneLive, 1, time.Second)[0]
	s.clock.advance(time.Hour)
	s.claim("chat", run.LaneLive, 1, time.Second) // takes back what ran out, at any gate
	wants(s, "settling what was taken back", s.settle(store.Settlement{Held: c.Held()}), store.ErrFenced)
}

func extend(s *suite) {
	s.begun("p", hook("a", "g"), hook("b", "g"))
	c := s.claim("g", run.LaneLive, 2, 30*time.Second)
	held := []store.Held{c[0].Held(), c[1].Held()}
	s.clock.advance(20 * time.Second)
	errs, err := s.store.Extend(s.Context(), held[:1], 30*time.Second)
	if err != nil || errs[0] != nil {
		s.Fatalf("Extend gave %v, %v", errs, err)
	}
	s.clock.advance(15 * time.Second)
	again := s.claim("g", run.LaneLive, 2, 30*time.Second)
	if len(again) != 1 || again[0].Task.Path != "b" {
		s.Fatalf("%d tasks claimed, want b alone", len(again))
	}
	errs, err = s.store.Extend(s.Context(), append(held, store.Held{Task: 12345, Token: 1}), time.Minute)
	if err != nil || errs[0] != nil {
		s.Errorf("Extend gave %v, %v", errs, err)
	}
	wants(s, "extending a lost lease", errs[1], store.ErrFenced)
	wants(s, "extending what is no task", errs[2], store.ErrFenced)
}

func release(s *suite) {
	id := s.begun("p", hook("Tell", "chat"))
	first := s.claimOne("chat", run.LaneLive)
	wants(s, "Release", s.store.Release(s.Context(), []store.Held{first.Held(), {Task: 77, Token: 7}}), nil)
	c := s.claimOne("chat", run.LaneLive)
	want := first.Task
	want.Token = c.Task.Token
	same(s, "task", c.Task, want)
	if c.Reclaimed || len(s.record(id).Attempts) != 0 {
		s.Errorf("a released task is reclaimed %t with attempts %v", c.Reclaimed, s.record(id).Attempts)
	}
	wants(s, "a stale release", s.store.Release(s.Context(), []store.Held{first.Held()}), nil)
	if got := len(s.claim("chat", run.LaneLive, 1, time.Minute)); got != 0 {
		s.Error("a stale release freed the task of another holder")
	}
	wants(s, "settling what was released", s.settle(store.Settlement{Held: first.Held()}), store.ErrFenced)
	s.mustSettle(store.Settlement{Held: c.Held()})
}

func lostAtRestart(s *suite) {
	id := s.begun("p", hook("Tell", "chat"), hook("Later", "chat"))
	before := s.claim("chat", run.LaneLive, 1, time.Hour)[0]
	s.restart()
	wants(s, "settling a claim of before", s.settle(store.Settlement{Held: before.Held()}), store.ErrFenced)
	c := s.claim("chat", run.LaneLive, 10, time.Minute)
	if len(c) != 2 || c[0].Task.Path != "Tell" || !c[0].Reclaimed || c[0].Task.Lost != 1 || c[0].Task.N != 1 {
		s.Fatalf("claimed %+v, want Tell reclaimed first", c)
	}
	if c[1].Reclaimed || c[1].Task.Lost != 0 {
		s.Errorf("a task that nobody held: reclaimed %t, lost %d", c[1].Reclaimed, c[1].Task.Lost)
	}
	if got := s.record(id).Attempts; len(got) != 1 || got[0].Outcome != run.AttemptUnknown {
		s.Errorf("attempts %+v, want one unknown", got)
	}
}

func manyLost(s *suite) {
	var arrivals []store.Arrival
	for range 1000 {
		arrivals = append(arrivals, arrival("x"))
	}
	s.append(arrivals...)
	for range 10 {
		s.claim(run.RouteGate, run.LaneLive, 100, time.Second)
	}
	s.clock.advance(time.Second)
	got := 0
	for range 10 {
		for _, c := range s.claim(run.RouteGate, run.LaneLive, 100, time.Minute) {
			if c.Reclaimed && c.Task.Lost == 1 {
				got++
			}
		}
	}
	if got != 1000 {
		s.Errorf("%d tasks were taken back, want 1000", got)
	}
}
