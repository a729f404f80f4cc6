package diag_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

func findings() []diag.Finding {
	f := source.NewFile("m/a.yaml", []byte("name: größe\n\tkind: 100%, a: b\nlong: "+strings.Repeat("x", 100)+"HERE"+strings.Repeat("y", 100)+"\n"))
	span := func(line, from, to int) source.Span {
		return source.Span{File: f, Start: source.Pos{Line: line, Col: from}, End: source.Pos{Line: line, Col: to}}
	}
	return []diag.Finding{
		{
			Severity: diag.Error, Rule: diag.DuplicateName, Span: span(1, 7, 12), Message: "the name `größe` is taken", Hint: "choose another one",
			Related: []diag.Related{{Span: span(2, 2, 6), Message: "first defined here"}, {Message: "and somewhere else"}},
		},
		{Severity: diag.Warning, Rule: diag.BadValue, Span: span(2, 8, 12), Message: "100%, \"a\": two\nlines"},
		{Severity: diag.Hint, Rule: diag.Limit, Span: span(3, 107, 111), Message: "a long line"},
		{Severity: diag.Error, Rule: diag.Unreadable, Message: "`m` cannot be read"},
		{
			Severity: diag.Error, Rule: diag.MissingKey, Message: "a map over several lines",
			Span: source.Span{File: f, Start: source.Pos{Line: 1, Col: 1}, End: source.Pos{Line: 3, Col: 2}},
		},
		{Severity: diag.Error, Rule: diag.Limit, Span: source.NewFile("m/b.yaml", nil).Span(0, 0), Message: "a file that was not read"},
	}
}

func TestTextShowsTheSourceWithACaret(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := diag.WriteText(&b, findings(), diag.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"m/a.yaml:1:7: error[duplicate-name]: the name `größe` is taken; choose another one",
		"  1 | name: größe",
		"    |       ^~~~~",
		"m/a.yaml:2:2: note: first defined here",
		"  2 | \tkind: 100%, a: b",
		"    | \t^~~~",
		"note: and somewhere else",
		"m/a.yaml:2:8: warning[bad-value]: 100%, \"a\": two lines",
		"  2 | \tkind: 100%, a: b",
		"    | \t      ^~~~",
		"m/a.yaml:3:107: hint[limit]: a long line",
		"  3 | …" + strings.Repeat("x", 40) + "HERE" + strings.Repeat("y", 76) + "…",
		"    | " + strings.Repeat(" ", 41) + "^~~~",
		"error[unreadable-file]: `m` cannot be read",
		"m/a.yaml:1:1: error[missing-key]: a map over several lines",
		"  1 | name: größe",
		"    | ^~~~~~~~~~~",
		"m/b.yaml:1:1: error[limit]: a file that was not read",
		"",
	}, "\n")
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestColourMarksSeverityAndCaret(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := diag.WriteText(&b, findings()[1:2], diag.TextOptions{Color: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\x1b[33mwarning[bad-value]:\x1b[0m", "\x1b[33m^~~~\x1b[0m", "\x1b[1mm/a.yaml:2:8:\x1b[0m"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got %q, want it to contain %q", b.String(), want)
		}
	}
}

func TestExcerptsCannotDriveATerminal(t *testing.T) {
	t.Parallel()
	f := source.NewFile("a.yaml", []byte("a: \x1b[31mred\u202e\n"))
	var b bytes.Buffer
	if err := diag.WriteText(&b, []diag.Finding{{Severity: diag.Error, Rule: "x", Span: f.Span(0, 1), Message: "a \x1b[2J b"}}, diag.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.ContainsAny(got, "\x1b\u202e") {
		t.Errorf("got %q, want no control characters", got)
	}
}

func TestJSONHasEveryField(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := diag.WriteJSON(&b, findings()); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 6 {
		t.Fatalf("got %d findings, want 6", len(got))
	}
	want := map[string]any{
		"file": "m/a.yaml", "line": 1.0, "col": 7.0, "end_line": 1.0, "end_col": 12.0, "severity": "error", "rule": "duplicate-name",
		"message": "the name `größe` is taken", "hint": "choose another one",
	}
	for k, v := range want {
		if got[0][k] != v {
			t.Errorf("%s: got %v, want %v", k, got[0][k], v)
		}
	}
	if related := got[0]["related"].([]any); len(related) != 2 {
		t.Errorf("got %d related places, want 2", len(related))
	}
	b.Reset()
	if err := diag.WriteJSON(&b, nil); err != nil || b.String() != "[]\n" {
		t.Errorf("no findings: got %q, %v, want []", b.String(), err)
	}
}

func TestGitHubCommandsAreEscaped(t *testing.T) {
	t.Parallel()
	f := findings()
	f[0].Span.File = source.NewFile("m,1:a%.yaml", []byte("name: größe"))
	var b bytes.Buffer
	if err := diag.WriteGitHub(&b, f[:4]); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"::error file=m%2C1%3Aa%25.yaml,line=1,col=7,endLine=1,endColumn=11,title=duplicate-name::the name `größe` is taken; choose another one",
		"::warning file=m/a.yaml,line=2,col=8,endLine=2,endColumn=11,title=bad-value::100%25, \"a\": two%0Alines",
		"::notice file=m/a.yaml,line=3,col=107,endLine=3,endColumn=110,title=limit::a long line",
		"::error title=unreadable-file::`m` cannot be read",
		"",
	}, "\n")
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFindingsAreSortedByPlace(t *testing.T) {
	t.Parallel()
	var l diag.List
	all := findings()
	for i := len(all) - 1; i >= 0; i-- {
		l.Add(all[i])
	}
	var got []string
	for _, f := range l.Sorted() {
		got = append(got, f.Span.String())
	}
	if want := " m/a.yaml:1:1 m/a.yaml:1:7 m/a.yaml:2:8 m/a.yaml:3:107 m/b.yaml:1:1"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
	if err := l.Err(); err == nil || err.Error() != "error[unreadable-file]: `m` cannot be read (and 3 more)" {
		t.Errorf("got %v, want the first error and the count of the others", err)
	}
}

func TestAFindingThatIsMadeTwiceIsShownOnce(t *testing.T) {
	t.Parallel()
	var l diag.List
	l.Add(findings()[0], findings()[1])
	again := findings()[1]
	again.Span = l.Sorted()[1].Span
	other := again
	other.Message = "another one"
	l.Add(again, other)
	if got := l.Sorted(); len(got) != 3 {
		t.Errorf("got %d findings, want 3: %v", len(got), got)
	}
	if got := l.Len(); got != 4 {
		t.Errorf("the list holds %d findings, want 4: who compiles counts its own", got)
	}
	l = diag.List{}
	l.Errorf(diag.BadValue, again.Span, "", "the same")
	l.Errorf(diag.BadValue, again.Span, "", "the same")
	if got := l.Err().Error(); strings.Contains(got, "more") {
		t.Errorf("got %q, want one error", got)
	}
}

func TestEveryRuleIsListedOnce(t *testing.T) {
	t.Parallel()
	seen := map[diag.Rule]bool{}
	for _, r := range diag.Rules() {
		if seen[r.ID] {
			t.Errorf("the rule %s is listed twice", r.ID)
		}
		seen[r.ID] = true
		if !strings.HasSuffix(r.Doc, ".") {
			t.Errorf("the rule %s: the doc %q is no sentence", r.ID, r.Doc)
		}
	}
	for _, name := range ruleConstants(t) {
		if !seen[diag.Rule(name)] {
			t.Errorf("the rule %s is not in Rules()", name)
		}
	}
}
