package format_test

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/format"
	"github.com/headgate/headgate/engine/source"
)

// small describes just enough of manifests.
func small() format.Options {
	keys := func(names ...string) *field.Object {
		o := &field.Object{}
		for _, n := range names {
			o.Fields = append(o.Fields, field.Field{Name: n, Type: field.Any})
		}
		return o
	}
	head := []string{"kind", "name", "title", "description", "docs", "labels"}
	o := format.Options{
		Kinds: map[string]*field.Object{
			"provider": keys(append(head, "signature", "secret")...), "destination": keys(append(head, "url", "headers", "body")...),
			"pipeline": keys(append(head, "nodes", "connections")...),
		},
		Props: map[string]*field.Object{
			"receive": keys("provider", "event"), "code": keys("language", "code"), "hook": keys("destination", "method", "path", "body"),
		},
	}
	o.Kinds["pipeline"].Fields[len(head)].Object = keys("label", "type", "props")
	return o
}

func TestManifestsAreWrittenInOneForm(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, in, want string }{
		{
			"keys stand in the order of their description, and their comments go with them",
			`# Orders of Acme

nodes:
    -   type: receive   # the beginning
        # what people call it
        label: Ordered
        props: {event: order.created, provider: acme}
# what it is
name: orders
kind: pipeline
`,
			`# Orders of Acme

kind: pipeline
# what it is
name: orders
nodes:
  # what people call it
  - label: Ordered
    type: receive  # the beginning
    props: {provider: acme, event: order.created}
`,
		},
		{
			"data keeps its order and its JSON",
			`kind: destination
url: 'https://example.com'
name: there
headers: {X-B: "1", X-A: "b"}
body: {"b": 1, "a": {"c": "d"}}
`,
			`kind: destination
name: there
url: https://example.com
headers: {X-B: "1", X-A: b}
body: {"b": 1, "a": {"c": "d"}}
`,
		},
		{
			"quotes stay where text would be read as something else",
			`kind: provider
name: 'acme'
labels: {a: "yes", b: '12', c: "null", d: "2026-01-02", e: "1.0.0", f: "x, y", g: 'it''s', h: "say \"hi\"", i: "a: b", j: "- k", k: "true"}
title: "a: b"
description: 'plain words, and a comma'
docs: "https://example.com/#frag"
`,
			`kind: provider
name: acme
title: "a: b"
description: plain words, and a comma
docs: https://example.com/#frag
labels: {a: "yes", b: "12", c: "null", d: "2026-01-02", e: "1.0.0", f: "x, y", g: it's, h: say "hi", i: "a: b", j: "- k", k: "true"}
`,
		},
		{
			"texts in lines keep every line",
			`kind: pipeline
name: p
nodes:
- label: C
  type: code
  props:
      code: |  # first
            let x = 1

              x + 1
      language: expr
- label: D
  type: code
  props:
    code: >-
      folded
      text
`,
			`kind: pipeline
name: p
nodes:
  - label: C
    type: code
    props:
      language: expr
      code: |  # first
        let x = 1

          x + 1
  - label: D
    type: code
    props:
      code: >-
        folded
        text
`,
		},
		{
			"long braces become lines, short ones stay, comments open them",
			`kind: pipeline
name: p
nodes:
  - {label: Tell, type: hook, props: {destination: somewhere-far-away, method: POST, path: /a/rather/long/path/that/goes/on, body: {text: "{{ payload.title }}"}}}
  - {
      label: In, # why
      type: receive
    }
`,
			`kind: pipeline
name: p
nodes:
  - label: Tell
    type: hook
    props: {destination: somewhere-far-away, method: POST, path: /a/rather/long/path/that/goes/on, body: {text: "{{ payload.title }}"}}
  - label: In  # why
    type: receive
`,
		},
		{
			"blank lines and documents stay parted",
			"\n\nkind: provider\r\nname: a\r\n\r\n\r\n\r\nsecret: <<env.A>>   \r\n\r\n---   # the next\r\n\r\nkind: destination\r\nname: b\r\n# the end\r\n\r\n",
			"kind: provider\nname: a\n\nsecret: <<env.A>>\n\n---   # the next\n\nkind: destination\nname: b\n# the end\n",
		},
		{
			"comments at the end of a list belong to it",
			`kind: pipeline
name: p
connections:
- A -> B
  # - B -> C
- B -> D # why
# about the nodes
nodes: [] # none
`,
			`kind: pipeline
name: p
# about the nodes
nodes: []  # none
connections:
  - A -> B
  # - B -> C
  - B -> D  # why
`,
		},
		{
			"a document of no kind keeps its order",
			"nodes:\n- {type: x, label: y}\nname: z\n",
			"nodes:\n  - {type: x, label: y}\nname: z\n",
		},
	}
	o := small()
	for _, r := range rows {
		got := check(t, r.name, []byte(r.in), o)
		if string(got.Data) != r.want || len(got.Left)+len(got.Problems) > 0 {
			t.Errorf("%s: got %v %v\n%s\nwant\n%s", r.name, got.Left, got.Problems, got.Data, r.want)
		}
	}
}

