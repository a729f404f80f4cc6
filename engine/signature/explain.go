package signature

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// Bounds of one Explain.
const (
	maxExplainHashes = 32
	maxExplainBody   = 1 << 20
	maxRemarks       = 4
	// maxExplainLearned is how many of the learnt secrets are tried in other forms.
	maxExplainLearned = 2
)

// Explain is the operator's diagnosis of a request that Verify refuses: which rule applied, what was missing or differed in form, and
// which small mistake would account for it. It tries up to 32 more hashes, and none over a body of more than 1 MiB. It never gives a
// secret or a signature that would have held; "" where the request is genuine.
func (s *Scheme) Explain(r *Request) string {
	_, refusal := s.Verify(context.Background(), r)
	if refusal == nil {
		return ""
	}
	x := newExplainer(s, r)
	x.explain(refusal)
	head := refusal.Detail
	if refusal.Rule != "" {
		head = refusal.Rule + ": " + head
	}
	return strings.Join(append([]string{head}, x.remarks...), "; ")
}

// explainer looks for the mistake behind one refusal.
type explainer struct {
	scheme *Scheme
	// bare is the scheme without what it has learnt, of which pinned takes only the newest.
	bare    *Scheme
	rule    *rule // nil where none applies
	r       *Request
	budget  int
	remarks []string
}

func newExplainer(s *Scheme, r *Request) *explainer {
	return &explainer{scheme: s, bare: &Scheme{rules: s.rules, stamp: s.stamp}, r: r, rule: s.pick(r), budget: maxExplainHashes}
}

// remark adds what was found out; false when there is enough.
func (x *explainer) remark(format string, args ...any) bool {
	if len(x.remarks) < maxRemarks {
		x.remarks = append(x.remarks, fmt.Sprintf(format, args...))
	}
	return len(x.remarks) < maxRemarks
}

func (x *explainer) explain(refusal *Refusal) {
	if x.rule == nil || refusal.Class == MissingSignature {
		x.similarHeaders()
		return
	}
	if refusal.Class != InvalidSignature {
		return
	}
	c := &call{}
	c.env.items = c.items[:]
	c.env.req = x.r
	if x.rule.collect(c) != nil {
		return
	}
	items := slices.Clone(c.items[:c.env.count])
	x.forms(items)
	if len(x.r.Body) > maxExplainBody {
		x.remark("the body is too long to look for more")
		return
	}
	x.prefixes(items)
	x.secrets()
	x.bodies()
	x.addresses()
	x.otherRules()
	x.otherTexts(items)
}

// holds says whether the request would be genuine by a changed rule, its age aside. It says no where the hashes are used up.
func (x *explainer) holds(rule *rule, r *Request) bool {
	cost := max(1, len(rule.signed)) * max(1, len(rule.keys))
	if cost > x.budget {
		return false
	}
	x.budget -= cost
	c := &call{}
	c.env.items = c.items[:]
	_, refusal := x.bare.verify(context.Background(), rule, c, r)
	return refusal == nil || refusal.Class == StaleTimestamp
}

// pinned is a copy of a rule with the keys that are worth trying: the configured ones, those of the document that is kept, and the
// newest learnt ones. It fetches nothing.
func (x *explainer) pinned(from *rule) *rule {
	r := *from
	r.first = x.scheme.keyOf(from)
	if r.remote != nil {
		keys, _ := r.remote.held(x.r)
		r.keys = keys[:min(len(keys), maxTriedKeys)]
		r.remote = nil
	}
	learned := x.scheme.learned.keys(from.index)
	r.keys = append(r.keys[:len(r.keys):len(r.keys)], learned[max(0, len(learned)-maxExplainLearned):]...)
	return &r
}

// similarHeaders tells which headers could have been meant.
func (x *explainer) similarHeaders() {
	var wanted, found []string
	for i := range x.scheme.rules {
		if x.rule != nil && x.rule.index != i {
			continue
		}
		for _, from := range x.scheme.rules[i].from {
			wanted = append(wanted, from.header)
		}
	}
	wanted = append(wanted, http.CanonicalHeaderKey(x.scheme.TimestampHeader()))
	for name := range x.r.Header {
		lower := strings.ToLower(name)
		looks := slices.ContainsFunc([]string{"sign", "hmac", "digest", "token", "authorization", "timestamp"}, func(word string) bool {
			return strings.Contains(lower, word)
		})
		if looks && !slices.Contains(wanted, name) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return
	}
	slices.Sort(found)
	found = found[:min(len(found), 4)]
	x.remark("what is there: %.200s", strings.Join(found, ", "))
}

// forms tells how a signature is written that cannot be decoded. It hashes nothing.
func (x *explainer) forms(items []string) {
	a := x.rule.algorithm
	if a.jwt != "" || a.family == constant {
		return
	}
	for _, item := range items {
		text, ok := x.rule.candidate(item)
		if !ok {
			continue
		}
		for _, e := range x.rule.encodings {
			if sum, ok := e.decode(nil, []byte(text)); ok && len(sum) >= a.min && len(sum) <= a.max {
				return // the form is as it should be
			}
		}
		for _, e := range encodings()[:3] {
			sum, ok := e.decode(nil, []byte(text))
			if !ok {
				continue
			}
			if len(sum) >= a.min && len(sum) <= a.max {
				x.remark("it is %s, where %s is expected", e.name, x.rule.encodingNames())
				return
			}
			if looks := looksLike(len(sum)); looks != "" && (e.name != "hex" || slices.ContainsFunc(x.rule.encodings, func(e encoding) bool { return e.name == "hex" })) {
				x.remark("%d characters of %s look like %s, and %s has %s", len(text), e.name, looks, a.name, lengths(a))
				return
			}
		}
		x.remark("it has %d characters; %s has %s", len(text), a.name, lengths(a))
		return
	}
}

