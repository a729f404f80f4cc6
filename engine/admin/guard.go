package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/secret"
)

// guard decides who may ask one listener.
type guard struct {
	digest [sha256.Size]byte // of the token
	open   bool              // there is no token, and the listener is on a loopback address
	closed bool              // there is no token, and the listener can be reached from elsewhere
	fails  *throttle
	cross  *http.CrossOriginProtection
	log    *slog.Logger
}

func newGuard(token secret.Value, addr string, fails *throttle, log *slog.Logger) *guard {
	return &guard{
		digest: sha256.Sum256([]byte(token.Reveal())), open: token.IsZero() && Loopback(addr), closed: token.IsZero() && !Loopback(addr),
		fails: fails, cross: http.NewCrossOriginProtection(), log: log,
	}
}

// allow says why a request must not reach a route, or nil.
func (g *guard) allow(r *http.Request, rt route) *problem {
	if rt.method != http.MethodGet {
		if err := g.cross.Check(r); err != nil {
			return refuse(http.StatusForbidden, "cross_origin", "a page of another site may not do this")
		}
		if p := checkContentType(r); p != nil {
			return p
		}
	}
	switch {
	case rt.open || g.open:
		return nil
	case g.closed:
		return refuse(http.StatusForbidden, "token_not_set",
			"this can be reached from other machines and there is no token: set HEADGATE_ADMIN_TOKEN, or HEADGATE_METRICS_PUBLIC=true for metrics")
	}
	return g.checkToken(r)
}

// checkHost refuses names that a stranger's DNS may point at this machine: without a token the browser of the person at it would
// be the stranger's hand.
func (g *guard) checkHost(r *http.Request) *problem {
	if !g.open {
		return nil
	}
	host := r.Host
	if h, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err == nil {
			host = h
		}
	}
	if loopbackHost(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")) {
		return nil
	}
	return refuse(http.StatusForbidden, "host_not_allowed",
		"without a token this listener answers to localhost, 127.0.0.1 and [::1] only; set HEADGATE_ADMIN_TOKEN to use another name")
}

func checkContentType(r *http.Request) *problem {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && t == "application/json" {
		return nil
	}
	return refuse(http.StatusUnsupportedMediaType, "unsupported_media_type", "the content type must be application/json")
}

func (g *guard) checkToken(r *http.Request) *problem {
	addr := remote(r)
	if g.fails.locked(addr) {
		return refuse(http.StatusTooManyRequests, "too_many_failures", "too many wrong tokens from this address; wait a minute")
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") || token == "" {
		return refuse(http.StatusUnauthorized, "token_required", "the Authorization header must be: Bearer <HEADGATE_ADMIN_TOKEN>")
	}
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	if subtle.ConstantTimeCompare(got[:], g.digest[:]) == 1 {
		return nil
	}
	g.fails.add(addr)
	g.log.WarnContext(r.Context(), "a wrong admin token was refused", "address", addr.String(), "path", r.URL.Path)
	return refuse(http.StatusUnauthorized, "token_wrong", "the token is not the right one")
}

// remote gives the peer's address; of IPv6 the /64, which is one household.
func remote(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// Limits of wrong tokens: so many from one address in so long, then that address is refused until the time is over.
const (
	MaxFailures   = 10
	FailureWindow = time.Minute
	// Far more addresses than one minute of honest mistakes; when they are more, the oldest are forgotten.
	maxAddresses = 4096
)

// throttle counts wrong tokens by address. It is safe for concurrent use.
type throttle struct {
	now func() time.Time

	mu    sync.Mutex
	fails map[netip.Addr]window
}

type window struct {
	since time.Time
	count int
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, fails: map[netip.Addr]window{}}
}

func (t *throttle) locked(addr netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.fails[addr]
	return w.count >= MaxFailures && t.now().Sub(w.since) < FailureWindow
}

func (t *throttle) add(addr netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	w, ok := t.fails[addr]
	if !ok || now.Sub(w.since) >= FailureWindow {
		t.makeRoom(now)
		w = window{since: now}
	}
	w.count++
	t.fails[addr] = w
}

// makeRoom forgets windows that are over, and the oldest one where all are alive.
func (t *throttle) makeRoom(now time.Time) {
	if len(t.fails) < maxAddresses {
		return
	}
	var oldest netip.Addr
	for addr, w := range t.fails {
		if now.Sub(w.since) >= FailureWindow {
			delete(t.fails, addr)
		} else if o, ok := t.fails[oldest]; !ok || w.since.Before(o.since) {
			oldest = addr
		}
	}
	if len(t.fails) >= maxAddresses {
		delete(t.fails, oldest)
	}
}
