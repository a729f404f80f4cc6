package ingress

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// counted counts what is read of a body.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func TestBodiesAreReadOnceIntoOneBuffer(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	for _, size := range []int{0, 1, 100, 4 << 10, 4<<10 + 1, firstBytes, firstBytes + 1, limit - 1, limit, limit + 1, 3 * limit} {
		want := bytes.Repeat([]byte("x"), size)
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "by halves": iotest.HalfReader, "with its end": iotest.DataErrReader,
		} {
			for _, announced := range []bool{true, false} {
				body := &counted{Reader: wrap(bytes.NewReader(want))}
				r := &http.Request{Body: io.NopCloser(body), ContentLength: -1}
				if announced {
					r.ContentLength = int64(size)
				}
				room := share{of: &budget{}}
				got, err := readBody(r, limit, &room)
				if size > limit {
					if !errors.Is(err, errTooLarge) {
						t.Errorf("%d bytes %s, announced %t: got %v, want errTooLarge", size, name, announced, err)
					}
					if announced && body.n != 0 || body.n > limit+1 {
						t.Errorf("%d bytes %s, announced %t: %d bytes were read", size, name, announced, body.n)
					}
					continue
				}
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes %s, announced %t: got %d bytes, %v", size, name, announced, len(got), err)
				}
				if room.held != int64(cap(got)) || room.of.used.Load() != room.held {
					t.Errorf("%d bytes %s, announced %t: %d are set aside for %d", size, name, announced, room.held, cap(got))
				}
				if announced && cap(got) != size {
					t.Errorf("%d bytes %s: the buffer has room for %d", size, name, cap(got))
				}
			}
		}
	}
}

func TestABodyThatBreaksOffIsRefused(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	r := g.signed(t, "", "order.created", "", `{"id":1}`)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(`{"id"`)), 8
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != 400 || !strings.Contains(w.Body.String(), `"incomplete_body"`) || w.Header().Get("Connection") != "close" {
		t.Errorf("got %d %s %v", w.Code, w.Body, w.Header())
	}
	if _, err := readBody(&http.Request{Body: io.NopCloser(iotest.ErrReader(io.ErrClosedPipe)), ContentLength: -1}, 10, &share{of: &budget{}}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

func TestAnAnnouncedBodyTakesNoRoomBeforeItArrives(t *testing.T) {
	t.Parallel()
	room := 0
	body := readerFunc(func(p []byte) (int, error) {
		room = max(room, len(p))
		return 0, io.EOF
	})
	s := share{of: &budget{}}
	_, err := readBody(&http.Request{Body: io.NopCloser(body), ContentLength: 100 << 20}, 200<<20, &s)
	if !errors.Is(err, io.ErrUnexpectedEOF) || room != firstBytes || s.held != 0 {
		t.Errorf("got %v with room for %d and %d set aside, want io.ErrUnexpectedEOF with %d and nothing", err, room, s.held, firstBytes)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestABodyWithoutAnySignatureIsNotRead(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	r := httptest.NewRequest(http.MethodPost, "/webhooks/acme", readerFunc(func([]byte) (int, error) {
		t.Error("the body was read")
		return 0, io.EOF
	}))
	r.ContentLength = 1 << 20
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "missing_signature") {
		t.Errorf("got %d %s, want 401 missing_signature", w.Code, w.Body)
	}
}

func TestBodiesTogetherHaveABudget(t *testing.T) {
	t.Parallel()
	var b budget
	first, large, small := share{of: &b}, share{of: &b}, share{of: &b}
	if !first.hold(maxBodies/2) || !first.hold(maxBodies-10) || !first.hold(100) || first.held != maxBodies-10 {
		t.Fatalf("a body within the budget is refused; it has %d", first.held)
	}
	if large.hold(firstBytes+1) || large.held != 0 {
		t.Error("a large body is let in beyond the budget")
	}
	if !small.hold(100) {
		t.Error("a small body is refused")
	}
	first.end()
	if !large.hold(firstBytes + 1) {
		t.Error("what one body gave back another cannot have")
	}
	large.end()
	small.end()
	if used := b.used.Load(); used != 0 {
		t.Errorf("%d bytes are never given back", used)
	}
}

func TestTheServersOwnLimitHoldsForEveryProvider(t *testing.T) {
	t.Parallel()
	g := open(t, func(o *Options) { o.MaxBody = 10 })
	w := httptest.NewRecorder()
	g.ServeHTTP(w, g.signed(t, "", "order.created", "", `{"id":12345678}`))
	if w.Code != 413 {
		t.Errorf("got %d, want 413", w.Code)
	}
}

func TestRequestIDsSortByTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	var ids []string
	seen := map[string]bool{}
	for i := range 1000 {
		id := newRequestID(at.Add(time.Duration(i) * time.Millisecond))
		ids = append(ids, id)
		seen[id] = true
	}
	if !slices.IsSorted(ids) || len(seen) != 1000 {
		t.Errorf("1000 ids: sorted %t, %d different", slices.IsSorted(ids), len(seen))
	}
	for range 1000 {
		seen[newRequestID(at)] = true
	}
	if len(seen) != 2000 {
		t.Errorf("1000 ids of one millisecond: %d are new", len(seen)-1000)
	}
}

func TestForwardedAddressesAreBelievedFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	s := &Server{o: Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}}}
	tests := []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"203.0.113.7:1234", nil, "203.0.113.7"},
		{"203.0.113.7:1234", []string{"1.2.3.4"}, "203.0.113.7"},
		{"10.0.0.1:1234", []string{"1.2.3.4"}, "1.2.3.4"},
		{"10.0.0.1:1234", []string{"6.6.6.6, 1.2.3.4, 10.1.1.1"}, "1.2.3.4"},
		{"10.0.0.1:1234", []string{"6.6.6.6", "1.2.3.4"}, "1.2.3.4"},
		{"10.0.0.1:1234", []string{"nonsense"}, "10.0.0.1"},
		{"10.0.0.1:1234", nil, "10.0.0.1"},
		{"[::ffff:10.0.0.1]:1234", []string{"2001:db8::1"}, "2001:db8::1"},
		{"@", nil, ""},
	}
	for _, test := range tests {
		x := exchange{Server: s, r: &http.Request{RemoteAddr: test.peer, Header: http.Header{"X-Forwarded-For": test.forwarded}}}
		if got := x.remote(); got != test.want {
			t.Errorf("%s %v: got %s, want %s", test.peer, test.forwarded, got, test.want)
		}
	}
}

func TestQuietForgetsRatherThanGrows(t *testing.T) {
	t.Parallel()
	var q quiet
	at := time.Now()
	for i := range 3 * maxKinds {
		if _, ok := q.say(strconv.Itoa(i), at); !ok {
			t.Fatalf("the first line of kind %d was kept back", i)
		}
	}
	if len(q.kinds) > maxKinds {
		t.Errorf("%d kinds are remembered, want at most %d", len(q.kinds), maxKinds)
	}
	if _, ok := q.say("back", at); !ok {
		t.Error("a new kind was kept back")
	}
	if _, ok := q.say("back", at.Add(-time.Hour)); !ok {
		t.Error("a clock that went back silenced the log")
	}
}

func TestTextInAnswersIsJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"a.b": `"a.b"`, `a"b`: `"a\"b"`, "a\nb": `"a\nb"`, "é": `"é"`, "<": `"\u003c"`, "\u2028": `"\u2028"`, "": `""`} {
		if got := string(appendJSON(nil, in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
