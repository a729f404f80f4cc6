package destination

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/hooks"
	"github.com/headgate/headgate/manifests"
)

// The keys of the tests, none of which anybody else uses. vectorSecret is that of the vector which Standard Webhooks publishes.
const (
	vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherSecret  = "whsec_c2Vjb25kIGNhbmFyeSBrZXkgb2YgYSB0ZXN0"
	plainSecret  = "canary-signing-secret-0123456789"
)

// edKey is an Ed25519 key made of a fixed seed.
func edKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", ed25519.SeedSize)))
}

// keyring is the environment of the tests that sign.
func keyring(name string) (string, bool) {
	v, ok := map[string]string{
		"WHSEC": vectorSecret, "WHSEC_OLD": otherSecret, "PLAIN": plainSecret, "OLD": "canary-old-secret", "URL": slackURL,
		"WHSK": "whsk_" + base64.StdEncoding.EncodeToString(edKey()), "WHPK": "whpk_" + base64.StdEncoding.EncodeToString(edKey().Public().(ed25519.PublicKey)),
		"SEED_HEX": hex.EncodeToString(edKey().Seed()), "ED_PEM": ed25519PEM(edKey().Seed()), "EMPTY": "", "NOT_BASE64": "whsec_!",
	}[name]
	return v, ok
}

// signed compiles a destination with the keyring; it must be free of findings.
func signed(t testing.TB, yaml string) *Destination {
	t.Helper()
	doc, out := document(t, "url: https://api.example.com/in?a=1\n"+yaml, manifest.Options{Env: keyring})
	d := Compile(doc, script.Scope{}, out, Options{})
	if d == nil || out.Len() > 0 {
		t.Fatalf("%s\n%v", yaml, out.Sorted())
	}
	return d
}

// receiver compiles a provider, from the catalogue too.
func receiver(t testing.TB, yaml string) *provider.Provider {
	t.Helper()
	bundle, out := manifest.Load(t.Context(), manifest.Options{
		Files: []*source.File{source.NewFile("p.yaml", []byte("kind: provider\nname: target\n"+yaml))}, Env: keyring, Catalogue: manifests.FS(),
	})
	p := provider.Compile(bundle.Find(manifest.Provider, "target"), out, provider.Options{PublicURL: "https://api.example.com", MaxBody: 1 << 20})
	if p == nil {
		t.Fatalf("%s\n%v", yaml, out.Sorted())
	}
	return p
}

// receive hands a request to a provider as its listener would.
func receive(t testing.TB, p *provider.Provider, r hooks.Request, now time.Time) provider.Decision {
	t.Helper()
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	return p.Receive(t.Context(), &provider.Request{Request: signature.Request{
		Method: r.Method, PathQuery: u.RequestURI(), Query: u.RawQuery, Header: r.Header, Body: r.Body, Now: now,
	}, ID: "r1"})
}

