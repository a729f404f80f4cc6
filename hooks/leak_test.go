package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// canary stands wherever a request has something secret.
const canary = "canary7f3a"

func TestErrorsAndAttemptsCarryNothingOfTheRequest(t *testing.T) {
	t.Parallel()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", r.URL.String())
			w.WriteHeader(code)
			_, _ = io.WriteString(w, r.URL.String()+r.Header.Get("X-Key")) // receivers echo
		}
	}
	servers := map[string]string{
		"ok":       loopbackServer(t, status(200)).URL,
		"redirect": loopbackServer(t, status(302)).URL,
		"refused":  loopbackServer(t, status(404)).URL,
		"busy":     loopbackServer(t, status(503)).URL,
	}
	closed := loopbackServer(t, status(200))
	closed.Close()
	servers["closed"] = closed.URL
	servers["no TLS"] = strings.Replace(servers["ok"], "http:", "https:", 1)
	servers["nowhere"] = "https://" + canary + ".invalid"
	servers["bad URL"] = "https://" + canary + "%zz.example"
	servers["bad port"] = "https://" + canary + ".example:99999"
	servers["numeric"] = "https://" + canary + ".0x7f"
	servers["private"] = "https://10.77.88.99"

	failing := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server for " + canary)
	}}
	loopback := newClient(t, Options{AllowLoopback: true, Resolver: failing})
	strict := newClient(t, Options{Resolver: failing})
	broken := newClient(t, Options{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
		return nil, fmt.Errorf("dialling %s %s", address, canary)
	}})

	for name, base := range servers {
		for _, secret := range []string{base + "/" + canary, base + "/?token=" + canary, base + "/#" + canary, strings.Replace(base, "://", "://"+canary+":"+canary+"@", 1)} {
			for which, c := range map[string]*Client{"loopback": loopback, "strict": strict, "broken": broken} {
				r := Request{URL: secret, Header: http.Header{"X-Key": {canary}}, Body: []byte(canary), Line: "POST <<env.X>>", Timeout: time.Second}
				att, err := c.Deliver(t.Context(), r)
				var log strings.Builder
				slog.New(slog.NewTextHandler(&log, nil)).Info("attempt", "attempt", att, "error", err, "request", r)
				texts := []string{log.String(), fmt.Sprintf("%v %+v %#v %s %q %x", att, att, att, att, att, att), fmt.Sprintf("%v %+v %#v %s", r, r, r, r)}
				for e := err; e != nil; e = errors.Unwrap(e) {
					texts = append(texts, fmt.Sprintf("%v %+v %#v %s %q", e, e, e, e, e))
				}
				for _, text := range texts {
					for _, word := range []string{canary, "127.0.0.1", "10.77.88.99", strings.TrimPrefix(servers["ok"], "http://127.0.0.1")} {
						if strings.Contains(text, word) {
							t.Errorf("%s, %s client: got %q, which contains %q", name, which, text, word)
						}
					}
				}
			}
		}
	}
}
