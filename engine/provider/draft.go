package provider

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/signature"
)

// draft is a request in the making, from the inside out: the items, the document around them, the body around that.
type draft struct {
	p *Provider
	r *Request
}

// batchOf gives a document that holds a batch: it is one already, or it is an item and is wrapped.
func (p *Provider) batchOf(document []byte) []byte {
	trimmed := bytes.TrimSpace(document)
	switch {
	case len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[':
		return document // whatever it is, it is not ours to mend
	case p.each.IsZero() && trimmed[0] == '[':
		return document
	}
	if _, found, err := p.each.Find(document); !p.each.IsZero() && (err != nil || found) {
		return document
	}
	list := append(append([]byte{'['}, trimmed...), ']')
	out, err := p.each.Put(nil, list)
	if err != nil {
		return document
	}
	return out
}

// itemPath gives the place of an item in the document; false where the list is one object.
func (d *draft) itemPath(i int) (payload.Path, bool) {
	list, _, err := d.p.each.Find(d.r.content())
	if err != nil || len(list) == 0 || list[0] != '[' {
		return *d.p.each, false
	}
	path, err := payload.ParsePath(d.p.each.String() + "[" + strconv.Itoa(i) + "]")
	if err != nil {
		return *d.p.each, false
	}
	return path, true
}

// setDocument puts another document in the place of the one that there is.
func (d *draft) setDocument(document []byte) {
	if d.r.Document != nil {
		d.r.Document = document
	} else {
		d.r.Body = document
	}
}

// eachItem changes the items of a batch, or the document of any other request.
func (d *draft) eachItem(change func(i int, content []byte) ([]byte, error)) error {
	if d.p.each == nil {
		document, err := change(0, d.r.content())
		if err == nil {
			d.setDocument(document)
		}
		return err
	}
	items, refusal := d.p.items(d.r)
	if refusal != nil {
		return nil // it is sent as it is, to be refused
	}
	for i, item := range items {
		changed, err := change(i, item)
		if err != nil {
			return err
		}
		if bytes.Equal(changed, item) {
			continue
		}
		path, _ := d.itemPath(i)
		document, err := path.Put(d.r.content(), changed)
		if err != nil {
			return fmt.Errorf("putting item %d back: %w", i, err)
		}
		d.setDocument(document)
	}
	if items, _ := d.p.items(d.r); len(items) > 0 {
		d.r.Item = items[0]
	}
	return nil
}

// wrapping is a `body.from` that can be turned round: one field of a form, one place in JSON, the body itself or a claim, perhaps
// decoded from base64.
const wrapping = `^\{(form|json|body|claim)(?::([^|?{}]+))?\??( *\| *unbase64)?\}$`

// wrap puts the document back into the body that `body.from` takes it out of: the one that there is, or the smallest that does.
func (d *draft) wrap() error {
	if d.p.source == nil || d.r.Document == nil {
		return nil
	}
	m := regexp.MustCompile(wrapping).FindStringSubmatch(d.p.source.String())
	if m == nil {
		return fmt.Errorf("putting the document where %s finds it: %w", d.p.source, signature.ErrCannotSign)
	}
	where, arg, text := m[1], m[2], d.r.Document
	if m[3] != "" {
		text = []byte(base64.StdEncoding.EncodeToString(text))
	}
	kind := payload.Raw
	switch where {
	case "body":
		d.r.Body = text
	case "form":
		kind = payload.Form
		body, ok := putField(d.r.Body, arg, string(text))
		if !ok {
			body = []byte(url.QueryEscape(arg) + "=" + url.QueryEscape(string(text)))
		}
		d.r.Body = body
	default:
		base := &d.r.Body
		if kind = payload.JSON; where == "claim" {
			base, kind = &d.r.Claims, payload.Raw // the signature puts the claims where they belong
		}
		quoted, err := payload.Encode(string(text))
		if err != nil {
			return fmt.Errorf("writing the document as text: %w", err)
		}
		path, err := payload.ParsePath(arg)
		if err != nil {
			return fmt.Errorf("putting the document into the body: %w", err)
		}
		if *base, err = path.Put(*base, quoted); err != nil {
			return fmt.Errorf("putting the document into the body: %w", err)
		}
	}
	d.r.Header.Set("Content-Type", contentType(kind))
	return nil
}

// name writes the event's name into the header, the parameter or the wrapping that carries it, or what of it stands there.
func (d *draft) name(name string) error {
	p := d.p
	if name == "" || p.event == nil || p.nameOf(d.r) == name {
		return nil
	}
	before := *d.r
	for _, put := range d.outside(p.event) {
		for end := len(name); end > 0; end-- {
			d.r.Header = before.Header.Clone()
			if put(name[:end]) && p.nameOf(d.r) == name {
				return nil
			}
			*d.r = before
		}
	}
	return fmt.Errorf("the body does not make %s the name %q", p.event, name)
}

// outside gives what can write a text where a template reads it outside of the document.
func (d *draft) outside(t *signature.Template) []func(text string) bool {
	var out []func(string) bool
	for _, header := range t.Args("header") {
		out = append(out, func(text string) bool {
			d.r.Header.Set(header, text)
			return true
		})
	}
	for _, name := range t.Args("query") {
		out = append(out, func(text string) bool { return d.setQuery(name, text) })
	}
	for _, where := range t.Args("outer") {
		out = append(out, func(text string) bool {
			body, ok := putText(d.r.Body, where, text, true)
			if ok {
				d.r.Body = body
			}
			return ok
		})
	}
	return out
}

// setQuery adds a parameter to the URL; false where it is there already.
func (d *draft) setQuery(name, text string) bool {
	if name == "" || strings.Contains("&"+d.r.Query, "&"+url.QueryEscape(name)+"=") {
		return false
	}
	pair := url.QueryEscape(name) + "=" + url.QueryEscape(text)
	if d.r.Query != "" {
		pair = d.r.Query + "&" + pair
	}
	d.r.Query, d.r.PathQuery = pair, d.p.Path()+"?"+pair
	if d.r.URL != "" {
		d.r.URL = d.p.publicURL + "?" + pair
	}
	return true
}

// deliveryInside writes a delivery id into the place in the document that carries it, a new one for each item of a batch; an empty id is
// a random one. It says whether there is such a place.
func (d *draft) deliveryInside(id string) (done bool) {
	t := d.p.delivery
	if t == nil || len(t.Args("header")) > 0 {
		return false
	}
	source := "json"
	if d.p.each != nil {
		source = "item"
	}
	err := d.eachItem(func(i int, content []byte) ([]byte, error) {
		text := id
		if i > 0 && id != "" {
			text = id + "." + strconv.Itoa(i)
		}
		for _, where := range t.Args(source) {
			if d.names(source, where) {
				continue
			}
			if out, ok := putText(content, where, text, false); ok {
				done = true
				return out, nil
			}
		}
		if text == "" {
			text = randomID()
		}
		for _, name := range t.Args("form") {
			if d.names("form", name) {
				continue
			}
			if out, ok := putField(content, name, text); ok {
				done = true
				return out, nil
			}
		}
		return content, nil
	})
	return done && err == nil
}

// names says whether a part of the request names the event, so that an id written there would be another event.
func (d *draft) names(source, arg string) bool {
	return d.p.event != nil && slices.Contains(d.p.event.Args(source), arg)
}

// deliveryOutside writes a delivery id into the header, the parameter or the wrapping that carries it. An id that is worked out of the
// body is left alone.
func (d *draft) deliveryOutside(id string, done bool) error {
	t := d.p.delivery
	if t == nil || done {
		return nil
	}
	text := id
	if text == "" {
		text = randomID()
	}
	before := *d.r
	for _, put := range d.outside(t) {
		d.r.Header = before.Header.Clone()
		if put(text) && d.p.deliveryOf(d.r) == text {
			return nil
		}
		*d.r = before
	}
	if id == "" {
		return nil
	}
	return fmt.Errorf("%s takes no delivery id from outside", t)
}

// sign signs the request, or each of its items where the signature stands in them, and looks whether the result is believed.
func (d *draft) sign(rule int) error {
	p, r := d.p, d.r
	if p.scheme.PerItem() && p.each != nil {
		err := d.eachItem(func(_ int, item []byte) ([]byte, error) {
			r.Item = item
			if err := p.sign(r, rule); err != nil {
				return nil, err
			}
			return r.Item, nil
		})
		if err != nil {
			return err
		}
		return d.wrap()
	}
	document := r.Document
	if err := p.sign(r, rule); err != nil {
		return err
	}
	if document != nil && !bytes.Equal(document, r.Document) {
		if err := d.wrap(); err != nil {
			return err
		}
	}
	if p.source == nil && p.each == nil {
		return nil // the scheme has verified it
	}
	check := &Request{Request: signature.Request{Method: r.Method, PathQuery: r.PathQuery, Query: r.Query, Header: r.Header, Body: r.Body, Now: r.Now}}
	if got := p.Receive(context.Background(), check); got.Refusal != nil && got.Refusal.Signature {
		return fmt.Errorf("the result is refused (%s): %w", got.Refusal.Detail, signature.ErrCannotSign)
	}
	return nil
}

// putText puts an id in the place of a string or a number in JSON; an empty one is made up. Where make is set the place need not be
// there.
func putText(body []byte, where, id string, create bool) ([]byte, bool) {
	path, err := payload.ParsePath(where)
	if err != nil {
		return nil, false
	}
	raw, found, err := path.Find(body)
	if err != nil || !found && !create {
		return nil, false
	}
	value, ok := idLike(raw, id)
	if !ok {
		return nil, false
	}
	out, err := path.Put(body, value)
	return out, err == nil
}

// idLike gives the JSON of an id of the kind that another one is: a text, or a number.
func idLike(old []byte, id string) ([]byte, bool) {
	if len(old) > 0 && old[0] >= '0' && old[0] <= '9' {
		if id == "" {
			n, err := rand.Int(rand.Reader, big.NewInt(1<<40))
			return []byte(strconv.FormatInt(1<<40+n.Int64(), 10)), err == nil
		}
		if _, err := strconv.ParseUint(id, 10, 63); err != nil {
			return nil, false
		}
		return []byte(id), true
	}
	if len(old) > 0 && old[0] != '"' {
		return nil, false
	}
	if id == "" {
		id = randomID()
	}
	quoted, err := payload.Encode(id)
	return quoted, err == nil
}

// putField puts a text in the place of a form's field.
func putField(body []byte, name, text string) ([]byte, bool) {
	pairs := strings.Split(string(body), "&")
	for i, pair := range pairs {
		key, _, _ := strings.Cut(pair, "=")
		if k, err := url.QueryUnescape(key); err == nil && k == name {
			pairs[i] = key + "=" + url.QueryEscape(text)
			return []byte(strings.Join(pairs, "&")), true
		}
	}
	return nil, false
}
