package trial

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/ingress"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
)

// outcome is what the gateway made of a request.
type outcome struct {
	verdict   string
	code      string // of a refusal
	diagnosis string
	events    []event.Event
	duplicate bool // the event was there already
	learned   bool
	confirmed string
	answer    answer
}

// answer is what the sender gets.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// observe lets the public listener's own handler answer a request, without a socket. Events go into the log, where there is one, as if
// they came with the request of that id.
func observe(ctx context.Context, p *provider.Provider, r *sent, now time.Time, log ingress.Appender, id string) outcome {
	o := &observer{provider: p, log: log, id: id}
	server, err := ingress.New(ingress.Options{
		Snapshot: func() ingress.Snapshot { return ingress.Snapshot{Providers: o} },
		Store:    o, Logger: slog.New(slog.DiscardHandler), Observer: o, Now: func() time.Time { return now }, TestEndpoint: true,
		Learner: o, Confirmer: o, Rejections: o,
	})
	if err != nil {
		return outcome{diagnosis: err.Error()} // it would name an option that is missing above
	}
	w := &recorder{header: http.Header{}}
	server.ServeHTTP(w, httpRequest(ctx, r))
	o.out.answer = answer{Status: w.status, Header: w.header, Body: w.body.Bytes()}
	o.out.verdict = o.verdict()
	if o.out.verdict == provider.Refused.String() && o.out.code == "" {
		o.out.code = o.answered
	}
	return o.out
}

// httpRequest is what net/http would have made of a request.
func httpRequest(ctx context.Context, r *sent) *http.Request {
	target := &url.URL{Path: r.path, RawQuery: r.query}
	request := &http.Request{
		Method: r.method, URL: target, RequestURI: target.RequestURI(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: r.header.Clone(),
		Body: io.NopCloser(bytes.NewReader(r.body)), ContentLength: int64(len(r.body)), Host: strings.TrimPrefix(PublicURL, "https://"), RemoteAddr: "192.0.2.1:50000",
	}
	return request.WithContext(ctx)
}

// observer stands where the gateway has its store and its network.
type observer struct {
	provider *provider.Provider
	log      ingress.Appender // nil for none
	id       string
	out      outcome
	answered string // what the handler says that it answered: a status or the code of an error
}

// Provider gives the one provider there is.
func (o *observer) Provider(name string) (*provider.Provider, bool) {
	return o.provider, name == o.provider.Name()
}

// Append takes the events. Without a log it calls each of them new.
func (o *observer) Append(ctx context.Context, arrivals []store.Arrival) ([]store.Receipt, error) {
	receipts := make([]store.Receipt, len(arrivals))
	if o.log != nil {
		for i := range arrivals {
			arrivals[i].Event.Request = o.id
			o.out.events = append(o.out.events, arrivals[i].Event)
		}
		receipts, err := o.log.Append(ctx, arrivals)
		o.out.duplicate = len(receipts) > 0 && receipts[0].Duplicate
		return receipts, err
	}
	for i, a := range arrivals {
		o.out.events = append(o.out.events, a.Event)
		receipts[i] = store.Receipt{ID: a.Event.ID, State: a.Event.State}
	}
	return receipts, nil
}

// Request keeps what was answered.
func (o *observer) Request(_, answer string, _ time.Duration) { o.answered = answer }

// Learn keeps that a secret came.
func (o *observer) Learn(context.Context, string, secret.Value) error {
	o.out.learned = true
	return nil
}

// Confirm keeps where a handshake would have been confirmed; nothing is asked.
func (o *observer) Confirm(_ context.Context, address string) error {
	o.out.confirmed = address
	return nil
}

// Reject keeps why a request was refused.
func (o *observer) Reject(r store.Rejection) { o.out.code, o.out.diagnosis = r.Code, r.Reason }

// Count is never called: one request is no flood.
func (o *observer) Count(store.Rejection) {}

// verdict says in one word what became of the request.
func (o *observer) verdict() string {
	switch {
	case len(o.out.events) > 0:
		verdict := provider.Ignored
		for _, e := range o.out.events {
			switch e.State {
			case event.Accepted:
				return provider.Accepted.String()
			case event.Quarantined:
				verdict = provider.Quarantined
			}
		}
		return verdict.String()
	case o.out.code == "" && o.answered == provider.Answered.String():
		return provider.Answered.String()
	}
	return provider.Refused.String()
}

// recorder is an http.ResponseWriter in memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header gives the answer's headers.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader keeps the status; the first one counts.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write keeps the body.
func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}
