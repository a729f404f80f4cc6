// Package ingress is the public listener: it takes webhooks over HTTP, has engine/provider decide about each, makes the events
// durable and only then answers.
//
// It knows nothing of signatures, pipelines or queues, and it never retries. What needs no knowledge of the body is decided here: the
// token of an address, rates, the room that bodies take, and how much a stranger may have logged, recorded and explained. [Server] is the handler, [Listener] the socket around it.
// A request costs no goroutine, timer or context of its own, unless a pipeline may answer it (see [Responders]). Both types may be used by any number of goroutines at once.
package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/reply"
	"github.com/headgate/headgate/engine/secret"
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
	// Responders says whose senders are answered by a pipeline; nobody's where nil.
	Responders Responders
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

// Learner keeps a secret that a provider handed over in a handshake: it returns when the secret is durable and checked against.
type Learner interface {
	Learn(ctx context.Context, provider string, s secret.Value) error
}

// Confirmer gets a URL once, to confirm a handshake; anything but a 2xx answer is an error.
type Confirmer interface {
	Confirm(ctx context.Context, url string) error
}

// Redeliverer opens the parked runs of an event again whose sender has sent it again in the request of that id. It gives how many it
// opened, also where there is an error.
type Redeliverer interface {
	Redeliver(ctx context.Context, id event.ID, request string) (int, error)
}

// Rejections records refused requests. It never blocks; it is called by many goroutines at once.
type Rejections interface {
	// Reject takes one whose reason was looked into.
	Reject(r store.Rejection)
	// Count takes one of a kind that comes too often to look into each: it adds to a record of its kind.
	Count(r store.Rejection)
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
	// Learner keeps the secrets of handshakes; where it is nil, a handshake that brings one is answered 503.
	Learner Learner
	// Confirmer confirms handshakes; where it is nil, a handshake that needs it is answered 503.
	Confirmer Confirmer
	// Rejections may be nil.
	Rejections Rejections
	// Redeliverer opens parked runs again; where it is nil, nobody does.
	Redeliverer Redeliverer
	// Replies is where requests wait that a pipeline may answer; where it is nil, none waits.
	Replies *reply.Desk
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
	quota    quota
	limits   limits
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
	name    string // the provider's, for logs and counts; UnknownProvider until it is known
	asked   string // the provider's as the path has it, for records
	early   bool   // the answer goes out before the handler is done
	room    share  // what its body has of the memory

	responders Responders // nil where no request waits for a pipeline
	event      string
	answer     string // what Observer is told; "" until answered
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

// root is what all paths here begin with.
const root = "/webhooks/"

// serve finds out what is asked for.
func (x *exchange) serve() {
	rest, ok := strings.CutPrefix(x.r.URL.Path, root)
	name, tail, deeper := strings.Cut(rest, "/")
	if !ok || name == "" {
		x.refuse(http.StatusNotFound, "not_found", "There is nothing here.")
		return
	}
	x.asked = name
	snapshot := x.o.Snapshot()
	if x.o.Replies != nil {
		x.responders = snapshot.Responders
	}
	p, ok := snapshot.Providers.Provider(name)
	if !ok {
		x.notFound(nil, "there is no provider of that name")
		return
	}
	x.name = p.Name()
	if p.HasToken() {
		var token string
		if token, tail, deeper = strings.Cut(tail, "/"); !p.Token(token) {
			x.notFound(p, "the address does not hold the path token")
			return
		}
	}
	test := deeper && tail == "test" && x.o.TestEndpoint
	switch {
	case deeper && !test:
		x.refuse(http.StatusNotFound, "not_found", "There is nothing here.")
	case test && (x.r.Method == http.MethodGet || x.r.Method == http.MethodHead):
		x.info(p)
	case test:
		x.notAllowed(p, http.MethodGet, http.MethodHead)
	case x.r.Method == http.MethodPost:
		x.receive(p, snapshot.Digest)
	case slices.Contains(p.Methods(), x.r.Method):
		x.ask(p, snapshot.Digest)
	default:
		x.notAllowed(p, p.Methods()...)
	}
}

// request is what a provider sees of the call.
func (x *exchange) request(digest string) provider.Request {
	r := provider.Request{ID: x.id, Routes: digest}
	r.Method, r.PathQuery, r.Query, r.Header, r.Now = x.r.Method, x.r.RequestURI, x.r.URL.RawQuery, x.r.Header, x.arrived
	return r
}

// ask takes a request that is no POST, which can only be a handshake. What it may have for a body is not read.
func (x *exchange) ask(p *provider.Provider, digest string) {
	r := x.request(digest)
	r.Body = []byte{}
	if wait, ok := x.admit(p); !ok {
		x.limited(p, &r, wait)
		return
	}
	x.decided(p, &r)
}

// admit asks whether a provider's rate limit would let a request in. It takes nothing of it yet: what a stranger sends, however much and
// however slowly, is no reason to turn genuine requests away.
func (x *exchange) admit(p *provider.Provider) (wait time.Duration, ok bool) {
	rate, burst := p.Limit()
	if rate == 0 {
		return 0, true
	}
	return x.limits.has(x.name, rate, burst, x.arrived)
}

// count takes a genuine request from its provider's rate limit; others may have come first since it was admitted.
func (x *exchange) count(p *provider.Provider) (wait time.Duration, ok bool) {
	rate, burst := p.Limit()
	if rate == 0 {
		return 0, true
	}
	return x.limits.take(x.name, rate, burst, x.o.Now()) // its body may have taken a while: the bucket's time must not go back
}

// receive takes one webhook.
func (x *exchange) receive(p *provider.Provider, digest string) {
	r := x.request(digest)
	if coding := x.r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		x.turnAway(p, nil, refusal(http.StatusUnsupportedMediaType, "unsupported_media_type", "Encoded bodies are not accepted here.",
			fmt.Sprintf("the body is encoded as %.40q", coding)))
		return
	}
	limit := p.MaxBody()
	if x.o.MaxBody > 0 {
		limit = min(limit, x.o.MaxBody)
	}
	if p.LacksSignature(x.r.Header) {
		// Whatever the body is, it will be refused: nothing of it is read.
		if d := p.Receive(x.r.Context(), &r); d.Verdict == provider.Refused {
			x.turnAway(p, &r, d.Refusal)
			return
		}
	}
	if wait, ok := x.admit(p); !ok {
		x.limited(p, nil, wait)
		return
	}
	if x.r.ContentLength > limit {
		x.unread(p, tooLarge(x.r.ContentLength, limit))
		return
	}
	x.room.of = &x.budget
	defer x.room.end()
	body, err := readBody(x.r, limit, &x.room)
	if err != nil {
		x.unread(p, err)
		return
	}
	r.Body = body
	x.decided(p, &r)
}

