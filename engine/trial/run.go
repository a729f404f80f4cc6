package trial

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/source"
)

// Options says what is run. Bundle is required; it is best loaded without the operator's environment (manifest.Options.NoEnv), which
// tests never need.
type Options struct {
	Bundle *manifest.Bundle
	// Run picks cases whose "PROVIDER/NAME" it matches; nil picks all.
	Run *regexp.Regexp
}

// Report is what became of the cases, in the order of files and lines.
type Report struct {
	Results []Result
}

// Failed counts the cases that failed.
func (r Report) Failed() int {
	n := 0
	for _, c := range r.Results {
		if len(c.Failures) > 0 {
			n++
		}
	}
	return n
}

// Result is what became of one case.
type Result struct {
	Provider, Name string
	// Span is the place of the case's name.
	Span source.Span
	// Failures are the expectations that do not hold; none for a case that passed.
	Failures []Failure
	// Diagnosis is the operator's explanation of a request that was refused, "" where it was not.
	Diagnosis string
	// Verdict and Status are what came of it, "" and 0 where nothing was sent.
	Verdict string
	Status  int
	Took    time.Duration
}

// Failure is one expectation that does not hold.
type Failure struct {
	// Span is the place of the expectation.
	Span source.Span
	// What names it, such as "status" or "payload.action".
	What      string
	Got, Want string
}

// Check looks at every test document of a bundle without running it: keys, values, and the events, handshakes and rules that it names.
func Check(bundle *manifest.Bundle, out *diag.List) {
	for _, doc := range bundle.Documents(manifest.Test) {
		prepare(bundle, doc, out)
	}
}

// Run runs the tests of a bundle. Where the list has errors nothing was run: a document that cannot be understood proves nothing.
func Run(ctx context.Context, o Options) (Report, *diag.List) {
	out := &diag.List{}
	var all []*stage
	for _, doc := range o.Bundle.Documents(manifest.Test) {
		if s := prepare(o.Bundle, doc, out); s != nil && doc.Enabled {
			all = append(all, s)
		}
	}
	if out.HasErrors() {
		return Report{}, out
	}
	var r Report
	for _, s := range all {
		for _, c := range s.suite.cases {
			if o.Run != nil && !o.Run.MatchString(s.suite.target.Name+"/"+c.name) {
				continue
			}
			if ctx.Err() != nil {
				return r, out
			}
			r.Results = append(r.Results, s.run(ctx, c))
		}
	}
	return r, out
}

// stage is a suite with its provider, ready to run.
type stage struct {
	suite    *suite
	provider *provider.Provider
	another  *provider.Provider // the same with another secret; made when it is needed
}

// prepare decodes a test document and compiles what it tests; nil where that cannot be.
func prepare(bundle *manifest.Bundle, doc *manifest.Document, out *diag.List) *stage {
	s := planner{bundle: bundle, out: out}.plan(doc)
	if s.target == nil {
		return nil
	}
	found := &diag.List{}
	p := Fit(s.target, s.with, "", found)
	for _, f := range found.Sorted() {
		if f.Severity == diag.Error {
			out.Add(f) // warnings and hints about the provider are not the test's to tell
		}
	}
	if p == nil {
		return nil
	}
	for _, c := range s.cases {
		checkNames(p, c, out)
	}
	return &stage{suite: s, provider: p}
}

// checkNames looks whether the provider has what a case sends.
func checkNames(p *provider.Provider, c trialCase, out *diag.List) {
	switch {
	case c.send != nil:
		name := c.send.Text
		e, ok := p.Event(name)
		switch {
		case !ok:
			out.Errorf(diag.DanglingReference, c.send.Span, diag.DidYouMean(name, p.Events()), "provider `%s` has no event `%s`", p.Name(), name)
		case !e.HasExample():
			out.Errorf(diag.DanglingReference, c.send.Span, "give it an `example`, or write the `request` out", "event `%s` of provider `%s` has no example", name, p.Name())
		}
	case c.handshake != nil:
		if _, ok := handshakeName(c.handshake, p.Handshakes()); !ok {
			hint := diag.DidYouMean(c.handshake.Text, p.Handshakes())
			if len(p.Handshakes()) == 0 {
				hint = "it declares no `challenge`"
			}
			out.Errorf(diag.DanglingReference, c.handshake.Span, hint, "provider `%s` has no handshake `%s`", p.Name(), c.handshake.Text)
		}
	}
}

// errNoOther says that a change needs the request as another secret would sign it.
var errNoOther = errors.New("what depends on the secret cannot be told: nothing here is signed with one")

