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
	if dipeo.NodeTypeHint("start") == "" || dipeo.NodeTypeHint("receive") != "" {
		t.Error("start has no hint, or receive has one")
	}
}
