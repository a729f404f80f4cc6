package telemetry

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

const namespace = "headgate"

// other stands for all values of a label that came after its limit was reached.
const other = "other"

// label is a label's name and how many values it may have.
type label struct {
	name string
	max  int
}

// maxLabels is the most that a counter here has; a key of fixed size makes a look-up free of allocations.
const maxLabels = 3

type labelValues [maxLabels]string

// counters is a counter vector with bounded labels, whose known series are found without lock and without allocation.
type counters struct {
	vec    *prometheus.CounterVec
	labels []label

	known atomic.Pointer[map[labelValues]prometheus.Counter] // read by everybody, replaced under mu
	mu    sync.Mutex
	seen  []map[string]bool // the values of each label
}

func newCounters(name, help string, labels ...label) *counters {
	names := make([]string, len(labels))
	seen := make([]map[string]bool, len(labels))
	for i, l := range labels {
		names[i], seen[i] = l.name, map[string]bool{}
	}
	c := &counters{
		vec:    prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, names),
		labels: labels, seen: seen,
	}
	c.known.Store(&map[labelValues]prometheus.Counter{})
	return c
}

// inc counts one. It takes as many values as there are labels.
func (c *counters) inc(values ...string) {
	var key labelValues
	copy(key[:], values)
	counter, ok := (*c.known.Load())[key]
	if !ok {
		counter = c.add(key)
	}
	counter.Inc()
}

// add finds or makes the series of a key that was not known.
func (c *counters) add(key labelValues) prometheus.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	bounded := key
	for i, l := range c.labels {
		switch {
		case c.seen[i][key[i]]:
		case len(c.seen[i]) < l.max:
			c.seen[i][key[i]] = true
		default:
			bounded[i] = other
		}
	}
	counter := c.vec.WithLabelValues(bounded[:len(c.labels)]...)
	if bounded != key {
		return counter // not remembered: that map would be the one that grows
	}
	next := make(map[labelValues]prometheus.Counter, len(*c.known.Load())+1)
	for k, v := range *c.known.Load() {
		next[k] = v
	}
	next[key] = counter
	c.known.Store(&next)
	return counter
}

func newHistogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
}

func newGauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

func newGaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}
