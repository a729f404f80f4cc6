package trial

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
)

// judgeRun holds what a pipeline did against the expectation of a case.
func judgeRun(c *trialCase, name string, first outcome, done *Performed) []Failure {
	j := &runJudgement{judgement: judgement{v: c.expect, o: first}, c: c, name: name, done: done}
	if c.carried() {
		j.request(false)
		if !slices.ContainsFunc([]string{"verdict", "status", "code", "reason", "reply"}, j.v.Has) {
			j.failures = append(j.failures, unaccepted(c.sendSpan, "", first)...)
		}
	} else {
		j.sent()
	}
	j.rec = done.looked(int(c.expect.Int("run")))
	j.count()
	if j.there() {
		j.run()
	}
	j.outgoing()
	j.emitted()
	j.metrics()
	return append(j.failures, done.failures...)
}

// judgeLater holds what became of a later request against what is expected of it: to be accepted, where it does not say otherwise.
func judgeLater(st *stimulus, o outcome) []Failure {
	if !st.carried() {
		return nil
	}
	what := fmt.Sprintf("events[%d]", st.number)
	if st.expect == nil {
		return unaccepted(st.span, what, o)
	}
	j := judgement{v: st.expect, o: o}
	j.text("verdict", o.verdict)
	j.number("status", o.answer.Status)
	j.text("code", o.code)
	if j.v.Has("reason") {
		var reason string
		if len(o.events) > 0 {
			reason = o.events[0].Reason
		}
		j.text("reason", reason)
	}
	for i := range j.failures {
		j.failures[i].What = what + "." + j.failures[i].What
	}
	return j.failures
}

// unaccepted is the failure of a request that its provider did not accept, and nobody expected that: what it was sent for did not happen.
func unaccepted(span source.Span, what string, o outcome) []Failure {
	if o.verdict == provider.Accepted.String() {
		return nil
	}
	got := strings.TrimSpace(o.verdict + " " + o.code)
	if o.diagnosis != "" {
		got += ": " + o.diagnosis
	}
	return []Failure{{Span: span, What: strings.TrimPrefix(what+".verdict", "."), Got: got, Want: provider.Accepted.String() + ", as no `expect: {verdict: …}` says otherwise"}}
}

type runJudgement struct {
	judgement
	c    *trialCase
	name string
	done *Performed
	rec  *store.RunRecord // the run that is looked at; nil where there is none
}

// sent looks at what of an event may be expected that no request carried.
func (j *runJudgement) sent() {
	e := j.c.plain
	if e == nil {
		return
	}
	j.o.events = append(j.o.events, *e)
	j.number("events", 1)
	j.names()
	j.nullable("event", e.Name)
	j.nullable("delivery", e.Delivery)
	j.payload(e)
}

// count looks at how many runs there are.
func (j *runJudgement) count() {
	j.number("runs", len(j.done.own))
	if j.v.Bool("none") && len(j.done.own) > 0 {
		j.fail(j.v.Span("none"), "none", counted(j.done.own), "no run")
	}
}

// counted tells of runs in short: "1 run: done filtered".
func counted(runs []store.RunRecord) string {
	var states []string
	for i := range runs {
		states = append(states, strings.TrimSpace(string(runs[i].Run.State)+" "+string(runs[i].Run.Outcome)))
	}
	if len(runs) == 1 {
		return "1 run: " + states[0]
	}
	return cut(fmt.Sprintf("%d runs: %s", len(runs), strings.Join(states, ", ")))
}

// there says whether there is the run that the expectation speaks of; where it speaks of one and there is none, that is the failure.
func (j *runJudgement) there() bool {
	if j.rec != nil {
		return true
	}
	j.text("reason", j.firstReason())
	for _, key := range []string{"state", "outcome", "path", "steps", "result", "elapsed", "run"} {
		if j.v.Has(key) {
			got := "no run of `" + j.name + "`"
			if n := len(j.done.own); n > 0 {
				got = amount(n, "run")
			}
			j.fail(j.v.Span(key), key, got, "run "+strconv.FormatInt(j.v.Int("run"), 10))
			return false
		}
	}
	return false
}

// firstReason is why the event started nothing, as far as the listener knows it.
func (j *runJudgement) firstReason() string {
	if len(j.o.events) > 0 {
		return j.o.events[0].Reason
	}
	return ""
}

// run looks at the run itself.
func (j *runJudgement) run() {
	r := &j.rec.Run
	j.text("state", string(r.State))
	j.text("outcome", string(r.Outcome))
	if j.v.Has("reason") {
		j.text("reason", r.Reason)
	}
	j.path()
	for _, want := range j.c.want.steps {
		j.step(want)
	}
	if n := j.v.Node("result"); n != nil {
		j.compare("result", j.done.Result, n, false)
	}
	j.elapsed()
}

