package destination

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/hooks"
)

func TestEveryTypeIsAFileThatCompiles(t *testing.T) {
	t.Parallel()
	types := Types()
	if len(types) < 8 || types[0].Name != plainType {
		t.Fatalf("got %v, want http first", types)
	}
	for _, named := range types {
		if named.Doc == "" {
			t.Errorf("%s says nothing of itself", named.Name)
		}
		if _, err := embedded().load(nil, named.Name); err != nil {
			t.Errorf("%s: %v", named.Name, err)
		}
	}
	shared := script.NewShared()
	one, _ := embedded().load(shared, "slack")
	if two, _ := embedded().load(shared, "slack"); one != two {
		t.Error("a type is compiled twice in one load")
	}
}

// withFiles gives the embedded presets and some more.
func withFiles(t *testing.T, files map[string]string) *presets {
	t.Helper()
	all := fstest.MapFS{}
	entries, err := fs.ReadDir(embedded().files, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := fs.ReadFile(embedded().files, e.Name())
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = &fstest.MapFile{Data: data}
	}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return &presets{all}
}

// TestANewTypeIsOneFile makes a type that the binary does not have out of a file alone.
func TestANewTypeIsOneFile(t *testing.T) {
	t.Parallel()
	p := withFiles(t, map[string]string{"pager.yaml": `
doc: A pager of this test.
url: {default: "https://pager.example/v1", known: [pager.example/hooks/]}
secret: key
headers: {X-Event: "{{ event.name }}"}
content_type: application/vnd.pager+json
message:
  make: {of: text, as: {note: "{{ message }}"}}
  needs: [note]
  defaults: {level: 1, id: "{{ delivery.id }}"}
limits:
  - {at: note, runes: 5}
answer: {success: [2xx, "409"], texts: [queued], member: done, reason: why, temporary: [busy]}
retry_after: {member: wait, unit: ms, status: ["429"]}
rate_limit: 30/m
`})
	compileIt := func(yaml string) *Destination {
		t.Helper()
		doc, out := document(t, yaml, manifest.Options{Env: keyring})
		d := Compile(doc, script.Scope{}, out, Options{presets: p})
		if d == nil {
			t.Fatalf("%s\n%v", yaml, out.Sorted())
		}
		return d
	}
	d := compileIt("type: pager\nsecret: <<env.PLAIN>>")
	r := build(t, d, Delivery{Env: env(t, "{}", nil), Message: "too long", IdempotencyKey: "msg_1"})
	if got, want := show(r)+"|"+r.Header.Get("X-Event"), `POST https://pager.example/v1|application/vnd.pager+json|{"id":"msg_1","key":"`+plainSecret+`","level":1,"note":"too …"}|push`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if rate, burst, ok := d.Rate(); rate != 0.5 || burst != 30 || !ok || d.Kind() != "pager" {
		t.Errorf("got %v a second, %d at once, %v, type %s", rate, burst, ok, d.Kind())
	}
	for body, want := range map[string]run.AttemptOutcome{
		"queued": run.AttemptOK, "": run.AttemptOK, `{"done":true}`: run.AttemptOK, "who?": run.AttemptUnknown,
		`{"done":false}`: run.AttemptPermanent, `{"done":false,"why":"busy"}`: run.AttemptTemporary,
	} {
		if v := d.Judge(hooks.Attempt{Status: 200, Body: []byte(body)}, nil); v.Outcome != want {
			t.Errorf("%q: got %s, want %s", body, v.Outcome, want)
		}
	}
	conflict := &hooks.Error{Class: hooks.Permanent, Code: "http_409", Status: 409}
	if v := d.Judge(hooks.Attempt{Status: 409}, conflict); v.Outcome != run.AttemptOK || v.Code != "" {
		t.Errorf("409: got %s %q, want a success", v.Outcome, v.Code)
	}
	busy := &hooks.Error{Class: hooks.Temporary, Code: "http_429", Status: 429}
	if v := d.Judge(hooks.Attempt{Status: 429, Body: []byte(`{"wait": 1500}`)}, busy); v.RetryAfter.Milliseconds() != 1500 {
		t.Errorf("got %v, want 1.5s", v.RetryAfter)
	}
	if got := compileIt("url: https://x.example"); got.Kind() != plainType {
		t.Errorf("got %s", got.Kind())
	}

	doc, out := document(t, "url: https://pager.example/hooks/x", manifest.Options{})
	if Compile(doc, script.Scope{}, out, Options{presets: p}); !strings.Contains(out.Sorted()[0].String(), "error[literal-secret]: whoever knows a pager webhook's URL") {
		t.Errorf("got %v, want that its URL is a secret", out.Sorted())
	}
}

func TestABrokenPresetSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"doc: [":                                      "reading a preset",
		"doc: x\n---\ndoc: y":                         "is not one map",
		"doc: x\nmesage: {}":                          "unknown key `mesage`",
		"doc: x\nlimits: [{at: a}]":                   "a limit is `bytes` alone",
		"doc: x\nlimits: [{at: a, bytes: 1KiB}]":      "a limit is `bytes` alone",
		"doc: x\nlimits: [{total: [a], items: 3}]":    "a limit is `bytes` alone",
		"doc: x\nanswer: {success: [ok]}":             "`ok` is no status",
		"doc: x\nanswer: {success: ['204-200']}":      "`204-200` is no status",
		"doc: x\nrate_limit: often":                   "`rate_limit` is no rate",
		"doc: x\nsecret: key":                         "there is no `message`",
		"doc: x\nmessage: {make: {of: text}}":         "only a map can stay as it is",
		"doc: x\nheaders: {X-A: '{{ nope }}'}":        "nope",
		"doc: x\nmessage: {defaults: {a: '{{ b }}'}}": "unknown name",
	} {
		_, err := withFiles(t, map[string]string{"broken.yaml": text}).load(nil, "broken")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	doc, out := document(t, "type: broken\nurl: https://x.example", manifest.Options{})
	if d := Compile(doc, script.Scope{}, out, Options{presets: withFiles(t, map[string]string{"broken.yaml": "doc: ["})}); d != nil || out.Count(diag.Error) != 1 {
		t.Errorf("got %v, %v, want one error", d, out.Sorted())
	}
}

// messages of every type, in the order: yaml behind the type, what the node before gave, what is sent or the code of the failure.
func TestMessagesOfEveryTypeAreWhatItsReceiverDocuments(t *testing.T) {
	t.Parallel()
	const card = `{"attachments":[{"content":{"$schema":"http://adaptivecards.io/schemas/adaptive-card.json","body":[{"text":"hi","type":"TextBlock","wrap":true}],"type":"AdaptiveCard","version":"1.4"},"contentType":"application/vnd.microsoft.card.adaptive"}],"type":"message"}`
	m := func(pairs ...any) map[string]any {
		out := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i].(string)] = pairs[i+1]
		}
		return out
	}
	pager := func(rest string) string { return `{` + rest + `,"routing_key":"` + plainSecret + `"}` }
	for _, c := range []struct {
		yaml    string
		message any
		want    string
	}{
		{"type: teams", "hi", card},
		{"type: teams", m("type", "AdaptiveCard", "body", []any{"x"}), `{"attachments":[{"content":{"body":["x"],"type":"AdaptiveCard"},"contentType":"application/vnd.microsoft.card.adaptive"}],"type":"message"}`},
		{"type: teams", m("attachments", []any{"x"}), `{"attachments":["x"],"type":"message"}`},
		{"type: teams", m("text", "x"), CodeBadMessage},
		{"type: teams", strings.Repeat("x", 29<<10), CodeBadMessage},
		{"type: teams", nil, CodeBadMessage},

		{"type: pagerduty\nsecret: <<env.PLAIN>>", "disk full", pager(`"dedup_key":"msg_1","event_action":"trigger","payload":{"severity":"error","source":"acme","summary":"disk full"}`)},
		{"type: pagerduty\nsecret: <<env.PLAIN>>", m("summary", "s", "severity", "info", "source", "db1"), pager(`"dedup_key":"msg_1","event_action":"trigger","payload":{"severity":"info","source":"db1","summary":"s"}`)},
		{"type: pagerduty\nsecret: <<env.PLAIN>>", m("event_action", "resolve", "dedup_key", "k"), pager(`"dedup_key":"k","event_action":"resolve"`)},
		{"type: pagerduty\nsecret: <<env.PLAIN>>", m("dedup_key", strings.Repeat("k", 256)), CodeBadMessage},
		{"type: pagerduty\nsecret: <<env.PLAIN>>", m("x", "y"), CodeBadMessage},
		{"type: pagerduty\nsecret: <<env.PLAIN>>", m("summary", "s", "custom_details", strings.Repeat("x", 513<<10)), CodeBadMessage},
		{"type: pagerduty\nsecret: <<env.PLAIN>>", strings.Repeat("é", 1025), pager(`"dedup_key":"msg_1","event_action":"trigger","payload":{"severity":"error","source":"acme","summary":"` + strings.Repeat("é", 1023) + `…"}`)},

		{"type: cloudevents", m("a", int64(1)), `{"data":{"a":1},"datacontenttype":"application/json","id":"msg_1","source":"/headgate/acme","specversion":"1.0","time":"2026-02-28T00:00:00Z","type":"push"}`},
		{"type: cloudevents", "text", `{"data":"text","datacontenttype":"text/plain","id":"msg_1","source":"/headgate/acme","specversion":"1.0","time":"2026-02-28T00:00:00Z","type":"push"}`},
		{"type: cloudevents", int64(5), `{"data":5,"datacontenttype":"application/json","id":"msg_1","source":"/headgate/acme","specversion":"1.0","time":"2026-02-28T00:00:00Z","type":"push"}`},
		{"type: cloudevents", []any{int64(1)}, `{"data":[1],"datacontenttype":"application/json","id":"msg_1","source":"/headgate/acme","specversion":"1.0","time":"2026-02-28T00:00:00Z","type":"push"}`},
		{"type: cloudevents", m("specversion", "1.0", "type", "t", "source", "s", "id", "i", "time", "x"), `{"id":"i","source":"s","specversion":"1.0","time":"x","type":"t"}`},

		{"type: cloudevents-binary", m("a", int64(1)), `{"a":1}`},

		{"type: standard-webhooks\nsecret: <<env.WHSEC>>", m("a", int64(1)), `{"data":{"a":1},"timestamp":"2026-02-28T00:00:00Z","type":"push"}`},
		{"type: standard-webhooks\nsecret: <<env.WHSEC>>", nil, `{"data":null,"timestamp":"2026-02-28T00:00:00Z","type":"push"}`},
		{"type: standard-webhooks\nsecret: <<env.WHSEC>>", m("type", "t", "data", m("x", "y"), "timestamp", "then"), `{"data":{"x":"y"},"timestamp":"then","type":"t"}`},
		{"type: standard-webhooks\nsign: none", "x", `{"data":"x","timestamp":"2026-02-28T00:00:00Z","type":"push"}`},
	} {
		yaml := c.yaml
		if !strings.Contains(yaml, "pagerduty") {
			yaml += "\nurl: <<env.URL>>"
		}
		doc, out := document(t, yaml, manifest.Options{Env: keyring})
		d := Compile(doc, script.Scope{}, out, Options{})
		if d == nil || out.Len() > 0 {
			t.Fatalf("%s: %v", yaml, out.Sorted())
		}
		e := env(t, "{}", nil)
		e.Event["received"] = "2026-02-28T00:00:00Z"
		r, err := d.Build(t.Context(), Delivery{Env: e, Message: c.message, IdempotencyKey: "msg_1"})
		got := string(r.Body)
		if err != nil {
			got = fault.Code(err)
		}
		if got != c.want {
			t.Errorf("%s of %.80v\ngot  %.400s (%v)\nwant %.400s", c.yaml, c.message, got, err, c.want)
		}
	}
}

