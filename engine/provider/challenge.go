package provider

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/source"
)

// Bounds of handshakes.
const (
	maxChallenges = 8
	// maxStoredBytes bounds a secret that a handshake brings: ten times what any sender makes.
	maxStoredBytes = 1 << 10
	maxConfirmURL  = 4 << 10
)

// challenge is one compiled handshake.
type challenge struct {
	name    string
	methods []string
	when    *signature.When
	auth    bool // what the manifest says, where it says something
	authSet bool
	reply   *reply
	store   *signature.Template
	get     *signature.Template
	hosts   *signature.Hosts
	example *handshakeExample
}

// genuine says whether only genuine requests of a method are answered. Without a word of the manifest those are all that can carry a
// signature.
func (c *challenge) genuine(method string) bool {
	if c.authSet {
		return c.auth
	}
	return method == http.MethodPost
}

// challengeMethods are the methods that a handshake may have.
func challengeMethods() []string {
	return []string{http.MethodPost, http.MethodGet, http.MethodHead, http.MethodOptions}
}

// challenges compiles the handshakes.
func (c *compiler) challenges() {
	c.p.methods = []string{http.MethodPost}
	for i, v := range c.v.Objects("challenge") {
		ch := c.challenge(i, v)
		if ch == nil {
			continue
		}
		for _, before := range c.p.challenges {
			if before.name == ch.name {
				c.out.Errorf(diag.DuplicateName, v.Span("name"), "", "two handshakes are named %q", ch.name)
			}
		}
		c.p.challenges = append(c.p.challenges, *ch)
		for _, m := range ch.methods {
			if !slices.Contains(c.p.methods, m) {
				c.p.methods = append(c.p.methods, m)
			}
		}
	}
	for i := range c.p.challenges {
		c.checkHandshake(&c.p.challenges[i])
	}
}

// challenge compiles one handshake; nil where it has findings.
func (c *compiler) challenge(i int, v *field.Values) *challenge {
	before := c.out.Count(diag.Error)
	ch := &challenge{name: v.String("name"), authSet: v.Has("auth"), auth: v.Bool("auth")}
	if ch.name == "" {
		ch.name = strconv.Itoa(i)
	}
	if n := v.Node("when"); n != nil && !n.Refused {
		ch.when = signature.ParseWhen(n, c.scope, c.out)
		ch.methods = c.methodsOf(n)
	}
	if ch.reply = (replyCompiler{compiler: c}).compile(v.Object("reply"), nil); ch.reply == nil {
		ch.reply = &reply{fixed: &Reply{Status: http.StatusOK}}
	}
	c.noOracle(ch, v)
	ch.store = c.replyTemplate(v, "store")
	if ch.store != nil && c.p.token == nil && c.v.Good("path_token") {
		c.out.Errorf(diag.MissingKey, c.own(v.KeySpan("store")), "add `path_token: <<env.NAME>>` with a long random text",
			"a handshake of provider %q brings a secret, so its address must hold one too: whoever knows the address could send theirs", c.p.name)
	}
	ch.get = c.replyTemplate(v, "get")
	switch {
	case v.Has("get") && !v.Has("hosts") && v.Good("hosts"):
		c.out.Errorf(diag.MissingKey, v.KeySpan("get"), "add `hosts: [api.acme.example]`", "`get` asks where the sender says, so `hosts` must say where that may be")
	case v.Has("hosts") && !v.Has("get") && v.Good("get"):
		c.out.Errorf(diag.BadValue, v.KeySpan("hosts"), "", "`hosts` bounds `get`, and there is none")
	case v.Has("hosts") && v.Good("hosts"):
		ch.hosts = signature.ParseHosts(v.Node("hosts"), c.out)
	}
	if e := v.Object("example"); e != nil {
		ch.example = c.handshakeExample(e)
	}
	if ch.when == nil || c.out.Count(diag.Error) > before {
		return nil
	}
	return ch
}

// noOracle refuses an answer that is made with the signing key of a text that anybody may choose: who asks for the MAC of a forged
// event would get it. What is signed must have a form that no event has, or the request must be genuine.
func (c *compiler) noOracle(ch *challenge, v *field.Values) {
	if ch.when == nil || !slices.ContainsFunc(ch.methods, func(m string) bool { return !ch.genuine(m) }) {
		return
	}
	for t := range ch.reply.templates {
		for name, arg := range t.Keyed {
			if ch.when.Bounds(name, arg) {
				continue
			}
			if arg != "" {
				name += ":" + arg
			}
			c.out.Errorf(diag.BadTemplate, v.Span("reply"), "say in `when` which form it has: "+name+": {matches: \"[a-z0-9-]{1,64}\"}",
				"the answer signs {%s}, which anybody may choose, with the key that signs events", name)
		}
	}
}

func (c *compiler) replyTemplate(v *field.Values, key string) *signature.Template {
	if !v.Has(key) || !v.Good(key) {
		return nil
	}
	n := v.Node(key)
	t := signature.Parse(n, signature.Reply, c.scope, c.out)
	if t != nil && t.Constant() {
		c.out.Errorf(diag.BadTemplate, n.Span, "", "`%s` names nothing of the request", key)
		return nil
	}
	return t
}

