package value

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func budget(t *testing.T) *Budget {
	t.Helper()
	b := NewBudget(t.Context())
	return &b
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestArithmeticKeepsWholeNumbersWholeAndNeverWraps(t *testing.T) {
	t.Parallel()
	const most, least = int64(math.MaxInt64), int64(math.MinInt64)
	for _, c := range []struct {
		op    byte
		x, y  any
		whole bool
		want  any // nil for an error
	}{
		{'+', most, int64(1), false, nil},
		{'+', most, int64(-1), false, most - 1},
		{'+', least, int64(-1), false, nil},
		{'+', least, least, false, nil},
		{'+', most, int64(0), false, most},
		{'-', least, int64(1), false, nil},
		{'-', int64(-1), most, false, least},
		{'-', int64(0), least, false, nil},
		{'-', int64(-2), most, false, nil},
		{'*', most, int64(2), false, nil},
		{'*', least, int64(-1), false, nil},
		{'*', int64(-1), least, false, nil},
		{'*', least, int64(1), false, least},
		{'*', int64(3037000500), int64(3037000500), false, nil},
		{'*', int64(0), least, false, int64(0)},
		{'/', int64(7), int64(2), true, int64(3)},
		{'/', int64(7), int64(2), false, 3.5},
		{'/', least, int64(-1), true, nil},
		{'/', int64(1), int64(0), true, nil},
		{'/', 1.5, 0.0, false, nil},
		{'/', 7.0, int64(2), true, 3.5},
		{'%', int64(7), int64(4), false, int64(3)},
		{'%', least, int64(-1), false, int64(0)},
		{'%', 7.0, int64(4), false, int64(3)},
		{'%', 7.5, int64(4), false, nil},
		{'%', int64(1), 0.0, false, nil},
		{'^', int64(2), int64(10), false, 1024.0},
		{'^', 1e200, int64(2), false, nil},
		{'*', 1e308, 10.0, false, nil},
		{'+', json.Number("18446744073709551615"), int64(1), false, 18446744073709551616.0},
		{'+', "1", int64(1), false, nil},
		{'-', int64(1), nil, false, nil},
	} {
		got, err := Arithmetic(&Site{Op: string(c.op)}, c.op, c.x, c.y, c.whole)
		if c.want == nil {
			if err == nil {
				t.Errorf("%v %c %v = %v, want an error", c.x, c.op, c.y, got)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%v %c %v = %v, %v, want %v", c.x, c.op, c.y, got, err, c.want)
		}
	}
}

func TestNumbersCompareByValueWhateverTheirTypes(t *testing.T) {
	t.Parallel()
	sorted := []any{
		json.Number("-1e400"), -1e300, int64(math.MinInt64), -1.5, int64(-1), 0.0, int64(1), 1.5, int64(9007199254740992), int64(9007199254740993),
		int64(math.MaxInt64), 9223372036854775808.0, json.Number("9223372036854775809"), json.Number("18446744073709551615"), 1e300, json.Number("1e400"),
	}
	for i, x := range sorted {
		for j, y := range sorted {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got, err := budget(t).Compare(&Site{Op: "<"}, x, y); err != nil || got != want {
				t.Errorf("compare %v with %v = %d, %v, want %d", x, y, got, err, want)
			}
			if same, err := budget(t).Equal(x, y); err != nil || same != (want == 0) {
				t.Errorf("%v == %v is %v, %v, want %v", x, y, same, err, want == 0)
			}
		}
	}
}

func TestEqualGoesByContent(t *testing.T) {
	t.Parallel()
	now := at(t, "2024-01-03T00:00:00Z")
	for _, c := range []struct {
		x, y any
		want bool
	}{
		{nil, nil, true},
		{nil, false, false},
		{nil, []any{}, false},
		{"a", "a", true},
		{"a", "b", false},
		{"1", int64(1), false},
		{true, true, true},
		{true, "true", false},
		{[]any{int64(1), []any{"a"}}, []any{1.0, []any{"a"}}, true},
		{[]any{int64(1)}, []any{int64(1), int64(2)}, false},
		{[]any{int64(1)}, []any{int64(2)}, false},
		{map[string]any{"a": nil}, map[string]any{"a": nil}, true},
		{map[string]any{"a": nil}, map[string]any{"b": nil}, false},
		{map[string]any{"a": int64(1)}, map[string]any{"a": 1.5}, false},
		{map[string]any{}, []any{}, false},
		{now, now.In(time.FixedZone("", 3600)), true},
		{now, now.Add(1), false},
		{time.Hour, 60 * time.Minute, true},
		{time.Hour, int64(time.Hour), false},
		{struct{}{}, struct{}{}, false},
	} {
		if got, err := budget(t).Equal(c.x, c.y); err != nil || got != c.want {
			t.Errorf("%v == %v is %v, %v, want %v", c.x, c.y, got, err, c.want)
		}
	}
}

func TestTimesAndDurations(t *testing.T) {
	t.Parallel()
	now := at(t, "2024-01-03T04:05:06Z")
	b, s := budget(t), &Site{Op: "?"}
	run := func(v any, err error) any {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for i, c := range []struct{ got, want any }{
		{run(b.Add(s, now, time.Hour)), now.Add(time.Hour)},
		{run(b.Add(s, time.Hour, now)), now.Add(time.Hour)},
		{run(b.Add(s, time.Hour, time.Minute)), 61 * time.Minute},
		{run(Subtract(s, now, now.Add(-time.Hour))), time.Hour},
		{run(Subtract(s, now, time.Hour)), now.Add(-time.Hour)},
		{run(Subtract(s, time.Hour, time.Minute)), 59 * time.Minute},
		{run(Multiply(s, time.Hour, int64(2))), 2 * time.Hour},
		{run(Multiply(s, 0.5, time.Hour)), 30 * time.Minute},
		{run(Negate(s, time.Hour)), -time.Hour},
		{run(b.Compare(s, time.Hour, time.Minute)), 1},
		{run(b.Compare(s, now, now.Add(1))), -1},
	} {
		if c.got != c.want {
			t.Errorf("case %d: %v, want %v", i, c.got, c.want)
		}
	}
	for i, err := range []error{
		second(b.Add(s, now, now)), second(Subtract(s, time.Hour, now)), second(Multiply(s, time.Hour, time.Hour)), second(Multiply(s, time.Duration(math.MaxInt64), int64(2))),
		second(Multiply(s, time.Hour, "2")), second(Negate(s, now)), second(Negate(s, int64(math.MinInt64))), second(b.Compare(s, now, time.Hour)), second(b.Add(s, time.Hour, int64(1))),
	} {
		if err == nil {
			t.Errorf("case %d: no error, want one", i)
		}
	}
}

func second(_ any, err error) error { return err }

func TestMethodsOfTimes(t *testing.T) {
	t.Parallel()
	now := at(t, "2024-01-03T04:05:06Z")
	results := map[string]any{
		"Year": int64(2024), "Month": int64(1), "Day": int64(3), "Hour": int64(4), "Minute": int64(5), "Second": int64(6), "Weekday": int64(3), "YearDay": int64(3),
		"Unix": int64(1704254706), "UnixMilli": int64(1704254706000), "UTC": now, "String": "2024-01-03T04:05:06Z",
		"Format": "2024", "Add": now.Add(time.Hour), "Sub": time.Hour, "Before": false, "After": true, "Equal": false,
	}
	args := map[string][]any{"Format": {"2006"}, "Add": {time.Hour}}
	for _, name := range []string{"Sub", "Before", "After", "Equal"} {
		args[name] = []any{now.Add(-time.Hour)}
	}
	durations := map[string]any{"Hours": 1.5, "Minutes": 90.0, "Seconds": 5400.0, "Milliseconds": int64(5400000), "String": "1h30m0s"}
	for name, takes := range Methods() {
		want, onTime := results[name]
		if onTime {
			if len(args[name]) != takes {
				t.Errorf("%s takes %d arguments, the test has %d", name, takes, len(args[name]))
			}
			if got, err := budget(t).Method(&Site{Op: name}, name, now, args[name]); err != nil || got != want {
				t.Errorf("now.%s = %v, %v, want %v", name, got, err, want)
			}
			for i := range args[name] {
				bad := slices.Clone(args[name])
				bad[i] = nil
				if got, err := budget(t).Method(&Site{Op: name}, name, now, bad); err == nil {
					t.Errorf("now.%s(null) = %v, want an error", name, got)
				}
			}
		}
		if want, ok := durations[name]; ok {
			if got, err := budget(t).Method(&Site{Op: name}, name, 90*time.Minute, nil); err != nil || got != want {
				t.Errorf("duration.%s = %v, %v, want %v", name, got, err, want)
			}
		} else if got, err := budget(t).Method(&Site{Op: name}, name, time.Hour, args[name]); err == nil {
			t.Errorf("duration.%s = %v, want an error", name, got)
		}
		if !onTime {
			if got, err := budget(t).Method(&Site{Op: name}, name, now, nil); err == nil {
				t.Errorf("now.%s = %v, want an error", name, got)
			}
		}
		if got, err := budget(t).Method(&Site{Op: name}, name, nil, args[name]); err == nil {
			t.Errorf("null.%s = %v, want an error", name, got)
		}
	}
}

// calls has at least one call of every function, and what it gives; "error" is any error.
func calls() map[string][]struct {
	args []any
	want any
} {
	type c = struct {
		args []any
		want any
	}
	list := func(v ...any) []any { return append([]any{}, v...) }
	object := map[string]any{"b": int64(2), "a": int64(1)}
	return map[string][]c{
		"len":         {{list("Größe"), int64(5)}, {list(list(nil, nil)), int64(2)}, {list(object), int64(2)}, {list(nil), "error"}, {list(true), "error"}},
		"type":        {{list(nil), "nil"}, {list(int64(1)), "int"}, {list(1.5), "float"}, {list(json.Number("1e999")), "float"}, {list("a"), "string"}, {list(list()), "array"}, {list(object), "map"}, {list(true), "bool"}, {list(time.Hour), "duration"}},
		"get":         {{list(object, "a"), int64(1)}, {list(object, "x"), nil}, {list(list("x"), int64(-1)), "x"}, {list(list("x"), 0.0), "x"}, {list(nil, "a"), nil}, {list("text", int64(0)), nil}},
		"lower":       {{list("ÄB"), "äb"}, {list(nil), "error"}},
		"upper":       {{list("äb"), "ÄB"}, {list(int64(1)), "error"}},
		"trim":        {{list(" a \n"), "a"}, {list("--a-", "-"), "a"}, {list("a", nil), "error"}, {list("a", strings.Repeat("x", 65)), "error"}},
		"trimPrefix":  {{list("abc", "a"), "bc"}, {list("abc", "b"), "abc"}, {list(nil, "a"), "error"}, {list("a", nil), "error"}},
		"trimSuffix":  {{list("abc", "c"), "ab"}},
		"hasPrefix":   {{list("abc", "a"), true}, {list("abc", nil), false}, {list(nil, "a"), "error"}},
		"hasSuffix":   {{list("abc", "bc"), true}},
		"indexOf":     {{list("ßab", "b"), int64(2)}, {list("a", "x"), int64(-1)}, {list("a", nil), "error"}},
		"lastIndexOf": {{list("ababß", "b"), int64(3)}},
		"split":       {{list("a,b,c", ","), list("a", "b", "c")}, {list("a,b,c", ",", int64(2)), list("a", "b,c")}, {list("", ","), list("")}, {list("ab", ""), list("a", "b")}, {list("a,b", ",", int64(0)), list()}, {list("a,b", ",", "x"), "error"}, {list("a", nil), "error"}},
		"splitAfter":  {{list("a,b", ","), list("a,", "b")}},
		"join":        {{list(list("a", "b")), "ab"}, {list(list("a", "b"), ", "), "a, b"}, {list(list(), "x"), ""}, {list(list(int64(1))), "error"}, {list("a"), "error"}, {list(list(), int64(1)), "error"}},
		"replace":     {{list("aXbX", "X", "--"), "a--b--"}, {list("aXbX", "X", "", int64(1)), "abX"}, {list("aX", "X", "y", int64(-1)), "ay"}, {list("a", "a", nil), "error"}, {list("a", "a", "b", "c"), "error"}, {list("ab", "", "-"), "-a-b-"}},
		"repeat":      {{list("ab", int64(2)), "abab"}, {list("", int64(1e9)), ""}, {list("ab", int64(-1)), "error"}, {list("ab", 1.5), "error"}, {list(nil, int64(1)), "error"}, {list("ab", int64(1e9)), "error"}},
		"int":         {{list("12"), int64(12)}, {list(1.9), int64(1)}, {list(-1.9), int64(-1)}, {list(int64(3)), int64(3)}, {list("1.5"), "error"}, {list(1e30), "error"}, {list(true), "error"}, {list(json.Number("12345678901234567890")), "error"}, {list(time.Unix(7, 0)), int64(7)}},
		"float":       {{list("1.5"), 1.5}, {list(int64(2)), 2.0}, {list("x"), "error"}, {list("NaN"), "error"}, {list(nil), "error"}, {list("1e999"), "error"}},
		"string":      {{list(nil), ""}, {list("a"), "a"}, {list(1.5), "1.5"}, {list(1e21), "1e+21"}, {list(int64(7)), "7"}, {list(true), "true"}, {list(json.Number("1e999")), "1e999"}, {list(list(nil, object)), `[null,{"a":1,"b":2}]`}, {list(time.Hour), "1h0m0s"}, {list(math.Inf(1)), "+Inf"}},
		"toJSON":      {{list("a\"<"), `"a\"<"`}, {list(list(time.Minute)), `["1m0s"]`}, {list(math.NaN()), "error"}, {list(strings.Repeat("\x01", MaxBytes/4)), "error"}},
		"fromJSON":    {{list(`{"a":[1,1.5]}`), map[string]any{"a": list(int64(1), 1.5)}}, {list(`{"a":1,"a":2}`), "error"}, {list(`x`), "error"}, {list(nil), "error"}},
		"toBase64":    {{list("aß"), "YcOf"}, {list(nil), "error"}},
		"fromBase64":  {{list("YcOf"), "aß"}, {list("/w=="), "error"}, {list("?"), "error"}, {list(nil), "error"}},
		"abs":         {{list(int64(-3)), int64(3)}, {list(1.5), 1.5}, {list(-1.5), 1.5}, {list(json.Number("-1e30")), 1e30}, {list(int64(math.MinInt64)), "error"}, {list("a"), "error"}},
		"ceil":        {{list(1.2), 2.0}, {list(nil), "error"}},
		"floor":       {{list(1.8), 1.0}},
		"round":       {{list(1.5), 2.0}, {list(json.Number("1e999")), "error"}},
		"max":         {{list(int64(1), 2.5, list(int64(3))), int64(3)}, {list(list()), nil}, {list("a"), "error"}, {list(list("a")), "error"}},
		"min":         {{list(int64(1), -2.5), -2.5}},
		"mean":        {{list(int64(1), 2.0), 1.5}, {list(list()), 0.0}},
		"median":      {{list(list(int64(5), int64(1), int64(3))), 3.0}, {list(list(int64(1), int64(2))), 1.5}, {list(list()), 0.0}, {list("a"), "error"}},
		"bitand":      {{list(int64(6), int64(3)), int64(2)}, {list(1.5, int64(1)), "error"}, {list(int64(1), nil), "error"}},
		"bitor":       {{list(int64(6), int64(1)), int64(7)}},
		"bitxor":      {{list(int64(6), int64(3)), int64(5)}},
		"bitnot":      {{list(int64(0)), int64(-1)}},
		"first":       {{list(list("a", "b")), "a"}, {list(list()), nil}, {list(nil), "error"}},
		"last":        {{list(list("a", "b")), "b"}},
		"take":        {{list(list("a", "b"), int64(1)), list("a")}, {list(list("a"), int64(9)), list("a")}, {list(list("a"), int64(-1)), list()}, {list(list(), "x"), "error"}, {list(nil, int64(1)), "error"}},
		"reverse":     {{list(list("a", "b")), list("b", "a")}, {list("ab"), "error"}},
		"sort":        {{list(list(int64(2), 1.5, int64(1))), list(int64(1), 1.5, int64(2))}, {list(list("b", "a"), "desc"), list("b", "a")}, {list(list("b"), "up"), "error"}, {list(list("b", int64(1))), "error"}, {list(list(nil, nil)), "error"}, {list(nil), "error"}},
		"uniq":        {{list(list("a", "a", int64(1), 1.0, list(), list(), nil, json.Number("1e999"), json.Number("1e999"), 1.5, 1.5)), list("a", int64(1), list(), nil, json.Number("1e999"), 1.5)}, {list(nil), "error"}},
		"flatten":     {{list(list("a", list("b", list("c")), list())), list("a", "b", "c")}, {list("a"), "error"}},
		"concat":      {{list(list("a"), list(), list("b")), list("a", "b")}, {list(list("a"), nil), "error"}},
		"keys":        {{list(object), list("a", "b")}, {list(list()), "error"}},
		"values":      {{list(object), list(int64(1), int64(2))}},
		"toPairs":     {{list(object), list(list("a", int64(1)), list("b", int64(2)))}},
		"fromPairs":   {{list(list(list("a", int64(1)))), map[string]any{"a": int64(1)}}, {list(list(list("a"))), "error"}, {list(list(list(int64(1), int64(1)))), "error"}, {list(list("a")), "error"}, {list(nil), "error"}},
		"date":        {{list("2024-01-03"), time.Date(2024, 1, 3, 0, 0, 0, 0, time.UTC)}, {list("03.01.2024", "02.01.2006"), time.Date(2024, 1, 3, 0, 0, 0, 0, time.UTC)}, {list("2024-01-03T01:00:00+01:00"), time.Date(2024, 1, 3, 1, 0, 0, 0, time.FixedZone("", 3600))}, {list("x"), "error"}, {list(strings.Repeat("x", 200)), "error"}, {list(nil), "error"}, {list("x", nil), "error"}, {list(time.Unix(0, 0)), time.Unix(0, 0)}},
		"duration":    {{list("1h30m"), 90 * time.Minute}, {list(time.Hour), time.Hour}, {list("1 hour"), "error"}, {list(nil), "error"}},
	}
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	all := calls()
	for _, f := range Functions() {
		if len(all[f.Name]) == 0 {
			t.Errorf("%s has no test", f.Name)
		}
		if f.Doc == "" || !strings.Contains(f.Usage, f.Name+"(") || f.Min < 1 || f.Max < f.Min {
			t.Errorf("%s is not described: %+v", f.Name, f)
		}
		for _, c := range all[f.Name] {
			if len(c.args) < f.Min || len(c.args) > f.Max {
				t.Errorf("%s: the test has %d arguments", f.Name, len(c.args))
			}
			got, err := f.Call(budget(t), &Site{Op: f.Name}, slices.Clone(c.args))
			if c.want == "error" {
				var e *Error
				if !errors.As(err, &e) {
					t.Errorf("%s%v = %v, %v, want an *Error", f.Name, c.args, got, err)
				}
				continue
			}
			want, isTime := c.want.(time.Time)
			if isTime && err == nil && got.(time.Time).Equal(want) {
				continue
			}
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s%v = %#v, %v, want %#v", f.Name, c.args, got, err, c.want)
			}
		}
		if _, ok := FunctionByName(f.Name); !ok {
			t.Errorf("FunctionByName(%s) finds nothing", f.Name)
		}
	}
	if _, ok := FunctionByName("now"); ok {
		t.Error("there is a function now, which would read a clock")
	}
}

func TestOutputSharesWhatNeedsNoChange(t *testing.T) {
	t.Parallel()
	in := map[string]any{"a": []any{int64(1), map[string]any{"b": nil}}, "c": "x"}
	out, err := budget(t).Output(in)
	if err != nil || !sameMap(in, out.(map[string]any)) {
		t.Errorf("Output copies a value that needs no change: %v, %v", out, err)
	}
	inner := []any{int64(1), 2}
	in = map[string]any{"list": inner, "t": at(t, "2024-01-03T00:00:00Z"), "same": []any{"x"}, "deep": map[string]any{"d": time.Hour, "e": true}}
	out, err = budget(t).Output(in)
	want := map[string]any{"list": []any{int64(1), int64(2)}, "t": "2024-01-03T00:00:00Z", "same": []any{"x"}, "deep": map[string]any{"d": "1h0m0s", "e": true}}
	if err != nil || !reflect.DeepEqual(out, want) {
		t.Errorf("Output = %v, %v, want %v", out, err, want)
	}
	if inner[1] != 2 || in["deep"].(map[string]any)["d"] != time.Hour {
		t.Errorf("Output changed its input to %v", in)
	}
	for _, v := range []any{[]byte("x"), []any{struct{}{}}, map[string]any{"a": make(chan int)}} {
		if out, err := budget(t).Output(v); err == nil {
			t.Errorf("Output(%T) = %v, want an error", v, out)
		}
	}
	var deep any = int64(1)
	for range MaxDepth + 1 {
		deep = map[string]any{"a": deep}
	}
	if _, err := budget(t).Output(deep); err == nil {
		t.Error("Output takes a value that nests too deep")
	}
}

func TestABudgetEnds(t *testing.T) {
	t.Parallel()
	code := func(err error) Code {
		var e *Error
		if errors.As(err, &e) {
			return e.Code
		}
		return ""
	}
	b := budget(t)
	for range MaxSteps {
		if err := b.Step(1); err != nil {
			t.Fatalf("a step within the limit: %v", err)
		}
	}
	if got := code(b.Step(1)); got != TooExpensive {
		t.Errorf("a step too many: %q, want %q", got, TooExpensive)
	}
	if got := code(b.Grow(1)); got != TooExpensive {
		t.Errorf("after the end: %q, want the first error again", got)
	}
	if got := code(budget(t).Grow(MaxBytes + 1)); got != TooLarge {
		t.Errorf("one value too large: %q, want %q", got, TooLarge)
	}
	b = budget(t)
	for range MaxGrowth / MaxBytes {
		if err := b.Grow(MaxBytes); err != nil {
			t.Fatalf("growth within the limit: %v", err)
		}
	}
	if got := code(b.Grow(1)); got != TooLarge {
		t.Errorf("too much altogether: %q, want %q", got, TooLarge)
	}
	if err := budget(t).Scan(100, 4096); err != nil {
		t.Errorf("reading a little: %v, want no error", err)
	}
}

func TestABudgetLooksAtClockAndContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		steps := func(b *Budget) Code {
			for range MaxSteps {
				var e *Error
				if errors.As(b.Step(1), &e) {
					return e.Code
				}
			}
			return ""
		}
		b := NewBudget(t.Context())
		<-time.After(MaxTime + 1)
		if got := steps(&b); got != TooExpensive {
			t.Errorf("after the deadline: %q, want %q", got, TooExpensive)
		}
		ctx, cancel := context.WithCancel(t.Context())
		b = NewBudget(ctx)
		cancel()
		if got := steps(&b); got != Cancelled {
			t.Errorf("after cancelling: %q, want %q", got, Cancelled)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		b = NewBudget(ctx)
		<-ctx.Done()
		if got := steps(&b); got != Cancelled {
			t.Errorf("after the caller's deadline: %q, want %q", got, Cancelled)
		}
		if b = NewBudget(ctx); b.Err() == nil {
			t.Error("a budget of an ended context has no error")
		}
	})
}

