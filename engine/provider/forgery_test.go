package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
)

// tokenText is the value of TOKEN in tests.
const tokenText = "0123456789abcdef"

// jwtOf makes a token of claims, signed with tokenText.
func jwtOf(claims string) string {
	e := base64.RawURLEncoding.EncodeToString
	in := e([]byte(`{"alg":"HS256"}`)) + "." + e([]byte(claims))
	m := hmac.New(sha256.New, []byte(tokenText))
	m.Write([]byte(in))
	return in + "." + e(m.Sum(nil))
}

// TestAnEmptyDocumentIsNotTheBody has a genuine token whose claim is empty beside a body that nobody signed.
func TestAnEmptyDocumentIsNotTheBody(t *testing.T) {
	t.Parallel()
	const jwt = "kind: provider\nname: p\nsignature: {algorithm: jwt-hs256, header: Authorization}\nsecret: <<env.TOKEN>>\nevent: {body: type}\ndelivery: body\n"
	const forged = `{"type":"FORGED"}`
	for _, test := range []struct{ yaml, body, kind, auth, want string }{
		{jwt + `body: {from: "{claim:data}"}`, forged, "application/json", jwtOf(`{"data":""}`), "422 schema_mismatch"},
		{jwt + `body: {from: "{claim:data?}"}`, forged, "application/json", jwtOf(`{"data":""}`), "400 invalid_json"},
		{jwt + `body: {from: "{claim:data?}"}`, forged, "application/json", jwtOf(`{}`), "400 invalid_json"},
		{jwt + `body: {from: "{claim:data?}", format: [form, text]}`, "type=FORGED", "application/x-www-form-urlencoded", jwtOf(`{}`), "accepted"},
		{jwt + `body: {from: "{claim:data ?? json:data?}"}`, forged, "application/json", jwtOf(`{}`), "400 invalid_json"},
		{jwt + `body: {from: "{json:data?}"}`, forged, "application/json", jwtOf(`{}`), "400 invalid_json"},
		{jwt + `body: {from: "{json:data?|unbase64}"}`, forged, "application/json", jwtOf(`{}`), "400 invalid_json"},
		{jwt + `body: {from: "{form:payload}"}`, "payload=&type=FORGED", "application/x-www-form-urlencoded", jwtOf(`{}`), "422 schema_mismatch"},
		{jwt + `body: {from: "{claim:data}{form:payload?}"}`, forged, "application/json", jwtOf(`{"data":" "}`), "400 invalid_json"},
	} {
		p := compile(t, "p.yaml", strings.Replace(test.yaml, "event: {body: type}", `event: "{form:type ?? json:type}"`, 1)+"\n")
		d := p.Receive(t.Context(), ask("POST", "", test.body, "Content-Type", test.kind, "Authorization", test.auth))
		got := d.Verdict.String()
		if d.Refusal != nil {
			got = fmt.Sprintf("%d %s", d.Refusal.Status, d.Refusal.Code)
		} else if b := string(d.Arrivals[0].Event.Body); b != "" {
			t.Errorf("%s: the event has the body %q", test.yaml, b)
		}
		if got != test.want {
			t.Errorf("%s: got %s %+v, want %s", test.yaml, got, d.Refusal, test.want)
		}
	}
}

// TestAFormMayLackTheFieldOfItsDocument is what some providers do: JSON in a field of a form, or as it is.
func TestAFormMayLackTheFieldOfItsDocument(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", signedHead+"body: {from: \"{form:payload?}\", format: [json, form]}\nevent: \"{json:type ?? form:type}\"\n")
	for body, want := range map[string]string{
		`{"type":"a"}`: "a", "payload=" + url.QueryEscape(`{"type":"b"}`): "b", "type=c&x=1": "c", "payload=&type=d": "d",
	} {
		kind := "application/x-www-form-urlencoded"
		if body[0] == '{' {
			kind = "application/json"
		}
		d := p.Receive(t.Context(), genuine(t, p, body, "Content-Type", kind))
		if d.Refusal != nil || d.Arrivals[0].Event.Name != want {
			t.Errorf("%s: got %s %+v, want the event %s", body, d.Verdict, d.Refusal, want)
		}
	}
}

