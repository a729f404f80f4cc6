package script_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// reference gives a resolved scalar that holds a secret.
func reference(tb testing.TB) *source.Node {
	tb.Helper()
	n := scalar(tb, "x: a <<env.TOKEN>> b\n")
	text := secret.NewText(secret.Part{Literal: "a "}, secret.Part{Ref: "<<env.TOKEN>>", Value: secret.New("s3cret")}, secret.Part{Literal: " b"})
	n.Value = &text
	return n
}

// scalar gives the value of x in a manifest.
func scalar(tb testing.TB, manifest string) *source.Node {
	tb.Helper()
	docs, problems := source.ParseYAML(source.NewFile("a.yaml", []byte(manifest)))
	if len(problems) > 0 {
		tb.Fatalf("%s: %v", manifest, problems)
	}
	return docs[0].Get("x")
}

func compileTemplate(tb testing.TB, text string) *script.Template {
	tb.Helper()
	var out diag.List
	tpl := script.CompileTemplate(script.Source{Text: text}, scope(), &out)
	if tpl == nil {
		tb.Fatalf("template %q does not compile: %v", text, out.Sorted())
	}
	return tpl
}

func TestTemplatesRender(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		``:                                        "",
		`plain`:                                   "plain",
		`{{ payload.n }}`:                         int64(25),
		`{{payload.tags}}`:                        []any{"x", "y"},
		`{{ payload.missing }}`:                   nil,
		`{{ payload.yes }}`:                       true,
		`{{ {"a": {"b": payload.n}} }}`:           map[string]any{"a": map[string]any{"b": int64(25)}},
		`{{{"a": {"b": 1}}}}`:                     map[string]any{"a": map[string]any{"b": int64(1)}},
		`n={{ payload.n }}`:                       "n=25",
		` {{ payload.n }}`:                        " 25",
		"{{ payload.n }}\n":                       "25\n",
		`{{ payload.n }}{{ payload.f }}`:          "2525.5",
		`[{{ payload.missing }}]`:                 "[]",
		`is {{ payload.yes }}`:                    "is true",
		`id {{ payload.id }} {{ payload.big }}`:   "id 9007199254740993 18446744073709551615",
		`l {{ payload.tags }}`:                    `l ["x","y"]`,
		`m {{ payload.user }}`:                    `m {"login":"octo","odd name":1,"site_admin":false}`,
		`t {{ now }}`:                             "t 2024-01-03T03:04:05Z",
		`\{{ payload.n }}`:                        "{{ payload.n }}",
		`\{{{{ payload.n }}`:                      "{{25",
		`a }} b { c } {`:                          "a }} b { c } {",
		`{{ "}}" }}`:                              "}}",
		`{{ '}}' + "\"}}" + ` + "`}}`" + ` }}`:    `}}"}}}}`,
		`{{ "{{" }}x`:                             "{{x",
		`{{ payload.n /* }} */ }}`:                int64(25),
		`{{ map(payload.tags, {# + "!"}) }}`:      []any{"x!", "y!"},
		`{{ Message.text }}`:                      "hi",
		`{{ steps["Is big"] ? "big" : "small" }}`: "big",
		`ü{{ payload.text }}ü`:                    "üGrößeü",
	} {
		got, err := compileTemplate(t, text).Render(t.Context(), environment(t))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q renders %#v, %v, want %#v", text, got, err, want)
		}
	}
}

