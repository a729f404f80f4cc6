package admin_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/subscription"
	"github.com/headgate/headgate/engine/vault"
)

// withAudience gives the world a registry over its store.
func (w *world) withAudience(t *testing.T) *subscription.Registry {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	v, err := vault.New(vault.Options{Store: w.records, Key: vault.FreshKey(), Logger: log, Now: instant})
	if err != nil {
		t.Fatal(err)
	}
	r, err := subscription.NewRegistry(subscription.Options{Store: w.records, Sealer: v, Logger: log, Now: instant})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Audience = r
	return r
}

const partner = `{"name": "Partner", "url": "https://partner.example.com/canary-path?key=canary-query", "events": ["order.*, agent:complete"],
	"users": ["ann"], "scopes": ["orders"], "headers": {"X-Partner": "canary-header"}}`

func TestASubscriptionIsRegisteredAndItsSecretToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withAudience(t)
	a := w.ask(t, "POST", "/api/v1/subscriptions", partner, "Headgate-Actor: ann@host")
	a.check(t, http.StatusCreated, "")
	made, _ := a.json["secret"].(string)
	doc, _ := a.json["subscription"].(map[string]any)
	id, _ := doc["id"].(string)
	if !strings.HasPrefix(made, "whsec_") || !strings.HasPrefix(id, "sub_") || a.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("got %s", a.Body)
	}
	want := map[string]any{
		"id": id, "name": "Partner", "declared": false, "url": "https://partner.example.com/…", "events": []any{"order.*", "agent:complete"},
		"users": []any{"ann"}, "scopes": []any{"orders"}, "headers": []any{"X-Partner"}, "enabled": true, "readable": true, "second_secret_until": nil,
		"gate": "subscription/" + id, "gate_state": "open", "created": "2026-03-04T12:00:00Z", "updated": "2026-03-04T12:00:00Z",
	}
	if got, wanted := text(doc), text(want); got != wanted {
		t.Errorf("got  %s\nwant %s", got, wanted)
	}
	for _, path := range []string{"/api/v1/subscriptions", "/api/v1/subscriptions/" + id, "/api/v1/audit", "/api/v1/destinations"} {
		a := w.ask(t, "GET", path, "")
		a.check(t, http.StatusOK, "")
		if body := a.Body.String(); strings.Contains(body, made) || strings.Contains(body, "canary") {
			t.Errorf("%s tells what is secret: %s", path, body)
		}
	}
	page, err := w.records.Audit(t.Context(), store.AuditQuery{})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Who != "ann@host" || page.Entries[0].Action != "subscription.create" || page.Entries[0].Subject != id {
		t.Errorf("the audit log has %+v: %v", page.Entries, err)
	}
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestASubscriptionIsDisabledEnabledRotatedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.withAudience(t)
	doc, _ := w.ask(t, "POST", "/api/v1/subscriptions", partner).json["subscription"].(map[string]any)
	id := fmt.Sprint(doc["id"])
	path := "/api/v1/subscriptions/" + id

	a := w.ask(t, "POST", path+"/disable", `{"reason": "asked us to"}`)
	a.check(t, http.StatusOK, "")
	if a.json["enabled"] != false || a.json["reason"] != "asked us to" || len(r.Match(subscription.Query{Event: "order.paid"})) != 0 {
		t.Errorf("disabled it is %s", a.Body)
	}
	a = w.ask(t, "POST", path+"/enable", "")
	a.check(t, http.StatusOK, "")
	if a.json["enabled"] != true || len(r.Match(subscription.Query{Event: "order.paid"})) != 1 {
		t.Errorf("enabled it is %s", a.Body)
	}
	a = w.ask(t, "POST", path+"/rotate", "")
	a.check(t, http.StatusOK, "")
	rotated, _ := a.json["subscription"].(map[string]any)
	if made, _ := a.json["secret"].(string); !strings.HasPrefix(made, "whsec_") || rotated["second_secret_until"] != "2026-03-05T12:00:00Z" {
		t.Errorf("rotated it is %s", a.Body)
	}
	a = w.ask(t, "POST", path+"/rotate", `{"secret": "a-secret-of-my-own-0123"}`)
	a.check(t, http.StatusOK, "")
	if _, told := a.json["secret"]; told {
		t.Errorf("a secret of the caller's own is told back: %s", a.Body)
	}
	w.ask(t, "DELETE", path, "").check(t, http.StatusOK, "")
	for _, ask := range [][2]string{{"GET", path}, {"DELETE", path}, {"POST", path + "/enable"}, {"POST", path + "/rotate"}, {"POST", path + "/disable"}} {
		w.ask(t, ask[0], ask[1], "").check(t, http.StatusNotFound, subscription.CodeNotFound)
	}
	if len(r.Set().All()) != 0 {
		t.Error("it is still there")
	}
}

