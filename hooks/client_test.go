package hooks

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// loopbackServer is a receiver on a real socket.
func loopbackServer(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// failure gives err as *Error, or fails the test.
func failure(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e
}

func TestAnAttemptSendsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	type seen struct {
		method, path, body, agent, key, custom, encoding, auth string
		length                                                 int64
	}
	got := make(chan seen, 1)
	server := loopbackServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- seen{
			r.Method, r.RequestURI, string(body), r.UserAgent(), r.Header.Get("Idempotency-Key"), r.Header.Get("X-Custom"), r.Header.Get("Accept-Encoding"),
			r.Header.Get("Authorization"), r.ContentLength,
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Secret", "not kept")
		w.Header().Set("Set-Cookie", "a=b")
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	c := newClient(t, Options{AllowLoopback: true, UserAgent: "Headgate/1.2"})

	header := http.Header{"Idempotency-Key": {"msg_1"}, "X-Custom": {"ä"}}
	att, err := c.Deliver(t.Context(), Request{Method: "PUT", URL: server.URL + "/a%2Fb?q=1", Header: header, Body: []byte(`{"a":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	want := seen{"PUT", "/a%2Fb?q=1", `{"a":1}`, "Headgate/1.2", "msg_1", "ä", "", "", 7}
	if s := <-got; s != want {
		t.Errorf("the receiver saw %+v, want %+v", s, want)
	}
	if att.Status != 200 || string(att.Body) != `{"ok":true}` || att.Cut || !att.Wrote || att.NotSent || att.Took <= 0 || att.Started.IsZero() {
		t.Errorf("got %v, body %q", att, att.Body)
	}
	if len(att.Header) != 1 || att.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got header %v, want Content-Type alone", att.Header)
	}
	if header.Get("Idempotency-Key") != "msg_1" || len(header) != 2 {
		t.Errorf("the caller's header was changed: %v", header)
	}

	_, err = c.Deliver(t.Context(), Request{URL: strings.Replace(server.URL, "http://", "http://user:pass@", 1), Header: http.Header{"User-Agent": {"mine"}}})
	if err != nil {
		t.Fatal(err)
	}
	want = seen{method: "POST", path: "/", agent: "mine", auth: "Basic dXNlcjpwYXNz"}
	if s := <-got; s != want {
		t.Errorf("the receiver saw %+v, want %+v", s, want)
	}
}

func TestAnswersHaveTheirClass(t *testing.T) {
	t.Parallel()
	server := loopbackServer(t, func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if status >= 300 && status < 400 {
			w.Header().Set("Location", "/200")
		}
		w.WriteHeader(status)
	})
	c := newClient(t, Options{AllowLoopback: true})
	for _, want := range []struct {
		status int
		class  Class
		code   string
		temp   bool
	}{
		{200, OK, "", false},
		{201, OK, "", false},
		{202, OK, "", false},
		{204, OK, "", false},
		{299, OK, "", false},
		{301, Permanent, "redirect", false},
		{302, Permanent, "redirect", false},
		{303, Permanent, "redirect", false},
		{304, Permanent, "redirect", false},
		{307, Permanent, "redirect", false},
		{308, Permanent, "redirect", false},
		{400, Permanent, "http_400", false},
		{401, Permanent, "http_401", false},
		{404, Permanent, "http_404", false},
		{408, Temporary, "http_408", true},
		{409, Permanent, "http_409", false},
		{410, Permanent, "http_410", false},
		{422, Permanent, "http_422", false},
		{425, Temporary, "http_425", true},
		{429, Temporary, "http_429", true},
		{500, Temporary, "http_500", true},
		{501, Temporary, "http_501", true},
		{502, Temporary, "http_502", true},
		{503, Temporary, "http_503", true},
		{504, Temporary, "http_504", true},
		{599, Temporary, "http_599", true},
		{700, Temporary, "http_700", true},
	} {
		att, err := c.Deliver(t.Context(), Request{URL: fmt.Sprintf("%s/%d", server.URL, want.status)})
		if att.Status != want.status || !att.Wrote {
			t.Errorf("status %d: got %v, wrote = %v", want.status, att, att.Wrote)
		}
		if want.class == OK {
			if err != nil {
				t.Errorf("status %d: got %v, want no error", want.status, err)
			}
			continue
		}
		e := failure(t, err)
		if e.Class != want.class || e.Code != want.code || e.Status != want.status || e.Temporary() != want.temp {
			t.Errorf("status %d: got %v %q status %d temporary %v, want %v %q", want.status, e.Class, e.Code, e.Status, e.Temporary(), want.class, want.code)
		}
	}
}

func TestRedirectsAreAnswersAndNeverFollowed(t *testing.T) {
	t.Parallel()
	var second atomic.Int64
	other := loopbackServer(t, func(http.ResponseWriter, *http.Request) { second.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := loopbackServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(status)
		})
		_, err := newClient(t, Options{AllowLoopback: true}).Deliver(t.Context(), Request{URL: server.URL, Body: []byte("x")})
		if e := failure(t, err); e.Code != CodeRedirect {
			t.Errorf("status %d: got %v, want %s", status, e, CodeRedirect)
		}
	}
	if n := second.Load(); n != 0 {
		t.Errorf("the redirect's target got %d requests, want 0", n)
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"120":                            2 * time.Minute,
		" 7 ":                            7 * time.Second,
		"86400":                          24 * time.Hour,
		"86401":                          24 * time.Hour,
		"99999999999999999999999":        24 * time.Hour,
		"-5":                             0,
		"1.5":                            0,
		"soon":                           0,
		"Sun, 01 Mar 2026 12:05:00 GMT":  5 * time.Minute,
		"Sun, 01 Mar 2026 11:05:00 GMT":  0,
		"Sun, 08 Mar 2026 12:00:00 GMT":  24 * time.Hour,
		"Sunday, 01-Mar-26 12:05:00 GMT": 5 * time.Minute,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}

	server := loopbackServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", now.Add(90*time.Second).Format(http.TimeFormat))
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c := newClient(t, Options{AllowLoopback: true, Now: func() time.Time { return now }})
	att, err := c.Deliver(t.Context(), Request{URL: server.URL})
	if e := failure(t, err); e.RetryAfter() != 90*time.Second {
		t.Errorf("got %v, want 90s", e.RetryAfter())
	}
	if !att.Started.Equal(now) || att.Header.Get("Retry-After") == "" {
		t.Errorf("got started %v, header %v", att.Started, att.Header)
	}
}

func TestAnswersAreReadUpToTheirBound(t *testing.T) {
	t.Parallel()
	server := loopbackServer(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		if r.URL.Query().Has("gzip") {
			w.Header().Set("Content-Encoding", "gzip") // a bomb must come back as the bytes it is
		}
		chunk := bytes.Repeat([]byte("a"), 1<<10)
		for n > 0 {
			if _, err := w.Write(chunk[:min(n, len(chunk))]); err != nil {
				return
			}
			n -= len(chunk)
		}
	})
	c := newClient(t, Options{AllowLoopback: true})
	for _, n := range []int{0, 1, MaxAnswerBytes - 1, MaxAnswerBytes, MaxAnswerBytes + 1, 1 << 30} {
		att, err := c.Deliver(t.Context(), Request{URL: fmt.Sprintf("%s/?gzip&n=%d", server.URL, n)})
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if len(att.Body) != min(n, MaxAnswerBytes) || att.Cut != (n > MaxAnswerBytes) {
			t.Errorf("%d bytes: got %d, cut = %v", n, len(att.Body), att.Cut)
		}
	}
}

func TestLogOnlySendsNothing(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := loopbackServer(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	var log bytes.Buffer
	c := newClient(t, Options{AllowLoopback: true, LogOnly: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	att, err := c.Deliver(t.Context(), Request{
		URL: server.URL + "/canary", Line: "POST <<env.URL>>", Body: []byte("canary"), Header: http.Header{"X-Key": {"canary"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if att.Status != 200 || !att.NotSent || att.Wrote {
		t.Errorf("got %v, wrote = %v, want a success that was not sent", att, att.Wrote)
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("the receiver got %d requests, want 0", n)
	}
	line := log.String()
	if !strings.Contains(line, "level=INFO") || !strings.Contains(line, `request="POST <<env.URL>>"`) || strings.Contains(line, "canary") {
		t.Errorf("got log %q, want one info line with the request's line and nothing of the request", line)
	}
	if _, err := c.Deliver(t.Context(), Request{URL: "ftp://x"}); failure(t, err).Code != CodeBadURL {
		t.Errorf("got %v, want %s: a dry run must find what would not be sent", err, CodeBadURL)
	}
}

func TestAClosedClientSendsNothingMore(t *testing.T) {
	t.Parallel()
	server := loopbackServer(t, func(http.ResponseWriter, *http.Request) {})
	c := newClient(t, Options{AllowLoopback: true})
	if _, err := c.Deliver(t.Context(), Request{URL: server.URL}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Close()
	_, err := c.Deliver(t.Context(), Request{URL: server.URL})
	if e := failure(t, err); e.Code != CodeClientClosed || !e.Temporary() {
		t.Errorf("got %v, want a temporary %s", e, CodeClientClosed)
	}
}

func TestTLSAnswersOverHTTP2AndItsFailuresAreTemporary(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	trusting := newClient(t, Options{AllowLoopback: true, RootCAs: roots})
	for range 2 {
		att, err := trusting.Deliver(t.Context(), Request{URL: server.URL, Header: http.Header{"Idempotency-Key": {"k"}}, Body: []byte("x")})
		if err != nil || string(att.Body) != "HTTP/2.0" {
			t.Errorf("got %q, %v, want an answer over HTTP/2", att.Body, err)
		}
	}
	att, err := newClient(t, Options{AllowLoopback: true}).Deliver(t.Context(), Request{URL: server.URL})
	if e := failure(t, err); e.Code != CodeTLS || e.Class != Temporary || att.Wrote {
		t.Errorf("an unknown authority: got %v (%v), wrote = %v, want a temporary %s", e, e.Class, att.Wrote, CodeTLS)
	}
	plain := loopbackServer(t, func(http.ResponseWriter, *http.Request) {})
	_, err = trusting.Deliver(t.Context(), Request{URL: strings.Replace(plain.URL, "http:", "https:", 1)})
	if e := failure(t, err); e.Code != CodeTLS || e.Class != Temporary {
		t.Errorf("TLS to a plain receiver: got %v (%v), want a temporary %s", e, e.Class, CodeTLS)
	}
}

func TestRequestsThatCannotBeSentArePermanent(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{AllowLoopback: true})
	for _, r := range []struct {
		Request
		code string
	}{
		{Request{URL: "https://x.example", Method: "CONNECT"}, CodeBadMethod},
		{Request{URL: "https://x.example", Method: "PO ST"}, CodeBadMethod},
		{Request{URL: "https://x.example", Header: http.Header{"X-A": {"a\r\nX-B: c"}}}, CodeBadHeader},
		{Request{URL: "https://x.example", Header: http.Header{"X A": {"a"}}}, CodeBadHeader},
		{Request{URL: "https://x.example", Header: http.Header{"": {"a"}}}, CodeBadHeader},
		{Request{URL: ""}, CodeBadURL},
		{Request{URL: "/path"}, CodeBadURL},
		{Request{URL: "x.example/path"}, CodeBadURL},
		{Request{URL: "https://"}, CodeBadURL},
		{Request{URL: "https:opaque"}, CodeBadURL},
		{Request{URL: "https://x.example:0/"}, CodeBadURL},
		{Request{URL: "https://x.example:/"}, CodeBadURL},
		{Request{URL: "https://x.example:99999/"}, CodeBadURL},
		{Request{URL: "https://x example/"}, CodeBadURL},
		{Request{URL: "https://x.example/\n"}, CodeBadURL},
		{Request{URL: "file:///etc/passwd"}, CodeBadURL},
		{Request{URL: "gopher://x.example"}, CodeBadURL},
	} {
		att, err := c.Deliver(t.Context(), r.Request)
		if e := failure(t, err); e.Code != r.code || e.Class != Permanent || att.Wrote {
			t.Errorf("%s %q: got %v (%v), want a permanent %s", r.Method, r.URL, e, e.Class, r.code)
		}
	}
}

func TestOptionsThatAreWrongAreRefused(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]Options{
		"Allow[0]":  {Allow: []AllowRule{{}}},
		"Deny[0]":   {Deny: []netip.AddrPort{{}}},
		"UserAgent": {UserAgent: "a\nb"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that names %s", err, want)
		}
	}
}

func TestTheCallersCancelIsSeenThroughTheError(t *testing.T) {
	t.Parallel()
	stopping := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	server := loopbackServer(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a server sees its peer go only after it has read the request
		cancel(stopping)
		<-r.Context().Done()
	})
	att, err := newClient(t, Options{AllowLoopback: true}).Deliver(ctx, Request{URL: server.URL, Body: []byte("x")})
	e := failure(t, err)
	if e.Code != CodeCanceled || !errors.Is(err, stopping) {
		t.Errorf("got %v, want %s because of the caller's own cause", err, CodeCanceled)
	}
	if !att.Wrote || e.Class != Unknown {
		t.Errorf("got class %v, wrote = %v, want unknown: the receiver had the request", e.Class, att.Wrote)
	}
	_, err = newClient(t, Options{AllowLoopback: true}).Deliver(ctx, Request{URL: server.URL})
	if e := failure(t, err); e.Code != CodeCanceled || e.Class != Temporary {
		t.Errorf("canceled before it began: got %v (%v), want a temporary %s", e, e.Class, CodeCanceled)
	}
}

func BenchmarkDeliver(b *testing.B) {
	server := loopbackServer(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	})
	c := newClient(b, Options{AllowLoopback: true})
	r := Request{URL: server.URL, Body: bytes.Repeat([]byte("x"), 2<<10), Header: http.Header{"Idempotency-Key": {"k"}, "Content-Type": {"application/json"}}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Deliver(b.Context(), r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
