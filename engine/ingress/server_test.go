package ingress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
)

const acme = `kind: provider
name: acme
description: Acme orders
signature: {algorithm: hmac-sha256, header: X-Acme-Signature, prefix: "sha256="}
secret: <<env.SECRET>>
event: {header: X-Acme-Event}
delivery: {header: X-Acme-Delivery}
ignore: [ping]
max_body: 1KiB
events:
  - name: order.created
    description: An order was placed
    schema: {type: object}
    example: {id: 1}
`

// secretText is what must never be seen in an answer or a log.
const secretText = "canary-of-a-secret"

// live is a snapshot of compiled providers.
type live map[string]*provider.Provider

func (l live) Provider(name string) (*provider.Provider, bool) {
	p, ok := l[name]
	return p, ok
}

// providers compiles documents.
func providers(t testing.TB, yaml string) live {
	t.Helper()
	bundle, out := manifest.Load(t.Context(), manifest.Options{
		Env: func(name string) (string, bool) {
			if name == "PATH_TOKEN" {
				return tokenText, true
			}
			return secretText, true
		},
		Files: []*source.File{source.NewFile("p.yaml", []byte(yaml))},
	})
	if bundle == nil {
		t.Fatal(out.Sorted())
	}
	l := live{}
	for _, doc := range bundle.Documents(manifest.Provider) {
		p := provider.Compile(doc, out, provider.Options{})
		if p == nil {
			t.Fatal(out.Sorted())
		}
		l[doc.Name] = p
	}
	return l
}

// appender is an Appender made of a function.
type appender func(ctx context.Context, arrivals []store.Arrival) ([]store.Receipt, error)

func (f appender) Append(ctx context.Context, arrivals []store.Arrival) ([]store.Receipt, error) {
	return f(ctx, arrivals)
}

// watcher remembers what an Observer is told.
type watcher struct {
	mu   sync.Mutex
	seen []string
	more *sync.Cond // nil until somebody waits
}

func (w *watcher) Request(provider, answer string, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if took < 0 {
		answer = "negative"
	}
	w.seen = append(w.seen, provider+" "+answer)
	if w.more != nil {
		w.more.Broadcast()
	}
}

// nth gives what the observer was told the n-th time, from 1, and waits for it: over a connection the answer is there before.
func (w *watcher) nth(n int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more == nil {
		w.more = sync.NewCond(&w.mu)
	}
	for len(w.seen) < n {
		w.more.Wait()
	}
	return w.seen[n-1]
}

func (w *watcher) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		return ""
	}
	return w.seen[len(w.seen)-1]
}

