package worker_test

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

const twoFlows = `
kind: pipeline
name: one
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/one", body: "old"}}
---
kind: pipeline
name: two
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/two", body: "old"}}
`

// replay replays an event as a job.
func (g *gate) replay(id event.ID, job store.Job) {
	g.t.Helper()
	g.job(job)
	if n, err := g.store.Replay(g.t.Context(), store.ReplayAsk{Request: job.ID, Events: []event.ID{id}}); n != 1 || err != nil {
		g.t.Fatal(n, err)
	}
	g.finish()
}

// job stores a job.
func (g *gate) job(job store.Job) {
	g.t.Helper()
	job.Kind, job.State, job.Rate = store.JobReplay, store.JobRunning, 10
	if err := g.store.PutJob(g.t.Context(), job, store.By{Who: "ann"}); err != nil {
		g.t.Fatal(err)
	}
}

// made gives the runs that a replay made, by pipeline.
func (g *gate) made(id event.ID, job string) map[string]run.Run {
	g.t.Helper()
	page, err := g.store.Runs(g.t.Context(), store.RunQuery{Event: id, Cause: run.Replay, Ref: job})
	if err != nil {
		g.t.Fatal(err)
	}
	out := map[string]run.Run{}
	for _, r := range page.Runs {
		out[r.Pipeline] = r
	}
	return out
}

func TestAReplayStartsThePipelinesOfItsJob(t *testing.T) {
	t.Parallel()
	g := openAll(t, twoFlows, nil)
	id := g.event(`{}`)
	g.finish()
	g.replay(id, store.Job{ID: "j1", Pipelines: []string{"two"}})
	if got := g.made(id, "j1"); len(got) != 1 || got["two"].State != run.Done {
		t.Errorf("the replay made %+v, want a run of two", got)
	}
	g.replay(id, store.Job{ID: "j2"})
	if got := g.made(id, "j2"); len(got) != 2 {
		t.Errorf("the replay made %+v, want runs of both", got)
	}
	if len(g.got("/one")) != 2 || len(g.got("/two")) != 3 {
		t.Errorf("%d and %d requests were made, want 2 and 3", len(g.got("/one")), len(g.got("/two")))
	}
}

func TestAReplayWhoseJobIsGoneStartsNothing(t *testing.T) {
	t.Parallel()
	g := openAll(t, twoFlows, nil)
	id := g.event(`{}`)
	g.finish()
	if n, err := g.store.Replay(t.Context(), store.ReplayAsk{Request: "gone", Events: []event.ID{id}}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	g.finish()
	got := g.made(id, "gone")
	for _, name := range []string{"one", "two"} {
		if r := got[name]; r.State != run.Parked || r.Reason != worker.CodeNoJob || r.Revision == "" {
			t.Errorf("the replay made %+v of %s, want a run that is parked as %s", r, name, worker.CodeNoJob)
		}
	}
	if len(g.got("/one")) != 1 || len(g.got("/two")) != 1 {
		t.Errorf("%d and %d requests were made, want none but the first", len(g.got("/one")), len(g.got("/two")))
	}
	if err := g.store.Retry(t.Context(), store.RetryAsk{Request: "r", Run: got["two"].ID}); err != nil {
		t.Fatal(err)
	}
	g.finish()
	if r := g.made(id, "gone")["two"]; r.State != run.Done || len(g.got("/one")) != 1 || len(g.got("/two")) != 2 {
		t.Errorf("retried it is %s %s, want done and sent once more", r.State, r.Reason)
	}
}

func TestAPinnedReplayTakesTheRevisionsOfTheEvent(t *testing.T) {
	t.Parallel()
	g := openAll(t, twoFlows, nil)
	id := g.event(`{}`)
	g.finish()
	first := g.runs(id)
	flows := strings.Split(strings.ReplaceAll(twoFlows, `"old"`, `"new"`), "---")
	g.reload(flows[0] + `---
kind: pipeline
name: three
nodes: [{label: In, type: receive, props: {provider: acme}}]
`)
	g.replay(id, store.Job{ID: "j1", Pinned: true})
	got := g.made(id, "j1")
	if len(got) != 2 || got["one"].State != run.Done || got["one"].Revision != first["one"].Run.Revision {
		t.Errorf("the replay made %+v, want a run of one under its first revision", got)
	}
	if two := got["two"]; two.State != run.Parked || two.Reason != worker.CodeNoPipeline || two.Revision != first["two"].Run.Revision {
		t.Errorf("of a pipeline that is gone the replay made %+v, want a parked run", two)
	}
	g.replay(id, store.Job{ID: "j2"})
	if got := g.made(id, "j2"); len(got) != 2 || got["one"].Revision == first["one"].Run.Revision || got["three"].State != run.Done {
		t.Errorf("a replay under the live revisions made %+v", got)
	}
	var bodies []string
	for _, r := range g.got("/one") {
		bodies = append(bodies, string(r.Body))
	}
	if strings.Join(bodies, " ") != "old old new" {
		t.Errorf("sent was %q, want old, old and new", bodies)
	}
}
