package trial_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/trial"
)

// calling calls a pipeline whose hooks go out together, under headers that say nothing of them.
const calling = `kind: pipeline
name: outer
nodes:
  - {label: Begin, type: start}
  - {label: Call, type: call, props: {pipeline: inner, input: {items: [a, b, c]}}}
---
kind: pipeline
name: inner
nodes:
  - {label: Begin, type: start}
  - {label: Zed, type: hook, props: {url: https://shop.example.com/z, headers: {Idempotency-Key: same, Traceparent: none}}}
  - {label: Mid, type: hook, props: {url: https://shop.example.com/m, headers: {Idempotency-Key: same, Traceparent: none}}}
  - label: Each
    type: foreach
    props:
      items: payload.items
      parallel: 12
      nodes: [{label: Tell, type: hook, props: {url: "https://shop.example.com/{{ item }}", headers: {Idempotency-Key: same}}}]
connections: [Begin -> Zed, Begin -> Mid, Begin -> Each]
`

func TestParallelHooksOfACalledPipelineAreToldApart(t *testing.T) {
	t.Parallel()
	const cases = `tests:
  - name: all
    input: {}
    hooks:
      inner/Zed: {json: {from: z}}
      inner/Mid: [{status: 503}, {json: {from: m}}]
      "inner/Each[1]/Tell": {json: {from: b}}
    expect:
      steps:
        inner/Zed: {output: {body: {from: z}}}
        inner/Mid: {output: {body: {from: m}}}
        "inner/Each[1]/Tell": {output: {body: {from: b}}}
      requests:
        - {node: inner/Zed, url: https://shop.example.com/z}
        - {node: inner/Mid, url: https://shop.example.com/m, attempts: 2}
        - {node: "inner/Each[0]/Tell", url: https://shop.example.com/a}
        - {node: "inner/Each[1]/Tell", url: https://shop.example.com/b}
        - {node: "inner/Each[2]/Tell", url: https://shop.example.com/c}
`
	outer, inner, _ := strings.Cut(calling, "---\n")
	report, list := performed(t, trial.Options{}, "all.yaml", outer+cases+"---\n"+inner)
	if list.Len() > 0 || len(report.Results) != 1 || report.Failed() > 0 {
		t.Errorf("findings %v, failures %v", list.Sorted(), failures(report))
	}
}

