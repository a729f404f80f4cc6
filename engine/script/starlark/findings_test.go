package starlark

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
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
	both := []finding{
		{`payload.n > «Mesage».x`, diag.UnknownName, "did you mean `Message`?"},
		{`«payloud».n`, diag.UnknownName, "did you mean `payload`?"},
		{`«foo».x + 1`, diag.UnknownName, "the names are event"},
		{`count = 1; «coumt» + 1`, diag.UnknownName, "did you mean `count`?"},
		{`«env».X == 1`, diag.UnknownName, "cannot read the environment"},
		{`steps[«"Is bg"»]`, diag.UnknownName, "did you mean `Is big`?"},
		{`event.«action» == 1`, diag.UnknownName, "under `payload`"},
		{`event.get(«"action"»)`, diag.UnknownName, "under `payload`"},
		{`event.«nam»`, diag.UnknownName, "did you mean `name`?"},
		{`now.«year» == 2`, diag.ExpressionType, "has no fields"},
		{`«lenn»(payload)`, diag.UnknownName, "unknown function lenn; did you mean `len`?"},
		{`«null» == payload.x`, diag.UnknownName, "write None"},
		{`payload.x == «true»`, diag.UnknownName, "write True"},
		{`«map»(payload.list, 1)`, diag.UnknownName, "write a comprehension"},
		{`«open»("/etc/passwd")`, diag.UnknownName, "code reads no files"},
		{`payload.s.«uper»()`, diag.UnknownName, "did you mean `upper`?"},
		{`payload.s.«copy»()`, diag.UnknownName, "write list(x) or dict(x)"},
		{`payload.s.«len»()`, diag.UnknownName, "write len(x), not x.len()"},
		{`json.«encod»({})`, diag.UnknownName, "did you mean `encode`?"},
		{`payload.n >«»`, diag.ExpressionSyntax, "unexpected end of the"},
		{`(payload.n «»`, diag.ExpressionSyntax, "unexpected end of the"},
		{`payload.n > 3 «&&» payload.m`, diag.ExpressionSyntax, "write `and`"},
		{`payload.s == «"abc`, diag.ExpressionSyntax, ""},
		{`«{{» payload.n }} > 1`, diag.ExpressionSyntax, "a {{ template }} cannot stand"},
		{`payload.n = = «»3`, diag.ExpressionSyntax, ""},
		{`payload.x = «)»`, diag.ExpressionSyntax, "unexpected `)`"},
		{`len(1)«» = 3`, diag.ExpressionSyntax, ""},
		{`«break»`, diag.ExpressionSyntax, "not in a loop"},
		{`«import» json`, diag.ExpressionSyntax, "leave the line out"},
		{`«import» requests`, diag.ExpressionSyntax, "requests are sent by hook nodes"},
		{`«from» datetime import datetime`, diag.ExpressionSyntax, "`now` is the time of the run"},
		{`«class» A: pass`, diag.ExpressionSyntax, "maps and functions"},
		{`«try»: x = 1`, diag.ExpressionSyntax, "ask before"},
		{`«with» x: pass`, diag.ExpressionSyntax, "nothing here that must be closed"},
		{`«raise» 1`, diag.ExpressionSyntax, "fail("},
		{`«»`, diag.ExpressionSyntax, "empty"},
		{`# nothing«»`, diag.ExpressionSyntax, "empty"},
		{strings.Repeat("(", 64) + "«(»" + "1" + strings.Repeat(")", 65), diag.ExpressionTooLarge, "nests deeper than 64"},
		{`def f(a, «a»): pass`, diag.ExpressionSyntax, "duplicate parameter"},
	}
	cases := map[string][]finding{
		"starlark": append(both, []finding{
			{`«f»"{payload.n}"`, diag.ExpressionSyntax, "write the node in python"},
			{`«load»("x", "y")`, diag.ExpressionSyntax, "nothing can be loaded"},
			{`payload.x «is» None`, diag.ExpressionSyntax, "compare with =="},
			{`1 < payload.n «<» 3`, diag.ExpressionSyntax, "write a < b and b < c"},
			{`2 «**» 3`, diag.ExpressionSyntax, "math.pow"},
			{`«b"x"»`, diag.ExpressionType, "leave out the b"},
			{`if payload.n «=» 3: pass`, diag.ExpressionSyntax, "equality is written =="},
			{`"a" «"b"»`, diag.ExpressionSyntax, "joined with +"},
		}...),
		"python": append(both, []finding{
			{`if payload.n «=» 3: pass`, diag.ExpressionSyntax, "equality is written =="},
			{`x is «»1`, diag.ExpressionSyntax, "compare with =="},
			{`f"{payload.n}«}»"`, diag.ExpressionSyntax, "written twice"},
			{`f"a «}» b"`, diag.ExpressionSyntax, "written twice"},
			{`f"a «{}» b"`, diag.ExpressionSyntax, "hold nothing"},
			{`f"a «{»payload.n"`, diag.ExpressionSyntax, "never closed"},
			{`f"{payload.n +«»}"`, diag.ExpressionSyntax, "unexpected end"},
			{`f"{«foo»}"`, diag.UnknownName, "unknown name foo"},
			{`print «"x"»`, diag.ExpressionSyntax, "print takes brackets"},
			{`if payload.n > 3 «{»`, diag.ExpressionSyntax, ""},
			{`x «:=» 3`, diag.ExpressionSyntax, "assign on a line of its own"},
			{`«global» x`, diag.ExpressionSyntax, "hand values"},
			{`«async» def f(): pass`, diag.ExpressionSyntax, "hook nodes"},
			{`«@»x`, diag.ExpressionSyntax, "decorators"},
			{`«b»"x"`, diag.ExpressionSyntax, "leave out the b"},
			{`x = «“»a”`, diag.ExpressionSyntax, "quotes are written"},
			{`x = «1.2.3»`, diag.ExpressionSyntax, "is no number"},
			{`x = «3j»`, diag.ExpressionSyntax, "is no number"},
			{`x = «...»`, diag.ExpressionSyntax, "write `pass`"},
			{`«del» x`, diag.ExpressionSyntax, "give the variable another value"},
			{`x = [«*»y]`, diag.ExpressionSyntax, "join lists with +"},
			{`!«»x`, diag.ExpressionSyntax, "write `not`"},
			{`x = {1, 2: «»3}`, diag.ExpressionSyntax, ""},
			{`"a" «x»`, diag.ExpressionSyntax, "unexpected `x`"},
			{`«else»: pass`, diag.ExpressionSyntax, "has no `if` above it"},
			{`while True: pass;«;»`, diag.ExpressionSyntax, ""},
		}...),
	}
	for lang, list := range cases {
		compile := Compile
		if lang == "python" {
			compile = CompilePython
		}
		for _, c := range list {
			t.Run(lang+"/"+c.text, func(t *testing.T) {
				t.Parallel()
				checkFinding(t, compile, c)
			})
		}
	}
}

