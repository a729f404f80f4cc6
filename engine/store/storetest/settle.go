package storetest

import (
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func settleChecks() []check {
	return []check{
		{"each settlement of a batch is all or nothing", settleBatch},
		{"a settlement for an older version of the run is refused whole", settleMoved},
		{"a run that is made twice is made once", runOnce},
		{"a run keeps its input and depth, and lists do not carry the input", runInput},
		{"a run made done has its outcome and no tasks", runBornDone},
		{"a task is added once as long as it is open", taskOnce},
		{"a task that is due again keeps what it knows", dueAgain},
		{"a run that ends closes all its tasks, claimed ones too", runEnds},
		{"a step replaces the earlier one of its path", stepsReplaced},
		{"attempts are kept in order, answers and all", attemptsKept},
		{"events that a run emits are appended and de-duplicated with the settlement", emitted},
		{"a settlement writes a gate whatever its version", settleGate},
		{"an event is routed once, and only an accepted one", routedOnce},
		{"a large output comes back whole", largeOutput},
	}
}

func settleBatch(s *suite) {
	a, b := s.begun("a", hook("Tell", "g")), s.begun("b", hook("Tell", "g"))
	c := s.claim("g", run.LaneLive, 2, time.Minute)
	done := func(c store.Claimed, id run.ID, version int64) store.Settlement {
		return store.Settlement{Held: c.Held(), Run: &store.RunDelta{
			ID: id, Version: version, State: run.Done, Outcome: run.Completed, Steps: []run.Step{step("Tell", run.StepDone)},
		}}
	}
	stale := done(c[0], a, 1)
	stale.Held.Token--
	errs := s.settleAll(stale, done(c[0], a, 7), done(c[1], b, 1), done(c[1], b, 2))
	for i, want := range []error{store.ErrFenced, store.ErrMoved, nil, store.ErrFenced} {
		wants(s, "settlement "+string(rune('0'+i)), errs[i], want)
	}
	if r := s.record(a); r.Run.State != run.Open || len(r.Steps) != 1 || len(r.Tasks) != 1 {
		s.Errorf("run a is %s with %d steps and %d tasks, want open, 1, 1", r.Run.State, len(r.Steps), len(r.Tasks))
	}
	if r := s.record(b); r.Run.State != run.Done || r.Run.Version != 2 || len(r.Steps) != 2 || len(r.Tasks) != 0 || !r.Run.Finished.Equal(s.clock.now()) {
		s.Errorf("run b is %+v with %d steps and %d tasks, want done at version 2, 2, 0", r.Run, len(r.Steps), len(r.Tasks))
	}
	s.mustSettle(done(c[0], a, 1))
}

func settleMoved(s *suite) {
	id := s.begun("p", hook("A", "g"), hook("B", "g"))
	c := s.claim("g", run.LaneLive, 2, time.Minute)
	delta := func(path string, version int64) *store.RunDelta {
		return &store.RunDelta{ID: id, Version: version, State: run.Open, Steps: []run.Step{step(path, run.StepDone)}}
	}
	errs := s.settleAll(
		store.Settlement{Held: c[0].Held(), Run: delta("A", 1)},
		store.Settlement{Held: c[1].Held(), Run: delta("B", 1), Events: []store.Arrival{arrival("emitted")}},
	)
	wants(s, "the first", errs[0], nil)
	wants(s, "the second", errs[1], store.ErrMoved)
	if r := s.record(id); len(r.Tasks) != 1 || r.Tasks[0].Path != "B" || r.Run.Version != 2 || len(r.Steps) != 2 {
		s.Errorf("record %+v, want B open at version 2 with 2 steps", r)
	}
	same(s, "ledger", s.ledger().Requests, store.RequestTerms{Recorded: 1, Processed: 1})
	s.mustSettle(store.Settlement{Held: c[1].Held(), Run: delta("B", 2)})
	wants(s, "a settled task again", s.settle(store.Settlement{Held: c[1].Held()}), store.ErrFenced)
	other := s.begun("q", hook("A", "g"))
	missing := run.NewID(other.Event, "missing", run.Cause{Kind: run.Live})
	wants(s, "a run that is not there", s.settle(store.Settlement{
		Held: s.claimOne("g", run.LaneLive).Held(), Run: &store.RunDelta{ID: missing, Version: 1, State: run.Open},
	}), store.ErrNotFound)
}

func runOnce(s *suite) {
	s.append(arrival("a"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	first := newRun(c.Event.ID, "p", hook("Tell", "g"))
	second := newRun(c.Event.ID, "p", hook("Tell", "g"), hook("More", "g"))
	second.Run.Revision, second.Steps = "another", nil
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{first, second}})
	r := s.record(first.Run.ID)
	if r.Run.Revision != first.Run.Revision || len(r.Steps) != 1 || len(r.Tasks) != 1 {
		s.Errorf("record %+v, want the first one's", r)
	}
	same(s, "ledger", s.ledger().Runs, map[string]store.RunTerms{"p": {Made: 1, Open: 1}})
}

func runInput(s *suite) {
	s.append(arrival("a"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	n, bare := newRun(c.Event.ID, "p", hook("A", "g")), newRun(c.Event.ID, "bare", hook("A", "g"))
	n.Run.Input, n.Run.Depth = []byte(`{"a":[1,null]}`), 3
	bare.Run.Input, bare.Steps = []byte(`"only"`), nil
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{n, bare}})
	same(s, "a run without steps", string(s.record(bare.Run.ID).Run.Input), `"only"`)
	for _, c := range s.claim("g", run.LaneLive, 2, time.Minute) {
		if c.Run.ID != n.Run.ID {
			continue
		}
		if string(c.Run.Input) != `{"a":[1,null]}` || c.Run.Depth != 3 {
			s.Errorf("claimed run %+v, want its input and depth", c.Run)
		}
		s.ends(c, run.Parked)
	}
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: n.Run.ID}), nil)
	if r := s.record(n.Run.ID).Run; string(r.Input) != `{"a":[1,null]}` || r.Depth != 3 {
		s.Errorf("run %+v, want its input and depth after a retry", r)
	}
	page, err := s.store.Runs(s.Context(), store.RunQuery{Pipeline: "p"})
	if err != nil || len(page.Runs) != 1 || page.Runs[0].Input != nil || page.Runs[0].Depth != 3 {
		s.Errorf("listed are %+v, %v, want the run with its depth and without its input", page.Runs, err)
	}
}

