// Package provider compiles a provider's manifest and receives its requests: verify, identify, decide.
//
// [Provider.Receive] is pure: a frozen request in, a [Decision] out. It knows nothing of connections, of answers on the wire or of
// what becomes of an event; engine/ingress does that with the decision. Names and ids are found in the raw bytes; a body is decoded only
// where an event's schema may quarantine or refuse it. [Provider.Sign] is the other way round: it plays the sender. No provider has Go code: all that tells one from another stands in manifests.
//
// A Provider is immutable after [Compile] and may be used by any number of goroutines at once.
package provider

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/signature"
)

// What `redeliver` may say.
const (
	redeliverIgnore = "ignore"
	redeliverRetry  = "retry_parked"
)

// What `unknown_events` may say.
const (
	unknownAccept = "accept"
	unknownIgnore = "ignore"
	unknownReject = "reject"
)

// Provider is one compiled provider.
type Provider struct {
	name   string
	labels map[string]string

	scheme    *signature.Scheme
	event     *signature.Template // nil where nothing says what an event is called
	delivery  *signature.Template // nil where nothing is de-duplicated
	numbered  bool                // the delivery id says nothing of the item, so its number is added
	window    time.Duration
	ignore    field.Set
	unknown   string
	events    []Event
	declared  map[string]int // index in events by name
	headers   []storedHeader
	masked    []string // parameters of the URL whose values are not stored
	maxBody   int64
	publicURL string // without a query, but with the token; "" where it is not known
	token     *token
	rate      float64
	burst     int
	policy    string // of events that their schemas refuse

	formats      []payload.Format    // one or more
	source       *signature.Template // where the document stands; nil where it is the body
	sourceClaims bool                // it stands in a token that must be verified first
	bare         bool                // it is the body itself where a form lacks the field that it stands in
	readsOuter   bool                // names and document are found in the JSON around the document
	each         *payload.Path       // where the list of a batch stands; nil where a request is one event

	challenges []challenge
	methods    []string
	namesURL   bool // some template may name the URL with its query
	early      bool // what lacks a signature can be refused before its body is read

	retriesParked bool

	ack      *reply
	reject   *Reply
	rejectOn map[string]*Reply // by code
}

// Event is one declared event.
type Event struct {
	Name, Title, Description string

	schema      *jsonschema.Schema
	example     []byte
	exampleType string
}

// HasSchema says whether the event declares what its body looks like.
func (e *Event) HasSchema() bool { return e.schema != nil }

// HasExample says whether the event carries an example.
func (e *Event) HasExample() bool { return e.example != nil }

// Reply is a fixed answer.
type Reply struct {
	Status int
	// Type is the Content-Type, "" where there is no body.
	Type string
	// Header are further headers, in the order written.
	Header []Header
	Body   []byte
}

// Header is one header of an answer; the name is in canonical form.
type Header struct{ Name, Value string }

// storedHeader is a header that is stored with an event.
type storedHeader struct{ canonical, lower string }

// Name is the provider's name.
func (p *Provider) Name() string { return p.name }

// MaxBody is the largest body in bytes.
func (p *Provider) MaxBody() int64 { return p.maxBody }

// Events gives the names of the declared events in the order written.
func (p *Provider) Events() []string {
	out := make([]string, len(p.events))
	for i := range p.events {
		out[i] = p.events[i].Name
	}
	return out
}

// Event gives a declared event.
func (p *Provider) Event(name string) (*Event, bool) {
	i, ok := p.declared[name]
	if !ok {
		return nil, false
	}
	return &p.events[i], true
}

// AcceptsUnknown says whether events that are not declared are accepted as well.
func (p *Provider) AcceptsUnknown() bool { return p.unknown == unknownAccept }

// RetriesParked says whether a duplicate opens the parked runs of its event again.
func (p *Provider) RetriesParked() bool { return p.retriesParked }

// Unsigned says whether anybody who knows the address can send.
func (p *Provider) Unsigned() bool { return p.scheme.Unsigned() }

// LacksSignature says that a request with these headers can only be refused, whatever its body is: its signature stands in a header,
// none of the headers that may hold it is there, and no handshake is answered without one.
func (p *Provider) LacksSignature(h http.Header) bool { return p.early && p.scheme.LacksSignature(h) }

// Path is where the provider's requests arrive, with the token where the address holds one: it must not reach a log.
func (p *Provider) Path() string {
	if p.token == nil {
		return "/webhooks/" + p.name
	}
	return "/webhooks/" + p.name + "/" + p.token.text
}

// HasToken says whether the address holds a token: /webhooks/NAME/TOKEN.
func (p *Provider) HasToken() bool { return p.token != nil }

// Token says whether a text is the token of the address; true for every text where there is none. It takes the same time for all
// texts of one length.
func (p *Provider) Token(text string) bool { return p.token == nil || p.token.is(text) }

// Limit gives how many requests a second are let in over time, and how many at once. A rate of 0 is no limit.
func (p *Provider) Limit() (rate float64, burst int) { return p.rate, p.burst }

// TestInfo is what GET /webhooks/NAME/test answers, in this order of fields.
type TestInfo struct {
	Provider            string      `json:"provider"`
	WebhookSupport      bool        `json:"webhook_support"`
	WebhookURL          string      `json:"webhook_url"`
	SupportedEvents     []TestEvent `json:"supported_events"`
	SignatureValidation bool        `json:"signature_validation"`
	// SignatureHeader is null for a signature that stands elsewhere, and for none.
	SignatureHeader *string `json:"signature_header"`
}

// TestEvent is one event in a TestInfo.
type TestEvent struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	HasSchema   bool   `json:"has_schema"`
}

// Info tells a person who sets up the sender what is expected of it.
func (p *Provider) Info() TestInfo {
	info := TestInfo{
		Provider: p.name, WebhookSupport: true, WebhookURL: p.Path(), SupportedEvents: make([]TestEvent, len(p.events)),
		SignatureValidation: !p.scheme.Unsigned(),
	}
	for i, e := range p.events {
		info.SupportedEvents[i] = TestEvent{Name: e.Name, Description: e.Description, HasSchema: e.HasSchema()}
	}
	if h := p.scheme.Header(); h != "" {
		info.SignatureHeader = &h
	}
	return info
}

// storedHeaders works out which headers are stored: those that the manifest names, but never the signature's own unless `headers`
// lists it.
func (p *Provider) storedHeaders(listed []string) []storedHeader {
	names := []string{"Content-Type", "User-Agent"}
	for _, t := range []*signature.Template{p.event, p.delivery} {
		if t != nil {
			names = append(names, t.Args("header")...)
		}
	}
	names = append(names, p.scheme.TimestampHeader())
	signatures := p.scheme.Headers()
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == "" || slices.ContainsFunc(signatures, func(s string) bool { return strings.EqualFold(s, name) })
	})
	var out []storedHeader
	for _, name := range append(names, listed...) {
		h := storedHeader{textproto.CanonicalMIMEHeaderKey(name), strings.ToLower(name)}
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}
