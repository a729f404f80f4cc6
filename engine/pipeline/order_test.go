package pipeline_test

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
)

func TestANodeMayNameOnlyTheOutputsOfNodesBeforeIt(t *testing.T) {
	t.Parallel()
	const nodes = `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: A, type: hook, props: {url: "http://127.0.0.1:9/a"}}
  - {label: Is big, type: code, props: {code: '1'}}
  - {label: Out, type: code, props: {code: '%s'}}
`
	rows := []struct{ name, connections, code, want string }{
		{"the node before", "[In -> A -> Out, In -> Is big]", "A.status", ""},
		{"one far before", `[In -> A -> Is big -> Out]`, "A.status", ""},
		{"one before by its failure", `[In -> A, "A[error] -> Is big -> Out"]`, "A.error.code", ""},
		{"one beside it", "[In -> A, In -> Is big -> Out]", "A.status", "does not stand before \"Out\""},
		{"one beside it, in brackets", "[In -> A -> Out, In -> Is big]", `steps["Is big"]`, "does not stand before \"Out\""},
		{"one behind it", "[In -> Out -> A, In -> Is big]", "A.status", "does not stand before \"Out\""},
		{"itself", "[In -> Out -> A, In -> Is big]", "Out.x", "\"Out\" names its own output"},
		{"one that is not there", "[In -> A -> Out, In -> Is big]", "Missing.x", "unknown name Missing"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			_, out := load(t, strings.Replace(nodes, "%s", r.code, 1)+"connections: "+r.connections, nodeTypes())
			var errors []string
			for _, f := range out.Sorted() {
				if f.Severity == diag.Error {
					errors = append(errors, string(f.Rule)+": "+f.Message)
				}
			}
			switch {
			case r.want == "" && len(errors) > 0:
				t.Errorf("got %q, want no error", errors)
			case r.want != "" && (len(errors) != 1 || !strings.HasPrefix(errors[0], string(diag.UnknownName)+": ") || !strings.Contains(errors[0], r.want)):
				t.Errorf("got %q, want one unknown-name that says %q", errors, r.want)
			}
		})
	}
}

func TestABrokenConnectionIsTheOnlyFindingAboutTheOrder(t *testing.T) {
	t.Parallel()
	_, out := load(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Message, type: code, props: {code: '1'}}
  - {label: Out, type: code, props: {code: Message}}
connections: [In -> Message, In -> Out, Mesage -> Out]
`, nodeTypes())
	var got []string
	for _, f := range out.Sorted() {
		if f.Severity == diag.Error {
			got = append(got, string(f.Rule))
		}
	}
	if len(got) != 1 || got[0] != string(diag.DanglingReference) {
		t.Errorf("got %v, want the dangling reference alone among the errors", got)
	}
}

func TestOutputsBesideANodeAreNotThereByChance(t *testing.T) {
	t.Parallel()
	const text = `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: A, type: hook, props: {url: "http://127.0.0.1:9/a"}}
  - {label: B, type: hook, props: {url: "http://127.0.0.1:9/b"}}
  - {label: Out, type: code, props: {code: 'keys(steps)'}}
connections: [In -> A, In -> B -> Out]
`
	for _, order := range [][]string{{"A", "B"}, {"B", "A"}} {
		g := begin(t, text, `{}`)
		for _, label := range order {
			g.answer(label, `1`)
		}
		if got := string(g.step("Out").Output); got != `["B","In"]` {
			t.Errorf("answered in the order %v, Out sees the outputs of %s, want B and In", order, got)
		}
	}
}

func TestADiagramTellsItsNodes(t *testing.T) {
	t.Parallel()
	d := compile(t, branches)
	if got := d.Size(); got != 5 {
		t.Errorf("the diagram has %d nodes, want 5", got)
	}
	if e := d.Entries(); len(e) != 1 || e[0].Label != "In" || e[0].Node.Provider != "acme" {
		t.Errorf("the entries are %+v, want In", e)
	}
	if got := len(d.Nodes()); got != 5 {
		t.Errorf("Nodes gives %d, want 5", got)
	}
}

func TestInAChainAllReceivesLeadToTheFirstOtherNode(t *testing.T) {
	t.Parallel()
	d := compile(t, `
nodes:
  - {label: Created, type: receive, props: {provider: acme, event: order.created}}
  - {label: Paid, type: receive, props: {provider: acme, event: order.paid}}
  - {label: If, type: condition, props: {expression: payload.n > 1}}
  - {label: Out, type: code, props: {code: '1'}}
`)
	play(t, d, "order.created", `{"n": 2}`).wants("Created=done, If=done[true], Out=done, Paid=skipped: done completed")
	play(t, d, "order.paid", `{"n": 2}`).wants("Paid=done, If=done[true], Out=done, Created=skipped: done completed")
	play(t, d, "order.paid", `{"n": 1}`).wants("Paid=done, If=done[false], Created=skipped, Out=skipped: done filtered")
}

func TestAReceiveInTheMiddleOfAChainIsRefused(t *testing.T) {
	t.Parallel()
	_, out := load(t, `
nodes:
  - {label: Created, type: receive, props: {provider: acme, event: order.created}}
  - {label: Out, type: code, props: {code: '1'}}
  - {label: Paid, type: receive, props: {provider: acme, event: order.paid}}
`, nodeTypes())
	if got := out.Count(diag.Error); got != 1 || !strings.Contains(out.Err().Error(), string(diag.BadConnection)) {
		t.Errorf("got %v, want one bad-connection", out.Sorted())
	}
}
