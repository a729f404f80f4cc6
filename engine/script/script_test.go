package script_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
)

const body = `{
	"action": "opened", "n": 25, "f": 25.5, "whole": 25.0, "zero": 0, "nothing": null, "yes": true, "empty": "",
	"id": 9007199254740993, "big": 18446744073709551615, "fine": 0.12345678901234567890,
	"text": "Größe", "ref": "refs/heads/main", "created": "2024-01-02T03:04:05Z",
	"labels": [{"name": "bug", "id": 2}, {"name": "docs", "id": 1}], "tags": ["x", "y"], "prices": [3, 1.5, 2],
	"user": {"login": "octo", "site_admin": false, "odd name": 1}
}`

func decode(tb testing.TB, text string) any {
	tb.Helper()
	v, err := payload.Decode([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func environment(tb testing.TB) *script.Env {
	tb.Helper()
	return &script.Env{
		Event:   map[string]any{"name": "pull_request", "id": "01", "provider": "acme"},
		Payload: decode(tb, body),
		Headers: map[string]any{"x-acme-event": "pull_request"},
		Query:   map[string]any{"page": "2"},
		Vars:    map[string]any{"team": "core", "index": int64(1)},
		Run:     map[string]any{"pipeline": "big"},
		Now:     time.Date(2024, 1, 3, 3, 4, 5, 0, time.UTC),
		Outputs: map[string]any{"Message": map[string]any{"text": "hi"}, "Is big": true, "payload": "shadowed"},
	}
}

func scope() script.Scope {
	return script.Scope{Labels: []string{"Message", "Is big", "payload", "len", "Later"}, Shared: script.NewShared(), Machines: isolated()}
}

// isolated are the machines of all tests: compiling the guest of Starlark takes a second or two.
var isolated = sync.OnceValue(func() *script.Machines { return script.NewMachines(script.MachineOptions{}) })

// expressionLanguages are those whose texts look alike: names, members, lists and operators mean the same in both.
func expressionLanguages() []string { return []string{"expr", "cel"} }

func compileValue(tb testing.TB, lang, text string) script.Program {
	tb.Helper()
	return compileIn(tb, scope(), lang, text)
}

func compileIn(tb testing.TB, in script.Scope, lang, text string) script.Program {
	tb.Helper()
	var out diag.List
	p := script.CompileValue(lang, script.Source{Text: text}, in, &out)
	if p == nil {
		tb.Fatalf("%s `%s` does not compile: %v", lang, text, out.Sorted())
	}
	return p
}

// same are expressions that mean the same in both languages; an empty text says that a language writes it another way or not at all.
type same struct {
	expr, cel string
	want      string // JSON
}

func TestLanguagesGiveTheSameValues(t *testing.T) {
	t.Parallel()
	for _, c := range []same{
		// what is missing
		{`payload.pull_request.draft`, `payload.pull_request.draft`, `null`},
		{`payload.nothing.x[3].y`, `payload.nothing.x[3].y`, `null`},
		{`payload.n.x`, `payload.n.x`, `null`},
		{`payload.tags[7]`, `payload.tags[7]`, `null`},
		{`payload.tags[-1]`, `payload.tags[-1]`, `"y"`},
		{`payload.tags.first`, `payload.tags.first`, `null`},
		{`payload.labels[0]["name"]`, `payload.labels[0]["name"]`, `"bug"`},
		{`payload.user["odd name"]`, `payload.user["odd name"]`, `1`},
		{`payload.missing == null`, `payload.missing == null`, `true`},
		{`payload.nothing == payload.missing`, `payload.nothing == payload.missing`, `true`},
		{`payload.missing != "a"`, `payload.missing != "a"`, `true`},
		{`"a" in payload.missing`, `"a" in payload.missing`, `false`},
		{`payload.missing contains "a"`, `payload.missing.contains("a")`, `false`},
		{`payload.missing startsWith "a"`, `payload.missing.startsWith("a")`, `false`},
		{`payload.missing endsWith "a"`, `payload.missing.endsWith("a")`, `false`},
		{`payload.missing matches "a"`, `payload.missing.matches("a")`, `false`},
		{`payload.tags[vars.index]`, `payload.tags[vars.index]`, `"y"`},
		{`payload.tags[vars.nope]`, `payload.tags[vars.nope]`, `null`},
		{`Later.text`, `Later.text`, `null`},

		// numbers
		{`payload.n > 20`, `payload.n > 20`, `true`},
		{`payload.f > 20`, `payload.f > 20`, `true`},
		{`payload.n == 25.0`, `payload.n == 25.0`, `true`},
		{`payload.whole == 25`, `payload.whole == 25`, `true`},
		{`payload.n < payload.f`, `payload.n < payload.f`, `true`},
		{`payload.whole in [1, 25]`, `payload.whole in [1, 25]`, `true`},
		{`payload.n * 2`, `payload.n * 2`, `50`},
		{`payload.f * 2`, `payload.f * 2`, `51`},
		{`payload.n + payload.f`, `payload.n + payload.f`, `50.5`},
		{`payload.n - 30`, `payload.n - 30`, `-5`},
		{`payload.n % 4`, `payload.n % 4`, `1`},
		{`payload.whole % 4`, `payload.whole % 4`, `1`},
		{`payload.f / 2`, `payload.f / 2.0`, `12.75`},
		{`-payload.n`, `-payload.n`, `-25`},
		{`payload.id`, `payload.id`, `9007199254740993`},
		{`payload.id + 1`, `payload.id + 1`, `9007199254740994`},
		{`payload.id == 9007199254740992`, `payload.id == 9007199254740992`, `false`},
		{`payload.big`, `payload.big`, `18446744073709551615`},
		{`{"id": payload.big, "l": [payload.fine]}`, `{"id": payload.big, "l": [payload.fine]}`, `{"id":18446744073709551615,"l":[0.12345678901234567890]}`},
		{`payload.big > payload.id`, `payload.big > payload.id`, `true`},
		{`20 < payload.big`, `20 < payload.big`, `true`},
		{`payload.fine < 1`, `payload.fine < 1`, `true`},
		{`payload.big == payload.big`, `payload.big == payload.big`, `true`},
		{`max(payload.prices)`, `max(payload.prices)`, `3`},
		{`string(payload.big)`, `string(payload.big)`, `"18446744073709551615"`},

		// text
		{`payload.action + "!"`, `payload.action + "!"`, `"opened!"`},
		{`payload.text[0:3]`, `payload.text.substring(0, 3)`, `"Grö"`},
		{`len(payload.text)`, `size(payload.text)`, `5`},
		{`indexOf(payload.text, "e")`, `payload.text.indexOf("e")`, `4`},
		{`upper(payload.action)`, `payload.action.upperAscii()`, `"OPENED"`},
		{`replace(payload.ref, "/", "-")`, `payload.ref.replace("/", "-")`, `"refs-heads-main"`},
		{`split(payload.ref, "/")`, `payload.ref.split("/")`, `["refs","heads","main"]`},
		{`split(payload.ref, "/", 2)`, `payload.ref.split("/", 2)`, `["refs","heads/main"]`},
		{`join(payload.tags, ", ")`, `payload.tags.join(", ")`, `"x, y"`},
		{`trimPrefix(payload.ref, "refs/heads/")`, `trimPrefix(payload.ref, "refs/heads/")`, `"main"`},
		{`payload.ref matches "^refs/(heads|tags)/"`, `payload.ref.matches("^refs/(heads|tags)/")`, `true`},
		{`payload.ref contains "heads"`, `payload.ref.contains("heads")`, `true`},
		{`string(payload.missing)`, `string(payload.missing)`, `""`},
		{`string(payload.tags)`, `string(payload.tags)`, `"[\"x\",\"y\"]"`},
		{`toJSON({"b": 1, "a": "\u2028"})`, `toJSON({"b": 1, "a": "\u2028"})`, `"{\"a\":\"\\u2028\",\"b\":1}"`},
		{`fromJSON("{\"a\":[1]}").a[0]`, `fromJSON("{\"a\":[1]}").a[0]`, `1`},
		{`fromBase64(toBase64(payload.text))`, `fromBase64(toBase64(payload.text))`, `"Größe"`},

		// lists and maps
		{`any(payload.labels, .name == "bug")`, `payload.labels.exists(l, l.name == "bug")`, `true`},
		{`all(payload.labels, .id > 1)`, `payload.labels.all(l, l.id > 1)`, `false`},
		{`one(payload.labels, .id > 1)`, `payload.labels.exists_one(l, l.id > 1)`, `true`},
		{`map(payload.labels, .name)`, `payload.labels.map(l, l.name)`, `["bug","docs"]`},
		{`filter(payload.labels, .id == 1)`, `payload.labels.filter(l, l.id == 1)`, `[{"id":1,"name":"docs"}]`},
		{`map(payload.labels, {{"n": .name, "m": .missing}})`, `payload.labels.map(l, {"n": l.name, "m": l.missing})`, `[{"m":null,"n":"bug"},{"m":null,"n":"docs"}]`},
		{`payload.tags == ["x", "y"]`, `payload.tags == ["x", "y"]`, `true`},
		{`payload.user == {"login": "octo", "site_admin": false, "odd name": 1.0}`, `payload.user == {"login": "octo", "site_admin": false, "odd name": 1.0}`, `true`},
		{`"login" in payload.user`, `"login" in payload.user`, `true`},
		{`keys(payload.user)`, `keys(payload.user)`, `["login","odd name","site_admin"]`},
		{`concat(payload.tags, ["z"])`, `payload.tags + ["z"]`, `["x","y","z"]`},
		{`len(payload.labels)`, `payload.labels.size()`, `2`},

		// names
		{`headers["X-Acme-Event"]`, `headers["X-Acme-Event"]`, `"pull_request"`},
		{`event.headers["X-Acme-Event"]`, `event.headers["X-Acme-Event"]`, `"pull_request"`},
		{`event.payload.n`, `event.payload.n`, `25`},
		{`event.name + event.query.page`, `event.name + event.query.page`, `"pull_request2"`},
		{`len(event)`, `size(event)`, `7`},
		{`event.delivery`, `event.delivery`, `null`},
		{`query.page`, `query.page`, `"2"`},
		{`vars.team`, `vars.team`, `"core"`},
		{`run.pipeline`, `run.pipeline`, `"big"`},
		{`Message.text`, `Message.text`, `"hi"`},
		{`steps.Message`, `steps.Message`, `{"text":"hi"}`},
		{`steps["Is big"]`, `steps["Is big"]`, `true`},
		{`steps["payload"]`, `steps["payload"]`, `"shadowed"`},
		{`payload.action`, `payload.action`, `"opened"`},

		// time
		{`now`, `now`, `"2024-01-03T03:04:05Z"`},
		{`{"at": [now]}`, `{"at": [now]}`, `{"at":["2024-01-03T03:04:05Z"]}`},
		{`now - date(payload.created) == duration("24h")`, `now - timestamp(payload.created) == duration("24h")`, `true`},
		{`now - date(payload.created)`, `now - timestamp(payload.created)`, `"24h0m0s"`},
		{`now.Year()`, `now.getFullYear()`, `2024`},
		{`(now + duration("1h")).Format("15:04")`, ``, `"04:04"`},
		{`date("2024-01-03") < now`, `timestamp("2024-01-03T00:00:00Z") < now`, `true`},

		// control
		{`payload.yes ? 1 : 2`, `payload.yes ? 1 : 2`, `1`},
		{`!payload.user.site_admin && payload.n > 3`, `!payload.user.site_admin && payload.n > 3`, `true`},
		{`payload.missing ?? "d"`, `has(payload.missing) ? payload.missing : "d"`, `"d"`},
		{`let x = payload.n; x + x`, ``, `50`},
		{`1 < payload.n < 30`, ``, `true`},
		{`if payload.yes { "a" } else { "b" }`, ``, `"a"`},
		{`payload.missing?.x`, ``, `null`},
		{`nil`, `null`, `null`},
		{``, `has(payload.nothing)`, `true`},
		{``, `has(payload.missing.x)`, `false`},
		{``, `payload.missing.x > 3 || true`, `true`},

		// loops that only expr has
		{`sum(payload.labels, .id)`, ``, `3`},
		{`sum(payload.prices)`, `payload.prices[0] + payload.prices[1] + payload.prices[2]`, `6.5`},
		{`sum([])`, ``, `0`},
		{`map(sortBy(payload.labels, .id), .name)`, ``, `["docs","bug"]`},
		{`map(sortBy(payload.labels, .id, "desc"), .name)`, ``, `["bug","docs"]`},
		{`groupBy(payload.labels, .id > 1)`, ``, `{"false":[{"id":1,"name":"docs"}],"true":[{"id":2,"name":"bug"}]}`},
		{`reduce(payload.tags, #acc + #, "-")`, ``, `"-xy"`},
		{`map(payload.tags, #index)`, ``, `[0,1]`},
		{`count(payload.labels, .id > 1)`, ``, `1`},
		{`count([true, false, true])`, ``, `2`},
		{`find(payload.labels, .id == 1).name`, ``, `"docs"`},
		{`find(payload.labels, .id == 9)`, ``, `null`},
		{`findIndex(payload.labels, .id == 1)`, ``, `1`},
		{`none(payload.tags, # == "z")`, ``, `true`},
		{`payload.tags | map(# + "!") | join(" ")`, ``, `"x! y!"`},
		{`map(payload.tags, map(payload.prices, #)[0])`, ``, `[3,3]`},
		{`map(1..3, # * 2)`, ``, `[2,4,6]`},
		{`payload.prices[1:]`, ``, `[1.5,2]`},
		{`payload.prices[:-1]`, ``, `[3,1.5]`},
		{`uniq([1, 1.0, "1", [1], [1.0], null, null])`, `uniq([1, 1.0, "1"])`, ``},
	} {
		for lang, text := range map[string]string{"expr": c.expr, "cel": c.cel} {
			if text == "" {
				continue
			}
			result, err := compileValue(t, lang, text).Eval(t.Context(), environment(t))
			if err != nil {
				t.Errorf("%s `%s`: %v", lang, text, err)
				continue
			}
			got, err := payload.Encode(result.Value)
			if err != nil {
				t.Errorf("%s `%s` gives %#v, which is no JSON: %v", lang, text, result.Value, err)
			}
			if c.want != "" && string(got) != c.want {
				t.Errorf("%s `%s` = %s, want %s", lang, text, got, c.want)
			}
		}
	}
}

func TestMistakesInValuesNameTheOperand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr, cel string
		code      script.Code
		want      string
	}{
		{`payload.missing < 3`, `payload.missing < 3`, script.Expression, "payload.missing is null where `<` needs a number, a string or a time"},
		{`3 > payload.missing`, `3 > payload.missing`, script.Expression, "payload.missing is null where `>`"},
		{`payload.missing + 1`, `payload.missing + 1`, script.Expression, "payload.missing is null where `+`"},
		{`payload.user.login - 1`, `payload.user.login - 1`, script.Expression, "payload.user.login is a string and 1 a number where `-`"},
		{`payload.action + payload.n`, `payload.action + payload.n`, script.Expression, "payload.action is a string and payload.n a number where `+`"},
		{`-payload.action`, `-payload.action`, script.Expression, "payload.action is a string where `-`"},
		{`payload.n / payload.zero`, `payload.n / payload.zero`, script.Expression, "payload.zero is zero"},
		{`payload.n % payload.zero`, `payload.n % payload.zero`, script.Expression, "payload.zero is zero"},
		{`payload.id * payload.id`, `payload.id * payload.id`, script.Expression, "the result of `*` is outside of the range of numbers"},
		{`len(payload.missing)`, `size(payload.missing)`, script.Expression, "payload.missing is null where"},
		{`upper(payload.n)`, `payload.n.upperAscii()`, script.Expression, "payload.n is a number where"},
		{`payload.n contains "2"`, `payload.n.contains("2")`, script.Expression, "payload.n is a number where `contains` needs a string"},
		{`any(payload.missing, true)`, `payload.missing.exists(x, true)`, script.Expression, "payload.missing is null where"},
		{`any(payload.tags, #)`, `payload.tags.exists(x, x)`, script.NotBoolean, "needs true or false"},
		{`!payload.missing`, `!payload.missing`, script.NotBoolean, "payload.missing is null where `!` needs true or false"},
		{`payload.n && payload.yes`, `payload.n && payload.yes`, script.NotBoolean, "payload.n is a number where `&&` needs true or false"},
		{`payload.n ? 1 : 2`, `payload.n ? 1 : 2`, script.NotBoolean, "payload.n is a number where `?:` needs true or false"},
		{`"a" in payload.n`, `"a" in payload.n`, script.Expression, "payload.n is a number where `in` needs a list or a map"},
		{`now > payload.created`, `now > payload.created`, script.Expression, "now is a time and payload.created a string"},
		{`date(payload.action)`, `timestamp(payload.action)`, script.Expression, "payload.action is no time"},
		{`join(payload.prices)`, `join(payload.prices)`, script.Expression, "element 0 of payload.prices is a number"},
		{`fromJSON(payload.action)`, `fromJSON(payload.action)`, script.Expression, "payload.action is no JSON"},
		{`{(payload.n): 1}`, `{payload.n: 1}`, script.Expression, ""},
		{`sort([1, "a"])`, `sort([dyn(1), "a"])`, script.Expression, "have no order"},
		{`reduce([], #acc + #)`, ``, script.Expression, "reduce of empty array"},
		{`payload.tags[0:payload.action]`, `payload.action.substring(0, payload.tags[0])`, script.Expression, "is a string where"},
	} {
		for lang, text := range map[string]string{"expr": c.expr, "cel": c.cel} {
			if text == "" {
				continue
			}
			result, err := compileValue(t, lang, text).Eval(t.Context(), environment(t))
			var e *script.Error
			if !errors.As(err, &e) {
				t.Errorf("%s `%s` = %v, %v, want an *Error", lang, text, result.Value, err)
				continue
			}
			if e.Code != c.code || !strings.Contains(e.Message, c.want) {
				t.Errorf("%s `%s`: %s %q, want %s %q", lang, text, e.Code, e.Message, c.code, c.want)
			}
		}
	}
}

func TestConditionsGiveTrueOrFalse(t *testing.T) {
	t.Parallel()
	for _, lang := range expressionLanguages() {
		for text, want := range map[string]any{
			`payload.yes`:                    true,
			`payload.user.site_admin`:        false,
			`payload.n > 20`:                 true,
			`payload.pull_request.draft`:     "payload.pull_request.draft is null, a condition must be true or false",
			`payload.n`:                      "payload.n is a number, a condition must be true or false",
			`payload.yes ? payload.n : true`: "is a number, a condition must be true or false",
		} {
			var out diag.List
			p := script.CompileCondition(lang, script.Source{Text: text}, scope(), &out)
			if p == nil {
				t.Errorf("%s `%s` does not compile: %v", lang, text, out.Sorted())
				continue
			}
			result, err := p.Eval(t.Context(), environment(t))
			message, fails := want.(string)
			if !fails {
				if err != nil || result.Value != want {
					t.Errorf("%s `%s` = %v, %v, want %v", lang, text, result.Value, err, want)
				}
				continue
			}
			var e *script.Error
			if !errors.As(err, &e) || e.Code != script.NotBoolean || !strings.Contains(e.Message, message) {
				t.Errorf("%s `%s` = %v, %v, want not_boolean %q", lang, text, result.Value, err, message)
			}
			if len(result.Reads) == 0 || result.Value != nil {
				t.Errorf("%s `%s` fails with value %v and reads %v, want its reads only", lang, text, result.Value, result.Reads)
			}
		}
		for _, text := range []string{`"yes"`, `1 + 1`, `[true]`, `{"a": true}`} {
			var out diag.List
			if p := script.CompileCondition(lang, script.Source{Text: text}, scope(), &out); p != nil {
				t.Errorf("%s `%s` compiles as a condition", lang, text)
			}
			if fs := out.Sorted(); len(fs) != 1 || fs[0].Rule != diag.ExpressionType {
				t.Errorf("%s `%s` as a condition: %v, want one %s", lang, text, fs, diag.ExpressionType)
			}
		}
	}
}

func TestReadsAreTheOperandsOfTheText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr, cel string
		want      string
	}{
		{`payload.n > 20 && payload.action == "x" && payload.n < 9`, `payload.n > 20 && payload.action == "x" && payload.n < 9`, `payload.n=25 payload.action="opened"`},
		{`false && payload.missing.x > 3`, `false && payload.missing.x > 3`, `payload.missing.x=null`},
		{`steps["Is big"] && Message.text == "" && headers["X-Acme-Event"] != ""`, `steps["Is big"] && Message.text == "" && headers["X-Acme-Event"] != ""`, `steps["Is big"]=true Message.text="hi" headers["x-acme-event"]="pull_request"`},
		{`payload.tags[vars.index] == payload.labels[0].name`, `payload.tags[vars.index] == payload.labels[0].name`, `payload.tags=["x","y"] vars.index=1 payload.labels[0].name="bug"`},
		{`any(payload.tags, # == vars.team)`, `payload.tags.exists(t, t == vars.team)`, `payload.tags=["x","y"] vars.team="core"`},
		{`now > date("2020-01-01")`, `now > timestamp("2020-01-01T00:00:00Z")`, `now="2024-01-03T03:04:05Z"`},
		{`let x = payload.n; x > payload.f`, `has(payload.user.login)`, ``},
		{`1 + 1 == 2`, `1 + 1 == 2`, ``},
		{`payload["user"]["odd name"] == 1`, `payload["user"]["odd name"] == 1`, `payload.user["odd name"]=1`},
	} {
		for lang, text := range map[string]string{"expr": c.expr, "cel": c.cel} {
			result, err := compileValue(t, lang, text).Eval(t.Context(), environment(t))
			if err != nil {
				t.Errorf("%s `%s`: %v", lang, text, err)
			}
			var got []string
			for _, r := range result.Reads {
				v, err := payload.Encode(r.Value)
				if err != nil {
					t.Errorf("%s `%s`: read %s: %v", lang, text, r.Operand, err)
				}
				got = append(got, r.Operand+"="+string(v))
			}
			want := c.want
			switch text {
			case `let x = payload.n; x > payload.f`:
				want = `payload.n=25 payload.f=25.5`
			case `has(payload.user.login)`:
				want = `payload.user.login="octo"`
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s `%s` reads %s, want %s", lang, text, strings.Join(got, " "), want)
			}
		}
	}
}

