package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func claimChecks() []check {
	return []check{
		{"tasks are handed out in the order of their due times, then of their ids", claimOrder},
		{"a claim takes from one gate and one lane only", claimLanes},
		{"a claim takes at most what it asks for, and a task once", claimOnce},
		{"tokens strictly increase, over restarts too", tokensGrow},
		{"a step task comes with its run, steps and event", claimedRecord},
		{"no task is handed out before it is due", neverEarly},
		{"Due tells what is due, what comes next and how long the oldest waits", dueTells},
		{"Changed tells of new work", changedTells},
	}
}

func claimOrder(s *suite) {
	id := s.begun("p",
		store.NewTask{Kind: run.TaskStep, Path: "late", Gate: "g", Lane: run.LaneLive, In: 3 * time.Second},
		store.NewTask{Kind: run.TaskStep, Path: "soon", Gate: "g", Lane: run.LaneLive, In: time.Second},
		store.NewTask{Kind: run.TaskStep, Path: "also soon", Gate: "g", Lane: run.LaneLive, In: time.Second},
		store.NewTask{Kind: run.TaskStep, Path: "now", Gate: "g", Lane: run.LaneLive},
	)
	s.clock.advance(5 * time.Second)
	var got []string
	for _, c := range s.claim("g", run.LaneLive, 10, time.Minute) {
		got = append(got, c.Task.Path)
		if c.Task.Run != id || c.Task.Kind != run.TaskStep {
			s.Errorf("task %+v, want a step of run %s", c.Task, id)
		}
	}
	same(s, "order", got, []string{"now", "soon", "also soon", "late"})
}

func claimLanes(s *suite) {
	s.begun("p",
		store.NewTask{Kind: run.TaskStep, Path: "a", Gate: "g", Lane: run.LaneLive},
		store.NewTask{Kind: run.TaskStep, Path: "b", Gate: "g", Lane: run.LaneRetry},
		store.NewTask{Kind: run.TaskStep, Path: "c", Gate: "g", Lane: run.LaneReplay},
		store.NewTask{Kind: run.TaskStep, Path: "d", Gate: "h", Lane: run.LaneLive},
		store.NewTask{Kind: run.TaskStep, Path: "e", Gate: "h"},
	)
	for _, c := range []struct {
		gate string
		lane run.Lane
		want string
	}{
		{"g", run.LaneReplay, "c"},
		{"g", run.LaneLive, "a"},
		{"g", run.LaneRetry, "b"},
		{"h", run.LaneLive, "de"},
		{"h", run.LaneRetry, ""},
		{"unknown", run.LaneLive, ""},
	} {
		got := ""
		for _, task := range s.claim(c.gate, c.lane, 10, time.Minute) {
			got += task.Task.Path
		}
		if got != c.want {
			s.Errorf("gate %s, lane %s gave %q, want %q", c.gate, c.lane, got, c.want)
		}
	}
}

