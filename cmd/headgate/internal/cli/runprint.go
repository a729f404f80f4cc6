package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/trial"
)

// performance is what a run in this process did, as JSON.
type performance struct {
	Runs     []admin.RunDetail `json:"runs"`
	Requests []sentRequest     `json:"requests,omitempty"`
	Emitted  []emittedEvent    `json:"emitted,omitempty"`
	Result   json.RawMessage   `json:"result"`
}

type emittedEvent struct {
	Event   string          `json:"event"`
	Payload json.RawMessage `json:"payload"`
}

// sentRequest is a request as tests and dry runs have it.
type sentRequest struct {
	Node    string            `json:"node"`
	Attempt int               `json:"attempt"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	JSON    json.RawMessage   `json:"json,omitempty"`
	Body    string            `json:"body,omitempty"`
	Answer  string            `json:"answer"`
}

// sentRequests writes requests as JSON: what references stand for is not there, so nothing is secret.
func sentRequests(all []*trial.Request, pipeline string) []sentRequest {
	var out []sentRequest
	for _, r := range all {
		one := sentRequest{Node: r.Node(pipeline), Attempt: r.N, Method: r.Method, URL: r.URL, Headers: map[string]string{}, Answer: r.Answer}
		for name, values := range r.Header {
			one.Headers[name] = strings.Join(values, ", ")
		}
		if json.Valid(r.Body) {
			one.JSON = r.Body
		} else {
			one.Body = string(r.Body)
		}
		out = append(out, one)
	}
	return out
}

// printPerformance shows what a run in this process did and came to.
func (a *app) printPerformance(name string, done *trial.Performed, dry bool) error {
	result, err := payload.Encode(done.Result)
	if err != nil {
		return failed(fmt.Errorf("writing the result: %w", err))
	}
	if a.json {
		out := performance{Runs: []admin.RunDetail{}, Requests: sentRequests(done.Requests, name), Result: result}
		for _, rec := range done.Runs {
			out.Runs = append(out.Runs, runDetail(rec))
		}
		for _, e := range done.Emitted {
			out.Emitted = append(out.Emitted, emittedEvent{Event: e.Name, Payload: e.Body})
		}
		return a.printJSON(out)
	}
	for i, rec := range done.Runs {
		if i > 0 {
			fmt.Fprintln(a.Stdout)
		}
		at := moment{now: done.Ended}
		if dry {
			at.began = done.Began // in simulated time
		}
		a.printPerformedRun(runDetail(rec), at)
	}
	if dry {
		a.printRequests(name, done)
	}
	a.printEmitted(done.Emitted)
	if done.Runs[0].Run.State == run.Done {
		a.printResult(result)
	}
	return nil
}

// printPerformedRun shows a run that is kept nowhere.
func (a *app) printPerformedRun(d admin.RunDetail, at moment) {
	r := d.Run.Run
	state := runState(r)
	fmt.Fprintf(a.Stdout, "%s  %s", a.paint("1", visible(r.Pipeline)), a.paint(state.color, state.text))
	if r.Reason != "" {
		fmt.Fprintf(a.Stdout, ": %s", visible(r.Reason))
	}
	if d := r.Finished.Sub(r.Created); !r.Finished.IsZero() && d >= time.Millisecond {
		fmt.Fprintf(a.Stdout, "  after %s", field.FormatDuration(d.Round(time.Millisecond)))
	}
	fmt.Fprintln(a.Stdout)
	if r.Message != "" {
		a.field("why", "%s", visible(r.Message))
	}
	a.printPlacesAt(d, at)
}

// maskedHeader says whether a header's value is shown as •••: it holds a reference.
func maskedHeader(value string) string {
	if strings.Contains(value, "<<") {
		return "•••"
	}
	return value
}

// printRequests shows what would have been sent.
func (a *app) printRequests(name string, done *trial.Performed) {
	for _, r := range done.Requests {
		fmt.Fprintf(a.Stdout, "\n%s %s%s\n", a.paint("2", "request of"), a.paint("1", visible(r.Node(name))), a.paint("2", offset(r.At.Sub(done.Began))))
		fmt.Fprintf(a.Stdout, "  %s %s\n", a.paint("1", r.Method), visible(r.URL))
		for _, header := range slices.Sorted(maps.Keys(r.Header)) {
			fmt.Fprintf(a.Stdout, "  %s: %s\n", a.paint("2", header), visible(maskedHeader(strings.Join(r.Header[header], ", "))))
		}
		if len(r.Body) > 0 {
			fmt.Fprintln(a.Stdout)
			a.printBody(r.Body)
		}
	}
}

// offset says at which simulated time something happened, where that is not the beginning.
func offset(d time.Duration) string {
	if d < time.Millisecond {
		return ""
	}
	return " after " + field.FormatDuration(d.Round(time.Millisecond))
}

// printBody shows a body: JSON over several lines, text as it is, and of anything else its size.
func (a *app) printBody(body []byte) {
	var b bytes.Buffer
	switch {
	case json.Indent(&b, body, "", "  ") == nil:
		body = b.Bytes()
	case !utf8.Valid(body):
		body = []byte(bytesOf(len(body)) + " that are no text")
	}
	for line := range strings.Lines(string(body)) {
		fmt.Fprintf(a.Stdout, "  %s\n", visible(strings.TrimRight(line, "\r\n")))
	}
}

func (a *app) printEmitted(all []event.Event) {
	for _, e := range all {
		fmt.Fprintf(a.Stdout, "\n%s %s\n", a.paint("2", "emitted"), a.paint("1", visible(e.Name)))
		a.printBody(e.Body)
	}
}

// printResult shows what a run came to, JSON.
func (a *app) printResult(v json.RawMessage) {
	fmt.Fprintf(a.Stdout, "\n%s\n", a.paint("2", "result"))
	a.printBody(v)
}
