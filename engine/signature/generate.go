package signature

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/source"
)

// secretBytes is how much chance is in a generated secret. In base64 they are 40 characters, which is the most that some services take.
const secretBytes = 30

// GenerateSecret makes a secret of the form that a rule takes: a text, base64, hex, "user:password" for Basic auth, with the first prefix
// of `strip` where there is one; or, for the public-key algorithms, a PKCS #8 private key in PEM, with which Sign can sign and whose
// public half verifies. It is "" for `none`. random is crypto/rand.Reader outside of tests; RSA and ECDSA keys take their own chance.
func GenerateSecret(r Rule, random io.Reader) (string, error) {
	if r.Algorithm == nil {
		return "", fmt.Errorf("generating a secret: the rule has no algorithm")
	}
	a, _, ok := findAlgorithm(text(r.Algorithm))
	if !ok {
		return "", fmt.Errorf("generating a secret: there is no algorithm %q", text(r.Algorithm))
	}
	if a.family == unsigned {
		return "", nil
	}
	if a.family == public {
		return generatePrivate(a, random)
	}
	chance := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, chance); err != nil {
		return "", fmt.Errorf("generating a secret: %w", err)
	}
	prefix := ""
	if first := firstText(r.Strip); first != "" {
		prefix = first
	}
	form := ""
	if r.Key != nil {
		form = text(r.Key)
	}
	switch {
	case a.family == constant && isBasic(r):
		return "webhook:" + base64.RawURLEncoding.EncodeToString(chance), nil
	case form == "base64":
		return prefix + base64.StdEncoding.EncodeToString(chance), nil
	case form == "hex":
		return prefix + hex.EncodeToString(chance), nil
	}
	return prefix + base64.RawURLEncoding.EncodeToString(chance), nil
}

// isBasic says whether a token is the user and password of RFC 7617.
func isBasic(r Rule) bool {
	return r.Encoding != nil && slices.Contains(listed(r.Encoding), "base64") && strings.HasPrefix(strings.ToLower(firstText(r.Prefix)), "basic ")
}

func listed(n *source.Node) []string {
	if n.Kind != source.List {
		return []string{text(n)}
	}
	return names(n.Items, text)
}

// firstText gives the first text of a key that may be one or many, "" where there is none.
func firstText(n *source.Node) string {
	if n == nil || n.Kind == source.List && len(n.Items) == 0 {
		return ""
	}
	return listed(n)[0]
}

func generatePrivate(a algorithm, random io.Reader) (string, error) {
	var k any
	var err error
	switch {
	case strings.Contains(a.name, "ed25519"):
		_, k, err = ed25519.GenerateKey(random)
	case strings.Contains(a.name, "ecdsa") || a.jwt == "ES256":
		k, err = ecdsa.GenerateKey(elliptic.P256(), random)
	default:
		k, err = rsa.GenerateKey(random, minRSABits)
	}
	if err != nil {
		return "", fmt.Errorf("generating a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return "", fmt.Errorf("writing a key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}