func TestRenderStringMakesTextOfASoleExpression(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{`{{ payload.tags }}`: `["x","y"]`, `{{ payload.missing }}`: "", `{{ payload.n }}`: "25"} {
		if got, err := compileTemplate(t, text).RenderString(t.Context(), environment(t)); err != nil || got != want {
			t.Errorf("%q renders %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestABlockScalarsLastLineEndIsNoText(t *testing.T) {
	t.Parallel()
	for manifest, want := range map[string]any{
		"x: |\n  {{ payload.n }}\n":      int64(25),
		"x: >\n  {{ payload.n }}\n":      int64(25),
		"x: |-\n  {{ payload.n }}\n":     int64(25),
		"x: \"{{ payload.n }}\\n\"\n":    "25\n",
		"x: |\n  {{ payload.n }}\n  a\n": "25\na\n",
	} {
		var out diag.List
		tpl := script.CompileTemplate(script.FromNode(scalar(t, manifest)), scope(), &out)
		if tpl == nil {
			t.Fatal(out.Sorted())
		}
		if got, err := tpl.Render(t.Context(), environment(t)); err != nil || got != want {
			t.Errorf("%q renders %#v, %v, want %#v", manifest, got, err, want)
		}
	}
}

func TestStaticTemplates(t *testing.T) {
	t.Parallel()
	if text, ok := compileTemplate(t, `a \{{ b }}`).Static(); !ok || text != "a {{ b }}" {
		t.Errorf("Static = %q, %v, want the text without its escape", text, ok)
	}
	if text, ok := compileTemplate(t, `a {{ 1 }}`).Static(); ok {
		t.Errorf("Static = %q of a template with an expression", text)
	}
}

func TestPayloadTextIsNeverParsedAgain(t *testing.T) {
	t.Parallel()
	env := environment(t)
	for _, evil := range []string{"{{ payload.n }}", `"}}{{ vars.team }}`, "\u2028 \" \n \\", "<<env.HOME>>", `\{{`} {
		env.Payload = map[string]any{"s": evil}
		got, err := compileTemplate(t, `-{{ payload.s }}-`).Render(t.Context(), env)
		if err != nil || got != "-"+evil+"-" {
			t.Errorf("renders %q, %v, want %q between dashes", got, err, evil)
		}
	}
}

func TestBrokenTemplatesNameTheirColumn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		manifest, at string
		rule         diag.Rule
		want         string
	}{
		{"x: \"a {{ payload.n\"\n", "a.yaml:1:7", diag.TemplateSyntax, "not closed"},
		{"x: 'ü {{ \"a }}'\n", "a.yaml:1:7", diag.TemplateSyntax, "each quote"},
		{"x: \"a {{ }} b\"\n", "a.yaml:1:7", diag.TemplateSyntax, "no expression"},
		{"x: \"a {{ payloud.n }}\"\n", "a.yaml:1:10", diag.UnknownName, "did you mean `payload`?"},
		{"x: \"\\\"ü {{ payloud.n }}\"\n", "a.yaml:1:12", diag.UnknownName, "payload"},
		{"x: |\n  line\n  {{ 1 }} {{ 1 + }}\n", "a.yaml:3:17", diag.ExpressionSyntax, "unexpected end"},
		{"x: a {{ payload.n = 1 }}\n", "a.yaml:1:19", diag.ExpressionSyntax, "=="},
	} {
		var out diag.List
		if tpl := script.CompileTemplate(script.FromNode(scalar(t, c.manifest)), scope(), &out); tpl != nil {
			t.Errorf("%q compiles", c.manifest)
			continue
		}
		f := out.Sorted()[0]
		if f.Span.String() != c.at || f.Rule != c.rule || !strings.Contains(f.Message+f.Hint, c.want) {
			t.Errorf("%q: %v, want %s %s %q", c.manifest, f, c.at, c.rule, c.want)
		}
	}
}

func TestAllExpressionsOfATemplateAreChecked(t *testing.T) {
	t.Parallel()
	var out diag.List
	script.CompileTemplate(script.Source{Text: `{{ aa }} {{ }} {{ bb }} {{ cc`}, scope(), &out)
	if out.Len() != 4 {
		t.Errorf("findings %v, want 4", out.Sorted())
	}
}

func TestEscapedReferencesKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	n := scalar(t, `x: 'a \<<b>> \<<c>> {{ payloud }}'`+"\n")
	text := secret.Literal(`a <<b>> <<c>> {{ payloud }}`)
	n.Value = &text
	var out diag.List
	script.CompileTemplate(script.FromNode(n), scope(), &out)
	if fs := out.Sorted(); len(fs) != 1 || fs[0].Span.String() != "a.yaml:1:24" {
		t.Errorf("findings %v, want one at a.yaml:1:24", fs)
	}
}

func TestTemplatesRefuseReferences(t *testing.T) {
	t.Parallel()
	var out diag.List
	if tpl := script.CompileTemplate(script.FromNode(reference(t)), scope(), &out); tpl != nil || out.Sorted()[0].Rule != diag.ReferenceNotAllowed {
		t.Errorf("findings %v, want reference-not-allowed", out.Sorted())
	}
}

func TestTemplateErrorsNameTheOperand(t *testing.T) {
	t.Parallel()
	_, err := compileTemplate(t, `a {{ payload.missing + 1 }}`).Render(t.Context(), environment(t))
	var e *script.Error
	if !errors.As(err, &e) || e.Code != script.Expression || !strings.Contains(e.Message, "payload.missing is null") {
		t.Errorf("error %v, want one that names payload.missing", err)
	}
}

func TestRenderedTextIsBounded(t *testing.T) {
	t.Parallel()
	env := environment(t)
	env.Payload = map[string]any{"s": strings.Repeat("x", 700_000)}
	for _, text := range []string{`{{ payload.s }}{{ payload.s }}`, `{{ payload.s + payload.s }}`, `a {{ [payload.s, payload.s] }}`} {
		_, err := compileTemplate(t, text).Render(t.Context(), env)
		var e *script.Error
		if !errors.As(err, &e) || e.Code != script.TooLarge {
			t.Errorf("%s: %v, want too_large", text, err)
		}
	}
}

