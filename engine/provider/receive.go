package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/store"
)

// maxDeliveryBytes bounds a delivery id; a longer one stands as its hash.
const maxDeliveryBytes = 200

// Request is one inbound call with the id that its answer carries. Its URL need not be set.
type Request struct {
	signature.Request
	// ID is the X-Request-Id.
	ID string
	// Routes is the digest of the snapshot that received it.
	Routes string
}

// Verdict is what becomes of a request.
type Verdict uint8

// The verdicts.
const (
	// Refused requests are answered with an error, and nothing of them is stored.
	Refused Verdict = iota
	// Accepted requests become events that start pipelines.
	Accepted
	// Ignored requests become events that are recorded and start nothing.
	Ignored
)

// String gives "refused", "accepted" or "ignored".
func (v Verdict) String() string { return [...]string{"refused", "accepted", "ignored"}[v] }

// Decision is what Receive makes of a request.
type Decision struct {
	Verdict Verdict
	// Arrivals are the events to append, their ids still to be given; none where refused.
	Arrivals []store.Arrival
	// Refusal is set where refused.
	Refusal *Refusal
	// Ack replaces the answer to what was stored, where the provider wants its own.
	Ack *Reply
}

// Refusal is why a request is refused.
type Refusal struct {
	// Status, Code and Message are for the sender: the class and nothing finer.
	Status  int
	Code    string
	Message string
	// Detail is for the operator. It holds nothing secret.
	Detail string
	// Reply replaces status and body, where the provider demands it.
	Reply *Reply
}

// Receive decides about one request: genuine or not, which event, which delivery. The body of r belongs to the event from then on.
// It looks at no content before the signature has held.
func (p *Provider) Receive(r *Request) Decision {
	r.Form = p.format == payload.Form
	r.URL = p.url(r.Query)
	match, refusal := p.scheme.Verify(&r.Request)
	if refusal != nil {
		return Decision{Refusal: p.refuse(refusal)}
	}
	if refusal := p.readable(r); refusal != nil {
		return Decision{Refusal: refusal}
	}

	arrivals := []store.Arrival{{Route: true, Window: p.window}}
	a := &arrivals[0]
	a.Event = event.Event{
		Request: r.ID, Provider: p.name, Name: p.nameOf(r), Delivery: p.deliveryOf(r), Received: r.Now, Routes: r.Routes,
		Verification: event.Verification{Rule: match.Rule, Secret: match.Secret},
		Headers:      p.keep(r.Header), Query: r.Query, ContentType: p.contentType(r.Header.Get("Content-Type")),
		BodySize: len(r.Body), BodyCRC: crc32.Checksum(r.Body, crc32.MakeTable(crc32.Castagnoli)), Body: r.Body,
		Source: event.Live, State: event.Accepted, Labels: p.labels,
	}
	d := Decision{Verdict: Accepted, Arrivals: arrivals, Ack: p.ack}
	switch reason := p.unwanted(a.Event.Name); {
	case reason == "":
		if p.delivery != nil && a.Event.Delivery == "" {
			a.Event.Reason = "no_delivery_id" // declared and not there: accepted, but nobody could tell it from its repetition
		}
	case reason != reasonIgnoreList && p.unknown == unknownReject:
		return Decision{Refusal: &Refusal{
			Status: http.StatusUnprocessableEntity, Code: "unknown_event", Message: "This event is not expected here.", Detail: fmt.Sprintf("%s: %q", reason, a.Event.Name),
		}}
	default:
		a.Event.State, a.Event.Reason, a.Route, d.Verdict = event.Ignored, reason, false, Ignored
	}
	return d
}

// url is the address that the sender was told, with the query that it sent.
func (p *Provider) url(query string) string {
	if p.publicURL == "" || query == "" || !p.scheme.Uses("url") {
		return p.publicURL
	}
	return p.publicURL + "?" + query
}

