package signature

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/url"
)

// function is one word of the language that turns bytes into bytes.
type function struct {
	name string
	doc  string
	// keyed functions use the provider's first secret, so they may stand in signed strings only.
	keyed bool
	// binary says that the result is no text, so something must follow where text is needed.
	binary bool
	// apply appends its result to dst; in and dst never overlap. False refuses, as a missing source does.
	apply func(e *env, dst, in []byte) ([]byte, bool)
}

// maxFunctions bounds a chain, and with it how much larger than the request a result can get: 16 times.
const maxFunctions = 4

// functions is the whole list.
func functions() []function {
	return []function{
		{"sha256", "SHA-256, 32 raw bytes", false, true, func(_ *env, dst, in []byte) ([]byte, bool) {
			sum := sha256.Sum256(in)
			return append(dst, sum[:]...), true
		}},
		{"sha1", "SHA-1, 20 raw bytes", false, true, func(_ *env, dst, in []byte) ([]byte, bool) {
			sum := sha1.Sum(in)
			return append(dst, sum[:]...), true
		}},
		{"hmac-sha256", "HMAC-SHA256 with the first secret, 32 raw bytes", true, true, keyed(sha256.New)},
		{"hmac-sha1", "HMAC-SHA1 with the first secret, 20 raw bytes", true, true, keyed(sha1.New)},
		{"hex", "lower-case hexadecimal", false, false, func(_ *env, dst, in []byte) ([]byte, bool) {
			return hex.AppendEncode(dst, in), true
		}},
		{"base64", "base64 with padding", false, false, func(_ *env, dst, in []byte) ([]byte, bool) {
			return base64.StdEncoding.AppendEncode(dst, in), true
		}},
		{"unbase64", "decodes base64", false, true, func(_ *env, dst, in []byte) ([]byte, bool) {
			out, err := base64.StdEncoding.Strict().AppendDecode(dst, in)
			return out, err == nil
		}},
		{"urldecode", "decodes %XX and +", false, false, func(_ *env, dst, in []byte) ([]byte, bool) {
			s, err := url.QueryUnescape(string(in))
			return append(dst, s...), err == nil
		}},
	}
}

func keyed(h func() hash.Hash) func(e *env, dst, in []byte) ([]byte, bool) {
	return func(e *env, dst, in []byte) ([]byte, bool) {
		if len(e.key) == 0 {
			return dst, false
		}
		mac := hmac.New(h, e.key)
		mac.Write(in)
		return mac.Sum(dst), true
	}
}
