package trial

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/payload"
)

func TestAFlipChangesContentAndKeepsTheForm(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ body, contentType, want string }{
		{`{"a": "b"}`, "application/json", `{"a": "c"}`},
		{`{"zz": {"z": ["Z9", "z"]}}`, "application/json", `{"zz": {"z": ["Z9", "a"]}}`},
		{`{"a": "A"}`, "", `{"a": "B"}`},
		{`{"a": 10, "b": true}`, "", `{"a": 20, "b": true}`},
		{`{"a": -0.5e9}`, "", `{"a": -1.5e9}`},
		{`{"a": "\u00e9\n", "b": "x\\y"}`, "", `{"a": "\u00e9\n", "b": "y\\y"}`},
		{`[{"T": "2026-01-02T03:04:05Z"}]`, "", `[{"T": "2026-01-02U03:04:05Z"}]`},
		{`{}`, "", `{} `},
		{`""`, "", `"" `},
		{`a=b&c=%20d`, "application/x-www-form-urlencoded", `a=c&c=%20d`},
		{`payload=%7B%22a%22%3A1%7D`, "application/x-www-form-urlencoded", `payload=%7B%22b%22%3A1%7D`},
		{`<a b="c"><d>&amp;e</d></a>`, "application/xml", `<a b="c"><d>&amp;f</d></a>`},
		{"plain\ntext", "text/plain", "qlain\ntext"},
		{"Hello, World!", "", "Hfllo, World!"},
		{"", "", " "},
	} {
		if got := string(flip([]byte(row.body), row.contentType, nil)); got != row.want {
			t.Errorf("%s: got %s, want %s", row.body, got, row.want)
		}
	}
}

func TestAFlipLeavesTheSignatureAlone(t *testing.T) {
	t.Parallel()
	r := &sent{header: http.Header{"Content-Type": {"application/json"}}, body: []byte(`{"sig": "abc", "data": "x"}`)}
	other := &sent{body: []byte(`{"sig": "def", "data": "x"}`)}
	if err := (change{flip: true}).apply(r, other); err != nil {
		t.Fatal(err)
	}
	if got, want := string(r.body), `{"sig": "abc", "data": "y"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestASignatureIsTakenAwayWhereverItStands(t *testing.T) {
	t.Parallel()
	header := func(signature string) http.Header {
		return http.Header{"X-Signature": {signature}, "X-Time": {"1"}}
	}
	for _, row := range []struct{ name, body, other, query, otherQuery, wantBody, wantQuery string }{
		{"a header", `{"a":1}`, `{"a":1}`, "", "", `{"a":1}`, ""},
		{"a parameter", `{}`, `{}`, "a=1&sig=x", "a=1&sig=y", `{}`, "a=1"},
		{"a field of JSON", `{"a":1,"sig":{"v":"x","t":2}}`, `{"a":1,"sig":{"v":"y","t":2}}`, "", "", `{"a":1,"sig":{"t":2}}`, ""},
		{"in a list", `[{"a":1,"sig":"x"}]`, `[{"a":1,"sig":"y"}]`, "", "", `[{"a":1}]`, ""},
		{"a field of a form", "a=1&sig=x&b=2", "a=1&sig=y&b=2", "", "", "a=1&b=2", ""},
	} {
		r := &sent{header: header("x"), query: row.query, body: []byte(row.body)}
		if err := (change{unsigned: true}).apply(r, &sent{header: header("y"), query: row.otherQuery, body: []byte(row.other)}); err != nil {
			t.Fatal(err)
		}
		if _, there := r.header["X-Signature"]; there || len(r.header) != 1 {
			t.Errorf("%s: the headers are %v, want X-Time alone", row.name, r.header)
		}
		if string(r.body) != row.wantBody || r.query != row.wantQuery {
			t.Errorf("%s: got %s ?%s, want %s ?%s", row.name, r.body, r.query, row.wantBody, row.wantQuery)
		}
	}
}

func TestAnEditKeepsTheOtherBytes(t *testing.T) {
	t.Parallel()
	r := &sent{header: http.Header{}, body: []byte("{ \"a\": [1,  {\"b\":\"x\"}],\n\"c\" : null }")}
	err := (change{edits: []edit{{path: "a.1.b", value: []byte(`"y"`)}, {path: "c", value: []byte(`{"d":1}`)}}}).apply(r, nil)
	if want := "{ \"a\": [1,  {\"b\":\"y\"}],\n\"c\" : {\"d\":1} }"; err != nil || string(r.body) != want {
		t.Errorf("got %s, %v; want %s", r.body, err, want)
	}
	if err := (change{edits: []edit{{path: "new", value: []byte("1")}}}).apply(r, nil); err != nil || !strings.Contains(string(r.body), `"new":1`) {
		t.Errorf("got %s, %v; want a new member", r.body, err)
	}
	for _, path := range []string{"a.1.b.c", "a..b"} {
		if err := (change{edits: []edit{{path: path, value: []byte("1")}}}).apply(r, nil); err == nil {
			t.Errorf("%q was changed, and cannot be there", path)
		}
	}
}

func FuzzFlip(f *testing.F) {
	for _, seed := range []string{`{"a": "b\u00e9\\", "n": -1.5e10}`, `[1, "2"]`, "a=b&c=%41", "<a>b</a>", "text", `"`, "%", "=%", `{"a":"\"`, "&;<>"} {
		f.Add([]byte(seed), "application/json")
		f.Add([]byte(seed), "application/x-www-form-urlencoded")
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		before := bytes.Clone(body)
		got := flip(body, contentType, nil)
		switch {
		case !bytes.Equal(body, before):
			t.Error("the original was changed")
		case bytes.Equal(got, body):
			t.Errorf("%q was not changed", body)
		case payload.Check(body, payload.Limits{}) == nil && payload.Check(got, payload.Limits{}) != nil:
			t.Errorf("%q was JSON, and %q is none", body, got)
		}
		_, wasForm := url.ParseQuery(string(body))
		_, isForm := url.ParseQuery(string(got))
		if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") && wasForm == nil && isForm != nil {
			t.Errorf("%q was a form, and %q is none", body, got)
		}
	})
}
