package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"hash"
	"math/big"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// form is one way in which genuine requests are signed, by code that shares nothing with the package.
type form struct {
	name, yaml string
	// header holds the signature, split separates its items.
	header, split string
	hex           bool
	// loose says that the body is not bound, as with a bare token.
	loose bool
	keys  func(rng *mathrand.Rand) keyPair
	// sign gives the headers for a body at a time.
	sign func(k keyPair, body []byte, at time.Time, id string) http.Header
}

// keyPair is a key as the manifest has it, how the sender signs with it, and another one of the same kind.
type keyPair struct {
	secret string
	raw    func(message []byte) []byte
	wrong  func() keyPair
	// confused signs with the same key and another algorithm, nil where there is none that the key could be used for.
	confused func(message []byte) []byte
}

func macOf(h func() hash.Hash, key, signed string) []byte {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(signed))
	return m.Sum(nil)
}

func sumOf(h func() hash.Hash, text []byte) []byte {
	s := h()
	s.Write(text)
	return s.Sum(nil)
}

// sharedKeys makes keys of a random text.
func sharedKeys(sign func(secret string, message []byte) []byte) func(rng *mathrand.Rand) keyPair {
	var of func(secret string) keyPair
	of = func(secret string) keyPair {
		return keyPair{
			secret: secret, raw: func(message []byte) []byte { return sign(secret, message) },
			confused: func(message []byte) []byte {
				other := map[int]func() hash.Hash{20: sha256.New, 32: sha512.New, 64: sha1.New}[len(sign(secret, message))]
				if other == nil {
					other = sha256.New
				}
				return macOf(other, secret, string(message))
			},
			wrong: func() keyPair { return of(secret[:len(secret)-1]) },
		}
	}
	return func(rng *mathrand.Rand) keyPair { return of(fmt.Sprintf("secret-%x-%x", rng.Uint64(), rng.Uint64())) }
}

// remembered makes each signature once.
func remembered(sign func(message []byte) []byte) func(message []byte) []byte {
	var known sync.Map
	return func(message []byte) []byte {
		if sum, ok := known.Load(string(message)); ok {
			return sum.([]byte)
		}
		sum := sign(message)
		known.Store(string(message), sum)
		return sum
	}
}

// privateKeys makes keys out of two pairs that are made once.
func privateKeys(make func() crypto.Signer, sign, confused func(k crypto.Signer, message []byte) []byte) func(*mathrand.Rand) keyPair {
	once := sync.OnceValue(func() [2]keyPair {
		var out [2]keyPair
		for i := range out {
			k := make()
			der, err := x509.MarshalPKIXPublicKey(k.Public())
			if err != nil {
				panic(err) // the library made the key
			}
			out[i] = keyPair{
				secret: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
				raw:    remembered(func(message []byte) []byte { return sign(k, message) }),
			}
			if confused != nil {
				out[i].confused = remembered(func(message []byte) []byte { return confused(k, message) })
			}
		}
		out[0].wrong = func() keyPair { return out[1] }
		return out
	})
	return func(*mathrand.Rand) keyPair { return once()[0] }
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func hashed(k crypto.Signer, h crypto.Hash, sum []byte) []byte {
	return must(k.Sign(rand.Reader, sum, h))
}

// kinds are the algorithms with independent signers.
func kinds() []struct {
	name string
	keys func(*mathrand.Rand) keyPair
} {
	with256 := func(k crypto.Signer, m []byte) []byte { return hashed(k, crypto.SHA256, sumOf(sha256.New, m)) }
	with1 := func(k crypto.Signer, m []byte) []byte { return hashed(k, crypto.SHA1, sumOf(sha1.New, m)) }
	newRSA := func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) }
	hmacs := func(h func() hash.Hash) func(*mathrand.Rand) keyPair {
		return sharedKeys(func(secret string, m []byte) []byte { return macOf(h, secret, string(m)) })
	}
	digests := func(h func() hash.Hash) func(*mathrand.Rand) keyPair {
		return sharedKeys(func(secret string, m []byte) []byte { return sumOf(h, append([]byte(secret), m...)) })
	}
	return []struct {
		name string
		keys func(*mathrand.Rand) keyPair
	}{
		{"hmac-sha256", hmacs(sha256.New)},
		{"hmac-sha1", hmacs(sha1.New)},
		{"hmac-sha512", hmacs(sha512.New)},
		{"digest-sha256", digests(sha256.New)},
		{"digest-sha1", digests(sha1.New)},
		{"ed25519", privateKeys(
			func() crypto.Signer { _, k, err := ed25519.GenerateKey(rand.Reader); return must(k, err) },
			func(k crypto.Signer, m []byte) []byte { return hashed(k, 0, m) }, nil,
		)},
		{"ecdsa-sha256", privateKeys(
			func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) },
			with256, func(k crypto.Signer, m []byte) []byte { return hashed(k, crypto.SHA512, sumOf(sha512.New, m)) },
		)},
		{"rsa-sha256", privateKeys(newRSA, with256, with1)},
		{"rsa-sha1", privateKeys(newRSA, with1, with256)},
	}
}

