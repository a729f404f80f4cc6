package engine_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/manifests"
)

// startEngine runs an engine on free ports with a store of its own until the test ends.
func startEngine(t *testing.T, dir string, env map[string]string, change ...func(*engine.Options)) *engine.Engine {
	t.Helper()
	e, err := newEngine(t, dir, env, change...)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if err := e.Stop(ctx); err != nil {
			t.Errorf("stopping: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return e
}

func newEngine(t *testing.T, dir string, env map[string]string, change ...func(*engine.Options)) (*engine.Engine, error) {
	t.Helper()
	o := engine.Options{
		Dirs: []string{dir}, Catalogue: manifests.FS(), Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DataDir: t.TempDir(), Dev: true,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Env: func(name string) (string, bool) {
			v, ok := env[name]
			return v, ok
		},
	}
	for _, f := range change {
		f(&o)
	}
	return engine.New(o)
}

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func folder(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gate.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTwoEnginesRunInOneProcess(t *testing.T) {
	t.Parallel()
	env := map[string]string{"LOAD_SECRET": "s3cret-for-tests"}
	a, b := startEngine(t, folder(t, revisionOf(1)), env), startEngine(t, folder(t, revisionOf(2)), env)
	for _, e := range []*engine.Engine{a, b} {
		if err := post(e.PublicAddr(), "load", "s3cret-for-tests", "one", []byte(`{"n":1}`)); err != nil {
			t.Error(err)
		}
	}
	if a.Snapshot().Digest == b.Snapshot().Digest {
		t.Error("two folders have one digest")
	}
}

func TestStartFailsWithFindingsForBrokenManifests(t *testing.T) {
	t.Parallel()
	e, err := newEngine(t, folder(t, "kind: pipeline\nname: p\nnodes: []\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = e.Start(t.Context())
	var findings *diag.FindingsError
	if !errors.As(err, &findings) {
		t.Fatalf("Start gives %v, want findings", err)
	}
	if got := err.Error(); !strings.Contains(got, "gate.yaml:3:") {
		t.Errorf("the error names no place: %s", got)
	}
}

func TestStartFailsWithAnEnvironmentErrorForATakenPort(t *testing.T) {
	t.Parallel()
	env := map[string]string{"LOAD_SECRET": "s3cret-for-tests"}
	first := startEngine(t, folder(t, revisionOf(1)), env)
	second, err := newEngine(t, folder(t, revisionOf(1)), env, func(o *engine.Options) { o.Addr = first.PublicAddr() })
	if err != nil {
		t.Fatal(err)
	}
	err = second.Start(t.Context())
	var environment *engine.EnvironmentError
	if !errors.As(err, &environment) || !strings.Contains(err.Error(), "public listener") {
		t.Fatalf("Start gives %v, want an EnvironmentError that names the public listener", err)
	}
}

func TestStopAfterStopIsNoError(t *testing.T) {
	t.Parallel()
	e, err := newEngine(t, folder(t, revisionOf(1)), map[string]string{"LOAD_SECRET": "s3cret-for-tests"})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
}
