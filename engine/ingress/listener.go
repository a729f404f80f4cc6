package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/service"
)

// Limits of a connection. They bound what a slow or hostile peer can hold: a genuine sender sends at once.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 15 * time.Second // for the whole request
	idleTimeout    = 60 * time.Second
	writeTimeout   = 60 * time.Second // longer than any answer may take
	maxHeaderBytes = 32 << 10
)

// ListenerOptions is what a Listener needs. Addr, Handler and Logger are required.
type ListenerOptions struct {
	// Addr is host:port; port 0 takes a free one.
	Addr    string
	Handler http.Handler
	Logger  *slog.Logger
	// CertFile and KeyFile are PEM files; with both the listener speaks TLS. They are read again when they change.
	CertFile, KeyFile string
}

// Listener is a bounded HTTP server on one address. It is a service.Service that lives once.
type Listener struct {
	o      ListenerOptions
	log    *slog.Logger
	server *http.Server

	mu      sync.Mutex
	addr    string
	started bool
	stopped bool
	done    chan struct{} // closed when the serving goroutine has ended
}

var _ service.Service = (*Listener)(nil)

// NewListener makes a Listener. The error names the option that is missing.
func NewListener(o ListenerOptions) (*Listener, error) {
	switch {
	case o.Addr == "":
		return nil, errors.New("ingress: ListenerOptions.Addr is missing")
	case o.Handler == nil:
		return nil, errors.New("ingress: ListenerOptions.Handler is missing")
	case o.Logger == nil:
		return nil, errors.New("ingress: ListenerOptions.Logger is missing")
	case (o.CertFile == "") != (o.KeyFile == ""):
		return nil, errors.New("ingress: ListenerOptions.CertFile and KeyFile go together")
	}
	log := o.Logger.With("component", "ingress")
	return &Listener{
		o: o, log: log, done: make(chan struct{}),
		server: &http.Server{
			Handler: o.Handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout, WriteTimeout: writeTimeout,
			MaxHeaderBytes: maxHeaderBytes,
			// What net/http complains about is what strangers do: scans, broken handshakes, resets.
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}, nil
}

// Start opens the socket and returns when it listens.
func (l *Listener) Start(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stopped:
		return service.ErrStopped
	case l.started:
		return service.ErrStarted
	}
	if l.o.CertFile != "" {
		c := &certificate{certFile: l.o.CertFile, keyFile: l.o.KeyFile, log: l.log}
		if err := c.load(); err != nil {
			return err
		}
		l.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	}
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.o.Addr)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", l.o.Addr, err)
	}
	l.started, l.addr = true, socket.Addr().String()
	go l.serve(socket)
	return nil
}

func (l *Listener) serve(socket net.Listener) {
	defer close(l.done)
	var err error
	if l.o.CertFile != "" {
		err = l.server.ServeTLS(socket, "", "")
	} else {
		err = l.server.Serve(socket)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		l.log.Error("the public listener has ended", "address", l.addr, "error", err)
	}
}

// Addr is the address it listens on, with the port that was taken; "" before Start.
func (l *Listener) Addr() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addr
}

// TLS says whether it speaks TLS.
func (l *Listener) TLS() bool { return l.o.CertFile != "" }

// Stop takes no new connections, lets the requests under way end, and when ctx ends before they do, drops them.
func (l *Listener) Stop(ctx context.Context) error {
	l.mu.Lock()
	started := l.started
	l.stopped = true
	l.mu.Unlock()
	if !started {
		return nil
	}
	err := l.server.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("draining the public listener: %w", errors.Join(err, l.server.Close()))
	}
	<-l.done
	return err
}
