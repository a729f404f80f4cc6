package signature

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

func b64url(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// hs256 makes a token by hand.
func hs256(secret, header, claims string) string {
	input := b64url(header) + "." + b64url(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(macOf(sha256New, secret, input))
}

const plainHeader = `{"alg":"HS256","typ":"JWT"}`

func TestTokensOfOneAlgorithmOnly(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature: {algorithm: jwt-hs256, header: Authorization, prefix: ["Bearer ", "JWT "]}`, "a secret")
	good := hs256("a secret", plainHeader, `{"sub":"x"}`)
	parts := strings.Split(good, ".")
	for token, want := range map[string]string{
		good: "ok",
		hs256("a secret", `{"alg":"HS256"}`, `{}`):                                  "ok",
		hs256("another", plainHeader, `{}`):                                         "no signature matches",
		hs256("a secret", `{"alg":"none"}`, `{}`):                                   `the token's algorithm is "none", not HS256`,
		hs256("a secret", `{"alg":"hs256"}`, `{}`):                                  `the token's algorithm is "hs256", not HS256`,
		hs256("a secret", `{"alg":"RS256"}`, `{}`):                                  `the token's algorithm is "RS256", not HS256`,
		hs256("a secret", `{"ALG":"HS256"}`, `{}`):                                  `the token's algorithm is "", not HS256`,
		hs256("a secret", `{"alg":["HS256"]}`, `{}`):                                `the token's algorithm is "", not HS256`,
		hs256("a secret", `{"alg":"HS256","alg":"HS256"}`, `{}`):                    "the token's header is no JSON object",
		hs256("a secret", `{"alg":"HS256","crit":["b64"],"b64":false}`, `{}`):       "the token's header has a `crit`",
		hs256("a secret", `{"alg":"HS256","crit":null}`, `{}`):                      "the token's header has a `crit`",
		hs256("a secret", `["alg"]`, `{}`):                                          "the token's header is no JSON object",
		hs256("a secret", plainHeader, `[]`):                                        "the token's claims are no JSON object",
		hs256("a secret", plainHeader, `{"a":1,"a":2}`):                             "the token's claims are no JSON object",
		hs256("a secret", plainHeader, `{"a":`):                                     "the token's claims are no JSON object",
		parts[0] + "." + parts[1] + ".":                                             "the token's signature has 0 bytes",
		parts[0] + "." + parts[1]:                                                   "the token has 2 parts, not 3",
		good + ".":                                                                  "the token has 4 parts, not 3",
		good + "=":                                                                  "the token's signature is not base64url without padding",
		parts[0] + "." + parts[1] + "=." + parts[2]:                                 "the token's claims is not base64url without padding",
		"." + parts[1] + "." + parts[2]:                                             "the token's header is no JSON object",
		parts[0] + "." + b64url(`{"sub":"y"}`) + "." + parts[2]:                     "no signature matches",
		hs256("a secret", plainHeader, `{"pad":"`+strings.Repeat("x", 13_000)+`"}`): "the token is longer than 16384 bytes",
	} {
		got := detail(t, s, request("{}", "Authorization", "Bearer "+token))
		if got != want && (want == "ok" || !strings.HasPrefix(got, "invalid_signature: "+want)) {
			t.Errorf("%.120s: got %s, want %s", token, got, want)
		}
	}
	if got := class(s, request("{}", "Authorization", "JWT "+good)); got != "ok" {
		t.Errorf("the other prefix: got %s, want ok", got)
	}
	if got := detail(t, s, request("{}", "Authorization", "Basic "+good)); got != "invalid_signature: no token begins with Bearer  or JWT " {
		t.Errorf("without the prefix: got %s", got)
	}
}

func TestTheTimesOfATokenCount(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature: {algorithm: jwt-hs256, header: Authorization}`, "a secret")
	at := now.Unix()
	for claims, want := range map[string]string{
		`{}`:                                  "ok",
		fmt.Sprintf(`{"exp":%d}`, at+1):       "ok",
		fmt.Sprintf(`{"exp":%d}`, at-59):      "ok",
		fmt.Sprintf(`{"exp":%d}`, at-60):      "stale_timestamp: the token ended 1m0s ago",
		fmt.Sprintf(`{"exp":%d.5}`, at-3600):  "stale_timestamp: the token ended 1h0m0s ago",
		fmt.Sprintf(`{"nbf":%d}`, at+59):      "ok",
		fmt.Sprintf(`{"nbf":%d}`, at+61):      "stale_timestamp: the token begins in 1m1s",
		fmt.Sprintf(`{"iat":%d}`, at+61):      "stale_timestamp: the token was issued 1m1s from now",
		fmt.Sprintf(`{"iat":%d}`, at-1e9):     "ok",
		`{"exp":1e300}`:                       "ok",
		`{"exp":-1e300}`:                      "stale_timestamp: the token ended 277777h46m40s ago",
		`{"exp":1e999}`:                       "invalid_signature: the token's claim exp is no time",
		fmt.Sprintf(`{"exp":"%d"}`, at+100):   "invalid_signature: the token's claim exp is no time",
		`{"exp":null}`:                        "invalid_signature: the token's claim exp is no time",
		`{"nbf":{}}`:                          "invalid_signature: the token's claim nbf is no time",
		fmt.Sprintf(`{"exp":%d,"nbf":1}`, at): "ok",
	} {
		if got := detail(t, s, request("{}", "Authorization", hs256("a secret", plainHeader, claims))); got != want {
			t.Errorf("%s: got %s, want %s", claims, got, want)
		}
		if got := class(s, request("{}", "Authorization", hs256("wrong", plainHeader, claims))); got != "invalid_signature" {
			t.Errorf("%s with another secret: got %s, want invalid_signature", claims, got)
		}
	}
}

func TestClaimsAreHandedOutAndRequired(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature: {algorithm: jwt-hs256, header: X-Webhook-Signature, require: {"{claim:iss}": netlify, "{claim:sha256}": "{body|sha256|hex}"}}`, "a secret")
	body := `{"id":1}`
	claims := fmt.Sprintf(`{"iss":"netlify","sha256":"%x"}`, sumOf(sha256New, []byte(body)))
	r := request(body, "X-Webhook-Signature", hs256("a secret", plainHeader, claims))
	m, refusal := s.Verify(t.Context(), r)
	if refusal != nil || string(m.Claims) != claims {
		t.Errorf("got %+v %+v, want the claims %s", m, refusal, claims)
	}
	if r.Claims != nil {
		t.Error("Verify has changed the request")
	}
	r.Claims = []byte(claims) // what somebody says of himself does not count
	r.Header.Set("X-Webhook-Signature", hs256("a secret", plainHeader, `{"iss":"netlify"}`))
	if got := detail(t, s, r); got != "invalid_signature: `require`: claim:sha256 is missing" {
		t.Errorf("without the claim: got %s", got)
	}
	r.Header.Set("X-Webhook-Signature", hs256("a secret", plainHeader, strings.Replace(claims, "netlify", "me", 1)))
	if got := detail(t, s, r); got != "invalid_signature: the signature holds, but `require` does not: {claim:iss} is not netlify" {
		t.Errorf("another issuer: got %s", got)
	}
}

