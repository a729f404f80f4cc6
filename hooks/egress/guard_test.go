package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func newGuard(t *testing.T, o Options) *Guard {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func addrPort(addr string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port)
}

func rules(t *testing.T, s string) []Rule {
	t.Helper()
	r, err := ParseRules(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// everything is the widest that an operator can write.
const everything = "0.0.0.0/0, ::/0"

func TestPublicAddressesPass(t *testing.T) {
	t.Parallel()
	g := newGuard(t, Options{})
	for _, a := range []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
		"192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
		"::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1", "2400::1",
		"64:ff9b::808:808", "2002:808:808::1", "2001:0:808:808::f7f7:f7f7", "2606:4700::5efe:808:808", "::8.8.8.8", "::ffff:0:808:808",
	} {
		if err := g.Check(addrPort(a, 443)); err != nil {
			t.Errorf("%s: got %v, want it to pass", a, err)
		}
	}
}

// teredo gives an address of a Teredo client behind a server.
func teredo(server, client string) string {
	s, c := netip.MustParseAddr(server).As4(), netip.MustParseAddr(client).As4()
	return netip.AddrFrom16([16]byte{0x20, 1, 0, 0, s[0], s[1], s[2], s[3], 0, 0, 0, 0, ^c[0], ^c[1], ^c[2], ^c[3]}).String()
}

// wrappings gives every form in which an IPv6 address carries the IPv4 address a.
func wrappings(a string) map[string]string {
	b := netip.MustParseAddr(a).As4()
	hex := fmt.Sprintf("%02x%02x:%02x%02x", b[0], b[1], b[2], b[3])
	return map[string]string{
		"IPv4-mapped":      "::ffff:" + hex,
		"IPv4-compatible":  "::" + a,
		"IPv4-translated":  "::ffff:0:" + hex,
		"NAT64":            "64:ff9b::" + hex,
		"6to4":             "2002:" + hex + "::1",
		"Teredo client":    teredo("8.8.8.8", a),
		"Teredo server":    teredo(a, "8.8.8.8"),
		"ISATAP":           "2606:4700::5efe:" + hex,
		"ISATAP universal": "2606:4700::200:5efe:" + hex,
		"ISATAP in 6to4":   "2002:808:808:0:0:5efe:" + hex,
	}
}

func TestSpecialAddressesAreRefused(t *testing.T) {
	t.Parallel()
	g := newGuard(t, Options{})
	for _, a := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "100.100.100.200", "127.0.0.1", "127.255.255.254",
		"168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2", "169.254.171.1", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.9",
		"192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.175.48.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	} {
		for form, address := range wrappings(a) {
			if err := g.Check(addrPort(address, 443)); err == nil {
				t.Errorf("%s as %s (%s): it passed, want it refused", a, form, address)
			}
		}
		if err := g.Check(addrPort(a, 443)); err == nil {
			t.Errorf("%s: it passed, want it refused", a)
		}
	}
	for _, a := range []string{
		"::", "::1", "::2", "::ff", "1::1", "100::1", "100:0:0:1::1", "200::1", "64:ff9b:1::1", "64:ff9b:1:ffff::808:808", "2001::", "2001:1::1", "2001:2::1", "2001:10::1", "2001:20::1",
		"2001:1ff:ffff::1", "2001:db8::1", "2620:4f:8000::1", "3fff::1", "4000::1", "5f00::1", "8000::1", "fc00::1", "fd00::1",
		"fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%lo", "fe80::5efe:808:808", "fec0::1", "ff02::1", "::1%lo",
	} {
		if err := g.Check(addrPort(a, 443)); err == nil {
			t.Errorf("%s: it passed, want it refused", a)
		}
	}
	if err := g.Check(netip.AddrPort{}); err == nil {
		t.Error("no address at all passed, want it refused")
	}
}

