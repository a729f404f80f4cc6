package signature

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/payload"
)

// put writes a text to the place that a source names, and says whether it can. A number is written without quotes where JSON has none
// yet.
func (g *signer) put(a *alternative, value string, number bool) bool {
	if a == nil {
		return false
	}
	r := g.r
	switch {
	case a.source == "header":
		name := a.arg
		if prefix, many := strings.CutSuffix(name, "*"); many {
			name = prefix + "1"
		}
		r.Header.Set(name, value)
	case a.source == "query" && a.arg != "":
		r.setQuery(a.arg, &value)
	case a.source == "form" && a.arg != "" && (urlencoded(r, r.Header.Get("Content-Type")) || len(r.Body) == 0):
		r.Body = setPair(r.Body, a.arg, value)
	case a.source == "json" && a.arg == "" && r.Document == nil:
		r.Body = []byte(value)
	case a.source == "json" && a.arg == "":
		r.Document = []byte(value)
	case a.source == "json" && r.Document == nil, a.source == "outer":
		return g.putJSON(&r.Body, a.arg, value, number)
	case a.source == "json":
		return g.putJSON(&r.Document, a.arg, value, number)
	case a.source == "item" && a.arg != "" && r.Item != nil:
		return g.putJSON(&r.Item, a.arg, value, number)
	case a.source == "claim" && g.claims != nil:
		ok := g.putJSON(&g.claims, a.arg, value, number)
		g.env.claims = g.claims
		return ok
	default:
		return false
	}
	return true
}

// putJSON writes a text into a JSON document: as a string, or as it is in the place of a number.
func (g *signer) putJSON(document *[]byte, path, value string, number bool) bool {
	at, err := payload.ParsePath(path)
	if err != nil {
		return false
	}
	if old, ok, err := at.Find(*document); err == nil && ok && len(old) > 0 {
		number = old[0] == '-' || old[0] >= '0' && old[0] <= '9'
	}
	raw := []byte(value)
	if _, err := strconv.ParseFloat(value, 64); err != nil || !number {
		if raw, err = payload.Encode(value); err != nil {
			return false
		}
	}
	out, ok := setJSON(*document, path, raw)
	if ok {
		*document = out
	}
	return ok
}

// putInverse makes a template render to a text: it is one source, with functions that can be undone.
func (g *signer) putInverse(t *Template, value string) bool {
	if len(t.parts) != 1 || t.parts[0].place == nil || len(t.parts[0].place.alternatives) != 1 {
		return false
	}
	a := &t.parts[0].place.alternatives[0]
	for i := len(a.apply) - 1; i >= 0; i-- {
		switch a.apply[i].name {
		case "lower":
		case "unbase64":
			value = base64.StdEncoding.EncodeToString([]byte(value))
		case "urldecode":
			value = url.QueryEscape(value)
		case "base64", "base64url":
			b, err := looseBase64(value)
			if err != nil {
				return false
			}
			value = string(b)
		case "hex":
			b, err := hex.DecodeString(value)
			if err != nil {
				return false
			}
			value = string(b)
		default:
			return false
		}
	}
	return g.put(a, value, false)
}

// setJSON puts a value at a path of a JSON document, byte for byte leaving all else as it is. Objects on the way are made where they
// are missing; items of lists are not.
func setJSON(document []byte, path string, raw []byte) ([]byte, bool) {
	if len(bytes.TrimSpace(document)) == 0 {
		document = []byte("{}")
	}
	at, err := payload.ParsePath(path)
	if err != nil {
		return nil, false
	}
	if old, ok, err := at.Find(document); err != nil {
		return nil, false
	} else if ok && len(old) > 0 {
		return splice(document, old, raw), true
	}
	parent, name, ok := splitPath(path)
	if !ok {
		return nil, false
	}
	key, err := payload.Encode(name)
	if err != nil {
		return nil, false
	}
	object := bytes.TrimSpace(document)
	if parent != "" {
		up, err := payload.ParsePath(parent)
		if err != nil {
			return nil, false
		}
		if object, ok, err = up.Find(document); err != nil {
			return nil, false
		} else if !ok {
			return setJSON(document, parent, slices.Concat([]byte("{"), key, []byte(":"), raw, []byte("}")))
		}
	}
	if len(object) < 2 || object[0] != '{' || object[len(object)-1] != '}' {
		return nil, false
	}
	inner := bytes.TrimRight(object[:len(object)-1], " \t\r\n")
	comma := ","
	if len(inner) == 1 {
		comma = ""
	}
	return splice(document, object, slices.Concat(inner, []byte(comma), key, []byte(":"), raw, object[len(inner):])), true
}

// splice puts another value into the place of one that is a view into the document.
func splice(document, old, raw []byte) []byte {
	at := 0
	for at < len(document) && &document[at] != &old[0] {
		at++
	}
	return slices.Concat(document[:at], raw, document[at+len(old):])
}

// splitPath parts a path from its last name; no for a path that ends in the number of a list.
func splitPath(path string) (parent, name string, ok bool) {
	if inner, found := strings.CutSuffix(path, `"]`); found {
		at := strings.LastIndex(inner, `["`)
		if at < 0 {
			return "", "", false
		}
		name, ok = payload.Text([]byte(inner[at+1:] + `"`))
		return inner[:at], name, ok
	}
	if strings.HasSuffix(path, "]") {
		return "", "", false
	}
	at := strings.LastIndexByte(path, '.')
	if at < 0 {
		return "", path, true
	}
	return path[:at], path[at+1:], true
}

// setPair gives a field of an urlencoded text one value.
func setPair(text []byte, name, value string) []byte {
	pair := url.QueryEscape(name) + "=" + url.QueryEscape(value)
	var pairs []string
	for old := range strings.SplitSeq(string(text), "&") {
		key, _, _ := strings.Cut(old, "=")
		if k, err := url.QueryUnescape(key); old != "" && (err != nil || k != name) {
			pairs = append(pairs, old)
		}
	}
	return []byte(strings.Join(append(pairs, pair), "&"))
}

// nonce makes a text that differs from request to request, and is the same for the same one, so that examples stay as they are.
func nonce(r *Request, name string) string {
	sum := sha256.New()
	for _, part := range []string{name, r.Now.UTC().String(), r.Query, string(r.Body)} {
		sum.Write([]byte(part))
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// headerNames gives the names of the headers that are there once and of the one that is to hold the list, in lower case and sorted.
func headerNames(h http.Header, list string) string {
	out := []string{strings.ToLower(list)}
	for name, values := range h {
		if len(values) == 1 {
			out = append(out, strings.ToLower(name))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
