package signature

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestEveryFunctionTurnsBytesIntoBytes(t *testing.T) {
	t.Parallel()
	tests := []struct{ function, in, want string }{
		{"sha256|hex", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"sha1|hex", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"crc32", "123456789", "3421780262"},
		{"crc32", "", "0"},
		{"hmac-sha256|hex", "x", "50094758"},
		{"hmac-sha1|hex", "x", "3440fca8"},
		{"hex", "\x00\xff", "00ff"},
		{"base64", "\xfb\xff", "+/8="},
		{"base64url", "\xfb\xff", "-_8"},
		{"unbase64|hex", "+/8=", "fbff"},
		{"unbase64|hex", "-_8", "fbff"},
		{"unbase64|hex", "-/8=", "fbff"},
		{"unbase64|hex", "+/\r\n8=\n", "fbff"},
		{"unbase64|hex", "+/8==", "missing"},
		{"unbase64|hex", "+/9=", "missing"},
		{"unbase64|hex", "+/8 ", "missing"},
		{"unbase64|hex", "+", "missing"},
		{"unbase64|hex", "!", "missing"},
		{"unbase64|hex", "====", "missing"},
		{"urldecode", "a%20b+c", "a b c"},
		{"urldecode", "%2", "missing"},
		{"json", "a\"b\\\n<é>", `"a\"b\\\n<é>"`},
		{"json", "\xff", "missing"},
		{"lower", "ÀBc-Z[", "Àbc-z["},
		{"port", "https://a.example/x?y=1", "https://a.example:443/x?y=1"},
		{"port", "https://a.example:443/x", "https://a.example/x"},
		{"port", "http://a.example", "http://a.example:80"},
		{"port", "http://a.example:80?x", "http://a.example?x"},
		{"port", "https://a.example:8443/x", "https://a.example:8443/x"},
		{"port", "https://[::1]/x", "https://[::1]:443/x"},
		{"port", "https://[::1]:443/x", "https://[::1]/x"},
		{"port", "ftp://a.example/", "missing"},
		{"port", "a.example", "missing"},
		{"sortedkv", "b=2&a=1&&b=1&b=2&c", "a1b1b2c"},
		{"sortedkv", "a%2B=%20x+", "a+ x "},
		{"sortedkv", "a=%zz", "missing"},
		{"sortedkv", strings.Repeat("a=1&", maxPairs), "a1"},
		{"sortedkv", strings.Repeat("a=1&", maxPairs+1), "missing"},
	}
	tried := map[string]bool{pairsOfHeaders: true} // in a test of its own
	for _, test := range tests {
		r := &Request{Body: []byte(test.in), Header: http.Header{"X-One": {"1"}, "X-Two": {" 2 2 "}, "X-Twice": {"a", "b"}}}
		got := render(t, "{body|"+test.function+"}", Signed, r)
		if strings.HasPrefix(test.function, "hmac") && len(got) > 8 {
			got = got[:8]
		}
		if got != test.want {
			t.Errorf("%.40q|%s: got %q, want %q", test.in, test.function, got, test.want)
		}
		name, _, _ := strings.Cut(test.function, "|")
		tried[name] = true
	}
	for _, f := range functions() {
		if !tried[f.name] {
			t.Errorf("%s is not tried", f.name)
		}
	}
}

// TestURLsAndFormsAreSignedAsPublished holds the vectors that Twilio publishes in its SDKs.
func TestURLsAndFormsAreSignedAsPublished(t *testing.T) {
	t.Parallel()
	form := url.Values{"Digits": {"1234"}, "To": {"+18005551212"}, "From": {"+14158675309"}, "Caller": {"+14158675309"}, "CallSid": {"CA1234567890ABCDE"}}
	for _, test := range []struct{ scheme, text, want string }{
		{"https", "{url}{form|sortedkv}", "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
		{"https", "{url|port}{form|sortedkv}", "kvajT1Ptam85bY51eRf/AJRuM3w="},
		{"http", "{url|port}{form|sortedkv}", "0ZXoZLH/DfblKGATFgpif+LLRf4="},
	} {
		r := request(form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		r.URL = test.scheme + "://mycompany.com/myapp.php?foo=1&bar=2"
		mac := hmac.New(sha1.New, []byte("12345"))
		mac.Write([]byte(render(t, test.text, Signed, r)))
		if got := base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != test.want {
			t.Errorf("%s of %s: got %s, want %s", test.text, r.URL, got, test.want)
		}
	}
}

// TestRepliesAreNoOracle holds that nobody gets the HMAC of something that could be a signed body.
func TestRepliesAreNoOracle(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"qgg8vlvZRS6UYooatFL8Aw":               true,
		"NGI3OTlhYjEtOWIzMC00ODYxLWE3NjE=":     true,
		"550e8400-e29b-41d4-a716-446655440000": true,
		"a+b/c_d.e==":                          true,
		"":                                     false,
		"1234567":                              false,
		"-1.5e3":                               false,
		"42":                                   false,
		"1e5":                                  false,
		"true":                                 false,
		"null":                                 false,
		"truest":                               true,
		"0x1":                                  true,
		`{"a":1}`:                              false,
		"a=b":                                  false,
		"a===":                                 false,
		"v0:1700000000:x":                      false,
		"a b":                                  false,
		"a\n":                                  false,
		"é":                                    false,
		strings.Repeat("a", 512):               true,
		strings.Repeat("a", 513):               false,
	} {
		r := &Request{Query: url.Values{"crc_token": {in}}.Encode()}
		for _, f := range []string{"hmac-sha256", "hmac-sha1"} {
			got, err := template(t, "{query:crc_token|"+f+"|base64}", Reply).TextWith(r, []byte("k3y"))
			if (err == nil) != want {
				t.Errorf("%s of %.40q: got %q, %v, want an answer: %t", f, in, got, err, want)
			}
		}
	}
	if got, err := template(t, "{query:a|hmac-sha256|hex}", Reply).Text(&Request{Query: "a=b"}); err == nil {
		t.Errorf("without a key: got %q, want that it is missing", got)
	}
}
