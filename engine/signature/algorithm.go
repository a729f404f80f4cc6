package signature

import (
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
)

// The longest signatures: RSA with the longest key that is taken, and a constant token.
const (
	maxRSABytes   = 512
	maxTokenBytes = 4096
)

// family says what a checker of an algorithm is made of, and which keys of a rule it takes.
type family uint8

const (
	unsigned family = iota
	// mac and digest take a secret that both sides know.
	mac
	digest
	// public takes a public key, or a private one whose public half checks.
	public
	// constant is a text that is sent as it is.
	constant
)

// algorithm is one way to check a signature.
type algorithm struct {
	name   string
	doc    string
	family family
	// token says that what is checked is a JWT (RFC 7519), whose header must name jwt as its algorithm; "" for all others.
	jwt string
	// min and max bound a signature in bytes.
	min, max int
	// encoding is how signatures are written where a rule does not say.
	encoding string
	// key makes the checker of one key. Its error says why the key does not fit and never quotes it.
	key func(k key) (checker, error)
	// weak says why the algorithm should no longer be chosen, "" where nothing speaks against it.
	weak string
}

// checker holds one key and knows one algorithm. It is used by many goroutines at once.
type checker interface {
	// check says whether any of the candidates signs what the template renders. The error is a *MissingError.
	check(signed *Template, c *call) (bool, error)
	// sign appends the signature of what the template renders. The error may be errNoPrivateKey.
	sign(dst []byte, signed *Template, e *env) ([]byte, error)
}

// algorithms is the whole list, in the order in which the documentation tells it.
func algorithms() []algorithm {
	const (
		oldMAC    = "SHA-1 is no longer made for new systems; inside an HMAC it still holds"
		oldRSA    = "SHA-1 is broken: who chooses what is signed can make two texts with one signature"
		oldDigest = "who has seen one request can lengthen its body without knowing the secret, for a digest is no HMAC"
	)
	return []algorithm{
		{"hmac-sha256", "HMAC with SHA-256", mac, "", sha256.Size, sha256.Size, "hex", newMAC(sha256.New), ""},
		{"hmac-sha1", "HMAC with SHA-1", mac, "", sha1.Size, sha1.Size, "hex", newMAC(sha1.New), oldMAC},
		{"hmac-sha512", "HMAC with SHA-512", mac, "", sha512.Size, sha512.Size, "hex", newMAC(sha512.New), ""},
		{"digest-sha256", "plain SHA-256 of a text that holds the {secret}", digest, "", sha256.Size, sha256.Size, "hex", newDigest(sha256.New), oldDigest},
		{"digest-sha1", "plain SHA-1 of a text that holds the {secret}", digest, "", sha1.Size, sha1.Size, "hex", newDigest(sha1.New), oldDigest},
		{"ed25519", "Ed25519 (RFC 8032)", public, "", 64, 64, "hex", newEd25519, ""},
		{"ecdsa-sha256", "ECDSA on P-256 with SHA-256, the signature in ASN.1 DER", public, "", 8, 72, "base64", newECDSA(derSignature), ""},
		{"rsa-sha256", "RSA PKCS #1 v1.5 with SHA-256", public, "", minRSABits / 8, maxRSABytes, "base64", newRSA(crypto.SHA256, sha256.New), ""},
		{"rsa-sha1", "RSA PKCS #1 v1.5 with SHA-1", public, "", minRSABits / 8, maxRSABytes, "base64", newRSA(crypto.SHA1, sha1.New), oldRSA},
		{"jwt-hs256", "a JWT with HMAC SHA-256", mac, "HS256", sha256.Size, sha256.Size, "", newMAC(sha256.New), ""},
		{"jwt-rs256", "a JWT with RSA and SHA-256", public, "RS256", minRSABits / 8, maxRSABytes, "", newRSA(crypto.SHA256, sha256.New), ""},
		{"jwt-es256", "a JWT with ECDSA on P-256", public, "ES256", 64, 64, "", newECDSA(fixedSignature), ""},
		{"token", "a text that is sent as it is; with `encoding: base64` and `prefix: \"Basic \"` it is Basic auth", constant, "", 1, maxTokenBytes, "text", newToken, ""},
		{"none", "unsigned: anybody who knows the address can send", unsigned, "", 0, 0, "", nil, ""},
	}
}

// Algorithm is one word of `algorithm`, for the documentation.
type Algorithm struct {
	Name, Doc string
	// Encoding is how its signatures are written where a rule does not say; "" for JWTs and `none`.
	Encoding string
	// Keys are the words of `key` that it takes, the default first.
	Keys []string
}

// Algorithms gives every algorithm, in the order in which the documentation tells them.
func Algorithms() []Algorithm {
	var out []Algorithm
	for _, a := range algorithms() {
		out = append(out, Algorithm{Name: a.name, Doc: a.doc, Encoding: a.encoding, Keys: names(a.keyForms(), func(f keyForm) string { return f.name })})
	}
	return out
}

// findAlgorithm gives an algorithm by name, or what to write instead.
func findAlgorithm(name string) (algorithm, string, bool) {
	all := algorithms()
	if i := slices.IndexFunc(all, func(a algorithm) bool { return a.name == name }); i >= 0 {
		return all[i], "", true
	}
	plain := strings.NewReplacer("_", "-", " ", "-").Replace(strings.ToLower(name))
	known := names(all, func(a algorithm) string { return a.name })
	// A bare hash is what people write when they mean an HMAC, and what a forger hopes for: it takes no secret.
	bare := strings.NewReplacer("hmac", "", "-", "").Replace(plain)
	for _, n := range known {
		if hash, ok := strings.CutPrefix(n, "hmac-"); ok && hash == bare {
			if !strings.Contains(plain, "hmac") {
				hint := fmt.Sprintf("a bare hash needs no secret; did you mean `%s`?", n)
				if slices.Contains(known, "digest-"+hash) {
					hint += fmt.Sprintf(" A digest of a text that holds the secret is `digest-%s`", hash)
				}
				return algorithm{}, hint, false
			}
			return algorithm{}, fmt.Sprintf("did you mean `%s`?", n), false
		}
	}
	if strings.TrimPrefix(bare, "digest") == "md5" {
		return algorithm{}, "MD5 is broken, so that it proves nothing; does the provider offer hmac-sha256?", false
	}
	for short, n := range map[string]string{
		"basic": "token", "basic-auth": "token", "bearer": "token", "shared-secret": "token", "jwt": "jwt-hs256", "hs256": "jwt-hs256", "rs256": "jwt-rs256",
		"es256": "jwt-es256", "rsa": "rsa-sha256", "rsa-sha-256": "rsa-sha256", "ecdsa": "ecdsa-sha256", "ecdsa-p256": "ecdsa-sha256", "eddsa": "ed25519",
	} {
		if plain == short {
			return algorithm{}, fmt.Sprintf("did you mean `%s`?", n), false
		}
	}
	if hint := diag.DidYouMean(plain, known); hint != "" {
		return algorithm{}, hint, false
	}
	return algorithm{}, "the algorithms are " + strings.Join(known, ", "), false
}
