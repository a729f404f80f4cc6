package signature

import (
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// TestSignIsTheInverseOfVerify holds what Sign makes against the independent signers.
func TestSignIsTheInverseOfVerify(t *testing.T) {
	t.Parallel()
	for _, f := range forms() {
		k := f.keys(newRand())
		if strings.Contains(k.secret, "BEGIN") {
			continue // a public key; see TestPrivateKeysSign
		}
		s := scheme(t, f.yaml, k.secret)
		r := request(`{"a":1}`, "X-Id", "msg_1")
		r.URL = mutationURL
		if err := s.Sign(r); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		if got := class(s, r); got != "ok" {
			t.Errorf("%s: what Sign made got %s, want ok", f.name, got)
		}
		if strings.HasPrefix(f.name, "jwt") || f.loose {
			continue // the claims and what stands beside a token are free
		}
		want := f.sign(k, r.Body, now, "msg_1")
		for name := range want {
			if r.Header.Get(name) != want.Get(name) {
				t.Errorf("%s: header %s: got %q, want %q", f.name, name, r.Header.Get(name), want.Get(name))
			}
		}
	}
}

func TestPrivateKeysSign(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"ed25519", "ecdsa-sha256", "rsa-sha256", "rsa-sha1", "jwt-rs256", "jwt-es256"} {
		yaml := "signature: {algorithm: " + algorithm + ", header: X-Sig}"
		k := madeKeys().of(algorithm)
		private, public := scheme(t, yaml, privatePEM(k)), scheme(t, yaml, publicPEM(k))
		r := request(`{"a":1}`)
		if err := private.Sign(r); err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		for name, s := range map[string]*Scheme{"private": private, "public": public} {
			if got := detail(t, s, r); got != "ok" {
				t.Errorf("%s, the %s key: got %s, want ok", algorithm, name, got)
			}
		}
		before := r.Header.Get("X-Sig")
		if err := public.Sign(r); !errors.Is(err, ErrCannotSign) || r.Header.Get("X-Sig") != before {
			t.Errorf("%s: signing with a public key: got %v, want ErrCannotSign and nothing changed", algorithm, err)
		}
	}
}

