package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/vault"
)

func TestLearntSecretsAreListedWithoutThemselves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if a := w.ask(t, "GET", "/api/v1/learned", ""); a.Code != http.StatusOK || strings.Join(strings.Fields(a.Body.String()), "") != `{"learned":[]}` {
		t.Errorf("of none: got %d %s, want an empty list", a.Code, a.Body)
	}
	w.learned.all = []vault.Entry{{Provider: "acme", Digest: "0123456789ab", At: instant(), Live: true}}
	a := w.ask(t, "GET", "/api/v1/learned", "")
	a.check(t, http.StatusOK, "")
	want := `{"learned":[{"provider":"acme","digest":"0123456789ab","at":"2026-03-04T12:00:00Z","live":true}]}`
	if got := strings.Join(strings.Fields(a.Body.String()), ""); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	w.ask(t, "GET", "/api/v1/learned?provider=acme", "").check(t, http.StatusBadRequest, "bad_parameter")
}

func TestDroppingLearntSecretsCountsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.learned.all = []vault.Entry{{Provider: "acme"}, {Provider: "acme"}, {Provider: "other"}}
	w.ask(t, "DELETE", "/api/v1/learned/acm", "").check(t, http.StatusNotFound, "not_found")
	a := w.ask(t, "DELETE", "/api/v1/learned/acme", "")
	a.check(t, http.StatusOK, "")
	if a.json["dropped"] != 2.0 || a.json["provider"] != "acme" || len(w.learned.all) != 1 {
		t.Errorf("got %s, and %v is left", a.Body, w.learned.all)
	}
	w.ask(t, "DELETE", "/api/v1/learned/acme", "").check(t, http.StatusNotFound, "not_found")
	w.learned.fail = store.ErrUnavailable
	w.ask(t, "DELETE", "/api/v1/learned/other", "").check(t, http.StatusServiceUnavailable, "store_unavailable")
	w.ask(t, "GET", "/api/v1/learned", "").check(t, http.StatusServiceUnavailable, "store_unavailable")
	w.ask(t, "GET", "/api/v1/learned/other", "").check(t, http.StatusMethodNotAllowed, "method_not_allowed")
}
