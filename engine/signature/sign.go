package signature

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// ErrCannotSign is what Sign wraps where a genuine request cannot be made from outside, such as with a key that only the provider has.
var ErrCannotSign = errors.New("this signature cannot be made from outside")

// Sign makes of r what a genuine sender would send, with the first secret and at the time r.Now: the inverse of Verify. It signs by the
// rule whose `when` holds for r as it is, or else by the strongest that can be made to apply. Besides the signature it writes the timestamp, what
// `when` and `require` ask for, and a nonce for each header and parameter that is signed and missing; an id that matters has to be
// there before. Everything goes where the manifest reads it from: a header, the query (URL and PathQuery follow), a form or JSON body,
// or Document and Item, which the caller then puts back into the body. Of a JWT r.Claims are the claims to start from.
//
// What Sign makes has been verified: an error leaves r as it was. An unsigned scheme changes nothing. r.Header is replaced, not changed.
func (s *Scheme) Sign(r *Request) error {
	var first error
	for _, i := range s.signingOrder(r) {
		err := s.signRule(r, i, false)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// signingOrder gives the rules as a careful sender would choose among them: the one whose `when` holds already, then those with the
// fewest weaknesses; among equals the one that applies where nothing is changed, then the order of the list.
func (s *Scheme) signingOrder(r *Request) []int {
	order, weak := make([]int, len(s.rules)), make([]int, len(s.rules))
	applies := s.pick(r)
	for i := range s.rules {
		rule := &s.rules[i]
		order[i], weak[i] = i, 2*len(s.lint(rule))
		switch {
		case rule == applies && rule.when != nil:
			weak[i] = -1
		case rule != applies:
			weak[i]++
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return weak[a] - weak[b] })
	return order
}

// SignRule is Sign by the rule of that index. To make its `when` hold it changes the body as well, where Sign would take another rule.
func (s *Scheme) SignRule(r *Request, index int) error { return s.signRule(r, index, true) }

func (s *Scheme) signRule(r *Request, index int, asked bool) error {
	if index < 0 || index >= len(s.rules) {
		return fmt.Errorf("signing with rule %d of %d: %w", index, len(s.rules), ErrCannotSign)
	}
	rule := &s.rules[index]
	if rule.algorithm.family == unsigned {
		return nil
	}
	var first error
	for _, signed := range rule.signed { // of the texts that may be signed some may name what this request has not
		draft := *r
		if draft.Header = r.Header.Clone(); draft.Header == nil {
			draft.Header = http.Header{}
		}
		g := signer{scheme: s, rule: rule, signed: signed, asked: asked, r: &draft}
		err := g.sign()
		if err == nil {
			draft.Claims = r.Claims // those of the token are found in the token
			err = s.proves(&draft, index)
		}
		if err == nil {
			*r = draft
			return nil
		}
		if first == nil {
			first = fmt.Errorf("signing with %s: %w", rule.name, err)
		}
	}
	return first
}

// proves holds what Sign has made against Verify.
func (s *Scheme) proves(r *Request, index int) error {
	m, refusal := s.Verify(context.Background(), r)
	switch {
	case refusal != nil:
		return fmt.Errorf("the result is refused (%s): %w", refusal.Detail, ErrCannotSign)
	case m.Index != index:
		return fmt.Errorf("%s applies to the result: %w", m.Rule, ErrCannotSign)
	}
	return nil
}

// signer makes one genuine request.
type signer struct {
	scheme *Scheme
	rule   *rule
	signed *Template // nil where nothing of the request is
	asked  bool      // this very rule is wanted
	r      *Request
	env    env
	// list are the items that stand beside the signature.
	list []string
	// claims is the JSON of the token in the making.
	claims []byte
}

func (g *signer) sign() error {
	held, err := g.key()
	if err != nil {
		return err
	}
	if g.rule.when != nil && !g.apply(g.rule.when) {
		return fmt.Errorf("the request is not one where %s: %w", g.rule.when.Text(), ErrCannotSign)
	}
	g.env = env{req: g.r, key: g.scheme.keyOf(g.rule), secret: held.text}
	if err := g.stamp(); err != nil {
		return err
	}
	g.startClaims()
	g.solve()
	g.fill()
	g.solve() // for what has just been filled in may be compared with something
	g.env.items, g.env.count = g.list, len(g.list)

	var text string
	if g.rule.algorithm.jwt != "" {
		text, err = g.token(held)
	} else {
		var sum []byte
		sum, err = held.checker.sign(nil, g.signed, &g.env)
		text = g.rule.encodings[0].encode(sum)
	}
	if err != nil {
		return err
	}
	return g.place(g.rule.prefix() + text)
}

// apply makes the conditions hold, those on the body only where this very rule is wanted.
func (g *signer) apply(w *When) bool {
	if w.Apply(g.r) || !g.asked {
		return w.Holds(g.r)
	}
	e := env{req: g.r}
	for i := range w.conditions {
		c := &w.conditions[i]
		for j := range c.choices {
			if c.holds(&e) {
				break
			}
			if c.choices[j].kind == equal {
				g.put(c.source.sole(), c.choices[j].text, false)
			}
		}
	}
	return w.Holds(g.r)
}

// key gives the key to sign with: the first configured one, else the newest learnt one.
func (g *signer) key() (*heldKey, error) {
	if len(g.rule.keys) > 0 {
		return &g.rule.keys[0], nil
	}
	if learned := g.scheme.learned.keys(g.rule.index); len(learned) > 0 {
		return &learned[len(learned)-1], nil
	}
	return nil, fmt.Errorf("there is no secret for it: %w", ErrCannotSign)
}

// stamp writes the timestamp where the scheme wants it. One that is optional is left out where nothing signs it and nothing has it.
func (g *signer) stamp() error {
	stamp := g.scheme.stamp
	if stamp == nil {
		return nil
	}
	now := stamp.unit.format(g.r.Now)
	source, arg, _ := stamp.from.Sole()
	v, err := stamp.from.parts[0].place.value(&g.env)
	if stamp.from.Optional() && !g.rule.stamped && (err != nil || v.empty()) {
		return nil
	}
	if source == "sig" {
		g.env.ts = now
		n, err := strconv.Atoi(arg)
		switch {
		case err != nil:
			g.list = append(g.list, arg+now)
		case n == 0:
			g.list = append(g.list, now)
		default:
			return fmt.Errorf("writing the timestamp as item %d of the list: %w", n, ErrCannotSign)
		}
		return nil
	}
	if !g.put(stamp.from.sole(), now, stamp.unit.numeric) { // it stands in what is sent already
		if err != nil {
			return fmt.Errorf("reading the timestamp: %w", err)
		}
		now = v.string()
	}
	g.env.ts = now
	return nil
}

// solve makes the sides of each equality that do not agree alike, where one of them is a place that can be written to.
func (g *signer) solve() {
	for range 2 { // the second time for those that depend on one another
		for _, q := range g.rule.require {
			left, errLeft := g.text(q.left)
			right, errRight := g.text(q.right)
			switch {
			case errLeft == nil && errRight == nil && left == right:
			case errRight == nil && g.putInverse(q.left, right):
			case errLeft == nil:
				g.putInverse(q.right, left)
			}
		}
	}
}

func (g *signer) text(t *Template) (string, error) {
	var b strings.Builder
	if err := t.writeTo(&b, &g.env); err != nil {
		return "", err
	}
	return b.String(), nil
}

// fill gives a nonce to each header, parameter and list item that is signed and missing.
func (g *signer) fill() {
	if g.signed == nil {
		return
	}
	for _, p := range g.signed.parts {
		if p.place == nil {
			continue
		}
		g.env.items, g.env.count = g.list, len(g.list)
		if _, err := p.place.value(&g.env); err == nil {
			continue
		}
		for i := range p.place.alternatives {
			if g.fillOne(&p.place.alternatives[i]) {
				break
			}
		}
	}
}

func (g *signer) fillOne(a *alternative) bool {
	value := nonce(g.r, a.source+":"+a.arg)
	if a.pairs() {
		// A list that is itself signed cannot be shortened on the way, so it names itself, as those who sign lists do.
		value = headerNames(g.r.Header, a.arg)
	}
	switch {
	case a.source == "sig":
		if _, err := strconv.Atoi(a.arg); err == nil {
			return false
		}
		g.list = append(g.list, a.arg+value)
		return true
	case a.source == "header" && len(g.r.Header.Values(a.arg)) == 0, a.source == "query":
		return g.put(a, value, false)
	}
	return false
}

// place puts the signature, with the items that stand beside it, where the rule reads it from: into a header, if it has one.
func (g *signer) place(signature string) error {
	value := strings.Join(append(g.list, signature), g.rule.split)
	origins := slices.Clone(g.rule.from)
	slices.SortStableFunc(origins, func(a, b origin) int {
		return boolRank(a.header == "") - boolRank(b.header == "")
	})
	for _, from := range origins {
		if g.put(from.source.sole(), value, false) {
			return nil
		}
	}
	return fmt.Errorf("writing it to %s: %w", origins[0].text, ErrCannotSign)
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// prefix is what a sender writes before the signature.
func (r *rule) prefix() string {
	switch {
	case len(r.prefixes) > 0:
		return r.prefixes[0]
	case r.stripTo != "":
		_, hash, _ := strings.Cut(r.algorithm.name, "-")
		return hash + r.stripTo
	}
	return ""
}
