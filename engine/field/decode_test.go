package field_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// thing describes one field of every type.
func thing() *field.Object {
	inner := &field.Object{Name: "retry", Doc: "How often.", Fields: []field.Field{
		{Name: "max", Type: field.Int, Required: true, Min: 1, Max: 10, Doc: "Attempts.", Example: "3"},
		{Name: "wait", Type: field.Duration, Default: "5s"},
	}, Hints: map[string]string{"retries": "write `max`"}}
	return &field.Object{Name: "thing", Doc: "A thing.", Fields: []field.Field{
		{Name: "name", Type: field.String},
		{Name: "on", Type: field.Bool, Default: "true"},
		{Name: "count", Type: field.Int, Min: 1, Max: 5, Default: "2"},
		{Name: "ratio", Type: field.Number, Max: 1},
		{Name: "timeout", Type: field.Duration, Min: int64(time.Second), Max: int64(time.Minute), Default: "30s"},
		{Name: "size", Type: field.Size, Max: 1 << 20},
		{Name: "mode", Type: field.Enum, Enum: []string{"pass", "reject"}, Default: "pass"},
		{Name: "url", Type: field.Text},
		{Name: "secret", Type: field.Text, Secret: true},
		{Name: "secrets", Type: field.Texts, Secret: true, Max: 2},
		{Name: "ignore", Type: field.Strings},
		{Name: "labels", Type: field.StringMap},
		{Name: "headers", Type: field.TextMap},
		{Name: "retry", Type: field.Map, Object: inner},
		{Name: "steps", Type: field.Objects, Object: inner, Max: 2},
		{Name: "rule", Type: field.Objects, Object: inner, Single: true},
		{Name: "any", Type: field.Any, Object: inner},
		{Name: "filter", Type: field.Expression},
		{Name: "body", Type: field.Template},
	}, Hints: map[string]string{"webhook_events": "write `events`"}}
}

// decode parses a document, resolves its references and decodes it.
func decode(t *testing.T, text string) (*field.Values, *diag.List) {
	t.Helper()
	docs, problems := source.ParseYAML(source.NewFile("f.yaml", []byte(text)))
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("%q: got %d documents and %v", text, len(docs), problems)
	}
	env := map[string]string{"KEY": "k3y-k3y", "EMPTY": "", "N": "4", "MODE": "reject", "BAD": "xyzzy"}
	resolver := secret.NewResolver(secret.ResolverOptions{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }, Dev: true})
	resolve(resolver, docs[0])
	out := &diag.List{}
	return thing().Decode(docs[0], out), out
}

func resolve(r *secret.Resolver, n *source.Node) {
	for _, e := range n.Entries {
		resolve(r, e.Value)
	}
	for _, item := range n.Items {
		resolve(r, item)
	}
	if n.Kind == source.String {
		text, _ := r.Resolve(n.Text, "")
		n.Value = &text
	}
}

func TestEveryTypeDecodes(t *testing.T) {
	t.Parallel()
	v, out := decode(t, strings.Join([]string{
		"name: 12", "on: false", "count: 0x3", "ratio: 0.5", "timeout: 1m", "size: 64KiB", "mode: reject",
		"url: https://a/<<env.KEY>>", "secret: <<env.KEY>>", "secrets: [<<env.KEY>>, 'x <<env.KEY>>']", "ignore: [ping, 7]",
		"labels: {team: a, urgent: true, tier: 1}", "headers: {Authorization: Bearer <<env.KEY>>}",
		"retry: {max: 3}", "steps: [{max: 1, wait: 2}, {max: 2}]", "rule: {max: 9}", "any: [1]",
		"filter: a == '#1'", "body: '{{ x }} # {{ y }}'",
	}, "\n"))
	if out.Len() > 0 {
		t.Fatalf("got %v, want no findings", out.Sorted())
	}
	rows := []struct{ name, got, want string }{
		{"name", v.String("name"), "12"},
		{"on", fmt.Sprint(v.Bool("on")), "false"},
		{"count", fmt.Sprint(v.Int("count")), "3"},
		{"ratio", fmt.Sprint(v.Number("ratio")), "0.5"},
		{"timeout", v.Duration("timeout").String(), "1m0s"},
		{"size", fmt.Sprint(v.Size("size")), "65536"},
		{"mode", v.String("mode"), "reject"},
		{"url, shown", v.Text("url").String(), "https://a/<<env.KEY>>"},
		{"url, revealed", v.Text("url").Reveal(), "https://a/k3y-k3y"},
		{"secret", v.Text("secret").Reveal(), "k3y-k3y"},
		{"secrets", v.Texts("secrets")[1].Reveal(), "x k3y-k3y"},
		{"ignore", strings.Join(v.Strings("ignore"), ","), "ping,7"},
		{"labels", fmt.Sprint(v.StringMap("labels")), "map[team:a tier:1 urgent:true]"},
		{"headers", v.TextMap("headers")["Authorization"].Reveal(), "Bearer k3y-k3y"},
		{"retry.max", fmt.Sprint(v.Object("retry").Int("max")), "3"},
		{"retry.wait", v.Object("retry").Duration("wait").String(), "5s"},
		{"steps", fmt.Sprint(len(v.Objects("steps")), v.Objects("steps")[0].Duration("wait")), "2 2s"},
		{"steps, path", v.Objects("steps")[1].Path("max"), "steps[1].max"},
		{"rule", fmt.Sprint(v.Objects("rule")[0].Int("max")), "9"},
		{"any", fmt.Sprint(v.Node("any").Kind), "list"},
		{"filter", v.String("filter"), "a == '#1'"},
		{"body", v.String("body"), "{{ x }} # {{ y }}"},
		{"span", v.Span("count").String(), "f.yaml:3:8"},
		{"key span", v.KeySpan("count").String(), "f.yaml:3:1"},
	}
	for _, r := range rows {
		if r.got != r.want {
			t.Errorf("%s: got %q, want %q", r.name, r.got, r.want)
		}
	}
}

func TestAbsentFieldsHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	v, out := decode(t, "name: a")
	if out.Len() > 0 {
		t.Fatalf("got %v, want no findings", out.Sorted())
	}
	if !v.Bool("on") || v.Int("count") != 2 || v.Duration("timeout") != 30*time.Second || v.String("mode") != "pass" {
		t.Errorf("got %v %v %v %v, want true 2 30s pass", v.Bool("on"), v.Int("count"), v.Duration("timeout"), v.String("mode"))
	}
	if v.Has("on") || !v.Has("name") || v.Object("retry") != nil || v.Strings("ignore") != nil || v.Node("url") != nil {
		t.Error("absent fields are there")
	}
	if got, want := v.Span("on").String(), "f.yaml:1:1"; got != want {
		t.Errorf("the place of an absent field: got %s, want that of the map %s", got, want)
	}
}

func TestWrongFieldsAreFound(t *testing.T) {
	t.Parallel()
	rows := []struct{ text, want string }{
		{"nmae: a", "1:1 unknown-key: unknown key `nmae`; did you mean `name`?"},
		{"webhook_events: []", "1:1 unknown-key: unknown key `webhook_events`; write `events`"},
		{"retry: {mx: 1}", "1:9 unknown-key: unknown key `mx` in `retry`; did you mean `max`?"},
		{"retry: {retires: 2}", "1:9 unknown-key: unknown key `retires` in `retry`; write `max`"},
		{"retry: {max: 1, retries: 2}", "1:17 unknown-key: unknown key `retries` in `retry`; write `max`"},
		{"retry: {wait: 1}", "1:8 missing-key: the key `max` is missing in `retry`; for example `max: 3`"},
		{"steps:\n  - wait: 1", "2:5 missing-key: the key `max` is missing in `steps[0]`; for example `max: 3`"},
		{"name: [a]", "1:7 wrong-type: `name` takes a string, not a list"},
		{"name: true", "1:7 wrong-type: `name` takes a string, not a boolean; quote it: \"true\""},
		{"name:", "1:6 wrong-type: `name` has no value; it takes a string; leave the key out where it is not needed"},
		{"name: #general", "1:7 yaml-comment: `name` is empty: YAML takes `#general` for a comment; quote it: \"#general\""},
		{"on: 1", "1:5 wrong-type: `on` takes true or false, not an integer"},
		{"on: 'true'", "1:5 wrong-type: `on` takes true or false, not a string; write it without quotes"},
		{"count: '3'", "1:8 wrong-type: `count` takes an integer, not a string; write it without quotes"},
		{"count: three", "1:8 wrong-type: `count` takes an integer, not a string"},
		{"count: 6", "1:8 bad-value: `count` cannot be `6`; it takes 1 to 5"},
		{"count: 0", "1:8 bad-value: `count` cannot be `0`; it takes 1 to 5"},
		{"count: 1.5", "1:8 wrong-type: `count` takes an integer, not a number"},
		{"count: <<env.BAD>>", "1:8 bad-value: `count` cannot be `<<env.BAD>>`; write an integer"},
		{"ratio: 2", "1:8 bad-value: `ratio` cannot be `2`; it takes 0 to 1"},
		{"timeout: 5 minutes", "1:10 bad-value: `timeout` cannot be `5 minutes`; write a duration such as 30s, 1h5m or 3d; a bare number is seconds"},
		{"timeout: 2m", "1:10 bad-value: `timeout` cannot be `2m`; it takes 1s to 1m"},
		{"size: 2MiB", "1:7 bad-value: `size` cannot be `2MiB`; it takes 0 to 1MiB"},
		{"size: 5MB", "1:7 bad-value: `size` cannot be `5MB`; write MiB: sizes are powers of 1024"},
		{"mode: rejct", "1:7 bad-value: `mode` cannot be `rejct`; did you mean `reject`?"},
		{"mode: <<env.BAD>>", "1:7 bad-value: `mode` cannot be `<<env.BAD>>`; it takes one of `pass`, `reject`"},
		{"secret: abc", "1:9 literal-secret: the secret `secret` is written into the manifest; write a reference such as `<<env.NAME>>`, and set that variable"},
		{"secret: ''", "1:9 empty-secret: the secret `secret` is empty"},
		{"secret: <<env.EMPTY>>", "1:9 empty-secret: the secret `secret` is empty"},
		{"secret: <<env.KEY:-abc>>", "1:9 default-secret: the secret `secret` has a default that everybody who reads the manifest knows; leave the default out, so that an unset variable is an error"},
		{"secrets: [<<env.KEY>>, abc]", "1:24 literal-secret: the secret `secrets[1]` is written into the manifest; write a reference such as `<<env.NAME>>`, and set that variable"},
		{"secrets: [<<env.KEY>>, <<env.KEY>>, <<env.KEY>>]", "1:10 bad-value: `secrets` cannot be `3 entries`; it takes 0 to 2 entries"},
		{"ignore: [[a]]", "1:10 wrong-type: `ignore[0]` takes a string, not a list"},
		{"ignore: {a: b}", "1:9 wrong-type: `ignore` takes a string or a list of strings, not a map"},
		{"ignore: ['']", "1:10 bad-value: `ignore[0]` is empty"},
		{"labels: [a]", "1:9 wrong-type: `labels` takes a map of strings, not a list"},
		{"headers: {A: [b]}", "1:14 wrong-type: `headers.A` takes a string, not a list"},
		{"retry: 3", "1:8 wrong-type: `retry` takes a map, not an integer"},
		{"steps: {max: 1}", "1:8 wrong-type: `steps` takes a list of maps, not a map"},
		{"steps: [3]", "1:9 wrong-type: `steps[0]` takes a map, not an integer"},
		{"filter: a == <<env.KEY>>", "1:9 reference-not-allowed: `filter` cannot hold the reference `<<env.KEY>>`"},
		{"body: a <<env.KEY>>", "1:7 reference-not-allowed: `body` cannot hold the reference `<<env.KEY>>`"},
		{`filter: a == "x #1"`, "1:17 yaml-comment: YAML takes the rest of `filter` for a comment; quote it: 'a == \"x #1\"'"},
		{"filter: f(a #1)", "1:13 yaml-comment: YAML takes the rest of `filter` for a comment; quote it: \"f(a #1)\""},
		{"filter: a #1", "1:11 yaml-comment: YAML takes `#1` behind `filter` for a comment; quote the value, or put a blank behind the `#` of a comment"},
		{"body: Build #{{ x }}", "1:13 yaml-comment: YAML takes the rest of `body` for a comment; quote it: \"Build #{{ x }}\""},
	}
	for _, r := range rows {
		t.Run(r.text, func(t *testing.T) {
			t.Parallel()
			_, out := decode(t, r.text)
			if out.Len() != 1 {
				t.Fatalf("got %d findings, want 1: %v", out.Len(), out.Sorted())
			}
			f := out.Sorted()[0]
			got := fmt.Sprintf("%d:%d %s: %s", f.Span.Start.Line, f.Span.Start.Col, f.Rule, f.Message)
			if f.Hint != "" {
				got += "; " + f.Hint
			}
			if got != r.want {
				t.Errorf("\ngot  %s\nwant %s", got, r.want)
			}
		})
	}
}

