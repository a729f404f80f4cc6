package signature

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// Hosts are the hosts that a manifest lets an address name, such as sns.*.amazonaws.com. It is immutable.
type Hosts struct{ patterns [][]string }

// maxHosts bounds the list.
const maxHosts = 32

// ParseHosts compiles a host or a list of hosts. In each a "*" stands for one or more characters between two dots, so that it never
// reaches over one; the last two parts are literal. Where it has findings the result is nil.
func ParseHosts(n *source.Node, out *diag.List) *Hosts {
	if n.Refused {
		return nil
	}
	items := []*source.Node{n}
	if n.Kind == source.List {
		items = n.Items
	}
	if len(items) == 0 || len(items) > maxHosts {
		out.Errorf(diag.BadValue, n.Span, "", "`hosts` needs between 1 and %d hosts", maxHosts)
		return nil
	}
	h, ok := &Hosts{}, true
	for _, item := range items {
		if item.Refused {
			ok = false
			continue
		}
		labels, message := parseHost(item)
		if message != "" {
			out.Errorf(diag.BadValue, item.Span, "write a host such as keys.example.com or keys.*.example.com", "%s", message)
			ok = false
			continue
		}
		h.patterns = append(h.patterns, labels)
	}
	if !ok {
		return nil
	}
	return h
}

func parseHost(n *source.Node) (labels []string, message string) {
	if !n.IsScalar() || n.Kind == source.Null {
		return nil, fmt.Sprintf("a host is a text, not %s", n.Kind.WithArticle())
	}
	host := strings.ToLower(text(n))
	if strings.ContainsAny(host, "/:@") {
		return nil, "a host is written without scheme, port and path"
	}
	labels = strings.Split(host, ".")
	if len(labels) < 2 {
		return nil, fmt.Sprintf("%q is no host of the public internet", host)
	}
	for i, label := range labels {
		for j := range len(label) {
			if !isHostByte(label[j]) && label[j] != '*' {
				return nil, fmt.Sprintf("%q cannot stand in a host", label[j])
			}
		}
		switch {
		case label == "":
			return nil, fmt.Sprintf("%q has an empty part", host)
		case strings.Contains(label, "*") && i >= len(labels)-2:
			return nil, "the last two parts of a host are literal: anybody can own what else they might be"
		case strings.Count(label, "*") > 1:
			return nil, "a part of a host holds one * at most"
		}
	}
	return labels, ""
}

func isHostByte(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' }

// Check says why an address may not be asked, or nil: it is https, names no user and no port but 443, and its host is one of these.
// It must be called before anything is sent there.
func (h *Hosts) Check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return errors.New("the address is none")
	case u.Scheme != "https":
		return errors.New("the address is not https")
	case u.User != nil:
		return errors.New("the address names a user")
	case u.Port() != "" && u.Port() != "443" || strings.HasSuffix(u.Host, ":"):
		return errors.New("the address names a port")
	}
	labels := strings.Split(strings.ToLower(u.Hostname()), ".")
	for _, pattern := range h.patterns {
		if matchLabels(pattern, labels) {
			return nil
		}
	}
	return errors.New("the host of the address is not one of `hosts`")
}

func matchLabels(pattern, labels []string) bool {
	if len(pattern) != len(labels) {
		return false
	}
	for i, p := range pattern {
		before, after, star := strings.Cut(p, "*")
		l := labels[i]
		if !star {
			if l != p {
				return false
			}
			continue
		}
		if len(l) <= len(before)+len(after) || !strings.HasPrefix(l, before) || !strings.HasSuffix(l, after) {
			return false
		}
		for j := range len(l) {
			if !isHostByte(l[j]) {
				return false
			}
		}
	}
	return true
}