func TestThePublishedVectorOfStandardWebhooksIsSent(t *testing.T) {
	t.Parallel()
	d := signed(t, "sign: standard-webhooks\nsecret: <<env.WHSEC>>")
	r := build(t, d, Delivery{Raw: []byte(`{"test": 2432232314}`), RawType: "application/json", IdempotencyKey: "msg_p5jXN8AQM9LWM0D4loKWxJek", Attempt: 1, Now: time.Unix(1614265330, 0)})
	for name, want := range map[string]string{
		"Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "Webhook-Timestamp": "1614265330", "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		"Idempotency-Key": "msg_p5jXN8AQM9LWM0D4loKWxJek", "Content-Type": "application/json",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if string(r.Body) != `{"test": 2432232314}` {
		t.Errorf("got body %s", r.Body)
	}
}

func TestFormsHaveTheHeadersThatTheirReceiversExpect(t *testing.T) {
	t.Parallel()
	const body = `{"event":"integration.connected"}`
	mac := hmac.New(sha256.New, []byte(plainSecret))
	mac.Write([]byte(body))
	digest := hex.EncodeToString(mac.Sum(nil))
	for form, want := range map[string]map[string]string{
		"hub-signature-256":                      {"X-Hub-Signature-256": "sha256=" + digest},
		"dash":                                   {"X-Dash-Signature": "sha256=" + digest},
		"core":                                   {"X-Webhook-Secret": digest, "X-Webhook-Event": "push", "X-Webhook-Delivery": uuidOf("msg_1"), "User-Agent": "Echo-OAuth-Webhooks/1.0"},
		"town":                                   {"X-Town-Signature": digest},
		"{use: dash, header: X-Godel-Signature}": {"X-Godel-Signature": "sha256=" + digest, "X-Dash-Signature": ""},
	} {
		d := signed(t, "headers: {User-Agent: Echo-OAuth-Webhooks/1.0}\nsecret: <<env.PLAIN>>\nsign: "+form)
		r := build(t, d, Delivery{Env: env(t, "{}", nil), Body: map[string]any{"event": "integration.connected"}, HasBody: true, IdempotencyKey: "msg_1", Attempt: 2})
		if string(r.Body) != body {
			t.Errorf("%s: got body %s", form, r.Body)
		}
		for name, value := range want {
			if got := r.Header.Get(name); got != value {
				t.Errorf("%s: %s: got %q, want %q", form, name, got, value)
			}
		}
	}
}

func TestAUUIDIsAsStableAsTheID(t *testing.T) {
	t.Parallel()
	a := uuidOf("msg_1")
	if a != uuidOf("msg_1") || a == uuidOf("msg_2") || len(a) != 36 || a[14] != '4' || !strings.ContainsRune("89ab", rune(a[19])) {
		t.Errorf("got %s, want a UUID of version 4 that is the same for the same id", a)
	}
}

func TestATimestampIsNewAtEachAttemptAndTheIDIsNot(t *testing.T) {
	t.Parallel()
	d := signed(t, "sign: standard-webhooks\nsecret: <<env.WHSEC>>")
	at := func(n int, now int64) hooks.Request {
		return build(t, d, Delivery{Body: "x", HasBody: true, IdempotencyKey: "msg_1", Attempt: n, First: time.Unix(100, 0), Now: time.Unix(now, 0)})
	}
	a, b := at(1, 100), at(2, 4000)
	if a.Header.Get("Webhook-Id") != b.Header.Get("Webhook-Id") || b.Header.Get("Webhook-Timestamp") != "4000" ||
		a.Header.Get("Webhook-Signature") == b.Header.Get("Webhook-Signature") {
		t.Errorf("got %v and %v", a.Header, b.Header)
	}
	if got := b.Header.Get("Headgate-First-Attempt-At"); got != "1970-01-01T00:01:40Z" {
		t.Errorf("the first attempt was at %s", got)
	}
	if again := at(1, 100); again.Header.Get("Webhook-Signature") != a.Header.Get("Webhook-Signature") {
		t.Error("the same attempt is signed in two ways")
	}
}

func TestWhatWeSendOtherGatewaysAccept(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	for name, c := range map[string]struct{ destination, provider string }{
		"the catalogue's own":         {"sign: standard-webhooks\nsecret: <<env.WHSEC>>\nheaders: {Headgate-Event: '{{ event.name }}'}", "use: headgate\nunknown_events: accept\nsecret: <<env.WHSEC>>"},
		"the type":                    {"type: standard-webhooks\nsecret: <<env.WHSEC>>", "use: standard-webhooks\nsecret: <<env.WHSEC>>"},
		"rotation, receiver is new":   {"sign: standard-webhooks\nsecrets: [<<env.WHSEC>>, <<env.WHSEC_OLD>>]", "use: standard-webhooks\nsecret: <<env.WHSEC>>"},
		"rotation, receiver is old":   {"sign: standard-webhooks\nsecrets: [<<env.WHSEC>>, <<env.WHSEC_OLD>>]", "use: standard-webhooks\nsecret: <<env.WHSEC_OLD>>"},
		"Ed25519":                     {"sign: standard-webhooks-ed25519\nsecret: <<env.WHSK>>", "use: standard-webhooks-ed25519\nunknown_events: accept\nsecret: <<env.WHPK>>"},
		"Ed25519 as PEM":              {"sign: standard-webhooks-ed25519\nsecret: <<env.ED_PEM>>", "use: standard-webhooks-ed25519\nunknown_events: accept\nsecret: <<env.WHPK>>"},
		"Ed25519 as the bytes in hex": {"sign: {use: standard-webhooks-ed25519, key: raw-hex}\nsecret: <<env.SEED_HEX>>", "use: standard-webhooks-ed25519\nunknown_events: accept\nsecret: <<env.WHPK>>"},
		"Dash":                        {"sign: dash\nsecret: <<env.PLAIN>>", "use: dash\nunknown_events: accept\nsecret: <<env.PLAIN>>"},
		"WebSub":                      {"sign: hub-signature-256\nsecret: <<env.PLAIN>>", "signature: {algorithm: hmac-sha256, header: X-Hub-Signature-256, prefix: 'sha256='}\nsecret: <<env.PLAIN>>\nunknown_events: accept"},
		"CORE":                        {"sign: core\nsecret: <<env.PLAIN>>", "signature: {algorithm: hmac-sha256, header: X-Webhook-Secret}\nevent: {header: X-Webhook-Event}\ndelivery: {header: X-Webhook-Delivery}\nsecret: <<env.PLAIN>>\nunknown_events: accept"},
	} {
		d, p := signed(t, c.destination), receiver(t, c.provider)
		r := build(t, d, Delivery{
			Env: env(t, "{}", nil), Body: map[string]any{"id": "1", "type": "contact.created", "data": map[string]any{"id": "1"}}, HasBody: true,
			IdempotencyKey: "msg_1", Attempt: 1, Now: now,
		})
		got := receive(t, p, r, now)
		if !got.Genuine || got.Verdict == provider.Refused {
			t.Errorf("%s: refused: %+v\n%v\n%s", name, got.Refusal, r.Header, r.Body)
			continue
		}
		r.Body[0]++
		if got := receive(t, p, r, now); got.Verdict != provider.Refused {
			t.Errorf("%s: a changed body is accepted", name)
		}
	}
}

// TestEveryFormThatCanBeSignedCanBeVerified makes rules at random, signs by them and verifies by the rule that a provider would have.
func TestEveryFormThatCanBeSignedCanBeVerified(t *testing.T) {
	t.Parallel()
	pick := func(r *rand.Rand, all ...string) string { return all[r.IntN(len(all))] }
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 1))
		algorithm := pick(r, "hmac-sha256", "hmac-sha1", "hmac-sha512", "digest-sha256", "ed25519")
		signedText := pick(r, "{body}", "{ts}.{body}", "v0:{ts}:{body}", "{method}{url}{body}", "{header:X-Id}.{ts}.{body}", "{pathquery}\\n{ts}{body}", "{query:a}{body|sha256|hex}{ts}")
		secretName, key := "PLAIN", ""
		switch algorithm {
		case "digest-sha256":
			signedText = "{secret}" + signedText
		case "ed25519":
			secretName = "ED_PEM"
		default:
			if pick(r, "utf8", "base64") == "base64" {
				secretName, key = "WHSEC", ", key: base64, strip: whsec_"
			}
		}
		split := pick(r, "", ", split: ' '", ", split: ','")
		stamp := pick(r, "", "{header: X-Time}", "{header: X-Time, unit: ms}", "{header: X-Time, unit: rfc3339}")
		if split == ", split: ','" && strings.Contains(signedText, "{ts}") {
			stamp = "{from: 'sig:t='}"
		}
		if strings.Contains(signedText, "{ts}") != (stamp != "") {
			if stamp = "{header: X-Time}"; !strings.Contains(signedText, "{ts}") {
				stamp = ""
			}
		}
		prefix := pick(r, "", ", prefix: 'sha256='", ", prefix: 'v1='")
		if prefix == "" && stamp == "{from: 'sig:t='}" {
			prefix = ", prefix: 'v1='" // beside a time a signature needs a name
		}
		rule := fmt.Sprintf("{algorithm: %s, header: X-Sig, encoding: %s, signed: \"%s\"%s%s%s", algorithm, pick(r, "hex", "base64", "base64url"), signedText, prefix, key, split)
		sender := "secret: <<env." + secretName + ">>\nsign: " + rule
		checker := "signature: " + rule + "}\nsecret: <<env." + secretName + ">>\nunknown_events: accept\npublic_url: https://api.example.com/in"
		if stamp != "" {
			sender += ", timestamp: " + stamp
			checker += "\ntimestamp: " + stamp
		}
		sender += ", headers: {X-Id: '{{ delivery.id }}'}}"

		now := time.Unix(1_700_000_000+int64(seed), 0)
		body := make([]byte, r.IntN(200)+1)
		for i := range body {
			body[i] = byte(r.IntN(256))
		}
		req := build(t, signed(t, sender), Delivery{Raw: body, RawType: "application/octet-stream", IdempotencyKey: "msg_1", Attempt: 1, Now: now})
		p := receiver(t, checker)
		if got := receive(t, p, req, now); !got.Genuine {
			t.Errorf("%s\n%s\nrefused: %+v\n%v", sender, checker, got.Refusal, req.Header)
		}
		req.Body[0] ^= 1
		if got := receive(t, p, req, now); got.Genuine {
			t.Errorf("%s: a changed body is genuine", sender)
		}
	}
}

