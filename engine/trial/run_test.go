package trial_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/trial"
)

func TestTheUsualCasesPass(t *testing.T) {
	t.Parallel()
	passes(t, acme, `cases:
  - name: a genuine request is accepted
    send: order.created
    expect: {verdict: accepted, status: 200, event: order.created, events: 1, names: [order.created], payload: {total: 12.5, items: [{sku: a}, {sku: b}]}}
  - name: its answer is ours
    send: order.created
    expect: {type: application/json, reply: {headers: {X-Content-Type-Options: nosniff, X-Nothing: null}}}
  - name: a changed body is refused
    send: order.created
    change: {body: flip}
    expect: {verdict: refused, status: 401, code: invalid_signature, events: 0, event: null, delivery: null}
  - name: another body is refused
    send: order.created
    change: {body: "{}"}
    expect: {verdict: refused, code: invalid_signature}
  - name: another value is refused
    send: order.created
    change: {json: {"items.1.sku": c}}
    expect: {verdict: refused, code: invalid_signature}
  - name: another secret is refused
    send: order.created
    change: {secret: wrong}
    expect: {verdict: refused, status: 401, code: invalid_signature}
  - name: no signature is refused
    send: order.created
    change: {signature: removed}
    expect: {verdict: refused, status: 401, code: missing_signature}
  - name: an old request is refused
    send: order.created
    change: {clock: 6m}
    expect: {verdict: refused, status: 401, code: stale_timestamp}
  - name: a request from the future is refused
    send: order.created
    change: {clock: -6m}
    expect: {verdict: refused, status: 401, code: stale_timestamp}
  - name: a request of a moment ago is accepted
    send: order.created
    change: {clock: 4m59s}
    expect: {verdict: accepted}
  - name: a set value is signed
    send: order.created
    set: {total: 99, "items.0": {sku: z}}
    expect: {verdict: accepted, payload: {total: 99, items: [{sku: z}, {sku: b}]}}
  - name: headers are changed
    send: order.created
    change: {headers: {X-Acme-Event: ping, X-Acme-Delivery: null}}
    expect: {verdict: ignored, event: ping, delivery: null, reason: ignore_list}
  - name: the method is another
    send: order.created
    change: {method: PUT}
    expect: {verdict: refused, status: 405, code: method_not_allowed}
`)
}

func TestRequestsAreWrittenOut(t *testing.T) {
	t.Parallel()
	passes(t, acme, `with: {secret: s3cret-of-the-documentation}
now: 2023-11-14T22:13:20Z
cases:
  - name: a published request is accepted
    request:
      headers:
        X-Acme-Signature: sha256=dd5e6fcb0acdd4e1a6f0ccfdad8b0d7f4dd36d9e8ed7b4cf3dbbe4e6d1e1bd0c
        X-Acme-Timestamp: "1700000000"
        X-Acme-Event: order.deleted
      body: '{"id": 1}'
    expect: {verdict: refused, code: invalid_signature}
  - name: a request is signed
    request: {headers: {X-Acme-Event: order.deleted}, json: {id: 1}}
    sign: true
    expect: {verdict: accepted, event: order.deleted, reason: no_delivery_id, payload: {id: 1}}
  - name: a doubled header is no signature
    request: {headers: {X-Acme-Signature: ["sha256=00", "sha256=11"], X-Acme-Timestamp: "1700000000"}, body: "{}"}
    expect: {verdict: refused, status: 401, code: invalid_signature}
  - name: an unsigned request is refused
    request: {json: {}}
    expect: {verdict: refused, status: 401, code: missing_signature}
  - name: another path is nobody's
    request: {path: /webhooks/nobody, json: {}}
    expect: {verdict: refused, status: 404, code: provider_not_found}
  - name: the address has no more parts
    request: {path: more, json: {}}
    expect: {verdict: refused, status: 404}
`)
}

