package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// hooked is the folder of load with a hook to a receiver.
func hooked(url, retry string) string {
	return revisionOf(1) + fmt.Sprintf("  - {label: Tell, type: hook, props: {url: %q, retry: %s}}\n", url, retry)
}

// receiver answers hooks, and is closed when the test ends.
func receiver(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// onlyRun gives the one run that the API lists, "" where there is none yet.
func onlyRun(t testing.TB, c *http.Client, e *engine.Engine) (run.Run, []run.Attempt) {
	t.Helper()
	runs := allRuns(t, c, e.AdminAddr())
	if len(runs) == 0 {
		return run.Run{}, nil
	}
	var whole struct {
		Attempts []run.Attempt `json:"attempts"`
	}
	get(t, c, e.AdminAddr()+"/api/v1/runs/"+runs[0].ID.String(), &whole)
	return runs[0], whole.Attempts
}

func TestARunThatWaitsIsResumedByTheNextProcess(t *testing.T) {
	t.Parallel()
	var keys sync.Map
	var down atomic.Bool
	down.Store(true)
	var requests atomic.Int64
	r := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		keys.Store(r.Header.Get("Idempotency-Key"), true)
		requests.Add(1)
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	// The clock is the test's, so that nobody waits for the second attempt.
	var later atomic.Int64
	data := t.TempDir()
	change := func(o *engine.Options) {
		o.DataDir = data
		o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	}
	dir, c := folder(t, hooked(r.URL, "[0s, 1h]")), caller(t)
	first := startEngine(t, dir, loadEnv(), change)
	if _, err := post(c, first.PublicAddr(), "one"); err != nil {
		t.Fatal(err)
	}
	soon(t, "the first attempt has failed", func() bool {
		_, attempts := onlyRun(t, c, first)
		return len(attempts) == 1
	})
	stopEngine(t, first)

	down.Store(false)
	later.Store(int64(2 * time.Hour))
	second := startEngine(t, dir, loadEnv(), change)
	soon(t, "the run is done", func() bool {
		r, _ := onlyRun(t, c, second)
		return r.State == run.Done
	})
	_, attempts := onlyRun(t, c, second)
	if len(attempts) != 2 || attempts[0].N != 1 || attempts[1].N != 2 || attempts[1].Outcome != run.AttemptOK || requests.Load() != 2 {
		t.Errorf("the attempts are %+v and %d requests came", attempts, requests.Load())
	}
	count := 0
	keys.Range(func(any, any) bool { count++; return true })
	if count != 1 {
		t.Errorf("both attempts had %d Idempotency-Keys, want 1", count)
	}
	// What the sender sends again is still known.
	if got, err := post(c, second.PublicAddr(), "one"); err != nil || got.Status != "duplicate" {
		t.Errorf("sent again after the restart the delivery is %+v, %v; want a duplicate", got, err)
	}
}

func TestAGracefulStopLosesNoAcceptedEvent(t *testing.T) {
	t.Parallel()
	r := receiver(t, func(http.ResponseWriter, *http.Request) {})
	data, dir, c := t.TempDir(), folder(t, hooked(r.URL, "[0s, 1s, 1s]")), caller(t)
	change := func(o *engine.Options) { o.DataDir = data }
	e := startEngine(t, dir, loadEnv(), change)
	ctx, cancel := context.WithCancel(t.Context())
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for sender := range 8 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				got, err := post(c, e.PublicAddr(), fmt.Sprintf("s%d-%d", sender, i))
				if err == nil && got.Status == "processed" {
					accepted.Add(1)
				}
			}
		})
	}
	soon(t, "some hundred events are accepted", func() bool { return accepted.Load() > 300 })
	stopEngine(t, e)
	cancel()
	wg.Wait()

	again := startEngine(t, dir, loadEnv(), change)
	var status struct {
		Ledger store.Ledger `json:"ledger"`
	}
	soon(t, "every run is done", func() bool {
		get(t, c, again.AdminAddr()+"/api/v1/status", &status)
		flow := status.Ledger.Runs["flow"]
		return flow.Open == 0 && flow.Completed == status.Ledger.Requests.Processed
	})
	// An answer may have been cut off by the stop after its event was stored, never the other way round.
	if got := status.Ledger.Requests.Processed; got < accepted.Load() || got > accepted.Load()+8 {
		t.Errorf("%d events are in the store, and %d were acknowledged", got, accepted.Load())
	}
}