func TestSubscriptionsAreListedInPagesByWhatTheyHear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.withAudience(t)
	r.Declare([]*subscription.Subscription{
		{ID: "a", Events: []string{"order.*"}, Declared: true},
		{ID: "b", Events: []string{"*"}, Users: []string{"*"}, Declared: true},
		{ID: "c", Events: []string{"agent:*"}, Users: []string{"ann"}, Scopes: []string{"orders"}, Disabled: true, Declared: true},
	})
	rows := []struct{ query, want, next string }{
		{"", "a b c", ""},
		{"?limit=2", "a b", "b"},
		{"?limit=2&cursor=b", "c", ""},
		{"?event=agent:start", "b c", ""},
		{"?event=order.paid", "a b", ""},
		{"?user=ann", "b c", ""},
		{"?scope=orders", "c", ""},
		{"?state=disabled", "c", ""},
		{"?state=enabled", "a b", ""},
		{"?event=none&user=bob", "b", ""},
	}
	for _, row := range rows {
		a := w.ask(t, "GET", "/api/v1/subscriptions"+row.query, "")
		a.check(t, http.StatusOK, "")
		var got []string
		list, _ := a.json["subscriptions"].([]any)
		for _, s := range list {
			one, _ := s.(map[string]any)
			got = append(got, fmt.Sprint(one["id"]))
		}
		if strings.Join(got, " ") != row.want || a.json["next"] != row.next {
			t.Errorf("%q lists %v, next %v; want %s, next %q", row.query, got, a.json["next"], row.want, row.next)
		}
	}
	for _, query := range []string{"?state=off", "?limit=0", "?name=a"} {
		w.ask(t, "GET", "/api/v1/subscriptions"+query, "").check(t, http.StatusBadRequest, "bad_parameter")
	}
}

func TestWhatCannotBeDoneToASubscriptionIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withAudience(t).Declare([]*subscription.Subscription{{ID: "declared", Events: []string{"*"}, Declared: true}})
	const path = "/api/v1/subscriptions"
	rows := []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"POST", path, `{"url": "https://user:canary@x.example.com", "events": ["*"]}`, 400, subscription.CodeInvalid},
		{"POST", path, `{"url": "https://x.example.com"}`, 400, subscription.CodeInvalid},
		{"POST", path, `{"url": "https://x.example.com", "events": ["*"], "secret": "canary"}`, 400, subscription.CodeInvalid},
		{"POST", path, `{"url": "https://x.example.com", "events": "*"}`, 400, "bad_body"},
		{"POST", path, `{"url": "https://x.example.com", "event": ["*"]}`, 400, "bad_body"},
		{"POST", path, "", 400, subscription.CodeInvalid},
		{"POST", path + "/declared/disable", "", 409, subscription.CodeDeclared},
		{"POST", path + "/declared/rotate", "", 409, subscription.CodeDeclared},
		{"DELETE", path + "/declared", "", 409, subscription.CodeDeclared},
		{"POST", path + "/declared/disable", `{"secret": "x"}`, 400, "bad_body"},
		{"POST", path + "/declared/rotate", `{"reason": "x"}`, 400, "bad_body"},
		{"PUT", path + "/declared", "", 405, "method_not_allowed"},
	}
	for _, r := range rows {
		a := w.ask(t, r.method, r.path, r.body)
		a.check(t, r.status, r.code)
		if strings.Contains(a.Body.String(), "canary") {
			t.Errorf("%s %s tells a value: %s", r.method, r.path, a.Body)
		}
	}
	w.Audience = nil
	w.handler = nil
	w.ask(t, "POST", path, partner).check(t, http.StatusNotFound, subscription.CodeNotFound)
	if a := w.ask(t, "GET", path, ""); !slices.Equal(strings.Fields(a.Body.String()), strings.Fields(`{ "subscriptions": [], "next": "" }`)) {
		t.Errorf("of nobody the list is %s", a.Body)
	}
}

func TestAskingTwiceToRegisterWithAKeyIsAskingOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.withAudience(t)
	first := w.ask(t, "POST", "/api/v1/subscriptions", partner, "Idempotency-Key: k1")
	again := w.ask(t, "POST", "/api/v1/subscriptions", partner, "Idempotency-Key: k1")
	first.check(t, http.StatusCreated, "")
	again.check(t, http.StatusCreated, "")
	if _, told := again.json["secret"]; told || len(r.Set().All()) != 1 {
		t.Errorf("asked again it is %s, and there are %d", again.Body, len(r.Set().All()))
	}
}
