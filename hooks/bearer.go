package hooks

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Bounds of tokens.
const (
	// tokenMargin is how long before its end a token is fetched anew: longer than a request is under way and clocks differ. A token
	// that lives less than twice as long is used for half its life.
	tokenMargin = 60 * time.Second
	// tokenLife is how long a token is used whose endpoint does not say when it ends; a 401 ends it sooner.
	tokenLife = time.Hour
	// maxTokenBytes is more than any header of that length would pass at common servers (8 and 16 KiB for all headers).
	maxTokenBytes = 16 << 10
	// maxTokens bounds how many grants are kept; the least recently used goes.
	maxTokens = 1024
)

// bearer keeps the tokens of all grants that a Client's requests name. Whoever comes first fetches, those who come meanwhile wait
// for what it gets; there is no goroutine of its own.
type bearer struct {
	mu     sync.Mutex
	clock  uint64
	grants map[[sha256.Size]byte]*grant
}

// grant is one token and, while it is being fetched, the fetching.
type grant struct {
	token  string
	until  time.Time
	used   uint64
	flight *flight
}

// flight is one fetching of a token. Its fields are read after done is closed.
type flight struct {
	done  chan struct{}
	token string
	fault *Error
	// abandoned says that the fetcher's own context ended: nothing is known of the endpoint, so whoever waits may try by itself.
	abandoned bool
}

// get gives the grant's token, and whether it was fetched since the call began: a receiver that refuses such a one does not do so
// for its age. ctx bounds the waiting; parent is the caller's own, of which a cancel is told as such.
func (b *bearer) get(ctx, parent context.Context, digest [sha256.Size]byte, fetch func() (string, time.Duration, *Error)) (token string, fresh bool, fault *Error) {
	for {
		b.mu.Lock()
		g := b.grant(digest)
		if g.token != "" && time.Now().Before(g.until) {
			defer b.mu.Unlock()
			return g.token, false, nil
		}
		f := g.flight
		if f == nil {
			f = &flight{done: make(chan struct{})}
			g.flight = f
			b.mu.Unlock()
			b.fly(ctx, g, f, fetch)
			return f.token, true, f.fault
		}
		b.mu.Unlock()

		select {
		case <-f.done:
			if !f.abandoned {
				return f.token, true, f.fault
			}
		case <-ctx.Done():
			if errors.Is(parent.Err(), context.Canceled) {
				return "", false, canceled(parent, false)
			}
			return "", false, newError(Temporary, CodeTokenUnavailable, "the token endpoint gave no answer within the timeout")
		}
	}
}

// fly fetches and lets those who wait go, also when fetch panics.
func (b *bearer) fly(ctx context.Context, g *grant, f *flight, fetch func() (string, time.Duration, *Error)) {
	f.abandoned = true
	var life time.Duration
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		g.flight = nil
		if f.token != "" {
			g.token, g.until = f.token, time.Now().Add(life)
		}
		close(f.done)
	}()
	f.token, life, f.fault = fetch()
	f.abandoned = f.fault != nil && ctx.Err() != nil
}

// drop forgets a token that a receiver refused, unless another has come meanwhile.
func (b *bearer) drop(digest [sha256.Size]byte, token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g, ok := b.grants[digest]; ok && g.token == token {
		g.token = ""
	}
}

// grant gives the grant, made where there is none. A grant that goes while it is fetched is only not found again.
func (b *bearer) grant(digest [sha256.Size]byte) *grant {
	b.clock++
	g, ok := b.grants[digest]
	if !ok {
		if len(b.grants) >= maxTokens {
			b.forget()
		}
		g = &grant{}
		b.grants[digest] = g
	}
	g.used = b.clock
	return g
}

func (b *bearer) forget() {
	var oldest [sha256.Size]byte
	var found *grant
	for digest, g := range b.grants {
		if found == nil || g.used < found.used {
			oldest, found = digest, g
		}
	}
	delete(b.grants, oldest)
}

// token gives what authorizes a request. The token request passes the same guard and has the same bounds as an attempt; it takes
// from the attempt's time.
func (c *Client) token(ctx, parent context.Context, t *TokenSource) (token string, fresh bool, fault *Error) {
	return c.tokens.get(ctx, parent, t.digest, func() (string, time.Duration, *Error) { return c.fetchToken(ctx, parent, t) })
}

