// Package storetest is the suite that every implementation of store.Store must pass: the promises of the contract, each a
// subtest whose name is the promise, and a comparison with a model over random operations.
//
// It knows no implementation; those call Run from their tests with a way to make a store. It tests what one process can see:
// power cuts, killed processes and full disks are tested where the store is implemented.
package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Factory makes a store that is empty and not yet started. The suite starts it, and stops it when the test ends.
type Factory func(t *testing.T, now func() time.Time) store.Store

// Options tells the suite what an implementation can do beside its contract.
type Options struct {
	// Reopen gives a second store over what the first, which was stopped, has kept; where nil the first is started again.
	Reopen func(t *testing.T, stopped store.Store, now func() time.Time) store.Store
	// Corrupt changes one byte of the stored body of an event. Where nil, checksums are not tested.
	Corrupt func(t *testing.T, s store.Store, id event.ID)
	// Model makes the store that random operations are compared with. Where nil, they only check the ledger.
	Model Factory
	// Seed of the random operations; where 0 the time. Failures print it.
	Seed uint64
	// Operations is the count of random operations; 3000 where 0.
	Operations int
	// Deliveries leaves out the promises that have nothing to do with how delivery ids are kept.
	Deliveries bool
}

// Run runs the suite. Every subtest works on a store of its own.
func Run(t *testing.T, make Factory, o Options) {
	t.Helper()
	groups := [][]check{appendChecks(), duplicateChecks(), pruneChecks(), clockChecks(), ledgerChecks(), lifeChecks()}
	for _, group := range [][]check{
		claimChecks(), leaseChecks(), settleChecks(), orderChecks(), gateChecks(), peopleChecks(), revisionChecks(), listChecks(),
		findingChecks(), rejectionChecks(), secretChecks(), wakeChecks(), quotaChecks(), turnChecks(), batchChecks(),
		breakerChecks(), auditChecks(), jobChecks(), keptChecks(),
	} {
		if !o.Deliveries {
			groups = append(groups, group)
		}
	}
	for _, group := range groups {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(newSuite(t, make, o))
			})
		}
	}
	if o.Corrupt != nil {
		t.Run("a body that no longer matches its checksum is never given out", func(t *testing.T) {
			t.Parallel()
			corruptBody(newSuite(t, make, o))
		})
	}
	t.Run("random operations give what the model gives", func(t *testing.T) {
		t.Parallel()
		randomOperations(t, make, o)
	})
}

type check struct {
	name string
	run  func(s *suite)
}

// suite is one store under test with its clock.
type suite struct {
	*testing.T
	store store.Store
	clock *clock
	o     Options
}

func newSuite(t *testing.T, make Factory, o Options) *suite {
	t.Helper()
	s := &suite{T: t, clock: &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, o: o}
	s.store = make(t, s.clock.now)
	s.start()
	return s
}

func (s *suite) start() {
	s.Helper()
	if err := s.store.Start(s.Context()); err != nil {
		s.Fatalf("starting: %v", err)
	}
	started := s.store
	s.Cleanup(func() {
		if err := started.Stop(context.Background()); err != nil {
			s.Errorf("stopping: %v", err)
		}
	})
}

// restart stops the store and goes on with what it has kept.
func (s *suite) restart() {
	s.Helper()
	if err := s.store.Stop(s.Context()); err != nil {
		s.Fatalf("stopping: %v", err)
	}
	if s.o.Reopen != nil {
		s.store = s.o.Reopen(s.T, s.store, s.clock.now)
	}
	s.start()
}

// clock is time that only the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// arrival is an accepted event with a route task and no delivery id.
func arrival(name string) store.Arrival {
	return store.Arrival{
		Event: event.Event{
			Request: "req-" + name, Provider: "acme", Name: name, Source: event.Live, State: event.Accepted,
			Verification: event.Verification{Rule: "signature[0] hmac-sha256", Secret: 1, Learned: true},
			Headers:      []event.Header{{Name: "content-type", Value: "application/json"}, {Name: "x-acme-event", Value: name}},
			Query:        "a=1&b=2", ContentType: "application/json", Routes: "digest-of-routes",
			Labels: map[string]string{"team": "ops"}, Body: []byte(`{"name":"` + name + `"}`),
		},
		Route: true,
	}
}

