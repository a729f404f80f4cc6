package trial

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/source"
)

// scripted is what one hook is answered, in order; the last answer repeats.
type scripted struct {
	// key is a label, a path, or one of both with the name of another pipeline and a slash before it.
	key     string
	answers []answered
}

// answered is one answer of a scripted receiver.
type answered struct {
	status int
	fails  string // "" for an answer
	after  time.Duration
	header http.Header
	body   []byte
}

// wanted are the parts of an expectation that have a form of their own.
type wanted struct {
	steps []wantedStep
	// hooks are requests by the labels of hooks.
	hooks            []wantedHook
	elapsed          *source.Node // nil for none
	minimum, maximum time.Duration
}

type wantedStep struct {
	path string
	span source.Span
	v    *field.Values
}

type wantedHook struct {
	key  string
	node *source.Node
	list []*field.Values
}

// place is a node of a pipeline's document.
type place struct {
	label, path, typ string
}

// placesOf gives the nodes of a pipeline's document as far as they can be read, those of bodies with the path that their steps have,
// without numbers.
func placesOf(n *source.Node, prefix string) []place {
	var out []place
	list := n.Get("nodes")
	if list == nil {
		return nil
	}
	for _, item := range list.Items {
		label, typ := item.Get("label"), item.Get("type")
		if label == nil || !label.IsScalar() {
			continue
		}
		p := place{label: label.Text, path: prefix + label.Text}
		if typ != nil {
			p.typ = typ.Text
		}
		out = append(out, p)
		if props := item.Get("props"); props != nil {
			out = append(out, placesOf(props, p.path+"/")...)
		}
	}
	return out
}

// node looks whether the pipeline under test has a node that a test names: by its label, its path, or of another pipeline with that
// one's name before it. It gives the node's type, "" where it is not known.
func (p planner) node(s *suite, span source.Span, key string, top bool) string {
	doc, name := s.pipeline, key
	if other, rest, ok := strings.Cut(key, "/"); ok && !top {
		if d := p.bundle.Find(manifest.Pipeline, other); d != nil && !hasPlace(placesOf(s.pipeline.Root, ""), other) {
			doc, name = d, rest
		}
	}
	places := placesOf(doc.Root, "")
	if len(places) == 0 {
		return "" // of which a finding speaks
	}
	bare := pipeline.Definition(name)
	var labels []string
	for _, at := range places {
		if at.path == bare || !top && at.label == bare {
			return at.typ
		}
		if !top || at.label == at.path {
			labels = append(labels, at.label)
		}
	}
	p.out.Errorf(diag.DanglingReference, span, diag.DidYouMean(name, labels), "pipeline `%s` has no node `%s`", doc.Name, name)
	return ""
}

func hasPlace(places []place, label string) bool {
	return slices.ContainsFunc(places, func(p place) bool { return p.label == label })
}

// answers decodes what is answered to hooks.
func (p planner) answers(s *suite, path string, n *source.Node) []scripted {
	if n.Kind != source.Map {
		p.out.Errorf(diag.WrongType, n.Span, "write a map such as {Tell ops: [{status: 503}, {status: 200}]}", "`%s` takes a map, not %s", path, n.Kind.WithArticle())
		return nil
	}
	var out []scripted
	for _, e := range n.Entries {
		at := path + "." + e.Key.Text
		if typ := p.node(s, e.Key.Span, e.Key.Text, false); typ != "" && typ != "hook" {
			p.out.Errorf(diag.BadValue, e.Key.Span, "", "`%s` sends nothing: it is a %s", e.Key.Text, typ)
		}
		one := scripted{key: e.Key.Text}
		for i, item := range itemsOf(e.Value) {
			if e.Value.Kind == source.List {
				at = fmt.Sprintf("%s.%s[%d]", path, e.Key.Text, i)
			}
			one.answers = append(one.answers, p.answer(answerObject().DecodeAt(at, item, p.out)))
		}
		if len(one.answers) == 0 {
			p.out.Errorf(diag.BadValue, e.Value.Span, "write answers such as [{status: 503}, {status: 200}]", "`%s` has no answer", at)
		}
		out = append(out, one)
	}
	return out
}

// itemsOf gives the items of a list, or the one value that stands for a list of it.
func itemsOf(n *source.Node) []*source.Node {
	if n.Kind == source.List {
		return n.Items
	}
	return []*source.Node{n}
}

