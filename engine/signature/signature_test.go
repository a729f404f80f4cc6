package signature

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// now is the time of all tests that need one.
var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// config reads a provider's signature and timestamp from YAML, as engine/provider does with more care.
func config(t testing.TB, yaml string, secrets ...string) Config {
	t.Helper()
	docs, problems := source.ParseYAML(source.NewFile("p.yaml", []byte(yaml)))
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("the test's YAML has %d documents and problems %v", len(docs), problems)
	}
	root := docs[0]
	c := Config{Node: root.Get("signature"), Scope: &Scope{URL: true, Items: root.Get("items") != nil, Vars: map[string]secret.Value{}}}
	if vars := root.Get("vars"); vars != nil {
		for _, e := range vars.Entries {
			c.Scope.Vars[e.Key.Text] = secret.New(e.Value.Text)
		}
	}
	if c.Node.Kind == source.List {
		for _, n := range c.Node.Items {
			c.Rules = append(c.Rules, ruleOf(n))
		}
	} else {
		c.Rules = []Rule{ruleOf(c.Node)}
	}
	if n := root.Get("timestamp"); n != nil {
		c.Timestamp = &Timestamp{Node: n, Header: n.Get("header"), From: n.Get("from"), Unit: n.Get("unit")}
		if tol := n.Get("tolerance"); tol != nil {
			d, err := time.ParseDuration(tol.Text)
			if err != nil {
				t.Fatal(err)
			}
			c.Timestamp.Tolerance = d
		}
	}
	for _, s := range secrets {
		c.Secrets = append(c.Secrets, Secret{Value: secret.New(s), Span: root.Span})
	}
	return c
}

func ruleOf(n *source.Node) Rule {
	return Rule{
		Node: n, Algorithm: n.Get("algorithm"), Header: n.Get("header"), From: n.Get("from"), Split: n.Get("split"), Prefix: n.Get("prefix"),
		StripTo: n.Get("strip_to"), Encoding: n.Get("encoding"), Signed: n.Get("signed"), Key: n.Get("key"), Strip: n.Get("strip"),
		When: n.Get("when"), Fetch: n.Get("fetch"), Hosts: n.Get("hosts"), Require: n.Get("require"),
	}
}

// scheme compiles YAML that has no findings.
func scheme(t testing.TB, yaml string, secrets ...string) *Scheme {
	t.Helper()
	var out diag.List
	s := Compile(config(t, yaml, secrets...), &out)
	if s == nil {
		t.Fatalf("the scheme was refused: %v", out.Sorted())
	}
	return s
}

// request makes a request with headers given as name, value, name, value.
func request(body string, headers ...string) *Request {
	r := &Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(body), Now: now}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// class gives what became of a request: "ok" or the class of its refusal.
func class(s *Scheme, r *Request) string {
	if _, refusal := s.Verify(context.Background(), r); refusal != nil {
		return string(refusal.Class)
	}
	return "ok"
}

// Schemes of real providers, in their shortest form.
const (
	githubScheme   = `signature: {algorithm: hmac-sha256, header: X-Hub-Signature-256, prefix: "sha256="}`
	slackScheme    = "signature: {algorithm: hmac-sha256, header: X-Slack-Signature, prefix: \"v0=\", signed: \"v0:{ts}:{body}\"}\ntimestamp: {header: X-Slack-Request-Timestamp}"
	stripeScheme   = "signature: {algorithm: hmac-sha256, header: Stripe-Signature, split: \",\", prefix: \"v1=\", signed: \"{ts}.{body}\"}\ntimestamp: {from: \"sig:t=\"}"
	standardScheme = "signature: {algorithm: hmac-sha256, header: webhook-signature, split: \" \", prefix: \"v1,\", encoding: base64, key: base64, strip: whsec_, signed: \"{header:webhook-id}.{ts}.{body}\"}\ntimestamp: {header: webhook-timestamp}"
	shopifyScheme  = `signature: {algorithm: hmac-sha256, header: X-Shopify-Hmac-Sha256, encoding: base64}`
	paddleScheme   = "signature: {algorithm: hmac-sha256, header: Paddle-Signature, split: \";\", prefix: \"h1=\", signed: \"{ts}:{body}\"}\ntimestamp: {from: \"sig:ts=\"}"
	circleScheme   = `signature: {algorithm: hmac-sha256, header: circleci-signature, split: ",", prefix: "v1="}`
	squareScheme   = `signature: {algorithm: hmac-sha256, header: X-Square-Hmacsha256-Signature, encoding: base64, signed: "{url}{body}"}`
)

