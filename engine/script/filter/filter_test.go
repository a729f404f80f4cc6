package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
	"github.com/headgate/headgate/engine/source"
)

func compile(tb testing.TB, text string) (language.Program, []diag.Finding) {
	tb.Helper()
	var out diag.List
	p := Compile(language.Source{Text: text}, language.Scope{}, true, &out)
	if (p == nil) != out.HasErrors() {
		tb.Fatalf("`%s` gives %v with findings %v", text, p, out.Sorted())
	}
	return p, out.Sorted()
}

func decode(tb testing.TB, text string) any {
	tb.Helper()
	v, err := payload.Decode([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func holds(tb testing.TB, text, body string) any {
	tb.Helper()
	p, found := compile(tb, text)
	if p == nil {
		tb.Fatalf("`%s` does not compile: %v", text, found)
	}
	result, err := p.Eval(tb.Context(), &language.Env{Payload: decode(tb, body)})
	if err != nil {
		tb.Fatalf("`%s`: %v", text, err)
	}
	return result.Value
}

// check holds filters against bodies; want is whether they hold.
func check(t *testing.T, cases [][2]string, want bool) {
	t.Helper()
	for _, c := range cases {
		if got := holds(t, c[0], c[1]); got != want {
			t.Errorf("`%s` of %s is %v, want %v", c[0], c[1], got, want)
		}
	}
}

const pullRequest = `{"action": "opened", "title": "[Feature] say \"yes\"", "pull_request": {"title": "[Feature] x", "changed_files": 21, "base": {"ref": "main"},
	"labels": [{"name": "high-priority"}, {"name": "bug"}]}, "tags": [{"id": 3}, {"id": 9}], "labels": {"team.name": "core"},
	"issue": {"milestone": {"n": 1}, "state": "open"}, "t": "a (b"}`

func TestTheCorpusOfDust(t *testing.T) {
	t.Parallel()
	check(t, [][2]string{
		{`(and (eq "action" "opened") (eq "pull_request.base.ref" "main") (has "pull_request.labels.*.name" "high-priority"))`, pullRequest},
		{`(and (eq "action" "opened") (gt "pull_request.changed_files" 20))`, pullRequest},
		{`(starts-with "pull_request.title" "[Feature]")`, pullRequest},
		{`(has-any "tags.*.id" (1 2 3))`, pullRequest},
		{`(and (exists "issue.milestone") (eq "issue.state" "open"))`, pullRequest},
		{`(contains "title" "say \"yes\"")`, pullRequest},
		{`(eq "title" "say \"yes\"")`, `{"title": "say \"yes\""}`},
		{`(eq "labels[\"team.name\"]" "core")`, pullRequest},
		{"(\"and\"\n\t(eq action opened)\n\t(not (has-any \"pull_request.labels.*.name\" (\"wip\" \"draft\"))))", pullRequest},
		{`(contains "t" "a (b")`, pullRequest},
	}, true)
	check(t, [][2]string{
		{`(and (eq "action" "opened") (gt "pull_request.changed_files" 21))`, pullRequest},
		{`(has-any "tags.*.id" (1 2))`, pullRequest},
		{`(exists "issue.assignee")`, pullRequest},
		{`(contains "t" "a (c")`, pullRequest},
	}, false)
}

func TestOperators(t *testing.T) {
	t.Parallel()
	check(t, [][2]string{
		{`(and)`, `{}`},
		{`(not (or))`, `{}`},
		{`(not (not (and)))`, `{}`},
		{`(or (eq a 1) (eq b 2))`, `{"b": 2}`},
		{`(eq n 42)`, `{"n": 42.0}`},
		{`(eq n 1e3)`, `{"n": 1000}`},
		{`(eq n 0x10)`, `{"n": 16}`},
		{`(eq n 007)`, `{"n": 7}`},
		{`(eq n -2)`, `{"n": -2}`},
		{`(eq n "42")`, `{"n": "42"}`},
		{`(eq yes true)`, `{"yes": true}`},
		{`(eq yes "true")`, `{"yes": "true"}`},
		{`(eq id 9007199254740993)`, `{"id": 9007199254740993}`},
		{`(eq big 18446744073709551615)`, `{"big": 18446744073709551615}`},
		{`(lt n Infinity)`, `{"n": 1e300}`},
		{`(gt n -Infinity)`, `{"n": -18446744073709551615}`},
		{`(gte n 3)`, `{"n": 3}`},
		{`(lte n 3)`, `{"n": 3.0}`},
		{`(lt n 3)`, `{"n": 2.999}`},
		{`(starts-with s "")`, `{"s": ""}`},
		{`(has l 1)`, `{"l": ["1", 1.0]}`},
		{`(has l null)`, `{"l": [null]}`},
		{`(has-all l (1 2))`, `{"l": [2, 1, 3]}`},
		{`(has-any l (9 2))`, `{"l": [2]}`},
		{`(exists x)`, `{"x": false}`},
		{`(exists x)`, `{"x": 0}`},
		{`(exists x)`, `{"x": ""}`},
		{`(exists x)`, `{"x": []}`},
		{"\u00a0\ufeff(eq\u2028a\tb)\r\n", `{"a": "b"}`},
		{`(eq a"b c"d)`, `{"a\"b": "c\"d"}`},
		{`(eq "\a\\b" "\n")`, `{"a\\b": "n"}`},
	}, true)
	check(t, [][2]string{
		{`(or)`, `{}`},
		{`(eq id 9007199254740992)`, `{"id": 9007199254740993}`},
		{`(eq yes true)`, `{"yes": "true"}`},
		{`(eq o x)`, `{"o": {}}`},
		{`(has l 1)`, `{"l": ["1"]}`},
		{`(has l 1)`, `{"l": 1}`},
		{`(has l 1)`, `{"l": "1"}`},
		{`(contains l "a")`, `{"l": ["a"]}`},
		{`(starts-with n "4")`, `{"n": 42}`},
		{`(gt n 3)`, `{"n": "4"}`},
		{`(gt n 3)`, `{}`},
		{`(lt n 3)`, `{"n": null}`},
		{`(gt n 3)`, `{"n": 3}`},
		{`(lt n 3)`, `{"n": 3}`},
		{`(has-all l (1 2))`, `{"l": [2]}`},
	}, false)
}

func TestPaths(t *testing.T) {
	t.Parallel()
	check(t, [][2]string{
		{`(eq "a[0].b" 1)`, `{"a": [{"b": 1}]}`},
		{`(eq "a.0.b" 1)`, `{"a": [{"b": 1}]}`},
		{`(eq "a['b.c'][\"d\"]" 1)`, `{"a": {"b.c": {"d": 1}}}`},
		{`(eq "a[b]" 1)`, `{"a": {"b": 1}}`},
		{`(eq "[1].x" 1)`, `[0, {"x": 1}]`},
		{`(eq "a.b" 1)`, `{"a.b": 1, "a": {"b": 2}}`},
		{`(eq "a.b" null)`, `{"a.b": null, "a": {"b": 2}}`},
		{`(eq ".a" 1)`, `{"": {"a": 1}}`},
		{`(eq "a..b" 1)`, `{"a": {"": {"b": 1}}}`},
		{`(eq "a." 1)`, `{"a": {"": 1}}`},
		{`(gt "tags.length" 2)`, `{"tags": [1, 2, 3]}`},
		{`(eq "title.length" 3)`, `{"title": "ö🙂"}`},
		{`(eq "o.length" 7)`, `{"o": {"length": 7}}`},
		{`(has "l.*.a[0]" 1)`, `{"l": [{"a": [1]}]}`},
		{`(has "l.*.a.b" 1)`, `{"l": [{"a.b": 1}]}`},
		{`(has "l.*.name" null)`, `{"l": [{"name": null}]}`},
		{`(has "a.b.*.c" 1)`, `{"a": {"b": [{"c": 1}]}}`},
		{`(has "[0].l.*.c" 1)`, `[{"l": [{"c": 1}]}]`},
		{`(exists "l.*.name")`, `{"l": []}`},
		{`(has-all "l.*.name" ())`, `{"l": [1]}`},
	}, true)
	check(t, [][2]string{
		{`(exists "constructor")`, `{}`},
		{`(exists "toString")`, `{"a": 1}`},
		{`(exists "a.__proto__")`, `{"a": {}}`},
		{`(exists "a[-1]")`, `{"a": [1]}`},
		{`(exists "a.00")`, `{"a": [1]}`},
		{`(exists "a.1")`, `{"a": [1]}`},
		{`(exists "n.length")`, `{"n": 12}`},
		{`(exists "o.length")`, `{"o": {}}`},
		{`(exists "")`, `{"": 1}`},
		{`(exists "a.b.c")`, `{"a": null}`},
		{`(has "tags.*" 1)`, `{"tags": [1]}`},
		{`(has "*.name" "a")`, `[{"name": "a"}]`},
		{`(has "l.*.name" null)`, `{"l": [{}]}`},
		{`(has "l.*.name" "a")`, `{"l": {"name": "a"}}`},
		{`(exists "l.*.name")`, `{"l": {}}`},
	}, false)
}

func TestNullAndMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, body string
		want       bool
	}{
		{`(eq "x" null)`, `{"x": null}`, true},
		{`(eq "x" null)`, `{}`, false},
		{`(not (eq "x" "a"))`, `{}`, true},
		{`(exists "x")`, `{"x": null}`, false},
		{`(has-all "t" ())`, `{"t": []}`, true},
		{`(has-any "t" ())`, `{"t": [1]}`, false},
		{`(has-all "t" ())`, `{}`, false},
		{`(eq "n" 42)`, `{"n": "42"}`, false},
		{`(has "l.*.name" "bug")`, `{"l": [{"name": "bug"}, {}]}`, true},
		{`(has "a.*.b.*.c" 1)`, `{"a": [{"b": [{"c": 1}]}]}`, false},
		{`(eq "x" ("a"))`, `{"x": "a"}`, false},
		{`(eq "x" ("a"))`, `{"x": ["a"]}`, false},
		{`(not (has-any f (1)))`, `{}`, true},
	} {
		if got := holds(t, c.text, c.body); got != c.want {
			t.Errorf("`%s` of %s is %v, want %v", c.text, c.body, got, c.want)
		}
	}
	for _, body := range []string{`null`, `"text"`, `7`, `[]`} {
		if got := holds(t, `(or (exists a) (eq a 1) (has a 1) (has "a.*.b" 1) (gt a 1) (contains a "x"))`, body); got != false {
			t.Errorf("a payload %s passes", body)
		}
	}
}

func TestWhatCannotBeReadIsAFinding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string // «» marks the piece
		rule diag.Rule
		want string
	}{
		{`«»`, diag.ExpressionSyntax, "empty"},
		{` `, diag.ExpressionSyntax, "empty"},
		{`«eq» a 1`, diag.ExpressionSyntax, "begins with a bracket"},
		{`«"a"»`, diag.ExpressionSyntax, "begins with a bracket"},
		{`«()»`, diag.ExpressionSyntax, "empty"},
		{`(and «()»)`, diag.ExpressionSyntax, "empty"},
		{`«(»eq "a)" "b"`, diag.ExpressionSyntax, "never closed"},
		{`«(»and (eq a 1)`, diag.ExpressionSyntax, "never closed"},
		{`(eq "a" 1) «(eq "b" 2)»`, diag.ExpressionSyntax, "ends before this; put several into one: (and"},
		{`(eq "a" 1)«)»`, diag.ExpressionSyntax, "a bracket too many"},
		{`(eq "a" «"b)»`, diag.ExpressionSyntax, "a quote is opened here"},
		{`(eq a «"\»`, diag.ExpressionSyntax, "a quote is opened here"},
		{`(«eqq» a 1)`, diag.UnknownName, "did you mean `eq`?"},
		{`(«AND»)`, diag.UnknownName, "did you mean `and`?"},
		{`(«start-with» a "b")`, diag.UnknownName, "did you mean `starts-with`?"},
		{`(«ne» a 1)`, diag.UnknownName, "write (not (eq …))"},
		{`(«>=» a 1)`, diag.UnknownName, "did you mean `gte`?"},
		{`(«1» a 1)`, diag.UnknownName, "the operators are and, or"},
		{`(«(eq a 1)» (eq b 2))`, diag.ExpressionSyntax, "begins with an operator"},
		{`(and «eq»)`, diag.ExpressionSyntax, "`and` joins expressions in brackets"},
		{`«(not)»`, diag.ExpressionType, "`not` takes one expression, not 0"},
		{`(or «(not (eq a 1) (eq b 1))»)`, diag.ExpressionType, "not 2"},
		{`«(exists)»`, diag.ExpressionType, "`exists` takes a path, not 0"},
		{`«(exists a b)»`, diag.ExpressionType, "not 2"},
		{`«(eq a)»`, diag.ExpressionType, "`eq` takes a path and a value, not 1"},
		{`«(gt a 1 2)»`, diag.ExpressionType, "not 3"},
		{`(eq «1» a)`, diag.ExpressionType, "the path of `eq` is a text; write the path in quotes"},
		{`(eq «(a)» a)`, diag.ExpressionType, "the path of `eq` is a text"},
		{`(has-all a «1»)`, diag.ExpressionType, "`has-all` takes a list of values; write (has-all"},
		{`(eq «"a[0"» 1)`, diag.ExpressionSyntax, "not closed"},
		{`(eq «"a['x]"» 1)`, diag.ExpressionSyntax, "not closed"},
		{strings.Repeat("(not ", 64) + `«(»and)` + strings.Repeat(")", 64), diag.ExpressionTooLarge, "deeper than 64"},
		{`«(and ` + strings.Repeat("(or)", 2000) + `)»`, diag.ExpressionTooLarge, "more than 2000 parts"},
		{`(eq a "` + strings.Repeat("x", 8192) + `")`, diag.ExpressionTooLarge, "more than 8192"},
		{strings.Repeat(`(or `, 3000), diag.ExpressionTooLarge, "more than 8192"},
	} {
		text := strings.NewReplacer("«", "", "»", "").Replace(c.text)
		docs, problems := source.ParseYAML(source.NewFile("a.yaml", []byte("x: ü\nfilter: |2-\n  "+text+"\n")))
		if len(problems) > 0 {
			t.Fatalf("`%.60s`: %v", text, problems)
		}
		var out diag.List
		p := Compile(language.FromNode(docs[0].Get("filter")), language.Scope{}, true, &out)
		if p != nil || out.Len() == 0 {
			t.Errorf("`%.60s` compiles", text)
			continue
		}
		f := out.Sorted()[0]
		if before, _, ok := strings.Cut(c.text, "«"); ok && text != "" && f.Span.String() != fmt.Sprintf("a.yaml:3:%d", len(before)+3) {
			t.Errorf("`%.60s`: finding at %s, want column %d (%v)", text, f.Span, len(before)+3, f)
		}
		if f.Rule != c.rule || !strings.Contains(f.Message+"; "+f.Hint, c.want) {
			t.Errorf("`%.60s`: %v, want %s %q", text, f, c.rule, c.want)
		}
	}
}

