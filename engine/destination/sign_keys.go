package destination

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/source"
)

// withSecrets gives the signer with other secrets. Its error says what is wrong with one, and quotes nothing of it.
func (s *signer) withSecrets(values []secret.Value) (*signer, error) {
	secrets := make([]signature.Secret, len(values))
	for i, v := range values {
		secrets[i] = signature.Secret{Value: v, Span: s.config.Node.Span}
	}
	out := &diag.List{}
	schemes, err := s.compileSecrets(secrets, out)
	if err != nil {
		for _, f := range out.Sorted() {
			return nil, errors.New(f.Message)
		}
		return nil, err
	}
	with := *s
	with.schemes = schemes
	return &with, nil
}

var errSecret = errors.New("the secret does not fit")

// compileSecrets makes a scheme of each secret, and tries whether it signs.
func (s *signer) compileSecrets(secrets []signature.Secret, out *diag.List) ([]*signature.Scheme, error) {
	if s.split == "" && len(secrets) > 1 {
		secrets = secrets[:1] // there is room for one signature
	}
	schemes := make([]*signature.Scheme, 0, len(secrets))
	for _, sec := range secrets {
		scheme := s.scheme(sec, out)
		if scheme == nil {
			return nil, errSecret
		}
		schemes = append(schemes, scheme)
	}
	return schemes, nil
}

// scheme makes the scheme of one secret. In the place of one that is not known while manifests are only checked stands a made-up key.
func (s *signer) scheme(sec signature.Secret, out *diag.List) *signature.Scheme {
	tries := []signature.Secret{sec}
	if sec.Placeholder {
		tries = madeUp(sec)
	}
	var found *diag.List
	for _, try := range tries {
		try.Value = s.privateKey(try.Value)
		config := s.config
		config.Secrets = []signature.Secret{try}
		list := &diag.List{}
		scheme := signature.Compile(config, list)
		if scheme != nil {
			err := scheme.Sign(&signature.Request{Method: http.MethodPost, URL: "https://x.example/", Endpoint: "https://x.example/", PathQuery: "/", Header: http.Header{}, Body: []byte("{}"), Now: time.Unix(1, 0)})
			if err == nil || !strings.Contains(err.Error(), "private key") {
				return scheme
			}
			list.Errorf(diag.BadSignature, sec.Span, "signing takes the private key; the receiver has the public one", "the secret is a public key")
		}
		if found == nil {
			found = list
		}
	}
	if sec.Placeholder { // a key that only the real secret can be
		found = &diag.List{}
	}
	out.Merge(found)
	return nil
}

// madeUp gives keys of every form that a secret may have, made of a placeholder: what is checked without its secrets is signed all the
// same.
func madeUp(sec signature.Secret) []signature.Secret {
	sum := sha256.Sum256([]byte(sec.Value.Reveal()))
	var out []signature.Secret
	for _, text := range []string{sec.Value.Reveal(), base64.StdEncoding.EncodeToString(sum[:]), hex.EncodeToString(sum[:]), ed25519PEM(sum[:])} {
		out = append(out, signature.Secret{Value: secret.New(text), Span: sec.Span})
	}
	return out
}

// privateKey turns the bytes of an Ed25519 key, as raw-base64 or raw-hex, into PEM, in which engine/signature takes private keys. They
// are the seed of 32 bytes (RFC 8032), or the seed and the public key behind it, as Standard Webhooks has it.
func (s *signer) privateKey(v secret.Value) secret.Value {
	rule := s.config.Rules[0]
	if rule.Key == nil || rule.Algorithm.Text != "ed25519" || strings.Contains(v.Reveal(), "-----BEGIN ") {
		return v
	}
	text := v.Reveal()
	for _, n := range append([]*source.Node{rule.Strip}, itemsOf(rule.Strip)...) {
		if n != nil && n.IsScalar() {
			text = strings.TrimPrefix(text, n.Text)
		}
	}
	var raw []byte
	var err error
	switch rule.Key.Text {
	case "raw-base64":
		raw, err = base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "=\r\n")))
	case "raw-hex":
		raw, err = hex.DecodeString(text)
	default:
		return v
	}
	if err != nil || len(raw) != ed25519.SeedSize && len(raw) != ed25519.PrivateKeySize {
		return v
	}
	return secret.New(ed25519PEM(raw[:ed25519.SeedSize]))
}

func itemsOf(n *source.Node) []*source.Node {
	if n == nil {
		return nil
	}
	return n.Items
}

func ed25519PEM(seed []byte) string {
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
