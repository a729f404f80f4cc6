package snapshot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/source"
)

// call is a node of a pipeline that runs another one.
type call struct {
	to   string
	path string
	span source.Span
}

// checkCalls looks at the pipelines that call each other: one that is called needs a start node, and no circle may come of it.
func checkCalls(diagrams []*pipeline.Diagram, bundle *manifest.Bundle, out *diag.List) {
	byName := map[string]*pipeline.Diagram{}
	calls := map[string][]call{}
	for _, d := range diagrams {
		byName[d.Name] = d
		for _, n := range d.Nodes() {
			if c, ok := n.Node.(node.Caller); ok {
				calls[d.Name] = append(calls[d.Name], call{to: c.Calls(), path: n.Path, span: n.Span})
			}
		}
	}
	for _, d := range diagrams {
		for _, c := range calls[d.Name] {
			called, doc := byName[c.to], bundle.Find(manifest.Pipeline, c.to)
			switch {
			case called == nil && doc != nil && !doc.Enabled:
				out.Warnf(diag.DanglingReference, c.span, "", "%q calls pipeline %q, which is not enabled", c.path, c.to)
			case called != nil && !called.Startable():
				out.Add(diag.Finding{
					Severity: diag.Error, Rule: diag.NoEntry, Span: c.span, Hint: "give it a node of the type `start`",
					Message: fmt.Sprintf("%q calls pipeline %q, which has no start node", c.path, c.to),
					Related: []diag.Related{{Span: called.Document.NameSpan, Message: "the pipeline that is called"}},
				})
			}
		}
	}
	for i, d := range diagrams {
		later := map[string]bool{} // each circle is told of once: by the first of its pipelines
		for _, other := range diagrams[i:] {
			later[other.Name] = true
		}
		if circle := back(d.Name, d.Name, calls, later); circle != nil {
			reportCircle(d.Name, circle, out)
		}
	}
}

// back gives the calls that lead from one pipeline to another, through those that may be entered; each of these is entered once.
func back(from, to string, calls map[string][]call, enter map[string]bool) []call {
	for _, c := range calls[from] {
		if c.to == to {
			return []call{c}
		}
		if !enter[c.to] {
			continue
		}
		enter[c.to] = false
		if rest := back(c.to, to, calls, enter); rest != nil {
			return append([]call{c}, rest...)
		}
	}
	return nil
}

func reportCircle(name string, circle []call, out *diag.List) {
	names := []string{name}
	f := diag.Finding{Severity: diag.Error, Rule: diag.CallCycle, Span: circle[0].span, Hint: "remove one of the calls"}
	for i, c := range circle {
		names = append(names, c.to)
		if i > 0 {
			f.Related = append(f.Related, diag.Related{Span: c.span, Message: fmt.Sprintf("calls %q", c.to)})
		}
	}
	f.Message = "the calls go round in a circle: " + strings.Join(names, " -> ")
	out.Add(f)
}

// checkMetrics reports nodes that measure under one name and describe the metric differently.
func checkMetrics(diagrams []*pipeline.Diagram, out *diag.List) {
	type measured struct {
		metric *node.Metric
		span   source.Span
	}
	first := map[string]measured{}
	for _, d := range diagrams {
		for _, n := range d.Nodes() {
			m, ok := n.Node.(node.Measurer)
			if !ok {
				continue
			}
			metric := m.Metric()
			known, ok := first[metric.Name]
			if !ok {
				first[metric.Name] = measured{metric, n.Span}
				continue
			}
			if what := conflict(known.metric, metric); what != "" {
				out.Add(diag.Finding{
					Severity: diag.Error, Rule: diag.MetricConflict, Span: n.Span, Hint: "describe it alike, or give it another name",
					Message: fmt.Sprintf("the metric %s %s", metric.Name, what), Related: []diag.Related{{Span: known.span, Message: "first described here"}},
				})
			}
		}
	}
}

// conflict says in what two descriptions of a metric differ; "" where they agree. The order of labels does not matter.
func conflict(a, b *node.Metric) string {
	left, right := slices.Sorted(slices.Values(a.Labels)), slices.Sorted(slices.Values(b.Labels))
	switch {
	case a.Kind != b.Kind:
		return fmt.Sprintf("is a %s here and a %s elsewhere", b.Kind, a.Kind)
	case !slices.Equal(left, right):
		return fmt.Sprintf("has the labels [%s] here and [%s] elsewhere", strings.Join(right, ", "), strings.Join(left, ", "))
	case !slices.Equal(a.Buckets, b.Buckets):
		return "has other buckets elsewhere"
	}
	return ""
}
