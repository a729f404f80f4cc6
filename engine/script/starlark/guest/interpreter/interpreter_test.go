package interpreter

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/script/starlark/guest/interpreter/wire"
)

// request makes the message that runs a text; its value is that of the variable `result`.
func request(tb testing.TB, text string, limits wire.Limits, inputs func(*wire.Writer) int) []byte {
	tb.Helper()
	options := &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true}
	file, err := options.Parse("code", text, 0)
	if err != nil {
		tb.Fatal(err)
	}
	last := file.Stmts[len(file.Stmts)-1].(*syntax.AssignStmt)
	last.LHS.(*syntax.Ident).Name = wire.Result
	program, err := starlark.FileProgram(file, func(name string) bool { return name != "None" && name != "True" })
	if err != nil {
		tb.Fatal(err)
	}
	var code bytes.Buffer
	if err := program.Write(&code); err != nil {
		tb.Fatal(err)
	}
	var values, w wire.Writer
	n := 0
	if inputs != nil {
		n = inputs(&values)
	}
	w.Request(wire.Request{Limits: limits, Program: code.Bytes(), Python: true, Inputs: n})
	return append(w.Bytes(), values.Bytes()...)
}

func limits() wire.Limits {
	return wire.Limits{Steps: 100_000, Bytes: 1 << 20, Depth: 200, LogLines: 3, LogBytes: 10}
}

// answer is what Run gave, taken apart as far as these tests look.
type answer struct {
	log           []string
	outcome       wire.Outcome
	kind, message string
	line, column  int64
	value         any
}

func run(tb testing.TB, message []byte) answer {
	tb.Helper()
	r := wire.NewReader(Run(message))
	var a answer
	for range r.Count() {
		a.log = append(a.log, r.Text())
	}
	switch a.outcome = wire.Outcome(r.Byte()); a.outcome {
	case wire.Failed:
		a.kind, a.message, a.line, a.column = r.Text(), r.Text(), r.Number(), r.Number()
	case wire.Done:
		a.value = plainValue(readValue(r))
	case wire.TooLarge, wire.TooDeep:
	}
	if r.Err() != nil {
		tb.Fatal(r.Err())
	}
	return a
}

// plainValue gives a value's text.
func plainValue(v starlark.Value) string {
	if v == nil {
		return "nothing"
	}
	return v.String()
}

func TestInputsComeBackAsTheyAre(t *testing.T) {
	t.Parallel()
	a := run(t, request(t, "result = [x, x[5] + 1]", limits(), func(w *wire.Writer) int {
		w.Text("x")
		w.Tag(wire.List)
		w.Number(9)
		w.Tag(wire.Null)
		w.Tag(wire.True)
		w.Tag(wire.False)
		w.Tag(wire.Int)
		w.Number(-5)
		w.Tag(wire.Big)
		w.Text("18446744073709551615")
		w.Tag(wire.Decimal)
		w.Text("0.12345678901234567890")
		w.Tag(wire.Float)
		w.Float(1.5)
		w.Tag(wire.String)
		w.Text("Größe")
		w.Tag(wire.Map)
		w.Number(1)
		w.Text("a")
		w.Tag(wire.Null)
		return 1
	}))
	if want := `[[None, True, False, -5, 18446744073709551615, 0.12345678901234567890, 1.5, "Größe", {"a": None}], 1.1234567890123457]`; a.value != want {
		t.Errorf("%+v, want %s", a, want)
	}
}

func TestTheAnswerTellsWhatWentWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text         string
		outcome      wire.Outcome
		kind         string
		line, column int64
	}{
		{"x = 1\nresult = 2 + None", wire.Failed, wire.KindError, 2, 12},
		{"result = [len(None)]", wire.Failed, wire.KindError, 1, 14},
		{"while True: pass\nresult = 1", wire.Failed, wire.KindSteps, 1, 1},
		{"result = fail('x')", wire.Failed, wire.KindFail, 1, 14},
		{"result = json.decode('{')", wire.Failed, wire.KindMessage, 1, 21},
		{"result = {1: 2}", wire.Failed, wire.KindMessage, 0, 0},
		{"result = len", wire.Failed, wire.KindMessage, 0, 0},
		{"result = range", wire.Failed, wire.KindMessage, 0, 0},
		{"result = 'a' * 2000000", wire.TooLarge, "", 0, 0},
		{"result = {'a' * 2000000: 1}", wire.TooLarge, "", 0, 0},
		{"result = [1] * 2000000", wire.TooLarge, "", 0, 0},
		{"x = 7\nfor i in range(23): x = x * x\nresult = x", wire.TooLarge, "", 0, 0},
		{"x = [1]\nfor i in range(300): x = [x]\nresult = x", wire.TooDeep, "", 0, 0},
	} {
		a := run(t, request(t, c.text, limits(), nil))
		if a.outcome != c.outcome || a.kind != c.kind || a.line != c.line || a.column != c.column {
			t.Errorf("`%s`: %+v, want %c %s at %d:%d", c.text, a, c.outcome, c.kind, c.line, c.column)
		}
	}
}

func TestTheLogIsBounded(t *testing.T) {
	t.Parallel()
	a := run(t, request(t, "for i in range(5): print('öööööööö', i)\nresult = 1", limits(), nil))
	if want := []string{"ööööö", "ööööö", "ööööö", "more lines are left out"}; strings.Join(a.log, "|") != strings.Join(want, "|") {
		t.Errorf("log %q, want %q", a.log, want)
	}
	a = run(t, request(t, "print('a')\nresult = {1: 2}", limits(), nil))
	if a.outcome != wire.Failed || len(a.log) != 1 {
		t.Errorf("%+v, want a failure and the line before it", a)
	}
}

func TestRequestsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	whole := request(t, "result = x", limits(), func(w *wire.Writer) int {
		w.Text("x")
		w.Tag(wire.String)
		w.Text("abc")
		return 1
	})
	for n := range len(whole) - 1 {
		if a := run(t, whole[:n]); a.outcome != wire.Failed || a.kind != wire.KindBroken {
			t.Fatalf("the first %d bytes: %+v, want a broken request", n, a)
		}
	}
	if a := run(t, whole); a.outcome != wire.Done {
		t.Errorf("the whole: %+v", a)
	}
	var w wire.Writer
	w.Request(wire.Request{Program: []byte("no program")})
	if a := run(t, w.Bytes()); a.kind != wire.KindBroken {
		t.Errorf("%+v, want a broken request", a)
	}
}

func TestJSONIsReadAndWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a": [1, -0.5, 1e3, true, false, null, "x"], "b": {}}`: `{"a":[1,-0.5,1000.0,true,false,null,"x"],"b":{}}`,
		` [ ] `:                      `[]`,
		`18446744073709551616`:       `18446744073709551616`,
		`"\u00fc\ud83d\ude00\n\/\"`:  "",
		`"\u00fc\ud83d\ude00\n\/\""`: `"ü😀\n/\""`,
		`"\ud83d"`:                   "\"\uFFFD\"",
		`"\ud83dx"`:                  "\"\uFFFDx\"",
		"\"\\u0001\\u2028\"":         `"\u0001\u2028"`,
		`{"a": 1, "a": 2}`:           "", `[1,]`: "", `[1 2]`: "", `{"a" 1}`: "", `{a: 1}`: "", `{"a":}`: "", `01`: "", `1.`: "", `+1`: "", `--1`: "", `.5`: "", `1e`: "",
		`nul`: "", `"a`: "", `"\x"`: "", `"\u12"`: "", "\"\n\"": "", ``: "", `1 2`: "", `1e999`: "", `]`: "", `"\`: "",
		strings.Repeat("[", 300) + strings.Repeat("]", 300): "",
	} {
		v, err := decodeJSON(nil, starlark.NewBuiltin("json.decode", nil), starlark.Tuple{starlark.String(text)}, nil)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v, want %s", text, err, want)
			}
			continue
		}
		back, err := encodeJSON(nil, starlark.NewBuiltin("json.encode", nil), starlark.Tuple{v}, nil)
		if err != nil || string(back.(starlark.String)) != want {
			t.Errorf("%s is %v (%v), %v, want %s", text, v, back, err, want)
		}
	}
}

func TestFormatsAreThoseOfPython(t *testing.T) {
	t.Parallel()
	c := &call{Request: wire.Request{Limits: limits(), Python: true}}
	num, f := starlark.MakeInt, func(f float64) starlark.Value { return starlark.Float(f) }
	for _, x := range []struct {
		v          starlark.Value
		spec, want string
	}{
		{num(42), "5", "   42"},
		{num(42), "<5", "42   "},
		{num(42), "^6", "  42  "},
		{num(-42), "06", "-00042"},
		{num(42), "+", "+42"},
		{num(42), " d", " 42"},
		{num(1234567), ",", "1,234,567"},
		{num(1234567), "_d", "1_234_567"},
		{num(255), "x", "ff"},
		{num(255), "#X", "0XFF"},
		{num(5), "b", "101"},
		{num(8), "#o", "0o10"},
		{num(65), "c", "A"},
		{num(3), ".2f", "3.00"},
		{num(1), "%", "100.000000%"},
		{num(3), "e", "3.000000e+00"},
		{num(65535), "_x", "ffff"},
		{f(3.14159), ".2f", "3.14"},
		{f(3.14159), "8.3f", "   3.142"},
		{f(-3.5), "08.2f", "-0003.50"},
		{f(1234.5), ",.2f", "1,234.50"},
		{f(0.1234), ".1%", "12.3%"},
		{f(1e20), "g", "1e+20"},
		{f(0.00001), "g", "1e-05"},
		{f(123456), "g", "123456"},
		{f(1234567), "g", "1.23457e+06"},
		{f(2), "", "2.0"},
		{f(2.5), "5", "  2.5"},
		{f(2.5), ".3", "2.5"},
		{f(1e5), "E", "1.000000E+05"},
		{f(0), "g", "0"},
		{f(math.Inf(1)), ".1f", "inf"},
		{decimal("0.12345678901234567890"), ".3f", "0.123"},
		{starlark.String("ab"), "5", "ab   "},
		{starlark.String("ab"), "*>5", "***ab"},
		{starlark.String("Größe"), ".3", "Grö"},
		{starlark.String("ab"), "ö^6s", "ööaböö"},
		{starlark.Bool(true), "d", "1"},
		{starlark.Bool(true), "", "True"},
		{starlark.NewList(nil), ">4", "  []"},
		{num(1), "zz", ""},
		{f(1), "d", ""},
		{starlark.String("a"), "d", ""},
		{starlark.None, "5", ""},
		{num(1), "2000", ""},
		{f(1), ".", ""},
		{f(1), ".5000f", ""},
	} {
		got, err := c.format(nil, nil, starlark.Tuple{x.v, starlark.String(x.spec), starlark.String("")}, nil)
		if (err != nil) != (x.want == "") || err == nil && string(got.(starlark.String)) != x.want {
			t.Errorf("%v with %q is %v, %v, want %q", x.v, x.spec, got, err, x.want)
		}
	}
}

func TestTextOfValuesIsThatOfTheLanguage(t *testing.T) {
	t.Parallel()
	list := starlark.NewList([]starlark.Value{starlark.String("it's"), starlark.String(`"`), starlark.String("a\n\\"), starlark.None, starlark.Tuple{starlark.MakeInt(1)}, starlark.Float(1e16)})
	for python, want := range map[bool]string{
		true:  `["it's", '"', 'a\n\\', None, (1,), 1e+16]`,
		false: `["it's", "\"", "a\n\\", None, (1,), 1e+16]`,
	} {
		c := &call{Request: wire.Request{Limits: limits(), Python: python}}
		if got, err := c.textOf(list, false); err != nil || string(got.(starlark.String)) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}
