package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/source"
)

func parse(t *testing.T, text string) []*source.Node {
	t.Helper()
	docs, problems := source.ParseYAML(source.NewFile("f.yaml", []byte(text)))
	if len(problems) > 0 {
		t.Fatalf("%q: got problem %s: %s", text, problems[0].Span, problems[0].Message)
	}
	return docs
}

// at writes a span as start-end.
func at(s source.Span) string {
	return fmt.Sprintf("%d:%d-%d:%d", s.Start.Line, s.Start.Col, s.End.Line, s.End.Col)
}

func TestEveryKeyAndValueHasItsPlace(t *testing.T) {
	t.Parallel()
	doc := parse(t, strings.Join([]string{
		`# a comment`,
		`name: größer # and another`,
		`"quoted key": 'it''s' `,
		`list:`,
		`  - 12`,
		`  - &here {a: [1, "x"], b: }`,
		`block: |`,
		`  one`,
		``,
		`  two`,
		`alias: *here`,
		`folded: >-`,
		`    a`,
		`    b`,
	}, "\n"))[0]
	rows := []struct {
		key, keyAt, valueAt string
		kind                source.Kind
	}{
		{"name", "2:1-2:5", "2:7-2:13", source.String},
		{"quoted key", "3:1-3:13", "3:15-3:22", source.String},
		{"list", "4:1-4:5", "5:3-6:29", source.List},
		{"block", "7:1-7:6", "7:8-10:6", source.String},
		{"alias", "11:1-11:6", "6:11-6:29", source.Map},
		{"folded", "12:1-12:7", "12:9-14:6", source.String},
	}
	for _, r := range rows {
		n := doc.Get(r.key)
		if got := at(doc.KeySpan(r.key)); got != r.keyAt {
			t.Errorf("key %s: got %s, want %s", r.key, got, r.keyAt)
		}
		if got := at(n.Span); got != r.valueAt || n.Kind != r.kind {
			t.Errorf("value of %s: got %s %s, want %s %s", r.key, n.Kind, got, r.kind, r.valueAt)
		}
	}
	inner := doc.Get("list").Items[1]
	if got := at(inner.Get("a").Items[1].Span); got != "6:19-6:22" {
		t.Errorf("the string in a flow list: got %s, want 6:19-6:22", got)
	}
	if got := inner.Get("b").Kind; got != source.Null {
		t.Errorf("a key without a value: got %s, want null", got)
	}
	if got, want := at(doc.Span), "2:1-14:6"; got != want {
		t.Errorf("the document: got %s, want %s", got, want)
	}
	if doc.Get("alias") != inner {
		t.Error("an alias is another node than its anchor")
	}
}

func TestAnchorsAndTagsAreNoPartOfAValue(t *testing.T) {
	t.Parallel()
	rows := []struct{ text, at string }{
		{"a: &x word", "1:7-1:11"},
		{"a: &x\nb: 1", "1:6-1:6"},
		{"a: &x # why\n  b: 1", "2:3-2:7"},
		{"a: !!str 12", "1:10-1:12"},
		{"a: &x !!str 12", "1:13-1:15"},
		{"a: [&x b]", "1:4-1:10"},
		{"a: &x [b]", "1:7-1:10"},
		{"a: &x |\n  b", "1:7-2:4"},
	}
	for _, r := range rows {
		if got := at(parse(t, r.text)[0].Get("a").Span); got != r.at {
			t.Errorf("%q: got %s, want %s", r.text, got, r.at)
		}
	}
	docs, problems := source.ParseYAML(source.NewFile("f.yaml", []byte("a: !none\nb: 1")))
	if n := docs[0].Get("a"); len(problems) != 1 || n.Text != "!none" || at(n.Span) != "1:4-1:9" {
		t.Errorf("a tag that was meant as a value: got %q at %s and %v", n.Text, at(n.Span), problems)
	}
}

