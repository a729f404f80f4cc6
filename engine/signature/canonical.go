package signature

import (
	"net/url"
	"slices"
	"strings"
)

// readCanonical gives METHOD&path&query in the one spelling that Atlassian hashes into the claim `qsh`, see
// https://developer.atlassian.com/cloud/jira/platform/understanding-jwt/ and https://developer.atlassian.com/cloud/bitbucket/query-string-hash/:
// the path without its last slash and with "&" as %26, then the parameters but `jwt`, sorted by their percent-encoded names, the values
// of one name sorted and joined with commas. A request line that cannot be read has none.
func readCanonical(e *env) (value, presence) {
	r := e.req
	if r.Method == "" || r.PathQuery == "" {
		return value{}, absent
	}
	path, query, _ := strings.Cut(r.PathQuery, "?")
	values := map[string][]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, val, _ := strings.Cut(pair, "=")
		n, err := url.QueryUnescape(name)
		if err != nil {
			return value{}, unclear
		}
		v, err := url.QueryUnescape(val)
		if err != nil {
			return value{}, unclear
		}
		if n != "jwt" {
			n = percentEncode(n)
			values[n] = append(values[n], percentEncode(v))
		}
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString(strings.ToUpper(r.Method) + "&")
	if path = strings.ReplaceAll(strings.TrimSuffix(path, "/"), "&", "%26"); !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	b.WriteString(path + "&")
	for i, name := range names {
		if i > 0 {
			b.WriteByte('&')
		}
		slices.Sort(values[name])
		b.WriteString(name + "=" + strings.Join(values[name], ","))
	}
	return value{text: b.String()}, present
}

// percentEncode encodes all but the unreserved characters of RFC 3986, as OAuth 1.0 does.
func percentEncode(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
