package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate/headgate/engine/store"
)

// Account is what a store says of itself; every store.Store has it. It is asked at each scrape, by one goroutine for each.
type Account interface {
	Due(ctx context.Context) (store.Due, error)
	Ledger(ctx context.Context) (store.Ledger, error)
	Usage(ctx context.Context) (store.Usage, error)
	Gates(ctx context.Context) ([]store.GateView, error)
	JobCounts(ctx context.Context) (map[store.JobState]int, error)
	Info() store.Info
}

// askTimeout is shorter than the 10 s after which a scrape is usually given up, so that a stuck store costs only its own metrics.
const askTimeout = 2 * time.Second

// accountant asks the store at each scrape, so that the figures hold over restarts.
type accountant struct {
	store   Account
	oldest  *prometheus.Desc
	runs    *prometheus.Desc
	warning *prometheus.Desc

	requests  *prometheus.Desc
	byTerm    *prometheus.Desc
	balanced  *prometheus.Desc
	gateState *prometheus.Desc
	waiting   *prometheus.Desc
	trips     *prometheus.Desc
	jobs      *prometheus.Desc
}

func newAccountant(s Account) *accountant {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return &accountant{
		store:   s,
		oldest:  desc("oldest_due_seconds", "How long the oldest due task has been waiting; 0 where nothing is due."),
		runs:    desc("runs", "Runs in the store, by state (open, completed, filtered, limited, parked, dropped).", "state"),
		warning: desc("store_durability_warning", "Whether an acknowledged event may not survive a power cut; the log and `headgate status` say why."),

		requests:  desc("ledger_requests", "Requests by what became of them; recorded is the sum of the others, pruned aside.", "term"),
		byTerm:    desc("ledger_runs", "Runs of each pipeline by what became of them; made is the sum of the others.", "pipeline", "term"),
		balanced:  desc("ledger_balanced", "Whether requests and runs add up."),
		gateState: desc("gate_state", "The state of each destination's gate (open, paused, disabled, failing, probing); always 1.", "destination", "state"),
		waiting:   desc("gate_waiting", "How many tasks wait at each destination's gate, counted up to 10000.", "destination"),
		trips:     desc("gate_breaker_trips", "How often the breaker of a destination opened without closing in between; of those that are not closed.", "destination"),
		jobs:      desc("jobs", "Jobs by state; of those that have ended the newest 1000.", "state"),
	}
}

// Describe implements prometheus.Collector.
func (a *accountant) Describe(ch chan<- *prometheus.Desc) {
	ch <- a.oldest
	ch <- a.runs
	ch <- a.warning
	ch <- a.requests
	ch <- a.byTerm
	ch <- a.balanced
	ch <- a.gateState
	ch <- a.waiting
	ch <- a.trips
	ch <- a.jobs
}

// Collect implements prometheus.Collector.
func (a *accountant) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(a.warning, truth(a.store.Info().Warning != ""))
	if due, err := a.store.Due(ctx); err != nil {
		ch <- prometheus.NewInvalidMetric(a.oldest, err)
	} else {
		gauge(a.oldest, due.Oldest.Seconds())
	}
	ledger, err := a.store.Ledger(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(a.runs, err)
	} else {
		a.collectRuns(gauge, &ledger)
		a.collectLedger(gauge, &ledger)
	}
	if gates, err := a.store.Gates(ctx); err != nil {
		ch <- prometheus.NewInvalidMetric(a.gateState, err)
	} else {
		a.collectGates(gauge, gates)
	}
	if jobs, err := a.store.JobCounts(ctx); err != nil {
		ch <- prometheus.NewInvalidMetric(a.jobs, err)
	} else {
		a.collectJobs(gauge, jobs)
	}
}

// emit sends one value.
type emit func(d *prometheus.Desc, v float64, labels ...string)

func (a *accountant) collectRuns(gauge emit, ledger *store.Ledger) {
	var sum store.RunTerms
	for _, t := range ledger.Runs {
		sum.Open += t.Open
		sum.Completed += t.Completed
		sum.Filtered += t.Filtered
		sum.Limited += t.Limited
		sum.Parked += t.Parked
		sum.Dropped += t.Dropped
	}
	gauge(a.runs, float64(sum.Open), "open")
	gauge(a.runs, float64(sum.Completed), "completed")
	gauge(a.runs, float64(sum.Filtered), "filtered")
	gauge(a.runs, float64(sum.Limited), "limited")
	gauge(a.runs, float64(sum.Parked), "parked")
	gauge(a.runs, float64(sum.Dropped), "dropped")
}
