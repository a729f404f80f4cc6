package signature

import (
	"net/http"
	"strings"
	"testing"
)

// render gives what a template makes of a request, "missing" where it has an error.
func render(t *testing.T, text string, place Place, r *Request) string {
	t.Helper()
	got, err := template(t, text, place).TextWith(r, []byte("k3y"))
	if err != nil {
		return "missing"
	}
	return got
}

func TestEverySourceReadsItsPiece(t *testing.T) {
	t.Parallel()
	r := &Request{
		Method: http.MethodPost, URL: "https://gate.example.com/webhooks/a?b=1&a=2%203", Endpoint: "https://gate.example.com/webhooks/a",
		PathQuery: "/webhooks/a?b=1&a=2%203", Query: "b=1&a=2%203",
		Header:   http.Header{"X-Event": {"push"}},
		Body:     []byte(`{"data":"eyJ4Ijoxfq==","kind":"outer","list":[{"id":1},{"id":2}]}`),
		Document: []byte(`{"id":7,"message":{"text":"hi","from":null},"n":12345678901234567890}`),
		Item:     []byte(`{"id":"i1","sub_events":["a"],"type":"t"}`),
		Claims:   []byte(`{"iss":"acme","exp":1,"deep":{"sha256":"ab"}}`),
	}
	tests := []struct {
		text  string
		place Place
		want  string
	}{
		{"{body}", Signed, string(r.Body)},
		{"{method} {pathquery}", Signed, "POST /webhooks/a?b=1&a=2%203"},
		{"{url}|{endpoint}", Reply, "https://gate.example.com/webhooks/a?b=1&a=2%203|https://gate.example.com/webhooks/a"},
		{"{query}|{query:a}", Signed, "b=1&a=2%203|2 3"},
		{"{json}", BodyFrom, string(r.Document)},
		{"{json:message.text} {json:n}", Identity, "hi 12345678901234567890"},
		{"{json:message.from}", Identity, "missing"},
		{"{json:message}", Identity, "missing"},
		{"{json:kind}", Identity, "missing"},
		{"{outer:kind} {outer:list.1.id}", Identity, "outer 2"},
		{"{item:id}.{item:type}", Identity, "i1.t"},
		{"{item|sha256|hex}", Identity, "4310c076056b07e2500f3547c702f3f58fe33aeb9935183cf5ab3feb3289dda1"},
		{"{item:sub_events}", Identity, "missing"},
		{"{key:*_events}", Identity, "sub_events"},
		{"{key:!id}", Identity, "sub_events"},
		{"{key:type}", Identity, "type"},
		{"{key:!*}", Identity, "missing"},
		{"{key:x*}", Identity, "missing"},
		{"{claim:iss} {claim:deep.sha256}", Require, "acme ab"},
		{"{claim:none}", Identity, "missing"},
		{"{var:key}", Signed, "v4r"},
		{"{let:both}", Reply, "push:v4r"},
		{"{let:both|hex}-{let:both}", Signed, "707573683a763472-push:v4r"},
		{"{let:lost ?? let:fixed}", Reply, "<v4r>"},
		{"{let:lost}", Reply, "missing"},
		{"{let:broken}", Reply, "missing"},
		{"[{let:lost}x]{let:double|sha1|hex}", Signed, "dae05d7c86257627f7eabbcfe5080f2d965c8f3d"},
		{"{secret}", Signed, "missing"},
		{"{ts}{sig:0}", Signed, "missing"},
		{"{form}", Signed, "missing"},
		{"{xml:a}", Identity, "missing"},
		{"{canonical}", Signed, "POST&/webhooks/a&a=2%203&b=1"},
	}
	for _, test := range tests {
		if got := render(t, test.text, test.place, r); got != test.want {
			t.Errorf("%s: got %q, want %q", test.text, got, test.want)
		}
	}
}

func TestWhatIsNotThereIsMissing(t *testing.T) {
	t.Parallel()
	for _, s := range sources() {
		if s.name == "body" || s.name == "var" || s.name == "let" {
			continue
		}
		text := "{" + s.example + "}"
		place := Signed
		if s.place&place == 0 {
			place = Require
		}
		if got := render(t, text, place, &Request{}); got != "missing" {
			t.Errorf("%s of an empty request: got %q, want that it is missing", text, got)
		}
	}
}

