package payload

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestItemsAreTheBytesOfAList(t *testing.T) {
	t.Parallel()
	tests := []struct {
		body string
		want string // the items joined by "|"; "no" where there is no list
	}{
		{`[]`, ""},
		{` [ 1 , {"a" : [2]} , "x,]" ] `, `1|{"a" : [2]}|"x,]"`},
		{`{"a":1}`, `{"a":1}`},
		{` {"a":1} `, `{"a":1}`},
		{`7`, "no"},
		{`"[1]"`, "no"},
		{`null`, "no"},
		{``, "no"},
	}
	for _, test := range tests {
		items, ok, err := Items([]byte(test.body), 5)
		got := string(bytes.Join(items, []byte("|")))
		if !ok {
			got = "no"
		}
		if err != nil || got != test.want {
			t.Errorf("%s: got %s %v, want %s", test.body, got, err, test.want)
		}
	}
	if _, _, err := Items([]byte(`[1,2,3]`), 2); !errors.Is(err, ErrTooManyItems) {
		t.Errorf("three of two: got %v, want ErrTooManyItems", err)
	}
	if items, ok, err := Items([]byte(`[1,2,3]`), 3); len(items) != 3 || !ok || err != nil {
		t.Errorf("three of three: got %d %t %v", len(items), ok, err)
	}
	for _, broken := range []string{`[`, `[1`, `[1,`, `["a`, `{"a`, `[{]`} {
		if _, ok, err := Items([]byte(broken), 9); ok || err == nil {
			t.Errorf("%s: got %t %v, want an error", broken, ok, err)
		}
	}
}

func TestPutChangesOnePlaceOnly(t *testing.T) {
	t.Parallel()
	tests := []struct{ body, path, want string }{
		{`{"a" : 1, "b":2}`, "a", `{"a" : "x", "b":2}`},
		{`{"a":{"b":[1,2]}}`, "a.b[1]", `{"a":{"b":[1,"x"]}}`},
		{`{"a":{"b":[1,2]}}`, "a.b[2]", `{"a":{"b":[1,2,"x"]}}`},
		{`{ }`, "a.b", `{ "a":{"b":"x"}}`},
		{`{"a":1}`, `b["c.d"]`, `{"a":1,"b":{"c.d":"x"}}`},
		{`[]`, "0.a", `[{"a":"x"}]`},
		{``, "entry.0.changes", `{"entry":[{"changes":"x"}]}`},
		{``, "a[1]", `{"a":[null,"x"]}`},
		{`{"a":1}`, "a.b", "no"},
		{`{"a":[]}`, "a[1]", "no"},
		{``, "a[1001]", "no"},
		{`{"a":`, "a", "no"},
	}
	for _, test := range tests {
		p, err := ParsePath(test.path)
		if err != nil {
			t.Fatal(err)
		}
		before := []byte(test.body)
		out, err := p.Put(before, []byte(`"x"`))
		got := string(out)
		if err != nil {
			got = "no"
		}
		if got != test.want || string(before) != test.body {
			t.Errorf("%s at %s: got %s %v, want %s", test.body, test.path, got, err, test.want)
		}
	}
}

// FuzzEdits holds Items and Put against Check: what they make of a good body is good, and a bad one breaks nothing.
func FuzzEdits(f *testing.F) {
	for _, body := range []string{`[]`, `[{"a":[1,2]},3]`, `{"a":{"b":1}}`, `{"a":[1,{"b":null}]}`, `[`, `{"a"`, `[[1],[2]]`} {
		f.Add([]byte(body), "a.b[0]")
		f.Add([]byte(body), "0.a")
	}
	f.Fuzz(func(t *testing.T, body []byte, where string) {
		good := Check(body, Limits{}) == nil
		items, ok, err := Items(body, 100)
		if good && err != nil && !errors.Is(err, ErrTooManyItems) {
			t.Errorf("items of a good body %q: %v", body, err)
		}
		for _, item := range items {
			if good && ok && Check(item, Limits{}) != nil {
				t.Errorf("item %q of %q is no JSON", item, body)
			}
		}
		p, err := ParsePath(where)
		if err != nil || !utf8.ValidString(where) {
			return
		}
		out, err := p.Put(body, []byte(`"x"`))
		if !good || err != nil || len(out) > 1<<20 {
			return
		}
		if err := Check(out, Limits{}); err != nil && !strings.Contains(err.Error(), "nested") {
			t.Fatalf("putting at %s into %q made %q: %v", where, body, out, err)
		}
		raw, found, err := p.Find(out)
		if err != nil || !found || string(raw) != `"x"` {
			t.Errorf("putting at %s into %q made %q: found %q %t %v", where, body, out, raw, found, err)
		}
	})
}
