package signature

import (
	"net/http"
	"time"
)

// Request is one inbound HTTP call as it arrived. Verify and templates only read it; Sign adds headers to it.
type Request struct {
	Method string
	// URL is the public address that the sender called, with its query, worked out from the settings and never from the Host header;
	// "" where it is not known.
	URL string
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
	// Now is when the request arrived: the clock that timestamps are held against.
	Now time.Time
}
