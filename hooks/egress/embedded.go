package egress

import "net/netip"

// embedded gives the IPv4 addresses that an IPv6 address carries in one of the forms that a router, a relay or a kernel may
// unwrap; none for IPv4. A form that hides two addresses (Teredo: server and client) gives both, and so does an ISATAP
// interface under a 6to4 prefix.
func embedded(a netip.Addr) []netip.Addr {
	if !a.Is6() || a.Is4In6() {
		return nil
	}
	b := a.As16()
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	zero := func(from, to int) bool {
		for _, x := range b[from:to] {
			if x != 0 {
				return false
			}
		}
		return true
	}

	var found []netip.Addr
	switch {
	case zero(0, 12) && (!zero(12, 15) || b[15] > 1): // IPv4-compatible; :: and ::1 stand for themselves
		found = append(found, at(12))
	case zero(0, 8) && b[8] == 0xff && b[9] == 0xff && zero(10, 12): // IPv4-translated, ::ffff:0:0:0/96
		found = append(found, at(12))
	case b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b && zero(4, 12): // NAT64, 64:ff9b::/96
		found = append(found, at(12))
	case b[0] == 0x20 && b[1] == 0x02: // 6to4, 2002::/16
		found = append(found, at(2))
	case b[0] == 0x20 && b[1] == 0x01 && zero(2, 4): // Teredo, 2001::/32: the server, and the client with all its bits turned
		found = append(found, at(4), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	}
	// ISATAP: any prefix, then the interface identifier 0000:5efe or 0200:5efe and the IPv4 address.
	if (b[8] == 0 || b[8] == 0x02) && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		found = append(found, at(12))
	}
	return found
}
