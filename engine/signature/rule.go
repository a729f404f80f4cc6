package signature

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// rule is one compiled signature rule.
type rule struct {
	// name is "signature[0] hmac-sha256", or "none".
	name      string
	index     int
	span      source.Span
	algorithm algorithm
	when      *When // nil applies to every request
	from      []origin
	split     string
	prefixes  []string
	stripTo   string
	encodings []encoding
	// signed are the texts that a signature may be made over; a single nil for tokens, which sign nothing.
	signed []*Template
	// stamped says that a signed text names the timestamp.
	stamped bool
	form    keyForm
	strip   []string
	keys    []heldKey
	remote  *remote // nil where no key is fetched
	require []equality
	tokens  *tokenReader // nil where no token is checked
	// first is the first secret's bytes, for keyed functions.
	first []byte
}

// origin is a place that signatures are read from. Of a header every value counts, of all else the single one there may be.
type origin struct {
	text   string
	header string // in canonical form; "" for other sources
	many   bool   // header is what the names of the headers begin with
	source *Template
}

// equality is one entry of `require`.
type equality struct{ left, right *Template }

// ruleCompiler compiles one rule.
type ruleCompiler struct {
	config *Config
	rule   *Rule
	out    *diag.List
	scope  *Scope
}

func (b *ruleCompiler) compile(index int) rule {
	r := rule{index: index, span: b.rule.Node.Span, name: fmt.Sprintf("signature[%d]", index)}
	if b.rule.Algorithm == nil {
		b.fail(b.rule.Node, "add `algorithm: hmac-sha256`, the one that most senders use", "the rule has no `algorithm`")
		return r
	}
	name := text(b.rule.Algorithm)
	a, hint, ok := findAlgorithm(name)
	if b.rule.Algorithm.Refused {
		a = algorithms()[0]
	} else if !ok {
		b.out.Errorf(diag.UnknownAlgorithm, b.rule.Algorithm.Span, hint, "there is no algorithm %q", name)
		a = algorithms()[0] // so that the other keys are looked at as well
	}
	r.algorithm = a
	if a.family == unsigned {
		r.name = a.name
		b.checkUnsigned()
		return r
	}
	r.name += " " + a.name
	if a.jwt != "" {
		r.tokens = newTokenReader()
	}
	if b.rule.When != nil {
		r.when = ParseWhen(b.rule.When, b.scope, b.out)
	}
	r.from = b.origins()
	if b.rule.Split != nil {
		if r.split = text(b.rule.Split); r.split == "" && !b.rule.Split.Refused {
			b.fail(b.rule.Split, "write the separator, such as \",\"", "`split` is empty")
		}
	}
	r.prefixes = b.prefixes()
	if b.rule.StripTo != nil {
		r.stripTo = text(b.rule.StripTo)
	}
	r.encodings = b.encodings(a)
	r.signed = b.signed(a)
	for _, t := range r.signed {
		r.stamped = r.stamped || t != nil && t.Uses("ts")
	}
	r.require = b.equalities()
	r.form = b.keyForm(a)
	for _, n := range b.list(b.rule.Strip, "strip") {
		r.strip = append(r.strip, text(n))
	}
	r.remote = b.remote(&r)
	return r
}

func (b *ruleCompiler) fail(n *source.Node, hint, format string, args ...any) {
	b.out.Errorf(diag.BadSignature, n.Span, hint, format, args...)
}

// checkUnsigned refuses keys that look as if something were checked.
func (b *ruleCompiler) checkUnsigned() {
	for _, n := range b.rule.parts()[1:] {
		if n != nil {
			b.fail(n, "leave `algorithm: none` alone, or name the algorithm that the provider signs with", "`algorithm: none` checks nothing, so this does nothing")
			return
		}
	}
	if t := b.config.Timestamp; t != nil {
		b.fail(t.Node, "leave it out", "a timestamp that nobody signs proves nothing")
	}
}

