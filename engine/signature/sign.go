package signature

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// ErrCannotSign is what Sign wraps where a genuine request cannot be made from outside, such as a signature that stands in the body.
var ErrCannotSign = errors.New("this signature cannot be made from outside")

// Sign adds the headers that a genuine sender would send for the request, with the first secret and at the time r.Now: the inverse
// of Verify. All other headers that the signed string names must be there already. An unsigned scheme adds nothing.
func (s *Scheme) Sign(r *Request) error {
	rule := &s.rules[0]
	if rule.algorithm.key == nil {
		return nil
	}
	target := ""
	for _, from := range rule.from {
		if target == "" {
			target = from.header
		}
	}
	if target == "" {
		return fmt.Errorf("signing with %s: %w", rule.name, ErrCannotSign)
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	e := env{req: r, key: rule.first}
	list, err := s.signStamp(&e)
	if err != nil {
		return err
	}
	e.items, e.count = list, len(list)
	sum, err := rule.keys[0].sign(nil, rule.signed[0], &e)
	if err != nil {
		return fmt.Errorf("signing with %s: %w", rule.name, err)
	}
	list = append(list, rule.prefix()+rule.encodings[0].encode(sum))
	r.Header[target] = []string{strings.Join(list, rule.split)}
	return nil
}

// signStamp writes the timestamp where the scheme wants it and gives the items that stand before the signature in its list.
func (s *Scheme) signStamp(e *env) ([]string, error) {
	if s.stamp == nil {
		return nil, nil
	}
	source, arg, _ := s.stamp.from.Sole()
	now := s.stamp.unit.format(e.req.Now)
	switch source {
	case "header":
		e.req.Header.Set(arg, now)
		e.ts = now
	case "sig":
		e.ts = now
		n, err := strconv.Atoi(arg)
		if err != nil {
			return []string{arg + now}, nil
		}
		if n != 0 {
			return nil, fmt.Errorf("writing the timestamp as item %d of the list: %w", n, ErrCannotSign)
		}
		return []string{now}, nil
	default: // it stands in what is sent already
		v, err := s.stamp.from.parts[0].place.value(e)
		if err != nil {
			return nil, fmt.Errorf("reading the timestamp: %w", err)
		}
		e.ts = string(v.appendTo(nil))
	}
	return nil, nil
}

// prefix is what a sender writes before the signature.
func (r *rule) prefix() string {
	switch {
	case len(r.prefixes) > 0:
		return r.prefixes[0]
	case r.stripTo != "":
		return strings.TrimPrefix(r.algorithm.name, "hmac-") + r.stripTo
	}
	return ""
}
