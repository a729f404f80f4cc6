package storetest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func batchChecks() []check {
	return []check{
		{"a batch is due when its time has passed, with all that came in", batchByTime},
		{"a batch is due when its count is reached, and takes no more", batchByCount},
		{"nothing comes into a batch that was claimed", batchClaimed},
		{"the tasks of later items are due at once and know who leads", batchFollowers},
		{"batches of different keys do not mix", batchKeys},
		{"a batch of one is due at once", batchOfOne},
		{"an item counts once", batchItemOnce},
		{"a leader that was parked leads the same batch, due at once", batchLeaderParked},
		{"a batch whose leader is parked or ends takes no more", batchLeaderGone},
		{"a follower that was parked asks for the batch that carried its item on", batchFollowerParked},
		{"items of one run can lead and follow", batchOneRun},
		{"a batch whose lease is lost is handed out whole again", batchLost},
		{"batches outlive a restart", batchKept},
		{"items come back byte for byte, and large ones too", batchItems},
		{"an item that finds no room makes the batch due at once and opens the next one", batchNoRoom},
		{"room is kept over a restart and used to its last byte", batchRoomKept},
		{"an item larger than a batch is alone in its own", batchTooLarge},
		{"a batch without a count is closed by the largest one, and a gate's tasks are counted no further", batchMostItems},
	}
}

func gathers(path, key, item string, count int) store.NewTask {
	return store.NewTask{
		Kind: run.TaskWait, Path: path, Gate: "b", Lane: run.LaneLive, In: 10 * time.Minute,
		Gather: &store.Gather{Key: key, Item: json.RawMessage(item), Count: count},
	}
}

// items gives a run an item for a batch.
func (s *suite) gather(key, item string, count int) run.ID {
	s.Helper()
	return s.begun("p", gathers("B", key, item, count))
}

// gathered checks what a claimed task was told of its batch; a leader's items are want.
func (s *suite) gathered(what string, c store.Claimed, leader run.ID, want ...string) {
	s.Helper()
	if c.Gathered == nil {
		s.Errorf("%s: nothing gathered", what)
		return
	}
	w := store.Gathered{Leader: leader, Leads: len(want) > 0}
	for _, item := range want {
		w.Items = append(w.Items, json.RawMessage(item))
	}
	same(s, what, *c.Gathered, w)
}

// followers claims n tasks that follow a leader and settles them.
func (s *suite) followers(n int, leader run.ID) {
	s.Helper()
	claimed := s.claim("b", run.LaneLive, 100, time.Minute)
	if len(claimed) != n {
		s.Fatalf("%d tasks follow, want %d: %v", len(claimed), n, paths(claimed))
	}
	for _, c := range claimed {
		s.gathered("a follower", c, leader)
		s.ends(c, run.Done)
	}
}

func batchByTime(s *suite) {
	leader := s.gather("k", "1", 0)
	same(s, "due", s.due(), store.Due{Next: 10 * time.Minute})
	s.clock.advance(9 * time.Minute)
	s.gather("k", "2", 0)
	s.gather("k", "3", 5)
	s.followers(2, leader)
	s.clock.advance(2 * time.Minute)
	s.gather("k", "4", 0) // it is due, and not yet claimed
	claimed := s.claim("b", run.LaneLive, 10, time.Minute)
	if len(claimed) != 2 {
		s.Fatalf("%d tasks, want the leader and one that follows", len(claimed))
	}
	s.gathered("the leader", claimed[0], leader, "1", "2", "3", "4")
	s.gathered("the last one", claimed[1], leader)
	s.ends(claimed[0], run.Done)
	s.ends(claimed[1], run.Done)
	next := s.gather("k", "5", 0)
	s.clock.advance(10 * time.Minute)
	s.gathered("the next batch", s.claimOne("b", run.LaneLive), next, "5")
}

func batchByCount(s *suite) {
	leader := s.gather("k", "1", 3)
	s.gather("k", "2", 1) // the count of who leads is what counts
	s.followers(1, leader)
	s.clock.advance(time.Minute)
	s.gather("k", "3", 3)
	second := s.gather("k", "4", 3)
	claimed := s.claim("b", run.LaneLive, 10, time.Minute)
	if len(claimed) != 2 {
		s.Fatalf("%d tasks, want the leader and one that follows", len(claimed))
	}
	s.gathered("the leader", claimed[0], leader, "1", "2", "3")
	if !claimed[0].Task.Due.Equal(s.clock.now()) {
		s.Errorf("the leader is due at %s, want now, %s", claimed[0].Task.Due, s.clock.now())
	}
	s.gathered("a follower", claimed[1], leader)
	s.ends(claimed[0], run.Done)
	s.ends(claimed[1], run.Done)
	s.clock.advance(10 * time.Minute)
	s.gathered("the second batch", s.claim("b", run.LaneLive, 1, time.Minute)[0], second, "4")
}

