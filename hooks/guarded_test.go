package hooks

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// toyDNS is a name server in memory: answers holds, for each query for A or AAAA in turn, the addresses given; the last one is
// repeated. A nil answer is a server failure.
type toyDNS struct {
	mu      sync.Mutex
	answers map[string][][]string
	asked   int
}

func (d *toyDNS) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe() // no packet connection, so the resolver frames its messages as over TCP
		go d.serve(server)
		return client, nil
	}}
}

func (d *toyDNS) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := d.reply(query)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// reply answers a query of one question.
func (d *toyDNS) reply(query []byte) []byte {
	var labels []string
	i := 12
	for query[i] != 0 {
		n := int(query[i])
		labels = append(labels, string(query[i+1:i+1+n]))
		i += 1 + n
	}
	question := query[12 : i+5]
	kind := binary.BigEndian.Uint16(query[i+1:])
	name := strings.ToLower(strings.Join(labels, "."))

	var records [][]byte
	code := byte(3) // no such name
	for _, address := range d.next(name, kind, &code) {
		a := netip.MustParseAddr(address)
		if a.Is4() != (kind == 1) {
			continue
		}
		record := append([]byte{0xc0, 12}, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(a.AsSlice()))) // with a time to live of 0
		records = append(records, append(record, a.AsSlice()...))
	}
	reply := append([]byte{}, query[0], query[1], 0x81, 0x80|code, 0, 1, 0, byte(len(records)), 0, 0, 0, 0)
	reply = append(reply, question...)
	for _, r := range records {
		reply = append(reply, r...)
	}
	return reply
}

// next gives the addresses of the present look-up and moves on after its second question.
func (d *toyDNS) next(name string, kind uint16, code *byte) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	rounds, ok := d.answers[name]
	if !ok {
		return nil
	}
	d.asked++
	if *code = 0; rounds[0] == nil {
		*code = 2 // server failure
	}
	answer := rounds[0]
	if len(rounds) > 1 && kind == 1 {
		d.answers[name] = rounds[1:]
	}
	return answer
}

// canaryListener counts connections to a port of loopback, over IPv4 and where there is any over IPv6.
type canaryListener struct {
	port  string
	count atomic.Int64
}