func TestQuotesStayWhereBracesWouldEndTheText(t *testing.T) {
	t.Parallel()
	rows := []struct{ in, want string }{
		{"kind: pipeline\nnodes: [{props: {code: \"(payload.data.cost ?? 0) > 0\"}}]\n", "kind: pipeline\nnodes: [{props: {code: \"(payload.data.cost ?? 0) > 0\"}}]\n"},
		{"a: {b: 'x ? y'}\n", "a: {b: \"x ? y\"}\n"},
		{"a: {\"x ? y\": b}\n", "a: {\"x ? y\": b}\n"},
		{"a: [\"x ?\", 'y?', \"z ?? w\"]\n", "a: [\"x ?\", \"y?\", \"z ?? w\"]\n"},
		{"a: \"x ? y\"\nb:\n  - \"(c ?? 0) > 0\"\n", "a: x ? y\nb:\n  - (c ?? 0) > 0\n"},
	}
	for _, r := range rows {
		if got := check(t, "f.yaml", []byte(r.in), options()); string(got.Data) != r.want || len(got.Left) > 0 {
			t.Errorf("%q: got %q, %v, want %q", r.in, got.Data, got.Left, r.want)
		}
	}
}

func TestWhatCannotBeWrittenSafelyIsLeftAlone(t *testing.T) {
	t.Parallel()
	rows := []struct{ in, why string }{
		{"kind: provider\nname: &n a\n", "anchors"},
		{"kind: provider\nlabels: {a: !!str 12}\n", "anchors, tags"},
		{"[a,   b]\n", "not a map"},
		{"--- {kind: provider}\n", "behind `---`"},
		{"name: b\nkind: pipeline\ndescription: |+\n    x\n\n", "keeps the blank lines"},
		{"kind: pipeline\nnodes:\n  -\n    label: x\n", "the line of its dash"},
		{"a: 1\n...\nb:   2\n", ""},
	}
	o := options()
	for _, r := range rows {
		got := check(t, r.in, []byte(r.in), o)
		switch {
		case string(got.Data) != r.in:
			t.Errorf("%q: got %q, want it as it was", r.in, got.Data)
		case len(got.Left) != 1 || !strings.Contains(got.Left[0].Why, r.why):
			t.Errorf("%q: got %v, want one reason with %q", r.in, got.Left, r.why)
		}
	}
	got := format.File(source.NewFile("f.yaml", []byte("b:  1\n---\na: [\n---\nc:   d\n")), o)
	if want := "b: 1\n---\na: [\n---\nc: d\n"; string(got.Data) != want || len(got.Problems) != 1 || got.Problems[0].Span.Start.Line < 3 {
		t.Errorf("a broken document: got %q, %v, want %q and one problem in line 3", got.Data, got.Problems, want)
	}
}

func FuzzFormattingKeepsTheMeaning(f *testing.F) {
	o := options()
	n := 0
	for _, data := range corpus(f) {
		if n++; n%7 == 0 && len(data) < 3000 {
			f.Add(data)
		}
	}
	for _, s := range []string{
		"kind: pipeline\nnodes:\n- {a: b, c: [d, 'e']}\n# x\n---\n# y\nkind: test\n", "a:\n  # b\n  c: |2\n      d\n# e\n", "a: \"b\n  c\"\n", "- - a\n  - b # c\n",
		"a: {b: \"(c ?? 0) > 0\", \"d ? e\": 'f?'}\nb: [\"a ? b\"]\n",
		"a: {b: c, # d\n  e: f}\ng: h\n", "a: b # c\nd:  # e\n  f: g\n", "a: >\n b\n\n c\n", "a:\n- b\n-  c\n # d\n", "? a\n: b\n", "a: |\n  x\n y: z\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 5000 {
			return
		}
		check(t, "f.yaml", data, o)
	})
}
