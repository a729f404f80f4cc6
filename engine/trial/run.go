package trial

import (
	"context"
	"regexp"
	"runtime"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
)

// Options says what is run. Bundle is required; it is best loaded without the operator's environment (manifest.Options.NoEnv), which
// tests never need.
type Options struct {
	Bundle *manifest.Bundle
	// Run picks cases whose "PROVIDER/NAME" or "PIPELINE/NAME" it matches; nil picks all.
	Run *regexp.Regexp
	// Types are the node types that pipelines may name, as snapshot.Options has them. Pipelines are compiled only where a test or
	// Coverage needs them.
	Types []node.Type
	// Machines run the isolated languages; nil makes them when one is needed, and nobody closes those.
	Machines *script.Machines
	// Coverage asks for Report.Coverage.
	Coverage bool
}

// Report is what became of the cases, in the order of files and lines.
type Report struct {
	Results []Result
	// Coverage tells for each enabled pipeline, in file order, what no case reached; nil where it was not asked for.
	Coverage []PipelineCoverage
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
	// Provider or Pipeline is what is tested.
	Provider, Pipeline string
	Name               string
	// Span is the place of the case's name.
	Span source.Span
	// Failures are the expectations that do not hold; none for a case that passed.
	Failures []Failure
	// Diagnosis is the operator's explanation of a request that was refused, "" where it was not.
	Diagnosis string
	// Verdict and Status are what came of the request, "" and 0 where none was sent.
	Verdict string
	Status  int
	// Performed is what a pipeline did, nil for the case of a provider.
	Performed *Performed
	Took      time.Duration
}

// Target is the name of what is tested.
func (r *Result) Target() string {
	if r.Pipeline != "" {
		return r.Pipeline
	}
	return r.Provider
}

// Failure is one expectation that does not hold.
type Failure struct {
	// Span is the place of the expectation.
	Span source.Span
	// What names it, such as "status" or "payload.action".
	What      string
	Got, Want string
}

// Check looks at every test of a bundle without running it: keys, values, and the events, handshakes, rules and nodes that it names.
func Check(bundle *manifest.Bundle, out *diag.List) { prepare(bundle, out) }

// Run runs the tests of a bundle. Where the list has errors nothing was run: a document that cannot be understood proves nothing. The
// cases are shared out among as many goroutines as there are processors.
func Run(ctx context.Context, o Options) (Report, *diag.List) {
	out := &diag.List{}
	stages, fits := prepare(o.Bundle, out)
	var snap *snapshot.Snapshot
	if !out.HasErrors() && needsPipelines(stages, o) {
		snap = compile(ctx, o, fits, out)
	}
	if out.HasErrors() {
		return Report{}, out
	}
	cover := newCoverage(snap, o)
	refs := referencesOf(o.Bundle)
	var jobs []func(ctx context.Context) Result
	for _, s := range stages {
		if !s.enabled(snap) {
			continue
		}
		s.snapshot, s.references, s.coverage = snap, refs, cover
		for i := range s.suite.cases {
			c := &s.suite.cases[i]
			if o.Run == nil || o.Run.MatchString(s.name()+"/"+c.name) {
				jobs = append(jobs, func(ctx context.Context) Result { return s.run(ctx, c) })
			}
		}
	}
	return Report{Results: share(ctx, jobs), Coverage: cover.report()}, out
}

// compile compiles the pipelines and what they use. Only errors are told.
func compile(ctx context.Context, o Options, fits map[string]*fitted, out *diag.List) *snapshot.Snapshot {
	snap, found := snapshot.Compile(ctx, o.Bundle, snapshot.Options{
		Types: o.Types, PublicURL: PublicURL, Dev: true, Machines: o.Machines,
		Provider: func(doc *manifest.Document, out *diag.List) *provider.Provider {
			f := fits[doc.Name]
			if f == nil {
				f = fit(doc, nil, out)
			}
			if f == nil {
				return nil
			}
			return f.provider
		},
	})
	for _, f := range found.Sorted() {
		if f.Severity == diag.Error {
			out.Add(f)
		}
	}
	return snap
}

// share does all jobs and gives their results in order; those that ctx kept from beginning are left out.
func share(ctx context.Context, jobs []func(ctx context.Context) Result) []Result {
	results, done := make([]Result, len(jobs)), make([]bool, len(jobs))
	next := make(chan int)
	var work sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		work.Go(func() {
			for i := range next {
				results[i], done[i] = jobs[i](ctx), true
			}
		})
	}
	for i := range jobs {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	work.Wait()
	var out []Result
	for i := range results {
		if done[i] {
			out = append(out, results[i])
		}
	}
	return out
}