func lengths(a algorithm) string {
	if a.min == a.max {
		return fmt.Sprintf("%d in hex or %d in base64", hex.EncodedLen(a.max), base64.StdEncoding.EncodedLen(a.max))
	}
	return fmt.Sprintf("%d to %d in base64", base64.StdEncoding.EncodedLen(a.min), base64.StdEncoding.EncodedLen(a.max))
}

// looksLike names the hash that is so many bytes long.
func looksLike(n int) string {
	return map[int]string{16: "MD5", 20: "SHA-1", 32: "SHA-256", 48: "SHA-384", 64: "SHA-512", 256: "RSA with 2048 bits"}[n]
}

// prefixes looks whether what stands before the signature is the whole mistake.
func (x *explainer) prefixes(items []string) {
	if slices.ContainsFunc(items, func(item string) bool { _, ok := x.rule.candidate(item); return ok }) && x.rule.algorithm.family != constant && x.rule.algorithm.jwt == "" {
		return
	}
	if first := items[0]; x.rule.algorithm.family == constant || x.rule.algorithm.jwt != "" {
		for _, word := range []string{"Bearer ", "Basic ", "Token ", "JWT "} {
			if len(first) >= len(word) && strings.EqualFold(first[:len(word)], word) && !slices.Contains(x.rule.prefixes, first[:len(word)]) {
				x.remark("it begins with %q, which `prefix` does not name", first[:len(word)])
				return
			}
		}
	}
	if len(x.rule.prefixes) == 0 {
		return
	}
	without := x.pinned(x.rule)
	without.prefixes = nil
	if x.holds(without, x.r) {
		x.remark("it has no prefix, and without one it matches")
		return
	}
	for _, item := range items {
		if at := strings.IndexAny(item, "=,"); at > 0 && at < 24 && !slices.Contains(x.rule.prefixes, item[:at+1]) {
			without.prefixes = []string{item[:at+1]}
			if x.holds(without, x.r) {
				x.remark("with the prefix %q it matches", item[:at+1])
				return
			}
		}
	}
}

// addresses tries the public URL with the usual differences.
func (x *explainer) addresses() {
	if !x.rule.uses("url") && !x.rule.uses("endpoint") || x.r.URL == "" {
		return
	}
	rule := x.pinned(x.rule)
	for _, change := range []struct {
		what   string
		change func(endpoint, query string) string
	}{
		{"with a slash at the end of the path", func(endpoint, query string) string { return endpoint + "/" + query }},
		{"without the slash at the end of the path", func(endpoint, query string) string { return strings.TrimSuffix(endpoint, "/") + query }},
		{"with http in the place of https", func(endpoint, query string) string {
			return strings.Replace(endpoint, "https://", "http://", 1) + query
		}},
		{"with https in the place of http", func(endpoint, query string) string {
			return strings.Replace(endpoint, "http://", "https://", 1) + query
		}},
		{"without the query", func(endpoint, _ string) string { return endpoint }},
	} {
		endpoint, query, has := strings.Cut(x.r.URL, "?")
		if has {
			query = "?" + query
		}
		other := *x.r
		other.URL = change.change(endpoint, query)
		other.Endpoint, _, _ = strings.Cut(other.URL, "?")
		if other.URL != x.r.URL && x.holds(rule, &other) {
			x.remark("%s the public URL matches: look at `public_url` and at the address that the provider was given", change.what)
			return
		}
	}
}

// otherRules looks whether the request is signed the way of a rule that does not apply to it.
func (x *explainer) otherRules() {
	for i := range x.scheme.rules {
		other := &x.scheme.rules[i]
		if other.index != x.rule.index && other.remote == nil && x.holds(x.pinned(other), x.r) {
			x.remark("it is signed as %s wants it, which does not apply to this request", other.name)
			return
		}
	}
}

// otherTexts tries the signed strings and hashes that are in use elsewhere.
func (x *explainer) otherTexts(items []string) {
	if x.rule.algorithm.family != mac || x.rule.algorithm.jwt != "" {
		return
	}
	texts := []string{"{body}", "{ts}.{body}", "{ts}{body}", "{ts}:{body}", "v0:{ts}:{body}", "{body}{ts}", "{url}{body}"}
	for _, text := range texts {
		t := Parse(source.NewString(text, source.Span{}), Signed, &Scope{URL: x.r.URL != ""}, &diag.List{})
		if t == nil || t.Uses("ts") && x.scheme.stamp == nil || slices.ContainsFunc(x.rule.signed, func(s *Template) bool { return s.String() == text }) {
			continue
		}
		other := x.pinned(x.rule)
		other.signed, other.stamped = []*Template{t}, t.Uses("ts")
		if x.holds(other, x.r) {
			x.remark("it matches with `signed: %q`", text)
			return
		}
	}
	for _, a := range algorithms() {
		if a.family != mac || a.jwt != "" || a.name == x.rule.algorithm.name || !slices.ContainsFunc(items, func(item string) bool {
			text, ok := x.rule.candidate(item)
			return ok && slices.ContainsFunc(x.rule.encodings, func(e encoding) bool {
				sum, ok := e.decode(nil, []byte(text))
				return ok && len(sum) == a.min
			})
		}) {
			continue
		}
		other := x.pinned(x.rule)
		other.algorithm, other.keys = a, nil
		for i, secret := range x.scheme.secrets {
			if held, err := other.hold(secret.Reveal(), i, false); err == nil {
				other.keys = append(other.keys, held...)
			}
		}
		if x.holds(other, x.r) {
			x.remark("it matches with `algorithm: %s`", a.name)
			return
		}
	}
}
