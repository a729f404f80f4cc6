package starlark

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

const event = `{
	"action": "opened", "n": 25, "f": 25.5, "whole": 25.0, "zero": 0, "nothing": null, "yes": true, "empty": "",
	"id": 9007199254740993, "big": 18446744073709551615, "fine": 0.12345678901234567890,
	"text": "Größe", "ref": "refs/heads/main", "labels": [{"name": "bug", "id": 2}, {"name": "docs", "id": 1}], "tags": ["x", "y"],
	"prices": [3, 1.5, 2], "user": {"login": "octo", "site_admin": false, "odd name": 1, "items": [1, 2]}
}`

func environment(tb testing.TB) *language.Env {
	tb.Helper()
	v, err := payload.Decode([]byte(event))
	if err != nil {
		tb.Fatal(err)
	}
	return &language.Env{
		Event:   map[string]any{"name": "pull_request", "id": "01"},
		Payload: v,
		Headers: map[string]any{"x-acme-event": "pull_request"},
		Vars:    map[string]any{"index": int64(1)},
		Now:     time.Date(2024, 1, 3, 3, 4, 5, 0, time.UTC),
		Outputs: map[string]any{"Message": map[string]any{"text": "hi"}, "Is big": true, "webhook_response": map[string]any{"status": "ok"}},
	}
}

// TestMain makes the machines of all tests: compiling the guest takes a second or two. Each guest is as good as a fresh one.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "starlark")
	if err != nil {
		panic(err)
	}
	shared.cacheDir, shared.machines = dir, language.NewMachines(language.MachineOptions{CacheDir: dir})
	if _, err := machineOf(shared.machines); err != nil {
		panic(err)
	}
	m.Run()
	if err := errors.Join(shared.machines.Close(context.Background()), os.RemoveAll(dir)); err != nil {
		panic(err)
	}
}

var shared struct {
	cacheDir string
	machines *language.Machines
}

func scope(tb testing.TB) language.Scope {
	tb.Helper()
	return language.Scope{Labels: []string{"Message", "Is big", "webhook_response", "len", "Later"}, Machines: shared.machines}
}

type compiler = func(language.Source, language.Scope, bool, *diag.List) language.Program

func compiled(tb testing.TB, compile compiler, text string) language.Program {
	tb.Helper()
	var out diag.List
	p := compile(language.Source{Text: text}, scope(tb), false, &out)
	if p == nil {
		tb.Fatalf("`%s` does not compile: %v", text, out.Sorted())
	}
	return p
}

// gives is a text and the JSON of its value, or what its error holds.
type gives struct{ text, want string }

