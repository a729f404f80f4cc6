package trial

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
)

// metrics looks at what metrics came to.
func (j *runJudgement) metrics() {
	for i, w := range j.v.Objects("metrics") {
		j.metric(fmt.Sprintf("metrics[%d]", i), w)
	}
}

func (j *runJudgement) metric(what string, w *field.Values) {
	var sum float64
	var known []string
	labels, n := w.StringMap("labels"), 0
	for _, m := range j.done.measures {
		if !slices.Contains(known, m.Metric.Name) {
			known = append(known, m.Metric.Name)
		}
		if m.Metric.Name != w.String("name") || !labelled(m, labels) {
			continue
		}
		if n++; m.Metric.Kind == node.Gauge {
			sum = m.Value
		} else {
			sum += m.Value
		}
	}
	if w.Has("count") && int64(n) != w.Int("count") {
		j.fail(w.Span("count"), what+".count", strconv.Itoa(n), strconv.FormatInt(w.Int("count"), 10))
	}
	switch {
	case n == 0 && (!w.Has("count") || w.Int("count") > 0):
		got := "nothing was measured"
		switch {
		case slices.Contains(known, w.String("name")):
			got = "not measured with these labels, but with " + j.labelsOf(w.String("name"))
		case len(known) > 0:
			got = "not measured, but " + strings.Join(known, ", ")
		}
		j.fail(w.Root().Span, what, got, show(field.Plain(w.Root())))
	case w.Has("value") && !near(sum, w.Number("value")):
		j.fail(w.Span("value"), what+".value", number64(sum), number64(w.Number("value")))
	}
}

// near compares sums of decimal numbers, which float64 does not hold exactly.
func near(a, b float64) bool {
	d, most := a-b, max(a, -a, b, -b)
	return max(d, -d) <= most*1e-12
}

func number64(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// labelled says whether a measurement has these labels, others aside.
func labelled(m node.Measure, labels map[string]string) bool {
	for name, value := range labels {
		if i := slices.Index(m.Metric.Labels, name); i < 0 || i >= len(m.Labels) || m.Labels[i] != value {
			return false
		}
	}
	return true
}

// labelsOf shows the labels with which a metric was measured.
func (j *runJudgement) labelsOf(name string) string {
	seen := map[string]bool{}
	for _, m := range j.done.measures {
		if m.Metric.Name != name {
			continue
		}
		one := map[string]string{}
		for i, label := range m.Metric.Labels {
			if i < len(m.Labels) {
				one[label] = m.Labels[i]
			}
		}
		if b, err := json.Marshal(one); err == nil {
			seen[string(b)] = true
		}
	}
	return cut(strings.Join(slices.Sorted(maps.Keys(seen)), ", "))
}
