package source_test

import (
	"testing"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/source"
)

func FuzzParseYAML(f *testing.F) {
	for _, seed := range []string{
		"a: 1\nb: [x, {y: z}]\n---\nc: |\n  text\n", "a: !x y\n", "a: {{ X }}\n", "a: &b [*b]\n", "a: \"\\u00e9 \n  b\"\n",
		"? [a]\n: b\n", "<<: {a: 1}\n", "a: 'it''s'\n", "%YAML 1.2\n---\na: b\n...\n", "a: >-\n  x\n\n  y\n", "\ufeffa: b # c\n",
		"a: *b\n", "- - - a\n", "\tb: c\n", "a: \"open\n---\nb: c", "a: b\u0085c: d\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := source.NewFile("f.yaml", data)
		docs, problems := source.ParseYAML(file)
		for _, p := range problems {
			inside(t, file, p.Span)
			if p.Message == "" || p.Code == "" {
				t.Errorf("a problem says nothing: %+v", p)
			}
		}
		for _, d := range docs {
			checkNode(t, file, d, map[*source.Node]bool{})
		}
	})
}

func inside(t *testing.T, f *source.File, s source.Span) {
	t.Helper()
	for _, p := range []source.Pos{s.Start, s.End} {
		if p.Line < 1 || p.Line > f.Lines() || p.Col < 1 || p.Col > utf8.RuneCountInString(f.Line(p.Line))+2 {
			t.Errorf("the place %v lies outside of the file", p)
		}
	}
	if s.End.Before(s.Start) {
		t.Errorf("the span %v ends before it begins", s)
	}
}

func checkNode(t *testing.T, f *source.File, n *source.Node, seen map[*source.Node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	inside(t, f, n.Span)
	for i := 0; n.IsScalar() && i <= len(n.Text); i += 1 + len(n.Text)/16 {
		pos := n.TextPos(i)
		inside(t, f, source.Span{File: f, Start: pos, End: pos})
		if pos.Before(n.Span.Start) {
			t.Errorf("the place %v in %q lies before its start %v", pos, n.Text, n.Span.Start)
		}
	}
	n.Comment()
	for _, e := range n.Entries {
		checkNode(t, f, e.Key, seen)
		checkNode(t, f, e.Value, seen)
	}
	for _, item := range n.Items {
		checkNode(t, f, item, seen)
	}
}
