package provider

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
)

// ErrNoHandshake is what SignHandshake wraps for a handshake that the provider does not declare, or that carries no example.
var ErrNoHandshake = errors.New("there is no such handshake")

var (
	errNoSecret = errors.New("the secret is empty")
	errNotWhen  = errors.New("the example is not what `when` asks for")
)

// SignHandshake makes the request that the provider sends for a handshake, of its `example`; name is one of Handshakes, or its number.
// It is signed at that time where the handshake is answered to genuine requests only. The error wraps ErrNoHandshake, or says what
// cannot be made.
func (p *Provider) SignHandshake(name string, now time.Time) (Signed, error) {
	i := slices.Index(p.Handshakes(), name)
	if i < 0 {
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 || n >= len(p.challenges) {
			if len(p.challenges) == 0 {
				return Signed{}, fmt.Errorf("provider %q asks for none: %w", p.name, ErrNoHandshake)
			}
			return Signed{}, fmt.Errorf("handshake %q of provider %q, which has %s: %w", name, p.name, strings.Join(p.Handshakes(), ", "), ErrNoHandshake)
		}
		i = n
	}
	c := &p.challenges[i]
	if c.example == nil {
		return Signed{}, fmt.Errorf("handshake %q of provider %q carries no example: %w", c.name, p.name, ErrNoHandshake)
	}
	r, err := p.handshakeRequest(c)
	if err != nil {
		return Signed{}, fmt.Errorf("making handshake %q: %w", c.name, err)
	}
	r.Now = now
	if c.genuine(r.Method) {
		if err := p.sign(r, -1); err != nil {
			return Signed{}, fmt.Errorf("making handshake %q: %w", c.name, err)
		}
	}
	return p.signed(r), nil
}

// handshakeRequest makes a handshake's example into a request that is not signed yet.
func (p *Provider) handshakeRequest(c *challenge) (*Request, error) {
	e := c.example
	r := p.emptyRequest()
	r.Header, r.Body = e.header.Clone(), bytes.Clone(e.body)
	if r.Method = e.method; r.Method == "" {
		r.Method = c.methods[0]
	}
	if len(e.body) > 0 && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", contentType(p.formatOfText(e.body)))
	}
	if e.query != "" {
		r.Query = e.query
		r.PathQuery += "?" + e.query
		if r.URL != "" {
			r.URL += "?" + e.query
		}
	}
	p.unpack(r)
	if !c.when.Apply(&r.Request) || !slices.Contains(c.methods, r.Method) {
		return nil, errNotWhen
	}
	return r, nil
}

// checkHandshake holds the example of a handshake against what the manifest says of it.
func (c *compiler) checkHandshake(ch *challenge) {
	if ch.example == nil || c.p.scheme == nil {
		return
	}
	r, err := c.p.handshakeRequest(ch)
	if err == nil && !ch.reply.uses("claim") && !c.p.sourceClaims {
		_, err = ch.reply.render(&r.Request, c.p.scheme.Key())
		if len(c.p.scheme.Key()) == 0 {
			err = nil // a key that is not known yet: keyed functions have nothing to give
		}
	}
	if err != nil {
		c.out.Errorf(diag.BadExample, ch.example.node.Span, "", "the example of handshake %q: %s", ch.name, err)
	}
}
