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
		{`signature: {algorithm: ed25519, header: X}`, "the algorithms are hmac-sha256, hmac-sha1, hmac-sha512, none"},
		{`signature: {header: X}`, "p.yaml:1:12: error[bad-signature]: the rule has no `algorithm`"},
		{`signature: {algorithm: hmac-sha256}`, "nothing says where the signature stands"},
		{`signature: {algorithm: hmac-sha256, header: X, from: "header:Y"}`, "p.yaml:1:54: error[bad-signature]: `header` and `from` say the same thing"},
		{`signature: {algorithm: hmac-sha256, header: "X Y"}`, "p.yaml:1:46: error[bad-template]: ' ' cannot stand in a header name"},
		{`signature: {algorithm: hmac-sha256, from: "{header:X}"}`, "write it without braces: header:X"},
		{`signature: {algorithm: hmac-sha256, from: "headr:X"}`, "p.yaml:1:44: error[unknown-source]: there is no source \"headr\"; did you mean `header`?"},
		{`signature: {algorithm: hmac-sha256, from: "header:X|hex"}`, "neither `??`, `|` nor `?` can stand here"},
		{`signature: {algorithm: hmac-sha256, from: "body"}`, "`body` cannot stand here"},
		{`signature: {algorithm: hmac-sha256, from: "sig:0"}`, "`sig` is a part of the signature list"},
		{`signature: {algorithm: hmac-sha256, from: []}`, "`from` needs between 1 and 8 entries"},
		{`signature: {algorithm: hmac-sha256, header: X, encoding: hexa}`, "there is no encoding \"hexa\"; did you mean `hex`?"},
		{`signature: {algorithm: hmac-sha256, header: X, encoding: [hex, hex]}`, "hex is written twice"},
		{`signature: {algorithm: hmac-sha256, header: X, key: pem}`, "there is no key form \"pem\""},
		{`signature: {algorithm: hmac-sha256, header: X, key: hex}`, "the secret is not hexadecimal"},
		{`signature: {algorithm: hmac-sha256, header: X, strip: a secret}`, "the secret is empty"},
		{`signature: {algorithm: hmac-sha256, header: X, signed: "{ts}{body}"}`, "{ts} is named, but nothing says where the timestamp stands"},
		{`signature: {algorithm: hmac-sha256, header: X, signed: "constant"}`, "nothing of the request is signed"},
		{`signature: {algorithm: hmac-sha256, header: X, prefix: "{body}"}`, "a prefix is literal text"},
		{`signature: {algorithm: hmac-sha256, header: X, prefix: "{var:key}|"}`, "there is no source \"var\""},
		{`signature: [{algorithm: none}, {algorithm: hmac-sha256, header: X}]`, "p.yaml:1:32: error[bad-signature]: this rule would never be tried"},
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
	c.URL = false
	var out diag.List
	if Compile(c, &out) != nil || !strings.Contains(out.Sorted()[0].String(), "the public URL is not known") {
		t.Errorf("got %v, want a finding about the public URL", out.Sorted())
	}
}
