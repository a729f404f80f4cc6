package signature

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/payload"
)

const (
	// maxJWTBytes bounds a token: the largest header that net/http reads by default is not much longer.
	maxJWTBytes = 16 << 10
	// jwtLeeway is how far the clocks of sender and receiver may differ.
	jwtLeeway = time.Minute
)

// jwt is a token taken apart (RFC 7515, compact serialization). Nothing of it is believed before its signature has held.
type jwt struct {
	// input is what is signed, signature the bytes of the signature.
	input     []byte
	signature []byte
	claims    []byte
	// id is the name of the key, "" where the header has none.
	id string
}

// tokenReader finds what counts in a token.
type tokenReader struct {
	alg, crit, kid, exp, nbf, iat payload.Path
}

func newTokenReader() *tokenReader {
	path := func(name string) payload.Path {
		p, _ := payload.ParsePath(name) // a plain name is a path
		return p
	}
	return &tokenReader{path("alg"), path("crit"), path("kid"), path("exp"), path("nbf"), path("iat")}
}

// parse takes a token apart and holds its header against the one algorithm that the rule has: what a token says of itself never
// chooses how it is checked (RFC 8725 section 3.1). Its errors are for the operator and quote at most the header's algorithm.
func (p *tokenReader) parse(text, algorithm string) (*jwt, error) {
	if len(text) > maxJWTBytes {
		return nil, fmt.Errorf("the token is longer than %d bytes", maxJWTBytes)
	}
	parts := strings.SplitN(text, ".", 4)
	if len(parts) != 3 {
		return nil, fmt.Errorf("the token has %d parts, not 3", strings.Count(text, ".")+1)
	}
	var decoded [3][]byte
	for i, name := range []string{"header", "claims", "signature"} {
		var ok bool
		if decoded[i], ok = decodeBase64(base64.RawURLEncoding.Strict(), nil, []byte(parts[i])); !ok {
			return nil, fmt.Errorf("the token's %s is not base64url without padding", name)
		}
	}
	header := decoded[0]
	if err := checkObject(header); err != nil {
		return nil, fmt.Errorf("the token's header is no JSON object: %w", err)
	}
	alg, ok := member(header, p.alg)
	if !ok || alg != algorithm {
		return nil, fmt.Errorf("the token's algorithm is %.20q, not %s", alg, algorithm)
	}
	// A header parameter that must be understood is one that this code does not (RFC 7515 section 4.1.11).
	if raw, found, err := p.crit.Find(header); err != nil || found {
		return nil, fmt.Errorf("the token's header has a `crit` of %d bytes, which is not taken", len(raw))
	}
	if err := checkObject(decoded[1]); err != nil {
		return nil, fmt.Errorf("the token's claims are no JSON object: %w", err)
	}
	id, _ := member(header, p.kid)
	return &jwt{input: []byte(text[:len(parts[0])+1+len(parts[1])]), signature: decoded[2], claims: decoded[1], id: id}, nil
}

func checkObject(body []byte) error {
	if err := payload.Check(body, payload.Limits{Depth: 32, Tokens: 4096}); err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return errForm
	}
	return nil
}

// member gives a string of an object, and says whether it is there and a string.
func member(object []byte, path payload.Path) (string, bool) {
	raw, ok, err := path.Find(object)
	if err != nil || !ok || len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return payload.Text(raw)
}

