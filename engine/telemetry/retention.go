package telemetry

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate/headgate/engine/store"
)

// retention counts what was deleted, and says at each scrape how much is kept.
type retention struct {
	pruned *prometheus.CounterVec
	store  Account

	events, bytes, runs, file, free *prometheus.Desc
}

var _ prometheus.Collector = (*retention)(nil)

func newRetention(s Account) *retention {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "store", name), help, nil, nil)
	}
	r := &retention{
		store: s,
		pruned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "pruned_total",
			Help: "What retention has deleted, by what it was (events, runs, attempts, bodies, keys, revisions, rejections).",
		}, []string{"what"}),
		events: desc("events", "Events that are kept; HEADGATE_MAX_EVENTS bounds them."),
		bytes:  desc("body_bytes", "Bytes of the bodies that are kept; HEADGATE_MAX_STORE bounds them."),
		runs:   desc("runs", "Runs that are kept."),
		file:   desc("file_bytes", "Size of the store's files together."),
		free:   desc("free_bytes", "How much of the files is free, and used again by what comes."),
	}
	for what := range words(store.Pruned{}) {
		r.pruned.WithLabelValues(what)
	}
	return r
}

// words names what was deleted.
func words(n store.Pruned) map[string]int {
	return map[string]int{
		"events": n.Events, "runs": n.Runs, "attempts": n.Attempts, "bodies": n.Bodies, "keys": n.Keys, "revisions": n.Revisions,
		"rejections": n.Rejections,
	}
}

// Pruned counts what one step of retention deleted.
func (m *Metrics) Pruned(n store.Pruned) {
	for what, count := range words(n) {
		m.retention.pruned.WithLabelValues(what).Add(float64(count))
	}
}

// Describe implements prometheus.Collector.
func (r *retention) Describe(ch chan<- *prometheus.Desc) {
	r.pruned.Describe(ch)
	for _, d := range []*prometheus.Desc{r.events, r.bytes, r.runs, r.file, r.free} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (r *retention) Collect(ch chan<- prometheus.Metric) {
	r.pruned.Collect(ch)
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	u, err := r.store.Usage(ctx)
	for d, v := range map[*prometheus.Desc]int64{r.events: u.Events, r.bytes: u.Bytes, r.runs: u.Runs, r.file: u.File, r.free: u.Free} {
		if err != nil {
			ch <- prometheus.NewInvalidMetric(d, err)
			continue
		}
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
}
