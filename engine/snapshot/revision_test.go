package snapshot_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
)

const two = `
kind: destination
name: ops
url: https://ops.example.com/in
---
kind: destination
name: unused
url: https://unused.example.com/in
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order}}
  - {label: Tell, type: hook, props: {destination: ops}}
---
kind: pipeline
name: other
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order}}
  - {label: Tell, type: hook, props: {url: "https://own.example.com/in"}}
`

func TestARevisionChangesOnlyWithWhatThePipelineUses(t *testing.T) {
	t.Parallel()
	replace := func(old, text string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, text, 1) }
	}
	rows := []struct {
		name        string
		change      func(string) string
		flow, other bool // want another revision
	}{
		{"nothing", func(s string) string { return s }, false, false},
		{"a comment", replace("name: flow\n", "name: flow # the flow\n# and more\n"), false, false},
		{"quotes and blanks", replace("event: order}}", `event:   "order" } }`), false, false},
		{"block style", replace("{label: Tell, type: hook, props: {destination: ops}}", "label: Tell\n    type: hook\n    props:\n      destination: ops"), false, false},
		{"the order of documents", func(s string) string {
			docs := strings.Split(s, "---")
			return docs[3] + "---" + docs[2] + "---" + docs[1] + "---" + docs[0]
		}, false, false},
		{"another document", replace("unused.example.com", "else.example.com"), false, false},
		{"a new document", func(s string) string {
			return s + "---\nkind: pipeline\nname: more\nnodes: [{label: In, type: receive, props: {provider: acme}}]\n"
		}, false, false},
		{"its destination", replace("ops.example.com", "elsewhere.example.com"), true, false},
		{"its own hook", replace("own.example.com", "elsewhere.example.com"), false, true},
		{"itself", replace("name: flow\n", "name: flow\ntitle: The flow\n"), true, false},
		{"the type of a value", replace("name: flow\n", "name: flow\nvars: {n: 1}\n"), true, false},
	}
	f := open(t, two)
	f.boot()
	flow, other := f.revision("flow"), f.revision("other")
	if flow == other || flow == "" {
		t.Fatalf("the revisions are %q and %q", flow, other)
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			g := open(t, r.change(two))
			g.boot()
			if got := g.revision("flow") != flow; got != r.flow {
				t.Errorf("flow has another revision: %t, want %t", got, r.flow)
			}
			if got := g.revision("other") != other; got != r.other {
				t.Errorf("other has another revision: %t, want %t", got, r.other)
			}
		})
	}
}

func TestARevisionTellsANumberFromAText(t *testing.T) {
	t.Parallel()
	of := func(vars string) string {
		f := open(t, strings.Replace(two, "name: flow\n", "name: flow\nvars: "+vars+"\n", 1))
		f.boot()
		return f.revision("flow")
	}
	seen := map[string]string{}
	for _, vars := range []string{`{n: 1}`, `{n: "1"}`, `{n: [1]}`, `{n: {}}`, `{n: []}`, `{n: null}`, `{n: ""}`, `{n: {m: 1}}`, `{n: [[1]]}`, `{nm: 1}`, `{n: m1}`} {
		r := of(vars)
		if before, ok := seen[r]; ok {
			t.Errorf("vars %s and %s have one revision", before, vars)
		}
		seen[r] = vars
	}
}

func TestAnOldRevisionIsCompiledFromTheStore(t *testing.T) {
	t.Parallel()
	var reads atomic.Int64
	f := open(t, flow)
	f.boot()
	old := f.revision("flow")
	f.write(strings.Replace(flow, "Tell, type", "Say, type", 1))
	f.keeper = f.another(func(o *snapshot.KeeperOptions) { o.Sources = counting{o.Sources, &reads} })
	f.boot()
	if f.revision("flow") == old {
		t.Fatal("the revision did not change")
	}
	f.set("TOKEN", "") // old revisions need no secrets
	for range 3 {
		d, err := f.keeper.Diagram(t.Context(), "flow", old)
		if err != nil {
			t.Fatal(err)
		}
		if d.Revision != old || d.Name != "flow" || d.Size() != 2 {
			t.Errorf("the old diagram is %s of revision %s with %d nodes", d.Name, d.Revision, d.Size())
		}
	}
	if got := reads.Load(); got != 1 {
		t.Errorf("the old revision was read %d times, want once", got)
	}
	if d, err := f.keeper.Diagram(t.Context(), "flow", f.revision("flow")); err != nil || d.Revision == old {
		t.Errorf("the running diagram: %v, %v", d, err)
	}
}

// counting counts reads.
type counting struct {
	snapshot.Sources
	n *atomic.Int64
}

func (c counting) Revision(ctx context.Context, digest string) (store.Revision, error) {
	c.n.Add(1)
	return c.Sources.Revision(ctx, digest)
}