func TestReferencesNeverComeIntoExpressions(t *testing.T) {
	t.Parallel()
	n, shared := reference(t), scope()
	for _, lang := range script.CodeLanguages() {
		var out diag.List
		if p := script.CompileValue(lang, script.FromNode(n), shared, &out); p != nil || out.Len() != 1 || out.Sorted()[0].Rule != diag.ReferenceNotAllowed {
			t.Errorf("%s: %v, want reference-not-allowed", lang, out.Sorted())
		}
	}
}

func TestEvaluationChangesNothingAndMayRunInParallel(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"expr": `{"a": concat(payload.tags, ["z"]), "b": sort(payload.prices), "c": reverse(payload.labels), "d": map(payload.labels, .name), "e": sortBy(payload.labels, .id), "f": payload, "g": now, "h": uniq(payload.tags)}`,
		"cel":  `{"a": payload.tags + ["z"], "b": sort(payload.prices), "c": reverse(payload.labels), "d": payload.labels.map(l, l.name), "f": payload, "g": now, "h": payload.tags.filter(t, t != "x")}`,
	}
	for lang, text := range texts {
		env := environment(t)
		want, err := payload.Encode(env.Payload)
		if err != nil {
			t.Fatal(err)
		}
		p := compileValue(t, lang, text)
		first, err := p.Eval(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					got, err := p.Eval(t.Context(), env)
					if err != nil || !reflect.DeepEqual(got.Value, first.Value) {
						t.Errorf("%s: %v, %v, want the same value each time", lang, got.Value, err)
						return
					}
				}
			})
		}
		wg.Wait()
		if got, _ := payload.Encode(env.Payload); string(got) != string(want) {
			t.Errorf("%s changed the payload to %s", lang, got)
		}
	}
}