// methodsOf gives the methods that a `when` lets through. Without a word about the method it is POST alone: a GET with a body would
// otherwise get round the signature of a handshake that is meant for POST.
func (c *compiler) methodsOf(when *source.Node) []string {
	n := when.Get("method")
	if n == nil {
		return []string{http.MethodPost}
	}
	values := []*source.Node{n}
	if n.Kind == source.List {
		values = n.Items
	}
	var out []string
	for _, v := range values {
		switch m := text(v); {
		case m == "*":
			return challengeMethods()
		case !slices.Contains(challengeMethods(), m):
			c.out.Errorf(diag.BadValue, v.Span, "write "+strings.Join(challengeMethods(), ", "), "no handshake has the method `%s`", v.Text)
		case !slices.Contains(out, m):
			out = append(out, m)
		}
	}
	return out
}

// shake answers a request that is a handshake; false where it is none.
func (p *Provider) shake(ctx context.Context, r *Request) (Decision, bool) {
	for i := range p.challenges {
		c := &p.challenges[i]
		if !slices.Contains(c.methods, r.Method) || !c.when.Holds(&r.Request) {
			continue
		}
		signed := c.genuine(r.Method)
		if signed {
			if _, refusal := p.genuine(ctx, r); refusal != nil {
				return Decision{Refusal: refusal}, true
			}
		}
		h, refusal := c.answer(p, &r.Request)
		if refusal != nil {
			return Decision{Refusal: refusal, Genuine: signed}, true
		}
		return Decision{Verdict: Answered, Handshake: h, Genuine: signed}, true
	}
	if r.Method == http.MethodPost {
		return Decision{}, false
	}
	return Decision{Refusal: p.noHandshake(r.Method)}, true
}

// answer makes what a handshake is answered with.
func (c *challenge) answer(p *Provider, r *signature.Request) (*Handshake, *Refusal) {
	lacking := func(what string, err error) *Refusal {
		return &Refusal{
			Status: http.StatusUnprocessableEntity, Code: "schema_mismatch", Message: "The handshake does not hold what is expected.",
			Detail: fmt.Sprintf("handshake %s: %s: %v", c.name, what, err),
		}
	}
	key := p.scheme.Key()
	out, err := c.reply.render(r, key)
	if err != nil {
		return nil, lacking("reply", err)
	}
	h := &Handshake{Name: c.name, Reply: *out}
	if c.store != nil {
		b, err := c.store.BytesWith(r, key, maxStoredBytes)
		if err == nil && len(b) == 0 {
			err = errNoSecret
		}
		if err != nil {
			return nil, lacking("store", err)
		}
		h.Store = secret.New(string(b))
	}
	if c.get != nil {
		b, err := c.get.BytesWith(r, key, maxConfirmURL)
		if err == nil {
			err = c.hosts.Check(string(b))
		}
		if err != nil {
			return nil, lacking("get", err)
		}
		h.Confirm = string(b)
	}
	return h, nil
}

// noHandshake is the refusal of a request whose method is not POST and which no handshake answers.
func (p *Provider) noHandshake(method string) *Refusal {
	var wanted []string
	for i := range p.challenges {
		if c := &p.challenges[i]; slices.Contains(c.methods, method) {
			wanted = append(wanted, c.name+" wants "+c.when.Text())
		}
	}
	if len(wanted) == 0 {
		return &Refusal{
			Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: "This method is not accepted here.",
			Detail: "no handshake answers " + strconv.Quote(method),
		}
	}
	return &Refusal{
		Status: http.StatusForbidden, Code: "handshake_refused", Message: "This request is not answered here.",
		Detail: "it is none of the handshakes: " + strings.Join(wanted, "; "),
	}
}

// Handshakes gives the names of the declared handshakes in the order written; one without a name has its number, from 0.
func (p *Provider) Handshakes() []string {
	out := make([]string, len(p.challenges))
	for i := range p.challenges {
		out[i] = p.challenges[i].name
	}
	return out
}

// Methods gives the methods that requests may have, POST first: the others are those of declared handshakes.
func (p *Provider) Methods() []string { return p.methods }

// handshakeExample is a request that the provider sends for a handshake.
type handshakeExample struct {
	node   *source.Node
	method string
	query  string
	header http.Header
	body   []byte
}

func (c *compiler) handshakeExample(v *field.Values) *handshakeExample {
	e := &handshakeExample{node: v.Root(), method: v.String("method"), query: strings.TrimPrefix(v.String("query"), "?"), header: http.Header{}}
	if e.method != "" && !slices.Contains(challengeMethods(), e.method) {
		c.out.Errorf(diag.BadValue, v.Span("method"), "write "+strings.Join(challengeMethods(), ", "), "no handshake has the method `%s`", e.method)
	}
	for name, value := range v.StringMap("headers") {
		if !isHeaderName(name) {
			c.out.Errorf(diag.BadHeader, v.Span("headers"), "", "`%s` is no header name", name)
		}
		e.header.Set(name, value)
	}
	switch {
	case v.Has("body") && v.Has("json"):
		c.out.Errorf(diag.BadValue, v.KeySpan("json"), "leave one of them", "`body` and `json` say the same thing")
	case v.Has("body"):
		e.body = []byte(v.String("body"))
	case v.Has("json"):
		b, err := payload.Encode(field.Plain(v.Node("json")))
		if err != nil {
			c.out.Errorf(diag.BadExample, v.Span("json"), "", "the example: %s", err)
		}
		e.body = b
		if e.header.Get("Content-Type") == "" {
			e.header.Set("Content-Type", contentType(payload.JSON))
		}
	}
	return e
}