func TestScalarsHaveTheTypesOfTheCoreSchema(t *testing.T) {
	t.Parallel()
	rows := map[string]source.Kind{
		"12": source.Int, "-0x1f": source.Int, "1_000": source.Int, "1.5": source.Float, ".inf": source.Float, "1e3": source.Float,
		"true": source.Bool, "False": source.Bool, "yes": source.String, "on": source.String, "~": source.Null, "null": source.Null,
		"2024-01-01": source.String, "5m": source.String, `"12"`: source.String, "'true'": source.String, "!!str 12": source.String,
		"1.0.0": source.String,
	}
	for text, want := range rows {
		n := parse(t, "a: "+text)[0].Get("a")
		if n.Kind != want {
			t.Errorf("%s: got %s, want %s", text, n.Kind, want)
		}
	}
}

func TestTextPositionsAreExactInEveryStyle(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, text, at, want string }{
		{"plain", "a: hello world", "world", "1:10"},
		{"plain with wide characters", "a: ä € world", "world", "1:8"},
		{"anchored", "a: &x hello world", "world", "1:13"},
		{"plain over lines", "a: hello\n   there\n\n   world", "world", "4:4"},
		{"single quoted", "a: 'it''s a world'", "world", "1:13"},
		{"double quoted", `a: "\u00e9\n\"x\" world"`, "world", "1:19"},
		{"double quoted over lines", "a: \"one \\\n   two\n   world\"", "world", "3:4"},
		{"double quoted, wide escape", `a: "\U0001F600\x41 world"`, "world", "1:20"},
		{"literal", "a: |\n  one\n    two\n\n  the world", "world", "5:7"},
		{"literal with an indent", "a: |2-\n    one\n  world", "world", "3:3"},
		{"folded", "a: >\n  one\n  two\n\n  the world\n", "world", "5:7"},
		{"in a flow list", "a: [one, two, the world]", "world", "1:19"},
		{"after a byte order mark", "\ufeffa: world", "world", "1:5"},
		{"after a NEL inside of a literal", "a: |\n  b\u0085  c\nb: world", "world", "3:4"},
		{"CRLF", "a: |\r\n  one\r\n  world\r\n", "world", "3:3"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			n := find(parse(t, r.text), r.at)
			if n == nil {
				t.Fatalf("no scalar holds %q", r.at)
			}
			pos := n.TextPos(strings.Index(n.Text, r.at))
			if got := fmt.Sprintf("%d:%d", pos.Line, pos.Col); got != r.want {
				t.Errorf("%q in %q: got %s, want %s", r.at, n.Text, got, r.want)
			}
		})
	}
}

func TestTheEndOfATextHasAPlace(t *testing.T) {
	t.Parallel()
	n := parse(t, "a: 'hello'")[0].Get("a")
	if got, want := n.TextPos(len(n.Text)), (source.Pos{Line: 1, Col: 10}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := n.TextPos(2), (source.Pos{Line: 1, Col: 7}); got != want {
		t.Errorf("inside: got %v, want %v", got, want)
	}
	n = parse(t, "a: b  c")[0].Get("a")
	if got, want := n.TextPos(2), (source.Pos{Line: 1, Col: 6}); got != want {
		t.Errorf("a blank: got %v, want %v", got, want)
	}
	made := source.NewString("text", n.Span)
	if got := made.TextPos(3); got != n.Span.Start {
		t.Errorf("a node that was not parsed: got %v, want its start %v", got, n.Span.Start)
	}
	if got := (*source.Node)(nil).TextPos(3); got != (source.Pos{}) {
		t.Errorf("no node: got %v, want the unknown place", got)
	}
}

// find gives the first scalar that holds text.
func find(nodes []*source.Node, text string) *source.Node {
	for _, n := range nodes {
		if n.IsScalar() && strings.Contains(n.Text, text) {
			return n
		}
		for _, e := range n.Entries {
			if f := find([]*source.Node{e.Value}, text); f != nil {
				return f
			}
		}
		if f := find(n.Items, text); f != nil {
			return f
		}
	}
	return nil
}

func TestABrokenDocumentCostsOnlyItself(t *testing.T) {
	t.Parallel()
	f := source.NewFile("f.yaml", []byte("a: 1\n---\nb: \"open\n---\nc: 3\n...\nd: [1\n---\n# nothing\n---\n%x\n---\ne: 5\n"))
	docs, problems := source.ParseYAML(f)
	keys := make([]string, 0, len(docs))
	for _, d := range docs {
		keys = append(keys, d.Entries[0].Key.Text+"@"+d.Entries[0].Key.Span.String())
	}
	if got, want := strings.Join(keys, " "), "a@f.yaml:1:1 c@f.yaml:5:1 e@f.yaml:13:1"; got != want {
		t.Errorf("documents: got %s, want %s", got, want)
	}
	if len(problems) != 3 {
		t.Errorf("got %d problems, want 3: %v", len(problems), problems)
	}
}

func TestADirectiveBelongsToTheDocumentBelowIt(t *testing.T) {
	t.Parallel()
	docs := parse(t, "%YAML 1.1\n# comment\n---\na: 1\n")
	if len(docs) != 1 || docs[0].Get("a") == nil {
		t.Errorf("got %d documents, want 1 with the key a", len(docs))
	}
}

func TestEmptyDocumentsAreLeftOut(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n---\n", "\ufeff", "null\n", "...\n", "---\n# a\n...\n"} {
		if docs := parse(t, text); len(docs) != 0 {
			t.Errorf("%q: got %d documents, want 0", text, len(docs))
		}
	}
}

