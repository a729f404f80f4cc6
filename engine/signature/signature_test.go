package signature

import (
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
	c := Config{Node: root.Get("signature"), URL: true}
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
	if _, refusal := s.Verify(r); refusal != nil {
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

// TestPublishedVectorsAreAccepted holds the schemes against signatures that the providers themselves published.
func TestPublishedVectorsAreAccepted(t *testing.T) {
	t.Parallel()
	slackBody := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	squareBody := `{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}`
	tests := []struct {
		name, scheme, secret, body string
		at                         int64
		url                        string
		headers                    []string
	}{
		{
			name: "GitHub docs", scheme: githubScheme, secret: "It's a Secret to Everybody", body: "Hello, World!",
			headers: []string{"X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		},
		{
			name: "octokit", scheme: githubScheme, secret: "mysecret", body: `{"foo":"bar"}`,
			headers: []string{"X-Hub-Signature-256", "sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3"},
		},
		{
			name: "Slack docs", scheme: slackScheme, secret: "8f742231b10e8888abcd99yyyzzz85a5", body: slackBody, at: 1531420618,
			headers: []string{
				"X-Slack-Request-Timestamp", "1531420618",
				"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
			},
		},
		{
			name: "Standard Webhooks", scheme: standardScheme, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", body: `{"test": 2432232314}`, at: 1614265330,
			headers: []string{
				"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330",
				"webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
			},
		},
		{
			name: "Shopify", scheme: shopifyScheme, secret: "test_secret_key", body: `{"foo": "bar"}`,
			headers: []string{"X-Shopify-Hmac-Sha256", "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g="},
		},
		{
			name: "CircleCI 1", scheme: circleScheme, secret: "secret", body: "hello world",
			headers: []string{"circleci-signature", "v1=734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a"},
		},
		{
			name: "CircleCI 2", scheme: circleScheme, secret: "another-secret", body: "lalala",
			headers: []string{"circleci-signature", "v1=daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00"},
		},
		{
			name: "CircleCI 3", scheme: circleScheme, secret: "hunter123", body: "an-important-request-payload",
			headers: []string{"circleci-signature", "v2=ignored,v1=9be2242094a9a8c00c64306f382a7f9d691de910b4a266f67bd314ef18ac49fa"},
		},
		{
			name: "LINE", scheme: `signature: {algorithm: hmac-sha256, header: X-Line-Signature, encoding: base64}`, secret: "test_secret", body: `{"hello":"world"}`,
			headers: []string{"X-Line-Signature", "t7Hn4ZDHqs6e+wdvI5TyQIvzie0DmMUmuXEBqyyE/tM="},
		},
		{
			name: "Razorpay", scheme: `signature: {algorithm: hmac-sha256, header: X-Razorpay-Signature}`, secret: "123456", body: `{"a":1,"b":2,"c":{"d":3}}`,
			headers: []string{"X-Razorpay-Signature", "2fe04e22977002e6c7cb553adab8b460cb9e2a4970d5953cb27a8472752e3bbc"},
		},
		{
			name: "Paddle", scheme: paddleScheme, secret: "VALID_SECRET", body: `{"data": ["1", "2"]}`, at: 1698796800,
			headers: []string{"Paddle-Signature", "ts=1698796800;h1=a300428748dce5c70e4da19bffd60769591ea969c99dea3105d0ec9612cf43f9"},
		},
		{
			name: "Square 1", scheme: squareScheme, secret: "Ibxx_5AKakO-3qeNVR61Dw", body: squareBody, url: "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9",
			headers: []string{"X-Square-Hmacsha256-Signature", "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="},
		},
		{
			name: "Square 2", scheme: squareScheme, secret: "signature-key", body: `{"data":{"type":"webhooks","id":"fake_id"}}`, url: "https://webhook.site/webhooks",
			headers: []string{"X-Square-Hmacsha256-Signature", "W3FlCNk5IA3ZQ2LHTWoajvzfaDu/OwY2tNHIHC3IUOA="},
		},
		{
			name:   "Adyen, a key in hex",
			scheme: `signature: {algorithm: hmac-sha256, header: HmacSignature, encoding: base64, key: hex}`,
			secret: "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00",
			body:   "pspReference:originalReference:merchantAccount:reference:1000:EUR:EVENT:true", headers: []string{"HmacSignature", "ipnxGCaUZ4l8TUW75a71/ghd2Fe5ffvX0pV4TLTntIc="},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := scheme(t, test.scheme, test.secret)
			r := request(test.body, test.headers...)
			r.URL = test.url
			if test.at != 0 {
				r.Now = time.Unix(test.at, 0)
			}
			if _, refusal := s.Verify(r); refusal != nil {
				t.Fatalf("got %s (%s), want it accepted", refusal.Class, refusal.Detail)
			}
			r.Body = append(r.Body, ' ')
			if got := class(s, r); got != "invalid_signature" {
				t.Errorf("with one byte more got %s, want invalid_signature", got)
			}
			r.Body = r.Body[:len(r.Body)-1]
			if got := class(scheme(t, test.scheme, flip(test.secret)), r); got != "invalid_signature" {
				t.Errorf("with another secret got %s, want invalid_signature", got)
			}
		})
	}
}

// flip gives another secret of the same form.
func flip(secret string) string {
	last := secret[len(secret)-1]
	if strings.ContainsRune("0", rune(last)) {
		return secret[:len(secret)-1] + "1"
	}
	return secret[:len(secret)-2] + "00"
}

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
	m, refusal := both.Verify(r)
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
	m, refusal := s.Verify(request("{}"))
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
	if err := s.Sign(r); err == nil {
		t.Error("a signature in the query was signed, want ErrCannotSign")
	}
}
