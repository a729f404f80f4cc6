package payload

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

const orders = `{"a":{"b":[{"c":"first"},{"c":"second","0":"zero"}]},"b.c":"dotted","0":{"x":1},
	"esc\u0061ped":true,"":{"empty":1},"n":null,"list":[ [1 , 2],"]}\"{[" ,{"k":"\\"}]}`

func TestPathFindsTheSameInBytesAndValues(t *testing.T) {
	t.Parallel()
	v, err := Decode([]byte(orders))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		want string // JSON, "" where it is not there
	}{
		{"a", `{"b":[{"c":"first"},{"c":"second","0":"zero"}]}`},
		{"a.b[0].c", `"first"`},
		{"a.b.1.c", `"second"`},
		{"a.b[1][0]", `"zero"`},
		{`a["b"][0]["c"]`, `"first"`},
		{`["b.c"]`, `"dotted"`},
		{"b.c", ""},
		{"0.x", "1"},
		{"[0].x", "1"},
		{"escaped", "true"},
		{`[""].empty`, "1"},
		{"n", "null"},
		{"n.x", ""},
		{"a.b[2]", ""},
		{"a.b.c", ""},
		{"a.b.00", ""},
		{"list[0][1]", "2"},
		{"list[1]", `"]}\"{["`},
		{"list[2].k", `"\\"`},
		{"missing", ""},
		{"list.k", ""},
	} {
		p, err := ParsePath(c.path)
		if err != nil {
			t.Errorf("ParsePath(%q): %v", c.path, err)
			continue
		}
		raw, ok, err := p.Find([]byte(orders))
		if err != nil || ok != (c.want != "") || string(raw) != c.want {
			t.Errorf("Find(%s) = %q, %v, %v, want %q", c.path, raw, ok, err, c.want)
		}
		got, ok := p.Lookup(v)
		if ok != (c.want != "") {
			t.Errorf("Lookup(%s) found: %v, want %v", c.path, ok, c.want != "")
		}
		if ok {
			want, _ := Decode([]byte(c.want))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("Lookup(%s) = %v, want %v", c.path, got, want)
			}
		}
	}
}

func TestPathRefusesWhatTheGrammarDoesNotHave(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[1", `a["b]`, `a["b"`, "a]b", `a"b`, "a b", "$.a", "a[01]",
		"a[1]b", "a[4294967296]", strings.Repeat("a", 1025), strings.Repeat("a.", 64) + "a", "a[\"\xff\"]",
	} {
		if p, err := ParsePath(s); err == nil {
			t.Errorf("ParsePath(%.40q) = %+v, want an error", s, p)
		}
	}
}

func TestFindReportsABrokenBody(t *testing.T) {
	t.Parallel()
	p, err := ParsePath("a.b")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{``, `{`, `{"a"`, `{"a":`, `{"a":{`, `{"x":[1,`, `{"x":"`, `{"a":{"b":tru}}`, `{"x":?}`} {
		if raw, ok, err := p.Find([]byte(body)); err == nil {
			t.Errorf("Find in %q = %q, %v, want an error", body, raw, ok)
		}
	}
	for _, body := range []string{`[]`, `3`, `{"a":3}`, `{"a":[]}`, `{}`} {
		if raw, ok, err := p.Find([]byte(body)); ok || err != nil {
			t.Errorf("Find in %q = %q, %v, %v, want nothing found", body, raw, ok, err)
		}
	}
}

func TestTheZeroPathIsTheWholeValue(t *testing.T) {
	t.Parallel()
	raw, ok, err := Path{}.Find([]byte(` {"a":1} `))
	if string(raw) != `{"a":1}` || !ok || err != nil {
		t.Errorf("Find = %q, %v, %v, want the whole object", raw, ok, err)
	}
}

func TestTextGivesScalarsOnly(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{`"a\u0062\n"`: "ab\n", `"plain"`: "plain", `12.50`: "12.50", `true`: "true", `""`: ""} {
		if got, ok := Text([]byte(raw)); !ok || got != want {
			t.Errorf("Text(%s) = %q, %v, want %q", raw, got, ok, want)
		}
	}
	for _, raw := range []string{"null", "{}", "[]", "", `"x`, "1x", "tru", `"\q"`} {
		if got, ok := Text([]byte(raw)); ok {
			t.Errorf("Text(%s) = %q, want none", raw, got)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add("a.b[0]", orders)
	f.Add(`a["b.c"].0`, `{"a":{"b.c":[1]}}`)
	f.Add(`[""]`, `{"":"\u0041"}`)
	f.Fuzz(func(t *testing.T, s, body string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		again, err := ParsePath(p.String())
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Fatalf("ParsePath(%q) gives another path the second time: %v", s, err)
		}
		raw, ok, err := p.Find([]byte(body))
		if Check([]byte(body), Limits{}) != nil {
			return // it must only not panic
		}
		v, _ := Decode([]byte(body))
		want, found := p.Lookup(v)
		if err != nil || ok != found {
			t.Fatalf("Find(%q in %q) = %v, %v, Lookup says %v", s, body, ok, err, found)
		}
		if ok {
			got, err := Decode(raw)
			if err != nil || !reflect.DeepEqual(got, want) || !json.Valid(raw) {
				t.Fatalf("Find(%q in %q) = %q (%v), Lookup says %v", s, body, raw, err, want)
			}
		}
	})
}

func TestFirstNameReadsOnlyNamesOfTheTop(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body, want string
		ok, broken bool
	}{
		{`{"id":1,"message":{"x":1}}`, "message", true, false},
		{` { "id" : [1,{"y":2}] , "n\u0061me" : 1 } `, "name", true, false},
		{`{"id":1}`, "", false, false},
		{`{}`, "", false, false},
		{`[{"a":1}]`, "", false, false},
		{`"a"`, "", false, false},
		{``, "", false, false},
		{`{"id":1,`, "", false, true},
		{`{"id"`, "", false, true},
		{`{"id`, "", false, true},
		{`{"\x":1}`, "", false, true},
		{`{"id":}`, "", false, true},
	} {
		got, ok, err := FirstName([]byte(c.body), func(name string) bool { return name != "id" })
		if got != c.want || ok != c.ok || (err != nil) != c.broken {
			t.Errorf("%s: got %q, %t, %v, want %q, %t, broken %t", c.body, got, ok, err, c.want, c.ok, c.broken)
		}
	}
}
