package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/drawing"
	"github.com/headgate/headgate/engine/explain"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/condition"
	"github.com/headgate/headgate/engine/node/receive"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
)

// running is a Folder that holds one snapshot and no older revision.
type running struct{ snap *snapshot.Snapshot }

func (r running) Current() *snapshot.Snapshot { return r.snap }

func (r running) Diagram(_ context.Context, name, revision string) (*pipeline.Diagram, error) {
	if d, ok := r.snap.Diagram(name, revision); ok {
		return d, nil
	}
	return nil, errors.New("no such revision")
}

// runningFolder makes a Folder of a provider and two pipelines.
func runningFolder(t *testing.T) running {
	t.Helper()
	const text = `
kind: provider
name: acme
signature: none
event: {header: X-Acme-Event}
events: [{name: order.created}, {name: other}]
---
kind: pipeline
name: big
title: Big orders
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.created}}
  - {label: Big, type: condition, props: {expression: payload.total > 100}}
---
kind: pipeline
name: others
nodes:
  - {label: In, type: receive, props: {provider: acme, event: other}}
  - {label: Big, type: condition, props: {expression: payload.total > 100}}
`
	s, list := snapshot.Load(t.Context(), snapshot.Options{
		Manifest: manifest.Options{Files: []*source.File{source.NewFile("gate/all.yaml", []byte(text))}}, Types: []node.Type{receive.Type(), condition.Type()},
	})
	if s == nil {
		t.Fatalf("the folder does not load: %v", list.Err())
	}
	return running{s}
}

func TestAPipelineIsDrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Folder = runningFolder(t)
	a := w.ask(t, http.MethodGet, "/api/v1/pipelines/big", "")
	a.check(t, http.StatusOK, "")
	var got admin.PipelinePicture
	if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "big" || got.Title != "Big orders" || len(got.Nodes) != 2 || len(got.Edges) != 1 || got.Run != nil {
		t.Errorf("got %+v", got)
	}
	if n := got.Nodes[1]; n.Label != "Big" || n.Type != "condition" || n.Detail == "" {
		t.Errorf("got the node %+v", n)
	}
	w.ask(t, http.MethodGet, "/api/v1/pipelines/bigg", "").check(t, http.StatusNotFound, "pipeline_not_found")
}

func TestAPictureShowsARun(t *testing.T) {
	t.Parallel()
	w, st := realWorld(t, 0)
	f := runningFolder(t)
	w.Folder = f
	d, _ := f.snap.Pipeline("big")
	received(t, st, requestID(instant()), "order.created")
	id := routed(t, st, d, run.Step{Path: "In", Type: "receive", State: run.StepDone}, run.Step{Path: "Big", Type: "condition", State: run.StepDone, Branch: "false"})
	a := w.ask(t, http.MethodGet, "/api/v1/pipelines/big?run="+id.String(), "")
	a.check(t, http.StatusOK, "")
	var got admin.PipelinePicture
	if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Run == nil || got.Run.ID != id || got.Run.Nodes["Big"].State != drawing.Done || got.Run.Nodes["Big"].Taken[0] != "false" {
		t.Errorf("got the run %+v", got.Run)
	}
	w.ask(t, http.MethodGet, "/api/v1/pipelines/others?run="+id.String(), "").check(t, http.StatusNotFound, "not_found")

	// The same run and its event, explained.
	for _, name := range []string{id.String(), id.Event.String()} {
		a := w.ask(t, http.MethodGet, "/api/v1/explain/"+name, "")
		a.check(t, http.StatusOK, "")
		var e admin.Explanation
		if err := json.Unmarshal(a.Body.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if len(e.Events) != 1 || len(e.Events[0].Runs) != 1 || e.Events[0].Identity == nil || e.Events[0].Identity.Event != "header X-Acme-Event" {
			t.Fatalf("%s: got %+v", name, e.Events)
		}
		decisions, want := e.Events[0].Decisions, 2
		if name == id.String() {
			want = 1
		}
		if len(decisions) != want || decisions[0].Verdict != explain.Started || *decisions[0].Run != id {
			t.Errorf("%s: got %+v, want %d decisions, big's first", name, decisions, want)
		}
	}
}

// routed routes the next event to a run of a pipeline that has ended with these steps.
func routed(t *testing.T, st store.Store, d *pipeline.Diagram, steps ...run.Step) run.ID {
	t.Helper()
	claimed, err := st.Claim(t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1, Lease: time.Minute})
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claimed %d tasks, %v", len(claimed), err)
	}
	c := claimed[0]
	id := run.NewID(c.Event.ID, d.Name, run.Cause{Kind: run.Live})
	errs, err := st.Settle(t.Context(), []store.Settlement{{
		Held: c.Held(), Routed: true,
		NewRuns: []store.NewRun{{
			Run: run.Run{
				ID: id, Pipeline: d.Name, Revision: d.Revision, Cause: run.Cause{Kind: run.Live}, State: run.Done, Outcome: run.Completed, Version: 1,
			},
			Steps: steps,
		}},
	}})
	if err != nil || errs[0] != nil {
		t.Fatal(err, errs)
	}
	return id
}
