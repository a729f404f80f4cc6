package script_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// finding is what a compile error must be: rule, the place of the marked piece of the text, and a part of message or hint.
type finding struct {
	text string // «» marks the piece
	rule diag.Rule
	want string
}

func TestFindingsStandInTheManifestsLine(t *testing.T) {
	t.Parallel()
	cases := map[string][]finding{
		"expr": {
			{`payload.n > «Mesage».x`, diag.UnknownName, "did you mean `Message`?"},
			{`«payloud».n`, diag.UnknownName, "did you mean `payload`?"},
			{`«foo».x + 1`, diag.UnknownName, "the names are event"},
			{`«len» > 3`, diag.UnknownName, `write steps["len"]`},
			{`«env».X == 1`, diag.UnknownName, "cannot read the environment"},
			{`headers.x-«acme»`, diag.UnknownName, "in brackets"},
			{`steps[«"Is bg"»]`, diag.UnknownName, "did you mean `Is big`?"},
			{`event.«action» == 1`, diag.UnknownName, "under `payload`"},
			{`event.«nam»`, diag.UnknownName, "did you mean `name`?"},
			{`now.«year» == 2`, diag.ExpressionType, "has no fields"},
			{`«lenn»(payload)`, diag.UnknownName, "unknown function lenn; did you mean `len`?"},
			{`«now»()`, diag.UnknownName, "write it without brackets"},
			{`«timezone»("UTC")`, diag.UnknownName, "zone"},
			{`payload.s.«lower»()`, diag.UnknownName, "write lower(x)"},
			{`payload.n «=» 3`, diag.ExpressionSyntax, "equality is written =="},
			{`payload.n >«»`, diag.ExpressionSyntax, "unexpected end of the expression"},
			{`(payload.n «»`, diag.ExpressionSyntax, "unexpected end of the expression"},
			{`"abc" «>» 3`, diag.ExpressionType, "mismatched types string and int"},
			{`«lower»(1, 2)`, diag.ExpressionType, "lower takes 1 argument, not 2"},
			{`payload.s matches «payload».p`, diag.ExpressionType, "cannot come from a value"},
			{`payload.s matches «"(a"»`, diag.ExpressionSyntax, "missing closing )"},
			{`payload.s matches «"((a{1,90}){1,90}){1,9}"»`, diag.ExpressionSyntax, ""},
			{`«»`, diag.ExpressionSyntax, "empty"},
			{`payload.«»`, diag.ExpressionSyntax, ""},
			{`let «payload» = 1; 2`, diag.ExpressionType, "redeclare"},
			{`«{{» payload.n }} > 1`, diag.ExpressionSyntax, "a {{ template }} cannot stand"},
			{`payload.s == «{{»payload.n}}`, diag.ExpressionSyntax, "write them without braces"},
			{`map(payload.l, {{"n": .x +«}»})`, diag.ExpressionSyntax, "unexpected"},
			{`payload.s == «"abc`, diag.ExpressionSyntax, "never closed"},
		},
		"cel": {
			{`payload.n > «Mesage».x`, diag.UnknownName, "did you mean `Message`?"},
			{`«foo».x + 1`, diag.UnknownName, "the names are event"},
			{`«len» > 3`, diag.UnknownName, `write steps["len"]`},
			{`steps[«"Is bg"»]`, diag.UnknownName, "did you mean `Is big`?"},
			{`event.«action» == 1`, diag.UnknownName, "under `payload`"},
			{`«sise»(payload)`, diag.UnknownName, "unknown function sise; did you mean `size`?"},
			{`payload.s.«lowerAsci»()`, diag.UnknownName, "did you mean `lowerAscii`?"},
			{`«lowerAscii»(payload.s)`, diag.UnknownName, "write x.lowerAscii(…)"},
			{`payload.n «=» 3`, diag.ExpressionSyntax, "equality is written =="},
			{`payload.n >«»`, diag.ExpressionSyntax, "unexpected end of the expression"},
			{`"abc" «>» 3`, diag.ExpressionType, "no matching overload for `>`"},
			{`payload.s.matches(«payload».p)`, diag.ExpressionType, "cannot come from a value"},
			{`payload.s.matches(«"(a"»)`, diag.ExpressionSyntax, "missing closing )"},
			{`now.getHours(«"Europe/Berlin"»)`, diag.ExpressionType, "time zones"},
			{`«b"x"»`, diag.ExpressionType, "bytes"},
			{`«3u»`, diag.ExpressionType, "unsigned"},
			{`{«1»: 2}`, diag.ExpressionType, "names of a map are strings"},
			{`Foo«{»a: 1}`, diag.ExpressionType, "a map is written"},
			{`«bytes»("x")`, diag.UnknownName, "unknown function bytes"},
			{`«»`, diag.ExpressionSyntax, "empty"},
			{`«{{» payload.n }} > 1`, diag.ExpressionSyntax, "a {{ template }} cannot stand"},
			{`payload.n > 1 «and» payload.m > 1`, diag.ExpressionSyntax, "CEL writes &&"},
		},
	}
	for lang, list := range cases {
		for _, c := range list {
			checkFinding(t, lang, c)
		}
	}
}

