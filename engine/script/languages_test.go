package script_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
)

// question is one condition in every language. An empty text says that a language cannot ask it.
type question struct {
	name string
	in   map[string]string
	want bool
}

func questions() []question {
	return []question{
		{"equal text", map[string]string{
			"expr": `payload.action == "opened"`, "cel": `payload.action == "opened"`, "filter": `(eq action opened)`,
			"starlark": `payload.action == "opened"`, "javascript": `payload.action === "opened"`, "python": `payload["action"] == "opened"`,
		}, true},
		{"more than", map[string]string{
			"expr": `payload.n > 20 && payload.f > 25`, "cel": `payload.n > 20 && payload.f > 25`, "filter": `(and (gt n 20) (gt f 25))`,
			"starlark": `payload.n > 20 and payload.f > 25`, "javascript": `payload.n > 20 && payload.f > 25`, "python": `payload["n"] > 20 and payload["f"] > 25`,
		}, true},
		{"not", map[string]string{
			"expr": `!payload.user.site_admin`, "cel": `!payload.user.site_admin`, "filter": `(not (eq user.site_admin true))`,
			"starlark": `not payload.user.site_admin`, "javascript": `!payload.user.site_admin`, "python": `not payload["user"]["site_admin"]`,
		}, true},
		{"any of a list", map[string]string{
			"expr": `any(payload.labels, .name == "bug")`, "cel": `payload.labels.exists(l, l.name == "bug")`, "filter": `(has "labels.*.name" "bug")`,
			"starlark": `any([l.name == "bug" for l in payload.labels])`, "javascript": `payload.labels.some(l => l.name === "bug")`,
			"python": `any([l["name"] == "bug" for l in payload["labels"]])`,
		}, true},
		{"in a list", map[string]string{
			"expr": `"y" in payload.tags`, "cel": `"y" in payload.tags`, "filter": `(has tags y)`,
			"starlark": `"y" in payload.tags`, "javascript": `payload.tags.includes("y")`, "python": `"y" in payload["tags"]`,
		}, true},
		{"begins with", map[string]string{
			"expr": `payload.ref startsWith "refs/heads/"`, "cel": `payload.ref.startsWith("refs/heads/")`, "filter": `(starts-with ref refs/heads/)`,
			"starlark": `payload.ref.startswith("refs/heads/")`, "javascript": `payload.ref.startsWith("refs/heads/")`, "python": `payload["ref"].startswith("refs/heads/")`,
		}, true},
		{"contains", map[string]string{
			"expr": `payload.ref contains "main"`, "cel": `payload.ref.contains("main")`, "filter": `(contains ref main)`,
			"starlark": `"main" in payload.ref`, "javascript": `payload.ref.includes("main")`, "python": `"main" in payload["ref"]`,
		}, true},
		{"a large id", map[string]string{
			"expr": `payload.id == 9007199254740993`, "cel": `payload.id == 9007199254740993`, "filter": `(eq id 9007199254740993)`,
			"starlark": `payload.id == 9007199254740993`, "javascript": `payload.id === 9007199254740993n`, "python": `payload["id"] == 9007199254740993`,
		}, true},
		{"not the id beside it", map[string]string{
			"expr": `payload.id == 9007199254740992`, "cel": `payload.id == 9007199254740992`, "filter": `(eq id 9007199254740992)`,
			"starlark": `payload.id == 9007199254740992`, "javascript": `payload.id == 9007199254740992`, "python": `payload["id"] == 9007199254740992`,
		}, false},
		{"missing is null", map[string]string{
			"expr": `payload.pull_request.head.sha == null`, "cel": `payload.pull_request.head.sha == null`, "filter": `(not (exists pull_request.head.sha))`,
			"starlark": `payload.pull_request.head.sha == None`, "javascript": `payload.pull_request.head.sha == null`,
			"python": `payload["pull_request"]["head"]["sha"] == None`,
		}, true},
		{"missing is not text", map[string]string{
			"expr": `payload.missing == ""`, "cel": `payload.missing == ""`, "filter": `(eq missing "")`,
			"starlark": `payload.missing == ""`, "javascript": `payload.missing === ""`, "python": `payload["missing"] == ""`,
		}, false},
		{"null and missing are the same", map[string]string{
			"expr": `payload.nothing == payload.missing`, "cel": `payload.nothing == payload.missing`, "filter": `(not (or (exists nothing) (exists missing)))`,
			"starlark": `payload.nothing == payload.missing`, "javascript": `payload.nothing == payload.missing`, "python": `payload["nothing"] == payload["missing"]`,
		}, true},
		{"an earlier output", map[string]string{
			"expr": `Message.text == "hi" && steps["Is big"]`, "cel": `Message.text == "hi" && steps["Is big"]`,
			"starlark": `Message.text == "hi" and steps["Is big"]`, "javascript": `Message.text === "hi" && steps["Is big"]`,
			"python": `Message["text"] == "hi" and steps["Is big"]`,
		}, true},
		{"a header whatever its case", map[string]string{
			"expr": `headers["X-Acme-Event"] == "pull_request"`, "cel": `headers["X-Acme-Event"] == "pull_request"`,
			"starlark": `headers["X-Acme-Event"] == "pull_request"`, "javascript": `headers["X-Acme-Event"] === "pull_request"`,
			"python": `headers["X-Acme-Event"] == "pull_request"`,
		}, true},
		{"the body as it came", map[string]string{
			"expr": `event.raw startsWith "{"`, "cel": `event.raw.startsWith("{")`,
			"starlark": `event.raw.startswith("{")`, "javascript": `event.raw.startsWith("{")`, "python": `event["raw"].startswith("{")`,
		}, true},
	}
}

