package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func orderChecks() []check {
	return []check{
		{"of one order key never two are out, over gates and lanes", orderOneAtATime},
		{"an order key is free again however its claim ends", orderFreed},
		{"an order key's tasks come in the order of their due times", orderByDue},
		{"order keys hold under many claimers", orderConcurrent},
		{"events of one order key are routed one at a time", orderRoutes},
		{"a task behind its order key does not hold up others", orderOthersPass},
	}
}

func ordered(path, gate string, lane run.Lane, key string, in time.Duration) store.NewTask {
	return store.NewTask{Kind: run.TaskStep, Path: path, Gate: gate, Lane: lane, Order: key, In: in}
}

func orderOneAtATime(s *suite) {
	s.begun("p", ordered("a", "g", run.LaneLive, "k", 0), ordered("b", "g", run.LaneLive, "k", 0), ordered("c", "g", run.LaneRetry, "k", 0),
		ordered("d", "h", run.LaneLive, "k", 0), ordered("e", "h", run.LaneLive, "other", 0))
	c := s.claim("g", run.LaneLive, 10, time.Minute)
	if len(c) != 1 || c[0].Task.Path != "a" || c[0].Task.Order != "k" {
		s.Fatalf("claimed %d tasks, want a alone", len(c))
	}
	if got := len(s.claim("g", run.LaneRetry, 10, time.Minute)); got != 0 {
		s.Error("a second task of the key is out in another lane")
	}
	same(s, "due", s.due().Work, []store.Work{{Gate: "h", Lane: run.LaneLive}})
	h := s.claim("h", run.LaneLive, 10, time.Minute)
	if len(h) != 1 || h[0].Task.Path != "e" {
		s.Fatalf("claimed %d tasks at h, want e alone", len(h))
	}
	same(s, "due with e out", s.due().Work, []store.Work(nil))
	s.mustSettle(store.Settlement{Held: c[0].Held()})
	same(s, "due after a", s.due().Work, []store.Work{{Gate: "g", Lane: run.LaneLive}, {Gate: "g", Lane: run.LaneRetry}, {Gate: "h", Lane: run.LaneLive}})
	if got := s.claimOne("h", run.LaneLive).Task.Path; got != "d" {
		s.Errorf("claimed %s, want d", got)
	}
	if got := len(s.claim("g", run.LaneLive, 10, time.Minute)); got != 0 {
		s.Error("a second task of the key is out at another gate")
	}
}

func orderFreed(s *suite) {
	id := s.begun("p", ordered("a", "g", run.LaneLive, "k", 0), ordered("b", "h", run.LaneLive, "k", 0))
	blocked := func(what string, want int) {
		s.Helper()
		c := s.claim("h", run.LaneLive, 10, time.Minute)
		if len(c) != want {
			s.Errorf("%s: %d tasks at h, want %d", what, len(c), want)
		}
		for _, c := range c {
			wants(s, "Release", s.store.Release(s.Context(), []store.Held{c.Held()}), nil)
		}
	}
	c := s.claimOne("g", run.LaneLive)
	blocked("with a out", 0)
	wants(s, "Release", s.store.Release(s.Context(), []store.Held{c.Held()}), nil)
	blocked("after the release", 1)
	c = s.claimOne("g", run.LaneLive)
	blocked("with a out again", 0)
	s.mustSettle(store.Settlement{Held: c.Held(), Then: store.Then{Again: true, N: 1, In: time.Hour}})
	blocked("with a due again later", 1)
	s.clock.advance(time.Hour)
	s.claim("g", run.LaneLive, 1, time.Second)
	blocked("with a out a third time", 0)
	s.clock.advance(time.Second)
	blocked("after the lease", 1)
	s.claimOne("g", run.LaneLive)
	s.restart()
	blocked("after a restart", 1)
	c = s.claimOne("g", run.LaneLive)
	other := s.begun("q", ordered("c", "h", run.LaneLive, "k", 0))
	blocked("with a out and a new one behind it", 0)
	s.mustSettle(store.Settlement{Held: c.Held(), Run: &store.RunDelta{ID: id, Version: 1, State: run.Done, Outcome: run.Completed}})
	if got := s.claimOne("h", run.LaneLive); got.Task.Run != other {
		s.Errorf("claimed a task of %s, want one of %s: the first run has ended", got.Task.Run, other)
	}
}

