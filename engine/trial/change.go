package trial

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/payload"
)

// sent is a request on its way.
type sent struct {
	method, path, query string
	header              http.Header
	body                []byte
}

// apply changes a request that was signed. other is the same request signed with another secret, where it is known: what differs
// between the two is the signature.
func (c change) apply(r *sent, other *sent) error {
	switch {
	case c.flip:
		r.body = flip(r.body, r.header.Get("Content-Type"), signatureBytes(r, other))
	case c.body != nil:
		r.body = []byte(*c.body)
	}
	if err := put(r, c.edits); err != nil {
		return err
	}
	if c.unsigned {
		unsign(r, other)
	}
	for _, h := range c.headers {
		if len(h.values) == 0 {
			delete(r.header, h.name)
			continue
		}
		r.header[h.name] = h.values
	}
	if c.query != nil {
		r.query = *c.query
	}
	if c.method != "" {
		r.method = c.method
	}
	return nil
}

// put writes values into the body, which is JSON; what is missing on the way is added.
func put(r *sent, edits []edit) error {
	for _, e := range edits {
		path, err := payload.ParsePath(e.path)
		if err != nil {
			return fmt.Errorf("`%s` is no path: %w", e.path, err)
		}
		body, err := path.Put(r.body, e.value)
		if err != nil {
			return fmt.Errorf("putting a value at `%s`: %w", e.path, err)
		}
		r.body = body
	}
	return nil
}

// unsign takes away what depends on the secret: headers, query parameters and parts of the body that are not the same under another
// one.
func unsign(r, other *sent) {
	if other == nil {
		return
	}
	for name, values := range r.header {
		if !slices.Equal(values, other.header[name]) {
			delete(r.header, name)
		}
	}
	if r.query != other.query {
		r.query = unlike(r.query, other.query)
	}
	if bytes.Equal(r.body, other.body) {
		return
	}
	a, errA := payload.Decode(r.body)
	b, errB := payload.Decode(other.body)
	if errA != nil || errB != nil {
		r.body = []byte(unlike(string(r.body), string(other.body)))
		return
	}
	if body, err := payload.Encode(common(a, b)); err == nil {
		r.body = body
	}
}

// unlike takes the pairs out of a form that are not the same in another one.
func unlike(form, other string) string {
	theirs := strings.Split(other, "&")
	return strings.Join(slices.DeleteFunc(strings.Split(form, "&"), func(pair string) bool { return !slices.Contains(theirs, pair) }), "&")
}

// common gives what of a is the same in b; of maps the keys that differ fall away.
func common(a, b any) any {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			return a
		}
		out := map[string]any{}
		for key, v := range x {
			if w, has := y[key]; has && !differs(v, w) {
				out[key] = common(v, w)
			}
		}
		return out
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return a
		}
		out := make([]any, len(x))
		for i := range x {
			out[i] = common(x[i], y[i])
		}
		return out
	}
	return a
}

// differs says whether two values are different ones, what is in maps and lists left aside.
func differs(a, b any) bool {
	switch a.(type) {
	case map[string]any, []any:
		return false
	}
	switch b.(type) {
	case map[string]any, []any:
		return true
	}
	return a != b
}

// signatureBytes gives the places of a body that depend on the secret; nil where that is none, or where it cannot be told.
func signatureBytes(r, other *sent) []bool {
	if other == nil || len(r.body) != len(other.body) || bytes.Equal(r.body, other.body) {
		return nil
	}
	mask := make([]bool, len(r.body))
	for i := range r.body {
		mask[i] = r.body[i] != other.body[i]
	}
	return mask
}

// flip changes one letter or digit of a body so that it stays JSON, a form or XML. A letter is preferred to a digit, which may be a
// part of a time or an id that has a form; what is masked is left alone. A body without either gets a blank at its end.
func flip(body []byte, contentType string, mask []bool) []byte {
	out := bytes.Clone(body)
	places := flippable(body, contentType)
	for _, wanted := range []func(c byte) bool{isLower, isUpper, isDigit} {
		for i, ok := range places {
			if ok && wanted(body[i]) && (mask == nil || !mask[i]) {
				out[i] = next(body[i])
				return out
			}
		}
	}
	return append(out, ' ')
}

// next gives another letter or digit, never 0, with which a number must not begin.
func next(c byte) byte {
	switch c {
	case 'z':
		return 'a'
	case 'Z':
		return 'A'
	case '9':
		return '1'
	}
	return c + 1
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// flippable marks the bytes of a body that are content: not a key, an escape or a tag.
func flippable(body []byte, contentType string) []bool {
	trimmed := bytes.TrimSpace(body)
	switch {
	case payload.Check(body, payload.Limits{}) == nil:
		return jsonContent(body)
	case strings.HasPrefix(contentType, "application/x-www-form-urlencoded") || isForm(string(body)):
		return formContent(body)
	case bytes.HasPrefix(trimmed, []byte("<")):
		return xmlContent(body)
	}
	all := make([]bool, len(body))
	for i := range all {
		all[i] = true
	}
	return all
}

func isForm(body string) bool {
	_, err := url.ParseQuery(body)
	return err == nil && strings.Contains(body, "=") && !strings.ContainsAny(body, "<{\n")
}

// jsonContent marks the texts and numbers of JSON, keys and escapes left out.
func jsonContent(body []byte) []bool {
	ok := make([]bool, len(body))
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			start := i
			for i++; body[i] != '"'; i++ {
				if body[i] != '\\' {
					ok[i] = true
					continue
				}
				if i++; body[i] == 'u' {
					i += 4
				}
			}
			rest := bytes.TrimLeft(body[i+1:], " \t\r\n")
			if len(rest) > 0 && rest[0] == ':' {
				clear(ok[start:i])
			}
		case isDigit(c):
			ok[i] = true
		}
	}
	return ok
}

// formContent marks the values of a form, percent escapes left out.
func formContent(body []byte) []bool {
	ok := make([]bool, len(body))
	value := false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; c {
		case '=':
			value = true
		case '&':
			value = false
		case '%':
			i += 2
		default:
			ok[i] = value
		}
	}
	return ok
}

// xmlContent marks the texts between tags.
func xmlContent(body []byte) []bool {
	ok := make([]bool, len(body))
	depth, entity := 0, false
	for i, c := range body {
		switch c {
		case '<':
			depth, entity = depth+1, false
		case '>':
			depth--
		case '&':
			entity = true
		case ';':
			entity = false
		default:
			ok[i] = depth == 0 && !entity
		}
	}
	return ok
}