func TestMetadataAndLinkLocalNeverPassWhateverIsAllowed(t *testing.T) {
	t.Parallel()
	own := addrPort("10.1.2.3", 8081)
	g := newGuard(t, Options{
		Allow:         rules(t, everything+", 169.254.169.254, 169.254.169.254:80, fd00:ec2::254, fe80::/10, 168.63.129.16/32, 100.100.100.200, 0.0.0.0, ::, 64:ff9b:1::/48"),
		AllowLoopback: true,
		Deny:          []netip.AddrPort{own},
	})
	for _, a := range []string{
		"169.254.169.254", "169.254.170.2", "169.254.171.254", "169.254.1.1", "100.100.100.200", "192.0.0.192", "168.63.129.16", "0.0.0.0", "255.255.255.255",
	} {
		for form, address := range wrappings(a) {
			var refused *RefusedError
			if err := g.Check(addrPort(address, 80)); !errors.As(err, &refused) || !refused.Never {
				t.Errorf("%s as %s (%s): got %v, want it refused for ever", a, form, address, err)
			}
		}
	}
	for _, a := range []string{"fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "febf::1", "::", "64:ff9b:1::7f00:1", "64:ff9b:1::808:808"} {
		if err := g.Check(addrPort(a, 80)); err == nil {
			t.Errorf("%s: it passed under %q, want it refused", a, everything)
		}
	}
	for form, address := range wrappings("10.1.2.3") {
		if err := g.Check(addrPort(address, 8081)); err == nil {
			t.Errorf("our own listener as %s (%s): it passed, want it refused", form, address)
		}
	}
	if err := g.Check(addrPort("10.1.2.3", 8082)); err != nil {
		t.Errorf("another port of the listener's host: got %v, want it to pass", err)
	}
}

func TestARuleOpensWhatItSaysAndNothingElse(t *testing.T) {
	t.Parallel()
	g := newGuard(t, Options{Allow: rules(t, "10.0.0.0/8:8443 192.168.1.7, 127.0.0.1:9000 fd00:1::/32 [fd00:2::/32]:443 198.51.100.0/24")})
	cases := []struct {
		addr string
		port uint16
		pass bool
	}{
		{"10.20.30.40", 8443, true},
		{"10.20.30.40", 443, false},
		{"192.168.1.7", 1, true},
		{"192.168.1.8", 1, false},
		{"127.0.0.1", 9000, true},
		{"127.0.0.1", 9001, false},
		{"127.0.0.2", 9000, false},
		{"::1", 9000, false},
		{"::ffff:127.0.0.1", 9000, true}, // the same address, as a dual-stack socket writes it
		{"64:ff9b::7f00:1", 9000, false}, // another address, which a gateway would turn into it
		{"2002:7f00:1::1", 9000, false},
		{"::127.0.0.1", 9000, false},
		{"::ffff:0:7f00:1", 9000, false},
		{"2606::5efe:7f00:1", 9000, false},
		{"fd00:1::5", 80, true},
		{"fd00:2::5", 80, false},
		{"fd00:2::5", 443, true},
		{"198.51.100.9", 80, true},
		{"172.16.0.1", 8443, false},
	}
	for _, c := range cases {
		err := g.Check(addrPort(c.addr, c.port))
		if (err == nil) != c.pass {
			t.Errorf("%s port %d: got %v, want pass = %v", c.addr, c.port, err, c.pass)
		}
		if listed := g.Listed(addrPort(c.addr, c.port)); listed != c.pass {
			t.Errorf("%s port %d: got listed = %v, want %v", c.addr, c.port, listed, c.pass)
		}
	}
	if g.Listed(addrPort("8.8.8.8", 80)) {
		t.Error("a public address that no rule names counts as listed")
	}
}

