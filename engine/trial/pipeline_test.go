package trial_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/trial"
)

// shop is a provider and a pipeline to which tests are added.
const shop = `kind: provider
name: acme
signature: {algorithm: hmac-sha256, header: X-Acme-Signature}
event: {header: X-Acme-Event}
delivery: body
events:
  - name: order.created
    example: {id: ord_1, total: 12.5, items: [{sku: a}, {sku: b}]}
---
kind: pipeline
name: told
nodes:
  - label: Created
    type: receive
    props: {provider: acme, event: order.created, filter: payload.total < 1000}
  - label: Is big
    type: condition
    props: {expression: payload.total > 10}
  - label: Message
    type: code
    props:
      code: |
        {"text": "Order " + payload.id, "n": 1}
  - label: Tell
    type: hook
    props: {url: https://shop.example.com/told, retry: [0s, 5s]}
  - label: Log
    type: emit
    props: {event: order.told, payload: {id: "{{ payload.id }}"}}
  - label: Count
    type: metric
    props: {name: orders_total, kind: counter, labels: {id: "{{ event.payload.id }}"}}
connections:
  - Created -> Is big
  - "Is big[true] -> Message -> Tell -> Log -> Count"
tests:
`

// perform runs the cases, which are the lines below tests:, of the pipeline in shop.
func perform(t *testing.T, cases string) trial.Report {
	t.Helper()
	report, list := performed(t, trial.Options{}, "gate/all.yaml", shop+cases)
	for _, f := range list.Sorted() {
		t.Errorf("finding: %s", f)
	}
	return report
}

// performed runs the tests of files, by name and text in turns.
func performed(t *testing.T, o trial.Options, files ...string) (trial.Report, *diag.List) {
	t.Helper()
	bundle, list := load(t, files...)
	o.Bundle, o.Types = bundle, engine.NodeTypes()
	report, found := trial.Run(t.Context(), o)
	list.Merge(found)
	return report, list
}

// pipelinesFile loads testdata/pipelines.yaml with the files that it names.
func pipelinesFile(t testing.TB) *manifest.Bundle {
	t.Helper()
	o := manifest.Options{NoEnv: true}
	for _, name := range []string{"pipelines.yaml", "requests/paid.http", "events/created.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		o.Files = append(o.Files, source.NewFile("gate/"+name, data))
	}
	bundle, list := manifest.Load(t.Context(), o)
	for _, f := range list.Sorted() {
		t.Fatalf("finding: %s", f)
	}
	return bundle
}

func TestTheUsualCasesOfPipelinesPass(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	report, list := trial.Run(t.Context(), trial.Options{Bundle: pipelinesFile(t), Types: engine.NodeTypes()})
	for _, f := range list.Sorted() {
		t.Errorf("finding: %s", f)
	}
	if len(report.Results) < 20 {
		t.Errorf("%d cases were run, want all", len(report.Results))
	}
	for _, r := range report.Results {
		for _, f := range r.Failures {
			t.Errorf("%s: %s: %s: got %s, want %s", r.Target(), r.Name, f.What, f.Got, f.Want)
		}
	}
	// They simulate a week of retries and waits.
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("they took %s", took)
	}
}

