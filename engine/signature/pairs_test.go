package signature

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

const pairsScheme = `signature: {algorithm: hmac-sha256, header: X-Sig, signed: "{method}\n{pathquery}\n{header:X-Signed-Headers|headerpairs}\n{body}"}` +
	"\ntimestamp: {header: X-At, unit: ms}"

func TestHeaderPairsAreWhatTheirListNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ list, want string }{
		{"x-list,X-One, x-two", "x-list:x-list,X-One, x-two;x-one:1;x-two:2 2"},
		{"x-one,x-list", "x-one:1;x-list:x-one,x-list"},
		{"x-list", "x-list:x-list"},
		{"content-type,x-list", "content-type:application/json; charset=utf-8;x-list:content-type,x-list"},
		{"x-look,x-list", "x-look:1; x-one: 2;x-one;x-Two:3;x-look=4:5;x-list:x-look,x-list"},
		{"x-one,x-two", "missing"},        // a list that does not name itself could be another header's text
		{"x-list,x-none", "missing"},      //
		{"x-list,x-twice", "missing"},     //
		{"x-list,x-one,x-one", "missing"}, // the second has no place of its own
		{"x-list,x-one,X-ONE", "missing"},
		{"x-list,", "missing"},
		{"x-list,x-one;x-two", "missing"},
		{"x-list,x one", "missing"},
		{"x-list,x-holds", "x-list:x-list,x-holds;x-holds:a;x-one:1"}, // x-one is not listed, so it has no place that this could be taken for
		{"x-list,x-one,x-holds", "missing"},
		{"x-list,x-own", "missing"},
		{"x-list,x-line", "missing"},
		{"x-list,x-return", "missing"},
		{"x-list" + strings.Repeat(",x-one", 64), "missing"},
		{"", "missing"},
	} {
		h := http.Header{
			"X-List": {test.list}, "X-One": {"1"}, "X-Two": {" 2 2 "}, "X-Twice": {"a", "b"}, "Content-Type": {"application/json; charset=utf-8"},
			"X-Look": {"1; x-one: 2;x-one;x-Two:3;x-look=4:5"}, "X-Holds": {"a;x-one:1"}, "X-Own": {"a;x-own:1"}, "X-Line": {"a\nb"}, "X-Return": {"a\r"},
		}
		if got := render(t, "{header:X-List|headerpairs}", Signed, &Request{Header: h}); got != test.want {
			t.Errorf("%.60s: got %q, want %q", test.list, got, test.want)
		}
	}
}

// TestHeaderPairsCanBeDividedInOneWay tries every small request: two that make the same text have the same list and the same values.
func TestHeaderPairsCanBeDividedInOneWay(t *testing.T) {
	t.Parallel()
	tmpl := template(t, "{header:L|headerpairs}", Signed)
	lists := []string{"l", "a,l", "l,a", "b,l", "l,b", "a,b,l", "b,a,l", "l,a,b", "l,b,a", "a,l,b", "b,l,a", "a", "b", "a,b", "b,a", "l,l"}
	values := []string{"", "1", ";", ":", ";a:", ";b:", ";l:", ";a:1", ";b:1", ";l:l", ";l:a,l", "1;l:a,l", "1;l:b,l", "1;a:;b:", "l;a:1", "a,l;b:1", "1;b:1;l:a,b,l", ";l:a,b,l;b:"}
	made := map[string]string{}
	accepted := 0
	for _, list := range lists {
		for _, a := range values {
			for _, b := range values {
				r := &Request{Header: http.Header{"L": {list}, "A": {a}, "B": {b}}}
				text, err := tmpl.Text(r)
				if err != nil {
					continue
				}
				accepted++
				is := "l=" + list
				for name := range strings.SplitSeq(list, ",") {
					is += fmt.Sprintf(" %s=%q", name, r.Header.Get(name))
				}
				if other, seen := made[text]; seen && other != is {
					t.Errorf("%q is the text of %s and of %s", text, other, is)
				}
				made[text] = is
			}
		}
	}
	if accepted < 500 {
		t.Errorf("%d requests were tried, want more", accepted)
	}
}

// TestASignedListCannotBeShortened replays a request of a month ago under one header that swallows all the others, as a forger would.
func TestASignedListCannotBeShortened(t *testing.T) {
	t.Parallel()
	s := scheme(t, pairsScheme, "s3cret")
	r := request(`{"id":1}`, "X-Name", "order.paid")
	r.PathQuery = "/webhooks/a"
	r.Now = now.AddDate(0, -1, 0)
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	if got := class(s, r); got != "ok" {
		t.Fatalf("then: got %s, want ok", got)
	}
	text := render(t, "{header:X-Signed-Headers|headerpairs}", Signed, r)
	r.Now = now
	if got := class(s, r); got != "stale_timestamp" {
		t.Fatalf("a month later: got %s, want stale_timestamp", got)
	}
	first, rest, _ := strings.Cut(text, ":")
	forge := func(what string, headers ...string) {
		t.Helper()
		forged := *r
		forged.Header = r.Header.Clone()
		forged.Header.Set("X-At", fmt.Sprint(now.UnixMilli()))
		for i := 0; i < len(headers); i += 2 {
			forged.Header.Set(headers[i], headers[i+1])
		}
		if got := class(s, &forged); got != "invalid_signature" {
			t.Errorf("%s: got %s, want invalid_signature", what, got)
		}
	}
	forge("a renewed time")
	forge("one header that holds all the others", "X-Signed-Headers", first, textproto.CanonicalMIMEHeaderKey(first), rest)
	forge("a list of nothing but itself", "X-Signed-Headers", "x-signed-headers")
	forge("an empty list", "X-Signed-Headers", "")
	swallow, _, _ := strings.Cut(text, ";x-signed-headers:")
	_, swallow, _ = strings.Cut(swallow, ":")
	forge("a list of the first and itself", "X-Signed-Headers", first+",x-signed-headers", textproto.CanonicalMIMEHeaderKey(first), swallow)
}

func TestHeaderPairsStandOnALineOfTheirOwn(t *testing.T) {
	t.Parallel()
	for text, fine := range map[string]bool{
		"{header:L|headerpairs}":                         true,
		"{method}\n{header:L|headerpairs}\n{body}":       true,
		"a\n{header:L|headerpairs}":                      true,
		"{header:L|headerpairs}\n{body}":                 true,
		"{header:L|headerpairs}\n{header:M|headerpairs}": true,
		"{header:L|headerpairs}{body}":                   false,
		"{method}{header:L|headerpairs}":                 false,
		"{header:L|headerpairs};{body}":                  false,
		"{body}\n{header:L|headerpairs}.x":               false,
		"[{header:L|headerpairs}]":                       false,
		"{header:L ?? header:M|headerpairs}":             false,
		"{header:L|headerpairs ?? header:M|headerpairs}": false,
		"{header:L|headerpairs ?? body}":                 false,
		"{header:L?|headerpairs}":                        false,
		"{header:L|lower|headerpairs}":                   false,
		"{header:L|headerpairs|sha256|hex}":              true, // whatever stands beside it, the hash ends where it ends
		"{body|headerpairs}":                             false,
		"{query:list|headerpairs}":                       false,
	} {
		var out diag.List
		got := Parse(source.NewString(text, source.Span{}), Signed, nil, &out)
		if (got != nil) != fine {
			t.Errorf("%q: got %v, want it taken: %t", text, out.Sorted(), fine)
		}
	}
	var out diag.List
	if Parse(source.NewString("{header:L|headerpairs}", source.Span{}), Lets, nil, &out) != nil {
		t.Error("a `let` was taken, whose place in a signed text is not known")
	}
}
