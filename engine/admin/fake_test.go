package admin_test

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/job"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
	"github.com/headgate/headgate/engine/vault"
)

const token = "headgate_0123456789abcdef"

// instant is the clock of every test here.
func instant() time.Time { return time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) }

// records is a reader over a few records; what it does not have itself is an empty store's.
type records struct {
	*memory.Store

	mu      sync.Mutex
	all     []event.Event
	bodies  map[event.ID][]byte
	runs    []store.RunRecord
	fail    error
	asked   store.EventQuery
	askRuns store.RunQuery
	retried []string

	appended []store.Arrival

	rejections    []store.Rejection
	askRejections []store.RejectionQuery
}

func (f *records) Rejections(_ context.Context, q store.RejectionQuery) (store.RejectionPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.askRejections = append(f.askRejections, q)
	var page store.RejectionPage
	for _, r := range f.rejections {
		if q.Matches(&r) {
			page.Rejections = append(page.Rejections, r)
		}
	}
	return page, f.fail
}

func (f *records) Append(_ context.Context, arrivals []store.Arrival) ([]store.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []store.Receipt
	for _, a := range arrivals {
		f.appended = append(f.appended, a)
		out = append(out, store.Receipt{ID: event.NewID(instant(), int64(len(f.appended))), State: event.Accepted})
	}
	return out, f.fail
}

func (f *records) Event(_ context.Context, id event.ID) (event.Event, error) {
	for _, ev := range f.all {
		if ev.ID == id {
			return ev, f.fail
		}
	}
	return event.Event{}, store.ErrNotFound
}

func (f *records) Body(_ context.Context, id event.ID) ([]byte, error) {
	if b, ok := f.bodies[id]; ok {
		return b, f.fail
	}
	return nil, store.ErrNotFound
}

func (f *records) Events(_ context.Context, q store.EventQuery) (store.EventPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = q
	return store.EventPage{Events: f.all, Next: "further"}, f.fail
}

func (f *records) Run(_ context.Context, id run.ID) (store.RunRecord, error) {
	for _, r := range f.runs {
		if r.Run.ID == id {
			return r, f.fail
		}
	}
	return store.RunRecord{}, store.ErrNotFound
}

func (f *records) Runs(_ context.Context, q store.RunQuery) (store.RunPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.askRuns = q
	var page store.RunPage
	for _, r := range f.runs {
		if q.Event == 0 || r.Run.Event == q.Event {
			page.Runs = append(page.Runs, r.Run)
		}
	}
	return page, f.fail
}

func (f *records) Retry(_ context.Context, ask store.RetryAsk) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.retried, ask.Request) {
		f.retried = append(f.retried, ask.Request)
	}
	for _, r := range f.runs {
		if r.Run.ID == ask.Run && r.Run.State != run.Parked {
			return store.ErrWrongState
		}
	}
	return f.fail
}

// nothing is a folder without pipelines.
type nothing struct{}

func (nothing) Starting(string, string) []string { return nil }

func (nothing) Revision(string) (string, bool) { return "", false }

func (nothing) Order(context.Context, string, string) func(a, b string) int { return nil }

// gateway is a Gateway of functions; those that are nil are not expected to be called.
type gateway struct {
	reload func(confirm bool) (any, *diag.List, error)
	sign   func(m admin.Message) (admin.SignedRequest, error)
	ready  bool
	checks []admin.Check
}

func (g *gateway) Status(context.Context) admin.Status {
	return admin.Status{Version: "1.2.3", Started: instant(), Ready: g.ready, Manifests: admin.Manifests{Digest: "d1", Pipelines: 2}}
}
func (g *gateway) Ready(context.Context) (bool, []admin.Check) { return g.ready, g.checks }
func (g *gateway) Reload(_ context.Context, confirm bool) (any, *diag.List, error) {
	return g.reload(confirm)
}

func (g *gateway) Sign(_ context.Context, m admin.Message) (admin.SignedRequest, error) {
	return g.sign(m)
}

