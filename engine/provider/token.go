package provider

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/headgate/headgate/engine/diag"
)

// minTokenBytes is what a path token has at least: 16 characters of base 64 are 96 bits, which nobody guesses. minTokenLetters is how
// many of its characters differ at least; fewer are somebody's placeholder.
const (
	minTokenBytes   = 16
	maxTokenBytes   = 200
	minTokenLetters = 6
)

// token is the secret part of an address. What is kept for comparing is its hash, so that not even its length shows in the time that
// a comparison takes.
type token struct {
	text string
	sum  [sha256.Size]byte
}

func newToken(text string) *token { return &token{text: text, sum: sha256.Sum256([]byte(text))} }

func (t *token) is(text string) bool {
	sum := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1
}

// pathToken reads `path_token`.
func (c *compiler) pathToken() {
	if !c.v.Has("path_token") || !c.v.Good("path_token") {
		return
	}
	t := c.v.Text("path_token")
	for _, part := range t.Parts() {
		if part.Placeholder {
			c.p.token = newToken(t.Reveal())
			return
		}
	}
	text, span := t.Reveal(), c.v.Span("path_token")
	letters := map[byte]bool{}
	for i := range len(text) {
		letters[text[i]] = true
		if !isTokenByte(text[i]) {
			c.out.Errorf(diag.BadValue, span, "letters, digits, `-`, `_`, `.` and `~` are what an address takes as it is",
				"`path_token` holds a character that would have to be escaped in an address")
			return
		}
	}
	const make32 = "make one with `openssl rand -hex 16`"
	switch {
	case len(text) < minTokenBytes:
		c.out.Errorf(diag.WeakToken, span, make32, "`path_token` has fewer than %d characters, so it could be guessed", minTokenBytes)
	case len(text) > maxTokenBytes:
		c.out.Errorf(diag.BadValue, span, "", "`path_token` has more than %d characters", maxTokenBytes)
	case len(letters) < minTokenLetters:
		c.out.Warnf(diag.WeakToken, span, make32, "`path_token` consists of %d different characters, so it could be guessed", len(letters))
	}
	c.p.token = newToken(text)
}

// isTokenByte says whether a byte stands for itself in the path of a URL (RFC 3986, unreserved).
func isTokenByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '.' || b == '~'
}
