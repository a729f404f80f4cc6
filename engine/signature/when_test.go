package signature

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// conditions parses the value of a `when` that begins in line 1, column 7.
func conditions(t testing.TB, yaml string, out *diag.List) *When {
	t.Helper()
	docs, problems := source.ParseYAML(source.NewFile("p.yaml", []byte("when: "+yaml)))
	if len(problems) > 0 {
		t.Fatalf("%s: %v", yaml, problems)
	}
	return ParseWhen(docs[0].Get("when"), everything(t), out)
}

func TestWhenHoldsWhereEveryConditionDoes(t *testing.T) {
	t.Parallel()
	r := &Request{
		Method: http.MethodPost, Query: "hub.mode=subscribe&token=v4r&two=1&two=2&empty=&n=1",
		Header: http.Header{"X-Event": {"push"}, "X-Two": {"a", "b"}, "X-Empty": {""}, "Content-Type": {"application/json; charset=utf-8"}, "X-Same": {"push:v4r"}},
		Body:   []byte(`{"type":"url_verification","n":1,"yes":true,"no":false,"nil":null,"list":[1],"obj":{"a":1},"empty":""}`),
		Item:   []byte(`{"kind":"x"}`),
	}
	for _, test := range []struct {
		yaml string
		want bool
	}{
		{`{method: POST}`, true},
		{`{method: post}`, false},
		{`{method: [GET, POST]}`, true},
		{`{method: GET, json:type: url_verification}`, false},
		{`{method: POST, json:type: url_verification}`, true},
		{`{json:type: url_}`, false},
		{`{json:type: "url_*"}`, true},
		{`{json:n: 1}`, true},
		{`{json:n: 1.0}`, false},
		{`{json:yes: true}`, true},
		{`{json:no: "false"}`, true},
		{`{json:no: false}`, false},
		{`{json:none: false}`, true},
		{`{json:none: "false"}`, false},
		{`{json:nil: false}`, true},
		{`{json:nil: "*"}`, false},
		{`{json:list: "*"}`, true},
		{`{json:obj: "*"}`, true},
		{`{json:obj: false}`, false},
		{`{json:empty: "*"}`, false},
		{`{json:empty: false}`, false},
		{`{item:kind: x}`, true},
		{`{key:ki*: kind}`, true},
		{`{header:x-event: push}`, true},
		{`{header:X-Event: [pull, "pu*"]}`, true},
		{`{header:X-Event: "*"}`, true},
		{`{header:X-Event: false}`, false},
		{`{header:X-None: false}`, true},
		{`{header:X-None: [false, x]}`, true},
		{`{header:X-Two: false}`, false},
		{`{header:X-Two: "*"}`, false},
		{`{header:X-Two: a}`, false},
		{`{header:X-Empty: false}`, false},
		{`{header:X-Empty: "*"}`, false},
		{`{header:Content-Type: "application/json*"}`, true},
		{`{header:Content-Type: application/json}`, false},
		{`{query:hub.mode: subscribe, query:token: "{var:key}"}`, true},
		{`{query:hub.mode: "{var:key}"}`, false},
		{`{query:token: "{header:X-None}"}`, false},
		{`{query:empty: "{header:X-Empty?}"}`, false},
		{`{header:X-Same: "{let:both}"}`, true},
		{`{query:two: "*"}`, false},
		{`{query:token: {matches: "[a-z0-9]{3}"}}`, true},
		{`{query:token: {matches: "v4"}}`, false},
		{`{query:token: {matches: "x|v4r"}}`, true},
		{`{query:token: {matches: "x|4r"}}`, false},
		{`{query:token: {matches: "(?i)V4R"}}`, true},
		{`{query:two: {matches: ".*"}}`, false},
		{`{query:none: {matches: ".*"}}`, false},
		{`{json:type: [x, {matches: "url_.*"}]}`, true},
		{`{query:two: false}`, false},
		{`{query:n: 1}`, true},
		{`{form:a: false}`, true},
		{`{xml:a.b: false}`, false},
		{`{outer:type: url_verification}`, true},
	} {
		var out diag.List
		w := conditions(t, test.yaml, &out)
		if w == nil {
			t.Errorf("%s: %v", test.yaml, out.Sorted())
			continue
		}
		if got := w.Holds(r); got != test.want {
			t.Errorf("%s: got %t, want %t", test.yaml, got, test.want)
		}
	}
}

func TestWhenIsToldInWords(t *testing.T) {
	t.Parallel()
	var out diag.List
	w := conditions(t, `{method: [GET, HEAD], query:token: "{var:key}", header:X: "*", header:Y: false, json:t: "a*"}`, &out)
	want := `method is "GET" or is "HEAD" and query:token is {var:key} and header:X is there and header:Y is not there and json:t begins with "a"`
	if w == nil || w.Text() != want {
		t.Fatalf("got %v, %v, want %q", w, out.Sorted(), want)
	}
	if got := strings.Join(w.Headers(), " "); got != "X Y" || !w.Uses("var") || !w.Uses("json") || w.Uses("body") {
		t.Errorf("it names the headers %q, var %t, json %t, body %t", got, w.Uses("var"), w.Uses("json"), w.Uses("body"))
	}
}

