package destination

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/hooks"
)

func TestAGateHasTheDefaultsOfItsDocumentation(t *testing.T) {
	t.Parallel()
	d := target(t, "url: https://x.example")
	b := d.Breaker()
	if b != (Breaker{Failures: 10, Ratio: 0.5, Sample: 20, Window: time.Minute, Pause: 30 * time.Second, MaxPause: 10 * time.Minute}) {
		t.Errorf("got breaker %+v", b)
	}
	if _, _, limited := d.Rate(); limited || d.MaxAge() != 96*time.Hour || d.Hold() || d.Ordering() != nil || d.Concurrency() != 10 || d.Kind() != "http" {
		t.Errorf("got a rate %v, max age %v, hold %v, ordering %v, %d slots, type %s", limited, d.MaxAge(), d.Hold(), d.Ordering(), d.Concurrency(), d.Kind())
	}
}

func TestAGateFollowsTheManifest(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		"rate_limit: 10/s":                   "10 10 true",
		"rate_limit: 5/2s":                   "2.5 5 true",
		"rate_limit: 600/m":                  "10 600 true",
		"rate_limit: <<env.RATE>>":           "3 3 true",
		"rate_limit: {rate: 10/s, burst: 2}": "10 2 true",
		"type: slack":                        "1 1 true",
		"type: discord":                      "2.5 5 true",
		"type: slack\nrate_limit: 4/s":       "4 4 true",
	} {
		doc, out := document(t, "url: <<env.U>>\n"+yaml, manifest.Options{Env: func(name string) (string, bool) {
			return map[string]string{"U": slackURL, "RATE": "3/s"}[name], true
		}})
		d := Compile(doc, script.Scope{}, out, Options{})
		if d == nil {
			t.Errorf("%s: %v", yaml, out.Sorted())
			continue
		}
		rate, burst, ok := d.Rate()
		if got := fmt.Sprint(rate, burst, ok); got != want {
			t.Errorf("%s: got %s, want %s", yaml, got, want)
		}
	}
	for yaml, want := range map[string]Breaker{
		"breaker: off":                       {Off: true},
		"breaker: false":                     {Off: true},
		"breaker: {failures: 3, pause: 20m}": {Failures: 3, Ratio: 0.5, Sample: 20, Window: time.Minute, Pause: 20 * time.Minute, MaxPause: 20 * time.Minute},
		"breaker: {ratio: 1, sample: 5, window: 10s, pause: 1s, max_pause: 2s}": {Failures: 10, Ratio: 1, Sample: 5, Window: 10 * time.Second, Pause: time.Second, MaxPause: 2 * time.Second},
	} {
		if got := target(t, "url: https://x.example\n"+yaml).Breaker(); got != want {
			t.Errorf("%s: got %+v, want %+v", yaml, got, want)
		}
	}
	d := target(t, "url: https://x.example\nmax_age: 2h\nhold: true\nordering: {by: payload.id, on_exhausted: park}")
	if d.MaxAge() != 2*time.Hour || !d.Hold() || d.Ordering() == nil || !d.Ordering().Keep {
		t.Errorf("got max age %v, hold %v, ordering %+v", d.MaxAge(), d.Hold(), d.Ordering())
	}
	res, err := d.Ordering().By.Eval(t.Context(), env(t, `{"id": 7}`, nil))
	if err != nil || res.Value != int64(7) {
		t.Errorf("got the key %v, %v, want 7", res.Value, err)
	}
	if skip := target(t, "url: https://x.example\nordering: {by: payload.id, on_exhausted: skip}"); skip.Ordering().Keep {
		t.Error("skip keeps its lane")
	}
}

func TestWrongGatesAreFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ yaml, want string }{
		{"rate_limit: often", "error[bad-value]: `rate_limit` cannot be `often`; write a rate such as 10/s"},
		{"rate_limit: 10", "error[wrong-type]: `rate_limit` takes a rate or a map, not an integer"},
		{"rate_limit: 10/5", "error[bad-value]: `rate_limit` cannot be `10/5`"},
		{"rate_limit: 0/s", "error[bad-value]: `rate_limit` cannot be `0/s`; a rate is between 1 and"},
		{"rate_limit: [10/s]", "error[wrong-type]: `rate_limit` takes a rate or a map, not a list"},
		{"rate_limit: {burst: 3}", "error[missing-key]: the key `rate` is missing in `rate_limit`"},
		{"rate_limit: {rate: 10/s, burst: 0}", "error[bad-value]: `rate_limit.burst` cannot be `0`"},
		{"breaker: on", "error[wrong-type]: `breaker` takes `off` or a map, not a string"},
		{"breaker: true", "error[wrong-type]: `breaker` takes `off` or a map, not a boolean"},
		{"breaker: {ratio: 0}", "error[bad-value]: `breaker.ratio` cannot be `0`"},
		{"breaker: {ratio: 50}", "error[bad-value]: `breaker.ratio` cannot be `50`"},
		{"breaker: {pause: 1h, max_pause: 1m}", "error[bad-value]: `breaker.max_pause` is shorter than `breaker.pause`"},
		{"breaker: {threshold: 5}", "error[unknown-key]: unknown key `threshold` in `breaker`; write `failures`"},
		{"max_age: 0s", "error[bad-value]: `max_age` cannot be `0s`"},
		{"hold: maybe", "error[wrong-type]: `hold` takes true or false"},
		{"ordering: {by: payload.id}", "error[missing-key]: the key `on_exhausted` is missing in `ordering`"},
		{"ordering: {by: nope, on_exhausted: park}", "error[unknown-name]"},
		{"ordering: {by: Message.id, on_exhausted: park}", "error[unknown-name]"},
		{"ordering: {by: payload.id, on_exhausted: drop}", "error[bad-value]: `ordering.on_exhausted` cannot be `drop`"},
		{"retry_after: {max: 48h}", "error[bad-value]: `retry_after.max` cannot be `48h`; it takes 1s to 1d"},
		{"retry: sometimes", "error[wrong-type]: `retry` takes a map, a list of durations, `standard` or `none`, not a string"},
		{"retry: fixed", "write {strategy: fixed, max_attempts: 5}"},
		{"retry: {strategy: fibonacci}", "error[bad-value]: `retry.strategy` cannot be `fibonacci`"},
		{"retry: {strategy: fixed, factor: 2}", "error[bad-value]: `retry.factor` means nothing to the strategy `fixed`"},
		{"retry: {strategy: standard, delay: 5s}", "error[bad-value]: `retry.delay` means nothing to the strategy `standard`"},
		{"retry: {delay: 5s, initial: 5s}", "error[bad-value]: `retry.delay` means nothing to the strategy `exponential`"},
		{"retry: {delay: 5ms}", "error[bad-value]: `retry.delay` cannot be `5ms`; it takes 100ms to 7d"},
		{"retry: {strategy: linear, delay: 1h, max: 1m, max_attempts: soon}", "error[wrong-type]: `retry.max_attempts`"},
	} {
		d, lines := findings(t, "url: https://x.example\n"+c.yaml, Options{})
		if d != nil || len(lines) != 1 || !strings.Contains(lines[0], c.want) {
			t.Errorf("%s\ngot  %q\nwant %s", c.yaml, lines, c.want)
		}
	}
}

func TestStrategiesGiveTheirSchedules(t *testing.T) {
	t.Parallel()
	lookup := func(name string) (string, bool) {
		v, ok := map[string]string{"ATTEMPTS": "3", "DELAY": "5000", "ENABLED": "true", "OFF": "False"}[name]
		return v, ok
	}
	for yaml, want := range map[string]string{
		"retry: standard":         "[5s 5m0s 30m0s 2h0m0s 5h0m0s 10h0m0s 14h0m0s 20h0m0s 24h0m0s]",
		"retry: none":             "[]",
		"retry: false":            "[]",
		"retry: {strategy: none}": "[]",
		"retry: {enabled: false, max_attempts: 5}":                                                  "[]",
		"retry: {strategy: standard, max_attempts: 2}":                                              "[5s]",
		"retry: {strategy: fixed, max_attempts: 4}":                                                 "[5s 5s 5s]",
		"retry: {max_attempts: 3, delay: 5000ms}":                                                   "[5s 5s]",
		"retry: {strategy: linear, delay: 10s, max_attempts: 5}":                                    "[10s 20s 30s 40s]",
		"retry: {strategy: linear, delay: 1h, max_attempts: 4, max: 2h}":                            "[1h0m0s 2h0m0s 2h0m0s]",
		"retry: {strategy: linear, delay: 2h, max_attempts: 3}":                                     "[2h0m0s 2h0m0s]",
		"retry: {strategy: exponential, max_attempts: 4}":                                           "[5s 10s 20s]",
		"retry: {max: 8s, max_attempts: 4}":                                                         "[5s 8s 8s]",
		"retry: {max_attempts: <<env.ATTEMPTS>>, delay: <<env.DELAY>>ms, enabled: <<env.ENABLED>>}": "[5s 5s]",
		"retry: {max_attempts: <<env.ATTEMPTS>>, delay: <<env.DELAY>>ms, enabled: <<env.OFF>>}":     "[]",
		"retry: [0s, <<env.DELAY>>ms, <<env.ATTEMPTS>>m]":                                           "[5s 3m0s]",
	} {
		doc, out := document(t, "url: https://x.example\n"+yaml, manifest.Options{Env: lookup})
		d := Compile(doc, script.Scope{}, out, Options{})
		if d == nil || out.Len() > 0 {
			t.Errorf("%s: %v", yaml, out.Sorted())
			continue
		}
		if got := fmt.Sprint(d.Retry(Verdict{result: hooks.Outcome{Class: hooks.Temporary}}).Delays()); got != want {
			t.Errorf("%s: got %s, want %s", yaml, got, want)
		}
		checked, found := document(t, "url: https://x.example\n"+yaml, manifest.Options{NoEnv: true})
		if Compile(checked, script.Scope{}, found, Options{}) == nil || found.Len() > 0 {
			t.Errorf("%s, only checked: %v", yaml, found.Sorted())
		}
	}
}

