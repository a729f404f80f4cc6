package javascript

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"modernc.org/quickjs"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
	"github.com/headgate/headgate/engine/source"
)

const body = `{"action": "opened", "n": 25, "f": 25.5, "id": 9007199254740993, "big": 18446744073709551615, "fine": 0.12345678901234567890, "huge": 1e400,
	"neg": -9007199254740993, "edge": 9007199254740991, "nothing": null, "title": "Größe", "tags": ["x", "y"], "labels": [{"name": "bug", "id": 2}, {"name": "docs", "id": 1}, {}],
	"user": {"login": "octo", "odd name": 1}, "created": "2024-01-02T03:04:05Z"}`

func environment(tb testing.TB) *language.Env {
	tb.Helper()
	v, err := payload.Decode([]byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return &language.Env{
		Event: map[string]any{"name": "pull_request", "id": "01"}, Payload: v, Body: []byte(body),
		Headers: map[string]any{"x-acme-event": "pull_request"}, Query: map[string]any{"page": "2"},
		Vars: map[string]any{"team": "core", "index": int64(1)}, Run: map[string]any{"pipeline": "big"},
		Now:     time.Date(2024, 1, 3, 3, 4, 5, 678_000_000, time.UTC),
		Outputs: map[string]any{"Message": map[string]any{"text": "hi"}, "Is big": true, "Date": "an output"},
	}
}

// sharedMachines bounds how many evaluations of all tests run at once, as it does in a process.
var sharedMachines = sync.OnceValue(newTestMachines)

// newTestMachines makes machines that give code the more time the slower the race detector makes it.
func newTestMachines() *language.Machines {
	m := language.NewMachines(language.MachineOptions{})
	if _, err := language.Machine(m, "javascript", func() (*machines, error) {
		js, err := newMachines(m.Logger())
		if err == nil {
			js.limit *= slowdown
		}
		return js, err
	}); err != nil {
		panic(err)
	}
	return m
}

func scope() language.Scope {
	return language.Scope{Labels: []string{"Message", "Is big", "Date", "Later"}, Machines: sharedMachines()}
}

func compile(tb testing.TB, text string) language.Program {
	tb.Helper()
	return compileIn(tb, scope(), text)
}

func compileIn(tb testing.TB, s language.Scope, text string) language.Program {
	tb.Helper()
	var out diag.List
	p := Compile(language.Source{Text: text}, s, false, &out)
	if p == nil {
		tb.Fatalf("`%s` does not compile: %v", text, out.Sorted())
	}
	if out.Len() > 0 {
		tb.Errorf("`%s` compiles with findings: %v", text, out.Sorted())
	}
	return p
}

func result(tb testing.TB, text string) string {
	tb.Helper()
	r, err := compile(tb, text).Eval(tb.Context(), environment(tb))
	if err != nil {
		return "error " + err.Error()
	}
	b, err := payload.Encode(r.Value)
	if err != nil {
		tb.Errorf("`%s` gives %#v: %v", text, r.Value, err)
	}
	return string(b)
}

func TestValues(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		// the three forms of code
		`payload.n + 1`:                                             `26`,
		`{"text": "n is " + payload.n}`:                             `{"text":"n is 25"}`,
		`{ a: 1, b: [payload.action, ...payload.tags] }`:            `{"a":1,"b":["opened","x","y"]}`,
		"const n = payload.n\nn * 2":                                `50`,
		"let n = 1; if (payload.n > 20) { 'big' } else { 'small' }": `"big"`,
		"if (payload.n > 20) { return 'big' }\nreturn 'small'":      `"big"`,
		"const f = (a, b) => a + b\nreturn f(1, 2)":                 `3`,
		"function f(x) { return x * 2 }\nf(payload.n)":              `50`,
		"let x = 1": `null`,
		"// only a comment before\npayload.n // and after": `25`,
		"payload.n;": `25`,
		"return":     `null`,
		"`${payload.action}/${payload.tags.map(t => `<${t}>`).join('')}`":                           `"opened/<x><y>"`,
		"/o.en/.test(payload.action) && 8 / 4 / 2 === 1":                                            `true`,
		"[1, 2, 3].filter(x => x > 1).map(x => x * 2)":                                              `[4,6]`,
		"for (const l of payload.labels) { if (l.id === 1) return l.name }":                         `"docs"`,
		"payload.labels.find(l => l.id === 1).name":                                                 `"docs"`,
		"({...payload.user, login: undefined})":                                                     `{"odd name":1}`,
		"class A { x = 2; get y() { return this.x * 2 } }\nnew A().y":                               `4`,
		"const {action, user: {login: who}, ...rest} = payload\nwho + action":                       `"octoopened"`,
		"const [a, b = 5] = [1]\na + b":                                                             `6`,
		"outer: for (const a of [1, 2]) { for (;;) { continue outer } }\n'done'":                    `"done"`,
		"try { null.x.y } catch (e) { 'caught' }":                                                   `"caught"`,
		"try { throw new Error('a') } catch (e) { e.message }":                                      `"a"`,
		"const o = { total() { return 3 }, get x() { return 4 }, ['k']: 5 }\no.total() + o.x + o.k": `12`,
		"function* g() { yield 1; yield* [2] }\n[...g()]":                                           `[1,2]`,
		"new Set(payload.tags).size":                                                                `2`,
		"Object.fromEntries(new Map([['a', 1]]))":                                                   `{"a":1}`,
		"payload.n > 20 ? .5 : 1":                                                                   `0.5`,
		"switch (payload.action) { case 'opened': 'o'; break; default: 'd' }":                       `"o"`,

		// what is missing
		`payload.pull_request.head.sha`:                          `null`,
		`payload.nothing.x[3].y`:                                 `null`,
		`payload.n.x.y`:                                          `null`,
		`payload.tags[7].name`:                                   `null`,
		`payload.missing.toUpperCase()`:                          `null`,
		`payload.items.map(i => i.name).join()`:                  `null`,
		`payload.labels.map(l => l.user.login)`:                  `[null,null,null]`,
		`payload.missing ?? "d"`:                                 `"d"`,
		`payload.missing === undefined`:                          `true`,
		`payload.missing == null`:                                `true`,
		`Later.text.more`:                                        `null`,
		`(payload.a || payload.b).c.d`:                           `null`,
		`payload["missing"]["x"]`:                                `null`,
		`payload.missing > 3`:                                    `false`,
		"const p = payload.missing; p.x":                         `null`,
		"payload.added = {}; payload.added.x = 1; payload.added": `{"x":1}`,
		"payload.user.age = 3; payload.user":                     `{"age":3,"login":"octo","odd name":1}`,
		"payload.n++; payload.n":                                 `26`,
		"delete payload.user.login; payload.user":                `{"odd name":1}`,
		"[payload.a, payload.b] = [1, 2]; payload.b":             `2`,

		// numbers
		`payload.id`:                       `9007199254740993`,
		`payload.neg`:                      `-9007199254740993`,
		`payload.big`:                      `18446744073709551615`,
		`payload.fine`:                     `0.12345678901234567890`,
		`payload.huge`:                     `1e400`,
		`payload`:                          "",
		`[payload.id, {id: payload.big}]`:  `[9007199254740993,{"id":18446744073709551615}]`,
		`payload.id + 1n`:                  `9007199254740994`,
		`payload.id > payload.n`:           `true`,
		`payload.id === 9007199254740993n`: `true`,
		`payload.fine < 1 && payload.fine * 2 > 0.2`:           `true`,
		"`${payload.fine} ${payload.id}`":                      `"0.12345678901234567890 9007199254740993"`,
		`JSON.stringify({id: payload.id, fine: payload.fine})`: `"{\"id\":9007199254740993,\"fine\":0.12345678901234567890}"`,
		`payload.edge + 0`:                                     `9007199254740991`,
		`"a-b-c".replaceAll("-", "+") + "a-b-c".replace("-", "+") + "a-b".replace(/-/g, "+") + "ab".replace("b", x => x + x)`: `"a+b+ca+b-ca+babb"`,
		`JSON.stringify({a: [1, undefined], b: undefined, c: new Date(0)}) + JSON.stringify({a: 1, b: 2}, ["a"], 1)`:          `"{\"a\":[1,null],\"c\":\"1970-01-01T00:00:00.000Z\"}{\n \"a\": 1\n}"`,
		`"abcabc".split("b").concat(["x"], "y").indexOf("y") + new Array(3).fill(1).length + Array.from({length: 2}).length`:  `9`,
		`-0`:        `0`,
		`0.1 + 0.2`: `0.30000000000000004`,
		`2n ** 70n`: `1180591620717411303424`,

		// names
		`headers["X-Acme-Event"] + headers["x-acme-event"]`:  `"pull_requestpull_request"`,
		`const h = event.headers; h["X-ACME-Event"]`:         `"pull_request"`,
		`"X-Acme-Event" in headers`:                          `true`,
		`event.name + query.page + vars.team + run.pipeline`: `"pull_request2corebig"`,
		`payload.tags[vars.index]`:                           `"y"`,
		`Message.text`:                                       `"hi"`,
		`steps["Is big"]`:                                    `true`,
		`steps.Date`:                                         `"an output"`,
		`new Date(0).getTime()`:                              `0`,
		`globalThis.payload.n`:                               `25`,
		`event.payload.n`:                                    `25`,
		`JSON.parse(event.raw).n`:                            `25`,
		`Object.keys(event).length > 5`:                      `true`,

		// time
		`now`:                             `"2024-01-03T03:04:05.678Z"`,
		`now - new Date(payload.created)`: `86400678`,
		`new Date()`:                      `"2024-01-03T03:04:05.678Z"`,
		`Date.now() === now.getTime()`:    `true`,
		`new Date(2024, 0, 1)`:            `"2024-01-01T00:00:00.000Z"`,
		`new Date("2024-01-01T10:00:00").getHours()`:       `10`,
		`new Date("2024-01-01T10:00:00+02:00").getHours()`: `8`,
		`new Date("2024-01-01").toISOString()`:             `"2024-01-01T00:00:00.000Z"`,
		`Date.parse("2024-01-01T00:00:00Z")`:               `1704067200000`,
		`now instanceof Date`:                              `true`,
		`"" + new Date(0)`:                                 `"Thu, 01 Jan 1970 00:00:00 GMT"`,

		// text
		`"\ud800"`:             `"�"`,
		`"a\u0000b"`:           `"a\u0000b"`,
		`payload.title.length`: `5`,
		`undefined`:            `null`,
		`[undefined, null]`:    `[null,null]`,
	} {
		got := result(t, text)
		if want != "" && got != want {
			t.Errorf("`%s` = %s, want %s", text, got, want)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		code value.Code
		want string
	}{
		{`0 / 0`, value.Expression, "the result is NaN, which is no JSON"},
		{`{a: [1 / 0]}`, value.Expression, "is Infinity, which is no JSON"},
		{`payload.missing + 1`, value.Expression, "the result is NaN"},
		{`payload.id + 1`, value.Expression, "cannot convert bigint to number (line 1, column 12 of the code)"},
		{`() => 1`, value.Expression, "the result is a function"},
		{`[Symbol()]`, value.Expression, "is a symbol"},
		{`(async () => 1)()`, value.Expression, "is a promise"},
		{`new Map()`, value.Expression, "is a Map"},
		{`const a = {}; a.a = a; a`, value.Expression, "circular reference"},
		{`payload.n.foo()`, value.Expression, "not a function (line 1, column"},
		{"const a = payload.tags.length\n  const q = 1\n  payload.a.b.c; payload.user.nope()", value.Expression, "not a function (line 3, column 35 of the code)"},
		{`throw new Error("no good")`, value.Expression, "no good (line 1"},
		{`throw "text"`, value.Expression, "the code threw text"},
		{`throw {a: 1}`, value.Expression, "the code threw [object Object]"},
		{`Math.random()`, value.Expression, "Math.random is not there"},
		{`(() => {}).constructor("return 1")()`, value.Expression, "text cannot be made into code"},
		{`(async () => {}).constructor("return 1")()`, value.Expression, "text cannot be made into code"},
		{`import("std")`, value.Expression, "is a promise"},
		{`new RegExp(payload.title + "(")`, value.Expression, "SyntaxError"},
		{`throw new Error("x".repeat(1e5))`, value.Expression, "xxx…"},
		{`throw null`, value.TooLarge, "bytes of memory"},
		{`while (true) {}`, value.TooExpensive, "takes longer than 200ms"},
		{`try { while (true) {} } catch { 1 } finally { while (true) {} }`, value.TooExpensive, "takes longer"},
		{`const f = () => f() + 1; f()`, value.TooExpensive, "calls itself deeper"},
		{`const a = []; while (true) a.push("x".repeat(1000) + a.length)`, value.TooLarge, "bytes of memory"},
		{`"x".repeat(1 << 30)`, value.TooLarge, "bytes of memory"},
		{`String.raw({raw: {length: 9e15}}, 1)`, value.TooLarge, "a list is longer"},
		{`const a = []; a.length = 4e9; a.toLocaleString()`, value.TooLarge, "a list is longer"},
		{`Array.prototype.toLocaleString.call({length: 9007199254740991})`, value.TooLarge, "a list is longer"},
		{`const a = []; a.length = 4e9; new Set(a)`, value.TooLarge, "a list is longer"},
		{`const a = []; a.length = 4e9; "" + a`, value.TooLarge, "a list is longer"},
		{`const a = []; a.length = 4e9; const m = ["in", "cludes"].join(""); a[m](1)`, value.TooLarge, "a list is longer"},
		{`const a = []; a.length = 4e9; a.values().drop(3e9).next()`, value.TooLarge, "a list is longer"},
		{`"\u0301\u0323".repeat(200).normalize()`, value.TooLarge, "too many marks"},
		{`const s = "a".repeat(4e6); let n = 0; for (let i = 0; i < 9999; i++) { if (s.includes("b")) n++ }; n`, value.TooExpensive, "takes longer"},
		{`const s = JSON.stringify(new Array(1e5).fill(1)); for (let i = 0; i < 9999; i++) JSON.parse(s)`, value.TooExpensive, "takes longer"},
		{`"a".repeat(1e5).replaceAll("a", "a".repeat(1e5))`, value.TooLarge, "too long to put"},
		{`"a".repeat(1e5).replace(/a/g, "a".repeat(1e5))`, value.TooLarge, "too long to put"},
		{`new Array(1e8).fill(0)`, value.TooLarge, "a list is longer than 1048576 (line 1, column 10 of the code)"},
		{`new Array(4e9).join("a")`, value.TooLarge, "a list is longer than 1048576 (line 1, column"},
		{`const a = []; a.length = 4e9; a.length > 5 && String(a)`, value.TooLarge, "a list is longer than 1048576"},
		{`const a = []; a.length = 4e9; a.forEach(x => x)`, value.TooLarge, "a list is longer than 1048576"},
		{`"a".repeat(1e6).includes("a".repeat(1e5) + "b")`, value.TooLarge, "too long to search"},
		{`"a".repeat(1e6).split("a".repeat(1e5) + "b")`, value.TooLarge, "too long to search"},
		{`"x".repeat(2 << 20)`, value.TooLarge, "larger than"},
		{`let a = []; for (let i = 0; i < 500; i++) a = [a]; a`, value.TooLarge, "nests too deep"},
		{`/^(a+)+$/.test("a".repeat(40) + "b")`, value.TooExpensive, "takes longer"},
	} {
		// Each has machines of its own, which it may keep busy.
		s := scope()
		s.Machines = newTestMachines()
		r, err := compileIn(t, s, c.text).Eval(t.Context(), environment(t))
		var e *value.Error
		if !errors.As(err, &e) {
			t.Errorf("`%s` = %v, %v, want an error", c.text, r.Value, err)
			continue
		}
		if c.code != value.Expression && e.Code == value.TooExpensive && strings.Contains(e.Message, "takes longer") {
			continue // on a busy computer the clock is first
		}
		if e.Code != c.code || !strings.Contains(e.Message, c.want) || len(e.Message) > 200 {
			t.Errorf("`%s`: %s %q, want %s %q", c.text, e.Code, e.Message, c.code, c.want)
		}
	}
}

func TestFindingsHaveTheirPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string // «» marks the piece
		rule diag.Rule
		want string
	}{
		{`payload.n > «Mesage».x`, diag.UnknownName, "did you mean `Message`?"},
		{`«payloud».n`, diag.UnknownName, "did you mean `payload`?"},
		{`const a = payload.tags.map(t => «tt» + 1)`, diag.UnknownName, "unknown name tt"},
		{`«require»("fs")`, diag.UnknownName, "no modules"},
		{`«fetch»("https://x.example")`, diag.UnknownName, "no network"},
		{`«eval»("1")`, diag.UnknownName, "cannot be made into code"},
		{`«Dat».now()`, diag.UnknownName, "Date"},
		{`«Maht».max(1)`, diag.UnknownName, "did you mean `Math`?"},
		{`if («x» > 1) { "a" }`, diag.UnknownName, "unknown name x"},
		{`event.«action»`, diag.UnknownName, "under `payload`"},
		{`steps[«"Is bg"»]`, diag.UnknownName, "did you mean `Is big`?"},
		{`payload.n >«»`, diag.ExpressionSyntax, "unexpected end of the code"},
		{`const x = «;»`, diag.ExpressionSyntax, "unexpected ';'"},
		{`{"a": payload.n «"b"»: 1}`, diag.ExpressionSyntax, ""},
		{`const a = 1; {"text"«:» a}`, diag.ExpressionSyntax, "({…})"},
		{`payload.n > 1 «and» payload.f > 1`, diag.ExpressionSyntax, "writes &&"},
		{`"ü" + «{{»payload.n}}`, diag.ExpressionSyntax, ""},
		{`const «a» = 1, a = 2`, diag.ExpressionSyntax, ""},
		{strings.Repeat("(", 64) + "«(»1" + strings.Repeat(")", 65), diag.ExpressionTooLarge, "deeper than 64"},
		{`«»// nothing`, diag.ExpressionSyntax, "the code is empty"},
	} {
		text := strings.NewReplacer("«", "", "»", "").Replace(c.text)
		docs, problems := source.ParseYAML(source.NewFile("a.yaml", []byte("x: ü\ncode: |2-\n    // ü\n    "+text+"\n")))
		if len(problems) > 0 {
			t.Fatalf("`%s`: %v", text, problems)
		}
		var out diag.List
		if p := Compile(language.FromNode(docs[0].Get("code")), scope(), false, &out); p != nil || out.Len() == 0 {
			t.Errorf("`%s` compiles, want a finding", text)
			continue
		}
		f := out.Sorted()[0]
		if f.Rule != c.rule || !strings.Contains(f.Message+"; "+f.Hint, c.want) {
			t.Errorf("`%s`: %v, want %s %q", text, f, c.rule, c.want)
		}
		before, _, _ := strings.Cut(c.text, "«")
		if want := fmt.Sprintf("a.yaml:4:%d", len([]rune(before))+5); c.want != "" && before != "" && f.Span.String() != want {
			t.Errorf("`%s`: finding at %s, want %s (%v)", text, f.Span, want, f)
		}
	}
}

