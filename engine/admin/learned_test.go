package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/secret"
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

func TestTheNewestLearntSecretIsRevealedToWhoAsksForItByPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.learned.secret = secret.New("handed-over-<7f3a9c>")
	w.learned.all = []vault.Entry{{Provider: "acme", Digest: "0123456789ab", At: instant(), Live: true}}
	a := w.ask(t, "POST", "/api/v1/learned/acme/reveal", "")
	a.check(t, http.StatusOK, "")
	want := `{"provider":"acme","digest":"0123456789ab","at":"2026-03-04T12:00:00Z","secret":"handed-over-<7f3a9c>"}`
	if got := strings.Join(strings.Fields(a.Body.String()), ""); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := a.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("got Cache-Control %q, want no-store", got)
	}
	for _, method := range []string{"GET", "HEAD"} {
		if a := w.ask(t, method, "/api/v1/learned/acme/reveal", ""); a.Code != http.StatusMethodNotAllowed || a.Header().Get("Allow") != "POST" {
			t.Errorf("%s: got %d with Allow %q, want 405 with POST", method, a.Code, a.Header().Get("Allow"))
		}
	}
	w.ask(t, "POST", "/api/v1/learned/acme/reveal?digest=0123456789ab", "").check(t, http.StatusBadRequest, "bad_parameter")
	w.ask(t, "POST", "/api/v1/learned/acme/reveal", "", "Origin: https://evil.example").check(t, http.StatusForbidden, "cross_origin")

	w.learned.secret = secret.New("\xff\x00")
	if a := w.ask(t, "POST", "/api/v1/learned/acme/reveal", ""); a.json["secret_base64"] != "/wA=" || a.json["secret"] != nil {
		t.Errorf("of bytes that are no text: got %s", a.Body)
	}
}

func TestALearntSecretIsNotRevealedLateOrWithoutTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.learned.secret = secret.New("handed-over-7f3a9c")
	w.learned.all = []vault.Entry{
		{Provider: "late", Live: true}, {Provider: "sealed", Digest: "0123456789ab"}, {Provider: "acme", Digest: "0123456789ab", Live: true},
	}
	a := w.ask(t, "POST", "/api/v1/learned/late/reveal", "")
	a.check(t, http.StatusGone, "reveal_expired")
	if text := a.Body.String(); !strings.Contains(text, "10 minutes") || !strings.Contains(text, "repeat the handshake") {
		t.Errorf("got %s, want how long, and what to do", text)
	}
	if got := a.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("got Cache-Control %q, want no-store", got)
	}
	w.ask(t, "POST", "/api/v1/learned/nobody/reveal", "").check(t, http.StatusNotFound, "not_found")
	w.ask(t, "POST", "/api/v1/learned/sealed/reveal", "").check(t, http.StatusNotFound, "not_found")
	w.learned.fail = store.ErrUnavailable
	w.ask(t, "POST", "/api/v1/learned/acme/reveal", "").check(t, http.StatusServiceUnavailable, "store_unavailable")

	guarded := newWorld(t)
	guarded.Token, guarded.learned.all, guarded.learned.secret = secret.New(token), w.learned.all, w.learned.secret
	guarded.ask(t, "POST", "/api/v1/learned/acme/reveal", "").check(t, http.StatusUnauthorized, "token_required")
	guarded.ask(t, "POST", "/api/v1/learned/acme/reveal", "", "Authorization: Bearer "+token).check(t, http.StatusOK, "")
}
