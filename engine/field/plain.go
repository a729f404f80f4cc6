package field

import (
	"math"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/source"
)

// Plain gives a YAML node's value as payload.Encode takes it: maps, lists, texts, numbers with all their digits, bools and null. A
// reference in a text stands as it was written.
func Plain(n *source.Node) any {
	switch n.Kind {
	case source.Map:
		out := make(map[string]any, len(n.Entries))
		for _, e := range n.Entries {
			out[e.Key.Text] = Plain(e.Value)
		}
		return out
	case source.List:
		out := make([]any, len(n.Items))
		for i, item := range n.Items {
			out[i] = Plain(item)
		}
		return out
	case source.Bool:
		return strings.EqualFold(n.Text, "true")
	case source.Null:
		return nil
	case source.Int, source.Float:
		if payload.Check([]byte(n.Text), payload.Limits{}) == nil {
			return payload.Number(n.Text)
		}
		return yamlNumber(n.Text)
	}
	return n.Text
}

// yamlNumber reads what YAML takes for a number and JSON does not, such as 0x1f or 1_000.
func yamlNumber(text string) any {
	text = strings.ReplaceAll(text, "_", "")
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
		return f
	}
	return text
}
