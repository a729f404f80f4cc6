package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/secret"
)

func TestNonLoopbackAddressesNeedAToken(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		addr     string
		loopback bool
	}{
		{"127.0.0.1:8081", true},
		{"localhost:0", true},
		{"[::1]:8081", true},
		{"127.0.0.2:1", true},
		{":8081", false},
		{"0.0.0.0:8081", false},
		{"[::]:8081", false},
		{"192.168.1.5:8081", false},
		{"gateway.example:8081", false},
	} {
		w := newWorld(t)
		w.Addr = row.addr
		_, err := admin.New(w.Options)
		if (err == nil) != row.loopback {
			t.Errorf("%s without a token: got %v", row.addr, err)
		}
		if err != nil && !strings.Contains(err.Error(), "HEADGATE_ADMIN_TOKEN") {
			t.Errorf("%s: %q does not name what to set", row.addr, err)
		}
		w.Token = secret.New(token)
		if _, err := admin.New(w.Options); err != nil {
			t.Errorf("%s with a token: got %v", row.addr, err)
		}
	}
}

func TestNewNamesTheFieldThatIsMissing(t *testing.T) {
	t.Parallel()
	for field, spoil := range map[string]func(*admin.Options){
		"Addr":    func(o *admin.Options) { o.Addr = "" },
		"Reader":  func(o *admin.Options) { o.Reader = nil },
		"Gateway": func(o *admin.Options) { o.Gateway = nil },
		"Jobs":    func(o *admin.Options) { o.Jobs = nil },
		"Learned": func(o *admin.Options) { o.Learned = nil },
		"Metrics": func(o *admin.Options) { o.Metrics = nil },
		"Logger":  func(o *admin.Options) { o.Logger = nil },
	} {
		w := newWorld(t)
		spoil(&w.Options)
		if _, err := admin.New(w.Options); err == nil || !strings.Contains(err.Error(), "Options."+field) {
			t.Errorf("without %s: got %v", field, err)
		}
	}
}

func TestEveryRouteButTheProbesNeedsTheToken(t *testing.T) {
	t.Parallel()
	for _, rt := range admin.RoutesOf() {
		path := strings.NewReplacer("{id}", "nothing", "{provider}", "nothing", "{name}", "nothing").Replace(rt.Path)
		wantOpen := path == "/healthz" || path == "/readyz"
		if rt.Open != wantOpen {
			t.Errorf("%s: open is %v, want %v", rt.Path, rt.Open, wantOpen)
		}
		w := newWorld(t).withToken()
		w.gateway.reload, w.gateway.sign = nil, nil // a call would panic
		for _, header := range []string{"Authorization: Bearer wrong", "Authorization: Basic eDp5", "Authorization: Bearer", "X-Nothing: x"} {
			a := w.ask(t, rt.Method, path, "", header)
			if open := a.Code != http.StatusUnauthorized; open != wantOpen {
				t.Errorf("%s %s with %q: got %d", rt.Method, path, header, a.Code)
			}
			if !wantOpen && a.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", path)
			}
		}
		if rt.Method == http.MethodGet {
			if a := w.ask(t, rt.Method, path, "", "Authorization: Bearer "+token); a.Code == http.StatusUnauthorized {
				t.Errorf("%s with the token: got 401", path)
			}
		}
	}
}

func TestUnknownPathsAreBehindTheTokenAndListTheRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withToken()
	w.ask(t, "GET", "/secret", "").check(t, http.StatusUnauthorized, "token_required")
	a := w.ask(t, "GET", "/", "", "Authorization: Bearer "+token)
	a.check(t, http.StatusNotFound, "not_found")
	if list, _ := a.json["routes"].([]any); len(list) != len(admin.RoutesOf()) {
		t.Errorf("got %d routes, want %d", len(list), len(admin.RoutesOf()))
	}
}

func TestMetricsMayBePublic(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withToken()
	w.ask(t, "GET", "/metrics", "").check(t, http.StatusUnauthorized, "token_required")
	w = newWorld(t).withToken()
	w.MetricsPublic = true
	if a := w.ask(t, "GET", "/metrics", ""); a.Code != http.StatusOK || a.Body.String() != "headgate_up 1\n" {
		t.Errorf("got %d %q", a.Code, a.Body)
	}
}

func TestTheHealthListenerHasTheProbesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.HealthAddr = "0.0.0.0:0"
	s, err := admin.New(w.Options)
	if err != nil {
		t.Fatal(err)
	}
	h := admin.HealthHandlerOf(s)
	foreign := "Host: 10.1.2.3:9090"
	ask(t, h, "GET", "/healthz", "", foreign).check(t, http.StatusOK, "")
	ask(t, h, "GET", "/readyz", "", foreign).check(t, http.StatusOK, "")
	ask(t, h, "GET", "/metrics", "", foreign).check(t, http.StatusForbidden, "token_not_set")
	ask(t, h, "GET", "/api/v1/status", "", foreign).check(t, http.StatusForbidden, "token_not_set")

	w.Token = secret.New(token)
	s, err = admin.New(w.Options)
	if err != nil {
		t.Fatal(err)
	}
	h = admin.HealthHandlerOf(s)
	right := "Authorization: Bearer " + token
	ask(t, h, "GET", "/metrics", "", foreign).check(t, http.StatusUnauthorized, "token_required")
	ask(t, h, "GET", "/metrics", "", foreign, right).check(t, http.StatusOK, "")
	ask(t, h, "GET", "/api/v1/status", "", foreign, right).check(t, http.StatusNotFound, "not_found")
	ask(t, h, "POST", "/api/v1/reload", "", foreign, right).check(t, http.StatusNotFound, "not_found")
}

