package provider

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
)

// now is the time of all tests.
var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// load compiles the only provider of a folder that is given as name, text, name, text.
func load(t testing.TB, o Options, files ...string) (*Provider, *diag.List) {
	t.Helper()
	mo := manifest.Options{Env: func(name string) (string, bool) {
		v, ok := map[string]string{"SECRET": "a secret", "OLD": "an old secret", "TOKEN": "0123456789abcdef"}[name]
		return v, ok
	}}
	for i := 0; i+1 < len(files); i += 2 {
		mo.Files = append(mo.Files, source.NewFile(files[i], []byte(files[i+1])))
	}
	bundle, out := manifest.Load(t.Context(), mo)
	if bundle == nil {
		t.Fatalf("the folder was refused: %v", out.Sorted())
	}
	docs := bundle.Documents(manifest.Provider)
	if len(docs) != 1 {
		t.Fatalf("got %d providers, want 1: %v", len(docs), out.Sorted())
	}
	return Compile(docs[0], out, o), out
}

// listed gives all findings as lines.
func listed(out *diag.List) string {
	var b strings.Builder
	for _, f := range out.Sorted() {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

// compile is load for a provider without errors.
func compile(t testing.TB, files ...string) *Provider {
	t.Helper()
	p, out := load(t, Options{}, files...)
	if p == nil {
		t.Fatalf("the provider was refused: %v", out.Sorted())
	}
	return p
}

const acme = `kind: provider
name: acme
signature: {algorithm: hmac-sha256, header: X-Acme-Signature, prefix: "sha256="}
secret: <<env.SECRET>>
event: {header: X-Acme-Event}
delivery: {header: X-Acme-Delivery}
ignore: [ping]
labels: {team: orders}
events:
  - name: order.created
    description: An order was placed
    schema: {type: object, required: [id], properties: {id: {type: integer}}}
    example: {id: 1}
  - name: order.closed
`

// call makes a genuine request of a message.
func call(t testing.TB, p *Provider, m Message) *Request {
	t.Helper()
	m.Now = now
	s, err := p.Sign(m)
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{ID: "req1"}
	r.Method, r.Header, r.Body, r.Now = http.MethodPost, s.Header, s.Body, now
	return r
}

func TestAGenuineRequestBecomesAFrozenEvent(t *testing.T) {
	t.Parallel()
	p := compile(t, "acme.yaml", acme+"headers: [X-Acme-Shop]\n")
	body := []byte(`{"id":1}`)
	r := call(t, p, Message{Event: "order.created", Body: body, Delivery: "d1"})
	r.Query = "shop=1"
	r.Header.Set("User-Agent", "Acme/1")
	r.Header.Set("Authorization", "Bearer x")
	r.Header.Set("X-Acme-Shop", "s1")
	d := p.Receive(t.Context(), r)
	if d.Verdict != Accepted || d.Refusal != nil || len(d.Arrivals) != 1 {
		t.Fatalf("got %s %+v with %d arrivals, want accepted with 1", d.Verdict, d.Refusal, len(d.Arrivals))
	}
	a := d.Arrivals[0]
	if !a.Route || a.Window != 72*time.Hour {
		t.Errorf("route %t window %s, want true and 72h", a.Route, a.Window)
	}
	e := a.Event
	if e.ID != 0 || e.Request != "req1" || e.Provider != "acme" || e.Name != "order.created" || e.Delivery != "d1" || !e.Received.Equal(now) ||
		e.State != event.Accepted || e.Source != event.Live || e.Reason != "" || e.Query != "shop=1" || e.ContentType != "application/json" || e.Labels["team"] != "orders" {
		t.Errorf("the event is %+v", e)
	}
	if want := (event.Verification{Rule: "signature[0] hmac-sha256", Secret: 0}); e.Verification != want {
		t.Errorf("verification %+v, want %+v", e.Verification, want)
	}
	if string(e.Body) != `{"id":1}` || e.BodySize != 8 || e.BodyCRC != 0xb0c05c54 {
		t.Errorf("body %q size %d crc %#x", e.Body, e.BodySize, e.BodyCRC)
	}
	want := []event.Header{
		{Name: "content-type", Value: "application/json"},
		{Name: "user-agent", Value: "Acme/1"},
		{Name: "x-acme-event", Value: "order.created"},
		{Name: "x-acme-delivery", Value: "d1"},
		{Name: "x-acme-shop", Value: "s1"},
	}
	if !slices.Equal(e.Headers, want) {
		t.Errorf("headers %v, want %v", e.Headers, want)
	}
}

func TestTheSignatureHeaderIsStoredOnlyWhereItIsListed(t *testing.T) {
	t.Parallel()
	for _, listed := range []bool{false, true} {
		yaml := strings.Replace(acme, "{header: X-Acme-Delivery}", `"{header:X-Acme-Signature}"`, 1)
		if listed {
			yaml += "headers: [X-Acme-Signature]\n"
		}
		p := compile(t, "acme.yaml", yaml)
		if got := slices.Contains(p.headers, storedHeader{"X-Acme-Signature", "x-acme-signature"}); got != listed {
			t.Errorf("listed %t: stored headers %v", listed, p.headers)
		}
	}
}

func TestTheWindowIsAtLeastTwiceTheTolerance(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]time.Duration{
		"delivery: {header: I}":              72 * time.Hour,
		"delivery: {header: I, window: 5m}":  10 * time.Minute,
		"delivery: {header: I, window: 35d}": 35 * 24 * time.Hour,
		"":                                   0,
	} {
		p := compile(t, "p.yaml", "kind: provider\nname: p\nsignature: {algorithm: hmac-sha256, header: X, signed: \"{ts}{body}\"}\ntimestamp: {header: T}\nsecret: <<env.SECRET>>\n"+yaml+"\n")
		if p.window != want {
			t.Errorf("%s: got %s, want %s", yaml, p.window, want)
		}
	}
}

func TestTheURLIsTheOneThatTheSenderWasTold(t *testing.T) {
	t.Parallel()
	const yaml = "kind: provider\nname: sq\nsignature: {algorithm: hmac-sha256, header: X, signed: \"{url}{body}\"}\nsecret: <<env.SECRET>>\ndelivery: body\n"
	if p, out := load(t, Options{}, "p.yaml", yaml); p != nil {
		t.Errorf("without a public URL it was compiled: %v", out.Sorted())
	}
	gateway, out := load(t, Options{PublicURL: "https://hooks.example.com/"}, "p.yaml", yaml)
	if gateway == nil {
		t.Fatal(out.Sorted())
	}
	own, out := load(t, Options{PublicURL: "https://other.example.com"}, "p.yaml", yaml+"public_url: https://hooks.example.com/webhooks/sq\n")
	if own == nil {
		t.Fatal(out.Sorted())
	}
	r := call(t, gateway, Message{Body: []byte(`{}`)})
	if d := own.Receive(t.Context(), r); d.Verdict != Accepted {
		t.Errorf("got %+v, want both to have one URL", d.Refusal)
	}
	r.Query = "a=b"
	if d := own.Receive(t.Context(), r); d.Verdict != Refused {
		t.Error("a query that was not signed was accepted")
	}
	if p, _ := load(t, Options{}, "p.yaml", yaml+"public_url: hooks.example.com\n"); p != nil {
		t.Error("a public_url without a scheme was accepted")
	}
}

func TestTheTestAnswerIsTheSeeds(t *testing.T) {
	t.Parallel()
	p := compile(t, "github/provider.yaml", `kind: provider
signature: {algorithm: hmac-sha256, header: X-Hub-Signature-256, prefix: "sha256="}
secret: <<env.SECRET>>
event: {header: X-GitHub-Event}
events:
  - {name: push, description: Repository push event, schema: {type: object}}
`)
	got, err := json.MarshalIndent(p.Info(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "provider": "github",
  "webhook_support": true,
  "webhook_url": "/webhooks/github",
  "supported_events": [
    {
      "name": "push",
      "description": "Repository push event",
      "has_schema": true
    }
  ],
  "signature_validation": true,
  "signature_header": "X-Hub-Signature-256"
}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	p = compile(t, "p.yaml", "kind: provider\nname: p\nsignature: none\n")
	got, err = json.Marshal(p.Info())
	if err != nil {
		t.Fatal(err)
	}
	want = `{"provider":"p","webhook_support":true,"webhook_url":"/webhooks/p","supported_events":[],"signature_validation":false,"signature_header":null}`
	if string(got) != want || !p.Unsigned() {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestMaxBodyIsTheSmallerOfBoth(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		yaml string
		max  int64
		want int64
	}{{"", 0, 5 << 20}, {"max_body: 25MiB\n", 0, 25 << 20}, {"max_body: 25MiB\n", 10 << 20, 10 << 20}, {"max_body: 1KiB\n", 10 << 20, 1 << 10}} {
		p, out := load(t, Options{MaxBody: test.max}, "acme.yaml", acme+test.yaml)
		if p == nil {
			t.Fatal(out.Sorted())
		}
		if p.MaxBody() != test.want {
			t.Errorf("%q of at most %d: got %d, want %d", test.yaml, test.max, p.MaxBody(), test.want)
		}
	}
}

// loadNoEnv loads one provider without any secret.
func loadNoEnv(t testing.TB, yaml string) (*manifest.Document, *diag.List) {
	t.Helper()
	bundle, out := manifest.Load(t.Context(), manifest.Options{NoEnv: true, Files: []*source.File{source.NewFile("p.yaml", []byte(yaml))}})
	if bundle == nil {
		t.Fatalf("the folder was refused: %v", out.Sorted())
	}
	return bundle.Documents(manifest.Provider)[0], out
}

// TestADiPeOProviderIsReceivedAsItStands takes the two forms of a DiPeO manifest: with events, and with nothing but the signature.
func TestADiPeOProviderIsReceivedAsItStands(t *testing.T) {
	t.Parallel()
	const config = "metadata:\n  webhook_config:\n    signature_header: X-Hub-Signature-256\n    signature_algorithm: hmac_sha256\n    secret: \"{{env.SECRET}}\"\n"
	const events = "name: forge\nwebhook_events:\n  - name: push\n    payload_schema: schema://forge.push.json\n    example_payload:\n      ref: main\n  - name: pull_request\n"
	tests := []struct {
		yaml, body string
		headers    map[string]string
		want       string
	}{
		{events + config, `{}`, map[string]string{"X-Forge-Event": "push"}, "push"},
		{events + config, `{}`, map[string]string{"X-Event-Type": "push"}, "push"},
		{events + config, `{"event":"pull_request"}`, nil, "pull_request"},
		{events + config, `{"event":{"type":"push"}}`, nil, "push"},
		{config, `{"event":{"type":"message"},"type":"event_callback"}`, nil, "event_callback"},
		{config, `{}`, nil, ""},
	}
	for _, test := range tests {
		p := compile(t, "forge/provider.yaml", test.yaml, "forge/schemas/forge.push.json", `{"type":"object"}`)
		r := call(t, p, Message{Body: []byte(test.body)})
		for name, value := range test.headers {
			r.Header.Set(name, value)
		}
		d := p.Receive(t.Context(), r)
		if d.Verdict != Accepted || d.Arrivals[0].Event.Name != test.want || d.Arrivals[0].Event.Verification.Rule != "signature[0] hmac-sha256" {
			t.Errorf("%s %v: got %s %+v, want it accepted as %q", test.body, test.headers, d.Verdict, d.Refusal, test.want)
		}
		r.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
		if d := p.Receive(t.Context(), r); d.Verdict != Refused {
			t.Errorf("%s: a wrong signature was %s", test.body, d.Verdict)
		}
	}
}