func (p planner) answer(v *field.Values) answered {
	a := answered{status: int(v.Int("status")), fails: v.String("error"), after: v.Duration("after"), header: http.Header{}, body: []byte("{}")}
	contentType := "application/json"
	switch {
	case v.Has("json") && v.Has("body"):
		p.out.Errorf(diag.BadValue, v.KeySpan("json"), "", "`%s` takes one of `body` and `json`", where(v))
	case v.Has("json"):
		body, err := encoded(v.Node("json"))
		if err != nil {
			p.out.Errorf(diag.BadValue, v.Span("json"), "", "`%s` cannot be written as JSON: %s", v.Path("json"), err)
		}
		a.body = body
	case v.Has("body"):
		a.body, contentType = []byte(v.String("body")), "text/plain; charset=utf-8"
	}
	a.header.Set("Content-Type", contentType)
	for name, value := range v.StringMap("headers") {
		a.header.Set(name, value)
	}
	for _, key := range []string{"status", "headers", "json", "body"} {
		if a.fails != "" && v.Has(key) {
			p.out.Errorf(diag.BadValue, v.KeySpan(key), "", "`%s` cannot be there beside `error`: nothing is answered", v.Path(key))
		}
	}
	if a.fails == failsTimeout && v.Has("after") {
		p.out.Errorf(diag.BadValue, v.KeySpan("after"), "", "`%s` cannot be there beside `error: timeout`, which takes as long as the hook waits", v.Path("after"))
	}
	return a
}

// wanted decodes the parts of an expectation that have a form of their own.
func (p planner) wanted(s *suite, c trialCase, v *field.Values) wanted {
	var w wanted
	if !c.carried() {
		for _, key := range []string{"verdict", "status", "code", "type", "reply"} {
			if v.Has(key) {
				p.out.Errorf(diag.BadValue, v.KeySpan(key), "", "`%s` is about a request, and none is sent", v.Path(key))
			}
		}
	}
	if n := v.Node("path"); n != nil {
		for _, item := range itemsOf(n) {
			label, _ := splitBranch(item.Text)
			if item.IsScalar() {
				p.node(s, item.Span, label, true)
			}
		}
	}
	w.steps = p.wantedSteps(s, v)
	for _, r := range v.Objects("requests") {
		p.outgoing(s, r)
	}
	if n := v.Node("hooks"); n != nil {
		w.hooks = p.wantedHooks(s, v.Path("hooks"), n)
	}
	p.elapsed(v, &w)
	p.metrics(s, v.Objects("metrics"))
	if v.Has("none") && !v.Bool("none") {
		p.out.Errorf(diag.BadValue, v.Span("none"), "write `runs: 1`, or what becomes of the run", "`%s` is only there as `true`", v.Path("none"))
	}
	if v.Bool("none") {
		for _, key := range []string{"state", "outcome", "reason", "path", "steps", "result", "elapsed", "runs", "run"} {
			if v.Has(key) {
				p.out.Errorf(diag.BadValue, v.KeySpan(key), "", "`%s` is about a run, and `none` says that there is none", v.Path(key))
			}
		}
	}
	return w
}

func (p planner) wantedSteps(s *suite, v *field.Values) []wantedStep {
	n := v.Node("steps")
	if n == nil {
		return nil
	}
	path := v.Path("steps")
	if n.Kind != source.Map {
		p.out.Errorf(diag.WrongType, n.Span, "write a map such as {Message: {output: {text: hello}}}", "`%s` takes a map, not %s", path, n.Kind.WithArticle())
		return nil
	}
	if len(n.Entries) == 0 {
		p.out.Errorf(diag.BadValue, n.Span, "name a step", "`%s` expects nothing", path)
	}
	var out []wantedStep
	for _, e := range n.Entries {
		p.node(s, e.Key.Span, e.Key.Text, false)
		step := wantedStep{path: e.Key.Text, span: e.Key.Span, v: stepObject().DecodeAt(path+"."+e.Key.Text, e.Value, p.out)}
		if n := step.v.Node("branch"); n != nil && !n.IsScalar() {
			p.out.Errorf(diag.WrongType, n.Span, "", "`%s` takes text, not %s", step.v.Path("branch"), n.Kind.WithArticle())
		}
		if e.Value.Kind == source.Map && len(e.Value.Entries) == 0 {
			p.out.Errorf(diag.BadValue, e.Value.Span, "write a `state` at least", "`%s.%s` expects nothing", path, e.Key.Text)
		}
		if f := step.v.Object("failure"); f != nil {
			p.someText(f, "message")
		}
		out = append(out, step)
	}
	return out
}

