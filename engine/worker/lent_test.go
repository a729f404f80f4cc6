package worker_test

import (
	"testing"

	"github.com/headgate/headgate/engine/run"
)

func TestACalleeWaitsForNobodyWhoWaitsForTheLaneOfItsCaller(t *testing.T) {
	t.Parallel()
	g := openAll(t, `
kind: destination
name: ops
url: http://127.0.0.1:9000/ops
ordering: {by: payload.key, on_exhausted: skip}
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.created}}
  - {label: Pause, type: wait, props: {for: 10s}}
  - {label: Ask, type: call, props: {pipeline: helper}}
---
kind: pipeline
name: helper
order_by: payload.key
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.paid}}
  - {label: Go, type: start}
  - {label: Tell, type: hook, props: {destination: ops}}
connections: [In -> Tell, Go -> Tell]
`, nil)
	created := g.named("order.created", `{"key": "k"}`)
	g.turn()
	paid := g.named("order.paid", `{"key": "k"}`)
	g.finish()
	if rec := g.of(created, "flow"); rec.Run.State != run.Done {
		t.Errorf("the caller is %s, want done", rec.Run.State)
	}
	if rec := g.of(paid, "helper"); rec.Run.State != run.Done || len(g.got("/ops")) != 2 {
		t.Errorf("the run behind it is %s after %d requests, want done after 2", rec.Run.State, len(g.got("/ops")))
	}
}
