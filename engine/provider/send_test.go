package provider

import (
	"errors"
	"strings"
	"testing"
)

func TestWhatSignMakesIsAccepted(t *testing.T) {
	t.Parallel()
	const head = "kind: provider\nname: p\nsecret: <<env.SECRET>>\n"
	const plain = "signature: {algorithm: hmac-sha256, header: X-Sig}\n"
	const list = "signature: {algorithm: hmac-sha256, header: X-Sig, split: \",\", prefix: \"v1=\", signed: \"{ts}.{body}\"}\ntimestamp: {from: \"sig:t=\"}\n"
	const ids = "signature: {algorithm: hmac-sha256, header: X-Sig, split: \" \", prefix: \"v1,\", encoding: base64, signed: \"{header:X-Id}.{ts}.{body}\"}\ntimestamp: {header: X-At}\n"
	tests := []struct{ name, yaml, event, body, wantDelivery string }{
		{"event in a header", head + plain + "event: {header: X-Event}\ndelivery: {header: X-Id}\n", "push", `{}`, ""},
		{"event in header and body", head + plain + "event: \"{header:X-Event}[.{json:action}]\"\ndelivery: {header: X-Id}\n", "pull_request.opened", `{"action":"opened"}`, ""},
		{"event with dots in a header", head + plain + "event: \"{header:X-Event}[.{json:action}]\"\ndelivery: {header: X-Id}\n", "a.b", `{}`, ""},
		{"event and id in the body", head + list + "event: {body: type}\ndelivery: {body: id}\n", "invoice.paid", `{"id":"evt_1","type":"invoice.paid","data":{"id":"evt_1"}}`, ""},
		{"id signed", head + ids + "event: {body: type}\ndelivery: {header: X-Id}\n", "a", `{"type":"a"}`, ""},
		{"hash of the body", head + plain + "delivery: body\n", "", `{}`, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
	}
	for _, test := range tests {
		p := compile(t, "p.yaml", test.yaml)
		seen := map[string]bool{}
		for range 3 {
			r := call(t, p, Message{Event: test.event, Body: []byte(test.body)})
			d := p.Receive(t.Context(), r)
			if d.Verdict != Accepted {
				t.Fatalf("%s: got %+v, headers %v body %s", test.name, d.Refusal, r.Header, r.Body)
			}
			e := d.Arrivals[0].Event
			if e.Name != test.event || e.Delivery == "" || test.wantDelivery != "" && e.Delivery != test.wantDelivery {
				t.Errorf("%s: event %q delivery %q, want event %q", test.name, e.Name, e.Delivery, test.event)
			}
			seen[e.Delivery] = true
		}
		if want := test.wantDelivery == ""; (len(seen) == 3) != want {
			t.Errorf("%s: three requests had %d delivery ids", test.name, len(seen))
		}
		if test.wantDelivery == "" {
			d := p.Receive(t.Context(), call(t, p, Message{Event: test.event, Body: []byte(test.body), Delivery: "mine"}))
			if d.Verdict != Accepted || d.Arrivals[0].Event.Delivery != "mine" {
				t.Errorf("%s: with a given delivery id got %s %+v", test.name, d.Verdict, d.Refusal)
			}
		}
	}
}

func TestSignSaysWhatItCannotMake(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", "kind: provider\nname: p\nsecret: <<env.SECRET>>\nsignature: {algorithm: hmac-sha256, header: X-Sig}\nevent: {body: type}\ndelivery: body\n")
	if _, err := p.Sign(Message{Event: "a", Body: []byte(`{"type":"b"}`)}); err == nil || !strings.Contains(err.Error(), `the name "a"`) {
		t.Errorf("a name that the body does not carry: got %v", err)
	}
	if _, err := p.Sign(Message{Body: []byte(`{}`), Delivery: "mine"}); err == nil {
		t.Error("a delivery id in place of a hash was taken")
	}
}

func TestExamples(t *testing.T) {
	t.Parallel()
	p := compile(t, "acme.yaml", acme)
	body, kind, err := p.Example("order.created")
	if err != nil || string(body) != `{"id":1}` || kind != "application/json" {
		t.Errorf("got %s %s %v", body, kind, err)
	}
	for _, name := range []string{"order.closed", "nothing"} {
		if _, _, err := p.Example(name); !errors.Is(err, ErrNoExample) {
			t.Errorf("%s: got %v, want ErrNoExample", name, err)
		}
	}
	p = compile(t, "p.yaml", "kind: provider\nname: p\nsignature: none\nevent: {body: type}\ndelivery: body\nbody: {format: form}\nevents:\n  - name: a b\n    example: {type: a b, n: 1}\n")
	body, kind, err = p.Example("a b")
	if err != nil || string(body) != "type=a+b&n=1" || kind != "application/x-www-form-urlencoded" {
		t.Errorf("got %s %s %v", body, kind, err)
	}
	if d := p.Receive(t.Context(), call(t, p, Message{Event: "a b", Body: body})); d.Verdict != Accepted || d.Arrivals[0].Event.Name != "a b" {
		t.Errorf("the form was %s %+v", d.Verdict, d.Refusal)
	}
}
