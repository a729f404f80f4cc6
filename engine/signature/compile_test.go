package signature

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
)

// TestBadRulesAreFindingsWithTheirPlace goes through all that Compile refuses.
func TestBadRulesAreFindingsWithTheirPlace(t *testing.T) {
	t.Parallel()
	const stamped = "\ntimestamp: {header: X-At}"
	tests := []struct{ yaml, want string }{
		{`signature: {algorithm: sha256, header: X}`, "p.yaml:1:24: error[unknown-algorithm]: there is no algorithm \"sha256\"; a bare hash needs no secret; did you mean `hmac-sha256`?"},
		{`signature: {algorithm: SHA1, header: X}`, "did you mean `hmac-sha1`?"},
		{`signature: {algorithm: hmac_sha256, header: X}`, "there is no algorithm \"hmac_sha256\"; did you mean `hmac-sha256`?"},
		{`signature: {algorithm: hmac-sha265, header: X}`, "did you mean `hmac-sha256`?"},
		{`signature: {algorithm: SHA-256, header: X}`, "A digest of a text that holds the secret is `digest-sha256`"},
		{`signature: {algorithm: md5, header: X}`, "there is no algorithm \"md5\"; MD5 is broken"},
		{`signature: {algorithm: hmac-md5, header: X}`, "MD5 is broken"},
		{`signature: {algorithm: basic, header: X}`, "did you mean `token`?"},
		{`signature: {algorithm: RS256, header: X}`, "did you mean `jwt-rs256`?"},
		{`signature: {algorithm: ed25591, header: X}`, "did you mean `ed25519`?"},
		{`signature: {algorithm: quantum, header: X}`, "the algorithms are hmac-sha256, hmac-sha1, hmac-sha512, digest-sha256, digest-sha1, ed25519, ecdsa-sha256, rsa-sha256, rsa-sha1, jwt-hs256, jwt-rs256, jwt-es256, token, none"},
		{`signature: {algorithm: ed25519, header: X}`, "the secret is not a public key or a certificate in PEM"},
		{`signature: {header: X}`, "p.yaml:1:12: error[bad-signature]: the rule has no `algorithm`"},
		{`signature: {algorithm: hmac-sha256}`, "nothing says where the signature stands"},
		{`signature: {algorithm: hmac-sha256, header: X, from: "header:Y"}`, "p.yaml:1:54: error[bad-signature]: `header` and `from` say the same thing"},
		{`signature: {algorithm: hmac-sha256, header: "X Y"}`, "p.yaml:1:46: error[bad-template]: ' ' cannot stand in a header name"},
		{`signature: {algorithm: hmac-sha256, from: "{header:X}"}`, "write it without braces: header:X"},
		{`signature: {algorithm: hmac-sha256, from: "headr:X"}`, "p.yaml:1:44: error[unknown-source]: there is no source \"headr\"; did you mean `header`?"},
		{`signature: {algorithm: hmac-sha256, from: "header:X|hex"}`, "neither `??` nor `|` can stand here"},
		{`signature: {algorithm: hmac-sha256, from: "body"}`, "the whole body can be a token (jwt-…), and no signature of itself"},
		{`signature: {algorithm: hmac-sha256, from: "sig:0"}`, "`sig` is a part of the signature list"},
		{`signature: {algorithm: hmac-sha256, from: []}`, "`from` needs between 1 and 8 entries"},
		{`signature: {algorithm: hmac-sha256, header: X, encoding: hexa}`, "there is no encoding \"hexa\"; did you mean `hex`?"},
		{`signature: {algorithm: hmac-sha256, header: X, encoding: [hex, hex]}`, "hex is written twice"},
		{`signature: {algorithm: hmac-sha256, header: X, key: pem}`, "p.yaml:1:53: error[bad-signature]: a key of hmac-sha256 is not written as pem; write one of utf8, base64, hex, sha1, nfkd"},
		{`signature: {algorithm: hmac-sha256, header: X, key: base46}`, "there is no key form \"base46\"; did you mean `base64`?"},
		{`signature: {algorithm: rsa-sha256, header: X, key: utf8}`, "a key of rsa-sha256 is not written as utf8; write one of pem, spki-base64, raw-hex, raw-base64, x509, jwks"},
		{`signature: {algorithm: token, header: X, key: hex}`, "a key of token is not written as hex"},
		{`signature: {algorithm: hmac-sha256, header: X, key: hex}`, "the secret is not hexadecimal"},
		{`signature: {algorithm: hmac-sha256, header: X, strip: a secret}`, "the secret is empty"},
		{`signature: {algorithm: hmac-sha256, header: X, signed: "{ts}{body}"}`, "{ts} is named, but nothing says where the timestamp stands"},
		{`signature: {algorithm: hmac-sha256, header: X, signed: "constant"}`, "nothing of the request is signed"},
		{`signature: {algorithm: hmac-sha256, header: X, prefix: "{body}"}`, "`body` cannot stand in `prefix`"},
		{`signature: {algorithm: hmac-sha256, header: X, prefix: "{var:key}|"}`, "{var:key} is named, but `vars` has no `key`"},
		{`signature: {algorithm: hmac-sha256, header: X, split: ""}`, "`split` is empty"},
		{`signature: {algorithm: hmac-sha256, from: "header:X?"}`, "a signature is never optional"},
		{`signature: {algorithm: hmac-sha256, header: X, encoding: text}`, "a signature of hmac-sha256 is no text"},
		{`signature: {algorithm: digest-sha256, header: X}`, "p.yaml:1:12: error[bad-signature]: a digest without {secret} can be made by anybody"},
		{`signature: {algorithm: digest-sha1, header: X, signed: ["{secret}{body}", "{body}"]}`, "a digest without {secret} can be made by anybody; write {secret} where the provider puts it, such as \"{secret}{body}\"; for an HMAC the algorithm is hmac-sha1"},
		{`signature: {algorithm: ed25519, header: X, signed: "{secret}{body}"}`, "ed25519 has a public key and no {secret}"},
		{`signature: {algorithm: token, header: X, signed: "{body}"}`, "token signs nothing of the request itself; leave it out; `require` compares parts of the request"},
		{`signature: {algorithm: jwt-hs256, header: X, signed: "{body}"}`, "jwt-hs256 signs nothing of the request itself"},
		{`signature: {algorithm: jwt-hs256, header: X, encoding: hex}`, "a JWT is always written in base64url"},
		{`signature: {algorithm: hmac-sha256, header: X, require: {"{claim:sub}": a}}`, "`claim` is named, but no token is verified"},
		{`signature: {algorithm: jwt-hs256, header: X, require: {"a": "b"}}`, "this names nothing of the request, so it is always or never equal"},
		{`signature: {algorithm: jwt-hs256, header: X, require: {"{claim:sub}": [a]}}`, "a template cannot be equal to a list"},
		{`signature: {algorithm: jwt-hs256, header: X, require: text}`, "`require` is a map of up to 8 templates to templates"},
		{`signature: {algorithm: jwt-hs256, header: X, require: {"{ts}": "{claim:a}"}}`, "{ts} is named, but nothing says where the timestamp stands"},
		{`signature: {algorithm: jwt-hs256, header: X, fetch: "https://keys.example.com/jwks", hosts: [keys.example.com]}`, "a key of jwt-hs256 is secret, so it cannot be fetched"},
		{`signature: {algorithm: jwt-rs256, header: X, key: jwks, fetch: "https://keys.example.com/jwks"}`, "`fetch` needs `hosts`: without it a request could name its own key"},
		{`signature: {algorithm: jwt-rs256, header: X, key: jwks, hosts: [keys.example.com]}`, "`hosts` says where keys may be fetched from, but none is"},
		{`signature: {algorithm: jwt-rs256, header: X, key: jwks, fetch: "http://keys.example.com/jwks", hosts: [keys.example.com]}`, "the key could never be fetched: the address is not https"},
		{`signature: {algorithm: jwt-rs256, header: X, key: jwks, fetch: "https://keys.example.org/jwks", hosts: [keys.example.com]}`, "the host of the address is not one of `hosts`"},
		{`signature: [{algorithm: none}, {algorithm: hmac-sha256, header: X}]`, "p.yaml:1:32: error[bad-signature]: this rule would never be tried: the one before it always applies"},
		{`signature: [{algorithm: none}, {algorithm: hmac-sha256, header: X}]`, "`none` among other rules would let every sender do without a signature"},
		{`signature: [{algorithm: hmac-sha256, header: X, when: {method: POST}}, {algorithm: none}]`, "`none` among other rules would let every sender do without a signature"},
		{`signature: [{algorithm: hmac-sha256, header: X, when: {}}, {algorithm: hmac-sha1, header: X}]`, "`when` needs at least one condition"},
		{`signature: []`, "there is no signature rule"},
		{`signature: {algorithm: none, header: X}`, "`algorithm: none` checks nothing"},
		{`signature: {algorithm: none}` + stamped, "a timestamp that nobody signs proves nothing"},
		{"signature: {algorithm: hmac-sha256, header: X}\ntimestamp: {unit: s}", "nothing says where the timestamp stands"},
		{"signature: {algorithm: hmac-sha256, header: X}\ntimestamp: {header: A, from: \"header:B\"}", "`header` and `from` say the same thing"},
		{"signature: {algorithm: hmac-sha256, header: X}\ntimestamp: {header: A, unit: sec}", "p.yaml:2:30: error[bad-signature]: there is no unit \"sec\""},
	}
	for _, test := range tests {
		var out diag.List
		if s := Compile(config(t, test.yaml, "a secret"), &out); s != nil {
			t.Errorf("%s: was compiled, want a finding %q", test.yaml, test.want)
		}
		found := false
		for _, f := range out.Sorted() {
			found = found || strings.Contains(f.String(), test.want)
		}
		if !found {
			t.Errorf("%s: got %v, want %q", test.yaml, out.Sorted(), test.want)
		}
	}
}

func TestASecretIsNeeded(t *testing.T) {
	t.Parallel()
	for _, secrets := range [][]string{nil, {""}, {"good", ""}} {
		var out diag.List
		if s := Compile(config(t, githubScheme, secrets...), &out); s != nil || !out.HasErrors() {
			t.Errorf("secrets %q were accepted", secrets)
		}
	}
	var out diag.List
	c := config(t, standardScheme, "placeholder of a secret")
	if Compile(c, &out) != nil {
		t.Error("a secret that is no base64 was accepted")
	}
	if strings.Contains(out.Sorted()[0].String(), "placeholder of") {
		t.Errorf("a finding quotes the secret: %v", out.Sorted())
	}
	c.Secrets[0].Placeholder = true
	out = diag.List{}
	if Compile(c, &out) == nil {
		t.Errorf("a placeholder was held against the form of a secret: %v", out.Sorted())
	}
}

func TestTheURLMustBeKnown(t *testing.T) {
	t.Parallel()
	c := config(t, squareScheme, "secret")
	c.Scope = nil
	var out diag.List
	if Compile(c, &out) != nil || !strings.Contains(out.Sorted()[0].String(), "the public URL is not known") {
		t.Errorf("got %v, want a finding about the public URL", out.Sorted())
	}
}
