package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
)

// testKeys are private keys that are made once.
type testKeys struct {
	rsa   *rsa.PrivateKey
	ecdsa *ecdsa.PrivateKey
	ed    ed25519.PrivateKey
}

var madeKeys = sync.OnceValue(func() testKeys {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	return testKeys{rsa: must(rsa.GenerateKey(rand.Reader, 2048)), ecdsa: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), ed: must(ed, err)}
})

func (k testKeys) of(algorithm string) crypto.Signer {
	switch {
	case strings.HasPrefix(algorithm, "rsa"), algorithm == "jwt-rs256":
		return k.rsa
	case algorithm == "ed25519":
		return k.ed
	}
	return k.ecdsa
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func privatePEM(k crypto.Signer) string {
	return pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(k)))
}

func publicPEM(k crypto.Signer) string {
	return pemOf("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(k.Public())))
}

// certify makes a certificate that is good from an hour before now to an hour after.
func certify(k crypto.Signer) []byte {
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	return must(x509.CreateCertificate(rand.Reader, c, c, k.Public(), k))
}

// webKeyOf gives the public half as a JWK.
func webKeyOf(k crypto.Signer, id string) map[string]any {
	url := base64.RawURLEncoding.EncodeToString
	out := map[string]any{}
	switch p := k.Public().(type) {
	case *rsa.PublicKey:
		out = map[string]any{"kty": "RSA", "n": url(p.N.Bytes()), "e": url(big.NewInt(int64(p.E)).Bytes())}
	case *ecdsa.PublicKey:
		point := must(p.Bytes())
		out = map[string]any{"kty": "EC", "crv": "P-256", "x": url(point[1:33]), "y": url(point[33:])}
	case ed25519.PublicKey:
		out = map[string]any{"kty": "OKP", "crv": "Ed25519", "x": url(p)}
	}
	if id != "" {
		out["kid"] = id
	}
	return out
}

func jwksOf(keys ...map[string]any) string {
	return string(must(json.Marshal(map[string]any{"keys": keys})))
}

func TestPublicKeysInEveryForm(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"rsa-sha1", "rsa-sha256", "ecdsa-sha256", "ed25519"} {
		k := madeKeys().of(algorithm)
		spki := must(x509.MarshalPKIXPublicKey(k.Public()))
		forms := map[string][]string{
			"pem": {
				publicPEM(k), pemOf("CERTIFICATE", certify(k)), privatePEM(k), strings.ReplaceAll(publicPEM(k), "\n", `\n`),
				"some words before\n" + publicPEM(k), strings.ReplaceAll(publicPEM(k), "\n", "\r\n"),
			},
			"spki-base64": {base64.StdEncoding.EncodeToString(spki), base64.RawURLEncoding.EncodeToString(spki), publicPEM(k), privatePEM(k)},
			"x509":        {pemOf("CERTIFICATE", certify(k)), base64.StdEncoding.EncodeToString(certify(k)), privatePEM(k)},
			"jwks":        {jwksOf(webKeyOf(k, "")), jwksOf(webKeyOf(k, "a"), webKeyOf(madeKeys().ecdsa, "b")), string(must(json.Marshal(webKeyOf(k, "a")))), privatePEM(k)},
		}
		var raw []byte
		switch p := k.Public().(type) {
		case ed25519.PublicKey:
			raw = p
		case *ecdsa.PublicKey:
			raw = must(p.Bytes())
		case *rsa.PublicKey:
			der := x509.MarshalPKCS1PublicKey(p)
			forms["pem"] = append(forms["pem"], pemOf("RSA PUBLIC KEY", der), pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(madeKeys().rsa)))
		}
		if raw != nil {
			forms["raw-hex"] = []string{hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), privatePEM(k)}
			forms["raw-base64"] = []string{base64.StdEncoding.EncodeToString(raw), "whpk_" + base64.RawURLEncoding.EncodeToString(raw), privatePEM(k)}
		}
		if e, ok := k.(*ecdsa.PrivateKey); ok {
			forms["pem"] = append(forms["pem"], pemOf("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(e))))
		}
		r := request(`{"a":1}`)
		if err := scheme(t, "signature: {algorithm: "+algorithm+", header: X-Sig}", privatePEM(k)).Sign(r); err != nil {
			t.Fatal(err)
		}
		other := request(`{"a":1}`, "X-Sig", r.Header.Get("X-Sig"))
		other.Body = []byte(`{"a":2}`)
		for form, secrets := range forms {
			for i, secret := range secrets {
				s := scheme(t, "signature: {algorithm: "+algorithm+", header: X-Sig, strip: whpk_, key: "+form+"}", secret)
				if got := detail(t, s, r); got != "ok" {
					t.Errorf("%s, %s %d: got %s, want ok", algorithm, form, i, got)
				}
				if got := class(s, other); got != "invalid_signature" {
					t.Errorf("%s, %s %d, another body: got %s, want invalid_signature", algorithm, form, i, got)
				}
			}
		}
	}
}