// checkToken tries the keys that may have signed each token of the list, leaves the claims of the first that held in the env and gives
// its key.
func (s *Scheme) checkToken(ctx context.Context, r *rule, c *call) (*heldKey, *Refusal) {
	keys := r.keys
	if r.remote == nil {
		keys = append(keys[:len(keys):len(keys)], s.learned.keys(r.index)...)
	}
	detail, taken := "", 0
	for _, item := range c.items[:c.env.count] {
		item, ok := r.candidate(item)
		if !ok {
			continue
		}
		if taken++; taken > maxCandidates {
			return nil, &Refusal{Class: InvalidSignature, Detail: "more tokens than are ever tried"}
		}
		t, err := r.tokens.parse(item, r.algorithm.jwt)
		if err != nil {
			detail = err.Error()
			continue
		}
		if n := len(t.signature); n < r.algorithm.min || n > r.algorithm.max {
			detail = fmt.Sprintf("the token's signature has %d bytes, which is no length of %s", n, r.algorithm.jwt)
			continue
		}
		if r.remote != nil {
			if old := r.tokens.judge(t.claims, c.env.req.Now); old != nil {
				if _, held := r.remote.held(c.env.req); !held {
					detail = "the key is not fetched: " + old.Detail
					continue
				}
			}
			var refusal *Refusal
			if keys, refusal = r.remote.keys(ctx, r, &c.env, false); refusal != nil {
				return nil, refusal
			}
			if t.id != "" && len(named(keys, t.id)) == 0 {
				// The key may have been published since; a Fetcher bounds how often it is asked.
				if keys, refusal = r.remote.keys(ctx, r, &c.env, true); refusal != nil {
					return nil, refusal
				}
			}
		}
		chosen := named(keys, t.id)
		if t.id == "" && r.algorithm.family == public {
			chosen = chosen[:min(len(chosen), maxTriedKeys)]
		}
		if len(chosen) == 0 && len(keys) > 0 {
			detail = fmt.Sprintf("no key has the token's `kid` %.60q", t.id)
			continue
		}
		c.sigs = append(c.sigs[:0], t.signature...)
		c.ends[0], c.count = len(c.sigs), 1
		input := &rule{signed: []*Template{{parts: []part{{literal: t.input}}}}}
		c.failed = failure{}
		if held := input.try(chosen, nil, c); held != nil {
			c.env.claims = t.claims
			return held, nil
		}
		detail = c.failed.refusal(len(chosen)).Detail
	}
	if taken == 0 {
		detail = "no token begins with " + strings.Join(r.prefixes, " or ")
	}
	return nil, &Refusal{Class: InvalidSignature, Detail: detail}
}

// named gives the keys that a token with this `kid` may be signed with: those of that name, and those without a name, for a secret or
// a PEM has none. For a token without a name these are all.
func named(keys []heldKey, id string) []heldKey {
	if id == "" {
		return keys
	}
	var out []heldKey
	for _, k := range keys {
		if k.id == "" || k.id == id {
			out = append(out, k)
		}
	}
	return out
}

// judge holds the times of a token (RFC 7519 section 4.1) against the clock.
func (p *tokenReader) judge(claims []byte, now time.Time) *Refusal {
	at := float64(now.UnixNano()) / 1e9
	for _, claim := range []struct {
		path payload.Path
		bad  func(t float64) bool
		says string
	}{
		{p.exp, func(t float64) bool { return at >= t+jwtLeeway.Seconds() }, "the token ended %s ago"},
		{p.nbf, func(t float64) bool { return at < t-jwtLeeway.Seconds() }, "the token begins in %s"},
		{p.iat, func(t float64) bool { return at < t-jwtLeeway.Seconds() }, "the token was issued %s from now"},
	} {
		raw, ok, err := claim.path.Find(claims)
		if err == nil && !ok {
			continue
		}
		t, e := strconv.ParseFloat(string(raw), 64)
		if err != nil || e != nil || math.IsNaN(t) || math.IsInf(t, 0) {
			return &Refusal{Class: InvalidSignature, Detail: "the token's claim " + claim.path.String() + " is no time"}
		}
		if claim.bad(t) {
			off := time.Duration(min(math.Abs(at-t), 1e9) * float64(time.Second)).Round(time.Second)
			return &Refusal{Class: StaleTimestamp, Detail: fmt.Sprintf(claim.says, off)}
		}
	}
	return nil
}
