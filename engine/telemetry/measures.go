package telemetry

import (
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate/headgate/engine/node"
)

const (
	// maxMeasured metrics of pipelines are kept; more can only come from manifests that are changed again and again under one process.
	maxMeasured = 1000
	// maxLabelBytes of a label's value are kept: it is a word to group by, not a text.
	maxLabelBytes = 256
)

// measures are the metrics of pipelines. A series is made at its first value. It is an unchecked collector: what it has is not known
// before.
type measures struct {
	logger *slog.Logger

	mu       sync.Mutex
	families map[string]*family
	warned   map[string]bool // by metric, what was complained of
}

// family is one metric with its series.
type family struct {
	metric *node.Metric
	vec    prometheus.Collector
	add    func(value float64, labels []string) error
	series map[string]bool
}

func newMeasures(logger *slog.Logger) *measures {
	return &measures{logger: logger, families: map[string]*family{}, warned: map[string]bool{}}
}

// Describe implements prometheus.Collector.
func (*measures) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m *measures) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	families := make([]*family, 0, len(m.families))
	for _, f := range m.families {
		families = append(families, f)
	}
	m.mu.Unlock()
	for _, f := range families {
		f.vec.Collect(ch)
	}
}

// Measure counts, sets or observes what a metric node measured. Where a metric is described in another way than before, the new
// description counts and its series begin anew. A value that its metric cannot have (a counter that falls, a name of our own) is left
// out, and the log says so once.
func (m *Metrics) Measure(v node.Measure) { m.measures.measure(v) }

func (m *measures) measure(v node.Measure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if why := refuse(v); why != "" {
		m.warn(v.Metric, why)
		return
	}
	f := m.families[v.Metric.Name]
	if f == nil || !f.metric.Alike(v.Metric) {
		if f == nil && len(m.families) >= maxMeasured {
			m.warn(v.Metric, "there are too many metrics of pipelines")
			return
		}
		if other := m.overlapping(v.Metric); other != "" {
			m.warn(v.Metric, "its series have the names of "+other)
			return
		}
		f = newFamily(v.Metric)
		m.families[v.Metric.Name] = f
	}
	if err := f.add(v.Value, f.bound(v.Labels)); err != nil {
		m.warn(v.Metric, err.Error())
	}
}

// warn logs once for a metric; whoever calls holds the lock.
func (m *measures) warn(metric *node.Metric, why string) {
	name := ""
	if metric != nil {
		name = metric.Name
	}
	if m.warned[name] || len(m.warned) >= maxMeasured {
		return
	}
	m.warned[name] = true
	m.logger.Warn("a measurement was left out", KeyMetric, name, KeyReason, why)
}

// refuse says why a value cannot be counted, "" where it can. What the library behind would panic for is among it.
func refuse(v node.Measure) string {
	d := v.Metric
	switch {
	case d == nil:
		return "it belongs to no metric"
	case reserved(d.Name):
		return "names of that beginning are Headgate's own"
	case !word(d.Name, ":"):
		return "its name is not one that a metric may have"
	case len(v.Labels) != len(d.Labels):
		return "it has another count of labels than its metric"
	case d.Kind == node.Counter && (v.Value < 0 || math.IsNaN(v.Value)):
		return "a counter can only grow"
	case d.Kind == node.Histogram && slices.Contains(d.Labels, "le"):
		return "a histogram has a label le of its own"
	}
	for i, name := range d.Labels {
		if !word(name, "") || strings.HasPrefix(name, "__") || slices.Contains(d.Labels[:i], name) {
			return "it has a label that it cannot have"
		}
	}
	for i := 1; d.Kind == node.Histogram && i < len(d.Buckets); i++ {
		if !(d.Buckets[i-1] < d.Buckets[i]) {
			return "its buckets do not rise"
		}
	}
	return ""
}

// word says whether a name has the form that Prometheus gives to metrics and labels; more are characters beside letters, digits and _.
func word(name, more string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"+more) == "" && (name[0] < '0' || name[0] > '9')
}

// reserved says whether a name may be that of a metric made here, of the Go runtime or of the process.
func reserved(name string) bool {
	for _, prefix := range []string{namespace + "_", "go_", "process_", "promhttp_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// overlapping gives the metric whose series would have the names of another one's: a histogram x writes x_bucket, x_sum and x_count.
func (m *measures) overlapping(metric *node.Metric) string {
	for name, f := range m.families {
		if name == metric.Name {
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if f.metric.Kind == node.Histogram && metric.Name == name+suffix || metric.Kind == node.Histogram && name == metric.Name+suffix {
				return name
			}
		}
	}
	return ""
}

func newFamily(d *node.Metric) *family {
	f := &family{metric: d, series: map[string]bool{}}
	switch d.Kind {
	case node.Gauge:
		vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
		f.vec, f.add = vec, func(value float64, labels []string) error {
			s, err := vec.GetMetricWithLabelValues(labels...)
			if err == nil {
				s.Set(value)
			}
			return err
		}
	case node.Histogram:
		vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: d.Buckets}, d.Labels)
		f.vec, f.add = vec, func(value float64, labels []string) error {
			s, err := vec.GetMetricWithLabelValues(labels...)
			if err == nil {
				s.Observe(value)
			}
			return err
		}
	default:
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
		f.vec, f.add = vec, func(value float64, labels []string) error {
			s, err := vec.GetMetricWithLabelValues(labels...)
			if err == nil {
				s.Add(value)
			}
			return err
		}
	}
	return f
}

// bound gives the values of the labels as they are kept, or "other" for all where the metric has as many series as it may have.
func (f *family) bound(labels []string) []string {
	kept := make([]string, len(labels))
	for i, v := range labels {
		v = strings.ToValidUTF8(v, "�")
		if len(v) > maxLabelBytes {
			cut := maxLabelBytes
			for cut > 0 && !utf8.RuneStart(v[cut]) {
				cut--
			}
			v = v[:cut]
		}
		kept[i] = v
	}
	key := strings.Join(kept, "\xff") // no byte of UTF-8
	if f.series[key] || len(kept) == 0 {
		return kept
	}
	if len(f.series) >= f.metric.MaxSeries {
		for i := range kept {
			kept[i] = other
		}
		return kept
	}
	f.series[key] = true
	return kept
}