func TestARehearsalTellsWhoseRequestsTheyAre(t *testing.T) {
	t.Parallel()
	done, err := trial.Rehearse(t.Context(), trial.RunOptions{Snapshot: snapshotOf(t, calling), Pipeline: "outer", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range done.Requests {
		got = append(got, r.Node("outer")+" "+r.URL)
	}
	same(t, got, []string{
		"inner/Zed https://shop.example.com/z", "inner/Mid https://shop.example.com/m", "inner/Each[0]/Tell https://shop.example.com/a",
		"inner/Each[1]/Tell https://shop.example.com/b", "inner/Each[2]/Tell https://shop.example.com/c",
	})
}

// busy is a pipeline that is slow because its hook is.
const busy = `kind: pipeline
name: busy
%s
nodes:
  - {label: Go, type: receive, props: {provider: internal, event: go}}
  - {label: Tell, type: hook, props: {url: "https://shop.example.com/{{ payload.n }}"}}
tests:
  - name: later events come while the first answer is outstanding
    event: {event: go, provider: internal, payload: {n: 1}}
    hooks: {Tell: [{after: 20s}, {after: 1s}]}
    events:
      - {after: 1s, event: {event: go, provider: internal, payload: {n: 2}}}
      - {after: 30s, event: {event: go, provider: internal, payload: {n: 3}}}
    expect: %s
`

func TestEventsComeWhileAnswersAreOutstanding(t *testing.T) {
	t.Parallel()
	for limits, c := range map[string]struct{ expect, ends string }{
		"": {
			`{runs: 3, run: 2, elapsed: 1s, requests: [{url: https://shop.example.com/1}, {url: https://shop.example.com/2}, {url: https://shop.example.com/3}]}`,
			"1 at 0s, 2 at 1s, 3 at 30s",
		},
		"limits: {concurrency: 1, overflow: drop}": {`{runs: 3, run: 2, outcome: limited}`, "1 at 0s, 3 at 30s"},
		"limits: {concurrency: 1}":                 {`{runs: 3, run: 2, elapsed: 20s}`, "1 at 0s, 2 at 20s, 3 at 30s"},
		"order_by: event.name":                     {`{runs: 3, run: 2, elapsed: 20s}`, "1 at 0s, 2 at 20s, 3 at 30s"},
		"order_by: payload.n":                      {`{runs: 3, run: 2, elapsed: 1s}`, "1 at 0s, 2 at 1s, 3 at 30s"},
	} {
		t.Run(limits, func(t *testing.T) {
			t.Parallel()
			report, list := performed(t, trial.Options{}, "all.yaml", fmt.Sprintf(busy, limits, c.expect))
			if list.HasErrors() || len(report.Results) != 1 || report.Failed() > 0 {
				t.Fatalf("findings %v, failures %v", list.Sorted(), failures(report))
			}
			p := report.Results[0].Performed
			var got []string
			for _, r := range p.Requests {
				got = append(got, fmt.Sprintf("%s at %s", r.URL[len(r.URL)-1:], r.At.Sub(p.Began)))
			}
			if text := strings.Join(got, ", "); text != c.ends {
				t.Errorf("the requests are %s, want %s", text, c.ends)
			}
		})
	}
}

func TestAnAnswerThatIsOutstandingAtTheEndIsPending(t *testing.T) {
	t.Parallel()
	const slow = `kind: pipeline
name: slow
nodes:
  - {label: Start, type: start}
  - {label: Tell, type: hook, props: {url: https://shop.example.com/}}
tests:
  - {name: pending, input: {}, for: 5s, hooks: {Tell: {after: 20s}}, expect: {state: open, requests: [{node: Tell}]}}
  - {name: in time, input: {}, for: 20s, hooks: {Tell: {after: 20s}}, expect: {state: done, elapsed: 20s}}
  - {name: late, input: {}, hooks: {Tell: [{after: 40s}, {}]}, expect: {state: done, requests: [{node: Tell, attempts: 2}]}}
`
	report, list := performed(t, trial.Options{}, "slow.yaml", slow)
	if list.Len() > 0 || len(report.Results) != 3 || report.Failed() > 0 {
		t.Fatalf("findings %v, failures %v", list.Sorted(), failures(report))
	}
	for i, want := range []string{"pending", "200", "timeout"} {
		if got := report.Results[i].Performed.Requests[0].Answer; got != want {
			t.Errorf("%s: the answer is %s, want %s", report.Results[i].Name, got, want)
		}
	}
}

func TestWhatARunDidIsToldInTheOrderOfTheDiagramAndTheSameEachTime(t *testing.T) {
	t.Parallel()
	const wide = `kind: pipeline
name: wide
nodes:
  - {label: Start, type: start}
  - {label: Zed, type: hook, props: {url: https://shop.example.com/z}}
  - {label: After Zed, type: emit, props: {event: z.done}}
  - {label: Mid, type: hook, props: {url: https://shop.example.com/m}}
  - {label: After Mid, type: emit, props: {event: m.done}}
  - label: Each
    type: foreach
    props:
      items: 0..11
      parallel: 20
      nodes:
        - {label: Tell, type: hook, props: {url: "https://shop.example.com/{{ item }}"}}
        - {label: Note, type: emit, props: {event: "note.{{ index }}", payload: {}}}
connections: [Start -> Zed -> After Zed, Start -> Mid -> After Mid, Start -> Each]
tests:
  - {name: wide, input: {}, hooks: {Zed: {after: 1s}, "Each[3]/Tell": {after: 1s}}, expect: {state: done}}
`
	story := func() (steps, emitted []string) {
		report, list := performed(t, trial.Options{}, "wide.yaml", wide)
		if list.Len() > 0 || len(report.Results) != 1 || report.Failed() > 0 {
			t.Fatalf("findings %v, failures %v", list.Sorted(), failures(report))
		}
		p := report.Results[0].Performed
		for _, s := range p.Runs[0].Steps {
			steps = append(steps, s.Path)
		}
		for _, e := range p.Emitted {
			emitted = append(emitted, e.Name)
		}
		return steps, emitted
	}
	wantSteps, wantEmitted := []string{"Start", "Zed", "Mid", "Each"}, []string{"m.done"}
	for i := range 12 {
		wantSteps = append(wantSteps, fmt.Sprintf("Each[%d]/Tell", i), fmt.Sprintf("Each[%d]/Note", i))
		if i != 3 {
			wantEmitted = append(wantEmitted, fmt.Sprintf("note.%d", i))
		}
	}
	wantSteps, wantEmitted = append(wantSteps, "After Zed", "After Mid"), append(wantEmitted, "z.done", "note.3")
	for range 5 {
		steps, emitted := story()
		same(t, steps, wantSteps)
		same(t, emitted, wantEmitted)
	}
}

func TestALaterEventThatIsADuplicateIsTold(t *testing.T) {
	t.Parallel()
	for what, sent := range map[string]string{"request": "send: acme/order.created", "event": "event: {provider: acme, event: order.created, delivery: d1, payload: {id: o1, total: 20}}"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			report := perform(t, "  - name: twice\n    "+sent+"\n    events: [{after: 1m, "+sent+"}]\n    expect: {runs: 1, requests: [{node: Tell}]}\n")
			same(t, failures(report), nil)
			same(t, report.Results[0].Performed.Notes, []string{
				"what was sent after 1m is a duplicate: its delivery id came before, and it starts and wakes nothing",
			})
		})
	}
}
