package destination

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/payload"
)

func TestBodiesAreWhatTheManifestOrTheNodeBeforeGives(t *testing.T) {
	t.Parallel()
	const raw = `{"b": 1,  "a": 9007199254740993}`
	for name, c := range map[string]struct {
		yaml string
		in   Delivery
		want string // content type|body
	}{
		"directly behind a receive": {"", Delivery{Raw: []byte(raw), RawType: "application/json; charset=utf-8", Message: "ignored"}, "application/json; charset=utf-8|" + raw},
		"raw bytes without a type":  {"", Delivery{Raw: []byte("x")}, "|x"},
		"raw bytes, own type":       {"headers: {Content-Type: text/csv}", Delivery{Raw: []byte("x"), RawType: "application/json"}, "text/csv|x"},
		"a map":                     {"", Delivery{Message: map[string]any{"b": int64(1), "a": "<&>"}}, `application/json|{"a":"<&>","b":1}`},
		"a list":                    {"", Delivery{Message: []any{int64(1), nil, true}}, `application/json|[1,null,true]`},
		"text":                      {"", Delivery{Message: "héllo"}, "text/plain; charset=utf-8|héllo"},
		"text of a stated type":     {"headers: {content-type: text/csv}", Delivery{Message: "a,b"}, "text/csv|a,b"},
		"a number":                  {"", Delivery{Message: int64(5)}, "application/json|5"},
		"nothing":                   {"", Delivery{}, "application/json|null"},
		"a stated map":              {`body: {t: "{{ payload.title }}", n: "{{ payload.n }}", s: "n={{ payload.n }}", k: 1, l: [true, "x"]}`, Delivery{Message: "ignored"}, `application/json|{"k":1,"l":[true,"x"],"n":7,"s":"n=7","t":"He said \"hi\"\n"}`},
		"a stated list":             {`body: ["{{ payload.n }}", a]`, Delivery{Raw: []byte("ignored")}, `application/json|[7,"a"]`},
		"stated text":               {`body: "Title: {{ payload.n }}"`, Delivery{}, "text/plain; charset=utf-8|Title: 7"},
		"one expression":            {`body: "{{ Message }}"`, Delivery{}, `application/json|{"x":[1]}`},
		"one expression of text":    {`body: "{{ payload.title }}"`, Delivery{}, "text/plain; charset=utf-8|He said \"hi\"\n"},
		"nothing at all":            {`body: ""`, Delivery{Message: "ignored"}, "|"},
		"an escaped template":       {`body: '\{{ x }}'`, Delivery{}, "text/plain; charset=utf-8|{{ x }}"},
		"rendered by the node":      {`body: "{{ payload.n }}"`, Delivery{Body: map[string]any{"from": "node"}, HasBody: true}, `application/json|{"from":"node"}`},
		"null by the node":          {``, Delivery{HasBody: true, Message: "ignored"}, `application/json|null`},
		"get":                       {`method: GET`, Delivery{Raw: []byte("x"), Message: "x"}, "|"},
		"delete":                    {`method: DELETE`, Delivery{Message: map[string]any{}}, "|"},
		"delete with a body":        {"method: DELETE\nbody: {a: 1}", Delivery{}, `application/json|{"a":1}`},
		"JSON written as text":      {"headers: {Content-Type: application/json}\nbody: '{\"t\": \"{{ payload.title }}\", \"n\": {{ payload.n }}}'", Delivery{}, `application/json|{"n":7,"t":"He said \"hi\"\n"}`},
		"fixed JSON text":           {"headers: {Content-Type: application/json}\nbody: '{ \"b\": 1, \"a\": 2 }'", Delivery{}, `application/json|{ "b": 1, "a": 2 }`},
	} {
		d := target(t, "url: https://api.example.com/x\n"+c.yaml)
		c.in.Env = env(t, `{"title":"He said \"hi\"\n","n":7}`, map[string]any{"Message": map[string]any{"x": []any{int64(1)}}})
		r := build(t, d, c.in)
		if got := r.Header.Get("Content-Type") + "|" + string(r.Body); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestAddressesAreRenderedAndEscaped(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		`https://api.example.com`:                                   `https://api.example.com`,
		`https://api.example.com/a/{{ payload.id }}/b`:              `https://api.example.com/a/42/b`,
		`https://api.example.com/{{ payload.evil }}`:                `https://api.example.com/..%2F..%2Fx%3Fy=1%23z%20%25`,
		`https://api.example.com/a?q={{ payload.evil }}&n=1`:        `https://api.example.com/a?q=..%2F..%2Fx%3Fy%3D1%23z+%25&n=1`,
		`https://api.example.com?q={{ payload.evil }}`:              `https://api.example.com?q=..%2F..%2Fx%3Fy%3D1%23z+%25`,
		`https://api.example.com/a?q={{ payload.missing }}`:         `https://api.example.com/a?q=`,
		`https://api.example.com/a?q={{ payload.big }}`:             `https://api.example.com/a?q=9007199254740993`,
		`https://api.example.com/a?q={{ payload.yes }}`:             `https://api.example.com/a?q=true`,
		`https://api.example.com/{{ payload.id }}-{{ payload.id }}`: `https://api.example.com/42-42`,
		`https://api.example.com/{{ payload["a b"] }}`:              `https://api.example.com/c%2Fd`,
		`https://api.example.com/{{ {"a": {"b": "}}"}}.a.b }}`:      `https://api.example.com/%7D%7D`,
		`https://api.example.com/<<env.TOKEN>>/{{ payload.id }}`:    `https://api.example.com/` + token + `/42`,
		`<<env.SLACK_URL>>`:                                         slackURL,
		`<<env.SLACK_URL>>/x?id={{ payload.id }}`:                   slackURL + `/x?id=42`,
		`https://<<env.HOST>>/{{ payload.id }}`:                     `https://canaryhost.example.com/42`,
		`https://api.example.com/<<env.BRACES>>`:                    `https://api.example.com/a{{b}}c<<d>>`,
	} {
		d := target(t, "url: '"+url+"'")
		r := build(t, d, Delivery{Env: env(t, `{"id":42,"evil":"../../x?y=1#z %","big":9007199254740993,"yes":true,"a b":"c/d"}`, nil)})
		if r.URL != want {
			t.Errorf("%s: got %s, want %s", url, r.URL, want)
		}
		if line := d.Line(); line != "POST "+url || r.Line != line {
			t.Errorf("%s: got line %q and %q, want the method and the URL as written", url, line, r.Line)
		}
	}
}

func TestNoEventBendsAnAddress(t *testing.T) {
	t.Parallel()
	for url, bodies := range map[string][]string{
		`https://api.example.com/a/{{ payload.x }}/b`:    {`{"x":".."}`, `{"x":"."}`, `{"x":null}`, `{"x":""}`, `{}`, `{"x":{"a":1}}`, `{"x":[1]}`},
		`https://api.example.com/a/.{{ payload.x }}`:     {`{"x":"."}`},
		`https://api.example.com/a/%2e{{ payload.x }}?q`: {`{"x":"."}`},
		`https://api.example.com/a?x={{ payload.x }}`:    {`{"x":{"a":1}}`, `{"x":[]}`},
	} {
		for _, body := range bodies {
			r, err := target(t, "url: '"+url+"'").Build(t.Context(), Delivery{Env: env(t, body, nil)})
			if fault.Code(err) != CodeBadURL {
				t.Errorf("%s of %s: got %q, %v, want %s", url, body, r.URL, err, CodeBadURL)
			}
		}
	}
}

func TestHeadersAreThoseOfTheManifestAndOurs(t *testing.T) {
	t.Parallel()
	d := target(t, `
url: https://api.example.com
headers:
  Authorization: "Bearer <<env.TOKEN>>"
  X-Event: "{{ event.name }}-{{ payload.n }}"
  X-Number: 2
  X-Flag: true
  X-Missing: "{{ payload.missing }}"
  X-Empty: ""
  x-lower: a
  User-Agent: mine
  X-Literal: '\{{ x }}'
`)
	r := build(t, d, Delivery{Env: env(t, `{"n":1}`, nil), Message: "x", IdempotencyKey: "msg_1", Attempt: 3, First: time.Unix(1_600_000_000, 0), Traceparent: "00-a-b-01"})
	for name, want := range map[string]string{
		"Authorization": "Bearer " + token, "X-Event": "push-1", "X-Number": "2", "X-Flag": "true", "X-Empty": "", "X-Lower": "a", "User-Agent": "mine", "X-Literal": "{{ x }}",
		"Idempotency-Key": "msg_1", "Headgate-Attempt": "3", "Headgate-First-Attempt-At": "2020-09-13T12:26:40Z", "Traceparent": "00-a-b-01", "Content-Type": "text/plain; charset=utf-8",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if _, sent := r.Header["X-Missing"]; sent {
		t.Error("a header whose template gave null is sent")
	}
	if len(r.Header) != 13 {
		t.Errorf("got %d headers, want 13: %v", len(r.Header), r.Header)
	}

	own := build(t, target(t, "url: https://api.example.com\nheaders: {idempotency-key: '{{ payload.n }}'}"), Delivery{Env: env(t, `{"n":1}`, nil), IdempotencyKey: "msg_1"})
	if got := own.Header["Idempotency-Key"]; len(got) != 1 || got[0] != "1" {
		t.Errorf("got key %v, want the manifest's own", got)
	}
	bare := build(t, target(t, "url: https://api.example.com\nmethod: GET"), Delivery{})
	if len(bare.Header) != 0 {
		t.Errorf("got %v, want no headers", bare.Header)
	}
}

func TestAHeaderTakesNoLineFromAnEvent(t *testing.T) {
	t.Parallel()
	d := target(t, "url: https://api.example.com\nheaders: {X-A: '{{ payload.x }}'}")
	for _, body := range []string{`{"x":"a\r\nX-Evil: 1"}`, `{"x":"a\nb"}`, `{"x":"\u0000"}`, `{"x":[1]}`, `{"x":{}}`} {
		if r, err := d.Build(t.Context(), Delivery{Env: env(t, body, nil)}); fault.Code(err) != CodeBadHeader {
			t.Errorf("%s: got %v, %v, want %s", body, r.Header, err, CodeBadHeader)
		}
	}
	if got := build(t, d, Delivery{Env: env(t, `{"x":"line\n"}`, nil)}).Header.Get("X-A"); got != "line" {
		t.Errorf("got %q, want a newline at the end to be taken off", got)
	}
}

func TestTheRestOfTheRequestIsTheManifests(t *testing.T) {
	t.Parallel()
	d := target(t, "url: http://127.0.0.1:9000/x\nmethod: PATCH\ntimeout: 5\ninsecure: true\nconcurrency: 3")
	r := build(t, d, Delivery{})
	if r.Method != http.MethodPatch || r.Timeout != 5*time.Second || !r.Insecure || d.Concurrency() != 3 {
		t.Errorf("got %s, %v, insecure %v, concurrency %d", r.Method, r.Timeout, r.Insecure, d.Concurrency())
	}
	d = target(t, "url: https://x.example")
	if r = build(t, d, Delivery{}); r.Method != http.MethodPost || r.Timeout != 30*time.Second || r.Insecure || d.Concurrency() != 10 || d.Key != "target" || d.Gate != "target" {
		t.Errorf("defaults: got %s, %v, insecure %v, concurrency %d, key %q, gate %q", r.Method, r.Timeout, r.Insecure, d.Concurrency(), d.Key, d.Gate)
	}
}

func TestATemplateThatFailsFailsTheBuild(t *testing.T) {
	t.Parallel()
	for yaml, code := range map[string]string{
		"url: 'https://x.example/{{ payload.a + 1 }}'":                                     CodeBadURL,
		"url: https://x.example\nheaders: {X-A: '{{ payload.a + 1 }}'}":                    CodeBadHeader,
		"url: https://x.example\nbody: {a: '{{ payload.a + 1 }}'}":                         CodeBadBody,
		"url: https://x.example\nbody: 'x {{ payload.a + 1 }}'":                            CodeBadBody,
		"type: slack\nurl: <<env.SLACK_URL>>\nbody: '{\"text\": \"{{ payload.a + 1 }}\"}'": CodeBadBody,
	} {
		_, err := target(t, yaml).Build(t.Context(), Delivery{Env: env(t, `{"a":{}}`, nil)})
		if fault.Code(err) != code {
			t.Errorf("%s: got %v, want %s", yaml, err, code)
		}
	}
	_, err := target(t, "url: https://x.example").Build(t.Context(), Delivery{Message: make(chan int)})
	if fault.Code(err) != CodeBadBody {
		t.Errorf("got %v, want %s", err, CodeBadBody)
	}
}

func TestABuildThatIsCutShortSaysWhy(t *testing.T) {
	t.Parallel()
	stopping := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopping)
	d := target(t, "url: https://x.example\nbody: {a: '{{ payload.a }}'}")
	if _, err := d.Build(ctx, Delivery{Env: env(t, `{"a":1}`, nil)}); err != nil && !errors.Is(err, stopping) {
		t.Errorf("got %v, want none or the cause of the context", err)
	}
}

func TestRenderBodyGivesWhatBuildTakes(t *testing.T) {
	t.Parallel()
	d := target(t, "url: https://x.example\nbody: {t: '{{ payload.t }}'}")
	if !d.HasBody() || target(t, "url: https://x.example").HasBody() {
		t.Error("HasBody is wrong")
	}
	e := env(t, `{"t":"x"}`, nil)
	v, err := d.RenderBody(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	a, b := build(t, d, Delivery{Env: e}), build(t, d, Delivery{Env: env(t, `{}`, nil), Body: v, HasBody: true})
	if show(a) != show(b) {
		t.Errorf("got %s and %s, want the same", show(a), show(b))
	}
}

// FuzzBody holds that nothing in a payload changes the form of the JSON around it.
func FuzzBody(f *testing.F) {
	for _, s := range []string{`"`, `\`, "\n\r\t", "\u2028\u2029", "{{ payload }}", "}}", "<<env.TOKEN>>", "\x00", "\uf8ff0\uf8ff", "</script>", "é😀", "\xff", `","admin":true,"x":"`} {
		f.Add(s, int64(9007199254740993))
	}
	const head = "url: https://x.example\nheaders: {Content-Type: application/json}\n"
	maps := []*Destination{
		target(f, head+`body: {text: "{{ payload.title }}", n: "{{ payload.n }}", mixed: "a {{ payload.title }} b"}`),
		target(f, head+`body: '{"text": "{{ payload.title }}", "n": {{ payload.n }}, "mixed": "a {{ payload.title }} b"}'`),
	}
	deep := target(f, "url: https://x.example\nbody: {deep: [{a: '{{ Message }}'}]}")
	f.Fuzz(func(t *testing.T, s string, n int64) {
		s = strings.ToValidUTF8(s, "\uFFFD")
		encoded, err := payload.Encode(map[string]any{"title": s, "n": n})
		if err != nil {
			t.Fatal(err)
		}
		e := env(t, string(encoded), map[string]any{"Message": s})
		for _, d := range maps {
			r := build(t, d, Delivery{Env: e})
			v, err := payload.Decode(r.Body)
			if err != nil {
				t.Fatalf("%s: %v", r.Body, err)
			}
			if m, _ := v.(map[string]any); len(m) != 3 || m["text"] != s || m["n"] != n || m["mixed"] != "a "+s+" b" {
				t.Fatalf("%q, %d: got %s", s, n, r.Body)
			}
		}
		r := build(t, deep, Delivery{Env: e})
		if v, err := payload.Decode(r.Body); err != nil || v.(map[string]any)["deep"].([]any)[0].(map[string]any)["a"] != s {
			t.Fatalf("%q: got %s, %v", s, r.Body, err)
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	d := target(b, `
url: "https://api.example.com/repos/{{ payload.repo }}/events"
headers: {Authorization: "Bearer <<env.TOKEN>>"}
body: {text: "{{ payload.title }}", by: {login: "{{ payload.by }}", n: "{{ payload.n }}"}, note: "#{{ payload.n }} by {{ payload.by }}"}
`)
	in := Delivery{Env: env(b, `{"repo":"gate","title":"A title of ordinary length","by":"ada","n":42}`, nil), IdempotencyKey: "msg_1", Attempt: 1}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Build(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}
