package destination

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/hooks"
)

// clientCertificate gives a self-signed certificate and its key, PEM.
func clientCertificate(t testing.TB) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gate"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8)
}

func authEnvironment(t testing.TB) func(string) (string, bool) {
	certificate, key := clientCertificate(t)
	other, _ := clientCertificate(t)
	values := map[string]string{
		"T": "canary-token-0123456789", "P": "canary p:ss", "LINES": "canary\nline", "CERT": certificate, "KEY": key, "OTHER": other, "EMPTY": "",
		"TOKEN_URL": "https://login.example/token",
	}
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
}

func TestCredentialsAreSentAsTheManifestSays(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string][2]string{
		"auth: {bearer: <<env.T>>}":                                            {"Authorization", "Bearer canary-token-0123456789"},
		"auth: {basic: {username: gate, password: <<env.P>>}}":                 {"Authorization", "Basic Z2F0ZTpjYW5hcnkgcDpzcw=="},
		"auth: {header: {name: x-api-key, value: <<env.T>>}}":                  {"X-Api-Key", "canary-token-0123456789"},
		"auth: {header: {name: Authorization, value: \"GenieKey <<env.T>>\"}}": {"Authorization", "GenieKey canary-token-0123456789"},
		"auth: {bearer: <<env.T>>}\nheaders: {User-Agent: mine}":               {"User-Agent", "mine"},
		"auth: {oauth2: {token_url: https://login.example/t, client_id: a, client_secret: <<env.T>>, scopes: [x, y], style: body, params: {resource: r}}}": {"Authorization", ""},
	} {
		doc, out := document(t, "url: https://x.example\n"+yaml, manifest.Options{Env: authEnvironment(t)})
		d := Compile(doc, script.Scope{}, out, Options{})
		if d == nil || out.Len() > 0 {
			t.Errorf("%s: %v", yaml, out.Sorted())
			continue
		}
		r := build(t, d, Delivery{})
		if got := r.Header.Get(want[0]); got != want[1] {
			t.Errorf("%s: got %q, want %q", yaml, got, want[1])
		}
		if (r.Token != nil) != strings.Contains(yaml, "oauth2") {
			t.Errorf("%s: got the token source %v", yaml, r.Token)
		}
		echo := "canary-token-0123456789 canary p:ss Z2F0ZTpjYW5hcnkgcDpzcw== gate:canary p:ss"
		if !strings.Contains(yaml, "<<env.P>>") {
			echo = "canary-token-0123456789"
		} else {
			echo = strings.TrimPrefix(echo, "canary-token-0123456789 ")
		}
		v := d.Judge(hooks.Attempt{Status: 200, Body: []byte(echo)}, nil)
		if text := v.Answer + fmt.Sprint(d.Shown(r), r, d.Line()); strings.Contains(text, "canary") || strings.Contains(text, "Z2F0Z") {
			t.Errorf("%s: %s holds a secret", yaml, text)
		}
	}
}

func TestAClientCertificateIsShown(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]bool{
		"tls: {cert: <<env.CERT>>, key: <<env.KEY>>}":                   true,
		"tls: {cert: <<env.CERT>>, key: <<env.KEY>>, ca: <<env.CERT>>}": true,
		"tls: {ca: <<env.CERT>>}":                                       true,
		"timeout: 5s":                                                   false,
	} {
		doc, out := document(t, "url: https://x.example\n"+yaml, manifest.Options{Env: authEnvironment(t)})
		d := Compile(doc, script.Scope{}, out, Options{})
		if d == nil || out.Len() > 0 {
			t.Errorf("%s: %v", yaml, out.Sorted())
			continue
		}
		if r := build(t, d, Delivery{}); (r.Certificate != nil) != want {
			t.Errorf("%s: got %v, want %v", yaml, r.Certificate, want)
		}
	}
}

func TestWrongCredentialsAreFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ yaml, want string }{
		{"auth: {}", "error[bad-value]: `auth` names no way to say who we are"},
		{"auth: {bearer: <<env.T>>, basic: {username: a, password: <<env.P>>}}", "error[bad-value]: `auth` names `bearer`, `basic` at once"},
		{"auth: {bearer: abc}", "error[literal-secret]: the secret `auth.bearer` is written into the manifest"},
		{"auth: {bearer: <<env.EMPTY>>}", "error[empty-secret]"},
		{"auth: {bearer: <<env.LINES>>}", "error[bad-header]: what `auth.bearer` would send holds control characters"},
		{"auth: {barer: <<env.T>>}", "error[unknown-key]: unknown key `barer` in `auth`; did you mean `bearer`?"},
		{"auth: {basic: {username: a, password: b}}", "error[literal-secret]"},
		{"auth: {basic: {username: 'a:b', password: <<env.P>>}}", "error[bad-value]: `auth.basic.username` holds a colon"},
		{"auth: {basic: {password: <<env.P>>}}", "error[missing-key]: the key `username` is missing in `auth.basic`"},
		{"auth: {header: {name: X Y, value: <<env.T>>}}", "error[bad-header]: `X Y` is no name of a header"},
		{"auth: {header: {name: host, value: <<env.T>>}}", "error[bad-header]: the header `host` is set by the connection"},
		{"auth: {header: {name: X-A, value: v}}", "error[literal-secret]"},
		{"auth: {bearer: <<env.T>>}\nheaders: {authorization: <<env.T>>}", "error[bad-header]: the header `Authorization` is set by `auth` and stands in `headers` too"},
		{"auth: {oauth2: {client_id: a, client_secret: <<env.T>>}}", "error[missing-key]: the key `token_url` is missing in `auth.oauth2`"},
		{"auth: {oauth2: {token_url: ftp://x, client_id: a, client_secret: <<env.T>>}}", "error[bad-url]: `auth.oauth2.token_url`: the URL begins with neither"},
		{"auth: {oauth2: {token_url: https://x.example, client_id: a, client_secret: b}}", "error[literal-secret]"},
		{"auth: {oauth2: {token_url: https://x.example, client_id: a, client_secret: <<env.T>>, scopes: ['a b']}}", "error[bad-value]: `auth.oauth2.scopes`: a scope is a word"},
		{"auth: {oauth2: {token_url: https://x.example, client_id: a, client_secret: <<env.T>>, style: cookie}}", "error[bad-value]: `auth.oauth2.style` cannot be `cookie`"},
		{"auth: {oauth2: {token_url: https://x.example, client_id: a, client_secret: <<env.T>>, params: {scope: x}}}", "error[bad-value]: `auth.oauth2.params`: scope is set by an option of its own"},
		{"auth: {oauth2: {token_url: https://x.example, client_id: a, client_secret: <<env.T>>}}\nheaders: {Authorization: <<env.T>>}", "error[bad-header]: the header `Authorization` is set by `auth`"},
		{"tls: {cert: <<env.CERT>>}", "error[missing-key]: `tls` holds one of `cert` and `key`"},
		{"tls: {cert: <<env.OTHER>>, key: <<env.KEY>>}", "error[bad-value]: `tls` cannot be used: certificate and key"},
		{"tls: {cert: <<env.CERT>>, key: abc}", "error[literal-secret]"},
		{"tls: {ca: abc}", "error[bad-value]: `tls` cannot be used: the authorities hold no certificate"},
		{"tls: {}", "error[bad-value]: `tls` cannot be used: neither a certificate nor an authority is given"},
	} {
		doc, out := document(t, "url: https://x.example\n"+c.yaml, manifest.Options{Env: authEnvironment(t)})
		d := Compile(doc, script.Scope{}, out, Options{})
		var lines []string
		for _, f := range out.Sorted() {
			lines = append(lines, f.String())
		}
		text := strings.Join(lines, "\n")
		if d != nil || out.Count(diag.Error) != 1 || !strings.Contains(text, c.want) || strings.Contains(text, "canary") || strings.Contains(text, "BEGIN") {
			t.Errorf("%s\ngot  %s\nwant %s", c.yaml, text, c.want)
		}
	}
	for _, yaml := range []string{"auth: {oauth2: {token_url: <<env.U>>, client_id: a, client_secret: <<env.S>>}}", "tls: {cert: <<file.a.pem>>, key: <<file.a.key>>}", "auth: {bearer: <<env.T>>}"} {
		doc, out := document(t, "url: https://x.example\n"+yaml, manifest.Options{NoEnv: true})
		if d := Compile(doc, script.Scope{}, out, Options{}); d == nil || out.Len() > 0 {
			t.Errorf("%s, only checked: %v", yaml, out.Sorted())
		}
	}
	doc, out := document(t, "url: https://x.example\nauth: {oauth2: {token_url: http://login.example/t, client_id: a, client_secret: <<env.T>>}}", manifest.Options{Env: authEnvironment(t)})
	if d := Compile(doc, script.Scope{}, out, Options{}); d == nil || out.Len() != 1 || out.Sorted()[0].Rule != diag.InsecureURL {
		t.Errorf("a token endpoint over plain http: got %v", out.Sorted())
	}
}