func (b *ruleCompiler) origins() []origin {
	r := b.rule
	if r.Header == nil && r.From == nil {
		b.fail(r.Node, "add `header: X-Signature` with the name of the provider's header", "nothing says where the signature stands")
		return nil
	}
	if r.Header != nil && r.From != nil {
		b.fail(r.From, "`header: X` is short for `from: header:X`; leave one of them", "`header` and `from` say the same thing")
		return nil
	}
	var found []*Template
	for _, n := range b.list(r.Header, "header") {
		found = append(found, Short("header", n, Part, b.scope, b.out))
	}
	for _, n := range b.list(r.From, "from") {
		t := ParsePart(n, b.scope, b.out)
		if t != nil && t.Optional() {
			b.fail(n, "leave out the `?`: of several places one is enough", "a signature is never optional")
		}
		found = append(found, t)
	}
	var out []origin
	for _, t := range found {
		if t == nil {
			continue
		}
		o := origin{text: strings.Trim(t.String(), "{}"), source: t}
		source, arg, _ := t.Sole()
		switch source {
		case "header":
			prefix, many := strings.CutSuffix(arg, "*")
			o.header, o.many = textproto.CanonicalMIMEHeaderKey(prefix), many
		case "body":
			if a, _, ok := findAlgorithm(text(r.Algorithm)); ok && a.jwt == "" {
				b.fail(r.From, "name where it stands, such as header:X-Signature", "the whole body can be a token (jwt-…), and no signature of itself")
			}
		case "sig":
			b.fail(r.From, "name the header that the list stands in", "`sig` is a part of the signature list, so the list cannot come from it")
		}
		out = append(out, o)
	}
	return out
}

// prefixes are literal text and variables in the form of templates, so that a `{` in one is never taken for something else later.
func (b *ruleCompiler) prefixes() []string {
	var out []string
	for _, n := range b.list(b.rule.Prefix, "prefix") {
		if t := Parse(n, Prefix, b.scope, b.out); t != nil {
			out = append(out, t.literal())
		}
	}
	return out
}

func (b *ruleCompiler) encodings(a algorithm) []encoding {
	all := encodings()
	known := names(all, func(e encoding) string { return e.name })
	if b.rule.Encoding != nil && a.jwt != "" {
		b.fail(b.rule.Encoding, "leave it out", "a JWT is always written in base64url")
		return nil
	}
	if b.rule.Encoding == nil {
		i := max(0, slices.Index(known, a.encoding))
		return all[i : i+1]
	}
	var out []encoding
	for _, n := range b.list(b.rule.Encoding, "encoding") {
		i := slices.Index(known, text(n))
		switch {
		case i < 0:
			b.fail(n, oneOf(text(n), known), "there is no encoding %q", text(n))
		case slices.ContainsFunc(out, func(e encoding) bool { return e.name == text(n) }):
			b.fail(n, "", "%s is written twice", text(n))
		case all[i].name == "text" && a.family != constant:
			b.fail(n, "write one of hex, base64, base64url", "a signature of %s is no text", a.name)
		default:
			out = append(out, all[i])
		}
	}
	return out
}

func (b *ruleCompiler) signed(a algorithm) []*Template {
	if a.jwt != "" || a.family == constant {
		if b.rule.Signed != nil {
			b.fail(b.rule.Signed, "leave it out; `require` compares parts of the request", "%s signs nothing of the request itself", a.name)
		}
		return []*Template{nil}
	}
	nodes := b.list(b.rule.Signed, "signed")
	if b.rule.Signed == nil {
		nodes = []*source.Node{source.NewString("{body}", b.rule.Node.Span)}
	}
	var out []*Template
	for _, n := range nodes {
		t := Parse(n, Signed, b.scope, b.out)
		if t == nil {
			continue
		}
		switch {
		case t.Uses("ts") && b.config.Timestamp == nil:
			b.fail(n, "add `timestamp: {header: …}`", "{ts} is named, but nothing says where the timestamp stands")
		case t.Constant():
			b.fail(n, "name what the provider signs, such as \"{body}\"", "nothing of the request is signed")
		case a.family == digest && !t.Uses("secret"):
			b.fail(n, "write {secret} where the provider puts it, such as \"{secret}{body}\"; for an HMAC the algorithm is hmac-"+strings.TrimPrefix(a.name, "digest-"),
				"a digest without {secret} can be made by anybody")
		case a.family == public && t.Uses("secret"):
			b.fail(n, "", "%s has a public key and no {secret}", a.name)
		}
		out = append(out, t)
	}
	return out
}