func TestLimitsHold(t *testing.T) {
	t.Parallel()
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	rows := map[string]string{
		"a large file":      "a: " + strings.Repeat("x", source.MaxFileBytes),
		"deep nesting":      strings.Repeat("[", source.MaxDepth+2) + strings.Repeat("]", source.MaxDepth+2),
		"many aliases":      "a: &a x\nb: [" + strings.TrimSuffix(strings.Repeat("*a, ", source.MaxAliases+1), ", ") + "]",
		"a billion laughs":  laughs,
		"deep block nest":   nested(source.MaxDepth + 2),
		"wide alias growth": "a: &a [" + strings.TrimSuffix(strings.Repeat("x, ", 60_000), ", ") + "]\nb: *a",
	}
	for name, text := range rows {
		_, problems := source.ParseYAML(source.NewFile("f.yaml", []byte(text)))
		if len(problems) == 0 || problems[0].Code != source.CodeLimit {
			t.Errorf("%s: got %v, want a problem of code limit", name, problems)
		}
	}
	many := "a: &a x\nb: [" + strings.TrimSuffix(strings.Repeat("*a, ", source.MaxAliases), ", ") + "]"
	if n := len(parse(t, many)[0].Get("b").Items); n != source.MaxAliases {
		t.Errorf("as many aliases as are followed: got %d, want %d", n, source.MaxAliases)
	}
}

func nested(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestOneLongLineIsReadInOneGo(t *testing.T) {
	t.Parallel()
	text := "a: [" + strings.TrimSuffix(strings.Repeat("ä, ", 200_000), ", ") + "]"
	n := parse(t, text)[0].Get("a")
	last := n.Items[len(n.Items)-1]
	if got, want := last.Span.Start.Col, 5+3*(len(n.Items)-1); got != want {
		t.Errorf("the last item: got column %d, want %d", got, want)
	}
}

func TestACommentBehindAValueCanBeSeen(t *testing.T) {
	t.Parallel()
	rows := []struct{ text, comment, at string }{
		{`a: x == "a #1"`, `#1"`, "1:12-1:15"},
		{"a: #general", "#general", "1:4-1:12"},
		{"a: b", "", ""},
		{"a: 'b' # c", "", ""},
		{"a: b#c", "", ""},
	}
	for _, r := range rows {
		comment, span := parse(t, r.text)[0].Get("a").Comment()
		if comment != r.comment || r.at != "" && at(span) != r.at {
			t.Errorf("%s: got %q at %s, want %q at %s", r.text, comment, at(span), r.comment, r.at)
		}
	}
}
