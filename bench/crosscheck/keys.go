package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// keys is a private key, given as a secret, in all forms in which an SDK may ask for its public half.
type keys struct {
	private, public, certificate string
	spki, raw                    []byte
}

// keysOf takes a secret apart; what is no private key gives nothing.
func keysOf(secret string) (keys, error) {
	block, _ := pem.Decode([]byte(secret))
	if block == nil {
		return keys{}, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return keys{}, fmt.Errorf("reading the private key: %w", err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return keys{}, errors.New("the private key cannot sign")
	}
	k := keys{private: secret}
	if k.spki, err = x509.MarshalPKIXPublicKey(signer.Public()); err != nil {
		return keys{}, fmt.Errorf("writing the public key: %w", err)
	}
	k.public = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.spki}))
	if raw, ok := signer.Public().(ed25519.PublicKey); ok {
		k.raw = raw
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "crosscheck"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		return keys{}, fmt.Errorf("making a certificate: %w", err)
	}
	k.certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return k, nil
}
