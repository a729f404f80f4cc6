package starlark

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script/language"
)

// pullRequest gives a body of about 10 KB in the shape of a real pull request delivery.
func pullRequest() string {
	urls := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"resource%d_url":"https://api.acme.example/repos/octo/hello-world/resource%d{/sha}"`, i, i)
		}
		return b.String()
	}
	return `{"action":"opened","pull_request":{"draft":false,"changed_files":25,"user":{"login":"octocat"` + urls(24) + `}},"repository":{"id":1` + urls(80) + `}}`
}

func BenchmarkCall(b *testing.B) {
	v, err := payload.Decode([]byte(pullRequest()))
	if err != nil {
		b.Fatal(err)
	}
	env := environment(b)
	env.Payload = v
	checkGuest(b, env)
	for _, c := range []struct {
		name, text string
		compile    compiler
	}{
		{"nothing", "1", Compile},
		{"condition", `payload.action == "opened" and payload.pull_request.changed_files > 20 and not payload.pull_request.draft`, Compile},
		{"python", `f"Webhook returned: {webhook_response.get('status', 'unknown')}"`, CompilePython},
		{"payload", `payload`, Compile},
		{"loop", `sum([i for i in range(5000)])`, Compile},
		{"bomb", `[0] * (1 << 29)`, Compile},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := compiled(b, c.compile, c.text)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Eval(ctx, env); err != nil && c.name != "bomb" {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	s := scope(b)
	b.ReportAllocs()
	for b.Loop() {
		var out diag.List
		if Compile(language.Source{Text: `payload.action == "opened" and payload.pull_request.changed_files > 20`}, s, true, &out) == nil {
			b.Fatal(out.Sorted())
		}
	}
}

func BenchmarkStart(b *testing.B) {
	for name, dir := range map[string]string{"cold": "", "cached": b.TempDir()} {
		b.Run(name, func(b *testing.B) {
			if m, err := newMachine(dir); err != nil || m.Close(b.Context()) != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				m, err := newMachine(dir)
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