func TestEveryMatcherFailsAtItsPlace(t *testing.T) {
	t.Parallel()
	report := perform(t, `  - name: all
    send: acme/order.created
    hooks: {Tell: [{status: 503}, {status: 200, json: {id: 7}}]}
    expect:
      verdict: refused
      event: order.deleted
      payload: {id: ord_2}
      state: parked
      outcome: filtered
      reason: retries_spent
      path: [Created, "Is big[false]"]
      steps:
        Message: {state: failed, branch: x, output: {text: Order ord_2, n: 1}, failure: {code: timeout}, log: [a]}
        Tell: {output: {body: {id: 8}}}
      requests:
        - {node: Message, url: https://shop.example.com/told}
        - {node: Tell, method: GET, url: https://shop.example.com, headers: {X-A: b}, json: {text: Order ord_1, m: 1}}
        - {node: Tell}
      hooks:
        Tell: [{body: "{}", attempts: 3}]
      emitted: [{event: order.tell, payload: {id: ord_2}}, {event: order.told}]
      metrics:
        - {name: orders_total, value: 2, count: 2}
        - {name: orders_total, labels: {id: ord_2}}
        - {name: orders_total, labels: {id: ord_3}}
      result: {id: ord_2}
      elapsed: 5m
      runs: 2
  - name: other bodies
    send: acme/order.created
    expect: {requests: [{body_contains: ord_2}], emitted: []}
  - name: parts of bodies
    send: acme/order.created
    expect: {requests: [{json_contains: {text: Order ord_1, m: {k: 1}}}]}
  - name: none
    send: acme/order.created
    set: {total: 1000}
    expect: {none: true, requests: [{node: Tell}]}
  - name: too few runs
    send: acme/order.created
    expect: {run: 2, state: done}
  - name: no run
    send: acme/order.created
    change: {body: flip}
    expect: {state: done}
  - name: what is not reached
    send: acme/order.created
    set: {total: 1}
    expect: {steps: {Message: {output: {text: x}}, Created: {failure: {code: x}}}}
`)
	same(t, failures(report), []string{
		"gate/all.yaml:41:16: verdict: got accepted, want refused",
		"gate/all.yaml:42:14: event: got order.created, want order.deleted",
		`gate/all.yaml:43:21: payload.id: got "ord_1", want "ord_2"`,
		"gate/all.yaml:64:13: runs: got 1, want 2",
		"gate/all.yaml:44:14: state: got done, want parked",
		"gate/all.yaml:45:16: outcome: got completed, want filtered",
		"gate/all.yaml:46:15: reason: got nothing, want retries_spent",
		"gate/all.yaml:47:23: path: got [Created, Is big[true], Message, Tell, Log, Count], want [Created, Is big[false]]",
		"gate/all.yaml:49:26: steps.Message.state: got done, want failed",
		"gate/all.yaml:49:42: steps.Message.branch: got nothing, want x",
		`gate/all.yaml:49:60: steps.Message.output.text: got "Order ord_1", want "Order ord_2"`,
		`gate/all.yaml:49:89: steps.Message.failure: got none: the step is done, want {"code":"timeout"}`,
		`gate/all.yaml:49:111: steps.Message.log: got [], want ["a"]`,
		"gate/all.yaml:50:36: steps.Tell.output.body.id: got 7, want 8",
		`gate/all.yaml:62:20: result.id: got "ord_1", want "ord_2"`,
		"gate/all.yaml:63:16: elapsed: got 4.684s, want 5m",
		"gate/all.yaml:52:18: requests[0].node: got Tell, want Message",
		"gate/all.yaml:53:32: requests[1].method: got POST, want GET",
		"gate/all.yaml:53:42: requests[1].url: got https://shop.example.com/told, want https://shop.example.com",
		"gate/all.yaml:53:83: requests[1].headers.X-A: got nothing, want b",
		"gate/all.yaml:53:116: requests[1].json.m: got nothing, want 1",
		"gate/all.yaml:53:93: requests[1].json.n: got 1, want nothing",
		"gate/all.yaml:54:11: requests[2]: got only 2 requests (Tell 503, Tell 200), want a request of Tell",
		"gate/all.yaml:56:39: hooks.Tell[0].attempts: got 2, want 3",
		`gate/all.yaml:56:23: hooks.Tell[0].body: got "{\"n\":1,\"text\":\"Order ord_1\"}", want "{}"`,
		"gate/all.yaml:57:25: emitted[0].event: got order.told, want order.tell",
		`gate/all.yaml:57:51: emitted[0].payload.id: got "ord_1", want "ord_2"`,
		`gate/all.yaml:57:60: emitted[1]: got nothing more was emitted, want {"event":"order.told"}`,
		"gate/all.yaml:59:49: metrics[0].count: got 1, want 2",
		"gate/all.yaml:59:39: metrics[0].value: got 1, want 2",
		`gate/all.yaml:60:11: metrics[1]: got not measured with these labels, but with {"id":"ord_1"}, want {"labels":{"id":"ord_2"},"name":"orders_total"}`,
		`gate/all.yaml:61:11: metrics[2]: got not measured with these labels, but with {"id":"ord_1"}, want {"labels":{"id":"ord_3"},"name":"orders_total"}`,
		`gate/all.yaml:67:41: requests[0].body: got "{\"n\":1,\"text\":\"Order ord_1\"}", want a body with "ord_2"`,
		"gate/all.yaml:67:59: emitted: got [order.told], want none",
		`gate/all.yaml:70:64: requests[0].json.m: got nothing, want {"k":1}`,
		"gate/all.yaml:74:20: none: got 1 run: done filtered, want no run",
		"gate/all.yaml:74:37: requests[0]: got nothing was sent, want a request of Tell",
		"gate/all.yaml:77:29: state: got 1 run, want run 2",
		"gate/all.yaml:79:11: verdict: got refused invalid_signature: signature[0] hmac-sha256: no signature matches, want accepted, as no `expect: {verdict: …}` says otherwise",
		"gate/all.yaml:81:21: state: got no run of `told`, want run 1",
		`gate/all.yaml:85:40: steps.Message.output: got nothing: the step is skipped, want {"text":"x"}`,
		`gate/all.yaml:85:71: steps.Created.failure: got none: the step is done, want {"code":"x"}`,
	})
	if first := report.Results[0].Performed; len(first.Runs) != 1 || len(first.Runs[0].Steps) != 6 || len(first.Runs[0].Steps[1].Reads) != 1 {
		t.Errorf("what the run did is told as %+v", first.Runs)
	}
}

func TestIdsAndTimesAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	const cases = `  - name: one
    send: acme/order.created
    hooks: {Tell: [{status: 503}, {status: 200}]}
    expect: {state: done}
`
	story := func() string {
		var b strings.Builder
		p := perform(t, cases).Results[0].Performed
		fmt.Fprint(&b, p.Ended, p.Runs[0].Run.ID, p.Runs[0].Run.Trace)
		for _, r := range p.Requests {
			fmt.Fprint(&b, r.At, r.Header, string(r.Body))
		}
		return b.String()
	}
	if a, b := story(), story(); a != b {
		t.Errorf("got\n%s\nand then\n%s", a, b)
	}
}

func TestRequestsThatWaitTogetherTakeAsLongAsTheLongest(t *testing.T) {
	t.Parallel()
	const two = `kind: pipeline
name: two
nodes:
  - {label: Start, type: start}
  - {label: A, type: hook, props: {url: https://shop.example.com/a}}
  - {label: B, type: hook, props: {url: https://shop.example.com/b}}
  - {label: C, type: hook, props: {url: https://shop.example.com/c}}
connections: [Start -> A, Start -> B, A -> C, B -> C]
tests:
  - name: in parallel
    input: {}
    hooks: {A: {after: 20s}, B: {after: 5s}}
    expect: {elapsed: 20s, requests: [{node: A}, {node: B}, {node: C}]}
`
	report, list := performed(t, trial.Options{}, "two.yaml", two)
	if list.Len() > 0 || len(report.Results) != 1 || report.Failed() > 0 {
		t.Errorf("findings %v, failures %v", list.Sorted(), failures(report))
	}
}

func TestCasesOfPipelinesArePickedByName(t *testing.T) {
	t.Parallel()
	bundle := pipelinesFile(t)
	report, _ := trial.Run(t.Context(), trial.Options{Bundle: bundle, Types: engine.NodeTypes(), Run: regexp.MustCompile(`^digest/`)})
	for _, r := range report.Results {
		if r.Target() != "digest" {
			t.Errorf("%s/%s was run", r.Target(), r.Name)
		}
	}
	if len(report.Results) != 4 {
		t.Errorf("%d cases were run, want 4", len(report.Results))
	}
}

