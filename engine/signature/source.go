package signature

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
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

func (v value) string() string {
	if v.raw != nil {
		return string(v.raw)
	}
	return v.text
}

// presence says whether a request has what a source names. A template can use nothing but what is present, and `when` and "?" know
// what is absent from the others, so that a header sent twice is not taken for one that was not sent.
type presence uint8

const (
	absent presence = iota
	present
	// unclear is what occurs twice or cannot be read.
	unclear
	// nested is a list, a map or an element with others inside: there, and no text.
	nested
	// foreign is what is asked of a document of another kind: it cannot be read, and so cannot be there.
	foreign
)

// reader reads one source of a request.
type reader func(e *env) (value, presence)

// argument says whether a source is told which one.
type argument uint8

const (
	never argument = iota
	maybe
	always
)

// sourceType is one word of the language that names a piece of a request.
type sourceType struct {
	name string
	// example shows the source with its argument, for hints.
	example string
	doc     string
	arg     argument
	// place is where the source may stand.
	place Place
	// whole lets the source be empty without "?": an empty body is still a body.
	whole bool
	bind  func(b binding) (reader, error)
}

// sources is the whole list, in the order in which the documentation tells it.
func sources() []sourceType {
	const (
		bare   = Part | Condition // where a source may stand without braces
		pieces = requests &^ Fetch
		proofs = Signed | Require | Lets
	)
	return []sourceType{
		{"body", "body", "the raw bytes of the body, before any decoding", never, pieces | Part, true, unbound(readBody)},
		{"method", "method", "the request's method, such as POST", never, requests | bare, false, unbound(readMethod)},
		{"url", "url", "the public URL with its query, from the settings (`public_url`), never from the Host header", never, requests, false, located("url", readURL)},
		{"endpoint", "endpoint", "the public URL without its query", never, requests, false, located("endpoint", readEndpoint)},
		{"pathquery", "pathquery", "the path and query as they stood in the request line", never, requests, false, unbound(readPathQuery)},
		{"header", "header:X-Name", "a header; one that was sent twice cannot be used", always, requests | bare, false, bindHeader},
		{
			"query", "query:name", "a parameter of the URL, decoded; one that occurs twice cannot be used. Without a name: the raw query", maybe,
			requests | bare, false, bindQuery,
		},
		{
			"form", "form:name", "a field of an urlencoded or multipart body, decoded; one that occurs twice and an uploaded file cannot be used. " +
				"Without a name: all fields as an urlencoded text, as it was sent where it was one", maybe, requests | bare, true, bindForm,
		},
		{
			"json", "json:a.b.0.c", "a string, number or boolean of the JSON document; numbers as they were sent. Without a path: the document's bytes",
			maybe, requests | bare, false, bindDocument,
		},
		{
			"xml", "xml:root.a.b", "the text of an element of the XML document, from the root's name on; `@id` at the end is an attribute. An element that " +
				"occurs twice cannot be used, `a.0` picks one", always, requests | bare, false, bindXML,
		},
		{
			"outer", "outer:a.b", "the same of the raw body, where `body.from` took the document out of it", always,
			(requests &^ BodyFrom) | bare, false, bindOuter,
		},
		{"item", "item:a.b", "the same of the batch item (see `each`). Without a path: the item's bytes", maybe, (pieces &^ BodyFrom) | bare, false, bindItem},
		{
			"key", "key:event_*", "the name of the first member of the JSON document, or of the batch item, that matches; `key:!id` is the first that does not", always,
			(pieces &^ BodyFrom) | Condition, false, bindKey,
		},
		{"sig", "sig:t=", "another item of the signature list, by its prefix (the rest is the value) or by its number from 0", always, proofs | Part, false, bindSig},
		{"ts", "ts", "the timestamp as it was sent", never, proofs, false, unbound(readTimestamp)},
		{"claim", "claim:a.b", "a string, number or boolean of the verified token's claims", always, Require | Identity | BodyFrom | Reply | Lets, false, bindClaim},
		{"var", "var:name", "one of the operator's `vars`", always, proofs | Prefix | Fetch | Expected | Reply, false, bindVar},
		{"secret", "secret", "the secret that is being tried, as text, without what `strip` takes off", never, proofs, false, unbound(readSecret)},
		{"let", "let:name", "one of the provider's `let`", always, requests &^ Lets, false, bindLet},
		{
			"canonical", "canonical", "METHOD&path&query in the one spelling that Atlassian hashes into the claim `qsh`: parameters sorted and " +
				"percent-encoded, repeated ones joined with a comma, `jwt` left out", never, proofs, false, unbound(readCanonical),
		},
	}
}

// Source is one word of the language, for the documentation.
type Source struct {
	// Name is the word, Example shows it with its argument.
	Name, Example string
	Doc           string
	// Places are where it may stand, in words.
	Places []string
}

// Sources gives every source, in the order in which the documentation tells them.
func Sources() []Source {
	var out []Source
	for _, s := range sources() {
		out = append(out, Source{Name: s.name, Example: s.example, Doc: s.doc, Places: placeWords(s.place)})
	}
	return out
}

func unbound(r reader) func(binding) (reader, error) {
	return func(binding) (reader, error) { return r, nil }
}

func located(name string, r reader) func(binding) (reader, error) {
	return func(b binding) (reader, error) {
		if !b.scope.URL {
			return nil, &bindError{message: "{" + name + "} is named, but the public URL is not known", hint: "set `public_url`, or HEADGATE_PUBLIC_URL for all providers"}
		}
		return r, nil
	}
}

func readBody(e *env) (value, presence) {
	if e.req.Body == nil {
		return value{raw: []byte{}}, present
	}
	return value{raw: e.req.Body}, present
}

func readMethod(e *env) (value, presence)    { return textOf(e.req.Method) }
func readURL(e *env) (value, presence)       { return textOf(e.req.URL) }
func readEndpoint(e *env) (value, presence)  { return textOf(e.req.Endpoint) }
func readPathQuery(e *env) (value, presence) { return textOf(e.req.PathQuery) }
func readTimestamp(e *env) (value, presence) { return textOf(e.ts) }
func readSecret(e *env) (value, presence)    { return textOf(e.secret) }

func textOf(s string) (value, presence) {
	if s == "" {
		return value{}, absent
	}
	return value{text: s}, present
}

func bindHeader(b binding) (reader, error) {
	for i := range len(b.arg) {
		if !isTokenByte(b.arg[i]) {
			return nil, fmt.Errorf("%q cannot stand in a header name", b.arg[i])
		}
	}
	if prefix, ok := strings.CutSuffix(b.arg, "*"); ok {
		return bindHeaders(prefix, b.place)
	}
	name := textproto.CanonicalMIMEHeaderKey(b.arg)
	return func(e *env) (value, presence) {
		switch values := e.req.Header[name]; len(values) {
		case 0:
			return value{}, absent
		case 1:
			return value{text: values[0]}, present
		}
		return value{}, unclear
	}, nil
}

// bindHeaders makes the reader of all headers whose names begin alike. Read as one value, there may be only one of them.
func bindHeaders(prefix string, place Place) (reader, error) {
	if place != Part || prefix == "" {
		return nil, errors.New("a name that ends in * stands for several headers, which only `from` can read")
	}
	prefix = textproto.CanonicalMIMEHeaderKey(prefix)
	return func(e *env) (value, presence) {
		names := headersWith(e.req.Header, prefix)
		switch {
		case len(names) == 0:
			return value{}, absent
		case len(names) > 1 || len(e.req.Header[names[0]]) != 1:
			return value{}, unclear
		}
		return value{text: e.req.Header[names[0]][0]}, present
	}, nil
}

