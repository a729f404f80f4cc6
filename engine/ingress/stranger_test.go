package ingress

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/store"
)

// stalled is a body of which the first part is there and the rest comes when the gate opens: rest, and then its end.
type stalled struct {
	first, rest io.Reader
	gate        <-chan struct{}
	waiting     func()
}

func (s *stalled) Read(p []byte) (int, error) {
	if n, err := s.first.Read(p); err == nil {
		return n, nil
	}
	if s.waiting != nil {
		s.waiting()
		s.waiting = nil
	}
	<-s.gate
	return s.rest.Read(p)
}

// large is a provider that takes large bodies.
func large(t testing.TB) func(o *Options) {
	all := providers(t, strings.Replace(acme, "1KiB", "25MiB", 1))
	return func(o *Options) { o.Snapshot = func() Snapshot { return Snapshot{Providers: all} } }
}

// TestSilentConnectionsShutNobodyOut has 21 connections announce 512 MiB and send nothing, which costs them nothing.
func TestSilentConnectionsShutNobodyOut(t *testing.T) {
	t.Parallel()
	g := open(t, large(t))
	g.acme, _ = g.o.Snapshot().Providers.Provider("acme")
	gate := make(chan struct{})
	var waiting, ended sync.WaitGroup
	codes := make([]int, 21)
	for i := range codes {
		waiting.Add(1)
		r := httptest.NewRequest(http.MethodPost, "/webhooks/acme", &stalled{
			first: strings.NewReader(""), rest: strings.NewReader(""), gate: gate, waiting: waiting.Done,
		})
		r.ContentLength = 25 << 20
		r.Header.Set("X-Acme-Signature", "sha256=00")
		ended.Go(func() {
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			codes[i] = w.Code
		})
	}
	waiting.Wait()
	if used := g.budget.used.Load(); used != 0 {
		t.Errorf("for bodies of which nothing has arrived %d bytes are set aside", used)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, g.signed(t, "", "order.created", "d1", `{"x":"`+strings.Repeat("a", 300<<10)+`"}`))
	if w.Code != 200 {
		t.Errorf("a genuine body of 300 KiB: got %d %s", w.Code, w.Body)
	}
	close(gate)
	ended.Wait()
	if slices.ContainsFunc(codes, func(c int) bool { return c != 400 }) {
		t.Errorf("the silent ones got %v, want 400 each", codes)
	}
}

