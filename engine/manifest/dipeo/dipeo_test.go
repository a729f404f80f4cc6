package dipeo_test

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest/dipeo"
	"github.com/headgate/headgate/engine/source"
)

func parse(t *testing.T, text string) *source.Node {
	t.Helper()
	docs, problems := source.ParseYAML(source.NewFile("f.yaml", []byte(text)))
	if len(docs) != 1 || len(problems) > 0 {
		t.Fatalf("%q: got %d documents, %v", text, len(docs), problems)
	}
	return docs[0]
}

func TestDocumentsAreRecognisedByTheirShape(t *testing.T) {
	t.Parallel()
	rows := map[string]dipeo.Shape{
		"nodes: []": dipeo.PipelineShape, "version: light\nnodes: []": dipeo.PipelineShape, "webhook_events: []": dipeo.ProviderShape,
		"metadata: {webhook_config: {}}": dipeo.ProviderShape, "name: a\nbase_url: b": dipeo.ProviderShape,
		"name: a": dipeo.None, "metadata: {a: b}": dipeo.None, "- a": dipeo.None, "signature: none": dipeo.None, "metadata: a": dipeo.None,
	}
	for text, want := range rows {
		if got := dipeo.Recognise(parse(t, text)); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
	if got := dipeo.Recognise(nil); got != dipeo.None {
		t.Errorf("nothing: got %d, want none", got)
	}
}

func TestHandlesAreTakenApart(t *testing.T) {
	t.Parallel()
	labels := []string{"Check", "Check Status", "Odd_condtrue", "A[b]"}
	rows := []struct{ text, label, handle string }{
		{"Check", "Check", ""},
		{"Check_condtrue", "Check", "condtrue"},
		{"Check Status_condfalse", "Check Status", "condfalse"},
		{"Check_Status_condfalse", "Check Status", "condfalse"},
		{"Check_Status", "Check Status", ""},
		{"Check[condtrue]", "Check", "condtrue"},
		{"Odd_condtrue", "Odd_condtrue", ""},
		{"Odd_condtrue_condfalse", "Odd_condtrue", "condfalse"},
		{"A[b]", "A[b]", ""},
		{"Nobody_condtrue", "Nobody_condtrue", ""},
		{"Check_other", "Check_other", ""},
		{" Check ", "Check", ""},
		{"[x]", "[x]", ""},
	}
	for _, r := range rows {
		label, handle := dipeo.SplitHandle(r.text, labels)
		if label != r.label || handle != r.handle {
			t.Errorf("%q: got %q and %q, want %q and %q", r.text, label, handle, r.label, r.handle)
		}
	}
}

func TestEveryHashMeansHMAC(t *testing.T) {
	t.Parallel()
	rows := map[string]string{
		"sha1": "hmac-sha1", "sha256": "hmac-sha256", "sha512": "hmac-sha512", "hmac_sha1": "hmac-sha1", "hmac_sha256": "hmac-sha256",
		"hmac_sha512": "hmac-sha512", "HMAC-SHA256": "hmac-sha256", "sha-256": "hmac-sha256",
	}
	for name, want := range rows {
		var out diag.List
		native, ok := dipeo.Provider(parse(t, "metadata: {webhook_config: {signature_algorithm: "+name+"}}"), &out)
		if got := native.Get("signature").Get("algorithm").Text; got != want || !ok || out.Len() > 0 {
			t.Errorf("%s: got %q and %v, want %q", name, got, out.Sorted(), want)
		}
	}
}

func TestNativeNodesOfADiagramStayAsTheyAre(t *testing.T) {
	t.Parallel()
	root := parse(t, "nodes:\n- label: A\n  type: receive\n  props: {provider: github, filter: 'a == 1'}\n- label: B\n  type: new_kind\nconnections: [A -> B]\nname: x\n")
	var out diag.List
	native, ok := dipeo.Pipeline(root, &out)
	if !ok || out.Len() > 0 {
		t.Fatalf("got %v, want no findings", out.Sorted())
	}
	node := native.Get("nodes").Items[0]
	if got := node.Get("props").Get("filter"); got != root.Get("nodes").Items[0].Get("props").Get("filter") {
		t.Errorf("the filter became %v", got)
	}
	if got := native.Get("connections").Items[0].Text; got != "A -> B" {
		t.Errorf("the arrow became %q", got)
	}
	if got := native.Get("kind").Span.String(); got != "f.yaml:1:1" {
		t.Errorf("the kind stands at %s, want f.yaml:1:1", got)
	}
}

func TestOddShapesGoThroughForTheCompilerToRefuse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"nodes: x", "nodes: [x, [y]]", "nodes: [{label: [a], type: [b], props: c}]", "nodes: []\nconnections: {a: b}",
		"nodes: []\nconnections: [[a], {from: [b], to: {}}]", "nodes: [{label: A, type: hook, props: {config: x}}]",
		"nodes: [{label: A, type: code_job, props: {language: [x]}}]", "nodes: []\nversion: [light]",
	} {
		var out diag.List
		if native, _ := dipeo.Pipeline(parse(t, text), &out); native == nil {
			t.Errorf("%s: got nothing", text)
		}
	}
	for _, text := range []string{"webhook_events: x", "webhook_events: [x, {payload_schema: [y]}]", "webhook_events: []\nmetadata: {webhook_config: {signature_algorithm: [x], secret: []}}"} {
		var out diag.List
		if native, _ := dipeo.Provider(parse(t, text), &out); native == nil {
			t.Errorf("%s: got nothing", text)
		}
	}
}

