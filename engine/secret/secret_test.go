package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/secret"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	v := secret.New("s3cret-value")
	text := secret.NewText(secret.Part{Literal: "Bearer "}, secret.Part{Ref: "<<env.K>>", Value: v})
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "code", v, "event", text, "file", struct{ V secret.Value }{v})
	j, err := json.Marshal(map[string]any{"value": v, "text": text})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		fmt.Sprintf("%v %s %q %x %d %+v %#v", v, v, v, v, v, v, v), fmt.Sprintf("%v %+v %#v", struct{ V secret.Value }{v}, &v, []secret.Value{v}),
		fmt.Sprint(text), string(j), log.String(), fmt.Sprintf("%v %+v %#v %s %q", text, text, text, text, text),
		fmt.Sprintf("%v %+v %#v %v", struct{ v secret.Value }{v}, struct{ v secret.Value }{v}, struct{ t secret.Text }{text}, struct{ t *secret.Text }{&text}),
	} {
		if strings.Contains(out, "s3cret") || strings.Contains(out, hex.EncodeToString([]byte("s3cret"))) {
			t.Errorf("got %q, want no secret in it", out)
		}
	}
	if got, want := text.String(), "Bearer <<env.K>>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := text.Reveal(), "Bearer s3cret-value"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheScrubberKnowsEveryForm(t *testing.T) {
	t.Parallel()
	value := `p@ss/w"rd <1>+é`
	s := secret.NewScrubber(secret.New(value), secret.New("another-one"), secret.New("short"))
	quoted, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{
		"plain":                "x " + value + " y",
		"another":              "another-one",
		"base64":               base64.StdEncoding.EncodeToString([]byte(value)),
		"base64, raw":          base64.RawStdEncoding.EncodeToString([]byte(value)),
		"base64url":            base64.URLEncoding.EncodeToString([]byte(value)),
		"basic auth":           "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+value)),
		"basic auth, shifted":  "Basic " + base64.StdEncoding.EncodeToString([]byte("use:"+value+":more")),
		"basic auth, shifted2": "Basic " + base64.StdEncoding.EncodeToString([]byte("us:"+value)),
		"hex":                  hex.EncodeToString([]byte(value)),
		"HEX":                  strings.ToUpper(hex.EncodeToString([]byte(value))),
		"query":                "?a=" + url.QueryEscape(value),
		"path":                 "/" + url.PathEscape(value),
		"query, lower case":    strings.ReplaceAll(strings.ToLower(url.QueryEscape(value)), "p%40", "p%40"),
		"JSON":                 string(quoted),
		"JSON without HTML":    `"p@ss/w\"rd <1>+é"`,
	}
	for name, text := range rows {
		got := s.Scrub(text)
		if !strings.Contains(got, secret.Mask) {
			t.Errorf("%s: got %q, want it scrubbed", name, got)
		}
		if strings.Contains(got, "w%22rd") || strings.Contains(got, "w\"rd") {
			t.Errorf("%s: got %q, want nothing left", name, got)
		}
	}
	if got, want := s.Scrub("a short text"), "a short text"; got != want {
		t.Errorf("a value of 5 bytes: got %q, want %q", got, want)
	}
	if got := (*secret.Scrubber)(nil).Scrub("x"); got != "x" {
		t.Errorf("no scrubber: got %q", got)
	}
	if got := secret.NewScrubber().Scrub("x"); got != "x" {
		t.Errorf("no values: got %q", got)
	}
}

func TestALongerSecretIsScrubbedWhole(t *testing.T) {
	t.Parallel()
	s := secret.NewScrubber(secret.New("abcdef"), secret.New("abcdefghij"))
	if got, want := s.Scrub("<abcdefghij abcdef>"), "<"+secret.Mask+" "+secret.Mask+">"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
