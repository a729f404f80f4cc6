package provider

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/headgate/headgate/engine/payload"
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
	// Now is the time of signing.
	Now time.Time
}

// Signed is a request that the provider itself could have sent.
type Signed struct {
	// Path is where it goes on the public listener.
	Path   string
	Header http.Header
	// Body is the message's, with the delivery id put in where that stands in the body.
	Body []byte
}

// Sign makes a genuine request of a message: event name, delivery id, timestamp and signature stand where the manifest says, signed
// with the first secret. The error says what cannot be made.
func (p *Provider) Sign(m Message) (Signed, error) {
	r := p.exampleRequest(bytes.Clone(m.Body))
	r.Now = m.Now
	if m.ContentType != "" {
		r.Header.Set("Content-Type", m.ContentType)
	}
	if err := p.putName(r, m.Event); err != nil {
		return Signed{}, err
	}
	if err := p.putDelivery(r, m.Delivery); err != nil {
		return Signed{}, err
	}
	if err := p.scheme.Sign(&r.Request); err != nil {
		return Signed{}, err
	}
	return Signed{Path: p.Path(), Header: r.Header, Body: r.Body}, nil
}

// putName writes the event's name into the header that carries it, or what of it stands there.
func (p *Provider) putName(r *Request, name string) error {
	if name == "" || p.event == nil || p.nameOf(r) == name {
		return nil
	}
	for _, header := range p.event.Args("header") {
		for end := len(name); end > 0; end-- {
			r.Header.Set(header, name[:end])
			if p.nameOf(r) == name {
				return nil
			}
		}
		r.Header.Del(header)
	}
	return fmt.Errorf("the body does not make %s the name %q", p.event, name)
}

// putDelivery writes a delivery id into the header or the place in the body that carries it. An id that is worked out of the whole
// body is left alone.
func (p *Provider) putDelivery(r *Request, id string) error {
	if p.delivery == nil {
		return nil
	}
	random := id == ""
	if random {
		id = randomID()
	}
	for _, header := range p.delivery.Args("header") {
		r.Header.Set(header, id)
		if p.deliveryOf(r) == id {
			return nil
		}
		r.Header.Del(header)
	}
	for _, where := range p.delivery.Args("json") {
		if body, ok := replaceString(r.Body, where, id); ok {
			r.Body = body
			return nil
		}
	}
	if random {
		return nil
	}
	return fmt.Errorf("%s takes no delivery id from outside", p.delivery)
}

// randomID gives a UUID: the form of an id that every provider's own schema takes, where it asks for any.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// replaceString puts another text in the place of a string in a JSON body. False where there is none.
func replaceString(body []byte, where, text string) ([]byte, bool) {
	path, err := payload.ParsePath(where)
	if err != nil {
		return nil, false
	}
	raw, ok, err := path.Find(body)
	if err != nil || !ok || len(raw) == 0 || raw[0] != '"' {
		return nil, false
	}
	quoted, err := payload.Encode(text)
	if err != nil {
		return nil, false
	}
	at := offsetOf(body, raw)
	out := append(bytes.Clone(body[:at]), quoted...)
	return append(out, body[at+len(raw):]...), true
}
