package signature

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// Config is a provider's `signature` and `timestamp` as its manifest writes them, with the secrets.
type Config struct {
	// Node is the value of `signature`; findings about the whole stand there.
	Node *source.Node
	// Rules are in the order written.
	Rules []Rule
	// Timestamp is nil where nothing is said of one.
	Timestamp *Timestamp
	Secrets   []Secret
	// URL says that the request's public URL will be known.
	URL bool
}

// Rule is one signature rule. Every field is a scalar, or a list of scalars where said; nil is "not written". A field, or an item of
// a list, that is Refused may be anything: nothing is said of it, and no Scheme is made.
type Rule struct {
	Node      *source.Node
	Algorithm *source.Node
	Header    *source.Node // short for From: header:N
	From      *source.Node // or a list
	Split     *source.Node
	Prefix    *source.Node // or a list
	StripTo   *source.Node
	Encoding  *source.Node // or a list
	Signed    *source.Node // or a list
	Key       *source.Node
	Strip     *source.Node // or a list
}

// Timestamp is where the time of signing stands and how old it may be.
type Timestamp struct {
	Node   *source.Node
	Header *source.Node // short for From: header:N
	From   *source.Node
	Unit   *source.Node
	// Tolerance is DefaultTolerance where 0.
	Tolerance time.Duration
}

// Secret is one live secret and where it stands.
type Secret struct {
	Value secret.Value
	Span  source.Span
	// Placeholder says that the value stands for a real one that is not there, so its form proves nothing.
	Placeholder bool
}

// maxAlternates bounds the lists of one rule: each signed string of each secret costs a hash.
const maxAlternates = 8

// Compile makes a Scheme, or gives nil and findings. A scheme that could accept what nobody signed is never made.
func Compile(c Config, out *diag.List) *Scheme {
	before := out.Count(diag.Error)
	s := &Scheme{}
	s.calls.New = func() any {
		c := &call{}
		c.env.items = c.items[:]
		return c
	}
	if len(c.Rules) == 0 {
		out.Errorf(diag.BadSignature, c.Node.Span, "write `signature: none` for a provider that signs nothing", "there is no signature rule")
		return nil
	}
	if len(c.Rules) > 1 {
		out.Errorf(diag.BadSignature, c.Rules[1].Node.Span, "leave one rule; `signed`, `prefix`, `encoding` and `from` may each be a list",
			"this rule would never be tried: only the first rule that applies is")
	}
	if c.Timestamp != nil {
		s.stamp = c.compileStamp(out)
	}
	for i, r := range c.Rules {
		b := ruleCompiler{config: &c, rule: &r, out: out}
		s.rules = append(s.rules, b.compile(i))
	}
	if out.Count(diag.Error) > before || slices.ContainsFunc(c.Rules, refused) {
		return nil
	}
	return s
}

// refused says whether a part of a rule is one that a finding speaks of already.
func refused(r Rule) bool {
	for _, n := range []*source.Node{r.Algorithm, r.Header, r.From, r.Split, r.Prefix, r.StripTo, r.Encoding, r.Signed, r.Key, r.Strip} {
		if n != nil && (n.Refused || slices.ContainsFunc(n.Items, func(item *source.Node) bool { return item.Refused })) {
			return true
		}
	}
	return false
}

func (c *Config) compileStamp(out *diag.List) *stamp {
	t := c.Timestamp
	s := &stamp{unit: units()[0], tolerance: t.Tolerance}
	if s.tolerance <= 0 {
		s.tolerance = DefaultTolerance
	}
	switch {
	case t.Header != nil && t.From != nil:
		out.Errorf(diag.BadSignature, t.From.Span, "`header: X` is short for `from: header:X`; leave one of them", "`header` and `from` say the same thing")
	case t.Header != nil:
		s.from = Short("header", t.Header, Part, out)
	case t.From != nil:
		s.from = ParsePart(t.From, out)
	default:
		out.Errorf(diag.BadSignature, t.Node.Span, "add `header: X-Timestamp`, or `from: \"sig:t=\"` for an item of the signature list",
			"nothing says where the timestamp stands")
	}
	if t.Unit == nil {
		return s
	}
	i := slices.IndexFunc(units(), func(u unit) bool { return u.name == text(t.Unit) })
	if i < 0 {
		out.Errorf(diag.BadSignature, t.Unit.Span, oneOf(text(t.Unit), names(units(), func(u unit) string { return u.name })), "there is no unit %q", text(t.Unit))
		return s
	}
	s.unit = units()[i]
	return s
}

// ruleCompiler compiles one rule.
type ruleCompiler struct {
	config *Config
	rule   *Rule
	out    *diag.List
}

func (b *ruleCompiler) compile(index int) rule {
	r := rule{}
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
	if a.key == nil {
		r.name = a.name
		b.checkUnsigned()
		return r
	}
	r.name = fmt.Sprintf("signature[%d] %s", index, a.name)
	r.from = b.origins()
	if b.rule.Split != nil {
		r.split = text(b.rule.Split)
	}
	r.prefixes = b.prefixes()
	if b.rule.StripTo != nil {
		r.stripTo = text(b.rule.StripTo)
	}
	r.encodings = b.encodings()
	r.signed = b.signed()
	b.keys(&r)
	return r
}

