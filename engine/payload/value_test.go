package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDecodeChoosesNumberTypesThatLoseNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		"0":                      int64(0),
		"-7":                     int64(-7),
		"9007199254740993":       int64(9007199254740993),
		"9223372036854775807":    int64(math.MaxInt64),
		"-9223372036854775808":   int64(math.MinInt64),
		"9223372036854775808":    json.Number("9223372036854775808"),
		"18446744073709551615":   json.Number("18446744073709551615"),
		"1.5":                    1.5,
		"0.1":                    0.1,
		"1.0":                    1.0,
		"1e3":                    1000.0,
		"1E+2":                   100.0,
		"-0":                     math.Copysign(0, -1),
		"-0.0":                   math.Copysign(0, -1),
		"0e0":                    0.0,
		"100000000000000000000":  1e20,
		"0.12345678901234567890": json.Number("0.12345678901234567890"),
		"9007199254740993.0":     json.Number("9007199254740993.0"),
		"1e400":                  json.Number("1e400"),
		"1e-400":                 json.Number("1e-400"),
		"0e99999999999":          json.Number("0e99999999999"),
		"2.5e-3":                 0.0025,
	} {
		got, err := Decode([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Decode(%s) = %T %v, %v, want %T %v", text, got, got, err, want, want)
		}
		if f, ok := want.(float64); ok && f == 0 && math.Signbit(f) != math.Signbit(got.(float64)) {
			t.Errorf("Decode(%s) has the wrong sign", text)
		}
	}
}

func TestDigitsSurviveARoundTrip(t *testing.T) {
	t.Parallel()
	const body = `{"a":9007199254740993,"b":18446744073709551615,"c":0.12345678901234567890,"d":-0,"e":1.5,"f":[1,null,true,"x"],"g":{}}`
	v, err := Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Encode(v); err != nil || string(got) != body {
		t.Errorf("Encode(Decode(x)) = %s, %v, want %s", got, err, body)
	}
}

func TestEncodeIsStableAndSafe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		want  string
	}{
		{map[string]any{"b": 1, "a": int64(2), "ä": nil, "": true}, `{"":true,"a":2,"b":1,"ä":null}`},
		{"<a href=\"x\">&</a>", `"<a href=\"x\">&</a>"`},
		{"\u2028\u2029", `"\u2028\u2029"`},
		{"tab\tnl\ncr\rnul\x00esc\x1b\\", `"tab\tnl\ncr\rnul\u0000esc\u001b\\"`},
		{"bad\xffend", `"bad\ufffdend"`},
		{"\ufffd", "\"\ufffd\""},
		{"{{ x }}", `"{{ x }}"`},
		{[]any{1.5, 1e21, 1e-7, 100.0, -0.5, uint64(math.MaxUint64), int32(-3), uint32(3)}, `[1.5,1e+21,1e-07,100,-0.5,18446744073709551615,-3,3]`},
		{json.Number("1.50"), `1.50`},
		{[]any{}, `[]`},
		{map[string]any{}, `{}`},
		{[]any(nil), `[]`},
	} {
		got, err := Encode(c.value)
		if err != nil || string(got) != c.want {
			t.Errorf("Encode(%v) = %s, %v, want %s", c.value, got, err, c.want)
		}
		if !json.Valid(got) {
			t.Errorf("Encode(%v) = %s, which is no JSON", c.value, got)
		}
	}
}

func TestEncodeRefusesWhatHasNoJSONForm(t *testing.T) {
	t.Parallel()
	self := map[string]any{}
	self["self"] = self
	for _, v := range []any{math.NaN(), math.Inf(1), []byte("x"), time.Now(), struct{}{}, json.Number("1x"), json.Number(""), []any{make(chan int)}, self} {
		var e *Error
		if out, err := Encode(v); !errors.As(err, &e) || e.Code != Unsupported {
			t.Errorf("Encode(%T) = %s, %v, want unsupported_value", v, out, err)
		}
	}
}

