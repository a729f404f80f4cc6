package signature

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// template parses text with all that a scope can have; the test fails where it has findings.
func template(t testing.TB, text string, place Place) *Template {
	t.Helper()
	var out diag.List
	tmpl := Parse(source.NewString(text, source.Span{}), place, everything(t), &out)
	if tmpl == nil {
		t.Fatalf("%s: %v", text, out.Sorted())
	}
	return tmpl
}

// everything is a scope that has all there can be.
func everything(t testing.TB) *Scope {
	t.Helper()
	s := &Scope{URL: true, Items: true, Claims: true, Vars: map[string]secret.Value{"key": secret.New("v4r"), "unset": {}}}
	s.Lets = map[string]*Template{"broken": nil}
	for name, text := range map[string]string{
		"both": "{header:X-Event}:{var:key}", "hidden": "{secret}{body}", "lost": "{header:X-None}", "fixed": "<{var:key}>", "double": "{body}{body}{body}", "two": "{header:X-Two}",
	} {
		var out diag.List
		if s.Lets[name] = Parse(source.NewString(text, source.Span{}), Lets, s, &out); out.HasErrors() {
			t.Fatalf("let %s: %v", name, out.Sorted())
		}
	}
	return s
}

func TestTemplatesRenderByteForByte(t *testing.T) {
	t.Parallel()
	r := &Request{
		Method: http.MethodPost, URL: "https://hooks.example.com/webhooks/a?x=1", PathQuery: "/webhooks/a?x=1", Query: "x=1&hub.mode=sub%20scribe&two=1&two=2&empty=",
		Header: http.Header{"X-Event": {"push"}, "X-Two": {"a", "b"}, "X-Empty": {""}, "X-Enc": {"a%20b%zz"}, "X-B64": {"aGk="}},
		Body:   []byte(`{"type":"a.b","n":9007199254740993,"yes":true,"esc":"a\u00e9\n","nil":null,"obj":{"k":["v"]},"empty":"","a|b}c":"odd"}`),
	}
	tests := []struct{ text, want string }{
		{"{method} {pathquery}", "POST /webhooks/a?x=1"},
		{"{url}", "https://hooks.example.com/webhooks/a?x=1"},
		{"v0:{header:x-event}:{json:type}", "v0:push:a.b"},
		{"{query:hub.mode}", "sub scribe"},
		{"{json:n}/{json:yes}/{json:obj.k.0}/{json:obj.k[0]}", "9007199254740993/true/v/v"},
		{"{json:esc}", "aé\n"},
		{`{json:["a|b}c"]}`, "odd"},
		{"{json:nil}", "missing"},
		{"{json:obj}", "missing"},
		{"{json:empty}", "missing"},
		{"{json:empty?}!", "!"},
		{"{header:X-Two}", "missing"},
		{"{header:X-Empty}", "missing"},
		{"{query:two}", "missing"},
		{"{query:empty?}", ""},
		{"{header:X-None ?? json:type}", "a.b"},
		{"{header:X-Empty? ?? json:none ?? header:X-Event}", "push"},
		{"{header:X-None ?? json:none}", "missing"},
		{"{header:X-None ?? json:none?}", ""},
		{"{header:X-Event}[.{json:none}]", "push"},
		{"{header:X-Event}[.{json:type}!]", "push.a.b!"},
		{"[{json:none}{json:type}]x", "x"},
		{`\{json:type\} \[{json:type}] \\ }`, `{json:type} [a.b] \ }`},
		{"{1} { bodies} {Body} {\"a\"", "{1} { bodies} {Body} {\"a\""},
		{"{header:X-Event|sha256|hex}", "d107ea3629c326718876f07356a48dea26f123742f8bf44ce75f8f805cf9a37d"},
		{"{header:X-Event|sha1|base64}", "3IZ8A9bx9DhaJHW0vhE35YUDbdE="},
		{"{header:X-B64|unbase64|hex}", "6869"},
		{"{header:X-Event|unbase64|hex}", "a6eb21"},
		{"{header:X-Enc|urldecode}", "missing"},
		{"{query:hub.mode | urldecode}", "sub scribe"},
		{"{form:x}", "missing"},
	}
	for _, test := range tests {
		got, err := template(t, test.text, Identity).Text(r)
		if err != nil {
			got = "missing"
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.text, got, test.want)
		}
	}
}