func runBornDone(s *suite) {
	s.append(arrival("a"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	filtered, parked := newRun(c.Event.ID, "f", hook("Tell", "g")), newRun(c.Event.ID, "k")
	filtered.Run.State, filtered.Run.Outcome = run.Done, run.Filtered
	filtered.Steps = []run.Step{step("Opened", run.StepFiltered)}
	parked.Run.State, parked.Run.Reason, parked.Run.Message = run.Parked, "internal", "it ended badly"
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{filtered, parked}})
	r := s.record(filtered.Run.ID)
	want := filtered.Run
	want.Created, want.Finished = s.clock.now(), s.clock.now()
	same(s, "run", r.Run, want)
	if len(r.Tasks) != 0 || len(s.claim("g", run.LaneLive, 1, time.Minute)) != 0 {
		s.Errorf("a done run has tasks %v", r.Tasks)
	}
	if r := s.record(parked.Run.ID).Run; r.State != run.Parked || r.Reason != "internal" || r.Message != "it ended badly" {
		s.Errorf("run %+v, want it parked with its reason", r)
	}
	same(s, "ledger", s.ledger().Runs, map[string]store.RunTerms{"f": {Made: 1, Filtered: 1}, "k": {Made: 1, Parked: 1}})
}

func taskOnce(s *suite) {
	id := s.begun("p", hook("A", "g"), hook("A", "other"), store.NewTask{Kind: run.TaskTimer, Path: "A", Gate: "g"})
	if got := len(s.record(id).Tasks); got != 2 {
		s.Errorf("%d tasks, want a step and a timer", got)
	}
	c := s.claim("g", run.LaneLive, 2, time.Minute)
	open := func(version int64, tasks ...store.NewTask) *store.RunDelta {
		return &store.RunDelta{ID: id, Version: version, State: run.Open, Tasks: tasks}
	}
	// The timer is claimed and open, the settled task is closed before the new ones are added.
	s.mustSettle(store.Settlement{Held: c[0].Held(), Run: open(1, hook("A", "g"), store.NewTask{Kind: run.TaskTimer, Path: "A", Gate: "g"}, hook("B", "g"))})
	var got []string
	for _, t := range s.record(id).Tasks {
		got = append(got, string(t.Kind)+" "+t.Path)
	}
	same(s, "tasks", got, []string{"timer A", "step A", "step B"})
	if again := s.claimOne("g", run.LaneLive); again.Task.Path != "A" || again.Task.ID <= c[1].Task.ID {
		s.Errorf("claimed %+v, want the new task of A", again.Task)
	}
	s.mustSettle(store.Settlement{Held: c[1].Held(), Then: store.Then{Again: true}, Run: open(2, store.NewTask{Kind: run.TaskTimer, Path: "A", Gate: "g"})})
	if got := len(s.record(id).Tasks); got != 3 {
		s.Errorf("%d tasks, want 3: one due again is open", got)
	}
}