func TestAllFindingsComeAtOnce(t *testing.T) {
	t.Parallel()
	if _, found := compile(t, `(and (eqq a 1) (eq a) (not) eq (gt "a[" 1))`); len(found) != 5 {
		t.Errorf("findings %v, want 5", found)
	}
}

func TestWhatCanNeverHoldIsWarnedOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`(eq "x" ("a"))`:               "never true",
		`(gt n "3")`:                   "write the number without quotes",
		`(gt n x)`:                     "compares with a number",
		`(contains s 3)`:               "write it in quotes",
		`(starts-with s null)`:         "compares with a text",
		`(has l (1))`:                  "has-any and has-all take several",
		`(has-any l ())`:               "the list of values is empty",
		`(has-any l ((1)))`:            "equals nothing",
		`(eq "l.*.name" "a")`:          "a wildcard makes a list",
		`(has "a.*.b.*.c" 1)`:          "more than one wildcard",
		`(has "tags.*" 1)`:             "the elements themselves are in `tags`",
		`(has "*.name" 1)`:             "has no name",
		`(eq "payload.action" opened)`: "write \"action\"",
		`(exists "")`:                  "an empty path",
		`(eq a "{{ vars.x }}")`:        "template",
	} {
		p, found := compile(t, text)
		if p == nil || len(found) == 0 || found[0].Severity != diag.Warning || !strings.Contains(found[0].Message+"; "+found[0].Hint, want) {
			t.Errorf("`%s`: %v, want a warning %q", text, found, want)
		}
	}
	for _, text := range []string{`(has-all l ())`, `(and)`, `(eq a "x {{ y")`, `(eq "a.b[0]" null)`} {
		if _, found := compile(t, text); len(found) > 0 {
			t.Errorf("`%s`: %v, want no findings", text, found)
		}
	}
}

