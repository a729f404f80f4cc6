package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// key is one decoded key.
type key struct {
	// bytes are the key of MACs, digests and tokens.
	bytes []byte
	// public is an *rsa.PublicKey, an *ecdsa.PublicKey or an ed25519.PublicKey, nil for the others; private is its other half where that
	// is known.
	public  crypto.PublicKey
	private crypto.Signer
	// id is the name of a key in a JWKS, "" where it has none.
	id string
	// from and until bound the life of a certificate; zero where there is none.
	from, until time.Time
}

// keyForm is one way in which a secret's text stands for a key.
type keyForm struct {
	name string
	// doc ends the sentence "the secret is not …", about says what the key is.
	doc, about string
	// families are those that take the form; the first form of the list that an algorithm takes is its default.
	families []family
	// decode gives the keys of a text. Its error quotes nothing of it.
	decode func(text string) ([]key, error)
}

// keyForms is the whole list.
func keyForms() []keyForm {
	shared, all := []family{mac, digest}, []family{public}
	return []keyForm{
		{"utf8", "a text", "the text's own bytes", []family{mac, digest, constant}, plainKey(func(text string) ([]byte, error) { return []byte(text), nil })},
		{"base64", "base64, standard or URL alphabet, padded or not", "what the base64 stands for; standard or URL alphabet, padded or not", shared, plainKey(looseBase64)},
		{"hex", "hexadecimal", "what the hexadecimal digits stand for", shared, plainKey(hex.DecodeString)},
		{"sha1", "a text", "the SHA-1 of the text's bytes, 20 raw bytes", shared, plainKey(func(text string) ([]byte, error) {
			if text == "" {
				return nil, nil // so that it counts as empty
			}
			sum := sha1.Sum([]byte(text))
			return sum[:], nil
		})},
		{"nfkd", "a text", "the text in Unicode's normal form NFKD", shared, plainKey(func(text string) ([]byte, error) { return norm.NFKD.Bytes([]byte(text)), nil })},
		{"pem", "a public key or a certificate in PEM", "a public key or a certificate in PEM", all, decodePEM},
		{"spki-base64", "a public key as base64 of its SubjectPublicKeyInfo", "a public key as base64 of its SubjectPublicKeyInfo: PEM without its first and last line", all, func(text string) ([]key, error) {
			der, err := looseBase64(text)
			if err != nil {
				return nil, err
			}
			return publicDER(der)
		}},
		{"raw-hex", "the bytes of a public key in hexadecimal", "the 32 bytes of an Ed25519 key, or the 65 of a P-256 point, in hexadecimal", all, func(text string) ([]key, error) {
			raw, err := hex.DecodeString(text)
			if err != nil {
				return nil, errForm
			}
			return rawPublic(raw)
		}},
		{"raw-base64", "the bytes of a public key in base64", "the same in base64", all, func(text string) ([]key, error) {
			raw, err := looseBase64(text)
			if err != nil {
				return nil, err
			}
			return rawPublic(raw)
		}},
		{"x509", "a certificate in PEM, or in base64", "a certificate in PEM, or in base64; it counts while it is valid", all, func(text string) ([]key, error) {
			der, err := looseBase64(text)
			if err != nil {
				return nil, err
			}
			return certificate(der)
		}},
		{"jwks", "a JWKS: JSON such as {\"keys\": [{\"kty\": \"RSA\", …}]}", "a set of keys (RFC 7517); a token's `kid` chooses", all, decodeJWKS},
	}
}

// errForm says that a text has not the form that it should have; the form's doc says which.
var errForm = errors.New("the form is another")

// keyForms gives the forms that the algorithm takes, its default first.
func (a algorithm) keyForms() []keyForm {
	return slices.DeleteFunc(keyForms(), func(f keyForm) bool { return !slices.Contains(f.families, a.family) })
}

// KeyForms gives the words of `key` with what they mean, in the order in which the documentation tells them.
func KeyForms() [][2]string {
	var out [][2]string
	for _, f := range keyForms() {
		out = append(out, [2]string{f.name, f.about})
	}
	return out
}

// keys decodes a secret. Every form of a public key gives way to PEM where the text is PEM: so a private key for tests can stand in
// the place of any public one.
func (f keyForm) keys(text string) ([]key, error) {
	if slices.Contains(f.families, public) && strings.Contains(text, pemBegin) {
		return decodePEM(text)
	}
	return f.decode(text)
}

const pemBegin = "-----BEGIN "

func plainKey(decode func(string) ([]byte, error)) func(string) ([]key, error) {
	return func(text string) ([]key, error) {
		b, err := decode(text)
		if err != nil {
			return nil, errForm
		}
		return []key{{bytes: b}}, nil
	}
}

// looseBase64 reads what people copy out of settings pages: either alphabet, padded or not, on one line or on several.
func looseBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "=\r\n"))
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errForm
	}
	return b, nil
}

// decodePEM reads the first key or certificate of a PEM text (RFC 7468). In an environment variable the line ends are often written
// as \n.
func decodePEM(text string) ([]key, error) {
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, `\n`, "\n")
	}
	rest := []byte(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errForm
		}
		switch block.Type {
		case "PUBLIC KEY":
			return publicDER(block.Bytes)
		case "RSA PUBLIC KEY":
			k, err := x509.ParsePKCS1PublicKey(block.Bytes)
			if err != nil {
				return nil, errForm
			}
			return []key{{public: k}}, nil
		case "CERTIFICATE":
			return certificate(block.Bytes)
		case "PRIVATE KEY":
			k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, errForm
			}
			return privateKey(k)
		case "RSA PRIVATE KEY":
			k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
			if err != nil {
				return nil, errForm
			}
			return privateKey(k)
		case "EC PRIVATE KEY":
			k, err := x509.ParseECPrivateKey(block.Bytes)
			if err != nil {
				return nil, errForm
			}
			return privateKey(k)
		}
	}
}

func privateKey(k any) ([]key, error) {
	signer, ok := k.(crypto.Signer)
	if !ok {
		return nil, errForm
	}
	return []key{{public: signer.Public(), private: signer}}, nil
}

func publicDER(der []byte) ([]key, error) {
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errForm
	}
	return knownPublic(k, key{})
}

func certificate(der []byte) ([]key, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errForm
	}
	return knownPublic(c.PublicKey, key{from: c.NotBefore, until: c.NotAfter})
}

func knownPublic(k any, out key) ([]key, error) {
	switch k.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		out.public = k
		return []key{out}, nil
	}
	return nil, errForm
}

// rawPublic reads the 32 bytes of an Ed25519 key (RFC 8032) or the uncompressed point of a P-256 key (SEC 1, 65 bytes).
func rawPublic(raw []byte) ([]key, error) {
	if len(raw) == ed25519.PublicKeySize {
		return []key{{public: ed25519.PublicKey(raw)}}, nil
	}
	k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		return nil, errForm
	}
	return []key{{public: k}}, nil
}