func TestAFormWithRoomForOneSignatureSendsThatOfTheFirstSecret(t *testing.T) {
	t.Parallel()
	one := build(t, signed(t, "sign: dash\nsecret: <<env.PLAIN>>"), Delivery{Body: "x", HasBody: true})
	two := build(t, signed(t, "sign: dash\nsecrets: [<<env.PLAIN>>, <<env.OLD>>]"), Delivery{Body: "x", HasBody: true})
	if a, b := one.Header.Get("X-Dash-Signature"), two.Header.Get("X-Dash-Signature"); a != b || a == "" {
		t.Errorf("got %q and %q, want the same", a, b)
	}
	list := build(t, signed(t, "sign: {algorithm: hmac-sha256, header: X-Sig, split: ',', prefix: 'v1=', signed: '{ts}.{body}', timestamp: {from: 'sig:t='}}\nsecrets: [<<env.PLAIN>>, <<env.OLD>>]"),
		Delivery{Body: "x", HasBody: true, Now: time.Unix(7, 0)})
	items := strings.Split(list.Header.Get("X-Sig"), ",")
	if len(items) != 3 || items[0] != "t=7" || !strings.HasPrefix(items[1], "v1=") || !strings.HasPrefix(items[2], "v1=") || items[1] == items[2] {
		t.Errorf("got %q, want one time and two signatures", items)
	}
}

