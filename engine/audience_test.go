package engine_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/run"
)

const publishing = `
kind: provider
name: load
signature: {algorithm: hmac-sha256, header: X-Signature, prefix: "sha256="}
secret: <<env.LOAD_SECRET>>
event: {header: X-Event}
delivery: {header: X-Delivery}
events: [{name: thing}]
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: load, event: thing}}
  - {label: Tell, type: hook, props: {subscribers: {}, sign: standard-webhooks, body: {told: "{{ subscription.name }}"}, retry: [0s, 1h]}}
`

// heard is what a subscriber got.
type heard struct {
	path, body string
	header     http.Header
}

// signed says whether one of the signatures of a request is that of a secret (Standard Webhooks).
func (h heard) signed(secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.header.Get("Webhook-Id") + "." + h.header.Get("Webhook-Timestamp") + "." + h.body))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, s := range strings.Fields(h.header.Get("Webhook-Signature")) {
		if s == want {
			return true
		}
	}
	return false
}

func TestARegisteredSubscriptionHearsAfterARestartSignedWithItsSecret(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var all []heard
	r := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		all = append(all, heard{r.URL.Path, string(body), r.Header.Clone()})
		mu.Unlock()
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	got := func(path string) []heard {
		mu.Lock()
		defer mu.Unlock()
		var out []heard
		for _, h := range all {
			if h.path == path {
				out = append(out, h)
			}
		}
		return out
	}
	data, dir, c := t.TempDir(), folder(t, publishing), caller(t)
	change := func(o *engine.Options) { o.DataDir = data }
	first := startEngine(t, dir, loadEnv(), change)
	register := func(e *engine.Engine, name string) admin.SubscriptionMade {
		status, body, _ := ask(t, c, e.AdminAddr()+"/api/v1/subscriptions", `{"name": "`+name+`", "url": "`+r.URL+`/`+name+`", "events": ["th*"]}`)
		var made admin.SubscriptionMade
		if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusCreated {
			t.Fatalf("registering is answered %d %s", status, body)
		}
		return made
	}
	good, bad := register(first, "good"), register(first, "bad")
	if _, err := post(c, first.PublicAddr(), "one"); err != nil {
		t.Fatal(err)
	}
	soon(t, "both were told", func() bool { return len(got("/good")) == 1 && len(got("/bad")) == 1 })
	stopEngine(t, first)

	second := startEngine(t, dir, loadEnv(), change)
	status, body, _ := ask(t, c, second.AdminAddr()+"/api/v1/subscriptions/"+good.Subscription.ID+"/rotate", "")
	var rotated admin.SubscriptionMade
	if err := json.Unmarshal([]byte(body), &rotated); err != nil || status != http.StatusOK {
		t.Fatalf("rotating is answered %d %s", status, body)
	}
	if _, err := post(c, second.PublicAddr(), "two"); err != nil {
		t.Fatal(err)
	}
	soon(t, "the good one was told again", func() bool { return len(got("/good")) == 2 })
	told := got("/good")
	if told[0].body != `{"told":"good"}` || !told[0].signed(good.Secret) || told[0].signed(bad.Secret) {
		t.Errorf("before the restart it got %+v, want a signature of its own secret", told[0])
	}
	if !told[1].signed(good.Secret) || !told[1].signed(rotated.Secret) {
		t.Errorf("after its secret was rotated it got %+v, want the signatures of both", told[1])
	}

	var runs struct {
		Runs []run.Run `json:"runs"`
	}
	get(t, c, second.AdminAddr()+"/api/v1/runs?pipeline=flow%2FTell", &runs)
	if len(runs.Runs) != 4 {
		t.Errorf("there are %d deliveries on record, want 4", len(runs.Runs))
	}
	var picture struct {
		Name  string `json:"name"`
		Nodes []any  `json:"nodes"`
	}
	if status := get(t, c, second.AdminAddr()+"/api/v1/pipelines/flow%2FTell?run="+runs.Runs[0].ID.String(), &picture); status != http.StatusOK || picture.Name != "flow/Tell" || len(picture.Nodes) != 1 {
		t.Errorf("the picture of a delivery is %d %+v", status, picture)
	}
	var explained any
	if status := get(t, c, second.AdminAddr()+"/api/v1/explain/"+runs.Runs[0].ID.String(), &explained); status != http.StatusOK {
		t.Errorf("explaining a delivery is answered %d", status)
	}
	var state struct {
		Gone []string `json:"gone"`
	}
	if get(t, c, second.AdminAddr()+"/api/v1/status", &state); len(state.Gone) != 0 {
		t.Errorf("pipelines that are gone are %v, want none", state.Gone)
	}

	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+second.AdminAddr()+"/api/v1/subscriptions/"+good.Subscription.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if _, err := post(c, second.PublicAddr(), "three"); err != nil {
		t.Fatal(err)
	}
	soon(t, "the bad one was told a third time", func() bool { return len(got("/bad")) == 3 })
	if n := len(got("/good")); n != 2 {
		t.Errorf("deleted it was told %d times, want 2", n)
	}
}
