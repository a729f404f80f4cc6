package ingress

import (
	"net/netip"
	"strings"
)

// remote is the address to log: the peer's, or behind proxies that are trusted the nearest address that is not one of theirs.
func (x *exchange) remote() string {
	peer, err := netip.ParseAddrPort(x.r.RemoteAddr)
	if err != nil {
		return ""
	}
	addr := peer.Addr().Unmap()
	// Every proxy appends the address that it saw, so the list is read from its end; what a stranger wrote stands at its beginning.
	forwarded := strings.Split(strings.Join(x.r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(forwarded) - 1; i >= 0 && x.trusted(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(forwarded[i]))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	return addr.String()
}

func (x *exchange) trusted(addr netip.Addr) bool {
	for _, p := range x.o.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
