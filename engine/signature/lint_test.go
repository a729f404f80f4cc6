package signature

import (
	"slices"
	"strings"
	"testing"
)

func TestWeakSchemesAreNoted(t *testing.T) {
	t.Parallel()
	const at = "\ntimestamp: {header: X-At}"
	tests := []struct {
		name, yaml string
		want       []Weakness
		says       string
	}{
		{"strong", slackScheme, nil, ""},
		{"strong in a list", stripeScheme, nil, ""},
		{"no time", githubScheme, []Weakness{NoTimestamp}, "a request that somebody has recorded holds for ever"},
		{"a time that is not signed", `signature: {algorithm: hmac-sha256, header: X}` + at, []Weakness{NoTimestamp}, "the timestamp is not signed"},
		{"a time that is signed by its name", `signature: {algorithm: hmac-sha256, header: X, signed: "{header:x-at}{body}"}` + at, nil, ""},
		{"a time in the body that is signed", "signature: {algorithm: hmac-sha256, header: X}\ntimestamp: {from: \"json:at\"}", nil, ""},
		{"the body left out", `signature: {algorithm: hmac-sha256, header: X, signed: "{ts}{header:X-Id}"}` + at, []Weakness{BodyNotBound}, "nothing of the body is signed"},
		{"parts of the body", `signature: {algorithm: hmac-sha256, header: X, signed: "{ts}{json:b}{json:a}"}` + at, []Weakness{BodyNotBound}, "of the body only json:a, json:b is signed"},
		{"one form without the body", `signature: {algorithm: hmac-sha256, header: X, signed: ["{ts}{body}", "{ts}"]}` + at, []Weakness{BodyNotBound}, "nothing of the body is signed"},
		{"the body by its hash", twilioScheme, []Weakness{NoTimestamp, Deprecated}, "SHA-1 is no longer made for new systems"},
		{"an item", adyenScheme, []Weakness{NoTimestamp}, ""},
		{"a token", `signature: {algorithm: token, header: X}`, []Weakness{BodyNotBound}, "the token proves nothing about the body"},
		{"a token in the URL", `signature: {algorithm: token, from: "query:token"}`, []Weakness{TokenInURL, BodyNotBound}, "logs and proxies keep"},
		{"a signature in the URL", `signature: {algorithm: hmac-sha256, from: "query:sig", signed: "{ts}{body}"}` + at, nil, ""},
		{"a JWT", `signature: {algorithm: jwt-hs256, header: X}`, []Weakness{BodyNotBound}, "the token is not tied to the body"},
		{"a JWT with the body", `signature: {algorithm: jwt-hs256, header: X, require: {"{claim:h}": "{body|sha256|hex}"}}`, nil, ""},
		{"a digest", `signature: {algorithm: digest-sha256, header: X, signed: "{secret}{ts}{body}"}` + at, []Weakness{Deprecated}, "can lengthen its body without knowing the secret"},
		{"the body by a sum", `signature: {algorithm: hmac-sha256, header: X, signed: "{ts}{body|crc32}"}` + at, []Weakness{BodyNotBound}, "of the body only the CRC-32 is signed"},
		{"the body by the sum of its hash", `signature: {algorithm: hmac-sha256, header: X, signed: "{ts}{body|sha256|crc32}"}` + at, []Weakness{BodyNotBound}, "of the body only the CRC-32"},
		{"the body by a sum and by a hash", `signature: {algorithm: hmac-sha256, header: X, signed: "{ts}{body|crc32}{body|sha256|hex}"}` + at, nil, ""},
		{"the time in a body of which a sum is signed", "signature: {algorithm: hmac-sha256, header: X, signed: \"{body|crc32}\"}\ntimestamp: {from: \"json:at\"}", []Weakness{BodyNotBound, NoTimestamp}, "the timestamp is not signed"},
		{"a rule without the time that another has", `signature: [{when: {header:X-At: "*"}, algorithm: hmac-sha256, header: X, signed: "{ts}{body}"}, {algorithm: hmac-sha256, header: X}]` + "\ntimestamp: {from: \"header:X-At?\"}", []Weakness{NoTimestamp, Downgrade}, "signature[1] hmac-sha256 signs no time and has the key of signature[0] hmac-sha256"},
		{"the same in a header of its own", `signature: [{when: {header:X3: "*"}, algorithm: hmac-sha256, header: X3, signed: "{ts}{body}"}, {algorithm: digest-sha256, header: X1, signed: "{secret}{body}"}]` + "\ntimestamp: {from: \"header:X-At?\"}", []Weakness{NoTimestamp, Downgrade, Deprecated}, "can pass it off by the weaker rule"},
		{"the same with another key", `signature: [{when: {header:X-At: "*"}, algorithm: hmac-sha256, header: X, signed: "{ts}{body}"}, {algorithm: hmac-sha256, header: X, key: hex}]` + "\ntimestamp: {from: \"header:X-At?\"}", []Weakness{NoTimestamp}, ""},
		{"both with the time", `signature: [{when: {header:X-V: "2"}, algorithm: hmac-sha256, header: X, signed: "{ts}{body}"}, {algorithm: hmac-sha1, header: X, signed: "{ts}.{body}"}]` + at, []Weakness{Deprecated}, ""},
		{"unsigned", `signature: none`, []Weakness{Unsigned}, "whoever knows the address can send what he likes"},
		{"two rules with the same weakness", `signature: [{when: {method: PUT}, algorithm: hmac-sha256, header: X}, {algorithm: hmac-sha256, header: Y}]`, []Weakness{NoTimestamp}, ""},
	}
	for _, test := range tests {
		var secrets []string
		if test.name != "unsigned" {
			secrets = []string{"00ff"}
		} else {
			test.yaml = `signature: {algorithm: none}`
		}
		if strings.Contains(test.yaml, "key: base64") {
			secrets = []string{"whsec_AAAA"}
		}
		var kinds []Weakness
		said := ""
		for _, n := range scheme(t, test.yaml, secrets...).Lint() {
			kinds = append(kinds, n.Kind)
			said += n.Message + " "
			if n.Span.File == nil || n.Message == "" {
				t.Errorf("%s: a note without a place or a reason: %+v", test.name, n)
			}
		}
		if !slices.Equal(kinds, test.want) || !strings.Contains(said, test.says) {
			t.Errorf("%s: got %v (%s), want %v (%s)", test.name, kinds, said, test.want, test.says)
		}
	}
}
