package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/source"
)

func TestYAMLTrapsSayToQuote(t *testing.T) {
	t.Parallel()
	rows := []struct{ text, at, code, message, hint string }{
		{"filter: !payload.draft", "2:9-2:23", "yaml-quote", "as a tag", `quote it: "!payload.draft"`},
		{"filter: !payload.draft == true # why", "2:9-2:31", "yaml-quote", "as a tag", `quote it: "!payload.draft == true"`},
		{`filter: !headers["x"] == true`, "2:9-2:30", "yaml-quote", "as a tag", `quote it: '!headers["x"] == true'`},
		{"filter: ! payload", "2:9-2:18", "yaml-quote", "as a tag", `quote it: "! payload"`},
		{"body: {{ X }}", "2:7-2:14", "yaml-quote", "a map inside a map", `quote it: "{{ X }}"`},
		{"body: {{ X }} and more", "2:7-2:23", "yaml-quote", "a map inside a map", `quote it: "{{ X }} and more"`},
		{"body: {text: {{ X }}, b: 1}", "2:14-2:21", "yaml-quote", "a map inside a map", `quote it: "{{ X }}"`},
		{"node: {filter: a[0] == 1}", "2:7-2:26", "yaml-quote", "at a bracket", `quote it: "a[0] == 1"`},
		{"node: {value: a ? b : c}", "2:7-2:25", "yaml-quote", "at `: `", `quote it: "a ? b : c"`},
		{"list: [A[true] -> B]", "2:7-2:21", "yaml-quote", "at a bracket", `quote it: "A[true] -> B"`},
		{"list: [A -> B,\n  A[true] -> C]", "3:3-3:16", "yaml-quote", "at a bracket", `quote it: "A[true] -> C"`},
		{`filter: a == "x: y"`, "2:9-2:20", "yaml-quote", "as a key and its value", `quote it: 'a == "x: y"'`},
		{"value: a ? b : c", "2:8-2:17", "yaml-quote", "as a key and its value", `quote it: "a ? b : c"`},
		{`filter: "open" == a`, "2:9-2:20", "yaml-quote", "second quote", `quote it: '"open" == a'`},
		{"text: 'it's'", "2:7-2:13", "yaml-quote", "second quote", `quote it: "it's"`},
		{"filter: [1, 2] contains a", "2:9-2:26", "yaml-quote", "at its `]`", `quote it: "[1, 2] contains a"`},
		{"event: *push", "2:8-2:13", "yaml-quote", "as an alias", `quote it: "*push"`},
		{"event: *.push", "2:8-2:14", "yaml-quote", "meaning of its own", `quote it: "*.push"`},
		{"to: @here", "2:5-2:10", "yaml-quote", "meaning of its own", `quote it: "@here"`},
		{"to: %d", "2:5-2:7", "yaml-quote", "meaning of its own", `quote it: "%d"`},
		{"to: `x`", "2:5-2:8", "yaml-quote", "meaning of its own", "quote it: \"`x`\""},
	}
	for _, r := range rows {
		t.Run(r.text, func(t *testing.T) {
			t.Parallel()
			_, problems := source.ParseYAML(source.NewFile("f.yaml", []byte("a: 1\n"+r.text+"\nz: 2\ny: 3\n")))
			if len(problems) != 1 {
				t.Fatalf("got %d problems, want 1: %v", len(problems), problems)
			}
			p := problems[0]
			if got := at(p.Span); got != r.at || p.Code != r.code || !strings.Contains(p.Message, r.message) || r.hint != "" && p.Hint != r.hint {
				t.Errorf("got  %s %s: %s; %s\nwant %s %s: …%s…; %s", got, p.Code, p.Message, p.Hint, r.at, r.code, r.message, r.hint)
			}
		})
	}
}

func TestSyntaxErrorsNameTheirLine(t *testing.T) {
	t.Parallel()
	rows := []struct{ text, at, message string }{
		{"a: 1\nb: \"open\nc: 3\nd: 4\n", "2:4-2:9", "never closed"},
		{"a: 1\nb: [1, 2\nc: 3\n", "2:1-2:9", "not closed"},
		{"a: 1\nword\nb: 2\n", "2:1-2:5", "no `key: value`"},
		{"a: 1\n\tb: 2\n", "2:1-2:2", "a tab cannot indent"},
		{"a:\n  b: 1\n c: 2\nd: 3\n", "3:2-3:6", "does not continue"},
		{"a:\n  - 1\n  b: 2\nd: 3\n", "3:3-3:7", "does not continue"},
		{"a: b\n  c: 2\n", "2:3-2:7", "cannot begin here"},
		{"a: \"\\q\"\n", "1:1-1:8", "does not know"},
		{"a: |x\nb: 1\n", "1:1-1:6", "nothing may follow"},
		{"a: b: c\n", "1:4-1:8", "as a key and its value"},
		{"a: 1\nb: \x01\n", "2:4-2:5", "control character U+0001"},
		{"a: 1\nb: \xff\n", "2:4-2:5", "not UTF-8"},
		{"a: 1\n---\nx: 1\n y: 2\n", "4:2-4:6", "cannot begin here"},
		{"%YAML 1.2\n---\nx: 1\n y: 2\n", "4:2-4:6", "cannot begin here"},
		{"%YAML 2.0\n---\nx: 1\n", "1:1-1:10", "only YAML 1 is read"},
	}
	for _, r := range rows {
		_, problems := source.ParseYAML(source.NewFile("f.yaml", []byte(r.text)))
		if len(problems) != 1 {
			t.Errorf("%q: got %d problems, want 1: %v", r.text, len(problems), problems)
			continue
		}
		if got := at(problems[0].Span); got != r.at || !strings.Contains(problems[0].Message, r.message) {
			t.Errorf("%q:\ngot  %s %s\nwant %s …%s…", r.text, got, problems[0].Message, r.at, r.message)
		}
	}
}

func TestWhatManifestsDoWithoutIsRefused(t *testing.T) {
	t.Parallel()
	f := source.NewFile("f.yaml", []byte(strings.Join([]string{
		"base: &base {a: 1}",
		"over:",
		"  <<: *base",
		"  b: 1",
		"200: ok",
		"? [x]",
		": y",
		"bin: !!binary aGk=",
		"base: again",
		"self: &self [*self]",
		"~: nothing",
	}, "\n")))
	docs, problems := source.ParseYAML(f)
	var got []string
	for _, p := range problems {
		first := ""
		if !p.First.IsZero() {
			first = " first " + at(p.First)
		}
		got = append(got, fmt.Sprintf("%s %s%s", at(p.Span), p.Code, first))
	}
	want := []string{
		"3:3-3:5 yaml-feature", "5:1-5:4 yaml-feature", "6:3-6:6 yaml-feature", "8:6-8:14 yaml-feature",
		"9:1-9:5 duplicate-key first 1:1-1:5", "10:14-10:19 yaml-feature", "11:1-11:2 yaml-feature",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(docs) != 1 || docs[0].Get("over").Get("b") == nil || docs[0].Get("base").Kind != source.Map {
		t.Error("the rest of the document was not read")
	}
}
