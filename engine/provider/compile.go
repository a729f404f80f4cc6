package provider

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/source"
)

// Options is what Compile needs to know of the gateway.
type Options struct {
	// PublicURL is the address under which senders reach the public listener, "" where it is not known.
	PublicURL string
	// MaxBody is the largest body that any provider may accept; 0 leaves it to the manifests.
	MaxBody int64
	// Dev is `serve --dev`.
	Dev bool
}

// Compile makes a Provider of a document of kind provider. All that is wrong goes to out; where that has errors the result is nil.
func Compile(doc *manifest.Document, out *diag.List, o Options) *Provider {
	before := out.Count(diag.Error)
	c := compiler{doc: doc, v: Object().Decode(doc.Root, out), out: out, p: &Provider{name: doc.Name, labels: doc.Labels}}
	c.publicURL(o.PublicURL)
	c.p.format = payload.JSON
	if body := c.v.Object("body"); body != nil {
		c.p.format = payload.Format(body.String("format"))
	}
	c.p.maxBody = c.v.Size("max_body")
	if o.MaxBody > 0 {
		c.p.maxBody = min(c.p.maxBody, o.MaxBody)
	}
	c.signature()
	c.eventName()
	c.deliveryID()
	c.events()
	c.unknown()
	c.ignore()
	c.replies()
	if out.Count(diag.Error) > before || c.p.scheme == nil {
		return nil
	}
	c.p.headers = c.p.storedHeaders(c.v.Strings("headers"))
	return c.p
}

// compiler holds what the steps of Compile share.
type compiler struct {
	doc *manifest.Document
	v   *field.Values
	out *diag.List
	p   *Provider
}

func (c *compiler) publicURL(gateway string) {
	if own := c.v.String("public_url"); own != "" {
		u, err := url.Parse(own)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			c.out.Errorf(diag.BadValue, c.v.Span("public_url"), "write it as the provider was told, such as https://hooks.example.com/webhooks/"+c.p.name,
				"`public_url` is no address without a query")
			return
		}
		c.p.publicURL = own
	} else if gateway != "" {
		c.p.publicURL = strings.TrimRight(gateway, "/") + c.p.Path()
	}
}

// signature compiles the rules with the secrets.
func (c *compiler) signature() {
	n := c.v.Node("signature")
	if n == nil && (c.doc.Partial || !c.v.Good("signature")) || n != nil && n.Refused {
		return // a finding says why it is not there
	}
	if n == nil {
		c.out.Errorf(diag.MissingSignature, c.doc.NameSpan, "add `signature: {algorithm: hmac-sha256, header: …}`, or `signature: none` if the provider signs nothing",
			"provider %q does not say how its requests are signed", c.p.name)
		return
	}
	config := signature.Config{Node: n, URL: c.p.publicURL != ""}
	switch {
	case n.IsScalar() && text(n) == "none":
		config.Rules = []signature.Rule{{Node: n, Algorithm: n}}
	case n.Kind == source.Map:
		config.Rules = []signature.Rule{c.rule("signature", n)}
	case n.Kind == source.List:
		for i, item := range n.Items {
			config.Rules = append(config.Rules, c.rule(fmt.Sprintf("signature[%d]", i), item))
		}
	default:
		c.out.Errorf(diag.WrongType, n.Span, "write a map such as {algorithm: hmac-sha256, header: X-Signature}, or the word none",
			"`signature` takes a rule or `none`, not %s", n.Kind.WithArticle())
		return
	}
	if t := c.v.Object("timestamp"); t != nil {
		config.Timestamp = &signature.Timestamp{
			Node: t.Root(), Header: t.Node("header"), From: t.Node("from"), Unit: t.Node("unit"), Tolerance: t.Duration("tolerance"),
		}
	}
	config.Secrets = c.secrets(n, unsigned(config.Rules))
	c.p.scheme = signature.Compile(config, c.out)
}

func unsigned(rules []signature.Rule) bool {
	return len(rules) == 1 && rules[0].Algorithm != nil && text(rules[0].Algorithm) == "none"
}

func (c *compiler) rule(path string, n *source.Node) signature.Rule {
	v := ruleObject().DecodeAt(path, n, c.out)
	part := func(name string) *source.Node { return ruleNode(v, name) }
	return signature.Rule{
		Node: n, Algorithm: part("algorithm"), Header: part("header"), From: part("from"), Split: part("split"), Prefix: part("prefix"),
		StripTo: part("strip_to"), Encoding: part("encoding"), Signed: part("signed"), Key: part("key"), Strip: part("strip"),
	}
}

// ruleNode gives a part of a rule; what a finding speaks of is refused, of a list only the items that are no text.
func ruleNode(v *field.Values, name string) *source.Node {
	n := v.Node(name)
	switch {
	case v.Good(name):
		return n
	case n == nil: // the key is misspelt
		n = source.NewString("", v.Span(name))
	case n.Kind == source.List:
		c := *n
		c.Items = make([]*source.Node, len(n.Items))
		for i, item := range n.Items {
			one := *item
			one.Refused = !item.IsScalar() || item.Kind == source.Null
			c.Items[i] = &one
		}
		return &c
	}
	c := *n
	c.Refused = true
	return &c
}