func TestADiagramThatCannotBeHadSaysWhy(t *testing.T) {
	t.Parallel()
	f := open(t, two)
	f.boot()
	old := f.revision("flow")
	if _, err := f.keeper.Diagram(t.Context(), "flow", "no-such-revision"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown revision gives %v", err)
	}
	f.write(strings.Replace(two, "name: flow\n", "name: flow\nenabled: false\n", 1))
	f.reload()
	if _, err := f.keeper.Diagram(t.Context(), "flow", old); err == nil || !strings.Contains(err.Error(), `"flow" is deleted or disabled`) {
		t.Errorf("a disabled pipeline gives %v", err)
	}
	f.write("# gone")
	f.reload()
	if _, err := f.keeper.Diagram(t.Context(), "other", old); err == nil || !strings.Contains(err.Error(), `"other" is deleted or disabled`) {
		t.Errorf("a deleted pipeline gives %v", err)
	}
}

func TestAnOldRevisionNeedsNothingOfOtherDocuments(t *testing.T) {
	t.Parallel()
	// The pipeline's file also holds documents that use what stands in other files, which are no part of the pipeline.
	text := strings.Replace(flow, "---", `---
kind: provider
name: second
use: acme
events: [{name: order, schema: schemas/order.json}]
---
kind: pipeline
name: neighbour
nodes:
  - {label: In, type: receive, props: {provider: second, event: order}}
  - {label: Tell, type: hook, props: {destination: elsewhere}}
---`, 1)
	f := open(t, text)
	f.files = append(f.files, source.NewFile("elsewhere.yaml", []byte("kind: destination\nname: elsewhere\nurl: https://x.example.com\n")),
		source.NewFile("schemas/order.json", []byte(`{"type": "object"}`)))
	f.keeper = f.another()
	f.boot()
	old := f.revision("flow")
	f.write(strings.Replace(text, "Tell, type", "Say, type", 2))
	f.reload()
	if f.revision("flow") == old {
		t.Fatal("the revision did not change")
	}
	d, err := f.keeper.Diagram(t.Context(), "flow", old)
	if err != nil {
		t.Fatalf("the old revision: %v", err)
	}
	if d.Revision != old || d.Size() != 2 {
		t.Errorf("the old diagram is of revision %s with %d nodes", d.Revision, d.Size())
	}
}

func TestLoadTellsWhatRuns(t *testing.T) {
	t.Parallel()
	s, out := snapshot.Load(t.Context(), snapshot.Options{Types: nodeTypes(), Manifest: manifest.Options{
		Env: func(string) (string, bool) { return "a-secret-value", true },
		Files: []*source.File{
			source.NewFile("acme.yaml", []byte(acme+"---\nkind: provider\nname: quiet\nenabled: false\nsignature: none\nevent: {header: X}\n")),
			source.NewFile("flow.yaml", []byte(two+"---\nkind: pipeline\nname: idle\nenabled: false\nnodes: [{label: In, type: receive, props: {provider: quiet}}]\n"+
				"---\nkind: destination\nname: off\nenabled: false\nurl: https://x.example.com\n")),
		},
	}})
	if s == nil {
		t.Fatal(out.Sorted())
	}
	var names []string
	for _, p := range s.Providers() {
		names = append(names, p.Name())
	}
	for _, d := range s.Pipelines() {
		names = append(names, d.Name)
	}
	names = append(names, s.Destinations()...)
	if got := strings.Join(names, " "); got != "acme flow other ops unused" {
		t.Errorf("what runs is %s", got)
	}
	if _, ok := s.Provider("quiet"); ok || s.Has("idle") || s.Empty() || s.LoadedAt.IsZero() || s.Digest == "" {
		t.Errorf("the snapshot is %+v", s)
	}
	for key, want := range map[string]bool{"ops": true, "off": false, "other/Tell": true, "flow/Tell": false, "nobody": false} {
		if _, ok := s.Destination(key); ok != want {
			t.Errorf("destination %q is there: %t, want %t", key, ok, want)
		}
	}
	if got := len(s.Starting("acme", "order")); got != 2 {
		t.Errorf("the event starts %d pipelines, want 2", got)
	}
	if got := len(s.Starting("acme", "else")); got != 0 {
		t.Errorf("another event starts %d pipelines, want none", got)
	}
}

func TestLoadRefusesWithAllFindingsAndNoSnapshot(t *testing.T) {
	t.Parallel()
	s, out := snapshot.Load(t.Context(), snapshot.Options{Types: nodeTypes(), Manifest: manifest.Options{Files: []*source.File{
		source.NewFile("a.yaml", []byte("kind: destination\nname: d\nurl: ftp://x\n")),
		source.NewFile("b.yaml", []byte("kind: pipeline\nname: p\nnodes: [{label: In, type: receive, props: {provider: nobody}}]\n")),
	}}})
	if s != nil || out.Len() < 2 {
		t.Errorf("got a snapshot: %t, findings %v", s != nil, out.Sorted())
	}
}