func TestReadsAreTheOperandsOfTheText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`payload.n > 20 && payload.action === "x" && payload.n < 9`: `payload.n=25 payload.action="opened"`,
		`payload.labels[0].name + payload["user"]["odd name"]`:      `payload.labels[0].name="bug" payload.user["odd name"]=1`,
		`payload.tags.map(t => t.length)`:                           `payload.tags=["x","y"]`,
		`payload.title.length > 3`:                                  `payload.title="Größe"`,
		`payload.tags[vars.index]`:                                  `payload.tags=["x","y"] vars.index=1`,
		`headers["X-Acme-Event"]`:                                   `headers["x-acme-event"]="pull_request"`,
		`const o = {payload: 1, x: Message.text}; o.payload`:        `Message.text="hi"`,
		"`${payload.n} ${`${vars.team}`}` // payload.f":             `payload.n=25 vars.team="core"`,
		`/payload.n/.test("payload.f")`:                             ``,
		`payload.missing?.x?.[0]`:                                   `payload.missing.x[0]=null`,
		`steps["Is big"]`:                                           `steps["Is big"]=true`,
		`now > 3`:                                                   `now="2024-01-03T03:04:05.678Z"`,
	} {
		r, err := compile(t, text).Eval(t.Context(), environment(t))
		if err != nil {
			t.Errorf("`%s`: %v", text, err)
		}
		var got []string
		for _, read := range r.Reads {
			b, err := payload.Encode(read.Value)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, read.Operand+"="+string(b))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("`%s` reads %s, want %s", text, strings.Join(got, " "), want)
		}
	}
}

