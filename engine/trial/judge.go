package trial

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/source"
)

// judge holds an outcome against an expectation.
func judge(v *field.Values, o outcome) []Failure {
	j := judgement{v: v, o: o}
	j.request(true)
	j.learned()
	j.confirmed()
	return j.failures
}

// request looks at what became of the request and its events, and why where that is asked for.
func (j *judgement) request(why bool) {
	o := j.o
	j.text("verdict", o.verdict)
	j.number("status", o.answer.Status)
	j.text("code", o.code)
	j.number("events", len(o.events))
	j.names()
	var first event.Event
	if len(o.events) > 0 {
		first = o.events[0]
	}
	j.nullable("event", first.Name)
	j.nullable("delivery", first.Delivery)
	if why {
		j.text("reason", first.Reason)
	}
	j.payload(&first)
	j.contentType()
	j.reply()
}

type judgement struct {
	v        *field.Values
	o        outcome
	failures []Failure
}

func (j *judgement) fail(span source.Span, what, got, want string) {
	j.failures = append(j.failures, Failure{Span: span, What: what, Got: got, Want: want})
}

func (j *judgement) text(key, got string) {
	if want := j.v.String(key); j.v.Has(key) && got != want {
		j.fail(j.v.Span(key), key, orNothing(got), want)
	}
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func (j *judgement) number(key string, got int) {
	if want := j.v.Int(key); j.v.Has(key) && int64(got) != want {
		j.fail(j.v.Span(key), key, strconv.Itoa(got), strconv.FormatInt(want, 10))
	}
}

// nullable compares a text that may be missing, which null says.
func (j *judgement) nullable(key, got string) {
	n := j.v.Node(key)
	if n == nil {
		return
	}
	want := n.Text
	if n.Kind == source.Null {
		want = ""
	}
	if got != want {
		j.fail(n.Span, key, orNothing(got), orNothing(want))
	}
}

func (j *judgement) names() {
	if !j.v.Has("names") {
		return
	}
	got := make([]string, len(j.o.events))
	for i := range j.o.events {
		got[i] = j.o.events[i].Name
	}
	if want := j.v.Strings("names"); !slices.Equal(got, want) {
		j.fail(j.v.Span("names"), "names", list(got), list(want))
	}
}

func list(names []string) string { return "[" + strings.Join(names, ", ") + "]" }

func (j *judgement) payload(first *event.Event) {
	n := j.v.Node("payload")
	if n == nil {
		return
	}
	if len(j.o.events) == 0 {
		j.fail(n.Span, "payload", "no event", show(field.Plain(n)))
		return
	}
	j.compare("payload", pipeline.Decode(first), n, false)
}

func (j *judgement) compare(what string, got any, want *source.Node, whole bool) {
	c := comparison{whole: whole}
	c.value(what, got, want)
	for i, m := range c.found {
		if i == maxDifferences {
			j.fail(want.Span, what, amount(len(c.found), "difference"), fmt.Sprintf("none (the first %d are shown)", maxDifferences))
			break
		}
		j.fail(m.node.Span, m.path, m.got, m.want)
	}
}

// maxDifferences of one value are shown, the first first.
const maxDifferences = 5

func (j *judgement) contentType() {
	if !j.v.Has("type") {
		return
	}
	got, want := j.o.answer.Header.Get("Content-Type"), j.v.String("type")
	compared := got
	if !strings.Contains(want, ";") {
		compared, _, _ = strings.Cut(got, ";")
	}
	if strings.TrimSpace(compared) != want {
		j.fail(j.v.Span("type"), "type", orNothing(got), want)
	}
}

func (j *judgement) reply() {
	r := j.v.Object("reply")
	if r == nil {
		return
	}
	body := j.o.answer.Body
	if want := r.String("body"); r.Has("body") && string(body) != want {
		j.fail(r.Span("body"), "reply.body", strconv.Quote(cut(string(body))), strconv.Quote(cut(want)))
	}
	if n := r.Node("json"); n != nil {
		got, err := payload.Decode(body)
		if err != nil {
			j.fail(n.Span, "reply.json", strconv.Quote(cut(string(body)))+", which is no JSON", show(field.Plain(n)))
		} else {
			j.compare("reply.json", got, n, true)
		}
	}
	if n := r.Node("headers"); n != nil {
		j.headers("reply.headers.", n, j.o.answer.Header)
	}
}

func (j *judgement) learned() {
	if want := j.v.Bool("learned"); j.v.Has("learned") && j.o.learned != want {
		j.fail(j.v.Span("learned"), "learned", fmt.Sprint(j.o.learned), fmt.Sprint(want))
	}
}

func (j *judgement) confirmed() {
	n := j.v.Node("confirmed")
	if n == nil {
		return
	}
	want := n.Text
	if n.Kind == source.Bool || n.Kind == source.Null {
		want = ""
	}
	if j.o.confirmed != want {
		j.fail(n.Span, "confirmed", orNothing(j.o.confirmed), orNothing(want))
	}
}