func claimOnce(s *suite) {
	for range 50 {
		s.append(arrival("x"), arrival("y"))
	}
	if got := len(s.claim(run.RouteGate, run.LaneLive, 0, time.Minute)); got != 0 {
		s.Errorf("a claim of none gave %d", got)
	}
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for {
				claimed, err := s.store.Claim(s.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 7, Lease: time.Minute})
				if err != nil {
					s.Errorf("Claim: %v", err)
					return
				}
				if len(claimed) > 7 {
					s.Errorf("%d tasks, want at most 7", len(claimed))
				}
				if len(claimed) == 0 {
					return
				}
				mu.Lock()
				for _, c := range claimed {
					if seen[c.Task.ID] {
						s.Errorf("task %d was handed out twice", c.Task.ID)
					}
					seen[c.Task.ID] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 100 {
		s.Errorf("%d tasks were handed out, want 100", len(seen))
	}
}

func tokensGrow(s *suite) {
	s.append(arrival("a"), arrival("b"), arrival("c"))
	var last int64
	for round := range 4 {
		for _, c := range s.claim(run.RouteGate, run.LaneLive, 10, time.Second) {
			if c.Task.Token <= last {
				s.Errorf("round %d: token %d after %d", round, c.Task.Token, last)
			}
			last = c.Task.Token
		}
		s.clock.advance(2 * time.Second)
		if round == 1 {
			s.restart()
		}
	}
}

func claimedRecord(s *suite) {
	id := s.begun("p", hook("Tell", "chat"))
	c := s.claimOne("chat", run.LaneLive)
	if c.Run == nil {
		s.Fatal("no run")
	}
	want := newRun(id.Event, "p").Run
	want.Created = s.clock.now()
	same(s, "run", *c.Run, want)
	same(s, "steps", c.Steps, []run.Step{step("Opened", run.StepDone)})
	if c.Event.ID != id.Event || string(c.Event.Body) != `{"name":"order.created"}` || c.Event.State != event.Routed {
		s.Errorf("event %s with body %q and state %s, want %s, its body, routed", c.Event.ID, c.Event.Body, c.Event.State, id.Event)
	}
}

func neverEarly(s *suite) {
	in := 90*time.Second + 123*time.Nanosecond
	s.begun("p", store.NewTask{Kind: run.TaskStep, Path: "a", Gate: "g", Lane: run.LaneLive, In: in})
	for _, d := range []time.Duration{0, time.Second, in - time.Second - time.Nanosecond} {
		s.clock.advance(d)
		if got := len(s.claim("g", run.LaneLive, 1, time.Minute)); got != 0 {
			s.Fatalf("the task was handed out %v early", d)
		}
		if d := s.due(); len(d.Work) != 0 || d.Next <= 0 {
			s.Fatalf("Due gave %+v, want no work and a Next in the future", d)
		}
	}
	s.clock.advance(time.Nanosecond)
	s.claimOne("g", run.LaneLive)
}

func dueTells(s *suite) {
	if d := s.due(); len(d.Work) != 0 || d.Next >= 0 || d.Oldest != 0 {
		s.Errorf("an empty store has %+v due", d)
	}
	s.begun("p", hook("a", "g"), hook("b", "g"),
		store.NewTask{Kind: run.TaskStep, Path: "c", Gate: "g", Lane: run.LaneLive, In: time.Minute},
		store.NewTask{Kind: run.TaskStep, Path: "d", Gate: "h", Lane: run.LaneRetry, In: 10 * time.Second})
	same(s, "at first", s.due(), store.Due{Work: []store.Work{{Gate: "g", Lane: run.LaneLive}}, Next: 10 * time.Second})
	s.clock.advance(15 * time.Second)
	same(s, "after 15 s", s.due(), store.Due{
		Work: []store.Work{{Gate: "g", Lane: run.LaneLive}, {Gate: "h", Lane: run.LaneRetry}}, Next: 45 * time.Second, Oldest: 15 * time.Second,
	})
	s.claim("g", run.LaneLive, 10, 20*time.Second)
	same(s, "with g claimed", s.due(), store.Due{
		Work: []store.Work{{Gate: "h", Lane: run.LaneRetry}}, Next: 20 * time.Second, Oldest: 5 * time.Second,
	})
	s.clock.advance(20 * time.Second)
	same(s, "after the leases", s.due(), store.Due{
		Work: []store.Work{{Gate: "g", Lane: run.LaneLive}, {Gate: "h", Lane: run.LaneRetry}}, Next: 25 * time.Second, Oldest: 35 * time.Second,
	})
}

func changedTells(s *suite) {
	drain := func() {
		for {
			select {
			case <-s.store.Changed():
			default:
				return
			}
		}
	}
	told := func(what string) {
		s.Helper()
		select {
		case <-s.store.Changed():
		case <-time.After(10 * time.Second):
			s.Errorf("nothing was told after %s", what)
		}
	}
	drain()
	id := s.append(arrival("a"))[0].ID
	told("an append")
	c := s.claimOne(run.RouteGate, run.LaneLive)
	drain()
	n := newRun(id, "p", hook("Tell", "chat"))
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{n}})
	told("a settlement")
	c = s.claimOne("chat", run.LaneLive)
	drain()
	wants(s, "Release", s.store.Release(s.Context(), []store.Held{c.Held()}), nil)
	told("a release")
	drain()
	wants(s, "SetGate", s.store.SetGate(s.Context(), store.Gate{Name: "chat", State: store.GatePaused}, store.By{}), nil)
	drain()
	wants(s, "SetGate", s.store.SetGate(s.Context(), store.Gate{Name: "chat", State: store.GateOpen, Version: 1}, store.By{}), nil)
	told("an opened gate")
	drain()
	if n, err := s.store.Replay(s.Context(), store.ReplayAsk{Request: "r1", Events: []event.ID{id}}); n != 1 || err != nil {
		s.Fatalf("Replay gave %d, %v", n, err)
	}
	told("a replay")
	for i := range 5 { // a full channel must not block the store
		s.append(arrival(fmt.Sprint("more", i)))
	}
}
