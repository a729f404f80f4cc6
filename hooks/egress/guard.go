package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// Options say what a Guard opens and closes beyond its table. The zero Options are the strictest.
type Options struct {
	// Allow lists what may be dialled although the table denies it.
	Allow []Rule
	// AllowLoopback opens 127.0.0.0/8 and ::1, for development on one machine.
	AllowLoopback bool
	// Deny holds our own listeners, which never pass. An unspecified address (0.0.0.0, ::) stands for every address of this host.
	Deny []netip.AddrPort
	// Own gives further ones at every dial, for listeners that are opened later than the guard is made; nil means none.
	Own func() []netip.AddrPort
	// LocalAddrs gives this host's addresses; nil means those of its network interfaces. It is asked at a dial to the port of a
	// listener on an unspecified address, and its error refuses the dial.
	LocalAddrs func() ([]netip.Addr, error)
}

// Guard decides about addresses. Make one with New.
type Guard struct {
	table    table
	allow    []Rule
	loopback bool
	own      []netip.AddrPort
	later    func() []netip.AddrPort
	local    func() ([]netip.Addr, error)
}

// New makes a Guard. Its error names the option that is wrong.
func New(o Options) (*Guard, error) {
	t, err := parseTable(special)
	if err != nil {
		return nil, err
	}
	for i, r := range o.Allow {
		if !r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked() {
			return nil, fmt.Errorf("option Allow[%d] is no range", i)
		}
	}
	g := &Guard{table: t, allow: slices.Clone(o.Allow), loopback: o.AllowLoopback, later: o.Own, local: o.LocalAddrs}
	for i, d := range o.Deny {
		if !d.IsValid() || d.Port() == 0 {
			return nil, fmt.Errorf("option Deny[%d] needs an address and a port", i)
		}
		g.own = append(g.own, netip.AddrPortFrom(plain(d.Addr()), d.Port()))
	}
	if g.local == nil {
		g.local = interfaceAddrs
	}
	return g, nil
}

// RefusedError says that an address may not be dialled. It never holds the address.
type RefusedError struct {
	// Reason is the kind of address, in fixed words: "loopback", "cloud metadata", "our own listener".
	Reason string
	// Never says that no Rule can open it.
	Never bool
}

// Error gives the refusal with its reason.
func (e *RefusedError) Error() string { return "refused by the egress guard: " + e.Reason }

// Check gives nil where the address may be dialled, else a *RefusedError.
func (g *Guard) Check(ap netip.AddrPort) error {
	if !ap.Addr().IsValid() {
		return &RefusedError{Reason: "not an address", Never: true}
	}
	addr := plain(ap.Addr())
	inner := embedded(addr)

	// What never passes is looked for first, in the address and in all that it carries.
	for _, a := range append([]netip.Addr{addr}, inner...) {
		if own, err := g.isOwn(a, ap.Port()); err != nil || own {
			return &RefusedError{Reason: "our own listener", Never: true}
		}
		if r := g.table.find(a); r.verdict == never {
			return &RefusedError{Reason: r.name, Never: true}
		}
	}
	if g.Listed(ap) {
		return nil
	}
	for _, a := range append([]netip.Addr{addr}, inner...) {
		if r := g.table.find(a); r.verdict == deny || r.verdict == wraps && len(inner) == 0 {
			return &RefusedError{Reason: r.name}
		}
	}
	return nil
}

// Listed says whether an operator named the address: a Rule holds it, or it is a loopback address and those are allowed. What
// an address carries inside does not count: a rule opens what it says and nothing else. Only Check says whether it may be dialled.
func (g *Guard) Listed(ap netip.AddrPort) bool {
	addr := plain(ap.Addr())
	if g.loopback && addr.IsLoopback() {
		return true
	}
	for _, r := range g.allow {
		if r.holds(addr, ap.Port()) {
			return true
		}
	}
	return false
}

// Control is for net.Dialer.Control: it refuses the socket unless its address passes Check.
func (g *Guard) Control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &RefusedError{Reason: "not an address", Never: true}
	}
	return g.Check(ap)
}

func (g *Guard) isOwn(a netip.Addr, port uint16) (bool, error) {
	own := g.own
	if g.later != nil {
		own = slices.Clone(own)
		for _, d := range g.later() {
			own = append(own, netip.AddrPortFrom(plain(d.Addr()), d.Port()))
		}
	}
	for _, d := range own {
		switch {
		case d.Port() != port:
		case d.Addr() == a:
			return true, nil
		case d.Addr().IsUnspecified():
			if a.IsLoopback() {
				return true, nil
			}
			local, err := g.local()
			if err != nil {
				return false, fmt.Errorf("asking for this host's addresses: %w", err)
			}
			if slices.Contains(local, a) {
				return true, nil
			}
		}
	}
	return false, nil
}

// plain takes an IPv4 address out of its IPv6-mapped form, and the zone off an address.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func interfaceAddrs() ([]netip.Addr, error) {
	nets, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, n := range nets {
		ipnet, ok := n.(*net.IPNet)
		if !ok {
			continue
		}
		a, ok := netip.AddrFromSlice(ipnet.IP)
		if !ok {
			return nil, errors.New("an interface has an address of an unknown form")
		}
		addrs = append(addrs, plain(a))
	}
	return addrs, nil
}