func TestSignPutsEverythingWhereTheManifestReadsIt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, yaml string
		body       string
		headers    []string
		form       bool
		query      string
		// want are pieces of what is made: "METHOD ?query headers body".
		want []string
	}{
		{
			name: "a parameter of the URL", yaml: `signature: {algorithm: hmac-sha256, from: "query:signature"}`, body: "{}", query: "a=b&signature=old&c=d",
			want: []string{"?a=b&signature=" + hex.EncodeToString(macOf(sha256New, "secret", "{}")) + "&c=d"},
		},
		{
			name: "a JSON body that has the places", yaml: "signature: {algorithm: hmac-sha256, from: \"json:signature.signature\", signed: \"{ts}{json:signature.token}\"}\ntimestamp: {from: \"json:signature.timestamp\"}",
			body: `{"signature": {"timestamp": "1", "token": "tok", "signature": "x"}, "b": 2}`,
			want: []string{`{"signature": {"timestamp": "1772600767", "token": "tok", "signature": "` + hex.EncodeToString(macOf(sha256New, "secret", "1772600767tok")) + `"}, "b": 2}`},
		},
		{
			name: "a JSON body that lacks the places", yaml: "signature: {algorithm: hmac-sha1, from: \"json:signature.value\", signed: \"{ts}{json:id}\"}\ntimestamp: {from: \"json:signature.at\"}",
			body: "{\"id\": 7}\n", want: []string{`{"id": 7,"signature":{"at":1772600767,"value":"`, "\"}}\n"},
		},
		{
			name: "a timestamp as a number of the body", yaml: "signature: {algorithm: hmac-sha256, header: X-Sig}\ntimestamp: {from: \"json:at\", unit: ms}",
			body: `{"at": 5}`, want: []string{`{"at": 1772600767000}`},
		},
		{
			name: "a form", yaml: `signature: {algorithm: hmac-sha256, from: "form:sig", signed: "{form:a}"}`, body: "a=1&sig=old&b=%20", form: true,
			want: []string{"a=1&b=%20&sig=" + hex.EncodeToString(macOf(sha256New, "secret", "1"))},
		},
		{
			name: "a claim for what is required", yaml: `signature: {algorithm: jwt-hs256, header: Authorization, prefix: "Bearer ", require: {"{claim:iss}": me, "{claim:app.id}": "{var:app}", "{claim:sha256}": "{body|sha256|hex}", "{claim:sum|unbase64}": "{body|sha256}"}}` + "\nvars: {app: a1}",
			body: "{}", want: []string{"Authorization=Bearer "},
		},
		{
			name: "headers and parameters for what is required", yaml: "signature: {algorithm: hmac-sha256, header: X-Sig, require: {\"{header:X-Key}\": \"{var:key}\", \"{query:hash|lower}\": \"{body|sha256|hex}\"}}\nvars: {key: k1}",
			body: "{}", want: []string{"X-Key=k1", "?hash=" + hex.EncodeToString(sumOf(sha256New, []byte("{}")))},
		},
		{
			name: "a nonce for what is signed and missing", yaml: "signature: {algorithm: hmac-sha256, header: X-Sig, signed: \"{body}.{header:X-Nonce}.{query:n}.{ts}\"}\ntimestamp: {header: X-At}",
			body: "{}", want: []string{"X-Nonce=", "?n="},
		},
		{
			name: "a nonce beside the signature", yaml: "signature: {algorithm: hmac-sha256, header: X-Sig, split: \",\", prefix: \"s=\", signed: \"{ts}{sig:n=}{body}\"}\ntimestamp: {from: \"sig:t=\"}",
			body: "{}", want: []string{"X-Sig=t=1772600767,n="},
		},
		{
			name: "the list of signed headers", yaml: `signature: {algorithm: hmac-sha256, header: X-Sig, signed: "{method}\n{pathquery}\n{header:X-Signed-Headers|headerpairs}\n{body}"}`,
			body: "{}", headers: []string{"X-A", "1"}, want: []string{"X-Signed-Headers=x-a"},
		},
		{
			name: "the first of several headers", yaml: `signature: {algorithm: hmac-sha256, header: X-Docusign-Signature-*}`, body: "{}", want: []string{"X-Docusign-Signature-1="},
		},
		{
			name: "the method that a rule wants", yaml: `signature: [{when: {method: PUT, query:v: "2"}, algorithm: hmac-sha256, header: X-Sig}]`, body: "{}", want: []string{"PUT ?v=2"},
		},
		{
			name: "a form signed with its URL", yaml: twilioScheme, body: "b=2&a=1", form: true, want: []string{"POST ? ", "X-Twilio-Signature="},
		},
		{
			name: "a body signed by its hash in the URL", yaml: twilioScheme, body: `{"a":1}`, want: []string{"?bodySHA256=" + hex.EncodeToString(sumOf(sha256New, []byte(`{"a":1}`)))},
		},
		{
			name: "the first text of several that the request has", yaml: `signature: {algorithm: hmac-sha256, header: X-Sig, signed: ["{form:payload}", "{json:only}", "{body}"]}`, body: "{}",
			want: []string{"X-Sig=" + hex.EncodeToString(macOf(sha256New, "secret", "{}"))},
		},
		{
			name: "the header of several places", yaml: `signature: {algorithm: hmac-sha256, from: ["query:sig", "header:X-Sig"]}`, body: "{}", want: []string{"POST ? ", "X-Sig="},
		},
		{
			name: "what functions make of what is required", body: "{}", want: []string{"?a=me%252Fyou", "X-Hex=6d65", "X-Base=bWU="},
			yaml: `signature: {algorithm: hmac-sha256, header: X-Sig, require: {"{query:a|urldecode}": "me/you", "{header:X-Hex}": "{header:X-Me|hex}", "me": "{header:X-Me}", "{header:X-Base|unbase64}": "me"}}`,
		},
		{
			name: "Basic auth", yaml: `signature: {algorithm: token, header: Authorization, prefix: "Basic ", encoding: base64}`, body: "{}", want: []string{"Authorization=Basic c2VjcmV0"},
		},
		{
			name: "what stands after the last sign", yaml: `signature: {algorithm: hmac-sha512, header: X-Sig, strip_to: "="}`, body: "{}", want: []string{"X-Sig=sha512="},
		},
	}
	for _, test := range tests {
		s := scheme(t, test.yaml, "secret")
		r := request(test.body, test.headers...)
		r.Form, r.Query, r.PathQuery = test.form, test.query, "/webhooks/acme"
		r.URL, r.Endpoint = "https://hooks.example.com/webhooks/acme", "https://hooks.example.com/webhooks/acme"
		if test.query != "" {
			r.PathQuery += "?" + test.query
			r.URL += "?" + test.query
		}
		header := r.Header
		if err := s.Sign(r); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := detail(t, s, r); got != "ok" {
			t.Errorf("%s: got %s, want ok", test.name, got)
		}
		if len(header) != len(test.headers)/2 {
			t.Errorf("%s: the caller's header map was changed", test.name)
		}
		var made strings.Builder
		made.WriteString(r.Method + " ?" + r.Query + " ")
		for name := range r.Header {
			made.WriteString(name + "=" + r.Header.Get(name) + " ")
		}
		made.Write(r.Body)
		for _, want := range test.want {
			if !strings.Contains(made.String(), want) {
				t.Errorf("%s: got %s, want %q in it", test.name, made.String(), want)
			}
		}
		if _, query, _ := strings.Cut(r.PathQuery, "?"); query != r.Query || r.URL != "https://hooks.example.com"+r.PathQuery {
			t.Errorf("%s: the query %q does not stand in the path and query %s or the URL %s", test.name, r.Query, r.PathQuery, r.URL)
		}
	}
}

