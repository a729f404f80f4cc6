package ingress

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/rejection"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
)

// others are providers with what the acme provider lacks.
const others = `kind: provider
name: hooks
signature: {algorithm: hmac-sha256, header: X-Sig, signed: "{pathquery}{body}"}
secret: <<env.SECRET>>
path_token: <<env.PATH_TOKEN>>
delivery: body
challenge:
  - {name: mode, when: {method: GET, query:mode: "*"}, reply: {body: "{query:mode}", headers: {X-Mode: on}}}
  - {name: keep, when: {header:X-Hook-Secret: "*"}, auth: false, reply: {status: 204}, store: "{header:X-Hook-Secret}"}
  - {name: confirm, when: {json:Type: Confirm}, auth: false, get: "{json:URL}", hosts: api.acme.example}
---
kind: provider
name: batch
signature: {algorithm: hmac-sha256, header: X-Sig}
secret: <<env.SECRET>>
each: json
event: {body: type}
delivery: {body: id}
schema_policy: quarantine
ignore: [ping]
events: [{name: order, schema: {required: [id]}}, {name: ping}]
---
kind: provider
name: slow
signature: {algorithm: hmac-sha256, header: X-Sig}
secret: <<env.SECRET>>
delivery: body
rate_limit: {rate: 60/m, burst: 2}
`

const tokenText = "canary-of-a-token-1234"

// asked remembers what a Learner and a Confirmer were asked for.
type asked struct {
	mu   sync.Mutex
	seen []string
	err  error
}

func (a *asked) note(what string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, what)
	return a.err
}

func (a *asked) Learn(_ context.Context, name string, s secret.Value) error {
	return a.note("learn " + name + " " + s.Reveal())
}
func (a *asked) Confirm(_ context.Context, url string) error { return a.note("confirm " + url) }

// recorder remembers rejections.
type recorder struct {
	mu      sync.Mutex
	all     []store.Rejection
	counted int
}

func (r *recorder) Reject(one store.Rejection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
}

func (r *recorder) Count(store.Rejection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counted++
}

func (r *recorder) last(t testing.TB) store.Rejection {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == 0 {
		t.Fatal("nothing was recorded")
	}
	return r.all[len(r.all)-1]
}

// openOthers makes a Server with the other providers.
func openOthers(t testing.TB, change func(o *Options)) (*gate, live, *asked, *recorder) {
	t.Helper()
	all := providers(t, others)
	a, rec := &asked{}, &recorder{}
	g := open(t, func(o *Options) {
		o.Snapshot = func() Snapshot { return Snapshot{Providers: all, Digest: "digest1"} }
		o.Learner, o.Confirmer, o.Rejections = a, a, rec
		if change != nil {
			change(o)
		}
	})
	return g, all, a, rec
}

