package signature

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/headgate/headgate/engine/payload"
)

// tokenLife is how long a token is good that Sign makes.
const tokenLife = 5 * time.Minute

// startClaims begins a token with the claims that the caller has, and the times and the id that every token should have.
func (g *signer) startClaims() {
	if g.rule.algorithm.jwt == "" {
		return
	}
	g.claims = g.r.Claims
	if checkObject(g.claims) != nil {
		g.claims = []byte("{}")
	}
	seconds := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	for _, claim := range [][2]string{{"iat", seconds(g.r.Now)}, {"exp", seconds(g.r.Now.Add(tokenLife))}, {"jti", `"` + rand.Text() + `"`}} {
		if claims, ok := setJSON(g.claims, claim[0], []byte(claim[1])); ok {
			g.claims = claims
		}
	}
	g.env.claims = g.claims
}

// token signs the claims.
func (g *signer) token(held *heldKey) (string, error) {
	header := `{"alg":"` + g.rule.algorithm.jwt + `","typ":"JWT"`
	if held.id != "" {
		id, err := payload.Encode(held.id)
		if err != nil {
			return "", fmt.Errorf("naming the key: %w", err)
		}
		header += `,"kid":` + string(id)
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(header+"}")) + "." + encode(g.claims)
	sum, err := held.checker.sign(nil, &Template{parts: []part{{literal: []byte(input)}}}, &g.env)
	if err != nil {
		return "", fmt.Errorf("signing the token: %w", err)
	}
	return input + "." + encode(sum), nil
}