func checkFinding(t *testing.T, lang string, c finding) {
	t.Helper()
	text := strings.NewReplacer("«", "", "»", "").Replace(c.text)
	// The second line of a block scalar that is indented, behind characters of several bytes, as in a real manifest.
	const prefix = "    "
	manifest := "name: x\nlist:\n  - filter: |\n      true ? \"ü\" : // comment\n" + prefix + "  " + text + "\n"
	before := strings.Index(c.text, "«")
	line, col := 5, len([]rune(c.text[:before]))+len(prefix)+2+1
	if text == "" {
		manifest = "name: x\nlist:\n  - filter: \"\"\n"
		line, col = 3, 13
	} else if lang == "cel" {
		manifest = strings.Replace(manifest, "true ? \"ü\" : // comment", "\"ü\" != \"\" ? 1 : ", 1)
	}
	docs, problems := source.ParseYAML(source.NewFile("a.yaml", []byte(manifest)))
	if len(problems) > 0 {
		t.Fatalf("%s: %v", manifest, problems)
	}
	var out diag.List
	if p := script.CompileValue(lang, script.FromNode(docs[0].Get("list").Items[0].Get("filter")), scope(), &out); p != nil {
		t.Errorf("%s `%s` compiles, want a finding", lang, text)
		return
	}
	f := out.Sorted()[0]
	if f.Rule != c.rule || !strings.Contains(f.Message+"; "+f.Hint, c.want) {
		t.Errorf("%s `%s`: %v, want %s %q", lang, text, f, c.rule, c.want)
	}
	if got, want := f.Span.String(), fmt.Sprintf("a.yaml:%d:%d", line, col); got != want && before != len(c.text)-len("«»") {
		t.Errorf("%s `%s`: finding at %s, want %s (%v)", lang, text, got, want, f)
	}
	if f.Span.IsZero() {
		t.Errorf("%s `%s`: finding without a place", lang, text)
	}
}

func TestTemplatesInTextAreWarnedOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`"by {{ payload.login }}"`: 1, `"by {{Message.x}}"`: 1, `"by ${{ github.ref }}"`: 0, `"{{ payload"`: 0, `"{{ }}"`: 0, `map([1], {{"a": #}})`: 0,
	} {
		var out diag.List
		if p := script.CompileValue("expr", script.FromNode(source.NewString(text, source.Span{})), scope(), &out); p == nil || out.Len() != want {
			t.Errorf("%s: got %v, want %d warnings", text, out.Sorted(), want)
		}
	}
}

func TestAllUnknownNamesAreReported(t *testing.T) {
	t.Parallel()
	for _, lang := range expressionLanguages() {
		var out diag.List
		script.CompileValue(lang, script.Source{Text: `[aa, bb, cc(1), steps["dd"], event.ee]`}, scope(), &out)
		if out.Len() != 5 {
			t.Errorf("%s: %v, want 5 findings", lang, out.Sorted())
		}
	}
}

func TestAnUnknownLanguageIsAFinding(t *testing.T) {
	t.Parallel()
	var out diag.List
	if p := script.CompileCondition("celx", script.Source{Text: "true"}, scope(), &out); p != nil {
		t.Error("an unknown language gives a program")
	}
	if fs := out.Sorted(); len(fs) != 1 || fs[0].Rule != diag.BadValue || fs[0].Hint != "did you mean `cel`?" {
		t.Errorf("findings %v, want bad-value with a hint", fs)
	}
	if p := script.CompileValue("", script.Source{Text: "1"}, scope(), &out); p == nil {
		t.Error("no language gives no program, want the default's")
	}
}