func TestAFailureShowsGotAndWantAndItsPlace(t *testing.T) {
	t.Parallel()
	report := run(t, acme, `cases:
  - name: everything is wrong
    send: order.created
    expect:
      verdict: ignored
      status: 202
      event: order.deleted
      events: 2
      names: [a, b]
      reason: ignore_list
      type: text/plain
      payload: {id: ord_2, items: [{sku: a}, {sku: c}], more: 1}
      reply: {json: {status: processed}}
      learned: true
      confirmed: https://acme.example/confirm
  - name: it is refused
    send: order.created
    change: {secret: wrong}
    expect: {verdict: accepted, code: stale_timestamp}
`)
	same(t, failures(report), []string{
		"gate/acme/tests.yaml:6:16: verdict: got accepted, want ignored",
		"gate/acme/tests.yaml:7:15: status: got 200, want 202",
		"gate/acme/tests.yaml:9:15: events: got 1, want 2",
		"gate/acme/tests.yaml:10:14: names: got [order.created], want [a, b]",
		"gate/acme/tests.yaml:8:14: event: got order.created, want order.deleted",
		"gate/acme/tests.yaml:11:15: reason: got nothing, want ignore_list",
		`gate/acme/tests.yaml:13:21: payload.id: got "ord_1", want "ord_2"`,
		`gate/acme/tests.yaml:13:52: payload.items[1].sku: got "b", want "c"`,
		"gate/acme/tests.yaml:13:63: payload.more: got nothing, want 1",
		"gate/acme/tests.yaml:12:13: type: got application/json, want text/plain",
		`gate/acme/tests.yaml:14:21: reply.json.event: got "order.created", want nothing`,
		`gate/acme/tests.yaml:14:21: reply.json.execution_id: got "webhook-acme-0000000000000", want nothing`,
		`gate/acme/tests.yaml:14:21: reply.json.provider: got "acme", want nothing`,
		"gate/acme/tests.yaml:15:16: learned: got false, want true",
		"gate/acme/tests.yaml:16:18: confirmed: got nothing, want https://acme.example/confirm",
		"gate/acme/tests.yaml:20:23: verdict: got refused, want accepted",
		"gate/acme/tests.yaml:20:39: code: got invalid_signature, want stale_timestamp",
	})
	if report.Failed() != 2 {
		t.Errorf("%d cases failed, want 2", report.Failed())
	}
	if last := report.Results[1]; last.Diagnosis == "" || last.Verdict != "refused" || last.Status != 401 {
		t.Errorf("the refusal is told as %q, %d, %q", last.Verdict, last.Status, last.Diagnosis)
	}
}

func TestCasesArePickedByName(t *testing.T) {
	t.Parallel()
	const tests = `cases:
  - {name: the first, send: order.created, expect: {verdict: accepted}}
  - {name: the second, send: order.created, expect: {verdict: accepted}}
`
	bundle, _ := load(t, "gate/acme/provider.yaml", acme, "gate/acme/tests.yaml", "kind: test\n"+tests, "gate/shop/provider.yaml", acme,
		"gate/shop/tests.yaml", "kind: test\n"+tests, "gate/off/provider.yaml", acme, "gate/off/tests.yaml", "kind: test\nenabled: false\n"+tests)
	for _, row := range []struct {
		run  string
		want []string
	}{
		{"", []string{"acme/the first", "acme/the second", "shop/the first", "shop/the second"}},
		{"first$", []string{"acme/the first", "shop/the first"}},
		{"^acme/.*second", []string{"acme/the second"}},
		{"nothing", nil},
	} {
		o := trial.Options{Bundle: bundle}
		if row.run != "" {
			o.Run = regexp.MustCompile(row.run)
		}
		report, list := trial.Run(t.Context(), o)
		if list.Len() > 0 {
			t.Fatal(list.Sorted())
		}
		var got []string
		for _, r := range report.Results {
			got = append(got, r.Provider+"/"+r.Name)
		}
		same(t, got, row.want)
	}
}

