package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

const before = `
kind: destination
name: ops
url: http://127.0.0.1:9000/old
headers: {X-Address: old}
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {destination: ops, body: {text: "by the old"}}}
  - {label: Then, type: code, props: {code: '"the old code"'}}
  - {label: Last, type: hook, props: {destination: ops}}
`

const after = `
kind: destination
name: ops
url: http://127.0.0.1:9000/new
headers: {X-Address: new}
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {destination: ops, body: {text: "by the new"}}}
  - {label: Then, type: code, props: {code: '"the new code"'}}
  - {label: Last, type: hook, props: {destination: ops}}
  - {label: More, type: code, props: {code: '1'}}
`

// down answers 503 on /old and 200 elsewhere.
func down(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/old" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func TestARunEndsUnderItsRevisionAtTheLiveAddress(t *testing.T) {
	t.Parallel()
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarted %t", restarted), func(t *testing.T) {
			t.Parallel()
			g := open(t, before, down)
			id := g.event(`{}`)
			g.turn()
			revision := g.run(id).Run.Revision
			g.reload(after)
			if restarted { // what was compiled is forgotten; the store has its sources
				k, err := snapshot.NewKeeper(snapshot.KeeperOptions{
					Load:    snapshot.Options{Types: nodeTypes(), Dev: true, Manifest: g.manifest()},
					Sources: g.store, Logger: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := k.Boot(t.Context(), false); err != nil {
					t.Fatal(err)
				}
				g.keeper = k
				g.worker = g.another()
			}
			g.finish()
			rec := g.wants(id, run.Done, "completed")
			if rec.Run.Revision != revision || len(rec.Steps) != 4 {
				t.Errorf("the run ended under revision %s with %d steps, want %s and 4", rec.Run.Revision, len(rec.Steps), revision)
			}
			got := g.got("/new")
			if len(got) != 2 || string(got[0].Body) != `{"text":"by the old"}` || string(got[1].Body) != "the old code" {
				t.Fatalf("the new address got %q, want the bodies of the old revision", got)
			}
			if got[0].Header.Get("X-Address") != "new" {
				t.Errorf("the live destination's headers are %v", got[0].Header)
			}
			next := g.event(`{}`)
			g.finish()
			if rec := g.wants(next, run.Done, "completed"); rec.Run.Revision == revision || len(rec.Steps) != 5 {
				t.Errorf("a run after the reload has revision %s and %d steps", rec.Run.Revision, len(rec.Steps))
			}
		})
	}
}

func TestADestinationThatIsGoneParksUntilItIsBack(t *testing.T) {
	t.Parallel()
	g := open(t, before, down)
	id := g.event(`{}`)
	g.turn()
	g.reload(`
kind: pipeline
name: flow
nodes: [{label: In, type: receive, props: {provider: acme}}]
`)
	g.finish()
	rec := g.wants(id, run.Parked, worker.CodeNoDestination)
	if !strings.Contains(rec.Run.Message, `hook "Tell"`) {
		t.Errorf("the run is parked because %q, want the name of the hook", rec.Run.Message)
	}
	g.reload(after)
	g.retry(id, "r1")
	g.finish()
	g.wants(id, run.Done, "completed")
}

func TestADestinationThatIsDisabledParks(t *testing.T) {
	t.Parallel()
	g := open(t, oneHook, nil)
	g.reload(strings.Replace(oneHook, "name: ops", "name: ops\nenabled: false", 1))
	id := g.event(`{}`)
	g.finish()
	rec := g.wants(id, run.Parked, worker.CodeNoDestination)
	if !strings.Contains(rec.Run.Message, `no destination "ops"`) {
		t.Errorf("the run is parked because %q, want the name of the destination", rec.Run.Message)
	}
}

