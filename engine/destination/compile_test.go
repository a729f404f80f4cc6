package destination

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

func TestWrongDestinationsSayWhereAndWhat(t *testing.T) {
	t.Parallel()
	const ok = "url: https://x.example\n"
	for _, c := range []struct {
		yaml string
		want []string // a piece of each finding, in order
	}{
		{"type: http", []string{"d.yaml:1:1: error[missing-key]: the key `url`"}},
		{"url: ''", []string{"3:6: error[bad-value]: `url` is empty"}},
		{"url: x.example/path", []string{"3:6: error[bad-url]: the URL cannot be sent to: the URL begins with neither"}},
		{"url: ftp://x.example", []string{"3:6: error[bad-url]"}},
		{"url: https://", []string{"3:6: error[bad-url]: the URL cannot be sent to: the URL has no host"}},
		{"url: https://127.1/", []string{"error[bad-url]"}},
		{"url: https://x.example:99999/", []string{"error[bad-url]"}},
		{"url: 'https://{{ payload.host }}/x'", []string{"3:15: error[bad-url]: a template stands before the path of the URL; the host of a URL is literal"}},
		{"url: 'https://x.{{ payload.host }}'", []string{"3:17: error[bad-url]: a template stands before"}},
		{"url: 'https://x.example:{{ payload.port }}/'", []string{"error[bad-url]: a template stands before"}},
		{"url: 'https://{{ payload.user }}@x.example/'", []string{"error[bad-url]: a template stands before"}},
		{"url: '{{ payload.scheme }}://x.example/'", []string{"3:7: error[bad-url]: a template stands before"}},
		{"url: '{{ payload.url }}'", []string{"error[bad-url]: a template stands before"}},
		{"url: 'https://x.example/#{{ payload.a }}'", []string{"3:26: error[bad-url]: a template stands in the fragment"}},
		{"url: 'https://<<env.HOST>>{{ payload.host }}/'", []string{"error[bad-url]: a template stands before"}},
		{"url: <<env.BAD_URL>>", []string{"3:6: error[bad-url]: the URL `<<env.BAD_URL>>` cannot be sent to: the URL begins with neither https:// nor http://; look at what the reference holds"}},
		{"url: <<env.UNSET>>", []string{"3:6: error[unset-variable]"}},
		{"url: 'https://x.example/{{ nope }}'", []string{"3:28: error[unknown-name]"}},
		{"url: 'https://x.example/{{ payload.a'", []string{"error[template-syntax]"}},
		{"url: https://user:pass@x.example/", []string{"error[literal-secret]: the URL holds a password"}},
		{"url: http://x.example/", []string{"3:6: warning[insecure-url]: the URL is plain http"}},
		{"url: http://127.0.0.1:9000/", []string{"warning[insecure-url]"}},
		{"url: http://x.example/\ninsecure: true", nil},
		{"url: <<env.HTTP_URL>>", []string{"warning[insecure-url]: the URL `<<env.HTTP_URL>>` is plain http"}},
		{"type: slack\nurl: " + slackURL, []string{"4:6: error[literal-secret]: whoever knows a slack webhook's URL"}},
		{"type: discord\nurl: https://discord.com/api/webhooks/1/x", []string{"error[literal-secret]"}},
		{"url: https://discord.com/api/webhooks/1/x", []string{"error[literal-secret]: whoever knows a discord webhook's URL"}},
		{"type: slack\nurl: https://chat.example.com/hooks/x", []string{"warning[literal-secret]"}},
		{"type: slack\nurl: http://127.0.0.1:9000/slack\ninsecure: true", nil},

		{ok + "type: slak", []string{"4:7: error[bad-value]: `type` cannot be `slak`; did you mean `slack`?"}},
		{ok + "type: zapier", []string{"4:7: error[bad-value]: `type` cannot be `zapier`; it takes one of `http`, `cloudevents`, `cloudevents-binary`, `discord`"}},
		{ok + "method: FETCH", []string{"4:9: error[bad-value]: `method` cannot be `FETCH`"}},
		{ok + "timeout: 0s", []string{"error[bad-value]: `timeout` cannot be `0s`; it takes 1s to 1m"}},
		{ok + "timeout: 61", []string{"error[bad-value]: `timeout` cannot be `61`"}},
		{ok + "concurrency: 0", []string{"error[bad-value]"}},
		{ok + "rate_limit: {rate: 1/s}", nil},
		{ok + "uri: x", []string{"4:1: error[unknown-key]: unknown key `uri`; write `url`"}},
		{ok + "heders: {}", []string{"4:1: error[unknown-key]: unknown key `heders`; did you mean `headers`?"}},

		{ok + "headers: {Host: a, content-length: 1, Transfer-Encoding: chunked, connection: close, Headgate-Attempt: 1}", []string{
			"4:11: error[bad-header]: the header `Host`", "error[bad-header]: the header `content-length`", "error[bad-header]", "error[bad-header]", "error[bad-header]",
		}},
		{ok + "headers: {'X A': 1, '': 2}", []string{"4:11: error[bad-header]: `X A` is no name of a header", "error[bad-header]: `` is no name"}},
		{ok + "headers: {X-A: 1, x-a: 2}", []string{"4:19: error[duplicate-key]: the header `x-a` is written twice"}},
		{ok + "headers: {X-A: \"a\\nb\"}", []string{"error[bad-header]: the value of the header `X-A` holds control characters"}},
		{ok + "headers: {X-A: <<env.NEWLINE>>}", []string{"error[bad-header]: the value of the header `X-A` holds control characters"}},
		{ok + "headers: {X-A: '<<env.TOKEN>> {{ payload.a }}'}", []string{"4:16: error[reference-not-allowed]: the header `X-A` holds a reference and a template"}},
		{ok + "headers: {X-A: '{{ nope }}'}", []string{"4:20: error[unknown-name]"}},
		{ok + "headers: {Authorization: Bearer abc}", []string{"4:26: error[literal-secret]: the header `Authorization` is a credential"}},
		{ok + "headers: {X-A: [1]}", []string{"error[wrong-type]"}},

		{ok + "body:", []string{"error[wrong-type]: `body` has no value"}},
		{ok + "body: <<env.TOKEN>>", []string{"4:7: error[reference-not-allowed]: a body cannot hold a reference"}},
		{ok + "body: {a: [x, <<env.TOKEN>>], b: <<env.TOKEN>>}", []string{"4:15: error[reference-not-allowed]", "4:34: error[reference-not-allowed]"}},
		{ok + "body: '{{ nope }}'", []string{"error[unknown-name]"}},
		{ok + "body: {a: '{{ nope }}'}", []string{"error[unknown-name]"}},
		{ok + "body: '{\"a\": \"{{ payload.a }}\"}'", []string{"4:7: warning[bad-value]: the body looks like JSON but is sent as text"}},
		{ok + "headers: {Content-Type: application/json}\nbody: 'a {{ payload.a }}'", []string{"5:7: error[bad-value]: the body is to be JSON, but with its templates it is none"}},
		{ok + "headers: {Content-Type: application/json}\nbody: '{\"a\": {{ payload.a }}'", []string{"error[bad-value]: the body is to be JSON"}},
		{ok + "headers: {Content-Type: application/json}\nbody: '{\"a\": \"{{ nope }}\"}'", []string{"5:18: error[unknown-name]"}},
		{ok + "headers: {Content-Type: application/json}\nbody: '{\"{{ payload.a }}\": 1}'", []string{"error[bad-value]: a name in the body's JSON holds a template"}},
		{ok + "headers: {Content-Type: application/json}\nbody: 'abc'", []string{"5:7: error[bad-value]: the body is no JSON"}},
		{ok + "headers: {Content-Type: application/json}\nbody: '{\"a\":1,\"a\":2}'", []string{"error[bad-value]: the body is no JSON"}},
		{"type: slack\nurl: <<env.SLACK_URL>>\nbody: '{\"text\": }'", []string{"error[bad-value]: the body is no JSON"}},
		{"type: slack\nurl: <<env.SLACK_URL>>\nbody: '{\"text\": \"{{ payload.a }}'", []string{"error[bad-value]: the body is to be JSON"}},

		{ok + "retry: 3", []string{"4:8: error[wrong-type]: `retry` takes a map, a list of durations, `standard` or `none`, not an integer; write {max_attempts: 3}"}},
		{ok + "retry: true", []string{"error[wrong-type]: `retry` takes a map, a list of durations, `standard` or `none`, not a boolean; leave the key out"}},
		{ok + "retry: 5s", []string{"error[wrong-type]"}},
		{ok + "retry: []", []string{"error[bad-value]: `retry`: a list of delays needs at least its first"}},
		{ok + "retry: [5s, 5m]", []string{"4:8: error[bad-value]: `retry`: the first delay stands for the first attempt and is 0s"}},
		{ok + "retry: [0s, soon]", []string{"4:13: error[bad-value]: `retry[1]` is no duration"}},
		{ok + "retry: [0s, {a: 1}]", []string{"4:13: error[bad-value]: `retry[1]` is no duration"}},
		{ok + "retry: {max_attempts: 0}", []string{"error[bad-value]: `retry.max_attempts` cannot be `0`"}},
		{ok + "retry: {max_atempts: 3}", []string{"error[unknown-key]: unknown key `max_atempts` in `retry`; did you mean `max_attempts`?"}},
		{ok + "retry: {initial: 1m, max: 1s}", []string{"error[bad-value]: `retry`: max is at least initial"}},
		{ok + "retry: {jitter: 2}", []string{"error[bad-value]: `retry.jitter`"}},

		{"type: slak\nurl: x\nheaders: {Host: a}\nbody: <<env.TOKEN>>\nretry: 1", []string{
			"3:7: error[bad-value]", "4:6: error[bad-url]", "5:11: error[bad-header]", "6:7: error[reference-not-allowed]", "7:8: error[wrong-type]",
		}},
	} {
		_, got := findings(t, c.yaml, Options{})
		if len(got) != len(c.want) {
			t.Errorf("%s\ngot  %q\nwant %q", c.yaml, got, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%s\ngot  %s\nwant %s", c.yaml, got[i], want)
			}
			if strings.Contains(got[i], "canary") && !strings.Contains(c.yaml, "canary") {
				t.Errorf("%s\n%s holds what a reference holds", c.yaml, got[i])
			}
		}
	}
}