func batchClaimed(s *suite) {
	leader := s.gather("k", "1", 0)
	s.clock.advance(10 * time.Minute)
	c := s.claimOne("b", run.LaneLive)
	second := s.gather("k", "2", 0)
	same(s, "due", len(s.claim("b", run.LaneLive, 10, time.Minute)), 0)
	s.mustSettle(store.Settlement{Held: c.Held(), Then: store.Then{Again: true}})
	c = s.claimOne("b", run.LaneLive)
	s.gathered("put back and claimed again", c, leader, "1")
	s.ends(c, run.Done)
	s.clock.advance(10 * time.Minute)
	s.gathered("the second", s.claimOne("b", run.LaneLive), second, "2")
}

func batchFollowers(s *suite) {
	leader := s.gather("k", "1", 0)
	id := s.gather("k", "2", 0)
	c := s.claimOne("b", run.LaneLive)
	s.gathered("the follower", c, leader)
	if c.Run.ID != id || !c.Task.Due.Equal(s.clock.now()) {
		s.Errorf("claimed %+v, want the task of %s, due now", c.Task, id)
	}
	s.goesOn(c, hook("A", "g"))
	if got := s.claimOne("g", run.LaneLive); got.Gathered != nil {
		s.Errorf("a task that gathers nothing has %+v", got.Gathered)
	}
}

func batchKeys(s *suite) {
	one, two := s.gather("k1", "1", 2), s.gather("k2", "2", 2)
	s.gather("k1", "3", 2)
	claimed := s.claim("b", run.LaneLive, 10, time.Minute)
	if len(claimed) != 2 {
		s.Fatalf("%d tasks, want those of one batch", len(claimed))
	}
	s.gathered("the first", claimed[0], one, "1", "3")
	s.clock.advance(10 * time.Minute)
	for _, c := range s.claim("b", run.LaneLive, 10, time.Minute) {
		if c.Run.ID == two {
			s.gathered("the second", c, two, "2")
			return
		}
	}
	s.Error("the second batch did not come")
}

func batchOfOne(s *suite) {
	for i := range 2 {
		id := s.gather("k", fmt.Sprint(i), 1)
		c := s.claimOne("b", run.LaneLive)
		s.gathered("alone", c, id, fmt.Sprint(i))
		s.ends(c, run.Done)
	}
}

func batchItemOnce(s *suite) {
	id := s.begun("p", gathers("B", "k", "1", 0), gathers("B", "k", "2", 0), hook("A", "g"))
	s.goesOn(s.claimOne("g", run.LaneLive), gathers("B", "k", "3", 0))
	s.clock.advance(10 * time.Minute)
	c := s.claimOne("b", run.LaneLive)
	s.gathered("the leader", c, id, "1")
	// Its task is closed with the run open: asked for again it is the same batch still.
	s.goesOn(c, gathers("B", "k", "4", 0))
	c = s.claimOne("b", run.LaneLive)
	s.gathered("asked for again", c, id, "1")
}

func batchLeaderParked(s *suite) {
	leader := s.gather("k", "1", 2)
	s.gather("k", "2", 2)
	claimed := s.claim("b", run.LaneLive, 10, time.Minute)
	s.ends(claimed[0], run.Parked)
	s.ends(claimed[1], run.Done)
	other := s.gather("k", "3", 9)
	for range 2 {
		wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: fmt.Sprint(s.record(leader).Run.Round), Run: leader}), nil)
		s.goesOn(s.claimOne("@p", run.LaneRetry), gathers("B", "k", "again", 2))
		c := s.claimOne("b", run.LaneLive)
		s.gathered("after the retry", c, leader, "1", "2")
		s.ends(c, run.Parked)
	}
	s.clock.advance(10 * time.Minute)
	s.gathered("the other batch", s.claimOne("b", run.LaneLive), other, "3")
}

