// Package ingress is the public listener: it takes webhooks over HTTP, has engine/provider decide about each, makes the events
// durable and only then answers.
//
// It knows nothing of signatures, pipelines or queues, and it never retries. [Server] is the handler, [Listener] the socket around it.
// A request costs no goroutine, timer or context of its own. Both types may be used by any number of goroutines at once.
package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/store"
)

// Providers gives the live providers by name. It is asked once for each request.
type Providers interface {
	Provider(name string) (*provider.Provider, bool)
}

// Snapshot is the running configuration as a request sees it: one and the same from its first byte to its answer.
type Snapshot struct {
	Providers Providers
	// Digest names it in the records.
	Digest string
}

// Appender makes events durable: it returns after the commit, as store.Store promises.
type Appender interface {
	Append(ctx context.Context, arrivals []store.Arrival) ([]store.Receipt, error)
}

// Observer counts what was answered. It is called once for each request, by many goroutines at once, and must not block.
type Observer interface {
	// Request tells the provider's name (UnknownProvider where there is none of that name), the answer (a status such as "processed"
	// or an error code) and how long it took.
	Request(provider, answer string, took time.Duration)
}

// UnknownProvider stands for every name that is no provider's, so that a stranger cannot fill the metrics.
const UnknownProvider = "unknown"

// Options is what a Server needs. Snapshot, Store and Logger are required.
type Options struct {
	// Snapshot gives the running configuration. It must be quick: every request asks.
	Snapshot func() Snapshot
	Store    Appender
	Logger   *slog.Logger
	// Observer may be nil.
	Observer Observer
	// Now gives the time of arrival; time.Now where nil.
	Now func() time.Time
	// TestEndpoint answers GET /webhooks/NAME/test.
	TestEndpoint bool
	// MaxBody bounds every body in bytes, whatever a provider allows; 0 leaves it to the providers.
	MaxBody int64
	// TrustedProxies are the peers whose X-Forwarded-For is believed, for logs only.
	TrustedProxies []netip.Prefix
}

// Server is the http.Handler of the public listener.
type Server struct {
	o        Options
	log      *slog.Logger
	deadline deadline
	quiet    quiet
	budget   budget
	buffers  sync.Pool
	// Header values that every answer has, shared: net/http only reads them.
	jsonType, nosniff []string
}

var _ http.Handler = (*Server)(nil)

// New makes a Server. The error names the option that is missing.
func New(o Options) (*Server, error) {
	switch {
	case o.Snapshot == nil:
		return nil, errors.New("ingress: Options.Snapshot is missing")
	case o.Store == nil:
		return nil, errors.New("ingress: Options.Store is missing")
	case o.Logger == nil:
		return nil, errors.New("ingress: Options.Logger is missing")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{o: o, log: o.Logger.With("component", "ingress"), jsonType: []string{"application/json"}, nosniff: []string{"nosniff"}}
	s.buffers.New = func() any { return new(make([]byte, 0, 512)) }
	return s, nil
}

// exchange is one request and its answer.
type exchange struct {
	*Server
	w       http.ResponseWriter
	r       *http.Request
	arrived time.Time
	id      string
	name    string // the provider's, for records; UnknownProvider until it is known
	event   string
	answer  string // what Observer is told; "" until answered
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchange{Server: s, w: w, r: r, arrived: s.o.Now(), name: UnknownProvider}
	x.id = newRequestID(x.arrived)
	defer x.end()
	x.serve()
}

// end is where a panic of one request stops.
func (x *exchange) end() {
	if p := recover(); p != nil {
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p) // net/http's own way of dropping a connection
		}
		x.log.Error("request panicked", "request_id", x.id, "provider", x.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if x.answer == "" {
			x.refuse(http.StatusInternalServerError, "internal", "Something went wrong here.")
		}
	}
	if x.o.Observer != nil {
		x.o.Observer.Request(x.name, x.answer, x.o.Now().Sub(x.arrived))
	}
	if x.log.Enabled(context.Background(), slog.LevelDebug) {
		x.log.Debug("request", "request_id", x.id, "provider", x.name, "event_name", x.event, "answer", x.answer, "address", x.remote())
	}
}

// serve finds out what is asked for.
func (x *exchange) serve() {
	rest, ok := strings.CutPrefix(x.r.URL.Path, "/webhooks/")
	name, tail, deeper := strings.Cut(rest, "/")
	test := deeper && tail == "test" && x.o.TestEndpoint
	if !ok || name == "" || deeper && !test {
		x.refuse(http.StatusNotFound, "not_found", "There is nothing here.")
		return
	}
	snapshot := x.o.Snapshot()
	p, ok := snapshot.Providers.Provider(name)
	if !ok {
		if n, ok := x.quiet.say("provider_not_found", x.arrived); ok {
			x.log.Warn("request for a provider that does not exist", "request_id", x.id, "path", fmt.Sprintf("%.80q", x.r.URL.Path), "address", x.remote(), "count", n)
		}
		x.refuse(http.StatusNotFound, "provider_not_found", "There is no such provider.")
		return
	}
	x.name = p.Name()
	switch {
	case test && (x.r.Method == http.MethodGet || x.r.Method == http.MethodHead):
		x.info(p)
	case test:
		x.notAllowed("GET, HEAD")
	case x.r.Method != http.MethodPost:
		x.notAllowed(http.MethodPost)
	default:
		x.receive(p, snapshot.Digest)
	}
}

