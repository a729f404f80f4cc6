package engine_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/secret"
)

func TestSecretsAreInNothingThatAnybodyReads(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	if len(h.c) < 24 {
		t.Errorf("there are %d canaries, want at least 24", len(h.c))
	}
	h.must(t, http.MethodPost, "/api/v1/subscriptions", fmt.Sprintf(`{"name": "dash", "url": %q, "events": ["*"], "headers": {"X-Api-Key": %q}, "secret": %q}`,
		h.hearing+"/"+h.c.add(t, "subscription's URL"), h.c.add(t, "subscription's header"), "whsec_"+base64.StdEncoding.EncodeToString([]byte(h.c.add(t, "subscription's secret")))))
	body := `{"id":1}`
	signed := "sha256=" + sign(h.c["provider's secret"], []byte(body))
	h.send(t, "/webhooks/acme", body, 200, "X-Acme-Signature", signed, "X-Delivery", "d1", "X-Kept", "kept")
	h.send(t, "/webhooks/acme", body, 200, "X-Acme-Signature", signed, "X-Delivery", "d1")
	h.send(t, "/webhooks/acme", body, 200, "X-Acme-Signature", "sha256="+sign(h.c["secret in a file"], []byte(body)), "X-Delivery", "d2")
	h.send(t, "/webhooks/form/"+h.c["path token"], body, 200)
	h.send(t, "/webhooks/pets/"+h.c["another path token"], "{}", 200, "X-Hook-Secret", h.c["learnt secret"])
	// Refusals of every kind.
	h.send(t, "/webhooks/acme", body, 401, "X-Acme-Signature", "sha256="+h.c["forged signature"])
	h.send(t, "/webhooks/acme", body, 401, "X-Acme-Signature", h.c["forged signature"])
	h.send(t, "/webhooks/acme", body, 401)
	h.send(t, "/webhooks/acme", `{"a":`, 400, "X-Acme-Signature", "sha256="+sign(h.c["provider's secret"], []byte(`{"a":`)))
	h.send(t, "/webhooks/acme", body, 415, "X-Acme-Signature", signed, "Content-Encoding", "gzip")
	h.send(t, "/webhooks/form/"+h.c["forged signature"], body, 404)
	h.send(t, "/webhooks/nobody", body, 404)

	const runs = 3 + 3*2 // of ways, for all events; of forms, of tells and of the subscription, for those of acme
	for _, r := range h.settled(t, runs) {
		if r["state"] == string(run.Parked) {
			h.must(t, http.MethodPost, fmt.Sprintf("/api/v1/runs/%s/retry", r["id"]), "")
		}
	}
	h.settled(t, runs)
	replay := h.must(t, http.MethodPost, "/api/v1/jobs", `{"kind": "replay", "all": true, "rate": 1000}`)
	h.job = fmt.Sprint(replay["job"].(map[string]any)["id"])
	soon(t, "all is replayed", func() bool {
		return h.must(t, http.MethodGet, "/api/v1/jobs/"+h.job, "")["job"].(map[string]any)["state"] == "done"
	})
	h.settled(t, 2*runs)
	for _, authorization := range []string{"Bearer " + h.c["wrong admin token"], "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:"+h.c["wrong admin token"])), "none"} {
		if status, _ := h.askAs(t, http.MethodGet, "/api/v1/status?token="+h.c["admin token"], "", authorization); status != http.StatusUnauthorized {
			t.Errorf("a wrong token is answered %d, want 401", status)
		}
	}
	h.didWhatItShould(t)
	asked := h.askEverything(t)

	sinks := map[string][]byte{"log": h.log.bytes(), "answers": h.answers.bytes(), "trace headers": h.traces.bytes()}
	var found []string
	size := 0
	for name, content := range sinks {
		if len(content) == 0 {
			t.Errorf("%s: there is nothing to search", name)
		}
		size += len(content)
		found = append(found, h.c.search(name, content)...)
	}
	for _, when := range []string{"running", "stopped"} {
		hits, n := h.c.folderSearch(t, h.data)
		for _, hit := range hits {
			found = append(found, when+": "+hit)
		}
		size += n
		if when == "running" {
			stopEngine(t, h.Engine)
		}
	}
	found = append(found, h.c.search("log of the stop", h.log.bytes())...)
	for _, hit := range found {
		t.Error(hit)
	}
	t.Logf("%d secrets in %d forms each, %d bytes in %d sinks and the data folder, %d documents of the API: %d hits", len(h.c), len(forms("x")), size, len(sinks), asked, len(found))
}

