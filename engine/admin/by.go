package admin

import (
	"crypto/rand"
	"net/http"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/store"
)

// Headers by which a caller says who asks, and under which id.
const (
	ActorHeader     = "Headgate-Actor"
	RequestIDHeader = "X-Request-Id"
)

const (
	// maxActor characters of ActorHeader count: a name with a host, a job of a CI with its number.
	maxActor = 128
	// maxRequestID is longer than a traceparent, the longest id in use.
	maxRequestID = 64
	// nobody is who asks where the caller does not say: whoever holds the token.
	nobody = "admin"
)

// By says who asked for a change: what the caller says of itself in ActorHeader (a claim, for people who share a token; nobody checks it),
// "admin" where that is missing or is no short line of printable text; the address it asks from; and the id of the request.
func By(r *http.Request) store.By {
	by := store.By{Who: nobody, Request: r.Header.Get(RequestIDHeader)}
	if who := strings.TrimSpace(r.Header.Get(ActorHeader)); who != "" && printable(who, maxActor) {
		by.Who = who
	}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		by.From = ap.Addr().Unmap().String()
	}
	return by
}

// printable says whether a text is one line of at most so many characters that a terminal shows as they are.
func printable(text string, most int) bool {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > most {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// identify gives a request its id, the caller's where it is a sensible one, and tells it to the caller.
func identify(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(RequestIDHeader)
	if id == "" || len(id) > maxRequestID || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		id = strings.ToLower(rand.Text())
		r.Header.Set(RequestIDHeader, id)
	}
	w.Header().Set(RequestIDHeader, id)
}
