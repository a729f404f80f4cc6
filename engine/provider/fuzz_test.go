package provider

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/payload"
)

// FuzzBatch takes bodies apart: what is accepted are whole JSON values, in order, all of them pieces of the body.
func FuzzBatch(f *testing.F) {
	p := compile(f, "p.yaml", "kind: provider\nname: p\nsignature: none\npath_token: <<env.TOKEN>>\neach: json:a.events\nevent: \"{item:type}[.{json:kind}]\"\ndelivery: \"{json:id}\"\n")
	q := compile(f, "p.yaml", "kind: provider\nname: p\nsignature: none\npath_token: <<env.TOKEN>>\nbody: {from: \"{form:payload?}\", format: [json, form]}\nevent: \"{json:type ?? form:type}\"\ndelivery: body\n")
	for _, body := range []string{
		`{"a":{"events":[{"type":"a"},{"type":"b"}]},"id":"x","kind":1}`, `{"a":{"events":[]}}`, `{"a":{"events":{"type":"c"}}}`, `[]`, `{"a":`, "payload=%7B%22type%22%3A1%7D", "type=a&b=c",
	} {
		f.Add([]byte(body), "application/json")
		f.Add([]byte(body), "application/x-www-form-urlencoded")
	}
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		for _, p := range []*Provider{p, q} {
			r := ask("POST", "", string(body), "Content-Type", kind)
			d := p.Receive(t.Context(), r)
			if d.Verdict == Refused {
				if d.Refusal == nil || d.Refusal.Code == "" || d.Refusal.Detail == "" || len(d.Arrivals) > 0 {
					t.Fatalf("a refusal that says nothing: %+v", d)
				}
				continue
			}
			if len(d.Arrivals) == 0 || d.Events > 0 && d.Events != len(d.Arrivals) {
				t.Fatalf("%d events in %d arrivals", d.Events, len(d.Arrivals))
			}
			at := 0
			for i, a := range d.Arrivals {
				e := a.Event
				if e.Index != i || e.BodySize != len(e.Body) || !utf8.ValidString(e.Name) || len(e.Delivery) > maxDeliveryBytes+8 {
					t.Fatalf("event %d is %+v", i, e)
				}
				if e.ContentType == "application/json" && payload.Check(e.Body, payload.Limits{}) != nil {
					t.Fatalf("event %d is no JSON: %q", i, e.Body)
				}
				if d.Batch && e.State != event.Ignored {
					next := bytes.Index(body[at:], e.Body)
					if next < 0 {
						t.Fatalf("event %d is no piece of the body: %q", i, e.Body)
					}
					at += next + len(e.Body)
				}
			}
		}
	})
}

// FuzzReply answers handshakes with what a stranger sent: an answer is never more than one JSON value, and no header more than a line.
func FuzzReply(f *testing.F) {
	p := compile(f, "p.yaml", signedHead+`challenge:
  - when: {method: GET}
    reply: {headers: {X-Echo: "{query:a}"}, json: {a: "{query:a}", b: ["{header:X-B?}{query:c?}", "x{query:a|urldecode}"]}}
`)
	for _, query := range []string{"a=b", "a=%22%0a", "a=%ff%00", "a=b&c=%5C%22", "a=%e2%80%a8", "a=" + strings.Repeat("x", 5000)} {
		f.Add(query, `"`)
	}
	f.Fuzz(func(t *testing.T, query, header string) {
		r := ask("GET", query, "")
		r.Header["X-B"] = []string{header}
		d := p.Receive(t.Context(), r)
		if d.Verdict != Answered {
			if d.Refusal == nil || d.Refusal.Status/100 != 4 {
				t.Fatalf("got %s %+v", d.Verdict, d.Refusal)
			}
			return
		}
		out := d.Handshake.Reply
		v, err := payload.Decode(out.Body)
		if err != nil || len(out.Body) > 4*maxReplyBytes {
			t.Fatalf("the answer is %q: %v", out.Body, err)
		}
		object, ok := v.(map[string]any)
		if list, isList := object["b"].([]any); !ok || len(object) != 2 || !isList || len(list) != 2 {
			t.Fatalf("the answer has another shape: %q", out.Body)
		}
		for _, h := range out.Header {
			if strings.ContainsAny(h.Value, "\r\n\x00") || http.CanonicalHeaderKey(h.Name) != h.Name {
				t.Fatalf("a header is %q", h)
			}
		}
	})
}