func TestTheKeyOfATokenIsChosenByItsName(t *testing.T) {
	t.Parallel()
	k := madeKeys()
	token := func(id string) string {
		s := scheme(t, `signature: {algorithm: jwt-es256, header: Authorization}`, privatePEM(k.ecdsa))
		s.rules[0].keys[0].id = id
		r := request("{}")
		if err := s.Sign(r); err != nil {
			t.Fatal(err)
		}
		return r.Header.Get("Authorization")
	}
	others := func(n int) (out []map[string]any) {
		for i := range n {
			other := webKeyOf(mustECDSA(), fmt.Sprintf("other-%d", i))
			out = append(out, other)
		}
		return out
	}
	mine := webKeyOf(k.ecdsa, "mine")
	for _, test := range []struct {
		name, id string
		keys     []map[string]any
		want     string
	}{
		{"the named one", "mine", append(others(3), mine), "ok"},
		{"no such name", "theirs", append(others(3), mine), `invalid_signature: no key has the token's ` + "`kid`" + ` "theirs"`},
		{"the name of another", "other-1", append(others(3), mine), "invalid_signature: no signature matches"},
		{"no name, among a few", "", append(others(3), mine), "ok"},
		{"no name, as the eighth", "", append(others(7), mine), "ok"},
		{"no name, as the ninth", "", append(others(8), mine), "invalid_signature: no signature matches"},
		{"a key without a name", "mine", append(others(3), webKeyOf(k.ecdsa, "")), "ok"},
		{"a key for encryption", "mine", []map[string]any{others(1)[0], {"kty": "EC", "crv": "P-256", "use": "enc", "kid": "mine", "x": mine["x"], "y": mine["y"]}}, `invalid_signature: no key has the token's ` + "`kid`" + ` "mine"`},
		{"a key for another algorithm", "mine", []map[string]any{others(1)[0], {"kty": "EC", "crv": "P-256", "alg": "ES384", "kid": "mine", "x": mine["x"], "y": mine["y"]}}, `invalid_signature: no key has the token's ` + "`kid`" + ` "mine"`},
	} {
		s := scheme(t, `signature: {algorithm: jwt-es256, header: Authorization, key: jwks}`, jwksOf(test.keys...))
		if got := detail(t, s, request("{}", "Authorization", token(test.id))); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestATokenInTheBodyIsTheBody(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature: {algorithm: jwt-rs256, from: json}`, privatePEM(madeKeys().rsa))
	r := request("")
	r.Claims = []byte(`{"data":"{\"instanceId\":1}"}`)
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	m, refusal := s.Verify(t.Context(), r)
	if refusal != nil || !strings.Contains(string(m.Claims), `"data":"{\"instanceId\":1}"`) || !strings.Contains(string(m.Claims), fmt.Sprintf(`"exp":%d`, now.Add(5*time.Minute).Unix())) {
		t.Errorf("got %s %+v, want the claims with times", m.Claims, refusal)
	}
}

// A service may send nothing but a token, in which the event stands: Wix does.
func TestABodyMayBeATokenItself(t *testing.T) {
	t.Parallel()
	s := scheme(t, "signature: {algorithm: jwt-hs256, from: body}", "a secret of the operator")
	r := request(hs256("a secret of the operator", `{"alg":"HS256"}`, `{"data":"{\"id\":1}"}`))
	match, refusal := s.Verify(t.Context(), r)
	if refusal != nil || string(match.Claims) != `{"data":"{\"id\":1}"}` {
		t.Fatalf("got claims %s, refusal %+v, want them and none", match.Claims, refusal)
	}
	r.Body = append(r.Body[:len(r.Body)-8], "AAAAAAAA"...)
	if _, refusal := s.Verify(t.Context(), r); refusal == nil {
		t.Error("another signature: got it accepted, want it refused")
	}
}
