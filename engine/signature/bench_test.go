package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strings"
	"testing"
)

const benchSecret = "whsec_bm9ib2R5IGd1ZXNzZXMgdGhpcyBzZWNyZXQ="

// BenchmarkBare is the crypto call that nobody can do without, over the same 10 KB as BenchmarkVerify.
func BenchmarkBare(b *testing.B) {
	body := []byte(benchBody())
	k := madeKeys()
	run := func(name string, check func() bool) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if !check() {
					b.Fatal("the bare check failed")
				}
			}
		})
	}
	for _, h := range []struct {
		name string
		hash func() hash.Hash
	}{{"hmac-sha256", sha256.New}, {"hmac-sha1", sha1.New}, {"hmac-sha512", sha512.New}} {
		header := hex.EncodeToString(macOf(h.hash, benchSecret, string(body)))
		run(h.name, func() bool {
			m := hmac.New(h.hash, []byte(benchSecret))
			m.Write(body)
			got, err := hex.DecodeString(header)
			return err == nil && hmac.Equal(m.Sum(nil), got)
		})
	}
	text := append([]byte(benchSecret), body...)
	want256, want1 := sha256.Sum256(text), sha1.Sum(text)
	run("digest-sha256", func() bool {
		sum := sha256.Sum256(text)
		return subtle.ConstantTimeCompare(sum[:], want256[:]) == 1
	})
	run("digest-sha1", func() bool {
		sum := sha1.Sum(text)
		return subtle.ConstantTimeCompare(sum[:], want1[:]) == 1
	})
	ed := hashed(k.ed, 0, body)
	run("ed25519", func() bool { return ed25519.Verify(k.ed.Public().(ed25519.PublicKey), body, ed) })
	ec := hashed(k.ecdsa, crypto.SHA256, sumOf(sha256.New, body))
	run("ecdsa-sha256", func() bool {
		sum := sha256.Sum256(body)
		return ecdsa.VerifyASN1(&k.ecdsa.PublicKey, sum[:], ec)
	})
	rs := hashed(k.rsa, crypto.SHA256, sumOf(sha256.New, body))
	run("rsa-sha256", func() bool {
		sum := sha256.Sum256(body)
		return rsa.VerifyPKCS1v15(&k.rsa.PublicKey, crypto.SHA256, sum[:], rs) == nil
	})
	r1 := hashed(k.rsa, crypto.SHA1, sumOf(sha1.New, body))
	run("rsa-sha1", func() bool {
		sum := sha1.Sum(body)
		return rsa.VerifyPKCS1v15(&k.rsa.PublicKey, crypto.SHA1, sum[:], r1) == nil
	})
	// A JWT that binds the body: the token's signature and the body's hash.
	input := b64url(plainHeader) + "." + b64url(`{"iat":1772600767,"exp":1772601067,"sha256":"`+hex.EncodeToString(sumOf(sha256.New, body))+`"}`)
	bodySum := sha256.Sum256(body)
	jwtSum := macOf(sha256.New, benchSecret, input)
	run("jwt-hs256", func() bool {
		m := hmac.New(sha256.New, []byte(benchSecret))
		m.Write([]byte(input))
		sum := sha256.Sum256(body)
		return hmac.Equal(m.Sum(nil), jwtSum) && sum == bodySum
	})
	jwtRSA := hashed(k.rsa, crypto.SHA256, sumOf(sha256.New, []byte(input)))
	run("jwt-rs256", func() bool {
		hashed, sum := sha256.Sum256([]byte(input)), sha256.Sum256(body)
		return rsa.VerifyPKCS1v15(&k.rsa.PublicKey, crypto.SHA256, hashed[:], jwtRSA) == nil && sum == bodySum
	})
	jwtEC := hashed(k.ecdsa, crypto.SHA256, sumOf(sha256.New, []byte(input)))
	run("jwt-es256", func() bool {
		hashed, sum := sha256.Sum256([]byte(input)), sha256.Sum256(body)
		return ecdsa.VerifyASN1(&k.ecdsa.PublicKey, hashed[:], jwtEC) && sum == bodySum
	})
	basic := base64.StdEncoding.EncodeToString([]byte(benchSecret))
	run("token", func() bool { return subtle.ConstantTimeCompare([]byte(basic), []byte(basic)) == 1 })
}

