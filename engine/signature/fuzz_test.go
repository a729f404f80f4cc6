package signature

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// FuzzTemplate parses any text for every place and renders what it makes. A text either has findings inside its own bounds or is a
// template that gives the same bytes twice; neither tells a variable.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"{body}", "v0:{ts}:{body}", "{header:svix-id}.{ts}.{body}", "{header:X-GitHub-Event}[.{json:action}]", "{form:command? ?? json:event.type ?? json:type}",
		"{header:X ?? body|sha256|hex}", `\{x\} \[ \\`, `{json:["a}b"].c}`, "[[{body}]]", "{", "{a", "[", "{body|", "{body??}", "{sig:t=}{sig:3}", "é{bdy}", "{query:a|urldecode|unbase64}",
		"{url|port}{form|sortedkv}", "{key:!update_id}{key:*_events}", "{xml:a.b.@c}{item:x}{item}{outer:y}", "{claim:a|base64url}{var:key|json}", "{let:both|lower}{let:lost?}", "{canonical|crc32}",
		"{header:X|headerpairs}{endpoint}{secret}", "header:X-*", "header:X?", "https://{var:key}/{query:a|hmac-sha256|hex}",
	} {
		f.Add(seed)
	}
	scope := everything(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range places() {
			var out diag.List
			n := source.NewString(text, source.Span{File: source.NewFile("p.yaml", []byte(text))})
			parse := Parse
			if p.place&(Part|Condition) != 0 {
				parse = bare
			}
			tmpl := parse(n, p.place, scope, &out)
			if (tmpl == nil) != out.HasErrors() {
				t.Fatalf("%q: template %v with findings %v", text, tmpl, out.Sorted())
			}
			if tmpl == nil {
				for _, finding := range out.Sorted() {
					if strings.Contains(finding.String(), "v4r") && !strings.Contains(text, "v4r") {
						t.Errorf("%q: %s tells a variable", text, finding)
					}
				}
				continue
			}
			if tmpl.String() != text {
				t.Errorf("%q calls itself %q", text, tmpl)
			}
			r := request(`{"type":"x","action":"y"}`, "X", "1", "X-Event", "push")
			r.Method, r.URL, r.Endpoint, r.PathQuery, r.Query = "POST", "https://a.example/w?a=b%20c", "https://a.example/w", "/w?a=b%20c", "a=b%20c"
			r.Item, r.Claims = []byte(`{"a_events":[],"x":"é"}`), []byte(`{"a":"b"}`)
			first, err := tmpl.TextWith(r, []byte("k"))
			second, again := tmpl.TextWith(r, []byte("k"))
			if first != second || (err == nil) != (again == nil) {
				t.Errorf("%q: got %q %v and then %q %v", text, first, err, second, again)
			}
			third, err := tmpl.Bytes(r, 1<<20)
			if again == nil && !tmpl.hasKeyed() && (err != nil || string(third) != first) {
				t.Errorf("%q: got %q as text and %q, %v as bytes", text, first, third, err)
			}
			if len(first) > 16*(len(text)+len(r.Body)+1024) {
				t.Errorf("%q: made %d bytes", text, len(first))
			}
		}
	})
}

// hasKeyed says whether a function of the template needs a key.
func (t *Template) hasKeyed() bool {
	for a := range t.all {
		if slices.ContainsFunc(a.apply, func(f function) bool { return f.keyed }) {
			return true
		}
	}
	return false
}

// FuzzRequest reads any request with every source and function. Nothing panics, and nothing is read differently twice.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/w?a=1&jwt=x", "application/x-www-form-urlencoded", []byte("a=1&a=2"), []byte(`{"a":{"b":1}}`))
	f.Add("GET", "/", "multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--"), []byte("[]"))
	f.Add("", "", "text/xml", []byte("<a><b>1</b></a>"), []byte("{"))
	var all []*Template
	for _, s := range sources() {
		for _, arg := range []string{"", ":a", ":a.b", ":!a*"} {
			for _, fn := range functions() {
				for _, place := range []Place{Signed, Require, Reply} {
					var out diag.List
					if tmpl := Parse(source.NewString("{"+s.name+arg+"|"+fn.name+"|hex}", source.Span{}), place, everything(f), &out); tmpl != nil {
						all = append(all, tmpl)
						break
					}
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, method, pathquery, kind string, body, other []byte) {
		_, query, _ := strings.Cut(pathquery, "?")
		r := &Request{
			Method: method, PathQuery: pathquery, Query: query, URL: "https://a.example" + pathquery, Endpoint: pathquery, Body: body, Item: other, Claims: other,
			Header: http.Header{"Content-Type": {kind}, "A": {string(other)}},
		}
		for _, tmpl := range all {
			first, err := tmpl.TextWith(r, other)
			second, again := tmpl.TextWith(r, other)
			if first != second || (err == nil) != (again == nil) {
				t.Errorf("%s: got %q %v and then %q %v", tmpl, first, err, second, again)
			}
		}
		want := string(other)
		r.setQuery("a", &want)
		if v, there := findParam(r.Query, "a"); there != present || v.text != want {
			t.Errorf("a set to %q in %q reads %q, %d", want, r.Query, v.text, there)
		}
		if r.setQuery("a", nil); r.Query != "" {
			if _, there := findParam(r.Query, "a"); there != absent {
				t.Errorf("a taken out of %q is %d", r.Query, there)
			}
		}
	})
}