func TestReferencesKeepTheirColumns(t *testing.T) {
	t.Parallel()
	root := parse(t, "webhook_events: []\nmetadata:\n  webhook_config:\n    secret: 'ä {{ env.A }} {{env.B:-x}} {{ other }} {{env.C'\n")
	var out diag.List
	native, _ := dipeo.Provider(root, &out)
	n := native.Get("secret")
	if want := "ä <<env.A>> <<env.B:-x>> {{ other }} {{env.C"; n.Text != want {
		t.Errorf("got %q, want %q", n.Text, want)
	}
	if got, want := n.TextPos(strings.Index(n.Text, "<<env.B")), (source.Pos{Line: 4, Col: 28}); got != want {
		t.Errorf("the second reference stands at %v, want %v", got, want)
	}
}

func TestHintsNameNativeKeys(t *testing.T) {
	t.Parallel()
	for name, hints := range map[string]map[string]string{
		"pipeline": dipeo.PipelineHints(), "node": dipeo.NodeHints(),
	} {
		for key, hint := range hints {
			if key == "" || hint == "" {
				t.Errorf("%s: the hint for %q is %q", name, key, hint)
			}
		}
	}
	if dipeo.NodeTypeHint("endpoint") == "" || dipeo.NodeTypeHint("person_job") == "" || dipeo.NodeTypeHint("receive") != "" {
		t.Error("endpoint or person_job has no hint, or receive has one")
	}
}

// nativeNode rewrites a diagram of one node and gives that node.
func nativeNode(t *testing.T, text string) (*source.Node, []string) {
	t.Helper()
	var out diag.List
	native, _ := dipeo.Pipeline(parse(t, "version: light\nnodes:\n- "+text+"\n"), &out)
	var found []string
	for _, f := range out.Sorted() {
		found = append(found, f.String())
	}
	return native.Get("nodes").Items[0], found
}

