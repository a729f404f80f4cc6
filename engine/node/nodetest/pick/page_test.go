package pick_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node/nodetest"
	"github.com/headgate/headgate/engine/node/nodetest/pick"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
)

// TestAPickRunsInAPipeline goes the whole way: a manifest is compiled with the type in the list, and its run is folded to its end.
func TestAPickRunsInAPipeline(t *testing.T) {
	t.Parallel()
	const manifests = `
kind: provider
name: acme
signature: none
delivery: body
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Short, type: pick, props: {keys: [id, title]}}
  - {label: Text, type: code, props: {code: Short.title}}
`
	snap, found := snapshot.Load(t.Context(), snapshot.Options{
		Types:    append(engine.NodeTypes(), pick.Type()),
		Manifest: manifest.Options{Files: []*source.File{source.NewFile("flow.yaml", []byte(manifests))}},
	})
	if snap == nil {
		t.Fatal(found.Sorted())
	}
	d, at := snap.Pipelines()[0], nodetest.At()
	ev := &event.Event{
		ID: event.NewID(at, 1), Provider: "acme", Received: at, ContentType: "application/json",
		Body: []byte(`{"id": 7, "title": "A title", "secret": "x"}`),
	}
	progress := d.Next(t.Context(), pipeline.Record{
		Event: ev, Payload: pipeline.Decode(ev),
		Run: &run.Run{Event: ev.ID, Pipeline: d.Name, Cause: run.Cause{Kind: run.Live}, Now: at, State: run.Open},
	}, func() time.Time { return at })
	outputs := map[string]json.RawMessage{}
	for _, s := range progress.Steps {
		outputs[s.Path] = s.Output
	}
	if progress.State != run.Done || string(outputs["Short"]) != `{"id":7,"title":"A title"}` || string(outputs["Text"]) != `"A title"` {
		t.Errorf("the run is %s with the outputs %s, want it done, and what was picked", progress.State, outputs)
	}
}

// TestThePageShowsThisPackage holds docs/adding-a-node.md to the files that are compiled and tested here.
func TestThePageShowsThisPackage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "adding-a-node.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pick.go", "pick_test.go"} {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), "```go\n"+string(file)+"```\n") {
			t.Errorf("docs/adding-a-node.md does not show %s as it is: copy the file into its block", name)
		}
	}
}