func TestDevIsQuietAboutLoopback(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]int{
		"http://127.0.0.1:9000/": 0, "http://localhost:9000": 0, "http://[::1]:9000": 0, "http://10.0.0.1/": 1, "http://x.example": 1,
	} {
		if _, got := findings(t, "url: "+url, Options{Dev: true}); len(got) != want {
			t.Errorf("%s: got %q, want %d findings", url, got, want)
		}
	}
}

func TestManifestsAreCheckedWithoutTheirSecrets(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]int{
		"url: <<env.UNSET>>":                 0,
		"url: <<env.UNSET>>/{{ payload.a }}": 0,
		"url: https://<<env.UNSET>>/{{ payload.a }}\nheaders: {A: Bearer <<env.UNSET>>}": 0,
		"type: slack\nurl: <<file.unset>>":                                               0,
		"url: http://x.example/<<env.UNSET>>":                                            1, // plain http
		"url: ftp://x.example/<<env.UNSET>>":                                             1,
	} {
		doc, out := document(t, yaml, manifest.Options{NoEnv: true})
		d := Compile(doc, script.Scope{}, out, Options{})
		if out.Len() != want || (d == nil) != out.HasErrors() {
			t.Errorf("%s: got %v, want %d findings", yaml, out.Sorted(), want)
		}
	}
}

