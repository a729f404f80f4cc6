package telemetry

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options is what New needs; Store and Logger are required.
type Options struct {
	// Store is asked at every scrape.
	Store Account
	// Alive, where not nil, says why only a restart would help.
	Alive func() error
	// Version of Headgate, for build_info.
	Version string
	Logger  *slog.Logger
}

// Metrics counts what happens in one engine. Make it with New. Its methods do not block and, for labels seen before, do not
// allocate.
type Metrics struct {
	registry  *prometheus.Registry
	handler   http.Handler
	measures  *measures
	retention *retention

	requests    *counters // provider, answer
	requestTook prometheus.Histogram
	routed      *counters // provider
	routeTook   prometheus.Histogram
	runs        *counters // pipeline, state, outcome
	attempts    *counters // destination, class
	attemptTook prometheus.Histogram
	commitTook  prometheus.Histogram
	commitSize  prometheus.Histogram
	refused     atomic.Int64 // when the store last refused an event, in nanoseconds; 0 once it has taken something again

	reloads     *counters // result, reason
	reloadOK    prometheus.Gauge
	reloadTime  prometheus.Gauge
	reloadHeld  prometheus.Gauge
	revision    *prometheus.GaugeVec
	revisionMu  sync.Mutex
	revisionNow string
}

// Bounds of the histograms, in seconds.
func acceptBuckets() []float64 {
	// From a commit on a fast disk to the 10 s after which most senders give up.
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
}

func attemptBuckets() []float64 {
	// From a neighbour's answer to the longest timeout that a destination may have, 60 s.
	return []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60}
}

// Limits on how many series a label can make. What comes later is counted under "other": a name that a stranger can choose must
// not be able to fill the memory of this process or of the one that scrapes it.
const (
	maxProviders    = 1_000
	maxPipelines    = 5_000
	maxDestinations = 5_000
	maxWords        = 100 // closed vocabularies: answers, outcomes, reasons
)

// New makes the metrics of one engine. The error names the field that is missing.
func New(o Options) (*Metrics, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("telemetry: Store is missing")
	case o.Logger == nil:
		return nil, errors.New("telemetry: Logger is missing")
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(), measures: newMeasures(o.Logger), retention: newRetention(o.Store),
		requests: newCounters("requests_total", "Inbound requests, by provider and by what the sender was told.",
			label{"provider", maxProviders}, label{"answer", maxWords}),
		requestTook: newHistogram("request_duration_seconds", "From the first byte of an inbound request to its answer.", acceptBuckets()),
		routed:      newCounters("routed_total", "Events whose runs were written.", label{"provider", maxProviders}),
		routeTook:   newHistogram("route_duration_seconds", "Time to work out the runs of one event.", acceptBuckets()),
		runs: newCounters("runs_total", "Runs that came to an end or were parked, by state (done, parked, dropped) and outcome.",
			label{"pipeline", maxPipelines}, label{"state", maxWords}, label{"outcome", maxWords}),
		attempts: newCounters("attempts_total", "Outgoing attempts, by destination and class (ok, temporary, permanent, unknown).",
			label{"destination", maxDestinations}, label{"class", maxWords}),
		attemptTook: newHistogram("attempt_duration_seconds", "Time of one outgoing attempt.", attemptBuckets()),
		commitTook:  newHistogram("commit_duration_seconds", "Time of one durable commit of the store.", acceptBuckets()),
		commitSize: newHistogram("commit_events", "Events that shared one durable commit.",
			[]float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}),

		reloads: newCounters("manifest_reload_total", "Reloads of the manifests, by result (ok, failed) and reason.",
			label{"result", maxWords}, label{"reason", maxWords}),
		reloadOK:   newGauge("manifest_last_reload_success", "Whether the last reload of the manifests succeeded."),
		reloadTime: newGauge("manifest_last_reload_success_timestamp_seconds", "When manifests were last loaded with success."),
		reloadHeld: newGauge("manifest_held", "Whether a reload to no manifests at all waits for a confirmation."),
		revision:   newGaugeVec("manifest_revision_info", "The digest of the running manifests; always 1.", "digest"),
	}
	build := newGaugeVec("build_info", "What is running; always 1.", "version", "goversion")
	build.WithLabelValues(o.Version, runtime.Version()).Set(1)
	alive := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "alive", Help: "Whether the worker makes progress; 0 means that only a restart helps.",
	}, func() float64 { return truth(o.Alive == nil || o.Alive() == nil) })
	for _, c := range []prometheus.Collector{
		alive, m.requests.vec, m.requestTook, m.routed.vec, m.routeTook, m.runs.vec, m.attempts.vec, m.attemptTook, m.commitTook, m.commitSize,
		m.reloads.vec, m.reloadOK, m.reloadTime, m.reloadHeld, m.revision, build, newAccountant(o.Store), m.measures, m.retention,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		// A store that cannot be asked must not hide everything else: that is when the other metrics are wanted most.
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      scrapeLog{o.Logger},
	})
	return m, nil
}

