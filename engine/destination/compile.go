package destination

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/hooks"
)

// Options say how destinations are compiled.
type Options struct {
	// Dev is `serve --dev`: plain http to loopback is no warning.
	Dev bool
	// Allowed says whether HEADGATE_EGRESS_ALLOW lists an address: plain http to it is no warning. nil is none.
	Allowed func(netip.AddrPort) bool

	presets *presets // in the place of the embedded ones, for tests
}

func (o Options) types() presets {
	if o.presets != nil {
		return *o.presets
	}
	return embedded()
}

// Destination is one compiled target. Make one with Compile, CompileInline, or CompileTemplate and WithTarget.
type Destination struct {
	// Key is the name of a declared destination, or "<pipeline>/<label>" of one that a hook carries itself.
	Key string
	// Gate is what binds its tasks together: the name of the declared destination that it is or builds on, else the Key.
	Gate string

	kind      *preset
	method    string
	address   *address // nil in a template
	headers   []header
	body      *body // nil where the manifest has none
	ownBody   bool  // the body is that of the hook itself
	sign      *signer
	member    secret.Value // what the type puts into its messages
	auth      credentials
	policy    hooks.Policy
	maxWait   time.Duration // of what a receiver asks for
	timeout   time.Duration
	insecure  bool
	gate      gate
	line      string
	secrets   []secret.Value
	addressed int // how many of the secrets are the address's
	scrubber  *secret.Scrubber
}

// Compile compiles a document of kind destination. What is wrong goes to out; then the result is nil.
func Compile(doc *manifest.Document, scope script.Scope, out *diag.List, o Options) *Destination {
	return compile(input{key: doc.Name, gate: doc.Name, object: describe(o.types()), node: doc.Root, scope: scope, ownBody: true}, out, o)
}

// CompileInline compiles the keys that a hook carries itself. Where base is not nil they stand in front of those of that
// declared destination: headers are merged by name, all else replaces. What is wrong with base itself is left for Compile to
// say. What is wrong goes to out; then the result is nil.
func CompileInline(key string, own *source.Node, base *manifest.Document, scope script.Scope, out *diag.List, o Options) *Destination {
	return compileOwn(key, own, base, scope, out, o, false)
}

// CompileTemplate is CompileInline for a hook whose addresses come from elsewhere: it has no `url`, and a base's is left aside. The
// result is good for nothing but WithTarget.
func CompileTemplate(key string, own *source.Node, base *manifest.Document, scope script.Scope, out *diag.List, o Options) *Destination {
	return compileOwn(key, own, base, scope, out, o, true)
}

func compileOwn(key string, own *source.Node, base *manifest.Document, scope script.Scope, out *diag.List, o Options, template bool) *Destination {
	in := input{
		key: key, gate: key, object: inline(o.types()), node: own, scope: scope, ownBody: own.Get(keyBody) != nil, inHook: true, template: template,
	}
	if base == nil {
		return compile(in, out, o)
	}
	declared, found := commonLess(base.Root), &diag.List{}
	if template {
		declared.Entries = slices.DeleteFunc(declared.Entries, func(e source.Entry) bool { return e.Key.Text == keyURL })
	}
	first := in
	first.gate, first.node, first.scope, first.ownBody, first.inHook = base.Name, declared, script.Scope{Shared: scope.Shared}, false, false
	compile(first, found, o)
	known := make(map[string]bool)
	for _, f := range found.Sorted() {
		known[f.String()] = true
	}

	merged := &diag.List{}
	in.gate, in.node = base.Name, merge(declared, own)
	d := compile(in, merged, o)
	for _, f := range merged.Sorted() {
		if !known[f.String()] {
			out.Add(f)
		}
	}
	return d
}

// commonLess gives a document's map without the keys of every kind.
func commonLess(root *source.Node) *source.Node {
	common := make(map[string]bool)
	for _, f := range manifest.CommonFields() {
		common[f.Name] = true
	}
	n := source.NewMap(root.Span)
	for _, e := range root.Entries {
		if !common[e.Key.Text] {
			n.Entries = append(n.Entries, e)
		}
	}
	return n
}

