package engine_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine"
)

// bombed is a provider whose bodies have 6 MiB at most.
const bombed = `
kind: provider
name: load
signature: {algorithm: hmac-sha256, header: X-Signature, prefix: "sha256="}
secret: <<env.LOAD_SECRET>>
event: {header: X-Event}
delivery: {header: X-Delivery}
max_body: 6MiB
events: [{name: thing}]
`

// dial opens a connection that ends with the test.
func dial(t testing.TB, e *engine.Engine) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", e.PublicAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// flood writes head and then more, again and again, until the other side has enough; it gives what was written and the answer's status,
// 0 where the connection broke before one.
func flood(t testing.TB, e *engine.Engine, head, more string) (written int64, status int) {
	t.Helper()
	conn := dial(t, e)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := io.WriteString(conn, head); err != nil {
			return
		}
		for written < 256<<20 {
			n, err := io.WriteString(conn, more)
			written += int64(n)
			if err != nil {
				return
			}
		}
	})
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		status = resp.StatusCode
		_ = resp.Body.Close()
	}
	_ = conn.Close()
	wg.Wait()
	return written, status
}

// socketBytes is what kernels take into their buffers before anybody reads it, on both sides.
const socketBytes = 16 << 20

func TestEndlessRequestsAreCutOff(t *testing.T) {
	t.Parallel()
	e := startEngine(t, folder(t, bombed), loadEnv())
	signature := "X-Signature: sha256=" + strings.Repeat("0", 64) + "\r\nContent-Type: application/json\r\nX-Event: thing\r\n"
	begin := "POST /webhooks/load HTTP/1.1\r\nHost: gate\r\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat("a", 64<<10))
	for name, c := range map[string]struct {
		head, more string
		statuses   []int
		most       int64 // bytes that are taken besides those in the kernel
	}{
		"headers":          {begin, "X-More: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", []int{431}, 64 << 10},
		"one header":       {begin + "X-More: ", strings.Repeat("a", 1<<10), []int{431}, 64 << 10},
		"a request line":   {"POST /webhooks/load?", strings.Repeat("a", 1<<10), []int{431, 414}, 64 << 10},
		"a chunked body":   {begin + signature + "Transfer-Encoding: chunked\r\n\r\n", chunk, []int{413}, 8 << 20},
		"chunks of a byte": {begin + signature + "Transfer-Encoding: chunked\r\n\r\n", "1;" + strings.Repeat("x", 1<<10) + "\r\na\r\n", []int{400, 413}, 16 << 20},
		"trailers":         {begin + signature + "Transfer-Encoding: chunked\r\nTrailer: X-More\r\n\r\n2\r\n{}\r\n0\r\n", "X-More: aaaaaaaaaaaaaaaaaaaaaaaaa\r\n", []int{400, 401, 413}, 8 << 20},
		"no HTTP":          {"", "\x16\x03\x01\x00", []int{400, 431}, 64 << 10},
	} {
		written, status := flood(t, e, c.head, c.more)
		if written > c.most+socketBytes {
			t.Errorf("%s without end: %d bytes were taken, want at most %d", name, written, c.most+socketBytes)
		}
		ok := status == 0 // the reset overtook the answer
		for _, s := range c.statuses {
			ok = ok || status == s
		}
		if !ok {
			t.Errorf("%s without end: got %d, want one of %v", name, status, c.statuses)
		}
	}
	if got, err := post(caller(t), e.PublicAddr(), "after"); err != nil || got.Status != "processed" {
		t.Errorf("afterwards a genuine event gets %+v, %v", got, err)
	}
}

