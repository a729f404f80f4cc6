package starlark

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
	"github.com/headgate/headgate/engine/source"
)

func TestReadsNameWhatTheTextNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]language.Read{
		`payload.user.login + payload["ref"] + payload.user.login`:        {{Operand: "payload.user.login", Value: "octo"}, {Operand: "payload.ref", Value: "refs/heads/main"}},
		`webhook_response.get("status", "x") + str(payload.labels[0].id)`: {{Operand: "webhook_response.status", Value: "ok"}, {Operand: "payload.labels[0].id", Value: int64(2)}},
		`payload.nope.deeper if False else steps["Is big"]`:               {{Operand: "payload.nope.deeper"}, {Operand: `steps["Is big"]`, Value: true}},
		`headers["X-Acme-Event"]`:                                         {{Operand: `headers["x-acme-event"]`, Value: "pull_request"}},
		`now`:                                                             {{Operand: "now", Value: "2024-01-03T03:04:05Z"}},
		"payload = 3\npayload":                                            nil,
		`[payload.name for payload in [{"name": 1}]]`:                     nil,
		"def f(payload):\n  return payload.n\nf({})":                      nil,
	} {
		for name, compile := range map[string]compiler{"starlark": Compile, "python": CompilePython} {
			result, err := compiled(t, compile, text).Eval(t.Context(), environment(t))
			if err != nil {
				t.Errorf("%s `%s`: %v", name, text, err)
			}
			if !reflect.DeepEqual(result.Reads, want) {
				t.Errorf("%s `%s` reads %v, want %v", name, text, result.Reads, want)
			}
		}
	}
}

func TestPrintGoesIntoTheLog(t *testing.T) {
	t.Parallel()
	text := `print("a", 1, payload.user.login, sep="-")` + "\n" + `print(f"Notification sent: {webhook_response}")`
	result, err := compiled(t, CompilePython, text).Eval(t.Context(), environment(t))
	if want := []string{"a-1-octo", "Notification sent: {'status': 'ok'}"}; err != nil || !reflect.DeepEqual(result.Log, want) {
		t.Errorf("log %q, %v, want %q", result.Log, err, want)
	}
	result, err = compiled(t, Compile, `for i in range(200): print("ü" * 5000)`).Eval(t.Context(), environment(t))
	if err != nil || len(result.Log) != maxLogLines+1 || len(result.Log[0]) != maxLogBytes || result.Log[maxLogLines] != "more lines are left out" {
		t.Errorf("%d lines, the first of %d bytes, the last %q, %v", len(result.Log), len(result.Log[0]), result.Log[len(result.Log)-1], err)
	}
	result, err = compiled(t, Compile, "print(\"before\")\npayload.missing + 1").Eval(t.Context(), environment(t))
	if err == nil || !reflect.DeepEqual(result.Log, []string{"before"}) {
		t.Errorf("log %q, %v, want what was printed before the mistake", result.Log, err)
	}
}