func TestCloudEventsSayWhatTheyAreInTheirHeaders(t *testing.T) {
	t.Parallel()
	e := env(t, "{}", nil)
	e.Event["received"] = "2026-02-28T00:00:00Z"
	structured := build(t, target(t, "type: cloudevents\nurl: https://x.example"), Delivery{Env: e, Message: "x"})
	if got := structured.Header.Get("Content-Type"); got != "application/cloudevents+json" {
		t.Errorf("structured: got %q", got)
	}
	binary := build(t, target(t, "type: cloudevents-binary\nurl: https://x.example\nheaders: {ce-source: /mine}"), Delivery{Env: e, Raw: []byte("<a/>"), RawType: "text/xml", IdempotencyKey: "msg_1"})
	for name, want := range map[string]string{
		"Ce-Specversion": "1.0", "Ce-Id": "msg_1", "Ce-Type": "push", "Ce-Source": "/mine", "Ce-Time": "2026-02-28T00:00:00Z", "Content-Type": "text/xml",
	} {
		if got := binary.Header.Get(name); got != want {
			t.Errorf("binary: %s: got %q, want %q", name, got, want)
		}
	}
	if string(binary.Body) != "<a/>" {
		t.Errorf("binary: got body %s", binary.Body)
	}
}

func TestPagerDutyWantsA202(t *testing.T) {
	t.Parallel()
	doc, out := document(t, "type: pagerduty\nsecret: <<env.PLAIN>>", manifest.Options{Env: keyring})
	d := Compile(doc, script.Scope{}, out, Options{})
	if d == nil || d.Line() != "POST https://events.pagerduty.com/v2/enqueue" {
		t.Fatalf("got %v, %v", d, out.Sorted())
	}
	for status, want := range map[int]run.AttemptOutcome{202: run.AttemptOK, 200: run.AttemptUnknown} {
		if v := d.Judge(hooks.Attempt{Status: status, Body: []byte(`{"status":"success"}`)}, nil); v.Outcome != want {
			t.Errorf("%d: got %s, want %s", status, v.Outcome, want)
		}
	}
	echo := d.Judge(hooks.Attempt{Status: 202, Body: []byte(`{"routing_key":"` + plainSecret + `"}`)}, nil)
	if strings.Contains(echo.Answer, "canary") {
		t.Errorf("the answer keeps the secret: %s", echo.Answer)
	}
}
