package signature

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzSignatureHeader feeds signature headers to rules of every form. Nothing is ever accepted that the secret did not sign.
func FuzzSignatureHeader(f *testing.F) {
	for _, seed := range []string{
		"", "sha256=", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", "t=1492774577,v1=5257a869,v0=6ffbb59b",
		"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,x", ",,,", "t=,v1=", "t=1,t=2,v1=00", strings.Repeat("v1=,", 100), "v1=\xff\xfe", "v1==\r\n=",
		"MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=", "MAYCAQACAQA=", "30060201000201" + "00", strings.Repeat("00", 64),
		"Bearer x", "Basic dXNlcjpwYXNz",
	} {
		f.Add(seed, "1772600767", `{"a":1}`)
	}
	var schemes []*Scheme
	for _, yaml := range []string{
		githubScheme, stripeScheme, slackScheme, standardScheme, shopifyScheme, paddleScheme, circleScheme,
		`signature: {algorithm: hmac-sha512, header: X-Sig, strip_to: "=", encoding: [hex, base64, base64url]}`,
		"signature: {algorithm: hmac-sha1, header: X-Sig, split: \",\", signed: \"{sig:0}{sig:t=?}{ts}{body}\"}\ntimestamp: {from: \"sig:1\", unit: ms}",
		`signature: {algorithm: digest-sha256, header: X-Sig, signed: "{secret}{body}"}`,
		`signature: {algorithm: token, header: X-Sig, prefix: ["Bearer ", "Basic "], encoding: [text, base64]}`,
	} {
		schemes = append(schemes, scheme(f, yaml, "whsec_bm9ib2R5IGd1ZXNzZXMgdGhpcyBzZWNyZXQ="))
	}
	for _, algorithm := range []string{"ed25519", "ecdsa-sha256", "rsa-sha256"} {
		schemes = append(schemes, scheme(f, "signature: {algorithm: "+algorithm+", header: X-Sig, encoding: [hex, base64]}", publicPEM(madeKeys().of(algorithm))))
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
			if m, refusal := s.Verify(t.Context(), r); refusal == nil {
				t.Errorf("%+v accepted %q, timestamp %q, body %q", m, header, ts, body)
			} else if refusal.Class == "" || refusal.Detail == "" {
				t.Errorf("a refusal without class or detail for %q", header)
			}
		}
	})
}

// FuzzJWT feeds tokens to every algorithm. None is accepted, for nobody has the keys; and none is taken apart into something else than
// it says.
func FuzzJWT(f *testing.F) {
	for _, seed := range []string{
		"", "..", "a.b.c", hs256("another", plainHeader, `{"exp":1}`), hs256("", `{"alg":"none"}`, `{}`), b64url(plainHeader) + "..", "eyJhbGciOiJIUzI1NiJ9.e30.",
		hs256("x", `{"alg":"HS256","kid":"a","crit":[]}`, `{"iat":1e400}`), hs256("x", `{"alg":"ES256"}`, `{}`), strings.Repeat(".", 20_000),
	} {
		f.Add(seed)
	}
	var schemes []*Scheme
	for algorithm, secret := range map[string]string{"jwt-hs256": "a secret", "jwt-rs256": publicPEM(madeKeys().rsa), "jwt-es256": jwksOf(webKeyOf(madeKeys().ecdsa, "a"))} {
		yaml := "signature: {algorithm: " + algorithm + ", header: X-Sig}"
		if algorithm == "jwt-es256" {
			yaml = strings.Replace(yaml, "}", ", key: jwks}", 1)
		}
		schemes = append(schemes, scheme(f, yaml, secret))
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, s := range schemes {
			if m, refusal := s.Verify(t.Context(), request("{}", "X-Sig", token)); refusal == nil {
				t.Errorf("%+v accepted %q", m, token)
			}
			parsed, err := s.rules[0].tokens.parse(token, s.rules[0].algorithm.jwt)
			if err != nil {
				continue
			}
			again := string(parsed.input) + "." + b64url(string(parsed.signature))
			if again != token {
				t.Errorf("%q was read as %q", token, again)
			}
		}
	})
}

// FuzzKeys decodes any text in every form of a key. What is taken for a key of an algorithm can be asked to check.
func FuzzKeys(f *testing.F) {
	k := madeKeys()
	for _, seed := range []string{
		"", "secret", "00ff", "AAEC_w==", publicPEM(k.rsa), publicPEM(k.ed), privatePEM(k.ecdsa), pemOf("CERTIFICATE", certify(k.ecdsa)), "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
		jwksOf(webKeyOf(k.rsa, "a"), webKeyOf(k.ed, "b")), `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`, `{"kty":"EC","crv":"P-256","x":"","y":""}`, `{"keys":{}}`, `[]`,
		"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==",
	} {
		f.Add(seed)
	}
	body := scheme(f, githubScheme, "x").rules[0].signed[0]
	f.Fuzz(func(t *testing.T, text string) {
		for _, form := range keyForms() {
			keys, err := form.keys(text)
			if err != nil {
				continue
			}
			for _, found := range keys {
				if (found.public == nil) == (len(form.families) == 1 && form.families[0] == public) {
					t.Errorf("%s made a key of the wrong kind of %q", form.name, text)
				}
				for _, a := range algorithms() {
					if a.key == nil || (found.public == nil) != (a.family != public) {
						continue
					}
					check, err := a.key(found)
					if err != nil {
						continue
					}
					c := &call{}
					c.env.items, c.env.req = c.items[:], request("{}")
					c.sigs = make([]byte, a.max)
					c.ends[0], c.count = a.max, 1
					if ok, _ := check.check(body, c); ok {
						t.Errorf("%s: a key of %q accepts zeros", a.name, text)
					}
				}
			}
		}
	})
}
