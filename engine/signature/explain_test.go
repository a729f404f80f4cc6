package signature

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
)

// TestExplainNamesTheMistake makes each of the mistakes that people make, and looks for the word that tells of it.
func TestExplainNamesTheMistake(t *testing.T) {
	t.Parallel()
	const secret = "whsec_bm9ib2R5IGd1ZXNzZXMgdGhpcyBzZWNyZXQ="
	body := `{"a":1,"b":["x, y",2]}`
	hexMAC := func(key, text string) string { return hex.EncodeToString(macOf(sha256New, key, text)) }
	b64MAC := func(key, text string) string { return base64.StdEncoding.EncodeToString(macOf(sha256New, key, text)) }
	plain := `signature: {algorithm: hmac-sha256, header: X-Acme-Signature}`
	decoded := "nobody guesses this secret"
	tests := []struct {
		name, yaml, secret, body string
		headers                  []string
		url                      string
		want                     string
	}{
		{"no signature, and another header", plain, secret, body, []string{"X-Hub-Signature-256", "x", "Accept", "y"}, "", "header:X-Acme-Signature is missing; what is there: X-Hub-Signature-256"},
		{"no signature at all", plain, secret, body, nil, "", "signature[0] hmac-sha256: header:X-Acme-Signature is missing"},
		{"no rule", versionedScheme, secret, body, []string{"X-Sig", "00"}, "", "no rule applies: signature[0] hmac-sha256 where header:X-Version is \"v3\""},
		{"base64 where hex is expected", plain, secret, body, []string{"X-Acme-Signature", b64MAC(secret, body)}, "", "the signature is not hex of the right length; it is base64, where hex is expected"},
		{"hex where base64 is expected", shopifyScheme, secret, body, []string{"X-Shopify-Hmac-Sha256", hexMAC(secret, body)}, "", "it is hex, where base64 is expected"},
		{"the digits of SHA-1", plain, secret, body, []string{"X-Acme-Signature", strings.Repeat("ab", 20)}, "", "40 characters of hex look like SHA-1, and hmac-sha256 has 64 in hex or 44 in base64"},
		{"cut off", plain, secret, body, []string{"X-Acme-Signature", strings.Repeat("ab", 30)}, "", "it has 60 characters; hmac-sha256 has 64 in hex"},
		{"no prefix", githubScheme, secret, body, []string{"X-Hub-Signature-256", hexMAC(secret, body)}, "", "no signature begins with sha256=; it has no prefix, and without one it matches"},
		{"another prefix", githubScheme, secret, body, []string{"X-Hub-Signature-256", "v1=" + hexMAC(secret, body)}, "", `with the prefix "v1=" it matches`},
		{"a secret with a line end", plain, " key\n", body, []string{"X-Acme-Signature", hexMAC("key", body)}, "", "it matches with the secret without the white space around it"},
		{"whsec_ to be decoded", plain, secret, body, []string{"X-Acme-Signature", hexMAC(decoded, body)}, "", "it matches with the secret without `whsec_` and decoded from base64"},
		{"whsec_ not to be decoded", `signature: {algorithm: hmac-sha256, header: X-Acme-Signature, key: base64, strip: whsec_}`, secret, body, []string{"X-Acme-Signature", hexMAC(secret, body)}, "", "it matches with the secret as it is written, neither stripped nor decoded"},
		{"a secret in base64", plain, "bm9ib2R5IGd1ZXNzZXMgdGhpcyBzZWNyZXQ=", body, []string{"X-Acme-Signature", hexMAC(decoded, body)}, "", "decoded from base64 (`key: base64`)"},
		{"a secret in hex", plain, hex.EncodeToString([]byte(decoded)), body, []string{"X-Acme-Signature", hexMAC(decoded, body)}, "", "decoded from hexadecimal (`key: hex`)"},
		{"a body that was made pretty", plain, secret, "{\n  \"a\": 1,\n  \"b\": [\n    \"x, y\",\n    2\n  ]\n}", []string{"X-Acme-Signature", hexMAC(secret, body)}, "", "the body was changed on the way: written as compact JSON it matches"},
		{"a body that was made compact", plain, secret, body, []string{"X-Acme-Signature", hexMAC(secret, "{\n  \"a\": 1,\n  \"b\": [\n    \"x, y\",\n    2\n  ]\n}")}, "", "written as JSON with two blanks of indentation it matches"},
		{"a body by Python", plain, secret, body, []string{"X-Acme-Signature", hexMAC(secret, `{"a": 1, "b": ["x, y", 2]}`)}, "", "with a blank after each comma and colon it matches"},
		{"a body that lost its line end", plain, secret, body, []string{"X-Acme-Signature", hexMAC(secret, body+"\n")}, "", "with a line end after it it matches"},
		{"a body that got a line end", plain, secret, body + "\r\n", []string{"X-Acme-Signature", hexMAC(secret, body)}, "", "without the line end after it it matches"},
		{"a slash at the end", squareScheme, secret, body, []string{"X-Square-Hmacsha256-Signature", b64MAC(secret, "https://a.example/x/?q=1"+body)}, "https://a.example/x?q=1", "with a slash at the end of the path the public URL matches"},
		{"no slash at the end", squareScheme, secret, body, []string{"X-Square-Hmacsha256-Signature", b64MAC(secret, "https://a.example/x"+body)}, "https://a.example/x/", "without the slash at the end of the path the public URL matches"},
		{"http behind a proxy", squareScheme, secret, body, []string{"X-Square-Hmacsha256-Signature", b64MAC(secret, "https://a.example/x"+body)}, "http://a.example/x", "with https in the place of http the public URL matches"},
		{"no query", squareScheme, secret, body, []string{"X-Square-Hmacsha256-Signature", b64MAC(secret, "https://a.example/x"+body)}, "https://a.example/x?q=1", "without the query the public URL matches"},
		{"another rule of the list", versionedScheme, secret, body, []string{"X-Version", "v4", "X-Sig", "v3=" + hexMAC(secret, "v4"+body)}, "", "it is signed as signature[0] hmac-sha256 wants it, which does not apply to this request"},
		{"the body alone", slackScheme, secret, body, []string{"X-Slack-Request-Timestamp", "1772600767", "X-Slack-Signature", "v0=" + hexMAC(secret, body)}, "", "it matches with `signed: \"{body}\"`"},
		{"another text", slackScheme, secret, body, []string{"X-Slack-Request-Timestamp", "1772600767", "X-Slack-Signature", "v0=" + hexMAC(secret, "1772600767."+body)}, "", "it matches with `signed: \"{ts}.{body}\"`"},
		{"another hash", plain, secret, body, []string{"X-Acme-Signature", hex.EncodeToString(macOf(sha1New, secret, body))}, "", "it matches with `algorithm: hmac-sha1`"},
		{"a bearer without its word", `signature: {algorithm: token, header: Authorization}`, secret, body, []string{"Authorization", "Bearer " + secret}, "", "it begins with \"Bearer \", which `prefix` does not name"},
		{"a token with white space", `signature: {algorithm: token, header: X-Token}`, "s3same ", body, []string{"X-Token", "s3same"}, "", "without the white space around it"},
		{"another algorithm of a token", `signature: {algorithm: jwt-hs256, header: Authorization}`, secret, body, []string{"Authorization", hs256(secret, `{"alg":"HS512"}`, `{}`)}, "", `the token's algorithm is "HS512", not HS256`},
		{"a token of a decoded secret", `signature: {algorithm: jwt-hs256, header: Authorization}`, "bm9ib2R5IGd1ZXNzZXMgdGhpcyBzZWNyZXQ=", body, []string{"Authorization", hs256(decoded, plainHeader, `{}`)}, "", "decoded from base64"},
		{"a stale one", slackScheme, secret, body, []string{"X-Slack-Request-Timestamp", "1772600455", "X-Slack-Signature", "v0=" + hexMAC(secret, "v0:1772600455:"+body)}, "", "the timestamp lies 312 s in the past, 300 s are allowed"},
		{"one from tomorrow", slackScheme, secret, body, []string{"X-Slack-Request-Timestamp", "1772687167", "X-Slack-Signature", "v0=" + hexMAC(secret, "v0:1772687167:"+body)}, "", "the timestamp lies 86400 s in the future"},
		{"milliseconds", slackScheme, secret, body, []string{"X-Slack-Request-Timestamp", "1772600767000", "X-Slack-Signature", "v0=" + hexMAC(secret, "v0:1772600767000:"+body)}, "", "the timestamp is not written as seconds since 1970; it looks like milliseconds since 1970 (`unit: ms`)"},
		{"nothing that is known", plain, secret, body, []string{"X-Acme-Signature", hexMAC("another", body)}, "", "signature[0] hmac-sha256: no signature matches"},
		{"a body too long to look at", plain, secret, strings.Repeat(" ", maxExplainBody+1), []string{"X-Acme-Signature", hexMAC("another", body)}, "", "the body is too long to look for more"},
	}
	for _, test := range tests {
		s := scheme(t, test.yaml, test.secret)
		r := request(test.body, test.headers...)
		r.URL = test.url
		got := s.Explain(r)
		if !strings.Contains(got, test.want) {
			t.Errorf("%s: got %s, want %q in it", test.name, got, test.want)
		}
		for _, forbidden := range []string{strings.TrimSpace(test.secret), decoded, hexMAC(test.secret, test.body), b64MAC(test.secret, test.body)} {
			if strings.Contains(got, forbidden) {
				t.Errorf("%s: the explanation holds what nobody may see: %s", test.name, got)
			}
		}
	}
}

