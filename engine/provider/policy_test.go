package provider

import (
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/source"
)

const strict = signedHead + `event: {body: type}
events:
  - name: order
    schema: {type: object, required: [id], properties: {id: {type: integer}, at: {type: string, format: date-time}, "a/b": {pattern: "^x"}}}
  - name: free
`

func TestASchemaThatRefusesIsWhatThePolicySays(t *testing.T) {
	t.Parallel()
	const bad = `{"type":"order","id":"seven"}`
	for _, test := range []struct{ policy, body, want string }{
		{"", bad, "accepted "},
		{"schema_policy: pass\n", bad, "accepted "},
		{"schema_policy: quarantine\n", bad, "quarantined schema_mismatch"},
		{"schema_policy: reject\n", bad, "422 schema_mismatch"},
		{"schema_policy: reject\n", `{"type":"order","id":7}`, "accepted "},
		{"schema_policy: reject\n", `{"type":"free","id":"seven"}`, "accepted "},
		{"schema_policy: quarantine\n", `{"type":"free"}`, "accepted "},
		{"schema_policy: reject\nignore: [order]\n", bad, "ignored ignore_list"},
	} {
		p := compile(t, "p.yaml", strict+test.policy)
		d := p.Receive(t.Context(), genuine(t, p, test.body))
		got := ""
		if d.Refusal != nil {
			got = "422 " + d.Refusal.Code
			if !strings.Contains(d.Refusal.Detail, `at "/id": type: got string, want integer`) || strings.Contains(d.Refusal.Detail, "seven") {
				t.Errorf("%s: the operator is told %q", test.policy, d.Refusal.Detail)
			}
		} else {
			e := d.Arrivals[0].Event
			got = d.Verdict.String() + " " + e.Reason
			quarantined := d.Verdict == Quarantined
			if quarantined != (e.State == event.Quarantined) || quarantined != (len(e.Findings) == 1) || d.Arrivals[0].Route != (d.Verdict == Accepted) {
				t.Errorf("%s: state %s, findings %v, route %t", test.policy, e.State, e.Findings, d.Arrivals[0].Route)
			}
		}
		if got != test.want {
			t.Errorf("%q %s: got %s, want %s", test.policy, test.body, got, test.want)
		}
	}
}

func TestOneItemThatItsSchemaRefuses(t *testing.T) {
	t.Parallel()
	yaml := strings.Replace(strict, "event: {body: type}", "each: json\nevent: {body: type}", 1)
	const body = `[{"type":"order","id":1},{"type":"order"}]`
	p := compile(t, "p.yaml", yaml+"schema_policy: quarantine\n")
	d := p.Receive(t.Context(), genuine(t, p, body))
	if d.Verdict != Accepted || d.Arrivals[0].Event.State != event.Accepted || d.Arrivals[1].Event.State != event.Quarantined {
		t.Errorf("quarantine: got %s %+v", d.Verdict, d.Arrivals)
	}
	p = compile(t, "p.yaml", yaml+"schema_policy: reject\n")
	if d := p.Receive(t.Context(), genuine(t, p, body)); d.Verdict != Refused || !strings.HasPrefix(d.Refusal.Detail, "item 1 of 2: ") {
		t.Errorf("reject: got %s %+v", d.Verdict, d.Refusal)
	}
}

