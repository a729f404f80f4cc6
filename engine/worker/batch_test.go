package worker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/worker"
)

const gathering = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: All, type: batch, props: {key: "{{ payload.team }}", item: "{{ payload.n }}", count: 3, after: 10m}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x", body: {key: "{{ All.key }}", count: "{{ All.count }}", items: "{{ All.items }}"}}}
`

func TestABatchIsClosedByItsCountOrItsTime(t *testing.T) {
	t.Parallel()
	everywhere(t, gathering, nil, func(t *testing.T, g *gate) {
		t.Helper()
		for n := 1; n <= 4; n++ {
			g.event(fmt.Sprintf(`{"team": "a", "n": %d}`, n))
			g.soon()
		}
		g.event(`{"team": "b", "n": 5}`)
		g.outlast()
		led, followed := 0, 0
		for _, rec := range g.all("flow") {
			g.is(rec, run.Done, "completed")
			switch stepOf(t, rec, "All").Branch {
			case "":
				led++
			case "batched":
				followed++
				leader := g.all("flow")[0].Run.ID
				g.output(rec, "All", fmt.Sprintf(`{"run":%q}`, leader))
			}
		}
		if led != 3 || followed != 2 || g.sent("/x") != 3 {
			t.Errorf("%d runs led, %d followed, %d requests were sent; want 3, 2, 3", led, followed, g.sent("/x"))
		}
		bodies := map[string]bool{}
		for _, got := range g.got("/x") {
			bodies[string(got.Body)] = true
		}
		for _, want := range []string{
			`{"count":3,"items":[1,2,3],"key":"a"}`, `{"count":1,"items":[4],"key":"a"}`, `{"count":1,"items":[5],"key":"b"}`,
		} {
			if !bodies[want] {
				t.Errorf("nobody sent %s; sent was %v", want, bodies)
			}
		}
	})
}

func TestABatchByCountAloneStaysOpen(t *testing.T) {
	t.Parallel()
	g := openAll(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: All, type: batch, props: {count: 2}}
  - {label: Got, type: code, props: {code: 'All.count'}}
`, nil)
	first := g.event(`{"n": 1}`)
	g.turn()
	g.clock.advance(400 * 24 * time.Hour)
	g.turn()
	if tasks := g.of(first, "flow").Tasks; !slices.ContainsFunc(tasks, func(t run.Task) bool { return t.Kind == run.TaskTimer && t.Path == "All" }) {
		t.Errorf("the open tasks are %+v, want the batch's among them", tasks)
	}
	g.event(`{"n": 2}`)
	g.turn()
	g.output(g.of(first, "flow"), "Got", "2")
}

func TestItemsOfOneRunCanBeOneBatch(t *testing.T) {
	t.Parallel()
	g := openAll(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - label: Each
    type: foreach
    props:
      items: payload.ns
      parallel: 10
      nodes:
        - {label: All, type: batch, props: {count: 3}}
        - {label: Sum, type: code, props: {code: 'sum(All.items)'}}
`, nil)
	id := g.event(`{"ns": [1, 2, 3]}`)
	g.finish()
	rec := g.of(id, "flow")
	g.is(rec, run.Done, "completed")
	g.output(rec, "Each", "[6,null,null]")
}

func TestABatchOfAPipelineThatIsGoneIsParkedWithinADay(t *testing.T) {
	t.Parallel()
	for _, node := range []string{"{label: All, type: batch, props: {count: 2}}", "{label: All, type: call, props: {pipeline: helper}}"} {
		manifests := `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - ` + node + `
`
		const helper = `
kind: pipeline
name: helper
nodes:
  - {label: Go, type: start}
  - {label: Pause, type: wait, props: {for: 300h}}
`
		g := openAll(t, manifests+"---"+helper, nil)
		id := g.event(`{"n": 1}`)
		g.turn()
		g.clock.advance(30 * time.Hour) // it is looked at, and stays
		g.turn()
		g.is(g.of(id, "flow"), run.Open, "")
		g.reload(helper)
		g.clock.advance(25 * time.Hour)
		g.turn()
		g.is(g.of(id, "flow"), run.Parked, worker.CodeNoPipeline)
	}
}
