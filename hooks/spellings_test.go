package hooks

import (
	"encoding/csv"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// spelling is one row of egress/testdata/spellings.csv, which says what its columns are.
type spelling struct {
	url, refused, reason, opens string
	reaches                     []netip.Addr
}

func spellings(t *testing.T) []spelling {
	t.Helper()
	f, err := os.Open("egress/testdata/spellings.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.Comment, r.FieldsPerRecord = '#', 5
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []spelling
	for _, row := range rows {
		text, err := strconv.Unquote(`"` + row[0] + `"`)
		if err != nil {
			t.Fatalf("%s: %v", row[0], err)
		}
		s := spelling{url: text, refused: row[2], reason: row[3], opens: row[4]}
		for a := range strings.FieldsSeq(row[1]) {
			s.reaches = append(s.reaches, netip.MustParseAddr(a))
		}
		out = append(out, s)
	}
	return out
}

// at gives the URL with a port.
func (s spelling) at(scheme, port string) string {
	return scheme + strings.ReplaceAll(s.url, "{port}", port)
}

// answers gives what a hostile name server says: each name of the table has the addresses that its row tells.
func answers(rows []spelling) map[string][][]string {
	names := map[string][][]string{"xn--bcher-kva.example": {{"127.0.0.1"}}, "localhost.example": {{"127.0.0.1"}}} // as other letters ask for them
	for _, s := range rows {
		u, err := url.Parse(s.at("https:", "443"))
		if err != nil {
			continue
		}
		name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
		if strings.HasSuffix(name, ".example") || name == "localhost" {
			var list []string
			for _, a := range s.reaches {
				list = append(list, a.String())
			}
			names[name] = [][]string{list}
		}
	}
	return names
}

// isLocal says whether the row reaches this machine.
func (s spelling) isLocal() bool { return s.reason == "loopback" || s.reason == "unspecified" }

// want checks one refusal against the row. Where opened, an operator has listed everything that can be.
func (s spelling) want(t *testing.T, c string, e *Error, opened, own bool) {
	t.Helper()
	words := map[string]string{
		"unreadable": "the URL cannot be read", "no host": "the URL has no host", "zone": "the URL's host has a zone", "number": "the URL's host is a number",
		"does not resolve": "did not resolve",
	}
	code, text := map[string]string{"url": CodeBadURL, "name": CodeDNS, "egress": CodeRefusedByEgress}[s.refused], words[s.reason]
	if text == "" {
		text = "refuses the host's address: " + s.reason
	}
	if opened && s.opens == "listed" {
		if text = "our own listener"; !own {
			code, text = CodeDial, "no connection" // the test stops it before a packet leaves
		}
	}
	if own && e.Code == CodeRefusedByEgress && strings.HasSuffix(e.Message, "our own listener") {
		return // which is looked for first
	}
	if e.Code != code || !strings.Contains(e.Message, text) {
		t.Errorf("%s: got %v, want %s with %q", c, e, code, text)
	}
}

// The table, by every scheme, under four sets of rules, towards three listeners: one of ours, one of a neighbour on this machine,
// and one where metadata services listen.
func TestNoSpellingOfAnAddressGetsPastTheGuard(t *testing.T) {
	t.Parallel()
	rows := spellings(t)
	if len(rows) < 120 {
		t.Errorf("got %d spellings, want at least 120", len(rows))
	}
	ours, neighbour := newCanary(t), newCanary(t)
	everything, err := ParseAllow("0.0.0.0/0, ::/0, 169.254.169.254:80, 169.254.0.0/16, fd00:ec2::254, fe80::/10, 168.63.129.16, 0.0.0.0, ::, 64:ff9b:1::/48, 127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	some, err := ParseAllow("10.200.0.0/16, 192.168.77.0/24:443, 127.0.0.1:1, [fd77::/16]:443")
	if err != nil {
		t.Fatal(err)
	}
	var deny []netip.AddrPort
	for _, port := range []string{ours.port, neighbour.port} {
		for _, a := range []string{"0.0.0.0", "[::]"} { // as a listener on every address says it
			deny = append(deny, netip.MustParseAddrPort(a+":"+port))
		}
	}
	attempts := 0
	var opened atomic.Int64
	for _, rules := range []struct {
		name   string
		o      Options
		own    []string // ports that are our own listeners
		opened bool
	}{
		{"nothing is allowed", Options{}, nil, false},
		{"a private range is allowed", Options{Allow: some, Deny: deny[:2]}, []string{ours.port}, false},
		{"all that can be is allowed", Options{Allow: everything, AllowLoopback: true, Deny: deny}, []string{ours.port, neighbour.port}, true},
		{"loopback is allowed", Options{AllowLoopback: true, Deny: deny}, []string{ours.port, neighbour.port}, false},
	} {
		dns := &toyDNS{answers: answers(rows)}
		rules.o.Resolver = dns.resolver()
		c, passed := watch(t, rules.o)
		for _, s := range rows {
			for _, scheme := range []string{"http:", "https:", "HTTP:", "hTTps:"} {
				for _, port := range []string{ours.port, neighbour.port, "80"} {
					if rules.o.AllowLoopback && !rules.opened && s.isLocal() && port == "80" {
						continue // what --dev opens, and nobody of ours listens there
					}
					before := passed.Load()
					_, err := c.Deliver(t.Context(), Request{URL: s.at(scheme, port), Insecure: true})
					attempts++
					name := rules.name + ": " + s.at(scheme, port)
					s.want(t, name, failure(t, err), rules.opened, s.isLocal() && slices.Contains(rules.own, port))
					if n := passed.Load() - before; n != 0 && (!rules.opened || s.opens != "listed") {
						t.Errorf("%s: %d connections were let pass, want 0", name, n)
					}
				}
			}
		}
		opened.Add(passed.Load())
	}
	if attempts < 10_000 {
		t.Errorf("%d attempts were made, want at least 10,000", attempts)
	}
	connections := ours.count.Load() + neighbour.count.Load()
	if connections != 0 {
		t.Errorf("the listeners got %d connections, want 0", connections)
	}
	t.Logf("%d spellings, %d attempts, %d connections (%d that an operator had opened were stopped by the test)", len(rows), attempts, connections, opened.Load())

	// The listeners do count: without the guard's rules one connection is one.
	if _, err := newClient(t, Options{AllowLoopback: true}).Deliver(t.Context(), Request{URL: "http://127.0.0.1:" + ours.port}); err == nil {
		t.Error("the canary answered, want it to hang up")
	}
	<-ours.heard
	if n := ours.count.Load(); n != 1 {
		t.Errorf("a connection that may be counted %d, want 1", n)
	}
}

func TestOurOwnListenersAreFoundOnEveryAddressOfThisMachine(t *testing.T) {
	t.Parallel()
	trap := newCanary(t)
	everything, err := ParseAllow("0.0.0.0/0, ::/0")
	if err != nil {
		t.Fatal(err)
	}
	c, passed := watch(t, Options{Allow: everything, AllowLoopback: true, Deny: []netip.AddrPort{netip.MustParseAddrPort("[::]:" + trap.port)}})
	nets, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nets {
		prefix := netip.MustParsePrefix(n.String())
		a := prefix.Addr().Unmap()
		hosts := []string{a.String()}
		if a.Is6() {
			hosts = []string{"[" + a.String() + "]"}
		} else {
			b := a.As4()
			hosts = append(hosts, fmt.Sprintf("[::ffff:%s]", a), fmt.Sprintf("[::%s]", a), fmt.Sprintf("[64:ff9b::%s]", a), fmt.Sprintf("[2002:%02x%02x:%02x%02x::1]", b[0], b[1], b[2], b[3]))
		}
		for _, host := range hosts {
			_, err := c.Deliver(t.Context(), Request{URL: "http://" + host + ":" + trap.port, Insecure: true})
			if e := failure(t, err); e.Code != CodeRefusedByEgress {
				t.Errorf("%s: got %v, want %s", host, e, CodeRefusedByEgress)
			}
		}
	}
	if n := passed.Load() + trap.count.Load(); n != 0 {
		t.Errorf("%d connections were let pass, want 0", n)
	}
}