func TestWrongFormsOfSignaturesAreFound(t *testing.T) {
	t.Parallel()
	const rule = "secret: <<env.PLAIN>>\nsign: "
	for _, c := range []struct{ yaml, want string }{
		{"sign: standard-webhooks", "error[missing-key]: there is no `secret` to sign with"},
		{"sign: standard-webhooks\nsecret: abc", "error[literal-secret]"},
		{"sign: standard-webhooks\nsecret: <<env.EMPTY>>", "error[empty-secret]"},
		{"sign: standard-webhooks\nsecret: <<env.NOT_BASE64>>", "error[bad-signature]: the secret is not base64"},
		{"sign: standard-webhooks-ed25519\nsecret: <<env.WHPK>>", "error[bad-signature]"},
		{"sign: standard-webhook\nsecret: <<env.WHSEC>>", "error[bad-value]: there is no form of signatures `standard-webhook`; did you mean `standard-webhooks`?"},
		{"sign: 5\nsecret: <<env.WHSEC>>", "error[wrong-type]: `sign` takes a name or a map, not an integer"},
		{"secret: <<env.WHSEC>>", "error[bad-value]: the secret is used by nothing"},
		{"sign: dash\nsecret: <<env.PLAIN>>\nsecrets: [<<env.OLD>>]", "error[bad-value]: `secret` and `secrets` say the same thing"},
		{rule + "{algorithm: hmac-sha256}", "error[missing-key]: the key `header` is missing in `sign`"},
		{rule + "{header: X-Sig}", "error[missing-key]: the key `algorithm` is missing in `sign`"},
		{rule + "{use: dash, algoritm: x}", "error[unknown-key]: unknown key `algoritm` in `sign`; did you mean `algorithm`?"},
		{rule + "{use: dahs}", "error[bad-value]: `sign.use` cannot be `dahs`; did you mean `dash`?"},
		{rule + "{algorithm: sha256, header: X-Sig}", "error[unknown-algorithm]"},
		{rule + "{algorithm: none, header: X-Sig}", "error[bad-signature]: requests cannot be signed with none"},
		{rule + "{algorithm: jwt-hs256, header: X-Sig}", "error[bad-signature]: requests cannot be signed with jwt-hs256"},
		{rule + "{algorithm: hmac-sha256, header: X-Sig, signed: '{ts}.{body}'}", "error[bad-signature]: {ts} is named, but nothing says where the timestamp stands"},
		{rule + "{algorithm: hmac-sha256, header: X-Sig, signed: '{bdy}'}", "error[unknown-source]"},
		{rule + "{algorithm: hmac-sha256, header: X-Sig, signed: 'x'}", "error[bad-signature]: nothing of the request is signed"},
		{rule + "{algorithm: hmac-sha256, header: X-Sig, timestamp: {from: 'json:time'}}", "error[bad-signature]: a time cannot be sent as `json:time`"},
		{rule + "{algorithm: hmac-sha256, header: X-Sig, encoding: base63}", "error[bad-signature]: there is no encoding"},
		{rule + "{algorithm: hmac-sha256, header: Host}", "error[bad-header]: the header `Host` is set by the connection"},
		{rule + "{algorithm: hmac-sha256, header: X-Sig, prefix: <<env.PLAIN>>}", "error[reference-not-allowed]"},
		{rule + "{algorithm: hmac-sha256, header: X-Sig}\nheaders: {x-sig: a}", "error[bad-header]: the header `X-Sig` holds the signature and stands in `headers` or `auth` too"},
		{rule + "{algorithm: hmac-sha256, header: X-Sig, headers: {X-A: '{{ nope }}'}}", "error[unknown-name]"},
		{"type: pagerduty\nurl: https://events.example.com", "error[missing-key]: the type `pagerduty` needs `secret`, which messages hold as `routing_key`"},
		{"type: pagerduty\nurl: https://events.example.com\nsecrets: [<<env.PLAIN>>, <<env.OLD>>]", "error[bad-value]: messages of the type `pagerduty` hold one secret"},
	} {
		yaml := c.yaml
		if !strings.Contains(yaml, "url:") {
			yaml = "url: https://api.example.com/in\n" + yaml
		}
		doc, out := document(t, yaml, manifest.Options{Env: keyring})
		d := Compile(doc, script.Scope{}, out, Options{})
		var lines []string
		for _, f := range out.Sorted() {
			lines = append(lines, f.String())
		}
		text := strings.Join(lines, "\n")
		if d != nil || out.Count(diag.Error) != 1 || !strings.Contains(text, c.want) || strings.Contains(text, "canary") || strings.Contains(text, "presets/") {
			t.Errorf("%s\ngot  %s\nwant %s", c.yaml, text, c.want)
		}
	}
}

