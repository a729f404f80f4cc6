package hooks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue gives a certificate for 127.0.0.1 and for showing to others, with its key, both PEM.
func (a *authority) issue(t testing.TB, name string) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// shown makes what a request shows, issued by a, with the authorities in ca.
func (a *authority) shown(t testing.TB, name string, ca []byte) *Certificate {
	t.Helper()
	cert, key := a.issue(t, name)
	return certificate(t, cert, key, ca)
}

func certificate(t testing.TB, cert, key, ca []byte) *Certificate {
	t.Helper()
	c, err := NewCertificate(cert, key, ca)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// doorman is a receiver that looks at client certificates and answers with the name that it sees.
type doorman struct {
	*httptest.Server
	mu          sync.Mutex
	names       map[string]map[string]bool // by connection
	open, total int
	changed     chan struct{}
}

func newDoorman(t testing.TB, own, clients *authority, auth tls.ClientAuthType, change func(*httptest.Server)) *doorman {
	t.Helper()
	d := &doorman{names: make(map[string]map[string]bool), changed: make(chan struct{}, 1000)}
	d.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		d.mu.Lock()
		if d.names[r.RemoteAddr] == nil {
			d.names[r.RemoteAddr] = make(map[string]bool)
		}
		d.names[r.RemoteAddr][name] = true
		d.mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, name)
	}))
	certPEM, keyPEM := own.issue(t, "receiver")
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	d.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: auth, ClientCAs: x509.NewCertPool()}
	d.TLS.ClientCAs.AddCert(clients.cert)
	d.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	d.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		d.mu.Lock()
		switch s {
		case http.StateNew:
			d.open++
			d.total++
		case http.StateClosed, http.StateHijacked:
			d.open--
		}
		d.mu.Unlock()
		d.changed <- struct{}{}
	}
	d.EnableHTTP2 = true
	if change != nil {
		change(d.Server)
	}
	d.StartTLS()
	t.Cleanup(d.Close)
	return d
}

func (d *doorman) counts() (open, total int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open, d.total
}

// waitOpen waits until n connections are open.
func (d *doorman) waitOpen(t testing.TB, n int) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		if open, _ := d.counts(); open == n {
			return
		}
		select {
		case <-d.changed:
		case <-timeout:
			open, total := d.counts()
			t.Fatalf("%d of %d connections are open, want %d", open, total, n)
		}
	}
}

