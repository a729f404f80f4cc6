package hooks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/hooks/hookstest"
)

// tokenSource makes a grant, or fails the test.
func tokenSource(t testing.TB, o TokenOptions) *TokenSource {
	t.Helper()
	s, err := NewTokenSource(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// issuer is a token endpoint and a receiver in one: /token gives token-1, token-2, …, everything else wants the latest.
type issuer struct {
	issued, delivered, refused atomic.Int64
	life                       int           // expires_in; 0 says nothing of it
	delay                      time.Duration // of a token
	withdrawn                  atomic.Bool   // refuses every token
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		select {
		case <-time.After(i.delay):
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		n := i.issued.Add(1)
		if i.life == 0 {
			_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer"}`, n)
			return
		}
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":%d}`, n, i.life)
		return
	}
	if i.withdrawn.Load() || r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", i.issued.Load()) {
		i.refused.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	i.delivered.Add(1)
}

// grantOf is a grant of a receiver over pipes.
func grantOf(t testing.TB) *TokenSource {
	t.Helper()
	return tokenSource(t, TokenOptions{TokenURL: "http://id.example/token", ClientID: "me", ClientSecret: "s3cret", Insecure: true})
}

func TestTheTokenRequestHasTheFormOfItsStyle(t *testing.T) {
	t.Parallel()
	type seen struct{ auth, form, kind, accept, agent string }
	got := make(chan seen, 1)
	bearer := make(chan string, 1)
	server := loopbackServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			bearer <- r.Header.Get("Authorization")
			return
		}
		_ = r.ParseForm()
		got <- seen{r.Header.Get("Authorization"), r.PostForm.Encode(), r.Header.Get("Content-Type"), r.Header.Get("Accept"), r.UserAgent()}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"tok","token_type":"Bearer","expires_in":"60"}`) // some endpoints write the number as text
	})
	for style, want := range map[TokenStyle]seen{
		"":         {auth: "Basic " + base64.StdEncoding.EncodeToString([]byte("me%3A1:s3%2Fcret")), form: "audience=api&grant_type=client_credentials&resource=r&scope=a+b"},
		TokenBasic: {auth: "Basic " + base64.StdEncoding.EncodeToString([]byte("me%3A1:s3%2Fcret")), form: "audience=api&grant_type=client_credentials&resource=r&scope=a+b"},
		TokenBody:  {form: "audience=api&client_id=me%3A1&client_secret=s3%2Fcret&grant_type=client_credentials&resource=r&scope=a+b"},
	} {
		c := newClient(t, Options{AllowLoopback: true, UserAgent: "Headgate/1"})
		source := tokenSource(t, TokenOptions{
			TokenURL: server.URL + "/token", ClientID: "me:1", ClientSecret: "s3/cret", Scopes: []string{"a", "b"}, Audience: "api", Style: style,
			Params: map[string]string{"resource": "r"},
		})
		header := http.Header{"Authorization": {"Basic b2xk"}}
		att, err := c.Deliver(t.Context(), Request{URL: server.URL + "/hook", Header: header, Token: source})
		if err != nil {
			t.Fatal(err)
		}
		want.kind, want.accept, want.agent = "application/x-www-form-urlencoded", "application/json", "Headgate/1"
		if s := <-got; s != want {
			t.Errorf("style %q: the endpoint saw %+v, want %+v", style, s, want)
		}
		if got := att.Secrets(); len(got) != 1 || got[0] != "tok" || strings.Contains(fmt.Sprintf("%v %+v %#v", att, att, att), "tok") {
			t.Errorf("style %q: the attempt %#v knows of %v, want the token, and not to print it", style, att, got)
		}
		if s := <-bearer; s != "Bearer tok" {
			t.Errorf("style %q: the receiver saw %q, want the token in place of what the header said", style, s)
		}
		if header.Get("Authorization") != "Basic b2xk" {
			t.Errorf("the caller's header was changed to %v", header)
		}
	}
}

func TestManyAttemptsShareOneToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 3600, delay: time.Second}
		c := pipeClient(t, hookstest.New(t, i))
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				// Sources of their own, as destinations have after a reload.
				if _, err := c.Deliver(t.Context(), Request{URL: "http://x.example/", Insecure: true, Token: grantOf(t)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := i.issued.Load(); n != 1 {
			t.Errorf("50 attempts of equal grants fetched %d tokens, want 1", n)
		}
		for _, o := range []TokenOptions{
			{TokenURL: "http://id.example/token", ClientID: "me", ClientSecret: "other", Insecure: true},
			{TokenURL: "http://id.example/token", ClientID: "mes", ClientSecret: "3cret", Insecure: true},
			{TokenURL: "http://id.example/token", ClientID: "me", ClientSecret: "s3cret", Scopes: []string{"a"}, Insecure: true},
			{TokenURL: "http://id.example/token", ClientID: "me", ClientSecret: "s3cret", Params: map[string]string{"a": ""}, Insecure: true},
			{TokenURL: "http://id.example/token", ClientID: "me", ClientSecret: "s3cret", Audience: "a", Insecure: true},
			{TokenURL: "http://id.example/token", ClientID: "me", ClientSecret: "s3cret", Style: TokenBody, Insecure: true},
		} {
			before := i.issued.Load()
			if _, err := c.Deliver(t.Context(), Request{URL: "http://x.example/", Insecure: true, Token: tokenSource(t, o)}); err != nil {
				t.Error(err)
			}
			if n := i.issued.Load() - before; n != 1 {
				t.Errorf("%+v: fetched %d tokens, want one of its own", o, n)
			}
		}
	})
}

func TestATokenIsFetchedAnewShortlyBeforeItEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		life  int
		kept  time.Duration
		fresh time.Duration
	}{
		{3600, 58*time.Minute + 59*time.Second, 59*time.Minute + time.Second},
		{90, 44 * time.Second, 46 * time.Second},
		{10, 4 * time.Second, 6 * time.Second},
		{0, 59 * time.Minute, 61 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{life: c.life}
			client := pipeClient(t, hookstest.New(t, i))
			begin := time.Now()
			for _, step := range []struct {
				at   time.Duration
				want int64
			}{{0, 1}, {c.kept, 1}, {c.fresh, 2}} {
				<-time.After(time.Until(begin.Add(step.at)))
				if _, err := client.Deliver(t.Context(), Request{URL: "http://x.example/", Insecure: true, Token: grantOf(t)}); err != nil {
					t.Fatal(err)
				}
				if n := i.issued.Load(); n != step.want {
					t.Errorf("a life of %d s: after %v %d tokens were fetched, want %d", c.life, step.at, n, step.want)
				}
			}
		})
	}
}

func TestATokenThatTheReceiverRefusesIsFetchedAnewOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 3600}
		c := pipeClient(t, hookstest.New(t, i))
		r := Request{URL: "http://x.example/", Insecure: true, Token: grantOf(t), Body: []byte("x")}
		deliver := func() (Attempt, error) { return c.Deliver(t.Context(), r) }
		if _, err := deliver(); err != nil {
			t.Fatal(err)
		}

		i.issued.Add(1) // as if another had been issued and the first withdrawn
		att, err := deliver()
		if err != nil || att.Status != 200 || i.issued.Load() != 3 || i.refused.Load() != 1 {
			t.Errorf("a withdrawn token: got %v, %v, %d issued, %d refused, want a success with a new token", att, err, i.issued.Load(), i.refused.Load())
		}

		i.withdrawn.Store(true)
		i.refused.Store(0)
		att, err = deliver()
		if e := failure(t, err); e.Code != "http_401" || e.Class != Permanent || att.Status != 401 || !att.Wrote {
			t.Errorf("a receiver that refuses every token: got %v (%v), %v, want a permanent http_401", e, e.Class, att)
		}
		if n := i.refused.Load(); n != 2 {
			t.Errorf("a kept token and a new one: the receiver was asked %d times, want 2", n)
		}
		i.refused.Store(0)
		_, err = deliver()
		if e := failure(t, err); e.Code != "http_401" || i.refused.Load() != 1 {
			t.Errorf("a token just fetched: got %v after %d requests, want http_401 after 1", e, i.refused.Load())
		}
	})
}

func TestOnlyTheTimeOfTheAttemptIsSpentOnAToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 3600, delay: time.Hour}
		c := pipeClient(t, hookstest.New(t, i))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				att, err := c.Deliver(t.Context(), Request{URL: "http://x.example/", Insecure: true, Token: grantOf(t), Timeout: 3 * time.Second})
				if e := failure(t, err); e.Code != CodeTokenUnavailable || e.Class != Temporary || att.Took != 3*time.Second || att.Wrote {
					t.Errorf("got %v (%v) after %v, wrote = %v, want a temporary %s after 3s", e, e.Class, att.Took, att.Wrote, CodeTokenUnavailable)
				}
			})
		}
		wg.Wait()
		att, err := c.Deliver(t.Context(), Request{URL: "http://x.example/", Insecure: true, Token: grantOf(t), Timeout: time.Minute})
		if e := failure(t, err); e.Code != CodeTokenUnavailable || att.Took != headerTimeout {
			t.Errorf("got %v after %v, want %s after %v", e, att.Took, CodeTokenUnavailable, headerTimeout)
		}
	})
}

func TestWhoWaitsForATokenDoesNotFailWithWhoFetchesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 3600, delay: 4 * time.Second}
		c := pipeClient(t, hookstest.New(t, i))
		stopping := errors.New("stopping")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Deliver(ctx, Request{URL: "http://x.example/", Insecure: true, Token: grantOf(t)})
			if e := failure(t, err); e.Code != CodeCanceled || e.Class != Temporary || !errors.Is(err, stopping) {
				t.Errorf("the fetcher: got %v (%v), want a temporary %s with the caller's cause", e, e.Class, CodeCanceled)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := c.Deliver(t.Context(), Request{URL: "http://x.example/", Insecure: true, Token: grantOf(t)}); err != nil {
				t.Errorf("who waited: got %v, want a token of its own fetching", err)
			}
		})
		impatient, leave := context.WithCancelCause(t.Context())
		wg.Go(func() {
			_, err := c.Deliver(impatient, Request{URL: "http://x.example/", Insecure: true, Token: grantOf(t)})
			if e := failure(t, err); e.Code != CodeCanceled || !errors.Is(err, stopping) {
				t.Errorf("who waited and left: got %v, want %s", e, CodeCanceled)
			}
		})
		synctest.Wait()
		leave(stopping)
		synctest.Wait()
		cancel(stopping)
		wg.Wait()
		if n := i.issued.Load(); n != 1 {
			t.Errorf("%d tokens were issued, want 1", n)
		}
	})
}

// tokenAnswer is a token endpoint that always says the same.
func tokenAnswer(status int, header http.Header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			_, _ = io.WriteString(w, "delivered")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestTokensThatCannotBeHadFailTheAttemptForAWhile(t *testing.T) {
	t.Parallel()
	var second atomic.Int64
	elsewhere := loopbackServer(t, func(http.ResponseWriter, *http.Request) { second.Add(1) })
	echo := canary + " is wrong" // endpoints repeat what they were sent
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   string
		word   string
		wait   time.Duration
	}{
		"refused client":    {tokenAnswer(401, nil, `{"error":"invalid_client","error_description":"`+echo+`"}`), CodeTokenRefused, "invalid_client", 0},
		"refused scope":     {tokenAnswer(400, nil, `{"error":"invalid_scope"}`), CodeTokenRefused, "invalid_scope", 0},
		"an own word":       {tokenAnswer(400, nil, `{"error":"`+canary+`"}`), CodeTokenRefused, "asks for", 0},
		"400 without JSON":  {tokenAnswer(400, nil, echo), CodeTokenRefused, "refuses", 0},
		"403":               {tokenAnswer(403, nil, echo), CodeTokenRefused, "refuses", 0},
		"200 with an error": {tokenAnswer(200, nil, `{"error":"unauthorized_client"}`), CodeTokenRefused, "unauthorized_client", 0},
		"500":               {tokenAnswer(500, nil, echo), CodeTokenUnavailable, "no token", 0},
		"404":               {tokenAnswer(404, nil, echo), CodeTokenUnavailable, "no token", 0},
		"busy":              {tokenAnswer(503, http.Header{"Retry-After": {"7"}}, echo), CodeTokenUnavailable, "no token", 7 * time.Second},
		"redirect":          {tokenAnswer(307, http.Header{"Location": {elsewhere.URL}}, ""), CodeTokenUnavailable, "no token", 0},
		"no JSON":           {tokenAnswer(200, nil, "<html>"+echo), CodeTokenUnavailable, "can be read", 0},
		"no token":          {tokenAnswer(200, nil, `{"token_type":"Bearer"}`), CodeTokenUnavailable, "can be read", 0},
		"another type":      {tokenAnswer(200, nil, `{"access_token":"`+canary+`","token_type":"mac"}`), CodeTokenUnavailable, "bearer", 0},
		"a broken token":    {tokenAnswer(200, nil, `{"access_token":"`+canary+`\r\nX-A: b"}`), CodeTokenUnavailable, "cannot be sent", 0},
		"a huge token":      {tokenAnswer(200, nil, `{"access_token":"`+strings.Repeat("a", maxTokenBytes+1)+`"}`), CodeTokenUnavailable, "cannot be sent", 0},
		"a long answer":     {tokenAnswer(200, nil, `{"access_token":"`+canary+`"}`+strings.Repeat(" ", MaxAnswerBytes)), CodeTokenUnavailable, "64 KiB", 0},
		"compressed":        {tokenAnswer(200, http.Header{"Content-Encoding": {"gzip"}}, "\x1f\x8b"+echo), CodeTokenUnavailable, "can be read", 0},
		"nothing": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.Close()
		}, CodeTokenUnavailable, "no answer", 0},
	} {
		server := loopbackServer(t, c.answer)
		client := newClient(t, Options{AllowLoopback: true})
		source := tokenSource(t, TokenOptions{TokenURL: server.URL + "/token?k=" + canary, ClientID: canary, ClientSecret: canary})
		att, err := client.Deliver(t.Context(), Request{URL: server.URL, Token: source})
		e := failure(t, err)
		if e.Code != c.code || e.Class != Temporary || !strings.Contains(e.Message, c.word) || e.Wait != c.wait || att.Wrote || att.Status != 0 {
			t.Errorf("%s: got %v (%v), wait %v, wrote = %v, want a temporary %s with %q, wait %v", name, e, e.Class, e.Wait, att.Wrote, c.code, c.word, c.wait)
		}
		tellsNothing(t, name, err)
	}
	if n := second.Load(); n != 0 {
		t.Errorf("the redirect's target got %d requests, want 0", n)
	}
}

// tellsNothing fails the test where any form of an error holds the canary or an address.
func tellsNothing(t testing.TB, name string, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q", e, e, e, e, e)} {
			if strings.Contains(text, canary) || strings.Contains(text, "127.0.0.1") {
				t.Errorf("%s: got %q, want nothing of the request or its answer in it", name, text)
			}
		}
	}
}

func TestTheTokenEndpointStandsBehindTheSameGuard(t *testing.T) {
	t.Parallel()
	trap := newCanary(t)
	dns := &toyDNS{answers: map[string][][]string{"rebind.example": {{"203.1.1.1"}, {"127.0.0.1"}}, "lan.example": {{"10.0.0.1"}}, "broken.example": {nil}}}
	c, passed := watch(t, Options{Resolver: dns.resolver()})
	for address, want := range map[string]string{
		"https://127.0.0.1:" + trap.port:          CodeRefusedByEgress,
		"https://[::ffff:127.0.0.1]:" + trap.port: CodeRefusedByEgress,
		"https://169.254.169.254":                 CodeRefusedByEgress,
		"https://lan.example":                     CodeRefusedByEgress,
		"https://broken.example":                  CodeTokenUnavailable,
		"http://203.1.1.1":                        CodeInsecureURL,
	} {
		source := tokenSource(t, TokenOptions{TokenURL: address + "/token", ClientID: "me", ClientSecret: "s3cret"})
		_, err := c.Deliver(t.Context(), Request{URL: "https://203.1.1.1/", Token: source})
		e := failure(t, err)
		if e.Code != want || want != CodeTokenUnavailable && (e.Class != Permanent || !strings.HasPrefix(e.Message, "token endpoint: ")) {
			t.Errorf("%s: got %v (%v), want %s of the token endpoint", address, e, e.Class, want)
		}
		tellsNothing(t, address, err)
	}
	if n := passed.Load() + trap.count.Load(); n != 0 {
		t.Errorf("%d connections were let pass, want 0", n)
	}
	source := tokenSource(t, TokenOptions{TokenURL: "http://203.1.1.1/", ClientID: "me", ClientSecret: "s3cret", Insecure: true})
	if _, err := c.Deliver(t.Context(), Request{URL: "https://203.1.1.1/", Token: source}); failure(t, err).Code != CodeTokenUnavailable || passed.Load() != 1 {
		t.Errorf("an insecure token endpoint: got %v and %d connections, want it to be dialled", err, passed.Load())
	}
}

func TestNoTokenIsFetchedForWhatIsNotSent(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := loopbackServer(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	source := tokenSource(t, TokenOptions{TokenURL: server.URL, ClientID: "me", ClientSecret: "s3cret"})
	for name, c := range map[string]struct {
		o Options
		r Request
	}{
		"log only": {Options{AllowLoopback: true, LogOnly: true}, Request{URL: server.URL, Token: source}},
		"bad URL":  {Options{AllowLoopback: true}, Request{URL: "https://", Token: source}},
	} {
		if _, _ = newClient(t, c.o).Deliver(t.Context(), c.r); requests.Load() != 0 {
			t.Errorf("%s: got %d requests, want 0", name, requests.Load())
		}
	}
}

func TestTheNumberOfTokensKeptIsBounded(t *testing.T) {
	t.Parallel()
	b := &bearer{grants: make(map[[32]byte]*grant)}
	get := func(n int) (fresh bool) {
		digest := digestOf([]byte(fmt.Sprint(n)))
		_, fresh, _ = b.get(t.Context(), t.Context(), digest, func() (string, time.Duration, *Error) { return "t", time.Hour, nil })
		return fresh
	}
	for n := range maxTokens {
		get(n)
	}
	get(0) // used again, so that 1 is the oldest
	get(maxTokens)
	if len(b.grants) != maxTokens {
		t.Errorf("got %d grants, want %d", len(b.grants), maxTokens)
	}
	if get(0) || !get(1) {
		t.Error("the least recently used token was kept and another forgotten")
	}
}

func TestGrantsThatAreWrongAreNamedAndNotQuoted(t *testing.T) {
	t.Parallel()
	good := TokenOptions{TokenURL: "https://id.example/token", ClientID: canary, ClientSecret: canary}
	for want, change := range map[string]func(*TokenOptions){
		"TokenURL: the URL begins":     func(o *TokenOptions) { o.TokenURL = "ftp://" + canary },
		"TokenURL: the URL holds":      func(o *TokenOptions) { o.TokenURL = "https://" + canary + "@x.example" },
		"TokenURL: the URL has a frag": func(o *TokenOptions) { o.TokenURL = "https://x.example/#" + canary },
		"ClientID":                     func(o *TokenOptions) { o.ClientID = "" },
		"ClientSecret":                 func(o *TokenOptions) { o.ClientSecret = "" },
		"Style":                        func(o *TokenOptions) { o.Style = canary },
		"Scopes":                       func(o *TokenOptions) { o.Scopes = []string{canary + " b"} },
		"Params: grant_type":           func(o *TokenOptions) { o.Params = map[string]string{"grant_type": canary} },
		"Params: audience":             func(o *TokenOptions) { o.Audience, o.Params = canary, map[string]string{"audience": canary} },
		"Certificate":                  func(o *TokenOptions) { o.TokenURL, o.Certificate = "http://id.example", &Certificate{} },
	} {
		o := good
		change(&o)
		_, err := NewTokenSource(o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("got %v, want an error with %q and nothing of the options", err, want)
		}
	}
	source := tokenSource(t, good)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "attempt", source, "request", *source)
	if text := log.String() + fmt.Sprintf("%v %+v %#v %s %q %x %v", source, source, source, source, source, source, *source); strings.Contains(text, canary) {
		t.Errorf("a grant prints as %q, want nothing of it", text)
	}
}

func TestATokenMayComeAsAForm(t *testing.T) {
	t.Parallel()
	var got atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			got.Store(r.Header.Get("Authorization"))
			return
		}
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
		_, _ = io.WriteString(w, url.Values{"access_token": {"form"}, "expires_in": {"60"}}.Encode())
	}))
	t.Cleanup(server.Close)
	source := tokenSource(t, TokenOptions{TokenURL: server.URL + "/token", ClientID: "me", ClientSecret: "s3cret"})
	if _, err := newClient(t, Options{AllowLoopback: true}).Deliver(t.Context(), Request{URL: server.URL, Token: source}); err != nil || got.Load() != "Bearer form" {
		t.Errorf("got %v, the receiver saw %v, want Bearer form", err, got.Load())
	}
}
