package hooks

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// toyDNS is a name server in memory. answers holds the records of each look-up (one question for A and one for AAAA) in turn; the
// last one is repeated. A record is an address or "-> name", an alias; each has a time to live of 0. A nil look-up is a server
// failure, an empty one a name without addresses, and names that are not there do not exist.
type toyDNS struct {
	mu      sync.Mutex
	answers map[string][][]string
	asked   int
	mute    bool // hears and says nothing
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
		if d.mute {
			continue
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
	records, code := d.lookup(strings.ToLower(strings.Join(labels, ".")), kind)
	reply := append([]byte{}, query[0], query[1], 0x81, 0x80|code, 0, 1, 0, byte(len(records)), 0, 0, 0, 0)
	reply = append(reply, question...)
	for _, r := range records {
		reply = append(reply, r...)
	}
	return reply
}

// lookup gives the records of a name and, after them, those of the names that it is an alias for.
func (d *toyDNS) lookup(name string, kind uint16) (records [][]byte, code byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	const noSuchName, serverFailure = 3, 2
	for hops := 0; hops < 10; hops++ {
		rounds, ok := d.answers[name]
		if !ok {
			return records, noSuchName
		}
		if len(rounds) > 1 && kind == 1 { // the question for A is the look-up's first or second, and there is one
			d.answers[name] = rounds[1:]
		}
		if rounds[0] == nil {
			return nil, serverFailure
		}
		next := ""
		for _, value := range rounds[0] {
			if alias, ok := strings.CutPrefix(value, "-> "); ok {
				next = alias
				records = append(records, record(name, 5, wireName(alias)))
			} else if a := netip.MustParseAddr(value); a.Is4() == (kind == 1) {
				records = append(records, record(name, kind, a.AsSlice()))
			}
		}
		if next == "" {
			return records, 0
		}
		name = next
	}
	return records, 0
}

func record(name string, kind uint16, data []byte) []byte {
	r := append(wireName(name), byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 0, byte(len(data)>>8), byte(len(data)))
	return append(r, data...)
}

func wireName(name string) []byte {
	var out []byte
	for label := range strings.SplitSeq(name, ".") {
		out = append(append(out, byte(len(label))), label...)
	}
	return append(out, 0)
}

func TestANameThatTurnsToLoopbackIsCaughtWhenItIsDialled(t *testing.T) {
	t.Parallel()
	trap := newCanary(t)
	const public = "203.1.1.1"
	for name, answers := range map[string]map[string][][]string{
		"rebind.example":  {"rebind.example": {{public}, {"127.0.0.1"}}},
		"rebind6.example": {"rebind6.example": {{public}, {"::1"}}},
		"flip.example":    {"flip.example": {{public}, {"127.0.0.1"}, {public}, {"127.0.0.1"}}},
		"alias.example":   {"alias.example": {{"-> one.example"}}, "one.example": {{"-> two.example"}}, "two.example": {{public}, {"127.0.0.1"}}},
		"moved.example":   {"moved.example": {{public}, {"-> one.example"}}, "one.example": {{"-> two.example"}}, "two.example": {{"127.0.0.1", "::1"}}},
	} {
		dns := &toyDNS{answers: answers}
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

func TestAliasesAreJudgedByTheAddressTheyEndAt(t *testing.T) {
	t.Parallel()
	trap := newCanary(t)
	dns := &toyDNS{answers: map[string][][]string{
		"a.example": {{"-> b.example"}}, "b.example": {{"-> c.example"}}, "c.example": {{"127.0.0.1"}},
		"own.example":      {{"-> metadata.example", "203.1.1.1"}},
		"metadata.example": {{"169.254.169.254"}},
		"loop.example":     {{"-> loop2.example"}}, "loop2.example": {{"-> loop.example"}},
		"dangling.example": {{"-> none.example"}},
		"empty.example":    {{}},
		"failing.example":  {nil},
	}}
	c, passed := watch(t, Options{Resolver: dns.resolver()})
	for name, want := range map[string]string{
		"a.example": CodeRefusedByEgress, "loop.example": CodeDNS, "dangling.example": CodeDNS, "empty.example": CodeDNS, "failing.example": CodeDNS, "none.example": CodeDNS,
	} {
		_, err := c.Deliver(t.Context(), Request{URL: "http://" + name + ":" + trap.port, Insecure: true})
		if e := failure(t, err); e.Code != want || e.Temporary() != (want == CodeDNS) {
			t.Errorf("%s: got %v (%v), want %s", name, e, e.Class, want)
		}
	}
	if n := passed.Load() + trap.count.Load(); n != 0 {
		t.Errorf("%d connections were let pass, want 0", n)
	}
	if _, err := c.Deliver(t.Context(), Request{URL: "https://own.example"}); err == nil || passed.Load() != 1 {
		t.Errorf("an alias beside an address: got %v and %d connections, want the public address alone", err, passed.Load())
	}
}

func TestANameServerThatSaysNothingEndsTheAttempt(t *testing.T) {
	t.Parallel()
	c, passed := watch(t, Options{Resolver: (&toyDNS{mute: true}).resolver()})
	att, err := c.Deliver(t.Context(), Request{URL: "https://x.example", Timeout: time.Second})
	if e := failure(t, err); !e.Temporary() || att.Took > 3*time.Second || passed.Load() != 0 {
		t.Errorf("got %v after %v, want a temporary failure after 1s", e, att.Took)
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
