package cli

import (
	"reflect"
	"strings"
	"testing"
)

func TestEnvFilesAreReadAsShellsAndContainerEnginesAgree(t *testing.T) {
	t.Parallel()
	text := "\ufeff# a comment\r\n" + strings.Join([]string{
		"",
		"PLAIN=value",
		"  export EXPORTED = spaced value  ",
		"COMMENTED=value # not of the value",
		"HASH=a#b",
		"EMPTY=",
		`SINGLE='a "b" \n $c'`,
		`DOUBLE="line\nnext \"q\" \$5 \\ \x" # comment`,
		`MULTI="-----BEGIN`,
		`  two`,
		`END"`,
		"URL=https://user:pass@host/?a=b&c=d",
		"LAST=no line end",
	}, "\n")
	got, err := parseEnvFile(".env", text)
	if err != nil {
		t.Fatal(err)
	}
	want := []variable{
		{"PLAIN", "value"},
		{"EXPORTED", "spaced value"},
		{"COMMENTED", "value"},
		{"HASH", "a#b"},
		{"EMPTY", ""},
		{"SINGLE", `a "b" \n $c`},
		{"DOUBLE", "line\nnext \"q\" $5 \\ \\x"},
		{"MULTI", "-----BEGIN\n  two\nEND"},
		{"URL", "https://user:pass@host/?a=b&c=d"},
		{"LAST", "no line end"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestEnvFileErrorsNameTheLineAndNoValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"A=1\nsecret-without-name\n": ".env:2:1: an env file has lines of NAME=VALUE, and this is none",
		"1A=hidden\n":                ".env:1:1: an env file has lines of NAME=VALUE, and this is none",
		"=hidden\n":                  ".env:1:1: an env file has lines of NAME=VALUE, and this is none",
		"A=1\n\nB=\"hidden\n":        ".env:3:3: the quote is not closed",
		"A='hidden' more\n":          ".env:1:3: there is something behind the closing quote",
		"A=\"x\ny\"\nbroken\n":       ".env:3:1: an env file has lines of NAME=VALUE, and this is none",
	} {
		_, err := parseEnvFile(".env", text)
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
		if err != nil && sorted(err).code != exitFindings {
			t.Errorf("%q: got exit %d, want %d: it has a line", text, sorted(err).code, exitFindings)
		}
	}
}
