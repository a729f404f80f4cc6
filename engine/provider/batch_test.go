package provider

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"net/url"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/event"
)

// arrivals tells what became of a request: its events as name/delivery/state/reason/body, or the refusal's status and code.
func arrivals(t testing.TB, p *Provider, r *Request) string {
	t.Helper()
	d := p.Receive(t.Context(), r)
	if d.Refusal != nil {
		return fmt.Sprintf("%d %s", d.Refusal.Status, d.Refusal.Code)
	}
	lines := []string{fmt.Sprintf("%s batch=%t events=%d", d.Verdict, d.Batch, d.Events)}
	for i, a := range d.Arrivals {
		e := a.Event
		if e.Index != i || e.BodySize != len(e.Body) || e.BodyCRC != crc32.Checksum(e.Body, crc32.MakeTable(crc32.Castagnoli)) || a.Route != (e.State == event.Accepted) {
			t.Errorf("event %d has index %d, size %d, crc %#x, route %t", i, e.Index, e.BodySize, e.BodyCRC, a.Route)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s %s", e.Name, e.Delivery, e.State, e.Reason, e.ContentType, e.Body))
	}
	return strings.Join(lines, "\n")
}

// genuine signs a body for a provider.
func genuine(t testing.TB, p *Provider, body string, headers ...string) *Request {
	t.Helper()
	r := ask("POST", "", body, append([]string{"Content-Type", "application/json"}, headers...)...)
	if err := p.SignRequest(r, -1); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestABatchBecomesAnEventForEachItem(t *testing.T) {
	t.Parallel()
	const head = "kind: provider\nname: p\nsignature: {algorithm: hmac-sha256, header: X-Sig}\nsecret: <<env.SECRET>>\n"
	const items = head + "each: json:events\nevent: {body: type}\ndelivery: {body: id}\nignore: [ping]\n"
	const whole = head + "each: json\nevent: \"{item:kind}[.{item:action}]\"\ndelivery: {header: X-Id}\n"
	tests := []struct {
		name, yaml, body string
		want             string
	}{
		{
			"several", items, `{"events": [ {"id":1, "type":"a"} ,{"type":"b","id":"x"}]}`,
			"accepted batch=true events=2\na 1 accepted  application/json {\"id\":1, \"type\":\"a\"}\nb x accepted  application/json {\"type\":\"b\",\"id\":\"x\"}",
		},
		{
			"one is ignored", items, `{"events":[{"id":1,"type":"ping"},{"id":2,"type":"b"}]}`,
			"accepted batch=true events=2\nping 1 ignored ignore_list application/json {\"id\":1,\"type\":\"ping\"}\nb 2 accepted  application/json {\"id\":2,\"type\":\"b\"}",
		},
		{"all are ignored", items, `{"events":[{"id":1,"type":"ping"}]}`, "ignored batch=true events=1\nping 1 ignored ignore_list application/json {\"id\":1,\"type\":\"ping\"}"},
		{"an object", items, `{"events":{"id":1,"type":"a"}}`, "accepted batch=true events=1\na 1 accepted  application/json {\"id\":1,\"type\":\"a\"}"},
		{"none", items, `{"events": [ ]}`, "ignored batch=true events=0\n  ignored empty_batch application/json {\"events\": [ ]}"},
		{"no list", items, `{"event":[]}`, "422 schema_mismatch"},
		{"a text for a list", items, `{"events":"a"}`, "422 schema_mismatch"},
		{"null for a list", items, `{"events":null}`, "ignored batch=true events=0\n  ignored empty_batch application/json {\"events\":null}"},
		{"items without id or name", items, `{"events":[1,[]]}`, "accepted batch=true events=2\n  accepted no_delivery_id application/json 1\n  accepted no_delivery_id application/json []"},
		{"a doubled name inside an item", items, `{"events":[{"id":1,"id":2}]}`, "400 invalid_json"},
		{
			"the document itself", whole, `[{"kind":"a"},{"kind":"b","action":"c"}]`,
			"accepted batch=true events=2\na d1#0 accepted  application/json {\"kind\":\"a\"}\nb.c d1#1 accepted  application/json {\"kind\":\"b\",\"action\":\"c\"}",
		},
		{"the document itself, an object", whole, `{"kind":"a"}`, "accepted batch=true events=1\na d1#0 accepted  application/json {\"kind\":\"a\"}"},
		{"the document itself, empty", whole, ` []`, "ignored batch=true events=0\n d1 ignored empty_batch application/json  []"},
	}
	for _, test := range tests {
		p := compile(t, "p.yaml", test.yaml)
		if got := arrivals(t, p, genuine(t, p, test.body, "X-Id", "d1")); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

func TestABatchHasAtMostFiveThousandEvents(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", signedHead+"each: json\n")
	full := "[" + strings.Repeat("{},", maxItems-1) + "{}]"
	if d := p.Receive(t.Context(), genuine(t, p, full)); d.Verdict != Accepted || d.Events != maxItems {
		t.Errorf("a full batch: got %s %+v", d.Verdict, d.Refusal)
	}
	if got := arrivals(t, p, genuine(t, p, "[{},"+full[1:])); got != "413 body_too_large" {
		t.Errorf("one more: got %.80s", got)
	}
}

// TestEachItemIsVerifiedWhereTheSignatureNamesIt is a provider that signs fields of each item and writes the signature beside them.
func TestEachItemIsVerifiedWhereTheSignatureNamesIt(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", `kind: provider
name: p
signature: {algorithm: hmac-sha256, from: item:data.sig, encoding: base64, signed: "{item:ref}:{item:code}"}
secret: <<env.SECRET>>
each: json:items
event: {body: code}
delivery: "{item:ref}"
events:
  - name: PAID
    example: {ref: R1, code: PAID, data: {sig: ""}}
  - name: LOST
`)
	body, kind, err := p.Example("PAID")
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Sign(Message{Event: "PAID", Body: body, ContentType: kind, Now: now, Rule: -1})
	if err != nil {
		t.Fatal(err)
	}
	r := func(body string) *Request { return ask("POST", "", body, "Content-Type", "application/json") }
	got := arrivals(t, p, r(string(s.Body)))
	if !strings.HasPrefix(got, "accepted batch=true events=1\nPAID ") || !strings.HasPrefix(string(s.Body), `{"items":[{"`) {
		t.Fatalf("%s: got %s", s.Body, got)
	}
	two, err := p.Sign(Message{Body: []byte(`{"items":[{"ref":"1","code":"PAID","data":{"sig":""}},{"ref":"2","code":"LOST","data":{"sig":""}}]}`), Now: now, Delivery: "z", Rule: -1})
	if err != nil {
		t.Fatal(err)
	}
	got = arrivals(t, p, r(string(two.Body)))
	if !strings.Contains(got, "\nPAID z accepted") || !strings.Contains(got, "\nLOST z.1 accepted") {
		t.Errorf("two items: got %s", got)
	}
	for name, body := range map[string]string{
		"one item changed":     strings.Replace(string(two.Body), `"LOST"`, `"PAID"`, 1),
		"one item not signed":  `{"items":[` + string(s.Body[len(`{"items":[`):len(s.Body)-2]) + `,{"ref":"1","code":"PAID"}]}`,
		"nothing to be signed": `{"items":[]}`,
	} {
		d := p.Receive(t.Context(), r(body))
		if d.Verdict != Refused || d.Refusal.Status != 401 {
			t.Errorf("%s: got %s %+v", name, d.Verdict, d.Refusal)
		}
	}
	if got := arrivals(t, p, r(`{"items":`)); got != "400 invalid_json" {
		t.Errorf("a broken body: got %s", got)
	}
}

func TestTheDocumentIsTakenOutOfTheBody(t *testing.T) {
	t.Parallel()
	const push = `{"type":"push","id":7}`
	encoded := base64.StdEncoding.EncodeToString([]byte(push))
	form := "payload=" + url.QueryEscape(push)
	const forms = signedHead + "body: {from: \"{form:payload?}\", format: [json, form]}\nevent: \"{json:type ?? form:command}\"\n"
	const wrapped = "kind: provider\nname: p\nsignature: {algorithm: hmac-sha256, header: X-Sig}\nsecret: <<env.SECRET>>\n" +
		"body: {from: \"{json:message.data|unbase64}\"}\nevent: {body: type}\ndelivery: \"{outer:message.messageId}\"\n"
	urlencoded := []string{"Content-Type", "application/x-www-form-urlencoded"}
	tests := []struct {
		name, yaml, body string
		headers          []string
		want             string
	}{
		{"JSON in a form", forms, form, urlencoded, "push HASH accepted  application/json " + push},
		{"JSON as it is", forms, push, nil, "push HASH accepted  application/json " + push},
		{"a plain form", forms, "command=%2Fdeploy&text=a", urlencoded, "/deploy HASH accepted  application/x-www-form-urlencoded command=%2Fdeploy&text=a"},
		{"no JSON in a form", forms, "payload=%7B", urlencoded, "400 invalid_json"},
		{"base64 in JSON", wrapped, `{"message":{"data":"` + encoded + `","messageId":"m1"}}`, nil, "push m1 accepted  application/json " + push},
		{"nothing in JSON", wrapped, `{"message":{"messageId":"m1"}}`, nil, "422 schema_mismatch"},
		{"no base64", wrapped, `{"message":{"data":"%","messageId":"m1"}}`, nil, "422 schema_mismatch"},
		{"an id that stands there twice", wrapped, `{"message":{"data":"` + encoded + `","messageId":"m1","messageId":"m2"}}`, nil, "400 invalid_json"},
		{"XML", signedHead + "body: {format: xml}\nevent: {body: order.kind}\n", "<order><kind>paid</kind></order>", []string{"Content-Type", "text/xml"}, "paid HASH accepted  text/xml <order><kind>paid</kind></order>"},
		{"no XML", signedHead + "body: {format: xml}\n", "<order>", nil, "400 invalid_xml"},
		{"XML that calls itself JSON", signedHead + "body: {format: xml}\n", "<a/>", nil, " HASH accepted  application/xml <a/>"},
		{"a form or JSON, a form", signedHead + "body: {format: [form, json]}\nevent: {body: x}\n", "x=1", urlencoded, "1 HASH accepted  application/x-www-form-urlencoded x=1"},
		{"a form or JSON, JSON", signedHead + "body: {format: [form, json]}\nevent: {body: x}\n", `{"x":2}`, nil, "2 HASH accepted  application/json {\"x\":2}"},
		{"a form or JSON, neither", signedHead + "body: {format: [json, form]}\nevent: {body: x}\n", `{"x":2}`, []string{"Content-Type", "text/plain"}, "2 HASH accepted  text/plain {\"x\":2}"},
	}
	for _, test := range tests {
		p := compile(t, "p.yaml", test.yaml)
		headers := test.headers
		if headers == nil {
			headers = []string{"Content-Type", "application/json"}
		}
		r := ask("POST", "", test.body, headers...)
		if err := p.SignRequest(r, -1); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		got := strings.TrimPrefix(arrivals(t, p, r), "accepted batch=false events=1\n")
		if i := strings.IndexByte(got, ' '); strings.Contains(test.want, "HASH") && len(got) > i+65 {
			got = got[:i] + " HASH" + got[i+65:]
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestWhatSignWrapsIsTakenApartAgain(t *testing.T) {
	t.Parallel()
	const head = "kind: provider\nname: p\nsignature: {algorithm: hmac-sha256, header: X-Sig, signed: \"{ts}.{body}\"}\ntimestamp: {header: X-At}\nsecret: <<env.SECRET>>\n"
	tests := []struct {
		name, yaml, document, wantBody string
		delivery                       string
	}{
		{"a form field", "body: {from: \"{form:payload}\"}\nevent: {body: type}\ndelivery: {body: id}\n", `{"type":"a","id":"1"}`, `payload=%7B%22type%22%3A%22a%22%2C%22id%22%3A%22d9%22%7D`, "d9"},
		{"base64 in JSON", "body: {from: \"{json:message.data|unbase64}\"}\nevent: {body: type}\ndelivery: \"{outer:message.id}\"\n", `{"type":"a"}`, `{"message":{"data":"eyJ0eXBlIjoiYSJ9","id":"d9"}}`, "d9"},
		{"base64 that is there already", "body: {from: \"{json:data|unbase64}\"}\nevent: {body: type}\ndelivery: \"{outer:id}\"\n", `{"data":"eyJ0eXBlIjoiYSJ9","id":"1","x":2}`, `{"data":"eyJ0eXBlIjoiYSJ9","id":"d9","x":2}`, "d9"},
		{"an item", "each: json:entry[0].changes\nevent: {body: type}\ndelivery: {body: id}\n", `{"type":"a","id":"1"}`, `{"entry":[{"changes":[{"type":"a","id":"d9"}]}]}`, "d9"},
		{"an item with a number for an id", "each: json\nevent: {body: type}\ndelivery: {body: id}\n", `{"type":"a","id":1}`, `[{"type":"a","id":42}]`, "42"},
		{"items in a form", "body: {from: \"{form:events}\"}\neach: json\nevent: {body: type}\ndelivery: {header: X-Id}\n", `{"type":"a"}`, `events=%5B%7B%22type%22%3A%22a%22%7D%5D`, "d9"},
		{"an id in the query", "event: {body: type}\ndelivery: \"{query:id}\"\n", `{"type":"a"}`, `{"type":"a"}`, "d9"},
		{"an id in a form", "body: {format: form}\nevent: {body: type}\ndelivery: {body: id}\n", `type=a&id=1`, `type=a&id=d9`, "d9"},
	}
	for _, test := range tests {
		p := compile(t, "p.yaml", head+test.yaml)
		s, err := p.Sign(Message{Event: "a", Body: []byte(test.document), Delivery: test.delivery, Now: now, Rule: -1})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if string(s.Body) != test.wantBody {
			t.Errorf("%s: got the body %s, want %s", test.name, s.Body, test.wantBody)
		}
		r := &Request{}
		r.Method, r.Query, r.Header, r.Body, r.Now = s.Method, s.Query, s.Header, s.Body, now
		d := p.Receive(t.Context(), r)
		if d.Verdict != Accepted || d.Arrivals[0].Event.Name != "a" || strings.TrimSuffix(d.Arrivals[0].Event.Delivery, "#0") != test.delivery {
			t.Errorf("%s: got %s %+v", test.name, d.Verdict, d.Refusal)
			continue
		}
		again, err := p.Sign(Message{Event: "a", Body: []byte(test.document), Now: now, Rule: -1})
		if err != nil || test.delivery == "d9" && string(again.Body)+again.Query+again.Header.Get("X-Id") == string(s.Body)+s.Query+s.Header.Get("X-Id") {
			t.Errorf("%s: without an id got %s %v, want a new one", test.name, again.Body, err)
		}
	}
	p := compile(t, "p.yaml", head+"body: {from: \"{header:X-Doc|unbase64}\"}\ndelivery: body\n")
	if _, err := p.Sign(Message{Body: []byte("{}"), Now: now}); err == nil {
		t.Error("a document that stands in a header was put there")
	}
}

func TestBadDocumentsAreFindingsWithTheirPlace(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, yaml, want string }{
		{"a format that is none", "body: {format: yaml}", "p.yaml:6:16: error[bad-value]: `body.format` cannot be `yaml`"},
		{"a format twice", "body: {format: [json, json]}", "`body.format` has `json` twice"},
		{"a constant from", "body: {from: payload}", "\"payload\" names nothing of the request"},
		{"a secret in from", "body: {from: \"{secret}\"}", "`secret` cannot stand here"},
		{"each of XML", "body: {format: xml}\neach: json", "only JSON has lists of events"},
		{"each of nothing", "each: events", "p.yaml:6:7: error[bad-value]: `each` cannot be `events`; write json:PATH"},
		{"each of a bad path", "each: json:a..b", "`each`: path \"a..b\""},
		{"item without each", "event: \"{item:type}\"", "`item` is named, but nothing splits a request into items"},
		{"an example that is no batch", "each: json:events\nevents: [{name: a, example: {events: []}}]", "the example of \"a\" holds no event"},
		{"an item of another event", "each: json:events\nevent: {body: type}\nevents: [{name: a, example: {type: b}}]", "the example of \"a\" is named \"b\" by {item:type}"},
		{"a variable that is not set", "vars: {id: null}", "p.yaml:6:8: error[missing-key]: provider \"p\" needs `vars.id`"},
		{"a variable that is unknown", "event: \"{header:X}[{json:x}]\"\nlet: {a: \"{var:b}\"}", "{var:b} is named, but `vars` has no `b`"},
		{"a variable in a name", "vars: {b: c}\nevent: \"{header:X}{var:b}\"", "`var` cannot stand in the names of events"},
		{"variables that are no map", "vars: [a]", "`vars` takes a map of texts, not a list"},
		{"a variable that is a list", "vars: {a: [b]}", "`vars.a` takes a text, not a list"},
		{"an empty variable", "vars: {a: \"\"}", "`vars.a` is empty"},
		{"a name that no template can write", "vars: {\"a b\": c}", "error[bad-name]: `a b` cannot stand in `vars`"},
		{"a let that names a let", "let: {a: \"{body}\", b: \"{let:a}\"}", "`let` cannot stand in `let`"},
		{"a short token", "path_token: <<env.SECRET>>", "holds a character that would have to be escaped"},
		{"a bad rate", "rate_limit: {rate: fast}", "p.yaml:6:20: error[bad-value]: `rate_limit.rate` cannot be `fast`; write a rate such as 100/s"},
		{"no rate", "rate_limit: {burst: 5}", "the key `rate` is missing"},
		{"a rate of nothing", "rate_limit: {rate: 0/s}", "a rate is between 1 and"},
		{"a policy that is none", "schema_policy: warn", "`schema_policy` cannot be `warn`"},
		{"a refusal that says something of the request", "reject: {body: \"{json:x}\"}", "a refusal is the same for every request"},
		{"a refusal by an unknown code", "reject: {on: {no_signature: {status: 400}}}", "unknown key `no_signature` in `reject.on`"},
	}
	for _, test := range tests {
		p, out := load(t, Options{}, "p.yaml", signedHead+test.yaml+"\n")
		if p != nil || !strings.Contains(listed(out), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, out.Sorted(), test.want)
		}
	}
}

func TestTheDocumentMayStandInAToken(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", `kind: provider
name: p
signature: {algorithm: jwt-hs256, header: X-Token}
secret: <<env.SECRET>>
body: {from: "{claim:data}"}
event: "{claim:kind}.{json:type}"
delivery: {body: id}
events:
  - name: shop.order
`)
	r := &Request{}
	r.Method, r.Header, r.Now = "POST", map[string][]string{}, now
	r.Claims = []byte(`{"kind":"shop","data":"{\"type\":\"order\",\"id\":\"o1\"}"}`)
	if err := p.scheme.Sign(&r.Request); err != nil {
		t.Fatal(err)
	}
	token := r.Header.Get("X-Token")
	want := "accepted batch=false events=1\nshop.order o1 accepted  application/json {\"type\":\"order\",\"id\":\"o1\"}"
	if got := arrivals(t, p, ask("POST", "", "", "X-Token", token)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := arrivals(t, p, ask("POST", "", "", "X-Token", token[:len(token)-4]+"AAAA")); got != "401 invalid_signature" {
		t.Errorf("a changed token: got %s", got)
	}
	r.Claims = []byte(`{"kind":"shop"}`)
	if err := p.scheme.Sign(&r.Request); err != nil {
		t.Fatal(err)
	}
	if got := arrivals(t, p, ask("POST", "", "", "X-Token", r.Header.Get("X-Token"))); got != "422 schema_mismatch" {
		t.Errorf("a token without a document: got %s", got)
	}
	s, err := p.Sign(Message{Body: []byte(`{"type":"order","id":"o1"}`), Now: now, Rule: -1})
	if err != nil {
		t.Fatal(err)
	}
	if d := p.Receive(t.Context(), ask("POST", "", string(s.Body), "X-Token", s.Header.Get("X-Token"))); d.Refusal != nil {
		t.Errorf("what Sign made is refused: %+v", d.Refusal)
	}
}
