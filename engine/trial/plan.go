package trial

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
)

// suite is the cases of one document, decoded.
type suite struct {
	// doc is where they stand: a test document, or what is tested itself.
	doc *manifest.Document
	// provider or pipeline is what is tested; both are nil where it is not there.
	provider, pipeline *manifest.Document
	// with holds the operator's settings of the providers that have any, by name.
	with  map[string]*source.Node
	now   time.Time
	cases []trialCase
}

// trialCase is one case.
type trialCase struct {
	stimulus
	name string
	// Of pipelines: what is answered to hooks, what is sent later, in order of time, and how long is simulated (0: to the end).
	answers []scripted
	later   []stimulus
	lasts   time.Duration
	expect  *field.Values
	want    wanted
}

// planner decodes tests.
type planner struct {
	bundle *manifest.Bundle
	out    *diag.List
}

// suites decodes all tests of the bundle, in the order of files and lines.
func (p planner) suites() []*suite {
	var out []*suite
	for _, doc := range p.bundle.Documents(manifest.Test) {
		out = append(out, p.document(doc))
	}
	for _, kind := range []manifest.Kind{manifest.Provider, manifest.Pipeline} {
		for _, doc := range p.bundle.Documents(kind) {
			if s := p.inside(doc); s != nil {
				out = append(out, s)
			}
		}
	}
	files := map[*source.File]int{}
	for i, f := range p.bundle.Files() {
		files[f] = i
	}
	slices.SortStableFunc(out, func(a, b *suite) int {
		return cmp.Or(cmp.Compare(files[a.doc.File], files[b.doc.File]), cmp.Compare(a.doc.Index, b.doc.Index))
	})
	return out
}

// document decodes a document of kind test. What is wrong goes to out; cases that are wrong are left out.
func (p planner) document(doc *manifest.Document) *suite {
	v := Object().Decode(doc.Root, p.out)
	s := &suite{doc: doc}
	p.target(s, v)
	p.fill(s, v, v.Objects("cases"))
	return s
}

// inside decodes the tests that stand in the document of what they test; nil where there are none.
func (p planner) inside(doc *manifest.Document) *suite {
	n := doc.Root.Get("tests")
	if n == nil || n.Refused {
		return nil
	}
	s := &suite{doc: doc}
	if doc.Kind == manifest.Provider {
		s.provider = doc
	} else {
		s.pipeline = doc
	}
	if n.Kind == source.Map {
		v := insideObject().DecodeAt("tests", n, p.out)
		p.fill(s, v, v.Objects("cases"))
		return s
	}
	if n.Kind != source.List {
		p.out.Errorf(diag.WrongType, n.Span, "write a list of cases, as below `cases` in a document of `kind: test`", "`tests` takes a list of cases, not %s",
			n.Kind.WithArticle())
		return nil
	}
	var cases []*field.Values
	for i, item := range n.Items {
		cases = append(cases, caseObject().DecodeAt(fmt.Sprintf("tests[%d]", i), item, p.out))
	}
	p.fill(s, insideObject().Decode(source.NewMap(n.Span, source.NewEntry("cases", n.Span, source.NewList(n.Span))), &diag.List{}), cases)
	return s
}

// fill decodes what all forms of tests have: the operator's settings, the clock and the cases.
func (p planner) fill(s *suite, v *field.Values, cases []*field.Values) {
	if n := v.Node("with"); n != nil {
		p.settings(s, v.Path("with"), n)
	}
	now, err := time.Parse(time.RFC3339Nano, v.String("now"))
	if err != nil {
		p.out.Errorf(diag.BadValue, v.Span("now"), "write it like "+Now, "`now` is no time")
	}
	s.now = now.UTC()
	first := map[string]source.Span{}
	for _, c := range cases {
		name := c.String("name")
		if at, twice := first[name]; twice && name != "" {
			p.out.Add(diag.Finding{
				Severity: diag.Error, Rule: diag.DuplicateName, Span: c.Span("name"), Message: fmt.Sprintf("two cases are named %q", name),
				Related: []diag.Related{{Span: at, Message: "first used here"}},
			})
			continue
		}
		first[name] = c.Span("name")
		before := p.out.Count(diag.Error)
		one := p.one(s, c)
		if p.out.Count(diag.Error) == before {
			s.cases = append(s.cases, one)
		}
	}
}