func TestAReceiverThatHangsDoesNotHoldUpTheStop(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	r := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-release:
		}
	})
	defer close(release)
	data, dir, c := t.TempDir(), folder(t, hooked(r.URL, "[0s, 1h]")), caller(t)
	change := func(o *engine.Options) { o.DataDir, o.ShutdownTimeout = data, 2*time.Second }
	e := startEngine(t, dir, loadEnv(), change)
	if _, err := post(c, e.PublicAddr(), "one"); err != nil {
		t.Fatal(err)
	}
	<-arrived
	begun := time.Now()
	stopEngine(t, e)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("stopping took %v, want about the 2 s that it may", took)
	}
	again := startEngine(t, dir, loadEnv(), change)
	r1, attempts := onlyRun(t, c, again)
	if r1.State != run.Open || len(attempts) != 1 || attempts[0].Outcome != run.AttemptUnknown || attempts[0].Code == store.CodeLeaseLost {
		t.Errorf("the run is %s with attempts %+v, want one that was cut off and settled as unknown", r1.State, attempts)
	}
}

func TestAHundredConnectionsWithOneDeliveryMakeOneRun(t *testing.T) {
	t.Parallel()
	e, c := startEngine(t, folder(t, revisionOf(1)), loadEnv()), caller(t)
	var mu sync.Mutex
	statuses, ids := map[string]int{}, map[string]bool{}
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range 100 {
		wg.Go(func() {
			<-begin
			got, err := post(c, e.PublicAddr(), "the-one")
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[got.Status]++
			ids[got.ExecutionID] = true
		})
	}
	close(begin)
	wg.Wait()
	if statuses["processed"] != 1 || statuses["duplicate"] != 99 || len(ids) != 1 {
		t.Errorf("the answers are %v with %d execution ids, want 1 processed, 99 duplicate and 1 id", statuses, len(ids))
	}
	soon(t, "the run is done", func() bool {
		r, _ := onlyRun(t, c, e)
		return r.State == run.Done
	})
	if runs := allRuns(t, c, e.AdminAddr()); len(runs) != 1 {
		t.Errorf("there are %d runs, want 1", len(runs))
	}
}

func TestWhileItDrainsItIsNotReadyAndStillAccepts(t *testing.T) {
	t.Parallel()
	c := caller(t)
	e := startEngine(t, folder(t, revisionOf(1)), loadEnv(), func(o *engine.Options) {
		o.HealthAddr = "127.0.0.1:0"
		o.DrainDelay = 500 * time.Millisecond
	})
	var ready struct {
		Ready bool `json:"ready"`
	}
	if status := get(t, c, e.HealthAddr()+"/readyz", &ready); status != http.StatusOK {
		t.Fatalf("before the stop /readyz answers %d", status)
	}
	public := e.PublicAddr()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stopEngine(t, e)
	}()
	soon(t, "/readyz answers 503", func() bool { return get(t, c, e.HealthAddr()+"/readyz", &ready) == http.StatusServiceUnavailable })
	if _, err := post(c, public, "late"); err != nil {
		t.Errorf("while it drains a delivery gets %v, want 200", err)
	}
	<-stopped
	refused(t, public)
}

// refused checks that nobody listens any more.
func refused(t testing.TB, addr string) {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", addr)
	if err == nil {
		_ = conn.Close()
		t.Errorf("somebody still listens on %s", addr)
	}
}

func TestAStartThatFailsHalfWayLeavesNothing(t *testing.T) {
	t.Parallel()
	data, dir := t.TempDir(), folder(t, revisionOf(1))
	e, err := newEngine(t, dir, loadEnv(), func(o *engine.Options) {
		o.DataDir = data
		o.Version = "no\nheader value" // the last part that is started refuses it
	})
	if err != nil {
		t.Fatal(err)
	}
	var environment *engine.EnvironmentError
	if err := e.Start(t.Context()); !errors.As(err, &environment) || !strings.Contains(err.Error(), "UserAgent") {
		t.Fatalf("Start gives %v, want an EnvironmentError about the user agent", err)
	}
	for _, addr := range []string{e.PublicAddr(), e.AdminAddr()} {
		if addr == "" {
			t.Error("the listeners were not reached")
			continue
		}
		refused(t, addr)
	}
	if err := e.Stop(t.Context()); err != nil {
		t.Errorf("Stop after it: %v", err)
	}
	startEngine(t, dir, loadEnv(), func(o *engine.Options) { o.DataDir = data }) // the store's lock is free
}