func TestReadsAreThePathsAndWhatTheyFind(t *testing.T) {
	t.Parallel()
	p, _ := compile(t, `(and (eq a 1) (eq a 2) (has "l.*.n" 7) (exists "x.y") (contains "t" "q") (has "n.*.x" 1))`)
	result, err := p.Eval(t.Context(), &language.Env{Payload: decode(t, `{"a": 1, "l": [{"n": 7}, {}, {"n": null}], "t": "text"}`)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range result.Reads {
		v, err := json.Marshal(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Operand+"="+string(v))
	}
	want := []string{`a=1`, `l.*.n=[7,null]`, `x.y=null`, `t="text"`, `n.*.x=null`}
	if !slices.Equal(got, want) {
		t.Errorf("reads %q, want %q", got, want)
	}
}

func TestNumbersAreThoseOfJavaScript(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]any{
		"3.14": 3.14, "-2": int64(-2), "+2": int64(2), "1e3": 1000.0, "1E+3": 1000.0, "5e-1": 0.5, "0x10": int64(16), "0B11": int64(3), "0o17": int64(15),
		"007": int64(7), ".5": 0.5, "5.": int64(5), "-.5": -0.5, "0": int64(0), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1), "1e400": json.Number("1e400"),
		"18446744073709551615": json.Number("18446744073709551615"), "007.250": 7.25,
		"true": true, "false": false, "null": nil,
		"NaN": "NaN", "0x": "0x", "0xg": "0xg", "1_000": "1_000", "0x1_0": "0x1_0", "1e": "1e", "1e+": "1e+", "1e+-1": "1e+-1", "--1": "--1", "-": "-", ".": ".",
		"1.2.3": "1.2.3", "12px": "12px", "infinity": "infinity", "-0x10": "-0x10", "True": "True",
	} {
		if got := bare(word); got != want {
			t.Errorf("%s is %#v, want %#v", word, got, want)
		}
	}
}