func checkFinding(t *testing.T, compile compiler, c finding) {
	t.Helper()
	text := strings.NewReplacer("«", "", "»", "").Replace(c.text)
	// The third line of a block scalar that is indented, behind characters of several bytes, as in a real manifest.
	before := strings.Index(c.text, "«")
	manifest := "name: x\nlist:\n  - code: |\n      # ü comment\n      ö = 'ü'\n      " + text + "\n"
	line, col := 6, len([]rune(c.text[:max(0, before)]))+7
	placed := !strings.Contains(c.text, "«»") && before >= 0
	if strings.Contains(c.want, "empty") {
		manifest = "name: x\nlist:\n  - code: \"" + text + "\"\n"
	}
	docs, problems := source.ParseYAML(source.NewFile("a.yaml", []byte(manifest)))
	if len(problems) > 0 {
		t.Fatalf("%s: %v", manifest, problems)
	}
	var out diag.List
	if p := compile(language.FromNode(docs[0].Get("list").Items[0].Get("code")), scope(t), false, &out); p != nil {
		t.Fatal("it compiles, want a finding")
	}
	f := out.Sorted()[0]
	if f.Rule != c.rule || !strings.Contains(f.Message+"; "+f.Hint, c.want) {
		t.Errorf("%v, want %s %q", f, c.rule, c.want)
	}
	if got, want := f.Span.String(), fmt.Sprintf("a.yaml:%d:%d", line, col); placed && got != want {
		t.Errorf("finding at %s, want %s (%v)", got, want, f)
	}
	if f.Span.IsZero() {
		t.Error("a finding without a place")
	}
}

func TestAllMistakesInNamesAreReported(t *testing.T) {
	t.Parallel()
	for name, compile := range map[string]compiler{"starlark": Compile, "python": CompilePython} {
		var out diag.List
		if p := compile(language.Source{Text: `[aa, bb, cc(1), steps["dd"], event.ee, payload.x.ff()]`}, scope(t), false, &out); p != nil || out.Len() != 6 {
			t.Errorf("%s: %v, want 6 findings", name, out.Sorted())
		}
	}
}

func TestConditionsThatCannotBeAreFindings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"payload.n > 3"`:      "this is a string; a quoted text is only text",
		`3`:                    "this is a number",
		`[payload.n > 3]`:      "this is a list",
		`{}`:                   "this is a map",
		`None`:                 "this is null",
		`print("x")`:           "this gives nothing",
		"for x in []:\n  pass": "this gives nothing",
	} {
		for name, compile := range map[string]compiler{"starlark": Compile, "python": CompilePython} {
			var out diag.List
			p := compile(language.Source{Text: text}, scope(t), true, &out)
			if p != nil || out.Len() != 1 {
				t.Errorf("%s `%s`: %v, %v, want a finding", name, text, p, out.Sorted())
				continue
			}
			if f := out.Sorted()[0]; f.Rule != diag.ExpressionType || !strings.Contains(f.Message+"; "+f.Hint, want) {
				t.Errorf("%s `%s`: %v, want %q", name, text, f, want)
			}
		}
	}
}

func TestTemplatesInTextsAreWarnedOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{`"by {{ payload.login }}"`: 1, `'{{Message.x}}'`: 1, `"{{ }}"`: 0, `"${{ github.ref }}"`: 0} {
		for name, compile := range map[string]compiler{"starlark": Compile, "python": CompilePython} {
			var out diag.List
			if p := compile(language.FromNode(source.NewString(text, source.Span{})), scope(t), false, &out); p == nil || out.Len() != want || out.HasErrors() {
				t.Errorf("%s %s: %v, want %d warnings", name, text, out.Sorted(), want)
			}
		}
	}
	var out diag.List
	if p := CompilePython(language.Source{Text: `f"{{ payload.login }}"`}, scope(t), false, &out); p == nil || out.Len() != 0 {
		t.Errorf("braces of an f-string: %v, want nothing", out.Sorted())
	}
}