// inlined compiles a hook's own keys, over the declared destination where yaml is not "".
func inlined(t *testing.T, yaml, own string, scope script.Scope) (*Destination, []diag.Finding) {
	t.Helper()
	var base *manifest.Document
	if yaml != "" {
		base, _ = document(t, yaml, manifest.Options{})
	}
	file := source.NewFile("p.yaml", []byte(own))
	docs, problems := source.ParseYAML(file)
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("%s: %v", own, problems)
	}
	out := &diag.List{}
	d := CompileInline("pipe/Tell", docs[0], base, scope, out, Options{})
	return d, out.Sorted()
}

func TestAHookCarriesADestinationItself(t *testing.T) {
	t.Parallel()
	d, found := inlined(t, "", "url: https://x.example\nbody: '{{ Message }}'", script.Scope{Labels: []string{"Message"}})
	if d == nil || len(found) != 0 {
		t.Fatalf("got %v", found)
	}
	if d.Key != "pipe/Tell" || d.Gate != "pipe/Tell" {
		t.Errorf("got key %q, gate %q", d.Key, d.Gate)
	}
	if d, found := inlined(t, "", "uri: https://x.example", script.Scope{}); d != nil || len(found) != 1 {
		t.Errorf("got %v, want an unknown key, and no missing one", found)
	}
	if d, found := inlined(t, "", "url: https://x.example\nname: x", script.Scope{}); d != nil || len(found) != 1 {
		t.Errorf("got %v, want `name` to be unknown: a hook has none", found)
	}
}