// TestTheContentTypeDoesNotChangeWhatASignedTextSays sends one signed body again under other types, which nobody signs.
func TestTheContentTypeDoesNotChangeWhatASignedTextSays(t *testing.T) {
	t.Parallel()
	const event = "event: \"{json:type ?? xml:a.type ?? form:type}\"\nunknown_events: accept\n"
	const inside = `&type=FORGED&payload={"type":"FORGED"}&`
	boundary := "\r\n--b\r\nContent-Disposition: form-data; name=type\r\n\r\nFORGED\r\n--b--\r\n"
	kinds := []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/xml", "text/plain", ""}
	for _, test := range []struct{ body, text, want, stored string }{
		{"body: {format: [json, form]}\n", `{"x":"` + strings.ReplaceAll(inside, `"`, `\"`) + `","type":"a"}`, "a", "json"},
		{"body: {format: [form, json]}\n", ` {"x":"` + strings.ReplaceAll(inside, `"`, `\"`) + `","type":"a"}`, "a", "json"},
		{"body: {format: [form, text, json]}\n", "\n[1,\"" + strings.ReplaceAll(inside, `"`, `\"`) + `"]`, "", "json"},
		{"body: {format: [form, json], from: \"{form:payload?}\"}\n", `{"x":"` + strings.ReplaceAll(inside, `"`, `\"`) + `","type":"a"}`, "a", "json"},
		{"body: {format: [form, xml]}\n", `<a><x>&amp;type=FORGED&amp;</x><type>a</type></a>`, "a", "xml"},
		{"body: {format: [text, json]}\n", `{"type":"a"}`, "a", "json"},
		// A doubled name is refused however the body is said to be read.
		{"body: {format: [json, form]}\n", `{"type":"a","type":"FORGED"}`, "400", ""},
		{"body: {format: [json, form]}\n", `{"type":"a"}` + boundary, "400", ""},
	} {
		p := compile(t, "p.yaml", signedHead+test.body+event)
		for _, kind := range kinds {
			d := p.Receive(t.Context(), genuine(t, p, test.text, "Content-Type", kind))
			if d.Refusal != nil {
				// What is no multipart body is refused where it says that it is one.
				if test.want != "400" && !strings.HasPrefix(kind, "multipart/") {
					t.Errorf("%s %q as %q: refused: %+v", test.body, test.text, kind, d.Refusal)
				}
				continue
			}
			e := d.Arrivals[0].Event
			if test.want == "400" || e.Name != test.want || string(e.Body) != test.text {
				t.Errorf("%s %q as %q: got %s %q with %q, want %s", test.body, test.text, kind, d.Verdict, e.Name, e.Body, test.want)
			}
			if f := e.ContentType; test.stored == "xml" && f != "application/xml" || test.stored == "json" && (strings.Contains(f, "form") || strings.Contains(f, "xml")) {
				t.Errorf("%s %q as %q: it is stored as %q", test.body, test.text, kind, f)
			}
		}
	}
}

func TestATokenInTheQueryIsNotStored(t *testing.T) {
	t.Parallel()
	const head = "kind: provider\nname: p\nsecret: <<env.TOKEN>>\npublic_url: https://h.example.com/x\ndelivery: body\nunknown_events: accept\nvars: {key: <<env.OLD>>}\n"
	for _, test := range []struct{ signature, query, auth, want string }{
		{"{algorithm: token, from: \"query:code\"}", "a=1&code=" + tokenText + "&b=%20", "", "a=1&code=•••&b=%20"},
		{"{algorithm: token, from: \"query:code\"}", "c%6fde=" + tokenText + "&code", "", "refused"},
		{"{algorithm: token, from: \"query:code\"}", "c%6Fde=" + tokenText + "&codex=1", "", "c%6Fde=•••&codex=1"},
		{"{algorithm: token, from: [\"header:X-Token\", \"query:code\"]}", "code=" + tokenText, "", "code=•••"},
		{"{algorithm: token, from: query}", tokenText, "", "•••"},
		{"{algorithm: jwt-hs256, from: \"query:jwt\"}", "jwt=" + jwtOf(`{}`) + "&lang=en", "", "jwt=•••&lang=en"},
		{"{algorithm: token, header: X-Token}", "code=" + tokenText + "&x=1", tokenText, "code=" + tokenText + "&x=1"},
		{"{algorithm: token, header: X-Token, require: {\"{query:key}\": \"{var:key}\"}}", "key=" + "an+old+secret" + "&x=1", tokenText, "key=•••&x=1"},
		{"{algorithm: token, header: X-Token, require: {\"{secret}\": \"{query:key}\"}}", "key=" + tokenText, tokenText, "key=•••"},
		{"[{when: {query:key: \"{var:key}\", query:v: 2}, algorithm: token, header: X-Token}, {algorithm: token, header: X-Other}]", "v=2&key=" + "an+old+secret", tokenText, "v=2&key=•••"},
	} {
		p := compile(t, "p.yaml", head+"signature: "+test.signature+"\n")
		r := ask("POST", test.query, "{}", "X-Token", test.auth)
		if test.auth == "" {
			r.Header.Del("X-Token")
		}
		d := p.Receive(t.Context(), r)
		got := d.Verdict.String()
		if d.Refusal == nil {
			got = d.Arrivals[0].Event.Query
		}
		if got != test.want {
			t.Errorf("%s: %s: got %q %+v, want %q", test.signature, test.query, got, d.Refusal, test.want)
		}
	}
}

