package payload

import (
	"bytes"
	"fmt"
)

// maxPutIndex bounds how many empty places Put makes in front of a value.
const maxPutIndex = 1000

// Put gives a copy of a JSON body in which the place that the path names holds the raw value, with every other byte as it was. Objects
// and lists that are missing on the way are made; an empty body is made whole. The error says where the path meets something that is
// neither an object nor a list, or a list that is too short.
func (p Path) Put(body, raw []byte) ([]byte, error) {
	for _, s := range p.steps {
		if s.index > maxPutIndex {
			return nil, fmt.Errorf("path %q: a list is not made longer than %d", p.text, maxPutIndex)
		}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return p.wrap(0, raw), nil
	}
	at := skipSpace(body, 0)
	for n, s := range p.steps {
		next, found, bad := s.enter(body, at)
		if bad != nil {
			return nil, bad
		}
		if found {
			at = next
			continue
		}
		return p.insert(body, at, n, raw)
	}
	end, bad := skipValue(body, at)
	if bad != nil {
		return nil, bad
	}
	return splice(body, at, end, raw), nil
}

// insert adds what the steps from n on name to the object or list that starts at.
func (p Path) insert(body []byte, at, n int, raw []byte) ([]byte, error) {
	end, bad := skipValue(body, at)
	if bad != nil {
		return nil, bad
	}
	member := p.wrap(n+1, raw)
	switch body[at] {
	case '{':
		name, err := Encode(p.steps[n].name)
		if err != nil {
			return nil, err
		}
		member = append(append(name, ':'), member...)
	case '[':
		items, _, err := Items(body[at:end], DefaultTokens)
		if err != nil {
			return nil, err
		}
		if p.steps[n].index != len(items) {
			return nil, fmt.Errorf("path %q: the list has %d items", p.text, len(items))
		}
	default:
		return nil, fmt.Errorf("path %q: `%s` would have to stand in what is neither object nor list", p.text, p.steps[n].name)
	}
	if inside := bytes.TrimSpace(body[at+1 : end-1]); len(inside) > 0 {
		member = append([]byte{','}, member...)
	}
	return splice(body, end-1, end-1, member), nil
}

// wrap gives the smallest value in which the steps from n on lead to raw. A step that could be an index is one: a path is written so
// for lists.
func (p Path) wrap(n int, raw []byte) []byte {
	out := bytes.Clone(raw)
	for i := len(p.steps) - 1; i >= n; i-- {
		s := p.steps[i]
		if s.index >= 0 {
			out = append(append(append([]byte{'['}, bytes.Repeat([]byte("null,"), s.index)...), out...), ']')
			continue
		}
		name, err := Encode(s.name)
		if err != nil {
			name = []byte(`""`) // a string has a JSON form
		}
		out = append(append(append([]byte{'{'}, append(name, ':')...), out...), '}')
	}
	return out
}

// splice gives a copy of body with other bytes in the place of body[from:to].
func splice(body []byte, from, to int, with []byte) []byte {
	out := make([]byte, 0, len(body)-(to-from)+len(with))
	out = append(out, body[:from]...)
	out = append(out, with...)
	return append(out, body[to:]...)
}