func (x *exchange) notAllowed(allow string) {
	x.w.Header().Set("Allow", allow)
	x.refuse(http.StatusMethodNotAllowed, "method_not_allowed", "This method is not accepted here.")
}

// receive takes one webhook.
func (x *exchange) receive(p *provider.Provider, digest string) {
	if coding := x.r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		x.refused(p, "unsupported_media_type", fmt.Sprintf("the body is encoded as %.40q", coding))
		x.refuse(http.StatusUnsupportedMediaType, "unsupported_media_type", "Encoded bodies are not accepted here.")
		return
	}
	limit := p.MaxBody()
	if x.o.MaxBody > 0 {
		limit = min(limit, x.o.MaxBody)
	}
	r := provider.Request{ID: x.id, Routes: digest}
	r.Method, r.PathQuery, r.Query, r.Header, r.Now = x.r.Method, x.r.RequestURI, x.r.URL.RawQuery, x.r.Header, x.arrived
	if p.LacksSignature(x.r.Header) {
		// Whatever the body is, it will be refused: nothing of it is read.
		if d := p.Receive(&r); d.Verdict == provider.Refused {
			x.turnAway(p, d.Refusal)
			return
		}
	}
	if x.r.ContentLength > limit {
		x.unread(p, tooLarge(x.r.ContentLength, limit))
		return
	}
	room, ok := x.budget.take(x.r.ContentLength, limit)
	if !ok {
		x.w.Header().Set("Retry-After", retryAfter)
		x.refused(p, "store_unavailable", "too many bodies are being read at once")
		x.refuse(http.StatusServiceUnavailable, "store_unavailable", "Too much is being received now; try again later.")
		return
	}
	defer x.budget.give(room)
	body, err := readBody(x.r, limit)
	if err != nil {
		x.unread(p, err)
		return
	}
	r.Body = body
	d := p.Receive(&r)
	if d.Verdict == provider.Refused {
		x.turnAway(p, d.Refusal)
		return
	}
	x.append(p, &d)
}

// turnAway answers a request that its provider refused.
func (x *exchange) turnAway(p *provider.Provider, why *provider.Refusal) {
	x.refused(p, why.Code, why.Detail)
	if why.Reply != nil {
		x.reply(why.Reply, why.Code)
		return
	}
	x.refuse(why.Status, why.Code, why.Message)
}

// append makes the events of a decision durable and answers.
func (x *exchange) append(p *provider.Provider, d *provider.Decision) {
	e := &d.Arrivals[0].Event
	x.event = e.Name
	receipts, err := x.o.Store.Append(x.deadline.context(), d.Arrivals)
	if err == nil && len(receipts) != len(d.Arrivals) {
		err = fmt.Errorf("%d receipts for %d events", len(receipts), len(d.Arrivals))
	}
	if err != nil {
		// Whatever the reason, nothing is known to be durable: the sender must try again.
		if n, ok := x.quiet.say("store", x.arrived); ok {
			x.log.Error("events cannot be stored", "request_id", x.id, "provider", x.name, "error", err, "count", n)
		}
		x.w.Header().Set("Retry-After", retryAfter)
		x.refuse(http.StatusServiceUnavailable, "store_unavailable", "The event cannot be stored now; try again later.")
		return
	}
	if receipts[0].Mismatch {
		if n, ok := x.quiet.say("mismatch/"+x.name, x.arrived); ok {
			x.log.Warn("a delivery id came again with another body", "request_id", x.id, "provider", x.name, "event_name", e.Name,
				"event", receipts[0].ID.String(), "count", n)
		}
	}
	status := statusOf(receipts[0])
	if d.Ack != nil {
		x.reply(d.Ack, status)
		return
	}
	x.stored(status, p.Name(), e.Name, receipts[0].ID)
}

// retryAfter is how long a sender should wait, in seconds: longer than a checkpoint or a fail-over, shorter than a sender's patience.
const retryAfter = "5"

// statusOf gives the word for what became of an event.
func statusOf(r store.Receipt) string {
	switch {
	case r.Duplicate:
		return "duplicate"
	case r.State == event.Ignored:
		return "ignored"
	case r.State == event.Quarantined:
		return "quarantined"
	}
	return "processed"
}

// refused tells the operator why a request for a known provider was refused. Somebody who knocks a thousand times a second
// fills no log: each kind of refusal is told once in a while, with a count of the others.
func (x *exchange) refused(p *provider.Provider, code, detail string) {
	if n, ok := x.quiet.say(p.Name()+"/"+code, x.arrived); ok {
		x.log.Warn("request refused", "request_id", x.id, "provider", x.name, "code", code, "reason", detail, "address", x.remote(), "count", n)
	}
}

// unread answers a request whose body could not be read.
func (x *exchange) unread(p *provider.Provider, err error) {
	x.w.Header().Set("Connection", "close") // what is left of the body is not waited for
	if errors.Is(err, errTooLarge) {
		x.refused(p, "body_too_large", err.Error())
		x.refuse(http.StatusRequestEntityTooLarge, "body_too_large", "The body is too large.")
		return
	}
	x.refused(p, "incomplete_body", err.Error())
	x.refuse(http.StatusBadRequest, "incomplete_body", "The body did not arrive whole.")
}