// decided has the provider decide, and acts on it.
func (x *exchange) decided(p *provider.Provider, r *provider.Request) {
	d := p.Receive(x.r.Context(), r)
	if d.Genuine {
		if wait, ok := x.count(p); !ok {
			x.limited(p, r, wait)
			return
		}
	}
	switch d.Verdict {
	case provider.Refused:
		x.turnAway(p, r, d.Refusal)
	case provider.Answered:
		x.shake(p, r, d.Handshake)
	default:
		x.append(p, &d)
	}
}

// append makes the events of a decision durable and answers.
func (x *exchange) append(p *provider.Provider, d *provider.Decision) {
	if !d.Batch {
		x.event = d.Arrivals[0].Event.Name
	}
	var open awaited
	if x.responders != nil {
		if open = x.expect(d); open.ticket != nil {
			defer open.ticket.Close()
		}
	}
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
	for i := range receipts {
		if !receipts[i].Mismatch {
			continue
		}
		if n, ok := x.quiet.say("mismatch/"+x.name, x.arrived); ok {
			x.log.Warn("a delivery id came again with another body", "request_id", x.id, "provider", x.name, "event_name", d.Arrivals[i].Event.Name,
				"event", receipts[i].ID.String(), "count", n)
		}
	}
	came := x.redelivered(p, receipts)
	events := -1
	if d.Batch {
		events = d.Events
	}
	if open.limit > 0 && x.replied(open, receipts, events) {
		return
	}
	status := statusOf(receipts)
	if d.Ack != nil {
		x.reply(d.Ack, status)
		return
	}
	x.stored(http.StatusOK, status, p.Name(), x.event, receipts[0].ID, events, came)
}

// retryAfter is how long a sender should wait, in seconds: longer than a checkpoint or a fail-over, shorter than a sender's patience.
const retryAfter = "5"

// The words for what became of an event, in the order in which they count for a batch.
const (
	statusProcessed   = "processed"
	statusQuarantined = "quarantined"
	statusDuplicate   = "duplicate"
	statusIgnored     = "ignored"
)

// statusOf gives the word for what became of the events of a request: of several the one that a person wants to hear of first.
func statusOf(receipts []store.Receipt) string {
	found := [4]bool{}
	for _, r := range receipts {
		switch {
		case r.Duplicate:
			found[2] = true
		case r.State == event.Ignored:
			found[3] = true
		case r.State == event.Quarantined:
			found[1] = true
		default:
			return statusProcessed
		}
	}
	for i, word := range [...]string{statusProcessed, statusQuarantined, statusDuplicate} {
		if found[i] {
			return word
		}
	}
	return statusIgnored
}