// refuse gives the public side of a signature's refusal.
func (p *Provider) refuse(r *signature.Refusal) *Refusal {
	out := &Refusal{Status: http.StatusUnauthorized, Code: string(r.Class), Detail: r.Detail, Reply: p.reject}
	switch r.Class {
	case signature.MissingSignature:
		out.Message = "The request is not signed."
	case signature.StaleTimestamp:
		out.Message = "The request's timestamp is too far from the present."
	default:
		out.Message = "The signature does not match."
	}
	return out
}

// readable looks whether the body can be what the manifest says it is.
func (p *Provider) readable(r *Request) *Refusal {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	media = strings.ToLower(strings.TrimSpace(media))
	if strings.HasPrefix(media, "multipart/") && p.format != payload.Raw {
		return unsupported(p.format, media)
	}
	switch p.format {
	case payload.JSON:
		err := payload.Check(r.Body, payload.Limits{})
		switch {
		case err == nil:
		case media == "application/x-www-form-urlencoded":
			return unsupported(p.format, media) // the sender is set to send forms
		default:
			return &Refusal{Status: http.StatusBadRequest, Code: "invalid_json", Message: "The body is not valid JSON.", Detail: err.Error()}
		}
	case payload.Form:
		if media == "application/json" || strings.HasSuffix(media, "+json") {
			return unsupported(p.format, media)
		}
	}
	return nil
}

func unsupported(f payload.Format, media string) *Refusal {
	return &Refusal{
		Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Message: "This content type is not accepted here.",
		Detail: fmt.Sprintf("the body is to be %s and came as %.100q", f, media),
	}
}

// nameOf gives the event's name, "" where it has none that could be one.
func (p *Provider) nameOf(r *Request) string {
	if p.event == nil {
		if len(p.events) == 1 {
			return p.events[0].Name
		}
		return ""
	}
	name, err := p.event.Text(&r.Request)
	if err != nil || !isName(name) {
		return ""
	}
	return name
}

// deliveryOf gives the delivery id, "" where there is none.
func (p *Provider) deliveryOf(r *Request) string {
	if p.delivery == nil {
		return ""
	}
	id, err := p.delivery.Text(&r.Request)
	switch {
	case err != nil:
		return ""
	case len(id) > maxDeliveryBytes || strings.ToValidUTF8(id, "") != id:
		sum := sha256.Sum256([]byte(id))
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	return id
}

// reasonIgnoreList is the reason of what the operator does not want; it is no surprise, unlike the other reasons.
const reasonIgnoreList = "ignore_list"

// unwanted says why an event starts nothing, "" where it may.
func (p *Provider) unwanted(name string) string {
	switch {
	case name != "" && p.ignore.Match(name):
		return reasonIgnoreList
	case p.unknown == unknownAccept:
		return ""
	case name == "":
		return "no_event_name"
	}
	if _, ok := p.declared[name]; !ok {
		return "unknown_event"
	}
	return ""
}

// keep takes the headers that are stored.
func (p *Provider) keep(h http.Header) []event.Header {
	n := 0
	for i := range p.headers {
		n += len(h[p.headers[i].canonical])
	}
	if n == 0 {
		return nil
	}
	out := make([]event.Header, 0, n)
	for i := range p.headers {
		for _, v := range h[p.headers[i].canonical] {
			out = append(out, event.Header{Name: p.headers[i].lower, Value: v})
		}
	}
	return out
}

// contentType is the type that the event carries: the sender's, unless that would have its body read in another way than the
// manifest says.
func (p *Provider) contentType(sent string) string {
	if read := payload.FormatOf(sent); sent == "" || read != p.format && (read == payload.Form || p.format == payload.Form) {
		return contentType(p.format)
	}
	return sent
}

// exampleRequest is a request with an example as its body.
func (p *Provider) exampleRequest(body []byte) *Request {
	r := &Request{}
	r.Method, r.PathQuery, r.URL, r.Body, r.Form, r.Now = http.MethodPost, p.Path(), p.publicURL, body, p.format == payload.Form, time.Time{}
	r.Header = http.Header{"Content-Type": {contentType(p.format)}}
	return r
}