// equalities compiles `require`: a map, or a list of maps.
func (b *ruleCompiler) equalities() []equality {
	n := b.rule.Require
	if n == nil || n.Refused {
		return nil
	}
	maps := []*source.Node{n}
	if n.Kind == source.List {
		maps = n.Items
	}
	if len(maps) == 0 || len(maps) > maxAlternates {
		b.fail(n, "", "`require` needs between 1 and %d entries", maxAlternates)
		return nil
	}
	var out []equality
	for _, m := range maps {
		if m.Refused {
			continue
		}
		if m.Kind != source.Map || len(m.Entries) == 0 || len(m.Entries) > maxAlternates {
			b.fail(m, "write a map, such as {\"{claim:sha256}\": \"{body|sha256|hex}\"}", "`require` is a map of up to %d templates to templates", maxAlternates)
			continue
		}
		for _, entry := range m.Entries {
			if entry.Value.Refused {
				continue
			}
			if !entry.Value.IsScalar() || entry.Value.Kind == source.Null {
				b.fail(entry.Value, "write a template or a text", "a template cannot be equal to %s", entry.Value.Kind.WithArticle())
				continue
			}
			left, right := Parse(entry.Key, Require, b.scope, b.out), Parse(entry.Value, Require, b.scope, b.out)
			switch {
			case left == nil || right == nil:
			case left.Constant() && right.Constant():
				b.fail(entry.Value, "name what is compared in braces, such as {claim:iss}", "this names nothing of the request, so it is always or never equal")
			case b.config.Timestamp == nil && (left.Uses("ts") || right.Uses("ts")):
				b.fail(entry.Value, "add `timestamp: {header: …}`", "{ts} is named, but nothing says where the timestamp stands")
			default:
				out = append(out, equality{left, right})
			}
		}
	}
	return out
}

// keyForm finds what `key` says; the default of the algorithm where that is not to be had, so that Compile can go on.
func (b *ruleCompiler) keyForm(a algorithm) keyForm {
	forms := a.keyForms()
	n := b.rule.Key
	if n == nil || n.Refused {
		return forms[0]
	}
	known := names(forms, func(f keyForm) string { return f.name })
	if i := slices.Index(known, text(n)); i >= 0 {
		return forms[i]
	}
	if slices.ContainsFunc(keyForms(), func(f keyForm) bool { return f.name == text(n) }) {
		b.fail(n, "write one of "+strings.Join(known, ", "), "a key of %s is not written as %s", a.name, text(n))
	} else {
		b.fail(n, oneOf(text(n), known), "there is no key form %q", text(n))
	}
	return forms[0]
}

// remote compiles `fetch` and `hosts`.
func (b *ruleCompiler) remote(r *rule) *remote {
	n, hosts := b.rule.Fetch, b.rule.Hosts
	switch {
	case n == nil && hosts != nil:
		b.fail(hosts, "add `fetch`, or leave it out", "`hosts` says where keys may be fetched from, but none is")
		return nil
	case n == nil || n.Refused:
		return nil
	case r.algorithm.family != public:
		b.fail(n, "leave it out, and set `secret`", "a key of %s is secret, so it cannot be fetched", r.algorithm.name)
		return nil
	case hosts == nil:
		b.fail(n, "add `hosts: [keys.example.com]` with the hosts that belong to the provider", "`fetch` needs `hosts`: without it a request could name its own key")
		return nil
	}
	t := Parse(n, Fetch, b.scope, b.out)
	allowed := ParseHosts(hosts, b.out)
	if t == nil || allowed == nil {
		return nil
	}
	if t.Constant() {
		if err := allowed.Check(t.literal()); err != nil {
			b.fail(n, "", "the key could never be fetched: %s", err)
		}
	}
	return &remote{address: t, hosts: allowed, fetcher: b.config.Fetcher, rule: r.index}
}

// list gives the scalars of a key that may be one or many.
func (b *ruleCompiler) list(n *source.Node, key string) []*source.Node {
	if n == nil || n.Refused {
		return nil
	}
	if n.Kind != source.List {
		return []*source.Node{n}
	}
	if len(n.Items) == 0 || len(n.Items) > maxAlternates {
		b.fail(n, "", "`%s` needs between 1 and %d entries", key, maxAlternates)
	}
	return slices.DeleteFunc(slices.Clone(n.Items[:min(len(n.Items), maxAlternates)]), func(item *source.Node) bool { return item.Refused })
}
