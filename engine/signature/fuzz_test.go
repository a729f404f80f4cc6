package signature

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// FuzzSignatureHeader feeds signature headers to rules of every form. Nothing is ever accepted that the secret did not sign.
func FuzzSignatureHeader(f *testing.F) {
	for _, seed := range []string{
		"", "sha256=", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", "t=1492774577,v1=5257a869,v0=6ffbb59b",
		"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,x", ",,,", "t=,v1=", "t=1,t=2,v1=00", strings.Repeat("v1=,", 100), "v1=\xff\xfe", "v1==\r\n=",
	} {
		f.Add(seed, "1772600767", `{"a":1}`)
	}
	var schemes []*Scheme
	for _, yaml := range []string{
		githubScheme, stripeScheme, slackScheme, standardScheme, shopifyScheme, paddleScheme, circleScheme,
		`signature: {algorithm: hmac-sha512, header: X-Sig, strip_to: "=", encoding: [hex, base64, base64url]}`,
		"signature: {algorithm: hmac-sha1, header: X-Sig, split: \",\", signed: \"{sig:0}{sig:t=?}{ts}{body}\"}\ntimestamp: {from: \"sig:1\", unit: ms}",
	} {
		schemes = append(schemes, scheme(f, yaml, "whsec_bm9ib2R5IGd1ZXNzZXMgdGhpcyBzZWNyZXQ="))
	}
	f.Fuzz(func(t *testing.T, header, ts, body string) {
		for _, s := range schemes {
			r := request(body)
			r.Header = http.Header{"Webhook-Id": {"msg_1"}}
			for _, h := range s.rules[0].from {
				r.Header[h.header] = []string{header, header}
			}
			if name := s.TimestampHeader(); name != "" {
				r.Header.Set(name, ts)
			}
			if m, refusal := s.Verify(r); refusal == nil {
				t.Errorf("%+v accepted %q, timestamp %q, body %q", m, header, ts, body)
			} else if refusal.Class == "" || refusal.Detail == "" {
				t.Errorf("a refusal without class or detail for %q", header)
			}
		}
	})
}

// FuzzTemplate parses any text and renders what it makes. A text either has findings inside its own bounds or is a template that
// gives the same bytes twice.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"{body}", "v0:{ts}:{body}", "{header:svix-id}.{ts}.{body}", "{header:X-GitHub-Event}[.{json:action}]", "{form:command? ?? json:event.type ?? json:type}",
		"{header:X ?? body|sha256|hex}", `\{x\} \[ \\`, `{json:["a}b"].c}`, "[[{body}]]", "{", "{a", "[", "{body|", "{body??}", "{sig:t=}{sig:3}", "é{bdy}", "{query:a|urldecode|unbase64}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, place := range []Place{Signed, Identity, Part} {
			var out diag.List
			n := source.NewString(text, source.Span{File: source.NewFile("p.yaml", []byte(text))})
			tmpl := Parse(n, place, &out)
			if (tmpl == nil) != out.HasErrors() {
				t.Fatalf("%q: template %v with findings %v", text, tmpl, out.Sorted())
			}
			if tmpl == nil {
				continue
			}
			r := request(`{"type":"x","action":"y"}`, "X", "1", "X-Event", "push")
			r.Query = "a=b%20c"
			first, err := tmpl.Text(r)
			second, again := tmpl.Text(r)
			if first != second || (err == nil) != (again == nil) {
				t.Errorf("%q: got %q %v and then %q %v", text, first, err, second, again)
			}
			if len(first) > 16*(len(text)+len(r.Body)+1024) {
				t.Errorf("%q: made %d bytes", text, len(first))
			}
		}
	})
}
