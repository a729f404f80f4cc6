package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// hostile is a receiver that means no good.
type hostile struct {
	name string
	// props of the hook, beside its URL.
	props   string
	address string
	close   func()
}

// hungFor is how long a receiver hangs, drips or keeps quiet: as long as an attempt may take.
const hungFor = 30 * time.Second

// hostiles starts one receiver of each kind.
func hostiles() ([]*hostile, error) {
	quick := `timeout: 2s, breaker: off, retry: {max_attempts: 2, initial: 1s, max: 1s}`
	var out []*hostile
	for _, h := range []struct {
		name, props string
		serve       http.HandlerFunc
		raw         func(c net.Conn)
	}{
		{name: "hangs", props: `timeout: 30s, breaker: off, retry: {max_attempts: 2, initial: 1s, max: 1s}`, serve: func(_ http.ResponseWriter, req *http.Request) {
			hold(req.Context(), hungFor)
		}},
		{name: "drips", props: quick, serve: drip},
		{name: "mute", props: quick, raw: func(c net.Conn) {
			// It accepts and never reads; what the gateway sends stays in the kernel's buffers.
			t := time.NewTimer(hungFor)
			defer t.Stop()
			<-t.C
		}},
		{name: "resets", props: quick, raw: reset},
		{name: "floods", props: quick, serve: flood},
	} {
		one := &hostile{name: h.name, props: h.props}
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("starting a receiver that %s: %w", h.name, err)
		}
		one.address = l.Addr().String()
		if h.raw != nil {
			one.close = func() { _ = l.Close() }
			go acceptRaw(l, h.raw)
		} else {
			s := &http.Server{Handler: h.serve, ReadHeaderTimeout: time.Minute}
			one.close = func() { _ = s.Close() }
			go func() { _ = s.Serve(l) }() // until close
		}
		out = append(out, one)
	}
	return out, nil
}

// acceptRaw hands connections out until the listener is closed.
func acceptRaw(l net.Listener, serve func(c net.Conn)) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		go func() {
			defer func() { _ = c.Close() }()
			serve(c)
		}()
	}
}

// drip answers at once, with a body of which a byte comes every second.
func drip(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	w.WriteHeader(http.StatusOK)
	for begun := time.Now(); time.Since(begun) < hungFor && req.Context().Err() == nil; hold(req.Context(), time.Second) {
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
	}
}

// reset breaks the connection inside the body of its answer.
func reset(c net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, req.Body)
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"half\":")
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // closing sends RST
	}
}

// flood answers with a gigabyte.
func flood(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	w.WriteHeader(http.StatusOK)
	chunk := make([]byte, 1<<20)
	for range 1 << 10 {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}
