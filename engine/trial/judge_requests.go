package trial

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/source"
)

// outgoing looks at the requests that went out.
func (j *runJudgement) outgoing() {
	if j.v.Has("requests") {
		j.requests("requests", j.v.Span("requests"), j.v.Objects("requests"), j.done.Requests)
	}
	for _, h := range j.c.want.hooks {
		var own []*Request
		for _, r := range j.done.Requests {
			if names(h.key, r, j.name) {
				own = append(own, r)
			}
		}
		j.requests("hooks."+h.key, h.node.Span, h.list, own)
	}
}

// requests holds a list of requests against the expected ones, one by one; one with `attempts` stands for all tries of its hook in a row.
func (j *runJudgement) requests(what string, span source.Span, want []*field.Values, got []*Request) {
	left, all := slices.Clone(got), got
	for i, w := range want {
		at := fmt.Sprintf("%s[%d]", what, i)
		if len(left) == 0 {
			got := told(all, j.name)
			if len(all) > 0 {
				got = "only " + got
			}
			j.fail(w.Root().Span, at, got, briefly(w))
			return
		}
		r := left[0]
		before := len(j.failures)
		left = left[1:]
		if w.Has("attempts") {
			tries := 1
			left = slices.DeleteFunc(left, func(o *Request) bool {
				again := o.Run == r.Run && o.Path == r.Path && o.Round == r.Round
				if again {
					tries++
				}
				return again
			})
			if n := w.Int("attempts"); int64(tries) != n {
				j.fail(w.Span("attempts"), at+".attempts", strconv.Itoa(tries), strconv.FormatInt(n, 10))
			}
		}
		j.outgoingRequest(at, w, r)
		if w.Has("node") && !names(w.String("node"), r, j.name) {
			j.failures = j.failures[:before] // it is another request: what else differs tells nothing
			j.fail(w.Span("node"), at+".node", r.Node(j.name), w.String("node"))
		}
	}
	if len(left) > 0 {
		j.fail(span, what, told(all, j.name), amount(len(want), "request"))
	}
}

// told lists requests in short: "2 requests (Tell Slack 503, Tell Slack 200)".
func told(all []*Request, pipeline string) string {
	if len(all) == 0 {
		return "nothing was sent"
	}
	var each []string
	for _, r := range all {
		each = append(each, r.Node(pipeline)+" "+r.Answer)
	}
	return cut(amount(len(all), "request") + " (" + strings.Join(each, ", ") + ")")
}

// briefly names an expected request.
func briefly(w *field.Values) string {
	for _, key := range []string{"node", "url"} {
		if n := w.Node(key); n != nil {
			return "a request of " + n.Text
		}
	}
	return show(field.Plain(w.Root()))
}

func (j *runJudgement) outgoingRequest(what string, w *field.Values, r *Request) {
	j.equal(w, "method", what+".method", r.Method)
	if n := w.Node("url"); n != nil && asWritten(n.Text) != r.URL {
		j.fail(n.Span, what+".url", r.URL, asWritten(n.Text))
	}
	if n := w.Node("headers"); n != nil {
		j.headers(what+".headers.", n, r.Header)
	}
	switch {
	case w.Has("body") && w.String("body") != string(r.Body):
		j.fail(w.Span("body"), what+".body", strconv.Quote(cut(string(r.Body))), strconv.Quote(cut(w.String("body"))))
	case w.Has("body_contains") && !bytes.Contains(r.Body, []byte(w.String("body_contains"))):
		j.fail(w.Span("body_contains"), what+".body", strconv.Quote(cut(string(r.Body))), "a body with "+strconv.Quote(w.String("body_contains")))
	case w.Has("json"):
		j.document(what+".json", w.Node("json"), r, true)
	case w.Has("json_contains"):
		j.document(what+".json", w.Node("json_contains"), r, false)
	}
}

// asWritten gives a text of a test in which references that are only spoken of stand as literal text: `\<<env.X>>`.
func asWritten(text string) string { return strings.ReplaceAll(text, `\<<`, "<<") }

func (j *runJudgement) document(what string, n *source.Node, r *Request, whole bool) {
	got, err := payload.Decode(r.Body)
	if err != nil {
		// A body that is plain text is compared with text.
		if n.Kind == source.String && !strings.Contains(r.Header.Get("Content-Type"), "json") {
			got = string(r.Body)
		} else {
			j.fail(n.Span, what, strconv.Quote(cut(string(r.Body)))+", which is no JSON", show(field.Plain(n)))
			return
		}
	}
	j.compare(what, got, n, whole)
}

func (j *judgement) headers(what string, n *source.Node, got http.Header) {
	for _, h := range (planner{}).headers("", n, true) {
		for i := range h.values {
			h.values[i] = asWritten(h.values[i])
		}
		if values := got.Values(h.name); !slices.Equal(values, h.values) {
			j.fail(h.node.Span, what+h.name, orNothing(strings.Join(values, ", ")), orNothing(strings.Join(h.values, ", ")))
		}
	}
}