// show writes a node as flow YAML without its positions.
func show(n *source.Node) string {
	switch n.Kind {
	case source.Map:
		var parts []string
		for _, e := range n.Entries {
			parts = append(parts, e.Key.Text+": "+show(e.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case source.List:
		var parts []string
		for _, item := range n.Items {
			parts = append(parts, show(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return n.Text
}

func TestNodesBecomeNativeOnes(t *testing.T) {
	t.Parallel()
	rows := []struct{ text, want string }{
		{`{label: S, type: start}`, `{label: S, type: start}`},
		{`{label: S, type: start, trigger_mode: manual, custom_data: {a: 1}, output_data_structure: {a: int}}`, `{label: S, type: start, props: {data: {a: 1}}}`},
		{
			`{label: S, type: start, props: {trigger_mode: hook, hook_event: github/push, hook_filters: {ref: 'a"b', n: 1, ok: true, gone: null}}}`,
			`{label: S, type: receive, props: {provider: github, event: push, filter: payload["ref"] == "a\"b" and payload["n"] == 1 and payload["ok"] == true and "gone" in payload and payload["gone"] == null}}`,
		},
		{`{label: S, type: start, trigger_mode: hook, hook_event: deployed}`, `{label: S, type: receive, props: {provider: *, event: deployed}}`},
		{`{label: E, type: endpoint, save_to_file: false, file_name: x.json}`, `{label: E, type: end}`},
		{`{label: C, type: code_job, code: x = 1, timeout: 30}`, `{label: C, type: code, timeout: 30, props: {code: x = 1, language: python}}`},
		{`{label: C, type: code_job, code_type: javascript, code: '1'}`, `{label: C, type: code, props: {code: 1, language: javascript}}`},
		{`{label: T, type: template_job, engine: internal, template_content: 'Hi {{ name }}'}`, `{label: T, type: code, props: {code: Hi {{ name }}, language: text}}`},
		{
			`{label: A, type: api_job, url: https://x.example.com/a, method: GET, params: {q: a b, r: '{{ n }}'}, auth_type: bearer, auth_config: {token: "{{env.T}}"}, max_retries: 2, timeout: 5}`,
			`{label: A, type: hook, props: {url: https://x.example.com/a?q=a+b&r={{ n }}, method: GET, timeout: 5, headers: {Authorization: Bearer <<env.T>>}, retry: {max_attempts: 3}}}`,
		},
		{
			`{label: A, type: api_job, url: https://x.example.com/a, auth_type: api_key, auth_config: {key_value: k}, headers: {X-A: b}}`,
			`{label: A, type: hook, props: {url: https://x.example.com/a, headers: {X-A: b, X-API-Key: k}}}`,
		},
		{
			`{label: W, type: hook, hook_type: webhook, config: {subscribe_to: {provider: github, event_name: push, filters: {ref: main}}}}`,
			`{label: W, type: wait, props: {provider: github, event: push, timeout: 60, filter: payload["ref"] == "main"}}`,
		},
		{
			`{label: W, type: hook, config.subscribe_to.provider: github, config.subscribe_to.timeout: 5}`,
			`{label: W, type: wait, props: {provider: github, timeout: 5}}`,
		},
		{
			`{label: S, type: sub_diagram, diagram_name: notify, input_mapping: {text: Message.text}, wait_for_completion: false, timeout: 60}`,
			`{label: S, type: call, timeout: 60, props: {pipeline: notify, detach: true, input: {text: {{ Message.text }}}}}`,
		},
		{
			`{label: S, type: sub_diagram, diagram_name: notify, batch: true, batch_input_key: users, batch_parallel: false}`,
			`{label: S, type: foreach, props: {items: users, parallel: 1, nodes: [{label: S item, type: call, props: {pipeline: notify, input: {{ item }}}}]}}`,
		},
	}
	for _, r := range rows {
		n, found := nativeNode(t, r.text)
		if got := show(n); got != r.want || len(found) > 0 {
			t.Errorf("%s\n became %s\n want   %s %v", r.text, got, r.want, found)
		}
	}
}

func TestWhatNoGatewayDoesNamesAnotherWay(t *testing.T) {
	t.Parallel()
	rows := []struct{ text, want string }{
		{`{label: A, type: person_job}`, "calls the model"},
		{`{label: A, type: user_response}`, "`wait` node"},
		{`{label: A, type: hook, hook_type: python, config: {script: x}}`, "`code_job`"},
		{`{label: A, type: hook, hook_type: shell, config: {command: x}}`, "behind an HTTP endpoint"},
		{`{label: A, type: hook, hook_type: file, config: {file_path: x}}`, "`hook_type: webhook`"},
		{`{label: A, type: code_job, language: bash, code: x}`, "`language: python`"},
		{`{label: A, type: code_job, language: typescript, code: x}`, "`language: javascript`"},
		{`{label: A, type: code_job, file_path: x.py}`, "under `code`"},
		{`{label: A, type: endpoint, save_to_file: true}`, "`hook` node"},
		{`{label: A, type: start, trigger_mode: hook}`, "Hook event must be specified"},
		{`{label: A, type: start, trigger_mode: hok, hook_event: x}`, "did you mean `hook`"},
		{`{label: A, type: start, trigger_mode: hook, hook_event: x, hook_filters: {a: [1]}}`, "`filter`"},
		{`{label: A, type: api_job, url: 'https://x.example.com', auth_type: basic, auth_config: {username: a}}`, "Basic {{env.CREDENTIALS}}"},
		{`{label: A, type: template_job, template_content: '{% if a %}'}`, "no blocks"},
		{`{label: A, type: sub_diagram, diagram_data: {nodes: []}}`, "pipeline of its own"},
		{`{label: A, type: condition, props: {condition_type: llm_decision}}`, "call the model"},
		{`{label: A, type: hook, config: {subscribe_to: github}}`, "takes a map"},
	}
	for _, r := range rows {
		n, found := nativeNode(t, r.text)
		if len(found) != 1 || !strings.Contains(found[0], r.want) || !n.Get("type").Refused {
			t.Errorf("%s: got %q and type refused %t, want a finding with %q", r.text, found, n.Get("type").Refused, r.want)
		}
	}
}

func TestAWaitGoesOnTheSameWayWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	var out diag.List
	native, _ := dipeo.Pipeline(parse(t, "connections:\n- {from: W, to: B, label: w}\nnodes:\n- {label: W, type: hook, config: {subscribe_to: {provider: github}}}\n- {label: B, type: endpoint}\n"), &out)
	if got, want := show(native.Get("connections")), "[{from: W, to: B, label: w}, {from: W[timeout], to: B, label: w}]"; got != want || out.Len() > 0 {
		t.Errorf("got %s and %v, want %s", got, out.Sorted(), want)
	}
}
