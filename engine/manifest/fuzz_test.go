package manifest_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"kind: provider\nuse: base\nsecret: <<env.A>>\nsignature: {header: Y}\n",
		"kind: provider\nname: a\nuse: b\n---\nkind: provider\nname: b\nuse: a\n",
		"name: github\nbase_url: x\nwebhook_events:\n- {name: push, payload_schema: '{\"a\": 1}'}\nmetadata: {webhook_config: {secret: '{{env.X}}'}}\n",
		"version: light\nnodes:\n- {label: A, type: hook, props: {hook_type: webhook, config: {url: x}}}\nconnections:\n- {from: A_condtrue, to: A}\n",
		"kind: pipeline\nnodes: [{label: a, props: {code: '<<env.A>>', headers: {code: <<file.x>>}}}]\n",
		"kind: test\nenabled: <<env.A:-false>>\nlabels: {a: b}\n", "- 1\n", "kind: [a]\n", "name: &a [*a]\nbase_url: *a\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, out := manifest.Load(t.Context(), manifest.Options{
			Files: []*source.File{source.NewFile("m/a.yaml", data)},
			Catalogue: fstest.MapFS{
				"base/provider.yaml": {Data: []byte("kind: provider\nname: base\nsignature: {header: X, algorithm: hmac-sha256}\nevents: [{name: a}]\n")},
			},
			Env: func(string) (string, bool) { return "value", true },
		})
		for _, finding := range out.Sorted() {
			if finding.Message == "" || finding.Rule == "" || finding.Span.IsZero() {
				t.Errorf("the finding %+v says nothing, or no place", finding)
			}
		}
		if !b.Complete() && !out.HasErrors() {
			t.Error("the bundle is incomplete, and no finding says why")
		}
		for _, kind := range manifest.Kinds() {
			for _, d := range b.Documents(kind) {
				checkResolved(t, d.Root)
			}
		}
	})
}

// checkResolved wants a Value on every string: who decodes may rely on it.
func checkResolved(t *testing.T, n *source.Node) {
	if n.Kind == source.String && n.Value == nil {
		t.Errorf("the string %q at %s is not resolved", n.Text, n.Span)
	}
	for _, e := range n.Entries {
		checkResolved(t, e.Value)
	}
	for _, item := range n.Items {
		checkResolved(t, item)
	}
}
