// Package hookstest offers a receiver of webhooks for tests: an HTTP server without a network, whose connections are pipes in
// memory. It works inside a testing/synctest bubble, where a server on a real socket would hang.
//
// It is no mock of hooks.Client: the real client dials it through Options.Dial. The main type is [Receiver]; it may be used by
// any number of goroutines.
package hookstest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// Got is one request as the receiver read it, before its handler ran.
type Got struct {
	Method string
	Host   string
	Path   string // path and query as they stood on the wire
	Header http.Header
	Body   []byte
}

// Receiver is an HTTP/1.1 server that is reached through Dial only, whatever the host.
type Receiver struct {
	listener *pipeListener
	mu       sync.Mutex
	got      []Got
	dials    []string
}

// New starts a receiver that answers with h; nil answers 200 with an empty body. It stops when the test ends.
func New(t testing.TB, h http.Handler) *Receiver {
	t.Helper()
	if h == nil {
		h = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	}
	r := &Receiver{listener: &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		r.mu.Lock()
		r.got = append(r.got, Got{Method: req.Method, Host: req.Host, Path: req.RequestURI, Header: req.Header.Clone(), Body: body})
		r.mu.Unlock()
		h.ServeHTTP(w, req)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(r.listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return r
}

// Dial opens a connection to the receiver; it is what hooks.Options.Dial wants.
func (r *Receiver) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	r.mu.Lock()
	r.dials = append(r.dials, address)
	r.mu.Unlock()
	return r.listener.dial(ctx)
}

// Got gives the requests read so far.
func (r *Receiver) Got() []Got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Got(nil), r.got...)
}

// Dialled gives the host:port of every connection asked for so far.
func (r *Receiver) Dialled() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.dials...)
}

// pipeListener is a net.Listener whose connections are the ends of net.Pipe.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

var errClosed = errors.New("the receiver is closed")

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, errClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
