package signature

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"time"
)

// Limits of one request's signature list. A sender that rotates sends two or three; a long list only buys a forger guesses.
const (
	maxItems      = 32
	maxCandidates = 8
	maxSumBytes   = 64 // SHA-512
	// maxKeptBytes is how much scratch space a pooled call keeps: enough for header values and common bodies.
	maxKeptBytes = 64 << 10
)

// Class is what the sender may know about a refusal; nothing finer goes out.
type Class string

// The classes of a refusal.
const (
	MissingSignature Class = "missing_signature"
	InvalidSignature Class = "invalid_signature"
	StaleTimestamp   Class = "stale_timestamp"
	// KeyUnavailable is for a key that had to be fetched and could not be had: the sender is to try again later.
	KeyUnavailable Class = "key_unavailable"
)

// Refusal says that a request is not known to be genuine.
type Refusal struct {
	Class Class
	// Rule names the rule that applied, "" where none did.
	Rule string
	// Detail is for the operator: what was missing or differed in form, never a secret or an expected signature.
	Detail string
}

// Match says how a request was found genuine.
type Match struct {
	// Rule names the rule that held, "none" for an unsigned provider, and Index is its place in the list.
	Rule  string
	Index int
	// Secret is the index of the secret that held, among the learnt ones where Learned.
	Secret  int
	Learned bool
	// Claims are the JSON of a verified token's claims, nil where there is no token. The caller must not change them.
	Claims []byte
}

// call is what one Verify works with; calls are pooled.
type call struct {
	env   env
	items [maxItems]string
	// sigs holds the decoded candidates one after the other, ends where each ends.
	sigs  []byte
	ends  [maxCandidates * 4]int
	count int
	sum   [maxSumBytes]byte
	// message holds what is signed by an algorithm that does not hash first.
	message bytes.Buffer
	// text holds a signed text that is rendered once for several keys, whole is the template that stands for it.
	text  bytes.Buffer
	whole Template
	parts [1]part
	// failed collects why no key held.
	failed failure
}

// candidate gives one decoded signature.
func (c *call) candidate(i int) []byte {
	from := 0
	if i > 0 {
		from = c.ends[i-1]
	}
	return c.sigs[from:c.ends[i]]
}

// Verify says whether a request is genuine, or why not. It changes nothing and keeps nothing of the request. Comparisons take
// constant time; what cannot be a signature at all is refused without a hash. ctx bounds the fetching of a key, where a rule needs one.
func (s *Scheme) Verify(ctx context.Context, r *Request) (Match, *Refusal) {
	rule := s.pick(r)
	if rule == nil {
		return Match{}, &Refusal{Class: MissingSignature, Detail: s.noRule()}
	}
	if rule.algorithm.family == unsigned {
		return Match{Rule: rule.name, Index: rule.index}, nil
	}
	c := s.calls.Get().(*call)
	defer s.release(c)
	m, refusal := s.verify(ctx, rule, c, r)
	if refusal != nil {
		refusal.Rule = rule.name
		return Match{}, refusal
	}
	return m, nil
}

// noRule tells what the rules would have wanted.
func (s *Scheme) noRule() string {
	var wants []string
	for i := range s.rules {
		wants = append(wants, s.rules[i].name+" where "+s.rules[i].when.Text())
	}
	return "no rule applies: " + strings.Join(wants, "; ")
}

func (s *Scheme) verify(ctx context.Context, rule *rule, c *call, r *Request) (Match, *Refusal) {
	c.env.req, c.env.key = r, s.keyOf(rule)
	if refusal := rule.collect(c); refusal != nil {
		return Match{}, refusal
	}
	if refusal := s.readStamp(rule, c); refusal != nil {
		return Match{}, refusal
	}
	var held *heldKey
	var refusal *Refusal
	if rule.algorithm.jwt != "" {
		held, refusal = s.checkToken(ctx, rule, c)
	} else {
		held, refusal = s.checkSignature(ctx, rule, c)
	}
	if refusal != nil {
		return Match{}, refusal
	}
	c.env.secret = held.text
	if refusal := rule.equal(&c.env); refusal != nil {
		return Match{}, refusal
	}
	if s.stamp != nil && c.env.ts != "" {
		if refusal := s.stamp.judge(c.env.ts, r.Now); refusal != nil {
			return Match{}, refusal
		}
	}
	if rule.algorithm.jwt != "" {
		if refusal := rule.tokens.judge(c.env.claims, r.Now); refusal != nil {
			return Match{}, refusal
		}
	}
	return Match{Rule: rule.name, Index: rule.index, Secret: held.secret, Learned: held.learned, Claims: c.env.claims}, nil
}

