package destination

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/hooks"
)

// template compiles the keys that a hook to subscribers states.
func template(t testing.TB, yaml string, base *manifest.Document) (*Destination, *diag.List) {
	t.Helper()
	doc, _ := document(t, yaml, manifest.Options{Env: keyring})
	out := &diag.List{}
	return CompileTemplate("orders/Tell", commonLess(doc.Root), base, script.Scope{}, out, Options{}), out
}

func TestATargetBringsAddressHeadersAndSecrets(t *testing.T) {
	t.Parallel()
	tpl, out := template(t, "sign: standard-webhooks\nheaders: {X-A: ours, X-B: \"{{ event.name }}\", User-Agent: Echo-OAuth-Webhooks/1.0}\nbody: {id: \"{{ payload.id }}\"}\nretry: none\nconcurrency: 3", nil)
	if tpl == nil || out.Len() > 0 {
		t.Fatalf("%v", out.Sorted())
	}
	if _, err := tpl.Build(t.Context(), Delivery{}); fault.Code(err) != CodeBadURL {
		t.Errorf("a template without a target: got %v, want %s", err, CodeBadURL)
	}
	d, err := tpl.WithTarget(Target{
		Gate: "subscription/sub_1", URL: secret.New("https://canary-host.example/hooks/canarycanarycanary?x={{ 1 }}"),
		Headers: map[string]secret.Value{"x-a": secret.New("canary-header"), "X-C": secret.New("c")},
		Secrets: []secret.Value{secret.New(vectorSecret), secret.New(otherSecret)},
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	r := build(t, d, Delivery{Env: env(t, `{"id":"o1"}`, nil), Body: map[string]any{"id": "o1"}, HasBody: true, IdempotencyKey: "msg_1", Attempt: 1, Now: now})
	if r.URL != "https://canary-host.example/hooks/canarycanarycanary?x={{ 1 }}" || string(r.Body) != `{"id":"o1"}` {
		t.Errorf("got %s with %s", r.URL, r.Body)
	}
	for name, want := range map[string]string{"X-A": "canary-header", "X-B": "push", "X-C": "c", "User-Agent": "Echo-OAuth-Webhooks/1.0", "Webhook-Id": "msg_1"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, held := range []string{"WHSEC", "WHSEC_OLD"} {
		if got := receive(t, receiver(t, "use: standard-webhooks\nsecret: <<env."+held+">>"), r, now); got.Verdict == provider.Refused {
			t.Errorf("a receiver with %s refuses: %+v", held, got.Refusal)
		}
	}
	if d.Gate != "subscription/sub_1" || d.Key != "orders/Tell" || r.Line != "POST subscription/sub_1" || d.Concurrency() != 3 || tpl.Gate != "orders/Tell" {
		t.Errorf("got gate %s, key %s, line %s; the template's gate is %s", d.Gate, d.Key, r.Line, tpl.Gate)
	}
	v := d.Judge(hooks.Attempt{Status: 200, Body: []byte("canary-host.example /hooks/canarycanarycanary canary-header " + vectorSecret)}, nil)
	if text := fmt.Sprint(v, d.Shown(r), d.Line(), d.Secrets()); strings.Contains(text, "canary") || strings.Contains(text, "MfKQ") {
		t.Errorf("%s holds a secret", text)
	}
	bare, err := tpl.WithTarget(Target{Gate: "subscription/sub_2", URL: secret.New("https://other.example")})
	if err != nil {
		t.Fatal(err)
	}
	if r := build(t, bare, Delivery{Body: "x", HasBody: true}); r.Header.Get("Webhook-Signature") != "" || r.Header.Get("X-A") != "ours" {
		t.Errorf("a target without a secret: got %v, want no signature and our headers", r.Header)
	}
}

func TestATargetThatCannotBeSentToIsRefused(t *testing.T) {
	t.Parallel()
	tpl, out := template(t, "sign: standard-webhooks", nil)
	if tpl == nil {
		t.Fatal(out.Sorted())
	}
	address := secret.New("https://x.example")
	for want, target := range map[string]Target{
		"begins with neither":                  {URL: secret.New("ftp://canary.example")},
		"a user or a password":                 {URL: secret.New("https://canary:pass@x.example")},
		"a name that HTTP does not allow":      {URL: address, Headers: map[string]secret.Value{"X Canary": secret.New("x")}},
		"X-A holds control characters":         {URL: address, Headers: map[string]secret.Value{"x-a": secret.New("canary\n")}},
		"Host is set by Headgate itself":       {URL: address, Headers: map[string]secret.Value{"host": secret.New("canary")}},
		"Webhook-Signature is set by Headgate": {URL: address, Headers: map[string]secret.Value{"webhook-signature": secret.New("canary")}},
		"the secret is not base64":             {URL: address, Secrets: []secret.Value{secret.New("whsec_canary!")}},
		"there are more than 8 secrets":        {URL: address, Secrets: make([]secret.Value, 9)},
	} {
		d, err := tpl.WithTarget(target)
		if d != nil || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v, %v, want %q", d, err, want)
		}
	}
}

func TestATemplateHasNoAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	if d, out := template(t, "url: https://x.example", nil); d != nil || !strings.Contains(fmt.Sprint(out.Sorted()), "`url` cannot stand here: each subscriber brings its own") {
		t.Errorf("got %v, %v", d, out.Sorted())
	}
	base, _ := document(t, "url: https://base.example\nsign: dash\nsecret: <<env.PLAIN>>\nbody: {b: \"{{ delivery.attempt }}\"}", manifest.Options{Env: keyring})
	d, out := template(t, "secrets: [<<env.OLD>>]\nheaders: {X-A: a}", base)
	if d == nil || out.Len() > 0 {
		t.Fatalf("%v", out.Sorted())
	}
	with, err := d.WithTarget(Target{Gate: "g", URL: secret.New("https://sub.example")})
	if err != nil {
		t.Fatal(err)
	}
	r := build(t, with, Delivery{Attempt: 2})
	if r.URL != "https://sub.example" || r.Header.Get("X-Dash-Signature") == "" || string(r.Body) != `{"b":2}` || d.HasBody() {
		t.Errorf("got %s, %v, %s, own body %v", r.URL, r.Header, r.Body, d.HasBody())
	}
}

func TestTemplatesOfAnAttemptSeeTheAttempt(t *testing.T) {
	t.Parallel()
	d := target(t, `
url: "https://x.example/{{ delivery.id }}?n={{ delivery.attempt }}"
headers: {X-Time: "{{ delivery.timestamp }}", X-First: "{{ delivery.first_attempt_at }}", X-Uuid: "{{ delivery.uuid }}"}
body: {id: "{{ delivery.id }}", n: "{{ delivery.attempt }}"}
`)
	r := build(t, d, Delivery{IdempotencyKey: "msg_1", Attempt: 3, First: time.Unix(0, 0), Now: time.Unix(60, 0)})
	if got, want := r.URL+" "+string(r.Body), `https://x.example/msg_1?n=3 {"id":"msg_1","n":3}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r.Header.Get("X-Time") != "60" || r.Header.Get("X-First") != "1970-01-01T00:00:00Z" || r.Header.Get("X-Uuid") != uuidOf("msg_1") {
		t.Errorf("got %v", r.Header)
	}
	other := build(t, d, Delivery{IdempotencyKey: "msg_1", ID: "evt_7", Attempt: 1})
	if !strings.Contains(other.URL, "evt_7") || other.Header.Get("Idempotency-Key") != "msg_1" {
		t.Errorf("got %s and %v", other.URL, other.Header)
	}
}

func TestTheBodyOfAHookIsRenderedBeforeThereIsAnAttempt(t *testing.T) {
	t.Parallel()
	d, found := inlined(t, "", "url: https://x.example\nbody: '{{ delivery.id }}'", script.Scope{})
	if d != nil || len(found) != 1 || !strings.Contains(found[0].String(), "unknown name") {
		t.Errorf("got %v, %v, want that the name is not known there", d, found)
	}
	d, found = inlined(t, "", "url: https://x.example\nbody: '{{ delivery.id }}'\nheaders: {X-A: '{{ delivery.id }}'}", script.Scope{Labels: []string{"delivery"}})
	if d == nil {
		t.Fatal(found)
	}
	e := env(t, "{}", map[string]any{"delivery": map[string]any{"id": "of the node"}})
	if r := build(t, d, Delivery{Env: e, IdempotencyKey: "msg_1", Body: "x", HasBody: true}); r.Header.Get("X-A") != "of the node" {
		t.Errorf("a node of that label: got %v", r.Header)
	}
}

func TestRecordsShowHeadersByName(t *testing.T) {
	t.Parallel()
	d := signed(t, `
sign: standard-webhooks
secret: <<env.WHSEC>>
auth: {bearer: <<env.PLAIN>>}
headers:
  X-Literal: fine
  X-Ref: <<env.OLD>>
  X-Event: "{{ payload.token }}"
  User-Agent: mine
`)
	r := build(t, d, Delivery{
		Env: env(t, `{"token":"canary-of-the-event"}`, nil), Body: "x", HasBody: true, IdempotencyKey: "msg_1", Attempt: 2, Traceparent: "00-a-b-01",
		First: time.Unix(0, 0), Now: time.Unix(60, 0),
	})
	want := map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Idempotency-Key": "msg_1", "Traceparent": "00-a-b-01", "Headgate-Attempt": "2",
		"Headgate-First-Attempt-At": "1970-01-01T00:00:00Z", "X-Literal": "fine", "User-Agent": "mine", "Webhook-Id": "msg_1", "Webhook-Timestamp": "60",
	}
	if got := d.Shown(r); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestNoSecretOfAnyKeyIsShown puts a canary into every place that holds a secret, and looks at everything that may be kept.
func TestNoSecretOfAnyKeyIsShown(t *testing.T) {
	t.Parallel()
	const canary = "canary0secret0of0every0key"
	certificate, key := clientCertificate(t)
	values := func(name string) (string, bool) {
		return map[string]string{"C": canary, "U": "https://x.example/" + canary, "CERT": certificate, "KEY": key}[name], true
	}
	for _, yaml := range []string{
		"url: <<env.U>>\nauth: {bearer: <<env.C>>}\nsign: hub-signature-256\nsecret: <<env.C>>\nheaders: {Webhook-Id: <<env.C>>, Content-Type: <<env.C>>, User-Agent: <<env.C>>, Idempotency-Key: <<env.C>>, Traceparent: <<env.C>>}",
		"url: <<env.U>>\nauth: {basic: {username: <<env.C>>, password: <<env.C>>}}\nsign: {algorithm: token, header: X-Token}\nsecret: <<env.C>>",
		"url: <<env.U>>\nauth: {header: {name: Content-Language, value: <<env.C>>}}\nsign: {algorithm: digest-sha256, header: X-Digest, signed: '{secret}{body}'}\nsecret: <<env.C>>",
		"url: <<env.U>>\nauth: {oauth2: {token_url: https://x.example, client_id: a, client_secret: <<env.C>>}}\ntls: {cert: <<env.CERT>>, key: <<env.KEY>>}",
		"type: pagerduty\nsecret: <<env.C>>",
		"url: https://x.example\nheaders: {X-A: <<env.C>>}\nsign: {algorithm: hmac-sha256, header: X-Sig, headers: {X-B: '{{ headers[\"x-canary\"] }}'}}\nsecret: <<env.C>>",
	} {
		doc, out := document(t, yaml, manifest.Options{Env: values})
		d := Compile(doc, script.Scope{}, out, Options{})
		if d == nil {
			t.Errorf("%s: %v", yaml, out.Sorted())
			continue
		}
		e := env(t, "{}", nil)
		e.Headers["x-canary"] = "of the event: " + canary
		r := build(t, d, Delivery{Env: e, Message: "hi", IdempotencyKey: "msg_1", Attempt: 1})
		var echo strings.Builder
		for name, v := range r.Header {
			fmt.Fprintf(&echo, "%s: %s\n", name, v[0])
		}
		v := d.Judge(hooks.Attempt{Status: 200, Body: []byte(echo.String() + string(r.Body) + canary)}, nil)
		shown := d.Shown(r)
		kept := fmt.Sprintf("%v %+v %#v %v %v %v", v.Answer, v.Value, r, d.Line(), shown, d.Secrets())
		for _, form := range []string{canary, "Y2FuYXJ5"} { // plain and in base64
			if strings.Contains(kept, form) {
				t.Errorf("%s\n%s holds a secret", yaml, kept)
			}
		}
		if d.sign != nil {
			if _, is := shown[d.sign.header]; is {
				t.Errorf("%s: the signature is shown: %v", yaml, shown)
			}
		}
	}
}
