package signature

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/headgate/headgate/engine/payload"
)

func bindQuery(b binding) (reader, error) {
	if b.arg == "" {
		return func(e *env) (value, presence) { return textOf(e.req.Query) }, nil
	}
	return func(e *env) (value, presence) { return findParam(e.req.Query, b.arg) }, nil
}

// bindForm makes the reader of a form's field. A field that occurs twice is refused as a parameter is.
func bindForm(b binding) (reader, error) {
	return func(e *env) (value, presence) {
		kind := e.req.Header.Get("Content-Type")
		switch {
		case payload.IsMultipart(kind):
			return findPart(e.req.Body, kind, b.arg)
		case !urlencoded(e.req, kind):
			return value{}, absent
		case b.arg == "":
			return value{raw: e.req.Body}, present
		}
		return findParam(e.req.Body, b.arg)
	}, nil
}

// urlencoded says whether the body may be read as a form of name=value pairs. The Content-Type of one that was not declared to be a
// form is not believed alone: it is signed by nobody, and a JSON text or a multipart form with "&name=value&" inside would let its
// writer forge a field.
func urlencoded(r *Request, kind string) bool {
	rest := bytes.TrimLeft(r.Body, " \t\r\n")
	if bytes.HasPrefix(rest, []byte("--")) {
		return false
	}
	if r.Form {
		return true
	}
	media, _, _ := strings.Cut(kind, ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") && (len(rest) == 0 || rest[0] != '{' && rest[0] != '[')
}

// findPart gives a field of a multipart form, or without a name all of them as an urlencoded text.
func findPart(body []byte, kind, name string) (value, presence) {
	parts, err := payload.ReadMultipart(body, kind)
	if err != nil {
		return value{}, unclear
	}
	var text []byte
	found, seen := value{}, absent
	for _, p := range parts {
		switch {
		case name == "" && !p.File:
			if len(text) > 0 {
				text = append(text, '&')
			}
			text = append(text, url.QueryEscape(p.Name)+"="+url.QueryEscape(string(p.Content))...)
		case name == "" || p.Name != name:
		case p.File || seen == present:
			return value{}, unclear
		default:
			found, seen = value{raw: p.Content}, present
		}
	}
	if name == "" {
		return value{text: string(text)}, present
	}
	return found, seen
}

// findParam gives the value of the only parameter of that name in an urlencoded text. A name that occurs twice is refused: two
// readers of it could disagree about which one counts.
func findParam[T string | []byte](text T, name string) (value, presence) {
	raw := []byte(text)
	found, seen := value{}, absent
	for len(raw) > 0 {
		var pair []byte
		pair, raw, _ = bytes.Cut(raw, []byte("&"))
		key, val, _ := bytes.Cut(pair, []byte("="))
		k, err := unescape(key)
		if err != nil || k != name {
			continue
		}
		if seen == present {
			return value{}, unclear
		}
		v, err := unescape(val)
		if err != nil {
			return value{}, unclear
		}
		found, seen = value{text: v}, present
	}
	return found, seen
}

func unescape(b []byte) (string, error) { return url.QueryUnescape(string(b)) }