func TestTwoEnginesCannotShareADataDirectory(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	change := func(o *engine.Options) { o.DataDir = data }
	startEngine(t, folder(t, revisionOf(1)), loadEnv(), change)
	second, err := newEngine(t, folder(t, revisionOf(2)), loadEnv(), change)
	if err != nil {
		t.Fatal(err)
	}
	err = second.Start(t.Context())
	var environment *engine.EnvironmentError
	if !errors.As(err, &environment) || !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), data) {
		t.Errorf("Start gives %v, want an EnvironmentError that the file is locked", err)
	}
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, want string
		change     func(*engine.Options)
	}{
		{"no folder", "Dirs", func(o *engine.Options) { o.Dirs = nil }},
		{"no logger", "Logger", func(o *engine.Options) { o.Logger = nil }},
		{"no catalogue", "Catalogue", func(o *engine.Options) { o.Catalogue = nil }},
		{"a mode that is none", `HooksMode is "maybe"`, func(o *engine.Options) { o.HooksMode = "maybe" }},
		{"half of a key pair", "TLSCert", func(o *engine.Options) { o.TLSCert = "cert.pem" }},
		{"postgres", "no PostgreSQL store yet", func(o *engine.Options) { o.Store = "postgres://user:pass-word@db/x" }},
		{"another database", `there is no store "mysql"`, func(o *engine.Options) { o.Store = "mysql://db/x" }},
		{"two slashes", "three slashes", func(o *engine.Options) { o.Store = "sqlite://data/file.db" }},
		{"no path", "three slashes", func(o *engine.Options) { o.Store = "sqlite://" }},
		{"no URL", "it is no URL", func(o *engine.Options) { o.Store = "://pass-word" }},
		{"an admin listener for all without a token", "HEADGATE_ADMIN_TOKEN", func(o *engine.Options) { o.AdminAddr = ":0" }},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			_, err := newEngine(t, t.TempDir(), nil, r.change)
			var environment *engine.EnvironmentError
			if !errors.As(err, &environment) || !strings.Contains(err.Error(), r.want) {
				t.Errorf("New gives %v, want an EnvironmentError with %q", err, r.want)
			}
			if err != nil && strings.Contains(err.Error(), "pass-word") {
				t.Errorf("the error repeats a password: %v", err)
			}
		})
	}
}

func TestStatusDescribesTheGateway(t *testing.T) {
	t.Parallel()
	c, dir := caller(t), folder(t, revisionOf(1))
	revision := filepath.Join(t.TempDir(), "revision")
	if err := os.WriteFile(revision, []byte("  0123abcd  \nmore\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	e := startEngine(t, dir, loadEnv(), func(o *engine.Options) {
		o.Store, o.RevisionFile, o.Version, o.NoWatch = "memory:", revision, "v1.2.3", true
	})
	s := e.Status(t.Context())
	if s.Version != "v1.2.3" || !s.Ready || s.Started.IsZero() || s.Store.Kind != "memory" || s.Store.Warning == "" {
		t.Errorf("the status is %+v", s)
	}
	if m := s.Manifests; m.Digest != e.Snapshot().Digest || m.Commit != "0123abcd" || m.Providers != 1 || m.Pipelines != 1 || m.LastReload == nil || !m.LastReload.OK {
		t.Errorf("the manifests are %+v", m)
	}
	if s.Listen.Public != e.PublicAddr() || s.Listen.Admin != e.AdminAddr() || s.Listen.Health != "" {
		t.Errorf("it listens on %+v", s.Listen)
	}
	if _, err := post(c, e.PublicAddr(), "one"); err != nil {
		t.Error(err)
	}
	soon(t, "the ledger counts the run", func() bool { return e.Status(t.Context()).Ledger.Runs["flow"].Completed == 1 })

	writeFile(t, filepath.Join(dir, "gate.yaml"), []byte("kind: pipeline\nname: flow\nnodes: []\n"))
	if _, _, err := e.Reload(t.Context(), false); err == nil {
		t.Fatal("a broken folder was loaded")
	}
	s = e.Status(t.Context())
	if last := s.Manifests.LastReload; !s.Ready || last.OK || last.Reason != "findings" || len(last.Findings) == 0 || last.Findings[0].Line != 3 {
		t.Errorf("after a broken reload the status is %+v, last reload %+v", s, last)
	}
	var ready struct {
		Checks []struct {
			Name, Detail string
			OK           bool
		} `json:"checks"`
	}
	if status := get(t, c, e.AdminAddr()+"/readyz", &ready); status != http.StatusOK || !strings.Contains(fmt.Sprint(ready), "the last reload failed") {
		t.Errorf("/readyz answers %d %+v, want 200 and that the last reload failed", status, ready)
	}
	writeFile(t, filepath.Join(dir, "gate.yaml"), []byte("# gone\n"))
	if _, _, err := e.Reload(t.Context(), false); err == nil {
		t.Fatal("an empty folder was loaded")
	}
	if s = e.Status(t.Context()); !s.Manifests.Held || s.Manifests.LastReload.Reason != "held" {
		t.Errorf("with an empty folder the manifests are %+v", s.Manifests)
	}
}

