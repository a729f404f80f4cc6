package signature

import (
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
	// Scope is what templates may name besides the request; nil is nothing.
	Scope *Scope
	// Fetcher has the keys that a rule's `fetch` names; nil where none can be fetched, which refuses what needs one.
	Fetcher Fetcher
	// Learned are the secrets that handshakes brought; nil where nothing is learnt.
	Learned Learned
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
	// When is a map that must hold for the rule to be tried (see ParseWhen).
	When *source.Node
	// Fetch is the template of the https address of a key, Hosts the list of hosts that it may name (see ParseHosts).
	Fetch *source.Node
	Hosts *source.Node
	// Require is a map of templates to templates, or a list of such maps. Both sides of each must be equal: of every map.
	Require *source.Node
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

// maxAlternates bounds the lists of one rule: each signed string of each secret costs a hash. maxRules is far above what any provider has.
const (
	maxAlternates = 8
	maxRules      = 16
)

// Compile makes a Scheme, or gives nil and findings. A scheme that could accept what nobody signed is never made.
//
// A list of rules needs a `when` on each but the last. With several rules a secret has to fit one of them at least, for they may want
// different forms; a rule that none fits refuses what it applies to. A secret that fits a rule with `fetch` pins that rule's key.
func Compile(c Config, out *diag.List) *Scheme {
	before := out.Count(diag.Error)
	if len(c.Rules) == 0 {
		out.Errorf(diag.BadSignature, c.Node.Span, "write `signature: none` for a provider that signs nothing", "there is no signature rule")
		return nil
	}
	if len(c.Rules) > maxRules {
		out.Errorf(diag.BadSignature, c.Rules[maxRules].Node.Span, "", "there are more than %d signature rules", maxRules)
		return nil
	}
	s := &Scheme{}
	s.calls.New = func() any {
		call := &call{}
		call.env.items = call.items[:]
		return call
	}
	if c.Timestamp != nil {
		s.stamp = c.compileStamp(out)
	}
	for i := range c.Rules {
		b := ruleCompiler{config: &c, rule: &c.Rules[i], out: out, scope: c.scopeOf(&c.Rules[i])}
		s.rules = append(s.rules, b.compile(i))
	}
	c.checkOrder(s.rules, out)
	if out.Count(diag.Error) == before {
		c.compileSecrets(s, out)
	}
	if out.Count(diag.Error) > before || slices.ContainsFunc(c.Rules, refused) {
		return nil
	}
	s.learned = newLearnt(c.Learned, s.rules)
	for _, sec := range c.Secrets {
		s.secrets = append(s.secrets, sec.Value)
	}
	return s
}

// scopeOf is the scope of one rule: it has claims only where the rule itself verifies a token.
func (c *Config) scopeOf(r *Rule) *Scope {
	var scope Scope
	if c.Scope != nil {
		scope = *c.Scope
	}
	scope.Claims = false
	if r.Algorithm != nil {
		a, _, ok := findAlgorithm(text(r.Algorithm))
		scope.Claims = ok && a.jwt != ""
	}
	return &scope
}

// checkOrder refuses rules that would never be tried, and `none` among others: whoever sends could choose it.
func (c *Config) checkOrder(rules []rule, out *diag.List) {
	if len(rules) < 2 {
		return
	}
	for i := range rules {
		if c.Rules[i].Algorithm != nil && rules[i].algorithm.family == unsigned {
			out.Errorf(diag.BadSignature, c.Rules[i].Algorithm.Span, "leave the other rules, or answer what comes unsigned in `challenge`",
				"`none` among other rules would let every sender do without a signature")
		}
		if i > 0 && c.Rules[i-1].When == nil {
			out.Errorf(diag.BadSignature, c.Rules[i].Node.Span, "give the rule before it a `when`; to try several forms of one rule, `signed`, `prefix`, `encoding` and `from` may each be a list",
				"this rule would never be tried: the one before it always applies, and only the first that applies is tried")
			return
		}
	}
}

// refused says whether a part of a rule is one that a finding speaks of already.
func refused(r Rule) bool {
	for _, n := range r.parts() {
		if n != nil && (n.Refused || slices.ContainsFunc(n.Items, func(item *source.Node) bool { return item.Refused })) {
			return true
		}
	}
	return false
}

// parts are all nodes of a rule, in the order in which the documentation tells them.
func (r *Rule) parts() []*source.Node {
	return []*source.Node{
		r.Algorithm, r.Header, r.From, r.Split, r.Prefix, r.StripTo, r.Encoding, r.Signed, r.Key, r.Strip, r.When, r.Fetch, r.Hosts, r.Require,
	}
}

func (c *Config) compileStamp(out *diag.List) *stamp {
	t := c.Timestamp
	s := &stamp{unit: units()[0], tolerance: t.Tolerance, span: t.Node.Span}
	if s.tolerance <= 0 {
		s.tolerance = DefaultTolerance
	}
	switch {
	case t.Header != nil && t.From != nil:
		out.Errorf(diag.BadSignature, t.From.Span, "`header: X` is short for `from: header:X`; leave one of them", "`header` and `from` say the same thing")
	case t.Header != nil:
		s.from = Short("header", t.Header, Part, c.Scope, out)
	case t.From != nil:
		s.from = ParsePart(t.From, c.Scope, out)
		if s.from != nil && s.from.Uses("body") {
			out.Errorf(diag.BadSignature, t.From.Span, "name where it stands, such as json:timestamp", "the whole body is no time")
		}
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