func TestWhatIsNotEnabledIsNotRun(t *testing.T) {
	t.Parallel()
	const cases = "  - {name: one, send: acme/order.created, expect: {state: done}}\n"
	off := strings.Replace(shop, "name: told\n", "name: told\nenabled: false\n", 1)
	report, list := performed(t, trial.Options{Coverage: true}, "all.yaml", off+cases)
	if list.Len() > 0 || len(report.Results) > 0 || len(report.Coverage) > 0 {
		t.Errorf("got %v, %+v", list.Sorted(), report)
	}
}

func TestPipelinesThatDoNotCompileAreToldOnlyWhereTheyAreNeeded(t *testing.T) {
	t.Parallel()
	broken := strings.Replace(shop, "payload.total > 10", "payload.total >", 1)
	none := strings.TrimSuffix(broken, "tests:\n")
	if _, list := performed(t, trial.Options{}, "all.yaml", none); list.Len() > 0 {
		t.Errorf("without a case: %v", list.Sorted())
	}
	_, list := performed(t, trial.Options{}, "all.yaml", broken+"  - {name: one, send: acme/order.created, expect: {state: done}}\n")
	if !list.HasErrors() {
		t.Error("with a case: no error")
	}
}

func TestCoverageTellsWhatNoCaseReached(t *testing.T) {
	t.Parallel()
	const each = `---
kind: pipeline
name: each
nodes:
  - {label: Start, type: start}
  - label: Each
    type: foreach
    props:
      items: payload.items
      nodes:
        - {label: Odd, type: condition, props: {expression: item % 2 == 1}}
        - {label: Tell, type: hook, props: {url: https://shop.example.com/told}}
      connections: ["Odd[true] -> Tell"]
  - {label: Sorry, type: hook, props: {url: https://shop.example.com/sorry}}
  - {label: Any, type: receive, props: {provider: acme}}
connections: [Start -> Each, "Each[error] -> Sorry", Any -> Sorry]
tests:
  - {name: even, input: {items: [2]}, expect: {state: done}}
`
	report, list := performed(t, trial.Options{Coverage: true}, "all.yaml", shop+"  - {name: small, send: acme/order.created, set: {total: 1}, expect: {outcome: filtered}}\n"+each)
	if list.Len() > 0 || report.Failed() > 0 {
		t.Fatalf("findings %v, failures %v", list.Sorted(), failures(report))
	}
	var got []string
	for _, c := range report.Coverage {
		got = append(got, fmt.Sprintf("%s: %d cases, events %d%v nodes %d%v branches %d%v", c.Pipeline, c.Cases, c.Events.Total, c.Events.Missed,
			c.Nodes.Total, c.Nodes.Missed, c.Branches.Total, c.Branches.Missed))
	}
	same(t, got, []string{
		"told: 1 cases, events 1[] nodes 6[Message Tell Log Count] branches 2[Is big[true]]",
		"each: 1 cases, events 1[acme/*] nodes 6[Any Each/Tell Sorry] branches 3[Each[error] Each/Odd[true]]",
	})
	if p := trial.Percent(report.Coverage); p < 42 || p > 42.2 {
		t.Errorf("got %g %%, want 8 of 19", p)
	}
	if trial.Percent(nil) != 100 {
		t.Error("nothing is not all of nothing")
	}
}

func BenchmarkAHundredCases(b *testing.B) {
	var cases strings.Builder
	for i := range 100 {
		fmt.Fprintf(&cases, "  - {name: case %d, send: acme/order.created, set: {id: ord_%d}, hooks: {Tell: [{status: 503}, {}]}, expect: {state: done, requests: [{node: Tell, json_contains: {text: Order ord_%d}, attempts: 2}]}}\n", i, i, i)
	}
	for b.Loop() {
		bundle, list := manifest.Load(b.Context(), manifest.Options{NoEnv: true, Files: []*source.File{source.NewFile("all.yaml", []byte(shop+cases.String()))}})
		report, found := trial.Run(b.Context(), trial.Options{Bundle: bundle, Types: engine.NodeTypes()})
		if list.HasErrors() || found.HasErrors() || len(report.Results) != 100 || report.Failed() > 0 {
			b.Fatal(list.Sorted(), found.Sorted(), failures(report))
		}
	}
}
