package signature

import (
	"crypto/rand"
	"strings"
	"testing"
)

func TestGeneratedSecretsFitTheirRules(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		`{algorithm: hmac-sha256, header: X}`:                                                  "",
		`{algorithm: hmac-sha256, header: X, key: base64, strip: whsec_}`:                      "whsec_",
		`{algorithm: hmac-sha256, header: X, key: base64, strip: ["v1,whsec_", whsec_]}`:       "v1,whsec_",
		`{algorithm: hmac-sha512, header: X, key: hex}`:                                        "",
		`{algorithm: hmac-sha1, header: X, key: sha1}`:                                         "",
		`{algorithm: hmac-sha256, header: X, key: nfkd}`:                                       "",
		`{algorithm: digest-sha256, header: X, signed: "{secret}{body}"}`:                      "",
		`{algorithm: token, header: X}`:                                                        "",
		`{algorithm: token, header: Authorization, prefix: "Basic ", encoding: base64}`:        "webhook:",
		`{algorithm: token, header: Authorization, prefix: ["Basic "], encoding: [base64]}`:    "webhook:",
		`{algorithm: jwt-hs256, header: X}`:                                                    "",
		`{algorithm: ed25519, header: X, key: raw-hex}`:                                        "-----BEGIN PRIVATE KEY-----",
		`{algorithm: ecdsa-sha256, header: X, key: spki-base64}`:                               "-----BEGIN PRIVATE KEY-----",
		`{algorithm: rsa-sha256, header: X, key: x509, fetch: "{header:U}", hosts: [a.b.com]}`: "-----BEGIN PRIVATE KEY-----",
		`{algorithm: jwt-es256, header: X, key: jwks}`:                                         "-----BEGIN PRIVATE KEY-----",
	} {
		yaml = "signature: " + yaml
		var last string
		for range 2 {
			secret, err := GenerateSecret(config(t, yaml).Rules[0], rand.Reader)
			if err != nil {
				t.Fatalf("%s: %v", yaml, err)
			}
			if !strings.HasPrefix(secret, want) || len(secret) < 32 || secret == last {
				t.Errorf("%s: got a secret of %d bytes, want another one each time that begins with %q", yaml, len(secret), want)
			}
			last = secret
		}
		s := scheme(t, yaml, last)
		r := request("{}", "U", "x")
		if err := s.Sign(r); err != nil {
			t.Errorf("%s: signing with it: %v", yaml, err)
		}
		if got := class(s, r); got != "ok" {
			t.Errorf("%s: got %s, want ok", yaml, got)
		}
	}
	if got, err := GenerateSecret(config(t, `signature: {algorithm: none}`).Rules[0], rand.Reader); got != "" || err != nil {
		t.Errorf("for an unsigned provider: got %q %v, want nothing", got, err)
	}
	for _, yaml := range []string{`signature: {header: X}`, `signature: {algorithm: quantum, header: X}`} {
		if _, err := GenerateSecret(config(t, yaml).Rules[0], rand.Reader); err == nil {
			t.Errorf("%s: want an error", yaml)
		}
	}
	if _, err := GenerateSecret(config(t, `signature: {algorithm: token, header: X}`).Rules[0], strings.NewReader("short")); err == nil {
		t.Error("without enough chance: want an error")
	}
}