// delivered is an arrival with a delivery id that counts for an hour.
func delivered(name, delivery string) store.Arrival {
	a := arrival(name)
	a.Event.Delivery, a.Window = delivery, time.Hour
	return a
}

func (s *suite) append(arrivals ...store.Arrival) []store.Receipt {
	s.Helper()
	receipts, err := s.store.Append(s.Context(), arrivals)
	if err != nil {
		s.Fatalf("Append: %v", err)
	}
	if len(receipts) != len(arrivals) {
		s.Fatalf("Append gave %d receipts, want %d", len(receipts), len(arrivals))
	}
	return receipts
}

func (s *suite) claim(gate string, lane run.Lane, limit int, lease time.Duration) []store.Claimed {
	s.Helper()
	claimed, err := s.store.Claim(s.Context(), store.Claim{Gate: gate, Lane: lane, Max: limit, Lease: lease})
	if err != nil {
		s.Fatalf("Claim(%s, %s): %v", gate, lane, err)
	}
	return claimed
}

// claimOne claims a task that must be there.
func (s *suite) claimOne(gate string, lane run.Lane) store.Claimed {
	s.Helper()
	claimed := s.claim(gate, lane, 1, time.Minute)
	if len(claimed) != 1 {
		s.Fatalf("Claim(%s, %s) gave %d tasks, want 1", gate, lane, len(claimed))
	}
	return claimed[0]
}

// settle applies one settlement and gives its error.
func (s *suite) settle(st store.Settlement) error {
	s.Helper()
	return s.settleAll(st)[0]
}

func (s *suite) settleAll(sts ...store.Settlement) []error {
	s.Helper()
	errs, err := s.store.Settle(s.Context(), sts)
	if err != nil {
		s.Fatalf("Settle: %v", err)
	}
	if len(errs) != len(sts) {
		s.Fatalf("Settle gave %d results, want %d", len(errs), len(sts))
	}
	return errs
}

func (s *suite) mustSettle(sts ...store.Settlement) {
	s.Helper()
	for i, err := range s.settleAll(sts...) {
		if err != nil {
			s.Fatalf("settlement %d: %v", i, err)
		}
	}
}

func (s *suite) due() store.Due {
	s.Helper()
	d, err := s.store.Due(s.Context())
	if err != nil {
		s.Fatalf("Due: %v", err)
	}
	return d
}

func (s *suite) record(id run.ID) store.RunRecord {
	s.Helper()
	r, err := s.store.Run(s.Context(), id)
	if err != nil {
		s.Fatalf("Run(%s): %v", id, err)
	}
	return r
}

func (s *suite) event(id event.ID) event.Event {
	s.Helper()
	e, err := s.store.Event(s.Context(), id)
	if err != nil {
		s.Fatalf("Event(%s): %v", id, err)
	}
	return e
}

func (s *suite) ledger() store.Ledger {
	s.Helper()
	l, err := s.store.Ledger(s.Context())
	if err != nil {
		s.Fatalf("Ledger: %v", err)
	}
	for _, problem := range unbalanced(l) {
		s.Error(problem)
	}
	return l
}

func unbalanced(l store.Ledger) []string {
	var problems []string
	if !l.Requests.Balanced() {
		problems = append(problems, fmt.Sprintf("requests do not add up: %+v", l.Requests))
	}
	for pipeline, terms := range l.Runs {
		if !terms.Balanced() {
			problems = append(problems, fmt.Sprintf("runs of %s do not add up: %+v", pipeline, terms))
		}
	}
	return problems
}

// begun appends an event and routes it to one open run with the tasks given; it gives the run's id.
func (s *suite) begun(pipeline string, tasks ...store.NewTask) run.ID {
	s.Helper()
	id := s.append(arrival("order.created"))[0].ID
	r := s.routed(pipeline, tasks...)
	if r.Event != id {
		s.Fatalf("routed event %s, want %s", r.Event, id)
	}
	return r
}

// routed routes the event whose route task is next.
func (s *suite) routed(pipeline string, tasks ...store.NewTask) run.ID {
	s.Helper()
	c := s.claimOne(run.RouteGate, run.LaneLive)
	n := newRun(c.Event.ID, pipeline, tasks...)
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{n}})
	return n.Run.ID
}