// both are texts that mean the same in Starlark and in Python.
func both() []gives {
	return []gives{
		// what is missing
		{`payload.pull_request.draft`, `null`},
		{`payload["pull_request"]["draft"]`, `null`},
		{`payload.nothing.x[3].y`, `null`},
		{`payload.n.x`, `null`},
		{`payload.tags[7]`, `null`},
		{`payload.tags[-1]`, `"y"`},
		{`payload.labels[0]["name"]`, `"bug"`},
		{`payload.user["odd name"]`, `1`},
		{`payload.user.items`, `[1,2]`},
		{`[k for k in payload.user.keys()]`, `["items","login","odd name","site_admin"]`},
		{`payload.user.get("login")`, `"octo"`},
		{`payload.user.get("nope", "d")`, `"d"`},
		{`payload.nope.get("a", "d")`, `"d"`},
		{`x = {"a": 1}` + "\n" + `[x.a, x.b, x["c"], x.b.c.d]`, `[1,null,null,null]`},
		{`payload.missing == None`, `true`},
		{`payload.nothing == payload.missing`, `true`},
		{`payload.missing != "a"`, `true`},
		{`"a" in payload.missing`, `false`},
		{`"a" not in payload.missing`, `true`},
		{`"x" in payload.tags`, `true`},
		{`payload.missing in payload.text`, `false`},
		{`payload.tags[vars.index]`, `"y"`},
		{`payload.tags[vars.nope]`, `null`},
		{`Later.text`, `null`},
		{`steps["Is big"]`, `true`},
		{`Message.text + "!"`, `"hi!"`},
		{`now`, `"2024-01-03T03:04:05Z"`},
		{`headers["X-Acme-Event"]`, `"pull_request"`},
		{`event.headers["X-Acme-Event"]`, `"pull_request"`},
		{`event.name`, `"pull_request"`},

		// numbers
		{`payload.n > 20 and payload.f > 20`, `true`},
		{`payload.whole == 25`, `true`},
		{`payload.n * 2`, `50`},
		{`payload.f * 2`, `51`},
		{`payload.n / 2`, `12.5`},
		{`payload.n // 2`, `12`},
		{`payload.n % 4`, `1`},
		{`-payload.n`, `-25`},
		{`payload.id`, `9007199254740993`},
		{`payload.id + 1`, `9007199254740994`},
		{`payload.id == 9007199254740992`, `false`},
		{`[payload.big, payload.fine]`, `[18446744073709551615,0.12345678901234567890]`},
		{`{"a": {"b": payload.fine}}`, `{"a":{"b":0.12345678901234567890}}`},
		{`payload.fine > 0.1 and payload.fine < 1 and payload.fine == payload.fine and payload.fine != 2`, `true`},
		{`payload.fine >= payload.fine and not payload.fine < payload.fine and not payload.fine != payload.fine`, `true`},
		{`[x for x in [payload.fine] if x > 5]`, `[]`},
		{`payload.fine * 0`, `0`},
		{`round(payload.fine, 3)`, `0.123`},
		{`-payload.fine < 0`, `true`},
		{`payload.big + 1`, `18446744073709551616`},
		{`2 * payload.big - payload.big * 2`, `0`},
		{`1 << 70`, `1180591620717411303424`},
		{`round(2.5)`, `2`},
		{`round(1234.567, -2)`, `1200`},
		{`sum(payload.prices)`, `6.5`},
		{`max(payload.prices)`, `3`},
		{`abs(-3) + int("7") + int(" 8 ")`, `18`},
		{`float("1.5") + math.floor(2.7)`, `3.5`},

		// text
		{`len(payload.text)`, `5`},
		{`payload.text[2]`, `"ö"`},
		{`payload.text[-2:]`, `"ße"`},
		{`payload.text[::-1]`, `"eßörG"`},
		{`payload.text[1:4:2]`, `"rß"`},
		{`payload.text[10:]`, `""`},
		{`payload.text.find("ß")`, `3`},
		{`payload.text.find("z")`, `-1`},
		{`payload.text.find("r", 2)`, `-1`},
		{`payload.tags.index("y")`, `1`},
		{`payload.text.upper()`, `"GRÖßE"`},
		{`payload.ref.removeprefix("refs/heads/")`, `"main"`},
		{`"/".join(payload.ref.split("/")[1:])`, `"heads/main"`},
		{`payload.tags[::-1]`, `["y","x"]`},
		{`(1, 2, 3)[-5:2]`, `[1,2]`},
		{`"{} {}".format(1, "a")`, `"1 a"`},
		{`"%s is %d" % ("a", 3)`, `"a is 3"`},
		{`str(1.0) + str(1e20) + str(True) + str(None)`, `"1.01e+20TrueNone"`},
		{`type(payload.n)`, `"int"`},
		{`json.encode({"a": [1, 1.5, None, True, "ü\n"], "f": payload.fine})`, `"{\"a\":[1,1.5,null,true,\"ü\\n\"],\"f\":0.12345678901234567890}"`},
		{`json.decode("{\"a\": [9007199254740993, 1.5, null, \"\\u00fc\"]}")`, `{"a":[9007199254740993,1.5,null,"ü"]}`},
		{`json.decode("{", None)`, `null`},

		// code
		{"x = 1\nx + 1", `2`},
		{"result = 1\nx = 2", `1`},
		{"if payload.n > 20:\n  result = 'big'\n", `"big"`},
		{"if payload.n > 200:\n  result = 'big'\n", `null`},
		{"if payload.n > 20:\n  return 'big'\nreturn 'small'", `"big"`},
		{"if payload.n > 200:\n  return 'big'", `null`},
		{"data = {\"a\": 1}", `{"a":1}`},
		{"data = {}\nother = 2\ndata[\"a\"] = 1", `{"a":1}`},
		{"data = {}\ndata.a = 1\ndata.update({\"b\": 2})", `{"a":1,"b":2}`},
		{"out = []\nfor l in payload.labels:\n  out.append(l.name)", `["bug","docs"]`},
		{"n = 0\nwhile n < 5:\n  n += 1\n  if n == 3: break\n", `3`},
		{"def double(x, by=2):\n  return x * by\ndouble(3) + double(3, by=3)", `15`},
		{"[(lambda x: x + 1)(v) for v in [1, 2] if v > 1]", `[3]`},
		{"{l.name: l.id for l in payload.labels}", `{"bug":2,"docs":1}`},
		{"a, b = 1, 2\n[b, a]", `[2,1]`},
		{"[l.name for l in sorted(payload.labels, key=lambda l: l.id)]", `["docs","bug"]`},
		{"payload = payload.user\npayload.login", `"octo"`},
		{"payload = 3\npayload", `3`},
		{"if True:\n  payload = payload.n\npayload", `25`},
		{"payload.user.seen = True\n[payload.user.seen, payload[\"user\"].login]", `[true,"octo"]`},
		{"print(1)\n", `null`},
		{"def f():\n  pass\nf()", `null`},
		{"\"yes\" if payload.yes else \"no\"", `"yes"`},
		{"set([1, 1, 2])", `[1,2]`},
		{"range(3)", `[0,1,2]`},
		{"payload.empty or \"default\"", `"default"`},
		{"x = 1; y = 2; x + y  # a comment", `3`},

		// mistakes that values show
		{`payload.missing + 1`, "payload.missing is null where `+` needs a number"},
		{`1 - payload.missing`, "payload.missing is null where `-` needs a number"},
		{`payload.missing > 1`, "payload.missing is null where `>` needs a number or text"},
		{`payload.n < payload.text`, "payload.n is a number and payload.text a string where `<` needs two numbers or two texts"},
		{`payload.n + payload.text`, "payload.n is a number and payload.text a string where `+` needs"},
		{`-payload.missing`, "payload.missing is null where `-` needs a number"},
		{`payload.missing.lower()`, "payload.missing is null and has no method lower"},
		{`payload.n.lower()`, "payload.n is a number and has no method lower"},
		{`[x for x in payload.missing]`, "payload.missing is null where `for` needs a list"},
		{"x = 1\nfor l in payload.nothing:\n  pass", "line 2: payload.nothing is null where `for` needs a list"},
		{`len(payload.missing)`, "payload.missing is null where `len` needs a text, list or map"},
		{`sorted(payload.missing)`, "payload.missing is null where `sorted` needs a list"},
		{`payload.missing[1:]`, "payload.missing: a null cannot be sliced"},
		{`payload.n[:1]`, "payload.n: a number cannot be sliced"},
		{`payload.n / payload.zero`, "payload.zero is zero, which `/` cannot divide by"},
		{`int(payload.text)`, "payload.text is no number that `int` reads"},
		{`payload["missing"]()`, "payload.missing is null, not a function"},
		{`payload.tags.get("x")`, "a list has no method get"},
		{`json.decode(payload.text)`, "the text is no JSON"},
		{`def f(n): return f(n)` + "\nf(1)", "f calls itself"},
		{"fail(\"no such order\")", "the code called fail: no such order"},
		{"fail(payload.text)", "the code called fail"},
		{"if payload.n < 3:\n  x = 1\nx + 1", "the variable x has no value yet"},
		{`{1: 2}`, "names are strings"},
		{`len`, "the result holds a"},
		{`float("inf")`, "outside of the range"},
		{`1e308 * 10`, "outside of the range"},
		{`{[1]: 2}`, "a list or map cannot be the name of a member"},
		{"x = {}\nx.pop(\"a\")", "line 2: x does not have what `pop` looks for"},
		{"x = [1]\nfor a in x:\n  x.append(a)", "cannot be changed while a loop goes over it"},
	}
}

