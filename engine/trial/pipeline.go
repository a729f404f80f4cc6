package trial

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/ingress"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Performed is what a pipeline did.
type Performed struct {
	// Began and Ended are simulated times.
	Began, Ended time.Time
	// Runs are those of the pipeline and of those that it called, in the order they were made; what they did in the order of the diagram.
	Runs []store.RunRecord
	// Requests went out, in order.
	Requests []*Request
	// Emitted are the events that were emitted, with their bodies, in order.
	Emitted []event.Event
	// Result is what the run that was looked at came to; nil where there was none.
	Result any
	// Notes tell of what was sent and started nothing, as it came before.
	Notes []string

	failures []Failure         // of what was sent later
	own      []store.RunRecord // those of the pipeline itself
	measures []node.Measure
	diagrams map[string]*pipeline.Diagram
	events   map[event.ID]event.Event // of all runs, without bodies
}

// fixedRequest is the X-Request-Id of what a case sends first.
const fixedRequest = "trial-request-0"

func requestID(n int) string { return strings.TrimSuffix(fixedRequest, "0") + fmt.Sprint(n) }

// runPipeline performs one case and looks at what becomes of it.
func (s *stage) runPipeline(ctx context.Context, c *trialCase, r *Result) {
	p, err := perform(ctx, s.snapshot, s.name(), s.references, c.answers, s.suite.now)
	if err != nil {
		r.Failures = []Failure{{Span: c.span, What: "the case", Got: err.Error(), Want: "a store"}}
		return
	}
	defer p.close()
	done := &Performed{Began: p.began}
	r.Performed = done
	first, err := s.play(ctx, p, c, done)
	if err == nil {
		err = done.gather(ctx, p, s.name(), int(c.expect.Int("run")))
	}
	if err != nil {
		r.Failures = []Failure{{Span: c.span, What: "the case", Got: err.Error(), Want: "an end"}}
		return
	}
	if c.carried() {
		s.reply(c, p, done, &first)
		r.Verdict, r.Status, r.Diagnosis = first.verdict, first.answer.Status, first.diagnosis
	}
	r.Failures = judgeRun(c, s.name(), first, done)
	s.coverage.saw(s.name(), done)
}

// play sends what the case sends, each at its time, and lets time pass until the end. It gives what became of the first request.
func (s *stage) play(ctx context.Context, p *performance, c *trialCase, done *Performed) (outcome, error) {
	first, err := s.send(ctx, p, &c.stimulus, 0, c.expectedEvent())
	if err != nil {
		return first, err
	}
	for i := range c.later {
		st := &c.later[i]
		if err := p.until(ctx, p.began.Add(st.after)); err != nil {
			return first, err
		}
		o, err := s.send(ctx, p, st, i+1, "")
		if err != nil {
			return first, fmt.Errorf("after %s: %w", st.after, err)
		}
		done.failures = append(done.failures, judgeLater(st, o)...)
		if o.duplicate {
			done.Notes = append(done.Notes, fmt.Sprintf("what was sent after %s is a duplicate: its delivery id came before, and it starts and wakes nothing", field.FormatDuration(st.after)))
		}
	}
	var end time.Time
	if c.lasts > 0 {
		end = p.began.Add(c.lasts)
	}
	return first, p.until(ctx, end)
}

// send puts one stimulus into the gateway, as its nth.
func (s *stage) send(ctx context.Context, p *performance, st *stimulus, n int, expected string) (outcome, error) {
	switch {
	case st.input != nil:
		_, err := p.append(ctx, manual(s.name(), st.input))
		return outcome{}, err
	case st.plain != nil:
		e := *st.plain
		e.Request = requestID(n)
		duplicate, err := p.append(ctx, e)
		return outcome{duplicate: duplicate}, err
	}
	f := s.providers[st.provider]
	if f == nil {
		return outcome{}, fmt.Errorf("there is no provider %q", st.provider)
	}
	now := p.clock.Now()
	request, err := f.compose(st, now, n, expected)
	if err != nil {
		return outcome{}, fmt.Errorf("making the request: %w", err)
	}
	receiver, err := f.receives(st)
	if err != nil {
		return outcome{}, fmt.Errorf("making another secret: %w", err)
	}
	return observe(ctx, receiver, request, now.Add(st.change.clock), ingress.Appender(p.store), requestID(n)), nil
}

// gather reads what was done, and what the nth run of the pipeline came to.
func (d *Performed) gather(ctx context.Context, p *performance, name string, nth int) error {
	d.Ended, d.measures = p.clock.Now(), p.desk.measures
	d.diagrams, d.events = map[string]*pipeline.Diagram{}, map[event.ID]event.Event{}
	var err error
	if d.Runs, err = p.records(ctx, ""); err != nil {
		return err
	}
	for i := range d.Runs {
		r := &d.Runs[i].Run
		if diagram, ok := p.world.Pipeline(r.Pipeline); ok {
			d.diagrams[r.Pipeline] = diagram
			diagram.InOrder(d.Runs[i].Steps, d.Runs[i].Attempts, d.Runs[i].Tasks)
		}
		if _, known := d.events[r.Event]; !known {
			if d.events[r.Event], err = p.store.Event(ctx, r.Event); err != nil {
				return fmt.Errorf("reading an event: %w", err)
			}
		}
		if r.Pipeline == name {
			d.own = append(d.own, d.Runs[i])
		}
	}
	d.Requests = p.requests(d.Runs)
	if d.Emitted, err = p.emitted(ctx); err != nil {
		return err
	}
	if rec := d.looked(nth); rec != nil {
		if d.Result, err = p.result(ctx, rec); err != nil {
			return err
		}
	}
	return nil
}

// looked gives the nth run of the pipeline, counted from 1; nil where there is none.
func (d *Performed) looked(n int) *store.RunRecord {
	if n < 1 || n > len(d.own) {
		return nil
	}
	return &d.own[n-1]
}

// reply puts the answer of a run in the place of the usual one: the listener itself was answered at once, for it cannot wait in simulated
// time.
func (s *stage) reply(c *trialCase, p *performance, done *Performed, first *outcome) {
	d, ok := p.world.Pipeline(s.name())
	if !ok || first.verdict != provider.Accepted.String() || first.duplicate {
		return
	}
	timeout, responds := d.Responds()
	starts := false
	for i := range first.events {
		starts = starts || d.Starts(first.events[i].Provider, first.events[i].Name)
	}
	if !responds || !starts {
		return
	}
	end := p.began.Add(timeout)
	if re := p.desk.reply; re != nil && !p.desk.replied.After(end) {
		first.answer = answer{Status: re.Status, Header: http.Header{}, Body: re.Body}
		for name, value := range re.Headers {
			first.answer.Header.Set(name, value)
		}
		return
	}
	for i := range done.own {
		if r := &done.own[i].Run; r.Cause.Kind == run.Live && !r.Created.After(end) && (r.State == run.Open || r.Finished.After(end)) {
			first.answer.Status = http.StatusAccepted // the sender was told so when its time was up
		}
	}
}
