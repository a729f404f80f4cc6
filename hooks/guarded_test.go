package hooks

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// canaryListener counts connections to a port of loopback, over IPv4 and where there is any over IPv6.
type canaryListener struct {
	port  string
	count atomic.Int64
	heard chan struct{} // closed after the first
	once  sync.Once
}

func newCanary(t *testing.T) *canaryListener {
	t.Helper()
	c := &canaryListener{heard: make(chan struct{})}
	accept := func(l net.Listener) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				c.count.Add(1)
				c.once.Do(func() { close(c.heard) })
				_ = conn.Close()
			}
		}()
		t.Cleanup(func() {
			_ = l.Close()
			<-done
		})
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, c.port, _ = net.SplitHostPort(l.Addr().String())
	accept(l)
	if l6, err := net.Listen("tcp6", "[::1]:"+c.port); err == nil {
		accept(l6)
	}
	return c
}

// errStopped ends a dial that the guard let pass, before a packet leaves.
var errStopped = errors.New("stopped by the test")

// watch makes a client that stops every connection which the guard lets pass, and counts them.
func watch(t *testing.T, o Options) (*Client, *atomic.Int64) {
	t.Helper()
	var passed atomic.Int64
	o.connecting = func(netip.AddrPort) error {
		passed.Add(1)
		return errStopped
	}
	return newClient(t, o), &passed
}

func TestPlainHTTPGoesOnlyWhereAnOperatorAllowsIt(t *testing.T) {
	t.Parallel()
	server := loopbackServer(t, func(http.ResponseWriter, *http.Request) {})
	own := netip.MustParseAddrPort(strings.TrimPrefix(server.URL, "http://"))
	allow := func(s string) []AllowRule {
		rules, err := ParseAllow(s)
		if err != nil {
			t.Fatal(err)
		}
		return rules
	}
	for name, c := range map[string]struct {
		o        Options
		insecure bool
		want     string // "" is a success
	}{
		"nothing allowed":                       {Options{}, false, CodeRefusedByEgress},
		"insecure opens no address":             {Options{}, true, CodeRefusedByEgress},
		"the range is listed":                   {Options{Allow: allow("127.0.0.0/8")}, false, ""},
		"the address and port are listed":       {Options{Allow: allow(own.String())}, false, ""},
		"another port is listed":                {Options{Allow: allow("127.0.0.1:1")}, false, CodeRefusedByEgress},
		"loopback is allowed":                   {Options{AllowLoopback: true}, false, ""},
		"loopback is allowed but it is our own": {Options{AllowLoopback: true, Deny: []netip.AddrPort{own}}, false, CodeRefusedByEgress},
		"all is listed but it is our own":       {Options{Allow: allow("0.0.0.0/0 ::/0"), Deny: []netip.AddrPort{own}}, true, CodeRefusedByEgress},
		"our own on every address": {
			Options{Allow: allow("0.0.0.0/0 ::/0"), Deny: []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), own.Port())}}, true, CodeRefusedByEgress,
		},
	} {
		_, err := newClient(t, c.o).Deliver(t.Context(), Request{URL: server.URL, Insecure: c.insecure})
		code := ""
		if err != nil {
			code = failure(t, err).Code
		}
		if code != c.want {
			t.Errorf("%s: got %q, want %q", name, code, c.want)
		}
	}

	strict, passed := watch(t, Options{})
	_, err := strict.Deliver(t.Context(), Request{URL: "http://203.1.1.1/"})
	if e := failure(t, err); e.Code != CodeInsecureURL || e.Class != Permanent || passed.Load() != 0 {
		t.Errorf("plain http to a public address: got %v (%v), want a permanent %s", e, e.Class, CodeInsecureURL)
	}
	_, _ = strict.Deliver(t.Context(), Request{URL: "http://203.1.1.1/", Insecure: true})
	_, _ = strict.Deliver(t.Context(), Request{URL: "https://203.1.1.1/"})
	if passed.Load() != 2 {
		t.Errorf("got %d connections to a public address by https and by insecure, want 2", passed.Load())
	}
}

// A request that may not use plain http must not find the idle connection of one that may.
func TestAnInsecureConnectionIsNotSharedWithStrictRequests(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := loopbackServer(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	dns := &toyDNS{answers: map[string][][]string{"here.example": {{"127.0.0.1"}}}}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	c := newClient(t, Options{Resolver: dns.resolver(), Allow: []AllowRule{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}})
	c.listed = newClient(t, Options{Resolver: dns.resolver()}).listed // as if nobody had listed the address
	url := "http://here.example:" + port
	if _, err := c.Deliver(t.Context(), Request{URL: url, Insecure: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Deliver(t.Context(), Request{URL: url}); err == nil || requests.Load() != 1 {
		t.Errorf("got %v and %d requests, want a refusal and 1", err, requests.Load())
	}
}

func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	var proxied atomic.Int64
	proxy := loopbackServer(t, func(http.ResponseWriter, *http.Request) { proxied.Add(1) })
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	c, _ := watch(t, Options{AllowLoopback: true})
	for _, url := range []string{"http://203.1.1.1/", "https://203.1.1.1/"} {
		_, err := c.Deliver(t.Context(), Request{URL: url, Insecure: true, Timeout: time.Second})
		_ = failure(t, err)
	}
	if n := proxied.Load(); n != 0 {
		t.Errorf("the proxy got %d requests, want 0", n)
	}
}

func TestWithAnOwnDialTheGuardJudgesLiteralAddresses(t *testing.T) {
	t.Parallel()
	var dialled atomic.Int64
	c := newClient(t, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
		dialled.Add(1)
		return nil, errStopped
	}})
	for url, want := range map[string]string{
		"https://127.0.0.1/":   CodeRefusedByEgress,
		"http://203.1.1.1/":    CodeInsecureURL,
		"http://name.example/": CodeInsecureURL,
	} {
		_, err := c.Deliver(t.Context(), Request{URL: url})
		if e := failure(t, err); e.Code != want {
			t.Errorf("%s: got %v, want %s", url, e, want)
		}
	}
	if n := dialled.Load(); n != 0 {
		t.Errorf("got %d connections, want 0", n)
	}
}
