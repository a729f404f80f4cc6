package destination

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/hooks"
)

// The secrets of the tests' environment.
const (
	slackURL = "https://hooks.slack.com/services/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"
	token    = "canary-token-0123456789"
)

func environment(name string) (string, bool) {
	v, ok := map[string]string{
		"SLACK_URL": slackURL, "TOKEN": token, "HOST": "canaryhost.example.com", "BAD_URL": "ftp://canary.example.com/x", "BRACES": "a{{b}}c<<d>>",
		"PASSWORD": "canary%20p%40ss", "HTTP_URL": "http://canary.example.com/hooks/canarypath", "NEWLINE": "canary\r\nX-Evil: 1",
	}[name]
	return v, ok
}

// document loads one document of kind destination from YAML without its kind and name.
func document(t testing.TB, yaml string, o manifest.Options) (*manifest.Document, *diag.List) {
	t.Helper()
	o.Files = []*source.File{source.NewFile("d.yaml", []byte("kind: destination\nname: target\n"+yaml))}
	if o.Env == nil {
		o.Env = environment
	}
	bundle, out := manifest.Load(t.Context(), o)
	doc := bundle.Find(manifest.Destination, "target")
	if doc == nil {
		t.Fatalf("no document in\n%s\n%v", yaml, out.Sorted())
	}
	return doc, out
}

// findings compiles a destination and gives what is wrong with it, a line each, without file and line.
func findings(t testing.TB, yaml string, o Options) (*Destination, []string) {
	t.Helper()
	doc, out := document(t, yaml, manifest.Options{Dev: o.Dev})
	loaded := out.Count(diag.Error)
	d := Compile(doc, script.Scope{Labels: []string{"Message", "Is big"}}, out, o)
	lines := make([]string, 0, out.Len())
	for _, f := range out.Sorted() {
		lines = append(lines, f.String())
	}
	if (out.Count(diag.Error) > loaded) != (d == nil) {
		t.Errorf("%s\nerrors = %v, but the destination is %v", yaml, lines, d != nil)
	}
	return d, lines
}

// target compiles a destination that must be free of errors.
func target(t testing.TB, yaml string) *Destination {
	t.Helper()
	d, lines := findings(t, yaml, Options{Dev: true})
	if d == nil {
		t.Fatalf("%s\n%s", yaml, strings.Join(lines, "\n"))
	}
	return d
}

// env is an event's names: a payload of JSON, and outputs by label.
func env(t testing.TB, body string, outputs map[string]any) *script.Env {
	t.Helper()
	v, err := payload.Decode([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return &script.Env{
		Event: map[string]any{"name": "push", "provider": "acme"}, Payload: v, Headers: map[string]any{}, Query: map[string]any{}, Vars: map[string]any{},
		Run: map[string]any{"id": "r1"}, Now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Outputs: outputs,
	}
}

func build(t testing.TB, d *Destination, in Delivery) hooks.Request {
	t.Helper()
	r, err := d.Build(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// show writes a request's parts for comparison.
func show(r hooks.Request) string {
	return fmt.Sprintf("%s %s|%s|%s", r.Method, r.URL, r.Header.Get("Content-Type"), r.Body)
}