// settings decodes `with`: of a provider's test its settings, of a pipeline's test a map of them.
func (p planner) settings(s *suite, path string, n *source.Node) {
	s.with = map[string]*source.Node{}
	one := func(path, name string, n *source.Node) {
		w := withObject().DecodeAt(path, n, p.out)
		if w.Has("secret") && w.Has("secrets") {
			p.out.Errorf(diag.BadValue, w.KeySpan("secret"), "leave `secrets`, the current one first", "`secret` and `secrets` say the same thing")
		}
		if n.Kind == source.Map {
			s.with[name] = n
		}
	}
	switch {
	case s.pipeline == nil && s.provider == nil: // of which a finding speaks
	case s.provider != nil:
		one(path, s.provider.Name, n)
	case n.Kind != source.Map:
		p.out.Errorf(diag.WrongType, n.Span, "write the names of providers below it, such as {acme: {secret: abc}}", "`%s` takes a map, not %s", path, n.Kind.WithArticle())
	default:
		for _, e := range n.Entries {
			if p.bundle.Find(manifest.Provider, e.Key.Text) == nil && p.bundle.Complete() {
				p.out.Errorf(diag.DanglingReference, e.Key.Span, diag.DidYouMean(e.Key.Text, p.bundle.Names(manifest.Provider)),
					"there is no provider `%s`", e.Key.Text)
				continue
			}
			one(path+"."+e.Key.Text, e.Key.Text, e.Value)
		}
	}
}

// target finds what a test document tests.
func (p planner) target(s *suite, v *field.Values) {
	found := func(kind manifest.Kind, key string) *manifest.Document {
		name := v.String(key)
		if d := p.bundle.Find(kind, name); d != nil || name == "" {
			return d
		}
		if p.bundle.Complete() {
			p.out.Errorf(diag.DanglingReference, v.Span(key), diag.DidYouMean(name, p.bundle.Names(kind)), "there is no %s `%s`", kind, name)
		}
		return nil
	}
	switch {
	case v.Has("provider") && v.Has("pipeline"):
		p.out.Errorf(diag.BadValue, v.KeySpan("pipeline"), "leave one of them; the cases of a pipeline name the providers that send", "a test is of a `provider` or of a `pipeline`")
	case v.Has("provider"):
		s.provider = found(manifest.Provider, "provider")
	case v.Has("pipeline"):
		s.pipeline = found(manifest.Pipeline, "pipeline")
	case v.Good("provider") && v.Good("pipeline"):
		p.beside(s)
	}
}

// beside finds what stands beside a test that names nothing.
func (p planner) beside(s *suite) {
	providers, pipelines := p.bundle.Beside(s.doc, manifest.Provider), p.bundle.Beside(s.doc, manifest.Pipeline)
	switch {
	case len(providers) == 1 && len(pipelines) == 0:
		s.provider = providers[0]
		return
	case len(pipelines) == 1 && len(providers) == 0:
		s.pipeline = pipelines[0]
		return
	case !p.bundle.Complete():
		return // it may stand in a document that could not be read, of which a finding tells
	}
	message, hint := "no provider and no pipeline stands beside this test", "name what is tested: `provider: NAME` or `pipeline: NAME`"
	switch {
	case len(providers) > 0 && len(pipelines) > 0:
		message = "providers and pipelines stand beside this test"
	case len(providers) > 1:
		message, hint = "several providers stand beside this test", "name the one that is tested: `provider: NAME`"
	case len(pipelines) > 1:
		message, hint = "several pipelines stand beside this test", "name the one that is tested: `pipeline: NAME`"
	}
	p.out.Errorf(diag.MissingKey, s.doc.NameSpan, hint, "%s", message)
}

// one decodes a case.
func (p planner) one(s *suite, v *field.Values) trialCase {
	c := trialCase{name: v.String("name"), expect: v.Object("expect"), lasts: v.Duration("for")}
	ofPipeline := s.pipeline != nil
	if s.provider == nil && s.pipeline == nil {
		return c // what is tested is not known, and neither is what may be sent to it
	}
	p.misplaced(v, ofPipeline)
	c.stimulus = p.stimulus(s, v, false)
	c.span = v.Span("name")
	if c.expect != nil {
		p.expectation(c.expect)
	}
	if !ofPipeline {
		return c
	}
	if n := v.Node("hooks"); n != nil {
		c.answers = p.answers(s, v.Path("hooks"), n)
	}
	for i, l := range v.Objects("events") {
		later := p.stimulus(s, l, true)
		later.number = i
		if later.expect = l.Object("expect"); later.expect != nil {
			p.laterExpectation(l, later.expect)
		}
		later.after, later.span = l.Duration("after"), l.Root().Span
		if c.lasts > 0 && later.after > c.lasts {
			p.out.Errorf(diag.BadValue, l.Span("after"), "", "`%s` is after the end: `for` simulates %s", l.Path("after"), field.FormatDuration(c.lasts))
		}
		c.later = append(c.later, later)
	}
	slices.SortStableFunc(c.later, func(a, b stimulus) int { return cmp.Compare(a.after, b.after) })
	if c.expect != nil {
		c.want = p.wanted(s, c, c.expect)
	}
	return c
}