func dueAgain(s *suite) {
	id := s.begun("p", hook("Tell", "chat"))
	first := s.claimOne("chat", run.LaneLive)
	began := s.clock.now().Add(-time.Second)
	s.mustSettle(store.Settlement{
		Held: first.Held(), Then: store.Then{Again: true, In: 5 * time.Second, N: 1, Lane: run.LaneRetry, First: began},
		Run: &store.RunDelta{ID: id, Version: 1, State: run.Open, Attempts: []run.Attempt{attempt("Tell", 1, run.AttemptTemporary)}},
	})
	want := first.Task
	want.Token, want.N, want.Lane, want.First, want.Due = 0, 1, run.LaneRetry, began, s.clock.now().Add(5*time.Second)
	same(s, "task", s.record(id).Tasks, []run.Task{want})
	if len(s.claim("chat", run.LaneLive, 1, time.Minute))+len(s.claim("chat", run.LaneRetry, 1, time.Minute)) != 0 {
		s.Error("the task was handed out early")
	}
	s.clock.advance(5 * time.Second)
	c := s.claimOne("chat", run.LaneRetry)
	s.mustSettle(store.Settlement{Held: c.Held(), Then: store.Then{Again: true, N: 2}})
	want.N, want.Due = 2, s.clock.now()
	same(s, "task, the second time", s.record(id).Tasks, []run.Task{want})
}

func runEnds(s *suite) {
	id := s.begun("p", hook("A", "g"), hook("B", "g"), store.NewTask{Kind: run.TaskTimer, Path: "C", Gate: "g", In: time.Hour})
	c := s.claim("g", run.LaneLive, 2, time.Minute)
	s.mustSettle(store.Settlement{
		Held: c[0].Held(), Then: store.Then{Again: true, N: 1},
		Run: &store.RunDelta{ID: id, Version: 1, State: run.Parked, Reason: "retries_spent", Message: "no answer", Tasks: []store.NewTask{hook("D", "g")}},
	})
	r := s.record(id)
	if r.Run.State != run.Parked || len(r.Tasks) != 0 || r.Run.Reason != "retries_spent" || r.Run.Message != "no answer" || !r.Run.Finished.Equal(s.clock.now()) {
		s.Errorf("record %+v, want it parked without tasks", r)
	}
	wants(s, "settling a closed task", s.settle(store.Settlement{Held: c[1].Held()}), store.ErrFenced)
	s.clock.advance(2 * time.Hour)
	if got := len(s.claim("g", run.LaneLive, 10, time.Minute)); got != 0 {
		s.Errorf("%d tasks of a parked run were handed out", got)
	}
	same(s, "due", s.due(), store.Due{Next: -1})
}

func stepsReplaced(s *suite) {
	id := s.begun("p", hook("A", "g"), hook("B", "g"))
	c := s.claim("g", run.LaneLive, 2, time.Minute)
	second := step("A", run.StepDone)
	second.Output = []byte(`"second"`)
	s.mustSettle(
		store.Settlement{Held: c[0].Held(), Run: &store.RunDelta{ID: id, Version: 1, State: run.Open, Steps: []run.Step{step("A", run.StepFailed), step("B", run.StepSkipped)}}},
		store.Settlement{Held: c[1].Held(), Run: &store.RunDelta{ID: id, Version: 2, State: run.Open, Steps: []run.Step{second}, Tasks: []store.NewTask{hook("Next", "g")}}},
	)
	want := []run.Step{step("Opened", run.StepDone), step("B", run.StepSkipped), second}
	same(s, "steps", s.record(id).Steps, want)
	same(s, "claimed steps", s.claimOne("g", run.LaneLive).Steps, want)
}

