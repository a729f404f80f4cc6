package destination

import (
	"context"
	"net/http"
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
}

// Destination is one compiled target. Make one with Compile or CompileInline.
type Destination struct {
	// Key is the name of a declared destination, or "<pipeline>/<label>" of one that a hook carries itself.
	Key string
	// Gate is what binds its tasks together: the name of the declared destination that it is or builds on, else the Key.
	Gate string

	kind        kind
	method      string
	address     *address
	headers     []header
	body        *body // nil where the manifest has none
	policy      hooks.Policy
	timeout     time.Duration
	insecure    bool
	concurrency int
	line        string
	secrets     []secret.Value
	scrubber    *secret.Scrubber
}

// Compile compiles a document of kind destination. What is wrong goes to out; then the result is nil.
func Compile(doc *manifest.Document, scope script.Scope, out *diag.List, o Options) *Destination {
	return compile(doc.Name, doc.Name, Object(), doc.Root, scope, out, o)
}

// CompileInline compiles the keys that a hook carries itself. Where base is not nil they stand in front of those of that
// declared destination: headers are merged by name, all else replaces. What is wrong with base itself is left for Compile to
// say. What is wrong goes to out; then the result is nil.
func CompileInline(key string, own *source.Node, base *manifest.Document, scope script.Scope, out *diag.List, o Options) *Destination {
	if base == nil {
		return compile(key, key, inline(), own, scope, out, o)
	}
	declared, found := commonLess(base.Root), &diag.List{}
	compile(key, base.Name, inline(), declared, script.Scope{}, found, o)
	known := make(map[string]bool)
	for _, f := range found.Sorted() {
		known[f.String()] = true
	}

	merged := &diag.List{}
	d := compile(key, base.Name, inline(), merge(declared, own), scope, merged, o)
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

// compiler compiles one destination.
type compiler struct {
	v     *field.Values
	scope script.Scope
	out   *diag.List
	dev   bool
	d     *Destination
}

func compile(key, gate string, object *field.Object, n *source.Node, scope script.Scope, out *diag.List, o Options) *Destination {
	found := &diag.List{}
	v := object.Decode(n, found)
	c := &compiler{v: v, scope: scope, out: found, dev: o.Dev, d: &Destination{
		Key: key, Gate: gate, kind: kindOf(v.String(keyType)), method: v.String(keyMethod), timeout: v.Duration(keyTimeout), insecure: v.Bool(keyInsecure),
		concurrency: int(v.Int(keyConcurrency)),
	}}
	c.d.address = c.compileAddress()
	c.d.headers = c.compileHeaders()
	if n := v.Node(keyBody); n != nil {
		c.d.body = c.compileBody(n)
	}
	c.d.policy = c.policy()
	c.d.scrubber = secret.NewScrubber(c.d.secrets...)
	out.Merge(found)
	if found.HasErrors() || c.d.address == nil {
		return nil
	}
	return c.d
}

// Line names the requests for records: the method, and the URL as the manifest writes it, references by name and templates not
// rendered. Where the type's URLs are secrets and this one is written out, its path is left away.
func (d *Destination) Line() string { return d.line }

// Secrets gives the contents of all references in URL and headers, and the pieces of a URL that is itself a reference.
func (d *Destination) Secrets() []secret.Value { return d.secrets }

// Concurrency is how many attempts may be under way at a time.
func (d *Destination) Concurrency() int { return d.concurrency }

// HasBody says whether the manifest states a body.
func (d *Destination) HasBody() bool { return d.body != nil }

// RenderBody renders the stated body: a plain value, which Build takes as Delivery.Body. It must not be called where HasBody is
// false.
func (d *Destination) RenderBody(ctx context.Context, env *script.Env) (any, error) {
	return d.body.render(ctx, env)
}

// sendsByDefault says whether the method sends what came before the hook where no body is stated.
func (d *Destination) sendsByDefault() bool {
	return d.method != http.MethodGet && d.method != http.MethodDelete
}
