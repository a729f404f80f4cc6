// Package egress decides which addresses this process may open sockets to: the guard against requests that a manifest, a name
// server or an attacker bends towards metadata services, private networks and our own listeners.
//
// A [Guard] sits in the Control function of a net.Dialer, so that it sees the address that is really connected to, after names
// are resolved and however the address was spelled; nothing that a URL says about its host is trusted. It is not a firewall for
// URLs, and it neither resolves nor dials.
//
// What may not be dialled is a table (special.csv) of the special-purpose ranges of IPv4 and IPv6. Addresses that carry an IPv4
// address inside (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP) are judged by what they carry. An operator's
// [Rule] opens an address or range exactly as written; metadata addresses, link-local ones and our own listeners never pass.
//
// A Guard is immutable and may be used by any number of goroutines.
package egress