// path looks at the way that the run took through the diagram.
func (j *runJudgement) path() {
	if !j.v.Has("path") {
		return
	}
	got, want := j.done.Path(j.rec), j.v.Strings("path")
	if slices.Equal(got, want) {
		return
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	span := j.v.Span("path")
	if items := itemsOf(j.v.Node("path")); at < len(want) && at < len(items) {
		span = items[at].Span
	}
	j.fail(span, "path", list(got), list(want))
}

// Path gives the nodes that a run has done, in the order of the diagram, each with the branch that it took: "Is big[true]". The bodies
// of a foreach are left out.
func (d *Performed) Path(rec *store.RunRecord) []string {
	var out []string
	for _, label := range d.order(rec) {
		for i := range rec.Steps {
			s := &rec.Steps[i]
			if s.Path != label || s.State != run.StepDone && (s.State != run.StepFailed || s.Branch == "") {
				continue
			}
			if s.Branch != "" {
				label += "[" + s.Branch + "]"
			}
			out = append(out, label)
		}
	}
	return out
}

// order gives the labels of a run's pipeline in the order of its diagram.
func (d *Performed) order(rec *store.RunRecord) []string {
	if p := d.diagrams[rec.Run.Pipeline]; p != nil {
		var out []string
		for _, n := range p.Picture().Nodes {
			out = append(out, n.Label)
		}
		return out
	}
	return nil
}

// step looks at one step.
func (j *runJudgement) step(want wantedStep) {
	what := "steps." + want.path
	s := findStep(j.rec, want.path)
	if s == nil {
		s = j.calledStep(want.path)
	}
	if s == nil {
		j.fail(want.span, what, "not reached", "a step")
		return
	}
	v := want.v
	j.equal(v, "state", what+".state", string(s.State))
	if n := v.Node("branch"); n != nil {
		text := n.Text
		if n.Kind == source.Null {
			text = ""
		}
		if text != s.Branch {
			j.fail(n.Span, what+".branch", orNothing(s.Branch), orNothing(text))
		}
	}
	if n := v.Node("output"); n != nil {
		j.output(what+".output", s, n)
	}
	if f := v.Object("failure"); f != nil {
		j.failed(what+".failure", s, f)
	}
	if v.Has("log") && !slices.Equal(v.Strings("log"), s.Log) {
		j.fail(v.Span("log"), what+".log", show(texts(s.Log)), show(texts(v.Strings("log"))))
	}
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func (j *runJudgement) equal(v *field.Values, key, what, got string) {
	if v.Has(key) && v.String(key) != got {
		j.fail(v.Span(key), what, orNothing(got), v.String(key))
	}
}

// findStep gives the step of a path, or where only a label is written the only one of that label.
func findStep(rec *store.RunRecord, path string) *run.Step {
	var found *run.Step
	for i := range rec.Steps {
		s := &rec.Steps[i]
		if s.Path == path {
			return s
		}
		if s.Node == path && found == nil {
			found = s
		}
	}
	return found
}

// calledStep finds the step of another pipeline that this one called: "audit/Write".
func (j *runJudgement) calledStep(path string) *run.Step {
	for i := range j.done.Runs {
		rec := &j.done.Runs[i]
		if rest, ok := strings.CutPrefix(path, rec.Run.Pipeline+"/"); ok && rec.Run.Pipeline != j.name {
			if s := findStep(rec, rest); s != nil {
				return s
			}
		}
	}
	return nil
}

func (j *runJudgement) output(what string, s *run.Step, n *source.Node) {
	var got any
	if len(s.Output) > 0 {
		v, err := payload.Decode(s.Output)
		if err != nil {
			v = string(s.Output)
		}
		got = v
	} else if s.State != run.StepDone {
		j.fail(n.Span, what, "nothing: the step is "+string(s.State), show(field.Plain(n)))
		return
	}
	j.compare(what, got, n, false)
}

func (j *runJudgement) failed(what string, s *run.Step, f *field.Values) {
	if s.Failure == nil {
		j.fail(f.Root().Span, what, "none: the step is "+string(s.State), show(field.Plain(f.Root())))
		return
	}
	j.equal(f, "code", what+".code", s.Failure.Code)
	j.equal(f, "kind", what+".kind", s.Failure.Kind)
	if f.Has("message") && !strings.Contains(s.Failure.Message, f.String("message")) {
		j.fail(f.Span("message"), what+".message", strconv.Quote(cut(s.Failure.Message)), "a message with "+strconv.Quote(f.String("message")))
	}
}

// elapsed looks at how long the run took.
func (j *runJudgement) elapsed() {
	w := &j.c.want
	if w.elapsed == nil {
		return
	}
	wanted := field.FormatDuration(w.minimum)
	switch {
	case w.maximum == maxSimulated:
		wanted = "at least " + wanted
	case w.minimum != w.maximum:
		wanted = fmt.Sprintf("%s to %s", wanted, field.FormatDuration(w.maximum))
	}
	r := &j.rec.Run
	if r.Finished.IsZero() {
		j.fail(w.elapsed.Span, "elapsed", "the run is still open", wanted)
		return
	}
	got := r.Finished.Sub(r.Created).Round(time.Millisecond)
	if got < w.minimum || got > w.maximum {
		j.fail(w.elapsed.Span, "elapsed", field.FormatDuration(got), wanted)
	}
}

// emitted looks at the events that were emitted.
func (j *runJudgement) emitted() {
	if !j.v.Has("emitted") {
		return
	}
	want := j.v.Objects("emitted")
	for i, w := range want {
		what := fmt.Sprintf("emitted[%d]", i)
		if i >= len(j.done.Emitted) {
			j.fail(w.Root().Span, what, "nothing more was emitted", show(field.Plain(w.Root())))
			continue
		}
		e := &j.done.Emitted[i]
		j.equal(w, "event", what+".event", e.Name)
		if n := w.Node("payload"); n != nil {
			j.compare(what+".payload", pipeline.Decode(e), n, false)
		}
	}
	if len(j.done.Emitted) > len(want) {
		var names []string
		for _, e := range j.done.Emitted {
			names = append(names, e.Name)
		}
		j.fail(j.v.Span("emitted"), "emitted", list(names), amount(len(want), "event"))
	}
}

func amount(n int, what string) string {
	switch n {
	case 0:
		return "none"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
