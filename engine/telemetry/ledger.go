package telemetry

import (
	"cmp"
	"maps"
	"slices"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Limits on the series that are read from the store: what comes later in the alphabet is summed up under "other".
const (
	maxLedgerPipelines = 500
	maxGates           = 1000
)

// collectLedger tells every term of the ledger.
func (a *accountant) collectLedger(gauge emit, l *store.Ledger) {
	r := l.Requests
	balanced := r.Balanced()
	for term, n := range map[string]int64{
		"recorded": r.Recorded, "processed": r.Processed, "duplicate": r.Duplicate, "ignored": r.Ignored, "quarantined": r.Quarantined,
		"rejected": r.Rejected, "pruned": r.Pruned,
	} {
		gauge(a.requests, float64(n), term)
	}
	rest, some := store.RunTerms{}, false
	for i, name := range slices.Sorted(maps.Keys(l.Runs)) {
		t := l.Runs[name]
		balanced = balanced && t.Balanced()
		if i < maxLedgerPipelines {
			a.collectTerms(gauge, name, t)
			continue
		}
		some = true
		rest.Made += t.Made
		rest.Open += t.Open
		rest.Completed += t.Completed
		rest.Filtered += t.Filtered
		rest.Limited += t.Limited
		rest.Parked += t.Parked
		rest.Dropped += t.Dropped
		rest.Pruned += t.Pruned
	}
	if some {
		a.collectTerms(gauge, other, rest)
	}
	gauge(a.balanced, truth(balanced))
}

func (a *accountant) collectTerms(gauge emit, pipeline string, t store.RunTerms) {
	for term, n := range map[string]int64{
		"made": t.Made, "open": t.Open, "completed": t.Completed, "filtered": t.Filtered, "limited": t.Limited, "parked": t.Parked,
		"dropped": t.Dropped, "pruned": t.Pruned,
	} {
		gauge(a.byTerm, float64(n), pipeline, term)
	}
}

// collectGates tells of each gate: first of those that do not let everything pass, so that a limit hides none of them.
func (a *accountant) collectGates(gauge emit, gates []store.GateView) {
	gates = slices.DeleteFunc(slices.Clone(gates), func(g store.GateView) bool { return g.Name == run.RouteGate })
	slices.SortStableFunc(gates, func(x, y store.GateView) int {
		return cmp.Or(cmp.Compare(truth(gateWord(&x) == wordOpen), truth(gateWord(&y) == wordOpen)), cmp.Compare(x.Name, y.Name))
	})
	waiting := 0
	for i := range gates {
		g := &gates[i]
		if i >= maxGates {
			waiting += g.Waiting
			continue
		}
		gauge(a.gateState, 1, g.Name, gateWord(g))
		gauge(a.waiting, float64(g.Waiting), g.Name)
		if g.Breaker.Trips > 0 {
			gauge(a.trips, float64(g.Breaker.Trips), g.Name)
		}
	}
	if len(gates) > maxGates {
		gauge(a.waiting, float64(waiting), other)
	}
}

// wordOpen is the state of a gate that lets everything pass.
const wordOpen = "open"

// gateWord is the state of a gate in the word that people read.
func gateWord(g *store.GateView) string {
	switch {
	case g.State == store.GateDisabled, g.State == store.GatePaused:
		return string(g.State)
	case g.Breaker.State == store.BreakerOpen:
		return "failing"
	case g.Breaker.State == store.BreakerHalfOpen:
		return "probing"
	}
	return wordOpen
}

// collectJobs counts the jobs by state; each state has its series, so that an alert finds it.
func (a *accountant) collectJobs(gauge emit, count map[store.JobState]int) {
	for _, state := range []store.JobState{store.JobRunning, store.JobPaused, store.JobDone, store.JobCanceled, store.JobFailed} {
		gauge(a.jobs, float64(count[state]), string(state))
	}
}
