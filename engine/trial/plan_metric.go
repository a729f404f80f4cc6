package trial

import (
	"maps"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
)

// metrics looks whether the pipeline, or one that it calls, measures what a test names: of what does not exist nothing is ever measured.
func (p planner) metrics(s *suite, wanted []*field.Values) {
	if len(wanted) == 0 || !p.bundle.Complete() {
		return
	}
	have := map[string][]string{}
	p.metricsOf(s.pipeline, have, map[string]bool{})
	for _, w := range wanted {
		name := w.String("name")
		if name == "" {
			continue // of which a finding speaks
		}
		labels, ok := have[name]
		if !ok {
			hint := diag.DidYouMean(name, slices.Sorted(maps.Keys(have)))
			if len(have) == 0 {
				hint = "it has no node of type `metric`"
			}
			p.out.Errorf(diag.DanglingReference, w.Span("name"), hint, "pipeline `%s` has no metric `%s`", s.pipeline.Name, name)
			continue
		}
		n := w.Node("labels")
		if n == nil {
			continue
		}
		if n.Kind == source.Map && len(n.Entries) == 0 {
			p.out.Errorf(diag.BadValue, n.Span, "leave it out", "`%s` expects nothing", w.Path("labels"))
		}
		for _, e := range n.Entries {
			if !slices.Contains(labels, e.Key.Text) {
				hint := diag.DidYouMean(e.Key.Text, labels)
				if hint == "" && len(labels) > 0 {
					hint = "it has " + strings.Join(labels, ", ")
				}
				p.out.Errorf(diag.DanglingReference, e.Key.Span, hint, "the metric `%s` has no label `%s`", name, e.Key.Text)
			}
		}
	}
}

// metricsOf collects the metrics of a pipeline and of those that it calls, with the names of their labels.
func (p planner) metricsOf(doc *manifest.Document, have map[string][]string, seen map[string]bool) {
	if doc == nil || seen[doc.Name] {
		return
	}
	seen[doc.Name] = true
	p.metricsIn(doc.Root, have, seen)
}

func (p planner) metricsIn(n *source.Node, have map[string][]string, seen map[string]bool) {
	for _, item := range itemsOrNone(n.Get("nodes")) {
		typ, props := item.Get("type"), item.Get("props")
		if typ == nil || props == nil {
			continue
		}
		switch typ.Text {
		case "metric":
			if name := props.Get("name"); name != nil {
				labels := have[name.Text]
				if l := props.Get("labels"); l != nil {
					for _, e := range l.Entries {
						labels = append(labels, e.Key.Text)
					}
				}
				have[name.Text] = labels
			}
		case "call":
			if name := props.Get("pipeline"); name != nil {
				p.metricsOf(p.bundle.Find(manifest.Pipeline, name.Text), have, seen)
			}
		default:
			p.metricsIn(props, have, seen)
		}
	}
}