func TestTreesRender(t *testing.T) {
	t.Parallel()
	n := scalar(t, `x:
  text: "Big: {{ payload.action }}"
  "{{ key }}": literal
  whole: "{{ payload.id }}"
  list: [1, 1.50, 0x1F, true, null, ~, "{{ payload.tags }}", "\\{{ no }}", 18446744073709551615, .5, 2024-01-01]
  nested: {a: {b: "{{ Message }}"}}
  empty: {}
  none: []
`)
	var out diag.List
	tree := script.CompileTree(n, scope(), &out)
	if tree == nil {
		t.Fatal(out.Sorted())
	}
	for range 2 {
		v, err := tree.Render(t.Context(), environment(t))
		if err != nil {
			t.Fatal(err)
		}
		got, err := payload.Encode(v)
		want := `{"empty":{},"list":[1,1.5,31,true,null,null,["x","y"],"{{ no }}",18446744073709551615,0.5,"2024-01-01"],` +
			`"nested":{"a":{"b":{"text":"hi"}}},"none":[],"text":"Big: opened","whole":9007199254740993,"{{ key }}":"literal"}`
		if err != nil || string(got) != want {
			t.Errorf("renders %s, %v, want %s", got, err, want)
		}
	}
	if v, err := script.CompileTree(nil, scope(), &out).Render(t.Context(), environment(t)); v != nil || err != nil {
		t.Errorf("a tree of nothing renders %v, %v, want null", v, err)
	}
}

func TestTreesReportEverything(t *testing.T) {
	t.Parallel()
	n := scalar(t, "x:\n  a: '{{ aa }}'\n  b: ['{{ bb']\n  c: .inf\n  d: {e: '{{ }}'}\n")
	var out diag.List
	if tree := script.CompileTree(n, scope(), &out); tree != nil {
		t.Error("a broken tree compiles")
	}
	var got []string
	for _, f := range out.Sorted() {
		got = append(got, f.Span.String()+" "+string(f.Rule))
	}
	want := []string{"a.yaml:2:10 unknown-name", "a.yaml:3:8 template-syntax", "a.yaml:4:6 bad-value", "a.yaml:5:11 template-syntax"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("findings %q, want %q", got, want)
	}
}

func TestTreesRefuseReferences(t *testing.T) {
	t.Parallel()
	span := source.Span{}
	tree := source.NewMap(span, source.NewEntry("a", span, source.NewList(span, reference(t))))
	var out diag.List
	if script.CompileTree(tree, scope(), &out) != nil || out.Len() != 1 || out.Sorted()[0].Rule != diag.ReferenceNotAllowed {
		t.Errorf("findings %v, want one reference-not-allowed", out.Sorted())
	}
}

func TestATreeIsBoundedAsAWhole(t *testing.T) {
	t.Parallel()
	span := source.Span{}
	var items []*source.Node
	for range 4 {
		items = append(items, source.NewString("{{ payload.s }}", span))
	}
	var out diag.List
	tree := script.CompileTree(source.NewList(span, items...), scope(), &out)
	env := environment(t)
	env.Payload = map[string]any{"s": strings.Repeat("x", 300_000)}
	_, err := tree.Render(t.Context(), env)
	var e *script.Error
	if !errors.As(err, &e) || e.Code != script.TooLarge {
		t.Errorf("error %v, want too_large", err)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{`a {{ payload.n }} b`, `\{{ x }}`, `{{ "}}" }}`, `{{ {"a": {}} }}`, `{{`, `}}{{}}`, "{{ `", `{{ 'a' /* }} */ + // }}`} {
		f.Add(s)
	}
	env := environment(f)
	f.Fuzz(func(t *testing.T, text string) {
		end := 0
		for _, p := range script.Split(text) {
			if p.From != end || p.To <= p.From {
				t.Fatalf("pieces of %q: %v, want them one after the other", text, script.Split(text))
			}
			end = p.To
		}
		if end != len(text) {
			t.Fatalf("pieces of %q end at %d", text, end)
		}
		var out diag.List
		tpl := script.CompileTemplate(script.Source{Text: text}, scope(), &out)
		if (tpl == nil) != out.HasErrors() {
			t.Fatalf("%q gives %v and findings %v", text, tpl, out.Sorted())
		}
		if tpl != nil {
			if v, err := tpl.Render(t.Context(), env); err == nil {
				if _, err := payload.Encode(v); err != nil {
					t.Fatalf("%q renders %#v: %v", text, v, err)
				}
			}
		}
		// Any text can be written as a template of itself, but for a backslash that stands before braces already.
		if strings.Contains(text, `\{{`) || strings.Contains(text, "{{{") {
			return
		}
		escaped := script.CompileTemplate(script.Source{Text: strings.ReplaceAll(text, "{{", `\{{`)}, scope(), &out)
		if got, ok := escaped.Static(); !ok || got != text {
			t.Fatalf("%q escaped gives %q, %v", text, got, ok)
		}
	})
}
