package payload

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckAcceptsWhatRFC8259Allows(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `-1.5e+10`, `1E2`, `true`, `false`, `null`, " \t\r\n{ } ", `[1,[2,[3]]]`,
		`{"a":1,"b":{"a":1}}`, `[{"a":1},{"a":1}]`, `{"":1}`, `"\u00e9\n\"\\\/"`, `"é😀"`, `"\ud83d\ude00"`, `"\ud83d"`,
		`{"a":{"b":1},"b":1}`, `{"A":1,"a":2}`,
	} {
		if err := Check([]byte(body), Limits{}); err != nil {
			t.Errorf("Check(%s) = %v, want no error", body, err)
		}
	}
}

func TestCheckRefusesWithCodeAndOffset(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body   string
		code   Code
		offset int
	}{
		{``, Syntax, 0},
		{`   `, Syntax, 3},
		{`{`, Syntax, 1},
		{`{"a"`, Syntax, 4},
		{`{"a":}`, Syntax, 5},
		{`{"a":1,}`, Syntax, 7},
		{`[1,]`, Syntax, 3},
		{`[1 2]`, Syntax, 3},
		{`{a:1}`, Syntax, 1},
		{`{'a':1}`, Syntax, 1},
		{`[1] x`, Syntax, 4},
		{`[1}`, Syntax, 2},
		{`01`, Syntax, 1},
		{`+1`, Syntax, 0},
		{`1.`, Syntax, 0},
		{`.5`, Syntax, 0},
		{`1e`, Syntax, 0},
		{`-`, Syntax, 0},
		{`NaN`, Syntax, 0},
		{`nul`, Syntax, 0},
		{`True`, Syntax, 0},
		{`"a`, Syntax, 0},
		{"\"a\nb\"", Syntax, 2},
		{`"\x"`, Syntax, 1},
		{`"\u12g4"`, Syntax, 1},
		{"\ufeff{}", Syntax, 0},
		{"\"\xff\"", InvalidUTF8, 1},
		{"\"a\xc3\"", InvalidUTF8, 2},
		{"\"\xed\xa0\x80\"", InvalidUTF8, 1},
		{"[\xff]", InvalidUTF8, 1},
		{`{"a":1,"a":2}`, DuplicateName, 7},
		{`{"a":1,"\u0061":2}`, DuplicateName, 7},
		{`{"\u0061":1,"\u0061":2}`, DuplicateName, 12},
		{`{"a/b":1,"a\/b":2}`, DuplicateName, 9},
		{`{"x":{"a":1,"b":[{"a":1}],"a":2}}`, DuplicateName, 26},
		{`{"😀":1,"\ud83d\ude00":1}`, DuplicateName, 10},
		{strings.Repeat("[", 129) + strings.Repeat("]", 129), TooDeep, 128},
		{strings.Repeat(`{"a":`, 129) + "1" + strings.Repeat("}", 129), TooDeep, 640},
		{"[" + strings.Repeat("0,", DefaultTokens) + "0]", TooManyTokens, 2*DefaultTokens - 1},
	} {
		err := Check([]byte(c.body), Limits{})
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Check(%.40q) = %v, want an *Error", c.body, err)
			continue
		}
		if e.Code != c.code || e.Offset != c.offset {
			t.Errorf("Check(%.40q) = %s at %d (%s), want %s at %d", c.body, e.Code, e.Offset, e.Message, c.code, c.offset)
		}
	}
}

func TestCheckLimitsAreInclusive(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 128) + strings.Repeat("]", 128)
	if err := Check([]byte(deep), Limits{}); err != nil {
		t.Errorf("128 levels: %v, want no error", err)
	}
	if err := Check([]byte(`[1,2]`), Limits{Tokens: 3}); err != nil {
		t.Errorf("3 tokens of 3: %v, want no error", err)
	}
	if err := Check([]byte(`[1,2]`), Limits{Tokens: 2}); err == nil {
		t.Error("3 tokens of 2: no error, want one")
	}
	if err := Check([]byte(`[[1]]`), Limits{Depth: 1}); err == nil {
		t.Error("2 levels of 1: no error, want one")
	}
}

func TestCheckFindsDuplicatesAmongManyNames(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteByte('{')
	for i := range 5000 {
		fmt.Fprintf(&b, `"name%d":{"a":1,"b":2},`, i)
	}
	unique := b.String() + `"last":1}`
	if err := Check([]byte(unique), Limits{}); err != nil {
		t.Fatalf("5,001 different names: %v, want no error", err)
	}
	twice := b.String() + `"name77":1}`
	var e *Error
	if err := Check([]byte(twice), Limits{}); !errors.As(err, &e) || e.Code != DuplicateName {
		t.Errorf("a name twice among 5,001: %v, want duplicate_name", err)
	}
}

func TestCheckMessagesRepeatLittleOfTheBody(t *testing.T) {
	t.Parallel()
	name := `"` + strings.Repeat("é", 500) + `"`
	err := Check([]byte(`{`+name+`:1,`+name+`:2}`), Limits{})
	if err == nil || len(err.Error()) > 200 || !utf8.ValidString(err.Error()) {
		t.Errorf("error %q, want a short one of valid UTF-8", err)
	}
}

// FuzzCheck holds Check against encoding/json: what Check accepts must be valid there, and what is valid there may only be refused
// for a reason of our own.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,true,null,"x\u0041"]}`, `{"a":1,"a":2}`, "\"\xff\"", `[[[]]]`, `"\ud800"`, ` 1 `, `{"a" : {} , "b":[ ]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := Check(body, Limits{})
		v, decodeErr := Decode(body)
		if (err == nil) != (decodeErr == nil) {
			t.Fatalf("Check(%q) = %v but Decode says %v", body, err, decodeErr)
		}
		if err == nil {
			if !json.Valid(body) {
				t.Fatalf("Check accepts %q, encoding/json does not", body)
			}
			out, err := Encode(v)
			if err != nil || !json.Valid(out) {
				t.Fatalf("Encode(Decode(%q)) = %q, %v", body, out, err)
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("Check(%q) = %T, want *Error", body, err)
		}
		if json.Valid(body) && e.Code == Syntax {
			t.Fatalf("Check(%q) = %v, but encoding/json accepts it", body, err)
		}
	})
}