func TestTheSecretAndTheClaimsOfACheckAreRead(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	e := env{req: &Request{Claims: []byte(`{"a":"request"}`)}, secret: "s3cret", claims: []byte(`{"a":"token"}`), ts: "17", items: []string{"t=17", "v1=ab", "v1=cd"}, count: 3}
	if err := template(t, "{secret}{claim:a}{ts}{sig:t=}{sig:1}[{sig:v2=}]", Require).writeTo(&b, &e); err != nil || b.String() != "s3crettoken1717v1=ab" {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

func TestXMLSourcesReadTheDocument(t *testing.T) {
	t.Parallel()
	r := &Request{Body: []byte(`<?xml version="1.0"?><n id="9"><kind type="string">check</kind><sub><a>1</a><a>2</a></sub><e/></n>`)}
	for text, want := range map[string]string{
		"{xml:n.kind}":           "check",
		"{xml:n.@id}":            "9",
		"{xml:n.sub.a}":          "missing",
		"{xml:n.sub.a.1}":        "2",
		"{xml:n.sub}":            "missing",
		"{xml:n.e}":              "missing",
		"{xml:n.e?}":             "",
		"{xml:n.none ?? method}": "missing",
		"{json:n}":               "missing",
	} {
		if got := render(t, text, Identity, r); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	for _, broken := range []string{"<n><kind>check</kind>", "<!DOCTYPE n><n><kind>check</kind></n>", "", "{}"} {
		if got := render(t, "{xml:n.kind}", Identity, request(broken)); got != "missing" {
			t.Errorf("%s: got %q, want that it is missing", broken, got)
		}
	}
}

func TestFormFieldsAreReadFromFormsOnly(t *testing.T) {
	t.Parallel()
	form := []string{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}
	multi := []string{"Content-Type", "multipart/form-data; boundary=xYz"}
	part := func(lines ...string) string {
		return "--xYz\r\nContent-Disposition: form-data; " + strings.Join(lines, "\r\n") + "\r\n"
	}
	tests := []struct {
		name, body string
		headers    []string
		declared   bool
		want       string
		whole      string
	}{
		{"a form", "a=b&command=%2Fgo+now", form, false, "/go now", "a=b&command=%2Fgo+now"},
		{"a form that is only declared", "command=x", nil, true, "x", "command=x"},
		{"a body of unknown type", "command=x", nil, false, "missing", "missing"},
		{"a JSON body that poses as a form", `{"text":"&command=x&"}`, form, false, "missing", "missing"},
		{"a JSON body behind blanks", " \n[\"&command=x&\"]", form, false, "missing", "missing"},
		{"a field that occurs twice", "command=x&command=x", form, false, "missing", "command=x&command=x"},
		{"a field that occurs twice in another spelling", "command=x&comm%61nd=x", form, false, "missing", "command=x&comm%61nd=x"},
		{"a broken value", "command=%zz", form, false, "missing", "command=%zz"},
		{"an empty body", "", form, false, "missing", ""},
		{"an empty field", "command=", form, false, "missing", "command="},
		{"a multipart form", part(`name="a"`, "", "1 2") + part(`name="command"`, "", "/go&now") + "--xYz--", multi, false, "/go&now", "a=1+2&command=%2Fgo%26now"},
		{"a multipart form where one is declared", part(`name="command"`, "", "x") + "--xYz--\r\n", multi, true, "x", "command=x"},
		{"a file", part(`name="command"; filename="x"`, "", "x") + part(`name="b"`, "", "1") + "--xYz--", multi, false, "missing", "b=1"},
		{"a file and a field of one name", part(`name="command"; filename="x"`, "", "x") + part(`name="command"`, "", "1") + "--xYz--", multi, false, "missing", "command=1"},
		{"a field of two parts", part(`name="command"`, "", "x") + part(`name="command"`, "", "x") + "--xYz--", multi, false, "missing", "command=x&command=x"},
		{"another boundary than the body's", "--abc" + part(`name="command"`, "", "x") + "--xYz--", multi, false, "missing", "missing"},
		{"a multipart form that poses as another", part(`name="a"`, "", "&command=x&") + "--xYz--", form, false, "missing", "missing"},
		{"a multipart form without its type", part(`name="a"`, "", "&command=x&") + "--xYz--", nil, true, "missing", "missing"},
	}
	for _, test := range tests {
		r := request(test.body, test.headers...)
		r.Form = test.declared
		if got := render(t, "{form:command}", Identity, r); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		if got := render(t, "{form}", Identity, r); got != test.whole {
			t.Errorf("%s, whole: got %q, want %q", test.name, got, test.whole)
		}
	}
}

// TestCanonicalRequests holds the examples of developer.atlassian.com (understanding-jwt, query-string-hash).
func TestCanonicalRequests(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ method, pathquery, want string }{
		{"get", "/path/to/service?zee_last=param&repeated=parameter%201&first=param&repeated=parameter+2", "GET&/path/to/service&first=param&repeated=parameter%201,parameter%202&zee_last=param"},
		{"GET", "/?param=foo", "GET&/&param=foo"},
		{"POST", "/user", "POST&/user&"},
		{"POST", "/user/", "POST&/user&"},
		{"POST", "/", "POST&/&"},
		{"POST", "/a&b?jwt=x.y.z&a=1", "POST&/a%26b&a=1"},
		{"GET", "/a?b=1&A=2&a=3&B=*~!+", "GET&/a&A=2&B=%2A~%21%20&a=3&b=1"},
		{"GET", "/a?x=b&x=a&y", "GET&/a&x=a,b&y="},
		{"GET", "/a?x=%zz", "missing"},
	} {
		if got := render(t, "{canonical}", Signed, &Request{Method: test.method, PathQuery: test.pathquery}); got != test.want {
			t.Errorf("%s %s: got %q, want %q", test.method, test.pathquery, got, test.want)
		}
	}
}

func TestALetIsBounded(t *testing.T) {
	t.Parallel()
	r := request(strings.Repeat("x", 1<<20))
	if got := render(t, "{let:double|sha1|hex}", Signed, r); got == "missing" {
		t.Error("three times a MiB is refused, of which twice the body and a MiB are allowed")
	}
	r = request(strings.Repeat("x", 1<<20+1))
	if got := render(t, "{let:double|sha1|hex}", Signed, r); got != "missing" {
		t.Errorf("got %q, want that more than twice the body and a MiB is refused", got)
	}
}

func TestSourcesAndFunctionsAreTold(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range Sources() {
		if s.Doc == "" || len(s.Places) == 0 || !strings.HasPrefix(s.Example, s.Name) || seen[s.Name] {
			t.Errorf("%+v is not told in full, or twice", s)
		}
		seen[s.Name] = true
	}
	for _, f := range Functions() {
		if f.Doc == "" || seen["|"+f.Name] {
			t.Errorf("%+v is not told in full, or twice", f)
		}
		seen["|"+f.Name] = true
	}
}
