package trial

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/source"
)

// encoded writes a node as JSON, its keys in the order written.
func encoded(n *source.Node) ([]byte, error) {
	switch n.Kind {
	case source.Map:
		out := []byte{'{'}
		for i, e := range n.Entries {
			if i > 0 {
				out = append(out, ',')
			}
			key, err := payload.Encode(e.Key.Text)
			if err != nil {
				return nil, err
			}
			value, err := encoded(e.Value)
			if err != nil {
				return nil, err
			}
			out = append(append(append(out, key...), ':'), value...)
		}
		return append(out, '}'), nil
	case source.List:
		out := []byte{'['}
		for i, item := range n.Items {
			if i > 0 {
				out = append(out, ',')
			}
			value, err := encoded(item)
			if err != nil {
				return nil, err
			}
			out = append(out, value...)
		}
		return append(out, ']'), nil
	}
	return payload.Encode(field.Plain(n))
}

// mismatch is a place where two values differ.
type mismatch struct {
	path      string
	node      *source.Node // of the expectation
	got, want string
}

// comparison holds a decoded value against one that a test writes.
type comparison struct {
	// whole says that maps must have the same keys; else only those of the expectation count.
	whole bool
	found []mismatch
}

func (c *comparison) value(path string, got any, want *source.Node) {
	switch want.Kind {
	case source.Map:
		m, ok := got.(map[string]any)
		if !ok {
			c.differ(path, show(got), want)
			return
		}
		c.object(path, m, want)
	case source.List:
		list, ok := got.([]any)
		if !ok || len(list) != len(want.Items) {
			c.differ(path, show(got), want)
			return
		}
		for i, item := range want.Items {
			c.value(fmt.Sprintf("%s[%d]", path, i), list[i], item)
		}
	default:
		if !same(got, field.Plain(want)) {
			c.differ(path, show(got), want)
		}
	}
}

// object compares maps. An empty one is always meant as a whole, as an empty list is: it would say nothing else.
func (c *comparison) object(path string, got map[string]any, want *source.Node) {
	for _, e := range want.Entries {
		at := path + "." + e.Key.Text
		v, ok := got[e.Key.Text]
		if !ok {
			c.differ(at, "nothing", e.Value)
			continue
		}
		c.value(at, v, e.Value)
	}
	if !c.whole && len(want.Entries) > 0 {
		return
	}
	for _, key := range sortedKeys(got) {
		if want.Get(key) == nil {
			c.found = append(c.found, mismatch{path: path + "." + key, node: want, got: show(got[key]), want: "nothing"})
		}
	}
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

func (c *comparison) differ(path, got string, want *source.Node) {
	c.found = append(c.found, mismatch{path: path, node: want, got: got, want: show(field.Plain(want))})
}

// same compares scalars; a number is the same however it is written.
func same(got, want any) bool {
	a, okA := number(got)
	b, okB := number(want)
	if okA || okB {
		return okA && okB && a.Cmp(b) == 0
	}
	switch got.(type) {
	case map[string]any, []any:
		return false
	}
	return got == want
}

func number(v any) (*big.Float, bool) {
	switch v.(type) {
	case int64, float64, json.Number:
		return new(big.Float).SetPrec(512).SetString(fmt.Sprint(v)) // enough for every digit that a sender writes
	}
	return nil, false
}

// maxShown bounds what of a value stands in a message.
const maxShown = 200

// show writes a value for a message, in one line.
func show(v any) string {
	b, err := payload.Encode(v)
	if err != nil {
		return fmt.Sprintf("%v", v)
	}
	return cut(string(b))
}

func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "…"
}
