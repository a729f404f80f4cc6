package provider

import (
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/secret"
)

// withoutSecrets gives what is kept of a query: all of it, but for the values of the parameters that hold a token or a signature.
// Records are read by more people than may send.
func (p *Provider) withoutSecrets(query string) string {
	if query == "" || len(p.masked) == 0 {
		return query
	}
	if slices.Contains(p.masked, "") {
		return secret.Mask
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, _, valued := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); valued && err == nil && slices.Contains(p.masked, plain) {
			pairs[i] = name + "=" + secret.Mask
		}
	}
	return strings.Join(pairs, "&")
}