func (b *ruleCompiler) fail(n *source.Node, hint, format string, args ...any) {
	b.out.Errorf(diag.BadSignature, n.Span, hint, format, args...)
}

// checkUnsigned refuses keys that look as if something were checked.
func (b *ruleCompiler) checkUnsigned() {
	r := b.rule
	for _, n := range []*source.Node{r.Header, r.From, r.Split, r.Prefix, r.StripTo, r.Encoding, r.Signed, r.Key, r.Strip} {
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
		found = append(found, Short("header", n, Part, b.out))
	}
	for _, n := range b.list(r.From, "from") {
		found = append(found, ParsePart(n, b.out))
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
			o.header = textproto.CanonicalMIMEHeaderKey(arg)
		case "sig":
			b.fail(r.From, "name the header that the list stands in", "`sig` is a part of the signature list, so the list cannot come from it")
		}
		out = append(out, o)
	}
	return out
}

// prefixes are literal text in the form of templates, so that a `{` in one is never taken for something else later.
func (b *ruleCompiler) prefixes() []string {
	var out []string
	for _, n := range b.list(b.rule.Prefix, "prefix") {
		t := Parse(n, Signed, b.out)
		if t == nil {
			continue
		}
		if !t.Constant() {
			b.fail(n, `write \{ for a literal brace`, "a prefix is literal text")
		}
		out = append(out, t.literal())
	}
	return out
}

func (b *ruleCompiler) encodings() []encoding {
	if b.rule.Encoding == nil {
		return encodings()[:1]
	}
	var out []encoding
	for _, n := range b.list(b.rule.Encoding, "encoding") {
		i := slices.IndexFunc(encodings(), func(e encoding) bool { return e.name == text(n) })
		if i < 0 {
			b.fail(n, oneOf(text(n), names(encodings(), func(e encoding) string { return e.name })), "there is no encoding %q", text(n))
			continue
		}
		if slices.ContainsFunc(out, func(e encoding) bool { return e.name == text(n) }) {
			b.fail(n, "", "%s is written twice", text(n))
			continue
		}
		out = append(out, encodings()[i])
	}
	return out
}

func (b *ruleCompiler) signed() []*Template {
	nodes := b.list(b.rule.Signed, "signed")
	if b.rule.Signed == nil {
		nodes = []*source.Node{source.NewString("{body}", b.rule.Node.Span)}
	}
	var out []*Template
	for _, n := range nodes {
		t := Parse(n, Signed, b.out)
		if t == nil {
			continue
		}
		switch {
		case t.Uses("ts") && b.config.Timestamp == nil:
			b.fail(n, "add `timestamp: {header: …}`", "{ts} is named, but nothing says where the timestamp stands")
		case t.Uses("url") && !b.config.URL:
			b.fail(n, "set `public_url`, or HEADGATE_PUBLIC_URL for all providers", "{url} is named, but the public URL is not known")
		case t.Constant():
			b.fail(n, "name what the provider signs, such as \"{body}\"", "nothing of the request is signed")
		}
		out = append(out, t)
	}
	return out
}

// keys decodes the secrets. No finding ever quotes one.
func (b *ruleCompiler) keys(r *rule) {
	form := keyForms()[0]
	if n := b.rule.Key; n != nil && !n.Refused {
		i := slices.IndexFunc(keyForms(), func(f keyForm) bool { return f.name == text(n) })
		if i < 0 {
			b.fail(n, oneOf(text(n), names(keyForms(), func(f keyForm) string { return f.name })), "there is no key form %q", text(n))
			return
		}
		form = keyForms()[i]
	}
	strip := b.list(b.rule.Strip, "strip")
	for _, s := range b.config.Secrets {
		plain := s.Value.Reveal()
		for _, n := range strip {
			plain = strings.TrimPrefix(plain, text(n))
		}
		material, err := form.decode(plain)
		if err != nil && s.Placeholder {
			material, err = []byte(plain), nil
		}
		switch {
		case err != nil:
			b.out.Errorf(diag.BadSignature, s.Span, "copy it again from the provider's settings, or check `key` and `strip`", "the secret is not %s", form.doc)
			continue
		case len(material) == 0:
			b.out.Errorf(diag.BadSignature, s.Span, "set it to the secret that the provider signs with", "the secret is empty")
			continue
		}
		if r.first == nil {
			r.first = material
		}
		r.keys = append(r.keys, r.algorithm.key(material))
	}
	if len(b.config.Secrets) == 0 {
		b.fail(b.rule.Node, "add `secret: <<env.NAME>>`", "there is no secret to check %s with", r.algorithm.name)
	}
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

// text gives a scalar's text.
func text(n *source.Node) string {
	if n.Value != nil {
		return n.Value.Reveal()
	}
	return n.Text
}

func names[T any](all []T, name func(T) string) []string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = name(v)
	}
	return out
}

// oneOf is the hint for a word that is not in a short list.
func oneOf(word string, all []string) string {
	if hint := diag.DidYouMean(word, all); hint != "" {
		return hint
	}
	return "write one of " + strings.Join(all, ", ")
}
