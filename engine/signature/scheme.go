package signature

import (
	"errors"
	"strings"
	"sync"
)

// Limits of one request's signature list. A sender that rotates sends two or three; a long list only buys a forger guesses.
const (
	maxItems      = 32
	maxCandidates = 8
	maxEncodings  = 3
	maxSumBytes   = 64 // SHA-512
	// maxKeptBytes is how much scratch space a pooled call keeps: enough for header values, not for transformed bodies.
	maxKeptBytes = 64 << 10
)

// Class is what the sender may know about a refusal; nothing finer goes out.
type Class string

// The classes of a refusal.
const (
	MissingSignature Class = "missing_signature"
	InvalidSignature Class = "invalid_signature"
	StaleTimestamp   Class = "stale_timestamp"
)

// Refusal says that a request is not known to be genuine.
type Refusal struct {
	Class Class
	// Detail is for the operator: what was missing or differed in form, never a secret or an expected signature.
	Detail string
}

// Match says how a request was found genuine.
type Match struct {
	// Rule names the rule that held, "none" for an unsigned provider.
	Rule string
	// Secret is the index of the secret that held.
	Secret int
}

// Scheme is a provider's compiled signature rules with their keys. It is safe for concurrent use.
type Scheme struct {
	rules []rule
	stamp *stamp
	calls sync.Pool
}

// rule is one compiled signature rule.
type rule struct {
	name      string
	algorithm algorithm
	from      []origin
	split     string
	prefixes  []string
	stripTo   string
	encodings []encoding
	signed    []*Template
	keys      []checker
	// first is the decoded first secret, for keyed functions.
	first []byte
}

// origin is a place that signatures are read from. Of a header every value counts, of all else the single one there may be.
type origin struct {
	text   string
	header string // in canonical form; "" for other sources
	source *Template
}

// call is what one Verify works with; calls are pooled.
type call struct {
	env        env
	items      [maxItems]string
	decoded    [maxCandidates * maxEncodings][maxSumBytes]byte
	candidates int
	sum        [maxSumBytes]byte
}

// Verify says whether a request is genuine, or why not. It changes nothing and keeps nothing of the request. Comparisons take
// constant time; what cannot be a signature at all is refused without a hash.
func (s *Scheme) Verify(r *Request) (Match, *Refusal) {
	// The first rule that applies is the only one that is tried: falling through to a later one would let a sender choose the weaker.
	rule := &s.rules[0]
	if rule.algorithm.key == nil {
		return Match{Rule: rule.name}, nil
	}
	c := s.calls.Get().(*call)
	defer s.release(c)
	c.env.req, c.env.key = r, rule.first

	if refusal := rule.collect(c); refusal != nil {
		return Match{}, refusal
	}
	if s.stamp != nil {
		v, err := s.stamp.from.parts[0].place.value(&c.env)
		if err != nil {
			class := MissingSignature
			if s.stamp.from.Uses("sig") {
				class = InvalidSignature // there is a signature header, and it lacks a part
			}
			return Match{}, &Refusal{Class: class, Detail: "the timestamp " + err.Error()}
		}
		if c.env.ts = v.text; v.raw != nil {
			c.env.ts = string(v.raw)
		}
	}
	if refusal := rule.decode(c); refusal != nil {
		return Match{}, refusal
	}
	secret, refusal := rule.check(c)
	if refusal != nil {
		return Match{}, refusal
	}
	if s.stamp != nil {
		if refusal := s.stamp.judge(c.env.ts, r.Now); refusal != nil {
			return Match{}, refusal
		}
	}
	return Match{Rule: rule.name, Secret: secret}, nil
}

func (s *Scheme) release(c *call) {
	clear(c.items[:c.env.count])
	c.candidates = 0
	next := env{items: c.items[:]}
	if cap(c.env.out)+cap(c.env.bufs[0])+cap(c.env.bufs[1]) <= maxKeptBytes {
		next.out, next.bufs = c.env.out, c.env.bufs
	}
	c.env = next
	s.calls.Put(c)
}