func TestEncodeMaxHoldsItsLimit(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("é", 1000)
	shared := []any{"x", "x"}
	for range 40 {
		shared = []any{shared, shared} // 2^40 strings in 41 lists
	}
	for _, v := range []any{big, []any{big, big}, map[string]any{big: 1}, shared} {
		var e *Error
		if out, err := EncodeMax(v, 100); !errors.As(err, &e) || e.Code != TooLarge {
			t.Errorf("EncodeMax = %d bytes, %v, want too_large", len(out), err)
		}
		text, cut, err := EncodeCut(v, 101)
		if err != nil || !cut || len(text) > 101 || len(text) < 99 || !utf8.ValidString(text) {
			t.Errorf("EncodeCut = %q (%d bytes), %v, %v, want 101 bytes or a little less", text, len(text), cut, err)
		}
	}
	if out, err := EncodeMax("abc", 5); err != nil || string(out) != `"abc"` {
		t.Errorf("EncodeMax of exactly the limit = %s, %v, want it whole", out, err)
	}
	if text, cut, err := EncodeCut([]any{int64(1)}, 100); text != "[1]" || cut || err != nil {
		t.Errorf("EncodeCut below the limit = %q, %v, %v, want [1] whole", text, cut, err)
	}
}

func TestDecodeFormKeepsRepeatedFields(t *testing.T) {
	t.Parallel()
	got, err := DecodeForm([]byte("a=1&b=x+y%21&a=2&a=3&&c&d=%ff&=v&e=%7B%22k%22%3A1%7D"))
	want := map[string]any{"a": []any{"1", "2", "3"}, "b": "x y!", "c": "", "d": "\ufffd", "": "v", "e": `{"k":1}`}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("DecodeForm = %v, %v, want %v", got, err, want)
	}
	var e *Error
	if _, err := DecodeForm([]byte("a=1&b=%zz")); !errors.As(err, &e) || e.Offset != 4 {
		t.Errorf("DecodeForm of a broken escape = %v, want an error at byte 4", err)
	}
	if got, err := DecodeForm(nil); err != nil || len(got) != 0 {
		t.Errorf("DecodeForm of nothing = %v, %v, want an empty map", got, err)
	}
}

func TestDocumentDecodesOnceByItsFormat(t *testing.T) {
	t.Parallel()
	object := map[string]any{"a": int64(1)}
	for _, c := range []struct {
		kind string
		want any
	}{
		{"", object},
		{"json", object},
		{"application/json; charset=utf-8", object},
		{"application/cloudevents+json", object},
		{"text/plain", object},
		{"form", map[string]any{`{"a":1}`: ""}},
		{"Application/x-www-form-urlencoded; charset=utf-8", map[string]any{`{"a":1}`: ""}},
		{"text", `{"a":1}`},
	} {
		d := New([]byte(`{"a":1}`), c.kind)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if got, err := d.Value(); err != nil || !reflect.DeepEqual(got, c.want) {
					t.Errorf("Value as %q = %v, %v, want %v", c.kind, got, err, c.want)
				}
			})
		}
		wg.Wait()
	}
	if got, err := New([]byte("plain \xff"), "text/plain").Value(); err != nil || got != "plain \ufffd" {
		t.Errorf("Value of text = %q, %v, want it as a string", got, err)
	}
	for _, kind := range []string{"json", ""} {
		if _, err := New([]byte(`{"a":1,"a":2}`), kind).Value(); err == nil {
			t.Errorf("Value of a body with a duplicate name as %q gives no error", kind)
		}
	}
}

func FuzzDecodeEncode(f *testing.F) {
	for _, s := range []string{`{"a":9007199254740993,"b":[1.5,1e400,-0,"\u2028{{"]}`, `"\ud83d"`, `[0.1,1E5,{"":""}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := Decode(body)
		if err != nil {
			return
		}
		once, err := Encode(v)
		if err != nil {
			t.Fatalf("Encode(Decode(%q)): %v", body, err)
		}
		again, err := Decode(once)
		if err != nil {
			t.Fatalf("Decode(%q): %v", once, err)
		}
		twice, err := Encode(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q and then %q, %v", body, once, twice, err)
		}
		// encoding/json reads the same numbers, as text, from both.
		if want, got := numbers(t, body), numbers(t, once); !reflect.DeepEqual(want, got) {
			t.Fatalf("numbers of %q: %v, after the round trip %v", body, want, got)
		}
	})
}

// numbers gives all numbers of a JSON text in one decimal form, by how often each occurs.
func numbers(t *testing.T, body []byte) map[string]int {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	out := map[string]int{}
	for {
		token, err := d.Token()
		if err != nil {
			return out
		}
		if n, ok := token.(json.Number); ok {
			out[decimal(string(n))]++
		}
	}
}
