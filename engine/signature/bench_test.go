package signature

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"
	"testing"
)

// BenchmarkVerify sets each kind of check beside the bare crypto call over the same 10 KB.
func BenchmarkVerify(b *testing.B) {
	body := `{"text":"` + strings.Repeat("x", 10_000) + `"}`
	const secret = "whsec_bm9ib2R5IGd1ZXNzZXMgdGhpcyBzZWNyZXQ="
	bare := func(h func() hash.Hash) func(b *testing.B) {
		return func(b *testing.B) {
			sum := mac(h, secret, body)
			header, raw := hex.EncodeToString(sum), []byte(body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				m := hmac.New(h, []byte(secret))
				m.Write(raw)
				got, err := hex.DecodeString(header)
				if err != nil || !hmac.Equal(m.Sum(nil), got) {
					b.Fatal("the bare check failed")
				}
			}
		}
	}
	b.Run("bare/hmac-sha256", bare(sha256.New))
	b.Run("bare/hmac-sha1", bare(sha1.New))
	b.Run("bare/hmac-sha512", bare(sha512.New))
	for _, f := range []struct{ name, yaml string }{
		{"plain/hmac-sha256", githubScheme},
		{"plain/hmac-sha1", `signature: {algorithm: hmac-sha1, header: X-Sig}`},
		{"plain/hmac-sha512", `signature: {algorithm: hmac-sha512, header: X-Sig}`},
		{"base64/hmac-sha256", shopifyScheme},
		{"timestamp/hmac-sha256", slackScheme},
		{"list/hmac-sha256", stripeScheme},
		{"id-and-list/hmac-sha256", standardScheme},
	} {
		b.Run(f.name, func(b *testing.B) {
			s := scheme(b, f.yaml, secret)
			r := request(body, "Webhook-Id", "msg_1")
			if err := s.Sign(r); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, refusal := s.Verify(r); refusal != nil {
					b.Fatal(refusal)
				}
			}
		})
	}
}