func TestBadConditionsAreFindingsWithTheirPlace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ yaml, want string }{
		{`{}`, "p.yaml:1:7: error[bad-value]: `when` needs at least one condition; write a map"},
		{`x`, "`when` needs at least one condition"},
		{`{headr:X: y}`, "p.yaml:1:8: error[unknown-source]: there is no source \"headr\"; did you mean `header`?"},
		{`{"{header:X}": y}`, "p.yaml:1:9: error[bad-template]: a single source is wanted here; write it without braces: header:X"},
		{`{"header:X?": y}`, "`?` cannot stand here"},
		{`{header:X-*: y}`, "a name that ends in * stands for several headers"},
		{`{body: y}`, "`body` cannot stand in `when`; what can: method, header, query, form, json, xml, outer, item, key"},
		{`{ts: y}`, "`ts` cannot stand here"},
		{`{header:X: ""}`, "p.yaml:1:18: error[bad-value]: a source is never compared with nothing; write false for a source that is not there"},
		{`{header:X: null}`, "a source cannot be compared with this"},
		{`{header:X: {a: b}}`, "p.yaml:1:18: error[bad-value]: a source is compared with a text, or with a map that holds `matches` and nothing else"},
		{`{header:X: {matches: "[a-"}}`, "p.yaml:1:28: error[bad-value]: \"[a-\" is no regular expression: invalid character class range"},
		{`{header:X: {matches: 1}}`, "a source is compared with a text, or with a map that holds `matches` and nothing else"},
		{`{header:X: []}`, "a list of values needs between 1 and 32 of them"},
		{`{header:X: "{var:kye}"}`, "p.yaml:1:20: error[bad-template]: {var:kye} is named, but `vars` has no `kye`"},
		{`{header:X: "{secret}"}`, "`secret` cannot stand here"},
		{`{header:X: "{body|hmac-sha1|hex}"}`, "hmac-sha1 uses the secret"},
		{`{header:X: "{body|sha256}"}`, "the result of sha256 is no text"},
		{`{header:X: "[x]"}`, "a group without a placeholder can never be dropped"},
	} {
		var out diag.List
		if w := conditions(t, test.yaml, &out); w != nil || !strings.Contains(out.Sorted()[0].String(), test.want) {
			t.Errorf("%s: got %v, want %q", test.yaml, out.Sorted(), test.want)
		}
	}
}

func TestARequestIsMadeToSatisfyAWhen(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		yaml string
		want bool
	}{
		{`{method: GET}`, true},
		{`{method: [PUT, GET]}`, true},
		{`{header:X-Version: v2}`, true},
		{`{header:X-Version: "v2*"}`, true},
		{`{header:X-Old: false}`, true},
		{`{header:X-Two: one}`, true},
		{`{query:bodySHA256: "*"}`, true},
		{`{query:a: false}`, true},
		{`{query:a: b c&d, query:new: "{var:key}"}`, true},
		{`{query:a: ["{header:X-None}", x]}`, true},
		{`{json:a: b}`, true},
		{`{json:a: c}`, false},
		{`{json:a: c, method: GET}`, false},
		{`{form:x: y}`, false},
		{`{method: false}`, false},
		{`{query:a: "{header:X-None}"}`, false},
	} {
		var out diag.List
		w := conditions(t, test.yaml, &out)
		if w == nil {
			t.Fatalf("%s: %v", test.yaml, out.Sorted())
		}
		r := &Request{
			Method: http.MethodPost, PathQuery: "/w?a=1&z=%7E&a=2", Query: "a=1&z=%7E&a=2", URL: "https://e.example/w?a=1&z=%7E&a=2",
			Header: http.Header{"X-Old": {"1"}, "X-Two": {"a", "b"}}, Body: []byte(`{"a":"b"}`),
		}
		if got := w.Apply(r); got != test.want || w.Holds(r) != test.want {
			t.Errorf("%s: got %t, holds %t, want %t", test.yaml, got, w.Holds(r), test.want)
		}
		if r.PathQuery != "/w?"+r.Query || r.URL != "https://e.example/w?"+r.Query || !strings.Contains(r.Query, "z=%7E") {
			t.Errorf("%s: the query is %q, the path %q, the URL %q", test.yaml, r.Query, r.PathQuery, r.URL)
		}
	}
	var out diag.List
	r := &Request{}
	if w := conditions(t, `{header:X: y, query:q: r}`, &out); !w.Apply(r) || r.Header.Get("X") != "y" || r.Query != "q=r" || r.PathQuery != "" {
		t.Errorf("an empty request became %+v", r)
	}
}
