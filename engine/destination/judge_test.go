package destination

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/hooks"
	"github.com/headgate/headgate/hooks/hookstest"
)

// attempt makes a real attempt at a receiver that answers as told, and judges it.
func attempt(t *testing.T, d *Destination, status int, header http.Header, body string) Verdict {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	client, err := hooks.New(hooks.Options{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	return d.Judge(client.Deliver(t.Context(), hooks.Request{URL: server.URL, Body: []byte("x")}))
}

// attempts counts how many attempts a verdict's schedule allows.
func attempts(d *Destination, v Verdict) int { return d.Retry(v).Attempts() }

func TestAnswersAreJudgedByTheirTypesRules(t *testing.T) {
	t.Parallel()
	http429 := http.Header{"Retry-After": {"7"}}
	json := http.Header{"Content-Type": {"application/json"}}
	for _, c := range []struct {
		kind     string
		status   int
		header   http.Header
		body     string
		outcome  run.AttemptOutcome
		code     string
		wait     time.Duration
		attempts int
	}{
		{"http", 200, nil, "anything", run.AttemptOK, "", 0, 1},
		{"http", 204, nil, "", run.AttemptOK, "", 0, 1},
		{"http", 200, json, `{"ok":false}`, run.AttemptOK, "", 0, 1},
		{"http", 404, nil, "", run.AttemptPermanent, "http_404", 0, 4},
		{"http", 302, nil, "", run.AttemptPermanent, "redirect", 0, 4},
		{"http", 410, nil, "", run.AttemptPermanent, "http_410", 0, 1},
		{"http", 429, http429, "", run.AttemptTemporary, "http_429", 7 * time.Second, 10},
		{"http", 429, json, `{"retry_after": 30}`, run.AttemptTemporary, "http_429", 0, 10},
		{"http", 503, http429, "", run.AttemptTemporary, "http_503", 7 * time.Second, 10},

		{"slack", 200, nil, "ok", run.AttemptOK, "", 0, 1},
		{"slack", 200, nil, "ok\n", run.AttemptOK, "", 0, 1},
		{"slack", 200, nil, "", run.AttemptOK, "", 0, 1},
		{"slack", 200, json, `{"ok":true}`, run.AttemptOK, "", 0, 1},
		{"slack", 200, json, `{"success":true}`, run.AttemptOK, "", 0, 1},
		{"slack", 200, json, `{"ok":false,"error":"channel_not_found"}`, run.AttemptPermanent, "refused_message", 0, 1},
		{"slack", 200, nil, `{"ok":false}`, run.AttemptPermanent, "refused_message", 0, 1},
		{"slack", 200, json, `{"ok":false,"error":"internal_error"}`, run.AttemptTemporary, "refused_message", 0, 10},
		{"slack", 200, nil, "<html>sign in</html>", run.AttemptUnknown, "unexpected_answer", 0, 10},
		{"slack", 400, nil, "invalid_payload", run.AttemptPermanent, "http_400", 0, 4},
		{"slack", 403, nil, "invalid_token", run.AttemptPermanent, "http_403", 0, 4},
		{"slack", 404, nil, "no_service", run.AttemptPermanent, "http_404", 0, 4},
		{"slack", 410, nil, "channel_is_archived", run.AttemptPermanent, "http_410", 0, 1},
		{"slack", 429, http429, "rate_limited", run.AttemptTemporary, "http_429", 7 * time.Second, 10},
		{"slack", 500, nil, "rollup_error", run.AttemptTemporary, "http_500", 0, 10},

		{"discord", 204, nil, "", run.AttemptOK, "", 0, 1},
		{"discord", 200, json, `{"id":"1"}`, run.AttemptOK, "", 0, 1},
		{"discord", 429, json, `{"message":"You are being rate limited.","retry_after":0.65,"global":false}`, run.AttemptTemporary, "http_429", 650 * time.Millisecond, 10},
		{"discord", 429, http.Header{"Retry-After": {"65"}, "Content-Type": {"application/json"}}, `{"retry_after":64.57}`, run.AttemptTemporary, "http_429", 65 * time.Second, 10},
		{"discord", 429, http429, `{"retry_after":12}`, run.AttemptTemporary, "http_429", 12 * time.Second, 10},
		{"discord", 429, http429, `{"retry_after":1e300}`, run.AttemptTemporary, "http_429", 24 * time.Hour, 10},
		{"discord", 429, http429, `{"retry_after":"soon"}`, run.AttemptTemporary, "http_429", 7 * time.Second, 10},
		{"discord", 429, http429, `{"retry_after":-5}`, run.AttemptTemporary, "http_429", 7 * time.Second, 10},
		{"discord", 400, json, `{"message":"Cannot send an empty message","code":50006}`, run.AttemptPermanent, "http_400", 0, 4},
		{"discord", 404, json, `{"message":"Unknown Webhook","code":10015}`, run.AttemptPermanent, "http_404", 0, 4},
		{"discord", 503, json, `{"retry_after":5}`, run.AttemptTemporary, "http_503", 0, 10},
	} {
		d := target(t, "type: "+c.kind+"\nurl: <<env.SLACK_URL>>")
		v := attempt(t, d, c.status, c.header, c.body)
		name := fmt.Sprintf("%s %d %q", c.kind, c.status, c.body)
		if v.Outcome != c.outcome || v.Code != c.code || v.RetryAfter != c.wait || v.Gone != (c.status == 410) {
			t.Errorf("%s: got %s %q, wait %v, gone %v, want %s %q, wait %v", name, v.Outcome, v.Code, v.RetryAfter, v.Gone, c.outcome, c.code, c.wait)
		}
		if n := attempts(d, v); n != c.attempts {
			t.Errorf("%s: got %d attempts, want %d", name, n, c.attempts)
		}
		if v.Answer != c.body {
			t.Errorf("%s: got answer %q", name, v.Answer)
		}
	}
}

func TestAWholeAttemptFromManifestToOutput(t *testing.T) {
	t.Parallel()
	receiver := hookstest.New(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	client, err := hooks.New(hooks.Options{Dial: receiver.Dial, UserAgent: "Headgate/test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	d := target(t, "type: slack\nurl: 'http://chat.example/{{ payload.channel }}'\ninsecure: true\nbody: '{{ payload.title }} <3'")
	in := Delivery{Env: env(t, `{"channel":"#ops","title":"He said \"hi\""}`, nil), IdempotencyKey: "msg_1", Attempt: 2}
	v := d.Judge(client.Deliver(t.Context(), build(t, d, in)))
	if v.Outcome != run.AttemptOK || v.Answer != "ok" || fmt.Sprint(v.Value) != "map[body:ok status:200]" {
		t.Errorf("got %s %q, answer %q, output %v", v.Outcome, v.Code, v.Answer, v.Value)
	}
	got := receiver.Got()
	if len(got) != 1 {
		t.Fatalf("the receiver got %d requests, want 1", len(got))
	}
	r := got[0]
	if r.Method != "POST" || r.Path != "/%23ops" || string(r.Body) != `{"text":"He said \"hi\" <3"}` || r.Header.Get("Idempotency-Key") != "msg_1" ||
		r.Header.Get("Headgate-Attempt") != "2" || r.Header.Get("User-Agent") != "Headgate/test" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the receiver got %s %s %s %v", r.Method, r.Path, r.Body, r.Header)
	}
}

func TestAttemptsWithoutAnAnswerAreJudged(t *testing.T) {
	t.Parallel()
	d := target(t, "url: https://x.example")
	for _, c := range []struct {
		err      error
		outcome  run.AttemptOutcome
		code     string
		attempts int
	}{
		{&hooks.Error{Class: hooks.Temporary, Code: hooks.CodeTimeout}, run.AttemptTemporary, "timeout", 10},
		{&hooks.Error{Class: hooks.Unknown, Code: hooks.CodeReset}, run.AttemptUnknown, "connection_reset", 10},
		{&hooks.Error{Class: hooks.Permanent, Code: hooks.CodeRefusedByEgress}, run.AttemptPermanent, "refused_by_egress_guard", 1},
		{fmt.Errorf("wrapped: %w", &hooks.Error{Class: hooks.Temporary, Code: hooks.CodeDNS}), run.AttemptTemporary, "dns", 10},
		{errors.New("something else"), run.AttemptTemporary, "internal", 10},
	} {
		v := d.Judge(hooks.Attempt{}, c.err)
		if v.Outcome != c.outcome || v.Code != c.code || attempts(d, v) != c.attempts || v.Gone || v.Answer != "" {
			t.Errorf("%v: got %s %q and %d attempts, want %s %q and %d", c.err, v.Outcome, v.Code, attempts(d, v), c.outcome, c.code, c.attempts)
		}
	}
	for _, kind := range []string{"http", "slack", "discord"} {
		d := target(t, "type: "+kind+"\nurl: <<env.SLACK_URL>>")
		if v := d.Judge(hooks.Attempt{Status: 200, NotSent: true}, nil); v.Outcome != run.AttemptOK || v.Code != CodeNotSent {
			t.Errorf("%s, not sent: got %s %q, want ok %q", kind, v.Outcome, v.Code, CodeNotSent)
		}
	}
}

func TestTheOutputIsStatusAndDecodedBody(t *testing.T) {
	t.Parallel()
	d := target(t, "url: https://x.example")
	for _, c := range []struct{ contentType, body, want string }{
		{"application/json", `{"id":9007199254740993,"a":[1.5]}`, "map[body:map[a:[1.5] id:9007199254740993] status:201]"},
		{"application/problem+json; charset=utf-8", `"text"`, "map[body:text status:201]"},
		{"application/json", `{"broken"`, `map[body:{"broken" status:201]`},
		{"application/json", `{"a":1,"a":2}`, `map[body:{"a":1,"a":2} status:201]`},
		{"text/plain", ` {"a":1}`, "map[body:map[a:1] status:201]"},
		{"text/plain", "12", "map[body:12 status:201]"},
		{"text/html", "<p>", "map[body:<p> status:201]"},
		{"", "", "map[body:<nil> status:201]"},
		{"", "a\xffb", "map[body:a\uFFFDb status:201]"},
	} {
		v := d.Judge(hooks.Attempt{Status: 201, Header: http.Header{"Content-Type": {c.contentType}}, Body: []byte(c.body)}, nil)
		if got := fmt.Sprint(v.Value); got != c.want {
			t.Errorf("%s %q: got %s, want %s", c.contentType, c.body, got, c.want)
		}
	}
	if v := d.Judge(hooks.Attempt{Status: 200, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("12")}, nil); v.Value.(map[string]any)["body"] != "12" {
		t.Errorf("got %#v, want text to stay text", v.Value)
	}
}

func TestAnswersAreCutToWhatIsKept(t *testing.T) {
	t.Parallel()
	d := target(t, "url: https://x.example\nheaders: {A: <<env.TOKEN>>}")
	body := "a" + strings.Repeat("é", 4000)
	v := d.Judge(hooks.Attempt{Status: 200, Body: []byte(body)}, nil)
	if len(v.Answer) > run.MaxExcerptBytes || len(v.Answer) < run.MaxExcerptBytes-3 || !utf8.ValidString(v.Answer) {
		t.Errorf("got %d bytes, valid %v", len(v.Answer), utf8.ValidString(v.Answer))
	}
	// A secret that the reading stopped in the middle of must not leave its beginning behind.
	long := strings.Repeat("x", hooks.MaxAnswerBytes-10) + token[:10]
	v = d.Judge(hooks.Attempt{Status: 200, Body: []byte(long), Cut: true}, nil)
	if got := v.Value.(map[string]any)["body"].(string); strings.Contains(got, token[:10]) || len(got) < hooks.MaxAnswerBytes/2 {
		t.Errorf("got %d bytes that end in %q", len(got), got[len(got)-12:])
	}
}

func TestNothingThatIsKeptHoldsASecret(t *testing.T) {
	t.Parallel()
	for _, yaml := range []string{
		"url: <<env.SLACK_URL>>",
		"url: <<env.SLACK_URL>>/x\nheaders: {Authorization: Bearer <<env.TOKEN>>}",
		"type: slack\nurl: <<env.SLACK_URL>>",
		"url: https://api.example.com/<<env.TOKEN>>",
		"url: https://user:<<env.PASSWORD>>@api.example.com/x?key=<<env.TOKEN>>",
	} {
		d := target(t, yaml)
		r := build(t, d, Delivery{Message: map[string]any{"text": "x"}})
		echo := strings.Join([]string{
			r.URL, strings.TrimPrefix(r.URL, "https://"), strings.TrimPrefix(r.URL, "https://hooks.slack.com"), fmt.Sprintf("%x", r.URL), fmt.Sprint(r.Header["Authorization"]),
			strings.ReplaceAll(r.URL, "/", `\/`), "canarycanarycanarycanary", token,
			"canary p@ss", base64.StdEncoding.EncodeToString([]byte("user:canary p@ss")),
		}, " ")
		if !strings.Contains(yaml, "TOKEN") {
			echo = strings.ReplaceAll(echo, token, "")
		}
		if !strings.Contains(yaml, "PASSWORD") {
			echo = strings.ReplaceAll(strings.ReplaceAll(echo, "canary p@ss", ""), base64.StdEncoding.EncodeToString([]byte("user:canary p@ss")), "")
		}
		if !strings.Contains(yaml, "SLACK") {
			echo = strings.ReplaceAll(echo, "canarycanarycanarycanary", "")
		}
		body := `{"url": "` + strings.ReplaceAll(echo, `\/`, "/") + `", "more": "` + echo + `"}`
		for _, contentType := range []string{"application/json", "text/plain"} {
			v := d.Judge(hooks.Attempt{Status: 404, Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body)}, &hooks.Error{Class: hooks.Permanent, Status: 404})
			for _, text := range []string{v.Answer, fmt.Sprint(v.Value), fmt.Sprintf("%+v %#v", v, v), d.Line(), r.Line, fmt.Sprintf("%v %+v %#v", r, r, r), fmt.Sprint(d.Secrets())} {
				for _, secret := range []string{"canary", "p@ss", "p%40ss", "63616e617279", "dXNlcjpjYW5hcn"} {
					if strings.Contains(text, secret) {
						t.Errorf("%s: %q is in %s", yaml, secret, text)
					}
				}
			}
		}
	}
}

func TestRetryFollowsTheManifest(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		"":                          "[5s 5m0s 30m0s 2h0m0s 5h0m0s 10h0m0s 14h0m0s 20h0m0s 24h0m0s]",
		"retry: {max_attempts: 1}":  "[]",
		"retry: {max_attempts: 3}":  "[5s 5m0s]",
		"retry: {}":                 "[5s 5m0s 30m0s 2h0m0s 5h0m0s 10h0m0s 14h0m0s 20h0m0s 24h0m0s]",
		"retry: {max_attempts: 11}": "[5s 5m0s 30m0s 2h0m0s 5h0m0s 10h0m0s 14h0m0s 20h0m0s 24h0m0s 24h0m0s]",
		"retry: [0s, 5s, 5m]":       "[5s 5m0s]",
		"retry: [0, 10, 1m]":        "[10s 1m0s]",
		"retry: [0s]":               "[]",
		"retry: {max_attempts: 4, initial: 1s, factor: 3}":                     "[1s 3s 9s]",
		"retry: {max_attempts: 4, initial: 1s, factor: 3, max: 5s}":            "[1s 3s 5s]",
		"retry: {max_attempts: 3, initial: 2h}":                                "[2h0m0s 2h0m0s]",
		"retry: {initial: 1s, factor: 1, max: 1s, max_attempts: 3, jitter: 0}": "[1s 1s]",
	} {
		d := target(t, "url: https://x.example\n"+yaml)
		policy := d.Retry(Verdict{result: hooks.Outcome{Class: hooks.Temporary}})
		if got := fmt.Sprint(policy.Delays()); got != want {
			t.Errorf("%s: got %s, want %s", yaml, got, want)
		}
	}
	exact := target(t, "url: https://x.example\nretry: {jitter: 0, max_attempts: 2}")
	if delay, again := exact.Retry(Verdict{result: hooks.Outcome{Class: hooks.Unknown}}).Next(1, 0, 77); delay != 5*time.Second || !again {
		t.Errorf("without jitter: got %v, %v, want 5s", delay, again)
	}
}
