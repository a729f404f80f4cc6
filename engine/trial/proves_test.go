package trial_test

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/trial"
)

// proves runs cases of the pipeline in shop and compares what fails; the places of failures are left out.
func proves(t *testing.T, cases string, want ...string) {
	t.Helper()
	var got []string
	for _, line := range failures(perform(t, cases)) {
		_, told, _ := strings.Cut(line, ": ")
		got = append(got, told)
	}
	same(t, got, want)
}

func TestALaterRequestThatIsNotAcceptedFailsTheCase(t *testing.T) {
	t.Parallel()
	const refused = "refused invalid_signature: signature[0] hmac-sha256: no signature matches"
	proves(t, `  - name: unexpected
    send: acme/order.created
    events: [{after: 1h, send: acme/order.created, set: {id: ord_2}, change: {body: flip}}]
    expect: {runs: 1}
  - name: expected
    send: acme/order.created
    events: [{after: 1h, send: acme/order.created, set: {id: ord_2}, change: {body: flip}, expect: {verdict: refused, status: 401, code: invalid_signature}}]
    expect: {runs: 1}
  - name: expected otherwise
    send: acme/order.created
    events:
      - {after: 2h, send: acme/order.created, set: {id: ord_3}, expect: {verdict: ignored, reason: ignore_list}}
      - {after: 1h, send: acme/order.created, set: {id: ord_2}, change: {body: flip}, expect: {verdict: ignored, code: stale}}
    expect: {runs: 2}
`, "events[0].verdict: got "+refused+", want accepted, as no `expect: {verdict: …}` says otherwise",
		"events[1].verdict: got refused, want ignored", "events[1].code: got invalid_signature, want stale",
		"events[0].verdict: got accepted, want ignored", "events[0].reason: got nothing, want ignore_list")
}

func TestARequestThatIsNotAcceptedFailsACaseThatDoesNotSaySo(t *testing.T) {
	t.Parallel()
	const told = "verdict: got refused invalid_signature: signature[0] hmac-sha256: no signature matches, want accepted, " +
		"as no `expect: {verdict: …}` says otherwise"
	proves(t, `  - {name: nothing went out, send: acme/order.created, change: {body: flip}, expect: {requests: []}}
  - {name: nothing ran, send: acme/order.created, change: {body: flip}, expect: {none: true}}
  - {name: refused, send: acme/order.created, change: {body: flip}, expect: {code: invalid_signature, none: true}}
`, told, told)
}

func TestAnEmptyMapIsMeantAsAWhole(t *testing.T) {
	t.Parallel()
	proves(t, `  - {name: payload, send: acme/order.created, expect: {payload: {}}}
  - {name: output, send: acme/order.created, expect: {steps: {Message: {output: {}}}}}
  - {name: inside, send: acme/order.created, set: {items: {a: 1}}, expect: {payload: {items: {}}}}
  - {name: sent, send: acme/order.created, expect: {requests: [{json_contains: {}}]}}
  - {name: is empty, send: acme/order.created, set: {items: {}}, expect: {payload: {items: {}, id: ord_1}}}
`, `payload.id: got "ord_1", want nothing`, `payload.items: got [{"sku":"a"},{"sku":"b"}], want nothing`, "payload.total: got 12.5, want nothing",
		"steps.Message.output.n: got 1, want nothing", `steps.Message.output.text: got "Order ord_1", want nothing`,
		"payload.items.a: got 1, want nothing", "requests[0].json.n: got 1, want nothing", `requests[0].json.text: got "Order ord_1", want nothing`)
}

func TestValuesAreAddedToAnExample(t *testing.T) {
	t.Parallel()
	proves(t, `  - name: added
    send: acme/order.created
    set: {"items[1].sku": c, total: {}}
    add: {coupon.code: SUMMER, "items[2]": {sku: d}, total.net: 20}
    expect: {payload: {coupon: {code: SUMMER}, items: [{sku: a}, {sku: c}, {sku: d}], total: {net: 20}}}
`)
}

func TestAMetricThatCouldBeMeasuredAndWasNotFails(t *testing.T) {
	t.Parallel()
	const both = `kind: pipeline
name: both
nodes:
  - {label: Start, type: start}
  - {label: Sub, type: call, props: {pipeline: sub}}
  - {label: Odd, type: condition, props: {expression: payload.n == 1}}
  - {label: Count, type: metric, props: {name: odd_total, kind: counter}}
connections: [Start -> Sub, Sub -> Odd, "Odd[true] -> Count"]
tests:
  - {name: never, input: {n: 2}, expect: {metrics: [{name: odd_total, count: 0}, {name: sub_total, count: 1}]}}
  - {name: wanted, input: {n: 2}, expect: {metrics: [{name: odd_total}]}}
---
kind: pipeline
name: sub
nodes:
  - {label: Start, type: start}
  - {label: Each, type: foreach, props: {items: "[1]", nodes: [{label: Count, type: metric, props: {name: sub_total, kind: counter}}]}}
`
	report, list := performed(t, trial.Options{}, "both.yaml", both)
	for _, f := range list.Sorted() {
		t.Errorf("finding: %s", f)
	}
	same(t, failures(report), []string{`both.yaml:11:54: metrics[0]: got not measured, but sub_total, want {"name":"odd_total"}`})
}