func TestExplainSaysNothingOfGenuineRequests(t *testing.T) {
	t.Parallel()
	s := scheme(t, githubScheme, "secret")
	r := request("{}")
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	if got := s.Explain(r); got != "" {
		t.Errorf("got %s, want nothing", got)
	}
}

func TestExplainTriesWhatWasLearnt(t *testing.T) {
	t.Parallel()
	learned := &learnedList{}
	var many []string
	for range 30 {
		many = append(many, "old")
	}
	learned.set(append(many, "newest")...)
	c := config(t, githubScheme)
	c.Learned = learned
	var out diag.List
	s := Compile(c, &out)
	r := request(`{"a": 1}`)
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	r.Body = []byte(`{"a":1}`)
	if got := s.Explain(r); !strings.Contains(got, "with a blank after each comma and colon it matches") {
		t.Errorf("got %s, want a word about the body", got)
	}
}

func TestExplainIsBounded(t *testing.T) {
	t.Parallel()
	texts := `["{body}1", "{body}2", "{body}3", "{body}4", "{body}5", "{body}6", "{body}7", "{body}8"]`
	secrets := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	s := scheme(t, "signature: {algorithm: hmac-sha256, header: X-Sig, signed: "+texts+"}", secrets...)
	x := newExplainer(s, request("{}", "X-Sig", strings.Repeat("0", 64)))
	x.explain(&Refusal{Class: InvalidSignature})
	if x.budget < 0 || x.budget > maxExplainHashes/2 {
		t.Errorf("%d of %d hashes are left, want some used and none owed", x.budget, maxExplainHashes)
	}
	if deep := strings.Repeat("[", 9000) + strings.Repeat("1,", 50_000) + "1" + strings.Repeat("]", 9000); indented([]byte(deep), "  ") != nil {
		t.Error("a deep body was indented, which makes it thousands of times larger")
	}
	start := time.Now()
	r := request(strings.Repeat("x", maxExplainBody), "X-Sig", strings.Repeat("0", 64))
	if got := s.Explain(r); got == "" {
		t.Error("nothing was said of a refusal")
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("a body of 1 MiB took %s", took)
	}
}