// TestMisspeltTemplatesNameTheirColumn holds the place of each finding: the template begins in column 8.
func TestMisspeltTemplatesNameTheirColumn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text  string
		place Place
		want  string
	}{
		{"v0:{headr:X}", Signed, "p.yaml:1:12: error[unknown-source]: there is no source \"headr\"; did you mean `header`?"},
		{"{body|sha265|hex}", Signed, "p.yaml:1:14: error[unknown-function]: there is no function \"sha265\"; did you mean `sha256`?"},
		{"{header:X ?? jsn:a}", Signed, "p.yaml:1:21: error[unknown-source]: there is no source \"jsn\"; did you mean `json`?"},
		{"é{bdy}", Signed, "p.yaml:1:10: error[unknown-source]"},
		{"{yaml:a.b}", Signed, "there is no source \"yaml\"; the sources are body, method, url, endpoint,"},
		{"{header}", Signed, "p.yaml:1:9: error[bad-template]: `header` needs to be told which one; write it as header:X-Name"},
		{"{header:}", Signed, "`header` needs to be told which one"},
		{"{form:}", Signed, "`form` needs to be told which one; write it as form:name"},
		{"{xml:a.}", Signed, "p.yaml:1:9: error[bad-template]: path"},
		{"{key:a*b*}", Signed, "p.yaml:1:9: error[bad-template]: a pattern is a name with at most one *; write it as key:event_*"},
		{"{header:X-Sig-*}", Signed, "p.yaml:1:9: error[bad-template]: a name that ends in * stands for several headers, which only `from` can read"},
		{"{ts}{var:kye}", Signed, "p.yaml:1:13: error[bad-template]: {var:kye} is named, but `vars` has no `kye`; did you mean `key`?"},
		{"{var:unset}", Signed, "{var:unset} is named, but `vars` has no `unset`; did you"},
		{"{let:non}", Signed, "p.yaml:1:9: error[bad-template]: {let:non} is named, but `let` has no `non`"},
		{"{let:both}", Lets, "`let` cannot stand in `let`; what can: body, method"},
		{"x{let:hidden}", Reply, "p.yaml:1:10: error[bad-template]: `let.hidden` cannot stand here: it names `secret`, which belongs to the signed string, `require` and `let`"},
		{"{secret}", Reply, "`secret` cannot stand here: it belongs to the signed string, `require` and `let`"},
		{"{var:key}", Identity, "`var` cannot stand in the names of events and deliveries; what can: body, method"},
		{"{body}|", Prefix, "p.yaml:1:9: error[bad-template]: `body` cannot stand in `prefix`; what can: var"},
		{"https://{body}", Fetch, "`body` cannot stand in `fetch`"},
		{"{outer:a}", BodyFrom, "`outer` cannot stand in `body.from`"},
		{"{claim:a}", Signed, "`claim` cannot stand in the signed string"},
		{"{body|hmac-sha1|hex}", Lets, "hmac-sha1 uses the secret, and belongs to the signed string, `require` and replies"},
		{"{body|unbase64}", Reply, "the result of unbase64 is no text; add |hex"},
		{"{body:x}", Signed, "`body` takes nothing after it"},
		{"{header:X@Y}", Signed, "cannot stand in a header name"},
		{"{json:a..b}", Signed, "p.yaml:1:9: error[bad-template]: path"},
		{"{body", Signed, "p.yaml:1:8: error[bad-template]: the placeholder that begins here does not end"},
		{"[{body}", Signed, "p.yaml:1:8: error[bad-template]: the group that begins here does not end"},
		{"[x]{body}", Signed, "a group without a placeholder can never be dropped"},
		{"[[{body}]]", Signed, "groups do not nest"},
		{"{body}\\n", Signed, "p.yaml:1:14: error[bad-template]: \\n is no escape here"},
		{"{body}\\", Signed, "a backslash stands before"},
		{"{body !}", Signed, "'!' cannot stand here"},
		{"{header:X ??}", Signed, "there is no source \"\""},
		{"{body|hex|hex|hex|hex|hex}", Signed, "at most 4 functions"},
		{"{ts}", Identity, "`ts` cannot stand here: it belongs to the signed string"},
		{"{sig:t=}", Identity, "`sig` cannot stand here"},
		{"{body|hmac-sha256|hex}", Identity, "hmac-sha256 uses the secret"},
		{"{body|sha256}", Identity, "the result of sha256 is no text; add |hex"},
		{strings.Repeat("{body}", 33), Signed, "at most 32 placeholders"},
		{strings.Repeat("x", 4097), Signed, "at most 4096 bytes long"},
	}
	for _, test := range tests {
		docs, problems := source.ParseYAML(source.NewFile("p.yaml", []byte("text: '"+test.text+"'\n")))
		if len(problems) > 0 {
			t.Fatalf("%s: %v", test.text, problems)
		}
		var out diag.List
		if tmpl := Parse(docs[0].Get("text"), test.place, everything(t), &out); tmpl != nil {
			t.Errorf("%s: was compiled, want %q", test.text, test.want)
			continue
		}
		found := false
		for _, f := range out.Sorted() {
			found = found || strings.Contains(f.String(), test.want)
		}
		if !found {
			t.Errorf("%s: got %v, want %q", test.text, out.Sorted(), test.want)
		}
	}
}