// gate is a Server with what a test looks at.
type gate struct {
	*Server
	acme    *provider.Provider
	store   *memory.Store
	watcher *watcher
	log     *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// open makes a Server over a memory store; change may set other options.
func open(t testing.TB, change func(o *Options)) *gate {
	t.Helper()
	all := providers(t, acme)
	g := &gate{acme: all["acme"], store: memory.New(memory.Options{}), watcher: &watcher{}, log: &lockedBuffer{}}
	if err := g.store.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := Options{
		Snapshot: func() Snapshot { return Snapshot{Providers: all, Digest: "digest1"} }, Store: g.store, Observer: g.watcher, TestEndpoint: true,
		Logger: slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	g.Server = s
	return g
}

// signed makes a genuine request for the acme provider.
func (g *gate) signed(t testing.TB, url, event, delivery, body string) *http.Request {
	t.Helper()
	s, err := g.acme.Sign(provider.Message{Event: event, Delivery: delivery, Body: []byte(body), Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+s.Path, bytes.NewReader(s.Body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = s.Header
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func do(t testing.TB, r *http.Request) answer {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func TestAnAcceptedEventIsAnsweredWithItsID(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	web := httptest.NewServer(g)
	t.Cleanup(web.Close)

	first := do(t, g.signed(t, web.URL, "order.created", "d1", `{"id":1}`))
	shape := regexp.MustCompile(`^\{"status":"processed","provider":"acme","event":"order.created","execution_id":"webhook-acme-[0-9a-z]{13}"\}$`)
	if first.status != 200 || !shape.MatchString(first.body) || first.header.Get("Content-Type") != "application/json" || first.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %d %s %v", first.status, first.body, first.header)
	}
	if !regexp.MustCompile(`^[0-9a-z]{16}$`).MatchString(first.header.Get("X-Request-Id")) {
		t.Errorf("X-Request-Id is %q", first.header.Get("X-Request-Id"))
	}
	page, err := g.store.Events(t.Context(), store.EventQuery{})
	if err != nil || len(page.Events) != 1 {
		t.Fatalf("the store has %d events, %v; want 1", len(page.Events), err)
	}
	e := page.Events[0]
	if e.Request != first.header.Get("X-Request-Id") || e.Routes != "digest1" || !strings.HasSuffix(first.body, e.ID.String()+`"}`) || e.Name != "order.created" {
		t.Errorf("the stored event is %+v", e)
	}
	if body, err := g.store.Body(t.Context(), e.ID); err != nil || string(body) != `{"id":1}` {
		t.Errorf("the stored body is %q, %v", body, err)
	}

	again := do(t, g.signed(t, web.URL, "order.created", "d1", `{"id":1}`))
	if want := strings.Replace(first.body, "processed", "duplicate", 1); again.status != 200 || again.body != want {
		t.Errorf("the same delivery again: got %d %s, want 200 %s", again.status, again.body, want)
	}
	if told := g.watcher.nth(2); told != "acme duplicate" {
		t.Errorf("the observer was told %q, want acme duplicate", told)
	}
	other := do(t, g.signed(t, web.URL, "order.created", "d1", `{"id":2}`))
	if other.status != 200 || !strings.Contains(other.body, "duplicate") || !strings.Contains(g.log.String(), "a delivery id came again with another body") {
		t.Errorf("the same delivery with another body: got %d %s, log %s", other.status, other.body, g.log)
	}

	for event, want := range map[string]string{"ping": `"event":"ping"`, "order.paid": `"event":"order.paid"`, "": `"event":null`} {
		r := g.signed(t, web.URL, "order.created", "", `{}`)
		r.Header.Set("X-Acme-Event", event)
		got := do(t, r)
		if got.status != 200 || !strings.HasPrefix(got.body, `{"status":"ignored","provider":"acme",`+want+`,"execution_id":"webhook-acme-`) {
			t.Errorf("event %q: got %d %s, want it ignored with %s", event, got.status, got.body, want)
		}
	}
	if page, err := g.store.Events(t.Context(), store.EventQuery{Status: "ignored"}); err != nil || len(page.Events) != 3 {
		t.Errorf("the store has %d ignored events, %v; want 3", len(page.Events), err)
	}
}

// TestAHundredConnectionsWithOneDeliveryID sends the same event at once: one is processed, and all are told one id.
func TestAHundredConnectionsWithOneDeliveryID(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	web := httptest.NewServer(g)
	t.Cleanup(web.Close)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	t.Cleanup(client.CloseIdleConnections)

	const n = 100
	bodies, start := make([]string, n), make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		r := g.signed(t, web.URL, "order.created", "one", `{"id":1}`)
		all.Go(func() {
			<-start
			res, err := client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = res.Body.Close() }()
			b, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != 200 {
				t.Errorf("got %d, %v", res.StatusCode, err)
			}
			bodies[i] = string(b)
		})
	}
	close(start)
	all.Wait()
	count, ids := map[string]int{}, map[string]bool{}
	for _, b := range bodies {
		var got struct {
			Status string `json:"status"`
			ID     string `json:"execution_id"`
		}
		if err := json.Unmarshal([]byte(b), &got); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		count[got.Status]++
		ids[got.ID] = true
	}
	if count["processed"] != 1 || count["duplicate"] != n-1 || len(ids) != 1 {
		t.Errorf("got %v with %d ids, want 1 processed, %d duplicate, 1 id", count, len(ids), n-1)
	}
}

func TestEveryRefusalHasItsCode(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	web := httptest.NewServer(g)
	t.Cleanup(web.Close)
	tests := []struct {
		name   string
		change func(r *http.Request)
		status int
		code   string
		told   string // to the observer
	}{
		{"no signature", func(r *http.Request) { r.Header.Del("X-Acme-Signature") }, 401, "missing_signature", "acme missing_signature"},
		{"a wrong signature", func(r *http.Request) { r.Header.Set("X-Acme-Signature", "sha256="+strings.Repeat("0", 64)) }, 401, "invalid_signature", "acme invalid_signature"},
		{"no JSON", func(r *http.Request) { *r = *g.signed(t, web.URL, "order.created", "", `{`) }, 400, "invalid_json", "acme invalid_json"},
		{"an unknown provider", func(r *http.Request) { r.URL.Path = "/webhooks/nobody" }, 404, "provider_not_found", "unknown provider_not_found"},
		{"another path", func(r *http.Request) { r.URL.Path = "/other" }, 404, "not_found", "unknown not_found"},
		{"no name", func(r *http.Request) { r.URL.Path = "/webhooks/" }, 404, "not_found", "unknown not_found"},
		{"a deeper path", func(r *http.Request) { r.URL.Path = "/webhooks/acme/x" }, 404, "not_found", "acme not_found"},
		{"GET", func(r *http.Request) { r.Method = http.MethodGet }, 405, "method_not_allowed", "acme method_not_allowed"},
		{"PUT", func(r *http.Request) { r.Method = http.MethodPut }, 405, "method_not_allowed", "acme method_not_allowed"},
		{"POST to the test", func(r *http.Request) { r.URL.Path = "/webhooks/acme/test" }, 405, "method_not_allowed", "acme method_not_allowed"},
		{"too large a body", func(r *http.Request) {
			*r = *g.signed(t, web.URL, "order.created", "", `"`+strings.Repeat("x", 1023)+`"`)
		}, 413, "body_too_large", "acme body_too_large"},
		{"too large a body of unknown length", func(r *http.Request) {
			*r = *g.signed(t, web.URL, "order.created", "", `"`+strings.Repeat("x", 1<<20)+`"`)
			r.ContentLength = -1
		}, 413, "body_too_large", "acme body_too_large"},
		{"an encoded body", func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415, "unsupported_media_type", "acme unsupported_media_type"},
		{"a form", func(r *http.Request) {
			*r = *g.signed(t, web.URL, "order.created", "", `a=b`)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}, 415, "unsupported_media_type", "acme unsupported_media_type"},
	}
	for i, test := range tests {
		r := g.signed(t, web.URL, "order.created", "", `{"id":1}`)
		r.Header.Set("X-Request-Id", "mine")
		test.change(r)
		got := do(t, r)
		var body struct {
			Error struct {
				Code    string `json:"code"`
				Message string `json:"message"`
				ID      string `json:"request_id"`
			} `json:"error"`
		}
		d := json.NewDecoder(strings.NewReader(got.body))
		d.DisallowUnknownFields()
		if err := d.Decode(&body); err != nil {
			t.Errorf("%s: %q: %v", test.name, got.body, err)
			continue
		}
		if got.status != test.status || body.Error.Code != test.code {
			t.Errorf("%s: got %d %s, want %d %s", test.name, got.status, body.Error.Code, test.status, test.code)
		}
		if id := got.header.Get("X-Request-Id"); id != body.Error.ID || len(id) != 16 {
			t.Errorf("%s: X-Request-Id %q, request_id %q", test.name, id, body.Error.ID)
		}
		if m := body.Error.Message; !strings.HasSuffix(m, ".") || strings.Count(m, ".") != 1 {
			t.Errorf("%s: the message is %q, want one sentence", test.name, m)
		}
		if allow := got.header.Get("Allow"); (allow != "") != (test.status == 405) {
			t.Errorf("%s: Allow is %q", test.name, allow)
		}
		if told := g.watcher.nth(i + 1); told != test.told {
			t.Errorf("%s: the observer was told %q, want %q", test.name, told, test.told)
		}
	}
	if l, err := g.store.Ledger(t.Context()); err != nil || l.Requests.Recorded != 0 {
		t.Errorf("refused requests were stored: %+v, %v", l.Requests, err)
	}
	if strings.Contains(g.log.String(), secretText) {
		t.Error("the log holds the secret")
	}
}

func TestHeadOnAProviderIsNotAllowed(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/webhooks/acme", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("got %d, Allow %q; want 405, POST", w.Code, w.Header().Get("Allow"))
	}
}

func TestTheTestEndpointAnswersTheSeedsJSON(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/webhooks/acme/test", nil))
	want := `{"provider":"acme","webhook_support":true,"webhook_url":"/webhooks/acme",` +
		`"supported_events":[{"name":"order.created","description":"An order was placed","has_schema":true}],` +
		`"signature_validation":true,"signature_header":"X-Acme-Signature"}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("got %d %s\nwant 200 %s", w.Code, w.Body, want)
	}
	w = httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/webhooks/nobody/test", nil))
	if w.Code != 404 || !strings.Contains(w.Body.String(), "provider_not_found") {
		t.Errorf("an unknown provider: got %d %s", w.Code, w.Body)
	}
	off := open(t, func(o *Options) { o.TestEndpoint = false })
	w = httptest.NewRecorder()
	off.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/webhooks/acme/test", nil))
	if w.Code != 404 {
		t.Errorf("switched off: got %d, want 404", w.Code)
	}
}

// TestNoAnswerComesBeforeTheCommit has the store take two seconds.
func TestNoAnswerComesBeforeTheCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := open(t, func(o *Options) {
			o.Store = appender(func(context.Context, []store.Arrival) ([]store.Receipt, error) {
				<-time.After(2 * time.Second)
				return []store.Receipt{{ID: 1}}, nil
			})
		})
		r := g.signed(t, "", "order.created", "", `{}`)
		w := httptest.NewRecorder()
		start, done := time.Now(), make(chan time.Time, 1)
		go func() {
			g.ServeHTTP(w, r)
			done <- time.Now()
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Error("the answer came before the commit")
		default:
		}
		if took := (<-done).Sub(start); took != 2*time.Second || w.Code != 200 {
			t.Errorf("got %d after %s, want 200 after 2s", w.Code, took)
		}
		<-time.After(appendLimit) // the shared deadline ends with its owner
	})
}

// TestAStoreThatHangsIsAnsweredFor has the store block until its context ends.
func TestAStoreThatHangsIsAnsweredFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := open(t, func(o *Options) {
			o.Store = appender(func(ctx context.Context, _ []store.Arrival) ([]store.Receipt, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
		})
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				<-time.After(time.Duration(i) * 100 * time.Millisecond)
				w := httptest.NewRecorder()
				start := time.Now()
				g.ServeHTTP(w, g.signed(t, "", "order.created", "", `{}`))
				took := time.Since(start)
				if w.Code != 503 || w.Header().Get("Retry-After") != "5" || !strings.Contains(w.Body.String(), "store_unavailable") {
					t.Errorf("got %d %s, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
				}
				if took > appendLimit || took < appendLimit-shareFor {
					t.Errorf("the answer took %s, want just under %s", took, appendLimit)
				}
			})
		}
		all.Wait()
		synctest.Wait()
	})
}

func TestAStoreThatFailsIsAnsweredFor(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]appender{
		"unavailable": func(context.Context, []store.Arrival) ([]store.Receipt, error) { return nil, store.ErrUnavailable },
		"broken": func(context.Context, []store.Arrival) ([]store.Receipt, error) {
			return nil, errors.New("/var/lib/x: disk")
		},
		"silent": func(context.Context, []store.Arrival) ([]store.Receipt, error) { return nil, nil },
	} {
		g := open(t, func(o *Options) { o.Store = f })
		w := httptest.NewRecorder()
		g.ServeHTTP(w, g.signed(t, "", "order.created", "", `{}`))
		if w.Code != 503 || !strings.Contains(w.Body.String(), `"store_unavailable"`) || strings.Contains(w.Body.String(), "disk") || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
		if !strings.Contains(g.log.String(), "events cannot be stored") {
			t.Errorf("%s: the log says nothing: %s", name, g.log)
		}
	}
}

func TestAPanicIsOneRequestsTrouble(t *testing.T) {
	t.Parallel()
	g := open(t, func(o *Options) {
		o.Store = appender(func(context.Context, []store.Arrival) ([]store.Receipt, error) { panic("of the store") })
	})
	for range 2 {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, g.signed(t, "", "order.created", "", `{}`))
		if w.Code != 500 || !strings.Contains(w.Body.String(), `"code":"internal"`) || strings.Contains(w.Body.String(), "of the store") {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		if g.watcher.last() != "acme internal" {
			t.Errorf("the observer was told %q", g.watcher.last())
		}
	}
	if log := g.log.String(); !strings.Contains(log, "of the store") || !strings.Contains(log, "server_test.go") {
		t.Errorf("the log has no panic with its stack: %s", log)
	}
}

func TestAnOwnAnswerReplacesOurs(t *testing.T) {
	t.Parallel()
	all := providers(t, acme+"ack: {status: 202, type: text/xml, body: <Response/>}\nreject: 498\n")
	g := open(t, func(o *Options) { o.Snapshot = func() Snapshot { return Snapshot{Providers: all} } })
	w := httptest.NewRecorder()
	g.ServeHTTP(w, g.signed(t, "", "order.created", "", `{}`))
	if w.Code != 202 || w.Body.String() != "<Response/>" || w.Header().Get("Content-Type") != "text/xml" || w.Header().Get("X-Request-Id") == "" {
		t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
	}
	r := g.signed(t, "", "order.created", "", `{}`)
	r.Header.Del("X-Acme-Signature")
	w = httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != 498 || w.Body.Len() != 0 || w.Header().Get("X-Request-Id") == "" || g.watcher.last() != "acme missing_signature" {
		t.Errorf("got %d %q, observer %q", w.Code, w.Body, g.watcher.last())
	}
}

func TestTroubleIsLoggedOnceInAWhile(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	g := open(t, func(o *Options) { o.Now = func() time.Time { return at } })
	for range 50 {
		r := g.signed(t, "", "order.created", "", `{}`)
		r.Header.Del("X-Acme-Signature")
		g.ServeHTTP(httptest.NewRecorder(), r)
	}
	if n := strings.Count(g.log.String(), "request refused"); n != 1 {
		t.Errorf("50 refusals made %d lines, want 1", n)
	}
	at = at.Add(sayEvery)
	r := g.signed(t, "", "order.created", "", `{}`)
	r.Header.Del("X-Acme-Signature")
	g.ServeHTTP(httptest.NewRecorder(), r)
	if n := strings.Count(g.log.String(), `"count":49`); n != 1 {
		t.Errorf("the next line does not count the 49 others: %s", g.log)
	}
}

func TestMissingOptionsAreNamed(t *testing.T) {
	t.Parallel()
	good := Options{Snapshot: func() Snapshot { return Snapshot{} }, Store: appender(nil), Logger: slog.New(slog.DiscardHandler)}
	for name, change := range map[string]func(o *Options){
		"Snapshot": func(o *Options) { o.Snapshot = nil }, "Store": func(o *Options) { o.Store = nil }, "Logger": func(o *Options) { o.Logger = nil },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s got %v", name, err)
		}
	}
}