func TestSignWritesIntoItemsAndDocuments(t *testing.T) {
	t.Parallel()
	s := scheme(t, adyenScheme, "00ff")
	r := request("")
	r.Item = []byte(`{"NotificationRequestItem":{"pspReference":"p","merchantAccountCode":"m","merchantReference":"r","amount":{"value":1,"currency":"EUR"},"eventCode":"E","success":"true"}}`)
	if !s.PerItem() {
		t.Error("the scheme names parts of items, and PerItem says no")
	}
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	if got := class(s, r); got != "ok" || !strings.Contains(string(r.Item), `"additionalData":{"hmacSignature":"`) {
		t.Errorf("got %s for %s, want it accepted with its signature", got, r.Item)
	}
	s = scheme(t, "signature: {algorithm: hmac-sha256, from: \"json:event.event_hash\", signed: \"{ts}{json:event.event_type}\"}\ntimestamp: {from: \"json:event.event_time\"}", "key")
	r = request("json=…")
	r.Document = []byte(`{"event":{"event_type":"sent","event_time":"1"}}`)
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	want := `{"event":{"event_type":"sent","event_time":"1772600767","event_hash":"` + hex.EncodeToString(macOf(sha256New, "key", "1772600767sent")) + `"}}`
	if string(r.Document) != want || string(r.Body) != "json=…" {
		t.Errorf("got the document %s, body %s, want %s", r.Document, r.Body, want)
	}
}

func TestWhatCannotBeSignedIsAnError(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, yaml, want string }{
		{"a body that signs itself", `signature: {algorithm: hmac-sha256, from: "json:sig"}`, "the result is refused (no signature matches)"},
		{"a part that nobody can guess", `signature: {algorithm: hmac-sha256, header: X, signed: "{json:secret_part}"}`, "json:secret_part is missing"},
		{"a timestamp in the middle of a list", "signature: {algorithm: hmac-sha256, header: X, split: \",\", signed: \"{ts}\"}\ntimestamp: {from: \"sig:1\"}", "writing the timestamp as item 1 of the list"},
		{"a requirement that cannot be met", `signature: {algorithm: hmac-sha256, header: X, require: {"{body|sha256|hex}": "00"}}`, "the result is refused (the signature holds, but `require` does not"},
		{"a rule for other bodies", `signature: [{when: {json:type: other}, algorithm: hmac-sha256, header: X}]`, "the request is not one where json:type is \"other\""},
		{"a list item", `signature: {algorithm: hmac-sha256, from: "json:list[0]", signed: "{method}"}`, "writing it to json:list[0]"},
	} {
		r := request(`{"type":"mine","list":[]}`)
		err := scheme(t, test.yaml, "secret").Sign(r)
		if err == nil || !errors.Is(err, ErrCannotSign) && !strings.Contains(err.Error(), "is missing") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
		if len(r.Header) != 0 || string(r.Body) != `{"type":"mine","list":[]}` {
			t.Errorf("%s: the request was changed: %v %s", test.name, r.Header, r.Body)
		}
	}
	if err := scheme(t, githubScheme, "secret").SignRule(request("{}"), 1); !errors.Is(err, ErrCannotSign) {
		t.Errorf("a rule that is not there: got %v, want ErrCannotSign", err)
	}
	err := scheme(t, versionedScheme, "secret").SignRule(request("{}", "X-Version", "v3"), 1)
	if !errors.Is(err, ErrCannotSign) || !strings.Contains(err.Error(), "the result is refused") {
		t.Errorf("a rule behind one that applies: got %v, want ErrCannotSign", err)
	}
	same := `signature: [{when: {header:X-A: "*"}, algorithm: hmac-sha256, header: X-Sig}, {algorithm: hmac-sha256, header: X-Sig}]`
	if err := scheme(t, same, "secret").SignRule(request("{}", "X-A", "1"), 1); !errors.Is(err, ErrCannotSign) || !strings.Contains(err.Error(), "signature[0] hmac-sha256 applies to the result") {
		t.Errorf("a rule behind one that takes the same: got %v, want ErrCannotSign", err)
	}
	none := request("{}")
	if err := scheme(t, `signature: {algorithm: none}`).Sign(none); err != nil || len(none.Header) != 0 {
		t.Errorf("an unsigned provider: got %v and %v, want nothing", err, none.Header)
	}
}

