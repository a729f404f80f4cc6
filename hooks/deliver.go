package hooks

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// MaxRetryAfter bounds what a receiver may ask for.
const MaxRetryAfter = 24 * time.Hour

// Deliver makes exactly one attempt. The error is nil where the answer was a 2xx read whole (or up to MaxAnswerBytes), else an
// *Error; the Attempt says in both cases what is known. When ctx ends before the answer, the error has CodeCanceled and
// errors.Is finds the cause of ctx.
func (c *Client) Deliver(ctx context.Context, r Request) (Attempt, error) {
	attempt := Attempt{Started: c.now()}
	if err := c.deliver(ctx, r, &attempt); err != nil {
		return attempt, err
	}
	return attempt, nil
}

func (c *Client) deliver(parent context.Context, r Request, attempt *Attempt) *Error {
	start := time.Now()
	defer func() { attempt.Took = time.Since(start) }()
	if c.closed.Load() {
		return newError(Temporary, CodeClientClosed, "the client was closed, its rules have changed")
	}
	ctx, cancel := context.WithTimeout(parent, r.timeout())
	defer cancel()
	resp, fault := c.send(ctx, parent, r, attempt)
	if fault != nil || attempt.NotSent {
		return fault
	}
	defer func() { _ = resp.Body.Close() }()
	attempt.Wrote = true // an answer came, so the request had arrived
	attempt.Status = resp.StatusCode
	attempt.Header = keptHeader(resp.Header)

	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswerBytes+1))
	if len(body) > MaxAnswerBytes {
		body, attempt.Cut = body[:MaxAnswerBytes], true
	}
	attempt.Body = body
	switch class := Classify(resp.StatusCode); {
	case class != OK:
		return answered(class, resp.StatusCode, retryAfter(resp.Header.Get("Retry-After"), c.now()))
	case err != nil && parent.Err() != nil:
		return canceled(parent, true)
	case err != nil:
		return newError(Unknown, CodeAnswerNotRead, "the receiver accepted the request, but its answer could not be read to the end")
	}
	return nil
}

// send sends the request and gives the beginning of its answer. A receiver that refuses a token which we had kept is asked once more
// with a new one: it says of itself that it has not acted on the request, and without this every withdrawn token would be a failed
// attempt of all that use it.
func (c *Client) send(ctx, parent context.Context, r Request, attempt *Attempt) (*http.Response, *Error) {
	for again := false; ; again = true {
		req, transport, certified, fault := c.build(r)
		if fault != nil {
			return nil, fault
		}
		if c.logOnly {
			c.logger.LogAttrs(parent, slog.LevelInfo, "hook not sent", slog.String("request", r.Line), slog.Int("bytes", len(r.Body)))
			attempt.Status, attempt.NotSent = http.StatusOK, true
			return nil, nil
		}
		var token string
		var fresh bool
		if r.Token != nil {
			if token, fresh, fault = c.token(ctx, parent, r.Token); fault != nil {
				return nil, fault
			}
			req.Header.Set("Authorization", "Bearer "+token)
			attempt.token = token // the answer is the latest request's
		}

		// The transport is called without an http.Client: no redirects, no cookies, and no error that quotes the URL.
		var progress progress
		resp, err := transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, progress.trace())))
		attempt.Wrote = attempt.Wrote || progress.wrote.Load()
		if err != nil {
			c.settle(certified)
			return nil, classify(parent, err, &progress)
		}
		resp.Body = &settling{ReadCloser: resp.Body, settle: func() { c.settle(certified) }}
		if r.Token == nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, nil
		}
		c.tokens.drop(r.Token.digest, token)
		if fresh || again {
			return resp, nil
		}
		_, _ = io.CopyN(io.Discard, resp.Body, MaxAnswerBytes) // so that the connection can be used again
		_ = resp.Body.Close()
	}
}

// settling is an answer's body that says when the attempt has left its connection.
type settling struct {
	io.ReadCloser
	settle func()
}

// Close closes the body, then settles.
func (s *settling) Close() error {
	err := s.ReadCloser.Close()
	s.settle()
	return err
}

// progress hears from the transport how far an attempt came. The transport calls from goroutines of its own.
type progress struct{ wrote, tlsFailed atomic.Bool }

func (p *progress) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				p.wrote.Store(true)
			}
		},
		TLSHandshakeDone: tlsDone(&p.tlsFailed),
	}
}

func keptHeader(h http.Header) http.Header {
	kept := make(http.Header)
	for _, name := range []string{"Content-Type", "Retry-After"} {
		if v := h.Get(name); v != "" {
			kept.Set(name, v)
		}
	}
	return kept
}

// retryAfter reads a Retry-After header, seconds or an HTTP date, and holds it between 0 and MaxRetryAfter; 0 where it says
// nothing readable.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 32)
		if err != nil { // more digits than fit
			return MaxRetryAfter
		}
		return min(time.Duration(seconds)*time.Second, MaxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}