func (p planner) wantedHooks(s *suite, path string, n *source.Node) []wantedHook {
	if n.Kind != source.Map {
		p.out.Errorf(diag.WrongType, n.Span, "write a map such as {Tell ops: [{json: {text: hello}}]}", "`%s` takes a map, not %s", path, n.Kind.WithArticle())
		return nil
	}
	if len(n.Entries) == 0 {
		p.out.Errorf(diag.BadValue, n.Span, "name a hook; [] below it says that it sent nothing", "`%s` expects nothing", path)
	}
	var out []wantedHook
	for _, e := range n.Entries {
		p.node(s, e.Key.Span, e.Key.Text, false)
		h := wantedHook{key: e.Key.Text, node: e.Value}
		for i, item := range itemsOf(e.Value) {
			at := path + "." + e.Key.Text
			if e.Value.Kind == source.List {
				at += fmt.Sprintf("[%d]", i)
			}
			v := outgoingObject().DecodeAt(at, item, p.out)
			if v.Has("node") {
				p.out.Errorf(diag.BadValue, v.KeySpan("node"), "leave it out", "`%s` is said already", v.Path("node"))
			}
			p.outgoing(s, v)
			h.list = append(h.list, v)
		}
		out = append(out, h)
	}
	return out
}

// outgoing looks at an expected request.
func (p planner) outgoing(s *suite, v *field.Values) {
	if v.Has("node") && v.Good("node") {
		p.node(s, v.Span("node"), v.String("node"), false)
	}
	if n := v.Node("headers"); n != nil {
		p.someHeaders(v.Path("headers"), n)
	}
	p.someText(v, "body_contains")
	if n := v.Node("url"); n != nil && (!n.IsScalar() || n.Kind == source.Null) {
		p.out.Errorf(diag.WrongType, n.Span, "", "`%s` takes text, not %s", v.Path("url"), n.Kind.WithArticle())
	}
	var bodies []string
	for _, key := range []string{"json", "json_contains", "body", "body_contains"} {
		if v.Has(key) {
			bodies = append(bodies, key)
		}
	}
	if len(bodies) > 1 {
		p.out.Errorf(diag.BadValue, v.KeySpan(bodies[1]), "", "`%s` takes one of `%s` and `%s`", where(v), bodies[0], bodies[1])
	}
}

// someText wants a text that not every other text holds.
func (p planner) someText(v *field.Values, key string) {
	if v.Has(key) && v.Good(key) && v.String(key) == "" {
		p.out.Errorf(diag.BadValue, v.Span(key), "", "`%s` expects nothing: every text holds an empty one", v.Path(key))
	}
}

// elapsed reads a time, or the bounds of one.
func (p planner) elapsed(v *field.Values, w *wanted) {
	n := v.Node("elapsed")
	switch {
	case n == nil:
		return
	case n.Kind == source.Map:
		e := elapsedObject().DecodeAt(v.Path("elapsed"), n, p.out)
		w.minimum, w.maximum = e.Duration("min"), maxSimulated
		if e.Has("max") {
			w.maximum = e.Duration("max")
		}
		if (!e.Has("min") || e.Good("min") && w.minimum == 0) && !e.Has("max") && e.Good("max") {
			p.out.Errorf(diag.BadValue, n.Span, "write {min: 4s, max: 6s}", "`%s` expects nothing", v.Path("elapsed"))
		}
	default:
		d, err := field.ParseDuration(n.Text)
		if err != nil || !n.IsScalar() {
			hint := "write 5s, or {min: 4s, max: 6s}"
			if err != nil {
				hint = err.Error()
			}
			p.out.Errorf(diag.BadValue, n.Span, hint, "`%s` is no time", v.Path("elapsed"))
		}
		w.minimum, w.maximum = d, d
	}
	w.elapsed = n
}

// splitBranch parts "Is big[true]" into its label and its branch. Labels hold no brackets.
func splitBranch(text string) (label, branch string) {
	if i := strings.LastIndexByte(text, '['); i > 0 && strings.HasSuffix(text, "]") {
		return text[:i], text[i+1 : len(text)-1]
	}
	return text, ""
}
