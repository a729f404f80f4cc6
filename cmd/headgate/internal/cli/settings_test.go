package cli

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/store"
)

// testApp is an app whose talk goes into a buffer, with the process's own environment.
func testApp() (*app, *bytes.Buffer) {
	var talk bytes.Buffer
	return &app{Process: Process{
		Stdout: &bytes.Buffer{}, Stderr: &talk, LookupEnv: os.LookupEnv, Environ: os.Environ, Setenv: os.Setenv,
	}}, &talk
}

func TestEverySettingIsReadFromItsVariable(t *testing.T) {
	for name, value := range map[string]string{
		"HEADGATE_ADDR": "127.0.0.1:1", "HEADGATE_ADMIN_ADDR": "127.0.0.1:2", "HEADGATE_HEALTH_ADDR": ":3",
		"HEADGATE_ADMIN_TOKEN": " 0123456789abcdef\n", "HEADGATE_METRICS_PUBLIC": "true", "HEADGATE_MANIFESTS": "a, b",
		"HEADGATE_STORE": "memory:", "HEADGATE_DATA_DIR": "/d", "HEADGATE_PUBLIC_URL": "https://x.example", "HEADGATE_TLS_CERT": "c",
		"HEADGATE_TLS_KEY": "k", "HEADGATE_TRUSTED_PROXIES": "10.0.0.0/8,192.0.2.7", "HEADGATE_EGRESS_ALLOW": "127.0.0.1:9000",
		"HEADGATE_HOOKS": "log", "HEADGATE_MAX_BODY": "1MiB", "HEADGATE_DRAIN_DELAY": "0", "HEADGATE_SHUTDOWN_TIMEOUT": "1m",
		"HEADGATE_BOOT_LAST_GOOD": "1", "HEADGATE_ENV_ALLOW": "APP_*", "HEADGATE_SECRET_DIRS": "/s", "HEADGATE_REVISION_FILE": "r",
		"HEADGATE_SEAL_KEY": "fedcba9876543210", "HEADGATE_TEST_ENDPOINT": "false", "HEADGATE_LOG_LEVEL": "debug", "HEADGATE_LOG_FORMAT": "text", "HEADGATE_DEV": "true",
		"HEADGATE_RETAIN_EVENTS": "7d", "HEADGATE_RETAIN_PARKED": "1d12h", "HEADGATE_RETAIN_RUNS": "5d", "HEADGATE_RETAIN_ATTEMPTS": "12h",
		"HEADGATE_RETAIN_BODIES": "90", "HEADGATE_RETAIN_REJECTIONS": "1h", "HEADGATE_MAX_EVENTS": "1000", "HEADGATE_MAX_STORE": "2GiB",
	} {
		t.Setenv(name, value)
	}
	for _, s := range allSettings() { // a setting that is added is added here too
		if _, set := os.LookupEnv(s.Name); !set {
			t.Errorf("%s is not in this test", s.Name)
		}
	}
	a, talk := testApp()
	s, err := a.settings(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(*s)
	for _, d := range allSettings() {
		if d.Form == "true, false" && d.Name == "HEADGATE_TEST_ENDPOINT" {
			continue // false is its zero
		}
		if d.Name != "HEADGATE_DRAIN_DELAY" && v.Field(d.index).IsZero() {
			t.Errorf("%s was not read", d.Name)
		}
	}
	if s.AdminToken.Reveal() != "0123456789abcdef" || time.Duration(s.MaxBody) != 1<<20 || s.ShutdownTimeout.Duration != time.Minute || s.DrainDelay.Duration != 0 {
		t.Errorf("got max body %d, timeout %s, drain %s", s.MaxBody, s.ShutdownTimeout, s.DrainDelay)
	}
	if got, want := s.retention(), (store.Policy{
		Events: 7 * 24 * time.Hour, Parked: 36 * time.Hour, Runs: 5 * 24 * time.Hour, Attempts: 12 * time.Hour, Bodies: 90 * time.Second,
		Rejections: time.Hour, MaxEvents: 1000, MaxBytes: 2 << 30,
	}); got != want {
		t.Errorf("retention: got %+v, want %+v", got, want)
	}
	if want := (words{"a", "b"}); !reflect.DeepEqual(s.Manifests, want) {
		t.Errorf("manifests: got %q, want %q", s.Manifests, want)
	}
	if want := (prefixes{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")}); !reflect.DeepEqual(s.TrustedProxies, want) {
		t.Errorf("proxies: got %v, want %v", s.TrustedProxies, want)
	}
	if talk.Len() > 0 {
		t.Errorf("got talk %q, want none", talk)
	}
}

func TestDefaultsAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	a, _ := testApp()
	s, err := a.settings(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr != ":8080" || s.AdminAddr != "127.0.0.1:8081" || s.DataDir != "./data" || s.DrainDelay.Duration != 5*time.Second ||
		s.ShutdownTimeout.Duration != 25*time.Second || !s.TestEndpoint || s.Dev || s.Hooks != "send" || s.MaxBody != 25<<20 {
		t.Errorf("got %+v", s)
	}
}

func TestVariablesWithoutThePrefixAreNotOurs(t *testing.T) {
	t.Setenv("STORE", "memory:")
	t.Setenv("DEV", "true")
	a, _ := testApp()
	s, err := a.settings(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Dev || s.Store != "" {
		t.Errorf("got dev %v and store %q from variables of other programs", s.Dev, s.Store)
	}
}

func TestWrongSettingsAreExit3AndNameTheVariable(t *testing.T) {
	for name, value := range map[string]string{
		"HEADGATE_DEV": "maybe", "HEADGATE_DRAIN_DELAY": "soon", "HEADGATE_MAX_BODY": "1MB", "HEADGATE_HOOKS": "drop",
		"HEADGATE_LOG_LEVEL": "loud", "HEADGATE_LOG_FORMAT": "xml", "HEADGATE_TRUSTED_PROXIES": "proxy.example",
		"HEADGATE_EGRESS_ALLOW": "*", "HEADGATE_ADMIN_TOKEN": "short", "HEADGATE_TLS_CERT": "only-this.pem",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			a, _ := testApp()
			_, err := a.settings(nil)
			var e *exitError
			if !errors.As(err, &e) || e.code != exitEnvironment || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want exit 3 with %s", err, name)
			}
			if name == "HEADGATE_ADMIN_TOKEN" && strings.Contains(err.Error(), value) {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

func TestUnknownSettingsAreToldWithTheNearestName(t *testing.T) {
	t.Setenv("HEADGATE_ADMIN_TOKN", "x")
	a, talk := testApp()
	if _, err := a.settings(nil); err != nil {
		t.Fatal(err)
	}
	if want := "there is no setting HEADGATE_ADMIN_TOKN, it is ignored; did you mean `HEADGATE_ADMIN_TOKEN`?"; !strings.Contains(talk.String(), want) {
		t.Errorf("got %q, want %q", talk, want)
	}
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	t.Setenv("HEADGATE_ADDR", "127.0.0.1:1")
	t.Setenv("HEADGATE_DEV", "true")
	t.Setenv("HEADGATE_STORE", "memory:")
	a, _ := testApp()
	cmd := &cobra.Command{Use: "serve"}
	flags := addFlags(cmd)
	if err := cmd.ParseFlags([]string{"--addr", "127.0.0.1:7", "--dev=false", "--drain-delay", "2s"}); err != nil {
		t.Fatal(err)
	}
	s, err := a.settings(flags)
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr != "127.0.0.1:7" || s.Dev || s.DrainDelay.Duration != 2*time.Second || s.Store != "memory:" {
		t.Errorf("got %s, dev %v, drain %s, store %q", s.Addr, s.Dev, s.DrainDelay, s.Store)
	}
	if err := cmd.ParseFlags([]string{"--drain-delay", "soon"}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.settings(flags); err == nil || sorted(err).code != exitUsage || !strings.HasPrefix(err.Error(), "--drain-delay: ") {
		t.Errorf("got %v, want a usage error that names the flag", err)
	}
}

func TestTheEnvironmentWinsOverAnEnvFile(t *testing.T) {
	t.Setenv("HEADGATE_ADDR", "127.0.0.1:1")
	t.Setenv("HEADGATE_ADMIN_ADDR", "") // restored after the test
	if err := os.Unsetenv("HEADGATE_ADMIN_ADDR"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHOP_SECRET", "real")
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte("HEADGATE_ADDR=127.0.0.1:9\nHEADGATE_ADMIN_ADDR=127.0.0.1:2\nSHOP_SECRET=file\nOTHER=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _ := testApp()
	env, err := a.environment(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.settings(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr != "127.0.0.1:1" || s.AdminAddr != "127.0.0.1:2" {
		t.Errorf("settings: got %s and %s", s.Addr, s.AdminAddr)
	}
	for name, want := range map[string]string{"SHOP_SECRET": "real", "OTHER": "file"} {
		if got, _ := env.Lookup(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if _, set := os.LookupEnv("OTHER"); set {
		t.Error("a manifest's variable was put into the process's environment")
	}
}

func TestSettingsPageIsCurrent(t *testing.T) {
	t.Parallel()
	const path = "../../../../docs/settings.md"
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := settingsPage(); string(have) != want {
		t.Errorf("docs/settings.md is not what the settings say; run go generate ./cmd/headgate/...\n%s", want)
	}
}

func TestEverySettingIsDescribed(t *testing.T) {
	t.Parallel()
	for _, s := range allSettings() {
		if !strings.HasSuffix(s.Doc, ".") {
			t.Errorf("%s: the description %q is no sentence", s.Name, s.Doc)
		}
		if strings.Count(s.Doc, "'")%2 != 0 {
			t.Errorf("%s: an odd number of quotes in %q", s.Name, s.Doc)
		}
	}
}
