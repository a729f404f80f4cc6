package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"testing"
	"time"
)

// TestOnlyWhatIsAbsentIsOptional holds that neither "?" nor a group passes over what another reader of the request could see.
func TestOnlyWhatIsAbsentIsOptional(t *testing.T) {
	t.Parallel()
	r := &Request{
		Body:   []byte(`{"null":null,"empty":"","list":["a"],"map":{"a":"b"},"no":false,"zero":0,"s":"text"}`),
		Query:  "two=1&two=2&bad=%zz&empty=&one=1",
		Header: http.Header{"X-Two": {"a", "b"}, "X-Empty": {""}, "X-One": {"1"}},
	}
	const unusable = "there, and unusable"
	for source, want := range map[string]string{
		"json:none": "", "json:null": "", "json:empty": "", "json:none.a": "", "header:X-None": "", "header:X-Empty": "", "query:none": "", "query:empty": "",
		"form:a": "", "xml:a.b": "", "outer:none": "", "item:a": "", "let:lost": "",
		"json:s": "text", "json:no": "false", "json:zero": "0", "header:X-One": "1", "query:one": "1",
		"json:list": unusable, "json:map": unusable, "header:X-Two": unusable, "query:two": unusable, "query:bad": unusable, "let:two": unusable,
	} {
		for _, text := range []string{"{" + source + "?}", "{query:none ?? " + source + "?}", "{" + source + " ?? query:none?}", "[{" + source + "}]"} {
			got, err := template(t, text, Signed).Text(r)
			if missing := (*MissingError)(nil); errors.As(err, &missing) && missing.Unclear {
				got = unusable
			} else if err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%s: got %q, want %q", text, got, want)
			}
		}
	}
	for text, want := range map[string]string{
		"{header:X-None?|unbase64}": "", "{json:s?|unbase64|hex}": "b5ec6d", "{header:X-One?|unbase64}": "missing", "[{header:X-One|unbase64}]": "missing",
		"{header:X-Two ?? header:X-One}": "1", "{json:list ?? json:s}": "text",
	} {
		if got := render(t, text, Signed, r); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// TestASignedPartIsNotHiddenInAList adds to a genuine request what was not there when it was signed.
func TestASignedPartIsNotHiddenInAList(t *testing.T) {
	t.Parallel()
	for _, signed := range []string{"{json:id}:{json:order?}:{json:amount}", "{json:id}:[{json:order}]:{json:amount}"} {
		s := scheme(t, `signature: {algorithm: hmac-sha256, header: X-Sig, signed: "`+signed+`"}`, "s3cret")
		r := request("", "X-Sig", hex.EncodeToString(macOf(sha256.New, "s3cret", "p1::100")))
		for body, want := range map[string]string{
			`{"id":"p1","amount":100}`:                     "ok",
			`{"id":"p1","order":null,"amount":100}`:        "ok",
			`{"id":"p1","order":["o1"],"amount":100}`:      "invalid_signature",
			`{"id":"p1","order":{"id":"o1"},"amount":100}`: "invalid_signature",
			`{"id":"p1","order":"o1","amount":100}`:        "invalid_signature",
		} {
			r.Body = []byte(body)
			if got := class(s, r); got != want {
				t.Errorf("%s of %s: got %s, want %s", signed, body, got, want)
			}
		}
	}
}

// TestAnOptionalTimestampIsNotHiddenByASecondOne holds that doubling a header is not leaving it out.
func TestAnOptionalTimestampIsNotHiddenByASecondOne(t *testing.T) {
	t.Parallel()
	s := scheme(t, "signature: {algorithm: hmac-sha256, header: X-Sig}\ntimestamp: {from: \"header:X-At?\"}", "s3cret")
	r := request("{}", "X-Sig", hex.EncodeToString(macOf(sha256.New, "s3cret", "{}")))
	if got := class(s, r); got != "ok" {
		t.Errorf("without a time: got %s, want ok", got)
	}
	old := stampText(now.Add(-time.Hour))
	for _, values := range [][]string{{old}, {old, old}, {old, ""}} {
		r.Header["X-At"] = values
		if got := class(s, r); got == "ok" {
			t.Errorf("with the times %q: got ok, want a refusal", values)
		}
	}
}

// stampText writes a time in seconds.
func stampText(at time.Time) string { return units()[0].format(at) }
