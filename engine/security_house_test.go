package engine_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/secret"
)

// leaky has a secret in every place that takes one. %[1]s is a receiver, %[2]s one with TLS, %[3]s the folder of secret files.
const leaky = `
kind: provider
name: acme
signature: {algorithm: hmac-sha256, header: X-Acme-Signature, prefix: "sha256="}
secrets: [<<env.ACME_SECRET>>, <<file.%[3]s/acme-old>>]
event: {header: X-Event}
delivery: {header: X-Delivery}
headers: [X-Kept]
schema_policy: pass
events: [{name: thing}]
---
kind: provider
name: form
signature: none
accept_weak: this is a test
path_token: <<env.PATH_TOKEN>>
event: {header: X-Event}
events: [{name: thing}]
---
kind: provider
name: pets
use: asana
path_token: <<env.PETS_TOKEN>>
---
{kind: destination, name: echo, url: <<env.ECHO_URL>>, headers: {X-Api-Key: <<env.API_KEY>>}, sign: {use: standard-webhooks}, secret: <<env.SIGN_SECRET>>, retry: [0s, 1s]}
---
{kind: destination, name: basic, url: "%[1]s/basic", auth: {basic: {username: gate, password: <<env.BASIC_PASSWORD>>}}, retry: [0s]}
---
{kind: destination, name: header, url: "%[1]s/header", auth: {header: {name: X-Api-Key, value: "Key <<env.HEADER_KEY>>"}}, sign: {algorithm: hmac-sha256, header: X-Sign}, secret: <<env.HMAC_SECRET>>, retry: [0s]}
---
{kind: destination, name: bearer, url: "%[1]s/bearer", auth: {oauth2: {token_url: "%[1]s/token", client_id: gate, client_secret: <<env.CLIENT_SECRET>>}}, retry: [0s]}
---
{kind: destination, name: refused, url: "%[1]s/refused", auth: {oauth2: {token_url: "%[1]s/token", client_id: gate, client_secret: <<env.WRONG_CLIENT_SECRET>>}}, retry: [0s]}
---
{kind: destination, name: mutual, url: "%[2]s/mutual", tls: {cert: <<file.%[3]s/client.pem>>, key: <<file.%[3]s/client.key>>, ca: <<file.%[3]s/ca.pem>>}, retry: [0s]}
---
{kind: destination, name: stranger, url: <<env.STRANGER_URL>>, retry: [0s]}
---
{kind: destination, name: nowhere, url: <<env.NOWHERE_URL>>, retry: [0s]}
---
{kind: destination, name: closed, url: <<env.CLOSED_URL>>, retry: [0s]}
---
{kind: destination, name: inside, url: <<env.INSIDE_URL>>, retry: [0s]}
---
kind: pipeline
name: forms
nodes:
  - {label: In, type: receive, props: {provider: acme, event: thing}}
  - {label: Plain, type: hook, props: {destination: echo}}
  - {label: Base64, type: hook, props: {destination: echo, headers: {X-Form: base64}}}
  - {label: Base64url, type: hook, props: {destination: echo, headers: {X-Form: base64url}}}
  - {label: Hex, type: hook, props: {destination: echo, headers: {X-Form: hex}}}
  - {label: Escaped, type: hook, props: {destination: echo, headers: {X-Form: escaped}}}
  - {label: JSON, type: hook, props: {destination: echo, headers: {X-Form: json}}}
  - {label: Busy, type: hook, props: {destination: echo, headers: {X-Mood: busy once}}}
  - {label: Keep, type: code, props: {code: '{"heard": steps["JSON"], "plain": Plain}'}}
connections: [In -> Plain -> Keep, In -> Base64, In -> Base64url, In -> Hex, In -> Escaped, In -> JSON -> Keep, In -> Busy]
---
kind: pipeline
name: ways
nodes:
  - {label: In, type: receive, props: {provider: "*", event: thing}}
  - {label: Basic, type: hook, props: {destination: basic}}
  - {label: Header, type: hook, props: {destination: header, headers: {X-Form: hex}}}
  - {label: Bearer, type: hook, props: {destination: bearer}}
  - {label: Bearer again, type: hook, props: {destination: bearer, headers: {X-Form: base64}}}
  - {label: Refused, type: hook, props: {destination: refused}}
  - {label: Mutual, type: hook, props: {destination: mutual, headers: {X-Form: json}}}
  - {label: Moody, type: hook, props: {destination: echo, headers: {X-Mood: refuses}}}
  - {label: Stranger, type: hook, props: {destination: stranger}}
  - {label: Nowhere, type: hook, props: {destination: nowhere}}
  - {label: Closed, type: hook, props: {destination: closed}}
  - {label: Inside, type: hook, props: {destination: inside}}
connections: [In -> Basic, In -> Header, In -> Bearer -> Bearer again, In -> Refused, In -> Mutual, In -> Moody, In -> Stranger, In -> Nowhere, In -> Closed, In -> Inside]
---
kind: pipeline
name: tells
nodes:
  - {label: In, type: receive, props: {provider: acme, event: thing}}
  - {label: Tell, type: hook, props: {subscribers: {event: "{{ event.name }}"}, sign: {use: standard-webhooks}, retry: [0s]}}
`

// house is a gateway with a secret in every place, and what strangers can read of it.
type house struct {
	*engine.Engine
	c             canaries
	log, traces   lockedBuffer
	answers       lockedBuffer // what senders and callers of the API are told
	data, secrets string
	hearing       string // the receiver's address
	job           string
	client        *http.Client
}

