package javascript

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// need is what of a value the code may look at: all of it, or some members. Only that goes into a machine, so that a large payload costs
// no more than what is taken of it.
type need struct {
	whole   bool
	members map[string]*need
}

// add enters the members that a chain takes, up to the first index: an element is only itself among the others.
func (n *need) add(keys []value.Key) {
	for _, k := range keys {
		if k.IsIndex || n.whole {
			break
		}
		if n.members == nil {
			n.members = map[string]*need{}
		}
		if n.members[k.Name] == nil {
			n.members[k.Name] = &need{}
		}
		n = n.members[k.Name]
		keys = keys[1:]
	}
	if len(keys) == 0 || keys[0].IsIndex {
		n.whole, n.members = true, nil
	}
}

// of gives what is needed of a value.
func (n *need) of(v any) any {
	m, ok := v.(map[string]any)
	if n.whole || !ok {
		return v
	}
	out := make(map[string]any, len(n.members))
	for name, inner := range n.members {
		if member, ok := m[name]; ok {
			out[name] = inner.of(member)
		}
	}
	return out
}

// inputs are the names that go into a machine.
type inputs struct {
	roots map[string]*need
	// fixed are names that have the same value always.
	fixed map[string]any
	now   bool
}

func newInputs(chains []placed, everything bool, fixed map[string]any) inputs {
	in := inputs{roots: map[string]*need{}, fixed: fixed}
	for _, p := range chains {
		root, keys := p.chain.Root(), p.chain.Keys()
		if root == "now" {
			in.now = true
			continue
		}
		if in.roots[root] == nil {
			in.roots[root] = &need{}
		}
		in.roots[root].add(keys)
	}
	if everything {
		in.now = true
		for _, name := range language.Names() {
			if name != "now" {
				in.roots[name] = &need{whole: true}
			}
		}
	}
	return in
}

// values gives the names and their values.
func (in inputs) values(env *language.Env) map[string]any {
	out := maps.Clone(in.fixed)
	if out == nil {
		out = map[string]any{}
	}
	for root, n := range in.roots {
		chain := language.NewChain(root)
		if root != "event" || n.whole {
			out[root] = n.of(chain.Value(env))
			continue
		}
		// The whole event takes a copy of its body.
		event := map[string]any{}
		for name, inner := range n.members {
			event[name] = inner.of(chain.Member(value.Key{Name: name}).Value(env))
		}
		out[root] = event
	}
	return out
}

// maxExact is the greatest whole number up to which a JavaScript number holds all others.
const maxExact = 1<<53 - 1

// inexact says whether a number is one that JavaScript would round.
func inexact(v any) bool {
	switch x := v.(type) {
	case int64:
		return x > maxExact || x < -maxExact
	case json.Number:
		return true
	}
	return false
}

// holdsInexact says whether there is such a number anywhere in a value.
func holdsInexact(v any) bool {
	switch x := v.(type) {
	case []any:
		return slices.ContainsFunc(x, holdsInexact)
	case map[string]any:
		for _, item := range x {
			if holdsInexact(item) {
				return true
			}
		}
		return false
	}
	return inexact(v)
}

// marked gives a value in which the numbers that JavaScript would round are texts: i and the mark before whole ones, which become a
// BigInt, d and the mark before the others.
func marked(v any, mark string) any {
	switch x := v.(type) {
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = marked(item, mark)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for name, item := range x {
			out[name] = marked(item, mark)
		}
		return out
	case int64:
		if inexact(x) {
			return "i" + mark + strconv.FormatInt(x, 10)
		}
	case json.Number:
		if strings.ContainsAny(string(x), ".eE") {
			return "d" + mark + string(x)
		}
		return "i" + mark + string(x)
	}
	return v
}

// maxInput bounds the JSON that goes into a machine, well below the memory that there is for what is made of it.
const maxInput = 4 << 20

// encode gives values as JSON, and the mark of numbers in it, "" where there are none. Nobody who sends a payload knows the mark.
func encode(values map[string]any) (text []byte, mark string, err error) {
	var v any = values
	if holdsInexact(values) {
		mark = rand.Text()
		v = marked(values, mark)
	}
	text, err = payload.EncodeMax(v, maxInput)
	var e *payload.Error
	switch {
	case errors.As(err, &e) && e.Code == payload.TooLarge:
		return nil, "", value.Errorf(value.TooLarge, "what the code names is larger than %d bytes as JSON; name a part of it", maxInput)
	case err != nil:
		return nil, "", value.Errorf(value.Expression, "a value that the code names has no JSON form")
	}
	return text, mark, nil
}
