package trial

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/source"
)

// fitted is a provider with its operator's settings made up, ready to sign and to receive. It may be used by many goroutines.
type fitted struct {
	doc      *manifest.Document
	with     *source.Node
	provider *provider.Provider
	// another is the same with another secret, made when it is needed.
	another func() (*provider.Provider, error)
}

// fit compiles a provider; nil with findings where that cannot be. Only errors are told: warnings and hints about the provider are not
// the test's to tell.
func fit(doc *manifest.Document, with *source.Node, out *diag.List) *fitted {
	found := &diag.List{}
	p := Fit(doc, with, "", found)
	for _, f := range found.Sorted() {
		if f.Severity == diag.Error {
			out.Add(f)
		}
	}
	if p == nil {
		return nil
	}
	f := &fitted{doc: doc, with: with, provider: p}
	f.another = sync.OnceValues(f.other)
	return f
}

// errNoOther says that a change needs the request as another secret would sign it.
var errNoOther = errors.New("what depends on the secret cannot be told: nothing here is signed with one")

// other gives the provider with another secret.
func (f *fitted) other() (*provider.Provider, error) {
	if f.provider.Unsigned() {
		return nil, errNoOther
	}
	with := source.NewMap(f.doc.NameSpan)
	if f.with != nil {
		for _, e := range f.with.Entries {
			if e.Key.Text != "secret" && e.Key.Text != "secrets" {
				with.Entries = append(with.Entries, e)
			}
		}
	}
	found := &diag.List{}
	p := Fit(f.doc, with, "another", found)
	if p == nil {
		return nil, fmt.Errorf("making another secret: %w", found.Err())
	}
	return p, nil
}

// receives gives the provider that gets a stimulus: where the change says so, one whose secret is another than that which signed.
func (f *fitted) receives(st *stimulus) (*provider.Provider, error) {
	if st.change.wrong {
		return f.another()
	}
	return f.provider, nil
}

// checkNames looks whether the provider has what is sent.
func (f *fitted) checkNames(st *stimulus, out *diag.List) {
	p := f.provider
	switch {
	case !st.sendSpan.IsZero():
		e, ok := p.Event(st.send)
		switch {
		case !ok:
			out.Errorf(diag.DanglingReference, st.sendSpan, diag.DidYouMean(st.send, p.Events()), "provider `%s` has no event `%s`", p.Name(), st.send)
		case !e.HasExample():
			out.Errorf(diag.DanglingReference, st.sendSpan, "give it an `example`, or write the `request` out", "event `%s` of provider `%s` has no example", st.send, p.Name())
		default:
			f.checkEdits(st, out)
		}
	case st.handshake != nil:
		if _, ok := handshakeName(st.handshake, p.Handshakes()); !ok {
			hint := diag.DidYouMean(st.handshake.Text, p.Handshakes())
			if len(p.Handshakes()) == 0 {
				hint = "it declares no `challenge`"
			}
			out.Errorf(diag.DanglingReference, st.handshake.Span, hint, "provider `%s` has no handshake `%s`", p.Name(), st.handshake.Text)
		}
	}
}

// deliveryID is the delivery id of what a case sends as its nth request: a UUID, which every provider's schema takes where it asks for a
// form.
func deliveryID(n int) string { return fmt.Sprintf("5f0c1d9e-7a34-4b2e-9d61-0a1b2c3d%04x", 0x4e5f+n) }

// compose makes a case's nth request, signed and changed. expected is the name that the event is expected to have, "" where that is not
// said.
func (f *fitted) compose(st *stimulus, now time.Time, n int, expected string) (*sent, error) {
	request, err := sign(f.provider, st, now, n, expected)
	if err != nil {
		return nil, err
	}
	var other *sent
	if st.change.unsigned || st.change.flip {
		p, err := f.another()
		if err == nil {
			other, err = sign(p, st, now, n, expected)
		}
		if err != nil && st.change.unsigned {
			return nil, err
		}
	}
	return request, st.change.apply(request, other)
}

// sign makes a request as a provider with those secrets would.
func sign(p *provider.Provider, st *stimulus, now time.Time, n int, expected string) (*sent, error) {
	switch {
	case st.request != nil:
		return written(p, st, now)
	case st.handshake != nil:
		name, ok := handshakeName(st.handshake, p.Handshakes())
		if !ok {
			return nil, fmt.Errorf("there is no handshake %q", st.handshake.Text)
		}
		signed, err := p.SignHandshake(name, now)
		if err != nil {
			return nil, err
		}
		return sentOf(signed), nil
	}
	body, contentType, err := p.Example(st.send)
	if err != nil {
		return nil, err
	}
	m := provider.Message{Event: st.send, Body: body, ContentType: contentType, Delivery: deliveryID(n), Keep: true, Now: now, Rule: st.rule}
	if len(st.set) > 0 {
		if m.Body, _, err = edited(body, st.set); err != nil {
			return nil, err
		}
	}
	signed, err := p.Sign(m)
	if err == nil {
		return sentOf(signed), nil
	}
	m.Delivery = "" // it may have no place of its own, such as a hash of the body
	if signed, again := p.Sign(m); again == nil {
		return sentOf(signed), nil
	}
	if len(st.set) == 0 {
		return nil, fmt.Errorf("signing: %w", err)
	}
	// What was set may be a part of the name: then it is the one that is expected, or whatever the body makes it.
	for _, m.Event = range []string{expected, ""} {
		if signed, again := p.Sign(m); again == nil {
			return sentOf(signed), nil
		}
	}
	return nil, fmt.Errorf("signing: %w", err)
}

func sentOf(s provider.Signed) *sent {
	return &sent{method: s.Method, path: s.Path, query: s.Query, header: s.Header, body: s.Body}
}
