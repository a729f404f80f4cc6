package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// fences writes pages without fences of their own: ”' stands for ```.
func fences(text string) string { return strings.ReplaceAll(text, "'''", "```") }

func problemsOf(t *testing.T, text string) []string {
	t.Helper()
	var problems []string
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	p, err := parsePage("page.md", fences(text))
	if err != nil {
		return []string{err.Error()}
	}
	for _, b := range p.blocks {
		if b.lang == "console" {
			checkConsole(t, p, b, report)
		}
	}
	runPage(t, p, report)
	return problems
}

func TestAPageThatIsRightHasNoProblems(t *testing.T) {
	t.Parallel()
	got := problemsOf(t, `
'''yaml
# gate/acme.yaml
kind: provider
name: acme
signature: none
event: {header: X-Event}
delivery: body
events:
  - name: order.created
    example: examples/order.json
'''
'''sh
cd gate     # the shell stays here
headgate validate .
'''
'''sh
cd ..
TEXT='one
two'
echo "$TEXT" |
  tr o 0
cat <<END
three
END
'''
'''text output
0ne
…
thr…e
'''
'''sh exits=2
true
sed -i.bak s/event:/evnt:/ gate/acme.yaml
headgate validate gate
'''
'''text output
gate/acme.yaml:5:1: error[unknown-key]: unknown key …evnt…
…
'''
'''yaml
# gate/acme.yaml
kind: provider
name: acme
signature: none
delivery: body
'''
'''sh
headgate sink &      # stays
headgate serve --dev gate     # so does this
curl -s http://localhost:8080/webhooks/acme -H 'Content-Type: application/json' -d '{"id": 7}'
'''
'''json output
{"status": "processed", "provider": "acme", "event": null, "execution_id": "webhook-acme-…"}
'''
'''sh
curl -s http://127.0.0.1:9000/there -d '{"id": 7}'
'''
'''json output=sink
{"at": "…", "method": "POST", "path": "/there", "headers": "…", "body": {"id": 7}, "answered": 200}
'''
'''yaml fragment
signature: {algorithm: hmac-sha256, header: X-Signature, signed: "{ts}.{body}"}
---
headers: {X-Text: "{{ Message.text }}"}
---
- In -> Is it
- "Is it[true] -> Out"
---
- label: Tell
  type: hook
  props: {destination: shop, body: "{{ Message }}"}
---
- name: order.created
  schema: schemas/order.json
---
filter: payload.n > 1
---
vars: {limit: 7}
'''
'''yaml other
services: {headgate: {image: headgate}}
'''
'''console
$ kubectl get pods | sudo systemctl status
'''
<!-- generated: cli -->
'''console
headgate send github push --count 20
'''
<!-- /generated -->
`)
	for _, p := range got {
		t.Error(p)
	}
}

func TestAPageThatIsWrongIsSeen(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, page, want string }{
		{"no language", "'''\nx\n'''", `2: a block says its language first`},
		{"not closed", "'''sh\ntrue\n", `2: the block is not closed`},
		{"an unknown mark", "'''sh exit=2\ntrue\n'''", `cannot be marked "exit"`},
		{"a failing command", "'''sh\ntrue\nfalse\ntrue\n'''", `2: exit 1, want 0: false`},
		{"a failing pipe", "'''sh\nfalse | true\n'''", `exit 1, want 0`},
		{"an end of the shell", "'''sh\nexit 0\ntrue\n'''", `exit -1, want 0: exit 0`},
		{"another exit", "'''sh exits=2\ntrue\n'''", `exit 0, want 2`},
		{"no such command", "'''sh\nheadgate sreve\n'''", `exit 64, want 0`},
		{"a gateway that does not start", "'''sh\nheadgate serve nowhere\n'''", `it did not start: headgate serve nowhere`},
		{"a gateway that ends", "'''sh\nheadgate serve --dev examples/quickstart\nkill -9 %1\nkill -9 $(jobs -p)\nwait || true\n'''", `ended by itself|after Ctrl-C`},
		{"another output", "'''sh\necho one\n'''\n'''text output\ntwo\n'''", `the page shows:\ntwo\n\nit was:\none`},
		{"more output", "'''sh\necho one; echo two\n'''\n'''text output\none\n'''", `the page shows:`},
		{"other JSON", "'''sh\necho '{\"a\": 1}'\n'''\n'''json output\n{\"a\": 2}\n'''", `\.a is 1, not 2`},
		{"a field more", "'''sh\necho '{\"a\": 1, \"b\": 2}'\n'''\n'''json output\n{\"a\": 1}\n'''", `\.b is not shown`},
		{"a field less", "'''sh\necho '{}'\n'''\n'''json output\n{\"a\": \"…\"}\n'''", `there is no \.a`},
		{"nobody said it", "'''json output=sink\n{}\n'''", `nothing was said by sink`},
		{"no JSON", "'''json\n{a}\n'''", `this is no JSON`},
		{"a broken manifest", "'''yaml\nkind: provider\nname: acme\n'''", `the manifest is refused:\nmanifest.yaml:2:7: error\[missing-signature\]`},
		{"a broken folder", "'''yaml\n# gate/a.yaml\nkind: pipeline\nnodes: [{label: In, type: receive, props: {provider: acme}}]\n'''", `the folder gate is refused:\na.yaml:\d+:\d+: error\[dangling-reference\]`},
		{"a broken piece", "'''yaml fragment\nsignature: {algorithm: hmac-sha256, hedaer: X}\n'''", `error\[unknown-key\]: unknown key .hedaer.`},
		{"a piece of nothing", "'''yaml fragment\ncolour: red\n'''", `its keys do not stand together`},
		{"a piece of another kind", "'''yaml fragment=destination\nignore: [ping]\n'''", `error\[unknown-key\]`},
		{"no YAML", "'''yaml other\na: [\n'''", `this is no YAML`},
		{"a hidden command", "'''console\nkubectl get pods | headgate runs list\n'''", `a console block names headgate`},
		{"a flag that is none", "<!-- generated: cli -->\n'''console\nheadgate send github push --time 20\n'''", `there is no flag --time`},
		{"a command that is none", "<!-- generated: cli -->\n'''console\nheadgate sned github push\n'''", `there is no such command`},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(problemsOf(t, "\n"+r.page+"\n"), "\n")
			if !regexp.MustCompile(r.want).MatchString(got) {
				t.Errorf("got %q, want %s", got, r.want)
			}
		})
	}
}