func TestWhatAHookStatesOverridesItsDestination(t *testing.T) {
	t.Parallel()
	const base = `
title: Base
url: https://x.example/base
method: PUT
timeout: 5
headers: {X-A: base, X-B: base}
body: {from: base}
retry: [0s]
`
	d, found := inlined(t, base, "headers: {x-a: own, X-C: own}\nbody: {from: '{{ Message }}'}\nretry: {max_attempts: 2}", script.Scope{Labels: []string{"Message"}})
	if d == nil || len(found) != 0 {
		t.Fatalf("got %v", found)
	}
	if d.Key != "pipe/Tell" || d.Gate != "target" {
		t.Errorf("got key %q, gate %q, want the gate of the declared one", d.Key, d.Gate)
	}
	r := build(t, d, Delivery{Env: env(t, "{}", map[string]any{"Message": "own"})})
	if got, want := show(r), `PUT https://x.example/base|application/json|{"from":"own"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := fmt.Sprint(r.Header["X-A"], r.Header["X-B"], r.Header["X-C"]); got != "[own] [base] [own]" {
		t.Errorf("got headers %s", got)
	}
	if d.policy.Attempts() != 2 || r.Timeout.Seconds() != 5 {
		t.Errorf("got %d attempts, timeout %v", d.policy.Attempts(), r.Timeout)
	}
}

func TestADestinationsOwnFaultsAreNotSaidAgainByItsHooks(t *testing.T) {
	t.Parallel()
	const base = "url: https://x.example\nconcurrency: 0\nheaders: {Host: a}"
	d, found := inlined(t, base, "timeout: 10", script.Scope{})
	if d != nil || len(found) != 0 {
		t.Errorf("got %v, %v, want no destination and no findings", d, found)
	}
	d, found = inlined(t, base, "timeout: 100", script.Scope{})
	if d != nil || len(found) != 1 || !strings.HasPrefix(found[0].String(), "p.yaml:1:10: error[bad-value]") {
		t.Errorf("got %v, want the hook's own fault alone", found)
	}
}

func TestTheDescriptionIsWhole(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	var walk func(o *field.Object)
	walk = func(o *field.Object) {
		for _, f := range o.Fields {
			if f.Doc == "" {
				t.Errorf("%s.%s has no documentation", o.Name, f.Name)
			}
			if f.Object != nil {
				walk(f.Object)
			}
			seen[f.Name] = true
		}
	}
	walk(Object())
	for _, f := range append(InlineFields(), manifest.CommonFields()...) {
		if _, ok := Object().Field(f.Name); !ok || !seen[f.Name] {
			t.Errorf("a document has no field %q", f.Name)
		}
	}
	if Object().JSONSchema() == nil || !strings.Contains(Object().Markdown(), "concurrency") {
		t.Error("no schema or no manual page")
	}
	if out := (&diag.List{}); Object().Decode(nil, out) == nil {
		t.Error("defaults do not decode")
	}
}