func TestTheStrongestRuleSigns(t *testing.T) {
	t.Parallel()
	const (
		signedTime = `algorithm: hmac-sha256, header: X-Sig, signed: "{ts}{body}"`
		bodyAlone  = `algorithm: hmac-sha256, header: X-Sig`
		bareToken  = `algorithm: token, header: X-Token`
		at         = "\ntimestamp: {from: \"header:X-At?\"}"
	)
	for _, test := range []struct {
		name, yaml string
		headers    []string
		want       int
	}{
		{"a timestamp before none", `signature: [{when: {header:X-At: "*"}, ` + signedTime + `}, {` + bodyAlone + `}]` + at, nil, 0},
		{"a signature before a token", `signature: [{when: {header:X-Token: "*"}, ` + bareToken + `}, {` + signedTime + `}]` + at, nil, 1},
		{"what the request says of itself", `signature: [{when: {header:X-Token: "*"}, ` + bareToken + `}, {` + signedTime + `}]` + at, []string{"X-Token", "x"}, 0},
		{"the one that applies, among equals", `signature: [{when: {header:X-V: "1"}, ` + bodyAlone + `}, {` + bodyAlone + `}]`, nil, 1},
	} {
		s := scheme(t, test.yaml, "secret")
		r := request("{}", test.headers...)
		if err := s.Sign(r); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if m, refusal := s.Verify(t.Context(), r); refusal != nil || m.Index != test.want {
			t.Errorf("%s: got %+v %+v, want rule %d", test.name, m, refusal, test.want)
		}
	}
}

func TestARuleThatIsAskedForMakesItsBody(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature:
  - {when: {json:SignatureVersion: "1"}, algorithm: hmac-sha1, from: "json:Signature", signed: "{json:Message}"}
  - {when: {json:SignatureVersion: ["2", "3"]}, algorithm: hmac-sha256, from: "json:Signature", signed: "{json:Message}"}`, "secret")
	for rule, version := range []string{"1", "2"} {
		r := request(`{"Message":"m","SignatureVersion":"x"}`)
		if err := s.Sign(r); !errors.Is(err, ErrCannotSign) {
			t.Errorf("without asking for a rule: got %v, want ErrCannotSign", err)
		}
		if err := s.SignRule(r, rule); err != nil {
			t.Fatal(err)
		}
		if m, refusal := s.Verify(t.Context(), r); refusal != nil || m.Index != rule || !strings.Contains(string(r.Body), `"SignatureVersion":"`+version+`"`) {
			t.Errorf("rule %d: got %+v %+v for %s", rule, m, refusal, r.Body)
		}
	}
}

func TestSignNeedsNoHeaders(t *testing.T) {
	t.Parallel()
	r := &Request{Method: http.MethodPost, Body: []byte("{}"), Now: now}
	if err := scheme(t, githubScheme, "secret").Sign(r); err != nil || r.Header.Get("X-Hub-Signature-256") == "" {
		t.Errorf("got %v and %v", err, r.Header)
	}
}

func TestMembersAreSetByteForByte(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ doc, path, want string }{
		{`{}`, "a", `{"a":1}`},
		{``, "a.b", `{"a":{"b":1}}`},
		{` { "x" : 2 } `, "a", ` { "x" : 2,"a":1 } `},
		{`{"a": [ {"b": 5} ]}`, "a.0.b", `{"a": [ {"b": 1} ]}`},
		{`{"a": [ {"b": 5} ]}`, "a[0].c", `{"a": [ {"b": 5,"c":1} ]}`},
		{`{"a":{}}`, `a["x.y"]`, `{"a":{"x.y":1}}`},
		{`{"a":{}}`, `["x\"y"].z`, `{"a":{},"x\"y":{"z":1}}`},
		{`{"a":"text"}`, "a.b", ""},
		{`[]`, "a", ""},
		{`{"a":[]}`, "a[0]", ""},
		{`not json`, "a", ""},
	} {
		got, ok := setJSON([]byte(test.doc), test.path, []byte("1"))
		if string(got) != test.want || ok != (test.want != "") {
			t.Errorf("%s at %s: got %s %t, want %s", test.doc, test.path, got, ok, test.want)
		}
	}
}