func TestACancelledContextEndsTheEvaluation(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for lang, text := range map[string]string{"expr": `any(payload.tags, # == "y")`, "cel": `payload.tags.exists(t, t == "y")`} {
		_, err := compileValue(t, lang, text).Eval(ctx, environment(t))
		var e *script.Error
		if !errors.As(err, &e) || e.Code != script.Cancelled {
			t.Errorf("%s: %v, want cancelled", lang, err)
		}
	}
}

func TestAnEmptyEnvironmentIsAllNull(t *testing.T) {
	t.Parallel()
	for _, lang := range expressionLanguages() {
		p := compileValue(t, lang, `[payload.a, headers.a, query.a, vars.a, run.a, steps.Message, Message.a, event.name, event.headers.a, headers == {}]`)
		result, err := p.Eval(t.Context(), &script.Env{})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := payload.Encode(result.Value)
		if want := `[null,null,null,null,null,null,null,null,null,true]`; string(got) != want {
			t.Errorf("%s: %s, want %s", lang, got, want)
		}
	}
}

func TestValuesComeOutAsPlainJSON(t *testing.T) {
	t.Parallel()
	for _, lang := range expressionLanguages() {
		p := compileValue(t, lang, `[1, 1.5, payload.big, {"a": [2]}, "x", true, null, now]`)
		result, err := p.Eval(t.Context(), environment(t))
		want := []any{
			int64(1), 1.5, json.Number("18446744073709551615"), map[string]any{"a": []any{int64(2)}}, "x", true, nil, "2024-01-03T03:04:05Z",
		}
		if err != nil || !reflect.DeepEqual(result.Value, want) {
			t.Errorf("%s: %#v, %v, want %#v", lang, result.Value, err, want)
		}
	}
}
