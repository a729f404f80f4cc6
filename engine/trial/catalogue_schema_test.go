package trial_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/trial"
)

// minRequired is how many required fields of a schema the example has at least: with fewer, a schema tells too little.
const minRequired = 3

func TestCatalogueSchemasAcceptRefuseAndStayOpen(t *testing.T) {
	t.Parallel()
	eachProvider(t, func(t *testing.T, c catalogued) {
		for _, n := range itemsOf(c.doc.Root.Get("events")) {
			name := text(n.Get("name"))
			if n.Get("schema") == nil || n.Get("example") == nil {
				continue
			}
			value, ok := c.exampleValue(t, name)
			if !ok {
				continue
			}
			if got := c.findings(t, name, value); len(got) > 0 {
				t.Errorf("%s: its own example is refused: %v", name, got)
				continue
			}
			if got := c.findings(t, name, opened(value)); len(got) > 0 {
				t.Errorf("%s: a new property is refused: %v", name, got)
			}
			s := schemas{t: t, read: func(file string) any {
				data, err := c.doc.ReadFileAt(n.Get("schema"), file)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				v, err := payload.Decode(data)
				if err != nil {
					t.Fatalf("%s: %s: %v", name, file, err)
				}
				return v
			}}
			required := s.required(c.schema(t, n.Get("schema"), s), value)
			if len(required) < minRequired {
				t.Errorf("%s: the schema requires %d fields of its example %v, want %d at least", name, len(required), required, minRequired)
			}
			for _, where := range required {
				if len(c.findings(t, name, without(value, where))) == 0 {
					t.Errorf("%s: the example without %s is accepted", name, strings.Join(where, "."))
				}
			}
		}
	})
}

// exampleValue gives an event's example as its payload: what is left when it has come in.
func (c catalogued) exampleValue(t *testing.T, name string) (any, bool) {
	t.Helper()
	payloads, err := trial.Payloads(t.Context(), c.provider, name)
	if err != nil || len(payloads) == 0 {
		t.Errorf("%s: its example gives no payload: %v", name, err)
		return nil, false
	}
	return payloads[0], true
}

// findings holds a payload against the event's schema.
func (c catalogued) findings(t *testing.T, name string, value any) []event.Finding {
	t.Helper()
	body, err := payload.Encode(value)
	if err != nil {
		t.Fatal(err)
	}
	return c.provider.Findings(name, body, "application/json")
}

// schema gives a schema's document and its place.
func (c catalogued) schema(t *testing.T, n *source.Node, s schemas) located {
	t.Helper()
	if n.IsScalar() && !strings.HasPrefix(strings.TrimSpace(n.Text), "{") {
		root := s.read(n.Text)
		return located{file: n.Text, root: root, value: root}
	}
	t.Errorf("%s: a schema of the catalogue is a file", n.Span)
	return located{}
}

// opened adds a property to every object of a value.
func opened(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{"x_headgate_new": "new"}
		for key, value := range x {
			out[key] = opened(value)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = opened(x[i])
		}
		return out
	}
	return v
}

// without gives a value that lacks what stands at a path.
func without(v any, where []string) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range x {
			switch {
			case key != where[0]:
				out[key] = value
			case len(where) > 1:
				out[key] = without(value, where[1:])
			}
		}
		return out
	case []any:
		out := slices.Clone(x)
		for i := range out {
			if fmt.Sprint(i) == where[0] && len(where) > 1 {
				out[i] = without(out[i], where[1:])
			}
		}
		return out
	}
	return v
}

// located is a piece of a schema, with the document that it stands in.
type located struct {
	file  string
	root  any
	value any
}

// schemas walks schemas, which may refer to other files.
type schemas struct {
	t    *testing.T
	read func(file string) any
}

// required gives the paths of the required fields that a value has, at every level that it reaches.
func (s schemas) required(at located, value any) [][]string {
	s.t.Helper()
	schema, ok := at.value.(map[string]any)
	if !ok {
		return nil
	}
	var out [][]string
	below := func(key string, child any, v any) {
		for _, p := range s.required(located{at.file, at.root, child}, v) {
			out = append(out, append([]string{key}, p...))
		}
	}
	if ref, ok := schema["$ref"].(string); ok {
		out = append(out, s.required(s.follow(at, ref), value)...)
	}
	for _, part := range list(schema["allOf"]) {
		out = append(out, s.required(located{at.file, at.root, part}, value)...)
	}
	switch v := value.(type) {
	case map[string]any:
		for _, name := range list(schema["required"]) {
			if _, has := v[fmt.Sprint(name)]; has {
				out = append(out, []string{fmt.Sprint(name)})
			}
		}
		properties, _ := schema["properties"].(map[string]any)
		for key, child := range properties {
			if inner, has := v[key]; has {
				below(key, child, inner)
			}
		}
	case []any:
		if len(v) > 0 {
			below("0", schema["items"], v[0])
		}
	}
	slices.SortFunc(out, slices.Compare[[]string])
	return slices.CompactFunc(out, slices.Equal[[]string])
}

// follow finds what a $ref names.
func (s schemas) follow(at located, ref string) located {
	s.t.Helper()
	file, pointer, _ := strings.Cut(ref, "#")
	if file != "" {
		at.file = path.Join(path.Dir(at.file), file)
		at.root = s.read(at.file)
	}
	at.value = at.root
	for _, key := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if key == "" {
			continue
		}
		m, ok := at.value.(map[string]any)
		if !ok || m[key] == nil {
			s.t.Errorf("%s: %q leads to nothing", at.file, ref)
			return located{}
		}
		at.value = m[key]
	}
	return at
}

func list(v any) []any {
	out, _ := v.([]any)
	return out
}

func itemsOf(n *source.Node) []*source.Node {
	if n == nil {
		return nil
	}
	return n.Items
}