// learned is what providers handed over.
type learned struct {
	mu     sync.Mutex
	all    []vault.Entry
	fail   error
	secret secret.Value
}

func (l *learned) List(context.Context) ([]vault.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all), l.fail
}

// Reveal gives the secret to the last live entry of the provider; one without a digest is too old.
func (l *learned) Reveal(_ context.Context, provider string) (vault.Entry, secret.Value, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range slices.Backward(l.all) {
		switch {
		case l.fail != nil || e.Provider != provider || !e.Live:
		case e.Digest == "":
			return vault.Entry{}, secret.Value{}, vault.ErrRevealExpired
		default:
			return e, l.secret, nil
		}
	}
	return vault.Entry{}, secret.Value{}, cmp.Or(l.fail, vault.ErrNothingToReveal)
}

func (l *learned) Drop(_ context.Context, provider string) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return 0, l.fail
	}
	before := len(l.all)
	l.all = slices.DeleteFunc(l.all, func(e vault.Entry) bool { return e.Provider == provider })
	return before - len(l.all), nil
}

// world is a server's options with the fakes behind them, and a client.
type world struct {
	admin.Options
	records *records
	gateway *gateway
	learned *learned
	handler http.Handler
}

// newWorld makes options on a loopback address without a token; tests change them before they ask.
func newWorld(t *testing.T) *world {
	t.Helper()
	kept := memory.New(memory.Options{Now: instant})
	if err := kept.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	jobs, err := job.New(job.Options{Store: kept, Folder: nothing{}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{records: &records{Store: kept, bodies: map[event.ID][]byte{}}, gateway: &gateway{ready: true}, learned: &learned{}}
	w.Options = admin.Options{
		Addr: "127.0.0.1:0", Reader: w.records, Gateway: w.gateway, Jobs: jobs, Learned: w.learned, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: instant,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "headgate_up 1\n") }),
	}
	return w
}

func (w *world) withToken() *world {
	w.Token = secret.New(token)
	return w
}

// add stores an event and gives its id.
func (w *world) add(name string, body string) event.ID {
	id := event.NewID(instant(), int64(len(w.records.all)+1))
	w.records.all = append(w.records.all, event.Event{
		ID: id, Provider: "acme", Name: name, Received: instant(), State: event.Routed, BodySize: len(body), Source: event.Live,
	})
	w.records.bodies[id] = []byte(body)
	return id
}

// answerOf is an answer with its JSON body, if it is one.
type answerOf struct {
	*httptest.ResponseRecorder
	json map[string]any
}

func (a answerOf) code() string {
	e, _ := a.json["error"].(map[string]any)
	c, _ := e["code"].(string)
	return c
}

// ask sends a request to the admin listener's handler. Headers are "Name: value"; a "Host" one sets the host.
func (w *world) ask(t *testing.T, method, target, body string, headers ...string) answerOf {
	t.Helper()
	if w.handler == nil {
		s, err := admin.New(w.Options)
		if err != nil {
			t.Fatal(err)
		}
		w.handler = admin.HandlerOf(s)
	}
	return ask(t, w.handler, method, target, body, headers...)
}

func ask(t *testing.T, h http.Handler, method, target, body string, headers ...string) answerOf {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:8081"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Host" {
			r.Host = value
		}
		if name == "From" {
			r.RemoteAddr = value
		}
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	a := answerOf{ResponseRecorder: rec}
	if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(rec.Body.Bytes(), &a.json); err != nil {
			t.Fatalf("%s %s: the answer is no JSON: %v\n%s", method, target, err, rec.Body)
		}
	}
	return a
}

// check fails where status or error code are others.
func (a answerOf) check(t *testing.T, status int, code string) {
	t.Helper()
	if a.Code != status || a.code() != code {
		t.Errorf("got %d %q, want %d %q\n%s", a.Code, a.code(), status, code, a.Body)
	}
}
