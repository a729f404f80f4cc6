package engine_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// canaries are secrets that occur nowhere by chance, by what they are.
type canaries map[string]string

// add makes one of letters and digits, so that no escaping changes it.
func (c canaries) add(t testing.TB, what string) string {
	t.Helper()
	b := make([]byte, 12)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	c[what] = "cnry" + hex.EncodeToString(b)
	return c[what]
}

// forms are the spellings in which a secret would still be one. Base64 of a longer text holds it at one of three alignments, without the
// characters that its neighbours decide about.
func forms(text string) map[string]string {
	h := hex.EncodeToString([]byte(text))
	out := map[string]string{"plain": text, "hex": h, "upper-case hex": strings.ToUpper(h), "URL-escaped": url.QueryEscape(text)}
	for shift := range 3 {
		padded := append(make([]byte, shift), text...)
		for name, e := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			whole := e.EncodeToString(padded)
			out[fmt.Sprintf("%s at %d", name, shift)] = whole[(shift*8+5)/6 : len(padded)*8/6]
		}
	}
	return out
}

// search looks for every canary in every form and gives what it finds; the secrets themselves are not in what it gives.
func (c canaries) search(sink string, content []byte) []string {
	var found []string
	for what, text := range c {
		for form, spelling := range forms(text) {
			if i := bytes.Index(content, []byte(spelling)); i >= 0 {
				before := content[max(0, i-60):i]
				found = append(found, fmt.Sprintf("%s: %s (%s), behind %q", sink, what, form, before))
			}
		}
	}
	return found
}

// folderSearch searches every file below a folder, its name included.
func (c canaries) folderSearch(t testing.TB, dir string) (found []string, size int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		size += len(content)
		found = append(found, c.search(filepath.Base(path), append([]byte(path+"\n"), content...))...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, size
}

// lockedBuffer is a log that many write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.b.Bytes())
}

// TestTheSearchFindsWhatLeaks shows that the search below would find each canary, in each form, in a log and in a file.
func TestTheSearchFindsWhatLeaks(t *testing.T) {
	t.Parallel()
	c := canaries{}
	text := c.add(t, "planted")
	for form, leak := range map[string]string{
		"plain": text, "hex": hex.EncodeToString([]byte(text)), "basic authentication": base64.StdEncoding.EncodeToString([]byte("user:" + text)),
		"base64 of a sentence": base64.URLEncoding.EncodeToString([]byte("the secret is " + text + ", you know")), "in a URL": "https://x.example/?q=" + url.QueryEscape("a b"+text),
	} {
		var log lockedBuffer
		slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})).Debug("request", "error", "it said "+leak)
		if len(c.search("log", log.bytes())) == 0 {
			t.Errorf("%s: a logged secret is not found", form)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.db-wal"), append(bytes.Repeat([]byte{0}, 5000), leak...), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, _ := c.folderSearch(t, dir); len(found) == 0 {
			t.Errorf("%s: a stored secret is not found", form)
		}
	}
	if found := c.search("log", []byte("nothing of the kind")); len(found) != 0 {
		t.Errorf("found %v where nothing is", found)
	}
}

// gossip is a receiver that repeats all it hears: in its answer's body, in the form that X-Form names, and in headers.
func gossip(traces *lockedBuffer) http.HandlerFunc {
	var first sync.Map
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintln(traces, r.Header.Get("Traceparent"), r.Header.Get("Tracestate"), r.Header.Get("Baggage"))
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s\n", r.Method, r.RequestURI)
		for name, values := range r.Header {
			fmt.Fprintf(&b, "%s: %s\n", name, values)
			w.Header().Set("X-Echo-"+name, values[0])
		}
		text := b.String() + string(body)
		w.Header().Set("Content-Type", "text/plain; echo="+r.Header.Get("X-Api-Key"))
		switch r.Header.Get("X-Form") {
		case "base64":
			text = base64.StdEncoding.EncodeToString([]byte(text))
		case "base64url":
			text = base64.URLEncoding.EncodeToString([]byte(text))
		case "hex":
			text = hex.EncodeToString([]byte(text))
		case "escaped":
			text = url.QueryEscape(text)
		case "json":
			encoded, _ := json.Marshal(map[string]any{"heard": text, "url": r.RequestURI, "headers": r.Header})
			text = string(encoded)
			w.Header().Set("Content-Type", "application/json")
		}
		status := http.StatusOK
		switch r.Header.Get("X-Mood") {
		case "refuses":
			status = http.StatusBadRequest
		case "busy once":
			if _, again := first.LoadOrStore(r.Header.Get("Idempotency-Key"), true); !again {
				w.Header().Set("Retry-After", "1")
				status = http.StatusServiceUnavailable
			}
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// issuer gives the tokens in turn; the receiver refuses the first as soon as it has taken it once.
func issuer(c canaries, hear http.Handler) http.HandlerFunc {
	var issued, heard atomic.Int64
	tokens := []string{c["first access token"], c["second access token"]}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			_ = r.ParseForm()
			_, secretText, _ := r.BasicAuth()
			if secretText != c["client secret"] {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":%q}`, "not "+secretText)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, tokens[min(issued.Add(1), 2)-1])
			return
		}
		if r.Header.Get("Authorization") == "Bearer "+tokens[0] && heard.Add(1) > 1 {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, r.Header.Get("Authorization"))
			return
		}
		hear.ServeHTTP(w, r)
	}
}

// selfSigned gives a certificate for 127.0.0.1 with its key, both PEM.
func selfSigned(t testing.TB) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
