package filter

import (
	"encoding/json"
	"strings"

	"github.com/headgate/headgate/engine/script/value"
)

// test is a compiled expression.
type test interface {
	// holds says whether it is true of the payload. With a spent budget the answer means nothing.
	holds(e *evaluation) bool
}

// evaluation is what one run works on.
type evaluation struct {
	payload any
	budget  value.Budget
}

// find gives what a path without a wildcard leads to.
func (e *evaluation) find(p *path) any {
	if p.none || e.budget.Step(1) != nil {
		return absent{}
	}
	return p.plain.find(e.payload)
}

// same says whether a value is exactly one that the filter states: of the same kind, and no list or map. Numbers are equal by value.
func (e *evaluation) same(v, stated any) bool {
	switch v.(type) {
	case []any, map[string]any, absent:
		return false
	}
	yes, err := e.budget.Equal(v, stated)
	return err == nil && yes
}

type constant bool

func (c constant) holds(*evaluation) bool { return bool(c) }

type all []test

func (a all) holds(e *evaluation) bool {
	for _, t := range a {
		if !t.holds(e) {
			return false
		}
	}
	return true
}

type anyOf []test

func (a anyOf) holds(e *evaluation) bool {
	for _, t := range a {
		if t.holds(e) {
			return true
		}
	}
	return false
}

type not struct{ test }

func (n not) holds(e *evaluation) bool { return !n.test.holds(e) }

type exists struct{ path *path }

func (x exists) holds(e *evaluation) bool {
	if x.path.each != nil {
		_, ok := x.path.list(e.payload)
		return ok
	}
	v := e.find(x.path)
	return v != nil && v != (absent{})
}

type equal struct {
	path  *path
	value any
}

func (x equal) holds(e *evaluation) bool { return e.same(e.find(x.path), x.value) }

type text struct {
	path   *path
	part   string
	prefix bool
}

func (x text) holds(e *evaluation) bool {
	v, ok := e.find(x.path).(string)
	if !ok {
		return false
	}
	if x.prefix {
		return strings.HasPrefix(v, x.part)
	}
	return e.budget.Step(len(v)/1024) == nil && strings.Contains(v, x.part)
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, int, float64, json.Number:
		return true
	}
	return false
}

type order struct {
	path   *path
	number any
	keeps  func(order int) bool
}

func (x order) holds(e *evaluation) bool {
	v := e.find(x.path)
	if !isNumber(v) {
		return false
	}
	c, err := e.budget.Compare(&value.Site{}, v, x.number)
	return err == nil && x.keeps(c)
}

type has struct {
	path   *path
	values []any
	every  bool
}

// holds looks for each value in turn, so that nothing is kept of the list.
func (x has) holds(e *evaluation) bool {
	list, ok := x.list(e)
	if !ok {
		return false
	}
	for _, v := range x.values {
		if x.in(e, list, v) != x.every {
			return !x.every
		}
	}
	return x.every
}

func (x has) list(e *evaluation) ([]any, bool) {
	if x.path.each != nil {
		return x.path.list(e.payload)
	}
	list, ok := e.find(x.path).([]any)
	return list, ok
}

func (x has) in(e *evaluation, list []any, stated any) bool {
	for _, v := range list {
		if e.budget.Step(1) != nil {
			return false
		}
		if x.path.each != nil {
			v = x.path.each.find(v)
		}
		if e.same(v, stated) {
			return true
		}
	}
	return false
}