func TestABodyThatFindsNoRoomIsToComeAgain(t *testing.T) {
	t.Parallel()
	g := open(t, large(t))
	g.acme, _ = g.o.Snapshot().Providers.Provider("acme")
	const taken = maxBodies - 300<<10
	g.budget.used.Store(taken)
	send := func(size int, announced bool) *httptest.ResponseRecorder {
		r := g.signed(t, "", "order.created", fmt.Sprint(size, announced), `{"x":"`+strings.Repeat("a", size)+`"}`)
		if !announced {
			r.ContentLength = -1
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w
	}
	for _, announced := range []bool{true, false} {
		for size, want := range map[int]int{200 << 10: 200, 290 << 10: 200, 600 << 10: 503} {
			if !announced && size == 290<<10 {
				want = 503 // its buffer doubles, for nobody knows how long it gets
			}
			w := send(size, announced)
			if w.Code != want {
				t.Errorf("%d bytes, announced %t: got %d %s, want %d", size, announced, w.Code, w.Body, want)
			}
			if want == 503 && (w.Header().Get("Retry-After") != retryAfter || w.Header().Get("Connection") != "close" || !strings.Contains(w.Body.String(), `"store_unavailable"`)) {
				t.Errorf("%d bytes, announced %t: got %s %v", size, announced, w.Body, w.Header())
			}
		}
	}
	if used := g.budget.used.Load(); used != taken {
		t.Errorf("%d bytes are never given back", used-taken)
	}
}

const limited = `kind: provider
name: limited
signature: {algorithm: hmac-sha256, header: X-Sig}
secret: <<env.SECRET>>
delivery: body
rate_limit: {rate: 10/m, burst: 10}
challenge:
  - {name: ask, when: {method: GET, query:q: "*"}, reply: {body: "{query:q}"}}
  - {name: ping, when: {json:type: ping}, auth: false, reply: {body: pong}}
---
kind: provider
name: items
signature: {algorithm: hmac-sha256, from: "item:sig", signed: "{item:id}"}
secret: <<env.SECRET>>
each: json
delivery: {body: id}
rate_limit: {rate: 10/m, burst: 10}
---
kind: provider
name: open
signature: none
path_token: <<env.PATH_TOKEN>>
delivery: body
rate_limit: {rate: 10/m, burst: 10}
`

func openLimited(t testing.TB) (*gate, live, *recorder) {
	all, rec := providers(t, limited), &recorder{}
	g := open(t, func(o *Options) {
		o.Snapshot = func() Snapshot { return Snapshot{Providers: all} }
		o.Rejections = rec
	})
	return g, all, rec
}

func TestStrangersTakeNothingOfTheRate(t *testing.T) {
	t.Parallel()
	for what, stranger := range map[string]struct {
		method, target, body, signature string
		code                            int
	}{
		"a forged signature":            {"POST", "/webhooks/limited", "{}", strings.Repeat("0", 64), 401},
		"nonsense for a signature":      {"POST", "/webhooks/limited", "{}", "nonsense", 401},
		"no signature":                  {"POST", "/webhooks/limited", `{"type":"other"}`, "", 401},
		"a handshake":                   {"GET", "/webhooks/limited?q=1", "", "", 200},
		"no handshake":                  {"GET", "/webhooks/limited", "", "", 403},
		"a handshake that none signed":  {"POST", "/webhooks/limited", `{"type":"ping"}`, "", 200},
		"items that nobody signed":      {"POST", "/webhooks/items", `[{"id":"1","sig":"00"}]`, "", 401},
		"no JSON where items are":       {"POST", "/webhooks/items", `[`, "", 400},
		"no items":                      {"POST", "/webhooks/items", `1`, "", 422},
		"an encoded body":               {"POST", "/webhooks/limited", "{}", "nonsense", 415},
		"a body that is not all there":  {"POST", "/webhooks/limited", "{}", "nonsense", 400},
		"a body of more than is wanted": {"POST", "/webhooks/limited", "{}", "nonsense", 413},
	} {
		synctest.Test(t, func(t *testing.T) {
			g, all, _ := openLimited(t)
			p := all[strings.TrimPrefix(strings.SplitN(stranger.target, "?", 2)[0], "/webhooks/")]
			for range 50 {
				r := httptest.NewRequest(stranger.method, stranger.target, strings.NewReader(stranger.body))
				if stranger.signature != "" {
					r.Header.Set("X-Sig", stranger.signature)
				}
				switch stranger.code {
				case 415:
					r.Header.Set("Content-Encoding", "gzip")
				case 400:
					r.ContentLength++
				case 413:
					r.ContentLength = 1 << 40
				}
				w := httptest.NewRecorder()
				if g.ServeHTTP(w, r); w.Code != stranger.code {
					t.Fatalf("%s: got %d %s, want %d", what, w.Code, w.Body, stranger.code)
				}
			}
			if w := g.post(t, p, genuineBody(p.Name())); w.Code != 200 {
				t.Errorf("after %s: a genuine request got %d %s", what, w.Code, w.Body)
			}
		})
	}
}

// genuineBody is what the provider is to sign: for one of items an item.
func genuineBody(name string) string {
	if name == "items" {
		return `[{"id":"1","sig":""}]`
	}
	return `{"n":1}`
}

func TestGenuineRequestsTakeOfTheRateWhateverBecomesOfThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, all, rec := openLimited(t)
		codes := func(send func(i int) int) string {
			var out []string
			for i := range 12 {
				out = append(out, fmt.Sprint(send(i)))
			}
			return strings.Join(out, " ")
		}
		if got, want := codes(func(i int) int { return g.post(t, all["limited"], strings.Repeat("{", i+1)).Code }), strings.Repeat("400 ", 10)+"429 429"; got != want {
			t.Errorf("genuine, and no JSON: got %s, want %s", got, want)
		}
		if got, want := codes(func(i int) int { return g.send("POST", all["open"].Path(), fmt.Sprint(i)).Code }), strings.Repeat("200 ", 10)+"429 429"; got != want {
			t.Errorf("of a provider that signs nothing: got %s, want %s", got, want)
		}
		if r := rec.last(t); r.Code != "rate_limited" {
			t.Errorf("recorded %+v", r)
		}
	})
}

// TestTheRateHoldsForRequestsThatWereAdmittedTogether has more requests than the rate allows begin at once and end one after the other.
func TestTheRateHoldsForRequestsThatWereAdmittedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, all, _ := openLimited(t)
		gate := make(chan struct{})
		var mu sync.Mutex
		codes := map[int]int{}
		begin := func(change func(s *provider.Signed)) {
			s, err := all["limited"].Sign(provider.Message{Body: []byte(`{"n":"late"}`), Now: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			change(&s)
			r := httptest.NewRequest(http.MethodPost, s.Path, &stalled{first: bytes.NewReader(s.Body[:0]), rest: bytes.NewReader(s.Body), gate: gate})
			r.Header, r.ContentLength = s.Header, int64(len(s.Body))
			go func() {
				w := httptest.NewRecorder()
				g.ServeHTTP(w, r)
				mu.Lock()
				defer mu.Unlock()
				codes[w.Code]++
			}()
		}
		for range 30 {
			begin(func(*provider.Signed) {})
			begin(func(s *provider.Signed) { s.Header.Set("X-Sig", strings.Repeat("0", 64)) })
		}
		synctest.Wait()
		<-time.After(10 * time.Second) // the bucket is full, and stays full
		if w := g.post(t, all["limited"], `{"n":"first"}`); w.Code != 200 {
			t.Errorf("while strangers keep their connections open: got %d %s", w.Code, w.Body)
		}
		close(gate)
		synctest.Wait()
		if codes[401] != 30 || codes[200] != 9 || codes[429] != 21 {
			t.Errorf("got %v, want 30 that are refused, the nine that the rate has left and 21 that it has not", codes)
		}
		if n := g.send("POST", "/webhooks/limited", "{}", "X-Sig", "nonsense").Code; n != 429 {
			t.Errorf("a request that is read although there is nothing left: got %d", n)
		}
		page, err := g.store.Events(t.Context(), store.EventQuery{Limit: 100})
		if err != nil || len(page.Events) != 2 {
			t.Errorf("%d events are stored (%v), want two: the late ones are one", len(page.Events), err)
		}
	})
}