func TestRequestsThatAreTooMuchAreRefused(t *testing.T) {
	t.Parallel()
	e, c := startEngine(t, folder(t, bombed), loadEnv()), caller(t)
	send := func(body string, announced bool, change func(h http.Header)) int {
		t.Helper()
		var reader io.Reader = strings.NewReader(body)
		if !announced {
			reader = struct{ io.Reader }{reader}
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+e.PublicAddr()+"/webhooks/load", reader)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Event", "thing")
		req.Header.Set("X-Signature", "sha256="+sign(secretOfLoad, []byte(body)))
		if change != nil {
			change(req.Header)
		}
		resp, err := c.Do(req)
		if err != nil {
			var op *net.OpError
			if errors.As(err, &op) {
				return 0 // cut off while it was still sending
			}
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	large := `{"x":"` + strings.Repeat("a", 6<<20) + `"}`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, got := range map[string]struct{ status, want int }{
		"an announced body over the limit": {send(large, true, nil), 413},
		"a chunked body over the limit":    {send(large, false, nil), 413},
		"10,000 headers": {send("{}", true, func(h http.Header) {
			for i := range 10_000 {
				h.Set(fmt.Sprintf("X-%d", i), "a")
			}
		}), 431},
		"a header of 40 KiB":              {send("{}", true, func(h http.Header) { h.Set("X-Large", strings.Repeat("a", 40<<10)) }), 431},
		"lists 129 deep":                  {send(strings.Repeat("[", 129)+strings.Repeat("]", 129), true, nil), 400},
		"lists five million deep":         {send(strings.Repeat("[", 5_000_000), true, nil), 400},
		"maps a million deep":             {send(strings.Repeat(`{"a":`, 1_000_000), true, nil), 400},
		"a million numbers":               {send("["+strings.Repeat("1,", 1_000_000)+"1]", true, nil), 400},
		"two names alike":                 {send(`{"a":1,"a":2}`, true, nil), 400},
		"a compressed body":               {send("\x1f\x8b\x08\x00bomb", true, func(h http.Header) { h.Set("Content-Encoding", "gzip") }), 415},
		"a body compressed twice":         {send("\x1f\x8b\x08\x00bomb", true, func(h http.Header) { h.Set("Content-Encoding", "gzip, gzip") }), 415},
		"a body in an unknown coding":     {send("{}", true, func(h http.Header) { h.Set("Content-Encoding", "zstd") }), 415},
		"a genuine event, after all that": {send("{}", true, nil), 200},
	} {
		if got.status != got.want && (got.status != 0 || got.want != 413 && got.want != 431) {
			t.Errorf("%s: got %d, want %d", name, got.status, got.want)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if more := int64(after.HeapAlloc) - int64(before.HeapAlloc); more > 128<<20 {
		t.Errorf("%d bytes more are held afterwards, want few", more)
	}
}

// drip sends headers, one every half a second, until left is closed.
func drip(conn net.Conn, left <-chan struct{}) {
	line := "POST /webhooks/load HTTP/1.1\r\nHost: gate\r\n"
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(conn, line); err != nil {
			return
		}
		line = "X: a\r\n"
		select {
		case <-tick.C:
		case <-left:
			return
		}
	}
}

// TestSlowSendersAreHungUpOn waits in real time: the deadlines are those of sockets.
func TestSlowSendersAreHungUpOn(t *testing.T) {
	t.Parallel()
	e := startEngine(t, folder(t, bombed), loadEnv())
	const headerLimit = 5 * time.Second // of the listener
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range 100 {
		conn := dial(t, e)
		wg.Go(func() {
			left := make(chan struct{})
			defer close(left)
			if i%2 == 0 { // half of them say nothing, half of them a line from time to time
				wg.Go(func() { drip(conn, left) })
			}
			_, err := io.Copy(io.Discard, conn)
			var timeout net.Error
			if took := time.Since(begin); took > 2*headerLimit || errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("a slow sender was kept for %v (%v), want about %v", took, err, headerLimit)
			}
		})
	}
	if got, err := post(caller(t), e.PublicAddr(), "meanwhile"); err != nil || got.Status != "processed" || time.Since(begin) > headerLimit {
		t.Errorf("meanwhile a genuine event gets %+v, %v after %v", got, err, time.Since(begin))
	}
	wg.Wait()
}

// TestManyLargeBodiesGiveTheirMemoryBack sends 30 bodies of 5 MiB at once, three times, all of them forged.
func TestManyLargeBodiesGiveTheirMemoryBack(t *testing.T) {
	t.Parallel()
	e, c := startEngine(t, folder(t, bombed), loadEnv()), caller(t)
	body := strings.Repeat("a", 5<<20)
	for range 3 {
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+e.PublicAddr()+"/webhooks/load", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("X-Signature", "sha256="+strings.Repeat("0", 64))
				resp, err := c.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("got %d, want 401, or 503 where there was no room", resp.StatusCode)
				}
			})
		}
		wg.Wait()
	}
	soon(t, "their memory is given back", func() bool {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc < 256<<20 // of all tests that run at the same time
	})
}