func TestAPipelineThatIsGoneParksItsOpenRuns(t *testing.T) {
	t.Parallel()
	for name, manifests := range map[string]string{
		"deleted":  "kind: destination\nname: ops\nurl: http://127.0.0.1:9000/new\n",
		"disabled": strings.Replace(after, "name: flow", "name: flow\nenabled: false", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, before, down)
			id := g.event(`{}`)
			g.turn()
			g.reload(manifests)
			g.finish()
			rec := g.wants(id, run.Parked, worker.CodeNoPipeline)
			if !strings.Contains(rec.Run.Message, `"flow" is deleted or disabled`) {
				t.Errorf("the run is parked because %q", rec.Run.Message)
			}
			if n := len(g.got("/new")); n != 0 {
				t.Errorf("%d requests were sent", n)
			}
			g.reload(after)
			g.retry(id, "r1")
			g.finish()
			g.wants(id, run.Done, "completed")
		})
	}
}

// diary is a log that can be read.
type diary struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.String()
}

// bomb is a node that panics where the payload says so.
type bomb struct{}

func (bomb) Do(_ context.Context, in node.Input) (node.Outcome, error) {
	body, ok := in.Env.Payload.(map[string]any)
	if !ok {
		return nil, errors.New("no map")
	}
	if body["explode"] == true {
		panic("boom")
	}
	return node.Value{V: "fine"}, nil
}

func bombs() []node.Type {
	return append(nodeTypes(), node.Type{
		Name: "bomb", Props: &field.Object{Name: "bomb"}, Build: func(*field.Values, node.Env, *diag.List) node.Node { return bomb{} },
	})
}

func TestAPanicInANodeParksTheRunAlone(t *testing.T) {
	t.Parallel()
	g := openTypes(t, bombs(), `
kind: pipeline
name: at-once
nodes: [{label: In, type: receive, props: {provider: acme}}, {label: Bomb, type: bomb}]
---
kind: pipeline
name: later
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}
  - {label: Bomb, type: bomb}
---
kind: pipeline
name: quiet
nodes: [{label: In, type: receive, props: {provider: acme}}]
`, nil)
	log := &diary{}
	g.worker = g.another(func(o *worker.Options) { o.Logger = slog.New(slog.NewJSONHandler(log, nil)) })
	id, other := g.event(`{"explode": true}`), g.event(`{}`)
	g.finish()
	page := g.runs(id)
	if len(page) != 3 {
		t.Fatalf("the event has %d runs, want 3: %+v", len(page), page)
	}
	for name, want := range map[string]run.State{"at-once": run.Parked, "later": run.Parked, "quiet": run.Done} {
		rec := page[name]
		if rec.Run.State != want {
			t.Errorf("%s is %s, want %s", name, rec.Run.State, want)
		}
		if want == run.Parked && (rec.Run.Reason != worker.CodeInternal || strings.Contains(rec.Run.Message, "boom") || len(rec.Tasks) != 0) {
			t.Errorf("%s is parked for %s (%s) with tasks %v, want internal, without the panic's text", name, rec.Run.Reason, rec.Run.Message, rec.Tasks)
		}
	}
	for name, rec := range g.runs(other) {
		if rec.Run.State != run.Done {
			t.Errorf("%s of another event is %s, want done", name, rec.Run.State)
		}
	}
	if got := strings.Count(log.String(), `"panic":"boom"`); got != 2 || !strings.Contains(log.String(), "world_test.go") {
		t.Errorf("the log tells of %d panics, want 2 with the stack:\n%s", got, log.String())
	}
	later := page["later"]
	if len(later.Attempts) != 1 || stepOf(t, later, "Tell").State != run.StepDone {
		t.Errorf("what was done before the panic is recorded as %+v, %+v", later.Attempts, later.Steps)
	}
	if err := g.store.Retry(t.Context(), store.RetryAsk{Request: "r1", Run: later.Run.ID}); err != nil {
		t.Fatal(err)
	}
	g.finish()
	if n := len(g.got("/x")); n != 2 { // one for each event
		t.Errorf("the receiver got %d requests, want 2: the retry repeats what failed only", n)
	}
}
