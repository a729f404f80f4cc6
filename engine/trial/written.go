package trial

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/provider"
)

// written makes a request that a case writes out.
func written(p *provider.Provider, st *stimulus, now time.Time) (*sent, error) {
	w := st.request
	r := &sent{method: w.method, path: pathOf(p, w.path), query: w.query, header: http.Header{}, body: bytes.Clone(w.body)}
	if len(r.body) > 0 {
		r.header.Set("Content-Type", contentType(p.Format(), w.json))
	}
	for _, h := range w.headers {
		r.header[h.name] = h.values
	}
	if !st.sign {
		return r, nil
	}
	request := &provider.Request{}
	request.Method, request.Query, request.Header, request.Body, request.Now = r.method, r.query, r.header, r.body, now
	request.PathQuery = provider.Signed{Path: r.path, Query: r.query}.Target()
	if err := p.SignRequest(request, st.rule); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	r.query, r.header, r.body = request.Query, request.Header, request.Body
	return r, nil
}

// pathOf gives the path on the public listener.
func pathOf(p *provider.Provider, written string) string {
	switch {
	case written == "":
		return p.Path()
	case strings.HasPrefix(written, "/"):
		return written
	}
	return "/webhooks/" + p.Name() + "/" + written
}

func contentType(f payload.Format, isJSON bool) string {
	switch {
	case isJSON || f == payload.JSON:
		return "application/json"
	case f == payload.Form:
		return "application/x-www-form-urlencoded"
	case f == payload.Raw:
		return "text/plain; charset=utf-8"
	}
	return "application/xml"
}
