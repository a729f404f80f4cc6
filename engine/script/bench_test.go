package script_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	library "github.com/expr-lang/expr"
	cellibrary "github.com/google/cel-go/cel"
	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"modernc.org/quickjs"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
)

const benchCondition = `payload.action == "opened" && payload.pull_request.changed_files > 20 && !payload.pull_request.draft`

// pullRequest gives a body of about 10 KB in the shape of a real pull request delivery.
func pullRequest() string {
	urls := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"resource%d_url":"https://api.acme.example/repos/octo/hello-world/resource%d{/sha}"`, i, i)
		}
		return b.String()
	}
	return `{"action":"opened","number":1347,"pull_request":{"id":1,"title":"Amazing new feature","draft":false,"changed_files":25,"html_url":"https://acme.example/pull/1347",` +
		`"user":{"login":"octocat","id":1` + urls(12) + `},"labels":[{"id":1,"name":"bug"},{"id":2,"name":"high-priority"}]},` +
		`"repository":{"full_name":"octo/hello-world","owner":{"login":"octo"` + urls(12) + `}` + urls(80) + `},"sender":{"login":"octocat"` + urls(12) + `}}`
}

// benchConditions is benchCondition in the languages that write it another way.
func benchConditions() map[string]string {
	return map[string]string{
		"filter":     `(and (eq action opened) (gt pull_request.changed_files 20) (not (eq pull_request.draft true)))`,
		"starlark":   `payload.action == "opened" and payload.pull_request.changed_files > 20 and not payload.pull_request.draft`,
		"javascript": `payload.action === "opened" && payload.pull_request.changed_files > 20 && !payload.pull_request.draft`,
		"python":     `payload["action"] == "opened" and payload["pull_request"]["changed_files"] > 20 and not payload["pull_request"]["draft"]`,
	}
}

// BenchmarkCondition asks one question of a payload of 10 KB in every language, and in the libraries alone.
func BenchmarkCondition(b *testing.B) {
	v := decode(b, pullRequest())
	env := environment(b)
	env.Payload = v
	shared := scope()
	for _, lang := range script.ConditionLanguages() {
		b.Run(lang, func(b *testing.B) {
			text := cmp.Or(benchConditions()[lang], benchCondition)
			var out diag.List
			p := script.CompileCondition(lang, script.Source{Text: text}, shared, &out)
			ctx := b.Context()
			if _, err := p.Eval(ctx, env); err != nil { // what is made once a process
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if r, err := p.Eval(ctx, env); err != nil || r.Value != true {
					b.Fatal(r, err)
				}
			}
		})
	}
	b.Run("javascript-library", func(b *testing.B) {
		body, err := payload.Encode(v)
		if err != nil {
			b.Fatal(err)
		}
		text := "const payload = " + string(body) + "\n" + benchConditions()["javascript"]
		b.ReportAllocs()
		for b.Loop() {
			vm, err := quickjs.NewVM()
			if err != nil {
				b.Fatal(err)
			}
			if yes, err := vm.Eval(text, quickjs.EvalGlobal); err != nil || yes != true {
				b.Fatal(yes, err)
			}
			if err := vm.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("starlark-library", func(b *testing.B) {
		body, err := payload.Encode(v)
		if err != nil {
			b.Fatal(err)
		}
		text := `p["action"] == "opened" and p["pull_request"]["changed_files"] > 20 and not p["pull_request"]["draft"]`
		b.ReportAllocs()
		for b.Loop() {
			thread := &starlark.Thread{}
			decoded, err := starlark.Call(thread, json.Module.Members["decode"], starlark.Tuple{starlark.String(body)}, nil)
			if err != nil {
				b.Fatal(err)
			}
			yes, err := starlark.EvalOptions(&syntax.FileOptions{}, thread, "x", text, starlark.StringDict{"p": decoded})
			if err != nil || yes != starlark.True {
				b.Fatal(yes, err)
			}
		}
	})
	vars := map[string]any{"payload": v}
	b.Run("expr-library", func(b *testing.B) {
		p, err := library.Compile(benchCondition, library.Env(map[string]any{"payload": map[string]any{}}), library.AsBool())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := library.Run(p, vars); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cel-library", func(b *testing.B) {
		env, err := cellibrary.NewEnv(cellibrary.Variable("payload", cellibrary.DynType))
		if err != nil {
			b.Fatal(err)
		}
		a, issues := env.Compile(benchCondition)
		if issues.Err() != nil {
			b.Fatal(issues.Err())
		}
		p, err := env.Program(a)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := p.Eval(vars); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLoop(b *testing.B) {
	env := environment(b)
	env.Payload = decode(b, pullRequest())
	for lang, text := range map[string]string{
		"expr": `any(payload.pull_request.labels, .name == "high-priority")`,
		"cel":  `payload.pull_request.labels.exists(l, l.name == "high-priority")`,
	} {
		b.Run(lang, func(b *testing.B) {
			var out diag.List
			p := script.CompileCondition(lang, script.Source{Text: text}, script.Scope{}, &out)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if r, err := p.Eval(ctx, env); err != nil || r.Value != true {
					b.Fatal(r, err)
				}
			}
		})
	}
}

func BenchmarkTemplate(b *testing.B) {
	env := environment(b)
	env.Payload = decode(b, pullRequest())
	for name, text := range map[string]string{
		"text": `Big PR: {{ payload.pull_request.html_url }} by {{ payload.sender.login }}`,
		"sole": `{{ {"text": "Big PR: " + payload.pull_request.html_url} }}`,
		"body": `{{ payload }}`,
	} {
		b.Run(name, func(b *testing.B) {
			tpl := compileTemplate(b, text)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tpl.Render(ctx, env); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, lang := range script.ConditionLanguages() {
		b.Run(lang, func(b *testing.B) {
			text := cmp.Or(benchConditions()[lang], benchCondition)
			scope := script.Scope{Labels: []string{"Message", "Is big"}, Shared: script.NewShared()}
			compileAny(lang, text, scope, &diag.List{}) // what is made once a load
			b.ReportAllocs()
			for b.Loop() {
				var out diag.List
				if script.CompileCondition(lang, script.Source{Text: text}, scope, &out) == nil {
					b.Fatal(out.Sorted())
				}
			}
		})
	}
}
