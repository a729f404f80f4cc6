package destination

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/hooks"
)

// FuzzPresets reads any text as the file of a type, and sends a message by it.
func FuzzPresets(f *testing.F) {
	for _, name := range embedded().types() {
		data, err := fs.ReadFile(embedded().files, name+".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "hi")
	}
	f.Fuzz(func(t *testing.T, text, message string) {
		k, err := presets{fstest.MapFS{"x.yaml": &fstest.MapFile{Data: []byte(text)}}}.load(nil, "x")
		if err != nil {
			return
		}
		d := &Destination{kind: k, method: "POST", address: &address{parts: []part{{text: "https://x.example"}}}}
		for _, m := range []any{message, map[string]any{"text": message, "embeds": []any{map[string]any{"title": message}}}, nil, []any{message}} {
			r, err := d.Build(t.Context(), Delivery{Message: m, IdempotencyKey: "msg_1"})
			for _, l := range k.limits {
				if err == nil && k.message != nil && l.bytes > 0 && len(r.Body) > l.bytes {
					t.Fatalf("%s: %d bytes, want at most %d", text, len(r.Body), l.bytes)
				}
			}
			_ = d.Judge(hooks.Attempt{Status: 200, Body: []byte(message)}, nil)
		}
	})
}

// FuzzSign compiles any rule, and signs any body by it.
func FuzzSign(f *testing.F) {
	f.Add("algorithm: hmac-sha256, header: X-Sig", "{}")
	f.Add("use: standard-webhooks", "x")
	f.Add("algorithm: hmac-sha1, header: X-Sig, split: ',', prefix: 'v1=', signed: '{ts}{json:a}', timestamp: {from: 'sig:t='}", `{"a":1}`)
	f.Add("algorithm: digest-sha256, header: X-Sig, signed: '{secret}{form:a}', key: hex, strip: [a, b]", "a=1")
	f.Add("use: core, headers: {X-A: '{{ delivery.id }}'}", "")
	f.Fuzz(func(t *testing.T, rule, body string) {
		if strings.ContainsAny(rule, "\n\r") || !strings.Contains(rule, ":") {
			return
		}
		text := "kind: destination\nname: target\nurl: https://x.example/a?b=c\nsecrets: [<<env.WHSEC>>, <<env.WHSEC_OLD>>]\nsign: {" + rule + "}"
		bundle, out := manifest.Load(t.Context(), manifest.Options{Files: []*source.File{source.NewFile("d.yaml", []byte(text))}, Env: keyring})
		doc := bundle.Find(manifest.Destination, "target")
		if doc == nil || out.HasErrors() {
			return
		}
		d := Compile(doc, script.Scope{}, out, Options{})
		if (d == nil) != out.HasErrors() {
			t.Fatalf("%s: %v", rule, out.Sorted())
		}
		if d == nil {
			return
		}
		r, err := d.Build(t.Context(), Delivery{Body: body, HasBody: true, IdempotencyKey: "msg_1"})
		if err == nil && d.sign != nil && r.Header.Get(d.sign.header) == "" {
			t.Fatalf("%s: sent without a signature: %v", rule, r.Header)
		}
		if string(r.Body) != body && err == nil {
			t.Fatalf("%s: the body became %s", rule, r.Body)
		}
	})
}
