package hooks

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Certificate is what a Request shows and trusts instead of the Client's own: a client certificate (mutual TLS), authorities of
// its own, or both. It is immutable, prints as "•••" by any verb and may be used by any number of goroutines. Connections of
// different Certificates are never shared; equal ones share theirs.
type Certificate struct {
	pair   *tls.Certificate // nil shows none
	roots  *x509.CertPool   // nil trusts whom the Client trusts
	digest [sha256.Size]byte
}

// NewCertificate reads a client certificate with its key and the authorities that the receiver's certificate is judged by, all
// PEM. Certificate and key come together or not at all; without caPEM the Client's authorities are trusted, with it no others.
// The error quotes nothing of what it was given.
func NewCertificate(certPEM, keyPEM, caPEM []byte) (*Certificate, error) {
	c := &Certificate{digest: digestOf(certPEM, keyPEM, caPEM)}
	switch {
	case len(certPEM) == 0 && len(keyPEM) == 0 && len(caPEM) == 0:
		return nil, errors.New("neither a certificate nor an authority is given")
	case len(certPEM) == 0 && len(keyPEM) > 0:
		return nil, errors.New("a key without its certificate")
	case len(certPEM) > 0 && len(keyPEM) == 0:
		return nil, errors.New("a certificate without its key")
	case len(certPEM) > 0:
		pair, err := tls.X509KeyPair(certPEM, keyPEM)
		if err != nil {
			return nil, errors.New("certificate and key are no PEM that can be read, or do not belong together")
		}
		c.pair = &pair
	}
	if len(caPEM) > 0 {
		c.roots = x509.NewCertPool()
		if !c.roots.AppendCertsFromPEM(caPEM) {
			return nil, errors.New("the authorities hold no certificate in PEM")
		}
	}
	return c, nil
}

func digestOf(parts ...[]byte) [sha256.Size]byte {
	h := sha256.New()
	for _, p := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write(p)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// NotAfter is when the client certificate ends; the zero time where there is none.
func (c *Certificate) NotAfter() time.Time {
	if c.pair == nil || c.pair.Leaf == nil {
		return time.Time{}
	}
	return c.pair.Leaf.NotAfter
}

// String gives "•••".
func (Certificate) String() string { return hidden }

// Format writes "•••" for every verb.
func (Certificate) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, hidden) }

// config gives the TLS configuration of connections that show c; of a nil c it is the Client's.
func (c *Certificate) config(roots *x509.CertPool) *tls.Config {
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if c == nil {
		return config
	}
	if c.roots != nil {
		config.RootCAs = c.roots
	}
	if c.pair != nil {
		// Shown whenever a receiver asks: one that wants another is heard saying so, instead of complaining that none came.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.pair, nil }
	}
	return config
}
