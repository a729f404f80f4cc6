package provider

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/event"
)

func TestWhatARequestIsRefusedFor(t *testing.T) {
	t.Parallel()
	p := compile(t, "acme.yaml", acme)
	text := compile(t, "acme.yaml", strings.Replace(acme, "integer", "string", 1)+"body: {format: form}\n")
	tests := []struct {
		name   string
		p      *Provider
		change func(r *Request)
		status int
		code   string
	}{
		{"no signature", p, func(r *Request) { r.Header.Del("X-Acme-Signature") }, 401, "missing_signature"},
		{"another body", p, func(r *Request) { r.Body = []byte(`{"id":2}`) }, 401, "invalid_signature"},
		{"another body that is no JSON", p, func(r *Request) { r.Body = []byte(`{`) }, 401, "invalid_signature"},
		{"no JSON", p, func(r *Request) { *r = *call(t, p, Message{Event: "order.created", Body: []byte(`{"id":1`)}) }, 400, "invalid_json"},
		{"an empty body", p, func(r *Request) { *r = *call(t, p, Message{Event: "order.created"}) }, 400, "invalid_json"},
		{"a doubled name", p, func(r *Request) { *r = *call(t, p, Message{Event: "order.created", Body: []byte(`{"id":1,"id":2}`)}) }, 400, "invalid_json"},
		{"a form for JSON", p, func(r *Request) {
			*r = *call(t, p, Message{Event: "order.created", Body: []byte(`payload=%7B%7D`), ContentType: "application/x-www-form-urlencoded"})
		}, 415, "unsupported_media_type"},
		{"a multipart body", p, func(r *Request) {
			*r = *call(t, p, Message{Event: "order.created", Body: []byte(`{"id":1}`), ContentType: "multipart/form-data; boundary=x"})
		}, 415, "unsupported_media_type"},
		{"JSON for a form", text, func(r *Request) {
			*r = *call(t, text, Message{Event: "order.created", Body: []byte(`{"id":1}`), ContentType: "application/json"})
		}, 415, "unsupported_media_type"},
	}
	for _, test := range tests {
		r := call(t, p, Message{Event: "order.created", Body: []byte(`{"id":1}`)})
		test.change(r)
		d := test.p.Receive(t.Context(), r)
		if d.Refusal == nil {
			t.Errorf("%s: was %s, want %d %s", test.name, d.Verdict, test.status, test.code)
			continue
		}
		if d.Verdict != Refused || d.Refusal.Status != test.status || d.Refusal.Code != test.code || len(d.Arrivals) != 0 {
			t.Errorf("%s: got %s %d %s, want %d %s", test.name, d.Verdict, d.Refusal.Status, d.Refusal.Code, test.status, test.code)
		}
		if d.Refusal.Message == "" || strings.Contains(d.Refusal.Message, "Acme") || !strings.HasSuffix(d.Refusal.Message, ".") {
			t.Errorf("%s: the sender is told %q", test.name, d.Refusal.Message)
		}
	}
}

func TestJSONIsReadWhateverTheContentTypeSays(t *testing.T) {
	t.Parallel()
	p := compile(t, "acme.yaml", acme)
	for sent, stored := range map[string]string{
		"text/plain": "text/plain", "application/x-www-form-urlencoded": "application/json", "": "application/json",
		"application/vnd.acme+json": "application/vnd.acme+json",
	} {
		r := call(t, p, Message{Event: "order.created", Body: []byte(`{"id":1}`), ContentType: "x/y"})
		r.Header.Set("Content-Type", sent)
		d := p.Receive(t.Context(), r)
		if d.Verdict != Accepted || d.Arrivals[0].Event.ContentType != stored {
			t.Errorf("%q: got %s %+v, want it accepted as %s", sent, d.Verdict, d.Refusal, stored)
		}
	}
}

func TestWhatBecomesOfAnEventByItsName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		unknown, name string
		verdict       Verdict
		reason        string
	}{
		{"", "order.created", Accepted, ""},
		{"", "ping", Ignored, "ignore_list"},
		{"", "order.paid", Ignored, "unknown_event"},
		{"", "", Ignored, "no_event_name"},
		{"", strings.Repeat("x", 201), Ignored, "no_event_name"},
		{"", "a\x7fb", Ignored, "no_event_name"},
		{"accept", "order.paid", Accepted, ""},
		{"accept", "", Accepted, ""},
		{"accept", "ping", Ignored, "ignore_list"},
		{"reject", "order.paid", Refused, ""},
		{"reject", "", Refused, ""},
		{"reject", "ping", Ignored, "ignore_list"},
		{"reject", "order.created", Accepted, ""},
	}
	for _, test := range tests {
		yaml := acme
		if test.unknown != "" {
			yaml += "unknown_events: " + test.unknown + "\n"
		}
		p := compile(t, "acme.yaml", yaml)
		r := call(t, p, Message{Event: "order.created", Body: []byte(`{"id":1}`)})
		r.Header["X-Acme-Event"] = []string{test.name}
		d := p.Receive(t.Context(), r)
		if d.Verdict != test.verdict {
			t.Errorf("unknown %q, event %q: got %s, want %s", test.unknown, test.name, d.Verdict, test.verdict)
			continue
		}
		if test.verdict == Refused {
			if d.Refusal.Status != 422 || d.Refusal.Code != "unknown_event" {
				t.Errorf("unknown %q, event %q: got %d %s", test.unknown, test.name, d.Refusal.Status, d.Refusal.Code)
			}
			continue
		}
		a := d.Arrivals[0]
		if a.Event.Reason != test.reason || a.Route != (test.verdict == Accepted) || (a.Event.State == event.Ignored) != (test.verdict == Ignored) {
			t.Errorf("unknown %q, event %q: got state %s reason %q route %t, want reason %q", test.unknown, test.name, a.Event.State, a.Event.Reason, a.Route, test.reason)
		}
	}
}