func TestAFieldOfWhichAFindingSpeaksIsNotGood(t *testing.T) {
	t.Parallel()
	v, _ := decode(t, "name: a\nmode: pas\ncuont: 3\nretry: {retires: 2}\nfilter: 'a == 1'\ntimeout: 45")
	for name, want := range map[string]bool{"name": true, "mode": false, "count": false, "filter": true, "timeout": true, "url": true} {
		if got := v.Good(name); got != want {
			t.Errorf("%s: got %t, want %t", name, got, want)
		}
	}
	if got := v.Object("retry").Good("max"); got {
		t.Error("retry.max is good, although a key is its misspelling")
	}
}

func TestARefusedValueIsNoSecondFinding(t *testing.T) {
	t.Parallel()
	docs, _ := source.ParseYAML(source.NewFile("f.yaml", []byte("mode: nonsense\nretry: 7\n")))
	for _, e := range docs[0].Entries {
		e.Value.Refused = true
	}
	var out diag.List
	v := thing().Decode(docs[0], &out)
	if out.Len() > 0 {
		t.Errorf("got %v, want no findings", out.Sorted())
	}
	if v.Good("mode") || v.Good("retry") || v.String("mode") != "pass" {
		t.Errorf("got %t, %t, %q, want neither to be good, and the default", v.Good("mode"), v.Good("retry"), v.String("mode"))
	}
}