func TestWhatIsOnlyCheckedIsSignedWithAMadeUpKey(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"standard-webhooks", "standard-webhooks-ed25519", "dash", "{algorithm: hmac-sha256, header: X-Sig, key: hex}"} {
		doc, out := document(t, "url: https://api.example.com/in\nsecret: <<env.X>>\nsign: "+form, manifest.Options{NoEnv: true})
		d := Compile(doc, script.Scope{}, out, Options{})
		if d == nil || out.Len() > 0 {
			t.Errorf("%s: %v", form, out.Sorted())
			continue
		}
		r := build(t, d, Delivery{Body: "x", HasBody: true, IdempotencyKey: "msg_1"})
		if r.Header.Get(d.sign.header) == "" {
			t.Errorf("%s: %v holds no signature", form, r.Header)
		}
	}
}

func TestWhatCannotBeSignedIsNotSent(t *testing.T) {
	t.Parallel()
	d := signed(t, "secret: <<env.PLAIN>>\nsign: {algorithm: hmac-sha256, header: X-Sig, signed: '{json:id}'}")
	if _, err := d.Build(t.Context(), Delivery{Body: map[string]any{"id": "1"}, HasBody: true}); err != nil {
		t.Error(err)
	}
	_, err := d.Build(t.Context(), Delivery{Body: map[string]any{"id": map[string]any{"canary": true}}, HasBody: true})
	if fault.Code(err) != CodeNotSigned || strings.Contains(fmt.Sprintf("%+v", err), "canary") {
		t.Errorf("got %v, want %s", err, CodeNotSigned)
	}
}

func TestPrivateKeysInPEMAreTheSameKey(t *testing.T) {
	t.Parallel()
	block, _ := pem.Decode([]byte(ed25519PEM(edKey().Seed())))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil || !key.(ed25519.PrivateKey).Equal(edKey()) {
		t.Errorf("got %v, %v", key, err)
	}
}

func TestEveryFormCompilesAndSaysWhatItIs(t *testing.T) {
	t.Parallel()
	forms := Forms()
	if len(forms) < 6 {
		t.Fatalf("got %d forms", len(forms))
	}
	for i, f := range forms {
		if f.Doc == "" || embedded().forms()[i] != f.Name {
			t.Errorf("%s: says %q; the names are %v", f.Name, f.Doc, embedded().forms())
		}
		key := map[string]string{"standard-webhooks": "WHSEC", "standard-webhooks-ed25519": "WHSK"}[f.Name]
		if key == "" {
			key = "PLAIN"
		}
		r := build(t, signed(t, "sign: "+f.Name+"\nsecret: <<env."+key+">>"), Delivery{Env: env(t, "{}", nil), IdempotencyKey: "msg_1", Attempt: 1})
		if len(r.Header) < 5 {
			t.Errorf("%s: got %v", f.Name, r.Header)
		}
	}
}
