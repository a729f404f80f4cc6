package signature

import (
	"net/http"
	"slices"
	"sync"

	"github.com/headgate/headgate/engine/secret"
)

// Scheme is a provider's compiled signature rules with their keys. It is safe for concurrent use.
type Scheme struct {
	rules   []rule
	stamp   *stamp
	learned *learnt
	// secrets are as they were configured, for Explain.
	secrets []secret.Value
	calls   sync.Pool
}

// pick gives the rule that applies to a request: the first whose `when` holds. It is the only one that is tried, for falling through to
// a later one would let a sender choose the weaker.
func (s *Scheme) pick(r *Request) *rule {
	for i := range s.rules {
		if rule := &s.rules[i]; rule.when == nil || rule.when.Holds(r) {
			return rule
		}
	}
	return nil
}

// PerItem says that some rule names a part of a batch's item: the caller verifies each item by itself, with Request.Item set.
func (s *Scheme) PerItem() bool { return s.Uses("item") }

// Key gives the first key of the first rule, for the keyed functions of replies: the newest learnt one where none is configured; nil
// where there is none. It must not be changed.
func (s *Scheme) Key() []byte { return s.keyOf(&s.rules[0]) }

func (s *Scheme) keyOf(r *rule) []byte {
	if r.first != nil {
		return r.first
	}
	if learned := s.learned.keys(r.index); len(learned) > 0 {
		return []byte(learned[len(learned)-1].text)
	}
	return nil
}

// Unsigned says whether the scheme accepts everything.
func (s *Scheme) Unsigned() bool { return s.rules[0].algorithm.family == unsigned }

// Header gives the name of the header that the first rule reads its signature from, as it was written; "" where there is none.
func (s *Scheme) Header() string {
	for _, from := range s.rules[0].from {
		if _, arg, _ := from.source.Sole(); from.header != "" {
			return arg
		}
	}
	return ""
}

// Headers gives the names of all headers that may hold a signature, in canonical form; one that ends in "*" stands for several.
func (s *Scheme) Headers() []string {
	var out []string
	for i := range s.rules {
		for _, from := range s.rules[i].from {
			name := from.header
			if from.many {
				name += "*"
			}
			if name != "" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// LacksSignature says that a request with these headers can only be refused, whatever its body is: its signature stands in a header, and
// none of the headers that may hold one is there.
func (s *Scheme) LacksSignature(h http.Header) bool {
	if s.Unsigned() || !s.InHeaders() {
		return false
	}
	for i := range s.rules {
		for _, from := range s.rules[i].from {
			if len(h[from.header]) > 0 || from.many && len(headersWith(h, from.header)) > 0 {
				return false
			}
		}
	}
	return true
}

// InHeaders says whether every place that may hold a signature is a header.
func (s *Scheme) InHeaders() bool {
	for i := range s.rules {
		for _, from := range s.rules[i].from {
			if from.header == "" {
				return false
			}
		}
	}
	return true
}

// TimestampHeader gives the name of the header that the timestamp is read from; "" where it is elsewhere.
func (s *Scheme) TimestampHeader() string {
	if s.stamp != nil {
		if source, arg, _ := s.stamp.from.Sole(); source == "header" {
			return arg
		}
	}
	return ""
}

// Uses says whether anything of the scheme names a source, such as "url" or "item".
func (s *Scheme) Uses(source string) bool {
	if s.stamp != nil && s.stamp.from.Uses(source) {
		return true
	}
	for i := range s.rules {
		if s.rules[i].uses(source) {
			return true
		}
	}
	return false
}

func (r *rule) uses(source string) bool {
	if r.when != nil && r.when.Uses(source) {
		return true
	}
	return slices.ContainsFunc(r.templates(), func(t *Template) bool { return t.Uses(source) })
}

// templates gives every template of the rule.
func (r *rule) templates() []*Template {
	var out []*Template
	for _, from := range r.from {
		out = append(out, from.source)
	}
	for _, t := range r.signed {
		if t != nil {
			out = append(out, t)
		}
	}
	for _, e := range r.require {
		out = append(out, e.left, e.right)
	}
	if r.remote != nil {
		out = append(out, r.remote.address)
	}
	return out
}