func TestAStaleTimestampIsSaidOnlyAfterTheSignatureHeld(t *testing.T) {
	t.Parallel()
	for _, yaml := range []string{slackScheme, stripeScheme, standardScheme} {
		s := scheme(t, yaml, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
		for off, want := range map[time.Duration]string{
			0: "ok", DefaultTolerance: "ok", -DefaultTolerance: "ok",
			DefaultTolerance + time.Second: "stale_timestamp", -DefaultTolerance - time.Second: "stale_timestamp",
			time.Duration(1<<62 - 1): "stale_timestamp",
		} {
			r := request(`{}`, "Webhook-Id", "msg_1")
			if err := s.Sign(r); err != nil {
				t.Fatal(err)
			}
			r.Now = r.Now.Add(off)
			if got := class(s, r); got != want {
				t.Errorf("%s, %s later: got %s, want %s", s.Header(), off, got, want)
			}
			r.Body = []byte(`{ }`)
			if got := class(s, r); got != "invalid_signature" {
				t.Errorf("%s, %s later with another body: got %s, want invalid_signature", s.Header(), off, got)
			}
		}
	}
}

func TestTimestampsInEveryUnit(t *testing.T) {
	t.Parallel()
	for unit, want := range map[string]string{"s": "1772600767", "ms": "1772600767000", "rfc3339": "2026-03-04T05:06:07Z"} {
		s := scheme(t, "signature: {algorithm: hmac-sha256, header: X-Sig, signed: \"{ts}{body}\"}\ntimestamp: {header: X-At, tolerance: 1m, unit: "+unit+"}", "a secret")
		r := request("{}")
		if err := s.Sign(r); err != nil {
			t.Fatal(err)
		}
		if got := r.Header.Get("X-At"); got != want {
			t.Errorf("unit %s: got %s, want %s", unit, got, want)
		}
		if got := class(s, r); got != "ok" {
			t.Errorf("unit %s: got %s, want ok", unit, got)
		}
		if r.Now = r.Now.Add(61 * time.Second); class(s, r) != "stale_timestamp" {
			t.Errorf("unit %s: after a minute got %s, want stale_timestamp", unit, class(s, r))
		}
	}
	for _, text := range []string{"-5", "+5", "1.5", "9223372036854775807", "", "soon"} {
		if _, err := digits(text); err == nil && text != "" {
			t.Errorf("digits(%q) was accepted", text)
		}
	}
}

func TestWhatIsMissingRefuses(t *testing.T) {
	t.Parallel()
	s := scheme(t, standardScheme, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	genuine := func() *Request {
		r := request("{}", "Webhook-Id", "msg_1")
		if err := s.Sign(r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	tests := []struct {
		name   string
		change func(r *Request)
		want   string
	}{
		{"nothing", func(*Request) {}, "ok"},
		{"no signature header", func(r *Request) { r.Header.Del("Webhook-Signature") }, "missing_signature"},
		{"an empty signature header", func(r *Request) { r.Header.Set("Webhook-Signature", " ") }, "missing_signature"},
		{"only the prefix", func(r *Request) { r.Header.Set("Webhook-Signature", "v1,") }, "invalid_signature"},
		{"another version only", func(r *Request) {
			r.Header.Set("Webhook-Signature", "v2"+strings.TrimPrefix(r.Header.Get("Webhook-Signature"), "v1"))
		}, "invalid_signature"},
		{"no timestamp", func(r *Request) { r.Header.Del("Webhook-Timestamp") }, "missing_signature"},
		{"an empty timestamp", func(r *Request) { r.Header.Set("Webhook-Timestamp", "") }, "missing_signature"},
		{"two timestamps", func(r *Request) { r.Header.Add("Webhook-Timestamp", "1") }, "missing_signature"},
		{"no id", func(r *Request) { r.Header.Del("Webhook-Id") }, "invalid_signature"},
		{"two ids", func(r *Request) { r.Header.Add("Webhook-Id", "msg_1") }, "invalid_signature"},
		{"no headers at all", func(r *Request) { r.Header = nil }, "missing_signature"},
		{"no body", func(r *Request) { r.Body = nil }, "invalid_signature"},
	}
	for _, test := range tests {
		r := genuine()
		test.change(r)
		if got := class(s, r); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestAnyCandidateWithAnyLiveSecret(t *testing.T) {
	t.Parallel()
	current, previous := scheme(t, stripeScheme, "current"), scheme(t, stripeScheme, "previous")
	both := scheme(t, stripeScheme, "current", "previous")
	r := request("{}")
	if err := previous.Sign(r); err != nil {
		t.Fatal(err)
	}
	m, refusal := both.Verify(t.Context(), r)
	if refusal != nil || m.Secret != 1 || m.Rule != "signature[0] hmac-sha256" {
		t.Errorf("signed with the previous secret: got %+v %+v, want secret 1 of signature[0] hmac-sha256", m, refusal)
	}
	if got := class(current, r); got != "invalid_signature" {
		t.Errorf("without the previous secret: got %s, want invalid_signature", got)
	}
	good := strings.TrimPrefix(strings.Split(r.Header.Get("Stripe-Signature"), ",")[1], "v1=")
	ts := strings.Split(r.Header.Get("Stripe-Signature"), ",")[0]
	junk := strings.Repeat("0", 64)
	for value, want := range map[string]string{
		ts + ",v1=" + junk + ",v1=" + good:                               "ok",
		ts + ",v0=" + good + ",v1=" + junk:                               "invalid_signature",
		ts + ", v1=" + good + " ,":                                       "ok",
		ts + "," + ts + ",v1=" + good:                                    "invalid_signature",
		ts + strings.Repeat(",v1="+junk, 7) + ",v1=" + good:              "ok",
		ts + strings.Repeat(",v1="+junk, 8) + ",v1=" + good:              "invalid_signature",
		ts + strings.Repeat(",v0=x", 40) + ",v1=" + good:                 "invalid_signature",
		ts + ",v1=" + strings.ToUpper(good):                              "ok",
		ts + ",v1=" + good + "00":                                        "invalid_signature",
		"v1=" + good:                                                     "invalid_signature",
		strings.ReplaceAll(r.Header.Get("Stripe-Signature"), "v1", "V1"): "invalid_signature",
	} {
		r.Header.Set("Stripe-Signature", value)
		if got := class(both, r); got != want {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
}

func TestDoubledHeadersAreOneList(t *testing.T) {
	t.Parallel()
	s := scheme(t, githubScheme, "secret")
	r := request("{}")
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	good := r.Header.Get("X-Hub-Signature-256")
	r.Header["X-Hub-Signature-256"] = []string{"sha256=" + strings.Repeat("0", 64), good}
	if got := class(s, r); got != "ok" {
		t.Errorf("a wrong one before the right one: got %s, want ok", got)
	}
	r.Header["X-Hub-Signature-256"] = []string{strings.Repeat("0", 64), "sha1=" + good[7:]}
	if got := class(s, r); got != "invalid_signature" {
		t.Errorf("two wrong ones: got %s, want invalid_signature", got)
	}
}

func TestStripToKeepsWhatFollowsTheLast(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature: {algorithm: hmac-sha256, header: X-Sig, strip_to: "="}`, "secret")
	r := request("{}")
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	value := r.Header.Get("X-Sig")
	if !strings.HasPrefix(value, "sha256=") {
		t.Errorf("got %s, want it to begin with sha256=", value)
	}
	for _, v := range []string{value, value[7:], "v0=" + value[7:], "a=b=" + value[7:]} {
		r.Header.Set("X-Sig", v)
		if got := class(s, r); got != "ok" {
			t.Errorf("%s: got %s, want ok", v, got)
		}
	}
}

func TestSeveralFormsOfOneRule(t *testing.T) {
	t.Parallel()
	all := scheme(t, `signature: {algorithm: hmac-sha256, from: ["header:X-Old", "header:X-New"], prefix: ["a=", "b="], encoding: [hex, base64url], signed: ["{body}", "{body}\n"]}`, "secret")
	for _, yaml := range []string{
		`signature: {algorithm: hmac-sha256, header: x-old, prefix: "a="}`,
		`signature: {algorithm: hmac-sha256, header: x-new, prefix: "b=", encoding: base64url, signed: "{body}\n"}`,
	} {
		r := request("{}")
		if err := scheme(t, yaml, "secret").Sign(r); err != nil {
			t.Fatal(err)
		}
		if got := class(all, r); got != "ok" {
			t.Errorf("signed by %s: got %s, want ok", yaml, got)
		}
	}
	r := request("{}")
	if err := scheme(t, `signature: {algorithm: hmac-sha256, header: x-new, prefix: "c="}`, "secret").Sign(r); err != nil {
		t.Fatal(err)
	}
	if got := class(all, r); got != "invalid_signature" {
		t.Errorf("with a prefix that is not listed: got %s, want invalid_signature", got)
	}
}

func TestUnsignedIsSaidInWords(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature: {algorithm: none}`)
	m, refusal := s.Verify(t.Context(), request("{}"))
	if refusal != nil || m.Rule != "none" || !s.Unsigned() || s.Header() != "" {
		t.Errorf("got %+v %+v, header %q", m, refusal, s.Header())
	}
	if err := s.Sign(request("{}")); err != nil {
		t.Errorf("signing for an unsigned provider: %v", err)
	}
}

func TestASignatureInTheQuery(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature: {algorithm: hmac-sha1, from: "query:signature"}`, "secret")
	r := request("{}")
	r.Query = "signature=17dfb0c0d1cb23e1ebed4e24a3bb4b4a09dfd7c6"
	if got := class(s, r); got != "invalid_signature" {
		t.Errorf("got %s, want invalid_signature", got)
	}
	h := request("{}")
	if err := scheme(t, `signature: {algorithm: hmac-sha1, header: X}`, "secret").Sign(h); err != nil {
		t.Fatal(err)
	}
	r.Query = "a=b&signature=" + h.Header.Get("X")
	if got := class(s, r); got != "ok" {
		t.Errorf("got %s, want ok", got)
	}
	if r.Query += "&signature=" + h.Header.Get("X"); class(s, r) != "missing_signature" {
		t.Errorf("twice: got %s, want missing_signature", class(s, r))
	}
}