func TestAllMistakesOfATemplateAreFoundAtOnce(t *testing.T) {
	t.Parallel()
	var out diag.List
	Parse(source.NewString("{bdy}{heder:X}{body|hx}", source.Span{}), Signed, nil, &out)
	if got := out.Count(diag.Error); got != 3 {
		t.Errorf("got %d findings %v, want 3", got, out.Sorted())
	}
}

func TestReferencesStayOutOfTemplates(t *testing.T) {
	t.Parallel()
	n := source.NewString("{body}<<env.X>>", source.Span{})
	value := secret.NewText(secret.Part{Literal: "{body}"}, secret.Part{Ref: "<<env.X>>", Value: secret.New("x")})
	n.Value = &value
	var out diag.List
	if Parse(n, Signed, nil, &out) != nil || !strings.Contains(out.Sorted()[0].String(), "a reference cannot stand in a template") {
		t.Errorf("got %v, want a finding", out.Sorted())
	}
}

func TestATemplateTellsWhatItNames(t *testing.T) {
	t.Parallel()
	tmpl := template(t, "{header:X-A}[.{header:X-B ?? json:a.b}]{header:X-A}", Identity)
	if got := template(t, "{let:both}", Signed); strings.Join(got.Args("header"), " ") != "X-Event" || !got.Uses("var") || got.Constant() {
		t.Errorf("through a let: headers %q, uses var %t, constant %t", got.Args("header"), got.Uses("var"), got.Constant())
	}
	if got := template(t, "{let:fixed}{secret}", Signed); !got.Constant() {
		t.Error("variables and the secret name something of the request")
	}
	if got := template(t, "\\{{var:key}|{let:fixed}", Expected).literal(); got != "{v4r|<v4r>" {
		t.Errorf("the literal text is %q, want {v4r|<v4r>", got)
	}
	if got := strings.Join(tmpl.Args("header"), " "); got != "X-A X-B" {
		t.Errorf("headers: got %q, want \"X-A X-B\"", got)
	}
	if !tmpl.Uses("json") || tmpl.Uses("body") {
		t.Errorf("uses json %t and body %t, want true and false", tmpl.Uses("json"), tmpl.Uses("body"))
	}
	if _, _, ok := tmpl.Sole(); ok {
		t.Error("a template of several parts is no sole source")
	}
	source, arg, ok := template(t, "{header:X-A}", Identity).Sole()
	if source != "header" || arg != "X-A" || !ok {
		t.Errorf("got %q %q %t, want header X-A", source, arg, ok)
	}
}

