package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/code"
	"github.com/headgate/headgate/engine/node/receive"
	"github.com/headgate/headgate/engine/node/start"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
)

// folder is a running configuration.
type folder struct{ *snapshot.Snapshot }

func (f folder) Current() *snapshot.Snapshot { return f.Snapshot }

func (f folder) Diagram(_ context.Context, name, revision string) (*pipeline.Diagram, error) {
	if d, ok := f.Snapshot.Diagram(name, revision); ok {
		return d, nil
	}
	return nil, errors.New("it is deleted")
}

// withPipelines gives the world two pipelines: flow is started by events, doubles by hand.
func (w *world) withPipelines(t *testing.T) *world {
	t.Helper()
	s, out := snapshot.Load(t.Context(), snapshot.Options{
		Types: []node.Type{receive.Type(), start.Type(), code.Type()}, Dev: true,
		Manifest: manifest.Options{Dev: true, Files: []*source.File{source.NewFile("a.yaml", []byte(`
kind: provider
name: acme
signature: none
event: {header: X-Event}
unknown_events: accept
---
kind: pipeline
name: flow
title: The flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Also, type: receive, props: {provider: acme, event: x}}
  - {label: N, type: code, props: {code: payload.n}}
connections: [In -> N, Also -> N]
---
kind: pipeline
name: doubles
limits: {runs: 3, per: 90m, concurrency: 2, overflow: drop}
order_by: payload.n
nodes:
  - {label: Go, type: start}
  - {label: Twice, type: code, props: {code: 'payload.n * 2'}}
`))}},
	})
	if s == nil {
		t.Fatal(out.Sorted())
	}
	w.Folder = folder{s}
	return w
}

func TestPipelinesAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.ask(t, "GET", "/api/v1/pipelines", "")
	a.check(t, http.StatusOK, "")
	if list, ok := a.json["pipelines"].([]any); !ok || len(list) != 0 {
		t.Errorf("without pipelines got %s, want an empty list", a.Body)
	}
	w = newWorld(t).withPipelines(t)
	a = w.ask(t, "GET", "/api/v1/pipelines", "")
	var got admin.PipelineList
	if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil || len(got.Pipelines) != 2 {
		t.Fatalf("got %s, %v", a.Body, err)
	}
	for i := range got.Pipelines {
		if got.Pipelines[i].Revision == "" {
			t.Errorf("%s has no revision", got.Pipelines[i].Name)
		}
		got.Pipelines[i].Revision = ""
	}
	want := []admin.Pipeline{
		{Name: "flow", Title: "The flow", Nodes: 3, Receives: []string{"acme"}},
		{
			Name: "doubles", Nodes: 2, Startable: true, Receives: []string{}, Ordered: true,
			Limits: &admin.Limits{Runs: 3, Per: "1h30m0s", Concurrency: 2, Overflow: "drop"},
		},
	}
	if !reflect.DeepEqual(got.Pipelines, want) {
		t.Errorf("got %+v, want %+v", got.Pipelines, want)
	}
	w.ask(t, "GET", "/api/v1/pipelines?x=1", "").check(t, http.StatusBadRequest, "bad_parameter")
}

func TestAPipelineIsRunByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withPipelines(t)
	a := w.ask(t, "POST", "/api/v1/pipelines/doubles/run", `{"input": {"n": 9007199254740993}}`, "Idempotency-Key: k1")
	a.check(t, http.StatusOK, "")
	id := event.NewID(instant(), 1)
	if a.json["event"] != id.String() || a.json["run"] != run.NewID(id, "doubles", run.Cause{Kind: run.Manual}).String() {
		t.Errorf("got %s", a.Body)
	}
	for _, body := range []string{`{}`, `{"input": null}`, ``} {
		w.ask(t, "POST", "/api/v1/pipelines/doubles/run", body).check(t, http.StatusOK, "")
	}
	for i, got := range w.records.appended {
		body, delivery, window := `{}`, "", time.Duration(0)
		if i == 0 {
			body, delivery, window = `{"n": 9007199254740993}`, "doubles/k1", 24*time.Hour
		}
		e := got.Event
		if string(e.Body) != body || e.Delivery != delivery || got.Window != window || !got.Route || e.Source != event.Manual || e.Cause != "doubles" ||
			e.Provider != event.Internal || e.Request == "" || e.Routes != w.Folder.Current().Digest {
			t.Errorf("stored was %+v", got)
		}
	}
	for _, body := range []string{`{"input": [1]}`, `{"input": "x"}`, `{"inputs": {}}`, `[]`, `{"input": {}} {}`} {
		w.ask(t, "POST", "/api/v1/pipelines/doubles/run", body).check(t, http.StatusBadRequest, "bad_body")
	}
	w.ask(t, "GET", "/api/v1/pipelines/doubles/run", "").check(t, http.StatusMethodNotAllowed, "method_not_allowed")
	if n := len(w.records.appended); n != 4 {
		t.Errorf("%d events were stored, want 4", n)
	}
}

func TestAPipelineThatCannotBeRunSaysWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withPipelines(t)
	w.ask(t, "POST", "/api/v1/pipelines/doubl/run", ``).check(t, http.StatusNotFound, "pipeline_not_found")
	w.ask(t, "POST", "/api/v1/pipelines/flow/run", ``).check(t, http.StatusConflict, "no_start_node")
	w.records.fail = store.ErrUnavailable
	w.ask(t, "POST", "/api/v1/pipelines/doubles/run", ``).check(t, http.StatusServiceUnavailable, "store_unavailable")
	newWorld(t).ask(t, "POST", "/api/v1/pipelines/flow/run", ``).check(t, http.StatusNotFound, "pipeline_not_found")
}

func TestARunTellsItsResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withPipelines(t)
	id := w.add("x", `{"n": 7}`)
	for name, path := range map[string]string{"flow": "N", "doubles": "Twice"} {
		d, _ := w.Folder.Current().Pipeline(name)
		rec := aRun(id, run.Done)
		rec.Run.ID, rec.Run.Pipeline, rec.Run.Revision, rec.Run.Outcome = run.NewID(id, name, run.Cause{}), name, d.Revision, run.Completed
		rec.Steps = []run.Step{{Path: path, Node: path, Type: "code", State: run.StepDone, Output: json.RawMessage(`14`)}}
		if name == "flow" {
			rec.Steps = append(rec.Steps, run.Step{Path: "In", Node: "In", Type: "receive", State: run.StepDone})
		} else {
			rec.Run.Input = json.RawMessage(`{"n": 7}`)
			rec.Steps = append(rec.Steps, run.Step{Path: "Go", Node: "Go", Type: "start", State: run.StepDone})
		}
		w.records.runs = []store.RunRecord{rec}
		a := w.ask(t, "GET", "/api/v1/runs/"+rec.Run.ID.String(), "")
		if a.json["result"] != 14.0 {
			t.Errorf("%s: the result is %v, want 14\n%s", name, a.json["result"], a.Body)
		}
		var got admin.RunDetail
		if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil || len(got.Steps) != 2 || got.Steps[1].Path != path {
			t.Errorf("%s: the steps are %+v, %v; want them in the order of the diagram", name, got.Steps, err)
		}
		w.records.runs[0].Run.Revision = "gone"
		if a := w.ask(t, "GET", "/api/v1/runs/"+rec.Run.ID.String(), ""); a.Code != http.StatusOK || a.json["result"] != nil {
			t.Errorf("%s: without its revision the run is %d with the result %v", name, a.Code, a.json["result"])
		}
	}
}

func TestARunTellsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.add("order.created", `{}`)
	rec := aRun(id, run.Open)
	in := func(d time.Duration) time.Time { return instant().Add(d) }
	rec.Tasks = []run.Task{
		{Kind: run.TaskStep, Due: instant(), Held: true},
		{Kind: run.TaskStep, Path: "Tell", Due: in(time.Minute), N: 1},
		{Kind: run.TaskStep, Path: "Now", Due: in(-time.Minute)},
		{Kind: run.TaskTimer, Path: "Pause", Due: in(time.Hour)},
		{Kind: run.TaskWait, Path: "Approved", Due: in(2 * time.Hour)},
		{Kind: run.TaskChild, Path: "Ask", Due: in(100 * 365 * 24 * time.Hour)},
	}
	for i := range rec.Tasks {
		rec.Tasks[i].Event, rec.Tasks[i].Run = id, rec.Run.ID
	}
	w.records.runs = []store.RunRecord{rec}
	a := w.ask(t, "GET", "/api/v1/runs/"+rec.Run.ID.String(), "")
	var got admin.RunDetail
	if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) *time.Time { v := in(d); return &v }
	want := []admin.Wait{
		{For: "turn"},
		{Path: "Tell", For: "retry", Until: at(time.Minute)},
		{Path: "Now", For: "work"},
		{Path: "Pause", For: "time", Until: at(time.Hour)},
		{Path: "Approved", For: "event", Until: at(2 * time.Hour)},
		{Path: "Ask", For: "run"},
	}
	if !reflect.DeepEqual(got.Waits, want) {
		t.Errorf("the run waits for\n%+v, want\n%+v", got.Waits, want)
	}
}