func unixText(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// forms has each algorithm plain, in a list, with a timestamp and with the URL; tokens and JWTs in what stands for these.
func forms() []form {
	var out []form
	b64 := base64.StdEncoding.EncodeToString
	for _, a := range kinds() {
		secret := "" // where the signed string holds it
		if strings.HasPrefix(a.name, "digest-") {
			secret = "{secret}"
		}
		yaml := func(rest, signed string) string {
			return "signature: {algorithm: " + a.name + ", header: X-Sig, " + rest + ", signed: \"" + secret + signed + "\"}"
		}
		out = append(out,
			form{
				name: a.name + " plain hex", header: "X-Sig", hex: true, keys: a.keys, yaml: yaml(`prefix: "v=", encoding: hex`, "{body}"),
				sign: func(k keyPair, body []byte, _ time.Time, _ string) http.Header {
					return http.Header{"X-Sig": {"v=" + hex.EncodeToString(k.raw(body))}}
				},
			},
			form{
				name: a.name + " plain base64", header: "X-Sig", keys: a.keys, yaml: yaml(`encoding: base64`, "{body}"),
				sign: func(k keyPair, body []byte, _ time.Time, _ string) http.Header {
					return http.Header{"X-Sig": {b64(k.raw(body))}}
				},
			},
			form{
				name: a.name + " list with its timestamp", header: "X-Sig", split: ",", hex: true, keys: a.keys,
				yaml: yaml(`split: ",", prefix: "v1=", encoding: hex`, "{ts}.{body}") + "\ntimestamp: {from: \"sig:t=\"}",
				sign: func(k keyPair, body []byte, at time.Time, _ string) http.Header {
					return http.Header{"X-Sig": {"t=" + unixText(at) + ",v1=" + hex.EncodeToString(k.raw([]byte(unixText(at)+"."+string(body))))}}
				},
			},
			form{
				name: a.name + " timestamp in a header", header: "X-Sig", hex: true, keys: a.keys,
				yaml: yaml(`prefix: "v0=", encoding: hex`, "v0:{ts}:{body}") + "\ntimestamp: {header: X-At}",
				sign: func(k keyPair, body []byte, at time.Time, _ string) http.Header {
					return http.Header{"X-At": {unixText(at)}, "X-Sig": {"v0=" + hex.EncodeToString(k.raw([]byte("v0:"+unixText(at)+":"+string(body))))}}
				},
			},
			form{
				name: a.name + " id, timestamp and list", header: "X-Sig", split: " ", keys: a.keys,
				yaml: yaml(`split: " ", prefix: "v1,", encoding: base64`, "{header:X-Id}.{ts}.{body}") + "\ntimestamp: {header: X-At}",
				sign: func(k keyPair, body []byte, at time.Time, id string) http.Header {
					return http.Header{"X-Id": {id}, "X-At": {unixText(at)}, "X-Sig": {"v1," + b64(k.raw([]byte(id+"."+unixText(at)+"."+string(body))))}}
				},
			},
			form{
				name: a.name + " URL", header: "X-Sig", keys: a.keys, yaml: yaml(`encoding: base64`, "{url}{body}"),
				sign: func(k keyPair, body []byte, _ time.Time, _ string) http.Header {
					return http.Header{"X-Sig": {b64(k.raw([]byte(mutationURL + string(body))))}}
				},
			},
		)
	}
	return append(append(out, tokenForms()...), jwtForms()...)
}

// tokenForms are the constant tokens.
func tokenForms() []form {
	keys := sharedKeys(func(secret string, _ []byte) []byte { return []byte(secret) })
	basic := sharedKeys(func(secret string, _ []byte) []byte {
		return []byte(base64.StdEncoding.EncodeToString([]byte(secret)))
	})
	header := func(name, before string) func(k keyPair, _ []byte, _ time.Time, _ string) http.Header {
		return func(k keyPair, _ []byte, _ time.Time, _ string) http.Header {
			return http.Header{name: {before + string(k.raw(nil))}}
		}
	}
	return []form{
		{name: "token plain", header: "X-Sig", loose: true, keys: keys, yaml: `signature: {algorithm: token, header: X-Sig}`, sign: header("X-Sig", "")},
		{name: "token bearer", header: "Authorization", loose: true, keys: keys, yaml: `signature: {algorithm: token, header: Authorization, prefix: "Bearer "}`, sign: header("Authorization", "Bearer ")},
		{name: "token in a list", header: "X-Sig", split: ",", loose: true, keys: keys, yaml: `signature: {algorithm: token, header: X-Sig, split: ",", prefix: "t="}`, sign: header("X-Sig", "other=2,t=")},
		{name: "token basic", header: "Authorization", loose: true, keys: basic, yaml: `signature: {algorithm: token, header: Authorization, prefix: "Basic ", encoding: base64}`, sign: header("Authorization", "Basic ")},
		{
			name: "token with a timestamp and the body required", header: "X-Sig", keys: keys,
			yaml: "signature: {algorithm: token, header: X-Sig, require: {\"{header:X-Id}\": \"{ts}.{body|sha256|hex}\"}}\ntimestamp: {header: X-At}",
			sign: func(k keyPair, body []byte, at time.Time, _ string) http.Header {
				return http.Header{"X-Sig": {string(k.raw(nil))}, "X-At": {unixText(at)}, "X-Id": {unixText(at) + "." + hex.EncodeToString(sumOf(sha256.New, body))}}
			},
		},
	}
}

// jwtForms are JWTs that bind the body by a claim.
func jwtForms() []form {
	var out []form
	for _, a := range kinds() {
		alg := map[string]string{"hmac-sha256": "HS256", "rsa-sha256": "RS256", "ecdsa-sha256": "ES256"}[a.name]
		if alg == "" {
			continue
		}
		token := func(k keyPair, claims string) string {
			url := base64.RawURLEncoding.EncodeToString
			input := url([]byte(`{"typ":"JWT","alg":"`+alg+`"}`)) + "." + url([]byte(claims))
			sum := k.raw([]byte(input))
			if alg == "ES256" {
				var n struct{ R, S *big.Int }
				must(asn1.Unmarshal(sum, &n))
				sum = append(n.R.FillBytes(make([]byte, 32)), n.S.FillBytes(make([]byte, 32))...)
			}
			return input + "." + url(sum)
		}
		name := "jwt-" + strings.ToLower(alg)
		bodyHash := func(body []byte) string { return hex.EncodeToString(sumOf(sha256.New, body)) }
		out = append(out,
			form{
				name: name + " plain", header: "Authorization", keys: a.keys,
				yaml: "signature: {algorithm: " + name + ", header: Authorization, prefix: \"Bearer \", require: {\"{claim:sha256}\": \"{body|sha256|hex}\"}}",
				sign: func(k keyPair, body []byte, at time.Time, _ string) http.Header {
					return http.Header{"Authorization": {"Bearer " + token(k, fmt.Sprintf(`{"iat":%d,"exp":%d,"sha256":%q}`, at.Unix(), at.Unix()+60, bodyHash(body)))}}
				},
			},
			form{
				name: name + " list with its timestamp", header: "X-Sig", split: ",", keys: a.keys,
				yaml: "signature: {algorithm: " + name + ", header: X-Sig, split: \",\", prefix: \"j=\", require: {\"{claim:at}\": \"{ts}\", \"{claim:sha256}\": \"{body|sha256|hex}\"}}\ntimestamp: {from: \"sig:t=\"}",
				sign: func(k keyPair, body []byte, at time.Time, _ string) http.Header {
					return http.Header{"X-Sig": {"t=" + unixText(at) + ",j=" + token(k, fmt.Sprintf(`{"at":%d,"sha256":%q}`, at.Unix(), bodyHash(body)))}}
				},
			},
			form{
				name: name + " URL", header: "X-Sig", keys: a.keys,
				yaml: "signature: {algorithm: " + name + ", header: X-Sig, require: {\"{claim:sub}\": \"{header:X-Id}\", \"{claim:url}\": \"{url|sha256|hex}\", \"{claim:sha256}\": \"{body|sha256|hex}\"}}",
				sign: func(k keyPair, body []byte, at time.Time, id string) http.Header {
					claims := fmt.Sprintf(`{"nbf":%d,"exp":%d,"url":%q,"sha256":%q,"sub":%q}`, at.Unix(), at.Unix()+60, bodyHash([]byte(mutationURL)), bodyHash(body), id)
					return http.Header{"X-Id": {id}, "X-Sig": {token(k, claims)}}
				},
			},
		)
	}
	return out
}

func sha1New() hash.Hash   { return sha1.New() }
func sha256New() hash.Hash { return sha256.New() }

func newRand() *mathrand.Rand { return mathrand.New(mathrand.NewPCG(1, 2)) }
