package provider

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// ErrNoExample is what Example wraps for an event that is not declared or carries no example.
var ErrNoExample = errors.New("there is no example")

// Example gives a declared event's example and its Content-Type. The caller must not change the bytes.
func (p *Provider) Example(name string) (body []byte, contentType string, err error) {
	e, ok := p.Event(name)
	if !ok {
		return nil, "", fmt.Errorf("provider %q has no event %q: %w", p.name, name, ErrNoExample)
	}
	if e.example == nil {
		return nil, "", fmt.Errorf("event %q of provider %q: %w", name, p.name, ErrNoExample)
	}
	return e.example, e.exampleType, nil
}

// Message is what Sign makes a request of.
type Message struct {
	// Event is the name that the request is to have, "" to leave it to the body.
	Event string
	Body  []byte
	// ContentType is the format's own where empty.
	ContentType string
	// Delivery is the delivery id; a random one where empty.
	Delivery string
	// Keep leaves the id that the body holds already, for requests that are the same each time.
	Keep bool
	// Now is the time of signing.
	Now time.Time
	// Rule is the index of the signature rule to sign by; -1 is the first that can sign.
	Rule int
}

// Signed is a request that the provider itself could have sent.
type Signed struct {
	Method string
	// Path is where it goes on the public listener, Query what follows the "?", "" for nothing.
	Path   string
	Query  string
	Header http.Header
	// Body holds the message's document, with the delivery id put in where that stands in it.
	Body []byte
}

// Target is path and query, as they stand in a request line.
func (s Signed) Target() string {
	if s.Query == "" {
		return s.Path
	}
	return s.Path + "?" + s.Query
}

// Sign makes a genuine request of a message: event name, delivery id, timestamp and signature stand where the manifest says, signed
// with the first secret. The body of a message is a document: what `each` and `body.from` take apart on the way in is put together
// again, with no more around it than they need. The error says what cannot be made.
func (p *Provider) Sign(m Message) (Signed, error) {
	r := p.exampleRequest(m.Body)
	if r.Now = m.Now; m.ContentType != "" {
		r.Header.Set("Content-Type", m.ContentType)
	}
	d := draft{p: p, r: r}
	inside := m.Keep && d.holdsDelivery() || d.deliveryInside(m.Delivery)
	if err := d.wrap(); err != nil {
		return Signed{}, err
	}
	if err := d.name(m.Event); err != nil {
		return Signed{}, err
	}
	if err := d.deliveryOutside(m.Delivery, inside); err != nil {
		return Signed{}, err
	}
	if err := d.sign(m.Rule); err != nil {
		return Signed{}, err
	}
	return p.signed(r), nil
}

// signed gives what is sent of a request.
func (p *Provider) signed(r *Request) Signed {
	return Signed{Method: r.Method, Path: p.Path(), Query: r.Query, Header: r.Header, Body: r.Body}
}

// sign signs a request by a rule, or by the first that can.
func (p *Provider) sign(r *Request, rule int) error {
	if rule < 0 {
		return p.scheme.Sign(&r.Request)
	}
	return p.scheme.SignRule(&r.Request, rule)
}

// emptyRequest is a request of the provider with nothing in it.
func (p *Provider) emptyRequest() *Request {
	r := &Request{}
	r.Method, r.PathQuery, r.URL, r.Endpoint, r.Header = http.MethodPost, p.Path(), p.publicURL, p.publicURL, http.Header{}
	r.Form = p.onlyForm()
	return r
}

// exampleRequest is a request that holds an example: a document, or a whole body in which `body.from` finds one; of a batch one item,
// which becomes the only one, or all of it. A document that stands in a body still has to be put there.
func (p *Provider) exampleRequest(example []byte) *Request {
	r := p.emptyRequest()
	example = bytes.Clone(example)
	if p.wraps(r, example) {
		return p.firstItem(r)
	}
	if p.each != nil {
		example = p.batchOf(example)
	}
	r.Header.Set("Content-Type", contentType(p.formatOfText(example)))
	if p.source == nil || p.bare {
		r.Body = example
	} else {
		r.Document = example
	}
	return p.firstItem(r)
}

// wraps makes r a request with that body, where the body is one that `body.from` takes a document out of.
func (p *Provider) wraps(r *Request, body []byte) bool {
	if p.source == nil {
		return false
	}
	kind := r.Header.Get("Content-Type")
	r.Body = body
	r.Header.Set("Content-Type", contentType(guessFormat(body)))
	if p.unpack(r); r.missing == nil && len(r.Document) > 0 {
		return true
	}
	r.Body, r.Document, r.missing = nil, nil, nil
	r.Header.Set("Content-Type", kind)
	return false
}

// firstItem has templates see the first item of a batch.
func (p *Provider) firstItem(r *Request) *Request {
	if p.each != nil {
		if items, refusal := p.items(r); refusal == nil && len(items) > 0 {
			r.Item = items[0]
		}
	}
	return r
}

// randomID gives a UUID: the form of an id that every provider's own schema takes, where it asks for any.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
