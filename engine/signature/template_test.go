package signature

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// template parses text; the test fails where it has findings.
func template(t testing.TB, text string, place Place) *Template {
	t.Helper()
	var out diag.List
	tmpl := Parse(source.NewString(text, source.Span{}), place, &out)
	if tmpl == nil {
		t.Fatalf("%s: %v", text, out.Sorted())
	}
	return tmpl
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
		{"{1} { body} {Body} {\"a\"", "{1} { body} {Body} {\"a\""},
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

func TestFormFieldsAreReadFromFormsOnly(t *testing.T) {
	t.Parallel()
	tmpl := template(t, "{form:command}", Identity)
	form := []string{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}
	tests := []struct {
		name, body string
		headers    []string
		declared   bool
		want       string
	}{
		{"a form", "a=b&command=%2Fgo+now", form, false, "/go now"},
		{"a form that is only declared", "command=x", nil, true, "x"},
		{"a body of unknown type", "command=x", nil, false, "missing"},
		{"a JSON body that poses as a form", `{"text":"&command=x&"}`, form, false, "missing"},
		{"a JSON body behind blanks", " \n[\"&command=x&\"]", form, false, "missing"},
		{"a field that occurs twice", "command=x&command=x", form, false, "missing"},
		{"a field that occurs twice in another spelling", "command=x&comm%61nd=x", form, false, "missing"},
		{"a broken value", "command=%zz", form, false, "missing"},
		{"an empty body", "", form, false, "missing"},
	}
	for _, test := range tests {
		r := request(test.body, test.headers...)
		r.Form = test.declared
		got, err := tmpl.Text(r)
		if err != nil {
			got = "missing"
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
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
		{"{xml:a.b}", Signed, "there is no source \"xml\"; the sources are body, method,"},
		{"{header}", Signed, "p.yaml:1:9: error[bad-template]: `header` needs to be told which one; write it as header:X-Name"},
		{"{header:}", Signed, "`header` needs to be told which one"},
		{"{form}", Signed, "`form` needs to be told which one"},
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
		if tmpl := Parse(docs[0].Get("text"), test.place, &out); tmpl != nil {
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
	Parse(source.NewString("{bdy}{heder:X}{body|hx}", source.Span{}), Signed, &out)
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
	if Parse(n, Signed, &out) != nil || !strings.Contains(out.Sorted()[0].String(), "a reference cannot stand in a template") {
		t.Errorf("got %v, want a finding", out.Sorted())
	}
}

func TestATemplateTellsWhatItNames(t *testing.T) {
	t.Parallel()
	tmpl := template(t, "{header:X-A}[.{header:X-B ?? json:a.b}]{header:X-A}", Identity)
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
