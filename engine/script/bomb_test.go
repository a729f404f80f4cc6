package script_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
)

// What a bomb may take, compiling and evaluating together.
const (
	bombTime   = 250 * time.Millisecond
	bombMemory = 64 << 20
)

// TestBombs runs testdata/bombs: one file a bomb, with its text in each language, a payload that steers it, and the codes (or rules of
// findings, or "ok") that it may end with. It does not run in parallel, because it measures what the process allocates.
func TestBombs(t *testing.T) {
	shared := scope()
	for _, b := range bombs(t) {
		env := environment(t)
		env.Payload = b.payload
		for _, lang := range bombLanguages() {
			if text, ok := b.texts[lang]; ok {
				t.Run(b.name+"/"+lang, func(t *testing.T) { explode(t, lang, text, shared, env, b.want(lang)) })
			}
		}
	}
}

// bomb is a file of testdata/bombs.
type bomb struct {
	name    string
	texts   map[string]string // by language, and what they may end with
	payload any
}

// want gives the codes and rules that a bomb may end with: those of its language, or else those of all.
func (b bomb) want(lang string) []string {
	if want, ok := b.texts["want "+lang]; ok {
		return strings.Fields(want)
	}
	return strings.Fields(b.texts["want"])
}

func bombs(t *testing.T) []bomb {
	t.Helper()
	files, err := filepath.Glob("testdata/bombs/*.txtar")
	if err != nil || len(files) < 80 {
		t.Fatalf("%d bombs (%v), want at least 80", len(files), err)
	}
	var out []bomb
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b := bomb{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), texts: map[string]string{}}
		for _, f := range archive.Files {
			b.texts[f.Name] = strings.TrimSpace(string(f.Data))
		}
		b.payload = expand(t, decode(t, b.texts["payload.json"]))
		out = append(out, b)
	}
	return out
}

func explode(t *testing.T, lang, text string, shared script.Scope, env *script.Env, want []string) {
	t.Helper()
	compileValueOK(lang, shared) // so that what is made once a load is not counted
	var got string
	took, memory := time.Hour, uint64(1<<62)
	// The best of three: a machine that is busy elsewhere must not fail the test.
	for try := 0; try < 3 && (took > bombTime*slowdown || memory > bombMemory); try++ {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start, done := time.Now(), worked(t)
		got = outcome(t, lang, text, shared, env)
		// By the clock, and on a computer that is busy elsewhere by the work that was done.
		took = min(took, time.Since(start), worked(t)-done)
		runtime.ReadMemStats(&after)
		memory = min(memory, after.TotalAlloc-before.TotalAlloc)
	}
	t.Logf("%s in %s, %d KiB allocated", got, took.Round(10*time.Microsecond), memory>>10)
	// On a slow machine, and under the race detector, the clock may end what size or steps would have ended a little later.
	clock := strings.Contains(got, "takes longer than") && slices.Contains(want, string(script.TooLarge))
	if !slices.Contains(want, strings.Fields(got)[0]) && !clock {
		t.Errorf("ends with %s, want one of %v", got, want)
	}
	if limit := bombTime * slowdown; took > limit {
		t.Errorf("took %s, want at most %s", took, limit)
	}
	if memory > bombMemory {
		t.Errorf("allocated %d MiB, want at most %d", memory>>20, bombMemory>>20)
	}
}

// compileValueOK compiles and evaluates what every language with values has, so that its machine is made.
func compileValueOK(lang string, shared script.Scope) {
	var out diag.List
	if p := compileAny(lang, "1", shared, &out); p != nil {
		_, _ = p.Eval(context.Background(), &script.Env{})
	}
}

// compileAny compiles a value, or a condition in a language that has nothing else.
func compileAny(lang, text string, shared script.Scope, out *diag.List) script.Program {
	if !slices.Contains(script.CodeLanguages(), lang) {
		return script.CompileCondition(lang, script.Source{Text: text}, shared, out)
	}
	return script.CompileValue(lang, script.Source{Text: text}, shared, out)
}

