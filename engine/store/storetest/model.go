package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// randomOperations does the same random things to the store and to the model and compares every answer.
func randomOperations(t *testing.T, make Factory, o Options) {
	t.Helper()
	seed := cmp.Or(o.Seed, uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	s := newSuite(t, make, o)
	model := s.store
	if o.Model != nil {
		model = o.Model(t, s.clock.now)
		if err := model.Start(t.Context()); err != nil {
			t.Fatalf("starting the model: %v", err)
		}
	}
	d := &duel{suite: s, model: model, rng: rand.New(rand.NewPCG(seed, 0))}
	for n := range cmp.Or(o.Operations, 3000) {
		d.step()
		if t.Failed() {
			t.Fatalf("after operation %d of seed %d: %s", n, seed, d.last)
		}
	}
	d.compareAll()
}

// duel is one store beside its model. Without a model both are the same store, and only the ledger is checked.
type duel struct {
	*suite
	model store.Store
	rng   *rand.Rand
	last  string

	held   []claimPair
	events []event.ID
	runs   []run.ID
}

// claimPair is one claim as both name it; ids of tasks and tokens are each store's own.
type claimPair struct {
	ours, theirs store.Held
	claimed      store.Claimed
}

func (d *duel) both(what string, f func(s store.Store) (any, error)) {
	d.Helper()
	ours, ourErr := f(d.store)
	if d.model == d.store {
		return
	}
	theirs, theirErr := f(d.model)
	d.compare(what, ours, ourErr, theirs, theirErr)
}

func (d *duel) compare(what string, ours any, ourErr error, theirs any, theirErr error) {
	d.Helper()
	d.last = what
	if errorName(ourErr) != errorName(theirErr) {
		d.Errorf("%s: error %v, the model gives %v", what, ourErr, theirErr)
	}
	if ourErr == nil && !reflect.DeepEqual(ours, theirs) {
		d.Errorf("%s:\n  store %+v\n  model %+v", what, ours, theirs)
	}
}

func errorName(err error) string {
	for _, known := range []error{
		store.ErrFenced, store.ErrMoved, store.ErrNotFound, store.ErrUnavailable, store.ErrWrongState, store.ErrCorrupt,
		store.ErrBadCursor, store.ErrNoRequest, store.ErrBodyDropped,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return "another error"
	}
	return ""
}

func (d *duel) step() {
	type operation struct {
		weight int
		do     func()
	}
	operations := []operation{
		{20, d.append},
		{25, d.claim},
		{30, d.settle},
		{4, d.extend},
		{4, d.release},
		{6, d.retryOrDrop},
		{4, d.replay},
		{4, d.setGate},
		{3, d.putJob},
		{3, d.putSubscription},
		{2, d.putAudit},
		{3, d.putRevision},
		{2, d.prune},
		{3, d.putRejections},
		{3, d.putOrDropSecrets},
		{12, d.passTime},
		{10, d.read},
		{1, d.bothRestart},
	}
	total := 0
	for _, o := range operations {
		total += o.weight
	}
	n := d.rng.IntN(total)
	for _, o := range operations {
		if n -= o.weight; n < 0 {
			o.do()
			break
		}
	}
	d.both("Waits", func(s store.Store) (any, error) {
		groups, err := s.Waits(d.Context())
		return append([]string{}, groups...), err
	})
	d.both("Gates", func(s store.Store) (any, error) {
		gates, err := s.Gates(d.Context())
		return append([]store.GateView{}, gates...), err
	})
	d.both("Due", func(s store.Store) (any, error) { return s.Due(d.Context()) })
	d.both("Ledger", func(s store.Store) (any, error) { return s.Ledger(d.Context()) })
	d.ledger()
}

func (d *duel) arrival() store.Arrival {
	a := arrival(d.pick("order", "refund", "push"))
	a.Event.Provider = d.pick("acme", "other")
	a.Event.Body = []byte(d.pick("one", "two"))
	a.Event.Received = d.clock.now()
	if d.rng.IntN(2) == 0 {
		a.Event.Delivery = fmt.Sprint("d", d.rng.IntN(30))
		a.Window = time.Duration(d.rng.IntN(3)) * 20 * time.Minute
	}
	a.Order = d.order()
	if d.rng.IntN(10) == 0 {
		a.Event.State, a.Route = event.Quarantined, false
		a.Event.Findings = findings("arrival")
	}
	return a
}

func (d *duel) order() string {
	return d.pick("", "", "", "", "k1", "k2")
}

func (d *duel) pick(of ...string) string { return of[d.rng.IntN(len(of))] }

func (d *duel) append() {
	arrivals := make([]store.Arrival, 1+d.rng.IntN(4))
	for i := range arrivals {
		arrivals[i] = d.arrival()
	}
	var fresh []event.ID
	d.both("Append", func(s store.Store) (any, error) {
		receipts, err := s.Append(d.Context(), arrivals)
		fresh = fresh[:0]
		for _, r := range receipts {
			fresh = append(fresh, r.ID)
		}
		return receipts, err
	})
	d.events = append(d.events, fresh...)
}

func (d *duel) claim() {
	c := store.Claim{
		Gate: d.pick(run.RouteGate, run.RouteGate, "g", "h", "@p", "@q"), Lane: run.Lane(d.pick("live", "live", "live", "retry", "replay")),
		Max: 1 + d.rng.IntN(5), Lease: time.Duration(1+d.rng.IntN(120)) * time.Second,
	}
	ours, ourErr := d.store.Claim(d.Context(), c)
	theirs, theirErr := ours, ourErr
	if d.model != d.store {
		theirs, theirErr = d.model.Claim(d.Context(), c)
	}
	for i := range min(len(ours), len(theirs)) {
		d.held = append(d.held, claimPair{ours: ours[i].Held(), theirs: theirs[i].Held(), claimed: ours[i]})
	}
	d.compare(fmt.Sprintf("%+v", c), anonymous(ours), ourErr, anonymous(theirs), theirErr)
}

// anonymous takes away what each store names in its own way.
func anonymous(claimed []store.Claimed) []store.Claimed {
	out := make([]store.Claimed, len(claimed))
	for i, c := range claimed {
		c.Task.ID, c.Task.Token = 0, 0
		if len(c.Steps) == 0 {
			c.Steps = nil
		}
		out[i] = c
	}
	return out
}

// some gives a claim of the recent past, which may long be stale.
func (d *duel) some() (claimPair, bool) {
	if len(d.held) == 0 {
		return claimPair{}, false
	}
	return d.held[max(0, len(d.held)-1-d.rng.IntN(12))], true
}

func (d *duel) settle() {
	n := 1 + d.rng.IntN(3)
	var ours, theirs []store.Settlement
	for range n {
		p, ok := d.some()
		if !ok {
			return
		}
		st := d.settlement(p.claimed)
		st.Held = p.ours
		ours = append(ours, st)
		st.Held = p.theirs
		theirs = append(theirs, st)
	}
	ourErrs, ourErr := d.store.Settle(d.Context(), ours)
	if d.model == d.store {
		return
	}
	theirErrs, theirErr := d.model.Settle(d.Context(), theirs)
	d.compare("Settle", nil, ourErr, nil, theirErr)
	for i := range n {
		d.compare(fmt.Sprintf("settlement %+v", ours[i]), nil, ourErrs[i], nil, theirErrs[i])
	}
	for _, st := range ours {
		if st.Run != nil {
			d.compareRun(st.Run.ID)
		}
	}
}

func (d *duel) settlement(c store.Claimed) store.Settlement {
	var st store.Settlement
	if d.rng.IntN(4) == 0 {
		st.Then = store.Then{
			Again: true, In: time.Duration(d.rng.IntN(100)) * time.Second, N: c.Task.N + 1,
			Lane: run.Lane(d.pick("", "live", "retry")), First: d.clock.now(),
		}
	}
	if d.rng.IntN(12) == 0 {
		st.Gate = &store.Gate{Name: d.pick("g", "h"), State: store.GateState(d.pick("open", "disabled", "paused")), Reason: "settled"}
		st.Gate.For = time.Duration(d.rng.IntN(3)) * 10 * time.Minute
		if st.Gate.State == store.GatePaused {
			st.Gate.For++ // nobody would resume it for long
		}
	}
	if d.rng.IntN(8) == 0 {
		st.Trip = &store.Trip{Gate: d.pick("g", "h", "@p"), Open: d.rng.IntN(2) == 0, In: time.Duration(d.rng.IntN(200)) * time.Second, Trips: d.rng.IntN(5)}
	}
	if d.rng.IntN(12) == 0 {
		st.Events = []store.Arrival{d.arrival()}
	}
	for range d.rng.IntN(8) / 5 {
		st.Wakes = append(st.Wakes, store.Wake{Wait: store.Wait{Group: d.pick("await a", "await b"), Key: d.pick("1", "2", "")}, Event: c.Event.ID})
	}
	if c.Run == nil {
		st.Routed = d.rng.IntN(8) != 0
		if d.rng.IntN(8) == 0 {
			st.Findings = findings("route")
		}
		for _, pipeline := range []string{"p", "q"} {
			if d.rng.IntN(3) == 0 {
				continue
			}
			n := newRun(c.Event.ID, pipeline, d.tasks()...)
			n.Run.Cause = c.Task.Cause
			n.Run.ID = run.NewID(c.Event.ID, pipeline, n.Run.Cause)
			if d.rng.IntN(4) == 0 {
				n.Run.State, n.Run.Outcome = run.Done, run.Filtered
			}
			if d.rng.IntN(8) == 0 {
				n.Run.State, n.Run.Outcome, n.Run.Reason, n.Run.Destination = run.Parked, "", "no_pipeline", d.pick("", "g")
			}
			if d.rng.IntN(6) == 0 {
				n.Run.Input, n.Run.Depth = []byte(`{"a":1}`), 2
			}
			d.limit(&n)
			d.runs = append(d.runs, n.Run.ID)
			st.NewRuns = append(st.NewRuns, n)
		}
		return st
	}
	version := c.Run.Version
	if d.rng.IntN(2) == 0 { // the record as it is now, as a worker would fold it again
		if r, err := d.store.Run(d.Context(), c.Run.ID); err == nil {
			version = r.Run.Version
		}
	}
	st.Run = &store.RunDelta{ID: c.Run.ID, Version: version, State: run.Open, Tasks: d.tasks()}
	for range d.rng.IntN(3) {
		st.Run.Steps = append(st.Run.Steps, step(d.pick("A", "B", "C"), run.StepState(d.pick("done", "failed", "skipped"))))
	}
	if d.rng.IntN(2) == 0 {
		st.Run.Attempts = []run.Attempt{attempt("A", c.Task.N+1, run.AttemptTemporary)}
	}
	switch d.rng.IntN(5) {
	case 0:
		st.Run.State, st.Run.Outcome = run.Done, run.Outcome(d.pick("completed", "filtered", "limited"))
	case 1:
		st.Run.State, st.Run.Reason, st.Run.Message = run.Parked, d.pick("retries_spent", "too_old"), "no answer"
		st.Run.Destination = d.pick("", "g", "h")
	}
	return st
}

func (d *duel) tasks() []store.NewTask {
	var tasks []store.NewTask
	for range d.rng.IntN(4) {
		t := store.NewTask{
			Kind: run.TaskKind(d.pick("step", "step", "timer")), Path: d.pick("A", "B", "C"), Gate: d.pick("g", "h", "@p"),
			Lane: run.Lane(d.pick("", "live", "retry")), Order: d.order(), In: time.Duration(d.rng.IntN(4)) * 30 * time.Second,
		}
		switch d.rng.IntN(8) {
		case 0:
			t.Wait, t.In = store.Wait{Group: d.pick("await a", "await b"), Key: d.pick("1", "2", "")}, time.Hour
		case 1:
			if id, ok := d.aRun(); ok {
				t.Wait, t.In = store.RunWait(id), time.Hour
			}
		case 2, 3:
			t.Gather = &store.Gather{Key: d.pick("x", "y"), Item: []byte(fmt.Sprint(d.rng.IntN(1000))), Count: d.rng.IntN(5)}
		}
		tasks = append(tasks, t)
	}
	return tasks
}

// limit gives a new run quotas and turns, sometimes.
func (d *duel) limit(n *store.NewRun) {
	if d.rng.IntN(4) == 0 {
		n.Quota = &store.Quota{Key: d.pick("p", "q"), Max: d.rng.IntN(6), Per: time.Duration(1+d.rng.IntN(2)) * 10 * time.Minute}
	}
	for range d.rng.IntN(6) / 2 {
		n.Holds = append(n.Holds, store.Hold{
			Key: d.pick("one", "two", "three"), Max: d.rng.IntN(4), Keep: d.rng.IntN(3) == 0,
		})
	}
	n.Drop = d.rng.IntN(6) == 0
}

func (d *duel) extend() {
	if p, ok := d.some(); ok {
		lease := time.Duration(1+d.rng.IntN(200)) * time.Second
		d.heldBoth("Extend", p, func(s store.Store, h store.Held) error {
			errs, err := s.Extend(d.Context(), []store.Held{h}, lease)
			return errors.Join(append(errs, err)...)
		})
	}
}

func (d *duel) release() {
	if p, ok := d.some(); ok {
		d.heldBoth("Release", p, func(s store.Store, h store.Held) error { return s.Release(d.Context(), []store.Held{h}) })
	}
}

func (d *duel) heldBoth(what string, p claimPair, f func(s store.Store, h store.Held) error) {
	ourErr := f(d.store, p.ours)
	if d.model != d.store {
		d.compare(what, nil, ourErr, nil, f(d.model, p.theirs))
	}
}

func (d *duel) aRun() (run.ID, bool) {
	if len(d.runs) == 0 {
		return run.ID{}, false
	}
	return d.runs[max(0, len(d.runs)-1-d.rng.IntN(30))], true
}

func (d *duel) retryOrDrop() {
	id, ok := d.aRun()
	if !ok {
		return
	}
	request, revision, retry := fmt.Sprint("r", d.rng.IntN(4)), d.pick("", "other"), d.rng.IntN(4) != 0
	lane, by := run.Lane(d.pick("", "replay")), d.by()
	d.both(fmt.Sprintf("Retry or Drop(%s, %s)", request, id), func(s store.Store) (any, error) {
		if retry {
			return nil, s.Retry(d.Context(), store.RetryAsk{Request: request, Run: id, Revision: revision, Lane: lane, By: by})
		}
		return nil, s.Drop(d.Context(), store.DropAsk{Request: request, Run: id, By: by})
	})
	d.compareRun(id)
}

func (d *duel) replay() {
	if len(d.events) == 0 {
		return
	}
	var ids []event.ID
	for range 1 + d.rng.IntN(3) {
		ids = append(ids, d.events[max(0, len(d.events)-1-d.rng.IntN(40))])
	}
	request := fmt.Sprint("r", d.rng.IntN(4))
	d.both("Replay", func(s store.Store) (any, error) {
		return s.Replay(d.Context(), store.ReplayAsk{Request: request, Events: ids})
	})
}

func (d *duel) setGate() {
	name, state := d.pick("g", "h", "@p", run.RouteGate), store.GateState(d.pick("open", "open", "paused", "disabled"))
	wrong, by := int64(d.rng.IntN(10)/9), d.by()
	set := store.Gate{Name: name, State: state, Since: d.clock.now(), For: time.Duration(d.rng.IntN(3)) * time.Minute}
	if d.rng.IntN(2) == 0 {
		set.Until = d.clock.now().Add(time.Duration(d.rng.IntN(20)-5) * time.Minute)
	}
	set.Breaker.State = store.BreakerState(d.pick("", "open", "closed"))
	d.both("SetGate", func(s store.Store) (any, error) {
		g, err := s.Gate(d.Context(), name)
		if err != nil {
			return nil, err
		}
		set.Version = g.Version + wrong
		return nil, s.SetGate(d.Context(), set, by)
	})
	d.both("Gate", func(s store.Store) (any, error) { return s.Gate(d.Context(), name) })
}

func (d *duel) by() store.By {
	if d.rng.IntN(2) == 0 {
		return store.By{}
	}
	return someone()
}

func (d *duel) putJob() {
	j, by, wrong := aJob(fmt.Sprint("j", d.rng.IntN(5))), d.by(), int64(d.rng.IntN(10)/9)
	j.State = store.JobState(d.pick("running", "paused", "done", "canceled"))
	j.Done = d.rng.Int64N(100)
	d.both("PutJob", func(s store.Store) (any, error) {
		have, err := s.Job(d.Context(), j.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		j.Version = have.Version + wrong
		return nil, s.PutJob(d.Context(), j, by)
	})
	d.both("Job", func(s store.Store) (any, error) { return s.Job(d.Context(), j.ID) })
	limit := d.rng.IntN(6)
	d.both("Jobs", func(s store.Store) (any, error) { return s.Jobs(d.Context(), limit) })
}

func (d *duel) putSubscription() {
	sub, by, drop := aSubscription(fmt.Sprint("s", d.rng.IntN(4))), d.by(), d.rng.IntN(5) == 0
	sub.Version, sub.Sealed = d.rng.Int64N(3), []byte{byte(d.rng.IntN(256))}
	d.both("PutSubscription or DropSubscription", func(s store.Store) (any, error) {
		if drop {
			return nil, s.DropSubscription(d.Context(), sub.ID, by)
		}
		return nil, s.PutSubscription(d.Context(), sub, "subscription.put", by)
	})
	d.both("Subscriptions", func(s store.Store) (any, error) {
		all, err := s.Subscriptions(d.Context())
		return append([]store.Subscription{}, all...), err
	})
}

func (d *duel) putAudit() {
	e := store.AuditEntry{By: d.by(), Action: d.pick("config.reload", "prune"), Subject: d.pick("a", "b"), Detail: []byte(`{"a": 1}`)}
	d.both("PutAudit", func(s store.Store) (any, error) { return nil, s.PutAudit(d.Context(), e) })
	d.compareAudit(store.AuditQuery{
		Action: d.pick("", "run", "destination", "prune"), Subject: d.pick("", "", "a", "g"), Limit: 1 + d.rng.IntN(10),
		Since: d.clock.now().Add(-time.Duration(d.rng.IntN(60)) * time.Minute),
	})
}

func (d *duel) compareAudit(q store.AuditQuery) {
	d.Helper()
	d.both(fmt.Sprintf("Audit(%+v)", q), func(s store.Store) (any, error) {
		page, err := s.Audit(d.Context(), q)
		if len(page.Entries) == 0 {
			page.Entries = nil
		}
		return page, err
	})
}

func (d *duel) putRevision() {
	digest := d.pick("rev-p", "rev-q", "other", "digest-of-routes", "unused")
	kind := store.PipelineRevision
	if digest == "digest-of-routes" {
		kind = store.SnapshotRevision
	}
	d.both("PutRevision", func(s store.Store) (any, error) {
		return nil, s.PutRevision(d.Context(), store.Revision{Digest: digest, Kind: kind, Name: "n", Files: files(digest)})
	})
	d.both("Revision", func(s store.Store) (any, error) { return s.Revision(d.Context(), digest) })
	d.both("LastSnapshot", func(s store.Store) (any, error) { return s.LastSnapshot(d.Context()) })
}

func (d *duel) prune() {
	limit := d.rng.IntN(20)
	age := func(one int) time.Duration { // none, most of the time
		return max(time.Duration(d.rng.IntN(100*one)-100*(one-1)+10), 0) * time.Minute
	}
	p := store.Policy{
		Events: age(1), Parked: age(3), Runs: age(3), Attempts: age(3), Bodies: age(3), Rejections: age(3),
		MaxEvents: int64(max(d.rng.IntN(1600)-1000, 0)), MaxBytes: int64(max(d.rng.IntN(6000)-4000, 0)),
	}
	d.both(fmt.Sprintf("Prune(%+v, %d)", p, limit), func(s store.Store) (any, error) {
		p, err := s.Prune(d.Context(), p, limit)
		p.Keys = 0 // a store may keep keys for a day after their window
		return p, err
	})
	d.both("Usage", func(s store.Store) (any, error) {
		u, err := s.Usage(d.Context())
		u.File, u.Free = 0, 0
		return u, err
	})
}

func (d *duel) putRejections() {
	all := make([]store.Rejection, d.rng.IntN(4))
	for i := range all {
		all[i] = rejection(d.pick("acme", "other"), d.pick("invalid_signature", "stale_timestamp"), fmt.Sprint("r", d.rng.IntN(4)))
		all[i].Count = d.rng.IntN(3)
		if d.rng.IntN(2) == 0 {
			all[i].At = time.Time{}
		}
	}
	d.both("PutRejections", func(s store.Store) (any, error) { return nil, s.PutRejections(d.Context(), all) })
	d.compareRejections(store.RejectionQuery{
		Provider: d.pick("", "acme"), Code: d.pick("", "stale_timestamp"), Request: d.pick("", "", "r1"), Limit: 1 + d.rng.IntN(10),
		Since: d.clock.now().Add(-time.Duration(d.rng.IntN(60)) * time.Minute),
	})
}

func (d *duel) compareRejections(q store.RejectionQuery) {
	d.Helper()
	d.both(fmt.Sprintf("Rejections(%+v)", q), func(s store.Store) (any, error) {
		page, err := s.Rejections(d.Context(), q)
		if len(page.Rejections) == 0 {
			page.Rejections = nil
		}
		return page, err
	})
}

func (d *duel) putOrDropSecrets() {
	sealed := sealedSecret(d.pick("acme", "other"), fmt.Sprint("digest", d.rng.IntN(40)))
	if d.rng.IntN(2) == 0 {
		sealed.At = time.Time{}
	}
	drop := d.rng.IntN(12) == 0
	d.both("PutSecret or DropSecrets", func(s store.Store) (any, error) {
		if drop {
			return nil, s.DropSecrets(d.Context(), sealed.Provider)
		}
		return nil, s.PutSecret(d.Context(), sealed)
	})
	d.both("Secrets", func(s store.Store) (any, error) {
		all, err := s.Secrets(d.Context())
		if len(all) == 0 {
			all = nil
		}
		return all, err
	})
}

func (d *duel) passTime() {
	d.clock.advance(time.Duration(d.rng.Int64N(int64(time.Minute))))
	switch d.rng.IntN(25) {
	case 0:
		d.clock.advance(time.Hour)
	case 1:
		d.clock.advance(-time.Minute)
	}
}

func (d *duel) bothRestart() {
	if d.model != d.store {
		wants(d.suite, "stopping the model", d.model.Stop(d.Context()), nil)
		wants(d.suite, "starting the model", d.model.Start(d.Context()), nil)
		d.restart()
		return
	}
	d.restart()
	d.model = d.store
}

func (d *duel) read() {
	q := store.EventQuery{
		Provider: d.pick("", "", "acme"), Name: d.pick("", "", "order"), Status: d.pick("", "", "processed", "routed", "accepted", "quarantined"),
		Limit: 1 + d.rng.IntN(10), Ascending: d.rng.IntN(2) == 0,
	}
	if d.rng.IntN(3) == 0 {
		q.Since = d.clock.now().Add(-time.Duration(d.rng.IntN(60)) * time.Minute)
	}
	d.both(fmt.Sprintf("Events(%+v)", q), func(s store.Store) (any, error) {
		var all []event.Event
		for pages := 0; pages < 4; pages++ {
			page, err := s.Events(d.Context(), q)
			if err != nil {
				return nil, err
			}
			all = append(all, page.Events...)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		q.Cursor = ""
		return all, nil
	})
	rq := store.RunQuery{
		Pipeline: d.pick("", "", "p"), State: run.State(d.pick("", "", "open", "parked", "done")), Outcome: run.Outcome(d.pick("", "", "filtered")),
		Limit: 1 + d.rng.IntN(10), Ascending: d.rng.IntN(2) == 0, Reason: d.pick("", "", "too_old"), Destination: d.pick("", "", "g"),
		Cause: run.CauseKind(d.pick("", "", "live", "replay")), Ref: d.pick("", "", "", "r1"),
	}
	if d.rng.IntN(3) == 0 {
		rq.Until = d.clock.now().Add(-time.Duration(d.rng.IntN(60)) * time.Minute)
	}
	if d.rng.IntN(3) == 0 {
		rq.Since = d.clock.now().Add(-time.Duration(d.rng.IntN(120)) * time.Minute)
	}
	if len(d.events) > 0 && d.rng.IntN(4) == 0 {
		rq.Event = d.events[d.rng.IntN(len(d.events))]
	}
	d.both(fmt.Sprintf("Runs(%+v)", rq), func(s store.Store) (any, error) {
		var all []run.Run
		for pages := 0; pages < 4; pages++ {
			page, err := s.Runs(d.Context(), rq)
			if err != nil {
				return nil, err
			}
			all = append(all, page.Runs...)
			if rq.Cursor = page.Next; rq.Cursor == "" {
				break
			}
		}
		rq.Cursor = ""
		return all, nil
	})
	if len(d.events) > 0 {
		id := d.events[max(0, len(d.events)-1-d.rng.IntN(100))]
		d.both("Event", func(s store.Store) (any, error) { return s.Event(d.Context(), id) })
		d.both("Body", func(s store.Store) (any, error) { return s.Body(d.Context(), id) })
	}
	if id, ok := d.aRun(); ok {
		d.compareRun(id)
	}
}

func (d *duel) compareRun(id run.ID) {
	d.Helper()
	d.both(fmt.Sprintf("Run(%s)", id), func(s store.Store) (any, error) {
		r, err := s.Run(d.Context(), id)
		for i := range r.Tasks {
			r.Tasks[i].ID, r.Tasks[i].Token = 0, 0
		}
		if len(r.Steps) == 0 {
			r.Steps = nil
		}
		if len(r.Attempts) == 0 {
			r.Attempts = nil
		}
		return r, err
	})
}

// compareAll reads everything that was ever made.
func (d *duel) compareAll() {
	for _, id := range d.runs {
		d.compareRun(id)
	}
	for _, id := range d.events {
		d.both("Event", func(s store.Store) (any, error) { return s.Event(d.Context(), id) })
	}
	d.compareRejections(store.RejectionQuery{Limit: 1000})
	d.compareAudit(store.AuditQuery{Limit: 1000})
	d.audit() // checks the chain
}
