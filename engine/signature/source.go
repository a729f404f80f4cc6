package signature

import (
	"bytes"
	"fmt"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/payload"
)

// value is what a source reads: a view into the request, never a copy unless it had to be decoded. Text counts where raw is nil.
type value struct {
	text string
	raw  []byte
}

func (v value) empty() bool { return len(v.raw) == 0 && v.text == "" }

func (v value) appendTo(dst []byte) []byte {
	if v.raw != nil {
		return append(dst, v.raw...)
	}
	return append(dst, v.text...)
}

// reader reads one source of a request. False means missing, or so ambiguous that nobody can say what it is.
type reader func(e *env) (value, bool)

// sourceType is one word of the language that names a piece of a request.
type sourceType struct {
	name string
	// example shows the source with its argument, for hints; an argument is needed where it has a colon.
	example string
	doc     string
	// place is where the source may stand.
	place Place
	// whole lets the source be empty without "?": an empty body is still a body.
	whole bool
	bind  func(arg string) (reader, error)
}

// Place says where a template stands, which decides what it may name.
type Place uint8

// The places of a template.
const (
	// Signed is the string that a signature is made over.
	Signed Place = 1 << iota
	// Identity names an event or a delivery; nothing in it may be made with a secret.
	Identity
	// Part is a bare source, without braces: where a signature or a timestamp is read from.
	Part
)

const anywhere = Signed | Identity | Part

// sources is the whole list, in the order in which the documentation tells it.
func sources() []sourceType {
	return []sourceType{
		{"body", "body", "the raw bytes of the body, before any decoding", Signed | Identity, true, bare(readBody)},
		{"method", "method", "the request's method, such as POST", anywhere, false, bare(readMethod)},
		{"url", "url", "the public URL with its query, from the settings (`public_url`), never from the Host header", anywhere, false, bare(readURL)},
		{"pathquery", "pathquery", "the path and query as they stood in the request line", anywhere, false, bare(readPathQuery)},
		{"header", "header:X-Name", "a header; one that was sent twice counts as missing", anywhere, false, bindHeader},
		{"query", "query:name", "a parameter of the URL, decoded; one that occurs twice counts as missing", anywhere, false, bindQuery},
		{"form", "form:name", "a field of an urlencoded body, decoded; one that occurs twice counts as missing", anywhere, false, bindForm},
		{"json", "json:a.b.0.c", "a string, number or boolean in a JSON body; numbers as they were sent", anywhere, false, bindJSON},
		{"sig", "sig:t=", "another item of the signature list, by its prefix (the rest is the value) or by its number from 0", Signed | Part, false, bindSig},
		{"ts", "ts", "the timestamp as it was sent", Signed, false, bare(readTimestamp)},
	}
}

func bare(r reader) func(string) (reader, error) {
	return func(string) (reader, error) { return r, nil }
}

func readBody(e *env) (value, bool) {
	if e.req.Body == nil {
		return value{raw: []byte{}}, true
	}
	return value{raw: e.req.Body}, true
}

func readMethod(e *env) (value, bool)    { return value{text: e.req.Method}, e.req.Method != "" }
func readURL(e *env) (value, bool)       { return value{text: e.req.URL}, e.req.URL != "" }
func readPathQuery(e *env) (value, bool) { return value{text: e.req.PathQuery}, e.req.PathQuery != "" }
func readTimestamp(e *env) (value, bool) { return value{text: e.ts}, e.ts != "" }

func bindHeader(arg string) (reader, error) {
	for i := range len(arg) {
		if !isTokenByte(arg[i]) {
			return nil, fmt.Errorf("%q cannot stand in a header name", arg[i])
		}
	}
	name := textproto.CanonicalMIMEHeaderKey(arg)
	return func(e *env) (value, bool) {
		values := e.req.Header[name]
		if len(values) != 1 {
			return value{}, false
		}
		return value{text: values[0]}, true
	}, nil
}

// isTokenByte says whether a byte may stand in a header name (RFC 9110, token).
func isTokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func bindQuery(arg string) (reader, error) {
	return func(e *env) (value, bool) { return findParam([]byte(e.req.Query), arg) }, nil
}

func bindForm(arg string) (reader, error) {
	return func(e *env) (value, bool) {
		if !e.req.Form && !looksLikeForm(e.req) {
			return value{}, false
		}
		return findParam(e.req.Body, arg)
	}, nil
}

// looksLikeForm says whether a body that was not declared to be a form may be read as one. The Content-Type alone is not believed:
// it is signed by nobody, and a JSON text with "&name=value&" inside would let its writer forge a field.
func looksLikeForm(r *Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		return false
	}
	rest := bytes.TrimLeft(r.Body, " \t\r\n")
	return len(rest) == 0 || rest[0] != '{' && rest[0] != '['
}

// findParam gives the value of the only parameter of that name in an urlencoded text. A name that occurs twice is refused: two
// readers of it could disagree about which one counts.
func findParam(raw []byte, name string) (value, bool) {
	var found value
	seen := false
	for len(raw) > 0 {
		var pair []byte
		pair, raw, _ = bytes.Cut(raw, []byte("&"))
		key, val, _ := bytes.Cut(pair, []byte("="))
		k, err := unescape(key)
		if err != nil || k != name {
			continue
		}
		if seen {
			return value{}, false
		}
		v, err := unescape(val)
		if err != nil {
			return value{}, false
		}
		found, seen = value{text: v}, true
	}
	return found, seen
}

func unescape(b []byte) (string, error) { return url.QueryUnescape(string(b)) }

func bindJSON(arg string) (reader, error) {
	path, err := payload.ParsePath(arg)
	if err != nil {
		return nil, err
	}
	return func(e *env) (value, bool) {
		raw, ok, err := path.Find(e.req.Body)
		if err != nil || !ok || len(raw) == 0 {
			return value{}, false
		}
		switch raw[0] {
		case '"':
			return unquote(raw)
		case '{', '[', 'n': // not one value, or null
			return value{}, false
		}
		return value{raw: raw}, true
	}, nil
}

// unquote gives the text of a JSON string; without escapes it is a view into the body.
func unquote(raw []byte) (value, bool) {
	if len(raw) < 2 || raw[len(raw)-1] != '"' {
		return value{}, false
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return value{raw: inner}, true
	}
	text, ok := payload.Text(raw)
	return value{text: text}, ok
}

func bindSig(arg string) (reader, error) {
	if n, err := strconv.Atoi(arg); err == nil && n >= 0 && n < maxItems {
		return func(e *env) (value, bool) {
			if n >= e.count {
				return value{}, false
			}
			return value{text: e.items[n]}, true
		}, nil
	}
	return func(e *env) (value, bool) {
		found, seen := "", false
		for _, item := range e.items[:e.count] {
			rest, ok := strings.CutPrefix(item, arg)
			if !ok {
				continue
			}
			if seen { // two timestamps in one header: nobody can say which one was signed
				return value{}, false
			}
			found, seen = rest, true
		}
		return value{text: found}, seen
	}, nil
}