func TestHarmlessFieldsAreLeftInPeace(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"filter: a == 1 # why", "filter: true", "filter: 'a == \"x #1\"'", "secret: <<env.UNSET:-dev-secret>>", "count: <<env.N>>",
		"mode: <<env.MODE>>", "timeout: 45", "any: ~", "body: it's fine # yes", "filter: a ## b",
	} {
		if _, out := decode(t, text); out.Len() > 0 {
			t.Errorf("%s: got %v, want no findings", text, out.Sorted())
		}
	}
}

func TestPlaceholdersStandForEveryType(t *testing.T) {
	t.Parallel()
	docs, _ := source.ParseYAML(source.NewFile("f.yaml", []byte("count: <<env.A>>\non: <<env.B>>\nmode: <<env.C>>\nsecret: <<env.D>>\ntimeout: <<env.E>>\n")))
	resolve(secret.NewResolver(secret.ResolverOptions{Placeholders: true}), docs[0])
	var out diag.List
	v := thing().Decode(docs[0], &out)
	if out.Len() > 0 {
		t.Fatalf("got %v, want no findings", out.Sorted())
	}
	if v.Int("count") != 2 || !v.Bool("on") || v.String("mode") != "pass" || v.Text("secret").Reveal() == "" {
		t.Error("typed fields have no defaults under placeholders")
	}
}

func TestADocumentThatIsNoMapIsFoundOnce(t *testing.T) {
	t.Parallel()
	docs, _ := source.ParseYAML(source.NewFile("f.yaml", []byte("[a]")))
	var out diag.List
	v := thing().Decode(docs[0], &out)
	if out.Len() != 1 || v == nil || v.String("mode") != "pass" {
		t.Errorf("got %v and %v, want one finding and the defaults", out.Sorted(), v)
	}
}

func TestAskingForAnUnknownFieldPanics(t *testing.T) {
	t.Parallel()
	v, _ := decode(t, "name: a")
	for name, ask := range map[string]func(){
		"an unknown name": func() { v.String("nope") },
		"another type":    func() { v.Int("name") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: got no panic", name)
				}
			}()
			ask()
		}()
	}
}

func TestTheEditorSchemaSaysWhatIsDecoded(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if err := enc.Encode(thing().JSONSchema()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"additionalProperties":false`, `"required":["max"]`, `"enum":["pass","reject"]`, `"maximum":5`, `"minimum":1`, `"default":"30s"`,
		`"default":2`, `"default":true`, `"maxItems":2`, `"description":"A thing."`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the schema has no %s:\n%s", want, b.String())
		}
	}
}

func TestTheManualHasATableForEachMap(t *testing.T) {
	t.Parallel()
	got := thing().Markdown()
	for _, want := range []string{
		"| `count` | an integer; 1 to 5 | `2` |  |", "| `timeout` | a duration such as 30s or 1h5m; 1s to 1m | `30s` |  |",
		"\n### `retry`\n", "| `max` * | an integer; 1 to 10 |  | Attempts. Example: `3` |", "| `mode` | one of `pass`, `reject` | `pass` |  |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page has no %q:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "### "); n != 1 {
		t.Errorf("got %d tables of inner maps, want 1: a map that is used again is described once", n)
	}
}