func TestFindingsTellWhereAndWhatButNotTheValue(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", strict)
	got := p.Findings("order", []byte(`{"at":"private","a/b":"private"}`), "application/json")
	want := []event.Finding{
		{Path: "", Rule: "required", Message: "missing property 'id'"},
		{Path: "/at", Rule: "format", Message: "is not valid date-time"},
		{Path: "/a~1b", Rule: "pattern", Message: `does not match the pattern "^x"`},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got := p.Findings("order", []byte(`{`), "application/json"); len(got) != 1 || got[0].Rule != "format" {
		t.Errorf("a body that is no JSON: got %+v", got)
	}
	for _, name := range []string{"free", "nothing"} {
		if got := p.Findings(name, []byte(`{`), "application/json"); got != nil {
			t.Errorf("%s: got %+v, want nothing", name, got)
		}
	}
	value, err := payload.Decode([]byte(`{"id":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.FindingsLater("order", func() any { return value }); len(got) != 1 || got[0].Path != "/id" {
		t.Errorf("later: got %+v", got)
	}
	never := func() any {
		t.Error("a payload was decoded for nothing")
		return nil
	}
	_ = p.FindingsLater("free", never)
	for _, policy := range []string{"quarantine", "reject"} {
		_ = compile(t, "p.yaml", strict+"schema_policy: "+policy+"\n").FindingsLater("order", never)
	}
}

func TestFindingsAreFew(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", signedHead+"events: [{name: a, schema: {items: {type: integer}}}]\n")
	body := "[" + strings.Repeat(`"x",`, 100) + `"x"]`
	if got := p.Findings("a", []byte(body), "application/json"); len(got) != maxFindings {
		t.Errorf("got %d findings, want %d", len(got), maxFindings)
	}
}

func TestAnswersByCodeAndWithHeaders(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", signedHead+`reject:
  status: 400
  headers: {WWW-Authenticate: "Acme realm=x"}
  json: {error: {code: 1, text: "no \\{way\\}"}}
  on:
    missing_signature: {status: 401}
    invalid_signature: {body: "nope"}
ack:
  status: 202
  headers: {X-Echo: "{json:id}", X-Fixed: a}
  json: {received: "{json:id?}", ok: true}
`)
	reply := func(r *Reply) string {
		out, err := json.Marshal(struct {
			Status       int
			Type, Header string
			Body         string
		}{r.Status, r.Type, headerText(r.Header), string(r.Body)})
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	d := p.Receive(t.Context(), ask("POST", "", "{}"))
	if got, want := reply(d.Refusal.Reply), `{"Status":401,"Type":"application/json","Header":"Www-Authenticate=Acme realm=x","Body":"{\"error\":{\"code\":1,\"text\":\"no {way}\"}}"}`; got != want {
		t.Errorf("missing: got %s\nwant %s", got, want)
	}
	d = p.Receive(t.Context(), ask("POST", "", "{}", "X-Sig", strings.Repeat("0", 64)))
	if got, want := reply(d.Refusal.Reply), `{"Status":400,"Type":"text/plain; charset=utf-8","Header":"Www-Authenticate=Acme realm=x","Body":"nope"}`; got != want {
		t.Errorf("invalid: got %s\nwant %s", got, want)
	}
	d = p.Receive(t.Context(), genuine(t, p, `{"id":"a\"b"}`))
	if got, want := reply(d.Ack), `{"Status":202,"Type":"application/json","Header":"X-Echo=a\"b X-Fixed=a","Body":"{\"received\":\"a\\\"b\",\"ok\":true}"}`; got != want {
		t.Errorf("ack: got %s\nwant %s", got, want)
	}
	if d = p.Receive(t.Context(), genuine(t, p, `{}`)); d.Verdict != Accepted || d.Ack != nil {
		t.Errorf("an answer that cannot be made: got %s %+v, want the event and our own answer", d.Verdict, d.Ack)
	}
	if p.reject == nil || p.ack.fixed != nil {
		t.Errorf("reject is %+v, ack fixed %+v", p.reject, p.ack.fixed)
	}
}

func headerText(all []Header) string {
	var out []string
	for _, h := range all {
		out = append(out, h.Name+"="+h.Value)
	}
	return strings.Join(out, " ")
}

func TestTheTokenIsPartOfTheAddress(t *testing.T) {
	t.Parallel()
	const yaml = "kind: provider\nname: p\nsignature: {algorithm: hmac-sha256, header: X, signed: \"{url}{endpoint}{pathquery}{body}\"}\nsecret: <<env.SECRET>>\ndelivery: body\npath_token: <<env.TOKEN>>\n"
	p, out := load(t, Options{PublicURL: "https://hooks.example.com"}, "p.yaml", yaml)
	if p == nil || out.Len() > 0 {
		t.Fatal(out.Sorted())
	}
	if !p.HasToken() || p.Path() != "/webhooks/p/0123456789abcdef" || p.Info().WebhookURL != p.Path() {
		t.Errorf("has token %t, path %s, info %s", p.HasToken(), p.Path(), p.Info().WebhookURL)
	}
	for text, want := range map[string]bool{"0123456789abcdef": true, "": false, "0123456789abcdeF": false, "0123456789abcdef0": false, "0": false} {
		if got := p.Token(text); got != want {
			t.Errorf("token %q: got %t", text, got)
		}
	}
	own, out := load(t, Options{}, "p.yaml", yaml+"public_url: https://hooks.example.com/webhooks/p/0123456789abcdef\n")
	if own == nil {
		t.Fatal(out.Sorted())
	}
	s, err := p.Sign(Message{Body: []byte("{}"), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{}
	r.Method, r.PathQuery, r.Header, r.Body, r.Now = s.Method, s.Target(), s.Header, s.Body, now
	if d := own.Receive(t.Context(), r); d.Verdict != Accepted {
		t.Errorf("signed over the default address: got %+v", d.Refusal)
	}
	if plain := compile(t, "p.yaml", signedHead); plain.HasToken() || !plain.Token("anything") {
		t.Error("a provider without a token asks for one")
	}
}

func TestTheLimitIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		rate  float64
		burst int
	}{
		"{rate: 100/s}": {100, 100}, "{rate: 600/m, burst: 7}": {10, 7}, "{rate: 3600/h}": {1, 3600}, "{rate: \"5 / s\", burst: 200}": {5, 200},
	} {
		rate, burst := compile(t, "p.yaml", signedHead+"rate_limit: "+text+"\n").Limit()
		if rate != want.rate || burst != want.burst {
			t.Errorf("%s: got %v %d, want %v %d", text, rate, burst, want.rate, want.burst)
		}
	}
	if rate, _ := compile(t, "p.yaml", signedHead).Limit(); rate != 0 {
		t.Errorf("without a limit: got %v", rate)
	}
}

// using compiles a provider that uses one of a catalogue, written as two files.
func using(t testing.TB, base, over string) (*Provider, *diag.List) {
	t.Helper()
	catalogue := fstest.MapFS{"acme/provider.yaml": &fstest.MapFile{Data: []byte(base), Mode: fs.ModePerm}}
	bundle, out := manifest.Load(t.Context(), manifest.Options{
		Catalogue: catalogue, Env: func(string) (string, bool) { return "0123456789abcdef", true },
		Files: []*source.File{source.NewFile("p.yaml", []byte("kind: provider\nuse: acme\n"+over))},
	})
	if bundle == nil {
		t.Fatal(out.Sorted())
	}
	return Compile(bundle.Documents(manifest.Provider)[0], out, Options{}), out
}

func TestFindingsAboutTheCatalogueStandWhereItIsUsed(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, base, over, want string }{
		{"a variable", "signature: {algorithm: hmac-sha256, header: X, signed: \"{var:id}{body}\"}\nvars: {id: null}\ndelivery: body\n", "secret: <<env.S>>\n", "p.yaml:1:1: error[missing-key]: provider \"acme\" needs `vars.id`"},
		{"a secret", "signature: {algorithm: hmac-sha256, header: X}\ndelivery: body\n", "", "p.yaml:1:1: error[missing-key]: provider \"acme\" has no secret"},
		{"a token", "signature: {algorithm: token, header: X}\nchallenge: {when: {method: POST}, store: \"{header:S}\"}\n", "secret: <<env.S>>\n", "p.yaml:1:1: error[missing-key]: a handshake of provider \"acme\" brings a secret"},
		{"a weakness", "signature: {algorithm: hmac-sha256, header: X}\n", "secret: <<env.S>>\n", "p.yaml:1:1: warning[weak-signature]: no timestamp is signed"},
		{"nothing signed", "signature: none\ndelivery: body\n", "", "p.yaml:1:1: warning[weak-signature]: nothing is signed"},
		{"an old hash", "signature: {algorithm: hmac-sha1, header: X}\ndelivery: body\n", "secret: <<env.S>>\n", "p.yaml:1:1: hint[deprecated-signature]: hmac-sha1"},
	}
	for _, test := range tests {
		_, out := using(t, "kind: provider\n"+test.base, test.over)
		got := listed(out)
		if !strings.HasPrefix(strings.ReplaceAll(got, "p.yaml:2:6", "p.yaml:1:1"), test.want) || strings.Contains(got, "catalogue") {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	p, out := using(t, "kind: provider\nsignature: {algorithm: hmac-sha256, header: X, signed: \"{var:id}{body}\"}\nvars: {id: null}\ndelivery: body\n", "secret: <<env.S>>\nvars: {id: <<env.ID>>}\n")
	if p == nil || out.Len() > 0 {
		t.Fatalf("with the variable: %v", out.Sorted())
	}
	if got := arrivals(t, p, genuine(t, p, "{}")); !strings.HasPrefix(got, "accepted") {
		t.Errorf("got %s", got)
	}
}

func TestASaneManifestHasNoFindings(t *testing.T) {
	t.Parallel()
	for _, yaml := range []string{
		signedHead,
		"kind: provider\nname: p\nsignature: none\npath_token: <<env.TOKEN>>\ndelivery: body\n",
		"kind: provider\nname: p\nsignature: {algorithm: hmac-sha256, header: X, signed: \"{ts}.{body}\"}\ntimestamp: {header: T}\nsecret: <<env.SECRET>>\ndelivery: {header: I}\n",
	} {
		if _, out := load(t, Options{}, "p.yaml", yaml); out.Len() > 0 {
			t.Errorf("%s: got %v", yaml, out.Sorted())
		}
	}
}