func TestAReceiversWaitIsCapped(t *testing.T) {
	t.Parallel()
	d := target(t, "url: https://x.example\nretry_after: {max: 10m}")
	busy := &hooks.Error{Class: hooks.Temporary, Code: "http_429", Status: 429, Wait: 3 * time.Hour}
	if v := d.Judge(hooks.Attempt{Status: 429}, busy); v.RetryAfter != 10*time.Minute {
		t.Errorf("got %v, want 10m", v.RetryAfter)
	}
}

func TestASlowScheduleIsNotCutOffByTheAge(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]time.Duration{
		"":                                     96 * time.Hour,
		"retry: {max_attempts: 10}":            96 * time.Hour,
		"retry: [0s, 5s]":                      96 * time.Hour,
		"retry: [0s, 100h]":                    200 * time.Hour,
		"retry: [0s, 100h]\nmax_age: 1h":       time.Hour,
		"retry: {max_attempts: 11}\nbody: 'x'": 2 * (75*time.Hour + 35*time.Minute + 5*time.Second + 24*time.Hour),
	} {
		if got := target(t, "url: https://x.example\n"+yaml).MaxAge(); got != want {
			t.Errorf("%s: got %v, want %v", yaml, got, want)
		}
	}
}

func TestPlainHTTPToAListedAddressIsNoWarning(t *testing.T) {
	t.Parallel()
	rules, err := hooks.ParseAllow("10.1.0.0/16, 127.0.0.1:9000, [fd00::/8]:80")
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]int{
		"http://10.1.2.3/x": 0, "http://10.1.2.3:8080": 0, "http://10.2.2.3": 1, "http://127.0.0.1:9000": 0, "http://localhost:9000": 0, "http://127.0.0.1:9001": 1,
		"http://[fd00::1]/": 0, "http://[fd00::1]:81/": 1, "http://name.example": 1, "https://10.2.2.3": 0, "http://[::ffff:10.1.2.3]/": 0,
	} {
		_, lines := findings(t, "url: "+url, Options{Allowed: ListedBy(rules)})
		if len(lines) != want {
			t.Errorf("%s: got %q, want %d findings", url, lines, want)
		}
	}
	if ListedBy(nil)(netip.MustParseAddrPort("10.1.2.3:80")) {
		t.Error("no rules list an address")
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"10/s", "5/2s", "600/m", "1/1d", "0/s", "-1/s", "1/", "/s", "1/0s", "9999999/s", "1/1e9h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		count, rate, err := parseRate(text)
		if err == nil && (count < 1 || count > maxBurst || !(rate > 0) || rate > maxRate) {
			t.Fatalf("%q: got %d and %v", text, count, rate)
		}
	})
}

func FuzzStatuses(f *testing.F) {
	for _, s := range []string{"2xx", "202", "200-204", "xx", "-", "2-xx", "599-200", "1xx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out := &diag.List{}
		doc, _ := document(t, "url: https://x.example", manifest.Options{})
		all := compileStatuses(doc.Root, []string{text}, out)
		if len(all)+out.Count(diag.Error) != 1 {
			t.Fatalf("%q: got %v and %v", text, all, out.Sorted())
		}
		for _, s := range all {
			if s.from < 200 || s.to > 599 || s.from > s.to {
				t.Fatalf("%q: got %v", text, s)
			}
		}
	})
}