// tells makes an attempt and gives what the doorman answers.
func tells(t testing.TB, c *Client, url string, own *Certificate) string {
	t.Helper()
	att, err := c.Deliver(t.Context(), Request{URL: url, Certificate: own, Body: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	return string(att.Body)
}

func TestAReceiverThatWantsACertificateSeesIt(t *testing.T) {
	t.Parallel()
	servers, clients, strangers := newAuthority(t, "servers"), newAuthority(t, "clients"), newAuthority(t, "strangers")
	for name, change := range map[string]func(*httptest.Server){
		"HTTP/2, TLS 1.3":   nil,
		"HTTP/1.1, TLS 1.3": func(s *httptest.Server) { s.EnableHTTP2 = false },
		"HTTP/2, TLS 1.2":   func(s *httptest.Server) { s.TLS.MaxVersion = tls.VersionTLS12 },
		"HTTP/1.1, TLS 1.2": func(s *httptest.Server) { s.EnableHTTP2, s.TLS.MaxVersion = false, tls.VersionTLS12 },
	} {
		d := newDoorman(t, servers, clients, tls.RequireAndVerifyClientCert, change)
		c := newClient(t, Options{AllowLoopback: true})
		for range 2 {
			if got := tells(t, c, d.URL, clients.shown(t, "me", servers.pem)); got != "me" {
				t.Errorf("%s: the receiver saw %q, want me", name, got)
			}
		}
		for who, own := range map[string]*Certificate{"nobody": certificate(t, nil, nil, servers.pem), "a stranger": strangers.shown(t, "stranger", servers.pem)} {
			_, err := c.Deliver(t.Context(), Request{URL: d.URL, Certificate: own, Body: []byte("x")})
			want := CodeCertificate
			if who == "nobody" && strings.HasSuffix(name, "1.2") {
				want = CodeTLS // its alert, handshake_failure, has many reasons
			}
			e := failure(t, err)
			if e.Code == CodeReset && strings.HasSuffix(name, "1.3") {
				e = &Error{Code: want, Class: Temporary} // the receiver's hanging up may overtake its alert
			}
			if e.Code != want || e.Class != Temporary {
				t.Errorf("%s, %s: got %v (%v), want a temporary %s", name, who, e, e.Class, want)
			}
			tellsNothing(t, name, err)
		}
		for who, own := range map[string]*Certificate{"the system's authorities": nil, "other authorities": clients.shown(t, "me", clients.pem)} {
			att, err := c.Deliver(t.Context(), Request{URL: d.URL, Certificate: own, Body: []byte("x")})
			if e := failure(t, err); e.Code != CodeTLS || e.Class != Temporary || att.Wrote {
				t.Errorf("%s, trusting %s: got %v (%v), wrote = %v, want a temporary %s", name, who, e, e.Class, att.Wrote, CodeTLS)
			}
		}
	}
}

func TestConnectionsOfDifferentCertificatesAreNeverShared(t *testing.T) {
	t.Parallel()
	servers, clients := newAuthority(t, "servers"), newAuthority(t, "clients")
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		d := newDoorman(t, servers, clients, tls.VerifyClientCertIfGiven, func(s *httptest.Server) { s.EnableHTTP2 = h2 })
		roots := x509.NewCertPool()
		roots.AddCert(servers.cert)
		c := newClient(t, Options{AllowLoopback: true, RootCAs: roots})
		both := append(append([]byte{}, servers.pem...), clients.pem...)
		who := map[string]*Certificate{
			"nobody": nil, "ann": clients.shown(t, "ann", servers.pem), "bob": clients.shown(t, "bob", servers.pem), "cy": clients.shown(t, "cy", both),
		}
		var wg sync.WaitGroup
		for range 20 {
			for want, own := range who {
				wg.Go(func() {
					if got := tells(t, c, d.URL, own); got != want {
						t.Errorf("%s: the receiver saw %q, want %q", name, got, want)
					}
				})
			}
		}
		wg.Wait()
		// The same client certificate with other authorities is another Certificate: what one trusted the other may not.
		untrusting := clients.shown(t, "ann", clients.pem)
		if _, err := c.Deliver(t.Context(), Request{URL: d.URL, Certificate: untrusting}); failure(t, err).Code != CodeTLS {
			t.Errorf("%s: got %v, want %s: it found a connection that others' authorities vouched for", name, err, CodeTLS)
		}
		d.mu.Lock()
		for conn, names := range d.names {
			if len(names) != 1 {
				t.Errorf("%s: %s was used as %v, want one name on a connection", name, conn, names)
			}
		}
		d.mu.Unlock()
	}
}

func TestARotatedCertificateMakesNewConnectionsAndClosesTheOld(t *testing.T) {
	t.Parallel()
	servers, clients := newAuthority(t, "servers"), newAuthority(t, "clients")
	d := newDoorman(t, servers, clients, tls.RequireAndVerifyClientCert, nil)
	c := newClient(t, Options{AllowLoopback: true})
	cert, key := clients.issue(t, "before")
	for range 3 { // equal PEM is the same certificate, whoever reads it
		if got := tells(t, c, d.URL, certificate(t, cert, key, servers.pem)); got != "before" {
			t.Errorf("the receiver saw %q, want before", got)
		}
	}
	if open, total := d.counts(); open != 1 || total != 1 {
		t.Errorf("%d connections of %d are open, want one that is used again", open, total)
	}
	if got := tells(t, c, d.URL, clients.shown(t, "after", servers.pem)); got != "after" {
		t.Errorf("the receiver saw %q, want after", got)
	}
	d.waitOpen(t, 1)
	if _, total := d.counts(); total != 2 {
		t.Errorf("%d connections were made, want 2", total)
	}
	c.Close()
	d.waitOpen(t, 0)
}

func TestTheNumberOfCertificatesWithConnectionsIsBounded(t *testing.T) {
	t.Parallel()
	servers := newAuthority(t, "servers")
	d := newDoorman(t, servers, servers, tls.NoClientCert, nil)
	c := newClient(t, Options{AllowLoopback: true})
	for i := range maxCertificates + 20 {
		tells(t, c, d.URL, certificate(t, nil, nil, append(fmt.Appendf(nil, "number %d\n", i), servers.pem...)))
	}
	c.certified.mu.Lock()
	n := len(c.certified.pooled)
	c.certified.mu.Unlock()
	if n != maxCertificates {
		t.Errorf("%d transports are kept, want %d", n, maxCertificates)
	}
	d.waitOpen(t, 1)
	c.Close()
	d.waitOpen(t, 0)
}

func TestTheTokenEndpointSeesItsOwnCertificate(t *testing.T) {
	t.Parallel()
	servers, clients := newAuthority(t, "servers"), newAuthority(t, "clients")
	var seen string
	d := newDoorman(t, servers, clients, tls.RequireAndVerifyClientCert, func(s *httptest.Server) {
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = r.TLS.PeerCertificates[0].Subject.CommonName
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"tok"}`)
		})
	})
	receiver := loopbackServer(t, func(http.ResponseWriter, *http.Request) {})
	source := tokenSource(t, TokenOptions{TokenURL: d.URL, ClientID: "me", ClientSecret: "s3cret", Certificate: clients.shown(t, "me", servers.pem)})
	if _, err := newClient(t, Options{AllowLoopback: true}).Deliver(t.Context(), Request{URL: receiver.URL, Token: source}); err != nil || seen != "me" {
		t.Errorf("got %v, the token endpoint saw %q, want me", err, seen)
	}
}

func TestCertificatesThatCannotBeUsedAreRefusedWithoutBeingQuoted(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "a")
	cert, key := a.issue(t, "me")
	_, other := a.issue(t, "other")
	for want, c := range map[string][3][]byte{
		"neither":        {},
		"without its":    {cert, nil, nil},
		"a key without":  {nil, key, a.pem},
		"belong":         {cert, other, nil},
		"do not belong":  {[]byte(canary), key, nil},
		"or do not":      {cert, []byte(canary), nil},
		"no certificate": {nil, nil, []byte(canary)},
	} {
		if _, err := NewCertificate(c[0], c[1], c[2]); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("got %v, want an error with %q and nothing of the PEM", err, want)
		}
	}
	own := certificate(t, cert, key, a.pem)
	if text := fmt.Sprintf("%v %+v %#v %s %x %v", own, own, own, own, own, *own); strings.Trim(text, "• ") != "" {
		t.Errorf("a certificate prints as %q, want •••", text)
	}
	if left := time.Until(own.NotAfter()); left < 50*time.Minute || left > time.Hour {
		t.Errorf("it ends in %v, want an hour", left)
	}
	if at := certificate(t, nil, nil, a.pem).NotAfter(); !at.IsZero() {
		t.Errorf("authorities alone end at %v, want never", at)
	}
	_, err := newClient(t, Options{AllowLoopback: true}).Deliver(t.Context(), Request{URL: "http://127.0.0.1:9/", Certificate: own})
	if e := failure(t, err); e.Code != CodeInsecureURL || e.Class != Permanent {
		t.Errorf("over plain http: got %v (%v), want a permanent %s", e, e.Class, CodeInsecureURL)
	}
}