func TestWithoutATokenOnlyLoopbackNamesAreAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, host := range []string{"localhost", "localhost:8081", "127.0.0.1:8081", "[::1]:8081", "[::1]"} {
		w.ask(t, "GET", "/api/v1/status", "", "Host: "+host).check(t, http.StatusOK, "")
	}
	for _, host := range []string{"evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil.example:8081", "10.0.0.1", ""} {
		w.ask(t, "GET", "/api/v1/status", "", "Host: "+host).check(t, http.StatusForbidden, "host_not_allowed")
	}
	w.HealthAddr = "127.0.0.1:0"
	s, err := admin.New(w.Options)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, admin.HealthHandlerOf(s), "GET", "/metrics", "", "Host: evil.example").check(t, http.StatusForbidden, "host_not_allowed")
	with := newWorld(t).withToken()
	with.ask(t, "GET", "/api/v1/status", "", "Host: gateway.example", "Authorization: Bearer "+token).check(t, http.StatusOK, "")
}

func TestTenWrongTokensAMinuteLockAnAddressOut(t *testing.T) {
	t.Parallel()
	now := instant()
	var mu sync.Mutex
	w := newWorld(t).withToken()
	w.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	right, from := "Authorization: Bearer "+token, "From: 192.0.2.7:1234"
	for i := range 10 {
		w.ask(t, "GET", "/api/v1/status", "", fmt.Sprintf("Authorization: Bearer guess%d", i), from).
			check(t, http.StatusUnauthorized, "token_wrong")
	}
	w.ask(t, "GET", "/api/v1/status", "", "Authorization: Bearer guess", from).check(t, http.StatusTooManyRequests, "too_many_failures")
	w.ask(t, "GET", "/api/v1/status", "", right, from).check(t, http.StatusTooManyRequests, "too_many_failures")
	w.ask(t, "GET", "/readyz", "", from).check(t, http.StatusOK, "")
	w.ask(t, "GET", "/api/v1/status", "", right, "From: 192.0.2.8:1234").check(t, http.StatusOK, "")
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	w.ask(t, "GET", "/api/v1/status", "", right, from).check(t, http.StatusOK, "")
}

func TestAddressesOfOneNetworkOfIPv6CountTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withToken()
	for i := range 10 {
		w.ask(t, "GET", "/api/v1/status", "", "Authorization: Bearer x", fmt.Sprintf("From: [2001:db8::%d]:1", i+1))
	}
	w.ask(t, "GET", "/api/v1/status", "", "Authorization: Bearer x", "From: [2001:db8::ffff]:1").
		check(t, http.StatusTooManyRequests, "too_many_failures")
	w.ask(t, "GET", "/api/v1/status", "", "Authorization: Bearer x", "From: [2001:db8:1::1]:1").
		check(t, http.StatusUnauthorized, "token_wrong")
}

func TestTheThrottleForgetsInsteadOfGrowing(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withToken()
	for i := range 5000 {
		w.ask(t, "GET", "/api/v1/status", "", "Authorization: Bearer x", fmt.Sprintf("From: 10.0.%d.%d:1", i/250, i%250)).
			check(t, http.StatusUnauthorized, "token_wrong")
	}
}

func TestWritesOfOtherSitesPagesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example"} {
		w.ask(t, "POST", "/api/v1/reload", "", header).check(t, http.StatusForbidden, "cross_origin")
	}
	w.ask(t, "DELETE", "/api/v1/learned/acme", "", "Origin: https://evil.example").check(t, http.StatusForbidden, "cross_origin")
	w.ask(t, "POST", "/api/v1/sign", `{"provider":"acme"}`, "Content-Type: text/plain").
		check(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	w.ask(t, "POST", "/api/v1/sign", `{"provider":"acme"}`, "Content-Type: application/x-www-form-urlencoded").
		check(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
}

func TestOtherMethodsAreRefusedWithWhatIsAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	there := map[string]bool{}
	for _, rt := range admin.RoutesOf() {
		there[rt.Method+rt.Path] = true
	}
	for _, rt := range admin.RoutesOf() {
		path := strings.NewReplacer("{id}", "nothing", "{provider}", "nothing", "{name}", "nothing").Replace(rt.Path)
		for _, method := range []string{"PUT", "DELETE", "PATCH"} {
			if there[method+rt.Path] {
				continue
			}
			a := w.ask(t, method, path, "")
			a.check(t, http.StatusMethodNotAllowed, "method_not_allowed")
			if allow := a.Header().Get("Allow"); !strings.Contains(allow, rt.Method) {
				t.Errorf("%s: Allow is %q, want %s in it", path, allow, rt.Method)
			}
		}
	}
	w.ask(t, "GET", "/api/v1/reload", "").check(t, http.StatusMethodNotAllowed, "method_not_allowed")
}