func benchBody() string { return `{"text":"` + strings.Repeat("x", 10_000) + `"}` }

// BenchmarkVerify sets each kind of check beside the bare crypto call of its algorithm.
func BenchmarkVerify(b *testing.B) {
	k := madeKeys()
	jwt := ", header: X-Sig, require: {\"{claim:sha256}\": \"{body|sha256|hex}\"}}"
	for _, f := range []struct{ name, yaml, secret string }{
		{"hmac-sha256/plain", githubScheme, benchSecret},
		{"hmac-sha256/base64", shopifyScheme, benchSecret},
		{"hmac-sha256/timestamp", slackScheme, benchSecret},
		{"hmac-sha256/list", stripeScheme, benchSecret},
		{"hmac-sha256/id-and-list", standardScheme, benchSecret},
		{"hmac-sha256/url", squareScheme, benchSecret},
		{"hmac-sha1/plain", `signature: {algorithm: hmac-sha1, header: X-Sig}`, benchSecret},
		{"hmac-sha512/plain", `signature: {algorithm: hmac-sha512, header: X-Sig}`, benchSecret},
		{"digest-sha256/plain", `signature: {algorithm: digest-sha256, header: X-Sig, signed: "{secret}{body}"}`, benchSecret},
		{"digest-sha1/plain", `signature: {algorithm: digest-sha1, header: X-Sig, signed: "{secret}{body}"}`, benchSecret},
		{"ed25519/timestamp", "signature: {algorithm: ed25519, header: X-Sig, signed: \"{ts}{body}\"}\ntimestamp: {header: X-At}", privatePEM(k.ed)},
		{"ecdsa-sha256/timestamp", "signature: {algorithm: ecdsa-sha256, header: X-Sig, signed: \"{ts}{body}\"}\ntimestamp: {header: X-At}", privatePEM(k.ecdsa)},
		{"rsa-sha256/plain", `signature: {algorithm: rsa-sha256, header: X-Sig}`, privatePEM(k.rsa)},
		{"rsa-sha1/plain", `signature: {algorithm: rsa-sha1, header: X-Sig}`, privatePEM(k.rsa)},
		{"jwt-hs256/body", `signature: {algorithm: jwt-hs256` + jwt, benchSecret},
		{"jwt-rs256/body", `signature: {algorithm: jwt-rs256` + jwt, privatePEM(k.rsa)},
		{"jwt-es256/body", `signature: {algorithm: jwt-es256` + jwt, privatePEM(k.ecdsa)},
		{"token/plain", `signature: {algorithm: token, header: X-Token}`, benchSecret},
		{"token/basic", `signature: {algorithm: token, header: Authorization, prefix: "Basic ", encoding: base64}`, benchSecret},
	} {
		b.Run(f.name, func(b *testing.B) {
			s := scheme(b, f.yaml, f.secret)
			r := request(benchBody(), "Webhook-Id", "msg_1")
			r.URL = mutationURL
			if err := s.Sign(r); err != nil {
				b.Fatal(err)
			}
			ctx := b.Context()
			b.SetBytes(int64(len(r.Body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, refusal := s.Verify(ctx, r); refusal != nil {
					b.Fatal(refusal)
				}
			}
		})
	}
}

// TestHMACsAreCheckedWithoutAllocating holds the most common schemes to what they cost.
func TestHMACsAreCheckedWithoutAllocating(t *testing.T) {
	for name, yaml := range map[string]string{"github": githubScheme, "slack": slackScheme, "stripe": stripeScheme, "standard": standardScheme, "token": `signature: {algorithm: token, header: X}`} {
		s := scheme(t, yaml, benchSecret)
		r := request(benchBody(), "Webhook-Id", "msg_1")
		if err := s.Sign(r); err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		if n := testing.AllocsPerRun(200, func() { s.Verify(ctx, r) }); n > 0 && !underRace {
			t.Errorf("%s: %.1f allocations a request, want none", name, n)
		}
	}
}