// send has the server answer a request without a connection.
func (g *gate) send(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// post sends a genuine request of a provider.
func (g *gate) post(t testing.TB, p *provider.Provider, body string) *httptest.ResponseRecorder {
	t.Helper()
	s, err := p.Sign(provider.Message{Body: []byte(body), Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, s.Target(), bytes.NewReader(s.Body))
	r.Header = s.Header
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

const hooksPath = "/webhooks/hooks/" + tokenText

func TestHandshakesAreAnsweredOnTheWire(t *testing.T) {
	t.Parallel()
	g, _, a, _ := openOthers(t, nil)
	w := g.send("GET", hooksPath+"?mode=on+air", "")
	if w.Code != 200 || w.Body.String() != "on air" || w.Header().Get("X-Mode") != "on" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("got %d %s %v", w.Code, w.Body, w.Header())
	}
	if w.Header().Get("X-Request-Id") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" || g.watcher.last() != "hooks handshake" {
		t.Errorf("headers %v, the observer was told %q", w.Header(), g.watcher.last())
	}
	if w := g.send("GET", hooksPath+"?other=1", ""); w.Code != 403 || !strings.Contains(w.Body.String(), "handshake_refused") {
		t.Errorf("a GET that is none: got %d %s", w.Code, w.Body)
	}
	for _, method := range []string{"PUT", "DELETE", "HEAD"} {
		if w := g.send(method, hooksPath, ""); w.Code != 405 || w.Header().Get("Allow") != "POST, GET" {
			t.Errorf("%s: got %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
	if w := g.send("POST", hooksPath, "", "X-Hook-Secret", "brought"); w.Code != 204 {
		t.Errorf("a secret: got %d %s", w.Code, w.Body)
	}
	if w := g.send("POST", hooksPath, `{"Type":"Confirm","URL":"https://api.acme.example/x"}`); w.Code != 200 {
		t.Errorf("a confirmation: got %d %s", w.Code, w.Body)
	}
	if w := g.send("POST", hooksPath, `{"Type":"Confirm","URL":"https://example.com/x"}`); w.Code != 422 {
		t.Errorf("a confirmation elsewhere: got %d %s", w.Code, w.Body)
	}
	if got := strings.Join(a.seen, ", "); got != "learn hooks brought, confirm https://api.acme.example/x" {
		t.Errorf("asked for %s", got)
	}
	if strings.Contains(g.log.String(), "brought") || strings.Contains(g.log.String(), tokenText) {
		t.Errorf("the log holds a secret: %s", g.log)
	}
}

func TestAHandshakeThatFailsIsToBeTriedAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(o *Options){
		"an error": func(o *Options) {
			o.Learner, o.Confirmer = &asked{err: errors.New("no")}, &asked{err: errors.New("no")}
		},
		"nobody": func(o *Options) { o.Learner, o.Confirmer = nil, nil },
	} {
		g, _, _, _ := openOthers(t, change)
		for _, w := range []*httptest.ResponseRecorder{
			g.send("POST", hooksPath, "", "X-Hook-Secret", "brought"),
			g.send("POST", hooksPath, `{"Type":"Confirm","URL":"https://api.acme.example/x"}`),
		} {
			if w.Code != 503 || w.Header().Get("Retry-After") != "5" || !strings.Contains(w.Body.String(), `"handshake_failed"`) {
				t.Errorf("%s: got %d %s %v", name, w.Code, w.Body, w.Header())
			}
		}
		if !strings.Contains(g.log.String(), "a handshake could not be completed") || strings.Contains(g.log.String(), "brought") {
			t.Errorf("%s: the log is %s", name, g.log)
		}
	}
}

func TestAStrangerHasOurWorkDoneOnlySoOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, _, a, _ := openOthers(t, nil)
		count := func(n int) (ok int) {
			for range n {
				if w := g.send("POST", hooksPath, "", "X-Hook-Secret", "brought"); w.Code == 204 {
					ok++
				} else if w.Code != 429 || w.Header().Get("Retry-After") == "" {
					t.Errorf("got %d %v", w.Code, w.Header())
				}
			}
			return ok
		}
		if got := count(50); got != quotaBurst {
			t.Errorf("%d handshakes were completed at once, want %d", got, quotaBurst)
		}
		<-time.After(3 * time.Second)
		if got := count(50); got != 3 || len(a.seen) != quotaBurst+3 {
			t.Errorf("%d handshakes were completed after three seconds, want 3", got)
		}
	})
}

func TestTheTokenOfAnAddressIsWantedAndNeverShown(t *testing.T) {
	t.Parallel()
	g, all, _, rec := openOthers(t, nil)
	if w := g.post(t, all["hooks"], "{}"); w.Code != 200 {
		t.Errorf("with the token: got %d %s", w.Code, w.Body)
	}
	for path, want := range map[string]int{
		hooksPath + "/test": 200, "/webhooks/hooks/test": 404, "/webhooks/hooks": 404, "/webhooks/hooks/": 404, hooksPath + "x": 404,
		"/webhooks/hooks/" + tokenText[:10]: 404, hooksPath + "/": 404, hooksPath + "/other": 404, "/webhooks/nobody/" + tokenText: 404, "/webhooks/hooks/" + tokenText + "/test/x": 404,
	} {
		w := g.send("GET", path, "")
		if w.Code != want {
			t.Errorf("%s: got %d %s, want %d", path, w.Code, w.Body, want)
		}
		if want == 200 && !strings.Contains(w.Body.String(), `"webhook_url":"`+hooksPath+`"`) {
			t.Errorf("%s: got %s", path, w.Body)
		}
	}
	unknown, wrong := g.send("POST", "/webhooks/nobody/x", "{}"), g.send("POST", "/webhooks/hooks/x", "{}")
	strip := func(w *httptest.ResponseRecorder) string {
		return strings.ReplaceAll(w.Body.String(), w.Header().Get("X-Request-Id"), "ID")
	}
	if strip(unknown) != strip(wrong) || unknown.Code != wrong.Code || !strings.Contains(strip(wrong), "provider_not_found") {
		t.Errorf("a wrong token is told from an unknown provider: %s and %s", strip(wrong), strip(unknown))
	}
	if got := rec.last(t); got.Code != "provider_not_found" || got.Provider != "hooks" || got.Path != "/webhooks/hooks/•••" {
		t.Errorf("recorded %+v", got)
	}
	g.send("POST", hooksPath+"?key=1", "{}", "X-Sig", strings.Repeat("0", 64))
	got := rec.last(t)
	if got.Code != "invalid_signature" || got.Path != "/webhooks/hooks/•••" || got.Rule == "" {
		t.Errorf("recorded %+v", got)
	}
	for _, r := range rec.all {
		if strings.Contains(r.Path+r.Reason+r.Rule, tokenText[:10]) {
			t.Errorf("the record holds the token: %+v", r)
		}
	}
	if strings.Contains(g.log.String(), tokenText[:10]) {
		t.Errorf("the log holds the token: %s", g.log)
	}
}