func TestAProviderWithoutAListAcceptsEveryName(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", "kind: provider\nname: p\nsignature: {algorithm: hmac-sha256, header: X}\nsecret: <<env.SECRET>>\nevent: {body: type}\ndelivery: body\n")
	for body, name := range map[string]string{`{"type":"a.b"}`: "a.b", `{}`: "", `{"type":7}`: "7", `{"type":{}}`: ""} {
		d := p.Receive(t.Context(), call(t, p, Message{Body: []byte(body)}))
		if d.Verdict != Accepted || d.Arrivals[0].Event.Name != name {
			t.Errorf("%s: got %s, want it accepted as %q", body, d.Verdict, name)
		}
	}
	if !p.AcceptsUnknown() || len(p.Events()) != 0 {
		t.Errorf("accepts unknown %t, events %v", p.AcceptsUnknown(), p.Events())
	}
}

func TestDeliveryIdsAreFoundWhereTheManifestSays(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("d", 300)
	tests := []struct{ delivery, body, header, want string }{
		{"{header: X-Id}", `{}`, "h1", "h1"},
		{"{header: X-Id}", `{}`, "", ""},
		{"{header: X-Id}", `{}`, long, "sha256:12fe39ddd0a70ee5bf1bc7d2a66bb4a3bf2b5ecc47ff7fd9c24f9bf0a0fb8ee6"},
		{"{body: event.id}", `{"event":{"id":12}}`, "", "12"},
		{"{body: event.id}", `{"event":{"id":null}}`, "", ""},
		{"body", `{}`, "", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
		{`"{header:X-Id ?? json:id}"`, `{"id":"j"}`, "", "j"},
		{`{from: "{header:X-Id ?? json:id}"}`, `{"id":"j"}`, "h", "h"},
	}
	for _, test := range tests {
		p := compile(t, "p.yaml", "kind: provider\nname: p\nsignature: {algorithm: hmac-sha256, header: X}\nsecret: <<env.SECRET>>\ndelivery: "+test.delivery+"\n")
		r := call(t, p, Message{Body: []byte(test.body)})
		r.Header.Del("X-Id")
		r.Body = []byte(test.body)
		if test.header != "" {
			r.Header.Set("X-Id", test.header)
		}
		if err := p.scheme.Sign(&r.Request); err != nil {
			t.Fatal(err)
		}
		d := p.Receive(t.Context(), r)
		if d.Verdict != Accepted {
			t.Errorf("%s %s: got %+v", test.delivery, test.body, d.Refusal)
			continue
		}
		e := d.Arrivals[0].Event
		if test.header == long {
			if len(e.Delivery) != len(test.want) || !strings.HasPrefix(e.Delivery, "sha256:") {
				t.Errorf("a long id became %q", e.Delivery)
			}
			continue
		}
		if e.Delivery != test.want || (e.Reason == "no_delivery_id") != (test.want == "") {
			t.Errorf("%s %s: got %q reason %q, want %q", test.delivery, test.body, e.Delivery, e.Reason, test.want)
		}
	}
}

func TestAnswersThatTheProviderWantsItself(t *testing.T) {
	t.Parallel()
	p := compile(t, "acme.yaml", acme+"ack: {status: 202, body: \"[accepted]\"}\nreject: 498\n")
	d := p.Receive(t.Context(), call(t, p, Message{Event: "order.created", Body: []byte(`{"id":1}`)}))
	if d.Ack == nil || d.Ack.Status != 202 || string(d.Ack.Body) != "[accepted]" || d.Ack.Type != "text/plain; charset=utf-8" {
		t.Errorf("ack is %+v", d.Ack)
	}
	r := call(t, p, Message{Event: "order.created", Body: []byte(`{"id":1}`)})
	r.Body = []byte(`{}`)
	d = p.Receive(t.Context(), r)
	if d.Refusal == nil || d.Refusal.Reply == nil || d.Refusal.Reply.Status != 498 || len(d.Refusal.Reply.Body) != 0 {
		t.Errorf("refusal is %+v", d.Refusal)
	}
	p = compile(t, "acme.yaml", acme+"reject: {status: 400, type: application/json, body: '{\"error\":\"no\"}'}\n")
	r.Header.Del("X-Acme-Signature")
	d = p.Receive(t.Context(), r)
	if d.Refusal == nil || d.Refusal.Reply == nil || d.Refusal.Reply.Status != 400 || d.Refusal.Reply.Type != "application/json" {
		t.Errorf("refusal is %+v", d.Refusal)
	}
}

func TestBothLiveSecretsAreTried(t *testing.T) {
	t.Parallel()
	old := compile(t, "acme.yaml", strings.Replace(acme, "<<env.SECRET>>", "<<env.OLD>>", 1))
	p := compile(t, "acme.yaml", strings.Replace(acme, "secret: <<env.SECRET>>", "secrets: [<<env.SECRET>>, <<env.OLD>>]", 1))
	d := p.Receive(t.Context(), call(t, old, Message{Event: "order.created", Body: []byte(`{"id":1}`)}))
	if d.Verdict != Accepted || d.Arrivals[0].Event.Verification.Secret != 1 {
		t.Errorf("got %s %+v, want it accepted with secret 1", d.Verdict, d.Refusal)
	}
}