// stage is a suite with the providers that it needs, ready to run.
type stage struct {
	suite     *suite
	providers map[string]*fitted
	// Of pipelines.
	snapshot   *snapshot.Snapshot
	references *references
	coverage   *coverage
}

// name is that of what is tested.
func (s *stage) name() string {
	if s.suite.pipeline != nil {
		return s.suite.pipeline.Name
	}
	return s.suite.provider.Name
}

// enabled says whether the suite runs: a document or a pipeline that is not enabled is checked only.
func (s *stage) enabled(snap *snapshot.Snapshot) bool {
	if !s.suite.doc.Enabled {
		return false
	}
	if s.suite.pipeline == nil {
		return true
	}
	_, ok := snap.Pipeline(s.suite.pipeline.Name)
	return ok
}

func needsPipelines(stages []*stage, o Options) bool {
	if o.Coverage {
		return true
	}
	for _, s := range stages {
		if s.suite.pipeline != nil && s.suite.doc.Enabled {
			return true
		}
	}
	return false
}

// prepare decodes all tests and compiles the providers that they need; stages of tests whose subject is not there are left out.
// It gives the providers without settings of a test, too, which tests share.
func prepare(bundle *manifest.Bundle, out *diag.List) (stages []*stage, plain map[string]*fitted) {
	plain = map[string]*fitted{}
	for _, s := range (planner{bundle: bundle, out: out}).suites() {
		if s.provider == nil && s.pipeline == nil {
			continue
		}
		st := &stage{suite: s, providers: map[string]*fitted{}}
		need := func(name string) *fitted {
			f, known := st.providers[name]
			if known {
				return f
			}
			doc, with := bundle.Find(manifest.Provider, name), s.with[name]
			switch f, known = plain[name]; {
			case doc == nil:
				return nil // of which a finding speaks
			case with != nil:
				f = fit(doc, with, out)
			case !known:
				f = fit(doc, nil, out)
				plain[name] = f
			}
			st.providers[name] = f
			return f
		}
		if s.provider != nil && need(s.provider.Name) == nil {
			continue
		}
		for i := range s.cases {
			c := &s.cases[i]
			for _, sent := range append([]*stimulus{&c.stimulus}, pointers(c.later)...) {
				if !sent.carried() {
					continue
				}
				if f := need(sent.provider); f != nil {
					f.checkNames(sent, out)
				}
			}
		}
		stages = append(stages, st)
	}
	return stages, plain
}

func pointers(list []stimulus) []*stimulus {
	out := make([]*stimulus, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// run does one case.
func (s *stage) run(ctx context.Context, c *trialCase) Result {
	begun := time.Now()
	r := Result{Name: c.name, Span: c.span}
	if s.suite.pipeline != nil {
		r.Pipeline = s.suite.pipeline.Name
		s.runPipeline(ctx, c, &r)
	} else {
		r.Provider = s.suite.provider.Name
		s.runProvider(ctx, c, &r)
	}
	r.Took = time.Since(begun)
	return r
}

// runProvider sends one case's request and looks at what becomes of it.
func (s *stage) runProvider(ctx context.Context, c *trialCase, r *Result) {
	f := s.providers[s.suite.provider.Name]
	request, err := f.compose(&c.stimulus, s.suite.now, 0, c.expectedEvent())
	if err != nil {
		r.Failures = []Failure{{Span: c.span, What: "request", Got: err.Error(), Want: "a request"}}
		return
	}
	p, err := f.receives(&c.stimulus)
	if err != nil {
		r.Failures = []Failure{{Span: c.span, What: "request", Got: err.Error(), Want: "another secret"}}
		return
	}
	o := observe(ctx, p, request, s.suite.now.Add(c.change.clock), nil, "")
	r.Verdict, r.Status, r.Diagnosis = o.verdict, o.answer.Status, o.diagnosis
	r.Failures = judge(c.expect, o)
}

// expectedEvent gives the name that a case expects, "" where it does not say.
func (c *trialCase) expectedEvent() string {
	if n := c.expect.Node("event"); n != nil && n.Kind != source.Null {
		return n.Text
	}
	return ""
}