func batchLeaderGone(s *suite) {
	for _, state := range []run.State{run.Parked, run.Done, run.Dropped} {
		leader := s.begun("p", gathers("B", "k", "1", 3), hook("A", "g"))
		s.gather("k", "2", 3)
		s.followers(1, leader)
		s.ends(s.claimOne("g", run.LaneLive), state)
		next := s.gather("k", "3", 3)
		s.asleepAt("b")
		s.clock.advance(10 * time.Minute)
		c := s.claimOne("b", run.LaneLive)
		s.gathered("the next one leads", c, next, "3")
		s.ends(c, run.Done)
		if state != run.Parked {
			continue
		}
		wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: leader}), nil)
		s.goesOn(s.claimOne("@p", run.LaneRetry), gathers("B", "k", "again", 3))
		c = s.claimOne("b", run.LaneLive)
		s.gathered("after the retry", c, leader, "1", "2")
		s.ends(c, run.Parked)
		wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "d", Run: leader}), nil)
	}
}

func (s *suite) asleepAt(gate string) {
	s.Helper()
	if claimed := s.claim(gate, run.LaneLive, 10, time.Minute); len(claimed) != 0 {
		s.Fatalf("claimed %+v at %s, want nothing", claimed[0].Task, gate)
	}
}

func batchFollowerParked(s *suite) {
	leader := s.gather("k", "1", 0)
	follower := s.begun("p", gathers("B", "k", "2", 0), hook("A", "g"))
	s.ends(s.claimOne("g", run.LaneLive), run.Parked)
	again := func(round int) {
		s.Helper()
		wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: fmt.Sprint(round), Run: follower}), nil)
		s.goesOn(s.claimOne("@p", run.LaneRetry), gathers("B", "k", "2", 0))
		c := s.claimOne("b", run.LaneLive)
		s.gathered("the follower", c, leader)
		s.ends(c, run.Parked)
	}
	again(0)
	s.clock.advance(10 * time.Minute)
	c := s.claimOne("b", run.LaneLive)
	s.gathered("the leader", c, leader, "1", "2")
	s.ends(c, run.Done)
	again(1)
	s.restart()
	again(2)
}

func batchOneRun(s *suite) {
	id := s.begun("p", gathers("Each[0]/B", "k", "0", 3), gathers("Each[1]/B", "k", "1", 3), gathers("Each[2]/B", "k", "2", 3), gathers("Each[3]/B", "k", "3", 3))
	claimed := s.claim("b", run.LaneLive, 10, time.Minute)
	same(s, "due", paths(claimed), []string{"Each[0]/B", "Each[1]/B", "Each[2]/B"})
	s.gathered("the first leads", claimed[0], id, "0", "1", "2")
	s.gathered("the second follows", claimed[1], id)
}

func batchLost(s *suite) {
	leader := s.gather("k", "1", 2)
	s.gather("k", "2", 2)
	for lost := range 3 {
		claimed := s.claim("b", run.LaneLive, 10, time.Minute)
		if len(claimed) != 2 || claimed[0].Task.Lost != lost {
			s.Fatalf("claimed %+v, want two, lost %d times", claimed, lost)
		}
		s.gathered("the leader", claimed[0], leader, "1", "2")
		s.gathered("the follower", claimed[1], leader)
		s.clock.advance(time.Minute)
	}
}

func batchKept(s *suite) {
	leader := s.gather("k", "1", 3)
	s.gather("k", "2", 3)
	s.restart()
	s.followers(1, leader)
	s.gather("k", "3", 3)
	s.restart()
	claimed := s.claim("b", run.LaneLive, 10, time.Minute)
	if len(claimed) != 2 {
		s.Fatalf("%d tasks, want two", len(claimed))
	}
	s.gathered("the leader", claimed[0], leader, "1", "2", "3")
	s.restart()
	claimed = s.claim("b", run.LaneLive, 10, time.Minute)
	s.gathered("the leader of a process that died", claimed[0], leader, "1", "2", "3")
	s.ends(claimed[0], run.Parked)
	s.restart()
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: leader}), nil)
	s.goesOn(s.claimOne("@p", run.LaneRetry), gathers("B", "k", "again", 3))
	got := s.claim("b", run.LaneLive, 10, time.Minute)
	if len(got) == 0 {
		s.Fatal("the leader is not due")
	}
	s.gathered("the leader tried again", got[len(got)-1], leader, "1", "2", "3")
}