// outcome compiles and evaluates, and gives a code or rule and the message.
func outcome(t *testing.T, lang, text string, scope script.Scope, env *script.Env) string {
	t.Helper()
	var out diag.List
	p := compileAny(lang, text, scope, &out)
	if p == nil {
		f := out.Sorted()[0]
		if len(f.Message) > 200 {
			t.Errorf("a finding of %d bytes: %.200s", len(f.Message), f.Message)
		}
		return string(f.Rule) + " (" + f.Message + ")"
	}
	_, err := p.Eval(t.Context(), env)
	var e *script.Error
	switch {
	case err == nil:
		return "ok"
	case !errors.As(err, &e):
		t.Errorf("the error is a %T, want *Error: %v", err, err)
		return "?"
	}
	if len(e.Message) > 200 {
		t.Errorf("an error of %d bytes: %.200s", len(e.Message), e.Message)
	}
	return string(e.Code) + " (" + e.Message + ")"
}

// expand makes large values of small ones: "a * 1000" is that text so many times over, "list 1000" a list of so many numbers.
func expand(t *testing.T, v any) any {
	t.Helper()
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, child := range x {
			out[name] = expand(t, child)
		}
		return out
	case string:
		if n, ok := strings.CutPrefix(x, "list "); ok {
			out := make([]any, number(t, n))
			for i := range out {
				out[i] = int64(i)
			}
			return out
		}
		if i := strings.LastIndex(x, " * "); i >= 0 {
			return strings.Repeat(x[:i], number(t, x[i+3:]))
		}
	}
	return v
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// FuzzExpressions looks for expressions that end the process, or whose result is no JSON, in all languages.
func FuzzExpressions(f *testing.F) {
	for _, s := range []string{
		`payload.n > 20 && !payload.yes`, `map(payload.labels, {{"a": .name}})`, `let x = payload.tags; x[0] ?? "d"`, `sortBy(payload.labels, .id, "desc")`,
		`payload.labels.map(l, {"a": l.name})`, `[1, 2].filter(x, x > 1)[0]`, `has(payload.a.b) ? "a" : 'b' + r"c\d"`, `now - date("2024-01-01") > duration("1h")`,
		`1 < payload.n < 3`, `payload.text[1:-1]`, `reduce(1..3, #acc + #, 0)`, `{"a": {"b": [null]}}["a"].b[-1]`, `payload.ref matches "^a+$" or "x" not in payload.tags`,
		`sum(payload.prices, # * 2) ** 2 % 3`, `groupBy(payload.tags, #)`, `now.Format("2006") | upper()`, `timestamp("2024-01-01T00:00:00Z").getHours("+01:00")`, `if true {1} else {nil}`,
		`count(payload.tags)`, `0x1F + 0b1 + 1e3`, "`raw` + \"\\u00e9\"", `payload?.a?.b`, `one(payload.prices, # > 2) ? - 1 : + payload.n`, `$env`, `#`, `(eq a "b")`, `payload.labels.map(l => l.name)`, `[x for x in payload.tags]`, `.a`, `find(payload.tags, #index > 0)`,
	} {
		f.Add(s)
	}
	env := environment(f)
	shared := scope()
	f.Fuzz(func(t *testing.T, text string) {
		for _, lang := range bombLanguages() {
			for _, condition := range []bool{false, true} {
				var out diag.List
				compile := script.CompileValue
				if condition {
					compile = script.CompileCondition
				}
				if !condition && !slices.Contains(script.CodeLanguages(), lang) {
					continue
				}
				p := compile(lang, script.Source{Text: text}, shared, &out)
				if (p == nil) != out.HasErrors() {
					t.Fatalf("%s `%s` gives %v and findings %v", lang, text, p, out.Sorted())
				}
				if p == nil {
					continue
				}
				result, err := p.Eval(t.Context(), env)
				if err == nil {
					if _, err := payload.Encode(result.Value); err != nil {
						t.Fatalf("%s `%s` = %#v: %v", lang, text, result.Value, err)
					}
				}
				for _, r := range result.Reads {
					if _, err := payload.Encode(r.Value); err != nil {
						t.Fatalf("%s `%s` reads %s = %#v: %v", lang, text, r.Operand, r.Value, err)
					}
				}
			}
		}
	})
}
