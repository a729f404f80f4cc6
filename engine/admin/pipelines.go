package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Pipeline is a live pipeline as the API writes it.
type Pipeline struct {
	Name     string            `json:"name"`
	Title    string            `json:"title,omitempty"`
	Revision string            `json:"revision"`
	Labels   map[string]string `json:"labels,omitempty"`
	Nodes    int               `json:"nodes"`
	// Startable says that it has a start node: that it can be run by hand, or called.
	Startable bool `json:"startable"`
	// Receives are the providers whose events it takes.
	Receives []string `json:"receives"`
	// Limits is nil where it has none.
	Limits *Limits `json:"limits,omitempty"`
	// Ordered says that runs of the same order_by go one at a time.
	Ordered bool `json:"ordered,omitempty"`
}

// Limits are those of a pipeline; 0 is no limit.
type Limits struct {
	Runs        int    `json:"runs,omitempty"`
	Per         string `json:"per,omitempty"`
	Concurrency int    `json:"concurrency,omitempty"`
	// Overflow is what becomes of a run that would have to wait for its turn: "wait" or "drop".
	Overflow string `json:"overflow"`
}

// PipelineList is what GET /api/v1/pipelines answers.
type PipelineList struct {
	Pipelines []Pipeline `json:"pipelines"`
}

// Begun is a run that was begun by hand.
type Begun struct {
	Event event.ID `json:"event"`
	// Run is the run's id. The record is there once the event is routed, which takes a moment.
	Run run.ID `json:"run"`
}

// RunRequest is the body of POST /api/v1/pipelines/{name}/run.
type RunRequest struct {
	// Input is the object that the run gets as its payload, over the constants of its start node; {} where it is left out.
	Input json.RawMessage `json:"input,omitempty"`
}

// manualName is the name of the events that stand for runs by hand, manualWindow how long the key of one counts as seen.
const (
	manualName   = "manual"
	manualWindow = 24 * time.Hour
)

func (a *api) pipelines(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	out := PipelineList{Pipelines: []Pipeline{}}
	for _, d := range a.live() {
		out.Pipelines = append(out.Pipelines, pipelineDocument(d))
	}
	answer(w, a.log, http.StatusOK, out)
	return nil
}

// live gives the pipelines that are running, in file order.
func (a *api) live() []*pipeline.Diagram {
	if a.folder == nil || a.folder.Current() == nil {
		return nil
	}
	return a.folder.Current().Pipelines()
}

func pipelineDocument(d *pipeline.Diagram) Pipeline {
	p := Pipeline{
		Name: d.Name, Title: d.Title, Revision: d.Revision, Labels: d.Labels, Nodes: d.Size(), Startable: d.Startable(), Ordered: d.Ordered(),
		Receives: []string{},
	}
	for _, entry := range d.Entries() {
		if !slices.Contains(p.Receives, entry.Node.Provider) {
			p.Receives = append(p.Receives, entry.Node.Provider)
		}
	}
	limits, ok := d.Limits()
	if !ok {
		return p
	}
	p.Limits = &Limits{Runs: limits.Runs, Concurrency: limits.Concurrency, Overflow: "wait"}
	if limits.Drop {
		p.Limits.Overflow = "drop"
	}
	if limits.Runs > 0 {
		p.Limits.Per = limits.Per.String()
	}
	return p
}

func (a *api) runPipeline(w http.ResponseWriter, r *http.Request) error {
	var ask RunRequest
	if r.ContentLength != 0 {
		if err := readBody(r, &ask); err != nil {
			return err
		}
	}
	input := bytes.TrimSpace(ask.Input)
	switch {
	case len(input) == 0 || string(input) == "null":
		input = []byte("{}")
	case input[0] != '{':
		return refuse(http.StatusBadRequest, "bad_body", "input is a JSON object: what the run gets as its payload")
	}
	name := r.PathValue("name")
	if err := a.startable(name); err != nil {
		return err
	}
	// The event stands for the run until the worker has routed it.
	arrival := store.Arrival{Route: true, Event: event.Event{
		Request: strings.ToLower(rand.Text()), Provider: event.Internal, Name: manualName, Routes: a.folder.Current().Digest,
		Source: event.Manual, Cause: name, ContentType: "application/json", Body: input,
	}}
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		arrival.Event.Delivery, arrival.Window = name+"/"+key, manualWindow
	}
	receipts, err := a.reader.Append(r.Context(), []store.Arrival{arrival})
	if err != nil {
		return err
	}
	id := receipts[0].ID
	begun := Begun{Event: id, Run: run.NewID(id, name, run.Cause{Kind: run.Manual})}
	a.note(r, actionRun, name, begun)
	a.log.InfoContext(r.Context(), "a pipeline is run by hand", "pipeline", name, "event", id.String(), "run", begun.Run.String())
	answer(w, a.log, http.StatusOK, begun)
	return nil
}

// startable says why a pipeline cannot be run by hand, nil where it can.
func (a *api) startable(name string) error {
	var names []string
	for _, d := range a.live() {
		names = append(names, d.Name)
		if d.Name != name {
			continue
		}
		if !d.Startable() {
			return refuse(http.StatusConflict, "no_start_node", fmt.Sprintf("pipeline %q has no start node: only events of its providers begin it", name))
		}
		return nil
	}
	return refuse(http.StatusNotFound, "pipeline_not_found",
		strings.TrimSuffix(fmt.Sprintf("there is no pipeline %q; %s", name, diag.DidYouMean(name, names)), "; "))
}

// runDetail gives a run whole. What it did stands in the order of its diagram, or of time where its revision is gone.
func (a *api) runDetail(ctx context.Context, rec store.RunRecord) RunDetail {
	if a.folder != nil {
		if d, err := a.folder.Diagram(ctx, rec.Run.Pipeline, rec.Run.Revision); err == nil && d != nil {
			rec.Steps, rec.Attempts, rec.Tasks = slices.Clone(rec.Steps), slices.Clone(rec.Attempts), slices.Clone(rec.Tasks)
			d.InOrder(rec.Steps, rec.Attempts, rec.Tasks)
		}
	}
	return runDetail(rec, a.now())
}

// result gives what a run that is done has come to, null where that cannot be told any more.
func (a *api) result(ctx context.Context, rec store.RunRecord, ev *event.Event) json.RawMessage {
	if rec.Run.State != run.Done || a.folder == nil || ev == nil {
		return nil
	}
	d, err := a.folder.Diagram(ctx, rec.Run.Pipeline, rec.Run.Revision)
	if err != nil {
		return nil // deleted since, or no longer readable
	}
	if rec.Run.Input == nil {
		if ev.Body, err = a.reader.Body(ctx, ev.ID); err != nil {
			return nil
		}
	}
	value := d.Result(pipeline.Record{Event: ev, Payload: pipeline.Decode(ev), Run: &rec.Run, Steps: rec.Steps})
	text, err := payload.Encode(value)
	if err != nil || value == nil {
		return nil
	}
	return text
}
