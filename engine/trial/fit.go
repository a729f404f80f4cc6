package trial

import (
	"crypto/sha3"
	"fmt"
	"io"
	"slices"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/source"
)

// PublicURL is the address of the gateway that tests have where they name none.
const PublicURL = "https://hooks.example.com"

// Fit compiles a provider with what its operator would set made up, the same each time: a secret that fits a rule, a value for each
// variable that waits for one, a path token where the address must be secret, and PublicURL. What with holds, a map of the same keys,
// is taken instead; nil is nothing. Secrets of the document itself are never used. salt gives other secrets to the same document.
// Findings go to out; where there are errors the provider is nil.
func Fit(doc *manifest.Document, with *source.Node, salt string, out *diag.List) *provider.Provider {
	f := fitter{doc: doc, with: with}
	if f.given("secret") || f.given("secrets") {
		return f.compile(nil, out)
	}
	var first *diag.List
	for _, made := range f.secrets(salt) {
		found := &diag.List{}
		if p := f.compile(made, found); p != nil {
			out.Merge(found)
			return p
		}
		if first == nil {
			first = found
		}
	}
	out.Merge(first)
	return nil
}

// Secret makes a secret of the form that the first rule of a provider takes which needs one; "" where none does. For public-key
// algorithms it is a private key in PEM.
func Secret(doc *manifest.Document, random io.Reader) (string, error) {
	for _, r := range rulesOf(doc) {
		if rule, ok := ruleOf(r); ok {
			return signature.GenerateSecret(rule, random)
		}
	}
	return "", nil
}

func rulesOf(doc *manifest.Document) []*source.Node {
	n := doc.Root.Get("signature")
	if n != nil && n.Kind == source.List {
		return n.Items
	}
	return []*source.Node{n}
}

type fitter struct {
	doc  *manifest.Document
	with *source.Node
}

func (f fitter) given(key string) bool { return f.with.Get(key) != nil }

// secrets gives a secret for each rule, for it may be that only one of them takes a form that serves all; a single nil where none
// is needed, or none can be made, which compiling will tell.
func (f fitter) secrets(salt string) []*source.Node {
	var out []*source.Node
	for i, r := range rulesOf(f.doc) {
		rule, ok := ruleOf(r)
		if !ok {
			continue
		}
		random := sha3.NewSHAKE256()
		fmt.Fprintf(random, "%s\x00%s\x00%d", f.doc.Name, salt, i)
		text, err := signature.GenerateSecret(rule, random)
		if err != nil {
			continue
		}
		out = append(out, quiet(source.NewString(text, r.Span)))
	}
	if len(out) == 0 {
		return []*source.Node{nil}
	}
	return out
}

// ruleOf gives what of a rule says how its secret looks; false for one that needs none.
func ruleOf(n *source.Node) (signature.Rule, bool) {
	if n == nil || n.Kind != source.Map {
		return signature.Rule{}, false
	}
	r := signature.Rule{
		Node: n, Algorithm: n.Get("algorithm"), Header: n.Get("header"), From: n.Get("from"), Split: n.Get("split"), Prefix: n.Get("prefix"),
		StripTo: n.Get("strip_to"), Encoding: n.Get("encoding"), Signed: n.Get("signed"), Key: n.Get("key"), Strip: n.Get("strip"),
		When: n.Get("when"), Fetch: n.Get("fetch"), Hosts: n.Get("hosts"), Require: n.Get("require"),
	}
	if r.Algorithm == nil || !r.Algorithm.IsScalar() || r.Algorithm.Text == "none" {
		return signature.Rule{}, false
	}
	return r, true
}

// compile puts what is given and what is made up over the document and compiles it.
func (f fitter) compile(made *source.Node, out *diag.List) *provider.Provider {
	at := f.doc.NameSpan
	over := source.NewMap(at)
	add := func(key string, value *source.Node) {
		if value != nil {
			over.Entries = append(over.Entries, source.NewEntry(key, at, value))
		}
	}
	add("secret", made)
	if !f.given("public_url") && placeholder(f.doc.Root.Get("public_url")) {
		add("public_url", source.NewString(PublicURL+"/webhooks/"+f.doc.Name, at))
	}
	if token := f.doc.Root.Get("path_token"); !f.given("path_token") && (token != nil || f.learns()) {
		add("path_token", quiet(source.NewString("made-up-path-token", at)))
	}
	add("vars", f.vars())
	for _, key := range []string{"secret", "secrets", "public_url", "path_token"} {
		if n := f.with.Get(key); n != nil {
			if key != "public_url" {
				n = quiet(n)
			}
			over.Entries = append(over.Entries, source.NewEntry(key, n.Span, n))
		}
	}
	return provider.Compile(f.doc.With(over), out, provider.Options{PublicURL: PublicURL, Dev: true})
}

// learns says whether a handshake brings a secret, which asks for an address that nobody can guess.
func (f fitter) learns() bool {
	n := f.doc.Root.Get("challenge")
	if n == nil {
		return false
	}
	return n.Get("store") != nil || slices.ContainsFunc(n.Items, func(c *source.Node) bool { return c.Get("store") != nil })
}

// vars gives the variables: those of with, and for those that wait for a value a made-up one.
func (f fitter) vars() *source.Node {
	own, given := f.doc.Root.Get("vars"), f.with.Get("vars")
	over := source.NewMap(f.doc.NameSpan)
	if own != nil && own.Kind == source.Map {
		for _, e := range own.Entries {
			if given.Get(e.Key.Text) == nil && e.Value.Kind == source.Null {
				over.Entries = append(over.Entries, source.Entry{Key: e.Key, Value: quiet(source.NewString("test-"+e.Key.Text, e.Value.Span))})
			}
		}
	}
	if given != nil {
		for _, e := range given.Entries {
			over.Entries = append(over.Entries, source.Entry{Key: e.Key, Value: quiet(e.Value)})
		}
	}
	if len(over.Entries) == 0 {
		return nil
	}
	return over
}

// quiet gives a value of a test the form of a resolved reference: it is no literal secret, and findings do not print it.
func quiet(n *source.Node) *source.Node {
	if n.Kind == source.List {
		c := *n
		c.Items = make([]*source.Node, len(n.Items))
		for i, item := range n.Items {
			c.Items[i] = quiet(item)
		}
		return &c
	}
	if !n.IsScalar() || n.Kind == source.Null {
		return n
	}
	c := *n
	text := secret.NewText(secret.Part{Ref: "the test's", Value: secret.New(n.Text)})
	c.Kind, c.Value = source.String, &text
	return &c
}

// placeholder says whether a value stands in for one that is not known here.
func placeholder(n *source.Node) bool {
	if n == nil || n.Value == nil {
		return false
	}
	return slices.ContainsFunc(n.Value.Parts(), func(p secret.Part) bool { return p.Placeholder })
}