func TestAnEndedContextRunsNothingMore(t *testing.T) {
	t.Parallel()
	bundle, _ := load(t, "gate/acme/provider.yaml", acme, "gate/acme/tests.yaml", "kind: test\ncases: [{name: a, send: order.created, expect: {status: 200}}]\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if report, _ := trial.Run(ctx, trial.Options{Bundle: bundle}); len(report.Results) != 0 {
		t.Errorf("%d cases were run", len(report.Results))
	}
}

func TestOperatorsSecretsAreNotNeeded(t *testing.T) {
	t.Parallel()
	const genuine = "cases: [{name: a, send: order.created, expect: {verdict: accepted}}, {name: b, send: order.created, change: {secret: wrong}, expect: {code: invalid_signature}}]\n"
	for name, keys := range map[string]string{
		"none":              "",
		"a variable":        "secret: <<env.NOT_SET>>\n",
		"several":           "secrets: [<<env.A>>, <<env.B>>]\n",
		"a token":           "secret: <<env.NOT_SET>>\npath_token: <<env.TOKEN>>\n",
		"another algorithm": "secret: <<env.NOT_SET>>\npublic_url: <<env.URL>>\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			passes(t, acme+keys, genuine)
		})
	}
}

func TestWhatATestSetsIsTaken(t *testing.T) {
	t.Parallel()
	provider := strings.Replace(acme, "{ts}.{body}", "{ts}.{url}.{var:id}.{body}", 1) + "vars: {id: null}\n"
	passes(t, provider, `with: {secrets: [one-secret, another-secret], vars: {id: "7"}, public_url: https://hooks.acme.example/in, path_token: 0123456789abcdef}
cases:
  - {name: a genuine request, send: order.created, expect: {verdict: accepted}}
  - {name: the token is wrong, request: {path: fedcba9876543210, json: {}}, expect: {verdict: refused, status: 404, code: provider_not_found}}
`)
	// Where nothing is set, what is needed is made up.
	passes(t, provider, "cases: [{name: a, send: order.created, expect: {verdict: accepted}}]\n")
}

func TestTheProviderUnderTest(t *testing.T) {
	t.Parallel()
	const one = "cases: [{name: a, send: order.created, expect: {verdict: accepted}}]\n"
	for _, row := range []struct {
		name  string
		files []string
		want  string // the finding, "" for none
	}{
		{"beside", []string{"gate/acme/provider.yaml", acme, "gate/acme/tests.yaml", "kind: test\n" + one}, ""},
		{"in the same file", []string{"gate/acme.yaml", acme + "---\nkind: test\n" + one}, ""},
		{"named", []string{"gate/acme.yaml", acme, "gate/shop.yaml", acme, "gate/more/tests.yaml", "kind: test\nprovider: shop\n" + one}, ""},
		{"several in a file", []string{"gate/acme.yaml", acme, "gate/tests.yaml", "kind: test\n" + one + "---\nkind: test\n" + one}, ""},
		{"two beside", []string{"gate/acme.yaml", acme, "gate/shop.yaml", acme, "gate/tests.yaml", "kind: test\n" + one}, "several providers stand beside this test"},
		{"none beside", []string{"gate/acme.yaml", acme, "gate/more/tests.yaml", "kind: test\n" + one}, "no provider and no pipeline stands beside this test"},
		{"misnamed", []string{"gate/acme.yaml", acme, "gate/tests.yaml", "kind: test\nprovider: acm\n" + one}, "there is no provider `acm`"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			bundle, list := load(t, row.files...)
			report, found := trial.Run(t.Context(), trial.Options{Bundle: bundle})
			list.Merge(found)
			if row.want == "" {
				if list.Len() > 0 || report.Failed() > 0 || len(report.Results) == 0 {
					t.Errorf("findings %v, failures %v", list.Sorted(), failures(report))
				}
				return
			}
			checkOne(t, list, row.want)
		})
	}
}

// checkOne wants one error that begins so.
func checkOne(t *testing.T, list *diag.List, want string) {
	t.Helper()
	if list.Len() != 1 || list.Count(diag.Error) != 1 || !strings.HasPrefix(list.Sorted()[0].Message, want) {
		t.Errorf("got %v, want one error %q", list.Sorted(), want)
	}
}
