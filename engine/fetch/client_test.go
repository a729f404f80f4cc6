package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate/headgate/engine/signature"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// network is a transport whose answers can be changed. It counts what it is asked.
type network struct {
	mu     sync.Mutex
	status int
	body   string
	err    error
	asked  []string
	// gate, where set, holds every answer back until it is closed.
	gate chan struct{}
}

func (n *network) set(status int, body string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status, n.body, n.err = status, body, err
}

func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.asked)
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.asked = append(n.asked, r.URL.String())
	status, body, err, gate := n.status, n.body, n.err, n.gate
	n.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return nil, context.Cause(r.Context())
		}
	}
	if err != nil {
		return nil, err
	}
	return answer(status, body), nil
}

func newClient(t *testing.T, transport http.RoundTripper, logs io.Writer) *Client {
	t.Helper()
	o := Options{Transport: transport}
	if logs != nil {
		o.Logger = slog.New(slog.NewTextHandler(logs, nil))
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pass lets time go by, inside a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }

const address = "https://keys.example.com/jwks.json"

// want says what a Fetch is to give: a body, or an error that holds a text.
func want(t *testing.T, when string, c *Client, body, problem string) signature.Document {
	t.Helper()
	doc, err := c.Fetch(t.Context(), address)
	switch {
	case problem == "" && (err != nil || string(doc.Bytes) != body || doc.Version == 0):
		t.Errorf("%s: got %q version %d, %v, want %q", when, doc.Bytes, doc.Version, err, body)
	case problem != "" && (err == nil || !strings.Contains(err.Error(), problem)):
		t.Errorf("%s: got %q, %v, want an error with %q", when, doc.Bytes, err, problem)
	}
	return doc
}

func TestADocumentIsKeptForAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &network{status: 200, body: "one"}
		c := newClient(t, n, nil)
		first := want(t, "at first", c, "one", "")
		n.set(200, "two", nil)
		pass(Fresh - time.Second)
		if same := want(t, "within the hour", c, "one", ""); same.Version != first.Version {
			t.Errorf("the version changed from %d to %d with the same bytes", first.Version, same.Version)
		}
		pass(time.Second)
		second := want(t, "after the hour", c, "two", "")
		pass(Fresh)
		if again := want(t, "after another", c, "two", ""); again.Version != second.Version || second.Version == first.Version {
			t.Errorf("got versions %d, %d, %d, want the last two alike", first.Version, second.Version, again.Version)
		}
		if got := n.count(); got != 3 {
			t.Errorf("the address was asked %d times, want 3", got)
		}
	})
}

func TestAnOldDocumentServesForADayWhereAskingFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		n := &network{status: 200, body: "one"}
		c := newClient(t, n, &logs)
		want(t, "at first", c, "one", "")
		n.set(503, "", nil)
		pass(Fresh)
		want(t, "after an hour", c, "one", "")
		want(t, "at once again", c, "one", "")
		if got := n.count(); got != 2 {
			t.Errorf("the address was asked %d times, want 2: a failure is kept for a while", got)
		}
		if !strings.Contains(logs.String(), "the older document serves on") {
			t.Errorf("nothing was logged of it: %s", logs.String())
		}
		pass(FailureKept)
		want(t, "half a minute later", c, "one", "")
		if got := n.count(); got != 3 {
			t.Errorf("the address was asked %d times, want 3", got)
		}
		pass(Stale - Fresh - 2*FailureKept)
		want(t, "just within the day", c, "one", "")
		pass(2 * FailureKept)
		want(t, "after the day", c, "", "the answer was 503, not 200")
		n.set(200, "two", nil)
		want(t, "while the failure is kept", c, "", "the answer was 503, not 200")
		pass(FailureKept)
		want(t, "when it is back", c, "two", "")
	})
}

func TestAFailureIsKeptForHalfAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &network{err: errors.New("no route")}
		c := newClient(t, n, nil)
		for range 5 {
			want(t, "at first", c, "", "asking keys.example.com: no route")
		}
		if got := n.count(); got != 1 {
			t.Errorf("the address was asked %d times, want once", got)
		}
		n.set(200, "one", nil)
		pass(FailureKept)
		want(t, "later", c, "one", "")
	})
}

func TestRefreshAsksAgainOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &network{status: 200, body: "one"}
		c := newClient(t, n, nil)
		want(t, "at first", c, "one", "")
		n.set(200, "two", nil)
		refresh := func(when, body string) {
			t.Helper()
			if doc, err := c.Refresh(t.Context(), address); err != nil || string(doc.Bytes) != body {
				t.Errorf("%s: got %q, %v, want %q", when, doc.Bytes, err, body)
			}
		}
		refresh("at once", "one")
		pass(RefreshEvery)
		want(t, "without asking", c, "one", "")
		for range 5 {
			refresh("a minute later", "two")
		}
		if got := n.count(); got != 2 {
			t.Errorf("the address was asked %d times, want 2", got)
		}
	})
}

func TestManyWhoWaitAreOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &network{status: 200, body: "one", gate: make(chan struct{})}
		c := newClient(t, n, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				from := t.Context()
				if i%2 == 1 {
					from = ctx
				}
				doc, err := c.Fetch(from, address)
				if i%2 == 0 && (err != nil || string(doc.Bytes) != "one") {
					t.Errorf("got %q, %v, want one", doc.Bytes, err)
				}
			})
		}
		synctest.Wait()
		cancel() // of half of them, maybe of the one that asked
		synctest.Wait()
		close(n.gate)
		group.Wait()
		if got := n.count(); got != 1 {
			t.Errorf("the address was asked %d times, want once", got)
		}
	})
}

func TestACallEndsAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &network{gate: make(chan struct{})}
		c := newClient(t, n, nil)
		start := time.Now()
		want(t, "without an answer", c, "", "asking keys.example.com: context deadline exceeded")
		if err := c.Confirm(t.Context(), address); err == nil {
			t.Error("confirming without an answer: want an error")
		}
		if took := time.Since(start); took != 2*Timeout {
			t.Errorf("two calls took %s, want %s", took, 2*Timeout)
		}
	})
}

func TestWhoMakesUpAddressesIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &network{status: 404}
		c := newClient(t, n, nil)
		ask := func(host string, i int) error {
			_, err := c.Fetch(t.Context(), fmt.Sprintf("https://%s/%d", host, i))
			return err
		}
		for i := range 50 {
			if ask("keys.example.com", i) == nil {
				t.Error("a 404 was taken for a document")
			}
		}
		if got := n.count(); got != maxHostFailing {
			t.Errorf("one host was asked %d times, want %d", got, maxHostFailing)
		}
		n.set(200, "one", nil)
		if err := ask("other.example.com", 0); err != nil {
			t.Errorf("another host: got %v", err)
		}
		pass(FailureKept)
		if err := ask("keys.example.com", 100); err != nil {
			t.Errorf("half a minute later: got %v", err)
		}
	})
}

func TestTheOldestDocumentMakesRoom(t *testing.T) {
	t.Parallel()
	n := &network{status: 200, body: "one"}
	c := newClient(t, n, nil)
	for i := range maxDocuments + 50 {
		if _, err := c.Fetch(t.Context(), fmt.Sprintf("https://keys.example%d.com/%d", i%5, i)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Fetch(t.Context(), "https://keys.example0.com/0"); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(c.entries); got != maxDocuments {
		t.Errorf("%d documents are kept, want %d", got, maxDocuments)
	}
	if got := n.count(); got != maxDocuments+50 {
		t.Errorf("the network was asked %d times, want %d: the one in use is never forgotten", got, maxDocuments+50)
	}
}

func TestOnlyHTTPSIsAsked(t *testing.T) {
	t.Parallel()
	n := &network{status: 200, body: "one"}
	c := newClient(t, n, nil)
	for _, bad := range []string{
		"http://keys.example.com/", "https://user:pw@keys.example.com/", "https://keys.example.com:8443/", "ftp://keys.example.com/", "//keys.example.com/", "https://", "https:keys", "\x00", "file:///etc/passwd",
	} {
		if _, err := c.Fetch(t.Context(), bad); err == nil {
			t.Errorf("%q was fetched", bad)
		}
		if err := c.Confirm(t.Context(), bad); err == nil {
			t.Errorf("%q was confirmed", bad)
		}
	}
	if got := n.count(); got != 0 {
		t.Errorf("the network was asked %d times, want never", got)
	}
}

func TestNewNeedsATransport(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "option Transport is missing") {
		t.Errorf("got %v", err)
	}
}

// server is a TLS server that every https address leads to.
func server(t *testing.T, handler http.HandlerFunc) http.RoundTripper {
	t.Helper()
	s := httptest.NewTLSServer(handler)
	t.Cleanup(s.Close)
	transport := s.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// host is a name that the certificate of httptest is for.
const host = "https://example.com"

func TestAnswersOverTLS(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	c := newClient(t, server(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.URL.RequestURI()+" "+r.UserAgent()+" "+r.Header.Get("Accept-Encoding"))
		mu.Unlock()
		switch r.URL.Path {
		case "/good":
			_, _ = io.WriteString(w, "a key")
		case "/long":
			_, _ = w.Write(make([]byte, MaxBytes+1))
		case "/just":
			_, _ = w.Write(make([]byte, MaxBytes))
		case "/moved":
			http.Redirect(w, r, "/good", http.StatusFound)
		case "/zipped":
			w.Header().Set("Content-Encoding", "gzip")
		case "/created":
			w.WriteHeader(http.StatusCreated)
		case "/broken":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}), nil)
	for path, problem := range map[string]string{
		"/good?token=s3cret": "", "/just": "", "/long": "longer than 65536 bytes", "/moved": "the answer was 302, not 200", "/zipped": "encoded although none was asked for",
		"/created": "the answer was 201, not 200", "/broken?token=s3cret": "reading the answer of example.com", "/missing?token=s3cret": "the answer was 404, not 200",
	} {
		doc, err := c.Fetch(t.Context(), host+path)
		if (err == nil) != (problem == "") || err != nil && (!strings.Contains(err.Error(), problem) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: got %d bytes, %v, want %q", path, len(doc.Bytes), err, problem)
		}
	}
	for path, problem := range map[string]string{
		"/good": "", "/created": "", "/long": "", "/moved": "the answer was 302", "/missing?token=s3cret": "the answer was 404",
	} {
		err := c.Confirm(t.Context(), host+path)
		if (err == nil) != (problem == "") || err != nil && (!strings.Contains(err.Error(), problem) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("confirming %s: got %v, want %q", path, err, problem)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, line := range asked {
		if !strings.HasPrefix(line, "GET ") || !strings.HasSuffix(line, " Headgate identity") {
			t.Errorf("asked %q, want a GET by Headgate that takes no encoding", line)
		}
	}
}

func TestACertificateOfAnotherHostIsRefused(t *testing.T) {
	t.Parallel()
	c := newClient(t, server(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a key") }), nil)
	if _, err := c.Fetch(t.Context(), "https://keys.acme.example/good"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want the certificate refused", err)
	}
}