func TestTheSameQuestionInEveryLanguage(t *testing.T) {
	t.Parallel()
	env := environment(t)
	env.Body = []byte(body)
	shared := scope()
	for _, q := range questions() {
		for _, lang := range script.ConditionLanguages() {
			text := q.in[lang]
			if text == "" {
				if lang != "filter" {
					t.Errorf("%s is not asked in %s", q.name, lang)
				}
				continue
			}
			var out diag.List
			p := script.CompileCondition(lang, script.Source{Text: text}, shared, &out)
			if p == nil {
				t.Errorf("%s in %s `%s`: %v", q.name, lang, text, out.Sorted())
				continue
			}
			if r, err := p.Eval(t.Context(), env); err != nil || r.Value != q.want {
				t.Errorf("%s in %s `%s` = %v, %v, want %v", q.name, lang, text, r.Value, err, q.want)
			}
		}
	}
}

// pass gives the text that hands a member of the payload on, and one that does not look at what a missing one is.
func pass(lang, name string) string {
	if lang == "python" {
		return `payload["` + name + `"]`
	}
	return "payload." + name
}

func TestNumbersKeepTheirDigitsInEveryLanguage(t *testing.T) {
	t.Parallel()
	shared := scope()
	for _, number := range []string{
		"9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808", "18446744073709551615", "123456789012345678901234567890", "0.1", "1e400",
		"0.12345678901234567890", "1.5", "25", "0", "1e21",
	} {
		env := environment(t)
		env.Payload = decode(t, `{"v": `+number+`, "list": [{"v": `+number+`}]}`)
		want, err := payload.Encode(env.Payload.(map[string]any)["v"])
		if err != nil {
			t.Fatal(err)
		}
		for _, lang := range script.CodeLanguages() {
			text, expect := `[`+pass(lang, "v")+`, `+pass(lang, "list")+`]`, `[`+string(want)+`,[{"v":`+string(want)+`}]]`
			if lang == "text" {
				text, expect = `{{ payload.v }}`, `"`+string(want)+`"`
			}
			r, err := compileIn(t, shared, lang, text).Eval(t.Context(), env)
			got, encodeErr := payload.Encode(r.Value)
			if err != nil || encodeErr != nil || string(got) != expect {
				t.Errorf("%s: %s comes out as %s, %v, want %s", lang, number, got, err, expect)
			}
		}
	}
}

func TestWhatIsMissingInEveryLanguage(t *testing.T) {
	t.Parallel()
	shared := scope()
	env := environment(t)
	for _, lang := range script.CodeLanguages() {
		if lang == "text" {
			r, err := compileIn(t, shared, lang, `a{{ payload.missing.x }}b`).Eval(t.Context(), env)
			if err != nil || r.Value != "ab" {
				t.Errorf("text: %v, %v, want ab", r.Value, err)
			}
			continue
		}
		for _, text := range []string{"payload.missing", "payload.missing.x.y", "payload.nothing.x", "payload.n.x", "Later.text"} {
			if lang == "python" {
				first, rest, _ := strings.Cut(text, ".")
				text = first + `["` + strings.ReplaceAll(rest, ".", `"]["`) + `"]`
			}
			r, err := compileIn(t, shared, lang, text).Eval(t.Context(), env)
			if err != nil || r.Value != nil {
				t.Errorf("%s `%s` = %v, %v, want null", lang, text, r.Value, err)
			}
		}
	}
}

func TestCalculatingWithWhatIsMissingFailsInEveryLanguage(t *testing.T) {
	t.Parallel()
	shared := scope()
	for _, lang := range script.CodeLanguages() {
		if lang == "text" {
			continue
		}
		r, err := compileIn(t, shared, lang, pass(lang, "missing")+" * 2").Eval(t.Context(), environment(t))
		var e *script.Error
		if !errors.As(err, &e) || e.Code != script.Expression {
			t.Errorf("%s: null * 2 = %v, %v, want an error", lang, r.Value, err)
		}
	}
}

func TestWhereLanguagesMayBeUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ got, want []string }{
		"filters":    {script.FilterLanguages(), []string{"expr", "cel", "filter"}},
		"conditions": {script.ConditionLanguages(), []string{"expr", "cel", "filter", "starlark", "javascript", "python"}},
		"code":       {script.CodeLanguages(), []string{"expr", "cel", "starlark", "javascript", "python", "text"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("languages of %s are %v, want %v", name, c.got, c.want)
		}
	}
	var out diag.List
	if p := script.CompileValue("filter", script.Source{Text: `(eq a 1)`}, scope(), &out); p != nil || out.Sorted()[0].Rule != diag.BadValue {
		t.Errorf("a filter as code: %v, want bad-value", out.Sorted())
	}
}

func TestCodeInTextIsATemplate(t *testing.T) {
	t.Parallel()
	r, err := compileValue(t, "text", `{{ payload.n }}`).Eval(t.Context(), environment(t))
	if err != nil || r.Value != "25" {
		t.Errorf("%#v, %v, want the text 25", r.Value, err)
	}
	r, err = compileValue(t, "text", `PR {{ payload.n }} of {{ payload.user.login }} and {{ payload.n }}`).Eval(t.Context(), environment(t))
	if err != nil || r.Value != "PR 25 of octo and 25" || len(r.Reads) != 2 || r.Reads[1].Operand != "payload.user.login" {
		t.Errorf("%#v with reads %v, %v", r.Value, r.Reads, err)
	}
	r, err = compileValue(t, "text", `{{ payload.n }} {{ payload.missing + 1 }}`).Eval(t.Context(), environment(t))
	if err == nil || r.Value != nil || len(r.Reads) != 2 {
		t.Errorf("%#v with reads %v, %v, want an error and its reads", r.Value, r.Reads, err)
	}
}

func TestTheRawBody(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{"{\"a\": \"ü\"}": "{\"a\": \"ü\"}", "\xff\x00": "/wA=", "": ""} {
		env := environment(t)
		env.Body = []byte(text)
		for _, expression := range []string{`event.raw`, `get(event, "raw")`} {
			if r, err := compileValue(t, "expr", expression).Eval(t.Context(), env); err != nil || r.Value != want {
				t.Errorf("%s of %q = %v, %v, want %q", expression, text, r.Value, err, want)
			}
		}
	}
	if r, err := compileValue(t, "expr", `event.raw`).Eval(t.Context(), environment(t)); err != nil || r.Value != nil {
		t.Errorf("event.raw without a body = %v, %v, want null", r.Value, err)
	}
}

func TestALenientScopeMakesUnknownNamesNull(t *testing.T) {
	t.Parallel()
	lenient := scope()
	lenient.Lenient = true
	for _, c := range []struct {
		text, want string
		warnings   int
	}{
		{`[nobody, nobody.x.y, payload.n]`, `[null,null,25]`, 1},
		{`[True, False, None]`, `[true,false,null]`, 0},
		{`{"a": True, "b": nobody == null}`, `{"a":true,"b":true}`, 1},
		{`[event.nope, steps["nobody"]]`, `[null,null]`, 2},
		{`payload.missing == None ? 1 : 2`, `1`, 0},
	} {
		for _, lang := range expressionLanguages() {
			var out diag.List
			p := script.CompileValue(lang, script.Source{Text: c.text}, lenient, &out)
			if p == nil || out.Count(diag.Warning) != c.warnings {
				t.Errorf("%s `%s`: %v, want %d warnings", lang, c.text, out.Sorted(), c.warnings)
				continue
			}
			r, err := p.Eval(t.Context(), environment(t))
			got, _ := payload.Encode(r.Value)
			if err != nil || string(got) != c.want {
				t.Errorf("%s `%s` = %s, %v, want %s", lang, c.text, got, err, c.want)
			}
		}
	}
	for _, lang := range expressionLanguages() {
		for _, text := range []string{`nobody`, `True`, `None`} {
			var out diag.List
			if p := script.CompileValue(lang, script.Source{Text: text}, scope(), &out); p != nil {
				t.Errorf("%s `%s` compiles in a strict scope", lang, text)
			}
		}
		var out diag.List
		if p := script.CompileValue(lang, script.Source{Text: `nobody(1)`}, lenient, &out); p != nil {
			t.Errorf("%s: an unknown function compiles", lang)
		}
	}
	var out diag.List
	tpl := script.CompileTemplate(script.Source{Text: `a {{ nobody.x }} {{ nobody }}`}, lenient, &out)
	if text, err := tpl.RenderString(t.Context(), environment(t)); err != nil || text != "a  " {
		t.Errorf("a template renders %q, %v", text, err)
	}
}
