package telemetry_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/telemetry"
)

func counter(name string, labels ...string) *node.Metric {
	return &node.Metric{Name: name, Help: "Orders.", Kind: node.Counter, Labels: labels, MaxSeries: 100}
}

func TestWhatAPipelineMeasuresIsExportedUnderItsOwnName(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, &account{})
	if got := scrape(t, m); strings.Contains(got, "orders_total") {
		t.Error("a metric without a value is exported")
	}
	orders := counter("orders_total", "country", "kind")
	m.Measure(node.Measure{Metric: orders, Value: 1, Labels: []string{"DE", "new"}})
	m.Measure(node.Measure{Metric: orders, Value: 2.5, Labels: []string{"DE", "new"}})
	m.Measure(node.Measure{Metric: orders, Value: 1, Labels: []string{"FR", "a\xffb"}})
	depth := &node.Metric{Name: "queue_depth", Help: "How deep.", Kind: node.Gauge, MaxSeries: 1}
	m.Measure(node.Measure{Metric: depth, Value: 7})
	m.Measure(node.Measure{Metric: depth, Value: -3})
	amounts := &node.Metric{Name: "amounts", Kind: node.Histogram, Buckets: []float64{1, 10}, MaxSeries: 1}
	for _, v := range []float64{0.5, 5, 50} {
		m.Measure(node.Measure{Metric: amounts, Value: v})
	}
	wantLines(t, scrape(t, m),
		`# HELP orders_total Orders.`, `# TYPE orders_total counter`,
		`orders_total{country="DE",kind="new"} 3.5`, `orders_total{country="FR",kind="a�b"} 1`,
		`# TYPE queue_depth gauge`, `queue_depth -3`,
		`amounts_bucket{le="1"} 1`, `amounts_bucket{le="10"} 2`, `amounts_bucket{le="+Inf"} 3`, `amounts_sum 55.5`, `amounts_count 3`)
}

func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, &account{})
	d := counter("orders_total", "id")
	d.MaxSeries = 2
	for i := range 10 {
		m.Measure(node.Measure{Metric: d, Value: 1, Labels: []string{fmt.Sprint(i)}})
	}
	m.Measure(node.Measure{Metric: d, Value: 1, Labels: []string{"1"}})
	long := counter("long_total", "text")
	m.Measure(node.Measure{Metric: long, Value: 1, Labels: []string{strings.Repeat("é", 5000)}})
	wantLines(t, scrape(t, m), `orders_total{id="0"} 1`, `orders_total{id="1"} 2`, `orders_total{id="other"} 8`, `!orders_total{id="2"} 1`,
		`long_total{text="`+strings.Repeat("é", 128)+`"} 1`)
}

func TestTheLastDescriptionOfAMetricCounts(t *testing.T) {
	t.Parallel()
	old := counter("orders_total", "country")
	for name, changed := range map[string]*node.Metric{
		"labels": counter("orders_total", "country", "kind"),
		"kind":   {Name: "orders_total", Help: "Orders.", Kind: node.Gauge, Labels: []string{"country", "kind"}, MaxSeries: 100},
		"help":   {Name: "orders_total", Help: "All orders.", Kind: node.Counter, Labels: []string{"country", "kind"}, MaxSeries: 100},
	} {
		m := newMetrics(t, &account{})
		m.Measure(node.Measure{Metric: old, Value: 5, Labels: []string{"DE"}})
		m.Measure(node.Measure{Metric: changed, Value: 1, Labels: []string{"DE", "new"}})
		again := *changed // as another revision with the same node compiles it
		m.Measure(node.Measure{Metric: &again, Value: 1, Labels: []string{"FR", "new"}})
		got := scrape(t, m)
		wantLines(t, got, `orders_total{country="DE",kind="new"} 1`, `orders_total{country="FR",kind="new"} 1`, `!orders_total{country="DE"} 5`)
		if n := strings.Count(got, "# TYPE orders_total "); n != 1 {
			t.Errorf("%s changed: the metric is exported %d times", name, n)
		}
	}
}

func TestAMeasurementThatCannotBeIsLeftOutAndSaidOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	m, err := telemetry.New(telemetry.Options{Store: &account{}, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	histogram := func(name string, labels []string, buckets ...float64) *node.Metric {
		return &node.Metric{Name: name, Kind: node.Histogram, Labels: labels, Buckets: buckets, MaxSeries: 10}
	}
	m.Measure(node.Measure{Metric: histogram("took", nil, 1, 2), Value: 1})
	for want, v := range map[string]node.Measure{
		"no metric":                      {},
		"Headgate's own":                 {Metric: counter("headgate_runs_total"), Value: 1},
		"names of that beginning":        {Metric: counter("go_goroutines"), Value: 1},
		"can only grow":                  {Metric: counter("falls"), Value: -1},
		"counter can only grow":          {Metric: counter("nan"), Value: math.NaN()},
		"another count of labels":        {Metric: counter("odd", "a"), Value: 1},
		"a label le of its own":          {Metric: histogram("le_label", []string{"le"}), Value: 1, Labels: []string{"x"}},
		"not one that a metric may have": {Metric: counter("falls ing"), Value: 1},
		"its buckets do not rise":        {Metric: histogram("flat", nil, 1, 1), Value: 1},
		"series have the names of took":  {Metric: counter("took_count"), Value: 1},
		"it cannot have":                 {Metric: counter("odd_label", "__x"), Value: 1, Labels: []string{"x"}},
	} {
		log.Reset()
		m.Measure(v)
		m.Measure(v)
		if got := log.String(); strings.Count(got, "a measurement was left out") != 1 || !strings.Contains(got, want) {
			t.Errorf("want %q once, got\n%s", want, got)
		}
	}
	wantLines(t, scrape(t, m), `took_count 1`, `!falls 0`)
}

func TestMeasurementsAndScrapesAtOnce(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, &account{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 200 {
				d := counter("orders_total", "a")
				if n%50 == 0 {
					d = counter("orders_total", "a", "b")
				}
				m.Measure(node.Measure{Metric: d, Value: 1, Labels: []string{fmt.Sprint(i), "x"}[:len(d.Labels)]})
			}
		})
		all.Go(func() {
			for range 5 {
				scrape(t, m)
			}
		})
	}
	all.Wait()
}
