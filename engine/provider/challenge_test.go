package provider

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/signature"
)

// signedHead is a provider that signs its body, to which tests add.
const signedHead = "kind: provider\nname: p\nsignature: {algorithm: hmac-sha256, header: X-Sig}\nsecret: <<env.SECRET>>\ndelivery: body\n"

// ask makes a request that is not signed.
func ask(method, query, body string, headers ...string) *Request {
	r := &Request{ID: "req1"}
	r.Method, r.Query, r.Body, r.Now, r.Header = method, query, []byte(body), now, http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// shaken gives the answer to a handshake as text, or the refusal's status and code.
func shaken(t testing.TB, p *Provider, r *Request) string {
	t.Helper()
	d := p.Receive(t.Context(), r)
	switch {
	case d.Verdict == Answered && d.Refusal == nil && len(d.Arrivals) == 0:
		out := d.Handshake.Name + " " + http.StatusText(d.Handshake.Reply.Status) + " " + d.Handshake.Reply.Type
		for _, h := range d.Handshake.Reply.Header {
			out += " " + h.Name + "=" + h.Value
		}
		return out + " " + string(d.Handshake.Reply.Body)
	case d.Refusal != nil:
		return d.Refusal.Code
	}
	return d.Verdict.String()
}

func TestHandshakesAreAnswered(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", signedHead+`vars: {verify_token: "let-me-in"}
challenge:
  - name: subscribe
    when: {method: GET, query:hub.mode: subscribe, query:hub.verify_token: "{var:verify_token}"}
    reply: {body: "{query:hub.challenge}"}
  - name: head
    when: {method: HEAD}
  - name: origin
    when: {method: OPTIONS, header:WebHook-Request-Origin: "*"}
    reply: {headers: {WebHook-Allowed-Origin: "{header:WebHook-Request-Origin}", WebHook-Allowed-Rate: "120"}}
  - name: validation
    when: {query:validationToken: "*"}
    auth: false
    reply: {type: text/plain, body: "{query:validationToken}"}
  - when: {json:type: url_verification}
    reply: {json: {challenge: "{json:challenge}", list: [1, true, null, "x \" {json:type}"], "": {}}}
  - name: no-auth
    when: {json:type: open}
    auth: false
    reply: {status: 202, body: "[accepted]"}
`)
	sign := func(r *Request) *Request {
		if err := p.SignRequest(r, -1); err != nil {
			t.Fatal(err)
		}
		return r
	}
	tests := []struct {
		name string
		r    *Request
		want string
	}{
		{"a GET", ask("GET", "hub.mode=subscribe&hub.verify_token=let-me-in&hub.challenge=a%20b", ""), "subscribe OK text/plain; charset=utf-8 a b"},
		{"a wrong token", ask("GET", "hub.mode=subscribe&hub.verify_token=no&hub.challenge=1", ""), "handshake_refused"},
		{"a GET without its challenge", ask("GET", "hub.mode=subscribe&hub.verify_token=let-me-in", ""), "schema_mismatch"},
		{"a HEAD", ask("HEAD", "", ""), "head OK  "},
		{"an OPTIONS", ask("OPTIONS", "", "", "WebHook-Request-Origin", "eventgrid.azure.net"), "origin OK  Webhook-Allowed-Origin=eventgrid.azure.net Webhook-Allowed-Rate=120 "},
		{"a header of two lines", ask("OPTIONS", "", "", "WebHook-Request-Origin", "a\nb"), "schema_mismatch"},
		{"a PUT", ask("PUT", "", ""), "method_not_allowed"},
		{"a query on POST without a signature and without a body", ask("POST", "validationToken=a+b%3C", ""), "validation OK text/plain a b<"},
		{"a POST that is not signed", ask("POST", "", `{"type":"url_verification","challenge":"c"}`), "missing_signature"},
		{"a GET in the place of a POST", ask("GET", "", `{"type":"url_verification","challenge":"c"}`), "handshake_refused"},
		{
			"a signed POST", sign(ask("POST", "", `{"type":"url_verification","challenge":"a\"\u2028b"}`)),
			`4 OK application/json {"challenge":"a\"\u2028b","list":[1,true,null,"x \" url_verification"],"":{}}`,
		},
		{"a signed POST that lacks its part", sign(ask("POST", "", `{"type":"url_verification"}`)), "schema_mismatch"},
		{"an open POST", ask("POST", "", `{"type":"open"}`), "no-auth Accepted text/plain; charset=utf-8 [accepted]"},
		{"no handshake", sign(ask("POST", "", `{"type":"other"}`)), "accepted"},
		{"no handshake, not signed", ask("POST", "", `{"type":"other"}`), "missing_signature"},
	}
	for _, test := range tests {
		if got := shaken(t, p, test.r); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	if got := strings.Join(p.Methods(), " "); got != "POST GET HEAD OPTIONS" {
		t.Errorf("methods %s", got)
	}
	if got := strings.Join(p.Handshakes(), " "); got != "subscribe head origin validation 4 no-auth" {
		t.Errorf("handshakes %s", got)
	}
	if p.LacksSignature(http.Header{}) {
		t.Error("a request without a signature is refused before its body is read, although a handshake may stand in it")
	}
}

func TestAuthIsForPOSTUnlessTheManifestSaysOtherwise(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ auth, method, want string }{
		{"", "POST", "missing_signature"}, {"", "GET", "0 OK  "}, {"auth: true", "GET", "missing_signature"}, {"auth: false", "POST", "0 OK  "},
	} {
		p := compile(t, "p.yaml", signedHead+"challenge: {when: {method: ["+test.method+"], query:x: \"*\"}, "+test.auth+"}\n")
		if got := shaken(t, p, ask(test.method, "x=1", "")); got != test.want {
			t.Errorf("%s with %q: got %s, want %s", test.method, test.auth, got, test.want)
		}
	}
}

func TestAFailedHandshakeIsRefusedAsTheProviderWantsIt(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", signedHead+"challenge: {when: {json:type: 1}}\nreject: 498\n")
	d := p.Receive(t.Context(), ask("POST", "", `{"type":1}`, "X-Sig", strings.Repeat("0", 64)))
	if d.Verdict != Refused || d.Refusal.Code != "invalid_signature" || d.Refusal.Reply == nil || d.Refusal.Reply.Status != 498 {
		t.Errorf("got %s %+v", d.Verdict, d.Refusal)
	}
}

// kept is a signature.Learned that a test fills.
type kept struct {
	version uint64
	secrets []secret.Value
}

func (k *kept) Version() uint64         { return k.version }
func (k *kept) Secrets() []secret.Value { return k.secrets }

func TestASecretThatAHandshakeBringsIsBelievedOnceItIsLearnt(t *testing.T) {
	t.Parallel()
	const yaml = `kind: provider
name: hooks
signature: {algorithm: hmac-sha256, header: X-Hook-Signature}
path_token: <<env.TOKEN>>
delivery: body
each: json:events
event: "{item:action}"
challenge:
  - when: {header:X-Hook-Secret: "*"}
    auth: false
    reply: {status: 204, headers: {X-Hook-Secret: "{header:X-Hook-Secret}"}}
    store: "{header:X-Hook-Secret}"
    example: {headers: {X-Hook-Secret: b537207f20cbfa02357cf448134da559}}
`
	learned := &kept{}
	o := Options{Learned: func(name string) signature.Learned {
		if name != "hooks" {
			t.Errorf("asked for the secrets of %s", name)
		}
		return learned
	}}
	p, out := load(t, o, "p.yaml", yaml)
	if p == nil {
		t.Fatal(out.Sorted())
	}
	s, err := p.SignHandshake("0", now)
	if err != nil {
		t.Fatal(err)
	}
	if s.Path != "/webhooks/hooks/0123456789abcdef" || s.Method != "POST" {
		t.Errorf("the handshake goes to %s %s", s.Method, s.Path)
	}
	r := &Request{}
	r.Method, r.Header, r.Body = s.Method, s.Header, s.Body
	d := p.Receive(t.Context(), r)
	if d.Verdict != Answered || d.Handshake.Store.Reveal() != "b537207f20cbfa02357cf448134da559" || d.Handshake.Reply.Status != 204 {
		t.Fatalf("got %s %+v %+v", d.Verdict, d.Refusal, d.Handshake)
	}
	body := []byte(`{"events":[{"action":"added"}]}`)
	learned.version, learned.secrets = 1, []secret.Value{d.Handshake.Store}
	genuine, err := p.Sign(Message{Body: body, Now: now, Rule: -1})
	if err != nil {
		t.Fatal(err)
	}
	r = ask("POST", "", string(genuine.Body))
	r.Header = genuine.Header
	if d := p.Receive(t.Context(), r); d.Verdict != Accepted || d.Arrivals[0].Event.Name != "added" {
		t.Errorf("with the learnt secret: got %s %+v", d.Verdict, d.Refusal)
	} else if v := d.Arrivals[0].Event.Verification; !v.Learned || v.Secret != 0 {
		t.Errorf("with the learnt secret: the event says %+v, want one that was learnt", v)
	}
	learned.version, learned.secrets = 2, nil
	if d := p.Receive(t.Context(), r); d.Verdict != Refused || d.Refusal.Code != "invalid_signature" {
		t.Errorf("with nothing learnt: got %s %+v", d.Verdict, d.Refusal)
	}
	for name, value := range map[string]string{"empty": "", "too long": strings.Repeat("x", maxStoredBytes+1)} {
		r := ask("POST", "", "{}", "X-Hook-Secret", value)
		if d := p.Receive(t.Context(), r); d.Verdict != Refused {
			t.Errorf("a secret that is %s was %s", name, d.Verdict)
		}
	}
	if p, out := load(t, o, "p.yaml", strings.Replace(yaml, "path_token: <<env.TOKEN>>\n", "", 1)); p != nil || !strings.Contains(out.Err().Error(), "path_token") {
		t.Errorf("without a path token: got %v", out.Sorted())
	}
}

func TestAConfirmationGoesToListedHostsOnly(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", signedHead+`challenge:
  when: {json:Type: SubscriptionConfirmation}
  auth: false
  get: "{json:SubscribeURL}"
  hosts: ["sns.*.amazonaws.com"]
`)
	for url, ok := range map[string]bool{
		"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription": true,
		"http://sns.us-east-1.amazonaws.com/":                             false,
		"https://sns.us-east-1.amazonaws.com.example.com/":                false,
		"https://sns.a.b.amazonaws.com/":                                  false,
		"https://x@sns.us-east-1.amazonaws.com/":                          false,
		"https://169.254.169.254/":                                        false,
		"":                                                                false,
		"https://sns.us-east-1.amazonaws.com/" + strings.Repeat("x", maxConfirmURL): false,
	} {
		d := p.Receive(t.Context(), ask("POST", "", `{"Type":"SubscriptionConfirmation","SubscribeURL":"`+url+`"}`))
		if (d.Verdict == Answered) != ok || ok && d.Handshake.Confirm != url {
			t.Errorf("%.60s: got %s %+v", url, d.Verdict, d.Refusal)
		}
	}
}

func TestKeyedFunctionsInRepliesUseTheSecret(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", signedHead+`challenge:
  name: crc
  when: {method: GET, query:crc_token: {matches: "[a-z]{1,64}"}}
  reply: {json: {response_token: "sha256={query:crc_token|hmac-sha256|base64}"}}
  example: {query: crc_token=abc}
`)
	s, err := p.SignHandshake("crc", now)
	if err != nil {
		t.Fatal(err)
	}
	if s.Method != "GET" || s.Query != "crc_token=abc" || s.Target() != "/webhooks/p?crc_token=abc" {
		t.Errorf("the example became %+v", s)
	}
	const want = `crc OK application/json {"response_token":"sha256=eLZZBtjt245+qFrAEVuGelzd2zB9LkIVyMNRWaW2AqU="}`
	if got := shaken(t, p, ask(s.Method, s.Query, "")); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestSignHandshakeSaysWhatItCannotMake(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", signedHead+"challenge: [{name: a, when: {json:x: 1}}, {name: b, when: {json:x: 2}, example: {json: {x: 2}}}]\n")
	for _, name := range []string{"a", "0", "c", "2", "-1"} {
		if _, err := p.SignHandshake(name, now); !errors.Is(err, ErrNoHandshake) {
			t.Errorf("%s: got %v, want ErrNoHandshake", name, err)
		}
	}
	for _, name := range []string{"b", "1"} {
		s, err := p.SignHandshake(name, now)
		if err != nil || s.Header.Get("X-Sig") == "" || s.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %+v %v, want it signed", name, s, err)
		}
	}
}

func TestAReplyIsBounded(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", signedHead+"challenge: {when: {json:x: \"*\"}, auth: false, reply: {body: \"{json:x}{json:x}\"}}\n")
	fits := strings.Repeat("a", maxReplyBytes/2)
	if d := p.Receive(t.Context(), ask("POST", "", `{"x":"`+fits+`"}`)); d.Verdict != Answered || len(d.Handshake.Reply.Body) != maxReplyBytes {
		t.Errorf("an answer that just fits: got %s %+v", d.Verdict, d.Refusal)
	}
	if got := shaken(t, p, ask("POST", "", `{"x":"`+fits+`a"}`)); got != "schema_mismatch" {
		t.Errorf("an answer that is too long: got %.60s", got)
	}
}

func TestBadHandshakesAreFindingsWithTheirPlace(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, yaml, want string }{
		{"no when", "challenge: {reply: {status: 200}}", "p.yaml:6:12: error[missing-key]: the key `when` is missing in `challenge`"},
		{"an empty when", "challenge: {when: {}}", "`when` needs at least one condition"},
		{"a method that cannot be", "challenge: {when: {method: PUT}}", "p.yaml:6:28: error[bad-value]: no handshake has the method `PUT`"},
		{"one name twice", "challenge: [{name: a, when: {method: GET}}, {name: a, when: {method: HEAD}}]", "error[duplicate-name]: two handshakes are named \"a\""},
		{"a source that is none", "challenge: {when: {method: GET}, reply: {body: \"{qery:x}\"}}", "there is no source \"qery\"; did you mean `query`?"},
		{"a secret in a reply", "challenge: {when: {method: GET}, reply: {body: \"{secret}\"}}", "`secret` cannot stand here"},
		{"body and json", "challenge: {when: {method: GET}, reply: {body: a, json: b}}", "`body` and `json` say the same thing"},
		{"a reserved header", "challenge: {when: {method: GET}, reply: {headers: {set-cookie: a}}}", "error[bad-header]: `Set-Cookie` is not for a manifest to set"},
		{"a content type as a header", "challenge: {when: {method: GET}, reply: {headers: {content-type: a}}}", "write `type`"},
		{"a header that is none", "challenge: {when: {method: GET}, reply: {headers: {\"a b\": a}}}", "`a b` is no header name"},
		{"get without hosts", "challenge: {when: {method: GET}, get: \"{query:u}\"}", "`hosts` must say where that may be"},
		{"hosts without get", "challenge: {when: {method: GET}, hosts: a.example}", "`hosts` bounds `get`, and there is none"},
		{"a constant get", "challenge: {when: {method: GET}, get: \"https://a.example/\", hosts: a.example}", "`get` names nothing of the request"},
		{"an example that is another request", "challenge: {when: {json:a: b}, example: {json: {a: c}}}", "error[bad-example]: the example of handshake \"0\": the example is not what `when` asks for"},
		{"an example without what is answered", "challenge: {when: {json:a: b}, reply: {body: \"{json:c}\"}, example: {json: {a: b}}}", "the example of handshake \"0\": json:c is missing"},
		{"a reference in a reply", "challenge: {when: {method: GET}, reply: {json: {a: <<env.SECRET>>}}}", "a reference cannot stand in a template"},
		{"an oracle", "challenge: {when: {method: GET, query:a: \"*\"}, reply: {body: \"{query:a|hmac-sha256|hex}\"}}", "the answer signs {query:a}, which anybody may choose"},
		{"a wrong status", "challenge: {when: {method: GET}, reply: {status: 301}}", "`challenge.reply.status` cannot be `301`"},
	}
	for _, test := range tests {
		p, out := load(t, Options{}, "p.yaml", signedHead+test.yaml+"\n")
		if p != nil || !strings.Contains(listed(out), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, out.Sorted(), test.want)
		}
	}
}