func TestAllowLoopbackOpensLoopbackOnly(t *testing.T) {
	t.Parallel()
	g := newGuard(t, Options{AllowLoopback: true, Deny: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8081")}})
	for _, a := range []string{"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"} {
		if err := g.Check(addrPort(a, 9000)); err != nil {
			t.Errorf("%s: got %v, want it to pass", a, err)
		}
	}
	for _, a := range []string{"10.0.0.1", "192.168.0.1", "0.0.0.0", "::", "64:ff9b::7f00:1", "2002:7f00:1::1", "fd00::1"} {
		if err := g.Check(addrPort(a, 9000)); err == nil {
			t.Errorf("%s: it passed, want it refused", a)
		}
	}
	for _, a := range []string{"127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::"} {
		if err := g.Check(addrPort(a, 8081)); err == nil {
			t.Errorf("our own listener as %s: it passed, want it refused", a)
		}
	}
}

func TestAListenerOnEveryAddressIsFoundUnderEachOfThem(t *testing.T) {
	t.Parallel()
	asked := 0
	g := newGuard(t, Options{
		Allow: rules(t, everything),
		Deny:  []netip.AddrPort{netip.MustParseAddrPort("[::]:8080")},
		LocalAddrs: func() ([]netip.Addr, error) {
			asked++
			return []netip.Addr{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("2606::5")}, nil
		},
	})
	for _, a := range []string{"127.0.0.1", "127.0.0.2", "::1", "10.0.0.5", "2606::5", "64:ff9b::a00:5"} {
		if err := g.Check(addrPort(a, 8080)); err == nil {
			t.Errorf("%s port 8080: it passed, want it refused", a)
		}
	}
	before := asked
	if err := g.Check(addrPort("10.0.0.5", 8081)); err != nil {
		t.Errorf("another port: got %v, want it to pass", err)
	}
	if asked != before {
		t.Error("the interfaces were asked although the port is none of ours")
	}

	broken := newGuard(t, Options{
		Deny:       []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:8080")},
		LocalAddrs: func() ([]netip.Addr, error) { return nil, errors.New("no answer") },
	})
	if err := broken.Check(addrPort("8.8.8.8", 8080)); err == nil {
		t.Error("without knowing our addresses it passed, want it refused")
	}
}

func TestInterfacesOfThisHostAreKnown(t *testing.T) {
	t.Parallel()
	addrs, err := interfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if !a.IsValid() || a.Is4In6() || a.Zone() != "" {
			t.Errorf("got %v, want a plain address", a)
		}
	}
}

func TestControlSeesTheAddressConnectedTo(t *testing.T) {
	t.Parallel()
	g := newGuard(t, Options{})
	for _, address := range []string{"127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80", "localhost:80", "", "127.0.0.1"} {
		if err := g.Control("tcp", address, nil); err == nil {
			t.Errorf("%q: it passed, want it refused", address)
		}
	}
	if err := g.Control("tcp", "8.8.8.8:443", nil); err != nil {
		t.Errorf("8.8.8.8:443: got %v, want it to pass", err)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	dialer := net.Dialer{Control: g.Control}
	conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reason != "loopback" {
		t.Fatalf("dialling %v: got %v, %v, want a refusal for loopback", listener.Addr(), conn, err)
	}
}

func TestRefusalsHoldNoAddress(t *testing.T) {
	t.Parallel()
	g := newGuard(t, Options{})
	err := g.Check(addrPort("10.20.30.40", 4567))
	if err == nil {
		t.Fatal("10.20.30.40 passed")
	}
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v %#v", err, err)} {
		if strings.Contains(text, "10.20") || strings.Contains(text, "4567") {
			t.Errorf("got %q, want no address in it", text)
		}
	}
}

func TestOptionsThatAreWrongAreNamed(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]Options{
		"Allow[0]": {Allow: []Rule{{}}},
		"Allow[1]": {Allow: []Rule{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}, {Prefix: netip.PrefixFrom(netip.MustParseAddr("10.0.0.1"), 8)}}},
		"Deny[0]":  {Deny: []netip.AddrPort{{}}},
		"Deny[1]":  {Deny: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:0")}},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that names %s", err, want)
		}
	}
}

func TestTheTableReadsWholeAndBrokenTablesDoNot(t *testing.T) {
	t.Parallel()
	rows, err := parseTable(special)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 45 {
		t.Errorf("got %d rows, want at least 45", len(rows))
	}
	for _, text := range []string{"10.0.0.0/8,deny", "10.0.0.0,deny,x", "10.0.0.1/8,deny,x", "10.0.0.0/8,maybe,x"} {
		if _, err := parseTable(text); err == nil {
			t.Errorf("%q: it was read, want an error", text)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	g, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	ap := addrPort("2606:4700::1111", 443)
	for b.Loop() {
		if err := g.Check(ap); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAListenerThatIsOpenedLaterIsOursFromThenOn(t *testing.T) {
	t.Parallel()
	var own []netip.AddrPort
	g, err := New(Options{AllowLoopback: true, Own: func() []netip.AddrPort { return own }})
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort("127.0.0.1:8443")
	if err := g.Check(at); err != nil {
		t.Errorf("before it is open: %v, want it to pass", err)
	}
	own = []netip.AddrPort{netip.MustParseAddrPort("[::ffff:127.0.0.1]:8443")}
	var refused *RefusedError
	if err := g.Check(at); !errors.As(err, &refused) || !refused.Never {
		t.Errorf("once it is open: %v, want it refused for good", err)
	}
}
