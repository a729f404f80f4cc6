package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/service"
)

// Limits of both listeners.
const (
	// Headers come in one packet from every honest client.
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	// A reload of a thousand manifests on a busy machine stays well below.
	writeTimeout   = 2 * time.Minute
	idleTimeout    = time.Minute
	maxHeaderBytes = 16 << 10
	// MaxBodyBytes is the largest body of a write: the largest webhook that any provider may accept by default (25 MiB), in base64, to
	// be signed.
	MaxBodyBytes = 36 << 20
)

// Options is what New needs.
type Options struct {
	// Addr is the admin listener's host:port. Required. Port 0 takes a free one.
	Addr string
	// HealthAddr, where not "", is a second listener with the probes and /metrics only. It may be non-loopback.
	HealthAddr string
	// Token is the bearer token; where it is empty Addr must be a loopback address.
	Token secret.Value
	// MetricsPublic lets /metrics be read without the token.
	MetricsPublic bool
	// Reader, Gateway, Jobs and Learned are required.
	Reader  Reader
	Gateway Gateway
	Jobs    Jobs
	Learned Learned
	// Audience are the subscriptions; there are none where it is nil.
	Audience Audience
	// Folder gives what is running, for explanations and pictures; they tell less where it is nil.
	Folder Folder
	// Metrics answers /metrics. Required.
	Metrics http.Handler
	// Alive, where not nil, says why the process no longer makes progress; /healthz answers 503 then. It must be cheap.
	Alive func() error
	// Logger is required.
	Logger *slog.Logger
	// Now is the clock of the token throttle and of relative times in queries; time.Now where nil.
	Now func() time.Time
}

// Server is the admin listener. Make it with New.
type Server struct {
	options Options
	admin   http.Handler
	health  http.Handler

	mu        sync.Mutex
	started   bool
	stopped   bool
	listeners []listener
	serving   sync.WaitGroup
}

type listener struct {
	net  net.Listener
	http *http.Server
}

var _ service.Service = (*Server)(nil)

// New checks the options and makes a Server; it opens nothing.
func New(o Options) (*Server, error) {
	switch {
	case o.Addr == "":
		return nil, errors.New("admin.Options.Addr is required")
	case o.Reader == nil:
		return nil, errors.New("admin.Options.Reader is required")
	case o.Gateway == nil:
		return nil, errors.New("admin.Options.Gateway is required")
	case o.Jobs == nil:
		return nil, errors.New("admin.Options.Jobs is required")
	case o.Learned == nil:
		return nil, errors.New("admin.Options.Learned is required")
	case o.Metrics == nil:
		return nil, errors.New("admin.Options.Metrics is required")
	case o.Logger == nil:
		return nil, errors.New("admin.Options.Logger is required")
	}
	for _, addr := range []string{o.Addr, o.HealthAddr} {
		if addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("the address %q is not host:port: %w", addr, err)
		}
	}
	if o.Token.IsZero() && !Loopback(o.Addr) {
		return nil, fmt.Errorf("the admin address %s can be reached from other machines: set HEADGATE_ADMIN_TOKEN, "+
			"or listen on 127.0.0.1 (probes alone may be elsewhere: HEADGATE_HEALTH_ADDR)", o.Addr)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{options: o}
	api := &api{
		reader: o.Reader, gateway: o.Gateway, jobs: o.Jobs, learned: o.Learned, audience: o.Audience, folder: o.Folder, metrics: o.Metrics, alive: o.Alive, log: o.Logger, now: o.Now,
		metricsPublic: o.MetricsPublic,
	}
	fails := newThrottle(o.Now) // of both listeners together
	s.admin = newGuard(o.Token, o.Addr, fails, o.Logger).wrap(api, api.routes())
	s.health = newGuard(o.Token, o.HealthAddr, fails, o.Logger).wrap(api, healthRoutes(api.routes()))
	return s, nil
}

// Loopback says whether an address host:port can be reached from this machine only. A name other than localhost cannot be known
// to be, and an empty host is every address.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Start listens, and returns when connections are accepted.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case s.stopped:
		return service.ErrStopped
	case s.started:
		return service.ErrStarted
	}
	s.started = true
	if err := s.listen(ctx, s.options.Addr, s.admin); err != nil {
		return fmt.Errorf("listening for the admin API: %w", err)
	}
	if s.options.HealthAddr == "" {
		return nil
	}
	if err := s.listen(ctx, s.options.HealthAddr, s.health); err != nil {
		_ = s.listeners[0].http.Close()
		s.serving.Wait()
		return fmt.Errorf("listening for probes: %w", err)
	}
	return nil
}

func (s *Server) listen(ctx context.Context, addr string, h http.Handler) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug),
	}
	s.listeners = append(s.listeners, listener{net: l, http: srv})
	s.serving.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.options.Logger.Error("the admin listener ended", "address", addr, "error", err)
		}
	})
	return nil
}

// Stop closes the listeners and waits for requests under way, as long as ctx lasts; then it cuts them.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	listeners := s.listeners
	s.mu.Unlock()
	var errs []error
	for _, l := range listeners {
		if err := l.http.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("waiting for admin requests to end: %w", err), l.http.Close())
		}
	}
	s.serving.Wait()
	return errors.Join(errs...)
}

// Addr is the host:port that the admin listener really has, "" before Start.
func (s *Server) Addr() string { return s.addr(0) }

// HealthAddr is the host:port of the health listener, "" before Start and where there is none.
func (s *Server) HealthAddr() string { return s.addr(1) }

func (s *Server) addr(i int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= len(s.listeners) {
		return ""
	}
	return s.listeners[i].net.Addr().String()
}
