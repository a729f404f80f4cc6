// Package metric is the node that counts or measures something of the event, for the gateway's /metrics.
//
// It only says what is measured; engine/telemetry keeps the series.
package metric

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/script/value"
	"github.com/headgate/headgate/engine/source"
)

// CodeBadMeasure says that the value is none that the metric takes.
const CodeBadMeasure script.Code = "bad_measure"

const (
	// maxLabels bounds the labels of a metric: every one multiplies its series.
	maxLabels = 8
	// maxLabelValue bounds a label's value; a longer one is cut, because it is no use in a query.
	maxLabelValue = 128
	maxBuckets    = 50
)

// Type describes the metric node.
func Type() node.Type {
	kinds := []string{string(node.Counter), string(node.Gauge), string(node.Histogram)}
	return node.Type{
		Name:        "metric",
		Doc:         "Counts or measures something of the event, for /metrics.",
		Transparent: true,
		Props: &field.Object{
			Name: "metric",
			Doc:  "What is measured.",
			Fields: []field.Field{
				{Name: "name", Type: field.String, Shown: true, Required: true, Doc: "The metric's name, exactly as /metrics shows it: lower-case letters, digits, `_` and `:`.", Example: "orders_total"},
				{Name: "kind", Type: field.Enum, Enum: kinds, Default: kinds[0], Doc: "What kind of metric it is."},
				{Name: "value", Type: field.Expression, Doc: "The number that is added, set or observed. A counter's default is 1.", Example: "payload.total"},
				{Name: "labels", Type: field.StringMap, Shown: true, Max: maxLabels, Doc: "Labels by name; the values may be templates.", Example: `{country: "{{ payload.country }}"}`},
				{Name: "help", Type: field.String, Shown: true, Doc: "A sentence for /metrics."},
				{Name: "buckets", Type: field.Strings, Shown: true, Max: maxBuckets, Doc: "A histogram's upper bounds, growing. Default: 0.005 to 10, as for seconds.", Example: "[1, 5, 10, 50]"},
				{Name: "max_series", Type: field.Int, Min: 1, Max: 1000, Default: "100", Doc: "How many combinations of label values are told apart; further ones count under `other`."},
			},
			Hints: map[string]string{
				"metric": "write `name`", "metric_name": "write `name`", "type": "write `kind`", "metric_type": "write `kind`",
				"expression": "write `value`", "amount": "write `value`", "inc": "write `value`", "by": "write `value`", "observe": "write `value`",
				"tags": "write `labels`", "dimensions": "write `labels`", "attributes": "write `labels`", "description": "write `help`", "doc": "write `help`",
				"cardinality": "write `max_series`", "max_cardinality": "write `max_series`", "unit": "write the unit at the end of `name`, as in `duration_seconds`",
				"objectives": "a summary is not kept: write `kind: histogram` and `buckets`", "quantiles": "a summary is not kept: write `kind: histogram` and `buckets`",
			},
		},
		Build: build,
	}
}

type metric struct {
	of     *node.Metric
	labels []*script.Template // in the order of their names
	value  script.Program     // nil: 1
}

var _ node.Measurer = (*metric)(nil)

// Metric implements node.Measurer. Nodes that name the same metric must describe it alike.
func (n *metric) Metric() *node.Metric { return n.of }

func build(p *field.Values, env node.Env, out *diag.List) node.Node {
	n := &metric{of: &node.Metric{
		Name: p.String("name"), Help: p.String("help"), Kind: node.MeasureKind(p.String("kind")), MaxSeries: int(p.Int("max_series")),
	}}
	if n.of.Help == "" {
		n.of.Help = "Measured by pipelines."
	}
	checkName(p, out)
	n.buckets(p, out)
	if h := p.Node("labels"); h != nil && h.Kind == source.Map {
		n.compileLabels(h, env, out)
	}
	switch {
	case p.Has("value") && p.Good("value"):
		n.value = script.CompileValue(script.Default, script.FromNode(p.Node("value")), env.Scope, out)
	case !p.Has("value") && p.Good("value") && p.Good("kind") && n.of.Kind != node.Counter:
		out.Errorf(diag.MissingKey, p.Span("value"), "for example `value: payload.total`", "the key `%s` is missing: only a counter can do without", p.Path("value"))
	}
	return n
}

// checkName finds names that Prometheus does not take, and those of others.
func checkName(p *field.Values, out *diag.List) {
	name := p.String("name")
	if name == "" || !p.Good("name") {
		return
	}
	hint := ""
	if plain := strings.Trim(regexp.MustCompile(`[^a-z0-9_:]+`).ReplaceAllString(strings.ToLower(name), "_"), "0123456789_"); plain != "" {
		hint = "write `" + plain + "`"
	}
	if !regexp.MustCompile(`^[a-z_:][a-z0-9_:]*$`).MatchString(name) || len(name) > 200 {
		out.Errorf(diag.BadName, p.Span("name"), hint, "`%s` cannot be `%s`: names of metrics have lower-case letters, digits, `_` and `:`, and do not begin with a digit",
			p.Path("name"), name)
		return
	}
	for _, prefix := range []string{"headgate_", "go_", "process_", "promhttp_"} {
		if strings.HasPrefix(name, prefix) {
			out.Errorf(diag.BadName, p.Span("name"), "choose another beginning", "`%s` cannot be `%s`: names that begin with `%s` are the gateway's own",
				p.Path("name"), name, prefix)
		}
	}
}