// beginAll routes events of their own to the runs given, in order, and gives their ids; each gets a path "" task at the gate "@<pipeline>"
// where it has no tasks.
func (s *suite) beginAll(runs ...store.NewRun) []run.ID {
	s.Helper()
	ids := make([]run.ID, len(runs))
	for i, n := range runs {
		ids[i] = s.begin(n)
	}
	return ids
}

// begin routes an event of its own to a run whose pipeline, tasks and limits are given.
func (s *suite) begin(n store.NewRun) run.ID {
	s.Helper()
	s.append(arrival("order.created"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	full := newRun(c.Event.ID, n.Run.Pipeline, n.Tasks...)
	if len(n.Tasks) == 0 {
		full.Tasks = []store.NewTask{{Kind: run.TaskStep, Gate: "@" + n.Run.Pipeline, Lane: run.LaneLive}}
	}
	full.Quota, full.Holds, full.Drop = n.Quota, n.Holds, n.Drop
	s.mustSettle(store.Settlement{Held: c.Held(), Routed: true, NewRuns: []store.NewRun{full}})
	return full.Run.ID
}

// ends settles a claim so that its run ends in the state given.
func (s *suite) ends(c store.Claimed, state run.State) {
	s.Helper()
	d := &store.RunDelta{ID: c.Run.ID, Version: s.record(c.Run.ID).Run.Version, State: state}
	switch state {
	case run.Done:
		d.Outcome = run.Completed
	case run.Parked:
		d.Reason = "retries_spent"
	}
	s.mustSettle(store.Settlement{Held: c.Held(), Run: d})
}

// goesOn settles a claim, so that its run asks for tasks.
func (s *suite) goesOn(c store.Claimed, tasks ...store.NewTask) {
	s.Helper()
	s.mustSettle(store.Settlement{Held: c.Held(), Run: &store.RunDelta{
		ID: c.Run.ID, Version: s.record(c.Run.ID).Run.Version, State: run.Open, Tasks: tasks,
	}})
}

func (s *suite) waits(want ...string) {
	s.Helper()
	got, err := s.store.Waits(s.Context())
	if err != nil {
		s.Fatalf("Waits: %v", err)
	}
	if len(got) == 0 {
		got = nil
	}
	same(s, "groups that are waited for", got, want)
}

// newRun is an open run of a live event with its receive step.
func newRun(id event.ID, pipeline string, tasks ...store.NewTask) store.NewRun {
	cause := run.Cause{Kind: run.Live}
	return store.NewRun{
		Run: run.Run{
			ID: run.NewID(id, pipeline, cause), Event: id, Pipeline: pipeline, Revision: "rev-" + pipeline, Cause: cause,
			Now: id.Time(), State: run.Open, Version: 1, Trace: "00-trace", Labels: map[string]string{"team": "ops"},
		},
		Steps: []run.Step{step("Opened", run.StepDone)},
		Tasks: tasks,
	}
}

func step(path string, state run.StepState) run.Step {
	s := run.Step{
		Path: path, Node: path, Type: "code", State: state, Branch: "true",
		Reads:  []run.Read{{Operand: "payload.a", Value: "1"}},
		Output: []byte(`{"a":9007199254740993}`), Log: []string{"a line"},
		Started: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC), Took: 1500 * time.Microsecond,
	}
	if state == run.StepFailed {
		s.Failure = &run.Failure{Kind: "temporary", Code: "retries_spent", Message: "no answer"}
	}
	return s
}

func hook(path, gate string) store.NewTask {
	return store.NewTask{Kind: run.TaskStep, Path: path, Gate: gate, Lane: run.LaneLive}
}

func attempt(path string, n int, o run.AttemptOutcome) run.Attempt {
	return run.Attempt{
		Path: path, N: n, Destination: "chat", Line: "POST https://hooks.example/<<env.X>>",
		Started: time.Date(2026, 3, 1, 12, 0, 1, 5, time.UTC), Took: time.Second, Outcome: o, Code: "http_503", Status: 503,
		RetryAfter: 3 * time.Second, Answer: "busy",
	}
}

// same compares two values and reports the first difference in words.
func same[T any](s *suite, what string, got, want T) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Errorf("%s\n got %+v\nwant %+v", what, got, want)
	}
}

// wants checks an error.
func wants(s *suite, what string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: got error %v, want %v", what, err, cmp.Or(want, errNone))
	}
}

var errNone = errors.New("none")