// didWhatItShould makes sure that the secrets were at work, so that there was something to leak.
func (h *house) didWhatItShould(t *testing.T) {
	t.Helper()
	heard := map[string]int{}
	codes := map[string]int{}
	for _, r := range h.list(t, "/api/v1/runs?limit=1000", "runs") {
		_, text := h.ask(t, http.MethodGet, "/api/v1/runs/"+fmt.Sprint(r["id"]), "")
		var doc struct {
			Attempts []run.Attempt `json:"attempts"`
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		for _, a := range doc.Attempts {
			name, _, _ := strings.Cut(a.Destination, "/")
			codes[name+" "+a.Code]++
			if strings.Contains(a.Answer, secret.Mask) {
				heard[name]++
			}
		}
	}
	for _, name := range []string{"echo", "basic", "header", "bearer", "subscription"} {
		if heard[name] == 0 {
			t.Errorf("no answer of %s holds %s: nothing was repeated, or nothing hidden (attempts: %v)", name, secret.Mask, codes)
		}
	}
	for _, want := range []string{"echo ", "echo http_503", "echo http_400", "bearer ", "refused token_refused", "mutual ", "stranger tls", "nowhere dns", "closed dial", "inside refused_by_egress_guard"} {
		if codes[want] == 0 {
			t.Errorf("no attempt ended as %q; there are %v", want, codes)
		}
	}
}

// askEverything gets every document that the API's own description knows of, and says how many.
func (h *house) askEverything(t *testing.T) int {
	t.Helper()
	_, text := h.ask(t, http.MethodGet, "/api/v1/openapi.json", "")
	var api struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Name string `json:"name"`
				In   string `json:"in"`
			} `json:"parameters"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(text), &api); err != nil {
		t.Fatal(err)
	}
	ids := map[string][]string{"events": nil, "runs": nil, "explain": nil}
	for _, e := range h.list(t, "/api/v1/events?limit=1000", "events") {
		ids["events"] = append(ids["events"], fmt.Sprint(e["id"]))
	}
	for _, r := range h.list(t, "/api/v1/runs?limit=1000", "runs") {
		ids["runs"] = append(ids["runs"], fmt.Sprint(r["id"]))
	}
	for _, r := range h.list(t, "/api/v1/rejections?limit=1000", "rejections") {
		ids["explain"] = append(ids["explain"], fmt.Sprint(r["request_id"]))
	}
	ids["explain"] = append(append(ids["explain"], ids["events"]...), ids["runs"]...)
	ids["pipelines"] = []string{"forms", "ways"}
	ids["jobs"] = []string{h.job}
	for _, s := range h.list(t, "/api/v1/subscriptions", "subscriptions") {
		ids["subscriptions"] = append(ids["subscriptions"], fmt.Sprint(s["id"]))
	}

	for _, known := range []string{"/metrics", "/api/v1/status", "/api/v1/explain/{id}", "/api/v1/runs/{id}", "/api/v1/rejections", "/api/v1/learned", "/api/v1/audit", "/api/v1/destinations"} {
		if _, ok := api.Paths[known]; !ok {
			t.Errorf("the API's description has no %s: what it leaves out is not searched", known)
		}
	}
	asked := 0
	for path, methods := range api.Paths {
		get, ok := methods["get"]
		if !ok {
			continue
		}
		family, _, _ := strings.Cut(strings.TrimPrefix(path, "/api/v1/"), "/")
		addresses := []string{path}
		if at := strings.IndexByte(path, '{'); at >= 0 {
			addresses = nil
			end := strings.IndexByte(path, '}')
			for _, id := range append(ids[family], "nobody") {
				addresses = append(addresses, path[:at]+id+path[end+1:])
			}
		}
		for _, address := range addresses {
			queries := []string{""}
			for _, p := range get.Parameters {
				if p.Name == "body" {
					queries = append(queries, "?body=true", "?body=raw")
				}
				if p.Name == "run" {
					queries = append(queries, "?run="+ids["runs"][0], "?run="+ids["runs"][len(ids["runs"])-1])
				}
			}
			for _, q := range queries {
				if status, text := h.ask(t, http.MethodGet, address+q, ""); status >= 500 && path != "/readyz" {
					t.Errorf("GET %s: %d %s", address+q, status, text)
				}
				asked++
			}
		}
	}
	return asked
}

func TestWhatRefusesAManifestQuotesNoSecret(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"a body":                   `{kind: destination, name: x, url: "https://x.example", body: {key: <<env.CANARY>>}}`,
		"a host that is no host":   `{kind: destination, name: x, url: <<env.CANARY_URL>>}`,
		"a header of two lines":    `{kind: destination, name: x, url: "https://x.example", headers: {X-Key: <<env.CANARY_LINES>>}}`,
		"a key that is no key":     `{kind: destination, name: x, url: "https://x.example", tls: {cert: <<env.CANARY>>, key: <<env.CANARY>>}}`,
		"a signing key that isn't": `{kind: destination, name: x, url: "https://x.example", sign: {use: standard-webhooks}, secret: <<env.CANARY_LINES>>}`,
		"a token URL":              `{kind: destination, name: x, url: "https://x.example", auth: {oauth2: {token_url: <<env.CANARY_URL>>, client_id: a, client_secret: <<env.CANARY>>}}}`,
		"an algorithm":             `{kind: provider, name: x, signature: {algorithm: <<env.CANARY>>, header: X-S}, secret: <<env.CANARY>>, event: {header: X-E}}`,
		"a name":                   `{kind: destination, name: <<env.CANARY>>, url: "https://x.example"}`,
		"an expression":            "kind: pipeline\nname: x\nnodes:\n  - {label: A, type: start}\n  - {label: B, type: condition, props: {expression: 'payload == <<env.CANARY>>'}}\n",
	} {
		c := canaries{}
		text := c.add(t, "secret")
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "gate.yaml"), []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		var log lockedBuffer
		e, err := newEngine(t, dir, map[string]string{"CANARY": text, "CANARY_URL": "https://" + text + " x:99999999", "CANARY_LINES": text + "\r\nX: " + text + "\x00"}, func(o *engine.Options) {
			o.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		if err == nil {
			err = e.Start(t.Context())
			stopEngine(t, e)
		}
		if err == nil {
			t.Errorf("%s: it was taken, want it refused", name)
			continue
		}
		// A name is no secret, but whoever refers to one by mistake still gave a secret.
		for _, hit := range append(c.search("error", []byte(fmt.Sprintf("%v %+v %#v", err, err, err))), c.search("log", log.bytes())...) {
			t.Errorf("%s: %s", name, hit)
		}
	}
}
