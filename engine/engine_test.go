package engine_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/manifests"
)

// startEngine runs an engine on free ports with a store of its own until the test ends.
func startEngine(t testing.TB, dir string, env map[string]string, change ...func(*engine.Options)) *engine.Engine {
	t.Helper()
	e, err := newEngine(t, dir, env, change...)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopEngine(t, e) })
	return e
}

// stopEngine stops an engine, which may have been stopped already.
func stopEngine(t testing.TB, e *engine.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

// caller is a client of its own, without connections that outlive the test.
func caller(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 128}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

func newEngine(t testing.TB, dir string, env map[string]string, change ...func(*engine.Options)) (*engine.Engine, error) {
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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secretOfLoad = "s3cret-for-tests"

func loadEnv() map[string]string { return map[string]string{"LOAD_SECRET": secretOfLoad} }

// answer is what a sender is told.
type answer struct {
	Status      string `json:"status"`
	ExecutionID string `json:"execution_id"`
}

// post sends one signed delivery to the provider load; what is not a 200 is an error.
func post(c *http.Client, addr, delivery string) (answer, error) {
	body := []byte(`{"n":1}`)
	req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/webhooks/load", bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Event", "thing")
	req.Header.Set("X-Delivery", delivery)
	req.Header.Set("X-Signature", "sha256="+sign(secretOfLoad, body))
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("answered %s: %s", resp.Status, text)
	}
	var a answer
	return a, json.Unmarshal(text, &a)
}

// get reads JSON from the admin API; it gives the status too.
func get(t testing.TB, c *http.Client, url string, into any) int {
	t.Helper()
	resp, err := c.Get("http://" + url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return resp.StatusCode
}

// soon waits until something is so.
func soon(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s it is still not so that %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func folder(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gate.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTwoEnginesRunInOneProcess(t *testing.T) {
	t.Parallel()
	env := loadEnv()
	a, b := startEngine(t, folder(t, revisionOf(1)), env), startEngine(t, folder(t, revisionOf(2)), env)
	for _, e := range []*engine.Engine{a, b} {
		if got, err := post(caller(t), e.PublicAddr(), "one"); err != nil || got.Status != "processed" {
			t.Errorf("the answer is %+v, %v", got, err)
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
	env := loadEnv()
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
	e, err := newEngine(t, folder(t, revisionOf(1)), loadEnv())
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