func TestWeakAndWrongKeysAreRefusedAtLoad(t *testing.T) {
	t.Parallel()
	short := must(rsa.GenerateKey(rand.Reader, 1024)) //nolint:gosec // to be refused
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	k := madeKeys()
	for _, test := range []struct{ rule, secret, want string }{
		{"algorithm: rsa-sha256", publicPEM(short), "the RSA key has 1024 bits; fewer than 2048 can be broken"},
		{"algorithm: jwt-rs256", privatePEM(short), "the RSA key has 1024 bits"},
		{"algorithm: rsa-sha256", publicPEM(k.ecdsa), "the key is no RSA key"},
		{"algorithm: ecdsa-sha256", publicPEM(p384), "the key is no ECDSA key on P-256"},
		{"algorithm: jwt-es256", publicPEM(k.ed), "the key is no ECDSA key on P-256"},
		{"algorithm: ed25519", publicPEM(k.rsa), "the key is no Ed25519 key"},
		{"algorithm: ed25519", "MCowBQYDK2VwAyEA", "the secret is not a public key or a certificate in PEM"},
		{"algorithm: ed25519, key: raw-hex", "00ff", "the secret is not the bytes of a public key in hexadecimal"},
		{"algorithm: ed25519, key: raw-base64", "AAAA", "the secret is not the bytes of a public key in base64"},
		{"algorithm: ed25519, key: spki-base64", "!!", "the secret is not a public key as base64 of its SubjectPublicKeyInfo"},
		{"algorithm: rsa-sha256, key: x509", "AAAA", "the secret is not a certificate in PEM, or in base64"},
		{"algorithm: rsa-sha256, key: jwks", `{"keys":[]}`, "the secret is not a JWKS"},
		{"algorithm: rsa-sha256, key: jwks", `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`, "the secret is not a JWKS"},
		{"algorithm: rsa-sha256, key: jwks", jwksOf(webKeyOf(k.ed, "a")), "the key is no RSA key"},
		{"algorithm: rsa-sha256", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "the secret is not a public key"},
		{"algorithm: rsa-sha256", pemOf("PUBLIC KEY", []byte("nonsense")), "the secret is not a public key"},
	} {
		var out diag.List
		s := Compile(config(t, "signature: {header: X, "+test.rule+"}", test.secret), &out)
		if s != nil || !out.HasErrors() {
			t.Errorf("%s: was compiled, want %q", test.rule, test.want)
			continue
		}
		if got := out.Sorted()[0].String(); !strings.Contains(got, test.want) || strings.Contains(got, "BEGIN") {
			t.Errorf("%s: got %s, want %q", test.rule, got, test.want)
		}
	}
}

func TestCertificatesHaveTheirTime(t *testing.T) {
	t.Parallel()
	k := madeKeys().rsa
	s := scheme(t, `signature: {algorithm: rsa-sha256, header: X-Sig, key: x509}`, pemOf("CERTIFICATE", certify(k)))
	r := request("{}")
	if err := scheme(t, `signature: {algorithm: rsa-sha256, header: X-Sig}`, privatePEM(k)).Sign(r); err != nil {
		t.Fatal(err)
	}
	for off, want := range map[time.Duration]string{
		0: "ok", 59 * time.Minute: "ok", -59 * time.Minute: "ok",
		61 * time.Minute:  "invalid_signature: the certificate ended at 2026-03-04T06:06:07Z",
		-61 * time.Minute: "invalid_signature: the certificate begins at 2026-03-04T04:06:07Z",
	} {
		other := *r
		other.Now = now.Add(off)
		if got := detail(t, s, &other); got != want {
			t.Errorf("%s later: got %s, want %s", off, got, want)
		}
	}
}

func TestKeyFormsOfSharedSecrets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ form, secret, key string }{
		{"utf8", "clé", "clé"},
		{"base64", "AAEC_w", "\x00\x01\x02\xff"},
		{"base64", "AAEC/w==", "\x00\x01\x02\xff"},
		{"hex", "000102FF", "\x00\x01\x02\xff"},
		{"sha1", "private", string(sumOf(sha1New, []byte("private")))},
		{"nfkd", "ﬁn é", "fin e\u0301"},
	} {
		s := scheme(t, "signature: {algorithm: hmac-sha256, header: X-Sig, key: "+test.form+"}", test.secret)
		r := request("{}", "X-Sig", hex.EncodeToString(macOf(sha256New, test.key, "{}")))
		if got := detail(t, s, r); got != "ok" {
			t.Errorf("%s of %q: got %s, want ok", test.form, test.secret, got)
		}
	}
	// A digest's {secret} is what the form makes of it.
	s := scheme(t, `signature: {algorithm: digest-sha1, header: X-Sig, key: hex, signed: "{secret}&{body}"}`, "6b6579")
	if got := detail(t, s, request("{}", "X-Sig", hex.EncodeToString(sumOf(sha1New, []byte("key&{}"))))); got != "ok" {
		t.Errorf("a digest with a key in hex: got %s, want ok", got)
	}
}

func mustECDSA() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }
