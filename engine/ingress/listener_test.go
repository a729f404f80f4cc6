package ingress

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/service/servicetest"
)

func listener(t testing.TB, h http.Handler, change func(o *ListenerOptions)) *Listener {
	t.Helper()
	o := ListenerOptions{Addr: "127.0.0.1:0", Handler: h, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	l, err := NewListener(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// get asks a listener for its body.
func get(t testing.TB, l *Listener) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr(), nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

func TestAListenerKeepsTheContractOfAService(t *testing.T) {
	t.Parallel()
	servicetest.Stress(t, func() service.Service { return listener(t, http.NotFoundHandler(), nil) })
}

func TestStopLetsTheRequestUnderWayEnd(t *testing.T) {
	t.Parallel()
	inside, finish := make(chan struct{}), make(chan struct{})
	l := listener(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(inside)
		<-finish
		_, _ = io.WriteString(w, "done")
	}), nil)
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		b, err := get(t, l)
		if err != nil {
			b = err.Error()
		}
		got <- b
	}()
	<-inside
	stopped := make(chan error, 1)
	go func() { stopped <- l.Stop(t.Context()) }()
	close(finish)
	if b := <-got; b != "done" {
		t.Errorf("the request under way got %q, want done", b)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stopping: %v", err)
	}
	if b, err := get(t, l); err == nil {
		t.Errorf("a stopped listener answers %q", b)
	}
}

func TestStopDropsWhatOutlivesItsContext(t *testing.T) {
	t.Parallel()
	inside := make(chan struct{})
	l := listener(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(inside)
		<-r.Context().Done()
	}), nil)
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := get(t, l)
		got <- err
	}()
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Stop(ctx); err == nil || !strings.Contains(err.Error(), "draining the public listener") {
		t.Errorf("got %v, want a complaint about draining", err)
	}
	if err := <-got; err == nil {
		t.Error("the request that hung was answered")
	}
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	t.Parallel()
	first := listener(t, http.NotFoundHandler(), nil)
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Stop(context.WithoutCancel(t.Context())) })
	second := listener(t, http.NotFoundHandler(), func(o *ListenerOptions) { o.Addr = first.Addr() })
	if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "listening on "+first.Addr()) {
		t.Errorf("got %v", err)
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Errorf("stopping what never started: %v", err)
	}
}

// selfSigned writes a certificate of that name.
func selfSigned(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "EC PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestTheCertificateIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := selfSigned(t, dir, "one.example")
	c := &certificate{certFile: certFile, keyFile: keyFile, log: slog.New(slog.DiscardHandler)}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	// name asks as a handshake a second later would.
	name := func() string {
		c.mu.Lock()
		c.looked = time.Time{}
		c.mu.Unlock()
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.DNSNames[0]
	}
	if got := name(); got != "one.example" {
		t.Errorf("got %s, want one.example", got)
	}
	if err := os.WriteFile(certFile, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "one.example" {
		t.Errorf("with a broken file got %s, want the last good one", got)
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "one.example" {
		t.Errorf("with a missing file got %s, want the last good one", got)
	}
	selfSigned(t, dir, "two.example")
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(certFile, later, later); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "two.example" {
		t.Errorf("got %s, want two.example", got)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	certFile, keyFile := selfSigned(t, t.TempDir(), "one.example")
	l := listener(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }), func(o *ListenerOptions) {
		o.CertFile, o.KeyFile = certFile, keyFile
	})
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Stop(context.WithoutCancel(t.Context())) })
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	t.Cleanup(client.CloseIdleConnections)
	res, err := client.Get("https://" + l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || string(b) != "HTTP/2.0" || !l.TLS() {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := NewListener(ListenerOptions{Addr: ":0", Handler: http.NotFoundHandler(), Logger: slog.New(slog.DiscardHandler), CertFile: certFile}); err == nil {
		t.Error("a certificate without its key was taken")
	}
	broken := listener(t, http.NotFoundHandler(), func(o *ListenerOptions) { o.CertFile, o.KeyFile = keyFile, certFile })
	if err := broken.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "reading the certificate") {
		t.Errorf("got %v", err)
	}
}
