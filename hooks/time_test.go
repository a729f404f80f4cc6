package hooks

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/hooks/hookstest"
)

// pipeClient is a client whose every connection leads to the receiver, over pipes.
func pipeClient(t *testing.T, r *hookstest.Receiver) *Client {
	t.Helper()
	return newClient(t, Options{Dial: r.Dial})
}

// script answers every connection by hand: read gives the request, then f writes what it likes.
func script(t *testing.T, f func(conn net.Conn)) *Client {
	t.Helper()
	dial := func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer func() { _ = server.Close() }()
			if req, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				f(server)
			}
		}()
		return client, nil
	}
	return newClient(t, Options{Dial: dial})
}

func TestAReceiverThatNeverAnswersIsLeftAfterTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := hookstest.New(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		att, err := pipeClient(t, r).Deliver(t.Context(), Request{URL: "http://x.example/a", Insecure: true, Body: []byte("x")})
		e := failure(t, err)
		if att.Took != headerTimeout || e.Code != CodeTimeout || e.Class != Unknown || !att.Wrote {
			t.Errorf("got %v (%v) after %v, wrote = %v, want an unknown timeout after %v", e, e.Class, att.Took, att.Wrote, headerTimeout)
		}
	})
}

func TestTheWholeAttemptEndsWithItsTimeout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ set, want time.Duration }{
		{0, 30 * time.Second},
		{time.Second, time.Second},
		{7 * time.Second, 7 * time.Second},
		{60 * time.Second, 60 * time.Second},
		{time.Millisecond, time.Second},
		{-time.Second, time.Second},
		{time.Hour, 60 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			// One byte a second: every single wait is short.
			r := hookstest.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ticker := time.NewTicker(time.Second)
				defer ticker.Stop()
				for {
					_, _ = io.WriteString(w, "a")
					_ = http.NewResponseController(w).Flush()
					select {
					case <-ticker.C:
					case <-r.Context().Done():
						return
					}
				}
			}))
			att, err := pipeClient(t, r).Deliver(t.Context(), Request{URL: "http://x.example", Insecure: true, Timeout: c.set})
			e := failure(t, err)
			if att.Took != c.want {
				t.Errorf("timeout %v: the attempt took %v, want %v", c.set, att.Took, c.want)
			}
			if e.Code != CodeAnswerNotRead || e.Class != Unknown || att.Status != 200 {
				t.Errorf("timeout %v: got %v (%v), status %d, want an unknown %s", c.set, e, e.Class, att.Status, CodeAnswerNotRead)
			}
		})
	}
}

func TestHeadersThatDripAreLeftAfterTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		left := make(chan struct{})
		c := script(t, func(c net.Conn) {
			defer close(left)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Slow: ")
			for {
				if _, err := io.WriteString(c, "a"); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		})
		att, err := c.Deliver(t.Context(), Request{URL: "http://x.example", Insecure: true})
		if e := failure(t, err); e.Code != CodeTimeout || e.Class != Unknown || att.Took != headerTimeout {
			t.Errorf("got %v (%v) after %v, want an unknown %s after %v", e, e.Class, att.Took, CodeTimeout, headerTimeout)
		}
		<-left
	})
}

func TestADialThatHangsIsTemporary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Options{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
		}})
		att, err := c.Deliver(t.Context(), Request{URL: "https://x.example", Timeout: 2 * time.Second})
		if e := failure(t, err); e.Class != Temporary || att.Wrote || att.Took != 2*time.Second {
			t.Errorf("got %v (%v) after %v, want a temporary failure after 2s", e, e.Class, att.Took)
		}
	})
}

func TestATLSHandshakeThatHangsIsLeftAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				_, _ = io.Copy(io.Discard, server) // hears the hello and says nothing
				_ = server.Close()
			}()
			return client, nil
		}})
		att, err := c.Deliver(t.Context(), Request{URL: "https://x.example"})
		if e := failure(t, err); e.Code != CodeTLS || e.Class != Temporary || att.Took != tlsTimeout {
			t.Errorf("got %v (%v) after %v, want a temporary %s after %v", e, e.Class, att.Took, CodeTLS, tlsTimeout)
		}
	})
}