func TestCodeGivesValues(t *testing.T) {
	t.Parallel()
	cases := map[string][]gives{
		"starlark": append(both(), []gives{
			{`str({"a": "b"})`, `"{\"a\": \"b\"}"`},
			{`[1, 2] + [3]`, `[1,2,3]`},
		}...),
		"python": append(both(), []gives{
			{`f"{payload.n:>6}|{payload.f:.2f}|{payload.text!r}|{{}}|{payload.user['login']}"`, `"    25|25.50|'Größe'|{}|octo"`},
			{`f"{payload.user["login"]} {'a' + "b"}"`, `"octo ab"`},
			{`f"{payload.n=} {payload.n = :>4}"`, `"payload.n=25 payload.n =   25"`},
			{`f"{1234567.891:,.1f} {0.256:.0%} {255:#x} {5:03d} {-5:+d} {'ab':^6}|{True}|{None}"`, `"1,234,567.9 26% 0xff 005 -5   ab  |True|None"`},
			{`width = 8` + "\n" + `f"{payload.f:{width}.1f}"`, `"    25.5"`},
			{`f"{[1, 'a', None]} {{'x': 1}} {payload.user.get('nope', {})}"`, `"[1, 'a', None] {'x': 1} {}"`},
			{`"a" "b" f"{1}" 'c'`, `"ab1c"`},
			{`rf"\d{1}" + r"\n"`, `"\\d1\\n"`},
			{`"""a` + "\n" + `b"""`, `"a\nb"`},
			{`str({"a": "it's"})`, `"{'a': \"it's\"}"`},
			{`1 < payload.n < 30`, `true`},
			{`1 < payload.n < 20 or 3 > 2 >= 2`, `true`},
			{`payload.missing is None and payload.n is not None`, `true`},
			{`2 ** 10 + 2 ** -1`, `1024.5`},
			{`-2 ** 2`, `-4`},
			{`(-1) ** 100001`, `-1`},
			{"x = 3\nx **= 2\nx %= 5\nx", `4`},
			{"x: int = 5\ny: str\nx", `5`},
			{"a = b = 2\n[a, b]", `[2,2]`},
			{`{**payload.user, "b": 1, **{"login": "x"}}["login"]`, `"x"`},
			{`sum(l["id"] for l in payload.labels if l["id"] > 1)`, `2`},
			{`sorted({3, 1, 3})`, `[1,3]`},
			{`{x % 2 for x in [1, 2, 3]}`, `[1,0]`},
			{`[c for c in payload["text"]]`, `["G","r","ö","ß","e"]`},
			{`isinstance(payload.n, (int, float)) and not isinstance(payload.text, dict) and isinstance(payload.tags, list)`, `true`},
			{`"%.2f %5s|%-4d|%%" % (1.5, "a", 3)`, `"1.50     a|3   |%"`},
			{`"%s" % payload.user["login"]`, `"octo"`},
			{"x = {\"a\": 1, \"b\": 2}\ndel x[\"a\"]\nx", `{"b":2}`},
			{"def f(a: int, b: str = 'x', *args, **kw) -> str:\n    return b + str(a)\nf(1)", `"x1"`},
			{"def main(payload):\n    return payload[\"n\"]", `25`},
			{"def main():\n    return 1\nresult = 2", `2`},
			{`json.dumps({"a": 1})`, `"{\"a\":1}"`},
			{`json.dumps({"a": [1], "b": {}}, indent=2)`, `"{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}"`},
			{`json.loads("[1]")`, `[1]`},
			{"status = webhook_response.get('status', 'unknown')\nresult = f\"Webhook returned: {status}\"", `"Webhook returned: ok"`},
			{"payload_data = {\n  \"event\": \"deployment_complete\",\n  \"version\": \"1.2.3\"\n}\n", `{"event":"deployment_complete","version":"1.2.3"}`},
			{"x = (1 +\n     2)\ny = x \\\n  + 1\n", `4`},
			{"if payload.n > 100:\n\tx = 1\nelif payload.n > 20:\n\tx = 2\nelse:\n\tx = 3\n", `2`},
			{"x = [\n  1,  # one\n  2,\n]\n# the end", `[1,2]`},
			{`(lambda *a, k=1: len(a) + k)(1, 2)`, `3`},
			{`f"{payload.missing:.2f}"`, "payload.missing: null cannot be written with a format"},
			{`payload.missing ** 2`, "payload.missing is null where `**` needs a number"},
			{`10 ** 100000`, "a value is larger than it may be"},
			{`f"{payload.n:99999}"`, "a value is larger than it may be"},
			{`"%d %d" % 1`, "more places than there are values"},
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
				checkValue(t, compiled(t, compile, c.text), c.want)
			})
		}
	}
}

// checkValue evaluates and compares with JSON, or with a part of the error's message.
func checkValue(t *testing.T, p language.Program, want string) {
	t.Helper()
	result, err := p.Eval(t.Context(), environment(t))
	if err != nil {
		var e *value.Error
		if !errors.As(err, &e) || json.Valid([]byte(want)) || !strings.Contains(e.Message, want) {
			t.Errorf("error %q, want %s", err, want)
		}
		return
	}
	got, err := payload.Encode(result.Value)
	if err != nil {
		t.Fatal(err)
	}
	if wanted, err := payload.Decode([]byte(want)); err != nil || !reflect.DeepEqual(decoded(t, got), wanted) {
		t.Errorf("gives %s, want %s", got, want)
	}
}

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	v, err := payload.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
