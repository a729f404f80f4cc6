package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
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
	// Fetcher gets keys that a signature rule has to `fetch`; nil where nothing can be fetched.
	Fetcher signature.Fetcher
	// Learned gives the secrets that a provider's handshakes brought; nil where none are kept.
	Learned func(provider string) signature.Learned
}

// Compile makes a Provider of a document of kind provider. All that is wrong goes to out; where that has errors the result is nil.
func Compile(doc *manifest.Document, out *diag.List, o Options) *Provider {
	before := out.Count(diag.Error)
	c := compiler{o: o, doc: doc, v: Object().Decode(doc.Root, out), out: out, p: &Provider{name: doc.Name, labels: doc.Labels}}
	c.pathToken()
	c.publicURL(o.PublicURL)
	c.limit()
	c.p.policy = c.v.String("schema_policy")
	c.p.retriesParked = c.v.String("redeliver") == redeliverRetry
	c.p.maxBody = c.v.Size("max_body")
	if o.MaxBody > 0 {
		c.p.maxBody = min(c.p.maxBody, o.MaxBody)
	}
	c.document()
	c.scopes()
	c.from()
	c.signature()
	c.eventName()
	c.deliveryID()
	c.events()
	c.unknown()
	c.ignore()
	c.replies()
	c.challenges()
	if out.Count(diag.Error) > before || c.p.scheme == nil {
		return nil
	}
	c.lint()
	c.p.headers = c.p.storedHeaders(c.v.Strings("headers"))
	c.p.masked = c.p.scheme.Parameters()
	c.shortcuts()
	return c.p
}

// compiler holds what the steps of Compile share.
type compiler struct {
	o     Options
	doc   *manifest.Document
	v     *field.Values
	out   *diag.List
	p     *Provider
	scope *signature.Scope
}

// shortcuts works out what the way of a request need not look at.
func (c *compiler) shortcuts() {
	p := c.p
	p.early = true
	for i := range p.challenges {
		if ch := &p.challenges[i]; slices.Contains(ch.methods, http.MethodPost) && !ch.genuine(http.MethodPost) {
			p.early = false // a handshake may stand in the body of what is not signed
		}
	}
	p.namesURL = mentions(c.doc.Root, "url")
	for _, t := range []*signature.Template{p.event, p.delivery} {
		p.readsOuter = p.readsOuter || t != nil && t.Uses("outer")
	}
	p.readsOuter = p.readsOuter || p.source != nil && p.source.Uses("json")
}

// mentions says whether any key or text below a node holds a word: an over-careful answer to whether a template names it.
func mentions(n *source.Node, word string) bool {
	if n == nil {
		return false
	}
	return strings.Contains(n.Text, word) || slices.ContainsFunc(n.Items, func(item *source.Node) bool { return mentions(item, word) }) ||
		slices.ContainsFunc(n.Entries, func(e source.Entry) bool {
			return e.Key.Text == word || strings.Contains(e.Key.Text, word+"}") || mentions(e.Value, word)
		})
}

// own gives the place to name in a finding that is the operator's to mend: the node's where the operator wrote it, else the name of
// the document, because a manifest that another one uses may be the catalogue's.
func (c *compiler) own(span source.Span) source.Span {
	if span.File == c.doc.File {
		return span
	}
	return c.doc.NameSpan
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
	config := signature.Config{Node: n, Scope: c.scope, Fetcher: c.o.Fetcher}
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
	config.Learned = c.learned()
	config.Secrets = c.secrets(n, keyless(config.Rules) || config.Learned != nil)
	c.p.scheme = signature.Compile(config, c.out)
}

// keyless says whether none of the rules needs a configured secret: it is unsigned, or its key is fetched.
func keyless(rules []signature.Rule) bool {
	for _, r := range rules {
		if r.Fetch == nil && (r.Algorithm == nil || text(r.Algorithm) != "none") {
			return false
		}
	}
	return true
}

// learned gives where the secrets of handshakes are kept, nil for a provider whose handshakes bring none.
func (c *compiler) learned() signature.Learned {
	stores := false
	for _, v := range c.v.Objects("challenge") {
		stores = stores || v.Has("store")
	}
	switch {
	case !stores:
		return nil
	case c.o.Learned == nil:
		return nothingLearned{}
	}
	return c.o.Learned(c.p.name)
}

// nothingLearned is what a provider knows of its handshakes where nobody keeps their secrets, as in `validate`.
type nothingLearned struct{}

func (nothingLearned) Version() uint64         { return 0 }
func (nothingLearned) Secrets() []secret.Value { return nil }

func (c *compiler) rule(path string, n *source.Node) signature.Rule {
	v := ruleObject().DecodeAt(path, n, c.out)
	part := func(name string) *source.Node { return ruleNode(v, name) }
	return signature.Rule{
		Node: n, Algorithm: part("algorithm"), Header: part("header"), From: part("from"), Split: part("split"), Prefix: part("prefix"),
		StripTo: part("strip_to"), Encoding: part("encoding"), Signed: part("signed"), Key: part("key"), Strip: part("strip"),
		When: part("when"), Fetch: part("fetch"), Hosts: part("hosts"), Require: part("require"),
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
func (c *compiler) secrets(n *source.Node, keyless bool) []signature.Secret {
	add := func(list []signature.Secret, t secret.Text, span source.Span) []signature.Secret {
		if plain := t.Reveal(); strings.TrimSpace(plain) != plain && plain != "" && !strings.Contains(plain, "-----") {
			c.out.Add(diag.Finding{
				Severity: diag.Warning, Rule: diag.BadValue, Span: span, Hint: "copy it again from the provider's settings",
				Message: "the secret begins or ends with white space, which counts",
			})
		}
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
	case keyless:
		return nil
	case c.v.Good("secret") && c.v.Good("secrets"):
		c.out.Errorf(diag.MissingKey, c.own(n.Span), "add `secret: <<env.NAME>>` at the top level", "provider %q has no secret to check signatures with", c.p.name)
	}
	if len(out) == 0 || out[0].Value.IsZero() {
		return []signature.Secret{{Value: secret.New("missing"), Placeholder: true}}
	}
	return out
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

// text gives a scalar's text.
func text(n *source.Node) string {
	if n.Value != nil {
		return n.Value.Reveal()
	}
	return n.Text
}
