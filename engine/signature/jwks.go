package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// maxJWKSKeys bounds how many keys of one set are looked at.
const maxJWKSKeys = 64

// webKey is one key of a set (RFC 7517) with what is needed of it.
type webKey struct {
	Type      string `json:"kty"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	N         string `json:"n"`
	E         string `json:"e"`
	X         string `json:"x"`
	Y         string `json:"y"`
}

// decodeJWKS reads a set of public keys, or a single one. Keys of unknown kinds, for encryption, or that are broken are passed over, as
// RFC 7517 section 5 wants it; so are shared secrets, which no public document can hold.
func decodeJWKS(text string) ([]key, error) {
	var set struct {
		Keys []webKey `json:"keys"`
	}
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return nil, errForm
	}
	if set.Keys == nil {
		var one webKey
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			return nil, errForm
		}
		set.Keys = []webKey{one}
	}
	var out []key
	for _, w := range set.Keys[:min(len(set.Keys), maxJWKSKeys)] {
		if w.Use != "" && w.Use != "sig" {
			continue
		}
		if public := w.public(); public != nil {
			out = append(out, key{public: public, id: w.ID})
		}
	}
	if len(out) == 0 {
		return nil, errForm
	}
	return out, nil
}

// public gives the key, or nil where it is none that signatures are checked with. A key that names an algorithm is for that one alone
// (RFC 7517 section 4.4).
func (w *webKey) public() crypto.PublicKey {
	is := func(alg string) bool { return w.Algorithm == "" || w.Algorithm == alg }
	switch {
	case w.Type == "RSA" && is("RS256"):
		n, e := number(w.N), number(w.E)
		if n == nil || e == nil || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
			return nil
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}
	case w.Type == "EC" && w.Curve == "P-256" && is("ES256"):
		x, errX := base64.RawURLEncoding.DecodeString(w.X)
		y, errY := base64.RawURLEncoding.DecodeString(w.Y)
		if errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
			return nil
		}
		k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return nil
		}
		return k
	case w.Type == "OKP" && w.Curve == "Ed25519" && (is("EdDSA") || is("Ed25519")):
		x, err := base64.RawURLEncoding.DecodeString(w.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil
		}
		return ed25519.PublicKey(x)
	}
	return nil
}

func number(text string) *big.Int {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || len(b) > maxRSABytes+1 {
		return nil
	}
	return new(big.Int).SetBytes(b)
}