func batchItems(s *suite) {
	want := []string{`{"b": 1, "a": "<&>"}`, ` null`, sized(run.MaxBatchBytes - 100), `9007199254740993`}
	leader := s.gather("k", want[0], len(want))
	for _, item := range want[1:] {
		s.gather("k", item, 0)
	}
	c := s.claim("b", run.LaneLive, 10, time.Minute)
	s.gathered("the leader", c[0], leader, want...)
}

// sized gives an item of n bytes.
func sized(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = 'a' + byte(i%26)
	}
	text[0], text[n-1] = '"', '"'
	return string(text)
}

func batchNoRoom(s *suite) {
	third := sized(run.MaxBatchBytes / 3)
	first := s.gather("k", third, 100)
	s.gather("other", third, 100)
	s.gather("k", third, 100)
	s.followers(1, first)
	s.gather("k", third, 100)
	s.followers(1, first)
	s.clock.advance(time.Minute)
	second := s.gather("k", `12`, 100)
	c := s.claimOne("b", run.LaneLive)
	s.gathered("the full one", c, first, third, third, third)
	if !c.Task.Due.Equal(s.clock.now()) {
		s.Errorf("the leader is due at %s, want now, %s", c.Task.Due, s.clock.now())
	}
	s.ends(c, run.Done)
	s.gather("k", third, 100)
	s.followers(1, second)
	s.asleepAt("b")
	s.clock.advance(10 * time.Minute)
	for _, c := range s.claim("b", run.LaneLive, 10, time.Minute) {
		if c.Run.ID == second {
			s.gathered("the next one", c, second, `12`, third)
			return
		}
	}
	s.Error("the next batch did not come")
}

func batchRoomKept(s *suite) {
	first := s.gather("k", sized(run.MaxBatchBytes-10), 0)
	s.restart()
	s.gather("k", sized(10), 0)
	s.followers(1, first)
	s.restart()
	second := s.gather("k", `1`, 0)
	s.restart()
	c := s.claimOne("b", run.LaneLive)
	s.gathered("the full one", c, first, sized(run.MaxBatchBytes-10), sized(10))
	s.ends(c, run.Parked)
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: first}), nil)
	s.goesOn(s.claimOne("@p", run.LaneRetry), gathers("B", "k", "again", 0))
	s.gathered("tried again", s.claimOne("b", run.LaneLive), first, sized(run.MaxBatchBytes-10), sized(10))
	s.gather("k", `2`, 2)
	s.followers(1, second)
}

func batchTooLarge(s *suite) {
	first := s.gather("k", `1`, 0)
	huge := s.gather("k", sized(run.MaxBatchBytes+1), 0)
	c := s.claimOne("b", run.LaneLive)
	s.gathered("the one before", c, first, `1`)
	s.ends(c, run.Done)
	last := s.gather("k", `2`, 0)
	c = s.claimOne("b", run.LaneLive)
	s.gathered("the large one", c, huge, sized(run.MaxBatchBytes+1))
	s.ends(c, run.Done)
	s.clock.advance(10 * time.Minute)
	s.gathered("the one after", s.claimOne("b", run.LaneLive), last, `2`)
}

func batchMostItems(s *suite) {
	tasks := make([]store.NewTask, run.MaxBatchItems+1)
	for i := range tasks {
		tasks[i] = gathers(fmt.Sprintf("Each[%d]/B", i), "k", "1", 0)
	}
	id := s.begun("p", tasks...)
	if gates, err := s.store.Gates(s.Context()); err != nil || len(gates) != 1 || gates[0].Waiting != store.MaxWaiting {
		s.Errorf("gates %+v, %v, want one with %d tasks", gates, err, store.MaxWaiting)
	}
	c := s.claim("b", run.LaneLive, 1, time.Minute)
	if len(c) != 1 || c[0].Task.Path != "Each[0]/B" || c[0].Gathered == nil || len(c[0].Gathered.Items) != run.MaxBatchItems {
		s.Fatalf("claimed %v, want the leader with %d items", paths(c), run.MaxBatchItems)
	}
	same(s, "the leader", c[0].Gathered.Leader, id)
	// Who found no room leads the next batch, and waits for others; who came in goes on at once.
	waits := 0
	for _, t := range s.record(id).Tasks {
		if t.Due.After(s.clock.now()) {
			waits++
			same(s, "who waits", t.Path, fmt.Sprintf("Each[%d]/B", run.MaxBatchItems))
		}
	}
	same(s, "how many wait", waits, 1)
}
