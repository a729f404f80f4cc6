package metric_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/metric"
	"github.com/headgate/headgate/engine/node/nodetest"
	"github.com/headgate/headgate/engine/script"
)

func TestAMetricMeasures(t *testing.T) {
	t.Parallel()
	rows := []struct {
		props, event string
		value        float64
		labels       []string
	}{
		{`name: orders_total`, `{}`, 1, nil},
		{`{name: revenue_total, value: payload.total}`, `{"total": 120.5}`, 120.5, nil},
		{`{name: a, value: payload.n}`, `{"n": 9007199254740993}`, 9007199254740992, nil},
		{`{name: a, value: payload.n}`, `{"n": 123456789012345678901234567890}`, 123456789012345678901234567890, nil},
		{`{name: a, kind: gauge, value: payload.n}`, `{"n": -3}`, -3, nil},
		{`{name: a, kind: histogram, value: payload.n / 2}`, `{"n": 5}`, 2.5, nil},
		{`{name: a, labels: {zone: "{{ payload.zone }}", country: de, n: "{{ payload.n }}"}}`, `{"zone": "eu", "n": 5}`, 1, []string{"de", "5", "eu"}},
		{`{name: a, labels: {zone: "{{ payload.zone }}"}}`, `{}`, 1, []string{""}},
		{`{name: a, labels: {zone: "{{ payload.zone }}"}}`, `{"zone": "` + strings.Repeat("é", 100) + `"}`, 1, []string{strings.Repeat("é", 64)}},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, metric.Type(), r.props).Do(t.Context(), nodetest.Input(t, r.event))
		if err != nil {
			t.Errorf("%s of %s: %v", r.props, r.event, err)
			continue
		}
		m, _ := outcome.(node.Measure)
		if m.Value != r.value || !slices.Equal(m.Labels, r.labels) {
			t.Errorf("%s of %s measures %v %q, want %v %q", r.props, r.event, m.Value, m.Labels, r.value, r.labels)
		}
	}
}

func TestAMetricIsDescribedOnce(t *testing.T) {
	t.Parallel()
	rows := []struct {
		props string
		want  node.Metric
	}{
		{`name: orders_total`, node.Metric{Name: "orders_total", Help: "Measured by pipelines.", Kind: node.Counter, MaxSeries: 100}},
		{
			`{name: "shop:seconds", kind: histogram, value: payload.n, help: How long., labels: {b: x, a: y}, buckets: [1, 2.5, 1_000], max_series: 7}`,
			node.Metric{Name: "shop:seconds", Help: "How long.", Kind: node.Histogram, Labels: []string{"a", "b"}, Buckets: []float64{1, 2.5, 1000}, MaxSeries: 7},
		},
		{
			`{name: s, kind: histogram, value: payload.n}`,
			node.Metric{Name: "s", Help: "Measured by pipelines.", Kind: node.Histogram, MaxSeries: 100, Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}},
		},
		{`{name: s, kind: histogram, value: payload.n, buckets: 5}`, node.Metric{Name: "s", Help: "Measured by pipelines.", Kind: node.Histogram, MaxSeries: 100, Buckets: []float64{5}}},
	}
	for _, r := range rows {
		n := nodetest.Good(t, metric.Type(), r.props)
		m, ok := n.(node.Measurer)
		if !ok || !reflect.DeepEqual(*m.Metric(), r.want) {
			t.Errorf("%s is %+v, want %+v", r.props, m.Metric(), r.want)
			continue
		}
		outcome, err := n.Do(t.Context(), nodetest.Input(t, `{"n": 1}`))
		if v, _ := outcome.(node.Measure); err != nil || v.Metric != m.Metric() {
			t.Errorf("%s measures %p, %v, want what it describes, %p", r.props, v.Metric, err, m.Metric())
		}
	}
}

func TestAMetricFailsWhereThereIsNoNumber(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, event, says string }{
		{`{name: a, value: payload.n}`, `{}`, "evaluating the value: it is null, not a number"},
		{`{name: a, value: payload.n}`, `{"n": "5"}`, "it is a string, not a number"},
		{`{name: a, value: payload.n}`, `{"n": 1e400}`, "it is too large"},
		{`{name: a, value: payload.n}`, `{"n": -1}`, "a counter cannot be counted down"},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, metric.Type(), r.props).Do(t.Context(), nodetest.Input(t, r.event))
		var e *script.Error
		if !errors.As(err, &e) || e.Code != metric.CodeBadMeasure || !strings.Contains(err.Error(), r.says) {
			t.Errorf("%s of %s gives %v, want %s: %s", r.props, r.event, err, metric.CodeBadMeasure, r.says)
		}
		if v, ok := outcome.(node.Value); !ok || nodetest.Operands(v.Notes) != "payload.n" {
			t.Errorf("%s of %s fails with %+v, want what it read", r.props, r.event, outcome)
		}
	}
	for _, props := range []string{`{name: a, value: payload.n + 1}`, `{name: a, labels: {b: "{{ payload.n + 1 }}"}}`} {
		if _, err := nodetest.Good(t, metric.Type(), props).Do(t.Context(), nodetest.Input(t, `{}`)); err == nil || !strings.Contains(err.Error(), "payload.n") {
			t.Errorf("%s gives %v, want an error that names the operand", props, err)
		}
	}
}

func TestAMetricIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	nodetest.Wrong(t, metric.Type(), [][2]string{
		{`{}`, "missing-key"},
		{`metric: a`, "write `name`"},
		{`{name: a, type: counter}`, "write `kind`"},
		{`{name: a, tags: {b: c}}`, "write `labels`"},
		{`name: Orders-Total`, "write `orders_total`"},
		{`name: 5xx`, "write `xx`"},
		{`name: headgate_orders`, "names that begin with `headgate_` are the gateway's own"},
		{`name: go_orders`, "names that begin with `go_`"},
		{`{name: a, kind: summary}`, "`counter`, `gauge`, `histogram`"},
		{`{name: a, kind: gauge}`, "only a counter can do without"},
		{`{name: a, kind: gauge, expression: payload.n}`, "write `value`"},
		{`{name: a, buckets: [1, 2]}`, "a counter has no buckets"},
		{`{name: a, kind: histogram, value: payload.n, buckets: [1, 1]}`, "do not grow at `1`"},
		{`{name: a, kind: histogram, value: payload.n, buckets: [2, 1]}`, "do not grow at `1`"},
		{`{name: a, kind: histogram, value: payload.n, buckets: [1, many]}`, "cannot hold `many`"},
		{`{name: a, kind: histogram, value: payload.n, buckets: [1, +Inf]}`, "no bound by itself"},
		{`{name: a, kind: histogram, value: payload.n, buckets: []}`, "holds no bounds"},
		{`{name: a, max_series: 5000}`, "it takes 1 to 1000"},
		{`{name: a, labels: {le: b}}`, "Prometheus keeps it for itself"},
		{`{name: a, labels: {__b: b}}`, "Prometheus keeps it for itself"},
		{`{name: a, labels: {b-c: b}}`, "`b-c` cannot be the name of a label"},
		{`{name: a, labels: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1}}`, "8 entries"},
		{`{name: a, labels: {b: "{{ nobody }}"}}`, "unknown-name"},
		{`{name: a, value: payload.n >}`, "expression-syntax"},
	})
}