// secrets gives the live secrets. Where one is missing or broken, which has been said, a placeholder stands in for it, so that the
// rules are looked at all the same.
func (c *compiler) secrets(n *source.Node, unsigned bool) []signature.Secret {
	add := func(list []signature.Secret, t secret.Text, span source.Span) []signature.Secret {
		s := signature.Secret{Value: secret.New(t.Reveal()), Span: span}
		for _, part := range t.Parts() {
			s.Placeholder = s.Placeholder || part.Placeholder
		}
		return append(list, s)
	}
	var out []signature.Secret
	switch {
	case c.v.Has("secret") && c.v.Has("secrets"):
		c.out.Errorf(diag.BadValue, c.v.KeySpan("secret"), "leave `secrets`, the current one first", "`secret` and `secrets` say the same thing")
	case c.v.Has("secret"):
		out = add(out, c.v.Text("secret"), c.v.Span("secret"))
	case c.v.Has("secrets"):
		for i, t := range c.v.Texts("secrets") {
			span := c.v.Span("secrets")
			if n := c.v.Node("secrets"); i < len(n.Items) {
				span = n.Items[i].Span
			}
			out = add(out, t, span)
		}
	case !unsigned && c.v.Good("secret") && c.v.Good("secrets"):
		c.out.Errorf(diag.MissingKey, n.Span, "add `secret: <<env.NAME>>` at the top level", "provider %q has no secret to check signatures with", c.p.name)
	}
	if len(out) == 0 || out[0].Value.IsZero() {
		return []signature.Secret{{Value: secret.New("missing"), Placeholder: true}}
	}
	return out
}

// dipeoEvent is where DiPeO looks for the name of an event, whose documents have no word for it.
const dipeoEvent = "{header:X-%s-Event ?? header:X-Event-Type ?? header:X-Webhook-Event ?? json:event ?? json:type ?? json:event.type}"

// eventName compiles `event`.
func (c *compiler) eventName() {
	n := c.v.Node("event")
	if n == nil {
		if c.doc.DiPeO {
			c.p.event = signature.Parse(source.NewString(fmt.Sprintf(dipeoEvent, c.p.name), c.doc.NameSpan), signature.Identity, c.out)
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
		if c.doc.Enabled && c.p.scheme != nil && c.v.Good("delivery") {
			c.out.Add(diag.Finding{
				Severity: diag.Hint, Rule: diag.NoDelivery, Span: c.doc.NameSpan, Hint: "add `delivery: {header: …}`, or `delivery: body` for a hash of the body",
				Message: fmt.Sprintf("without `delivery`, what provider %q sends twice is processed twice", c.p.name),
			})
		}
		return
	}
	v := deliveryObject().DecodeAt("delivery", mapOf(n), c.out)
	c.p.window = v.Duration("window")
	if t := c.v.Object("timestamp"); t != nil {
		// A request may be replayed for as long as its timestamp is believed; before and after count.
		c.p.window = max(c.p.window, 2*t.Duration("tolerance"))
	}
	switch {
	case n.Kind != source.Map && n.IsScalar() && text(n) == "body":
		c.p.delivery = signature.Parse(source.NewString("{body|sha256|hex}", n.Span), signature.Identity, c.out)
	case n.Kind != source.Map:
		c.p.delivery = c.template("delivery", n)
	case count(v.Has("header"), v.Has("body"), v.Has("from")) != 1:
		c.out.Errorf(diag.BadValue, n.Span, "", "`delivery` takes one of `header`, `body` and `from`")
	case v.Has("from"):
		c.p.delivery = c.template("delivery.from", v.Node("from"))
	default:
		c.p.delivery = c.short(v)
	}
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
	return c.named(n, signature.Parse(n, signature.Identity, c.out))
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
		return signature.Short("header", n, signature.Identity, c.out)
	}
	n := v.Node("body")
	switch c.p.format {
	case payload.JSON:
		return signature.Short("json", n, signature.Identity, c.out)
	case payload.Form:
		return signature.Short("form", n, signature.Identity, c.out)
	}
	c.out.Errorf(diag.BadValue, n.Span, "take it from a header", "a body of text has no parts to name")
	return nil
}

func (c *compiler) unknown() {
	c.p.unknown = c.v.String("unknown_events")
	if c.p.unknown != "" {
		return
	}
	c.p.unknown = unknownIgnore
	if len(c.p.events) == 0 {
		c.p.unknown = unknownAccept
	}
}

func (c *compiler) ignore() {
	set, err := field.ParseSet(c.v.Strings("ignore"))
	if err != nil {
		c.out.Errorf(diag.BadValue, c.v.Span("ignore"), "", "ignore: %s", err)
	}
	c.p.ignore = set
}

func (c *compiler) replies() {
	c.p.ack = reply(c.v.Object("ack"))
	n := c.v.Node("reject")
	switch {
	case n == nil:
	case n.Kind == source.Map:
		c.p.reject = reply(rejectObject().DecodeAt("reject", n, c.out))
	default:
		status := source.NewMap(n.Span, source.NewEntry("status", n.Span, n))
		c.p.reject = reply(rejectObject().DecodeAt("reject", status, c.out))
	}
}

func reply(v *field.Values) *Reply {
	if v == nil {
		return nil
	}
	r := &Reply{Status: int(v.Int("status")), Type: v.String("type"), Body: []byte(v.String("body"))}
	if r.Type == "" && len(r.Body) > 0 {
		r.Type = "text/plain; charset=utf-8"
	}
	return r
}

// text gives a scalar's text.
func text(n *source.Node) string {
	if n.Value != nil {
		return n.Value.Reveal()
	}
	return n.Text
}