func (c *Client) fetchToken(ctx, parent context.Context, t *TokenSource) (string, time.Duration, *Error) {
	carrier := &tokenCarrier{transport: c.open, userAgent: c.userAgent}
	switch {
	case t.o.Certificate != nil:
		p := c.certified.get(t.o.Certificate)
		carrier.transport = p.Transport
		defer c.settle(p)
	case strings.HasPrefix(strings.ToLower(t.o.TokenURL), "http:") && !t.o.Insecure:
		carrier.transport = c.listed
	}
	config := clientcredentials.Config{
		ClientID: t.o.ClientID, ClientSecret: t.o.ClientSecret, TokenURL: t.o.TokenURL, Scopes: t.o.Scopes,
		EndpointParams: make(url.Values, len(t.o.Params)+1), AuthStyle: oauth2.AuthStyleInHeader,
	}
	if t.o.Style == TokenBody {
		config.AuthStyle = oauth2.AuthStyleInParams
	}
	for name, value := range t.o.Params {
		config.EndpointParams.Set(name, value)
	}
	if t.o.Audience != "" {
		config.EndpointParams.Set("audience", t.o.Audience)
	}

	var progress progress
	client := &http.Client{Transport: carrier, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	traced := httptrace.WithClientTrace(ctx, progress.trace())
	answer, err := config.Token(context.WithValue(traced, oauth2.HTTPClient, client)) //nolint:forbidigo // the library takes its client in no other way
	if err != nil {
		return "", 0, tokenFault(parent, err, carrier, &progress)
	}
	if kind := answer.TokenType; kind != "" && !strings.EqualFold(kind, "bearer") {
		return "", 0, newError(Temporary, CodeTokenUnavailable, "the token endpoint gave a token that is no bearer token")
	}
	if len(answer.AccessToken) > maxTokenBytes || !validHeaderValue(answer.AccessToken) || strings.ContainsAny(answer.AccessToken, " \t") {
		return "", 0, newError(Temporary, CodeTokenUnavailable, "the token endpoint gave a token that cannot be sent")
	}
	life := tokenLife
	if !answer.Expiry.IsZero() {
		life = time.Until(answer.Expiry)
		life = max(life-tokenMargin, life/2)
	}
	return answer.AccessToken, life, nil
}

// tokenFault turns what the library says, which quotes the URL and the endpoint's answer, into fixed words.
func tokenFault(parent context.Context, err error, carrier *tokenCarrier, p *progress) *Error {
	var refused *oauth2.RetrieveError
	switch {
	case carrier.tooLong:
		return newError(Temporary, CodeTokenUnavailable, "the token endpoint's answer is longer than 64 KiB")
	case errors.As(err, &refused):
		switch {
		case carrier.status == http.StatusBadRequest, carrier.status == http.StatusUnauthorized, carrier.status == http.StatusForbidden, carrier.status < 300:
			e := newError(Temporary, CodeTokenRefused, "the token endpoint refuses the client or what it asks for")
			if word := grantError(refused.ErrorCode); word != "" {
				e.Message += ": " + word
			}
			return e
		}
		e := newError(Temporary, CodeTokenUnavailable, "the token endpoint gave no token")
		e.Wait = carrier.wait
		return e
	case carrier.status != 0:
		return newError(Temporary, CodeTokenUnavailable, "the token endpoint's answer holds no token that can be read")
	}
	switch e := classify(parent, err, p); e.Code {
	case CodeCanceled:
		e.Class = Temporary // the receiver has seen nothing yet
		return e
	case CodeRefusedByEgress, CodeInsecureURL:
		e.Message = "token endpoint: " + e.Message
		return e
	case CodeDNS:
		return newError(Temporary, CodeTokenUnavailable, "the name of the token endpoint's host did not resolve")
	case CodeTLS, CodeCertificate:
		return newError(Temporary, CodeTokenUnavailable, "no TLS session with the token endpoint")
	case CodeTimeout:
		return newError(Temporary, CodeTokenUnavailable, "the token endpoint gave no answer within the timeout")
	default:
		return newError(Temporary, CodeTokenUnavailable, "no answer from the token endpoint")
	}
}

// grantError gives an error code of RFC 6749, section 5.2, and "" for all others: an answer's own words are not repeated.
func grantError(code string) string {
	switch code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		return code
	}
	return ""
}

// tokenCarrier carries one token request and bounds its answer.
type tokenCarrier struct {
	transport *http.Transport
	userAgent string

	status  int
	wait    time.Duration
	tooLong bool
}

// RoundTrip sends the request as it is, with headers that the library does not set.
func (t *tokenCarrier) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", t.userAgent)
	r.Header.Set("Accept", "application/json")
	resp, err := t.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	t.status, t.wait = resp.StatusCode, retryAfter(resp.Header.Get("Retry-After"), time.Now())
	resp.Body = &bounded{body: resp.Body, left: MaxAnswerBytes, tooLong: &t.tooLong}
	return resp, nil
}

// errTooLong ends the reading of a token endpoint's answer.
var errTooLong = errors.New("the answer is too long")

// bounded gives errTooLong once more than left bytes were there to read.
type bounded struct {
	body    io.ReadCloser
	left    int
	tooLong *bool
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.body.Read(p[:min(len(p), b.left+1)])
	if n > b.left {
		*b.tooLong = true
		return b.left, errTooLong
	}
	b.left -= n
	return n, err
}

func (b *bounded) Close() error { return b.body.Close() }
