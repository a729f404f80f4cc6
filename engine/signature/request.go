package signature

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Request is one inbound HTTP call as it arrived. Verify and templates only read it; Sign and [When.Apply] change it.
type Request struct {
	Method string
	// URL is the public address that the sender called, with its query, worked out from the settings and never from the Host header;
	// "" where it is not known.
	URL string
	// Endpoint is URL without its query.
	Endpoint string
	// PathQuery is the path and query as they stood in the request line.
	PathQuery string
	// Query is the raw query, without its "?".
	Query string
	// Header has canonical keys, as net/http makes them.
	Header http.Header
	// Body is the raw bytes, before any decoding.
	Body []byte
	// Form says that the body is declared to be a form whatever the Content-Type says.
	Form bool
	// Document is what `json`, `xml` and `key` read, where `body.from` took it out of the body; nil is the body itself.
	Document []byte
	// Item is the JSON of the batch item that is looked at; nil where there is none.
	Item []byte
	// Claims is the JSON of a verified token's claims; nil where there is none.
	Claims []byte
	// Now is when the request arrived: the clock that timestamps are held against.
	Now time.Time
}

// document gives the bytes that the body's format speaks of.
func (r *Request) document() []byte {
	if r.Document != nil {
		return r.Document
	}
	return r.Body
}

// mostRendered is how many bytes functions and `let` may make of one piece of the request: all that a genuine sender's do, and far less
// than a chain of functions could be made to take in memory.
func (r *Request) mostRendered() int {
	return 2*max(len(r.Body), len(r.Document), len(r.Item)) + 1<<20
}

// setQuery gives a parameter of the URL one value, or takes it out where the value is nil. All else of the query stays byte for byte;
// PathQuery and URL follow.
func (r *Request) setQuery(name string, value *string) {
	var pairs []string
	set := value == nil
	for pair := range strings.SplitSeq(r.Query, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if k, err := url.QueryUnescape(key); err == nil && k == name && pair != "" {
			if set {
				continue
			}
			pair, set = url.QueryEscape(name)+"="+url.QueryEscape(*value), true
		}
		if pair != "" {
			pairs = append(pairs, pair)
		}
	}
	if !set {
		pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(*value))
	}
	r.Query = strings.Join(pairs, "&")
	if r.PathQuery != "" {
		r.PathQuery = withQuery(r.PathQuery, r.Query)
	}
	if r.URL != "" {
		r.URL = withQuery(r.URL, r.Query)
	}
}

func withQuery(address, query string) string {
	address, _, _ = strings.Cut(address, "?")
	if query == "" {
		return address
	}
	return address + "?" + query
}