// scrapeLog lets promhttp speak through slog.
type scrapeLog struct{ logger *slog.Logger }

// Println logs what went wrong while metrics were collected.
func (l scrapeLog) Println(v ...any) {
	for _, x := range v {
		if err, ok := x.(error); ok {
			l.logger.Warn("collecting metrics", KeyError, err)
		}
	}
}

// Handler serves the metrics in Prometheus's text form.
func (m *Metrics) Handler() http.Handler { return m.handler }

// Request counts one inbound request. Provider is the name of a provider that exists, or "" where the request named none;
// answer is the status word or the error code of the answer.
func (m *Metrics) Request(provider, answer string, took time.Duration) {
	if answer == storeUnavailable {
		m.refused.Store(time.Now().UnixNano())
	}
	m.requests.inc(provider, answer)
	m.requestTook.Observe(took.Seconds())
}

// storeUnavailable is the answer to a sender whose event could not be stored.
const storeUnavailable = "store_unavailable"

// Refusing says whether a sender was turned away within the last while because nothing could be stored, and nothing was stored since.
func (m *Metrics) Refusing(within time.Duration) bool {
	at := m.refused.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < within
}

// Routed counts one event whose runs were written.
func (m *Metrics) Routed(provider string, took time.Duration) {
	m.routed.inc(provider)
	m.routeTook.Observe(took.Seconds())
}

// RunEnded counts one run that is done, parked or dropped. Outcome is that of a done run, else "".
func (m *Metrics) RunEnded(pipeline, state, outcome string) { m.runs.inc(pipeline, state, outcome) }

// Attempt counts one outgoing try.
func (m *Metrics) Attempt(destination, outcome string, took time.Duration) {
	m.attempts.inc(destination, outcome)
	m.attemptTook.Observe(took.Seconds())
}

// Commit counts one durable commit of the store and the events in it.
func (m *Metrics) Commit(events int, took time.Duration) {
	if m.refused.Load() != 0 {
		m.refused.Store(0)
	}
	m.commitTook.Observe(took.Seconds())
	m.commitSize.Observe(float64(events))
}

// reasonHeld is the reason of a reload to no manifests at all.
const reasonHeld = "held"

// Reloaded tells how a reload ended. Reason is a stable word, "" for a success; digest is that of the running manifests and may be
// empty where the reload failed.
func (m *Metrics) Reloaded(ok bool, reason, digest string, at time.Time) {
	if !ok {
		m.reloads.inc("failed", reason)
		m.reloadOK.Set(0)
		m.reloadHeld.Set(truth(reason == reasonHeld))
		return
	}
	m.reloads.inc("ok", "")
	m.reloadOK.Set(1)
	m.reloadHeld.Set(0)
	m.reloadTime.Set(float64(at.UnixMilli()) / 1e3)

	m.revisionMu.Lock()
	defer m.revisionMu.Unlock()
	if digest != m.revisionNow {
		m.revision.Reset()
		m.revision.WithLabelValues(digest).Set(1)
		m.revisionNow = digest
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
