package snapshot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node/call"
	"github.com/headgate/headgate/engine/node/foreach"
	"github.com/headgate/headgate/engine/node/respond"
	"github.com/headgate/headgate/engine/node/start"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
)

const loops = `
kind: destination
name: ops
url: https://ops.example.com/in
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order}}
  - label: Each
    type: foreach
    props:
      items: payload.list
      nodes:
        - {label: Tell, type: hook, props: {destination: ops}}
        - {label: Own, type: hook, props: {url: "https://own.example.com/in"}}
  - {label: Answer, type: respond, props: {body: done, timeout: 7s}}
---
kind: pipeline
name: slow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order}}
  - {label: Answer, type: respond, props: {body: done, timeout: 9s}}
---
kind: pipeline
name: quiet
nodes:
  - {label: In, type: receive, props: {provider: acme, event: paid}}
`

func loadLoops(t *testing.T, text string) *snapshot.Snapshot {
	t.Helper()
	s, out := snapshot.Load(t.Context(), snapshot.Options{
		Types: append(nodeTypes(), foreach.Type(), respond.Type(), start.Type(), call.Type()),
		Manifest: manifest.Options{
			Files: []*source.File{
				source.NewFile("acme.yaml", []byte(strings.Replace(acme, "[{name: order}]", "[{name: order}, {name: paid}]", 1))),
				source.NewFile("flow.yaml", []byte(text)),
			},
			Env: func(string) (string, bool) { return "a-secret-of-some-length", true },
		},
	})
	if s == nil {
		t.Fatal(out.Sorted())
	}
	return s
}

func revisionOf(t *testing.T, text string) string {
	t.Helper()
	d, ok := loadLoops(t, text).Pipeline("flow")
	if !ok {
		t.Fatal("there is no pipeline")
	}
	return d.Revision
}

func TestHooksInABodyHaveTheirDestinations(t *testing.T) {
	t.Parallel()
	s := loadLoops(t, loops)
	if d, ok := s.Destination("flow/Each/Own"); !ok || d.Gate != "flow/Each/Own" {
		t.Errorf("the destination that a hook in a body describes is there: %t", ok)
	}
	if revisionOf(t, loops) == revisionOf(t, strings.Replace(loops, "https://ops.example.com/in", "https://ops.example.com/out", 1)) {
		t.Error("a destination that only a hook in a body names is no part of the revision")
	}
}

func TestTestsAreNoPartOfARevision(t *testing.T) {
	t.Parallel()
	tested := strings.Replace(loops, "name: flow\n", "name: flow\ntests: [{name: one, send: acme/order}]\n", 1)
	if a, b := revisionOf(t, loops), revisionOf(t, tested); a != b {
		t.Errorf("with a test the revision is %s, without %s", b, a)
	}
}

func TestTheSenderIsKeptAsLongAsTheSlowestAnswerMayTake(t *testing.T) {
	t.Parallel()
	s := loadLoops(t, loops)
	if timeout, ok := s.Responds("acme", "order"); !ok || timeout != 9*time.Second {
		t.Errorf("an order keeps its sender for %s, %t", timeout, ok)
	}
	if timeout, ok := s.Responds("acme", "paid"); ok {
		t.Errorf("an event that nothing answers keeps its sender for %s", timeout)
	}
	if _, ok := s.Pipeline("nobody"); ok {
		t.Error("there is a pipeline that nobody wrote")
	}
}

const asking = `
kind: pipeline
name: anybody
nodes:
  - {label: In, type: receive, props: {provider: "*", event: order}}
  - {label: Answer, type: respond, props: {timeout: 4s}}
---
kind: pipeline
name: inside
nodes:
  - {label: In, type: receive, props: {provider: internal}}
  - {label: Answer, type: respond, props: {timeout: 20s}}
---
kind: pipeline
name: asks
nodes:
  - {label: In, type: receive, props: {provider: acme, event: paid}}
  - label: Each
    type: foreach
    props: {items: "[1, 2]", nodes: [{label: Ask, type: call, props: {pipeline: between}}]}
---
kind: pipeline
name: between
nodes:
  - {label: Begin, type: start}
  - {label: Ask, type: call, props: {pipeline: answers}}
  - {label: Later, type: call, props: {pipeline: late, detach: true}}
---
kind: pipeline
name: answers
nodes:
  - {label: Begin, type: start}
  - {label: Answer, type: respond, props: {timeout: 6s}}
---
kind: pipeline
name: late
nodes:
  - {label: Begin, type: start}
  - {label: Answer, type: respond, props: {timeout: 19s}}
---
kind: pipeline
name: forgets
nodes:
  - {label: In, type: receive, props: {provider: acme, event: paid}}
  - {label: Ask, type: call, props: {pipeline: late, detach: true}}
`

func TestAPipelineThatTakesEveryProvidersEventsAnswersThem(t *testing.T) {
	t.Parallel()
	s := loadLoops(t, asking)
	if timeout, ok := s.Responds("acme", "order"); !ok || timeout != 4*time.Second {
		t.Errorf("an order keeps its sender for %s, %t", timeout, ok)
	}
	if timeout, ok := s.Responds("internal", "order"); ok {
		t.Errorf("an event of Headgate's own keeps a sender for %s, and has none", timeout)
	}
}

func TestACalledPipelineAnswersForItsCaller(t *testing.T) {
	t.Parallel()
	s := loadLoops(t, asking)
	if timeout, ok := s.Responds("acme", "paid"); !ok || timeout != 6*time.Second {
		t.Errorf("the sender is kept for %s, %t", timeout, ok)
	}
	for name, want := range map[string]time.Duration{"asks": 6 * time.Second, "between": 6 * time.Second, "answers": 6 * time.Second, "forgets": 0} {
		d, _ := s.Pipeline(name)
		if timeout, ok := d.Responds(); timeout != want || ok != (want > 0) {
			t.Errorf("%s may answer for %s, %t; want %s", name, timeout, ok, want)
		}
	}
}