func attemptsKept(s *suite) {
	id := s.begun("p", hook("A", "g"))
	var want []run.Attempt
	for n := 1; n <= 3; n++ {
		c := s.claimOne("g", run.LaneLive)
		a := attempt("A", n, run.AttemptTemporary)
		want = append(want, a)
		s.mustSettle(store.Settlement{
			Held: c.Held(), Then: store.Then{Again: true, N: n},
			Run: &store.RunDelta{ID: id, Version: int64(n), State: run.Open, Attempts: []run.Attempt{a}},
		})
	}
	same(s, "attempts", s.record(id).Attempts, want)
}

func emitted(s *suite) {
	id := s.begun("p", hook("A", "g"), hook("B", "g"))
	c := s.claim("g", run.LaneLive, 2, time.Minute)
	e := delivered("emitted", "derived")
	e.Event.Source, e.Event.Cause, e.Event.Depth = event.Emitted, id.String(), 1
	s.mustSettle(
		store.Settlement{Held: c[0].Held(), Events: []store.Arrival{e, e}},
		store.Settlement{Held: c[1].Held(), Events: []store.Arrival{e}},
	)
	page, err := s.store.Events(s.Context(), store.EventQuery{Name: "emitted"})
	if err != nil || len(page.Events) != 1 {
		s.Fatalf("%d emitted events, %v, want 1", len(page.Events), err)
	}
	if got := page.Events[0]; got.Source != event.Emitted || got.Depth != 1 || got.Cause != id.String() || got.Duplicates != 2 {
		s.Errorf("emitted event %+v", got)
	}
	if got := s.claimOne(run.RouteGate, run.LaneLive).Event.Name; got != "emitted" {
		s.Errorf("the route task is of %q, want the emitted event", got)
	}
	same(s, "ledger", s.ledger().Requests, store.RequestTerms{Recorded: 4, Processed: 2, Duplicate: 2})
}

func settleGate(s *suite) {
	wants(s, "SetGate", s.store.SetGate(s.Context(), store.Gate{Name: "g", State: store.GateOpen}, store.By{}), nil)
	s.begun("p", hook("A", "g"))
	c := s.claimOne("g", run.LaneLive)
	since := s.clock.now().Add(-time.Second)
	s.mustSettle(store.Settlement{Held: c.Held(), Gate: &store.Gate{Name: "g", State: store.GateDisabled, Reason: "410", Since: since}})
	got, err := s.store.Gate(s.Context(), "g")
	wants(s, "Gate", err, nil)
	same(s, "gate", got, store.Gate{
		Name: "g", State: store.GateDisabled, Reason: "410", Since: since, Breaker: store.Breaker{State: store.BreakerClosed}, Version: 2,
	})
}

func routedOnce(s *suite) {
	q := arrival("x")
	q.Event.State = event.Quarantined
	ids := s.append(arrival("a"), q)
	for _, c := range s.claim(run.RouteGate, run.LaneLive, 2, time.Minute) {
		s.mustSettle(store.Settlement{Held: c.Held(), Routed: true})
	}
	for i, want := range []event.State{event.Routed, event.Quarantined} {
		if got := s.event(ids[i].ID).State; got != want {
			s.Errorf("event %d is %s, want %s", i, got, want)
		}
	}
}

func largeOutput(s *suite) {
	id := s.begun("p", hook("A", "g"))
	out := append([]byte{'"'}, make([]byte, run.MaxOutputBytes-2)...)
	for i := range out[1:] {
		out[i+1] = 'a' + byte(i%26)
	}
	big := step("A", run.StepDone)
	big.Output = append(out, '"')
	s.mustSettle(store.Settlement{Held: s.claimOne("g", run.LaneLive).Held(), Run: &store.RunDelta{ID: id, Version: 1, State: run.Open, Steps: []run.Step{big}}})
	if got := s.record(id).Steps[1].Output; string(got) != string(big.Output) {
		s.Errorf("%d bytes of output came back, want %d", len(got), len(big.Output))
	}
}