func TestConditionsAreTrueOrFalse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`payload.n > 20`, "true"},
		{"x = payload.n\nif x > 20:\n  return False\nreturn True", "false"},
		{"result = payload.yes", "true"},
		{`payload.text`, "payload.text is a string, a condition must be true or false"},
		{`payload.missing`, "payload.missing is null, a condition must be true or false"},
		{"result = None", "result is null, a condition must be true or false"},
	} {
		var out diag.List
		p := Compile(language.Source{Text: c.text}, scope(t), true, &out)
		if p == nil {
			t.Fatalf("`%s`: %v", c.text, out.Sorted())
		}
		result, err := p.Eval(t.Context(), environment(t))
		if c.want == "true" || c.want == "false" {
			if err != nil || result.Value != (c.want == "true") {
				t.Errorf("`%s` = %v, %v, want %s", c.text, result.Value, err, c.want)
			}
			continue
		}
		var e *value.Error
		if !errors.As(err, &e) || e.Code != value.NotBoolean || e.Message != c.want {
			t.Errorf("`%s`: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestWhatEndsCodeHasACode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]value.Code{
		`"a" * (1 << 29)`:                                           {value.TooLarge},
		"[0] * (1 << 29)":                                           {value.TooLarge},
		"x = 'a'\nfor i in range(60): x += x":                       {value.TooLarge},
		"while True: pass":                                          {value.TooExpensive},
		"x = []\nx.append(x)\nx":                                    {value.TooLarge},
		"x = 1\nfor i in range(300): x = [x]\nx":                    {value.TooLarge},
		"'a' * 1048577":                                             {value.TooLarge},
		"x = [1]\nfor i in range(40): x = [x, x]\nx":                {value.TooLarge, value.TooExpensive},
		"x = []\nfor i in range(300): x = [x]\nstr(x)":              {value.Expression},
		"x = []\nfor i in range(300): x = [x]\njson.encode(x)":      {value.Expression},
		"json.decode('[' * 100000)":                                 {value.Expression},
		"x = 3\nfor i in range(40): x = x * x\nstr(x)":              {value.TooExpensive, value.TooLarge},
		"print(payload)\nlist(range(1 << 40))":                      {value.TooLarge},
		"x = {}\nfor i in range(1 << 30): x[i] = [i] * 1000\nx":     {value.TooLarge, value.TooExpensive},
		"sorted([payload.text * 100 for i in range(100000)])\nNone": {value.TooLarge, value.TooExpensive},
	} {
		_, err := compiled(t, Compile, text).Eval(t.Context(), environment(t))
		var e *value.Error
		if !errors.As(err, &e) || !contains(want, e.Code) {
			t.Errorf("`%s`: %v, want %v", text, err, want)
		}
	}
}

func contains(list []value.Code, c value.Code) bool {
	for _, x := range list {
		if x == c {
			return true
		}
	}
	return false
}

func TestAContextThatEndedStopsTheEvaluation(t *testing.T) {
	t.Parallel()
	p := compiled(t, Compile, "x = 0\nfor i in range(1000000): x = sum(range(100000))")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var e *value.Error
	if _, err := p.Eval(ctx, environment(t)); !errors.As(err, &e) || e.Code != value.Cancelled {
		t.Errorf("%v, want %s", err, value.Cancelled)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := p.Eval(ctx, environment(t)); !errors.As(err, &e) || e.Code != value.Cancelled || !strings.Contains(e.Message, "ran out") {
		t.Errorf("%v, want %s", err, value.Cancelled)
	}
}

func TestNamesThatAreTooMuchAreRefused(t *testing.T) {
	t.Parallel()
	env := environment(t)
	env.Payload = map[string]any{"a": strings.Repeat("x", 3<<20), "b": int64(1)}
	var e *value.Error
	if _, err := compiled(t, Compile, "payload.a").Eval(t.Context(), env); !errors.As(err, &e) || e.Code != value.TooLarge {
		t.Errorf("%v, want %s", err, value.TooLarge)
	}
	if result, err := compiled(t, Compile, "payload.b").Eval(t.Context(), env); err != nil || result.Value != int64(1) {
		t.Errorf("a small member of a large payload: %v, %v, want 1", result.Value, err)
	}
}

func TestUnknownNamesAreNullInALenientScope(t *testing.T) {
	t.Parallel()
	s := scope(t)
	s.Lenient = true
	var out diag.List
	p := CompilePython(language.Source{Text: "[deployment_status == 'success', nope.deeper, None]"}, s, false, &out)
	if p == nil || out.HasErrors() || out.Len() != 2 {
		t.Fatalf("findings %v, want two warnings", out.Sorted())
	}
	checkValue(t, p, `[false,null,null]`)
	if p := CompilePython(language.Source{Text: "nope(1)"}, s, false, &out); p != nil {
		t.Error("a function that nobody knows compiles")
	}
}

func FuzzCode(f *testing.F) {
	for _, c := range both() {
		f.Add(c.text)
	}
	for _, text := range []string{
		`f"{payload.n:>{width}}{{}}{x!r}" 'a' rf"""{1}"""`, "for a, b in x: pass\nelse: pass", "x: int = 1; del x[1], y[2]", "def f(a, *, b: int = 1, **k) -> str: return a",
		"{**a, 'b': 1, **c}", "a < b <= c is not None not in d", "lambda *a, k=1: 1", "x = y = z", "\tif 1:\n  2", "{{ payload.x }}", `"\x41\u00e9\N{x}\777"`, "x[1:2:3][::]",
		"0x1F + 0b1 + 1_000 + 1e3 + 1.5j", "try: pass", "f'{'", "f'{a!}'", "a if b else c if d else e", "[*a]", "(x for x in y)", "not not -~+1 ** -2", "x \\\n + 1", "# only", "\x00", "\f",
	} {
		f.Add(text)
	}
	env := environment(f)
	s := scope(f)
	checkGuest(f, env) // which is made outside of the time that one text may take
	f.Fuzz(func(t *testing.T, text string) {
		for name, compile := range map[string]compiler{"starlark": Compile, "python": CompilePython} {
			for _, condition := range []bool{false, true} {
				var out diag.List
				p := compile(language.FromNode(source.NewString(text, source.Span{})), s, condition, &out)
				if (p == nil) != out.HasErrors() {
					t.Fatalf("%s `%s` gives %v and findings %v", name, text, p, out.Sorted())
				}
				for _, found := range out.Sorted() {
					if len(found.Message) > 400 || strings.Contains(found.Message, "runtime error") {
						t.Fatalf("%s `%s`: %v", name, text, found)
					}
				}
				if p == nil || condition {
					continue
				}
				result, err := p.Eval(t.Context(), env)
				var e *value.Error
				if err != nil && (!errors.As(err, &e) || strings.Contains(e.Message, "guest")) {
					t.Fatalf("%s `%s`: %v", name, text, err)
				}
				if _, err := payload.Encode(result.Value); err != nil {
					t.Fatalf("%s `%s` = %#v: %v", name, text, result.Value, err)
				}
			}
		}
	})
}

func checkGuest(tb testing.TB, env *language.Env) {
	tb.Helper()
	if r, err := compiled(tb, Compile, "1").Eval(tb.Context(), env); err != nil || r.Value != int64(1) {
		tb.Fatal(r.Value, err)
	}
}