func orderByDue(s *suite) {
	s.begun("p", ordered("third", "g", run.LaneLive, "k", 3*time.Second), ordered("first", "g", run.LaneLive, "k", 0),
		ordered("second", "g", run.LaneLive, "k", time.Second), ordered("fourth", "g", run.LaneLive, "k", 3*time.Second))
	s.clock.advance(time.Minute)
	var got []string
	for range 4 {
		c := s.claim("g", run.LaneLive, 10, time.Minute)
		if len(c) != 1 {
			s.Fatalf("%d tasks out at once, want 1", len(c))
		}
		got = append(got, c[0].Task.Path)
		s.mustSettle(store.Settlement{Held: c[0].Held()})
	}
	same(s, "order", got, []string{"first", "second", "third", "fourth"})
}

func orderConcurrent(s *suite) {
	const keys, each = 5, 20
	var tasks []store.NewTask
	for i := range keys * each {
		tasks = append(tasks, ordered(fmt.Sprint("t", i), fmt.Sprint("g", i%3), run.LaneLive, fmt.Sprint("k", i%keys), 0))
	}
	s.begun("p", tasks...)
	var mu sync.Mutex
	out := map[string]int{}
	total := 0
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for {
				mu.Lock()
				finished := total == keys*each
				mu.Unlock()
				if finished || s.Failed() {
					return
				}
				claimed, err := s.store.Claim(s.Context(), store.Claim{Gate: fmt.Sprint("g", w%3), Lane: run.LaneLive, Max: 3, Lease: time.Hour})
				if err != nil {
					s.Errorf("Claim: %v", err)
					return
				}
				for _, c := range claimed {
					mu.Lock()
					if out[c.Task.Order]++; out[c.Task.Order] > 1 {
						s.Errorf("two tasks of %s are out", c.Task.Order)
					}
					mu.Unlock()
				}
				for _, c := range claimed {
					mu.Lock()
					out[c.Task.Order]--
					total++
					mu.Unlock()
					if errs, err := s.store.Settle(s.Context(), []store.Settlement{{Held: c.Held()}}); err != nil || errs[0] != nil {
						s.Errorf("Settle: %v, %v", errs, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func orderRoutes(s *suite) {
	for range 3 {
		a := arrival("x")
		a.Order = "k"
		s.append(a, arrival("y"))
	}
	c := s.claim(run.RouteGate, run.LaneLive, 10, time.Minute)
	if len(c) != 4 {
		s.Fatalf("%d tasks are out, want one of the key and three others", len(c))
	}
	for range 2 {
		s.mustSettle(store.Settlement{Held: c[0].Held()})
		if c = s.claim(run.RouteGate, run.LaneLive, 10, time.Minute); len(c) != 1 {
			s.Fatalf("%d tasks are out, want the next of the key", len(c))
		}
	}
}

func orderOthersPass(s *suite) {
	tasks := []store.NewTask{ordered("first", "g", run.LaneLive, "k", 0)}
	for i := range 200 {
		tasks = append(tasks, ordered(fmt.Sprint("behind", i), "g", run.LaneLive, "k", 0))
	}
	tasks = append(tasks, ordered("free", "g", run.LaneLive, "", time.Second), ordered("other", "g", run.LaneLive, "other", time.Second))
	s.begun("p", tasks...)
	s.clock.advance(time.Second)
	var got []string
	for _, c := range s.claim("g", run.LaneLive, 3, time.Minute) {
		got = append(got, c.Task.Path)
	}
	same(s, "claimed", got, []string{"first", "free", "other"})
}