// defaultBuckets are those of Prometheus' own libraries.
func defaultBuckets() []float64 {
	return []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
}

func (n *metric) buckets(p *field.Values, out *diag.List) {
	list := p.Node("buckets")
	switch {
	case n.of.Kind != node.Histogram:
		if list != nil && p.Good("kind") {
			out.Errorf(diag.BadValue, p.KeySpan("buckets"), "write `kind: histogram`, or leave it out", "a %s has no buckets", n.of.Kind)
		}
		return
	case list == nil || !p.Good("buckets"):
		n.of.Buckets = defaultBuckets()
		return
	}
	items := []*source.Node{list}
	if list.Kind == source.List {
		items = list.Items
	}
	if len(items) == 0 {
		out.Errorf(diag.BadValue, list.Span, "leave it out for the default", "`%s` holds no bounds", p.Path("buckets"))
	}
	last := math.Inf(-1)
	for i, item := range items {
		bound, err := strconv.ParseFloat(strings.ReplaceAll(p.Strings("buckets")[i], "_", ""), 64)
		switch {
		case err != nil || math.IsNaN(bound) || math.IsInf(bound, 0):
			out.Errorf(diag.BadValue, item.Span, "write a number; the last bucket has no bound by itself", "`%s` cannot hold `%s`", p.Path("buckets"), item.Text)
			continue
		case bound <= last:
			out.Errorf(diag.BadValue, item.Span, "write the bounds from the lowest to the highest, each once", "`%s` do not grow at `%s`", p.Path("buckets"), item.Text)
		}
		last = bound
		n.of.Buckets = append(n.of.Buckets, bound)
	}
}

func (n *metric) compileLabels(labels *source.Node, env node.Env, out *diag.List) {
	byName := make(map[string]*script.Template, len(labels.Entries))
	form := regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	for _, e := range labels.Entries {
		name := e.Key.Text
		switch {
		case !e.Value.IsScalar() || e.Value.Kind == source.Null || e.Value.Value != nil && e.Value.Value.HasRef():
			continue // has been found wrong already
		case !form.MatchString(name):
			out.Errorf(diag.BadName, e.Key.Span, "write letters, digits and `_`", "`%s` cannot be the name of a label", name)
			continue
		case strings.HasPrefix(name, "__") || name == "le" || name == "quantile":
			out.Errorf(diag.BadName, e.Key.Span, "choose another name", "`%s` cannot be the name of a label: Prometheus keeps it for itself", name)
			continue
		}
		byName[name] = script.CompileTemplate(script.FromNode(e.Value), env.Scope, out)
		n.of.Labels = append(n.of.Labels, name)
	}
	slices.Sort(n.of.Labels) // so that two nodes agree whatever order they write
	for _, name := range n.of.Labels {
		n.labels = append(n.labels, byName[name])
	}
}

// Do measures.
func (n *metric) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	out := node.Measure{Metric: n.of, Value: 1}
	if n.value != nil {
		res, err := n.value.Eval(ctx, in.Env)
		out.Reads, out.Log = res.Reads, res.Log
		if err != nil {
			return node.Value{Notes: out.Notes}, fmt.Errorf("evaluating the value: %w", err)
		}
		var why string
		if out.Value, why = measured(res.Value, n.of.Kind); why != "" {
			return node.Value{Notes: out.Notes}, fmt.Errorf("evaluating the value: %w", &script.Error{Code: CodeBadMeasure, Message: why})
		}
	}
	for i, label := range n.labels {
		text, err := label.RenderString(ctx, in.Env)
		if err != nil {
			return node.Value{Notes: out.Notes}, fmt.Errorf("rendering the label %s: %w", n.of.Labels[i], err)
		}
		out.Labels = append(out.Labels, cut(text))
	}
	return out, nil
}

// measured gives the number that a value is, or why it is none that can be measured.
func measured(v any, kind node.MeasureKind) (float64, string) {
	var f float64
	switch x := v.(type) {
	case int64:
		f = float64(x)
	case float64:
		f = x
	case json.Number:
		f, _ = x.Float64() // what is too large is infinite, and refused below
	case nil:
		return 0, "it is null, not a number"
	default:
		return 0, fmt.Sprintf("it is a %s, not a number", value.Kind(v))
	}
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return 0, "it is too large"
	case f < 0 && kind == node.Counter:
		return 0, "a counter cannot be counted down"
	}
	return f, ""
}

func cut(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxLabelValue {
		return text
	}
	end := maxLabelValue
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
