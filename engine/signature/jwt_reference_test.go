package signature

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestAnSDKsReferenceTokensAreJudgedAsItJudgesThem runs the 44 reference tokens of MessageBird's SDKs (webhook-signature-jwt-reference.json).
// All that they call invalid is refused. Of those that they call valid two kinds are refused on purpose: tokens of another algorithm
// than the rule's, and tokens that bind no body, for a webhook without one is no event.
func TestAnSDKsReferenceTokensAreJudgedAsItJudgesThem(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/jwt-reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Method, Secret, URL, Token, Reason string
		Payload                                  string
		Timestamp                                time.Time
		Valid                                    bool
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for _, c := range cases {
		secret := c.Secret
		if secret == "" {
			secret = "a secret, for the token has none"
		}
		s := scheme(t, `signature:
  algorithm: jwt-hs256
  header: MessageBird-Signature-JWT
  require: {"{claim:iss}": MessageBird, "{claim:url_hash}": "{url|sha256|hex}", "{claim:payload_hash}": "{body|sha256|hex}"}`, secret)
		r := request(c.Payload)
		r.Method, r.URL, r.Now = c.Method, c.URL, c.Timestamp
		r.Header = http.Header{"Messagebird-Signature-Jwt": {c.Token}}
		_, refusal := s.Verify(t.Context(), r)
		want := c.Valid && c.Payload != "" && !strings.HasPrefix(c.Name, "HS")
		if got := refusal == nil; got != want {
			t.Errorf("%s: got accepted %t (%+v), want %t", c.Name, got, refusal, want)
		}
		if refusal == nil {
			accepted++
		}
	}
	if len(cases) != 44 || accepted != 10 {
		t.Errorf("got %d cases of which %d are accepted, want 44 and 10", len(cases), accepted)
	}
}