// headersWith gives the names of all headers that begin with a prefix in canonical form, sorted.
func headersWith(h http.Header, prefix string) []string {
	var out []string
	for name := range h {
		if strings.HasPrefix(name, prefix) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// isToken says whether a text may be a header name.
func isToken(text string) bool {
	for i := range len(text) {
		if !isTokenByte(text[i]) {
			return false
		}
	}
	return text != ""
}

// isTokenByte says whether a byte may stand in a header name (RFC 9110, token).
func isTokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func bindDocument(b binding) (reader, error) {
	return bindJSON(b.arg, func(e *env) []byte { return e.req.document() })
}

func bindXML(b binding) (reader, error) {
	path, err := payload.ParsePath(b.arg)
	if err != nil {
		return nil, err
	}
	return func(e *env) (value, presence) {
		document := e.req.document()
		if len(document) == 0 {
			return value{}, absent
		}
		text, found, err := path.FindXML(document)
		switch {
		case err != nil && isOther(document):
			return value{}, foreign
		case err != nil || found == payload.Several:
			return value{}, unclear
		case found == payload.Elements:
			return value{}, nested
		case found == payload.Nothing:
			return value{}, absent
		}
		return value{text: text}, present
	}, nil
}

// isOther says whether a document that is no XML does not even begin like it, as a form or JSON in its place does.
func isOther(document []byte) bool {
	start := bytes.TrimLeft(bytes.TrimPrefix(document, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(start) > 0 && start[0] != '<'
}

func bindOuter(b binding) (reader, error) {
	return bindJSON(b.arg, func(e *env) []byte { return e.req.Body })
}

func bindItem(b binding) (reader, error) {
	if !b.scope.Items {
		return nil, &bindError{message: "`item` is named, but nothing splits a request into items", hint: "add `each: json:PATH` with the place of the list"}
	}
	return bindJSON(b.arg, func(e *env) []byte { return e.req.Item })
}

func bindClaim(b binding) (reader, error) {
	if !b.scope.Claims {
		return nil, &bindError{message: "`claim` is named, but no token is verified", hint: "it needs a rule with `algorithm: jwt-hs256`, `jwt-rs256` or `jwt-es256`"}
	}
	return bindJSON(b.arg, func(e *env) []byte {
		if e.claims != nil {
			return e.claims
		}
		return e.req.Claims
	})
}

// bindJSON makes the reader of one place in a JSON text, or of the whole where there is no path.
func bindJSON(arg string, from func(e *env) []byte) (reader, error) {
	if arg == "" {
		return func(e *env) (value, presence) {
			if raw := from(e); len(raw) > 0 {
				return value{raw: raw}, present
			}
			return value{}, absent
		}, nil
	}
	path, err := payload.ParsePath(arg)
	if err != nil {
		return nil, err
	}
	return func(e *env) (value, presence) {
		text := from(e)
		raw, ok, err := path.Find(text)
		switch {
		case err != nil && len(text) > 0:
			return value{}, unclear
		case err != nil || !ok || len(raw) == 0 || raw[0] == 'n': // null says that there is none
			return value{}, absent
		case raw[0] == '{' || raw[0] == '[':
			return value{raw: raw}, nested
		case raw[0] == '"':
			return unquote(raw)
		}
		return value{raw: raw}, present
	}, nil
}

// unquote gives the text of a JSON string; without escapes it is a view into the body.
func unquote(raw []byte) (value, presence) {
	if len(raw) < 2 || raw[len(raw)-1] != '"' {
		return value{}, unclear
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return value{raw: inner}, present
	}
	text, ok := payload.Text(raw)
	if !ok {
		return value{}, unclear
	}
	return value{text: text}, present
}

// bindKey makes the reader of a member's name. The pattern has at most one `*`.
func bindKey(b binding) (reader, error) {
	pattern, not := strings.CutPrefix(b.arg, "!")
	before, after, wild := strings.Cut(pattern, "*")
	if pattern == "" || strings.Contains(after, "*") {
		return nil, errors.New("a pattern is a name with at most one *")
	}
	matches := func(name string) bool {
		if !wild {
			return (name == pattern) != not
		}
		return (len(name) >= len(before)+len(after) && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)) != not
	}
	return func(e *env) (value, presence) {
		text := e.req.Item
		if text == nil {
			text = e.req.document()
		}
		name, ok, err := payload.FirstName(text, matches)
		switch {
		case err != nil:
			return value{}, unclear
		case !ok:
			return value{}, absent
		}
		return value{text: name}, present
	}, nil
}

func bindSig(b binding) (reader, error) {
	if n, err := strconv.Atoi(b.arg); err == nil && n >= 0 && n < maxItems {
		return func(e *env) (value, presence) {
			if n >= e.count {
				return value{}, absent
			}
			return value{text: e.items[n]}, present
		}, nil
	}
	return func(e *env) (value, presence) {
		found, seen := "", absent
		for _, item := range e.items[:e.count] {
			rest, ok := strings.CutPrefix(item, b.arg)
			if !ok {
				continue
			}
			if seen == present { // two timestamps in one header: nobody can say which one was signed
				return value{}, unclear
			}
			found, seen = rest, present
		}
		return value{text: found}, seen
	}, nil
}