// merge lays own over declared.
func merge(declared, own *source.Node) *source.Node {
	n := source.NewMap(own.Span)
	for _, e := range declared.Entries {
		mine := own.Get(e.Key.Text)
		switch {
		case mine == nil && isSecret(e.Key.Text) && (own.Get(keySecret) != nil || own.Get(keySecrets) != nil):
			// `secret` and `secrets` are two spellings of one thing.
		case mine == nil:
			n.Entries = append(n.Entries, e)
		case e.Key.Text == keyHeaders && mine.Kind == source.Map && e.Value.Kind == source.Map:
			n.Entries = append(n.Entries, source.Entry{Key: e.Key, Value: mergeHeaders(e.Value, mine)})
		}
	}
	for _, e := range own.Entries {
		if n.Get(e.Key.Text) == nil {
			n.Entries = append(n.Entries, e)
		}
	}
	return n
}

func isSecret(key string) bool { return key == keySecret || key == keySecrets }

// mergeHeaders merges by header name, which has no case.
func mergeHeaders(declared, own *source.Node) *source.Node {
	n := source.NewMap(own.Span)
	for _, e := range declared.Entries {
		overridden := false
		for _, mine := range own.Entries {
			overridden = overridden || strings.EqualFold(mine.Key.Text, e.Key.Text)
		}
		if !overridden {
			n.Entries = append(n.Entries, e)
		}
	}
	n.Entries = append(n.Entries, own.Entries...)
	return n
}

// input is what one destination is compiled from.
type input struct {
	key, gate string
	object    *field.Object
	node      *source.Node
	scope     script.Scope
	// ownBody says that the body, if there is any, is that of the hook and not of a declared destination.
	ownBody bool
	// inHook says that a hook states the keys, or some of them.
	inHook bool
	// template says that the address comes from elsewhere.
	template bool
}

// compiler compiles one destination.
type compiler struct {
	input
	v   *field.Values
	out *diag.List
	o   Options
	d   *Destination
	// requests is the scope of what is rendered for each attempt.
	requests script.Scope
}

func compile(in input, out *diag.List, o Options) *Destination {
	found := &diag.List{}
	v := in.object.Decode(in.node, found)
	c := &compiler{input: in, v: v, out: found, o: o, requests: withDelivery(in.scope), d: &Destination{
		Key: in.key, Gate: in.gate, method: v.String(keyMethod), timeout: v.Duration(keyTimeout), insecure: v.Bool(keyInsecure), ownBody: in.ownBody,
	}}
	c.d.line = c.d.method + " " + in.gate
	c.compileKind()
	c.d.address = c.compileAddress()
	c.d.addressed = len(c.d.secrets)
	c.d.headers = c.compileHeaders()
	c.compileAuth()
	c.compileTLS()
	if n := v.Node(keyBody); n != nil {
		c.d.body = c.compileBody(n)
	}
	c.compileSign()
	c.d.policy = c.policy()
	c.d.maxWait = c.longestWait()
	c.compileGate()
	c.d.scrubber = secret.NewScrubber(c.d.secrets...)
	out.Merge(found)
	if found.HasErrors() || c.d.address == nil && !in.template {
		return nil
	}
	return c.d
}

// compileKind finds the preset of the type.
func (c *compiler) compileKind() {
	name := c.v.String(keyType)
	kind, err := c.o.types().load(c.scope.Shared, name)
	if err != nil {
		c.out.Errorf(diag.BadValue, c.v.Span(keyType), "", "the type `%s` cannot be used: %v", name, err)
		kind = &preset{name: name}
	}
	c.d.kind = kind
}

// Line names the requests for records: the method, and the URL as the manifest writes it, references by name and templates not
// rendered. Where the type's URLs are secrets and this one is written out, its path is left away.
func (d *Destination) Line() string { return d.line }

// Secrets gives the contents of all references in URL and headers, and the pieces of a URL that is itself a reference.
func (d *Destination) Secrets() []secret.Value { return d.secrets }

// Kind is the destination's type, such as "http".
func (d *Destination) Kind() string { return d.kind.name }

// HasBody says whether the manifest that was compiled states a body: the document, or the hook itself. The body that a hook takes over
// from a declared destination is no part of that, and Build renders it.
func (d *Destination) HasBody() bool { return d.body != nil && d.ownBody }

// RenderBody renders the stated body: a plain value, which Build takes as Delivery.Body. It must not be called where HasBody is
// false.
func (d *Destination) RenderBody(ctx context.Context, env *script.Env) (any, error) {
	return d.body.render(ctx, env)
}

// sendsByDefault says whether the method sends what came before the hook where no body is stated.
func (d *Destination) sendsByDefault() bool {
	return d.method != http.MethodGet && d.method != http.MethodDelete
}