// run sends one case's request and looks at what becomes of it.
func (s *stage) run(ctx context.Context, c trialCase) Result {
	begun := time.Now()
	r := Result{Provider: s.provider.Name(), Name: c.name, Span: c.span}
	request, err := s.compose(c)
	if err != nil {
		r.Failures = []Failure{{Span: c.span, What: "request", Got: err.Error(), Want: "a request"}}
		r.Took = time.Since(begun)
		return r
	}
	p := s.provider
	if c.change.wrong {
		// The secret that verifies is another one than that which signed.
		if p, err = s.other(); err != nil {
			r.Failures = []Failure{{Span: c.span, What: "request", Got: err.Error(), Want: "another secret"}}
			r.Took = time.Since(begun)
			return r
		}
	}
	now := s.suite.now.Add(c.change.clock)
	o := observe(ctx, p, request, now)
	r.Verdict, r.Status, r.Diagnosis = o.verdict, o.answer.Status, o.diagnosis
	r.Failures = judge(c.expect, o)
	r.Took = time.Since(begun)
	return r
}

// other gives the provider with another secret.
func (s *stage) other() (*provider.Provider, error) {
	if s.another != nil {
		return s.another, nil
	}
	if s.provider.Unsigned() {
		return nil, errNoOther
	}
	with := source.NewMap(s.suite.doc.NameSpan)
	if s.suite.with != nil {
		for _, e := range s.suite.with.Entries {
			if e.Key.Text != "secret" && e.Key.Text != "secrets" {
				with.Entries = append(with.Entries, e)
			}
		}
	}
	found := &diag.List{}
	s.another = Fit(s.suite.target, with, "another", found)
	if s.another == nil {
		return nil, fmt.Errorf("making another secret: %w", found.Err())
	}
	return s.another, nil
}

// fixedDelivery is the delivery id of what is sent: a UUID, which every provider's schema takes where it asks for a form.
const fixedDelivery = "5f0c1d9e-7a34-4b2e-9d61-0a1b2c3d4e5f"

// compose makes a case's request, signed and changed.
func (s *stage) compose(c trialCase) (*sent, error) {
	request, err := s.sign(s.provider, c)
	if err != nil {
		return nil, err
	}
	var other *sent
	if c.change.unsigned || c.change.flip {
		p, err := s.other()
		if err == nil {
			other, err = s.sign(p, c)
		}
		if err != nil && c.change.unsigned {
			return nil, err
		}
	}
	return request, c.change.apply(request, other)
}

// sign makes a case's request as a provider with those secrets would.
func (s *stage) sign(p *provider.Provider, c trialCase) (*sent, error) {
	switch {
	case c.request != nil:
		return s.written(p, c)
	case c.handshake != nil:
		name, ok := handshakeName(c.handshake, p.Handshakes())
		if !ok {
			return nil, fmt.Errorf("there is no handshake %q", c.handshake.Text)
		}
		signed, err := p.SignHandshake(name, s.suite.now)
		if err != nil {
			return nil, err
		}
		return sentOf(signed), nil
	}
	body, contentType, err := p.Example(c.send.Text)
	if err != nil {
		return nil, err
	}
	m := provider.Message{Event: c.send.Text, Body: body, ContentType: contentType, Delivery: fixedDelivery, Keep: true, Now: s.suite.now, Rule: c.rule}
	if len(c.set) > 0 {
		example := &sent{body: body}
		if err := put(example, c.set); err != nil {
			return nil, err
		}
		m.Body = example.body
	}
	signed, err := p.Sign(m)
	if err == nil {
		return sentOf(signed), nil
	}
	m.Delivery = "" // it may have no place of its own, such as a hash of the body
	if signed, again := p.Sign(m); again == nil {
		return sentOf(signed), nil
	}
	if len(c.set) == 0 {
		return nil, fmt.Errorf("signing: %w", err)
	}
	// What was set may be a part of the name: then it is the one that is expected, or whatever the body makes it.
	for _, m.Event = range []string{c.expectedEvent(), ""} {
		if signed, again := p.Sign(m); again == nil {
			return sentOf(signed), nil
		}
	}
	return nil, fmt.Errorf("signing: %w", err)
}

// expectedEvent gives the name that a case expects, "" where it does not say.
func (c trialCase) expectedEvent() string {
	if n := c.expect.Node("event"); n != nil && n.Kind != source.Null {
		return n.Text
	}
	return ""
}

func sentOf(s provider.Signed) *sent {
	return &sent{method: s.Method, path: s.Path, query: s.Query, header: s.Header, body: s.Body}
}
