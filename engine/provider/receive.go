package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/store"
)

// maxDeliveryBytes bounds a delivery id; a longer one stands as its hash.
const maxDeliveryBytes = 200

// Receive decides about one request: a handshake or a delivery, genuine or not, which events. The body of r belongs to the events from
// then on. Handshakes aside, it believes no content before the signature has held. It waits for nothing but keys that have to be
// fetched, as long as ctx lets it.
func (p *Provider) Receive(ctx context.Context, r *Request) Decision {
	r.Form = p.onlyForm()
	r.URL, r.Endpoint = p.url(r.Query), p.publicURL
	r.Document, r.Item, r.Claims, r.missing = nil, nil, nil, nil
	if !p.sourceClaims {
		p.unpack(r)
	}
	if len(p.challenges) > 0 || r.Method != http.MethodPost {
		if d, ok := p.shake(ctx, r); ok {
			return d
		}
	}
	matches, refusal := p.genuine(ctx, r)
	if refusal != nil {
		return Decision{Refusal: refusal}
	}
	f := p.formatOf(r)
	if refusal := p.readable(r, f); refusal != nil {
		return Decision{Refusal: refusal, Genuine: true}
	}
	r.stored = p.withoutSecrets(r.Query)
	var d Decision
	if p.each == nil {
		d, refusal = p.single(r, f, matches.one)
	} else {
		d, refusal = p.batch(r, f, &matches)
	}
	if refusal != nil {
		return Decision{Refusal: refusal, Genuine: true}
	}
	d.Ack, d.Genuine = p.acknowledge(r), true
	return d
}

// proof is how a request was found genuine: once, or item by item.
type proof struct {
	one   signature.Match
	each  []signature.Match
	items [][]byte
}

// genuine verifies a request, and the document that stands in its token. Where a rule names the item, each item is verified by itself,
// and one that does not hold refuses them all.
func (p *Provider) genuine(ctx context.Context, r *Request) (proof, *Refusal) {
	if !p.scheme.PerItem() || p.each == nil {
		match, refusal := p.scheme.Verify(ctx, &r.Request)
		if refusal != nil {
			return proof{}, p.refuse(refusal)
		}
		if r.Claims = match.Claims; p.sourceClaims {
			p.unpack(r)
		}
		return proof{one: match}, nil
	}
	// What the items are follows from the document, which has to be looked at first.
	if refusal := p.readable(r, p.formatOf(r)); refusal != nil {
		return proof{}, refusal
	}
	items, refusal := p.items(r)
	if refusal != nil {
		return proof{}, refusal
	}
	out := proof{items: items, each: make([]signature.Match, len(items))}
	for i := range max(1, len(items)) {
		if len(items) > 0 {
			r.Item = items[i]
		}
		match, refusal := p.scheme.Verify(ctx, &r.Request)
		if refusal != nil {
			if len(items) > 1 {
				refusal.Detail = fmt.Sprintf("item %d of %d: %s", i, len(items), refusal.Detail)
			}
			return proof{}, p.refuse(refusal)
		}
		if out.one = match; len(items) > 0 {
			out.each[i] = match
		}
		r.Claims = match.Claims
	}
	return out, nil
}

// single makes the one event of a request.
func (p *Provider) single(r *Request, f payload.Format, match signature.Match) (Decision, *Refusal) {
	arrivals := []store.Arrival{{}}
	d := Decision{Arrivals: arrivals, Events: 1}
	var refusal *Refusal
	d.Verdict, refusal = p.arrive(&arrivals[0], r, r.content(), match, p.keep(r.Header), p.kindOf(r, f))
	return d, refusal
}

// batch makes an event of each item of a request. What would refuse one of them refuses the request: the sender sends it again as a
// whole.
func (p *Provider) batch(r *Request, f payload.Format, matches *proof) (Decision, *Refusal) {
	items := matches.items
	if matches.each == nil {
		var refusal *Refusal
		if items, refusal = p.items(r); refusal != nil {
			return Decision{}, refusal
		}
	}
	headers, kind := p.keep(r.Header), p.kindOf(r, f)
	d := Decision{Verdict: Ignored, Batch: true, Events: len(items), Arrivals: make([]store.Arrival, max(1, len(items)))}
	if len(items) == 0 {
		r.Item = nil
		a := &d.Arrivals[0]
		a.Event = p.frozen(r, r.content(), matches.one, headers, kind)
		a.Event.Delivery, a.Window = p.deliveryOf(r), p.window
		a.Event.State, a.Event.Reason = event.Ignored, reasonEmptyBatch
		return d, nil
	}
	for i, item := range items {
		r.Item = item
		match := matches.one
		if matches.each != nil {
			match = matches.each[i]
		}
		a := &d.Arrivals[i]
		verdict, refusal := p.arrive(a, r, item, match, headers, kind)
		if refusal != nil {
			refusal.Detail = fmt.Sprintf("item %d of %d: %s", i, len(items), refusal.Detail)
			return Decision{}, refusal
		}
		a.Event.Index = i
		if p.numbered && a.Event.Delivery != "" {
			a.Event.Delivery += "#" + strconv.Itoa(i)
		}
		d.Verdict = more(d.Verdict, verdict)
	}
	return d, nil
}