func TestABrokenFolderAtStartMayServeTheLastGoodManifests(t *testing.T) {
	t.Parallel()
	data, dir, c := t.TempDir(), folder(t, revisionOf(1)), caller(t)
	change := func(o *engine.Options) { o.DataDir, o.BootLastGood = data, true }
	first := startEngine(t, dir, loadEnv(), change)
	digest := first.Snapshot().Digest
	stopEngine(t, first)
	writeFile(t, filepath.Join(dir, "gate.yaml"), []byte("kind: pipeline\nname: flow\nnodes: []\n"))
	e := startEngine(t, dir, loadEnv(), change)
	if got := e.Snapshot().Digest; got != digest || !e.Warnings().HasErrors() {
		t.Errorf("it serves digest %s, want %s; the findings are told: %t", got, digest, e.Warnings().HasErrors())
	}
	if got, err := post(c, e.PublicAddr(), "one"); err != nil || got.Status != "processed" {
		t.Errorf("a delivery gets %+v, %v", got, err)
	}
	if s := e.Status(t.Context()); !s.Ready || s.Manifests.LastReload.OK {
		t.Errorf("the status is %+v", s)
	}
	writeFile(t, filepath.Join(dir, "gate.yaml"), []byte(revisionOf(2)))
	soon(t, "the mended folder is loaded", func() bool { return e.Snapshot().Digest != digest })
}

func TestTheAdminListenerSignsWhatTheGatewayAccepts(t *testing.T) {
	t.Parallel()
	c := caller(t)
	e := startEngine(t, folder(t, strings.Replace(revisionOf(1), "[{name: thing}]", "[{name: thing, example: {n: 7}}]", 1)), loadEnv(), func(o *engine.Options) { o.Store = "memory:" })
	sign := func(body string) (int, map[string]any) {
		resp, err := c.Post("http://"+e.AdminAddr()+"/api/v1/sign", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var got map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, got
	}
	if status, got := sign(`{"provider": "laod", "event": "thing"}`); status != http.StatusNotFound || !strings.Contains(fmt.Sprint(got), "did you mean `load`") {
		t.Errorf("for a provider that is not there it answers %d %v", status, got)
	}
	if status, got := sign(`{"provider": "load", "event": "thign"}`); status != http.StatusNotFound || !strings.Contains(fmt.Sprint(got), "did you mean `thing`") {
		t.Errorf("for an event that is not there it answers %d %v", status, got)
	}
	status, signed := sign(`{"provider": "load", "event": "thing", "delivery": "signed-1"}`)
	if status != http.StatusOK || signed["url"] != "http://"+e.PublicAddr()+"/webhooks/load" {
		t.Fatalf("it answers %d %v", status, signed)
	}
}

func TestWebhookURLsAreThoseThatSendersReach(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name   string
		change func(*engine.Options)
		want   string
	}{
		{"on this host", func(*engine.Options) {}, "http://127.0.0.1:PORT/webhooks/load"},
		{"on every address", func(o *engine.Options) { o.Addr = ":0" }, "http://localhost:PORT/webhooks/load"},
		{"behind a proxy", func(o *engine.Options) { o.PublicURL = "https://hooks.example.com/in/" }, "https://hooks.example.com/in/webhooks/load"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			e := startEngine(t, folder(t, revisionOf(1)), loadEnv(), func(o *engine.Options) {
				o.Store = "memory:"
				r.change(o)
			})
			_, port, err := net.SplitHostPort(e.PublicAddr())
			if err != nil {
				t.Fatal(err)
			}
			if got, want := e.WebhookURL("load"), strings.Replace(r.want, "PORT", port, 1); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