func TestABudgetBoundsWhatAPayloadMakesOfAFilter(t *testing.T) {
	t.Parallel()
	list := make([]any, 60_000)
	for i := range list {
		list[i] = map[string]any{"n": int64(i)}
	}
	p, _ := compile(t, `(has-any "l.*.n" (-1 -2))`)
	_, err := p.Eval(t.Context(), &language.Env{Payload: map[string]any{"l": list}})
	var e *value.Error
	if !errors.As(err, &e) || e.Code != value.TooExpensive {
		t.Errorf("error %v, want too_expensive", err)
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		`(and (eq "a" "b") (gt "n" 20))`, `(not (has-any "l.*.n" ("x" 1 null)))`, `(eq "a[\"b.c\"].0" 0x10)`, `("or" (exists a.b.length))`, `(eq "a)" "b"`, `(contains "t" "a (b")`,
		`(eq "a" 1) (eq "b" 2)`, "(eq \ufeffa\u2028b)", `((((`, `(has-all a ())`, `(lt ".a..b[" -Infinity)`, `(eq "x.*.y.*" "\"")`,
	} {
		f.Add(s, `{"a": {"b": [1]}, "l": [{"n": 1}, null], "n": 1e400, "t": "a (b"}`)
	}
	f.Fuzz(func(t *testing.T, text, body string) {
		var out diag.List
		p := Compile(language.Source{Text: text}, language.Scope{}, true, &out)
		if (p == nil) != out.HasErrors() {
			t.Fatalf("`%s` gives %v with findings %v", text, p, out.Sorted())
		}
		v, err := payload.Decode([]byte(body))
		if p == nil || err != nil {
			return
		}
		result, err := p.Eval(t.Context(), &language.Env{Payload: v})
		if _, isBool := result.Value.(bool); err == nil && !isBool {
			t.Fatalf("`%s` of %s gives %v", text, body, result.Value)
		}
		for _, r := range result.Reads {
			if _, err := payload.Encode(r.Value); err != nil {
				t.Fatalf("`%s` reads %s = %#v: %v", text, r.Operand, r.Value, err)
			}
		}
	})
}