// openHouse starts the gateway of leaky.
func openHouse(t *testing.T) *house {
	t.Helper()
	h := &house{c: canaries{}, data: t.TempDir(), secrets: t.TempDir(), client: caller(t)}
	env := map[string]string{}
	for name, what := range map[string]string{
		"ACME_SECRET": "provider's secret", "PATH_TOKEN": "path token", "PETS_TOKEN": "another path token", "API_KEY": "header", "BASIC_PASSWORD": "basic password",
		"HEADER_KEY": "authentication header", "HMAC_SECRET": "HMAC secret", "CLIENT_SECRET": "client secret", "WRONG_CLIENT_SECRET": "refused client secret",
	} {
		env[name] = h.c.add(t, what)
	}
	for _, what := range []string{"first access token", "second access token", "admin token", "wrong admin token", "seal key", "learnt secret", "sender's credential", "sender's cookie", "forged signature"} {
		h.c.add(t, what)
	}
	env["SIGN_SECRET"] = "whsec_" + base64.StdEncoding.EncodeToString([]byte(h.c.add(t, "signing secret")))

	plain := receiver(t, issuer(h.c, gossip(&h.traces)))
	h.hearing = plain.URL
	closed := receiver(t, nil)
	closed.Close()
	address := strings.TrimPrefix(plain.URL, "http://")
	env["ECHO_URL"] = fmt.Sprintf("http://%s:%s@%s/%s/hook?key=%s", h.c.add(t, "URL's user"), h.c.add(t, "URL's password"), address, h.c.add(t, "URL's path"), h.c.add(t, "URL's query"))
	env["STRANGER_URL"] = "https://" + address + "/" + h.c.add(t, "URL without TLS")
	env["NOWHERE_URL"] = "https://" + h.c.add(t, "name without address") + ".invalid/" + h.c.add(t, "URL of a name without address")
	env["CLOSED_URL"] = closed.URL + "/" + h.c.add(t, "URL without listener")
	env["INSIDE_URL"] = "https://10.1.2.3/" + h.c.add(t, "URL of a private address")
	secure := h.certified(t)

	h.file(t, "acme-old", h.c.add(t, "secret in a file"))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gate.yaml"), fmt.Appendf(nil, leaky, plain.URL, secure, h.secrets), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Engine = startEngine(t, dir, env, func(o *engine.Options) {
		o.DataDir, o.SecretDirs, o.AdminToken, o.SealKey = h.data, []string{h.secrets}, secret.New(h.c["admin token"]), secret.New(h.c["seal key"])
		o.Logger = slog.New(slog.NewJSONHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	return h
}

// certified makes a receiver that wants the client certificate, and its files.
func (h *house) certified(t *testing.T) string {
	t.Helper()
	certPEM, keyPEM := selfSigned(t)
	clientCert, clientKey := selfSigned(t)
	lines := strings.Split(string(clientKey), "\n")
	h.c["client key"] = lines[1][8:56] // of its base64
	h.file(t, "client.pem", string(clientCert))
	h.file(t, "client.key", string(clientKey))
	h.file(t, "ca.pem", string(certPEM))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(clientCert)
	s := httptest.NewUnstartedServer(gossip(&h.traces))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func (h *house) file(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.secrets, name), []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// send posts to the public listener; header holds names and values in turn. What it is told is kept, unless a secret is its point.
func (h *house) send(t *testing.T, path, body string, want int, header ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.PublicAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Event", "thing")
	req.Header.Set("Authorization", "Bearer "+h.c["sender's credential"])
	req.Header.Set("Cookie", "session="+h.c["sender's cookie"])
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	status, text := h.do(t, req, req.Header.Get("X-Hook-Secret") == "")
	if status != want {
		t.Errorf("POST %s: got %d %s, want %d", strings.SplitAfter(path, "/")[2], status, text, want)
	}
}

func (h *house) do(t *testing.T, req *http.Request, keep bool) (int, string) {
	t.Helper()
	resp, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var b bytes.Buffer
	_, _ = fmt.Fprintln(&b, req.Method, resp.Status, resp.Header)
	if _, err := io.Copy(&b, resp.Body); err != nil {
		t.Fatal(err)
	}
	if keep {
		_, _ = h.answers.Write(b.Bytes())
	}
	_, text, _ := strings.Cut(b.String(), "\n")
	return resp.StatusCode, text
}

// ask calls the admin API with the token.
func (h *house) ask(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	return h.askAs(t, method, path, body, "Bearer "+h.c["admin token"])
}

func (h *house) askAs(t *testing.T, method, path, body, authorization string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.AdminAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", authorization)
	return h.do(t, req, true)
}

// must is ask for what has to work; it gives the document.
func (h *house) must(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	status, text := h.ask(t, method, path, body)
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil || status/100 != 2 {
		t.Fatalf("%s %s: %d %v: %s", method, path, status, err, text)
	}
	return doc
}

// list reads a list of the API into documents.
func (h *house) list(t *testing.T, path, key string) []map[string]any {
	t.Helper()
	status, text := h.ask(t, http.MethodGet, path, "")
	var page map[string]json.RawMessage
	var docs []map[string]any
	if err := json.Unmarshal([]byte(text), &page); err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %v: %s", path, status, err, text)
	}
	if err := json.Unmarshal(page[key], &docs); err != nil {
		t.Fatalf("%s: %s: %v", path, key, err)
	}
	return docs
}

// settled waits until no run is open, and gives all of them.
func (h *house) settled(t *testing.T, atLeast int) (runs []map[string]any) {
	t.Helper()
	soon(t, "no run is open", func() bool {
		runs = h.list(t, "/api/v1/runs?limit=1000", "runs")
		for _, r := range runs {
			if r["state"] == string(run.Open) {
				return false
			}
		}
		return len(runs) >= atLeast
	})
	return runs
}