func TestVariablesAreNeverPrinted(t *testing.T) {
	t.Parallel()
	for _, tmpl := range []*Template{template(t, "{var:key}.{body}", Signed), template(t, "{let:both}", Reply), template(t, "{var:key|hmac-sha256|hex}", Signed)} {
		if strings.Contains(fmt.Sprintf("%s %v", tmpl, tmpl), "v4r") {
			t.Errorf("%s prints the value of a variable", tmpl)
		}
	}
}

func TestPartsMayBeOptionalOrSeveralHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text, arg string
		optional  bool
		want      string
	}{
		{"header:X-Ts?", "X-Ts", true, ""},
		{"header:X-Ts", "X-Ts", false, ""},
		{"header:X-Sig-*", "X-Sig-*", false, ""},
		{"sig:t=", "t=", false, ""},
		{"header:X ?? header:Y", "", false, "neither `??` nor `|` can stand here"},
		{"header:X|hex", "", false, "neither `??` nor `|` can stand here"},
		{"{header:X}", "", false, "a single source is wanted here; write it without braces: header:X"},
		{"header:*", "", false, "a name that ends in *"},
		{"ts", "", false, "`ts` cannot stand here: it belongs to the signed string, `require` and `let`"},
	}
	for _, test := range tests {
		var out diag.List
		tmpl := ParsePart(source.NewString(test.text, source.Span{}), everything(t), &out)
		if test.want != "" {
			if tmpl != nil || !strings.Contains(out.Sorted()[0].String(), test.want) {
				t.Errorf("%s: got %v, want %q", test.text, out.Sorted(), test.want)
			}
			continue
		}
		if tmpl == nil {
			t.Errorf("%s: %v", test.text, out.Sorted())
			continue
		}
		if _, arg, ok := tmpl.Sole(); arg != test.arg || !ok || tmpl.Optional() != test.optional || tmpl.String() != test.text {
			t.Errorf("%s: got %q, %t, optional %t", test.text, arg, ok, tmpl.Optional())
		}
	}
	h := http.Header{"X-Sig-2": {"b"}, "X-Sig-10": {"c"}, "X-Sig-1": {"a"}, "X-Signed": {"d"}}
	if got := strings.Join(headersWith(h, "X-Sig-"), " "); got != "X-Sig-1 X-Sig-10 X-Sig-2" {
		t.Errorf("got %q, want the three in order", got)
	}
}

func TestBytesAreBounded(t *testing.T) {
	t.Parallel()
	r := request("0123456789")
	tests := []struct {
		text  string
		limit int
		want  string
	}{
		{"{body}", 10, "0123456789"},
		{"{body}", 9, ErrTooLong.Error()},
		{"<{body}>", 12, "<0123456789>"},
		{"<{body}>", 11, "writing a signed string: " + ErrTooLong.Error()},
		{"{body|hex}", 20, "30313233343536373839"},
		{"{method}", 4, "POST"},
		{"{method}", 3, ErrTooLong.Error()},
		{"{header:X}", 3, "header:X is missing"},
		{"{form:payload?}", 3, ""},
	}
	for _, test := range tests {
		got, err := template(t, test.text, BodyFrom).Bytes(r, test.limit)
		if err != nil {
			got = []byte(err.Error())
		}
		if string(got) != test.want {
			t.Errorf("%s up to %d: got %q, want %q", test.text, test.limit, got, test.want)
		}
	}
	if got, err := template(t, "{body}", BodyFrom).Bytes(r, 10); err != nil || &got[0] != &r.Body[0] {
		t.Errorf("the body was copied (%v)", err)
	}
}

func BenchmarkTemplate(b *testing.B) {
	r := request(strings.Repeat("x", 10_000), "svix-id", "msg_1")
	for _, text := range []string{"{body}", "{ts}.{body}", "{header:svix-id}.{ts}.{body}", "{let:both}"} {
		b.Run(text, func(b *testing.B) {
			tmpl := template(b, text, Signed)
			e := env{req: r, ts: "1700000000"}
			r.Header["X-Event"] = []string{"push"}
			b.ReportAllocs()
			for b.Loop() {
				if err := tmpl.writeTo(io.Discard, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
