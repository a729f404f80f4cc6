package provider

import (
	"fmt"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/source"
)

// dipeoEvent is where DiPeO looks for the name of an event, whose documents have no word for it.
const dipeoEvent = "{header:X-%s-Event ?? header:X-Event-Type ?? header:X-Webhook-Event ?? json:event ?? json:type ?? json:event.type}"

// eventName compiles `event`.
func (c *compiler) eventName() {
	n := c.v.Node("event")
	if n == nil {
		if c.doc.DiPeO {
			c.p.event = signature.Parse(source.NewString(fmt.Sprintf(dipeoEvent, c.p.name), c.doc.NameSpan), signature.Identity, c.scope, c.out)
		}
		return
	}
	if n.Kind != source.Map {
		c.p.event = c.template("event", n)
		return
	}
	v := eventObject().DecodeAt("event", n, c.out)
	if v.Has("header") == v.Has("body") {
		c.out.Errorf(diag.BadValue, n.Span, "", "`event` takes one of `header` and `body`")
		return
	}
	c.p.event = c.short(v)
}

// deliveryID compiles `delivery`.
func (c *compiler) deliveryID() {
	n := c.v.Node("delivery")
	if n == nil {
		return // lint says what that means
	}
	v := deliveryObject().DecodeAt("delivery", mapOf(n), c.out)
	c.p.window = v.Duration("window")
	if t := c.v.Object("timestamp"); t != nil {
		// A request may be replayed for as long as its timestamp is believed; before and after count.
		c.p.window = max(c.p.window, 2*t.Duration("tolerance"))
	}
	hash := source.NewString("{body|sha256|hex}", n.Span)
	switch {
	case n.Kind != source.Map && n.IsScalar() && text(n) == "body":
		c.p.delivery = signature.Parse(hash, signature.Identity, c.scope, c.out)
	case n.Kind != source.Map:
		c.p.delivery = c.template("delivery", n)
	case count(v.Has("header"), v.Has("body"), v.Has("from")) != 1:
		c.out.Errorf(diag.BadValue, n.Span, "", "`delivery` takes one of `header`, `body` and `from`")
	case v.Has("from") && v.String("from") == "body":
		c.p.delivery = signature.Parse(hash, signature.Identity, c.scope, c.out)
	case v.Has("from"):
		c.p.delivery = c.template("delivery.from", v.Node("from"))
	default:
		c.p.delivery = c.short(v)
	}
	c.p.numbered = c.p.each != nil && c.p.delivery != nil && !c.p.delivery.Uses("item") && !c.p.delivery.Uses("key")
}

// mapOf gives the node where it is a map, else an empty map in its place.
func mapOf(n *source.Node) *source.Node {
	if n.Kind == source.Map {
		return n
	}
	return source.NewMap(n.Span)
}

func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

func (c *compiler) template(path string, n *source.Node) *signature.Template {
	if !n.IsScalar() || n.Kind == source.Null {
		c.out.Errorf(diag.WrongType, n.Span, "", "`%s` takes a map or a template, not %s", path, n.Kind.WithArticle())
		return nil
	}
	return c.named(n, signature.Parse(n, signature.Identity, c.scope, c.out))
}

// named refuses a template that is the same for every request: it is a name that somebody wrote without saying where it stands.
func (c *compiler) named(n *source.Node, t *signature.Template) *signature.Template {
	if t != nil && t.Constant() {
		c.out.Errorf(diag.BadTemplate, n.Span, fmt.Sprintf("write {header: %s} or {body: %s}", text(n), text(n)), "%q names nothing of the request", text(n))
		return nil
	}
	return t
}

// short compiles {header: N} or {body: path}.
func (c *compiler) short(v *field.Values) *signature.Template {
	if n := v.Node("header"); n != nil {
		return signature.Short("header", n, signature.Identity, c.scope, c.out)
	}
	n := v.Node("body")
	if c.p.each != nil {
		return signature.Short("item", n, signature.Identity, c.scope, c.out)
	}
	var sources []string
	for _, f := range c.p.formats {
		if f != payload.Raw {
			sources = append(sources, string(f))
		}
	}
	switch len(sources) {
	case 0:
		c.out.Errorf(diag.BadValue, n.Span, "take it from a header", "a body of text has no parts to name")
		return nil
	case 1:
		return signature.Short(sources[0], n, signature.Identity, c.scope, c.out)
	}
	for i := range sources {
		sources[i] += ":" + text(n)
	}
	return signature.Parse(source.NewString("{"+strings.Join(sources, " ?? ")+"}", n.Span), signature.Identity, c.scope, c.out)
}