func TestPatternsKnowWhatTheyCost(t *testing.T) {
	t.Parallel()
	small, err := CompilePattern("^a+$")
	if err != nil || small.max != MaxMatchBytes {
		t.Errorf("a small pattern: %+v, %v, want it for %d bytes", small, err, MaxMatchBytes)
	}
	large, err := CompilePattern("(ab?c){400}")
	if err != nil || large.max >= small.max {
		t.Errorf("a large pattern: %+v, %v, want it for less", large, err)
	}
	for _, text := range []string{"(", "(?=a)", `\1`, "(a{1000}){5}", "((a{9}b){9}c){99}"} {
		if p, err := CompilePattern(text); err == nil {
			t.Errorf("CompilePattern(%s) = %+v, want an error", text, p)
		}
	}
	if yes, err := small.Match(budget(t), &Site{}, strings.Repeat("a", MaxMatchBytes+1)); err == nil {
		t.Errorf("a text that is too long: %v, want an error", yes)
	}
}

func TestSliceCountsCharactersAndHoldsBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v, from, to, want any
	}{
		{"größe", int64(1), int64(3), "rö"},
		{"größe", nil, nil, "größe"},
		{"größe", int64(-2), nil, "ße"},
		{"größe", int64(4), int64(2), ""},
		{"größe", int64(-9), int64(99), "größe"},
		{[]any{"a", "b", "c"}, int64(1), nil, []any{"b", "c"}},
		{[]any{"a", "b", "c"}, nil, int64(-1), []any{"a", "b"}},
		{[]any{"a"}, 0.0, 1.0, []any{"a"}},
	} {
		if got, err := budget(t).Slice(&Site{Op: "[:]"}, c.v, c.from, c.to); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v[%v:%v] = %v, %v, want %v", c.v, c.from, c.to, got, err, c.want)
		}
	}
	for _, v := range []any{nil, int64(1), map[string]any{}} {
		if got, err := budget(t).Slice(&Site{Op: "[:]"}, v, nil, nil); err == nil {
			t.Errorf("a slice of %v = %v, want an error", v, got)
		}
	}
	list := []any{"a", "b"}
	part, err := budget(t).Slice(&Site{Op: "[:]"}, list, nil, int64(1))
	if err != nil {
		t.Fatal(err)
	}
	if _ = append(part.([]any), "x"); list[1] != "b" {
		t.Error("appending to a slice changes the list it came from")
	}
}
