package subscription

import (
	"cmp"
	"errors"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/hooks"
)

// maxURLBytes is how long the URL of a subscription may be: what browsers and proxies take.
const maxURLBytes = 2048

// CheckURL says why a URL is none to which a subscription may be sent; the error quotes nothing of it. Whether its host has an address
// that may be reached is found out when something is sent there.
func CheckURL(raw string) error {
	if len(raw) > maxURLBytes {
		return errors.New("it is longer than 2048 bytes")
	}
	if strings.Contains(raw, "{{") || strings.Contains(raw, "<<") {
		return errors.New("it is taken word for word, and cannot hold templates or references")
	}
	if err := hooks.CheckURL(raw); err != nil {
		var fault *hooks.Error
		if errors.As(err, &fault) {
			return errors.New(fault.Message)
		}
		return errors.New("it cannot be read")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("it cannot be read")
	case u.User != nil:
		return errors.New("it holds a user name or a password: use a header")
	case u.Fragment != "":
		return errors.New("it has a fragment, which is never sent")
	}
	return nil
}

// plain says whether a URL is plain http that will probably go nowhere. Names are not looked up, so that of a name only the one of this
// machine is known.
func plain(raw string, egress node.Egress) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if egress.Dev && (u.Hostname() == "localhost" || err == nil && addr.IsLoopback()) {
		return false
	}
	port, portErr := strconv.ParseUint(cmp.Or(u.Port(), "80"), 10, 16)
	return err != nil || portErr != nil || egress.Allowed == nil || !egress.Allowed(netip.AddrPortFrom(addr.Unmap(), uint16(port)))
}

// Origin gives what of a URL tells where it leads without giving away what may be secret in it: scheme and host, and whether there is more.
func Origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return ""
	}
	shown := u.Scheme + "://" + u.Host
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		shown += "/…"
	}
	return shown
}

// CheckHeader says why a header is none that a subscription may add. The error quotes nothing of the value.
func CheckHeader(name, value string) error {
	switch {
	case hooks.CheckHeader(name, "") != nil:
		return errors.New("it is no name of a header")
	case slices.Contains([]string{
		"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Upgrade",
		"Content-Type", "Content-Encoding", "Expect",
	}, canonical(name)):
		return errors.New("it is set by the connection, or by the hook")
	case hooks.CheckHeader(name, value) != nil:
		return errors.New("its value holds control characters")
	}
	return nil
}

func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// isCredential says whether a header is one whose value is always a secret.
func isCredential(name string) bool {
	return slices.Contains([]string{"Authorization", "Cookie", "X-Api-Key", "Api-Key", "X-Auth-Token"}, http.CanonicalHeaderKey(name))
}