func (s *Scheme) release(c *call) {
	clear(c.items[:c.env.count])
	c.count, c.failed, c.parts[0].literal = 0, failure{}, nil
	next := env{items: c.items[:]}
	if cap(c.env.out)+cap(c.env.bufs[0])+cap(c.env.bufs[1])+cap(c.env.let) <= maxKeptBytes {
		next.out, next.bufs, next.let = c.env.out, c.env.bufs, c.env.let
	}
	c.env = next
	if cap(c.sigs) > maxKeptBytes {
		c.sigs = nil
	}
	if c.message.Cap() > maxKeptBytes {
		c.message = bytes.Buffer{}
	}
	if c.text.Cap() > maxKeptBytes {
		c.text = bytes.Buffer{}
	}
	s.calls.Put(c)
}

// collect fills the signature list: every value of every header that may hold one, split where the rule says so.
func (r *rule) collect(c *call) *Refusal {
	for i := range r.from {
		from := &r.from[i]
		full := false
		switch {
		case from.many:
			for _, name := range headersWith(c.env.req.Header, from.header) {
				for _, v := range c.env.req.Header[name] {
					full = full || !c.add(v, r.split)
				}
			}
		case from.header != "":
			for _, v := range c.env.req.Header[from.header] {
				full = full || !c.add(v, r.split)
			}
		default:
			v, err := from.source.parts[0].place.value(&c.env)
			full = err == nil && !c.add(v.string(), r.split)
		}
		if full {
			return &Refusal{Class: InvalidSignature, Detail: "the signature list has too many items"}
		}
	}
	if c.env.count == 0 {
		return &Refusal{Class: MissingSignature, Detail: strings.Join(names(r.from, func(o origin) string { return o.text }), " and ") + " is missing"}
	}
	return nil
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

// readStamp reads the timestamp. One that may be missing must be there all the same where the rule signs it.
func (s *Scheme) readStamp(rule *rule, c *call) *Refusal {
	if s.stamp == nil {
		return nil
	}
	place := s.stamp.from.parts[0].place
	v, err := place.value(&c.env)
	if err == nil && v.empty() && rule.stamped {
		err = place.missing
	}
	if err != nil {
		class := MissingSignature
		if s.stamp.from.Uses("sig") {
			class = InvalidSignature // there is a signature header, and it lacks a part
		}
		return &Refusal{Class: class, Detail: "the timestamp " + err.Error()}
	}
	c.env.ts = v.string()
	return nil
}

// decode turns the items that can be signatures into bytes.
func (r *rule) decode(c *call) *Refusal {
	c.sigs, c.count = c.sigs[:0], 0
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
		for i := range r.encodings {
			start := len(c.sigs)
			sigs, ok := r.encodings[i].decode(c.sigs, c.env.out)
			if n := len(sigs) - start; !ok || n < r.algorithm.min || n > r.algorithm.max {
				c.sigs = sigs[:start]
				continue
			}
			c.sigs = sigs
			c.ends[c.count] = len(sigs)
			c.count++
		}
	}
	switch {
	case taken == 0:
		return &Refusal{Class: InvalidSignature, Detail: "no signature begins with " + strings.Join(r.prefixes, " or ")}
	case c.count == 0:
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
	return strings.Join(names(r.encodings, func(e encoding) string { return e.name }), " or ")
}

// checkSignature tries every key over every signed string and gives the key that held.
func (s *Scheme) checkSignature(ctx context.Context, r *rule, c *call) (*heldKey, *Refusal) {
	if refusal := r.decode(c); refusal != nil {
		return nil, refusal
	}
	keys := r.keys
	if r.remote != nil {
		if refusal := s.tooOldToFetch(r, c); refusal != nil {
			return nil, refusal
		}
		var refusal *Refusal
		if keys, refusal = r.remote.keys(ctx, r, &c.env, false); refusal != nil {
			return nil, refusal
		}
		keys = keys[:min(len(keys), maxTriedKeys)]
	}
	learned := s.learned.keys(r.index)
	if held := r.try(keys, learned, c); held != nil {
		return held, nil
	}
	return nil, c.failed.refusal(len(keys) + len(learned))
}

// tooOldToFetch refuses what could not be accepted with any key, before a key is fetched that nobody has asked for so far: whoever makes
// up addresses has to make up times as well. Such a request is invalid and not stale, for its signature has not been looked at.
func (s *Scheme) tooOldToFetch(r *rule, c *call) *Refusal {
	if s.stamp == nil || c.env.ts == "" {
		return nil
	}
	old := s.stamp.judge(c.env.ts, c.env.req.Now)
	if old == nil {
		return nil
	}
	if _, held := r.remote.held(c.env.req); held {
		return nil
	}
	return &Refusal{Class: InvalidSignature, Detail: "the key is not fetched: " + old.Detail}
}

// failure is why no key held.
type failure struct {
	missing *MissingError
	expired string
}

func (f *failure) refusal(keys int) *Refusal {
	detail := "no signature matches"
	switch {
	case keys == 0:
		detail = "there is no secret that the rule can check with"
	case f.expired != "":
		detail = f.expired
	case f.missing != nil:
		detail = "a part of the signed string: " + f.missing.Error()
	}
	return &Refusal{Class: InvalidSignature, Detail: detail}
}

// try gives the first key that holds for any signed string, of the configured ones and then of the learned ones. A string whose making
// costs something is made once, however many keys there are.
func (r *rule) try(keys, learned []heldKey, c *call) *heldKey {
	n := len(keys) + len(learned)
	for _, signed := range r.signed {
		if n > 1 && signed != nil && signed.once {
			c.text.Reset()
			if err := signed.writeTo(&c.text, &c.env); err != nil {
				errors.As(err, &c.failed.missing)
				continue
			}
			c.parts[0].literal = c.text.Bytes()
			c.whole.parts = c.parts[:]
			signed = &c.whole
		}
		for i := range n {
			k := keyAt(keys, learned, i)
			if why := k.expired(c.env.req.Now); why != "" {
				c.failed.expired = why
				continue
			}
			c.env.secret = k.text
			ok, err := k.checker.check(signed, c)
			if err != nil {
				errors.As(err, &c.failed.missing)
				continue
			}
			if ok {
				return k
			}
		}
	}
	return nil
}

// keyAt gives one key of two lists, as if they were one.
func keyAt(keys, learned []heldKey, i int) *heldKey {
	if i < len(keys) {
		return &keys[i]
	}
	return &learned[i-len(keys)]
}

// expired says why the certificate of a key is not believed, "" where it is, or where there is none.
func (k *heldKey) expired(now time.Time) string {
	switch {
	case k.until.IsZero():
		return ""
	case now.After(k.until):
		return "the certificate ended at " + k.until.UTC().Format(time.RFC3339)
	case now.Before(k.from):
		return "the certificate begins at " + k.from.UTC().Format(time.RFC3339)
	}
	return ""
}

// equal checks `require`: both sides of every entry must be there and the same.
func (r *rule) equal(e *env) *Refusal {
	for i := range r.require {
		q := &r.require[i]
		left, err := q.left.sum(e)
		right, err2 := q.right.sum(e)
		if err = errors.Join(err, err2); err != nil {
			return &Refusal{Class: InvalidSignature, Detail: "`require`: " + strings.ReplaceAll(err.Error(), "\n", " and ")}
		}
		if !hmac.Equal(left[:], right[:]) {
			return &Refusal{Class: InvalidSignature, Detail: "the signature holds, but `require` does not: " + q.left.String() + " is not " + q.right.String()}
		}
	}
	return nil
}

// sum hashes what a template renders, so that two of them are compared without a copy and in constant time.
func (t *Template) sum(e *env) (out [sha256.Size]byte, err error) {
	h := sha256.New()
	if err := t.writeTo(h, e); err != nil {
		return out, err
	}
	h.Sum(out[:0])
	return out, nil
}