// more gives the verdict of a batch that holds both: what starts something counts before what a person has to look at.
func more(a, b Verdict) Verdict {
	for _, v := range []Verdict{Accepted, Quarantined} {
		if a == v || b == v {
			return v
		}
	}
	return Ignored
}

// frozen makes the event of a request but for its name, delivery id and fate.
func (p *Provider) frozen(r *Request, body []byte, match signature.Match, headers []event.Header, kind string) event.Event {
	return event.Event{
		Request: r.ID, Provider: p.name, Received: r.Now, Routes: r.Routes,
		Verification: event.Verification{Rule: match.Rule, Secret: match.Secret, Learned: match.Learned},
		Headers:      headers, Query: r.stored, ContentType: kind,
		BodySize: len(body), BodyCRC: crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)), Body: body,
		Source: event.Live, State: event.Accepted, Labels: p.labels,
	}
}

// arrive makes one event of a request, or of the item that r.Item is, and decides what becomes of it.
func (p *Provider) arrive(a *store.Arrival, r *Request, body []byte, match signature.Match, headers []event.Header, kind string) (Verdict, *Refusal) {
	a.Event, a.Route, a.Window = p.frozen(r, body, match, headers, kind), true, p.window
	e := &a.Event
	e.Name, e.Delivery = p.nameOf(r), p.deliveryOf(r)
	switch reason := p.unwanted(e.Name); {
	case reason == "":
	case reason != reasonIgnoreList && p.unknown == unknownReject:
		return Refused, &Refusal{
			Status: http.StatusUnprocessableEntity, Code: "unknown_event", Message: "This event is not expected here.", Detail: fmt.Sprintf("%s: %q", reason, e.Name),
		}
	default:
		e.State, e.Reason, a.Route = event.Ignored, reason, false
		return Ignored, nil
	}
	if p.delivery != nil && e.Delivery == "" {
		e.Reason = "no_delivery_id" // declared and not there: accepted, but nobody could tell it from its repetition
	}
	if p.policy == policyPass {
		return Accepted, nil
	}
	findings := p.Findings(e.Name, body, kind)
	switch {
	case len(findings) == 0:
		return Accepted, nil
	case p.policy == policyReject:
		return Refused, &Refusal{
			Status: http.StatusUnprocessableEntity, Code: "schema_mismatch", Message: "The event is not what its schema says.",
			Detail: fmt.Sprintf("event %q, at %q: %s: %s", e.Name, findings[0].Path, findings[0].Rule, findings[0].Message),
		}
	}
	e.State, e.Reason, e.Findings, a.Route = event.Quarantined, reasonSchema, findings, false
	return Quarantined, nil
}

// acknowledge gives the answer that the provider wants to what is stored, nil for ours: also where a request lacks what the answer is
// made of, because its events are stored all the same.
func (p *Provider) acknowledge(r *Request) *Reply {
	if p.ack == nil {
		return nil
	}
	out, err := p.ack.render(&r.Request, p.scheme.Key())
	if err != nil {
		return nil
	}
	return out
}

// url is the address that the sender was told, with the query that it sent.
func (p *Provider) url(query string) string {
	if p.publicURL == "" || query == "" || !p.namesURL {
		return p.publicURL
	}
	return p.publicURL + "?" + query
}

// refuse gives the public side of a signature's refusal.
func (p *Provider) refuse(r *signature.Refusal) *Refusal {
	out := &Refusal{Status: http.StatusUnauthorized, Code: string(r.Class), Detail: r.Detail, Rule: r.Rule, Signature: true}
	switch r.Class {
	case signature.KeyUnavailable:
		out.Status, out.Message, out.Signature = http.StatusServiceUnavailable, "The key to check the signature with cannot be had now; try again later.", false
		return out // whatever `reject` says: the sender is to try again
	case signature.MissingSignature:
		out.Message = "The request is not signed."
	case signature.StaleTimestamp:
		out.Message = "The request's timestamp is too far from the present."
	default:
		out.Message = "The signature does not match."
	}
	out.Reply = p.reject
	if own, ok := p.rejectOn[out.Code]; ok {
		out.Reply = own
	}
	return out
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

// The reasons in the record of an event. That of what the operator does not want is no surprise, unlike the others.
const (
	reasonIgnoreList = "ignore_list"
	reasonEmptyBatch = "empty_batch"
	reasonSchema     = "schema_mismatch"
)

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

// Explain is the operator's diagnosis of a request that Receive refused for its signature: which rule applied, and what was missing or
// differed in form. It costs more hashes than Receive, and never gives a secret or a signature that would have held. It is "" where
// there is nothing to add to the refusal's Detail.
func (p *Provider) Explain(r *Request) string { return p.scheme.Explain(&r.Request) }