// collect fills the signature list: every value of every header that may hold one, split where the rule says so.
func (r *rule) collect(c *call) *Refusal {
	for _, from := range r.from {
		if from.header == "" {
			v, err := from.source.parts[0].place.value(&c.env)
			if err == nil && !c.add(string(v.appendTo(nil)), r.split) {
				return overfull()
			}
			continue
		}
		for _, v := range c.env.req.Header[from.header] {
			if !c.add(v, r.split) {
				return overfull()
			}
		}
	}
	if c.env.count == 0 {
		return &Refusal{Class: MissingSignature, Detail: r.from[0].text + " is missing"}
	}
	return nil
}

func overfull() *Refusal {
	return &Refusal{Class: InvalidSignature, Detail: "the signature list has too many items"}
}

// add puts one header value's items into the list; false when it is full.
func (c *call) add(v, split string) bool {
	for more := true; more; {
		item := v
		if more = false; split != "" {
			item, v, more = strings.Cut(v, split)
		}
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if c.env.count == maxItems {
			return false
		}
		c.items[c.env.count] = item
		c.env.count++
	}
	return true
}

// decode turns the items that can be signatures into bytes.
func (r *rule) decode(c *call) *Refusal {
	taken := 0
	for _, item := range c.items[:c.env.count] {
		item, ok := r.candidate(item)
		if !ok {
			continue
		}
		if taken++; taken > maxCandidates {
			return &Refusal{Class: InvalidSignature, Detail: "more signatures than are ever tried"}
		}
		c.env.out = append(c.env.out[:0], item...)
		for _, enc := range r.encodings {
			if enc.decode(c.decoded[c.candidates][:r.algorithm.size], c.env.out) {
				c.candidates++
			}
		}
	}
	switch {
	case taken == 0:
		return &Refusal{Class: InvalidSignature, Detail: "no signature begins with " + strings.Join(r.prefixes, " or ")}
	case c.candidates == 0:
		return &Refusal{Class: InvalidSignature, Detail: "the signature is not " + r.encodingNames() + " of the right length"}
	}
	return nil
}

// candidate gives what may be an encoded signature in an item.
func (r *rule) candidate(item string) (string, bool) {
	if len(r.prefixes) > 0 {
		found := false
		for _, p := range r.prefixes {
			if rest, ok := strings.CutPrefix(item, p); ok {
				item, found = rest, true
				break
			}
		}
		if !found {
			return "", false
		}
	}
	if r.stripTo != "" {
		if i := strings.LastIndex(item, r.stripTo); i >= 0 {
			item = item[i+len(r.stripTo):]
		}
	}
	return item, true
}

func (r *rule) encodingNames() string {
	var names []string
	for _, e := range r.encodings {
		names = append(names, e.name)
	}
	return strings.Join(names, " or ")
}

// check tries every secret over every signed string and gives the index of the secret that held.
func (r *rule) check(c *call) (int, *Refusal) {
	var missing *MissingError
	for i, key := range r.keys {
		for _, signed := range r.signed {
			ok, err := key.check(signed, c)
			if err != nil {
				errors.As(err, &missing)
				continue
			}
			if ok {
				return i, nil
			}
		}
	}
	if missing != nil {
		return 0, &Refusal{Class: InvalidSignature, Detail: "a part of the signed string: " + missing.Error()}
	}
	return 0, &Refusal{Class: InvalidSignature, Detail: "no signature matches"}
}

// Unsigned says whether the scheme accepts everything.
func (s *Scheme) Unsigned() bool { return s.rules[0].algorithm.key == nil }

// Header gives the name of the header that the first rule reads its signature from, as it was written; "" where there is none.
func (s *Scheme) Header() string {
	for _, from := range s.rules[0].from {
		if _, arg, _ := from.source.Sole(); from.header != "" {
			return arg
		}
	}
	return ""
}

// Headers gives the names of all headers that may hold a signature.
func (s *Scheme) Headers() []string {
	var out []string
	for i := range s.rules {
		for _, from := range s.rules[i].from {
			if from.header != "" {
				out = append(out, from.header)
			}
		}
	}
	return out
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

// Uses says whether any signed string names a source, such as "url".
func (s *Scheme) Uses(source string) bool {
	for i := range s.rules {
		for _, t := range s.rules[i].signed {
			if t.Uses(source) {
				return true
			}
		}
	}
	return false
}