func TestOnlyWhatIsNamedGoesIn(t *testing.T) {
	t.Parallel()
	p := compile(t, `payload.user.login + payload.labels[0].name + event.name + Object.keys(vars).length + payload.user["odd name"]`).(*program)
	in, _, err := encode(p.inputs.values(environment(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"event":{"name":"pull_request"},"payload":{"labels":[{"id":2,"name":"bug"},{"id":1,"name":"docs"},{}],"user":{"login":"octo","odd name":1}},` +
		`"vars":{"index":1,"team":"core"}}`
	if string(in) != want {
		t.Errorf("goes in: %s, want %s", in, want)
	}
}

func TestWhatCodePrintsIsTheLog(t *testing.T) {
	t.Parallel()
	r, err := compile(t, "console.log('a', 1, {b: payload.id}, undefined); print([1]); console.error(Symbol('s')); 7").Eval(t.Context(), environment(t))
	if want := []string{`a 1 {"b":9007199254740993} undefined`, "[1]", "Symbol(s)"}; err != nil || !slices.Equal(r.Log, want) {
		t.Errorf("log %q, %v, want %q", r.Log, err, want)
	}
	r, err = compile(t, "console.log('before'); throw 1").Eval(t.Context(), environment(t))
	if err == nil || !slices.Equal(r.Log, []string{"before"}) {
		t.Errorf("log of failing code %q, %v, want before", r.Log, err)
	}
	r, err = compile(t, "for (let i = 0; i < 110; i++) console.log('x'.repeat(1200)); 1").Eval(t.Context(), environment(t))
	size := 0
	for _, line := range r.Log {
		size += len(line)
	}
	if err == nil && size == 0 || size > 10_000 || len(r.Log) > 100 {
		t.Errorf("a log of %d lines and %d bytes, want it bounded", len(r.Log), size)
	}
}

func TestNothingIsLeftOfAnEvaluation(t *testing.T) {
	t.Parallel()
	p := compile(t, `globalThis.count = (globalThis.count ?? 0) + 1; Array.prototype.map = null; Date.now = null; payload.tags.push("z"); globalThis.count + payload.tags.length`)
	env := environment(t)
	for range 3 {
		if r, err := p.Eval(t.Context(), env); err != nil || r.Value != int64(4) {
			t.Errorf("%v, %v, want 4 each time", r.Value, err)
		}
	}
	if got, _ := payload.Encode(env.Payload.(map[string]any)["tags"]); string(got) != `["x","y"]` {
		t.Errorf("the payload's tags became %s", got)
	}
}

func TestTheGlobalsAreThoseOfTheMachine(t *testing.T) {
	t.Parallel()
	r, err := compile(t, `Object.getOwnPropertyNames(globalThis).filter(n => !["event", "payload", "headers", "query", "vars", "run", "now", "steps"].includes(n)).sort()`).Eval(t.Context(), environment(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range r.Value.([]any) {
		got = append(got, name.(string))
	}
	if want := slices.Sorted(slices.Values(globals())); !slices.Equal(got, want) {
		t.Errorf("globals\n%q, want\n%q", got, want)
	}
}

// A new version of the engine may bring functions that take long.
func TestEveryFunctionOfTheEngineIsGuardedOrShort(t *testing.T) {
	t.Parallel()
	vm, err := newVM(maxStart)
	if err != nil {
		t.Fatal(err)
	}
	defer discard(vm)
	names, err := vm.Eval(`[Array, Array.prototype, String, String.prototype, Object, Object.prototype, Reflect, JSON, Iterator, Iterator.prototype, Map, Map.prototype, Set, Set.prototype,
		Promise, RegExp, RegExp.prototype, BigInt, BigInt.prototype, Number, Number.prototype, Math, Symbol, Proxy, Object.getPrototypeOf(Uint8Array), Object.getPrototypeOf(Uint8Array.prototype)]
		.flatMap(o => Object.getOwnPropertyNames(o).filter(n => typeof Object.getOwnPropertyDescriptor(o, n).value === "function")).join(" ")`, quickjs.EvalGlobal)
	if err != nil {
		t.Fatal(err)
	}
	// What takes no longer for a large value than for a small one, calls code for each element, only makes what memory bounds, or is of numbers.
	short := strings.Fields(`constructor isArray create getPrototypeOf setPrototypeOf defineProperty isExtensible preventExtensions getOwnPropertyDescriptor is hasOwn hasOwnProperty
		isPrototypeOf propertyIsEnumerable __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ get isRawJSON rawJSON getOrInsert getOrInsertComputed resolve
		reject all allSettled any try race withResolvers escape exec compile test asUintN asIntN parseInt parseFloat isNaN isFinite isInteger isSafeInteger toExponential toFixed
		toPrecision min max abs floor ceil round sqrt acos asin atan atan2 cos exp log pow sin tan trunc sign cosh sinh tanh acosh asinh atanh expm1 log1p log2 log10 cbrt
		hypot random f16round fround imul clz32 for keyFor revocable`)
	for _, name := range strings.Fields(names.(string)) {
		if isGuarded(name) == slices.Contains(short, name) {
			t.Errorf("%s is guarded: %v; say in this test that it takes no time, or guard it", name, isGuarded(name))
		}
	}
}

func TestALenientScopeMakesUnknownNamesNull(t *testing.T) {
	t.Parallel()
	var out diag.List
	s := scope()
	s.Lenient = true
	p := Compile(language.Source{Text: `[nobody, nobody.x, True, None, event.nope]`}, s, false, &out)
	if p == nil || out.Count(diag.Warning) != 2 {
		t.Fatalf("findings %v, want two warnings", out.Sorted())
	}
	r, err := p.Eval(t.Context(), environment(t))
	got, _ := payload.Encode(r.Value)
	if want := `[null,null,true,null,null]`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{`payload.n > 20`: "", `payload.n`: "payload.n is a number, a condition must be true or false", `payload.missing`: "is null"} {
		var out diag.List
		p := Compile(language.Source{Text: text}, scope(), true, &out)
		r, err := p.Eval(t.Context(), environment(t))
		if want == "" && (err != nil || r.Value != true) || want != "" && (err == nil || !strings.Contains(err.Error(), want) || r.Value != nil) {
			t.Errorf("`%s` = %v, %v, want %q", text, r.Value, err, want)
		}
	}
}

func TestAContextEndsTheEvaluation(t *testing.T) {
	t.Parallel()
	p := compile(t, `while (true) {}`)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := p.Eval(ctx, environment(t))
	var e *value.Error
	if !errors.As(err, &e) || e.Code != value.Cancelled || time.Since(start) > value.MaxTime*slowdown {
		t.Errorf("%v after %s, want cancelled at once", err, time.Since(start))
	}
}

func TestMachinesThatDoNotEndKeepOthersOutForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &machines{logger: slog.New(slog.DiscardHandler), slots: make(chan struct{}, 2)}
		var turns []*turn
		begin := func() error {
			err := m.enter(t.Context())
			if err == nil {
				turns = append(turns, m.turn())
			}
			return err
		}
		for range maxStuck {
			if err := begin(); err != nil {
				t.Fatal(err)
			}
			turns[len(turns)-1].stuck()
		}
		start := time.Now()
		var e *value.Error
		if err := begin(); !errors.As(err, &e) || e.Code != value.TooExpensive || time.Since(start) != patience {
			t.Errorf("%v after %s, want too_expensive after %s", err, time.Since(start), patience)
		}
		if err := begin(); err == nil || time.Since(start) != patience {
			t.Errorf("%v after %s, want a failure at once", err, time.Since(start))
		}
		turns[0].over()
		if err := begin(); err != nil || time.Since(start) != patience {
			t.Errorf("%v after %s, want a turn at once when one has ended", err, time.Since(start))
		}
		turns[len(turns)-1].stuck()
		time.AfterFunc(time.Second, turns[1].over)
		if err := begin(); err != nil || time.Since(start) != patience+time.Second {
			t.Errorf("%v after %s, want a turn when one ends", err, time.Since(start))
		}
		for _, turn := range turns[2:] {
			turn.over()
		}
		if err := m.Close(t.Context()); err != nil || m.stuck != 0 {
			t.Errorf("%v with %d machines stuck, want none", err, m.stuck)
		}
	})
}

func TestMachinesRunInParallelAndEnd(t *testing.T) {
	t.Parallel()
	s := scope()
	s.Machines = newTestMachines()
	var out diag.List
	p := Compile(language.Source{Text: `payload.labels.map(l => l.name ?? payload.id)`}, s, false, &out)
	env := environment(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 5 {
				r, err := p.Eval(t.Context(), env)
				if got, _ := payload.Encode(r.Value); err != nil || string(got) != `["bug","docs",9007199254740993]` {
					t.Errorf("%s, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Machines.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if p := Compile(language.Source{Text: `1`}, s, false, &out); p != nil {
		t.Error("code compiles after Close")
	}
}

func BenchmarkMachine(b *testing.B) {
	p := compile(b, `payload.n > 20`)
	env := environment(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Eval(b.Context(), env); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzCode looks for code that ends the process, or that is rewritten into something that means another thing.
func FuzzCode(f *testing.F) {
	for _, s := range []string{
		`payload.n > 20`, "const f = (a, {b, c: [d]}) => a?.b.c\nreturn f(payload)", "`a${payload.n}${`${1}`}b`.length", `/[/]\/x/g.test(payload.s) / 2`, `payload.a.b = 1; payload.a`, `for (const [k, v] of Object.entries(payload)) print(k)`,
		`a ? .5 : b?.[c]?.(d)`, `class A extends B.C { #x = 1; get y() { return this.#x } }`, `outer: for (;;) break outer`, `({a, b: c, [d]: e, f() {}, get g() { return 1 }})`, `x = y = "\u{1F600}" // é`, "}`${", `new (a.b)(c).d`, `let {a = payload.b} = {}`,
		`async () => { await x.y }`, `1..toFixed().length + 0x1F + 1e-5 + 10n`, `delete payload?.x, ++payload.n, payload.n--`, `if (a) /re/.test(b); else [1][0]`,
	} {
		f.Add(s)
	}
	env := environment(f)
	s := scope()
	f.Fuzz(func(t *testing.T, text string) {
		tokens, tooDeep := scan(text, language.MaxNesting)
		end := 0
		for _, token := range tokens {
			if token.from < end || token.to <= token.from || token.to > len(text) || token.pair >= len(tokens) {
				t.Fatalf("`%s`: token %+v behind %d", text, token, end)
			}
			end = token.to
		}
		if tooDeep < 0 {
			c := code{text: text, tokens: tokens}
			softer, marks := c.soften(c.chains())
			if strings.ReplaceAll(strings.ReplaceAll(softer, "?", ""), ".", "") != strings.ReplaceAll(strings.ReplaceAll(text, "?", ""), ".", "") || len(softer) != len(text)+len(marks) {
				t.Fatalf("`%s` becomes `%s` by %d marks", text, softer, len(marks))
			}
		}
		var out diag.List
		p := Compile(language.Source{Text: text}, s, false, &out)
		if (p == nil) != out.HasErrors() {
			t.Fatalf("`%s` gives %v and findings %v", text, p, out.Sorted())
		}
		if p == nil {
			return
		}
		if r, err := p.Eval(t.Context(), env); err == nil {
			if _, err := payload.Encode(r.Value); err != nil {
				t.Fatalf("`%s` = %#v: %v", text, r.Value, err)
			}
		}
	})
}