// misplaced finds keys that belong to tests of the other kind.
func (p planner) misplaced(v *field.Values, ofPipeline bool) {
	keys, of := []string{"event", "stored", "input", "hooks", "events", "for"}, "pipeline"
	if ofPipeline {
		keys, of = []string{"handshake"}, "provider"
	}
	for _, key := range keys {
		if v.Has(key) {
			p.out.Errorf(diag.UnknownKey, v.KeySpan(key), "", "`%s` is for the test of a %s", v.Path(key), of)
		}
	}
	e := v.Object("expect")
	if e == nil {
		return
	}
	keys = []string{"learned", "confirmed"}
	if !ofPipeline {
		keys = keys[:0]
		for _, f := range outcomeFields() {
			keys = append(keys, f.Name)
		}
	}
	for _, key := range keys {
		if e.Has(key) {
			p.out.Errorf(diag.UnknownKey, e.KeySpan(key), "", "`%s` is for the test of a %s", e.Path(key), of)
		}
	}
}

// expectation looks at the values of an expectation that may take several forms.
func (p planner) expectation(v *field.Values) {
	if len(v.Root().Entries) == 0 {
		p.out.Errorf(diag.BadValue, v.Root().Span, "name a `verdict` at least", "`%s` expects nothing", where(v))
	}
	for _, key := range []string{"event", "delivery", "confirmed"} {
		if n := v.Node(key); n != nil && !n.IsScalar() {
			p.out.Errorf(diag.WrongType, n.Span, "", "`%s` takes text, not %s", v.Path(key), n.Kind.WithArticle())
		}
	}
	if n := v.Node("confirmed"); n != nil && n.Kind == source.Bool && !isFalse(n) {
		p.out.Errorf(diag.BadValue, n.Span, "write the URL that is asked, or `false`", "`%s` cannot be `true`", v.Path("confirmed"))
	}
	r := v.Object("reply")
	if r == nil {
		return
	}
	if len(r.Root().Entries) == 0 {
		p.out.Errorf(diag.BadValue, r.Root().Span, "write the `body`, the `json` or `headers` of it", "`%s` expects nothing", where(r))
	}
	if n := r.Node("headers"); n != nil {
		p.someHeaders(r.Path("headers"), n)
	}
	if r.Has("body") && r.Has("json") {
		p.out.Errorf(diag.BadValue, r.KeySpan("json"), "", "`%s` takes one of `body` and `json`", v.Path("reply"))
	}
}

// someHeaders looks at the headers that an expectation names.
func (p planner) someHeaders(path string, n *source.Node) {
	if p.headers(path, n, true); n.Kind == source.Map && len(n.Entries) == 0 {
		p.out.Errorf(diag.BadValue, n.Span, "name a header; `null` says that it must not be there", "`%s` expects nothing", path)
	}
}

// laterExpectation looks at what is expected of a later event's request.
func (p planner) laterExpectation(l, v *field.Values) {
	switch {
	case !l.Has("send") && !l.Has("request"):
		p.out.Errorf(diag.BadValue, l.KeySpan("expect"), "", "`%s` is about a request, and none is sent", where(v))
	case len(v.Root().Entries) == 0:
		p.out.Errorf(diag.BadValue, v.Root().Span, "name a `verdict` at least", "`%s` expects nothing", where(v))
	}
}

// handshakeName gives what a case calls a handshake, as one of the provider's, by name or by number.
func handshakeName(n *source.Node, names []string) (string, bool) {
	if slices.Contains(names, n.Text) {
		return n.Text, true
	}
	if i, err := strconv.Atoi(n.Text); err == nil && i >= 0 && i < len(names) {
		return names[i], true
	}
	return "", false
}
