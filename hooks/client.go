package hooks

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/headgate/headgate/hooks/egress"
)

// Bounds of every attempt. The whole attempt has its Request's Timeout besides.
const (
	dialTimeout   = 5 * time.Second
	tlsTimeout    = 5 * time.Second
	headerTimeout = 10 * time.Second
	// idleTimeout is shorter than what common servers and load balancers keep (60 s and more), so that a connection is rarely
	// reused in the moment when the other side closes it.
	idleTimeout = 30 * time.Second
	// maxAnswerHeaderBytes ends an answer of endless headers.
	maxAnswerHeaderBytes = 64 << 10
	// maxIdlePerHost is the default number of attempts under way at one destination.
	maxIdlePerHost = 10
	maxIdle        = 256
)

// AllowRule lists addresses that an operator opens; see egress.Rule.
type AllowRule = egress.Rule

// ParseAllow reads rules parted by commas or spaces; see egress.ParseRules.
func ParseAllow(s string) ([]AllowRule, error) { return egress.ParseRules(s) }

// Options say how a Client behaves. The zero Options are the strictest and ready for use.
type Options struct {
	// Allow lists addresses that the egress guard would refuse, and addresses that plain http may go to.
	Allow []AllowRule
	// AllowLoopback opens 127.0.0.0/8 and ::1, for plain http too: for development on one machine.
	AllowLoopback bool
	// Deny holds the process's own listeners, which no attempt may reach.
	Deny []netip.AddrPort
	// Own gives further ones at every dial, where they are opened after the Client is made; nil means none.
	Own func() []netip.AddrPort
	// UserAgent is sent by requests that name none; "" means "Headgate".
	UserAgent string
	// LogOnly sends nothing: each request is logged by its Line and answered with a success that is marked as not sent.
	LogOnly bool
	// Logger receives what LogOnly logs; nil drops it.
	Logger *slog.Logger
	// Now is the clock of Attempt.Started and of Retry-After dates; nil means time.Now.
	Now func() time.Time
	// Resolver resolves names; nil means the system's. Its failure fails the attempt.
	Resolver *net.Resolver
	// RootCAs are trusted instead of the system's.
	RootCAs *x509.CertPool
	// Dial opens connections in place of the network, for tests and simulations (see hooks/hookstest). It gets host:port as the URL
	// has it. The guard then judges literal addresses only, for nobody resolves names.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// connecting, in this package's tests, hears of every address that has passed the guard, before a packet is sent.
	connecting func(netip.AddrPort) error
}

// Client makes attempts. Make one with New. Changed rules need a new Client; Close the old one.
type Client struct {
	guard *egress.Guard
	// open carries https, and plain http of requests that say Insecure. listed carries all other plain http: it connects only to
	// addresses that an operator has listed. They are two, so that no request finds the other kind's idle connection.
	open, listed *http.Transport
	certified    *pool // https of requests with a Certificate
	tokens       *bearer
	userAgent    string
	logOnly      bool
	logger       *slog.Logger
	now          func() time.Time
	closed       atomic.Bool
}

// New makes a Client. It opens nothing. Its error names the option that is wrong.
func New(o Options) (*Client, error) {
	guard, err := egress.New(egress.Options{Allow: o.Allow, AllowLoopback: o.AllowLoopback, Deny: o.Deny, Own: o.Own})
	if err != nil {
		return nil, fmt.Errorf("hooks: %w", err)
	}
	c := &Client{guard: guard, userAgent: o.UserAgent, logOnly: o.LogOnly, logger: o.Logger, now: o.Now}
	if c.userAgent == "" {
		c.userAgent = "Headgate"
	}
	if !validHeaderValue(c.userAgent) {
		return nil, errors.New("hooks: option UserAgent is no header value")
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.open, c.listed = c.transport(o, nil, false), c.transport(o, nil, true)
	c.certified = newPool(func(own *Certificate) *http.Transport { return c.transport(o, own, false) })
	c.tokens = &bearer{grants: make(map[[sha256.Size]byte]*grant)}
	return c, nil
}

// Close closes idle connections; those of attempts under way are closed when the attempts end. Attempts that begin afterwards
// fail as temporary. It may be called more than once.
func (c *Client) Close() {
	c.closed.Store(true)
	c.open.CloseIdleConnections()
	c.listed.CloseIdleConnections()
	c.certified.close()
}

// settle closes what an attempt left idle on a transport that has no owner any more.
func (c *Client) settle(p *pooled) {
	if p != nil && p.retired.Load() {
		p.CloseIdleConnections()
	}
	if c.closed.Load() {
		c.Close()
	}
}

// Transport carries other https requests than attempts past the same guard, such as the fetching of a public key. What it connects is
// closed by Close. It follows no redirect and bounds no answer: that is the caller's matter.
func (c *Client) Transport() http.RoundTripper { return c.open }

func (c *Client) transport(o Options, own *Certificate, listedOnly bool) *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // HTTP_PROXY would carry requests past the guard
		DialContext:            c.dialer(o, listedOnly),
		TLSClientConfig:        own.config(o.RootCAs),
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		MaxResponseHeaderBytes: maxAnswerHeaderBytes,
		DisableCompression:     true, // a small gzip answer may hold a large one
		ForceAttemptHTTP2:      true,
		// A dead HTTP/2 connection is found by pings; else every attempt on it would run into its timeout.
		HTTP2:               &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
		MaxIdleConns:        maxIdle,
		MaxIdleConnsPerHost: maxIdlePerHost,
		IdleConnTimeout:     idleTimeout,
	}
}

// errNotListed refuses plain http to an address that nobody listed.
var errNotListed = errors.New("plain http to an address that is not listed")

// dialer gives the function that opens connections. The address is judged when its socket is about to connect: after names are
// resolved, and for each of a name's addresses by itself, so that only those that pass are tried.
func (c *Client) dialer(o Options, listedOnly bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	check := func(ap netip.AddrPort) error {
		if err := c.guard.Check(ap); err != nil {
			return err
		}
		if listedOnly && !c.guard.Listed(ap) {
			return errNotListed
		}
		if o.connecting != nil {
			return o.connecting(ap)
		}
		return nil
	}
	if o.Dial != nil {
		return func(ctx context.Context, network, address string) (net.Conn, error) {
			if ap, err := netip.ParseAddrPort(address); err == nil {
				if err := check(ap); err != nil {
					return nil, err
				}
			} else if listedOnly {
				return nil, errNotListed
			}
			return o.Dial(ctx, network, address)
		}
	}
	dialer := &net.Dialer{
		Timeout:  dialTimeout,
		Resolver: o.Resolver,
		Control: func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return &egress.RefusedError{Reason: "not an address", Never: true}
			}
			return check(ap)
		},
	}
	return dialer.DialContext
}
