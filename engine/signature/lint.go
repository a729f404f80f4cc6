package signature

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/source"
)

// Weakness is the kind of a Note.
type Weakness string

// What can be weak about a scheme by its provider's own design. The words are stable: people name them in searches.
const (
	// BodyNotBound is a signature or token that holds for other bodies, too.
	BodyNotBound Weakness = "body-not-bound"
	// NoTimestamp is a signature that holds for ever: who has a request can send it again.
	NoTimestamp Weakness = "no-timestamp"
	// TokenInURL is a secret that stands in logs and histories.
	TokenInURL Weakness = "token-in-url"
	// Unsigned is a provider that signs nothing.
	Unsigned Weakness = "unsigned"
	// Downgrade is a rule without a time beside one of the same key that has it.
	Downgrade Weakness = "downgrade"
	// Deprecated is an algorithm that nobody should choose any more.
	Deprecated Weakness = "deprecated"
)

// Note is one weakness of a scheme, for `lint` and for the documentation of a provider. It is no error: the operator can only know it.
type Note struct {
	Kind Weakness
	Span source.Span
	// Message says what is so and why it matters, Hint what can be done about it, "" where nothing can.
	Message string
	Hint    string
}

// Lint gives what is weak about the scheme by design, in the order of its rules. What is weak about one rule in the same way as about
// an earlier one is said once.
func (s *Scheme) Lint() []Note {
	var out []Note
	for i := range s.rules {
		for _, n := range s.lint(&s.rules[i]) {
			if !slices.ContainsFunc(out, func(o Note) bool { return o.Kind == n.Kind && o.Message == n.Message }) {
				out = append(out, n)
			}
		}
	}
	return out
}

func (s *Scheme) lint(r *rule) []Note {
	note := func(kind Weakness, hint, format string, args ...any) Note {
		return Note{Kind: kind, Span: r.span, Message: fmt.Sprintf(format, args...), Hint: hint}
	}
	if r.algorithm.family == unsigned {
		return []Note{note(Unsigned, "set `path_token`, so that the address cannot be guessed", "nothing is signed: whoever knows the address can send what he likes")}
	}
	var out []Note
	sent := r.algorithm.family == constant || r.algorithm.jwt != ""
	if sent && slices.ContainsFunc(r.from, func(o origin) bool { return o.source.Uses("query") }) {
		out = append(out, note(TokenInURL, "send it in a header, if the provider can", "the token stands in the URL, which logs and proxies keep"))
	}
	if part := r.unbound(); part != "" {
		out = append(out, note(BodyNotBound, "", "%s", part))
	}
	if r.signsText() && !s.stampSigned(r) {
		hint := "`delivery` makes a repetition known"
		message := "no timestamp is signed, so a request that somebody has recorded holds for ever"
		if s.stamp != nil {
			message = "the timestamp is not signed, so who has recorded a request can renew it"
		}
		out = append(out, note(NoTimestamp, hint, "%s", message))
	}
	if strong := s.downgrades(r); strong != nil {
		out = append(out, note(Downgrade, "leave out the rule without a time, or make it a provider of its own with another secret",
			"%s signs no time and has the key of %s, which signs one: who has recorded an old request can pass it off by the weaker rule", r.name, strong.name))
	}
	if r.algorithm.weak != "" {
		out = append(out, note(Deprecated, "choose a newer one, if the provider offers it", "%s: %s", r.algorithm.name, r.algorithm.weak))
	}
	return out
}

// downgrades gives a rule that bounds the age of a request and has the key of one that does not: what the sender leaves out or adds decides
// which of the two applies. It is nil where there is none. In which header each looks does not matter, for whoever sends writes both.
func (s *Scheme) downgrades(weak *rule) *rule {
	if !weak.signsText() || s.stampSigned(weak) {
		return nil
	}
	for i := range s.rules {
		r := &s.rules[i]
		if r != weak && r.signsText() && s.stampSigned(r) && r.sharesKey(weak) {
			return r
		}
	}
	return nil
}

// signsText says whether the rule checks a signature over a text of its own.
func (r *rule) signsText() bool {
	return r.algorithm.family != unsigned && r.algorithm.family != constant && r.algorithm.jwt == ""
}

// sharesKey says whether the two rules check with the same keys: made of the same secrets in the same way, or fetched from one address.
func (r *rule) sharesKey(other *rule) bool {
	if (r.remote == nil) != (other.remote == nil) || r.remote != nil && r.remote.address.String() != other.remote.address.String() {
		return false
	}
	return r.form.name == other.form.name && slices.Equal(r.strip, other.strip)
}

// unbound says what of the body the rule does not prove, "" where it proves all.
func (r *rule) unbound() string {
	for _, q := range r.require {
		if bindsBody(q.left) || bindsBody(q.right) {
			return ""
		}
	}
	switch {
	case r.algorithm.jwt != "":
		return "the token is not tied to the body: with a token that somebody has seen he can send another body until it ends"
	case r.algorithm.family == constant:
		return "the token proves nothing about the body, and whoever has seen it once can send what he likes"
	}
	var parts []string
	for _, t := range r.signed {
		if bindsBody(t) {
			continue
		}
		some := []string{}
		for _, source := range []string{"json", "xml", "outer"} {
			for _, arg := range t.Args(source) {
				some = append(some, source+":"+arg)
			}
		}
		if _, summed := boundBody(t.parts); summed {
			return "of the body only the CRC-32 is signed, which is no hash: with a signature that somebody has seen he can send another body of the same sum"
		}
		if len(some) == 0 {
			return "nothing of the body is signed: with a signature that somebody has seen he can send another body"
		}
		parts = append(parts, some...)
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return "of the body only " + strings.Join(slices.Compact(parts), ", ") + " is signed: all else in it can be changed"
}

// bindsBody says whether a template holds the body, or the form or item that stands for it, as a whole or by its hash.
func bindsBody(t *Template) bool {
	whole, _ := boundBody(t.parts)
	return whole
}

// boundBody looks for what stands for the body. A CRC-32 of it is no hash: another body of the same sum is written in no time.
func boundBody(parts []part) (whole, summed bool) {
	add := func(w, s bool) { whole, summed = whole || w, summed || s }
	for _, p := range parts {
		add(boundBody(p.group))
		if p.place == nil {
			continue
		}
		for i := range p.place.alternatives {
			a := &p.place.alternatives[i]
			w, s := a.source == "body" || a.source == "form" || a.source == "item" || a.source == "json" && a.arg == "", false
			if a.let != nil {
				w, s = boundBody(a.let.parts)
			}
			if slices.ContainsFunc(a.apply, func(f function) bool { return f.name == "crc32" }) {
				w, s = false, w || s
			}
			add(w, s)
		}
	}
	return whole, summed
}

// stampSigned says whether what the rule signs holds the timestamp: as {ts}, by its own name, or with the body that it stands in.
func (s *Scheme) stampSigned(r *rule) bool {
	if s.stamp == nil {
		return false
	}
	source, arg, _ := s.stamp.from.Sole()
	for _, t := range r.signed {
		bound := t.Uses("ts") || slices.ContainsFunc(t.Args(source), func(a string) bool { return strings.EqualFold(a, arg) })
		switch source {
		case "json", "xml", "outer", "form", "item":
			bound = bound || bindsBody(t)
		case "query":
			bound = bound || t.Uses("url") || t.Uses("pathquery")
		}
		if !bound {
			return false
		}
	}
	return true
}