// TestWhatIsKnownToBeGenuine is what a rate limit goes by.
func TestWhatIsKnownToBeGenuine(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", signedHead+"challenge:\n  - {name: a, when: {json:type: ask}}\n  - {name: b, when: {json:type: ping}, auth: false}\n  - {name: c, when: {method: GET}}\n")
	for _, test := range []struct {
		name string
		r    *Request
		want bool
	}{
		{"a signed event", genuine(t, p, `{"type":"x"}`), true},
		{"a signed text that is no JSON", genuine(t, p, `{`), true},
		{"a forged event", ask("POST", "", `{"type":"x"}`, "X-Sig", strings.Repeat("0", 64)), false},
		{"an event without signature", ask("POST", "", `{"type":"x"}`), false},
		{"a signed handshake", genuine(t, p, `{"type":"ask"}`), true},
		{"a forged handshake", ask("POST", "", `{"type":"ask"}`), false},
		{"a handshake that need not be signed", ask("POST", "", `{"type":"ping"}`), false},
		{"a handshake by GET", ask("GET", "", ""), false},
		{"another method", ask("HEAD", "", ""), false},
	} {
		if d := p.Receive(t.Context(), test.r); d.Genuine != test.want {
			t.Errorf("%s: got %t (%s), want %t", test.name, d.Genuine, d.Verdict, test.want)
		}
	}
}

func TestADeliveryIDThatNobodySignsIsToldOf(t *testing.T) {
	t.Parallel()
	const said = "nothing signed tells a repeated request"
	const hmac = "signature: {algorithm: hmac-sha256, header: X-Sig"
	for _, test := range []struct {
		yaml string
		want bool
	}{
		{hmac + "}\ndelivery: {header: X-Id}\n", true},
		{hmac + "}\ndelivery: {body: id}\n", false},
		{hmac + "}\ndelivery: body\n", false},
		{hmac + "}\ndelivery: \"{query:id}\"\n", true},
		{hmac + "}\ndelivery: \"{json:id ?? header:X-Id}\"\n", true},
		{hmac + "}\ndelivery: \"{method}{json:id}\"\n", false},
		{hmac + "}\nlet: {id: \"{header:X-Id}\"}\ndelivery: \"{let:id}\"\n", true},
		{hmac + ", signed: \"{header:x-id}.{body}\"}\ndelivery: {header: X-Id}\n", false},
		{hmac + ", signed: \"{pathquery}{body}\"}\ndelivery: \"{query:id}\"\n", false},
		{hmac + ", signed: [\"{header:X-Id}{body}\", \"{body}\"]}\ndelivery: {header: X-Id}\n", true},
		{hmac + ", signed: \"{ts}.{body}\"}\ntimestamp: {header: X-Time}\ndelivery: {header: X-Id}\n", false},
		{hmac + "}\ntimestamp: {header: X-Time}\ndelivery: {header: X-Id}\n", true},
		{hmac + ", signed: \"{method}\\n{header:X-List|headerpairs}\\n{body}\"}\ndelivery: {header: X-Id}\n", false},
		{hmac + ", signed: \"{json:id}\"}\ndelivery: {body: id}\n", false},
		{hmac + ", signed: \"{json:other}\"}\ndelivery: {body: id}\n", true},
		{hmac + ", require: {\"{header:X-Id}\": \"{json:id}\"}}\ndelivery: {header: X-Id}\n", false},
		{hmac + ", require: {\"{header:X-Id}\": \"{header:X-Other}\"}}\ndelivery: {header: X-Id}\n", true},
		{hmac + ", signed: \"{form|sortedkv}\"}\nbody: {format: form}\ndelivery: body\n", true},
		{hmac + ", signed: \"{form|sortedkv}\"}\nbody: {format: form}\ndelivery: {body: id}\n", false},
		{hmac + ", signed: \"{form:events}\"}\nbody: {from: \"{form:events}\"}\neach: json\ndelivery: {body: id}\n", false},
		{hmac + ", signed: \"{form:id}\"}\nbody: {from: \"{form:events}\"}\ndelivery: {body: id}\n", true},
		{hmac + "}\nbody: {from: \"{json:data|unbase64}\"}\ndelivery: \"{outer:id}\"\n", false},
		{hmac + "}\ndelivery: {header: X-Id}\naccept_weak: nothing better is sent\n", false},
		{"signature: {algorithm: token, header: X-Sig}\ndelivery: {header: X-Id}\n", false}, // a token is weaker still, and is warned of
		{"signature: none\ndelivery: {header: X-Id}\n", false},
	} {
		secret := "secret: <<env.SECRET>>\n"
		if strings.Contains(test.yaml, "none") {
			secret = ""
		}
		p, out := load(t, Options{PublicURL: "https://h.example.com"}, "p.yaml", "kind: provider\nname: p\n"+secret+test.yaml)
		if p == nil {
			t.Fatalf("%s: %v", test.yaml, out.Sorted())
		}
		got := false
		for _, f := range out.Sorted() {
			if strings.HasPrefix(f.Message, said) {
				got = true
				if f.Severity != diag.Hint || f.Rule != diag.WeakSignature || !strings.HasPrefix(f.Span.String(), "p.yaml:") {
					t.Errorf("%s: got %v", test.yaml, f)
				}
			}
		}
		if got != test.want {
			t.Errorf("%s: told %t, want %t: %v", test.yaml, got, test.want, out.Sorted())
		}
	}
}
