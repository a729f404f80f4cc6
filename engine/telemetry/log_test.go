package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/telemetry"
)

func TestBothFormsSpellTimesAndDurationsAlike(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for format, want := range map[string]string{
			telemetry.FormatText: `time=2000-01-01T00:00:00.000Z level=INFO msg="run parked" took=1.5s wait=250µs error="no answer"` + "\n",
			telemetry.FormatJSON: `{"time":"2000-01-01T00:00:00.000Z","level":"INFO","msg":"run parked","took":"1.5s","wait":"250µs","error":"no answer"}` + "\n",
		} {
			var out bytes.Buffer
			log, err := telemetry.NewLogger(&out, "info", format)
			if err != nil {
				t.Fatal(err)
			}
			log.Debug("not shown")
			log.Info("run parked", telemetry.KeyTook, 1500*time.Millisecond+123*time.Nanosecond, telemetry.KeyWait, 250*time.Microsecond,
				telemetry.KeyError, errors.New("no answer"))
			if got := out.String(); got != want {
				t.Errorf("%s: got %s want %s", format, got, want)
			}
		}
	})
}

func TestAValueCannotForgeALogLine(t *testing.T) {
	t.Parallel()
	evil := "x\nlevel=ERROR msg=\"all data lost\"\r\x1b[31m"
	for _, format := range []string{telemetry.FormatText, telemetry.FormatJSON} {
		var out bytes.Buffer
		log, err := telemetry.NewLogger(&out, "", format)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("request refused", telemetry.KeyDelivery, evil)
		got := out.String()
		if strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\r\x1b") {
			t.Errorf("%s: got %q, want one line without control characters", format, got)
		}
	}
}

func TestASecretIsMaskedInEveryForm(t *testing.T) {
	t.Parallel()
	key := secret.New("whsec_topsecret")
	for _, format := range []string{telemetry.FormatText, telemetry.FormatJSON} {
		var out bytes.Buffer
		log, err := telemetry.NewLogger(&out, "debug", format)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("loaded", telemetry.KeySetting, key, slog.Group("request", telemetry.KeySetting, []secret.Value{key}))
		if got := out.String(); strings.Contains(got, "topsecret") || !strings.Contains(got, secret.Mask) {
			t.Errorf("%s: got %s, want the secret masked", format, got)
		}
	}
}

func TestLevelsAndFormatsAreChecked(t *testing.T) {
	t.Parallel()
	rows := []struct{ level, format, want string }{
		{"", "", ""},
		{"DEBUG", "TEXT", ""},
		{"warn", "json", ""},
		{"error", "text", ""},
		{"loud", "json", `"loud" is none of debug, info, warn, error`},
		{"info", "xml", `"xml" is neither text nor json`},
	}
	for _, r := range rows {
		log, err := telemetry.NewLogger(&bytes.Buffer{}, r.level, r.format)
		if r.want == "" && (err != nil || log == nil) || r.want != "" && (err == nil || !strings.Contains(err.Error(), r.want)) {
			t.Errorf("level %q, format %q: got %v, want %q", r.level, r.format, err, r.want)
		}
	}
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("heard")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["msg"] != "heard" {
		t.Errorf("got %q (%v), want the warning only", out.String(), err)
	}
}

func TestTheLinterAllowsTheKeysOfThisPackageAndNoOthers(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "keys.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok {
			word, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if keys[word] {
				t.Errorf("keys.go has %q twice", word)
			}
			keys[word] = true
		}
		return true
	})
	data, err := os.ReadFile("../../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Linters struct {
			Settings struct {
				Sloglint struct {
					Allowed []string `yaml:"allowed-keys"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(maps.Keys(keys))
	if got := slices.Sorted(slices.Values(config.Linters.Settings.Sloglint.Allowed)); !slices.Equal(got, want) {
		t.Errorf(".golangci.yml allows the log keys\n%q\nwant those of keys.go\n%q", got, want)
	}
}