func newCanary(t *testing.T) *canaryListener {
	t.Helper()
	c := &canaryListener{}
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

// fifteen are the addresses of which checks by net/netip's own predicates let twelve through.
func fifteen() []string {
	return []string{
		"127.0.0.1", "10.0.0.1", "169.254.169.254", // the three that such checks find
		"[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]", "[::127.0.0.1]", "[::ffff:0:7f00:1]", "100.64.0.1", "192.0.0.192",
		"198.18.0.1", "240.0.0.1", "[fec0::1]", "168.63.129.16", "100.100.100.200",
	}
}

func TestTheFifteenDangerousAddressesReachNothing(t *testing.T) {
	t.Parallel()
	trap := newCanary(t)
	c, passed := watch(t, Options{})
	for _, host := range fifteen() {
		for _, scheme := range []string{"https", "http"} {
			att, err := c.Deliver(t.Context(), Request{URL: scheme + "://" + host + ":" + trap.port + "/", Insecure: true})
			if e := failure(t, err); e.Code != CodeRefusedByEgress || e.Class != Permanent || att.Wrote {
				t.Errorf("%s://%s: got %v (%v), want a permanent %s", scheme, host, e, e.Class, CodeRefusedByEgress)
			}
		}
	}
	if n := passed.Load() + trap.count.Load(); n != 0 {
		t.Errorf("%d connections were let pass, want 0", n)
	}
}

func TestNoSpellingOfAnAddressGetsPastTheGuard(t *testing.T) {
	t.Parallel()
	trap := newCanary(t)
	dns := &toyDNS{answers: map[string][][]string{
		"localhost.example": {{"127.0.0.1"}}, "127.0.0.1.nip.example": {{"127.0.0.1"}}, "six.example": {{"::1"}}, "mapped.example": {{"::ffff:127.0.0.1"}},
		"meta.example": {{"169.254.169.254"}}, "nat64.example": {{"64:ff9b::7f00:1"}}, "any.example": {{"0.0.0.0"}}, "any6.example": {{"::"}},
		"lan.example": {{"192.168.1.1", "10.1.1.1", "fd00::1"}}, "broken.example": {nil}, "xn--bcher-kva.example": {{"127.0.0.1"}},
	}}
	c, passed := watch(t, Options{Resolver: dns.resolver()})
	hosts := []string{
		// decimal, octal, hexadecimal and short forms
		"2130706433", "017700000001", "0x7f000001", "0x7F000001", "127.1", "127.0.1", "0177.0.0.1", "0177.0.0.01", "0x7f.0.0.1", "0x7f.1", "0x7f.0x0.0x0.0x1", "127.0.0.0x1",
		"127.00.00.01", "127.000.000.001", "0", "00", "0x0", "0.0.0.0", "10.1", "192.168.257", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518",
		"0xa9.0xfe.0xa9.0xfe", "127.0.0.1.", "127.0.0.1..", "127.0.0.256", "127.0.0.1.0x1",
		// usual forms
		"127.0.0.1", "127.127.127.127", "169.254.169.254", "192.168.0.1", "172.16.0.1", "255.255.255.255", "224.0.0.1",
		// IPv6, with zones, embeddings, mixed case
		"[::1]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[::]", "[::ffff:127.0.0.1]", "[::FFFF:7F00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::ffff:169.254.169.254]",
		"[::127.0.0.1]", "[::7f00:1]", "[::ffff:0:127.0.0.1]", "[64:FF9B::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]", "[2002:7F00:1::1]", "[2002:a9fe:a9fe::]",
		"[2001:0:7f00:1::]", "[2001::f5ff:fffe]", "[2606:4700::5efe:7f00:1]", "[2606:4700::200:5efe:127.0.0.1]", "[fe80::1]", "[fe80::1%25eth0]", "[::1%25lo]", "[fc00::1]",
		"[fd00:ec2::254]", "[FD20:CE::254]", "[ff02::1]", "[fec0::1]", "[100::1]", "[2001:db8::1]", "[::1", "::1",
		// names, with a final dot, in mixed case, with international letters, with escapes
		"localhost.example", "LOCALHOST.Example", "localhost.example.", "127.0.0.1.nip.example", "six.example", "mapped.example", "meta.example", "nat64.example", "any.example",
		"any6.example", "lan.example", "broken.example", "none.example", "bücher.example", "BÜCHER.example", "①②⑦.⓪.⓪.①", "１２７.0.0.1", "127。0。0。1", "ⓛocalhost.example",
		"127%2e0%2e0%2e1", "%31%32%37.0.0.1", "localhost%2eexample", "local%68ost.example", "127.0.0.1%00.example",
		// userinfo and other things that look like a host
		"public.example@127.0.0.1", "public.example:80@127.0.0.1", "8.8.8.8@127.0.0.1", "8.8.8.8:443@[::1]", "8.8.8.8%40@127.0.0.1", "public.example#@127.0.0.1", "public.example\\@127.0.0.1",
		"127.0.0.1\t", " 127.0.0.1", "127.0.0.1 ", "",
	}
	if len(hosts) < 100 {
		t.Errorf("got %d spellings, want at least 100", len(hosts))
	}
	for _, host := range hosts {
		for _, scheme := range []string{"http", "https", "HTTP", "hTTps"} {
			_, err := c.Deliver(t.Context(), Request{URL: scheme + "://" + host + ":" + trap.port + "/", Insecure: true})
			e := failure(t, err)
			switch e.Code {
			case CodeRefusedByEgress, CodeBadURL:
			case CodeDNS, CodeNetwork: // a name that does not resolve or cannot be written in ASCII
			default:
				t.Errorf("%s://%s: got %v, want a refusal", scheme, host, e)
			}
		}
	}
	if n := passed.Load() + trap.count.Load(); n != 0 {
		t.Errorf("%d connections were let pass, want 0", n)
	}
}

func TestANameThatTurnsToLoopbackIsCaughtWhenItIsDialled(t *testing.T) {
	t.Parallel()
	trap := newCanary(t)
	const public = "203.1.1.1"
	for name, rounds := range map[string][][]string{
		"rebind.example":  {{public}, {"127.0.0.1"}},
		"rebind6.example": {{public}, {"::1"}},
		"flip.example":    {{public}, {"127.0.0.1"}, {public}, {"127.0.0.1"}},
	} {
		dns := &toyDNS{answers: map[string][][]string{name: rounds}}
		c, passed := watch(t, Options{Resolver: dns.resolver()})
		for range 50 {
			_, err := c.Deliver(t.Context(), Request{URL: "http://" + name + ":" + trap.port, Insecure: true})
			if e := failure(t, err); e.Code != CodeRefusedByEgress && e.Code != CodeDial {
				t.Errorf("%s: got %v, want %s, or %s for the public answer", name, e, CodeRefusedByEgress, CodeDial)
			}
		}
		if dns.asked < 50 {
			t.Errorf("%s: the name server was asked %d times, want at least 50", name, dns.asked)
		}
		if n := passed.Load(); n == 0 || n > 2 {
			t.Errorf("%s: %d connections were let pass, want the public answers only", name, n)
		}
	}
	if n := trap.count.Load(); n != 0 {
		t.Errorf("the canary got %d connections, want 0", n)
	}
}

func TestOfSeveralAddressesOnlyThoseThatPassAreDialled(t *testing.T) {
	t.Parallel()
	dns := &toyDNS{answers: map[string][][]string{"mixed.example": {{"127.0.0.1", "203.1.1.1", "169.254.169.254", "::1", "2606:4700::1", "fd00::1"}}}}
	var mu sync.Mutex
	dialled := make(map[string]bool)
	c := newClient(t, Options{Resolver: dns.resolver(), connecting: func(ap netip.AddrPort) error {
		mu.Lock()
		defer mu.Unlock()
		dialled[ap.Addr().String()] = true
		return errStopped
	}})
	_, err := c.Deliver(t.Context(), Request{URL: "https://mixed.example"})
	_ = failure(t, err)
	mu.Lock()
	defer mu.Unlock()
	for a := range dialled {
		if a != "203.1.1.1" && a != "2606:4700::1" {
			t.Errorf("%s was dialled, want the two public addresses only", a)
		}
	}
	if !dialled["203.1.1.1"] {
		t.Error("the public address was not dialled")
	}
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