func TestABatchIsAnsweredWithItsCount(t *testing.T) {
	t.Parallel()
	g, all, _, _ := openOthers(t, nil)
	tests := []struct{ body, status, events string }{
		{`[{"type":"order","id":1},{"type":"order","id":2},{"type":"ping","id":3}]`, "processed", "3"},
		{`[{"type":"order","id":1},{"type":"order","id":4}]`, "processed", "2"},
		{`[{"type":"order","id":1},{"type":"order","id":2}]`, "duplicate", "2"},
		{`[{"type":"order"}]`, "quarantined", "1"},
		{`[{"type":"ping","id":9}]`, "ignored", "1"},
		{`[]`, "ignored", "0"},
	}
	for _, test := range tests {
		signed := provider.Request{}
		signed.Method, signed.Header, signed.Body, signed.Now = "POST", http.Header{"Content-Type": {"application/json"}}, []byte(test.body), time.Now()
		if err := all["batch"].SignRequest(&signed, 0); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, all["batch"].Path(), bytes.NewReader(signed.Body))
		r.Header = signed.Header
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		got := w.Body.String()
		if w.Code != 200 || !strings.HasPrefix(got, `{"status":"`+test.status+`","provider":"batch","event":null,"execution_id":"webhook-batch-`) || !strings.HasSuffix(got, `","events":`+test.events+`}`) {
			t.Errorf("%s: got %d %s, want %s of %s", test.body, w.Code, got, test.status, test.events)
		}
	}
}

func TestARateLimitLetsInWhatItSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, all, _, rec := openOthers(t, nil)
		answers := func() string {
			var out []string
			for i := range 4 {
				w := g.post(t, all["slow"], `{"n":`+string(rune('0'+i))+`}`)
				out = append(out, w.Result().Status[:3])
				if w.Code == 429 && (w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), `"rate_limited"`)) {
					t.Errorf("got %s %v", w.Body, w.Header())
				}
			}
			return strings.Join(out, " ")
		}
		for range 100 { // nobody without a signature takes anything of it
			if w := g.send("POST", "/webhooks/slow", "{}"); w.Code != 401 {
				t.Fatalf("got %d", w.Code)
			}
		}
		if got := answers(); got != "200 200 429 429" {
			t.Errorf("at once: %s", got)
		}
		if r := rec.last(t); r.Code != "rate_limited" || r.Status != 429 {
			t.Errorf("recorded %+v", r)
		}
		<-time.After(1100 * time.Millisecond)
		if got := answers(); got != "200 429 429 429" {
			t.Errorf("after a second: %s", got)
		}
		<-time.After(time.Hour)
		if got := answers(); got != "200 200 429 429" {
			t.Errorf("after an hour: %s", got)
		}
	})
}

func TestRefusalsAreRecordedAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, _, _, rec := openOthers(t, nil)
		body := strings.Repeat(" ", 99) + "x"
		for range 100 {
			g.send("POST", "/webhooks/batch?token=canary", body, "X-Sig", strings.Repeat("0", 64), "Content-Type", "text/x", "User-Agent", "Acme/1", "Authorization", "canary")
		}
		if len(rec.all) != quotaBurst || rec.counted != 100-quotaBurst {
			t.Errorf("of 100 refusals %d were recorded and %d counted, want %d recorded", len(rec.all), rec.counted, quotaBurst)
		}
		<-time.After(2 * time.Second)
		g.send("POST", "/webhooks/batch", body, "X-Sig", "zz")
		got := rec.last(t)
		if got.Count != 1 || len(rec.all) != quotaBurst+1 {
			t.Errorf("the next is recorded with the count %d, want 1: the others are counted already", got.Count)
		}
		first := rec.all[0]
		if first.Provider != "batch" || first.Code != "invalid_signature" || first.Status != 401 || first.Method != "POST" || first.Path != "/webhooks/batch" || first.BodySize != 100 ||
			first.ContentType != "text/x" || first.UserAgent != "Acme/1" || first.Rule != "signature[0] hmac-sha256" || first.Count != 1 || first.Request == "" || first.At.IsZero() {
			t.Errorf("recorded %+v", first)
		}
		if names := strings.Join(first.Headers, " "); names != "authorization content-type user-agent x-sig" {
			t.Errorf("the record names the headers %s", names)
		}
		if !strings.Contains(got.Reason, "hex") {
			t.Errorf("the reason is %q, want what differed in form", got.Reason)
		}
		if strings.Contains(first.Reason+first.Path, "canary") || strings.Contains(g.log.String(), "canary") {
			t.Errorf("a secret was recorded: %+v", first)
		}
	})
}

func TestEveryRefusalIsOnRecordWithinAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Options{})
		if err := st.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		rec, err := rejection.New(rejection.Options{Store: st, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := rec.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		g, _, _, _ := openOthers(t, func(o *Options) { o.Rejections = rec })
		flood := func() {
			for range 300 { // and then nobody comes any more
				g.send("POST", "/webhooks/batch", "[]", "X-Sig", strings.Repeat("0", 64))
				g.send("POST", "/webhooks/batch", "[]")
				g.send("POST", "/webhooks/nobody", "{}")
			}
		}
		for round := 1; round <= 2; round++ {
			flood()
			<-time.After(time.Minute)
			synctest.Wait()
			page, err := st.Rejections(t.Context(), store.RejectionQuery{Limit: 1000})
			if err != nil {
				t.Fatal(err)
			}
			counts := map[string]int{}
			for _, r := range page.Rejections {
				counts[r.Code] += r.Count
			}
			for _, code := range []string{"invalid_signature", "missing_signature", "provider_not_found"} {
				if counts[code] != 300*round {
					t.Errorf("a minute after flood %d the records count %d of %s, want %d", round, counts[code], code, 300*round)
				}
			}
			if n := len(page.Rejections); n > 100*round {
				t.Errorf("%d records were written of flood %d, want few", n, round)
			}
		}
		if err := rec.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := st.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func TestEveryKindOfRefusalIsRecorded(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	g := open(t, func(o *Options) { o.Rejections = rec })
	for code, send := range map[string]func(){
		"missing_signature":      func() { g.send("POST", "/webhooks/acme", "{}") },
		"body_too_large":         func() { g.send("POST", "/webhooks/acme", strings.Repeat("x", 2<<10), "X-Acme-Signature", "x") },
		"method_not_allowed":     func() { g.send("PUT", "/webhooks/acme", "") },
		"unsupported_media_type": func() { g.send("POST", "/webhooks/acme", "", "Content-Encoding", "gzip") },
		"provider_not_found":     func() { g.send("POST", "/webhooks/nobody", "") },
	} {
		send()
		if got := rec.last(t); got.Code != code || got.Reason == "" {
			t.Errorf("%s: recorded %+v", code, got)
		}
	}
}

// flushed notes when the answer has gone out.
type flushed struct {
	*httptest.ResponseRecorder
	early bool
}

func (f *flushed) Flush() { f.early = true }

func TestTheAnswerGoesOutBeforeTheExplanation(t *testing.T) {
	t.Parallel()
	g, _, _, rec := openOthers(t, nil)
	r := httptest.NewRequest(http.MethodPost, "/webhooks/batch", strings.NewReader("[]"))
	r.Header.Set("X-Sig", strings.Repeat("0", 64))
	w := &flushed{ResponseRecorder: httptest.NewRecorder()}
	g.ServeHTTP(w, r)
	if !w.early || w.Code != 401 || w.Header().Get("Content-Length") == "" || len(rec.all) != 1 {
		t.Errorf("flushed %t, got %d %v", w.early, w.Code, w.Header())
	}
}