func TestWhatComesBackBrokenAfterTheRequestWasWrittenIsUnknown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(net.Conn)
		code   string
		status int
	}{
		"nothing":         {func(net.Conn) {}, CodeReset, 0},
		"half a status":   {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 20") }, CodeBadAnswer, 0},
		"no HTTP":         {func(c net.Conn) { _, _ = io.WriteString(c, "220 mail.example ESMTP\r\n\r\n") }, CodeBadAnswer, 0},
		"a cut body":      {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") }, CodeAnswerNotRead, 200},
		"endless headers": {endlessHeaders, CodeBadAnswer, 0},
		"endless hints": {func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"); err != nil {
					return
				}
			}
		}, CodeBadAnswer, 0},
	} {
		att, err := script(t, c.answer).Deliver(t.Context(), Request{URL: "http://x.example", Insecure: true, Body: []byte("x")})
		e := failure(t, err)
		if e.Code != c.code || e.Class != Unknown || !att.Wrote || att.Status != c.status || !e.Temporary() {
			t.Errorf("%s: got %v (%v), wrote = %v, status %d, want an unknown %s with status %d", name, e, e.Class, att.Wrote, att.Status, c.code, c.status)
		}
	}
	// A failing status counts whether or not its body can be read.
	_, err := script(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 503 Busy\r\nContent-Length: 10\r\n\r\nabc") }).
		Deliver(t.Context(), Request{URL: "http://x.example", Insecure: true})
	if e := failure(t, err); e.Code != "http_503" || e.Class != Temporary {
		t.Errorf("a 503 with a cut body: got %v (%v), want a temporary http_503", e, e.Class)
	}
}

// A reset throws away what had arrived and was not read yet, which closing does not.
func TestAResetInsideTheAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	server := loopbackServer(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, stream, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = stream.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
		_ = stream.Flush()
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	})
	att, err := newClient(t, Options{AllowLoopback: true}).Deliver(t.Context(), Request{URL: server.URL, Body: []byte("x")})
	// Where the reset overtakes the status line, that is not known either.
	if e := failure(t, err); e.Class != Unknown || e.Code != CodeAnswerNotRead && e.Code != CodeReset || !att.Wrote {
		t.Errorf("got %v (%v), wrote = %v, want an unknown %s", e, e.Class, att.Wrote, CodeAnswerNotRead)
	}
}

func endlessHeaders(c net.Conn) {
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
	for {
		if _, err := io.WriteString(c, "X-More: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"); err != nil {
			return
		}
	}
}

// A connection that breaks while it is reused makes http.Transport send the request again by itself, if it thinks that harmless.
func TestOneAttemptIsOneRequestAlsoOnAReusedConnection(t *testing.T) {
	t.Parallel()
	for _, r := range []Request{
		{Method: "POST", Body: []byte("x"), Header: http.Header{"Idempotency-Key": {"k"}}},
		{Method: "POST", Body: []byte("x"), Header: http.Header{"X-Idempotency-Key": {"k"}}},
		{Method: "POST", Header: http.Header{"Idempotency-Key": {"k"}}},
		{Method: "PUT", Header: http.Header{"Idempotency-Key": {"k"}}},
		{Method: "DELETE", Header: http.Header{"Idempotency-Key": {"k"}}},
		{Method: "GET", Header: http.Header{"Idempotency-Key": {"k"}}},
		{Method: "GET"},
		{Method: "HEAD"},
		{Method: "OPTIONS", Body: []byte("x")},
	} {
		requests := make(chan *http.Request, 10)
		dial := func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() { // answers once, then hangs up on the next request after reading it
				defer func() { _ = server.Close() }()
				reader := bufio.NewReader(server)
				for i := range 2 {
					req, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					requests <- req
					if i == 0 {
						_, _ = io.WriteString(server, "HTTP/1.1 204 No Content\r\n\r\n")
					}
				}
			}()
			return client, nil
		}
		c := newClient(t, Options{Dial: dial})
		r.URL, r.Insecure = "http://x.example/", true
		if _, err := c.Deliver(t.Context(), r); err != nil {
			t.Fatalf("%s: %v", r.Method, err)
		}
		att, err := c.Deliver(t.Context(), r)
		if e := failure(t, err); e.Class != Unknown || !att.Wrote {
			t.Errorf("%s %v: got %v (%v), want an unknown failure", r.Method, r.Header, e, e.Class)
		}
		if n := len(requests); n != 2 {
			t.Errorf("%s %v: two attempts gave %d requests, want 2", r.Method, r.Header, n)
		}
		for range 2 {
			req := <-requests
			if want := r.Header.Get("Idempotency-Key"); req.Header.Get("Idempotency-Key") != want {
				t.Errorf("%s: got key %q, want %q", r.Method, req.Header.Get("Idempotency-Key"), want)
			}
			if req.ContentLength != int64(len(r.Body)) || len(req.TransferEncoding) != 0 {
				t.Errorf("%s: got length %d, encoding %v, want %d and none", r.Method, req.ContentLength, req.TransferEncoding, len(r.Body))
			}
		}
	}
}
